/* A function's name in a symbol table, without what compilers append to the copies that they make of it. Such an ending may
 * come and go with any change to the function's callers, and debug information does not have it. */
#ifndef LEAKDETECT_SYMBOL_NAME_H
#define LEAKDETECT_SYMBOL_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* How long an ending is that a text begins with: ".isra.0", ".cold"; 0: none. All have a number but the last. */
static inline size_t symbol_name_ending(const char *text) {
    static const char *const WORDS[] = {".constprop.", ".isra.", ".part.", ".lto_priv.", ".llvm.", ".cold."};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        const size_t length = strlen(WORDS[i]);
        const size_t digits = strncmp(text, WORDS[i], length) == 0 ? strspn(text + length, "0123456789") : 0;
        if (digits > 0) {
            return length + digits;
        }
    }
    return strncmp(text, ".cold", strlen(".cold")) == 0 ? strlen(".cold") : 0;
}

static inline bool symbol_name_is_ending(const char *text) {
    size_t length = symbol_name_ending(text);
    while (length > 0 && text[length] != '\0') {
        text += length;
        length = symbol_name_ending(text);
    }
    return length > 0;
}

/* How long the name is without such an ending. Other dots are the language's own, as Go's in "main.main". */
static inline size_t symbol_name_length(const char *name) {
    for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        if (dot > name && symbol_name_is_ending(dot)) {
            return (size_t)(dot - name);
        }
    }
    return strlen(name);
}

#endif
