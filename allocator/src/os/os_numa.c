/* Memory nodes on Linux, by libnuma: which nodes there are for this process, and mbind().
 *
 * The library is loaded when an allocator is made that asks for it, and never by others. Loading takes no lock of ours: two
 * threads that load at once find the same symbols, and dlopen() counts. It stays loaded, as regions need it. What came of it
 * is remembered, so that who holds a lock can have it loaded before, and does not wait for the loader's. */
#include "os/os_numa.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/auxv.h>

#include <linux/mempolicy.h>

const char *os_numa_library = "libnuma.so.1";

/* As numa.h has it, which is not there to build with. */
struct bitmask {
    unsigned long size; /* bits */
    unsigned long *maskp;
};

typedef int available_function(void);
typedef long mbind_function(void *start, unsigned long size, int mode, const unsigned long *mask, unsigned long bits,
                            unsigned flags);

/* Both atomic; the mask is released after the function. */
static mbind_function *bind_pages;
static const struct bitmask *nodes; /* that this process may use */

static const char *tried; /* atomic; the library that was loaded last, or was not there; released after what it says */
static const char *lacking; /* atomic; NULL: nothing */

/* A program that was linked statically has none to load by: what its dlopen() brings in lacks thread-local storage. The
 * others name theirs among their program headers. */
static bool loader_exists(void) {
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR); /* NOLINT(performance-no-int-to-ptr) */
    const size_t count = headers != NULL ? (size_t)getauxval(AT_PHNUM) : 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type == PT_INTERP) {
            return true;
        }
    }
    return count == 0;
}

static const char *load(void) {
    if (!loader_exists()) {
        return "a static program cannot load libnuma.so.1";
    }
    void *library = dlopen(os_numa_library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        return "libnuma.so.1 is missing; install libnuma1";
    }
    available_function *available = (available_function *)dlsym(library, "numa_available");
    mbind_function *found = (mbind_function *)dlsym(library, "mbind");
    struct bitmask **all = dlsym(library, "numa_all_nodes_ptr");
    if (available == NULL || found == NULL || all == NULL) {
        return "libnuma.so.1 is too old: it lacks mbind or numa_all_nodes_ptr";
    }
    if (available() < 0 || *all == NULL) {
        return "the kernel has no memory policies, or does not allow them here";
    }
    __atomic_store_n(&bind_pages, found, __ATOMIC_RELAXED);
    __atomic_store_n(&nodes, *all, __ATOMIC_RELEASE);
    return NULL;
}

const char *os_numa_load(void) {
    if (__atomic_load_n(&tried, __ATOMIC_ACQUIRE) != os_numa_library) {
        __atomic_store_n(&lacking, load(), __ATOMIC_RELAXED);
        __atomic_store_n(&tried, os_numa_library, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&lacking, __ATOMIC_RELAXED);
}

const char *os_numa_start(os_numa policy) {
    const char *missing = os_numa_load();
    if (missing != NULL) {
        return missing;
    }
    void *page = NULL;
    if (os_linux.acquire(OS_MAPPED, os_page_size(), os_page_size(), &page) != 0) {
        return "there is no memory to try it on";
    }
    int error = os_numa_bind(page, os_page_size(), policy);
    (void)os_linux.give_back(OS_MAPPED, page, os_page_size());
    return error == 0 ? NULL : "the kernel refuses mbind()";
}

int os_numa_bind(void *region, size_t size, os_numa policy) {
    const struct bitmask *all = __atomic_load_n(&nodes, __ATOMIC_ACQUIRE);
    mbind_function *call = __atomic_load_n(&bind_pages, __ATOMIC_RELAXED);
    if (all == NULL) {
        return ENOSYS;
    }
    long result = policy == OS_NUMA_INTERLEAVE ? call(region, size, MPOL_INTERLEAVE, all->maskp, all->size + 1, 0)
                                               : call(region, size, MPOL_LOCAL, NULL, 0, 0);
    return result == 0 ? 0 : errno;
}
