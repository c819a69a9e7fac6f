/* The models of fixture.h. */
#include "reports/tests/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ROUNDS = 6
};

typedef struct fixture_row {
    const char *subject;
    double times[ROUNDS];
    model_estimate time;
    results_ratio ratio, to_fastest;
    uint64_t peak_resident, growth, faults;
} fixture_row;

static void add_subject(results_model *model, const char *name, const char *library, const char *version,
                        const char *package) {
    results_subject *subject = results_model_add_subject(model, name);
    subject->available = true;
    subject->library = library;
    subject->version = version;
    subject->package = package;
}

static void add_subjects(results_model *model) {
    add_subject(model, "pooled", "/usr/lib/libpoolbuf.so.0", "0.1.0", NULL);
    add_subject(model, "malloc", "/lib/x86_64-linux-gnu/libc.so.6", "2.36", "libc6 2.36-9+deb12u10");
    add_subject(model, "jemalloc", "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "5.3.0", "libjemalloc2 5.3.0-1");
    add_subject(model, "mimalloc", "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2", "2.0.9", "libmimalloc2.0 2.0.9+ds-2");
    results_subject *missing = results_model_add_subject(model, "tcmalloc");
    missing->note = "libtcmalloc_minimal.so.4 was not found";
    missing->plays = "malloc";
    missing->spin_percent = 5;
    missing->stall_every = 10000;
    missing->stall_ns = 50000;
    missing->library_digest = "fnv1a64:08125de0a0526ec4";
    add_subject(model, "fixed", NULL, NULL, NULL);
    add_subject(model, "null", NULL, NULL, NULL);
}

static void add_rows(results_model *model, results_scenario *scenario, const fixture_row *rows, size_t count,
                     uint64_t live) {
    for (size_t i = 0; i < count; i++) {
        results_result *result = results_scenario_add_result(model, scenario, rows[i].subject);
        result->time_ns_per_op = rows[i].time;
        result->ratio = rows[i].ratio;
        result->to_fastest = rows[i].to_fastest;
        result->peak_resident_bytes = (model_estimate){
            (double)rows[i].peak_resident, (double)rows[i].peak_resident - 8192, (double)rows[i].peak_resident + 12288};
        for (size_t round = 0; round < ROUNDS; round++) {
            results_sample *sample = results_result_add_sample(model, result);
            sample->round = round + 1;
            sample->position = (i + round) % count + 1;
            sample->time_ns_per_op = rows[i].times[round];
            sample->operations = 1000000;
            sample->peak_live_bytes = live;
            /* A pool of powers of two loses a quarter, malloc next to nothing, and the others do not tell. */
            sample->peak_usable_bytes = strcmp(rows[i].subject, "fixed") == 0    ? live + live / 3
                                        : strcmp(rows[i].subject, "malloc") == 0 ? live + live / 64
                                                                                 : MODEL_UNKNOWN;
            sample->peak_resident_bytes = rows[i].peak_resident + 4096 * (round % 3) - 4096;
            sample->resident_growth_bytes = rows[i].growth;
            sample->page_faults_minor = rows[i].faults + round % 2;
            sample->page_faults_major = 0;
            for (size_t phase = 0; phase < scenario->phase_count; phase++) {
                results_phase *end = results_sample_add_phase(model, sample, scenario->phases[phase]);
                bool is_last = phase + 1 == scenario->phase_count;
                end->live_buffers = is_last ? 0 : live / 1024;
                end->live_bytes = is_last ? 0 : live;
            }
        }
    }
    results_result *missing = results_scenario_add_result(model, scenario, "tcmalloc");
    missing->status = RESULT_UNAVAILABLE;
    missing->message = "libtcmalloc_minimal.so.4 was not found";
}

static results_scenario *add_scenario(results_model *model, const char *name, const char *asks, uint64_t threads) {
    results_scenario *scenario = results_model_add_scenario(model, name);
    scenario->asks = asks;
    scenario->source = "generated";
    scenario->threads = threads;
    scenario->operations = 1000000;
    scenario->allocations = 1000000;
    results_scenario_add_phase(model, scenario, "main");
    results_scenario_add_phase(model, scenario, "drain");
    return scenario;
}

static void add_pingpong(results_model *model) {
    static const fixture_row ROWS[] = {
        {"pooled",
         {4.21, 4.18, 4.25, 4.19, 4.22, 4.30},
         {4.215, 4.178, 4.272},
         {0.322, 0.315, 0.330, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         3145728,
         1048576,
         260},
        {"malloc",
         {13.1, 13.0, 13.3, 13.05, 13.2, 18.9},
         {13.15, 12.9, 15.8},
         {1, 1, 1, VERDICT_BASELINE},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         2097152,
         139264,
         120},
        {"jemalloc",
         {9.6, 9.7, 9.5, 9.8, 9.6, 9.9},
         {9.65, 9.5, 9.84},
         {0.735, 0.708, 0.764, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         4194304,
         2359296,
         410},
        {"mimalloc",
         {5.9, 6.0, 5.8, 6.1, 6.0, 5.9},
         {5.95, 5.83, 6.06},
         {0.452, 0.438, 0.467, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         3670016,
         1835008,
         380},
        {"fixed",
         {4.40, 4.31, 4.45, 4.38, 4.41, 4.52},
         {4.405, 4.33, 4.48},
         {0.336, 0.327, 0.345, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         2228224,
         262144,
         140},
        {"null",
         {0.91, 0.9, 0.92, 0.91, 0.9, 0.93},
         {0.91, 0.9, 0.925},
         {0.0695, 0.067, 0.072, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         1966080,
         4096,
         90},
    };
    results_scenario *scenario =
        add_scenario(model, "pingpong", "What does a buffer cost that is freed as soon as it was used?", 1);
    scenario->file = "scenarios/pingpong.yaml";
    add_rows(model, scenario, ROWS, sizeof ROWS / sizeof ROWS[0], 4096);
}

static void add_redis(results_model *model) {
    static const fixture_row ROWS[] = {
        {"pooled",
         {21.5, 21.2, 21.9, 21.4, 21.6, 22.0},
         {21.55, 21.2, 21.9},
         {0.548, 0.531, 0.566, VERDICT_FASTER},
         {1, 1, 1, VERDICT_BASELINE},
         25165824,
         20971520,
         6100},
        {"malloc",
         {39.2, 39.5, 39.0, 40.1, 39.3, 39.4},
         {39.35, 38.9, 39.9},
         {1, 1, 1, VERDICT_BASELINE},
         {1.825, 1.77, 1.88, VERDICT_SLOWER},
         22020096,
         18874368,
         5400},
        {"jemalloc",
         {38.9, 39.9, 39.1, 39.0, 39.6, 39.8},
         {39.35, 38.8, 39.9},
         {0.999, 0.981, 1.018, VERDICT_NOT_SEPARATED},
         {1.823, 1.78, 1.86, VERDICT_SLOWER},
         24117248,
         19922944,
         5900},
        {"mimalloc",
         {27.0, 26.8, 27.3, 27.1, 26.9, 27.4},
         {27.05, 26.8, 27.3},
         {0.687, 0.671, 0.704, VERDICT_FASTER},
         {1.254, 1.232, 1.277, VERDICT_SLOWER},
         28311552,
         24117248,
         7100},
        {"fixed",
         {51.2, 50.7, 51.9, 51.4, 50.9, 51.5},
         {51.3, 50.7, 51.8},
         {1.303, 1.271, 1.336, VERDICT_SLOWER},
         {2.378, 2.32, 2.43, VERDICT_SLOWER},
         41943040,
         37748736,
         10300},
        {"null",
         {1.21, 1.2, 1.22, 1.21, 1.2, 1.23},
         {1.21, 1.2, 1.225},
         {0.0307, 0.03, 0.0315, VERDICT_FASTER},
         {MODEL_NAN, MODEL_NAN, MODEL_NAN, VERDICT_UNKNOWN},
         2097152,
         4096,
         95},
    };
    results_scenario *scenario =
        add_scenario(model, "redis", "Which allocator serves redis-server under pipelined SET and GET best?", 1);
    scenario->source = "recorded from redis-server 7.0.15";
    scenario->file = "scenarios/traces/redis.pbtrace";
    scenario->allocations = 412803;
    scenario->stream_digest = "fnv1a64:acfc6cc8da35d6b2";
    add_rows(model, scenario, ROWS, sizeof ROWS / sizeof ROWS[0], 17825792);
}

static void add_handoff(results_model *model) {
    static const fixture_row ROWS[] = {
        {"pooled",
         {182, 176, 190, 185, 179, 188},
         {183.5, 177, 189},
         {0.611, 0.58, 0.643, VERDICT_FASTER},
         {1, 1, 1, VERDICT_BASELINE},
         4194304,
         2097152,
         520},
        {"malloc",
         {301, 296, 310, 305, 288, 299},
         {300, 291, 308},
         {1, 1, 1, VERDICT_BASELINE},
         {1.637, 1.57, 1.71, VERDICT_SLOWER},
         3145728,
         1048576,
         300},
        {"mimalloc",
         {189, 181, 193, 186, 190, 184},
         {187.5, 181, 192},
         {0.625, 0.59, 0.661, VERDICT_FASTER},
         {1.022, 0.985, 1.06, VERDICT_NOT_SEPARATED},
         4718592,
         2621440,
         610},
        {"fixed",
         {402, 389, 1210, 410, 395, 405},
         {403.5, 390, 870},
         {1.36, 0.97, 2.41, VERDICT_NOT_SEPARATED},
         {2.23, 1.6, 3.1, VERDICT_SLOWER},
         3407872,
         1310720,
         340},
    };
    results_scenario *scenario = add_scenario(
        model, "handoff", "What if one thread allocates & another <releases>: a|b, \"quoted\", </script>?", 2);
    scenario->line_round_trip_ns = 96.4;
    add_rows(model, scenario, ROWS, sizeof ROWS / sizeof ROWS[0], 262144);
    results_result *failed = results_scenario_add_result(model, scenario, "jemalloc");
    failed->status = RESULT_FAILED;
    failed->message = "worker ended by signal 11 in round 3";
}

/* What a run learns from all its samples. */
static void add_afterthoughts(results_model *model) {
    results_model_add_spoiler(model, "the governor is powersave");
    results_scenario *first = model->scenarios[0];
    first->rounds_played = ROUNDS - 1;
    first->confidence = 0.994;
    first->results[1]->samples[5]->outlier = true;
    model->scenarios[1]->results[2]->rounds_needed = 45;
    results_rank *best = results_model_add_rank(model, "pooled");
    best->rank = best->rank_low = best->rank_high = 1;
    best->ratio = (results_ratio){0.42, 0.41, 0.43, VERDICT_FASTER};
    results_rank *next = results_model_add_rank(model, "malloc");
    next->rank = next->rank_low = 2;
    next->rank_high = 3;
    next->ratio = (results_ratio){1, 1, 1, VERDICT_BASELINE};
}

static void add_latency(results_model *model, results_latency *latency, double scale) {
    latency->clock = "time-stamp counter";
    latency->clock_cost_ns = 22;
    latency->relative_error = 0.0078125;
    latency->operations = 1000000;
    latency->mean_ns = 52 * scale;
    latency->p50_ns = 41 * scale;
    latency->p90_ns = 60 * scale;
    latency->p99_ns = 180 * scale;
    latency->p99_9_ns = 2200 * scale;
    latency->p99_99_ns = 51000 * scale;
    latency->max_ns = 1300000 * scale;
    for (int i = 0; i < 3; i++) {
        results_bucket *bucket = model_allocate(model->arena, sizeof *bucket);
        bucket->up_to_ns = 41.0 * scale * (i + 1);
        bucket->count = (uint64_t)(500000 >> i);
        model_append(model->arena, &latency->buckets, &latency->bucket_count, bucket);
    }
}

/* Six processes, each a little slower than the one before; the figures of all together lie between them. */
static void add_processes(results_model *model, results_latency *latency) {
    enum {
        PROCESSES = 6
    };
    const double lows[] = {latency->mean_ns,  latency->p50_ns,    latency->p90_ns, latency->p99_ns,
                           latency->p99_9_ns, latency->p99_99_ns, latency->max_ns};
    model_estimate *spreads[] = {&latency->spread.mean_ns, &latency->spread.p50_ns,   &latency->spread.p90_ns,
                                 &latency->spread.p99_ns,  &latency->spread.p99_9_ns, &latency->spread.p99_99_ns,
                                 &latency->spread.max_ns};
    for (int i = 0; i < PROCESSES; i++) {
        const double factor = 0.95 + 0.02 * i;
        results_latency_process *process = model_allocate(model->arena, sizeof *process);
        *process = (results_latency_process){lows[0] * factor, lows[1] * factor, lows[2] * factor, lows[3] * factor,
                                             lows[4] * factor, lows[5] * factor, lows[6] * factor};
        model_append(model->arena, &latency->processes, &latency->process_count, process);
    }
    for (size_t i = 0; i < sizeof lows / sizeof lows[0]; i++) {
        *spreads[i] = (model_estimate){lows[i], lows[i] * 0.95, lows[i] * 1.05};
    }
}

/* Memory that climbs, and of which a part stays. */
static void add_memory(results_model *model, results_memory *memory, uint64_t step) {
    enum {
        POINTS = 8
    };
    memory->start_resident_bytes = 7000000;
    memory->peak_resident_bytes = 7000000 + POINTS * step;
    memory->peak_live_bytes = 3 * step;
    memory->drained_resident_bytes = 7000000 + 4 * step;
    memory->idle_resident_bytes = 7000000 + step;
    memory->idle_seconds = 10;
    for (uint64_t i = 0; i <= POINTS; i++) {
        results_memory_point *point = model_allocate(model->arena, sizeof *point);
        *point = (results_memory_point){.at_ms = (double)i * 0.5,
                                        .live_bytes = i == POINTS ? 0 : i * step / 2,
                                        .usable_bytes = i == POINTS ? 0 : i * step * 5 / 8,
                                        .committed_bytes = 9000000 + i * step,
                                        .resident_bytes = 7000000 + i * step};
        model_append(model->arena, &memory->points, &memory->point_count, point);
    }
}

/* Passes of their own: two subjects with numbers, and one that could not. */
static void add_passes(results_model *model) {
    results_scenario *first = model->scenarios[0];
    for (uint64_t i = 0; i < 2; i++) {
        results_result *result = first->results[i];
        result->instructions = (results_instructions){
            .per_op = 41.25 * (double)(i + 1), .null_per_op = 9.5, .total = 41250000 * (i + 1), .operations = 1000000};
        add_latency(model, &result->latency, (double)(i + 1));
        add_latency(model, &result->latency_at_rate, 2 * (double)(i + 1));
        result->latency_at_rate.rate_per_second = 500000;
        result->latency_at_rate.reached_per_second = i == 0 ? 500000 : 431098.974;
        add_processes(model, &result->latency);
        add_memory(model, &result->memory, 65536 * (i + 1));
        for (size_t j = 0; j < result->sample_count; j++) {
            result->samples[j]->switches_voluntary = 12 * i;
            result->samples[j]->switches_involuntary = 3;
            result->samples[j]->line_round_trip_ns = 120.5;
            result->samples[j]->had_threads = i == 0;
        }
    }
    first->results[2]->instructions.message = "killed by signal 4 (Illegal instruction)";
}

results_model *fixture_results(void) {
    results_model *model = results_model_create();
    model->created = "2026-01-31T12:00:00Z";
    model->tool_version = "0.1.0";
    static const char *const COMMAND[] = {"poolbuf", "run", "default", "--rounds", "6", "-o", "out dir/results.json"};
    for (size_t i = 0; i < sizeof COMMAND / sizeof COMMAND[0]; i++) {
        results_model_add_command(model, COMMAND[i]);
    }
    model->host = (results_host){"AMD EPYC 7763 64-Core Processor", "Linux 6.1.0-28-amd64", "kvm", 2, 25276502016};
    model->build = (results_build){"gcc 12.2.0", "Release", "-O2 -g -DNDEBUG"};
    model->run = (results_run){
        .suite = "default", .leak_level = "disabled", .baseline_subject = "malloc", .seed = 1, .rounds = ROUNDS};
    add_subjects(model);
    add_pingpong(model);
    add_redis(model);
    add_handoff(model);
    add_afterthoughts(model);
    add_passes(model);
    return model;
}

/* ---- leaks ---- */

static void fill_frame(leaks_frame *frame, const char *function, const char *file, uint64_t line, uint64_t offset) {
    frame->address = "0x55d0c0a011a9";
    frame->module = "examples/leaky";
    frame->build_id = "5f0c6d3a9d4e4a7bb1c2d3e4f5a6b7c8d9e0f1a2";
    frame->offset = offset;
    frame->function = function;
    frame->file = file;
    frame->line = file == NULL ? MODEL_UNKNOWN : line;
}

static leaks_site *add_site(leaks_model *model, leaks_group *group, const char *kind, uint64_t count, uint64_t open,
                            const char *function, uint64_t line) {
    leaks_site *site = leaks_group_add_site(model, group, kind);
    site->count = count;
    site->open = open;
    site->usual = 0;
    site->suspect = open > 0;
    site->thread = "io-7";
    fill_frame(leaks_site_add_frame(model, site), function, "examples/leaky.c", line, 0x1500 + line);
    fill_frame(leaks_site_add_frame(model, site), "main", "examples/leaky.c", 90, 0x1302);
    return site;
}

/* A helper that takes references for several callers is short for one of them. */
static void add_decided_holders(leaks_model *model, leaks_group *group) {
    leaks_holders *holders = &group->holders;
    holders->open = 812;
    holders->decided = true;
    holders->balanced = 812;
    holders->unbalanced = 3;
    holders->elsewhere = (leaks_elsewhere){0, 0};
    holders->released_ones = 45;
    add_site(model, group, "allocation", 812, 0, "request_read", 31)->usual = 45;
    leaks_site *push = add_site(model, group, "retain", 8120, 812, "queue_push", 44);
    push->several_threads = true;
    push->usual = 450;
    leaks_frame *caller = leaks_frame_create(model);
    fill_frame(caller, "on_timer", "examples/timer.c", 126, 0x1600);
    model_append(model->arena, (void *)&push->caller, &push->caller_count, caller);
    leaks_site *drop = add_site(model, group, "release", 8120, 0, "queue_pop", 51);
    drop->deviant = true;
    drop->usual = 495;
}

/* Counts that do not tell whose reference is open. */
static void add_undecided_holders(leaks_model *model, leaks_group *group) {
    leaks_holders *holders = &group->holders;
    holders->open = 2;
    holders->balanced = 2;
    holders->unbalanced = 0;
    holders->elsewhere = (leaks_elsewhere){1, 1};
    holders->released_ones = 0;
    add_site(model, group, "allocation", 2, MODEL_UNKNOWN, "header_make", 7);
    add_site(model, group, "slice", 2, MODEL_UNKNOWN, "header_slice", 9);
    add_site(model, group, "slice_release", 2, MODEL_UNKNOWN, "header_done", 12)->suspect = false;
}

static void add_requests(leaks_model *model) {
    leaks_group *group = leaks_model_add_group(model, "8c1f3a5be07d2946");
    group->type = "poolbuf";
    group->thread = "io-7";
    group->count = 812;
    group->bytes = 831488;
    group->estimated_count = (leaks_estimate){103936, 96900, 111400};
    group->age_ms = (leaks_age){3723000, 410};
    group->accesses_dropped = 3;
    fill_frame(leaks_group_add_frame(model, group), "request_read", "examples/leaky.c", 31, 0x11a9);
    leaks_frame *inlined = leaks_group_add_frame(model, group);
    fill_frame(inlined, "connection_step", "examples/leaky.c", 58, 0x1230);
    inlined->inlined = true;
    fill_frame(leaks_group_add_frame(model, group), "main", "examples/leaky.c", 90, 0x1302);
    leaks_access *retain = leaks_group_add_access(model, group, "retain");
    retain->count = 2;
    retain->thread = "io-7";
    retain->hint = "queued for <writer> & co";
    fill_frame(leaks_access_add_frame(model, retain), "queue_push", "examples/leaky.c", 44, 0x1400);
    leaks_access *release = leaks_group_add_access(model, group, "release");
    release->count = 1;
    release->thread = "io-2";
    fill_frame(leaks_access_add_frame(model, release), "queue_pop", "examples/leaky.c", 51, 0x1450);
    group->lost = 12;
    group->sizes = (leaks_sizes){512, 1024, 4096, true};
    group->growth = (leaks_growth){700, 716800, 89600, 705, false};
    group->lifted_by = (leaks_lifted){"leak:^request_read$", "limit passed", 9};
    group->baseline = (leaks_baseline){STANDING_NEW, 0};
    add_decided_holders(model, group);
}

static void add_misuse(leaks_model *model) {
    leaks_misuse *misuse = leaks_model_add_misuse(model, "release of a buffer whose last reference is gone");
    misuse->type = "poolbuf";
    misuse->count = 3;
    misuse->thread = "io-2 (4245)";
    misuse->released_by = "io-7 (4250)";
    leaks_frame *frames[3];
    static const char *const NAMES[] = {"on_error", "on_close", "request_read"};
    for (size_t i = 0; i < 3; i++) {
        frames[i] = leaks_frame_create(model);
        fill_frame(frames[i], NAMES[i], "examples/leaky.c", 60 + i, 0x1700 + i);
    }
    model_append(model->arena, (void *)&misuse->stack, &misuse->stack_count, frames[0]);
    model_append(model->arena, (void *)&misuse->release_stack, &misuse->release_stack_count, frames[1]);
    model_append(model->arena, (void *)&misuse->allocation_stack, &misuse->allocation_stack_count, frames[2]);
    model->misuses_not_listed = 1;
}

static void add_mappings(leaks_model *model) {
    leaks_group *group = leaks_model_add_group(model, "5a5a000011112222");
    group->type = "mapping";
    group->unit = "pages";
    group->thread = "main";
    group->count = 3;
    group->bytes = 1024;
    group->lost = 3;
    group->estimated_count = (leaks_estimate){3, 3, 3};
    group->age_ms = (leaks_age){900, 20};
    group->sizes = (leaks_sizes){12, 500, 512, true};
    group->growth = (leaks_growth){-1, -12, -1, 2, false};
    group->baseline = (leaks_baseline){STANDING_GROWN, 2};
    group->accesses_dropped = 0;
    static const char *const WORDS[] = {"/var/lib/<index>.db, read-only", "anonymous"};
    for (size_t i = 0; i < 2; i++) {
        model_append(model->arena, (void *)&group->descriptions, &group->description_count, WORDS[i]);
    }
    fill_frame(leaks_group_add_frame(model, group), "map_index", "examples/index.c", 14, 0x1800);
}

static void add_suppressions(leaks_model *model) {
    static const leaks_suppression RULES[] = {
        {"known.supp", "leak:^cache_fill$", "used", NULL, "of the first request", 3, 1, 9, 640, 10, MODEL_UNKNOWN},
        {"known.supp", "vendor's plug-in", "limit passed", "2099-12-31", NULL, 5, 1, 12, 768, MODEL_UNKNOWN, 512},
        {"known.supp", "leak:<nobody>", "expired", "2020-02-29", NULL, 12, 0, 0, 0, MODEL_UNKNOWN, MODEL_UNKNOWN},
        {"known.supp", "leak:nowhere", "unused", NULL, NULL, 14, 0, 0, 0, MODEL_UNKNOWN, MODEL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        leaks_suppression *rule = model_allocate(model->arena, sizeof *rule);
        *rule = RULES[i];
        model_append(model->arena, &model->suppressions, &model->suppression_count, rule);
    }
}

leaks_model *fixture_leaks(void) {
    leaks_model *model = leaks_model_create();
    static const leaks_process PROCESSES[] = {
        {4242,
         "examples/leaky",
         "examples/leaky --serve",
         "advanced",
         "process exit",
         128,
         3725000,
         {103990, 106485760, 1000000},
         {7840, 813, 17, 0, 2},
         {1, 9, 640},
         MODEL_UNKNOWN,
         {588, 1},
         2,
         0,
         MODEL_UNKNOWN,
         {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN}},
        {4243,
         "examples/leaky",
         NULL,
         "advanced",
         "allocator destroyed",
         MODEL_UNKNOWN,
         1200,
         {1, 64, 12},
         {1, 1, MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN},
         {MODEL_UNKNOWN, MODEL_UNKNOWN, MODEL_UNKNOWN},
         524288,
         {600, 1},
         MODEL_UNKNOWN,
         1,
         1000,
         {3, 61000, 5, 1}},
    };
    for (size_t i = 0; i < 2; i++) {
        *leaks_model_add_process(model) = PROCESSES[i];
    }
    leaks_group *header = leaks_model_add_group(model, "00d4e5f60718293a");
    header->type = "poolbuf";
    header->thread = "main";
    header->count = 2;
    header->bytes = 128;
    header->estimated_count = (leaks_estimate){256, 31, 925};
    header->age_ms = (leaks_age){1100, 1100};
    header->processes = 2;
    header->accesses_dropped = 0;
    fill_frame(leaks_group_add_frame(model, header), "std::vector<char>::push_back(char&&)", NULL, 0, 0x9f00);
    fill_frame(leaks_group_add_frame(model, header), NULL, NULL, 0, 0x2201c);
    header->lost = 0;
    header->sizes = (leaks_sizes){64, 64, 64, false};
    header->growth = (leaks_growth){2, 128, 2, 2, true};
    header->baseline = (leaks_baseline){STANDING_KNOWN, 4};
    add_undecided_holders(model, header);
    add_requests(model);
    add_mappings(model);
    add_misuse(model);
    add_suppressions(model);
    return model;
}

/* ---- comparison ---- */

compare_model *fixture_compare(void) {
    compare_model *model = compare_model_create();
    model->base = (compare_side){"base.json",
                                 "2026-01-30T12:00:00Z",
                                 "0.1.0",
                                 "AMD EPYC 7763 64-Core Processor",
                                 "Linux 6.1.0-28-amd64",
                                 "gcc 12.2.0",
                                 "Release",
                                 10};
    model->new = (compare_side){"new.json",
                                "2026-01-31T12:00:00Z",
                                "0.1.0",
                                "AMD EPYC 7763 64-Core Processor",
                                "Linux 6.1.0-30-amd64",
                                "gcc 12.2.0",
                                "Release",
                                10};
    model->threshold_percent = 5;
    compare_model_add_remark(model, "the kernels differ: Linux 6.1.0-28-amd64 and Linux 6.1.0-30-amd64");
    compare_row *row = compare_model_add_row(model, "pingpong", "pooled");
    row->base_ns_per_op = (model_estimate){4.2, 4.15, 4.25};
    row->new_ns_per_op = (model_estimate){5.1, 5.02, 5.2};
    row->ratio = (results_ratio){1.214, 1.19, 1.24, VERDICT_SLOWER};
    row->regression = true;
    row = compare_model_add_row(model, "redis", "pooled");
    row->base_ns_per_op = (model_estimate){21.5, 21.2, 21.9};
    row->new_ns_per_op = (model_estimate){18.3, 18.0, 18.6};
    row->ratio = (results_ratio){0.851, 0.835, 0.868, VERDICT_FASTER};
    row = compare_model_add_row(model, "handoff", "pooled");
    row->base_ns_per_op = (model_estimate){183, 177, 189};
    row->new_ns_per_op = (model_estimate){185, 176, 193};
    row->ratio = (results_ratio){1.011, 0.972, 1.052, VERDICT_NOT_SEPARATED};
    row = compare_model_add_row(model, "handoff", "pooled");
    row->metric = "latency-p99";
    row->unit = COMPARE_NS;
    row->limit_percent = 20;
    row->base_amount = (model_estimate){1810, 1700, 1950};
    row->new_amount = (model_estimate){2610, 2400, 2820};
    row->ratio = (results_ratio){1.442, 1.31, 1.59, VERDICT_SLOWER};
    row->regression = true;
    row = compare_model_add_row(model, "handoff", "pooled");
    row->metric = "instructions";
    row->unit = COMPARE_COUNT;
    row->limit_percent = 0.5;
    row->is_by_threshold = true;
    row->base_amount.median = 41.25;
    row->new_amount.median = 41.31;
    row->ratio.estimate = 1.0015;
    row = compare_model_add_row(model, "handoff", "fixed");
    row->metric = "memory-idle";
    row->unit = COMPARE_BYTES;
    row->limit_percent = 10;
    row->base_amount.median = 7340032;
    row->note = "not measured in NEW";
    row->loss = COMPARE_LOST_MISSING;
    row = compare_model_add_row(model, "churn", "pooled");
    row->new_ns_per_op = (model_estimate){12, 11.8, 12.3};
    row->note = "only in new.json";
    return model;
}

/* ---- history ---- */

static history_series *add_series(history_model *model, const char *scenario, const char *subject, const char *metric,
                                  compare_unit unit, const double *values, size_t count) {
    history_series *series = history_model_add_series(model, scenario, subject, metric);
    series->unit = unit;
    for (size_t i = 0; i < count; i++) {
        history_point *point = history_series_add_point(model, series);
        point->run = i + 1;
        point->created = model_text_format(model->arena, "2026-01-%02zuT12:00:00Z", i + 1);
        point->label = i % 2 == 0 ? model_text_format(model->arena, "v1.%zu", i) : NULL;
        point->value.median = values[i];
    }
    return series;
}

/* What was judged, and as what. */
static void judge(history_series *series, history_verdict verdict, double change, model_estimate usual) {
    series->verdict = verdict;
    series->change = change;
    series->usual = usual;
}

static history_model *history_of(bool is_check) {
    history_model *model = history_model_create();
    model->database = "history.sqlite";
    model->host = "AMD EPYC 7763 64-Core Processor, 2 cores, Linux 6.1.0-28-amd64";
    model->build = "gcc 12.2.0, Release, leak level disabled, full runs";
    model->relative_to = is_check ? NULL : "malloc";
    model->run_count = model->newest_run = 8;
    model->oldest = "2026-01-01T12:00:00Z";
    model->newest = "2026-01-08T12:00:00Z";
    model->newest_label = "<newest>";
    model->is_check = is_check;
    model->has_points = !is_check;
    model->recent = 10;
    history_model_add_remark(model, "3 runs of other hosts, kernels or builds cannot be compared with the newest, and "
                                    "are left out");
    return model;
}

history_model *fixture_history(bool is_check) {
    static const double STEP[] = {5.1, 5.2, 5.15, 5.1, 5.6, 5.7, 5.65, 5.6};
    static const double LAST[] = {183, 185, 184, 182, 184, 183, 185, 231};
    static const double BYTES[] = {7340032, 7344128, 7340032, 7340032, 7340032, 7340032, 7340032, 6291456};
    static const double COUNTS[] = {41.25, 41.25, 41.25, 41.25, 41.25, 41.25, 41.25, 41.31};
    static const double FAULTS[] = {0, 12};
    const compare_unit ns = is_check ? COMPARE_NS : COMPARE_UNKNOWN_UNIT;
    history_model *model = history_of(is_check);
    history_series *series = add_series(model, "churn", "pooled", "time", ns, STEP, 8);
    series->points[0]->value = (model_estimate){5.1, 5.05, 5.2};
    series->points[2]->accepted = "buffers are | zeroed";
    series->points[4]->step = 1.088;
    for (size_t i = 2; i < 8; i++) {
        series->points[i]->level = i < 4 ? 5.15 : 5.6;
    }
    series->since = is_check ? series->points[4] : NULL;
    judge(series, HISTORY_WORSE, 1.088, (model_estimate){5.15, MODEL_NAN, MODEL_NAN});
    series = add_series(model, "handoff", "pooled", "time", ns, LAST, 8);
    judge(series, HISTORY_WORSE, 1.255, (model_estimate){184, 178, 190});
    series = add_series(model, "handoff", "pooled", "memory", COMPARE_BYTES, BYTES, 8);
    judge(series, HISTORY_BETTER, 0.857, (model_estimate){7340032, 7330000, 7350000});
    series = add_series(model, "pingpong", "pooled", "instructions", COMPARE_COUNT, COUNTS, 8);
    judge(series, HISTORY_AS_USUAL, 1.0015, (model_estimate){41.25, 41.25, 41.25});
    series = add_series(model, "pingpong", "pooled", "faults", COMPARE_COUNT, FAULTS, 2);
    series->points[0]->run = 7;
    series->points[1]->run = 8;
    judge(series, HISTORY_TOO_FEW, MODEL_NAN, (model_estimate){MODEL_NAN, MODEL_NAN, MODEL_NAN});
    series = add_series(model, "redis", "pooled", "time", ns, STEP, 7);
    series->note = is_check ? "failed in the newest run: it hung <120 s>" : NULL;
    series->loss = is_check ? HISTORY_LOST_FAILED : HISTORY_NOTHING_LOST;
    series = add_series(model, "redis", "unpooled", "time", ns, STEP, 6);
    series->note = is_check ? "not in the newest run" : NULL;
    for (size_t i = 0; i < model->series_count; i++) {
        model->series[i]->limit_percent = is_check ? 5 : MODEL_NAN;
        model->series[i]->verdict = is_check ? model->series[i]->verdict : HISTORY_NOT_JUDGED;
    }
    return model;
}

leaks_model *fixture_process(const char *reason, uint64_t live) {
    leaks_model *model = leaks_model_create();
    leaks_process *process = leaks_model_add_process(model);
    process->program = "/opt/server";
    process->reason = reason;
    process->exact = (leaks_exact){.live_buffers = live, .live_bytes = live * 100, .allocated = 1000};
    return model;
}

leaks_group *fixture_add_leak(leaks_model *model, const char *fingerprint) {
    leaks_group *group = leaks_model_add_group(model, fingerprint);
    group->type = "poolbuf";
    group->count = 2;
    group->bytes = 100;
    return group;
}
