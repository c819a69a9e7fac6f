/* From a results file's words to a subject. */
#include "confirm_subject.h"

#include <errno.h>
#include <string.h>

#include "measure/file_digest.h"

static const results_subject *find_record(const results_model *from, const char *name) {
    for (size_t i = 0; i < from->subject_count; i++) {
        if (strcmp(from->subjects[i]->name, name) == 0) {
            return from->subjects[i];
        }
    }
    return NULL;
}

static uint64_t known(uint64_t count) {
    return count == MODEL_UNKNOWN ? 0 : count;
}

/* One of the table under another name. */
static const char *find_alias(model_arena *arena, const results_subject *record, const char *name,
                              confirm_subject *out) {
    const subject *played = subject_find(record->plays);
    const uint64_t spin_percent = known(record->spin_percent);
    const uint64_t stall_every = known(record->stall_every);
    const uint64_t stall_ns = known(record->stall_ns);
    if (played == NULL) {
        return model_text_format(arena, "this program has no subject %s, which it plays", record->plays);
    }
    if (spin_percent > MEASURE_SPIN_PERCENT_MAX || stall_every > UINT32_MAX || stall_ns > MEASURE_STALL_NS_MAX) {
        return "its slowdown is beyond what a run takes";
    }
    out->subject = *played;
    out->subject.name = name;
    out->part = (measure_part){.plays = played->name,
                               .spin_percent = (unsigned)spin_percent,
                               .stall_every = (uint32_t)stall_every,
                               .stall_ns = stall_ns};
    return NULL;
}

/* A user's own. Only what is still the same file is what was measured. */
static const char *find_library(model_arena *arena, const results_subject *record, const char *side, const char *name,
                                confirm_subject *out) {
    char digest[FILE_DIGEST_TEXT_SIZE];
    if (!file_digest_text(record->library, digest)) {
        return model_text_format(arena, "its library in %s, %s: %s", side, record->library, strerror(errno));
    }
    if (strcmp(digest, record->library_digest) != 0) {
        return model_text_format(arena, "its library %s has changed since %s was measured", record->library, side);
    }
    out->subject = (subject){.name = name, .provider = SUBJECT_PROVIDER_LIBRARY, .library = record->library};
    out->part = (measure_part){.plays = NULL};
    return NULL;
}

const char *confirm_subject_find(model_arena *arena, const results_model *from, const char *side, const char *name,
                                 confirm_subject *out) {
    const results_subject *record = find_record(from, name);
    const subject *known_here = subject_find(name);
    if (record != NULL && record->plays != NULL) {
        return find_alias(arena, record, name, out);
    }
    if (known_here != NULL) {
        *out = (confirm_subject){.subject = *known_here};
        return NULL;
    }
    if (record != NULL && record->library != NULL && record->library_digest != NULL) {
        return find_library(arena, record, side, name, out);
    }
    return model_text_format(arena, "this program has no such subject, and %s does not say what it is", side);
}
