/* Unit tests of model.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/facts.h"
#include "reports/leaks_baseline.h"
#include "reports/model.h"
#include "reports/results_notes.h"

static void nodes_keep_their_address_while_lists_grow(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *first = results_model_add_scenario(model, "0");
    for (int i = 1; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        results_model_add_scenario(model, name);
    }
    assert_int_equal(model->scenario_count, 1000);
    assert_ptr_equal(model->scenarios[0], first);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        assert_string_equal(model->scenarios[i]->name, name);
    }
    results_model_destroy(model);
}

static void what_nobody_filled_is_unknown_and_not_zero(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *scenario = results_model_add_scenario(model, "s");
    results_result *result = results_scenario_add_result(model, scenario, "malloc");
    results_sample *sample = results_result_add_sample(model, result);
    assert_true(isnan(scenario->line_round_trip_ns));
    assert_true(isnan(result->time_ns_per_op.median));
    assert_true(isnan(sample->time_ns_per_op));
    assert_int_equal(sample->page_faults_minor, MODEL_UNKNOWN);
    assert_int_equal(result->ratio.verdict, VERDICT_UNKNOWN);
    results_model_destroy(model);
}

static void a_text_larger_than_a_block_is_copied_whole(void **state) {
    (void)state;
    results_model *model = results_model_create();
    static char text[100000];
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        text[i] = (char)('a' + i % 26);
    }
    results_model_add_command(model, text);
    results_model_add_command(model, "after");
    assert_string_equal(model->command[0], text);
    assert_string_equal(model->command[1], "after");
    results_model_destroy(model);
}

static leaks_model *one_process(const char *fingerprint, uint64_t pid, uint64_t count, uint64_t oldest) {
    leaks_model *model = leaks_model_create();
    leaks_process *process = leaks_model_add_process(model);
    process->pid = pid;
    process->exact = (leaks_exact){count, count * 100, 50};
    leaks_group *group = leaks_model_add_group(model, fingerprint);
    group->type = "poolbuf";
    group->count = count;
    group->bytes = count * 100;
    group->estimated_count = (leaks_estimate){1.0, 0.5, 2.0};
    group->age_ms = (leaks_age){oldest, oldest / 2};
    leaks_group_add_frame(model, group)->function = "leak_here";
    leaks_access *access = leaks_group_add_access(model, group, "retain");
    access->count = 1;
    leaks_access_add_frame(model, access)->function = "hold";
    return model;
}

static void merging_joins_groups_of_one_fingerprint(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    leaks_model *parts[] = {one_process("00000000000000aa", 1, 3, 10), one_process("00000000000000aa", 2, 4, 30),
                            one_process("00000000000000bb", 3, 5, 20)};
    for (size_t i = 0; i < 3; i++) {
        leaks_model_merge(all, parts[i]);
        leaks_model_destroy(parts[i]);
    }
    assert_int_equal(all->process_count, 3);
    assert_int_equal(all->group_count, 2);
    const leaks_group *joined = all->groups[0];
    assert_int_equal(joined->count, 7);
    assert_int_equal(joined->bytes, 700);
    assert_int_equal(joined->processes, 2);
    assert_int_equal(joined->age_ms.oldest, 30);
    assert_int_equal(joined->age_ms.newest, 5);
    assert_true(joined->estimated_count.high > 3.9 && joined->estimated_count.high < 4.1);
    assert_int_equal(joined->allocation_stack_count, 1);
    assert_int_equal(joined->access_count, 1);
    assert_int_equal(joined->accesses[0]->count, 2);
    assert_string_equal(joined->accesses[0]->stack[0]->function, "hold");
    assert_int_equal(leaks_model_exact(all).live_buffers, 12);
    assert_int_equal(leaks_model_tracked(all).seen, MODEL_UNKNOWN);
    leaks_model_destroy(all);
}

static void groups_of_other_things_are_not_of_the_buffers_that_are_counted(void **state) {
    (void)state;
    leaks_model *model = one_process("00000000000000aa", 1, 3, 10);
    assert_true(leaks_model_has_buffers(model));
    assert_string_equal(answer_leaks(model), "1 leaking call stack: 3 (300 B)");
    leaks_group *session = leaks_model_add_group(model, "00000000000000bb");
    session->type = "session";
    session->count = 2;
    session->bytes = 0;
    assert_string_equal(answer_leaks(model), "2 leaking call stacks: 5 (300 B)");
    model->groups[0]->type = "session";
    assert_false(leaks_model_has_buffers(model));
    assert_string_equal(answer_leaks(model), "2 leaking call stacks: 5 (300 B); and 3 buffers, none of them sampled: "
                                             "run again with POOLBUF_LEAK_LEVEL=paranoid to see where");
    leaks_model_destroy(model);
}

/* A report of one process, with a leak at each of these lines of one function; its fingerprints are numbered as the detector
 * does. */
static leaks_model *one_with_lines(const char *build_id, const uint64_t *lines, size_t count) {
    static const char *const NAMES[] = {"8ff542645c7ef9fe", "3b9812734a5041db", "0000000000000003"};
    leaks_model *model = leaks_model_create();
    leaks_model_add_process(model)->pid = 1;
    for (size_t i = 0; i < count; i++) {
        leaks_group *group = leaks_model_add_group(model, NAMES[i]);
        group->type = "poolbuf";
        group->count = lines[i];
        leaks_frame *frame = leaks_group_add_frame(model, group);
        frame->function = "handle";
        frame->file = "sites.c";
        frame->line = lines[i];
        frame->module = "sites";
        frame->build_id = build_id;
        leaks_group_add_frame(model, group)->function = "main";
    }
    return model;
}

static void take(leaks_model *all, leaks_model *part) {
    leaks_model_merge(all, part);
    leaks_model_destroy(part);
}

static void merging_tells_sites_of_one_function_apart(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    take(all, one_with_lines("aa", (uint64_t[]){9}, 1));
    take(all, one_with_lines("aa", (uint64_t[]){7}, 1)); /* the same fingerprint, another line */
    assert_int_equal(all->group_count, 2);
    assert_string_equal(all->groups[1]->fingerprint, "8ff542645c7ef9fe"); /* in the order of lines */
    assert_string_equal(all->groups[0]->fingerprint, "3b9812734a5041db");
    take(all, one_with_lines("aa", (uint64_t[]){7, 9}, 2)); /* the same lines, the second by another fingerprint */
    assert_int_equal(all->group_count, 2);
    assert_int_equal(all->groups[0]->count, 18);
    assert_int_equal(all->groups[1]->count, 14);
    take(all, one_with_lines("aa", (uint64_t[]){8}, 1));
    assert_int_equal(all->group_count, 3);
    assert_string_equal(all->groups[1]->fingerprint, "8ff542645c7ef9fe");
    assert_string_equal(all->groups[2]->fingerprint, "3b9812734a5041db");
    leaks_model_destroy(all);
}

static void lines_of_two_builds_are_not_compared(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    take(all, one_with_lines("aa", (uint64_t[]){7, 9}, 2));
    take(all, one_with_lines("bb", (uint64_t[]){9, 11}, 2)); /* two lines were inserted above */
    assert_int_equal(all->group_count, 2);
    assert_int_equal(all->groups[0]->count, 7 + 9);
    assert_int_equal(all->groups[1]->count, 9 + 11);
    leaks_model_destroy(all);
}

/* One leaked buffer whose `retain` at a line was taken so often and given back less often. */
static leaks_model *one_with_holders(uint64_t taken, uint64_t given, uint64_t line, bool decided) {
    leaks_model *model = one_process("00000000000000aa", 1, 1, 10);
    leaks_group *group = model->groups[0];
    group->lost = 1;
    group->sizes = (leaks_sizes){line, line, line, false};
    group->growth = (leaks_growth){1, -5, 1, 1, line == 7};
    group->holders.open = taken - given;
    group->holders.decided = decided;
    group->holders.balanced = 1;
    group->holders.unbalanced = 0;
    group->holders.elsewhere = (leaks_elsewhere){1, 2};
    group->holders.released_ones = 3;
    static const char *const KINDS[] = {"allocation", "retain", "release"};
    const uint64_t counts[] = {1, taken, given + 1};
    for (size_t i = 0; i < 3; i++) {
        leaks_site *site = leaks_group_add_site(model, group, KINDS[i]);
        leaks_frame *frame = leaks_site_add_frame(model, site);
        site->count = counts[i];
        site->usual = 3;
        site->open = !decided ? MODEL_UNKNOWN : i == 1 ? taken - given : 0;
        site->suspect = i == 1;
        site->deviant = i == 2;
        site->thread = line == 7 ? "io" : "main";
        frame->function = "hold";
        frame->file = "a.c";
        frame->line = i == 1 ? line : i;
    }
    leaks_misuse *misuse = leaks_model_add_misuse(model, "release of a buffer whose last reference is gone");
    misuse->count = 2;
    return model;
}

static void balances_of_several_processes_add_up_by_line(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    leaks_model *parts[] = {one_with_holders(10, 9, 7, true), one_with_holders(4, 3, 7, true),
                            one_with_holders(2, 1, 8, true)};
    for (size_t i = 0; i < 3; i++) {
        leaks_model_merge(all, parts[i]);
        leaks_model_destroy(parts[i]);
    }
    const leaks_group *group = all->groups[0];
    const leaks_holders *holders = &group->holders;
    assert_int_equal(all->group_count, 1);
    assert_int_equal(group->lost, 3);
    assert_int_equal(holders->open, 3);
    assert_true(holders->decided);
    assert_int_equal(holders->balanced, 3);
    assert_int_equal(holders->elsewhere.taken, 3);
    assert_int_equal(holders->elsewhere.given, 6);
    assert_int_equal(holders->released_ones, 9);
    assert_int_equal(holders->site_count, 4); /* two retains: their lines differ */
    assert_int_equal(holders->sites[1]->count, 14);
    assert_int_equal(holders->sites[1]->open, 2);
    assert_int_equal(holders->sites[3]->count, 2);
    assert_int_equal(holders->sites[3]->open, 1);
    assert_int_equal(holders->sites[2]->count, 16);
    assert_true(holders->sites[2]->deviant); /* in all three */
    assert_true(holders->sites[2]->several_threads);
    assert_false(holders->sites[1]->several_threads);
    assert_int_equal(group->sizes.least, 7);
    assert_int_equal(group->sizes.greatest, 8);
    assert_int_equal(group->sizes.median, 7);
    assert_true(group->sizes.rounded);
    assert_int_equal(group->growth.count, 3);
    assert_int_equal(group->growth.bytes, -15);
    assert_false(group->growth.is_new);
    assert_int_equal(all->misuse_count, 1);
    assert_int_equal(all->misuses[0]->count, 6);
    assert_int_equal(all->misuses[0]->processes, 3);
    leaks_model_destroy(all);
}

static void a_balance_is_decided_only_if_all_of_its_parts_are(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    leaks_model *parts[] = {one_with_holders(10, 9, 7, true), one_with_holders(2, 1, 7, false),
                            one_process("00000000000000aa", 9, 1, 1)};
    for (size_t i = 0; i < 3; i++) {
        leaks_model_merge(all, parts[i]);
        leaks_model_destroy(parts[i]);
    }
    const leaks_holders *holders = &all->groups[0]->holders;
    assert_false(holders->decided);
    assert_int_equal(holders->open, 2);
    for (size_t i = 0; i < holders->site_count; i++) {
        assert_int_equal(holders->sites[i]->open, MODEL_UNKNOWN);
    }
    assert_true(holders->sites[1]->suspect);
    leaks_model_destroy(all);
}

static leaks_model *one_sampled(const char *fingerprint, uint64_t count, double low, double high) {
    leaks_model *model = one_process(fingerprint, 1, count, 10);
    model->groups[0]->estimated_count = (leaks_estimate){(low + high) / 2, low, high};
    return model;
}

static leaks_standing standing_of(leaks_model *model, const leaks_model *baseline) {
    (void)leaks_compare(model, baseline);
    leaks_standing standing = model->groups[0]->baseline.standing;
    leaks_model_destroy(model);
    return standing;
}

static void what_leaked_in_all_is_what_somebody_counted(void **state) {
    (void)state;
    leaks_model *model = one_process("00000000000000aa", 1, 3, 10);
    model->processes[0]->unseen_buffers = 0;
    leaks_group *session = leaks_model_add_group(model, "00000000000000bb");
    session->type = "session";
    session->count = 2;
    session->bytes = 50;
    model->processes[0]->exact = (leaks_exact){100, 10000, 5000}; /* the sample saw three */
    assert_string_equal(answer_leaks(model),
                        "2 leaking call stacks: 102 leaked in all (9.81 KiB); seen with a stack: 5 (350 B)");
    leaks_model *child = one_process("00000000000000aa", 2, 4, 10);
    child->processes[0]->exact = (leaks_exact){MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN};
    leaks_model_merge(model, child);
    assert_string_equal(answer_leaks(model),
                        "2 leaking call stacks: at least 102 leaked in all (9.81 KiB); seen with a stack: 9 (750 B)");
    model->processes[0]->exact = (leaks_exact){3, 300, 5000}; /* what the child lost is in nobody's exact count */
    assert_string_equal(answer_leaks(model), "2 leaking call stacks: 9 (750 B)");
    leaks_model_destroy(child);
    leaks_model_destroy(model);
}

static void only_what_is_certainly_more_has_grown(void **state) {
    (void)state;
    leaks_model *baseline = one_sampled("00000000000000aa", 5, 5, 5);
    assert_int_equal(standing_of(one_sampled("00000000000000aa", 5, 5, 5), baseline), STANDING_KNOWN);
    assert_int_equal(standing_of(one_sampled("00000000000000aa", 4, 4, 4), baseline), STANDING_KNOWN);
    assert_int_equal(standing_of(one_sampled("00000000000000aa", 6, 6, 6), baseline), STANDING_GROWN);
    assert_int_equal(standing_of(one_sampled("00000000000000aa", 6, 4, 900), baseline), STANDING_KNOWN);
    assert_int_equal(standing_of(one_sampled("00000000000000bb", 1, 1, 1), baseline), STANDING_NEW);
    leaks_model *other = one_sampled("00000000000000aa", 1, 1, 1);
    other->groups[0]->type = "session";
    assert_int_equal(standing_of(other, baseline), STANDING_NEW);
    leaks_model *unknown = one_sampled("00000000000000aa", 6, 6, 6);
    unknown->groups[0]->estimated_count = (leaks_estimate){MODEL_NAN, MODEL_NAN, MODEL_NAN};
    assert_int_equal(standing_of(unknown, baseline), STANDING_GROWN); /* by its count */
    leaks_model_destroy(baseline);
}

/* Memcheck may call the blocks of one site definitely and possibly lost. */
static void groups_of_one_fingerprint_are_compared_together(void **state) {
    (void)state;
    leaks_model *baseline = one_sampled("00000000000000aa", 5, 5, 5);
    leaks_model *part = one_sampled("00000000000000aa", 3, 3, 3);
    part->groups[0]->kind = "possibly lost";
    leaks_model *now = one_sampled("00000000000000aa", 3, 3, 3);
    leaks_model_merge(now, part);
    leaks_model_destroy(part);
    leaks_comparison compared = leaks_compare(now, baseline);
    assert_int_equal(compared.grown_groups, 2);
    assert_int_equal(compared.gone, 0);
    leaks_model_destroy(now);
    now = one_process("00000000000000bb", 1, 1, 1);
    compared = leaks_compare(now, baseline);
    assert_int_equal(compared.new_groups, 1);
    assert_int_equal(compared.gone, 1);
    leaks_model_destroy(now);
    leaks_model_destroy(baseline);
}

static leaks_model *one_with_rules(const char *first_state, uint64_t first_count, const char *second_state) {
    leaks_model *model = one_process("00000000000000aa", 1, 3, 10);
    model->processes[0]->exact.live_buffers += first_count;
    model->processes[0]->suppressed = (leaks_suppressed){1, first_count, 7};
    const leaks_suppression rules[] = {{"a.supp", "leak:x", first_state, NULL, NULL, 1, 1, first_count, 7, 9, 9},
                                       {"a.supp", "leak:x", second_state, NULL, NULL, 2, 0, 0, 0, 9, 9}};
    for (size_t i = 0; i < 2; i++) {
        leaks_suppression *rule = model_allocate(model->arena, sizeof *rule);
        *rule = rules[i];
        model_append(model->arena, &model->suppressions, &model->suppression_count, rule);
    }
    return model;
}

static void rules_of_several_processes_are_one_rule_each(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    leaks_model *parts[] = {one_with_rules("unused", 0, "unused"), one_with_rules("used", 5, "unused"),
                            one_with_rules("limit passed", 6, "unused"), one_with_rules("used", 1, "unused")};
    for (size_t i = 0; i < 4; i++) {
        leaks_model_merge(all, parts[i]);
        leaks_model_destroy(parts[i]);
    }
    assert_int_equal(all->suppression_count, 2);
    assert_string_equal(all->suppressions[0]->state, "limit passed");
    assert_int_equal(all->suppressions[0]->count, 12);
    assert_int_equal(all->suppressions[0]->groups, 4);
    assert_string_equal(all->suppressions[1]->state, "unused");
    assert_int_equal(leaks_model_suppressed(all).live_buffers, 12);
    assert_int_equal(leaks_model_exact(all).live_buffers, 24);
    assert_int_equal(leaks_model_unsuppressed(all).live_buffers, 12);
    leaks_model_destroy(all);
}

static leaks_model *one_that_is_certain(uint64_t buffers) {
    leaks_model *model = one_process("00000000000000aa", 1, 3, 10);
    model->processes[0]->level = "simple";
    model->processes[0]->seen_with_99_percent = (leaks_certain){buffers, 1};
    return model;
}

static void nothing_is_certain_of_all_that_is_not_of_each(void **state) {
    (void)state;
    leaks_model *all = leaks_model_create();
    leaks_model *parts[] = {one_that_is_certain(700), one_that_is_certain(588), one_that_is_certain(MODEL_UNKNOWN)};
    assert_int_equal(leaks_model_certain(all).buffers, MODEL_UNKNOWN);
    leaks_model_merge(all, parts[0]);
    leaks_model_merge(all, parts[1]);
    assert_int_equal(leaks_model_certain(all).buffers, 700);
    assert_string_equal(leaks_model_remark(all, 0), "A site that leaked at least 700 buffers in one process would have "
                                                    "been seen with 99 % probability.");
    leaks_model_merge(all, parts[2]);
    assert_int_equal(leaks_model_certain(all).buffers, MODEL_UNKNOWN);
    assert_string_equal(leaks_model_remark(all, 0), "In 1 of 3 processes the level was disabled for a part of the run: "
                                                    "what was allocated then is in no sample.");
    assert_null(leaks_model_remark(all, 1));
    assert_string_equal(leaks_model_remark(parts[2], 0), "The level was disabled for a part of the run: what was "
                                                         "allocated then is in no sample.");
    for (size_t i = 0; i < 3; i++) {
        leaks_model_destroy(parts[i]);
    }
    leaks_model_destroy(all);
}

static void what_one_sample_missed_no_other_process_hides(void **state) {
    (void)state;
    leaks_model *all = one_process("00000000000000aa", 1, 3, 10);
    leaks_model *blind = leaks_model_create();
    leaks_process *process = leaks_model_add_process(blind);
    process->exact = (leaks_exact){5, 500, 50};
    process->unseen_buffers = 5;
    all->processes[0]->unseen_buffers = 0;
    assert_int_equal(leaks_model_unseen(all), 0);
    assert_null(answer_unsampled(all));
    leaks_model_merge(all, blind);
    assert_int_equal(leaks_model_unseen(all), 5);
    assert_string_equal(answer_unsampled(all), "5 buffers leaked, none of them sampled: run again with "
                                               "POOLBUF_LEAK_LEVEL=paranoid to see where");
    assert_string_equal(answer_leaks(all), "1 leaking call stack: 3 (300 B); and 5 buffers, none of them sampled: run "
                                           "again with POOLBUF_LEAK_LEVEL=paranoid to see where");
    (void)leaks_compare(all, all);
    assert_int_equal(all->unseen_standing, STANDING_KNOWN);
    (void)leaks_compare(all, blind);
    assert_int_equal(all->unseen_standing, STANDING_NEW);
    leaks_model_destroy(blind);
    leaks_model_destroy(all);
}

static void add_time(results_model *model, results_scenario *scenario, const char *subject, double ns) {
    results_scenario_add_result(model, scenario, subject)->time_ns_per_op = (model_estimate){ns, ns, ns};
}

/* Files may have the one without the other: both are optional. */
static void an_early_end_needs_no_confidence(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *scenario = results_model_add_scenario(model, "first");
    model->run.rounds = 16;
    scenario->rounds_played = 8;
    assert_string_equal(results_note(model, scenario, 0), "Ended after 8 of 16 rounds: every answer was clear.");
    scenario->confidence = 0.994;
    assert_non_null(strstr(results_note(model, scenario, 0), "intervals of 99.4 %,"));
    results_model_destroy(model);
}

static void who_was_measured_alone_wins_nothing(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *first = results_model_add_scenario(model, "first");
    results_scenario *second = results_model_add_scenario(model, "second");
    add_time(model, first, MODEL_NULL_SUBJECT, 1);
    add_time(model, first, "pooled", 10);
    assert_string_equal(answer_overall(model),
                        "pooled alone was measured: nothing to compare it with; not measured: 1");
    add_time(model, second, "pooled", 10);
    assert_string_equal(answer_overall(model), "pooled alone was measured: nothing to compare it with");
    add_time(model, second, "malloc", 20);
    assert_string_equal(answer_overall(model), "pooled wins 1 of 2 scenarios; measured alone: first (pooled)");
    second->results[0]->status = RESULT_FAILED;
    assert_string_equal(answer_overall(model),
                        "no winner in 2 scenarios; measured alone: first (pooled), second (malloc)");
    add_time(model, first, "malloc", 20);
    second->results[0]->status = RESULT_OK;
    assert_string_equal(answer_overall(model), "pooled wins all 2 scenarios");
    results_model_destroy(model);
}

static void regressions_are_counted_by_their_flag(void **state) {
    (void)state;
    compare_model *model = compare_model_create();
    compare_model_add_row(model, "a", "pooled")->ratio.verdict = VERDICT_SLOWER;
    compare_model_add_row(model, "b", "pooled")->regression = true;
    assert_int_equal(compare_model_regressions(model), 1);
    compare_model_destroy(model);
}

/* One round has no time to judge by, but instructions: those were compared. */
static void what_was_compared_beside_times_is_not_nothing(void **state) {
    (void)state;
    compare_model *model = compare_model_create();
    compare_model_add_row(model, "a", "pooled");
    assert_string_equal(answer_compare(model), "nothing could be compared");
    compare_row *row = compare_model_add_row(model, "a", "pooled");
    row->metric = "instructions";
    assert_string_equal(answer_compare(model), "nothing could be compared");
    row->is_by_threshold = true;
    assert_string_equal(answer_compare(model), "no times could be compared");
    compare_model_destroy(model);
}

/* Where nobody asks for times, what else there is will do; and without any, nothing was compared. */
static void times_that_are_off_are_not_missed(void **state) {
    (void)state;
    compare_model *model = compare_model_create();
    model->are_times_off = true;
    compare_model_add_row(model, "gone", "pooled")->loss = COMPARE_LOST_MISSING;
    compare_row *row = compare_model_add_row(model, "a", "pooled");
    row->metric = "instructions";
    assert_false(compare_model_is_checked(model));
    assert_string_equal(answer_compare(model), "nothing could be compared");
    row->is_by_threshold = true;
    assert_true(compare_model_is_checked(model));
    assert_string_equal(answer_compare(model), "no regression beyond the thresholds in 1 comparison, none of times; "
                                               "1 measured in base and not in new");
    model->are_times_off = false;
    assert_false(compare_model_is_checked(model));
    compare_model_destroy(model);
}

static void losses_are_counted_whatever_their_kind(void **state) {
    (void)state;
    compare_model *model = compare_model_create();
    compare_model_add_row(model, "a", "pooled")->note = "only in NEW";
    compare_model_add_row(model, "b", "pooled")->loss = COMPARE_LOST_FAILED;
    compare_model_add_row(model, "c", "pooled")->loss = COMPARE_LOST_MISSING;
    assert_int_equal(compare_model_losses(model), 2);
    compare_model_destroy(model);
}

static void names_outside_the_enum_are_harmless(void **state) {
    (void)state;
    assert_string_equal(result_status_name(RESULT_UNSUPPORTED), "unsupported");
    assert_string_equal(result_status_name(RESULT_STATUS_COUNT), "unknown");
    assert_string_equal(model_verdict_name(VERDICT_NOT_SEPARATED), "not separated");
    assert_string_equal(model_verdict_name(MODEL_VERDICT_COUNT), "unknown");
    assert_string_equal(leaks_tool_name(LEAKS_TOOL_COUNT), "unknown");
}

static void add_waste(results_model *model, results_scenario *scenario, const char *subject, uint64_t usable) {
    results_sample *sample = results_result_add_sample(model, results_scenario_add_result(model, scenario, subject));
    sample->peak_live_bytes = 1000;
    sample->peak_usable_bytes = usable;
}

static void waste_is_told_worst_first_and_not_below_a_twentieth(void **state) {
    (void)state;
    results_model *model = results_model_create();
    results_scenario *scenario = results_model_add_scenario(model, "churn");
    add_waste(model, scenario, "some", 1250);
    add_waste(model, scenario, "little", 1040);
    add_waste(model, scenario, "silent", MODEL_UNKNOWN);
    add_waste(model, scenario, "half", 2000);
    add_waste(model, scenario, "same", 1250);
    assert_string_equal(results_waste(model, scenario),
                        "Rounding up wastes, of what live buffers had room for: half 50 % (1000 B of 1.95 KiB), "
                        "some 20 % (250 B of 1.22 KiB), same 20 % (250 B of 1.22 KiB).");
    for (size_t i = 0; i < scenario->result_count; i++) {
        scenario->results[i]->status = RESULT_FAILED;
    }
    assert_null(results_waste(model, scenario));
    results_model_destroy(model);
}

static void a_sample_before_paranoid_is_not_every_buffer(void **state) {
    (void)state;
    leaks_model *model = leaks_model_create();
    leaks_process *process = leaks_model_add_process(model);
    process->level = "paranoid";
    process->sampling_interval = 1;
    assert_non_null(strstr(leaks_process_facts(model, process), "level paranoid, every buffer tracked"));
    process->sampling_interval = 128;
    assert_non_null(strstr(leaks_process_facts(model, process), "1 in 128 buffers tracked before it was raised"));
    process->level = "simple";
    assert_null(strstr(leaks_process_facts(model, process), "raised"));
    leaks_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_keep_their_address_while_lists_grow),
        cmocka_unit_test(what_nobody_filled_is_unknown_and_not_zero),
        cmocka_unit_test(a_text_larger_than_a_block_is_copied_whole),
        cmocka_unit_test(merging_joins_groups_of_one_fingerprint),
        cmocka_unit_test(balances_of_several_processes_add_up_by_line),
        cmocka_unit_test(a_balance_is_decided_only_if_all_of_its_parts_are),
        cmocka_unit_test(merging_tells_sites_of_one_function_apart),
        cmocka_unit_test(lines_of_two_builds_are_not_compared),
        cmocka_unit_test(groups_of_other_things_are_not_of_the_buffers_that_are_counted),
        cmocka_unit_test(what_leaked_in_all_is_what_somebody_counted),
        cmocka_unit_test(only_what_is_certainly_more_has_grown),
        cmocka_unit_test(groups_of_one_fingerprint_are_compared_together),
        cmocka_unit_test(rules_of_several_processes_are_one_rule_each),
        cmocka_unit_test(nothing_is_certain_of_all_that_is_not_of_each),
        cmocka_unit_test(what_one_sample_missed_no_other_process_hides),
        cmocka_unit_test(a_sample_before_paranoid_is_not_every_buffer),
        cmocka_unit_test(an_early_end_needs_no_confidence),
        cmocka_unit_test(who_was_measured_alone_wins_nothing),
        cmocka_unit_test(regressions_are_counted_by_their_flag),
        cmocka_unit_test(what_was_compared_beside_times_is_not_nothing),
        cmocka_unit_test(times_that_are_off_are_not_missed),
        cmocka_unit_test(losses_are_counted_whatever_their_kind),
        cmocka_unit_test(names_outside_the_enum_are_harmless),
        cmocka_unit_test(waste_is_told_worst_first_and_not_below_a_twentieth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
