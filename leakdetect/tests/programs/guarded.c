/* Memory that is written to by those who must not, one way a run; and, last, by those who may.
 *
 *   guarded overrun   one byte behind the end, found at the release
 *   guarded grown     the same after the buffer has grown to other memory
 *   guarded late      a byte after the last release, through an old pointer, found when the process ends
 *   guarded destroyed the same, found when the allocator is destroyed
 *   guarded pushed    the same, found when enough others have been released
 *   guarded stale     a read of a dead buffer after others have been allocated
 *   guarded long      the same, after thousands of others have been released
 *   guarded view      a second release of a retained slice after others have been made
 *   guarded attached  a read of a slice that went with its buffer, after others have been made
 *   guarded whole     a second release of a composite after another one has been made
 *   guarded views     slices of all kinds, as they are meant to be used
 *   guarded twice     a second release after another owner could have been given the handle
 *   guarded clean     whatever is allowed near those edges
 *   guarded shrunk    a write through a slice that was made before its buffer shrank */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

#define OWN_FRAME __attribute__((noinline))

static poolbuf_allocator *allocator;

OWN_FRAME static poolbuf *make(size_t capacity) {
    poolbuf *buffer = poolbuf_allocate(allocator, capacity, 100000);
    if (buffer == NULL) {
        exit(1);
    }
    memset(poolbuf_memory(buffer), 0, capacity);
    return buffer;
}

static volatile int outcome; /* neither call is its function's last act, nor are the two alike: both are on the stack */

OWN_FRAME static void first_release(poolbuf *buffer) {
    outcome = poolbuf_release(buffer) ? 1 : 2;
}

OWN_FRAME static void second_release(poolbuf *buffer) {
    outcome = poolbuf_release(buffer) ? 3 : 4;
}

static void churn(int count) {
    for (int i = 0; i < count; i++) {
        first_release(make(100));
    }
}

static void overrun(size_t grown) {
    poolbuf *buffer = make(100);
    if (grown != 0 && poolbuf_set_capacity(buffer, grown) != POOLBUF_OK) {
        exit(1);
    }
    poolbuf_memory(buffer)[poolbuf_capacity(buffer)] = 0;
    first_release(buffer);
}

static void late(void) {
    poolbuf *buffer = make(100);
    volatile uint8_t *bytes = poolbuf_memory(buffer);
    first_release(buffer);
    bytes[7] = 1;
}

static void stale(void) {
    poolbuf *buffer = make(100);
    uint8_t value = 0;
    first_release(buffer);
    poolbuf *other = make(100);
    if (poolbuf_get_bytes(buffer, 0, &value, 1) == POOLBUF_OK) {
        exit(1);
    }
    poolbuf_release(other);
}

static void twice(void) {
    poolbuf *buffer = make(100);
    first_release(buffer);
    poolbuf *other = make(100);
    second_release(buffer);
    poolbuf_release(other);
}

static void stale_for_long(void) {
    poolbuf *buffer = make(100);
    uint8_t value = 0;
    first_release(buffer);
    churn(5000); /* more than the detector's table of closings remembers */
    if (poolbuf_get_bytes(buffer, 0, &value, 1) == POOLBUF_OK) {
        exit(1);
    }
}

OWN_FRAME static poolbuf *cut(poolbuf *buffer) {
    poolbuf *slice = poolbuf_retained_slice(buffer, 10, 50);
    if (slice == NULL) {
        exit(1);
    }
    return slice;
}

static void stale_view(void) {
    poolbuf *buffer = make(100);
    poolbuf *view = cut(buffer);
    first_release(view);
    poolbuf *other = cut(buffer);
    second_release(view);
    poolbuf_release(other);
    poolbuf_release(buffer);
}

static void stale_attached(void) {
    poolbuf *buffer = make(100);
    poolbuf *view = poolbuf_slice(buffer, 10, 50);
    uint8_t value = 0;
    first_release(buffer);
    buffer = make(100);
    poolbuf *other = poolbuf_slice(buffer, 10, 50);
    if (view == NULL || other == NULL || poolbuf_get_bytes(view, 0, &value, 1) == POOLBUF_OK) {
        exit(1);
    }
    poolbuf_release(buffer);
}

OWN_FRAME static poolbuf *compose(void) {
    poolbuf *whole = poolbuf_allocate_composite(allocator, 4);
    poolbuf *part = make(100);
    if (whole == NULL || poolbuf_set_writer_index(part, 100) != POOLBUF_OK ||
        poolbuf_composite_add_component(whole, part, true) != POOLBUF_OK) {
        exit(1);
    }
    return whole;
}

static void stale_whole(void) {
    poolbuf *whole = compose();
    first_release(whole);
    poolbuf *other = compose();
    second_release(whole);
    poolbuf_release(other);
}

static void views(void) {
    for (int round = 0; round < 20000; round++) {
        poolbuf *buffer = make(100);
        poolbuf *whole = compose();
        poolbuf *view = cut(buffer);
        poolbuf *inner = poolbuf_retained_slice(view, 5, 20);
        poolbuf *attached = poolbuf_slice(view, 0, 20);
        poolbuf *part = poolbuf_retained_slice(whole, 0, 50);
        first_release(whole);
        first_release(buffer);
        if (inner == NULL || attached == NULL || part == NULL || poolbuf_set_u8(attached, 0, 1) != POOLBUF_OK) {
            exit(1);
        }
        first_release(view);
        first_release(inner);
        first_release(part);
    }
}

/* A slice made before its buffer shrank may be written to as before, though the buffer itself ends earlier now. */
static void write_through_old_slice(void) {
    poolbuf *buffer = make(112);
    poolbuf *slice = poolbuf_retained_slice(buffer, 0, 112);
    if (slice == NULL || poolbuf_set_capacity(buffer, 100) != POOLBUF_OK) {
        exit(1);
    }
    memset(poolbuf_memory(slice), 1, 112);
    poolbuf_release(slice);
    poolbuf_release(buffer);
}

static void clean(void) {
    for (size_t capacity = 0; capacity < 300; capacity++) {
        poolbuf *buffer = make(capacity);
        for (size_t i = 0; i < 600; i++) {
            if (poolbuf_write_u8(buffer, (uint8_t)i) != POOLBUF_OK) {
                exit(1);
            }
        }
        if (poolbuf_set_capacity(buffer, capacity) != POOLBUF_OK || poolbuf_set_capacity(buffer, 400) != POOLBUF_OK) {
            exit(1);
        }
        memset(poolbuf_memory(buffer), 1, 400);
        first_release(buffer);
    }
    churn(30000);
}

int main(int count, char **arguments) {
    const char *mode = count > 1 ? arguments[1] : "";
    if (poolbuf_allocator_create(NULL, &allocator) != POOLBUF_OK) {
        return 1;
    }
    if (strcmp(mode, "overrun") == 0) {
        overrun(0);
    } else if (strcmp(mode, "grown") == 0) {
        overrun(5000);
    } else if (strcmp(mode, "stale") == 0) {
        stale();
    } else if (strcmp(mode, "twice") == 0) {
        twice();
    } else if (strcmp(mode, "long") == 0) {
        stale_for_long();
    } else if (strcmp(mode, "view") == 0) {
        stale_view();
    } else if (strcmp(mode, "attached") == 0) {
        stale_attached();
    } else if (strcmp(mode, "whole") == 0) {
        stale_whole();
    } else if (strcmp(mode, "views") == 0) {
        views();
    } else if (strcmp(mode, "clean") == 0) {
        clean();
    } else if (strcmp(mode, "shrunk") == 0) {
        write_through_old_slice();
    } else {
        late();
        if (strcmp(mode, "late") == 0) {
            return 0;
        }
        churn(strcmp(mode, "pushed") == 0 ? 30000 : 0);
    }
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : 1;
}
