/* dl_iterate_phdr() into an array; see symbolize_modules.h. */
#include "symbolize_modules.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "helper.h"

/* For what reads a module as it is mapped, under the loader's lock. ThreadSanitizer does not see the loader unmap one
 * library and map another at its address: what the first one's code wrote there is no write to the second's headers. */
#define LOADED __attribute__((no_sanitize("thread")))

/* Reads the build-id from a PT_NOTE segment: notes of {name size, descriptor size, type, name, descriptor}, each part
 * padded to 4 bytes. */
static LOADED void read_build_id(loaded_module *self, const char *notes, size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) header;
        memcpy(&header, notes, sizeof header);
        size_t name = ((size_t)header.n_namesz + 3) & ~(size_t)3;
        size_t descriptor = ((size_t)header.n_descsz + 3) & ~(size_t)3;
        if (name > size || descriptor > size || sizeof header + name + descriptor > size) {
            return;
        }
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && header.n_descsz <= BUILD_ID_BYTES &&
            memcmp(notes + sizeof header, "GNU", 4) == 0) {
            for (size_t i = 0; i < header.n_descsz; i++) {
                unsigned byte = (unsigned char)notes[sizeof header + name + i];
                snprintf(self->build_id + 2 * i, 3, "%02x", byte);
            }
            return;
        }
        notes += sizeof header + name + descriptor;
        size -= sizeof header + name + descriptor;
    }
}

/* Called by hand, the loader is what the system took for the program, and what /proc/self/exe is. It says what it runs. */
static const char *what_loader_runs(void) {
    return getauxval(AT_BASE) == 0 && helper_loader_exists()
               ? (const char *)getauxval(AT_EXECFN) /* NOLINT(performance-no-int-to-ptr) */
               : NULL;
}

/* What the kernel puts behind the path of a file that is gone, or whose name another has. */
static void cut_gone(char *path) {
    static const char GONE[] = " (deleted)";
    const size_t kept = strlen(path) < strlen(GONE) ? 0 : strlen(path) - strlen(GONE);
    if (strcmp(path + kept, GONE) == 0 && access(path, F_OK) != 0) {
        path[kept] = '\0';
    }
}

static void read_executable(char *path, size_t size) {
    const ssize_t length = readlink("/proc/self/exe", path, size - 1);
    path[length < 0 ? 0 : length] = '\0';
}

bool module_program_path(char *path, size_t size) {
    const char *given = what_loader_runs();
    if (given == NULL) {
        read_executable(path, size);
        cut_gone(path);
    } else if (size < PATH_MAX || realpath(given, path) == NULL) {
        snprintf(path, size, "%s", given);
    }
    return path[0] != '\0';
}

/* Of what is too long the front goes: the file's own name stays, by which stacks without functions are told apart. The path
 * may be the loader's, which dlclose() frees once nobody goes through the list of modules; ThreadSanitizer does not see it wait
 * for that, and looks at what strlen() and snprintf() read, whoever calls them. So bytes are read here, and volatile, lest the
 * compiler make such a call of the loop. */
static LOADED void keep_path(loaded_module *self, const char *path) {
    const volatile char *from = path;
    const size_t most = sizeof self->path - 1;
    size_t length = 0;
    while (from[length] != '\0') {
        length++;
    }
    for (size_t i = length > most ? length - most : length; i < length; i++) {
        if (from[i] == '/') {
            from += i + 1;
            break;
        }
    }
    size_t kept = 0;
    for (; kept < most && from[kept] != '\0'; kept++) {
        self->path[kept] = from[kept];
    }
    self->path[kept] = '\0';
}

static __attribute__((noinline)) void keep_long_program_path(loaded_module *self) {
    char path[PATH_MAX];
    (void)module_program_path(path, sizeof path); /* benign: then it is empty */
    keep_path(self, path);
}

/* The loader has no name for the program. Little room is taken: modules are read in captures too, on stacks of any size. */
static void keep_program_path(loaded_module *self) {
    const char *given = what_loader_runs();
    if (given != NULL) {
        keep_path(self, given);
        return;
    }
    read_executable(self->path, sizeof self->path);
    if (strlen(self->path) == sizeof self->path - 1) {
        keep_long_program_path(self);
    } else {
        cut_gone(self->path);
    }
}

static void set_path(loaded_module *self, const char *name) {
    if (name != NULL && name[0] != '\0') {
        keep_path(self, name);
    } else {
        keep_program_path(self);
    }
}

LOADED void module_read(loaded_module *self, const struct dl_phdr_info *info) {
    *self = (loaded_module){.bias = info->dlpi_addr, .start = UINTPTR_MAX};
    set_path(self, info->dlpi_name);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            self->start = start < self->start ? start : self->start;
            self->end = start + segment->p_memsz > self->end ? start + segment->p_memsz : self->end;
        } else if (segment->p_type == PT_NOTE && self->build_id[0] == '\0') {
            read_build_id(self, (const char *)start, segment->p_memsz);
        }
    }
}

static int add_module(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    loaded_module *self = memory_array_next(context, sizeof *self);
    if (self == NULL) {
        return 1;
    }
    module_read(self, info);
    return 0;
}

void modules_load(memory_array *modules) {
    dl_iterate_phdr(add_module, modules);
}

const loaded_module *modules_find(const memory_array *modules, uintptr_t address) {
    const loaded_module *all = modules->items;
    for (size_t i = 0; i < modules->count; i++) {
        if (address >= all[i].start && address < all[i].end) {
            return &all[i];
        }
    }
    return NULL;
}
