/* What every sampled buffer comes by lies together: a program is there once in a hundred allocations, and then each cache
 * line that it has to fetch, of code or of data, is one more to wait for.
 *
 * SAMPLED_WORD puts a variable beside the others that are asked there, in three cache lines in place of a dozen on eight pages;
 * a section whose name is that of a variable in C becomes one of the output. SAMPLED_CODE puts a function beside the
 * others (.text.hot). SAMPLED_EXTERN declares what other files ask for there: the compiler takes an extern variable for one that may
 * be another library's, and goes by its address, if it is not told that it is hidden. */
#ifndef POOLBUF_PROCESS_SAMPLED_H
#define POOLBUF_PROCESS_SAMPLED_H

#define SAMPLED_WORD   __attribute__((section("poolbuf_sampled")))
#define SAMPLED_CODE   __attribute__((hot))
#define SAMPLED_EXTERN extern __attribute__((visibility("hidden")))

#endif
