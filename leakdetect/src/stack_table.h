/* Call stacks and names, each stored once; a stack or a name is an integer.
 *
 * A stack is its return addresses, innermost first, compared whole: two stacks never share an id through a hash. Names
 * are the short strings of a report: types, hints and threads, cut at NAME_MAX_BYTES. Ids live as long as the process
 * and may be copied freely; 0 stands for "none" in both. Bounds are the store's (intern.h): when it is full, a resource
 * is still tracked, without its stack. */
#ifndef LEAKDETECT_STACK_TABLE_H
#define LEAKDETECT_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum {
    STACK_MAX_FRAMES = 128,
    NAME_MAX_BYTES = 63
};

uint32_t stack_table_put(const uintptr_t *frames, size_t count);
const uintptr_t *stack_table_get(uint32_t stack, size_t *count); /* NULL and 0 for stack 0 */
uint64_t stack_table_count(void);
uint64_t stack_table_refused(void); /* stacks and names that found no room */

uint32_t name_put(const char *name); /* NULL and "" give 0 */
const char *name_get(uint32_t name); /* "" for 0 */

/* For fork. */
void stack_table_lock(void);
void stack_table_unlock(void);

#endif
