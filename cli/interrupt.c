/* Signals that end a run early. */
#include "interrupt.h"

#include <stddef.h>
#include <stdio.h>

volatile sig_atomic_t interrupt_signal = 0;

static void note(int number) {
    interrupt_signal = number;
}

void interrupt_watch(void) {
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        struct sigaction before;
        /* No SA_RESTART: poll() must return. Reset, so that whoever is in a hurry asks twice. */
        struct sigaction action = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND};
        (void)sigemptyset(&action.sa_mask);
        if (sigaction(watched[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            (void)sigaction(watched[i], &action, NULL);
        }
    }
}

void interrupt_finish(void) {
    const int number = (int)interrupt_signal;
    if (number != 0) {
        (void)fflush(stdout);
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}
