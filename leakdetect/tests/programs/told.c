/* Has a listener, which prints what it is told, and leaks.
 *
 *   told leave|take exit N      N buffers at the end; the listener leaves the text to stderr, or takes it
 *   told leave|take destroy     2 buffers of an allocator that is destroyed, and 1 of the default one
 *   told leave|take lose FILE   loses a buffer and keeps another, until FILE has something in it
 *   told leave|take asked       asks for reports and gets one by a signal, while a buffer is alive
 *   told leave|take busy        the listener uses buffers, reports, a child and another thread, and takes itself out
 *   told leave|take nobody      sets a listener, and none again
 *   told leave|take long        one buffer of a function whose name is as long as those of C++ templates are */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
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

static bool takes;
static poolbuf *kept[4];

/* The program's streams may be closed when the process ends. */
static bool print(const leakdetect_leaks *leaks, void *context) {
    dprintf(STDOUT_FILENO, "%s: %llu leaked, %zu groups, %s\n", leaks->reason, (unsigned long long)leaks->leaked,
            leaks->group_count, (const char *)context);
    for (size_t i = 0; i < leaks->group_count; i++) {
        const leakdetect_leak *leak = leaks->groups[i];
        dprintf(STDOUT_FILENO, "  %llu %s, %llu bytes, about %llu (%llu to %llu), %llu lost, %s, %016llx\n",
                (unsigned long long)leak->count, leak->type, (unsigned long long)leak->bytes,
                (unsigned long long)leak->estimated_count, (unsigned long long)leak->estimated_low,
                (unsigned long long)leak->estimated_high, (unsigned long long)leak->lost, leak->site,
                (unsigned long long)leak->fingerprint);
        if (leak->struct_size != sizeof *leak || leak->oldest_ms < leak->newest_ms || leak->oldest_ms > 60000) {
            abort();
        }
    }
    if (leaks->struct_size != sizeof *leaks || strlen(leaks->text) != leaks->text_length) {
        abort();
    }
    const char *path = getenv("TOLD_TEXT");
    FILE *out = path == NULL ? NULL : fopen(path, "we");
    if (out != NULL) {
        fwrite(leaks->text, 1, leaks->text_length, out);
        fclose(out);
    }
    return takes;
}

OWN_FRAME static poolbuf *forget(poolbuf_allocator *allocator, size_t size) {
    poolbuf *buffer = poolbuf_allocate(allocator, size, size);
    if (buffer == NULL || poolbuf_write_u8(buffer, 1) != POOLBUF_OK) {
        exit(1);
    }
    return buffer;
}

OWN_FRAME static void forget_other(poolbuf_allocator *allocator) {
    (void)forget(allocator, 2000);
    __asm__ volatile(""); /* a call that is the last thing done would leave no frame */
}

#define JOINED(a, b, c) a##b##c
OWN_FRAME static void
JOINED(forget_in_a_function_with_a_name_that_is_as_long_as_the_names_of_functions_in_templates_of_,
       templates_of_templates_whose_arguments_are_templates_with_arguments_that_are_templates_and_,
       whose_end_nobody_has_ever_read_but_at_which_stands_the_file_and_the_line_that_matter)(void) {
    kept[0] = poolbuf_allocate(NULL, 100, 100);
}

/* Finished calls leave addresses on the stack, which count as references where a caller lies above them. */
OWN_FRAME static void wipe_stack(void) {
    volatile char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 0;
    }
}

static void leak(unsigned long count) {
    for (unsigned long i = 0; i < count; i++) {
        (void)forget(NULL, 100);
    }
}

static void destroy(void) {
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        exit(1);
    }
    (void)forget(allocator, 100);
    forget_other(allocator);
    (void)poolbuf_allocator_destroy(allocator);
    leak(1);
}

static void lose(const char *path) {
    struct stat found;
    kept[0] = poolbuf_allocate(NULL, 100, 100);
    forget_other(NULL);
    wipe_stack();
    for (int i = 0; i < 3000 && (stat(path, &found) != 0 || found.st_size == 0); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    (void)poolbuf_release(kept[0]);
}

static void ask(void) {
    FILE *out = fopen("/dev/null", "we");
    kept[0] = forget(NULL, 100);
    if (out == NULL || leakdetect_report(out, LEAKDETECT_TEXT) != POOLBUF_OK ||
        leakdetect_report_older_than(out, LEAKDETECT_JSON, 0) != POOLBUF_OK) {
        exit(1);
    }
    fclose(out);
    raise(SIGUSR2);
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    (void)poolbuf_release(kept[0]);
}

static void *report(void *out) {
    return leakdetect_report(out, LEAKDETECT_TEXT) == POOLBUF_OK ? NULL : out;
}

/* What a log of a server might do. */
static bool work(const leakdetect_leaks *leaks, void *context) {
    FILE *out = fopen("/dev/null", "we");
    pthread_t thread;
    void *failed = NULL;
    int status = -1;
    poolbuf *line = poolbuf_allocate(NULL, leaks->text_length, leaks->text_length);
    bool good = out != NULL && line != NULL &&
                poolbuf_write_bytes(line, leaks->text, leaks->text_length) == POOLBUF_OK && poolbuf_release(line) &&
                pthread_create(&thread, NULL, report, out) == 0 && pthread_join(thread, &failed) == 0 && failed == NULL;
    good = good && leakdetect_report(out, LEAKDETECT_TEXT) == POOLBUF_ERROR_NO_MEMORY; /* from here */
    pid_t child = fork();
    if (child == 0) {
        _exit(poolbuf_release(poolbuf_allocate(NULL, 100, 100)) ? 0 : 1);
    }
    good = good && child > 0 && waitpid(child, &status, 0) == child && status == 0;
    leakdetect_set_listener(NULL, NULL);
    dprintf(STDOUT_FILENO, "%s: %s\n", (const char *)context, good ? "good" : "bad");
    return takes;
}

int main(int count, char **arguments) {
    if (count < 3) {
        return 1;
    }
    static char one[] = "a context";
    static char other[] = "busy";
    takes = strcmp(arguments[1], "take") == 0;
    const char *what = arguments[2];
    leakdetect_set_listener(print, one);
    if (strcmp(what, "exit") == 0 && count == 4) {
        leak(strtoul(arguments[3], NULL, 10));
    } else if (strcmp(what, "destroy") == 0) {
        destroy();
    } else if (strcmp(what, "lose") == 0 && count == 4) {
        lose(arguments[3]);
    } else if (strcmp(what, "asked") == 0) {
        ask();
    } else if (strcmp(what, "busy") == 0) {
        leakdetect_set_listener(work, other);
        destroy();
    } else if (strcmp(what, "long") == 0) {
        JOINED(forget_in_a_function_with_a_name_that_is_as_long_as_the_names_of_functions_in_templates_of_,
               templates_of_templates_whose_arguments_are_templates_with_arguments_that_are_templates_and_,
               whose_end_nobody_has_ever_read_but_at_which_stands_the_file_and_the_line_that_matter)
        ();
    } else if (strcmp(what, "nobody") == 0) {
        leakdetect_set_listener(NULL, NULL);
        leak(1);
    } else {
        return 1;
    }
    return 0;
}
