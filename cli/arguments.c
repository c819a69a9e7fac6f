/* Parses, checks and explains one subcommand's command line from its table.
 *
 * Operands are collected at the front of argv as they are met (they never overtake the read position, so nothing that is
 * still to be read is overwritten), and handed out as a slice of it. */
#include "arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"
#include "reports/table.h"
#include "scenario/near.h"

#define HELP_COLUMN 30 /* where an option's explanation starts */

bool text_list_add(text_list *list, const char *text, size_t length) {
    char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL) {
        return false;
    }
    list->items = items;
    items[list->count] = strndup(text, length);
    if (items[list->count] == NULL) {
        return false;
    }
    list->count++;
    return true;
}

void text_list_fini(text_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (text_list){0};
}

/* One line, whatever is in the names that it quotes. */
__attribute__((format(printf, 1, 0))) static void print_line(const char *format, va_list list) {
    char text[8192];
    const int length = vsnprintf(text, sizeof text, format, list);
    text_print_safe(stderr, length < 0 ? "the message cannot be written" : text);
}

void message_print(const char *prefix, const char *format, va_list list) {
    fputs(prefix, stderr);
    print_line(format, list);
    fputc('\n', stderr);
}

void message(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf: ", format, list);
    va_end(list);
}

int usage_error(const command_line *command, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "poolbuf %s: ", command->name);
    print_line(format, list);
    fprintf(stderr, "; see poolbuf %s --help\n", command->name);
    va_end(list);
    return EXIT_USAGE;
}

int input_error(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf: ", format, list);
    va_end(list);
    return EXIT_USAGE;
}

bool read_count(const char *text, uint64_t low, uint64_t high, uint64_t *out) {
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    const unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0 || value < low || value > high) {
        return false;
    }
    *out = value;
    return true;
}

static bool read_percent(const char *text, uint64_t low, uint64_t high, double *out) {
    const size_t length = strlen(text);
    const size_t digits = strspn(text, "0123456789.");
    if (digits == 0 || digits > 32 || (digits != length && strcmp(text + digits, "%") != 0)) {
        return false;
    }
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end != text + digits || value < (double)low || value > (double)high) {
        return false;
    }
    *out = value;
    return true;
}

static void join_choices(const char *const *choices, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && used < size; i++) {
        const int n = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", choices[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

static int set_choice(const command_line *command, const argument *option, const char *shown, const char *value) {
    size_t count = 0;
    for (; option->choices[count] != NULL; count++) {
        if (strcmp(option->choices[count], value) == 0) {
            *(const char **)option->value = option->choices[count];
            return ARGUMENTS_PROCEED;
        }
    }
    char legal[256];
    join_choices(option->choices, legal, sizeof legal);
    const char *near = near_word(value, option->choices, count);
    if (near != NULL) {
        return usage_error(command, "%s: unknown value \"%s\", did you mean \"%s\"? (%s)", shown, value, near, legal);
    }
    return usage_error(command, "%s: unknown value \"%s\"; it must be one of %s", shown, value, legal);
}

static int set_list(const command_line *command, const argument *option, const char *shown, const char *value) {
    while (true) {
        const size_t length = strcspn(value, ",");
        if (length == 0) {
            return usage_error(command, "%s: an empty name in its list", shown);
        }
        if (!text_list_add(option->value, value, length)) {
            return usage_error(command, "out of memory");
        }
        if (value[length] == '\0') {
            return ARGUMENTS_PROCEED;
        }
        value += length + 1;
    }
}

static int add_path(const command_line *command, const argument *option, const char *shown, const char *value) {
    if (*value == '\0') {
        return usage_error(command, "%s: its %s is empty", shown, option->meaning);
    }
    return text_list_add(option->value, value, strlen(value)) ? ARGUMENTS_PROCEED
                                                              : usage_error(command, "out of memory");
}

static int set_value(const command_line *command, const argument *option, const char *shown, const char *value) {
    switch (option->kind) {
    case ARGUMENT_FLAG:
        break;
    case ARGUMENT_TEXT:
        if (*value == '\0') {
            return usage_error(command, "%s: its %s is empty", shown, option->meaning);
        }
        *(const char **)option->value = value;
        break;
    case ARGUMENT_COUNT:
        if (!read_count(value, option->low, option->high, option->value)) {
            return usage_error(command, "%s: \"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, shown, value,
                               option->low, option->high);
        }
        break;
    case ARGUMENT_PERCENT:
        if (!read_percent(value, option->low, option->high, option->value)) {
            return usage_error(command, "%s: \"%s\" is not a number from %" PRIu64 " to %" PRIu64, shown, value,
                               option->low, option->high);
        }
        break;
    case ARGUMENT_CHOICE:
        return set_choice(command, option, shown, value);
    case ARGUMENT_LIST:
        return set_list(command, option, shown, value);
    case ARGUMENT_PATHS:
        return add_path(command, option, shown, value);
    }
    return ARGUMENTS_PROCEED;
}

static int unknown_option(const command_line *command, const char *shown, const char *name) {
    const char *near = NULL;
    if (name != NULL && command->argument_count > 0) {
        near = near_field(name, &command->arguments[0].name, command->argument_count, sizeof(argument));
    }
    if (near != NULL) {
        return usage_error(command, "unknown option %s, did you mean --%s?", shown, near);
    }
    return usage_error(command, "unknown option %s", shown);
}

/* Takes the option at argv[*at], and its value wherever it stands; leaves *at at the last word that was used. */
static int take_option(const command_line *command, int argc, char **argv, int *at) {
    const char *word = argv[*at];
    const bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    char shown[80]; /* "--name" or "-n": how the option is called in complaints */
    const int name_length = equals != NULL ? (int)(equals - word) : is_long ? (int)strlen(word) : 2;
    snprintf(shown, sizeof shown, "%.*s", name_length, word);

    const argument *option = NULL;
    for (size_t i = 0; i < command->argument_count && option == NULL; i++) {
        const argument *candidate = &command->arguments[i];
        if (is_long ? strcmp(candidate->name, shown + 2) == 0 : candidate->letter == word[1]) {
            option = candidate;
        }
    }
    if (option == NULL) {
        return unknown_option(command, shown, is_long ? shown + 2 : NULL);
    }
    const char *value = equals != NULL ? equals + 1 : !is_long && word[2] != '\0' ? word + 2 : NULL;
    if (option->kind == ARGUMENT_FLAG) {
        if (value != NULL) {
            return usage_error(command, "%s takes no value, got \"%s\"", shown, value);
        }
        *(bool *)option->value = true;
        return ARGUMENTS_PROCEED;
    }
    if (value == NULL) {
        if (*at + 1 >= argc || strcmp(argv[*at + 1], "--") == 0) {
            return usage_error(command, "%s needs a value%s%s", shown, option->meaning != NULL ? ": " : "",
                               option->meaning != NULL ? option->meaning : "");
        }
        (*at)++;
        value = argv[*at];
    }
    return set_value(command, option, shown, value);
}

static void print_help(const command_line *command) {
    printf("%s\n", command->examples);
    printf("Usage: poolbuf %s %s\n\n%s\n", command->name, command->synopsis, command->about);
    puts("Options:");
    for (size_t i = 0; i < command->argument_count; i++) {
        const argument *option = &command->arguments[i];
        char legal[256] = "";
        if (option->kind == ARGUMENT_CHOICE) {
            join_choices(option->choices, legal, sizeof legal);
        }
        char letter[8] = "    ";
        if (option->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        }
        const char *meaning = option->meaning != NULL ? option->meaning : *legal != '\0' ? "WORD" : "";
        const int used = printf("  %s--%s%s%s", letter, option->name, *meaning != '\0' ? " " : "", meaning);
        if (used >= HELP_COLUMN) {
            printf("\n%*s", HELP_COLUMN, "");
        } else {
            printf("%*s", HELP_COLUMN - used, "");
        }
        printf("%s%s%s\n", option->help, *legal != '\0' ? ": " : "", legal);
    }
    printf("  -h, --help%*sthis text\n", HELP_COLUMN - 12, "");
}

static int check_operands(const command_line *command, size_t count, char **operands) {
    if (count < command->operands_least) {
        return usage_error(command, "%s %s is missing", count == 0 ? "the" : "another", command->operand_name);
    }
    if (count > command->operands_most) {
        if (command->operands_most == 0) {
            return usage_error(command, "takes no operands, got \"%s\"", operands[0]);
        }
        return usage_error(command, "one %s too many: \"%s\"", command->operand_name, operands[command->operands_most]);
    }
    return ARGUMENTS_PROCEED;
}

int arguments_parse(const command_line *command, int argc, char **argv, char ***operands, size_t *operand_count) {
    int kept = 1; /* operands so far are argv[1 .. kept) */
    bool only_operands = false;
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (only_operands || word[0] != '-' || word[1] == '\0') {
            argv[kept++] = argv[at];
            only_operands = only_operands || command->program_follows;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(command);
            return EXIT_FINE;
        } else {
            const int status = take_option(command, argc, argv, &at);
            if (status != ARGUMENTS_PROCEED) {
                return status;
            }
        }
    }
    *operands = argv + 1;
    *operand_count = (size_t)(kept - 1);
    const int status = check_operands(command, *operand_count, *operands);
    argv[kept] = kept < argc ? NULL : argv[kept]; /* so that a program's command line can be passed on as it is */
    return status;
}
