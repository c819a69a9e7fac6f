/* The contract in tally.h on mmap. */
#include "tally.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message.h"
#include "tally_page.h"

static tally_page *page; /* NULL: nobody wants to know */

static bool is_long_enough(int descriptor) {
    struct stat facts;
    return fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size >= (off_t)sizeof(tally_page);
}

void tally_open(const char *path) {
    if (path == NULL || page != NULL) {
        return;
    }
    const int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) {
        return;
    }
    void *mapping = is_long_enough(descriptor)
                        ? mmap(NULL, sizeof(tally_page), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
                        : MAP_FAILED;
    (void)close(descriptor);
    if (mapping != MAP_FAILED && ((const tally_page *)mapping)->magic != TALLY_MAGIC) {
        (void)munmap(mapping, sizeof(tally_page));
        mapping = MAP_FAILED;
    }
    if (mapping == MAP_FAILED) {
        message_print("POOLBUF_LEAK_TALLY=%.200s is not what `poolbuf leaks` makes: nothing is counted there", path);
        return;
    }
    page = mapping;
}

void tally_count_lost(void) {
    int32_t nobody = 0;
    if (page == NULL) {
        return;
    }
    atomic_fetch_add_explicit(&page->lost, 1, memory_order_relaxed);
    (void)atomic_compare_exchange_strong_explicit(&page->first, &nobody, (int32_t)getpid(), memory_order_relaxed,
                                                  memory_order_relaxed);
}
