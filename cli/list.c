/* `poolbuf list`: what can be run, each with the question it asks or the thing it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* The columns of the terminal on stdout; 0 where it is none, and each entry is one line then, for programs. */
static size_t terminal_columns(void) {
    struct winsize window = {0};
    return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
}

/* Prints words from column `indent` on; on a terminal that is wide enough, in lines that fit. */
static void print_wrapped(const char *text, size_t indent) {
    enum {
        TEXT_COLUMNS_LEAST = 20
    };
    const size_t columns = terminal_columns();
    const size_t room = columns < indent + TEXT_COLUMNS_LEAST ? SIZE_MAX : columns - indent;
    size_t used = 0;
    while (*text != '\0') {
        const size_t length = strcspn(text, " ");
        if (used > 0 && used + 1 + length > room) {
            printf("\n%*s", (int)indent, "");
            used = 0;
        }
        printf("%s%.*s", used > 0 ? " " : "", (int)length, text);
        used += length + (used > 0);
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

enum {
    NAME_COLUMNS = 18, /* of subjects and suites, and the least of scenarios */
};

static void print_entry(const char *name, const char *text, size_t name_columns) {
    printf("%-*s ", (int)name_columns, name);
    print_wrapped(text, (strlen(name) > name_columns ? strlen(name) : name_columns) + 1);
}

static bool complain(const char *error) {
    fprintf(stderr, "poolbuf: %s\n", error);
    return false;
}

static scenario *load_scenario(const char *name) {
    char path[PATH_SIZE];
    char error[ERROR_SIZE];
    scenario *loaded = NULL;
    if (!scenario_find(name, path, sizeof path, error, sizeof error) ||
        !scenario_load(path, &loaded, error, sizeof error)) {
        (void)complain(error);
        return NULL;
    }
    return loaded;
}

static bool print_suite(const char *name) {
    char path[PATH_SIZE];
    char error[ERROR_SIZE];
    scenario_suite *loaded = NULL;
    if (!scenario_suite_find(name, path, sizeof path, error, sizeof error) ||
        !scenario_suite_load(path, &loaded, error, sizeof error)) {
        return complain(error);
    }
    print_entry(name, loaded->asks, NAME_COLUMNS);
    char *names = NULL;
    size_t size = 0;
    FILE *list = open_memstream(&names, &size);
    for (uint32_t i = 0; i < loaded->scenarios_count && list != NULL; i++) {
        fprintf(list, "%s%s", i == 0 ? "" : ", ", loaded->scenarios[i]);
    }
    if (list != NULL && fclose(list) == 0) {
        print_entry("", names, NAME_COLUMNS);
    }
    free(names);
    scenario_suite_destroy(loaded);
    return true;
}

static bool complain_of_nothing(void) {
    return complain("nothing was found; POOLBUF_SCENARIOS can name the folder to look in");
}

/* What a scenario is to somebody who looks for one: recordings first, then what one thread shows, then the rest. */
typedef struct scenario_group {
    const char *heading;
    bool (*has)(const scenario *loaded);
} scenario_group;

static bool is_recorded(const scenario *loaded) {
    return loaded->phases[0].kind == SCENARIO_REPLAY;
}

static bool has_one_thread(const scenario *loaded) {
    return !is_recorded(loaded) && loaded->threads == 1;
}

static bool has_threads(const scenario *loaded) {
    return !is_recorded(loaded) && loaded->threads != 1;
}

static const scenario_group GROUPS[] = {
    {"recorded from programs", is_recorded},
    {"one thread", has_one_thread},
    {"two threads and more", has_threads},
};

static void print_groups(scenario *const *loaded, char *const *names, size_t count, size_t columns) {
    bool is_first = true;
    for (size_t g = 0; g < sizeof GROUPS / sizeof GROUPS[0]; g++) {
        bool has_heading = false;
        for (size_t i = 0; i < count; i++) {
            if (loaded[i] == NULL || !GROUPS[g].has(loaded[i])) {
                continue;
            }
            if (!has_heading) {
                printf("%s-- %s --\n", is_first ? "" : "\n", GROUPS[g].heading);
            }
            has_heading = true;
            is_first = false;
            print_entry(names[i], loaded[i]->asks, columns);
        }
    }
}

static bool print_scenarios(void) {
    char **names = NULL;
    const size_t count = scenario_list(&names);
    scenario **loaded = calloc(count + 1, sizeof(scenario *));
    size_t columns = NAME_COLUMNS;
    bool good = count > 0 && loaded != NULL;
    for (size_t i = 0; i < count && loaded != NULL; i++) {
        loaded[i] = load_scenario(names[i]);
        good = good && loaded[i] != NULL;
        columns = strlen(names[i]) > columns ? strlen(names[i]) : columns;
    }
    if (loaded != NULL) {
        print_groups(loaded, names, count, columns);
    }
    for (size_t i = 0; i < count && loaded != NULL; i++) {
        scenario_destroy(loaded[i]);
    }
    free(loaded);
    scenario_names_destroy(names, count);
    return count == 0 ? complain_of_nothing() : good;
}

static bool print_suites(void) {
    char **names = NULL;
    const size_t count = scenario_suite_list(&names);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = print_suite(names[i]) && good;
    }
    scenario_names_destroy(names, count);
    return count == 0 ? complain_of_nothing() : good;
}

static bool print_subjects(void) {
    char why[AVAILABLE_WHY_SIZE];
    const subject *shown = NULL;
    for (size_t i = 0; (shown = subject_at(i)) != NULL; i++) {
        print_entry(shown->name, shown->about, NAME_COLUMNS);
        if (!available_here(shown, why, sizeof why)) {
            printf("%-*s not available: %s\n", NAME_COLUMNS, "", why);
        }
    }
    print_entry("NAME=./library.so",
                "one of your own: poolbuf run --subject NAME=./library.so; see docs/benchmarking.md", NAME_COLUMNS);
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
