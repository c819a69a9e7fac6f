/* Owns the loop around the kernel: phases, barriers, and how often to play. */
#include "measure/player.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "gbench/gbench.h"
#include "measure/fresh.h"

/* The share of the wanted time that the warm part takes, and the most iterations that the timed part is given. */
#define WARM_SHARE     0.1
#define ITERATIONS_MAX 10000000.0

/* Sleeping is no time of the operations, but of who waits for the result: at most so many times the wanted one. */
#define IDLE_SHARE 4.0

typedef struct player {
    const stream *source;
    const subject_kernel *kernel;
    subject_run run;
    subject_barrier barrier;
    bool is_audit;
    subject_held *held;
    /* The phase that the audit found wrong; written by the first thread, read after the run. */
    const stream_phase *wrong_phase;
    /* What gbench reported last. */
    gbench_status status;
    bool has_time;
    double wall_seconds;
    double idle_seconds; /* that the first thread has slept since gbench was started: no time of any operation */
    char error[128];
} player;

/* The first thread, while the others wait: is in the slots what was counted as alive? */
static void audit_phase(player *self, uint32_t index) {
    const subject_held held = self->kernel->held(&self->run);
    self->held[index] = held;
    if (held.buffers != atomic_load(&self->run.live_buffers) || held.bytes != atomic_load(&self->run.live_bytes)) {
        self->wrong_phase = self->wrong_phase != NULL ? self->wrong_phase : &self->source->phases[index];
    }
}

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* All threads sleep, so that nobody spins where the others wait; the first one's sleep is what is taken off the time.
 * */
static void idle(player *self, uint32_t thread, uint32_t milliseconds) {
    const double start = now_seconds();
    const struct timespec length = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&length, NULL);
    if (thread == 0) {
        self->idle_seconds += now_seconds() - start;
    }
}

static void play_stream(player *self, uint32_t thread) {
    for (uint32_t i = 0; i < self->source->phase_count; i++) {
        const stream_phase *phase = &self->source->phases[i];
        const stream_thread *part = &phase->threads[thread];
        /* After a failure the threads still meet, so that all of them come to the end. */
        if (atomic_load_explicit(&self->run.failure, memory_order_relaxed) == SUBJECT_FINE) {
            const fresh_player play = self->is_audit ? self->kernel->audit : self->kernel->play;
            (void)(phase->is_fresh ? fresh_play(play, &self->run, part, phase->repeat)
                                   : play(&self->run, part->ops, part->op_count, phase->repeat));
        }
        subject_barrier_wait(&self->barrier);
        if (phase->idle_ms != 0) {
            idle(self, thread, phase->idle_ms);
        }
        if (self->is_audit) {
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

static void play_and_spin(player *self, uint32_t thread) {
    const double start = now_seconds();
    play_stream(self, thread);
    const double played = now_seconds();
    while (now_seconds() - played < (played - start) * spin_share) {
    }
}

static void play_loop(gbench_state *state, void *user) {
    player *self = user;
    const uint32_t thread = (uint32_t)gbench_thread_index(state);
    while (gbench_keep_running(state)) {
        if (spin_share > 0) {
            play_and_spin(self, thread);
        } else {
            play_stream(self, thread);
        }
    }
}

static void on_run(const gbench_run *run, void *user) {
    player *self = user;
    self->has_time = run->error == NULL && run->wall_seconds.valid;
    self->wall_seconds = fmax(run->wall_seconds.value - self->idle_seconds, 0);
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
    self->idle_seconds = 0;
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

static bool play_all(player *self, double seconds, player_result *result) {
    self->is_audit = true;
    if (!play_times(self, 1)) {
        return false;
    }
    result->peak_live_bytes = atomic_load(&self->run.peak_live_bytes);
    result->peak_usable_bytes = atomic_load(&self->run.peak_live_room);
    self->is_audit = false;
    double iteration_seconds = fmax(self->wall_seconds, 1e-9);
    if (iteration_seconds < seconds * WARM_SHARE) {
        const double iterations = plays_of(self, seconds * WARM_SHARE, iteration_seconds);
        if (!play_times(self, iterations)) {
            return false;
        }
        iteration_seconds = fmax(self->wall_seconds / iterations, 1e-9);
    }
    result->iterations = (uint64_t)plays_of(self, seconds, iteration_seconds);
    const memory_faults earlier = memory_faults_read();
    if (!play_times(self, (double)result->iterations)) {
        return false;
    }
    result->wall_seconds = self->wall_seconds;
    result->faults = memory_faults_read();
    result->faults.minor -= earlier.minor;
    result->faults.major -= earlier.major;
    return true;
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
    good = play_all(&self, seconds, result);
    (void)memory_usage_read(&result->after);
    /* A good play leaves nothing (S4); a failed one leaves what it had. */
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
