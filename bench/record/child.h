/* Runs another program as if poolbuf were not there: its stdin, stdout and stderr are ours untouched, signals sent to us
 * go to it, and we learn how it ended. */
#ifndef POOLBUF_BENCH_RECORD_CHILD_H
#define POOLBUF_BENCH_RECORD_CHILD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct child_variable {
    const char *name;
    const char *value; /* NULL removes the variable */
} child_variable;

typedef struct child_end {
    int start_error;  /* errno of a program that could not be started; 0 if it ran */
    int signal;       /* the signal that ended it, or 0 */
    int status;       /* its exit status, when no signal ended it */
    bool is_outlived; /* processes that it started, or that they did, still run */
} child_end;

/* child_run() starts a program, searched in PATH, and waits for its end; then, for a moment, for what it left running. Once
 * it is back, SIGPIPE is ignored: a reader of our messages that went away must not cost the caller its verdict.
 *   argv       ends with NULL.
 *   variables  what differs in its environment.
 *   end        filled in any case. */
void child_run(char *const *argv, const child_variable *variables, size_t variable_count, child_end *end);

/* child_describe() says in words how a program ended: "ended with status 3", "was ended by signal 11 (SEGV)". */
void child_describe(const child_end *end, char *out, size_t size);

#endif
