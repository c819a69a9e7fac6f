/* Preloaded: a disk that is full, for a test that can neither mount one nor fill one.
 *
 * What may be populated is as many KiB as RECORD_FULL_KIB says, of a program image and its forked children together.
 * Behind that MADV_POPULATE_WRITE fails as it does on a full disk; and, as there, a file whose first page was never
 * written cannot be read through a mapping.
 *
 * With RECORD_FULL_FORKS=N a realloc() to N bytes forks, as a signal handler may that interrupts one, and both go on.
 *
 * With RECORD_FULL_MAPS=0 nobody has memory to map a file for writing, and with RECORD_FULL_MAPS=1 none to map more of it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static bool allows_maps(const char *refused) {
    const char *maps = getenv("RECORD_FULL_MAPS");
    return maps == NULL || strcmp(maps, refused) != 0;
}

static size_t room;
static bool is_read;

static bool take_room(size_t size) {
    const char *kib = getenv("RECORD_FULL_KIB");
    if (!is_read) {
        room = kib != NULL ? (size_t)strtoul(kib, NULL, 10) * 1024 : SIZE_MAX;
        is_read = true;
    }
    if (size > room) {
        return false;
    }
    room -= size;
    return true;
}

/* glibc's headers name the parameters __addr and so on. */
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
__attribute__((visibility("default"))) int madvise(void *at, size_t size, int advice) {
    if (advice == MADV_POPULATE_WRITE && !take_room(size)) {
        errno = EFAULT;
        return -1;
    }
    return (int)syscall(SYS_madvise, at, size, advice);
}

__attribute__((visibility("default"))) void *mmap(void *at, size_t size, int protection, int flags, int file,
                                                  off_t offset) {
    if (!allows_maps("0") && file >= 0 && (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (file >= 0 && protection == PROT_READ && (flags & MAP_SHARED) != 0 && lseek(file, 0, SEEK_DATA) != 0) {
        protection = PROT_NONE;
    }
    const long mapped = syscall(SYS_mmap, at, size, protection, flags, file, offset);
    return mapped != -1 ? (void *)mapped : MAP_FAILED; // NOLINT(performance-no-int-to-ptr)
}

__attribute__((visibility("default"))) void *mremap(void *at, size_t old_size, size_t size, int flags, ...) {
    if (!allows_maps("1")) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    const long mapped = syscall(SYS_mremap, at, old_size, size, flags, NULL);
    return mapped != -1 ? (void *)mapped : MAP_FAILED; // NOLINT(performance-no-int-to-ptr)
}

__attribute__((visibility("default"))) void *realloc(void *at, size_t size) {
    const char *forks = getenv("RECORD_FULL_FORKS");
    void *(*next)(void *, size_t);
    void *found = dlsym(RTLD_NEXT, "realloc");
    memcpy(&next, &found, sizeof next);
    if (forks != NULL && strtoul(forks, NULL, 10) == size) {
        (void)fork();
    }
    return next(at, size);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
