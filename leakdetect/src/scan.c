/* The parent's side of a scan; see scan.h. */
#include "scan.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <poolbuf/tracker.h>

#include "detector.h"
#include "reach.h"
#include "reach_maps.h"
#include "sizes.h"
#include "thread.h"
#include "tracker.h"

/* There in a program that was built with ThreadSanitizer, whose shadow is terabytes of writable memory with addresses in it. */
extern void __tsan_init(void) __attribute__((weak));

enum {
    APART_MS_DEFAULT = 200,
    DEADLINE_MS_DEFAULT = 10000,
    GRACE_MS = 500,   /* for a child that has seen its deadline, before it is killed */
    WAIT_MS_MAX = 10, /* between two looks at the child */
    ATTEMPTS = 3      /* while the pool changes under a scan */
};

#define MEMORY_LIMIT_DEFAULT ((uint64_t)512 << 20)
#define NS_A_MS              ((uint64_t)1000000)

/* What one scan leaves for the next: the unreachable ones. Under the claim. */
typedef struct suspect {
    uintptr_t key; /* as in the record, complemented, so that the next scan does not take it for a reference */
    uint64_t hash;
    uint64_t since_ns; /* the first scan that found it so, of these contents */
} suspect;

static int claim; /* atomic; the id of the process that scans, 0: nobody (S1) */
static memory_array suspects;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(uint64_t ms) {
    struct timespec rest = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * NS_A_MS)};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

/* --- what is to be judged, and where ------------------------------------------------------------------------------ */

typedef struct filling {
    scan_job *job;
    memory_array *into;
    bool failed;
} filling;

/* Only buffers have an owner. Under the shard's lock. */
static void add_target(tracker_record *record, void *context) {
    filling *self = context;
    if (record->owner == 0 || tracker_generation_of(record->stamp) != tracker_generation()) {
        return;
    }
    scan_target *fresh = memory_array_next(self->into, sizeof *fresh);
    if (fresh == NULL) {
        self->failed = true;
        return;
    }
    fresh->handle = ~record->key;
    record->scan |= TRACKER_SCANNED;
}

static void add_piece(void *context, poolbuf_memory_kind kind, const void *base, size_t bytes) {
    filling *self = context;
    scan_piece *fresh = memory_array_next(self->into, sizeof *fresh);
    if (fresh == NULL) {
        self->failed = true;
        return;
    }
    *fresh = (scan_piece){.start = (uintptr_t)base, .end = (uintptr_t)base + bytes, .kind = (int)kind};
}

static bool note_pieces(memory_array *pieces) {
    filling self = {.into = pieces};
    poolbuf_memory_visit(add_piece, &self);
    reach_sort_by_start(pieces, sizeof(scan_piece));
    return !self.failed;
}

/* Whether each piece of before is one still. What has come since is searched as the program's memory, which hides
 * nothing; what has gone may be the program's by now, and the child does not search it. */
static bool pieces_stayed(const memory_array *before, const memory_array *after) {
    const scan_piece *old = before->items;
    const scan_piece *now = after->items;
    size_t j = 0;
    for (size_t i = 0; i < before->count; i++) {
        while (j < after->count && now[j].start < old[i].start) {
            j++;
        }
        if (j == after->count || now[j].start != old[i].start || now[j].end != old[i].end ||
            now[j].kind != old[i].kind) {
            return false;
        }
    }
    return true;
}

static void add_word(void *context, uint64_t word) {
    filling *self = context;
    uint64_t *fresh = memory_array_next(self->into, sizeof *fresh);
    if (fresh == NULL) {
        self->failed = true;
        return;
    }
    *fresh = word;
}

/* Room for twice the mappings of now, so that the child's list need not grow while it reads them. */
static bool reserve_mappings(memory_array *mappings) {
    if (!reach_maps_load(mappings)) {
        return false;
    }
    size_t wanted = 2 * mappings->count;
    while (mappings->capacity < wanted) {
        mappings->count = mappings->capacity;
        if (memory_array_next(mappings, sizeof(reach_mapping)) == NULL) {
            errno = ENOMEM;
            return false;
        }
    }
    mappings->count = 0;
    return true;
}

/* Below the live part of the caller's stack lies what finished calls have left; the scan's own frames are there, too.
 * On a stack that is not the thread's, as a coroutine has, that stays in sight: then something lost may pass for
 * reachable. */
static void note_stack(scan_job *job, uintptr_t live) {
    pthread_attr_t attributes;
    void *low = NULL;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return;
    }
    if (pthread_attr_getstack(&attributes, &low, &bytes) == 0 && live > (uintptr_t)low &&
        live <= (uintptr_t)low + bytes) {
        job->stack_low = (uintptr_t)low;
        job->stack_live = live;
    }
    pthread_attr_destroy(&attributes);
}

static void job_fini(scan_job *job) {
    memory_array_fini(&job->targets);
    memory_array_fini(&job->pieces);
    memory_array_fini(&job->words);
    memory_array_fini(&job->mappings);
    if (job->answer != NULL) {
        munmap(job->answer, job->answer_bytes);
    }
}

static poolbuf_status job_init(scan_job *job, const leakdetect_scan_options *options, uintptr_t live) {
    filling targets = {.job = job, .into = &job->targets};
    filling words = {.job = job, .into = &job->words};
    *job = (scan_job){.memory_limit_bytes = options->memory_limit_bytes};
    note_stack(job, live);
    if (!reserve_mappings(&job->mappings)) {
        return errno == ENOMEM ? POOLBUF_ERROR_NO_MEMORY : POOLBUF_ERROR_SYSTEM;
    }
    tracker_visit(add_target, &targets);
    reach_sort_by_start(&job->targets, sizeof(scan_target));
    job->answer_bytes = sizeof(scan_answer) + job->targets.count * sizeof(scan_verdict);
    void *shared = mmap(NULL, job->answer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    job->answer = shared == MAP_FAILED ? NULL : shared;
    bool noted = note_pieces(&job->pieces);
    (void)reach_threads_visit(add_word, &words); /* benign: kernels may be built without; then there are the stacks */
    return noted && !targets.failed && !words.failed && job->answer != NULL ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
}

/* --- the child ---------------------------------------------------------------------------------------------------- */

/* Waits until the child is gone. The program may wait for children of every kind itself, and get ours: that is as
 * good. */
static poolbuf_status wait_for(pid_t child, const scan_job *job) {
    uint64_t kill_ns = job->deadline_ns + GRACE_MS * NS_A_MS;
    bool killed = false;
    for (uint64_t wait_ms = 1;; wait_ms = wait_ms < WAIT_MS_MAX ? wait_ms + 1 : wait_ms) {
        pid_t gone = waitpid(child, NULL, WNOHANG | __WALL);
        if (gone != 0 && (gone == child || errno != EINTR)) {
            break;
        }
        if (!killed && now_ns() > kill_ns) {
            killed = true;
            kill(child, SIGKILL);
        }
        sleep_ms(wait_ms);
    }
    switch ((scan_state)__atomic_load_n(&job->answer->state, __ATOMIC_ACQUIRE)) {
    case SCAN_DONE:
        return POOLBUF_OK;
    case SCAN_NO_MEMORY:
        return POOLBUF_ERROR_NO_MEMORY;
    case SCAN_TIMED_OUT:
        errno = ETIMEDOUT;
        break;
    case SCAN_SYSTEM:
        errno = job->answer->error;
        break;
    case SCAN_RUNNING:
        errno = killed ? ETIMEDOUT : ECHILD;
        break;
    }
    return POOLBUF_ERROR_SYSTEM;
}

/* All signals are blocked in the child for good, as its handlers are the program's. */
static pid_t fork_child(scan_job *job) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* No flags, so a copy; no exit signal. The order of the other arguments differs, but all are 0. */
    pid_t child = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (child == 0) {
        scan_child(job);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return child;
}

static poolbuf_status ask_child(scan_job *job, uint32_t deadline_ms, leakdetect_scan_result *result) {
    memory_array after = {0};
    uint64_t began = now_ns();
    job->deadline_ns = began + deadline_ms * NS_A_MS;
    pid_t child = fork_child(job);
    result->stopped_ns = now_ns() - began;
    if (child < 0) {
        return POOLBUF_ERROR_SYSTEM;
    }
    bool noted = note_pieces(&after);
    bool stayed = noted && pieces_stayed(&job->pieces, &after);
    memory_array_fini(&after);
    if (!stayed) {
        kill(child, SIGKILL);
    }
    poolbuf_status status = wait_for(child, job);
    return stayed ? status : noted ? POOLBUF_ERROR_WOULD_BLOCK : POOLBUF_ERROR_NO_MEMORY;
}

/* --- verdicts ----------------------------------------------------------------------------------------------------- */

typedef struct marking {
    const scan_job *job;
    leakdetect_scan_result *result;
    memory_array suspects; /* of suspect, by address: those of this scan */
    uint64_t now_ns, apart_ns;
    bool may_call_lost;
    bool again; /* there are suspects that a later scan could confirm */
} marking;

/* In an array that is sorted by a word at the beginning of its items; NULL: it is not there. */
static const void *find_item(const memory_array *array, size_t item_bytes, uintptr_t wanted) {
    const char *items = array->items;
    size_t low = 0;
    size_t high = array->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uintptr_t found;
        memcpy(&found, items + middle * item_bytes, sizeof found);
        if (found == wanted) {
            return items + middle * item_bytes;
        }
        if (found < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void mark_suspect(marking *self, tracker_record *record, uint64_t hash) {
    const suspect *known =
        (record->scan & TRACKER_SUSPECT) == 0 ? NULL : find_item(&suspects, sizeof *known, record->key);
    bool same = known != NULL && known->hash == hash;
    uint64_t since_ns = same ? known->since_ns : self->now_ns;
    suspect *fresh = memory_array_next(&self->suspects, sizeof *fresh);
    record->scan &= (uint8_t)~TRACKER_LOST;
    record->scan |= TRACKER_SUSPECT;
    self->result->unreachable++;
    if (fresh != NULL) { /* benign: without memory it stays a suspect of this scan, and the next begins anew */
        *fresh = (suspect){.key = record->key, .hash = hash, .since_ns = since_ns};
    }
    if (same && self->may_call_lost && self->now_ns - since_ns >= self->apart_ns) {
        record->scan |= TRACKER_LOST;
        self->result->lost++;
        self->result->lost_bytes = sizes_sum(self->result->lost_bytes, record->size);
    } else {
        self->again = true;
    }
}

/* Under the shard's lock. A record that has not been scanned is younger than the scan, whatever its address. */
static void mark_record(tracker_record *record, void *context) {
    marking *self = context;
    if ((record->scan & TRACKER_SCANNED) == 0) {
        return;
    }
    const scan_target *targets = self->job->targets.items;
    const scan_target *target = find_item(&self->job->targets, sizeof *target, ~record->key);
    record->scan &= (uint8_t)~TRACKER_SCANNED;
    if (target == NULL) {
        return;
    }
    const scan_verdict *verdict = &self->job->answer->verdicts[target - targets];
    self->result->judged += verdict->judged;
    if (verdict->unreachable) {
        mark_suspect(self, record, verdict->hash);
    } else {
        record->scan = 0;
    }
}

static void unmark_record(tracker_record *record, void *context) {
    (void)context;
    record->scan &= (uint8_t)~TRACKER_SCANNED;
}

static bool mark_records(const scan_job *job, const leakdetect_scan_options *options, leakdetect_scan_result *result,
                         uint64_t began_ns) {
    const scan_answer *answer = job->answer;
    result->read_bytes = answer->read_bytes;
    result->unreadable_bytes = answer->unreadable_bytes;
    result->judged = result->unreachable = result->lost = result->lost_bytes = 0;
    result->blind_spots = (answer->io_uring ? LEAKDETECT_BLIND_IO_URING : 0) |
                          (answer->unreadable_bytes != 0 ? LEAKDETECT_BLIND_UNREADABLE : 0);
    marking self = {.job = job,
                    .result = result,
                    .now_ns = began_ns,
                    .apart_ns = options->apart_ms * NS_A_MS,
                    .may_call_lost = result->blind_spots == 0 || options->trust_blind_spots};
    tracker_visit(mark_record, &self);
    reach_sort_by_start(&self.suspects, sizeof(suspect));
    memory_array_fini(&suspects);
    suspects = self.suspects;
    return self.again && self.may_call_lost;
}

/* --- a scan ------------------------------------------------------------------------------------------------------- */

static poolbuf_status scan_once(const leakdetect_scan_options *options, leakdetect_scan_result *result, uintptr_t live,
                                bool *again) {
    poolbuf_status status = POOLBUF_ERROR_WOULD_BLOCK;
    for (unsigned attempt = 0; attempt < ATTEMPTS && status == POOLBUF_ERROR_WOULD_BLOCK; attempt++) {
        scan_job job;
        uint64_t began_ns = now_ns();
        status = job_init(&job, options, live);
        if (status == POOLBUF_OK) {
            status = ask_child(&job, options->deadline_ms, result);
        }
        int error = errno;
        if (status == POOLBUF_OK) {
            result->scans++;
            *again = mark_records(&job, options, result, began_ns);
        } else {
            tracker_visit(unmark_record, NULL);
        }
        job_fini(&job);
        errno = error;
    }
    return status;
}

/* Everything from here on up the stack is the callers'; their registers have been written there by scan_run(). */
static __attribute__((noinline)) poolbuf_status scan_below(const leakdetect_scan_options *options,
                                                           leakdetect_scan_result *result) {
    uintptr_t live = (uintptr_t)__builtin_frame_address(0);
    bool again = false;
    poolbuf_status status = scan_once(options, result, live, &again);
    if (status == POOLBUF_OK && again && !options->once) {
        sleep_ms(options->apart_ms);
        status = scan_once(options, result, live, &again);
    }
    return status;
}

/* A child that was forked while another thread scanned may have half of that one's suspects, which are its parent's anyway. */
static bool claim_scan(void) {
    int self = (int)getpid();
    int holder = __atomic_load_n(&claim, __ATOMIC_RELAXED);
    if (holder == self ||
        !__atomic_compare_exchange_n(&claim, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return false;
    }
    if (holder != 0) {
        suspects = (memory_array){0};
    }
    return true;
}

poolbuf_status scan_run(const leakdetect_scan_options *options, leakdetect_scan_result *result) {
    thread_state *thread = thread_self();
    leakdetect_scan_options complete = *options;
    complete.apart_ms = complete.apart_ms != 0 ? complete.apart_ms : APART_MS_DEFAULT;
    complete.deadline_ms = complete.deadline_ms != 0 ? complete.deadline_ms : DEADLINE_MS_DEFAULT;
    complete.memory_limit_bytes = complete.memory_limit_bytes != 0 ? complete.memory_limit_bytes : MEMORY_LIMIT_DEFAULT;
    if (RUNNING_ON_VALGRIND || __tsan_init != NULL) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    if (!claim_scan()) {
        return POOLBUF_ERROR_WOULD_BLOCK;
    }
    uint64_t began = now_ns();
    int cancel;
    bool entered = thread_enter(thread); /* what we allocate stays untracked */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    __builtin_unwind_init(); /* puts the registers that a function keeps for its caller on the stack */
    poolbuf_status status = scan_below(&complete, result);
    int error = errno;
    pthread_setcancelstate(cancel, NULL);
    if (entered) {
        thread_leave(thread);
    }
    __atomic_store_n(&claim, 0, __ATOMIC_RELEASE);
    result->took_ns = now_ns() - began;
    errno = error;
    return status;
}
