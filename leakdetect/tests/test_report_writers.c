/* Golden tests of report_text.c and report_json.c, and of report_file.c.
 * With POOLBUF_UPDATE_GOLDEN set in the environment, the golden files are written anew: look at the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_symbols.h"
#include "growth.h"
#include "message.h"
#include "misuses.h"
#include "report.h"
#include "stack_table.h"
#include "suppress.h"
#include "tracked.h"

static char resources[100];

static int start_empty(void **state) {
    (void)state;
    tracker_reset();
    return 0;
}

static uint32_t stack_of(uintptr_t innermost) {
    const uintptr_t frames[] = {innermost, AT_SERVE, AT_MAIN, AT_LIBC};
    return stack_table_put(frames, 4);
}

static void track(size_t i, uintptr_t innermost, const char *type, uint64_t size, float weight, uint32_t thread) {
    const tracker_record record = {.size = size,
                                   .stack = stack_of(innermost),
                                   .type = name_put(type),
                                   .weight = weight,
                                   .birth_ns = 1000000000 * (uint64_t)(i + 1),
                                   .who.id = thread,
                                   .watch = tracker_watch(),
                                   .who.name = name_put("worker")};
    assert_true(tracker_insert(&resources[i], NULL, &record));
}

static report made(const char *level) {
    report self = {.reason = "process exit",
                   .level = level,
                   .program = "/opt/server/bin/server",
                   .command = "server --listen 'all of them'",
                   .pid = 4242,
                   .uptime_ms = 61000,
                   .sampling_interval = 128,
                   .largest_weight_buffers = 1,
                   .largest_weight_resources = 1,
                   .now_ns = 62000000000};
    return self;
}

static void finish(report *self) {
    report_collect(self, &(report_scope){0});
    report_resolve(self, fake_lookup, NULL);
}

static char *read_golden(const char *path) {
    static char text[65536];
    FILE *in = fopen(path, "r");
    size_t length = in == NULL ? 0 : fread(text, 1, sizeof text - 1, in);
    text[length] = '\0';
    if (in != NULL) {
        fclose(in);
    }
    return text;
}

static void assert_golden(const report *self, const char *name, void (*write)(const report *, FILE *)) {
    char path[512];
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    write(self, out);
    fclose(out);
    snprintf(path, sizeof path, "%s/%s", POOLBUF_GOLDEN, name);
    if (getenv("POOLBUF_UPDATE_GOLDEN") != NULL) {
        out = fopen(path, "w");
        assert_non_null(out);
        fwrite(text, 1, length, out);
        fclose(out);
    }
    assert_string_equal(text, read_golden(path));
    free(text);
}

static void assert_both_golden(report *self, const char *name) {
    char file[64];
    snprintf(file, sizeof file, "%s.txt", name);
    assert_golden(self, file, report_write_text);
    snprintf(file, sizeof file, "%s.json", name);
    assert_golden(self, file, report_write_json);
    report_fini(self);
}

static void paranoid_with_accesses(void **state) {
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        track(i, AT_READ, "poolbuf", 1000, 1, i < 5 ? 7 : 8);
        tracker_access access = {.time_ns = i,
                                 .stack = stack_of(AT_SERVE),
                                 .kind = ACCESS_TOUCH,
                                 .hint = name_put("queue \"in\"\t\\"),
                                 .thread_name = name_put("io")};
        tracker_record_access(AT(&resources[i]), &access, 4, 0);
        access = (tracker_access){.time_ns = 100 + i, .stack = stack_of(AT_NOWHERE), .kind = ACCESS_RETAIN};
        tracker_record_access(AT(&resources[i]), &access, 1, UINT64_MAX);
    }
    for (size_t i = 10; i < 13; i++) {
        track(i, AT_STRIPPED, "poolbuf", 100, 1, 7);
    }
    track(20, AT_READ_LATER, "session", 0, 1, 7);
    report self = made("paranoid");
    self.sampling_interval = 1;
    self.exact = (report_exact){true, 10, 7300, 1234567};
    finish(&self);
    assert_both_golden(&self, "paranoid");
}

static void hold(size_t i, hold_kind kind, uintptr_t innermost, uint64_t references) {
    const tracker_access use = {.stack = stack_of(innermost),
                                .kind = ACCESS_TOUCH, /* its kind is not what counts here */
                                .time_ns = i,
                                .thread_id = 9,
                                .thread_name = name_put("io\x07")};
    assert_true(tracker_record_references(AT(&resources[i]), &use, kind, references, 0, UINT64_MAX));
}

/* Three groups: one decided, with a thread whose name must be escaped; one that differs from what is usual; one where
 * the counts do not tell, and not all of it was recorded. */
static void paranoid_with_holders(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        track(i, AT_READ, "poolbuf", 1000 + 500 * i, 1, 7);
        hold(i, HOLD_RETAIN, AT_READ_LATER, 10);
        hold(i, HOLD_RELEASE, AT_STRIPPED, 9);
        hold(i, HOLD_RELEASE, AT_READ, 1);
    }
    for (size_t i = 10; i < 20; i++) {
        track(i, AT_STRIPPED, "poolbuf", 100, 1, 7);
        hold(i, HOLD_SLICE, AT_READ, 1);
        if (i < 19) {
            hold(i, HOLD_SLICE_RELEASE, AT_READ_LATER, 1);
            assert_true(tracker_close(&resources[i], (tracker_closer){.stack = stack_of(AT_SERVE)}));
        } else {
            hold(i, HOLD_RELEASE, AT_SERVE, 1);
        }
    }
    track(30, AT_NOWHERE, "poolbuf", 10, 1, 7);
    hold(30, HOLD_RETAIN, AT_READ, 1);
    hold(30, HOLD_RETAIN, AT_STRIPPED, 1);
    hold(30, HOLD_RELEASE, AT_SERVE, 1);
    const tracker_record unwatched = {
        .size = 10, .stack = stack_of(AT_NOWHERE), .type = name_put("poolbuf"), .weight = 1};
    assert_true(tracker_insert(&resources[31], NULL, &unwatched));
    report self = made("paranoid");
    self.sampling_interval = 1;
    self.missed_references = 2;
    finish(&self);
    assert_both_golden(&self, "holders");
}

static void growth_since_a_checkpoint(void **state) {
    (void)state;
    track(0, AT_READ, "poolbuf", 100, 1, 7);
    track(1, AT_STRIPPED, "poolbuf", 100, 1, 7);
    uint32_t id = growth_take(1000000000);
    track(2, AT_READ, "poolbuf", 300, 128, 7);
    track(3, AT_READ_LATER, "session", 0, 1, 7);
    report self = made("simple");
    self.reason = "on request";
    self.largest_weight_buffers = 128;
    self.since = 3; /* the id of another run: this one's depends on the tests before */
    self.since_ms = 61000;
    self.since_not_kept = 5;
    report_collect(&self, &(report_scope){.since = growth_find(id)});
    report_resolve(&self, fake_lookup, NULL);
    assert_both_golden(&self, "growth");
    growth_reset();
}

static void what_is_older_than_a_minute(void **state) {
    (void)state;
    track(0, AT_READ, "poolbuf", 100, 1, 7);
    report self = made("paranoid");
    self.reason = "on request";
    self.sampling_interval = 1;
    self.older_than_ms = 60000;
    self.exact = (report_exact){true, 10, 7300, 1234567}; /* of everything */
    track(50, AT_READ, "poolbuf", 100, 1, 7);
    report_collect(&self, &(report_scope){.before_ns = self.now_ns - 60000000000u});
    report_resolve(&self, fake_lookup, NULL);
    assert_both_golden(&self, "older");
}

static void simple_with_estimates(void **state) {
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        track(i, AT_READ, "poolbuf", 256, 128, 7);
    }
    report self = made("simple");
    self.largest_weight_buffers = 128;
    self.exact = (report_exact){true, 700, 179200, 1000000};
    finish(&self);
    assert_both_golden(&self, "simple");
}

static void exact_counters_see_what_no_sample_saw(void **state) {
    (void)state;
    report self = made("simple");
    self.largest_weight_buffers = 128;
    self.exact = (report_exact){true, 1, 256, 1000000};
    finish(&self);
    assert_both_golden(&self, "unseen");
}

static void leaks_of_something_else_hide_no_buffer_that_no_sample_saw(void **state) {
    (void)state;
    track(0, AT_READ, "session", 1, 1, 7);
    report self = made("simple");
    self.largest_weight_buffers = 128;
    self.exact = (report_exact){true, 50, 12800, 1000000};
    finish(&self);
    assert_both_golden(&self, "unseen_beside");
}

static void nothing_is_certain_of_a_time_without_a_sample(void **state) {
    (void)state;
    track(0, AT_READ, "poolbuf", 256, 128, 7);
    report self = made("simple");
    self.largest_weight_buffers = 128;
    self.was_disabled = true;
    self.exact = (report_exact){true, 5000, 1280000, 1000000};
    finish(&self);
    assert_both_golden(&self, "disabled_simple");
}

static void what_was_allocated_while_the_level_was_disabled_is_counted(void **state) {
    (void)state;
    track(0, AT_READ, "poolbuf", 256, 1, 7);
    track(1, AT_READ_LATER, "session", 1, 1, 7);
    report self = made("paranoid");
    self.sampling_interval = 1;
    self.was_disabled = true;
    self.exact = (report_exact){true, 2, 512, 1000000};
    finish(&self);
    assert_both_golden(&self, "disabled_paranoid");
}

static void a_sample_by_bytes_says_so(void **state) {
    (void)state;
    char *text = NULL;
    size_t length = 0;
    report self = made("simple");
    self.largest_weight_buffers = 8192;
    self.sampling_bytes = 524288;
    finish(&self);
    FILE *out = open_memstream(&text, &length);
    report_write_text(&self, out);
    report_write_json(&self, out);
    fclose(out);
    assert_non_null(strstr(text, "level simple, 1 in 524,288 bytes\n"));
    assert_non_null(strstr(text, "\"sampling_interval\": null,\n  \"sampling_bytes\": 524288,"));
    free(text);
    report_fini(&self);
}

static void nothing_leaked(void **state) {
    (void)state;
    report self = made("simple");
    finish(&self);
    assert_both_golden(&self, "clean");
}

static void no_complaint(void *context, const char *line) {
    (void)context;
    fail_msg("%s", line);
}

static void suppressed_limited_expired_and_unused(void **state) {
    (void)state;
    char rules[] = "leak:^read_request$  # limit=100 reason=cache of the \033[1mfirst\033[0m request\n"
                   "#: bytes=1k\n"
                   "{\n  plugin that keeps its state\n  Memcheck:Leak\n  obj:*/plug*in.so\n  fun:loop\n}\n"
                   "leak:nowhere\n"
                   "race:nowhere\n"
                   "leak:nobody  # until=2020-02-29\n"
                   "leak:src/serve.c  # until=2020-02-29\n";
    suppress_file file = {.path = "known.supp", .text = rules};
    suppress_parse(&file, strlen(rules), no_complaint, NULL);
    for (size_t i = 0; i < 7; i++) {
        track(i, AT_READ, "poolbuf", 1000, 1, 7);
    }
    for (size_t i = 10; i < 13; i++) {
        track(i, AT_STRIPPED, "poolbuf", 400, 1, 7);
    }
    track(20, AT_SERVE, "poolbuf", 64, 1, 7);
    report self = made("paranoid");
    self.sampling_interval = 1;
    self.exact = (report_exact){true, 11, 8264, 1234567};
    finish(&self);
    suppress_apply(&file, &self, 20000); /* in October 2024 */
    assert_int_equal(report_leaked(&self), 4);
    assert_both_golden(&self, "suppressed");
    file.text = NULL; /* ours */
    suppress_fini(&file);
}

/* A thread's name and a hint come from the program, which may have them from a peer. */
static void names_cannot_write_control_bytes_to_a_terminal(void **state) {
    (void)state;
    const tracker_record record = {.size = 1,
                                   .stack = stack_of(AT_READ),
                                   .type = name_put("session\n#2"),
                                   .weight = 1,
                                   .who.name = name_put("\033[2Jio\n#9")};
    const tracker_access access = {
        .stack = stack_of(AT_SERVE), .kind = ACCESS_TOUCH, .hint = name_put("a\rb\177\302\2332J\342\200\256")};
    char *text = NULL;
    size_t length = 0;
    assert_true(tracker_insert(&resources[0], NULL, &record));
    tracker_record_access(AT(&resources[0]), &access, 4, 0);
    report self = made("paranoid");
    finish(&self);
    FILE *out = open_memstream(&text, &length);
    report_write_text(&self, out);
    fclose(out);
    assert_non_null(strstr(text, "#1  1 session\\x0a#2, 1 bytes"));
    assert_non_null(strstr(text, "thread \\x1b[2Jio\\x0a#9"));
    assert_non_null(strstr(text, "\"a\\x0db\\x7f\\xc2\\x9b2J\\xe2\\x80\\xae\""));
    for (size_t i = 0; i < length; i++) {
        assert_true(text[i] == '\n' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
    }
    free(text);
    report_fini(&self);
}

/* As a call that the optimiser has made of two. */
static void no_line_is_not_line_zero(void **state) {
    (void)state;
    symbol_frame frame = {.function = "pick", .file = "src/pick.c", .line = 12};
    const report_frames frames = {.items = (const symbol_frame *[]){&frame}, .count = 1};
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    report_write_place(&frame, out);
    report_write_frames(&frames, "|", out);
    frame.line = 0;
    report_write_place(&frame, out);
    report_write_frames(&frames, "|", out);
    fclose(out);
    assert_string_equal(text, "pick (pick.c:12)|pick  src/pick.c:12\npick (pick.c)|pick  src/pick.c\n");
    free(text);
}

static void a_file_appears_whole_with_the_process_id_in_its_name(void **state) {
    (void)state;
    char path[REPORT_PATH_BYTES];
    char directory[] = "/tmp/poolbuf-test-XXXXXX";
    char pattern[128];
    assert_non_null(mkdtemp(directory));
    report self = made("simple");
    finish(&self);
    snprintf(pattern, sizeof pattern, "%s/100%%%%-%%p-%%x.txt", directory);
    assert_true(report_write_file(&self, pattern, path));
    assert_non_null(strstr(path, "/100%-4242-%x.txt"));
    assert_memory_equal(read_golden(path), "poolbuf: no leaks", 17);
    unlink(path);
    snprintf(pattern, sizeof pattern, "%s/leaks", directory);
    assert_true(report_write_file(&self, pattern, path));
    assert_int_equal(read_golden(path)[0], '{');
    unlink(path);
    assert_int_equal(rmdir(directory), 0); /* no partial file is left */
    report_fini(&self);
}

/* Each has the id 1 in a container of its own, and so may a child that its parent has made there. */
static void processes_of_one_id_have_paths_of_their_own(void **state) {
    (void)state;
    char first[REPORT_PATH_BYTES];
    char path[REPORT_PATH_BYTES];
    report self = made("simple");
    finish(&self);
    assert_true(report_write_file(&self, "/tmp/poolbuf-test-%p.%t.json", first));
    assert_true(report_write_file(&self, "/tmp/poolbuf-test-%p.%t.json", path));
    assert_string_equal(path, first);
    const uint64_t stamp = tracker_stamp();
    tracker_next_generation(); /* as in a child of fork() */
    assert_true(report_write_file(&self, "/tmp/poolbuf-test-%p.%t.json", path));
    atomic_store(&tracker_stamp_now, stamp);
    assert_string_not_equal(path, first);
    assert_int_equal(unlink(first), 0);
    assert_int_equal(unlink(path), 0);
    report_fini(&self);
}

/* As long as a file system has it: the name that stands in for it meanwhile is no longer. */
static void a_long_name_is_as_good(void **state) {
    (void)state;
    char path[REPORT_PATH_BYTES];
    char directory[] = "/tmp/poolbuf-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    report self = made("simple");
    finish(&self);
    for (int length = 230; length <= 255; length++) {
        char pattern[320];
        char name[256];
        memset(name, 'a', sizeof name);
        snprintf(pattern, sizeof pattern, "%s/%.*s.txt", directory, length - 4, name);
        assert_true(report_write_file(&self, pattern, path));
        assert_memory_equal(read_golden(path), "poolbuf: no leaks", 17);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
    report_fini(&self);
}

static void files_are_numbered_where_the_path_asks_for_it(void **state) {
    (void)state;
    char path[REPORT_PATH_BYTES];
    char wanted[128];
    char directory[] = "/tmp/poolbuf-test-XXXXXX";
    char pattern[128];
    assert_non_null(mkdtemp(directory));
    report self = made("simple");
    finish(&self);
    snprintf(pattern, sizeof pattern, "%s/%%n-of-%%n-%%%%n.txt", directory);
    for (int i = 1; i <= 3; i++) {
        snprintf(wanted, sizeof wanted, "%s/%d-of-%d-%%n.txt", directory, i, i);
        assert_true(report_write_file(&self, pattern, path));
        assert_string_equal(path, wanted);
        unlink(path);
    }
    self.pid++; /* as in a child of fork() */
    snprintf(wanted, sizeof wanted, "%s/1-of-1-%%n.txt", directory);
    assert_true(report_write_file(&self, pattern, path));
    assert_string_equal(path, wanted);
    unlink(path);
    assert_int_equal(rmdir(directory), 0);
    report_fini(&self);
}

static void a_live_report_accuses_nobody(void **state) {
    (void)state;
    static const char *const REASONS[] = {"on request", "interval", "signal 12", "signal 12, 3 times"};
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++) {
        char *text = NULL;
        size_t length = 0;
        report self = made("paranoid");
        self.reason = REASONS[i];
        self.sampling_interval = 1;
        self.exact = (report_exact){true, 3, 300, 1000}; /* released between the count and the list */
        finish(&self);
        FILE *out = open_memstream(&text, &length);
        report_write_text(&self, out);
        fclose(out);
        assert_non_null(strstr(text, "3 tracked and alive; "));
        assert_non_null(strstr(text, REASONS[i]));
        assert_null(strstr(text, "LEAK:"));
        assert_null(strstr(text, "before the level was raised"));
        free(text);
        report_fini(&self);
    }
}

/* At paranoid, all of what the table had room for having been released. */
static void what_a_full_table_has_turned_away_is_explained(void **state) {
    (void)state;
    for (uint64_t refused = 0; refused <= 3; refused += 3) {
        char *text = NULL;
        size_t length = 0;
        report self = {.reason = "process exit",
                       .level = "paranoid",
                       .program = "/opt/server/bin/server",
                       .command = "server -v",
                       .sampling_interval = 1,
                       .largest_weight_buffers = 1,
                       .largest_weight_resources = 1,
                       .exact = {true, 3, 300, 1000}};
        self.tracked.refused = refused;
        FILE *out = open_memstream(&text, &length);
        report_write_text(&self, out);
        fclose(out);
        assert_true((strstr(text, "before the level was raised") == NULL) == (refused > 0));
        assert_non_null(strstr(text, refused > 0 ? "POOLBUF_LEAK_LEVEL=simple server -v"
                                                 : "POOLBUF_LEAK_LEVEL=paranoid server -v"));
        free(text);
        report_fini(&self);
    }
}

static misuse offence(const char *text, uintptr_t at) {
    misuse found = {.type = name_put("poolbuf"),
                    .thread_name = name_put("io\x07"),
                    .thread_id = 9,
                    .stack = stack_of(at),
                    .was_closed = true,
                    .closer_name = name_put("worker"),
                    .closer_id = 7,
                    .close_stack = stack_of(AT_STRIPPED),
                    .allocation_stack = stack_of(AT_READ)};
    snprintf(found.offence, sizeof found.offence, "%s", text);
    return found;
}

static void misuses_with_three_stacks(void **state) {
    (void)state;
    misuse found = offence("release of a buffer whose last reference is gone", AT_READ_LATER);
    misuses_add(&found);
    misuses_add(&found);
    found.thread_id = 10; /* another thread at the same place */
    misuses_add(&found);
    found = offence("a pointer that is no buffer, or a handle that was overwritten", AT_SERVE);
    found.type = found.close_stack = found.allocation_stack = 0;
    found.was_closed = false;
    misuses_add(&found);
    report self = made("paranoid");
    self.sampling_interval = 1;
    misuses_resolve(&self, fake_lookup, NULL);
    finish(&self);
    assert_int_equal(misuses_count(), 4);
    misuses_forget();
    assert_int_equal(misuses_count(), 0);
    assert_both_golden(&self, "misuses");
}

static void misuses_beyond_a_bound_are_counted(void **state) {
    (void)state;
    for (size_t i = 0; i < MISUSES_MAX + 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "offence %zu", i);
        const misuse found = offence(text, AT_READ);
        misuses_add(&found);
    }
    report self = made("paranoid");
    misuses_resolve(&self, fake_lookup, NULL);
    assert_int_equal(self.misuses.count, MISUSES_MAX);
    assert_int_equal(self.misuses_not_listed, 3);
    misuses_forget();
    report_fini(&self);
}

static void an_unwritable_path_is_one_line_and_no_file(void **state) {
    (void)state;
    char path[REPORT_PATH_BYTES];
    report self = made("simple");
    finish(&self);
    assert_false(report_write_file(&self, "/nonexistent/leaks.json", path));
    assert_false(report_write_file(&self, "", path));
    assert_int_equal(access("/nonexistent", F_OK), -1);
    report_fini(&self);
}

/* In a child, whose end tells. */
static int status_of(void (*act)(const report *self), const report *self) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        act(self);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void write_where_nobody_reads(const report *self) {
    int ends[2];
    (void)self;
    if (pipe(ends) != 0 || close(ends[0]) != 0 || dup2(ends[1], STDERR_FILENO) != STDERR_FILENO) {
        _exit(1);
    }
    message_print("nobody will read this");
    sigset_t pending;
    (void)sigpending(&pending);
    _exit(sigismember(&pending, SIGPIPE) == 0 ? 0 : 2);
}

static void *read_once_full(void *end) {
    static char bytes[65536];
    const int pipe_end = *(const int *)end;
    const int capacity = fcntl(pipe_end, F_GETPIPE_SZ);
    int filled = 0;
    for (int i = 0; i < 5000 && ioctl(pipe_end, FIONREAD, &filled) == 0 && filled < capacity; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    size_t all = 0;
    for (ssize_t got; (got = read(pipe_end, bytes, sizeof bytes)) > 0;) {
        all += (size_t)got;
    }
    return (void *)all; // NOLINT(performance-no-int-to-ptr)
}

/* A pipe that somebody has made nonblocking. */
static void write_faster_than_somebody_reads(const report *self) {
    static const char TEXT[1 << 20];
    int ends[2];
    pthread_t reader;
    void *all = NULL;
    (void)self;
    if (pipe(ends) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0 || dup2(ends[1], STDERR_FILENO) != STDERR_FILENO ||
        close(ends[1]) != 0 || pthread_create(&reader, NULL, read_once_full, &ends[0]) != 0) {
        _exit(1);
    }
    message_write(TEXT, sizeof TEXT);
    _exit(close(STDERR_FILENO) == 0 && pthread_join(reader, &all) == 0 && (size_t)all == sizeof TEXT ? 0 : 2);
}

static void a_full_pipe_is_waited_for(void **state) {
    (void)state;
    assert_int_equal(status_of(write_faster_than_somebody_reads, NULL), 0);
}

static volatile sig_atomic_t ticks;

static void tick(int number) {
    (void)number;
    if (++ticks == 1500) { /* fifteen seconds, where five are enough */
        _exit(3);
    }
}

/* As a profiler does, and with a pipe that has no room left and keeps its reader. */
static void write_amid_signals_what_nobody_reads(const report *self) {
    static const char TEXT[1 << 20];
    const struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    const struct itimerval often = {.it_interval = {.tv_usec = 10000}, .it_value = {.tv_usec = 10000}};
    int ends[2];
    (void)self;
    if (pipe(ends) != 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0 || dup2(ends[1], STDERR_FILENO) != STDERR_FILENO ||
        sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0) {
        _exit(1);
    }
    message_write(TEXT, sizeof TEXT);
    _exit(ticks > 0 ? 0 : 2);
}

static void signals_do_not_prolong_the_wait(void **state) {
    (void)state;
    assert_int_equal(status_of(write_amid_signals_what_nobody_reads, NULL), 0);
}

static void write_beyond_the_largest_file(const report *self) {
    char path[REPORT_PATH_BYTES];
    const struct rlimit limit = {.rlim_cur = 16, .rlim_max = 16};
    _exit(setrlimit(RLIMIT_FSIZE, &limit) == 0 && !report_write_file(self, "/tmp/poolbuf-large-%p.json", path) &&
                  access(path, F_OK) != 0
              ? 0
              : 1);
}

static void what_cannot_be_written_ends_no_process(void **state) {
    (void)state;
    report self = made("simple");
    finish(&self);
    assert_int_equal(status_of(write_where_nobody_reads, &self), 0);
    assert_int_equal(status_of(write_beyond_the_largest_file, &self), 0);
    report_fini(&self);
}

static void a_signal_from_elsewhere_is_left_pending(void **state) {
    (void)state;
    sigset_t pipe_signal;
    sigset_t before;
    sigset_t pending;
    message_shield_state shield;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipe_signal, &before), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    message_shield(&shield);
    message_unshield(&shield);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 1);
    assert_int_equal(sigtimedwait(&pipe_signal, NULL, &(struct timespec){0}), SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(paranoid_with_accesses, start_empty),
        cmocka_unit_test_setup(paranoid_with_holders, start_empty),
        cmocka_unit_test_setup(growth_since_a_checkpoint, start_empty),
        cmocka_unit_test_setup(what_is_older_than_a_minute, start_empty),
        cmocka_unit_test_setup(simple_with_estimates, start_empty),
        cmocka_unit_test_setup(exact_counters_see_what_no_sample_saw, start_empty),
        cmocka_unit_test_setup(nothing_leaked, start_empty),
        cmocka_unit_test_setup(suppressed_limited_expired_and_unused, start_empty),
        cmocka_unit_test_setup(leaks_of_something_else_hide_no_buffer_that_no_sample_saw, start_empty),
        cmocka_unit_test_setup(nothing_is_certain_of_a_time_without_a_sample, start_empty),
        cmocka_unit_test_setup(what_was_allocated_while_the_level_was_disabled_is_counted, start_empty),
        cmocka_unit_test_setup(a_sample_by_bytes_says_so, start_empty),
        cmocka_unit_test_setup(names_cannot_write_control_bytes_to_a_terminal, start_empty),
        cmocka_unit_test(no_line_is_not_line_zero),
        cmocka_unit_test_setup(a_file_appears_whole_with_the_process_id_in_its_name, start_empty),
        cmocka_unit_test_setup(processes_of_one_id_have_paths_of_their_own, start_empty),
        cmocka_unit_test_setup(a_long_name_is_as_good, start_empty),
        cmocka_unit_test_setup(files_are_numbered_where_the_path_asks_for_it, start_empty),
        cmocka_unit_test_setup(what_a_full_table_has_turned_away_is_explained, start_empty),
        cmocka_unit_test_setup(a_live_report_accuses_nobody, start_empty),
        cmocka_unit_test_setup(misuses_with_three_stacks, start_empty),
        cmocka_unit_test_setup(misuses_beyond_a_bound_are_counted, start_empty),
        cmocka_unit_test_setup(an_unwritable_path_is_one_line_and_no_file, start_empty),
        cmocka_unit_test_setup(what_cannot_be_written_ends_no_process, start_empty),
        cmocka_unit_test_setup(a_full_pipe_is_waited_for, start_empty),
        cmocka_unit_test_setup(signals_do_not_prolong_the_wait, start_empty),
        cmocka_unit_test_setup(a_signal_from_elsewhere_is_left_pending, start_empty),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tracker_reset();
    return failed;
}
