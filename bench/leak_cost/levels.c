/* Levels side by side in one process; see levels.h. */
#include "leak_cost/levels.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#include "leak_cost/series.h"
#include "leak_cost/subject_filled.h"
#include "scenario/scenario.h"
#include "scenario/stream.h"
#include "subjects/subject.h"

enum {
    PAIRS = 400000,
    PAIR_SIZE = 256,
    WARM_UP = 3 /* rounds that are not printed: until then memory has its pages and caches what fits */
};

typedef bool work_function(void *context);

/* Each level once a round, the other one first every other round. */
static bool alternate(work_function *work, void *context, const char *name, double operations, unsigned rounds) {
    static const leakdetect_level LEVELS[] = {LEAKDETECT_DISABLED, LEAKDETECT_SIMPLE};
    for (unsigned round = 0; round < rounds + WARM_UP; round++) {
        double ns[2] = {0};
        for (unsigned i = 0; i < 2; i++) {
            unsigned which = (i + round) % 2;
            if (leakdetect_set_level(LEVELS[which]) != POOLBUF_OK) {
                return false;
            }
            double start = series_cpu_ns();
            bool good = work(context);
            ns[which] = (series_cpu_ns() - start) / operations;
            if (!good) {
                return false;
            }
        }
        for (unsigned which = 0; round >= WARM_UP && which < 2; which++) {
            char series[128];
            (void)snprintf(series, sizeof series, "%s.%s", name, leakdetect_name_level(LEVELS[which]));
            series_print(series, ns[which]);
        }
    }
    return true;
}

static __attribute__((noinline)) bool take_pairs(void *context) {
    (void)context;
    for (unsigned long i = 0; i < PAIRS; i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, PAIR_SIZE, PAIR_SIZE);
        if (buffer == NULL) {
            return false;
        }
        (void)poolbuf_release(buffer);
    }
    return true;
}

bool levels_pairs(const char *name, unsigned rounds) {
    return alternate(take_pairs, NULL, name, PAIRS, rounds);
}

typedef struct playing {
    const stream *source;
    const subject_kernel *kernel;
    subject_run run;
} playing;

static bool play(void *context) {
    playing *self = context;
    bool good = true;
    for (uint32_t i = 0; good && i < self->source->phase_count; i++) {
        const stream_phase *phase = &self->source->phases[i];
        good = self->kernel->play(&self->run, phase->threads[0].ops, phase->threads[0].op_count, phase->repeat);
    }
    return good;
}

static bool play_levels(const stream *source, const subject_kernel *kernel, const char *name, unsigned rounds) {
    playing self = {.source = source, .kernel = kernel};
    if (source->thread_count != 1 || !subject_run_init(&self.run, source->slot_count, 1, source->max_size)) {
        return false;
    }
    bool good = kernel->prepare(&self.run);
    if (good) {
        good = alternate(play, &self, name, (double)source->operation_count, rounds);
        kernel->discard(&self.run);
        good = kernel->finish(&self.run) && good;
    }
    subject_run_fini(&self.run);
    return good;
}

static bool name_series(char *series, size_t size, const char *played, const char *how) {
    int length = snprintf(series, size, "%s.%s", played, how);
    return length > 0 && (size_t)length < size;
}

bool levels_scenario(const char *path, unsigned rounds) {
    char error[512] = "it does not play on one thread, or there is no memory";
    char series[64];
    scenario *loaded = NULL;
    stream *source = NULL;
    bool good = scenario_load(path, &loaded, error, sizeof error) &&
                stream_generate(loaded, 1, false, &source, error, sizeof error) &&
                name_series(series, sizeof series, loaded->name, "filled") &&
                play_levels(source, &subject_kernel_filled, series, rounds) &&
                name_series(series, sizeof series, loaded->name, "touched") &&
                play_levels(source, &subject_kernel_pooled, series, rounds);
    if (!good) {
        (void)fprintf(stderr, "leak-cost: %s: %s\n", path, error);
    }
    stream_destroy(source);
    scenario_destroy(loaded);
    return good;
}
