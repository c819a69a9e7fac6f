/* Fresh rounds for a suspicion. */
#include "confirm.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "compare_amounts.h"
#include "confirm_subject.h"
#include "measure/host.h"
#include "measure/passes.h"
#include "measure/process.h"
#include "measure/run.h"
#include "scenario/scenario.h"
#include "scenario/stream_digest.h"
#include "stats/bootstrap.h"
#include "subjects/subject.h"

enum {
    ERROR_SIZE = 4096,
    SIDES = 2
};

#define WORKER_TIMEOUT_MS 120000u
_Static_assert((int)CONFIRM_ROUNDS_MAX == (int)MEASURE_ROUNDS_MAX, "as many as a run");

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf compare: ", format, list);
    va_end(list);
}

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

static metric metric_of(const compare_row *row) {
    return row->metric == NULL ? METRIC_TIME : metric_find(row->metric, strlen(row->metric));
}

bool confirm_is_for(const compare_row *row) {
    return metric_unit(metric_of(row)) == COMPARE_NS;
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

/* Whether the scenario, as its file is now, is the work that NEW was measured with. A file without a digest is of an older
 * program; what was played is then held against its counts. */
static bool is_same_work(const confirmation *self, const scenario *loaded, const results_scenario *from, char *error,
                         size_t error_size) {
    char digest[STREAM_DIGEST_TEXT_SIZE];
    stream *made = NULL;
    if (from->stream_digest == NULL) {
        return true;
    }
    if (!stream_generate(loaded, self->new->run.seed, self->new->run.quick, &made, error, error_size)) {
        return false;
    }
    stream_digest_text(made, digest);
    stream_destroy(made);
    if (strcmp(digest, from->stream_digest) != 0) {
        (void)snprintf(error, error_size, "%s: the scenario is no longer what NEW was measured with", loaded->file);
        return false;
    }
    return true;
}

static const char *problem_of(const results_result *result, unsigned passes) {
    const results_latency *latency =
        passes == MEASURE_PASS(WORKER_LATENCY_AT_RATE) ? &result->latency_at_rate : &result->latency;
    return result->status != RESULT_OK ? result->message != NULL ? result->message : "not measured"
           : passes != 0               ? latency->message
                                       : NULL;
}

/* Plays two sides; NULL with a reason. */
static results_model *play(const confirmation *self, metric which, const results_scenario *from,
                           const subject *const *sides, const measure_part *parts, char *error, size_t error_size) {
    scenario *loaded = load(from, error, error_size);
    if (loaded == NULL || !is_same_work(self, loaded, from, error, error_size)) {
        scenario_destroy(loaded);
        return NULL;
    }
    const unsigned passes = metric_passes(which);
    const double rate = metric_rate(which, results_find_result(from, sides[SIDES - 1]->name));
    const measure_plan plan = {.scenarios = &loaded,
                               .scenario_count = 1,
                               .subjects = sides,
                               .subject_count = SIDES,
                               .parts = parts,
                               .rounds = passes == 0 ? self->rounds : PASSES_LATENCY_PROCESSES,
                               .passes = passes,
                               .rate = isfinite(rate) ? rate : 0,
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
    const results_result *bad = again->results[problem_of(again->results[0], passes) != NULL ? 0 : 1];
    if (problem_of(bad, passes) != NULL) {
        (void)snprintf(error, error_size, "%s: %s", bad->subject, problem_of(bad, passes));
    } else if (outcome != MEASURE_OK) {
        (void)snprintf(error, error_size, "it failed");
    } else if (again->operations != from->operations || again->threads != from->threads ||
               again->allocations != from->allocations) {
        (void)snprintf(error, error_size, "the scenario's file is no longer what NEW was measured with");
    } else {
        return model;
    }
    results_model_destroy(model);
    return NULL;
}

/* The same, unless it was what was played last. */
static const results_scenario *play_once(confirmation *self, metric which, const results_scenario *from,
                                         const subject *const *sides, const measure_part *parts, char *error,
                                         size_t error_size) {
    confirm_replay *last = &self->last;
    const char *name = sides[SIDES - 1]->name;
    if (last->model == NULL || last->passes != metric_passes(which) || !same_text(last->scenario, from->name) ||
        !same_text(last->subject, name)) {
        confirm_end(self);
        if (metric_passes(which) == 0) {
            say("%s on %s is suspected; playing it again, %u rounds", name, from->name, self->rounds);
        } else {
            say("%s of %s on %s is suspected; playing it again, in %d processes", metric_name(which), name, from->name,
                PASSES_LATENCY_PROCESSES);
        }
        *last = (confirm_replay){.model = play(self, which, from, sides, parts, error, error_size),
                                 .scenario = from->name,
                                 .subject = name,
                                 .passes = metric_passes(which)};
    }
    return last->model == NULL ? NULL : last->model->scenarios[0];
}

void confirm_end(confirmation *self) {
    results_model_destroy(self->last.model);
    self->last = (confirm_replay){.model = NULL};
}

/* One subject's numbers over another's of the same round or process; from malloc, NULL without memory. */
static double *relative(metric which, const results_result *one, const results_result *other, size_t *count) {
    double *ratios = NULL;
    double *under = NULL;
    size_t under_count = 0;
    if (metric_samples(which, one, &ratios, count) && metric_samples(which, other, &under, &under_count)) {
        for (size_t i = 0; i < *count; i++) {
            ratios[i] = i < under_count ? ratios[i] / under[i] : nan("");
        }
    } else {
        free(ratios);
        ratios = NULL;
    }
    free(under);
    return ratios;
}

/* ---- judging ---- */

static void leave(model_arena *arena, compare_row *row, const char *reason) {
    row->confirmation = model_text_format(arena, "could not be played again: %s", reason);
}

static void judge(const confirmation *self, model_arena *arena, compare_row *row, const stats_ratio *ratio,
                  const char *how) {
    if (isnan(ratio->low)) {
        leave(arena, row, "too few numbers came of it to judge by");
        return;
    }
    row->confirmed = (results_ratio){ratio->estimate, ratio->low, ratio->high, amounts_verdict(ratio)};
    row->regression =
        row->confirmed.verdict == VERDICT_SLOWER && ratio->estimate > 1 + self->limits->percent[metric_of(row)] / 100;
    row->confirmation =
        model_text_format(arena, "%s: %.3f [%.3f, %.3f] %s", row->regression ? "confirmed" : "not confirmed",
                          ratio->estimate, ratio->low, ratio->high, how);
}

/* The run's own baseline is malloc, if NEW's side is that: the ratio that is wanted is taken here. Of a few processes
 * Student's t knows more than a bootstrap does. */
static void confirm_with_base(confirmation *self, model_arena *arena, const results_scenario *from,
                              const confirm_subject *which, compare_row *row) {
    confirm_subject base;
    const char *reason = confirm_subject_find(arena, self->base, "BASE", row->subject, &base);
    if (reason != NULL) {
        leave(arena, row, reason);
        return;
    }
    base.part.plays = base.part.plays != NULL ? base.part.plays : base.subject.name;
    base.part.program = self->base_binary;
    base.subject.name = "BASE";
    const subject *const sides[SIDES] = {&base.subject, &which->subject};
    const measure_part parts[SIDES] = {base.part, which->part};
    const metric what = metric_of(row);
    char error[ERROR_SIZE] = "";
    const results_scenario *again = play_once(self, what, from, sides, parts, error, sizeof error);
    double *samples[SIDES] = {NULL, NULL};
    size_t counts[SIDES] = {0, 0};
    if (again == NULL) {
        leave(arena, row, error);
    } else if (!metric_samples(what, again->results[0], &samples[0], &counts[0]) ||
               !metric_samples(what, again->results[1], &samples[1], &counts[1])) {
        leave(arena, row, "out of memory");
    } else {
        const size_t count = counts[0] < counts[1] ? counts[0] : counts[1];
        const stats_ratio ratio =
            what == METRIC_TIME
                ? stats_paired_bootstrap(samples[1], samples[0], count < STATS_PAIRS_MAX ? count : STATS_PAIRS_MAX,
                                         STATS_CONFIDENCE, self->new->run.seed)
                : stats_paired_ratio(samples[1], samples[0], count);
        judge(self, arena, row, &ratio, "both builds in the same rounds");
    }
    free(samples[0]);
    free(samples[1]);
}

static void confirm_with_reference(confirmation *self, model_arena *arena, const results_scenario *from,
                                   const confirm_subject *which, compare_row *row) {
    if (self->reference == NULL || strcmp(self->reference, row->subject) == 0) {
        leave(arena, row,
              self->reference == NULL ? "there is no reference subject; give --relative-to or --base-binary"
                                      : "it is the reference itself; only --base-binary can tell");
        return;
    }
    confirm_subject reference;
    const char *reason = confirm_subject_find(arena, self->new, "NEW", self->reference, &reference);
    if (reason != NULL) {
        leave(arena, row, model_text_format(arena, "the reference %s: %s", self->reference, reason));
        return;
    }
    const metric what = metric_of(row);
    const results_scenario *before = results_find_scenario(self->base, row->scenario);
    const results_result *before_reference = results_find_result(before, self->reference);
    if (before_reference == NULL || before_reference->status != RESULT_OK) {
        leave(arena, row, "BASE has no samples of the reference in this scenario");
        return;
    }
    const subject *const sides[SIDES] = {&reference.subject, &which->subject};
    const measure_part parts[SIDES] = {reference.part, which->part};
    char error[ERROR_SIZE] = "";
    const results_scenario *again = play_once(self, what, from, sides, parts, error, sizeof error);
    if (again == NULL) {
        leave(arena, row, error);
        return;
    }
    size_t counts[SIDES];
    double *fresh = relative(what, again->results[1], again->results[0], &counts[0]);
    double *old = relative(what, results_find_result(before, row->subject), before_reference, &counts[1]);
    if (fresh == NULL || old == NULL) {
        leave(arena, row, "out of memory");
    } else {
        const stats_ratio ratio = stats_unpaired_ratio(fresh, counts[0], old, counts[1]);
        judge(self, arena, row, &ratio,
              model_text_format(arena, "relative to %s, against BASE's samples", self->reference));
    }
    free(fresh);
    free(old);
}

void confirm_row(confirmation *self, model_arena *arena, compare_row *row) {
    const results_scenario *from = results_find_scenario(self->new, row->scenario);
    confirm_subject which;
    const char *reason = confirm_subject_find(arena, self->new, "NEW", row->subject, &which);
    if (from == NULL || reason != NULL) {
        leave(arena, row, reason != NULL ? reason : "its scenario is not in NEW");
    } else if (self->base_binary != NULL) {
        confirm_with_base(self, arena, from, &which, row);
    } else {
        confirm_with_reference(self, arena, from, &which, row);
    }
}
