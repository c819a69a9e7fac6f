/* Running a program under the recorder; see run.h. */
#include "record/run.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RECORDER_NAME "libpoolbuf-record.so"
#define SPOOLS_MAX    100000u

__attribute__((format(printf, 3, 4))) static bool fail(char *reason, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, size, format, args);
    va_end(args);
    return false;
}

/* Looks a program up as execvp() does. */
static bool find_program(const char *program, char path[PATH_MAX]) {
    if (strchr(program, '/') != NULL) {
        return snprintf(path, PATH_MAX, "%s", program) < PATH_MAX && access(path, X_OK) == 0;
    }
    const char *folders = getenv("PATH");
    for (folders = folders != NULL ? folders : "/usr/bin:/bin"; *folders != '\0';) {
        size_t length = strcspn(folders, ":");
        struct stat status;
        if (snprintf(path, PATH_MAX, "%.*s/%s", length > 0 ? (int)length : 1, length > 0 ? folders : ".", program) <
                PATH_MAX &&
            access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            return true;
        }
        folders += length + (folders[length] == ':');
    }
    return false;
}

typedef enum elf_sort {
    ELF_NONE,    /* a script, or anything else that is not ELF: its interpreter will be recorded */
    ELF_DYNAMIC, /* has a loader, which preloads */
    ELF_STATIC,  /* nobody will preload anything */
    ELF_FOREIGN  /* of another word size than the recorder */
} elf_sort;

static elf_sort sort_of(const char *path) {
    Elf64_Ehdr header;
    elf_sort sort = ELF_NONE;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return ELF_NONE;
    }
    if (fread(&header, sizeof header, 1, file) == 1 && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
        sort = header.e_ident[EI_CLASS] == ELFCLASS64 ? ELF_STATIC : ELF_FOREIGN;
        for (unsigned i = 0; i < header.e_phnum && sort == ELF_STATIC; i++) {
            Elf64_Phdr segment;
            if (fseek(file, (long)(header.e_phoff + (uint64_t)i * header.e_phentsize), SEEK_SET) != 0 ||
                fread(&segment, sizeof segment, 1, file) != 1) {
                break;
            }
            sort = segment.p_type == PT_INTERP ? ELF_DYNAMIC : ELF_STATIC;
        }
    }
    (void)fclose(file);
    return sort;
}

/* Why there is nothing to start; a path may lead to what is there and no program. */
static bool tell_missing(const char *program, char *reason, size_t size) {
    struct stat status;
    if (strchr(program, '/') == NULL || (stat(program, &status) != 0 && errno == ENOENT)) {
        return fail(reason, size, "cannot run %s: there is no such program; give one that PATH or a path finds",
                    program);
    }
    if (stat(program, &status) != 0) {
        return fail(reason, size, "cannot run %s: %s; give a program that can be run", program, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(reason, size, "cannot run %s: it is %s; give a program", program,
                    S_ISDIR(status.st_mode) ? "a folder" : "no regular file");
    }
    return fail(reason, size, "cannot run %s: it is not executable; chmod +x makes it so", program);
}

bool record_check(const char *program, bool *missing, char *reason, size_t reason_size) {
    char path[PATH_MAX];
    struct stat status;
    *missing = !find_program(program, path) || stat(path, &status) != 0 || !S_ISREG(status.st_mode);
    if (*missing) {
        return tell_missing(program, reason, reason_size);
    }
    if ((status.st_mode & (S_ISUID | S_ISGID)) != 0 && geteuid() != 0) {
        return fail(reason, reason_size, "%s is set-user-id, so the loader preloads nothing; record a plain copy",
                    program);
    }
    switch (sort_of(path)) {
    case ELF_STATIC:
        return fail(reason, reason_size,
                    "%s is linked statically, so nothing can be preloaded; record a dynamically linked build", program);
    case ELF_FOREIGN:
        return fail(reason, reason_size, "%s is not a 64-bit program, as the recorder is; record a 64-bit build",
                    program);
    default:
        return true;
    }
}

/* The recorder lies beside this program in a build tree's or an installation's lib folder. */
static bool find_recorder(char path[PATH_MAX], char *reason, size_t reason_size) {
    static const char *const places[] = {POOLBUF_LIBRARY_FROM_BIN, "../lib", "."};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char place[PATH_MAX];
        int n = snprintf(place, sizeof place, "%s/%s/" RECORDER_NAME, program, places[i]);
        if (n > 0 && (size_t)n < sizeof place && realpath(place, path) != NULL) {
            return true;
        }
    }
    return fail(reason, reason_size, "%s is not beside this program, nor in its lib folder; install poolbuf as a whole",
                RECORDER_NAME);
}

/* A link to the recorder, as long as the program runs. The loader takes a blank or a colon in LD_PRELOAD for the end of a
 * name and a $ for a name of its own, and a recorder may lie in a folder that has one. */
typedef struct recorder_link {
    char folder[sizeof "/tmp/.poolbuf-record-XXXXXX"]; /* its own, or empty: there is no link */
    char path[PATH_MAX];
} recorder_link;

static void unlink_recorder(recorder_link *self) {
    if (self->folder[0] != '\0') {
        (void)unlink(self->path);
        (void)rmdir(self->folder);
        self->folder[0] = '\0';
    }
}

/* Sets path to what can be preloaded: the recorder, or a link to it. unlink_recorder() must follow, in any case. */
static bool link_recorder(recorder_link *self, const char *recorder, char *reason, size_t reason_size) {
    *self = (recorder_link){.folder = ""};
    (void)snprintf(self->path, sizeof self->path, "%s", recorder);
    if (strpbrk(recorder, " :$") == NULL) {
        return true;
    }
    (void)snprintf(self->folder, sizeof self->folder, "/tmp/.poolbuf-record-XXXXXX");
    if (mkdtemp(self->folder) != NULL) {
        (void)snprintf(self->path, sizeof self->path, "%s/" RECORDER_NAME, self->folder);
        if (symlink(recorder, self->path) == 0) {
            return true;
        }
    } else {
        self->folder[0] = '\0';
    }
    return fail(
        reason, reason_size,
        "the loader preloads nothing from %s, for its blank, colon or $, and /tmp takes no link to it: %s; install "
        "poolbuf in another folder",
        recorder, strerror(errno));
}

/* Runs the program to its end, with the recorder first among what is preloaded. */
static bool run_program(const record_plan *plan, const char *recorder, const char *folder, child_end *end, char *reason,
                        size_t reason_size) {
    char number[24];
    char list[2 * PATH_MAX];
    const char *preloaded = getenv("LD_PRELOAD");
    const bool others = preloaded != NULL && preloaded[0] != '\0';
    const int n = snprintf(list, sizeof list, "%s%s%s", recorder, others ? ":" : "", others ? preloaded : "");
    if (n < 0 || (size_t)n >= sizeof list) {
        return fail(reason, reason_size, "LD_PRELOAD is too long already; record without it");
    }
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)plan->max_events);
    const child_variable variables[] = {{"LD_PRELOAD", list},
                                        {SPOOL_ENV_FOLDER, folder},
                                        {SPOOL_ENV_MAX_EVENTS, number},
                                        {SPOOL_ENV_EVENTS, plan->events}};
    child_run(plan->command, variables, sizeof variables / sizeof variables[0], end);
    if (end->start_error != 0) {
        return fail(reason, reason_size, "cannot run %s: %s; give a program that can be run", plan->command[0],
                    strerror(end->start_error));
    }
    return true;
}

/* The header is read before anything is mapped: where a full disk had no room for it, a mapping would raise SIGBUS.
 *   committed  gets how many bytes of events there are, of those that the file has room for. */
static bool read_header(int file, off_t file_size, uint64_t *committed) {
    spool_header header;
    if (file_size <= (off_t)SPOOL_HEADER_SIZE || pread(file, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.magic, SPOOL_MAGIC, sizeof header.magic) != 0) {
        return false;
    }
    *committed = atomic_load_explicit(&header.committed, memory_order_acquire);
    return *committed <= (uint64_t)file_size - SPOOL_HEADER_SIZE;
}

/* Counts a process of which there are no events, when it is known why. */
static void count_refused(record_result *result, off_t size, spool_end end) {
    result->without_space += size == SPOOL_REFUSED_SPACE || end == SPOOL_NO_SPACE;
    result->without_memory += size == SPOOL_REFUSED_MEMORY || end == SPOOL_NO_MEMORY;
}

/* Maps one spool, as far as it is used. One without a header or without events is passed over. */
static bool map_spool(const char *path, record_spool *spool, record_result *result) {
    struct stat status;
    uint64_t size = 0;
    void *at = MAP_FAILED;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fstat(file, &status) == 0) {
        if (read_header(file, status.st_size, &size)) {
            at = mmap(NULL, SPOOL_HEADER_SIZE + (size_t)size, PROT_READ, MAP_SHARED, file, 0);
            result->without_memory += at == MAP_FAILED;
        } else {
            count_refused(result, status.st_size, SPOOL_COMPLETE);
        }
    }
    if (file >= 0) {
        (void)close(file);
    }
    if (at == MAP_FAILED) {
        return false;
    }
    const spool_header *header = at;
    const size_t mapped = SPOOL_HEADER_SIZE + (size_t)size;
    result->without_folder += (size_t)atomic_load(&header->lost_children);
    if (size == 0) {
        count_refused(result, status.st_size, (spool_end)header->end);
        (void)munmap(at, mapped);
        return false;
    }
    const char *dot = strrchr(path, '.');
    *spool = (record_spool){.header = header,
                            .events = (const uint8_t *)at + SPOOL_HEADER_SIZE,
                            .size = (size_t)size,
                            .mapped = mapped,
                            .image = dot != NULL ? (unsigned)strtoul(dot + 1, NULL, 10) : 0};
    return true;
}

/* Takes a spool off the disk, whose file has been removed: the trace may have to go where it lay. Without memory it
 * stays. */
static void move_to_memory(record_spool *spool) {
    const size_t size = SPOOL_HEADER_SIZE + spool->size;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        return;
    }
    memcpy(at, spool->header, size);
    (void)munmap((void *)(uintptr_t)spool->header, spool->mapped);
    spool->header = at;
    spool->events = (const uint8_t *)at + SPOOL_HEADER_SIZE;
    spool->mapped = size;
}

/* Whether the disk was full, or the traces, at most as large as the spools, may not fit beside them. */
static bool is_disk_short(const char *folder, const record_result *result) {
    struct statvfs disk;
    uint64_t needed = 0;
    bool is_short = result->without_space != 0;
    for (size_t i = 0; i < result->spool_count; i++) {
        needed += SPOOL_HEADER_SIZE + result->spools[i].size;
        is_short = is_short || result->spools[i].header->end == SPOOL_NO_SPACE;
    }
    return is_short ||
           (statvfs(folder, &disk) == 0 && disk.f_frsize != 0 && disk.f_bavail < needed / disk.f_frsize + 1);
}

static int most_events_first(const void *a, const void *b) {
    const record_spool *x = a;
    const record_spool *y = b;
    if (x->header->event_count != y->header->event_count) {
        return x->header->event_count < y->header->event_count ? 1 : -1;
    }
    return (x->header->pid > y->header->pid) - (x->header->pid < y->header->pid);
}

/* Maps the spools and removes their files: what is mapped stays readable. */
static void collect(const char *folder, record_result *result) {
    size_t room = 0;
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path) {
            continue;
        }
        if (result->spool_count == room && room < SPOOLS_MAX) {
            record_spool *spools = realloc(result->spools, (room + 64) * sizeof *spools);
            room += spools != NULL ? 64 : 0;
            result->spools = spools != NULL ? spools : result->spools;
        }
        if (result->spool_count < room && map_spool(path, &result->spools[result->spool_count], result)) {
            result->spool_count++;
        }
        (void)unlink(path);
    }
    (void)closedir(entries);
    for (size_t i = is_disk_short(folder, result) ? 0 : result->spool_count; i < result->spool_count; i++) {
        move_to_memory(&result->spools[i]);
    }
    if (result->spool_count > 0) {
        qsort(result->spools, result->spool_count, sizeof *result->spools, most_events_first);
    }
}

/* Its process is there, and has executed nothing else since. */
static bool still_runs(const record_result *result, const record_spool *spool) {
    for (size_t i = 0; i < result->spool_count; i++) {
        const record_spool *other = &result->spools[i];
        if (other->header->pid == spool->header->pid && other->image > spool->image) {
            return false;
        }
    }
    return kill(spool->header->pid, 0) == 0 || errno == EPERM;
}

bool record_run(const record_plan *plan, record_result *result, char *reason, size_t reason_size) {
    char recorder[PATH_MAX];
    char parent[PATH_MAX];
    char folder[PATH_MAX];
    recorder_link link;
    *result = (record_result){0};
    if (!find_recorder(recorder, reason, reason_size)) {
        return false;
    }
    if (realpath(plan->folder, parent) == NULL ||
        snprintf(folder, sizeof folder, "%s/.poolbuf-record-XXXXXX", parent) >= (int)sizeof folder ||
        mkdtemp(folder) == NULL) {
        return fail(reason, reason_size, "cannot make a folder in %s: %s; give an output file where one can be made",
                    plan->folder, strerror(errno));
    }
    const bool fine = link_recorder(&link, recorder, reason, reason_size) &&
                      run_program(plan, link.path, folder, &result->end, reason, reason_size);
    unlink_recorder(&link);
    collect(folder, result);
    (void)rmdir(folder);
    for (size_t i = 0; i < result->spool_count && result->end.is_outlived; i++) {
        result->spools[i].is_outlived = still_runs(result, &result->spools[i]);
    }
    return fine;
}

void record_result_fini(record_result *result) {
    for (size_t i = 0; i < result->spool_count; i++) {
        (void)munmap((void *)(uintptr_t)result->spools[i].header, result->spools[i].mapped);
    }
    free(result->spools);
    *result = (record_result){0};
}
