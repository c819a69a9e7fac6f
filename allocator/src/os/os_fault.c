/* The contract of os.h, failing on request: for tests, never linked into the library.
 *
 * Counts calls, of acquire or of the kinds that a test names, and the regions that are out, so that a test can fail the first,
 * the second, ... call until a whole scenario passes, and see after each round that every region has gone back. */
#include "os/os.h"

#include <errno.h>
#include <limits.h>

static unsigned long calls;   /* atomic; calls of those kinds since os_fault_arm() */
static unsigned long regions; /* atomic; acquired and not given back */
static unsigned kinds = OS_FAULT_ACQUIRE;
static unsigned long passing = ULONG_MAX;
static bool fail_once;
static unsigned long most_regions = ULONG_MAX;
static bool purge_fails;  /* atomic */
static uint64_t clock_ms; /* atomic */
static unsigned long huge_reserved;

void os_fault_arm(unsigned long pass, bool once) {
    os_fault_arm_kinds(OS_FAULT_ACQUIRE, pass, once);
}

void os_fault_arm_kinds(unsigned which, unsigned long pass, bool once) {
    __atomic_store_n(&calls, 0, __ATOMIC_RELAXED);
    kinds = which;
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

/* Whether it is this call's turn. */
static bool fails(os_fault_kind kind) {
    if ((kinds & kind) == 0) {
        return false;
    }
    unsigned long call = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return call == passing || (call > passing && !fail_once);
}

static int fault_acquire(os_source source, size_t size, size_t alignment, void **region) {
    if (fails(OS_FAULT_ACQUIRE) || os_fault_regions() >= most_regions) {
        return ENOMEM;
    }
    if (source == OS_HUGE && huge_reserved != 0) {
        huge_reserved--;
        source = OS_MAPPED;
        alignment = os_huge_page_size(true);
    }
    int error = os_linux.acquire(source, size, alignment, region);
    if (error == 0) {
        __atomic_fetch_add(&regions, 1, __ATOMIC_RELAXED);
    }
    return error;
}

static int fault_give_back(os_source source, void *region, size_t size) {
    if (fails(OS_FAULT_GIVE_BACK)) {
        return ENOMEM;
    }
    int error = os_linux.give_back(source, region, size);
    if (error == 0) {
        __atomic_fetch_sub(&regions, 1, __ATOMIC_RELAXED);
    }
    return error;
}

static int fault_resize(os_source source, void *region, size_t old_size, size_t size, size_t alignment, void **moved) {
    if (size > old_size && fails(OS_FAULT_ACQUIRE)) {
        return ENOMEM;
    }
    return fails(OS_FAULT_RESIZE) ? EFAULT : os_linux.resize(source, region, old_size, size, alignment, moved);
}

static int fault_purge(void *start, size_t size) {
    return __atomic_load_n(&purge_fails, __ATOMIC_RELAXED) || fails(OS_FAULT_PURGE) ? EINVAL
                                                                                    : os_linux.purge(start, size);
}

static int fault_advise_huge(void *region, size_t size) {
    return fails(OS_FAULT_ADVISE) ? EINVAL : os_linux.advise_huge(region, size);
}

static int fault_bind(void *region, size_t size, os_numa policy) {
    return fails(OS_FAULT_BIND) ? ENOMEM : os_linux.bind(region, size, policy);
}

void os_fault_reserve_huge(unsigned long reserved) {
    huge_reserved = reserved;
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

const os_backend os_fault = {.acquire = fault_acquire,
                             .give_back = fault_give_back,
                             .resize = fault_resize,
                             .purge = fault_purge,
                             .advise_huge = fault_advise_huge,
                             .bind = fault_bind,
                             .now_ms = fault_now_ms};
