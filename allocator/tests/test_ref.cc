/* Unit tests of poolbuf.hpp: who owns a reference when, and what is read and written by type. The program is built
 * twice: as C++17 with exceptions and RTTI, and as C++20 without; what needs exceptions is left out of the second.
 *
 * cmocka leaves a failed test by longjmp(), past the destructors: what that leaks is reported on top of the failure. */
#include <poolbuf/poolbuf.h>
#include <poolbuf/poolbuf.hpp>

#include <array>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

/* Last, as it has a macro fail(), which is a function of C++'s streams. */
extern "C" {
#include <cmocka.h>
}

#define OK(call) assert_int_equal(call, POOLBUF_OK)

/* Memory for the callables that a buffer keeps: counted, and refused on request. Checkers have an operator new of their
 * own, so it is not replaced here; the linker leads this program's calls by this way instead (--wrap). */
static bool refuse_memory;
static unsigned blocks_taken;

void *real_new(std::size_t size, const std::nothrow_t &tag) noexcept __asm__("__real__ZnwmRKSt9nothrow_t");
void *counted_new(std::size_t size, const std::nothrow_t &tag) noexcept __asm__("__wrap__ZnwmRKSt9nothrow_t");

void *counted_new(std::size_t size, const std::nothrow_t &tag) noexcept {
    if (refuse_memory) {
        return nullptr;
    }
    blocks_taken++;
    return real_new(size, tag);
}

static poolbuf_allocator *allocator;

static int set_up(void ** /* state */) {
    refuse_memory = false;
    blocks_taken = 0;
    return poolbuf_allocator_create(nullptr, &allocator) == POOLBUF_OK ? 0 : -1;
}

static int tear_down(void ** /* state */) {
    return poolbuf_allocator_destroy(allocator) == POOLBUF_OK ? 0 : -1;
}

static std::uint64_t alive() {
    poolbuf_metrics metrics{};
    metrics.struct_size = sizeof metrics;
    OK(poolbuf_allocator_metrics(allocator, &metrics));
    return metrics.live_buffers;
}

static poolbuf_ref holding(std::string_view bytes) {
    poolbuf_ref made = poolbuf_ref::allocate_copy(allocator, bytes);
    assert_true(static_cast<bool>(made));
    return made;
}

static std::string bytes_of(const poolbuf *buffer) {
    std::string bytes(poolbuf_readable_bytes(buffer), '?');
    OK(poolbuf_get_bytes(buffer, poolbuf_reader_index(buffer), bytes.data(), bytes.size()));
    return bytes;
}

static void expect_bytes(const poolbuf *buffer, std::string_view wanted) {
    assert_non_null(buffer);
    assert_string_equal(bytes_of(buffer).c_str(), std::string(wanted).c_str());
}

static std::uint32_t count_of(const poolbuf_ref &ref) {
    return poolbuf_ref_count(ref.get());
}

/* The state of a ref that was moved from is part of its contract. */
static bool empty_after_move(const poolbuf_ref &ref) {
    return ref.get() == nullptr && !ref && ref == nullptr;
}

/* ---- References -------------------------------------------------------------------------------------------------- */

static void a_scope_ends_with_its_reference(void ** /* state */) {
    {
        poolbuf_ref ref = poolbuf_ref::allocate(allocator, 16, 64);
        assert_true(static_cast<bool>(ref));
        assert_int_equal(count_of(ref), 1);
        assert_int_equal(poolbuf_max_capacity(ref.get()), 64);
        assert_int_equal(alive(), 1);
    }
    assert_int_equal(alive(), 0);
}

static void each_kind_of_memory_has_its_maker(void ** /* state */) {
    assert_true(poolbuf_is_direct(poolbuf_ref::allocate_direct(allocator, 16, 16).get()));
    assert_false(poolbuf_is_direct(poolbuf_ref::allocate_heap(allocator, 16, 16).get()));
    assert_int_equal(alive(), 0);
}

static void moving_hands_the_reference_on(void ** /* state */) {
    poolbuf_ref first = holding("abc");
    poolbuf *buffer = first.get();
    poolbuf_ref second(std::move(first));
    assert_true(empty_after_move(first));
    assert_ptr_equal(second.get(), buffer);
    assert_int_equal(count_of(second), 1);
    poolbuf_ref third = holding("replaced");
    third = std::move(second);
    assert_true(empty_after_move(second));
    assert_ptr_equal(third.get(), buffer);
    assert_int_equal(count_of(third), 1);
    assert_int_equal(alive(), 1);
}

static void moving_to_itself_changes_nothing(void ** /* state */) {
    poolbuf_ref ref = holding("abc");
    poolbuf_ref &same = ref;
    ref = std::move(same);
    expect_bytes(ref.get(), "abc");
    assert_int_equal(count_of(ref), 1);
    ref.swap(same);
    expect_bytes(ref.get(), "abc");
}

static void an_empty_ref_does_what_needs_no_buffer(void ** /* state */) {
    poolbuf_ref empty;
    assert_true(empty == nullptr);
    assert_true(nullptr == empty);
    assert_false(empty != nullptr);
    assert_false(nullptr != empty);
    assert_false(empty.reset());
    assert_null(empty.detach());
    assert_true(empty.share() == nullptr);
    assert_true(poolbuf_ref::adopt(nullptr) == nullptr);
    assert_true(poolbuf_ref::retain(nullptr) == nullptr);
    poolbuf_ref full = holding("abc");
    assert_true(full != nullptr);
    assert_true(nullptr != full);
    assert_false(full == nullptr);
    assert_false(nullptr == full);
    full = nullptr;
    assert_true(full == nullptr);
    assert_int_equal(alive(), 0);
}

static void reset_tells_whether_it_was_the_last(void ** /* state */) {
    poolbuf_ref first = holding("abc");
    poolbuf_ref second = first.share();
    assert_ptr_equal(first.get(), second.get());
    assert_int_equal(count_of(first), 2);
    assert_false(first.reset());
    assert_true(first == nullptr);
    expect_bytes(second.get(), "abc");
    assert_true(second.reset());
    assert_int_equal(alive(), 0);
}

static void swapping_exchanges_the_buffers(void ** /* state */) {
    poolbuf_ref left = holding("left");
    poolbuf_ref right = holding("right");
    swap(left, right);
    expect_bytes(left.get(), "right");
    expect_bytes(right.get(), "left");
    poolbuf_ref empty;
    left.swap(empty);
    assert_true(left == nullptr);
    expect_bytes(empty.get(), "right");
    assert_int_equal(count_of(empty), 1);
}

static void plain_pointers_are_adopted_retained_and_given_back(void ** /* state */) {
    poolbuf *plain = poolbuf_allocate(allocator, 16, 16);
    assert_non_null(plain);
    {
        poolbuf_ref second = poolbuf_ref::retain(plain);
        assert_int_equal(poolbuf_ref_count(plain), 2);
    }
    assert_int_equal(poolbuf_ref_count(plain), 1);
    poolbuf_ref owner = poolbuf_ref::adopt(plain);
    assert_int_equal(poolbuf_ref_count(plain), 1);
    assert_ptr_equal(owner.detach(), plain);
    assert_true(owner == nullptr);
    assert_int_equal(poolbuf_ref_count(plain), 1);
    assert_true(poolbuf_release(plain));
}

static void the_empty_buffer_outlives_its_owners(void ** /* state */) {
    {
        poolbuf_ref empty = poolbuf_ref::adopt(poolbuf_empty());
        poolbuf_ref second = empty.share();
        assert_true(empty.view().value.empty());
    }
    assert_int_equal(poolbuf_ref_count(poolbuf_empty()), 1);
}

static void what_cannot_be_made_is_empty(void ** /* state */) {
    assert_true(poolbuf_ref::allocate(allocator, 100, 10) == nullptr);
    assert_true(poolbuf_ref::allocate_direct(allocator, 100, 10) == nullptr);
    assert_true(poolbuf_ref::allocate_heap(allocator, 100, 10) == nullptr);
    poolbuf_allocator_options options;
    poolbuf_allocator_options_init(&options);
    options.memory_limit_bytes = options.chunk_size;
    poolbuf_allocator *small = nullptr;
    OK(poolbuf_allocator_create(&options, &small));
    assert_true(poolbuf_ref::allocate(small, 2 * options.chunk_size, 2 * options.chunk_size) == nullptr);
    assert_true(poolbuf_ref::allocate(small, 16, 16) != nullptr);
    OK(poolbuf_allocator_destroy(small));
}

/* ---- Containers, threads, exceptions ----------------------------------------------------------------------------- */

static void a_vector_moves_its_refs_as_it_grows_and_erases(void ** /* state */) {
    std::vector<poolbuf_ref> refs;
    for (unsigned i = 0; i < 100; i++) {
        refs.push_back(holding(std::to_string(i)));
    }
    refs.erase(refs.begin() + 10, refs.begin() + 60);
    assert_int_equal(alive(), 50);
    std::swap(refs.front(), refs.back());
    for (const poolbuf_ref &ref : refs) {
        assert_int_equal(count_of(ref), 1);
    }
    expect_bytes(refs[10].get(), "60");
    expect_bytes(refs.front().get(), "99");
    refs.resize(2);
    assert_int_equal(alive(), 2);
    refs.clear();
    assert_int_equal(alive(), 0);
}

static void other_containers_own_what_they_hold(void ** /* state */) {
    std::map<int, poolbuf_ref> by_number;
    by_number.emplace(1, holding("one"));
    by_number[2] = holding("two");
    by_number[2] = holding("deux");
    assert_int_equal(alive(), 2);
    expect_bytes(by_number[2].get(), "deux");
    auto node = by_number.extract(1);
    by_number.clear();
    assert_int_equal(alive(), 1);
    expect_bytes(node.mapped().get(), "one");

    std::optional<poolbuf_ref> perhaps(holding("perhaps"));
    std::optional<poolbuf_ref> moved = std::move(perhaps);
    assert_true(*perhaps == nullptr);
    assert_int_equal(count_of(*moved), 1);
    moved.reset();
    assert_int_equal(alive(), 1);

    auto boxed = std::make_unique<poolbuf_ref>(holding("boxed"));
    auto shared = std::make_unique<poolbuf_ref>(boxed->share());
    assert_int_equal(count_of(*boxed), 2);
    boxed.reset();
    assert_int_equal(count_of(*shared), 1);
}

static void threads_share_and_drop_concurrently(void ** /* state */) {
    poolbuf_ref ref = holding("shared");
    std::vector<std::thread> threads;
    std::array<unsigned, 4> good{};
    for (unsigned &mine : good) {
        threads.emplace_back([own = ref.share(), &mine] {
            for (unsigned i = 0; i < 1000; i++) {
                poolbuf_ref second = own.share();
                mine += second.get_at<char>(1).value == 'h' ? 1U : 0U;
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    threads.clear();
    for (unsigned mine : good) {
        assert_int_equal(mine, 1000);
    }
    assert_int_equal(count_of(ref), 1);
    std::thread([last = std::move(ref)]() mutable { last.reset(); }).join();
    assert_true(empty_after_move(ref));
    assert_int_equal(alive(), 0);
}

#if defined(__cpp_exceptions)
static void fail_with(poolbuf_ref argument) {
    poolbuf_ref local = argument.share();
    throw std::runtime_error("unwound");
}

static void unwinding_drops_references(void ** /* state */) {
    poolbuf_ref kept = holding("kept");
    bool caught = false;
    try {
        std::vector<poolbuf_ref> list;
        list.push_back(holding("dropped"));
        fail_with(kept.share());
    } catch (const std::runtime_error &) {
        caught = true;
    }
    assert_true(caught);
    assert_int_equal(count_of(kept), 1);
    assert_int_equal(alive(), 1);
}
#endif

/* ---- Wrapped memory ---------------------------------------------------------------------------------------------- */

struct told {
    unsigned times = 0;
    const void *memory = nullptr;
    std::size_t length = 0;
};

static void a_callable_is_called_once_with_the_memory(void ** /* state */) {
    char memory[] = "wrapped";
    told seen;
    const auto tell = [&seen](void *bytes, std::size_t length) { seen = {seen.times + 1, bytes, length}; };
    poolbuf_ref ref = poolbuf_ref::wrap(allocator, memory, 7, tell);
    assert_int_equal(blocks_taken, 0);
    expect_bytes(ref.get(), "wrapped");
    poolbuf_ref slice = ref.retained_slice(0, 4);
    assert_false(ref.reset());
    assert_int_equal(seen.times, 0);
    expect_bytes(slice.get(), "wrap");
    assert_true(slice.reset());
    assert_int_equal(seen.times, 1);
    assert_ptr_equal(seen.memory, memory);
    assert_int_equal(seen.length, 7);
}

static void without_a_callable_nobody_is_told(void ** /* state */) {
    char memory[] = "wrapped";
    poolbuf_ref ref = poolbuf_ref::wrap(allocator, memory, 7);
    OK(ref.set_at<char>(0, 'W'));
    assert_int_equal(memory[0], 'W');
    poolbuf_ref fixed = poolbuf_ref::wrap_read_only(allocator, "literal", 7);
    assert_int_equal(fixed.set_at<char>(0, 'L'), POOLBUF_ERROR_READ_ONLY);
    expect_bytes(fixed.get(), "literal");
}

static unsigned plain_calls;

static void plain_function(void * /* memory */, std::size_t length) {
    plain_calls += static_cast<unsigned>(length);
}

static void callables_of_all_sizes_are_kept(void ** /* state */) {
    static const char memory[] = "wrapped";
    static unsigned stateless_calls;
    plain_calls = 0;
    stateless_calls = 0;
    unsigned large_calls = 0;
    (void)poolbuf_ref::wrap_read_only(allocator, memory, 7, plain_function).reset();
    (void)poolbuf_ref::wrap_read_only(allocator, memory, 7, [](void *, std::size_t) { stateless_calls++; }).reset();
    assert_int_equal(blocks_taken, 0);
    std::array<unsigned, 20> numbers{};
    numbers[19] = 5;
    const auto large = [&large_calls, numbers](void *, std::size_t) { large_calls += numbers[19]; };
    (void)poolbuf_ref::wrap_read_only(allocator, memory, 7, large).reset();
    std::function<void(void *, std::size_t)> function = large;
    (void)poolbuf_ref::wrap_read_only(allocator, memory, 7, std::move(function)).reset();
    assert_int_equal(blocks_taken, 2);
    assert_int_equal(plain_calls, 7);
    assert_int_equal(stateless_calls, 1);
    assert_int_equal(large_calls, 10);
}

static void a_callable_may_own_and_may_use_buffers(void ** /* state */) {
    auto text = std::make_unique<std::string>("owned by the callable");
    std::string &bytes = *text;
    poolbuf_ref other = holding("other");
    poolbuf_ref watched = other.share();
    poolbuf_ref ref = poolbuf_ref::wrap(
        allocator, bytes.data(), bytes.size(),
        [text = std::move(text), other = std::move(other)](void *, std::size_t) mutable { other.reset(); });
    expect_bytes(ref.get(), "owned by the callable");
    assert_int_equal(count_of(watched), 2);
    assert_true(ref.reset());
    assert_int_equal(count_of(watched), 1);
}

static void a_wrap_that_fails_leaves_the_callable_alone(void ** /* state */) {
    char memory[] = "wrapped";
    unsigned calls = 0;
    auto guard = std::make_shared<int>(1);
    auto tell = [&calls, guard](void *, std::size_t) { calls++; };
    const std::size_t too_long = POOLBUF_CAPACITY_LIMIT + 1;
    assert_true(poolbuf_ref::wrap(allocator, memory, too_long, std::move(tell)) == nullptr);
    assert_true(poolbuf_ref::wrap(allocator, nullptr, 0, std::move(tell)) == nullptr);
    assert_true(poolbuf_ref::wrap(allocator, nullptr, 0) == nullptr);
    assert_true(poolbuf_ref::wrap_read_only(allocator, nullptr, 0) == nullptr);
    refuse_memory = true;
    assert_true(poolbuf_ref::wrap(allocator, memory, 7, std::move(tell)) == nullptr);
    refuse_memory = false;
    assert_int_equal(calls, 0);
    assert_int_equal(guard.use_count(), 2);
    (void)poolbuf_ref::wrap(allocator, memory, 7, std::move(tell)).reset();
    assert_int_equal(calls, 1);
    assert_int_equal(guard.use_count(), 1);
}

/* A deleter with a state of more than a pointer, which tells when it deletes and may be moved and not copied. */
struct telling_deleter {
    unsigned *deleted;
    std::unique_ptr<int> only_movable;

    void operator()(const std::uint16_t *memory) const noexcept {
        (*deleted)++;
        delete[] memory;
    }
};

static void arrays_are_taken_over_with_their_deleter(void ** /* state */) {
    auto bytes = std::make_unique<unsigned char[]>(100);
    unsigned char *first = bytes.get();
    poolbuf_ref ref = poolbuf_ref::wrap(allocator, std::move(bytes), 100);
    assert_null(bytes.get());
    assert_ptr_equal(poolbuf_memory(ref.get()), first);
    assert_int_equal(ref.readable_bytes(), 100);
    assert_int_equal(blocks_taken, 0);

    unsigned deleted = 0;
    using numbers = std::unique_ptr<std::uint16_t[], telling_deleter>;
    numbers owned(new std::uint16_t[3]{1, 2, 3}, telling_deleter{&deleted, std::make_unique<int>(1)});
    assert_true(poolbuf_ref::wrap(allocator, std::move(owned), POOLBUF_CAPACITY_LIMIT) == nullptr);
    /* So many that their bytes would be 4, if the product were taken unseen. */
    assert_true(poolbuf_ref::wrap(allocator, std::move(owned), SIZE_MAX / 2 + 3) == nullptr);
    refuse_memory = true;
    assert_true(poolbuf_ref::wrap(allocator, std::move(owned), 3) == nullptr);
    refuse_memory = false;
    assert_non_null(owned.get());
    assert_non_null(owned.get_deleter().only_movable.get());
    poolbuf_ref wrapped = poolbuf_ref::wrap(allocator, std::move(owned), 3);
    assert_null(owned.get());
    assert_int_equal(wrapped.readable_bytes(), 6);
    assert_int_equal(deleted, 0);
    assert_true(wrapped.reset());
    assert_int_equal(deleted, 1);
    assert_true(poolbuf_ref::wrap(allocator, numbers(nullptr, telling_deleter{&deleted, nullptr}), 0) == nullptr);
}

static void an_array_of_const_is_read_only(void ** /* state */) {
    std::unique_ptr<const char[]> bytes(new char[3]{'a', 'b', 'c'});
    poolbuf_ref ref = poolbuf_ref::wrap(allocator, std::move(bytes), 3);
    expect_bytes(ref.get(), "abc");
    assert_int_equal(ref.set_at<char>(0, 'A'), POOLBUF_ERROR_READ_ONLY);
}

static void a_deleter_may_be_somebody_elses(void ** /* state */) {
    unsigned deleted = 0;
    telling_deleter deleter{&deleted, nullptr};
    std::unique_ptr<std::uint16_t[], telling_deleter &> owned(new std::uint16_t[2]{1, 2}, deleter);
    assert_true(poolbuf_ref::wrap(allocator, std::move(owned), 2).reset());
    assert_int_equal(deleted, 1);
    assert_ptr_equal(deleter.deleted, &deleted);
}

/* ---- Views ------------------------------------------------------------------------------------------------------- */

static void retained_views_outlive_their_buffer(void ** /* state */) {
    poolbuf_ref ref = holding("0123456789");
    poolbuf_ref slice = ref.retained_slice(2, 3);
    poolbuf_ref whole = ref.retained_duplicate();
    poolbuf_ref copy = ref.copy(7, 3);
    poolbuf_ref small = ref.copy_if_small(5, 2);
    poolbuf_ref first = ref.read_retained_slice(2);
    poolbuf_ref second = ref.read_copy(2);
    assert_int_equal(ref.readable_bytes(), 6);
    assert_false(ref.reset());
    expect_bytes(slice.get(), "234");
    expect_bytes(whole.get(), "0123456789");
    expect_bytes(copy.get(), "789");
    expect_bytes(small.get(), "56");
    expect_bytes(first.get(), "01");
    expect_bytes(second.get(), "23");
    for (poolbuf_ref *each : {&slice, &whole, &copy, &small, &first, &second}) {
        assert_int_equal(count_of(*each), 1);
    }
}

static void views_that_fail_are_empty_and_take_no_reference(void ** /* state */) {
    poolbuf_ref ref = holding("0123456789");
    assert_true(ref.retained_slice(5, 6) == nullptr);
    assert_true(ref.read_retained_slice(11) == nullptr);
    assert_true(ref.copy(11, 0) == nullptr);
    assert_true(ref.read_copy(11) == nullptr);
    assert_true(ref.copy_if_small(0, 11) == nullptr);
    assert_null(ref.slice(5, 6));
    assert_null(ref.read_slice(11));
    assert_int_equal(ref.readable_bytes(), 10);
    assert_int_equal(count_of(ref), 1);
}

static void plain_views_share_the_count(void ** /* state */) {
    poolbuf_ref ref = holding("0123456789");
    poolbuf *slice = ref.slice(2, 3);
    expect_bytes(slice, "234");
    expect_bytes(ref.duplicate(), "0123456789");
    assert_true(poolbuf_is_read_only(ref.as_read_only()));
    assert_false(poolbuf_release(ref.unreleasable()));
    expect_bytes(ref.read_slice(2), "01");
    assert_int_equal(count_of(ref), 1);
    poolbuf_ref kept = poolbuf_ref::retain(slice);
    assert_int_equal(count_of(ref), 2);
    assert_false(ref.reset());
    expect_bytes(kept.get(), "234");
    assert_true(kept.reset());
}

template <class Ref, class = void> struct can_slice : std::false_type {};
template <class Ref>
struct can_slice<Ref, std::void_t<decltype(std::declval<Ref>().slice(0, 0)), decltype(std::declval<Ref>().duplicate()),
                                  decltype(std::declval<Ref>().view())>> : std::true_type {};
static_assert(can_slice<poolbuf_ref &>::value && can_slice<const poolbuf_ref &>::value, "a ref that stays");
static_assert(!can_slice<poolbuf_ref>::value && !can_slice<const poolbuf_ref>::value, "a ref that is about to go");

/* A bare 0 is also a null pointer, and so would be a text; whoever writes one means a number, whose type it lacks. */
template <class Ref, class = void> struct can_write_zero : std::false_type {};
template <class Ref>
struct can_write_zero<Ref, std::void_t<decltype(std::declval<Ref>().write(0))>> : std::true_type {};
template <class Ref, class = void> struct can_write_text : std::false_type {};
template <class Ref>
struct can_write_text<Ref, std::void_t<decltype(std::declval<Ref>().write("0"))>> : std::true_type {};
static_assert(!can_write_zero<poolbuf_ref &>::value, "no text at address 0");
static_assert(can_write_text<poolbuf_ref &>::value, "texts are written as ever");

/* ---- Reading and writing ----------------------------------------------------------------------------------------- */

template <class T> static void expect_round_trip(T value) {
    const std::size_t size = sizeof(T);
    for (poolbuf_order order : {poolbuf_order::big, poolbuf_order::little}) {
        poolbuf_ref ref = poolbuf_ref::allocate(allocator, 0, 64);
        OK(ref.write<T>(value, order));
        OK(ref.write<T>(T{}, order));
        assert_int_equal(ref.readable_bytes(), 2 * size);
        OK(ref.set_at<T>(size, value, order));
        assert_memory_equal(poolbuf_memory(ref.get()), poolbuf_memory(ref.get()) + size, size);
        const auto got = ref.get_at<T>(size, order);
        OK(got.status);
        assert_true(got.value == value);
        const auto read = ref.read<T>(order);
        assert_true(static_cast<bool>(read));
        assert_true(read.value == value);
        assert_int_equal(ref.readable_bytes(), size);
    }
}

template <class T> static void expect_limits_round_trip() {
    expect_round_trip<T>(std::numeric_limits<T>::lowest());
    expect_round_trip<T>(std::numeric_limits<T>::max());
    expect_round_trip<T>(static_cast<T>(1));
}

static void every_type_of_number_comes_back(void ** /* state */) {
    expect_limits_round_trip<bool>();
    expect_limits_round_trip<char>();
    expect_limits_round_trip<signed char>();
    expect_limits_round_trip<unsigned char>();
    expect_limits_round_trip<short>();
    expect_limits_round_trip<unsigned short>();
    expect_limits_round_trip<int>();
    expect_limits_round_trip<unsigned>();
    expect_limits_round_trip<long>();
    expect_limits_round_trip<unsigned long>();
    expect_limits_round_trip<long long>();
    expect_limits_round_trip<unsigned long long>();
    expect_limits_round_trip<char32_t>();
    expect_limits_round_trip<float>();
    expect_limits_round_trip<double>();
}

/* The C calls are the reference for which byte goes where. */
static void bytes_lie_as_the_c_calls_put_them(void ** /* state */) {
    poolbuf_ref typed = poolbuf_ref::allocate(allocator, 0, 256);
    poolbuf_ref plain = poolbuf_ref::allocate(allocator, 0, 256);
    OK(typed.write<std::uint8_t>(0x81));
    OK(poolbuf_write_u8(plain.get(), 0x81));
    OK(typed.write<bool>(true));
    OK(poolbuf_write_bool(plain.get(), true));
    OK(typed.write<std::uint16_t>(0x1234));
    OK(poolbuf_write_u16_be(plain.get(), 0x1234));
    OK(typed.write<std::int16_t>(-2, poolbuf_order::little));
    OK(poolbuf_write_i16_le(plain.get(), -2));
    OK(typed.write<std::uint32_t>(0x12345678, poolbuf_order::little));
    OK(poolbuf_write_u32_le(plain.get(), 0x12345678));
    OK(typed.write<std::int32_t>(-0x12345678));
    OK(poolbuf_write_i32_be(plain.get(), -0x12345678));
    OK(typed.write<std::uint64_t>(0x123456789abcdef0, poolbuf_order::big));
    OK(poolbuf_write_u64_be(plain.get(), 0x123456789abcdef0));
    OK(typed.write<std::int64_t>(-3, poolbuf_order::little));
    OK(poolbuf_write_i64_le(plain.get(), -3));
    OK(typed.write<float>(1.5F));
    OK(poolbuf_write_float_be(plain.get(), 1.5F));
    OK(typed.write<double>(-2.25, poolbuf_order::little));
    OK(poolbuf_write_double_le(plain.get(), -2.25));
    OK(typed.write("text"));
    OK(poolbuf_write_bytes(plain.get(), "text", 4));
    assert_int_equal(typed.readable_bytes(), plain.readable_bytes());
    assert_memory_equal(poolbuf_memory(typed.get()), poolbuf_memory(plain.get()), plain.readable_bytes());
}

static void any_byte_but_zero_reads_as_true(void ** /* state */) {
    poolbuf_ref ref = holding(std::string_view("\x02\x00", 2));
    assert_true(ref.read<bool>().value);
    const auto second = ref.read<bool>();
    OK(second.status);
    assert_false(second.value);
}

static void a_failed_access_changes_nothing(void ** /* state */) {
    poolbuf_ref ref = poolbuf_ref::allocate(allocator, 3, 3);
    assert_int_equal(ref.write<std::uint32_t>(1), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(ref.write("four"), POOLBUF_ERROR_MAX_CAPACITY);
    assert_int_equal(ref.readable_bytes(), 0);
    OK(ref.write("abc"));
    const auto read = ref.read<std::uint32_t>();
    assert_false(static_cast<bool>(read));
    assert_int_equal(read.status, POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(read.value, 0);
    assert_int_equal(ref.set_at<std::uint16_t>(2, 1), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(ref.get_at<std::uint16_t>(2).status, POOLBUF_ERROR_OUT_OF_BOUNDS);
    expect_bytes(ref.get(), "abc");
}

static void numbers_of_plain_views_are_typed_too(void ** /* state */) {
    poolbuf_ref ref = holding("0123456789");
    poolbuf *slice = ref.slice(2, 4);
    assert_int_equal(poolbuf_read_as<std::uint16_t>(slice).value, '2' << 8 | '3');
    assert_int_equal(poolbuf_get_as<char>(slice, 3).value, '5');
    OK(poolbuf_set_as<char>(slice, 3, 'x'));
    poolbuf_clear(slice);
    OK(poolbuf_write_as<std::uint16_t>(slice, 0x4142, poolbuf_order::little));
    expect_bytes(ref.get(), "01BA4x6789");
}

static void readable_bytes_are_viewed_in_place(void ** /* state */) {
    poolbuf_ref ref = holding("0123456789");
    OK(poolbuf_skip_bytes(ref.get(), 4));
    const auto view = ref.view();
    OK(view.status);
    assert_int_equal(view.value.size(), 6);
    assert_ptr_equal(view.value.data(), poolbuf_memory(ref.get()) + 4);
    assert_true(view.value == "456789");
    assert_true(poolbuf_readable_view(ref.as_read_only()).value == "456789");
    OK(poolbuf_skip_bytes(ref.get(), 6));
    OK(ref.view().status);
    assert_true(ref.view().value.empty());
#ifdef __cpp_lib_span
    poolbuf_clear(ref.get());
    OK(ref.write("span"));
    assert_int_equal(poolbuf_readable_span(ref.get()).value.size(), 4);
#endif
}

/* ---- Composites -------------------------------------------------------------------------------------------------- */

static void a_component_is_the_composites(void ** /* state */) {
    poolbuf_ref whole = poolbuf_ref::composite(allocator);
    poolbuf_ref part = holding("world");
    OK(whole.add_component(std::move(part)));
    assert_true(empty_after_move(part));
    OK(whole.insert_component(0, holding("hello ")));
    OK(whole.add_flattened(holding("!")));
    expect_bytes(whole.get(), "hello world!");
    assert_int_equal(whole.view().status, POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(whole.read<std::uint64_t>().value, 0x68656c6c6f20776f);
    OK(poolbuf_skip_bytes(whole.get(), 3));
    assert_true(whole.view().value == "!");
    OK(whole.add_component(holding("unseen"), false));
    assert_int_equal(whole.readable_bytes(), 1);
    assert_int_equal(alive(), 5);
    assert_true(whole.reset());
    assert_int_equal(alive(), 0);
}

static void a_component_that_is_refused_is_released(void ** /* state */) {
    poolbuf_ref whole = poolbuf_ref::composite(allocator);
    poolbuf_ref watched = holding("watched");
    assert_int_equal(whole.insert_component(7, watched.share()), POOLBUF_ERROR_OUT_OF_BOUNDS);
    assert_int_equal(count_of(watched), 1);
    assert_int_equal(whole.add_component(whole.share()), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(count_of(whole), 1);
    poolbuf_ref plain = holding("plain");
    assert_int_equal(plain.add_component(watched.share()), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(plain.insert_component(0, watched.share()), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(plain.add_flattened(watched.share()), POOLBUF_ERROR_UNSUPPORTED);
    assert_int_equal(count_of(watched), 1);
}

static void an_empty_ref_is_no_component(void ** /* state */) {
    poolbuf_ref whole = poolbuf_ref::composite(allocator);
    assert_int_equal(whole.add_component(poolbuf_ref::allocate(allocator, 2, 1)), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(whole.insert_component(0, nullptr), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(whole.add_flattened(nullptr), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(poolbuf_composite_component_count(whole.get()), 0);
    poolbuf_ref watched = holding("watched");
    poolbuf_ref none;
    assert_int_equal(none.add_component(watched.share()), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(none.insert_component(0, watched.share()), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(none.add_flattened(watched.share()), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_int_equal(count_of(watched), 1);
    assert_int_equal(whole.add_component(std::move(whole)), POOLBUF_ERROR_BAD_ARGUMENT);
    assert_true(empty_after_move(whole));
    assert_int_equal(alive(), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main() {
    const CMUnitTest tests[] = {
        TEST(a_scope_ends_with_its_reference),
        TEST(each_kind_of_memory_has_its_maker),
        TEST(moving_hands_the_reference_on),
        TEST(moving_to_itself_changes_nothing),
        TEST(an_empty_ref_does_what_needs_no_buffer),
        TEST(reset_tells_whether_it_was_the_last),
        TEST(swapping_exchanges_the_buffers),
        TEST(plain_pointers_are_adopted_retained_and_given_back),
        TEST(the_empty_buffer_outlives_its_owners),
        TEST(what_cannot_be_made_is_empty),
        TEST(a_vector_moves_its_refs_as_it_grows_and_erases),
        TEST(other_containers_own_what_they_hold),
        TEST(threads_share_and_drop_concurrently),
#if defined(__cpp_exceptions)
        TEST(unwinding_drops_references),
#endif
        TEST(a_callable_is_called_once_with_the_memory),
        TEST(without_a_callable_nobody_is_told),
        TEST(callables_of_all_sizes_are_kept),
        TEST(a_callable_may_own_and_may_use_buffers),
        TEST(a_wrap_that_fails_leaves_the_callable_alone),
        TEST(arrays_are_taken_over_with_their_deleter),
        TEST(an_array_of_const_is_read_only),
        TEST(a_deleter_may_be_somebody_elses),
        TEST(retained_views_outlive_their_buffer),
        TEST(views_that_fail_are_empty_and_take_no_reference),
        TEST(plain_views_share_the_count),
        TEST(every_type_of_number_comes_back),
        TEST(bytes_lie_as_the_c_calls_put_them),
        TEST(any_byte_but_zero_reads_as_true),
        TEST(a_failed_access_changes_nothing),
        TEST(numbers_of_plain_views_are_typed_too),
        TEST(readable_bytes_are_viewed_in_place),
        TEST(a_component_is_the_composites),
        TEST(a_component_that_is_refused_is_released),
        TEST(an_empty_ref_is_no_component),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
