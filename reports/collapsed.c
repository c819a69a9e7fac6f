/* Leaks as collapsed stacks: a line for each call stack, the outermost frame first, and how much was lost there.
 *
 *   main;connection_step;request_read 812
 *
 * This is what the stackcollapse scripts of Brendan Gregg's FlameGraph print, and what flame graphs are drawn from: by
 * flamegraph.pl, inferno, speedscope and others. It has no comments and no header, and readers add up lines that are alike. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "reports/leaks_order.h"
#include "reports/table.h"
#include "reports/writers.h"

/* What parts frames from each other cannot stand in a name. */
static void print_name(FILE *to, const char *name) {
    while (*name != '\0') {
        const size_t unsafe = text_unsafe_length(name);
        fputc(unsafe > 0 ? '?' : *name == ';' ? ':' : *name, to);
        name += unsafe > 0 ? unsafe : 1;
    }
}

static void print_frame(FILE *to, const leaks_frame *frame) {
    if (frame->function != NULL) {
        print_name(to, frame->function);
    } else if (frame->module != NULL && frame->offset != MODEL_UNKNOWN) {
        const char *slash = strrchr(frame->module, '/');
        print_name(to, slash == NULL ? frame->module : slash + 1);
        fprintf(to, "+0x%" PRIx64, frame->offset);
    } else {
        print_name(to, frame->address == NULL ? "[unknown]" : frame->address);
    }
}

/* With sampling, what the sample says about all of them. 0: the group has nothing of that. */
static uint64_t weigh(const leaks_group *group, report_weight weight) {
    const uint64_t found = weight == REPORT_BY_COUNT ? group->count : group->unit == NULL ? group->bytes : 0;
    if (found == MODEL_UNKNOWN || found == 0) {
        return 0;
    }
    const double factor = group->count == 0 || isnan(group->estimated_count.value)
                              ? 1
                              : group->estimated_count.value / (double)group->count;
    const double all = round((double)found * factor);
    return all < 1 ? 1 : all < (double)INT64_MAX ? (uint64_t)all : (uint64_t)INT64_MAX;
}

static void write_group(const leaks_group *group, uint64_t amount, FILE *to) {
    if (!leaks_group_is_of_buffers(group)) { /* sockets are not buffers: a trunk of their own */
        fputc('[', to);
        print_name(to, group->type == NULL ? "unknown" : group->type);
        fputs("];", to);
    }
    for (size_t i = group->allocation_stack_count; i > 0; i--) {
        print_frame(to, group->allocation_stack[i - 1]);
        fputs(i > 1 ? ";" : "", to);
    }
    fprintf(to, "%s %" PRIu64 "\n", group->allocation_stack_count == 0 ? "[no stack]" : "", amount);
}

void collapsed_write(const report_view *views, size_t count, report_weight weight, FILE *to) {
    for (size_t i = 0; i < count; i++) {
        const leaks_group **groups = leaks_order(views[i].leaks);
        for (size_t j = 0; j < views[i].leaks->group_count; j++) {
            const uint64_t amount = weigh(groups[j], weight);
            if (amount > 0) {
                write_group(groups[j], amount, to);
            }
        }
    }
}
