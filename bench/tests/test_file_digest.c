/* Unit tests of file_digest.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "measure/file_digest.h"
#include "scenario/fnv1a.h"

static char path[] = "/tmp/poolbuf-digest-XXXXXX";

static int make_file(void **state) {
    (void)state;
    const int file = mkstemp(path);
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void put(const char *bytes, size_t count) {
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    assert_int_equal(fwrite(bytes, 1, count, to), count);
    assert_int_equal(fclose(to), 0);
}

static void a_file_has_the_hash_of_its_bytes(void **state) {
    (void)state;
    char text[FILE_DIGEST_TEXT_SIZE];
    put("foobar", 6);
    assert_true(file_digest_text(path, text));
    assert_string_equal(text, "fnv1a64:85944171f73967e8");
    put("", 0);
    assert_true(file_digest_text(path, text));
    assert_string_equal(text, "fnv1a64:cbf29ce484222325");
}

static void a_file_of_any_size_is_hashed_whole(void **state) {
    (void)state;
    enum {
        SIZE = 100001
    };
    char text[FILE_DIGEST_TEXT_SIZE];
    char wanted[FILE_DIGEST_TEXT_SIZE];
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * i >> 3);
    }
    put(bytes, SIZE);
    assert_true(file_digest_text(path, text));
    (void)snprintf(wanted, sizeof wanted, "fnv1a64:%016llx", (unsigned long long)fnv1a_bytes(FNV1A_START, bytes, SIZE));
    assert_string_equal(text, wanted);
    free(bytes);
}

static void what_cannot_be_read_has_none(void **state) {
    (void)state;
    char text[FILE_DIGEST_TEXT_SIZE] = "as before";
    errno = 0;
    assert_false(file_digest_text("/nowhere/at/all", text));
    assert_int_equal(errno, ENOENT);
    assert_false(file_digest_text("/", text));
    assert_int_equal(errno, EISDIR);
    assert_string_equal(text, "as before");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_the_hash_of_its_bytes),
        cmocka_unit_test(a_file_of_any_size_is_hashed_whole),
        cmocka_unit_test(what_cannot_be_read_has_none),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
