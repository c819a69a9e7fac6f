/* `poolbuf list`: what can be run, each with the question it asks or the thing it is. */
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "measure/available.h"
#include "scenario/scenario.h"
#include "subjects/subject.h"

enum {
    ERROR_SIZE = 512,
    PATH_SIZE = 4096
};

/* One kind of thing: its word on the command line, and how it is printed. */
typedef struct listing {
    const char *word;
    bool (*print)(void); /* false after a complaint on stderr */
} listing;

static void print_entry(const char *name, const char *text) {
    printf("%-18s %s\n", name, text);
}

static bool complain(const char *error) {
    fprintf(stderr, "poolbuf: %s\n", error);
    return false;
}

static bool print_scenario(const char *name) {
    char path[PATH_SIZE];
    char error[ERROR_SIZE];
    scenario *loaded = NULL;
    if (!scenario_find(name, path, sizeof path, error, sizeof error) ||
        !scenario_load(path, &loaded, error, sizeof error)) {
        return complain(error);
    }
    print_entry(name, loaded->asks);
    scenario_destroy(loaded);
    return true;
}

static bool print_suite(const char *name) {
    char path[PATH_SIZE];
    char error[ERROR_SIZE];
    scenario_suite *loaded = NULL;
    if (!scenario_suite_find(name, path, sizeof path, error, sizeof error) ||
        !scenario_suite_load(path, &loaded, error, sizeof error)) {
        return complain(error);
    }
    print_entry(name, loaded->asks);
    printf("%-18s %s", "", "");
    for (uint32_t i = 0; i < loaded->scenarios_count; i++) {
        printf("%s%s", i == 0 ? "" : ", ", loaded->scenarios[i]);
    }
    putchar('\n');
    scenario_suite_destroy(loaded);
    return true;
}

static bool print_names(size_t (*list)(char ***names), bool (*print)(const char *name)) {
    char **names = NULL;
    const size_t count = list(&names);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = print(names[i]) && good;
    }
    scenario_names_destroy(names, count);
    if (count == 0) {
        return complain("nothing was found; POOLBUF_SCENARIOS can name the folder to look in");
    }
    return good;
}

static bool print_scenarios(void) {
    return print_names(scenario_list, print_scenario);
}

static bool print_suites(void) {
    return print_names(scenario_suite_list, print_suite);
}

static bool print_subjects(void) {
    char why[AVAILABLE_WHY_SIZE];
    const subject *shown = NULL;
    for (size_t i = 0; (shown = subject_at(i)) != NULL; i++) {
        print_entry(shown->name, shown->about);
        if (!available_here(shown, why, sizeof why)) {
            printf("%-18s not available: %s\n", "", why);
        }
    }
    print_entry("NAME=./library.so",
                "one of your own: poolbuf run --subject NAME=./library.so; see docs/benchmarking.md");
    return true;
}

static const listing LISTINGS[] = {
    {"scenarios", print_scenarios},
    {"suites", print_suites},
    {"subjects", print_subjects},
};

enum {
    LISTING_COUNT = sizeof LISTINGS / sizeof LISTINGS[0]
};

static const listing *find_listing(const char *word) {
    for (size_t i = 0; i < LISTING_COUNT; i++) {
        if (strcmp(LISTINGS[i].word, word) == 0) {
            return &LISTINGS[i];
        }
    }
    return NULL;
}

static bool print_all(void) {
    bool good = true;
    for (size_t i = 0; i < LISTING_COUNT; i++) {
        printf("%s%s:\n", i == 0 ? "" : "\n", LISTINGS[i].word);
        good = LISTINGS[i].print() && good;
    }
    return good;
}

int cli_list(int argc, char **argv) {
    const command_line line = {
        .name = "list",
        .synopsis = "[scenarios|suites|subjects]",
        .examples = "  poolbuf list              everything\n"
                    "  poolbuf list subjects     what can serve buffers, and what is missing on this machine\n",
        .about =
            "Lists what `poolbuf run` can be told to run, each with the question it asks. A scenario that cannot be\n"
            "read is one line on stderr, and the exit status is 2.\n",
        .operands_most = 1,
        .operand_name = "kind",
    };
    char **operands = NULL;
    size_t count = 0;
    const int status = arguments_parse(&line, argc, argv, &operands, &count);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    if (count == 0) {
        return print_all() ? EXIT_FINE : EXIT_USAGE;
    }
    const listing *wanted = find_listing(operands[0]);
    if (wanted == NULL) {
        return usage_error(&line, "unknown kind \"%s\"; legal are scenarios, suites, subjects", operands[0]);
    }
    return wanted->print() ? EXIT_FINE : EXIT_USAGE;
}
