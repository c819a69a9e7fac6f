/* A threaded server in small, for as long as wanted, with everything at once that a leak detector may stumble over:
 *
 *   workers    requests: buffers of all sizes, retained, sliced, grown, handed over; connections that keep some
 *   visitors   threads that come, allocate, hand over, and end
 *   forker     forks children that allocate at whatever level is set, and exit
 *   loader     dlopen() and dlclose() of a library that allocates in its constructor
 *   asker      signals that ask for reports
 *   changer    the level, between all four
 *   and, from the environment, reports and scans on an interval (POOLBUF_LEAK_*)
 *
 *   soak PLUGIN SECONDS [SEED]     PLUGIN: - for no loader; SEED: 0 or none for a random one
 *
 * Exit codes: 0 fine; 1 something failed, which a line says; aborts where a part makes no progress in STUCK_SECONDS, after
 * stacks by gdb or eu-stack where there is one. From JUDGED_SECONDS on, growth is judged: after a warm-up of a tenth of the
 * run, the line fitted through the detector's own memory, and that through the least of resident memory in each sixtieth of
 * the run, must rise by no more than GROWTH_KIB and a GROWTH_PART-th of its mean over the rest of the run, however
 * long that is. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

enum {
    WORKERS = 3,
    CONNECTIONS = 128, /* of a worker, a buffer each */
    QUEUE = 64,
    STUCK_SECONDS = 60,
    JUDGED_SECONDS = 120,
    GROWTH_KIB = 4096,
    GROWTH_PART = 20,
    SAMPLES = 1 << 16,
    WINDOWS = 60,
    NOTE_SECONDS = 60
};

typedef struct part {
    const char *name;
    void *(*run)(struct part *self);
    uint64_t random;
    atomic_ullong beats; /* the watch in main() looks whether it grows */
    unsigned long long seen;
    time_t seen_at;
    pthread_t thread;
} part;

static atomic_bool done;
static atomic_bool failed;
static const char *plugin_path;
static atomic_ullong forks, loads, signals_sent, threads_ended;

static uint64_t draw(part *self) {
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

static void pause_ms(uint64_t ms) {
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

static time_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void fail(const char *what) {
    fprintf(stderr, "soak: %s\n", what);
    atomic_store(&failed, true);
    atomic_store(&done, true);
}

/* --- handing over ---------------------------------------------------------------------------------------------------- */

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static poolbuf *queue[QUEUE];
static size_t queued;

/* Takes the reference; where there is no room it ends here. */
static void hand_over(poolbuf *buffer) {
    pthread_mutex_lock(&queue_lock);
    bool room = queued < QUEUE;
    if (room) {
        queue[queued++] = buffer;
    }
    pthread_mutex_unlock(&queue_lock);
    if (!room) {
        poolbuf_release(buffer);
    }
}

static poolbuf *take_over(void) {
    pthread_mutex_lock(&queue_lock);
    poolbuf *buffer = queued > 0 ? queue[--queued] : NULL;
    pthread_mutex_unlock(&queue_lock);
    return buffer;
}

/* --- what a request does --------------------------------------------------------------------------------------------- */

static size_t draw_size(part *self) {
    uint64_t random = draw(self);
    return random % 64 == 0 ? 1 + random / 64 % 200000 : 1 + random / 64 % (random % 8 == 0 ? 9000 : 600);
}

static __attribute__((noinline)) poolbuf *receive(part *self, unsigned depth) {
    if (depth > 0) {
        poolbuf *buffer = receive(self, depth - 1);
        if (buffer != NULL) {
            poolbuf_touch(buffer, "on its way");
        }
        return buffer;
    }
    size_t size = draw_size(self);
    poolbuf *buffer = poolbuf_allocate(NULL, size, 2 * size);
    if (buffer == NULL || poolbuf_write_u8(buffer, (uint8_t)size) != POOLBUF_OK) {
        fail("no memory");
    }
    return buffer;
}

static void work_on(part *self, poolbuf *buffer) {
    uint64_t random = draw(self);
    if (random % 4 == 0) {
        poolbuf *slice = poolbuf_retained_slice(buffer, 0, 1);
        if (slice != NULL) {
            poolbuf_release(slice);
        }
    }
    if (random % 8 == 0) {
        (void)!poolbuf_set_capacity(buffer, poolbuf_capacity(buffer) + poolbuf_capacity(buffer) / 4);
    }
    if (random % 3 == 0) {
        hand_over(poolbuf_retain(buffer));
    }
}

static void *work(part *self) {
    poolbuf *connections[CONNECTIONS] = {NULL};
    while (!atomic_load(&done)) {
        poolbuf *buffer = receive(self, (unsigned)(draw(self) % 6));
        poolbuf *other = take_over();
        if (buffer == NULL) {
            break;
        }
        work_on(self, buffer);
        poolbuf **kept = &connections[draw(self) % CONNECTIONS];
        if (*kept != NULL) {
            poolbuf_release(*kept);
        }
        *kept = buffer;
        if (other != NULL) {
            poolbuf_release(other);
        }
        if (atomic_fetch_add(&self->beats, 1) % 64 == 0) {
            pause_ms(1); /* so that this runs beside other work on the machine */
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (connections[i] != NULL) {
            poolbuf_release(connections[i]);
        }
    }
    return NULL;
}

static void *visit(void *seed) {
    part self = {.name = "visitor", .random = *(uint64_t *)seed};
    for (unsigned i = 0; i < 100; i++) {
        poolbuf *buffer = receive(&self, 2);
        if (buffer != NULL) {
            work_on(&self, buffer);
            hand_over(buffer);
        }
    }
    return NULL;
}

static void *receive_visitors(part *self) {
    while (!atomic_load(&done)) {
        uint64_t seed = draw(self) | 1;
        pthread_t thread;
        if (pthread_create(&thread, NULL, visit, &seed) != 0) {
            fail("no thread");
            break;
        }
        pthread_join(thread, NULL);
        atomic_fetch_add(&threads_ended, 1);
        atomic_fetch_add(&self->beats, 1);
        pause_ms(draw(self) % 8);
    }
    return NULL;
}

/* --- what happens beside it ------------------------------------------------------------------------------------------ */

static void show_stacks(pid_t pid) {
    char command[256];
    snprintf(command, sizeof command,
             "if command -v gdb >/dev/null; then gdb -p %ld -batch -ex 'thread apply all bt 24' 2>/dev/null; "
             "elif command -v eu-stack >/dev/null; then eu-stack -p %ld; else echo 'no gdb or eu-stack'; fi >&2",
             (long)pid, (long)pid);
    if (system(command) != 0) {
        fprintf(stderr, "soak: no stacks to be had\n");
    }
}

/* It does not end by exit(): a fork that meets another thread in dlclose() leaves glibc's list of exit handlers locked. */
__attribute__((noreturn)) static void live_as_child(part *self) {
    poolbuf *buffers[16];
    for (size_t i = 0; i < 16; i++) {
        buffers[i] = receive(self, (unsigned)(draw(self) % 6));
        if (buffers[i] == NULL) {
            _exit(1);
        }
    }
    for (size_t i = 0; i < 16; i++) {
        poolbuf_release(buffers[i]);
    }
    _exit(0);
}

static void *make_children(part *self) {
    while (!atomic_load(&done)) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            live_as_child(self);
        }
        time_t limit = now_s() + STUCK_SECONDS;
        while (child > 0 && waitpid(child, &status, WNOHANG) == 0 && now_s() < limit) {
            pause_ms(1);
        }
        if (child < 0 || status != 0) {
            fprintf(stderr, "soak: a child ended with status %d%s\n", status, now_s() >= limit ? ", stuck" : "");
            if (child > 0 && now_s() >= limit) {
                show_stacks(child);
                kill(child, SIGKILL);
            }
            fail("a child failed");
        }
        atomic_fetch_add(&forks, 1);
        atomic_fetch_add(&self->beats, 1);
        draw(self);
        pause_ms(draw(self) % 30);
    }
    return NULL;
}

static void *load_and_unload(part *self) {
    while (!atomic_load(&done)) {
        void *plugin = plugin_path == NULL ? NULL : dlopen(plugin_path, RTLD_NOW);
        if (plugin != NULL) {
            dlclose(plugin);
            atomic_fetch_add(&loads, 1);
        } else if (plugin_path != NULL) {
            fail(dlerror());
        }
        atomic_fetch_add(&self->beats, 1);
        pause_ms(draw(self) % 10);
    }
    return NULL;
}

static void *ask(part *self) {
    while (!atomic_load(&done)) {
        kill(getpid(), SIGUSR2);
        atomic_fetch_add(&signals_sent, 1);
        atomic_fetch_add(&self->beats, 1);
        pause_ms(draw(self) % 400);
    }
    return NULL;
}

static void *change_level(part *self) {
    while (!atomic_load(&done)) {
        if (leakdetect_set_level((leakdetect_level)(draw(self) % LEAKDETECT_LEVEL_COUNT)) != POOLBUF_OK) {
            fail("a level was refused");
        }
        atomic_fetch_add(&self->beats, 1);
        pause_ms(draw(self) % 300);
    }
    return NULL;
}

static part parts[] = {
    {.name = "worker 1", .run = work},
    {.name = "worker 2", .run = work},
    {.name = "worker 3", .run = work},
    {.name = "visitors", .run = receive_visitors},
    {.name = "forker", .run = make_children},
    {.name = "loader", .run = load_and_unload},
    {.name = "asker", .run = ask},
    {.name = "changer", .run = change_level},
};

enum {
    PARTS = sizeof parts / sizeof parts[0]
};

static void *run_part(void *self) {
    return ((part *)self)->run(self);
}

/* --- the watch ------------------------------------------------------------------------------------------------------- */

typedef struct sample {
    double seconds, resident_kib, detector_kib;
} sample;

static sample samples[SAMPLES];
static size_t sample_count;

static void take_sample(double seconds) {
    leakdetect_counts counts = {.struct_size = sizeof counts};
    char line[256] = "";
    FILE *in = fopen("/proc/self/statm", "r"); /* pages: mapped, resident, ... */
    if (in == NULL || fgets(line, sizeof line, in) == NULL || leakdetect_count(&counts) != POOLBUF_OK) {
        fail("no figures");
    }
    char *behind = line;
    (void)strtoul(line, &behind, 10);
    const unsigned long resident = strtoul(behind, NULL, 10);
    if (in != NULL) {
        fclose(in);
    }
    if (sample_count < SAMPLES) {
        samples[sample_count++] =
            (sample){seconds, (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024, (double)counts.memory / 1024};
    }
}

static void note_progress(void) {
    const sample *last = &samples[sample_count - 1];
    unsigned long long requests = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        requests += atomic_load(&parts[i].beats);
    }
    printf(
        "%6.0f s: %llu requests, %llu forks, %llu loads, %llu signals, %llu threads; resident %.0f KiB, detector %.0f "
        "KiB\n",
        last->seconds, requests, atomic_load(&forks), atomic_load(&loads), atomic_load(&signals_sent),
        atomic_load(&threads_ended), last->resident_kib, last->detector_kib);
    fflush(stdout);
}

static void check_progress(void) {
    time_t now = now_s();
    for (size_t i = 0; i < PARTS; i++) {
        unsigned long long beats = atomic_load(&parts[i].beats);
        if (beats != parts[i].seen || parts[i].seen_at == 0) {
            parts[i].seen = beats;
            parts[i].seen_at = now;
        } else if (now - parts[i].seen_at > STUCK_SECONDS && !atomic_load(&failed)) {
            fprintf(stderr, "soak: %s made no progress in %d s\n", parts[i].name, STUCK_SECONDS);
            show_stacks(getpid());
            abort();
        }
    }
}

/* By how much the line through the samples after the warm-up rises from its first to its last, and their mean. */
static double fit_rise(size_t offset, double *mean) {
    size_t first = sample_count / 10;
    double count = (double)(sample_count - first);
    double sum_x = 0;
    double sum_y = 0;
    double sum_xx = 0;
    double sum_xy = 0;
    for (size_t i = first; i < sample_count; i++) {
        double x = samples[i].seconds;
        double y;
        memcpy(&y, (const char *)&samples[i] + offset, sizeof y);
        sum_x += x;
        sum_y += y;
        sum_xx += x * x;
        sum_xy += x * y;
    }
    double spread = count * sum_xx - sum_x * sum_x;
    *mean = sum_y / count;
    return spread <= 0 ? 0
                       : (count * sum_xy - sum_x * sum_y) / spread *
                             (samples[sample_count - 1].seconds - samples[first].seconds);
}

/* A report that is being written takes some 16 MiB and gives them back. So of resident memory each sixtieth of the run
 * counts by its least, or the line would lean to where reports happened to be met. */
static void keep_least(void) {
    size_t length = sample_count / WINDOWS;
    if (length < 2) {
        return;
    }
    for (size_t w = 0; w < WINDOWS; w++) {
        sample least = samples[w * length];
        for (size_t i = w * length; i < (w + 1) * length; i++) {
            least.resident_kib =
                samples[i].resident_kib < least.resident_kib ? samples[i].resident_kib : least.resident_kib;
        }
        samples[w] = least;
    }
    sample_count = WINDOWS;
}

static void judge_growth(const char *what, size_t offset) {
    double mean = 0;
    double rise = fit_rise(offset, &mean);
    double bound = GROWTH_KIB + mean / GROWTH_PART;
    bool judged = samples[sample_count - 1].seconds >= JUDGED_SECONDS;
    printf("%s: mean %.0f KiB, rise after the warm-up %.0f KiB, bound %.0f KiB%s\n", what, mean, rise, bound,
           judged ? "" : " (too short to judge)");
    if (judged && rise > bound) {
        fail("memory grows");
    }
}

static void watch(long seconds) {
    struct timespec began;
    struct timespec now;
    double noted = 0;
    double sampled = -1;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (double passed = 0; passed < (double)seconds && !atomic_load(&done);) {
        pause_ms(100);
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed = (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9;
        if (passed - sampled >= (double)seconds / 4096) {
            sampled = passed;
            take_sample(passed);
        }
        check_progress();
        if (passed - noted >= NOTE_SECONDS) {
            noted = passed;
            note_progress();
        }
    }
    note_progress();
}

/* Nothing waits for ever at the end either: the threads see `done`, and the watchdog of the script ends what does not. */
static void stop(void) {
    leakdetect_counts counts = {.struct_size = sizeof counts};
    poolbuf *buffer;
    atomic_store(&done, true);
    for (size_t i = 0; i < PARTS; i++) {
        pthread_join(parts[i].thread, NULL);
    }
    while ((buffer = take_over()) != NULL) {
        poolbuf_release(buffer);
    }
    if (leakdetect_count(&counts) != POOLBUF_OK || counts.live != 0) {
        fprintf(stderr, "soak: %llu tracked at the end\n", (unsigned long long)counts.live);
        fail("something is tracked that was released");
    }
}

int main(int count, char **arguments) {
    long seconds = count > 2 ? strtol(arguments[2], NULL, 10) : 0;
    uint64_t seed = count > 3 ? strtoull(arguments[3], NULL, 10) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: soak PLUGIN SECONDS [SEED]\n");
        return 2;
    }
    seed = seed != 0 ? seed : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    plugin_path = strcmp(arguments[1], "-") == 0 ? NULL : arguments[1];
    printf("seed %llu\n", (unsigned long long)seed);
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    for (size_t i = 0; i < PARTS; i++) {
        parts[i].random = seed * 0x9e3779b97f4a7c15u + i * 0xd1342543de82ef95u + 1;
        if (pthread_create(&parts[i].thread, NULL, run_part, &parts[i]) != 0) {
            return 1;
        }
    }
    watch(seconds);
    stop();
    judge_growth("detector", offsetof(sample, detector_kib));
    keep_least();
    judge_growth("resident", offsetof(sample, resident_kib));
    return atomic_load(&failed) ? 1 : 0;
}
