/* libpoolbuf-record.so: C++'s operators new and delete, put in front of the program's own as malloc is in preload.c.
 *
 * The C++ library's call malloc and free, which are recorded there; ours then hand the call on and do nothing. Those of an
 * allocator (jemalloc, mimalloc, tcmalloc) do not: without this, nothing of a C++ program that has one would be recorded.
 * An operator is the allocator's if the same object has it and the malloc behind ours.
 *
 *   new     is recorded afterwards, unless the call came by a recorded malloc: some allocators' do. So bad_alloc passes
 *           through here and leaves nothing to be put right.
 *   delete  is recorded before; a free() inside it is then not.
 *
 * The definitions here are seen by libraries that bring the C++ library with them, in a scope of their own (a module that
 * an interpreter loads): there is none behind ours then, and it is looked for by its name. Not seen are operators that
 * a program has in itself, and calls by an allocator's own names (mallocx(), mi_malloc()). */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record/recorder.h"

/* The functions' names are C++'s, as it mangles them for this system; `unsigned long` is size_t's letter, m. */
_Static_assert(sizeof(size_t) == sizeof(unsigned long), "size_t is an unsigned long");

#define NOTHROW   const void *nothrow
#define ALIGNMENT size_t alignment

/* X(NEW, name here, symbol, parameters, what of them it is called with, alignment or 0, whether it returns NULL)
 * X(DELETE, the same, unused, unused) */
#define OPERATORS(X)                                                                                                   \
    X(NEW, new_one, "_Znwm", (size_t size), (size), 0, false)                                                          \
    X(NEW, new_array, "_Znam", (size_t size), (size), 0, false)                                                        \
    X(NEW, new_one_nothrow, "_ZnwmRKSt9nothrow_t", (size_t size, NOTHROW), (size, nothrow), 0, true)                   \
    X(NEW, new_array_nothrow, "_ZnamRKSt9nothrow_t", (size_t size, NOTHROW), (size, nothrow), 0, true)                 \
    X(NEW, new_one_aligned, "_ZnwmSt11align_val_t", (size_t size, ALIGNMENT), (size, alignment), alignment, false)     \
    X(NEW, new_array_aligned, "_ZnamSt11align_val_t", (size_t size, ALIGNMENT), (size, alignment), alignment, false)   \
    X(NEW, new_one_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t", (size_t size, ALIGNMENT, NOTHROW),           \
      (size, alignment, nothrow), alignment, true)                                                                     \
    X(NEW, new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t", (size_t size, ALIGNMENT, NOTHROW),         \
      (size, alignment, nothrow), alignment, true)                                                                     \
    X(DELETE, delete_one, "_ZdlPv", (void *memory), (memory), 0, false)                                                \
    X(DELETE, delete_array, "_ZdaPv", (void *memory), (memory), 0, false)                                              \
    X(DELETE, delete_one_sized, "_ZdlPvm", (void *memory, size_t size), (memory, size), 0, false)                      \
    X(DELETE, delete_array_sized, "_ZdaPvm", (void *memory, size_t size), (memory, size), 0, false)                    \
    X(DELETE, delete_one_nothrow, "_ZdlPvRKSt9nothrow_t", (void *memory, NOTHROW), (memory, nothrow), 0, false)        \
    X(DELETE, delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *memory, NOTHROW), (memory, nothrow), 0, false)      \
    X(DELETE, delete_one_aligned, "_ZdlPvSt11align_val_t", (void *memory, ALIGNMENT), (memory, alignment), 0, false)   \
    X(DELETE, delete_array_aligned, "_ZdaPvSt11align_val_t", (void *memory, ALIGNMENT), (memory, alignment), 0, false) \
    X(DELETE, delete_one_sized_aligned, "_ZdlPvmSt11align_val_t", (void *memory, size_t size, ALIGNMENT),              \
      (memory, size, alignment), 0, false)                                                                             \
    X(DELETE, delete_array_sized_aligned, "_ZdaPvmSt11align_val_t", (void *memory, size_t size, ALIGNMENT),            \
      (memory, size, alignment), 0, false)                                                                             \
    X(DELETE, delete_one_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t", (void *memory, ALIGNMENT, NOTHROW),   \
      (memory, alignment, nothrow), 0, false)                                                                          \
    X(DELETE, delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t", (void *memory, ALIGNMENT, NOTHROW), \
      (memory, alignment, nothrow), 0, false)

#define AS_INDEX(kind, name, symbol, parameters, arguments, alignment, may_fail) AT_##name,
#define AS_NEXT(kind, name, symbol, parameters, arguments, alignment, may_fail)  {symbol, NULL, false},

enum {
    OPERATORS(AS_INDEX) OPERATOR_COUNT
};

typedef struct next_operator {
    const char *symbol;
    void *_Atomic at; /* release, after is_own; NULL: not found yet */
    bool is_own;      /* the allocator's: here is where it is recorded */
} next_operator;

static next_operator nexts[] = {OPERATORS(AS_NEXT)};

static void *find_by_name(const char *symbol) {
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
    void *found = NULL;
    for (size_t i = 0; i < sizeof runtimes / sizeof runtimes[0] && found == NULL; i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        found = runtime != NULL ? dlsym(runtime, symbol) : NULL;
    }
    return found;
}

static void *base_of(void *function) {
    Dl_info info;
    return function != NULL && dladdr(function, &info) != 0 ? info.dli_fbase : NULL;
}

/* The object that has the function stays from now on: we keep its address. */
static void pin(void *function) {
    Dl_info info;
    if (dladdr(function, &info) != 0 && info.dli_fname != NULL) {
        (void)dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD); /* benign: NULL for the program itself, which stays */
    }
}

/* What the loader allocates for our questions is not the program's. */
__attribute__((noinline)) static void *find_next(next_operator *self) {
    const bool was_passed_by = recorder_pass_by(true);
    void *found = dlsym(RTLD_NEXT, self->symbol);
    if (found == NULL) {
        found = find_by_name(self->symbol);
    }
    if (found != NULL) {
        pin(found);
        self->is_own = base_of(found) == base_of(dlsym(RTLD_NEXT, "malloc"));
        atomic_store_explicit(&self->at, found, memory_order_release);
    }
    (void)recorder_pass_by(was_passed_by);
    return found;
}

static inline void *next_of(next_operator *self) {
    void *at = atomic_load_explicit(&self->at, memory_order_acquire);
    return __builtin_expect(at != NULL, true) ? at : find_next(self);
}

/* Before the program starts threads: later, one may ask the loader while another one, inside the loader, waits for it. */
__attribute__((constructor)) static void find_all(void) {
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        (void)next_of(&nexts[i]);
    }
}

static inline bool is_recorded(const next_operator *self) {
    return self->is_own && recorder_source() == TRACE_OF_MALLOC;
}

/* The C++ library is part of whoever calls, and not to be seen from here. Its operators would call malloc, too; but what
 * they do without memory, throwing, C cannot. */
static void *make_without(size_t size, size_t alignment, bool may_fail) {
    size = size == 0 ? 1 : size;
    void *made = alignment == 0 ? malloc(size) : aligned_alloc(alignment, size);
    if (made == NULL && !may_fail) {
        abort();
    }
    return made;
}

// NOLINTBEGIN(bugprone-macro-parentheses): names and lists of parameters have none
#define OPERATOR_NEW(name, symbol, parameters, arguments, alignment, may_fail)                                         \
    __attribute__((visibility("default"))) void *name parameters __asm__(symbol);                                      \
    void *name parameters {                                                                                            \
        void *at = next_of(&nexts[AT_##name]);                                                                         \
        if (at == NULL) {                                                                                              \
            return make_without(size, alignment, may_fail);                                                            \
        }                                                                                                              \
        void *(*call)parameters;                                                                                       \
        memcpy(&call, &at, sizeof call); /* POSIX says that an object pointer's bits give the function */              \
        void *memory = call arguments;                                                                                 \
        if (is_recorded(&nexts[AT_##name])) {                                                                          \
            recorder_allocated_once(memory, size);                                                                     \
        }                                                                                                              \
        return memory;                                                                                                 \
    }

#define OPERATOR_DELETE(name, symbol, parameters, arguments, alignment, may_fail)                                      \
    __attribute__((visibility("default"))) void name parameters __asm__(symbol);                                       \
    void name parameters {                                                                                             \
        void *at = next_of(&nexts[AT_##name]);                                                                         \
        if (at == NULL) {                                                                                              \
            free(memory);                                                                                              \
            return;                                                                                                    \
        }                                                                                                              \
        void(*call) parameters;                                                                                        \
        memcpy(&call, &at, sizeof call);                                                                               \
        if (!is_recorded(&nexts[AT_##name])) {                                                                         \
            call arguments;                                                                                            \
            return;                                                                                                    \
        }                                                                                                              \
        recorder_releasing(memory);                                                                                    \
        const bool was_passed_by = recorder_pass_by(true);                                                             \
        call arguments;                                                                                                \
        (void)recorder_pass_by(was_passed_by);                                                                         \
    }

// NOLINTEND(bugprone-macro-parentheses)

#define AS_FUNCTION(kind, ...) OPERATOR_##kind(__VA_ARGS__)

OPERATORS(AS_FUNCTION)
