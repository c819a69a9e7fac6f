// Tests with scopes around them: what GoogleTest makes of those that leak. Arguments choose tests, as with any such program.
#include <poolbuf/leakscope_gtest.hpp>

#include <cstdlib>
#include <stdexcept>

#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>

namespace {

poolbuf *take(std::size_t size) {
    return poolbuf_allocate(nullptr, size, size);
}

TEST(listened, releases_everything) {
    EXPECT_TRUE(poolbuf_release(take(100)));
}

TEST(listened, leaves_two_buffers_and_a_session) {
    static char session;
    EXPECT_EQ(poolbuf_capacity(take(1000)) + poolbuf_capacity(take(24)), 1024u);
    leakdetect_track(&session, 512, "session");
}

TEST(listened, leaves_what_it_may) {
    EXPECT_EQ(poolbuf_capacity(take(64)), 64u);
    EXPECT_EQ(leakscope_expect(leakscope_current(), 1), POOLBUF_OK);
}

TEST(listened, closes_its_scope_itself) {
    EXPECT_EQ(leakscope_close(leakscope_current(), nullptr), POOLBUF_OK);
}

// The child has the scope of the test, and something in it when it calls exit().
TEST(listened, may_end_with_something_left) {
    EXPECT_EXIT(
        {
            take(16);
            std::exit(3);
        },
        testing::ExitedWithCode(3), "");
}

// Only the fixture's scope fails this test: what it left is not the listener's, too.
using fixture = leakscope_test;

TEST_F(fixture, leaves_one) {
    EXPECT_EQ(poolbuf_capacity(take(300)), 300u);
}

TEST_F(fixture, releases_everything) {
    EXPECT_TRUE(poolbuf_release(take(100)));
}

TEST(guarded, fails_once_though_closed_twice) {
    leakscope_guard guard("by hand");
    EXPECT_EQ(leakscope_current().id, guard.scope().id);
    EXPECT_EQ(poolbuf_capacity(take(40)), 40u);
    guard.close();
    guard.close();
}

} // namespace

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    leakscope_listener::install();
    try {
        return RUN_ALL_TESTS();
    } catch (const std::runtime_error &) { // --gtest_throw_on_failure
        return 7;
    }
}
