/* libFuzzer: no order of calls, options and system failures may make the allocator differ from a plain model of it.
 *
 * The bytes are the program that allocator_model.h runs. Small limits keep an input to some milliseconds and a few MiB. */
#include <stddef.h>
#include <stdint.h>

#include "allocator_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    choices source = choices_bytes(bytes, size);
    const model_limits limits = {
        .operations = 1000,
        .audit_interval = 1,
        .buffers = 2 * MODEL_BULK,
        .live_bytes = (size_t)4 << 20,
        .largest_chunk = (size_t)1 << 20,
    };
    model_run(&source, &limits);
    return 0;
}
