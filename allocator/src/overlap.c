/* Whether two ranges of buffers share bytes.
 *
 *      one side in few pieces    each piece of the other against each of those
 *      both in many              one side's sorted and joined, and in them each piece of the other looked up
 *
 * so that nothing here is a product of two numbers of pieces. */
#include "overlap.h"

#include <stdint.h>
#include <stdlib.h>

#include "pieces.h"

#define FEW ((size_t)16) /* so many are compared one by one, which is cheaper than to sort them */

/* Where a piece lies. */
typedef struct span {
    uintptr_t start;
    uintptr_t end;
} span;

/* The piece at an index, and how many of at most length bytes it has. Of what has gone since the check, one without
 * bytes for all that is left. */
static span span_at(const poolbuf *buffer, size_t index, size_t length, size_t *run) {
    uintptr_t start = (uintptr_t)piece_at(buffer, index, run);
    *run = start != 0 ? smaller(*run, length) : length;
    return (span){.start = start, .end = start != 0 ? start + *run : start};
}

/* The first pieces of a range, as many as there is room for; gives back their bytes. */
static size_t list_spans(const poolbuf *buffer, size_t index, size_t length, span *spans, size_t *count) {
    size_t room = *count;
    size_t used = 0;
    size_t done = 0;
    for (size_t run = 0; done < length && used < room; done += run) {
        spans[used++] = span_at(buffer, index + done, length - done, &run);
    }
    *count = used;
    return done;
}

static size_t count_spans(const poolbuf *buffer, size_t index, size_t length) {
    size_t count = 0;
    for (size_t done = 0, run = 0; done < length; done += run) {
        (void)span_at(buffer, index + done, length - done, &run);
        count++;
    }
    return count;
}

static bool meets(span a, span b) {
    return a.start < b.end && b.start < a.end;
}

static bool meets_few(const span *few, size_t count, const poolbuf *buffer, size_t index, size_t length) {
    for (size_t done = 0, run = 0; done < length; done += run) {
        span piece = span_at(buffer, index + done, length - done, &run);
        for (size_t i = 0; i < count; i++) {
            if (meets(few[i], piece)) {
                return true;
            }
        }
    }
    return false;
}

static int compare_starts(const void *a, const void *b) {
    uintptr_t first = ((const span *)a)->start;
    uintptr_t second = ((const span *)b)->start;
    return (first > second) - (first < second);
}

/* Sorts spans, at least one, and makes one of those that touch or overlap; how many are left. */
static size_t sort_and_join(span *spans, size_t count) {
    qsort(spans, count, sizeof *spans, compare_starts);
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        if (spans[i].start > spans[last].end) {
            spans[++last] = spans[i];
        } else if (spans[i].end > spans[last].end) {
            spans[last].end = spans[i].end;
        }
    }
    return last + 1;
}

static bool meets_sorted(const span *sorted, size_t count, const poolbuf *buffer, size_t index, size_t length) {
    for (size_t done = 0, run = 0; done < length; done += run) {
        span piece = span_at(buffer, index + done, length - done, &run);
        size_t below = 0; /* those that start before the piece's end, of which the last reaches furthest */
        size_t above = count;
        while (below < above) {
            size_t middle = below + (above - below) / 2;
            if (sorted[middle].start < piece.end) {
                below = middle + 1;
            } else {
                above = middle;
            }
        }
        if (below != 0 && meets(sorted[below - 1], piece)) {
            return true;
        }
    }
    return false;
}

bool overlap_possible(const poolbuf *a, size_t a_index, const poolbuf *b, size_t b_index, size_t length) {
    span few[FEW];
    size_t count = FEW;
    if (list_spans(a, a_index, length, few, &count) == length) {
        return meets_few(few, count, b, b_index, length);
    }
    count = FEW;
    if (list_spans(b, b_index, length, few, &count) == length) {
        return meets_few(few, count, a, a_index, length);
    }
    count = count_spans(a, a_index, length);
    span *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return true;
    }
    (void)list_spans(a, a_index, length, sorted, &count); /* benign: it is all of them */
    bool found = meets_sorted(sorted, sort_and_join(sorted, count), b, b_index, length);
    free(sorted);
    return found;
}
