/* Reports: when an owner goes away, when the process ends, when somebody asks, and when a resource is misused.
 *
 * One report runs at a time, under the report lock, with the thread's guard up: what a report itself allocates is not
 * tracked. Text goes to stderr in one write, only when there is something to say. A report file is written at exit even
 * when nothing leaked, so that its reader can tell "checked, clean" from "nothing was checked". */
#include "detector.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/options.h>

#include "growth.h"
#include "large_stack.h"
#include "listener.h"
#include "message.h"
#include "misuses.h"
#include "process/cancel.h"
#include "quarantine.h"
#include "report.h"
#include "stack_table.h"
#include "suppress.h"
#include "symbolize_modules.h"
#include "tally.h"
#include "types.h"

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static detector_exact_counter *exact_counter; /* set at start-up */
static detector_orphan_counter *orphan_counter;
/* What was alive of owners when text reports of their end named it; under the report lock. */
static uint64_t announced, announced_bytes;
static uint64_t announced_leaks; /* the same, as those reports counted them: without what they suppressed */

void detector_set_exact(detector_exact_counter *counter, detector_orphan_counter *orphans) {
    exact_counter = counter;
    orphan_counter = orphans;
}

void finalize_lock(void) {
    pthread_mutex_lock(&report_lock);
}

void finalize_unlock(void) {
    pthread_mutex_unlock(&report_lock);
}

/* A child names what it has lost itself, and nobody has done so before. */
void finalize_after_fork(void) {
    announced = 0;
    announced_bytes = 0;
    announced_leaks = 0;
}

/* The same of one with control bytes, which could move the cursor of whoever reads it: as bash, zsh and ksh quote it. */
static void append_escaped(char *text, size_t size, const char *argument) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s$'", used == 0 ? "" : " ");
    for (; *argument != '\0'; argument++) {
        const unsigned char byte = (unsigned char)*argument;
        used = strlen(text);
        snprintf(text + used, size - used,
                 byte < 0x20 || byte == 0x7f    ? "\\%03o"
                 : byte == '\'' || byte == '\\' ? "\\%c"
                                                : "%c",
                 byte);
    }
    used = strlen(text);
    snprintf(text + used, size - used, "'");
}

/* Appends one argument, quoted so that a shell reads it back as it was. What does not fit is cut. */
static void append_quoted(char *text, size_t size, const char *argument) {
    size_t used = strlen(text);
    bool plain = argument[0] != '\0' && strspn(argument, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                         "0123456789_./=:,@%+-") == strlen(argument);
    if (plain) {
        snprintf(text + used, size - used, "%s%s", used == 0 ? "" : " ", argument);
        return;
    }
    for (const char *at = argument; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            append_escaped(text, size, argument);
            return;
        }
    }
    snprintf(text + used, size - used, "%s'", used == 0 ? "" : " ");
    for (; *argument != '\0'; argument++) {
        used = strlen(text);
        snprintf(text + used, size - used, *argument == '\'' ? "'\\''" : "%c", *argument);
    }
    used = strlen(text);
    snprintf(text + used, size - used, "'");
}

static void read_command(char *command, size_t size) {
    char raw[4096];
    FILE *in = fopen("/proc/self/cmdline", "re");
    size_t length = in == NULL ? 0 : fread(raw, 1, sizeof raw - 1, in);
    command[0] = '\0';
    if (in != NULL) {
        fclose(in);
    }
    raw[length] = '\0';
    for (size_t at = 0; at < length; at += strlen(raw + at) + 1) {
        append_quoted(command, size, raw + at);
    }
    if (length == 0) {
        snprintf(command, size, "PROGRAM");
    }
}

static const char *program_path(void) {
    static char path[4096]; /* under the report lock */
    return module_program_path(path, sizeof path) ? path : program_invocation_name;
}

static void fill_circumstances(report *self, const char *reason) {
    leakdetect_level level = detector_level();
    self->now_ns = detector_now_ns();
    self->uptime_ms = (self->now_ns - detector_start_ns()) / 1000000;
    self->reason = reason;
    self->level = leakdetect_name_level(level);
    self->program = program_path();
    self->pid = (long)getpid();
    self->largest_weight_buffers = sampler_largest_weight(&detector_buffers);
    self->largest_weight_resources = sampler_largest_weight(&detector_resources);
    if (types_largest_weight() > self->largest_weight_resources) {
        self->largest_weight_resources = types_largest_weight();
    }
    const bool all_tracked = level == LEAKDETECT_PARANOID && !report_is_sampled(self); /* it may have been lower */
    self->sampling_interval = all_tracked ? 1 : detector_get_settings()->interval;
    self->sampling_bytes = all_tracked ? 0 : detector_get_settings()->sampling_bytes;
    self->was_disabled = detector_was_disabled();
    self->missed_references = detector_missed_references();
    read_command(self->command, sizeof self->command);
}

/* Counts before the report lock is taken: the counter takes the allocator's locks, which are held around fork() while our
 * handler takes the report lock. Exact figures of a forked child would count what it inherited, which is the parent's to
 * release: unknown. */
static report_exact count_exactly(void) {
    report_exact exact = {0};
    if (exact_counter != NULL && tracker_generation() == 0) {
        exact.known = true;
        exact_counter(&exact.live_buffers, &exact.live_bytes, &exact.allocated);
    }
    return exact;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The text at exit leaves out what finalize_owner() has said already and what is alive still. Counted
 * like the above. */
typedef struct orphans {
    uint64_t buffers, bytes;
} orphans;

static orphans count_orphans(void) {
    orphans found = {0};
    if (orphan_counter != NULL) {
        orphan_counter(&found.buffers, &found.bytes);
    }
    return found;
}

static size_t look_up(void *context, uintptr_t address, const symbol_frame **frames) {
    return symbolize_address(context, address, frames);
}

/* Names, then suppressions; once a report, whoever asks first. */
static void resolve(report *self, symbolizer *symbols) {
    struct timespec now;
    if (self->misuses.count == 0) {
        misuses_resolve(self, look_up, symbols);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    report_resolve(self, look_up, symbols);
    if (suppress_current() != NULL) {
        suppress_apply(suppress_current(), self, now.tv_sec / 86400);
    }
}

static void write_report(report *self, symbolizer *symbols, FILE *out, leakdetect_format format) {
    resolve(self, symbols);
    if (format == LEAKDETECT_JSON) {
        report_write_json(self, out);
    } else {
        report_write_text(self, out);
    }
}

/* Writes to stderr in one piece, so that reports of several processes do not mix. */
static void write_report_to_stderr(report *self, symbolizer *symbols) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return;
    }
    write_report(self, symbols, out, LEAKDETECT_TEXT);
    if (fclose(out) == 0) {
        message_write(text, length);
    }
    free(text);
}

/* The same, if there is something to say. */
static void write_news_to_stderr(report *self, symbolizer *symbols) {
    resolve(self, symbols);
    if (report_leaked(self) > 0 || self->suppressed_groups > 0) {
        write_report_to_stderr(self, symbols);
    }
}

/* Tells the program's listener, if it has one; whether that has dealt with the text. */
static bool tell(report *self, symbolizer *symbols) {
    if (!listener_is_set()) {
        return false;
    }
    resolve(self, symbols);
    return listener_tell(self);
}

/* Writes to POOLBUF_LEAK_REPORT, or where the caller of leakdetect_write_report() said; if it is about leaks, one line on
 * stderr says where to read. */
static bool write_report_to_path(report *self, symbolizer *symbols, const char *pattern, bool quiet) {
    char path[REPORT_PATH_BYTES];
    resolve(self, symbols);
    if (!report_write_file(self, pattern, path)) {
        return false;
    }
    uint64_t leaked = report_leaked(self);
    if (leaked > 0 && !report_is_live(self) && !quiet && !detector_get_settings()->quiet) {
        message_print("LEAK: %llu never released; %s, process %ld: see %s", (unsigned long long)leaked, self->reason,
                      self->pid, path);
    }
    return true;
}

/* What every entry below begins and ends with. Returns the symbolizer; NULL: no memory, or the detector is at work on
 * this thread already, and then nothing is held. */
static symbolizer *report_begin(thread_state *self) {
    if (!thread_enter(self)) {
        return NULL;
    }
    self->cancellation = cancel_disable();
    /* Before the lock: the loader's own lock may be held by a thread whose constructor forks, and so waits for ours. */
    symbolize_load();
    finalize_lock();
    symbolizer *symbols = symbolize_open();
    if (symbols == NULL) {
        finalize_unlock();
        cancel_restore(self->cancellation);
        thread_leave(self);
    }
    return symbols;
}

static void report_end(thread_state *self, symbolizer *symbols) {
    symbolize_close(symbols);
    finalize_unlock();
    cancel_restore(self->cancellation);
    thread_leave(self);
}

/* Collects, and lets types describe what was found. Their functions are the program's: they may take its locks, fork, or
 * ask for a report, so ours is not held meanwhile. */
static void collect(report *self, const report_scope *scope) {
    (void)report_collect(self, scope); /* benign: without memory, everything is counted as not listed */
    if (types_want_to_describe(self)) {
        finalize_unlock();
        types_describe(self);
        finalize_lock();
    }
}

typedef struct ending_owner {
    const void *owner;
    uint64_t live, live_bytes;
} ending_owner;

static void report_owner(void *context) {
    const ending_owner *const ending = context;
    thread_state *self = thread_self();
    const char *path = detector_get_settings()->report_path;
    report all = {.exact = count_exactly()};
    all.exact.live_buffers = ending->live;
    all.exact.live_bytes = ending->live_bytes;
    symbolizer *symbols = report_begin(self);
    if (symbols == NULL) {
        return;
    }
    const bool names_them = path == NULL || listener_is_set();
    report_scope scope = {.owner = ending->owner, .mark = names_them, .generation = tracker_generation()};
    fill_circumstances(&all, "allocator destroyed");
    collect(&all, &scope);
    announced += names_them ? ending->live : 0;
    announced_bytes += names_them ? ending->live_bytes : 0;
    const bool taken = tell(&all, symbols);
    if (path != NULL) {
        write_report_to_path(&all, symbols, path, taken);
    } else if (!taken) {
        write_news_to_stderr(&all, symbols);
    }
    announced_leaks += names_them ? report_leaked(&all) : 0;
    report_fini(&all);
    report_end(self, symbols);
}

void finalize_owner(const void *owner, uint64_t live, uint64_t live_bytes) {
    if (live != 0 && detector_level() != LEAKDETECT_DISABLED) {
        large_stack_run(report_owner, &(ending_owner){owner, live, live_bytes});
    }
}

/* Leaves out what owners' reports have said. */
static void leave_out(report *all, orphans said) {
    if (all->exact.known) {
        said.buffers = smaller(said.buffers, announced);
        said.bytes = smaller(said.bytes, announced_bytes);
        all->exact.live_buffers -= smaller(said.buffers, all->exact.live_buffers);
        all->exact.live_bytes -= smaller(said.bytes, all->exact.live_bytes);
    }
}

/* Owners' reports have suppressed some of what they had, each by itself: where rules lift all of that at the end, having
 * passed their limits, the whole is written, or nobody would see what the exit code stands for. */
static void write_exit_text(report *all, report *whole, symbolizer *symbols, orphans said) {
    leave_out(all, said);
    resolve(all, symbols);
    const bool lifted = whole != NULL && report_leaked(whole) > announced_leaks + report_leaked(all);
    report *shown = lifted ? whole : all;
    if (!tell(shown, symbols)) {
        write_news_to_stderr(shown, symbols);
    }
}

/* A report file at exit names everything, whoever has named it before. A listener is told what it does not know. */
static bool tell_what_is_new(const report *all, symbolizer *symbols, orphans said) {
    if (!listener_is_set()) {
        return false;
    }
    report fresh = {.exact = all->exact};
    report_scope scope = {.unreported_only = true, .generation = tracker_generation()};
    fill_circumstances(&fresh, "process exit");
    collect(&fresh, &scope);
    leave_out(&fresh, said);
    const bool taken = tell(&fresh, symbols);
    report_fini(&fresh);
    return taken;
}

/* What the exit code answers for: all leaks but the suppressed ones, whoever has named them before. Rules match names, so
 * where there are rules a text's report, which leaves out what others have said, is made once more without that. */
static bool make_whole(report *whole, const report *all, symbolizer *symbols) {
    if (suppress_current() == NULL || detector_get_settings()->report_path != NULL) {
        return false;
    }
    report_scope scope = {.generation = tracker_generation()};
    *whole = (report){.exact = all->exact};
    fill_circumstances(whole, "process exit");
    collect(whole, &scope);
    resolve(whole, symbols);
    return true;
}

typedef struct last_words {
    uint64_t leaked; /* what the exit code answers for */
    bool lost;       /* a report that had something to say is not where it was to go */
} last_words;

static void report_process(void *context) {
    const detector_settings *settings = detector_get_settings();
    thread_state *self = thread_self();
    last_words *words = context;
    orphans said = count_orphans();
    report all = {.exact = count_exactly()};
    symbolizer *symbols = report_begin(self);
    if (symbols == NULL) {
        words->lost = true;
        return;
    }
    report_scope scope = {.unreported_only = settings->report_path == NULL, .generation = tracker_generation()};
    fill_circumstances(&all, "process exit");
    collect(&all, &scope);
    report whole = {0};
    bool has_whole = make_whole(&whole, &all, symbols);
    if (suppress_current() != NULL && !has_whole) {
        resolve(&all, symbols);
    }
    words->leaked = report_leaked(has_whole ? &whole : &all);
    if (settings->report_path == NULL) {
        write_exit_text(&all, has_whole ? &whole : NULL, symbols, said);
    } else {
        const bool taken = tell_what_is_new(&all, symbols, said);
        const bool written = write_report_to_path(&all, symbols, settings->report_path, taken);
        words->lost = !written && (all.exact.allocated > 0 || all.tracked.seen > 0);
    }
    report_fini(&whole);
    report_fini(&all);
    report_end(self, symbols);
}

void finalize_process(void) {
    last_words words = {0};
    if (detector_level() == LEAKDETECT_DISABLED) {
        return;
    }
    large_stack_run(report_process, &words);
    if (words.lost) {
        tally_count_lost();
    }
    if (words.leaked > 0 && detector_get_settings()->exit_code != 0) {
        /* We stand in exit() already. glibc takes a second call as "go on with the rest, with this status", which flushes
         * the streams as every exit does: without waiting for their locks. fflush(NULL) would wait, for ever if another
         * thread sits in a read of stdin. */
        exit(detector_get_settings()->exit_code);
    }
}

uint64_t finalize_checkpoint(void) {
    thread_state *self = thread_self();
    if (!thread_enter(self)) {
        return 0;
    }
    finalize_lock();
    uint64_t id = growth_take(detector_now_ns());
    finalize_unlock();
    thread_leave(self);
    return id;
}

/* Narrows a report to what was asked for; false where the checkpoint is not known. */
static bool narrow(report *self, report_scope *scope, const finalize_part *part) {
    self->older_than_ms = part->older_than_ms;
    if (part->older_than_ms != 0) {
        uint64_t age_ns = part->older_than_ms > self->now_ns / 1000000 ? self->now_ns : part->older_than_ms * 1000000;
        scope->before_ns = age_ns == self->now_ns ? 1 : self->now_ns - age_ns;
    }
    if (part->has_checkpoint) {
        scope->since = growth_find(part->checkpoint);
        if (scope->since == NULL) {
            return false;
        }
        self->since = part->checkpoint;
        self->since_ms = (self->now_ns - scope->since->time_ns) / 1000000;
        self->since_not_kept = scope->since->not_kept;
    }
    return true;
}

static void report_live(void *context) {
    const char *const reason = *(const char **)context;
    const char *path = detector_get_settings()->report_path;
    thread_state *self = thread_self();
    report all = {.exact = count_exactly()};
    symbolizer *symbols = report_begin(self);
    if (symbols == NULL) {
        return;
    }
    report_scope scope = {.generation = tracker_generation()};
    fill_circumstances(&all, reason);
    collect(&all, &scope);
    const bool taken = report_is_of_scan(&all) && tell(&all, symbols);
    if (path != NULL) {
        write_report_to_path(&all, symbols, path, taken);
    } else if (!taken) {
        write_report_to_stderr(&all, symbols);
    }
    report_fini(&all);
    report_end(self, symbols);
}

void finalize_live(const char *reason) {
    if (detector_level() != LEAKDETECT_DISABLED) {
        large_stack_run(report_live, &reason);
    }
}

/* What somebody asked for: written to `out` or, where that is NULL, to a path. */
typedef struct request {
    FILE *out;
    const char *path;
    leakdetect_format format;
    const finalize_part *part;
    poolbuf_status status; /* the answer */
} request;

static void report_on_request(void *context) {
    thread_state *self = thread_self();
    request *asked = context;
    report all = {.exact = count_exactly()};
    symbolizer *symbols = report_begin(self);
    if (symbols == NULL) {
        asked->status = POOLBUF_ERROR_NO_MEMORY;
        return;
    }
    report_scope scope = {.generation = tracker_generation()};
    fill_circumstances(&all, "on request");
    bool written = narrow(&all, &scope, asked->part);
    if (written) {
        collect(&all, &scope);
        if (asked->out != NULL) {
            write_report(&all, symbols, asked->out, asked->format);
        } else {
            written = write_report_to_path(&all, symbols, asked->path, false);
        }
    }
    report_fini(&all);
    report_end(self, symbols);
    asked->status = written ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

poolbuf_status finalize_write_part(FILE *out, leakdetect_format format, const finalize_part *part) {
    request asked = {.out = out, .format = format, .part = part};
    if (out == NULL || (format != LEAKDETECT_TEXT && format != LEAKDETECT_JSON)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    large_stack_run(report_on_request, &asked);
    return asked.status;
}

poolbuf_status finalize_write(FILE *out, leakdetect_format format) {
    return finalize_write_part(out, format, &(finalize_part){0});
}

poolbuf_status finalize_write_path(const char *path) {
    request asked = {.path = path, .part = &(finalize_part){0}};
    if (path == NULL) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    large_stack_run(report_on_request, &asked);
    return asked.status;
}

/* --- misuse ------------------------------------------------------------------------------------------------------- */

static void write_stack(FILE *out, const char *title, uint32_t stack, symbolizer *symbols) {
    report_frames frames;
    report_frames_resolve(&frames, stack, look_up, symbols);
    fprintf(out, "  %s\n", title);
    report_write_frames(&frames, "      ", out);
    report_frames_fini(&frames);
}

static void write_closed(FILE *out, const tracker_closed *closed, symbolizer *symbols) {
    char title[160];
    snprintf(title, sizeof title, "released before that, by thread %s (%u), at", name_get(closed->who.name),
             closed->who.id);
    if (closed->close_stack != 0) {
        write_stack(out, title, closed->close_stack, symbols);
    } else {
        fprintf(out, "  %s\n      (not kept; POOLBUF_LEAK_LEVEL=paranoid with POOLBUF_LEAK_TRACK_CLOSE=on keeps it)\n",
                title);
    }
    write_stack(out, "allocated at", closed->allocation_stack, symbols);
}

/* The table remembers the last closings alone, and of slices none. */
static bool find_closed(const tracker_place *place, tracker_closed *closed) {
    return quarantine_find((const void *)~place->key, closed) || tracker_find_closed(place, closed);
}

static void write_history(FILE *out, const tracker_place *place, symbolizer *symbols) {
    tracker_closed closed;
    tracker_record live;
    bool was_closed = find_closed(place, &closed);
    bool is_live = tracker_find(place, &live);
    if (was_closed) {
        write_closed(out, &closed, symbols);
    }
    if (is_live) {
        write_stack(out, was_closed ? "allocated again, and alive now, at" : "allocated at", live.stack, symbols);
    }
    if (!was_closed && !is_live) {
        fputs(detector_level() == LEAKDETECT_PARANOID
                  ? "  nothing more is known: a slice or another view has no record of its own, nor has what was "
                    "allocated "
                    "before the level was raised\n"
                  : "  not in the sample; POOLBUF_LEAK_LEVEL=paranoid shows where it was allocated and released\n",
              out);
    }
}

/* What to keep of it for later reports. */
static misuse describe_misuse(thread_state *self, const tracker_place *place, const char *offence,
                              const tracker_closed *closed) {
    tracker_closed past;
    tracker_record live;
    const thread_who who = thread_identify(self);
    misuse found = {
        .thread_name = who.name, .thread_id = who.id, .stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_USING)};
    snprintf(found.offence, sizeof found.offence, "%s", offence);
    if (closed == NULL && find_closed(place, &past)) {
        closed = &past;
    }
    if (closed != NULL) {
        found.type = closed->type;
        found.was_closed = true;
        found.closer_name = closed->who.name;
        found.closer_id = closed->who.id;
        found.close_stack = closed->close_stack;
        found.allocation_stack = closed->allocation_stack;
    } else if (tracker_find(place, &live)) {
        found.type = live.type;
        found.allocation_stack = live.stack;
    }
    return found;
}

/* A process that is about to abort writes no report at exit, so what it was caught at goes into one now. */
static void write_last_report(symbolizer *symbols) {
    unsigned action = 0; /* abort is the first word */
    const char *pattern = detector_get_settings()->report_path;
    (void)poolbuf_option_read_choice("POOLBUF_MISUSE", &action);
    if (action != 0 || pattern == NULL) {
        return;
    }
    char path[REPORT_PATH_BYTES];
    report last = {0};
    fill_circumstances(&last, "misuse");
    tracker_count(&last.tracked);
    misuses_resolve(&last, look_up, symbols);
    if (!report_write_file(&last, pattern, path)) {
        tally_count_lost();
    }
    report_fini(&last);
}

typedef struct caught {
    const misuse *found;
    const tracker_place *place;
    const tracker_closed *closed; /* NULL: what the tables know */
} caught;

static void write_misuse(const caught *self, symbolizer *symbols, FILE *out) {
    fprintf(out, "poolbuf: MISUSE: %s; buffer %p, process %ld, thread %s (%u)\n", self->found->offence,
            (const void *)~self->place->key, (long)getpid(), name_get(self->found->thread_name),
            self->found->thread_id);
    write_stack(out, self->closed != NULL ? "found at" : "now at", self->found->stack, symbols);
    if (self->closed != NULL) {
        write_closed(out, self->closed, symbols);
    } else {
        write_history(out, self->place, symbols);
    }
}

static void report_caught(void *context) {
    thread_state *self = thread_self();
    const caught *const what = context;
    symbolizer *symbols = report_begin(self);
    if (symbols == NULL) {
        return;
    }
    misuses_add(what->found);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out != NULL) {
        write_misuse(what, symbols, out);
        if (fclose(out) == 0) {
            message_write(text, length);
        }
        free(text);
    }
    write_last_report(symbols);
    report_end(self, symbols);
}

void finalize_misuse(const tracker_place *place, const char *offence, const tracker_closed *closed) {
    thread_state *self = thread_self();
    if (detector_level() == LEAKDETECT_DISABLED || !thread_enter(self)) {
        return;
    }
    const misuse found = describe_misuse(self, place, offence, closed);
    thread_leave(self);
    large_stack_run(report_caught, &(caught){&found, place, closed});
}
