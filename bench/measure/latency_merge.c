/* Adds histograms up, and bounds medians. */
#include "measure/latency_merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/latency.h"
#include "stats/stats.h"

/* In which order figures stand in a process, and in the spread over processes. */
static const struct {
    size_t in_process, in_spread;
} FIGURES[] = {
#define FIGURE(member)                                                                                                 \
    { offsetof(results_latency_process, member), offsetof(results_latency_spread, member) }
    FIGURE(mean_ns),  FIGURE(p50_ns),    FIGURE(p90_ns), FIGURE(p99_ns),
    FIGURE(p99_9_ns), FIGURE(p99_99_ns), FIGURE(max_ns),
#undef FIGURE
};

static bool is_same_edge(double one, double other) {
    return fabs(one - other) <= LATENCY_SAME_EDGE * fmin(one, other);
}

/* Both lists ascend, and so does what they become. */
static void add_buckets(model_arena *arena, results_latency *into, const results_latency *from) {
    results_bucket **old = into->buckets;
    const size_t old_count = into->bucket_count;
    size_t i = 0;
    size_t j = 0;
    into->buckets = NULL;
    into->bucket_count = 0;
    while (i < old_count || j < from->bucket_count) {
        const bool has_both = i < old_count && j < from->bucket_count;
        results_bucket *next = NULL;
        if (has_both && is_same_edge(old[i]->up_to_ns, from->buckets[j]->up_to_ns)) {
            next = old[i++];
            next->count += from->buckets[j++]->count;
        } else if (j >= from->bucket_count || (has_both && old[i]->up_to_ns < from->buckets[j]->up_to_ns)) {
            next = old[i++];
        } else {
            /* A copy: the counts of what was handed in stay its own. */
            next = model_allocate(arena, sizeof *next);
            *next = *from->buckets[j++];
        }
        model_append(arena, &into->buckets, &into->bucket_count, next);
    }
}

static void add_clock(model_arena *arena, results_latency *into, const results_latency *from) {
    if (into->clock == NULL) {
        into->clock = from->clock;
    } else if (from->clock != NULL && strstr(into->clock, from->clock) == NULL) {
        into->clock = model_text_format(arena, "%s and %s", into->clock, from->clock);
    }
    into->clock_cost_ns = fmax(into->clock_cost_ns, from->clock_cost_ns);
    into->relative_error = fmax(into->relative_error, from->relative_error);
}

void latency_merge_add(model_arena *arena, results_latency *into, const results_latency *from) {
    results_latency_process *process = model_allocate(arena, sizeof *process);
    *process = (results_latency_process){from->mean_ns,  from->p50_ns,    from->p90_ns, from->p99_ns,
                                         from->p99_9_ns, from->p99_99_ns, from->max_ns};
    if (into->process_count == 0) {
        const results_latency_spread unknown = into->spread;
        *into = *from;
        into->spread = unknown;
        into->buckets = NULL;
        into->bucket_count = 0;
    } else {
        const double share = 1.0 / (double)(into->process_count + 1);
        into->reached_per_second += (from->reached_per_second - into->reached_per_second) * share;
        into->mean_ns += (from->mean_ns - into->mean_ns) *
                         ((double)from->operations / (double)(into->operations + from->operations));
        into->operations += from->operations;
        into->max_ns = fmax(into->max_ns, from->max_ns);
        add_clock(arena, into, from);
    }
    add_buckets(arena, into, from);
    model_append(arena, &into->processes, &into->process_count, process);
}

/* The `rank`th longest. */
static double value_at(const results_latency *all, uint64_t rank) {
    uint64_t seen = 0;
    size_t i = all->bucket_count;
    while (i > 0 && seen < rank) {
        seen += all->buckets[--i]->count;
    }
    return i < all->bucket_count ? fmin(all->buckets[i]->up_to_ns, all->max_ns) : MODEL_NAN;
}

static model_estimate bound(const results_latency *from, size_t offset, double *scratch) {
    model_estimate found = {MODEL_NAN, MODEL_NAN, MODEL_NAN};
    size_t count = 0;
    for (size_t i = 0; i < from->process_count; i++) {
        double value;
        memcpy(&value, (const unsigned char *)from->processes[i] + offset, sizeof value);
        if (isfinite(value)) {
            scratch[count++] = value;
        }
    }
    stats_sort(scratch, count);
    found.median = stats_quantile(scratch, count, 0.5);
    stats_median_interval(scratch, count, &found.low, &found.high);
    return found;
}

void latency_merge_end(results_latency *into) {
    if (into->process_count < 2) {
        into->processes = NULL;
        into->process_count = 0;
        return;
    }
    into->p50_ns = value_at(into, latency_tail_rank(into->operations, 50000));
    into->p90_ns = value_at(into, latency_tail_rank(into->operations, 10000));
    into->p99_ns = value_at(into, latency_tail_rank(into->operations, 1000));
    into->p99_9_ns = value_at(into, latency_tail_rank(into->operations, 100));
    into->p99_99_ns = value_at(into, latency_tail_rank(into->operations, 10));
    into->relative_error += LATENCY_SAME_EDGE;
    double *scratch = calloc(into->process_count, sizeof *scratch);
    for (size_t i = 0; scratch != NULL && i < sizeof FIGURES / sizeof FIGURES[0]; i++) {
        const model_estimate found = bound(into, FIGURES[i].in_process, scratch);
        memcpy((unsigned char *)&into->spread + FIGURES[i].in_spread, &found, sizeof found);
    }
    free(scratch);
}
