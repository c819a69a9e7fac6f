/* The atomics that subjects use, under their C11 names in C++17 as well; both lay them out the same. */
#ifndef POOLBUF_BENCH_ATOMICS_H
#define POOLBUF_BENCH_ATOMICS_H

#ifdef __cplusplus
#include <atomic>

#define SUBJECT_ATOMIC(type) std::atomic<type>

using std::atomic_compare_exchange_strong;
using std::atomic_compare_exchange_weak_explicit;
using std::atomic_exchange;
using std::atomic_fetch_add_explicit;
using std::atomic_fetch_sub_explicit;
using std::atomic_int;
using std::atomic_load_explicit;
using std::atomic_store_explicit;
using std::atomic_uint;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
#else
#include <stdatomic.h>

#define SUBJECT_ATOMIC(type) _Atomic(type)
#endif

#endif
