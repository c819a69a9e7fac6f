/* Stacks by call frame information, without libunwind: whole stacks of any program, no lock, nothing for each thread.
 *
 * How a frame is left depends on its return address alone, and is a rule of 22 bits (cfi_rules.h). Rules are kept in one
 * table for the process, a word each, which says all of its address: the low bits, mixed, are its place, the rest is in
 * the word. So a rule is read and written whole, by anyone, at any time (R1). Of two that want one place the older is
 * moved to the place beside, which the word says, too.
 *
 *     address   47       28       14       0        word   63     31      30      22       8      3      0
 *                [ high  | middle |  low   ]                [ high | moved | epoch | offset | slot | kind ]
 *                          middle ^ low: place               and middle
 *
 * A warm step loads that word, compares, and loads one word of the stack, or two. An address that is not in the table is
 * looked up in its module's .eh_frame, by the loader's lock-free look-up, the one that exceptions use.
 *
 * What is read:
 *   - words of the stack inside known bounds only (stack_bounds.h), each frame above the one before (R2);
 *   - a module's tables, inside its mapping. A return address keeps its module mapped, since somebody is going to
 *     return there. What is no return address, on a stack whose information is wrong, would have to lie in a module that
 *     is closed in that very microsecond to do harm; each exception takes that chance, too.
 *
 * Frames of signal handlers, of code made at run time, of hand-written code that says nothing, end the walk with
 * UNWIND_CANNOT, and libunwind walks it from the start (unwind.c): it has guesses for them. A stack of ours has no
 * guesses. */
#include "unwind_cfi.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <valgrind/memcheck.h>

#include "cfi_rules.h"
#include "stack_bounds.h"
#include "unwind.h"
#include "unwind_gate.h"

/* --- epochs ------------------------------------------------------------------------------------------------------ */

enum {
    PLACE_BITS = 14,
    PLACES = 1 << PLACE_BITS,
    KIND_BITS = 3,
    SLOT_BITS = 5,
    OFFSET_BITS = 14,
    RULE_BITS = KIND_BITS + SLOT_BITS + OFFSET_BITS,
    EPOCH_BITS = 8,
    TAG_SHIFT = RULE_BITS + EPOCH_BITS + 1, /* of the address; below it is MOVED */
    ADDRESS_BITS = 47                       /* of a program's half of the address space */
};

#define MOVED ((uint64_t)1 << (TAG_SHIFT - 1))

_Static_assert(TAG_SHIFT + ADDRESS_BITS - PLACE_BITS == 64, "all of an address is in place and tag");
_Static_assert(CFI_OFFSET_MAX < 1 << OFFSET_BITS, "an offset fits");
_Static_assert(CFI_SLOT_MAX < 1 << SLOT_BITS, "a slot fits");
_Static_assert(CFI_NOTHING < 1 << KIND_BITS, "a kind fits");

static _Atomic uint64_t rules[PLACES] __attribute__((aligned(64))); /* 0: free, as no tag is 0 */
static _Atomic uint32_t epoch;                                      /* its low EPOCH_BITS are in tags */
static _Atomic unsigned long long closed;                           /* the loader's count when it was asked last */

uint32_t cfi_epoch(void) {
    return atomic_load_explicit(&epoch, memory_order_relaxed);
}

/* Before the tags' epoch repeats, what is left of its last time goes. */
static void begin_epoch(uint32_t now) {
    if ((now + 1) % (1u << EPOCH_BITS) == 0) {
        for (size_t i = 0; i < PLACES; i++) {
            atomic_store_explicit(&rules[i], 0, memory_order_relaxed);
        }
    }
    (void)atomic_compare_exchange_strong(&epoch, &now, now + 1); /* or somebody else began it */
}

static int count_closed(struct dl_phdr_info *info, size_t size, void *context) {
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
        *(unsigned long long *)context = info->dlpi_subs;
    }
    return 1;
}

/* The count is stored last: who finds it there finds the epoch, too. */
uint32_t cfi_look(void) {
    const uint32_t now = atomic_load(&epoch);
    unsigned long long count = 0;
    if (gate_enter()) {
        (void)dl_iterate_phdr(count_closed, &count);
        gate_leave();
        if (count != atomic_load(&closed)) {
            begin_epoch(now);
            atomic_store(&closed, count);
        }
    }
    return atomic_load(&epoch);
}

/* --- rules ------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(DLFO_STRUCT_HAS_EH_DBASE) /* glibc 2.35 */

enum {
    LOWEST_CODE = 64 * 1024 /* no Linux maps anything lower for a program */
};

static inline size_t place_of(uintptr_t address) {
    return (address ^ address >> PLACE_BITS) % PLACES;
}

/* An address's word, if its rule were 0. */
static inline uint64_t tag_of(uintptr_t address, uint32_t now) {
    return (uint64_t)(address >> PLACE_BITS) << TAG_SHIFT | (uint64_t)(now % (1u << EPOCH_BITS)) << RULE_BITS;
}

static uint64_t pack(cfi_rule rule) {
    return (uint64_t)rule.offset << (SLOT_BITS + KIND_BITS) | (uint64_t)rule.bp_slot << KIND_BITS | (uint64_t)rule.kind;
}

static inline unsigned kind_of(uint64_t rule) {
    return (unsigned)(rule % (1 << KIND_BITS));
}

static inline uintptr_t slot_bytes(uint64_t rule) {
    return (rule >> KIND_BITS) % (1 << SLOT_BITS) * sizeof(uintptr_t);
}

static inline uintptr_t offset_bytes(uint64_t rule) {
    return (rule >> (KIND_BITS + SLOT_BITS)) * sizeof(uintptr_t);
}

/* The newest is where it is looked for first; one of this epoch that was there moves. */
static void remember(size_t place, uint64_t word) {
    const uint64_t before = atomic_load_explicit(&rules[place], memory_order_relaxed);
    if ((before >> RULE_BITS) % (1u << EPOCH_BITS) == (word >> RULE_BITS) % (1u << EPOCH_BITS)) {
        atomic_store_explicit(&rules[place ^ 1], before ^ MOVED, memory_order_relaxed);
    }
    atomic_store_explicit(&rules[place], word, memory_order_relaxed);
}

/* The rule of a call holds for its last byte; what is behind it may be another function. An address that follows no known
 * code but begins some has been put on the stack by hand, as makecontext() does with its __start_context: nobody called. */
static cfi_rule read_rule(const struct dl_find_object *module, uintptr_t address) {
    const cfi_image image = {.start = (uintptr_t)module->dlfo_map_start,
                             .end = (uintptr_t)module->dlfo_map_end,
                             .bytes = module->dlfo_map_start};
    const uintptr_t header = (uintptr_t)module->dlfo_eh_frame;
    cfi_rule rule = cfi_find_rule(&image, header, address - 1);
    if (rule.kind == CFI_NOTHING) {
        const cfi_kind beginning = cfi_find_rule(&image, header, address).kind;
        rule.kind = beginning == CFI_NOTHING || beginning == CFI_CANNOT ? CFI_CANNOT : CFI_OUTERMOST;
    }
    return rule;
}

static __attribute__((noinline)) uint64_t find_slow(uintptr_t address, uint64_t tag) {
    const size_t place = place_of(address);
    const uint64_t neighbour = atomic_load_explicit(&rules[place ^ 1], memory_order_relaxed) ^ tag ^ MOVED;
    struct dl_find_object module;
    if (neighbour >> RULE_BITS == 0) {
        return neighbour;
    }
    if (address < LOWEST_CODE || address >> ADDRESS_BITS != 0 ||
        _dl_find_object((void *)(address - 1), &module) != 0) { // NOLINT(performance-no-int-to-ptr)
        return CFI_CANNOT;                                      /* and not remembered: there may be a module tomorrow */
    }
    const uint64_t rule = pack(read_rule(&module, address));
    remember(place, tag | rule);
    return rule;
}

static inline uint64_t find(uintptr_t address, uint32_t now) {
    const uint64_t tag = tag_of(address, now);
    const uint64_t rule = atomic_load_explicit(&rules[place_of(address)], memory_order_relaxed) ^ tag;
    return __builtin_expect(rule >> RULE_BITS == 0, 1) ? rule : find_slow(address, tag);
}

/* --- the walk ---------------------------------------------------------------------------------------------------- */

/* Where a walk stands: in a function that has called, at the return address. */
typedef struct position {
    uintptr_t pc, sp, bp;
} position;

/* `known` is a constant: on the thread's own stack nothing needs a probe. Of words that are asked for at once the lowest
 * comes first. */
static inline __attribute__((always_inline)) bool holds(stack_bounds *bounds, uintptr_t at, bool known) {
    return known || stack_bounds_hold(bounds, at, sizeof(uintptr_t));
}

/* Whether a frame may end there: above this one, and inside what may be read. */
static inline bool may_end(const stack_bounds *bounds, uintptr_t above, uintptr_t cfa) {
    return cfa - above - 1 < bounds->high - above && cfa % sizeof(uintptr_t) == 0;
}

/* Off the warm path; the two words are the frame pointer's and, below it, the CFA. */
static __attribute__((noinline)) bool step_realigned(position *at, uint64_t rule, stack_bounds *bounds) {
    const uintptr_t bp = at->bp;
    const uintptr_t cfa_at = bp - offset_bytes(rule);
    if (bp < at->sp || cfa_at < at->sp || cfa_at > bp || !stack_bounds_hold(bounds, cfa_at, sizeof(uintptr_t)) ||
        !stack_bounds_hold(bounds, bp, sizeof(uintptr_t))) {
        return false;
    }
    const uintptr_t cfa = stack_bounds_word(cfa_at);
    if (!may_end(bounds, bp + sizeof(uintptr_t), cfa) ||
        !stack_bounds_hold(bounds, cfa - sizeof(uintptr_t), sizeof(uintptr_t))) {
        return false;
    }
    *at = (position){.pc = stack_bounds_word(cfa - sizeof(uintptr_t)), .sp = cfa, .bp = stack_bounds_word(bp)};
    return true;
}

static inline __attribute__((always_inline)) bool step(position *at, uint64_t rule, stack_bounds *bounds, bool known) {
    const unsigned kind = kind_of(rule);
    const uintptr_t slot = slot_bytes(rule);
    uintptr_t cfa = at->sp + offset_bytes(rule);
    if (__builtin_expect(kind != CFI_FROM_SP, 0)) {
        if (kind != CFI_FROM_BP) {
            return kind == CFI_REALIGNED && step_realigned(at, rule, bounds);
        }
        cfa = at->bp + offset_bytes(rule);
        if (cfa - slot < at->sp) {
            return false;
        }
    }
    if (!may_end(bounds, at->sp, cfa)) {
        return false;
    }
    if (slot != 0) {
        if (!holds(bounds, cfa - slot, known)) {
            return false;
        }
        at->bp = stack_bounds_word(cfa - slot);
    }
    if (!holds(bounds, cfa - sizeof(uintptr_t), known)) {
        return false;
    }
    at->pc = stack_bounds_word(cfa - sizeof(uintptr_t));
    at->sp = cfa;
    return true;
}

/* A return address of 0 is an end, too: some thread libraries put one there. */
static inline __attribute__((always_inline)) int walk_on(position at, stack_bounds *bounds, void **addresses,
                                                         size_t limit, bool known) {
    const uint32_t now = cfi_epoch();
    size_t count = 0;
    while (count < limit && at.pc != 0) {
        const uint64_t rule = find(at.pc, now);
        if (__builtin_expect(kind_of(rule) == CFI_CANNOT, 0)) {
            return UNWIND_CANNOT;
        }
        addresses[count++] = (void *)at.pc; // NOLINT(performance-no-int-to-ptr)
        if (kind_of(rule) == CFI_OUTERMOST || count == limit) {
            break;
        }
        if (!step(&at, rule, bounds, known)) {
            return UNWIND_CANNOT;
        }
    }
    return (int)count;
}

static __attribute__((noinline, cold)) int walk_foreign(position at, stack_bounds *bounds, void **addresses,
                                                        size_t limit) {
    return walk_on(at, bounds, addresses, limit, false);
}

/* `frame` is that of a function with a frame pointer: its caller's, and the return address above it. */
static inline __attribute__((always_inline)) int walk(uintptr_t frame, void **addresses, size_t limit) {
    stack_bounds bounds;
    const bool known = stack_bounds_find(&bounds, frame, 2 * sizeof(uintptr_t));
    const position at = {.pc = stack_bounds_word(frame + sizeof(uintptr_t)),
                         .sp = frame + 2 * sizeof(uintptr_t),
                         .bp = stack_bounds_word(frame)};
    return __builtin_expect(known, 1) ? walk_on(at, &bounds, addresses, limit, true)
                                      : walk_foreign(at, &bounds, addresses, limit);
}

/* Memcheck knows which words of a stack were never written, and of a wrong walk it would say so. */
static __attribute__((noinline)) int walk_under_valgrind(uintptr_t frame, void **addresses, size_t limit) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    int count = walk(frame, addresses, limit);
    (void)VALGRIND_MAKE_MEM_DEFINED(&count, sizeof count);
    (void)VALGRIND_MAKE_MEM_DEFINED(addresses, count > 0 ? (size_t)count * sizeof *addresses : 0);
    (void)VALGRIND_MAKE_MEM_DEFINED(&stack_known_own, sizeof stack_known_own);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

__attribute__((noinline)) static int cfi_capture(void **addresses, size_t limit) {
    const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    return RUNNING_ON_VALGRIND ? walk_under_valgrind(frame, addresses, limit) : walk(frame, addresses, limit);
}

#else

static int cfi_capture(void **addresses, size_t limit) {
    (void)addresses;
    (void)limit;
    return UNWIND_CANNOT;
}

#endif

const unwinder unwind_cfi = {.name = "cfi", .capture = cfi_capture, .behind = &unwind_libunwind};
