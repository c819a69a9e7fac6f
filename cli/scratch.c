/* mkdtemp, realpath, scandir, unlink. */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The name must hold wherever a process goes, and TMPDIR may be relative. */
static bool make_absolute(scratch *folder) {
    char *absolute = realpath(folder->path, NULL);
    const bool fine = absolute != NULL && strlen(absolute) < sizeof folder->path;
    if (fine) {
        memcpy(folder->path, absolute, strlen(absolute) + 1);
    } else {
        const int error = absolute == NULL ? errno : ENAMETOOLONG;
        (void)rmdir(folder->path);
        errno = error;
    }
    free(absolute);
    return fine;
}

bool scratch_create(scratch *folder) {
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0') {
        parent = "/tmp";
    }
    const int n = snprintf(folder->path, sizeof folder->path, "%s/poolbuf-XXXXXX", parent);
    if (n < 0 || (size_t)n >= sizeof folder->path) {
        errno = ENAMETOOLONG;
    } else if (mkdtemp(folder->path) != NULL && make_absolute(folder)) {
        return true;
    }
    input_error("cannot make a temporary folder in %s: %s; set TMPDIR to one that can be written", parent,
                strerror(errno));
    return false;
}

void scratch_pattern(const scratch *folder, const char *name, char *out) {
    for (const char *at = folder->path; *at != '\0'; at++) {
        *out++ = *at;
        if (*at == '%') {
            *out++ = '%';
        }
    }
    *out++ = '/';
    memcpy(out, name, strlen(name) + 1);
}

static int is_no_dot(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

bool scratch_list(const scratch *folder, const char *suffix, text_list *paths) {
    struct dirent **entries = NULL;
    const int count = scandir(folder->path, &entries, is_no_dot, alphasort);
    bool fine = count >= 0;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        const size_t length = strlen(entries[i]->d_name);
        const size_t end = strlen(suffix);
        if (fine && length > end && strcmp(entries[i]->d_name + length - end, suffix) == 0) {
            const int n = snprintf(path, sizeof path, "%s/%s", folder->path, entries[i]->d_name);
            fine = n > 0 && (size_t)n < sizeof path && text_list_add(paths, path, (size_t)n);
        }
        free(entries[i]);
    }
    free(entries);
    return fine;
}

void scratch_remove(const scratch *folder) {
    text_list all = {0};
    scratch_list(folder, "", &all);
    for (size_t i = 0; i < all.count; i++) {
        unlink(all.items[i]);
    }
    text_list_fini(&all);
    if (rmdir(folder->path) != 0) {
        fprintf(stderr, "poolbuf: note: the temporary folder %s stays: %s\n", folder->path, strerror(errno));
    }
}
