/* Modules that have been on a stack and may be gone by now: what a library leaks before dlclose() is still to be named.
 *
 * Stacks are return addresses. Those of a library that has been closed lie nowhere when a report is written, so what
 * was loaded is written down while it still is: whenever a stack is stored that was not known before, the loader is
 * asked whether it has loaded anything since, and if it has, for all its modules.
 *
 * Where another module has been mapped since at the place of a closed one, the address is taken for one of the new
 * one's. */
#ifndef LEAKDETECT_MODULE_LOG_H
#define LEAKDETECT_MODULE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbolize_modules.h"

enum {
    MODULE_LOG_MAX = 1024 /* modules; what is loaded after so many is not written down */
};

/* module_log_look() writes down what has been loaded since it was last called.
 *   stack_count  how many stacks are stored; where it is the same as in the call before, nothing is done.
 *   returns  false if it could not look now: then the stack is to be brought here again, and not recalled (unwind.h), for
 *            who recalls one does not call. Where it never can, as in a child that inherited the loader's lock, true.
 *   threads  any, with no lock of ours held; gives up at once if another is at it, who looks once more then, or if it is
 *            called in a signal handler that has interrupted it; and while no walk may take locks (unwind_gate.h), as
 *            during a fork.
 *   cost     two loads where no stack is new; else a call of dl_iterate_phdr(), which stops at its first module if
 *            nothing was loaded. */
bool module_log_look_now(uint64_t stack_count);
extern _Atomic uint64_t module_log_stacks_seen;
static inline bool module_log_look(uint64_t stack_count) {
    return __builtin_expect(atomic_load_explicit(&module_log_stacks_seen, memory_order_relaxed) == stack_count, 1) ||
           module_log_look_now(stack_count);
}

/* What has been written down, in the order in which they were loaded; they stay where they are, and as they are. */
uint32_t module_log_count(void);
const loaded_module *module_log_at(uint32_t index);

/* For fork: the loader's own lock must not be held by us in the child. */
void module_log_lock(void);
void module_log_unlock(void);

/* module_log_reset() forgets everything; for tests. */
void module_log_reset(void);

#endif
