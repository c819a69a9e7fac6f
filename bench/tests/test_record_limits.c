/* The recorder where it must stop, or cannot say all: at the limit of events, on a full disk, without memory. The
 * program goes on, what was recorded is kept, and what is missing is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "record/shape.h"
#include "record/spool.h"
#include "record/trace.h"
#include "record_run.h"
#include "scenario/scenario.h"
#include "scenario/stream.h"

static void a_limit_of_events_ends_the_recording_and_not_the_program(void **state) {
    (void)state;
    assert_int_equal(record("-o t.pbtrace --max-events 1000 -- " RECORD_TARGET " many"), 0);
    trace *read = read_trace("t.pbtrace");
    assert_int_equal(read->event_count, 1000);
    assert_int_equal(read->summary.dropped_events, 1);
    assert_non_null(strstr(messages, "the limit of events was reached; see --max-events"));
    trace_destroy(read);

    read = record_mode("many", 0);
    assert_true(read->event_count >= 600000);
    assert_int_equal(read->summary.dropped_events, 0);
    const uint64_t all = read->event_count;
    trace_destroy(read);

    static const uint64_t limits[] = {1024, 0, 1}; /* where a checkpoint is; all events; one less */
    for (size_t i = 0; i < 3; i++) {
        char arguments[PATH_MAX];
        const uint64_t limit = i == 0 ? limits[i] : all - limits[i];
        (void)snprintf(arguments, sizeof arguments, "-o t.pbtrace --max-events %llu -- %s many",
                       (unsigned long long)limit, RECORD_TARGET);
        assert_int_equal(record(arguments), 0);
        read = read_trace("t.pbtrace");
        assert_int_equal(read->event_count, limit);
        assert_int_equal(read->summary.dropped_events, limit < all);
        assert_int_equal(read->checkpoints[0].event_count, 1024);
        trace_destroy(read);
    }
}

/* Records as if the disk had room for so much; see record_full.c. */
static int record_in(const char *kib, const char *arguments) {
    (void)count_files(folder, true);
    assert_int_equal(setenv("RECORD_FULL_KIB", kib, 1), 0);
    assert_int_equal(setenv("LD_PRELOAD", RECORD_FULL, 1), 0);
    const int status = record(arguments);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
    assert_int_equal(unsetenv("RECORD_FULL_KIB"), 0);
    return status;
}

static void a_full_disk_ends_the_recording_and_not_the_program(void **state) {
    (void)state;
    static const char *const rooms[] = {"0", "4"}; /* the header needs 4, and events more */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(record_in(rooms[i], "-o t.pbtrace -- " RECORD_TARGET " many"), 6);
        assert_non_null(strstr(messages, " recorded nothing: there is no room in .; give an output file in a folder"));
        assert_string_equal(strchr(messages, '\n'), "\n");
        assert_int_equal(count_files(folder, false), 0);
    }
    assert_int_equal(record_in("64", "-o t.pbtrace -- " RECORD_TARGET " many"), 0);
    assert_non_null(strstr(messages, "the recording ends before the program did: there was no more room on the disk"));
    assert_int_equal(count_files(folder, false), 1);
    trace *read = read_trace("t.pbtrace");
    assert_true(read->event_count > 10000); /* of 5 bytes at most, in 60 KiB */
    assert_int_equal(read->summary.dropped_events, 1);
    trace_destroy(read);
}

/* Of what `forks` does, two children find the disk full; what the second one executes has room of its own. */
static void a_process_without_room_takes_nothing_from_the_others(void **state) {
    (void)state;
    static const char *const outputs[] = {"-o t.pbtrace", "-o 'f-%p.pbtrace'"};
    for (size_t i = 0; i < 2; i++) {
        char arguments[PATH_MAX];
        (void)snprintf(arguments, sizeof arguments, "%s -- %s forks", outputs[i], RECORD_TARGET);
        assert_int_equal(record_in("12", arguments), 0);
        assert_non_null(strstr(messages, "note: there was no room in . for 2 more processes; what they did is not"));
        assert_int_equal(count_files(folder, false), i == 0 ? 1 : 2);
    }
    (void)count_files(folder, true);
}

/* What each process takes of the disk is there until the recording ends, and a build has thousands of them. */
static void a_process_that_does_little_takes_little_of_the_disk(void **state) {
    (void)state;
    assert_int_equal(record("-o t.pbtrace -- sh -c '" RECORD_TARGET " basic; " RECORD_TARGET " basic; "
                            "set -- $(du -sk \"$LIBPOOLBUF_RECORD_FOLDER\") && [ $1 -ge 8 ] && [ $1 -le 512 ]'"),
                     0);
    (void)count_files(folder, true);
}

/* Files may be no larger than the shell allows; SIGXFSZ, which tells so, would be the end of the program. */
static void a_limit_on_the_size_of_files_ends_the_recording_and_not_the_program(void **state) {
    (void)state;
    (void)count_files(folder, true);
    assert_int_equal(record("-o t.pbtrace -- sh -c 'ulimit -f 0; exec " RECORD_TARGET " many'"), 0);
    assert_non_null(strstr(messages, "note: there was no room in . for 1 more processes"));
    trace *read = read_trace("t.pbtrace");
    assert_string_equal(read->program, "sh");
    trace_destroy(read);
    assert_int_equal(record("-o t.pbtrace -- sh -c 'ulimit -f 64; exec " RECORD_TARGET " many'"), 0);
    read = read_trace("t.pbtrace");
    assert_string_equal(read->program, "record_target");
    assert_in_range(read->event_count, 5000, 60000); /* 64 blocks are 32 or 64 KiB, as the shell counts */
    assert_int_equal(read->summary.dropped_events, 1);
    trace_destroy(read);
}

/* A file without a header, as a process leaves it that ended too early, is passed over. */
static void what_is_no_spool_is_passed_over(void **state) {
    (void)state;
    assert_int_equal(record_in("1000000", "-o t.pbtrace -- sh -c 'truncate -s 64K $LIBPOOLBUF_RECORD_FOLDER/1.0'"), 0);
    assert_null(strstr(messages, "no room"));
    assert_int_equal(count_files(folder, true), 1);
}

/* Puts a recording with one event, as a process leaves it, into the folder. */
static void make_spool(const char *name, trace_kind event, spool_end end) {
    char path[PATH_MAX];
    static spool_header header = {.program = "broken", .event_count = UINT64_MAX};
    static uint8_t rest[SPOOL_HEADER_SIZE]; /* of the header's room, and the event, of slot 0 */
    memcpy(header.magic, SPOOL_MAGIC, sizeof header.magic);
    header.end = (int32_t)end;
    atomic_store(&header.committed, event == TRACE_ALLOCATE ? 2 : 1);
    rest[SPOOL_HEADER_SIZE - sizeof header] = (uint8_t)event;
    rest[SPOOL_HEADER_SIZE - sizeof header + 1] = 10;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(&header, sizeof header, 1, file), 1);
    assert_int_equal(fwrite(rest, SPOOL_HEADER_SIZE - sizeof header + 2, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* What a process left may be damaged, as by the process itself; the others are written all the same. */
static void a_damaged_recording_takes_nothing_from_the_others(void **state) {
    (void)state;
    (void)count_files(folder, true);
    make_spool("bad", TRACE_RELEASE, SPOOL_COMPLETE);
    assert_int_equal(
        record("-o 'd-%p.pbtrace' -- sh -c 'cp bad $LIBPOOLBUF_RECORD_FOLDER/1.0; exec " RECORD_TARGET " basic'"), 1);
    assert_non_null(
        strstr(messages, "broken: event 0: it names a slot that is not in use yet: 0; the file is damaged"));
    assert_int_equal(count_files(folder, true), 4); /* bad, and traces of sh, cp and record_target */
}

/* A million threads take minutes to come and go; what the recorder leaves then is told of. */
static void a_recording_that_ends_with_too_many_threads_says_so(void **state) {
    (void)state;
    (void)count_files(folder, true);
    make_spool("many", TRACE_ALLOCATE, SPOOL_THREADS);
    assert_int_equal(record("-o t.pbtrace -- sh -c 'cp many $LIBPOOLBUF_RECORD_FOLDER/1.0'"), 0);
    assert_non_null(strstr(messages, "t.pbtrace: the recording ends before the program did: a recording tells 1048576 "
                                     "threads apart, and here were more\n"));
    trace *read = read_trace("t.pbtrace");
    assert_int_equal(read->summary.dropped_events, 1);
    trace_destroy(read);
    (void)count_files(folder, true);
}

/* The child goes on inside a realloc of its parent's, and knows nothing of what was resized. */
static void a_child_of_a_realloc_has_a_sound_recording(void **state) {
    (void)state;
    uint64_t resizes = 0;
    uint64_t allocations = 0;
    assert_int_equal(record_in("1000000", "-o 'r-%p.pbtrace' -- env RECORD_FULL_FORKS=1004 " RECORD_TARGET " basic"),
                     0);
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        trace *read = entry->d_name[0] != '.' ? read_trace(entry->d_name) : NULL;
        for (uint64_t i = 0; read != NULL && i < read->event_count; i++) {
            const trace_event *event = &read->events[i];
            resizes += event->kind == TRACE_RESIZE && event->size == 1004;
            allocations += event->kind == TRACE_ALLOCATE && event->size == 1004;
        }
        trace_destroy(read);
    }
    (void)closedir(entries);
    assert_int_equal(resizes, 1);     /* of the parent */
    assert_int_equal(allocations, 1); /* of the child */
    assert_int_equal(count_files(folder, true), 3);
}

static void a_program_without_memory_for_its_recording_is_told_so(void **state) {
    (void)state;
    assert_int_equal(record_in("1000000", "-o t.pbtrace -- sh -c 'RECORD_FULL_MAPS=0 exec " RECORD_TARGET " basic'"),
                     0);
    assert_non_null(strstr(messages, "note: 1 more processes had no memory for it; what they did is not recorded"));
    assert_int_equal(count_files(folder, true), 1);
    assert_int_equal(record_in("1000000", "-o t.pbtrace -- env RECORD_FULL_MAPS=1 " RECORD_TARGET " many"), 0);
    assert_non_null(strstr(messages, "the recording ends before the program did: there was no more memory"));
    trace *read = read_trace("t.pbtrace");
    assert_true(read->event_count > 10000); /* in 1 MiB, of 5 bytes at most */
    assert_int_equal(read->summary.dropped_events, 1);
    trace_destroy(read);
}

/* The spool takes no more of the program's address space than a window, however many events it has room for. */
static void a_limit_on_its_memory_is_the_programs_alone(void **state) {
    (void)state;
    assert_int_equal(
        record("--max-events 60000000 -o t.pbtrace -- sh -c 'ulimit -v 60000; exec " RECORD_TARGET " many'"), 0);
    trace *read = read_trace("t.pbtrace");
    assert_string_equal(read->program, "record_target");
    assert_true(read->event_count >= 600000);
    assert_int_equal(read->summary.dropped_events, 0);
    trace_destroy(read);
}

/* A child without an environment is recorded all the same; of those that can make no file it is said. */
static void children_that_are_lost_are_counted(void **state) {
    (void)state;
    (void)count_files(folder, true);
    assert_int_equal(record("-o 'l-%p.pbtrace' -- " RECORD_TARGET " lost"), 0);
    assert_non_null(strstr(messages, "note: 2 more processes could make no file in ., as after a change of user"));
    assert_int_equal(count_files(folder, true), 2);
    assert_int_equal(record("-o t.pbtrace -- " RECORD_TARGET " forks"), 0);
    assert_null(strstr(messages, "could make no file"));
}

/* A recording that ends too early looks like a whole one: it must be said where it is made, and where it is played. */
static void what_was_cut_off_says_so_as_a_trace_and_as_a_shape(void **state) {
    (void)state;
    static const char *const options[] = {"-o c.pbtrace", "--shape -o c.pbshape"};
    static const char *const files[] = {"c.pbtrace", "c.pbshape"};
    for (int i = 0; i < 4; i++) {
        const bool is_cut = i < 2;
        char arguments[PATH_MAX];
        char path[PATH_MAX];
        scenario *from = NULL;
        (void)snprintf(arguments, sizeof arguments, "%s --max-events %d -- %s many", options[i % 2],
                       is_cut ? 1000 : 1000000, RECORD_TARGET);
        assert_int_equal(record(arguments), 0);
        const char *warning =
            strstr(messages, ": the recording ends before the program did: the limit of events was reached; see");
        assert_int_equal(warning != NULL, is_cut);
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i % 2]);
        if (!scenario_load(path, &from, error, sizeof error)) {
            fail_msg("%s", error);
            return;
        }
        assert_int_equal(strstr(from->source, "; the recording ends before the program did") != NULL, is_cut);
        scenario_destroy(from);
    }
}

/* Two sizes are: of an allocation and of a resize. */
static void sizes_that_a_recording_cannot_say_are_counted_and_said(void **state) {
    (void)state;
    static const char *const options[] = {"-o h.pbtrace", "--shape -o h.pbshape"};
    static const char *const files[] = {"h.pbtrace", "h.pbshape"};
    for (int i = 0; i < 4; i++) {
        const bool is_huge = i < 2;
        char arguments[PATH_MAX];
        char path[PATH_MAX];
        scenario *from = NULL;
        (void)snprintf(arguments, sizeof arguments, "%s -- %s %s", options[i % 2], RECORD_TARGET,
                       is_huge ? "huge" : "many");
        assert_int_equal(record(arguments), 0);
        const char *warning =
            strstr(messages, ": 2 sizes are larger than a recording can say; they count as 256.0 MiB");
        assert_int_equal(warning != NULL, is_huge);
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i % 2]);
        if (!scenario_load(path, &from, error, sizeof error)) {
            fail_msg("%s", error);
            return;
        }
        assert_int_equal(strstr(from->source, "; 2 sizes were larger than 256 MiB, and count as that") != NULL,
                         is_huge);
        scenario_destroy(from);
    }
}

/* 241 threads, of which two are alive at a time: played by 64 at once, they would measure the scheduler. */
static void threads_that_follow_each_other_are_played_by_as_many_as_were_alive(void **state) {
    (void)state;
    char path[PATH_MAX];
    scenario *from = NULL;
    stream *made = NULL;
    assert_int_equal(record("-o n.pbtrace -- " RECORD_TARGET " succession"), 0);
    (void)snprintf(path, sizeof path, "%s/n.pbtrace", folder);
    if (!scenario_load(path, &from, error, sizeof error) ||
        !stream_generate(from, 1, false, &made, error, sizeof error) || !stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
        return;
    }
    assert_int_equal(made->thread_count, 2);
    assert_non_null(strstr(from->source, " 241 threads, played by 2: others begin where some have ended"));
    stream_destroy(made);
    scenario_destroy(from);
    assert_int_equal(record("--shape -o n.pbshape -- " RECORD_TARGET " succession"), 0);
    (void)snprintf(path, sizeof path, "%s/n.pbshape", folder);
    assert_true(scenario_load(path, &from, error, sizeof error));
    assert_non_null(strstr(from->source, " 241 threads, played by 64"));
    scenario_destroy(from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_of_events_ends_the_recording_and_not_the_program),
        cmocka_unit_test(a_full_disk_ends_the_recording_and_not_the_program),
        cmocka_unit_test(a_process_without_room_takes_nothing_from_the_others),
        cmocka_unit_test(a_process_that_does_little_takes_little_of_the_disk),
        cmocka_unit_test(a_limit_on_the_size_of_files_ends_the_recording_and_not_the_program),
        cmocka_unit_test(what_is_no_spool_is_passed_over),
        cmocka_unit_test(a_damaged_recording_takes_nothing_from_the_others),
        cmocka_unit_test(a_recording_that_ends_with_too_many_threads_says_so),
        cmocka_unit_test(a_child_of_a_realloc_has_a_sound_recording),
        cmocka_unit_test(a_program_without_memory_for_its_recording_is_told_so),
        cmocka_unit_test(a_limit_on_its_memory_is_the_programs_alone),
        cmocka_unit_test(children_that_are_lost_are_counted),
        cmocka_unit_test(what_was_cut_off_says_so_as_a_trace_and_as_a_shape),
        cmocka_unit_test(sizes_that_a_recording_cannot_say_are_counted_and_said),
        cmocka_unit_test(threads_that_follow_each_other_are_played_by_as_many_as_were_alive),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
