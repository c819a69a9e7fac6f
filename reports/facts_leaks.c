/* The short lines of facts.h about one group of leaks, one stack frame, one misuse. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "reports/facts.h"
#include "reports/sentence.h"
#include "reports/units.h"

static bool is_known(uint64_t count) {
    return count != MODEL_UNKNOWN && count != 0;
}

/* ---- groups ---- */

const char *leaks_group_amount(const leaks_model *model, const leaks_group *group, uint64_t size) {
    if (size == MODEL_UNKNOWN) {
        return NULL;
    }
    if (group->unit == NULL) {
        return model_text(model->arena, unit_byte_count(size).text);
    }
    return model_text_format(model->arena, "%s %s", unit_count(size).text, group->unit);
}

const char *leaks_group_title(const leaks_model *model, const leaks_group *group) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s x %s", unit_count(group->count).text, group->type == NULL ? "block" : group->type);
    if (group->unit == NULL || is_known(group->bytes)) {
        sentence_join_text(&out, "", leaks_group_amount(model, group, group->bytes));
    }
    sentence_join_text(&out, "", group->kind);
    return sentence_keep(&out, model->arena);
}

const char *leaks_group_standing(const leaks_model *model, const leaks_group *group) {
    switch (group->baseline.standing) {
    case STANDING_NEW:
        return "new";
    case STANDING_KNOWN:
        return "known";
    case STANDING_GROWN:
        return model_text_format(model->arena, "grown: %s in the baseline", unit_count(group->baseline.count).text);
    case STANDING_UNKNOWN:
    case LEAKS_STANDING_COUNT:
        break;
    }
    return NULL;
}

const char *leaks_group_sizes(const leaks_model *model, const leaks_group *group) {
    const leaks_sizes *sizes = &group->sizes;
    if (sizes->least == MODEL_UNKNOWN || sizes->greatest == MODEL_UNKNOWN || sizes->greatest == 0) {
        return NULL;
    }
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s", leaks_group_amount(model, group, sizes->least));
    if (sizes->least == sizes->greatest) {
        sentence_add(&out, group->count == 1 ? "" : " each");
    } else {
        sentence_add(&out, " to %s", leaks_group_amount(model, group, sizes->greatest));
        sentence_join_text(&out, sizes->rounded ? "median about " : "median ",
                           leaks_group_amount(model, group, sizes->median));
    }
    return sentence_keep(&out, model->arena);
}

static const char *sign_of(bool is_negative) {
    return is_negative ? "-" : "+";
}

static uint64_t size_of(int64_t number) {
    return number < 0 ? (uint64_t)-number : (uint64_t)number; /* the reader lets no INT64_MIN through */
}

const char *leaks_group_growth(const leaks_model *model, const leaks_group *group) {
    const leaks_growth *growth = &group->growth;
    if (growth->count == MODEL_UNKNOWN_SIGNED) {
        return NULL;
    }
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s%s", sign_of(growth->count < 0), unit_count(size_of(growth->count)).text);
    if (growth->bytes != MODEL_UNKNOWN_SIGNED && growth->bytes != 0) {
        sentence_join(&out, "%s%s", sign_of(growth->bytes < 0),
                      leaks_group_amount(model, group, size_of(growth->bytes)));
    }
    if (isfinite(growth->estimated_count) && fabs(growth->estimated_count - (double)growth->count) > 0.5) {
        sentence_join(&out, "about %s%s in all", sign_of(growth->estimated_count < 0),
                      unit_number(fabs(growth->estimated_count)).text);
    }
    if (growth->is_new) {
        sentence_join(&out, "none before");
    } else if (growth->newer != MODEL_UNKNOWN) {
        sentence_join(&out, "%s newer", unit_count(growth->newer).text);
    }
    return sentence_keep(&out, model->arena);
}

const char *leaks_group_lost(const leaks_model *model, const leaks_group *group) {
    if (!is_known(group->lost)) {
        return NULL;
    }
    static const char WHY[] = "nothing in the process refers to";
    if (group->lost >= group->count) {
        return model_text_format(
            model->arena, group->count == 1 ? "lost: %s it any more" : "all of them lost: %s them any more", WHY);
    }
    return model_text_format(model->arena, "%s of them lost: %s %s any more", unit_count(group->lost).text, WHY,
                             group->lost == 1 ? "it" : "them");
}

const char *leaks_group_lifted(const leaks_model *model, const leaks_group *group) {
    const leaks_lifted *rule = &group->lifted_by;
    if (rule->state == NULL) {
        return NULL;
    }
    sentence out;
    sentence_init(&out);
    if (rule->line != MODEL_UNKNOWN) {
        sentence_add(&out, "line %s", unit_count(rule->line).text);
    }
    if (rule->rule != NULL) {
        sentence_join(&out, "\"%s\"", rule->rule);
    }
    sentence_join_text(&out, "", rule->state);
    return sentence_keep(&out, model->arena);
}

const char *leaks_group_facts(const leaks_model *model, const leaks_group *group) {
    const leaks_estimate *estimate = &group->estimated_count;
    sentence out;
    sentence_init(&out);
    if (isfinite(estimate->value) && (estimate->low != estimate->high || estimate->value != (double)group->count)) {
        sentence_join(&out, "estimated %s", unit_number(estimate->value).text);
        if (isfinite(estimate->low) && isfinite(estimate->high)) {
            sentence_add(&out, " [%s, %s]", unit_number(estimate->low).text, unit_number(estimate->high).text);
        }
        sentence_add(&out, " in all");
    }
    sentence_join_text(&out, "growth ", leaks_group_growth(model, group));
    sentence_join_text(&out, "sizes ", leaks_group_sizes(model, group));
    if (group->age_ms.oldest != MODEL_UNKNOWN) {
        sentence_join(&out, "oldest %s", unit_time_ms(group->age_ms.oldest).text);
    }
    if (group->age_ms.newest != MODEL_UNKNOWN) {
        sentence_join(&out, "newest %s", unit_time_ms(group->age_ms.newest).text);
    }
    sentence_join_text(&out, "thread ", group->thread);
    if (group->processes > 1 && group->processes != MODEL_UNKNOWN) {
        sentence_join(&out, "seen in %s processes", unit_count(group->processes).text);
    }
    sentence_join_text(&out, "fingerprint ", group->fingerprint);
    return sentence_keep(&out, model->arena);
}

/* ---- misuses ---- */

const char *leaks_misuse_title(const leaks_model *model, const leaks_misuse *misuse) {
    sentence out;
    sentence_init(&out);
    if (misuse->count != MODEL_UNKNOWN && misuse->count != 1) {
        sentence_add(&out, "%s x ", unit_count(misuse->count).text);
    }
    sentence_add(&out, "%s", misuse->offence);
    sentence_join_text(&out, "thread ", misuse->thread);
    return sentence_keep(&out, model->arena);
}

/* ---- all processes ---- */

static const char *describe_certainty(const leaks_model *model, uint64_t count, const char *what) {
    return model_text_format(model->arena,
                             "A site that leaked at least %s %s in one process would have been seen with "
                             "99 %% probability.",
                             unit_count(count).text, what);
}

/* Processes with a sample that did not last all their life. */
static size_t count_disabled(const leaks_model *model) {
    size_t count = 0;
    for (size_t i = 0; i < model->process_count; i++) {
        const leaks_process *process = model->processes[i];
        const bool is_sampled = process->level != NULL &&
                                (strcmp(process->level, "simple") == 0 || strcmp(process->level, "advanced") == 0);
        count += is_sampled && process->seen_with_99_percent.buffers == MODEL_UNKNOWN;
    }
    return count;
}

static const char *describe_disabled(const leaks_model *model, size_t count) {
    const char *where = model->process_count == 1 ? "The"
                                                  : model_text_format(model->arena, "In %zu of %zu processes the",
                                                                      count, model->process_count);
    return model_text_format(
        model->arena, "%s level was disabled for a part of the run: what was allocated then is in no sample.", where);
}

const char *leaks_model_remark(const leaks_model *model, size_t index) {
    const size_t disabled = count_disabled(model);
    const leaks_certain certain = leaks_model_certain(model);
    const uint64_t missed = leaks_model_missed_references(model);
    if (is_known(certain.buffers) && certain.buffers > 1 && index-- == 0) {
        return describe_certainty(model, certain.buffers, "buffers");
    }
    if (is_known(certain.resources) && certain.resources > 1 && index-- == 0) {
        return describe_certainty(model, certain.resources, "other resources");
    }
    if (disabled > 0 && index-- == 0) {
        return describe_disabled(model, disabled);
    }
    if (is_known(missed) && index-- == 0) {
        return model_text_format(model->arena,
                                 "%s reference%s changed hands while the detector was at work on that thread: in no "
                                 "balance.",
                                 unit_count(missed).text, sentence_plural(missed));
    }
    if (is_known(model->misuses_not_listed) && index-- == 0) {
        return model_text_format(model->arena, "%s more misuse%s found no room in the report.",
                                 unit_count(model->misuses_not_listed).text,
                                 sentence_plural(model->misuses_not_listed));
    }
    return NULL;
}

/* ---- frames and accesses ---- */

const char *leaks_frame_site(const leaks_model *model, const leaks_frame *frame) {
    sentence out;
    sentence_init(&out);
    if (frame->file != NULL && frame->line != MODEL_UNKNOWN) {
        sentence_add(&out, "%s:%" PRIu64, frame->file, frame->line);
    } else if (frame->file != NULL) {
        sentence_add(&out, "%s", frame->file);
    } else if (frame->module != NULL && frame->offset != MODEL_UNKNOWN) {
        sentence_add(&out, "%s+0x%" PRIx64, frame->module, frame->offset);
    } else if (frame->address != NULL) {
        sentence_add(&out, "%s", frame->address);
    }
    return sentence_keep(&out, model->arena);
}

const char *leaks_frame_place(const leaks_model *model, const leaks_frame *frame) {
    const char *site = leaks_frame_site(model, frame);
    return model_text_format(model->arena, "%s%s%s%s%s", frame->function == NULL ? "??" : frame->function,
                             site == NULL ? "" : " (", site == NULL ? "" : site, site == NULL ? "" : ")",
                             frame->inlined ? " [inlined]" : "");
}

const char *leaks_access_title(const leaks_model *model, const leaks_access *access) {
    sentence out;
    sentence_init(&out);
    if (access->count != MODEL_UNKNOWN) {
        sentence_add(&out, "%s x ", unit_count(access->count).text);
    }
    sentence_add(&out, "%s", access->kind);
    sentence_join_text(&out, "thread ", access->thread);
    if (access->hint != NULL) {
        sentence_join(&out, "hint \"%s\"", access->hint);
    }
    return sentence_keep(&out, model->arena);
}
