/* Unit tests of the doctor: a host is a folder of files, each of which shows it one state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "measure/doctor.h"

static char root[64];

/* Makes the folders on the way to a file. */
static void make_way(char *path) {
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
}

static void put(const char *path, const char *text) {
    char full[512];
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    make_way(full);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const doctor_finding *find(const doctor_report *report, const char *name) {
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->findings[i].name, name) == 0) {
            return &report->findings[i];
        }
    }
    fail_msg("no finding about %s", name);
    return NULL;
}

static doctor_report examine(void) {
    const doctor_plan plan = {.root = root, .watch_ms = 1, .is_optimised = true, .build = "optimised", .preloads = ""};
    doctor_report report;
    doctor_examine(&plan, &report);
    return report;
}

static void assert_finding(const doctor_report *report, const char *name, doctor_level level, const char *state) {
    const doctor_finding *found = find(report, name);
    if (found->level != level || strstr(found->state, state) == NULL) {
        fail_msg("%s: %s, \"%s\"; expected %s, \"%s\"", name, doctor_level_name(found->level), found->state,
                 doctor_level_name(level), state);
    }
    assert_non_null(found->why);
    assert_true((found->advice == NULL) == (level == DOCTOR_FINE));
}

static int set_up(void **state) {
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/poolbuf-doctor-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

static void the_affinity_is_held_against_all_processors(void **state) {
    (void)state;
    static const struct {
        const char *list;
        doctor_level level;
        const char *says;
    } CASES[] = {{"0", DOCTOR_NOTE, "1 of 4 processors"},
                 {"0,2-3", DOCTOR_NOTE, "3 of 4 processors"},
                 {"0-3", DOCTOR_FINE, "all processors"},
                 {"0-127", DOCTOR_FINE, "all processors"},
                 {"3-1", DOCTOR_UNKNOWN, "not shown by this kernel"},
                 {"some", DOCTOR_UNKNOWN, "not shown by this kernel"}};
    put("/proc/stat", "cpu 1 1 1 1 1 1 1 1\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\nintr 1\n");
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char status[128];
        (void)snprintf(status, sizeof status, "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\nMems:\t0\n",
                       CASES[i].list);
        put("/proc/self/status", status);
        const doctor_report report = examine();
        assert_finding(&report, "affinity", CASES[i].level, CASES[i].says);
    }
}

/* On a host whose groups are not hidden from the process, the root has no limits, and a service's are its own. */
static void the_limits_are_those_of_the_process_own_groups(void **state) {
    (void)state;
    put("/proc/self/cgroup", "0::/system.slice/bench.service\n");
    put("/sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/bench.service/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/system.slice/bench.service/memory.max", "268435456\n");
    doctor_report report = examine();
    assert_finding(&report, "CPU limit", DOCTOR_SPOILS, "1.50 processors");
    assert_finding(&report, "memory limit", DOCTOR_SPOILS, "256 MiB");
    /* The lowest on the way counts. */
    put("/sys/fs/cgroup/system.slice/bench.service/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "134217728\n");
    report = examine();
    assert_finding(&report, "CPU limit", DOCTOR_SPOILS, "0.50 processors");
    assert_finding(&report, "memory limit", DOCTOR_SPOILS, "128 MiB");
}

static void the_limits_of_version_1_are_by_controller(void **state) {
    (void)state;
    put("/proc/self/cgroup", "9:cpuset:/other\n4:memory:/jobs/7\n3:cpu,cpuacct:/jobs\n0::/\n");
    put("/sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "200000\n");
    put("/sys/fs/cgroup/cpu/other/cpu.cfs_quota_us", "1000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "4294967296\n");
    put("/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "9223372036854771712\n");
    const doctor_report report = examine();
    assert_finding(&report, "CPU limit", DOCTOR_SPOILS, "0.25 processors");
    assert_finding(&report, "memory limit", DOCTOR_NOTE, "4096 MiB");
}

/* A container that sees its own part of the tree alone is told a path that it cannot find there. */
static void the_limits_of_a_container_are_at_its_root(void **state) {
    (void)state;
    put("/proc/self/cgroup", "4:memory:/docker/0123\n3:cpu:/docker/0123\n0::/../../docker/0123\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    const doctor_report report = examine();
    assert_finding(&report, "CPU limit", DOCTOR_SPOILS, "0.50 processors");
    assert_finding(&report, "memory limit", DOCTOR_SPOILS, "256 MiB");
}

static void each_file_gives_its_finding(void **state) {
    (void)state;
    static const struct {
        const char *path, *text, *name;
        doctor_level level;
        const char *state;
    } rows[] = {
        {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n", "governor", DOCTOR_SPOILS,
         "powersave"},
        {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n", "governor", DOCTOR_FINE,
         "performance"},
        {"/sys/devices/system/cpu/cpufreq/boost", "1\n", "turbo", DOCTOR_NOTE, "on"},
        {"/sys/devices/system/cpu/cpufreq/boost", "0\n", "turbo", DOCTOR_FINE, "off"},
        {"/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n", "turbo", DOCTOR_NOTE, "on"},
        {"/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n", "turbo", DOCTOR_FINE, "off"},
        {"/sys/devices/system/cpu/smt/active", "1\n", "SMT", DOCTOR_NOTE, "on"},
        {"/sys/devices/system/cpu/smt/active", "0\n", "SMT", DOCTOR_FINE, "off"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n", "CPU limit", DOCTOR_SPOILS, "0.50 processors"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n", "CPU limit", DOCTOR_FINE, "none"},
        {"/sys/fs/cgroup/cpu.max", "150000 100000\n", "CPU limit", DOCTOR_SPOILS, "1.50 processors"},
        {"/sys/fs/cgroup/cpu.max", "max 100000\n", "CPU limit", DOCTOR_FINE, "none"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", "memory limit", DOCTOR_FINE, "none"},
        {"/sys/fs/cgroup/memory.max", "268435456\n", "memory limit", DOCTOR_SPOILS, "256 MiB"},
        {"/sys/fs/cgroup/memory.max", "4294967296\n", "memory limit", DOCTOR_NOTE, "4096 MiB"},
        {"/sys/fs/cgroup/memory.max", "max\n", "memory limit", DOCTOR_FINE, "none"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n", "huge pages", DOCTOR_NOTE,
         "always"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n", "huge pages", DOCTOR_FINE,
         "madvise"},
        {"/proc/sys/kernel/randomize_va_space", "0\n", "ASLR", DOCTOR_NOTE, "off"},
        {"/proc/sys/kernel/randomize_va_space", "2\n", "ASLR", DOCTOR_FINE, "full"},
        {"/proc/meminfo", "MemTotal: 8 kB\nSwapTotal: 2048000 kB\nSwapFree: 1024000 kB\n", "swap", DOCTOR_NOTE,
         "1000 of 2000 MiB"},
        {"/proc/meminfo", "MemTotal: 8 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", "swap", DOCTOR_FINE, "none"},
        {"/proc/loadavg", "3.10 1.00 0.50 1/100 4242\n", "load", DOCTOR_SPOILS, "3.10 on 1 processor"},
        {"/proc/loadavg", "0.40 1.00 0.50 1/100 4242\n", "load", DOCTOR_NOTE, "0.40"},
        {"/proc/loadavg", "0.02 1.00 0.50 1/100 4242\n", "load", DOCTOR_FINE, "0.02"},
        {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n", "clock source", DOCTOR_SPOILS,
         "hpet"},
        {"/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n", "clock source", DOCTOR_FINE,
         "tsc"},
        {"/proc/sys/kernel/perf_event_paranoid", "3\n", "perf", DOCTOR_NOTE, "3"},
        {"/proc/sys/kernel/perf_event_paranoid", "1\n", "perf", DOCTOR_FINE, "1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put(rows[i].path, rows[i].text);
        const doctor_report report = examine();
        assert_finding(&report, rows[i].name, rows[i].level, rows[i].state);
    }
}

/* 1,000 ticks between the two readings. */
static void stolen_and_busy_time_are_told_apart(void **state) {
    (void)state;
    static const char before[] = "cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1\ncpu1 1\n";
    static const struct {
        const char *after;
        doctor_level steal, busy;
    } rows[] = {
        {"cpu  110 0 110 1980 0 0 0 0 0 0\n", DOCTOR_FINE, DOCTOR_FINE},
        {"cpu  110 0 110 1880 0 0 0 100 0 0\n", DOCTOR_SPOILS, DOCTOR_FINE},
        {"cpu  100 0 100 1900 0 0 0 100 0 0\n", DOCTOR_SPOILS, DOCTOR_FINE}, /* in parts, 1 - 0.9 - 0.1 is below 0 */
        {"cpu  200 0 100 2000 0 0 0 -100 0 0\n", DOCTOR_FINE, DOCTOR_FINE},
        {"cpu  600 0 200 1400 0 0 0 0 0 0\n", DOCTOR_FINE, DOCTOR_SPOILS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put("/proc/stat", before);
        put("/proc/stat.after", rows[i].after);
        const doctor_report report = examine();
        assert_finding(&report, "steal", rows[i].steal, "%");
        assert_finding(&report, "neighbours", rows[i].busy, "%");
        assert_null(strchr(find(&report, "steal")->state, '-'));
        assert_null(strchr(find(&report, "neighbours")->state, '-'));
    }
}

static void what_cannot_be_read_is_unknown_and_spoils_nothing(void **state) {
    (void)state;
    const doctor_report report = examine();
    assert_int_equal(doctor_spoilers(&report), 0);
    static const char *const names[] = {"governor", "turbo", "SMT",   "huge pages",  "ASLR",
                                        "swap",     "load",  "steal", "clock source"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_finding(&report, names[i], DOCTOR_UNKNOWN, "not shown");
    }
}

static void damaged_files_do_no_harm(void **state) {
    (void)state;
    static const char *const texts[] = {"", "\n", "[", "]", "cpu ", "cpu  1 2", "max", "-", "999999999999999999999999"};
    static const char *const paths[] = {"/proc/stat",
                                        "/sys/fs/cgroup/cpu.max",
                                        "/sys/fs/cgroup/memory.max",
                                        "/sys/kernel/mm/transparent_hugepage/enabled",
                                        "/proc/meminfo",
                                        "/proc/loadavg"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t j = 0; j < sizeof paths / sizeof paths[0]; j++) {
            put(paths[j], texts[i]);
        }
        const doctor_report report = examine();
        assert_true(report.count > 10 && report.count <= DOCTOR_FINDINGS_MAX);
    }
}

static void a_debug_build_spoils_ours_and_theirs(void **state) {
    (void)state;
    doctor_report report;
    const doctor_plan debug = {.root = root,
                               .build = "not optimised",
                               .preloads = "/usr/lib/libjemalloc.so.2 /usr/lib/libmimalloc-debug.so.2 /lib/x.so"};
    doctor_examine(&debug, &report);
    assert_finding(&report, "our build", DOCTOR_SPOILS, "not optimised");
    assert_finding(&report, "libraries", DOCTOR_SPOILS, "/usr/lib/libmimalloc-debug.so.2 is no");
    const doctor_plan fine = {
        .root = root, .build = "optimised", .is_optimised = true, .preloads = "/usr/lib/libmimalloc.so.2"};
    doctor_examine(&fine, &report);
    assert_finding(&report, "our build", DOCTOR_FINE, "optimised");
    assert_finding(&report, "libraries", DOCTOR_FINE, "no debug build");
}

static void the_clock_of_this_machine_has_a_cost(void **state) {
    (void)state;
    doctor_report report;
    const doctor_plan plan = {.root = "", .with_clock = true, .build = "x"};
    doctor_examine(&plan, &report);
    const doctor_finding *clock = find(&report, "clock");
    assert_true(clock != NULL && strstr(clock->state, "ns a reading, resolution") != NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_limits_are_those_of_the_process_own_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_affinity_is_held_against_all_processors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limits_of_version_1_are_by_controller, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_limits_of_a_container_are_at_its_root, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_file_gives_its_finding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stolen_and_busy_time_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_unknown_and_spoils_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_files_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_debug_build_spoils_ours_and_theirs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_clock_of_this_machine_has_a_cost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
