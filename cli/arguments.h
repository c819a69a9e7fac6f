/* The command line of one subcommand: a table of options that parses, checks and explains itself.
 *
 * A subcommand declares a `command_line` whose options point at the variables to fill, and calls arguments_parse(). Every
 * complaint is one line, "poolbuf NAME: what is wrong; what would be right; see poolbuf NAME --help". Options and
 * operands may be mixed; "--" ends the options. `--name value`, `--name=value`, `-n value` and `-nvalue` all work; an
 * unambiguous abbreviation does not, so that a later option cannot change what a script means. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum argument_kind {
    ARGUMENT_FLAG,    /* no value; sets a bool to true */
    ARGUMENT_TEXT,    /* a const char *, into argv */
    ARGUMENT_COUNT,   /* a uint64_t in [low, high]; digits only */
    ARGUMENT_PERCENT, /* a double in [low, high]; a trailing % is allowed */
    ARGUMENT_CHOICE,  /* a const char * that points at one of `choices` */
    ARGUMENT_LIST,    /* a text_list; may be given often, and each may hold several names parted by commas */
    ARGUMENT_PATHS    /* a text_list; may be given often, and each is one path, commas included */
} argument_kind;

/* Texts in the order given. Zero-initialised is empty. The texts are owned by the list, unless noted. */
typedef struct text_list {
    char **items;
    size_t count;
} text_list;

bool text_list_add(text_list *list, const char *text, size_t length);
void text_list_fini(text_list *list);

typedef struct argument {
    const char *name; /* long name, without dashes */
    char letter;      /* short name, or 0 */
    argument_kind kind;
    void *value;                /* points at the variable; the variable holds the default before the call */
    const char *meaning;        /* the value's name in help, such as "FILE"; NULL for flags and choices */
    const char *help;           /* one sentence, no full stop */
    uint64_t low, high;         /* counts and percents; both included */
    const char *const *choices; /* CHOICE; ends with NULL */
} argument;

typedef struct command_line {
    const char *name;     /* as typed */
    const char *synopsis; /* after "poolbuf NAME " */
    const char *examples; /* whole lines, shown first in --help */
    const char *about;    /* whole lines */
    const argument *arguments;
    size_t argument_count;
    size_t operands_least, operands_most;
    const char *operand_name; /* for complaints, such as "scenario" */
    bool program_follows;     /* the first operand ends the options: the rest is another program's command line */
} command_line;

enum {
    ARGUMENTS_PROCEED = -1
};

/* arguments_parse() fills the variables and hands out the operands.
 *   argv[0]   the subcommand's name.
 *   operands  set to the operands, which are moved to the end of argv; their number goes to *operand_count.
 *   returns   ARGUMENTS_PROCEED, or the exit status with which to stop: 0 after --help, EXIT_USAGE after a complaint. */
int arguments_parse(const command_line *command, int argc, char **argv, char ***operands, size_t *operand_count);

/* usage_error() prints the one line of a complaint that arguments_parse() cannot make, and returns EXIT_USAGE. */
int usage_error(const command_line *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* input_error() prints "poolbuf: ..." as one line, for bad input files, and returns EXIT_USAGE. */
int input_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* message() prints "poolbuf: ..." as one line on stderr, whatever is in the names and messages that it quotes: control
 * characters become '?'. message_print() is the same with another beginning. */
void message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void message_print(const char *prefix, const char *format, va_list list) __attribute__((format(printf, 2, 0)));

/* read_count() reads a whole number in [low, high]: digits only, no sign, no overflow. */
bool read_count(const char *text, uint64_t low, uint64_t high, uint64_t *out);

#endif
