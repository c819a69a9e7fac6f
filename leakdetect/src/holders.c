/* Collecting, folding and pairing; see holders.h. */
#include "holders.h"

#include <stdlib.h>
#include <string.h>

/* --- collecting, under the shards' locks ------------------------------------------------------------------------- */

/* The group's table, made when the first reference is counted; NULL: no memory, and the record counts as unknown. */
static holders *table_of(report_group *group) {
    if (group->holders == NULL) {
        group->holders = memory_map(sizeof *group->holders);
    }
    return group->holders;
}

static void add_stack(holders *self, const holders_stack *fresh) {
    bool given = !holders_kind_takes(fresh->kind);
    *(given ? &self->given : &self->taken) += fresh->count;
    for (size_t i = 0; i < self->stack_count; i++) {
        holders_stack *known = &self->stacks[i];
        if (known->kind == fresh->kind && known->stack == fresh->stack) {
            bool others = known->count > 0 && fresh->count > 0 && known->thread_id != fresh->thread_id;
            known->several_threads = known->several_threads || fresh->several_threads || others;
            known->count += fresh->count;
            known->usual += fresh->usual;
            if (fresh->newest_ns >= known->newest_ns) {
                known->newest_ns = fresh->newest_ns;
                known->thread_name = fresh->thread_name;
                known->thread_id = fresh->thread_id;
            }
            return;
        }
    }
    if (fresh->stack == 0 || self->stack_count == HOLDERS_STACKS_MAX) {
        *(given ? &self->given_elsewhere : &self->taken_elsewhere) += fresh->count;
        self->closed_incomplete = self->closed_incomplete || fresh->usual > 0;
        return;
    }
    self->stacks[self->stack_count++] = *fresh;
}

static const holders_kind KINDS[HOLD_KIND_COUNT] = {
    [HOLD_RETAIN] = HOLDERS_RETAIN,
    [HOLD_RELEASE] = HOLDERS_RELEASE,
    [HOLD_SLICE] = HOLDERS_SLICE,
    [HOLD_SLICE_RETAIN] = HOLDERS_SLICE_RETAIN,
    [HOLD_SLICE_RELEASE] = HOLDERS_SLICE_RELEASE,
};

void holders_collect(report_group *group, const tracker_record *record) {
    if (!tracker_knows_holds(record) || (record->holds != 0 && table_of(group) == NULL)) {
        group->unbalanced++;
        return;
    }
    group->balanced++;
    for (const tracker_hold *hold = tracker_next_hold(record, NULL); hold != NULL;
         hold = tracker_next_hold(record, hold)) {
        add_stack(group->holders, &(holders_stack){.kind = KINDS[hold->kind],
                                                   .stack = hold->stack,
                                                   .count = hold->count,
                                                   .newest_ns = hold->newest_ns,
                                                   .several_threads = hold->several_threads,
                                                   .thread_name = hold->thread_name,
                                                   .thread_id = hold->thread_id});
    }
}

void holders_collect_usual(report_group *group, const usual_entry *entry) {
    if (group->holders == NULL) {
        return; /* nothing to compare */
    }
    if (entry->kind == USUAL_CLOSINGS) {
        group->holders->closed += entry->count;
        group->holders->closed_incomplete = group->holders->closed_incomplete || entry->incomplete;
    }
    holders_kind kind = entry->kind == USUAL_CLOSINGS ? HOLDERS_RELEASE : KINDS[entry->kind];
    add_stack(group->holders, &(holders_stack){.kind = kind, .stack = entry->stack, .usual = entry->count});
}

void holders_merge(report_group *into, const report_group *from) {
    if (from->holders == NULL || table_of(into) != NULL) {
        into->balanced += from->balanced;
        into->unbalanced += from->unbalanced;
    } else {
        into->unbalanced += from->balanced + from->unbalanced;
    }
    if (from->holders == NULL || into->holders == NULL) {
        return;
    }
    for (size_t i = 0; i < from->holders->stack_count; i++) {
        add_stack(into->holders, &from->holders->stacks[i]);
    }
    into->holders->taken += from->holders->taken_elsewhere;
    into->holders->given += from->holders->given_elsewhere;
    into->holders->taken_elsewhere += from->holders->taken_elsewhere;
    into->holders->given_elsewhere += from->holders->given_elsewhere;
    into->holders->closed += from->holders->closed;
    into->holders->closed_incomplete = into->holders->closed_incomplete || from->holders->closed_incomplete;
}

void holders_fini(report_group *group) {
    if (group->holders == NULL) {
        return;
    }
    for (size_t i = 0; i < group->holders->stack_count; i++) {
        report_frames_fini(&group->holders->stacks[i].frames);
    }
    memory_unmap(group->holders, sizeof *group->holders);
    group->holders = NULL;
}

/* --- sites ------------------------------------------------------------------------------------------------------- */

static const symbol_frame *frame_at(const report_frames *frames, size_t depth) {
    return depth < frames->count ? frames->items[depth] : NULL;
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_function(const symbol_frame *a, const symbol_frame *b) {
    return a != NULL && b != NULL && a->function != NULL && same_text(a->function, b->function) &&
           same_text(a->module, b->module);
}

static bool same_line(const symbol_frame *a, const symbol_frame *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->address == b->address || (same_function(a, b) && same_text(a->file, b->file) && a->line == b->line &&
                                        (a->line != 0 || a->offset == b->offset));
}

static bool takes(const holders_site *site) {
    return holders_kind_takes(site->kind);
}

static void fold_stack(holders *self, holders_stack *stack) {
    for (size_t i = 1; i < self->site_count; i++) { /* the first one is the allocation's */
        holders_site *site = &self->sites[i];
        if (site->kind == stack->kind && same_line(frame_at(&site->frames, 0), frame_at(&stack->frames, 0))) {
            bool others = site->count > 0 && stack->count > 0 && site->thread_id != stack->thread_id;
            site->several_threads = site->several_threads || stack->several_threads || others;
            site->count += stack->count;
            site->usual += stack->usual;
            if (stack->newest_ns >= site->newest_ns) {
                site->newest_ns = stack->newest_ns;
                site->thread_name = stack->thread_name;
                site->thread_id = stack->thread_id;
            }
            stack->site = i;
            return;
        }
    }
    stack->site = self->site_count;
    self->sites[self->site_count++] = (holders_site){.kind = stack->kind,
                                                     .several_threads = stack->several_threads,
                                                     .thread_name = stack->thread_name,
                                                     .thread_id = stack->thread_id,
                                                     .count = stack->count,
                                                     .usual = stack->usual,
                                                     .newest_ns = stack->newest_ns,
                                                     .frames = stack->frames};
}

/* --- pairing ----------------------------------------------------------------------------------------------------- */

/* What is left of each site's references while they are being paired. */
typedef struct pairing {
    const holders *of;
    uint64_t left[HOLDERS_SITES_MAX];
    bool chosen[HOLDERS_SITES_MAX]; /* the sites that a step looks at */
} pairing;

static bool has_some(const pairing *self, size_t i, bool taking) {
    return self->chosen[i] && self->left[i] > 0 && takes(&self->of->sites[i]) == taking;
}

/* All that a site gave is n, and none of it is paired: the rest of a larger number equals another by chance. */
static bool gives_whole(const pairing *self, size_t i, uint64_t n) {
    return has_some(self, i, false) && self->left[i] == n && self->of->sites[i].count == n;
}

/* Of the chosen sites: those that took n each are even with as many that gave back n each. */
static void pair_equal(pairing *self) {
    for (size_t i = 0; i < self->of->site_count; i++) {
        uint64_t n = self->left[i];
        size_t taking = 0;
        size_t giving = 0;
        if (!has_some(self, i, true)) {
            continue;
        }
        for (size_t j = 0; j < self->of->site_count; j++) {
            taking += has_some(self, j, true) && self->left[j] == n;
            giving += gives_whole(self, j, n);
        }
        for (size_t j = 0, gone = 0; taking <= giving && j < self->of->site_count; j++) {
            bool taker = has_some(self, j, true) && self->left[j] == n;
            if (taker || (gives_whole(self, j, n) && gone++ < taking)) {
                self->left[j] = 0;
            }
        }
    }
}

static void give_back(pairing *self, uint64_t references) {
    for (size_t i = 0; i < self->of->site_count && references > 0; i++) {
        if (has_some(self, i, false)) {
            uint64_t part = self->left[i] < references ? self->left[i] : references;
            self->left[i] -= part;
            references -= part;
        }
    }
}

/* Of the chosen sites: even where all that was taken was given back; else one taking site bears the difference. Several
 * taking sites stay as they are: nothing says which of them is short. */
static void pair_chosen(pairing *self) {
    uint64_t taken = 0;
    uint64_t given = 0;
    size_t taking = 0;
    size_t taker = 0;
    pair_equal(self);
    for (size_t i = 0; i < self->of->site_count; i++) {
        taken += has_some(self, i, true) ? self->left[i] : 0;
        given += has_some(self, i, false) ? self->left[i] : 0;
        taker = has_some(self, i, true) ? i : taker;
        taking += has_some(self, i, true);
    }
    if (taken <= given) {
        for (size_t i = 0; i < self->of->site_count; i++) {
            self->left[i] = has_some(self, i, true) ? 0 : self->left[i];
        }
        give_back(self, taken);
    } else if (taking == 1) {
        self->left[taker] -= given;
        give_back(self, given);
    }
}

static void choose_all(pairing *self) {
    memset(self->chosen, true, sizeof self->chosen);
}

static bool function_gives(const pairing *self, size_t of) {
    const symbol_frame *frame = frame_at(&self->of->sites[of].frames, 0);
    bool slices = self->of->sites[of].kind >= HOLDERS_SLICE;
    for (size_t i = 0; i < self->of->site_count; i++) {
        const holders_site *site = &self->of->sites[i];
        if (!takes(site) && site->count > 0 && (site->kind >= HOLDERS_SLICE) == slices &&
            same_function(frame, frame_at(&site->frames, 0))) {
            return true;
        }
    }
    return false;
}

/* A function that takes references and gives back none hands them to its caller, and what that releases itself in equal
 * number are those. A function that gives some back keeps its own books: one that is short by as many does not compete
 * for the caller's releases. Counts that have been paired in part are equal by chance, and are left alone. */
static void pair_handed_over(pairing *self) {
    for (size_t i = 0; i < self->of->site_count; i++) {
        const symbol_frame *caller = frame_at(&self->of->sites[i].frames, 1);
        if (self->left[i] == 0 || !takes(&self->of->sites[i]) || caller == NULL) {
            continue;
        }
        for (size_t j = 0; j < self->of->site_count; j++) {
            const holders_site *site = &self->of->sites[j];
            bool hands_over =
                takes(site) && same_function(caller, frame_at(&site->frames, 1)) && !function_gives(self, j);
            bool is_callers = !takes(site) && same_function(caller, frame_at(&site->frames, 0));
            self->chosen[j] = self->left[j] == site->count && (hands_over || is_callers);
        }
        pair_equal(self);
    }
    choose_all(self);
}

/* Sites in one function are even among themselves, if they can be; then sites that one function called; then what a
 * function handed to its caller and the caller released. */
static void pair_functions(pairing *self) {
    for (size_t depth = 0; depth < 2; depth++) {
        for (size_t i = 0; i < self->of->site_count; i++) {
            const symbol_frame *frame = frame_at(&self->of->sites[i].frames, depth);
            if (self->left[i] == 0 || !takes(&self->of->sites[i]) || frame == NULL) {
                continue;
            }
            for (size_t j = 0; j < self->of->site_count; j++) {
                self->chosen[j] = same_function(frame, frame_at(&self->of->sites[j].frames, depth));
            }
            pair_chosen(self);
        }
    }
    pair_handed_over(self);
}

static pairing pair(const holders *of, bool slices, bool equal_first) {
    pairing self = {.of = of};
    for (size_t i = 0; i < of->site_count; i++) {
        bool belongs = (of->sites[i].kind >= HOLDERS_SLICE) == slices;
        self.left[i] = belongs ? of->sites[i].count : 0;
    }
    choose_all(&self);
    if (equal_first) {
        pair_equal(&self);
    }
    pair_functions(&self);
    pair_chosen(&self);
    return self;
}

/* One ledger; returns whether it is decided. */
static bool pair_ledger(holders *self, bool slices) {
    pairing first = pair(self, slices, false);
    pairing second = pair(self, slices, true);
    bool decided = true;
    for (size_t i = 0; i < self->site_count; i++) {
        holders_site *site = &self->sites[i];
        bool some = first.left[i] + second.left[i] > 0;
        if (takes(site)) {
            site->suspect = site->suspect || some;
            site->open += first.left[i];
            decided = decided && first.left[i] == second.left[i];
        } else {
            decided = decided && !some; /* a release is left over that fits several */
        }
    }
    return decided;
}

/* Where all that is open of a site was taken for one caller, which the callers of the releases show, that caller is
 * news: the site may be a wrapper that everybody goes through. */
static void find_caller(const holders *self, size_t at, holders_site *site) {
    const symbol_frame *short_of = NULL;
    uint64_t short_taken = 0;
    uint64_t sum = 0;
    size_t callers = 0;
    size_t short_callers = 0;
    for (size_t i = 0; i < self->stack_count; i++) {
        const symbol_frame *caller = self->stacks[i].site == at ? frame_at(&self->stacks[i].frames, 1) : NULL;
        bool seen_before = false;
        uint64_t taken = 0;
        uint64_t given = 0;
        for (size_t j = 0; caller != NULL && j < self->stack_count; j++) {
            const holders_stack *other = &self->stacks[j];
            bool called = same_function(caller, frame_at(&other->frames, 1));
            seen_before = seen_before || (called && other->site == at && j < i);
            taken += called && other->site == at ? other->count : 0;
            bool gives = called || same_function(caller, frame_at(&other->frames, 0));
            bool same_ledger = (other->kind >= HOLDERS_SLICE) == (site->kind >= HOLDERS_SLICE);
            given += gives && same_ledger && !holders_kind_takes(other->kind) ? other->count : 0;
        }
        if (caller != NULL && !seen_before) {
            callers++;
            if (taken > given) {
                sum += taken - given;
                short_of = caller;
                short_callers++;
                short_taken = taken;
            }
        }
    }
    if (callers > 1 && short_callers == 1 && sum == site->open) {
        site->caller = short_of;
        site->caller_count = short_taken;
    }
}

/* The deviant; see holders.h. */
static size_t find_deviant(const holders *self, uint64_t leaked) {
    uint64_t taken = self->closed;
    uint64_t given = 0;
    size_t deviant = self->site_count;
    size_t deviants = 0;
    double short_by = 0;
    for (size_t i = 0; i < self->site_count; i++) {
        const holders_site *site = &self->sites[i];
        if (site->kind == HOLDERS_ALLOCATION) {
            continue; /* one each, of the leaked as of the closed */
        }
        double expected = (double)site->usual * (double)leaked / (double)(self->closed > 0 ? self->closed : 1);
        double extra = takes(site) ? (double)site->count - expected : expected - (double)site->count;
        *(takes(site) ? &taken : &given) += site->usual;
        if (extra >= 0.5 || extra <= -0.5) {
            deviants++;
            deviant = i;
            short_by = extra;
        }
    }
    bool proves = self->closed > 0 && !self->closed_incomplete && taken == given &&
                  self->taken_elsewhere + self->given_elsewhere == 0;
    double miss = short_by - (double)self->open;
    return proves && deviants == 1 && miss < 0.5 && miss > -0.5 ? deviant : self->site_count;
}

static int compare_stacks(const void *left, const void *right) {
    const holders_stack *a = left;
    const holders_stack *b = right;
    bool a_gives = !holders_kind_takes(a->kind);
    bool b_gives = !holders_kind_takes(b->kind);
    if (a_gives != b_gives) {
        return a_gives ? 1 : -1;
    }
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return (a->stack > b->stack) - (a->stack < b->stack);
}

void holders_resolve(report_group *group, report_lookup *lookup, void *context) {
    holders *self = group->holders;
    if (self == NULL) {
        return;
    }
    qsort(self->stacks, self->stack_count, sizeof self->stacks[0], compare_stacks);
    self->site_count = 1;
    self->sites[0] = (holders_site){.kind = HOLDERS_ALLOCATION,
                                    .count = group->balanced,
                                    .newest_ns = group->newest_ns,
                                    .thread_name = group->thread_name,
                                    .thread_id = group->thread_id,
                                    .several_threads = group->several_threads,
                                    .frames = group->frames};
    for (size_t i = 0; i < self->stack_count; i++) {
        report_frames_resolve(&self->stacks[i].frames, self->stacks[i].stack, lookup, context);
        fold_stack(self, &self->stacks[i]);
    }
    uint64_t taken = group->balanced + self->taken;
    self->open = taken > self->given ? taken - self->given : 0;
    bool plain_decided = pair_ledger(self, false);
    bool slices_decided = pair_ledger(self, true);
    self->decided = plain_decided && slices_decided && self->taken_elsewhere + self->given_elsewhere == 0;
    self->deviant = find_deviant(self, group->balanced);
    for (size_t i = 1; self->decided && i < self->site_count; i++) {
        if (self->sites[i].open > 0 && takes(&self->sites[i])) {
            find_caller(self, i, &self->sites[i]);
        }
    }
}

const char *holders_name(holders_kind kind) {
    static const char *const NAMES[] = {"allocation", "retain", "release", "slice", "slice_retain", "slice_release"};
    return NAMES[kind];
}

bool holders_kind_takes(holders_kind kind) {
    return kind != HOLDERS_RELEASE && kind != HOLDERS_SLICE_RELEASE;
}
