/* Carries out a plan. What a finished set of samples says is in summarise.c. */
#include "measure/run.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "measure/available.h"
#include "measure/callgrind.h"
#include "measure/file_digest.h"
#include "measure/host.h"
#include "measure/passes.h"
#include "measure/process.h"
#include "measure/rank.h"
#include "measure/schedule.h"
#include "measure/stream_image.h"
#include "measure/summarise.h"
#include "measure/tuning.h"
#include "measure/worker_pass.h"
#include "scenario/stream.h"
#include "scenario/stream_digest.h"
#include "stats/design.h"

/* One subject's part in a run. */
typedef struct contender {
    const subject *subject;
    measure_part part;
    char preload[PROVENANCE_PATH_SIZE]; /* "" for none */
    results_subject *record;
} contender;

typedef struct run {
    const measure_plan *plan;
    results_model *model;
    contender contenders[MEASURE_SUBJECTS_MAX];
    const subject *baseline;
    char program[PATH_MAX];
    size_t done, total; /* workers */
    double start;
    bool has_failed;
    bool has_sample;
    char *message; /* the caller's */
    size_t message_size;
} run;

static double now_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- Workers as processes ---- */

/* How much longer than others a worker under callgrind may take. */
#define COUNTED_SLOWER 10u

static bool launch_process(const measure_plan *plan, const worker_job *job, worker_report *report, char *message,
                           size_t message_size) {
    char storage[WORKER_STORAGE_SIZE];
    char path[PATH_MAX];
    const char *argv[WORKER_ARGUMENTS_MAX + CALLGRIND_WORDS + 1];
    const char *program = available_worker(job->program != NULL ? job->program : plan->program, job->subject, path);
    worker_arguments(job, program, storage, argv);
    const char **environment = process_environment(job->preload);
    if (environment == NULL) {
        (void)snprintf(message, message_size, "%s", strerror(ENOMEM));
        return false;
    }
    callgrind_run counted;
    const bool is_counted = job->pass == WORKER_INSTRUCTIONS;
    if (is_counted && !callgrind_begin(&counted, argv, environment, message, message_size)) {
        free(environment);
        return false;
    }
    const unsigned timeout_ms = is_counted ? plan->timeout_ms * COUNTED_SLOWER : plan->timeout_ms;
    const process_command command = {.program = is_counted ? counted.valgrind : program,
                                     .argv = argv,
                                     .envp = environment,
                                     .inherited = job->stream_descriptor,
                                     .is_pinned = is_counted,
                                     .timeout_ms = timeout_ms,
                                     .stop = plan->stop};
    process_result result;
    process_run(&command, &result);
    free(environment);
    const bool ended_well = result.end == PROCESS_EXITED && result.code == 0;
    const bool good =
        ended_well && result.output != NULL && worker_report_parse(result.output, result.output_size, report);
    uint64_t instructions = 0;
    const bool has_count = is_counted && callgrind_end(&counted, &instructions);
    if (good) {
        report->instructions = has_count ? instructions : WORKER_UNKNOWN;
    }
    if (!ended_well) {
        process_describe(&result, timeout_ms, message, message_size);
    } else if (!good) {
        (void)snprintf(message, message_size, "%s",
                       result.output_size == 0 ? "the process ended with status 0 before it had measured"
                                               : "the worker's answer is no report");
    }
    process_result_fini(&result);
    return good;
}

/* ---- Before the first round ---- */

static bool is_usable(const contender *self) {
    return self->record->available;
}

/* A subject under another name says whose it is. */
static const char *note_part(model_arena *arena, const measure_part *which, const char *note) {
    const char *separator = note != NULL ? "; " : "";
    note = note != NULL ? note : "";
    if (which->stall_every > 0) {
        return model_text_format(arena, "%s%splays %s, and stalls for %g us in every %" PRIu32 "th operation", note,
                                 separator, which->plays, (double)which->stall_ns / 1e3, which->stall_every);
    }
    if (which->spin_percent > 0) {
        return model_text_format(arena, "%s%splays %s, and spins for %u %% of its time after each play", note,
                                 separator, which->plays, which->spin_percent);
    }
    return model_text_format(arena, "%s%splays %s", note, separator, which->plays);
}

/* What it takes to play it again, for whoever reads the results. */
static void record_part(run *self, contender *added) {
    const measure_part *part = &added->part;
    results_subject *record = added->record;
    record->plays = model_text(self->model->arena, part->plays);
    if (part->spin_percent > 0) {
        record->spin_percent = part->spin_percent;
    }
    if (part->stall_every > 0) {
        record->stall_every = part->stall_every;
        record->stall_ns = part->stall_ns;
    }
    char digest[FILE_DIGEST_TEXT_SIZE];
    if (added->subject->library != NULL && file_digest_text(added->subject->library, digest)) {
        record->library_digest = model_text(self->model->arena, digest);
    }
}

static void add_contender(run *self, contender *added, const subject *which) {
    added->subject = which;
    added->record = results_model_add_subject(self->model, which->name);
    added->record->available = true;
    added->record->package = which->package;
    added->record->note = tuning_note(self->model->arena, which->provider);
    record_part(self, added);
    if (added->part.plays != NULL) {
        added->record->note = note_part(self->model->arena, &added->part, added->record->note);
    }
    const char *program = added->part.program != NULL ? added->part.program : self->plan->program;
    char why[AVAILABLE_WHY_SIZE];
    if (!available_library(which, added->preload, sizeof added->preload, why, sizeof why) ||
        (self->plan->launch == launch_process && !available_program(program, which, why, sizeof why))) {
        added->record->available = false;
        added->record->note = model_text(self->model->arena, why);
    }
}

/* malloc where it takes part; otherwise the first that is somebody's real choice. */
static const subject *choose_baseline(const measure_plan *plan) {
    for (size_t i = 0; i < plan->subject_count; i++) {
        if (strcmp(plan->subjects[i]->name, SUBJECT_BASELINE) == 0) {
            return plan->subjects[i];
        }
    }
    for (size_t i = 0; i < plan->subject_count; i++) {
        if (strcmp(plan->subjects[i]->name, MODEL_NULL_SUBJECT) != 0) {
            return plan->subjects[i];
        }
    }
    return plan->subjects[0];
}

static void describe_run(run *self) {
    const measure_plan *plan = self->plan;
    results_model *model = self->model;
    host_describe(model);
    for (size_t i = 0; i < plan->command_count; i++) {
        results_model_add_command(model, plan->command[i]);
    }
    model->run.suite = model_text(model->arena, plan->suite);
    model->run.leak_level = "disabled";
    model->run.seed = plan->seed;
    model->run.rounds = plan->rounds;
    model->run.quick = plan->quick;
    self->baseline = choose_baseline(plan);
    model->run.baseline_subject = self->baseline->name;
    size_t usable = 0;
    for (size_t i = 0; i < plan->subject_count; i++) {
        if (plan->parts != NULL) {
            self->contenders[i].part = plan->parts[i];
        }
        add_contender(self, &self->contenders[i], plan->subjects[i]);
        usable += is_usable(&self->contenders[i]);
    }
    self->total = usable * plan->rounds * plan->scenario_count;
}

/* ---- One worker's answer ---- */

static void fail_result(run *self, results_result *result, uint32_t round, const char *message) {
    result->status = RESULT_FAILED;
    result->message = model_text_format(self->model->arena, "round %" PRIu32 ": %s", round + 1, message);
    self->has_failed = true;
}

/* Holds what the subject really had alive against what the stream's model has. NULL when they agree. */
static const char *disagreement(run *self, const stream *source, const worker_report *report) {
    if (report->phase_count != source->phase_count) {
        return model_text_format(self->model->arena, "%zu phases were played, not %" PRIu32, report->phase_count,
                                 source->phase_count);
    }
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const stream_phase *phase = &source->phases[i];
        const subject_held *held = &report->phases[i];
        if (held->buffers != phase->end_live_buffers || held->bytes != phase->end_live_bytes) {
            return model_text_format(
                self->model->arena,
                "phase %s ended with %" PRIu64 " live buffers of %" PRIu64 " bytes, not %" PRIu64 " of %" PRIu64,
                phase->name, held->buffers, held->bytes, phase->end_live_buffers, phase->end_live_bytes);
        }
    }
    if (source->thread_count == 1 && report->peak_live_bytes != source->peak_live_bytes) {
        return model_text_format(self->model->arena, "at most %" PRIu64 " bytes were alive, not %" PRIu64,
                                 report->peak_live_bytes, source->peak_live_bytes);
    }
    return NULL;
}

static uint64_t known(uint64_t count) {
    return count == WORKER_UNKNOWN ? MODEL_UNKNOWN : count;
}

static void add_sample(run *self, const stream *source, results_result *result, uint32_t round, uint32_t place,
                       const worker_report *report) {
    results_sample *sample = results_result_add_sample(self->model, result);
    self->has_sample = true;
    sample->round = round + 1;
    sample->position = place + 1;
    sample->time_ns_per_op = report->time_ns_per_op;
    sample->operations = known(report->operations);
    sample->peak_live_bytes = known(report->peak_live_bytes);
    sample->peak_usable_bytes = known(report->peak_usable_bytes);
    sample->peak_resident_bytes = known(report->peak_resident_bytes);
    sample->resident_growth_bytes = known(report->resident_growth_bytes);
    sample->page_faults_minor = known(report->page_faults_minor);
    sample->page_faults_major = known(report->page_faults_major);
    sample->switches_voluntary = known(report->switches_voluntary);
    sample->switches_involuntary = known(report->switches_involuntary);
    sample->line_round_trip_ns = report->line_round_trip_ns;
    sample->had_threads = report->had_threads;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        results_phase *phase = results_sample_add_phase(self->model, sample, source->phases[i].name);
        phase->live_buffers = known(report->phases[i].buffers);
        phase->live_bytes = known(report->phases[i].bytes);
    }
}

/* ---- Rounds ---- */

/* One scenario's part in a run. Zero-initialise it but for whole, scenario and image, which is -1. */
typedef struct scenario_run {
    run *whole;
    const scenario *scenario;
    stream *source;
    int image;
    double play_seconds;      /* of a play at the plan's rate; 0 without one */
    results_scenario *record; /* its results are in the order of the contenders */
    double *line_ns;          /* round trips that workers measured, at most one a worker */
    size_t line_count;
    bool is_settled; /* its answers were clear: it is played no more */
} scenario_run;

static bool is_stopped(const run *self) {
    return self->plan->stop != NULL && *self->plan->stop != 0;
}

/* round counts from 0: the rounds, or the processes of a pass. */
static void announce(const scenario_run *self, const contender *next, worker_pass pass, uint32_t round,
                     uint32_t rounds) {
    const measure_plan *plan = self->whole->plan;
    if (plan->progress != NULL) {
        const measure_step step = {.scenario = self->scenario->name,
                                   .subject = next->subject->name,
                                   .pass = worker_pass_name(pass),
                                   .round = round + 1,
                                   .rounds = rounds,
                                   .done = self->whole->done,
                                   .total = self->whole->total,
                                   .seconds = now_seconds() - self->whole->start};
        plan->progress(&step, plan->progress_user);
    }
}

static worker_job job_of(const scenario_run *self, const contender *now) {
    return (worker_job){.subject = now->subject,
                        .plays = now->part.plays,
                        .program = now->part.program,
                        .spin_share = now->part.spin_percent / 100.0,
                        .stall_every = now->part.stall_every,
                        .stall_ns = now->part.stall_ns,
                        .preload = now->preload[0] != '\0' ? now->preload : NULL,
                        .stream_descriptor = self->image,
                        .seconds = self->whole->plan->seconds};
}

/* The workers of a subject's passes in a scenario. */
static size_t workers_of_passes(const scenario_run *self) {
    const measure_plan *plan = self->whole->plan;
    size_t workers = 0;
    for (unsigned pass = WORKER_TIME + 1; pass < WORKER_PASS_COUNT; pass++) {
        const bool is_wanted = (plan->passes & MEASURE_PASS(pass)) != 0;
        workers += is_wanted ? passes_processes((worker_pass)pass, plan->rounds, self->play_seconds) : 0;
    }
    return workers;
}

/* One subject in one round. False ends the run. */
static bool play_round(scenario_run *self, uint32_t index, uint32_t round, uint32_t place) {
    run *whole = self->whole;
    contender *now = &whole->contenders[index];
    results_result *result = self->record->results[index];
    const worker_job job = job_of(self, now);
    worker_report report = {.status = WORKER_FAILED};
    char message[WORKER_MESSAGE_SIZE] = "";
    announce(self, now, WORKER_TIME, round, whole->plan->rounds);
    whole->done++;
    const bool has_report = whole->plan->launch(whole->plan, &job, &report, message, sizeof message);
    if (is_stopped(whole)) {
        /* Ctrl-C reaches the worker too: what it says of its end is not the subject's fault. */
        if (has_report) {
            worker_report_fini(&report);
        }
        return true;
    }
    if (!has_report) {
        fail_result(whole, result, round, message);
        return true;
    }
    now->record->library = model_text(whole->model->arena, report.library);
    now->record->version = model_text(whole->model->arena, report.version);
    if (report.status == WORKER_REFUSED) {
        (void)snprintf(whole->message, whole->message_size, "%s", report.message);
        worker_report_fini(&report);
        return false;
    }
    if (report.status == WORKER_UNSUPPORTED) {
        result->status = RESULT_UNSUPPORTED;
        result->message = model_text(whole->model->arena, report.message);
        worker_report_fini(&report);
        return true;
    }
    const char *problem = report.status == WORKER_OK ? disagreement(whole, self->source, &report) : report.message;
    if (problem != NULL) {
        fail_result(whole, result, round, problem);
    } else {
        add_sample(whole, self->source, result, round, place, &report);
        if (isfinite(report.line_round_trip_ns)) {
            self->line_ns[self->line_count++] = report.line_round_trip_ns;
        }
    }
    worker_report_fini(&report);
    return true;
}

/* The same; who has failed is played no more, in rounds or in passes. */
static bool measure_one(scenario_run *self, uint32_t index, uint32_t round, uint32_t place) {
    const bool goes_on = play_round(self, index, round, place);
    if (self->record->results[index]->status != RESULT_OK) {
        self->whole->total -= self->whole->plan->rounds - 1 - round + workers_of_passes(self);
    }
    return goes_on;
}

static bool measure_round(scenario_run *self, uint32_t round) {
    const measure_plan *plan = self->whole->plan;
    uint32_t order[MEASURE_SUBJECTS_MAX];
    schedule_order((uint32_t)plan->subject_count, round, order);
    for (uint32_t place = 0; place < plan->subject_count && !is_stopped(self->whole); place++) {
        if (self->record->results[order[place]]->status == RESULT_OK &&
            !measure_one(self, order[place], round, place)) {
            return false;
        }
    }
    return true;
}

static void summarise(scenario_run *self) {
    summarise_scenario(self->whole->model, self->record, self->whole->baseline->name, self->line_ns, self->line_count);
}

/* After a round: if the design looks here, the scenario gets the look's confidence, and ends if its answers are clear. */
static void look(scenario_run *self, const stats_design *design, uint32_t rounds) {
    for (uint32_t i = 0; i < design->count; i++) {
        if (design->looks[i].rounds != rounds) {
            continue;
        }
        self->record->confidence = design->looks[i].confidence;
        if (i + 1 < design->count) {
            summarise(self);
            self->is_settled = summarise_is_clear(self->record);
        }
        if (self->is_settled) {
            const uint32_t left = self->whole->plan->rounds - rounds;
            for (size_t j = 0; j < self->whole->plan->subject_count; j++) {
                self->whole->total -= self->record->results[j]->status == RESULT_OK ? left : 0;
            }
        }
    }
}

/* A round plays all scenarios: a slow minute of the machine falls on each of them, and a ratio between two scenarios can
 * be paired by round too. */
static measure_outcome measure_rounds(scenario_run *scenarios, size_t scenario_count) {
    run *whole = scenarios[0].whole;
    const measure_plan *plan = whole->plan;
    const uint32_t balanced = (uint32_t)plan->subject_count; /* rounds, after which each place came equally often */
    const stats_design design = stats_design_make(plan->rounds, balanced, plan->early_end);
    for (size_t i = 0; i < scenario_count; i++) {
        scenarios[i].record->confidence = design.looks[design.count - 1].confidence;
        scenarios[i].record->rounds_played = 0;
    }
    for (uint32_t round = 0; round < plan->rounds; round++) {
        for (size_t i = 0; i < scenario_count; i++) {
            if (scenarios[i].is_settled || is_stopped(whole)) {
                continue;
            }
            if (!measure_round(&scenarios[i], round)) {
                return MEASURE_REFUSED;
            }
            if (!is_stopped(whole)) {
                scenarios[i].record->rounds_played = round + 1;
                look(&scenarios[i], &design, round + 1);
            }
        }
    }
    whole->model->run.partial = is_stopped(whole);
    return MEASURE_OK;
}

/* ---- Passes ---- */

/* One subject in one pass. What goes wrong is said where its numbers would be, and fails the run: they were asked
 * for. */
static void measure_pass(scenario_run *self, contender *now, results_result *result, worker_pass pass, uint32_t process,
                         uint32_t processes) {
    run *whole = self->whole;
    worker_job job = job_of(self, now);
    worker_report report = {.status = WORKER_FAILED};
    char message[WORKER_MESSAGE_SIZE] = "";
    job.pass = pass;
    job.rate = whole->plan->rate;
    job.idle_seconds = whole->plan->idle_seconds;
    job.seconds = passes_seconds(pass, whole->plan->seconds, processes);
    announce(self, now, pass, process, processes);
    whole->done++;
    const bool has_report = whole->plan->launch(whole->plan, &job, &report, message, sizeof message);
    const char *problem = !has_report                  ? message
                          : report.status != WORKER_OK ? report.message
                                                       : disagreement(whole, self->source, &report);
    if (!is_stopped(whole) && !passes_keep(whole->model, result, pass, &report, problem)) {
        whole->has_failed = true;
    }
    if (has_report) {
        worker_report_fini(&report);
    }
}

/* What the harness itself executes stands beside every count, whether or not `null` takes part. */
static void count_null(scenario_run *self) {
    run *whole = self->whole;
    const results_result *known = NULL;
    for (size_t i = 0; i < self->record->result_count; i++) {
        if (strcmp(self->record->results[i]->subject, MODEL_NULL_SUBJECT) == 0) {
            known = self->record->results[i];
        }
    }
    if (known == NULL) {
        contender null = {.subject = subject_find(MODEL_NULL_SUBJECT)};
        results_scenario *aside = results_model_add_scenario_apart(whole->model);
        results_result *result = results_scenario_add_result(whole->model, aside, MODEL_NULL_SUBJECT);
        whole->total++;
        measure_pass(self, &null, result, WORKER_INSTRUCTIONS, 0, 1);
        known = result;
    }
    for (size_t i = 0; i < self->record->result_count; i++) {
        if (isfinite(self->record->results[i]->instructions.per_op)) {
            self->record->results[i]->instructions.null_per_op = known->instructions.per_op;
        }
    }
}

/* Several processes of a pass take turns with those of other subjects, as rounds do. */
static void measure_one_pass(scenario_run *self, worker_pass pass) {
    run *whole = self->whole;
    const uint32_t subjects = (uint32_t)whole->plan->subject_count;
    const uint32_t processes = passes_processes(pass, whole->plan->rounds, self->play_seconds);
    for (uint32_t process = 0; process < processes; process++) {
        uint32_t order[MEASURE_SUBJECTS_MAX];
        schedule_order(subjects, process, order);
        for (uint32_t place = 0; place < subjects && !is_stopped(whole); place++) {
            results_result *result = self->record->results[order[place]];
            if (result->status != RESULT_OK || passes_has_failed(result, pass)) {
                continue;
            }
            measure_pass(self, &whole->contenders[order[place]], result, pass, process, processes);
            whole->total -= passes_has_failed(result, pass) ? processes - 1 - process : 0;
        }
    }
    for (uint32_t i = 0; i < subjects; i++) {
        passes_end(self->record->results[i], pass);
    }
}

static void measure_passes(scenario_run *self) {
    run *whole = self->whole;
    for (unsigned pass = WORKER_TIME + 1; pass < WORKER_PASS_COUNT; pass++) {
        if ((whole->plan->passes & MEASURE_PASS(pass)) == 0) {
            continue;
        }
        measure_one_pass(self, (worker_pass)pass);
        if (pass == WORKER_INSTRUCTIONS && !is_stopped(whole)) {
            count_null(self);
        }
    }
    whole->model->run.partial = whole->model->run.partial || is_stopped(whole);
}

static void describe_scenario(scenario_run *self) {
    run *whole = self->whole;
    results_model *model = whole->model;
    results_scenario *record = results_model_add_scenario(model, self->scenario->name);
    record->asks = model_text(model->arena, self->scenario->asks);
    record->source = model_text(model->arena, self->scenario->source);
    record->file = model_text(model->arena, self->scenario->file);
    record->threads = self->source->thread_count;
    record->operations = self->source->operation_count;
    record->allocations = self->source->allocation_count;
    char digest[STREAM_DIGEST_TEXT_SIZE];
    stream_digest_text(self->source, digest);
    record->stream_digest = model_text(model->arena, digest);
    for (uint32_t i = 0; i < self->source->phase_count; i++) {
        results_scenario_add_phase(model, record, self->source->phases[i].name);
    }
    for (size_t i = 0; i < whole->plan->subject_count; i++) {
        const contender *now = &whole->contenders[i];
        results_result *result = results_scenario_add_result(model, record, now->subject->name);
        result->status = is_usable(now) ? RESULT_OK : RESULT_UNAVAILABLE;
        result->message = is_usable(now) ? NULL : now->record->note;
    }
    self->record = record;
}

static void announce_generating(const scenario_run *self, size_t index) {
    const measure_plan *plan = self->whole->plan;
    if (plan->progress != NULL) {
        const measure_step step = {.scenario = self->scenario->name,
                                   .round = (uint32_t)index + 1,
                                   .rounds = (uint32_t)plan->scenario_count,
                                   .total = self->whole->total,
                                   .seconds = now_seconds() - self->whole->start};
        plan->progress(&step, plan->progress_user);
    }
}

/* All that can be wrong with a scenario is found before anything is measured. */
static measure_outcome scenario_run_init(scenario_run *self) {
    run *whole = self->whole;
    const measure_plan *plan = whole->plan;
    if (!stream_generate(self->scenario, plan->seed, plan->quick, &self->source, whole->message, whole->message_size)) {
        return MEASURE_BAD_INPUT;
    }
    self->play_seconds = plan->rate > 0 ? (double)self->source->operation_count / plan->rate : 0;
    const double play_seconds = self->play_seconds;
    if (play_seconds > MEASURE_RATE_SECONDS_MAX) {
        (void)snprintf(whole->message, whole->message_size,
                       "%s: %" PRIu64 " operations take %.0f seconds at %.0f a second; at most %.0f are waited for, so "
                       "--rate must be %.0f at least",
                       self->scenario->name, self->source->operation_count, play_seconds, plan->rate,
                       MEASURE_RATE_SECONDS_MAX,
                       ceil((double)self->source->operation_count / MEASURE_RATE_SECONDS_MAX));
        return MEASURE_BAD_INPUT;
    }
    self->image = stream_image_write(self->source);
    self->line_ns = calloc(plan->subject_count * plan->rounds, sizeof *self->line_ns);
    if (self->image < 0 || self->line_ns == NULL) {
        (void)snprintf(whole->message, whole->message_size, "%s: its operations cannot be stored: %s",
                       self->scenario->name, strerror(errno));
        return MEASURE_NO_MEMORY;
    }
    describe_scenario(self);
    for (size_t i = 0; i < plan->subject_count; i++) {
        whole->total += is_usable(&whole->contenders[i]) ? workers_of_passes(self) : 0;
    }
    return MEASURE_OK;
}

static void scenario_run_fini(scenario_run *self) {
    if (self->image >= 0) {
        (void)close(self->image);
    }
    free(self->line_ns);
    stream_destroy(self->source);
}

static measure_outcome measure_scenarios(run *whole) {
    const measure_plan *plan = whole->plan;
    scenario_run *all = calloc(plan->scenario_count, sizeof *all);
    if (all == NULL) {
        (void)snprintf(whole->message, whole->message_size, "no memory for %zu scenarios", plan->scenario_count);
        return MEASURE_NO_MEMORY;
    }
    measure_outcome outcome = MEASURE_OK;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        all[i] = (scenario_run){.whole = whole, .scenario = plan->scenarios[i], .image = -1};
    }
    /* To generate a suite's operations takes seconds: who ends the run meanwhile gets a file with what there is, one scenario
     * at least. */
    size_t known = 0;
    for (; known < plan->scenario_count && outcome == MEASURE_OK && (known == 0 || !is_stopped(whole)); known++) {
        announce_generating(&all[known], known);
        outcome = scenario_run_init(&all[known]);
    }
    whole->start = now_seconds(); /* what generating took says nothing about how long a worker takes */
    if (outcome == MEASURE_OK) {
        outcome = measure_rounds(all, known);
    }
    for (size_t i = 0; i < known && outcome == MEASURE_OK && !is_stopped(whole); i++) {
        measure_passes(&all[i]);
    }
    for (size_t i = 0; i < plan->scenario_count; i++) {
        if (outcome == MEASURE_OK && i < known) {
            summarise(&all[i]);
        }
        scenario_run_fini(&all[i]);
    }
    if (outcome == MEASURE_OK) {
        rank_subjects(whole->model);
    }
    free(all);
    return outcome;
}

/* Nothing was measured, and nothing failed: an empty table must not look like a good one. */
static bool is_empty(const run *self) {
    return self->total == 0;
}

/* Every subject was there, and none is made for any of the scenarios. */
static void explain_emptiness(const run *self) {
    for (size_t i = 0; i < self->model->scenario_count; i++) {
        const results_scenario *from = self->model->scenarios[i];
        for (size_t j = 0; j < from->result_count; j++) {
            if (from->results[j]->status == RESULT_UNSUPPORTED) {
                (void)snprintf(self->message, self->message_size, "nothing was measured: %s on %s: %s",
                               from->results[j]->subject, from->name, from->results[j]->message);
                return;
            }
        }
    }
    (void)snprintf(self->message, self->message_size, "nothing was measured");
}

measure_outcome measure_run(const measure_plan *plan, results_model **model, char *message, size_t message_size) {
    measure_plan filled = *plan;
    run self = {.plan = &filled, .message = message, .message_size = message_size, .start = now_seconds()};
    message[0] = '\0';
    if (filled.program == NULL) {
        available_this_program(self.program);
        filled.program = self.program;
    }
    if (filled.launch == NULL) {
        filled.launch = launch_process;
    }
    self.model = results_model_create();
    describe_run(&self);
    measure_outcome outcome = MEASURE_OK;
    if (is_empty(&self)) {
        (void)snprintf(message, message_size, "nothing can be measured: no subject is available");
        outcome = MEASURE_REFUSED;
    }
    if (outcome == MEASURE_OK) {
        outcome = measure_scenarios(&self);
    }
    if (outcome == MEASURE_OK && self.has_failed) {
        outcome = MEASURE_FAILED;
    } else if (outcome == MEASURE_OK && !self.has_sample && !self.model->run.partial) {
        explain_emptiness(&self);
        outcome = MEASURE_REFUSED;
    }
    if (outcome == MEASURE_OK || outcome == MEASURE_FAILED) {
        *model = self.model;
    } else {
        results_model_destroy(self.model);
    }
    return outcome;
}
