/* Do the sampled levels see what they say they see? Runs the cases of `expectations` with many seeds.
 *
 *   bugs_seeds [--seeds N] EXPECTATIONS [CASE...]      N is 200; without a case: all of them
 *
 * Every run is a process of its own, with a report of its own. The dense start is off, so each allocation is in the
 * sample with probability 1/interval, and a run in which k buffers leak shows at least one of them with
 *
 *     p = 1 - (1 - 1/interval)^k
 *
 * Cases whose program can be told to repeat its bug run at the default interval, 128, so often that p is near a half,
 * where a sample that is too rare, too frequent or too regular shows soonest; the others at an interval for which p
 * is.
 *
 * How far from the expectation is too far? Of n independent runs, the number that saw the leak is binomial(n, p).
 * Bounds are its exact tails, each below ALARM / 2 / 2 / rows: so, whatever rows have to do with each other, all of
 * them together raise a false alarm with probability ALARM / 2 at most. The other half of ALARM goes to the sum over
 * all rows. No two runs share a seed, so that is a sum of independent terms between 0 and 1, which by Hoeffding's
 * inequality is more than t away from its expectation with probability 2 exp(-2 t^2 / runs) at most; t is chosen to
 * make that ALARM / 2. (Seeds are fixed, so a run that passes will pass again; ALARM says how likely a change of the
 * generator alone would fail it.)
 *
 * Whatever the sample is, the exact counters must be right in each run, the report's "seen with 99 %" must be what the
 * interval makes it, nobody clean may be accused, and misuse that needs no sample must be found. */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#define ALARM 1e-4

enum {
    CASES_MAX = 200,
    WORDS_MAX = 8,
    INTERVAL = 128, /* the default */
    LEVELS = 2,
    LEAK_STATUS = 9,
    CLEAN_INTERVAL = 2, /* the denser the sample, the more could be accused */
    CLEAN_TIMES = 3
};

typedef enum kind {
    KIND_UNTOLD,
    KIND_SAMPLE,
    KIND_CLEAN,
    KIND_ALWAYS,
    KIND_SEEDLESS
} kind;

typedef struct bug {
    char name[64];
    char words[WORDS_MAX][64]; /* the program and its arguments */
    size_t word_count;
    char set[128]; /* NAME=VALUE, or empty */
    kind kind;
    long leaks; /* of one run */
    bool once;
    int status;
    bool has_exact;
    long buffers, bytes; /* what the exact counters say of one run */
} seeded;

/* How a bug is run, and what was seen. */
typedef struct row {
    seeded *bug;
    const char *level;
    long times;
    uint32_t interval;
    double probability;
    long seen;
} row;

static seeded bugs[CASES_MAX];
static size_t bug_count;
static long faults;
static char folder[4096]; /* where programs are */
static char reports[] = "/tmp/bugs_seeds-XXXXXX";

static void die(const char *what, const char *which) {
    (void)fprintf(stderr, "bugs_seeds: %s: %s\n", what, which);
    exit(2);
}

static void fault(const row *self, uint64_t seed, const char *what) {
    if (++faults <= 40) {
        printf("FAILED: %s at %s, seed %llu, 1 in %u, %ld times: %s\n", self->bug->name, self->level,
               (unsigned long long)seed, self->interval, self->times, what);
    }
}

/* --- expectations ------------------------------------------------------------------------------------------------- */

static void read_words(seeded *self, char *text) {
    char *rest = NULL;
    self->word_count = 0;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (self->word_count == WORDS_MAX) {
            die("too many words", self->name);
        }
        (void)snprintf(self->words[self->word_count++], sizeof self->words[0], "%s", word);
    }
}

static void begin_case(const char *name) {
    if (bug_count == CASES_MAX) {
        die("too many cases", name);
    }
    seeded *self = &bugs[bug_count++];
    (void)snprintf(self->name, sizeof self->name, "%s", name);
    (void)snprintf(self->words[0], sizeof self->words[0], "bugs");
    (void)snprintf(self->words[1], sizeof self->words[1], "%s", name);
    self->word_count = 2;
}

static void read_line(seeded *self, const char *keyword, char *rest) {
    char *end = rest;
    if (strcmp(keyword, "run") == 0) {
        read_words(self, rest);
    } else if (strcmp(keyword, "set") == 0) {
        (void)snprintf(self->set, sizeof self->set, "%s", rest);
    } else if (strcmp(keyword, "exit") == 0) {
        self->status = (int)strtol(rest, NULL, 10);
    } else if (strcmp(keyword, "sample") == 0) {
        self->kind = KIND_SAMPLE;
        self->leaks = strtol(rest, &end, 10);
        self->once = strcmp(end, " once") == 0;
    } else if (strcmp(keyword, "clean") == 0) {
        self->kind = KIND_CLEAN;
    } else if (strcmp(keyword, "always") == 0) {
        self->kind = KIND_ALWAYS;
    } else if (strcmp(keyword, "seedless") == 0) {
        self->kind = KIND_SEEDLESS;
    } else if (strcmp(keyword, "exact") == 0) {
        self->has_exact = true;
        self->buffers = strtol(rest, &end, 10);
        self->bytes = strtol(end, NULL, 10);
    }
}

static void read_expectations(const char *path) {
    FILE *in = fopen(path, "r");
    char line[1024];
    if (in == NULL) {
        die(strerror(errno), path);
    }
    while (fgets(line, sizeof line, in) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line + strcspn(line, " ");
        rest += *rest == ' ' ? (*rest = '\0', 1) : 0;
        if (strcmp(line, "case") == 0) {
            begin_case(rest);
        } else if (line[0] != '\0' && line[0] != '#' && bug_count > 0) {
            read_line(&bugs[bug_count - 1], line, rest);
        }
    }
    (void)fclose(in);
    for (size_t i = 0; i < bug_count; i++) {
        if (bugs[i].kind == KIND_UNTOLD) {
            die("neither sample, clean, always nor seedless", bugs[i].name);
        }
    }
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

static void set_number(const char *name, uint64_t value) {
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    (void)setenv(name, text, 1);
}

/* Runs the program, with its output thrown away. Returns its status as a shell does; *pid is its process. */
static int run_program(const row *self, uint64_t seed, pid_t *pid) {
    char path[sizeof folder + 80];
    char times[32];
    char *arguments[WORDS_MAX + 2] = {path};
    const seeded *bug = self->bug;
    int status = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, bug->words[0]);
    for (size_t i = 1; i < bug->word_count; i++) {
        arguments[i] = self->bug->words[i];
    }
    (void)snprintf(times, sizeof times, "%ld", self->times);
    arguments[bug->word_count] = self->times > 1 ? times : NULL;
    set_number("POOLBUF_LEAK_SEED", seed);
    set_number("POOLBUF_LEAK_SAMPLING_INTERVAL", self->interval);
    (void)setenv("POOLBUF_LEAK_LEVEL", self->level, 1);
    posix_spawn_file_actions_t quiet;
    if (posix_spawn_file_actions_init(&quiet) != 0 ||
        posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", 1, 0) != 0 ||
        posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", 1, 0) != 0 ||
        posix_spawn(pid, path, &quiet, NULL, arguments, environ) != 0 || waitpid(*pid, &status, 0) != *pid) {
        die("cannot run", path);
    }
    (void)posix_spawn_file_actions_destroy(&quiet);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static long number_at(json_t *root, const char *object, const char *key) {
    json_t *value = json_object_get(json_object_get(root, object), key);
    return json_is_integer(value) ? (long)json_integer_value(value) : -1;
}

/* The report of the process itself: what does not depend on the sample. */
static void check_own_report(const row *self, uint64_t seed, json_t *root) {
    const seeded *bug = self->bug;
    long buffers = number_at(root, "exact", "live_buffers");
    long bytes = number_at(root, "exact", "live_bytes");
    if (bug->has_exact && (buffers != bug->buffers * self->times || bytes != bug->bytes * self->times)) {
        fault(self, seed, "the exact counters are wrong");
    }
    /* The least k with (1 - 1/interval)^k <= 0.01; 1 in a process that has not allocated. */
    double certain = ceil(log(0.01) / log1p(-1.0 / self->interval));
    long told = number_at(root, "seen_with_99_percent", "buffers");
    long allocated = number_at(root, "exact", "allocated");
    if (fabs((double)told - (allocated == 0 ? 1.0 : certain)) > 0.5) {
        fault(self, seed, "\"seen with 99 %\" is not what the interval makes it");
    }
}

/* Reads and removes all reports of a run. Returns the number of groups in them. */
static size_t read_reports(const row *self, uint64_t seed, pid_t pid) {
    char pattern[sizeof reports + 16];
    char own[sizeof reports + 32];
    glob_t found;
    size_t groups = 0;
    bool own_found = false;
    (void)snprintf(pattern, sizeof pattern, "%s/*.json", reports);
    (void)snprintf(own, sizeof own, "%s/%ld.json", reports, (long)pid);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0) {
        fault(self, seed, "there is no report");
        return 0;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *root = json_load_file(found.gl_pathv[i], JSON_REJECT_DUPLICATES, NULL);
        if (root == NULL) {
            fault(self, seed, "a report is no JSON");
        }
        groups += json_array_size(json_object_get(root, "groups"));
        if (strcmp(found.gl_pathv[i], own) == 0) {
            own_found = true;
            check_own_report(self, seed, root);
        }
        json_decref(root);
        (void)unlink(found.gl_pathv[i]);
    }
    globfree(&found);
    if (!own_found) {
        fault(self, seed, "the process has no report");
    }
    return groups;
}

static void run_once(row *self, uint64_t seed) {
    pid_t pid = 0;
    int status = run_program(self, seed, &pid);
    bool always = self->bug->kind == KIND_ALWAYS;
    size_t groups = always ? 0 : read_reports(self, seed, pid);
    /* Resources of a program's own are in no exact count: what no sample saw is no leak to the exit status. */
    bool unknown = self->bug->kind == KIND_SAMPLE && self->bug->buffers == 0 && groups == 0;
    if (status != (unknown ? 0 : self->bug->status)) {
        fault(self, seed, "the exit status is another");
    }
    self->seen += groups > 0;
    if (self->bug->kind == KIND_CLEAN && groups > 0) {
        fault(self, seed, "a clean program is accused");
    }
}

/* --- how many are too many ---------------------------------------------------------------------------------------- */

static double binomial(long n, double p, long k) {
    double log_ways = lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
    return exp(log_ways + (double)k * log(p) + (double)(n - k) * log1p(-p));
}

/* The widest band that each tail leaves with a probability below `tail`. */
static void find_band(long n, double p, double tail, long *low, long *high) {
    double below = 0;
    double above = 0;
    for (*low = 0; *low < n && below + binomial(n, p, *low) < tail; (*low)++) {
        below += binomial(n, p, *low);
    }
    for (*high = n; *high > 0 && above + binomial(n, p, *high) < tail; (*high)--) {
        above += binomial(n, p, *high);
    }
}

static void plan(row *self, seeded *bug, const char *level) {
    *self = (row){.bug = bug, .level = level, .times = 1, .interval = INTERVAL};
    if (bug->kind == KIND_CLEAN) {
        self->times = CLEAN_TIMES;
        self->interval = CLEAN_INTERVAL;
    } else if (bug->kind == KIND_SAMPLE && bug->once) {
        double half = 1 / -expm1(log(0.5) / (double)bug->leaks);
        self->interval = half < 2 ? 2 : (uint32_t)lround(half);
    } else if (bug->kind == KIND_SAMPLE) {
        long half = lround(log(0.5) / log1p(-1.0 / INTERVAL));
        self->times = (half + bug->leaks / 2) / bug->leaks;
        self->times = self->times < 1 ? 1 : self->times;
    }
    self->probability = -expm1((double)(bug->leaks * self->times) * log1p(-1.0 / self->interval));
}

static void judge_row(const row *self, long seeds, long rows) {
    long low = 0;
    long high = 0;
    find_band(seeds, self->probability, ALARM / 2 / 2 / (double)rows, &low, &high);
    bool inside = self->seen >= low && self->seen <= high;
    printf("%-26s %-9s %8ld %9u  %.3f %9.1f %6ld %5ld to %-5ld%s\n", self->bug->name, self->level,
           self->bug->leaks * self->times, self->interval, self->probability, (double)seeds * self->probability,
           self->seen, low, high, inside ? "" : "FAILED");
    faults += !inside;
}

static void judge_all(const row *rows, size_t count, long seeds) {
    long sampled = 0;
    long seen = 0;
    double expected = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].bug->kind == KIND_SAMPLE) {
            sampled++;
            seen += rows[i].seen;
            expected += (double)seeds * rows[i].probability;
        }
    }
    double allowed = sqrt((double)(sampled * seeds) * log(2 / (ALARM / 2)) / 2);
    printf("%ld runs with leaks: seen in %ld, expected in %.1f; a difference of %.0f is allowed\n", sampled * seeds,
           seen, expected, allowed);
    printf("%ld runs of clean programs and of misuse\n", ((long)count - sampled) * seeds);
    if (fabs((double)seen - expected) > allowed) {
        printf("FAILED: all in all the sample does not hold its probability\n");
        faults++;
    }
}

/* --- the program -------------------------------------------------------------------------------------------------- */

static void prepare(void) {
    char path[sizeof reports + 16];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0 || mkdtemp(reports) == NULL) {
        die("cannot begin", strerror(errno));
    }
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    (void)snprintf(path, sizeof path, "%s/%%p.json", reports);
    (void)setenv("POOLBUF_LEAK_REPORT", path, 1);
    (void)setenv("POOLBUF_LEAK_NOTICE", "off", 1);
    (void)setenv("POOLBUF_LEAK_DENSE_START", "0", 1);
    set_number("POOLBUF_LEAK_EXIT_CODE", LEAK_STATUS);
}

static bool is_wanted(const seeded *bug, int count, char **names) {
    bool wanted = count == 0 && bug->kind != KIND_SEEDLESS;
    for (int i = 0; i < count; i++) {
        wanted = wanted || strcmp(bug->name, names[i]) == 0;
    }
    return wanted;
}

static void run_row(row *self, size_t ordinal, long seeds) {
    if (self->bug->set[0] != '\0') {
        (void)putenv(self->bug->set);
    }
    for (long i = 1; i <= seeds; i++) {
        run_once(self, (uint64_t)ordinal * (uint64_t)seeds + (uint64_t)i);
    }
    char name[sizeof self->bug->set];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(self->bug->set, "="), self->bug->set);
    if (name[0] != '\0') {
        (void)unsetenv(name);
    }
}

int main(int count, char **arguments) {
    static const char *const NAMES[LEVELS] = {"simple", "advanced"};
    static row rows[CASES_MAX * LEVELS];
    size_t row_count = 0;
    long sampled = 0;
    long seeds = 200;
    int at = 1;
    if (count > 2 && strcmp(arguments[1], "--seeds") == 0) {
        seeds = strtol(arguments[2], NULL, 10);
        at = 3;
    }
    if (at >= count || seeds < 1) {
        (void)fprintf(stderr, "usage: bugs_seeds [--seeds N] EXPECTATIONS [CASE...]\n");
        return 2;
    }
    read_expectations(arguments[at]);
    prepare();
    for (size_t i = 0; i < bug_count; i++) {
        for (size_t j = 0; j < LEVELS && is_wanted(&bugs[i], count - at - 1, arguments + at + 1); j++) {
            plan(&rows[row_count++], &bugs[i], NAMES[j]);
            sampled += bugs[i].kind == KIND_SAMPLE;
        }
    }
    if (row_count == 0) {
        die("no such case", arguments[count - 1]);
    }
    printf("%-26s %-9s %8s %9s  %5s %9s %6s %s\n", "case", "level", "leaks", "1 in", "p", "expected", "seen",
           "allowed");
    for (size_t i = 0; i < row_count; i++) {
        run_row(&rows[i], i, seeds);
        if (rows[i].bug->kind == KIND_SAMPLE) {
            judge_row(&rows[i], seeds, sampled);
        }
        (void)fflush(stdout);
    }
    (void)rmdir(reports);
    judge_all(rows, row_count, seeds);
    printf(faults == 0 ? "all of it holds\n" : "%ld faults\n", faults);
    return faults == 0 ? 0 : 1;
}
