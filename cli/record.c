/* poolbuf record: runs a program under the preloaded recorder and writes its allocations as a trace. */
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "output.h"
#include "record/child.h"
#include "record/run.h"
#include "record/shape.h"
#include "record/trace.h"
#include "reports/table.h"

/* TEMPLATE with each %p replaced by the process's id; a later image of the same process gets ".1", ".2" behind it.
 *   returns  false when the name would be too long. */
static bool expand_path(char path[PATH_MAX], const char *template, const record_spool *spool) {
    size_t n = 0;
    for (const char *from = template; *from != '\0'; from++) {
        int more = 1;
        if (from[0] == '%' && from[1] == 'p') {
            from++;
            more = spool->image == 0
                       ? snprintf(path + n, PATH_MAX - n, "%" PRId32, spool->header->pid)
                       : snprintf(path + n, PATH_MAX - n, "%" PRId32 ".%u", spool->header->pid, spool->image);
        } else {
            path[n] = *from;
        }
        n += (size_t)more;
        if (n >= PATH_MAX) {
            return false;
        }
    }
    path[n] = '\0';
    return true;
}

/* One line, whatever a program is called. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf record: ", format, list);
    va_end(list);
}

/* How a line begins that goes on. */
static void begin_line(const char *path, const char *program) {
    fputs("poolbuf record: ", stderr);
    text_print_safe(stderr, path);
    if (program != NULL) {
        fputs(": ", stderr);
        text_print_safe(stderr, program);
    }
    fputs(": ", stderr);
}

static void print_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    double number = (double)bytes;
    size_t unit = 0;
    while (number >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        number /= 1024;
        unit++;
    }
    fprintf(stderr, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}

_Static_assert(TRACE_THREADS_MAX == 1048576, "as the message says");

/* Why a recording is no more than the beginning of what its process did; NULL where it is whole. */
static const char *cut_off(const record_spool *spool) {
    static const char *const why[] = {
        [SPOOL_LIMIT] = "the limit of events was reached; see --max-events",
        [SPOOL_NO_SPACE] = "there was no more room on the disk, or none for so large a file",
        [SPOOL_NO_MEMORY] = "there was no more memory",
        [SPOOL_THREADS] = "a recording tells 1048576 threads apart, and here were more",
    };
    const int32_t end = spool->header->end;
    if (end > SPOOL_COMPLETE && end < (int32_t)(sizeof why / sizeof why[0])) {
        return why[end];
    }
    return spool->is_outlived ? "it still runs; record it in the foreground" : NULL;
}

/* Of a trace as of a shape: what is played is then perhaps no more than the program's start. */
static void warn_cut_off(const record_spool *spool, const char *path) {
    const char *why = cut_off(spool);
    if (why != NULL) {
        tell("%s: the recording ends before the program did: %s", path, why);
    }
}

static void warn_clamped(const record_spool *spool, const char *path) {
    if (spool->header->clamped_sizes != 0) {
        begin_line(path, NULL);
        fprintf(stderr, "%" PRIu64 " sizes are larger than a recording can say; they count as ",
                spool->header->clamped_sizes);
        print_bytes(TRACE_SIZE_MAX);
        fprintf(stderr, "\n");
    }
}

static void describe(const record_spool *spool, const char *program, const trace_summary *summary,
                     const trace_statistics *statistics, const char *path) {
    begin_line(path, program);
    fprintf(stderr,
            "%" PRIu64 " events (%" PRIu64 " allocations, %" PRIu64 " resizes, %" PRIu64 " releases) in %" PRIu32
            " threads; at most %" PRIu32 " buffers and ",
            summary->event_count, statistics->allocations, statistics->resizes, statistics->releases,
            summary->thread_count, summary->slot_count);
    print_bytes(statistics->peak_live_bytes);
    fprintf(stderr, " live\n  sizes:");
    const uint64_t sized = statistics->allocations + statistics->resizes;
    for (unsigned i = 0; i < TRACE_DOUBLINGS; i++) {
        if (statistics->by_doubling[i] * 1000 >= sized) {
            fprintf(stderr, " <=");
            print_bytes(UINT64_C(1) << i);
            fprintf(stderr, " %.1f%%", 100.0 * (double)statistics->by_doubling[i] / (double)sized);
        }
    }
    fprintf(stderr, "\n");
    if (spool->header->source == TRACE_OF_BUFFERS) {
        fprintf(stderr,
                "  poolbuf's buffers: %" PRIu64 " retains, %" PRIu64 " releases that were not the last, %" PRIu64
                " slices\n",
                statistics->retains, statistics->drops, statistics->slices);
    }
    warn_clamped(spool, path);
    warn_cut_off(spool, path);
}

/* Writes what a process left into an open output, as a trace or as a shape, and tells about it. */
typedef bool writer(const record_spool *spool, output *out, const char *path);

static bool write_spool(const record_spool *spool, output *out, const char *path) {
    char error[512];
    char program[TRACE_NAME_MAX + 1] = {0};
    trace_summary summary;
    trace_statistics statistics;
    const trace_summary counts = {.skipped_releases = spool->header->skipped_releases,
                                  .clamped_sizes = spool->header->clamped_sizes,
                                  .dropped_events = cut_off(spool) != NULL};
    memcpy(program, spool->header->program, TRACE_NAME_MAX);
    if (!trace_write_raw(out->stream, program, (trace_source)spool->header->source, spool->events, spool->size, &counts,
                         &summary, &statistics, error, sizeof error)) {
        tell("%s", error);
        output_discard(out);
        return false;
    }
    if (!output_commit(out)) {
        return false;
    }
    describe(spool, program, &summary, &statistics, path);
    return true;
}

static bool write_shape(const record_spool *spool, output *out, const char *path) {
    char error[512];
    char program[TRACE_NAME_MAX + 1] = {0};
    trace *recorded = NULL;
    shape found;
    memcpy(program, spool->header->program, TRACE_NAME_MAX);
    bool fine = trace_parse_raw(spool->events, spool->size, program, &recorded, error, sizeof error);
    if (fine) {
        recorded->summary.clamped_sizes = spool->header->clamped_sizes;
        recorded->summary.dropped_events = cut_off(spool) != NULL;
        fine = shape_measure(recorded, &found, error, sizeof error) &&
               shape_write(out->stream, &found, error, sizeof error);
        trace_destroy(recorded);
    }
    if (!fine) {
        tell("%s", error);
        output_discard(out);
        return false;
    }
    if (!output_commit(out)) {
        return false;
    }
    begin_line(path, program);
    fprintf(stderr, "the shape of %" PRIu64 " buffers in %" PRIu32 " threads; at most %" PRIu64 " buffers and ",
            found.buffer_count, found.threads, found.peak_live_buffers);
    print_bytes(found.peak_live_bytes);
    fprintf(stderr, " live\n");
    warn_clamped(spool, path);
    warn_cut_off(spool, path);
    return true;
}

/* One that cannot be written takes nothing from the others. */
static bool write_each(const record_result *result, const char *template, writer *write) {
    bool fine = true;
    for (size_t i = 0; i < result->spool_count; i++) {
        char path[PATH_MAX];
        output out;
        if (!expand_path(path, template, &result->spools[i])) {
            tell("%.60s...: the path is too long; give a shorter one", template);
            return false;
        }
        fine = output_open(&out, path) && write(&result->spools[i], &out, path) && fine;
    }
    return fine;
}

/* A program's own status must not be taken for one of ours: its 4 would be a leak. */
static int judge(const char *program, const child_end *end) {
    if (end->is_outlived) {
        tell("note: processes that %s started still run; what they do now is not recorded", program);
    }
    if (end->signal == 0 && end->status == 0) {
        return EXIT_FINE;
    }
    char how[64];
    child_describe(end, how, sizeof how);
    tell("%s %s; the trace holds what it did until then", program, how);
    return EXIT_RUN_FAILED;
}

/* The folder of the output, where the program's events wait until it ends: of the file itself, where the output is a link
 * to one. Stdout, a pipe or a device has none of its own.
 *   out  NULL: each process has a file of its own, called as path says. */
static void folder_of(const char *path, const output *out, char folder[PATH_MAX]) {
    char copy[PATH_MAX];
    const char *temporary = getenv("TMPDIR");
    struct stat status;
    const bool is_link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    const char *file = path;
    if (out != NULL) {
        file = !out->is_regular || out->path == NULL ? NULL : is_link ? out->path : path;
    }
    (void)snprintf(folder, PATH_MAX, "%s", temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp");
    if (file != NULL && snprintf(copy, sizeof copy, "%s", file) < (int)sizeof copy) {
        (void)snprintf(folder, PATH_MAX, "%s", dirname(copy));
    }
}

/* Nothing was recorded, of none of the program's processes. */
static int tell_nothing(const char *program, const char *folder, const char *events, const record_result *result) {
    if (result->without_space != 0) {
        tell("%s recorded nothing: there is no room in %s; give an output file in a folder with "
             "room, or lift the limit on the size of files",
             program, folder);
    } else if (result->without_memory != 0) {
        tell("%s recorded nothing: it has no memory for that; give --max-events a smaller number, or "
             "lift the limit on its memory",
             program);
    } else {
        tell("%s recorded nothing: it ran without the preloaded recorder, or never allocated, or "
             "has no buffers; record the dynamically linked program itself%s",
             program, strcmp(events, "malloc") != 0 ? ", or give --events malloc" : "");
    }
    return EXIT_UNCHECKED;
}

static void tell_unrecorded(const char *folder, const record_result *result) {
    if (result->without_space != 0) {
        tell("note: there was no room in %s for %zu more processes; what they did is not recorded", folder,
             result->without_space);
    }
    if (result->without_memory != 0) {
        tell("note: %zu more processes had no memory for it; what they did is not recorded", result->without_memory);
    }
    if (result->without_folder != 0) {
        tell("note: %zu more processes could make no file in %s, as after a change of user or root "
             "directory; what they did is not recorded",
             result->without_folder, folder);
    }
}

/* Stdout, or the pipe that it is, by a name. */
static bool is_stdout(const output *out) {
    struct stat status;
    struct stat standard;
    return out->path == NULL ||
           (stat(out->path, &status) == 0 && S_ISFIFO(status.st_mode) && fstat(STDOUT_FILENO, &standard) == 0 &&
            status.st_dev == standard.st_dev && status.st_ino == standard.st_ino);
}

/* Runs the program. Where the recording goes to stdout, what the program writes there would be part of it: it goes to
 * stderr. */
static bool run_apart(const record_plan *plan, const output *out, record_result *result, char *reason, size_t size) {
    const int kept = out != NULL && is_stdout(out) ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
    if (kept >= 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    }
    const bool fine = record_run(plan, result, reason, size);
    if (kept >= 0) {
        (void)dup2(kept, STDOUT_FILENO);
        (void)close(kept);
    }
    return fine;
}

/* Runs the program and writes what it left; `out` is open, unless each process gets a file of its own. */
static int record(char *const *command, const char *path, output *out, const char *events, writer *write,
                  uint64_t max_events) {
    char reason[512];
    char folder[PATH_MAX];
    record_result result;
    folder_of(path, out, folder);
    const record_plan plan = {.command = command, .folder = folder, .max_events = max_events, .events = events};
    if (!run_apart(&plan, out, &result, reason, sizeof reason)) {
        tell("%s", reason);
        const int status = result.end.start_error != 0 ? EXIT_USAGE : EXIT_UNCHECKED;
        record_result_fini(&result);
        if (out != NULL) {
            output_discard(out);
        }
        return status;
    }
    int status = EXIT_RUN_FAILED;
    if (result.spool_count == 0) {
        status = tell_nothing(command[0], folder, events, &result);
        if (out != NULL) {
            output_discard(out);
        }
    } else if (out != NULL ? write(&result.spools[0], out, path) : write_each(&result, path, write)) {
        if (out != NULL && result.spool_count > 1) {
            tell("%zu more processes were recorded and dropped; -o 'NAME-%%p.pbtrace' keeps each",
                 result.spool_count - 1);
        }
        tell_unrecorded(folder, &result);
        status = judge(command[0], &result.end);
    }
    record_result_fini(&result);
    return status;
}

static bool has_suffix(const char *path, const char *suffix) {
    const size_t length = strlen(path);
    const size_t size = strlen(suffix);
    return length >= size && strcmp(path + length - size, suffix) == 0;
}

/* `poolbuf run` goes by the suffix: what is called something else could not be played, and would be noticed too late. */
static int check_suffix(const command_line *line, const char *path, bool is_shape) {
    static const char *const others[] = {".yaml", ".yml", ".pbtrace", ".pbshape"};
    const char *right = is_shape ? ".pbshape" : ".pbtrace";
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i], right) != 0 && has_suffix(path, others[i])) {
            return usage_error(line, "--output %s: record writes a %s there; give a name that ends in %s%s", path,
                               is_shape ? "shape" : "trace", right,
                               strcmp(others[i], ".pbshape") == 0 ? ", or --shape" : "");
        }
    }
    return ARGUMENTS_PROCEED;
}

static const char *const EVENTS[] = {"auto", "malloc", "buffers", NULL};

int cli_record(int argc, char **argv) {
    const char *path = NULL;
    const char *events = EVENTS[0];
    bool is_shape = false;
    uint64_t max_events = 10000000;
    char **command = NULL;
    size_t command_count = 0;
    const argument arguments[] = {
        {.name = "output",
         .letter = 'o',
         .kind = ARGUMENT_TEXT,
         .value = &path,
         .meaning = "FILE",
         .help = "what to write (trace.pbtrace, or shape.pbshape); with %p in it, one for each process, %p being its "
                 "id; - is stdout, and the program's own goes to stderr"},
        {.name = "shape",
         .kind = ARGUMENT_FLAG,
         .value = &is_shape,
         .help =
             "write how many buffers there are of each size, lifetime and thread hop, and no more: a few KiB of text"},
        {.name = "events",
         .kind = ARGUMENT_CHOICE,
         .value = &events,
         .choices = EVENTS,
         .help = "whose: auto takes poolbuf's buffers in a process that has libpoolbuf.so, and malloc's in any other"},
        {.name = "max-events",
         .kind = ARGUMENT_COUNT,
         .value = &max_events,
         .meaning = "N",
         .low = 1,
         .high = TRACE_EVENTS_MAX,
         .help = "stop recording a process after this many events, and let it go on (10000000)"},
    };
    const command_line line = {
        .name = argv[0],
        .synopsis = "[-o FILE] [--shape] [--events WHOSE] [--max-events N] [--] PROGRAM [ARGUMENT...]",
        .examples = "  poolbuf record -o redis.pbtrace -- redis-server --save ''   record, then stop it with Ctrl-C\n"
                    "  poolbuf record -o 'make-%p.pbtrace' -- make -j2             each process on its own\n"
                    "  poolbuf run redis.pbtrace                                   play it on every allocator\n",
        .about =
            "Runs a program with a recorder of malloc, calloc, realloc, free, the aligned variants and C++'s\n"
            "operators in front of its allocator, and writes a trace: threads, sizes and order; no addresses, no\n"
            "contents, no symbols. Of a program that is linked to libpoolbuf.so it records buffers instead: allocate,\n"
            "retain, release, slice, grow. Without %p, the process with the most events is kept. However the program\n"
            "ends, what it did until then is kept; a full disk ends the recording, and not the program.\n"
            "Exit status: 0 recorded; 1 the program failed, or the trace could not be written; 2 usage, or the\n"
            "program could not be started; 6 nothing could be recorded.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_least = 1,
        .operands_most = SIZE_MAX,
        .operand_name = "program",
        .program_follows = true,
    };
    const int parsed = arguments_parse(&line, argc, argv, &command, &command_count);
    if (parsed != ARGUMENTS_PROCEED) {
        return parsed;
    }
    writer *const write = is_shape ? write_shape : write_spool;
    char reason[512];
    bool missing = false;
    if (path == NULL) {
        path = is_shape ? "shape.pbshape" : "trace.pbtrace";
    }
    if (check_suffix(&line, path, is_shape) != ARGUMENTS_PROCEED) {
        return EXIT_USAGE;
    }
    if (!record_check(command[0], &missing, reason, sizeof reason)) {
        tell("%s", reason);
        return missing ? EXIT_USAGE : EXIT_UNCHECKED;
    }
    output out;
    if (!output_open(&out, path)) {
        return EXIT_USAGE;
    }
    if (strstr(path, "%p") != NULL) { /* the folder takes files, which is what was asked */
        output_discard(&out);
        return record(command, path, NULL, events, write, max_events);
    }
    return record(command, path, &out, events, write, max_events);
}
