/* Words to passes. */
#include "run_passes.h"

#include <stdio.h>
#include <string.h>

#include "exit_codes.h"
#include "measure/callgrind.h"
#include "measure/run.h"
#include "measure/worker_pass.h"
#include "scenario/near.h"

enum {
    WHY_SIZE = 256
};

/* At a fixed rate is the same word with --rate. */
static const char *const WORDS[] = {"time", "latency", "memory", "instructions"};

enum {
    WORD_COUNT = sizeof WORDS / sizeof WORDS[0]
};

static int unknown_word(const command_line *line, const char *word) {
    const char *near = near_word(word, WORDS, WORD_COUNT);
    if (near != NULL) {
        return usage_error(line, "--measure %s: did you mean \"%s\"? legal are time, latency, memory, instructions",
                           word, near);
    }
    return usage_error(line, "--measure %s: legal are time, latency, memory, instructions", word);
}

int run_passes_choose(const command_line *line, const text_list *words, uint64_t rate, unsigned *passes) {
    char path[PATH_MAX];
    char why[WHY_SIZE];
    *passes = 0;
    for (size_t i = 0; i < words->count; i++) {
        worker_pass pass = WORKER_TIME;
        if (strcmp(words->items[i], WORDS[0]) == 0) {
            continue; /* is measured in any case */
        }
        if (!worker_pass_find(words->items[i], &pass) || pass == WORKER_LATENCY_AT_RATE) {
            return unknown_word(line, words->items[i]);
        }
        *passes |= MEASURE_PASS(pass);
    }
    if (rate > 0 && (*passes & MEASURE_PASS(WORKER_LATENCY)) == 0) {
        return usage_error(line, "--rate %llu is of operations that are timed one by one; add --measure latency",
                           (unsigned long long)rate);
    }
    if (rate > 0) {
        *passes |= MEASURE_PASS(WORKER_LATENCY_AT_RATE);
    }
    if ((*passes & MEASURE_PASS(WORKER_INSTRUCTIONS)) != 0 && !callgrind_find(path, why, sizeof why)) {
        (void)fprintf(stderr, "poolbuf: %s\n", why);
        return EXIT_UNCHECKED;
    }
    return ARGUMENTS_PROCEED;
}

static void tell(const results_scenario *from, const results_result *result, const char *pass, const char *why) {
    if (why != NULL) {
        message("%s on %s: no %s: %s", result->subject, from->name, pass, why);
    }
}

void run_passes_tell_failures(const results_model *model) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_scenario *from = model->scenarios[i];
        for (size_t j = 0; j < from->result_count; j++) {
            const results_result *result = from->results[j];
            tell(from, result, "latency", result->latency.message);
            tell(from, result, "latency at that rate", result->latency_at_rate.message);
            tell(from, result, "memory over time", result->memory.message);
            tell(from, result, "instructions", result->instructions.message);
        }
    }
}
