/* One row a subject; which numbers, and what they are called. */
#include "reports/results_passes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/results_table.h"

static const char *message_of(const results_result *result, results_pass pass) {
    switch (pass) {
    case RESULTS_LATENCY:
        return result->latency.message;
    case RESULTS_LATENCY_AT_RATE:
        return result->latency_at_rate.message;
    case RESULTS_MEMORY:
        return result->memory.message;
    case RESULTS_INSTRUCTIONS:
        return result->instructions.message;
    case RESULTS_PASS_COUNT:
        break;
    }
    return NULL;
}

static results_pass_cell time_cell(double ns) {
    return (results_pass_cell){.exact = ns, .shown = unit_time_ns(ns)};
}

/* "[170, 195] ns": both ends in the unit of the lower one. */
static unit_text time_interval(const model_estimate *from) {
    unit_text out = {""};
    if (isfinite(from->low) && isfinite(from->high)) {
        const unit_scale scale = unit_scale_for(from->low);
        snprintf(out.text, sizeof out.text, "%.50s %.8s", unit_scaled_interval(scale, from->low, from->high).text,
                 scale.name);
    }
    return out;
}

static results_pass_cell number_cell(double number) {
    return (results_pass_cell){.exact = number, .shown = unit_number(number)};
}

static double count_or_nan(uint64_t count) {
    return count == MODEL_UNKNOWN ? MODEL_NAN : (double)count;
}

/* Above what was resident before the first operation; less than that is nothing. */
static results_pass_cell growth_cell(uint64_t bytes, uint64_t start) {
    const double known = count_or_nan(bytes) - count_or_nan(start);
    const double growth = known < 0 ? 0 : known;
    return (results_pass_cell){.exact = growth, .shown = unit_bytes(growth)};
}

static bool latency_cells(const results_latency *from, bool has_rate, results_pass_cell *cells) {
    const double values[] = {from->p50_ns,    from->p90_ns, from->p99_ns, from->p99_9_ns,
                             from->p99_99_ns, from->max_ns, from->mean_ns};
    const model_estimate *spread[] = {&from->spread.p50_ns,   &from->spread.p90_ns,    &from->spread.p99_ns,
                                      &from->spread.p99_9_ns, &from->spread.p99_99_ns, &from->spread.max_ns,
                                      &from->spread.mean_ns};
    size_t count = 0;
    for (; count < sizeof values / sizeof values[0]; count++) {
        cells[count] = time_cell(values[count]);
        cells[count].interval = time_interval(spread[count]);
    }
    cells[count] = number_cell(has_rate ? from->reached_per_second : count_or_nan(from->operations));
    return isfinite(from->p50_ns);
}

static bool memory_cells(const results_memory *from, results_pass_cell *cells) {
    const double live = count_or_nan(from->peak_live_bytes);
    const double start = count_or_nan(from->start_resident_bytes);
    cells[0] = (results_pass_cell){.exact = live, .shown = unit_bytes(live)};
    cells[1] = (results_pass_cell){.exact = start, .shown = unit_bytes(start)};
    cells[2] = growth_cell(from->peak_resident_bytes, from->start_resident_bytes);
    cells[3] = growth_cell(from->drained_resident_bytes, from->start_resident_bytes);
    cells[4] = growth_cell(from->idle_resident_bytes, from->start_resident_bytes);
    return isfinite(cells[2].exact);
}

bool results_pass_cells(const results_result *result, results_pass pass, results_pass_cell cells[RESULTS_PASS_CELLS],
                        const char **message) {
    const results_instructions *counted = &result->instructions;
    *message = message_of(result, pass);
    for (size_t i = 0; i < RESULTS_PASS_CELLS; i++) {
        cells[i] = number_cell(MODEL_NAN);
    }
    switch (pass) {
    case RESULTS_LATENCY:
        return latency_cells(&result->latency, false, cells);
    case RESULTS_LATENCY_AT_RATE:
        return latency_cells(&result->latency_at_rate, true, cells);
    case RESULTS_MEMORY:
        return memory_cells(&result->memory, cells);
    case RESULTS_INSTRUCTIONS:
        cells[0] = number_cell(counted->per_op);
        cells[1] = number_cell(counted->null_per_op);
        cells[2] = number_cell(count_or_nan(counted->total));
        return isfinite(counted->per_op);
    case RESULTS_PASS_COUNT:
        break;
    }
    return false;
}

const char *results_pass_failure(const results_model *model, const results_result *result, results_pass pass) {
    const char *message = message_of(result, pass);
    return message == NULL ? NULL : model_text_format(model->arena, "%s: %s", result->subject, message);
}

/* ---- captions ---- */

/* What stands below the figures. */
static const char *processes_caption(const results_model *model, const results_latency *from) {
    enum {
        BOUNDING = 6 /* from so many on, the interval holds the median in 95 % (bench/stats/stats.h) */
    };
    if (from->process_count < 2) {
        return "";
    }
    return model_text_format(model->arena, " All operations of %zu processes together; below each figure %s.",
                             from->process_count,
                             from->process_count < BOUNDING ? "the range of the processes' own"
                                                            : "the 95 % interval of the median of the processes' own");
}

static const char *latency_caption(const results_model *model, const results_latency *from, bool has_rate) {
    const char *processes = processes_caption(model, from);
    const char *clock =
        from->clock == NULL
            ? ""
            : model_text_format(model->arena,
                                " Clock: %s, whose reading is %s of each; quantiles are at most %.2g %% too "
                                "high.",
                                from->clock, unit_time_ns(from->clock_cost_ns).text, from->relative_error * 100);
    if (!has_rate) {
        return model_text_format(model->arena,
                                 "Single operations in a closed loop: each begins when the one before has ended, so a "
                                 "stall counts once.%s%s",
                                 processes, clock);
    }
    return model_text_format(model->arena,
                             "Single operations at %s a second, each timed from when it was meant to begin: what a "
                             "stall makes wait counts too. Where fewer were reached, the queue grew to the end.%s%s",
                             unit_number(from->rate_per_second).text, processes, clock);
}

static const char *memory_caption(const results_model *model, const results_memory *from) {
    return model_text_format(model->arena,
                             "One play, untimed. Resident memory above the start: at its peak, when all was released, "
                             "and %.3g s later, in which nobody called.",
                             from->idle_seconds);
}

static const char *instructions_caption(const results_model *model, const results_scenario *scenario) {
    return model_text_format(
        model->arena,
        "Instructions an operation under callgrind, of one play after another that warmed up; the "
        "harness's own share, which null shows, is in them.%s",
        scenario->threads > 1 && scenario->threads != MODEL_UNKNOWN
            ? " Threads took turns on one processor: what they execute is counted, not what they wait for or cost "
              "each other, and the count depends a little on whose turn it was."
            : "");
}

static void name(results_pass_head *head, const char *title, const char *caption, const char *const *headings,
                 size_t count) {
    head->title = title;
    head->caption = caption;
    head->count = count;
    memcpy(head->headings, headings, count * sizeof *headings);
}

static void describe(const results_model *model, const results_scenario *scenario, const results_result *example,
                     results_pass pass, results_pass_head *head) {
    static const char *const CLOSED[] = {"p50", "p90", "p99", "p99.9", "p99.99", "max", "mean", "operations"};
    static const char *const AT_RATE[] = {"p50", "p90", "p99", "p99.9", "p99.99", "max", "mean", "reached/s"};
    static const char *const MEMORY[] = {"peak live", "start", "peak", "after drain", "after idle"};
    static const char *const INSTRUCTIONS[] = {"instructions/op", "of it null's", "in all"};
    switch (pass) {
    case RESULTS_LATENCY:
        name(head, "latency", latency_caption(model, &example->latency, false), CLOSED, RESULTS_PASS_CELLS);
        break;
    case RESULTS_LATENCY_AT_RATE:
        name(head, "latency at a fixed rate", latency_caption(model, &example->latency_at_rate, true), AT_RATE,
             RESULTS_PASS_CELLS);
        break;
    case RESULTS_MEMORY:
        name(head, "memory over time", memory_caption(model, &example->memory), MEMORY,
             sizeof MEMORY / sizeof MEMORY[0]);
        break;
    case RESULTS_INSTRUCTIONS:
    case RESULTS_PASS_COUNT:
        name(head, "instructions", instructions_caption(model, scenario), INSTRUCTIONS,
             sizeof INSTRUCTIONS / sizeof INSTRUCTIONS[0]);
        break;
    }
}

bool results_pass_head_of(const results_model *model, const results_scenario *scenario, results_pass pass,
                          results_pass_head *head) {
    const results_result *example = NULL;
    bool has_numbers = false;
    for (size_t i = 0; i < scenario->result_count && !has_numbers; i++) {
        results_pass_cell cells[RESULTS_PASS_CELLS];
        const char *message = NULL;
        has_numbers = results_pass_cells(scenario->results[i], pass, cells, &message);
        example = has_numbers || (message != NULL && example == NULL) ? scenario->results[i] : example;
    }
    if (example != NULL) {
        describe(model, scenario, example, pass, head);
    }
    return example != NULL;
}

/* A second row below a subject's: between which bounds its figures lie. */
static void add_intervals(text_table *table, const results_pass_cell *cells, size_t count) {
    bool has_one = false;
    for (size_t i = 0; i < count; i++) {
        has_one = has_one || cells[i].interval.text[0] != '\0';
    }
    if (has_one) {
        table_add(table, TONE_FAINT, "%s", "");
        for (size_t i = 0; i < count; i++) {
            table_add(table, TONE_FAINT, "%s", cells[i].interval.text);
        }
        table_end_row(table);
    }
}

void results_pass_table_init(text_table *table, const results_model *model, const results_scenario *scenario,
                             results_pass pass, const results_pass_head *head) {
    table_column *columns = model_allocate(model->arena, (head->count + 1) * sizeof *columns);
    columns[0] = (table_column){"subject", false};
    for (size_t i = 0; i < head->count; i++) {
        columns[i + 1] = (table_column){head->headings[i], true};
    }
    table_init(table, columns, head->count + 1);
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        results_pass_cell cells[RESULTS_PASS_CELLS];
        const char *message = NULL;
        if (!results_pass_cells(result, pass, cells, &message) && message == NULL) {
            continue;
        }
        const table_tone tone = results_is_null(result) ? TONE_FAINT : TONE_PLAIN;
        table_add(table, tone, "%s", result->subject);
        for (size_t j = 0; j < head->count; j++) {
            table_add(table, tone, "%s", cells[j].shown.text);
        }
        table_end_row(table);
        add_intervals(table, cells, head->count);
    }
}
