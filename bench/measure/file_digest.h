/* Whether a file is still the one that it was, such as a user's library between two measurements. */
#ifndef POOLBUF_BENCH_FILE_DIGEST_H
#define POOLBUF_BENCH_FILE_DIGEST_H

#include <stdbool.h>

enum {
    FILE_DIGEST_TEXT_SIZE = sizeof "fnv1a64:0123456789abcdef"
};

/* file_digest_text() hashes a file's bytes by FNV-1a, 64 bits, and spells it as results do.
 *   returns  false with errno set when it cannot be read; nothing is written then.
 *   threads  any.
 *   cost     reads the whole file, at some 1 ns a byte. */
bool file_digest_text(const char *path, char text[FILE_DIGEST_TEXT_SIZE]);

#endif
