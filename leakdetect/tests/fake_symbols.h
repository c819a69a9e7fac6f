/* Frames by hand, for tests of reports: an address is its row in a table. */
#ifndef LEAKDETECT_TESTS_FAKE_SYMBOLS_H
#define LEAKDETECT_TESTS_FAKE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "symbolize.h"

enum {
    AT_OWN = 0x1001,  /* an inline function of our header, which a report leaves out */
    AT_READ = 0x1002, /* read_request() at request.c:12 */
    AT_READ_AGAIN,    /* the same line, another call of the compiler's making */
    AT_READ_LATER,    /* read_request() at request.c:40 */
    AT_SERVE,         /* serve() with loop() merged into it: two frames */
    AT_MAIN,
    AT_LIBC,    /* below main */
    AT_NOWHERE, /* no module, no name */
    AT_STRIPPED /* a module without symbols */
};

size_t fake_lookup(void *context, uintptr_t address, const symbol_frame **frames);

#endif
