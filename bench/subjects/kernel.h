/* The kernel: plays an operation stream on one kind of buffer. Included once by each subject_*.c, after it has defined
 *
 *     KERNEL_STATE                                        the type of run->state
 *     KERNEL_THREAD_STATE(run)                            that state for the calling thread; left out: run->state
 *     KERNEL_SHARES_MEMORY                                1 if live buffers overlap, so that contents cannot be checked
 *     void *buffer_allocate(KERNEL_STATE *, uint32_t size)         one reference, indices 0; NULL without memory
 *     void buffer_release(KERNEL_STATE *, void *buffer)            drops the one reference
 *     void *buffer_resize(KERNEL_STATE *, void *buffer, uint32_t size)  keeps contents, may move; NULL leaves all as it was
 *     uint8_t *buffer_memory(KERNEL_STATE *, void *buffer)
 *     uint32_t buffer_size(const void *buffer)                     as asked for
 *     KERNEL_TELLS_ROOM                                   defined if it can say what a buffer takes, as
 *       size_t buffer_room(const void *buffer)            bytes that its memory has room for; audited, never timed
 *     KERNEL_HAS_BULK                                     defined if it has calls for many buffers of one size, as
 *       size_t buffer_allocate_many(KERNEL_STATE *, uint32_t size, KERNEL_BUFFER **, size_t)  how many were given
 *       void buffer_release_many(KERNEL_STATE *, KERNEL_BUFFER **, size_t)
 *                                                         left out: loops over the calls for one
 *     KERNEL_BUFFER                                       what those lists point to; left out: void
 *     KERNEL_COUNT(buffer)                                the address of a buffer's count of references, an atomic of
 *                                                         32 bits that buffer_release() counts down; retain and views are
 *                                                         then made here (kernel_shared.h), from that and small buffers
 *     KERNEL_HAS_VIEWS                                    in its place: defined if the subject has its own, as
 *       void buffer_retain(KERNEL_STATE *, void *buffer)
 *       bool buffer_release_last(KERNEL_STATE *, void *buffer)  as buffer_release(); whether it was the last reference
 *       bool buffer_is_sole(const void *buffer)                      whether there is one reference alone
 *       void *buffer_slice(KERNEL_STATE *, void *buffer, uint32_t offset, uint32_t size)  with a reference, or NULL
 *       uint8_t *view_memory(KERNEL_STATE *, void *view)
 *       uint32_t view_size(KERNEL_STATE *, void *view)
 *       void *view_parent(KERNEL_STATE *, void *view)                what it has the reference to
 *       void view_release(KERNEL_STATE *, void *view)                drops both
 *                                                         with neither, scenarios that share buffers are unsupported
 *     KERNEL_HAS_APPEND                                   defined if it grows by a policy of its own, as
 *       void *buffer_append(KERNEL_STATE *, void *buffer, uint32_t size)  room for so many bytes more, which count as
 *                                                         written; may move; NULL leaves all as it was
 *       uint32_t buffer_length(const void *buffer)        bytes written: the size asked for, and what was appended
 *                                                         left out: buffer_resize() to the sum of both; that doubles
 *                                                         only where the subject rounds up
 *     KERNEL_HAS_MESSAGES                                 defined if several buffers can be one, as
 *       bool buffer_assemble(KERNEL_STATE *, KERNEL_BUFFER **, uint32_t count, size_t *size)  takes them over in any
 *                                                         case, lists their pieces, releases all; false without memory
 *                                                         left out: a list of them in a buffer
 *
 * as static inline functions. None lets an exception out: in C++ that ends the process. What is here owns the meaning of
 * the operations and is the same machine code for all but these; all but BULK is forced inline into play(), pure(), audit()
 * and timed(), which differ in the constants `audit`, `timer` and, of pure(), `kind`.
 *
 * The first byte of a buffer is its slot's number, the last one its complement; so the auditing form knows what any thread
 * must find in any buffer, without keeping a record beside it. */
#ifndef POOLBUF_BENCH_KERNEL_H
#define POOLBUF_BENCH_KERNEL_H

#include <string.h>

#include "subjects/subject.h"

#ifndef KERNEL_THREAD_STATE
#define KERNEL_THREAD_STATE(run) ((KERNEL_STATE *)(run)->state)
#endif

#ifndef KERNEL_BUFFER
#define KERNEL_BUFFER void
#endif

#define KERNEL_INLINE      static inline __attribute__((always_inline))
#define KERNEL_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Makes the compiler believe that somebody looks at this memory now: without it, it may drop a store, answer a load from
 * the store before it, or leave out a malloc whose block nobody sees. */
#define KERNEL_OBSERVE(memory) __asm__ volatile("" : : "r"(memory) : "memory")

#ifdef KERNEL_TELLS_ROOM
#define KERNEL_ROOM_TOLD true
#else
#define KERNEL_ROOM_TOLD false
static inline size_t buffer_room(const void *buffer) {
    return buffer_size(buffer);
}
#endif

#ifndef KERNEL_HAS_BULK
KERNEL_INLINE size_t buffer_allocate_many(KERNEL_STATE *state, uint32_t size, KERNEL_BUFFER **buffers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffers[i] = buffer_allocate(state, size);
        if (KERNEL_UNLIKELY(buffers[i] == NULL)) {
            return i;
        }
    }
    return count;
}

KERNEL_INLINE void buffer_release_many(KERNEL_STATE *state, KERNEL_BUFFER **buffers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buffer_release(state, buffers[i]);
    }
}
#endif

#ifndef KERNEL_HAS_APPEND
KERNEL_INLINE void *buffer_append(KERNEL_STATE *state, void *buffer, uint32_t size) {
    return buffer_resize(state, buffer, buffer_size(buffer) + size);
}

static inline uint32_t buffer_length(const void *buffer) {
    return buffer_size(buffer);
}
#endif

/* In C++ the state's type may be a secret of its file; what holds it then is, too. */
#ifdef __cplusplus
#define KERNEL_SECRET_BEGIN namespace {
#define KERNEL_SECRET_END   }
/* The callers are C, and an operation is left half done: an exception ends the worker here, with what it says. */
#define KERNEL_NOTHROW noexcept
#else
#define KERNEL_SECRET_BEGIN
#define KERNEL_SECRET_END
#define KERNEL_NOTHROW
#endif

KERNEL_SECRET_BEGIN
/* What HOLD found. */
typedef struct kernel_hand {
    void *buffer;
    uint32_t cursor; /* bytes sliced off it so far */
} kernel_hand;

/* What one thread keeps in registers while it plays. So nobody out of line may be given the address of it: such a
 * function is called through kernel_apart(). */
typedef struct kernel_thread {
    subject_run *run;
    KERNEL_STATE *state;
    subject_slot *slots;
    kernel_hand *hand;
    uint32_t sum; /* of all that was read */
} kernel_thread;
KERNEL_SECRET_END

typedef bool kernel_operation(kernel_thread *self, stream_op op, bool audit);

/* Calls an operation that is not inline, with a copy. Had it the thread itself, the compiler would keep that in memory
 * for all operations, and each would wait there for the sum of the one before. */
KERNEL_INLINE bool kernel_apart(kernel_thread *self, kernel_operation *operation, const stream_op *at,
                                const bool audit) {
    kernel_thread copy = *self;
    const bool good = operation(&copy, *at, audit);
    self->sum = copy.sum;
    return good;
}

KERNEL_INLINE void kernel_raise(SUBJECT_ATOMIC(uint64_t) * peak, uint64_t value) {
    uint64_t highest = atomic_load_explicit(peak, memory_order_relaxed);
    while (value > highest &&
           !atomic_compare_exchange_weak_explicit(peak, &highest, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* What the books say of a buffer. */
typedef struct kernel_entry {
    uint32_t size;
    size_t room;
} kernel_entry;

KERNEL_INLINE kernel_entry kernel_entry_of(const void *buffer) {
    const kernel_entry entry = {buffer_length(buffer), buffer_room(buffer)};
    return entry;
}

/* Room comes first and goes last, so that it is never seen below the bytes in it. */
KERNEL_INLINE void kernel_count_born(subject_run *run, const void *buffer) {
    const kernel_entry entry = kernel_entry_of(buffer);
    (void)atomic_fetch_add_explicit(&run->live_buffers, 1, memory_order_relaxed);
    const uint64_t room = atomic_fetch_add_explicit(&run->live_room, entry.room, memory_order_relaxed) + entry.room;
    kernel_raise(&run->peak_live_room, room);
    const uint64_t bytes = atomic_fetch_add_explicit(&run->live_bytes, entry.size, memory_order_relaxed) + entry.size;
    kernel_raise(&run->peak_live_bytes, bytes);
}

KERNEL_INLINE void kernel_count_dead(subject_run *run, kernel_entry entry) {
    (void)atomic_fetch_sub_explicit(&run->live_buffers, 1, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&run->live_bytes, entry.size, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&run->live_room, entry.room, memory_order_relaxed);
}

KERNEL_INLINE void kernel_mark(kernel_thread *self, void *buffer, uint32_t slot, uint32_t size) {
    if (size != 0) {
        uint8_t *memory = buffer_memory(self->state, buffer);
        memory[(size_t)size - 1] = (uint8_t)~slot; /* first, as the only byte of a buffer is its first one */
        memory[0] = (uint8_t)slot;
        KERNEL_OBSERVE(memory);
    }
}

/* Auditing: does the buffer hold what kernel_mark() wrote? */
KERNEL_INLINE bool kernel_check(kernel_thread *self, void *buffer, uint32_t slot) {
    if (KERNEL_SHARES_MEMORY) {
        return true;
    }
    const uint32_t size = buffer_length(buffer);
    if (size == 0) {
        return true;
    }
    const uint8_t *memory = buffer_memory(self->state, buffer);
    const uint8_t last = size == 1 ? (uint8_t)slot : (uint8_t)~slot;
    if (memory[0] != (uint8_t)slot || memory[size - 1] != last) {
        return subject_fail(self->run, SUBJECT_CONTENTS_LOST);
    }
    return true;
}

KERNEL_INLINE void *kernel_new(kernel_thread *self, uint32_t slot, uint32_t size, const bool audit) {
    void *buffer = buffer_allocate(self->state, size);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        (void)subject_fail(self->run, SUBJECT_NO_MEMORY);
        return NULL;
    }
    kernel_mark(self, buffer, slot, size);
    if (audit) {
        kernel_count_born(self->run, buffer);
    }
    return buffer;
}

/* The buffer in a slot, for the thread that empties it. */
KERNEL_INLINE void *kernel_full(kernel_thread *self, uint32_t slot) {
    void *buffer = atomic_load_explicit(&self->slots[slot], memory_order_acquire);
    return KERNEL_UNLIKELY(buffer == NULL) ? subject_wait_full(self->run, &self->slots[slot]) : buffer;
}

/* Auditing: the number that a buffer has which was given on; that its two ends agree is what can be checked then. */
KERNEL_INLINE uint32_t kernel_mark_of(kernel_thread *self, void *buffer) {
    return buffer_length(buffer) != 0 ? buffer_memory(self->state, buffer)[0] : 0;
}

#include "subjects/kernel_shared.h" /* READ to ASSEMBLE */

KERNEL_INLINE bool kernel_drop(kernel_thread *self, void *buffer, uint32_t slot, const bool audit) {
    const bool good = !audit || kernel_check(self, buffer, slot);
    if (buffer_size(buffer) != 0) {
        self->sum += buffer_memory(self->state, buffer)[0];
    }
    if (audit) {
        kernel_drop_counted(self, buffer);
    } else {
        buffer_release(self->state, buffer);
    }
    return good;
}

KERNEL_INLINE bool kernel_allocate(kernel_thread *self, stream_op op, const bool audit) {
    subject_slot *slot = &self->slots[op.slot];
    if (KERNEL_UNLIKELY(atomic_load_explicit(slot, memory_order_acquire) != NULL) &&
        !subject_wait_empty(self->run, slot)) {
        return false;
    }
    void *buffer = kernel_new(self, op.slot, stream_op_size(op), audit);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    atomic_store_explicit(slot, buffer, memory_order_release);
    return true;
}

KERNEL_INLINE bool kernel_release(kernel_thread *self, stream_op op, const bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    atomic_store_explicit(&self->slots[op.slot], NULL, memory_order_release);
    return kernel_drop(self, buffer, audit && stream_op_size(op) != 0 ? kernel_mark_of(self, buffer) : op.slot, audit);
}

/* The slot stays full until the new buffer is in it: to the thread that fills the slot it must not look empty. */
KERNEL_INLINE bool kernel_replace(kernel_thread *self, stream_op op, const bool audit) {
    void *old = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(old == NULL)) {
        return false;
    }
    const bool good = kernel_drop(self, old, op.slot, audit);
    void *buffer = kernel_new(self, op.slot, stream_op_size(op), audit);
    atomic_store_explicit(&self->slots[op.slot], buffer, memory_order_release);
    return good && buffer != NULL;
}

KERNEL_INLINE bool kernel_resize(kernel_thread *self, stream_op op, const bool audit) {
    const uint32_t size = stream_op_size(op);
    void *old = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(old == NULL)) {
        return false;
    }
    bool good = true;
    kernel_entry entry = {0, 0};
    if (audit) {
        entry = kernel_entry_of(old);
        good = kernel_check(self, old, op.slot);
    }
    void *buffer = buffer_resize(self->state, old, size);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    if (audit) {
        kernel_count_dead(self->run, entry);
        kernel_count_born(self->run, buffer);
        if (!KERNEL_SHARES_MEMORY && size != 0 && entry.size != 0 &&
            buffer_memory(self->state, buffer)[0] != (uint8_t)op.slot) {
            good = subject_fail(self->run, SUBJECT_CONTENTS_LOST);
        }
        kernel_mark(self, buffer, op.slot, size);
    }
    atomic_store_explicit(&self->slots[op.slot], buffer, memory_order_release);
    return good;
}

/* The buffer stays where it is until there is room for it, so that a play that fails leaves it in a slot. */
KERNEL_INLINE bool kernel_move(kernel_thread *self, stream_op op, const bool audit) {
    subject_slot *target = &self->slots[stream_op_target(op)];
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    if (KERNEL_UNLIKELY(atomic_load_explicit(target, memory_order_acquire) != NULL) &&
        !subject_wait_empty(self->run, target)) {
        return false;
    }
    atomic_store_explicit(&self->slots[op.slot], NULL, memory_order_release);
    const bool good = !audit || kernel_check(self, buffer, op.slot);
    if (buffer_size(buffer) != 0) {
        self->sum += buffer_memory(self->state, buffer)[0];
    }
    kernel_mark(self, buffer, stream_op_target(op), buffer_size(buffer));
    atomic_store_explicit(target, buffer, memory_order_release);
    return good;
}

/* Reads a byte and writes it back, again and again. The bytes take turns, so that a read seldom waits for a write of this
 * thread's own, and what is measured is who has the line. */
KERNEL_INLINE void kernel_touch_times(kernel_thread *self, uint8_t *memory, uint32_t size, uint32_t times) {
    const uint32_t bytes = size < STREAM_TOUCH_BYTES ? size : STREAM_TOUCH_BYTES;
    uint32_t at = 0;
    for (; times != 0 && bytes != 0; times--) {
        const uint8_t value = memory[at];
        KERNEL_OBSERVE(memory);
        memory[at] = value;
        self->sum += value;
        at = at + 1 == bytes ? 0 : at + 1;
    }
}

KERNEL_INLINE bool kernel_touch(kernel_thread *self, stream_op op, const bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    const uint32_t size = buffer_size(buffer);
    if (stream_op_size(op) > 1) {
        kernel_touch_times(self, buffer_memory(self->state, buffer), size, stream_op_size(op));
    } else if (size >= sizeof(uint32_t)) {
        uint8_t *memory = buffer_memory(self->state, buffer);
        uint32_t value = 0;
        memcpy(&value, memory, sizeof value);
        KERNEL_OBSERVE(memory);
        memcpy(memory, &value, sizeof value);
        self->sum += value;
    } else if (size != 0) {
        uint8_t *memory = buffer_memory(self->state, buffer);
        const uint8_t value = memory[0];
        KERNEL_OBSERVE(memory);
        memory[0] = value;
        self->sum += value;
    }
    return !audit || kernel_check(self, buffer, op.slot);
}

/* One turn of PINGPONG; `bytes` is a constant where it is called: 4, or what a smaller buffer has room for. */
KERNEL_INLINE bool kernel_pingpong_turn(kernel_thread *self, uint32_t size, uint32_t turn, uint32_t bytes,
                                        const bool audit) {
    void *buffer = buffer_allocate(self->state, size);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    uint32_t value = 0;
    uint8_t *memory = buffer_memory(self->state, buffer);
    if (bytes == sizeof value) {
        memcpy(memory, &turn, sizeof value);
        KERNEL_OBSERVE(memory);
        memcpy(&value, memory, sizeof value);
    } else if (bytes != 0) {
        memory[0] = (uint8_t)turn;
        KERNEL_OBSERVE(memory);
        value = memory[0];
    }
    self->sum += value;
    if (audit) {
        kernel_count_born(self->run, buffer);
        kernel_count_dead(self->run, kernel_entry_of(buffer));
    }
    buffer_release(self->state, buffer);
    const uint32_t expected = bytes == sizeof value ? turn : bytes != 0 ? (uint8_t)turn : 0;
    if (audit && value != expected) {
        return subject_fail(self->run, SUBJECT_CONTENTS_LOST);
    }
    return true;
}

KERNEL_INLINE bool kernel_pingpong(kernel_thread *self, stream_op op, const bool audit) {
    const uint32_t size = stream_op_size(op);
    bool good = true;
    if (size >= sizeof(uint32_t)) {
        for (uint32_t turn = op.slot; turn != 0 && good; turn--) {
            good = kernel_pingpong_turn(self, size, turn, sizeof(uint32_t), audit);
        }
    } else {
        for (uint32_t turn = op.slot; turn != 0 && good; turn--) {
            good = kernel_pingpong_turn(self, size, turn, size == 0 ? 0 : 1, audit);
        }
    }
    return good;
}

/* The rest of a buffer's memory; kernel_mark() has written its two ends, and those stay as they are. */
KERNEL_INLINE bool kernel_write(kernel_thread *self, stream_op op, const bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    const uint32_t size = buffer_size(buffer);
    uint8_t *memory = buffer_memory(self->state, buffer);
    for (uint64_t at = STREAM_WRITE_STEP; at + 1 < size; at += STREAM_WRITE_STEP) {
        memory[at] = (uint8_t)op.slot;
    }
    KERNEL_OBSERVE(memory);
    return !audit || kernel_check(self, buffer, op.slot);
}

/* Writes to each buffer, then reads each: with two that share memory, the second write is found where the first should be.
 * `bytes` as in kernel_pingpong_turn(). */
KERNEL_INLINE bool kernel_bulk_contents(kernel_thread *self, KERNEL_BUFFER **buffers, uint32_t count, uint32_t turn,
                                        uint32_t bytes, const bool audit) {
    bool good = true;
    for (uint32_t i = 0; i < count && bytes != 0; i++) {
        uint8_t *memory = buffer_memory(self->state, buffers[i]);
        const uint32_t value = turn + i;
        if (bytes == sizeof value) {
            memcpy(memory, &value, sizeof value);
        } else {
            memory[0] = (uint8_t)value;
        }
    }
    KERNEL_OBSERVE(buffers);
    for (uint32_t i = 0; i < count && bytes != 0; i++) {
        const uint8_t *memory = buffer_memory(self->state, buffers[i]);
        uint32_t value = memory[0];
        if (bytes == sizeof value) {
            memcpy(&value, memory, sizeof value);
        }
        self->sum += value;
        if (audit && !KERNEL_SHARES_MEMORY && value != (bytes == sizeof value ? turn + i : (uint8_t)(turn + i))) {
            good = subject_fail(self->run, SUBJECT_CONTENTS_LOST);
        }
    }
    return good;
}

KERNEL_INLINE bool kernel_bulk_turn(kernel_thread *self, KERNEL_BUFFER **buffers, stream_op op, uint32_t turn,
                                    uint32_t bytes, const bool audit) {
    const uint32_t count = stream_bulk_count(op);
    const size_t given = buffer_allocate_many(self->state, stream_op_size(op), buffers, count);
    if (KERNEL_UNLIKELY(given != count)) {
        buffer_release_many(self->state, buffers, given);
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    const bool good = kernel_bulk_contents(self, buffers, count, turn, bytes, audit);
    for (uint32_t i = 0; i < count && audit; i++) {
        kernel_count_born(self->run, buffers[i]);
    }
    for (uint32_t i = 0; i < count && audit; i++) {
        kernel_count_dead(self->run, kernel_entry_of(buffers[i]));
    }
    buffer_release_many(self->state, buffers, count);
    return good;
}

/* Not inline: the list would be in the frame of every other operation. It is called once for many turns. */
static __attribute__((noinline)) bool kernel_bulk(kernel_thread *self, stream_op op, bool audit) {
    KERNEL_BUFFER *buffers[STREAM_BULK_COUNT_MAX];
    const uint32_t bytes =
        stream_op_size(op) >= sizeof(uint32_t) ? (uint32_t)sizeof(uint32_t) : stream_op_size(op) != 0;
    bool good = true;
    for (uint32_t turn = stream_bulk_times(op); turn != 0 && good; turn--) {
        if (audit) {
            good = kernel_bulk_turn(self, buffers, op, turn, bytes, true);
        } else if (bytes == sizeof(uint32_t)) {
            good = kernel_bulk_turn(self, buffers, op, turn, sizeof(uint32_t), false);
        } else {
            good = kernel_bulk_turn(self, buffers, op, turn, bytes, false);
        }
    }
    return good;
}

KERNEL_INLINE void kernel_await_empty(kernel_thread *self, uint32_t slot) {
    if (atomic_load_explicit(&self->slots[slot], memory_order_acquire) != NULL) {
        (void)subject_wait_empty(self->run, &self->slots[slot]);
    }
}

/* Timed form: waits for another thread before the clock starts, as far as an operation would wait: it is the threads'
 * work that takes this long, not the subject. */
KERNEL_INLINE void kernel_begin(kernel_thread *self, stream_op op, subject_timer *timer) {
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
    case STREAM_RETAIN:
    case STREAM_SLICE:
        kernel_await_empty(self, op.slot);
        break;
    case STREAM_MOVE:
        kernel_await_empty(self, stream_op_target(op));
        (void)kernel_full(self, op.slot);
        break;
    case STREAM_ASSEMBLE:
        for (uint32_t i = 0; i < stream_op_size(op); i++) {
            (void)kernel_full(self, op.slot + i);
        }
        break;
    case STREAM_PINGPONG:
    case STREAM_BULK:
        break;
    default:
        (void)kernel_full(self, op.slot);
        break;
    }
    subject_timer_start(timer);
}

/* One operation of a kind that comes in rows; `kind` is a constant. */
KERNEL_INLINE bool kernel_row_step(kernel_thread *self, stream_op op, const stream_kind kind, const bool audit) {
    switch (kind) {
    case STREAM_ALLOCATE:
        return kernel_allocate(self, op, audit);
    case STREAM_RELEASE:
        return kernel_release(self, op, audit);
    default:
        return kernel_replace(self, op, audit);
    }
}

/* Plays operations while they are of one kind: `*at` is then the first that is not, or `end`. Generated streams have
 * most of these kinds in rows, and inside one there is no jump by a table. The kind is taken off the word, which leaves
 * the size, or what no size can be if it was another kind. */
KERNEL_INLINE bool kernel_row(kernel_thread *self, const stream_op **at, const stream_op *end, const stream_kind kind,
                              const bool audit) {
    const stream_op *next = *at;
    bool good = true;
    stream_op op = {next->slot, next->word - ((uint32_t)kind << STREAM_SIZE_BITS)};
    do {
        good = kernel_row_step(self, op, kind, audit);
        if (++next == end) {
            break;
        }
        op.slot = next->slot;
        op.word = next->word - ((uint32_t)kind << STREAM_SIZE_BITS);
    } while (good && op.word <= STREAM_SIZE_MAX);
    *at = next;
    return good;
}

/* Plays the operation at `*at`, and of some kinds those that follow it in a row, up to `end`; moves `*at` past them. It is
 * loaded here by its two halves: loaded as a whole, for those that are called, it would come into a register that the
 * others must take it apart from. */
KERNEL_INLINE bool kernel_step(kernel_thread *self, const stream_op **at, const stream_op *end, const bool audit) {
    const stream_op *const now = *at;
    const stream_op op = {now->slot, now->word};
    *at = now + 1;
    switch (stream_op_kind(op)) {
    case STREAM_ALLOCATE:
        *at = now;
        return kernel_row(self, at, end, STREAM_ALLOCATE, audit);
    case STREAM_RELEASE:
        *at = now;
        return kernel_row(self, at, end, STREAM_RELEASE, audit);
    case STREAM_REPLACE:
        *at = now;
        return kernel_row(self, at, end, STREAM_REPLACE, audit);
    case STREAM_RESIZE:
        return kernel_resize(self, op, audit);
    case STREAM_TOUCH:
        return kernel_touch(self, op, audit);
    case STREAM_PINGPONG:
        return kernel_pingpong(self, op, audit);
    case STREAM_BULK:
        return kernel_apart(self, kernel_bulk, now, audit);
    case STREAM_WRITE:
        return stream_op_size(op) == STREAM_WRITE_ALL ? kernel_apart(self, kernel_write_all, now, audit)
                                                      : kernel_write(self, op, audit);
    case STREAM_MOVE:
        return kernel_move(self, op, audit);
    /* All that four bits can say is named, so that the jump needs no check of its bounds. */
    case STREAM_READ:
    case STREAM_APPEND:
    case STREAM_HOLD:
    case STREAM_RETAIN:
    case STREAM_SLICE:
    case STREAM_DROP:
    case STREAM_ASSEMBLE:
        return kernel_apart(self, kernel_share, now, audit);
    }
    return true;
}

/* One pass over all operations; false when one has failed. */
KERNEL_INLINE bool kernel_pass(kernel_thread *self, const stream_op *ops, size_t op_count, const bool audit) {
    const stream_op *const end = ops + op_count;
    for (const stream_op *at = ops; at != end;) {
        if (KERNEL_UNLIKELY(!kernel_step(self, &at, end, audit))) {
            return false;
        }
    }
    return true;
}

KERNEL_INLINE bool kernel_pass_timed(kernel_thread *self, const stream_op *ops, size_t op_count, subject_timer *timer) {
    bool good = true;
    for (size_t i = 0; i < op_count && good; i++) {
        const bool is_timed = stream_op_kind(ops[i]) != STREAM_HOLD; /* it does nothing to a buffer */
        if (is_timed) {
            kernel_begin(self, ops[i], timer);
        }
        const stream_op *at = &ops[i];
        good = kernel_step(self, &at, at + 1, false); /* no row: each has a time of its own */
        if (is_timed) {
            subject_timer_stop(timer);
        }
    }
    return good;
}

/* `timer` is a constant NULL but in the timed form. */
KERNEL_INLINE bool kernel_run(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat,
                              const bool audit, subject_timer *const timer) {
    kernel_hand hand = {NULL, 0};
    kernel_thread self = {run, KERNEL_THREAD_STATE(run), run->slots, &hand, 0};
    bool good = true;
    for (repeat = op_count == 0 ? 0 : repeat; repeat != 0 && good; repeat--) { /* of none there may be no address */
        good =
            timer != NULL ? kernel_pass_timed(&self, ops, op_count, timer) : kernel_pass(&self, ops, op_count, audit);
    }
    (void)atomic_fetch_add_explicit(&run->sink, self.sum, memory_order_relaxed);
    return good;
}

static bool kernel_play(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat) KERNEL_NOTHROW {
    return kernel_run(run, ops, op_count, repeat, false, NULL);
}

/* As play(), where all are of one kind, a constant, and nobody asks for an empty buffer: neither is looked for. Inlined into
 * one function for each kind, so that the compiler has all registers for one loop. */
KERNEL_INLINE bool kernel_pure_run(subject_run *run, const stream_kind kind, const stream_pair *pairs, size_t count,
                                   uint32_t repeat) {
    const stream_pair *const end = pairs + count;
    kernel_thread self = {run, KERNEL_THREAD_STATE(run), run->slots, NULL, 0};
    bool good = true;
    for (; repeat != 0 && good; repeat--) {
        const stream_pair *at = pairs;
        /* Of what is left of an operation with null, the loop's own part is a tenth. */
#ifdef __clang__
#pragma unroll 2
#else
#pragma GCC unroll 2
#endif
        do {
            const stream_op op = {at->slot, at->size};
            if (kind != STREAM_RELEASE && op.word == 0) {
                __builtin_unreachable();
            }
            good = kernel_row_step(&self, op, kind, false);
        } while (good && ++at != end);
    }
    (void)atomic_fetch_add_explicit(&run->sink, self.sum, memory_order_relaxed);
    return good;
}

static __attribute__((noinline)) bool kernel_allocate_pure(subject_run *run, const stream_pair *pairs, size_t count,
                                                           uint32_t repeat) {
    return kernel_pure_run(run, STREAM_ALLOCATE, pairs, count, repeat);
}

static __attribute__((noinline)) bool kernel_release_pure(subject_run *run, const stream_pair *pairs, size_t count,
                                                          uint32_t repeat) {
    return kernel_pure_run(run, STREAM_RELEASE, pairs, count, repeat);
}

static __attribute__((noinline)) bool kernel_replace_pure(subject_run *run, const stream_pair *pairs, size_t count,
                                                          uint32_t repeat) {
    return kernel_pure_run(run, STREAM_REPLACE, pairs, count, repeat);
}

static bool kernel_pure(subject_run *run, stream_kind kind, const stream_pair *pairs, size_t count,
                        uint32_t repeat) KERNEL_NOTHROW {
    switch (kind) {
    case STREAM_ALLOCATE:
        return kernel_allocate_pure(run, pairs, count, repeat);
    case STREAM_RELEASE:
        return kernel_release_pure(run, pairs, count, repeat);
    default:
        return kernel_replace_pure(run, pairs, count, repeat);
    }
}

static bool kernel_audit(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat) KERNEL_NOTHROW {
    return kernel_run(run, ops, op_count, repeat, true, NULL);
}

static bool kernel_timed(subject_run *run, const stream_op *ops, size_t op_count, uint32_t repeat,
                         subject_timer *timer) KERNEL_NOTHROW {
    return kernel_run(run, ops, op_count, repeat, false, timer);
}

static subject_held kernel_held(const subject_run *run) KERNEL_NOTHROW {
    const uint32_t from = run->references_from;
    const uint32_t count = from != 0 && from < run->slot_count ? from : run->slot_count;
    subject_held held = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        const void *buffer = atomic_load_explicit(&run->slots[i], memory_order_acquire);
        if (buffer != NULL) {
            held.buffers++;
            held.bytes += buffer_length(buffer);
        }
    }
    return held;
}

static void kernel_discard(subject_run *run) KERNEL_NOTHROW {
    for (uint32_t i = 0; i < run->slot_count; i++) {
        void *buffer = atomic_exchange(&run->slots[i], NULL);
        if (buffer != NULL) {
            buffer_release(KERNEL_THREAD_STATE(run), buffer);
        }
    }
}

/* The definition of a subject's kernel, with the two functions that are its own. */
#define KERNEL_DEFINE(name, prepare_function, finish_function)                                                         \
    const subject_kernel name = {.prepare = (prepare_function),                                                        \
                                 .finish = (finish_function),                                                          \
                                 .play = kernel_play,                                                                  \
                                 .pure = kernel_pure,                                                                  \
                                 .audit = kernel_audit,                                                                \
                                 .timed = kernel_timed,                                                                \
                                 .held = kernel_held,                                                                  \
                                 .discard = kernel_discard,                                                            \
                                 .tells_room = KERNEL_ROOM_TOLD}

#endif
