/* Two interning tables: one of stacks, one of names. */
#include "stack_table.h"

#include <string.h>

#include "intern.h"

static intern_table stacks = INTERN_TABLE_INIT;
static intern_table names = INTERN_TABLE_INIT;

_Static_assert(STACK_MAX_FRAMES * sizeof(uintptr_t) <= INTERN_MAX_LENGTH, "the deepest stack fits one entry");

/* What this thread has put lately, by a few frames. A program allocates from the same places again and again, and one
 * comparison with what was there last time is less than a hash of it all and the same comparison after that. Each place
 * is one word, so a signal handler that comes in between harms nobody. */
enum {
    RECENT_STACKS = 8
};

static _Thread_local uint32_t recent[RECENT_STACKS];

uint32_t stack_table_put(const uintptr_t *frames, size_t count) {
    if (count == 0) {
        return 0;
    }
    uintptr_t few = (frames[0] ^ frames[count / 4] ^ frames[count / 2] ^ count) * (uintptr_t)0x9e3779b97f4a7c15u;
    uint32_t *place = &recent[few >> 61];
    uint32_t stack = *place;
    if (!intern_is(&stacks, stack, frames, count)) {
        stack = intern_put(&stacks, frames, count * sizeof *frames);
        *place = stack;
    }
    return stack;
}

const uintptr_t *stack_table_get(uint32_t stack, size_t *count) {
    size_t bytes;
    const uintptr_t *frames = intern_get(&stacks, stack, &bytes);
    *count = bytes / sizeof *frames;
    return frames;
}

uint64_t stack_table_count(void) {
    return atomic_load_explicit(&stacks.count, memory_order_relaxed);
}

uint64_t stack_table_refused(void) {
    return atomic_load_explicit(&stacks.refused, memory_order_relaxed) +
           atomic_load_explicit(&names.refused, memory_order_relaxed);
}

uint32_t name_put(const char *name) {
    if (name == NULL || name[0] == '\0') {
        return 0;
    }
    char text[NAME_MAX_BYTES + 1];
    size_t length = strnlen(name, NAME_MAX_BYTES);
    memcpy(text, name, length);
    text[length] = '\0';
    return intern_put(&names, text, length + 1);
}

const char *name_get(uint32_t name) {
    size_t length;
    const char *text = intern_get(&names, name, &length);
    return text == NULL ? "" : text;
}

void stack_table_lock(void) {
    intern_lock(&stacks);
    intern_lock(&names);
}

void stack_table_unlock(void) {
    intern_unlock(&names);
    intern_unlock(&stacks);
}
