/* The options of the whole library: one table for the allocator and the leak detector, read from the environment.
 *
 * allocator/src/options_list.h declares each option once; this table, the parser and the documentation come from it.
 * A variable is read when somebody asks for it. The first read also looks through the environment for POOLBUF_ names
 * that are not in the table. An unknown name or an illegal value is one line on stderr that says what is legal; with
 * POOLBUF_STRICT=1 the process then exits with code 2. So is an option of the default allocator's that does not fit the
 * others, or cannot be had on this machine: it alone has its default then. A program with more rights than its caller
 * (set-user-ID, set-group-ID, file capabilities) ignores the environment: every option has its default. */
#ifndef POOLBUF_OPTIONS_H
#define POOLBUF_OPTIONS_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint64_t */

#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* One row of the table. All texts are static. */
typedef struct poolbuf_option {
    const char *environment;  /* the variable's name */
    const char *type;         /* "flag", "choice", "count", "bytes", "path" or "text" */
    const char *default_text; /* as one would write it in the environment; "" = none */
    const char *legal;        /* what is legal, for people; for a choice its words, joined by '|' */
    const char *help;         /* one line */
} poolbuf_option;

/* poolbuf_option_count() and poolbuf_option_at() walk the table.
 *   index    below the count.
 *   returns  a static row; NULL for an index outside.
 *   threads  any. */
POOLBUF_API size_t poolbuf_option_count(void);
POOLBUF_API const poolbuf_option *poolbuf_option_at(size_t index);

/* poolbuf_option_read_flag(), _choice(), _number() and _text() read one option from the environment.
 *   environment  the name of a row of the matching type ("count" and "bytes" are numbers, "path" and "text" texts).
 *   value        not NULL; set in every case: to what the environment says, or to the default where it says nothing or
 *                something illegal. A choice is the index of its word; its number is legal too, and case does not
 *                matter. Bytes may carry k, m, g or t. A text lives as long as the environment's string does; an option
 *                without default gives NULL.
 *   returns      POOLBUF_OK.
 *   errors       POOLBUF_ERROR_BAD_OPTION: the value is illegal; said on stderr, once a variable.
 *                POOLBUF_ERROR_BAD_ARGUMENT: no row of that name and type; value is false, 0 or NULL.
 *   threads      any; concurrent changes of the environment are the caller's to exclude, as with getenv().
 *   cost         a look through the table and the environment. */
POOLBUF_API poolbuf_status poolbuf_option_read_flag(const char *environment, bool *value);
POOLBUF_API poolbuf_status poolbuf_option_read_choice(const char *environment, unsigned *value);
POOLBUF_API poolbuf_status poolbuf_option_read_number(const char *environment, uint64_t *value);
POOLBUF_API poolbuf_status poolbuf_option_read_text(const char *environment, const char **value);

POOLBUF_END_DECLS

#endif
