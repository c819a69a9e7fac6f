/* Numbers as people read them: times, sizes, counts and ratios with few digits and a unit. ASCII only, so that columns
 * align in every locale. An unknown number is a dash. */
#ifndef POOLBUF_REPORTS_UNITS_H
#define POOLBUF_REPORTS_UNITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct unit_text {
    char text[64];
} unit_text;

/* One unit and one number of decimals for a whole column, chosen from its smallest number: what stands under each other
 * can be compared by eye. */
typedef struct unit_scale {
    const char *name; /* "ns", "us", "ms", "s" */
    double divisor;
    int decimals;
} unit_scale;

unit_scale unit_scale_for(double smallest_ns);

unit_text unit_scaled(unit_scale scale, double ns);                        /* "4.21", without the unit */
unit_text unit_scaled_interval(unit_scale scale, double low, double high); /* "[4.18, 4.30]" */
unit_text unit_ratio(double ratio);                                        /* "0.32" */
unit_text unit_ratio_interval(double low, double high);                    /* "[0.31, 0.33]" */
unit_text unit_time_ns(double ns);                                         /* "4.21 ns", "12.0 us" */
unit_text unit_time_ms(uint64_t ms);                                       /* "120 ms", "3.5 s", "2 h 05 min" */
unit_text unit_bytes(double bytes);                                        /* "512 B", "64.0 KiB", "3.10 MiB" */
unit_text unit_byte_count(uint64_t bytes);
unit_text unit_count(uint64_t count); /* "12,345,678" */
unit_text unit_number(double number); /* "12,345.6"; whole from 100 on */

#endif
