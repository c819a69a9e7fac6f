/* unreported BUFFERS LEAKS: allocates so many buffers, releases all but so many, and ends as a process that may no longer write a
 * file: its report of them is lost. It sets that limit itself, as ThreadSanitizer's start needs to write. Exit status: 0; 1 no
 * memory; 2 usage. */
#include <stdlib.h>
#include <sys/resource.h>

#include <poolbuf/poolbuf.h>

int main(int argc, char **argv) {
    const struct rlimit nothing = {0, 0};
    const long buffers = argc == 3 ? strtol(argv[1], NULL, 10) : -1;
    const long leaks = argc == 3 ? strtol(argv[2], NULL, 10) : -1;
    if (leaks < 0 || leaks > buffers || setrlimit(RLIMIT_FSIZE, &nothing) != 0) {
        return 2;
    }
    for (long i = 0; i < buffers; i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
        if (buffer == NULL) {
            return 1;
        }
        if (i >= leaks) {
            (void)poolbuf_release(buffer);
        }
    }
    return 0;
}
