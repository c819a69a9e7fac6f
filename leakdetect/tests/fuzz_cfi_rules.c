/* libFuzzer: no bytes may make the reader of call frame information read outside of them, or give a rule out of its
 * bounds.
 *
 * The first eight bytes say where the header is and which address is asked for; the rest is the module. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cfi_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(int fact) {
    if (!fact) {
        abort();
    }
}

static void check(cfi_rule rule) {
    require(rule.kind <= CFI_NOTHING);
    require(rule.offset <= CFI_OFFSET_MAX);
    require(rule.bp_slot <= CFI_SLOT_MAX && rule.bp_slot != 1);
    require(rule.kind != CFI_FROM_SP || (rule.offset >= 1 && rule.bp_slot <= rule.offset));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    uint32_t where[2];
    if (size < sizeof where) {
        return 0;
    }
    memcpy(where, bytes, sizeof where);
    size -= sizeof where;
    /* A block of its own, so that ASan sees the first byte too many. */
    uint8_t *module = malloc(size + 1);
    require(module != NULL);
    memcpy(module, bytes + sizeof where, size);
    const uintptr_t start = 0x10000000;
    const cfi_image image = {.start = start, .end = start + size, .bytes = module};
    check(cfi_find_rule(&image, start + where[0] % (size + 1), start + where[1]));
    check(cfi_read_entry(&image, start + where[0] % (size + 1), start + where[1]));
    free(module);
    return 0;
}
