/* Room on the stack for what needs much of it.
 *
 * A report does: libdw alone has a frame of 150 KiB when it reads lines. Threads of 16 to 128 KiB and coroutines have less, and
 * such a frame does not even meet the guard page: it reaches over it, into whatever lies below. But it is on such stacks,
 * too, that a dead buffer is released and an allocator destroyed. So a report runs on a stack of its own where that of its
 * thread is too small: the same thread, with its locks and its thread-local storage, only the stack pointer elsewhere.
 *
 *     thread's stack  [ ... program | entry ]        large stack  [ guard page |  ......  report ]
 *                                        `--------------------------------------------------^
 *
 * Stacks are captured before: a walk from the large one would not get to the program. On other processors than x86-64, and
 * without memory, the function runs where it is. */
#ifndef LEAKDETECT_LARGE_STACK_H
#define LEAKDETECT_LARGE_STACK_H

#include <stddef.h>

#define LARGE_STACK_ROOM  ((size_t)320 << 10) /* what is enough: twice what reports have been seen to use */
#define LARGE_STACK_BYTES ((size_t)512 << 10) /* of one that is made */

/* large_stack_run() calls a function, here or there.
 *   threads  any, on any stack. Not for what ends by longjmp().
 *   cost     on a thread with room the question for it, which in the main thread reads /proc; else a mapping. */
void large_stack_run(void (*function)(void *context), void *context);

#endif
