/* Numbers as people read them; units.h says how. */
#include "reports/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/model.h"

static const unit_text DASH = {"-"};

/* Three significant digits, at most two of them decimals. */
static int decimals_for(double number) {
    return number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
}

unit_scale unit_scale_for(double smallest_ns) {
    static const unit_scale SCALES[] = {{"ns", 1, 0}, {"us", 1e3, 0}, {"ms", 1e6, 0}, {"s", 1e9, 0}};
    size_t i = 0;
    while (i + 1 < sizeof SCALES / sizeof SCALES[0] && smallest_ns >= SCALES[i + 1].divisor) {
        i++;
    }
    unit_scale scale = SCALES[i];
    scale.decimals = decimals_for(smallest_ns / scale.divisor);
    return scale;
}

/* Digits in groups of three: "-" never occurs, all our numbers are positive. */
static unit_text grouped(const char *digits) {
    unit_text out = {""};
    size_t whole = strcspn(digits, ".");
    size_t at = 0;
    for (size_t i = 0; digits[i] != '\0' && at + 2 < sizeof out.text; i++) {
        if (i != 0 && i < whole && (whole - i) % 3 == 0) {
            out.text[at++] = ',';
        }
        out.text[at++] = digits[i];
    }
    out.text[at] = '\0';
    return out;
}

/* printf() rounds a tie to even, and the page's script rounds it up; both show the same number if the tie is gone. */
static double half_up(double number, int decimals) {
    double scale = decimals == 0 ? 1 : decimals == 1 ? 10 : decimals == 2 ? 100 : 1000;
    double scaled = number * scale;
    return floor(scaled) + 0.5 == scaled ? (floor(scaled) + 1) / scale : number;
}

static unit_text fixed(double number, int decimals) {
    if (!isfinite(number)) {
        return DASH;
    }
    if (number >= 1e18) {
        unit_text out;
        snprintf(out.text, sizeof out.text, "%.3g", number);
        return out;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%.*f", decimals, half_up(number, decimals));
    return grouped(digits);
}

static unit_text interval(unit_text low, unit_text high) {
    unit_text out = {""};
    if (strcmp(low.text, "-") == 0 || strcmp(high.text, "-") == 0) {
        return out;
    }
    snprintf(out.text, sizeof out.text, "[%.22s, %.22s]", low.text, high.text);
    return out;
}

unit_text unit_scaled(unit_scale scale, double ns) {
    return fixed(ns / scale.divisor, scale.decimals);
}

unit_text unit_scaled_interval(unit_scale scale, double low, double high) {
    return interval(unit_scaled(scale, low), unit_scaled(scale, high));
}

/* A ratio near 1 is where the decision lies: three decimals there, fewer where nobody needs them. */
static int ratio_decimals(double ratio) {
    return ratio < 1.9995 ? 3 : decimals_for(ratio);
}

unit_text unit_ratio(double ratio) {
    return fixed(ratio, ratio_decimals(ratio));
}

unit_text unit_ratio_interval(double low, double high) {
    return interval(unit_ratio(low), unit_ratio(high));
}

unit_text unit_time_ns(double ns) {
    unit_text out = DASH;
    if (isfinite(ns)) {
        unit_scale scale = unit_scale_for(ns);
        snprintf(out.text, sizeof out.text, "%.40s %.8s", unit_scaled(scale, ns).text, scale.name);
    }
    return out;
}

unit_text unit_time_ms(uint64_t ms) {
    unit_text out = DASH;
    if (ms == MODEL_UNKNOWN) {
        return out;
    }
    if (ms < 1000) {
        snprintf(out.text, sizeof out.text, "%" PRIu64 " ms", ms);
    } else if (ms < UINT64_C(120) * 1000) {
        snprintf(out.text, sizeof out.text, "%.1f s", (double)ms / 1000);
    } else if (ms < UINT64_C(120) * 60 * 1000) {
        snprintf(out.text, sizeof out.text, "%" PRIu64 " min %02" PRIu64 " s", ms / 60000, ms / 1000 % 60);
    } else if (ms < UINT64_C(72) * 3600 * 1000) {
        snprintf(out.text, sizeof out.text, "%" PRIu64 " h %02" PRIu64 " min", ms / 3600000, ms / 60000 % 60);
    } else {
        snprintf(out.text, sizeof out.text, "%" PRIu64 " d %02" PRIu64 " h", ms / 86400000, ms / 3600000 % 24);
    }
    return out;
}

unit_text unit_bytes(double bytes) {
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unit_text out = DASH;
    if (!isfinite(bytes)) {
        return out;
    }
    size_t unit = 0;
    double scaled = bytes;
    while (scaled >= 1023.5 && unit + 1 < sizeof UNITS / sizeof UNITS[0]) {
        scaled /= 1024;
        unit++;
    }
    int decimals = unit == 0 ? 0 : decimals_for(scaled);
    snprintf(out.text, sizeof out.text, "%.*f %s", decimals, half_up(scaled, decimals), UNITS[unit]);
    return out;
}

unit_text unit_byte_count(uint64_t bytes) {
    return bytes == MODEL_UNKNOWN ? DASH : unit_bytes((double)bytes);
}

unit_text unit_count(uint64_t count) {
    if (count == MODEL_UNKNOWN) {
        return DASH;
    }
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    return grouped(digits);
}

unit_text unit_number(double number) {
    return fixed(number, number >= 100 || floor(number) == number ? 0 : 1);
}
