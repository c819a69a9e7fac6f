/* bugs CASE [TIMES]: runs one seeded bug, so many times; the sampled levels are tried with more of the same. */
#include "bugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile int bugs_work;
void *volatile bugs_lost;

poolbuf *bugs_need(poolbuf *buffer) {
    bugs_must(buffer != NULL);
    return buffer;
}

void bugs_must(int fact) {
    if (!fact) {
        (void)fprintf(stderr, "bugs: the case itself does not work\n");
        abort();
    }
}

static const bugs_case *find(const char *name) {
    static const bugs_case *const FAMILIES[] = {bugs_amounts,    bugs_clean,   bugs_misuse, bugs_processes,
                                                bugs_references, bugs_threads, bugs_views};
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        for (const bugs_case *at = FAMILIES[i]; at->name != NULL; at++) {
            if (strcmp(at->name, name) == 0) {
                return at;
            }
        }
    }
    return NULL;
}

int main(int count, char **arguments) {
    const bugs_case *chosen = count == 2 || count == 3 ? find(arguments[1]) : NULL;
    if (chosen == NULL) {
        (void)fprintf(stderr, "usage: bugs CASE [TIMES]\n");
        return 2;
    }
    long times = count == 3 ? strtol(arguments[2], NULL, 10) : 1;
    for (long i = 0; i < times; i++) {
        chosen->run();
    }
    return 0;
}
