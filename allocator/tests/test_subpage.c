/* Unit tests of subpage.c. */
#include "unit.h"

#include "subpage.h"

static subpage *make(size_classes *classes, uint32_t size_class) {
    size_classes_init(classes, 8192, (size_t)4 << 20, 4);
    subpage *made = malloc(subpage_storage(classes));
    subpage_init(made, classes, size_class, NULL, 0);
    return made;
}

static void slots_are_as_many_as_fit_and_each_is_taken_once(void **state) {
    (void)state;
    size_classes classes;
    for (uint32_t size_class = 0; size_class < 39; size_class++) {
        subpage *page = make(&classes, size_class);
        uint32_t pages = size_class_subpage_pages(&classes, size_class);
        assert_int_equal(page->slot_count, (size_t)pages * 8192 / size_class_bytes(&classes, size_class));
        for (uint32_t i = 0; i < page->slot_count; i++) {
            assert_int_equal(subpage_take(page), i);
        }
        assert_true(subpage_is_full(page));
        assert_true(subpage_audit(page, &classes));
        free(page);
    }
}

static void the_lowest_free_slot_is_taken_after_any_sequence(void **state) {
    (void)state;
    size_classes classes;
    subpage *page = make(&classes, 0);
    unit_random random = unit_random_start("subpage", 3);
    bool used[512] = {false};
    for (int step = 0; step < 20000; step++) {
        uint32_t slot = unit_random_below(&random, 512);
        if (used[slot]) {
            subpage_give(page, slot);
            used[slot] = false;
        } else if (!subpage_is_full(page)) {
            uint32_t lowest = 0;
            while (used[lowest]) {
                lowest++;
            }
            assert_int_equal(subpage_take(page), lowest);
            used[lowest] = true;
        }
        if (step % 16 == 0) {
            assert_true(subpage_audit(page, &classes));
        }
    }
    free(page);
}

static void rings_keep_their_members_through_any_removal(void **state) {
    (void)state;
    size_classes classes;
    subpage *pages[3];
    for (unsigned i = 0; i < 3; i++) {
        pages[i] = make(&classes, i);
    }
    for (unsigned victim = 0; victim < 3; victim++) {
        subpage *ring = NULL;
        for (unsigned i = 0; i < 3; i++) {
            subpage_ring_add(&ring, pages[i]);
        }
        subpage_ring_remove(&ring, pages[victim]);
        unsigned members = 0;
        for (subpage *p = ring; p != NULL; p = p->next) {
            assert_ptr_not_equal(p, pages[victim]);
            assert_true(p->next == NULL || p->next->prev == p);
            members++;
        }
        assert_int_equal(members, 2);
    }
    for (unsigned i = 0; i < 3; i++) {
        free(pages[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_as_many_as_fit_and_each_is_taken_once),
        cmocka_unit_test(the_lowest_free_slot_is_taken_after_any_sequence),
        cmocka_unit_test(rings_keep_their_members_through_any_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
