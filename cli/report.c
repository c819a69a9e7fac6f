/* `poolbuf report`: files of results and of leaks, in any format. Several files become one report: leaks are merged by
 * fingerprint; results are merged when they are parts of one experiment, and otherwise stand one after the other. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "formats.h"
#include "measure/rank.h"
#include "output.h"
#include "reports/report.h"
#include "symbols.h"

typedef struct material {
    report_input *read; /* one an operand; they own all memory */
    size_t read_count;
    report_input *shown; /* what the report is made of, after merging; only pointers into `read` */
    size_t shown_count;
} material;

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether what served both is one allocator, tuned alike. Who is not there has a reason for a note, and who was not played
 * no version. */
static bool are_same_served(const results_subject *a, const results_subject *b) {
    const bool are_known = a->version != NULL && b->version != NULL;
    return !a->available || !b->available ||
           ((!are_known || same_text(a->version, b->version)) && same_text(a->note, b->note));
}

/* Whether subjects of one name are one subject: a name that a user gave may stand for anything. */
static bool are_same_subject(const results_subject *a, const results_subject *b) {
    return are_same_served(a, b) && same_text(a->plays, b->plays) && same_text(a->library_digest, b->library_digest) &&
           a->spin_percent == b->spin_percent && a->stall_every == b->stall_every && a->stall_ns == b->stall_ns;
}

static bool have_other_subjects(const results_model *a, const results_model *b) {
    for (size_t i = 0; i < a->subject_count; i++) {
        for (size_t j = 0; j < b->subject_count; j++) {
            if (same_text(a->subjects[i]->name, b->subjects[j]->name) &&
                !are_same_subject(a->subjects[i], b->subjects[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Why two results are not parts of one experiment; NULL if they are. */
static const char *why_apart(const results_model *a, const results_model *b) {
    if (!same_text(a->host.cpu, b->host.cpu) || !same_text(a->host.kernel, b->host.kernel) ||
        a->host.cores != b->host.cores || a->host.memory_bytes != b->host.memory_bytes) {
        return "different hosts";
    }
    if (!same_text(a->build.compiler, b->build.compiler) || !same_text(a->build.type, b->build.type) ||
        !same_text(a->build.flags, b->build.flags) || !same_text(a->tool_version, b->tool_version)) {
        return "different builds";
    }
    if (a->run.rounds != b->run.rounds || a->run.seed != b->run.seed || a->run.quick != b->run.quick ||
        !same_text(a->run.leak_level, b->run.leak_level) ||
        !same_text(a->run.baseline_subject, b->run.baseline_subject)) {
        return "different rounds, seeds, leak levels or baselines";
    }
    if (have_other_subjects(a, b)) {
        return "different subjects under one name";
    }
    for (size_t i = 0; i < a->scenario_count; i++) {
        for (size_t j = 0; j < b->scenario_count; j++) {
            if (same_text(a->scenarios[i]->name, b->scenarios[j]->name)) {
                return "both have the same scenario";
            }
        }
    }
    return NULL;
}

/* What spoilt the host for one part is said of all. */
static void join_spoilers(results_model *into, const results_model *from) {
    const size_t before = into->run.spoiler_count;
    for (size_t i = 0; i < from->run.spoiler_count; i++) {
        bool known = false;
        for (size_t j = 0; j < before && !known; j++) {
            known = same_text(into->run.spoilers[j], from->run.spoilers[i]);
        }
        if (!known) {
            results_model_add_spoiler(into, from->run.spoilers[i]);
        }
    }
}

/* Lends the nodes of `from` to `into`. Both models live as long as the report. */
static void join_results(results_model *into, const results_model *from) {
    for (size_t i = 0; i < from->scenario_count; i++) {
        model_append(into->arena, &into->scenarios, &into->scenario_count, from->scenarios[i]);
    }
    for (size_t i = 0; i < from->subject_count; i++) {
        bool known = false;
        for (size_t j = 0; j < into->subject_count && !known; j++) {
            known = same_text(into->subjects[j]->name, from->subjects[i]->name);
        }
        if (!known) {
            model_append(into->arena, &into->subjects, &into->subject_count, from->subjects[i]);
        }
    }
    into->run.partial = into->run.partial || from->run.partial;
    join_spoilers(into, from);
    rank_subjects(into);
    if (!same_text(into->run.suite, from->run.suite)) {
        into->run.suite = NULL;
    }
}

/* Not the id alone: in containers all are process 1. */
static bool are_same_process(const leaks_process *a, const leaks_process *b) {
    return a->pid != MODEL_UNKNOWN && a->pid == b->pid && a->uptime_ms != MODEL_UNKNOWN &&
           a->uptime_ms == b->uptime_ms && a->exact.allocated == b->exact.allocated &&
           same_text(a->program, b->program) && same_text(a->reason, b->reason);
}

/* Sums cannot tell that two of their parts are one. */
static void warn_of_doubles(const leaks_model *into, const leaks_model *from, const char *path) {
    for (size_t i = 0; i < from->process_count; i++) {
        for (size_t j = 0; j < into->process_count; j++) {
            const leaks_process *process = from->processes[i];
            if (are_same_process(process, into->processes[j])) {
                message(
                    "note: %s: the same report of process %llu is in a file before it, so what leaked counts twice; "
                    "give each once",
                    path, (unsigned long long)process->pid);
                return;
            }
        }
    }
}

/* Adds one input to what is shown: into the first that it can be merged with, or on its own. */
static void show(material *all, const report_input *input, const char *path) {
    for (size_t i = 0; i < all->shown_count; i++) {
        const report_input *other = &all->shown[i];
        if (input->leaks != NULL && other->leaks != NULL && input->leaks->tool == other->leaks->tool) {
            warn_of_doubles(other->leaks, input->leaks, path);
            leaks_model_merge(other->leaks, input->leaks);
            return;
        }
        if (input->results != NULL && other->results != NULL && why_apart(other->results, input->results) == NULL) {
            join_results(other->results, input->results);
            return;
        }
    }
    all->shown[all->shown_count++] = *input;
}

/* Names for what the process itself could not name, before anything is merged by them. */
static int name_frames(const char *path, report_input *input, const text_list *binaries) {
    symbols_outcome outcome;
    char error[REPORT_ERROR_BYTES];
    if (binaries->count == 0 || input->leaks == NULL) {
        return ARGUMENTS_PROCEED;
    }
    if (!symbols_resolve(&input->leaks, binaries, &outcome, error, sizeof error)) {
        return input_error("%s", error);
    }
    if (outcome.found < outcome.wanted) {
        message("note: %s: no file for %zu of %zu modules with nameless frames: %s", path,
                outcome.wanted - outcome.found, outcome.wanted, outcome.missing);
    }
    return ARGUMENTS_PROCEED;
}

static int read_inputs(char **paths, size_t count, const text_list *binaries, material *all) {
    all->read = calloc(count, sizeof *all->read);
    all->shown = calloc(count, sizeof *all->shown);
    if (all->read == NULL || all->shown == NULL) {
        return input_error("out of memory");
    }
    for (; all->read_count < count; all->read_count++) {
        char error[REPORT_ERROR_BYTES];
        if (!report_read(paths[all->read_count], &all->read[all->read_count], error, sizeof error)) {
            return input_error("%s", error);
        }
        if (all->read[all->read_count].note[0] != '\0') {
            message("note: %s", all->read[all->read_count].note);
        }
        const int status = name_frames(paths[all->read_count], &all->read[all->read_count], binaries);
        if (status != ARGUMENTS_PROCEED) {
            all->read_count++;
            return status;
        }
    }
    for (size_t i = 0; i < count; i++) {
        show(all, &all->read[i], paths[i]);
    }
    return ARGUMENTS_PROCEED;
}

static int refuse_many(const material *all, char **paths) {
    const char *reason = "leaks and results, or leaks of different tools, have no common schema";
    const report_input *a = &all->shown[0];
    const report_input *b = &all->shown[1];
    if (a->results != NULL && b->results != NULL) {
        reason = why_apart(a->results, b->results);
    }
    return input_error(
        "%s and others: cannot become one JSON file: %s; give one, or ask for text, markdown, html or junit", paths[0],
        reason);
}

/* JSON may take an input's place: it has all that was read, and more can be merged into it. */
static int write_report(const material *all, char *const *inputs, report_format format, const char *path,
                        const report_options *wanted) {
    output out;
    const size_t count = format == REPORT_JSON ? 0 : all->read_count;
    if (!output_is_apart(path, (const char *const *)inputs, count) || !output_open(&out, path)) {
        return EXIT_USAGE;
    }
    char error[REPORT_ERROR_BYTES];
    report_options options = *wanted;
    options.colour = out.path == NULL && report_colour_wanted(stdout);
    if (!report_write_inputs(all->shown, all->shown_count, format, &options, out.stream, error, sizeof error)) {
        output_discard(&out);
        return input_error("%s", error);
    }
    return output_commit(&out) ? EXIT_FINE : EXIT_RUN_FAILED;
}

int cli_report(int argc, char **argv) {
    const char *word = NULL;
    const char *path = NULL;
    const char *root = ".";
    const char *weight = FORMATS_WEIGHTS[REPORT_BY_COUNT];
    char source_root[PATH_MAX];
    text_list binaries = {0};
    const argument arguments[] = {
        {.name = "format",
         .kind = ARGUMENT_TEXT,
         .value = &word,
         .meaning = "FORMAT",
         .help = "text, markdown, html, json, junit, of leaks sarif and collapsed; default by FILE's suffix, or text"},
        {.name = "source-root",
         .kind = ARGUMENT_TEXT,
         .value = &root,
         .meaning = "FOLDER",
         .help = "of sarif: files in it are named relative to it; default the current folder"},
        {.name = "weight",
         .kind = ARGUMENT_CHOICE,
         .value = &weight,
         .choices = FORMATS_WEIGHTS,
         .help = "of collapsed: what is counted, buffers and resources by default"},
        {.name = "binaries",
         .kind = ARGUMENT_PATHS,
         .value = &binaries,
         .meaning = "PATH",
         .help = "of leaks: a folder with the program, its libraries or their debug files; see below"},
        {.name = "output",
         .letter = 'o',
         .kind = ARGUMENT_TEXT,
         .value = &path,
         .meaning = "FILE",
         .help = "where to write it; it appears whole or not at all; default stdout"},
    };
    const command_line line = {
        .name = "report",
        .synopsis = "INPUT.json... [--format FORMAT] [-o FILE]",
        .examples = "  poolbuf report results.json                    a table for the terminal\n"
                    "  poolbuf report results.json -o report.html     one page with charts, readable offline\n"
                    "  poolbuf report leaks.json --format markdown >> \"$GITHUB_STEP_SUMMARY\"\n"
                    "  poolbuf report leaks.json -o leaks.sarif       findings for code scanning\n"
                    "  poolbuf report leaks.json -o leaks.xml         test results: a failed case for each leak\n"
                    "  poolbuf report leaks.json -o leaks.folded      call stacks for flame graphs\n"
                    "  poolbuf report leaks.json --binaries build/    names for a report of a stripped program\n",
        .about =
            "Shows results (`poolbuf run -o`) and leaks (`poolbuf leaks -o`, POOLBUF_LEAK_REPORT) in any format.\n"
            "Several leak files are merged by fingerprint; several results are merged if they are parts of one\n"
            "experiment, and stand one after the other if not. - reads stdin.\n"
            "\n"
            "A report of a stripped program has modules, build-ids and offsets. --binaries looks through files and\n"
            "folders, all the way down, for files of those build-ids, and adds functions, files, lines and inlined\n"
            "functions; fingerprints become what they are where the program is not stripped.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_least = 1,
        .operands_most = SIZE_MAX,
        .operand_name = "input file",
    };
    char **operands = NULL;
    size_t count = 0;
    int status = arguments_parse(&line, argc, argv, &operands, &count);
    report_format format = REPORT_TEXT;
    if (status == ARGUMENTS_PROCEED) {
        status = formats_choose(&line, REPORT_LEAKS, word, path, &format);
    }
    if (status == ARGUMENTS_PROCEED && format == REPORT_SARIF) {
        root = formats_find_root(&line, root, source_root);
        status = root == NULL ? EXIT_USAGE : status;
    }
    const report_options options = {.source_root = root, .weight = formats_weight(weight)};
    material all = {0};
    if (status == ARGUMENTS_PROCEED) {
        status = read_inputs(operands, count, &binaries, &all);
    }
    if (status == ARGUMENTS_PROCEED) {
        status = format == REPORT_JSON && all.shown_count > 1 ? refuse_many(&all, operands)
                                                              : write_report(&all, operands, format, path, &options);
    }
    for (size_t i = 0; i < all.read_count; i++) {
        report_input_fini(&all.read[i]);
    }
    free(all.read);
    free(all.shown);
    text_list_fini(&binaries);
    return status;
}
