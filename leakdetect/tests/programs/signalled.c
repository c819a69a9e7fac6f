/* Asks for reports by a signal, or waits for those of an interval, while it holds three buffers; then releases all of them.
 *
 *   signalled once SIGNAL FILE       one signal; goes on when FILE has something in it
 *   signalled masked SIGNAL FILE     the same, with every signal blocked
 *   signalled burst SIGNAL TIMES     so many signals, one after the other; goes on at once
 *   signalled child SIGNAL FILE      the same as once, by a child of a fork, FILE having its process id for %
 *   signalled inherit SIGNAL FILE    the same, forked while a report is being written and another has been asked for
 *   signalled wait FILE              no signal; goes on when FILE has something in it */
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

#define OWN_FRAME __attribute__((noinline))

static poolbuf *held[3];

OWN_FRAME static void hold(void) {
    for (size_t i = 0; i < 3; i++) {
        held[i] = poolbuf_allocate(NULL, 100, 100);
        if (held[i] == NULL) {
            exit(1);
        }
    }
}

static void let_go(void) {
    for (size_t i = 0; i < 3; i++) {
        poolbuf_release(held[i]);
    }
}

/* Half a minute at most; whoever tests sees then that there is no report. */
static void wait_for(const char *path) {
    struct stat found;
    for (int i = 0; i < 3000 && (stat(path, &found) != 0 || found.st_size == 0); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

static int be_child(int number, const char *pattern) {
    char path[512];
    size_t before = strcspn(pattern, "%");
    snprintf(path, sizeof path, "%.*s%ld%s", (int)before, pattern, (long)getpid(), pattern + before + 1);
    raise(number);
    hold();
    wait_for(path);
    let_go();
    return 0;
}

static int fork_child(int number, const char *pattern) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        exit(be_child(number, pattern));
    }
    return waitpid(child, &status, 0) == child ? status : 1;
}

static sem_t has_come, may_go;

static void describe_slowly(const void *resource, char *text, size_t size, void *context) {
    (void)resource;
    (void)context;
    (void)snprintf(text, size, "slow");
    sem_post(&has_come);
    sem_wait(&may_go);
}

/* The first signal's report does not end before the fork, so the second signal stays unanswered. */
static int fork_with_request(int number, const char *pattern) {
    static char resource;
    leakdetect_type type = 0;
    const leakdetect_type_options options = {.struct_size = sizeof options, .describe = describe_slowly};
    sem_init(&has_come, 0, 0);
    sem_init(&may_go, 0, 0);
    if (leakdetect_register_type("slow", &options, &type) != POOLBUF_OK || !leakdetect_track_as(&resource, 1, type)) {
        return 1;
    }
    raise(number);
    sem_wait(&has_come);
    raise(number);
    const int failed = fork_child(number, pattern);
    sem_post(&may_go);
    sem_post(&may_go);
    return leakdetect_untrack(&resource) ? failed : 1;
}

int main(int count, char **arguments) {
    const char *mode = count > 2 ? arguments[1] : "";
    int number = (int)strtol(count > 2 ? arguments[2] : "", NULL, 10);
    if (strcmp(mode, "child") == 0) {
        return fork_child(number, arguments[3]);
    }
    if (strcmp(mode, "inherit") == 0) {
        return fork_with_request(number, arguments[3]);
    }
    hold();
    if (strcmp(mode, "masked") == 0) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        kill(getpid(), number);
        wait_for(arguments[3]);
    } else if (strcmp(mode, "once") == 0) {
        raise(number);
        wait_for(arguments[3]);
    } else if (strcmp(mode, "burst") == 0) {
        for (int i = 0; i < (int)strtol(arguments[3], NULL, 10); i++) {
            raise(number);
        }
    } else {
        wait_for(arguments[2]);
    }
    let_go();
    return 0;
}
