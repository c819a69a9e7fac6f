/* See listener.h. What a listener is handed is made with malloc(), as reports are, and is gone when it returns. */
#include "listener.h"

#include <stdlib.h>

#include "detector.h"

enum {
    SITE_BYTES = 256 /* of a site; what is longer is cut */
};

typedef struct item {
    leakdetect_leak leak;
    char site[SITE_BYTES];
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

/* The rest of a name that is too long is not missed: fmemopen() takes what fits. */
static void write_site(const report_frames *frames, char *site) {
    FILE *out = fmemopen(site, SITE_BYTES - 1, "w");
    if (out == NULL) {
        return;
    }
    if (frames->count == 0) {
        fputs("(no stack)", out);
    } else {
        report_write_place(frames->items[0], out);
    }
    (void)fclose(out); /* it fails where the name is cut */
}

static uint64_t rounded(double value) {
    return (uint64_t)(value + 0.5);
}

static void fill(item *self, const report_group *group) {
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
    write_site(&group->frames, self->site);
}

static void message_fini(message *self) {
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
        fill(next, &groups[i]);
        self->groups[self->leaks.group_count++] = &next->leak;
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
