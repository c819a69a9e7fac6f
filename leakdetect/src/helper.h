/* Libraries that the detector opens when it first needs them, and does without where they are not to be had. */
#ifndef LEAKDETECT_HELPER_H
#define LEAKDETECT_HELPER_H

#include <stdbool.h>

/* Whether the program has the system's loader. One that was linked statically has not: its dlopen() would bring in a
 * second C library, for which no thread here has thread-local storage, so that a call into it crashes. */
bool helper_loader_exists(void);

/* Opens a library, for good; NULL: it is missing, or there is no loader. Takes the loader's lock. */
void *helper_open(const char *name);

/* Right after helper_open(), or a dlsym() of what it gave, has failed in this thread: says on stderr why, what that means, and what
 * to install; nothing where there is no loader, as then it is what the program was linked for. Returns whether it may succeed
 * another time: the library is there, and something else is not, such as a free descriptor. */
bool helper_say_missing(const char *name, const char *meaning, const char *package);

#endif
