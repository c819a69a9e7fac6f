/* A line of text that grows by parts. What does not fit is cut; the room is ample for a line. */
#ifndef POOLBUF_REPORTS_SENTENCE_H
#define POOLBUF_REPORTS_SENTENCE_H

#include "reports/model.h"

enum {
    SENTENCE_BYTES = 4000
};

typedef struct sentence {
    char text[SENTENCE_BYTES];
    size_t used;
} sentence;

void sentence_init(sentence *out);
/* Straight behind what is there. */
void sentence_add(sentence *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* After a comma, if anything is there. */
void sentence_join(sentence *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a prefix and a text that may be unknown: then nothing is added. */
void sentence_join_text(sentence *out, const char *prefix, const char *text);
/* A copy that lives as long as the model; NULL if the sentence is empty. */
const char *sentence_keep(const sentence *out, model_arena *arena);
/* "" for one, "s" for any other number. */
const char *sentence_plural(uint64_t count);

#endif
