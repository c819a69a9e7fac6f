/* See leaks_suppressions.h. */
#include "reports/leaks_suppressions.h"

#include <string.h>

#include "reports/sentence.h"
#include "reports/units.h"

enum {
    UNUSED_MOST = 20 /* named in a sentence; more are counted */
};

static const char UNUSED[] = "unused";
static const char USED[] = "used";

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static uint64_t known(uint64_t count) {
    return count == MODEL_UNKNOWN ? 0 : count;
}

/* Both are at most INT64_MAX, so their sum does not wrap. */
static uint64_t sum(uint64_t a, uint64_t b) {
    uint64_t all = known(a) + known(b);
    return all > INT64_MAX ? INT64_MAX : all;
}

static leaks_suppression *find(const leaks_model *model, const leaks_suppression *like) {
    for (size_t i = 0; i < model->suppression_count; i++) {
        leaks_suppression *rule = model->suppressions[i];
        if (rule->line == like->line && same_text(rule->rule, like->rule) && same_text(rule->file, like->file)) {
            return rule;
        }
    }
    return NULL;
}

/* A rule that did something in one process is not unused; one whose limit was passed, or that has expired, lets leaks
 * through somewhere, which is what to tell. */
static const char *worse_state(const char *a, const char *b) {
    if (strcmp(a, UNUSED) == 0) {
        return b;
    }
    return strcmp(a, USED) == 0 && strcmp(b, UNUSED) != 0 ? b : a;
}

void leaks_suppressions_merge(leaks_model *into, const leaks_model *from) {
    for (size_t i = 0; i < from->suppression_count; i++) {
        const leaks_suppression *rule = from->suppressions[i];
        leaks_suppression *mine = find(into, rule);
        if (mine != NULL) {
            mine->groups = sum(mine->groups, rule->groups);
            mine->count = sum(mine->count, rule->count);
            mine->bytes = sum(mine->bytes, rule->bytes);
            mine->state = model_text(into->arena, worse_state(mine->state, rule->state));
            continue;
        }
        mine = model_allocate(into->arena, sizeof *mine);
        *mine = *rule;
        mine->file = model_text(into->arena, rule->file);
        mine->rule = model_text(into->arena, rule->rule);
        mine->state = model_text(into->arena, rule->state);
        mine->until = model_text(into->arena, rule->until);
        mine->reason = model_text(into->arena, rule->reason);
        model_append(into->arena, &into->suppressions, &into->suppression_count, mine);
    }
}

leaks_suppressed leaks_model_suppressed(const leaks_model *model) {
    leaks_suppressed total = {0};
    for (size_t i = 0; i < model->process_count; i++) {
        const leaks_suppressed *one = &model->processes[i]->suppressed;
        total.groups = sum(total.groups, one->groups);
        total.live_buffers = sum(total.live_buffers, one->live_buffers);
        total.live_bytes = sum(total.live_bytes, one->live_bytes);
    }
    return total;
}

static uint64_t less(uint64_t all, uint64_t part) {
    return all == MODEL_UNKNOWN ? all : all > part ? all - part : 0;
}

leaks_exact leaks_model_unsuppressed(const leaks_model *model) {
    leaks_exact exact = leaks_model_exact(model);
    leaks_suppressed suppressed = leaks_model_suppressed(model);
    exact.live_buffers = less(exact.live_buffers, suppressed.live_buffers);
    exact.live_bytes = less(exact.live_bytes, suppressed.live_bytes);
    return exact;
}

static const char *describe_rule(const leaks_model *model, const leaks_suppression *rule) {
    const bool holds = strcmp(rule->state, USED) == 0;
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "line %s of %s, \"%s\": %s %s call stack%s, %s tracked (%s)", unit_count(rule->line).text,
                 rule->file == NULL ? "-" : rule->file, rule->rule == NULL ? "" : rule->rule,
                 holds ? "suppresses" : "no longer suppresses", unit_count(rule->groups).text,
                 sentence_plural(rule->groups), unit_count(known(rule->count)).text,
                 unit_byte_count(known(rule->bytes)).text);
    if (!holds) {
        sentence_add(&out, "; %s", rule->state);
        if (rule->limit_count != MODEL_UNKNOWN) {
            sentence_add(&out, ", limit=%s", unit_count(rule->limit_count).text);
        }
        if (rule->limit_bytes != MODEL_UNKNOWN) {
            sentence_add(&out, ", bytes=%s", unit_count(rule->limit_bytes).text);
        }
        sentence_join_text(&out, "until=", rule->until);
    }
    if (rule->reason != NULL) {
        sentence_add(&out, "; %s", rule->reason);
    }
    return sentence_keep(&out, model->arena);
}

static bool is_unused(const leaks_suppression *rule) {
    return known(rule->groups) == 0 && strcmp(rule->state, USED) != 0;
}

static const char *describe_unused(const leaks_model *model) {
    size_t count = 0;
    sentence out;
    sentence_init(&out);
    for (size_t i = 0; i < model->suppression_count; i++) {
        const leaks_suppression *rule = model->suppressions[i];
        if (is_unused(rule) && ++count <= UNUSED_MOST) {
            sentence_add(&out, count == 1 ? "rules that matched nothing: " : ", ");
            sentence_add(&out, "line %s of %s, \"%s\"%s", unit_count(rule->line).text,
                         rule->file == NULL ? "-" : rule->file, rule->rule == NULL ? "" : rule->rule,
                         strcmp(rule->state, UNUSED) == 0 ? "" : " (expired)");
        }
    }
    if (count > UNUSED_MOST) {
        sentence_add(&out, ", and %zu more", count - UNUSED_MOST);
    }
    return sentence_keep(&out, model->arena);
}

const char *leaks_suppressions_facts(const leaks_model *model, size_t index) {
    for (size_t i = 0; i < model->suppression_count; i++) {
        if (known(model->suppressions[i]->groups) != 0 && index-- == 0) {
            return describe_rule(model, model->suppressions[i]);
        }
    }
    return index == 0 ? describe_unused(model) : NULL;
}
