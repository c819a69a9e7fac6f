/* Unit tests of options.c: the table, the parser, and what is said about mistakes. */
#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "captured.h"
#include "options.h"
#include "os/os.h"

static int set_up(void **state) {
    (void)state;
    for (size_t i = 0; i < poolbuf_option_count(); i++) {
        (void)unsetenv(poolbuf_option_at(i)->environment);
    }
    (void)unsetenv("POOLBUF_LEAK_LEVLE");
    options_forget_complaints();
    return 0;
}

static void every_row_is_complete_and_its_default_is_legal(void **state) {
    (void)state;
    assert_true(poolbuf_option_count() > 10);
    assert_null(poolbuf_option_at(poolbuf_option_count()));
    for (size_t i = 0; i < poolbuf_option_count(); i++) {
        const poolbuf_option *row = poolbuf_option_at(i);
        assert_int_equal(strncmp(row->environment, "POOLBUF_", 8), 0);
        assert_true(row->help[0] != '\0' && row->legal[0] != '\0');
        if (row->default_text[0] != '\0') {
            assert_int_equal(setenv(row->environment, row->default_text, 1), 0);
        }
        bool flag = false;
        unsigned choice = 0;
        uint64_t number = 0;
        const char *text = NULL;
        int good = (poolbuf_option_read_flag(row->environment, &flag) == POOLBUF_OK) +
                   (poolbuf_option_read_choice(row->environment, &choice) == POOLBUF_OK) +
                   (poolbuf_option_read_number(row->environment, &number) == POOLBUF_OK) +
                   (poolbuf_option_read_text(row->environment, &text) == POOLBUF_OK);
        assert_int_equal(good, 1); /* by the reader of its type alone */
        assert_int_equal(unsetenv(row->environment), 0);
    }
}

static void choices_take_words_of_any_case_and_numbers(void **state) {
    (void)state;
    static const char *const texts[] = {"disabled", "SIMPLE", "Advanced", "3", "0"};
    static const unsigned expected[] = {0, 1, 2, 3, 0};
    unsigned level = 9;
    UNIT_OK(poolbuf_option_read_choice("POOLBUF_LEAK_LEVEL", &level));
    assert_int_equal(level, 1);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(setenv("POOLBUF_LEAK_LEVEL", texts[i], 1), 0);
        UNIT_OK(poolbuf_option_read_choice("POOLBUF_LEAK_LEVEL", &level));
        assert_int_equal(level, expected[i]);
    }
}

static void bytes_take_units_and_numbers_keep_their_limits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t value; /* 0: illegal */
    } cases[] = {{"8192", 8192}, {"16k", 16384}, {"64K", 65536}, {"65537", 0},
                 {"4095", 0},    {"8kb", 0},     {"-1", 0},      {"", 8192},
                 {"8 k", 0},     {"0x2000", 0},  {"k", 0},       {"99999999999999999999", 0}};
    capture();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value = 0;
        assert_int_equal(setenv("POOLBUF_PAGE_SIZE", cases[i].text, 1), 0);
        poolbuf_status status = poolbuf_option_read_number("POOLBUF_PAGE_SIZE", &value);
        assert_int_equal(status, cases[i].value != 0 ? POOLBUF_OK : POOLBUF_ERROR_BAD_OPTION);
        assert_int_equal(value, cases[i].value != 0 ? cases[i].value : 8192);
    }
    (void)captured_text();
}

static void an_illegal_value_is_one_line_with_the_legal_ones(void **state) {
    (void)state;
    unsigned level = 0;
    assert_int_equal(setenv("POOLBUF_LEAK_LEVEL", "smiple", 1), 0);
    capture();
    assert_int_equal(poolbuf_option_read_choice("POOLBUF_LEAK_LEVEL", &level), POOLBUF_ERROR_BAD_OPTION);
    assert_int_equal(poolbuf_option_read_choice("POOLBUF_LEAK_LEVEL", &level), POOLBUF_ERROR_BAD_OPTION);
    assert_string_equal(captured_text(), "poolbuf: POOLBUF_LEAK_LEVEL=smiple is not legal; legal: "
                                         "disabled|simple|advanced|paranoid (any case, or its number); "
                                         "using the default, simple\n");
    assert_int_equal(level, 1);
}

static void an_unknown_variable_is_named_with_the_near_one(void **state) {
    (void)state;
    bool value = false;
    assert_int_equal(setenv("POOLBUF_LEAK_LEVLE", "simple", 1), 0);
    capture();
    UNIT_OK(poolbuf_option_read_flag("POOLBUF_POOLING", &value));
    UNIT_OK(poolbuf_option_read_flag("POOLBUF_POOLING", &value));
    assert_string_equal(captured_text(), "poolbuf: POOLBUF_LEAK_LEVLE is not an option of this library; did you mean "
                                         "POOLBUF_LEAK_LEVEL?; `poolbuf options` lists them\n");
}

/* getenv() tells them apart, so a name in another case is a setting that does nothing. */
static void a_name_in_another_case_is_unknown(void **state) {
    (void)state;
    bool value = false;
    assert_int_equal(setenv("POOLBUF_Leak_level", "paranoid", 1), 0);
    capture();
    UNIT_OK(poolbuf_option_read_flag("POOLBUF_POOLING", &value));
    assert_string_equal(captured_text(), "poolbuf: POOLBUF_Leak_level is not an option of this library; did you mean "
                                         "POOLBUF_LEAK_LEVEL?; `poolbuf options` lists them\n");
    assert_int_equal(unsetenv("POOLBUF_Leak_level"), 0);
}

static void strict_exits_with_2(void **state) {
    (void)state;
    static const char *const names[] = {"POOLBUF_LEAK_LEVLE", "POOLBUF_POOLING"};
    for (size_t i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            bool value = false;
            capture();
            (void)setenv("POOLBUF_STRICT", "1", 1);
            (void)setenv(names[i], "maybe", 1);
            (void)poolbuf_option_read_flag("POOLBUF_POOLING", &value);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WEXITSTATUS(status), 2);
    }
}

static void the_environment_reaches_the_struct(void **state) {
    (void)state;
    assert_int_equal(setenv("POOLBUF_PAGE_SIZE", "16k", 1), 0);
    assert_int_equal(setenv("POOLBUF_CHUNK_SIZE", "1m", 1), 0);
    assert_int_equal(setenv("POOLBUF_HEAP_ARENAS", "3", 1), 0);
    assert_int_equal(setenv("POOLBUF_POOLING", "off", 1), 0);
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    assert_int_equal(options.struct_size, sizeof options);
    assert_int_equal(options.page_size, 16384);
    assert_int_equal(options.chunk_size, 1 << 20);
    assert_int_equal(options.heap_arenas, 3);
    assert_true(options.direct_arenas >= 2);
    assert_false(options.pooling);
    assert_int_equal(options.small_cache_size, 256);
    assert_true(options_check(&options));
}

/* A limit of memory above all: it must not go because something else cannot be had. */
static void mending_changes_what_does_not_fit_and_nothing_else(void **state) {
    (void)state;
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.chunk_size = 1u << 20;
    options.memory_limit_bytes = 2u << 20;
    options.alignment = 64;
    options.classes_per_doubling = 6;
    options.numa = POOLBUF_NUMA_LOCAL;
    os_numa_library = "libnuma.so.none";
    capture();
    options_mend(&options);
    assert_string_equal(captured_text(), "poolbuf: POOLBUF_CLASSES_PER_DOUBLING=6 is not legal; legal: 4, or 8 if a "
                                         "chunk has 16 pages; using the default "
                                         "of POOLBUF_CLASSES_PER_DOUBLING, 4\n"
                                         "poolbuf: POOLBUF_NUMA=local is not possible here: libnuma.so.1 is missing; "
                                         "install libnuma1; using the default "
                                         "of POOLBUF_NUMA, off\n");
    assert_int_equal(options.classes_per_doubling, 4);
    assert_int_equal(options.numa, POOLBUF_NUMA_OFF);
    assert_int_equal(options.chunk_size, 1 << 20);
    assert_int_equal(options.memory_limit_bytes, 2 << 20);
    assert_int_equal(options.alignment, 64);
}

static void whatever_the_parser_takes_can_be_mended(void **state) {
    (void)state;
    static const size_t pages[] = {4096, 5000, 65536};
    static const size_t chunks[] = {32768, 40000, 262144, 1048576, (size_t)1 << 30};
    static const size_t limits[] = {0, 1, 1048576, (size_t)1 << 40};
    static const size_t alignments[] = {0, 3, 64, 65536};
    capture();
    for (unsigned i = 0; i < 3 * 5 * 4 * 4 * 4 * 5; i++) {
        unsigned rest = i;
        poolbuf_allocator_options options;
        poolbuf_allocator_options_init(&options);
        options.page_size = pages[rest % 3];
        options.chunk_size = chunks[(rest /= 3) % 5];
        options.memory_limit_bytes = limits[(rest /= 5) % 4];
        options.alignment = alignments[(rest /= 4) % 4];
        options.huge_pages = (poolbuf_huge_pages)((rest /= 4) % 4);
        options.classes_per_doubling = 4 + (rest / 4) % 5;
        poolbuf_allocator_options before = options;
        bool good = options_check(&options);
        options_mend(&options);
        assert_true(options_check(&options));
        bool is_same = options.page_size == before.page_size && options.chunk_size == before.chunk_size &&
                       options.memory_limit_bytes == before.memory_limit_bytes &&
                       options.alignment == before.alignment && options.huge_pages == before.huge_pages &&
                       options.classes_per_doubling == before.classes_per_doubling;
        assert_true(is_same || !good);
    }
    (void)captured_text();
}

#define OPTIONS_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void) {
    const struct CMUnitTest tests[] = {
        OPTIONS_TEST(every_row_is_complete_and_its_default_is_legal),
        OPTIONS_TEST(choices_take_words_of_any_case_and_numbers),
        OPTIONS_TEST(bytes_take_units_and_numbers_keep_their_limits),
        OPTIONS_TEST(an_illegal_value_is_one_line_with_the_legal_ones),
        OPTIONS_TEST(an_unknown_variable_is_named_with_the_near_one),
        OPTIONS_TEST(a_name_in_another_case_is_unknown),
        OPTIONS_TEST(strict_exits_with_2),
        OPTIONS_TEST(the_environment_reaches_the_struct),
        OPTIONS_TEST(mending_changes_what_does_not_fit_and_nothing_else),
        OPTIONS_TEST(whatever_the_parser_takes_can_be_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
