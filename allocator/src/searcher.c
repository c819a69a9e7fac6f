/* Many needles at once: Aho and Corasick's automaton, as one table of moves.
 *
 * A state is the longest beginning of a needle that the stream ends with; state 0 is none at all. A move leads from a
 * state, by the next byte, to the next state. Bytes that occur in no needle all lead to state 0 and share a column;
 * each of the others has one:
 *
 *     needles "he" "she"    columns: 0 every other byte, 1 'h', 2 'e', 3 's'
 *     state   0 ""    1 "h"   2 "he"   3 "s"   4 "sh"   5 "she"      one row of moves each
 *     ends             -       "he"             -        "she", and from there suffix: "he"
 *
 * A move is stored as the index of the next state's row in the table, with the highest bit set where needles end (A1).
 * ends[] names the first of these, suffix[] the next for each needle, longest first (A2). All lies in one block, which
 * nobody writes to once it is made. */
#include <poolbuf/search.h>

#include "os/os.h"
#include "pieces.h"

#define MATCH ((uint32_t)1 << 31)

struct poolbuf_searcher {
    size_t bytes; /* of the block */
    uint32_t *moves;
    uint32_t *ends;   /* a needle a state, or POOLBUF_NO_NEEDLE */
    uint32_t *suffix; /* a needle a needle */
    uint32_t needles;
    uint32_t columns;
    int only_start; /* the byte that all needles begin with; -1: not all do */
    uint16_t column[256];
};

/* A row's index stays below MATCH. */
_Static_assert((POOLBUF_SEARCHER_BYTES_LIMIT + 1) * 257 < MATCH, "moves have room for the bit");
_Static_assert(sizeof(struct poolbuf_searcher) % sizeof(uint32_t) == 0, "the arrays follow in the same block");

/* ---- Making ------------------------------------------------------------------------------------------------------- */

/* How many bytes the needles have together; 0: they will not do. So their number is limited as well. */
static size_t total_of(const poolbuf_needle *needles, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (needles[i].length == 0 || needles[i].length > POOLBUF_SEARCHER_BYTES_LIMIT - total) {
            return 0;
        }
        total += needles[i].length;
    }
    return total;
}

/* Which byte has which column; how many there are. */
static uint32_t number_columns(uint16_t *column, const poolbuf_needle *needles, size_t count) {
    uint32_t columns = 1;
    memset(column, 0, 256 * sizeof *column);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = needles[i].bytes;
        for (size_t j = 0; j < needles[i].length; j++) {
            if (column[bytes[j]] == 0) {
                column[bytes[j]] = (uint16_t)columns++;
            }
        }
    }
    return columns;
}

static int only_start_of(const poolbuf_needle *needles, size_t count) {
    int start = *(const uint8_t *)needles[0].bytes;
    for (size_t i = 1; i < count; i++) {
        if (*(const uint8_t *)needles[i].bytes != start) {
            return -1;
        }
    }
    return start;
}

/* Adds a needle's states, numbered in the order in which they come up; moves are the numbers of states until resolve().
 * Needles are added last to first: of equal ones the first then ends there, and each has the next one for its suffix.
 * */
static uint32_t add_needle(poolbuf_searcher *self, uint32_t needle, const poolbuf_needle *added, uint32_t states) {
    const uint8_t *bytes = added->bytes;
    uint32_t state = 0;
    for (size_t i = 0; i < added->length; i++) {
        uint32_t *move = &self->moves[(size_t)state * self->columns + self->column[bytes[i]]];
        if (*move == 0) {
            *move = states++;
        }
        state = *move;
    }
    self->suffix[needle] = self->ends[state];
    self->ends[state] = needle;
    return states;
}

/* Adds to the needles that end in a state those that end in a shorter one. */
static void add_ends(poolbuf_searcher *self, uint32_t state, uint32_t shorter) {
    uint32_t *place = &self->ends[state];
    while (*place != POOLBUF_NO_NEEDLE) {
        place = &self->suffix[*place];
    }
    *place = self->ends[shorter];
}

/* Gives every state all its moves, nearest to state 0 first. Where a needle does not go on, the stream may still end
 * with a shorter beginning: fallback[] is the longest one, whose own moves are complete by then. order: room for all
 * states, as fallback. */
static void complete(poolbuf_searcher *self, uint32_t *fallback, uint32_t *order) {
    uint32_t seen = 1;
    order[0] = 0;
    fallback[0] = 0;
    for (uint32_t i = 0; i < seen; i++) {
        uint32_t state = order[i];
        uint32_t *row = &self->moves[(size_t)state * self->columns];
        const uint32_t *other = &self->moves[(size_t)fallback[state] * self->columns];
        for (uint32_t column = 1; column < self->columns; column++) {
            uint32_t next = row[column];
            uint32_t shorter = state != 0 ? other[column] : 0;
            if (next == 0) {
                row[column] = shorter;
                continue;
            }
            fallback[next] = shorter;
            add_ends(self, next, shorter);
            order[seen++] = next;
        }
    }
}

/* Numbers of states become what A1 says. */
static void resolve(poolbuf_searcher *self, uint32_t states) {
    size_t moves = (size_t)states * self->columns;
    for (size_t i = 0; i < moves; i++) {
        uint32_t next = self->moves[i];
        self->moves[i] = next * self->columns | (self->ends[next] != POOLBUF_NO_NEEDLE ? MATCH : 0);
    }
}

poolbuf_status poolbuf_searcher_create(const poolbuf_needle *needles, size_t count, poolbuf_searcher **searcher) {
    size_t total = total_of(needles, count);
    if (total == 0) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    uint16_t column[256];
    uint32_t columns = number_columns(column, needles, count);
    size_t rows = total + 1; /* fewer states where needles begin alike */
    size_t bytes = sizeof(poolbuf_searcher) + (rows * columns + rows + count) * sizeof(uint32_t);
    size_t scratch_bytes = 2 * rows * sizeof(uint32_t);
    void *block = NULL;
    void *scratch = NULL;
    if (os->acquire(OS_HEAP, bytes, _Alignof(max_align_t), &block) != 0) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    if (os->acquire(OS_HEAP, scratch_bytes, _Alignof(max_align_t), &scratch) != 0) {
        (void)os->give_back(OS_HEAP, block, bytes);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    poolbuf_searcher *self = block;
    uint32_t *moves = (uint32_t *)(self + 1);
    *self = (poolbuf_searcher){
        .bytes = bytes,
        .moves = moves,
        .ends = moves + rows * columns,
        .suffix = moves + rows * columns + rows,
        .needles = (uint32_t)count,
        .columns = columns,
        .only_start = only_start_of(needles, count),
    };
    memcpy(self->column, column, sizeof column);
    memset(self->moves, 0, rows * columns * sizeof(uint32_t));
    memset(self->ends, 0xff, (rows + count) * sizeof(uint32_t)); /* POOLBUF_NO_NEEDLE, also of suffix */
    uint32_t states = 1;
    for (uint32_t i = (uint32_t)count; i-- > 0;) {
        states = add_needle(self, i, &needles[i], states);
    }
    complete(self, scratch, (uint32_t *)scratch + rows);
    resolve(self, states);
    (void)os->give_back(OS_HEAP, scratch, scratch_bytes);
    *searcher = self;
    return POOLBUF_OK;
}

void poolbuf_searcher_destroy(poolbuf_searcher *searcher) {
    if (searcher != NULL) {
        (void)os->give_back(OS_HEAP, searcher, searcher->bytes);
    }
}

uint32_t poolbuf_searcher_suffix(const poolbuf_searcher *searcher, uint32_t needle) {
    return needle < searcher->needles ? searcher->suffix[needle] : POOLBUF_NO_NEEDLE;
}

/* ---- Searching ---------------------------------------------------------------------------------------------------- */

poolbuf_search poolbuf_search_begin(const poolbuf_searcher *searcher) {
    return (poolbuf_search){.searcher = searcher};
}

size_t poolbuf_search_bytes(poolbuf_search *search, const void *bytes, size_t length, uint32_t *needle) {
    const poolbuf_searcher *searcher = search->searcher;
    const uint8_t *next = bytes;
    uint32_t state = search->state;
    for (size_t i = 0; i < length; i++) {
        if (state == 0 && searcher->only_start >= 0) {
            const uint8_t *start = memchr(next + i, searcher->only_start, length - i);
            if (start == NULL) {
                break;
            }
            i = (size_t)(start - next);
        }
        state = searcher->moves[state + searcher->column[next[i]]];
        if ((state & MATCH) != 0) {
            state &= ~MATCH;
            search->state = state;
            search->taken += i + 1;
            *needle = searcher->ends[state / searcher->columns];
            return i + 1;
        }
    }
    search->state = state;
    search->taken += length;
    return POOLBUF_NOT_FOUND;
}

size_t poolbuf_search_buffer(poolbuf_search *search, const poolbuf *buffer, size_t index, size_t length,
                             uint32_t *needle) {
    if (pieces_check_bounds(buffer, index, length) != POOLBUF_OK) {
        return POOLBUF_NOT_FOUND;
    }
    poolbuf_note_access_(buffer, false);
    const uint8_t *bytes = NULL;
    for (size_t end = index + length, run = 0; (bytes = piece_below(buffer, index, end, &run)) != NULL; index += run) {
        size_t taken = poolbuf_search_bytes(search, bytes, run, needle);
        if (taken != POOLBUF_NOT_FOUND) {
            return index + taken;
        }
    }
    return POOLBUF_NOT_FOUND;
}
