/* The part of the kernel that plays on whole contents, on shared buffers and on messages of several buffers: READ to
 * ASSEMBLE in stream.h, and a WRITE of every byte. Part of kernel.h, which includes it and says what a subject defines
 * for it.
 *
 * The default view is what a C program does that has counted buffers and no slices: a small counted buffer that names
 * the bytes it shows and has a reference to the buffer that they are in. The default message is a list of its parts,
 * each a reference and an iovec, in a buffer of its own. A subject that can do better brings its own.
 *
 * WRITE puts the slot's number everywhere but to the last byte, which kernel_mark() has written; so a view has one
 * value everywhere but perhaps at its end, and the auditing form needs not know what it is a view of. */
#ifndef POOLBUF_BENCH_KERNEL_SHARED_H
#define POOLBUF_BENCH_KERNEL_SHARED_H

#include <sys/uio.h>

#ifndef KERNEL_HAS_VIEWS
/* What a view's buffer holds. Copied in and out, as a subject's memory may be aligned to less. */
typedef struct kernel_view {
    void *parent;
    uint8_t *memory;
    size_t size;
} kernel_view;

#ifdef __cplusplus
static_assert(sizeof(kernel_view) <= STREAM_VIEW_SIZE, "stream.h says what a view takes");
#else
_Static_assert(sizeof(kernel_view) <= STREAM_VIEW_SIZE, "stream.h says what a view takes");
#endif

KERNEL_INLINE kernel_view kernel_view_of(KERNEL_STATE *state, void *handle) {
    kernel_view view;
    memcpy(&view, buffer_memory(state, handle), sizeof view);
    return view;
}

#ifdef KERNEL_COUNT
/* The macro is the subject's and may name a type of its own, so no parameter here has a name that a type could have. */
/* The only reference is the caller's, so nobody else counts: a store will do, as a load will for the last release. */
KERNEL_INLINE void buffer_retain(KERNEL_STATE *state, void *kernel_handle) {
    (void)state;
    if (atomic_load_explicit(KERNEL_COUNT(kernel_handle), memory_order_relaxed) == 1) {
        atomic_store_explicit(KERNEL_COUNT(kernel_handle), 2, memory_order_relaxed);
    } else {
        (void)atomic_fetch_add_explicit(KERNEL_COUNT(kernel_handle), 1, memory_order_relaxed);
    }
}

KERNEL_INLINE bool buffer_release_last(KERNEL_STATE *state, void *kernel_handle) {
    if (atomic_load_explicit(KERNEL_COUNT(kernel_handle), memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(KERNEL_COUNT(kernel_handle), 1, memory_order_acq_rel) != 1) {
        return false;
    }
    atomic_store_explicit(KERNEL_COUNT(kernel_handle), 1, memory_order_relaxed);
    buffer_release(state, kernel_handle);
    return true;
}

KERNEL_INLINE bool buffer_is_sole(const void *kernel_handle) {
    return atomic_load_explicit(KERNEL_COUNT((void *)(uintptr_t)kernel_handle), memory_order_acquire) == 1;
}
#else
/* kernel_can_serve() keeps streams that share away from here. */
KERNEL_INLINE void buffer_retain(KERNEL_STATE *state, void *buffer) {
    (void)state;
    (void)buffer;
}

KERNEL_INLINE bool buffer_release_last(KERNEL_STATE *state, void *buffer) {
    buffer_release(state, buffer);
    return true;
}

KERNEL_INLINE bool buffer_is_sole(const void *buffer) {
    (void)buffer;
    return true;
}
#endif

KERNEL_INLINE void *buffer_slice(KERNEL_STATE *state, void *buffer, uint32_t offset, uint32_t size) {
    void *handle = buffer_allocate(state, (uint32_t)sizeof(kernel_view));
    if (handle != NULL) {
        const kernel_view view = {buffer, buffer_memory(state, buffer) + offset, size};
        memcpy(buffer_memory(state, handle), &view, sizeof view);
        buffer_retain(state, buffer);
    }
    return handle;
}

KERNEL_INLINE uint8_t *view_memory(KERNEL_STATE *state, void *view) {
    return kernel_view_of(state, view).memory;
}

KERNEL_INLINE uint32_t view_size(KERNEL_STATE *state, void *view) {
    return (uint32_t)kernel_view_of(state, view).size;
}

KERNEL_INLINE void *view_parent(KERNEL_STATE *state, void *view) {
    return kernel_view_of(state, view).parent;
}

KERNEL_INLINE void view_release(KERNEL_STATE *state, void *view) {
    void *parent = view_parent(state, view);
    buffer_release(state, view);
    buffer_release(state, parent);
}
#endif

#ifndef KERNEL_HAS_MESSAGES
/* One part of a message. */
typedef struct kernel_part {
    void *buffer;
    struct iovec piece;
} kernel_part;

#ifdef __cplusplus
static_assert(sizeof(kernel_part) <= STREAM_PART_SIZE, "stream.h says what a part takes");
#else
_Static_assert(sizeof(kernel_part) <= STREAM_PART_SIZE, "stream.h says what a part takes");
#endif

/* Takes the buffers over, in any case; gives the bytes of all of them. */
KERNEL_INLINE bool buffer_assemble(KERNEL_STATE *state, KERNEL_BUFFER **buffers, uint32_t count, size_t *size) {
    void *list = buffer_allocate(state, count * (uint32_t)sizeof(kernel_part));
    *size = 0;
    for (uint32_t i = 0; i < count && list != NULL; i++) {
        const kernel_part part = {buffers[i], {buffer_memory(state, buffers[i]), buffer_length(buffers[i])}};
        memcpy(buffer_memory(state, list) + i * sizeof part, &part, sizeof part);
    }
    for (uint32_t i = 0; i < count; i++) {
        kernel_part part = {buffers[i], {NULL, 0}};
        if (list != NULL && !KERNEL_SHARES_MEMORY) {
            KERNEL_OBSERVE(list);
            memcpy(&part, buffer_memory(state, list) + i * sizeof part, sizeof part);
        }
        *size += KERNEL_SHARES_MEMORY ? buffer_length(buffers[i]) : part.piece.iov_len;
        buffer_release(state, (KERNEL_BUFFER *)part.buffer);
    }
    if (list != NULL) {
        buffer_release(state, (KERNEL_BUFFER *)list);
    }
    return list != NULL;
}
#endif

/* ---- Whole contents ---- */

/* Two words, which every x86-64 and ARM processor of 64 bits adds at once. */
typedef uint64_t kernel_words __attribute__((vector_size(16)));

KERNEL_INLINE kernel_words kernel_words_at(const uint8_t *memory) {
    kernel_words words;
    memcpy(&words, memory, sizeof words);
    return words;
}

/* Every byte once, as fast as a program does that looks for a byte or copies: a cache line at a time, in four sums that do not
 * wait for each other. The same code for all subjects. */
static __attribute__((noinline)) uint32_t kernel_sum(const uint8_t *memory, size_t size) {
    kernel_words first = {0, 0};
    kernel_words second = first;
    kernel_words third = first;
    kernel_words fourth = first;
    size_t at = 0;
    for (; at + 4 * sizeof first <= size; at += 4 * sizeof first) {
        first += kernel_words_at(memory + at);
        second += kernel_words_at(memory + at + sizeof first);
        third += kernel_words_at(memory + at + 2 * sizeof first);
        fourth += kernel_words_at(memory + at + 3 * sizeof first);
    }
    first += second + third + fourth;
    uint64_t sum = first[0] + first[1];
    for (; at + sizeof(uint64_t) <= size; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, memory + at, sizeof word);
        sum += word;
    }
    for (; at < size; at++) {
        sum += memory[at];
    }
    return (uint32_t)(sum ^ sum >> 32);
}

/* Auditing: has it one value everywhere, but perhaps that value's complement at the end? */
static inline bool kernel_is_filled(const uint8_t *memory, size_t size) {
    for (size_t i = 1; i < size; i++) {
        if (memory[i] != memory[0] && !(i == size - 1 && (memory[i] ^ memory[0]) == UINT8_MAX)) {
            return false;
        }
    }
    return true;
}

static __attribute__((noinline)) bool kernel_write_all(kernel_thread *self, stream_op op, bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    const uint32_t length = buffer_length(buffer);
    uint8_t *memory = buffer_memory(self->state, buffer);
    if (length > 1) {
        memset(memory, (uint8_t)op.slot, length - 1);
    }
    KERNEL_OBSERVE(memory);
    return !audit || kernel_check(self, buffer, op.slot);
}

static __attribute__((noinline)) bool kernel_read(kernel_thread *self, stream_op op, bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    const bool is_view = stream_op_size(op) == STREAM_FORM_VIEW;
    const uint8_t *memory = is_view ? view_memory(self->state, buffer) : buffer_memory(self->state, buffer);
    const uint32_t length = is_view ? view_size(self->state, buffer) : buffer_length(buffer);
    self->sum += kernel_sum(memory, length);
    if (audit && !KERNEL_SHARES_MEMORY && !kernel_is_filled(memory, length)) {
        return subject_fail(self->run, SUBJECT_CONTENTS_LOST);
    }
    return true;
}

static __attribute__((noinline)) bool kernel_append(kernel_thread *self, stream_op op, bool audit) {
    const uint32_t more = stream_op_size(op);
    void *old = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(old == NULL)) {
        return false;
    }
    const kernel_entry entry = kernel_entry_of(old);
    if (audit && !kernel_check(self, old, op.slot)) {
        return false;
    }
    void *buffer = buffer_append(self->state, old, more);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    /* The old end becomes part of the middle. */
    uint8_t *memory = buffer_memory(self->state, buffer);
    const uint32_t first = entry.size > 1 ? entry.size - 1 : entry.size;
    memset(memory + first, (uint8_t)op.slot, entry.size + more - first);
    if (entry.size + more > 1) {
        memory[entry.size + more - 1] = (uint8_t)~op.slot;
    }
    KERNEL_OBSERVE(memory);
    if (audit) {
        kernel_count_dead(self->run, entry);
        kernel_count_born(self->run, buffer);
    }
    atomic_store_explicit(&self->slots[op.slot], buffer, memory_order_release);
    return !audit || kernel_check(self, buffer, op.slot);
}

/* ---- Sharing ---- */

KERNEL_INLINE bool kernel_hold(kernel_thread *self, stream_op op) {
    self->hand->buffer = kernel_full(self, op.slot);
    self->hand->cursor = 0;
    return self->hand->buffer != NULL;
}

KERNEL_INLINE bool kernel_empty(kernel_thread *self, uint32_t index) {
    subject_slot *slot = &self->slots[index];
    return KERNEL_UNLIKELY(atomic_load_explicit(slot, memory_order_acquire) == NULL) ||
           subject_wait_empty(self->run, slot);
}

/* The buffer stays where it is until there is room for it, so that a play that fails leaves it in a slot. */
KERNEL_INLINE bool kernel_give(kernel_thread *self, stream_op op) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL || !kernel_empty(self, stream_op_target(op)))) {
        return false;
    }
    atomic_store_explicit(&self->slots[op.slot], NULL, memory_order_release);
    atomic_store_explicit(&self->slots[stream_op_target(op)], buffer, memory_order_release);
    return true;
}

KERNEL_INLINE bool kernel_retain(kernel_thread *self, stream_op op) {
    if (KERNEL_UNLIKELY(!kernel_empty(self, op.slot))) {
        return false;
    }
    buffer_retain(self->state, self->hand->buffer);
    atomic_store_explicit(&self->slots[op.slot], self->hand->buffer, memory_order_release);
    return true;
}

KERNEL_INLINE bool kernel_slice(kernel_thread *self, stream_op op) {
    if (KERNEL_UNLIKELY(!kernel_empty(self, op.slot))) {
        return false;
    }
    void *view = buffer_slice(self->state, self->hand->buffer, self->hand->cursor, stream_op_size(op));
    if (KERNEL_UNLIKELY(view == NULL)) {
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    self->hand->cursor += stream_op_size(op);
    atomic_store_explicit(&self->slots[op.slot], view, memory_order_release);
    return true;
}

/* Auditing: drops a reference, and counts the buffer as dead if it was the last. Where nobody else can have one, it is
 * dead before it is released: its memory may serve somebody else at once. */
static inline void kernel_drop_counted(kernel_thread *self, void *buffer) {
    const kernel_entry entry = kernel_entry_of(buffer);
    if (buffer_is_sole(buffer)) {
        kernel_count_dead(self->run, entry);
        buffer_release(self->state, buffer);
    } else if (buffer_release_last(self->state, buffer)) {
        kernel_count_dead(self->run, entry);
    }
}

/* Auditing: the parent is kept for a moment, to see whether the view's reference to it was the last. */
static inline void kernel_drop_view_counted(kernel_thread *self, void *view) {
    void *parent = view_parent(self->state, view);
    buffer_retain(self->state, parent);
    view_release(self->state, view);
    kernel_drop_counted(self, parent);
}

static __attribute__((noinline)) bool kernel_drop_share_audited(kernel_thread *self, void *buffer, bool is_view) {
    bool good = true;
#ifdef KERNEL_COUNTS_NOT
    is_view ? view_release(self->state, buffer) : buffer_release(self->state, buffer);
#else
    const uint32_t size = is_view ? view_size(self->state, buffer) : buffer_length(buffer);
    const uint8_t *memory = is_view ? view_memory(self->state, buffer) : buffer_memory(self->state, buffer);
    if (is_view ? !kernel_is_filled(memory, size) : size > 1 && (memory[0] ^ memory[size - 1]) != UINT8_MAX) {
        good = subject_fail(self->run, SUBJECT_CONTENTS_LOST);
    }
    if (is_view) {
        kernel_drop_view_counted(self, buffer);
    } else {
        kernel_drop_counted(self, buffer);
    }
#endif
    return good;
}

KERNEL_INLINE bool kernel_drop_share(kernel_thread *self, stream_op op, const bool audit) {
    void *buffer = kernel_full(self, op.slot);
    if (KERNEL_UNLIKELY(buffer == NULL)) {
        return false;
    }
    atomic_store_explicit(&self->slots[op.slot], NULL, memory_order_release);
    const bool is_view = stream_op_size(op) == STREAM_FORM_VIEW;
    if (audit) {
        return kernel_drop_share_audited(self, buffer, is_view);
    }
    if (is_view) {
        self->sum += view_memory(self->state, buffer)[0];
        view_release(self->state, buffer);
    } else {
        self->sum += buffer_memory(self->state, buffer)[0];
        buffer_release(self->state, buffer);
    }
    return true;
}

/* ---- Messages ---- */

static __attribute__((noinline)) bool kernel_assemble(kernel_thread *self, stream_op op, bool audit) {
    KERNEL_BUFFER *parts[STREAM_PARTS_MAX];
    const uint32_t count = stream_op_size(op);
    uint64_t expected = 0;
    size_t size = 0;
    bool good = true;
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (KERNEL_BUFFER *)kernel_full(self, op.slot + i);
        if (KERNEL_UNLIKELY(parts[i] == NULL)) {
            for (uint32_t taken = 0; taken < i; taken++) {
                buffer_release(self->state, parts[taken]);
            }
            return false;
        }
        atomic_store_explicit(&self->slots[op.slot + i], NULL, memory_order_release);
        if (audit) {
            good = kernel_check(self, parts[i], op.slot + i) && good;
            expected += buffer_length(parts[i]);
            kernel_count_dead(self->run, kernel_entry_of(parts[i]));
        }
    }
    if (KERNEL_UNLIKELY(!buffer_assemble(self->state, parts, count, &size))) {
        return subject_fail(self->run, SUBJECT_NO_MEMORY);
    }
    self->sum += (uint32_t)size;
    if (audit && size != expected) {
        good = subject_fail(self->run, SUBJECT_CONTENTS_LOST);
    }
    return good;
}

/* The kinds that are here. One call for all of them: inline, they would take registers from the others, and a jump more
 * is little beside what each of these does. */
static __attribute__((noinline)) bool kernel_share(kernel_thread *self, stream_op op, bool audit) {
    switch (stream_op_kind(op)) {
    case STREAM_READ:
        return kernel_read(self, op, audit);
    case STREAM_APPEND:
        return kernel_append(self, op, audit);
    case STREAM_HOLD:
        return stream_op_is_give(op) ? kernel_give(self, op) : kernel_hold(self, op);
    case STREAM_RETAIN:
        return kernel_retain(self, op);
    case STREAM_SLICE:
        return kernel_slice(self, op);
    case STREAM_DROP:
        return kernel_drop_share(self, op, audit);
    case STREAM_ASSEMBLE:
        return kernel_assemble(self, op, audit);
    default:
        return true;
    }
}

/* ---- What cannot be played ---- */

#if defined(KERNEL_HAS_VIEWS) || defined(KERNEL_COUNT)
static inline __attribute__((unused)) bool kernel_can_serve(subject_run *run) {
    (void)run;
    return true;
}
#else
static inline bool kernel_shares(const stream_thread *part) {
    for (size_t i = 0; i < part->op_count; i++) {
        const stream_kind kind = stream_op_kind(part->ops[i]);
        if (kind == STREAM_RETAIN || kind == STREAM_SLICE) {
            return true;
        }
    }
    return false;
}

/* Where buffers cannot be shared, a stream that shares them is not for this subject. */
static inline __attribute__((unused)) bool kernel_can_serve(subject_run *run) {
    const stream *played = run->source;
    for (uint32_t p = 0; played != NULL && p < played->phase_count; p++) {
        for (uint32_t t = 0; t < played->thread_count; t++) {
            if (kernel_shares(&played->phases[p].threads[t])) {
                return subject_cannot_serve(run, "the scenario shares buffers, and this subject defines neither "
                                                 "KERNEL_COUNT nor KERNEL_HAS_VIEWS");
            }
        }
    }
    return true;
}
#endif

#endif
