/* The file of suppressions, cut into rules; suppress.h shows the syntax.
 *
 * Rules point into the file's own text, in which ends of lines and of patterns are overwritten with NUL. A fault ends
 * its rule, never the file: behind a wrong line the next one is read, behind a wrong block what follows its brace. */
#include "suppress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS   " \t\r"
#define UNCLOSED "no line with a } closes this block; the rule is ignored"

/* What a rule may carry beside its pattern. Zero-initialised will not do: see settings_none(). */
typedef struct settings {
    uint64_t limit_count, limit_bytes;
    int64_t until_day;
    const char *until, *reason;
    unsigned line; /* of the first; 0: none given */
    bool wrong;    /* the rule they belong to must not hold: without its limit it would hide too much */
} settings;

typedef struct parser {
    suppress_file *file;
    char *next;         /* the line to read; NULL: none is left */
    unsigned line;      /* the number of the last one read */
    settings pending;   /* of "#:" lines, for the rule that follows */
    bool told_of_rules; /* that there are too many */
    suppress_complain *complain;
    void *context;
} parser;

static settings settings_none(void) {
    return (settings){
        .limit_count = SUPPRESS_NO_LIMIT, .limit_bytes = SUPPRESS_NO_LIMIT, .until_day = SUPPRESS_FOR_EVER};
}

/* Counts a fault and tells of it; the first ones of a file each have a line. False, so that callers can return it. */
__attribute__((format(printf, 3, 4))) static bool fault(parser *self, unsigned line, const char *format, ...) {
    char text[640];
    uint64_t number = ++self->file->faults;
    if (number > SUPPRESS_COMPLAINTS) {
        return false;
    }
    int used = snprintf(text, sizeof text, "%.200s:%u: ", self->file->path, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *at = text; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at; /* one line, whatever the file holds */
    }
    self->complain(self->context, text);
    return false;
}

/* The next line without blanks at its ends; NULL behind the last. */
static char *next_line(parser *self) {
    char *line = self->next;
    if (line == NULL) {
        return NULL;
    }
    char *end = strchr(line, '\n');
    self->next = end == NULL ? NULL : end + 1;
    self->line++;
    end = end == NULL ? line + strlen(line) : end;
    line += strspn(line, BLANKS);
    while (end > line && strchr(BLANKS, end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return line;
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* --- settings --------------------------------------------------------------------------------------------------- */

/* Digits, and where `units` says so one of k, m, g behind them; from 1 on. */
static bool parse_amount(const char *text, bool units, uint64_t *amount) {
    char *end = NULL;
    errno = 0;
    uint64_t value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (value == 0 || errno != 0) {
        return false;
    }
    static const char UNITS[] = "kmg";
    const char *unit = units && *end != '\0' ? strchr(UNITS, *end | 0x20) : NULL;
    if (unit != NULL) {
        unsigned shift = 10 * (unsigned)(unit - UNITS + 1);
        if (value > UINT64_MAX >> shift) {
            return false;
        }
        value <<= shift;
        end++;
    }
    *amount = value;
    return *end == '\0' && value < SUPPRESS_NO_LIMIT;
}

static int digits(const char *text, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool suppress_parse_day(const char *text, int64_t *day) {
    static const int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const char SHAPE[] = "dddd-dd-dd";
    for (size_t i = 0; i < sizeof SHAPE; i++) {
        bool right = SHAPE[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == SHAPE[i];
        if (!right) {
            return false;
        }
    }
    int year = digits(text, 4);
    int month = digits(text + 5, 2);
    int date = digits(text + 8, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1970 || month < 1 || month > 12 || date < 1 || date > LENGTHS[month - 1] + (month == 2 && leap)) {
        return false;
    }
    int64_t before = year - 1; /* whole years, with a leap day in each fourth, but for three centuries of four */
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;
    for (int i = 0; i < month - 1; i++) {
        days += LENGTHS[i] + (i == 1 && leap);
    }
    *day = days + date - 1;
    return true;
}

static bool set_once(parser *self, const char *key, bool already) {
    return !already || fault(self, self->line, "%s= is given twice; the rule is ignored", key);
}

/* One "key=value"; a reason is all of the line that is left. */
static bool parse_setting(parser *self, settings *into, const char *key, char *value) {
    if (strcmp(key, "limit") == 0) {
        return set_once(self, key, into->limit_count != SUPPRESS_NO_LIMIT) &&
               (parse_amount(value, false, &into->limit_count) ||
                fault(self, self->line, "limit=%.60s is not a count, 1 or more, such as limit=10; the rule is ignored",
                      value));
    }
    if (strcmp(key, "bytes") == 0) {
        return set_once(self, key, into->limit_bytes != SUPPRESS_NO_LIMIT) &&
               (parse_amount(value, true, &into->limit_bytes) ||
                fault(self, self->line,
                      "bytes=%.60s is not a number of bytes, 1 or more, such as bytes=64k; the rule is ignored",
                      value));
    }
    if (strcmp(key, "until") == 0) {
        into->until = value;
        return set_once(self, key, into->until_day != SUPPRESS_FOR_EVER) &&
               (suppress_parse_day(value, &into->until_day) ||
                fault(self, self->line, "until=%.60s is no day, such as until=2027-01-31; the rule is ignored", value));
    }
    if (strcmp(key, "reason") == 0) {
        bool fits = value[0] != '\0' && strlen(value) <= SUPPRESS_REASON_BYTES;
        bool first = set_once(self, key, into->reason != NULL);
        into->reason = value;
        return first && (fits || fault(self, self->line, "reason= needs a text of 1 to %d bytes; the rule is ignored",
                                       SUPPRESS_REASON_BYTES));
    }
    return fault(
        self, self->line,
        "unknown setting %.60s=; known are limit=, bytes=, until= and, as the last, reason=; the rule is ignored", key);
}

/* "limit=10 until=2027-01-31 reason=whatever may stand here" */
static void parse_settings(parser *self, settings *into, char *text) {
    into->line = into->line == 0 ? self->line : into->line;
    text += strspn(text, BLANKS);
    if (*text == '\0') {
        into->wrong = !fault(self, self->line, "no setting; write one, such as #: limit=10; the rule is ignored");
    }
    while (*text != '\0' && !into->wrong) {
        size_t length = strcspn(text, "=" BLANKS);
        if (text[length] != '=') {
            into->wrong =
                !fault(self, self->line, "\"%.60s\" is no setting; write limit=10; the rule is ignored", text);
            return;
        }
        char *value = text + length + 1;
        text[length] = '\0';
        char *end = value + (strcmp(text, "reason") == 0 ? strlen(value) : strcspn(value, BLANKS));
        char *next = *end == '\0' ? end : end + 1 + strspn(end + 1, BLANKS);
        *end = '\0';
        into->wrong = !parse_setting(self, into, text, value);
        text = next;
    }
}

/* A comment behind a pattern holds settings if it begins with one; one that has some further on is a mistake. */
static void parse_comment(parser *self, settings *into, char *comment) {
    static const char *const KEYS[] = {"limit=", "bytes=", "until="};
    bool marked = comment[0] == ':';
    comment += marked;
    comment += strspn(comment, BLANKS);
    size_t word = strspn(comment, "abcdefghijklmnopqrstuvwxyz");
    if (marked || (word > 0 && comment[word] == '=')) {
        parse_settings(self, into, comment);
        return;
    }
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0] && !into->wrong; i++) {
        const char *found = strstr(comment, KEYS[i]);
        if (found != NULL && strchr(BLANKS, found[-1]) != NULL) {
            into->wrong =
                !fault(self, self->line,
                       "%s stands behind other words; settings come first in a comment; the rule is ignored", KEYS[i]);
        }
    }
}

/* --- rules ------------------------------------------------------------------------------------------------------ */

static suppress_place *place_at(const suppress_file *file, size_t index) {
    return &((suppress_place *)file->places.items)[index];
}

static bool add_place(parser *self, suppress_place place) {
    suppress_place *fresh = memory_array_next(&self->file->places, sizeof *fresh);
    if (fresh == NULL) {
        return fault(self, self->line, "no memory for this rule; it is ignored");
    }
    *fresh = place;
    return true;
}

/* Completes a rule whose places are the last ones; or takes those back. */
static void add_rule(parser *self, suppress_rule rule, const settings *with, bool right) {
    memory_array *rules = &self->file->rules;
    right = right && !with->wrong;
    if (right && rules->count == SUPPRESS_RULES) {
        right = false;
        if (!self->told_of_rules) {
            self->told_of_rules =
                !fault(self, rule.line, "more than %d rules; this one and the rest are ignored", SUPPRESS_RULES);
        }
    }
    suppress_rule *fresh = right ? memory_array_next(rules, sizeof *fresh) : NULL;
    if (fresh == NULL) {
        self->file->places.count = rule.first_place;
        return;
    }
    rule.place_count = self->file->places.count - rule.first_place;
    rule.limit_count = with->limit_count;
    rule.limit_bytes = with->limit_bytes;
    rule.until_day = with->until_day;
    rule.until = with->until;
    rule.reason = with->reason;
    *fresh = rule;
}

static bool check_pattern(parser *self, const char *pattern) {
    if (*pattern == '\0') {
        return fault(self, self->line, "the pattern is empty; name a function, file or module; the rule is ignored");
    }
    return strlen(pattern) <= SUPPRESS_PATTERN_BYTES ||
           fault(self, self->line, "the pattern is longer than %d bytes; the rule is ignored", SUPPRESS_PATTERN_BYTES);
}

/* What the sanitizers call the rules that are not about leaks. */
static bool is_of_other_sanitizer(const char *word, size_t length) {
    static const char WORDS[] =
        "race race_top thread mutex signal deadlock called_from_lib "             /* of threads */
        "interceptor_name interceptor_via_fun interceptor_via_lib odr_violation " /* of addresses */
        "alignment bool bounds builtin enum float-cast-overflow float-divide-by-zero function implicit-conversion "
        "implicit-integer-sign-change implicit-signed-integer-truncation implicit-unsigned-integer-truncation "
        "integer-divide-by-zero nonnull-attribute null object-size pointer-overflow return returns-nonnull-attribute "
        "shift shift-base shift-exponent signed-integer-overflow undefined unreachable unsigned-integer-overflow "
        "vla-bound vptr vptr_check ";
    for (const char *known = WORDS; *known != '\0'; known += strcspn(known, " ") + 1) {
        if (strcspn(known, " ") == length && memcmp(known, word, length) == 0) {
            return true;
        }
    }
    return false;
}

/* "leak:PATTERN", with settings behind it perhaps. LeakSanitizer takes blanks within for part of the pattern. */
static void parse_sanitizer_line(parser *self, char *line) {
    settings with = self->pending;
    suppress_rule rule = {.name = line, .line = self->line, .first_place = self->file->places.count};
    self->pending = settings_none();
    size_t word = strcspn(line, ":");
    if (line[word] == ':' && is_of_other_sanitizer(line, word)) {
        self->file->passed_over++;
        return;
    }
    if (!starts_with(line, "leak:")) {
        fault(self, self->line, "\"%.60s\" is no rule; write leak:PATTERN, or a block in braces as Valgrind has them",
              line);
        return;
    }
    for (char *at = line + 1; *at != '\0'; at++) {
        if (*at == '#' && strchr(BLANKS, at[-1]) != NULL) {
            parse_comment(self, &with, at + 1);
            do {
                *at-- = '\0';
            } while (strchr(BLANKS, *at) != NULL);
            break;
        }
    }
    const char *pattern = line + strlen("leak:");
    const char *dollar = strchr(pattern, '$');
    bool right = check_pattern(self, pattern);
    if (right && strchr(BLANKS, pattern[0]) != NULL) {
        right = fault(self, rule.line, "a blank behind leak: belongs to the pattern; write %.60s; the rule is ignored",
                      "leak:PATTERN");
    } else if (right && dollar != NULL && dollar[1] != '\0') {
        right = fault(self, rule.line,
                      "$ is the end of a name, so nothing can follow it; write * for a $ within; the "
                      "rule is ignored");
    }
    right = right && add_place(self, (suppress_place){.kind = SUPPRESS_ANYWHERE, .pattern = pattern});
    add_rule(self, rule, &with, right);
}

/* --- Valgrind's blocks ------------------------------------------------------------------------------------------ */

/* The next line of a block that is neither empty nor a comment; "#:" lines are settings. NULL at the file's end. */
static char *next_in_block(parser *self, settings *with) {
    char *line = next_line(self);
    while (line != NULL && (*line == '\0' || *line == '#')) {
        if (starts_with(line, "#:")) {
            parse_settings(self, with, line + 2);
        }
        line = next_line(self);
    }
    return line;
}

/* "Memcheck,Addrcheck:Leak": whether a leak of Memcheck's is meant. */
static bool is_memcheck_leak(const char *line, const char *colon) {
    if (strcmp(colon, ":Leak") != 0) {
        return false;
    }
    while (line < colon) {
        size_t length = strcspn(line, ",:");
        if (length == strlen("Memcheck") && memcmp(line, "Memcheck", length) == 0) {
            return true;
        }
        line += length + 1;
    }
    return false;
}

/* The kinds are checked, not compared: whether a pointer to a buffer is left is more than the detector knows. */
static bool check_leak_kinds(parser *self, const char *list) {
    static const char *const KINDS[] = {"definite", "indirect", "possible", "reachable", "all"};
    list += strspn(list, BLANKS);
    do {
        size_t length = strcspn(list, ",");
        bool known = false;
        for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
            known = known || (strlen(KINDS[i]) == length && memcmp(KINDS[i], list, length) == 0);
        }
        if (!known) {
            return fault(self, self->line,
                         "unknown leak kind \"%.*s\"; known are definite, indirect, possible, reachable, all; the rule "
                         "is ignored",
                         (int)(length < 60 ? length : 60), list);
        }
        list += length;
    } while (*list++ == ',');
    return true;
}

/* "src:file.c:12": cuts the line off. */
static unsigned cut_source_line(char *pattern) {
    char *colon = strrchr(pattern, ':');
    uint64_t number = 0;
    if (colon == NULL || !parse_amount(colon + 1, false, &number) || number > UINT32_MAX) {
        return 0;
    }
    *colon = '\0';
    return (unsigned)number;
}

static bool parse_block_line(parser *self, char *line, size_t first_place) {
    suppress_place place = {.kind = SUPPRESS_ANY_FRAMES};
    if (starts_with(line, "match-leak-kinds:")) {
        return check_leak_kinds(self, line + strlen("match-leak-kinds:"));
    }
    if (strcmp(line, "...") != 0) {
        static const char *const STARTS[] = {"fun:", "obj:", "src:"};
        static const suppress_kind KINDS[] = {SUPPRESS_FUNCTION, SUPPRESS_OBJECT, SUPPRESS_SOURCE};
        for (size_t i = 0; i < sizeof STARTS / sizeof STARTS[0]; i++) {
            if (starts_with(line, STARTS[i])) {
                place.kind = KINDS[i];
                place.source_line = KINDS[i] == SUPPRESS_SOURCE ? cut_source_line(line + 4) : 0;
                place.pattern = line + 4;
            }
        }
        if (place.pattern == NULL) {
            return fault(
                self, self->line,
                "\"%.60s\" is no line of a block; write fun:, obj:, src:, ... or match-leak-kinds:; the rule is "
                "ignored",
                line);
        }
        if (!check_pattern(self, place.pattern)) {
            return false;
        }
    }
    if (self->file->places.count - first_place == SUPPRESS_FRAMES) {
        return fault(self, self->line, "more than %d lines in a block; the rule is ignored", SUPPRESS_FRAMES);
    }
    return add_place(self, place);
}

static bool names_allocator(const suppress_place *place) {
    static const char *const NAMES[] = {"malloc",         "calloc",        "realloc", "memalign",
                                        "posix_memalign", "aligned_alloc", "_Znwm",   "_Znam"};
    for (size_t i = 0; place->kind == SUPPRESS_FUNCTION && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (suppress_whole_matches(place->pattern, NAMES[i])) {
            return true;
        }
    }
    return false;
}

static bool names_poolbuf(const suppress_place *place) {
    return (place->kind == SUPPRESS_FUNCTION && starts_with(place->pattern, "poolbuf_")) ||
           (place->kind == SUPPRESS_OBJECT && strstr(place->pattern, "libpoolbuf") != NULL);
}

/* How many of the first places are below where our stacks begin: malloc, and all up to the last of poolbuf's functions,
 * between which there are internal ones. The prefix is the library's: a program's own functions do not have it. */
static size_t count_allocator_places(const suppress_file *file, const suppress_rule *rule) {
    size_t count = file->places.count - rule->first_place;
    size_t below = count > 0 && names_allocator(place_at(file, rule->first_place)) ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        below = names_poolbuf(place_at(file, rule->first_place + i)) ? i + 1 : below;
    }
    return below;
}

/* A block must say more than "memory was allocated". */
static bool check_places(parser *self, suppress_rule *rule) {
    const suppress_file *file = self->file;
    rule->allocator_places = count_allocator_places(file, rule);
    for (size_t i = rule->first_place + rule->allocator_places; i < file->places.count; i++) {
        if (place_at(file, i)->kind != SUPPRESS_ANY_FRAMES) {
            return true;
        }
    }
    return fault(self, rule->line,
                 "the block names no caller, so it would match every leak; add fun:, obj: or src: of "
                 "one; the rule is ignored");
}

static bool is_brace(const char *line, char brace) {
    return line[0] == brace && line[1] == '\0';
}

/* Of a block that begins in that line: the rest, whatever it says. Returns whether another block opens in it. */
static bool skip_block(parser *self, unsigned begin) {
    const char *line = next_line(self);
    while (line != NULL && !is_brace(line, '}') && !is_brace(line, '{')) {
        line = next_line(self);
    }
    if (line == NULL || is_brace(line, '{')) {
        fault(self, begin, UNCLOSED);
    }
    return line != NULL && is_brace(line, '{');
}

/* Returns whether it ended where another block opens: a brace is missing, and of no more than this rule. */
static bool parse_block(parser *self) {
    settings with = self->pending;
    suppress_rule rule = {.line = self->line, .first_place = self->file->places.count};
    self->pending = settings_none();
    char *line = next_in_block(self, &with);
    rule.name = line;
    bool right = line != NULL && !is_brace(line, '}');
    line = right ? next_in_block(self, &with) : line;
    const char *colon = line == NULL ? NULL : strchr(line, ':');
    if (line != NULL && (!right || colon == NULL)) {
        fault(self, self->line,
              "a block begins with a line for its name and one such as Memcheck:Leak; the rule is "
              "ignored");
        return is_brace(line, '{') || (!is_brace(line, '}') && skip_block(self, rule.line));
    }
    if (line != NULL && !is_memcheck_leak(line, colon)) {
        self->file->passed_over++;
        return skip_block(self, rule.line);
    }
    right = right &&
            (strlen(rule.name) <= SUPPRESS_PATTERN_BYTES ||
             fault(self, rule.line, "the name is longer than %d bytes; the rule is ignored", SUPPRESS_PATTERN_BYTES));
    while (line != NULL && (line = next_in_block(self, &with)) != NULL && !is_brace(line, '}') &&
           !is_brace(line, '{')) {
        right = right && parse_block_line(self, line, rule.first_place);
    }
    const bool opens = line != NULL && is_brace(line, '{');
    if (line == NULL || opens) {
        right = fault(self, rule.line, UNCLOSED);
    }
    right = right && check_places(self, &rule); /* which completes it, so before it is copied */
    add_rule(self, rule, &with, right);
    return opens;
}

void suppress_parse(suppress_file *self, size_t length, suppress_complain *complain, void *context) {
    parser state = {
        .file = self, .next = self->text, .pending = settings_none(), .complain = complain, .context = context};
    if (strlen(self->text) != length) {
        fault(&state, 1, "a NUL byte is in it: this is no text file; nothing is suppressed");
        return;
    }
    if (starts_with(self->text, "\xef\xbb\xbf")) { /* U+FEFF, with which some editors begin a text; nobody sees it */
        state.next += 3;
    }
    for (char *line = next_line(&state); line != NULL; line = next_line(&state)) {
        if (starts_with(line, "#:")) {
            parse_settings(&state, &state.pending, line + 2);
        } else if (is_brace(line, '{')) {
            while (parse_block(&state)) {
            }
        } else if (*line != '\0' && *line != '#') {
            parse_sanitizer_line(&state, line);
        }
    }
    if (state.pending.line != 0 && !state.pending.wrong) {
        fault(&state, state.pending.line, "settings without a rule behind them; write the rule on the next line");
    }
    if (self->faults > SUPPRESS_COMPLAINTS) {
        char text[300];
        snprintf(text, sizeof text, "%.200s: and %llu more faults", self->path,
                 (unsigned long long)(self->faults - SUPPRESS_COMPLAINTS));
        complain(context, text);
    }
}
