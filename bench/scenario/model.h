/* A model of the slots and the buffers in them: plays one operation at a time and says whether the stream's rules allow
 * it. The builder plays each operation as a generator appends it, the audit plays a finished stream; so both mean the
 * same by the invariants of stream.h. */
#ifndef POOLBUF_BENCH_MODEL_H
#define POOLBUF_BENCH_MODEL_H

#include "scenario/stream.h"

typedef enum model_outcome {
    MODEL_DONE,
    MODEL_WAITS, /* its slot is full, or empty, and it must be the other; nothing has changed */
    MODEL_BROKEN /* no order of threads makes this right */
} model_outcome;

/* How a slot has its buffer. */
typedef enum model_form {
    MODEL_OWN,   /* the reference that ALLOCATE gave */
    MODEL_SHARE, /* RETAIN's */
    MODEL_VIEW   /* SLICE's */
} model_form;

#define MODEL_MANY UINT16_MAX

/* Threads are numbered from 1 here; 0 is nobody yet in this phase. */
typedef struct model_slot {
    uint32_t object; /* index into model.objects; 0: empty */
    uint16_t filler, emptier;
    uint8_t form;
} model_slot;

/* A buffer. One without references is free, and its size is the next free one's index. */
typedef struct model_object {
    uint32_t size;
    uint32_t references;
    uint16_t sharer; /* 0, the thread that filled and emptied all slots that shared it, or MODEL_MANY; see S5 */
    bool is_filled, is_appended;
    bool is_given; /* its contents have the number of a slot where it no longer is */
} model_object;

/* What a thread holds. */
typedef struct model_hand {
    uint32_t slot;
    uint32_t object; /* 0: nothing */
    uint32_t cursor; /* bytes sliced off it so far */
} model_hand;

typedef struct model {
    model_slot *slots;
    uint32_t slot_room;
    model_object *objects; /* the first is nobody's */
    uint32_t object_count, object_room, object_free;
    model_hand *hands; /* of each thread */
    uint32_t thread_count;
    uint64_t live_buffers, live_bytes; /* of objects: a buffer counts once, until its last reference is gone */
    uint32_t shares;                   /* slots that hold what RETAIN or SLICE gave */
    uint32_t largest;                  /* bytes that the last operation asked of the subject at most */
    const char *why;                   /* after MODEL_BROKEN: a static text */
} model;

/* model_init() makes an empty model; model_fini() releases it, also after a failed init. False without memory. */
bool model_init(model *self, uint32_t thread_count);
void model_fini(model *self);

/* model_reserve() makes room for slots 0 to slot_count - 1, all new ones empty. False without memory. */
bool model_reserve(model *self, uint32_t slot_count);

/* model_open() begins a phase: slots may change their filling and emptying threads. model_rewind() is for a thread that
 * begins its operations, or begins them again. */
void model_open(model *self);
void model_rewind(model *self, uint32_t thread);

/* model_step() plays an operation. Its slots are reserved. */
model_outcome model_step(model *self, uint32_t thread, stream_op op);

#endif
