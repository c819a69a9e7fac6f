/* What tests of `poolbuf record` share: a folder of their own, running the program in it, and reading what it wrote. */
#ifndef POOLBUF_BENCH_TESTS_RECORD_RUN_H
#define POOLBUF_BENCH_TESTS_RECORD_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/trace.h"

static char folder[] = "/tmp/poolbuf-test-XXXXXX";
static char error[1024];
static char messages[8192]; /* what the last run wrote to stderr */

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static inline int count_files(const char *in, bool remove) {
    DIR *entries = opendir(in);
    int count = 0;
    assert_non_null(entries);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        count++;
        (void)snprintf(path, sizeof path, "%s/%s", in, entry->d_name);
        if (remove) {
            (void)unlink(path);
        }
    }
    (void)closedir(entries);
    return count;
}

static inline int remove_folder(void **state) {
    (void)state;
    (void)count_files(folder, true);
    return rmdir(folder);
}

/* Runs `poolbuf record ARGUMENTS` in a shell; returns its exit status. */
static inline int record(const char *arguments) {
    char command[3 * PATH_MAX];
    char path[sizeof folder + sizeof "/stderr"];
    (void)snprintf(path, sizeof path, "%s/stderr", folder);
    (void)snprintf(command, sizeof command, "cd %s && exec %s record %s >/dev/null 2>%s", folder, POOLBUF_PROGRAM,
                   arguments, path);
    int status = system(command); // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    messages[fread(messages, 1, sizeof messages - 1, file)] = '\0';
    (void)fclose(file);
    (void)unlink(path);
    return WEXITSTATUS(status);
}

static inline trace *read_trace(const char *name) {
    char path[PATH_MAX];
    trace *read = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!trace_read(path, &read, error, sizeof error)) {
        fail_msg("%s; %s", error, messages);
    }
    return read;
}

/* Records one mode of record_target, expecting its status, and reads the trace. */
static inline trace *record_mode(const char *mode, int status) {
    char arguments[PATH_MAX];
    (void)snprintf(arguments, sizeof arguments, "-o t.pbtrace -- %s %s", RECORD_TARGET, mode);
    int got = record(arguments);
    if (got != status) {
        fail_msg("%s: exit status %d, not %d; %s", mode, got, status, messages);
    }
    return read_trace("t.pbtrace");
}

#endif
