/* See memcheck.h. */
#include "memcheck.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What Memcheck would hold against programs that are clean:
 *
 * - The table of a thread's thread-local storage, to which the thread's descriptor points, but not to its beginning. It
 *   is possibly lost while the thread runs, so of a program whose threads sleep when it exits. Lost beyond doubt, it is
 *   reported as ever.
 * - What the loader keeps of libdw, which our detector loads for the names in a report of misuse. load_libdw() calls
 *   dlopen() in libpoolbuf, or in a program that has the library in itself. */
static const char SUPPRESSIONS[] = "{\n"
                                   "   poolbuf: thread-local storage of a thread that runs\n"
                                   "   Memcheck:Leak\n"
                                   "   match-leak-kinds: possible\n"
                                   "   ...\n"
                                   "   fun:_dl_allocate_tls\n"
                                   "   ...\n"
                                   "   fun:pthread_create*\n"
                                   "}\n"
                                   "{\n"
                                   "   poolbuf: libdw, as libpoolbuf loads it\n"
                                   "   Memcheck:Leak\n"
                                   "   ...\n"
                                   "   fun:dlopen*\n"
                                   "   obj:*/libpoolbuf.so*\n"
                                   "}\n"
                                   "{\n"
                                   "   poolbuf: libdw, as the static library loads it\n"
                                   "   Memcheck:Leak\n"
                                   "   ...\n"
                                   "   fun:dlopen*\n"
                                   "   fun:load_libdw\n"
                                   "}\n";

bool memcheck_prepare(const scratch *folder, memcheck_options *options) {
    char path[PATH_MAX];
    char pattern[SCRATCH_PATTERN_SIZE];
    scratch_pattern(folder, "%p.xml", pattern);
    snprintf(options->xml, sizeof options->xml, "--xml-file=%s", pattern);
    snprintf(path, sizeof path, "%s/memcheck.supp", folder->path);
    snprintf(options->suppressions, sizeof options->suppressions, "--suppressions=%s", path);
    FILE *file = fopen(path, "we");
    bool fine = file != NULL && fputs(SUPPRESSIONS, file) != EOF;
    fine = (file == NULL || fclose(file) == 0) && fine;
    if (!fine) {
        fprintf(stderr, "poolbuf leaks: %s: %s\n", path, strerror(errno));
    }
    return fine;
}

char **memcheck_command(memcheck_options *options, char *const *program, size_t count) {
    static char words[][40] = {"valgrind",
                               "--quiet",
                               "--tool=memcheck",
                               "--leak-check=full",
                               "--show-leak-kinds=all",
                               "--trace-children=yes",
                               "--num-callers=40", /* the default of 12 cuts a server's stack in half */
                               "--xml=yes"};
    const size_t word_count = sizeof words / sizeof words[0];
    char **command = calloc(word_count + count + 3, sizeof *command);
    if (command == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < word_count; i++) {
        command[i] = words[i];
    }
    command[word_count] = options->xml;
    command[word_count + 1] = options->suppressions;
    memcpy(command + word_count + 2, program, count * sizeof *command);
    return command;
}
