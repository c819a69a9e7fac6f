/* The background thread: gives memory back while nobody calls in. One a process, for all allocators that ask for it.
 *
 * A pass goes over its members, the allocators, and gives back what is due in each of their arenas (arena_decay_step). It
 * looks into their depots too: a batch that has lain there through a quarter of the decay time goes to its arena, where
 * its pages wait the decay time like all others. What threads cache is their owners' alone, and no pass touches it.
 *
 * While anything waits in any member, there is a pass each eighth of the shortest decay time of all (B1); so what is due
 * is that late at most, and a change needs no signal. Once nothing waits the thread sleeps without a limit, and an idle process
 * has no wake-ups. It is then `idle`, and whoever makes something dirty wakes it (B2): the thread says that it is idle before the
 * pass that finds nothing. What that pass cannot see yet was made dirty by somebody who comes later to the same arena lock, or to the
 * same atomic flag where a depot is concerned, and so sees that the thread is idle.
 *
 * It starts with the first member and ends with the last, or when the process exits. The child of a fork() has none; the
 * first call there that makes something dirty starts one. Where that fails, and where the thread is late, calls that reach an arena
 * give back what is due, as they do without a thread (arena.c).
 *
 * Locks. lifecycle: whoever starts or stops the thread. work: the members, held for each step of a pass, so that a
 * member that leaves, a fork(), and who counts what is alive, wait for that step and no longer. sleep: the flags, a
 * leaf. Their order among all others is in registry.h. The child makes lifecycle and sleep anew, since what they
 * guard is of a thread that it does not have. */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "thread_cache.h"

#define BACKGROUND_NEVER UINT64_MAX

/* An allocator's place among the members; guarded by the work lock. */
typedef struct background_member {
    cache_group *group;
    uint32_t decay_ms;
    uint64_t pass;         /* the last one that is done with it */
    uint64_t depot_due_ms; /* when to look into the depot again */
    struct background_member *next, *prev;
} background_member;

/* Makes a group, with its arenas in place, a member, and starts the thread if need be; false if the system does not start it. */
bool background_enter(background_member *member, cache_group *group, uint32_t decay_ms);

/* The group is no member any more, and nothing of it is in use; the last one stops the thread. */
void background_leave(background_member *member);

/* Something is dirty that was not; with the arena's lock held after that, or since. Cheap if the thread is not idle. */
void background_wake(void);

/* The same for a batch that has been put into the depot, where there is no lock. */
void background_wake_for_depot(void);

/* One pass over all members: milliseconds until the next, or BACKGROUND_NEVER. By the thread, and by tests that have none. */
uint64_t background_pass(void);

/* Between these the thread moves nothing: what it takes out of a depot is for a moment in no count, and would pass
 * for alive. Waits for a step of a pass. */
void background_hold(void);
void background_let_go(void);

/* Makes the thread pass at once; for tests, whose clock stands still. */
void background_call(void);

/* Around fork(), with no lock held but the creation lock. */
void background_before_fork(void);
void background_after_fork_parent(void);
void background_after_fork_child(void);

#endif
