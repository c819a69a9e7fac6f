/* Scopes for tests: what was allocated and not released between two points, exactly, at every level.
 *
 *     leakscope scope;
 *     leakscope_open("parser", 0, &scope);
 *     ... the test ...
 *     leakscope_result left = {.struct_size = sizeof left};
 *     if (leakscope_close(scope, &left) != POOLBUF_OK) {
 *         char text[LEAKSCOPE_TEXT_BYTES];
 *         fprintf(stderr, "%s\n", leakscope_describe(&left, text, sizeof text));
 *     }
 *
 * A scope counts the buffers, and the resources of leakdetect_track(), that its threads allocate: the thread that
 * opened it, and those that joined it. Who releases them does not matter: each counts for the scope that it was
 * allocated in. So tests that run in parallel, in threads of one process, are told apart. There is no sample and,
 * unless asked for, no stack. Threads outside of scopes pay nothing, and the detector's own sample goes on as it would
 * without scopes.
 *
 * Scopes nest: what is allocated counts for the innermost. What an inner scope may leave (leakscope_expect()) becomes
 * the outer one's when the inner one closes. What it may not leave has failed the inner one, and fails no other.
 *
 * poolbuf/leakscope_cmocka.h and poolbuf/leakscope_gtest.hpp open a scope for each test. None of these functions may be
 * called from a signal handler. */
#ifndef POOLBUF_LEAKSCOPE_H
#define POOLBUF_LEAKSCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

enum {
    LEAKSCOPE_NAME_BYTES = 64,  /* of a scope's or a type's name, its end included; what is longer is cut */
    LEAKSCOPE_TYPES_MAX = 8,    /* types that a result tells apart */
    LEAKSCOPE_OPEN_MAX = 1024,  /* scopes open at once, in a process */
    LEAKSCOPE_DEPTH_MAX = 16,   /* scopes that one thread is in at once */
    LEAKSCOPE_TEXT_BYTES = 2048 /* enough for every text of leakscope_describe() */
};

/* Flags of leakscope_open(). */
enum {
    LEAKSCOPE_STACKS = 1 << 0 /* keep the stack of each allocation, and print on stderr where what was left came from.
                                 POOLBUF_LEAK_SCOPE_STACKS=on does so for every scope */
};

/* Names a scope; a copy is as good. No id is used twice in a process, so a stale one is refused and never mistaken. */
typedef struct leakscope {
    uint64_t id; /* 0: none */
} leakscope;

typedef struct leakscope_type {
    char name[LEAKSCOPE_NAME_BYTES]; /* "poolbuf" for buffers, else as leakdetect_track() was told */
    uint64_t count;
    uint64_t bytes;
} leakscope_type;

/* What a scope holds or left. Callers set struct_size to sizeof(leakscope_result); fields are only ever added at the
 * end, and those that the caller's header does not know are not written. */
typedef struct leakscope_result {
    size_t struct_size;
    char name[LEAKSCOPE_NAME_BYTES]; /* the scope's */
    uint64_t left;                   /* buffers and resources allocated in it, and not released */
    uint64_t left_bytes;             /* their sizes: a buffer's capacity; 0 for a composite, whose components count */
    uint64_t expected;               /* how many leakscope_expect() allows for */
    uint64_t uncounted;              /* allocations for which the table of scopes had no room: left may be too small */
    uint64_t inner; /* scopes inside this one that were open still; closed with it, and counted in it */
    size_t type_count;
    leakscope_type types[LEAKSCOPE_TYPES_MAX]; /* most bytes first; if there are more types, the last is "others" */
    bool stacks_shown;                         /* stderr has said where */
} leakscope_result;

/* leakscope_open() opens a scope inside the one that the calling thread is in, and puts the thread into it.
 *   name     for messages; copied. NULL: "scope".
 *   flags    0 or LEAKSCOPE_STACKS.
 *   scope    set on success only.
 *   returns  POOLBUF_OK.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT for a NULL or an unknown flag; POOLBUF_ERROR_NO_MEMORY, also beyond
 *            LEAKSCOPE_OPEN_MAX and LEAKSCOPE_DEPTH_MAX.
 *   threads  any. Other threads, those that it starts as well, are not in the scope unless they join it.
 *   cost     two locks. In the scope each allocation takes the allocator's slow path and an insertion into a table,
 *            each last release a removal: see docs/leak-detection.md for what that was measured at. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status leakscope_open(const char *name, unsigned flags, leakscope *scope);

/* leakscope_close() closes a scope, and those inside it that are open still, and says what is left.
 *   result   NULL, or its struct_size set by the caller. Filled in whenever the scope was closed, also where something
 *            is left.
 *   returns  POOLBUF_OK if as much is left as was expected. The scope is closed then, and whenever the result is
 *            POOLBUF_ERROR_LIVE_BUFFERS or POOLBUF_ERROR_NO_MEMORY.
 *   errors   POOLBUF_ERROR_LIVE_BUFFERS if more or less is left than expected; POOLBUF_ERROR_NO_MEMORY if not, but
 *            something could not be counted; POOLBUF_ERROR_BAD_ARGUMENT for no open scope, as when it is closed twice,
 *            or a struct_size that is too small to be one: then nothing has changed.
 *   threads  any. Exact when nobody allocates in the scope or releases what came from it meanwhile. Threads that are in
 *            it are in none from their next allocation on. Releasing later what was left is harmless.
 *   cost     with nothing left, two locks and one look at each place for a scope that was ever in use; else a walk over
 *            all that is alive in scopes. */
POOLBUF_API poolbuf_status leakscope_close(leakscope scope, leakscope_result *result);

/* leakscope_expect() says how many buffers and resources the scope may leave; neither more nor less, so that an
 * expectation goes away with the leak that it was made for. The last call counts; without one it is 0.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT for no open scope.
 *   threads  any. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status leakscope_expect(leakscope scope, uint64_t count);

/* leakscope_count() says what the scope, without those inside it, holds now; it closes nothing. inner counts those.
 *   result   its struct_size set by the caller.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT for no open scope, a NULL, or a struct_size that is too small to be one.
 *   threads  any; exact as leakscope_close() is.
 *   cost     a walk over all that is alive in scopes. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status leakscope_count(leakscope scope, leakscope_result *result);

/* leakscope_join() puts the calling thread into a scope that another thread opened: what it allocates from now on
 * counts there. leakscope_leave() takes it out again, back into the one that it was in before. A thread that ends need
 * not leave.
 *   errors   POOLBUF_ERROR_BAD_ARGUMENT for no open scope (join), or if the thread is not in it (leave);
 *            POOLBUF_ERROR_NO_MEMORY beyond LEAKSCOPE_DEPTH_MAX.
 *   threads  any; each for itself.
 *   cost     a lock. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status leakscope_join(leakscope scope);
POOLBUF_API poolbuf_status leakscope_leave(leakscope scope);

/* leakscope_current() gives the innermost open scope of the calling thread; id 0: none. What a thread hands on to
 * threads that it starts, so that they can join it. */
POOLBUF_API leakscope leakscope_current(void);

/* leakscope_describe() puts a result into words, in one line without its end, such as
 *     scope "parser" left 3 unreleased, 1,536 bytes: 2 buffers (1,024 bytes), 1 session (512 bytes)
 * and what to do to see where they came from, if that has not been shown.
 *   result   as leakscope_close() or leakscope_count() filled it in, by this header; not NULL.
 *   text     size bytes, at least 1; what does not fit is cut.
 *   returns  text. */
POOLBUF_API const char *leakscope_describe(const leakscope_result *result, char *text, size_t size);

POOLBUF_END_DECLS

#endif
