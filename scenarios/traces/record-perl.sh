#!/usr/bin/env bash
# Records perl on a script as people write them: a text is cut into words, which are counted, and where each stands is kept in
# a list a word. Writes the trace to the path given, or to perl.pbtrace beside this script. Playing the trace needs none of this.
#   record-perl.sh [TRACE]
# Debian package: perl-base. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need perl
trace=${1:-$here/perl.pbtrace}

cat >"$work/words.pl" <<'END'
use strict;
my (%count, %where);
my $text = join ' ', map { 'word' . ($_ * 7919 % 997) } 1 .. 8000;
while ($text =~ /(\w+)/g) {
    $count{$1}++;
    push @{ $where{$1} }, pos $text;
}
my @words = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print join(',', map { "$_=$count{$_} at $where{$_}[0]" } @words[0 .. 9]), "\n";
END
PERL_HASH_SEED=0 "$poolbuf" record -o "$trace" -- perl "$work/words.pl" >"$work/out"
