/* The lines of leaks_holders.h. */
#include "reports/leaks_holders.h"

#include <inttypes.h>
#include <string.h>

#include "reports/sentence.h"
#include "reports/units.h"

enum {
    SITES_MOST = 12 /* in one sentence; more are counted */
};

static uint64_t known(uint64_t count) {
    return count == MODEL_UNKNOWN ? 0 : count;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The file without its folders: it stands in the middle of a line. */
static void add_place(sentence *out, const leaks_frame *frame) {
    sentence_add(out, "%s", frame->function == NULL ? "??" : frame->function);
    if (frame->file != NULL && frame->line != MODEL_UNKNOWN) {
        sentence_add(out, " (%s:%" PRIu64 ")", base_name(frame->file), frame->line);
    } else if (frame->module != NULL && frame->offset != MODEL_UNKNOWN) {
        sentence_add(out, " (%s+0x%" PRIx64 ")", base_name(frame->module), frame->offset);
    } else if (frame->address != NULL) {
        sentence_add(out, " (%s)", frame->address);
    }
}

static void add_site(sentence *out, const leaks_site *site) {
    static const char *const WORDS[][2] = {
        {"slice", "retained slice"}, {"slice_retain", "retain of slice"}, {"slice_release", "release of slice"}};
    const char *words = site->kind;
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        words = strcmp(words, WORDS[i][0]) == 0 ? WORDS[i][1] : words;
    }
    sentence_add(out, "%s at ", words);
    if (site->stack_count == 0) {
        sentence_add(out, "an unknown place");
    } else {
        add_place(out, site->stack[0]);
    }
}

const char *leaks_site_title(const leaks_model *model, const leaks_site *site) {
    sentence out;
    sentence_init(&out);
    add_site(&out, site);
    return sentence_keep(&out, model->arena);
}

const char *leaks_site_thread(const leaks_model *model, const leaks_site *site) {
    if (site->thread == NULL || site->thread[0] == '\0') {
        return site->several_threads ? "several threads" : NULL;
    }
    return model_text_format(model->arena, "%s%s", site->several_threads ? "several threads, last " : "thread ",
                             site->thread);
}

bool leaks_site_is_short(const leaks_group *group, const leaks_site *site) {
    return site->deviant || (group->holders.decided ? known(site->open) > 0 : site->suspect);
}

const char *leaks_holders_balance(const leaks_model *model, const leaks_group *group) {
    const leaks_holders *holders = &group->holders;
    if (!leaks_group_has_holders(group)) {
        return NULL;
    }
    size_t listed = 0;
    size_t more = 0;
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "%s reference%s open: ", unit_count(holders->open).text, sentence_plural(holders->open));
    for (size_t i = 0; i < holders->site_count; i++) {
        if (known(holders->sites[i]->count) == 0 || listed == SITES_MOST) {
            more += known(holders->sites[i]->count) != 0;
            continue;
        }
        sentence_add(&out, listed++ == 0 ? "" : ", ");
        add_site(&out, holders->sites[i]);
        sentence_add(&out, " %s", unit_count(holders->sites[i]->count).text);
    }
    if (more > 0) {
        sentence_add(&out, ", and %zu more site%s", more, sentence_plural(more));
    }
    if (known(holders->elsewhere.taken) + known(holders->elsewhere.given) > 0) {
        sentence_add(&out, "; at sites that were not kept %s taken, %s given back",
                     unit_count(known(holders->elsewhere.taken)).text,
                     unit_count(known(holders->elsewhere.given)).text);
    }
    return sentence_keep(&out, model->arena);
}

static const char *describe_open(const leaks_model *model, const leaks_site *site) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "not given back: %s of %s taken by ", unit_count(site->open).text, unit_count(site->count).text);
    add_site(&out, site);
    if (site->caller_count > 0) {
        sentence_add(&out, ", for ");
        add_place(&out, site->caller[0]);
    }
    const char *thread = leaks_site_thread(model, site);
    sentence_add(&out, "%s%s", thread == NULL ? "" : "; ", thread == NULL ? "" : thread);
    return sentence_keep(&out, model->arena);
}

static const char *describe_deviant(const leaks_model *model, const leaks_group *group, const leaks_site *site) {
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "unusual: ");
    add_site(&out, site);
    sentence_add(&out, ", %s for %s that leaked, but %s for %s that %s released in full", unit_count(site->count).text,
                 unit_count(group->holders.balanced).text, unit_count(site->usual).text,
                 unit_count(group->holders.released_ones).text, group->holders.released_ones == 1 ? "was" : "were");
    return sentence_keep(&out, model->arena);
}

static const char *describe_suspects(const leaks_model *model, const leaks_holders *holders) {
    size_t listed = 0;
    sentence out;
    sentence_init(&out);
    sentence_add(&out, "not given back: %s; the counts do not tell whose:", unit_count(holders->open).text);
    for (size_t i = 0; i < holders->site_count && listed < SITES_MOST; i++) {
        if (holders->sites[i]->suspect) {
            sentence_add(&out, listed++ == 0 ? " " : ", or ");
            add_site(&out, holders->sites[i]);
        }
    }
    if (known(holders->elsewhere.taken) > 0) {
        sentence_add(&out, "%ssites that were not kept", listed == 0 ? " " : ", or ");
    }
    return sentence_keep(&out, model->arena);
}

const char *leaks_holders_verdict(const leaks_model *model, const leaks_group *group, size_t index) {
    const leaks_holders *holders = &group->holders;
    bool has_deviant = false;
    if (!leaks_group_has_holders(group)) {
        return NULL;
    }
    for (size_t i = 0; i < holders->site_count; i++) {
        has_deviant = has_deviant || holders->sites[i]->deviant;
        if (holders->decided && known(holders->sites[i]->open) > 0 && index-- == 0) {
            return describe_open(model, holders->sites[i]);
        }
    }
    for (size_t i = 0; i < holders->site_count; i++) {
        if (holders->sites[i]->deviant && index-- == 0) {
            return describe_deviant(model, group, holders->sites[i]);
        }
    }
    if (!holders->decided && !has_deviant && index-- == 0) {
        return describe_suspects(model, holders);
    }
    if (known(holders->unbalanced) > 0 && index-- == 0) {
        return model_text_format(model->arena,
                                 "%s of the group are in no balance: their accesses were not recorded all the time",
                                 unit_count(holders->unbalanced).text);
    }
    return NULL;
}
