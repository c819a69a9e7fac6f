/* The --format of report, compare and leaks: the word on the command line, or else the output file's suffix. */
#ifndef CLI_FORMATS_H
#define CLI_FORMATS_H

#include "arguments.h"
#include "reports/report.h"

/* formats_choose() finds the format that a report is to have.
 *   word     from --format; NULL when it was not given: then path's suffix decides, and without one it is text.
 *   path     from --output; NULL or "-" is stdout.
 *   returns  ARGUMENTS_PROCEED, or EXIT_USAGE after one line on stderr: an unknown format, or HTML onto a terminal. */
int formats_choose(const command_line *line, report_kind kind, const char *word, const char *path, report_format *out);

/* The word of the format that a file's suffix stands for; NULL if it stands for none. */
const char *formats_by_suffix(const char *path);

/* formats_find_root() makes of --source-root what report_options wants.
 *   folder   as it was given, "." by default.
 *   root     PATH_MAX bytes; lasts as long as its user.
 *   returns  the root; NULL after one line on stderr: there is no such folder. */
const char *formats_find_root(const command_line *line, const char *folder, char *root);

/* The words of --weight, in the order of report_weight and with a NULL at the end, and what one of them means. */
extern const char *const FORMATS_WEIGHTS[];
report_weight formats_weight(const char *word);

#endif
