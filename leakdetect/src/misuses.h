/* The misuses that this process was caught at, for reports: each distinct one once, with how often and its three stacks.
 *
 * What is kept are ids of interned stacks and names. All functions are called under the report lock. */
#ifndef LEAKDETECT_MISUSES_H
#define LEAKDETECT_MISUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report.h"

enum {
    MISUSES_MAX = 64, /* distinct ones; further ones are counted */
    MISUSES_OFFENCE_BYTES = 160
};

typedef struct misuse {
    char offence[MISUSES_OFFENCE_BYTES]; /* completes the sentence "poolbuf: MISUSE: ..." */
    uint32_t type;                       /* 0: unknown */
    uint32_t thread_name, thread_id;     /* who was caught */
    uint32_t stack;                      /* where */
    bool was_closed;                     /* the next three are known */
    uint32_t closer_name, closer_id;
    uint32_t close_stack;      /* 0: not kept */
    uint32_t allocation_stack; /* 0: not in the sample */
    uint64_t count;            /* with this offence and these stacks */
} misuse;

void misuses_add(const misuse *found);
uint64_t misuses_count(void); /* all, listed or not */

/* misuses_resolve() gives a report all of them, with names. What has no memory is counted as not listed. */
void misuses_resolve(report *self, report_lookup *lookup, void *context);

/* In a child after fork(): they are its parent's. */
void misuses_forget(void);

#endif
