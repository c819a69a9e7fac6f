/* The checks, each a function that adds one finding. Files are read below a root, so that each state can be shown to
 * it. */
#include "measure/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "measure/cgroup.h"

enum {
    TEXT_SIZE = 8192,
    PATH_SIZE = 4096
};

/* From here on, what others take is more than a paired run evens out. Shares of a processor's time. */
#define STEAL_SPOILS 0.02
#define BUSY_SPOILS  0.10
/* Reading the clock twice an operation is not done, so its cost matters little; a clock that a hypervisor serves in
 * microseconds is another matter. */
#define CLOCK_COST_SPOILS_NS 1000.0

typedef struct examination {
    const doctor_plan *plan;
    doctor_report *report;
} examination;

static void add(examination *self, const char *name, doctor_level level, const char *why, const char *advice,
                const char *format, ...) __attribute__((format(printf, 6, 7)));

static void add(examination *self, const char *name, doctor_level level, const char *why, const char *advice,
                const char *format, ...) {
    if (self->report->count == DOCTOR_FINDINGS_MAX) {
        return;
    }
    doctor_finding *out = &self->report->findings[self->report->count++];
    *out = (doctor_finding){.name = name, .level = level, .why = why, .advice = level == DOCTOR_FINE ? NULL : advice};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(out->state, sizeof out->state, format, arguments); /* NOLINT(clang-analyzer-valist.*) */
    va_end(arguments);
}

/* The whole of a small file, without the last newline; false when it cannot be read. */
static bool read_text(const examination *self, const char *path, char text[TEXT_SIZE]) {
    char full[PATH_SIZE];
    (void)snprintf(full, sizeof full, "%s%s", self->plan->root, path);
    FILE *file = fopen(full, "re");
    if (file == NULL) {
        return false;
    }
    size_t length = fread(text, 1, TEXT_SIZE - 1, file);
    const bool good = ferror(file) == 0;
    (void)fclose(file);
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    text[length] = '\0';
    return good;
}

/* The word between brackets, as sysfs marks what is chosen. */
static void take_chosen(char *text) {
    const char *start = strchr(text, '[');
    const char *end = start == NULL ? NULL : strchr(start, ']');
    if (end != NULL) {
        const size_t length = (size_t)(end - start - 1);
        memmove(text, start + 1, length);
        text[length] = '\0';
    }
}

/* ---- the processor ---- */

static void check_governor(examination *self) {
    static const char why[] = "a governor that saves power changes the frequency in the middle of a round";
    static const char advice[] = "as root: cpupower frequency-set -g performance";
    char text[TEXT_SIZE];
    if (!read_text(self, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text)) {
        add(self, "governor", DOCTOR_UNKNOWN, why, "nothing here; on a virtual machine the host decides",
            "not shown by this kernel");
    } else {
        const bool steady = strcmp(text, "performance") == 0;
        add(self, "governor", steady ? DOCTOR_FINE : DOCTOR_SPOILS, why, advice, "%.64s", text);
    }
}

static void check_turbo(examination *self) {
    static const char why[] = "turbo follows temperature and what other cores do, so that early rounds run faster";
    static const char advice[] = "as root: echo 1 >/sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 "
                                 ">/sys/devices/system/cpu/cpufreq/boost";
    char text[TEXT_SIZE];
    bool on = false;
    if (read_text(self, "/sys/devices/system/cpu/intel_pstate/no_turbo", text)) {
        on = text[0] == '0';
    } else if (read_text(self, "/sys/devices/system/cpu/cpufreq/boost", text)) {
        on = text[0] == '1';
    } else {
        add(self, "turbo", DOCTOR_UNKNOWN, why, "nothing here; on a virtual machine the host decides",
            "not shown by this kernel");
        return;
    }
    add(self, "turbo", on ? DOCTOR_NOTE : DOCTOR_FINE, why, advice, "%s", on ? "on" : "off");
}

static void check_smt(examination *self) {
    static const char why[] =
        "two threads on one core share its caches and units: times with threads depend on placement";
    static const char advice[] = "as root: echo off >/sys/devices/system/cpu/smt/control, or pin to one thread a core";
    char text[TEXT_SIZE];
    if (!read_text(self, "/sys/devices/system/cpu/smt/active", text)) {
        add(self, "SMT", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
    } else {
        const bool on = text[0] == '1';
        add(self, "SMT", on ? DOCTOR_NOTE : DOCTOR_FINE, why, advice, "%s", on ? "on" : "off");
    }
}

/* ---- limits ---- */

static double processors(const examination *self) {
    char text[TEXT_SIZE];
    double count = 0;
    if (self->plan->root[0] == '\0') {
        return (double)sysconf(_SC_NPROCESSORS_ONLN);
    }
    if (read_text(self, "/proc/stat", text)) {
        for (const char *line = text; (line = strstr(line, "\ncpu")) != NULL; line++) {
            count++;
        }
    }
    return count > 0 ? count : 1;
}

static void check_cpu_limit(examination *self) {
    static const char why[] =
        "a process that has used its share is stopped until the next period: rounds stall at random";
    static const char advice[] =
        "lift the CPU limit (docker --cpus, CPUQuota= of systemd, cpu.max), or pin to processors instead";
    const double limit = cgroup_cpu_limit(self->plan->root);
    if (limit <= 0) {
        add(self, "CPU limit", DOCTOR_FINE, why, NULL, "none");
    } else {
        add(self, "CPU limit", DOCTOR_SPOILS, why, advice, "%.2f processors", limit);
    }
}

/* How many processors a list like "0-3,8" has; 0 if it is none. */
static double count_listed(const char *list) {
    double count = 0;
    while (*list != '\0' && *list != '\n') {
        char *end = NULL;
        const long first = strtol(list, &end, 10);
        const bool is_range = end != list && *end == '-';
        const long last = is_range ? strtol(end + 1, &end, 10) : first;
        if (end == list || last < first || (*end != ',' && *end != '\0' && *end != '\n')) {
            return 0;
        }
        count += (double)(last - first + 1);
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

static void check_affinity(examination *self) {
    static const char why[] =
        "threads beyond the processors that they may run on take turns: what one hands to another waits "
        "for the scheduler";
    static const char advice[] =
        "give scenarios of several threads as many processors (taskset, cpuset.cpus, docker --cpuset-cpus)";
    static const char key[] = "\nCpus_allowed_list:";
    char text[TEXT_SIZE];
    const char *list = read_text(self, "/proc/self/status", text) ? strstr(text, key) : NULL;
    const double allowed =
        list == NULL ? 0 : count_listed(list + sizeof key - 1 + strspn(list + sizeof key - 1, " \t"));
    const double all = processors(self);
    if (allowed == 0) {
        add(self, "affinity", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
    } else if (allowed < all) {
        add(self, "affinity", DOCTOR_NOTE, why, advice, "%.0f of %.0f processors", allowed, all);
    } else {
        add(self, "affinity", DOCTOR_FINE, why, NULL, "all processors");
    }
}

static void check_memory_limit(examination *self) {
    static const char why[] = "near the limit the kernel reclaims, and a subject that holds more is slowed or killed";
    static const char advice[] = "give the container 1 GiB or more";
    const double limit = cgroup_memory_limit(self->plan->root);
    if (limit <= 0) {
        add(self, "memory limit", DOCTOR_FINE, why, NULL, "none");
    } else {
        add(self, "memory limit", limit < 0x1p30 ? DOCTOR_SPOILS : DOCTOR_NOTE, why, advice, "%.0f MiB",
            limit / 0x1p20);
    }
}

/* ---- memory ---- */

static void check_huge_pages(examination *self) {
    static const char why[] = "with transparent huge pages, faults and resident memory depend on what the kernel could "
                              "merge: subjects differ by luck";
    static const char advice[] = "as root: echo madvise >/sys/kernel/mm/transparent_hugepage/enabled";
    char text[TEXT_SIZE];
    if (!read_text(self, "/sys/kernel/mm/transparent_hugepage/enabled", text)) {
        add(self, "huge pages", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
        return;
    }
    take_chosen(text);
    add(self, "huge pages", strcmp(text, "always") == 0 ? DOCTOR_NOTE : DOCTOR_FINE, why, advice, "%.64s", text);
}

static void check_aslr(examination *self) {
    static const char why[] =
        "where code and memory lie decides cache conflicts; random places in each process average "
        "them out, fixed ones make one accident look like a fact";
    static const char advice[] = "as root: sysctl kernel.randomize_va_space=2";
    char text[TEXT_SIZE];
    if (!read_text(self, "/proc/sys/kernel/randomize_va_space", text)) {
        add(self, "ASLR", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
    } else {
        const bool on = text[0] == '2';
        add(self, "ASLR", on ? DOCTOR_FINE : DOCTOR_NOTE, why, advice, "%s",
            on               ? "full"
            : text[0] == '1' ? "without the heap"
                             : "off");
    }
}

static double count_after(const char *text, const char *name) {
    const char *found = strstr(text, name);
    return found == NULL ? -1 : strtod(found + strlen(name), NULL);
}

static void check_swap(examination *self) {
    static const char why[] = "a page that was swapped out costs milliseconds when it is touched";
    static const char advice[] = "end what fills the memory; as root: swapoff -a";
    char text[TEXT_SIZE];
    const bool found = read_text(self, "/proc/meminfo", text);
    const double total = found ? count_after(text, "SwapTotal:") : -1;
    const double unused = found ? count_after(text, "SwapFree:") : -1;
    if (total < 0 || unused < 0) {
        add(self, "swap", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
    } else if (total - unused > 0) {
        add(self, "swap", DOCTOR_NOTE, why, advice, "%.0f of %.0f MiB in use", (total - unused) / 1024, total / 1024);
    } else {
        add(self, "swap", DOCTOR_FINE, why, NULL, "%s", total > 0 ? "there, not in use" : "none");
    }
}

/* ---- who else is here ---- */

static void check_load(examination *self) {
    static const char why[] =
        "others who compute share caches, memory and, when there are more of them than cores, time";
    static const char advice[] = "wait until they are done";
    char text[TEXT_SIZE];
    if (!read_text(self, "/proc/loadavg", text)) {
        add(self, "load", DOCTOR_UNKNOWN, why, "nothing here", "not shown by this kernel");
        return;
    }
    const double load = strtod(text, NULL);
    const double cores = processors(self);
    const doctor_level level = load > 0.75 * cores ? DOCTOR_SPOILS : load > 0.25 * cores ? DOCTOR_NOTE : DOCTOR_FINE;
    add(self, "load", level, why, advice, "%.2f on %.0f processor%s", load, cores, cores == 1 ? "" : "s");
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal. */
typedef struct cpu_times {
    double idle, steal, all;
} cpu_times;

static bool read_times(const examination *self, const char *path, cpu_times *out) {
    char text[TEXT_SIZE];
    if (!read_text(self, path, text) || strncmp(text, "cpu ", 4) != 0) {
        return false;
    }
    *out = (cpu_times){.all = 0};
    char *at = text + 4;
    for (int i = 0; i < 8; i++) {
        char *end = NULL;
        const double value = strtod(at, &end);
        if (end == at) {
            return false;
        }
        at = end;
        out->all += value;
        out->idle += i == 3 || i == 4 ? value : 0;
        out->steal += i == 7 ? value : 0;
    }
    return true;
}

/* The kernel takes back, now and then, what it has counted as waiting for a disk, and hypervisors what they have counted as stolen. */
static double risen(double before, double after) {
    return after > before ? after - before : 0;
}

/* A fixture has what /proc/stat says after the watch beside it. */
static void check_neighbours(examination *self) {
    static const char why_steal[] = "the hypervisor gives this machine's time to others: rounds are slow at random";
    static const char advice_steal[] = "a dedicated host; or more rounds (--rounds 32)";
    static const char why_busy[] = "while nothing is measured nobody should compute: caches and time are shared";
    cpu_times before;
    cpu_times after;
    if (self->plan->watch_ms == 0) {
        return;
    }
    const bool has_before = read_times(self, "/proc/stat", &before);
    const struct timespec pause = {self->plan->watch_ms / 1000, self->plan->watch_ms % 1000 * 1000000L};
    (void)nanosleep(&pause, NULL);
    if (!has_before || !(read_times(self, "/proc/stat.after", &after) || read_times(self, "/proc/stat", &after)) ||
        !(after.all > before.all)) {
        add(self, "steal", DOCTOR_UNKNOWN, why_steal, "nothing here", "not shown by this kernel");
        return;
    }
    const double all = after.all - before.all;
    const double idle_ticks = risen(before.idle, after.idle);
    const double steal_ticks = risen(before.steal, after.steal);
    const double steal = steal_ticks / all;
    const double busy = risen(idle_ticks + steal_ticks, all) / all;
    add(self, "steal", steal > STEAL_SPOILS ? DOCTOR_SPOILS : DOCTOR_FINE, why_steal, advice_steal,
        "%.1f %% of the time in %u ms", steal * 100, self->plan->watch_ms);
    add(self, "neighbours", busy > BUSY_SPOILS ? DOCTOR_SPOILS : DOCTOR_FINE, why_busy, "end what computes beside",
        "%.1f %% of all processors busy in %u ms", busy * 100, self->plan->watch_ms);
}

/* ---- clocks and counters ---- */

static double now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void check_clock(examination *self) {
    static const char why[] =
        "a clock that is not read in user space costs a system call, and short parts are measured "
        "with it";
    static const char advice[] = "boot with clocksource=tsc, if the processor's counter is stable";
    char text[TEXT_SIZE];
    const bool found = read_text(self, "/sys/devices/system/clocksource/clocksource0/current_clocksource", text);
    const bool is_fast = found && (strcmp(text, "tsc") == 0 || strcmp(text, "kvm-clock") == 0 ||
                                   strcmp(text, "arch_sys_counter") == 0 || strncmp(text, "hyperv", 6) == 0);
    add(self, "clock source",
        !found    ? DOCTOR_UNKNOWN
        : is_fast ? DOCTOR_FINE
                  : DOCTOR_SPOILS,
        why, advice, "%.64s", found ? text : "not shown by this kernel");
    if (!self->plan->with_clock) {
        return;
    }
    enum {
        READINGS = 2000
    };
    struct timespec resolution = {0};
    (void)clock_getres(CLOCK_MONOTONIC, &resolution);
    const double start = now_ns();
    for (int i = 0; i < READINGS; i++) {
        (void)now_ns();
    }
    const double cost = (now_ns() - start) / READINGS;
    add(self, "clock", cost > CLOCK_COST_SPOILS_NS || resolution.tv_nsec > 1000 ? DOCTOR_SPOILS : DOCTOR_FINE, why,
        advice, "%.0f ns a reading, resolution %ld ns", cost, resolution.tv_nsec);
}

static void check_perf(examination *self) {
    static const char why[] = "hardware counters explain a difference; no time depends on them";
    static const char advice[] = "as root: sysctl kernel.perf_event_paranoid=1; virtual machines often have none";
    char text[TEXT_SIZE];
    if (!read_text(self, "/proc/sys/kernel/perf_event_paranoid", text)) {
        add(self, "perf", DOCTOR_NOTE, why, advice, "not built into this kernel");
    } else {
        const bool open = strtol(text, NULL, 10) <= 2;
        add(self, "perf", open ? DOCTOR_FINE : DOCTOR_NOTE, why, advice, "perf_event_paranoid is %.16s", text);
    }
}

/* ---- builds ---- */

static void check_build(examination *self) {
    static const char why[] = "without optimisation, what is measured is the compiler's restraint";
    add(self, "our build", self->plan->is_optimised ? DOCTOR_FINE : DOCTOR_SPOILS, why,
        "configure with -DCMAKE_BUILD_TYPE=Release", "%.120s", self->plan->build);
}

/* Debug builds are told by the name: the packages' own convention, and all that can be seen without running them. */
static void check_libraries(examination *self) {
    static const char why[] =
        "a debug build of an allocator checks itself, and says nothing about the one that people use";
    const char *names = self->plan->preloads;
    if (names == NULL) {
        return;
    }
    static const char *const marks[] = {"debug", "dbg", "secure", "valgrind"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const char *found = strstr(names, marks[i]);
        if (found != NULL) {
            while (found > names && found[-1] != ' ') {
                found--;
            }
            add(self, "libraries", DOCTOR_SPOILS, why, "install the ordinary package", "%.*s is no ordinary build",
                (int)strcspn(found, " "), found);
            return;
        }
    }
    add(self, "libraries", DOCTOR_FINE, why, NULL, "no debug build among those of the subjects");
}

void doctor_examine(const doctor_plan *plan, doctor_report *report) {
    examination self = {.plan = plan, .report = report};
    report->count = 0;
    check_governor(&self);
    check_turbo(&self);
    check_smt(&self);
    check_cpu_limit(&self);
    check_affinity(&self);
    check_memory_limit(&self);
    check_huge_pages(&self);
    check_aslr(&self);
    check_swap(&self);
    check_load(&self);
    check_neighbours(&self);
    check_clock(&self);
    check_perf(&self);
    check_build(&self);
    check_libraries(&self);
}

size_t doctor_spoilers(const doctor_report *report) {
    size_t count = 0;
    for (size_t i = 0; i < report->count; i++) {
        count += report->findings[i].level == DOCTOR_SPOILS ? 1 : 0;
    }
    return count;
}

const char *doctor_level_name(doctor_level level) {
    static const char *const names[] = {"fine", "note", "spoils", "unknown"};
    _Static_assert(sizeof names / sizeof names[0] == DOCTOR_LEVEL_COUNT, "every level has a word");
    return (unsigned)level < DOCTOR_LEVEL_COUNT ? names[level] : "unknown";
}
