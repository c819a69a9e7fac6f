/* Fresh rounds for a suspicion. */
#include "confirm.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/host.h"
#include "measure/process.h"
#include "measure/run.h"
#include "scenario/scenario.h"
#include "stats/bootstrap.h"
#include "subjects/subject.h"

enum {
    ERROR_SIZE = 4096,
    SIDES = 2
};

#define WORKER_TIMEOUT_MS 120000u
_Static_assert((int)CONFIRM_ROUNDS_MAX == (int)MEASURE_ROUNDS_MAX, "as many as a run");

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* ---- is this the right program? ---- */

static const char *why_not_new(const results_model *new, model_arena *arena) {
    results_model *here = results_model_create();
    const char *reason = NULL;
    host_describe(here);
    if (!same_text(here->host.cpu, new->host.cpu) || here->host.cores != new->host.cores) {
        reason = "NEW was measured on another host than this one";
    } else if (!same_text(here->build.compiler, new->build.compiler) || !same_text(here->build.type, new->build.type) ||
               !same_text(here->build.flags, new->build.flags) || !same_text(here->tool_version, new->tool_version)) {
        reason = "NEW was measured by another build than this program; run NEW's";
    }
    reason = model_text(arena, reason);
    results_model_destroy(here);
    return reason;
}

/* `PATH --version` prints "poolbuf VERSION". */
static const char *why_not_base(const confirmation *self, model_arena *arena) {
    const char *const words[] = {self->base_binary, "--version", NULL};
    const char **environment = process_environment(NULL);
    if (environment == NULL) {
        return "out of memory";
    }
    const process_command command = {
        .program = self->base_binary, .argv = words, .envp = environment, .inherited = -1, .timeout_ms = 10000};
    process_result result;
    process_run(&command, &result);
    free(environment);
    const char *reason = NULL;
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "poolbuf %s\n", self->base->tool_version);
    if (result.end != PROCESS_EXITED || result.code != 0 || result.output == NULL) {
        char text[512];
        process_describe(&result, command.timeout_ms, text, sizeof text);
        reason = model_text_format(arena, "--base-binary %s: %s", self->base_binary, text);
    } else if (strcmp(result.output, wanted) != 0) {
        reason = model_text_format(arena, "--base-binary %s is not the program that made BASE, poolbuf %s",
                                   self->base_binary, self->base->tool_version);
    }
    process_result_fini(&result);
    return reason;
}

const char *confirm_can_start(const confirmation *self, model_arena *arena) {
    const char *reason = why_not_new(self->new, arena);
    if (reason == NULL && self->base_binary != NULL) {
        reason = why_not_base(self, arena);
    }
    return reason;
}

/* ---- playing ---- */

static const results_scenario *find_scenario(const results_model *model, const char *name) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        if (strcmp(model->scenarios[i]->name, name) == 0) {
            return model->scenarios[i];
        }
    }
    return NULL;
}

static const results_result *find_result(const results_scenario *from, const char *name) {
    for (size_t i = 0; from != NULL && i < from->result_count; i++) {
        if (strcmp(from->results[i]->subject, name) == 0) {
            return from->results[i];
        }
    }
    return NULL;
}

/* From the file that NEW names, or by name when it is not there. */
static scenario *load(const results_scenario *from, char *error, size_t error_size) {
    char path[PATH_MAX];
    scenario *loaded = NULL;
    const bool is_there = from->file != NULL && access(from->file, R_OK) == 0;
    if (is_there) {
        (void)snprintf(path, sizeof path, "%s", from->file);
    } else if (!scenario_find(from->name, path, sizeof path, error, error_size)) {
        return NULL;
    }
    return scenario_load(path, &loaded, error, error_size) ? loaded : NULL;
}

/* Plays two sides; NULL with a reason. */
static results_model *play(const confirmation *self, const results_scenario *from, const subject *const *sides,
                           const measure_part *parts, char *error, size_t error_size) {
    scenario *loaded = load(from, error, error_size);
    if (loaded == NULL) {
        return NULL;
    }
    const measure_plan plan = {.scenarios = &loaded,
                               .scenario_count = 1,
                               .subjects = sides,
                               .subject_count = SIDES,
                               .parts = parts,
                               .rounds = self->rounds,
                               .seed = self->new->run.seed,
                               .quick = self->new->run.quick,
                               .seconds = self->new->run.quick ? MEASURE_SECONDS_QUICK : MEASURE_SECONDS,
                               .timeout_ms = WORKER_TIMEOUT_MS};
    results_model *model = NULL;
    const measure_outcome outcome = measure_run(&plan, &model, error, error_size);
    scenario_destroy(loaded);
    if (model == NULL) {
        return NULL;
    }
    const results_scenario *again = model->scenarios[0];
    const results_result *bad = again->results[0]->status == RESULT_OK ? again->results[1] : again->results[0];
    if (outcome != MEASURE_OK || bad->status != RESULT_OK) {
        (void)snprintf(error, error_size, "%s: %s", bad->subject, bad->message != NULL ? bad->message : "not measured");
    } else if (again->operations != from->operations || again->threads != from->threads ||
               again->allocations != from->allocations) {
        (void)snprintf(error, error_size, "the scenario's file is no longer what NEW was measured with");
    } else {
        return model;
    }
    results_model_destroy(model);
    return NULL;
}

static double time_in_round(const results_result *result, uint64_t round) {
    for (size_t i = 0; i < result->sample_count; i++) {
        if (result->samples[i]->round == round) {
            return result->samples[i]->time_ns_per_op;
        }
    }
    return nan("");
}

/* Times over the reference's in the same round; from malloc, NULL without memory. */
static double *relative(const results_scenario *from, const char *name, const char *reference, size_t *count) {
    const results_result *one = find_result(from, name);
    const results_result *other = find_result(from, reference);
    *count = one == NULL || other == NULL ? 0 : one->sample_count;
    double *ratios = calloc(*count + 1, sizeof *ratios);
    for (size_t i = 0; ratios != NULL && i < *count; i++) {
        ratios[i] = one->samples[i]->time_ns_per_op / time_in_round(other, one->samples[i]->round);
    }
    return ratios;
}

/* ---- judging ---- */

static void judge(const confirmation *self, model_arena *arena, compare_row *row, results_ratio ratio,
                  const char *how) {
    row->confirmed = ratio;
    row->regression = ratio.verdict == VERDICT_SLOWER && ratio.estimate > 1 + self->threshold_percent / 100;
    row->confirmation =
        model_text_format(arena, "%s: %.3f [%.3f, %.3f] %s", row->regression ? "confirmed" : "not confirmed",
                          ratio.estimate, ratio.low, ratio.high, how);
}

static void leave(model_arena *arena, compare_row *row, const char *reason) {
    row->confirmation = model_text_format(arena, "could not be played again: %s", reason);
}

static void confirm_with_base(const confirmation *self, model_arena *arena, const results_scenario *from,
                              const subject *which, compare_row *row) {
    subject base = *which;
    base.name = "BASE";
    const subject *const sides[SIDES] = {&base, which};
    const measure_part parts[SIDES] = {{.plays = which->name, .program = self->base_binary}};
    char error[ERROR_SIZE];
    results_model *again = play(self, from, sides, parts, error, sizeof error);
    if (again == NULL) {
        leave(arena, row, error);
        return;
    }
    /* The run's own baseline is malloc, if NEW's side is that: the ratio that is wanted is taken here. */
    const results_result *old_side = again->scenarios[0]->results[0];
    const results_result *new_side = again->scenarios[0]->results[1];
    double times[SIDES][STATS_PAIRS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < new_side->sample_count && count < STATS_PAIRS_MAX; i++, count++) {
        times[0][i] = time_in_round(old_side, new_side->samples[i]->round);
        times[1][i] = new_side->samples[i]->time_ns_per_op;
    }
    const stats_ratio ratio = stats_paired_bootstrap(times[1], times[0], count, STATS_CONFIDENCE, self->new->run.seed);
    const model_verdict verdict = ratio.verdict == STATS_SLOWER   ? VERDICT_SLOWER
                                  : ratio.verdict == STATS_FASTER ? VERDICT_FASTER
                                                                  : VERDICT_NOT_SEPARATED;
    judge(self, arena, row, (results_ratio){ratio.estimate, ratio.low, ratio.high, verdict},
          "both builds in the same rounds");
    results_model_destroy(again);
}

static void confirm_with_reference(const confirmation *self, model_arena *arena, const results_scenario *from,
                                   const subject *which, compare_row *row) {
    const subject *reference = self->reference == NULL ? NULL : subject_find(self->reference);
    if (reference == NULL || reference == which) {
        leave(arena, row,
              reference == NULL ? "there is no reference subject; give --relative-to or --base-binary"
                                : "it is the reference itself; only --base-binary can tell");
        return;
    }
    const results_scenario *before = find_scenario(self->base, row->scenario);
    const results_result *before_reference = find_result(before, reference->name);
    if (before_reference == NULL || before_reference->status != RESULT_OK) {
        leave(arena, row, "BASE has no samples of the reference in this scenario");
        return;
    }
    const subject *const sides[SIDES] = {reference, which};
    char error[ERROR_SIZE];
    results_model *again = play(self, from, sides, NULL, error, sizeof error);
    if (again == NULL) {
        leave(arena, row, error);
        return;
    }
    size_t counts[SIDES];
    double *fresh = relative(again->scenarios[0], row->subject, reference->name, &counts[0]);
    double *old = relative(before, row->subject, reference->name, &counts[1]);
    if (fresh == NULL || old == NULL) {
        leave(arena, row, "out of memory");
    } else {
        const stats_ratio ratio = stats_unpaired_ratio(fresh, counts[0], old, counts[1]);
        const model_verdict verdict = ratio.verdict == STATS_SLOWER   ? VERDICT_SLOWER
                                      : ratio.verdict == STATS_FASTER ? VERDICT_FASTER
                                                                      : VERDICT_NOT_SEPARATED;
        judge(self, arena, row, (results_ratio){ratio.estimate, ratio.low, ratio.high, verdict},
              model_text_format(arena, "relative to %s, against BASE's samples", reference->name));
    }
    free(fresh);
    free(old);
    results_model_destroy(again);
}

void confirm_row(const confirmation *self, model_arena *arena, compare_row *row) {
    const results_scenario *from = find_scenario(self->new, row->scenario);
    const subject *which = subject_find(row->subject);
    if (from == NULL || which == NULL) {
        leave(arena, row, "this program has no such subject");
        return;
    }
    fprintf(stderr, "poolbuf compare: %s on %s is suspected; playing it again, %u rounds\n", row->subject,
            row->scenario, self->rounds);
    if (self->base_binary != NULL) {
        confirm_with_base(self, arena, from, which, row);
    } else {
        confirm_with_reference(self, arena, from, which, row);
    }
}
