/* From a job's pass to a part of a results file. */
#include "measure/worker_pass.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure/latency.h"
#include "measure/memory_curve.h"
#include "measure/player.h"
#include "reports/json_shapes.h"

static const char *const NAMES[] = {
    [WORKER_TIME] = NULL,         [WORKER_INSTRUCTIONS] = "instructions",
    [WORKER_LATENCY] = "latency", [WORKER_LATENCY_AT_RATE] = "latency_at_rate",
    [WORKER_MEMORY] = "memory",
};
_Static_assert(sizeof NAMES / sizeof NAMES[0] == WORKER_PASS_COUNT, "every pass has a name, but the one that is none");

const char *worker_pass_name(worker_pass pass) {
    return (unsigned)pass < WORKER_PASS_COUNT ? NAMES[pass] : NULL;
}

bool worker_pass_find(const char *name, worker_pass *out) {
    for (unsigned i = 0; i < WORKER_PASS_COUNT; i++) {
        if (NAMES[i] != NULL && strcmp(name, NAMES[i]) == 0) {
            *out = (worker_pass)i;
            return true;
        }
    }
    return false;
}

static bool play(const worker_job *job, const stream *source, const player_pass *pass, player_result *result,
                 worker_report *report) {
    if (!player_run_pass(source, job->subject->kernel, pass, result, report->message, sizeof report->message)) {
        report->status = result->is_unsupported ? WORKER_UNSUPPORTED : WORKER_FAILED;
        return false;
    }
    report->status = WORKER_OK;
    return true;
}

static bool complain(worker_report *report, const char *what) {
    (void)snprintf(report->message, sizeof report->message, "%s", what);
    return false;
}

/* ---- Instructions: the count itself is in callgrind's file, which whoever started us reads ---- */

static bool count_instructions(const worker_job *job, const stream *source, player_result *result, results_result *out,
                               worker_report *report) {
    const player_pass pass = {.kind = PLAYER_INSTRUCTIONS};
    if (!player_can_count()) {
        return complain(report, "this process does not run under valgrind, or was built without its headers");
    }
    out->instructions.operations = source->operation_count;
    return play(job, source, &pass, result, report);
}

/* ---- Latency ---- */

static double rate_of(const worker_job *job) {
    return job->pass == WORKER_LATENCY_AT_RATE ? job->rate : 0;
}

static void seed_stalls(const worker_job *job, const latency_clock *clock, subject_timer *timers, uint32_t count) {
    for (uint32_t i = 0; i < count && job->stall_every != 0; i++) {
        timers[i].stall_every = timers[i].stalls_in = job->stall_every;
        timers[i].stall = (uint64_t)fmax((double)job->stall_ns * clock->ticks_per_ns, 1);
    }
}

static bool time_operations(const worker_job *job, const stream *source, player_result *result, model_arena *arena,
                            results_result *out, worker_report *report) {
    const double rate = rate_of(job);
    const uint32_t threads = source->thread_count;
    latency_clock clock;
    latency_clock_choose(&clock);
    /* The rate is that of all threads together. */
    subject_timer *timers = latency_timers_create(&clock, threads, rate > 0 ? threads * 1e9 / rate : 0);
    if (timers == NULL) {
        return complain(report, "no memory for the histograms");
    }
    seed_stalls(job, &clock, timers, threads);
    const player_pass pass = {.kind = PLAYER_LATENCY,
                              .seconds = job->seconds,
                              .play_seconds = rate > 0 ? (double)source->operation_count / rate : 0,
                              .timers = timers};
    const bool good = play(job, source, &pass, result, report);
    if (good) {
        results_latency *latency = rate > 0 ? &out->latency_at_rate : &out->latency;
        latency_summarise(arena, &clock, timers, threads, latency);
        if (rate > 0) {
            latency->rate_per_second = rate;
            latency->reached_per_second = (double)latency->operations / fmax(result->wall_seconds, 1e-9);
        }
    }
    latency_timers_destroy(timers, threads);
    return good;
}

/* ---- Memory ---- */

typedef struct watch {
    double idle_seconds;
    bool has_curve;
    memory_usage start, drained, idle;
} watch;

static void sleep_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* What reading and sleeping themselves need, such as pages of the libraries' code, is there before the start is read.
 * */
static void watch_begin(void *user, const subject_run *run) {
    watch *self = user;
    sleep_for(1e-6);
    (void)memory_usage_read(&self->start);
    self->has_curve = memory_curve_begin(run);
    (void)memory_usage_read(&self->start);
}

/* What an allocator gives back by itself, it gives back while nobody calls it. */
static void watch_end(void *user) {
    enum {
        IDLE_POINTS = 10
    };
    watch *self = user;
    (void)memory_usage_read(&self->drained);
    if (self->has_curve) {
        memory_curve_end();
    }
    for (int i = 0; i < IDLE_POINTS; i++) {
        sleep_for(self->idle_seconds / IDLE_POINTS);
        if (self->has_curve) {
            memory_curve_add();
        }
    }
    (void)memory_usage_read(&self->idle);
}

static uint64_t bytes_or_unknown(uint64_t bytes) {
    return bytes == 0 ? MODEL_UNKNOWN : bytes;
}

static void keep_curve(const worker_job *job, const memory_curve *curve, model_arena *arena, results_memory *out) {
    for (size_t i = 0; i < curve->count; i++) {
        const memory_point *from = &curve->points[i];
        results_memory_point *point = model_allocate(arena, sizeof *point);
        *point = (results_memory_point){.at_ms = (double)from->at_ns / 1e6,
                                        .live_bytes = from->live_bytes,
                                        .usable_bytes =
                                            job->subject->kernel->tells_room ? from->usable_bytes : MODEL_UNKNOWN,
                                        .committed_bytes = from->committed_bytes,
                                        .resident_bytes = from->resident_bytes};
        model_append(arena, &out->points, &out->point_count, point);
    }
}

static bool watch_memory(const worker_job *job, const stream *source, player_result *result, model_arena *arena,
                         results_result *out, worker_report *report) {
    watch seen = {.idle_seconds = job->idle_seconds};
    const player_pass pass = {.kind = PLAYER_MEMORY, .begin = watch_begin, .end = watch_end, .user = &seen};
    if (!play(job, source, &pass, result, report)) {
        return false;
    }
    out->memory.start_resident_bytes = bytes_or_unknown(seen.start.resident_bytes);
    out->memory.drained_resident_bytes = bytes_or_unknown(seen.drained.resident_bytes);
    out->memory.idle_resident_bytes = bytes_or_unknown(seen.idle.resident_bytes);
    out->memory.peak_resident_bytes = bytes_or_unknown(seen.drained.peak_resident_bytes);
    out->memory.peak_live_bytes = result->peak_live_bytes;
    out->memory.idle_seconds = seen.idle_seconds;
    if (seen.has_curve) {
        keep_curve(job, memory_curve_take(), arena, &out->memory);
    }
    return true;
}

void worker_pass_measure(const worker_job *job, const stream_image *image, worker_report *report) {
    const stream *source = &image->stream;
    results_model *model = results_model_create();
    results_result *out =
        results_scenario_add_result(model, results_model_add_scenario(model, "pass"), job->subject->name);
    player_result result = {.held = calloc(source->phase_count, sizeof *result.held)};
    bool good = false;
    report->status = WORKER_FAILED;
    report->phases = result.held;
    report->phase_count = result.held == NULL ? 0 : source->phase_count;
    if (result.held == NULL) {
        (void)complain(report, "no memory for the phases");
    } else if (job->pass == WORKER_INSTRUCTIONS) {
        good = count_instructions(job, source, &result, out, report);
    } else if (job->pass == WORKER_MEMORY) {
        good = watch_memory(job, source, &result, model->arena, out, report);
    } else {
        good = time_operations(job, source, &result, model->arena, out, report);
    }
    if (good) {
        report->passes = json_shape_write(&json_passes, out);
        report->time_ns_per_op = 1; /* a line that is fine has one */
        report->peak_live_bytes = result.peak_live_bytes;
    }
    results_model_destroy(model);
}
