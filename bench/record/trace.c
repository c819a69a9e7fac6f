/* Reading and writing traces; see trace.h for the format and its invariants.
 *
 * A source gives bytes, from memory or out of zstd; a decoder turns them into events and checks every one; reading a
 * file and packing a recording are both loops around the decoder. So what can be written can be read. */
#include "record/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#define SOURCE_BUFFER_SIZE ((size_t)1 << 17)
#define WINDOW_LOG_MAX     23 /* 8 MiB: what a reader must be ready to allocate for zstd; both levels stay within it */
#define LEVEL_SMALL        19 /* for recordings of up to SMALL_BYTES, which take a few seconds */
#define LEVEL_LARGE        6
#define SMALL_BYTES        ((size_t)8 << 20)

/* Where an error is told. */
typedef struct report {
    const char *name;
    char *error;
    size_t error_size;
} report;

__attribute__((format(printf, 2, 3))) static bool fail(const report *to, const char *format, ...) {
    va_list args;
    int n = snprintf(to->error, to->error_size, "%s: ", to->name);
    va_start(args, format);
    if (n >= 0 && (size_t)n < to->error_size) {
        (void)vsnprintf(to->error + n, to->error_size - (size_t)n, format, args);
    }
    va_end(args);
    return false;
}

/* Bytes in order. With zstd, input is the compressed file and buffer what comes out of it; without, buffer is all there
 * is and input is empty. */
typedef struct source {
    const uint8_t *next, *end;
    uint8_t *buffer;
    ZSTD_DCtx *zstd;
    ZSTD_inBuffer input;
    bool frame_ended;
    const report *report;
} source;

/* Gets more bytes out of zstd.
 *   returns  false at the end of the frame, and, with an error told and *sound false, when there is none. */
static bool source_refill(source *self, bool *sound) {
    ZSTD_outBuffer output = {.dst = self->buffer, .size = SOURCE_BUFFER_SIZE};
    while (self->zstd != NULL && !self->frame_ended && output.pos == 0) {
        size_t before = self->input.pos;
        size_t result = ZSTD_decompressStream(self->zstd, &output, &self->input);
        if (ZSTD_isError(result) != 0) {
            *sound = fail(self->report, "damaged near byte %zu of %zu (%s); record it again",
                          self->input.pos + TRACE_MAGIC_SIZE, self->input.size + TRACE_MAGIC_SIZE,
                          ZSTD_getErrorName(result));
            return false;
        }
        self->frame_ended = result == 0;
        if (!self->frame_ended && output.pos == 0 && self->input.pos == before) {
            *sound = fail(self->report, "cut off after byte %zu; copy it whole or record it again",
                          self->input.size + TRACE_MAGIC_SIZE);
            return false;
        }
    }
    self->next = self->buffer;
    self->end = self->buffer + output.pos;
    return output.pos > 0;
}

/* Gets the next byte. At the end, *sound stays true and false is returned. */
static inline bool source_byte(source *self, uint8_t *byte, bool *sound) {
    if (self->next == self->end && (self->zstd == NULL || !source_refill(self, sound))) {
        return false;
    }
    *byte = *self->next++;
    return true;
}

typedef enum outcome {
    OUTCOME_EVENT,
    OUTCOME_END,
    OUTCOME_BROKEN
} outcome;

typedef struct decoder {
    source source;
    const report *report;
    uint32_t thread;
    uint32_t switches;   /* since the last event */
    uint32_t *slot_size; /* 0: empty */
    uint32_t slot_room;
    uint64_t peak_live_bytes;
    uint64_t reference_count;
    trace_checkpoint *checkpoints;
    uint32_t checkpoint_count, checkpoint_room;
    trace_summary seen; /* counted from the events */
} decoder;

static outcome broken(const decoder *self, const char *what, uint64_t number) {
    (void)fail(self->report, "event %" PRIu64 ": %s %" PRIu64 "; the file is damaged, record it again",
               self->seen.event_count, what, number);
    return OUTCOME_BROKEN;
}

/* Reads a number of at most `most`. An end of the bytes before its first byte is OUTCOME_END. */
static outcome decode_number(decoder *self, uint64_t most, uint64_t *number) {
    uint64_t value = 0;
    bool sound = true;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        if (!source_byte(&self->source, &byte, &sound)) {
            if (!sound) {
                return OUTCOME_BROKEN;
            }
            return shift == 0 ? OUTCOME_END : broken(self, "it ends inside a number, at bit", shift);
        }
        value |= (uint64_t)(byte & 0x7fu) << shift;
        if (byte < 0x80) {
            if (value > most) {
                return broken(self, "a number is out of range:", value);
            }
            *number = value;
            return OUTCOME_EVENT;
        }
    }
    return broken(self, "a number is longer than", 64);
}

/* Reads a number that must be there. */
static outcome decode_rest(decoder *self, uint64_t most, uint64_t *number) {
    outcome outcome_of = decode_number(self, most, number);
    return outcome_of == OUTCOME_END ? broken(self, "its number is missing, at event", self->seen.event_count)
                                     : outcome_of;
}

static bool room_for_slot(decoder *self, uint32_t slot) {
    if (slot < self->slot_room) {
        return true;
    }
    uint32_t room = self->slot_room == 0 ? 256 : self->slot_room * 2;
    uint32_t *slot_size = realloc(self->slot_size, room * sizeof *slot_size);
    if (slot_size == NULL) {
        return fail(self->report, "not enough memory for %" PRIu32 " slots", room);
    }
    memset(slot_size + self->slot_room, 0, (room - self->slot_room) * sizeof *slot_size);
    self->slot_size = slot_size;
    self->slot_room = room;
    return true;
}

static outcome decode_size(decoder *self, uint32_t *size) {
    uint64_t number = 0;
    outcome outcome_of = decode_rest(self, TRACE_SIZE_MAX, &number);
    if (outcome_of == OUTCOME_EVENT && number == 0) {
        return broken(self, "a size of", 0);
    }
    *size = (uint32_t)number;
    return outcome_of;
}

static outcome decode_references(decoder *self, uint32_t *references) {
    uint64_t number = 0;
    outcome outcome_of = decode_rest(self, TRACE_REFERENCES_MAX, &number);
    *references = (uint32_t)number;
    return outcome_of;
}

/* T5: what the recorder counted is what its events say. */
static outcome decode_checkpoint(decoder *self, uint64_t buffers) {
    const trace_summary *seen = &self->seen;
    uint64_t bytes = 0;
    if (decode_rest(self, UINT64_MAX, &bytes) != OUTCOME_EVENT) {
        return OUTCOME_BROKEN;
    }
    if (buffers != seen->live_buffers || bytes != seen->live_bytes) {
        (void)fail(self->report,
                   "its checkpoint at event %" PRIu64 " counts %" PRIu64 " live buffers of %" PRIu64
                   " bytes where the events leave %" PRIu64 " of %" PRIu64 "; record it again",
                   seen->event_count, buffers, bytes, seen->live_buffers, seen->live_bytes);
        return OUTCOME_BROKEN;
    }
    const uint32_t count = self->checkpoint_count;
    if (count == TRACE_CHECKPOINTS_MAX) {
        return broken(self, "a trace has more checkpoints than", TRACE_CHECKPOINTS_MAX);
    }
    if (seen->event_count == (count > 0 ? self->checkpoints[count - 1].event_count : 0)) {
        return broken(self, "no event stands before checkpoint", count);
    }
    if (count == self->checkpoint_room) {
        const uint32_t room = count == 0 ? 16 : count * 2;
        trace_checkpoint *checkpoints = realloc(self->checkpoints, room * sizeof *checkpoints);
        if (checkpoints == NULL) {
            return broken(self, "not enough memory for checkpoint", count);
        }
        self->checkpoints = checkpoints;
        self->checkpoint_room = room;
    }
    self->checkpoints[self->checkpoint_count++] = (trace_checkpoint){seen->event_count, buffers, bytes};
    return OUTCOME_EVENT;
}

/* Applies an event to the model of slots, with T1 and T2. */
static outcome decode_slot(decoder *self, trace_kind kind, uint64_t slot, trace_event *event) {
    uint32_t size = 0;
    trace_summary *seen = &self->seen;
    if (slot > seen->slot_count || slot >= TRACE_SLOTS_MAX || (slot == seen->slot_count && kind != TRACE_ALLOCATE)) {
        return broken(self, "it names a slot that is not in use yet:", slot);
    }
    if (!room_for_slot(self, (uint32_t)slot)) {
        return OUTCOME_BROKEN;
    }
    const bool is_reference = kind == TRACE_RETAIN || kind == TRACE_DROP || kind == TRACE_SLICE;
    if (kind != TRACE_RELEASE) {
        outcome outcome_of = is_reference ? decode_references(self, &size) : decode_size(self, &size);
        if (outcome_of != OUTCOME_EVENT) {
            return outcome_of;
        }
    }
    uint32_t *held = &self->slot_size[slot];
    if (kind == TRACE_ALLOCATE && *held != 0) {
        return broken(self, "it allocates in a full slot:", slot);
    }
    if (kind != TRACE_ALLOCATE && *held == 0) {
        return broken(self, "it uses or releases an empty slot:", slot);
    }
    if (seen->event_count == TRACE_EVENTS_MAX) {
        return broken(self, "a trace is longer than", TRACE_EVENTS_MAX);
    }
    self->switches = 0;
    seen->slot_count += slot == seen->slot_count;
    seen->live_buffers += (uint64_t)(kind == TRACE_ALLOCATE);
    seen->live_buffers -= (uint64_t)(kind == TRACE_RELEASE);
    seen->event_count++;
    if (is_reference) {
        self->reference_count++;
    } else {
        seen->live_bytes = seen->live_bytes - *held + size;
        *held = size;
    }
    if (seen->live_bytes > self->peak_live_bytes) {
        self->peak_live_bytes = seen->live_bytes;
    }
    *event =
        (trace_event){.slot = (uint32_t)slot, .size = size, .kind = kind & 15u, .thread = self->thread & 0xfffffffu};
    return OUTCOME_EVENT;
}

/* Gets the next event; thread switches are taken on the way. OUTCOME_END comes for the END kind, and where bytes end
 * between events, which only a raw recording may do: *marked tells them apart. */
static outcome decode_event(decoder *self, trace_event *event, bool *marked) {
    for (;;) {
        uint64_t word = 0;
        outcome outcome_of = decode_number(self, UINT64_C(1) << 34, &word);
        if (outcome_of != OUTCOME_EVENT) {
            *marked = false;
            return outcome_of;
        }
        uint64_t value = word >> 4;
        switch (word & 15) {
        case TRACE_ALLOCATE:
        case TRACE_RELEASE:
        case TRACE_RESIZE:
        case TRACE_RETAIN:
        case TRACE_DROP:
        case TRACE_SLICE:
            return decode_slot(self, (trace_kind)(word & 15), value, event);
        case TRACE_THREAD:
            if (value > self->seen.thread_count || value >= TRACE_THREADS_MAX) {
                return broken(self, "it names a thread that is not there yet:", value);
            }
            if (self->switches++ == TRACE_SWITCHES_MAX) {
                return broken(self, "no event stands between so many switches of threads:", self->switches);
            }
            self->seen.thread_count += value == self->seen.thread_count;
            self->thread = (uint32_t)value;
            break;
        case TRACE_CHECKPOINT:
            if (decode_checkpoint(self, value) != OUTCOME_EVENT) {
                return OUTCOME_BROKEN;
            }
            break;
        case TRACE_END:
            *marked = true;
            return OUTCOME_END;
        default:
            return broken(self, "this version does not know the kind", word & 15);
        }
    }
}

static void decoder_init(decoder *self, const report *to) {
    *self = (decoder){.report = to, .source = {.report = to}, .seen = {.thread_count = 1}};
}

static void decoder_fini(decoder *self) {
    free(self->slot_size);
    free(self->checkpoints);
    free(self->source.buffer);
    (void)ZSTD_freeDCtx(self->source.zstd);
}

static bool open_zstd(source *self, const uint8_t *bytes, size_t size) {
    self->zstd = ZSTD_createDCtx();
    self->buffer = malloc(SOURCE_BUFFER_SIZE);
    if (self->zstd == NULL || self->buffer == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(self->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)) != 0) {
        return fail(self->report, "not enough memory to unpack it");
    }
    self->next = self->end = self->buffer;
    self->input = (ZSTD_inBuffer){.src = bytes, .size = size};
    return true;
}

static bool read_header(decoder *self, trace *read) {
    uint64_t version = 0;
    uint64_t length = 0;
    bool sound = true;
    if (decode_rest(self, UINT64_MAX, &version) != OUTCOME_EVENT) {
        return false;
    }
    if (version != TRACE_VERSION && version != TRACE_VERSION_OLD) {
        return fail(self->report, "it has version %" PRIu64 " of the format; this program reads versions %u and %u",
                    version, TRACE_VERSION_OLD, TRACE_VERSION);
    }
    if (decode_rest(self, TRACE_NAME_MAX, &length) != OUTCOME_EVENT) {
        return false;
    }
    for (uint64_t i = 0; i < length; i++) {
        uint8_t byte;
        if (!source_byte(&self->source, &byte, &sound)) {
            return sound ? fail(self->report, "its header is incomplete; record it again") : false;
        }
        read->program[i] = byte < 0x20 || byte >= 0x7f ? '?' : (char)byte;
    }
    uint64_t of = TRACE_OF_MALLOC;
    if (version != TRACE_VERSION_OLD && decode_rest(self, TRACE_SOURCE_COUNT - 1, &of) != OUTCOME_EVENT) {
        return false;
    }
    read->source = (trace_source)of;
    return true;
}

/* Events up to the end; raw ones end where their bytes do. */
static bool read_events(decoder *self, bool is_raw, trace *read) {
    uint64_t room = 0;
    bool marked = false;
    for (;;) {
        trace_event event;
        outcome outcome_of = decode_event(self, &event, &marked);
        if (outcome_of == OUTCOME_BROKEN) {
            return false;
        }
        if (outcome_of == OUTCOME_END) {
            return marked != is_raw ||
                   fail(self->report, is_raw ? "the recording holds an end before its end; record it again"
                                             : "its end is missing; record it again");
        }
        if (read->event_count == room) {
            room = room == 0 ? 1024 : room * 2;
            trace_event *events = realloc(read->events, room * sizeof *events);
            if (events == NULL) {
                return fail(self->report, "not enough memory for %" PRIu64 " events", room);
            }
            read->events = events;
        }
        read->events[read->event_count++] = event;
    }
}

/* T4: the end must say what was counted, the frame must end there, and the file with it. */
static bool read_end(decoder *self, trace *read) {
    const trace_summary *seen = &self->seen;
    const uint64_t counted[] = {seen->event_count, seen->thread_count, seen->slot_count, seen->live_buffers,
                                seen->live_bytes};
    uint64_t *const told[] = {&read->summary.skipped_releases, &read->summary.clamped_sizes,
                              &read->summary.dropped_events};
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        uint64_t number = 0;
        if (decode_rest(self, UINT64_MAX, &number) != OUTCOME_EVENT) {
            return false;
        }
        if (number != counted[i]) {
            return fail(self->report, "its end counts %" PRIu64 " where %" PRIu64 " are right; record it again", number,
                        counted[i]);
        }
    }
    uint64_t skipped = seen->event_count;
    read->summary = *seen;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (decode_rest(self, UINT64_MAX, told[i]) != OUTCOME_EVENT) {
            return false;
        }
    }
    outcome outcome_of = decode_number(self, UINT64_MAX, &skipped);
    if (outcome_of == OUTCOME_BROKEN) {
        return false;
    }
    if (outcome_of != OUTCOME_END || self->source.input.pos != self->source.input.size) {
        return fail(self->report, "bytes follow its end; record it again");
    }
    return true;
}

/* Ends the reading: hands the trace out, or drops it. */
static void give(decoder *self, bool fine, trace *read, trace **out) {
    if (fine) {
        read->thread_count = self->seen.thread_count;
        read->slot_count = self->seen.slot_count;
        read->peak_live_bytes = self->peak_live_bytes;
        read->reference_count = self->reference_count;
        read->checkpoints = self->checkpoints;
        read->checkpoint_count = self->checkpoint_count;
        self->checkpoints = NULL;
        *out = read;
    } else {
        trace_destroy(read);
    }
    decoder_fini(self);
}

bool trace_parse(const void *bytes, size_t size, const char *name, trace **out, char *error, size_t error_size) {
    report to = {.name = name, .error_size = error_size};
    to.error = error;
    if (size < TRACE_MAGIC_SIZE || memcmp(bytes, TRACE_MAGIC, TRACE_MAGIC_SIZE) != 0) {
        return fail(&to, "this is not a trace: it does not start with %s; make one with `poolbuf record`", TRACE_MAGIC);
    }
    decoder self;
    decoder_init(&self, &to);
    trace *read = calloc(1, sizeof *read);
    if (read == NULL) {
        return fail(&to, "not enough memory to read it");
    }
    bool fine = open_zstd(&self.source, (const uint8_t *)bytes + TRACE_MAGIC_SIZE, size - TRACE_MAGIC_SIZE) &&
                read_header(&self, read) && read_events(&self, false, read) && read_end(&self, read);
    give(&self, fine, read, out);
    return fine;
}

bool trace_parse_raw(const uint8_t *events, size_t size, const char *name, trace **out, char *error,
                     size_t error_size) {
    report to = {.name = name, .error_size = error_size};
    to.error = error;
    decoder self;
    decoder_init(&self, &to);
    self.source.next = events;
    self.source.end = events + size;
    trace *read = calloc(1, sizeof *read);
    if (read == NULL) {
        return fail(&to, "not enough memory to read it");
    }
    const bool fine = read_events(&self, true, read);
    read->summary = self.seen;
    give(&self, fine, read, out);
    return fine;
}

FILE *trace_open(const char *path) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
    if (file == NULL && descriptor >= 0) {
        (void)close(descriptor);
    }
    return file;
}

bool trace_read(const char *path, trace **out, char *error, size_t error_size) {
    report to = {.name = path, .error_size = error_size};
    to.error = error;
    FILE *file = trace_open(path);
    if (file == NULL) {
        return fail(&to, "cannot open the trace: %s; give the path of a .pbtrace file", strerror(errno));
    }
    bool fine = false;
    struct stat status;
    const bool is_regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    long size = is_regular && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    uint8_t *bytes = size >= 0 && size <= (long)TRACE_FILE_MAX ? malloc((size_t)size + 1) : NULL;
    if (size < 0 || size > (long)TRACE_FILE_MAX) {
        (void)fail(&to, "it is not a file of at most 1 GiB; give the path of a .pbtrace file");
    } else if (bytes == NULL) {
        (void)fail(&to, "not enough memory to read %ld bytes", size);
    } else {
        rewind(file);
        if (fread(bytes, 1, (size_t)size, file) == (size_t)size) {
            fine = trace_parse(bytes, (size_t)size, path, out, error, error_size);
        } else {
            (void)fail(&to, "it cannot be read; give the path of a .pbtrace file");
        }
    }
    free(bytes);
    (void)fclose(file);
    return fine;
}

void trace_destroy(trace *read) {
    if (read != NULL) {
        free(read->events);
        free(read->checkpoints);
        free(read);
    }
}

/* A zstd frame on its way into a file. */
typedef struct sink {
    ZSTD_CCtx *zstd;
    uint8_t *buffer;
    FILE *file;
    const report *report;
} sink;

static bool sink_put(const sink *self, const void *bytes, size_t size, ZSTD_EndDirective directive) {
    ZSTD_inBuffer input = {.src = bytes, .size = size};
    size_t left;
    do {
        ZSTD_outBuffer output = {.dst = self->buffer, .size = SOURCE_BUFFER_SIZE};
        left = ZSTD_compressStream2(self->zstd, &output, &input, directive);
        if (ZSTD_isError(left) != 0) {
            return fail(self->report, "zstd cannot compress it: %s", ZSTD_getErrorName(left));
        }
        if (fwrite(self->buffer, 1, output.pos, self->file) != output.pos) {
            return fail(self->report, "cannot write the trace: %s", strerror(errno));
        }
    } while (input.pos < input.size || (directive == ZSTD_e_end && left != 0));
    return true;
}

/* size is that of all that will be put: with it, zstd makes do with small tables for a small recording. */
static bool sink_open(sink *self, size_t size) {
    self->zstd = ZSTD_createCCtx();
    self->buffer = malloc(SOURCE_BUFFER_SIZE);
    if (self->zstd == NULL || self->buffer == NULL) {
        return fail(self->report, "not enough memory to compress it");
    }
    int level = size <= SMALL_BYTES ? LEVEL_SMALL : LEVEL_LARGE;
    (void)ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_compressionLevel, level);
    (void)ZSTD_CCtx_setParameter(self->zstd, ZSTD_c_checksumFlag, 1);
    (void)ZSTD_CCtx_setPledgedSrcSize(self->zstd, size);
    if (fwrite(TRACE_MAGIC, 1, TRACE_MAGIC_SIZE, self->file) != TRACE_MAGIC_SIZE) {
        return fail(self->report, "cannot write the trace: %s", strerror(errno));
    }
    return true;
}

#define END_NUMBERS 9u

/* What stands before the events and behind them. */
typedef struct frame {
    uint8_t header[3 * TRACE_VARINT_MAX + TRACE_NAME_MAX];
    size_t header_size;
    uint8_t end[END_NUMBERS * TRACE_VARINT_MAX];
    size_t end_size;
} frame;

static void encode_frame(frame *self, const char *program, trace_source of, const trace_summary *summary) {
    const uint64_t numbers[END_NUMBERS] = {TRACE_END,
                                           summary->event_count,
                                           summary->thread_count,
                                           summary->slot_count,
                                           summary->live_buffers,
                                           summary->live_bytes,
                                           summary->skipped_releases,
                                           summary->clamped_sizes,
                                           summary->dropped_events};
    size_t length = strnlen(program, TRACE_NAME_MAX);
    self->header_size = trace_varint(self->header, TRACE_VERSION);
    self->header_size += trace_varint(self->header + self->header_size, length);
    memcpy(self->header + self->header_size, program, length);
    self->header_size += length;
    self->header_size += trace_varint(self->header + self->header_size, (uint64_t)of);
    self->end_size = 0;
    for (size_t i = 0; i < END_NUMBERS; i++) {
        self->end_size += trace_varint(self->end + self->end_size, numbers[i]);
    }
}

static void count_event(trace_statistics *statistics, const trace_event *event) {
    statistics->allocations += event->kind == TRACE_ALLOCATE;
    statistics->resizes += event->kind == TRACE_RESIZE;
    statistics->releases += event->kind == TRACE_RELEASE;
    statistics->retains += event->kind == TRACE_RETAIN;
    statistics->drops += event->kind == TRACE_DROP;
    statistics->slices += event->kind == TRACE_SLICE;
    if (event->kind == TRACE_ALLOCATE || event->kind == TRACE_RESIZE) {
        unsigned doubling = 0;
        while (doubling + 1 < TRACE_DOUBLINGS && (UINT32_C(1) << doubling) < event->size) {
            doubling++;
        }
        statistics->by_doubling[doubling]++;
    }
}

/* Decodes raw events for their counts; a raw recording has no end of its own. */
static bool count_events(const uint8_t *events, size_t size, const report *to, trace_summary *summary,
                         trace_statistics *statistics) {
    decoder self;
    decoder_init(&self, to);
    self.source.next = events;
    self.source.end = events + size;
    *statistics = (trace_statistics){0};
    bool marked = false;
    trace_event event;
    outcome outcome_of = decode_event(&self, &event, &marked);
    for (; outcome_of == OUTCOME_EVENT; outcome_of = decode_event(&self, &event, &marked)) {
        count_event(statistics, &event);
    }
    bool fine = outcome_of == OUTCOME_END;
    if (fine && marked) {
        fine = fail(to, "the recording holds an end before its end; record it again");
    }
    *summary = self.seen;
    statistics->peak_live_bytes = self.peak_live_bytes;
    decoder_fini(&self);
    return fine;
}

bool trace_write_raw(FILE *file, const char *program, trace_source of, const uint8_t *events, size_t size,
                     const trace_summary *counts, trace_summary *summary, trace_statistics *statistics, char *error,
                     size_t error_size) {
    report to = {.name = program, .error_size = error_size};
    sink self = {.file = file, .report = &to};
    trace_summary seen = {0};
    trace_statistics found;
    to.error = error;
    bool fine = count_events(events, size, &to, &seen, &found);
    if (fine) {
        frame frame_of;
        seen.skipped_releases = counts->skipped_releases;
        seen.clamped_sizes = counts->clamped_sizes;
        seen.dropped_events = counts->dropped_events;
        encode_frame(&frame_of, program, of, &seen);
        fine = sink_open(&self, frame_of.header_size + size + frame_of.end_size) &&
               sink_put(&self, frame_of.header, frame_of.header_size, ZSTD_e_continue) &&
               sink_put(&self, events, size, ZSTD_e_continue) &&
               sink_put(&self, frame_of.end, frame_of.end_size, ZSTD_e_end);
    }
    free(self.buffer);
    (void)ZSTD_freeCCtx(self.zstd);
    if (fine) {
        *summary = seen;
        if (statistics != NULL) {
            *statistics = found;
        }
    }
    return fine;
}
