/* `poolbuf history`: results of many runs in one database; how they went, and whether the newest run is a regression.
 *
 * `compare` asks whether two runs differ; here the runs before are what noise is judged by. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "formats.h"
#include "history_judge.h"
#include "history_losses.h"
#include "history_store.h"
#include "measure/file_digest.h"
#include "output.h"
#include "reports/report.h"
#include "reports/table.h"
#include "scenario/near.h"
#include "stats/steps.h"
#include "thresholds.h"

#define DEFAULT_DATABASE "poolbuf-history.sqlite"

enum {
    DEFAULT_THRESHOLD = 5, /* percent, as compare has it */
    DEFAULT_RECENT = 10,
    DEFAULT_RUNS = 200
};

static argument database_argument(const char **path) {
    return (argument){.name = "db",
                      .kind = ARGUMENT_TEXT,
                      .value = path,
                      .meaning = "FILE",
                      .help = "the database; default " DEFAULT_DATABASE};
}

/* ---- add ---- */

typedef struct addition {
    const char *path;
    results_model *results;
    char digest[FILE_DIGEST_TEXT_SIZE];
} addition;

static bool has_result(const results_model *results) {
    for (size_t i = 0; i < results->scenario_count; i++) {
        for (size_t j = 0; j < results->scenarios[i]->result_count; j++) {
            const results_result *result = results->scenarios[i]->results[j];
            if (result->status == RESULT_OK && result->sample_count > 0) {
                return true;
            }
        }
    }
    return false;
}

/* As `run` writes it, 2026-01-31T23:59:59Z: runs are in the order of these texts. */
static bool is_time(const char *text) {
    static const char FORM[] = "dddd-dd-ddTdd:dd:ddZ";
    size_t i = 0;
    while (text[i] != '\0' && i < sizeof FORM - 1 &&
           (FORM[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == FORM[i])) {
        i++;
    }
    return i == sizeof FORM - 1 && text[i] == '\0';
}

/* Only whole runs become history: what is compared with them must not be compared with a part. */
static int read_addition(addition *out, const char *path) {
    char error[REPORT_ERROR_BYTES];
    struct stat found;
    out->path = path;
    if (strcmp(path, "-") == 0 || (stat(path, &found) == 0 && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))) {
        return input_error("%s is no regular file; a history knows a file again by its bytes, so give it as one", path);
    }
    if (!report_read_results(path, &out->results, error, sizeof error)) {
        return input_error("%s", error);
    }
    if (out->results->note != NULL) {
        message("note: %s", out->results->note);
    }
    if (out->results->run.partial) {
        return input_error("%s: its run was ended before its time; only whole runs become history", path);
    }
    if (!is_time(out->results->created)) {
        return input_error(
            "%s: created: is \"%.60s\"; expected when it was measured, as 2026-01-31T23:59:59Z, by which "
            "a history is in order",
            path, out->results->created);
    }
    if (!has_result(out->results)) {
        message("%s: nothing in it succeeded, so there is nothing to add", path);
        return EXIT_UNCHECKED;
    }
    if (!file_digest_text(path, out->digest)) {
        return input_error("%s: it cannot be read a second time", path);
    }
    return ARGUMENTS_PROCEED;
}

/* All files or none. What is printed appears when it is true. */
static int add_all(const addition *all, size_t count, const char *database, const char *label, const char *accepted) {
    char error[HISTORY_ERROR_BYTES];
    output out;
    if (!output_open(&out, NULL)) {
        return EXIT_USAGE;
    }
    history_store *store = history_store_open(database, true, error);
    history_added added = store == NULL ? HISTORY_FAILED : HISTORY_ADDED;
    for (size_t i = 0; added != HISTORY_FAILED && i < count; i++) {
        uint64_t figures = 0;
        uint64_t runs = 0;
        const history_entry entry = {all[i].digest, label, accepted};
        added = history_store_add(store, all[i].results, &entry, &figures, &runs, error);
        if (added == HISTORY_KNOWN) {
            message("note: %s is in %s already", all[i].path, database);
        } else {
            text_print_safe(out.stream, all[i].path);
            fprintf(out.stream, ": %llu figures; run %llu on this host, kernel and build\n",
                    (unsigned long long)figures, (unsigned long long)runs);
        }
    }
    const bool fine = added != HISTORY_FAILED && history_store_commit(store, error);
    history_store_close(store);
    if (!fine) {
        output_discard(&out);
        return input_error("%s", error);
    }
    return output_commit(&out) ? EXIT_FINE : EXIT_RUN_FAILED;
}

static int add_files(char *const *paths, size_t count, const char *database, const char *label, const char *accepted) {
    addition *all = calloc(count, sizeof *all);
    if (all == NULL) {
        return input_error("out of memory");
    }
    int status = ARGUMENTS_PROCEED;
    for (size_t i = 0; status == ARGUMENTS_PROCEED && i < count; i++) {
        status = read_addition(&all[i], paths[i]);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = add_all(all, count, database, label, accepted);
    }
    for (size_t i = 0; i < count; i++) {
        results_model_destroy(all[i].results);
    }
    free(all);
    return status;
}

/* The reports that it will be in are UTF-8. */
static bool is_utf8(const char *text) {
    json_t *value = json_string(text);
    json_decref(value);
    return value != NULL;
}

/* One line of a table later on. */
static int check_text(const command_line *line, const char *option, const char *text) {
    if (text == NULL) {
        return ARGUMENTS_PROCEED;
    }
    if (text[0] == '\0' || strlen(text) > HISTORY_TEXT_MAX || strpbrk(text, "\n\r") != NULL || !is_utf8(text)) {
        return usage_error(line, "--%s takes one line of UTF-8, of 1 to %d bytes", option, HISTORY_TEXT_MAX);
    }
    return ARGUMENTS_PROCEED;
}

static int history_add(int argc, char **argv) {
    const char *database = DEFAULT_DATABASE;
    const char *label = NULL;
    const char *accepted = NULL;
    const argument arguments[] = {
        database_argument(&database),
        {.name = "label",
         .kind = ARGUMENT_TEXT,
         .value = &label,
         .meaning = "TEXT",
         .help = "what the run is called in reports, such as a commit; default when it was measured"},
        {.name = "accept",
         .kind = ARGUMENT_TEXT,
         .value = &accepted,
         .meaning = "REASON",
         .help = "a new level is expected from this run on: what came before is judged by no more"},
    };
    const command_line line = {
        .name = "history add",
        .synopsis = "RESULTS.json... [OPTIONS]",
        .examples = "  poolbuf history add results.json --label \"$(git rev-parse --short HEAD)\"\n"
                    "  poolbuf history add results.json --accept \"buffers are zeroed now\"\n",
        .about =
            "Adds runs to the database, which is made where there is none: all files, or none of them. A file that "
            "is\n"
            "in it already is not added twice. Runs are ordered by when they were measured, not added.\n"
            "\n"
            "Exit status: 0 they are in it; 2 usage or bad input, also a run that was ended before its time; 6 a "
            "run\n"
            "in which nothing succeeded.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_least = 1,
        .operands_most = SIZE_MAX,
        .operand_name = "results file",
    };
    char **operands = NULL;
    size_t count = 0;
    int status = arguments_parse(&line, argc, argv, &operands, &count);
    if (status == ARGUMENTS_PROCEED) {
        status = check_text(&line, "label", label);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = check_text(&line, "accept", accepted);
    }
    return status == ARGUMENTS_PROCEED ? add_files(operands, count, database, label, accepted) : status;
}

/* ---- show and check ---- */

typedef struct request {
    const command_line *line;
    const char *database, *relative_to, *word, *path;
    text_list subjects, metrics, threshold_words;
    char **scenarios;
    size_t scenario_count;
    uint64_t runs, recent;
    thresholds limits;
    report_format format;
    bool is_check, only_common;
} request;

static bool is_named(const char *name, char *const *names, size_t count) {
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i < count;
}

/* What has a rate in its name is meant by the metric alone, too. */
static metric metric_of(const history_series *series) {
    return metric_find(series->metric, strcspn(series->metric, " "));
}

static bool is_wanted(const request *wanted, const history_series *series) {
    const metric which = metric_of(series);
    const bool metric_wanted =
        wanted->is_check ? which < METRIC_COUNT && isfinite(wanted->limits.percent[which])
        : wanted->metrics.count == 0
            ? which == METRIC_TIME
            : which < METRIC_COUNT && is_named(metric_name(which), wanted->metrics.items, wanted->metrics.count);
    /* The null subject is the harness itself. */
    const bool subject_wanted = wanted->subjects.count == 0
                                    ? !wanted->is_check || strcmp(series->subject, MODEL_NULL_SUBJECT) != 0
                                    : is_named(series->subject, wanted->subjects.items, wanted->subjects.count);
    return metric_wanted && subject_wanted &&
           (wanted->scenario_count == 0 || is_named(series->scenario, wanted->scenarios, wanted->scenario_count));
}

static void keep_wanted(const request *wanted, history_model *model) {
    size_t kept = 0;
    for (size_t i = 0; i < model->series_count; i++) {
        history_series *series = model->series[i];
        if (is_wanted(wanted, series)) {
            series->limit_percent = wanted->is_check ? wanted->limits.percent[metric_of(series)] : MODEL_NAN;
            model->series[kept++] = series;
        }
    }
    model->series_count = kept;
}

/* A name that no series has would leave its question unasked. */
static int check_name(const history_model *model, const char *what, const char *name, size_t offset) {
    const char **known = calloc(model->series_count + 1, sizeof *known);
    size_t count = 0;
    bool found = false;
    for (size_t i = 0; known != NULL && i < model->series_count; i++) {
        const char *has;
        memcpy(&has, (const char *)model->series[i] + offset, sizeof has);
        found = found || strcmp(has, name) == 0;
        known[count++] = has;
    }
    const char *near = found ? NULL : near_word(name, known, count);
    free(known);
    if (found) {
        return ARGUMENTS_PROCEED;
    }
    return near != NULL ? input_error("%s has no %s \"%s\" in comparable runs, did you mean \"%s\"?", model->database,
                                      what, name, near)
                        : input_error("%s has no %s \"%s\" in comparable runs", model->database, what, name);
}

static int check_names(const request *wanted, const history_model *model) {
    int status = ARGUMENTS_PROCEED;
    for (size_t i = 0; status == ARGUMENTS_PROCEED && i < wanted->scenario_count; i++) {
        status = check_name(model, "scenario", wanted->scenarios[i], offsetof(history_series, scenario));
    }
    for (size_t i = 0; status == ARGUMENTS_PROCEED && i < wanted->subjects.count; i++) {
        status = check_name(model, "subject", wanted->subjects.items[i], offsetof(history_series, subject));
    }
    if (status == ARGUMENTS_PROCEED && wanted->relative_to != NULL) {
        status = check_name(model, "subject", wanted->relative_to, offsetof(history_series, subject));
    }
    return status;
}

/* Each metric that was asked for is there: else it would be passed over in silence. */
static int check_metrics_there(const request *wanted, const history_model *model) {
    for (int which = 0; which < METRIC_COUNT; which++) {
        const char *name = metric_name((metric)which);
        const bool asked = wanted->is_check ? isfinite(wanted->limits.percent[which])
                                            : is_named(name, wanted->metrics.items, wanted->metrics.count);
        bool found = !asked;
        for (size_t i = 0; !found && i < model->series_count; i++) {
            found = (int)metric_of(model->series[i]) == which;
        }
        const char *option = metric_option((metric)which);
        if (!found) {
            return input_error("%s has no %s of that in comparable runs%s%s%s", model->database, name,
                               option == NULL ? "" : "; `poolbuf run ", option == NULL ? "" : option,
                               option == NULL ? "" : "` measures it");
        }
    }
    return ARGUMENTS_PROCEED;
}

static int write_model(const request *wanted, const history_model *model) {
    output out;
    char error[REPORT_ERROR_BYTES];
    if (!output_is_apart(wanted->path, &wanted->database, 1) || !output_open(&out, wanted->path)) {
        return EXIT_USAGE;
    }
    const report_options options = {.colour = out.path == NULL && report_colour_wanted(stdout)};
    if (!report_write_history(model, wanted->format, &options, out.stream, error, sizeof error)) {
        output_discard(&out);
        return input_error("%s", error);
    }
    if (!output_commit(&out)) {
        return EXIT_RUN_FAILED;
    }
    if (!wanted->is_check) {
        return EXIT_FINE;
    }
    history_losses_tell(model);
    if (history_model_count(model, HISTORY_WORSE) > 0) {
        return EXIT_REGRESSION;
    }
    if (history_losses_are_failures(model)) {
        return EXIT_RUN_FAILED;
    }
    if (!history_was_checked(model)) {
        fprintf(stderr,
                "poolbuf history check: nothing could be checked: a series needs %d runs of one host, kernel and "
                "build\n",
                HISTORY_RUNS_LEAST);
        return EXIT_UNCHECKED;
    }
    return history_model_losses(model) > 0 ? EXIT_RUN_FAILED : EXIT_FINE;
}

/* As of compare: without the reference's times in the newest run nothing of it could be judged. */
static int check_reference(const request *wanted, const history_model *model) {
    if (!wanted->is_check || wanted->relative_to == NULL ||
        history_is_in_newest_run(model, NULL, wanted->relative_to, metric_name(METRIC_TIME))) {
        return ARGUMENTS_PROCEED;
    }
    return input_error("--relative-to: subject \"%s\" has no times in the newest run of %s", wanted->relative_to,
                       model->database);
}

static int answer_model(const request *wanted, history_model *model) {
    int status = check_names(wanted, model);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    model->is_check = wanted->is_check;
    model->has_points = !wanted->is_check && wanted->scenario_count > 0;
    model->recent = wanted->recent;
    status = check_reference(wanted, model);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    if (wanted->is_check) {
        history_find_losses(model, wanted->only_common);
    }
    if (wanted->relative_to != NULL) {
        model->relative_to = wanted->relative_to;
        (void)history_relate(model, wanted->relative_to);
    }
    keep_wanted(wanted, model);
    status = check_metrics_there(wanted, model);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    if (model->series_count == 0) {
        return input_error("%s has none of that in comparable runs", model->database);
    }
    history_mark_steps(model);
    history_judge(model);
    return write_model(wanted, model);
}

static int answer(const request *wanted) {
    char error[HISTORY_ERROR_BYTES];
    history_store *store = history_store_open(wanted->database, false, error);
    if (store == NULL) {
        return input_error("%s", error);
    }
    history_model *model = history_model_create();
    const int status =
        history_store_read(store, wanted->runs, model, error) ? answer_model(wanted, model) : input_error("%s", error);
    history_model_destroy(model);
    history_store_close(store);
    return status;
}

static int check_metrics(const request *wanted) {
    for (size_t i = 0; i < wanted->metrics.count; i++) {
        const char *name = wanted->metrics.items[i];
        if (metric_find(name, strlen(name)) == METRIC_COUNT) {
            return usage_error(wanted->line, "--metric: no metric \"%s\"; it must be one of %s", name, metric_names());
        }
    }
    return ARGUMENTS_PROCEED;
}

static int parse_and_answer(request *wanted, int argc, char **argv) {
    int status = arguments_parse(wanted->line, argc, argv, &wanted->scenarios, &wanted->scenario_count);
    if (status == ARGUMENTS_PROCEED) {
        status = thresholds_parse(wanted->line, &wanted->threshold_words, &wanted->limits);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = check_metrics(wanted);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = formats_choose(wanted->line, REPORT_HISTORY, wanted->word, wanted->path, &wanted->format);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = answer(wanted);
    }
    text_list_fini(&wanted->subjects);
    text_list_fini(&wanted->metrics);
    text_list_fini(&wanted->threshold_words);
    return status;
}

/* What both have. */
#define COMMON_ARGUMENTS(wanted)                                                                                       \
    database_argument(&(wanted).database),                                                                             \
        {.name = "subject",                                                                                            \
         .letter = 's',                                                                                                \
         .kind = ARGUMENT_LIST,                                                                                        \
         .value = &(wanted).subjects,                                                                                  \
         .meaning = "NAME",                                                                                            \
         .help = "only these; default all"},                                                                           \
        {.name = "relative-to",                                                                                        \
         .kind = ARGUMENT_TEXT,                                                                                        \
         .value = &(wanted).relative_to,                                                                               \
         .meaning = "SUBJECT",                                                                                         \
         .help = "divide each time by that subject's in the same run: what slows the whole machine drops out"},        \
        {.name = "runs",                                                                                               \
         .kind = ARGUMENT_COUNT,                                                                                       \
         .value = &(wanted).runs,                                                                                      \
         .low = 2,                                                                                                     \
         .high = STATS_SERIES_MAX,                                                                                     \
         .meaning = "N",                                                                                               \
         .help = "look at the last N comparable runs; default 200"},                                                   \
        {.name = "format",                                                                                             \
         .kind = ARGUMENT_TEXT,                                                                                        \
         .value = &(wanted).word,                                                                                      \
         .meaning = "FORMAT",                                                                                          \
         .help = "text, markdown, html, json, or of a check junit; default by FILE's suffix, else text"},              \
    {                                                                                                                  \
        .name = "output", .letter = 'o', .kind = ARGUMENT_TEXT, .value = &(wanted).path, .meaning = "FILE",            \
        .help = "where to write it; it appears whole or not at all; default stdout"                                    \
    }

static void request_init(request *wanted, bool is_check) {
    *wanted =
        (request){.database = DEFAULT_DATABASE, .runs = DEFAULT_RUNS, .recent = DEFAULT_RECENT, .is_check = is_check};
    thresholds_init(&wanted->limits, DEFAULT_THRESHOLD);
}

static int history_show(int argc, char **argv) {
    request wanted;
    request_init(&wanted, false);
    const argument arguments[] = {
        {.name = "metric",
         .kind = ARGUMENT_LIST,
         .value = &wanted.metrics,
         .meaning = "NAME",
         .help = "time, memory, instructions, latency-p99, ...: those of compare --threshold; default time"},
        COMMON_ARGUMENTS(wanted),
    };
    const command_line line = {
        .name = "history show",
        .synopsis = "[SCENARIO]... [OPTIONS]",
        .examples = "  poolbuf history show                         a line for each scenario and subject\n"
                    "  poolbuf history show churn -s pooled         each run of one\n"
                    "  poolbuf history show --relative-to malloc    what machines of changing speed have in common\n"
                    "  poolbuf history show -o trend.html           a page with each series drawn\n",
        .about = "Shows how results went over the runs that can be compared with the newest: of its processor, kernel, "
                 "compiler,\n"
                 "build, leak level and length, as `poolbuf compare` demands. With a SCENARIO, every run of it.\n"
                 "A change of level is one that noise does not explain: three runs at least on both sides of it.\n"
                 "\n"
                 "Exit status: 0; 2 usage or bad input.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_most = SIZE_MAX,
        .operand_name = "scenario",
    };
    wanted.line = &line;
    return parse_and_answer(&wanted, argc, argv);
}

static int history_check(int argc, char **argv) {
    request wanted;
    request_init(&wanted, true);
    const argument arguments[] = {
        {.name = "threshold",
         .kind = ARGUMENT_LIST,
         .value = &wanted.threshold_words,
         .meaning = "PCT",
         .help = "how much slower is a regression, as 5 or time=5,memory=10; default 5 for time"},
        {.name = "recent",
         .kind = ARGUMENT_COUNT,
         .value = &wanted.recent,
         .low = 1,
         .high = STATS_SERIES_MAX,
         .meaning = "N",
         .help = "a change of level is a regression, and what the newest run lacks is missing, while it is among the "
                 "last N runs; default 10"},
        {.name = "only-common",
         .kind = ARGUMENT_FLAG,
         .value = &wanted.only_common,
         .help = "judge what the newest run has: what it lacks was left out on purpose"},
        COMMON_ARGUMENTS(wanted),
    };
    const command_line line = {
        .name = "history check",
        .synopsis = "[SCENARIO]... [OPTIONS]",
        .examples = "  poolbuf history add results.json && poolbuf history check --relative-to malloc\n"
                    "  poolbuf history check --threshold time=5,memory=10 --format markdown >> "
                    "\"$GITHUB_STEP_SUMMARY\"\n",
        .about =
            "Judges the newest run by those before it that can be compared with it (see history show). It is a "
            "regression\n"
            "if it lies beyond what they let expect, its own interval too, and beyond the threshold; or if a new "
            "level\n"
            "beyond the threshold began in the last runs, at once or in small steps. All series together are wrong in\n"
            "one check of twenty at most. A series needs 6 runs. `history add --accept` begins a new one.\n"
            "\n"
            "What the last runs have must be in the newest: a scenario, subject or metric that is not there is not\n"
            "judged, and is no success. --only-common leaves out what the newest run has not measured on purpose.\n"
            "\n"
            "Exit status: 0 no regression; 3 a regression; 1 what was measured before failed or is missing in the "
            "newest\n"
            "run; 2 usage or bad input; 6 nothing could be checked. The first of 2, 3, 1 for a failure, 6 and 1 for "
            "what\n"
            "is missing counts.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_most = SIZE_MAX,
        .operand_name = "scenario",
    };
    wanted.line = &line;
    return parse_and_answer(&wanted, argc, argv);
}

/* ---- which ---- */

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} VERBS[] = {{"add", history_add}, {"show", history_show}, {"check", history_check}};

static int print_help(void) {
    puts("  poolbuf history add results.json --label \"$(git rev-parse --short HEAD)\"\n"
         "  poolbuf history show --relative-to malloc\n"
         "  poolbuf history check --relative-to malloc    exit 3 if the newest run is a regression\n"
         "\n"
         "Usage: poolbuf history add|show|check [OPTIONS] [OPERANDS]\n"
         "\n"
         "Keeps results of many runs in one SQLite database (--db FILE, default " DEFAULT_DATABASE "), shows how\n"
         "they went, and judges the newest by those before it. poolbuf history VERB --help explains each.");
    return EXIT_FINE;
}

int cli_history(int argc, char **argv) {
    static const command_line LINE = {.name = "history"};
    if (argc < 2) {
        return usage_error(&LINE, "which: add, show or check?");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_help();
    }
    for (size_t i = 0; i < sizeof VERBS / sizeof VERBS[0]; i++) {
        if (strcmp(argv[1], VERBS[i].name) == 0) {
            return VERBS[i].main(argc - 1, argv + 1);
        }
    }
    const char *near = near_field(argv[1], &VERBS[0].name, sizeof VERBS / sizeof VERBS[0], sizeof VERBS[0]);
    return near != NULL
               ? usage_error(&LINE, "\"%s\" is none of add, show and check, did you mean \"%s\"?", argv[1], near)
               : usage_error(&LINE, "\"%s\" is none of add, show and check", argv[1]);
}
