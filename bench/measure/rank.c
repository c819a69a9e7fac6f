/* Resampling whole rounds: what one slow round did to all scenarios stays together. */
#include "measure/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/random.h"
#include "stats/bootstrap.h"

enum {
    SUBJECTS_MAX = 64,
    ROUNDS_LEAST = 6, /* for an interval */
    ROUNDS_MOST = 1024,
    RESAMPLES = 999 /* ranks are whole numbers: finer tails would say nothing */
};

/* The logarithms of one subject's ratios to the baseline in one scenario, by round. */
typedef struct column {
    double *logs;
    size_t count;
} column;

typedef struct ranking {
    const results_model *model;
    const char *subjects[SUBJECTS_MAX];
    size_t subject_count;
    size_t scenario_count;
    size_t rounds;   /* the most that a scenario has */
    size_t least;    /* the fewest */
    column *columns; /* subject by scenario */
    double *storage;
    double *resampled; /* subject by resample: means of logarithms */
    double *ranks;     /* the same: ranks */
} ranking;

static const results_result *find(const results_scenario *scenario, const char *subject) {
    for (size_t i = 0; subject != NULL && i < scenario->result_count; i++) {
        if (strcmp(scenario->results[i]->subject, subject) == 0) {
            return scenario->results[i]->status == RESULT_OK ? scenario->results[i] : NULL;
        }
    }
    return NULL;
}

static bool is_everywhere(const results_model *model, const char *subject) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        if (find(model->scenarios[i], subject) == NULL) {
            return false;
        }
    }
    return strcmp(subject, MODEL_NULL_SUBJECT) != 0;
}

static double time_in_round(const results_result *result, uint64_t round) {
    for (size_t i = 0; i < result->sample_count; i++) {
        if (result->samples[i]->round == round) {
            return result->samples[i]->time_ns_per_op;
        }
    }
    return nan("");
}

static void fill_column(column *out, const results_result *result, const results_result *baseline) {
    for (size_t i = 0; i < result->sample_count && out->count < ROUNDS_MOST; i++) {
        const double ratio = result->samples[i]->time_ns_per_op / time_in_round(baseline, result->samples[i]->round);
        if (isfinite(ratio) && ratio > 0) {
            out->logs[out->count++] = log(ratio);
        }
    }
}

static bool fill(ranking *self) {
    const results_model *model = self->model;
    self->least = ROUNDS_MOST;
    for (size_t s = 0; s < self->subject_count; s++) {
        for (size_t i = 0; i < self->scenario_count; i++) {
            column *to = &self->columns[s * self->scenario_count + i];
            to->logs = self->storage + (s * self->scenario_count + i) * ROUNDS_MOST;
            fill_column(to, find(model->scenarios[i], self->subjects[s]),
                        find(model->scenarios[i], model->run.baseline_subject));
            self->rounds = to->count > self->rounds ? to->count : self->rounds;
            self->least = to->count < self->least ? to->count : self->least;
        }
    }
    return self->least > 0;
}

/* The mean over the scenarios of the trimmed means, of the rounds that are chosen. A scenario with fewer rounds takes
 * those at the same share of its length. */
static double mean_of(const ranking *self, size_t subject, const size_t *rounds, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < self->scenario_count; i++) {
        const column *from = &self->columns[subject * self->scenario_count + i];
        double values[ROUNDS_MOST];
        for (size_t j = 0; j < count; j++) {
            values[j] = from->logs[rounds[j] * from->count / self->rounds];
        }
        stats_sort(values, count);
        sum += stats_trimmed_mean(values, count).mean;
    }
    return sum / (double)self->scenario_count;
}

static double rank_of(const double *means, size_t stride, size_t count, size_t subject) {
    double rank = 1;
    for (size_t i = 0; i < count; i++) {
        rank += means[i * stride] < means[subject * stride] ? 1 : 0;
    }
    return rank;
}

static void resample(const ranking *self) {
    random_state random;
    random_init(&random, self->model->run.seed, self->rounds);
    size_t chosen[ROUNDS_MOST];
    for (size_t r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < self->rounds; i++) {
            chosen[i] = (size_t)random_below(&random, self->rounds);
        }
        for (size_t s = 0; s < self->subject_count; s++) {
            self->resampled[s * RESAMPLES + r] = mean_of(self, s, chosen, self->rounds);
        }
        for (size_t s = 0; s < self->subject_count; s++) {
            self->ranks[s * RESAMPLES + r] = rank_of(self->resampled + r, RESAMPLES, self->subject_count, s);
        }
    }
}

static void bound(const ranking *self, size_t subject, double mean, results_rank *out) {
    double left_out[ROUNDS_MOST];
    size_t others[ROUNDS_MOST];
    for (size_t i = 0; i < self->rounds; i++) {
        size_t count = 0;
        for (size_t j = 0; j < self->rounds; j++) {
            if (j != i) {
                others[count++] = j;
            }
        }
        left_out[i] = mean_of(self, subject, others, count);
    }
    double low = 0;
    double high = 0;
    stats_bca_interval(self->resampled + subject * RESAMPLES, RESAMPLES, mean, left_out, self->rounds, STATS_CONFIDENCE,
                       &low, &high);
    out->ratio.low = exp(low);
    out->ratio.high = exp(high);
    out->ratio.verdict = high < 0 ? VERDICT_FASTER : low > 0 ? VERDICT_SLOWER : VERDICT_NOT_SEPARATED;
    double *ranks = self->ranks + subject * RESAMPLES;
    stats_sort(ranks, RESAMPLES);
    out->rank_low = (uint64_t)ranks[(size_t)(RESAMPLES * (1 - STATS_CONFIDENCE) / 2)];
    out->rank_high = (uint64_t)ranks[(size_t)(RESAMPLES * (1 + STATS_CONFIDENCE) / 2)];
}

static int by_rank(const void *left, const void *right) {
    const results_rank *a = *(results_rank *const *)left;
    const results_rank *b = *(results_rank *const *)right;
    return (a->ratio.estimate > b->ratio.estimate) - (a->ratio.estimate < b->ratio.estimate);
}

static void write_ranks(const ranking *self, results_model *model) {
    double means[SUBJECTS_MAX];
    size_t all[ROUNDS_MOST];
    for (size_t i = 0; i < self->rounds; i++) {
        all[i] = i;
    }
    const bool has_interval = self->least >= ROUNDS_LEAST;
    if (has_interval) {
        resample(self);
    }
    for (size_t s = 0; s < self->subject_count; s++) {
        means[s] = mean_of(self, s, all, self->rounds);
    }
    for (size_t s = 0; s < self->subject_count; s++) {
        results_rank *rank = results_model_add_rank(model, self->subjects[s]);
        rank->rank = (uint64_t)rank_of(means, 1, self->subject_count, s);
        rank->ratio.estimate = exp(means[s]);
        if (has_interval) {
            bound(self, s, means[s], rank);
        }
        if (strcmp(rank->subject, model->run.baseline_subject) == 0) {
            rank->ratio = (results_ratio){1, 1, 1, VERDICT_BASELINE};
        }
    }
    qsort(model->ranks, model->rank_count, sizeof(results_rank *), by_rank); /* NOLINT(bugprone-sizeof-expression) */
}

void rank_subjects(results_model *model) {
    ranking self = {.model = model, .scenario_count = model->scenario_count};
    model->rank_count = 0;
    const char *baseline = model->run.baseline_subject;
    if (model->scenario_count < 2 || baseline == NULL || !is_everywhere(model, baseline)) {
        return;
    }
    for (size_t i = 0; i < model->subject_count && self.subject_count < SUBJECTS_MAX; i++) {
        if (is_everywhere(model, model->subjects[i]->name)) {
            self.subjects[self.subject_count++] = model->subjects[i]->name;
        }
    }
    if (self.subject_count < 2) {
        return;
    }
    const size_t cells = self.subject_count * self.scenario_count;
    self.columns = calloc(cells, sizeof *self.columns);
    self.storage = calloc(cells * ROUNDS_MOST, sizeof *self.storage);
    self.resampled = calloc(self.subject_count * RESAMPLES, sizeof *self.resampled);
    self.ranks = calloc(self.subject_count * RESAMPLES, sizeof *self.ranks);
    if (self.columns != NULL && self.storage != NULL && self.resampled != NULL && self.ranks != NULL && fill(&self)) {
        write_ranks(&self, model);
    }
    free(self.columns);
    free(self.storage);
    free(self.resampled);
    free(self.ranks);
}
