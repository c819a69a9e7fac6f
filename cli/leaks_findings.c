/* See leaks_findings.h. */
#include "leaks_findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "exit_codes.h"
#include "reports/leaks_suppressions.h"
#include "reports/table.h"
#include "reports/valgrind_xml.h"
#include "suppressions.h"

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    message_print("poolbuf leaks: ", format, list);
    va_end(list);
}

static uint64_t known(uint64_t count) {
    return count == MODEL_UNKNOWN ? 0 : count;
}

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

void findings_init(findings *self, const findings_request *how) {
    *self = (findings){.how = *how,
                       .model = leaks_model_create(),
                       .alive = leaks_model_create(),
                       .exact = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN},
                       .tracked = {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN}};
    self->model->tool = how->by_valgrind ? LEAKS_TOOL_VALGRIND : LEAKS_TOOL_BUILTIN;
}

void findings_fini(findings *self) {
    leaks_model_destroy(self->model);
    leaks_model_destroy(self->alive);
}

/* ---- gathering ---- */

static void add(uint64_t *sum, uint64_t value) {
    if (value != MODEL_UNKNOWN) {
        *sum = *sum == MODEL_UNKNOWN ? value : *sum + value;
    }
}

/* How much of a report's path names its process: the id and the time (%p.%t of leaks.c), as ids come again. */
static size_t process_length(const char *path) {
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    name += strcspn(name, ".");
    name += *name == '.' ? 1 + strcspn(name + 1, ".") : 0;
    return (size_t)(name - path);
}

static bool are_of_one_process(const char *a, const char *b) {
    const size_t length = process_length(a);
    return length == process_length(b) && memcmp(a, b, length) == 0;
}

/* A process may have written several: while it ran, when an allocator of it went away, and at its end. The later one
 * has all that the earlier had, but none that was written while it ran comes before one that was not. */
static bool is_superseded(leaks_model *const *all, char *const *paths, size_t count, size_t index) {
    const leaks_process *one = all[index]->processes[0];
    for (size_t i = 0; i < count; i++) {
        const leaks_process *other = all[i]->processes[0];
        if (i == index || !are_of_one_process(paths[i], paths[index])) {
            continue;
        }
        if (leaks_process_is_live(one) != leaks_process_is_live(other)) {
            if (leaks_process_is_live(one)) {
                return true;
            }
        } else if (known(other->uptime_ms) > known(one->uptime_ms) ||
                   (other->uptime_ms == one->uptime_ms && i > index)) {
            return true;
        }
    }
    return false;
}

static void take_report(findings *self, const leaks_model *one) {
    const leaks_exact exact = leaks_model_unsuppressed(one);
    if (leaks_process_is_live(one->processes[0])) {
        leaks_model_merge(self->alive, one);
        return;
    }
    add(&self->exact.allocated, exact.allocated);
    add(&self->exact.live_buffers, exact.live_buffers);
    add(&self->exact.live_bytes, exact.live_bytes);
    add(&self->tracked.seen, leaks_model_tracked(one).seen);
    self->reports++;
    if (!self->how.by_valgrind) {
        leaks_model_merge(self->model, one);
    }
}

static bool gather_builtin(findings *self, const scratch *folder) {
    text_list paths = {0};
    bool fine = scratch_list(folder, ".json", &paths);
    leaks_model **all = calloc(paths.count + 1, sizeof(void *));
    size_t count = 0;
    fine = fine && all != NULL;
    for (size_t i = 0; fine && i < paths.count; i++) {
        char error[REPORT_ERROR_BYTES];
        fine = report_read_leaks(paths.items[i], &all[count], error, sizeof error);
        if (!fine) {
            say("%s", error);
        } else if (all[count]->process_count > 0) { /* paths come into the same order */
            char *const path = paths.items[i];
            paths.items[i] = paths.items[count];
            paths.items[count++] = path;
        } else {
            leaks_model_destroy(all[count]); /* of nobody */
        }
    }
    for (size_t i = 0; fine && i < count; i++) {
        if (!is_superseded(all, paths.items, count, i)) {
            take_report(self, all[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        leaks_model_destroy(all[i]);
    }
    free(all);
    text_list_fini(&paths);
    return fine;
}

static bool gather_valgrind(findings *self, const scratch *folder) {
    text_list paths = {0};
    bool fine = scratch_list(folder, ".xml", &paths);
    for (size_t i = 0; i < paths.count && fine; i++) {
        char error[REPORT_ERROR_BYTES];
        valgrind_xml_summary summary;
        leaks_model *one = leaks_model_create();
        one->tool = LEAKS_TOOL_VALGRIND;
        fine = valgrind_xml_read(paths.items[i], one, &summary, error, sizeof error);
        if (fine) {
            leaks_model_merge(self->model, one);
            self->unfinished += summary.finished ? 0 : 1;
        } else {
            say("%s", error);
        }
        leaks_model_destroy(one);
    }
    text_list_fini(&paths);
    return fine;
}

bool findings_gather(findings *self, const scratch *folder) {
    self->tally = tally_read(folder);
    if (!gather_builtin(self, folder) || (self->how.by_valgrind && !gather_valgrind(self, folder))) {
        return false;
    }
    if (self->how.baseline != NULL) {
        self->compared = leaks_compare(self->model, self->how.baseline);
    }
    return true;
}

/* ---- showing ---- */

static void show_text(const leaks_model *model) {
    char error[REPORT_ERROR_BYTES];
    const report_options options = {.colour = report_colour_wanted(stderr)};
    /* benign: that nobody reads stderr any more does not change what was found */
    (void)report_write_leaks(model, REPORT_TEXT, &options, stderr, error, sizeof error);
}

bool findings_show(const findings *self, FILE *to) {
    char error[REPORT_ERROR_BYTES];
    const bool tells = self->model->group_count > 0 || self->model->misuse_count > 0;
    if (tells) {
        show_text(self->model);
    }
    const char *line = tells ? NULL : leaks_suppressions_facts(self->model, 0);
    for (size_t i = 1; line != NULL; line = leaks_suppressions_facts(self->model, i++)) {
        fputs("poolbuf leaks: ", stderr);
        text_print_safe(stderr, line);
        fputc('\n', stderr);
    }
    if (self->alive->process_count > 0) {
        say("note: %zu process%s ended without finalization; what was alive at the last report before that:",
            self->alive->process_count, self->alive->process_count == 1 ? "" : "es");
        show_text(self->alive);
    }
    if (self->how.generates) {
        suppressions_print(self->model, stdout);
    }
    const leaks_model *written = self->model->process_count == 0 ? self->alive : self->model;
    const report_options options = {.source_root = self->how.source_root};
    if (to != NULL && !report_write_leaks(written, self->how.output_format, &options, to, error, sizeof error)) {
        say("%s", error);
        return false;
    }
    return true;
}

/* ---- the verdict ---- */

/* However the program ended: that it failed says nothing of its leaks, and status 1 would say that there is none. */
static int unchecked(const findings *self, const char *how_it_ended) {
    if (how_it_ended != NULL) {
        say("note: %s %s", self->how.program, how_it_ended);
    }
    if (self->reports == 0) {
        say("nothing was checked: %s and what it started never loaded libpoolbuf, or ended without finalization "
            "(_exit, exec, a signal)",
            self->how.program);
    } else {
        say("nothing was checked: libpoolbuf was loaded, but not one buffer was allocated");
    }
    return EXIT_UNCHECKED;
}

/* What exact counters know and no stack of that process shows. Memcheck's groups do not say what they are of. */
static uint64_t count_unseen(const findings *self) {
    return !self->how.by_valgrind          ? leaks_model_unseen(self->model)
           : self->model->group_count == 0 ? known(self->exact.live_buffers)
                                           : 0;
}

/* Memcheck's reports have no exact counts, nor has a baseline of them. */
static bool has_unseen_news(const findings *self) {
    return self->how.by_valgrind ? count_unseen(self) > 0 : self->model->unseen_standing == STANDING_NEW;
}

static bool fails(const findings *self) {
    const leaks_comparison *compared = &self->compared;
    switch (self->how.fail_on) {
    case FAIL_ANY:
        return true;
    case FAIL_NONE:
        return false;
    case FAIL_NEW:
        return compared->new_groups > 0 || self->model->misuse_count > 0 || has_unseen_news(self);
    case FAIL_GROWN:
        return compared->new_groups + compared->grown_groups > 0 || self->model->misuse_count > 0 ||
               has_unseen_news(self);
    }
    return true;
}

static void say_standing(const findings *self) {
    const leaks_comparison *compared = &self->compared;
    say("against %s: %zu new, %zu grown, %zu known call stack%s; %zu of its %zu no longer leak%s",
        self->how.baseline_path, compared->new_groups, compared->grown_groups, compared->known_groups,
        plural(compared->known_groups), compared->gone, self->how.baseline->group_count,
        compared->gone == 1 ? "s" : "");
}

static int judge_leaks(const findings *self, const char *how_it_ended) {
    const uint64_t unseen = count_unseen(self);
    if (unseen > 0) {
        say("%" PRIu64 " buffer%s never released, but the sample has none of them; find them with "
            "poolbuf leaks --level paranoid",
            unseen, unseen == 1 ? " was" : "s were");
    }
    if (self->how.baseline != NULL) {
        say_standing(self);
    }
    if (how_it_ended != NULL) {
        say("note: %s %s", self->how.program, how_it_ended);
    }
    return fails(self) ? EXIT_LEAK : how_it_ended != NULL ? EXIT_RUN_FAILED : EXIT_FINE;
}

static int judge_reports(const findings *self, const child_end *end) {
    const bool failed = end->signal != 0 || end->status != 0;
    char how[64];
    child_describe(end, how, sizeof how);
    if (end->is_outlived) {
        say("note: processes that %s started still run; what they leak is not known here", self->how.program);
    }
    if (self->unfinished > 0) {
        say("note: %zu of Memcheck's reports broke off before its search for leaks", self->unfinished);
    }
    if (self->model->group_count > 0 || self->model->misuse_count > 0 || known(self->exact.live_buffers) > 0) {
        return judge_leaks(self, failed ? how : NULL);
    }
    const uint64_t allocated = known(self->exact.allocated);
    const uint64_t checked = allocated > 0 ? allocated : known(self->tracked.seen);
    if (checked == 0) {
        return unchecked(self, failed ? how : NULL);
    }
    if (failed) {
        say("%s %s; no leak", self->how.program, how);
        return EXIT_RUN_FAILED;
    }
    const bool suppressed = leaks_model_suppressed(self->model).groups > 0;
    say("no leak: %" PRIu64 " buffer%s allocated, and released%s; %zu process%s", checked, plural(checked),
        suppressed ? ", but for those that are suppressed" : "", self->reports, self->reports == 1 ? "" : "es");
    if (self->how.baseline != NULL && self->compared.gone > 0) {
        say_standing(self);
    }
    return EXIT_FINE;
}

/* A clean run is one of which all is known. A leak is one, whatever else there was. */
int findings_judge(const findings *self, const child_end *end) {
    const int status = judge_reports(self, end);
    const tally_count *tally = &self->tally;
    if (tally->lost == 0) {
        return status;
    }
    say("not all was checked: %lu process%s, of which %ld was the first, could not write what %s found (see stderr "
        "above)",
        tally->lost, tally->lost == 1 ? "" : "es", tally->first, tally->lost == 1 ? "it" : "they");
    return status == EXIT_LEAK ? EXIT_LEAK : EXIT_UNCHECKED;
}
