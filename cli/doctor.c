/* `poolbuf doctor`: what on this host would spoil a result, before anybody believes one. */
#include "doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "exit_codes.h"
#include "measure/host.h"
#include "measure/provenance.h"
#include "reports/report.h"
#include "reports/table.h"
#include "subjects/subject.h"

#define WATCH_MS      1000u
#define ROOT          "TEST_DOCTOR_ROOT"
#define DOCTOR_SCHEMA "poolbuf.doctor/1"

/* The libraries that subjects would be served by, as they were found here. */
static void list_preloads(char *text, size_t size) {
    const subject *which = NULL;
    text[0] = '\0';
    for (size_t i = 0; (which = subject_at(i)) != NULL; i++) {
        char path[PROVENANCE_PATH_SIZE];
        if (which->preload != NULL && provenance_find_library(which->preload, path, sizeof path)) {
            char *resolved = realpath(path, NULL);
            const char *real = resolved != NULL ? resolved : path;
            const size_t used = strlen(text);
            if (strlen(real) + 1 < size - used) { /* a name that does not fit is left out, not cut */
                (void)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : " ", real);
            }
            free(resolved);
        }
    }
}

void doctor_look(unsigned watch_ms, doctor_report *report) {
    char preloads[4096];
    const char *root = getenv(ROOT);
    list_preloads(preloads, sizeof preloads);
    const doctor_plan plan = {.root = root != NULL ? root : "",
                              .watch_ms = watch_ms,
                              .with_clock = true,
                              .is_optimised = host_build_is_optimised(),
                              .build = host_build_is_optimised() ? "optimised" : "not optimised",
                              .preloads = preloads};
    doctor_examine(&plan, report);
}

static void print_text(const doctor_report *report, bool colour) {
    static const table_tone TONES[] = {TONE_GOOD, TONE_PLAIN, TONE_BAD, TONE_FAINT};
    for (size_t i = 0; i < report->count; i++) {
        const doctor_finding *found = &report->findings[i];
        char start[DOCTOR_STATE_SIZE + 64];
        (void)snprintf(start, sizeof start, "%-8s %-13s %s", doctor_level_name(found->level), found->name,
                       found->state);
        tone_print(stdout, colour, TONES[found->level], start);
        putchar('\n');
        if (found->level == DOCTOR_SPOILS || found->level == DOCTOR_NOTE) {
            printf("%23swhy: %s\n%23sdo:  %s\n", "", found->why, "", found->advice);
        }
    }
    const size_t spoilers = doctor_spoilers(report);
    if (spoilers == 0) {
        puts("\nnothing here spoils results");
    } else {
        printf("\n%zu of %zu checks spoil%s results here\n", spoilers, report->count, spoilers == 1 ? "s" : "");
    }
}

static json_t *finding_to_json(const doctor_finding *found) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "name", found->name, "level", doctor_level_name(found->level),
                     "state", found->state, "why", found->why, "advice", found->advice);
}

static bool print_json(const doctor_report *report) {
    json_t *root = json_pack("{s:s, s:I, s:[]}", "schema", DOCTOR_SCHEMA, "spoilers",
                             (json_int_t)doctor_spoilers(report), "findings");
    json_t *list = json_object_get(root, "findings");
    for (size_t i = 0; i < report->count; i++) {
        (void)json_array_append_new(list, finding_to_json(&report->findings[i]));
    }
    const bool good = json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
    json_decref(root);
    return good;
}

int cli_doctor(int argc, char **argv) {
    static const char *const FORMATS[] = {"text", "json", NULL};
    const char *format = "text";
    bool strict = false;
    const argument arguments[] = {
        {.name = "format",
         .kind = ARGUMENT_CHOICE,
         .value = &format,
         .choices = FORMATS,
         .help = "of what is printed on stdout; default text"},
        {.name = "strict",
         .kind = ARGUMENT_FLAG,
         .value = &strict,
         .help = "exit 1 when something here spoils results"},
    };
    const command_line line = {
        .name = "doctor",
        .synopsis = "[OPTIONS]",
        .examples = "  poolbuf doctor            what would spoil a result on this host\n"
                    "  poolbuf doctor --strict   as a step of CI, before the benchmark\n",
        .about =
            "Looks at the governor, turbo, SMT, cgroup limits, huge pages, ASLR, swap, load, stolen time, the clock,\n"
            "perf and the builds; changes nothing. A finding that spoils can move a comparison or make it mean\n"
            "nothing; a note makes intervals wider. Watches the processors for a second.\n"
            "Exit status: 0; with --strict, 1 when something spoils results.\n",
        .arguments = arguments,
        .argument_count = sizeof arguments / sizeof arguments[0],
        .operands_most = 0,
        .operand_name = "operand",
    };
    char **operands = NULL;
    size_t count = 0;
    const int status = arguments_parse(&line, argc, argv, &operands, &count);
    if (status != ARGUMENTS_PROCEED) {
        return status;
    }
    doctor_report report;
    doctor_look(WATCH_MS, &report);
    bool good = true;
    if (strcmp(format, "json") == 0) {
        good = print_json(&report);
    } else {
        print_text(&report, report_colour_wanted(stdout));
    }
    return !good || (strict && doctor_spoilers(&report) > 0) ? EXIT_RUN_FAILED : EXIT_FINE;
}
