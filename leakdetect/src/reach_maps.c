/* The parsing of reach_maps.h. */
#include "reach_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LINE_BYTES = 2048, /* of a longer line, which only a path makes, the rest is skipped */
    NAME_BYTES = 64
};

/* --- lines -------------------------------------------------------------------------------------------------------- */

typedef struct lines {
    int descriptor;
    size_t begin, end;
    bool skipping; /* in the rest of a line that was too long */
    char bytes[LINE_BYTES];
} lines;

static bool lines_open(lines *self, const char *path) {
    *self = (lines){.descriptor = open(path, O_RDONLY | O_CLOEXEC)};
    return self->descriptor >= 0;
}

static void lines_close(lines *self) {
    close(self->descriptor);
}

/* The next line, which stays until the next call; what does not fit is cut. False at the end, or on an error. */
static bool lines_next(lines *self, const char **line, size_t *length, bool *error) {
    for (;;) {
        const char *start = self->bytes + self->begin;
        const char *newline = memchr(start, '\n', self->end - self->begin);
        if (newline != NULL || (self->begin == 0 && self->end == LINE_BYTES)) {
            bool skipped = self->skipping;
            *line = start;
            *length = newline != NULL ? (size_t)(newline - start) : LINE_BYTES;
            self->begin = newline != NULL ? self->begin + *length + 1 : LINE_BYTES;
            self->skipping = newline == NULL;
            if (!skipped) {
                return true;
            }
            continue;
        }
        memmove(self->bytes, start, self->end - self->begin);
        self->end -= self->begin;
        self->begin = 0;
        ssize_t got = read(self->descriptor, self->bytes + self->end, LINE_BYTES - self->end);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            *error = got < 0;
            return false;
        }
        self->end += (size_t)got;
    }
}

/* Reads a hexadecimal number; the position after it, or `at` if there is none. */
static size_t parse_hex(const char *line, size_t at, size_t length, uint64_t *value) {
    *value = 0;
    for (; at < length; at++) {
        char c = line[at];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 16;
        if (digit == 16) {
            break;
        }
        *value = *value << 4 | digit;
    }
    return at;
}

/* --- mappings ----------------------------------------------------------------------------------------------------- */

static bool begins_with(const char *text, size_t length, const char *beginning) {
    size_t wanted = strlen(beginning);
    return length >= wanted && memcmp(text, beginning, wanted) == 0;
}

/* 7f0000000000-7f0000021000 rw-p 00000000 00:00 0                          [stack] */
bool reach_maps_parse(const char *line, size_t length, reach_mapping *mapping) {
    uint64_t start;
    uint64_t end;
    uint64_t inode = 0;
    uint64_t device[2] = {0, 0};
    size_t at = parse_hex(line, 0, length, &start);
    if (at == 0 || at >= length || line[at] != '-') {
        return false;
    }
    size_t second = at + 1;
    at = parse_hex(line, second, length, &end);
    if (at == second || at + 5 > length || line[at] != ' ' || end <= start) {
        return false;
    }
    const char *rights = line + at + 1;
    at += 5;
    for (unsigned field = 0; field < 3; field++) { /* offset, device, inode */
        while (at < length && line[at] == ' ') {
            at++;
        }
        size_t begin = at;
        while (at < length && line[at] != ' ') {
            at++;
        }
        size_t digits = parse_hex(line, begin, at, &inode); /* only whether it is 0 matters */
        if (field == 1 && digits < at) {
            device[0] = inode;
            (void)parse_hex(line, digits + 1, at, &device[1]);
        }
    }
    while (at < length && line[at] == ' ') {
        at++;
    }
    const char *name = line + at;
    size_t rest = length - at;
    bool of_kernel = begins_with(name, rest, "[v"); /* vvar and vsyscall */
    *mapping = (reach_mapping){
        .start = (uintptr_t)start,
        .end = (uintptr_t)end,
        .device_number = device[0] << 32 | device[1],
        .readable = rights[0] == 'r' && !of_kernel,
        .writable = rights[1] == 'w',
        .shared = rights[3] == 's',
        .anonymous = inode == 0 && !of_kernel,
        .device = (begins_with(name, rest, "/dev/") && !begins_with(name, rest, "/dev/shm/") &&
                   !begins_with(name, rest, "/dev/zero") && !begins_with(name, rest, "/dev/hugepages")) ||
                  begins_with(name, rest, "/sys/") || begins_with(name, rest, "/proc/"),
        .in_memory = begins_with(name, rest, "/dev/shm/"),
    };
    return true;
}

bool reach_maps_load(memory_array *mappings) {
    lines in;
    const char *line;
    size_t length;
    bool error = false;
    if (!lines_open(&in, "/proc/self/maps")) {
        return false;
    }
    while (!error && lines_next(&in, &line, &length, &error)) {
        reach_mapping mapping;
        if (reach_maps_parse(line, length, &mapping)) {
            reach_mapping *fresh = memory_array_next(mappings, sizeof *fresh);
            error = fresh == NULL;
            if (fresh != NULL) {
                *fresh = mapping;
            } else {
                errno = ENOMEM;
            }
        }
    }
    lines_close(&in);
    return !error && mappings->count > 0;
}

/* Swap:                 12 kB */
bool reach_swap_parse(const char *line, size_t length) {
    static const char LABEL[] = "Swap:";
    if (!begins_with(line, length, LABEL)) {
        return false;
    }
    size_t at = sizeof LABEL - 1;
    while (at < length && (line[at] == ' ' || line[at] == '0')) {
        at++;
    }
    return at < length && line[at] >= '1' && line[at] <= '9';
}

bool reach_maps_note_swapped(memory_array *mappings) {
    reach_mapping *items = mappings->items;
    size_t now = 0; /* the one that the lines are about, plus 1; 0: one that came later */
    lines in;
    const char *line;
    size_t length;
    bool error = false;
    if (!lines_open(&in, "/proc/self/smaps")) {
        return false;
    }
    for (size_t next = 0; lines_next(&in, &line, &length, &error);) {
        reach_mapping mapping;
        if (reach_maps_parse(line, length, &mapping)) {
            while (next < mappings->count && items[next].start < mapping.start) {
                next++;
            }
            now = next < mappings->count && items[next].start == mapping.start ? next + 1 : 0;
        } else if (now != 0 && reach_swap_parse(line, length)) {
            items[now - 1].swapped = true;
        }
    }
    lines_close(&in);
    return !error;
}

bool reach_maps_readable(const memory_array *mappings, uintptr_t start, size_t bytes) {
    const reach_mapping *items = mappings->items;
    size_t low = 0; /* the first that ends above start lies in [low, high] */
    size_t high = mappings->count;
    uintptr_t end = start + bytes;
    if (end < start) {
        return false;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle].end <= start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; start < end; start = items[low++].end) {
        if (low == mappings->count || items[low].start > start || !items[low].readable || items[low].device) {
            return false;
        }
    }
    return true;
}

/* --- open files --------------------------------------------------------------------------------------------------- */

bool reach_epoll_parse(const char *line, size_t length, uint64_t *word) {
    static const char LABEL[] = " data:";
    size_t label = sizeof LABEL - 1;
    if (!begins_with(line, length, "tfd:")) {
        return false;
    }
    for (size_t at = 0; at + label <= length; at++) {
        if (memcmp(line + at, LABEL, label) == 0) {
            at += label;
            while (at < length && line[at] == ' ') {
                at++;
            }
            return parse_hex(line, at, length, word) != at;
        }
    }
    return false;
}

void reach_hex_visit(const char *line, size_t length, reach_word_visitor *visit, void *context) {
    for (size_t at = 0; at + 2 < length; at++) {
        uint64_t word;
        if (line[at] == '0' && line[at + 1] == 'x') {
            at = parse_hex(line, at + 2, length, &word);
            visit(context, word);
        }
    }
}

/* "directory/name", which fits; path may be the directory. */
static void join(char *path, const char *directory, const char *name) {
    size_t length = strlen(directory);
    for (size_t i = 0; i < length; i++) {
        path[i] = directory[i];
    }
    path[length] = '/';
    memcpy(path + length + 1, name, strlen(name) + 1);
}

typedef struct file_visit {
    reach_word_visitor *visit;
    void *context;
    bool *io_uring;
} file_visit;

static bool visit_lines(const char *path, const file_visit *self, bool is_epoll) {
    lines in;
    const char *line;
    size_t length;
    bool error = false;
    if (!lines_open(&in, path)) {
        return false;
    }
    while (lines_next(&in, &line, &length, &error)) {
        uint64_t word;
        if (!is_epoll) {
            reach_hex_visit(line, length, self->visit, self->context);
        } else if (reach_epoll_parse(line, length, &word)) {
            self->visit(self->context, word);
        }
    }
    lines_close(&in);
    return !error;
}

static bool visit_file(const file_visit *self, const char *name) {
    char path[2 * NAME_BYTES];
    char target[NAME_BYTES];
    join(path, "/proc/self/fd", name);
    ssize_t length = readlink(path, target, sizeof target);
    if (length > 0 && begins_with(target, (size_t)length, "anon_inode:[eventpoll]")) {
        join(path, "/proc/self/fdinfo", name);
        return visit_lines(path, self, true);
    }
    *self->io_uring = *self->io_uring || (length > 0 && begins_with(target, (size_t)length, "anon_inode:[io_uring]"));
    return true;
}

/* A thread may end meanwhile, or the kernel not tell: then its stack has to do. */
static bool visit_thread(const file_visit *self, const char *name) {
    char path[2 * NAME_BYTES];
    join(path, "/proc/self/task", name);
    join(path, path, "syscall");
    (void)visit_lines(path, self, false);
    return true;
}

/* One entry of getdents64(2). */
typedef struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[];
} entry;

static bool visit_directory(const char *path, bool (*visit)(const file_visit *self, const char *name),
                            const file_visit *self) {
    _Alignas(entry) char bytes[LINE_BYTES];
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = directory >= 0;
    for (bool more = good; more && good;) {
        long got = syscall(SYS_getdents64, directory, bytes, sizeof bytes);
        more = got > 0;
        good = got >= 0;
        for (long at = 0; at < got && good;) {
            const entry *item = (const entry *)(const void *)(bytes + at);
            bool number = item->name[0] >= '0' && item->name[0] <= '9' && strlen(item->name) < NAME_BYTES / 2;
            good = !number || visit(self, item->name);
            at += item->length;
        }
    }
    if (directory >= 0) {
        close(directory);
    }
    return good;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): it is written to through the copy */
bool reach_files_visit(reach_word_visitor *visit, void *context, bool *io_uring) {
    const file_visit self = {.visit = visit, .context = context, .io_uring = io_uring};
    return visit_directory("/proc/self/fd", visit_file, &self);
}

bool reach_threads_visit(reach_word_visitor *visit, void *context) {
    const file_visit self = {.visit = visit, .context = context};
    return visit_directory("/proc/self/task", visit_thread, &self);
}
