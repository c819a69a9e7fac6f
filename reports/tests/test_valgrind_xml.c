/* Unit tests of valgrind_xml.c, on reports written here: whole, broken off, and not Memcheck's at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reports/valgrind_xml.h"

#define FRAME(object, function, folder, file, line)                                                                    \
    "<frame><ip>0x10" line "</ip><obj>" object "</obj><fn>" function "</fn><dir>" folder "</dir><file>" file           \
    "</file><line>" line "</line></frame>"
#define MALLOC_FRAME "<frame><ip>0x48</ip><obj>/usr/libexec/valgrind/vgpreload_memcheck.so</obj><fn>malloc</fn></frame>"
#define LIBRARY_FRAMES                                                                                                 \
    FRAME("/lib/libpoolbuf.so.0", "cache_pop", "/src/allocator/src", "thread_cache.c", "5")                            \
    FRAME("/lib/libpoolbuf.so.0", "poolbuf_allocate", "/src/allocator/src", "buffer.c", "9")
#define USER_FRAMES                                                                                                    \
    FRAME("/bin/leaky", "open_session", "/home/leaky", "leaky.c", "42")                                                \
    FRAME("/bin/leaky", "main", "/home/leaky", "leaky.c", "77")
#define LEAK(unique, kind, blocks, bytes, frames)                                                                      \
    "<error><unique>" unique "</unique><tid>1</tid><kind>" kind "</kind><xwhat><text>lost</text><leakedbytes>" bytes   \
    "</leakedbytes><leakedblocks>" blocks "</leakedblocks></xwhat><stack>" frames "</stack></error>"
#define HEAD                                                                                                           \
    "<?xml "                                                                                                           \
    "version=\"1.0\"?>\n<valgrindoutput><protocolversion>4</protocolversion><pid>4711</pid><tool>memcheck</tool>"      \
    "<args><vargv><exe>valgrind</exe></vargv><argv><exe>./leaky</exe></argv></args>"                                   \
    "<status><state>RUNNING</state></status>"
#define FINISHED "<status><state>FINISHED</state></status>"
#define TAIL     "</valgrindoutput>\n"

typedef struct reading {
    leaks_model *model;
    valgrind_xml_summary summary;
    bool fine;
    char error[512];
} reading;

static reading read_text(const char *text) {
    char path[] = "/tmp/test_valgrind_xml.XXXXXX";
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
    reading out = {.model = leaks_model_create()};
    out.fine = valgrind_xml_read(path, out.model, &out.summary, out.error, sizeof out.error);
    unlink(path);
    return out;
}

static void a_leaked_buffer_begins_at_its_callers_line(void **state) {
    (void)state;
    reading r =
        read_text(HEAD FINISHED LEAK("0x0", "Leak_DefinitelyLost", "70", "17920", LIBRARY_FRAMES USER_FRAMES) TAIL);
    assert_true(r.fine && r.summary.finished);
    assert_int_equal(r.model->process_count, 1);
    assert_int_equal(r.model->processes[0]->pid, 4711);
    assert_string_equal(r.model->processes[0]->program, "./leaky");
    assert_int_equal(r.model->group_count, 1);
    const leaks_group *group = r.model->groups[0];
    assert_string_equal(group->kind, "definitely lost");
    assert_string_equal(group->type, "poolbuf");
    assert_int_equal(group->count, 70);
    assert_int_equal(group->allocation_stack_count, 2);
    assert_string_equal(group->allocation_stack[0]->function, "open_session");
    assert_string_equal(group->allocation_stack[0]->file, "/home/leaky/leaky.c");
    assert_int_equal(group->allocation_stack[0]->line, 42);
    assert_int_equal(strlen(group->fingerprint), 16);
    leaks_model_destroy(r.model);
}

static void addresses_have_lower_case_digits_as_the_schema_wants(void **state) {
    (void)state;
    reading r = read_text(
        HEAD FINISHED LEAK("0x0", "Leak_DefinitelyLost", "1", "64",
                           LIBRARY_FRAMES "<frame><ip>0x1091AD</ip><obj>/bin/leaky</obj><fn>main</fn></frame>") TAIL);
    assert_string_equal(r.model->groups[0]->allocation_stack[0]->address, "0x1091ad");
    leaks_model_destroy(r.model);
}

static void frames_inlined_from_a_public_header_are_cut_too(void **state) {
    (void)state;
    reading r = read_text(HEAD FINISHED LEAK(
        "0x0", "Leak_DefinitelyLost", "1", "64",
        FRAME("/bin/leaky", "poolbuf_slice", "/usr/include/poolbuf", "buffer.h", "300") USER_FRAMES) TAIL);
    assert_string_equal(r.model->groups[0]->type, "poolbuf");
    assert_string_equal(r.model->groups[0]->allocation_stack[0]->function, "open_session");
    leaks_model_destroy(r.model);
}

static void the_static_librarys_frames_are_told_by_their_files(void **state) {
    (void)state;
    reading r = read_text(HEAD FINISHED LEAK(
        "0x0", "Leak_DefinitelyLost", "1", "64",
        FRAME("/bin/leaky", "allocate_slow", "/src/allocator/src", "buffer.c", "222")
            FRAME("/bin/leaky", "poolbuf_allocate", "/src", "allocator/src/buffer.c", "59") USER_FRAMES) TAIL);
    assert_string_equal(r.model->groups[0]->type, "poolbuf");
    assert_int_equal(r.model->groups[0]->allocation_stack_count, 2);
    leaks_model_destroy(r.model);
}

static void a_stack_of_the_librarys_alone_is_left_whole(void **state) {
    (void)state;
    reading r = read_text(HEAD FINISHED LEAK("0x0", "Leak_DefinitelyLost", "1", "64", LIBRARY_FRAMES) TAIL);
    assert_int_equal(r.model->groups[0]->allocation_stack_count, 2);
    leaks_model_destroy(r.model);
}

static void the_same_site_has_the_same_fingerprint_at_any_address(void **state) {
    (void)state;
    reading a = read_text(HEAD FINISHED LEAK("0x0", "Leak_DefinitelyLost", "1", "64", LIBRARY_FRAMES USER_FRAMES) TAIL);
    reading b = read_text(
        HEAD FINISHED LEAK("0x7", "Leak_DefinitelyLost", "9", "64",
                           "<frame><ip>0x999</ip><obj>/elsewhere/libpoolbuf.so</obj></frame>" USER_FRAMES) TAIL);
    assert_string_equal(a.model->groups[0]->fingerprint, b.model->groups[0]->fingerprint);
    leaks_model_destroy(a.model);
    leaks_model_destroy(b.model);
}

#define POISON_FRAME(function) FRAME("/lib/libpoolbuf.so.0", function, "/src/allocator/src", "poison.h", "98")

static void a_handle_and_its_bytes_are_one_buffer(void **state) {
    (void)state;
    reading r = read_text(
        HEAD FINISHED LEAK("0x0", "Leak_StillReachable", "1", "64",
                           POISON_FRAME("poison_handle_out") LIBRARY_FRAMES USER_FRAMES)
            LEAK("0x1", "Leak_StillReachable", "1", "256", POISON_FRAME("poison_bytes_out") LIBRARY_FRAMES USER_FRAMES)
                LEAK("0x2", "Leak_DefinitelyLost", "69", "22080",
                     POISON_FRAME("poison_handle_out") LIBRARY_FRAMES USER_FRAMES)
                    LEAK("0x3", "Leak_IndirectlyLost", "69", "17664",
                         POISON_FRAME("poison_bytes_out") LIBRARY_FRAMES USER_FRAMES) TAIL);
    assert_int_equal(r.model->group_count, 1);
    assert_int_equal(r.summary.leak_groups, 1);
    const leaks_group *group = r.model->groups[0];
    assert_int_equal(group->count, 70);
    assert_int_equal(group->bytes, 17920);
    assert_string_equal(group->kind, "definitely lost");
    assert_int_equal(group->processes, 1);
    leaks_model_destroy(r.model);
}

static void reachable_blocks_count_only_when_they_are_buffers(void **state) {
    (void)state;
    reading r = read_text(HEAD FINISHED LEAK("0x0", "Leak_StillReachable", "1", "64", MALLOC_FRAME USER_FRAMES)
                              LEAK("0x1", "Leak_StillReachable", "1", "64", MALLOC_FRAME LIBRARY_FRAMES USER_FRAMES)
                                  LEAK("0x2", "Leak_StillReachable", "3", "64", LIBRARY_FRAMES USER_FRAMES)
                                      LEAK("0x3", "Leak_IndirectlyLost", "4", "64", MALLOC_FRAME USER_FRAMES) TAIL);
    assert_int_equal(r.model->group_count, 2);
    assert_int_equal(r.summary.leak_groups, 2);
    assert_string_equal(r.model->groups[0]->kind, "still reachable");
    assert_int_equal(r.model->groups[0]->count, 3);
    assert_string_equal(r.model->groups[1]->type, "malloc");
    assert_int_equal(r.model->groups[1]->allocation_stack_count, 3);
    leaks_model_destroy(r.model);
}

static void an_invalid_read_is_listed_with_its_count_and_its_blocks_history(void **state) {
    (void)state;
    reading r = read_text(
        HEAD
        "<error><unique>0x5</unique><tid>2</tid><threadname>io-1</threadname><kind>InvalidRead</kind>"
        "<what>Invalid read of size 1</what><stack>" USER_FRAMES "</stack>"
        "<auxwhat>Address 0x4 is 0 bytes inside a block of size 64 free'd</auxwhat><stack>" LIBRARY_FRAMES USER_FRAMES
        "</stack><auxwhat>Block was alloc'd at</auxwhat><stack>" USER_FRAMES "</stack></error>" FINISHED
        "<errorcounts><pair><count>12</count><unique>0x5</unique></pair></errorcounts>" TAIL);
    assert_int_equal(r.summary.use_groups, 1);
    const leaks_group *group = r.model->groups[0];
    assert_string_equal(group->kind, "invalid read");
    assert_string_equal(group->thread, "io-1");
    assert_int_equal(group->count, 12);
    assert_int_equal(group->access_count, 2);
    assert_string_equal(group->accesses[0]->kind, "release");
    assert_string_equal(group->accesses[0]->stack[0]->function, "open_session");
    assert_string_equal(group->accesses[1]->kind, "allocate");
    leaks_model_destroy(r.model);
}

static void errors_at_one_line_are_one_group_of_one_process(void **state) {
    (void)state;
    reading r = read_text(
        HEAD "<error><unique>0x5</unique><kind>InvalidRead</kind><stack>" LIBRARY_FRAMES USER_FRAMES "</stack></error>"
             "<error><unique>0x6</unique><kind>InvalidRead</kind><stack>" USER_FRAMES "</stack></error>"
             "<error><unique>0x7</unique><kind>InvalidWrite</kind><stack>" USER_FRAMES "</stack></error>" FINISHED
             "<errorcounts><pair><count>12</count><unique>0x5</unique></pair>"
             "<pair><count>3</count><unique>0x7</unique></pair></errorcounts>" TAIL);
    assert_int_equal(r.summary.use_groups, 2);
    assert_int_equal(r.model->group_count, 2);
    assert_int_equal(r.model->groups[0]->count, 13);
    assert_int_equal(r.model->groups[0]->processes, 1);
    assert_int_equal(r.model->groups[1]->count, 3);
    leaks_model_destroy(r.model);
}

static void a_report_that_breaks_off_gives_its_whole_elements(void **state) {
    (void)state;
    const char *whole = HEAD FINISHED LEAK("0x0", "Leak_DefinitelyLost", "1", "64", USER_FRAMES)
        LEAK("0x1", "Leak_PossiblyLost", "2", "64", USER_FRAMES) TAIL;
    const size_t first_error = (size_t)(strstr(whole, "</error>") - whole) + strlen("</error>");
    for (size_t length = 0; length < strlen(whole) - 1; length++) {
        char *part = strndup(whole, length);
        assert_non_null(part);
        reading r = read_text(part);
        if (length >= first_error) {
            assert_true(r.fine);
            assert_true(r.model->group_count >= 1);
        }
        leaks_model_destroy(r.model);
        free(part);
    }
    reading killed = read_text(HEAD "<error><unique>0x0</uni");
    assert_true(killed.fine);
    assert_false(killed.summary.finished);
    assert_int_equal(killed.model->process_count, 1);
    leaks_model_destroy(killed.model);
}

static void other_files_are_refused_in_one_line(void **state) {
    (void)state;
    static const char *const OTHERS[] = {"", "not xml", "<?xml version=\"1.0\"?><html/>", "{\"schema\":1}"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        reading r = read_text(OTHERS[i]);
        assert_false(r.fine);
        assert_non_null(strstr(r.error, "valgrindoutput"));
        assert_null(strchr(r.error, '\n'));
        leaks_model_destroy(r.model);
    }
    leaks_model *model = leaks_model_create();
    valgrind_xml_summary summary;
    char error[512] = "";
    assert_false(valgrind_xml_read("/nowhere/at/all.xml", model, &summary, error, sizeof error));
    assert_string_equal(error, "/nowhere/at/all.xml: No such file or directory");
    leaks_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaked_buffer_begins_at_its_callers_line),
        cmocka_unit_test(addresses_have_lower_case_digits_as_the_schema_wants),
        cmocka_unit_test(frames_inlined_from_a_public_header_are_cut_too),
        cmocka_unit_test(the_static_librarys_frames_are_told_by_their_files),
        cmocka_unit_test(a_stack_of_the_librarys_alone_is_left_whole),
        cmocka_unit_test(the_same_site_has_the_same_fingerprint_at_any_address),
        cmocka_unit_test(a_handle_and_its_bytes_are_one_buffer),
        cmocka_unit_test(reachable_blocks_count_only_when_they_are_buffers),
        cmocka_unit_test(an_invalid_read_is_listed_with_its_count_and_its_blocks_history),
        cmocka_unit_test(errors_at_one_line_are_one_group_of_one_process),
        cmocka_unit_test(a_report_that_breaks_off_gives_its_whole_elements),
        cmocka_unit_test(other_files_are_refused_in_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
