/* Holds output in memory, then writes it beside its destination and renames it there. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arguments.h"

#define NEW_FILE_MODE 0666 /* less the umask, as any program that creates a file */
#define LINKS_MOST    40   /* as the kernel */

static bool refuse(const char *path, int error) {
    (void)input_error("cannot write %s: %s", path, strerror(error));
    return false;
}

/* What a link that leads nowhere yet would lead to. */
static char *follow(const char *path) {
    char *at = strdup(path);
    for (int links = 0; at != NULL && links < LINKS_MOST; links++) {
        char target[PATH_MAX];
        const ssize_t length = readlink(at, target, sizeof target - 1);
        if (length < 0) {
            break; /* benign: it is no link, or not there */
        }
        target[length] = '\0';
        const char *slash = target[0] == '/' ? NULL : strrchr(at, '/');
        char *next = NULL;
        if (asprintf(&next, "%.*s%s", slash == NULL ? 0 : (int)(slash - at) + 1, at, target) < 0) {
            next = NULL;
        }
        free(at);
        at = next;
    }
    return at;
}

/* Through symbolic links, so that renaming replaces the file and not the link. */
static char *resolve(const char *path) {
    struct stat status;
    char *real = realpath(path, NULL);
    if (real != NULL) {
        return real;
    }
    return stat(path, &status) != 0 && errno == ENOENT ? follow(path) : strdup(path);
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool find_input(const char *path, struct stat *status) {
    return (strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, status) : stat(path, status)) == 0;
}

bool output_is_apart(const char *path, const char *const *inputs, size_t count) {
    struct stat status;
    struct stat input;
    if (path == NULL || strcmp(path, "-") == 0 || stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (inputs[i] != NULL && find_input(inputs[i], &input) && is_same_file(&status, &input)) {
            (void)input_error("cannot write %s: it is what this command reads, and would be gone; give -o another file",
                              path);
            return false;
        }
    }
    return true;
}

/* The file that stdout is: replaced by another, what stands in it already would be lost, as with `-o /dev/stdout >>FILE`. */
static bool is_stdout(const char *path) {
    struct stat status;
    struct stat standard;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && fstat(STDOUT_FILENO, &standard) == 0 &&
           is_same_file(&status, &standard);
}

/* A new file beside the destination, to be renamed over it. */
static int create_beside(const char *path, char *temporary, size_t size) {
    const int n = snprintf(temporary, size, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkostemp(temporary, O_CLOEXEC);
}

/* Is the destination something that a file can replace, and does its folder take one? The folder is asked by trying:
 * permissions do not tell of a read-only or a synthetic file system. */
static bool check_destination(output *out, const char *path) {
    struct stat status;
    if (stat(out->path, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return refuse(path, EISDIR);
        }
        out->is_regular = S_ISREG(status.st_mode);
        if (access(out->path, W_OK) != 0) {
            return refuse(path, errno);
        }
    } else if (errno != ENOENT) {
        return refuse(path, errno);
    }
    if (out->is_regular) {
        char temporary[PATH_MAX];
        const int descriptor = create_beside(out->path, temporary, sizeof temporary);
        if (descriptor < 0) {
            return refuse(path, errno);
        }
        close(descriptor);
        unlink(temporary);
    }
    return true;
}

bool output_open(output *out, const char *path) {
    *out = (output){.is_regular = true};
    if (path != NULL && strcmp(path, "-") != 0 && !is_stdout(path)) {
        out->path = resolve(path);
        if (out->path == NULL) {
            return refuse(path, errno);
        }
        if (!check_destination(out, path)) {
            free(out->path);
            return false;
        }
    }
    out->stream = open_memstream(&out->text, &out->length);
    if (out->stream == NULL) {
        free(out->path);
        return refuse(path != NULL ? path : "stdout", errno);
    }
    return true;
}

static bool write_all(int descriptor, const char *text, size_t length) {
    while (length > 0) {
        const ssize_t n = write(descriptor, text, length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return false;
        }
        text += n;
        length -= (size_t)n;
    }
    return true;
}

static bool write_directly(const output *out) {
    const int descriptor = open(out->path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    if (descriptor < 0) {
        return false;
    }
    const bool written = write_all(descriptor, out->text, out->length);
    return close(descriptor) == 0 && written;
}

static bool write_and_rename(const output *out) {
    char temporary[PATH_MAX];
    const int descriptor = create_beside(out->path, temporary, sizeof temporary);
    if (descriptor < 0) {
        return false;
    }
    struct stat status;
    const mode_t mask = umask(0);
    umask(mask);
    const mode_t mode = stat(out->path, &status) == 0 ? status.st_mode & 07777 : NEW_FILE_MODE & ~mask;
    bool fine = write_all(descriptor, out->text, out->length) && fchmod(descriptor, mode) == 0;
    fine = close(descriptor) == 0 && fine;
    fine = fine && rename(temporary, out->path) == 0;
    if (!fine) {
        const int error = errno;
        unlink(temporary);
        errno = error;
    }
    return fine;
}

bool output_commit(output *out) {
    bool fine = !ferror(out->stream);
    fine = fclose(out->stream) == 0 && fine;
    if (!fine) {
        refuse(out->path != NULL ? out->path : "stdout", ENOMEM);
    } else if (out->path == NULL) {
        fine = fwrite(out->text, 1, out->length, stdout) == out->length && fflush(stdout) == 0;
        if (!fine) {
            refuse("stdout", errno);
            __fpurge(stdout); /* said once; main() flushes what is left */
            clearerr(stdout);
        }
    } else {
        fine = out->is_regular ? write_and_rename(out) : write_directly(out);
        if (!fine) {
            refuse(out->path, errno);
        }
    }
    free(out->text);
    free(out->path);
    return fine;
}

void output_discard(output *out) {
    fclose(out->stream);
    free(out->text);
    free(out->path);
}
