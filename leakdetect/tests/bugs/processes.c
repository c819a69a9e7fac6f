/* Processes that fork, libraries that come and go, and code that runs before main(). */
#include "bugs.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

APART static void lose_here(void) {
    bugs_lost = bugs_need(poolbuf_allocate(NULL, 300, 300)); /* @lose-here */
    bugs_work++;
}

/* A child that has leaked ends with `expected`, or, where no sample saw it, with 0. */
static void wait_for(pid_t child, int expected) {
    int status = 0;
    bugs_must(child > 0);
    bugs_must(waitpid(child, &status, 0) == child);
    bugs_must(WIFEXITED(status) && (WEXITSTATUS(status) == expected || WEXITSTATUS(status) == 0));
}

/* Three are lost before the fork: they are the parent's, not the child's, which ends as a program does, through
 * exit(). */
static void fork_parent_leaks(void) {
    for (int i = 0; i < 3; i++) {
        lose_here();
    }
    pid_t child = fork();
    if (child == 0) {
        exit(0);
    }
    wait_for(child, 0);
}

/* The child loses two of its own; its exit code says so, if it was asked to. */
static void fork_child_leaks(void) {
    const char *wanted = getenv("POOLBUF_LEAK_EXIT_CODE");
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 2; i++) {
            lose_here();
        }
        exit(0);
    }
    wait_for(child, wanted == NULL ? 0 : atoi(wanted)); // NOLINT(cert-err34-c) the library has checked it
}

/* Leaks in a library that is unmapped long before anything is reported. */
static void run_library(const char *function) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "/bugs_library.so");
    bugs_must(length > 0);
    while (path[length] != '/') {
        length--;
    }
    for (const char *from = "/bugs_library.so"; *from != '\0'; from++) {
        path[length++] = *from;
    }
    path[length] = '\0';
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    bugs_must(library != NULL);
    void (*run)(void) = NULL;
    *(void **)&run = dlsym(library, function);
    bugs_must(run != NULL);
    run();
    bugs_must(dlclose(library) == 0);
}

static void library_closed(void) {
    run_library("library_leak");
}

static void library_cleans_up(void) {
    run_library("library_work");
}

/* A child that ends by _exit() with all that it inherited; its parent releases everything. */
static void child_ends_by_exit(void) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 300, 300));
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    wait_for(child, 0);
    poolbuf_release(buffer);
}

/* A child that ends by exit(), and releases what it took over. */
static void child_releases(void) {
    poolbuf *buffer = bugs_need(poolbuf_allocate(NULL, 300, 300));
    pid_t child = fork();
    if (child == 0) {
        poolbuf_release(buffer);
        poolbuf_release(bugs_need(poolbuf_allocate(NULL, 300, 300)));
        exit(0);
    }
    wait_for(child, 0);
    poolbuf_release(buffer);
}

const bugs_case bugs_processes[] = {{"fork-parent-leaks", fork_parent_leaks},
                                    {"fork-child-leaks", fork_child_leaks},
                                    {"library-closed", library_closed},
                                    {"library-cleans-up", library_cleans_up},
                                    {"child-ends-by-exit", child_ends_by_exit},
                                    {"child-releases", child_releases},
                                    {NULL, NULL}};
