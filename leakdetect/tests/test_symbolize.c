/* Unit tests of symbolize.c, on this very program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "symbol_name.h"
#include "symbolize.h"
#include "symbolize_modules.h"

#define OWN_FRAME __attribute__((noinline))
#define INLINED   __attribute__((always_inline)) inline

static unsigned merged_line, host_line; /* where the two functions below call */

OWN_FRAME static uintptr_t return_address(void) {
    return (uintptr_t)__builtin_return_address(0);
}

static INLINED uintptr_t merged_function(void) {
    merged_line = __LINE__ + 1;
    return return_address() + 0;
}

OWN_FRAME static uintptr_t host_function(void) {
    host_line = __LINE__ + 1;
    uintptr_t address = merged_function();
    __asm__ volatile("" ::: "memory");
    return address;
}

static const char *base_name(const char *path) {
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

enum {
    DESCRIPTORS = 64
};

/* The first test, as it is the first look for libdw that counts. */
static void a_look_for_names_without_a_free_descriptor_is_not_the_last(void **state) {
    (void)state;
    struct rlimit before;
    int taken[DESCRIPTORS];
    size_t count = 0;
    const symbol_frame *frames;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, before.rlim_max}), 0);
    while (count < DESCRIPTORS && (taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        count++;
    }
    symbolize_load();
    while (count > 0) {
        close(taken[--count]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    symbolize_load();
    symbolizer *self = symbolize_open();
    assert_true(symbolize_address(self, host_function(), &frames) >= 1);
    assert_non_null(frames[0].function);
    symbolize_close(self);
}

static void a_frame_has_function_file_line_module_and_build_id(void **state) {
    (void)state;
    const symbol_frame *frames;
    symbolizer *self = symbolize_open();
    size_t count = symbolize_address(self, host_function(), &frames);
    assert_true(count >= 1);
    assert_string_equal(base_name(frames[0].file), "test_symbolize.c");
    assert_int_equal(frames[0].line, merged_line);
    assert_string_equal(base_name(frames[0].module), "test_symbolize");
    assert_non_null(frames[0].build_id);
    assert_int_equal(strlen(frames[0].build_id), 40);
    assert_string_equal(frames[count - 1].function, "host_function");
    symbolize_close(self);
}

static void an_inlined_function_is_a_frame_of_its_own(void **state) {
    (void)state;
    const symbol_frame *frames;
    symbolizer *self = symbolize_open();
    size_t count = symbolize_address(self, host_function(), &frames);
    assert_int_equal(count, 2);
    assert_string_equal(frames[0].function, "merged_function");
    assert_true(frames[0].inlined);
    assert_string_equal(frames[1].function, "host_function");
    assert_false(frames[1].inlined);
    assert_int_equal(frames[1].line, host_line);
    symbolize_close(self);
}

static void a_library_function_is_found_in_its_module(void **state) {
    (void)state;
    const symbol_frame *frames;
    symbolizer *self = symbolize_open();
    size_t count = symbolize_address(self, (uintptr_t)&ftok + 1, &frames);
    assert_non_null(frames[count - 1].function);
    assert_non_null(strstr(frames[0].module, "libc"));
    assert_true(frames[0].offset < (uintptr_t)&ftok);
    symbolize_close(self);
}

static void an_address_in_no_module_stays_a_number(void **state) {
    (void)state;
    const symbol_frame *frames;
    symbolizer *self = symbolize_open();
    assert_int_equal(symbolize_address(self, 64, &frames), 1);
    assert_int_equal(frames[0].address, 64);
    assert_null(frames[0].module);
    assert_null(frames[0].function);
    assert_null(frames[0].file);
    symbolize_close(self);
}

static void a_second_look_gives_the_same_frames(void **state) {
    (void)state;
    const symbol_frame *first;
    const symbol_frame *second;
    symbolizer *self = symbolize_open();
    uintptr_t address = host_function();
    assert_int_equal(symbolize_address(self, address, &first), symbolize_address(self, address, &second));
    assert_ptr_equal(first, second);
    symbolize_close(self);
}

static void modules_do_not_overlap(void **state) {
    (void)state;
    memory_array modules = {0};
    modules_load(&modules);
    const loaded_module *all = modules.items;
    assert_true(modules.count >= 2);
    for (size_t i = 0; i < modules.count; i++) {
        assert_ptr_equal(modules_find(&modules, all[i].start), &all[i]);
        assert_ptr_equal(modules_find(&modules, all[i].end - 1), &all[i]);
    }
    memory_array_fini(&modules);
}

static void a_path_that_is_too_long_keeps_the_name_of_the_file(void **state) {
    (void)state;
    static char path[4096];
    memset(path, 'x', sizeof path - 1);
    for (size_t i = 0; i < sizeof path - 1; i += 100) {
        path[i] = '/';
    }
    memcpy(path + sizeof path - sizeof "/deep/library.so", "/deep/library.so", sizeof "/deep/library.so");
    loaded_module module;
    module_read(&module, &(struct dl_phdr_info){.dlpi_name = path});
    assert_string_equal(base_name(module.path), "library.so");
    assert_string_equal(module.path, path + strlen(path) - strlen(module.path));
    memset(path, 'x', sizeof path - 1); /* no file can have such a name, but nothing may break */
    module_read(&module, &(struct dl_phdr_info){.dlpi_name = path});
    assert_int_equal(strlen(module.path), MODULE_PATH_BYTES - 1);
}

static void copies_of_a_function_have_its_name(void **state) {
    (void)state;
    static const char *const NAMES[][2] = {
        {"take", "take"},
        {"take.constprop.0", "take"},
        {"take.part.0.isra.0.cold", "take"},
        {"_ZN1a1bEi.isra.12", "_ZN1a1bEi"},
        {"take.llvm.1234567890", "take"},
        {"main.main", "main.main"},
        {"main.part", "main.part"},
        {"take.part.0x", "take.part.0x"},
        {"take.cold.1.lto_priv.0", "take"},
        {"a.b.cold", "a.b"},
        {"take.0", "take.0"}, /* no compiler's */
        {"take.cold.x", "take.cold.x"},
        {".cold", ".cold"},
        {"take.", "take."},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)symbol_name_length(NAMES[i][0]), NAMES[i][0]);
        assert_string_equal(name, NAMES[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_for_names_without_a_free_descriptor_is_not_the_last),
        cmocka_unit_test(a_frame_has_function_file_line_module_and_build_id),
        cmocka_unit_test(an_inlined_function_is_a_frame_of_its_own),
        cmocka_unit_test(a_library_function_is_found_in_its_module),
        cmocka_unit_test(an_address_in_no_module_stays_a_number),
        cmocka_unit_test(a_second_look_gives_the_same_frames),
        cmocka_unit_test(modules_do_not_overlap),
        cmocka_unit_test(copies_of_a_function_have_its_name),
        cmocka_unit_test(a_path_that_is_too_long_keeps_the_name_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
