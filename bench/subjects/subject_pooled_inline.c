/* The subject pooled-inline: the same buffers, as a program gets them that links libpoolbuf.a: the fast paths of allocate and
 * release are in its own code. A worker of its own plays it, as this program has the shared library. */
#undef POOLBUF_INLINE
#define POOLBUF_INLINE        1
#define SUBJECT_POOLED_KERNEL subject_kernel_pooled_inline
#define SUBJECT_POOLED_ALONE

#include "subjects/subject_pooled.c" /* NOLINT(bugprone-suspicious-include): a kernel is compiled for each subject */
