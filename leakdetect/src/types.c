/* See types.h. */
#include "types.h"

#include <pthread.h>
#include <string.h>

#include "report.h"
#include "stack_table.h"
#include "tracker.h"

static resource_type table[LEAKDETECT_TYPES_MAX];
static _Atomic uint32_t type_count; /* released after the entry is filled; pairs with the acquire of readers */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void types_lock(void) {
    pthread_mutex_lock(&lock);
}

void types_unlock(void) {
    pthread_mutex_unlock(&lock);
}

void types_reset(void) {
    types_lock();
    atomic_store_explicit(&type_count, 0, memory_order_release);
    memset(table, 0, sizeof table);
    types_unlock();
}

resource_type *types_get(leakdetect_type type) {
    return type == 0 || type > atomic_load_explicit(&type_count, memory_order_acquire) ? NULL : &table[type - 1];
}

resource_type *types_of_name(uint32_t name) {
    const uint32_t count = atomic_load_explicit(&type_count, memory_order_acquire);
    for (uint32_t i = 0; name != 0 && i < count; i++) {
        if (table[i].name == name) {
            return &table[i];
        }
    }
    return NULL;
}

double types_weight(const resource_type *self) {
    return atomic_load_explicit(&self->is_sampled, memory_order_relaxed) ? (double)self->interval : 1;
}

double types_largest_weight(void) {
    const uint32_t count = atomic_load_explicit(&type_count, memory_order_acquire);
    double largest = 1;
    for (uint32_t i = 0; i < count; i++) {
        const double weight = types_weight(&table[i]);
        largest = weight > largest ? weight : largest;
    }
    return largest;
}

/* ---- registration ---- */

static bool is_name(const char *name) {
    const size_t length = name == NULL ? 0 : strlen(name);
    return length > 0 && length <= NAME_MAX_BYTES;
}

static bool is_same(const resource_type *a, const resource_type *b) {
    return a->unit == b->unit && a->interval == b->interval && a->describe == b->describe && a->context == b->context;
}

static poolbuf_status add_locked(const resource_type *wanted, leakdetect_type *type) {
    const uint32_t count = atomic_load_explicit(&type_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (table[i].name == wanted->name) {
            if (!is_same(&table[i], wanted)) {
                return POOLBUF_ERROR_BAD_ARGUMENT;
            }
            *type = i + 1;
            return POOLBUF_OK;
        }
    }
    if (count == LEAKDETECT_TYPES_MAX) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    table[count].name = wanted->name;
    table[count].unit = wanted->unit;
    table[count].interval = wanted->interval;
    table[count].describe = wanted->describe;
    table[count].context = wanted->context;
    atomic_store_explicit(&type_count, count + 1, memory_order_release);
    *type = count + 1;
    return POOLBUF_OK;
}

poolbuf_status types_register(const char *name, const leakdetect_type_options *options, leakdetect_type *type) {
    leakdetect_type_options known = {0};
    if (type == NULL || !is_name(name) || strcmp(name, "poolbuf") == 0 ||
        (options != NULL && options->struct_size < sizeof options->struct_size)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    if (options != NULL) {
        memcpy(&known, options, options->struct_size < sizeof known ? options->struct_size : sizeof known);
    }
    if (known.unit != NULL && !is_name(known.unit)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    const bool in_bytes = known.unit == NULL || strcmp(known.unit, "bytes") == 0;
    const resource_type wanted = {.name = name_put(name),
                                  .unit = in_bytes ? 0 : name_put(known.unit),
                                  .interval = known.sampling_interval,
                                  .describe = known.describe,
                                  .context = known.context};
    if (wanted.name == 0 || (!in_bytes && wanted.unit == 0)) {
        return POOLBUF_ERROR_NO_MEMORY;
    }
    types_lock();
    poolbuf_status status = add_locked(&wanted, type);
    types_unlock();
    return status;
}

/* ---- describing ---- */

bool types_want_to_describe(const report *self) {
    const report_group *groups = self->groups.items;
    for (size_t i = 0; i < self->groups.count; i++) {
        if (groups[i].member_count > 0) {
            return true;
        }
    }
    return false;
}

static void describe_group(report_group *group) {
    const resource_type *type = types_of_name(group->type_name);
    size_t kept = 0;
    for (size_t i = 0; type != NULL && i < group->member_count; i++) {
        report_member *member = &group->members[i];
        const void *resource = (const void *)~member->key;
        member->text[0] = '\0';
        if (!tracker_pin(resource, member->birth_ns)) {
            continue;
        }
        type->describe(resource, member->text, sizeof member->text, type->context);
        tracker_unpin(resource);
        member->text[sizeof member->text - 1] = '\0';
        if (member->text[0] != '\0') {
            group->members[kept++] = *member;
        }
    }
    group->member_count = kept;
}

void types_describe(report *self) {
    report_group *groups = self->groups.items;
    for (size_t i = 0; i < self->groups.count; i++) {
        describe_group(&groups[i]);
    }
}
