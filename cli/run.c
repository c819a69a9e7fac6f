/* `poolbuf run`: scenarios on subjects, and the table of who wins. What to run is gathered here, from names, suites and
 * files; running it is bench/measure's, the table is reports'. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "doctor.h"
#include "exit_codes.h"
#include "formats.h"
#include "interrupt.h"
#include "measure/run.h"
#include "output.h"
#include "progress.h"
#include "reports/report.h"
#include "run_passes.h"
#include "run_subjects.h"
#include "scenario/scenario.h"
#include "subjects/subject.h"

_Static_assert((int)SCENARIO_ROUNDS_MAX == (int)MEASURE_ROUNDS_MAX, "a suite may ask for what a run can do");

#define DEFAULT_SUITE "default"
#define DEFAULT_SEED  1

/* A worker takes a second or two; one that takes this long hangs. */
#define WORKER_TIMEOUT_MS 120000u

/* How long the processors are watched for others before a run. */
#define WATCH_MS 250u

enum {
    ERROR_SIZE = 4096,
    PATH_SIZE = 4096,
    SCENARIOS_MAX = 256 /* of one run */
};

/* What the command line asked for. */
typedef struct request {
    text_list subject_names;
    text_list pass_names;
    uint64_t rate;   /* operations a second; 0 for none */
    unsigned passes; /* measure_plan's */
    uint64_t rounds; /* 0: the default */
    uint64_t seed;
    bool quick;
    bool all_rounds;
    bool quiet;
    const char *path; /* of the results file, NULL for none */
    const char *format_word;
    report_format format;
    char **operands;
    size_t operand_count;
} request;

/* What will be run. */
typedef struct programme {
    scenario *scenarios[SCENARIOS_MAX];
    size_t scenario_count;
    run_subjects subjects;
    char *suite;     /* the name, if one suite is all that was asked for */
    uint32_t rounds; /* that it asks for; 0 for none */
} programme;

static void programme_fini(programme *all) {
    for (size_t i = 0; i < all->scenario_count; i++) {
        scenario_destroy(all->scenarios[i]);
    }
    run_subjects_fini(&all->subjects);
    free(all->suite);
}

/* ---- Scenarios ---- */

/* Takes the scenario over. One that is there already is not run twice; two files with one name could not be told apart. */
static int add_scenario(programme *all, scenario *added) {
    for (size_t i = 0; i < all->scenario_count; i++) {
        const scenario *other = all->scenarios[i];
        if (strcmp(other->name, added->name) == 0) {
            const bool is_same = strcmp(other->file, added->file) == 0;
            const int status = is_same
                                   ? ARGUMENTS_PROCEED
                                   : input_error("%s: a scenario called \"%s\" was read from %s already; rename one",
                                                 added->file, added->name, other->file);
            scenario_destroy(added);
            return status;
        }
    }
    if (all->scenario_count == SCENARIOS_MAX) {
        const int status = input_error("%s: one scenario too many; a run takes at most %d", added->file, SCENARIOS_MAX);
        scenario_destroy(added);
        return status;
    }
    all->scenarios[all->scenario_count++] = added;
    return ARGUMENTS_PROCEED;
}

static int load_scenario(programme *all, const char *path) {
    char error[ERROR_SIZE];
    scenario *loaded = NULL;
    if (!scenario_load(path, &loaded, error, sizeof error)) {
        return input_error("%s", error);
    }
    return add_scenario(all, loaded);
}

static int load_suite(programme *all, const char *path, bool is_all) {
    char error[ERROR_SIZE];
    scenario_suite *suite = NULL;
    if (!scenario_suite_load(path, &suite, error, sizeof error)) {
        return input_error("%s", error);
    }
    int status = ARGUMENTS_PROCEED;
    for (uint32_t i = 0; i < suite->scenarios_count && status == ARGUMENTS_PROCEED; i++) {
        char found[PATH_SIZE];
        if (!scenario_find(suite->scenarios[i], found, sizeof found, error, sizeof error)) {
            status = input_error("%s: %s", path, error);
        } else {
            status = load_scenario(all, found);
        }
    }
    if (is_all && status == ARGUMENTS_PROCEED) {
        all->suite = strdup(suite->name);
        all->rounds = suite->rounds;
    }
    scenario_suite_destroy(suite);
    return status;
}

/* A suite's file has the key `scenarios`, a scenario's never. */
static bool is_suite_file(const char *path) {
    static const char key[] = "scenarios:";
    char line[256];
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, key, sizeof key - 1) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* A name or a path; a scenario's name goes before a suite's. */
static int add_operand(programme *all, const char *word, bool is_all) {
    char path[PATH_SIZE];
    char error[ERROR_SIZE];
    char ignored[ERROR_SIZE];
    if (scenario_find(word, path, sizeof path, error, sizeof error)) {
        return is_suite_file(path) ? load_suite(all, path, is_all) : load_scenario(all, path);
    }
    if (scenario_suite_find(word, path, sizeof path, ignored, sizeof ignored)) {
        return load_suite(all, path, is_all);
    }
    return input_error("%s", error);
}

static int add_operands(programme *all, const request *asked) {
    if (asked->operand_count == 0) {
        char path[PATH_SIZE];
        char error[ERROR_SIZE];
        if (!scenario_suite_find(DEFAULT_SUITE, path, sizeof path, error, sizeof error)) {
            return input_error("%s", error);
        }
        return load_suite(all, path, true);
    }
    int status = ARGUMENTS_PROCEED;
    for (size_t i = 0; i < asked->operand_count && status == ARGUMENTS_PROCEED; i++) {
        status = add_operand(all, asked->operands[i], asked->operand_count == 1);
    }
    return status;
}

/* ---- The host ---- */

/* One line about what spoils, which also goes into the results. */
static void tell_spoilers(const doctor_report *found) {
    const char *separator = "poolbuf: this host spoils results: ";
    for (size_t i = 0; i < found->count; i++) {
        if (found->findings[i].level == DOCTOR_SPOILS) {
            fprintf(stderr, "%s%s: %s", separator, found->findings[i].name, found->findings[i].state);
            separator = "; ";
        }
    }
    if (doctor_spoilers(found) > 0) {
        fputs(" (poolbuf doctor says more)\n", stderr);
    }
}

static void keep_spoilers(results_model *model, const doctor_report *found) {
    for (size_t i = 0; i < found->count; i++) {
        if (found->findings[i].level == DOCTOR_SPOILS) {
            results_model_add_spoiler(
                model, model_text_format(model->arena, "%s: %s", found->findings[i].name, found->findings[i].state));
        }
    }
}

/* ---- Results ---- */

static void print_failures(const results_model *model) {
    for (size_t i = 0; i < model->scenario_count; i++) {
        const results_scenario *from = model->scenarios[i];
        for (size_t j = 0; j < from->result_count; j++) {
            if (from->results[j]->status == RESULT_FAILED) {
                message("%s on %s failed: %s", from->results[j]->subject, from->name, from->results[j]->message);
            }
        }
    }
}

static bool write_results(const results_model *model, report_format format, output *to, bool colour) {
    char error[REPORT_ERROR_BYTES];
    const report_options options = {.colour = colour};
    if (!report_write_results(model, format, &options, to->stream, error, sizeof error)) {
        output_discard(to);
        fprintf(stderr, "poolbuf: %s\n", error);
        return false;
    }
    return output_commit(to);
}

/* The table on stdout, the file where one was asked for. */
static bool publish(const results_model *model, const request *asked, output *file) {
    output table;
    bool good = asked->path == NULL || write_results(model, REPORT_JSON, file, false);
    if (!output_open(&table, NULL)) {
        return false;
    }
    good = write_results(model, asked->format, &table, report_colour_wanted(stdout)) && good;
    return good;
}

static int measure(const programme *all, const request *asked, const char *const *command, size_t command_count,
                   output *file) {
    progress shown;
    doctor_report host;
    progress_init(&shown, asked->quiet);
    doctor_look(WATCH_MS, &host);
    tell_spoilers(&host);
    const uint32_t usual_rounds = asked->quick ? MEASURE_ROUNDS_QUICK : MEASURE_ROUNDS;
    const uint32_t default_rounds = all->rounds != 0 && !asked->quick ? all->rounds : usual_rounds;
    const measure_plan plan = {.suite = all->suite,
                               .scenarios = all->scenarios,
                               .scenario_count = all->scenario_count,
                               .subjects = all->subjects.items,
                               .subject_count = all->subjects.count,
                               .parts = all->subjects.parts,
                               .command = command,
                               .command_count = command_count,
                               .rounds = asked->rounds == 0 ? default_rounds : (uint32_t)asked->rounds,
                               .seed = asked->seed,
                               .quick = asked->quick,
                               .seconds = asked->quick ? MEASURE_SECONDS_QUICK : MEASURE_SECONDS,
                               .timeout_ms = WORKER_TIMEOUT_MS,
                               .passes = asked->passes,
                               .rate = (double)asked->rate,
                               .idle_seconds = MEASURE_IDLE_SECONDS,
                               .early_end = !asked->all_rounds,
                               .stop = &interrupt_signal,
                               .progress = progress_step,
                               .progress_user = &shown};
    char message[ERROR_SIZE];
    results_model *model = NULL;
    interrupt_watch();
    const measure_outcome outcome = measure_run(&plan, &model, message, sizeof message);
    progress_end(&shown);
    if (model == NULL) {
        if (asked->path != NULL) {
            output_discard(file);
        }
        fprintf(stderr, "poolbuf: %s\n", message);
        return outcome == MEASURE_BAD_INPUT ? EXIT_USAGE
               : outcome == MEASURE_REFUSED ? EXIT_UNCHECKED
                                            : EXIT_RUN_FAILED;
    }
    if (model->run.partial) {
        fputs("poolbuf: interrupted: the results are partial, and say so\n", stderr);
    }
    keep_spoilers(model, &host);
    print_failures(model);
    run_passes_tell_failures(model);
    const bool published = publish(model, asked, file);
    results_model_destroy(model);
    interrupt_finish();
    return published && outcome == MEASURE_OK ? EXIT_FINE : EXIT_RUN_FAILED;
}

/* Neither a scenario's file nor a recording that it plays is written over. */
static bool is_apart(const scenario *from, const char *path) {
    const char *const file[] = {from->file};
    bool apart = output_is_apart(path, file, 1);
    for (uint32_t i = 0; apart && i < from->phases_count; i++) {
        const char *const recordings[] = {from->phases[i].trace, from->phases[i].shape};
        apart = output_is_apart(path, recordings, sizeof recordings / sizeof recordings[0]);
    }
    return apart;
}

static bool open_results(const programme *all, const char *path, output *file) {
    for (size_t i = 0; i < all->scenario_count; i++) {
        if (!is_apart(all->scenarios[i], path)) {
            return false;
        }
    }
    return output_open(file, path);
}

/* What is written there is JSON, whatever it is called; elsewhere the suffix decides, and a page is expected. */
static int check_suffix(const command_line *line, const char *path) {
    const char *word = path != NULL ? formats_by_suffix(path) : NULL;
    if (word == NULL || strcmp(word, "json") == 0) {
        return ARGUMENTS_PROCEED;
    }
    return usage_error(
        line, "--output %s: run writes JSON there; give -o results.json, of which `poolbuf report` makes other formats",
        path);
}

static int run(const command_line *line, request *asked, const char *const *command, size_t command_count) {
    programme all = {.scenario_count = 0};
    output file;
    int status = formats_choose(line, REPORT_RESULTS, asked->format_word, NULL, &asked->format);
    if (status == ARGUMENTS_PROCEED) {
        status = check_suffix(line, asked->path);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = run_passes_choose(line, &asked->pass_names, asked->rate, &asked->passes);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = run_subjects_choose(line, &asked->subject_names, &all.subjects);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = add_operands(&all, asked);
    }
    if (status == ARGUMENTS_PROCEED && asked->path != NULL && !open_results(&all, asked->path, &file)) {
        status = EXIT_USAGE;
    }
    if (status == ARGUMENTS_PROCEED) {
        run_subjects_tell_left_out(&all.subjects);
        status = measure(&all, asked, command, command_count, &file);
    }
    programme_fini(&all);
    return status;
}

int cli_run(int argc, char **argv) {
    request asked = {.seed = DEFAULT_SEED};
    const argument arguments[] = {
        {.name = "subject",
         .letter = 's',
         .kind = ARGUMENT_LIST,
         .value = &asked.subject_names,
         .meaning = "NAME",
         .help =
             "measure this one; may be given often; default all that `poolbuf list subjects` shows and this machine "
             "has; NAME=./library.so measures one of your own, made with subjects/plugin.h; again=malloc is malloc "
             "under another name, slow=malloc+5 the same, slowed down by 5 %, stall=malloc~10000:1ms the same, stalled "
             "for "
             "1 ms in every 10,000th operation"},
        {.name = "measure",
         .letter = 'm',
         .kind = ARGUMENT_LIST,
         .value = &asked.pass_names,
         .meaning = "WHAT",
         .help =
             "beside time, in passes of their own after the rounds: latency of single operations, memory over time and "
             "after 10 s idle, instructions under callgrind; may be given often"},
        {.name = "rate",
         .kind = ARGUMENT_COUNT,
         .value = &asked.rate,
         .meaning = "N",
         .low = 1,
         .high = RUN_PASSES_RATE_MAX,
         .help = "with --measure latency: also at N operations a second, each timed from when it was meant to begin"},
        {.name = "rounds",
         .letter = 'n',
         .kind = ARGUMENT_COUNT,
         .value = &asked.rounds,
         .meaning = "N",
         .low = 1,
         .high = MEASURE_ROUNDS_MAX,
         .help = "how often each subject plays each scenario, at most, in a fresh process each time; default "
                 "what a suite says, else 16; quick 3"},
        {.name = "quick",
         .kind = ARGUMENT_FLAG,
         .value = &asked.quick,
         .help = "an eighth of the work: a first impression"},
        {.name = "all-rounds",
         .kind = ARGUMENT_FLAG,
         .value = &asked.all_rounds,
         .help = "do not end a scenario at half of the rounds when its answers are clear by then"},
        {.name = "quiet",
         .letter = 'q',
         .kind = ARGUMENT_FLAG,
         .value = &asked.quiet,
         .help = "no progress line, which only a terminal gets, and none when CI is set"},
        {.name = "seed",
         .kind = ARGUMENT_COUNT,
         .value = &asked.seed,
         .meaning = "N",
         .high = INT64_MAX,
         .help = "which random operations; the same seed gives the same ones; default 1"},
        {.name = "output",
         .letter = 'o',
         .kind = ARGUMENT_TEXT,
         .value = &asked.path,
         .meaning = "FILE",
         .help = "write all samples there as JSON; it appears whole or not at all"},
        {.name = "format",
         .kind = ARGUMENT_TEXT,
         .value = &asked.format_word,
         .meaning = "FORMAT",
         .help = "of what is printed on stdout: text, markdown, html, json or junit; default text"},
    };
    const command_line line = {
        .name = "run",
        .synopsis = "[SCENARIO|SUITE|FILE.yaml|FILE.pbtrace|FILE.pbshape]... [OPTIONS]",
        .examples =
            "  poolbuf run                                    the default suite on every subject, in 3 minutes\n"
            "  poolbuf run --quick churn -s pooled,malloc     one question, a first impression\n"
            "  poolbuf run -o results.json server.pbtrace     your own program's allocations, all samples kept\n"
            "  poolbuf run churn -m latency --rate 100000     percentiles of single operations\n"
            "  poolbuf run churn -n 1 -m instructions         what is executed: the same number on any machine's worst "
            "day\n",
        .about =
            "Plays scenarios on everything that can serve buffers, each in a process of its own, in rounds that take\n"
            "turns, and says which is faster or slower than malloc, by how much, and where the two are not separated.\n"
            "A scenario ends at half of its rounds when every answer is clear. Ctrl-C keeps what was measured, marked\n"
            "as partial, and ends by the signal: a shell shows 130, or 143 after SIGTERM.\n"
            "Exit status 1: a subject failed; 6: another library served than should, or a subject that was named is "
            "not\n"
            "available, so nothing was measured.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_most = SIZE_MAX,
        .operand_name = "scenario",
    };
    /* The words move while they are parsed; the record wants them as they were typed. */
    const char **command = calloc((size_t)argc + 1, sizeof *command);
    if (command == NULL) {
        return input_error("out of memory");
    }
    command[0] = "poolbuf";
    for (int i = 0; i < argc; i++) {
        command[i + 1] = argv[i];
    }
    int status = arguments_parse(&line, argc, argv, &asked.operands, &asked.operand_count);
    if (status == ARGUMENTS_PROCEED) {
        status = run(&line, &asked, command, (size_t)argc + 1);
    }
    text_list_fini(&asked.subject_names);
    text_list_fini(&asked.pass_names);
    free(command);
    return status;
}
