/* Unit tests of trigger.c: names of signals, and whose handler stays. What the thread does is tested in live_reports.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trigger.h"

/* The wall clock as somebody has set it. */
static time_t behind_s;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's names are reserved */
int clock_gettime(clockid_t clock, struct timespec *now) {
    const int failed = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec -= clock == CLOCK_REALTIME ? behind_s : 0;
    return failed;
}

static int number_of(const char *text) {
    int number = -1;
    assert_true(trigger_parse_signal(text, &number));
    return number;
}

static void signals_are_read_by_name_and_number(void **state) {
    (void)state;
    assert_int_equal(number_of("off"), 0);
    assert_int_equal(number_of("0"), 0);
    assert_int_equal(number_of("USR2"), SIGUSR2);
    assert_int_equal(number_of("sigusr1"), SIGUSR1);
    assert_int_equal(number_of("SigWinch"), SIGWINCH);
    assert_int_equal(number_of("poll"), SIGPOLL);
    assert_int_equal(number_of("10"), 10);
    assert_int_equal(number_of("RTMIN"), SIGRTMIN);
    assert_int_equal(number_of("SIGRTMIN+3"), SIGRTMIN + 3);
    assert_int_equal(number_of("rtmax-2"), SIGRTMAX - 2);
}

static void what_is_no_signal_for_a_report_is_refused(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"",        "SIG",  "USR3",    "USR",        "USR22",  "-1",
                                        "+10",     "10x",  "65",      "9999999999", "9",      "11",
                                        "KILL",    "SEGV", "ABRT",    "SIGSTOP",    "RTMIN+", "RTMIN-1",
                                        "RTMAX+1", "33",   "RTMIN+x", "RTMIN+64",   " USR2",  "RTMAX-64"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        int number = 77;
        if (trigger_parse_signal(TEXTS[i], &number)) {
            fail_msg("\"%s\" was taken for signal %d", TEXTS[i], number);
        }
        assert_int_equal(number, 77);
    }
}

static void own_handler(int number) {
    (void)number;
}

static void a_handler_of_the_program_stays(void **state) {
    (void)state;
    struct sigaction own = {.sa_handler = own_handler};
    struct sigaction found;
    assert_int_equal(sigaction(SIGUSR2, &own, NULL), 0);
    trigger_start(SIGUSR2, 0, 0);
    assert_int_equal(sigaction(SIGUSR2, NULL, &found), 0);
    assert_true(found.sa_handler == own_handler);
    assert_false(detour_is_set(DETOUR_REVIVAL));
    assert_true(trigger_stop());
}

/* In a child, as the end is final. */
static void the_wall_clock_has_no_say_in_how_long_the_end_waits(void **state) {
    (void)state;
    int status = 1;
    const pid_t child = fork();
    if (child == 0) {
        behind_s = 3600;
        trigger_start(0, 3600, 0);
        _exit(trigger_stop() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_read_by_name_and_number),
        cmocka_unit_test(what_is_no_signal_for_a_report_is_refused),
        cmocka_unit_test(the_wall_clock_has_no_say_in_how_long_the_end_waits),
        cmocka_unit_test(a_handler_of_the_program_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
