/* The buffer: a reference-counted handle with its memory, two indices and a capacity that can grow.
 *
 *      0 <= reader_index <= writer_index <= capacity <= max_capacity <= POOLBUF_CAPACITY_LIMIT
 *      [ read already  ][ readable bytes ][ writable ][ may grow to max_capacity ]
 *
 * The handle is 64 bytes, one cache line, and never moves while it is alive: growing changes the memory behind it. A
 * handle in a cache keeps its memory, which is why allocating is cheap, and why its address comes back. Its fields are
 * visible for the inline functions below and for nobody else.
 *
 * Every function here takes a buffer that is not NULL and that the caller has a reference to. Calls that count
 * references, and poolbuf_touch(), may run concurrently on one buffer; all others need the callers to order themselves,
 * as with any plain memory. A call that fails changes nothing.
 *
 * A handle whose last reference is gone has no capacity and no readable bytes. So the one bounds check of each accessor
 * catches the use of a dead buffer as well; what it was is sorted out off the fast path. It is a programming error: the
 * leak detector says what it knows, then the process aborts, unless POOLBUF_MISUSE=count. */
#ifndef POOLBUF_BUFFER_H
#define POOLBUF_BUFFER_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint8_t and its kind */
#include <string.h>  /* memcpy */

#include <poolbuf/allocator.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* The largest capacity of a buffer, and what a larger max_capacity is cut to. */
#define POOLBUF_CAPACITY_LIMIT ((size_t)0x7fffffff)

/* POOLBUF_RECORD_ACCESS 1 makes the inline functions of the including file tell the leak detector about each read and
 * write of a tracked buffer, at the price of one more test each. It is on where assertions are on. Retain, release,
 * slice, growth and touch are reported in every build. */
#ifndef POOLBUF_RECORD_ACCESS
#ifdef NDEBUG
#define POOLBUF_RECORD_ACCESS 0
#else
#define POOLBUF_RECORD_ACCESS 1
#endif
#endif

/* POOLBUF_INLINE 1 puts the fast paths of poolbuf_allocate() and poolbuf_release() into the including file, as inline functions
 * of the same names: no call where the thread's cache serves, at the price of some 150 bytes of code for each. It is on for
 * programs that link the static library by its CMake target or by pkg-config. It may be on for the shared library as well; the
 * program then needs one of the same layout (see fast_path.h) and not just of the same functions. The other calls, and
 * those of code that is compiled without it, are the library's all the same, and the two mix freely. USDT probes and
 * breakpoints on the two functions see what the library's own code does, and so not what is inlined. */
#ifndef POOLBUF_INLINE
#define POOLBUF_INLINE 0
#endif

#if POOLBUF_INLINE
#define POOLBUF_MAYBE_INLINE_ static inline
#else
#define POOLBUF_MAYBE_INLINE_ POOLBUF_API POOLBUF_DIRECT_CALL
#endif

/* What makes a buffer leave the fast paths; the upper half of poolbuf.state. */
typedef enum poolbuf_flag {
    POOLBUF_FLAG_TRACKED = 1 << 0,        /* the leak detector watches it */
    POOLBUF_FLAG_SLICE = 1 << 1,          /* shares the count of its parent */
    POOLBUF_FLAG_RETAINED_SLICE = 1 << 2, /* counts for itself and holds a reference to its parent */
    POOLBUF_FLAG_HAS_SLICES = 1 << 3,     /* slices that die with it hang on it */
    POOLBUF_FLAG_HUGE = 1 << 4,           /* larger than a chunk: has a mapping of its own */
    POOLBUF_FLAG_UNPOOLED = 1 << 5,       /* handle and memory are blocks of malloc */
    POOLBUF_FLAG_ANNOTATED = 1 << 6       /* Memcheck or AddressSanitizer is told about it */
} poolbuf_flag;

typedef enum poolbuf_kind {
    POOLBUF_KIND_DIRECT = 0, /* memory is mapped */
    POOLBUF_KIND_HEAP = 1    /* memory comes from the process heap, a chunk at a time */
} poolbuf_kind;

/* The handle. Who may write: the fields up to max_capacity, whoever may write the bytes; state, anybody, atomically; the
 * rest, the allocator alone. */
typedef struct poolbuf {
    uint8_t *memory;       /* the first byte; at usable bytes from here others' memory begins */
    uint32_t reader_index; /* bytes from memory */
    uint32_t writer_index; /* bytes from memory */
    uint32_t capacity;     /* bytes; 0 in a dead handle */
    uint32_t max_capacity; /* bytes */
    uint64_t state;        /* atomic; references in the lower half, poolbuf_flag in the upper */
    struct poolbuf *link;  /* in a free list the next handle; alive, the first slice; in a slice, the next one */
    void *origin;          /* what the memory was cut from: a chunk, a parent buffer, or an allocator */
    uint32_t usable;       /* bytes of the memory; what capacity can grow to without moving */
    uint32_t position;     /* where in its chunk the memory lies */
    uint32_t shares;       /* atomic; retained slices alive of this buffer, which keep it from moving */
    uint16_t bin;          /* the free list it belongs to, by kind and size class */
    uint8_t slot;          /* which of a thread's caches serves it */
    uint8_t kind;          /* a poolbuf_kind */
} poolbuf;

/* ---- Allocation and references ------------------------------------------------------------------------------------ */

/* poolbuf_allocate() gives a buffer of the allocator's preferred kind; _direct and _heap give that kind.
 *   allocator         NULL means the default one.
 *   initial_capacity  bytes at the start; not set to anything.
 *   max_capacity      bytes that writes may make it grow to; more than POOLBUF_CAPACITY_LIMIT means that limit.
 *   returns           a buffer with one reference, both indices 0; the caller owns the reference.
 *   errors            NULL: no memory, or initial_capacity is larger than max_capacity or than the limit.
 *   threads           any.
 *   cost              a pop from the calling thread's cache; at times a batch from the depot or the arena's lock. */
POOLBUF_MAYBE_INLINE_ POOLBUF_NODISCARD poolbuf *poolbuf_allocate(poolbuf_allocator *allocator, size_t initial_capacity,
                                                                  size_t max_capacity);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_direct(poolbuf_allocator *allocator, size_t initial_capacity,
                                                               size_t max_capacity);
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_allocate_heap(poolbuf_allocator *allocator, size_t initial_capacity,
                                                             size_t max_capacity);

/* poolbuf_release() drops one reference.
 *   buffer   the caller owns one reference on entry and none on return.
 *   returns  true if that was the last reference and the memory went back to the pool.
 *   errors   none; releasing a dead buffer is a programming error (false, where it is only counted).
 *   threads  any, concurrently with other owners of the same buffer.
 *   cost     the sole owner: no atomic operation, a push to the calling thread's cache; others: one atomic subtraction. */
POOLBUF_MAYBE_INLINE_ bool poolbuf_release(poolbuf *buffer);

/* poolbuf_allocate_many() gives many buffers of one size, of the allocator's preferred kind: the same ones, in the same
 * order, as so many calls of poolbuf_allocate() would.
 *   allocator, initial_capacity, max_capacity  as poolbuf_allocate(), for each buffer.
 *   buffers   room for count pointers; may be NULL where count is 0. The first ones are set, as many as were given.
 *   returns   how many: count, unless memory ran out; the caller owns one reference to each.
 *   errors    fewer than count, down to 0: as poolbuf_allocate() gives NULL. What was given stays the caller's.
 *   threads   any.
 *   cost      one look-up a run of buffers that the calling thread's cache has ready; a few stores a buffer. */
POOLBUF_API POOLBUF_DIRECT_CALL POOLBUF_NODISCARD size_t poolbuf_allocate_many(poolbuf_allocator *allocator,
                                                                               size_t initial_capacity,
                                                                               size_t max_capacity, poolbuf **buffers,
                                                                               size_t count);

/* poolbuf_release_many() drops one reference of each buffer, in the order of the list. They may differ in size, kind,
 * allocator, thread and number of references; one that is listed twice loses two.
 *   buffers   count pointers, none NULL; the caller owns one reference for each and none on return. The list itself is
 *             only read. It may be NULL where count is 0.
 *   returns   how many of these were the last reference.
 *   errors    none; a NULL or dead buffer in the list is a programming error (passed over, where it is only counted).
 *   threads   any, concurrently with other owners of the same buffers; not with changes of the list.
 *   cost      one look-up a run of neighbours of one size class that only the caller owns; a few stores each. Others: as
 *             poolbuf_release(). */
POOLBUF_API POOLBUF_DIRECT_CALL size_t poolbuf_release_many(poolbuf **buffers, size_t count);

/* poolbuf_retain() adds one reference.
 *   returns  buffer; the caller owns one reference more.
 *   errors   none; retaining a dead buffer, or more than 2^30 times, is a programming error.
 *   threads  any owner, concurrently with others.
 *   cost     one atomic addition. */
static inline poolbuf *poolbuf_retain(poolbuf *buffer);

/* poolbuf_ref_count() tells how many references there are; of a slice, those of the buffer whose count it shares.
 *   returns  0 for a dead buffer; with other owners about, a figure that may be old already.
 *   errors   none.
 *   threads  any.
 *   cost     one load. */
POOLBUF_API uint32_t poolbuf_ref_count(const poolbuf *buffer);

/* poolbuf_touch() tells the leak detector that the buffer passed here; it does nothing to others than tracked buffers.
 *   hint     a text that outlives the buffer, such as a literal; NULL for none.
 *   errors   none; touching a dead buffer is a programming error.
 *   threads  any owner.
 *   cost     one load; of a tracked buffer, what the detector does. */
static inline void poolbuf_touch(poolbuf *buffer, const char *hint);

/* ---- Capacity and indices ----------------------------------------------------------------------------------------- */

/* poolbuf_capacity() and poolbuf_max_capacity() are in bytes; poolbuf_memory() lends the first byte.
 *   returns  the memory is valid until the capacity changes or the last reference goes; only bytes below the capacity
 *            may be touched. A buffer of capacity 0 has a memory too.
 *   errors   none.     threads  any owner, while none changes the buffer.     cost  one load. */
static inline size_t poolbuf_capacity(const poolbuf *buffer);
static inline size_t poolbuf_max_capacity(const poolbuf *buffer);
static inline uint8_t *poolbuf_memory(const poolbuf *buffer);

/* poolbuf_set_capacity() grows or shrinks a buffer; the bytes that remain keep their values, the indices are cut to the
 * new capacity.
 *   capacity  bytes.
 *   returns   POOLBUF_OK.
 *   errors    POOLBUF_ERROR_MAX_CAPACITY; POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_UNSUPPORTED for a slice, and where the
 *             memory would have to move while retained slices of it are alive; POOLBUF_ERROR_LIVE_BUFFERS where it would
 *             have to move and the allocator is destroyed.
 *   threads   the one owner that is using the bytes.
 *   cost      nothing within the size class; else an allocation, a copy and a release. The handle's address stays. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_capacity(poolbuf *buffer, size_t capacity);

/* poolbuf_ensure_writable() makes room for so many bytes after the writer index.
 *   returns  POOLBUF_OK; the capacity may now be larger than asked for: up to the size class, else to the next power of
 *            two from 64 B, and from 4 MiB on to the next multiple of 4 MiB, never above max_capacity.
 *   errors   as poolbuf_set_capacity().
 *   threads  the one owner that is using the bytes.
 *   cost     one comparison if the room is there. */
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_ensure_writable(poolbuf *buffer, size_t length);

/* The indices, in bytes from the start of the memory. poolbuf_clear() sets both to 0.
 *   errors   POOLBUF_ERROR_OUT_OF_BOUNDS: reader above writer, or writer above the capacity; nothing has changed.
 *   threads  the one owner that is using the bytes.     cost  a load or a store. */
static inline size_t poolbuf_reader_index(const poolbuf *buffer);
static inline size_t poolbuf_writer_index(const poolbuf *buffer);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_reader_index(poolbuf *buffer, size_t reader_index);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_writer_index(poolbuf *buffer, size_t writer_index);
static inline size_t poolbuf_readable_bytes(const poolbuf *buffer);
static inline size_t poolbuf_writable_bytes(const poolbuf *buffer);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_skip_bytes(poolbuf *buffer, size_t length);
static inline void poolbuf_clear(poolbuf *buffer);

/* poolbuf_is_direct() tells the kind; poolbuf_owner() lends the allocator.
 *   errors   none.     threads  any owner.     cost  a few loads. */
static inline bool poolbuf_is_direct(const poolbuf *buffer);
POOLBUF_API poolbuf_allocator *poolbuf_owner(const poolbuf *buffer);

/* ---- Slices ------------------------------------------------------------------------------------------------------- */

/* poolbuf_slice() gives a second view of a range: indices of its own, the same bytes, the same count.
 *   index, length  the range; it lies within the buffer's capacity.
 *   returns        a slice of fixed capacity, readable as a whole. It is not counted: it dies with the buffer's last
 *                  reference, and retaining or releasing it retains or releases the buffer. It follows the buffer's
 *                  memory when that moves. Cutting the buffer's capacity below its end leaves its bytes undefined.
 *   errors         NULL: the range is out of bounds, or no memory.
 *   threads        any owner.
 *   cost           a handle from the calling thread's cache; the buffer's last release then takes its slow path. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_slice(poolbuf *buffer, size_t index, size_t length);

/* poolbuf_retained_slice() gives a slice that counts for itself, for handing to somebody else.
 *   returns  a slice with one reference of its own; it holds one reference to the buffer until its last one goes. While
 *            it lives the buffer's memory does not move, so growing past the size class fails.
 *   errors, threads, cost  as poolbuf_slice(), and one atomic addition. */
POOLBUF_API POOLBUF_NODISCARD poolbuf *poolbuf_retained_slice(poolbuf *buffer, size_t index, size_t length);

/* ---- Reading and writing ------------------------------------------------------------------------------------------ */

/* Bytes. _write_ appends at the writer index and grows the buffer up to max_capacity; _read_ takes from the reader index;
 * _set_ and _get_ work at an index below the capacity, and leave both indices alone.
 *   source, destination  not NULL unless length is 0; must not overlap the range of the buffer.
 *   errors   write: as poolbuf_set_capacity(); others: POOLBUF_ERROR_OUT_OF_BOUNDS.
 *   threads  the one owner that is using the bytes.     cost  one check and a copy. */
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_bytes(poolbuf *buffer, const void *source, size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_bytes(poolbuf *buffer, void *destination, size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_bytes(poolbuf *buffer, size_t index, const void *source,
                                                                 size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_bytes(const poolbuf *buffer, size_t index, void *destination,
                                                                 size_t length);

/* Integers: for each type of u8 i8, and of u16 i16 u32 i32 u64 i64 in big (_be) and little (_le) endian order,
 *     poolbuf_status poolbuf_write_TYPE(poolbuf *buffer, T value);
 *     poolbuf_status poolbuf_read_TYPE(poolbuf *buffer, T *value);
 *     poolbuf_status poolbuf_set_TYPE(poolbuf *buffer, size_t index, T value);
 *     poolbuf_status poolbuf_get_TYPE(const poolbuf *buffer, size_t index, T *value);
 * such as poolbuf_write_u32_be(). They behave as the calls on bytes do; *value is set on success alone. */

/* ---- What the inline functions above are made of; not for callers ------------------------------------------------ */

#define POOLBUF_LIKELY_(x)    __builtin_expect(!!(x), 1)
#define POOLBUF_UNLIKELY_(x)  __builtin_expect(!!(x), 0)
#define POOLBUF_RETAIN_LIMIT_ 0x40000000u

POOLBUF_API poolbuf *poolbuf_retain_slow_(poolbuf *buffer);
POOLBUF_API poolbuf_status poolbuf_reserve_slow_(poolbuf *buffer, size_t length);
POOLBUF_API void poolbuf_out_of_bounds_(const poolbuf *buffer);
POOLBUF_API void poolbuf_touch_slow_(poolbuf *buffer, const char *hint);
POOLBUF_API void poolbuf_record_access_(const poolbuf *buffer, bool write);

static inline uint64_t poolbuf_state_(const poolbuf *buffer) {
    return __atomic_load_n(&buffer->state, __ATOMIC_RELAXED);
}

static inline void poolbuf_note_access_(const poolbuf *buffer, bool write) {
#if POOLBUF_RECORD_ACCESS
    if (POOLBUF_UNLIKELY_((poolbuf_state_(buffer) >> 32) != 0)) {
        poolbuf_record_access_(buffer, write);
    }
#else
    (void)buffer;
    (void)write;
#endif
}

static inline poolbuf *poolbuf_retain(poolbuf *buffer) {
    /* No flag set, and between 1 and 2^30 references: one comparison. The slack above 2^30 takes the threads that pass
     * this check at the same moment. */
    if (POOLBUF_UNLIKELY_(poolbuf_state_(buffer) - 1 >= POOLBUF_RETAIN_LIMIT_ - 1)) {
        return poolbuf_retain_slow_(buffer);
    }
    (void)__atomic_fetch_add(&buffer->state, 1, __ATOMIC_RELAXED);
    return buffer;
}

static inline void poolbuf_touch(poolbuf *buffer, const char *hint) {
    uint64_t state = poolbuf_state_(buffer);
    if (POOLBUF_UNLIKELY_((uint32_t)state == 0 || (state >> 32) != 0)) {
        poolbuf_touch_slow_(buffer, hint);
    }
}

static inline size_t poolbuf_capacity(const poolbuf *buffer) {
    return buffer->capacity;
}

static inline size_t poolbuf_max_capacity(const poolbuf *buffer) {
    return buffer->max_capacity;
}

static inline uint8_t *poolbuf_memory(const poolbuf *buffer) {
    return buffer->memory;
}

static inline size_t poolbuf_reader_index(const poolbuf *buffer) {
    return buffer->reader_index;
}

static inline size_t poolbuf_writer_index(const poolbuf *buffer) {
    return buffer->writer_index;
}

static inline size_t poolbuf_readable_bytes(const poolbuf *buffer) {
    return (size_t)(buffer->writer_index - buffer->reader_index);
}

static inline size_t poolbuf_writable_bytes(const poolbuf *buffer) {
    return (size_t)(buffer->capacity - buffer->writer_index);
}

static inline bool poolbuf_is_direct(const poolbuf *buffer) {
    return buffer->kind == POOLBUF_KIND_DIRECT;
}

static inline poolbuf_status poolbuf_ensure_writable(poolbuf *buffer, size_t length) {
    if (POOLBUF_LIKELY_(poolbuf_writable_bytes(buffer) >= length && buffer->capacity != 0)) {
        return POOLBUF_OK;
    }
    return poolbuf_reserve_slow_(buffer, length);
}

static inline poolbuf_status poolbuf_set_reader_index(poolbuf *buffer, size_t reader_index) {
    if (POOLBUF_UNLIKELY_(reader_index > buffer->writer_index)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    buffer->reader_index = (uint32_t)reader_index;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_set_writer_index(poolbuf *buffer, size_t writer_index) {
    if (POOLBUF_UNLIKELY_(writer_index > buffer->capacity || writer_index < buffer->reader_index)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    buffer->writer_index = (uint32_t)writer_index;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_skip_bytes(poolbuf *buffer, size_t length) {
    if (POOLBUF_UNLIKELY_(poolbuf_readable_bytes(buffer) < length)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    buffer->reader_index += (uint32_t)length;
    return POOLBUF_OK;
}

static inline void poolbuf_clear(poolbuf *buffer) {
    buffer->reader_index = 0;
    buffer->writer_index = 0;
}

/* Whether a range lies within the capacity; no sum that could wrap. */
static inline bool poolbuf_range_ok_(const poolbuf *buffer, size_t index, size_t length) {
    return (index <= buffer->capacity) & (length <= buffer->capacity - index);
}

static inline poolbuf_status poolbuf_write_bytes(poolbuf *buffer, const void *source, size_t length) {
    if (POOLBUF_UNLIKELY_(poolbuf_writable_bytes(buffer) < length)) {
        poolbuf_status status = poolbuf_reserve_slow_(buffer, length);
        if (status != POOLBUF_OK) {
            return status;
        }
    }
    poolbuf_note_access_(buffer, true);
    if (length != 0) {
        memcpy(buffer->memory + buffer->writer_index, source, length);
    }
    buffer->writer_index += (uint32_t)length;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_read_bytes(poolbuf *buffer, void *destination, size_t length) {
    if (POOLBUF_UNLIKELY_(poolbuf_readable_bytes(buffer) < length)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    poolbuf_note_access_(buffer, false);
    if (length != 0) {
        memcpy(destination, buffer->memory + buffer->reader_index, length);
    }
    buffer->reader_index += (uint32_t)length;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_set_bytes(poolbuf *buffer, size_t index, const void *source, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_range_ok_(buffer, index, length))) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    poolbuf_note_access_(buffer, true);
    if (length != 0) {
        memcpy(buffer->memory + index, source, length);
    }
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_get_bytes(const poolbuf *buffer, size_t index, void *destination, size_t length) {
    if (POOLBUF_UNLIKELY_(!poolbuf_range_ok_(buffer, index, length))) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    poolbuf_note_access_(buffer, false);
    if (length != 0) {
        memcpy(destination, buffer->memory + index, length);
    }
    return POOLBUF_OK;
}

#define POOLBUF_SAME_(value) (value)
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define POOLBUF_BE_(bits, value) (value)
#define POOLBUF_LE_(bits, value) __builtin_bswap##bits(value)
#else
#define POOLBUF_BE_(bits, value) __builtin_bswap##bits(value)
#define POOLBUF_LE_(bits, value) (value)
#endif
#define POOLBUF_BE16_(value) POOLBUF_BE_(16, value)
#define POOLBUF_LE16_(value) POOLBUF_LE_(16, value)
#define POOLBUF_BE32_(value) POOLBUF_BE_(32, value)
#define POOLBUF_LE32_(value) POOLBUF_LE_(32, value)
#define POOLBUF_BE64_(value) POOLBUF_BE_(64, value)
#define POOLBUF_LE64_(value) POOLBUF_LE_(64, value)

/* One integer type: T is what callers see, U the unsigned type of its width, order() the way to and from memory.
 * NOLINTBEGIN(bugprone-macro-parentheses): types take none */
#define POOLBUF_INTEGER_(name, T, U, order)                                                                            \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_write_##name(poolbuf *buffer, T value) {                    \
        U stored = (U)order((U)value);                                                                                 \
        return poolbuf_write_bytes(buffer, &stored, sizeof stored);                                                    \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_read_##name(poolbuf *buffer, T *value) {                    \
        U stored = 0; /* callers' compilers cannot see that it is set where it counts */                               \
        poolbuf_status status = poolbuf_read_bytes(buffer, &stored, sizeof stored);                                    \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = (T)order(stored);                                                                                 \
        }                                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_##name(poolbuf *buffer, size_t index, T value) {        \
        U stored = (U)order((U)value);                                                                                 \
        return poolbuf_set_bytes(buffer, index, &stored, sizeof stored);                                               \
    }                                                                                                                  \
    POOLBUF_NODISCARD static inline poolbuf_status poolbuf_get_##name(const poolbuf *buffer, size_t index, T *value) { \
        U stored = 0; /* callers' compilers cannot see that it is set where it counts */                               \
        poolbuf_status status = poolbuf_get_bytes(buffer, index, &stored, sizeof stored);                              \
        if (POOLBUF_LIKELY_(status == POOLBUF_OK)) {                                                                   \
            *value = (T)order(stored);                                                                                 \
        }                                                                                                              \
        return status;                                                                                                 \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

POOLBUF_INTEGER_(u8, uint8_t, uint8_t, POOLBUF_SAME_)
POOLBUF_INTEGER_(i8, int8_t, uint8_t, POOLBUF_SAME_)
POOLBUF_INTEGER_(u16_be, uint16_t, uint16_t, POOLBUF_BE16_)
POOLBUF_INTEGER_(u16_le, uint16_t, uint16_t, POOLBUF_LE16_)
POOLBUF_INTEGER_(i16_be, int16_t, uint16_t, POOLBUF_BE16_)
POOLBUF_INTEGER_(i16_le, int16_t, uint16_t, POOLBUF_LE16_)
POOLBUF_INTEGER_(u32_be, uint32_t, uint32_t, POOLBUF_BE32_)
POOLBUF_INTEGER_(u32_le, uint32_t, uint32_t, POOLBUF_LE32_)
POOLBUF_INTEGER_(i32_be, int32_t, uint32_t, POOLBUF_BE32_)
POOLBUF_INTEGER_(i32_le, int32_t, uint32_t, POOLBUF_LE32_)
POOLBUF_INTEGER_(u64_be, uint64_t, uint64_t, POOLBUF_BE64_)
POOLBUF_INTEGER_(u64_le, uint64_t, uint64_t, POOLBUF_LE64_)
POOLBUF_INTEGER_(i64_be, int64_t, uint64_t, POOLBUF_BE64_)
POOLBUF_INTEGER_(i64_le, int64_t, uint64_t, POOLBUF_LE64_)

POOLBUF_END_DECLS

#if POOLBUF_INLINE
#include <poolbuf/fast_path.h> /* poolbuf_allocate, poolbuf_release */
#endif

#endif
