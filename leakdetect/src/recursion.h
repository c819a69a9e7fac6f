/* Stacks of recursive functions: one bug that was met at ten depths is one group, not ten. */
#ifndef LEAKDETECT_RECURSION_H
#define LEAKDETECT_RECURSION_H

#include "report.h"

enum {
    RECURSION_PERIOD_MAX = 8 /* functions in a ring of calls, inlined ones counted; longer rings stay as they are */
};

/* recursion_fold() leaves one of what follows upon itself: in a, b, c, b, c, main the second b, c goes. Frames are
 * alike if a reader could not tell them apart: function, file and line, or, without a line, module and offset. */
void recursion_fold(report_frames *frames);

#endif
