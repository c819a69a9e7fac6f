/* Ctrl-C, asked for kindly: what was measured is kept, then the program ends by the signal, as it would have. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <signal.h>

/* The signal that came, 0 before. */
extern volatile sig_atomic_t interrupt_signal;

/* interrupt_watch() takes SIGINT, SIGTERM and SIGHUP, which a lost connection sends; a second one ends the program at
 * once. Signals that the caller ignores, as nohup does, stay ignored. */
void interrupt_watch(void);

/* interrupt_finish() ends the program by the signal that came, if one did, after stdout is written: a shell sees 128
 * and its number, and stops its loop. Returns otherwise. */
void interrupt_finish(void);

#endif
