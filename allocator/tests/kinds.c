/* Buffers of every kind. */
#include "kinds.h"

#include "unit.h"

#define ROOT_LEAD 5u /* bytes of a root before what its view shows, and behind it */

static const char *current = "no kind";

void kinds_failed(const char *condition, const char *file, int line) {
    print_error("%s: %s\n", current, condition);
    _fail(file, line);
    abort(); /* not reached: the line above jumps back to the runner */
}

static poolbuf *some(poolbuf *buffer) {
    EXPECT(buffer != NULL);
    return buffer;
}

/* ---- In one piece ----------------------------------------------------------------------------------------------- */

static poolbuf *direct(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_allocate_direct(allocator, capacity, SIZE_MAX));
}

static poolbuf *heap(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_allocate_heap(allocator, capacity, SIZE_MAX));
}

static poolbuf *unpooled(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_allocate_unpooled(allocator, capacity, SIZE_MAX));
}

static void free_block(void *memory, size_t length, void *context) {
    (void)length;
    (void)context;
    free(memory);
}

static poolbuf *wrapped(poolbuf_allocator *allocator, size_t capacity) {
    void *memory = malloc(capacity != 0 ? capacity : 1);
    assert_non_null(memory);
    poolbuf *made = some(poolbuf_wrap(allocator, memory, capacity, free_block, NULL));
    poolbuf_clear(made);
    return made;
}

/* A root with some bytes on either side of what a view is to show. */
static poolbuf *root_around(poolbuf_allocator *allocator, size_t capacity) {
    return direct(allocator, capacity + 2 * (size_t)ROOT_LEAD);
}

static poolbuf *slice(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_slice(root_around(allocator, capacity), ROOT_LEAD, capacity));
}

static poolbuf *slice_of_slice(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_slice(slice(allocator, capacity + ROOT_LEAD), 3, capacity));
}

/* Retained views are given the only reference there is: the root goes with them. */
static poolbuf *only_owner(poolbuf *view, poolbuf *root) {
    (void)some(view);
    assert_false(poolbuf_release(root));
    return view;
}

static poolbuf *retained_slice(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = root_around(allocator, capacity);
    return only_owner(poolbuf_retained_slice(root, ROOT_LEAD, capacity), root);
}

static poolbuf *retained_slice_of_retained_slice(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = retained_slice(allocator, capacity + ROOT_LEAD);
    return only_owner(poolbuf_retained_slice(root, 2, capacity), root);
}

static poolbuf *slice_of_huge(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = direct(allocator, ((size_t)4 << 20) + capacity + 1);
    return some(poolbuf_slice(root, (size_t)4 << 20, capacity));
}

static poolbuf *slice_of_wrapped(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_slice(wrapped(allocator, capacity + ROOT_LEAD), ROOT_LEAD, capacity));
}

static poolbuf *duplicate(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_duplicate(heap(allocator, capacity)));
}

static poolbuf *duplicate_of_duplicate(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_duplicate(duplicate(allocator, capacity)));
}

static poolbuf *duplicate_of_slice(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *made = some(poolbuf_duplicate(slice(allocator, capacity)));
    poolbuf_clear(made);
    return made;
}

static poolbuf *retained_duplicate(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = direct(allocator, capacity);
    return only_owner(poolbuf_retained_duplicate(root), root);
}

/* ---- In several pieces ------------------------------------------------------------------------------------------ */

/* A buffer that shows length bytes; not from its beginning, and not up to its end. */
static poolbuf *part(poolbuf_allocator *allocator, size_t length, unsigned which) {
    poolbuf *made = which % 4 == 0   ? retained_slice(allocator, length + 4)
                    : which % 4 == 1 ? heap(allocator, length + 4)
                    : which % 4 == 2 ? wrapped(allocator, length + 4)
                                     : unpooled(allocator, length + 4);
    EXPECT_OK(poolbuf_set_indices(made, 1, length + 1));
    return made;
}

/* Components of 1, 2, 3, 5, 8, ... bytes, so that numbers cross one boundary, or several. */
static poolbuf *composite(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *made = some(poolbuf_allocate_composite(allocator, 1000));
    size_t length = 1;
    size_t next = 2;
    size_t done = 0;
    for (unsigned which = 0; done < capacity; which++) {
        size_t run = length < capacity - done ? length : capacity - done;
        EXPECT_OK(poolbuf_composite_add_component(made, part(allocator, run, which), false));
        if (which == 2) { /* one of no bytes */
            EXPECT_OK(poolbuf_composite_add_component(made, some(poolbuf_allocate(allocator, 8, 8)), false));
        }
        done += run;
        size_t sum = length + next;
        length = next;
        next = sum;
    }
    return made;
}

static poolbuf *composite_of_one(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *made = some(poolbuf_allocate_composite(allocator, 0));
    EXPECT_OK(poolbuf_composite_add_component(made, part(allocator, capacity, 0), false));
    return made;
}

/* Composites as components, one of them by a slice. */
static poolbuf *composite_of_composites(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *made = some(poolbuf_allocate_composite(allocator, 1000));
    size_t third = capacity / 3;
    poolbuf *parts[] = {composite(allocator, third + 3), composite(allocator, third),
                        composite_of_one(allocator, capacity - 2 * third)};
    EXPECT_OK(poolbuf_set_indices(parts[0], 2, third + 2));
    EXPECT_OK(poolbuf_set_indices(parts[1], 0, third));
    EXPECT_OK(poolbuf_set_indices(parts[2], 0, capacity - 2 * third));
    parts[1] = some(poolbuf_slice(parts[1], 0, third));
    for (size_t i = 0; i < 3; i++) {
        EXPECT_OK(poolbuf_composite_add_component(made, parts[i], false));
    }
    return made;
}

static poolbuf *slice_of_composite(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_slice(composite(allocator, capacity + ROOT_LEAD), 4, capacity));
}

static poolbuf *slice_of_slice_of_composite(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_slice(slice_of_composite(allocator, capacity + ROOT_LEAD), 2, capacity));
}

static poolbuf *retained_slice_of_composite(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = composite(allocator, capacity + ROOT_LEAD);
    poolbuf *made = some(poolbuf_retained_slice(root, 4, capacity));
    assert_true(poolbuf_release(root)); /* held by its components, not as a whole */
    return made;
}

static poolbuf *duplicate_of_composite(poolbuf_allocator *allocator, size_t capacity) {
    return some(poolbuf_duplicate(composite(allocator, capacity)));
}

static poolbuf *retained_duplicate_of_composite(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *root = composite(allocator, capacity);
    poolbuf *made = some(poolbuf_retained_duplicate(root));
    assert_true(poolbuf_release(root));
    return made;
}

/* ---- The table -------------------------------------------------------------------------------------------------- */

enum {
    GROWS = 1,
    IN_PIECES = 2,
    UNRELEASABLE = 4 /* what is made is the root of an unreleasable view */
};

static const struct {
    const char *name;
    poolbuf *(*make)(poolbuf_allocator *allocator, size_t capacity);
    unsigned traits;
} kinds[] = {
    {"direct", direct, GROWS},
    {"heap", heap, GROWS},
    {"unpooled", unpooled, GROWS},
    {"wrapped", wrapped, 0},
    {"slice", slice, 0},
    {"slice of a slice", slice_of_slice, 0},
    {"slice of a huge buffer", slice_of_huge, 0},
    {"slice of wrapped memory", slice_of_wrapped, 0},
    {"retained slice", retained_slice, 0},
    {"retained slice of a retained slice", retained_slice_of_retained_slice, 0},
    {"duplicate", duplicate, GROWS},
    {"duplicate of a duplicate", duplicate_of_duplicate, GROWS},
    {"duplicate of a slice", duplicate_of_slice, 0},
    {"retained duplicate", retained_duplicate, 0},
    {"unreleasable", direct, GROWS | UNRELEASABLE},
    {"composite", composite, GROWS | IN_PIECES},
    {"composite of one", composite_of_one, GROWS | IN_PIECES},
    {"composite of composites", composite_of_composites, GROWS | IN_PIECES},
    {"slice of a composite", slice_of_composite, IN_PIECES},
    {"slice of a slice of a composite", slice_of_slice_of_composite, IN_PIECES},
    {"retained slice of a composite", retained_slice_of_composite, IN_PIECES},
    {"duplicate of a composite", duplicate_of_composite, GROWS | IN_PIECES},
    {"retained duplicate of a composite", retained_duplicate_of_composite, IN_PIECES},
    {"unreleasable composite", composite, GROWS | IN_PIECES | UNRELEASABLE},
};

_Static_assert(sizeof kinds / sizeof kinds[0] <= KINDS_MOST, "arrays of one a kind have the room");

size_t kinds_count(void) {
    return sizeof kinds / sizeof kinds[0];
}

specimen kinds_make(poolbuf_allocator *allocator, size_t number, size_t capacity) {
    current = kinds[number].name;
    poolbuf *owner = kinds[number].make(allocator, capacity);
    bool unreleasable = (kinds[number].traits & UNRELEASABLE) != 0;
    specimen subject = {
        .kind = current,
        .buffer = unreleasable ? some(poolbuf_unreleasable(owner)) : owner,
        .owner = owner,
        .capacity = capacity,
        .grows = (kinds[number].traits & GROWS) != 0,
        .in_pieces = (kinds[number].traits & IN_PIECES) != 0,
    };
    poolbuf_clear(subject.buffer);
    EXPECT(poolbuf_capacity(subject.buffer) == capacity);
    return subject;
}

void kinds_release(specimen *subject) {
    current = subject->kind;
    EXPECT(poolbuf_release(subject->owner));
}

void kinds_each(poolbuf_allocator *allocator, size_t capacity, void (*check)(const specimen *)) {
    uint64_t live_buffers = unit_metrics(allocator).live_buffers;
    for (size_t i = 0; i < kinds_count(); i++) {
        specimen subject = kinds_make(allocator, i, capacity);
        check(&subject);
        kinds_release(&subject);
        EXPECT(unit_metrics(allocator).live_buffers == live_buffers);
    }
    current = "no kind";
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------ */

void kinds_fill(poolbuf *buffer, uint8_t *model, size_t length, uint32_t seed) {
    for (size_t i = 0; i < length; i++) {
        model[i] = (uint8_t)((i * 131 + (size_t)seed * 29 + 7) ^ (i >> 3));
        EXPECT_OK(poolbuf_set_u8(buffer, i, model[i]));
    }
}

bool kinds_holds(const poolbuf *buffer, const uint8_t *model, size_t length) {
    uint8_t bytes[64];
    size_t run = 0;
    for (size_t i = 0, most = 1; i < length; i += run, most = most % sizeof bytes + 7) {
        run = most < sizeof bytes ? most : sizeof bytes;
        run = run < length - i ? run : length - i;
        if (poolbuf_get_bytes(buffer, i, bytes, run) != POOLBUF_OK || memcmp(bytes, model + i, run) != 0) {
            return false;
        }
    }
    return true;
}
