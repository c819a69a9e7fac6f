/* A program to be recorded: each mode does something that test_record.c then looks for, in sizes that nobody else asks
 * for. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define BLOCKS  1000
#define STORM   20000

/* The compiler must not see that a block is released unused. Each thread has its own, and gets back what it gave and not
 * what lies here by then. */
static _Thread_local void *volatile kept;

static void *keep(void *memory) {
    if (memory == NULL) {
        abort();
    }
    kept = memory;
    return memory;
}

/* Every function of the family, each with a size of its own. */
static int basic(void) {
    void *aligned = NULL;
    void *plain = keep(malloc(1001));
    void *cleared = keep(calloc(3, 334));
    void *grown = keep(realloc(keep(malloc(1003)), 1004));
    void *fresh = keep(realloc(NULL, 1005));
    void *array = keep(reallocarray(NULL, 2, 503));
    if (posix_memalign(&aligned, 256, 1007) != 0) {
        return 1;
    }
    void *c11 = keep(aligned_alloc(64, 1024));
    void *old = keep(memalign(64, 1009));
    void *page = keep(valloc(1010));
    void *pages = keep(pvalloc(1013));
    void *empty = keep(malloc(0)); // NOLINT(clang-analyzer-optin.portability.UnixAPI)
    void *again = keep(reallocarray(array, 2, 504));
    volatile size_t too_many =
        SIZE_MAX; /* a product that overflows allocates nothing, and leaves what is there alone */
    if (reallocarray(again, too_many, 4) != NULL) {
        return 1;
    }
    void *everything[] = {plain, cleared, grown, fresh, aligned, c11, old, page, pages, empty, again};
    for (size_t i = 0; i < sizeof everything / sizeof everything[0]; i++) {
        free(everything[i]);
    }
    free(NULL);
    void *emptied = realloc(keep(malloc(1011)), 0);
    free(emptied);
    keep(malloc(1012)); /* stays */
    return malloc_usable_size(kept) >= 1012 ? 0 : 1;
}

static void *_Atomic ring[THREADS][BLOCKS];

/* Each thread allocates for its neighbour, which grows some and releases all. */
static void *neighbour(void *argument) {
    size_t self = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < BLOCKS; i++) {
        atomic_store(&ring[self][i], keep(malloc(2000 + i % 7)));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        void *block;
        while ((block = atomic_exchange(&ring[(self + 1) % THREADS][i], NULL)) == NULL) {
        }
        if (i % 3 == 0) {
            block = realloc(block, 2100);
        }
        free(block);
    }
    return NULL;
}

/* Frees and allocations of all sizes at once, in all threads, over one array; children come and go meanwhile. */
static void *_Atomic shared[64];

static void *storm(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument * 2654435761u + 1;
    for (int i = 0; i < STORM; i++) {
        random = random * 1664525u + 1013904223u;
        void *_Atomic *slot = &shared[random >> 26];
        void *block = atomic_exchange(slot, NULL);
        if ((random >> 8) % 4 == 0 && block != NULL) {
            block = realloc(block, 1 + (random >> 12) % 3000);
        } else {
            free(block);
            block = malloc(1 + (random >> 12) % 3000);
        }
        free(atomic_exchange(slot, block));
    }
    return NULL;
}

static int with_threads(void *(*body)(void *), int children) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, body, (void *)(uintptr_t)i) != 0) {
            return 1;
        }
    }
    int failures = 0;
    for (int i = 0; i < children; i++) {
        pid_t child = fork();
        if (child == 0) {
            free(keep(malloc(5005)));
            _exit(0);
        }
        int status = 1;
        failures += waitpid(child, &status, 0) != child || status != 0;
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    return failures;
}

/* A thread for each piece of work, which leaves something to who started it, and ends before the next. */
static void *work_once(void *argument) {
    void **left = argument;
    for (int i = 0; i < 10; i++) {
        free(keep(malloc(8008)));
    }
    *left = keep(malloc(8009));
    return NULL;
}

static int succession(void) {
    for (int i = 0; i < 240; i++) {
        pthread_t thread;
        void *left = NULL;
        if (pthread_create(&thread, NULL, work_once, &left) != 0) {
            return 1;
        }
        (void)pthread_join(thread, NULL);
        free(left);
    }
    return 0;
}

/* A child goes on after fork and ends by _exit; another executes this program again. */
static int forks(char *program) {
    char mode[] = "basic";
    char *arguments[] = {program, mode, NULL};
    void *inherited = keep(malloc(3001));
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            free(inherited); /* unknown to the child's own recording */
            keep(malloc(3003));
            if (i == 1) {
                (void)execv(program, arguments);
            }
            _exit(7);
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != (i == 0 ? 7 : 0)) {
            return 1;
        }
    }
    free(inherited);
    keep(malloc(3004));
    return 0;
}

/* Runs a child that allocates, when it has done what a server may do before it forks or starts to work. */
static int child_after(int (*step)(void)) {
    pid_t child = fork();
    if (child == 0) {
        const int failure = step();
        free(keep(malloc(3005)));
        _exit(failure);
    }
    int status = 1;
    return waitpid(child, &status, 0) != child || status != 0;
}

static int close_all_doors(void) {
    const struct rlimit none = {0, 0}; /* no file can be opened any more, as after chroot() or setuid() */
    return setrlimit(RLIMIT_NOFILE, &none);
}

static int nothing(void) {
    return 0;
}

/* A child with an empty environment, and two that can open no file. */
static int lost(void) {
    keep(malloc(3001));
    keep(malloc(3002));
    keep(malloc(3003));
    return clearenv() + child_after(nothing) + child_after(close_all_doors) + child_after(close_all_doors);
}

/* Larger than a recording can say, at first and grown. Nobody touches it, so it takes no memory. */
static int huge(void) {
    void *block = keep(malloc((size_t)300 << 20));
    free(keep(realloc(block, (size_t)400 << 20)));
    return 0;
}

static void on_signal(int number) {
    (void)number;
    // NOLINTNEXTLINE(bugprone-signal-handler)
    free(keep(malloc(6006))); /* not safe in general; here the recorder's part of it is what is tested */
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "quiet";
    if (strcmp(mode, "basic") == 0) {
        return basic();
    }
    if (strcmp(mode, "neighbours") == 0) {
        return with_threads(neighbour, 0);
    }
    if (strcmp(mode, "storm") == 0) {
        return with_threads(storm, 20);
    }
    if (strcmp(mode, "forks") == 0) {
        return forks(argv[0]);
    }
    if (strcmp(mode, "signal") == 0) {
        (void)signal(SIGUSR1, on_signal);
        return raise(SIGUSR1);
    }
    if (strcmp(mode, "many") == 0) {
        for (int i = 0; i < 300000; i++) {
            free(keep(malloc(7007)));
        }
        return 0;
    }
    if (strcmp(mode, "hoard") == 0) {
        for (int i = 0; i < 200000; i++) {
            keep(malloc(24));
        }
        return 0;
    }
    if (strcmp(mode, "succession") == 0) {
        return succession();
    }
    if (strcmp(mode, "lost") == 0) {
        return lost();
    }
    if (strcmp(mode, "huge") == 0) {
        return huge();
    }
    if (strcmp(mode, "quiet") == 0) {
        return 0;
    }
    keep(malloc(4004)); /* all that remain end in different ways */
    if (strcmp(mode, "waiting") == 0) {
        if (write(STDOUT_FILENO, "\n", 1) == 1) {
            (void)pause(); /* for the signal that ends it */
        }
        return 1;
    }
    if (strcmp(mode, "killed") == 0) {
        return raise(SIGKILL);
    }
    if (strcmp(mode, "terminated") == 0) {
        return raise(SIGTERM);
    }
    if (strcmp(mode, "quick_exit") == 0) {
        quick_exit(5);
    }
    if (strcmp(mode, "_exit") == 0) {
        _exit(3);
    }
    return 9;
}
