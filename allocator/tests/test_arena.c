/* Unit tests of arena.c: what is cut comes back, and every structure holds after each step. */
#include "arena_fixture.h"

static void a_batch_of_each_class_is_distinct_memory_inside_a_chunk(void **state) {
    fixture *f = *state;
    for (uint32_t size_class = 0; size_class < f->classes.count; size_class++) {
        poolbuf *list = NULL;
        uint32_t count = size_class < f->classes.small_count ? 64 : 2;
        assert_int_equal(arena_take(&f->arena, size_class, count, &list), count);
        assert_true(arena_audit(&f->arena));
        poolbuf *handles[64];
        for (uint32_t i = 0; i < count; i++) {
            handles[i] = handle_pop(&list);
            const chunk *owner = handles[i]->origin;
            assert_true(handles[i]->memory >= chunk_address(owner, 0));
            assert_true(handles[i]->memory + handles[i]->usable <= chunk_address(owner, 0) + ((size_t)4 << 20));
            assert_int_equal(handles[i]->usable, size_class_bytes(&f->classes, size_class));
            for (uint32_t j = 0; j < i; j++) {
                bool apart = handles[i]->memory >= handles[j]->memory + handles[j]->usable ||
                             handles[j]->memory >= handles[i]->memory + handles[i]->usable;
                assert_true(apart);
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            handle_push(&list, handles[i]);
        }
        arena_give(list);
        assert_true(arena_audit(&f->arena));
    }
}

static void random_traffic_keeps_every_structure_whole(void **state) {
    fixture *f = *state;
    unit_random random = unit_random_start("arena", 4);
    enum {
        LIVE = 400
    };
    poolbuf *live[LIVE] = {NULL};
    for (int step = 0; step < 4000; step++) {
        uint32_t i = unit_random_below(&random, LIVE);
        if (live[i] != NULL) {
            give_one(live[i]);
            live[i] = NULL;
        } else {
            live[i] = take_one(f, unit_random_size(&random, 22));
        }
        if (step % 8 == 0) {
            assert_true(arena_audit(&f->arena));
        }
    }
    for (unsigned i = 0; i < LIVE; i++) {
        if (live[i] != NULL) {
            give_one(live[i]);
        }
    }
    assert_true(arena_audit(&f->arena));
    for (unsigned i = 0; i < ARENA_SPANS; i++) {
        assert_int_equal(f->arena.counters.allocations[i], f->arena.counters.releases[i]);
    }
}

static void a_class_keeps_one_subpage_and_gives_back_the_others(void **state) {
    fixture *f = *state;
    poolbuf *list = NULL;
    assert_int_equal(arena_take(&f->arena, size_class_of(&f->classes, 1024), 24, &list), 24); /* three subpages of 8 */
    arena_give(list);
    uint32_t subpages = 0;
    for (const subpage *page = f->arena.rings[size_class_of(&f->classes, 1024)]; page != NULL; page = page->next) {
        subpages++;
    }
    assert_int_equal(subpages, 1);
}

static void a_freed_slot_is_taken_again_before_a_new_subpage(void **state) {
    fixture *f = *state;
    poolbuf *handles[16];
    for (unsigned i = 0; i < 16; i++) {
        handles[i] = take_one(f, 1024);
    }
    const uint8_t *memory = handles[3]->memory;
    give_one(handles[3]);
    handles[3] = take_one(f, 1024);
    assert_ptr_equal(handles[3]->memory, memory);
    for (unsigned i = 0; i < 16; i++) {
        give_one(handles[i]);
    }
}

static void a_lone_chunk_sized_buffer_maps_once(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 10; i++) {
        give_one(take_one(f, (size_t)4 << 20));
    }
    assert_int_equal(f->arena.counters.chunk_maps, 1);
    assert_int_equal(f->arena.counters.chunk_unmaps, 0);
    assert_int_equal(f->arena.spares.count, 1);
}

/* Three of them leave a sixteenth of a chunk, which is in q050 for good. */
static void chunks_with_a_rest_too_small_are_searched_once(void **state) {
    fixture *f = *state;
    enum {
        BUFFERS = 12
    };
    const size_t size = (size_t)160 * PAGE;
    const chunk_list *list = &f->arena.lists[CHUNK_LIST_050];
    uint32_t page_class = size_class_page_ceil(&f->classes, 160);
    poolbuf *handles[BUFFERS];
    for (unsigned i = 0; i < BUFFERS; i++) {
        handles[i] = take_one(f, size);
        assert_true(arena_audit(&f->arena));
    }
    poolbuf *more = take_one(f, size); /* has looked at all of them */
    assert_int_equal(f->arena.counters.chunks, 5);
    assert_false(chunk_list_may_have_run(list, page_class));
    const uint8_t *memory = handles[0]->memory;
    give_one(handles[0]);
    assert_true(chunk_list_may_have_run(list, page_class));
    handles[0] = take_one(f, size); /* before those that are emptier */
    assert_ptr_equal(handles[0]->memory, memory);
    give_one(more);
    for (unsigned i = 0; i < BUFFERS; i++) {
        give_one(handles[i]);
    }
}

/* What a search does not read lies elsewhere: records of some kilobytes are a page each. */
static void records_that_a_search_passes_share_pages(void **state) {
    fixture *f = *state;
    enum {
        CHUNKS = 64
    };
    poolbuf *handles[CHUNKS];
    uintptr_t page = 0;
    unsigned pages = 0;
    for (unsigned i = 0; i < CHUNKS; i++) {
        handles[i] = take_one(f, CHUNK);
        uintptr_t last = page;
        page = (uintptr_t)handles[i]->origin / 4096;
        pages += page != last;
    }
    assert_in_range(pages, 1, CHUNKS * 4 / 64 + 1); /* each is four lines of the cache at most */
    for (unsigned i = 0; i < CHUNKS; i++) {
        give_one(handles[i]);
    }
}

static void empty_chunks_stay_and_serve_again(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        leave_spares(f, 8, 1);
        assert_int_equal(f->arena.spares.count, 8);
        assert_true(arena_audit(&f->arena));
    }
    assert_int_equal(f->arena.counters.chunks, 8);
    assert_int_equal(f->arena.counters.chunk_maps, 8);
    assert_int_equal(f->arena.counters.chunk_unmaps, 0);
}

static void an_empty_chunk_goes_back_once_it_has_decayed(void **state) {
    fixture *f = *state;
    leave_spares(f, 3, 100);
    unsigned long regions = os_fault_regions();
    os_fault_pass_ms(DECAY_MS - 200 - 1);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.spares.count, 3);
    os_fault_pass_ms(1);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.spares.count, 2);
    assert_int_equal(f->arena.counters.chunk_unmaps, 1);
    assert_int_equal(os_fault_regions(), regions - 1);
    assert_true(arena_audit(&f->arena));
    os_fault_pass_ms(DECAY_MS);
    arena_decay(&f->arena);
    assert_int_equal(f->arena.counters.chunks, 0);
    assert_int_equal(os_fault_regions(), regions - 3);
}

static void every_way_through_the_lock_looks_for_decay(void **state) {
    fixture *f = *state;
    for (unsigned way = 0; way < 6; way++) {
        poolbuf *list = NULL;
        poolbuf *kept = take_one(f, 16);
        poolbuf *huge = arena_take_huge(&f->arena, CHUNK + 1);
        assert_int_equal(arena_take_naked(&f->arena, 1, &list), 1);
        leave_spares(f, 2, 0);
        os_fault_pass_ms(DECAY_MS);
        poolbuf *taken = NULL;
        switch (way) {
        case 0:
            taken = take_one(f, 16);
            break;
        case 1:
            give_one(kept);
            kept = NULL;
            break;
        case 2:
            arena_give_naked(&f->arena, list);
            list = NULL;
            break;
        case 3:
            assert_int_equal(arena_take_naked(&f->arena, 1, &list), 1);
            break;
        case 4:
            arena_give_huge(huge);
            huge = NULL;
            break;
        default:
            arena_give_huge(arena_take_huge(&f->arena, CHUNK + 1));
            break;
        }
        assert_int_equal(f->arena.spares.count, 0);
        if (taken != NULL) {
            give_one(taken);
        }
        if (kept != NULL) {
            give_one(kept);
        }
        if (list != NULL) {
            arena_give_naked(&f->arena, list);
        }
        if (huge != NULL) {
            arena_give_huge(huge);
        }
    }
}

static void what_is_needed_now_is_not_given_back_first(void **state) {
    fixture *f = *state;
    leave_spares(f, 2, 0);
    os_fault_pass_ms((uint64_t)DECAY_MS * 10);
    give_one(take_one(f, CHUNK));
    assert_int_equal(f->arena.counters.chunk_maps, 2);
    assert_int_equal(f->arena.counters.chunk_unmaps, 1);
    assert_int_equal(f->arena.spares.count, 1);
}

static void without_a_decay_time_an_empty_chunk_goes_back_at_once(void **state) {
    fixture *f = *state;
    f->arena.config.decay_ms = 0;
    unsigned long before = os_fault_regions();
    for (int i = 0; i < 3; i++) {
        give_one(take_one(f, 100000));
        assert_int_equal(f->arena.counters.chunks, 0);
    }
    assert_int_equal(f->arena.counters.chunk_maps, 3);
    assert_true(os_fault_regions() > before); /* handles and records */
}

static void a_closed_arena_keeps_no_empty_chunk(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, CHUNK);
    leave_spares(f, 2, 0);
    arena_close(&f->arena);
    assert_int_equal(f->arena.counters.chunks, 1);
    give_one(kept);
    assert_int_equal(f->arena.counters.chunks, 0);
}

static void the_fuller_chunk_serves_first(void **state) {
    fixture *f = *state;
    /* Two chunks: one half full (q050), one nearly empty (q000). */
    poolbuf *halves[4];
    for (unsigned i = 0; i < 4; i++) {
        halves[i] = take_one(f, (size_t)2 << 20);
    }
    const chunk *full = halves[0]->origin;
    const chunk *other = halves[3]->origin;
    assert_ptr_not_equal(full, other);
    give_one(halves[1]);
    poolbuf *small = take_one(f, (size_t)64 << 10); /* both have room; both are in q050 or q025 */
    give_one(halves[3]);
    give_one(halves[2]);
    poolbuf *next = take_one(f, (size_t)64 << 10);
    assert_ptr_equal(next->origin, small->origin);
    give_one(small);
    give_one(next);
    give_one(halves[0]);
}

static const arena *watched;
static bool listed_meanwhile;

static int watch_give_back(os_source source, void *region, size_t size) {
    listed_meanwhile = listed_meanwhile || watched->huge != NULL;
    return os_fault.give_back(source, region, size);
}

/* A child that fork() makes at that moment would give the region back again. */
static void a_huge_buffers_region_is_in_no_list_when_it_goes(void **state) {
    fixture *f = *state;
    os_backend watching = os_fault;
    watching.give_back = watch_give_back;
    poolbuf *huge = arena_take_huge(&f->arena, CHUNK + 1);
    watched = &f->arena;
    os = &watching;
    arena_give_huge(huge);
    os = &os_fault;
    assert_false(listed_meanwhile);
}

static void a_new_chunk_starts_in_init_with_its_first_run(void **state) {
    fixture *f = *state;
    poolbuf *first = take_one(f, (size_t)64 << 10);
    assert_int_equal(f->arena.counters.chunk_maps, 1);
    assert_ptr_equal(f->arena.lists[CHUNK_LIST_INIT].first, first->origin);
    give_one(first);
}

static void a_full_subpage_leaves_its_ring_and_returns_with_its_first_free_slot(void **state) {
    fixture *f = *state;
    subpage *const *ring = &f->arena.rings[size_class_of(&f->classes, 1024)];
    poolbuf *handles[8]; /* a page of them */
    for (unsigned i = 0; i < 8; i++) {
        handles[i] = take_one(f, 1024);
        assert_int_equal(*ring == NULL, i == 7);
    }
    give_one(handles[5]);
    assert_non_null(*ring);
    assert_int_equal((*ring)->free_count, 1);
    handles[5] = take_one(f, 1024);
    assert_null(*ring);
    for (unsigned i = 0; i < 8; i++) {
        give_one(handles[i]);
    }
}

static void memory_is_aligned_to_the_power_of_two_in_its_class_up_to_a_page(void **state) {
    fixture *f = *state;
    for (uint32_t size_class = 0; size_class < f->classes.count; size_class++) {
        size_t bytes = size_class_bytes(&f->classes, size_class);
        size_t alignment = bytes & (~bytes + 1);
        alignment = alignment < 8192 ? alignment : 8192;
        poolbuf *list = NULL;
        uint32_t count = size_class_is_small(&f->classes, size_class) ? 40 : 1;
        assert_int_equal(arena_take(&f->arena, size_class, count, &list), count);
        poolbuf *all = NULL;
        while (list != NULL) {
            poolbuf *handle = handle_pop(&list);
            assert_int_equal((uintptr_t)handle->memory % alignment, 0);
            handle_push(&all, handle);
        }
        arena_give(all);
    }
}

static arena *unlocked;
static unsigned unlocked_returns;

static int give_back_unlocked(os_source source, void *region, size_t size) {
    /* Counted, and asserted by the test: an assertion that failed here would leave the arena locked, and tear-down waiting. */
    if (pthread_mutex_trylock(&unlocked->lock) == 0) {
        (void)pthread_mutex_unlock(&unlocked->lock);
        unlocked_returns++;
    }
    return os_fault.give_back(source, region, size);
}

static void regions_go_back_outside_the_lock(void **state) {
    fixture *f = *state;
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.give_back = give_back_unlocked;
    unlocked = &f->arena;
    unlocked_returns = 0;
    os = &watching;
    leave_spares(f, 2, 0);
    os_fault_pass_ms(DECAY_MS);
    arena_decay(&f->arena); /* chunks that have decayed */
    assert_int_equal(unlocked_returns, 2);
    arena_give_huge(arena_take_huge(&f->arena, CHUNK + 1));
    assert_int_equal(unlocked_returns, 3);
    leave_spares(f, 2, 0);
    assert_int_equal(arena_purge(&f->arena), 2 * CHUNK);
    assert_int_equal(unlocked_returns, 5);
    f->arena.config.decay_ms = 0;
    give_one(take_one(f, CHUNK)); /* a chunk that nobody keeps */
    assert_int_equal(unlocked_returns, 6);
    os = &os_fault;
}

static unsigned unlocked_acquires;
static poolbuf *given_meanwhile; /* what another thread would release while a chunk is mapped */

static int acquire_unlocked(os_source source, size_t size, size_t alignment, void **region) {
    if (size >= CHUNK && pthread_mutex_trylock(&unlocked->lock) == 0) {
        (void)pthread_mutex_unlock(&unlocked->lock);
        unlocked_acquires++;
        if (given_meanwhile != NULL) {
            poolbuf *handle = given_meanwhile;
            given_meanwhile = NULL;
            give_one(handle);
        }
    }
    return os_fault.acquire(source, size, alignment, region);
}

static void watch_acquire(fixture *f) {
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.acquire = acquire_unlocked;
    unlocked = &f->arena;
    unlocked_acquires = 0;
    os = &watching;
}

static void regions_are_taken_outside_the_lock(void **state) {
    fixture *f = *state;
    watch_acquire(f);
    poolbuf *run = take_one(f, CHUNK);
    assert_int_equal(unlocked_acquires, 1);
    poolbuf *slot = take_one(f, 16);
    assert_int_equal(unlocked_acquires, 2);
    poolbuf *huge = arena_take_huge(&f->arena, CHUNK + 1);
    assert_int_equal(unlocked_acquires, 3);
    os = &os_fault;
    give_one(run);
    give_one(slot);
    arena_give_huge(huge);
}

static void room_made_while_a_chunk_is_mapped_is_used_and_the_chunk_is_spare(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, CHUNK / 2);
    given_meanwhile = take_one(f, CHUNK / 2);
    watch_acquire(f);
    poolbuf *taken = take_one(f, CHUNK / 2);
    os = &os_fault;
    assert_int_equal(unlocked_acquires, 1);
    assert_ptr_equal(taken->origin, kept->origin);
    assert_int_equal(f->arena.counters.chunks, 2);
    assert_int_equal(f->arena.spares.count, 1);
    assert_true(arena_audit(&f->arena));
    give_one(taken);
    give_one(kept);
}

static void a_chunk_mapped_in_vain_goes_back_at_once_without_a_decay_time(void **state) {
    fixture *f = *state;
    f->arena.config.decay_ms = 0;
    poolbuf *kept = take_one(f, CHUNK / 2);
    given_meanwhile = take_one(f, CHUNK / 2);
    watch_acquire(f);
    poolbuf *taken = take_one(f, CHUNK / 2);
    os = &os_fault;
    assert_ptr_equal(taken->origin, kept->origin);
    assert_int_equal(f->arena.counters.chunks, 1);
    assert_int_equal(f->arena.counters.chunk_unmaps, 1);
    assert_true(arena_audit(&f->arena));
    give_one(taken);
    give_one(kept);
}

static unsigned whole_meanwhile;

static int acquire_audited(os_source source, size_t size, size_t alignment, void **region) {
    whole_meanwhile += size >= CHUNK && arena_audit(unlocked);
    return os_fault.acquire(source, size, alignment, region);
}

static void every_structure_holds_while_a_batch_waits_for_its_next_chunk(void **state) {
    fixture *f = *state;
    static os_backend watching; /* outlives a failed assertion */
    watching = os_fault;
    watching.acquire = acquire_audited;
    unlocked = &f->arena;
    whole_meanwhile = 0;
    os = &watching;
    poolbuf *list = NULL;
    assert_int_equal(arena_take(&f->arena, size_class_of(&f->classes, CHUNK / 2), 5, &list), 5);
    os = &os_fault;
    assert_int_equal(whole_meanwhile, 3);
    arena_give(list);
}

static void a_huge_buffer_has_its_own_region_and_gives_it_back_at_once(void **state) {
    fixture *f = *state;
    size_t bytes = ((size_t)4 << 20) + 1;
    poolbuf *a = arena_take_huge(&f->arena, bytes);
    poolbuf *b = arena_take_huge(&f->arena, bytes * 2);
    assert_int_equal(f->arena.counters.huge_buffers, 2);
    assert_int_equal(f->arena.counters.huge_bytes, bytes * 3);
    assert_int_equal(a->usable, bytes);
    arena_give_huge(a);
    arena_give_huge(b);
    assert_int_equal(f->arena.counters.huge_buffers, 0);
    assert_null(f->arena.huge);
}

static void purge_gives_back_spares_and_empty_chunks(void **state) {
    fixture *f = *state;
    give_one(take_one(f, (size_t)64 << 10));
    assert_int_equal(f->arena.counters.chunks, 1);
    assert_int_equal(arena_purge(&f->arena), (size_t)4 << 20);
    assert_int_equal(f->arena.counters.chunks, 0);
    assert_int_equal(arena_purge(&f->arena), 0);
}

static void purge_keeps_what_is_in_use(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 100000);
    give_one(take_one(f, 100000));
    poison_bytes_open(kept->memory, kept->usable);
    memset(kept->memory, 7, kept->usable);
    assert_true(arena_purge(&f->arena) > 0);
    for (uint32_t i = 0; i < kept->usable; i++) {
        assert_int_equal(kept->memory[i], 7);
    }
    give_one(kept);
}

/* Leaves an empty subpage of each class. */
static void use_each_small_class(fixture *f) {
    for (uint32_t i = 0; i < f->classes.count && size_class_is_small(&f->classes, i); i++) {
        give_one(take_one(f, size_class_bytes(&f->classes, i)));
        assert_non_null(f->arena.rings[i]);
    }
    assert_true(arena_audit(&f->arena));
}

static void an_empty_subpage_goes_where_all_is_given_back(void **state) {
    fixture *f = *state;
    for (unsigned i = 0; i < 4; i++) {
        f->arena.config.decay_ms = i < 2 ? DECAY_MS : 0;
        use_each_small_class(f);
        assert_true(f->arena.counters.chunks != 0); /* A2 */
        size_t bytes = f->arena.counters.chunks * CHUNK;
        size_t given = i % 2 == 0 ? arena_purge(&f->arena) : arena_release_spares(&f->arena);
        assert_true(i < 2 ? given >= bytes : given == bytes);
        assert_int_equal(f->arena.counters.chunks, 0);
        assert_int_equal(f->arena.subpage_records.out, 0);
        assert_true(arena_audit(&f->arena));
    }
}

/* Also one that others have joined in its ring since it emptied; and what was kept and is in use again stays. */
static void a_subpage_in_use_stays_where_all_is_given_back(void **state) {
    fixture *f = *state;
    uint32_t size_class = size_class_of(&f->classes, 1024);
    poolbuf *handles[16];
    for (unsigned i = 0; i < 16; i++) {
        handles[i] = take_one(f, 1024); /* two subpages of 8, both full */
    }
    for (unsigned i = 0; i < 8; i++) {
        give_one(handles[i]); /* the first one is alone in the ring, and kept */
    }
    give_one(handles[8]);
    assert_int_equal(f->arena.subpage_records.out, 2);
    assert_true(arena_audit(&f->arena));
    assert_int_equal(arena_release_spares(&f->arena), 0); /* the chunk is in use */
    assert_int_equal(f->arena.subpage_records.out, 1);
    assert_ptr_equal(f->arena.rings[size_class]->chunk, handles[9]->origin);
    assert_true(arena_audit(&f->arena));
    for (unsigned i = 9; i < 16; i++) {
        give_one(handles[i]); /* now this one is */
    }
    poolbuf *again = take_one(f, 1024);
    assert_int_equal(arena_purge(&f->arena), (size_t)PAGE); /* the page that the first one left */
    assert_int_equal(f->arena.subpage_records.out, 1);
    assert_true(arena_audit(&f->arena));
    give_one(again);
    assert_int_equal(arena_purge(&f->arena), CHUNK);
    assert_int_equal(f->arena.counters.chunks, 0);
}

static unsigned woken;

static void count_wake(void) {
    woken++;
}

static void the_pages_of_an_empty_subpage_that_goes_wake_whoever_drops_them(void **state) {
    fixture *f = *state;
    poolbuf *run = take_one(f, 64 << 10); /* holds the chunk */
    give_one(take_one(f, 1024));
    f->arena.config.wake = count_wake;
    woken = 0;
    assert_false(arena_has_decaying(&f->arena));
    assert_int_equal(arena_release_spares(&f->arena), 0);
    assert_int_equal(f->arena.counters.dirty_pages, 1);
    assert_true(arena_has_decaying(&f->arena));
    assert_int_equal(woken, 1);
    os_fault_pass_ms(DECAY_MS + 2 * TICK_MS);
    (void)arena_decay_step(&f->arena);
    assert_int_equal(f->arena.counters.dirty_pages, 0);
    give_one(run);
}

static void the_dump_names_lists_chunks_and_subpages(void **state) {
    fixture *f = *state;
    poolbuf *kept = take_one(f, 100);
    give_one(take_one(f, 8 * PAGE));
    leave_spares(f, 2, 100);
    os_fault_pass_ms(50);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    arena_dump(&f->arena, stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "qInit:"));
    assert_non_null(strstr(text, "q100: none"));
    assert_non_null(strstr(text, "3 chunks, 2 of them spare"));
    assert_non_null(strstr(text, ": empty for 150 of 1000 ms, 512 pages dirty"));
    assert_non_null(strstr(text, ": empty for 50 of 1000 ms"));
    assert_non_null(strstr(text, "chunk 0x"));
    assert_non_null(strstr(text, "1 subpages, 8 pages dirty"));
    assert_non_null(strstr(text, "1 of 512 slots of 112 bytes used"));
    free(text);
    give_one(kept);
}

static char *dump_of(fixture *f) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    arena_dump(&f->arena, stream);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void the_dump_shows_thresholds_runs_rings_huge_buffers_and_counters(void **state) {
    fixture *f = *state;
    poolbuf *first = take_one(f, 65536); /* pages 0 to 7 */
    poolbuf *small = take_one(f, 100);   /* a subpage in pages 8 to 14 */
    poolbuf *last = take_one(f, 65536);  /* pages 15 to 22 */
    poolbuf *huge = arena_take_huge(&f->arena, CHUNK + 1);
    give_one(first);
    char *text = dump_of(f);
    assert_non_null(strstr(text, "  allocations: 1 small, 2 normal, 1 huge\n  releases: 0 small, 1 normal, 0 huge\n"));
    assert_non_null(strstr(text, "  chunks: 1 mapped, 0 unmapped\n"));
    assert_non_null(strstr(text, "  metadata bytes: 69632 handles, "));
    assert_non_null(strstr(text, "  q025: none (25 to 75% used)\n"));
    assert_non_null(strstr(text, " 0+8"));
    assert_non_null(strstr(text, " 23+489"));
    assert_non_null(strstr(text, "  ring of 112 bytes: 1 subpages, 511 free slots\n"));
    assert_non_null(strstr(text, ": 4194305 bytes\n"));
    free(text);
    arena_give_huge(huge);
    give_one(small);
    give_one(last);
    poolbuf *whole = take_one(f, CHUNK);
    text = dump_of(f);
    assert_non_null(strstr(text, "      free runs (first page+pages): none\n"));
    assert_non_null(strstr(text, "  huge: none\n"));
    free(text);
    give_one(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_batch_of_each_class_is_distinct_memory_inside_a_chunk),
        ARENA_TEST(random_traffic_keeps_every_structure_whole),
        ARENA_TEST(a_class_keeps_one_subpage_and_gives_back_the_others),
        ARENA_TEST(a_freed_slot_is_taken_again_before_a_new_subpage),
        ARENA_TEST(a_lone_chunk_sized_buffer_maps_once),
        ARENA_TEST(chunks_with_a_rest_too_small_are_searched_once),
        ARENA_TEST(records_that_a_search_passes_share_pages),
        ARENA_TEST(empty_chunks_stay_and_serve_again),
        ARENA_TEST(an_empty_chunk_goes_back_once_it_has_decayed),
        ARENA_TEST(every_way_through_the_lock_looks_for_decay),
        ARENA_TEST(what_is_needed_now_is_not_given_back_first),
        ARENA_TEST(without_a_decay_time_an_empty_chunk_goes_back_at_once),
        ARENA_TEST(a_closed_arena_keeps_no_empty_chunk),
        ARENA_TEST(the_fuller_chunk_serves_first),
        ARENA_TEST(a_new_chunk_starts_in_init_with_its_first_run),
        ARENA_TEST(a_full_subpage_leaves_its_ring_and_returns_with_its_first_free_slot),
        ARENA_TEST(memory_is_aligned_to_the_power_of_two_in_its_class_up_to_a_page),
        ARENA_TEST(regions_go_back_outside_the_lock),
        ARENA_TEST(regions_are_taken_outside_the_lock),
        ARENA_TEST(room_made_while_a_chunk_is_mapped_is_used_and_the_chunk_is_spare),
        ARENA_TEST(a_chunk_mapped_in_vain_goes_back_at_once_without_a_decay_time),
        ARENA_TEST(every_structure_holds_while_a_batch_waits_for_its_next_chunk),
        ARENA_TEST(a_huge_buffer_has_its_own_region_and_gives_it_back_at_once),
        ARENA_TEST(a_huge_buffers_region_is_in_no_list_when_it_goes),
        ARENA_TEST(purge_gives_back_spares_and_empty_chunks),
        ARENA_TEST(purge_keeps_what_is_in_use),
        ARENA_TEST(an_empty_subpage_goes_where_all_is_given_back),
        ARENA_TEST(a_subpage_in_use_stays_where_all_is_given_back),
        ARENA_TEST(the_pages_of_an_empty_subpage_that_goes_wake_whoever_drops_them),
        ARENA_TEST(the_dump_names_lists_chunks_and_subpages),
        ARENA_TEST(the_dump_shows_thresholds_runs_rings_huge_buffers_and_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
