/* The buffer: a reference-counted handle with its memory, two indices and a capacity that can grow. What is read from it
 * and written to it is in access.h, views of it are in derived.h; this header includes both.
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
 * leak detector says what it knows, then the process aborts, unless POOLBUF_MISUSE=count.
 *
 * Buffers whose bytes nobody may write (read-only ones), or that lie in several pieces (composite.h), use the same trick: the
 * field that the accessors check is 0, their real capacity is kept elsewhere, and the slow path knows what they are. So
 * plain buffers pay nothing for the others. */
#ifndef POOLBUF_BUFFER_H
#define POOLBUF_BUFFER_H

#include <stdbool.h> /* bool */
#include <stddef.h>  /* size_t */
#include <stdint.h>  /* uint8_t and its kind */

#include <poolbuf/allocator.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

POOLBUF_BEGIN_DECLS

/* The largest capacity of a buffer, and what a larger max_capacity is cut to. */
#define POOLBUF_CAPACITY_LIMIT POOLBUF_CAST_(size_t, 0x7fffffff)

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

/* What makes a buffer leave the fast paths: 13 bits of poolbuf.state, above the count. */
typedef enum poolbuf_flag {
    POOLBUF_FLAG_TRACKED = 1 << 0,        /* the leak detector watches it */
    POOLBUF_FLAG_SLICE = 1 << 1,          /* shares the count of its parent */
    POOLBUF_FLAG_RETAINED_SLICE = 1 << 2, /* counts for itself and holds a reference to its parent */
    POOLBUF_FLAG_HAS_SLICES = 1 << 3,     /* slices that die with it hang on it */
    POOLBUF_FLAG_HUGE = 1 << 4,           /* larger than a chunk: has a mapping of its own */
    POOLBUF_FLAG_UNPOOLED = 1 << 5,       /* handle and memory are blocks of malloc */
    POOLBUF_FLAG_ANNOTATED = 1 << 6,      /* Memcheck or AddressSanitizer is told about it */
    POOLBUF_FLAG_READ_ONLY = 1 << 7,      /* no writes: the capacity is hidden, in usable */
    POOLBUF_FLAG_COMPOSITE = 1 << 8,      /* a composite, or a slice of one: no memory, the capacity hidden likewise */
    POOLBUF_FLAG_WRAPPED = 1 << 9,        /* the memory is not the allocator's */
    POOLBUF_FLAG_UNRELEASABLE = 1 << 10,  /* a slice or the empty buffer: retain and release do nothing to it */
    POOLBUF_FLAG_DUPLICATE = 1 << 11,     /* a slice that shows the whole buffer and follows its capacity */
    POOLBUF_FLAG_MARKS = 1 << 12          /* no buffer: keeps the marks of one, and hangs among its slices */
} poolbuf_flag;

typedef enum poolbuf_kind {
    POOLBUF_KIND_DIRECT = 0, /* memory is mapped */
    POOLBUF_KIND_HEAP = 1    /* memory comes from the process heap, a chunk at a time */
} poolbuf_kind;

/* The handle. Who may write: the fields up to max_capacity, whoever may write the bytes; state, anybody, atomically; the
 * rest, the allocator alone. */
typedef struct poolbuf {
    /* The first byte; at usable bytes from here others' memory begins. NULL: the bytes lie in several pieces. */
    uint8_t *memory;
    uint32_t reader_index; /* bytes from the first one */
    uint32_t writer_index; /* bytes from the first one; 0 where it is hidden */
    uint32_t capacity;     /* bytes that may be accessed at memory; 0 in a dead handle, and where it is hidden */
    uint32_t max_capacity; /* bytes */
    /* Atomic; from the lowest bit: 32 bits of references, 13 of poolbuf_flag, 19 of retained slices alive of this buffer, which
     * keep it from moving. */
    uint64_t state;
    struct poolbuf *link; /* in a free list the next handle; alive, the first slice; in a slice, the next one */
    void *origin;         /* what the memory was cut from: a chunk, a parent buffer, an allocator; or a record of it */
    uint32_t usable;      /* bytes of the memory; what capacity can grow to without moving; or the hidden capacity */
    uint32_t position;    /* where in its chunk the memory lies; of a composite's slice, where it begins */
    __extension__ union {
        /* Of a buffer in pieces, whose writer_index is 0: so that a read of it fails the one check as well. */
        uint32_t hidden_writer_index;
        /* Of one that owns memory of the pool or of malloc: what the tracker likes (tracker.h). */
        uint32_t tracker_word;
    };
    uint16_t bin; /* the free list it belongs to, by kind and size class */
    uint8_t slot; /* which of a thread's caches serves it */
    uint8_t kind; /* a poolbuf_kind */
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
 *   cost     the sole owner: a comparison and a store; others: one atomic addition. */
static inline poolbuf *poolbuf_retain(poolbuf *buffer);

/* poolbuf_retain_n() and poolbuf_release_n() add and drop so many references at once.
 *   count    at least 1; 0 does nothing (release: false). The caller owns as many references as it drops.
 *   returns  as poolbuf_retain() and poolbuf_release().
 *   errors   none; passing 2^30 references, or dropping more than there are, is a programming error that changes nothing.
 *   threads, cost  as there. */
POOLBUF_API poolbuf *poolbuf_retain_n(poolbuf *buffer, uint32_t count);
POOLBUF_API bool poolbuf_release_n(poolbuf *buffer, uint32_t count);

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

/* ---- Capacity ----------------------------------------------------------------------------------------------------- */

/* poolbuf_capacity() and poolbuf_max_capacity() are in bytes; poolbuf_memory() lends the first byte.
 *   returns  the memory is valid until the capacity changes or the last reference goes; only bytes below the capacity
 *            may be touched, and those of a read-only buffer only read. A buffer of capacity 0 has a memory too; one whose
 *            bytes may lie in several pieces (a composite, or a slice of one) has none: NULL.
 *   errors   none.     threads  any owner, while none changes the buffer.     cost  one load. */
static inline size_t poolbuf_capacity(const poolbuf *buffer);
static inline size_t poolbuf_max_capacity(const poolbuf *buffer);
static inline uint8_t *poolbuf_memory(const poolbuf *buffer);

/* poolbuf_is_contiguous() tells whether all bytes lie at poolbuf_memory(). poolbuf_bytes_at() lends a range that does lie in
 * one piece, of any buffer.
 *   returns  the range's first byte, or NULL where it is out of bounds or crosses from one component into another. Valid
 *            as poolbuf_memory() is; of a composite also only until components come and go.
 *   errors   none.     threads  as poolbuf_memory().     cost  a comparison; of a composite, a search for the component. */
static inline bool poolbuf_is_contiguous(const poolbuf *buffer);
static inline uint8_t *poolbuf_bytes_at(const poolbuf *buffer, size_t index, size_t length);

/* poolbuf_set_capacity() grows or shrinks a buffer; the bytes that remain keep their values, the indices are cut to the
 * new capacity.
 *   capacity  bytes.
 *   returns   POOLBUF_OK.
 *   errors    POOLBUF_ERROR_MAX_CAPACITY; POOLBUF_ERROR_NO_MEMORY; POOLBUF_ERROR_READ_ONLY; POOLBUF_ERROR_UNSUPPORTED for a
 *             slice, for memory that the allocator does not own, and where the memory would have to move while retained
 *             slices of it are alive; POOLBUF_ERROR_LIVE_BUFFERS where it would have to move and the allocator is destroyed.
 *   threads   the one owner that is using the bytes.
 *   cost      nothing within the size class; else an allocation, a copy and a release; without the copy where a huge direct buffer
 *             stays one (docs/allocator.md says when). The handle's address stays. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_capacity(poolbuf *buffer, size_t capacity);

/* poolbuf_ensure_writable() makes room for so many bytes after the writer index.
 *   returns  POOLBUF_OK; the capacity may now be larger than asked for: up to the size class, else to the next power of
 *            two from 64 B, and from 4 MiB on to the next multiple of 4 MiB, never above max_capacity.
 *   errors   as poolbuf_set_capacity().
 *   threads  the one owner that is using the bytes.
 *   cost     one comparison if the room is there. */
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_ensure_writable(poolbuf *buffer, size_t length);

/* What poolbuf_ensure_writable_try() found; the values are those of Netty's ensureWritable(int, boolean). */
typedef enum poolbuf_room {
    POOLBUF_ROOM_ENOUGH = 0,      /* the room was there */
    POOLBUF_ROOM_CANNOT = 1,      /* it is not there, and the capacity is unchanged */
    POOLBUF_ROOM_GREW = 2,        /* it is there now */
    POOLBUF_ROOM_GREW_TO_MAX = 3, /* the capacity has grown to its maximum, and that is less than was asked for */
} poolbuf_room;

/* poolbuf_ensure_writable_try() does the same and may get less.
 *   force    whether to grow to the maximum where even that is too little.
 *   returns  one of the above.
 *   errors, threads, cost  as poolbuf_ensure_writable(), whose errors are all POOLBUF_ROOM_CANNOT here. */
POOLBUF_API poolbuf_room poolbuf_ensure_writable_try(poolbuf *buffer, size_t length, bool force);

/* poolbuf_writable_bytes() tells how many bytes fit below the capacity; _max_writable_bytes(), below the maximum;
 * _max_fast_writable_bytes(), without moving: what the memory has to spare. All are 0 for a read-only buffer.
 *   errors   none.     threads  any owner, while none changes the buffer.     cost  a few loads. */
static inline size_t poolbuf_writable_bytes(const poolbuf *buffer);
POOLBUF_API size_t poolbuf_max_writable_bytes(const poolbuf *buffer);
POOLBUF_API size_t poolbuf_max_fast_writable_bytes(const poolbuf *buffer);

/* poolbuf_discard_read_bytes() drops what has been read: the readable bytes move to the start, the reader index becomes 0,
 * marks move along, those of bytes that are gone to 0. _discard_some_read_bytes() does so only where the reader index has
 * reached half of the capacity, or all has been read. Composites drop whole components as well, and the capacity shrinks by them.
 *   returns  POOLBUF_OK, also where there was nothing to do.
 *   errors   POOLBUF_ERROR_READ_ONLY; POOLBUF_ERROR_UNSUPPORTED while retained slices look at the bytes.
 *   threads  the one owner that is using the bytes.     cost  a copy of the readable bytes. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_discard_read_bytes(poolbuf *buffer);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_discard_some_read_bytes(poolbuf *buffer);

/* ---- Indices ------------------------------------------------------------------------------------------------------ */

/* The indices, in bytes from the first one. poolbuf_clear() sets both to 0; poolbuf_set_indices() sets both at once.
 *   errors   POOLBUF_ERROR_OUT_OF_BOUNDS: reader above writer, or writer above the capacity; nothing has changed.
 *   threads  the one owner that is using the bytes.     cost  a load or a store. */
static inline size_t poolbuf_reader_index(const poolbuf *buffer);
static inline size_t poolbuf_writer_index(const poolbuf *buffer);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_reader_index(poolbuf *buffer, size_t reader_index);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_writer_index(poolbuf *buffer, size_t writer_index);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_set_indices(poolbuf *buffer, size_t reader_index,
                                                                   size_t writer_index);
static inline size_t poolbuf_readable_bytes(const poolbuf *buffer);
static inline bool poolbuf_is_readable(const poolbuf *buffer, size_t length); /* at least so many bytes */
static inline bool poolbuf_is_writable(const poolbuf *buffer, size_t length);
POOLBUF_NODISCARD static inline poolbuf_status poolbuf_skip_bytes(poolbuf *buffer, size_t length);
static inline void poolbuf_clear(poolbuf *buffer);

/* Marks: an index to come back to, 0 until one is set. They are kept beside the buffer and die with it; a local variable
 * costs less where it will do. _reset_ goes back to the mark.
 *   returns  POOLBUF_OK.
 *   errors   mark: POOLBUF_ERROR_NO_MEMORY. reset: POOLBUF_ERROR_OUT_OF_BOUNDS: the reader would pass the writer, or the
 *            writer the capacity.
 *   threads  the one owner that is using the bytes.
 *   cost     the first mark of a buffer takes a handle from the thread's cache; then a walk over the buffer's slices. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_mark_reader_index(poolbuf *buffer);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_mark_writer_index(poolbuf *buffer);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_reset_reader_index(poolbuf *buffer);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_reset_writer_index(poolbuf *buffer);

/* ---- What a buffer is --------------------------------------------------------------------------------------------- */

/* poolbuf_is_direct() tells the kind of the memory, of a composite the kind that it grows by; poolbuf_owner() lends the
 * allocator.
 *   errors   none.     threads  any owner.     cost  a few loads. */
static inline bool poolbuf_is_direct(const poolbuf *buffer);
static inline bool poolbuf_is_read_only(const poolbuf *buffer);
POOLBUF_API poolbuf_allocator *poolbuf_owner(const poolbuf *buffer);

/* ---- What the inline functions above are made of; not for callers ------------------------------------------------- */

#define POOLBUF_LIKELY_(x)    __builtin_expect(!!(x), 1)
#define POOLBUF_UNLIKELY_(x)  __builtin_expect(!!(x), 0)
#define POOLBUF_RETAIN_LIMIT_ 0x40000000u

POOLBUF_API poolbuf *poolbuf_retain_slow_(poolbuf *buffer);
POOLBUF_API poolbuf_status poolbuf_reserve_slow_(poolbuf *buffer, size_t length);
POOLBUF_API void poolbuf_out_of_bounds_(const poolbuf *buffer);
POOLBUF_API void poolbuf_touch_slow_(poolbuf *buffer, const char *hint);
POOLBUF_API size_t poolbuf_capacity_slow_(const poolbuf *buffer);
POOLBUF_API uint8_t *poolbuf_bytes_at_slow_(const poolbuf *buffer, size_t index, size_t length);
POOLBUF_API poolbuf_status poolbuf_set_indices_slow_(poolbuf *buffer, size_t reader_index, size_t writer_index);

static inline uint64_t poolbuf_state_(const poolbuf *buffer) {
    return __atomic_load_n(&buffer->state, __ATOMIC_RELAXED);
}

static inline poolbuf *poolbuf_retain(poolbuf *buffer) {
    /* The only reference is the caller's, so nobody else can be counting: a store will do. */
    if (poolbuf_state_(buffer) == 1) {
        __atomic_store_n(&buffer->state, (uint64_t)2, __ATOMIC_RELAXED);
        return buffer;
    }
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
    size_t capacity = buffer->capacity;
    return POOLBUF_LIKELY_(capacity != 0) ? capacity : poolbuf_capacity_slow_(buffer);
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
    return POOLBUF_LIKELY_(buffer->memory != NULL) ? buffer->writer_index : buffer->hidden_writer_index;
}

static inline size_t poolbuf_readable_bytes(const poolbuf *buffer) {
    return poolbuf_writer_index(buffer) - buffer->reader_index;
}

static inline bool poolbuf_is_readable(const poolbuf *buffer, size_t length) {
    return poolbuf_readable_bytes(buffer) >= length;
}

static inline bool poolbuf_is_read_only(const poolbuf *buffer) {
    return ((poolbuf_state_(buffer) >> 32) & POOLBUF_FLAG_READ_ONLY) != 0;
}

static inline size_t poolbuf_writable_bytes(const poolbuf *buffer) {
    if (POOLBUF_UNLIKELY_(buffer->capacity == 0)) { /* empty, or hidden */
        return poolbuf_is_read_only(buffer) ? 0 : poolbuf_capacity_slow_(buffer) - poolbuf_writer_index(buffer);
    }
    return (size_t)(buffer->capacity - buffer->writer_index);
}

static inline bool poolbuf_is_writable(const poolbuf *buffer, size_t length) {
    return !poolbuf_is_read_only(buffer) && poolbuf_writable_bytes(buffer) >= length;
}

static inline bool poolbuf_is_contiguous(const poolbuf *buffer) {
    return buffer->memory != NULL;
}

/* Whether a range lies within the bytes that may be read and written at memory; no sum that could wrap. */
static inline bool poolbuf_range_ok_(const poolbuf *buffer, size_t index, size_t length) {
    return (index <= buffer->capacity) & (length <= buffer->capacity - index);
}

/* The same after the writer index, which may lie above a hidden capacity; and after the reader index, which may lie above a
 * hidden writer index. */
static inline bool poolbuf_room_ok_(const poolbuf *buffer, size_t length) {
    int64_t room = (int64_t)buffer->capacity - (int64_t)buffer->writer_index;
    return (length <= INT64_MAX) & ((int64_t)length <= room);
}

static inline bool poolbuf_readable_ok_(const poolbuf *buffer, size_t length) {
    int64_t readable = (int64_t)buffer->writer_index - (int64_t)buffer->reader_index;
    return (length <= INT64_MAX) & ((int64_t)length <= readable);
}

static inline uint8_t *poolbuf_bytes_at(const poolbuf *buffer, size_t index, size_t length) {
    return POOLBUF_LIKELY_(poolbuf_range_ok_(buffer, index, length)) && buffer->capacity != 0
               ? buffer->memory + index
               : poolbuf_bytes_at_slow_(buffer, index, length);
}

static inline bool poolbuf_is_direct(const poolbuf *buffer) {
    return buffer->kind == POOLBUF_KIND_DIRECT;
}

static inline poolbuf_status poolbuf_ensure_writable(poolbuf *buffer, size_t length) {
    if (POOLBUF_LIKELY_(poolbuf_room_ok_(buffer, length) && buffer->capacity != 0)) {
        return POOLBUF_OK;
    }
    return poolbuf_reserve_slow_(buffer, length);
}

static inline poolbuf_status poolbuf_set_reader_index(poolbuf *buffer, size_t reader_index) {
    if (POOLBUF_UNLIKELY_(reader_index > poolbuf_writer_index(buffer))) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    buffer->reader_index = (uint32_t)reader_index;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_set_indices(poolbuf *buffer, size_t reader_index, size_t writer_index) {
    if (POOLBUF_UNLIKELY_(writer_index > buffer->capacity || writer_index < reader_index || buffer->memory == NULL)) {
        return poolbuf_set_indices_slow_(buffer, reader_index, writer_index);
    }
    buffer->reader_index = (uint32_t)reader_index;
    buffer->writer_index = (uint32_t)writer_index;
    return POOLBUF_OK;
}

static inline poolbuf_status poolbuf_set_writer_index(poolbuf *buffer, size_t writer_index) {
    return poolbuf_set_indices(buffer, buffer->reader_index, writer_index);
}

static inline poolbuf_status poolbuf_skip_bytes(poolbuf *buffer, size_t length) {
    if (POOLBUF_UNLIKELY_(poolbuf_readable_bytes(buffer) < length)) {
        poolbuf_out_of_bounds_(buffer);
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (length != 0) {
        buffer->reader_index += (uint32_t)length;
    }
    return POOLBUF_OK;
}

static inline void poolbuf_clear(poolbuf *buffer) {
    buffer->reader_index = 0;
    buffer->writer_index = 0;
    if (POOLBUF_UNLIKELY_(buffer->memory == NULL)) {
        buffer->hidden_writer_index = 0;
    }
}

POOLBUF_END_DECLS

#include <poolbuf/access.h>  /* reading and writing */
#include <poolbuf/derived.h> /* slices and other views */

#if POOLBUF_INLINE
#include <poolbuf/fast_path.h> /* poolbuf_allocate, poolbuf_release */
#endif

#endif
