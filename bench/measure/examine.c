/* Starts a worker that opens the library and does nothing else. */
#include "measure/examine.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/available.h"
#include "measure/process.h"
#include "measure/worker.h"

#define EXAMINE_TIMEOUT_MS 20000u

static bool ask(const subject *which, char *message, size_t size) {
    char storage[WORKER_STORAGE_SIZE];
    char program[PATH_MAX];
    const char *argv[WORKER_ARGUMENTS_MAX + 1];
    const worker_job job = {.subject = which, .stream_descriptor = -1, .is_examination = true};
    worker_report report;
    process_result result;
    char end[512];
    available_this_program(program);
    worker_arguments(&job, program, storage, argv);
    const char **environment = process_environment(NULL);
    if (environment == NULL) {
        (void)snprintf(message, size, "%s: %s", which->name, strerror(ENOMEM));
        return false;
    }
    const process_command command = {
        .program = program, .argv = argv, .envp = environment, .inherited = -1, .timeout_ms = EXAMINE_TIMEOUT_MS};
    process_run(&command, &result);
    free(environment);
    bool good = result.end == PROCESS_EXITED && result.code == 0 && result.output != NULL &&
                worker_report_parse(result.output, result.output_size, &report);
    if (good) {
        good = report.status == WORKER_OK;
        (void)snprintf(message, size, "%s", report.message);
        worker_report_fini(&report);
    } else {
        process_describe(&result, EXAMINE_TIMEOUT_MS, end, sizeof end);
        (void)snprintf(message, size, "%s: %s cannot be loaded; the process that tried: %s", which->name,
                       which->library, end);
    }
    process_result_fini(&result);
    return good;
}

bool examine_library(const char *name, const char *path, subject *out, char *message, size_t message_size) {
    char *resolved = realpath(path, NULL);
    if (resolved == NULL) {
        (void)snprintf(message, message_size, "%s: %s: %s", name, path, strerror(errno));
        return false;
    }
    const subject asked = {.name = name, .provider = SUBJECT_PROVIDER_LIBRARY, .library = resolved};
    if (!ask(&asked, message, message_size)) {
        free(resolved);
        return false;
    }
    *out = asked;
    return true;
}

void examine_fini(subject *examined) {
    free((void *)(uintptr_t)examined->library);
    examined->library = NULL;
}
