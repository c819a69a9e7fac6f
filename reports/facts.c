/* The short lines of facts.h: parts that are known, joined by commas. */
#include "reports/facts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "reports/answer.h"
#include "reports/sentence.h"
#include "reports/units.h"

/* ---- results ---- */

const char *results_host_facts(const results_model *model) {
    const results_host *host = &model->host;
    sentence out;
    sentence_init(&out);
    sentence_join_text(&out, "", host->cpu);
    if (host->cores != MODEL_UNKNOWN) {
        sentence_join(&out, "%" PRIu64 " core%s", host->cores, sentence_plural(host->cores));
    }
    if (host->memory_bytes != MODEL_UNKNOWN) {
        sentence_join(&out, "%s", unit_byte_count(host->memory_bytes).text);
    }
    sentence_join_text(&out, "", host->kernel);
    sentence_join_text(&out, "virtualization ", host->virtualization);
    return sentence_keep(&out, model->arena);
}

const char *results_build_facts(const results_model *model) {
    sentence out;
    sentence_init(&out);
    sentence_join_text(&out, "poolbuf ", model->tool_version);
    sentence_join_text(&out, "", model->build.compiler);
    sentence_join_text(&out, "", model->build.type);
    if (model->build.flags != NULL && model->build.flags[0] != '\0') {
        sentence_add(&out, " (%s)", model->build.flags);
    }
    return sentence_keep(&out, model->arena);
}

const char *results_run_facts(const results_model *model) {
    const results_run *run = &model->run;
    sentence out;
    sentence_init(&out);
    sentence_join_text(&out, "suite ", run->suite);
    if (run->rounds != MODEL_UNKNOWN) {
        sentence_join(&out, "%" PRIu64 " round%s", run->rounds, sentence_plural(run->rounds));
    }
    if (run->quick) {
        sentence_join(&out, "quick");
    }
    if (run->seed != MODEL_UNKNOWN) {
        sentence_join(&out, "seed %" PRIu64, run->seed);
    }
    sentence_join_text(&out, "leak level ", run->leak_level);
    sentence_join_text(&out, "", model->created);
    return sentence_keep(&out, model->arena);
}

/* "This host spoils results: ...; ...". */
static const char *results_spoilers(const results_model *model) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "This host spoils results: ");
    for (size_t i = 0; i < model->run.spoiler_count; i++) {
        sentence_add(&out, "%s%s", i == 0 ? "" : "; ", model->run.spoilers[i]);
    }
    sentence_add(&out, " (`poolbuf doctor` says more).");
    return sentence_keep(&out, model->arena);
}

/* From 6 samples on, an interval of the median holds it in 95 % of experiments; fewer cannot promise that. */
#define ROUNDS_ENOUGH 6

const char *results_caution(const results_model *model, size_t index) {
    const char *cautions[6];
    size_t count = 0;
    const uint64_t rounds = model->run.rounds;
    if (model->run.partial) {
        cautions[count++] = "A partial run: it was ended before its time, and rounds are missing.";
    }
    if (model->run.spoiler_count > 0) {
        cautions[count++] = results_spoilers(model);
    }
    if (model->run.quick) {
        cautions[count++] = "A quick run: short measurements, so intervals are wide. Decide nothing by it.";
    }
    if (rounds < ROUNDS_ENOUGH) {
        cautions[count++] =
            model_text_format(model->arena,
                              "Only %" PRIu64 " round%s: the intervals of times are from the least to the greatest "
                              "sample, which is less than 95 %%; those of ratios are wide.",
                              rounds, sentence_plural(rounds));
    }
    if (model->build.type != NULL && strcmp(model->build.type, "Debug") == 0) {
        cautions[count++] = "A Debug build: these times say nothing about a Release build.";
    }
    return index < count ? cautions[index] : NULL;
}

const char *results_memory_caution(const results_scenario *scenario) {
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        const double live = answer_median_count(result, offsetof(results_sample, peak_live_bytes));
        if (strcmp(result->subject, MODEL_NULL_SUBJECT) != 0 && result->peak_resident_bytes.median < live) {
            return "Peak resident is below peak live where pages of large buffers were never touched: only the first "
                   "and "
                   "the last byte are.";
        }
    }
    return NULL;
}

/* What a subject loses to rounding up, as a share of what its live buffers had room for; 0 where that is not known. */
static double waste_of(const results_result *result) {
    const double live = answer_median_count(result, offsetof(results_sample, peak_live_bytes));
    const double usable = answer_median_count(result, offsetof(results_sample, peak_usable_bytes));
    return result->status == RESULT_OK && usable > 0 && usable >= live ? 1 - live / usable : 0;
}

/* The one that wastes most of those that waste less than `below`, or as much and stand behind `after`. */
static const results_result *next_waste(const results_scenario *scenario, double below, const results_result *after) {
    const results_result *next = NULL;
    bool is_behind = false;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        const double waste = waste_of(result);
        if ((waste < below || (waste <= below && is_behind)) && (next == NULL || waste > waste_of(next))) {
            next = result;
        }
        is_behind = is_behind || result == after;
    }
    return next;
}

const char *results_waste(const results_model *model, const results_scenario *scenario) {
    const double least = 0.05;
    sentence list;
    sentence_init(&list);
    const results_result *result = next_waste(scenario, 2, NULL);
    for (; result != NULL && waste_of(result) >= least; result = next_waste(scenario, waste_of(result), result)) {
        const double usable = answer_median_count(result, offsetof(results_sample, peak_usable_bytes));
        sentence_join(&list, "%s %.0f %% (%s of %s)", result->subject, waste_of(result) * 100,
                      unit_bytes(usable * waste_of(result)).text, unit_bytes(usable).text);
    }
    const char *wasted = sentence_keep(&list, model->arena);
    return wasted == NULL
               ? NULL
               : model_text_format(model->arena, "Rounding up wastes, of what live buffers had room for: %s.", wasted);
}

/* git describe's count and hash: which commit was built says less than the line it takes. JSON keeps it. */
const char *results_short_version(const results_model *model, const char *version) {
    const char *dash = version == NULL ? NULL : strstr(version, "-g");
    if (dash == NULL || strspn(dash + 2, "0123456789abcdef") < 7) {
        return version;
    }
    while (dash > version && dash[-1] >= '0' && dash[-1] <= '9') {
        dash--;
    }
    if (dash > version && dash[-1] == '-') {
        dash--;
    }
    return model_text_format(model->arena, "%.*s", (int)(dash - version), version);
}

const char *results_subject_facts(const results_model *model, const results_subject *subject) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s: ", subject->name);
    size_t empty = out.used;
    if (subject->library != NULL) {
        sentence_add(&out, "%s", subject->library);
    }
    if (subject->version != NULL) {
        sentence_add(&out, "%s%s", out.used == empty ? "" : " ", results_short_version(model, subject->version));
    }
    if (subject->package != NULL) {
        sentence_add(&out, "%s(%s)", out.used == empty ? "" : " ", subject->package);
    }
    if (!subject->available) {
        sentence_add(&out, "%sunavailable", out.used == empty ? "" : ", ");
    }
    if (subject->note != NULL) {
        sentence_add(&out, "%s%s", out.used == empty ? "" : ", ", subject->note);
    }
    return out.used == empty ? NULL : sentence_keep(&out, model->arena);
}

static void add_quoted(sentence *out, const char *argument) {
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
    if (argument[0] != '\0' && strspn(argument, PLAIN) == strlen(argument)) {
        sentence_add(out, "%s", argument);
        return;
    }
    sentence_add(out, "'");
    for (; *argument != '\0'; argument++) {
        sentence_add(out, *argument == '\'' ? "'\\''" : "%c", *argument);
    }
    sentence_add(out, "'");
}

const char *results_command_line(const results_model *model) {
    sentence out;
    sentence_init(&out);
    for (size_t i = 0; i < model->command_count; i++) {
        sentence_add(&out, "%s", i == 0 ? "" : " ");
        add_quoted(&out, model->command[i]);
    }
    return sentence_keep(&out, model->arena);
}

const char *results_scenario_facts(const results_model *model, const results_scenario *scenario) {
    sentence out;
    sentence_init(&out);
    if (scenario->threads != MODEL_UNKNOWN) {
        sentence_join(&out, "%s thread%s", unit_count(scenario->threads).text, sentence_plural(scenario->threads));
    }
    if (scenario->operations != MODEL_UNKNOWN) {
        sentence_join(&out, "%s operation%s", unit_count(scenario->operations).text,
                      sentence_plural(scenario->operations));
    }
    if (scenario->allocations != MODEL_UNKNOWN) {
        sentence_join(&out, "%s allocation%s", unit_count(scenario->allocations).text,
                      sentence_plural(scenario->allocations));
    }
    return sentence_keep(&out, model->arena);
}

const char *results_failure(const results_model *model, const results_result *result) {
    if (result->status == RESULT_OK) {
        return NULL;
    }
    return model_text_format(model->arena, "%s: %s%s%s", result->subject, result_status_name(result->status),
                             result->message == NULL ? "" : ": ", result->message == NULL ? "" : result->message);
}

const char *compare_side_facts(const compare_model *model, const compare_side *side) {
    sentence out;
    sentence_init(&out);
    sentence_join_text(&out, "", side->file);
    sentence_join_text(&out, "", side->created);
    sentence_join_text(&out, "poolbuf ", side->tool_version);
    sentence_join_text(&out, "", side->cpu);
    sentence_join_text(&out, "", side->kernel);
    sentence_join_text(&out, "", side->compiler);
    sentence_join_text(&out, "", side->build_type);
    if (side->rounds != MODEL_UNKNOWN) {
        sentence_join(&out, "%" PRIu64 " round%s", side->rounds, sentence_plural(side->rounds));
    }
    return sentence_keep(&out, model->arena);
}

/* ---- leaks ---- */

/* At paranoid there is no sample; one that is named is of the time before. */
static bool is_raised(const leaks_process *process) {
    const bool by_count = process->sampling_interval != MODEL_UNKNOWN && process->sampling_interval > 1;
    const bool by_bytes = process->sampling_bytes != MODEL_UNKNOWN && process->sampling_bytes != 0;
    return process->level != NULL && strcmp(process->level, "paranoid") == 0 && (by_count || by_bytes);
}

const char *leaks_process_facts(const leaks_model *model, const leaks_process *process) {
    sentence out;
    sentence_init(&out);
    sentence_join_text(&out, "", process->program == NULL ? "unknown program" : process->program);
    if (process->pid != MODEL_UNKNOWN) {
        sentence_add(&out, " (pid %" PRIu64 ")", process->pid);
    }
    sentence_join_text(&out, "level ", process->level);
    if (process->sampling_interval == 1) {
        sentence_join(&out, "every buffer tracked");
    } else if (process->sampling_interval != MODEL_UNKNOWN && process->sampling_interval != 0) {
        sentence_join(&out, "1 in %s buffers tracked", unit_count(process->sampling_interval).text);
    } else if (process->sampling_bytes != MODEL_UNKNOWN && process->sampling_bytes != 0) {
        sentence_join(&out, "1 sample in %s", unit_byte_count(process->sampling_bytes).text);
    }
    if (is_raised(process)) {
        sentence_add(&out, " before it was raised");
    }
    sentence_join_text(&out, "reported at ", process->reason);
    if (process->uptime_ms != MODEL_UNKNOWN) {
        sentence_add(&out, " after %s", unit_time_ms(process->uptime_ms).text);
    }
    if (leaks_process_is_live(process)) {
        sentence_join(&out, "while the program went on: what was alive then is no leak yet");
    }
    if (process->older_than_ms != MODEL_UNKNOWN) {
        sentence_join(&out, "nothing younger than %s listed", unit_time_ms(process->older_than_ms).text);
    }
    if (process->since.checkpoint != MODEL_UNKNOWN) {
        sentence_join(&out, "what has grown since checkpoint %s, %s before", unit_count(process->since.checkpoint).text,
                      unit_time_ms(process->since.age_ms).text);
        sentence_join(&out, "%s other call stack%s not grown", unit_count(process->since.not_grown).text,
                      process->since.not_grown == 1 ? " has" : "s have");
    }
    return sentence_keep(&out, model->arena);
}

/* What a reader must know to be missing; nothing if nothing is. */
static void add_shortfall(sentence *out, uint64_t count, const char *what) {
    if (count != 0 && count != MODEL_UNKNOWN) {
        sentence_join(out, "%s %s", unit_count(count).text, what);
    }
}

const char *leaks_exact_facts(const leaks_model *model, leaks_exact exact, leaks_tracked tracked) {
    sentence out;
    sentence_init(&out);
    if (exact.live_buffers != MODEL_UNKNOWN) {
        sentence_add(&out, "exact: %s live", unit_count(exact.live_buffers).text);
        if (exact.live_bytes != MODEL_UNKNOWN) {
            sentence_add(&out, " (%s)", unit_byte_count(exact.live_bytes).text);
        }
        if (exact.allocated != MODEL_UNKNOWN) {
            sentence_add(&out, " of %s allocated", unit_count(exact.allocated).text);
        }
    }
    if (tracked.seen != MODEL_UNKNOWN) {
        sentence_add(&out, "%stracked: ", out.used == 0 ? "" : "; ");
        if (tracked.live != MODEL_UNKNOWN) {
            sentence_add(&out, "%s live of ", unit_count(tracked.live).text);
        }
        sentence_add(&out, "%s seen", unit_count(tracked.seen).text);
    }
    add_shortfall(&out, tracked.untracked, "not followed for want of room");
    add_shortfall(&out, tracked.inherited, "inherited from the parent, in no stack here");
    add_shortfall(&out, tracked.not_listed, "live but not listed: too many stacks");
    return sentence_keep(&out, model->arena);
}
