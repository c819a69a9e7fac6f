/* The samples of one scenario, as bench/stats sees them. */
#include "measure/summarise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/bootstrap.h"
#include "stats/design.h"

/* Room for one number a round. */
typedef struct columns {
    double *one, *other;
    size_t rounds;
    double confidence;
    uint64_t seed;
} columns;

static model_estimate estimate_of(double *values, size_t count) {
    model_estimate estimate;
    stats_sort(values, count);
    estimate.median = stats_quantile(values, count, 0.5);
    stats_median_interval(values, count, &estimate.low, &estimate.high);
    return estimate;
}

static double time_of(const results_sample *sample) {
    return sample->time_ns_per_op;
}

static double memory_of(const results_sample *sample) {
    return sample->peak_resident_bytes == MODEL_UNKNOWN ? nan("") : (double)sample->peak_resident_bytes;
}

static model_estimate estimate_samples(const results_result *result, double (*value_of)(const results_sample *),
                                       double *values) {
    size_t count = 0;
    for (size_t i = 0; i < result->sample_count; i++) {
        const double value = value_of(result->samples[i]);
        if (isfinite(value)) {
            values[count++] = value;
        }
    }
    return estimate_of(values, count);
}

/* Puts each sample's time at its round; rounds without a sample hold NaN, which the comparison leaves out. */
static void by_round(const results_result *result, double *times, size_t rounds) {
    for (size_t i = 0; i < rounds; i++) {
        times[i] = nan("");
    }
    for (size_t i = 0; i < result->sample_count; i++) {
        const results_sample *sample = result->samples[i];
        if (sample->round >= 1 && sample->round <= rounds) {
            times[sample->round - 1] = sample->time_ns_per_op;
        }
    }
}

static model_verdict verdict_of(stats_verdict verdict) {
    switch (verdict) {
    case STATS_FASTER:
        return VERDICT_FASTER;
    case STATS_SLOWER:
        return VERDICT_SLOWER;
    case STATS_NOT_SEPARATED:
        break;
    }
    return VERDICT_NOT_SEPARATED;
}

static void mark_outliers(const results_result *result, const columns *room) {
    bool marked[STATS_PAIRS_MAX];
    const size_t count = result->sample_count < STATS_PAIRS_MAX ? result->sample_count : STATS_PAIRS_MAX;
    for (size_t i = 0; i < count && i < room->rounds; i++) {
        room->one[i] = result->samples[i]->time_ns_per_op;
    }
    (void)stats_outliers(room->one, count < room->rounds ? count : room->rounds, marked);
    for (size_t i = 0; i < count && i < room->rounds; i++) {
        result->samples[i]->outlier = marked[i];
    }
}

static results_ratio ratio_of(const results_result *result, const results_result *baseline, const columns *room,
                              uint64_t *rounds_needed) {
    results_ratio ratio = {.estimate = nan(""), .low = nan(""), .high = nan(""), .verdict = VERDICT_UNKNOWN};
    if (result->status != RESULT_OK || baseline == NULL || baseline->status != RESULT_OK) {
        return ratio;
    }
    if (baseline->sample_count == 0) {
        return ratio; /* nobody has one to what was not measured, itself least of all */
    }
    if (result == baseline) {
        return (results_ratio){.estimate = 1, .low = 1, .high = 1, .verdict = VERDICT_BASELINE};
    }
    by_round(result, room->one, room->rounds);
    by_round(baseline, room->other, room->rounds);
    const stats_ratio paired =
        stats_paired_bootstrap(room->one, room->other, room->rounds, room->confidence, room->seed);
    if (paired.count > 0) {
        ratio.estimate = paired.estimate;
        ratio.low = paired.low;
        ratio.high = paired.high;
        ratio.verdict = verdict_of(paired.verdict);
        const uint64_t needed = stats_rounds_needed(&paired);
        *rounds_needed = needed == 0 ? MODEL_UNKNOWN : needed;
    }
    return ratio;
}

/* The subject that leads, by its ratio to the baseline; NULL if none has one. `null` does no work and cannot lead. */
static const results_result *find_fastest(const results_scenario *scenario) {
    const results_result *fastest = NULL;
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (strcmp(result->subject, MODEL_NULL_SUBJECT) != 0 && isfinite(result->ratio.estimate) &&
            (fastest == NULL || result->ratio.estimate < fastest->ratio.estimate)) {
            fastest = result;
        }
    }
    return fastest;
}

static bool is_clear(const results_ratio *ratio) {
    const stats_ratio as_stats = {.low = ratio->low,
                                  .high = ratio->high,
                                  .verdict =
                                      ratio->verdict == VERDICT_NOT_SEPARATED ? STATS_NOT_SEPARATED : STATS_FASTER};
    return ratio->verdict == VERDICT_BASELINE || (isfinite(ratio->low) && stats_is_clear(&as_stats));
}

bool summarise_is_clear(const results_scenario *scenario) {
    for (size_t i = 0; i < scenario->result_count; i++) {
        const results_result *result = scenario->results[i];
        if (result->status == RESULT_OK && strcmp(result->subject, MODEL_NULL_SUBJECT) != 0 &&
            !(is_clear(&result->ratio) && is_clear(&result->to_fastest))) {
            return false;
        }
    }
    return true;
}

void summarise_scenario(const results_model *model, results_scenario *scenario, const char *baseline, double *line_ns,
                        size_t line_count) {
    columns room = {.rounds = model->run.rounds,
                    .confidence = isfinite(scenario->confidence) ? scenario->confidence : STATS_CONFIDENCE,
                    .seed = model->run.seed};
    const results_result *base = NULL;
    room.one = calloc(room.rounds, sizeof *room.one);
    room.other = calloc(room.rounds, sizeof *room.other);
    for (size_t i = 0; i < scenario->result_count; i++) {
        if (strcmp(scenario->results[i]->subject, baseline) == 0) {
            base = scenario->results[i];
        }
    }
    for (size_t i = 0; i < scenario->result_count && room.one != NULL && room.other != NULL; i++) {
        results_result *result = scenario->results[i];
        result->time_ns_per_op = estimate_samples(result, time_of, room.one);
        result->peak_resident_bytes = estimate_samples(result, memory_of, room.one);
        mark_outliers(result, &room);
        result->ratio = ratio_of(result, base, &room, &result->rounds_needed);
        if (strcmp(result->subject, MODEL_NULL_SUBJECT) == 0) {
            result->rounds_needed = MODEL_UNKNOWN;
        }
    }
    const results_result *fastest = find_fastest(scenario);
    for (size_t i = 0; i < scenario->result_count && room.one != NULL && room.other != NULL; i++) {
        results_result *result = scenario->results[i];
        if (strcmp(result->subject, MODEL_NULL_SUBJECT) != 0) {
            uint64_t ignored = 0;
            result->to_fastest = ratio_of(result, fastest, &room, &ignored);
        }
    }
    stats_sort(line_ns, line_count);
    scenario->line_round_trip_ns = stats_quantile(line_ns, line_count, 0.5);
    free(room.one);
    free(room.other);
}
