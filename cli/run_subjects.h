/* Which subjects a run takes: those of the table by name, one of them under another name by NAME=SUBJECT, a user's own
 * by NAME=./library.so, or all that can be had here. */
#ifndef CLI_RUN_SUBJECTS_H
#define CLI_RUN_SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "arguments.h"
#include "measure/run.h"
#include "subjects/subject.h"

/* Zero-initialise it; release it with run_subjects_fini(), however choosing went. */
typedef struct run_subjects {
    const subject *items[MEASURE_SUBJECTS_MAX];
    size_t count;
    bool is_whole_table;                     /* nothing was named */
    subject libraries[MEASURE_SUBJECTS_MAX]; /* those of items that are the user's own */
    char *library_names[MEASURE_SUBJECTS_MAX];
    size_t library_count;
    measure_part parts[MEASURE_SUBJECTS_MAX]; /* one for each of items */
    subject aliases[MEASURE_SUBJECTS_MAX];    /* those of items that are one of the table under another name */
    char *alias_names[MEASURE_SUBJECTS_MAX];
    size_t alias_count;
} run_subjects;

/* run_subjects_choose() reads what --subject was given.
 *   words    as typed; none: all of the table. Those that are not available then stay in the list, as the results say
 *            so.
 *   returns  ARGUMENTS_PROCEED; EXIT_USAGE after a complaint for an unknown name, one that is taken, and a library that
 *            does not keep the contract; EXIT_UNCHECKED after one for a subject that is named and not available. */
int run_subjects_choose(const command_line *line, const text_list *words, run_subjects *chosen);

/* run_subjects_tell_left_out() names in one line on stderr what of the whole table is not available; once nothing else can be
 * wrong with the command line, whose faults get one line. */
void run_subjects_tell_left_out(const run_subjects *chosen);
void run_subjects_fini(run_subjects *chosen);

#endif
