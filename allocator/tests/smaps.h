/* What the kernel says of the mapping that an address lies in. */
#ifndef SMAPS_H
#define SMAPS_H

#include "unit.h"

/* Copies the line of /proc/self/smaps that begins with a word, of that mapping; false: there is none. */
static inline bool smaps_line(const void *address, const char *word, char *line, size_t size) {
    FILE *file = fopen("/proc/self/smaps", "re");
    bool inside = false;
    bool found = false;
    assert_non_null(file);
    while (!found && fgets(line, (int)size, file) != NULL) {
        char *end = NULL;
        uintptr_t first = strtoull(line, &end, 16);
        if (*end == '-') { /* a mapping begins */
            uintptr_t last = strtoull(end + 1, NULL, 16);
            inside = (uintptr_t)address >= first && (uintptr_t)address < last;
        } else {
            found = inside && strncmp(line, word, strlen(word)) == 0;
        }
    }
    (void)fclose(file);
    return found;
}

/* The number of such a line; 0 without it. */
static inline size_t smaps_number(const void *address, const char *word) {
    char line[512];
    return smaps_line(address, word, line, sizeof line) ? strtoull(line + strlen(word), NULL, 10) : 0;
}

#endif
