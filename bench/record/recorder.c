/* The recorder's inside; see recorder.h for its rules, spool.h for where events go, trace.h for how they look. */
#include "record/recorder.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "record/event_lock.h"
#include "record/spool.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; older kernels answer EINVAL */
#endif

#define EVENT_ROOM   ((size_t)32) /* what writing an event may touch: numbers are stored four bytes at a time */
#define TAG_NONE     UINT64_MAX   /* no thread's */
#define MAP_START    1024u
#define WINDOW_SIZE  ((size_t)1 << 20)  /* of the spool, so much is mapped at once: it may count, and be locked */
#define WINDOW_FIRST ((size_t)16 << 10) /* taken of the disk first; few processes of a build need more */
#define WINDOW_LEAST ((size_t)4096)     /* a disk that is nearly full has room for a smaller piece */
#define ATTEMPTS_MAX 1000

/* Checkpoints lie at least CHECKPOINT_FIRST events apart, and an eighth of the events so far: TRACE_EVENTS_MAX of them
 * have fewer than 90. */
#define CHECKPOINT_FIRST 1024u
#define CHECKPOINT_SHARE 8u

/* What happens with each event is compiled into its few callers, and the rest kept out of the way. */
#define EACH_EVENT static inline __attribute__((always_inline))
#define RARELY     static __attribute__((noinline))
#define LIKELY(x)  __builtin_expect(!!(x), 1)

#define STATE_OPEN    UINT32_C(0x70627265)
#define STATE_REFUSED UINT32_C(0x6f666621)

typedef struct map_entry {
    uintptr_t address; /* 0: free; linear probing, deletion moves entries back, so no tombstones */
    uint32_t slot;
    uint32_t size; /* as recorded */
} map_entry;

/* All of it under the lock, but for `open`, which is read before the lock to pass by quickly. Zero is a valid start:
 * the kernel may zero the page at any fork. */
typedef struct state {
    event_lock lock;
    _Atomic uint32_t
        open;       /* 0: not yet in this process; STATE_OPEN; STATE_REFUSED: cannot record, or recorded enough */
    uint32_t epoch; /* the process's id: tells a thread that its number is from before a fork */
    spool_header *spool;
    uint8_t *next, *window_end; /* in the window, the piece of the spool that is mapped; writable up to window_end */
    uint8_t *mapped_end;
    uintptr_t origin;     /* where the first event would be, were all of the spool mapped */
    uint64_t events_room; /* bytes of events that the spool has room for */
    uint8_t *room_end;    /* up to here an event may begin: it fits the window, and the limit has not been reached */
    map_entry *map;
    size_t map_size, map_count;
    uint32_t *free_slots;
    size_t free_count, free_room;
    uint32_t *held; /* of buffers: references by slot, as far as events say; NULL otherwise */
    size_t held_room;
    uint32_t slot_next, thread_next, thread_last;
    uint64_t tag_last; /* of the thread of the last event */
    uint64_t max_events;
    uint64_t live_bytes;           /* what the events add up to, for checkpoints, as live_buffers */
    uint64_t next_checkpoint, due; /* event counts; due: of a checkpoint or the limit, whichever comes first */
    uint64_t live_buffers; /* apart from live_bytes: as a pair, read at once after a write of one, they are slow */
    map_entry *_Atomic map_hint; /* the map, before the lock is held: to be prefetched from, never read */
    _Atomic size_t mask_hint;
} state;

/* A forked child finds the page zeroed, but not these: they tell it what it has inherited and can unmap. */
typedef struct inherited {
    void *at;
    size_t size;
} inherited;

enum {
    INHERITED_SPOOL,
    INHERITED_WINDOW,
    INHERITED_MAP,
    INHERITED_SLOTS,
    INHERITED_HELD,
    INHERITED_COUNT
};

static state *_Atomic the_state; /* the wiped page */
static inherited mappings[INHERITED_COUNT];

/* What the environment told the first process of this image: a program may have cleared it before it forks. */
static struct {
    char folder[PATH_MAX];
    uint64_t max_events;
    bool is_known;
} told;
static pthread_mutex_t first_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct thread_state {
    uint64_t tag; /* the epoch and the thread's number; no thread has the tag 0, which a new thread finds here */
    volatile bool
        busy; /* this thread is inside the recorder (R4), or passed by; a signal handler of it may read this */
} thread_state;

static __thread thread_state thread_self __attribute__((tls_model("initial-exec")));

EACH_EVENT size_t hash_of(uintptr_t address) {
    return (size_t)((((uint64_t)address >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static void *map_pages(size_t size) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? at : NULL;
}

/* Replaces one of the mappings that a child may have to unmap. */
static void keep(int which, void *at, size_t size) {
    inherited old = mappings[which];
    mappings[which] = (inherited){at, size};
    if (old.at != NULL) {
        (void)munmap(old.at, old.size);
    }
}

static void stop(state *self, spool_end why) {
    self->spool->end = (int32_t)why;
    self->room_end = NULL;
    atomic_store_explicit(&self->open, STATE_REFUSED, memory_order_release);
}

/* The base name of what was executed, from the kernel's own notes: no call that might allocate, and a link's name
 * rather than that of the file it leads to. */
static void name_program(char *name) {
    const char *path = (const char *)getauxval(AT_EXECFN);
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    const char *base = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < TRACE_NAME_MAX && base != NULL && base[i] != '\0'; i++) {
        name[i] = base[i];
    }
}

static uint64_t read_limit(void) {
    const char *text = getenv(SPOOL_ENV_MAX_EVENTS);
    uint64_t limit = 0;
    for (; text != NULL && *text >= '0' && *text <= '9' && limit <= TRACE_EVENTS_MAX; text++) {
        limit = limit * 10 + (uint64_t)(*text - '0');
    }
    return limit == 0 || limit > TRACE_EVENTS_MAX ? TRACE_EVENTS_MAX : limit;
}

static bool be_told(void) {
    const char *folder = getenv(SPOOL_ENV_FOLDER);
    if (!told.is_known && folder != NULL && strlen(folder) < sizeof told.folder) {
        memcpy(told.folder, folder, strlen(folder) + 1);
        told.max_events = read_limit();
        told.is_known = true;
    }
    return told.is_known;
}

/* A new file in the recording's folder. A process that runs one image after the other finds its first name taken. */
static int create_file(const char *folder) {
    char path[PATH_MAX];
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        int n = snprintf(path, sizeof path, "%s/%d.%d", folder, (int)getpid(), i);
        if (n < 0 || (size_t)n >= sizeof path) {
            return -1;
        }
        int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file >= 0 || errno != EEXIST) {
            return file;
        }
    }
    return -1;
}

/* A full disk must not kill the program: populating reports it here, where a plain write would raise SIGBUS. */
static bool populate(void *at, size_t size) {
    return madvise(at, size, MADV_POPULATE_WRITE) == 0 || (errno != EFAULT && errno != ENOMEM);
}

/* Sets when emit_due() is called next. Once the limit is reached, the next event goes to make_way(), which ends the
 * recording: one of just so many events is complete. */
static void set_due(state *self) {
    self->due = self->next_checkpoint < self->max_events ? self->next_checkpoint : self->max_events;
    if (self->spool->event_count >= self->max_events) {
        self->room_end = NULL;
        self->due = UINT64_MAX;
    }
}

/* As large as the limit of events asks for, or as the process may make a file: to ask for more would raise SIGXFSZ. */
static size_t spool_size(const state *self) {
    const size_t size = SPOOL_HEADER_SIZE + (size_t)(self->max_events * SPOOL_EVENT_SIZE) + EVENT_ROOM;
    struct rlimit most;
    return getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur < size ? (size_t)most.rlim_cur : size;
}

static void *map_start(int file, size_t size) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    return at != MAP_FAILED ? at : NULL;
}

/* Maps a new file's header, writable, and its first window. A file that cannot be is cut to a size that says why.
 *   returns  false when there is no room or no memory. */
static bool map_file(state *self, int file, size_t size) {
    int refused = SPOOL_REFUSED_SPACE;
    if (size > SPOOL_HEADER_SIZE + EVENT_ROOM && ftruncate(file, (off_t)size) == 0) {
        const size_t first = size < SPOOL_HEADER_SIZE + WINDOW_SIZE ? size : SPOOL_HEADER_SIZE + WINDOW_SIZE;
        void *header = map_start(file, SPOOL_HEADER_SIZE);
        uint8_t *window = map_start(file, first);
        if (header != NULL && window != NULL && populate(header, SPOOL_HEADER_SIZE)) {
            keep(INHERITED_SPOOL, header, SPOOL_HEADER_SIZE);
            keep(INHERITED_WINDOW, window, first);
            self->spool = header;
            self->next = self->window_end = window + SPOOL_HEADER_SIZE;
            self->mapped_end = window + first;
            self->origin = (uintptr_t)self->next;
            self->events_room = size - SPOOL_HEADER_SIZE;
            return true;
        }
        refused = header == NULL || window == NULL ? SPOOL_REFUSED_MEMORY : SPOOL_REFUSED_SPACE;
        (void)(header != NULL && munmap(header, SPOOL_HEADER_SIZE));
        (void)(window != NULL && munmap(window, first));
    }
    (void)!ftruncate(file, refused); /* benign: then the reader finds no header, and does not know why */
    return false;
}

/* A child that has changed its user or its root directory cannot make a file where its parent could. It still has its
 * parent's spool mapped, and counts itself there. */
static void count_lost(void) {
    spool_header *inherited_from = mappings[INHERITED_SPOOL].at;
    if (inherited_from != NULL) {
        atomic_fetch_add(&inherited_from->lost_children, 1);
    }
}

static bool open_spool(state *self) {
    const int file = be_told() ? create_file(told.folder) : -1;
    if (file < 0) {
        count_lost();
        return false;
    }
    self->max_events = told.max_events;
    self->next_checkpoint = CHECKPOINT_FIRST;
    self->tag_last = TAG_NONE;
    const bool fine = map_file(self, file, spool_size(self));
    (void)close(file);
    if (!fine) {
        return false;
    }
    memcpy(self->spool->magic, SPOOL_MAGIC, sizeof self->spool->magic);
    name_program(self->spool->program);
    self->spool->pid = (int32_t)getpid();
    self->spool->source = recorder_source();
    set_due(self);
    return true;
}

static void hint_at_map(state *self) {
    atomic_store_explicit(&self->map_hint, self->map, memory_order_relaxed);
    atomic_store_explicit(&self->mask_hint, self->map_size - 1, memory_order_relaxed);
}

static bool open_tables(state *self) {
    self->map_size = MAP_START;
    self->free_room = MAP_START;
    self->map = map_pages(self->map_size * sizeof *self->map);
    self->free_slots = map_pages(self->free_room * sizeof *self->free_slots);
    if (self->map == NULL || self->free_slots == NULL) {
        return false;
    }
    keep(INHERITED_MAP, self->map, self->map_size * sizeof *self->map);
    hint_at_map(self);
    keep(INHERITED_SLOTS, self->free_slots, self->free_room * sizeof *self->free_slots);
    if (recorder_source() == TRACE_OF_BUFFERS) {
        self->held_room = MAP_START;
        self->held = map_pages(self->held_room * sizeof *self->held);
        keep(INHERITED_HELD, self->held, self->held_room * sizeof *self->held);
    }
    return recorder_source() != TRACE_OF_BUFFERS || self->held != NULL;
}

/* Opens this process's recording, under the lock. Before libc has set its environment there is nothing to read the
 * folder from: such early calls go unrecorded, and what they allocated counts as unknown when it is released. */
static void open_recording(state *self) {
    if (environ != NULL || told.is_known) {
        const int kept = errno;
        self->epoch = (uint32_t)getpid();
        bool fine = open_spool(self);
        if (fine && !open_tables(self)) {
            self->spool->end = SPOOL_NO_MEMORY;
            fine = false;
        }
        atomic_store_explicit(&self->open, fine ? STATE_OPEN : STATE_REFUSED, memory_order_release);
        errno = kept;
    }
}

/* The page itself, made once a program image; children inherit it, wiped. */
static state *make_state(void) {
    const int kept = errno;
    (void)pthread_mutex_lock(&first_lock);
    state *self = atomic_load_explicit(&the_state, memory_order_relaxed);
    if (self == NULL) {
        size_t size = (sizeof *self + 4095) / 4096 * 4096;
        self = map_pages(size);
        if (self != NULL && madvise(self, size, MADV_WIPEONFORK) != 0) {
            atomic_store_explicit(&self->open, STATE_REFUSED, memory_order_relaxed);
        }
        atomic_store_explicit(&the_state, self, memory_order_release);
    }
    (void)pthread_mutex_unlock(&first_lock);
    errno = kept;
    return self;
}

RARELY state *enter_slowly(state *self) {
    if (thread_self.busy ||
        (self != NULL && atomic_load_explicit(&self->open, memory_order_acquire) == STATE_REFUSED)) {
        return NULL;
    }
    thread_self.busy = true;
    self = self != NULL ? self : make_state();
    if (self != NULL) {
        event_lock_take(&self->lock);
        if (atomic_load_explicit(&self->open, memory_order_relaxed) == 0) {
            open_recording(self);
        }
        if (atomic_load_explicit(&self->open, memory_order_relaxed) == STATE_OPEN) {
            return self;
        }
        event_lock_give(&self->lock);
    }
    thread_self.busy = false;
    return NULL;
}

/* Takes the lock of an open recording, and meanwhile has the processor fetch the address's place in the table. The
 * table may grow just then, and its place be unmapped: a prefetch from there does nothing.
 *   returns  NULL when nothing is to be recorded; otherwise leave() must follow. It may have been stopped a moment ago:
 *            then emit() does nothing. */
EACH_EVENT state *enter(const void *memory) {
    state *self = atomic_load_explicit(&the_state, memory_order_acquire);
    if (LIKELY(self != NULL && !thread_self.busy &&
               atomic_load_explicit(&self->open, memory_order_acquire) == STATE_OPEN)) {
        const size_t home = hash_of((uintptr_t)memory) & atomic_load_explicit(&self->mask_hint, memory_order_relaxed);
        __builtin_prefetch(atomic_load_explicit(&self->map_hint, memory_order_relaxed) + home, 1);
        thread_self.busy = true;
        atomic_signal_fence(memory_order_seq_cst); /* for a handler of this thread */
        event_lock_take(&self->lock);
        return self;
    }
    return enter_slowly(self);
}

EACH_EVENT void leave(state *self) {
    event_lock_give(&self->lock);
    atomic_signal_fence(memory_order_seq_cst);
    thread_self.busy = false;
}

EACH_EVENT size_t home_of(const state *self, uintptr_t address) {
    return hash_of(address) & (self->map_size - 1);
}

EACH_EVENT size_t find_entry(const state *self, uintptr_t address) {
    size_t at = home_of(self, address);
    while (self->map[at].address != 0 && self->map[at].address != address) {
        at = (at + 1) & (self->map_size - 1);
    }
    return at;
}

/* Takes an address out; entries behind it that probed past it move up. */
EACH_EVENT recorder_held map_remove(state *self, uintptr_t address) {
    size_t hole = find_entry(self, address);
    if (self->map[hole].address == 0) {
        return (recorder_held){RECORDER_UNKNOWN, 0, 0};
    }
    const recorder_held held = {self->map[hole].slot, self->map[hole].size, self->epoch};
    size_t mask = self->map_size - 1;
    for (size_t at = (hole + 1) & mask; self->map[at].address != 0; at = (at + 1) & mask) {
        size_t home = home_of(self, self->map[at].address);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            self->map[hole] = self->map[at];
            hole = at;
        }
    }
    self->map[hole].address = 0;
    self->map_count--;
    return held;
}

RARELY bool map_grow(state *self) {
    const int kept = errno;
    size_t old_size = self->map_size;
    map_entry *old = self->map;
    map_entry *map = map_pages(2 * old_size * sizeof *map);
    errno = kept;
    if (map == NULL) {
        stop(self, SPOOL_NO_MEMORY);
        return false;
    }
    self->map = map;
    self->map_size = 2 * old_size;
    hint_at_map(self);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].address != 0) {
            map[find_entry(self, old[i].address)] = old[i];
        }
    }
    keep(INHERITED_MAP, map, self->map_size * sizeof *map);
    errno = kept;
    return true;
}

/* The table is at most half full: a look-up then meets one entry and a half, and a removal moves few. */
EACH_EVENT bool make_room(state *self) {
    return LIKELY(self->map_count * 2 < self->map_size) || map_grow(self);
}

static void map_insert(state *self, uintptr_t address, recorder_held held) {
    if (make_room(self)) {
        self->map[find_entry(self, address)] = (map_entry){address, held.slot, held.size};
        self->map_count++;
    }
}

EACH_EVENT uint32_t slot_take(state *self) {
    if (LIKELY(self->free_count > 0)) {
        return self->free_slots[--self->free_count];
    }
    if (self->slot_next == TRACE_SLOTS_MAX) {
        stop(self, SPOOL_LIMIT);
    }
    return self->slot_next++;
}

/* A table of numbers that has become too small, twice as large. */
RARELY bool numbers_grow(state *self, int which, uint32_t **numbers, size_t *room) {
    const int kept = errno;
    uint32_t *grown = map_pages(2 * *room * sizeof *grown);
    if (grown == NULL) {
        errno = kept;
        stop(self, SPOOL_NO_MEMORY);
        return false;
    }
    memcpy(grown, *numbers, *room * sizeof *grown);
    *numbers = grown;
    *room *= 2;
    keep(which, grown, *room * sizeof *grown);
    errno = kept;
    return true;
}

EACH_EVENT void slot_give(state *self, uint32_t slot) {
    if (self->free_count < self->free_room ||
        numbers_grow(self, INHERITED_SLOTS, &self->free_slots, &self->free_room)) {
        self->free_slots[self->free_count++] = slot;
    }
}

/* A new buffer has one reference. */
static void hold_first(state *self, uint32_t slot) {
    if (slot < self->held_room || numbers_grow(self, INHERITED_HELD, &self->held, &self->held_room)) {
        self->held[slot] = 1;
    }
}

/* Counts what an event says of references.
 *   returns  false for what gives back the last one: threads that race to be the last tell us so each, and what the end
 *            of the buffer gives back, no event before it may. Whoever has a reference has told of it before, so what
 *            is held is never less than what is left. */
static bool count_references(state *self, trace_kind kind, uint32_t slot, uint32_t references) {
    uint32_t *held = &self->held[slot];
    if (kind == TRACE_DROP && references >= *held) {
        return false;
    }
    *held += kind == TRACE_DROP ? -references : references;
    return true;
}

/* Maps the next window in the place of this one, whose last page, where the next event may begin, is in both. The file
 * has been closed, and needs not be open: its mapping is told to go on. What is unmapped stays in the page cache, and in
 * the file. */
static bool move_window(state *self) {
    const size_t page = getauxval(AT_PAGESZ);
    uint8_t *from = self->next - 1;
    from -= (uintptr_t)from % page;
    const size_t kept = (size_t)(self->window_end - from);
    const uint64_t left = self->events_room - ((uintptr_t)self->window_end - self->origin);
    const size_t length = kept + (left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE);
    uint8_t *at =
        mremap(from, 0, length, MREMAP_MAYMOVE); /* of a shared mapping, 0 bytes are: a second one from there */
    if (at == MAP_FAILED) {
        return false;
    }
    self->next = at + (self->next - from);
    self->window_end = at + kept;
    self->mapped_end = at + length;
    self->origin = (uintptr_t)at - ((uintptr_t)from - self->origin);
    keep(INHERITED_WINDOW, at, length);
    return true;
}

/* Makes more of the spool writable, of the window or of the next one: as much again as there is, or as there is room for.
 * So a process that does little takes little of the disk, which it keeps until the recording ends.
 *   returns  SPOOL_COMPLETE, or why there is no more. */
static spool_end next_window(state *self) {
    if ((uintptr_t)self->next - self->origin + EVENT_ROOM > self->events_room) {
        return SPOOL_NO_SPACE;
    }
    if (self->window_end == self->mapped_end && !move_window(self)) {
        return SPOOL_NO_MEMORY;
    }
    const size_t rest = (size_t)(self->mapped_end - self->window_end);
    const size_t used = (uintptr_t)self->window_end - self->origin;
    size_t size = used > WINDOW_FIRST ? used : WINDOW_FIRST;
    size = size < rest ? size : rest;
    while (!populate(self->window_end, size)) {
        if (size <= WINDOW_LEAST) {
            return SPOOL_NO_SPACE;
        }
        size = (size / 2 + WINDOW_LEAST - 1) / WINDOW_LEAST * WINDOW_LEAST;
    }
    self->window_end += size;
    return SPOOL_COMPLETE;
}

/* What the format can say of a size. */
EACH_EVENT uint32_t sayable_size(size_t size) {
    return size > TRACE_SIZE_MAX ? TRACE_SIZE_MAX : size == 0 ? 1 : (uint32_t)size;
}

EACH_EVENT uint32_t sayable(state *self, size_t size) {
    if (size > TRACE_SIZE_MAX) {
        self->spool->clamped_sizes++;
    }
    return sayable_size(size);
}

EACH_EVENT void commit(state *self, uint8_t *to) {
    self->next = to;
    atomic_store_explicit(&self->spool->committed, (uintptr_t)to - self->origin, memory_order_release);
}

RARELY uint8_t *put_long(uint8_t *to, uint64_t number) {
    return to + trace_varint(to, number);
}

/* Writes a number as trace_varint() does, but without a loop, whose length the processor would have to guess: the four
 * groups of 7 bits are moved apart, by pairs first, and as many bytes count as there are groups. 4 bytes are touched,
 * or of a longer number 5. */
EACH_EVENT uint8_t *put(uint8_t *to, uint64_t number) {
    static const uint32_t more[] = {0, 0x80, 0x8080, 0x808080};
    if (!LIKELY(number < UINT32_C(1) << 28)) {
        return put_long(to, number);
    }
    uint32_t apart = (uint32_t)number;
    apart = (apart & 0x3fff) | (apart & 0xfffc000) << 2;
    apart = (apart & 0x7f007f) | (apart & 0x3f803f80) << 1;
    const unsigned last = (31u ^ (unsigned)__builtin_clz(apart | 1)) / 8; /* the index of the last byte */
    const uint32_t bytes = htole32(apart | more[last]);
    memcpy(to, &bytes, sizeof bytes);
    return to + last + 1;
}

/* False: there is no room for another event or checkpoint, and the recording has been stopped. */
RARELY bool make_room_for_event(state *self) {
    const int kept = errno;
    spool_end why = SPOOL_COMPLETE;
    while (why == SPOOL_COMPLETE && self->next + EVENT_ROOM > self->window_end) {
        why = next_window(self);
    }
    errno = kept;
    if (why != SPOOL_COMPLETE) {
        stop(self, why);
        return false;
    }
    self->room_end = self->window_end - EVENT_ROOM;
    return true;
}

/* The next event does not simply fit: finds out why. False: it may not be written. */
RARELY bool make_way(state *self) {
    if (atomic_load_explicit(&self->open, memory_order_relaxed) != STATE_OPEN) {
        return false; /* stopped a moment ago: nothing may follow what was cut off */
    }
    if (self->spool->event_count >= self->max_events) {
        stop(self, SPOOL_LIMIT);
        return false;
    }
    return make_room_for_event(self);
}

EACH_EVENT bool has_room(state *self) {
    return LIKELY(self->next <= self->room_end) || make_way(self);
}

/* Another thread than that of the last event: gives it its number, once a process, and writes it. */
RARELY bool switch_thread(state *self) {
    if (thread_self.tag >> 32 != self->epoch) {
        if (self->thread_next == TRACE_THREADS_MAX) {
            stop(self, SPOOL_THREADS);
            return false;
        }
        thread_self.tag = (uint64_t)self->epoch << 32 | self->thread_next++;
    }
    const uint32_t number = (uint32_t)thread_self.tag;
    self->tag_last = thread_self.tag;
    if (number != self->thread_last) {
        self->next = put(self->next, (uint64_t)number << 4 | TRACE_THREAD); /* committed with the event */
        self->thread_last = number;
    }
    return true;
}

/* The counts are kept here and not summed up from the events later: a reader holds one against the other. */
RARELY void emit_due(state *self) {
    const uint64_t count = self->spool->event_count;
    if (count >= self->next_checkpoint) {
        if (self->next + EVENT_ROOM > self->window_end && !make_room_for_event(self)) {
            return;
        }
        uint8_t *to = self->next;
        to += trace_varint(to, self->live_buffers << 4 | TRACE_CHECKPOINT);
        to += trace_varint(to, self->live_bytes);
        commit(self, to);
        const uint64_t share = count / CHECKPOINT_SHARE;
        self->next_checkpoint = count + (share > CHECKPOINT_FIRST ? share : CHECKPOINT_FIRST);
    }
    set_due(self);
}

/* number: what follows the slot, in all kinds but RELEASE. The live counts are already those after the event. */
EACH_EVENT void emit(state *self, trace_kind kind, uint32_t slot, uint32_t number) {
    if (!has_room(self) || !(LIKELY(thread_self.tag == self->tag_last) || switch_thread(self))) {
        return;
    }
    uint8_t *to = put(self->next, (uint64_t)slot << 4 | (uint64_t)kind);
    if (kind != TRACE_RELEASE) {
        to = put(to, number);
    }
    const uint64_t count = ++self->spool->event_count;
    commit(self, to);
    if (!LIKELY(count < self->due)) {
        emit_due(self);
    }
}

EACH_EVENT void emit_release(state *self, recorder_held held) {
    self->live_buffers--;
    self->live_bytes -= held.size;
    emit(self, TRACE_RELEASE, held.slot, 0);
    slot_give(self, held.slot);
}

/* Still in the table: its release went past the recorder, from inside libc or from a signal handler. */
static void forget_stale(state *self, const void *memory) {
    const recorder_held stale = map_remove(self, (uintptr_t)memory);
    if (stale.slot != RECORDER_UNKNOWN) {
        emit_release(self, stale);
    }
}

/* One look-up for both questions: is it there already, and where does it go? */
EACH_EVENT void allocated_locked(state *self, const void *memory, size_t size) {
    if (!make_room(self)) {
        return;
    }
    map_entry *entry = &self->map[find_entry(self, (uintptr_t)memory)];
    if (entry->address != 0) { /* as in forget_stale(), but that its place is taken at once */
        emit_release(self, (recorder_held){entry->slot, entry->size, self->epoch});
    } else {
        self->map_count++;
    }
    *entry = (map_entry){(uintptr_t)memory, slot_take(self), sayable(self, size)};
    self->live_buffers++;
    self->live_bytes += entry->size;
    if (self->held != NULL) {
        hold_first(self, entry->slot);
    }
    emit(self, TRACE_ALLOCATE, entry->slot, entry->size);
}

void recorder_allocated(const void *memory, size_t size) {
    state *self = memory != NULL ? enter(memory) : NULL;
    if (self != NULL) {
        allocated_locked(self, memory, size);
        leave(self);
    }
}

void recorder_allocated_once(const void *memory, size_t size) {
    state *self = memory != NULL ? enter(memory) : NULL;
    if (self != NULL) {
        const map_entry *entry = &self->map[find_entry(self, (uintptr_t)memory)];
        if (entry->address == 0 || entry->size != sayable_size(size)) {
            allocated_locked(self, memory, size);
        }
        leave(self);
    }
}

bool recorder_pass_by(bool passed_by) {
    const bool before = thread_self.busy;
    thread_self.busy = passed_by;
    return before;
}

void recorder_releasing(const void *memory) {
    state *self = memory != NULL ? enter(memory) : NULL;
    if (self != NULL) {
        const recorder_held held = map_remove(self, (uintptr_t)memory);
        if (held.slot == RECORDER_UNKNOWN) {
            self->spool->skipped_releases++;
        } else {
            emit_release(self, held);
        }
        leave(self);
    }
}

recorder_held recorder_resizing(const void *memory) {
    state *self = enter(memory);
    if (self == NULL) {
        return (recorder_held){RECORDER_UNKNOWN, 0, 0};
    }
    const recorder_held held = map_remove(self, (uintptr_t)memory);
    leave(self);
    return held;
}

static void resized_locked(state *self, recorder_held held, const void *after, size_t size) {
    const recorder_held now = {held.slot, sayable(self, size), held.of};
    forget_stale(self, after);
    map_insert(self, (uintptr_t)after, now);
    self->live_bytes += now.size;
    self->live_bytes -= held.size;
    emit(self, TRACE_RESIZE, now.slot, now.size);
}

void recorder_resized(recorder_held held, uintptr_t before, const void *after, size_t size) {
    state *self = enter(after);
    if (self == NULL) {
        return;
    }
    if (held.slot == RECORDER_UNKNOWN || held.of != self->epoch) {
        if (after != NULL) {
            self->spool->skipped_releases++;
            allocated_locked(self, after, size);
        }
    } else if (after != NULL) {
        resized_locked(self, held, after, size);
    } else if (size == 0) {
        emit_release(self, held);
    } else {
        map_insert(self, before, held); /* it failed: the old memory stays */
    }
    leave(self);
}

void recorder_changed(const void *memory, size_t size) {
    state *self = enter(memory);
    if (self == NULL) {
        return;
    }
    map_entry *entry = &self->map[find_entry(self, (uintptr_t)memory)];
    if (entry->address != 0) {
        const uint32_t before = entry->size;
        entry->size = sayable(self, size);
        self->live_bytes += entry->size;
        self->live_bytes -= before;
        emit(self, TRACE_RESIZE, entry->slot, entry->size);
    }
    leave(self);
}

void recorder_referenced(const void *memory, trace_kind kind, uint32_t references) {
    state *self = enter(memory);
    if (self == NULL) {
        return;
    }
    const map_entry *entry = &self->map[find_entry(self, (uintptr_t)memory)];
    if (entry->address != 0 && count_references(self, kind, entry->slot, references)) {
        emit(self, kind, entry->slot, references);
    }
    leave(self);
}
