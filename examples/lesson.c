/* The first lesson: a buffer that is released comes back, handle and memory; and one that is used after that is caught.
 *
 *     lesson                         the mistake, made in a process of its own, ends that process
 *     POOLBUF_MISUSE=count lesson    the mistake is counted and reported, and the call fails
 *
 * Exit codes: 0 all was as it says, 1 it was not. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

enum {
    VALUES = 10,
    CHILD_WROTE = 3 /* what the child exits with if its write went through */
};

static bool complain(const char *what) {
    (void)fprintf(stderr, "lesson: %s\n", what);
    return false;
}

/* Writes ten values, and reads the ten back. */
static bool use(poolbuf *buffer) {
    for (uint32_t i = 0; i < VALUES; i++) {
        if (poolbuf_write_u32_be(buffer, i * i) != POOLBUF_OK) {
            return complain("a value could not be written");
        }
    }
    printf("  wrote %d values: %zu bytes to read, capacity %zu\n", VALUES, poolbuf_readable_bytes(buffer),
           poolbuf_capacity(buffer));
    for (uint32_t i = 0; i < VALUES; i++) {
        uint32_t value = 0;
        if (poolbuf_read_u32_be(buffer, &value) != POOLBUF_OK || value != i * i) {
            return complain("a value came back that was not written");
        }
    }
    printf("  read %d values: %zu bytes to read\n", VALUES, poolbuf_readable_bytes(buffer));
    return true;
}

/* One round: allocate, use, release. *handle is where the buffer was. */
static bool round_of(int number, uintptr_t *handle) {
    poolbuf *buffer = poolbuf_allocate(NULL, VALUES * sizeof(uint32_t), 4096);
    if (buffer == NULL) {
        return complain("no buffer");
    }
    *handle = (uintptr_t)buffer;
    printf("round %d: buffer 0x%" PRIxPTR "\n", number, *handle);
    bool good = use(buffer);
    bool last = poolbuf_release(buffer);
    printf("  released: %s\n", last ? "that was the last reference" : "somebody still has it");
    return good && (last || complain("a reference was left over"));
}

/* The mistake: a write after the last release. */
static int write_after_release(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 64, 64);
    if (buffer == NULL) {
        return CHILD_WROTE;
    }
    (void)poolbuf_release(buffer);
    poolbuf_status status = poolbuf_write_u32_be(buffer, 42);
    printf("  the write said: %s\n", poolbuf_status_text(status));
    (void)fflush(stdout);
    return status != POOLBUF_OK ? 0 : CHILD_WROTE;
}

/* Makes the mistake in a child, since it ends the process that makes it, unless it is only counted. */
static bool make_the_mistake(void) {
    printf("a write after release:\n");
    (void)fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        return complain("no child process");
    }
    if (child == 0) {
        _exit(write_after_release());
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) {
        return complain("the child is lost");
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        printf("  it was caught, and the process was stopped\n");
        return true;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("  it was caught, and the process went on\n");
        return true;
    }
    return complain("a write to a dead buffer was not caught");
}

int main(void) {
    uintptr_t first = 0;
    uintptr_t second = 0;
    bool good = round_of(1, &first) && round_of(2, &second);
    if (good) {
        printf("%s\n", first == second ? "the same buffer came back" : "another buffer came");
        good = first == second || complain("the pool gave another buffer");
    }
    return good && make_the_mistake() ? 0 : 1;
}
