/* Reports that could not be written, counted where `poolbuf leaks` finds it: with the other reports alone it would call a
 * run clean of which it does not know all. The page is mapped when the library is loaded, as a process may later drop root,
 * change its root, or have closed every descriptor; a forked child has it from its parent. */
#ifndef LEAKDETECT_TALLY_H
#define LEAKDETECT_TALLY_H

/* tally_open() maps the file that POOLBUF_LEAK_TALLY names; once.
 *   path    NULL: there is none, and nothing is counted.
 *   errors  one line on stderr, but for a file that is not to be had: a program that the first one's child executes may not
 *           be allowed to. */
void tally_open(const char *path);

/* tally_count_lost() counts a report of this process. Async-signal-safe. */
void tally_count_lost(void);

#endif
