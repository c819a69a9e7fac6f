/* From a file to a number. */
#include "measure/file_digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "scenario/fnv1a.h"

bool file_digest_text(const char *path, char text[FILE_DIGEST_TEXT_SIZE]) {
    unsigned char bytes[16384];
    uint64_t hash = FNV1A_START;
    FILE *from = fopen(path, "rbe");
    if (from == NULL) {
        return false;
    }
    size_t count = 0;
    while ((count = fread(bytes, 1, sizeof bytes, from)) > 0) {
        hash = fnv1a_bytes(hash, bytes, count);
    }
    const bool is_whole = ferror(from) == 0;
    const int reason = errno;
    (void)fclose(from);
    errno = reason;
    if (is_whole) {
        (void)snprintf(text, FILE_DIGEST_TEXT_SIZE, "fnv1a64:%016" PRIx64, hash);
    }
    return is_whole;
}
