/* The kernel of subject_filled.c, see there. */
#ifndef POOLBUF_BENCH_LEAK_COST_SUBJECT_FILLED_H
#define POOLBUF_BENCH_LEAK_COST_SUBJECT_FILLED_H

#include "subjects/subject.h"

extern const subject_kernel subject_kernel_filled;

#endif
