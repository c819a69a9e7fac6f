/* Repeats are found as frames are put behind each other, from the innermost on; see recursion.h. */
#include "recursion.h"

#include <string.h>

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether the compiler has merged one of them into its caller makes no difference. */
static bool same_place(const symbol_frame *a, const symbol_frame *b) {
    if (a->line != b->line || !same_text(a->function, b->function) || !same_text(a->file, b->file)) {
        return false;
    }
    return a->line != 0 || (a->offset == b->offset && same_text(a->module, b->module));
}

/* Whether the last `period` of the first `count` frames are what lies before them. */
static bool ends_in_repeat(const report_frames *frames, size_t count, size_t period) {
    for (size_t i = count - period; i < count; i++) {
        if (!same_place(frames->items[i], frames->items[i - period])) {
            return false;
        }
    }
    return true;
}

void recursion_fold(report_frames *frames) {
    size_t kept = 0;
    for (size_t i = 0; i < frames->count; i++) {
        frames->items[kept++] = frames->items[i];
        for (size_t period = 1; period <= RECURSION_PERIOD_MAX && 2 * period <= kept; period++) {
            if (ends_in_repeat(frames, kept, period)) {
                /* The outer of the two stays: what it says of being merged into the next frame is true. */
                kept -= period;
                for (size_t j = kept - period; j < kept; j++) {
                    frames->items[j] = frames->items[j + period];
                }
                break;
            }
        }
    }
    frames->count = kept;
}
