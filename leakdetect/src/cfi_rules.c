/* The reader of .eh_frame; see cfi_rules.h.
 *
 * Bytes are taken from a cursor, which fails for good at its end: it gives zeroes then, has nothing left, and is asked
 * at the end of each part whether it failed. So no length in the data is believed, only compared with what is there. */
#include "cfi_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    COMMON_MAX = 128,     /* bytes of a CIE that is copied */
    ENTRY_MAX = 1024,     /* bytes of an FDE that is copied */
    LENGTH_MAX = 1 << 20, /* bytes of either, read in place */
    REMEMBERED_MAX = 8,   /* depth of DW_CFA_remember_state; compilers go to 1 */
    AUGMENTATION_MAX = 8  /* letters */
};

static const int64_t WORD = sizeof(uintptr_t); /* of x86-64's frames */

enum { /* x86-64's numbers for the registers that we follow */
    REGISTER_BP = 6,
    REGISTER_SP = 7,
    REGISTER_RA = 16
};

enum { /* how a pointer is encoded: its format in the low four bits, what it counts from in the next three */
    POINTER_ABSOLUTE = 0x00,
    POINTER_UDATA2 = 0x02,
    POINTER_UDATA4 = 0x03,
    POINTER_UDATA8 = 0x04,
    POINTER_SDATA2 = 0x0a,
    POINTER_SDATA4 = 0x0b,
    POINTER_SDATA8 = 0x0c,
    POINTER_FORMAT = 0x0f,
    POINTER_PCREL = 0x10,
    POINTER_ALIGNED = 0x50,
    POINTER_INDIRECT = 0x80,
    POINTER_BASE = 0xf0,
    POINTER_OMITTED = 0xff
};

enum { /* the header of .eh_frame_hdr as every linker writes it; a table of another shape is not searched */
    HEADER_VERSION = 1,
    HEADER_FRAMES = POINTER_PCREL | POINTER_SDATA4,
    HEADER_COUNT = POINTER_UDATA4,
    HEADER_TABLE = 0x30 | POINTER_SDATA4 /* relative to the header */
};

enum {
    OP_NOP = 0x00,
    OP_SET_LOC = 0x01,
    OP_ADVANCE_LOC1 = 0x02,
    OP_ADVANCE_LOC2 = 0x03,
    OP_ADVANCE_LOC4 = 0x04,
    OP_OFFSET_EXTENDED = 0x05,
    OP_RESTORE_EXTENDED = 0x06,
    OP_UNDEFINED = 0x07,
    OP_SAME_VALUE = 0x08,
    OP_REGISTER = 0x09,
    OP_REMEMBER_STATE = 0x0a,
    OP_RESTORE_STATE = 0x0b,
    OP_DEF_CFA = 0x0c,
    OP_DEF_CFA_REGISTER = 0x0d,
    OP_DEF_CFA_OFFSET = 0x0e,
    OP_DEF_CFA_EXPRESSION = 0x0f,
    OP_EXPRESSION = 0x10,
    OP_OFFSET_EXTENDED_SF = 0x11,
    OP_DEF_CFA_SF = 0x12,
    OP_DEF_CFA_OFFSET_SF = 0x13,
    OP_VAL_OFFSET = 0x14,
    OP_VAL_OFFSET_SF = 0x15,
    OP_VAL_EXPRESSION = 0x16,
    OP_GNU_ARGS_SIZE = 0x2e,
    OP_PRIMARY = 0xc0, /* with one of these two bits set, the other six are an operand */
    OP_ADVANCE_LOC = 0x40,
    OP_OFFSET = 0x80,
    OP_RESTORE = 0xc0,
    EXPRESSION_DEREF = 0x06,
    EXPRESSION_BREG_BP = 0x70 + REGISTER_BP
};

/* --- bytes ------------------------------------------------------------------------------------------------------- */

typedef struct cursor {
    const uint8_t *next, *end;
    uintptr_t end_address; /* of the byte behind the last one */
    bool failed;
} cursor;

static bool image_holds(const cfi_image *image, uintptr_t at, size_t size) {
    return at >= image->start && at <= image->end && size <= image->end - at;
}

static bool image_copy(const cfi_image *image, uintptr_t at, void *into, size_t size) {
    if (!image_holds(image, at, size)) {
        return false;
    }
    memcpy(into, image->bytes + (at - image->start), size);
    return true;
}

static bool open_cursor(const cfi_image *image, uintptr_t at, size_t size, cursor *into) {
    if (!image_holds(image, at, size)) {
        return false;
    }
    const uint8_t *first = image->bytes + (at - image->start);
    *into = (cursor){.next = first, .end = first + size, .end_address = at + size};
    return true;
}

static size_t left(const cursor *from) {
    return (size_t)(from->end - from->next);
}

static void fail(cursor *from) {
    from->next = from->end;
    from->failed = true;
}

static void skip(cursor *from, uint64_t size) {
    if (size > left(from)) {
        fail(from);
    } else {
        from->next += size;
    }
}

static uint64_t take(cursor *from, size_t size) {
    uint64_t value = 0;
    if (size > left(from)) {
        fail(from);
        return 0;
    }
    memcpy(&value, from->next, size); /* little-endian, as x86-64 is */
    from->next += size;
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned bits) {
    const uint64_t sign = (uint64_t)1 << (bits - 1);
    return bits >= 64 ? (int64_t)value : (int64_t)((value ^ sign) - sign);
}

static uint64_t take_leb(cursor *from, bool is_signed) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = (uint8_t)take(from, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            const unsigned bits = shift + 7;
            return is_signed && bits < 64 ? (uint64_t)sign_extend(value, bits) : value;
        }
    }
    fail(from);
    return 0;
}

static uint64_t take_unsigned(cursor *from) {
    return take_leb(from, false);
}

static int64_t take_signed(cursor *from) {
    return (int64_t)take_leb(from, true);
}

static size_t pointer_size(uint8_t encoding) {
    switch (encoding & POINTER_FORMAT) {
    case POINTER_UDATA2:
    case POINTER_SDATA2:
        return 2;
    case POINTER_UDATA4:
    case POINTER_SDATA4:
        return 4;
    case POINTER_ABSOLUTE:
    case POINTER_UDATA8:
    case POINTER_SDATA8:
        return 8;
    default:
        return 0;
    }
}

/* Formats of fixed size, that count from zero or from the pointer's own place. */
static uintptr_t take_pointer(cursor *from, uint8_t encoding) {
    const size_t size = pointer_size(encoding);
    const uint8_t base = encoding & POINTER_BASE;
    const uintptr_t place = from->end_address - left(from);
    if (size == 0 || (base != 0 && base != POINTER_PCREL)) {
        fail(from);
        return 0;
    }
    uint64_t value = take(from, size);
    if ((encoding & 0x08) != 0) {
        value = (uint64_t)sign_extend(value, (unsigned)size * 8);
    }
    return base == POINTER_PCREL ? place + value : value;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

typedef enum place_kind {
    PLACE_SAME, /* the register still has the caller's value */
    PLACE_AT_CFA,
    PLACE_AT_BP, /* by an expression, of gcc's for functions that align their stack */
    PLACE_UNDEFINED,
    PLACE_OTHER
} place_kind;

typedef struct place {
    place_kind kind;
    int64_t offset; /* bytes from the CFA */
} place;

typedef enum cfa_kind {
    CFA_UNKNOWN,
    CFA_REGISTER,
    CFA_WORD_AT_BP
} cfa_kind;

typedef struct row {
    cfa_kind cfa;
    uint64_t cfa_register;
    int64_t cfa_offset; /* bytes */
    place bp, ra, sp;
} row;

typedef struct common {
    uint64_t code_alignment;
    int64_t data_alignment;
    uint8_t encoding; /* of an FDE's pointers */
    bool augmented;   /* an FDE says how long its augmentation is */
} common;

typedef struct machine {
    const common *common;
    row now;
    row initial; /* what DW_CFA_restore goes back to */
    row remembered[REMEMBERED_MAX];
    unsigned depth;
    uintptr_t location;
    uintptr_t pc;
} machine;

static place *place_of(row *of, uint64_t number) {
    return number == REGISTER_BP ? &of->bp : number == REGISTER_RA ? &of->ra : number == REGISTER_SP ? &of->sp : NULL;
}

static void set_place(machine *self, uint64_t number, place_kind kind, int64_t offset) {
    place *at = place_of(&self->now, number);
    if (at != NULL) {
        *at = (place){kind, offset};
    }
}

static void restore_place(machine *self, uint64_t number) {
    place *at = place_of(&self->now, number);
    if (at != NULL) {
        *at = *place_of(&self->initial, number);
    }
}

static int64_t scale(const machine *self, uint64_t count) {
    return (int64_t)(count * (uint64_t)self->common->data_alignment); /* may wrap; what is absurd is refused later */
}

/* Takes a block that must be "register bp plus a constant", and with `deref` the word there. */
static bool take_bp_expression(cursor *from, bool deref, int64_t *offset) {
    const uint64_t size = take_unsigned(from);
    if (size > left(from)) {
        fail(from);
        return false;
    }
    cursor block = {.next = from->next, .end = from->next + size};
    skip(from, size);
    const bool names_bp = take(&block, 1) == EXPRESSION_BREG_BP;
    *offset = take_signed(&block);
    const bool derefs = !deref || take(&block, 1) == EXPRESSION_DEREF;
    return names_bp && derefs && !block.failed && left(&block) == 0;
}

static void define_cfa(machine *self, cfa_kind kind, uint64_t number, int64_t offset) {
    self->now.cfa = kind;
    self->now.cfa_register = number;
    self->now.cfa_offset = offset;
}

/* The ones that say what the CFA is. */
static bool run_cfa(machine *self, cursor *from, uint8_t op) {
    int64_t offset = 0;
    uint64_t number;
    switch (op) {
    case OP_DEF_CFA:
        number = take_unsigned(from);
        define_cfa(self, CFA_REGISTER, number, (int64_t)take_unsigned(from));
        return true;
    case OP_DEF_CFA_SF:
        number = take_unsigned(from);
        define_cfa(self, CFA_REGISTER, number, scale(self, (uint64_t)take_signed(from)));
        return true;
    case OP_DEF_CFA_REGISTER:
        define_cfa(self, CFA_REGISTER, take_unsigned(from), self->now.cfa_offset);
        return true;
    case OP_DEF_CFA_OFFSET:
        self->now.cfa_offset = (int64_t)take_unsigned(from);
        return true;
    case OP_DEF_CFA_OFFSET_SF:
        self->now.cfa_offset = scale(self, (uint64_t)take_signed(from));
        return true;
    case OP_DEF_CFA_EXPRESSION:
        if (take_bp_expression(from, true, &offset)) {
            define_cfa(self, CFA_WORD_AT_BP, REGISTER_BP, offset);
        } else {
            define_cfa(self, CFA_UNKNOWN, 0, 0);
        }
        return true;
    default:
        return false;
    }
}

/* The ones that say where a register is. */
static bool run_register(machine *self, cursor *from, uint8_t op) {
    const uint64_t number = take_unsigned(from);
    int64_t offset = 0;
    switch (op) {
    case OP_OFFSET_EXTENDED:
        set_place(self, number, PLACE_AT_CFA, scale(self, take_unsigned(from)));
        return true;
    case OP_OFFSET_EXTENDED_SF:
        set_place(self, number, PLACE_AT_CFA, scale(self, (uint64_t)take_signed(from)));
        return true;
    case OP_RESTORE_EXTENDED:
        restore_place(self, number);
        return true;
    case OP_UNDEFINED:
        set_place(self, number, PLACE_UNDEFINED, 0);
        return true;
    case OP_SAME_VALUE:
        set_place(self, number, PLACE_SAME, 0);
        return true;
    case OP_REGISTER:
    case OP_VAL_OFFSET:
    case OP_VAL_OFFSET_SF:
        (void)take_unsigned(from);
        set_place(self, number, PLACE_OTHER, 0);
        return true;
    case OP_VAL_EXPRESSION:
        skip(from, take_unsigned(from));
        set_place(self, number, PLACE_OTHER, 0);
        return true;
    case OP_EXPRESSION:
        set_place(self, number, take_bp_expression(from, false, &offset) && offset == 0 ? PLACE_AT_BP : PLACE_OTHER, 0);
        return true;
    default:
        return false;
    }
}

/* Returns false at the row behind the one that is wanted. */
static bool advance(machine *self, uint64_t count) {
    const uint64_t delta = count * self->common->code_alignment;
    if (delta > self->pc - self->location) {
        return false;
    }
    self->location += delta;
    return true;
}

static bool remember(machine *self) {
    if (self->depth == REMEMBERED_MAX) {
        return false;
    }
    self->remembered[self->depth++] = self->now;
    return true;
}

static bool recall(machine *self) {
    if (self->depth == 0) {
        return false;
    }
    self->now = self->remembered[--self->depth];
    return true;
}

/* Runs one instruction. *go_on is set to false where the wanted row is complete; returns false where it is no
 * instruction that we know. */
static bool run_one(machine *self, cursor *from, bool *go_on) {
    const uint8_t op = (uint8_t)take(from, 1);
    const uint8_t operand = op & (uint8_t)~OP_PRIMARY;
    switch (op & OP_PRIMARY) {
    case OP_ADVANCE_LOC:
        *go_on = advance(self, operand);
        return true;
    case OP_OFFSET:
        set_place(self, operand, PLACE_AT_CFA, scale(self, take_unsigned(from)));
        return true;
    case OP_RESTORE:
        restore_place(self, operand);
        return true;
    default:
        break;
    }
    switch (op) {
    case OP_NOP:
        return true;
    case OP_SET_LOC: {
        const uintptr_t to = take_pointer(from, self->common->encoding);
        *go_on = to <= self->pc;
        self->location = to < self->location || !*go_on ? self->location : to;
        return true;
    }
    case OP_ADVANCE_LOC1:
        *go_on = advance(self, take(from, 1));
        return true;
    case OP_ADVANCE_LOC2:
        *go_on = advance(self, take(from, 2));
        return true;
    case OP_ADVANCE_LOC4:
        *go_on = advance(self, take(from, 4));
        return true;
    case OP_REMEMBER_STATE:
        return remember(self);
    case OP_RESTORE_STATE:
        return recall(self);
    case OP_GNU_ARGS_SIZE:
        (void)take_unsigned(from);
        return true;
    default:
        return run_cfa(self, from, op) || run_register(self, from, op);
    }
}

static bool run(machine *self, cursor *from) {
    bool go_on = true;
    while (go_on && left(from) > 0) {
        if (!run_one(self, from, &go_on)) {
            return false;
        }
    }
    return !from->failed;
}

/* --- from a row to a rule ---------------------------------------------------------------------------------------- */

static const cfi_rule CANNOT = {.kind = CFI_CANNOT};
static const cfi_rule NOTHING = {.kind = CFI_NOTHING};

static bool words_of(int64_t bytes, uint32_t most, uint32_t *words) {
    if (bytes <= 0 || bytes % WORD != 0 || bytes / WORD > most) {
        return false;
    }
    *words = (uint32_t)(bytes / WORD);
    return true;
}

static cfi_rule boil_down(const row *from) {
    cfi_rule rule = {.kind = CFI_CANNOT};
    if (from->ra.kind == PLACE_UNDEFINED) {
        return (cfi_rule){.kind = CFI_OUTERMOST};
    }
    if (from->ra.kind != PLACE_AT_CFA || from->ra.offset != -WORD || from->sp.kind != PLACE_SAME) {
        return CANNOT;
    }
    if (from->cfa == CFA_WORD_AT_BP) {
        const bool fits = from->bp.kind == PLACE_AT_BP && from->cfa_offset > -((int64_t)1 << 32) &&
                          words_of(-from->cfa_offset, CFI_OFFSET_MAX, &rule.offset);
        rule.kind = fits ? CFI_REALIGNED : CFI_CANNOT;
        return rule;
    }
    const bool from_sp = from->cfa_register == REGISTER_SP;
    if (from->cfa != CFA_REGISTER || (!from_sp && from->cfa_register != REGISTER_BP) ||
        !words_of(from->cfa_offset, CFI_OFFSET_MAX, &rule.offset)) {
        return CANNOT;
    }
    /* The slot is not the return address's, and lies inside the frame. */
    const bool saved = from->bp.kind == PLACE_AT_CFA;
    if (saved && (from->bp.offset > -2 * WORD || from->bp.offset < -WORD * CFI_SLOT_MAX ||
                  !words_of(-from->bp.offset, CFI_SLOT_MAX, &rule.bp_slot))) {
        return CANNOT;
    }
    if ((!saved && from->bp.kind != PLACE_SAME) || (from_sp && rule.bp_slot > rule.offset)) {
        return CANNOT;
    }
    rule.kind = from_sp ? CFI_FROM_SP : CFI_FROM_BP;
    return rule;
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static bool skip_personality(cursor *from) {
    const uint8_t encoding = (uint8_t)take(from, 1);
    const size_t size = pointer_size(encoding);
    const bool aligned = (encoding & POINTER_BASE & ~POINTER_INDIRECT) == POINTER_ALIGNED;
    if (encoding != POINTER_OMITTED && (size == 0 || aligned)) {
        return false;
    }
    skip(from, size);
    return true;
}

/* A CIE's head is read; the cursor stands at its program then. */
static bool read_augmentation(cursor *from, const char *letters, common *into) {
    if (letters[0] == '\0') {
        return true;
    }
    if (letters[0] != 'z') {
        return false;
    }
    into->augmented = true;
    const uint64_t size = take_unsigned(from);
    if (size > left(from)) {
        return false;
    }
    const uint8_t *program = from->next + size;
    for (const char *letter = letters + 1; *letter != '\0'; letter++) {
        switch (*letter) {
        case 'R':
            into->encoding = (uint8_t)take(from, 1);
            break;
        case 'P':
            if (!skip_personality(from)) {
                return false;
            }
            break;
        case 'L':
            (void)take(from, 1);
            break;
        default: /* 'S', the frame of a signal handler, whose caller was interrupted anywhere; and what we never met */
            return false;
        }
    }
    if (from->failed || from->next > program) {
        return false;
    }
    from->next = program;
    return true;
}

static bool read_common(cursor *from, common *into) {
    char letters[AUGMENTATION_MAX + 1] = {0};
    const uint64_t version = take(from, 1);
    *into = (common){.encoding = POINTER_ABSOLUTE};
    for (size_t i = 0;; i++) {
        const char letter = (char)take(from, 1);
        if (letter == '\0') {
            break;
        }
        if (i == AUGMENTATION_MAX) {
            return false;
        }
        letters[i] = letter;
    }
    into->code_alignment = take_unsigned(from);
    into->data_alignment = take_signed(from);
    const uint64_t return_register = version == 1 ? take(from, 1) : take_unsigned(from);
    return (version == 1 || version == 3) && return_register == REGISTER_RA && !from->failed &&
           read_augmentation(from, letters, into);
}

/* Opens an entry behind its length; the 64-bit form is not known to be used by anyone. */
static bool open_entry(const cfi_image *image, uintptr_t at, cursor *into) {
    uint32_t length;
    return image_copy(image, at, &length, sizeof length) && length != 0 && length <= LENGTH_MAX &&
           open_cursor(image, at + sizeof length, length, into);
}

static bool run_common(const cfi_image *image, uintptr_t at, common *into, machine *on) {
    cursor from;
    if (!open_entry(image, at, &from) || take(&from, sizeof(uint32_t)) != 0 || !read_common(&from, into)) {
        return false;
    }
    on->common = into;
    on->location = 0;
    on->pc = 0; /* a common entry has one row, in which nothing advances */
    if (!run(on, &from)) {
        return false;
    }
    on->initial = on->now;
    on->depth = 0;
    return true;
}

cfi_rule cfi_read_entry(const cfi_image *image, uintptr_t entry, uintptr_t pc) {
    cursor from;
    common shared;
    machine self = {.pc = 0};
    if (!open_entry(image, entry, &from)) {
        return CANNOT;
    }
    const uintptr_t back = (uintptr_t)take(&from, sizeof(uint32_t));
    if (back == 0 || from.failed || !run_common(image, entry + sizeof(uint32_t) - back, &shared, &self)) {
        return CANNOT;
    }
    const uintptr_t start = take_pointer(&from, shared.encoding);
    const uintptr_t size = take_pointer(&from, shared.encoding & POINTER_FORMAT);
    if (shared.augmented) {
        skip(&from, take_unsigned(&from));
    }
    if (from.failed) {
        return CANNOT;
    }
    if (pc < start || pc - start >= size) {
        return NOTHING;
    }
    self.location = start;
    self.pc = pc;
    return run(&self, &from) ? boil_down(&self.now) : CANNOT;
}

typedef struct table_line {
    int32_t start, entry; /* relative to the header */
} table_line;

cfi_rule cfi_find_rule(const cfi_image *image, uintptr_t header, uintptr_t pc) {
    static const uint8_t EXPECTED[4] = {HEADER_VERSION, HEADER_FRAMES, HEADER_COUNT, HEADER_TABLE};
    struct {
        uint8_t shape[4];
        int32_t frames;
        uint32_t count;
    } head;
    if (!image_copy(image, header, &head, sizeof head) || memcmp(head.shape, EXPECTED, sizeof EXPECTED) != 0 ||
        head.count > (image->end - header - sizeof head) / sizeof(table_line)) {
        return CANNOT;
    }
    const uintptr_t table = header + sizeof head;
    table_line line = {0};
    uint32_t low = 0; /* lines below it start at or before pc, those from high on behind it */
    uint32_t high = head.count;
    uintptr_t entry = 0;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (!image_copy(image, table + (uintptr_t)middle * sizeof line, &line, sizeof line)) {
            return CANNOT;
        }
        if (header + (uintptr_t)(intptr_t)line.start <= pc) {
            low = middle + 1;
            entry = header + (uintptr_t)(intptr_t)line.entry;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NOTHING : cfi_read_entry(image, entry, pc);
}
