/* Scenario files for tests: written from text into a temporary file, loaded, removed. */
#ifndef POOLBUF_BENCH_TESTS_SCENARIO_TEXT_H
#define POOLBUF_BENCH_TESTS_SCENARIO_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario/scenario.h"

#define SCENARIO_TEXT_PATH_SIZE 64

/* Makes a temporary file with an ending. Returns its path, in the caller's storage; the caller unlinks it. */
static inline const char *scenario_text_file(char path[SCENARIO_TEXT_PATH_SIZE], const char *suffix, const void *bytes,
                                             size_t size) {
    (void)snprintf(path, SCENARIO_TEXT_PATH_SIZE, "/tmp/poolbuf-test-XXXXXX%s", suffix);
    int descriptor = mkstemps(path, (int)strlen(suffix));
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        abort();
    }
    return path;
}

/* Loads a scenario from text; error has 512 bytes. */
static inline scenario *scenario_from_text(const char *text, char *error) {
    char path[SCENARIO_TEXT_PATH_SIZE];
    scenario *from = NULL;
    bool fine = scenario_load(scenario_text_file(path, ".yaml", text, strlen(text)), &from, error, 512);
    (void)unlink(path);
    return fine ? from : NULL;
}

#endif
