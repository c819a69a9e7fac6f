/* An arena as text: its counters, chunk lists with their chunks, spare chunks, rings and huge buffers. */
#include "arena.h"

#include <inttypes.h>

#include "counter.h"

static void dump_spans(const char *what, const uint64_t spans[ARENA_SPANS], FILE *stream) {
    (void)fprintf(stream, "  %s: %" PRIu64 " small, %" PRIu64 " normal, %" PRIu64 " huge\n", what, spans[ARENA_SMALL],
                  spans[ARENA_NORMAL], spans[ARENA_HUGE]);
}

static void dump_counters(const arena *self, FILE *stream) {
    dump_spans("allocations", self->counters.allocations, stream);
    dump_spans("releases", self->counters.releases, stream);
    (void)fprintf(stream, "  chunks: %" PRIu64 " mapped, %" PRIu64 " unmapped\n", self->counters.chunk_maps,
                  self->counters.chunk_unmaps);
    (void)fprintf(stream,
                  "  metadata bytes: %" PRIu64 " handles, %" PRIu64 " chunks, %" PRIu64 " subpages, %" PRIu64 " huge\n",
                  counter_get(&self->handles.bytes),
                  counter_get(&self->chunk_records.bytes) + counter_get(&self->chunk_books.bytes),
                  counter_get(&self->subpage_records.bytes), counter_get(&self->huge_records.bytes));
}

static void dump_run(void *context, uint32_t page, uint32_t pages) {
    (void)fprintf(context, " %" PRIu32 "+%" PRIu32, page, pages);
}

static void dump_free_runs(const chunk *record, FILE *stream) {
    (void)fprintf(stream, "      free runs (first page+pages):");
    run_index_visit_free(&record->runs, dump_run, stream);
    (void)fprintf(stream, "%s\n", record->runs.free_pages == 0 ? " none" : "");
}

static void dump_rings(const arena *self, FILE *stream) {
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

static void dump_huge(const arena *self, FILE *stream) {
    (void)fprintf(stream, "  huge:%s\n", self->huge == NULL ? " none" : "");
    for (const chunk *record = self->huge; record != NULL; record = record->next) {
        (void)fprintf(stream, "    region %p: %zu bytes\n", (void *)record->region, record->huge_bytes);
    }
}

static void dump_chunk(const chunk *record, FILE *stream) {
    (void)fprintf(stream, "    chunk %p: %u%% used, %zu bytes free, %u subpages, %u pages dirty\n",
                  (void *)chunk_address(record, 0), chunk_usage(record), chunk_free_bytes(record),
                  record->subpage_count, record->dirty.count);
    for (uint32_t page = 0; page < record->runs.page_count; page++) {
        const subpage *cut = record->subpages[page];
        if (cut != NULL) {
            (void)fprintf(stream, "      subpage at page %u, %u pages: %u of %u slots of %u bytes used\n", page,
                          cut->page_count, cut->slot_count - cut->free_count, cut->slot_count, cut->slot_bytes);
        }
    }
    dump_free_runs(record, stream);
}

void arena_dump(arena *self, FILE *stream) {
    arena_lock(self);
    (void)fprintf(stream,
                  "arena %p (%s): %u threads, %llu chunks, %llu of them spare, %llu huge buffers of %llu bytes\n",
                  (void *)self, self->config.kind == POOLBUF_KIND_DIRECT ? "direct" : "heap",
                  __atomic_load_n(&self->thread_count, __ATOMIC_RELAXED), (unsigned long long)self->counters.chunks,
                  (unsigned long long)self->spares.count, (unsigned long long)self->counters.huge_buffers,
                  (unsigned long long)self->counters.huge_bytes);
    dump_counters(self, stream);
    for (unsigned i = 0; i < CHUNK_LIST_COUNT; i++) {
        const chunk_list *list = &self->lists[i];
        (void)fprintf(stream, "  %s:%s (%u to %u%% used)\n", list->name, list->first == NULL ? " none" : "",
                      list->min_usage, list->max_usage);
        for (const chunk *record = list->first; record != NULL; record = record->next) {
            dump_chunk(record, stream);
        }
    }
    uint64_t now = os->now_ms();
    (void)fprintf(stream, "  spare:%s\n", self->spares.newest == NULL ? " none" : "");
    for (const chunk *record = self->spares.newest; record != NULL; record = record->next) {
        (void)fprintf(stream, "    chunk %p: empty for %llu of %u ms, %u pages dirty\n",
                      (void *)chunk_address(record, 0), (unsigned long long)(now - record->emptied_ms),
                      self->config.decay_ms, record->dirty.count);
    }
    dump_rings(self, stream);
    dump_huge(self, stream);
    arena_unlock(self);
}
