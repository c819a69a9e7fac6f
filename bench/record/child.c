/* fork, exec and a loop over sigwaitinfo. The signals that we pass on are blocked and waited for, so there is no handler
 * and no window in which one is lost. Processes that outlive their parents become our children: that is how we learn of
 * them. */
#include "record/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long the program's own processes may take to end after it. */
#define LINGER_SECONDS 2

static const int PASSED_ON[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static void watched_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    for (size_t i = 0; i < sizeof PASSED_ON / sizeof PASSED_ON[0]; i++) {
        sigaddset(set, PASSED_ON[i]);
    }
}

/* In the child: does not return. The pipe closes by itself when the program starts; otherwise it carries errno. */
static void become(char *const *argv, const child_variable *variables, size_t count, const sigset_t *mask,
                   int report_to) {
    for (size_t i = 0; i < count; i++) {
        if (variables[i].value == NULL) {
            unsetenv(variables[i].name);
        } else {
            setenv(variables[i].name, variables[i].value, 1);
        }
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    const int error = errno;
    const ssize_t written = write(report_to, &error, sizeof error);
    (void)written; /* benign: the parent then sees status 127 */
    _exit(127);
}

/* A signal from the terminal reaches the whole foreground group, the program too; one from a process reached only us. */
static void pass_on(const siginfo_t *info, pid_t child) {
    if (info->si_code <= 0) {
        kill(child, info->si_signo);
    }
}

static int wait_for(pid_t child, const sigset_t *watched) {
    while (true) {
        int status = 0;
        const pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR)) {
            return status;
        }
        siginfo_t info;
        const int signal_number = ended == 0 ? sigwaitinfo(watched, &info) : 0;
        if (signal_number > 0 && signal_number != SIGCHLD) {
            pass_on(&info, child);
        }
    }
}

static long long now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* The program has ended. True when something that it started runs on; a signal to us ends the waiting. */
static bool wait_for_the_rest(const sigset_t *watched) {
    const long long deadline = now_ms() + LINGER_SECONDS * 1000LL;
    while (true) {
        const pid_t ended = waitpid(-1, NULL, WNOHANG);
        const long long left_ms = deadline - now_ms();
        if (ended < 0 && errno != EINTR) {
            return false;
        }
        if (ended != 0) {
            continue;
        }
        if (left_ms <= 0) {
            return true;
        }
        const struct timespec left = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000};
        const int signal_number = sigtimedwait(watched, NULL, &left);
        if (signal_number > 0 && signal_number != SIGCHLD) {
            return true;
        }
    }
}

static child_end child_end_of(int wait_status) {
    return (child_end){.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0,
                       .status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 0};
}

void child_run(char *const *argv, const child_variable *variables, size_t variable_count, child_end *end) {
    *end = (child_end){0};
    int channel[2];
    if (pipe2(channel, O_CLOEXEC) != 0) {
        end->start_error = errno;
        return;
    }
    signal(SIGCHLD, SIG_DFL); /* were it ignored, waitpid() would have nothing to tell */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t watched;
    sigset_t before;
    watched_signals(&watched);
    sigprocmask(SIG_BLOCK, &watched, &before);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        become(argv, variables, variable_count, &before, channel[1]);
    }
    const int fork_error = errno;
    close(channel[1]);
    if (child < 0) {
        end->start_error = fork_error;
    } else {
        int error = 0;
        ssize_t n = 0;
        do {
            n = read(channel[0], &error, sizeof error);
        } while (n < 0 && errno == EINTR);
        const int status = wait_for(child, &watched);
        *end = child_end_of(status);
        end->start_error = n == (ssize_t)sizeof error ? error : 0;
        end->is_outlived = wait_for_the_rest(&watched);
    }
    signal(SIGPIPE, SIG_IGN);
    close(channel[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void child_describe(const child_end *end, char *out, size_t size) {
    if (end->start_error != 0) {
        snprintf(out, size, "could not be started: %s", strerror(end->start_error));
    } else if (end->signal != 0) {
        const char *name = sigabbrev_np(end->signal);
        snprintf(out, size, "was ended by signal %d (%s)", end->signal, name != NULL ? name : "unknown");
    } else {
        snprintf(out, size, "ended with status %d", end->status);
    }
}
