/* The report as JSON, schema poolbuf.leaks/1: every key always there, numbers finite, texts valid UTF-8. */
#include "holders.h"
#include "report.h"
#include "stack_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* The length of the UTF-8 sequence at `at`, or 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut). */
static size_t utf8_length(const unsigned char *at) {
    size_t length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    uint32_t point = length == 1 ? at[0] : length == 0 ? 0 : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | (at[i] & 0x3fu);
    }
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = point >= 0xd800 && point < 0xe000;
    return length == 0 || point < LEAST[length] || surrogate || point > 0x10ffff ? 0 : length;
}

/* A number that the program, or a rule, may have made as large as it likes. Readers of JSON take integers for signed ones
 * of 64 bits, and with a larger one the whole report would be refused. */
static uint64_t readable(uint64_t number) {
    return number < (uint64_t)INT64_MAX ? number : (uint64_t)INT64_MAX;
}

static void write_text(FILE *out, const char *text) {
    if (text == NULL) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        size_t length = utf8_length(at);
        if (length == 0) {
            fputs("\\ufffd", out);
            length = 1;
        } else if (*at == '"' || *at == '\\') {
            fprintf(out, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            fprintf(out, "\\u%04x", *at);
        } else {
            fwrite(at, 1, length, out);
        }
        at += length;
    }
    fputc('"', out);
}

static void write_member(FILE *out, const char *prefix, const char *text) {
    fputs(prefix, out);
    write_text(out, text);
}

static void write_frames(FILE *out, const report_frames *frames, const char *indent) {
    fputs("[", out);
    for (size_t i = 0; i < frames->count; i++) {
        const symbol_frame *frame = frames->items[i];
        fprintf(out, "%s\n%s{\"address\": \"0x%" PRIxPTR "\"", i == 0 ? "" : ",", indent, frame->address);
        write_member(out, ", \"module\": ", frame->module);
        write_member(out, ", \"build_id\": ", frame->build_id);
        fprintf(out, ", \"offset\": %" PRIu64, readable(frame->offset));
        write_member(out, ", \"function\": ", frame->function);
        write_member(out, ", \"file\": ", frame->file);
        if (frame->line == 0) {
            fputs(", \"line\": null", out);
        } else {
            fprintf(out, ", \"line\": %u", frame->line);
        }
        fprintf(out, ", \"inlined\": %s}", frame->inlined ? "true" : "false");
    }
    fputs("]", out);
}

static void write_holders(FILE *out, const report_group *group) {
    const holders *self = group->holders;
    if (self == NULL) {
        fputs(",\n     \"holders\": null", out);
        return;
    }
    fprintf(out,
            ",\n     \"holders\": {\"open\": %" PRIu64 ", \"decided\": %s, \"balanced\": %" PRIu64
            ", \"unbalanced\": %" PRIu64 ", \"elsewhere\": {\"taken\": %" PRIu64 ", \"given\": %" PRIu64
            "}, \"released_ones\": %" PRIu64 ",\n      \"sites\": [",
            self->open, self->decided ? "true" : "false", group->balanced, group->unbalanced, self->taken_elsewhere,
            self->given_elsewhere, self->closed);
    for (size_t i = 0; i < self->site_count; i++) {
        const holders_site *site = &self->sites[i];
        fprintf(out, "%s\n      {\"kind\": \"%s\", \"count\": %" PRIu64 ", \"open\": ", i == 0 ? "" : ",",
                holders_name(site->kind), site->count);
        if (self->decided) {
            fprintf(out, "%" PRIu64, site->open);
        } else {
            fputs("null", out);
        }
        fprintf(out, ", \"suspect\": %s, \"usual\": %" PRIu64 ", \"deviant\": %s", site->suspect ? "true" : "false",
                site->usual, i == self->deviant ? "true" : "false");
        write_member(out, ", \"thread\": ", name_get(site->thread_name));
        fprintf(out, ", \"several_threads\": %s,\n       \"stack\": ", site->several_threads ? "true" : "false");
        write_frames(out, &site->frames, "        ");
        fputs(",\n       \"caller\": ", out);
        const report_frames caller = {.items = (const symbol_frame *[]){site->caller}, .count = site->caller != NULL};
        write_frames(out, &caller, "        ");
        fputs("}", out);
    }
    fputs("]}", out);
}

static void write_growth(FILE *out, const report_group *group) {
    fprintf(out,
            ",\n     \"growth\": {\"count\": %" PRId64 ", \"bytes\": %" PRId64
            ", \"estimated_count\": %.0f, \"newer\": %" PRIu64 ", \"new\": %s}",
            group->grown_count, group->grown_bytes, group->grown_estimate, group->tracked_since,
            group->known_before ? "false" : "true");
}

static void write_descriptions(FILE *out, const report_group *group) {
    if (group->unit != NULL) {
        write_member(out, ",\n     \"unit\": ", group->unit);
    }
    for (size_t i = 0; i < group->member_count; i++) {
        write_member(out, i == 0 ? ",\n     \"descriptions\": [" : ", ", group->members[i].text);
    }
    fputs(group->member_count > 0 ? "]" : "", out);
}

static void write_lifted(FILE *out, const report_suppression *rule) {
    if (rule != NULL) {
        fprintf(out, ",\n     \"lifted_by\": {\"line\": %u", rule->line);
        write_member(out, ", \"rule\": ", rule->rule);
        fprintf(out, ", \"state\": \"%s\"}", report_suppression_name(rule->state));
    }
}

static void write_group(FILE *out, const report *self, const report_group *group) {
    fprintf(out, "    {\"fingerprint\": \"%016" PRIx64 "\"", group->fingerprint);
    write_member(out, ", \"type\": ", group->type);
    fprintf(out, ",\n     \"count\": %" PRIu64 ", \"bytes\": %" PRIu64, group->count, group->bytes);
    fprintf(out, ", \"lost\": %" PRIu64, group->lost);
    fprintf(out, ", \"estimated_count\": {\"value\": %.0f, \"low\": %.0f, \"high\": %.0f}", group->total.value,
            group->total.low, group->total.high);
    fprintf(out, ",\n     \"age_ms\": {\"oldest\": %" PRIu64 ", \"newest\": %" PRIu64 "}", group->oldest_ms,
            group->newest_ms);
    fprintf(out,
            ",\n     \"sizes\": {\"least\": %" PRIu64 ", \"median\": %" PRIu64 ", \"greatest\": %" PRIu64
            ", \"rounded\": %s}",
            group->sizes.least, sizes_median(&group->sizes), group->sizes.greatest,
            group->sizes.rounded ? "true" : "false");
    if (self->since != 0) {
        write_growth(out, group);
    }
    write_descriptions(out, group);
    write_lifted(out, group->lifted);
    write_member(out, ",\n     \"thread\": ", group->thread);
    fputs(",\n     \"allocation_stack\": ", out);
    write_frames(out, &group->frames, "      ");
    fputs(",\n     \"accesses\": [", out);
    for (size_t i = 0; i < group->access_count; i++) {
        const report_access *access = &group->accesses[i];
        fprintf(out, "%s\n      {\"kind\": \"%s\"", i == 0 ? "" : ",", report_access_name(access->kind));
        write_member(out, ", \"hint\": ", access->hint);
        fprintf(out, ", \"count\": %" PRIu64, access->count);
        write_member(out, ", \"thread\": ", access->thread);
        fputs(",\n       \"stack\": ", out);
        write_frames(out, &access->frames, "        ");
        fputs("}", out);
    }
    fprintf(out, "],\n     \"accesses_dropped\": %" PRIu64, group->accesses_dropped);
    write_holders(out, group);
    fputs("}", out);
}

static void write_exact(FILE *out, const report_exact *exact) {
    if (!exact->known) {
        fputs("  \"exact\": {\"live_buffers\": null, \"live_bytes\": null, \"allocated\": null},\n", out);
        return;
    }
    fprintf(out,
            "  \"exact\": {\"live_buffers\": %" PRIu64 ", \"live_bytes\": %" PRIu64 ", \"allocated\": %" PRIu64 "},\n",
            exact->live_buffers, exact->live_bytes, exact->allocated);
}

static void write_limit(FILE *out, const char *name, uint64_t limit) {
    if (limit == UINT64_MAX) {
        fprintf(out, ", \"%s\": null", name);
    } else {
        fprintf(out, ", \"%s\": %" PRIu64, name, readable(limit));
    }
}

static void write_suppressions(FILE *out, const report *self) {
    const report_suppression *rules = self->suppressions.items;
    fprintf(out, "  \"suppressed\": {\"groups\": %zu, \"live_buffers\": %" PRIu64 ", \"live_bytes\": %" PRIu64 "},\n",
            self->suppressed_groups, self->suppressed_buffers, self->suppressed_bytes);
    fputs("  \"suppressions\": [", out);
    for (size_t i = 0; i < self->suppressions.count; i++) {
        const report_suppression *rule = &rules[i];
        write_member(out, i == 0 ? "\n    {\"file\": " : ",\n    {\"file\": ", self->suppressions_path);
        fprintf(out, ", \"line\": %u", rule->line);
        write_member(out, ", \"rule\": ", rule->rule);
        fprintf(out, ", \"state\": \"%s\",\n", report_suppression_name(rule->state));
        fprintf(out, "     \"groups\": %" PRIu64 ", \"count\": %" PRIu64 ", \"bytes\": %" PRIu64, rule->groups,
                rule->count, rule->bytes);
        write_limit(out, "limit_count", rule->limit_count);
        write_limit(out, "limit_bytes", rule->limit_bytes);
        write_member(out, ", \"until\": ", rule->until);
        write_member(out, ", \"reason\": ", rule->reason);
        fputs("}", out);
    }
    fputs(self->suppressions.count == 0 ? "],\n" : "\n  ],\n", out);
}

static void write_misuses(FILE *out, const report *self) {
    const report_misuse *misuses = self->misuses.items;
    fputs("  \"misuses\": [", out);
    for (size_t i = 0; i < self->misuses.count; i++) {
        const report_misuse *one = &misuses[i];
        write_member(out, i == 0 ? "\n    {\"offence\": " : ",\n    {\"offence\": ", one->offence);
        write_member(out, ", \"type\": ", one->type);
        fprintf(out, ", \"count\": %" PRIu64, one->count);
        write_member(out, ",\n     \"thread\": ", one->thread);
        write_member(out, ", \"released_by\": ", one->closer[0] == '\0' ? NULL : one->closer);
        fputs(",\n     \"stack\": ", out);
        write_frames(out, &one->frames, "      ");
        fputs(",\n     \"release_stack\": ", out);
        write_frames(out, &one->close_frames, "      ");
        fputs(",\n     \"allocation_stack\": ", out);
        write_frames(out, &one->allocation_frames, "      ");
        fputs("}", out);
    }
    fputs(self->misuses.count == 0 ? "],\n" : "\n  ],\n", out);
    fprintf(out, "  \"misuses_not_listed\": %" PRIu64 ",\n", self->misuses_not_listed);
}

/* What part of everything is listed, where it is a part. */
static void write_part(FILE *out, const report *self) {
    if (self->older_than_ms != 0) {
        fprintf(out, "  \"older_than_ms\": %" PRIu64 ",\n", readable(self->older_than_ms));
    }
    if (self->since != 0) {
        fprintf(out,
                "  \"since\": {\"checkpoint\": %" PRIu64 ", \"age_ms\": %" PRIu64 ", \"not_kept\": %" PRIu64
                ", \"not_grown\": %" PRIu64 "},\n",
                self->since, self->since_ms, self->since_not_kept, self->not_grown);
    }
}

/* What the sample cannot have missed; nothing is certain of a time in which there was none. */
static void write_certainty(FILE *out, const report *self) {
    if (self->was_disabled) {
        fputs("  \"seen_with_99_percent\": null,\n", out);
        return;
    }
    fprintf(out, "  \"seen_with_99_percent\": {\"buffers\": %" PRIu64 ", \"resources\": %" PRIu64 "},\n",
            estimate_certain(self->largest_weight_buffers), estimate_certain(self->largest_weight_resources));
}

void report_write_json(const report *self, FILE *out) {
    const report_group *groups = self->groups.items;
    fprintf(out, "{\n  \"schema\": \"poolbuf.leaks/1\",\n  \"pid\": %ld,\n", self->pid);
    write_member(out, "  \"program\": ", self->program);
    write_member(out, ",\n  \"command\": ", self->command);
    write_member(out, ",\n  \"level\": ", self->level);
    if (self->sampling_bytes != 0) {
        fprintf(out, ",\n  \"sampling_interval\": null,\n  \"sampling_bytes\": %" PRIu64, self->sampling_bytes);
    } else {
        fprintf(out, ",\n  \"sampling_interval\": %" PRIu32, self->sampling_interval);
    }
    write_member(out, ",\n  \"reason\": ", self->reason);
    fprintf(out, ",\n  \"uptime_ms\": %" PRIu64 ",\n", self->uptime_ms);
    write_exact(out, &self->exact);
    fprintf(out,
            "  \"tracked\": {\"seen\": %" PRIu64 ", \"live\": %" PRIu64 ", \"untracked\": %" PRIu64
            ", \"inherited\": %" PRIu64 ", \"not_listed\": %" PRIu64 "},\n",
            self->tracked.seen, self->tracked.live, self->tracked.refused, self->inherited, self->not_listed);
    write_suppressions(out, self);
    write_certainty(out, self);
    fprintf(out, "  \"missed_references\": %" PRIu64 ",\n", self->missed_references);
    write_part(out, self);
    write_misuses(out, self);
    fputs("  \"groups\": [", out);
    for (size_t i = 0; i < self->groups.count; i++) {
        fputs(i == 0 ? "\n" : ",\n", out);
        write_group(out, self, &groups[i]);
    }
    fputs(self->groups.count == 0 ? "]\n}\n" : "\n  ]\n}\n", out);
}
