/* What an arena's dump shows beside its lists of chunks. */
#include "arena_dump.h"

#include <inttypes.h>

#include "counter.h"

static void dump_spans(const char *what, const uint64_t spans[ARENA_SPANS], FILE *stream) {
    (void)fprintf(stream, "  %s: %" PRIu64 " small, %" PRIu64 " normal, %" PRIu64 " huge\n", what, spans[ARENA_SMALL],
                  spans[ARENA_NORMAL], spans[ARENA_HUGE]);
}

void arena_dump_counters(const arena *self, FILE *stream) {
    dump_spans("allocations", self->counters.allocations, stream);
    dump_spans("releases", self->counters.releases, stream);
    (void)fprintf(stream, "  chunks: %" PRIu64 " mapped, %" PRIu64 " unmapped\n", self->counters.chunk_maps,
                  self->counters.chunk_unmaps);
    (void)fprintf(stream,
                  "  metadata bytes: %" PRIu64 " handles, %" PRIu64 " chunks, %" PRIu64 " subpages, %" PRIu64 " huge\n",
                  counter_get(&self->handles.bytes), counter_get(&self->chunk_records.bytes),
                  counter_get(&self->subpage_records.bytes), counter_get(&self->huge_records.bytes));
}

static void dump_run(void *context, uint32_t page, uint32_t pages) {
    (void)fprintf(context, " %" PRIu32 "+%" PRIu32, page, pages);
}

void arena_dump_free_runs(const chunk *record, FILE *stream) {
    (void)fprintf(stream, "      free runs (first page+pages):");
    run_index_visit_free(&record->runs, dump_run, stream);
    (void)fprintf(stream, "%s\n", record->runs.free_pages == 0 ? " none" : "");
}

void arena_dump_rings(const arena *self, FILE *stream) {
    for (uint32_t i = 0; i < self->config.classes->small_count; i++) {
        uint32_t members = 0;
        uint64_t free_slots = 0;
        for (const subpage *record = self->rings[i]; record != NULL; record = record->next) {
            members++;
            free_slots += record->free_count;
        }
        if (members != 0) {
            (void)fprintf(stream, "  ring of %zu bytes: %" PRIu32 " subpages, %" PRIu64 " free slots\n",
                          size_class_bytes(self->config.classes, i), members, free_slots);
        }
    }
}

void arena_dump_huge(const arena *self, FILE *stream) {
    (void)fprintf(stream, "  huge:%s\n", self->huge == NULL ? " none" : "");
    for (const chunk *record = self->huge; record != NULL; record = record->next) {
        (void)fprintf(stream, "    region %p: %zu bytes\n", (void *)record->region, record->huge_bytes);
    }
}
