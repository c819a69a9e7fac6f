/* The modules of this process as the dynamic loader sees them: where each is mapped, from which file, which build. */
#ifndef LEAKDETECT_SYMBOLIZE_MODULES_H
#define LEAKDETECT_SYMBOLIZE_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

enum {
    MODULE_PATH_BYTES = 512, /* longer paths lose their front */
    BUILD_ID_BYTES = 20      /* SHA-1, the longest in use */
};

typedef struct loaded_module {
    uintptr_t bias;       /* what the loader added to the file's addresses */
    uintptr_t start, end; /* its mapping, from the first to the last loaded segment */
    char path[MODULE_PATH_BYTES];
    char build_id[2 * BUILD_ID_BYTES + 1]; /* hex; "": none */
    bool nameless;                         /* it was closed, and its file is gone, or another */
} loaded_module;

struct dl_phdr_info;

/* module_read() fills one in from what the loader says of it. */
void module_read(loaded_module *self, const struct dl_phdr_info *info);

/* module_program_path() tells the path of the program, without the " (deleted)" that the kernel puts behind it where the file is
 * gone or another has its name, as after an update. False: it cannot be known, and the path is empty. */
bool module_program_path(char *path, size_t size);

/* modules_load() fills an array of loaded_module; modules_find() returns the one that holds an address, or NULL. */
void modules_load(memory_array *modules);
const loaded_module *modules_find(const memory_array *modules, uintptr_t address);

#endif
