/* What the seeded bugs share. A family is a file of small programs, each a function with one bug, or none; main.c runs
 * the one that its first argument names. What a report must say about it stands in the file `expectations`.
 *
 * Functions that a report is to name are APART: a compiler that merged them would leave nothing to name. For the same
 * reason none of them ends in a call, which could be compiled to a jump: each counts something last. */
#ifndef BUGS_H
#define BUGS_H

#include <stddef.h>

#include <poolbuf/poolbuf.h>

#define APART __attribute__((noinline))

typedef struct bugs_case {
    const char *name; /* NULL ends a family */
    void (*run)(void);
} bugs_case;

extern const bugs_case bugs_amounts[], bugs_clean[], bugs_misuse[], bugs_processes[], bugs_references[], bugs_threads[],
    bugs_views[];

extern volatile int bugs_work;   /* what functions count last */
extern void *volatile bugs_lost; /* where what is leaked was put: no compiler may see that it is dead */

/* A buffer that is there, or the end of the process; it allocates nothing. */
poolbuf *bugs_need(poolbuf *buffer);

/* The same for what must be true. */
void bugs_must(int fact);

#endif
