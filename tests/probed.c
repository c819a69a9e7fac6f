/* What probes.sh traces: a known sequence of allocations, releases and changes of capacity, through each path. Options are
 * the built-in ones. */
#include <poolbuf/poolbuf.h>

#define MANY 3u

static bool round_trip(poolbuf_allocator *allocator, size_t capacity) {
    poolbuf *buffer = poolbuf_allocate(allocator, capacity, (size_t)8 << 20);
    return buffer != NULL && poolbuf_release(buffer);
}

static bool grow(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 100, 10000);
    return buffer != NULL && poolbuf_set_capacity(buffer, 3000) == POOLBUF_OK && poolbuf_release(buffer);
}

static bool many(void) {
    poolbuf *buffers[MANY];
    return poolbuf_allocate_many(NULL, 250, 250, buffers, MANY) == MANY && poolbuf_release_many(buffers, MANY) == MANY;
}

static bool another_allocator(void) {
    poolbuf_allocator *allocator = NULL;
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return false;
    }
    return round_trip(allocator, 77) && poolbuf_allocator_destroy(allocator) == POOLBUF_OK;
}

int main(void) {
    /* The first of a class comes from the arena, the second out of the cache. */
    bool good = round_trip(NULL, 1000) && round_trip(NULL, 1001);
    good = good && grow() && many() && many();
    good = good && round_trip(NULL, (size_t)5 << 20); /* huge */
    return good && another_allocator() ? 0 : 1;
}
