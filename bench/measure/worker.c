/* A worker's life: understand the job, look at itself, measure, tell. */
#include "measure/worker.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include "measure/line_time.h"
#include "measure/player.h"
#include "measure/stream_image.h"
#include "measure/worker_pass.h"
#include "subjects/library.h"

/* Round trips that are timed beside a result with threads: a few milliseconds. */
#define LINE_TRIPS 20000u

/* The number's text, in the next part of the storage. */
static const char *number(char **storage, double value) {
    char *text = *storage;
    *storage += WORKER_STORAGE_SIZE / 7;
    (void)snprintf(text, WORKER_STORAGE_SIZE / 7, "%.17g", value);
    return text;
}

void worker_arguments(const worker_job *job, const char *program, char *storage, const char **argv) {
    const bool plays = !job->is_examination;
    const char *const words[][2] = {
        {program, "worker"},
        {"--subject", job->plays != NULL ? job->plays : job->subject->name},
        {"--library", job->subject->library},
        {"--examine", job->is_examination ? "yes" : NULL},
        {"--stream", plays ? number(&storage, job->stream_descriptor) : NULL},
        {"--seconds", plays ? number(&storage, job->seconds) : NULL},
        {"--preload", job->preload},
        {"--spin", job->spin_share > 0 ? number(&storage, job->spin_share) : NULL},
        {"--stall-every", job->stall_every > 0 ? number(&storage, job->stall_every) : NULL},
        {"--stall-ns", job->stall_every > 0 ? number(&storage, (double)job->stall_ns) : NULL},
        {"--pass", worker_pass_name(job->pass)},
        {"--rate", job->pass == WORKER_LATENCY_AT_RATE ? number(&storage, job->rate) : NULL},
        {"--idle", job->pass == WORKER_MEMORY && job->idle_seconds > 0 ? number(&storage, job->idle_seconds) : NULL}};
    _Static_assert(2 * sizeof words / sizeof words[0] <= WORKER_ARGUMENTS_MAX, "each has room");
    size_t count = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i][1] != NULL) {
            argv[count++] = words[i][0];
            argv[count++] = words[i][1];
        }
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

static bool read_numbers(const char *name, const char *value, worker_job *job) {
    double real = 0;
    if (strcmp(name, "--seconds") == 0) {
        return read_seconds(value, &job->seconds);
    }
    if (strcmp(name, "--spin") == 0) {
        return read_seconds(value, &job->spin_share);
    }
    if (strcmp(name, "--rate") == 0) {
        return read_seconds(value, &job->rate);
    }
    if (strcmp(name, "--idle") == 0) {
        return read_seconds(value, &job->idle_seconds);
    }
    if (strcmp(name, "--stall-every") == 0) {
        const bool good = read_seconds(value, &real) && real <= UINT32_MAX;
        job->stall_every = good ? (uint32_t)real : 0;
        return good;
    }
    const bool good = strcmp(name, "--stall-ns") == 0 && read_seconds(value, &real) && real <= 1e12;
    job->stall_ns = good ? (uint64_t)real : 0;
    return good;
}

/* `of_library` gets what names a user's library, which is opened later. */
static bool read_job(int argc, char **argv, worker_job *job, subject *of_library) {
    *job = (worker_job){.stream_descriptor = -1};
    *of_library = (subject){.name = NULL};
    bool good = argc % 2 == 1;
    for (int i = 1; i + 1 < argc && good; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--subject") == 0) {
            of_library->name = value;
        } else if (strcmp(argv[i], "--library") == 0) {
            of_library->library = value;
        } else if (strcmp(argv[i], "--examine") == 0) {
            job->is_examination = true;
        } else if (strcmp(argv[i], "--stream") == 0) {
            good = read_descriptor(value, &job->stream_descriptor);
        } else if (strcmp(argv[i], "--preload") == 0) {
            job->preload = value;
        } else if (strcmp(argv[i], "--pass") == 0) {
            good = worker_pass_find(value, &job->pass);
        } else {
            good = read_numbers(argv[i], value, job);
        }
    }
    if (of_library->name != NULL) {
        job->subject = of_library->library != NULL ? of_library : subject_find(of_library->name);
    }
    return good && job->subject != NULL &&
           (job->is_examination ? of_library->library != NULL : job->stream_descriptor >= 0 && job->seconds > 0) &&
           (job->pass != WORKER_LATENCY_AT_RATE || job->rate > 0);
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
    player_set_spin(job->spin_share);
    player_set_stall(job->stall_every, (double)job->stall_ns * 1e-9);
    if (!player_run(source, job->subject->kernel, job->seconds, &result, report->message, sizeof report->message)) {
        report->status = result.is_unsupported ? WORKER_UNSUPPORTED : WORKER_FAILED;
        return;
    }
    const double operations = (double)stream_critical_operations(source) * (double)result.iterations;
    report->time_ns_per_op = result.wall_seconds * 1e9 / fmax(operations, 1);
    report->operations = source->operation_count * result.iterations;
    report->peak_live_bytes = result.peak_live_bytes;
    report->peak_usable_bytes = job->subject->kernel->tells_room ? result.peak_usable_bytes : WORKER_UNKNOWN;
    report->page_faults_minor = each_play(result.faults.minor, result.iterations);
    report->page_faults_major = each_play(result.faults.major, result.iterations);
    report->had_threads = source->thread_count > 1 || __libc_single_threaded == 0;
    report->switches_voluntary = result.switches.voluntary;
    report->switches_involuntary = result.switches.involuntary;
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
    } else if (job->is_examination) {
        report->status = WORKER_OK;
        report->time_ns_per_op = 1; /* a line that is fine has one */
    } else if (!stream_image_open(job->stream_descriptor, &image)) {
        (void)snprintf(report->message, sizeof report->message, "the stream on descriptor %d cannot be read",
                       job->stream_descriptor);
    } else {
        if (job->pass == WORKER_TIME) {
            measure(job, &image, report);
        } else {
            worker_pass_measure(job, &image, report);
        }
        stream_image_close(&image);
    }
}

/* Opens the user's library, where the job has one; then works. */
static void open_and_work(const worker_job *job, subject *of_library, worker_report *report) {
    char path[PROVENANCE_PATH_SIZE];
    if (of_library->library == NULL) {
        work(job, report);
        return;
    }
    (void)snprintf(path, sizeof path, "%s", of_library->library);
    if (subject_library_open(of_library->name, path, of_library, report->message, sizeof report->message)) {
        work(job, report);
    } else {
        report->status = WORKER_REFUSED;
    }
}

/* From here on what is printed to stdout goes to stderr: the line must stand alone. The descriptor for the line; -1
 * without one. */
static int keep_stdout(void) {
    const int kept = dup(STDOUT_FILENO);
    return kept < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? -1 : kept;
}

static bool tell(int descriptor, const char *line) {
    size_t length = line == NULL ? 0 : strlen(line);
    bool good = line != NULL && descriptor >= 0;
    while (good && length > 0) {
        const ssize_t written = write(descriptor, line, length);
        good = written > 0;
        line += good ? written : 0;
        length -= good ? (size_t)written : 0;
    }
    return good;
}

int worker_main(int argc, char **argv) {
    worker_job job;
    subject of_library;
    if (!read_job(argc, argv, &job, &of_library)) {
        (void)fputs(
            "poolbuf worker: this is what `poolbuf run` starts to measure one subject; see poolbuf run --help\n",
            stderr);
        return 2;
    }
    worker_report report = {.line_round_trip_ns = nan("")};
    const int output = keep_stdout();
    open_and_work(&job, &of_library, &report);
    char *line = worker_report_format(&report);
    worker_report_fini(&report);
    const bool told = tell(output, line);
    free(line);
    return told ? 0 : 1;
}
