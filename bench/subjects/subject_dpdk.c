/* The subject dpdk: rte_mempool as a DPDK program has it, one pool a power of two. A mempool is filled when it is made
 * and never grows, so the pools are made as large as the stream needs (demand.h), and what that takes is taken up
 * front.
 *
 * At its best: a cache for each thread, which DPDK gives to threads it knows, so each registers itself; no processor is
 * taken from anyone, so the affinity that rte_eal_init() would set is that of the process; the ring behind the cache is
 * the single-threaded one where there is one thread. No huge pages, devices, files or sockets: nothing here needs root.
 *
 * The buffer is a header in front of its memory inside the element, as in subject_fixed.c. */
#include "subjects/subject.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "subjects/demand.h"
#include "subjects/pool_class.h"

enum {
    CACHE_BUFFERS = 256,       /* of a thread, a pool; DPDK's own examples take 250 to 512 */
    CACHE_BYTES = 1 << 20,     /* and no more than that */
    CACHE_FLUSHED_AT = 2,      /* a cache holds at most one and a half times its size: counted as twice */
    SMALLEST_MEMORY_MIB = 256, /* of the EAL, for its own tables and for runs after the first */
    LCORES_TEXT_SIZE = 4096
};

typedef struct dpdk_buffer {
    SUBJECT_ATOMIC(uint32_t) references;
    uint32_t capacity;
    uint32_t max_capacity;
    uint32_t reader_index;
    uint32_t writer_index;
    uint32_t flags;
    struct rte_mempool *pool; /* set once, when the pool is filled */
    void *destroy;
    void *parent;
} dpdk_buffer;

_Static_assert(sizeof(dpdk_buffer) == 48, "the header that every peer is measured with");

typedef struct dpdk_state {
    struct rte_mempool *pools[POOL_CLASS_COUNT]; /* NULL where the stream needs none */
} dpdk_state;

#define KERNEL_STATE         dpdk_state
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_BUFFER        void
#define KERNEL_THREAD_STATE  dpdk_thread_state
#define KERNEL_HAS_BULK
#define KERNEL_TELLS_ROOM
#define KERNEL_COUNT(buffer) (&((dpdk_buffer *)(buffer))->references)

static inline void dpdk_set_up(dpdk_buffer *buffer, uint32_t size) {
    atomic_store_explicit(&buffer->references, 1, memory_order_relaxed);
    buffer->capacity = size;
    buffer->max_capacity = STREAM_SIZE_MAX;
    buffer->reader_index = 0;
    buffer->writer_index = 0;
    buffer->flags = 0;
    buffer->destroy = NULL;
    buffer->parent = NULL;
}

/* The compiler would leave it out of line, as it is long; no other subject pays for a call. */
static inline __attribute__((always_inline)) void *buffer_allocate(dpdk_state *state, uint32_t size) {
    void *element = NULL;
    if (__builtin_expect(rte_mempool_get(state->pools[pool_class_of(size)], &element) != 0, 0)) {
        return NULL;
    }
    dpdk_set_up(element, size);
    return element;
}

static inline bool dpdk_is_last(dpdk_buffer *buffer) {
    return atomic_load_explicit(&buffer->references, memory_order_acquire) == 1 ||
           atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel) == 1;
}

static inline __attribute__((always_inline)) void buffer_release(dpdk_state *state, void *handle) {
    (void)state;
    dpdk_buffer *buffer = handle;
    if (dpdk_is_last(buffer)) {
        rte_mempool_put(buffer->pool, buffer);
    }
}

/* All of them, or none: so DPDK has it. */
static inline size_t buffer_allocate_many(dpdk_state *state, uint32_t size, void **buffers, size_t count) {
    if (rte_mempool_get_bulk(state->pools[pool_class_of(size)], buffers, (unsigned)count) != 0) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        dpdk_set_up(buffers[i], size);
    }
    return count;
}

/* They are of one pool, and those whose count falls to 0 go back together. */
static inline void buffer_release_many(dpdk_state *state, void **buffers, size_t count) {
    (void)state;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (dpdk_is_last(buffers[i])) {
            buffers[last++] = buffers[i];
        }
    }
    if (last != 0) {
        rte_mempool_put_bulk(((dpdk_buffer *)buffers[0])->pool, buffers, (unsigned)last);
    }
}

static inline uint8_t *buffer_memory(dpdk_state *state, void *handle) {
    (void)state;
    return (uint8_t *)((dpdk_buffer *)handle + 1);
}

static inline uint32_t buffer_size(const void *handle) {
    return ((const dpdk_buffer *)handle)->capacity;
}

static inline size_t buffer_room(const void *handle) {
    return ((const dpdk_buffer *)handle)->pool->elt_size - sizeof(dpdk_buffer);
}

static inline void *buffer_resize(dpdk_state *state, void *handle, uint32_t size) {
    dpdk_buffer *buffer = handle;
    if (size <= buffer_room(buffer)) {
        buffer->capacity = size;
        return buffer;
    }
    dpdk_buffer *larger = buffer_allocate(state, size);
    if (larger != NULL) {
        memcpy(larger + 1, buffer + 1, buffer->capacity);
        buffer_release(state, buffer);
    }
    return larger;
}

/* ---- Threads ---- */

static pthread_key_t registration; /* of a thread that DPDK was told of: its end is told, too */

static void unregister_thread(void *unused) {
    (void)unused;
    rte_thread_unregister();
}

/* DPDK knows the thread that started it; others have a cache once they have registered. One that cannot, as DPDK has no
 * number left, plays without. */
static dpdk_state *dpdk_thread_state(const subject_run *run) {
    if (rte_lcore_id() == LCORE_ID_ANY && rte_thread_register() == 0) {
        (void)pthread_setspecific(registration, run->state);
    }
    return run->state;
}

#include "subjects/kernel.h"

/* ---- Starting DPDK ---- */

/* "0@(1,3,5)": one core by DPDK's count, on any processor that this process may use. */
static void describe_lcores(const cpu_set_t *allowed, char text[LCORES_TEXT_SIZE]) {
    int used = snprintf(text, LCORES_TEXT_SIZE, "--lcores=0@(");
    const char *separator = "";
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < LCORES_TEXT_SIZE - 16; cpu++) {
        if (CPU_ISSET(cpu, allowed)) {
            used += snprintf(text + used, (size_t)(LCORES_TEXT_SIZE - used), "%s%u", separator, cpu);
            separator = ",";
        }
    }
    (void)snprintf(text + used, (size_t)(LCORES_TEXT_SIZE - used), ")");
}

/* Once a process: DPDK cannot be started twice. */
static bool start_dpdk(subject_run *run, uint64_t memory_mib) {
    static bool is_started;
    char lcores[LCORES_TEXT_SIZE];
    char memory[32];
    cpu_set_t allowed;
    if (is_started) {
        return true;
    }
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
        pthread_key_create(&registration, unregister_thread) != 0) {
        return false;
    }
    describe_lcores(&allowed, lcores);
    (void)snprintf(memory, sizeof memory, "%llu", (unsigned long long)memory_mib);
    char program[] = "poolbuf";
    char no_files[] = "--no-shconf";
    char no_huge[] = "--no-huge";
    char no_pci[] = "--no-pci";
    char no_telemetry[] = "--no-telemetry";
    char quiet[] = "--log-level=*:error";
    char size[] = "-m";
    char *words[] = {program, no_files, no_huge, no_pci, no_telemetry, quiet, lcores, size, memory, NULL};
    if (rte_eal_init((int)(sizeof words / sizeof words[0]) - 1, words) < 0) {
        (void)snprintf(run->reason, sizeof run->reason, "DPDK does not start with %s MiB: %s", memory,
                       rte_strerror(rte_errno));
        return false;
    }
    (void)pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
    is_started = true;
    return true;
}

/* ---- Pools ---- */

typedef struct pool_plan {
    uint64_t elements;
    uint32_t cache; /* buffers */
    uint64_t bytes; /* that the elements take */
} pool_plan;

static pool_plan plan_pool(unsigned class, uint64_t buffers, uint32_t threads) {
    const uint64_t element = sizeof(dpdk_buffer) + pool_class_payload(class);
    const uint64_t most = CACHE_BYTES / element;
    pool_plan plan = {.cache = (uint32_t)(most < CACHE_BUFFERS ? most : CACHE_BUFFERS)};
    /* What lies in the caches of the threads is nobody else's. The thread that prepares counts as one more. */
    plan.elements = buffers + (uint64_t)CACHE_FLUSHED_AT * plan.cache * (threads + 1);
    plan.bytes = plan.elements * (element + UINT64_C(2) * RTE_CACHE_LINE_SIZE);
    return plan;
}

static void fill_element(struct rte_mempool *pool, void *unused, void *element, unsigned index) {
    (void)unused;
    (void)index;
    ((dpdk_buffer *)element)->pool = pool;
}

static bool make_pool(subject_run *run, dpdk_state *state, unsigned class, const pool_plan *plan) {
    const unsigned flags =
        RTE_MEMPOOL_F_NO_IOVA_CONTIG | (run->thread_count > 1 ? 0 : RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET);
    const uint32_t element = (uint32_t)sizeof(dpdk_buffer) + pool_class_payload(class);
    char name[32];
    (void)snprintf(name, sizeof name, "poolbuf_%u", class);
    struct rte_mempool *pool = plan->elements > UINT32_MAX
                                   ? NULL
                                   : rte_mempool_create(name, (unsigned)plan->elements, element, plan->cache, 0, NULL,
                                                        NULL, fill_element, NULL, SOCKET_ID_ANY, flags);
    if (pool == NULL) {
        return subject_cannot_serve(run, "DPDK makes no mempool of %llu buffers of %u bytes: %s",
                                    (unsigned long long)plan->elements, pool_class_payload(class),
                                    rte_strerror(rte_errno));
    }
    state->pools[class] = pool;
    /* That a mempool serves, and this one, is what an element says of itself. */
    void *element_of = NULL;
    const bool is_mine = rte_mempool_get(pool, &element_of) == 0 && rte_mempool_from_obj(element_of) == pool;
    if (element_of != NULL) {
        rte_mempool_put(pool, element_of);
    }
    return is_mine;
}

static bool finish(subject_run *run) {
    dpdk_state *state = run->state;
    bool is_empty = true;
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        is_empty = is_empty && (state->pools[i] == NULL || rte_mempool_full(state->pools[i]) == 1);
        rte_mempool_free(state->pools[i]);
        state->pools[i] = NULL;
    }
    run->state = NULL;
    return is_empty;
}

static bool make_pools(subject_run *run, dpdk_state *state, const pool_plan *plans) {
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        if (plans[i].elements != 0 && !make_pool(run, state, i, &plans[i])) {
            run->state = state;
            (void)finish(run);
            return false;
        }
    }
    run->state = state;
    return true;
}

/* The buffers of each class; loose operations, which have no stream, may need a buffer of any class in each slot. */
static bool find_demand(const subject_run *run, demand *wanted) {
    if (run->source != NULL) {
        return demand_of_stream(run->source, wanted);
    }
    *wanted = (demand){.buffers = {0}};
    for (unsigned i = 0; i <= pool_class_of(run->max_size); i++) {
        wanted->buffers[i] = (uint64_t)run->slot_count + run->thread_count;
    }
    return true;
}

/* Those that play at once, each with a cache; one that waits for a fresh thread's end keeps its own. */
static uint32_t threads_with_caches(const subject_run *run) {
    for (uint32_t i = 0; run->source != NULL && i < run->source->phase_count; i++) {
        if (run->source->phases[i].is_fresh) {
            return 2 * run->thread_count;
        }
    }
    return run->thread_count;
}

static bool prepare(subject_run *run) {
    static dpdk_state state;
    pool_plan plans[POOL_CLASS_COUNT];
    demand wanted;
    const uint32_t threads = threads_with_caches(run);
    uint64_t bytes = 0;
    if (!find_demand(run, &wanted)) {
        return false;
    }
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        plans[i] = wanted.buffers[i] == 0 ? (pool_plan){.elements = 0} : plan_pool(i, wanted.buffers[i], threads);
        bytes += plans[i].bytes;
    }
    const uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (bytes > machine) {
        return subject_cannot_serve(run, "its pools would take %llu MiB up front, and this machine has %llu MiB",
                                    (unsigned long long)(bytes >> 20), (unsigned long long)(machine >> 20));
    }
    /* A tenth more, for what lies between the elements. */
    return start_dpdk(run, SMALLEST_MEMORY_MIB + (bytes + bytes / 10) / (1 << 20)) && make_pools(run, &state, plans);
}

KERNEL_DEFINE(subject_kernel_dpdk, prepare, finish);
