/* Looks and the error that each may spend. */
#include "stats/design.h"

#include <math.h>

#include "stats/bootstrap.h"

/* The error that may be spent until a share t of the rounds has been played. */
static double spent(double t) {
    const double z = stats_normal_quantile((1 + STATS_CONFIDENCE) / 2);
    return erfc(z / sqrt(t) * M_SQRT1_2);
}

stats_design stats_design_make(uint32_t rounds, uint32_t balanced, bool early) {
    stats_design design = {.count = 1, .looks = {{rounds, STATS_CONFIDENCE}}};
    const uint32_t step = balanced == 0 ? 1 : balanced;
    const uint32_t half = (rounds + 1) / 2;
    const uint32_t least = half < STATS_LOOK_LEAST ? STATS_LOOK_LEAST : half;
    const uint32_t first = (least + step - 1) / step * step;
    if (early && first < rounds) {
        const double before = spent((double)first / rounds);
        design.count = 2;
        design.looks[0] = (stats_look){first, 1 - before};
        design.looks[1] = (stats_look){rounds, STATS_CONFIDENCE + before};
    }
    return design;
}

static bool is_same(const stats_ratio *ratio) {
    return ratio->low > 1 - STATS_SAME && ratio->high < 1 + STATS_SAME; /* false for NaN */
}

bool stats_is_clear(const stats_ratio *ratio) {
    return ratio->verdict != STATS_NOT_SEPARATED || is_same(ratio);
}

uint64_t stats_rounds_needed(const stats_ratio *ratio) {
    if (stats_is_clear(ratio) || isnan(ratio->low) || !(ratio->log_error > 0)) {
        return 0;
    }
    const double difference = fmax(fabs(log(ratio->estimate)), log1p(STATS_SAME));
    const double distances = stats_normal_quantile((1 + STATS_CONFIDENCE) / 2) + stats_normal_quantile(STATS_POWER);
    const double shrink = distances * ratio->log_error / difference;
    const double rounds = ceil((double)ratio->count * shrink * shrink);
    const double least = (double)ratio->count + 1;
    return (uint64_t)fmin(fmax(rounds, least), 1e9);
}
