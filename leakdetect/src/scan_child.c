/* The child's side of a scan; see scan.h. Everything here is safe after the fork of a process with threads. */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/buffer.h>
#include <poolbuf/tracker.h>

#include "reach.h"
#include "reach_maps.h"

enum {
    OS_PAGE_BYTES = 4096, /* the unit of SPARSE_BYTES and of blocks alone; pagemap is asked in the system's */
    SPARSE_BYTES = 64 * OS_PAGE_BYTES,
    PAGEMAP_ENTRIES = 512, /* what is asked at once */
    HASH_BYTES = 64 << 10, /* of a buffer's bytes; what lies behind is not compared */
    HANDLES_AT_ONCE = 1024,
    /* As high as lets others go first, as low as lets a scan end where every processor is busy: each page that is written
     * while the child lives is copied, and there is the deadline. With as many busy threads as processors two scans at once took
     * ten times as long at 19, which leaves 1.5 % of one that another thread wants, too; at 5 it is a quarter. */
    NICE = 5 /* more than the thread that asks */
};

/* Of what cannot be read, where each page has to be asked for: reservations of terabytes are mostly of this kind. */
#define UNREADABLE_MAX ((uintptr_t)4 << 30)

#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)

/* PAGEMAP_SCAN of Linux 6.7, which headers may not know yet. */
typedef struct page_region {
    uint64_t start, end, categories;
} page_region;

typedef struct page_query {
    uint64_t size, flags;
    uint64_t start, end, walk_end;
    uint64_t regions, region_count, max_pages;
    uint64_t inverted, all_of, any_of, returned;
} page_query;

#define QUERY_PAGES   _IOWR('f', 16, page_query)
#define QUERY_PRESENT ((uint64_t)1 << 3)
#define QUERY_SWAPPED ((uint64_t)1 << 4)

#define GUARD_REMOVE 103 /* MADV_GUARD_REMOVE of Linux 6.13 */

/* AddressSanitizer's map of which bytes are poisoned: terabytes of address space without a reference in it. */
extern __attribute__((weak)) void __asan_get_shadow_mapping(size_t *scale, size_t *offset);

typedef struct child {
    scan_job *job;
    reach reach;
    int memory; /* /proc/self/mem */
    int pagemap;
    size_t page_bytes;
    uint64_t mapped_at_start;
    bool too_much_memory;
    uint64_t memory_device; /* the file system of memfd_create() and of shared memory without a name */
    poolbuf *handles;       /* HANDLES_AT_ONCE */
    uint64_t *pages;        /* PAGEMAP_ENTRIES, or as many bytes as they have */
    memory_array words;
} child;

static void end(child *self, scan_state state, int error) {
    scan_answer *answer = self->job->answer;
    answer->error = error;
    answer->read_bytes = self->reach.read_bytes;
    answer->unreadable_bytes = self->reach.unreadable_bytes;
    __atomic_store_n(&answer->state, (uint32_t)state, __ATOMIC_RELEASE);
    syscall(SYS_exit_group, 0);
}

/* --- looking at memory -------------------------------------------------------------------------------------------- */

/* Through the kernel: what cannot be read gives an error and no signal, and a sanitizer has no say. */
static bool read_memory(void *context, uintptr_t at, void *into, size_t bytes) {
    const child *self = context;
    return pread(self->memory, into, bytes, (off_t)at) == (ssize_t)bytes;
}

/* The program's memory, but its guards (MADV_GUARD_INSTALL): nothing can be in them, so in this copy they become what they
 * are without that, empty pages. */
static bool read_beside_guards(void *context, uintptr_t at, void *into, size_t bytes) {
    const child *self = context;
    const uintptr_t start = at - at % self->page_bytes;
    const uintptr_t end = (at + bytes + self->page_bytes - 1) / self->page_bytes * self->page_bytes;
    return read_memory(context, at, into, bytes) ||
           (madvise((void *)start, end - start, GUARD_REMOVE) == 0 && // NOLINT(performance-no-int-to-ptr)
            read_memory(context, at, into, bytes));
}

static bool read_for_handle(void *context, const void *at, void *into, size_t bytes) {
    return read_memory(context, (uintptr_t)at, into, bytes);
}

static bool out_of_bounds(void *context) {
    child *self = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    self->too_much_memory = memory_mapped() - self->mapped_at_start > self->job->memory_limit_bytes;
    return self->too_much_memory || (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec > self->job->deadline_ns;
}

static void end_if_out_of_bounds(child *self) {
    if (out_of_bounds(self)) {
        end(self, self->too_much_memory ? SCAN_NO_MEMORY : SCAN_TIMED_OUT, 0);
    }
}

static void note_word(void *context, uint64_t word) {
    child *self = context;
    uint64_t *fresh = memory_array_next(&self->words, sizeof *fresh);
    if (fresh == NULL) {
        end(self, SCAN_NO_MEMORY, 0);
        return;
    }
    *fresh = word;
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

/* What a handle owns becomes a block, which is reached with the handle or by itself, and then reaches the handle. */
static void add_block_of(child *self, const poolbuf *copy, uintptr_t handle) {
    const void *block = NULL;
    size_t bytes = poolbuf_memory_of_handle(copy, read_for_handle, self, &block);
    if (bytes != 0 && reach_maps_readable(&self->job->mappings, (uintptr_t)block, bytes)) {
        reach_add_block(&self->reach, (uintptr_t)block, bytes, handle);
    }
}

static void add_handles(child *self, const scan_piece *piece) {
    reach_add_row(&self->reach, piece->start, piece->end - piece->start);
    for (uintptr_t at = piece->start; at < piece->end;) {
        size_t bytes =
            piece->end - at < HANDLES_AT_ONCE * sizeof(poolbuf) ? piece->end - at : HANDLES_AT_ONCE * sizeof(poolbuf);
        if (read_memory(self, at, self->handles, bytes)) {
            for (size_t i = 0; i < bytes / sizeof(poolbuf); i++) {
                add_block_of(self, &self->handles[i], at + i * sizeof(poolbuf));
            }
        }
        at += bytes;
        end_if_out_of_bounds(self);
    }
}

static bool is_live_target(const poolbuf *copy) {
    uint64_t state = copy->state;
    return (uint32_t)state != 0 && (state >> 32 & POOLBUF_FLAG_TRACKED) != 0;
}

static bool in_handles(const scan_job *job, uintptr_t address) {
    const scan_piece *pieces = job->pieces.items;
    size_t low = 0;
    size_t high = job->pieces.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].start <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && address < pieces[low - 1].end && pieces[low - 1].kind == POOLBUF_MEMORY_HANDLES;
}

/* Which targets are alive; those in no slab are blocks of malloc, and parts of their own. */
static void add_targets(child *self) {
    const scan_job *job = self->job;
    const scan_target *targets = job->targets.items;
    for (size_t i = 0; i < job->targets.count; i++) {
        poolbuf copy;
        scan_verdict *verdict = &job->answer->verdicts[i];
        verdict->judged = read_memory(self, targets[i].handle, &copy, sizeof copy) && is_live_target(&copy);
        if (verdict->judged && !in_handles(job, targets[i].handle)) {
            reach_add_block(&self->reach, targets[i].handle, sizeof copy, 0);
            add_block_of(self, &copy, targets[i].handle);
        }
    }
}

static void hide_array(child *self, const memory_array *array) {
    if (array->items != NULL) {
        reach_hide(&self->reach, (uintptr_t)array->items, array->bytes);
    }
}

static void hide_own(child *self) {
    const scan_job *job = self->job;
    hide_array(self, &job->targets);
    hide_array(self, &job->pieces);
    hide_array(self, &job->words);
    hide_array(self, &job->mappings);
    reach_hide(&self->reach, (uintptr_t)job->answer, job->answer_bytes);
    if (job->stack_low < job->stack_live) {
        reach_hide(&self->reach, job->stack_low, job->stack_live - job->stack_low);
    }
    if (__asan_get_shadow_mapping != NULL) {
        size_t scale = 0;
        size_t offset = 0;
        __asan_get_shadow_mapping(&scale, &offset);
        reach_hide(&self->reach, offset, (size_t)1 << (47 - scale));
    }
}

static void add_parts(child *self) {
    const scan_job *job = self->job;
    const scan_piece *pieces = job->pieces.items;
    for (size_t i = 0; i < job->pieces.count; i++) {
        if (pieces[i].kind == POOLBUF_MEMORY_HANDLES) {
            add_handles(self, &pieces[i]);
        } else {
            reach_hide(&self->reach, pieces[i].start, pieces[i].end - pieces[i].start);
        }
    }
    add_targets(self);
    hide_own(self);
    if (!reach_begin(&self->reach)) {
        end(self, SCAN_NO_MEMORY, 0);
    }
}

/* --- roots -------------------------------------------------------------------------------------------------------- */

/* The kernel passes over what is empty, whatever its size. False if it does not know the call. */
static bool scan_regions(child *self, const reach_mapping *mapping) {
    page_region *found = (page_region *)(void *)self->pages;
    for (uint64_t at = mapping->start; at < mapping->end && !self->reach.stopped;) {
        page_query query = {.size = sizeof query,
                            .start = at,
                            .end = mapping->end,
                            .regions = (uintptr_t)found,
                            .region_count = PAGEMAP_ENTRIES * sizeof *self->pages / sizeof *found,
                            .any_of = QUERY_PRESENT | QUERY_SWAPPED,
                            .returned = QUERY_PRESENT | QUERY_SWAPPED};
        int count = ioctl(self->pagemap, QUERY_PAGES, &query);
        if (count < 0 || query.walk_end <= at) {
            return false;
        }
        for (int i = 0; i < count && !self->reach.stopped; i++) {
            reach_scan(&self->reach, (uintptr_t)found[i].start, (uintptr_t)found[i].end);
        }
        at = query.walk_end;
        self->reach.stopped = self->reach.stopped || out_of_bounds(self);
    }
    return true;
}

/* A large mapping is often empty for the most part; pages that were never touched are not read, which would touch
 * them. */
static void scan_sparse(child *self, const reach_mapping *mapping) {
    uintptr_t begin = mapping->start; /* of the pages that are to be read and have not been */
    uintptr_t at = mapping->start;
    if (scan_regions(self, mapping) || (!mapping->readable && mapping->end - mapping->start > UNREADABLE_MAX)) {
        return;
    }
    while (at < mapping->end && !self->reach.stopped) {
        size_t count = (mapping->end - at) / self->page_bytes;
        count = count < PAGEMAP_ENTRIES ? count : PAGEMAP_ENTRIES;
        ssize_t got = pread(self->pagemap, self->pages, count * sizeof(uint64_t),
                            (off_t)(at / self->page_bytes * sizeof(uint64_t)));
        if (got < (ssize_t)sizeof(uint64_t)) {
            at = mapping->end; /* the kernel does not tell: all of it */
            break;
        }
        for (size_t i = 0; i < (size_t)got / sizeof(uint64_t); i++, at += self->page_bytes) {
            if ((self->pages[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) == 0) {
                reach_scan(&self->reach, begin, at);
                begin = at + self->page_bytes;
            }
        }
        self->reach.stopped = self->reach.stopped || out_of_bounds(self);
    }
    if (begin < at) {
        reach_scan(&self->reach, begin, at);
    }
}

/* A page of shared memory that was never touched comes into being where somebody reads it, and stays: the host would pay for a
 * large mapping as a whole. Page tables say nothing here, as a child has none of what is shared. */
static void scan_resident(child *self, const reach_mapping *mapping) {
    unsigned char *resident = (unsigned char *)self->pages;
    const size_t at_once = PAGEMAP_ENTRIES * sizeof *self->pages;
    for (uintptr_t at = mapping->start; at < mapping->end && !self->reach.stopped;) {
        size_t count = (mapping->end - at) / self->page_bytes;
        count = count < at_once ? count : at_once;
        if (mincore((void *)at, count * self->page_bytes, resident) != 0) { // NOLINT(performance-no-int-to-ptr)
            self->reach.unreadable_bytes += mapping->end - at;
            return;
        }
        for (size_t i = 0; i < count;) {
            const size_t first = i;
            const bool here = (resident[first] & 1) != 0;
            while (i < count && ((resident[i] & 1) != 0) == here) {
                i++;
            }
            if (here) {
                reach_scan(&self->reach, at + first * self->page_bytes, at + i * self->page_bytes);
            } else if (mapping->swapped) { /* which of these are nobody says */
                self->reach.unreadable_bytes += (i - first) * self->page_bytes;
            }
        }
        at += count * self->page_bytes;
        self->reach.stopped = self->reach.stopped || out_of_bounds(self);
    }
}

static bool is_in_memory(const child *self, const reach_mapping *mapping) {
    return mapping->shared && (mapping->in_memory || mapping->device_number == self->memory_device);
}

/* What both have in common is the answer's mapping, which is shared memory without a name. */
static void learn_memory_device(child *self) {
    const scan_job *job = self->job;
    const reach_mapping *mappings = job->mappings.items;
    const uintptr_t answer = (uintptr_t)job->answer;
    self->memory_device = UINT64_MAX;
    for (size_t i = 0; i < job->mappings.count; i++) {
        if (mappings[i].start <= answer && answer < mappings[i].end) {
            self->memory_device = mappings[i].device_number;
        }
    }
}

static void learn_swapped(child *self) {
    struct sysinfo system;
    if (sysinfo(&system) != 0 || system.freeswap != system.totalswap) {
        (void)reach_maps_note_swapped(
            &self->job->mappings); /* benign: the kernel is built without, as a rule for no swap */
    }
}

/* What cannot be read may have been written before: the kernel reads it for us, and where it does not it is counted. But its
 * empty pages, of which guards consist, are nothing to be read. */
static void scan_mapping(child *self, const reach_mapping *mapping) {
    if (mapping->device) {
        self->reach.unreadable_bytes += mapping->readable ? mapping->end - mapping->start : 0;
    } else if (is_in_memory(self, mapping)) {
        scan_resident(self, mapping);
    } else if (self->pagemap >= 0 && !mapping->shared &&
               (!mapping->readable || mapping->end - mapping->start > SPARSE_BYTES)) {
        scan_sparse(self, mapping);
    } else if (mapping->readable) {
        reach_scan(&self->reach, mapping->start, mapping->end);
    }
}

static void scan_roots(child *self) {
    const scan_job *job = self->job;
    const reach_mapping *mappings = job->mappings.items;
    for (size_t i = 0; i < job->mappings.count && !self->reach.stopped; i++) {
        const reach_mapping *mapping = &mappings[i];
        /* Memory that was written and then protected may hold references still; files that cannot be written do not. */
        bool root = mapping->writable || (mapping->anonymous && !mapping->shared) || is_in_memory(self, mapping);
        if (root && !reach_is_hidden(&self->reach, mapping->start, mapping->end)) {
            scan_mapping(self, mapping);
        }
    }
    const uint64_t *words = job->words.items;
    for (size_t i = 0; i < job->words.count; i++) {
        reach_word(&self->reach, words[i]);
    }
    words = self->words.items;
    for (size_t i = 0; i < self->words.count; i++) {
        reach_word(&self->reach, words[i]);
    }
}

/* --- verdicts ----------------------------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u; /* FNV-1a */
    }
    return hash;
}

/* Whoever changes a buffer between two scans has it, wherever the reference is. */
static uint64_t hash_buffer(child *self, uintptr_t handle) {
    poolbuf copy;
    const void *block = NULL;
    if (!read_memory(self, handle, &copy, sizeof copy)) {
        return 0;
    }
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, &copy, sizeof copy);
    size_t bytes = poolbuf_memory_of_handle(&copy, read_for_handle, self, &block);
    bytes = bytes < HASH_BYTES ? bytes : HASH_BYTES;
    if (bytes > 0 && read_memory(self, (uintptr_t)block, self->reach.bytes, bytes)) {
        hash = hash_bytes(hash, self->reach.bytes, bytes);
    }
    return hash;
}

_Static_assert((int)HASH_BYTES <= (int)REACH_READ_BYTES, "what is compared fits the buffer for reading");

static void judge(child *self) {
    const scan_target *targets = self->job->targets.items;
    for (size_t i = 0; i < self->job->targets.count; i++) {
        scan_verdict *verdict = &self->job->answer->verdicts[i];
        uint32_t node;
        if (verdict->judged && reach_node_at(&self->reach, targets[i].handle, &node) &&
            !reach_is_reached(&self->reach, node)) {
            verdict->unreachable = true;
            verdict->hash = hash_buffer(self, targets[i].handle);
            end_if_out_of_bounds(self);
        }
    }
}

/* --- the child ---------------------------------------------------------------------------------------------------- */

/* It must not outlive the process for long, leave a core, or take the processor from anybody. */
static void become_modest(void) {
    const struct rlimit none = {0, 0};
    const struct sched_param ordinary = {.sched_priority = 0};
    const int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (policy == SCHED_FIFO || policy == SCHED_RR) { /* a thread's of real time: nobody else would run */
        (void)sched_setscheduler(0, SCHED_OTHER, &ordinary);
    }
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE);
    prctl(PR_SET_NAME, "poolbuf-scan", 0, 0, 0); /* at last, so who sees the name sees the rest */
}

void scan_child(scan_job *job) {
    child self = {.job = job, .mapped_at_start = memory_mapped(), .page_bytes = (size_t)sysconf(_SC_PAGESIZE)};
    become_modest();
    reach_init(&self.reach, read_beside_guards, out_of_bounds, &self);
    /* First of all, while nothing has been mapped here that could be taken for the program's. */
    if (!reach_maps_load(&job->mappings) || !reach_files_visit(note_word, &self, &job->answer->io_uring)) {
        end(&self, SCAN_SYSTEM, errno);
    }
    learn_memory_device(&self);
    learn_swapped(&self);
    /* The copies of the program's files would keep connections open that it closes meanwhile. Closing them tells nobody
     * anything: the program has its own. */
#ifdef SYS_close_range
    (void)syscall(SYS_close_range, 0, ~0u, 0);
#endif
    self.memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    self.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (self.memory < 0) {
        end(&self, SCAN_SYSTEM, errno);
    }
    self.handles = memory_map(HANDLES_AT_ONCE * sizeof *self.handles);
    self.pages = memory_map(PAGEMAP_ENTRIES * sizeof *self.pages);
    if (self.handles == NULL || self.pages == NULL) {
        end(&self, SCAN_NO_MEMORY, 0);
    }
    add_parts(&self);
    scan_roots(&self);
    if (!reach_finish(&self.reach)) {
        end(&self, self.too_much_memory || self.reach.failed ? SCAN_NO_MEMORY : SCAN_TIMED_OUT, 0);
    }
    judge(&self);
    end(&self, SCAN_DONE, 0);
    __builtin_unreachable();
}
