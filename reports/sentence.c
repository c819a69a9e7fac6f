/* A line of text that grows by parts. */
#include "reports/sentence.h"

#include <stdarg.h>
#include <stdio.h>

void sentence_init(sentence *out) {
    out->text[0] = '\0';
    out->used = 0;
}

static void append(sentence *out, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

static void append(sentence *out, const char *format, va_list arguments) {
    int length = vsnprintf(out->text + out->used, SENTENCE_BYTES - out->used, format, arguments);
    size_t room = SENTENCE_BYTES - out->used - 1;
    if (length > 0) {
        out->used += (size_t)length < room ? (size_t)length : room;
    }
}

void sentence_add(sentence *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(out, format, arguments);
    va_end(arguments);
}

void sentence_join(sentence *out, const char *format, ...) {
    if (out->used != 0) {
        sentence_add(out, ", ");
    }
    va_list arguments;
    va_start(arguments, format);
    append(out, format, arguments);
    va_end(arguments);
}

void sentence_join_text(sentence *out, const char *prefix, const char *text) {
    if (text != NULL && text[0] != '\0') {
        sentence_join(out, "%s%s", prefix, text);
    }
}

const char *sentence_keep(const sentence *out, model_arena *arena) {
    return out->used == 0 ? NULL : model_text(arena, out->text);
}

const char *sentence_plural(uint64_t count) {
    return count == 1 ? "" : "s";
}
