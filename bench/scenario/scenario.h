/* Scenarios and suites as data: loading, checking and finding them.
 *
 * A scenario is one workload that asks one question. It is a YAML file (scenarios/schema.json describes it to editors)
 * or a recorded trace or shape, which is a scenario of one phase. This module reads and checks; stream.h turns the result into
 * operations. Every error is one line, "FILE:LINE: what is wrong; what would be right", ready for the user; a problem
 * with a whole file has no line.
 *
 *   name: churn                       # letters, digits, - and _
 *   asks: What does ... cost?         # one question
 *   source: ...                       # where sizes and lifetimes come from
 *   threads: 1                        # optional
 *   phases:
 *     - kind: pingpong|churn|burst|bulk|handoff|pipeline|relay|fragment|thrash|scratch|fanout|frames|append|ship|
 *             assemble|pages
 *                                     # or, in its place,  trace: FILE  or  shape: FILE
 *       name: steady                  # optional
 *       operations: 1000000           # steps of each thread
 *       live: 1024                    # churn: a thread's live set; burst, relay: buffers allocated before they are
 *                                     # released; handoff, pipeline: buffers in flight between two threads; fanout:
 *                                     # messages that wait for a subscriber; frames: frames that are kept; ship:
 *                                     # batches that wait; pages: pages in the cache
 *       burst: 64                     # bulk: buffers a call; handoff: buffers handed over at once; assemble: parts
 *       producers: 3                  # handoff: so many threads allocate,
 *       consumers: 1                  # and so many others release; without both: pairs of one and one
 *       order: lifo                   # burst: in which order it is released; without it: fifo
 *       retain: 25                    # relay, fragment: percent of the buffers that stay
 *       writes: 1000                  # thrash, scratch: to each buffer
 *       touch: pages                  # write to every 4 KiB of a new buffer; without it, to its two ends
 *       succession: 100               # churn, burst, relay: so many threads, one after another, share a thread's steps
 *       idle_ms: 50                   # all threads sleep after it, which is no part of its time
 *       sizes_retained: {fixed: 64}   # fragment: sizes of the buffers that stay
 *       sizes_after: {fixed: 9000}    # fragment: sizes of those that come into the place of those that went
 *       buffer: 65536                 # frames: bytes of a read buffer; append, ship: the most bytes of a buffer
 *       header: 9                     # frames: bytes in front of each frame, sliced off and read apart
 *       share: view                   # fanout: what a subscriber gets; without it, a reference
 *       miss: 10                      # pages: percent of the visits that find the page missing
 *       sizes:                        # exactly one of:
 *         fixed: 256
 *         uniform: {low: 16, high: 4096}
 *         log_uniform: {low: 16, high: 65536}
 *         weighted: [{size: 64, weight: 5}, {low: 100, high: 900, weight: 1}]
 *         each: [16, 64, 256]         # a phase for each size */
#ifndef POOLBUF_BENCH_SCENARIO_H
#define POOLBUF_BENCH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of what a file may ask for. They bound memory: an operation takes 8 bytes, a slot 8 more. */
#define SCENARIO_THREADS_MAX    64u
#define SCENARIO_PHASES_MAX     64u
#define SCENARIO_SIZES_MAX      1024u               /* entries of weighted and each */
#define SCENARIO_SIZE_MAX       UINT32_C(268435455) /* bytes: 256 MiB - 1, what an operation can say */
#define SCENARIO_OPERATIONS_MAX UINT32_C(1000000000)
#define SCENARIO_LIVE_MAX       UINT32_C(10000000)
#define SCENARIO_BURST_MAX      4096u /* what a BULK operation can say */
#define SCENARIO_WEIGHT_MAX     UINT32_C(1000000000)
#define SCENARIO_MISS_MAX       100u /* percent */
#define SCENARIO_FILE_BYTES_MAX (1u << 20)
#define SCENARIO_ROUNDS_MAX     1000u
#define SCENARIO_WRITES_MAX     1000000u
#define SCENARIO_SUCCESSION_MAX 1000000u
#define SCENARIO_IDLE_MS_MAX    10000u

typedef enum scenario_kind {
    SCENARIO_PINGPONG = 1, /* allocate, write, read, release, again and again */
    SCENARIO_CHURN,        /* fill a live set; then release a random buffer and allocate another; then drain */
    SCENARIO_BURST,        /* allocate `live` buffers, then release them in the same order; again and again */
    SCENARIO_BULK,         /* allocate `burst` buffers in one call, write, read, release in one call; again and again */
    SCENARIO_HANDOFF,      /* threads in pairs: one allocates, the other releases */
    SCENARIO_REPLAY,       /* play a recorded trace */
    SCENARIO_PIPELINE,     /* each buffer passes through all threads, and each touches it */
    SCENARIO_RELAY,        /* threads end and leave a part of their buffers to others, which come after them */
    SCENARIO_FRAGMENT, /* allocate short-lived among long-lived; release most; allocate other sizes in their place */
    SCENARIO_THRASH,   /* each thread: allocate, write many times, release; again and again */
    SCENARIO_SCRATCH,  /* the same, after each has released a buffer that one thread allocated for all */
    SCENARIO_FANOUT,   /* one thread publishes messages, all others read each of them */
    SCENARIO_FRAMES,   /* fill a read buffer, slice it into frames, read and drop them */
    SCENARIO_APPEND,   /* grow a buffer by appending pieces, read it, release it */
    SCENARIO_SHIP,     /* threads in pairs: one appends pieces to batches, the other reads and releases them */
    SCENARIO_ASSEMBLE, /* allocate `burst` buffers, make one message of them, list its pieces, release it */
    SCENARIO_PAGES,    /* a cache of filled pages: pin and read one, or replace the oldest; then drain */
    SCENARIO_SHAPE     /* play a trace that is made to have a recorded shape */
} scenario_kind;

typedef enum scenario_touch {
    SCENARIO_TOUCH_ENDS = 0, /* the first and the last byte of a buffer are written */
    SCENARIO_TOUCH_PAGES     /* and one in each 4 KiB, so that all of its memory is resident */
} scenario_touch;

typedef enum scenario_order {
    SCENARIO_ORDER_FIFO = 0, /* first in, first out */
    SCENARIO_ORDER_LIFO,     /* last in, first out */
    SCENARIO_ORDER_HALVES,   /* the first half first in, first out; then the other half last in, first out */
    SCENARIO_ORDER_RANDOM
} scenario_order;
typedef enum scenario_share {
    SCENARIO_SHARE_REFERENCE = 0, /* one more reference to the buffer */
    SCENARIO_SHARE_VIEW           /* a slice with a reference to it */
} scenario_share;

typedef struct scenario_range {
    uint32_t low;
    uint32_t high; /* inclusive */
} scenario_range;

typedef struct scenario_weight {
    uint32_t size; /* 0: low to high, uniform */
    uint32_t low;
    uint32_t high;
    uint32_t weight; /* how often, against the sum of all weights */
} scenario_weight;

/* A distribution of sizes in bytes; exactly one member is set. */
typedef struct scenario_sizes {
    uint32_t fixed;
    scenario_range *uniform;
    scenario_range *log_uniform;
    scenario_weight *weighted;
    uint32_t weighted_count;
    uint32_t *each;
    uint32_t each_count;
} scenario_sizes;

typedef struct scenario_phase {
    char *name; /* never NULL once loaded: the kind's name where the file gives none */
    scenario_kind kind;
    scenario_sizes *sizes; /* NULL for a replay */
    uint32_t operations;
    uint32_t live;
    uint32_t burst;
    scenario_touch touch;
    scenario_order order;
    uint32_t producers; /* 0: threads in pairs */
    uint32_t consumers;
    uint32_t retain; /* percent */
    uint32_t writes;
    uint32_t succession; /* 0: its threads are not fresh ones */
    uint32_t idle_ms;
    scenario_sizes *sizes_retained; /* fragment; else NULL */
    scenario_sizes *sizes_after;
    scenario_share share;
    uint32_t buffer; /* bytes */
    uint32_t header; /* bytes */
    uint32_t miss;   /* percent */
    char *trace;     /* a replay's file, resolved against the scenario's folder; else NULL */
    char *shape;     /* a shape's file, the same */
} scenario_phase;

typedef struct scenario {
    char *name;
    char *asks;
    char *source;
    char *file;       /* the path that it was loaded from */
    uint32_t threads; /* 0: as many as the traces and shapes have */
    scenario_phase *phases;
    uint32_t phases_count;
} scenario;

typedef struct scenario_suite {
    char *name;
    char *asks;
    char *file;
    char **
        scenarios; /* names or paths, for scenario_find(); a path that was not absolute begins with the suite's folder */
    uint32_t scenarios_count;
    uint32_t rounds; /* that a run of it has where nobody asks for another number; 0: as any run */
} scenario_suite;

/* scenario_load() reads and checks a scenario.
 *   path     a .yaml or .yml file, or a .pbtrace or .pbshape file, which is checked as a whole.
 *   out      set on success; release it with scenario_destroy().
 *   error    on failure gets one line.
 *   threads  any; nothing is shared. */
bool scenario_load(const char *path, scenario **out, char *error, size_t error_size);
void scenario_destroy(scenario *loaded);

/* scenario_phase_threads() is how many threads a checked phase needs at least. */
uint32_t scenario_phase_threads(const scenario_phase *phase);

/* scenario_suite_load() reads and checks a suite's YAML file: name, asks, rounds, scenarios. The scenarios are not
 * loaded. */
bool scenario_suite_load(const char *path, scenario_suite **out, char *error, size_t error_size);
void scenario_suite_destroy(scenario_suite *suite);

/* scenario_find() and scenario_suite_find() turn what a user typed into a path. A word with a slash, or one that ends
 * in a known suffix, is a path already. A bare name is looked for as NAME.yaml, then traces/NAME.pbtrace
 * (suites/NAME.yaml for a suite), in $POOLBUF_SCENARIOS when that is set, else in the folder beside the installed
 * program, else in the source tree.
 *   path     gets the path, unless it would not fit.
 *   returns  whether the file exists; when not, error has a line that says where it was looked for and, for a near
 *            miss, which name was probably meant. */
bool scenario_find(const char *name, char *path, size_t path_size, char *error, size_t error_size);
bool scenario_suite_find(const char *name, char *path, size_t path_size, char *error, size_t error_size);

/* scenario_is_path() says whether scenario_find() takes a word for a path. */
bool scenario_is_path(const char *name);

/* scenario_directory() is the folder that bare names are looked for in: a static string, NULL when there is none. */
const char *scenario_directory(void);

/* scenario_list() and scenario_suite_list() give the bare names that can be found, sorted. Release the array with
 * scenario_names_destroy().
 *   returns  how many there are; 0 with *names NULL when there are none. */
size_t scenario_list(char ***names);
size_t scenario_suite_list(char ***names);
void scenario_names_destroy(char **names, size_t count);

#endif
