// A C++ program. Its functions have names that a linker sees mangled, and exceptions that skip what should run.
//
//     throwing method   a buffer that a class loses
//     throwing thrown   an exception passes the release by
//     throwing early    a static object's constructor loses one, before main(); so do the others
//     throwing clean    the same exceptions, and owners that let go
#include <poolbuf/poolbuf.hpp>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#define APART __attribute__((noinline))

static volatile int work;
static poolbuf *volatile lost;

namespace protocol {

class decoder {
  public:
    APART void decode(std::size_t size) {
        lost = poolbuf_allocate(nullptr, size, size); // @method
        work = work + 1;
    }
};

APART static void check(int value) {
    if (value % 4 == 1) {
        throw std::runtime_error("bad value");
    }
    work = work + 1;
}

template <class Number> APART static void store(Number value) {
    poolbuf *buffer = poolbuf_allocate(nullptr, 128, 128); // @thrown
    lost = buffer;
    check(static_cast<int>(value)); // the bug: what throws passes the release by
    poolbuf_release(buffer);
}

APART static void store_safely(int value) {
    poolbuf_ref buffer = poolbuf_ref::allocate(nullptr, 128, 128);
    check(value);
    work = work + (buffer ? 1 : 0);
}

} // namespace protocol

template <class Function> static void catching(int times, Function &&function) {
    for (int i = 0; i < times; i++) {
        try {
            function(i);
        } catch (const std::runtime_error &) {
            work = work + 1;
        }
    }
}

namespace {

bool asked(const char *word) {
    const char *wanted = std::getenv("BUGS_BEFORE_MAIN");
    return wanted != nullptr && std::strcmp(wanted, word) == 0;
}

class registry {
  public:
    APART registry() {
        if (asked("yes")) {
            lost = poolbuf_allocate(nullptr, 333, 333); // @constructor
        }
    }
};

const registry before_main;

} // namespace

int main(int count, char **arguments) {
    const std::string mode = count > 1 ? arguments[1] : "";
    const int times = count > 2 ? std::atoi(arguments[2]) : 1;
    for (int i = 0; i < times; i++) {
        if (mode == "method") {
            protocol::decoder().decode(256);
        } else if (mode == "thrown") {
            catching(20, [](int value) { protocol::store<long>(value); });
        } else if (mode == "clean") {
            catching(20, [](int value) { protocol::store_safely(value); });
        } else if (mode != "early") {
            return 2;
        }
    }
    return 0;
}
