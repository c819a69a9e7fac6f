/* libFuzzer: no bytes may make the trace reader, or the replay of what it accepts, do anything but refuse or work.
 *
 * Bytes go in twice: as a file, where zstd's checksum stops most of them, and as raw events, where nothing does. What
 * is accepted is written, read back, replayed on three threads and audited. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "record/trace.h"
#include "scenario/generate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char error[1024];

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

/* Few bytes can ask for many references, and a fuzzer has no hour for them. */
static uint64_t count_references(const trace *read) {
    uint64_t count = 0;
    for (uint64_t i = 0; i < read->event_count; i++) {
        const unsigned kind = read->events[i].kind;
        count += kind == TRACE_RETAIN || kind == TRACE_SLICE || kind == TRACE_DROP ? read->events[i].size : 0;
    }
    return count;
}

static void replay(const trace *read) {
    builder into;
    if (count_references(read) > 100000) {
        return;
    }
    require(builder_init(&into, 3));
    generate_replay(&into, "fuzz", read, 3);
    stream *made = builder_finish(&into);
    require(made != NULL);
    require(stream_audit(made, error, sizeof error));
    stream_destroy(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    trace *read = NULL;
    if (trace_parse(bytes, size, "fuzz", &read, error, sizeof error)) {
        trace_destroy(read);
    }
    char *text = NULL;
    size_t length = 0;
    const trace_summary counts = {0};
    trace_summary summary;
    FILE *file = open_memstream(&text, &length);
    require(file != NULL);
    bool sound =
        trace_write_raw(file, "fuzz", TRACE_OF_BUFFERS, bytes, size, &counts, &summary, NULL, error, sizeof error);
    require(fclose(file) == 0);
    if (sound) {
        require(trace_parse(text, length, "fuzz", &read, error, sizeof error));
        replay(read);
        trace_destroy(read);
    }
    free(text);
    return 0;
}
