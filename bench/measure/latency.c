/* Chooses the clock, and reads histograms. */
#include "measure/latency.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#if SUBJECT_TIMER_HAS_TSC
#include <cpuid.h>
#endif

/* How long a calibration lasts, and how far two may lie apart. */
#define CALIBRATION_NS       10e6
#define CALIBRATION_DISTANCE 1e-3

enum {
    COST_READINGS = 2001
};

static uint64_t monotonic_ns(void *ignored) {
    struct timespec now;
    (void)ignored;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool latency_clock_is_steady(double one, double other) {
    return one > 0 && other > 0 && fabs(one - other) <= CALIBRATION_DISTANCE * fmin(one, other);
}

#if SUBJECT_TIMER_HAS_TSC
/* CPUID's word on it: the counter runs at one speed in all of the processor's states. */
static bool has_invariant_counter(void) {
    enum {
        LEAF = 0x80000007,
        INVARIANT = 1 << 8
    };
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid((unsigned)LEAF, &a, &b, &c, &d) != 0 && (d & INVARIANT) != 0;
}

static double calibrate(void) {
    const subject_timer counter = {.now = NULL};
    const uint64_t start_ns = monotonic_ns(NULL);
    const uint64_t start = subject_timer_now(&counter);
    uint64_t end_ns = start_ns;
    while ((double)(end_ns - start_ns) < CALIBRATION_NS) {
        end_ns = monotonic_ns(NULL);
    }
    return (double)(subject_timer_now(&counter) - start) / (double)(end_ns - start_ns);
}

static bool choose_counter(latency_clock *clock) {
    if (!has_invariant_counter()) {
        return false;
    }
    const double one = calibrate();
    const double other = calibrate();
    *clock = (latency_clock){.name = "time-stamp counter", .ticks_per_ns = (one + other) / 2};
    return latency_clock_is_steady(one, other);
}
#else
static bool choose_counter(latency_clock *clock) {
    (void)clock;
    return false;
}
#endif

static int compare_counts(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static double measure_cost(const latency_clock *clock) {
    static uint64_t buckets[SUBJECT_TIMER_BUCKETS];
    uint64_t readings[COST_READINGS];
    subject_timer timer = {.now = clock->now, .buckets = buckets};
    for (int i = 0; i < COST_READINGS; i++) {
        const uint64_t before = timer.sum;
        subject_timer_start(&timer);
        subject_timer_stop(&timer);
        readings[i] = timer.sum - before;
    }
    qsort(readings, COST_READINGS, sizeof readings[0], compare_counts);
    const uint64_t median = readings[COST_READINGS / 2];
    return (double)median / clock->ticks_per_ns;
}

void latency_clock_choose(latency_clock *clock) {
    if (!choose_counter(clock)) {
        *clock = (latency_clock){.name = "clock_gettime", .now = monotonic_ns, .ticks_per_ns = 1};
    }
    clock->cost_ns = measure_cost(clock);
}

subject_timer *latency_timers_create(const latency_clock *clock, uint32_t count, double interval_ns) {
    subject_timer *timers = calloc(count, sizeof *timers);
    for (uint32_t i = 0; timers != NULL && i < count; i++) {
        timers[i].now = clock->now;
        timers[i].interval = interval_ns > 0 ? (uint64_t)fmax(interval_ns * clock->ticks_per_ns, 1) : 0;
        timers[i].buckets = calloc(SUBJECT_TIMER_BUCKETS, sizeof *timers[i].buckets);
        if (timers[i].buckets == NULL) {
            latency_timers_destroy(timers, count);
            return NULL;
        }
    }
    return timers;
}

void latency_timers_destroy(subject_timer *timers, uint32_t count) {
    for (uint32_t i = 0; timers != NULL && i < count; i++) {
        free(timers[i].buckets);
    }
    free(timers);
}

uint64_t latency_tail_rank(uint64_t count, uint64_t tail) {
    const uint64_t whole = 100000;
    const uint64_t rank = count / whole * tail + count % whole * tail / whole;
    return rank == 0 ? 1 : rank;
}

uint64_t latency_bucket_most(uint32_t bucket) {
    const uint32_t half = UINT32_C(1) << SUBJECT_TIMER_BITS;
    if (bucket < half) {
        return bucket;
    }
    const uint32_t shift = (bucket >> SUBJECT_TIMER_BITS) - 1;
    return ((uint64_t)(half + bucket % half + 1) << shift) - 1;
}

/* The value that is `rank`th from the largest. */
static uint64_t value_at(const subject_timer *all, uint64_t rank) {
    uint64_t seen = 0;
    uint32_t bucket = SUBJECT_TIMER_BUCKETS;
    while (bucket > 0 && seen < rank) {
        seen += all->buckets[--bucket];
    }
    const uint64_t most = latency_bucket_most(bucket);
    return most < all->most ? most : all->most;
}

static void gather(subject_timer *timers, uint32_t count) {
    subject_timer *all = &timers[0];
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < SUBJECT_TIMER_BUCKETS; j++) {
            all->buckets[j] += timers[i].buckets[j];
        }
        all->count += timers[i].count;
        all->sum += timers[i].sum;
        all->most = timers[i].most > all->most ? timers[i].most : all->most;
    }
}

void latency_summarise(model_arena *arena, const latency_clock *clock, subject_timer *timers, uint32_t count,
                       results_latency *out) {
    gather(timers, count);
    const subject_timer *all = &timers[0];
    out->clock = model_text(arena, clock->name);
    out->clock_cost_ns = clock->cost_ns;
    out->relative_error = 1.0 / (UINT64_C(1) << SUBJECT_TIMER_BITS);
    out->operations = all->count;
    if (all->count == 0) {
        return;
    }
    const struct {
        double *value;
        uint64_t tail;
    } quantiles[] = {{&out->p50_ns, 50000},
                     {&out->p90_ns, 10000},
                     {&out->p99_ns, 1000},
                     {&out->p99_9_ns, 100},
                     {&out->p99_99_ns, 10}};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        const uint64_t rank = latency_tail_rank(all->count, quantiles[i].tail);
        *quantiles[i].value = (double)value_at(all, rank) / clock->ticks_per_ns;
    }
    out->mean_ns = (double)all->sum / (double)all->count / clock->ticks_per_ns;
    out->max_ns = (double)all->most / clock->ticks_per_ns;
    for (uint32_t i = 0; i < SUBJECT_TIMER_BUCKETS; i++) {
        if (all->buckets[i] != 0) {
            results_bucket *bucket = model_allocate(arena, sizeof *bucket);
            bucket->up_to_ns = (double)latency_bucket_most(i) / clock->ticks_per_ns;
            bucket->count = all->buckets[i];
            model_append(arena, &out->buckets, &out->bucket_count, bucket);
        }
    }
}
