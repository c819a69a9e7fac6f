/* The table of subjects. */
#include "subjects/subject.h"

#include <string.h>

/* Constant but for what subject_provide() sets before anything is measured. */
static subject SUBJECTS[] = {
    {.name = "pooled",
     .about = "poolbuf's pooled buffers, through libpoolbuf.so",
     .kernel = &subject_kernel_pooled,
     .provider = SUBJECT_PROVIDER_POOLBUF},
    {.name = "pooled-inline",
     .about = "the same in a program that links libpoolbuf.a, with the fast paths inlined",
     .kernel = &subject_kernel_pooled_inline,
     .provider = SUBJECT_PROVIDER_POOLBUF_STATIC,
     .worker = "poolbuf-worker-static"},
    {.name = "pooled-nocache",
     .about = "pooled without thread caches: every allocation and release goes to an arena",
     .kernel = &subject_kernel_pooled_nocache,
     .provider = SUBJECT_PROVIDER_POOLBUF},
    {.name = "unpooled",
     .about = "poolbuf's buffers without the pool: each is two blocks of the C library's malloc",
     .kernel = &subject_kernel_unpooled,
     .provider = SUBJECT_PROVIDER_POOLBUF},
    {.name = "pooled-simple",
     .about = "pooled with the leak detector at its level simple, the default of a program; only where it is named",
     .kernel = &subject_kernel_pooled_simple,
     .provider = SUBJECT_PROVIDER_POOLBUF,
     .is_on_request = true},
    {.name = "pooled-advanced",
     .about = "the same at the level advanced: the sample's accesses are kept; only where it is named",
     .kernel = &subject_kernel_pooled_advanced,
     .provider = SUBJECT_PROVIDER_POOLBUF,
     .is_on_request = true},
    {.name = "pooled-paranoid",
     .about = "the same at the level paranoid: every buffer is tracked; only where it is named",
     .kernel = &subject_kernel_pooled_paranoid,
     .provider = SUBJECT_PROVIDER_POOLBUF,
     .is_on_request = true},
    {.name = "malloc",
     .about = "a counted buffer in one block of the C library's malloc; what the others are compared with",
     .kernel = &subject_kernel_malloc,
     .provider = SUBJECT_PROVIDER_LIBC},
    {.name = "malloc-threaded",
     .about = "malloc in a process that has had a second thread, for scenarios with one",
     .kernel = &subject_kernel_malloc_threaded,
     .provider = SUBJECT_PROVIDER_LIBC},
    {.name = "jemalloc",
     .about = "the same buffer, with jemalloc preloaded",
     .kernel = &subject_kernel_malloc,
     .provider = SUBJECT_PROVIDER_JEMALLOC,
     .preload = "libjemalloc.so.2",
     .package = "libjemalloc2"},
    {.name = "mimalloc",
     .about = "the same buffer, with mimalloc preloaded",
     .kernel = &subject_kernel_malloc,
     .provider = SUBJECT_PROVIDER_MIMALLOC,
     .preload = "libmimalloc.so.2",
     .package = "libmimalloc2.0"},
    {.name = "tcmalloc",
     .about = "the same buffer, with tcmalloc preloaded",
     .kernel = &subject_kernel_malloc,
     .provider = SUBJECT_PROVIDER_TCMALLOC,
     .preload = "libtcmalloc_minimal.so.4",
     .package = "libtcmalloc-minimal4"},
    {.name = "fixed",
     .about = "plain fixed-size pools, one a power of two, a mutex each once there are threads",
     .kernel = &subject_kernel_fixed,
     .provider = SUBJECT_PROVIDER_PROGRAM},
    {.name = "dpdk",
     .about = "DPDK's rte_mempool, one a power of two, filled up front, with its cache in each thread",
     .provider = SUBJECT_PROVIDER_PEER,
     .package = "libdpdk-dev",
     .worker = "poolbuf-worker-dpdk"},
    {.name = "boost",
     .about = "boost::pool, one a power of two; it knows no threads, so with threads each has a mutex around it",
     .provider = SUBJECT_PROVIDER_PEER,
     .package = "libboost-dev",
     .worker = "poolbuf-worker-boost"},
    {.name = "null",
     .about = "no allocator at all, always the same memory: what the harness itself costs",
     .kernel = &subject_kernel_null,
     .provider = SUBJECT_PROVIDER_PROGRAM},
};

enum {
    SUBJECT_COUNT = sizeof SUBJECTS / sizeof SUBJECTS[0]
};

const subject *subject_at(size_t index) {
    return index < SUBJECT_COUNT ? &SUBJECTS[index] : NULL;
}

static size_t index_of(const char *name) {
    size_t index = 0;
    while (index < SUBJECT_COUNT && strcmp(SUBJECTS[index].name, name) != 0) {
        index++;
    }
    return index;
}

const subject *subject_find(const char *name) {
    return subject_at(index_of(name));
}

void subject_provide(const char *name, const subject_kernel *kernel, const void *proof, const char *version) {
    subject *provided = &SUBJECTS[index_of(name)];
    provided->kernel = kernel;
    provided->proof = proof;
    provided->version = version;
}
