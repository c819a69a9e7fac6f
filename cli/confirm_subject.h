/* A subject as a results file has it: one of the table, one of the table under another name, slowed down or not, or a
 * user's own library. To play it again it is put together from what the file says. */
#ifndef CLI_CONFIRM_SUBJECT_H
#define CLI_CONFIRM_SUBJECT_H

#include "measure/run.h"
#include "reports/model.h"
#include "subjects/subject.h"

/* Its texts are the results' or static. */
typedef struct confirm_subject {
    subject subject;
    measure_part part;
} confirm_subject;

/* confirm_subject_find() puts a subject together again.
 *   from     the results, and `side` what they are called: BASE or NEW.
 *   name     as in the results; it must live as long as `out`.
 *   out      set when NULL is returned.
 *   returns  NULL, or why it cannot be played again, living as long as the arena: what it plays is not in this program, its
 *            library is gone or has changed, or the file, made by an older program, does not say what it is. */
const char *confirm_subject_find(model_arena *arena, const results_model *from, const char *side, const char *name,
                                 confirm_subject *out);

#endif
