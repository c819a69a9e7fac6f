/* leak-cost: levels side by side, and the table of what leak detection costs. A tool of this repository, not installed;
 * ci/leak_cost.sh builds and runs it.
 *
 *   leak-cost pairs NAME ROUNDS              allocate and release, at two levels in turns (levels.h)
 *   leak-cost scenario FILE.yaml ROUNDS      the same of a scenario of one thread
 *   leak-cost table FILE                     judges the lines of all the measuring programs (rows.h)
 *
 * Exit status: 0; of `table`: every target is met; 1 one is not; 2 usage, or nothing could be measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leak_cost/levels.h"
#include "leak_cost/rows.h"

static int print_table(const char *path) {
    static rows_samples samples;
    unsigned line = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "leak-cost: %s cannot be opened\n", path);
        return 2;
    }
    bool good = rows_read(file, &samples, &line);
    (void)fclose(file);
    if (!good) {
        (void)fprintf(stderr, "leak-cost: %s:%u: not SERIES VALUE, nor SERIES - WHY; or more than is kept\n", path,
                      line);
        return 2;
    }
    unsigned failed = rows_print(&samples, stdout);
    printf("%u targets not met, not separated or not measured\n", failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    unsigned long rounds = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (argc == 3 && strcmp(argv[1], "table") == 0) {
        return print_table(argv[2]);
    }
    if (rounds >= 1 && rounds <= SERIES_ROUNDS_MAX && strcmp(argv[1], "pairs") == 0) {
        return levels_pairs(argv[2], (unsigned)rounds) ? 0 : 2;
    }
    if (rounds >= 1 && rounds <= SERIES_ROUNDS_MAX && strcmp(argv[1], "scenario") == 0) {
        return levels_scenario(argv[2], (unsigned)rounds) ? 0 : 2;
    }
    (void)fprintf(stderr,
                  "leak-cost: usage: leak-cost pairs NAME ROUNDS, leak-cost scenario FILE ROUNDS, leak-cost table "
                  "FILE; ROUNDS up to %d\n",
                  SERIES_ROUNDS_MAX);
    return 2;
}
