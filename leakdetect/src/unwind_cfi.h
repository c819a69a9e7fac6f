/* The walker of unwind_cfi.c beside the others' contract in unwind.h: how old what it remembers is.
 *
 * It remembers rules of addresses. Where a module has been closed and another one lies at its place, they are another's
 * rules; and no load that is free of locks tells that. But a walk with a wrong rule finds frames that are not there,
 * and so, in all likelihood, a stack that nobody has seen before; and for a stack that is new the loader can be asked.
 * So:
 *
 *     epoch = cfi_epoch(); walk; the stack is new? -> cfi_look() != epoch? -> walk again, with nothing remembered
 *
 * A wrong stack that was stored so is remembered as doubtful, and asked about whenever it comes again. What is left is
 * one that equals, frame for frame, another that was right.
 */
#ifndef LEAKDETECT_UNWIND_CFI_H
#define LEAKDETECT_UNWIND_CFI_H

#include <stdint.h>

/* cfi_epoch() says which epoch it is: what was remembered in an earlier one does not count. */
uint32_t cfi_epoch(void);

/* cfi_look() asks the loader whether it has closed anything; if so a new epoch begins. Returns the epoch.
 *   threads  any, with no lock held, as for a walk that takes locks; where no such walk may be (unwind_gate.h) nobody is
 *            asked, since the loader can close nothing either.
 *   cost     a call of dl_iterate_phdr() that stops at the first module, some 50 ns. */
uint32_t cfi_look(void);

#endif
