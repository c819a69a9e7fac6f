/* A worker's life: understand the job, look at itself, measure, tell. */
#include "measure/worker.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/line_time.h"
#include "measure/player.h"
#include "measure/stream_image.h"

/* Round trips that are timed beside a result with threads: a few milliseconds. */
#define LINE_TRIPS 20000u

void worker_arguments(const worker_job *job, const char *program, char *storage, const char **argv) {
    char *const descriptor = storage;
    char *const seconds = storage + WORKER_STORAGE_SIZE / 2;
    (void)snprintf(descriptor, WORKER_STORAGE_SIZE / 2, "%d", job->stream_descriptor);
    (void)snprintf(seconds, WORKER_STORAGE_SIZE / 2, "%.17g", job->seconds);
    const char *const words[] = {program,
                                 "worker",
                                 "--subject",
                                 job->subject->name,
                                 "--stream",
                                 descriptor,
                                 "--seconds",
                                 seconds,
                                 job->preload != NULL ? "--preload" : NULL,
                                 job->preload};
    size_t count = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && words[i] != NULL; i++) {
        argv[count++] = words[i];
    }
    argv[count] = NULL;
}

static bool read_descriptor(const char *text, int *out) {
    char *end = NULL;
    const long value = strtol(text, &end, 10);
    *out = (int)value;
    return end != text && *end == '\0' && value >= 0 && value <= INT_MAX;
}

static bool read_seconds(const char *text, double *out) {
    char *end = NULL;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out) && *out > 0;
}

static bool read_job(int argc, char **argv, worker_job *job) {
    *job = (worker_job){.stream_descriptor = -1};
    bool good = argc % 2 == 1;
    for (int i = 1; i + 1 < argc && good; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--subject") == 0) {
            job->subject = subject_find(value);
        } else if (strcmp(argv[i], "--stream") == 0) {
            good = read_descriptor(value, &job->stream_descriptor);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            good = read_seconds(value, &job->seconds);
        } else if (strcmp(argv[i], "--preload") == 0) {
            job->preload = value;
        } else {
            good = false;
        }
    }
    return good && job->subject != NULL && job->stream_descriptor >= 0 && job->seconds > 0;
}

static void set_memory(worker_report *report, const player_result *result, uint64_t harness_bytes) {
    report->peak_resident_bytes = WORKER_UNKNOWN;
    report->resident_growth_bytes = WORKER_UNKNOWN;
    if (result->before.resident_bytes != 0 && result->after.peak_resident_bytes >= result->before.resident_bytes &&
        result->after.peak_resident_bytes >= harness_bytes) {
        report->peak_resident_bytes = result->after.peak_resident_bytes - harness_bytes;
        report->resident_growth_bytes = result->after.peak_resident_bytes - result->before.resident_bytes;
    }
}

/* Subjects play the stream as often as fits into the time: per play, their counts can be compared. */
static uint64_t each_play(uint64_t count, uint64_t plays) {
    return (count + plays / 2) / plays;
}

static void measure(const worker_job *job, const stream_image *image, worker_report *report) {
    const stream *source = &image->stream;
    player_result result = {.held = calloc(source->phase_count, sizeof *result.held)};
    report->phases = result.held;
    if (result.held == NULL) {
        (void)snprintf(report->message, sizeof report->message, "no memory for %u phases", source->phase_count);
        return;
    }
    report->phase_count = source->phase_count;
    if (!player_run(source, job->subject->kernel, job->seconds, &result, report->message, sizeof report->message)) {
        return;
    }
    const double operations = (double)stream_critical_operations(source) * (double)result.iterations;
    report->time_ns_per_op = result.wall_seconds * 1e9 / fmax(operations, 1);
    report->operations = source->operation_count * result.iterations;
    report->peak_live_bytes = result.peak_live_bytes;
    report->page_faults_minor = each_play(result.faults.minor, result.iterations);
    report->page_faults_major = each_play(result.faults.major, result.iterations);
    report->line_round_trip_ns = source->thread_count > 1 ? line_round_trip_ns(LINE_TRIPS) : nan("");
    set_memory(report, &result, image->size + source->slot_count * sizeof(subject_slot));
    report->status = WORKER_OK;
}

static void work(const worker_job *job, worker_report *report) {
    provenance facts;
    stream_image image;
    provenance_read(&facts);
    (void)snprintf(report->library, sizeof report->library, "%s", provenance_path(&facts, job->subject));
    (void)snprintf(report->version, sizeof report->version, "%s", provenance_version(&facts, job->subject));
    report->status = WORKER_FAILED;
    if (!provenance_check(&facts, job->subject, job->preload, report->message, sizeof report->message)) {
        report->status = WORKER_REFUSED;
    } else if (!stream_image_open(job->stream_descriptor, &image)) {
        (void)snprintf(report->message, sizeof report->message, "the stream on descriptor %d cannot be read",
                       job->stream_descriptor);
    } else {
        measure(job, &image, report);
        stream_image_close(&image);
    }
}

int worker_main(int argc, char **argv) {
    worker_job job;
    if (!read_job(argc, argv, &job)) {
        (void)fputs(
            "poolbuf worker: this is what `poolbuf run` starts to measure one subject; see poolbuf run --help\n",
            stderr);
        return 2;
    }
    worker_report report = {.line_round_trip_ns = nan("")};
    work(&job, &report);
    char *line = worker_report_format(&report);
    worker_report_fini(&report);
    const bool told = line != NULL && fputs(line, stdout) >= 0 && fflush(stdout) == 0;
    free(line);
    return told ? 0 : 1;
}
