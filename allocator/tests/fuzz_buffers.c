/* libFuzzer: no order of calls on buffers, views and composites may make them differ from a plain model.
 *
 * The bytes are the program that buffers_model.h runs. As a short input is a short program, on a few buffers, an input
 * that is short gets bytes at random first, and the length is not held down; a flag on the command line still has the
 * last word. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "buffers_model.h"

#define LONG_ENOUGH 1024u /* bytes; some 200 operations */
#define SHORT       16u   /* bytes */
#define AFRESH      32u   /* one input in so many begins anew */
#define FLAGS_MAX   64

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed);

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    static char length[] = "-len_control=0";
    static char *longer[FLAGS_MAX];
    if (*count < FLAGS_MAX - 1) {
        longer[0] = (*arguments)[0];
        longer[1] = length;
        memcpy(&longer[2], *arguments + 1, (size_t)(*count - 1) * sizeof longer[0]);
        *arguments = longer;
        ++*count;
    }
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned seed) {
    unit_random random = unit_random_from(seed);
    if (size < SHORT || seed % AFRESH == 0) {
        size = 0; /* the first bytes decide about the whole program */
    }
    while (size < LONG_ENOUGH && size < max_size) {
        bytes[size++] = (uint8_t)unit_random_below(&random, 256);
    }
    return LLVMFuzzerMutate(bytes, size, max_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    choices source = choices_bytes(bytes, size);
    const model_limits limits = {
        .operations = 1000,
        .audit_interval = 29,
        .buffers = 64,
        .live_bytes = (size_t)1 << 20,
        .system_fails = size % 2 == 1,
    };
    model_run(&source, &limits);
    return 0;
}
