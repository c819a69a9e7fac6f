/* Call frame information, boiled down: where the caller's frame is, for one address of a module.
 *
 * A compiler says in .eh_frame, for each of its functions, how a frame is left (DWARF 5, 6.4; the System V ABI for
 * x86-64, 6.2): a common entry (CIE) with a program that holds for many functions, and one for each function (FDE)
 * whose program goes on from there, a row for each stretch of its code. The linker adds .eh_frame_hdr, a table sorted
 * by address.
 *
 *     .eh_frame_hdr  [ version, encodings | frames | count | start, entry | start, entry | ... ]
 *     .eh_frame      [ CIE | FDE | FDE | ... | CIE | FDE | ... ]
 *
 * Of all that may be said there, few things are. A walk needs three registers: the stack pointer, the frame pointer,
 * and the return address. So a row becomes a rule of a few bits, or CFI_CANNOT, and who reads CFI_CANNOT asks somebody
 * else.
 *
 *     CFI_FROM_SP     CFA = stack pointer + 8 * offset
 *     CFI_FROM_BP     CFA = frame pointer + 8 * offset
 *     CFI_REALIGNED   CFA = the word at frame pointer - 8 * offset; what gcc writes where a function aligns its stack
 *     and then        the return address is the word at CFA - 8, the caller's stack pointer is the CFA, and its frame
 *                     pointer is the word at CFA - 8 * bp_slot; with slot 0 what it was; CFI_REALIGNED: the word at the
 *                     frame pointer
 *     CFI_OUTERMOST   nobody called
 *     CFI_NOTHING     no entry holds for that address
 *
 * Nothing is read outside of the image, whatever its bytes say. */
#ifndef LEAKDETECT_CFI_RULES_H
#define LEAKDETECT_CFI_RULES_H

#include <stdint.h>

typedef enum cfi_kind {
    CFI_CANNOT,
    CFI_FROM_SP,
    CFI_FROM_BP,
    CFI_REALIGNED,
    CFI_OUTERMOST,
    CFI_NOTHING
} cfi_kind;

enum {
    CFI_OFFSET_MAX = (1 << 14) - 1, /* words: frames of 128 KiB. Larger ones are CFI_CANNOT */
    CFI_SLOT_MAX = (1 << 5) - 1
};

typedef struct cfi_rule {
    cfi_kind kind;
    uint32_t offset;  /* words, up to CFI_OFFSET_MAX */
    uint32_t bp_slot; /* words below the CFA, 2 to CFI_SLOT_MAX; 0: the frame pointer is what it was */
} cfi_rule;

/* A module in memory. */
typedef struct cfi_image {
    uintptr_t start, end; /* addresses */
    const uint8_t *bytes; /* of `start`; in a test they may lie elsewhere */
} cfi_image;

/* cfi_find_rule() finds the rule for an address through the sorted table.
 *   header   the address of .eh_frame_hdr.
 *   pc       an address inside the instruction for which the rule is to hold: for a caller, the last byte of its call.
 *   returns  the rule; CFI_CANNOT where what is said of the address is not understood.
 *   threads  any; async-signal-safe, takes no lock.
 *   cost     some 200 ns. */
cfi_rule cfi_find_rule(const cfi_image *image, uintptr_t header, uintptr_t pc);

/* cfi_read_entry() does the same with an FDE, found some other way. */
cfi_rule cfi_read_entry(const cfi_image *image, uintptr_t entry, uintptr_t pc);

#endif
