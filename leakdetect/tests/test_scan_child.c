/* How the child of a scan is ranked among the threads of the machine, and what it makes of guards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

typedef struct ranked {
    pthread_t thread;
    int policy; /* asked for */
    volatile bool stop, refused;
    volatile pid_t id;
} ranked;

static void *scan_until_told(void *argument) {
    ranked *self = argument;
    const struct sched_param real_time = {.sched_priority = 1};
    const leakdetect_scan_options options = {.struct_size = sizeof options, .once = true};
    self->refused = self->policy != SCHED_OTHER && pthread_setschedparam(pthread_self(), self->policy, &real_time) != 0;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 7);
    self->id = (pid_t)syscall(SYS_gettid);
    while (!self->stop && !self->refused) {
        leakdetect_scan_result result = {.struct_size = sizeof result};
        (void)leakdetect_scan(&options, &result);
    }
    return NULL;
}

/* Whether a thread's child scans now, and how it is ranked. */
static bool see_scan(pid_t thread, long *nice_by, long *policy) {
    char path[64];
    char line[1024] = "";
    int child = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)thread);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bool seen = fscanf(file, "%d", &child) == 1; // NOLINT(cert-err34-c)
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    file = seen ? fopen(path, "r") : NULL;
    seen = file != NULL && fgets(line, sizeof line, file) != NULL && strstr(line, "(poolbuf-scan) ") != NULL;
    if (file != NULL) {
        fclose(file);
    }
    char *rest = seen ? strrchr(line, ')') : NULL;
    for (int field = 2; rest != NULL && field < 41; field++) { /* proc(5) counts from 1; the name is the second */
        rest = strchr(rest + 1, ' ');
        if (rest != NULL && field + 1 == 19) {
            *nice_by = strtol(rest, NULL, 10);
        } else if (rest != NULL && field + 1 == 41) {
            *policy = strtol(rest, NULL, 10);
        }
    }
    return rest != NULL;
}

/* Behind the thread that asked for it, whatever that one's own rank. */
static void the_child_lets_others_go_first(void **state) {
    (void)state;
    static const int POLICIES[] = {SCHED_OTHER, SCHED_FIFO, SCHED_RR};
    if (access("/proc/thread-self/children", R_OK) != 0) {
        print_message("the kernel does not list a thread's children here\n");
        skip();
    }
    for (size_t i = 0; i < sizeof POLICIES / sizeof POLICIES[0]; i++) {
        ranked self = {.policy = POLICIES[i]};
        long nice_by = 0;
        long policy = -1;
        bool seen = false;
        assert_int_equal(pthread_create(&self.thread, NULL, scan_until_told, &self), 0);
        for (int turn = 0; turn < 20000 && !seen && !self.refused; turn++) {
            seen = self.id != 0 && see_scan(self.id, &nice_by, &policy);
            usleep(500);
        }
        self.stop = true;
        pthread_join(self.thread, NULL);
        if (self.refused) {
            print_message("policy %d is not allowed here, so it was not tried\n", POLICIES[i]);
            continue;
        }
        assert_true(seen);
        assert_int_equal(nice_by, 7 + 5);
        assert_int_equal(policy, SCHED_OTHER);
    }
}

#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL of Linux 6.13, which headers may not know yet */

/* Pages that nobody may touch, in the midst of memory that is readable, as glibc 2.42 puts one below each thread's stack. */
static void guards_are_nothing_that_could_not_be_read(void **state) {
    (void)state;
    static const size_t SIZES[] = {16, 1024}; /* pages: read as a whole, and as far as it was touched */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        leakdetect_scan_result result = {.struct_size = sizeof result};
        char *memory = mmap(NULL, SIZES[i] * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        memset(memory, 0, SIZES[i] * page);
        if (madvise(memory + 2 * page, 5 * page, GUARD_INSTALL) != 0) {
            print_message("the kernel knows no guards in memory\n");
            skip();
        }
        assert_int_equal(leakdetect_scan(NULL, &result), POOLBUF_OK);
        assert_int_equal(result.unreadable_bytes, 0);
        assert_int_equal(result.blind_spots, 0);
        assert_int_equal(munmap(memory, SIZES[i] * page), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_lets_others_go_first),
        cmocka_unit_test(guards_are_nothing_that_could_not_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
