/* See listener.h. What a listener is handed is made with malloc(), as reports are, and is gone when it returns. */
#include "listener.h"

#include <stdlib.h>

#include "detector.h"

typedef struct item {
    leakdetect_leak leak;
    char *site;
} item;

/* What one call needs. */
typedef struct message {
    leakdetect_leaks leaks;
    item *items;
    const leakdetect_leak **groups;
    char *text;
} message;

static leakdetect_listener *listener; /* under the report lock, as is the next */
static void *listener_context;

void leakdetect_set_listener(leakdetect_listener *to_set, void *context) {
    finalize_lock();
    listener = to_set;
    listener_context = context;
    finalize_unlock();
}

bool listener_is_set(void) {
    return listener != NULL;
}

/* Whole, since its end says which line it is; a function of C++ may have a name of any length. The caller frees it. NULL: no
 * memory. */
static char *make_site(const report_frames *frames) {
    char *site = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&site, &size);
    if (out == NULL) {
        return NULL;
    }
    if (frames->count == 0) {
        fputs("(no stack)", out);
    } else {
        report_write_place(frames->items[0], out);
    }
    if (fclose(out) != 0) {
        free(site);
        return NULL;
    }
    return site;
}

static uint64_t rounded(double value) {
    return (uint64_t)(value + 0.5);
}

static bool fill(item *self, const report_group *group) {
    self->site = make_site(&group->frames);
    self->leak = (leakdetect_leak){.struct_size = sizeof self->leak,
                                   .type = group->type,
                                   .site = self->site,
                                   .fingerprint = group->fingerprint,
                                   .count = group->count,
                                   .bytes = group->bytes,
                                   .estimated_count = rounded(group->total.value),
                                   .estimated_low = rounded(group->total.low),
                                   .estimated_high = rounded(group->total.high),
                                   .lost = group->lost,
                                   .oldest_ms = group->oldest_ms,
                                   .newest_ms = group->newest_ms};
    return self->site != NULL;
}

static void message_fini(message *self) {
    for (size_t i = 0; self->items != NULL && i < self->leaks.group_count; i++) {
        free(self->items[i].site);
    }
    free(self->items);
    free(self->groups);
    free(self->text);
}

static bool write_text(message *self, const report *all) {
    FILE *out = open_memstream(&self->text, &self->leaks.text_length);
    if (out == NULL) {
        return false;
    }
    report_write_text(all, out);
    const bool whole = fclose(out) == 0;
    self->leaks.text = self->text;
    return whole;
}

static bool message_init(message *self, const report *all) {
    const report_group *groups = all->groups.items;
    const bool lost_only = report_is_live(all);
    *self = (message){.leaks = {.struct_size = sizeof self->leaks, .reason = all->reason}};
    self->items = calloc(all->groups.count + 1, sizeof *self->items);
    self->groups = calloc(all->groups.count + 1, sizeof(leakdetect_leak *));
    if (self->items == NULL || self->groups == NULL || !write_text(self, all)) {
        message_fini(self);
        return false;
    }
    for (size_t i = 0; i < all->groups.count; i++) {
        if (lost_only && groups[i].lost == 0) {
            continue;
        }
        item *next = &self->items[self->leaks.group_count];
        self->groups[self->leaks.group_count++] = &next->leak;
        if (!fill(next, &groups[i])) {
            message_fini(self);
            return false;
        }
        self->leaks.leaked += lost_only ? groups[i].lost : 0;
    }
    self->leaks.leaked = lost_only ? self->leaks.leaked : report_leaked(all);
    self->leaks.groups = self->groups;
    return true;
}

bool listener_tell(const report *self) {
    leakdetect_listener *const to_call = listener;
    void *const context = listener_context;
    message all;
    if (to_call == NULL || !message_init(&all, self)) {
        return false;
    }
    bool taken = false;
    if (all.leaks.leaked > 0) {
        finalize_unlock();
        taken = to_call(&all.leaks, context);
        finalize_lock();
    }
    message_fini(&all);
    return taken;
}
