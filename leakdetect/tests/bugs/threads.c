/* Leaks by threads that are gone, between threads, and in signal handlers. */
#include "bugs.h"

#include <pthread.h>
#include <signal.h>

static void run_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    bugs_must(pthread_create(&thread, NULL, body, argument) == 0);
    bugs_must(pthread_join(thread, NULL) == 0);
}

APART static void lose_in_thread(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 512, 512)); /* @lose-in-thread */
    bugs_work++;
}

static void *work_and_end(void *argument) {
    (void)pthread_setname_np(pthread_self(), "shortlived");
    for (int i = 0; i < 5; i++) {
        lose_in_thread();
    }
    return argument;
}

static void thread_ended(void) {
    run_thread(work_and_end, NULL);
}

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void make_scratch_key(void) {
    bugs_must(pthread_key_create(&scratch_key, NULL) == 0); /* the bug: no destructor */
}

APART static void *use_scratch(void *argument) {
    poolbuf *scratch = bugs_need(poolbuf_allocate(NULL, 4096, 4096)); /* @use-scratch */
    (void)pthread_setname_np(pthread_self(), "scratcher");
    bugs_must(pthread_setspecific(scratch_key, scratch) == 0);
    return argument;
}

/* The thread's own storage is forgotten with the thread. */
static void tls_without_destructor(void) {
    (void)pthread_once(&scratch_once, make_scratch_key);
    run_thread(use_scratch, NULL);
}

static pthread_key_t log_key;
static pthread_once_t log_once = PTHREAD_ONCE_INIT;

APART static void log_end(void *first) {
    poolbuf_release(first);
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 80, 80)); /* @log-end: the bug: a last record that nobody takes */
    bugs_work++;
}

static void make_log_key(void) {
    bugs_must(pthread_key_create(&log_key, log_end) == 0);
}

static void *log_and_end(void *argument) {
    bugs_must(pthread_setspecific(log_key, bugs_need(poolbuf_allocate(NULL, 160, 160))) == 0);
    return argument;
}

/* The destructor runs when the thread's cache may be gone already. */
static void tls_destructor_leaks(void) {
    (void)pthread_once(&log_once, make_log_key);
    run_thread(log_and_end, NULL);
}

APART static void consume(poolbuf *message, int number) {
    if (number != 1) {
        poolbuf_release(message); /* @consume */
    }
    bugs_work++;
}

static poolbuf *queue[4];

static void *consumer(void *argument) {
    (void)pthread_setname_np(pthread_self(), "consumer");
    for (int i = 0; i < 4; i++) {
        poolbuf_touch(queue[i], "taken from the queue");
        consume(queue[i], i);
    }
    return argument;
}

APART static poolbuf *produce(void) {
    poolbuf *message = bugs_need(poolbuf_allocate(NULL, 1024, 1024)); /* @produce */
    bugs_work++;
    return message;
}

/* The producer is innocent; the touches show where the one that leaked was seen last. */
static void handed_over(void) {
    for (int i = 0; i < 4; i++) {
        queue[i] = produce();
    }
    run_thread(consumer, NULL);
}

static volatile sig_atomic_t wanted;

static void on_signal(int number) {
    wanted = number;
}

APART static void serve_signal(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 160, 160)); /* @serve-signal */
    bugs_work++;
}

/* The loop sees the flag that a handler has set, and takes the way with the bug. */
static void signal_driven(void) {
    bugs_must(signal(SIGUSR1, on_signal) != SIG_ERR);
    for (int i = 0; i < 10; i++) {
        if (i % 5 == 0) {
            bugs_must(raise(SIGUSR1) == 0);
        }
        if (wanted != 0) {
            wanted = 0;
            serve_signal();
        }
    }
}

/* No handler of good manners does this, and that is the case; by pointers, through which no analyser follows a call. */
static poolbuf *(*volatile allocate_anyway)(poolbuf_allocator *, size_t, size_t) = poolbuf_allocate;
static poolbuf *(*volatile need_anyway)(poolbuf *) = bugs_need;

APART static void in_handler(int number) {
    bugs_lost = need_anyway(allocate_anyway(NULL, 224, 224)); /* @in-handler */
    bugs_work += number;
}

/* It is the handler itself that allocates. The signal is raised where nobody is at work in the allocator. */
static void signal_handler(void) {
    bugs_must(signal(SIGUSR2, in_handler) != SIG_ERR);
    bugs_must(raise(SIGUSR2) == 0);
}

static void *lose_one_each(void *argument) {
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* what the cases count with is not atomic */
    bugs_must(pthread_mutex_lock(&turn) == 0);
    lose_in_thread();
    bugs_must(pthread_mutex_unlock(&turn) == 0);
    return argument;
}

/* One site, many threads: one group. */
static void many_threads(void) {
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        bugs_must(pthread_create(&threads[i], NULL, lose_one_each, NULL) == 0);
    }
    for (int i = 0; i < 8; i++) {
        bugs_must(pthread_join(threads[i], NULL) == 0);
    }
}

const bugs_case bugs_threads[] = {{"thread-ended", thread_ended},
                                  {"tls-without-destructor", tls_without_destructor},
                                  {"tls-destructor-leaks", tls_destructor_leaks},
                                  {"handed-over", handed_over},
                                  {"signal-driven", signal_driven},
                                  {"signal-handler", signal_handler},
                                  {"many-threads", many_threads},
                                  {NULL, NULL}};
