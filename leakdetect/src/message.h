/* The detector's own one-line messages on stderr: loud, whole, and prefixed with "poolbuf: ". */
#ifndef LEAKDETECT_MESSAGE_H
#define LEAKDETECT_MESSAGE_H

#include <signal.h>
#include <stddef.h>

/* message_print() formats one line, adds prefix and newline, and writes it in one call. */
void message_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* message_write() writes all bytes to stderr's descriptor, past stdio, whose stderr a program may have closed. */
void message_write(const char *bytes, size_t count);

/* Between these two, the calling thread's writes to a pipe that nobody reads, or beyond the largest size of a file, fail and
 * do nothing else: the signal that they raise would end a program which has not written a byte itself. One that came
 * from elsewhere is left alone. Nor is the thread cancelled there. errno stays. */
typedef struct message_shield_state {
    sigset_t ours;   /* what can only come from our writes */
    sigset_t before; /* the thread's mask */
    int cancellation;
} message_shield_state;

void message_shield(message_shield_state *self);
void message_unshield(const message_shield_state *self);

#endif
