#!/usr/bin/env bash
# Records ImageMagick on pictures that it makes itself: three of 160 x 120 become fifteen, which are scaled, blurred, turned,
# sharpened and written as PNG. Writes the trace to the path given, or to imagemagick.pbtrace beside this script. Playing the
# trace needs none of this.
#   record-imagemagick.sh [TRACE]
# Debian package: imagemagick-6.q16. POOLBUF names the program to record with (build/release/bin/poolbuf).
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need convert-im6.q16
trace=${1:-$here/imagemagick.pbtrace}

MAGICK_THREAD_LIMIT=1 "$poolbuf" record -o "$trace" -- convert-im6.q16 -seed 1 -size 160x120 plasma:red-blue \
    plasma:green-yellow plasma:black-white -morph 6 -resize 75% -blur 0x1 -rotate 12 -sharpen 0x1 +repage "$work/%d.png"
