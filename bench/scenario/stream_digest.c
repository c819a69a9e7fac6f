/* From a stream to a number. */
#include "scenario/stream_digest.h"

#include <inttypes.h>
#include <stdio.h>

#include "scenario/fnv1a.h"

static uint64_t add_thread(uint64_t hash, const stream_thread *thread) {
    hash = fnv1a_u64(hash, thread->op_count);
    for (size_t i = 0; i < thread->op_count; i++) {
        hash = fnv1a_u32(fnv1a_u32(hash, thread->ops[i].slot), thread->ops[i].word);
    }
    return hash;
}

uint64_t stream_digest(const stream *from) {
    uint64_t hash = fnv1a_u32(FNV1A_START, STREAM_DIGEST_FORM);
    hash = fnv1a_u32(hash, from->thread_count);
    hash = fnv1a_u32(hash, from->phase_count);
    hash = fnv1a_u32(hash, from->slot_count);
    hash = fnv1a_u32(hash, from->max_size);
    for (uint32_t p = 0; p < from->phase_count; p++) {
        const stream_phase *phase = &from->phases[p];
        hash = fnv1a_u32(hash, phase->repeat);
        hash = fnv1a_u32(hash, phase->idle_ms);
        hash = fnv1a_u32(hash, phase->is_fresh ? 1 : 0);
        for (uint32_t t = 0; t < from->thread_count; t++) {
            hash = add_thread(hash, &phase->threads[t]);
        }
    }
    return hash;
}

void stream_digest_text(const stream *from, char text[STREAM_DIGEST_TEXT_SIZE]) {
    (void)snprintf(text, STREAM_DIGEST_TEXT_SIZE, "fnv1a64:%016" PRIx64, stream_digest(from));
}
