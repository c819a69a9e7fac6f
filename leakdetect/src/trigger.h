/* Reports while the program runs: on a signal (POOLBUF_LEAK_SIGNAL), on an interval (POOLBUF_LEAK_INTERVAL_S), and when one of
 * the scans on another interval (POOLBUF_LEAK_SCAN_INTERVAL_S) has found more lost than any before.
 *
 *     signal -> handler: count, wake -> the detector's thread -> finalize_live()
 *     clock  --------------------------------^    `-> scan_run() --^
 *
 * The handler adds one to a counter and posts a semaphore, both of which a handler may do; a descriptor would be closed by a
 * program that closes what it does not know, and then belong to somebody else. Signals that come while a report is being
 * written are one report, with their number in it: none is lost (G1).
 *
 * The thread exists where one of the three options asks for it. It has every other signal blocked, so that the program's signals go
 * to the program's threads; the one that asks for reports may be blocked in all of those. A forked child has none; the first tracked resource that it opens or closes starts one
 * (G2), which then answers what was asked meanwhile. It is joined at exit.
 *
 * Lock: lifecycle, a leaf, whoever starts or stops the thread. The child makes it anew. */
#ifndef LEAKDETECT_TRIGGER_H
#define LEAKDETECT_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "detour.h"

/* trigger_parse_signal() reads what POOLBUF_LEAK_SIGNAL says: off, a name with or without SIG, in any case, RTMIN+n or
 * RTMAX-n, or a number.
 *   number   set on success only; 0: off.
 *   returns  false for what is no signal, or one whose default action nobody can or should take away: those of faults, ABRT,
 *            KILL and STOP. */
bool trigger_parse_signal(const char *text, int *number);

/* trigger_start() installs the handler and starts the thread; once, when the library is loaded.
 *   signal_number  0: none. One that the process handles or ignores already is left alone, which one line says.
 *   interval_s     0: no reports by the clock.
 *   scan_interval_s   0: no scans. */
void trigger_start(int signal_number, uint32_t interval_s, uint32_t scan_interval_s);

/* trigger_revive() starts the thread that a forked child lacks; with no lock held. Seen late, the thread starts late. */
void trigger_revive_slow(void);
static inline void trigger_revive(void) {
    if (__builtin_expect(detour_is_set(DETOUR_REVIVAL), 0)) {
        trigger_revive_slow();
    }
}

/* trigger_stop() ends the thread for good, after the report that it is writing.
 *   returns  false if it did not end within half a minute; then it may hold the report lock for ever. */
bool trigger_stop(void);

#endif
