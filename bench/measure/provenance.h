/* Proof of which library serves a subject: whose code runs when this process calls malloc, or poolbuf_allocate.
 *
 * A preload that silently did not happen gives a table in which glibc is called jemalloc; so a worker looks at itself
 * before it measures, and refuses when the facts do not fit its subject. A fact is a path, that of the object a call is
 * bound to, and a version that this object itself tells. Of a peer with a worker of its own and of a user's library,
 * the kernel's code is what is looked for: subject.proof. */
#ifndef POOLBUF_BENCH_PROVENANCE_H
#define POOLBUF_BENCH_PROVENANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "subjects/subject.h"

enum {
    PROVENANCE_PATH_SIZE = 4096,
    PROVENANCE_VERSION_SIZE = 96
};

/* What a process can find out about itself. Paths have their links resolved; "" is unknown or absent. */
typedef struct provenance {
    char malloc_path[PROVENANCE_PATH_SIZE];       /* the object that malloc is bound to */
    char poolbuf_path[PROVENANCE_PATH_SIZE];      /* the object that poolbuf_allocate is bound to */
    char program_path[PROVENANCE_PATH_SIZE];      /* this program */
    char malloc_version[PROVENANCE_VERSION_SIZE]; /* with the allocator's name, such as "jemalloc 5.3.0-..." */
    char poolbuf_version[PROVENANCE_VERSION_SIZE];
    subject_provider malloc_provider; /* as the version's symbol shows it, in the same object as malloc */
    bool malloc_is_sanitizer;         /* this build's sanitizer has replaced malloc: nothing else can serve it */
} provenance;

/* provenance_read() looks at this process. */
void provenance_read(provenance *facts);

/* provenance_check() says whether the facts fit a subject.
 *   preload  the resolved path of the object that was preloaded for it; NULL for none.
 *   message  gets one line on a mismatch: what serves, and what should.
 *   returns  true when they fit. */
bool provenance_check(const provenance *facts, const subject *which, const char *preload, char *message,
                      size_t message_size);

/* Which path and version to report for a subject: lend strings of the facts. */
const char *provenance_path(const provenance *facts, const subject *which);
const char *provenance_version(const provenance *facts, const subject *which);

/* provenance_find_library() looks for a shared object by name where the loader would: its search path for this program.
 *   path     gets the resolved path.
 *   returns  false when no such file is there. */
bool provenance_find_library(const char *name, char *path, size_t path_size);

#endif
