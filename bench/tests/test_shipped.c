/* The scenarios, suites and traces that the repository ships: all load, all streams keep their invariants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "record/trace.h"
#include "scenario/stream.h"

static char error[1024];

static int use_the_source_tree(void **state) {
    (void)state;
    return setenv("POOLBUF_SCENARIOS", SHIPPED_SCENARIOS, 1);
}

static scenario *load(const char *name) {
    char path[PATH_MAX];
    scenario *from = NULL;
    if (!scenario_find(name, path, sizeof path, error, sizeof error) ||
        !scenario_load(path, &from, error, sizeof error)) {
        fail_msg("%s", error);
    }
    return from;
}

/* Many buffers; or few, with which much is done, as with frames that are cut from one; or few that are large. */
static bool is_enough_to_measure(const stream *made) {
    return made->allocation_count > 10000 || made->operation_count > 100000 || made->peak_live_bytes >= 8u << 20;
}

static void every_scenario_loads_and_its_stream_is_sound(void **state) {
    (void)state;
    char **names = NULL;
    size_t count = scenario_list(&names);
    assert_true(count >= 46);
    for (size_t i = 0; i < count; i++) {
        scenario *from = load(names[i]);
        assert_string_equal(from->name, names[i]);
        assert_int_equal(from->asks[strlen(from->asks) - 1], '?');
        stream *made = NULL;
        if (!stream_generate(from, 1, true, &made, error, sizeof error) || !stream_audit(made, error, sizeof error)) {
            fail_msg("%s: %s", names[i], error);
        }
        if (!is_enough_to_measure(made)) {
            fail_msg("%s has too little to do when it is quick", names[i]);
        }
        stream_destroy(made);
        scenario_destroy(from);
    }
    scenario_names_destroy(names, count);
}

static void every_suite_loads_and_names_scenarios_that_exist(void **state) {
    (void)state;
    char **names = NULL;
    char path[PATH_MAX];
    size_t count = scenario_suite_list(&names);
    assert_true(count >= 2);
    for (size_t i = 0; i < count; i++) {
        scenario_suite *suite = NULL;
        if (!scenario_suite_find(names[i], path, sizeof path, error, sizeof error) ||
            !scenario_suite_load(path, &suite, error, sizeof error)) {
            fail_msg("%s", error);
            return;
        }
        assert_string_equal(suite->name, names[i]);
        for (uint32_t s = 0; s < suite->scenarios_count; s++) {
            if (!scenario_find(suite->scenarios[s], path, sizeof path, error, sizeof error)) {
                fail_msg("%s", error);
            }
        }
        scenario_suite_destroy(suite);
    }
    scenario_names_destroy(names, count);
}

/* What is shipped can be run by one name, and nothing is forgotten. */
static void the_full_suite_has_every_scenario(void **state) {
    (void)state;
    char **names = NULL;
    char path[PATH_MAX];
    scenario_suite *suite = NULL;
    size_t count = scenario_list(&names);
    if (!scenario_suite_find("full", path, sizeof path, error, sizeof error) ||
        !scenario_suite_load(path, &suite, error, sizeof error)) {
        fail_msg("%s", error);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;
        for (uint32_t s = 0; s < suite->scenarios_count; s++) {
            is_there = is_there || strcmp(suite->scenarios[s], names[i]) == 0;
        }
        if (!is_there) {
            fail_msg("%s is not in scenarios/suites/full.yaml", names[i]);
        }
    }
    scenario_suite_destroy(suite);
    scenario_names_destroy(names, count);
}

static bool same_weights(const scenario_sizes *a, const scenario_sizes *b) {
    return a->weighted_count > 0 && a->weighted_count == b->weighted_count &&
           memcmp(a->weighted, b->weighted, a->weighted_count * sizeof *a->weighted) == 0;
}

/* Those whose source names another one, as larson's does, do not count. */
static bool is_of_servers(const char *name) {
    return strncmp(name, "churn", 5) == 0 || strncmp(name, "resident", 8) == 0;
}

/* Files cannot share a mix, so each says it again; their answers are about the same sizes only as long as all agree. */
static void every_churn_has_the_mix_of_the_recorded_servers(void **state) {
    (void)state;
    char **names = NULL;
    size_t count = scenario_list(&names);
    scenario *first = load("churn");
    unsigned churns = 0;
    for (size_t i = 0; i < count; i++) {
        scenario *from = load(names[i]);
        for (uint32_t p = 0; p < from->phases_count; p++) {
            if (is_of_servers(names[i]) && from->phases[p].kind == SCENARIO_CHURN) {
                churns++;
                if (!same_weights(from->phases[p].sizes, first->phases[0].sizes)) {
                    fail_msg("%s has other sizes than churn", names[i]);
                }
            }
        }
        scenario_destroy(from);
    }
    assert_true(churns >= 7);
    scenario_destroy(first);
    scenario_names_destroy(names, count);
}

/* What the crowd's throughput is held against: the same work, the same live set, on fewer threads. */
static void two_threads_and_64_do_the_same_work(void **state) {
    (void)state;
    scenario *few = load("churn-2-threads");
    scenario *many = load("churn-64-threads");
    assert_int_equal(few->threads * few->phases[0].live, many->threads * many->phases[0].live);
    assert_int_equal(few->threads * few->phases[0].operations, many->threads * many->phases[0].operations);
    scenario_destroy(few);
    scenario_destroy(many);
}

static bool is_trace(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, ".pbtrace") == 0;
}

/* The replay's live counts, against the trace's own, counted here in another way, and against the recorder's. */
static void a_replay_holds_what_the_recorder_counted(void **state) {
    (void)state;
    DIR *folder = opendir(SHIPPED_SCENARIOS "/traces");
    unsigned traces = 0;
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!is_trace(entry->d_name)) {
            continue;
        }
        traces++;
        char path[PATH_MAX];
        trace *recorded = NULL;
        stream *made = NULL;
        scenario *from = NULL;
        (void)snprintf(path, sizeof path, "%s/traces/%s", SHIPPED_SCENARIOS, entry->d_name);
        assert_true(trace_read(path, &recorded, error, sizeof error));
        assert_true(scenario_load(path, &from, error, sizeof error));
        assert_true(stream_generate(from, 1, false, &made, error, sizeof error));
        uint32_t *sizes = calloc(recorded->slot_count, sizeof *sizes);
        uint64_t bytes = 0;
        uint64_t buffers = 0;
        for (uint64_t e = 0; e < recorded->event_count; e++) {
            const trace_event *event = &recorded->events[e];
            if (event->kind == TRACE_RETAIN || event->kind == TRACE_DROP || event->kind == TRACE_SLICE) {
                continue;
            }
            bytes = bytes - sizes[event->slot] + event->size;
            buffers += event->kind == TRACE_ALLOCATE;
            buffers -= event->kind == TRACE_RELEASE;
            sizes[event->slot] = event->size;
        }
        free(sizes);
        const stream_phase *last = &made->phases[made->phase_count - (buffers > 0 ? 2 : 1)];
        assert_true(recorded->checkpoint_count > 10);
        for (uint32_t c = 0; c < recorded->checkpoint_count; c++) {
            assert_int_equal(made->phases[c].end_live_buffers, recorded->checkpoints[c].live_buffers);
            assert_int_equal(made->phases[c].end_live_bytes, recorded->checkpoints[c].live_bytes);
        }
        assert_int_equal(last->end_live_buffers, buffers);
        assert_int_equal(last->end_live_bytes, bytes);
        assert_int_equal(made->peak_live_bytes, recorded->peak_live_bytes);
        assert_int_equal(made->phases[made->phase_count - 1].end_live_bytes, 0);
        stream_destroy(made);
        scenario_destroy(from);
        trace_destroy(recorded);
    }
    (void)closedir(folder);
    assert_int_equal(traces, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scenario_loads_and_its_stream_is_sound),
        cmocka_unit_test(every_suite_loads_and_names_scenarios_that_exist),
        cmocka_unit_test(the_full_suite_has_every_scenario),
        cmocka_unit_test(every_churn_has_the_mix_of_the_recorded_servers),
        cmocka_unit_test(two_threads_and_64_do_the_same_work),
        cmocka_unit_test(a_replay_holds_what_the_recorder_counted),
    };
    return cmocka_run_group_tests(tests, use_the_source_tree, NULL);
}
