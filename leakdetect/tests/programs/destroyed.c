/* Destroys an allocator while three of its buffers are alive, then ends with the buffers still there. With "late" it releases
 * them in between; with a second argument, it then loses two of the default allocator. With "child" it loses six of an
 * allocator at another place, and then a child destroys two allocators with three each. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

enum {
    BUFFERS = 3
};

__attribute__((noinline)) static poolbuf *take(poolbuf_allocator *allocator) {
    poolbuf *buffer = poolbuf_allocate(allocator, 100, 100);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

static int destroy_with(poolbuf *(*lose)(poolbuf_allocator *), poolbuf **buffers, int count) {
    poolbuf_allocator *allocator;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        buffers[i] = lose(allocator);
    }
    return poolbuf_allocator_destroy(allocator) == POOLBUF_ERROR_LIVE_BUFFERS ? 0 : 2;
}

__attribute__((noinline)) static poolbuf *grab(poolbuf_allocator *allocator) {
    poolbuf *buffer = poolbuf_allocate(allocator, 200, 200);
    if (buffer == NULL) {
        exit(1);
    }
    return buffer;
}

/* Returns the child's status; in the child it does not return. */
static int lose_in_child(void) {
    static poolbuf *buffers[4 * BUFFERS];
    poolbuf **own = buffers + (size_t)2 * BUFFERS; /* of the child */
    int status = destroy_with(grab, buffers, 2 * BUFFERS);
    pid_t child = status == 0 ? fork() : -1;
    if (child == 0) {
        status = destroy_with(take, own, BUFFERS);
        exit(status != 0 ? status : destroy_with(take, own + BUFFERS, BUFFERS));
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

int main(int argc, char **argv) {
    static poolbuf *buffers[BUFFERS + 2];
    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        return lose_in_child();
    }
    int status = destroy_with(take, buffers, BUFFERS);
    if (status != 0) {
        return status;
    }
    for (int i = 0; i < BUFFERS && argc > 1 && strcmp(argv[1], "late") == 0; i++) {
        poolbuf_release(buffers[i]);
    }
    for (int i = BUFFERS; i < BUFFERS + 2 && argc > 2; i++) {
        buffers[i] = poolbuf_allocate(NULL, 1024, 1024);
    }
    return 0;
}
