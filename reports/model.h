/* What a report is about, as plain data with units: benchmark results, leak findings, and a comparison of two results.
 *
 * The harness fills results_model, the leaks subcommand fills leaks_model, the compare subcommand fills compare_model;
 * the readers of json_*.c fill the first two from files; every writer only reads them. Nothing here computes: statistics
 * belong to bench/stats, wording and units to the writers.
 *
 * Ownership is one rule: a model owns all that hangs from it, and *_model_destroy() frees it at once. Nodes come from
 * *_add_*() and keep their address for the model's life; texts are `const char *` and are either static or copied into
 * the model by model_text(). Nobody frees a part.
 *
 *   results_model                       leaks_model                     compare_model
 *    +- host, build, run                 +- processes[]                  +- base, new (where they came from)
 *    +- subjects[]                       +- groups[]                     +- rows[]: scenario x subject
 *    +- scenarios[]                          +- allocation_stack[]       +- remarks[]
 *        +- results[]: one a subject         +- accesses[] -> stack[]
 *            +- samples[] -> phases[]        +- holders -> sites[] -> stack[]
 *                                        +- misuses[] -> three stacks
 *
 * Unknown is not zero: a double that is not known is NaN, a count that is not known is MODEL_UNKNOWN, a text that is not
 * known is NULL, a difference that is not known is MODEL_UNKNOWN_SIGNED. JSON has null for all four, and the tables a dash. *_add_*() returns nodes in which all is unknown.
 * Counts go up to INT64_MAX, which is where JSON's readers end. Running out of memory ends the program with one line:
 * a report cannot be made without memory, and half a report would be taken for a whole one. */
#ifndef POOLBUF_REPORTS_MODEL_H
#define POOLBUF_REPORTS_MODEL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_UNKNOWN        UINT64_MAX
#define MODEL_UNKNOWN_SIGNED INT64_MIN
#define MODEL_NAN            ((double)NAN) /* NAN itself is a float */
#define RESULTS_SCHEMA       "poolbuf.results/1"
#define LEAKS_SCHEMA         "poolbuf.leaks/1"
#define COMPARE_SCHEMA       "poolbuf.compare/1"
#define HISTORY_SCHEMA       "poolbuf.history/1"
/* The subject that hands out the same memory again and again: what is left is the harness's own cost. It never wins. */
#define MODEL_NULL_SUBJECT "null"

/* The memory behind one model; opaque, released as a whole. */
typedef struct model_arena model_arena;

typedef struct model_estimate {
    double median, low, high; /* low and high bound the 95 % confidence interval */
} model_estimate;

/* ---- benchmark results: results.json, schema poolbuf.results/1 ---- */

typedef enum result_status {
    RESULT_OK,
    RESULT_FAILED,
    RESULT_UNAVAILABLE,
    RESULT_UNSUPPORTED,
    RESULT_STATUS_COUNT
} result_status;

typedef enum model_verdict {
    VERDICT_UNKNOWN, /* no ratio could be formed */
    VERDICT_BASELINE,
    VERDICT_FASTER,
    VERDICT_SLOWER,
    VERDICT_NOT_SEPARATED,
    MODEL_VERDICT_COUNT
} model_verdict;

typedef struct results_host {
    const char *cpu, *kernel, *virtualization; /* virtualization: "none", "kvm", "docker", ... */
    uint64_t cores, memory_bytes;
} results_host;

typedef struct results_build {
    const char *compiler, *type, *flags;
} results_build;

typedef struct results_run {
    const char *suite, *leak_level, *baseline_subject;
    uint64_t seed, rounds; /* rounds: the most that a scenario was to play */
    bool quick;
    bool partial;          /* the run was ended before its time: rounds are missing */
    const char **spoilers; /* what was found on the host before the run that spoils results, a line each */
    size_t spoiler_count;
} results_run;

typedef struct results_subject {
    const char *name, *note, *library, *version, *package; /* library: the path that really served */
    bool available;
    /* What it takes to play it again. plays: the subject of the table that this one is under another name; spin_percent,
     * stall_every and stall_ns: what slows it down; library_digest: of a user's own library, as a file. */
    const char *plays, *library_digest;
    uint64_t spin_percent, stall_every, stall_ns;
} results_subject;

typedef struct results_phase {
    const char *name;
    uint64_t live_buffers, live_bytes; /* at the phase's end: sum of requested sizes */
} results_phase;

typedef struct results_sample {
    uint64_t round, position; /* which round, and which place in its order; both from 1 */
    double time_ns_per_op;
    uint64_t operations;
    uint64_t peak_live_bytes, peak_resident_bytes, resident_growth_bytes;
    uint64_t peak_usable_bytes; /* what live buffers had room for: what of it nobody asked for is waste */
    uint64_t page_faults_minor,
        page_faults_major; /* of one play of the scenario, after it was played once to warm up */
    uint64_t switches_voluntary, switches_involuntary; /* context switches of the timed part, all its plays together */
    double line_round_trip_ns;                         /* measured after this sample; NaN when single-threaded */
    bool had_threads; /* the process had a second thread before or while it was measured */
    results_phase **phases;
    size_t phase_count;
    bool outlier; /* farther from the others than their spread explains (stats/bootstrap.h); it counts all the same */
} results_sample;

typedef struct results_ratio {
    double estimate, low, high; /* subject's time over the baseline's, paired by round: below 1 is faster */
    model_verdict verdict;
} results_ratio;

/* ---- what passes of their own measure, beside the timed rounds; each has a message when it gave no numbers ---- */

/* One play of the scenario under callgrind. */
typedef struct results_instructions {
    const char *message;
    double per_op;      /* of all threads, over all operations */
    double null_per_op; /* the same of the null subject: the harness's share of it */
    uint64_t total, operations;
} results_instructions;

typedef struct results_bucket {
    double up_to_ns; /* the longest that is in it */
    uint64_t count;
} results_bucket;

/* What one of a latency pass's processes found alone. */
typedef struct results_latency_process {
    double mean_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns;
} results_latency_process;

/* The processes' figures, as the median of each and the interval of it that assumes no distribution. Below 6 processes
 * it is their range, which holds the median less often than 95 % (stats/stats.h). */
typedef struct results_latency_spread {
    model_estimate mean_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns;
} results_latency_spread;

/* Single operations of all processes together. Without a rate it is a closed loop: each begins when the one before has ended. At a rate they are
 * timed from when they were meant to begin. */
typedef struct results_latency {
    const char *message;
    const char *clock;     /* which was read around each operation */
    double clock_cost_ns;  /* what nothing at all is timed at; a part of each figure below */
    double relative_error; /* a quantile is too high by at most this share of it */
    uint64_t operations;
    double rate_per_second, reached_per_second; /* asked for, and kept up with; unknown in a closed loop */
    double mean_ns, p50_ns, p90_ns, p99_ns, p99_9_ns, p99_99_ns, max_ns;
    results_bucket **buckets; /* those that are not empty, ascending */
    size_t bucket_count;
    results_latency_process **processes; /* in the order of their rounds; none when there was one process alone */
    size_t process_count;
    results_latency_spread spread; /* unknown then */
} results_latency;

typedef struct results_memory_point {
    double at_ms;
    uint64_t live_bytes;      /* as requested */
    uint64_t usable_bytes;    /* what the live buffers have room for, where the subject tells */
    uint64_t committed_bytes; /* mapped for data, resident or not */
    uint64_t resident_bytes;
} results_memory_point;

/* Memory over the time of one play, and what is left after it. */
typedef struct results_memory {
    const char *message;
    uint64_t start_resident_bytes; /* before the first operation */
    uint64_t peak_resident_bytes, peak_live_bytes;
    uint64_t drained_resident_bytes; /* when all has been released */
    uint64_t idle_resident_bytes;    /* and after the idle time */
    double idle_seconds;
    results_memory_point **points;
    size_t point_count;
} results_memory;

typedef struct results_result {
    const char *subject;
    result_status status;
    const char *message; /* why, when status is not RESULT_OK */
    results_sample **samples;
    size_t sample_count;
    model_estimate time_ns_per_op, peak_resident_bytes;
    results_ratio ratio;
    /* The same over the time of the scenario's fastest subject, which has VERDICT_BASELINE here: 1 and up, by estimate.
     * The null subject has none. */
    results_ratio to_fastest;
    uint64_t
        rounds_needed; /* an estimate of how many would separate it from the baseline; unknown when nothing is open */
    results_instructions instructions;
    results_latency latency, latency_at_rate;
    results_memory memory;
} results_result;

typedef struct results_scenario {
    const char *name, *asks, *source, *file; /* source: "generated" or where the trace was recorded */
    uint64_t threads, operations, allocations;
    const char *stream_digest; /* of all operations: one digest is one work (bench/scenario/stream_digest.h) */
    const char **phases;       /* names */
    size_t phase_count;
    double line_round_trip_ns; /* a cache line's way to the other core and back; NaN when single-threaded */
    uint64_t rounds_played;    /* fewer than the run's when the answer was clear before */
    double confidence;         /* of the ratios' intervals: above 0.95 when numbers were looked at twice; NaN is 0.95 */
    results_result **results;
    size_t result_count;
} results_scenario;

/* One subject's place over all scenarios, by the geometric mean of its ratios to the baseline. */
typedef struct results_rank {
    const char *subject;
    uint64_t rank, rank_low, rank_high; /* 1 is the fastest; low and high bound the 95 % interval */
    results_ratio ratio;                /* the geometric mean; verdict: against the baseline */
} results_rank;

typedef struct results_model {
    const char *created, *tool_version; /* created: UTC, ISO 8601, such as 2026-01-31T12:00:00Z */
    const char **command;
    size_t command_count;
    results_host host;
    results_build build;
    results_run run;
    results_subject **subjects;
    size_t subject_count;
    results_scenario **scenarios;
    size_t scenario_count;
    results_rank **ranks; /* best first; of the subjects that were fine in every scenario */
    size_t rank_count;
    const char *note; /* a line about what was passed over when it was read: keys of a later version; NULL: nothing */
    model_arena *arena;
} results_model;

results_model *results_model_create(void);
void results_model_destroy(results_model *model); /* NULL is fine */
void results_model_add_command(results_model *model, const char *argument);
results_subject *results_model_add_subject(results_model *model, const char *name);
results_scenario *results_model_add_scenario(results_model *model, const char *name);
results_scenario *results_model_add_scenario_apart(results_model *model); /* in the model's memory, not in its list */
void results_scenario_add_phase(results_model *model, results_scenario *scenario, const char *name);
results_result *results_scenario_add_result(results_model *model, results_scenario *scenario, const char *subject);
results_sample *results_result_add_sample(results_model *model, results_result *result);
results_rank *results_model_add_rank(results_model *model, const char *subject);
void results_model_add_spoiler(results_model *model, const char *line);
results_phase *results_sample_add_phase(results_model *model, results_sample *sample, const char *name);

/* ---- leak findings: leaks.json, schema poolbuf.leaks/1, of one process or merged from several ---- */

typedef enum leaks_tool {
    LEAKS_TOOL_BUILTIN,
    LEAKS_TOOL_VALGRIND,
    LEAKS_TOOL_COUNT
} leaks_tool;

typedef struct leaks_exact {
    uint64_t live_buffers, live_bytes, allocated; /* counted, not sampled */
} leaks_exact;

typedef struct leaks_tracked {
    uint64_t seen, live; /* how many allocations the sample took, and how many of them are still alive */
    uint64_t untracked;  /* taken by the sample, but there was no room to follow them */
    uint64_t inherited;  /* tracked in the parent before a fork; in no group */
    uint64_t not_listed; /* alive, but in no group, because there were too many stacks */
} leaks_tracked;

/* What suppression rules keep out of the groups; the exact counts include it. In a sample, buffers and bytes are
 * estimates. */
typedef struct leaks_suppressed {
    uint64_t groups, live_buffers, live_bytes;
} leaks_suppressed;

/* One rule of POOLBUF_LEAK_SUPPRESSIONS, and what it matched. */
typedef struct leaks_suppression {
    const char *file, *rule, *state; /* state: "unused", "used", "limit passed", "expired" */
    const char *until, *reason;
    uint64_t line, groups, count, bytes, limit_count, limit_bytes;
} leaks_suppression;

/* How many a site must have leaked for the sample to have seen one of them with a probability of 99 %. */
typedef struct leaks_certain {
    uint64_t buffers, resources;
} leaks_certain;

/* The checkpoint of a growth report. */
typedef struct leaks_since {
    uint64_t checkpoint, age_ms;
    uint64_t not_kept;  /* alive at the checkpoint, without room in it: their groups seem to have grown */
    uint64_t not_grown; /* groups that are not listed */
} leaks_since;

/* One report of one process: a program that destroys an allocator and then exits writes two. */
typedef struct leaks_process {
    uint64_t pid;
    const char *program, *command, *level;
    const char *reason; /* "process exit", "allocator destroyed", "misuse"; of a program that goes on: see below */
    uint64_t sampling_interval, uptime_ms;
    leaks_exact exact;
    leaks_tracked tracked;
    leaks_suppressed suppressed;
    uint64_t sampling_bytes; /* one in so many bytes is sampled; then the interval is unknown */
    leaks_certain seen_with_99_percent;
    uint64_t missed_references; /* changed hands while the detector was at work on that thread: in no balance */
    uint64_t unseen_buffers;    /* leaked, by the exact count, and in no group; of a report that is read */
    uint64_t older_than_ms;     /* nothing younger was asked for */
    leaks_since since;
} leaks_process;

/* Whether the program went on after this report ("on request", "interval", "signal 12"): then what it lists was alive,
 * and is no leak yet. */
bool leaks_process_is_live(const leaks_process *process);

typedef struct leaks_frame {
    const char *address, *module, *build_id, *function, *file; /* address: "0x..." */
    uint64_t offset, line;                                     /* offset: bytes from the module's load base */
    bool inlined;
} leaks_frame;

typedef struct leaks_access {
    const char *kind, *hint, *thread; /* kind: "retain", "release", "touch", ... */
    uint64_t count;
    leaks_frame **stack;
    size_t stack_count;
} leaks_access;

typedef struct leaks_estimate {
    double value, low, high;
} leaks_estimate;

typedef struct leaks_age {
    uint64_t oldest, newest; /* milliseconds */
} leaks_age;

typedef struct leaks_sizes {
    uint64_t least, median, greatest; /* in the group's unit */
    bool rounded;                     /* the median lies near that */
} leaks_sizes;

/* What there is, less what there was at the checkpoint. */
typedef struct leaks_growth {
    int64_t count, bytes;
    double estimated_count;
    uint64_t newer; /* tracked since, and alive */
    bool is_new;    /* nothing of it was alive then */
} leaks_growth;

/* One line of the program that took references or gave them back. */
typedef struct leaks_site {
    const char *kind;     /* "allocation", "retain", "release", "slice", "slice_retain", "slice_release" */
    uint64_t count, open; /* open: of these, not given back; unknown where the counts do not tell */
    bool suspect;         /* some are, or may be, open */
    bool deviant;         /* the one site that differs from what is usual, by what is open */
    bool several_threads;
    uint64_t usual; /* the references of those that were released in full */
    const char *thread;
    leaks_frame **stack;
    size_t stack_count;
    leaks_frame **caller; /* one frame where the open ones were all taken for one caller of several, or none */
    size_t caller_count;
} leaks_site;

typedef struct leaks_elsewhere {
    uint64_t taken, given; /* at stacks that were not kept */
} leaks_elsewhere;

/* The balance of references by call site. Unknown as a whole where `open` is: nothing but the allocation took one. */
typedef struct leaks_holders {
    uint64_t open;
    bool decided;                  /* the counts tell which sites' references are open */
    uint64_t balanced, unbalanced; /* members of the group in this balance, and the others */
    leaks_elsewhere elsewhere;
    uint64_t released_ones; /* of the same allocation stack, released in full: those that `usual` is about */
    leaks_site **sites;
    size_t site_count;
} leaks_holders;

/* A suppression rule that matches the group and covers it no longer. */
typedef struct leaks_lifted {
    const char *rule, *state; /* state: "limit passed", "expired" */
    uint64_t line;
} leaks_lifted;

typedef enum leaks_standing {
    STANDING_UNKNOWN, /* no baseline was given */
    STANDING_KNOWN,   /* in the baseline, with as many or more */
    STANDING_GROWN,   /* in the baseline, with fewer */
    STANDING_NEW,
    LEAKS_STANDING_COUNT
} leaks_standing;

typedef struct leaks_baseline {
    leaks_standing standing;
    uint64_t count; /* what the baseline has; 0 where the group is new */
} leaks_baseline;

typedef struct leaks_group {
    const char *fingerprint; /* 16 hexadecimal digits, stable between runs */
    const char *type;        /* "poolbuf", or what the resource was called */
    const char *kind;        /* Memcheck's word, such as "definitely lost"; NULL from the built-in detector */
    const char *thread;
    uint64_t count, bytes;          /* as found: with sampling, of the tracked ones */
    leaks_estimate estimated_count; /* what the sample says about all of them, with its 95 % interval */
    leaks_age age_ms;
    uint64_t lost;    /* of count: nothing in the process referred to them */
    const char *unit; /* what `bytes` and sizes count, in the plural; NULL: bytes */
    leaks_sizes sizes;
    leaks_growth growth;
    leaks_holders holders;
    leaks_lifted lifted_by;
    leaks_baseline baseline;
    const char **descriptions; /* of some members, in the program's own words */
    size_t description_count;
    uint64_t processes; /* in how many processes the group was seen */
    leaks_frame **allocation_stack;
    size_t allocation_stack_count;
    leaks_access **accesses;
    size_t access_count;
    uint64_t accesses_dropped;
} leaks_group;

/* The use or release of a dead buffer, or a write that nobody may have made. */
typedef struct leaks_misuse {
    const char *offence; /* what happened, in words */
    const char *type;
    const char *thread; /* who was caught */
    uint64_t count;     /* how often, with these three stacks */
    uint64_t processes;
    const char *released_by; /* a thread */
    leaks_frame **stack;     /* where it was found out */
    size_t stack_count;
    leaks_frame **release_stack; /* of the last release; none where it was not kept */
    size_t release_stack_count;
    leaks_frame **allocation_stack;
    size_t allocation_stack_count;
} leaks_misuse;

typedef struct leaks_model {
    leaks_tool tool;
    leaks_process **processes;
    size_t process_count;
    leaks_group **groups;
    size_t group_count;
    leaks_suppression **suppressions;
    size_t suppression_count;
    leaks_misuse **misuses;
    size_t misuse_count;
    uint64_t misuses_not_listed;    /* beyond the first of a process */
    leaks_standing unseen_standing; /* of what leaks_model_unseen() counts: STANDING_NEW, or STANDING_KNOWN */
    model_arena *arena;
} leaks_model;

leaks_model *leaks_model_create(void);
void leaks_model_destroy(leaks_model *model); /* NULL is fine */
leaks_process *leaks_model_add_process(leaks_model *model);
leaks_group *leaks_model_add_group(leaks_model *model, const char *fingerprint);
leaks_frame *leaks_group_add_frame(leaks_model *model, leaks_group *group);
leaks_access *leaks_group_add_access(leaks_model *model, leaks_group *group, const char *kind);
leaks_frame *leaks_access_add_frame(leaks_model *model, leaks_access *access);
leaks_site *leaks_group_add_site(leaks_model *model, leaks_group *group, const char *kind);
leaks_frame *leaks_site_add_frame(leaks_model *model, leaks_site *site);
leaks_misuse *leaks_model_add_misuse(leaks_model *model, const char *offence);
leaks_frame *leaks_frame_create(leaks_model *model); /* in no stack yet */
bool leaks_group_has_holders(const leaks_group *group);
bool leaks_group_is_of_buffers(const leaks_group *group); /* what leaks_exact counts */
/* Take all of `from`, as copies, into `into`. Groups with the same fingerprint, type and kind become one, but for those whose
 * lines, of one build, tell two sites of one function apart; fingerprints are numbered anew then. Counts, bytes,
 * estimates and growth add up (the interval's ends too, which is wider than needed and never too narrow), ages and sizes
 * span both, accesses with the same kind, hint, thread and stack add their counts, and so do holders' sites of the same
 * kind and line, and misuses with the same stacks. The balance of two processes is decided only if both are. */
void leaks_model_merge(leaks_model *into, const leaks_model *from);
/* What all processes counted exactly; MODEL_UNKNOWN where no process knows. */
leaks_exact leaks_model_exact(const leaks_model *model);
leaks_tracked leaks_model_tracked(const leaks_model *model);
bool leaks_model_has_buffers(const leaks_model *model); /* some group is of buffers */
bool leaks_model_is_live(const leaks_model *model);     /* every report of it */
/* The largest of any process: who leaked that many in one would have been seen, and more so in several. Unknown where one
 * process makes no claim, as its level was disabled for a while: the site may be its. */
leaks_certain leaks_model_certain(const leaks_model *model);
/* Buffers that leaked and that no group has, of all processes: one's sample does not speak for another's. */
uint64_t leaks_model_unseen(const leaks_model *model);
uint64_t leaks_model_missed_references(const leaks_model *model);
leaks_suppressed leaks_model_suppressed(const leaks_model *model); /* 0 where no process knows */
leaks_exact leaks_model_unsuppressed(const leaks_model *model);    /* leaks_model_exact() less what is suppressed */

/* ---- comparison of two results: poolbuf compare ---- */

typedef struct compare_side {
    const char *file, *created, *tool_version, *cpu, *kernel, *compiler, *build_type;
    uint64_t rounds;
} compare_side;

/* What an amount counts. */
typedef enum compare_unit {
    COMPARE_UNKNOWN_UNIT,
    COMPARE_BYTES,
    COMPARE_COUNT,
    COMPARE_NS,
    COMPARE_UNIT_COUNT
} compare_unit;

/* What is in BASE and not in NEW. */
typedef enum compare_loss {
    COMPARE_NOTHING_LOST,
    COMPARE_LOST_FAILED,  /* it failed in NEW */
    COMPARE_LOST_MISSING, /* it is not in NEW, or too little of it to judge by */
    COMPARE_LOSS_COUNT
} compare_loss;

typedef struct compare_row {
    const char *scenario, *subject;
    model_estimate base_ns_per_op, new_ns_per_op;
    results_ratio ratio; /* new over base: below 1 is faster */
    bool regression;     /* slower, and by more than the threshold: what the exit code answers for */
    const char *metric;  /* NULL is time; else a word of --threshold, such as "memory": the amounts below are known */
    model_estimate base_amount, new_amount;
    compare_unit unit;        /* of the amounts */
    bool is_by_threshold;     /* one number a side, or an exact one: no interval, the threshold alone decides */
    double limit_percent;     /* of another metric than time */
    bool suspected;           /* a regression before it was played again */
    results_ratio confirmed;  /* what playing it again gave */
    const char *confirmation; /* the same in words, or why it could not be */
    const char *note;         /* why there is no verdict, such as "only in BASE" */
    compare_loss loss;        /* a row without a verdict that must not look like a good one */
} compare_row;

typedef struct compare_model {
    compare_side base, new;
    double threshold_percent; /* of times; NaN where they are not judged */
    bool are_times_off;       /* they are not judged: no row has their ratio, and what else was compared is enough */
    compare_row **rows;
    size_t row_count;
    const char **remarks; /* what makes the two hard to compare, such as different hosts */
    size_t remark_count;
    model_arena *arena;
} compare_model;

compare_model *compare_model_create(void);
void compare_model_destroy(compare_model *model); /* NULL is fine */
compare_row *compare_model_add_row(compare_model *model, const char *scenario, const char *subject);
void compare_model_add_remark(compare_model *model, const char *remark);
size_t compare_model_regressions(const compare_model *model);
size_t compare_model_losses(const compare_model *model);
bool compare_is_decided(const compare_row *row);           /* it has a verdict */
bool compare_model_is_checked(const compare_model *model); /* times were compared; if they are off, anything was */

/* ---- memory and texts ---- */

/* For a model that is declared elsewhere. Running out of memory ends the program. */
model_arena *model_arena_create(void);
void model_arena_destroy(model_arena *arena);

/* A copy of the text that lives as long as the model whose arena this is; NULL stays NULL. */
const char *model_text(model_arena *arena, const char *text);
const char *model_text_format(model_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For the readers: zeroed memory of the model's, and one more pointer at the end of a list. */
void *model_allocate(model_arena *arena, size_t size);
void model_append(model_arena *arena, void *list, size_t *count, const void *item);

const char *result_status_name(result_status status); /* "ok", "failed", "unavailable", "unsupported" */
const char *
model_verdict_name(model_verdict verdict); /* "faster", "slower", "not separated", "baseline"; else "unknown" */
const char *leaks_tool_name(leaks_tool tool);
const char *leaks_standing_name(leaks_standing standing); /* "known", "grown", "new"; else "unknown" */

#endif
