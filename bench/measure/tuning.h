/* What the environment tells an allocator. It is the user's right to set that, and the reader's to know: some of it,
 * such as filling each block with a pattern, makes an allocator ten times slower. */
#ifndef POOLBUF_BENCH_TUNING_H
#define POOLBUF_BENCH_TUNING_H

#include "reports/model.h"
#include "subjects/subject.h"

/* tuning_note() lists the variables of this process that a provider reads, with their values; NULL if there are none. */
const char *tuning_note(model_arena *arena, subject_provider provider);

#endif
