/* The table of targets, and its judge. */
#include "targets/targets.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "reports/table.h"
#include "reports/units.h"
#include "stats/stats.h"

#define NOT_SLOWER .bound_text = "not slower", .bound = 1, .at_least = true, .margin = TARGETS_MARGIN

static const targets_row ROWS[] = {
    {"pingpong", "one buffer at a time, 16 B to 64 KiB, shared library, against the best malloc",
     "at least 1.6x faster", TARGETS_FASTER, "pooled", "pingpong", NULL, 1.6, true, 0},
    {"pingpong-inline", "the same, linked statically with the fast path inlined", "at least 3x faster", TARGETS_FASTER,
     "pooled-inline", "pingpong", NULL, 3, true, 0},
    {"pingpong-large", "one buffer at a time, 256 KiB and 1 MiB, against the best malloc", "at least 3x faster",
     TARGETS_FASTER, "pooled", "pingpong-large", NULL, 3, true, 0},
    {"pingpong-2-threads", "two threads at once, time of each against one alone", "at most 1.1x", TARGETS_ALONE,
     "pooled", "pingpong-2-threads", "pingpong", 1.1, false, 0},
    {"churn-1024", "churn, 1,024 live, real sizes, against the best malloc", "at least 1.3x faster", TARGETS_FASTER,
     "pooled", "churn-1024", NULL, 1.3, true, 0},
    {"churn-100000", "churn, 100,000 live, real sizes, against the best malloc", .kind = TARGETS_FASTER,
     .subject = "pooled", .scenario = "churn-100000", NOT_SLOWER},
    {"handoff-single", "handed over one by one, against the best malloc", .kind = TARGETS_FASTER, .subject = "pooled",
     .scenario = "handoff-single", NOT_SLOWER},
    {"handoff-burst", "handed over in bursts of 64, against the best malloc", .kind = TARGETS_FASTER,
     .subject = "pooled", .scenario = "handoff-burst", NOT_SLOWER},
    {"burst-64", "64 allocated, then 64 released, 256 B to 16 KiB, against the best malloc", .kind = TARGETS_FASTER,
     .subject = "pooled", .scenario = "burst-64", NOT_SLOWER},
    {"bulk-32", "32 a call, time of a buffer", "at most 3 ns", TARGETS_TIME, "pooled", "bulk-32", NULL, 3, false, 0},
    {"resident-100000", "peak resident over live bytes, 100,000 live, handles included", "at most 1.15",
     TARGETS_RESIDENT, "pooled", "resident-100000", NULL, 1.15, false, 0},
    {"give-back", "1 GiB freed, then 10 s idle: still resident", "under 5 %", TARGETS_GIVEN, NULL, NULL, NULL, 5, false,
     0},
    {"threads-64", "churn on 64 threads, throughput against 2 threads", "at least 0.8x", TARGETS_THROUGHPUT, "pooled",
     "churn-64-threads", "churn-2-threads", 0.8, true, 0},
    {"instructions", "instructions of the fast paths, over those on record", "at most 2 % more", TARGETS_GIVEN, NULL,
     NULL, NULL, 2, false, 0},
};

/* What "the best malloc" is the best of: each of them must have been measured. */
static const char *const MALLOCS[] = {"malloc", "jemalloc", "mimalloc", "tcmalloc"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const targets_row *targets_row_at(size_t index) {
    return index < COUNT(ROWS) ? &ROWS[index] : NULL;
}

const targets_row *targets_row_find(const char *name) {
    for (size_t i = 0; i < COUNT(ROWS); i++) {
        if (strcmp(ROWS[i].name, name) == 0) {
            return &ROWS[i];
        }
    }
    return NULL;
}

void targets_row_subjects(const targets_row *row, char *text, size_t size) {
    const char *more = "";
    switch (row->kind) {
    case TARGETS_FASTER:
    case TARGETS_RESIDENT:
        more = ",malloc,jemalloc,mimalloc,tcmalloc";
        break;
    case TARGETS_TIME:
        more = ",null,malloc,jemalloc,mimalloc,tcmalloc";
        break;
    default:
        break;
    }
    (void)snprintf(text, size, "%s%s", row->kind == TARGETS_GIVEN ? "" : row->subject, more);
}

/* ---- Finding results ---- */

/* Whether a scenario is the row's, as it is or for one size; the size, 0 for none. */
static bool is_named(const results_scenario *from, const char *name, unsigned long *size) {
    const size_t length = strlen(name);
    *size = 0;
    if (strncmp(from->name, name, length) != 0) {
        return false;
    }
    const char *rest = from->name + length;
    if (*rest == '\0') {
        return true;
    }
    if (*rest != '-' || !isdigit((unsigned char)rest[1])) {
        return false;
    }
    char *end = NULL;
    *size = strtoul(rest + 1, &end, 10);
    return *end == '\0';
}

static const results_scenario *scenario_of(const results_model *model, const char *name, unsigned long size) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        unsigned long found = 0;
        if (is_named(model->scenarios[i], name, &found) && found == size) {
            return model->scenarios[i];
        }
    }
    return NULL;
}

/* A result that has numbers; NULL otherwise, with the reason as the figure's detail. */
static const results_result *result_of(const results_scenario *from, const char *subject, targets_figure *figure) {
    for (size_t i = 0; i < from->result_count; i++) {
        const results_result *result = from->results[i];
        if (strcmp(result->subject, subject) == 0 && result->status == RESULT_OK && result->sample_count > 0) {
            return result;
        }
        if (strcmp(result->subject, subject) == 0) {
            (void)snprintf(figure->detail, sizeof figure->detail, "%s: %s", subject,
                           result->message != NULL ? result->message : result_status_name(result->status));
            return NULL;
        }
    }
    (void)snprintf(figure->detail, sizeof figure->detail, "%s was not measured", subject);
    return NULL;
}

/* ---- Figures ---- */

/* The first's time over the second's, in pairs of the same round, times a constant. */
static void set_ratio(targets_figure *figure, const results_result *first, const results_result *second,
                      double factor) {
    double *one = calloc(first->sample_count, sizeof *one);
    double *two = calloc(first->sample_count, sizeof *two);
    size_t count = 0;
    for (size_t i = 0; i < first->sample_count && one != NULL && two != NULL; i++) {
        for (size_t j = 0; j < second->sample_count; j++) {
            if (first->samples[i]->round == second->samples[j]->round) {
                one[count] = first->samples[i]->time_ns_per_op;
                two[count++] = second->samples[j]->time_ns_per_op;
                break;
            }
        }
    }
    const stats_ratio ratio = stats_paired_ratio(one, two, count);
    figure->value = ratio.estimate * factor;
    figure->low = ratio.low * factor;
    figure->high = ratio.high * factor;
    free(one);
    free(two);
}

/* Time a buffer. With threads an operation of the busiest one already is a buffer's; one thread alone both allocates and
 * releases, which in a burst are two operations. */
static double buffer_ns(const results_scenario *from, const results_result *result) {
    const bool is_alone = from->threads == 1 && from->allocations != 0 && from->allocations != MODEL_UNKNOWN;
    return result->time_ns_per_op.median * (is_alone ? (double)from->operations / (double)from->allocations : 1);
}

__attribute__((format(printf, 2, 3))) static void add_detail(targets_figure *figure, const char *format, ...) {
    const size_t used = strlen(figure->detail);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(figure->detail + used, sizeof figure->detail - used, format, args);
    va_end(args);
}

static void add_time(targets_figure *figure, const results_scenario *from, const results_result *result) {
    add_detail(figure, "%s%s %s", figure->detail[0] != '\0' ? ", " : "", result->subject,
               unit_time_ns(buffer_ns(from, result)).text);
}

static void add_round_trip(targets_figure *figure, const results_scenario *from) {
    if (isfinite(from->line_round_trip_ns)) {
        add_detail(figure, "; line round trip %s", unit_time_ns(from->line_round_trip_ns).text);
    }
}

static const results_result *best_malloc(const results_scenario *from, targets_figure *figure) {
    const results_result *best = NULL;
    for (size_t i = 0; i < COUNT(MALLOCS); i++) {
        const results_result *result = result_of(from, MALLOCS[i], figure);
        if (result == NULL) {
            return NULL;
        }
        if (best == NULL || result->time_ns_per_op.median < best->time_ns_per_op.median) {
            best = result;
        }
    }
    return best;
}

static void set_faster(targets_figure *figure, const results_scenario *from, const results_result *subject) {
    const results_result *best = best_malloc(from, figure);
    if (best != NULL) {
        set_ratio(figure, best, subject, 1);
        add_time(figure, from, subject);
        add_time(figure, from, best);
        add_round_trip(figure, from);
    }
}

static void set_time(targets_figure *figure, const results_scenario *from, const results_result *subject) {
    figure->value = subject->time_ns_per_op.median;
    figure->low = subject->time_ns_per_op.low;
    figure->high = subject->time_ns_per_op.high;
    targets_figure ignored = {.detail = ""};
    const results_result *null = result_of(from, MODEL_NULL_SUBJECT, &ignored);
    const results_result *best = best_malloc(from, &ignored);
    if (null != NULL) {
        add_detail(figure, "without the harness's own %s",
                   unit_time_ns(figure->value - null->time_ns_per_op.median).text);
    }
    if (best != NULL) {
        add_time(figure, from, best);
    }
}

/* The median of the samples' ratios and its bounds; NaN where no sample knows its memory. */
static void set_growth(targets_figure *figure, const results_result *result) {
    double *ratios = calloc(result->sample_count, sizeof *ratios);
    size_t count = 0;
    for (size_t i = 0; i < result->sample_count && ratios != NULL; i++) {
        const results_sample *sample = result->samples[i];
        if (sample->resident_growth_bytes != MODEL_UNKNOWN && sample->peak_live_bytes != MODEL_UNKNOWN &&
            sample->peak_live_bytes != 0) {
            ratios[count++] = (double)sample->resident_growth_bytes / (double)sample->peak_live_bytes;
        }
    }
    stats_sort(ratios, count);
    figure->value = stats_quantile(ratios, count, 0.5);
    stats_median_interval(ratios, count, &figure->low, &figure->high);
    free(ratios);
}

static void set_resident(targets_figure *figure, const results_scenario *from, const results_result *subject) {
    set_growth(figure, subject);
    for (size_t i = 0; i < COUNT(MALLOCS); i++) {
        targets_figure other = {.detail = ""};
        const results_result *result = result_of(from, MALLOCS[i], &other);
        if (result != NULL) {
            set_growth(&other, result);
            add_detail(figure, "%s%s %.3g", figure->detail[0] != '\0' ? ", " : "", MALLOCS[i], other.value);
        }
    }
}

/* The two scenarios of a row that compares threads. */
static void set_threads(const targets_row *row, targets_figure *figure, const results_scenario *from,
                        const results_scenario *other, const results_result *subject) {
    if (other == NULL) {
        (void)snprintf(figure->detail, sizeof figure->detail, "%s was not measured in the same run", row->other);
        return;
    }
    const results_result *reference = result_of(other, row->subject, figure);
    if (reference == NULL) {
        return;
    }
    if (row->kind == TARGETS_ALONE) {
        set_ratio(figure, subject, reference, 1);
        add_detail(figure, "%s, alone %s", unit_time_ns(buffer_ns(from, subject)).text,
                   unit_time_ns(buffer_ns(other, reference)).text);
    } else {
        const double threads = (double)from->threads;
        const double other_threads = (double)other->threads;
        set_ratio(figure, reference, subject, threads / other_threads);
        add_detail(figure, "millions of steps a second: %.3g, with 2 threads %.3g",
                   threads * 1e3 / subject->time_ns_per_op.median,
                   other_threads * 1e3 / reference->time_ns_per_op.median);
    }
    add_round_trip(figure, from);
}

/* ---- Verdicts ---- */

static targets_verdict verdict_of(const targets_row *row, const targets_figure *figure) {
    if (!isfinite(figure->value)) {
        return TARGETS_NOT_MEASURED;
    }
    if (!isfinite(figure->low) || !isfinite(figure->high)) {
        return TARGETS_NOT_SEPARATED;
    }
    if (row->at_least) {
        const bool is_right = figure->low >= row->bound * (1 - row->margin) && figure->high >= row->bound;
        return is_right ? TARGETS_MET : figure->high < row->bound ? TARGETS_MISSED : TARGETS_NOT_SEPARATED;
    }
    return figure->high <= row->bound ? TARGETS_MET : figure->low > row->bound ? TARGETS_MISSED : TARGETS_NOT_SEPARATED;
}

/* How much on the wrong side the estimate lies: 0.1 is a tenth of the bound. Negative on the right side. */
static double shortfall(const targets_row *row, const targets_figure *figure) {
    const double ratio = figure->value / row->bound;
    return row->at_least ? 1 - ratio : ratio - 1;
}

static bool is_worse(const targets_row *row, const targets_figure *a, const targets_figure *b) {
    if (a->verdict != b->verdict) {
        return a->verdict > b->verdict;
    }
    return shortfall(row, a) > shortfall(row, b);
}

static void find_worst(targets_judgement *out) {
    out->worst = 0;
    for (size_t i = 0; i < out->figure_count; i++) {
        out->figures[i].verdict = verdict_of(out->row, &out->figures[i]);
        if (is_worse(out->row, &out->figures[i], &out->figures[out->worst])) {
            out->worst = i;
        }
    }
    out->verdict = out->figures[out->worst].verdict;
}

static int compare_sizes(const void *a, const void *b) {
    const targets_figure *one = a;
    const targets_figure *two = b;
    return (one->size > two->size) - (one->size < two->size);
}

static targets_figure *add_figure(targets_judgement *out, unsigned long size) {
    targets_figure *figure = &out->figures[out->figure_count++];
    *figure = (targets_figure){.size = size, .value = nan(""), .low = nan(""), .high = nan("")};
    return figure;
}

static void judge_scenario(targets_judgement *out, const results_model *model, const results_scenario *from,
                           unsigned long size) {
    targets_figure *figure = add_figure(out, size);
    const results_result *subject = result_of(from, out->row->subject, figure);
    if (subject == NULL) {
        return;
    }
    switch (out->row->kind) {
    case TARGETS_FASTER:
        set_faster(figure, from, subject);
        break;
    case TARGETS_TIME:
        set_time(figure, from, subject);
        break;
    case TARGETS_RESIDENT:
        set_resident(figure, from, subject);
        break;
    default:
        set_threads(out->row, figure, from, scenario_of(model, out->row->other, size), subject);
        break;
    }
}

void targets_judge(const targets_row *row, const results_model *model, targets_judgement *out) {
    memset(out, 0, sizeof *out);
    out->row = row;
    for (size_t i = 0; i < model->scenario_count && out->figure_count < TARGETS_FIGURES_MAX; i++) {
        unsigned long size = 0;
        if (is_named(model->scenarios[i], row->scenario, &size)) {
            judge_scenario(out, model, model->scenarios[i], size);
        }
    }
    if (out->figure_count == 0) {
        add_detail(add_figure(out, 0), "%s was not run", row->scenario);
    }
    qsort(out->figures, out->figure_count, sizeof out->figures[0], compare_sizes);
    find_worst(out);
}

void targets_judge_given(const targets_row *row, double value, const char *detail, targets_judgement *out) {
    memset(out, 0, sizeof *out);
    out->row = row;
    targets_figure *figure = add_figure(out, 0);
    figure->value = figure->low = figure->high = value;
    if (detail != NULL) {
        add_detail(figure, "%s", detail);
    }
    find_worst(out);
}

/* ---- The table ---- */

/* A figure in the row's own unit. */
static void format_value(const targets_row *row, double value, char *text, size_t size) {
    switch (row->kind) {
    case TARGETS_TIME:
        (void)snprintf(text, size, "%s", unit_time_ns(value).text);
        break;
    case TARGETS_GIVEN:
        (void)snprintf(text, size, "%.1f %%", value);
        break;
    default:
        (void)snprintf(text, size, "%s%s", unit_ratio(value).text, row->kind == TARGETS_RESIDENT ? "" : "x");
        break;
    }
}

static void add_value(text_table *table, const targets_row *row, const targets_figure *figure) {
    char text[TARGETS_TEXT_SIZE] = "-";
    const bool has_interval = row->kind != TARGETS_GIVEN && isfinite(figure->low) && isfinite(figure->high);
    if (isfinite(figure->value)) {
        format_value(row, figure->value, text, sizeof text);
    }
    table_add(table, TONE_PLAIN, "%s", text);
    table_add(table, TONE_FAINT, "%s", has_interval ? unit_ratio_interval(figure->low, figure->high).text : "-");
}

static void add_verdict(text_table *table, const targets_row *row, const targets_figure *figure) {
    switch (figure->verdict) {
    case TARGETS_MET:
        table_add(table, TONE_GOOD, "met");
        break;
    case TARGETS_NOT_SEPARATED:
        table_add(table, TONE_FAINT, "not separated");
        break;
    case TARGETS_NOT_MEASURED:
        table_add(table, TONE_BAD, "not measured");
        break;
    default:
        table_add(table, TONE_BAD, "MISSED by %.*f %%", shortfall(row, figure) < 0.0995 ? 1 : 0,
                  100 * shortfall(row, figure));
        break;
    }
}

/* One line a row; where it has sizes, the worst one's figure in it, and a line for each below. Where not even the worst
 * was measured, for the same reason as the others, that line says it all. */
static bool has_lines(const targets_judgement *judged) {
    for (size_t i = 1; i < judged->figure_count; i++) {
        if (judged->figures[i].verdict != TARGETS_NOT_MEASURED || judged->figures[0].verdict != TARGETS_NOT_MEASURED ||
            strcmp(judged->figures[i].detail, judged->figures[0].detail) != 0) {
            return true;
        }
    }
    return false;
}

static void add_judgement(text_table *table, const targets_judgement *judged) {
    const targets_row *row = judged->row;
    const targets_figure *worst = &judged->figures[judged->worst];
    const bool is_split = has_lines(judged);
    table_add(table, TONE_STRONG, "%s", row->name);
    table_add(table, TONE_PLAIN, "%s", row->bound_text);
    add_value(table, row, worst);
    add_verdict(table, row, worst);
    if (is_split) {
        table_add(table, TONE_PLAIN, "the worst is %s", unit_byte_count(worst->size).text);
    } else {
        table_add(table, TONE_FAINT, "%s", worst->detail);
    }
    table_end_row(table);
    for (size_t i = 0; i < judged->figure_count && is_split; i++) {
        table_add(table, TONE_PLAIN, "  %s", unit_byte_count(judged->figures[i].size).text);
        table_add(table, TONE_PLAIN, "%s", "");
        add_value(table, row, &judged->figures[i]);
        add_verdict(table, row, &judged->figures[i]);
        table_add(table, TONE_FAINT, "%s", judged->figures[i].detail);
        table_end_row(table);
    }
}

/* "; missed: a, b" */
static void print_names(const targets_judgement *judgements, size_t count, targets_verdict verdict, const char *what,
                        FILE *to) {
    const char *before = what;
    for (size_t i = 0; i < count; i++) {
        if (judgements[i].verdict == verdict) {
            fprintf(to, "%s%s", before, judgements[i].row->name);
            before = ", ";
        }
    }
}

bool targets_print(const targets_judgement *judgements, size_t count, FILE *to, bool colour) {
    static const table_column COLUMNS[] = {
        {"target", false},       {"must be", false}, {"measured", true},
        {"95 % interval", true}, {"verdict", false}, {"time a buffer, and what else belongs beside it", false},
    };
    text_table table;
    size_t met = 0;
    table_init(&table, COLUMNS, COUNT(COLUMNS));
    for (size_t i = 0; i < count; i++) {
        add_judgement(&table, &judgements[i]);
        met += judgements[i].verdict == TARGETS_MET;
    }
    table_print_text(&table, to, 0, colour);
    table_fini(&table);
    fputs("\n", to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "%-18s  %s\n", judgements[i].row->name, judgements[i].row->about);
    }
    fprintf(to, "\n%zu of %zu targets met", met, count);
    print_names(judgements, count, TARGETS_MISSED, "; MISSED: ", to);
    print_names(judgements, count, TARGETS_NOT_SEPARATED, "; not separated: ", to);
    print_names(judgements, count, TARGETS_NOT_MEASURED, "; not measured: ", to);
    fputs("\n", to);
    return met == count;
}
