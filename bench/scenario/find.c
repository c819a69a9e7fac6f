/* Finding scenarios and suites by name: which folder, which file, which names there are. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario/near.h"
#include "scenario/scenario.h"

/* Where one sort of file lies under the folder, and how it ends. */
typedef struct place {
    const char *folder; /* with its slash */
    const char *suffix;
} place;

static const place scenario_places[] = {{"", ".yaml"}, {"", ".yml"}, {"traces/", ".pbtrace"}, {"traces/", ".pbshape"}};
static const place suite_places[] = {{"suites/", ".yaml"}, {"suites/", ".yml"}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_file(const char *path) {
    struct stat stat_of;
    return stat(path, &stat_of) == 0 && S_ISREG(stat_of.st_mode);
}

static bool is_folder(const char *path) {
    struct stat stat_of;
    return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* An installed program is PREFIX/bin/poolbuf and its data PREFIX/share/poolbuf, wherever the prefix was moved to. */
static bool beside_program(char *path, size_t size) {
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) {
        return false;
    }
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    int n = snprintf(path, size, "%s/../%s", program, POOLBUF_DATA_FROM_BIN);
    return n > 0 && (size_t)n < size && is_folder(path);
}

const char *scenario_directory(void) {
    static _Thread_local char beside[PATH_MAX];
    const char *named = getenv("POOLBUF_SCENARIOS");
    if (named != NULL && named[0] != '\0') {
        return named;
    }
    if (beside_program(beside, sizeof beside)) {
        return beside;
    }
    return is_folder(POOLBUF_SCENARIOS_SOURCE) ? POOLBUF_SCENARIOS_SOURCE : NULL;
}

static bool has_suffix(const char *text, const char *suffix) {
    size_t length = strlen(text);
    size_t end = strlen(suffix);
    return length > end && strcmp(text + length - end, suffix) == 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t collect(const place *where, char **names, size_t count, size_t room) {
    char path[PATH_MAX];
    const char *directory = scenario_directory();
    int n = directory != NULL ? snprintf(path, sizeof path, "%s/%s", directory, where->folder) : -1;
    DIR *folder = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
    if (folder == NULL) {
        return count;
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL && count < room; entry = readdir(folder)) {
        if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, where->suffix)) {
            continue;
        }
        char *name = strndup(entry->d_name, strlen(entry->d_name) - strlen(where->suffix));
        bool known = name == NULL;
        for (size_t i = 0; i < count && !known; i++) {
            known = strcmp(names[i], name) == 0;
        }
        if (known) {
            free(name);
        } else {
            names[count++] = name;
        }
    }
    (void)closedir(folder);
    return count;
}

#define NAMES_MAX 1000

static size_t list(const place *places, size_t place_count, char ***names) {
    size_t count = 0;
    *names = calloc(NAMES_MAX, sizeof **names);
    for (size_t i = 0; i < place_count && *names != NULL; i++) {
        count = collect(&places[i], *names, count, NAMES_MAX);
    }
    if (count == 0) {
        free(*names);
        *names = NULL;
        return 0;
    }
    qsort(*names, count, sizeof **names, compare_names);
    return count;
}

size_t scenario_list(char ***names) {
    return list(scenario_places, COUNT(scenario_places), names);
}

size_t scenario_suite_list(char ***names) {
    return list(suite_places, COUNT(suite_places), names);
}

void scenario_names_destroy(char **names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

static bool fail_unknown(const char *what, const char *name, const place *places, size_t place_count, char *error,
                         size_t error_size) {
    char **names = NULL;
    size_t count = list(places, place_count, &names);
    const char *directory = scenario_directory();
    const char *meant = near_word(name, (const char *const *)names, count);
    if (meant != NULL) {
        (void)snprintf(error, error_size, "there is no %s \"%s\" in %s; did you mean %s?", what, name, directory,
                       meant);
    } else {
        (void)snprintf(error, error_size, "there is no %s \"%s\" in %s; `poolbuf list %ss` names those there are", what,
                       name, directory != NULL ? directory : "any folder (POOLBUF_SCENARIOS is not set)", what);
    }
    scenario_names_destroy(names, count);
    return false;
}

/* There is such a file, but not of a kind that is known here. */
static bool fail_suffix(const char *what, const char *name, const place *places, size_t place_count, char *error,
                        size_t error_size) {
    char suffixes[64] = "";
    size_t used = 0;
    for (size_t i = 0; i < place_count && used < sizeof suffixes; i++) {
        const int n = snprintf(suffixes + used, sizeof suffixes - used, "%s%s", i == 0 ? "" : ", ", places[i].suffix);
        used += n > 0 ? (size_t)n : 0;
    }
    (void)snprintf(error, error_size, "%s: is a file, but no %s: the name of one ends in %s", name, what, suffixes);
    return false;
}

static bool is_path(const char *name, const place *places, size_t place_count) {
    bool found = strchr(name, '/') != NULL;
    for (size_t i = 0; i < place_count && !found; i++) {
        found = has_suffix(name, places[i].suffix);
    }
    return found;
}

bool scenario_is_path(const char *name) {
    return is_path(name, scenario_places, COUNT(scenario_places));
}

static bool find(const char *what, const char *name, const place *places, size_t place_count, char *path,
                 size_t path_size, char *error, size_t error_size) {
    if (is_path(name, places, place_count)) {
        if (!is_file(name) && access(name, F_OK) == 0) {
            (void)snprintf(error, error_size,
                           "%s: is no regular file; give the path of a %s, or a name from `poolbuf list`", name, what);
            return false;
        }
        if (!is_file(name)) {
            (void)snprintf(error, error_size,
                           "%s: there is no such file; give the path of a %s, or a name from `poolbuf list`", name,
                           what);
            return false;
        }
        int n = snprintf(path, path_size, "%s", name);
        if (n < 0 || (size_t)n >= path_size) {
            (void)snprintf(error, error_size, "%.60s...: the path is too long; give a shorter one", name);
            return false;
        }
        return true;
    }
    const char *directory = scenario_directory();
    for (size_t i = 0; i < place_count && directory != NULL; i++) {
        int n = snprintf(path, path_size, "%s/%s%s%s", directory, places[i].folder, name, places[i].suffix);
        if (n > 0 && (size_t)n < path_size && is_file(path)) {
            return true;
        }
    }
    return is_file(name) ? fail_suffix(what, name, places, place_count, error, error_size)
                         : fail_unknown(what, name, places, place_count, error, error_size);
}

bool scenario_find(const char *name, char *path, size_t path_size, char *error, size_t error_size) {
    return find("scenario", name, scenario_places, COUNT(scenario_places), path, path_size, error, error_size);
}

bool scenario_suite_find(const char *name, char *path, size_t path_size, char *error, size_t error_size) {
    return find("suite", name, suite_places, COUNT(suite_places), path, path_size, error, error_size);
}
