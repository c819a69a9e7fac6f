/* Matching rules and applying them to a report; reading the file. suppress_parse.c cuts it into rules. */
#include "suppress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <poolbuf/options.h>

#include "message.h"
#include "suppress_frames.h"

/* --- matching --------------------------------------------------------------------------------------------------- */

/* What a pattern's bytes mean besides themselves. */
typedef struct glob_rules {
    bool free_start, free_end; /* as if a `*` stood there */
    bool question;             /* `?` is any one byte */
} glob_rules;

/* Walks both at once. After a mismatch the last `*` takes one byte more: earlier ones need not, since what stands
 * between two of them is found at its first place already. So the cost is at most the product of both lengths. */
static bool glob(const char *pattern, size_t length, const char *text, glob_rules rules) {
    size_t at = 0;
    bool starred = rules.free_start;
    size_t star = 0; /* where the pattern goes on behind the last `*` */
    const char *taken = text;
    while (true) {
        if (at == length && (rules.free_end || *text == '\0')) {
            return true;
        }
        if (at < length && pattern[at] == '*') {
            starred = true;
            star = ++at;
            taken = text;
        } else if (at < length && *text != '\0' && (pattern[at] == *text || (rules.question && pattern[at] == '?'))) {
            at++;
            text++;
        } else if (starred && *taken != '\0') {
            text = ++taken;
            at = star;
        } else {
            return false;
        }
    }
}

bool suppress_text_matches(const char *pattern, const char *text) {
    if (text == NULL || *text == '\0') {
        return false;
    }
    bool from_start = pattern[0] == '^';
    pattern += from_start;
    size_t length = strlen(pattern);
    bool to_end = length > 0 && pattern[length - 1] == '$';
    return glob(pattern, length - to_end, text, (glob_rules){.free_start = !from_start, .free_end = !to_end});
}

bool suppress_whole_matches(const char *pattern, const char *text) {
    return text != NULL && glob(pattern, strlen(pattern), text, (glob_rules){.question = true});
}

static const char *base_name(const char *path) {
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

bool suppress_place_matches(const suppress_place *place, const symbol_frame *frame) {
    switch (place->kind) {
    case SUPPRESS_ANYWHERE:
        return suppress_text_matches(place->pattern, frame->function) ||
               suppress_text_matches(place->pattern, frame->symbol) ||
               suppress_text_matches(place->pattern, frame->file) ||
               suppress_text_matches(place->pattern, frame->module);
    case SUPPRESS_FUNCTION:
        return suppress_whole_matches(place->pattern, frame->function) ||
               suppress_whole_matches(place->pattern, frame->symbol);
    case SUPPRESS_OBJECT:
        return suppress_whole_matches(place->pattern, frame->module);
    case SUPPRESS_SOURCE:
        return (place->source_line == 0 || place->source_line == frame->line) &&
               (suppress_whole_matches(place->pattern, frame->file) ||
                suppress_whole_matches(place->pattern, base_name(frame->file)));
    case SUPPRESS_ANY_FRAMES:
        break;
    }
    return true;
}

/* Places against the frames from the innermost on, with `...` as the star: the same walk as glob(). */
static bool places_match(const suppress_place *places, size_t count, const report_frames *stack) {
    size_t at = 0;
    size_t frame = 0;
    bool starred = false;
    size_t star = 0;
    size_t taken = 0;
    while (at < count) {
        if (places[at].kind == SUPPRESS_ANY_FRAMES) {
            starred = true;
            star = ++at;
            taken = frame;
        } else if (frame < stack->count && suppress_place_matches(&places[at], stack->items[frame])) {
            at++;
            frame++;
        } else if (starred && taken < stack->count) {
            frame = ++taken;
            at = star;
        } else {
            return false;
        }
    }
    return true;
}

bool suppress_matches(const suppress_file *self, const suppress_rule *rule, const report_frames *stack) {
    const suppress_place *places = (const suppress_place *)self->places.items + rule->first_place;
    if (places->kind == SUPPRESS_ANYWHERE) {
        for (size_t i = 0; i < stack->count; i++) {
            if (suppress_place_matches(places, stack->items[i])) {
                return true;
            }
        }
        return false;
    }
    for (size_t without = 0; without <= rule->allocator_places; without++) {
        if (places_match(places + without, rule->place_count - without, stack)) {
            return true;
        }
    }
    return false;
}

/* --- applying --------------------------------------------------------------------------------------------------- */

/* What an application works with; `owners` has the rule of each group, plus 1, and 0 for none. */
typedef struct application {
    suppress_file *file;
    report *target;
    report_suppression *done; /* by rule */
    uint32_t *owners;
    int64_t today;
    suppress_frames frames;
} application;

static bool is_buffer(const report_group *group) {
    return strcmp(group->type, "poolbuf") == 0;
}

/* The first rule that matches and has not expired; else the first that matches. */
static uint32_t find_owner(application *self, const report_group *group) {
    const suppress_rule *rules = self->file->rules.items;
    const suppress_place *places = self->file->places.items;
    uint32_t expired = 0;
    suppress_frames_choose(&self->frames, &group->frames);
    for (size_t i = suppress_frames_next(&self->frames, 0); i < self->file->rules.count;
         i = suppress_frames_next(&self->frames, i + 1)) {
        const bool over = self->today > rules[i].until_day;
        const bool is_block = places[rules[i].first_place].kind != SUPPRESS_ANYWHERE;
        if ((over && expired != 0) || (is_block && !suppress_matches(self->file, &rules[i], &group->frames))) {
            continue;
        }
        if (!over) {
            return (uint32_t)i + 1;
        }
        expired = (uint32_t)i + 1;
    }
    return expired;
}

static bool list_rules(application *self) {
    const suppress_rule *rules = self->file->rules.items;
    for (size_t i = 0; i < self->file->rules.count; i++) {
        report_suppression *fresh = memory_array_next(&self->target->suppressions, sizeof *fresh);
        if (fresh == NULL) {
            return false;
        }
        *fresh = (report_suppression){.line = rules[i].line,
                                      .rule = rules[i].name,
                                      .until = rules[i].until,
                                      .reason = rules[i].reason,
                                      .limit_count = rules[i].limit_count,
                                      .limit_bytes = rules[i].limit_bytes};
    }
    self->done = self->target->suppressions.items;
    return true;
}

static void find_owners(application *self) {
    const report_group *groups = self->target->groups.items;
    suppress_rule *rules = self->file->rules.items;
    for (size_t i = 0; i < self->target->groups.count; i++) {
        self->owners[i] = find_owner(self, &groups[i]);
        if (self->owners[i] != 0) {
            report_suppression *done = &self->done[self->owners[i] - 1];
            rules[self->owners[i] - 1].matched = true;
            done->groups++;
            done->count += groups[i].count;
            done->bytes = sizes_sum(done->bytes, groups[i].bytes);
        }
    }
    /* Limits count what was tracked: of a sample that is the least that there can be, so a limit that is passed is. */
    for (size_t i = 0; i < self->file->rules.count; i++) {
        self->done[i].matched = rules[i].matched;
        bool passed = self->done[i].count > rules[i].limit_count || self->done[i].bytes > rules[i].limit_bytes;
        self->done[i].state = self->today > rules[i].until_day ? SUPPRESSION_EXPIRED
                              : passed                         ? SUPPRESSION_LIMIT_PASSED
                              : rules[i].matched               ? SUPPRESSION_USED
                                                               : SUPPRESSION_UNUSED;
    }
}

/* The exact counters know no stacks, so what is suppressed is taken off them by number. Sampled groups stand for more
 * than was tracked: their estimate is taken off, and, where no other leak is left to explain the rest, what they exceed in
 * one of 10,000 runs, so that a program whose every known leak is suppressed is not accused of what the sample missed of
 * it. The 95 % interval would accuse one run in 40. What is beyond it would hide no other leak that the sample does not
 * show by itself. */
static void take_off_exact(report *self, const report_group *suppressed, size_t count) {
    const report_group *groups = self->groups.items;
    uint64_t listed = 0;
    uint64_t listed_bytes = 0;
    double buffers = 0;
    double bytes = 0;
    for (size_t i = 0; i < self->groups.count; i++) {
        listed += is_buffer(&groups[i]) ? groups[i].count : 0;
        listed_bytes += is_buffer(&groups[i]) ? groups[i].bytes : 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_buffer(&suppressed[i])) {
            double stands_for = listed == 0 ? suppressed[i].most : suppressed[i].total.value;
            stands_for = stands_for < (double)suppressed[i].count ? (double)suppressed[i].count : stands_for;
            buffers += stands_for;
            bytes += stands_for * ((double)suppressed[i].bytes / (double)suppressed[i].count);
        }
    }
    uint64_t room = self->exact.live_buffers > listed ? self->exact.live_buffers - listed : 0;
    uint64_t room_bytes = self->exact.live_bytes > listed_bytes ? self->exact.live_bytes - listed_bytes : 0;
    self->suppressed_buffers = buffers + 0.5 < (double)room ? (uint64_t)(buffers + 0.5) : room;
    self->suppressed_bytes = bytes + 0.5 < (double)room_bytes ? (uint64_t)(bytes + 0.5) : room_bytes;
    if (self->suppressed_buffers == self->exact.live_buffers) {
        self->suppressed_bytes = self->exact.live_bytes;
    }
}

/* Moves suppressed groups behind the others; both keep their order. Without memory for that, nothing is suppressed. */
static void part_groups(application *self) {
    report *target = self->target;
    report_group *groups = target->groups.items;
    size_t count = target->groups.count;
    report_group *aside = memory_map(count * sizeof *aside);
    size_t kept = 0;
    size_t set_aside = 0;
    if (aside == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        report_suppression *done = self->owners[i] == 0 ? NULL : &self->done[self->owners[i] - 1];
        if (done != NULL && done->state == SUPPRESSION_USED) {
            aside[set_aside++] = groups[i];
        } else {
            groups[kept] = groups[i];
            groups[kept++].lifted = done;
        }
    }
    memcpy(groups + kept, aside, set_aside * sizeof *aside);
    memory_unmap(aside, count * sizeof *aside);
    target->groups.count = kept;
    target->suppressed_groups = set_aside;
    if (target->exact.known && set_aside > 0) {
        take_off_exact(target, groups + kept, set_aside);
    }
}

void suppress_apply(suppress_file *self, report *target, int64_t today) {
    application work = {.file = self, .target = target, .today = today};
    size_t bytes = (target->groups.count + 1) * sizeof *work.owners;
    if (target->suppressions_path != NULL) {
        return; /* applied already */
    }
    target->suppressions_path = self->path;
    target->suppressions_passed_over = self->passed_over;
    if (!list_rules(&work) || self->rules.count == 0) {
        return;
    }
    work.owners = memory_map(bytes);
    if (work.owners == NULL || !suppress_frames_init(&work.frames, self)) {
        memory_unmap(work.owners, bytes);
        return; /* benign: too much is reported rather than too little */
    }
    find_owners(&work);
    if (target->groups.count > 0) {
        part_groups(&work);
    }
    suppress_frames_fini(&work.frames);
    memory_unmap(work.owners, bytes);
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static bool refuse(suppress_file *self, suppress_complain *complain, void *context, const char *why) {
    char text[640];
    self->faults++;
    snprintf(text, sizeof text, "%.400s: %s; POOLBUF_LEAK_SUPPRESSIONS names a file of rules; nothing is suppressed",
             self->path, why);
    complain(context, text);
    return false;
}

/* All of the file, or nothing. */
static bool load(suppress_file *self, size_t *length, suppress_complain *complain, void *context) {
    struct stat facts;
    /* A pipe would be empty for the next process that reads it, and may never end: only files will do. */
    int descriptor = open(self->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0 || fstat(descriptor, &facts) != 0) {
        int error = errno;
        if (descriptor >= 0) {
            close(descriptor);
        }
        return refuse(self, complain, context, strerror(error));
    }
    bool fits = facts.st_size <= SUPPRESS_FILE_BYTES;
    size_t wanted = S_ISREG(facts.st_mode) && fits ? (size_t)facts.st_size : 0;
    self->text_bytes = wanted + 1;
    self->text = memory_map(self->text_bytes);
    ssize_t got = 1;
    *length = 0;
    while (self->text != NULL && got > 0 && *length < wanted) {
        got = read(descriptor, self->text + *length, wanted - *length);
        *length += got > 0 ? (size_t)got : 0;
    }
    int error = got < 0 ? errno : 0;
    close(descriptor);
    if (!S_ISREG(facts.st_mode)) {
        return refuse(self, complain, context, S_ISDIR(facts.st_mode) ? strerror(EISDIR) : "this is no regular file");
    }
    if (!fits) {
        return refuse(self, complain, context, "it is larger than 1 MiB");
    }
    if (self->text == NULL || error != 0) {
        return refuse(self, complain, context, strerror(self->text == NULL ? ENOMEM : error));
    }
    return true;
}

_Static_assert(SUPPRESS_FILE_BYTES == 1 << 20, "the complaint about a large file says so");

void suppress_read(suppress_file *self, const char *path, suppress_complain *complain, void *context) {
    size_t length;
    *self = (suppress_file){.path = path};
    if (load(self, &length, complain, context)) {
        suppress_parse(self, length, complain, context);
    }
}

void suppress_fini(suppress_file *self) {
    memory_array_fini(&self->rules);
    memory_array_fini(&self->places);
    memory_unmap(self->text, self->text_bytes);
    *self = (suppress_file){0};
}

/* --- the rules of this process ----------------------------------------------------------------------------------- */

static suppress_file current; /* written by suppress_start(), before there are threads; then under the report lock */

static void complain_on_stderr(void *context, const char *line) {
    (void)context;
    message_print("%s", line);
}

void suppress_start(void) {
    const char *path = NULL;
    bool strict = false;
    (void)poolbuf_option_read_text("POOLBUF_LEAK_SUPPRESSIONS", &path);
    (void)poolbuf_option_read_flag("POOLBUF_STRICT", &strict);
    if (path == NULL) {
        return;
    }
    char *kept = memory_map(strlen(path) + 1); /* setenv() by the program may take the environment's own text away */
    if (kept == NULL) {
        return;
    }
    memcpy(kept, path, strlen(path) + 1);
    suppress_read(&current, kept, complain_on_stderr, NULL);
    if (current.faults > 0 && strict) {
        _exit(2); /* as for an illegal option: no destructor may report leaks of a run that has not begun */
    }
}

suppress_file *suppress_current(void) {
    return current.path == NULL ? NULL : &current;
}
