/* The database of `poolbuf history`: one SQLite file, to which runs are added and from which nothing is taken away.
 *
 *   environments   what two runs must have in common to be compared: processor, cores, kernel, compiler, build, leak level, length
 *   runs           one a results file, found again by a digest of its bytes
 *   works          a scenario and what it plays: a changed scenario is another work
 *   subjects       run x subject: the allocator that served under the name, its version and what tuned it
 *   absences       run x work x subject that has no figures: its status, and why; not in files to which only programs before
 *                  it have added
 *   figures        run x work x subject x metric (x rate): the median of the run's rounds, and its interval
 *
 * The tables are an interface: people may read them with any SQLite tool. `application_id` and `user_version` say what a file
 * is; a later layout has a higher version, and is refused rather than guessed at.
 *
 * Every call that can fail puts one line into `error`, without the program's name, and has changed nothing. Several programs
 * may have one file open; whoever writes has it alone, and others wait up to ten seconds. */
#ifndef CLI_HISTORY_STORE_H
#define CLI_HISTORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reports/history.h"
#include "reports/model.h"

enum {
    HISTORY_ERROR_BYTES = 512,
    HISTORY_TEXT_MAX = 200 /* bytes of a label or a reason */
};

typedef struct history_store history_store;

/* history_store_open() opens a database, and makes one where there is none, if it is to be written to. */
history_store *history_store_open(const char *path, bool to_write, char *error);
void history_store_close(history_store *self); /* what was not committed is forgotten; NULL is fine */

/* What a run is added with, beside its results. */
typedef struct history_entry {
    const char *digest;   /* of the file */
    const char *label;    /* NULL: none */
    const char *accepted; /* likewise */
} history_entry;

typedef enum history_added {
    HISTORY_ADDED,
    HISTORY_KNOWN, /* that file is in already */
    HISTORY_FAILED /* see error */
} history_added;

/* history_store_add() adds a run; history_store_commit() makes all that were added since the opening stay, or none.
 *   figures   set to how many figures the run has.
 *   runs      set to how many runs of its environment there are now. */
history_added history_store_add(history_store *self, const results_model *results, const history_entry *entry,
                                uint64_t *figures, uint64_t *runs, char *error);
bool history_store_commit(history_store *self, char *error);

/* history_store_read() reads the newest run's environment.
 *   limit    the last so many runs of it.
 *   model    gets series, points and facts; every series has a point at least, and those of a scenario are of the work that it
 *            had last.
 *   returns  false with a line in error; an empty database is an error, too. */
bool history_store_read(history_store *self, uint64_t limit, history_model *model, char *error);

#endif
