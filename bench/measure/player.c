/* Owns the loop around the kernel: phases, barriers, and how often to play. */
#include "measure/player.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "gbench/gbench.h"
#include "measure/fresh.h"
#include "measure/stream_image.h"

/* Valgrind's requests cost a few instructions, and nothing else where it does not run. */
#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAS_CALLGRIND 1
#endif
#endif
#ifndef HAS_CALLGRIND
#define HAS_CALLGRIND 0
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#define RUNNING_ON_VALGRIND 0
#endif

/* The share of the wanted time that the warm part takes, and the most iterations that the timed part is given. */
#define WARM_SHARE     0.1
#define ITERATIONS_MAX 10000000.0

/* Sleeping is no time of the operations, but of who waits for the result: at most so many times the wanted one. */
#define IDLE_SHARE 4.0

/* In which form the kernel plays. */
typedef enum player_form {
    FORM_PLAY,
    FORM_AUDIT,
    FORM_TIMED,
    FORM_COUNTED /* as PLAY, while callgrind collects */
} player_form;

typedef struct player {
    const stream *source;
    const subject_kernel *kernel;
    subject_run run;
    subject_barrier barrier;
    player_form form;
    subject_timer *timers; /* of the timed form, one a thread */
    subject_held *held;
    /* The phase that the audit found wrong; written by the first thread, read after the run. */
    const stream_phase *wrong_phase;
    /* What gbench reported last. */
    gbench_status status;
    bool has_time;
    double wall_seconds;
    _Atomic uint64_t idle_ns; /* of all threads together since gbench was started: no time of any operation */
    char error[128];
} player;

/* The first thread, while the others wait: is in the slots what was counted as alive? */
static void audit_phase(player *self, uint32_t index) {
    self->run.references_from = self->source->phases[index].references_from;
    const subject_held held = self->kernel->held(&self->run);
    self->held[index] = held;
    if (held.buffers != atomic_load(&self->run.live_buffers) || held.bytes != atomic_load(&self->run.live_bytes)) {
        self->wrong_phase = self->wrong_phase != NULL ? self->wrong_phase : &self->source->phases[index];
    }
}

/* One turn of an operation that stands for many of a kind, and how many it stands for: each is to be timed. */
static stream_op one_turn(stream_op op, uint32_t *turns) {
    *turns = 1;
    if (stream_op_kind(op) == STREAM_PINGPONG) {
        *turns = op.slot;
        op.slot = 1;
    } else if (stream_op_kind(op) == STREAM_BULK) {
        *turns = stream_bulk_times(op);
        op.slot = stream_bulk_make(1, stream_bulk_count(op));
    }
    return op;
}

/* At a fixed rate the schedule begins anew with each phase: what its threads wait for each other between two is no
 * delay of an operation. */
static void play_timed(player *self, const stream_thread *part, uint32_t repeat, subject_timer *timer) {
    bool good = true;
    timer->due = 0;
    for (; repeat != 0 && good; repeat--) {
        for (size_t i = 0; i < part->op_count && good;) {
            size_t end = i;
            while (end < part->op_count && stream_op_has_slot(part->ops[end])) {
                end++;
            }
            if (end > i) {
                good = self->kernel->timed(&self->run, part->ops + i, end - i, 1, timer);
            } else {
                uint32_t turns = 0;
                const stream_op one = one_turn(part->ops[i], &turns);
                good = self->kernel->timed(&self->run, &one, 1, turns, timer);
                end++;
            }
            i = end;
        }
    }
}

static void play_plain(player *self, const stream_thread *part, uint32_t repeat) {
    const subject_kernel *kernel = self->kernel;
    if (part->pairs != NULL) {
        (void)kernel->pure(&self->run, stream_op_kind(part->ops[0]), part->pairs, part->op_count, repeat);
    } else {
        (void)kernel->play(&self->run, part->ops, part->op_count, repeat);
    }
}

static void play_part(player *self, const stream_thread *part, uint32_t repeat, uint32_t thread) {
    switch (self->form) {
    case FORM_PLAY:
        play_plain(self, part, repeat);
        break;
    case FORM_AUDIT:
        (void)self->kernel->audit(&self->run, part->ops, part->op_count, repeat);
        break;
    case FORM_TIMED:
        play_timed(self, part, repeat, &self->timers[thread]);
        break;
    case FORM_COUNTED:
        CALLGRIND_TOGGLE_COLLECT;
        play_plain(self, part, repeat);
        CALLGRIND_TOGGLE_COLLECT;
        break;
    }
}

/* A thread's part of a phase, for a thread that is started for it. */
typedef struct fresh_part {
    player *self;
    const stream_thread *part;
    uint32_t thread;
} fresh_part;

static void play_once(void *context) {
    const fresh_part *fresh = context;
    play_part(fresh->self, fresh->part, 1, fresh->thread);
}

static void play_fresh(player *self, const stream_thread *part, uint32_t repeat, uint32_t thread) {
    fresh_part fresh = {.self = self, .part = part, .thread = thread};
    (void)fresh_play(play_once, &fresh, &self->run, part->op_count == 0 ? 0 : repeat);
}

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* All threads sleep, so that nobody spins where the others wait, and none goes on, or ends, before the last one has woken.
 * Each one's sleep is within its own wall time, of which gbench gives the mean: so is the mean of the sleeps. */
static void idle(player *self, uint32_t milliseconds) {
    const double start = now_seconds();
    const struct timespec length = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&length, NULL);
    subject_barrier_wait(&self->barrier);
    const double slept_ns = (now_seconds() - start) * 1e9;
    (void)atomic_fetch_add_explicit(&self->idle_ns, (uint64_t)slept_ns, memory_order_relaxed);
}

static void play_stream(player *self, uint32_t thread) {
    for (uint32_t i = 0; i < self->source->phase_count; i++) {
        const stream_phase *phase = &self->source->phases[i];
        const stream_thread *part = &phase->threads[thread];
        /* After a failure the threads still meet, so that all of them come to the end. */
        if (atomic_load_explicit(&self->run.failure, memory_order_relaxed) == SUBJECT_FINE) {
            if (phase->is_fresh) {
                play_fresh(self, part, phase->repeat, thread);
            } else {
                play_part(self, part, phase->repeat, thread);
            }
        }
        subject_barrier_wait(&self->barrier);
        if (phase->idle_ms != 0) {
            idle(self, phase->idle_ms);
        }
        if (self->form == FORM_AUDIT) {
            if (thread == 0) {
                audit_phase(self, i);
            }
            subject_barrier_wait(&self->barrier);
        }
    }
}

static double spin_share;

void player_set_spin(double share) {
    spin_share = share;
}

static uint32_t stall_every;
static double stall_seconds;

void player_set_stall(uint32_t every, double seconds) {
    stall_every = every;
    stall_seconds = seconds;
}

static void play_and_spin(player *self, uint32_t thread) {
    const double start = now_seconds();
    play_stream(self, thread);
    const double played = now_seconds();
    const double stalls = stall_every == 0 ? 0 : (double)stream_critical_operations(self->source) / stall_every;
    const double waste = (played - start) * spin_share + stalls * stall_seconds;
    while (now_seconds() - played < waste) {
    }
}

static void play_loop(gbench_state *state, void *user) {
    player *self = user;
    const uint32_t thread = (uint32_t)gbench_thread_index(state);
    while (gbench_keep_running(state)) {
        if (self->form == FORM_PLAY && (spin_share > 0 || stall_every != 0)) {
            play_and_spin(self, thread);
        } else {
            play_stream(self, thread);
        }
    }
}

static void on_run(const gbench_run *run, void *user) {
    player *self = user;
    self->has_time = run->error == NULL && run->wall_seconds.valid;
    const double idle_seconds = (double)atomic_load(&self->idle_ns) * 1e-9 / self->source->thread_count;
    self->wall_seconds = fmax(run->wall_seconds.value - idle_seconds, 0);
    if (run->error != NULL) {
        (void)snprintf(self->error, sizeof self->error, "%s", run->error);
    }
}

/* Plays the stream `iterations` times; false when something failed, and nothing is known then. */
static bool play_times(player *self, double iterations) {
    gbench_suite *suite = gbench_suite_create();
    gbench_definition definition;
    gbench_definition_init(&definition, "stream", play_loop, self);
    definition.threads = (int)self->source->thread_count;
    definition.iterations = (int64_t)fmin(fmax(round(iterations), 1), ITERATIONS_MAX);
    const gbench_reporter reporter = {.struct_size = sizeof reporter, .run = on_run};
    self->has_time = false;
    atomic_store(&self->idle_ns, 0);
    self->status = suite == NULL ? GBENCH_ERROR_NO_MEMORY : gbench_suite_add(suite, &definition);
    if (self->status == GBENCH_OK) {
        self->status = gbench_suite_run(suite, &reporter, self);
    }
    gbench_suite_destroy(suite);
    return self->status == GBENCH_OK && self->has_time && atomic_load(&self->run.failure) == SUBJECT_FINE &&
           self->wrong_phase == NULL;
}

static void empty_loop(gbench_state *state, void *user) {
    (void)user;
    while (gbench_keep_running(state)) {
    }
}

/* Google Benchmark looks at the machine when it runs first, and keeps what it finds: memory that is not the subject's.
 * */
static void warm_gbench_up(void) {
    gbench_suite *suite = gbench_suite_create();
    gbench_definition definition;
    gbench_definition_init(&definition, "nothing", empty_loop, NULL);
    definition.iterations = 1;
    const gbench_reporter reporter = {.struct_size = sizeof reporter};
    if (suite != NULL && gbench_suite_add(suite, &definition) == GBENCH_OK) {
        (void)gbench_suite_run(suite, &reporter, NULL);
    }
    gbench_suite_destroy(suite);
}

/* How many plays fill so much time, at least one. */
static double plays_of(const player *self, double seconds, double play_seconds) {
    double idle_seconds = 0;
    for (uint32_t i = 0; i < self->source->phase_count; i++) {
        idle_seconds += self->source->phases[i].idle_ms * 1e-3;
    }
    double plays = round(seconds / play_seconds);
    if (idle_seconds > 0) {
        plays = fmin(plays, floor(seconds * IDLE_SHARE / idle_seconds));
    }
    return fmin(fmax(plays, 1), ITERATIONS_MAX);
}

static bool play_audited(player *self, player_result *result) {
    self->form = FORM_AUDIT;
    if (!play_times(self, 1)) {
        return false;
    }
    result->peak_live_bytes = atomic_load(&self->run.peak_live_bytes);
    result->peak_usable_bytes = atomic_load(&self->run.peak_live_room);
    self->form = FORM_PLAY;
    return true;
}

static bool play_all(player *self, double seconds, player_result *result) {
    if (!play_audited(self, result)) {
        return false;
    }
    /* The audited play looks at all contents, and how much longer it takes for that differs from subject to subject: so it does not
     * tell how long a play takes, nor does it leave the memory as warm as a play does. */
    const double warm_plays = plays_of(self, seconds * WARM_SHARE, fmax(self->wall_seconds, 1e-9));
    if (!play_times(self, warm_plays)) {
        return false;
    }
    const double iteration_seconds = fmax(self->wall_seconds / warm_plays, 1e-9);
    result->iterations = (uint64_t)plays_of(self, seconds, iteration_seconds);
    const memory_faults earlier = memory_faults_read();
    const memory_switches switched = memory_switches_read();
    if (!play_times(self, (double)result->iterations)) {
        return false;
    }
    result->switches = memory_switches_read();
    result->switches.voluntary -= switched.voluntary;
    result->switches.involuntary -= switched.involuntary;
    result->wall_seconds = self->wall_seconds;
    result->faults = memory_faults_read();
    result->faults.minor -= earlier.minor;
    result->faults.major -= earlier.major;
    return true;
}

static bool play_counted(player *self, player_result *result) {
    if (!play_audited(self, result)) {
        return false;
    }
    self->form = FORM_COUNTED;
    CALLGRIND_START_INSTRUMENTATION;
    const bool good = play_times(self, 1);
    CALLGRIND_STOP_INSTRUMENTATION;
    result->iterations = 1;
    return good;
}

/* A play without clocks tells how many with them fit into the time, as if those took twice as long. */
static bool play_latency(player *self, const player_pass *pass, player_result *result) {
    if (!play_audited(self, result) || !play_times(self, 1)) {
        return false;
    }
    const double play_seconds = pass->play_seconds > 0 ? pass->play_seconds : fmax(2 * self->wall_seconds, 1e-9);
    const double iterations = pass->seconds / play_seconds;
    result->iterations = (uint64_t)fmin(fmax(round(iterations), 1), ITERATIONS_MAX);
    self->form = FORM_TIMED;
    self->timers = pass->timers;
    const bool good = play_times(self, (double)result->iterations);
    result->wall_seconds = self->wall_seconds;
    return good;
}

static bool play_watched(player *self, const player_pass *pass, player_result *result) {
    pass->begin(pass->user, &self->run);
    const bool good = play_audited(self, result);
    pass->end(pass->user);
    result->iterations = 1;
    return good;
}

static bool play_pass(player *self, const player_pass *pass, player_result *result) {
    switch (pass->kind) {
    case PLAYER_INSTRUCTIONS:
        return play_counted(self, result);
    case PLAYER_LATENCY:
        return play_latency(self, pass, result);
    case PLAYER_MEMORY:
        return play_watched(self, pass, result);
    case PLAYER_TIME:
        break;
    }
    return play_all(self, pass->seconds, result);
}

bool player_can_count(void) {
    return HAS_CALLGRIND != 0 && RUNNING_ON_VALGRIND != 0;
}

/* Says what went wrong, the subject's own failure first. */
static void explain(const player *self, char *message, size_t size) {
    const int failure = atomic_load(&self->run.failure);
    if (failure != SUBJECT_FINE) {
        (void)snprintf(message, size, "%s", subject_failure_text((subject_failure)failure));
    } else if (self->wrong_phase != NULL) {
        (void)snprintf(message, size, "phase %s: the slots hold other buffers than were counted as alive",
                       self->wrong_phase->name);
    } else if (self->status != GBENCH_OK) {
        (void)snprintf(message, size, "%s", gbench_status_text(self->status));
    } else {
        (void)snprintf(message, size, "%s", self->error[0] != '\0' ? self->error : "the clock gave no time");
    }
}

bool player_run(const stream *source, const subject_kernel *kernel, double seconds, player_result *result,
                char *message, size_t message_size) {
    const player_pass pass = {.kind = PLAYER_TIME, .seconds = seconds};
    return player_run_pass(source, kernel, &pass, result, message, message_size);
}

bool player_run_pass(const stream *source, const subject_kernel *kernel, const player_pass *pass, player_result *result,
                     char *message, size_t message_size) {
    player self = {
        .source = source, .kernel = kernel, .barrier = {.thread_count = source->thread_count}, .held = result->held};
    warm_gbench_up();
    if (!subject_run_init(&self.run, source->slot_count, source->thread_count, source->max_size)) {
        (void)snprintf(message, message_size, "no memory for %u slots", source->slot_count);
        return false;
    }
    (void)memory_usage_reset_peak();
    (void)memory_usage_read(&result->before);
    self.run.source = source;
    bool good = kernel->prepare(&self.run);
    if (!good) {
        result->is_unsupported = atomic_load(&self.run.failure) == SUBJECT_UNSERVED;
        (void)snprintf(message, message_size, "%s",
                       self.run.reason[0] != '\0' ? self.run.reason : "the subject could not be prepared");
        subject_run_fini(&self.run);
        return false;
    }
    good = play_pass(&self, pass, result);
    (void)memory_usage_read(&result->after);
    /* A good play leaves nothing (S4); a failed one leaves what it had. */
    self.run.references_from = 0;
    const subject_held left = kernel->held(&self.run);
    kernel->discard(&self.run);
    if (!kernel->finish(&self.run)) {
        good = subject_fail(&self.run, SUBJECT_STILL_LIVE);
    }
    if (!good) {
        explain(&self, message, message_size);
    } else if (left.buffers != 0) {
        (void)snprintf(message, message_size, "%llu buffers were left in the slots after the last phase",
                       (unsigned long long)left.buffers);
        good = false;
    }
    subject_run_fini(&self.run);
    return good;
}
