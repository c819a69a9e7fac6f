/* A parent that forks while it owns a buffer. The child leaks one of its own, and ends through exit(); the parent releases
 * what it has. Only the child has leaked, and only the one. With an argument the parent first destroys an allocator that has
 * nine alive, and the child two that have three each. A second argument is a folder to go to before all that. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

__attribute__((noinline)) static poolbuf *take(size_t size) {
    poolbuf *buffer = poolbuf_allocate(NULL, size, size);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

__attribute__((noinline)) static size_t lose_one(void) {
    return poolbuf_capacity(take(300));
}

__attribute__((noinline)) static void lose(poolbuf_allocator *allocator, int count) {
    for (int i = 0; i < count; i++) {
        if (poolbuf_allocate(allocator, 100, 100) == NULL) {
            exit(1);
        }
    }
}

static void destroy_with(int count) {
    poolbuf_allocator *allocator;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        exit(1);
    }
    lose(allocator, count);
    if (poolbuf_allocator_destroy(allocator) != POOLBUF_ERROR_LIVE_BUFFERS) {
        exit(1);
    }
}

int main(int count, char **arguments) {
    if (count > 2 && chdir(arguments[2]) != 0) {
        return 1;
    }
    poolbuf *own = take(100);
    if (count > 1) {
        destroy_with(9);
    }
    pid_t child = fork();
    if (child == 0 && count > 1) {
        destroy_with(3);
        destroy_with(3);
        exit(0);
    }
    if (child == 0) {
        exit(lose_one() == 300 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    poolbuf_release(own);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
