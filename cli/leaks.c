/* `poolbuf leaks`: runs a program with leak detection on, gathers the report of every process that it starts, and answers
 * with an exit status that a build can rely on: a leak fails, and so does a check that checked nothing.
 *
 * The program's own stdin, stdout and stderr are untouched; the text report follows on stderr when it has ended. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "formats.h"
#include "output.h"
#include "record/child.h"
#include "reports/leaks_suppressions.h"
#include "reports/report.h"
#include "reports/table.h"
#include "reports/valgrind_xml.h"
#include "scratch.h"
#include "suppressions.h"

/* What a shell, and Valgrind, say of a program that does not exist. */
#define COMMAND_NOT_FOUND 127

typedef struct request {
    const char *level, *tool, *fail_on, *format, *output;
    report_format output_format;
    const char *suppressions;
    char suppressions_path[PATH_MAX]; /* the same, wherever the program goes */
    leakdetect_level level_number;
    bool by_valgrind;
    bool generates;
    char **program; /* its command line, ends with NULL */
    size_t word_count;
} request;

/* What came out of all processes together. */
typedef struct findings {
    leaks_model *model;
    leaks_exact exact; /* summed over the built-in detector's reports, without what is suppressed */
    leaks_tracked tracked;
    size_t reports;    /* of the built-in detector: proof that libpoolbuf was there */
    size_t unfinished; /* of Memcheck's reports, those that break off before its search for leaks */
} findings;

static const char *const TOOLS[] = {"builtin", "valgrind", NULL};
static const char *const FAIL_ON[] = {"any", "none", NULL};

static const char EXAMPLES[] =
    "  poolbuf leaks -- ./test_server                 every buffer is tracked; status 4 on a leak\n"
    "  poolbuf leaks --level simple -- ./server       1 buffer in 128, as in production\n"
    "  poolbuf leaks -o leaks.json -- make test       the processes that it starts count too\n"
    "  poolbuf leaks --suppressions known.supp -- ./test_server\n"
    "  poolbuf leaks --tool valgrind -- ./test_server the same question to Memcheck\n";

static const char ABOUT[] =
    "Runs a program with leak detection on. Its stdin, stdout and stderr stay its own; the report comes on\n"
    "stderr at the end, from all of its processes together, grouped by the stack that allocated.\n"
    "\n"
    "Exit status: 0 no leak; 4 a leak, however the program ended; 1 no leak, but the program failed;\n"
    "2 usage, or the program could not be started; 6 nothing was checked: no process that ended normally\n"
    "had libpoolbuf loaded and allocated a buffer.\n";

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("poolbuf leaks: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
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
    const int checked = check_suppressions(line, wanted);
    if (checked != ARGUMENTS_PROCEED) {
        return checked;
    }
    if (wanted->format != NULL && wanted->output == NULL) {
        return usage_error(line, "--format needs -o FILE (or -o - for stdout): the text report goes to stderr");
    }
    return formats_choose(line, REPORT_LEAKS, wanted->format, wanted->output, &wanted->output_format);
}

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
         .help = "which findings end with status 4"},
        {.name = "suppressions",
         .kind = ARGUMENT_TEXT,
         .value = &wanted->suppressions,
         .meaning = "FILE",
         .help = "rules for known leaks, which do not fail; as POOLBUF_LEAK_SUPPRESSIONS"},
        {.name = "gen-suppressions",
         .kind = ARGUMENT_FLAG,
         .value = &wanted->generates,
         .help = "print a rule for each leak on stdout, when the program has ended"},
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
         .help = "of FILE: text, markdown, html, json; default by its suffix"},
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

/* Memcheck's command line in front of the program's. The caller frees the array, not the texts. */
static char **valgrind_command(const request *wanted, char *xml_option) {
    static char words[][40] = {"valgrind",
                               "--quiet",
                               "--tool=memcheck",
                               "--leak-check=full",
                               "--show-leak-kinds=all",
                               "--trace-children=yes",
                               "--num-callers=40", /* the default of 12 cuts a server's stack in half */
                               "--xml=yes"};
    const size_t word_count = sizeof words / sizeof words[0];
    char **command = calloc(word_count + wanted->word_count + 2, sizeof *command);
    if (command == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < word_count; i++) {
        command[i] = words[i];
    }
    command[word_count] = xml_option;
    memcpy(command + word_count + 1, wanted->program, wanted->word_count * sizeof *command);
    return command;
}

/* Under Valgrind the built-in detector runs too, at its lowest level and without call stacks: it counts exactly, which
 * proves that the library was there and that buffers were allocated. */
static bool run_program(const request *wanted, const scratch *folder, child_end *end) {
    char report[PATH_MAX];
    char xml_option[PATH_MAX];
    snprintf(report, sizeof report, "%s/%%p.json", folder->path);
    snprintf(xml_option, sizeof xml_option, "--xml-file=%s/%%p.xml", folder->path);
    const child_variable variables[] = {
        {"POOLBUF_LEAK_LEVEL", leakdetect_name_level(wanted->by_valgrind ? LEAKDETECT_SIMPLE : wanted->level_number)},
        {"POOLBUF_LEAK_REPORT", report},
        {"POOLBUF_LEAK_NOTICE", "off"},
        {"POOLBUF_LEAK_EXIT_CODE", NULL}, /* the program's status is its own here */
        {"POOLBUF_LEAK_SUPPRESSIONS", wanted->suppressions == NULL ? NULL : wanted->suppressions_path},
        {"POOLBUF_LEAK_UNWINDER", "callsite"},
    };
    /* A user's own suppressions stay, but for a run of Memcheck: there the detector counts, without call stacks. */
    const size_t unset = wanted->by_valgrind ? 0 : wanted->suppressions != NULL ? 1 : 2;
    const size_t variable_count = sizeof variables / sizeof variables[0] - unset;
    char **command = wanted->by_valgrind ? valgrind_command(wanted, xml_option) : wanted->program;
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

/* ---- gathering ---- */

static void add(uint64_t *sum, uint64_t value) {
    if (value != MODEL_UNKNOWN) {
        *sum = *sum == MODEL_UNKNOWN ? value : *sum + value;
    }
}

static bool gather_builtin(const scratch *folder, findings *found, bool keep_groups) {
    text_list paths = {0};
    bool fine = scratch_list(folder, ".json", &paths);
    for (size_t i = 0; i < paths.count && fine; i++) {
        char error[REPORT_ERROR_BYTES];
        leaks_model *one = NULL;
        fine = report_read_leaks(paths.items[i], &one, error, sizeof error);
        if (!fine) {
            say("%s", error);
            break;
        }
        const leaks_exact exact = leaks_model_unsuppressed(one);
        const leaks_tracked tracked = leaks_model_tracked(one);
        add(&found->exact.allocated, exact.allocated);
        add(&found->exact.live_buffers, exact.live_buffers);
        add(&found->exact.live_bytes, exact.live_bytes);
        add(&found->tracked.seen, tracked.seen);
        found->reports++;
        if (keep_groups) {
            leaks_model_merge(found->model, one);
        }
        leaks_model_destroy(one);
    }
    text_list_fini(&paths);
    return fine;
}

static bool gather_valgrind(const scratch *folder, findings *found) {
    text_list paths = {0};
    bool fine = scratch_list(folder, ".xml", &paths);
    for (size_t i = 0; i < paths.count && fine; i++) {
        char error[REPORT_ERROR_BYTES];
        valgrind_xml_summary summary;
        leaks_model *one = leaks_model_create();
        one->tool = LEAKS_TOOL_VALGRIND;
        fine = valgrind_xml_read(paths.items[i], one, &summary, error, sizeof error);
        if (fine) {
            leaks_model_merge(found->model, one);
            found->unfinished += summary.finished ? 0 : 1;
        } else {
            say("%s", error);
        }
        leaks_model_destroy(one);
    }
    text_list_fini(&paths);
    return fine;
}

/* ---- the verdict ---- */

/* The report goes to stderr if there is something to tell, and to the output in any case: an empty one says so. That nobody
 * reads stderr any more does not change what was found. */
static bool show(const findings *found, const request *wanted, output *out) {
    char error[REPORT_ERROR_BYTES];
    bool fine = true;
    if (found->model->group_count > 0) {
        const report_options options = {.colour = report_colour_wanted(stderr)};
        (void)report_write_leaks(found->model, REPORT_TEXT, &options, stderr, error, sizeof error);
    }
    const char *line = found->model->group_count > 0 ? NULL : leaks_suppressions_facts(found->model, 0);
    for (size_t i = 1; line != NULL; line = leaks_suppressions_facts(found->model, i++)) {
        fputs("poolbuf leaks: ", stderr);
        text_print_safe(stderr, line);
        fputc('\n', stderr);
    }
    if (wanted->generates) {
        suppressions_print(found->model, stdout);
    }
    if (out != NULL) {
        fine = report_write_leaks(found->model, wanted->output_format, NULL, out->stream, error, sizeof error);
    }
    if (!fine) {
        say("%s", error);
    }
    return fine;
}

static int unchecked(const request *wanted, const findings *found) {
    if (found->reports == 0) {
        say("nothing was checked: %s and what it started never loaded libpoolbuf, or ended without finalization "
            "(_exit, exec, a signal)",
            wanted->program[0]);
    } else {
        say("nothing was checked: libpoolbuf was loaded, but not one buffer was allocated");
    }
    return EXIT_UNCHECKED;
}

static uint64_t known(uint64_t count) {
    return count == MODEL_UNKNOWN ? 0 : count;
}

static int verdict(const request *wanted, const findings *found, const child_end *end) {
    const bool failed = end->signal != 0 || end->status != 0;
    char how[64];
    child_describe(end, how, sizeof how);
    if (end->is_outlived) {
        say("note: processes that %s started still run; what they leak is not known here", wanted->program[0]);
    }
    if (found->unfinished > 0) {
        say("note: %zu of Memcheck's reports broke off before its search for leaks", found->unfinished);
    }
    const uint64_t live = known(found->exact.live_buffers);
    if (found->model->group_count > 0 || live > 0) {
        if (found->model->group_count == 0) {
            say("%" PRIu64 " buffers were never released, but the sample has none of them; find them with "
                "poolbuf leaks --level paranoid",
                live);
        }
        if (failed) {
            say("note: %s %s", wanted->program[0], how);
        }
        return wanted->fail_on == FAIL_ON[0] ? EXIT_LEAK : failed ? EXIT_RUN_FAILED : EXIT_FINE;
    }
    if (failed) {
        say("%s %s%s", wanted->program[0], how, found->reports > 0 ? "; no leak" : "; nothing was checked");
        return EXIT_RUN_FAILED;
    }
    const uint64_t allocated = known(found->exact.allocated);
    const uint64_t checked = allocated > 0 ? allocated : known(found->tracked.seen);
    if (checked == 0) {
        return unchecked(wanted, found);
    }
    const bool suppressed = leaks_model_suppressed(found->model).groups > 0;
    say("no leak: %" PRIu64 " buffer%s allocated, and released%s; %zu process%s", checked, checked == 1 ? "" : "s",
        suppressed ? ", but for those that are suppressed" : "", found->reports, found->reports == 1 ? "" : "es");
    return EXIT_FINE;
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
    findings found = {.model = leaks_model_create(),
                      .exact = {.live_buffers = MODEL_UNKNOWN, .live_bytes = MODEL_UNKNOWN, .allocated = MODEL_UNKNOWN},
                      .tracked = {.seen = MODEL_UNKNOWN, .live = MODEL_UNKNOWN}};
    found.model->tool = wanted->by_valgrind ? LEAKS_TOOL_VALGRIND : LEAKS_TOOL_BUILTIN;
    int status = EXIT_RUN_FAILED;
    if (gather_builtin(folder, &found, !wanted->by_valgrind) &&
        (!wanted->by_valgrind || gather_valgrind(folder, &found))) {
        if (wanted->by_valgrind && found.model->process_count == 0 && end->status == COMMAND_NOT_FOUND) {
            say("%s could not be started by valgrind", wanted->program[0]);
            status = EXIT_USAGE;
        } else if (show(&found, wanted, out)) {
            *shown = true;
            status = verdict(wanted, &found, end);
        }
    }
    leaks_model_destroy(found.model);
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

int cli_leaks(int argc, char **argv) {
    request wanted = {.tool = TOOLS[0], .fail_on = FAIL_ON[0]};
    int status = parse(argc, argv, &wanted);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    bool shown = false;
    if (wanted.output == NULL) {
        return run_and_judge(&wanted, NULL, &shown);
    }
    output out;
    if (!output_open(&out, wanted.output)) {
        return EXIT_USAGE;
    }
    status = run_and_judge(&wanted, &out, &shown);
    if (!shown) {
        output_discard(&out);
    } else if (!output_commit(&out)) {
        status = EXIT_RUN_FAILED;
    }
    return status;
}
