/* An unwinder that returns what a test told it to. */
#include "stack_table.h"
#include "unwind.h"

static void *canned[STACK_MAX_FRAMES];
static size_t canned_count;

void unwind_fake_set(const uintptr_t *frames, size_t count) {
    canned_count = count < STACK_MAX_FRAMES ? count : STACK_MAX_FRAMES;
    for (size_t i = 0; i < canned_count; i++) {
        canned[i] = (void *)frames[i];
    }
}

static int fake_capture(void **addresses, size_t limit, unwind_query *query) {
    (void)query;
    size_t count = canned_count < limit ? canned_count : limit;
    for (size_t i = 0; i < count; i++) {
        addresses[i] = canned[i];
    }
    return (int)count;
}

const unwinder unwind_fake = {.name = "fake", .capture = fake_capture};
