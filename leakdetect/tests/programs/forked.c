/* A parent that forks while it owns a buffer. The child leaks one of its own, and ends through exit(); the parent releases
 * what it has. Only the child has leaked, and only the one. */
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

int main(void) {
    poolbuf *own = take(100);
    pid_t child = fork();
    if (child == 0) {
        exit(lose_one() == 300 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    poolbuf_release(own);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
