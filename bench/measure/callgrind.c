/* Words, an environment, and one line of a file. */
#include "measure/callgrind.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SUMMARY[] = "summary:";
static const char TOTALS[] = "totals:";

bool callgrind_find(char path[PATH_MAX], char *why, size_t why_size) {
    const char *folders = getenv("PATH");
    while (folders != NULL && *folders != '\0') {
        const size_t length = strcspn(folders, ":");
        const int written = snprintf(path, PATH_MAX, "%.*s/valgrind", (int)length, folders);
        if (length > 0 && written < PATH_MAX && access(path, X_OK) == 0) {
            return true;
        }
        folders += length + (folders[length] == ':');
    }
    (void)snprintf(why, why_size,
                   "instructions are counted by valgrind, which was not found; apt-get install valgrind");
    return false;
}

/* Leaves what an allocator or the loader reads. */
static void pin(const char **environment) {
    static const char *const kept[] = {"POOLBUF_LEAK_LEVEL=", "LD_",      "GLIBC_",       "MALLOC_",
                                       "MIMALLOC_",           "TCMALLOC", "VALGRIND_LIB="};
    size_t count = 0;
    for (size_t i = 0; environment[i] != NULL; i++) {
        for (size_t j = 0; j < sizeof kept / sizeof kept[0]; j++) {
            if (strncmp(environment[i], kept[j], strlen(kept[j])) == 0) {
                environment[count++] = environment[i];
                break;
            }
        }
    }
    environment[count] = NULL;
}

bool callgrind_read(const char *path, uint64_t *instructions) {
    char line[512];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const size_t length = strncmp(line, SUMMARY, sizeof SUMMARY - 1) == 0 ? sizeof SUMMARY - 1
                              : strncmp(line, TOTALS, sizeof TOTALS - 1) == 0 ? sizeof TOTALS - 1
                                                                              : 0;
        char *end = NULL;
        errno = 0;
        const uint64_t value = length == 0 ? 0 : strtoull(line + length, &end, 10);
        if (length != 0 && end != line + length && errno == 0) {
            *instructions = value;
            found = true;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static bool make_file(char path[PATH_MAX]) {
    const char *folder = getenv("TMPDIR");
    const int written =
        snprintf(path, PATH_MAX, "%s/poolbuf-callgrind-XXXXXX", folder != NULL && *folder != '\0' ? folder : "/tmp");
    const int descriptor = written < PATH_MAX ? mkstemp(path) : -1;
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return descriptor >= 0;
}

bool callgrind_begin(callgrind_run *self, const char **argv, const char **environment, char *message,
                     size_t message_size) {
    if (!callgrind_find(self->valgrind, message, message_size)) {
        return false;
    }
    if (!make_file(self->out)) {
        (void)snprintf(message, message_size, "%s: cannot be written: %s", self->out, strerror(errno));
        return false;
    }
    (void)snprintf(self->option, sizeof self->option, "--callgrind-out-file=%s", self->out);
    /* Instrumentation is slow: the worker turns it on. A wait toggles what is then on. */
    const char *const words[CALLGRIND_WORDS] = {self->valgrind,
                                                "--tool=callgrind",
                                                "-q",
                                                "--instr-atstart=no",
                                                "--collect-atstart=no",
                                                "--toggle-collect=subject_wait_*",
                                                "--fair-sched=yes",
                                                self->option};
    size_t count = 0;
    while (argv[count] != NULL) {
        count++;
    }
    memmove(argv + CALLGRIND_WORDS, argv, (count + 1) * sizeof *argv);
    memcpy(argv, words, sizeof words);
    pin(environment);
    return true;
}

bool callgrind_end(const callgrind_run *self, uint64_t *instructions) {
    const bool found = callgrind_read(self->out, instructions);
    (void)unlink(self->out);
    return found;
}
