/* The options inside the library. The table and its parser are public (poolbuf/options.h); here is what the allocator
 * alone needs of them: its own options as a struct, checked. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <poolbuf/allocator.h>
#include <poolbuf/options.h>

/* Whether every option lies within its limits. Says on stderr what does not. */
bool options_check(const poolbuf_allocator_options *options);

/* Gives each option that does not fit the others, or that cannot be had here, its default, and says so on stderr; the
 * others stay as they are. With POOLBUF_STRICT=1 the first ends the process. */
void options_mend(poolbuf_allocator_options *options);

/* Loads what the environment's options need from other libraries, so that options_check() waits for no loader. */
void options_load(void);

/* Ends the process with code 2 where POOLBUF_STRICT asks for that; called after a complaint about the environment. */
void options_exit_if_strict(void);

/* Forgets which complaints have been printed, so that a test can provoke them again. */
void options_forget_complaints(void);

#endif
