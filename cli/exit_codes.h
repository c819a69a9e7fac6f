/* What the program's exit status means. Scripts rely on these numbers: they are documented, and never reused. */
#ifndef CLI_EXIT_CODES_H
#define CLI_EXIT_CODES_H

enum {
    EXIT_FINE = 0,       /* what was asked was done, and nothing is wrong */
    EXIT_RUN_FAILED = 1, /* a run failed: a subject, a round, or the program that was watched */
    EXIT_USAGE = 2,      /* a bad command line or bad input; one line on stderr names it */
    EXIT_REGRESSION = 3, /* a performance regression beyond the threshold */
    EXIT_LEAK = 4,       /* a leak */
    EXIT_BOTH = 5,       /* a regression and a leak */
    EXIT_UNCHECKED = 6   /* nothing could be checked, or not all: green would be a lie */
};

#endif
