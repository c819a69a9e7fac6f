/* The three tiers of assertions.
 *
 *   POOLBUF_CHECK   stays in every build: what a wrong program can cause, or what would corrupt the pool if it went on.
 *   POOLBUF_ASSERT  debug builds: what this library's own code must not do.
 *   POOLBUF_AUDIT   inside <module>_audit(), which walks a whole structure: says what does not hold and returns false. */
#ifndef CHECK_H
#define CHECK_H

#include <assert.h>
#include <stdio.h>

#define POOLBUF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define POOLBUF_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Prints the reason and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *condition, const char *meaning);

#define POOLBUF_CHECK(condition, meaning)                                                                              \
    (POOLBUF_LIKELY(condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, meaning))

#define POOLBUF_ASSERT(condition) assert(condition)

#define POOLBUF_AUDIT(condition)                                                                                       \
    do {                                                                                                               \
        if (POOLBUF_UNLIKELY(!(condition))) {                                                                          \
            (void)fprintf(stderr, "poolbuf: audit: %s:%d: %s\n", __FILE__, __LINE__, #condition);                      \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

#endif
