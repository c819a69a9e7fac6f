/* Limits of control groups, of version 1 and 2. */
#include "measure/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_SIZE = 4096,
    PATH_SIZE = 3 * LINE_SIZE
};

#define NO_LIMIT_BYTES 1e15 /* version 1 says "none" by a number near 2^63 */

/* The first line of a file in a folder; false when it cannot be read. */
static bool read_line(const char *folder, const char *name, char line[LINE_SIZE]) {
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    const bool good = file != NULL && fgets(line, LINE_SIZE, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    return good;
}

static double cpu_limit_in(const char *folder) {
    char line[LINE_SIZE];
    double quota = 0;
    double period = 100000;
    if (read_line(folder, "cpu.max", line)) {
        char *end = NULL;
        quota = strncmp(line, "max", 3) == 0 ? 0 : strtod(line, &end);
        period = end != NULL ? strtod(end, NULL) : period;
    } else if (read_line(folder, "cpu.cfs_quota_us", line)) {
        quota = strtod(line, NULL);
        period = read_line(folder, "cpu.cfs_period_us", line) ? strtod(line, NULL) : period;
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double memory_limit_in(const char *folder) {
    char line[LINE_SIZE];
    const bool found = read_line(folder, "memory.max", line) || read_line(folder, "memory.limit_in_bytes", line);
    const double limit = found && strncmp(line, "max", 3) != 0 ? strtod(line, NULL) : 0;
    return limit > 0 && limit < NO_LIMIT_BYTES ? limit : 0;
}

/* Is a word in a list that commas part? */
static bool is_listed(const char *list, size_t length, const char *word) {
    const size_t word_length = strlen(word);
    for (const char *at = list; at < list + length; at += strcspn(at, ",:") + 1) {
        if (strcspn(at, ",:") == word_length && strncmp(at, word, word_length) == 0) {
            return true;
        }
    }
    return false;
}

/* The process's group, as "/a/b", among those of a controller of version 1, or "" for version 2; "" when it is the
 * root or not known. A line is "4:cpu,cpuacct:/a/b", of version 2 "0::/a/b". */
static void find_own(const char *root, const char *controller, char own[LINE_SIZE]) {
    char path[PATH_SIZE];
    char line[LINE_SIZE];
    own[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *list = strchr(line, ':');
        const char *group = list != NULL ? strchr(list + 1, ':') : NULL;
        if (group == NULL) {
            continue;
        }
        const size_t length = (size_t)(group - list - 1);
        const bool is_ours = controller[0] == '\0' ? length == 0 : is_listed(list + 1, length, controller);
        if (is_ours && strcmp(group + 1, "/\n") != 0) {
            (void)snprintf(own, LINE_SIZE, "%.*s", (int)strcspn(group + 1, "\n"), group + 1);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* The lowest limit from the process's own group up to the root of a file system; 0 for none. A path that this file
 * system does not have, as in a container that sees only its own part, leaves the root. */
static double lowest_below(const char *root, const char *mount, const char *controller,
                           double (*limit_in)(const char *folder)) {
    char own[LINE_SIZE];
    double lowest = 0;
    find_own(root, controller, own);
    for (bool is_root = false; !is_root;) {
        char folder[PATH_SIZE];
        is_root = own[0] == '\0';
        (void)snprintf(folder, sizeof folder, "%s%s%s", root, mount, own);
        const double limit = limit_in(folder);
        lowest = limit > 0 && (lowest == 0 || limit < lowest) ? limit : lowest;
        char *last = strrchr(own, '/');
        if (last != NULL) {
            *last = '\0';
        } else {
            own[0] = '\0';
        }
    }
    return lowest;
}

static double lower(double a, double b) {
    return b > 0 && (a == 0 || b < a) ? b : a;
}

double cgroup_cpu_limit(const char *root) {
    return lower(lowest_below(root, "/sys/fs/cgroup", "", cpu_limit_in),
                 lowest_below(root, "/sys/fs/cgroup/cpu", "cpu", cpu_limit_in));
}

double cgroup_memory_limit(const char *root) {
    return lower(lowest_below(root, "/sys/fs/cgroup", "", memory_limit_in),
                 lowest_below(root, "/sys/fs/cgroup/memory", "memory", memory_limit_in));
}
