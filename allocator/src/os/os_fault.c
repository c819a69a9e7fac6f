/* The contract of os.h, failing on request: for tests, never linked into the library.
 *
 * Counts calls of acquire and the regions that are out, so that a test can fail the first, the second, ... call until a
 * whole scenario passes, and see after each round that every region has gone back. */
#include "os/os.h"

#include <errno.h>
#include <limits.h>

static unsigned long calls;   /* atomic; acquire calls since os_fault_arm() */
static unsigned long regions; /* atomic; acquired and not given back */
static unsigned long passing = ULONG_MAX;
static bool fail_once;
static unsigned long most_regions = ULONG_MAX;
static bool purge_fails;  /* atomic */
static uint64_t clock_ms; /* atomic */

void os_fault_arm(unsigned long pass, bool once) {
    __atomic_store_n(&calls, 0, __ATOMIC_RELAXED);
    passing = pass;
    fail_once = once;
}

void os_fault_disarm(void) {
    os_fault_arm(ULONG_MAX, false);
    os_fault_limit(ULONG_MAX);
}

void os_fault_limit(unsigned long most) {
    most_regions = most;
}

unsigned long os_fault_calls(void) {
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

unsigned long os_fault_regions(void) {
    return __atomic_load_n(&regions, __ATOMIC_RELAXED);
}

static int fault_acquire(os_source source, size_t size, size_t alignment, void **region) {
    unsigned long call = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    if (call == passing || (call > passing && !fail_once) || os_fault_regions() >= most_regions) {
        return ENOMEM;
    }
    int error = os_linux.acquire(source, size, alignment, region);
    if (error == 0) {
        __atomic_fetch_add(&regions, 1, __ATOMIC_RELAXED);
    }
    return error;
}

static int fault_give_back(os_source source, void *region, size_t size) {
    int error = os_linux.give_back(source, region, size);
    if (error == 0) {
        __atomic_fetch_sub(&regions, 1, __ATOMIC_RELAXED);
    }
    return error;
}

static int fault_purge(void *start, size_t size) {
    return __atomic_load_n(&purge_fails, __ATOMIC_RELAXED) ? EINVAL : os_linux.purge(start, size);
}

void os_fault_fail_purge(bool fail) {
    __atomic_store_n(&purge_fails, fail, __ATOMIC_RELAXED);
}

static uint64_t fault_now_ms(void) {
    return __atomic_load_n(&clock_ms, __ATOMIC_RELAXED);
}

void os_fault_pass_ms(uint64_t ms) {
    __atomic_fetch_add(&clock_ms, ms, __ATOMIC_RELAXED);
}

const os_backend os_fault = {fault_acquire, fault_give_back, fault_purge, fault_now_ms};
