/* Scopes; see scope.h. */
#include "scope.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <poolbuf/tracker.h>

#include "detector.h"
#include "memory.h"
#include "presence.h"
#include "process/sampled.h"
#include "stack_table.h"

typedef struct scope {
    _Atomic uint64_t state;     /* serial and alive; release in leakscope_open(), acquire in is_open_still() */
    _Atomic uint64_t uncounted; /* relaxed: a statistic until the scope is closed */
    /* Relaxed: a thread whose scope has just been closed may read that of the slot's next one, and then counts for
     * none. */
    _Atomic bool keeps_stacks;
    uint64_t outer;    /* id, or 0; under the lock, as are the next two */
    uint64_t gathered; /* its id, while it is one of those that are looked at; 0 */
    uint64_t expected;
    char name[LEAKSCOPE_NAME_BYTES];
} __attribute__((aligned(128))) scope; /* so that neighbours, which other threads count in, share no cache line */

/* The scopes that a thread is in, innermost last. Those that were closed elsewhere are dropped when next seen. */
typedef struct membership {
    uint64_t ids[LEAKSCOPE_DEPTH_MAX];
} membership;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
SAMPLED_WORD scope *_Atomic scope_slots; /* mapped with the first one; never unmapped */
static uint32_t slots_used;              /* slots that ever held a scope; under the lock */
static _Thread_local membership self;
_Thread_local uint32_t scope_depth; /* of self.ids */

/* --- slots ------------------------------------------------------------------------------------------------------- */

static uint32_t slot_of(uint64_t id) {
    return (uint32_t)id;
}

static scope *scope_at(uint64_t id) {
    return &atomic_load_explicit(&scope_slots, memory_order_acquire)[slot_of(id)];
}

static bool is_odd_serial(uint64_t state) {
    return ((state >> 32) & 1) != 0;
}

/* Whether what was a scope's id once is so still. */
static inline bool is_open_still(uint64_t id) {
    return atomic_load_explicit(&scope_at(id)->state, memory_order_acquire) >> 32 == id >> 32;
}

/* Any 64 bits may be asked for. */
static bool is_open(uint64_t id) {
    bool is_possible = atomic_load_explicit(&scope_slots, memory_order_acquire) != NULL &&
                       slot_of(id) < LEAKSCOPE_OPEN_MAX && is_odd_serial(id);
    return is_possible && is_open_still(id);
}

/* Counts one more, or one less, alive; false if the scope is closed. */
static bool count_alive(uint64_t id, int change) {
    _Atomic uint64_t *state = &scope_at(id)->state;
    uint64_t old = atomic_load_explicit(state, memory_order_relaxed);
    do {
        if (old >> 32 != id >> 32) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(state, &old, old + (uint64_t)(int64_t)change, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

/* A slot for a scope, or UINT32_MAX. */
static uint32_t free_slot_locked(void) {
    scope *all = atomic_load_explicit(&scope_slots, memory_order_relaxed);
    if (all == NULL) {
        int saved_errno = errno;
        all = memory_map(LEAKSCOPE_OPEN_MAX * sizeof *all);
        errno = saved_errno;
        if (all == NULL) {
            return UINT32_MAX;
        }
        detour_set(DETOUR_SCOPES, true);
        atomic_store_explicit(&scope_slots, all, memory_order_release);
    }
    for (uint32_t i = 0; i < slots_used; i++) {
        if (!is_odd_serial(atomic_load_explicit(&all[i].state, memory_order_relaxed))) {
            return i;
        }
    }
    return slots_used < LEAKSCOPE_OPEN_MAX ? slots_used++ : UINT32_MAX;
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static inline uint64_t innermost(void) {
    while (scope_depth != 0 && !is_open_still(self.ids[scope_depth - 1])) {
        scope_depth--;
    }
    return scope_depth == 0 ? 0 : self.ids[scope_depth - 1];
}

bool scope_is_inside_open(void) {
    return innermost() != 0;
}

static void enter(uint64_t id) {
    self.ids[scope_depth++] = id;
    poolbuf_tracker_reset_thread();
}

/* Takes the thread out of what is closed, and of the newest entry of `id`; false if there is none. */
static bool withdraw(uint64_t id) {
    bool found = false;
    uint32_t kept = 0;
    for (uint32_t i = scope_depth; i-- > 0 && !found;) {
        found = self.ids[i] == id;
        self.ids[i] = found ? 0 : self.ids[i];
    }
    for (uint32_t i = 0; i < scope_depth; i++) {
        if (is_open(self.ids[i])) {
            self.ids[kept++] = self.ids[i];
        }
    }
    scope_depth = kept;
    poolbuf_tracker_reset_thread();
    return found;
}

/* --- counting ---------------------------------------------------------------------------------------------------- */

/* What is allocated while the detector is at work on this thread counts, without a stack. */
static uint32_t capture(void) {
    thread_state *thread = thread_self();
    if (!thread_enter(thread)) {
        return 0;
    }
    int saved_errno = errno;
    uint32_t stack = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
    errno = saved_errno;
    thread_leave(thread);
    return stack;
}

bool scope_add_to_open(const void *resource, uint64_t size, uint32_t type, bool sampled) {
    uint64_t id = innermost();
    if (id == 0 || !count_alive(id, 1)) {
        return false;
    }
    presence_record record = {
        .size = size,
        .scope = id,
        .stack = atomic_load_explicit(&scope_at(id)->keeps_stacks, memory_order_relaxed) ? capture() : 0,
        .type = type & INT32_MAX,
        .sampled = sampled};
    presence_record stale;
    bool added = presence_insert(resource, &record, &stale);
    if (!added) {
        count_alive(id, -1);
        atomic_fetch_add_explicit(&scope_at(id)->uncounted, 1, memory_order_relaxed);
    } else if (stale.scope != 0) {
        count_alive(stale.scope, -1);
    }
    return added;
}

static bool was_ever_used(void) {
    return atomic_load_explicit(&scope_slots, memory_order_relaxed) != NULL;
}

bool scope_remove_counted(const void *resource) {
    presence_record record;
    if (!presence_remove(resource, &record)) {
        return true;
    }
    count_alive(record.scope, -1);
    return record.sampled;
}

bool scope_is_only_watcher(const void *resource) {
    presence_record record;
    return was_ever_used() && presence_find(resource, &record) && !record.sampled;
}

void scope_resize(const void *resource, uint64_t size) {
    if (was_ever_used()) {
        presence_resize(resource, size);
    }
}

/* --- opening and closing ------------------------------------------------------------------------------------------ */

poolbuf_status leakscope_open(const char *name, unsigned flags, leakscope *opened) {
    if (opened == NULL || (flags & ~(unsigned)LEAKSCOPE_STACKS) != 0) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    uint64_t outer = innermost();
    if (scope_depth == LEAKSCOPE_DEPTH_MAX) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    pthread_mutex_lock(&lock);
    uint32_t slot = free_slot_locked();
    if (slot == UINT32_MAX) {
        pthread_mutex_unlock(&lock);
        return POOLBUF_ERROR_NO_MEMORY;
    }
    scope *fresh = scope_at(slot);
    uint64_t serial = (atomic_load_explicit(&fresh->state, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&fresh->uncounted, 0, memory_order_relaxed);
    fresh->outer = is_open(outer) ? outer : 0; /* another thread may have closed it since */
    fresh->expected = 0;
    bool keeps_stacks = (flags & LEAKSCOPE_STACKS) != 0 || detector_get_settings()->scope_stacks;
    atomic_store_explicit(&fresh->keeps_stacks, keeps_stacks, memory_order_relaxed);
    memset(fresh->name, 0, sizeof fresh->name);
    name = name == NULL ? "scope" : name;
    memcpy(fresh->name, name, strnlen(name, sizeof fresh->name - 1));
    atomic_store_explicit(&fresh->state, serial << 32, memory_order_release);
    pthread_mutex_unlock(&lock);
    opened->id = serial << 32 | slot;
    enter(opened->id);
    return POOLBUF_OK;
}

/* The open scope of a slot; 0: none. */
static uint64_t id_in_slot_locked(uint32_t slot) {
    uint64_t state = atomic_load_explicit(&scope_at(slot)->state, memory_order_relaxed);
    return is_odd_serial(state) ? (state & ~(uint64_t)UINT32_MAX) | slot : 0;
}

/* Marks an open scope and those inside it, and says how many they are. Outer ones are open (S3), so each chain ends. */
static uint64_t gather_family_locked(uint64_t id) {
    uint64_t members = 0;
    for (uint32_t slot = 0; slot < slots_used; slot++) {
        uint64_t member = id_in_slot_locked(slot);
        uint64_t at = member;
        while (at != 0 && at != id) {
            at = scope_at(at)->outer;
        }
        scope_at(slot)->gathered = at == id ? member : 0;
        members += at == id;
    }
    return members;
}

static void disperse_locked(void) {
    for (uint32_t slot = 0; slot < slots_used; slot++) {
        scope_at(slot)->gathered = 0;
    }
}

typedef struct gathering {
    scope_sites *sites; /* for gather() */
    uint64_t move_to;   /* for move(); 0: drop */
} gathering;

static bool is_member(const presence_record *record) {
    return scope_at(record->scope)->gathered == record->scope;
}

static uint64_t gather(const presence_record *record, void *context) {
    gathering *into = context;
    if (is_member(record)) {
        scope_sites_add(into->sites, record->type, record->stack, record->size);
    }
    return record->scope;
}

static uint64_t move(const presence_record *record, void *context) {
    const gathering *what = context;
    if (!is_member(record)) {
        return record->scope;
    }
    return what->move_to != 0 && count_alive(what->move_to, 1) ? what->move_to : 0;
}

/* Ends the scopes of a family: from here on they count nothing. Returns how much they had alive. */
static uint64_t end_family_locked(uint64_t *uncounted) {
    uint64_t alive = 0;
    for (uint32_t slot = 0; slot < slots_used; slot++) {
        scope *member = scope_at(slot);
        if (member->gathered != 0) {
            uint64_t closed = ((member->gathered >> 32) + 1) << 32;
            uint64_t last = atomic_exchange_explicit(&member->state, closed, memory_order_acq_rel);
            alive += (uint32_t)last;
            *uncounted += atomic_load_explicit(&member->uncounted, memory_order_relaxed);
        }
    }
    return alive;
}

/* What those that are gathered have left. The sites are not on the stack, which may be small: NULL without memory, and then
 * there is their number alone. */
static scope_sites *list_left(uint64_t alive, leakscope_result *full) {
    scope_sites *sites = memory_map(sizeof *sites);
    if (sites == NULL) {
        full->left = alive;
        return NULL;
    }
    presence_visit(gather, &(gathering){.sites = sites});
    scope_sites_sum(sites, full);
    return sites;
}

static void give_result(leakscope_result *result, leakscope_result *full) {
    size_t size = result->struct_size < sizeof *full ? result->struct_size : sizeof *full;
    full->struct_size = result->struct_size;
    memcpy(result, full, size);
}

static bool takes_result(const leakscope_result *result) {
    return result->struct_size >= sizeof result->struct_size;
}

static void describe_locked(uint64_t id, leakscope_result *full) {
    const scope *what = scope_at(id);
    memcpy(full->name, what->name, sizeof full->name);
    full->expected = what->expected;
}

poolbuf_status leakscope_close(leakscope closing, leakscope_result *result) {
    leakscope_result full = {0};
    scope_sites *sites = NULL;
    if (result != NULL && !takes_result(result)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    if (!is_open(closing.id)) {
        pthread_mutex_unlock(&lock);
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    describe_locked(closing.id, &full);
    full.inner = gather_family_locked(closing.id) - 1;
    bool keeps_stacks = atomic_load_explicit(&scope_at(closing.id)->keeps_stacks, memory_order_relaxed);
    uint64_t outer = scope_at(closing.id)->outer;
    uint64_t alive = end_family_locked(&full.uncounted);
    if (alive != 0) {
        sites = list_left(alive, &full);
        presence_visit(move, &(gathering){.move_to = full.left == full.expected ? outer : 0});
    }
    disperse_locked();
    pthread_mutex_unlock(&lock);
    withdraw(closing.id);
    bool good = full.left == full.expected;
    full.stacks_shown = !good && keeps_stacks && sites != NULL && scope_sites_print(sites, &full);
    memory_unmap(sites, sizeof *sites);
    if (result != NULL) {
        give_result(result, &full);
    }
    if (!good) {
        return POOLBUF_ERROR_LIVE_BUFFERS;
    }
    return full.uncounted == 0 ? POOLBUF_OK : POOLBUF_ERROR_NO_MEMORY;
}

poolbuf_status leakscope_expect(leakscope which, uint64_t count) {
    pthread_mutex_lock(&lock);
    bool open = is_open(which.id);
    if (open) {
        scope_at(which.id)->expected = count;
    }
    pthread_mutex_unlock(&lock);
    return open ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

poolbuf_status leakscope_count(leakscope which, leakscope_result *result) {
    leakscope_result full = {0};
    if (result == NULL || !takes_result(result)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    pthread_mutex_lock(&lock);
    bool open = is_open(which.id);
    if (open) {
        scope *self_alone = scope_at(which.id);
        describe_locked(which.id, &full);
        full.inner = gather_family_locked(which.id) - 1;
        full.uncounted = atomic_load_explicit(&self_alone->uncounted, memory_order_relaxed);
        disperse_locked();
        self_alone->gathered = which.id;
        scope_sites *sites = list_left((uint32_t)atomic_load_explicit(&self_alone->state, memory_order_relaxed), &full);
        memory_unmap(sites, sizeof *sites);
        self_alone->gathered = 0;
    }
    pthread_mutex_unlock(&lock);
    if (!open) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    give_result(result, &full);
    return POOLBUF_OK;
}

poolbuf_status leakscope_join(leakscope which) {
    if (!is_open(which.id)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    (void)innermost(); /* makes room */
    if (scope_depth == LEAKSCOPE_DEPTH_MAX) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    enter(which.id);
    return POOLBUF_OK;
}

poolbuf_status leakscope_leave(leakscope which) {
    return which.id != 0 && withdraw(which.id) ? POOLBUF_OK : POOLBUF_ERROR_BAD_ARGUMENT;
}

leakscope leakscope_current(void) {
    return (leakscope){innermost()};
}

/* --- fork -------------------------------------------------------------------------------------------------------- */

void scope_lock(void) {
    pthread_mutex_lock(&lock);
    presence_lock_all();
}

void scope_unlock(void) {
    presence_unlock_all();
    pthread_mutex_unlock(&lock);
}

void scope_after_fork(void) {
    if (!was_ever_used()) {
        return;
    }
    presence_clear();
    pthread_mutex_lock(&lock);
    for (uint32_t slot = 0; slot < slots_used; slot++) {
        scope *one = scope_at(slot);
        uint64_t state = atomic_load_explicit(&one->state, memory_order_relaxed);
        atomic_store_explicit(&one->state, state & ~(uint64_t)UINT32_MAX, memory_order_relaxed);
        atomic_store_explicit(&one->uncounted, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
}
