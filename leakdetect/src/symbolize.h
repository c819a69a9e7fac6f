/* From return addresses to functions, files and lines; at report time only.
 *
 * Modules, load addresses and build-ids come from the dynamic loader, names and lines from libdw, which is loaded when
 * the first report needs it. Without libdw, or without debug information, a frame still has its module, build-id and
 * offset, from which `poolbuf report` or addr2line can find the rest on another machine. Nothing here is thread-safe:
 * one report at a time uses one symbolizer. */
#ifndef LEAKDETECT_SYMBOLIZE_H
#define LEAKDETECT_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct symbol_frame {
    uintptr_t address;    /* the return address, as captured */
    uint64_t offset;      /* the same less the module's load address; the call is at offset - 1 */
    const char *module;   /* path; NULL: the address is in no module, loaded or closed */
    const char *build_id; /* lower-case hex; NULL: the module has none */
    const char *function; /* NULL: unknown */
    const char *file;     /* NULL: unknown */
    unsigned line;        /* 0: unknown */
    bool inlined;         /* the compiler merged this function into the one of the next frame */
    const char *symbol;   /* the function's name in the file, where `function` is a readable form of it; else NULL */
} symbol_frame;

typedef struct symbolizer symbolizer;

/* symbolize_load() finds libdw and what reads C++ names, which takes the dynamic loader's lock: any thread, with no lock of ours
 * held. What fails for another reason than that libdw is not there is tried again the next time, eight times in all. */
void symbolize_load(void);

/* symbolize_open() looks at the modules that are loaded now, with the names that symbolize_load() has found a way to; NULL when
 * there is no memory. */
symbolizer *symbolize_open(void);

/* symbolize_address() finds the frames of one return address: the function, or several where it was inlined, innermost
 * first. At least one; they and their texts live until symbolize_close(). */
size_t symbolize_address(symbolizer *self, uintptr_t address, const symbol_frame **frames);

void symbolize_close(symbolizer *self);

#endif
