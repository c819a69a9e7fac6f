/* The contract of a user's own subject: `poolbuf run --subject NAME=./library.so` measures it beside the others.
 *
 * The library is one C or C++ file, compiled with this header and kernel.h, so that its allocator is called from a loop
 * of its own code, as those of the other subjects are: nothing of the harness stands between two operations. In this
 * order:
 *
 *   #include "subjects/plugin.h"
 *   #define KERNEL_STATE ...                    and what else kernel.h asks for: five functions around the allocator
 *   #include "subjects/kernel.h"
 *   static bool prepare(subject_run *run)       makes what is to be measured; subject.h says what run holds
 *   static bool finish(subject_run *run)        and releases it
 *   SUBJECT_PLUGIN("my pool", "1.2", prepare, finish);
 *
 *   cc -O2 -fPIC -shared -I INCLUDES my_pool.c -o my_pool.so
 *
 * INCLUDES is bench/ of the source tree, or include/poolbuf-bench/ of an installation. The file needs no library of the
 * harness; its own are named as usual. examples/subject/ has a complete one.
 *
 * An exception that leaves one of the functions ends the worker, and its result is failed; out of memory is NULL.
 * What hangs is ended: loading it after 20 seconds, which refuses it; a worker that plays on it after 120, or 20 minutes
 * under callgrind, and its result is failed.
 *
 * Long functions are only inlined for certain where they are marked __attribute__((always_inline)): nm tells.
 *
 * The result names the library's path and the name and version given here. The program refuses a library that was made
 * for another version of the contract, or with other headers than its own: recompile it then. */
#ifndef POOLBUF_BENCH_PLUGIN_H
#define POOLBUF_BENCH_PLUGIN_H

/* The library brings its own copies of the waits. */
#define SUBJECT_LINKAGE static
#include "subjects/library.h"
#include "subjects/waits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the program looks for in the library. */
extern __attribute__((visibility("default"))) const subject_library_entry SUBJECT_LIBRARY_ENTRY;

#ifdef __cplusplus
}
#endif

/* SUBJECT_PLUGIN() defines it, once a library, after kernel.h.
 *   name_of, version_of          what serves, for people: "my pool", "1.2".
 *   prepare_with, finish_with    as subject_kernel has them. */
#define SUBJECT_PLUGIN(name_of, version_of, prepare_with, finish_with)                                                 \
    static bool plugin_prepare(subject_run *run) KERNEL_NOTHROW {                                                      \
        return kernel_can_serve(run) && (prepare_with)(run);                                                           \
    }                                                                                                                  \
    static KERNEL_DEFINE(plugin_kernel, plugin_prepare, finish_with);                                                  \
    const subject_library_entry SUBJECT_LIBRARY_ENTRY = {SUBJECT_LIBRARY_VERSION,                                      \
                                                         sizeof(subject_library_entry),                                \
                                                         sizeof(subject_run),                                          \
                                                         sizeof(subject_kernel),                                       \
                                                         STREAM_KIND_COUNT,                                            \
                                                         name_of,                                                      \
                                                         version_of,                                                   \
                                                         &plugin_kernel}

#endif
