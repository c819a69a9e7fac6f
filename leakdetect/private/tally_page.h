/* What the processes of one `poolbuf leaks` share with it: the beginning of a file that it makes, and that POOLBUF_LEAK_TALLY
 * names. Not installed; the command and the library are of one version. */
#ifndef LEAKDETECT_TALLY_PAGE_H
#define LEAKDETECT_TALLY_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define TALLY_MAGIC UINT64_C(0x31796c6c6174706c) /* "lptally1" */

typedef struct tally_page {
    uint64_t magic;
    _Atomic uint32_t lost; /* reports about leaks or misuse that their processes could not write */
    _Atomic int32_t first; /* the id of the first of those processes, as it knew itself */
} tally_page;

#endif
