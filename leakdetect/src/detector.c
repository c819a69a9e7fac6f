/* Level and tracking; see detector.h.
 *
 * Fork: a child must not inherit a lock that some thread of the parent held, so all of ours are taken around fork(), in
 * their order. We call nobody else's code there: the allocator's own handlers may run before or after ours. What was
 * tracked before the fork belongs to the parent, which will release it or report it, so the child raises the generation
 * and reports its own alone. */
#include "detector.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <valgrind/valgrind.h>

#include "arithmetic.h"
#include "detector_here.h"
#include "misuses.h"
#include "module_log.h"
#include "process/fork_handlers.h"
#include "process/sampled.h"
#include "quarantine.h"
#include "scope.h"
#include "stack_table.h"
#include "trigger.h"
#include "types.h"

enum {
    CLOSE_WEIGHT = 8 /* with fewer than one in so many tracked, no closing stacks: hardly any would ever be asked for */
};

static gap_table gaps; /* for both; no thread has a sample yet when it is built */
SAMPLED_WORD sampler detector_buffers = {.interval = SAMPLER_INTERVAL_DEFAULT};
sampler detector_resources = {.interval = SAMPLER_INTERVAL_DEFAULT};

static detector_settings settings = {.level = LEAKDETECT_DISABLED};
SAMPLED_WORD _Atomic int detector_level_now = LEAKDETECT_DISABLED;
SAMPLED_WORD detector_clock_function *detector_clock = clock_gettime;
SAMPLED_WORD _Atomic uint32_t detours_now = DETOUR_LEVEL;
SAMPLED_WORD _Atomic bool detector_tracks_closings;
SAMPLED_WORD _Atomic bool detector_accesses_recorded;
static _Atomic uint32_t level_epoch;
static pthread_mutex_t level_lock =
    PTHREAD_MUTEX_INITIALIZER;             /* a leaf, of whoever sets the level; the child makes it anew */
static _Atomic bool was_disabled;          /* relaxed: it only words reports */
static _Atomic uint64_t missed_references; /* relaxed: a statistic */
static uint64_t start_ns;

#ifdef __x86_64__
#define KERNEL_CLOCK "__vdso_clock_gettime"
#elif defined(__aarch64__)
#define KERNEL_CLOCK "__kernel_clock_gettime"
#endif

/* The function that the C library calls, without its detour: 2 ns of 7. Where it is not found, as under Valgrind, what the C library
 * does is as good. */
static void find_clock(void) {
#ifdef KERNEL_CLOCK
    void *kernel = RUNNING_ON_VALGRIND ? NULL : dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
    void *found = kernel != NULL ? dlsym(kernel, KERNEL_CLOCK) : NULL;
    if (found != NULL) {
        memcpy(&detector_clock, &found, sizeof found);
    } else {
        (void)dlerror(); /* or the program would be told about it */
    }
    if (kernel != NULL) {
        (void)dlclose(kernel); /* it is there as long as the process is */
    }
#endif
}

static void fork_prepare(void) {
    unwind_fork_prepare();
    module_log_lock();
    finalize_lock();
    quarantine_lock();
    scope_lock();
    tracker_lock_all();
    types_lock();
    stack_table_lock();
    thread_before_fork();
}

static void fork_unlock(void) {
    stack_table_unlock();
    types_unlock();
    tracker_unlock_all();
    scope_unlock();
    quarantine_unlock();
    finalize_unlock();
    module_log_unlock();
}

static void fork_parent(void) {
    fork_unlock();
    unwind_fork_parent();
}

static void fork_child(void) {
    (void)pthread_mutex_init(&level_lock, NULL);
    misuses_forget();
    finalize_after_fork();
    quarantine_after_fork();
    tracker_after_fork();
    fork_unlock();
    unwind_fork_child();
    tracker_next_generation();
    thread_after_fork();
    scope_after_fork();
}

void detector_start(const detector_settings *settings_to_use) {
    static bool handlers_installed;
    if (!handlers_installed) {
        handlers_installed = true;
        (void)fork_handlers_add(fork_prepare, fork_parent, fork_child);
        find_clock();
    }
    settings = *settings_to_use;
    uint64_t seed = settings.seed;
    if (seed == 0 && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) {
        seed = detector_clock_ns(CLOCK_MONOTONIC); /* benign: the sample needs no secrecy */
    }
    thread_seed(seed);
    sampler *both[] = {&detector_buffers, &detector_resources};
    for (size_t i = 0; i < 2; i++) {
        both[i]->interval = settings.interval < 1 ? 1 : settings.interval;
        both[i]->dense_start = settings.dense_start;
        both[i]->bytes = settings.sampling_bytes;
        both[i]->table = sampler_wants_table(both[i]) ? &gaps : NULL;
        atomic_store_explicit(&both[i]->seen, 0, memory_order_relaxed);
        atomic_store_explicit(&both[i]->is_settled, false, memory_order_relaxed);
        atomic_store_explicit(&both[i]->largest, 0, memory_order_relaxed);
        atomic_store_explicit(&both[i]->inverse, 0, memory_order_relaxed);
    }
    if (detector_buffers.table != NULL) {
        gap_table_build(&gaps, detector_buffers.interval);
    }
    atomic_store_explicit(&detector_tracks_closings, settings.track_close, memory_order_relaxed);
    detour_set(DETOUR_CLOSINGS, settings.track_close);
    unwind_configure(settings.unwinder, settings.stacks, settings.frames);
    start_ns = detector_now_ns();
    atomic_store_explicit(&was_disabled, false, memory_order_relaxed);
    detector_set_level(settings.level);
}

const detector_settings *detector_get_settings(void) {
    return &settings;
}

uint64_t detector_start_ns(void) {
    return start_ns;
}

static bool would_record_accesses(leakdetect_level level) {
    return level >= LEAKDETECT_ADVANCED && settings.target_records != 0;
}

/* Of levels that are set at once one is the last, for the watch, too. */
void detector_set_level(leakdetect_level level) {
    (void)pthread_mutex_lock(&level_lock);
    const bool records = would_record_accesses(level);
    const bool stops = detector_records_accesses() && !records;
    if (stops) {
        tracker_stop_watching();
    }
    const bool is_plain = level == LEAKDETECT_SIMPLE && detector_buffers.bytes == 0;
    if (!is_plain) {
        detour_set(DETOUR_LEVEL, true);
    }
    detour_set(DETOUR_EXACT, false);
    if (level == LEAKDETECT_DISABLED) {
        atomic_store_explicit(&was_disabled, true, memory_order_relaxed);
    }
    atomic_store_explicit(&detector_level_now, level, memory_order_relaxed);
    atomic_store_explicit(&detector_accesses_recorded, records, memory_order_relaxed);
    if (is_plain) {
        detour_set(DETOUR_LEVEL, false);
    }
    if (level == LEAKDETECT_PARANOID && atomic_load_explicit(&detector_tracks_closings, memory_order_relaxed)) {
        detour_set(DETOUR_EXACT, true);
    }
    if (stops) {
        tracker_stop_watching();
    }
    atomic_fetch_add_explicit(&level_epoch, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&level_lock);
}

bool detector_was_disabled(void) {
    return atomic_load_explicit(&was_disabled, memory_order_relaxed);
}

uint32_t detector_level_epoch(void) {
    return atomic_load_explicit(&level_epoch, memory_order_relaxed);
}

bool detector_track(thread_state *self, const void *resource, uint32_t *word, const void *owner, uint64_t size,
                    uint32_t type, float weight, uint32_t guard) {
    return detector_track_here(self, resource, word, owner, size, type, weight, guard);
}

bool detector_would_keep_closing_stacks(void) {
    const bool rare = sampler_largest_weight(&detector_buffers) > CLOSE_WEIGHT;
    if (rare) {
        detour_set(DETOUR_CLOSINGS, false);
    }
    return settings.track_close && !rare;
}

bool detector_close_part(const tracker_place *whole, tracker_closed *closed) {
    thread_state *self = thread_self();
    tracker_record record;
    if (!tracker_find(whole, &record)) {
        return tracker_find_closed(whole, closed); /* both ended at once */
    }
    bool entered = thread_enter(self);
    const tracker_closer by = detector_closer_here(self, whole, entered);
    *closed =
        (tracker_closed){.allocation_stack = record.stack, .close_stack = by.stack, .type = record.type, .who = by.who};
    if (entered) {
        thread_leave(self);
    }
    return true;
}

bool detector_untrack(const tracker_place *place, tracker_closed *closed) {
    return detector_close_here(place, closed);
}

void detector_access(const tracker_place *place, access_kind kind, const char *hint) {
    if (detector_records_accesses() && tracker_knows(place)) {
        detector_references(place, kind, HOLD_RETAIN, 0, hint);
    }
}

uint64_t detector_missed_references(void) {
    return atomic_load_explicit(&missed_references, memory_order_relaxed);
}

void detector_references(const tracker_place *place, access_kind kind, hold_kind hold, uint64_t references,
                         const char *hint) {
    thread_state *self = thread_self();
    if (!detector_records_accesses()) {
        return;
    }
    if (!thread_enter(self)) {
        atomic_fetch_add_explicit(&missed_references, references, memory_order_relaxed);
        return;
    }
    const thread_who who = thread_identify(self);
    tracker_access access = {.time_ns = detector_now_ns(),
                             .stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_USING),
                             .hint = name_put(hint),
                             .thread_name = who.name,
                             .thread_id = who.id,
                             .kind = kind};
    tracker_record_references(place, &access, hold, references, settings.target_records, random_next(&self->random));
    thread_leave(self);
}
