/* `poolbuf compare`: two results of the same scenarios, apart in time; which subjects became slower or faster, and
 * whether the samples are enough to say so. A regression is a slowdown beyond the threshold whose interval leaves no
 * room for "no change"; anything less is not separated, and no alarm. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "compare_amounts.h"
#include "compare_losses.h"
#include "confirm.h"
#include "exit_codes.h"
#include "formats.h"
#include "output.h"
#include "reports/answer.h"
#include "reports/report.h"
#include "stats/stats.h"
#include "thresholds.h"

#define DEFAULT_THRESHOLD 5 /* percent; below it even quiet machines differ from themselves */

typedef struct request {
    const char *base_path, *new_path, *word, *path, *relative_to;
    text_list threshold_words;
    const char *base_binary;
    thresholds limits;
    uint64_t rounds; /* of a confirmation; 0: NEW's */
    bool force, confirm;
    bool only_common; /* what NEW lacks was left out on purpose */
    report_format format;
} request;

typedef struct comparison {
    const results_model *base, *new;
    compare_model *model;
    const request *wanted;
} comparison;

/* ---- may these two be compared? ---- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void differ(comparison *all, const char *what, const char *base, const char *new) {
    if (!same_text(base, new)) {
        compare_model_add_remark(all->model,
                                 model_text_format(all->model->arena, "different %s: %s in BASE, %s in NEW", what,
                                                   base != NULL ? base : "unknown", new != NULL ? new : "unknown"));
    }
}

static void differ_count(comparison *all, const char *what, uint64_t base, uint64_t new) {
    if (base != new) {
        char texts[2][32];
        snprintf(texts[0], sizeof texts[0], "%llu", (unsigned long long)base);
        snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)new);
        differ(all, what, base == MODEL_UNKNOWN ? NULL : texts[0], new == MODEL_UNKNOWN ? NULL : texts[1]);
    }
}

/* Scenarios of one name must have been the same work. A digest says so; results of older programs have none, and then
 * counts and the seed must do. */
static void list_scenario_differences(comparison *all) {
    const results_run *base_run = &all->base->run;
    const results_run *new_run = &all->new->run;
    bool needs_seed = false;
    for (size_t i = 0; i < all->base->scenario_count; i++) {
        const results_scenario *a = all->base->scenarios[i];
        const results_scenario *b = results_find_scenario(all->new, a->name);
        if (b == NULL) {
            continue;
        }
        const bool has_digests = a->stream_digest != NULL && b->stream_digest != NULL;
        needs_seed = needs_seed || !has_digests;
        if (a->threads != b->threads || a->operations != b->operations || a->allocations != b->allocations) {
            compare_model_add_remark(all->model,
                                     model_text_format(all->model->arena,
                                                       "different scenarios under one name: %s has other threads, "
                                                       "operations or allocations (another seed or file?)",
                                                       a->name));
        } else if (has_digests && strcmp(a->stream_digest, b->stream_digest) != 0) {
            compare_model_add_remark(all->model, model_text_format(all->model->arena,
                                                                   "different scenarios under one name: %s has as many "
                                                                   "operations, but others (another seed or file?)",
                                                                   a->name));
        }
    }
    if (needs_seed && base_run->seed != MODEL_UNKNOWN && new_run->seed != MODEL_UNKNOWN) {
        differ_count(all, "seeds", base_run->seed, new_run->seed);
    }
}

/* Every difference that could make a slowdown look like a regression becomes a remark. */
static void list_differences(comparison *all) {
    const results_model *base = all->base;
    const results_model *new = all->new;
    differ(all, "processors", base->host.cpu, new->host.cpu);
    differ_count(all, "numbers of cores", base->host.cores, new->host.cores);
    differ(all, "kernels", base->host.kernel, new->host.kernel);
    differ(all, "compilers", base->build.compiler, new->build.compiler);
    differ(all, "build types", base->build.type, new->build.type);
    differ(all, "build flags", base->build.flags, new->build.flags);
    differ(all, "leak levels", base->run.leak_level, new->run.leak_level);
    differ(all, "lengths of run", base->run.quick ? "quick" : "full", new->run.quick ? "quick" : "full");
    list_scenario_differences(all);
}

static const results_subject *find_subject(const results_model *model, const char *name) {
    for (size_t i = 0; i < model->subject_count; i++) {
        if (strcmp(model->subjects[i]->name, name) == 0) {
            return model->subjects[i];
        }
    }
    return NULL;
}

static bool is_of_poolbuf(const results_model *model, const results_subject *subject) {
    return same_text(subject->version, model_text_format(model->arena, "poolbuf %s", model->tool_version));
}

static const char *identity(model_arena *arena, const results_subject *subject) {
    const char *version = subject->version != NULL ? subject->version : "an unknown version";
    return subject->note == NULL ? version : model_text_format(arena, "%s (%s)", version, subject->note);
}

/* An allocator of another version, or otherwise tuned, is another one under the same name. To compare the two may be
 * what is wanted, so it is said and not refused. Ours have the version that the sides' own lines have. */
static void list_other_subjects(comparison *all) {
    for (size_t i = 0; i < all->base->subject_count; i++) {
        const results_subject *base = all->base->subjects[i];
        const results_subject *new = find_subject(all->new, base->name);
        if (new == NULL || !base->available || !new->available) {
            continue;
        }
        const bool is_same_version =
            same_text(base->version, new->version) || (is_of_poolbuf(all->base, base) && is_of_poolbuf(all->new, new));
        if (!is_same_version || !same_text(base->note, new->note)) {
            compare_model_add_remark(all->model,
                                     model_text_format(all->model->arena, "%s is not the same: %s in BASE, %s in NEW",
                                                       base->name, identity(all->model->arena, base),
                                                       identity(all->model->arena, new)));
        }
    }
}

/* ---- rows ---- */

static double time_of(const results_result *result, uint64_t round) {
    for (size_t i = 0; result != NULL && i < result->sample_count; i++) {
        if (result->samples[i]->round == round) {
            return result->samples[i]->time_ns_per_op;
        }
    }
    return nan("");
}

/* A result's samples; relative to another subject's in the same round where that was asked for. */
static double *collect(const results_scenario *scenario, const results_result *result, const char *relative_to) {
    double *times = calloc(result->sample_count + 1, sizeof *times);
    for (size_t i = 0; times != NULL && i < result->sample_count; i++) {
        times[i] = result->samples[i]->time_ns_per_op;
        if (relative_to != NULL) {
            times[i] /= time_of(results_find_result(scenario, relative_to), result->samples[i]->round);
        }
    }
    return times;
}

static bool compare_samples(comparison *all, const results_scenario *base_scenario, const results_result *base,
                            const results_scenario *new_scenario, const results_result *new, compare_row *row) {
    double *old_times = collect(base_scenario, base, all->wanted->relative_to);
    double *new_times = collect(new_scenario, new, all->wanted->relative_to);
    const bool fine = old_times != NULL && new_times != NULL;
    if (fine) {
        const stats_ratio ratio = stats_unpaired_ratio(new_times, new->sample_count, old_times, base->sample_count);
        row->ratio = (results_ratio){ratio.estimate, ratio.low, ratio.high, amounts_verdict(&ratio)};
        /* The null subject is the harness itself: that it became slower is worth a row, but no regression. */
        row->regression = row->ratio.verdict == VERDICT_SLOWER && strcmp(new->subject, MODEL_NULL_SUBJECT) != 0 &&
                          ratio.estimate > 1 + all->wanted->limits.percent[METRIC_TIME] / 100;
        if (row->ratio.verdict == VERDICT_UNKNOWN) {
            row->note = "too few samples: two rounds at least in each file, with times above 0";
            row->loss = losses_of_samples(old_times, base->sample_count, new_times, new->sample_count);
        }
    }
    free(old_times);
    free(new_times);
    return fine;
}

static bool are_times_judged(const comparison *all) {
    return isfinite(all->wanted->limits.percent[METRIC_TIME]);
}

static bool add_row(comparison *all, const results_scenario *base_scenario, const results_scenario *new_scenario,
                    const char *subject) {
    const results_result *base = results_find_result(base_scenario, subject);
    const results_result *new = results_find_result(new_scenario, subject);
    const amounts_pair pair = {{base_scenario, new_scenario}, {base, new}, all->wanted->relative_to};
    if (!are_times_judged(all) && losses_are_measured(base, new)) {
        return amounts_compare(all->model, &all->wanted->limits, &pair);
    }
    compare_row *row =
        compare_model_add_row(all->model, base_scenario != NULL ? base_scenario->name : new_scenario->name, subject);
    if (base != NULL) {
        row->base_ns_per_op = base->time_ns_per_op;
    }
    if (new != NULL) {
        row->new_ns_per_op = new->time_ns_per_op;
    }
    if (losses_find(all->model, row, base, new) || base == NULL || new == NULL) { /* it has found the latter two */
        return true;
    }
    return compare_samples(all, base_scenario, base, new_scenario, new, row) &&
           amounts_compare(all->model, &all->wanted->limits, &pair);
}

static bool add_rows(comparison *all) {
    bool fine = true;
    for (size_t i = 0; i < all->base->scenario_count; i++) {
        const results_scenario *base = all->base->scenarios[i];
        const results_scenario *new = results_find_scenario(all->new, base->name);
        for (size_t j = 0; j < base->result_count && fine; j++) {
            fine = add_row(all, base, new, base->results[j]->subject);
        }
        for (size_t j = 0; new != NULL &&j < new->result_count &&fine; j++) {
            if (results_find_result(base, new->results[j]->subject) == NULL) {
                fine = add_row(all, base, new, new->results[j]->subject);
            }
        }
    }
    for (size_t i = 0; i < all->new->scenario_count &&fine; i++) {
        const results_scenario *new = all->new->scenarios[i];
        for (size_t j = 0; results_find_scenario(all->base, new->name) == NULL && j < new->result_count &&fine; j++) {
            fine = add_row(all, NULL, new, new->results[j]->subject);
        }
    }
    return fine;
}

/* ---- confirmation ---- */

/* Plays suspected slowdowns again. */
static int confirm_rows(comparison *all) {
    enum {
        ROUNDS_LEAST = 10
    };
    const request *wanted = all->wanted;
    const uint64_t said = all->new->run.rounds;
    const uint64_t played = said <= CONFIRM_ROUNDS_MAX ? said : 0; /* no run has more, whatever a file says */
    confirmation again = {.base = all->base,
                          .new = all->new,
                          .base_binary = wanted->base_binary,
                          .reference =
                              wanted->relative_to != NULL ? wanted->relative_to : all->new->run.baseline_subject,
                          .limits = &wanted->limits,
                          .rounds = (uint32_t)(wanted->rounds != 0     ? wanted->rounds
                                               : played < ROUNDS_LEAST ? ROUNDS_LEAST
                                                                       : played)};
    bool is_checked = false;
    for (size_t i = 0; i < all->model->row_count; i++) {
        compare_row *row = all->model->rows[i];
        if (!row->regression || !confirm_is_for(row)) {
            continue;
        }
        const char *reason = is_checked ? NULL : confirm_can_start(&again, all->model->arena);
        if (reason != NULL) {
            return input_error("--confirm: %s", reason);
        }
        is_checked = true;
        row->suspected = true;
        confirm_row(&again, all->model->arena, row);
    }
    confirm_end(&again);
    return ARGUMENTS_PROCEED;
}

/* ---- the answer ---- */

static compare_side describe(const results_model *model, const char *path) {
    return (compare_side){.file = path,
                          .created = model->created,
                          .tool_version = model->tool_version,
                          .cpu = model->host.cpu,
                          .kernel = model->host.kernel,
                          .compiler = model->build.compiler,
                          .build_type = model->build.type,
                          .rounds = model->run.rounds};
}

static int write_comparison(const comparison *all, output *out) {
    char error[REPORT_ERROR_BYTES];
    const report_options options = {.colour = out->path == NULL && report_colour_wanted(stdout)};
    if (!report_write_compare(all->model, all->wanted->format, &options, out->stream, error, sizeof error)) {
        output_discard(out);
        return input_error("%s", error);
    }
    if (!output_commit(out)) {
        return EXIT_RUN_FAILED;
    }
    losses_tell(all->model, all->new->run.partial);
    if (compare_model_regressions(all->model) > 0) {
        return EXIT_REGRESSION;
    }
    if (losses_are_failures(all->model)) {
        return EXIT_RUN_FAILED;
    }
    if (!compare_model_is_checked(all->model)) {
        fprintf(stderr, "poolbuf compare: %s: no scenario and subject has %s in both files\n",
                answer_compare_unchecked(all->model),
                are_times_judged(all) ? "times of two rounds or more" : "what is judged");
        return EXIT_UNCHECKED;
    }
    return compare_model_losses(all->model) > 0 ? EXIT_RUN_FAILED : EXIT_FINE;
}

/* The destination is looked at first: a confirmation takes minutes. */
static int judge_rows(comparison *all) {
    const request *wanted = all->wanted;
    const char *const inputs[] = {wanted->base_path, wanted->new_path, wanted->base_binary};
    output out;
    if (!output_is_apart(wanted->path, inputs, sizeof inputs / sizeof inputs[0]) || !output_open(&out, wanted->path)) {
        return EXIT_USAGE;
    }
    int status = add_rows(all) ? ARGUMENTS_PROCEED : input_error("out of memory");
    if (wanted->only_common) {
        losses_forgive(all->model);
    }
    if (status == ARGUMENTS_PROCEED && wanted->confirm) {
        status = confirm_rows(all);
    }
    if (status != ARGUMENTS_PROCEED) {
        output_discard(&out);
        return status;
    }
    return write_comparison(all, &out);
}

static int compare_models(comparison *all) {
    const request *wanted = all->wanted;
    list_differences(all);
    if (all->model->remark_count > 0 && !wanted->force) {
        return input_error("%s and %s cannot be compared: %s%s; --force compares them all the same", wanted->base_path,
                           wanted->new_path, all->model->remarks[0],
                           all->model->remark_count > 1 ? ", and more differences" : "");
    }
    const results_model *const sides[] = {all->base, all->new};
    const char *const paths[] = {wanted->base_path, wanted->new_path};
    const char *missing = amounts_missing(all->model->arena, &wanted->limits, sides, paths, wanted->force);
    if (missing != NULL) {
        return input_error("--threshold %s", missing);
    }
    list_other_subjects(all);
    for (int i = 0; i < 2; i++) {
        if (sides[i]->run.partial) {
            compare_model_add_remark(all->model, i == 0 ? "BASE is partial: its run was ended before its time"
                                                        : "NEW is partial: its run was ended before its time");
        }
    }
    if (wanted->relative_to != NULL) {
        compare_model_add_remark(all->model, model_text_format(all->model->arena,
                                                               "ratios are of times relative to %s in the same "
                                                               "round: what slowed the whole machine drops out",
                                                               wanted->relative_to));
    }
    if (!are_times_judged(all)) {
        all->model->are_times_off = true;
        compare_model_add_remark(all->model, "times are not judged: --threshold time=off");
    }
    all->model->base = describe(all->base, wanted->base_path);
    all->model->new = describe(all->new, wanted->new_path);
    all->model->threshold_percent = wanted->limits.percent[METRIC_TIME];
    return judge_rows(all);
}

static bool has_subject(const results_model *model, const char *name) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_result *result = results_find_result(model->scenarios[i], name);
        if (result != NULL && result->status == RESULT_OK) {
            return true;
        }
    }
    return false;
}

static bool read_side(const char *path, results_model **out) {
    char error[REPORT_ERROR_BYTES];
    if (!report_read_results(path, out, error, sizeof error)) {
        (void)input_error("%s", error);
        return false;
    }
    if ((*out)->note != NULL) {
        message("note: %s", (*out)->note);
    }
    return true;
}

static int compare_files(const request *wanted) {
    results_model *base = NULL;
    results_model *new = NULL;
    int status = EXIT_USAGE;
    const bool are_read = read_side(wanted->base_path, &base) && read_side(wanted->new_path, &new);
    if (are_read && wanted->relative_to != NULL &&
        (!has_subject(base, wanted->relative_to) || !has_subject(new, wanted->relative_to))) {
        input_error("--relative-to: subject \"%s\" has no samples in %s; it must be one that ran in both files",
                    wanted->relative_to, has_subject(base, wanted->relative_to) ? wanted->new_path : wanted->base_path);
    } else if (are_read) {
        comparison all = {.base = base, .new = new, .model = compare_model_create(), .wanted = wanted};
        status = compare_models(&all);
        compare_model_destroy(all.model);
    }
    results_model_destroy(base);
    results_model_destroy(new);
    return status;
}

int cli_compare(int argc, char **argv) {
    request wanted = {.path = NULL};
    thresholds_init(&wanted.limits, DEFAULT_THRESHOLD);
    const argument arguments[] = {
        {.name = "threshold",
         .kind = ARGUMENT_LIST,
         .value = &wanted.threshold_words,
         .meaning = "PERCENT",
         .help =
             "a slowdown up to this is no regression; default 5; or by metric: time=5,memory=10,growth=20,faults=50; "
             "and what passes measured: latency-p50 to latency-p99.99, latency-at-rate-p50 to latency-at-rate-p99.99, "
             "memory-drained, memory-idle, instructions=0.5; time=off judges what is named and no times"},
        {.name = "confirm",
         .kind = ARGUMENT_FLAG,
         .value = &wanted.confirm,
         .help = "play a suspected slowdown again, and fail only if it is there again"},
        {.name = "base-binary",
         .kind = ARGUMENT_TEXT,
         .value = &wanted.base_binary,
         .meaning = "FILE",
         .help = "the program that made BASE: --confirm then plays both builds in turn"},
        {.name = "rounds",
         .letter = 'n',
         .kind = ARGUMENT_COUNT,
         .value = &wanted.rounds,
         .meaning = "N",
         .low = 2,
         .high = CONFIRM_ROUNDS_MAX,
         .help = "of --confirm; default those of NEW, 10 at least"},
        {.name = "relative-to",
         .kind = ARGUMENT_TEXT,
         .value = &wanted.relative_to,
         .meaning = "SUBJECT",
         .help = "compare times relative to this subject's in the same round"},
        {.name = "format",
         .kind = ARGUMENT_TEXT,
         .value = &wanted.word,
         .meaning = "FORMAT",
         .help = "text, markdown, json or junit; default by FILE's suffix, else text"},
        {.name = "output",
         .letter = 'o',
         .kind = ARGUMENT_TEXT,
         .value = &wanted.path,
         .meaning = "FILE",
         .help = "where to write it; default stdout"},
        {.name = "only-common",
         .kind = ARGUMENT_FLAG,
         .value = &wanted.only_common,
         .help = "judge what both files have: what NEW lacks was left out on purpose"},
        {.name = "force",
         .kind = ARGUMENT_FLAG,
         .value = &wanted.force,
         .help = "compare unlike hosts, builds, runs and scenarios"},
    };
    const command_line line = {
        .name = "compare",
        .synopsis = "BASE.json NEW.json [OPTIONS]",
        .examples =
            "  poolbuf compare base.json new.json                       exit 3 on a regression beyond 5 %\n"
            "  poolbuf compare base.json new.json --threshold 10        be less strict\n"
            "  poolbuf compare base.json new.json --relative-to malloc  for hosts that wander\n"
            "  poolbuf compare base.json new.json --threshold time=5,latency-p99=20,instructions=0.5\n"
            "                                                           gate what -m latency,instructions found\n"
            "  poolbuf compare base.json new.json --threshold time=off,instructions=0.5\n"
            "                                                           what does not wander, alone\n"
            "  poolbuf compare base.json new.json --confirm --base-binary ../main/poolbuf\n"
            "                                                           for CI: be sure before going red\n",
        .about =
            "Compares two results of `poolbuf run`, scenario by scenario and subject by subject. A regression is a\n"
            "slowdown beyond the threshold whose 95 % interval does not reach back to \"no change\".\n"
            "--confirm plays it again first: both builds in turn with --base-binary, otherwise this build alone,\n"
            "relative to --relative-to or the baseline. Bytes, faults and instructions stand as they are, and what "
            "cannot be\n"
            "played again (a scenario or a library of your own that is gone or has changed) stays a regression.\n"
            "What was measured once a run, as instructions, has no interval: its threshold alone decides, and the row\n"
            "says so. Latency has one where both files have it from two processes or more. - reads one of the files "
            "from stdin.\n"
            "\n"
            "What BASE has must be in NEW: a scenario, subject or metric that is not there is not judged, and is no\n"
            "success. --only-common leaves out what NEW has no samples of, for a NEW with fewer on purpose.\n"
            "\n"
            "Exit status: 0 no regression; 3 a regression; 1 what was measured in BASE failed or is missing in NEW;\n"
            "2 usage, bad input, or files that are not alike; 6 no times could be compared, which takes two rounds in\n"
            "each file, whatever else was, or with time=off nothing. The first of 2, 3, 1 for a failure, 6 and 1 for\n"
            "what is missing counts.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_least = 2,
        .operands_most = 2,
        .operand_name = "results file",
    };
    char **operands = NULL;
    size_t count = 0;
    int status = arguments_parse(&line, argc, argv, &operands, &count);
    if (status == ARGUMENTS_PROCEED) {
        status = thresholds_parse(&line, &wanted.threshold_words, &wanted.limits);
    }
    text_list_fini(&wanted.threshold_words);
    if (status == ARGUMENTS_PROCEED && wanted.base_binary != NULL && !wanted.confirm) {
        status = usage_error(&line, "--base-binary is for --confirm");
    }
    if (status == ARGUMENTS_PROCEED) {
        status = formats_choose(&line, REPORT_COMPARE, wanted.word, wanted.path, &wanted.format);
    }
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    wanted.base_path = operands[0];
    wanted.new_path = operands[1];
    return compare_files(&wanted);
}
