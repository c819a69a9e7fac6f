/* Collecting, folding and resolving; see report.h. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "holders.h"
#include "recursion.h"
#include "stack_table.h"
#include "types.h"

enum {
    INDEX_SLOTS = 32768 /* a power of two, three times REPORT_GROUPS_MAX */
};

_Static_assert(INDEX_SLOTS > 3 * REPORT_GROUPS_MAX, "the open-addressed index of groups stays sparse");

typedef struct collector {
    report *target;
    const report_scope *scope;
    uint32_t *index; /* by stack and type: position in groups, plus 1 */
} collector;

/* --- collecting, under the shards' locks --------------------------------------------------------------------------- */

static size_t slot_of(uint32_t stack, uint32_t type) {
    return ((((uint64_t)stack << 32 | type) * 0x9e3779b97f4a7c15u) >> 32) % INDEX_SLOTS;
}

static report_group *group_of(collector *self, uint32_t stack, uint32_t type) {
    report_group *groups = self->target->groups.items;
    size_t slot = slot_of(stack, type);
    for (; self->index[slot] != 0; slot = (slot + 1) % INDEX_SLOTS) {
        report_group *group = &groups[self->index[slot] - 1];
        if (group->stack == stack && group->type_name == type) {
            return group;
        }
    }
    if (self->target->groups.count == REPORT_GROUPS_MAX) {
        return NULL;
    }
    report_group *fresh = memory_array_next(&self->target->groups, sizeof *fresh);
    if (fresh != NULL) {
        self->index[slot] = (uint32_t)self->target->groups.count;
        *fresh = (report_group){.stack = stack, .type_name = type, .oldest_ns = UINT64_MAX};
    }
    return fresh;
}

/* Adds what one record, or another group, says about an access; equal ones are counted. */
static void add_access(report_group *group, const report_access *access) {
    for (size_t i = 0; i < group->access_count; i++) {
        report_access *known = &group->accesses[i];
        if (known->kind == access->kind && known->stack == access->stack && known->hint_name == access->hint_name) {
            known->count += access->count;
            if (access->newest_ns > known->newest_ns) {
                known->newest_ns = access->newest_ns;
                known->thread_name = access->thread_name;
            }
            return;
        }
    }
    if (group->accesses == NULL) {
        group->accesses = memory_map(REPORT_ACCESSES_MAX * sizeof *group->accesses);
    }
    if (group->accesses == NULL || group->access_count == REPORT_ACCESSES_MAX) {
        group->accesses_dropped += access->count;
        return;
    }
    group->accesses[group->access_count++] = *access;
}

/* Keeps the oldest. They are in no order: what is picked is what counts. */
static void add_member(report_group *group, const report_member *member) {
    if (group->members == NULL) {
        group->members = memory_map(REPORT_MEMBERS_MAX * sizeof *group->members);
    }
    if (group->members == NULL) {
        return;
    }
    if (group->member_count < REPORT_MEMBERS_MAX) {
        group->members[group->member_count++] = *member;
        return;
    }
    size_t youngest = 0;
    for (size_t i = 1; i < REPORT_MEMBERS_MAX; i++) {
        youngest = group->members[i].birth_ns > group->members[youngest].birth_ns ? i : youngest;
    }
    if (member->birth_ns < group->members[youngest].birth_ns) {
        group->members[youngest] = *member;
    }
}

/* What is known of a record beyond its allocation. */
static void collect_history(report_group *group, const tracker_record *record) {
    const resource_type *type = types_of_name(record->type);
    sizes_add(&group->sizes, record->size, 1);
    if (type != NULL && type->describe != NULL) {
        add_member(group, &(report_member){.key = record->key, .birth_ns = record->birth_ns});
    }
    holders_collect(group, record);
    group->accesses_dropped += record->accesses_dropped;
    for (const tracker_access *access = tracker_next_access(record, NULL); access != NULL;
         access = tracker_next_access(record, access)) {
        add_access(group, &(report_access){.kind = (access_kind)access->kind,
                                           .stack = access->stack,
                                           .hint_name = access->hint,
                                           .thread_name = access->thread_name,
                                           .count = 1,
                                           .newest_ns = access->time_ns});
    }
}

static void collect_record(tracker_record *record, void *context) {
    collector *self = context;
    if (self->scope->owner != NULL && record->owner != ~(uintptr_t)self->scope->owner) {
        return;
    }
    if (tracker_generation_of(record->stamp) != self->scope->generation) {
        self->target->inherited++;
        return;
    }
    bool young = (self->scope->before_ns != 0 && record->birth_ns > self->scope->before_ns) ||
                 (self->scope->before_epoch != 0 && tracker_epoch_of(record->stamp) >= self->scope->before_epoch);
    if (young || (self->scope->unreported_only && record->reported)) {
        return;
    }
    report_group *group = group_of(self, record->stack, record->type);
    if (group == NULL) {
        self->target->not_listed++;
        return;
    }
    record->reported = record->reported || self->scope->mark;
    group->several_threads = group->several_threads || (group->count > 0 && record->who.id != group->thread_id);
    group->count++;
    group->bytes = sizes_sum(group->bytes, record->size);
    group->lost += (record->scan & TRACKER_LOST) != 0;
    if (record->birth_ns < group->oldest_ns) {
        group->oldest_ns = record->birth_ns;
        group->thread_id = record->who.id;
        group->thread_name = record->who.name;
    }
    group->newest_ns = record->birth_ns > group->newest_ns ? record->birth_ns : group->newest_ns;
    estimate_add(&group->sums, (double)record->weight);
    if (!self->scope->counts_only) {
        collect_history(group, record);
    }
    if (self->scope->since != NULL) {
        group->tracked_since += tracker_epoch_of(record->stamp) >= self->scope->since->epoch;
    }
}

/* Every group's growth is what it has, less what it had; of those that had something, some have nothing now. */
static void collect_growth(collector *self) {
    const growth_group *then = self->scope->since->groups.items;
    for (size_t i = 0; i < self->target->groups.count; i++) {
        report_group *group = &((report_group *)self->target->groups.items)[i];
        group->grown_count = (int64_t)group->count;
        group->grown_bytes = (int64_t)group->bytes;
        group->grown_estimate = (double)group->sums.certain + group->sums.weights;
    }
    for (size_t i = 0; i < self->scope->since->groups.count; i++) {
        report_group *group = group_of(self, then[i].stack, then[i].type_name);
        if (group != NULL) {
            growth_subtract(group, &then[i]);
        }
    }
}

/* A group that is in the report already, or NULL. */
static report_group *listed_group(const collector *self, uint32_t stack, uint32_t type) {
    report_group *groups = self->target->groups.items;
    size_t slot = slot_of(stack, type);
    for (; self->index[slot] != 0; slot = (slot + 1) % INDEX_SLOTS) {
        report_group *group = &groups[self->index[slot] - 1];
        if (group->stack == stack && group->type_name == type) {
            return group;
        }
    }
    return NULL;
}

static void collect_usual(const usual_entry *entry, void *context) {
    report_group *group = listed_group(context, entry->allocation_stack, entry->type);
    if (group != NULL) {
        holders_collect_usual(group, entry);
    }
}

bool report_collect(report *self, const report_scope *scope) {
    collector context = {self, scope, memory_map(INDEX_SLOTS * sizeof(uint32_t))};
    tracker_count(&self->tracked);
    if (context.index == NULL) {
        self->not_listed = self->tracked.live;
        return false;
    }
    tracker_visit(collect_record, &context);
    if (!scope->counts_only) {
        tracker_visit_usual(collect_usual, &context);
    }
    if (scope->since != NULL) {
        collect_growth(&context);
    }
    memory_unmap(context.index, INDEX_SLOTS * sizeof(uint32_t));
    return true;
}

/* --- resolving ------------------------------------------------------------------------------------------------------ */

/* What lies below these says how the C library starts a program or a thread, which is no news. */
static bool is_outermost(const symbol_frame *frame) {
    static const char *const NAMES[] = {"main", "start_thread", "__libc_start_call_main", "__libc_start_main"};
    for (size_t i = 0; frame->function != NULL && i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(frame->function, NAMES[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Frames of our own that the cut by address cannot see: the inline functions of our headers, whose code is the caller's. */
static bool is_own(const symbol_frame *frame) {
    size_t length = frame->file == NULL ? 0 : strlen(frame->file);
    return frame->function != NULL && strncmp(frame->function, "poolbuf_", 8) == 0 && length > 2 &&
           strcmp(frame->file + length - 2, ".h") == 0 && strstr(frame->file, "/poolbuf/") != NULL;
}

void report_frames_resolve(report_frames *frames, uint32_t stack, report_lookup *lookup, void *context) {
    size_t count;
    const uintptr_t *addresses = stack_table_get(stack, &count);
    size_t room = 0;
    bool done = false;
    *frames = (report_frames){0};
    for (size_t i = 0; i < count && !done; i++) {
        const symbol_frame *found;
        size_t found_count = lookup(context, addresses[i], &found);
        if (frames->count + found_count > room) {
            room = (frames->count + found_count) * 2;
            void *grown = realloc(frames->items, room * sizeof(void *));
            if (grown == NULL) {
                return; /* benign: a shorter stack */
            }
            frames->items = grown;
        }
        for (size_t j = 0; j < found_count && !done; j++) {
            if (frames->count == 0 && is_own(&found[j])) {
                continue;
            }
            done = frames->count > 0 && is_outermost(&found[j]) && strcmp(found[j].function, "main") != 0;
            if (!done) {
                frames->items[frames->count++] = &found[j];
                done = is_outermost(&found[j]);
            }
        }
    }
}

void report_frames_fini(report_frames *frames) {
    free(frames->items);
    *frames = (report_frames){0};
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
    }
    return (hash ^ 0xff) * 0x100000001b3u; /* no byte of a text: ends it */
}

/* The fingerprint names a leak across runs, machines and small edits: it hashes type and functions, inlined ones too, so
 * that neither address layout nor line numbers nor the inliner's choice between two equal stacks changes it. A frame
 * without a name counts by its module's file name and offset. */
static uint64_t fingerprint_of(const report_group *group) {
    uint64_t hash = hash_text(0xcbf29ce484222325u, name_get(group->type_name));
    for (size_t i = 0; i < group->frames.count; i++) {
        const symbol_frame *frame = group->frames.items[i];
        if (frame->function != NULL) {
            hash = hash_text(hash, frame->function);
            continue;
        }
        const char *module = frame->module == NULL ? "?" : frame->module;
        const char *slash = strrchr(module, '/');
        hash = hash_text(hash, slash == NULL ? module : slash + 1);
        for (uint64_t rest = frame->module == NULL ? 0 : frame->offset; rest != 0; rest >>= 8) {
            hash = (hash ^ (rest & 0xff)) * 0x100000001b3u;
        }
    }
    return hash;
}

/* Orders two stacks of equal functions by where in them the calls stand; 0 if a reader could not tell them apart, as when
 * the compiler made two calls of one. */
static int compare_lines(const report_frames *a, const report_frames *b) {
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const symbol_frame *x = a->items[i];
        const symbol_frame *y = b->items[i];
        int files = strcmp(x->file == NULL ? "" : x->file, y->file == NULL ? "" : y->file);
        if (files != 0) {
            return files;
        }
        if (x->line != y->line) {
            return x->line < y->line ? -1 : 1;
        }
        if (x->line == 0 && x->offset != y->offset) {
            return x->offset < y->offset ? -1 : 1;
        }
    }
    return (a->count > b->count) - (a->count < b->count);
}

static int compare_sites(const void *left, const void *right) {
    const report_group *a = left;
    const report_group *b = right;
    if (a->fingerprint != b->fingerprint) {
        return a->fingerprint < b->fingerprint ? -1 : 1;
    }
    return compare_lines(&a->frames, &b->frames);
}

static int compare_sizes(const void *left, const void *right) {
    const report_group *a = left;
    const report_group *b = right;
    if (a->grown_bytes != b->grown_bytes) { /* 0 in both where no growth was asked for */
        return a->grown_bytes > b->grown_bytes ? -1 : 1;
    }
    const uint64_t a_bytes = a->unit == NULL ? a->bytes : 0;
    const uint64_t b_bytes = b->unit == NULL ? b->bytes : 0;
    if (a_bytes != b_bytes) {
        return a_bytes > b_bytes ? -1 : 1;
    }
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

static int compare_accesses(const void *left, const void *right) {
    const report_access *a = left;
    const report_access *b = right;
    return a->newest_ns > b->newest_ns ? -1 : a->newest_ns < b->newest_ns;
}

static void group_fini(report_group *group) {
    for (size_t i = 0; i < group->access_count; i++) {
        report_frames_fini(&group->accesses[i].frames);
    }
    memory_unmap(group->accesses, REPORT_ACCESSES_MAX * sizeof *group->accesses);
    memory_unmap(group->members, REPORT_MEMBERS_MAX * sizeof *group->members);
    report_frames_fini(&group->frames);
    holders_fini(group);
}

static int64_t sum_signed(int64_t a, int64_t b) {
    int64_t total;
    return !__builtin_add_overflow(a, b, &total) && total >= -INT64_MAX ? total : a > 0 ? INT64_MAX : -INT64_MAX;
}

static void merge_group(report_group *into, report_group *from) {
    bool others = into->count > 0 && from->count > 0 && from->thread_id != into->thread_id;
    into->several_threads = into->several_threads || from->several_threads || others;
    into->count += from->count;
    into->bytes = sizes_sum(into->bytes, from->bytes);
    into->lost += from->lost;
    if (from->oldest_ns < into->oldest_ns) {
        into->oldest_ns = from->oldest_ns;
        into->thread_id = from->thread_id;
        into->thread_name = from->thread_name;
    }
    into->newest_ns = from->newest_ns > into->newest_ns ? from->newest_ns : into->newest_ns;
    into->accesses_dropped += from->accesses_dropped;
    estimate_merge(&into->sums, &from->sums);
    into->tracked_since += from->tracked_since;
    into->grown_count += from->grown_count;
    into->grown_bytes = sum_signed(into->grown_bytes, from->grown_bytes);
    into->grown_estimate += from->grown_estimate;
    into->known_before = into->known_before || from->known_before;
    sizes_merge(&into->sizes, &from->sizes);
    holders_merge(into, from);
    for (size_t i = 0; i < from->member_count; i++) {
        add_member(into, &from->members[i]);
    }
    for (size_t i = 0; i < from->access_count; i++) {
        add_access(into, &from->accesses[i]);
    }
    group_fini(from);
}

/* Joins groups that read alike, and tells those apart that share their functions but not their lines: they get different
 * fingerprints, numbered in the order of their lines. */
static void fold_sites(memory_array *array) {
    report_group *groups = array->items;
    size_t kept = 0;
    uint64_t ordinal = 0;
    uint64_t plain = 0;
    qsort(groups, array->count, sizeof *groups, compare_sites);
    for (size_t i = 0; i < array->count; i++) {
        bool same_functions = i > 0 && groups[i].fingerprint == plain;
        plain = groups[i].fingerprint;
        if (same_functions && groups[i].type_name == groups[kept - 1].type_name &&
            compare_lines(&groups[kept - 1].frames, &groups[i].frames) == 0) {
            merge_group(&groups[kept - 1], &groups[i]);
            continue;
        }
        ordinal = same_functions ? ordinal + 1 : 0;
        groups[kept] = groups[i];
        for (uint64_t again = 0; again < ordinal; again++) {
            groups[kept].fingerprint = hash_text(groups[kept].fingerprint, "again");
        }
        kept++;
    }
    array->count = kept;
}

static void finish_group(const report *self, report_group *group, report_lookup *lookup, void *context) {
    const resource_type *type = types_of_name(group->type_name);
    group->type = name_get(group->type_name);
    group->unit = type == NULL || type->unit == 0 ? NULL : name_get(type->unit);
    snprintf(group->thread, sizeof group->thread, "%s%s (%u)", group->several_threads ? "several, first " : "",
             name_get(group->thread_name), group->thread_id);
    group->oldest_ms = self->now_ns > group->oldest_ns ? (self->now_ns - group->oldest_ns) / 1000000 : 0;
    group->newest_ms = self->now_ns > group->newest_ns ? (self->now_ns - group->newest_ns) / 1000000 : 0;
    bool buffers = strcmp(group->type, "poolbuf") == 0;
    double most = (double)self->exact.live_buffers;
    double largest = buffers                               ? self->largest_weight_buffers
                     : type != NULL && type->interval != 0 ? types_weight(type)
                                                           : self->largest_weight_resources;
    group->total = estimate_total(&group->sums, largest);
    group->most = estimate_most(&group->sums, largest);
    if (self->exact.known && buffers && most >= (double)group->count) {
        /* No site leaks more than the exact counter has. */
        group->total.high = group->total.high > most ? most : group->total.high;
        group->total.value = group->total.value > most ? most : group->total.value;
        group->total.low = group->total.low > most ? most : group->total.low;
    }
    if (group->access_count > 0) {
        qsort(group->accesses, group->access_count, sizeof *group->accesses, compare_accesses);
    }
    for (size_t i = 0; i < group->access_count; i++) {
        report_access *access = &group->accesses[i];
        access->hint = access->hint_name == 0 ? NULL : name_get(access->hint_name);
        access->thread = name_get(access->thread_name);
        report_frames_resolve(&access->frames, access->stack, lookup, context);
    }
    holders_resolve(group, lookup, context);
}

/* A growth report lists what has grown. */
static void drop_what_has_not_grown(report *self) {
    report_group *groups = self->groups.items;
    size_t kept = 0;
    for (size_t i = 0; i < self->groups.count; i++) {
        if (groups[i].grown_count > 0 || groups[i].grown_bytes > 0) {
            groups[kept++] = groups[i];
        } else {
            group_fini(&groups[i]);
        }
    }
    self->not_grown = self->groups.count - kept;
    self->groups.count = kept;
}

void report_resolve(report *self, report_lookup *lookup, void *context) {
    report_group *groups = self->groups.items;
    if (groups == NULL || self->resolved) {
        return;
    }
    self->resolved = true;
    for (size_t i = 0; i < self->groups.count; i++) {
        report_frames_resolve(&groups[i].frames, groups[i].stack, lookup, context);
        recursion_fold(&groups[i].frames);
        groups[i].fingerprint = fingerprint_of(&groups[i]);
    }
    fold_sites(&self->groups);
    if (self->since != 0) {
        drop_what_has_not_grown(self);
    }
    for (size_t i = 0; i < self->groups.count; i++) {
        finish_group(self, &groups[i], lookup, context);
    }
    qsort(groups, self->groups.count, sizeof *groups, compare_sizes);
}

void report_fini(report *self) {
    report_group *groups = self->groups.items;
    for (size_t i = 0; i < self->groups.count + self->suppressed_groups; i++) {
        group_fini(&groups[i]);
    }
    report_misuse *misuses = self->misuses.items;
    for (size_t i = 0; i < self->misuses.count; i++) {
        report_frames_fini(&misuses[i].frames);
        report_frames_fini(&misuses[i].close_frames);
        report_frames_fini(&misuses[i].allocation_frames);
    }
    memory_array_fini(&self->groups);
    memory_array_fini(&self->suppressions);
    memory_array_fini(&self->misuses);
}

const char *report_access_name(access_kind kind) {
    static const char *const NAMES[] = {"retain", "release", "slice", "grow", "touch", "read", "write"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == ACCESS_KIND_COUNT, "every kind of access has a name");
    return (unsigned)kind < ACCESS_KIND_COUNT ? NAMES[kind] : "unknown";
}

bool report_is_partial(const report *self) {
    return self->older_than_ms != 0 || self->since != 0;
}

bool report_is_sampled(const report *self) {
    return self->largest_weight_buffers > 1 || self->largest_weight_resources > 1;
}

bool report_is_of_scan(const report *self) {
    return strncmp(self->reason, "scan, ", 6) == 0;
}

bool report_is_live(const report *self) {
    return strcmp(self->reason, "on request") == 0 || strcmp(self->reason, "interval") == 0 ||
           strncmp(self->reason, "signal ", 7) == 0 || report_is_of_scan(self);
}

uint64_t report_leaked(const report *self) {
    uint64_t listed = 0;
    const report_group *groups = self->groups.items;
    for (size_t i = 0; i < self->groups.count; i++) {
        listed += groups[i].count;
    }
    return !report_is_partial(self) && report_live_buffers(self) > listed ? report_live_buffers(self) : listed;
}

static uint64_t less(uint64_t all, uint64_t part) {
    return all > part ? all - part : 0;
}

uint64_t report_live_buffers(const report *self) {
    return self->exact.known ? less(self->exact.live_buffers, self->suppressed_buffers) : 0;
}

uint64_t report_live_bytes(const report *self) {
    return self->exact.known ? less(self->exact.live_bytes, self->suppressed_bytes) : 0;
}

uint64_t report_unseen_buffers(const report *self) {
    const report_group *groups = self->groups.items;
    const uint64_t live = report_live_buffers(self);
    uint64_t listed = self->not_listed;
    for (size_t i = 0; i < self->groups.count; i++) {
        listed += strcmp(groups[i].type, "poolbuf") == 0 ? groups[i].count : 0;
    }
    /* In a program that goes on, what was counted may be gone by the time it is listed. */
    const bool unexplained = report_is_sampled(self) || !report_is_live(self);
    if (report_is_partial(self) || !unexplained || listed == 0) {
        return report_is_partial(self) || !unexplained ? 0 : live;
    }
    return report_is_sampled(self) || !self->was_disabled || self->tracked.refused > 0 ? 0 : less(live, listed);
}

const char *report_suppression_name(report_suppression_state state) {
    static const char *const NAMES[] = {"unused", "used", "limit passed", "expired"};
    _Static_assert(sizeof NAMES / sizeof NAMES[0] == SUPPRESSION_STATE_COUNT, "every state has a name");
    return (unsigned)state < SUPPRESSION_STATE_COUNT ? NAMES[state] : "unknown";
}
