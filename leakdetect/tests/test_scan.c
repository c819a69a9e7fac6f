/* Tests of the scan for unreachable buffers in a real process: where references are seen, and what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#include "sanitizers.h"

enum {
    BYTES = 256,
    SOME = 8
};

static poolbuf_allocator *allocator;
static leakdetect_level level_before;

/* What nothing refers to is found again by its complement, in which no scan can see an address. */
static uintptr_t hidden[64];
static size_t hidden_count;

static int set_up(void **state) {
    (void)state;
    level_before = leakdetect_get_level();
    assert_int_equal(leakdetect_set_level(LEAKDETECT_PARANOID), POOLBUF_OK);
    assert_int_equal(poolbuf_allocator_create(NULL, &allocator), POOLBUF_OK);
    hidden_count = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    for (size_t i = 0; i < hidden_count; i++) {
        poolbuf_release((poolbuf *)~hidden[i]);
    }
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_OK);
    assert_int_equal(leakdetect_set_level(level_before), POOLBUF_OK);
    return 0;
}

__attribute__((noinline)) static poolbuf *make(void) {
    poolbuf *buffer = poolbuf_allocate(allocator, BYTES, BYTES);
    assert_non_null(buffer);
    memset(buffer->memory, 0, BYTES);
    return buffer;
}

/* Nothing refers to it from now on; tear_down() releases it. */
static void hide(poolbuf *buffer) {
    hidden[hidden_count++] = ~(uintptr_t)buffer;
}

/* Writes over what calls that have returned left on the stack, down from a test's own frame. */
__attribute__((noinline)) static void wipe(void) {
    volatile char bytes[32768];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0;
    }
}

static leakdetect_scan_result scan_with(leakdetect_scan_options options) {
    leakdetect_scan_result result = {.struct_size = sizeof result};
    options.struct_size = sizeof options;
    poolbuf_status status = leakdetect_scan(&options, &result);
    assert_int_equal(status, POOLBUF_OK);
    assert_int_equal(result.blind_spots, 0);
    return result;
}

__attribute__((noinline)) static uint64_t scan_for_lost(void) {
    return scan_with((leakdetect_scan_options){.apart_ms = 1}).lost;
}

/* AddressSanitizer's code copies addresses to places of its own, so there it may miss what is lost; it accuses
 * nobody. */
#if UNDER_ASAN
#define assert_found(found, wanted) assert_true((found) <= (wanted))
#else
#define assert_found(found, wanted) assert_int_equal(found, wanted)
#endif

/* From the frame of a test, so that no frame of ours holds what an earlier call has left. */
#define LOST() (wipe(), scan_for_lost())

__attribute__((noinline)) static void lose_some(void) {
    for (int i = 0; i < SOME; i++) {
        hide(make());
    }
}

/* --- what is lost ------------------------------------------------------------------------------------------------- */

static void buffers_that_nothing_refers_to_are_lost(void **state) {
    (void)state;
    lose_some();
    assert_found(LOST(), SOME);
    leakdetect_scan_result result = scan_with((leakdetect_scan_options){.once = true});
    assert_int_equal(result.judged, SOME);
    assert_int_equal(result.scans, 1);
    assert_found(result.unreachable, SOME);
}

__attribute__((noinline)) static void lose_other_kinds(void) {
    static uint8_t bytes[BYTES];
    hide(poolbuf_allocate(allocator, 8u << 20, 8u << 20)); /* huge */
    hide(poolbuf_allocate_unpooled(allocator, BYTES, BYTES));
    hide(poolbuf_allocate_heap(allocator, BYTES, BYTES));
    hide(poolbuf_allocate_direct(allocator, BYTES, BYTES));
    hide(poolbuf_wrap(allocator, bytes, sizeof bytes, NULL, NULL));
    hide(poolbuf_allocate_composite(allocator, 4));
}

static void every_kind_of_buffer_can_be_lost(void **state) {
    (void)state;
    lose_other_kinds();
    uint64_t found = LOST();
    /* A word that is no pointer may lie in 8 MiB by chance: half an address that somebody else has written over will
     * do. */
    assert_true(found <= 6);
    assert_true(found >= (UNDER_ASAN ? 0 : 5));
}

/* The first buffer's bytes hold the second one's address, and so on. */
__attribute__((noinline)) static poolbuf *make_list(size_t count, bool ring) {
    poolbuf *first = make();
    poolbuf *last = first;
    hide(first);
    for (size_t i = 1; i < count; i++) {
        poolbuf *next = make();
        hide(next);
        memcpy(last->memory + 8, &next, sizeof(void *));
        last = next;
    }
    if (ring) {
        memcpy(last->memory + 8, &first, sizeof(void *));
    }
    return first;
}

static poolbuf *global[2];

static void a_list_is_lost_with_its_head(void **state) {
    (void)state;
    global[0] = make_list(10, false);
    assert_int_equal(LOST(), 0);
    global[0] = NULL;
    assert_found(LOST(), 10);
}

static void a_ring_is_lost_with_the_last_way_in(void **state) {
    (void)state;
    global[0] = make_list(10, true);
    assert_int_equal(LOST(), 0);
    global[0] = NULL;
    assert_found(LOST(), 10);
}

static void a_dead_buffer_keeps_nothing(void **state) {
    (void)state;
    global[0] = make();
    global[1] = make();
    memcpy(global[0]->memory, &global[1], sizeof(void *));
    hide(global[1]);
    global[1] = NULL;
    assert_int_equal(LOST(), 0);
    poolbuf_release(global[0]); /* its bytes stay as they are, in this thread's cache, and it is known here */
    assert_found(LOST(), 1);
    global[0] = NULL;
}

/* --- what keeps --------------------------------------------------------------------------------------------------- */

static void a_global_keeps(void **state) {
    (void)state;
    global[0] = make();
    global[1] = make();
    assert_int_equal(LOST(), 0);
    hide(global[0]);
    global[0] = NULL;
    assert_found(LOST(), 1);
    poolbuf_release(global[1]);
    global[1] = NULL;
}

static void the_heap_keeps(void **state) {
    (void)state;
    struct session {
        char name[24];
        poolbuf *buffer;
    } *session = calloc(1, sizeof *session);
    assert_non_null(session);
    session->buffer = make();
    assert_int_equal(LOST(), 0);
    hide(session->buffer);
    session->buffer = NULL;
    assert_found(LOST(), 1);
    free(session);
}

static _Thread_local poolbuf *of_thread;

static void thread_local_storage_keeps(void **state) {
    (void)state;
    of_thread = make();
    assert_int_equal(LOST(), 0);
    hide(of_thread);
    of_thread = NULL;
    assert_found(LOST(), 1);
}

static void memory_of_the_program_keeps(void **state) {
    (void)state;
    size_t bytes = (size_t)64 << 20; /* touched in one place alone */
    for (unsigned shared = 0; shared < 2; shared++) {
        int flags = shared != 0 ? MAP_SHARED : MAP_PRIVATE;
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
        assert_true(memory != MAP_FAILED);
        poolbuf **place = (poolbuf **)(void *)(memory + bytes / 2 + 4096 - sizeof(poolbuf *));
        *place = make();
        assert_int_equal(LOST(), 0);
        for (int rights = PROT_NONE; rights <= PROT_WRITE; rights++) { /* none, read, write */
            assert_int_equal(mprotect(memory, bytes, rights), 0);
            assert_int_equal(LOST(), 0);
        }
        assert_int_equal(mprotect(memory, bytes, PROT_READ), 0);
        poolbuf_release(*place);
        assert_int_equal(munmap(memory, bytes), 0);
    }
}

/* Reading a page of it that nobody has touched yet would do that, for good. */
static void no_shared_memory_comes_into_being_by_a_scan(void **state) {
    (void)state;
    const size_t bytes = (size_t)64 << 20;
    struct stat before;
    struct stat after;
    int file = memfd_create("sparse", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)bytes), 0);
    char *memory = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0); /* more than there is */
    assert_true(memory != MAP_FAILED);
    poolbuf **place = (poolbuf **)(void *)(memory + bytes / 2);
    *place = make();
    assert_int_equal(fstat(file, &before), 0);
    assert_int_equal(LOST(), 0);
    assert_int_equal(fstat(file, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
    poolbuf_release(*place);
    assert_int_equal(munmap(memory, 2 * bytes), 0);
    close(file);
}

static void tagged_and_packed_pointers_and_those_inside_keep(void **state) {
    (void)state;
    static struct {
        uint64_t low_tag, high_tag, bytes, handle;
        struct {
            uint32_t events;
            poolbuf *buffer;
        } __attribute__((packed)) packed;
    } holder;
    poolbuf *made[5];
    for (size_t i = 0; i < 5; i++) {
        made[i] = make();
        hide(made[i]);
    }
    holder.low_tag = (uint64_t)(uintptr_t)made[0] | 3;
    holder.high_tag = (uint64_t)(uintptr_t)made[1] | (uint64_t)0xbeef << 48;
    holder.bytes = (uint64_t)(uintptr_t)made[2]->memory + BYTES - 1;
    holder.handle = (uint64_t)(uintptr_t)made[3] + 63;
    holder.packed.buffer = made[4];
    explicit_bzero(made, sizeof made);
    assert_int_equal(LOST(), 0);
    explicit_bzero(&holder, sizeof holder);
    assert_found(LOST(), 5);
}

static void another_buffers_bytes_keep(void **state) {
    (void)state;
    global[0] = make();
    poolbuf *inner = make();
    memcpy(global[0]->memory + 40, &inner, sizeof(void *));
    hide(inner);
    inner = NULL;
    assert_int_equal(LOST(), 0);
    hide(global[0]);
    global[0] = NULL;
    assert_found(LOST(), 2);
}

__attribute__((noinline)) static poolbuf *make_composite(void) {
    poolbuf *whole = poolbuf_allocate_composite(allocator, 16);
    for (int i = 0; i < 12; i++) { /* more than its first block has room for */
        assert_int_equal(poolbuf_composite_add_component(whole, make(), true), POOLBUF_OK);
    }
    hide(whole);
    return whole;
}

static void a_composite_keeps_its_components_and_loses_them(void **state) {
    (void)state;
    global[0] = make_composite();
    assert_int_equal(LOST(), 0);
    global[0] = NULL;
    assert_found(LOST(), 13);
}

__attribute__((noinline)) static poolbuf *make_slice_only(bool nested) {
    poolbuf *buffer = make();
    poolbuf *slice = poolbuf_retained_slice(buffer, 16, 64);
    poolbuf_release(buffer);
    if (nested) {
        poolbuf *inner = poolbuf_retained_slice(slice, 8, 16);
        poolbuf_release(slice);
        slice = inner;
    }
    hide(slice);
    return slice;
}

static void a_retained_slice_keeps_its_buffer(void **state) {
    (void)state;
    global[0] = make_slice_only(false);
    global[1] = make_slice_only(true);
    assert_int_equal(LOST(), 0);
    global[0] = NULL;
    assert_found(LOST(), 1);
    global[1] = NULL;
    assert_found(LOST(), 2);
}

static void no_release(void *memory, size_t length, void *context) {
    (void)memory;
    (void)length;
    (void)context;
}

static void the_context_of_wrapped_memory_keeps(void **state) {
    (void)state;
    static uint8_t bytes[64];
    poolbuf *inner = make();
    global[0] = poolbuf_wrap(allocator, bytes, sizeof bytes, no_release, inner);
    hide(inner);
    hide(global[0]);
    inner = NULL;
    assert_int_equal(LOST(), 0);
    global[0] = NULL;
    assert_found(LOST(), 2);
}

static void epoll_keeps(void **state) {
    (void)state;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int event = eventfd(0, EFD_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = make()};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted), 0);
    hide(wanted.data.ptr);
    explicit_bzero(&wanted, sizeof wanted);
    assert_int_equal(LOST(), 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_DEL, event, NULL), 0);
    assert_found(LOST(), 1);
    close(event);
    close(epoll);
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

typedef struct worker {
    pthread_t thread;
    void (*work)(struct worker *self);
    int begun[2]; /* a pipe: the worker says that it is at work */
    int end[2];   /* it works until this is closed */
    volatile int stop;
} worker;

__attribute__((noinline)) static void wait_with_a_local(worker *self) {
    poolbuf *local = make();
    char byte = 0;
    assert_int_equal(write(self->begun[1], &byte, 1), 1);
    while (read(self->end[0], &byte, 1) < 0) {
    }
    poolbuf_release(local);
}

/* The buffer's address is an argument of a system call, and perhaps nowhere else. */
__attribute__((noinline)) static void wait_in_the_kernel(worker *self) {
    poolbuf *local = make();
    char byte = 0;
    assert_int_equal(write(self->begun[1], &byte, 1), 1);
    while (read(self->end[0], local->memory, BYTES) < 0) {
    }
    poolbuf_release(local);
}

__attribute__((noinline)) static unsigned sum(const poolbuf *buffer) {
    unsigned all = 0;
    for (int i = 0; i < BYTES; i++) {
        all += buffer->memory[i];
    }
    return all;
}

__attribute__((noinline)) static void be_busy_with_a_local(worker *self) {
    poolbuf *local = make();
    unsigned all = 0;
    char byte = 0;
    assert_int_equal(write(self->begun[1], &byte, 1), 1);
    while (!self->stop) {
        all += sum(local);
    }
    assert_int_equal(all, 0);
    poolbuf_release(local);
}

static void *run(void *argument) {
    worker *self = argument;
    self->work(self);
    return NULL;
}

enum {
    WORKERS_MAX = 3
};

static void *wipe_at_once(void *barrier) {
    wipe();
    pthread_barrier_wait(barrier);
    return NULL;
}

/* The C library keeps the stacks of threads that have ended, with what lies there, and gives them to the next ones. */
static void wipe_stacks_of_ended_threads(void) {
    pthread_t threads[WORKERS_MAX];
    pthread_barrier_t barrier;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, WORKERS_MAX), 0);
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wipe_at_once, &barrier), 0);
    }
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
}

static void start(worker *self, void (*work)(worker *self)) {
    self->work = work;
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
}

static void threads_keep_what_they_work_with(void **state) {
    (void)state;
    void (*const works[])(worker *) = {wait_with_a_local, wait_in_the_kernel, be_busy_with_a_local};
    worker workers[WORKERS_MAX] = {0};
    char byte;
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        assert_int_equal(pipe(workers[i].begun), 0);
        assert_int_equal(pipe(workers[i].end), 0);
        start(&workers[i], works[i]);
        assert_int_equal(read(workers[i].begun[0], &byte, 1), 1);
    }
    uint64_t accused = LOST();
    for (size_t i = 0; i < WORKERS_MAX; i++) {
        workers[i].stop = 1;
        close(workers[i].end[1]);
        pthread_join(workers[i].thread, NULL);
        close(workers[i].end[0]);
        close(workers[i].begun[0]);
        close(workers[i].begun[1]);
    }
    wipe_stacks_of_ended_threads();
    assert_int_equal(accused, 0);
}

enum {
    STACK_BYTES = 256 << 10,
    SMALL_CHUNK = 32 << 10,
    SMALL_HUGE = 40 << 10 /* as few addresses as can be, that a word may have by chance */
};

static void use_small_chunks(void) {
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.page_size = 4096;
    options.chunk_size = SMALL_CHUNK;
    assert_int_equal(poolbuf_allocator_destroy(allocator), POOLBUF_OK);
    assert_int_equal(poolbuf_allocator_create(&options, &allocator), POOLBUF_OK);
}

/* Its first walk lays a trail that no other worker has laid. */
__attribute__((noinline)) static void wait_after_a_walk(worker *self) {
    poolbuf *local = poolbuf_allocate(allocator, BYTES, BYTES);
    char byte = 0;
    assert_int_equal(write(self->begun[1], &byte, 1), 1);
    while (read(self->end[0], &byte, 1) < 0) {
    }
    poolbuf_release(local);
}

/* Loses a huge buffer, and returns a stack that ends where its bytes begin. */
__attribute__((noinline)) static uint8_t *lose_above_a_stack(void) {
    uint8_t *stack = MAP_FAILED;
    for (int attempt = 0; attempt < 48 && stack == MAP_FAILED; attempt++) {
        hide(poolbuf_allocate_direct(allocator, SMALL_HUGE, SMALL_HUGE));
        uint8_t *bytes = ((poolbuf *)~hidden[hidden_count - 1])->memory;
        stack = mmap(bytes - STACK_BYTES, STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    assert_true(stack != MAP_FAILED);
    return stack;
}

/* The walk asks the kernel for each page of a stack, up to its end, and leaves what it leaves on that stack. */
static void a_walk_keeps_nothing_that_lies_above_the_stack(void **state) {
    (void)state;
    worker self = {.work = wait_after_a_walk};
    pthread_attr_t attributes;
    char byte;
    use_small_chunks();
    uint8_t *stack = lose_above_a_stack();
    assert_int_equal(pipe(self.begun), 0);
    assert_int_equal(pipe(self.end), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&self.thread, &attributes, run, &self), 0);
    pthread_attr_destroy(&attributes);
    explicit_bzero(&attributes, sizeof attributes); /* the stack's end is in there */
    assert_int_equal(read(self.begun[0], &byte, 1), 1);
    uint64_t lost = LOST();
    close(self.end[1]);
    pthread_join(self.thread, NULL);
    close(self.end[0]);
    close(self.begun[0]);
    close(self.begun[1]);
    munmap(stack, STACK_BYTES);
    wipe_stacks_of_ended_threads();
    assert_found(lost, hidden_count);
}

enum {
    HELD = 200
};

/* Exchanges buffers in a table on the heap, without pause. */
__attribute__((noinline)) static void churn(worker *self) {
    poolbuf **held = calloc(HELD, sizeof(void *));
    unsigned random = (unsigned)(uintptr_t)self;
    while (!self->stop) {
        random = random * 1103515245u + 12345u;
        poolbuf **place = &held[(random >> 8) % HELD];
        if (*place != NULL) {
            poolbuf_release(*place);
        }
        *place = poolbuf_allocate(allocator, 16u << (random >> 20) % 12, 1u << 20);
    }
    for (int i = 0; i < HELD; i++) {
        if (held[i] != NULL) {
            poolbuf_release(held[i]);
        }
    }
    free(held);
}

static void buffers_that_change_hands_are_not_lost(void **state) {
    (void)state;
    worker workers[2] = {0};
    lose_some();
    for (size_t i = 0; i < 2; i++) {
        start(&workers[i], churn);
    }
    uint64_t most = 0;
    int good = 0;
    for (int i = 0; i < 20; i++) {
        leakdetect_scan_options options = {.struct_size = sizeof options, .apart_ms = 1};
        leakdetect_scan_result result = {.struct_size = sizeof result};
        wipe();
        if (leakdetect_scan(&options, &result) == POOLBUF_OK) {
            most = result.lost > most ? result.lost : most;
            good += result.lost > 0;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        workers[i].stop = 1;
        pthread_join(workers[i].thread, NULL);
    }
    wipe_stacks_of_ended_threads();
    assert_found(most, SOME);
    assert_true(good > 0);
}

/* --- agreement ---------------------------------------------------------------------------------------------------- */

static void one_scan_accuses_nobody(void **state) {
    (void)state;
    lose_some();
    wipe();
    leakdetect_scan_result result = scan_with((leakdetect_scan_options){.once = true, .apart_ms = 1});
    assert_found(result.unreachable, SOME);
    assert_int_equal(result.lost, 0);
    result = scan_with((leakdetect_scan_options){.once = true, .apart_ms = 3600000});
    assert_found(result.unreachable, SOME);
    assert_int_equal(result.lost, 0); /* too soon after the first */
    usleep(2000);
    result = scan_with((leakdetect_scan_options){.once = true, .apart_ms = 1});
    assert_found(result.lost, SOME);
    assert_found(result.lost_bytes, SOME * BYTES);
}

static void a_buffer_that_somebody_changes_is_not_lost(void **state) {
    (void)state;
    lose_some();
    wipe();
    const leakdetect_scan_options once = {.once = true, .apart_ms = 1};
    assert_found(scan_with(once).unreachable, SOME);
    ((poolbuf *)~hidden[0])->memory[5]++;
    ((poolbuf *)~hidden[1])->reader_index++;
    usleep(2000);
    wipe();
    leakdetect_scan_result result = scan_with(once);
    assert_found(result.unreachable, SOME);
    assert_found(result.lost, SOME - 2);
}

static void a_new_buffer_at_an_old_address_begins_anew(void **state) {
    (void)state;
    hide(make());
    wipe();
    const leakdetect_scan_options once = {.once = true, .apart_ms = 1};
    assert_found(scan_with(once).unreachable, 1);
    poolbuf_release((poolbuf *)~hidden[--hidden_count]);
    uintptr_t address = hidden[0];
    hide(make());
    assert_true(hidden[0] == address);
    usleep(2000);
    wipe();
    leakdetect_scan_result result = scan_with(once);
    assert_found(result.unreachable, 1);
    assert_int_equal(result.lost, 0);
}

static void what_is_found_again_is_acquitted(void **state) {
    (void)state;
    lose_some();
    assert_found(LOST(), SOME);
    global[0] = (poolbuf *)~hidden[0];
    assert_found(LOST(), SOME - 1);
    global[0] = NULL;
}

/* --- the child ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals++;
}

static void the_program_does_not_see_the_child(void **state) {
    (void)state;
    struct sigaction before;
    const struct sigaction counting = {.sa_handler = count_signal};
    signals = 0;
    assert_int_equal(sigaction(SIGCHLD, &counting, &before), 0);
    (void)LOST();
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(signals, 0);
    assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void bounds_and_bad_arguments_are_refused_and_mark_nothing(void **state) {
    (void)state;
    lose_some();
    leakdetect_scan_options options = {.struct_size = 1};
    leakdetect_scan_result result = {.struct_size = 1};
    assert_int_equal(leakdetect_scan(&options, NULL), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(leakdetect_scan(NULL, &result), POOLBUF_ERROR_BAD_ARGUMENT);
    options = (leakdetect_scan_options){.struct_size = sizeof options, .memory_limit_bytes = 1};
    result = (leakdetect_scan_result){.struct_size = sizeof result, .lost = 77};
    assert_int_equal(leakdetect_scan(&options, &result), POOLBUF_ERROR_NO_MEMORY);
    assert_found(result.lost, 77);
    wipe();
    assert_int_equal(scan_with((leakdetect_scan_options){.once = true}).lost, 0);
}

/* What the kernel has of an io_uring's requests cannot be seen, so with one nobody is accused unless the program says
 * so. */
static void an_io_uring_is_a_blind_spot(void **state) {
    (void)state;
    char parameters[120] = {0}; /* struct io_uring_params, all zero */
    int ring = (int)syscall(SYS_io_uring_setup, 4, parameters);
    if (ring < 0) {
        skip(); /* benign: kernels and sandboxes may forbid it */
    }
    lose_some();
    leakdetect_scan_options options = {.struct_size = sizeof options, .apart_ms = 1};
    leakdetect_scan_result result = {.struct_size = sizeof result};
    wipe();
    assert_int_equal(leakdetect_scan(&options, &result), POOLBUF_OK);
    assert_int_equal(result.blind_spots, LEAKDETECT_BLIND_IO_URING);
    assert_found(result.unreachable, SOME);
    assert_int_equal(result.lost, 0);
    options.trust_blind_spots = true;
    wipe();
    assert_int_equal(leakdetect_scan(&options, &result), POOLBUF_OK);
    assert_found(result.lost, SOME);
    close(ring);
}

static void a_forked_child_scans_for_itself(void **state) {
    (void)state;
    lose_some();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            (void)make();
        }
        wipe();
        leakdetect_scan_result result = {.struct_size = sizeof result};
        const leakdetect_scan_options options = {.struct_size = sizeof options, .apart_ms = 1};
        poolbuf_status status = leakdetect_scan(&options, &result);
        _exit(status == POOLBUF_OK && result.judged == 3 && result.lost <= 3 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void reports_say_what_is_lost(void **state) {
    (void)state;
    lose_some();
    assert_found(LOST(), SOME);
    for (int format = LEAKDETECT_TEXT; format <= LEAKDETECT_JSON; format++) {
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        assert_int_equal(leakdetect_report(out, (leakdetect_format)format), POOLBUF_OK);
        fclose(out);
        assert_non_null(strstr(text, format == LEAKDETECT_TEXT ? " of them lost: " : "\"lost\": "));
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(buffers_that_nothing_refers_to_are_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_kind_of_buffer_can_be_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_is_lost_with_its_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ring_is_lost_with_the_last_way_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_buffer_keeps_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_global_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_heap_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(thread_local_storage_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_of_the_program_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_shared_memory_comes_into_being_by_a_scan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tagged_and_packed_pointers_and_those_inside_keep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_buffers_bytes_keep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_composite_keeps_its_components_and_loses_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_retained_slice_keeps_its_buffer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_context_of_wrapped_memory_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(epoll_keeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_keep_what_they_work_with, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_walk_keeps_nothing_that_lies_above_the_stack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(buffers_that_change_hands_are_not_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_scan_accuses_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_buffer_that_somebody_changes_is_not_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_buffer_at_an_old_address_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_found_again_is_acquitted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_program_does_not_see_the_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_and_bad_arguments_are_refused_and_mark_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_io_uring_is_a_blind_spot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forked_child_scans_for_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_say_what_is_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
