/* Which functions an address lies in, as debug information has it: the one that the compiler made code of, and those that it
 * merged into it there. For the detector, which opens libdw when it needs it, and for `poolbuf report`, which links it.
 *
 * libdw's own dwarf_getscopes() looks for the source of a merged function in the unit of the code alone, and so finds nothing
 * where link-time optimisation has put them into different ones; it does not look into namespaces, where clang leaves
 * functions; and of a unit whose functions stand in another file (-gsplit-dwarf) it sees the skeleton. */
#ifndef LEAKDETECT_DEBUG_SCOPES_H
#define LEAKDETECT_DEBUG_SCOPES_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define DEBUG_SCOPES_FUNCTIONS(X)                                                                                      \
    X(dwarf_child)                                                                                                     \
    X(dwarf_siblingof)                                                                                                 \
    X(dwarf_haspc)                                                                                                     \
    X(dwarf_tag)                                                                                                       \
    X(dwarf_cu_info)

enum {
    DEBUG_SCOPES_NESTING = 32 /* namespaces and types in each other that are looked into */
};

/* libdw's functions, wherever they come from. */
typedef struct debug_scopes_reader {
#define DEBUG_SCOPES_DECLARE(name) __extension__ __typeof__(name)(*(name));
    DEBUG_SCOPES_FUNCTIONS(DEBUG_SCOPES_DECLARE)
#undef DEBUG_SCOPES_DECLARE
} debug_scopes_reader;

/* What has no code of its own, and may hold functions that have: Rust's are in their types. */
static inline bool debug_scopes_may_hold_code(int tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
           tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

static inline bool debug_scopes_is_code(int tag) {
    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

/* The part of a unit that has its functions. */
static inline Dwarf_Die debug_scopes_body(const debug_scopes_reader *dw, const Dwarf_Die *unit) {
    Dwarf_Die body;
    memset(&body, 0, sizeof body);
    const bool is_split =
        dw->dwarf_cu_info(unit->cu, NULL, NULL, NULL, &body, NULL, NULL, NULL) == 0 && body.addr != NULL;
    return is_split ? body : *unit;
}

/* The entry among those below `parent` whose code the address is in, in namespaces and types too. */
static inline bool debug_scopes_enter(const debug_scopes_reader *dw, const Dwarf_Die *parent, Dwarf_Addr address,
                                      Dwarf_Die *found) {
    Dwarf_Die path[DEBUG_SCOPES_NESTING];
    Dwarf_Die from = *parent;
    size_t depth = dw->dwarf_child(&from, &path[0]) == 0 ? 1 : 0;
    while (depth > 0) {
        Dwarf_Die *at = &path[depth - 1];
        const int tag = dw->dwarf_tag(at);
        if (debug_scopes_is_code(tag) && dw->dwarf_haspc(at, address) > 0) {
            *found = *at;
            return true;
        }
        if (debug_scopes_may_hold_code(tag) && depth < DEBUG_SCOPES_NESTING && dw->dwarf_child(at, &path[depth]) == 0) {
            depth++;
            continue;
        }
        while (depth > 0 && dw->dwarf_siblingof(&path[depth - 1], &path[depth - 1]) != 0) {
            depth--;
        }
    }
    return false;
}

/* The functions around an address, innermost first: inlined subroutines, and behind them the subprogram; without the outer
 * ones where there are more than `most`.
 *   body     the unit's, from debug_scopes_body().
 *   returns  how many; 0 where debug information does not know the address. */
static inline size_t debug_scopes_find(const debug_scopes_reader *dw, const Dwarf_Die *body, Dwarf_Addr address,
                                       Dwarf_Die *scopes, size_t most) {
    Dwarf_Die at = *body;
    size_t count = 0;
    while (debug_scopes_enter(dw, &at, address, &at)) {
        const int tag = dw->dwarf_tag(&at);
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) {
            count += count < most;
            memmove(&scopes[1], &scopes[0], (count - 1) * sizeof *scopes);
            scopes[0] = at;
        }
    }
    return count;
}

#endif
