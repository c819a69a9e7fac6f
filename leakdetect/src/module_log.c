/* An append-only list; see module_log.h. */
#include "module_log.h"

#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "unwind_gate.h"

/* Held around dl_iterate_phdr(), and never waited for but by fork(): whoever comes second leaves word, and who holds it
 * looks again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool asked;     /* sequentially consistent, as are the fences: by somebody who did not get the lock */
static loaded_module *modules; /* MODULE_LOG_MAX of them; mapped once, guarded by lock until count covers it */
static _Atomic uint32_t count; /* released when an entry is whole; pairs with the acquire of readers */
_Atomic uint64_t module_log_stacks_seen; /* how many stacks there were then; relaxed, a hint */
static unsigned long long loads_seen;    /* the loader's count of modules it has loaded; guarded by lock */

static bool is_known(const loaded_module *module) {
    const uint32_t known = atomic_load_explicit(&count, memory_order_relaxed);
    for (uint32_t i = known; i-- > 0;) {
        if (modules[i].bias == module->bias && modules[i].start == module->start && modules[i].end == module->end &&
            strcmp(modules[i].build_id, module->build_id) == 0 && strcmp(modules[i].path, module->path) == 0) {
            return true;
        }
    }
    return false;
}

/* The counts of loads are the same in each call of one walk, so the first one tells whether it is worth going on. */
static int add_if_new(struct dl_phdr_info *info, size_t size, void *context) {
    bool *first = context;
    if (size < offsetof(struct dl_phdr_info, dlpi_subs)) {
        return 1; /* a loader that does not count */
    }
    if (*first && info->dlpi_adds == loads_seen) {
        return 1;
    }
    *first = false;
    loads_seen = info->dlpi_adds;
    loaded_module module;
    const uint32_t known = atomic_load_explicit(&count, memory_order_relaxed);
    module_read(&module, info);
    if (known < MODULE_LOG_MAX && !is_known(&module)) {
        modules[known] = module;
        atomic_store_explicit(&count, known + 1, memory_order_release);
    }
    return 0;
}

/* False if the gate is closed for a while. Where there is no memory, or the gate is shut for good, waiting is no use. */
static bool look_locked(uint64_t stack_count) {
    if (modules == NULL) {
        modules = memory_map(MODULE_LOG_MAX * sizeof *modules);
    }
    if (modules == NULL) {
        return true;
    }
    if (!gate_enter()) { /* as for a walk: no fork finds us under the loader's lock */
        return gate_is_shut();
    }
    bool first = true;
    (void)dl_iterate_phdr(add_if_new, &first);
    atomic_store_explicit(&module_log_stacks_seen, stack_count, memory_order_relaxed);
    gate_leave();
    return true;
}

bool module_log_look_now(uint64_t stack_count) {
    bool looked = false;
    do {
        atomic_store(&asked,
                     true); /* before the lock is found taken, as its holder gives it back before he looks here */
        if (pthread_mutex_trylock(&lock) != 0) {
            return looked;
        }
        atomic_store(&asked, false);
        looked = look_locked(stack_count);
        (void)pthread_mutex_unlock(&lock);
        atomic_thread_fence(memory_order_seq_cst);
    } while (looked && atomic_load(&asked));
    return looked;
}

uint32_t module_log_count(void) {
    return atomic_load_explicit(&count, memory_order_acquire);
}

const loaded_module *module_log_at(uint32_t index) {
    return &modules[index];
}

void module_log_lock(void) {
    (void)pthread_mutex_lock(&lock);
}

void module_log_unlock(void) {
    (void)pthread_mutex_unlock(&lock);
}

void module_log_reset(void) {
    module_log_lock();
    atomic_store_explicit(&count, 0, memory_order_relaxed);
    atomic_store_explicit(&module_log_stacks_seen, 0, memory_order_relaxed);
    loads_seen = 0;
    module_log_unlock();
}
