/* Every complaint is one line, before anything is measured. */
#include "run_subjects.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_codes.h"
#include "measure/available.h"
#include "measure/examine.h"
#include "scenario/near.h"

enum {
    NAME_MAX_LENGTH = 32,
    MESSAGE_SIZE = 8192
};

static const char NAME_CHARACTERS[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";

static int unknown_subject(const command_line *line, const char *name) {
    const char *names[MEASURE_SUBJECTS_MAX];
    char legal[512] = "";
    size_t count = 0;
    for (const subject *known = NULL; (known = subject_at(count)) != NULL; count++) {
        const size_t used = strlen(legal);
        names[count] = known->name;
        (void)snprintf(legal + used, sizeof legal - used, "%s%s", count == 0 ? "" : ", ", known->name);
    }
    const char *near = near_word(name, names, count);
    if (near != NULL) {
        return usage_error(line, "unknown subject \"%s\", did you mean \"%s\"? legal are %s", name, near, legal);
    }
    return usage_error(line, "unknown subject \"%s\"; legal are %s, and NAME=./library.so for one of your own", name,
                       legal);
}

static const subject *find_chosen(const run_subjects *chosen, const char *name) {
    for (size_t i = 0; i < chosen->count; i++) {
        if (strcmp(chosen->items[i]->name, name) == 0) {
            return chosen->items[i];
        }
    }
    return NULL;
}

static int too_many(const command_line *line) {
    return usage_error(line, "too many subjects; a run takes at most %d", (int)MEASURE_SUBJECTS_MAX);
}

/* ---- A user's own ---- */

static int check_name(const command_line *line, const run_subjects *chosen, const char *word, size_t length) {
    char name[NAME_MAX_LENGTH + 1];
    if (length == 0 || length > NAME_MAX_LENGTH || strspn(word, NAME_CHARACTERS) < length) {
        return usage_error(line, "\"%.*s\" is no name for a subject; 1 to %d of a to z, 0 to 9, -, _ and . are",
                           (int)length, word, (int)NAME_MAX_LENGTH);
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)length, word);
    if (subject_find(name) != NULL) {
        return usage_error(line, "the name \"%s\" is taken by a subject of this program; give it another", name);
    }
    if (find_chosen(chosen, name) != NULL) {
        return usage_error(line, "the name \"%s\" is given twice; give each its own", name);
    }
    return ARGUMENTS_PROCEED;
}

static int add_library(const command_line *line, const char *word, const char *path, run_subjects *chosen) {
    const size_t length = (size_t)(path - 1 - word);
    char message[MESSAGE_SIZE];
    const int status = check_name(line, chosen, word, length);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    if (*path == '\0') {
        return usage_error(line, "\"%s\" lacks a path; NAME=./library.so has one", word);
    }
    if (chosen->count == MEASURE_SUBJECTS_MAX) {
        return too_many(line);
    }
    char *name = strndup(word, length);
    if (name == NULL) {
        return input_error("out of memory");
    }
    chosen->library_names[chosen->library_count] = name;
    subject *own = &chosen->libraries[chosen->library_count++];
    if (!examine_library(name, path, own, message, sizeof message)) {
        return input_error("%s", message);
    }
    chosen->items[chosen->count++] = own;
    return ARGUMENTS_PROCEED;
}

/* ---- Those of the table ---- */

static bool is_path(const char *text) {
    return *text == '\0' || strpbrk(text, "/.") != NULL; /* no subject of the table has such a name */
}

/* "10000:50us": a stall in so many operations, of so long. */
static bool read_stall(const char *text, measure_part *part) {
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}};
    char number[24];
    uint64_t every = 0;
    uint64_t amount = 0;
    const size_t length = strcspn(text, ":");
    if (text[length] != ':' || length >= sizeof number) {
        return false;
    }
    (void)snprintf(number, sizeof number, "%.*s", (int)length, text);
    const char *time = text + length + 1;
    const size_t digits = strspn(time, "0123456789");
    if (digits >= sizeof number || !read_count(number, 1, UINT32_MAX, &every)) {
        return false;
    }
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, time);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(time + digits, units[i].unit) == 0 &&
            read_count(number, 1, MEASURE_STALL_NS_MAX / units[i].ns, &amount)) {
            part->stall_every = (uint32_t)every;
            part->stall_ns = amount * units[i].ns;
            return true;
        }
    }
    return false;
}

/* What comes after the subject's name in an alias. */
static int read_change(const command_line *line, const char *word, const char *change, measure_part *part) {
    uint64_t spin = 0;
    if (*change == '+' && !read_count(change + 1, 1, MEASURE_SPIN_PERCENT_MAX, &spin)) {
        return usage_error(line, "--subject %s: after + comes a slowdown in percent, from 1 to 1000", word);
    }
    if (*change == '~' && !read_stall(change + 1, part)) {
        return usage_error(line,
                           "--subject %s: after ~ comes a stall, as 10000:50us: in every 10,000th operation 50 us; at "
                           "most a second, in ns, us or ms",
                           word);
    }
    part->spin_percent = (unsigned)spin;
    return ARGUMENTS_PROCEED;
}

/* `again=malloc` is malloc under another name; `slow=malloc+5` the same, slowed down by 5 %; `stall=malloc~10000:1ms`
 * the same, stalled for 1 ms in every 10,000th operation. What is known is comparable with itself, which shows how
 * often a verdict is wrong, and how often a slowdown, or a tail, is missed. */
static int add_alias(const command_line *line, const char *word, const char *plays, run_subjects *chosen) {
    const size_t length = (size_t)(plays - 1 - word);
    char known[NAME_MAX_LENGTH + 1];
    char why[AVAILABLE_WHY_SIZE];
    const size_t known_length = strcspn(plays, "+~");
    measure_part part = {.plays = NULL};
    int status = check_name(line, chosen, word, length);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    (void)snprintf(known, sizeof known, "%.*s", (int)known_length, plays);
    const subject *which = subject_find(known);
    if (which == NULL) {
        return unknown_subject(line, known);
    }
    status = read_change(line, word, plays + known_length, &part);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    if (!available_here(which, why, sizeof why)) {
        (void)fprintf(stderr, "poolbuf: %s is not available: %s\n", known, why);
        return EXIT_UNCHECKED;
    }
    if (chosen->count == MEASURE_SUBJECTS_MAX) {
        return too_many(line);
    }
    char *name = strndup(word, length);
    if (name == NULL) {
        return input_error("out of memory");
    }
    chosen->alias_names[chosen->alias_count] = name;
    subject *alias = &chosen->aliases[chosen->alias_count++];
    *alias = *which;
    alias->name = name;
    part.plays = which->name;
    chosen->parts[chosen->count] = part;
    chosen->items[chosen->count++] = alias;
    return ARGUMENTS_PROCEED;
}

static int add_known(const command_line *line, const char *name, run_subjects *chosen) {
    char why[AVAILABLE_WHY_SIZE];
    const subject *which = subject_find(name);
    if (which == NULL) {
        return unknown_subject(line, name);
    }
    if (!available_here(which, why, sizeof why)) {
        (void)fprintf(stderr, "poolbuf: %s is not available: %s\n", name, why);
        return EXIT_UNCHECKED;
    }
    if (find_chosen(chosen, name) == NULL) {
        if (chosen->count == MEASURE_SUBJECTS_MAX) {
            return too_many(line);
        }
        chosen->items[chosen->count++] = which;
    }
    return ARGUMENTS_PROCEED;
}

static void add_all(run_subjects *chosen) {
    const subject *which = NULL;
    chosen->is_whole_table = true;
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        if (!which->is_on_request) {
            chosen->items[chosen->count++] = which;
        }
    }
}

void run_subjects_tell_left_out(const run_subjects *chosen) {
    char why[AVAILABLE_WHY_SIZE];
    bool is_first = true;
    for (size_t i = 0; chosen->is_whole_table && i < chosen->count; i++) {
        if (!available_here(chosen->items[i], why, sizeof why)) {
            (void)fprintf(stderr, "%s%s (%s)", is_first ? "poolbuf: left out: " : ", ", chosen->items[i]->name, why);
            is_first = false;
        }
    }
    if (!is_first) {
        (void)fputc('\n', stderr);
    }
}

/* A path may have commas, at which the list was split. Where no file is called as the part in front of one, and there is one
 * that goes on with the next words, that is meant.
 *   returns  the word to take, and in *used how many it was made of; NULL is out of memory. To be freed. */
static char *join_path(const text_list *words, size_t first, size_t *used) {
    char *joined = strdup(words->items[first]);
    char *longest = NULL;
    *used = 1;
    for (size_t i = first + 1; joined != NULL; i++) {
        if (access(strchr(joined, '=') + 1, F_OK) == 0) {
            longest = joined;
            *used = i - first;
            break;
        }
        char *longer = NULL;
        if (i == words->count || asprintf(&longer, "%s,%s", joined, words->items[i]) < 0) {
            break;
        }
        free(joined);
        joined = longer;
    }
    if (longest == NULL) {
        free(joined);
        longest = strdup(words->items[first]); /* which is complained of */
    }
    return longest;
}

static int add_joined(const command_line *line, const text_list *words, size_t *at, run_subjects *chosen) {
    size_t used = 0;
    char *word = join_path(words, *at, &used);
    const int status =
        word == NULL ? input_error("out of memory") : add_library(line, word, strchr(word, '=') + 1, chosen);
    free(word);
    *at += used - 1;
    return status;
}

int run_subjects_choose(const command_line *line, const text_list *words, run_subjects *chosen) {
    if (words->count == 0) {
        add_all(chosen);
    }
    int status = ARGUMENTS_PROCEED;
    for (size_t i = 0; i < words->count && status == ARGUMENTS_PROCEED; i++) {
        const char *equals = strchr(words->items[i], '=');
        if (equals == NULL) {
            status = add_known(line, words->items[i], chosen);
        } else if (is_path(equals + 1)) {
            status = add_joined(line, words, &i, chosen);
        } else {
            status = add_alias(line, words->items[i], equals + 1, chosen);
        }
    }
    return status;
}

void run_subjects_fini(run_subjects *chosen) {
    for (size_t i = 0; i < chosen->library_count; i++) {
        examine_fini(&chosen->libraries[i]);
        free(chosen->library_names[i]);
    }
    for (size_t i = 0; i < chosen->alias_count; i++) {
        free(chosen->alias_names[i]);
    }
}
