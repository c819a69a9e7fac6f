/* The recorder on real programs, through `poolbuf record`: what record_target.c does must be in the trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/shape.h"
#include "record/trace.h"
#include "record_run.h"
#include "scenario/replay_plan.h"
#include "scenario/stream.h"

static uint64_t count(const trace *read, trace_kind kind, uint32_t size) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < read->event_count; i++) {
        found += read->events[i].kind == (uint32_t)kind && read->events[i].size == size;
    }
    return found;
}

/* Where, from an event on, a kind of event comes next in a slot; fails when it does not. */
static uint64_t next_in_slot(const trace *read, uint64_t from, uint32_t slot, trace_kind kind) {
    for (uint64_t i = from + 1; i < read->event_count; i++) {
        if (read->events[i].slot == slot) {
            assert_int_equal(read->events[i].kind, kind);
            return i;
        }
    }
    fail_msg("nothing follows in slot %u", slot);
    return 0;
}

static uint64_t first(const trace *read, trace_kind kind, uint32_t size) {
    for (uint64_t i = 0; i < read->event_count; i++) {
        if (read->events[i].kind == (uint32_t)kind && read->events[i].size == size) {
            return i;
        }
    }
    fail_msg("there is no event of kind %d and size %u", (int)kind, size);
    return 0;
}

static void every_function_of_the_family_is_recorded(void **state) {
    (void)state;
    trace *read = record_mode("basic", 0);
    static const uint32_t sizes[] = {1001, 1002, 1003, 1005, 1006, 1007, 1024, 1009, 1010, 1011, 1012, 1013};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(count(read, TRACE_ALLOCATE, sizes[i]),
                         sizes[i] == 1024 ? count(read, TRACE_ALLOCATE, 1024) : 1);
    }
    assert_true(count(read, TRACE_ALLOCATE, 1024) >= 1);
    assert_true(count(read, TRACE_ALLOCATE, 1) >= 1); /* malloc(0) counts as a byte */
    assert_int_equal(count(read, TRACE_RESIZE, 1004), 1);
    assert_int_equal(count(read, TRACE_RESIZE, 1008), 1);

    uint64_t at = first(read, TRACE_ALLOCATE, 1003);
    uint32_t slot = read->events[at].slot;
    at = next_in_slot(read, at, slot, TRACE_RESIZE);
    assert_int_equal(read->events[at].size, 1004);
    (void)next_in_slot(read, at, slot, TRACE_RELEASE);

    at = first(read, TRACE_ALLOCATE, 1011); /* realloc(p, 0) releases */
    (void)next_in_slot(read, at, read->events[at].slot, TRACE_RELEASE);

    at = first(read, TRACE_ALLOCATE, 1012);
    for (uint64_t i = at + 1; i < read->event_count; i++) {
        assert_true(read->events[i].slot != read->events[at].slot || read->events[i].kind == TRACE_RELEASE);
    }
    assert_string_equal(read->program, "record_target");
    assert_int_equal(read->thread_count, 1);
    trace_destroy(read);
}

static void threads_and_their_hand_overs_are_recorded(void **state) {
    (void)state;
    trace *read = record_mode("neighbours", 0);
    uint64_t handed = 0;
    uint64_t resized = 0;
    assert_int_equal(read->thread_count, 5);
    for (uint64_t i = 0; i < read->event_count; i++) {
        const trace_event *event = &read->events[i];
        if (event->kind == TRACE_ALLOCATE && event->size >= 2000 && event->size < 2007) {
            uint64_t end = i + 1;
            while (read->events[end].slot != event->slot || read->events[end].kind == TRACE_RESIZE) {
                resized += read->events[end].slot == event->slot;
                end++;
            }
            handed += read->events[end].thread != event->thread;
        }
    }
    assert_int_equal(handed, 4000);
    assert_int_equal(resized, 4 * 334);
    trace_destroy(read);
}

static void what_was_recorded_replays(void **state) {
    (void)state;
    char path[PATH_MAX];
    scenario *from = NULL;
    stream *made = NULL;
    trace *read = record_mode("neighbours", 0);
    trace_destroy(read);
    (void)snprintf(path, sizeof path, "%s/t.pbtrace", folder);
    if (!scenario_load(path, &from, error, sizeof error) ||
        !stream_generate(from, 1, false, &made, error, sizeof error) || !stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
        return;
    }
    assert_int_equal(made->thread_count, 5);
    stream_destroy(made);
    scenario_destroy(from);
}

enum {
    MATRIX = 8 /* threads */
};

/* Buffers by the thread that allocated them and the one that released them; what nobody released counts for neither. */
static void count_recorded(const trace *read, uint64_t matrix[MATRIX][MATRIX]) {
    uint32_t *openers = calloc(read->slot_count, sizeof *openers);
    assert_non_null(openers);
    for (uint64_t i = 0; i < read->event_count; i++) {
        const trace_event *event = &read->events[i];
        assert_true(event->thread < MATRIX);
        if (event->kind == TRACE_ALLOCATE) {
            openers[event->slot] = event->thread;
        } else if (event->kind == TRACE_RELEASE) {
            matrix[openers[event->slot]][event->thread]++;
        }
    }
    free(openers);
}

/* The same of a stream, without its last phase, whose releases nobody recorded. */
static void count_played(const stream *made, uint64_t matrix[MATRIX][MATRIX]) {
    uint32_t *openers = calloc(made->slot_count, sizeof *openers);
    assert_non_null(openers);
    for (uint32_t p = 0; p + 1 < made->phase_count; p++) {
        for (int pass = 0; pass < 2; pass++) { /* inside a phase a slot has one opener (S1) */
            for (uint32_t t = 0; t < made->thread_count; t++) {
                const stream_thread *thread = &made->phases[p].threads[t];
                for (size_t i = 0; i < thread->op_count; i++) {
                    const stream_op op = thread->ops[i];
                    if (pass == 0 && stream_op_kind(op) == STREAM_ALLOCATE) {
                        openers[op.slot] = t;
                    } else if (pass == 1 && stream_op_kind(op) == STREAM_RELEASE) {
                        matrix[openers[op.slot]][t]++;
                    }
                }
            }
        }
    }
    free(openers);
}

static void every_hand_over_is_replayed_between_the_threads_that_made_it(void **state) {
    (void)state;
    static const char *const modes[] = {"neighbours", "storm"};
    for (size_t m = 0; m < 2; m++) {
        uint64_t recorded[MATRIX][MATRIX] = {{0}};
        uint64_t played[MATRIX][MATRIX] = {{0}};
        char path[PATH_MAX];
        scenario *from = NULL;
        stream *made = NULL;
        trace *read = record_mode(modes[m], 0);
        (void)snprintf(path, sizeof path, "%s/t.pbtrace", folder);
        if (!scenario_load(path, &from, error, sizeof error) ||
            !stream_generate(from, 1, false, &made, error, sizeof error)) {
            fail_msg("%s", error);
            return;
        }
        count_recorded(read, recorded);
        count_played(made, played);
        assert_memory_equal(recorded, played, sizeof played);
        uint64_t handed = 0;
        for (uint32_t t = 0; t < MATRIX; t++) {
            for (uint32_t u = 0; u < MATRIX; u++) {
                handed += t != u ? played[t][u] : 0;
            }
        }
        assert_true(m != 0 || handed >= 4000); /* in a storm it is up to the scheduler */
        stream_destroy(made);
        scenario_destroy(from);
        trace_destroy(read);
    }
}

/* The recorder's own counts are in the trace, which is read only where they are those of the events (T5); and a replay's
 * phases end there. */
static void a_recording_has_checkpoints_and_its_replay_ends_phases_at_them(void **state) {
    (void)state;
    char path[PATH_MAX];
    scenario *from = NULL;
    stream *made = NULL;
    trace *read = record_mode("storm", 0);
    (void)snprintf(path, sizeof path, "%s/t.pbtrace", folder);
    if (!scenario_load(path, &from, error, sizeof error) ||
        !stream_generate(from, 1, false, &made, error, sizeof error)) {
        fail_msg("%s", error);
        return;
    }
    assert_in_range(read->checkpoint_count, 25, TRACE_CHECKPOINTS_MAX / 2);
    assert_in_range(made->phase_count, read->checkpoint_count + 1, read->checkpoint_count + 2);
    for (uint32_t c = 0; c < read->checkpoint_count; c++) {
        assert_true(c > 0 || read->checkpoints[c].event_count == 1024);
        assert_int_equal(made->phases[c].end_live_buffers, read->checkpoints[c].live_buffers);
        assert_int_equal(made->phases[c].end_live_bytes, read->checkpoints[c].live_bytes);
    }
    stream_destroy(made);
    scenario_destroy(from);
    trace_destroy(read);
}

/* The writer refuses unsound events, so that there is a trace says that the order was right all the time. */
static void racing_threads_and_forks_leave_a_sound_trace(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        trace *read = record_mode("storm", 0);
        assert_true(read->event_count > 80000);
        assert_int_equal(count(read, TRACE_ALLOCATE, 5005), 0); /* that is the children's business */
        assert_int_equal(read->summary.live_buffers < 200, 1);
        trace_destroy(read);
    }
}

static void each_process_has_a_trace_of_its_own(void **state) {
    (void)state;
    int with_3003 = 0;
    int with_3004 = 0;
    int with_1012 = 0;
    (void)count_files(folder, true);
    assert_int_equal(record("-o 'f-%p.pbtrace' -- " RECORD_TARGET " forks"), 0);
    assert_int_equal(count_files(folder, false), 4); /* the parent, two children, and what the second one executed */
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (entry->d_name[0] != '.') {
            trace *read = read_trace(entry->d_name);
            with_3003 += count(read, TRACE_ALLOCATE, 3003) == 1;
            with_3004 += count(read, TRACE_ALLOCATE, 3004) == 1;
            with_1012 += count(read, TRACE_ALLOCATE, 1012) == 1;
            if (count(read, TRACE_ALLOCATE, 3003) == 1) {
                assert_int_equal(read->event_count, 1);
                assert_int_equal(read->summary.skipped_releases, 1);
            }
            trace_destroy(read);
        }
    }
    (void)closedir(entries);
    assert_int_equal(with_3003, 2);
    assert_int_equal(with_3004, 1);
    assert_int_equal(with_1012, 1);
    (void)count_files(folder, true);
}

static void however_a_program_ends_its_events_are_there(void **state) {
    (void)state;
    static const struct {
        const char *mode;
        const char *message;
    } ends[] = {{"killed", "was ended by signal 9 (KILL)"},
                {"terminated", "was ended by signal 15 (TERM)"},
                {"quick_exit", "ended with status 5"},
                {"_exit", "ended with status 3"},
                {"return", "ended with status 9"}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        trace *read = record_mode(ends[i].mode, 1);
        assert_int_equal(count(read, TRACE_ALLOCATE, 4004), 1);
        assert_non_null(strstr(messages, ends[i].message));
        trace_destroy(read);
    }
}

static void a_signal_handler_that_allocates_is_recorded(void **state) {
    (void)state;
    trace *read = record_mode("signal", 0);
    assert_int_equal(count(read, TRACE_ALLOCATE, 6006), 1);
    trace_destroy(read);
}

static void the_tables_grow_with_the_live_set(void **state) {
    (void)state;
    trace *read = record_mode("hoard", 0);
    assert_true(count(read, TRACE_ALLOCATE, 24) >= 200000);
    assert_true(read->slot_count >= 200000);
    trace_destroy(read);
}

static void record_shape(const char *mode, shape *out) {
    char arguments[PATH_MAX];
    char path[PATH_MAX];
    (void)snprintf(arguments, sizeof arguments, "--shape -o s.pbshape -- %s %s", RECORD_TARGET, mode);
    if (record(arguments) != 0) {
        fail_msg("%s: %s", mode, messages);
    }
    (void)snprintf(path, sizeof path, "%s/s.pbshape", folder);
    if (!shape_read(path, out, error, sizeof error)) {
        fail_msg("%s", error);
    }
    (void)unlink(path);
}

static uint64_t count_lives(const shape *of, uint32_t size, bool hops) {
    uint64_t count = 0;
    for (unsigned life = 0; life < SHAPE_LIVES; life++) {
        count += of->counts[shape_size_class(size)][life][hops];
    }
    return count;
}

/* Programs whose buffers are known: of these sizes nobody else allocates any. */
static void a_shape_counts_what_the_program_did(void **state) {
    (void)state;
    shape found;
    record_shape("many", &found); /* allocated and freed at once */
    assert_int_equal(found.counts[shape_size_class(7007)][0][0], 300000);
    assert_int_equal(count_lives(&found, 7007, false), 300000);
    assert_int_equal(found.threads, 1);
    record_shape("neighbours", &found); /* 4 x 1000 handed over, of which every third grows */
    assert_int_equal(count_lives(&found, 2000, true), 4 * 666);
    assert_int_equal(count_lives(&found, 2100, true), 4 * 334);
    assert_int_equal(count_lives(&found, 2100, false), 0);
    assert_int_equal(found.threads, 5);
    assert_int_equal(found.resizes, 4 * 334);
    record_shape("hoard", &found); /* never freed */
    assert_in_range(found.counts[shape_size_class(24)][SHAPE_KEPT][0], 200000, 200100);
    assert_in_range(found.peak_live_buffers, 200000, 200100);
}

static uint64_t count_kind(const trace *read, trace_kind kind) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < read->event_count; i++) {
        found += read->events[i].kind == (uint32_t)kind;
    }
    return found;
}

static void record_buffers(const char *arguments) {
    if (record(arguments) != 0) {
        fail_msg("%s: %s", arguments, messages);
    }
}

/* What record_buffers.c does, to the event: nothing of what malloc was asked beneath. */
static void a_program_with_buffers_has_its_buffers_recorded(void **state) {
    (void)state;
    record_buffers("-o t.pbtrace -- " RECORD_BUFFERS);
    trace *read = read_trace("t.pbtrace");
    uint64_t sized = 0;
    uint64_t handed = 0;
    assert_int_equal(read->source, TRACE_OF_BUFFERS);
    assert_int_equal(count_kind(read, TRACE_ALLOCATE), 1001);
    assert_int_equal(count_kind(read, TRACE_RELEASE), 1001);
    assert_int_equal(count_kind(read, TRACE_RETAIN), 1000);
    assert_int_equal(count_kind(read, TRACE_SLICE), 250);
    assert_int_equal(count_kind(read, TRACE_DROP), 1250);
    assert_int_equal(count_kind(read, TRACE_RESIZE), 334);
    assert_int_equal(count(read, TRACE_RESIZE, 5000), 334);
    assert_int_equal(count(read, TRACE_SLICE, 1), 250); /* each with a reference of its own */
    assert_int_equal(read->reference_count, 2500);
    assert_int_equal(read->thread_count, 2);
    assert_int_equal(read->summary.skipped_releases, 0);
    assert_int_equal(read->summary.live_buffers, 0);
    for (uint64_t i = 0; i < read->event_count; i++) {
        const trace_event *event = &read->events[i];
        sized += event->kind == TRACE_ALLOCATE && event->size >= 1000 && event->size < 1007;
        handed += event->kind == TRACE_RELEASE && event->thread == 1;
    }
    assert_int_equal(sized, 1000);
    assert_int_equal(handed, 1000);
    assert_non_null(strstr(messages, "1000 retains, 1250 releases that were not the last, 250 slices"));
    trace_destroy(read);
}

/* What a buffer holds when its end comes, which gives back all of it: 1, but for one of 777 bytes. */
static void check_references(const trace *read) {
    uint64_t *held = calloc(read->slot_count, sizeof *held);
    uint32_t *sizes = calloc(read->slot_count, sizeof *sizes);
    assert_non_null(held);
    assert_non_null(sizes);
    for (uint64_t i = 0; i < read->event_count; i++) {
        const trace_event *event = &read->events[i];
        uint64_t *of = &held[event->slot];
        if (event->kind == TRACE_ALLOCATE) {
            *of = 1;
            sizes[event->slot] = event->size;
        } else if (event->kind == TRACE_RELEASE) {
            assert_int_equal(*of, sizes[event->slot] == 777 ? 7 : 1);
        } else if (event->kind == TRACE_DROP) {
            assert_true(*of > event->size); /* others remain */
            *of -= event->size;
        } else {
            *of += event->kind != TRACE_RESIZE ? event->size : 0;
        }
    }
    free(held);
    free(sizes);
}

static void every_reference_is_given_back_once_in_whatever_order(void **state) {
    (void)state;
    record_buffers("-o t.pbtrace -- " RECORD_BUFFERS " ends");
    trace *read = read_trace("t.pbtrace");
    assert_int_equal(count_kind(read, TRACE_ALLOCATE), 6 + 2);
    assert_int_equal(count_kind(read, TRACE_RELEASE), 6 + 2);
    assert_int_equal(count(read, TRACE_RETAIN, 300000000), 1);
    assert_int_equal(count(read, TRACE_DROP, 300000000), 1);
    check_references(read);
    trace_destroy(read);
    record_buffers("-o t.pbtrace -- " RECORD_BUFFERS " race");
    read = read_trace("t.pbtrace");
    assert_int_equal(count_kind(read, TRACE_ALLOCATE), 30000);
    assert_int_equal(count_kind(read, TRACE_RELEASE), 30000);
    assert_int_equal(count_kind(read, TRACE_RETAIN), 20000);
    assert_int_equal(count_kind(read, TRACE_SLICE), 20000);
    assert_int_equal(count_kind(read, TRACE_DROP), 40000);
    check_references(read);
    trace_destroy(read);
}

static uint64_t count_played_kind(const stream *made, stream_kind kind) {
    uint64_t found = 0;
    for (size_t i = 0; i < (size_t)made->phase_count * made->thread_count; i++) {
        const stream_thread *thread = &made->phases[i / made->thread_count].threads[i % made->thread_count];
        for (size_t at = 0; at < thread->op_count; at++) {
            found += stream_op_kind(thread->ops[at]) == kind;
        }
    }
    return found;
}

/* At each checkpoint of the recorder's a phase ends, with what was live there. */
static void check_curve(const trace *read, const stream *made) {
    assert_int_equal(read->checkpoint_count, 4);
    for (uint32_t c = 0; c < read->checkpoint_count; c++) {
        assert_int_equal(made->phases[c].end_live_buffers, read->checkpoints[c].live_buffers);
        assert_int_equal(made->phases[c].end_live_bytes, read->checkpoints[c].live_bytes);
    }
}

/* A run fails where a subject holds anything else when a phase ends. */
static void check_subjects(const char *name) {
    char command[PATH_MAX + 256];
    (void)snprintf(command, sizeof command,
                   "cd %s && exec %s run %s --rounds 1 --subject null --subject malloc --subject pooled --subject "
                   "unpooled --subject fixed >run.out 2>&1",
                   folder, POOLBUF_PROGRAM, name);
    if (system(command) != 0) { // NOLINT(cert-env33-c,concurrency-mt-unsafe)
        fail_msg("%s; see %s/run.out", command, folder);
    }
}

static void buffers_replay_with_their_growth_and_their_references(void **state) {
    (void)state;
    char path[PATH_MAX];
    char told[512];
    scenario *from = NULL;
    stream *made = NULL;
    replay_plan plan;
    record_buffers("-o t.pbtrace -- " RECORD_BUFFERS " leak");
    assert_null(strstr(messages, "LEAK")); /* by a detector that has seen nothing */
    trace *read = read_trace("t.pbtrace");
    (void)snprintf(path, sizeof path, "%s/t.pbtrace", folder);
    if (!scenario_load(path, &from, error, sizeof error) ||
        !stream_generate(from, 1, false, &made, error, sizeof error) || !stream_audit(made, error, sizeof error)) {
        fail_msg("%s", error);
        return;
    }
    assert_null(replay_plan_make(&plan, read, 2));
    (void)replay_plan_tell(&plan.counts, told, sizeof told);
    assert_non_null(
        strstr(from->source, "recorded from poolbuf's buffers of record_buffers: 4835 events, 2 threads; "));
    assert_non_null(strstr(from->source, told));
    const replay_count *left = &plan.counts.left_out[REPLAY_RESIZED]; /* each third grows with a reference out */
    assert_int_equal(plan.counts.recorded.retains, 1000);
    assert_int_equal(plan.counts.recorded.slices, 250);
    assert_int_equal(plan.counts.recorded.drops, 1250);
    assert_int_equal(left->retains, 334);
    assert_int_equal(left->slices, 0);
    assert_int_equal(left->drops, 334);
    assert_int_equal(count_played_kind(made, STREAM_RETAIN), 1000 - 334);
    assert_int_equal(count_played_kind(made, STREAM_SLICE), 250);
    assert_int_equal(count_played_kind(made, STREAM_DROP), 1250 - 334);
    assert_non_null(strstr(told, "; left out, held over a resize: 334 retains, 334 releases"));
    assert_null(strstr(told, "held over a resize: 334 retains, 334 releases;"));
    assert_int_equal(made->allocation_count, 1001);
    assert_int_equal(count_played_kind(made, STREAM_RESIZE), 334);
    assert_int_equal(count_played_kind(made, STREAM_RELEASE), 1001);
    assert_string_equal(made->phases[made->phase_count - 1].name, "trace.drain");
    check_curve(read, made);
    check_subjects("t.pbtrace");
    replay_plan_destroy(&plan);
    stream_destroy(made);
    scenario_destroy(from);
    trace_destroy(read);
}

static void what_is_recorded_can_be_chosen(void **state) {
    (void)state;
    record_buffers("--events malloc -o t.pbtrace -- " RECORD_BUFFERS);
    trace *read = read_trace("t.pbtrace");
    assert_int_equal(read->source, TRACE_OF_MALLOC);
    assert_int_equal(count(read, TRACE_ALLOCATE, 7007), 1);
    assert_int_equal(read->reference_count, 0);
    trace_destroy(read);
    record_buffers("--events buffers -o t.pbtrace -- " RECORD_BUFFERS);
    read = read_trace("t.pbtrace");
    assert_int_equal(read->source, TRACE_OF_BUFFERS);
    trace_destroy(read);
    assert_int_equal(record("--events buffers -o t.pbtrace -- " RECORD_TARGET " basic"), 6);
    assert_non_null(strstr(messages, "or has no buffers"));
    assert_non_null(strstr(messages, ", or give --events malloc\n"));
    assert_int_equal(record("--events malloc -o t.pbtrace -- " RECORD_TARGET " quiet"), 6);
    assert_null(strstr(messages, "--events"));
}

static void write_script(const char *name, const char *text) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static void what_cannot_be_recorded_is_refused_in_one_line(void **state) {
    (void)state;
    static const struct {
        const char *arguments;
        int status;
        const char *message;
    } bad[] = {
        {"-- " RECORD_STATIC, 6,
         "is linked statically, so nothing can be preloaded; record a dynamically linked build\n"},
        {"-- " RECORD_TARGET " quiet", 6, "recorded nothing: "},
        {"-- /nowhere/program", 2, "cannot run /nowhere/program: there is no such program; "},
        {"-- no-such-program-anywhere", 2, "there is no such program; "},
        {"-- /tmp", 2, "cannot run /tmp: it is a folder; give a program\n"},
        {"-- /etc/passwd", 2, "cannot run /etc/passwd: it is not executable; chmod +x makes it so\n"},
        {"-- ./no-interpreter", 2, "cannot run ./no-interpreter: No such file or directory; give a program that can"},
        {"-o /nowhere/t.pbtrace -- " RECORD_TARGET " basic", 2, "cannot write /nowhere/t.pbtrace: "},
        {"-o '/nowhere/%p.pbtrace' -- " RECORD_TARGET " basic", 2, "cannot write /nowhere/%p.pbtrace: "},
        {"-o t.pbshape -- " RECORD_TARGET " basic", 2,
         "writes a trace there; give a name that ends in .pbtrace, or --sh"},
        {"-o t.yaml -- " RECORD_TARGET " basic", 2, "writes a trace there; give a name that ends in .pbtrace; see"},
        {"--shape -o t.pbtrace -- " RECORD_TARGET " basic", 2,
         "writes a shape there; give a name that ends in .pbshape;"},
        {"--max-events 0 -- " RECORD_TARGET " basic", 2, "is not a whole number from 1 to "},
        {"", 2, ""},
    };
    (void)count_files(folder, true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_script("no-interpreter", "#!/nowhere/interpreter\n");
        int status = record(bad[i].arguments);
        if (status != bad[i].status || strstr(messages, bad[i].message) == NULL) {
            fail_msg("%s: %d, %s", bad[i].arguments, status, messages);
        }
        char *end = strchr(messages, '\n');
        assert_non_null(end);
        assert_int_equal(end[1], '\0');
        assert_int_equal(count_files(folder, true), 1); /* nothing but the script is left behind */
    }
}

static void an_interrupt_reaches_the_program_and_the_trace_is_written(void **state) {
    (void)state;
    char ready[PATH_MAX / 2]; /* a pipe by which the program says that it runs: the signal must not come before */
    char arguments[2 * PATH_MAX];
    (void)count_files(folder, true);
    (void)snprintf(ready, sizeof ready, "%s/ready", folder);
    assert_int_equal(mkfifo(ready, 0600), 0);
    (void)snprintf(arguments, sizeof arguments,
                   "-o t.pbtrace -- %s waiting >%s & read -r line <%s; kill -TERM $!; wait $!", RECORD_TARGET, ready,
                   ready);
    assert_int_equal(record(arguments), 1);
    trace *read = read_trace("t.pbtrace");
    assert_string_equal(read->program, "record_target");
    assert_int_equal(count(read, TRACE_ALLOCATE, 4004), 1);
    trace_destroy(read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_of_the_family_is_recorded),
        cmocka_unit_test(threads_and_their_hand_overs_are_recorded),
        cmocka_unit_test(what_was_recorded_replays),
        cmocka_unit_test(every_hand_over_is_replayed_between_the_threads_that_made_it),
        cmocka_unit_test(a_recording_has_checkpoints_and_its_replay_ends_phases_at_them),
        cmocka_unit_test(racing_threads_and_forks_leave_a_sound_trace),
        cmocka_unit_test(each_process_has_a_trace_of_its_own),
        cmocka_unit_test(however_a_program_ends_its_events_are_there),
        cmocka_unit_test(a_signal_handler_that_allocates_is_recorded),
        cmocka_unit_test(the_tables_grow_with_the_live_set),
        cmocka_unit_test(a_shape_counts_what_the_program_did),
        cmocka_unit_test(a_program_with_buffers_has_its_buffers_recorded),
        cmocka_unit_test(every_reference_is_given_back_once_in_whatever_order),
        cmocka_unit_test(buffers_replay_with_their_growth_and_their_references),
        cmocka_unit_test(what_is_recorded_can_be_chosen),
        cmocka_unit_test(what_cannot_be_recorded_is_refused_in_one_line),
        cmocka_unit_test(an_interrupt_reaches_the_program_and_the_trace_is_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
