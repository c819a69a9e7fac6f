/* See suppressions.h.
 *
 *     # fingerprint e3c605b618937ba9: 1 x poolbuf, 16 B, open_log (log.c:40)
 *     {
 *        fingerprint e3c605b618937ba9, open_log
 *        Memcheck:Leak
 *        fun:open_log          one line a frame, from the innermost out
 *        fun:main
 *        #: limit=1
 *     }
 *
 * A block covers every stack that begins as it does, so one that is made of a short stack may cover a longer one.
 * Therefore the deepest stacks have their rules first, and a group belongs to the first rule that covers it, as in the
 * library: the limit of a rule is what its groups come to. */
#include "suppressions.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/facts.h"
#include "reports/leaks_order.h"

enum {
    PATTERN_BYTES = 1000, /* of a name in a rule; the library takes patterns up to 1,024 bytes */
    TITLE_BYTES = 100,    /* of the function in a rule's own name */
    PLACE_LIMIT = 63      /* lines for frames; the library takes 64, and the last may be `...` */
};

typedef enum place_kind {
    PLACE_FUNCTION,
    PLACE_SOURCE,
    PLACE_OBJECT,
    PLACE_NAMELESS
} place_kind;

static const char *const WORDS[] = {[PLACE_FUNCTION] = "fun", [PLACE_SOURCE] = "src", [PLACE_OBJECT] = "obj"};

/* What a frame is called in a rule. */
typedef struct place {
    place_kind kind;
    const char *name; /* "" where it has none */
    uint64_t line;    /* of a source; MODEL_UNKNOWN: any */
} place;

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static bool has_text(const char *text) {
    return text != NULL && *text != '\0';
}

/* A name without its class or namespace, which others share: what debug information has for an inlined lambda. */
static bool is_anybodys(const char *function) {
    const size_t length = strlen("operator");
    return strncmp(function, "operator", length) == 0 && !isalnum((unsigned char)function[length]) &&
           function[length] != '_';
}

static place place_of(const leaks_frame *frame) {
    const bool has_file = has_text(frame->file);
    if (has_text(frame->function) && !(is_anybodys(frame->function) && has_file)) {
        return (place){PLACE_FUNCTION, frame->function, MODEL_UNKNOWN};
    }
    if (has_file) {
        return (place){PLACE_SOURCE, base_name(frame->file), frame->line == 0 ? MODEL_UNKNOWN : frame->line};
    }
    if (has_text(frame->module)) {
        return (place){PLACE_OBJECT, base_name(frame->module), MODEL_UNKNOWN};
    }
    return (place){PLACE_NAMELESS, "", MODEL_UNKNOWN};
}

/* A name's byte as a pattern has it: `?`, which is any byte, for those that mean something there. The library's names
 * are among them, because lines up to the last one that names it may be left out. */
static char pattern_byte(const char *name, size_t at) {
    const unsigned char byte = (unsigned char)name[at];
    const bool library = (at == 0 && strncmp(name, "poolbuf_", strlen("poolbuf_")) == 0) ||
                         strncmp(name + at, "libpoolbuf", strlen("libpoolbuf")) == 0;
    const bool blank_end = byte == ' ' && name[at + 1] == '\0';
    return byte < ' ' || byte == 0x7f || byte == '*' || blank_end || library ? '?' : name[at];
}

/* How many lines a group's rule has. A frame without a name would be `...`, which between others is any number of
 * frames, and so any caller: the rule ends before it. */
static size_t place_count(const leaks_group *group) {
    size_t count = 0;
    while (count < group->allocation_stack_count && count < PLACE_LIMIT &&
           place_of(group->allocation_stack[count]).kind != PLACE_NAMELESS) {
        count++;
    }
    return count;
}

/* ---- what a rule covers ---- */

static bool pattern_matches(const char *name, const char *text) {
    if (text == NULL) {
        return false;
    }
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        const char byte = name[i] == '\0' ? '\0' : pattern_byte(name, i);
        if (byte == '\0' || text[i] == '\0') {
            return byte == text[i];
        }
        if (byte != '?' && byte != text[i]) {
            return false;
        }
    }
    return true;
}

static bool place_matches(const place *where, const leaks_frame *frame) {
    if (where->kind == PLACE_FUNCTION) {
        return pattern_matches(where->name, frame->function);
    }
    if (where->kind == PLACE_OBJECT) {
        return frame->module != NULL && pattern_matches(where->name, base_name(frame->module));
    }
    return (where->line == MODEL_UNKNOWN || where->line == frame->line) && frame->file != NULL &&
           pattern_matches(where->name, base_name(frame->file));
}

/* Whether the rule that is made of one group's stack matches another's. */
static bool covers(const leaks_group *made_of, const leaks_group *other) {
    const size_t count = place_count(made_of);
    for (size_t i = 0; i < count; i++) {
        const place where = place_of(made_of->allocation_stack[i]);
        if (i >= other->allocation_stack_count || !place_matches(&where, other->allocation_stack[i])) {
            return false;
        }
    }
    return true;
}

/* Limits count what was tracked. Of a sample the next run may track more by chance, but not more than there are. */
static uint64_t limit_of(const leaks_group *group) {
    const double high = ceil(group->estimated_count.high);
    const bool sampled = high > (double)group->count && high < 0x1p53;
    return sampled ? (uint64_t)high : group->count;
}

/* ---- writing ---- */

/* One line, whatever the program called its things. */
static void print_comment(FILE *to, const char *text, size_t limit) {
    for (size_t i = 0; text[i] != '\0' && i < limit; i++) {
        fputc((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i], to);
    }
}

static void print_group(const leaks_model *model, const leaks_group *group, FILE *to) {
    fprintf(to, "# fingerprint %s: ", group->fingerprint);
    print_comment(to, leaks_group_title(model, group), SIZE_MAX);
    if (group->allocation_stack_count > 0) {
        fputs(", ", to);
        print_comment(to, leaks_frame_place(model, group->allocation_stack[0]), SIZE_MAX);
    }
    fputc('\n', to);
}

static void print_place(const place *where, const leaks_frame *frame, FILE *to) {
    const bool in_folder = where->kind == PLACE_OBJECT && strchr(frame->module, '/') != NULL;
    fprintf(to, "   %s:%s", WORDS[where->kind], in_folder ? "*/" : "");
    size_t used = 0;
    for (; where->name[used] != '\0' && used < PATTERN_BYTES; used++) {
        fputc(pattern_byte(where->name, used), to);
    }
    if (where->name[used] != '\0') {
        fputc('*', to);
    }
    if (where->line != MODEL_UNKNOWN) {
        fprintf(to, ":%llu", (unsigned long long)where->line);
    }
    fputc('\n', to);
}

static void print_rule(const leaks_group *group, uint64_t limit, FILE *to) {
    const size_t count = place_count(group);
    const place first = place_of(group->allocation_stack[0]);
    fprintf(to, "{\n   fingerprint %s, ", group->fingerprint);
    print_comment(to, first.name, TITLE_BYTES);
    fputs("\n   Memcheck:Leak\n", to);
    for (size_t i = 0; i < count; i++) {
        const place where = place_of(group->allocation_stack[i]);
        print_place(&where, group->allocation_stack[i], to);
    }
    if (count < group->allocation_stack_count) {
        fputs("   ...\n", to);
    }
    fprintf(to, "   #: limit=%llu\n}\n", (unsigned long long)(limit > 0 ? limit : 1));
}

/* Takes every group that the rule of one covers, and prints it below their comments. */
static void print_shared(const leaks_model *model, const leaks_group **groups, const leaks_group *made_of, bool *done,
                         FILE *to) {
    uint64_t limit = 0;
    for (size_t i = 0; i < model->group_count; i++) {
        if (!done[i] && covers(made_of, groups[i])) {
            done[i] = true;
            limit += limit_of(groups[i]);
            print_group(model, groups[i], to);
        }
    }
    print_rule(made_of, limit, to);
}

void suppressions_print(const leaks_model *model, FILE *to) {
    const leaks_group **groups = leaks_order(model);
    bool *done = calloc(model->group_count + 1, sizeof *done);
    if (done == NULL) {
        fputs("poolbuf leaks: out of memory for rules\n", stderr);
        return;
    }
    for (size_t count = PLACE_LIMIT; count > 0; count--) {
        for (size_t i = 0; i < model->group_count; i++) {
            if (!done[i] && place_count(groups[i]) == count) {
                print_shared(model, groups, groups[i], done, to);
            }
        }
    }
    for (size_t i = 0; i < model->group_count; i++) {
        if (!done[i]) {
            print_group(model, groups[i], to);
            fputs("# no rule: its stack begins with a frame that has no name\n", to);
        }
    }
    free(done);
}
