/* What a scope left, in sums, in one line of words, and by stack. */
#include "scope.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector.h"
#include "large_stack.h"
#include "message.h"
#include "process/cancel.h"
#include "report.h"
#include "sizes.h"
#include "stack_table.h"

enum {
    SITES_PRINTED = 20
};

/* --- sums -------------------------------------------------------------------------------------------------------- */

/* Counts a member in its place of an array; false if there is none and no room for one. */
static bool add_to(scope_site *items, size_t *count, size_t limit, const scope_site *member) {
    size_t at = 0;
    while (at < *count && (items[at].type != member->type || items[at].stack != member->stack)) {
        at++;
    }
    if (at == limit) {
        return false;
    }
    if (at == *count) {
        items[(*count)++] = (scope_site){.type = member->type, .stack = member->stack};
    }
    items[at].count += member->count;
    items[at].bytes = sizes_sum(items[at].bytes, member->bytes);
    return true;
}

void scope_sites_add(scope_sites *sites, uint32_t type, uint32_t stack, uint64_t bytes) {
    scope_site member = {.type = type, .stack = 0, .count = 1, .bytes = bytes};
    if (!add_to(sites->types, &sites->type_count, SCOPE_TYPES_MAX, &member)) {
        sites->types[SCOPE_TYPES_MAX - 1].count++;
        scope_site *others = &sites->types[SCOPE_TYPES_MAX - 1];
        others->bytes = sizes_sum(others->bytes, bytes);
    }
    member.stack = stack;
    if (!add_to(sites->items, &sites->count, SCOPE_SITES_MAX, &member)) {
        sites->not_listed++;
    }
}

static int compare_sites(const void *left, const void *right) {
    const scope_site *a = left;
    const scope_site *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    return a->count > b->count ? -1 : a->count < b->count;
}

void scope_sites_sum(scope_sites *sites, leakscope_result *result) {
    qsort(sites->types, sites->type_count, sizeof *sites->types, compare_sites);
    qsort(sites->items, sites->count, sizeof *sites->items, compare_sites);
    result->type_count = sites->type_count < LEAKSCOPE_TYPES_MAX ? sites->type_count : LEAKSCOPE_TYPES_MAX;
    for (size_t i = 0; i < sites->type_count; i++) {
        bool is_last = i >= LEAKSCOPE_TYPES_MAX - 1;
        leakscope_type *type = &result->types[is_last ? LEAKSCOPE_TYPES_MAX - 1 : i];
        bool is_sum = is_last && sites->type_count > LEAKSCOPE_TYPES_MAX;
        snprintf(type->name, sizeof type->name, "%s", is_sum ? "others" : name_get(sites->types[i].type));
        type->count += sites->types[i].count;
        type->bytes = sizes_sum(type->bytes, sites->types[i].bytes);
        result->left += sites->types[i].count;
        result->left_bytes = sizes_sum(result->left_bytes, sites->types[i].bytes);
    }
}

/* --- words ------------------------------------------------------------------------------------------------------- */

typedef struct line {
    char *text;
    size_t size, used;
} line;

static void __attribute__((format(printf, 2, 3))) append(line *self, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(self->text + self->used, self->size - self->used, format, arguments);
    va_end(arguments);
    size_t room = self->size - self->used - 1;
    self->used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room;
}

/* A name that is the program's: its control bytes could fake a line. */
static void append_name(line *self, const char *name) {
    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;
        append(self, byte < 0x20 || byte == 0x7f ? "?" : "%c", byte);
    }
}

static void append_number(line *self, uint64_t value) {
    if (value >= 1000) {
        append_number(self, value / 1000);
        append(self, ",%03u", (unsigned)(value % 1000));
    } else {
        append(self, "%u", (unsigned)value);
    }
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static const char *noun(const char *type) {
    return strcmp(type, "poolbuf") == 0 ? "buffer" : type[0] == '\0' ? "resource" : type;
}

static void append_amount(line *self, uint64_t count, const char *type, uint64_t bytes) {
    append_number(self, count);
    append(self, " ");
    append_name(self, noun(type));
    append(self, "%s (", strcmp(type, "others") == 0 ? "" : plural(count));
    append_number(self, bytes);
    append(self, " byte%s)", plural(bytes));
}

const char *leakscope_describe(const leakscope_result *result, char *text, size_t size) {
    text[0] = '\0';
    line out = {text, size, 0};
    append(&out, "scope \"");
    append_name(&out, result->name);
    append(&out, "\" left ");
    append_number(&out, result->left);
    append(&out, " unreleased");
    if (result->left > 0) {
        append(&out, ", ");
        append_number(&out, result->left_bytes);
        append(&out, " byte%s", plural(result->left_bytes));
    }
    if (result->expected > 0) {
        append(&out, ", where ");
        append_number(&out, result->expected);
        append(&out, " %s expected", result->expected == 1 ? "was" : "were");
    }
    for (size_t i = 0; i < result->type_count; i++) {
        append(&out, i == 0 ? ": " : ", ");
        append_amount(&out, result->types[i].count, result->types[i].name, result->types[i].bytes);
    }
    if (result->uncounted > 0) {
        append(&out, "; ");
        append_number(&out, result->uncounted);
        append(&out, " more could not be counted");
    }
    if (result->left > 0 && !result->stacks_shown) {
        append(&out, "; POOLBUF_LEAK_SCOPE_STACKS=on shows where");
    }
    return text;
}

/* --- where ------------------------------------------------------------------------------------------------------- */

static size_t look_up(void *context, uintptr_t address, const symbol_frame **frames) {
    return symbolize_address(context, address, frames);
}

static void write_site(FILE *out, size_t number, const scope_site *site, symbolizer *symbols) {
    char text[256];
    line amount = {text, sizeof text, 0};
    report_frames frames;
    append_amount(&amount, site->count, name_get(site->type), site->bytes);
    fprintf(out, "\n#%zu  %s, allocated at\n", number, text);
    report_frames_resolve(&frames, site->stack, look_up, symbols);
    report_write_frames(&frames, "      ", out);
    report_frames_fini(&frames);
}

static bool write_sites(FILE *out, const scope_sites *sites, const leakscope_result *result, symbolizer *symbols) {
    char text[LEAKSCOPE_TEXT_BYTES];
    leakscope_result shown = *result;
    uint64_t rest = sites->not_listed;
    shown.stacks_shown = true;
    fprintf(out, "poolbuf: SCOPE: %s\n", leakscope_describe(&shown, text, sizeof text));
    for (size_t i = 0; i < sites->count; i++) {
        if (i < SITES_PRINTED) {
            write_site(out, i + 1, &sites->items[i], symbols);
        } else {
            rest += sites->items[i].count;
        }
    }
    if (rest > 0) {
        fprintf(out, "\nand %" PRIu64 " from elsewhere\n", rest);
    }
    return fclose(out) == 0;
}

typedef struct printing {
    const scope_sites *sites;
    const leakscope_result *result;
    bool printed; /* the answer */
} printing;

static void print(void *context) {
    printing *what = context;
    char *text = NULL;
    size_t length = 0;
    symbolize_load(); /* before the lock, as in finalize.c */
    finalize_lock();
    symbolizer *symbols = symbolize_open();
    FILE *out = symbols == NULL ? NULL : open_memstream(&text, &length);
    if (out != NULL && write_sites(out, what->sites, what->result, symbols)) {
        message_write(text, length);
        what->printed = true;
    }
    free(text);
    if (symbols != NULL) {
        symbolize_close(symbols);
    }
    finalize_unlock();
}

bool scope_sites_print(const scope_sites *sites, const leakscope_result *result) {
    thread_state *self = thread_self();
    printing what = {.sites = sites, .result = result};
    if (sites->count == 0 || !thread_enter(self)) {
        return false;
    }
    const int cancellation = cancel_disable();
    large_stack_run(print, &what);
    cancel_restore(cancellation);
    thread_leave(self);
    return what.printed;
}
