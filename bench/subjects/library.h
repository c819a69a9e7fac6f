/* A user's own shared object as a subject: what it shows, and how it is opened. plugin.h is what users include. */
#ifndef POOLBUF_BENCH_LIBRARY_H
#define POOLBUF_BENCH_LIBRARY_H

#include "subjects/subject.h"

/* Counts up with every change of what a compiled kernel and the program have in common: the structs of subject.h, the
 * meaning of operations. */
#define SUBJECT_LIBRARY_VERSION UINT32_C(5)
#define SUBJECT_LIBRARY_ENTRY   poolbuf_subject
#define SUBJECT_LIBRARY_SYMBOL  "poolbuf_subject"

enum {
    SUBJECT_LIBRARY_TEXT_MAX = 64 /* characters of a name or a version */
};

/* What a library shows under that symbol. The first two fields stay where they are in every version. */
typedef struct subject_library_entry {
    uint32_t version;     /* SUBJECT_LIBRARY_VERSION of the header that it was compiled with */
    uint32_t struct_size; /* bytes of this struct, then */
    uint32_t run_size;    /* of subject_run */
    uint32_t kernel_size; /* of subject_kernel */
    uint32_t kind_count;  /* operations that it knows */
    const char *name;
    const char *release;
    const subject_kernel *kernel;
} subject_library_entry;

#ifdef __cplusplus
extern "C" {
#endif

/* subject_library_check() says whether an entry can be used.
 *   message  gets what is wrong, to be read after "NAME: PATH ". */
bool subject_library_check(const subject_library_entry *entry, char *message, size_t message_size);

/* subject_library_open() loads a library, for the rest of the process's life, and makes a subject of it.
 *   name     as on the command line; lent.
 *   path     resolved; lent.
 *   out      set on success.
 *   message  gets one line otherwise: "NAME: PATH ...".
 *   returns  false when there is no such library, or it does not keep the contract. */
bool subject_library_open(const char *name, const char *path, subject *out, char *message, size_t message_size);

#ifdef __cplusplus
}
#endif

#endif
