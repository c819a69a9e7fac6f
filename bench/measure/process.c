/* fork, exec, two pipes and a deadline. */
#include "measure/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the measuring process is started with: the leak detector's share is not what is compared. */
static const char LEAK_LEVEL[] = "POOLBUF_LEAK_LEVEL=disabled";

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_kept(const char *variable) {
    return !starts_with(variable, "POOLBUF_") && !starts_with(variable, "BENCHMARK_") &&
           !starts_with(variable, "LD_PRELOAD=");
}

const char **process_environment(const char *preload) {
    static const char name[] = "LD_PRELOAD=";
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL) {
        count++;
    }
    const size_t preload_size = preload == NULL ? 0 : sizeof name + strlen(preload);
    /* Two more variables and the NULL, then the text of the one that is made here. */
    const char **result = malloc((count + 3) * sizeof *result + preload_size);
    if (result == NULL) {
        return NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_kept(environ[i])) {
            result[kept++] = environ[i];
        }
    }
    result[kept++] = LEAK_LEVEL;
    if (preload != NULL) {
        char *text = (char *)(result + count + 3);
        (void)snprintf(text, preload_size, "%s%s", name, preload);
        result[kept++] = text;
    }
    result[kept] = NULL;
    return result;
}

/* ---- The child's side: nothing but calls that are safe between fork and exec. ---- */

/* exec changes nothing; its prototype is older than const. */
static char *const *exec_words(const char *const *words) {
    return (char *const *)(uintptr_t)words;
}

static _Noreturn void become(const process_command *command, const int *outputs, int report) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (command->is_pinned) {
        (void)personality(ADDR_NO_RANDOMIZE); /* benign: refused in some containers; a count is then nearly the same */
    }
    const int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(outputs[0], STDOUT_FILENO) >= 0 &&
        dup2(outputs[1], STDERR_FILENO) >= 0 &&
        (command->inherited < 0 || fcntl(command->inherited, F_SETFD, 0) == 0)) {
        (void)execve(command->program, exec_words(command->argv), exec_words(command->envp));
    }
    const int problem = errno;
    (void)!write(report, &problem, sizeof problem);
    _exit(127);
}

/* ---- The parent's side. ---- */

static long long now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

long long process_watch_left(process_watch *self, long long now) {
    const long long since = now - self->looked_ms;
    self->deadline_ms += since > PROCESS_PAUSE_MS ? since : 0;
    self->looked_ms = now;
    return self->deadline_ms - now;
}

static void keep_output(process_result *result, const char *data, size_t size) {
    if (result->output_size + size > PROCESS_OUTPUT_MAX) {
        return;
    }
    char *larger = realloc(result->output, result->output_size + size + 1);
    if (larger != NULL) {
        result->output = larger;
        memcpy(larger + result->output_size, data, size);
        result->output_size += size;
        larger[result->output_size] = '\0';
    }
}

/* The tail of stderr, as far as it was read: enough for its last line. */
typedef struct tail {
    char text[2048];
    size_t length;
} tail;

static void keep_tail(tail *kept, const char *data, size_t size) {
    const size_t room = sizeof kept->text;
    if (size >= room) {
        memcpy(kept->text, data + size - room, room);
        kept->length = room;
        return;
    }
    if (kept->length + size > room) {
        const size_t dropped = kept->length + size - room;
        memmove(kept->text, kept->text + dropped, kept->length - dropped);
        kept->length -= dropped;
    }
    memcpy(kept->text + kept->length, data, size);
    kept->length += size;
}

static void set_complaint(process_result *result, const tail *kept) {
    size_t end = kept->length;
    while (end > 0 && kept->text[end - 1] == '\n') {
        end--;
    }
    size_t start = end;
    while (start > 0 && kept->text[start - 1] != '\n') {
        start--;
    }
    (void)snprintf(result->complaint, sizeof result->complaint, "%.*s", (int)(end - start), kept->text + start);
}

static bool is_stopped(const process_command *command) {
    return command->stop != NULL && *command->stop != 0;
}

/* Reads both pipes to their ends; false when the deadline or a stop comes first. */
static bool listen_to(const process_command *command, const int *inputs, process_watch *watch, process_result *result,
                      tail *errors) {
    enum {
        TURN_MS = 100 /* a stop that comes just before poll() does not end it */
    };
    struct pollfd polled[2] = {{.fd = inputs[0], .events = POLLIN}, {.fd = inputs[1], .events = POLLIN}};
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        const long long left = process_watch_left(watch, now_ms());
        if (left <= 0 || is_stopped(command)) {
            return false;
        }
        if (poll(polled, 2, left > TURN_MS ? TURN_MS : (int)left) < 0 && errno != EINTR) {
            return false;
        }
        for (int i = 0; i < 2; i++) {
            char data[4096];
            if (polled[i].fd < 0 || polled[i].revents == 0) {
                continue;
            }
            const ssize_t size = read(polled[i].fd, data, sizeof data);
            if (size == 0 || (size < 0 && errno != EINTR)) {
                polled[i].fd = -1;
            } else if (size > 0 && i == 0) {
                keep_output(result, data, (size_t)size);
            } else if (size > 0) {
                keep_tail(errors, data, (size_t)size);
            }
        }
    }
    return true;
}

/* Its pipes are closed; it has until the deadline to end, too. */
static void wait_for(pid_t child, bool is_late, process_watch *watch, process_result *result) {
    int status = 0;
    pid_t ended = 0;
    while (!is_late && (ended = waitpid(child, &status, WNOHANG)) == 0) {
        const struct timespec moment = {.tv_nsec = 200000};
        (void)nanosleep(&moment, NULL);
        is_late = process_watch_left(watch, now_ms()) <= 0;
    }
    if (ended != child) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        result->end = PROCESS_TIMED_OUT;
    } else if (WIFSIGNALED(status)) {
        result->end = PROCESS_KILLED;
        result->code = WTERMSIG(status);
    } else {
        result->end = PROCESS_EXITED;
        result->code = WEXITSTATUS(status);
    }
}

/* The child runs, or could not: then the report pipe holds an errno value. */
static void follow(const process_command *command, pid_t child, const int *inputs, int report, process_result *result) {
    const long long now = now_ms();
    process_watch watch = {.deadline_ms = now + command->timeout_ms, .looked_ms = now};
    tail errors = {.length = 0};
    int problem = 0;
    const ssize_t told = read(report, &problem, sizeof problem);
    const bool is_late = !listen_to(command, inputs, &watch, result, &errors);
    wait_for(child, is_late, &watch, result);
    set_complaint(result, &errors);
    if (told == (ssize_t)sizeof problem) {
        result->end = PROCESS_NOT_RUN;
        result->code = problem;
    }
}

void process_run(const process_command *command, process_result *result) {
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    *result = (process_result){.end = PROCESS_NOT_RUN};
    bool good = true;
    for (int i = 0; i < 3 && good; i++) {
        good = pipe2(pipes[i], O_CLOEXEC) == 0;
    }
    const pid_t child = good ? fork() : -1;
    if (child == 0) {
        become(command, (const int[]){pipes[0][1], pipes[1][1]}, pipes[2][1]);
    }
    if (child < 0) {
        result->code = errno;
    }
    for (int i = 0; i < 3; i++) {
        if (pipes[i][1] >= 0) {
            (void)close(pipes[i][1]);
        }
    }
    if (child > 0) {
        follow(command, child, (const int[]){pipes[0][0], pipes[1][0]}, pipes[2][0], result);
    }
    for (int i = 0; i < 3; i++) {
        if (pipes[i][0] >= 0) {
            (void)close(pipes[i][0]);
        }
    }
}

void process_result_fini(process_result *result) {
    free(result->output);
    result->output = NULL;
}

void process_describe(const process_result *result, unsigned timeout_ms, char *text, size_t text_size) {
    const char *separator = result->complaint[0] != '\0' ? ": " : "";
    switch (result->end) {
    case PROCESS_EXITED:
        (void)snprintf(text, text_size, "exited with status %d%s%s", result->code, separator, result->complaint);
        break;
    case PROCESS_KILLED:
        (void)snprintf(text, text_size, "killed by signal %d (%s)%s%s", result->code, strsignal(result->code),
                       separator, result->complaint);
        break;
    case PROCESS_TIMED_OUT:
        (void)snprintf(text, text_size, "still running after %g seconds%s%s", timeout_ms / 1000.0, separator,
                       result->complaint);
        break;
    case PROCESS_NOT_RUN:
        (void)snprintf(text, text_size, "could not be started: %s", strerror(result->code));
        break;
    }
}
