#!/usr/bin/env bash
# Records gcc's compiler proper, cc1, on a small C program at -O2. Writes the trace to the path given, or to gcc.pbtrace
# beside this script. Playing the trace needs none of this.
#   record-gcc.sh [TRACE]
# Debian packages: gcc, libc6-dev. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need gcc
trace=${1:-$here/gcc.pbtrace}

# Counts words: a hash table, loops, calls of the C library, and, with the headers, some 2,000 lines of declarations.
cat >"$work/words.c" <<'END'
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    struct word *next;
    unsigned count;
    char text[];
};

static struct word *table[4096];

static unsigned hash(const char *text) {
    unsigned sum = 5381;
    while (*text != '\0') {
        sum = sum * 33 + (unsigned char)*text++;
    }
    return sum % 4096;
}

static struct word *find(const char *text) {
    struct word **at = &table[hash(text)];
    while (*at != NULL && strcmp((*at)->text, text) != 0) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = calloc(1, sizeof **at + strlen(text) + 1);
        if (*at == NULL) {
            exit(1);
        }
        strcpy((*at)->text, text);
    }
    return *at;
}

static int compare(const void *a, const void *b) {
    const struct word *x = *(struct word *const *)a;
    const struct word *y = *(struct word *const *)b;
    return (x->count < y->count) - (x->count > y->count);
}

int main(void) {
    char text[256];
    unsigned length = 0;
    unsigned known = 0;
    for (int c = getchar(); c != EOF; c = getchar()) {
        if (isalpha(c) && length + 1 < sizeof text) {
            text[length++] = (char)tolower(c);
        } else if (length > 0) {
            text[length] = '\0';
            find(text)->count++;
            length = 0;
        }
    }
    struct word **all = malloc(65536 * sizeof *all);
    if (all == NULL) {
        return 1;
    }
    for (unsigned i = 0; i < 4096; i++) {
        for (struct word *each = table[i]; each != NULL && known < 65536; each = each->next) {
            all[known++] = each;
        }
    }
    qsort(all, known, sizeof *all, compare);
    for (unsigned i = 0; i < known && i < 10; i++) {
        printf("%u %s\n", all[i]->count, all[i]->text);
    }
    return 0;
}
END
gcc -E "$work/words.c" -o "$work/words.i"
"$poolbuf" record -o "$trace" -- "$(gcc -print-prog-name=cc1)" -quiet -O2 -fpreprocessed "$work/words.i" -o "$work/words.s"
