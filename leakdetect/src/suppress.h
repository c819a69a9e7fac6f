/* Leaks that are known: the rules of POOLBUF_LEAK_SUPPRESSIONS, read once at start-up, matched when a report is made.
 *
 *     file --suppress_parse()--> rules --suppress_apply(), after resolving--> groups kept | groups suppressed
 *
 * Two syntaxes may stand in one file, and each keeps its owner's meaning:
 *
 *     leak:PATTERN                     LeakSanitizer: PATTERN occurs in a function, a source file or a module of any
 *                                      frame; `*` is any text, `^` at its start and `$` at its end anchor it
 *     {                                Valgrind: the lines match the stack from its innermost frame on, whole names,
 *        name of the rule              with `*` and `?`; a line `...` is any number of frames; the stack may go on
 *        Memcheck:Leak
 *        fun:PATTERN or obj:PATTERN or src:PATTERN[:LINE] or ...
 *     }
 *
 * Both may carry settings: `#: limit=10 until=2027-01-31` on a line of its own before the rule, or inside the block,
 * where the owners of the syntax see a comment; or, shorter, `leak:x  # limit=10`, which LeakSanitizer would not
 * understand. Rules that are not about leaks are passed over and counted.
 *
 * Invariants: a group belongs to the first rule of the file that matches it and has not expired (P1); of a rule whose
 * limit is passed nothing is suppressed (P2); every group is in the report or counted under one rule, never both (P3).
 * Memory comes from mmap and is kept: it is no leak of the program's. Nothing here is thread-safe: reading happens
 * before there are threads, the rest under the report lock. */
#ifndef LEAKDETECT_SUPPRESS_H
#define LEAKDETECT_SUPPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "report.h"
#include "symbolize.h"

enum {
    SUPPRESS_FILE_BYTES = 1 << 20, /* of the whole file; a larger one is refused */
    SUPPRESS_RULES = 4096,         /* a file's further rules are ignored, with one line */
    SUPPRESS_PATTERN_BYTES = 1024, /* of one pattern, and of a block's name */
    SUPPRESS_FRAMES = 64,          /* location lines of a block: no stack is deeper */
    SUPPRESS_REASON_BYTES = 200,   /* of a reason */
    SUPPRESS_COMPLAINTS = 20       /* lines on stderr about one file; more are counted */
};

#define SUPPRESS_NO_LIMIT UINT64_MAX
#define SUPPRESS_FOR_EVER INT64_MAX

typedef enum suppress_kind {
    SUPPRESS_ANYWHERE,  /* leak:PATTERN; the rule's only place */
    SUPPRESS_FUNCTION,  /* fun: */
    SUPPRESS_OBJECT,    /* obj: */
    SUPPRESS_SOURCE,    /* src: */
    SUPPRESS_ANY_FRAMES /* ... */
} suppress_kind;

typedef struct suppress_place {
    suppress_kind kind;
    unsigned source_line; /* of src:; 0: any */
    const char *pattern;  /* NULL for ... */
} suppress_place;

typedef struct suppress_rule {
    const char *name;                /* "leak:PATTERN", or a block's name */
    unsigned line;                   /* where in the file it begins */
    size_t first_place, place_count; /* in the file's places */
    size_t allocator_places; /* how many of the first only say how memory was obtained; see suppress_matches() */
    uint64_t limit_count, limit_bytes; /* SUPPRESS_NO_LIMIT: none */
    int64_t until_day;                 /* the last day on which it holds, from 1970-01-01; SUPPRESS_FOR_EVER: none */
    const char *until;                 /* that day as written; NULL: none */
    const char *reason;                /* NULL: none */
    bool matched;                      /* it matched a group in a report of this process, whatever came of it */
} suppress_rule;

typedef struct suppress_file {
    const char *path;
    char *text;           /* the file, cut into the strings above; mapped */
    size_t text_bytes;    /* what is mapped */
    memory_array rules;   /* of suppress_rule, in the file's order */
    memory_array places;  /* of suppress_place */
    uint64_t passed_over; /* rules of other tools, or of this one's other errors */
    uint64_t faults;      /* rules that were ignored because they are wrong, and a file that cannot be read */
} suppress_file;

/* Hears about one fault: a line without newline, with file, line, what is wrong and what would be right. */
typedef void suppress_complain(void *context, const char *line);

/* suppress_parse() cuts text into rules. A wrong rule is a complaint, and the others hold.
 *   self  zero-initialised but for `path`, and for `text`: writable, ends with a NUL at text[length]. */
void suppress_parse(suppress_file *self, size_t length, suppress_complain *complain, void *context);

/* suppress_read() reads and parses a file; a file that cannot be read is one complaint and no rules. */
void suppress_read(suppress_file *self, const char *path, suppress_complain *complain, void *context);
void suppress_fini(suppress_file *self);

/* The rules of this process: suppress_start() reads POOLBUF_LEAK_SUPPRESSIONS, complains on stderr, and ends the
 * process where POOLBUF_STRICT says so. suppress_current() is what it read; NULL where the variable is not set. */
void suppress_start(void);
suppress_file *suppress_current(void);

/* The two matchers on texts: LeakSanitizer's, and Valgrind's, which covers the whole text. */
bool suppress_text_matches(const char *pattern, const char *text);
bool suppress_whole_matches(const char *pattern, const char *text);
bool suppress_place_matches(const suppress_place *place, const symbol_frame *frame); /* and both, as a place has it */

/* Whether a rule matches a stack, innermost frame first; limits and dates aside. Memcheck's stacks begin in malloc(),
 * ours with the caller of poolbuf: so a block may also match without its first lines that name malloc() or poolbuf's
 * functions. The lines that remain must match as ever. */
bool suppress_matches(const suppress_file *self, const suppress_rule *rule, const report_frames *stack);

/* suppress_apply() takes the groups that rules cover out of a resolved report, and fills its `suppressed` and
 * `suppressions`. Groups that stay keep their order.
 *   today  days since 1970-01-01, UTC.
 *   cost   each distinct frame is held against each rule's first place once, and of blocks a stack against those that may cover it. */
void suppress_apply(suppress_file *self, report *target, int64_t today);

/* A day as its number; false unless it is YYYY-MM-DD and in the calendar. */
bool suppress_parse_day(const char *text, int64_t *day);

#endif
