/* The program: finds the subcommand and hands over. Everything else belongs to the subcommands, a file each. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "scenario/near.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

typedef struct subcommand {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *help; /* NULL keeps it out of the help */
} subcommand;

static int cli_help(int argc, char **argv);

static const subcommand SUBCOMMANDS[] = {
    {"run", cli_run, "which allocator wins: scenarios on every subject"},
    {"list", cli_list, "the scenarios, suites and subjects there are"},
    {"compare", cli_compare, "two results: what became slower, and is that certain"},
    {"report", cli_report, "results and leaks as text, Markdown, HTML or JSON"},
    {"leaks", cli_leaks, "run a program, and fail if it leaks buffers"},
    {"history", cli_history, "results of many runs: how they went, and is the newest a regression"},
    {"record", cli_record, "a program's allocations as a scenario"},
    {"doctor", cli_doctor, "what on this host would spoil a result"},
    {"options", cli_options, "the environment variables of a linked program"},
    {"worker", cli_worker, NULL},
    {"help", cli_help, "explain a subcommand, as its --help does"},
};

static void print_help(void) {
    puts("  poolbuf run --quick -o results.json           which allocator wins on the default suite, in a minute\n"
         "  poolbuf run scenarios/churn.yaml              one scenario\n"
         "  poolbuf report results.json --format html -o report.html\n"
         "  poolbuf compare base.json new.json            exit 3 on a regression\n"
         "  poolbuf leaks -- ./server --port 0            run a program; exit 4 if it leaks buffers\n"
         "  poolbuf record -o server.pbtrace -- ./server  turn a program's allocations into a scenario\n"
         "\n"
         "Usage: poolbuf SUBCOMMAND [OPTIONS] [OPERANDS]\n"
         "\n"
         "Benchmarks and leak reports for pooled, reference-counted byte buffers.\n"
         "\n"
         "Subcommands:");
    for (size_t i = 0; i < COUNT(SUBCOMMANDS); i++) {
        if (SUBCOMMANDS[i].help != NULL) {
            printf("  %-10s %s\n", SUBCOMMANDS[i].name, SUBCOMMANDS[i].help);
        }
    }
    puts("\n"
         "poolbuf SUBCOMMAND --help explains one. Data goes to stdout, messages to stderr.\n"
         "Exit status: 0 fine, 1 a run failed, 2 usage or bad input, 3 performance regression, 4 leak,\n"
         "             6 nothing could be checked; 5 is kept for 3 and 4 at once, and nothing ends with it.\n"
         "             NO_COLOR=1 turns colours off.");
}

static const subcommand *find(const char *name) {
    for (size_t i = 0; i < COUNT(SUBCOMMANDS); i++) {
        if (strcmp(SUBCOMMANDS[i].name, name) == 0) {
            return &SUBCOMMANDS[i];
        }
    }
    return NULL;
}

static int unknown(const char *name) {
    const char *near = near_field(name, &SUBCOMMANDS[0].name, COUNT(SUBCOMMANDS), sizeof SUBCOMMANDS[0]);
    const bool is_option = name[0] == '-';
    if (near != NULL && find(near)->help != NULL) {
        return input_error("unknown subcommand \"%s\", did you mean \"%s\"? see poolbuf --help", name, near);
    }
    return input_error("unknown %s \"%s\"; see poolbuf --help", is_option ? "option" : "subcommand", name);
}

static int cli_help(int argc, char **argv) {
    const bool is_about_help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc < 2 || is_about_help) {
        print_help();
        return EXIT_FINE;
    }
    const subcommand *which = find(argv[1]);
    if (which == NULL) {
        return unknown(argv[1]);
    }
    if (which->main == cli_help) {
        print_help();
        return EXIT_FINE;
    }
    char help[] = "--help";
    char *arguments[] = {argv[1], help, NULL};
    return which->main(2, arguments);
}

/* A standard descriptor that the caller closed is a number that the next file or pipe would get: messages would end up in
 * it, and a measured process would lose it. So each is held, in the direction that fails as a closed one does. */
static void hold_standard_descriptors(void) {
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
        if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) {
            (void)open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

/* A full disk shows up when the last of stdout is written: a report that lost its end must not look like success. */
static int close_stdout(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    perror("poolbuf: cannot write to stdout");
    return status == EXIT_FINE ? EXIT_RUN_FAILED : status;
}

int main(int argc, char **argv) {
    hold_standard_descriptors();
    if (argc < 2) {
        fputs("poolbuf: a subcommand is missing; see poolbuf --help\n", stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return close_stdout(EXIT_FINE);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("poolbuf " POOLBUF_TOOL_VERSION);
        return close_stdout(EXIT_FINE);
    }
    const subcommand *which = find(argv[1]);
    if (which == NULL) {
        return unknown(argv[1]);
    }
    return close_stdout(which->main(argc - 1, argv + 1));
}
