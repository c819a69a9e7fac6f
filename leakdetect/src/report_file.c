/* A report in a file, whole or not at all: written under another name beside it, then renamed.
 *
 * The folder may be one that others write to, such as /tmp: the other name is always a new file, so that nobody can have
 * put a link to something precious in its place, and a rename replaces a link without following it. What is no file, a
 * pipe or a device or /dev/stdout, is never replaced: such a target is written to as it stands. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "tracker.h"

/* Which process this is, and how many reports it has numbered; under the report lock. */
static struct {
    long
        pid; /* with the generation: a forked child begins anew, also where it is process 1 of its own, as its parent is */
    uint32_t generation;
    unsigned long number;
    uint64_t since_ns; /* of its first report, by the clock of the day */
} numbered;

static void number_process(long pid) {
    struct timespec now = {0};
    if (numbered.since_ns != 0 && numbered.pid == pid && numbered.generation == tracker_generation()) {
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    numbered.pid = pid;
    numbered.generation = tracker_generation();
    numbered.number = 0;
    numbered.since_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Expands %p, %t, %n and %%; false if the result does not fit. Any other % stands for itself. */
static bool expand_path(const char *pattern, long pid, char *path, size_t size) {
    bool is_counted = false;
    size_t used = 0;
    number_process(pid);
    for (const char *at = pattern; *at != '\0'; at++) {
        int added;
        if (at[0] == '%' && at[1] == 'p') {
            added = snprintf(path + used, size - used, "%ld", pid);
            at++;
        } else if (at[0] == '%' && at[1] == 't') {
            added = snprintf(path + used, size - used, "%llu", (unsigned long long)numbered.since_ns);
            at++;
        } else if (at[0] == '%' && at[1] == 'n') {
            numbered.number += is_counted ? 0 : 1;
            is_counted = true;
            added = snprintf(path + used, size - used, "%lu", numbered.number);
            at++;
        } else {
            added = snprintf(path + used, size - used, "%c", *at);
            at += at[0] == '%' && at[1] == '%';
        }
        if (added < 0 || (size_t)added >= size - used) {
            return false;
        }
        used += (size_t)added;
    }
    return used > 0;
}

static bool ends_with(const char *text, const char *suffix) {
    size_t length = strlen(text);
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* Names a file beside the target. A name may be as long as file systems allow; then its end gives way. */
static bool name_beside(const char *path, char *beside, size_t size) {
    char suffix[40];
    const char *slash = strrchr(path, '/');
    const size_t folder = slash == NULL ? 0 : (size_t)(slash + 1 - path);
    const size_t most = NAME_MAX - (size_t)snprintf(suffix, sizeof suffix, ".%ld.partial", (long)getpid());
    const size_t name = strnlen(path + folder, most);
    int length = snprintf(beside, size, "%.*s%s", (int)(folder + name), path, suffix);
    return length >= 0 && (size_t)length < size;
}

/* Opens a new file beside the target; one that is there is left over from a process that died, or a trap.
 * mkostemp() would make it private; a report is as readable as the umask allows. */
static FILE *open_beside(const char *path, char *beside, size_t size) {
    if (!name_beside(path, beside, size)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno == EEXIST && unlink(beside) == 0) {
        descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    FILE *out = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (out == NULL && descriptor >= 0) {
        close(descriptor);
    }
    return out;
}

/* Something that a rename would destroy: no regular file, or a name that the system gives one, as /dev/stdout. */
static bool stands_for_itself(const char *path) {
    struct stat target;
    struct stat name;
    if (stat(path, &target) != 0 || lstat(path, &name) != 0) {
        return false;
    }
    bool named_by_system = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
    return (!S_ISREG(target.st_mode) && !S_ISDIR(target.st_mode)) || (S_ISLNK(name.st_mode) && named_by_system);
}

/* Without waiting for a reader, who may never come to a pipe. */
static FILE *open_as_it_stands(const char *path) {
    int descriptor = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0) {
        return NULL;
    }
    (void)fcntl(descriptor, F_SETFL, O_WRONLY | O_APPEND);
    FILE *out = fdopen(descriptor, "w");
    if (out == NULL) {
        close(descriptor);
    }
    return out;
}

static bool write_file(const report *self, const char *path) {
    char beside[REPORT_PATH_BYTES];
    bool renamed = !stands_for_itself(path);
    FILE *out = renamed ? open_beside(path, beside, sizeof beside) : open_as_it_stands(path);
    if (out == NULL) {
        message_print("leak report not written: %s: %s (POOLBUF_LEAK_REPORT names a file in a writable directory)",
                      path, strerror(errno));
        return false;
    }
    if (ends_with(path, ".txt")) {
        report_write_text(self, out);
    } else {
        report_write_json(self, out);
    }
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    if (failed || (renamed && rename(beside, path) != 0)) {
        message_print("leak report not written: %s: %s", path, strerror(errno));
        if (renamed) {
            unlink(beside);
        }
        return false;
    }
    return true;
}

bool report_write_file(const report *self, const char *pattern, char *path) {
    message_shield_state shield;
    if (!expand_path(pattern, self->pid, path, REPORT_PATH_BYTES)) {
        message_print("leak report not written: the path \"%.200s\" is empty or too long", pattern);
        return false;
    }
    message_shield(&shield);
    bool written = write_file(self, path);
    message_unshield(&shield);
    return written;
}
