/* The detector's own one-line messages on stderr: loud, whole, and prefixed with "poolbuf: ". */
#ifndef LEAKDETECT_MESSAGE_H
#define LEAKDETECT_MESSAGE_H

#include <stddef.h>

/* message_print() formats one line, adds prefix and newline, and writes it in one call. */
void message_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* message_write() writes all bytes to stderr's descriptor, past stdio, whose stderr a program may have closed. */
void message_write(const char *bytes, size_t count);

#endif
