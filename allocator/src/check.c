/* Where a failed POOLBUF_CHECK ends. */
#include "check.h"

#include <stdlib.h>

void check_failed(const char *file, int line, const char *condition, const char *meaning) {
    (void)fprintf(stderr, "poolbuf: %s (%s) at %s:%d\n", meaning, condition, file, line);
    abort();
}
