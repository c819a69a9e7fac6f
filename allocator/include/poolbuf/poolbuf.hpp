/* C++17: an owner for one reference, and numbers by their type. Only this header is C++; the library stays C.
 *
 *     #include <poolbuf/poolbuf.hpp>
 *
 *     poolbuf_ref buffer = poolbuf_ref::allocate(nullptr, 256, 65536);
 *     if (!buffer) { ... out of memory ... }
 *     if (buffer.write<std::uint32_t>(42) != POOLBUF_OK) { ... would pass 65,536 bytes ... }
 *     if (auto number = buffer.read<std::uint32_t>()) { ... number.value ... }
 *     queue.push_back(std::move(buffer));                      the reference is the queue's now, and buffer is empty
 *
 * A poolbuf_ref owns exactly one reference, or none: then it is empty. It is a pointer in size and in use. Moving hands
 * the reference on, so what was moved from is empty; the destructor drops it. There is no copying, as a second
 * reference is worth seeing where it is taken: share(). All that C++ adds nothing to is done with the C calls on get().
 *
 * Views keep Netty's rule (derived.h). Those that count for themselves (retained_...(), copies) come as a poolbuf_ref.
 * Those that share their buffer's count come as a plain poolbuf *, which nobody owns: it is valid while its buffer is,
 * is not released, and who wants to keep it takes a reference with poolbuf_ref::retain(view).
 *
 * Errors: nothing here throws, and all of it works without exceptions and without RTTI. What makes a buffer gives an
 * empty ref where the C call gives NULL, mostly for want of memory; the rest gives a poolbuf_status. A call that fails
 * changes nothing. An empty ref may be tested, compared, moved, swapped, shared, assigned to, reset and destroyed;
 * whatever looks at the buffer is a programming error on it, and crashes as any use of a null pointer does.
 *
 * Threads: a ref is a plain variable, and two threads that use the same one order themselves. Refs to one buffer may be
 * shared, reset and destroyed concurrently; for bytes and indices the C calls' rules hold.
 *
 * Two refs are not compared with each other: it would not be clear whether that asks for the same buffer or for the
 * same bytes. a.get() == b.get() asks for the former.
 *
 * Cost: what the C call of the same name costs; the rest, nothing that an optimiser leaves. */
#ifndef POOLBUF_POOLBUF_HPP
#define POOLBUF_POOLBUF_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "poolbuf.hpp needs C++17; C programs include poolbuf/poolbuf.h"
#endif

#include <cstddef>     // std::size_t, std::nullptr_t, std::byte
#include <cstdint>     // std::uint8_t and its kind
#include <cstring>     // std::memcpy
#include <memory>      // std::unique_ptr
#include <new>         // std::nothrow, std::launder
#include <string_view> // std::string_view
#include <type_traits> // what the assertions ask
#include <utility>     // std::exchange, std::move, std::swap

#if __cplusplus >= 202002L && __has_include(<span>)
#include <span> // std::span
#endif

#include <poolbuf/allocator.h>
#include <poolbuf/buffer.h>
#include <poolbuf/composite.h>
#include <poolbuf/status.h>
#include <poolbuf/wrapped.h>

/* ---- Numbers and bytes of any buffer, owned or not --------------------------------------------------------------- */

/* Which byte of a number comes first: the highest (big, the order of networks), or the lowest. */
enum class poolbuf_order {
    big,
    little
};

/* What a read gives: a status, and a value that means something where that is POOLBUF_OK. Else it is T{}. */
template <class T> struct [[nodiscard]] poolbuf_result {
    poolbuf_status status;
    T value;

    explicit constexpr operator bool() const noexcept {
        return status == POOLBUF_OK;
    }
};

/* The type of a parameter that no type is deduced from. */
template <class T> struct poolbuf_named_ { using type = T; };

/* A number on its way to and from the unsigned number of its width whose bytes lie in memory in the wanted order. */
template <class T> struct poolbuf_number_traits_ {
    static_assert(std::is_arithmetic_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>, "T is a number");
    static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "of 1, 2, 4 or 8 bytes");
    static_assert(sizeof(bool) == 1, "a bool takes one byte, as in access.h");

    using small = std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t>;
    using large = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    using stored = std::conditional_t<(sizeof(T) <= 2), small, large>;

    /* Its own inverse. */
    static stored ordered(stored bits, poolbuf_order order) noexcept {
        [[maybe_unused]] const bool big = order == poolbuf_order::big;
        if constexpr (sizeof(T) == 8) {
            return big ? POOLBUF_BE64_(bits) : POOLBUF_LE64_(bits);
        } else if constexpr (sizeof(T) == 4) {
            return big ? POOLBUF_BE32_(bits) : POOLBUF_LE32_(bits);
        } else if constexpr (sizeof(T) == 2) {
            return big ? POOLBUF_BE16_(bits) : POOLBUF_LE16_(bits);
        } else {
            return bits;
        }
    }

    static stored store(T value, poolbuf_order order) noexcept {
        stored bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        return ordered(bits, order);
    }

    /* Any byte may come in, but only two of them are a bool. */
    static T load(stored bits, poolbuf_order order) noexcept {
        if constexpr (std::is_same_v<T, bool>) {
            return bits != 0;
        } else {
            T value;
            bits = ordered(bits, order);
            std::memcpy(&value, &bits, sizeof value);
            return value;
        }
    }
};

/* poolbuf_write_as(), _read_as(), _set_as() and _get_as() are the calls of access.h with the type of the number as
 * their parameter: any integer, bool, float or double of 1, 2, 4 or 8 bytes.
 *   T       named by the caller, as it decides how many bytes there are: poolbuf_write_as<std::uint16_t>(buffer, 80).
 *   order   of the bytes; of one byte there is only one.
 *   errors  as in access.h. */
template <class T>
[[nodiscard]] inline poolbuf_status poolbuf_write_as(poolbuf *buffer, typename poolbuf_named_<T>::type value,
                                                     poolbuf_order order = poolbuf_order::big) noexcept {
    const auto stored = poolbuf_number_traits_<T>::store(value, order);
    return poolbuf_write_bytes(buffer, &stored, sizeof stored);
}

template <class T>
[[nodiscard]] inline poolbuf_status poolbuf_set_as(poolbuf *buffer, std::size_t index,
                                                   typename poolbuf_named_<T>::type value,
                                                   poolbuf_order order = poolbuf_order::big) noexcept {
    const auto stored = poolbuf_number_traits_<T>::store(value, order);
    return poolbuf_set_bytes(buffer, index, &stored, sizeof stored);
}

template <class T>
inline poolbuf_result<T> poolbuf_read_as(poolbuf *buffer, poolbuf_order order = poolbuf_order::big) noexcept {
    typename poolbuf_number_traits_<T>::stored stored = 0;
    const poolbuf_status status = poolbuf_read_bytes(buffer, &stored, sizeof stored);
    return {status, status == POOLBUF_OK ? poolbuf_number_traits_<T>::load(stored, order) : T{}};
}

template <class T>
inline poolbuf_result<T> poolbuf_get_as(const poolbuf *buffer, std::size_t index,
                                        poolbuf_order order = poolbuf_order::big) noexcept {
    typename poolbuf_number_traits_<T>::stored stored = 0;
    const poolbuf_status status = poolbuf_get_bytes(buffer, index, &stored, sizeof stored);
    return {status, status == POOLBUF_OK ? poolbuf_number_traits_<T>::load(stored, order) : T{}};
}

/* poolbuf_readable_view() lends the readable bytes where they lie.
 *   returns  valid as poolbuf_bytes_at() says. No bytes are an empty view of any buffer.
 *   errors   POOLBUF_ERROR_UNSUPPORTED: they lie in several components, so no one view shows them.
 *   threads  the owner that is using the bytes.     cost  as poolbuf_bytes_at(). */
inline poolbuf_result<std::string_view> poolbuf_readable_view(const poolbuf *buffer) noexcept {
    const std::size_t length = poolbuf_readable_bytes(buffer);
    if (length == 0) {
        return {POOLBUF_OK, {}};
    }
    const void *bytes = poolbuf_bytes_at(buffer, poolbuf_reader_index(buffer), length);
    if (bytes == nullptr) {
        return {POOLBUF_ERROR_UNSUPPORTED, {}};
    }
    return {POOLBUF_OK, std::string_view(static_cast<const char *>(bytes), length)};
}

/* poolbuf_readable_span() does so for C++20. It is no member of poolbuf_ref, as a class is the same in each dialect of
 * C++ that a program is compiled in. cost: none more. */
#ifdef __cpp_lib_span
inline poolbuf_result<std::span<const std::byte>> poolbuf_readable_span(const poolbuf *buffer) noexcept {
    const poolbuf_result<std::string_view> view = poolbuf_readable_view(buffer);
    return {view.status, std::as_bytes(std::span<const char>(view.value.data(), view.value.size()))};
}
#endif

/* ---- What ends wrapped memory; not for callers ------------------------------------------------------------------- */

/* Keeps a callable where poolbuf_wrap() keeps its context: in the pointer itself, if its bytes fit and may be copied,
 * else in a block of operator new. */
template <class Callable> struct poolbuf_kept_ {
    static_assert(std::is_invocable_v<Callable &, void *, std::size_t>, "called with the memory and its length");
    static_assert(std::is_nothrow_move_constructible_v<Callable>, "what ends memory can be moved without throwing");

    static constexpr bool in_pointer = std::is_trivially_copyable_v<Callable> && sizeof(Callable) <= sizeof(void *);

    struct place {
        alignas(Callable) unsigned char bytes[sizeof(Callable)];

        Callable &callable() noexcept {
            return *std::launder(static_cast<Callable *>(static_cast<void *>(bytes)));
        }
    };

    /* The context of a callable that fits. */
    static void *pack(const Callable &callable) noexcept {
        void *context = nullptr;
        if constexpr (!std::is_empty_v<Callable>) {
            std::memcpy(&context, &callable, sizeof callable);
        }
        return context;
    }

    /* A poolbuf_wrap_release. Its caller is C, which nothing may be thrown through: noexcept ends the process first. */
    static void call(void *memory, std::size_t length, void *context) noexcept {
        if constexpr (in_pointer) {
            place copy;
            std::memcpy(copy.bytes, &context, sizeof copy.bytes);
            copy.callable()(memory, length);
        } else {
            place *kept = static_cast<place *>(context);
            kept->callable()(memory, length);
            kept->callable().~Callable();
            delete kept;
        }
    }
};

/* The deleter of a std::unique_ptr, which is gone by the time that it is needed. */
template <class Pointer, class Deleter> struct poolbuf_deleter_ {
    Deleter deleter;

    void operator()(void *memory, std::size_t /* length */) noexcept {
        deleter(static_cast<Pointer>(memory));
    }
};

/* ---- The owner --------------------------------------------------------------------------------------------------- */

class poolbuf_ref {
  public:
    /* An empty one. cost: none. */
    constexpr poolbuf_ref() noexcept = default;
    constexpr poolbuf_ref(std::nullptr_t) noexcept {
    }

    poolbuf_ref(const poolbuf_ref &) = delete;
    poolbuf_ref &operator=(const poolbuf_ref &) = delete;

    /* Takes over the reference; other is empty afterwards. What an assignment replaces is dropped last, so whoever is
     * told of that buffer's end sees the new state. A ref that is moved to itself stays as it is. */
    poolbuf_ref(poolbuf_ref &&other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {
    }
    poolbuf_ref &operator=(poolbuf_ref &&other) noexcept {
        poolbuf_ref taken(std::move(other));
        taken.swap(*this);
        return *this;
    }

    /* Drops the reference: poolbuf_release(). */
    ~poolbuf_ref() {
        if (buffer_ != nullptr) {
            (void)poolbuf_release(buffer_);
        }
    }

    /* ---- From and to plain pointers ------------------------------------------------------------------------------ */

    /* adopt() takes over a reference that the caller owns; NULL gives an empty ref. retain() adds one to a buffer, or
     * view, that is somebody else's. detach() gives the reference to the caller and is empty afterwards. get() lends
     * the buffer.
     *   errors   none; adopting what the caller does not own, as a view that shares its buffer's count, is a
     *            programming error.
     *   threads  retain: any owner.     cost  retain: one atomic addition; the others, none. */
    [[nodiscard]] static poolbuf_ref adopt(poolbuf *buffer) noexcept {
        return poolbuf_ref(buffer);
    }
    [[nodiscard]] static poolbuf_ref retain(poolbuf *buffer) noexcept {
        return poolbuf_ref(buffer != nullptr ? poolbuf_retain(buffer) : nullptr);
    }
    [[nodiscard]] poolbuf *detach() noexcept {
        return std::exchange(buffer_, nullptr);
    }
    [[nodiscard]] poolbuf *get() const noexcept {
        return buffer_;
    }

    /* share() gives a second reference to the same buffer; of an empty ref, an empty one.
     *   errors, threads, cost  as poolbuf_retain(). */
    [[nodiscard]] poolbuf_ref share() const noexcept {
        return retain(buffer_);
    }

    /* reset() drops the reference, and is empty before the buffer ends.
     *   returns  true if it was the last one; false for an empty ref. */
    bool reset() noexcept {
        poolbuf *dropped = detach();
        return dropped != nullptr && poolbuf_release(dropped);
    }

    void swap(poolbuf_ref &other) noexcept {
        std::swap(buffer_, other.buffer_);
    }
    friend void swap(poolbuf_ref &left, poolbuf_ref &right) noexcept {
        left.swap(right);
    }

    explicit operator bool() const noexcept {
        return buffer_ != nullptr;
    }
    friend bool operator==(const poolbuf_ref &ref, std::nullptr_t) noexcept {
        return ref.buffer_ == nullptr;
    }
    friend bool operator==(std::nullptr_t, const poolbuf_ref &ref) noexcept {
        return ref.buffer_ == nullptr;
    }
    friend bool operator!=(const poolbuf_ref &ref, std::nullptr_t) noexcept {
        return ref.buffer_ != nullptr;
    }
    friend bool operator!=(std::nullptr_t, const poolbuf_ref &ref) noexcept {
        return ref.buffer_ != nullptr;
    }

    /* ---- Making buffers ------------------------------------------------------------------------------------------ */

    /* allocate(), allocate_direct(), allocate_heap(), allocate_copy() and composite() are the C calls of these names.
     *   allocator  NULL means the default one.
     *   returns    the only reference.
     *   errors     empty: where the C call gives NULL.     threads, cost  as there. */
    [[nodiscard]] static poolbuf_ref allocate(poolbuf_allocator *allocator, std::size_t initial_capacity,
                                              std::size_t max_capacity) noexcept {
        return poolbuf_ref(poolbuf_allocate(allocator, initial_capacity, max_capacity));
    }
    [[nodiscard]] static poolbuf_ref allocate_direct(poolbuf_allocator *allocator, std::size_t initial_capacity,
                                                     std::size_t max_capacity) noexcept {
        return poolbuf_ref(poolbuf_allocate_direct(allocator, initial_capacity, max_capacity));
    }
    [[nodiscard]] static poolbuf_ref allocate_heap(poolbuf_allocator *allocator, std::size_t initial_capacity,
                                                   std::size_t max_capacity) noexcept {
        return poolbuf_ref(poolbuf_allocate_heap(allocator, initial_capacity, max_capacity));
    }
    [[nodiscard]] static poolbuf_ref allocate_copy(poolbuf_allocator *allocator, std::string_view bytes) noexcept {
        return poolbuf_ref(poolbuf_allocate_copy(allocator, bytes.data(), bytes.size()));
    }
    [[nodiscard]] static poolbuf_ref composite(poolbuf_allocator *allocator,
                                               std::uint32_t max_components = 0) noexcept {
        return poolbuf_ref(poolbuf_allocate_composite(allocator, max_components));
    }

    /* wrap() and wrap_read_only() give a buffer of memory that is not the pool's, as wrapped.h says.
     *   memory, length  stay valid until release has been called; without one, until the last reference is gone. A NULL
     *                   memory gives an empty ref.
     *   release         called once, as release(memory, length), by whoever drops the last reference; kept with
     *                   the buffer, copied or moved as it was passed, which may not throw, and destroyed after the
     *                   call. A call that throws ends the process.
     *   errors          empty: no memory, or too long. release has been neither called nor moved from.
     *   threads         any; release runs in any thread.
     *   cost            as poolbuf_wrap(); where release is more than a pointer's worth of plain bytes, a block of
     *                   operator new. */
    [[nodiscard]] static poolbuf_ref wrap(poolbuf_allocator *allocator, void *memory, std::size_t length) noexcept {
        return poolbuf_ref(memory != nullptr ? poolbuf_wrap(allocator, memory, length, nullptr, nullptr) : nullptr);
    }
    [[nodiscard]] static poolbuf_ref wrap_read_only(poolbuf_allocator *allocator, const void *memory,
                                                    std::size_t length) noexcept {
        return poolbuf_ref(memory != nullptr ? poolbuf_wrap_read_only(allocator, memory, length, nullptr, nullptr)
                                             : nullptr);
    }
    template <class Release>
    [[nodiscard]] static poolbuf_ref wrap(poolbuf_allocator *allocator, void *memory, std::size_t length,
                                          Release &&release) noexcept {
        return wrap_moving(allocator, memory, length, std::forward<Release>(release));
    }
    template <class Release>
    [[nodiscard]] static poolbuf_ref wrap_read_only(poolbuf_allocator *allocator, const void *memory,
                                                    std::size_t length, Release &&release) noexcept {
        return wrap_moving(allocator, memory, length, std::forward<Release>(release));
    }

    /* wrap() of a std::unique_ptr takes over the array of count elements and its deleter; one of const elements gives a
     * read-only buffer.
     *   memory   empty on return; but where the result is empty, it owns the array as before.
     *   errors, threads, cost  as above. */
    template <class T, class Deleter>
    [[nodiscard]] static poolbuf_ref wrap(poolbuf_allocator *allocator, std::unique_ptr<T[], Deleter> &&memory,
                                          std::size_t count) noexcept {
        using pointer = typename std::unique_ptr<T[], Deleter>::pointer;
        using kept = poolbuf_deleter_<pointer, Deleter>;
        using address = std::conditional_t<std::is_const_v<T>, const void *, void *>;
        static_assert(std::is_same_v<pointer, T *>, "the deleter takes a plain pointer");
        static_assert(std::is_trivially_copyable_v<T>, "a buffer's bytes are copied one by one");
        if (count > POOLBUF_CAPACITY_LIMIT / sizeof(T)) {
            return {};
        }
        const auto keep = [&memory]() noexcept { return kept{std::forward<Deleter>(memory.get_deleter())}; };
        poolbuf_ref made = wrap_keeping<kept>(allocator, address{memory.get()}, count * sizeof(T), keep);
        if (made) {
            (void)memory.release();
        }
        return made;
    }

    /* ---- Views --------------------------------------------------------------------------------------------------- */

    /* What counts for itself, and so may outlive this ref. derived.h describes them, access.h the copies.
     *   errors  empty: out of bounds or no memory.     threads, cost  as the C calls. */
    [[nodiscard]] poolbuf_ref retained_slice(std::size_t index, std::size_t length) const noexcept {
        return poolbuf_ref(poolbuf_retained_slice(buffer_, index, length));
    }
    [[nodiscard]] poolbuf_ref read_retained_slice(std::size_t length) noexcept {
        return poolbuf_ref(poolbuf_read_retained_slice(buffer_, length));
    }
    [[nodiscard]] poolbuf_ref retained_duplicate() const noexcept {
        return poolbuf_ref(poolbuf_retained_duplicate(buffer_));
    }
    [[nodiscard]] poolbuf_ref copy(std::size_t index, std::size_t length) const noexcept {
        return poolbuf_ref(poolbuf_copy(buffer_, index, length));
    }
    [[nodiscard]] poolbuf_ref read_copy(std::size_t length) noexcept {
        return poolbuf_ref(poolbuf_read_copy(buffer_, length));
    }
    [[nodiscard]] poolbuf_ref copy_if_small(std::size_t index, std::size_t length) const noexcept {
        return poolbuf_ref(poolbuf_copy_if_small(buffer_, index, length));
    }

    /* What shares the buffer's count: nobody owns these, they die with the buffer's last reference, and are neither
     * adopted nor released. Not to be had from a temporary, with which they might be gone at once.
     *   errors  NULL: out of bounds or no memory.     threads, cost  as the C calls. */
    [[nodiscard]] poolbuf *slice(std::size_t index, std::size_t length) const &noexcept {
        return poolbuf_slice(buffer_, index, length);
    }
    [[nodiscard]] poolbuf *read_slice(std::size_t length) &noexcept {
        return poolbuf_read_slice(buffer_, length);
    }
    [[nodiscard]] poolbuf *duplicate() const &noexcept {
        return poolbuf_duplicate(buffer_);
    }
    [[nodiscard]] poolbuf *as_read_only() const &noexcept {
        return poolbuf_as_read_only(buffer_);
    }
    [[nodiscard]] poolbuf *unreleasable() const &noexcept {
        return poolbuf_unreleasable(buffer_);
    }
    poolbuf *slice(std::size_t index, std::size_t length) const && = delete;
    poolbuf *duplicate() const && = delete;
    poolbuf *as_read_only() const && = delete;
    poolbuf *unreleasable() const && = delete;

    /* ---- Reading and writing ------------------------------------------------------------------------------------- */

    /* poolbuf_write_as() and its kin on this buffer. write() of a text appends its bytes, which lie elsewhere.
     *   errors, threads, cost  as in access.h. */
    template <class T>
    [[nodiscard]] poolbuf_status write(typename poolbuf_named_<T>::type value,
                                       poolbuf_order order = poolbuf_order::big) noexcept {
        return poolbuf_write_as<T>(buffer_, value, order);
    }
    [[nodiscard]] poolbuf_status write(std::string_view bytes) noexcept {
        return poolbuf_write_bytes(buffer_, bytes.data(), bytes.size());
    }
    poolbuf_status write(std::nullptr_t) = delete; /* also write(0), which is no number without its type */
    template <class T> poolbuf_result<T> read(poolbuf_order order = poolbuf_order::big) noexcept {
        return poolbuf_read_as<T>(buffer_, order);
    }
    template <class T>
    [[nodiscard]] poolbuf_status set_at(std::size_t index, typename poolbuf_named_<T>::type value,
                                        poolbuf_order order = poolbuf_order::big) noexcept {
        return poolbuf_set_as<T>(buffer_, index, value, order);
    }
    template <class T>
    poolbuf_result<T> get_at(std::size_t index, poolbuf_order order = poolbuf_order::big) const noexcept {
        return poolbuf_get_as<T>(buffer_, index, order);
    }

    /* How many bytes are readable, and poolbuf_readable_view(). */
    [[nodiscard]] std::size_t readable_bytes() const noexcept {
        return poolbuf_readable_bytes(buffer_);
    }
    poolbuf_result<std::string_view> view() const &noexcept {
        return poolbuf_readable_view(buffer_);
    }
    poolbuf_result<std::string_view> view() const && = delete;

    /* ---- Components ---------------------------------------------------------------------------------------------- */

    /* add_component(), insert_component() and add_flattened() hand a buffer to this composite.
     *   component  the composite's on success, released otherwise: the caller's ref is empty in any case.
     *   errors     as composite.h says, and POOLBUF_ERROR_BAD_ARGUMENT: one of the two is empty; so is a composite that
     *              is moved into itself.
     *   threads, cost  as there. */
    [[nodiscard]] poolbuf_status add_component(poolbuf_ref component, bool increase_writer_index = true) noexcept {
        if (buffer_ == nullptr || !component) {
            return POOLBUF_ERROR_BAD_ARGUMENT;
        }
        return poolbuf_composite_add_component(buffer_, component.detach(), increase_writer_index);
    }
    [[nodiscard]] poolbuf_status insert_component(std::uint32_t index, poolbuf_ref component,
                                                  bool increase_writer_index = true) noexcept {
        if (buffer_ == nullptr || !component) {
            return POOLBUF_ERROR_BAD_ARGUMENT;
        }
        return poolbuf_composite_insert_component(buffer_, index, component.detach(), increase_writer_index);
    }
    [[nodiscard]] poolbuf_status add_flattened(poolbuf_ref component, bool increase_writer_index = true) noexcept {
        if (buffer_ == nullptr || !component) {
            return POOLBUF_ERROR_BAD_ARGUMENT;
        }
        return poolbuf_composite_add_flattened(buffer_, component.detach(), increase_writer_index);
    }

  private:
    explicit poolbuf_ref(poolbuf *buffer) noexcept : buffer_(buffer) {
    }

    static poolbuf *wrap_plain(poolbuf_allocator *allocator, void *memory, std::size_t length,
                               poolbuf_wrap_release *release, void *context) noexcept {
        return poolbuf_wrap(allocator, memory, length, release, context);
    }
    static poolbuf *wrap_plain(poolbuf_allocator *allocator, const void *memory, std::size_t length,
                               poolbuf_wrap_release *release, void *context) noexcept {
        return poolbuf_wrap_read_only(allocator, memory, length, release, context);
    }

    /* Const memory makes a read-only buffer. keep() makes the callable; where that may change what it is made from, it
     * is asked once nothing can fail any more, which is early enough, as the only reference is still ours. */
    template <class Callable, class Address, class Keep>
    static poolbuf_ref wrap_keeping(poolbuf_allocator *allocator, Address memory, std::size_t length,
                                    const Keep &keep) noexcept {
        using kept = poolbuf_kept_<Callable>;
        if (memory == nullptr) {
            return {};
        }
        if constexpr (kept::in_pointer) {
            return poolbuf_ref(wrap_plain(allocator, memory, length, kept::call, kept::pack(keep())));
        } else {
            auto *place = new (std::nothrow) typename kept::place;
            if (place == nullptr) {
                return {};
            }
            poolbuf_ref made(wrap_plain(allocator, memory, length, kept::call, place));
            if (made) {
                (void)::new (static_cast<void *>(place->bytes)) Callable(keep());
            } else {
                delete place;
            }
            return made;
        }
    }

    template <class Address, class Release>
    static poolbuf_ref wrap_moving(poolbuf_allocator *allocator, Address memory, std::size_t length,
                                   Release &&release) noexcept {
        using callable = std::decay_t<Release>;
        static_assert(std::is_nothrow_constructible_v<callable, Release>, "release is kept without throwing");
        const auto keep = [&release]() noexcept -> callable { return std::forward<Release>(release); };
        return wrap_keeping<callable>(allocator, memory, length, keep);
    }

    poolbuf *buffer_ = nullptr; /* one reference to it is ours; NULL: empty */
};

static_assert(sizeof(poolbuf_ref) == sizeof(void *) && alignof(poolbuf_ref) == alignof(void *), "a pointer in size");
static_assert(std::is_standard_layout_v<poolbuf_ref>, "a struct of C++ may hold one where C has a pointer");
static_assert(std::is_nothrow_default_constructible_v<poolbuf_ref>, "containers may make empty ones");
static_assert(std::is_nothrow_move_constructible_v<poolbuf_ref>, "std::vector moves when it grows");
static_assert(std::is_nothrow_move_assignable_v<poolbuf_ref>, "and when it erases");
static_assert(std::is_nothrow_swappable_v<poolbuf_ref>, "so algorithms cannot fail in the middle");
static_assert(std::is_nothrow_destructible_v<poolbuf_ref>, "unwinding may drop references");
static_assert(!std::is_copy_constructible_v<poolbuf_ref> && !std::is_copy_assignable_v<poolbuf_ref>, "one owner");
static_assert(!std::is_constructible_v<poolbuf_ref, poolbuf *>, "adopt() or retain() says which of the two is meant");
static_assert(!std::is_convertible_v<poolbuf_ref, poolbuf *> && !std::is_convertible_v<poolbuf_ref, bool>,
              "get() says that the pointer is lent");
static_assert(std::is_trivially_copyable_v<poolbuf_result<std::uint64_t>>, "results travel in registers");

#endif
