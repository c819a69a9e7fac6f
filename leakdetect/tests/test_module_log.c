/* Unit tests of module_log.c, and of what symbolize.c makes of it, with a library of glibc's that nothing here needs.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <valgrind/valgrind.h>

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module_log.h"
#include "stack_table.h"
#include "symbolize.h"
#include "unwind.h"

#define LIBRARY  "libresolv.so.2"
#define FUNCTION "ns_datetosecs"

static int forget(void **state) {
    (void)state;
    module_log_reset();
    return 0;
}

static const loaded_module *find(uintptr_t address) {
    for (uint32_t i = module_log_count(); i-- > 0;) {
        const loaded_module *module = module_log_at(i);
        if (address >= module->start && address < module->end) {
            return module;
        }
    }
    return NULL;
}

/* Loads the library, has it written down, and closes it. Returns an address that was in it. */
static uintptr_t come_and_go(uint64_t stack_count) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    const uintptr_t address = (uintptr_t)dlsym(library, FUNCTION);
    assert_int_not_equal(address, 0);
    module_log_look(stack_count);
    assert_int_equal(dlclose(library), 0);
    return address + 4;
}

static void what_is_loaded_is_written_down(void **state) {
    (void)state;
    assert_int_equal(module_log_count(), 0);
    module_log_look(1);
    assert_true(module_log_count() >= 2);
    const loaded_module *self = find((uintptr_t)&find);
    assert_true(self != NULL && strstr(self->path, "test_module_log") != NULL && !self->nameless);
}

static void without_a_new_stack_nobody_looks(void **state) {
    (void)state;
    module_log_look(1);
    const uint32_t before = module_log_count();
    assert_null(find(come_and_go(1)));
    assert_int_equal(module_log_count(), before);
}

static void a_closed_library_stays_and_is_there_once(void **state) {
    (void)state;
    module_log_look(1);
    const uint32_t before = module_log_count();
    const uintptr_t address = come_and_go(2);
    const loaded_module *closed = find(address);
    assert_true(closed != NULL && strstr(closed->path, LIBRARY) != NULL);
    module_log_look(3);
    assert_true(module_log_count() > before);
    const uint32_t after = module_log_count();
    if (come_and_go(4) == address) { /* the loader may have put it elsewhere */
        assert_int_equal(module_log_count(), after);
    }
}

/* Under Valgrind no places are kept (helper.c): what is ours must be there before another comes and goes. */
static void load_early(void) {
    if (RUNNING_ON_VALGRIND) {
        symbolize_load();
    }
}

static void a_report_names_what_was_in_a_closed_library(void **state) {
    (void)state;
    const symbol_frame *frames;
    load_early();
    const uintptr_t address = come_and_go(1);
    symbolize_load();
    symbolizer *self = symbolize_open();
    assert_non_null(self);
    assert_true(symbolize_address(self, address, &frames) >= 1);
    assert_non_null(frames[0].module);
    assert_non_null(strstr(frames[0].module, LIBRARY));
    assert_non_null(frames[0].build_id);
    assert_true(frames[0].offset < 16u << 20);
    assert_non_null(frames[0].function); /* the dynamic symbols at least are there */
    symbolize_close(self);
}

static void what_was_never_written_down_has_no_module(void **state) {
    (void)state;
    const symbol_frame *frames;
    load_early();
    module_log_look(1);
    const uintptr_t address = come_and_go(1);
    symbolize_load();
    symbolizer *self = symbolize_open();
    assert_non_null(self);
    assert_int_equal(symbolize_address(self, address, &frames), 1);
    assert_null(frames[0].module);
    symbolize_close(self);
}

/* Called once, when the loader has shown its modules and whoever asked for them still holds the lock. */
static void (*after_the_walk)(void);
static uintptr_t came_meanwhile;

/* ThreadSanitizer's own code comes here, too, before it is ready for ours. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define PLAIN __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef PLAIN
#define PLAIN
#endif

/* The linker puts the second one where the loader's is called, and calls the loader's by the first name: -Wl,--wrap. */
int __real_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data); // NOLINT
int __wrap_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data); // NOLINT

PLAIN int __wrap_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data) { // NOLINT
    const int result = __real_dl_iterate_phdr(callback, data);
    void (*const then)(void) = after_the_walk;
    after_the_walk = NULL;
    if (then != NULL) {
        then();
    }
    return result;
}

static void *library_meanwhile;

static void load_meanwhile(void) {
    library_meanwhile = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library_meanwhile);
    came_meanwhile = (uintptr_t)dlsym(library_meanwhile, FUNCTION);
    assert_false(module_log_look(2)); /* at once: the lock is held */
}

/* As another thread, or a signal handler. The stack that brought it here may be recalled from now on. */
static void what_comes_while_others_look_is_written_down(void **state) {
    (void)state;
    after_the_walk = load_meanwhile;
    assert_true(module_log_look(1));
    assert_int_not_equal(came_meanwhile, 0);
    assert_int_equal(dlclose(library_meanwhile), 0);
    assert_non_null(find(came_meanwhile + 4));
}

/* While a fork is being made nobody may take the loader's lock; whoever is told so has to come again. */
static void during_a_fork_the_answer_is_no(void **state) {
    (void)state;
    unwind_fork_prepare();
    assert_false(module_log_look(1));
    assert_int_equal(module_log_count(), 0);
    unwind_fork_parent();
    assert_true(module_log_look(1));
    assert_true(module_log_count() >= 2);
}

static uint32_t taken[40];

/* Each turn stands where the one before did. */
static __attribute__((noinline)) void take_stacks(int from, int to) {
    for (volatile int i = from; i < to; i++) {
        taken[i] = unwind_capture_stack(STACK_MAX_FRAMES, UNWIND_OPENING);
    }
}

/* Stacks that are recalled ask for nothing, so those whose modules could not be written down are walked until they are. */
static void a_stack_taken_during_a_fork_is_not_recalled_unwritten(void **state) {
    const unwinder *const walker = *(const unwinder *const *)*state;
    module_log_reset();
    unwind_configure(walker, UNWIND_FULL, 32);
    for (int part = 0; part < 2; part++) { /* one line, and one stack, for both */
        if (part == 0) {
            unwind_fork_prepare();
        }
        take_stacks(part * 20, part * 20 + 20);
        if (part == 0) {
            assert_int_equal(module_log_count(), 0);
            unwind_fork_parent();
        }
    }
    assert_int_not_equal(taken[0], 0);
    assert_int_equal(taken[0], taken[39]);
    assert_true(module_log_count() >= 2);
}

static atomic_bool enough;

static void *look_on(void *argument) {
    for (uint64_t i = 1000; !atomic_load(&enough); i++) {
        module_log_look(i);
    }
    return argument;
}

/* Whatever another thread was doing at the moment of the fork. */
static void a_child_of_fork_can_go_on(void **state) {
    (void)state;
    pthread_t thread;
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, look_on, NULL), 0);
    for (int i = 0; i < 50; i++) {
        int status = 1;
        const pid_t child = fork();
        if (child == 0) {
            (void)alarm(20);
            module_log_look(1);
            module_log_look(2);
            _exit(module_log_count() >= 2 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void) {
    static const unwinder *walkers[] = {&unwind_cfi, &unwind_fp};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_loaded_is_written_down, forget),
        cmocka_unit_test_setup(without_a_new_stack_nobody_looks, forget),
        cmocka_unit_test_setup(a_closed_library_stays_and_is_there_once, forget),
        cmocka_unit_test_setup(a_report_names_what_was_in_a_closed_library, forget),
        cmocka_unit_test_setup(what_was_never_written_down_has_no_module, forget),
        cmocka_unit_test_setup(what_comes_while_others_look_is_written_down, forget),
        cmocka_unit_test_setup(during_a_fork_the_answer_is_no, forget),
        cmocka_unit_test_prestate(a_stack_taken_during_a_fork_is_not_recalled_unwritten, walkers),
        cmocka_unit_test_prestate(a_stack_taken_during_a_fork_is_not_recalled_unwritten, walkers + 1),
        cmocka_unit_test_setup(a_child_of_fork_can_go_on, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
