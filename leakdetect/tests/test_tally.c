/* Unit tests of tally.c: a process each, since the page is mapped once and for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally.h"
#include "tally_page.h"

static char path[] = "/tmp/test_tally-XXXXXX";

static void put(const void *bytes, size_t size) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static tally_page get(void) {
    tally_page page;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(&page, sizeof page, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    return page;
}

/* Runs it in a child; returns the child's id. */
static pid_t in_a_process(void (*what)(void)) {
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return child;
}

static void count_once(void) {
    tally_open(path);
    tally_count_lost();
}

static void count_after_the_folder_is_out_of_reach(void) {
    tally_open(path);
    if (unlink(path) != 0 || fork() == 0) {
        tally_count_lost();
        _exit(0);
    }
    (void)wait(NULL);
    tally_count_lost();
}

static void losses_add_up_over_processes_and_the_first_is_named(void **state) {
    (void)state;
    const tally_page fresh = {.magic = TALLY_MAGIC};
    put(&fresh, sizeof fresh);
    const pid_t first = in_a_process(count_once);
    (void)in_a_process(count_once);
    const tally_page page = get();
    assert_int_equal(page.lost, 2);
    assert_int_equal(page.first, first);
    assert_true(page.magic == TALLY_MAGIC);
}

static void what_is_mapped_outlives_its_name_and_is_a_childs_too(void **state) {
    (void)state;
    const tally_page fresh = {.magic = TALLY_MAGIC};
    tally_page page;
    put(&fresh, sizeof fresh);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    (void)in_a_process(count_after_the_folder_is_out_of_reach);
    assert_int_equal(read(descriptor, &page, sizeof page), sizeof page);
    (void)close(descriptor);
    assert_int_equal(page.lost, 2);
}

static void another_file_is_left_alone(void **state) {
    (void)state;
    static const char TEXT[] = "somebody's, and as long as a page of ours or longer";
    static const char SHORT[] = "short";
    char back[sizeof TEXT] = {0};
    put(TEXT, sizeof TEXT);
    (void)in_a_process(count_once);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(back, 1, sizeof back, file), sizeof TEXT);
    assert_int_equal(fclose(file), 0);
    assert_memory_equal(back, TEXT, sizeof TEXT);
    put(SHORT, sizeof SHORT);
    (void)in_a_process(count_once);
    assert_int_equal(unlink(path), 0);
    (void)in_a_process(count_once); /* there is none: nothing is said, nothing happens */
}

static void without_a_file_nothing_is_counted(void **state) {
    (void)state;
    tally_open(NULL);
    tally_count_lost();
}

static int make_name(void **state) {
    (void)state;
    const int descriptor = mkstemp(path);
    return descriptor < 0 || close(descriptor) != 0;
}

static int remove_file(void **state) {
    (void)state;
    (void)unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_add_up_over_processes_and_the_first_is_named),
        cmocka_unit_test(what_is_mapped_outlives_its_name_and_is_a_childs_too),
        cmocka_unit_test(another_file_is_left_alone),
        cmocka_unit_test(without_a_file_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, make_name, remove_file);
}
