/* Opens what a user has compiled, and believes nothing of it. */
#include "subjects/library.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static bool is_text(const char *text) {
    const size_t length = text == NULL ? 0 : strnlen(text, SUBJECT_LIBRARY_TEXT_MAX + 1);
    bool good = length > 0 && length <= SUBJECT_LIBRARY_TEXT_MAX;
    for (size_t i = 0; i < length && good; i++) {
        good = isprint((unsigned char)text[i]) != 0;
    }
    return good;
}

/* The first hook that is left out; NULL when all are there. */
static const char *missing_hook(const subject_kernel *kernel) {
    return kernel->prepare == NULL   ? "prepare"
           : kernel->finish == NULL  ? "finish"
           : kernel->play == NULL    ? "play"
           : kernel->pure == NULL    ? "pure"
           : kernel->audit == NULL   ? "audit"
           : kernel->timed == NULL   ? "timed"
           : kernel->held == NULL    ? "held"
           : kernel->discard == NULL ? "discard"
                                     : NULL;
}

bool subject_library_check(const subject_library_entry *entry, char *message, size_t message_size) {
    if (entry->version != SUBJECT_LIBRARY_VERSION) {
        (void)snprintf(message, message_size,
                       "was made for version %u of subjects/plugin.h, this program has version %u: compile it again",
                       entry->version, SUBJECT_LIBRARY_VERSION);
    } else if (entry->struct_size != sizeof *entry || entry->run_size != sizeof(subject_run) ||
               entry->kernel_size != sizeof(subject_kernel) || entry->kind_count != STREAM_KIND_COUNT) {
        (void)snprintf(message, message_size, "was compiled with other headers than this program's: compile it again");
    } else if (!is_text(entry->name) || !is_text(entry->release)) {
        (void)snprintf(message, message_size, "has no name or no version of 1 to %d printable characters",
                       SUBJECT_LIBRARY_TEXT_MAX);
    } else if (entry->kernel == NULL) {
        (void)snprintf(message, message_size, "has no kernel; SUBJECT_PLUGIN() in subjects/plugin.h makes one");
    } else if (missing_hook(entry->kernel) != NULL) {
        (void)snprintf(message, message_size, "has a kernel without %s()", missing_hook(entry->kernel));
    } else {
        return true;
    }
    return false;
}

/* The loader's own words, without the path that it begins with. */
static const char *loader_complaint(const char *path) {
    const char *text = dlerror();
    if (text == NULL) {
        return "for an unknown reason";
    }
    const size_t length = strlen(path);
    return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

static bool complain(char *message, size_t size, const char *name, const char *path, const char *problem,
                     const char *detail) {
    (void)snprintf(message, size, "%s: %s %s%s", name, path, problem, detail);
    return false;
}

bool subject_library_open(const char *name, const char *path, subject *out, char *message, size_t message_size) {
    static char version[2 * SUBJECT_LIBRARY_TEXT_MAX + 2];
    char problem[256];
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return complain(message, message_size, name, path, "cannot be loaded: ", loader_complaint(path));
    }
    const subject_library_entry *entry = dlsym(library, SUBJECT_LIBRARY_SYMBOL);
    if (entry == NULL) {
        (void)dlclose(library);
        return complain(message, message_size, name, path, "has no symbol " SUBJECT_LIBRARY_SYMBOL,
                        "; SUBJECT_PLUGIN() in subjects/plugin.h makes it");
    }
    if (!subject_library_check(entry, problem, sizeof problem)) {
        (void)dlclose(library);
        return complain(message, message_size, name, path, problem, "");
    }
    (void)snprintf(version, sizeof version, "%s %s", entry->name, entry->release);
    *out = (subject){.name = name,
                     .about = version,
                     .kernel = entry->kernel,
                     .provider = SUBJECT_PROVIDER_LIBRARY,
                     .library = path,
                     .proof = entry,
                     .version = version};
    return true;
}
