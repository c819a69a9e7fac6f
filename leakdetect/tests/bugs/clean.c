/* Programs that look guilty, and are not: everything is given back before the process is over. */
#include "bugs.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>

static poolbuf *some(size_t size) {
    return bugs_need(poolbuf_allocate(NULL, size, size));
}

/* Handlers are registered once, whatever the number of runs. */
static void at_exit_once(void (*handler)(void)) {
    static void (*registered[8])(void);
    for (int i = 0; i < 8; i++) {
        if (registered[i] == handler) {
            return;
        }
        if (registered[i] == NULL) {
            registered[i] = handler;
            bugs_must(atexit(handler) == 0);
            return;
        }
    }
    bugs_must(0);
}

static poolbuf *cache[100];

static void empty_cache(void) {
    for (int i = 0; i < 100; i++) {
        if (cache[i] != NULL) {
            poolbuf_release(cache[i]);
        }
    }
}

/* A cache that is full until the end. */
static void cache_until_exit(void) {
    at_exit_once(empty_cache);
    for (int i = 0; i < 100; i++) {
        if (cache[i] == NULL) {
            cache[i] = some(512);
        }
    }
}

static poolbuf *in_destructor;

/* The last code of the program that runs. */
__attribute__((destructor)) static void release_last(void) {
    if (in_destructor != NULL) {
        poolbuf_release(in_destructor);
    }
}

static void released_by_destructor(void) {
    if (in_destructor == NULL) {
        in_destructor = some(100);
    }
}

static sem_t go;
static sem_t gone;

static void *release_late(void *buffer) {
    (void)sem_wait(&go);
    poolbuf_release(buffer);
    (void)sem_post(&gone);
    return NULL;
}

static int late_threads;

static void let_threads_go(void) {
    for (int i = 0; i < late_threads; i++) {
        (void)sem_post(&go);
        (void)sem_wait(&gone);
    }
}

/* Nobody joins the thread, and it lets go after main() has returned. */
static void detached_thread(void) {
    pthread_t thread;
    if (late_threads++ == 0) {
        bugs_must(sem_init(&go, 0, 0) == 0);
        bugs_must(sem_init(&gone, 0, 0) == 0);
    }
    at_exit_once(let_threads_go);
    bugs_must(pthread_create(&thread, NULL, release_late, some(256)) == 0);
    bugs_must(pthread_detach(thread) == 0);
}

/* For a while the only pointer is in the kernel. */
static void through_a_pipe(void) {
    int ends[2];
    poolbuf *buffer = some(300);
    bugs_must(pipe(ends) == 0);
    bugs_must(write(ends[1], &buffer, sizeof(uintptr_t)) == (ssize_t)sizeof(uintptr_t));
    buffer = NULL;
    bugs_must(read(ends[0], &buffer, sizeof(uintptr_t)) == (ssize_t)sizeof(uintptr_t));
    bugs_must(close(ends[0]) == 0);
    bugs_must(close(ends[1]) == 0);
    poolbuf_release(buffer);
}

static volatile uintptr_t hidden;

/* A pointer that no scan can read. */
static void hidden_by_xor(void) {
    static const uintptr_t MASK = (uintptr_t)0xa5a5a5a5a5a5a5a5u;
    hidden = (uintptr_t)some(300) ^ MASK;
    poolbuf_release((poolbuf *)(hidden ^ MASK)); // NOLINT(performance-no-int-to-ptr) that is the case
}

static void *release_here(void *buffer) {
    poolbuf_release(buffer);
    return NULL;
}

static void released_elsewhere(void) {
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        bugs_must(pthread_create(&thread, NULL, release_here, some(128)) == 0);
        bugs_must(pthread_join(thread, NULL) == 0);
    }
}

static void thousand_retains(void) {
    poolbuf *buffer = some(64);
    for (int i = 0; i < 1000; i++) {
        poolbuf_retain(buffer);
    }
    for (int i = 0; i < 1000; i++) {
        poolbuf_release(buffer);
    }
    poolbuf_release(buffer);
}

/* The buffer first, and then its slices from the middle outwards, one of them a slice of a slice. */
static void slices_in_any_order(void) {
    poolbuf *slices[9];
    poolbuf *buffer = some(800);
    for (size_t i = 0; i < 8; i++) {
        slices[i] = bugs_need(poolbuf_retained_slice(buffer, i * 100, 100));
    }
    slices[8] = bugs_need(poolbuf_retained_slice(slices[4], 10, 20));
    poolbuf_release(buffer);
    for (size_t i = 0; i < 9; i++) {
        poolbuf_release(slices[(i * 5 + 4) % 9]);
    }
}

static void composite_at_the_end(void) {
    poolbuf *inner = bugs_need(poolbuf_allocate_composite(NULL, 0));
    poolbuf *outer = bugs_need(poolbuf_allocate_composite(NULL, 0));
    for (int i = 0; i < 5; i++) {
        poolbuf *part = some(50);
        bugs_must(poolbuf_write_zero(part, 50) == POOLBUF_OK);
        bugs_must(poolbuf_composite_add_component(i % 2 == 0 ? inner : outer, part, true) == POOLBUF_OK);
    }
    bugs_must(poolbuf_composite_add_component(outer, inner, true) == POOLBUF_OK);
    poolbuf *slice = bugs_need(poolbuf_retained_slice(outer, 20, 150));
    poolbuf_release(outer);
    poolbuf_release(slice);
}

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void end_of_thread(void *buffer) {
    poolbuf_release(buffer);
}

static void make_key(void) {
    bugs_must(pthread_key_create(&key, end_of_thread) == 0);
}

static void *keep_in_thread(void *argument) {
    bugs_must(pthread_setspecific(key, some(4096)) == 0);
    return argument;
}

/* The thread ends, and its storage is released by what the system calls then. */
static void tls_destructor(void) {
    pthread_t thread;
    (void)pthread_once(&once, make_key);
    bugs_must(pthread_create(&thread, NULL, keep_in_thread, NULL) == 0);
    bugs_must(pthread_join(thread, NULL) == 0);
}

static jmp_buf back;
static poolbuf *pending;

APART static void fail_after(poolbuf *buffer) {
    pending = buffer;
    longjmp(back, 1);
}

/* The release is jumped over, and made up for. */
static void longjmp_made_up_for(void) {
    if (setjmp(back) == 0) {
        poolbuf *buffer = some(200);
        fail_after(buffer);
        poolbuf_release(buffer);
    } else {
        poolbuf_release(pending);
    }
}

static void give_back(void *memory, size_t length, void *context) {
    bugs_must(length == 16);
    free(memory);
    poolbuf_release(context);
}

/* Wrapped memory that holds another buffer, down a chain of five. */
static void wrapped_chain(void) {
    poolbuf *below = some(16);
    for (int i = 0; i < 5; i++) {
        void *memory = malloc(16);
        bugs_must(memory != NULL);
        below = bugs_need(poolbuf_wrap(NULL, memory, 16, give_back, below));
    }
    poolbuf_release(below);
}

static void *untrack_here(void *resource) {
    (void)leakdetect_untrack(resource);
    return NULL;
}

/* A resource of the program's own, closed by another thread; another one whose address is used again. */
static void resource_closed_elsewhere(void) {
    static char resources[2];
    pthread_t thread;
    (void)leakdetect_track(&resources[0], 8, "file");
    bugs_must(pthread_create(&thread, NULL, untrack_here, &resources[0]) == 0);
    bugs_must(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 10; i++) {
        (void)leakdetect_track(&resources[1], 8, "file");
        (void)leakdetect_untrack(&resources[1]);
    }
}

/* The same addresses come back again and again, and buffers grow, shrink and move. */
static void churn(void) {
    for (size_t i = 0; i < 500; i++) {
        poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, i, 100000));
        bugs_must(poolbuf_set_capacity(buffer, i * 37) == POOLBUF_OK);
        bugs_must(poolbuf_set_capacity(buffer, i / 2) == POOLBUF_OK);
        poolbuf_release(buffer);
    }
}

/* An allocator that is destroyed with the caches of ended threads still full. */
static void allocator_after_threads(void) {
    poolbuf_allocator *allocator = NULL;
    bugs_must(poolbuf_allocator_create(NULL, &allocator) == POOLBUF_OK);
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        poolbuf *buffer = bugs_need(poolbuf_allocate(allocator, 600, 600));
        bugs_must(pthread_create(&thread, NULL, release_here, buffer) == 0);
        bugs_must(pthread_join(thread, NULL) == 0);
    }
    bugs_must(poolbuf_allocator_destroy(allocator) == POOLBUF_OK);
}

const bugs_case bugs_clean[] = {{"cache-until-exit", cache_until_exit},
                                {"released-by-destructor", released_by_destructor},
                                {"detached-thread", detached_thread},
                                {"through-a-pipe", through_a_pipe},
                                {"hidden-by-xor", hidden_by_xor},
                                {"released-elsewhere", released_elsewhere},
                                {"thousand-retains", thousand_retains},
                                {"slices-in-any-order", slices_in_any_order},
                                {"composite-at-the-end", composite_at_the_end},
                                {"tls-destructor", tls_destructor},
                                {"longjmp-made-up-for", longjmp_made_up_for},
                                {"wrapped-chain", wrapped_chain},
                                {"resource-closed-elsewhere", resource_closed_elsewhere},
                                {"churn", churn},
                                {"allocator-after-threads", allocator_after_threads},
                                {NULL, NULL}};
