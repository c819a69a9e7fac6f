/* What a piece of code writes to stderr, between capture() and captured_text(). */
#ifndef CAPTURED_H
#define CAPTURED_H

#include <unistd.h>

#include "unit.h"

static FILE *captured;
static int saved_stderr;

static inline void capture(void) {
    (void)fflush(stderr);
    captured = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* Ends it. The text is overwritten by the next one; what is beyond 1,999 bytes is cut off. */
static inline const char *captured_text(void) {
    static char text[2000];
    (void)fflush(stderr);
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    (void)close(saved_stderr);
    rewind(captured);
    size_t length = fread(text, 1, sizeof text - 1, captured);
    text[length] = '\0';
    (void)fclose(captured);
    return text;
}

#endif
