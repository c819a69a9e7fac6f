/* See misuses.h. */
#include "misuses.h"

#include <inttypes.h>
#include <string.h>

#include "stack_table.h"

static misuse list[MISUSES_MAX];
static size_t list_count;
static uint64_t total;
static uint64_t not_listed;

static bool is_same(const misuse *a, const misuse *b) {
    return a->stack == b->stack && a->close_stack == b->close_stack && a->allocation_stack == b->allocation_stack &&
           a->type == b->type && strcmp(a->offence, b->offence) == 0;
}

void misuses_add(const misuse *found) {
    total++;
    for (size_t i = 0; i < list_count; i++) {
        if (is_same(&list[i], found)) {
            list[i].count++;
            return;
        }
    }
    if (list_count == MISUSES_MAX) {
        not_listed++;
        return;
    }
    list[list_count] = *found;
    list[list_count++].count = 1;
}

uint64_t misuses_count(void) {
    return total;
}

void misuses_forget(void) {
    list_count = 0;
    total = 0;
    not_listed = 0;
}

static void name_thread(char *text, size_t size, uint32_t name, uint32_t id) {
    snprintf(text, size, "%s (%" PRIu32 ")", name_get(name), id);
}

void misuses_resolve(report *self, report_lookup *lookup, void *context) {
    self->misuses_not_listed = not_listed;
    for (size_t i = 0; i < list_count; i++) {
        report_misuse *one = memory_array_next(&self->misuses, sizeof *one);
        if (one == NULL) {
            self->misuses_not_listed += list[i].count;
            continue;
        }
        *one = (report_misuse){.offence = list[i].offence,
                               .type = list[i].type == 0 ? NULL : name_get(list[i].type),
                               .count = list[i].count};
        name_thread(one->thread, sizeof one->thread, list[i].thread_name, list[i].thread_id);
        if (list[i].was_closed) {
            name_thread(one->closer, sizeof one->closer, list[i].closer_name, list[i].closer_id);
        }
        report_frames_resolve(&one->frames, list[i].stack, lookup, context);
        report_frames_resolve(&one->close_frames, list[i].close_stack, lookup, context);
        report_frames_resolve(&one->allocation_frames, list[i].allocation_stack, lookup, context);
    }
}
