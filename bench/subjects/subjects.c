/* The table of subjects. */
#include "subjects/subject.h"

#include <string.h>

static const subject SUBJECTS[] = {
    {"pooled", "poolbuf's pooled buffers, through libpoolbuf.so", &subject_kernel_pooled, SUBJECT_PROVIDER_POOLBUF,
     NULL, NULL, NULL},
    {"pooled-inline", "the same in a program that links libpoolbuf.a, with the fast paths inlined",
     &subject_kernel_pooled_inline, SUBJECT_PROVIDER_POOLBUF_STATIC, NULL, NULL, "poolbuf-worker-static"},
    {"malloc", "a counted buffer in one block of the C library's malloc; what the others are compared with",
     &subject_kernel_malloc, SUBJECT_PROVIDER_LIBC, NULL, NULL, NULL},
    {"jemalloc", "the same buffer, with jemalloc preloaded", &subject_kernel_malloc, SUBJECT_PROVIDER_JEMALLOC,
     "libjemalloc.so.2", "libjemalloc2", NULL},
    {"mimalloc", "the same buffer, with mimalloc preloaded", &subject_kernel_malloc, SUBJECT_PROVIDER_MIMALLOC,
     "libmimalloc.so.2", "libmimalloc2.0", NULL},
    {"tcmalloc", "the same buffer, with tcmalloc preloaded", &subject_kernel_malloc, SUBJECT_PROVIDER_TCMALLOC,
     "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", NULL},
    {"fixed", "plain fixed-size pools, one a power of two, a mutex each once there are threads", &subject_kernel_fixed,
     SUBJECT_PROVIDER_PROGRAM, NULL, NULL, NULL},
    {"null", "no allocator at all, always the same memory: what the harness itself costs", &subject_kernel_null,
     SUBJECT_PROVIDER_PROGRAM, NULL, NULL, NULL},
};

const subject *subject_at(size_t index) {
    return index < sizeof SUBJECTS / sizeof SUBJECTS[0] ? &SUBJECTS[index] : NULL;
}

const subject *subject_find(const char *name) {
    const subject *found = NULL;
    for (size_t i = 0; (found = subject_at(i)) != NULL; i++) {
        if (strcmp(found->name, name) == 0) {
            break;
        }
    }
    return found;
}
