/* What can be reached: which parts of a memory the roots refer to, in one step or in many.
 *
 * The memory is abstract, seen through one function that copies bytes out of it, so that tests need neither a process
 * nor a pool. Parts are the things that are reached or not: records in rows, which are one node each, and blocks.
 *
 *     roots: everything that was shown with reach_scan(), less the parts and the hidden ranges
 *     row    [ node 5 ][ node 6 ][ node 7 ]        a word that points anywhere into a node reaches it
 *     block  [ node 8, home: an address in node 6 ]   reaching a block reaches its home as well
 *
 * A node that is reached is read in its turn, word by word. So a ring of parts that no root refers to stays unreached.
 * A word is eight bytes at any address that divides by four, because packed structs put pointers there (struct
 * epoll_event is one). The upper sixteen bits of a word are not looked at: programs keep counters and tags in them.
 *
 * It takes memory from mmap alone and no lock, so it may run in a child of a process with threads. Limits: a full work
 * list cannot be, as each node enters it once (W1); parts that overlap, which a consistent memory has not, are reached
 * both (W2): where in doubt, nothing is lost. */
#ifndef LEAKDETECT_REACH_H
#define LEAKDETECT_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

enum {
    REACH_RECORD_BYTES = 64,    /* a record in a row */
    REACH_READ_BYTES = 64 << 10 /* what is read at once */
};

/* Copies bytes of the memory; false if they cannot all be read. */
typedef bool reach_reader(void *context, uintptr_t at, void *into, size_t bytes);
/* Asked now and then: true ends the work. */
typedef bool reach_stopper(void *context);

typedef struct reach_part {
    uintptr_t start, end; /* end is not part of it */
    uintptr_t home;       /* blocks: an address that is reached with it; 0: none */
    uint32_t node;        /* its number; of a row, that of its first record */
    bool row;
} reach_part;

typedef struct reach_range {
    uintptr_t start, end;
} reach_range;

typedef struct reach {
    reach_reader *read;
    reach_stopper *stop;
    void *context;
    memory_array parts;  /* of reach_part; by address once reach_begin() has returned */
    memory_array hidden; /* of reach_range; likewise, with the parts among them, none touching another */
    uint8_t *reached;    /* by node */
    uint64_t *work;      /* what is to be read: the part's position and the record's, each in half a word */
    size_t work_count;
    uint32_t node_count;
    uintptr_t lowest, highest; /* what no part lies below, or at or above */
    uint8_t *bytes;            /* REACH_READ_BYTES, what was read last */
    uint64_t read_bytes, unreadable_bytes;
    bool failed;  /* there was no memory for a table */
    bool stopped; /* stop() has said so */
} reach;

/* Sorts items that begin with their start, at most as large as a reach_part, without malloc. */
void reach_sort_by_start(memory_array *array, size_t item_bytes);

void reach_init(reach *self, reach_reader *read, reach_stopper *stop, void *context);
void reach_fini(reach *self);

/* What is reached or not; the number of its node, of a row that of its first record. Before reach_begin(). */
uint32_t reach_add_row(reach *self, uintptr_t start, size_t bytes);
uint32_t reach_add_block(reach *self, uintptr_t start, size_t bytes, uintptr_t home);

/* What is neither a part nor a root. Before reach_begin(). */
void reach_hide(reach *self, uintptr_t start, size_t bytes);

/* The parts and hidden ranges are complete. False: no memory. */
bool reach_begin(reach *self);

/* Whether nothing of a range is a root, so that it need not be shown. After reach_begin(). */
bool reach_is_hidden(const reach *self, uintptr_t start, uintptr_t end);

/* Shows a word that refers to what it refers to; and a range of roots. */
void reach_word(reach *self, uint64_t word);
void reach_scan(reach *self, uintptr_t start, uintptr_t end);

/* Reads all that has been reached so far, and what that reaches. False: stopped before the end, and nothing is
 * known. */
bool reach_finish(reach *self);

/* The node that an address lies in; false: in none. */
bool reach_node_at(const reach *self, uintptr_t address, uint32_t *node);
bool reach_is_reached(const reach *self, uint32_t node);

#endif
