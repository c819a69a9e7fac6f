/* An arena on the operating system that fails on request, for the unit tests of arena.c: each test has one of its own. */
#ifndef ARENA_FIXTURE_H
#define ARENA_FIXTURE_H

#include "unit.h"

#include "arena.h"
#include "handle.h"
#include "os/os.h"

#define CHUNK    ((size_t)4 << 20)
#define PAGE     ((size_t)8192)
#define DECAY_MS 1000u
#define TICK_MS  63u /* a sixteenth, rounded up */

typedef struct fixture {
    size_classes classes;
    region_pool region_pool;
    region_source regions;
    arena arena;
} fixture;

static inline int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    os = &os_fault;
    poison_init();
    size_classes_init(&f->classes, 8192, (size_t)4 << 20, 4);
    region_pool_init(&f->region_pool, NULL, 0);
    region_source_init(&f->regions, &f->region_pool, OS_MAPPED, true, 8192);
    arena_config config = {
        .classes = &f->classes, .regions = &f->regions, .handle_source = OS_MAPPED, .decay_ms = DECAY_MS};
    arena_init(&f->arena, &config);
    *state = f;
    return 0;
}

static inline int tear_down(void **state) {
    fixture *f = *state;
    assert_true(arena_audit(&f->arena));
    arena_fini(&f->arena);
    region_pool_fini(&f->region_pool);
    free(f);
    assert_int_equal(os_fault_regions(), 0);
    os_fault_fail_purge(false);
    os = &os_linux;
    return 0;
}

static inline poolbuf *take_one(fixture *f, size_t size) {
    poolbuf *list = NULL;
    assert_int_equal(arena_take(&f->arena, size_class_of(&f->classes, size), 1, &list), 1);
    return handle_pop(&list);
}

static inline void give_one(poolbuf *handle) {
    poolbuf *list = NULL;
    handle_push(&list, handle);
    arena_give(list);
}

/* Empties count chunks, one after the other, with so many milliseconds between them. */
static inline void leave_spares(fixture *f, unsigned count, uint64_t ms) {
    poolbuf *handles[32];
    for (unsigned i = 0; i < count; i++) {
        handles[i] = take_one(f, CHUNK);
    }
    for (unsigned i = 0; i < count; i++) {
        os_fault_pass_ms(i != 0 ? ms : 0);
        give_one(handles[i]);
    }
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
