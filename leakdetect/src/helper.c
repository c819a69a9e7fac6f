/* Libraries that the detector opens when it first needs them. */
#include "helper.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "message.h"
#include "module_log.h"

/* Which of the modules in the log have their places kept, by position. */
typedef struct kept_places {
    uint64_t bits[MODULE_LOG_MAX / 64];
} kept_places;

/* What has a loader names it among its program headers. Where the system does not say where they are, there is one. */
bool helper_loader_exists(void) {
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR); /* NOLINT(performance-no-int-to-ptr) */
    const size_t count = headers != NULL ? (size_t)getauxval(AT_PHNUM) : 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type == PT_INTERP) {
            return true;
        }
    }
    return count == 0;
}

/* Its first page, and how many bytes there are from there. */
static void *place_of(const loaded_module *module, size_t *bytes) {
    const uintptr_t start = module->start & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
    *bytes = module->end - start;
    return (void *)start; // NOLINT(performance-no-int-to-ptr)
}

/* Where a library has been closed lie the addresses that it has left on stacks. Ours would be mapped there, as the first that
 * come after it, and be taken for it; so nothing comes there meanwhile. What is in use refuses. Not under Valgrind, of
 * which 3.19 ends with an assertion of its own (has_nonempty_rw) when a library comes to where such a place was: there a closed
 * library may be named as one of ours. */
static void keep_places(kept_places *places) {
    *places = (kept_places){{0}};
    for (uint32_t i = RUNNING_ON_VALGRIND ? 0 : module_log_count(); i-- > 0;) {
        size_t bytes = 0;
        void *wanted = place_of(module_log_at(i), &bytes);
        void *place =
            mmap(wanted, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (place == wanted) {
            places->bits[i / 64] |= (uint64_t)1 << i % 64;
        } else if (place != MAP_FAILED) { /* before Linux 4.17 it is a wish */
            (void)munmap(place, bytes);
        }
    }
}

static void give_places(const kept_places *places) {
    for (uint32_t i = 0; i < MODULE_LOG_MAX; i++) {
        if ((places->bits[i / 64] >> i % 64 & 1) != 0) {
            size_t bytes = 0;
            void *place = place_of(module_log_at(i), &bytes);
            (void)munmap(place, bytes);
        }
    }
}

static void *open_library(const char *name) {
    return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

void *helper_open(const char *name) {
    kept_places places;
    if (!helper_loader_exists()) {
        return NULL;
    }
    keep_places(&places);
    void *library = open_library(name);
    give_places(&places);
    return library != NULL ? library : open_library(name); /* a limit may have left room for one of the two */
}

/* The loader's message ends in the system's, both in the program's language. */
bool helper_say_missing(const char *name, const char *meaning, const char *package) {
    char text[128];
    const char *reason = dlerror();
    if (!helper_loader_exists()) {
        return false;
    }
    if (reason == NULL || strstr(reason, strerror_r(ENOENT, text, sizeof text)) != NULL) {
        message_print("%s is missing: %s; install %s", name, meaning, package);
        return false;
    }
    message_print("%s: %s", reason, meaning);
    return true;
}
