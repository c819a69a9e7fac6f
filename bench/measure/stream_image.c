/* Writes and maps streams. */
#include "measure/stream_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_SIZE = 64
};

#define IMAGE_MAGIC UINT64_C(0x32474d495f424250)

typedef struct image_header {
    uint64_t magic;
    uint64_t size; /* bytes of the whole file */
    uint64_t allocation_count, operation_count, peak_live_bytes;
    uint32_t thread_count, phase_count, slot_count, max_size;
} image_header;

typedef struct image_phase {
    char name[NAME_SIZE]; /* cut to fit, with its closing zero */
    uint64_t end_live_buffers, end_live_bytes;
    uint32_t repeat;
    uint32_t idle_ms;
    uint32_t is_fresh; /* 0 or 1 */
    uint32_t references_from;
} image_phase;

typedef struct image_thread {
    uint64_t ops_offset;
    uint64_t pairs_offset; /* 0: there are none */
    uint64_t op_count;
    uint64_t operation_count;
} image_thread;

static size_t thread_records(const image_header *header) {
    return (size_t)header->thread_count * header->phase_count;
}

static size_t ops_start(const image_header *header) {
    return sizeof *header + header->phase_count * sizeof(image_phase) + thread_records(header) * sizeof(image_thread);
}

static bool write_all(int descriptor, const void *data, size_t size) {
    const char *next = data;
    while (size > 0) {
        const ssize_t written = write(descriptor, next, size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            next += written;
            size -= (size_t)written;
        }
    }
    return true;
}

/* The operations of the next thread come at a whole number of theirs. */
static size_t padding_behind(size_t pairs_bytes) {
    return (sizeof(stream_op) - pairs_bytes % sizeof(stream_op)) % sizeof(stream_op);
}

/* A thread's operations, and behind them its pairs. */
static size_t thread_bytes(const stream_thread *thread) {
    const size_t pairs = thread->pairs != NULL ? thread->op_count * sizeof(stream_pair) : 0;
    return thread->op_count * sizeof(stream_op) + pairs + padding_behind(pairs);
}

static bool write_records(int descriptor, const stream *source, const image_header *header) {
    for (uint32_t i = 0; i < source->phase_count; i++) {
        const stream_phase *phase = &source->phases[i];
        image_phase record = {.end_live_buffers = phase->end_live_buffers,
                              .end_live_bytes = phase->end_live_bytes,
                              .repeat = phase->repeat,
                              .idle_ms = phase->idle_ms,
                              .is_fresh = phase->is_fresh,
                              .references_from = phase->references_from};
        strncpy(record.name, phase->name, sizeof record.name - 1);
        if (!write_all(descriptor, &record, sizeof record)) {
            return false;
        }
    }
    uint64_t offset = ops_start(header);
    for (uint32_t i = 0; i < source->phase_count; i++) {
        for (uint32_t j = 0; j < source->thread_count; j++) {
            const stream_thread *thread = &source->phases[i].threads[j];
            const uint64_t pairs = offset + thread->op_count * sizeof(stream_op);
            const image_thread record = {.ops_offset = offset,
                                         .pairs_offset = thread->pairs != NULL ? pairs : 0,
                                         .op_count = thread->op_count,
                                         .operation_count = thread->operation_count};
            offset += thread_bytes(thread);
            if (!write_all(descriptor, &record, sizeof record)) {
                return false;
            }
        }
    }
    return true;
}

static bool write_ops(int descriptor, const stream *source) {
    for (uint32_t i = 0; i < source->phase_count; i++) {
        for (uint32_t j = 0; j < source->thread_count; j++) {
            const stream_thread *thread = &source->phases[i].threads[j];
            const size_t pairs = thread->op_count * sizeof(stream_pair);
            const char padding[sizeof(stream_op)] = {0};
            if (!write_all(descriptor, thread->ops, thread->op_count * sizeof(stream_op)) ||
                (thread->pairs != NULL && (!write_all(descriptor, thread->pairs, pairs) ||
                                           !write_all(descriptor, padding, padding_behind(pairs))))) {
                return false;
            }
        }
    }
    return true;
}

int stream_image_write(const stream *source) {
    image_header header = {.magic = IMAGE_MAGIC,
                           .allocation_count = source->allocation_count,
                           .operation_count = source->operation_count,
                           .peak_live_bytes = source->peak_live_bytes,
                           .thread_count = source->thread_count,
                           .phase_count = source->phase_count,
                           .slot_count = source->slot_count,
                           .max_size = source->max_size};
    header.size = ops_start(&header);
    for (uint32_t i = 0; i < source->phase_count; i++) {
        for (uint32_t j = 0; j < source->thread_count; j++) {
            header.size += thread_bytes(&source->phases[i].threads[j]);
        }
    }
    const int descriptor = memfd_create("poolbuf-stream", MFD_CLOEXEC);
    if (descriptor < 0) {
        return -1;
    }
    if (!write_all(descriptor, &header, sizeof header) || !write_records(descriptor, source, &header) ||
        !write_ops(descriptor, source)) {
        const int problem = errno;
        (void)close(descriptor);
        errno = problem;
        return -1;
    }
    return descriptor;
}

/* Does the file's own account of itself add up? */
static bool is_sound(const image_header *header, size_t size) {
    if (size < sizeof *header || header->magic != IMAGE_MAGIC || header->size != size) {
        return false;
    }
    return header->thread_count >= 1 && header->thread_count <= SCENARIO_THREADS_MAX && header->phase_count >= 1 &&
           header->phase_count <= UINT16_MAX && ops_start(header) <= size;
}

static bool is_inside(const image_header *header, uint64_t offset, uint64_t count, size_t item) {
    return offset <= header->size && offset % item == 0 && count <= (header->size - offset) / item;
}

/* Sets up the phases and threads; false when an operation lies outside the file. */
static bool read_records(stream_image *image, stream_phase *phases, stream_thread *threads) {
    const char *base = image->mapping;
    const image_header *header = image->mapping;
    const image_phase *phase_records = (const void *)(base + sizeof *header);
    const image_thread *records = (const void *)(phase_records + header->phase_count);
    for (uint32_t i = 0; i < header->phase_count; i++) {
        const image_phase *record = &phase_records[i];
        phases[i] = (stream_phase){.name = record->name,
                                   .threads = &threads[(size_t)i * header->thread_count],
                                   .end_live_buffers = record->end_live_buffers,
                                   .end_live_bytes = record->end_live_bytes,
                                   .repeat = record->repeat,
                                   .idle_ms = record->idle_ms,
                                   .is_fresh = record->is_fresh != 0,
                                   .references_from = record->references_from};
    }
    for (size_t i = 0; i < thread_records(header); i++) {
        const image_thread *record = &records[i];
        if (!is_inside(header, record->ops_offset, record->op_count, sizeof(stream_op)) ||
            !is_inside(header, record->pairs_offset, record->op_count, sizeof(stream_pair))) {
            return false;
        }
        threads[i] =
            (stream_thread){.ops = (const void *)(base + record->ops_offset),
                            .pairs = record->pairs_offset != 0 ? (const void *)(base + record->pairs_offset) : NULL,
                            .op_count = record->op_count,
                            .operation_count = record->operation_count};
    }
    return true;
}

bool stream_image_open(int descriptor, stream_image *image) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || status.st_size < (off_t)sizeof(image_header)) {
        return false;
    }
    *image = (stream_image){.size = (size_t)status.st_size};
    void *mapping = mmap(NULL, image->size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    image->mapping = mapping;
    const image_header *header = mapping;
    if (is_sound(header, image->size)) {
        const size_t phases_size = header->phase_count * sizeof(stream_phase);
        image->tables = calloc(1, phases_size + thread_records(header) * sizeof(stream_thread));
        stream_phase *phases = image->tables;
        if (phases != NULL && read_records(image, phases, (void *)(phases + header->phase_count))) {
            image->stream = (stream){.thread_count = header->thread_count,
                                     .phase_count = header->phase_count,
                                     .slot_count = header->slot_count,
                                     .max_size = header->max_size,
                                     .phases = phases,
                                     .allocation_count = header->allocation_count,
                                     .operation_count = header->operation_count,
                                     .peak_live_bytes = header->peak_live_bytes};
            return true;
        }
    }
    stream_image_close(image);
    return false;
}

void stream_image_close(stream_image *image) {
    free(image->tables);
    if (image->mapping != NULL) {
        (void)munmap(image->mapping, image->size);
    }
    *image = (stream_image){.size = 0};
}

uint64_t stream_critical_operations(const stream *source) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < source->phase_count; i++) {
        uint64_t busiest = 0;
        for (uint32_t j = 0; j < source->thread_count; j++) {
            const uint64_t operations = source->phases[i].threads[j].operation_count;
            busiest = operations > busiest ? operations : busiest;
        }
        total += busiest * source->phases[i].repeat;
    }
    return total;
}
