// leak-throw: what a C++ exception costs a program, ten frames from throw to catch. Built twice: leak-throw links
// libpoolbuf and has buffers tracked, with their stacks, before it throws; leak-throw-bare knows nothing of it.
//
//   leak-throw SERIES THROWS    prints SERIES and the ns of a throw; SERIES.libgcc: 1 if the symbols that unwinding begins
//                               with come from libgcc, else 0
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

#ifdef LEAK_THROW_WITH_POOLBUF
#include <poolbuf/leakdetect.h>
#include <poolbuf/poolbuf.h>
#endif

#include "leak_cost/series.h"

namespace {

constexpr int depth = 10;

__attribute__((noinline)) void descend(int left) {
    if (left == 0) {
        throw 1;
    }
    descend(left - 1);
    __asm__ volatile(""); // or the call would be the last thing done, and leave no frame
}

double time_throws(unsigned long count) {
    const double start = series_cpu_ns();
    for (unsigned long i = 0; i < count; i++) {
        try {
            descend(depth);
        } catch (int) {
            __asm__ volatile("");
        }
    }
    return (series_cpu_ns() - start) / static_cast<double>(count);
}

bool is_from_libgcc(const char *symbol) {
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, symbol);
    return address != nullptr && dladdr(address, &info) != 0 && info.dli_fname != nullptr &&
           strstr(info.dli_fname, "libgcc_s.so") != nullptr;
}

#ifdef LEAK_THROW_WITH_POOLBUF
// Enough for libunwind to be loaded, and for its cache in this thread.
bool load_unwinder() {
    constexpr int count = 128;
    static poolbuf *buffers[count];
    bool good = leakdetect_set_level(LEAKDETECT_PARANOID) == POOLBUF_OK;
    for (poolbuf *&buffer : buffers) {
        buffer = poolbuf_allocate(nullptr, 64, 64);
        good = good && buffer != nullptr;
    }
    for (poolbuf *buffer : buffers) {
        good = good && poolbuf_release(buffer);
    }
    return good && dlopen("libunwind.so.8", RTLD_NOW | RTLD_NOLOAD) != nullptr;
}
#else
bool load_unwinder() {
    return true;
}
#endif

} // namespace

int main(int argc, char **argv) {
    const unsigned long count = argc == 3 ? strtoul(argv[2], nullptr, 10) : 0;
    if (count < 10) {
        (void)fprintf(stderr, "leak-throw: usage: leak-throw SERIES THROWS\n");
        return 2;
    }
    if (!load_unwinder()) {
        (void)fprintf(stderr, "leak-throw: libunwind was not loaded, so nothing would be compared\n");
        return 1;
    }
    char name[128];
    (void)snprintf(name, sizeof name, "%s.libgcc", argv[1]);
    (void)time_throws(count / 10);
    series_print(argv[1], time_throws(count));
    const bool own = is_from_libgcc("_Unwind_RaiseException") && is_from_libgcc("_Unwind_Resume") &&
                     is_from_libgcc("_Unwind_Backtrace");
    series_print(name, own ? 1 : 0);
    return 0;
}
