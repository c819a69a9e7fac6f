/* The subject boost: boost::pool, one a power of two, as subject_fixed.c has its pools. It is all templates, and
 * compiled into the kernel as into its users' programs.
 *
 * boost::pool knows no threads. boost::singleton_pool puts a mutex around each call; its size is a template's argument
 * and it lives for ever, so the same mutex stands here around a pool each, and only where there are threads. */
#include "subjects/subject.h"

#include <boost/pool/pool.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "subjects/pool_class.h"

namespace {

struct boost_pool;

/* In front of the memory, as in subject_fixed.c, with the same fields set up. */
struct boost_buffer {
    std::atomic<uint32_t> references;
    uint32_t capacity;
    uint32_t max_capacity;
    uint32_t reader_index;
    uint32_t writer_index;
    uint32_t flags;
    boost_pool *pool;
    void *destroy;
    void *parent;
};

static_assert(sizeof(boost_buffer) == 48, "the header that every peer is measured with");

/* Boost asks for 32 buffers at first and doubles from block to block; of large ones that would be gigabytes. */
constexpr std::size_t FIRST_BLOCK_MOST = std::size_t{1} << 20; /* bytes */
constexpr std::size_t BLOCK_MOST = std::size_t{64} << 20;

constexpr std::size_t buffers_of(std::size_t bytes, uint32_t payload) {
    return std::max<std::size_t>(1, bytes / (sizeof(boost_buffer) + payload));
}

struct boost_pool {
    std::mutex mutex;
    boost::pool<boost::default_user_allocator_malloc_free> memory;
    uint32_t payload;
    bool is_locked;

    boost_pool(uint32_t bytes, bool has_threads)
        : memory(sizeof(boost_buffer) + bytes, std::min<std::size_t>(32, buffers_of(FIRST_BLOCK_MOST, bytes)),
                 buffers_of(BLOCK_MOST, bytes)),
          payload(bytes), is_locked(has_threads) {
    }
};

struct boost_state {
    std::array<std::unique_ptr<boost_pool>, POOL_CLASS_COUNT> pools;
};

inline void *buffer_allocate(boost_state *state, uint32_t size) {
    boost_pool *pool = state->pools[pool_class_of(size)].get();
    if (pool->is_locked) {
        pool->mutex.lock();
    }
    void *memory = pool->memory.malloc();
    if (pool->is_locked) {
        pool->mutex.unlock();
    }
    if (memory == nullptr) {
        return nullptr;
    }
    auto *buffer = static_cast<boost_buffer *>(memory);
    new (&buffer->references) std::atomic<uint32_t>(1);
    buffer->capacity = size;
    buffer->max_capacity = STREAM_SIZE_MAX;
    buffer->reader_index = 0;
    buffer->writer_index = 0;
    buffer->flags = 0;
    buffer->pool = pool;
    buffer->destroy = nullptr;
    buffer->parent = nullptr;
    return buffer;
}

inline void buffer_release(boost_state * /*state*/, void *handle) {
    auto *buffer = static_cast<boost_buffer *>(handle);
    if (buffer->references.load(std::memory_order_acquire) != 1 &&
        buffer->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
        return;
    }
    boost_pool *pool = buffer->pool;
    if (pool->is_locked) {
        pool->mutex.lock();
    }
    pool->memory.free(buffer);
    if (pool->is_locked) {
        pool->mutex.unlock();
    }
}

inline uint8_t *buffer_memory(boost_state * /*state*/, void *handle) {
    return reinterpret_cast<uint8_t *>(static_cast<boost_buffer *>(handle) + 1);
}

inline uint32_t buffer_size(const void *handle) {
    return static_cast<const boost_buffer *>(handle)->capacity;
}

inline std::size_t buffer_room(const void *handle) {
    return static_cast<const boost_buffer *>(handle)->pool->payload;
}

inline void *buffer_resize(boost_state *state, void *handle, uint32_t size) {
    auto *buffer = static_cast<boost_buffer *>(handle);
    if (size <= buffer->pool->payload) {
        buffer->capacity = size;
        return buffer;
    }
    void *larger = buffer_allocate(state, size);
    if (larger != nullptr) {
        std::memcpy(buffer_memory(state, larger), buffer_memory(state, buffer), buffer->capacity);
        buffer_release(state, buffer);
    }
    return larger;
}

} // namespace

#define KERNEL_STATE         boost_state
#define KERNEL_SHARES_MEMORY 0
#define KERNEL_TELLS_ROOM
#define KERNEL_COUNT(buffer) (&static_cast<boost_buffer *>(buffer)->references)

#include "subjects/kernel.h"

namespace {

/* Serves boost::pool? A block that it gave is one that it knows as its own. */
bool is_served_by_boost() {
    boost::pool<boost::default_user_allocator_malloc_free> pool(sizeof(boost_buffer));
    void *memory = pool.malloc();
    const bool is_its_own = memory != nullptr && pool.is_from(memory);
    if (memory != nullptr) {
        pool.free(memory);
    }
    return is_its_own;
}

bool prepare(subject_run *run) {
    std::unique_ptr<boost_state> state(new (std::nothrow) boost_state);
    if (!state || !is_served_by_boost()) {
        return false;
    }
    for (unsigned i = 0; i < POOL_CLASS_COUNT; i++) {
        state->pools[i].reset(new (std::nothrow) boost_pool(pool_class_payload(i), run->thread_count > 1));
        if (!state->pools[i]) {
            return false;
        }
    }
    run->state = state.release();
    return true;
}

bool finish(subject_run *run) {
    delete static_cast<boost_state *>(run->state);
    run->state = nullptr;
    return true;
}

} // namespace

const char *subject_boost_version(void) {
    static char text[32];
    (void)std::snprintf(text, sizeof text, "Boost %d.%d.%d", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                        BOOST_VERSION % 100);
    return text;
}

KERNEL_DEFINE(subject_kernel_boost, prepare, finish);
