/* Libraries that the detector opens when it first needs them. */
#include "helper.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "message.h"

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

void *helper_open(const char *name) {
    return helper_loader_exists() ? dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
}

void helper_say_missing(const char *name, const char *meaning, const char *package) {
    if (helper_loader_exists()) {
        message_print("%s is missing: %s; install %s", name, meaning, package);
    }
}
