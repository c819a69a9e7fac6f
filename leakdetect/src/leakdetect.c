/* The public functions of poolbuf/leakdetect.h, and the reading of the options. */
#include <poolbuf/leakdetect.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <poolbuf/options.h>
#include <poolbuf/tracker.h>

#include "arithmetic.h"
#include "detector.h"
#include "memory.h"
#include "message.h"
#include "process/cancel.h"
#include "report.h"
#include "scan.h"
#include "scope.h"
#include "stack_table.h"
#include "tracker_shard.h"
#include "trigger.h"
#include "types.h"

static const char *const LEVELS[] = {"disabled", "simple", "advanced", "paranoid"};
_Static_assert(sizeof LEVELS / sizeof LEVELS[0] == LEAKDETECT_LEVEL_COUNT, "every level has a name");

static uint32_t read_number(const char *environment) {
    uint64_t value = 0;
    (void)poolbuf_option_read_number(environment, &value); /* complains itself, and then gives the default */
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static int read_signal(void) {
    const char *text = NULL;
    int number = 0;
    bool strict = false;
    (void)poolbuf_option_read_text("POOLBUF_LEAK_SIGNAL", &text);
    if (text == NULL || trigger_parse_signal(text, &number)) {
        return number;
    }
    message_print(
        "POOLBUF_LEAK_SIGNAL=%.64s is not legal; legal: off, a name such as USR2 or RTMIN+3, or a number, of a "
        "signal that tells of no fault and can be caught; using the default, off",
        text);
    (void)poolbuf_option_read_flag("POOLBUF_STRICT", &strict);
    if (strict) {
        _exit(2); /* as an illegal value of any other option does */
    }
    return 0;
}

/* As the program was started: it may go to another folder, as daemons do, where nobody looks for its report, or it may
 * not write. A % in the folder's name is no pattern. NULL: none was asked for. */
static const char *read_report_path(void) {
    static char absolute[REPORT_PATH_BYTES];
    char folder[REPORT_PATH_BYTES];
    const char *path = NULL;
    size_t used = 0;
    (void)poolbuf_option_read_text("POOLBUF_LEAK_REPORT", &path);
    if (path == NULL || path[0] == '/' || getcwd(folder, sizeof folder) == NULL) {
        return path;
    }
    for (const char *at = folder; *at != '\0' && used + 2 < sizeof absolute; at++) {
        absolute[used++] = *at;
        if (*at == '%') {
            absolute[used++] = '%';
        }
    }
    const int added = snprintf(absolute + used, sizeof absolute - used, "/%s", path);
    return added < 0 || (size_t)added >= sizeof absolute - used ? path : absolute;
}

detector_settings detector_read_options(void) {
    enum { /* the words of POOLBUF_LEAK_UNWINDER, in their order */
        STACKS_CFI,
        STACKS_LIBUNWIND,
        STACKS_FP,
        STACKS_CALL_SITE
    };
    static const unwinder *const WALKERS[] = {[STACKS_CFI] = &unwind_cfi,
                                              [STACKS_LIBUNWIND] = &unwind_libunwind,
                                              [STACKS_FP] = &unwind_fp,
                                              [STACKS_CALL_SITE] = &unwind_fp};
    detector_settings settings = {0};
    unsigned level = LEAKDETECT_DISABLED;
    unsigned stacks = STACKS_CFI;
    bool notice = true;
    (void)poolbuf_option_read_choice("POOLBUF_LEAK_LEVEL", &level);
    (void)poolbuf_option_read_choice("POOLBUF_LEAK_UNWINDER", &stacks);
    (void)poolbuf_option_read_flag("POOLBUF_LEAK_TRACK_CLOSE", &settings.track_close);
    (void)poolbuf_option_read_flag("POOLBUF_LEAK_SCOPE_STACKS", &settings.scope_stacks);
    (void)poolbuf_option_read_number("POOLBUF_LEAK_SEED", &settings.seed);
    (void)poolbuf_option_read_number("POOLBUF_LEAK_SAMPLING_BYTES", &settings.sampling_bytes);
    settings.report_path = read_report_path();
    (void)poolbuf_option_read_text("POOLBUF_LEAK_TALLY", &settings.tally_path);
    (void)poolbuf_option_read_flag("POOLBUF_LEAK_NOTICE", &notice);
    settings.quiet = !notice;
    settings.level = (leakdetect_level)level;
    settings.stacks = stacks == STACKS_CALL_SITE ? UNWIND_CALL_SITE : UNWIND_FULL;
    settings.unwinder = WALKERS[stacks];
    settings.interval = read_number("POOLBUF_LEAK_SAMPLING_INTERVAL");
    settings.dense_start = read_number("POOLBUF_LEAK_DENSE_START");
    settings.target_records = read_number("POOLBUF_LEAK_TARGET_RECORDS");
    settings.frames = read_number("POOLBUF_LEAK_FRAMES");
    settings.exit_code = (int)read_number("POOLBUF_LEAK_EXIT_CODE");
    (void)poolbuf_option_read_number("POOLBUF_LEAK_QUARANTINE_BYTES", &settings.quarantine_bytes);
    settings.report_interval_s = read_number("POOLBUF_LEAK_INTERVAL_S");
    settings.scan_interval_s = read_number("POOLBUF_LEAK_SCAN_INTERVAL_S");
    settings.report_signal = read_signal();
    return settings;
}

leakdetect_level leakdetect_get_level(void) {
    return detector_level();
}

poolbuf_status leakdetect_set_level(leakdetect_level level) {
    if ((unsigned)level >= LEAKDETECT_LEVEL_COUNT) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    detector_set_level(level);
    poolbuf_tracker_reset_sampling();
    return POOLBUF_OK;
}

const char *leakdetect_name_level(leakdetect_level level) {
    return (unsigned)level < LEAKDETECT_LEVEL_COUNT ? LEVELS[level] : "unknown";
}

bool leakdetect_parse_level(const char *text, leakdetect_level *level) {
    for (unsigned i = 0; i < LEAKDETECT_LEVEL_COUNT; i++) {
        bool ordinal = text[0] == (char)('0' + i) && text[1] == '\0';
        if (ordinal || strcasecmp(text, LEVELS[i]) == 0) {
            *level = (leakdetect_level)i;
            return true;
        }
    }
    return false;
}

/* The level's sample. The name is interned only for what it chooses; or it is known already, as `name`. */
static bool track_sampled(const void *resource, size_t size, const char *type, uint32_t name) {
    if (detector_level() == LEAKDETECT_DISABLED) {
        return false;
    }
    thread_state *self = thread_self();
    thread_countdown *countdown = &self->resources;
    if (countdown->left == 0 || self->epoch != detector_level_epoch()) {
        self->epoch = detector_level_epoch();
        countdown->left = detector_next_gap(&detector_resources, countdown, self);
    }
    if (--countdown->left != 0) {
        return false;
    }
    float weight = countdown->weight_pending;
    return detector_accept(&detector_resources, self, size, &weight) &&
           detector_track(self, resource, NULL, NULL, size, name != 0 ? name : name_put(type), weight, 0);
}

/* A type's own: each is drawn for by itself, which is the same as geometric gaps, and needs no countdown in every thread. */
static bool track_by_own_interval(const void *resource, size_t size, resource_type *type) {
    leakdetect_level level = detector_level();
    if (level == LEAKDETECT_DISABLED) {
        return false;
    }
    float weight = 1;
    if (level != LEAKDETECT_PARANOID && type->interval > 1) {
        weight = (float)type->interval;
        if (!atomic_load_explicit(&type->is_sampled, memory_order_relaxed)) {
            atomic_store_explicit(&type->is_sampled, true, memory_order_relaxed);
        }
        if (random_unit(&thread_self()->random) * (double)type->interval >= 1) {
            return false;
        }
    }
    return detector_track(thread_self(), resource, NULL, NULL, size, type->name, weight, 0);
}

bool leakdetect_track(const void *resource, size_t size, const char *type) {
    if (resource == NULL) {
        return false;
    }
    bool sampled = track_sampled(resource, size, type, 0);
    return (scope_is_inside() && scope_add(resource, size, name_put(type), sampled)) || sampled;
}

bool leakdetect_track_as(const void *resource, size_t size, leakdetect_type type) {
    resource_type *known = types_get(type);
    if (resource == NULL || known == NULL) {
        return false;
    }
    bool sampled = known->interval == 0 ? track_sampled(resource, size, NULL, known->name)
                                        : track_by_own_interval(resource, size, known);
    return (scope_is_inside() && scope_add(resource, size, known->name, sampled)) || sampled;
}

poolbuf_status leakdetect_register_type(const char *name, const leakdetect_type_options *options,
                                        leakdetect_type *type) {
    return types_register(name, options, type);
}

leakdetect_type leakdetect_find_type(const char *name) {
    for (leakdetect_type i = 1; name != NULL && types_get(i) != NULL; i++) {
        if (strcmp(name_get(types_get(i)->name), name) == 0) {
            return i;
        }
    }
    return 0;
}

/* Where buffers have a flag, any resource comes here, tracked or not. So we look first: a stack costs ten times that. */
bool leakdetect_untrack(const void *resource) {
    if (resource == NULL) {
        return false;
    }
    if (!scope_remove(resource)) {
        return true;
    }
    const tracker_place place = tracker_place_of(resource);
    return tracker_knows(&place) && detector_untrack(&place, NULL);
}

void leakdetect_touch(const void *resource, const char *hint) {
    if (resource != NULL && !scope_is_only_watcher(resource)) {
        const tracker_place place = tracker_place_of(resource);
        detector_access(&place, ACCESS_TOUCH, hint);
    }
}

poolbuf_status leakdetect_count(leakdetect_counts *counts) {
    if (counts == NULL || counts->struct_size < sizeof counts->struct_size) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    tracker_totals totals;
    tracker_count(&totals);
    leakdetect_counts full = {.struct_size = counts->struct_size,
                              .live = totals.live,
                              .live_bytes = totals.live_bytes,
                              .seen = totals.seen,
                              .untracked = totals.refused,
                              .stacks = stack_table_count(),
                              .memory = memory_mapped()};
    memcpy(counts, &full, counts->struct_size < sizeof full ? counts->struct_size : sizeof full);
    return POOLBUF_OK;
}

poolbuf_status leakdetect_report(FILE *out, leakdetect_format format) {
    return finalize_write(out, format);
}

poolbuf_status leakdetect_report_older_than(FILE *out, leakdetect_format format, uint64_t age_ms) {
    return finalize_write_part(out, format, &(finalize_part){.older_than_ms = age_ms});
}

uint64_t leakdetect_checkpoint(void) {
    return finalize_checkpoint();
}

poolbuf_status leakdetect_report_since(FILE *out, leakdetect_format format, uint64_t checkpoint) {
    return finalize_write_part(out, format, &(finalize_part){.has_checkpoint = true, .checkpoint = checkpoint});
}

poolbuf_status leakdetect_write_report(const char *path) {
    return finalize_write_path(path);
}

poolbuf_status leakdetect_scan(const leakdetect_scan_options *options, leakdetect_scan_result *result) {
    if ((options != NULL && options->struct_size < sizeof options->struct_size) ||
        (result != NULL && result->struct_size < sizeof result->struct_size)) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    leakdetect_scan_options known = {0};
    leakdetect_scan_result full = {0};
    if (options != NULL) {
        memcpy(&known, options, options->struct_size < sizeof known ? options->struct_size : sizeof known);
    }
    const int cancellation = cancel_disable();
    poolbuf_status status = scan_run(&known, &full);
    cancel_restore(cancellation);
    if (status == POOLBUF_OK && result != NULL) {
        full.struct_size = result->struct_size;
        memcpy(result, &full, result->struct_size < sizeof full ? result->struct_size : sizeof full);
    }
    return status;
}
