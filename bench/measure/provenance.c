/* Asks the loader. */
#include "measure/provenance.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_IS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_IS_SANITIZER true
#endif
#endif
#ifndef MALLOC_IS_SANITIZER
#define MALLOC_IS_SANITIZER false
#endif

static void resolve(const char *path, char *out, size_t out_size) {
    char resolved[PATH_MAX];
    (void)snprintf(out, out_size, "%s", realpath(path, resolved) != NULL ? resolved : path);
}

/* The object that holds an address; "" when none does. The main program's name may be relative, so it is asked for apart. */
static void object_of(const void *address, const char *program, char *out, size_t out_size) {
    Dl_info info;
    struct link_map *map = NULL;
    out[0] = '\0';
    if (address == NULL || dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) == 0) {
        return;
    }
    if (map != NULL && map->l_name != NULL && map->l_name[0] == '\0') {
        (void)snprintf(out, out_size, "%s", program);
    } else if (info.dli_fname != NULL) {
        resolve(info.dli_fname, out, out_size);
    }
}

/* A function's address by name; NULL when nobody has it. Through a union, since C has no cast from data to code. */
typedef union found {
    void *address;
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    int (*mi_version)(void);
    const char *(*tc_version)(int *, int *, const char **);
    const char *(*poolbuf_version_text)(void);
} found;

static found look_up(const char *symbol) {
    return (found){.address = dlsym(RTLD_DEFAULT, symbol)};
}

/* Is the symbol there, and in the object that serves malloc? An allocator that is loaded and does not serve proves nothing. */
static bool serves_malloc(const provenance *facts, const void *address) {
    char path[PROVENANCE_PATH_SIZE];
    object_of(address, facts->program_path, path, sizeof path);
    return path[0] != '\0' && strcmp(path, facts->malloc_path) == 0;
}

static void name_allocator(provenance *facts, subject_provider provider, const char *name, const char *version) {
    facts->malloc_provider = provider;
    (void)snprintf(facts->malloc_version, sizeof facts->malloc_version, "%s %s", name, version);
}

static void find_allocator(provenance *facts) {
    name_allocator(facts, SUBJECT_PROVIDER_LIBC, "glibc", gnu_get_libc_version());
    if (facts->malloc_is_sanitizer) {
        return;
    }
    found symbol = look_up("mallctl");
    if (serves_malloc(facts, symbol.address)) {
        const char *version = "of unknown version";
        size_t size = sizeof version; /* of the pointer: that is what it sets. NOLINT(bugprone-sizeof-expression) */
        if (symbol.mallctl("version", (void *)&version, &size, NULL, 0) != 0) {
            version = "of unknown version";
        }
        name_allocator(facts, SUBJECT_PROVIDER_JEMALLOC, "jemalloc", version);
    }
    symbol = look_up("mi_version");
    if (serves_malloc(facts, symbol.address)) {
        const int number = symbol.mi_version();
        char version[32];
        (void)snprintf(version, sizeof version, "%d.%d.%d", number / 100, number / 10 % 10, number % 10);
        name_allocator(facts, SUBJECT_PROVIDER_MIMALLOC, "mimalloc", version);
    }
    symbol = look_up("tc_version");
    if (serves_malloc(facts, symbol.address)) {
        name_allocator(facts, SUBJECT_PROVIDER_TCMALLOC, "", symbol.tc_version(NULL, NULL, NULL));
        /* It introduces itself by name: "gperftools 2.10". */
        memmove(facts->malloc_version, facts->malloc_version + 1, strlen(facts->malloc_version));
    }
}

void provenance_read(provenance *facts) {
    memset(facts, 0, sizeof *facts);
    const ssize_t length = readlink("/proc/self/exe", facts->program_path, sizeof facts->program_path - 1);
    facts->program_path[length < 0 ? 0 : length] = '\0';
    facts->malloc_is_sanitizer = MALLOC_IS_SANITIZER;
    object_of(look_up("malloc").address, facts->program_path, facts->malloc_path, sizeof facts->malloc_path);
    object_of(look_up("poolbuf_allocate").address, facts->program_path, facts->poolbuf_path,
              sizeof facts->poolbuf_path);
    const found version = look_up("poolbuf_version_text");
    (void)snprintf(facts->poolbuf_version, sizeof facts->poolbuf_version, "poolbuf %s",
                   version.address != NULL ? version.poolbuf_version_text() : "of unknown version");
    find_allocator(facts);
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_libc(const char *path) {
    return strncmp(file_name(path), "libc.so.", strlen("libc.so.")) == 0 ||
           strncmp(file_name(path), "libc-", strlen("libc-")) == 0;
}

static bool refuse(char *message, size_t size, const char *name, const char *serving, const char *version,
                   const char *wanted) {
    (void)snprintf(message, size, "%s: malloc is served by %s (%s), not by %s", name,
                   serving[0] != '\0' ? serving : "an unknown object", version, wanted);
    return false;
}

/* A peer's code is in this program, a user's in the library that was named. */
static bool check_proof(const provenance *facts, const subject *which, char *message, size_t message_size) {
    char path[PROVENANCE_PATH_SIZE];
    const char *wanted = which->provider == SUBJECT_PROVIDER_LIBRARY ? which->library : facts->program_path;
    object_of(which->proof, facts->program_path, path, sizeof path);
    if (which->kernel == NULL || path[0] == '\0') {
        (void)snprintf(message, message_size, "%s: %s has no kernel for it", which->name, facts->program_path);
        return false;
    }
    if (strcmp(path, wanted) != 0) {
        (void)snprintf(message, message_size, "%s: its code is in %s, not in %s", which->name, path, wanted);
        return false;
    }
    return true;
}

static bool has_proof(const subject *which) {
    return which->provider == SUBJECT_PROVIDER_PEER || which->provider == SUBJECT_PROVIDER_LIBRARY;
}

bool provenance_check(const provenance *facts, const subject *which, const char *preload, char *message,
                      size_t message_size) {
    if (which->provider == SUBJECT_PROVIDER_POOLBUF &&
        strncmp(file_name(facts->poolbuf_path), "libpoolbuf.so", strlen("libpoolbuf.so")) != 0) {
        (void)snprintf(message, message_size, "%s: poolbuf_allocate is served by %s, not by libpoolbuf.so", which->name,
                       facts->poolbuf_path[0] != '\0' ? facts->poolbuf_path : "an unknown object");
        return false;
    }
    if (which->provider == SUBJECT_PROVIDER_POOLBUF_STATIC && strcmp(facts->poolbuf_path, facts->program_path) != 0) {
        (void)snprintf(message, message_size, "%s: poolbuf_allocate is served by %s, not by the program itself",
                       which->name, facts->poolbuf_path[0] != '\0' ? facts->poolbuf_path : "an unknown object");
        return false;
    }
    if (has_proof(which) && !check_proof(facts, which, message, message_size)) {
        return false;
    }
    if (preload != NULL) {
        if (strcmp(facts->malloc_path, preload) != 0) {
            return refuse(message, message_size, which->name, facts->malloc_path, facts->malloc_version, preload);
        }
        if (facts->malloc_provider != which->provider) {
            return refuse(message, message_size, which->name, facts->malloc_path, facts->malloc_version, which->name);
        }
        return true;
    }
    if (facts->malloc_is_sanitizer) {
        return true;
    }
    if (!is_libc(facts->malloc_path) || facts->malloc_provider != SUBJECT_PROVIDER_LIBC) {
        return refuse(message, message_size, which->name, facts->malloc_path, facts->malloc_version,
                      "the C library that this program was started with");
    }
    return true;
}

const char *provenance_path(const provenance *facts, const subject *which) {
    switch (which->provider) {
    case SUBJECT_PROVIDER_POOLBUF:
    case SUBJECT_PROVIDER_POOLBUF_STATIC:
        return facts->poolbuf_path;
    case SUBJECT_PROVIDER_PROGRAM:
    case SUBJECT_PROVIDER_PEER:
        return facts->program_path;
    case SUBJECT_PROVIDER_LIBRARY:
        return which->library;
    default:
        return facts->malloc_path;
    }
}

const char *provenance_version(const provenance *facts, const subject *which) {
    if (has_proof(which)) {
        return which->version != NULL ? which->version : "of unknown version";
    }
    if (which->provider == SUBJECT_PROVIDER_POOLBUF || which->provider == SUBJECT_PROVIDER_POOLBUF_STATIC ||
        which->provider == SUBJECT_PROVIDER_PROGRAM) {
        return facts->poolbuf_version;
    }
    return facts->malloc_is_sanitizer ? "this build's sanitizer" : facts->malloc_version;
}

bool provenance_find_library(const char *name, char *path, size_t path_size) {
    void *self = dlopen(NULL, RTLD_LAZY);
    Dl_serinfo size = {.dls_size = 0};
    bool is_found = false;
    if (self == NULL) {
        return false;
    }
    if (dlinfo(self, RTLD_DI_SERINFOSIZE, &size) == 0) {
        Dl_serinfo *search = malloc(size.dls_size);
        if (search != NULL && dlinfo(self, RTLD_DI_SERINFOSIZE, search) == 0 &&
            dlinfo(self, RTLD_DI_SERINFO, search) == 0) {
            for (unsigned i = 0; i < search->dls_cnt && !is_found; i++) {
                char candidate[PATH_MAX];
                char resolved[PATH_MAX];
                const int length =
                    snprintf(candidate, sizeof candidate, "%s/%s", search->dls_serpath[i].dls_name, name);
                is_found = length > 0 && (size_t)length < sizeof candidate && realpath(candidate, resolved) != NULL &&
                           strlen(resolved) < path_size;
                if (is_found) {
                    (void)snprintf(path, path_size, "%s", resolved);
                }
            }
        }
        free(search);
    }
    (void)dlclose(self);
    return is_found;
}
