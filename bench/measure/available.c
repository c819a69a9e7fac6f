/* Looks where the loader would, and beside this program. */
#include "measure/available.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "measure/provenance.h"

void available_this_program(char path[PATH_MAX]) {
    const ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = '\0';
}

const char *available_worker(const char *program, const subject *which, char path[PATH_MAX]) {
    if (which->worker == NULL) {
        return program;
    }
    const char *slash = strrchr(program, '/');
    const int folder = slash != NULL ? (int)(slash + 1 - program) : 0;
    (void)snprintf(path, PATH_MAX, "%.*s%s", folder, program, which->worker);
    return path;
}

bool available_library(const subject *which, char *preload, size_t preload_size, char *why, size_t why_size) {
    preload[0] = '\0';
    if (which->preload == NULL || provenance_find_library(which->preload, preload, preload_size)) {
        return true;
    }
    (void)snprintf(why, why_size, "%s is not installed; Debian has it in the package %s", which->preload,
                   which->package);
    return false;
}

bool available_program(const char *program, const subject *which, char *why, size_t why_size) {
    char path[PATH_MAX];
    if (which->worker == NULL || access(available_worker(program, which, path), X_OK) == 0) {
        return true;
    }
    if (which->package != NULL) {
        (void)snprintf(why, why_size,
                       "%s is not beside this program; it is built where Debian's package %s is installed",
                       which->worker, which->package);
    } else {
        (void)snprintf(why, why_size, "%s is not beside this program", which->worker);
    }
    return false;
}

bool available_here(const subject *which, char *why, size_t why_size) {
    char program[PATH_MAX];
    char preload[PROVENANCE_PATH_SIZE];
    available_this_program(program);
    return available_library(which, preload, sizeof preload, why, why_size) &&
           available_program(program, which, why, why_size);
}
