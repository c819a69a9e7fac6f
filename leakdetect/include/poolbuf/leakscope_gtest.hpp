// Scopes for GoogleTest: every test fails with what it left.
//
//     int main(int argc, char **argv) {
//         testing::InitGoogleTest(&argc, argv);
//         leakscope_listener::install();
//         return RUN_ALL_TESTS();
//     }
//
// or, for some tests only, a fixture: TEST_F(leakscope_test, parses_a_header), or one derived from it. A test that may
// leave something calls leakscope_expect(leakscope_current(), count). What a static variable keeps from its first use
// on counts for the test that used it first: use it once before install().
//
// Header only; C++14, as GoogleTest itself.
#ifndef POOLBUF_LEAKSCOPE_GTEST_HPP
#define POOLBUF_LEAKSCOPE_GTEST_HPP

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <poolbuf/leakscope.h>

// A scope from construction to close(). Not for use by two threads at once.
class leakscope_guard {
  public:
    explicit leakscope_guard(const char *name) {
        if (leakscope_open(name, 0, &scope_) != POOLBUF_OK) {
            ADD_FAILURE() << "no scope could be opened for " << name;
        }
    }

    leakscope_guard(const leakscope_guard &) = delete;
    leakscope_guard &operator=(const leakscope_guard &) = delete;

    ~leakscope_guard() {
        close();
    }

    // Closes the scope, and fails the test with what it left; once. With --gtest_throw_on_failure it throws, which the
    // destructor cannot: there the program ends, unless this was called before.
    void close() {
        if (scope_.id == 0) {
            return;
        }
        leakscope_result left{};
        char text[LEAKSCOPE_TEXT_BYTES];
        left.struct_size = sizeof left;
        const poolbuf_status status = leakscope_close(scope_, &left);
        scope_.id = 0;
        if (status == POOLBUF_ERROR_BAD_ARGUMENT) {
            ADD_FAILURE() << "the scope of the test was closed already";
        } else if (status != POOLBUF_OK) {
            ADD_FAILURE() << leakscope_describe(&left, text, sizeof text);
        }
    }

    // Closes the scope, whatever it left.
    void abandon() {
        if (scope_.id != 0) {
            (void)leakscope_close(scope_, nullptr);
            scope_.id = 0;
        }
    }

    leakscope scope() const {
        return scope_;
    }

  private:
    leakscope scope_{};
};

// A scope around each test of the program, fixtures' SetUp() and TearDown() included.
class leakscope_listener : public testing::EmptyTestEventListener {
  public:
    leakscope_listener() = default;
    leakscope_listener(const leakscope_listener &) = delete;
    leakscope_listener &operator=(const leakscope_listener &) = delete;

    // In the midst of a test where that has called exit(), as in the child of a death test. GoogleTest is being taken
    // apart, and nothing can fail any more.
    ~leakscope_listener() override {
        if (guard_ != nullptr) {
            guard_->abandon();
        }
    }

    // To be called after testing::InitGoogleTest(). GoogleTest owns the listener.
    static void install() {
        // Last, so that it is the first to hear of a test's end, and printers hear of the failure before.
        testing::UnitTest::GetInstance()->listeners().Append(new leakscope_listener);
    }

    void OnTestStart(const testing::TestInfo &test) override {
        const std::string name = std::string(test.test_suite_name()) + "." + test.name();
        guard_.reset(new leakscope_guard(name.c_str()));
    }

    void OnTestEnd(const testing::TestInfo &) override {
        const std::unique_ptr<leakscope_guard> guard = std::move(guard_);
        if (guard != nullptr) {
            guard->close();
        }
    }

  private:
    std::unique_ptr<leakscope_guard> guard_;
};

// A fixture with a scope around the test's body. Derived fixtures call SetUp() and TearDown() of this one, first and
// last.
class leakscope_test : public testing::Test {
  protected:
    void SetUp() override {
        guard_.reset(new leakscope_guard(testing::UnitTest::GetInstance()->current_test_info()->name()));
    }

    void TearDown() override {
        const std::unique_ptr<leakscope_guard> guard = std::move(guard_);
        if (guard != nullptr) {
            guard->close();
        }
    }

  private:
    std::unique_ptr<leakscope_guard> guard_;
};

#endif
