/* Unit tests of what a run is made of: the order of subjects, the stream image, processes, provenance, a worker's line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnu/libc-version.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure/line_time.h"
#include "measure/memory_usage.h"
#include "measure/process.h"
#include "measure/provenance.h"
#include "measure/schedule.h"
#include "measure/stream_image.h"
#include "measure/worker.h"
#include "stream_text.h"

/* ---- The order of subjects ---- */

enum {
    SUBJECTS_MAX = 9
};

static void every_subject_comes_at_every_place_equally_often(void **state) {
    (void)state;
    for (uint32_t count = 1; count <= SUBJECTS_MAX; count++) {
        unsigned seen[SUBJECTS_MAX][SUBJECTS_MAX] = {{0}};
        uint32_t order[SUBJECTS_MAX];
        for (uint64_t round = 0; round < count; round++) {
            schedule_order(count, round, order);
            for (uint32_t place = 0; place < count; place++) {
                assert_true(order[place] < count);
                seen[place][order[place]]++;
            }
        }
        for (uint32_t place = 0; place < count; place++) {
            for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(seen[place][i], 1);
            }
        }
    }
}

static void every_subject_follows_every_other_equally_often(void **state) {
    (void)state;
    for (uint32_t count = 2; count <= SUBJECTS_MAX; count++) {
        const uint64_t rounds = count % 2 == 0 ? count : 2 * count;
        unsigned seen[SUBJECTS_MAX][SUBJECTS_MAX] = {{0}};
        uint32_t order[SUBJECTS_MAX];
        for (uint64_t round = 0; round < rounds; round++) {
            schedule_order(count, round, order);
            for (uint32_t place = 1; place < count; place++) {
                seen[order[place - 1]][order[place]]++;
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t j = 0; j < count; j++) {
                assert_int_equal(seen[i][j], i == j ? 0 : rounds / count);
            }
        }
    }
}

/* ---- The stream image ---- */

static void a_stream_comes_out_of_its_image_unchanged(void **state) {
    (void)state;
    stream *source =
        stream_from_text(SCENARIO_HEAD "threads: 2\nphases:\n"
                                       "  - {kind: churn, live: 5, operations: 100, sizes: {fixed: 64}}\n"
                                       "  - {kind: handoff, live: 8, operations: 100, sizes: {fixed: 99}}\n"
                                       "  - {kind: burst, live: 8, operations: 100, succession: 5, idle_ms: 7, sizes: "
                                       "{fixed: 99}}\n");
    source->phases[1].references_from = 6;
    const int descriptor = stream_image_write(source);
    assert_true(descriptor >= 0);
    stream_image image;
    assert_true(stream_image_open(descriptor, &image));
    (void)close(descriptor);
    const stream *copy = &image.stream;
    assert_int_equal(copy->thread_count, source->thread_count);
    assert_int_equal(copy->phase_count, source->phase_count);
    assert_int_equal(copy->slot_count, source->slot_count);
    assert_int_equal(copy->max_size, source->max_size);
    assert_int_equal(copy->allocation_count, source->allocation_count);
    assert_int_equal(copy->operation_count, source->operation_count);
    assert_int_equal(copy->peak_live_bytes, source->peak_live_bytes);
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const stream_phase *a = &source->phases[i];
        const stream_phase *b = &copy->phases[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->end_live_buffers, b->end_live_buffers);
        assert_int_equal(a->end_live_bytes, b->end_live_bytes);
        assert_int_equal(a->repeat, b->repeat);
        assert_int_equal(a->idle_ms, b->idle_ms);
        assert_int_equal(a->is_fresh, b->is_fresh);
        assert_int_equal(a->references_from, b->references_from);
        for (uint32_t j = 0; j < source->thread_count; j++) {
            assert_int_equal(a->threads[j].op_count, b->threads[j].op_count);
            assert_int_equal(a->threads[j].operation_count, b->threads[j].operation_count);
            assert_int_equal(a->threads[j].pairs == NULL, b->threads[j].pairs == NULL);
            if (a->threads[j].pairs != NULL) {
                assert_memory_equal(a->threads[j].pairs, b->threads[j].pairs,
                                    a->threads[j].op_count * sizeof(stream_pair));
            }
            assert_memory_equal(a->threads[j].ops, b->threads[j].ops, a->threads[j].op_count * sizeof(stream_op));
        }
    }
    assert_non_null(copy->phases[0].threads[0].pairs);
    assert_null(copy->phases[copy->phase_count - 1].threads[0].pairs);
    assert_true(copy->phases[copy->phase_count - 1].is_fresh);
    assert_int_equal(copy->phases[copy->phase_count - 1].idle_ms, 7);
    assert_int_equal(stream_critical_operations(copy), stream_critical_operations(source));
    stream_image_close(&image);
    stream_destroy(source);
}

static void a_truncated_image_is_refused(void **state) {
    (void)state;
    stream *source =
        stream_from_text(SCENARIO_HEAD "phases:\n  - {kind: churn, live: 5, operations: 100, sizes: {fixed: 64}}\n");
    stream_image image;
    for (off_t kept = 0; kept < 1000; kept += 100) {
        const int descriptor = stream_image_write(source);
        assert_true(descriptor >= 0);
        assert_int_equal(ftruncate(descriptor, kept), 0);
        assert_false(stream_image_open(descriptor, &image));
        (void)close(descriptor);
    }
    const int foreign = memfd_create("foreign", MFD_CLOEXEC);
    char zeros[4096] = {0};
    assert_int_equal(write(foreign, zeros, sizeof zeros), sizeof zeros);
    assert_false(stream_image_open(foreign, &image));
    (void)close(foreign);
    assert_false(stream_image_open(-1, &image));
    stream_destroy(source);
}

static void critical_operations_are_those_of_the_busiest_thread_of_each_phase(void **state) {
    (void)state;
    stream_thread first[] = {{.operation_count = 10}, {.operation_count = 30}};
    stream_thread second[] = {{.operation_count = 7}, {.operation_count = 2}};
    stream_phase phases[] = {{.threads = first, .repeat = 1}, {.threads = second, .repeat = 3}};
    const stream source = {.thread_count = 2, .phase_count = 2, .phases = phases};
    assert_int_equal(stream_critical_operations(&source), 30 + 3 * 7);
}

/* ---- Processes ---- */

static process_result run_shell(const char *script, unsigned timeout_ms) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const envp[] = {"PATH=/usr/bin:/bin", NULL};
    const process_command command = {
        .program = "/bin/sh", .argv = argv, .envp = envp, .inherited = -1, .timeout_ms = timeout_ms};
    process_result result;
    process_run(&command, &result);
    return result;
}

static void a_process_brings_back_its_output_and_status(void **state) {
    (void)state;
    char text[256];
    process_result result = run_shell("echo out; echo first >&2; echo last >&2; exit 3", 60000);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_int_equal(result.code, 3);
    assert_string_equal(result.output, "out\n");
    assert_int_equal(result.output_size, 4);
    assert_string_equal(result.complaint, "last");
    process_describe(&result, 60000, text, sizeof text);
    assert_string_equal(text, "exited with status 3: last");
    process_result_fini(&result);
}

static void much_output_neither_blocks_nor_grows_without_bound(void **state) {
    (void)state;
    process_result result = run_shell("head -c 3000000 /dev/zero; head -c 300000 /dev/zero >&2", 60000);
    assert_int_equal(result.end, PROCESS_EXITED);
    assert_int_equal(result.code, 0);
    assert_true(result.output_size <= PROCESS_OUTPUT_MAX);
    process_result_fini(&result);
}

static void a_killed_process_says_by_which_signal(void **state) {
    (void)state;
    char text[256];
    process_result result = run_shell("kill -SEGV $$", 60000);
    assert_int_equal(result.end, PROCESS_KILLED);
    assert_int_equal(result.code, SIGSEGV);
    process_describe(&result, 60000, text, sizeof text);
    assert_ptr_equal(strstr(text, "killed by signal 11"), text);
    process_result_fini(&result);
}

static void a_process_that_hangs_is_killed_when_its_time_is_over(void **state) {
    (void)state;
    char text[256];
    process_result result = run_shell("exec sleep 1000", 100);
    assert_int_equal(result.end, PROCESS_TIMED_OUT);
    process_describe(&result, 100, text, sizeof text);
    assert_string_equal(text, "still running after 0.1 seconds");
    process_result_fini(&result);
    /* Closing its output does not make it immortal. */
    result = run_shell("exec sleep 1000 >/dev/null 2>/dev/null", 100);
    assert_int_equal(result.end, PROCESS_TIMED_OUT);
    process_result_fini(&result);
}

/* Looks are 100 ms apart at most, unless nobody ran in between. */
static void a_stop_of_everything_is_no_time_of_the_process(void **state) {
    (void)state;
    process_watch watch = {.deadline_ms = 500 + 2000, .looked_ms = 500};
    assert_int_equal(process_watch_left(&watch, 600), 1900);
    assert_int_equal(process_watch_left(&watch, 600 + PROCESS_PAUSE_MS), 900);
    assert_int_equal(process_watch_left(&watch, 1600 + 150000), 900); /* two and a half minutes on a laptop's lid */
    assert_int_equal(process_watch_left(&watch, 151600 + 899), 1);
    assert_int_equal(process_watch_left(&watch, 151600 + 900), 0);
}

static void a_program_that_is_not_there_could_not_be_started(void **state) {
    (void)state;
    const char *const argv[] = {"nothing", NULL};
    const process_command command = {
        .program = "/nonexistent/program", .argv = argv, .envp = argv + 1, .inherited = -1, .timeout_ms = 60000};
    process_result result;
    process_run(&command, &result);
    assert_int_equal(result.end, PROCESS_NOT_RUN);
    char text[256];
    process_describe(&result, 60000, text, sizeof text);
    assert_string_equal(text, "could not be started: No such file or directory");
    process_result_fini(&result);
}

static bool has_variable(const char **environment, const char *text) {
    for (size_t i = 0; environment[i] != NULL; i++) {
        if (strncmp(environment[i], text, strlen(text)) == 0) {
            return true;
        }
    }
    return false;
}

static void a_measured_process_has_leak_detection_off_and_no_foreign_settings(void **state) {
    (void)state;
    assert_int_equal(setenv("POOLBUF_CHUNK_SIZE", "1", 1), 0);
    assert_int_equal(setenv("POOLBUF_LEAK_LEVEL", "paranoid", 1), 0);
    assert_int_equal(setenv("BENCHMARK_OUT", "x", 1), 0);
    assert_int_equal(setenv("KEPT_VARIABLE", "y", 1), 0);
    const char **environment = process_environment(NULL);
    assert_non_null(environment);
    assert_false(has_variable(environment, "POOLBUF_CHUNK_SIZE"));
    assert_false(has_variable(environment, "BENCHMARK_OUT"));
    assert_false(has_variable(environment, "LD_PRELOAD"));
    assert_false(has_variable(environment, "POOLBUF_LEAK_LEVEL=paranoid"));
    assert_true(has_variable(environment, "POOLBUF_LEAK_LEVEL=disabled"));
    assert_true(has_variable(environment, "KEPT_VARIABLE=y"));
    free(environment);
    environment = process_environment("/lib/libexample.so");
    assert_non_null(environment);
    assert_true(has_variable(environment, "LD_PRELOAD=/lib/libexample.so"));
    free(environment);
    assert_int_equal(unsetenv("POOLBUF_CHUNK_SIZE"), 0);
    assert_int_equal(unsetenv("POOLBUF_LEAK_LEVEL"), 0);
    assert_int_equal(unsetenv("BENCHMARK_OUT"), 0);
}

/* ---- Provenance ---- */

static provenance glibc_facts(void) {
    provenance facts = {.malloc_path = "/usr/lib/libc.so.6",
                        .poolbuf_path = "/usr/lib/libpoolbuf.so.0.1.0",
                        .program_path = "/usr/bin/poolbuf",
                        .malloc_version = "glibc 2.36",
                        .poolbuf_version = "poolbuf 0.1.0",
                        .malloc_provider = SUBJECT_PROVIDER_LIBC};
    return facts;
}

static void the_library_that_should_serve_is_accepted(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts = glibc_facts();
    assert_true(provenance_check(&facts, subject_find("malloc"), NULL, message, sizeof message));
    assert_true(provenance_check(&facts, subject_find("fixed"), NULL, message, sizeof message));
    assert_true(provenance_check(&facts, subject_find("pooled"), NULL, message, sizeof message));
    assert_string_equal(provenance_path(&facts, subject_find("malloc")), "/usr/lib/libc.so.6");
    assert_string_equal(provenance_path(&facts, subject_find("fixed")), "/usr/bin/poolbuf");
    assert_string_equal(provenance_path(&facts, subject_find("pooled")), "/usr/lib/libpoolbuf.so.0.1.0");
    assert_string_equal(provenance_version(&facts, subject_find("pooled")), "poolbuf 0.1.0");
    assert_string_equal(provenance_version(&facts, subject_find("malloc")), "glibc 2.36");
    (void)snprintf(facts.malloc_path, sizeof facts.malloc_path, "/usr/lib/libjemalloc.so.2");
    facts.malloc_provider = SUBJECT_PROVIDER_JEMALLOC;
    assert_true(
        provenance_check(&facts, subject_find("jemalloc"), "/usr/lib/libjemalloc.so.2", message, sizeof message));
}

static void a_preload_that_did_not_happen_is_refused(void **state) {
    (void)state;
    char message[512] = "";
    const provenance facts = glibc_facts();
    assert_false(
        provenance_check(&facts, subject_find("jemalloc"), "/usr/lib/libjemalloc.so.2", message, sizeof message));
    assert_string_equal(message, "jemalloc: malloc is served by /usr/lib/libc.so.6 (glibc 2.36), not by "
                                 "/usr/lib/libjemalloc.so.2");
}

static void another_allocator_under_the_right_path_is_refused(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts = glibc_facts();
    (void)snprintf(facts.malloc_path, sizeof facts.malloc_path, "/opt/libjemalloc.so.2");
    facts.malloc_provider = SUBJECT_PROVIDER_MIMALLOC;
    assert_false(provenance_check(&facts, subject_find("jemalloc"), "/opt/libjemalloc.so.2", message, sizeof message));
}

static void a_preload_that_nobody_asked_for_is_refused(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts = glibc_facts();
    (void)snprintf(facts.malloc_path, sizeof facts.malloc_path, "/usr/lib/libtcmalloc.so.4");
    facts.malloc_provider = SUBJECT_PROVIDER_TCMALLOC;
    assert_false(provenance_check(&facts, subject_find("malloc"), NULL, message, sizeof message));
    assert_false(provenance_check(&facts, subject_find("null"), NULL, message, sizeof message));
    assert_false(provenance_check(&facts, subject_find("pooled"), NULL, message, sizeof message));
    facts = glibc_facts();
    facts.poolbuf_path[0] = '\0';
    assert_false(provenance_check(&facts, subject_find("pooled"), NULL, message, sizeof message));
    assert_false(provenance_check(&facts, subject_find("pooled-inline"), NULL, message, sizeof message));
}

static void the_static_library_is_the_programs_own(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts = glibc_facts();
    assert_false(provenance_check(&facts, subject_find("pooled-inline"), NULL, message, sizeof message));
    assert_string_equal(message, "pooled-inline: poolbuf_allocate is served by /usr/lib/libpoolbuf.so.0.1.0, not by "
                                 "the program itself");
    (void)snprintf(facts.poolbuf_path, sizeof facts.poolbuf_path, "%s", facts.program_path);
    assert_true(provenance_check(&facts, subject_find("pooled-inline"), NULL, message, sizeof message));
    assert_string_equal(provenance_path(&facts, subject_find("pooled-inline")), "/usr/bin/poolbuf");
    assert_string_equal(provenance_version(&facts, subject_find("pooled-inline")), "poolbuf 0.1.0");
    assert_false(provenance_check(&facts, subject_find("pooled"), NULL, message, sizeof message));
}

/* Code that is here, in this program, and code that is in the C library. */
static void a_peers_code_is_the_programs_own(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts = glibc_facts();
    provenance own;
    provenance_read(&own);
    (void)snprintf(facts.program_path, sizeof facts.program_path, "%s", own.program_path);
    subject peer = {.name = "peer",
                    .kernel = &subject_kernel_null,
                    .provider = SUBJECT_PROVIDER_PEER,
                    .proof = &subject_kernel_null,
                    .version = "Peer 2"};
    assert_true(provenance_check(&facts, &peer, NULL, message, sizeof message));
    assert_string_equal(provenance_version(&facts, &peer), "Peer 2");
    assert_string_equal(provenance_path(&facts, &peer), own.program_path);
    peer.proof = (const void *)(uintptr_t)&gnu_get_libc_version;
    assert_false(provenance_check(&facts, &peer, NULL, message, sizeof message));
    assert_non_null(strstr(message, "peer: its code is in "));
    peer.proof = NULL;
    assert_false(provenance_check(&facts, &peer, NULL, message, sizeof message));
    peer.proof = &subject_kernel_null;
    peer.kernel = NULL;
    assert_false(provenance_check(&facts, &peer, NULL, message, sizeof message));
    assert_non_null(strstr(message, "has no kernel for it"));
}

static void a_users_code_is_in_the_library_that_was_named(void **state) {
    (void)state;
    char message[512] = "";
    char libc[PROVENANCE_PATH_SIZE];
    const provenance facts = glibc_facts();
    assert_true(provenance_find_library("libc.so.6", libc, sizeof libc));
    subject own = {.name = "mine",
                   .kernel = &subject_kernel_null,
                   .provider = SUBJECT_PROVIDER_LIBRARY,
                   .library = libc,
                   .proof = (const void *)(uintptr_t)&gnu_get_libc_version,
                   .version = "my pool 1"};
    assert_true(provenance_check(&facts, &own, NULL, message, sizeof message));
    assert_string_equal(provenance_path(&facts, &own), libc);
    assert_string_equal(provenance_version(&facts, &own), "my pool 1");
    own.library = "/usr/lib/another.so";
    assert_false(provenance_check(&facts, &own, NULL, message, sizeof message));
    assert_non_null(strstr(message, "not in /usr/lib/another.so"));
    /* And malloc, which it may stand on, is the C library's. */
    own.library = libc;
    provenance preloaded = facts;
    preloaded.malloc_provider = SUBJECT_PROVIDER_JEMALLOC;
    assert_false(provenance_check(&preloaded, &own, NULL, message, sizeof message));
}

static void this_process_is_served_by_what_it_was_started_with(void **state) {
    (void)state;
    char message[512] = "";
    provenance facts;
    provenance_read(&facts);
    assert_true(facts.program_path[0] == '/');
    assert_true(facts.malloc_path[0] == '/');
    /* Memcheck brings a malloc of its own, and says so in its name. */
    if (strstr(facts.malloc_path, "vgpreload") == NULL) {
        assert_true(provenance_check(&facts, subject_find("malloc"), NULL, message, sizeof message));
    }
    char path[PROVENANCE_PATH_SIZE];
    assert_true(provenance_find_library("libc.so.6", path, sizeof path));
    assert_true(path[0] == '/');
    assert_false(provenance_find_library("libno-such-library.so.9", path, sizeof path));
}

/* ---- A worker's command line and line of JSON ---- */

static void a_report_comes_out_of_its_line_unchanged(void **state) {
    (void)state;
    subject_held phases[] = {{.buffers = 3, .bytes = 300}, {.buffers = 0, .bytes = 0}};
    const worker_report report = {.status = WORKER_OK,
                                  .library = "/usr/lib/lib\"c.so",
                                  .version = "glibc 2.36",
                                  .time_ns_per_op = 12.75,
                                  .operations = 1000,
                                  .line_round_trip_ns = nan(""),
                                  .peak_live_bytes = 77,
                                  .peak_resident_bytes = WORKER_UNKNOWN,
                                  .resident_growth_bytes = 9,
                                  .page_faults_minor = 5,
                                  .phases = phases,
                                  .phase_count = 2};
    char *line = worker_report_format(&report);
    assert_non_null(line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strstr(line, "nan"));
    worker_report copy;
    assert_true(worker_report_parse(line, strlen(line), &copy));
    assert_int_equal(copy.status, WORKER_OK);
    assert_string_equal(copy.library, report.library);
    assert_true(fabs(copy.time_ns_per_op - 12.75) < 1e-12);
    assert_int_equal(copy.operations, 1000);
    assert_true(isnan(copy.line_round_trip_ns));
    assert_int_equal(copy.peak_resident_bytes, WORKER_UNKNOWN);
    assert_int_equal(copy.resident_growth_bytes, 9);
    assert_int_equal(copy.phase_count, 2);
    assert_int_equal(copy.phases[0].bytes, 300);
    worker_report_fini(&copy);
    /* Half a line, and a line of somebody else's. */
    assert_false(worker_report_parse(line, strlen(line) / 2, &copy));
    assert_false(worker_report_parse("{}", 2, &copy));
    assert_false(worker_report_parse("", 0, &copy));
    free(line);
}

static void a_good_report_has_a_time(void **state) {
    (void)state;
    worker_report report = {.status = WORKER_OK, .time_ns_per_op = 0, .line_round_trip_ns = nan("")};
    char *line = worker_report_format(&report);
    worker_report copy;
    assert_non_null(line);
    assert_false(worker_report_parse(line, strlen(line), &copy));
    free(line);
    report.status = WORKER_FAILED;
    line = worker_report_format(&report);
    assert_non_null(line);
    assert_true(worker_report_parse(line, strlen(line), &copy));
    worker_report_fini(&copy);
    free(line);
}

static void each_status_and_what_is_not_known_come_out_of_their_line(void **state) {
    (void)state;
    for (int status = WORKER_FAILED; status < WORKER_STATUS_COUNT; status++) {
        const worker_report report = {.status = (worker_status)status,
                                      .message = "why",
                                      .peak_usable_bytes = status == WORKER_UNSUPPORTED ? WORKER_UNKNOWN : 4096};
        char *line = worker_report_format(&report);
        worker_report copy;
        assert_non_null(line);
        assert_true(worker_report_parse(line, strlen(line), &copy));
        assert_int_equal(copy.status, status);
        assert_string_equal(copy.message, "why");
        assert_int_equal(copy.peak_usable_bytes, report.peak_usable_bytes);
        worker_report_fini(&copy);
        free(line);
    }
}

static void a_jobs_words_name_what_it_has(void **state) {
    (void)state;
    static const subject own = {.name = "mine", .library = "/opt/mine.so"};
    char storage[WORKER_STORAGE_SIZE];
    const char *argv[WORKER_ARGUMENTS_MAX + 1];
    const worker_job full = {.subject = &own, .preload = "/opt/x.so", .stream_descriptor = 7, .seconds = 0.5};
    worker_arguments(&full, "p", storage, argv);
    static const char *const all[] = {"p",        "worker", "--subject", "mine", "--library", "/opt/mine.so",
                                      "--stream", "7",      "--seconds", "0.5",  "--preload", "/opt/x.so"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_string_equal(argv[i], all[i]);
    }
    assert_null(argv[sizeof all / sizeof all[0]]);
    const worker_job look = {.subject = &own, .stream_descriptor = -1, .is_examination = true};
    worker_arguments(&look, "p", storage, argv);
    assert_string_equal(argv[6], "--examine");
    assert_null(argv[8]);
}

static void words_that_are_no_job_are_refused(void **state) {
    (void)state;
    char worker[] = "worker";
    char option[] = "--subject";
    char name[] = "no such subject";
    char good[] = "null";
    char stream_option[] = "--stream";
    char number[] = "7x";
    char *unknown[] = {worker, option, name, NULL};
    char *missing[] = {worker, option, NULL};
    char *wrong[] = {worker, option, good, stream_option, number, NULL};
    assert_int_equal(worker_main(1, unknown), 2);
    assert_int_equal(worker_main(2, missing), 2);
    assert_int_equal(worker_main(3, unknown), 2);
    assert_int_equal(worker_main(5, wrong), 2);
}

/* ---- The machine ---- */

static void memory_that_is_touched_shows_as_resident(void **state) {
    (void)state;
    enum {
        SIZE = 64 << 20
    };
    memory_usage before = {.resident_bytes = 0};
    memory_usage after = {.resident_bytes = 0};
    if (!memory_usage_reset_peak() || !memory_usage_read(&before)) {
        skip();
    }
    void *mapping = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_true(mapping != MAP_FAILED);
    memset(mapping, 1, SIZE);
    assert_int_equal(munmap(mapping, SIZE), 0);
    assert_true(memory_usage_read(&after));
    assert_true(after.peak_resident_bytes >= before.resident_bytes + SIZE / 2);
    const memory_faults faults = memory_faults_read();
    assert_true(faults.minor > 0);
}

static void a_round_trip_takes_some_time(void **state) {
    (void)state;
    const double ns = line_round_trip_ns(100);
    assert_true(isfinite(ns) && ns > 0);
}

static atomic_bool is_over;

static void *be_busy(void *argument) {
    (void)argument;
    while (!atomic_load(&is_over)) {
    }
    return NULL;
}

/* All on one processor, so that a trip is two of the scheduler's switches between five: some 10 ms. So many trips would take
 * this test far beyond its time limit; that it ends is what it says. */
static void round_trips_end_where_the_processor_is_wanted_by_others(void **state) {
    (void)state;
    enum {
        BUSY = 3,
        TRIPS = 1000000
    };
    cpu_set_t before;
    cpu_set_t one;
    pthread_t busy[BUSY];
    size_t processor = 0;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    while (!CPU_ISSET(processor, &before)) {
        processor++;
    }
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_create(&busy[i], NULL, be_busy, NULL), 0);
    }
    const double ns = line_round_trip_ns(TRIPS);
    atomic_store(&is_over, true);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_join(busy[i], NULL), 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_true(isfinite(ns) && ns > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subject_comes_at_every_place_equally_often),
        cmocka_unit_test(every_subject_follows_every_other_equally_often),
        cmocka_unit_test(a_stream_comes_out_of_its_image_unchanged),
        cmocka_unit_test(a_truncated_image_is_refused),
        cmocka_unit_test(critical_operations_are_those_of_the_busiest_thread_of_each_phase),
        cmocka_unit_test(a_process_brings_back_its_output_and_status),
        cmocka_unit_test(much_output_neither_blocks_nor_grows_without_bound),
        cmocka_unit_test(a_killed_process_says_by_which_signal),
        cmocka_unit_test(a_process_that_hangs_is_killed_when_its_time_is_over),
        cmocka_unit_test(a_stop_of_everything_is_no_time_of_the_process),
        cmocka_unit_test(a_program_that_is_not_there_could_not_be_started),
        cmocka_unit_test(a_measured_process_has_leak_detection_off_and_no_foreign_settings),
        cmocka_unit_test(the_library_that_should_serve_is_accepted),
        cmocka_unit_test(a_preload_that_did_not_happen_is_refused),
        cmocka_unit_test(another_allocator_under_the_right_path_is_refused),
        cmocka_unit_test(the_static_library_is_the_programs_own),
        cmocka_unit_test(a_preload_that_nobody_asked_for_is_refused),
        cmocka_unit_test(a_peers_code_is_the_programs_own),
        cmocka_unit_test(a_users_code_is_in_the_library_that_was_named),
        cmocka_unit_test(this_process_is_served_by_what_it_was_started_with),
        cmocka_unit_test(a_report_comes_out_of_its_line_unchanged),
        cmocka_unit_test(a_good_report_has_a_time),
        cmocka_unit_test(each_status_and_what_is_not_known_come_out_of_their_line),
        cmocka_unit_test(a_jobs_words_name_what_it_has),
        cmocka_unit_test(words_that_are_no_job_are_refused),
        cmocka_unit_test(memory_that_is_touched_shows_as_resident),
        cmocka_unit_test(a_round_trip_takes_some_time),
        cmocka_unit_test(round_trips_end_where_the_processor_is_wanted_by_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
