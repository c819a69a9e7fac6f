/* Loses a buffer for good, keeps another, and waits for a report of a scan on an interval.
 *
 *   scanned lose FILE       goes on when FILE has something in it
 *   scanned keep SECONDS    loses nothing, for so long
 *   scanned change SECONDS  the same, but not dumpable: root, who may look at all, becomes nobody */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

#define OWN_FRAME __attribute__((noinline))

static poolbuf *kept;

OWN_FRAME static void lose(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 300, 300);
    if (buffer == NULL || poolbuf_write_u8(buffer, 1) != POOLBUF_OK) {
        exit(1);
    }
}

/* Finished calls leave addresses on the stack, which count as references where a caller lies above them. */
OWN_FRAME static void wipe_stack(void) {
    volatile char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0;
    }
}

static void wait_for(const char *path) {
    struct stat found;
    for (int i = 0; i < 3000 && (stat(path, &found) != 0 || found.st_size == 0); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

int main(int count, char **arguments) {
    if (count != 3) {
        return 1;
    }
    kept = poolbuf_allocate(NULL, 100, 100);
    if (kept == NULL) {
        return 1;
    }
    if (strcmp(arguments[1], "lose") == 0) {
        lose();
        wipe_stack();
        wait_for(arguments[2]);
    } else {
        if (strcmp(arguments[1], "change") == 0 && (geteuid() == 0 ? setuid(65534) : prctl(PR_SET_DUMPABLE, 0)) != 0) {
            return 1;
        }
        nanosleep(&(struct timespec){.tv_sec = strtol(arguments[2], NULL, 10)}, NULL);
    }
    poolbuf_release(kept);
    return 0;
}
