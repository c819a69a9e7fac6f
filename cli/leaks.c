/* `poolbuf leaks`: runs a program with leak detection on, gathers the report of every process that it starts, and answers
 * with an exit status that a build can rely on: a leak fails, and so does a check that checked nothing.
 *
 * The program's own stdin, stdout and stderr are untouched; the text report follows on stderr when it has ended. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/options.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "formats.h"
#include "leaks_findings.h"
#include "memcheck.h"
#include "output.h"
#include "record/child.h"
#include "reports/report.h"
#include "scratch.h"
#include "suppressions.h"
#include "tally.h"

/* What a shell, and Valgrind, say of a program that does not exist. */
#define COMMAND_NOT_FOUND 127

/* The variables that options of ours set for the program, each as the user gave it; NULL: as it is. */
enum {
    SET_UNWINDER,
    SET_FRAMES,
    SET_INTERVAL,
    SET_BYTES,
    SET_SEED,
    SET_RECORDS,
    SET_SIGNAL,
    SET_INTERVAL_S,
    SET_COUNT
};

static const struct {
    const char *option, *variable;
    bool sampled; /* means nothing where everything is tracked */
} SETTINGS[SET_COUNT] = {
    [SET_UNWINDER] = {"unwinder", "POOLBUF_LEAK_UNWINDER", false},
    [SET_FRAMES] = {"frames", "POOLBUF_LEAK_FRAMES", false},
    [SET_INTERVAL] = {"sampling", "POOLBUF_LEAK_SAMPLING_INTERVAL", true},
    [SET_BYTES] = {"sampling-bytes", "POOLBUF_LEAK_SAMPLING_BYTES", true},
    [SET_SEED] = {"seed", "POOLBUF_LEAK_SEED", true},
    [SET_RECORDS] = {"records", "POOLBUF_LEAK_TARGET_RECORDS", false},
    [SET_SIGNAL] = {"signal", "POOLBUF_LEAK_SIGNAL", false},
    [SET_INTERVAL_S] = {"interval", "POOLBUF_LEAK_INTERVAL_S", false},
};

typedef struct request {
    const char *level, *tool, *fail_on, *format, *output, *root;
    const char *settings[SET_COUNT];
    report_format output_format;
    char source_root[PATH_MAX];
    const char *baseline_path;
    leaks_model *baseline; /* NULL: none */
    const char *suppressions;
    char suppressions_path[PATH_MAX]; /* the same, wherever the program goes */
    leakdetect_level level_number;
    bool by_valgrind;
    bool generates;
    char **program; /* its command line, ends with NULL */
    size_t word_count;
} request;

static const char *const TOOLS[] = {"builtin", "valgrind", NULL};
static const char *const FAIL_ON[] = {"any", "none", "new", "grown", NULL}; /* in the order of fail_on */

static const char EXAMPLES[] =
    "  poolbuf leaks -- ./test_server                 every buffer is tracked; status 4 on a leak\n"
    "  poolbuf leaks --level simple -- ./server       1 buffer in 128, as in production\n"
    "  poolbuf leaks -o leaks.json -- make test       the processes that it starts count too\n"
    "  poolbuf leaks --suppressions known.supp -- ./test_server\n"
    "  poolbuf leaks --baseline leaks.json -- make test   fails on what is new, or more, since leaks.json\n"
    "  poolbuf leaks --tool valgrind -- ./test_server the same question to Memcheck\n";

static const char ABOUT[] =
    "Runs a program with leak detection on. Its stdin, stdout and stderr stay its own; the report comes on\n"
    "stderr at the end, from all of its processes together, grouped by the stack that allocated.\n"
    "\n"
    "With --signal or --interval, what was alive at the last such report of a process that then ended without\n"
    "finalization is shown, and is no leak.\n"
    "\n"
    "A baseline is an earlier report (-o). Leaks are the same by fingerprint; one has grown if it is certainly\n"
    "larger, which chance in a sample does not make it. Misuse of a buffer fails whatever the baseline says.\n"
    "\n"
    "Exit status: 0 no leak, or none that --fail-on names; 4 a leak or a misuse, however the program ended; 1 no leak, "
    "but the program failed;\n"
    "2 usage, or the program could not be started; 6 nothing was checked, however the program ended: no process\n"
    "that ended normally had libpoolbuf loaded and allocated a buffer; or not all was, as a process could not\n"
    "write its report.\n";

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf leaks: ", format, list);
    va_end(list);
}

/* ---- the command line ---- */

/* A file that is not there would suppress nothing, in every process anew: it is refused before the program runs. */
static int check_suppressions(const command_line *line, request *wanted) {
    struct stat facts;
    if (wanted->suppressions == NULL) {
        return ARGUMENTS_PROCEED;
    }
    if (wanted->by_valgrind) {
        return usage_error(line, "--suppressions belongs to --tool builtin; Memcheck reads VALGRIND_OPTS");
    }
    if (realpath(wanted->suppressions, wanted->suppressions_path) == NULL ||
        access(wanted->suppressions_path, R_OK) != 0) {
        return input_error("%s: %s", wanted->suppressions, strerror(errno));
    }
    if (stat(wanted->suppressions_path, &facts) == 0 && !S_ISREG(facts.st_mode)) {
        return input_error("%s: is no file; --suppressions needs one with rules", wanted->suppressions);
    }
    return ARGUMENTS_PROCEED;
}

/* The library is asked what is legal: it knows its options best, and complains itself. A name of a signal it can only
 * judge in the program, but what is none is refused here. */
static bool is_legal(size_t which, const char *value) {
    uint64_t number = 0;
    unsigned choice = 0;
    if (which == SET_SIGNAL) {
        size_t length = 0;
        while (isalnum((unsigned char)value[length]) || value[length] == '+' || value[length] == '-') {
            length++;
        }
        return length > 0 && value[length] == '\0';
    }
    if (setenv(SETTINGS[which].variable, value, 1) != 0) {
        return false;
    }
    return which == SET_UNWINDER ? poolbuf_option_read_choice(SETTINGS[which].variable, &choice) == POOLBUF_OK
                                 : poolbuf_option_read_number(SETTINGS[which].variable, &number) == POOLBUF_OK;
}

static int check_settings(const command_line *line, const request *wanted) {
    for (size_t i = 0; i < SET_COUNT; i++) {
        if (wanted->settings[i] == NULL) {
            continue;
        }
        if (wanted->by_valgrind) {
            return usage_error(line, "--%s belongs to --tool builtin", SETTINGS[i].option);
        }
        if (SETTINGS[i].sampled && wanted->level_number == LEAKDETECT_PARANOID) {
            return usage_error(line, "--%s needs --level simple or advanced: at paranoid every buffer is tracked",
                               SETTINGS[i].option);
        }
        if (!is_legal(i, wanted->settings[i])) {
            return i == SET_SIGNAL ? usage_error(line, "--signal: \"%s\" is no signal; such as USR2 or RTMIN+3",
                                                 wanted->settings[i])
                                   : EXIT_USAGE;
        }
    }
    return ARGUMENTS_PROCEED;
}

static int read_baseline(const command_line *line, request *wanted) {
    char error[REPORT_ERROR_BYTES];
    if (wanted->fail_on == NULL) {
        wanted->fail_on = FAIL_ON[wanted->baseline_path == NULL ? FAIL_ANY : FAIL_GROWN];
    }
    if (wanted->baseline_path == NULL) {
        return wanted->fail_on == FAIL_ON[FAIL_NEW] || wanted->fail_on == FAIL_ON[FAIL_GROWN]
                   ? usage_error(line, "--fail-on %s needs --baseline FILE, an earlier report", wanted->fail_on)
                   : ARGUMENTS_PROCEED;
    }
    if (!report_read_leaks(wanted->baseline_path, &wanted->baseline, error, sizeof error)) {
        return input_error("%s; poolbuf leaks -o FILE makes a baseline", error);
    }
    if ((wanted->baseline->tool == LEAKS_TOOL_VALGRIND) != wanted->by_valgrind) {
        return input_error("%s: is a report of --tool %s, whose fingerprints are others; give one of --tool %s",
                           wanted->baseline_path, leaks_tool_name(wanted->baseline->tool), wanted->tool);
    }
    return ARGUMENTS_PROCEED;
}

static int check_request(const command_line *line, request *wanted) {
    wanted->by_valgrind = wanted->tool == TOOLS[1];
    if (wanted->level != NULL && wanted->by_valgrind) {
        return usage_error(line, "--level belongs to --tool builtin: Memcheck always sees every buffer");
    }
    const char *level = wanted->level != NULL ? wanted->level : "paranoid";
    if (!leakdetect_parse_level(level, &wanted->level_number)) {
        return usage_error(line, "--level: unknown level \"%s\"; it must be one of simple, advanced, paranoid", level);
    }
    if (wanted->level_number == LEAKDETECT_DISABLED) {
        say("nothing can be checked at level disabled; the program was not run");
        return EXIT_UNCHECKED;
    }
    if (wanted->generates && wanted->by_valgrind) {
        return usage_error(line, "--gen-suppressions belongs to --tool builtin; Memcheck has one of its own");
    }
    if (wanted->generates && wanted->output != NULL && strcmp(wanted->output, "-") == 0) {
        return usage_error(line, "--gen-suppressions writes to stdout, and so does -o -; give -o a file");
    }
    int checked = check_suppressions(line, wanted);
    checked = checked == ARGUMENTS_PROCEED ? check_settings(line, wanted) : checked;
    checked = checked == ARGUMENTS_PROCEED ? read_baseline(line, wanted) : checked;
    if (checked != ARGUMENTS_PROCEED) {
        return checked;
    }
    if (wanted->format != NULL && wanted->output == NULL) {
        return usage_error(line, "--format needs -o FILE (or -o - for stdout): the text report goes to stderr");
    }
    const int status = formats_choose(line, REPORT_LEAKS, wanted->format, wanted->output, &wanted->output_format);
    if (status != ARGUMENTS_PROCEED || wanted->output_format != REPORT_SARIF) {
        return status;
    }
    wanted->root = formats_find_root(line, wanted->root == NULL ? "." : wanted->root, wanted->source_root);
    return wanted->root == NULL ? EXIT_USAGE : ARGUMENTS_PROCEED;
}

#define SETTING(which, option, word, text)                                                                             \
    { .name = (option), .kind = ARGUMENT_TEXT, .value = &wanted->settings[which], .meaning = (word), .help = (text) }

static int parse(int argc, char **argv, request *wanted) {
    const argument arguments[] = {
        {.name = "level",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->level,
         .meaning = "LEVEL",
         .help = "what is tracked: simple, advanced, paranoid; default paranoid, every buffer"},
        {.name = "tool",
         .kind = ARGUMENT_CHOICE,
         .value = &wanted->tool,
         .choices = TOOLS,
         .help = "who looks for leaks"},
        {.name = "fail-on",
         .kind = ARGUMENT_CHOICE,
         .value = &wanted->fail_on,
         .choices = FAIL_ON,
         .help = "which findings end with status 4; default any, with a baseline grown, which is new or grown"},
        {.name = "baseline",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->baseline_path,
         .meaning = "FILE",
         .help = "an earlier report; what it has is known"},
        {.name = "suppressions",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->suppressions,
         .meaning = "FILE",
         .help = "rules for known leaks, which do not fail; as POOLBUF_LEAK_SUPPRESSIONS"},
        {.name = "gen-suppressions",
         .kind = ARGUMENT_FLAG,
         .value = &wanted->generates,
         .help = "print a rule for each leak on stdout, when the program has ended"},
        SETTING(SET_UNWINDER, "unwinder", "NAME", "how stacks are captured: cfi, libunwind, fp, callsite"),
        SETTING(SET_FRAMES, "frames", "N", "frames kept of a stack"),
        SETTING(SET_RECORDS, "records", "N", "accesses kept of a buffer"),
        SETTING(SET_INTERVAL, "sampling", "N", "at simple and advanced: one buffer in N is tracked"),
        SETTING(SET_BYTES, "sampling-bytes", "N", "the same by bytes: one sample in N of them; 512k"),
        SETTING(SET_SEED, "seed", "N", "of the sample, for a run that can be repeated"),
        SETTING(SET_SIGNAL, "signal", "NAME", "the program reports what is alive when it gets it; see below"),
        SETTING(SET_INTERVAL_S, "interval", "SECONDS", "and so often"),
        {.name = "output",
         .letter = 'o',
         .kind = ARGUMENT_TEXT,
         .value = &wanted->output,
         .meaning = "FILE",
         .help = "write the report here too; - is stdout"},
        {.name = "format",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->format,
         .meaning = "FORMAT",
         .help = "of FILE: text, markdown, html, json, junit, sarif, collapsed; default by its suffix"},
        {.name = "source-root",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->root,
         .meaning = "FOLDER",
         .help = "of sarif: files in it are named relative to it; default the current folder"},
    };
    const command_line line = {
        .name = "leaks",
        .synopsis = "[OPTIONS] -- PROGRAM [ARGUMENTS]",
        .examples = EXAMPLES,
        .about = ABOUT,
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_least = 1,
        .operands_most = SIZE_MAX,
        .operand_name = "program",
        .program_follows = true,
    };
    const int status = arguments_parse(&line, argc, argv, &wanted->program, &wanted->word_count);
    return status != ARGUMENTS_PROCEED ? status : check_request(&line, wanted);
}

/* ---- the run ---- */

/* Under Valgrind the built-in detector runs too, at its lowest level and without call stacks: it counts exactly, which
 * proves that the library was there and that buffers were allocated. */
static bool run_program(const request *wanted, const scratch *folder, child_end *end) {
    char report[SCRATCH_PATTERN_SIZE];
    char tally[SCRATCH_PATH_SIZE + SCRATCH_NAME_SIZE];
    memcheck_options memcheck;
    const bool is_live = wanted->settings[SET_SIGNAL] != NULL || wanted->settings[SET_INTERVAL_S] != NULL;
    scratch_pattern(folder, is_live ? "%p.%t.%n.json" : "%p.%t.json", report);
    if (!tally_make(folder, tally, sizeof tally) || (wanted->by_valgrind && !memcheck_prepare(folder, &memcheck))) {
        return false;
    }
    child_variable variables[7 + SET_COUNT] = {
        {"POOLBUF_LEAK_LEVEL", leakdetect_name_level(wanted->by_valgrind ? LEAKDETECT_SIMPLE : wanted->level_number)},
        {"POOLBUF_LEAK_REPORT", report},
        {"POOLBUF_LEAK_TALLY", tally},
        {"POOLBUF_LEAK_NOTICE", "off"},
        {"POOLBUF_LEAK_EXIT_CODE", NULL}, /* the program's status is its own here */
    };
    size_t variable_count = 5;
    /* A user's own suppressions stay, but for a run of Memcheck: there the detector counts, without call stacks. */
    if (wanted->by_valgrind || wanted->suppressions != NULL) {
        variables[variable_count++] =
            (child_variable){"POOLBUF_LEAK_SUPPRESSIONS", wanted->by_valgrind ? NULL : wanted->suppressions_path};
    }
    if (wanted->by_valgrind) {
        variables[variable_count++] = (child_variable){"POOLBUF_LEAK_UNWINDER", "callsite"};
    }
    for (size_t i = 0; i < SET_COUNT; i++) {
        if (wanted->settings[i] != NULL) {
            variables[variable_count++] = (child_variable){SETTINGS[i].variable, wanted->settings[i]};
        }
    }
    char **command =
        wanted->by_valgrind ? memcheck_command(&memcheck, wanted->program, wanted->word_count) : wanted->program;
    if (command == NULL) {
        say("out of memory");
        return false;
    }
    child_run(command, variables, variable_count, end);
    if (wanted->by_valgrind) {
        free(command);
    }
    return true;
}

static int could_not_start(const request *wanted, const child_end *end) {
    char how[128];
    child_describe(end, how, sizeof how);
    if (wanted->by_valgrind) {
        say("nothing was checked: valgrind %s; install it, or use --tool builtin", how);
        return EXIT_UNCHECKED;
    }
    say("%s %s", wanted->program[0], how);
    return EXIT_USAGE;
}

/* Sets *shown once the report has been written as far as it goes; only then may the output appear. */
static int gather_and_judge(const request *wanted, const scratch *folder, const child_end *end, output *out,
                            bool *shown) {
    const findings_request how = {
        .program = wanted->program[0],
        .by_valgrind = wanted->by_valgrind,
        .generates = wanted->generates,
        .baseline = wanted->baseline,
        .baseline_path = wanted->baseline_path,
        .output_format = wanted->output_format,
        .source_root = wanted->root,
        .fail_on = wanted->fail_on == FAIL_ON[FAIL_NONE]    ? FAIL_NONE
                   : wanted->fail_on == FAIL_ON[FAIL_NEW]   ? FAIL_NEW
                   : wanted->fail_on == FAIL_ON[FAIL_GROWN] ? FAIL_GROWN
                                                            : FAIL_ANY,
    };
    findings found;
    findings_init(&found, &how);
    int status = EXIT_RUN_FAILED;
    if (findings_gather(&found, folder)) {
        if (wanted->by_valgrind && found.model->process_count == 0 && end->status == COMMAND_NOT_FOUND) {
            say("%s could not be started by valgrind", wanted->program[0]);
            status = EXIT_USAGE;
        } else if (findings_show(&found, out == NULL ? NULL : out->stream)) {
            *shown = true;
            status = findings_judge(&found, end);
        }
    }
    findings_fini(&found);
    return status;
}

static int run_and_judge(const request *wanted, output *out, bool *shown) {
    scratch folder;
    if (!scratch_create(&folder)) {
        return EXIT_RUN_FAILED;
    }
    child_end end;
    int status = EXIT_RUN_FAILED;
    if (run_program(wanted, &folder, &end)) {
        status =
            end.start_error != 0 ? could_not_start(wanted, &end) : gather_and_judge(wanted, &folder, &end, out, shown);
    }
    scratch_remove(&folder);
    return status;
}

static int run_with_output(const request *wanted) {
    bool shown = false;
    if (wanted->output == NULL) {
        return run_and_judge(wanted, NULL, &shown);
    }
    output out;
    /* JSON may take the baseline's place: the next run's. */
    const char *const inputs[] = {wanted->output_format == REPORT_JSON ? NULL : wanted->baseline_path,
                                  wanted->suppressions};
    if (!output_is_apart(wanted->output, inputs, sizeof inputs / sizeof inputs[0]) ||
        !output_open(&out, wanted->output)) {
        return EXIT_USAGE;
    }
    int status = run_and_judge(wanted, &out, &shown);
    if (!shown) {
        output_discard(&out);
    } else if (!output_commit(&out)) {
        status = EXIT_RUN_FAILED;
    }
    return status;
}

int cli_leaks(int argc, char **argv) {
    request wanted = {.tool = TOOLS[0]};
    int status = parse(argc, argv, &wanted);
    if (status == ARGUMENTS_PROCEED) {
        status = run_with_output(&wanted);
    }
    leaks_model_destroy(wanted.baseline);
    return status;
}
