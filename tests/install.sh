#!/usr/bin/env bash
# Install and consume: an installed poolbuf, moved to another place, is found by find_package() and by pkg-config, and a
# small program builds and runs against it, shared and static; so does a C++ one. The installed CLI works where it lies.
source "$(dirname "$0")/lib.sh"

run cmake --install "$POOLBUF_BUILD" --prefix "$work/first"
expect_status 0
mv first moved
prefix=$work/moved
for schema in leaks.schema.json results.schema.json scenarios/schema.json; do
    expect_file "$prefix/share/poolbuf/$schema"
done
for header in leakscope.h leakscope_cmocka.h leakscope_gtest.hpp; do
    expect_file "$prefix/include/poolbuf/$header"
done
library=$(dirname "$(find "$prefix" -name libpoolbuf.a)")

cat >app.c <<'END'
#include <poolbuf/poolbuf.h>
#include <stdio.h>
int main(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 64, 1024);
    if (buffer == NULL || poolbuf_write_u32_be(buffer, 42) != POOLBUF_OK) {
        return 1;
    }
    uint32_t value = 0;
    if (poolbuf_read_u32_be(buffer, &value) != POOLBUF_OK) {
        return 1;
    }
    printf("%u\n", (unsigned)value);
    return poolbuf_release(buffer) ? 0 : 1;
}
END
cp app.c app_cxx.cc
cat >app_ref.cc <<'END'
#include <poolbuf/poolbuf.hpp>
#include <cstdio>
int main() {
    poolbuf_ref buffer = poolbuf_ref::allocate(nullptr, 64, 1024);
    if (!buffer || buffer.write<std::uint32_t>(42) != POOLBUF_OK) {
        return 1;
    }
    const auto number = buffer.read<std::uint32_t>();
    if (!number) {
        return 1;
    }
    std::printf("%u\n", static_cast<unsigned>(number.value));
    return buffer.reset() ? 0 : 1;
}
END
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(consumer C CXX)
find_package(poolbuf 0.1 REQUIRED)
enable_testing()
add_executable(shared app.c)
target_link_libraries(shared PRIVATE poolbuf::poolbuf)
add_executable(static app.c)
target_link_libraries(static PRIVATE poolbuf::static)
add_executable(cxx app_cxx.cc)
target_link_libraries(cxx PRIVATE poolbuf::poolbuf)
add_executable(cxx_static app_cxx.cc)
target_link_libraries(cxx_static PRIVATE poolbuf::static)
add_executable(ref app_ref.cc)
target_link_libraries(ref PRIVATE poolbuf::poolbuf)
target_compile_features(ref PRIVATE cxx_std_17)
add_executable(ref_static app_ref.cc)
target_link_libraries(ref_static PRIVATE poolbuf::static)
target_compile_features(ref_static PRIVATE cxx_std_20)
add_library(plugin MODULE app.c)
target_link_libraries(plugin PRIVATE poolbuf::static)
add_executable(forgetful leak.c)
target_link_libraries(forgetful PRIVATE poolbuf::poolbuf)
poolbuf_leak_checked_test(NAME tidy COMMAND shared)
poolbuf_leak_checked_test(NAME forgetful COMMAND forgetful)
END
sed 's/return poolbuf_release.*/return 0;/' app.c >leak.c

# Runs a program, which must print 42, and says what it loads.
expect_42() {
    run "$@"
    expect_status 0
    expect_equal "what ${1##*/} prints" 42 "$(cat .stdout)"
    expect_stderr_empty
}

run cmake -S . -B built -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Debug
expect_status 0
run cmake --build built
expect_status 0
expect_42 built/shared
expect_42 built/static
expect_42 built/cxx
expect_42 built/cxx_static
expect_42 built/ref
expect_42 built/ref_static
run ctest --test-dir built --output-on-failure
expect_status 8
expect_stdout_has '50% tests passed, 1 tests failed out of 2'
expect_stdout_has 'LEAK: 1 buffer never released'
run ldd built/static
expect_equal "references of the static program to libpoolbuf.so" 0 "$(grep -c libpoolbuf .stdout)"

export PKG_CONFIG_PATH=$library/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs poolbuf)"
run "${CC:-cc}" app.c -o by_pkg_config "${flags[@]}"
expect_status 0
expect_42 env LD_LIBRARY_PATH="$library" ./by_pkg_config
read -ra flags <<<"$(pkg-config --cflags --libs poolbuf-static)"
run "${CC:-cc}" app.c -o by_pkg_config_static "${flags[@]}"
expect_status 0
expect_42 ./by_pkg_config_static
# The shared library serves a program that inlines the fast paths, too.
read -ra flags <<<"$(pkg-config --cflags --libs poolbuf)"
run "${CC:-cc}" -O2 -DPOOLBUF_INLINE=1 app.c -o inlined "${flags[@]}"
expect_status 0
expect_42 env LD_LIBRARY_PATH="$library" ./inlined
read -ra flags <<<"$(pkg-config --cflags --libs poolbuf-static)"
run pkg-config --modversion poolbuf
expect_equal "the version in poolbuf.pc" "$("$POOLBUF_BIN" --version)" "poolbuf $(cat .stdout)"

# The detector comes along with the static library too: nobody references its constructor.
run "${CC:-cc}" -g leak.c -o leak "${flags[@]}"
expect_status 0
run "$prefix/bin/poolbuf" leaks -- ./leak
expect_status 4
expect_stderr_has leak.c

# A plugin with the library inside stays when it is closed: threads that have used it still call into it as they end.
cat >plugin.c <<'END'
#include <poolbuf/poolbuf.h>
int use(void) {
    poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
    return buffer != NULL && poolbuf_release(buffer) ? 42 : 0;
}
END
cat >host.c <<'END'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static int (*use)(void);
static pthread_barrier_t used, closed;
static void *thread(void *unused) {
    (void)unused;
    printf("%d\n", use());
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&closed);
    return NULL;
}
int main(void) {
    pthread_t made;
    void *plugin = dlopen("./plugin.so", RTLD_NOW);
    if (plugin == NULL) {
        return 1;
    }
    *(void **)&use = dlsym(plugin, "use");
    pthread_barrier_init(&used, NULL, 2);
    pthread_barrier_init(&closed, NULL, 2);
    if (pthread_create(&made, NULL, thread, NULL) != 0) {
        return 1;
    }
    pthread_barrier_wait(&used);
    dlclose(plugin);
    pthread_barrier_wait(&closed);
    return pthread_join(made, NULL);
}
END
run "${CC:-cc}" -shared -fPIC plugin.c -o plugin.so "${flags[@]}"
expect_status 0
run "${CC:-cc}" host.c -o host -ldl -pthread
expect_status 0
expect_42 ./host
run readelf -dW built/libplugin.so
expect_stdout_has NODELETE

# A program without any shared library has no loader, by which the detector could get at its helpers: it does without.
run "${CC:-cc}" -g -static app.c -o all_static "${flags[@]}"
expect_status 0
expect_42 env POOLBUF_LEAK_LEVEL=paranoid ./all_static
run "${CC:-cc}" -g -static leak.c -o leak_static "${flags[@]}"
expect_status 0
run env POOLBUF_LEAK_LEVEL=paranoid ./leak_static
expect_status 0
expect_stderr_has 'LEAK: 1 buffer never released'
expect_stderr_has '/leak_static+0x'

run "$prefix/bin/poolbuf" list scenarios
expect_status 0
expect_stdout_has pingpong
expect_file "$prefix/share/man/man7/poolbuf-options.7"

# A subject of one's own is compiled with the headers that were installed, and measured by the program that was moved; the
# workers of peers find the library beside them.
run "$CC" -O2 -fPIC -shared -I "$prefix/include/poolbuf-bench" "$POOLBUF_SOURCE/examples/subject/free_lists.c" -o own.so
expect_status 0
cat >tiny.yaml <<'END'
name: tiny
asks: Does one thread get an answer?
source: Made for this test.
threads: 1
phases:
  - kind: pingpong
    operations: 4000
    sizes: {fixed: 256}
END
run "$prefix/bin/poolbuf" run tiny.yaml --quick --rounds 1 -s null -s mine=./own.so -o own.json
expect_status 0
expect_equal "the library's result" ok "$(json own.json scenarios.0.results.1.status)"
for worker in "$prefix"/bin/poolbuf-worker-*; do
    run "$worker" worker
    expect_status 2
    expect_stderr_has "this is what"
done
finish
