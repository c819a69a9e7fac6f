/* The report for people: what leaked, how sure that is, where it was allocated, who used it last, what to run next. */
#include "holders.h"
#include "report.h"
#include "stack_table.h"

#include <inttypes.h>
#include <string.h>

static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

/* "1,234,567" in a ring of four buffers, so that one call of fprintf() can show a few. */
static const char *grouped(uint64_t value) {
    static _Thread_local char ring[4][32];
    static _Thread_local unsigned next;
    char *text = ring[next++ % 4];
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *at = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

/* How many bytes at `at` would move the cursor of whoever reads them, or turn the direction of writing: control characters, of
 * ASCII and of Unicode, and Unicode's marks, embeddings and isolations; 0: none. */
static size_t unsafe_length(const unsigned char *at) {
    if (at[0] != '\0' && (at[0] < 0x20 || at[0] == 0x7f)) {
        return 1;
    }
    if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
        return 2;
    }
    const bool is_turn =
        at[0] == 0xe2 && ((at[1] == 0x80 && ((at[2] >= 0xaa && at[2] <= 0xae) || at[2] == 0x8e || at[2] == 0x8f)) ||
                          (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
    return is_turn ? 3 : 0;
}

/* A name that is the program's, or a file's: its control characters could fake a line. */
static void write_name(FILE *out, const char *name) {
    size_t unsafe = 0;
    for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; at++) {
        unsafe = unsafe > 0 ? unsafe : unsafe_length(at);
        if (unsafe > 0) {
            fprintf(out, "\\x%02x", *at);
            unsafe--;
        } else {
            fputc(*at, out);
        }
    }
}

static void write_age(FILE *out, uint64_t ms) {
    if (ms < 10000) {
        fprintf(out, "%" PRIu64 " ms", ms);
    } else {
        fprintf(out, "%" PRIu64 " s", ms / 1000);
    }
}

/* Optimisers give no line to what they made of several. */
static void write_line(const symbol_frame *frame, FILE *out) {
    if (frame->line != 0) {
        fprintf(out, ":%u", frame->line);
    }
}

void report_write_frames(const report_frames *frames, const char *indent, FILE *out) {
    if (frames->count == 0) {
        fprintf(out, "%s(no stack)\n", indent);
    }
    for (size_t i = 0; i < frames->count; i++) {
        const symbol_frame *frame = frames->items[i];
        fputs(indent, out);
        if (frame->function != NULL) {
            write_name(out, frame->function);
        } else {
            fprintf(out, "0x%" PRIxPTR, frame->address);
        }
        if (frame->file != NULL) {
            fputs("  ", out);
            write_name(out, frame->file);
            write_line(frame, out);
        } else {
            fputs("  (", out);
            write_name(out, frame->module == NULL ? "no module" : frame->module);
            fprintf(out, "+0x%" PRIx64 ")", frame->offset);
        }
        fputs(frame->inlined ? "  [inlined]\n" : "\n", out);
    }
}

void report_write_place(const symbol_frame *frame, FILE *out) {
    if (frame->function != NULL) {
        write_name(out, frame->function);
    } else {
        fprintf(out, "0x%" PRIxPTR, frame->address);
    }
    const char *path = frame->file != NULL ? frame->file : frame->module;
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    fputs(" (", out);
    write_name(out, path == NULL ? "no module" : slash == NULL ? path : slash + 1);
    if (frame->file != NULL) {
        write_line(frame, out);
        fputc(')', out);
    } else {
        fprintf(out, "+0x%" PRIx64 ")", frame->offset);
    }
}

/* A name for what a type's members are called in a sentence. */
static const char *noun(const report_group *group) {
    return strcmp(group->type, "poolbuf") == 0 ? "buffer" : group->type[0] == '\0' ? "resource" : group->type;
}

static void write_accesses(const report_group *group, FILE *out) {
    for (size_t i = 0; i < group->access_count; i++) {
        const report_access *access = &group->accesses[i];
        fprintf(out, "  %s %s", i == 0 ? "last access:" : "before that:", report_access_name(access->kind));
        if (access->hint != NULL) {
            fputs(" \"", out);
            write_name(out, access->hint);
            fputc('"', out);
        }
        fprintf(out, ", %s time%s, thread ", grouped(access->count), plural(access->count));
        write_name(out, access->thread);
        fputc('\n', out);
        report_write_frames(&access->frames, "      ", out);
    }
    if (group->accesses_dropped > 0) {
        fprintf(out, "  and %s more access%s, not kept (POOLBUF_LEAK_TARGET_RECORDS)\n",
                grouped(group->accesses_dropped), group->accesses_dropped == 1 ? "" : "es");
    }
}

/* line 3, "leak:cache_*" */
static void write_rule(const report_suppression *rule, FILE *out) {
    fprintf(out, "line %u, \"", rule->line);
    write_name(out, rule->rule);
    fputc('"', out);
}

static void write_lifted_how(const report_suppression *rule, FILE *out) {
    if (rule->state == SUPPRESSION_EXPIRED) {
        fputs("has expired: until=", out);
        write_name(out, rule->until);
        return;
    }
    bool by_count = rule->count > rule->limit_count;
    fprintf(out, "has passed its limit: %s=%s, ", by_count ? "limit" : "bytes",
            grouped(by_count ? rule->limit_count : rule->limit_bytes));
    fprintf(out, "found %s%s", grouped(by_count ? rule->count : rule->bytes), by_count ? "" : " bytes");
}

static void write_lifted(const report *self, const report_suppression *rule, FILE *out) {
    if (rule != NULL) {
        fputs("  not suppressed: ", out);
        write_name(out, self->suppressions_path);
        fputs(", ", out);
        write_rule(rule, out);
        fputs(", ", out);
        write_lifted_how(rule, out);
        fputs("\n", out);
    }
}

/* "retain at session_open (session.c:41)" */
static void write_site(const holders_site *site, FILE *out) {
    const symbol_frame *frame = site->frames.count == 0 ? NULL : site->frames.items[0];
    static const char *const WORDS[] = {"allocation",     "retain",          "release",
                                        "retained slice", "retain of slice", "release of slice"};
    fprintf(out, "%s at ", WORDS[site->kind]);
    if (frame == NULL) {
        fputs("(no stack)", out);
    } else {
        report_write_place(frame, out);
    }
}

static void write_site_thread(const holders_site *site, FILE *out) {
    fputs(site->several_threads ? "several threads, last " : "thread ", out);
    write_name(out, name_get(site->thread_name));
    fprintf(out, " (%" PRIu32 ")", site->thread_id);
}

static void write_open(const holders_site *site, FILE *out) {
    fprintf(out, "  not given back: %s of %s taken by ", grouped(site->open), grouped(site->count));
    write_site(site, out);
    if (site->caller != NULL) {
        fputs(", for ", out);
        report_write_place(site->caller, out);
        fprintf(out, ", which took %s", grouped(site->caller_count));
    }
    fputs("; ", out);
    write_site_thread(site, out);
    fputc('\n', out);
}

/* "unusual: release at parse (parse.c:7), 0 for these 5; the 45 released ones had 45 there" */
static void write_deviant(const holders *self, uint64_t leaked, FILE *out) {
    const holders_site *site = &self->sites[self->deviant];
    fputs("  unusual: ", out);
    write_site(site, out);
    fprintf(out, ", %s for %s that leaked, but %s for %s that %s released in full\n", grouped(site->count),
            grouped(leaked), grouped(site->usual), grouped(self->closed), self->closed == 1 ? "was" : "were");
}

/* Where counts alone do not tell which site is short. */
static void write_suspects(const holders *self, FILE *out) {
    size_t listed = 0;
    fprintf(out, "  not given back: %s; the counts do not tell whose:", grouped(self->open));
    for (size_t i = 0; i < self->site_count && listed < HOLDERS_TEXT_SITES; i++) {
        if (self->sites[i].suspect) {
            fputs(listed++ == 0 ? " " : ", or ", out);
            write_site(&self->sites[i], out);
        }
    }
    if (self->taken_elsewhere > 0) {
        fprintf(out, "%s%s", listed == 0 ? " " : ", or ", "sites that were not kept");
    }
    fputc('\n', out);
}

static void write_holders(const report_group *group, FILE *out) {
    const holders *self = group->holders;
    if (self == NULL) {
        return;
    }
    fprintf(out, "  holders: %s reference%s open: ", grouped(self->open), plural(self->open));
    size_t listed = 0;
    size_t more = 0;
    for (size_t i = 0; i < self->site_count; i++) {
        if (self->sites[i].count == 0 || listed == HOLDERS_TEXT_SITES) {
            more += self->sites[i].count != 0;
            continue;
        }
        fputs(listed++ == 0 ? "" : ", ", out);
        write_site(&self->sites[i], out);
        fprintf(out, " %s", grouped(self->sites[i].count));
    }
    if (more > 0) {
        fprintf(out, ", and %zu more site%s", more, plural(more));
    }
    fputc('\n', out);
    if (self->taken_elsewhere + self->given_elsewhere > 0) {
        fprintf(out, "  and at more sites than are kept: %s taken, %s given back\n", grouped(self->taken_elsewhere),
                grouped(self->given_elsewhere));
    }
    for (size_t i = 0; self->decided && i < self->site_count; i++) {
        if (self->sites[i].open > 0) {
            write_open(&self->sites[i], out);
        }
    }
    if (self->deviant < self->site_count) {
        write_deviant(self, group->balanced, out);
    } else if (!self->decided) {
        write_suspects(self, out);
    }
    if (group->unbalanced > 0) {
        fprintf(out, "  and %s of the group in no balance: their accesses were not recorded all the time\n",
                grouped(group->unbalanced));
    }
}

static void write_growth(const report *self, const report_group *group, FILE *out) {
    fprintf(out, ", %s%s", group->grown_count < 0 ? "-" : "+",
            grouped((uint64_t)(group->grown_count < 0 ? -group->grown_count : group->grown_count)));
    fprintf(out, " and %s%s ", group->grown_bytes < 0 ? "-" : "+",
            grouped((uint64_t)(group->grown_bytes < 0 ? -group->grown_bytes : group->grown_bytes)));
    write_name(out, group->unit == NULL ? "bytes" : group->unit);
    fputs(" since", out);
    if (report_is_sampled(self) && group->grown_estimate > (double)group->grown_count + 0.5) {
        fprintf(out, " (about +%s)", grouped((uint64_t)(group->grown_estimate + 0.5)));
    }
    if (group->known_before) {
        fprintf(out, ", %s newer", grouped(group->tracked_since));
    } else {
        fputs(", none before", out);
    }
}

static void write_group(const report *self, const report_group *group, size_t number, FILE *out) {
    fprintf(out, "\n#%zu  %s ", number, grouped(group->count));
    write_name(out, noun(group));
    fputs(plural(group->count), out);
    if (group->bytes > 0) {
        fprintf(out, ", %s ", grouped(group->bytes));
        write_name(out, group->unit == NULL ? "bytes" : group->unit);
    }
    if (report_is_sampled(self) && group->total.high > group->total.low) {
        fprintf(out, ", sampled of about %s (95 %%: %s to %s)", grouped((uint64_t)(group->total.value + 0.5)),
                grouped((uint64_t)(group->total.low + 0.5)), grouped((uint64_t)(group->total.high + 0.5)));
    }
    if (self->since != 0) {
        write_growth(self, group, out);
    }
    if (group->sizes.least != group->sizes.greatest) {
        fprintf(out, "; sizes %s to %s, median %s%s", grouped(group->sizes.least), grouped(group->sizes.greatest),
                group->sizes.rounded ? "about " : "", grouped(sizes_median(&group->sizes)));
    }
    fputs("; age ", out);
    write_age(out, group->newest_ms);
    if (group->newest_ms != group->oldest_ms) {
        fputs(" to ", out);
        write_age(out, group->oldest_ms);
    }
    fputs("; thread ", out);
    write_name(out, group->thread);
    fprintf(out, "; fingerprint %016" PRIx64 "\n  allocated at\n", group->fingerprint);
    report_write_frames(&group->frames, "      ", out);
    for (size_t i = 0; i < group->member_count; i++) {
        fputs(i == 0 ? "  such as: " : "      and: ", out);
        write_name(out, group->members[i].text);
        fputc('\n', out);
    }
    write_holders(group, out);
    if (group->lost > 0) {
        fprintf(out, "  %s of them lost: nothing in the process refers to them any more\n", grouped(group->lost));
    }
    write_accesses(group, out);
    write_lifted(self, group->lifted, out);
}

static bool lists_buffers_alone(const report *self) {
    const report_group *groups = self->groups.items;
    size_t buffers = 0;
    for (size_t i = 0; i < self->groups.count; i++) {
        buffers += strcmp(groups[i].type, "poolbuf") == 0;
    }
    return buffers > 0 && buffers == self->groups.count;
}

static void write_heading(const report *self, FILE *out) {
    uint64_t leaked = report_leaked(self);
    if (self->since != 0) {
        fprintf(out, "poolbuf: %s call stack%s hold%s more than at checkpoint %" PRIu64 ", ",
                grouped(self->groups.count), plural(self->groups.count), self->groups.count == 1 ? "s" : "",
                self->since);
        write_age(out, self->since_ms);
        fputs(" ago", out);
    } else if (self->older_than_ms != 0) {
        fprintf(out, "poolbuf: %s tracked and alive for ", grouped(leaked));
        write_age(out, self->older_than_ms);
        fputs(" or longer", out);
    } else if (report_is_live(self)) {
        fprintf(out, "poolbuf: %s tracked and alive", grouped(leaked));
    } else if (leaked == 0) {
        fputs("poolbuf: no leaks", out);
    } else if (report_live_buffers(self) > 0) {
        fprintf(out, "poolbuf: LEAK: %s buffer%s never released, holding %s bytes", grouped(report_live_buffers(self)),
                plural(report_live_buffers(self)), grouped(report_live_bytes(self)));
    } else {
        /* Of a forked child's buffers there is no exact count; what is listed are buffers all the same. */
        fprintf(out, "poolbuf: LEAK: %s %s%s never released", grouped(leaked),
                lists_buffers_alone(self) ? "buffer" : "resource", plural(leaked));
    }
    fprintf(out, "; %s, process %ld, level %s", self->reason, self->pid, self->level);
    if (report_is_sampled(self)) {
        bool by_bytes = self->sampling_bytes != 0;
        fprintf(out, ", 1 in %s%s", grouped(by_bytes ? self->sampling_bytes : self->sampling_interval),
                by_bytes ? " bytes" : "");
        fputs(strcmp(self->level, "paranoid") == 0 ? " before it was raised" : "", out);
    }
    fputs("\n", out);
}

static void write_used(const report *self, FILE *out) {
    const report_suppression *rules = self->suppressions.items;
    for (size_t i = 0; i < self->suppressions.count; i++) {
        if (rules[i].groups == 0) {
            continue;
        }
        fputs("  ", out);
        write_rule(&rules[i], out);
        fprintf(out, ": %s call stack%s, %s tracked, %s bytes", grouped(rules[i].groups), plural(rules[i].groups),
                grouped(rules[i].count), grouped(rules[i].bytes));
        if (rules[i].reason != NULL) {
            fputs("; ", out);
            write_name(out, rules[i].reason);
        }
        if (rules[i].state != SUPPRESSION_USED) {
            fputs("; reported, because the rule ", out);
            write_lifted_how(&rules[i], out);
        }
        fputs("\n", out);
    }
}

/* Before the end of the process, a rule that has matched nothing may do so yet. */
static void write_unused(const report *self, FILE *out) {
    const report_suppression *rules = self->suppressions.items;
    size_t unused = 0;
    for (size_t i = 0; i < self->suppressions.count && strcmp(self->reason, "process exit") == 0; i++) {
        bool never =
            rules[i].state == SUPPRESSION_UNUSED || (rules[i].state == SUPPRESSION_EXPIRED && !rules[i].matched);
        if (never && ++unused <= REPORT_TEXT_GROUPS) {
            fputs(unused == 1 ? "  matched nothing: " : "; ", out);
            write_rule(&rules[i], out);
            fputs(rules[i].state == SUPPRESSION_EXPIRED ? " (expired)" : "", out);
        }
    }
    if (unused > REPORT_TEXT_GROUPS) {
        fprintf(out, "; and %zu more", unused - REPORT_TEXT_GROUPS);
    }
    fputs(unused > 0 ? "\n" : "", out);
}

static void write_suppressions(const report *self, FILE *out) {
    if (self->suppressions_path == NULL) {
        return;
    }
    fputs("\nSuppressions of ", out);
    write_name(out, self->suppressions_path);
    fprintf(out, ": %s call stack%s suppressed", grouped(self->suppressed_groups), plural(self->suppressed_groups));
    if (self->suppressions_passed_over > 0) {
        fprintf(out, "; %s rule%s not about leaks passed over", grouped(self->suppressions_passed_over),
                plural(self->suppressions_passed_over));
    }
    fputs("\n", out);
    write_used(self, out);
    write_unused(self, out);
}

/* What a sample of this density cannot have missed. */
static void write_certainty(const report *self, FILE *out) {
    uint64_t buffers = estimate_certain(self->largest_weight_buffers);
    uint64_t resources = estimate_certain(self->largest_weight_resources);
    if (self->was_disabled && report_is_sampled(self)) {
        fputs("The level was disabled for a part of the run: what was allocated then is in no sample.\n", out);
        return;
    }
    if (buffers > 1) {
        fprintf(out, "A site that leaked at least %s buffers would have been seen with 99 %% probability.\n",
                grouped(buffers));
    }
    if (resources > 1) {
        fprintf(out, "A site that leaked at least %s other resources would have been seen with 99 %% probability.\n",
                grouped(resources));
    }
}

/* What leaked and is in no group. */
static void write_unseen(const report *self, FILE *out) {
    const uint64_t unseen = report_unseen_buffers(self);
    const char *level = "paranoid";
    if (unseen == 0) {
        return;
    }
    if (self->groups.count > 0) {
        fprintf(out, "%s buffer%s %s ", grouped(unseen), plural(unseen), unseen == 1 ? "is" : "are");
        fprintf(out, "in no group: %s. To see where:\n",
                report_is_sampled(self) ? "the sample has none of them" : "allocated while the level was disabled");
    } else if (report_is_sampled(self)) {
        fprintf(out, "None of them is in the sample. To see where they were allocated:\n");
    } else if (self->tracked.refused > 0) {
        fprintf(out,
                "They were allocated when the tracker's table was full, which has room for a sample. To see where:\n");
        level = "simple";
    } else {
        fprintf(out, "They were allocated before the level was raised. To see where:\n");
    }
    fprintf(out, "    POOLBUF_LEAK_LEVEL=%s %s\n    poolbuf leaks --level %s -- %s\n", level, self->command, level,
            self->command);
}

void report_write_text(const report *self, FILE *out) {
    const report_group *groups = self->groups.items;
    write_heading(self, out);
    for (size_t i = 0; i < self->groups.count && i < REPORT_TEXT_GROUPS; i++) {
        write_group(self, &groups[i], i + 1, out);
    }
    if (self->groups.count > REPORT_TEXT_GROUPS) {
        size_t more = self->groups.count - REPORT_TEXT_GROUPS;
        fprintf(out, "\nand %zu more call stack%s: POOLBUF_LEAK_REPORT=leaks.json has all of them\n", more,
                plural(more));
    }
    if (self->not_listed > 0) {
        fprintf(out, "and %s that found no room in this report\n", grouped(self->not_listed));
    }
    if (self->tracked.refused > 0) {
        fprintf(out, "%s allocations were not tracked: the tracker's table is full\n", grouped(self->tracked.refused));
    }
    if (self->inherited > 0 && self->groups.count > 0) {
        fprintf(out, "%s inherited from the parent process by fork are not listed\n", grouped(self->inherited));
    }
    if (self->since != 0) {
        fprintf(out, "%s%s other call stack%s hold%s as much as then, or less\n", self->groups.count == 0 ? "" : "\n",
                grouped(self->not_grown), plural(self->not_grown), self->not_grown == 1 ? "s" : "");
    }
    if (self->since_not_kept > 0) {
        fprintf(out, "%s found no room in the checkpoint: their call stacks seem to have grown\n",
                grouped(self->since_not_kept));
    }
    if (self->misuses.count > 0) {
        fprintf(out, "%s distinct misuse%s of this process: reported when found, and in a report as JSON\n",
                grouped(self->misuses.count), plural(self->misuses.count));
    }
    if (self->missed_references > 0) {
        fprintf(out, "%s references changed hands while the detector was at work on that thread: in no balance\n",
                grouped(self->missed_references));
    }
    write_certainty(self, out);
    write_unseen(self, out);
    write_suppressions(self, out);
}
