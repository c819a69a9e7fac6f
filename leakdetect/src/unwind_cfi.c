/* Stacks by call frame information, without libunwind: whole stacks of any program, no lock, nothing allocated.
 *
 * How a frame is left depends on its return address alone, and is a rule of 22 bits (cfi_rules.h). Rules are kept in
 * one table for the process, a word each, which says all of its address: the low bits, mixed, are its place, the rest
 * is in the word. So a rule is read and written whole, by anyone, at any time (R1). Of two that want one place the
 * older is moved to the place beside, which the word says, too.
 *
 *     address   47       28       14       0        word   63     31      30      22       8      3      0
 *                [ high  | middle |  low   ]                [ high | moved | epoch | offset | slot | kind ]
 *                          middle ^ low: place               and middle
 *
 * A warm step loads that word, compares, and loads one word of the stack, or two; and mostly not even that is needed
 * (trails, below). An address that is not in the table is looked up in its module's .eh_frame, by the loader's lock-free
 * look-up, the one that exceptions use.
 *
 * What is read:
 *   - words of the stack inside known bounds only (stack_bounds.h), each frame above the one before (R2);
 *   - a module's tables, inside its mapping. A return address keeps its module mapped, since somebody is going to
 *     return there. What is no return address, on a stack whose information is wrong, would have to lie in a module
 *     that is closed in that very microsecond to do harm; each exception takes that chance, too.
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
#include "process/sampled.h"
#include "stack_bounds.h"
#include "unwind.h"
#include "unwind_gate.h"
#include "unwind_memo.h"

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

/* What the loader finds is all of a module, or, where there are holes between its segments, as in a program that is linked for huge
 * pages, the segment alone: then the tables' own segment is looked for. */
static bool find_tables(const struct dl_find_object *module, struct dl_find_object *tables) {
    const uintptr_t header = (uintptr_t)module->dlfo_eh_frame;
    *tables = *module;
    return (header >= (uintptr_t)module->dlfo_map_start && header < (uintptr_t)module->dlfo_map_end) ||
           (header != 0 && _dl_find_object(module->dlfo_eh_frame, tables) == 0 &&
            tables->dlfo_eh_frame == module->dlfo_eh_frame);
}

/* The rule of a call holds for its last byte; what is behind it may be another function. An address that follows no
 * known code but begins some has been put on the stack by hand, as makecontext() does with its __start_context: nobody
 * called. */
static cfi_rule read_rule(const struct dl_find_object *module, uintptr_t address) {
    struct dl_find_object tables;
    const uintptr_t header = (uintptr_t)module->dlfo_eh_frame;
    if (!find_tables(module, &tables)) {
        return (cfi_rule){.kind = CFI_CANNOT};
    }
    const cfi_image image = {.start = (uintptr_t)tables.dlfo_map_start,
                             .end = (uintptr_t)tables.dlfo_map_end,
                             .bytes = tables.dlfo_map_start};
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

/* `known` is a constant: on the thread's own stack nothing needs a probe. Of words that are asked for at once the
 * lowest comes first. */
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

/* --- trails ------------------------------------------------------------------------------------------------------ */

/* A step waits for the one before: the address comes from the stack, the rule from the table, the place of the next
 * address from the rule, some 5 ns one after the other. But a thread's outer frames are mostly where they were the last
 * time. So it keeps the trail of a walk, and where a walk stands as that one stood, pc, stack pointer and frame
 * pointer, only the words that decide the next frame are compared with what they were; processors do that for many
 * frames at once. What differs is walked by steps, and so is what comes behind it, until the two meet again. The result
 * is that of steps alone: the same position, the same rule in the same epoch, the same words (R3).
 *
 * A walk that is all trail has the stack that it had the last time, and may be no more than comparisons (unwind_memo.h). The frame
 * pointers of a program may be anything: they are kept inverted here, too. */
enum {
    MANY_STEPS = 10, /* that many beside the trail, and it has not helped */
    UNHELPFUL = 2,   /* what that adds to the annoyance, of which each walk that it did help takes 1 away */
    PATIENCE = 6,    /* so much of it, and a new trail is laid */
    MISSES_MIN =
        16, /* so many walks in a row beside it, and the same: after that twice as many, as long as new trails */
    MISSES_MAX = 1024 /* bring no repetition, up to here */
};

typedef struct trail_frame {
    uintptr_t pc, sp;
    uintptr_t not_bp;  /* inverted; 0: no frame of the trail is found by it, and it may be anything */
    uintptr_t checked; /* where it must be as it was, since it was saved there and is not 0; 0: nowhere */
    uintptr_t bp_at;   /* where it was saved; 0: nowhere on this walk */
} trail_frame;

typedef struct trail {
    uint32_t epoch;
    uint32_t count;
    uint32_t annoyance;
    uint32_t misses;        /* walks since the last that was a repetition */
    uint32_t misses_enough; /* for another trail */
    uint32_t limit;         /* of the walk that laid it */
    uintptr_t high;         /* of the stack */
    unwind_memo memo;       /* its serial is another also when frames change */
    bool ends;              /* the last frame is the outermost */
    trail_frame frames[MEMO_FRAMES];
} trail;

/* Those of one place, a page each. Not aligned to more than a page: the loader would leave holes between the segments of the library, or
 * of a program that is linked with it. */
typedef struct place_trails {
    struct {
        trail here;
    } __attribute__((aligned(4096))) of[UNWIND_REASONS];
} place_trails;

_Static_assert(offsetof(trail, memo.checks) <= 64, "what a repetition asks first is in one cache line");
_Static_assert(sizeof(trail) <= 4096, "each has a page");

static place_trails trails[GATE_PLACES];

/* A walk with a trail. */
typedef struct walker {
    position at;
    stack_bounds bounds;
    void **addresses;
    size_t limit, count;
    size_t steps; /* beside the trail */
    uint32_t now;
} walker;

typedef enum outcome {
    WALK_GOES_ON,
    WALK_ENDS,
    WALK_CANNOT
} outcome;

/* Adds the frame on which the walker stands, and goes to the next one. */
static inline __attribute__((always_inline)) outcome walk_step(walker *self, uint64_t *rule) {
    if (self->at.pc == 0) {
        return WALK_ENDS;
    }
    *rule = find(self->at.pc, self->now);
    if (__builtin_expect(kind_of(*rule) == CFI_CANNOT, 0)) {
        return WALK_CANNOT;
    }
    self->addresses[self->count++] = (void *)self->at.pc; // NOLINT(performance-no-int-to-ptr)
    if (kind_of(*rule) == CFI_OUTERMOST || self->count == self->limit) {
        return WALK_ENDS;
    }
    self->steps++;
    return step(&self->at, *rule, &self->bounds, true) ? WALK_GOES_ON : WALK_CANNOT;
}

static inline bool stands_on(const position *at, const trail_frame *frame) {
    return at->sp == frame->sp && at->pc == frame->pc && (frame->not_bp == 0 || at->bp == ~frame->not_bp);
}

/* Whether who was on the frame before this one comes to this one. */
MEMO_PLAIN static inline __attribute__((always_inline)) bool leads_to(const trail_frame *next) {
    return stack_bounds_word(next->sp - sizeof(uintptr_t)) == next->pc &&
           (next->checked == 0 || stack_bounds_word(next->checked) == ~next->not_bp);
}

/* The walker stands on frame `from`. Adds it and all those behind it that are as they were, and leaves the walker on
 * the last of them, which is added; sets *last to its number. */
MEMO_PLAIN static inline __attribute__((always_inline)) outcome follow(walker *self, const trail *on, uint32_t from,
                                                                       uint32_t *last) {
    const size_t room = self->limit - self->count;
    const uint32_t end = on->count - from < room ? on->count : from + (uint32_t)room;
    void **into = self->addresses + self->count;
    uint32_t i = from;
    *into++ = (void *)on->frames[i].pc; // NOLINT(performance-no-int-to-ptr)
    while (++i < end) {
        const trail_frame *next = &on->frames[i];
        if (!leads_to(next)) {
            break;
        }
        *into++ = (void *)next->pc; // NOLINT(performance-no-int-to-ptr)
    }
    *last = i - 1;
    self->count += i - from;
    return self->count == self->limit || (i == on->count && on->ends) ? WALK_ENDS : WALK_GOES_ON;
}

/* From the trail's frame `last`, which has been added, to the next one. The walker still stands where it came to the
 * trail: the frame pointer is the one that was saved since, or its own. */
MEMO_PLAIN static inline outcome leave(walker *self, const trail *on, uint32_t last) {
    const trail_frame *frame = &on->frames[last];
    const uintptr_t bp = frame->bp_at < self->at.sp ? self->at.bp : stack_bounds_word(frame->bp_at);
    self->at = (position){.pc = frame->pc, .sp = frame->sp, .bp = bp};
    self->count--; /* walk_step() adds it again */
    uint64_t rule;
    return walk_step(self, &rule);
}

MEMO_PLAIN static inline __attribute__((always_inline)) outcome walk_beside(walker *self, const trail *on) {
    outcome so_far = WALK_GOES_ON;
    uint64_t rule;
    uint32_t next = 0; /* frames below have been passed */
    while (so_far == WALK_GOES_ON) {
        while (next < on->count && on->frames[next].sp < self->at.sp) {
            next++;
        }
        if (next < on->count && stands_on(&self->at, &on->frames[next])) {
            so_far = follow(self, on, next, &next);
            so_far = so_far == WALK_GOES_ON ? leave(self, on, next) : so_far;
            next++;
        } else {
            so_far = walk_step(self, &rule);
        }
    }
    return so_far;
}

/* From which frame on it matters what the frame pointer is: only one that finds its caller by it asks for it, and seldom
 * does any. Mostly it is a register like another, which has another value each time. */
MEMO_PLAIN static inline void forget_frame_pointers(trail *in, const uint64_t *crossed) {
    bool matters = false; /* going on beyond the last frame is leave()'s business */
    for (uint32_t i = in->count; i-- > 0;) {
        if (i + 1 < in->count) {
            matters = kind_of(crossed[i]) != CFI_FROM_SP || (matters && slot_bytes(crossed[i]) == 0);
        }
        trail_frame *frame = &in->frames[i];
        if (!matters) {
            frame->not_bp = 0;
        } else if (frame->not_bp == 0) {
            in->count = i; /* what would be nowhere a frame pointer looks like one that does not matter */
            in->ends = false;
            matters = false;
        }
        const bool saved_here = i > 0 && frame->bp_at != in->frames[i - 1].bp_at;
        frame->checked = matters && saved_here ? frame->bp_at : 0;
    }
}

/* A frame whose position hangs on other words than the two that are compared ends the trail. */
MEMO_PLAIN static __attribute__((noinline)) outcome walk_and_lay(walker *self, trail *into) {
    outcome so_far = WALK_GOES_ON;
    uint64_t rule = 0;
    uint64_t crossed[MEMO_FRAMES]; /* the rules by which each frame was left */
    uintptr_t bp_at = 0;
    bool laying = true;
    memo_change(&into->memo);
    into->epoch = self->now;
    into->high = self->bounds.high;
    into->limit = (uint32_t)self->limit;
    into->count = 0;
    into->annoyance = 0;
    into->misses = 0;
    into->misses_enough = into->misses_enough < MISSES_MIN ? MISSES_MIN : into->misses_enough;
    into->ends = false;
    while (so_far == WALK_GOES_ON) {
        const position here = self->at;
        so_far = walk_step(self, &rule);
        if (so_far != WALK_CANNOT && laying && here.pc != 0) {
            crossed[into->count] = rule;
            into->frames[into->count++] =
                (trail_frame){.pc = here.pc, .sp = here.sp, .not_bp = ~here.bp, .bp_at = bp_at};
            into->ends = kind_of(rule) == CFI_OUTERMOST;
        }
        laying = laying && kind_of(rule) != CFI_REALIGNED && into->count < MEMO_FRAMES;
        bp_at = slot_bytes(rule) == 0 ? bp_at : self->at.sp - slot_bytes(rule);
    }
    forget_frame_pointers(into, crossed);
    return so_far;
}

/* After a walk that was all trail: what to check, and where to leave word of its stack. */
MEMO_PLAIN static void ask_for_stack(trail *on, size_t limit, unwind_query *query) {
    if (query == NULL || query->frames > MEMO_LIMIT_MAX || !(on->ends || limit <= on->count)) {
        return;
    }
    const size_t end = limit < on->count ? limit : on->count;
    memo_check *into = on->memo.checks;
    memo_change(&on->memo);
    for (size_t i = 1; i < end; i++) {
        const trail_frame *frame = &on->frames[i];
        *into++ = (memo_check){frame->sp - sizeof(uintptr_t), ~frame->pc};
        if (frame->checked != 0) {
            *into++ = (memo_check){frame->checked, frame->not_bp};
        }
    }
    memo_ask(&on->memo, into, query);
}

/* Whether a walk beside the trail, with so many steps, was one too many. */
MEMO_PLAIN static inline bool is_tired_of(trail *self, size_t steps) {
    self->misses++;
    if (self->misses >= self->misses_enough) {
        self->misses_enough = self->misses_enough < MISSES_MAX ? 2 * self->misses_enough : MISSES_MAX;
        return true;
    }
    if (steps < MANY_STEPS) {
        self->annoyance -= self->annoyance > 0;
        return false;
    }
    self->annoyance += UNHELPFUL;
    return self->annoyance >= PATIENCE;
}

/* Sets *all_trail if the trail is now what was walked. A new one is that of the walk which the old one did not help: not that
 * of the next, which may go on well with the old one, or not go far. */
MEMO_PLAIN static inline __attribute__((always_inline)) outcome
walk_with_trail(walker *self, trail *with, const position *start, bool *all_trail) {
    *all_trail = true;
    if (__builtin_expect(with->epoch != self->now || with->high != self->bounds.high, 0) ||
        (with->limit < self->limit && !with->ends)) {
        return walk_and_lay(self, with);
    }
    const outcome result = walk_beside(self, with);
    if (self->steps == 0 && stands_on(start, &with->frames[0])) {
        return result;
    }
    if (is_tired_of(with, self->steps) && result == WALK_ENDS) {
        self->at = *start;
        self->count = 0;
        return walk_and_lay(self, with);
    }
    *all_trail = false;
    return result;
}

/* A thread's first walk, a handler's within a walk, and where there are more threads than places. */
static __attribute__((noinline)) int walk_without_trail(position start, stack_bounds *bounds, void **addresses,
                                                        size_t limit) {
    if (gate_own == NULL && gate_enter()) { /* for the next time */
        gate_leave();
    }
    return walk_on(start, bounds, addresses, limit, true);
}

/* Apart, so that a walk that is a repetition needs no walker. */
MEMO_PLAIN static __attribute__((noinline)) int walk_anew(const position *start, const stack_bounds *bounds,
                                                          void **addresses, size_t limit, trail *with,
                                                          unwind_query *query) {
    walker self = {.at = *start, .bounds = *bounds, .addresses = addresses, .limit = limit, .now = cfi_epoch()};
    bool all_trail = false;
    if (query != NULL) {
        query->remember = NULL; /* of an earlier walk, which was not enough */
    }
    const outcome result = walk_with_trail(&self, with, start, &all_trail);
    if (result == WALK_CANNOT) {
        return UNWIND_CANNOT;
    }
    if (all_trail) {
        ask_for_stack(with, limit, query);
    }
    return (int)self.count;
}

/* `frame` is that of a function with a frame pointer: its caller's, and the return address above it. */
MEMO_PLAIN static inline __attribute__((always_inline)) position stand(uintptr_t frame) {
    return (position){.pc = stack_bounds_word(frame + sizeof(uintptr_t)),
                      .sp = frame + 2 * sizeof(uintptr_t),
                      .bp = stack_bounds_word(frame)};
}

MEMO_PLAIN static inline __attribute__((always_inline)) int walk(uintptr_t frame, void **addresses, size_t limit,
                                                                 unwind_query *query) {
    const position start = stand(frame);
    const size_t number = gate_number();
    stack_bounds bounds;
    if (__builtin_expect(!stack_bounds_find(&bounds, frame, 2 * sizeof(uintptr_t)), 0)) {
        return walk_foreign(start, &bounds, addresses, limit);
    }
    trail *const with = &trails[number % GATE_PLACES].of[query == NULL ? UNWIND_OPENING : query->reason].here;
    if (__builtin_expect(number == GATE_PLACES || with->memo.busy == memo_thread() || limit == 0, 0)) {
        return walk_without_trail(start, &bounds, addresses, limit);
    }
    with->memo.busy = memo_thread();
    atomic_signal_fence(memory_order_seq_cst);
    const int count = walk_anew(&start, &bounds, addresses, limit, with, query);
    atomic_signal_fence(memory_order_seq_cst);
    with->memo.busy = 0;
    return count;
}

/* Memcheck knows which words of a stack were never written, and of a wrong walk it would say so. */
static __attribute__((noinline)) int walk_under_valgrind(uintptr_t frame, void **addresses, size_t limit,
                                                         unwind_query *query) {
    VALGRIND_DISABLE_ERROR_REPORTING;
    int count = walk(frame, addresses, limit, query);
    (void)VALGRIND_MAKE_MEM_DEFINED(&count, sizeof count);
    (void)VALGRIND_MAKE_MEM_DEFINED(addresses, count > 0 ? (size_t)count * sizeof *addresses : 0);
    (void)VALGRIND_MAKE_MEM_DEFINED(query, query == NULL ? 0 : sizeof *query);
    (void)VALGRIND_MAKE_MEM_DEFINED(&stack_known_own, sizeof stack_known_own);
    VALGRIND_ENABLE_ERROR_REPORTING;
    return count;
}

__attribute__((noinline)) static int cfi_capture(void **addresses, size_t limit, unwind_query *query) {
    const uintptr_t frame = query != NULL && query->frame != 0 ? query->frame : (uintptr_t)__builtin_frame_address(0);
    return stack_bounds_under_valgrind() ? walk_under_valgrind(frame, addresses, limit, query)
                                         : walk(frame, addresses, limit, query);
}

SAMPLED_CODE MEMO_PLAIN static uint32_t cfi_recall(uintptr_t frame, unwind_reason reason, size_t frames) {
    const gate_place *const place = gate_own;
    if (__builtin_expect(place == NULL, 0)) {
        return 0;
    }
    trail *with = &trails[place - gate_places].of[reason].here;
    __asm__("" : "+r"(with)); /* one address, kept: gcc would work it out again where it is used */
    const position start = stand(frame);
    const bool stands = with->epoch == cfi_epoch() && stands_on(&start, &with->frames[0]) &&
                        stack_bounds_known_still(frame, with->high);
    const uint32_t stack = __builtin_expect(stands, 1) ? memo_recall(&with->memo, frames) : 0;
    if (__builtin_expect(stack != 0, 1)) {
        with->misses = 0;
        with->misses_enough = MISSES_MIN;
    }
    return stack;
}

#else

#define cfi_capture NULL
#define cfi_recall  NULL

#endif

const unwinder unwind_cfi = {.name = "cfi", .capture = cfi_capture, .behind = &unwind_libunwind, .recall = cfi_recall};
