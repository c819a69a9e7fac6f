/* Reads what Memcheck wrote with --xml=yes for one process into the leak model.
 *
 * Every call site that leaks becomes a group, whose kind is Memcheck's word for how its blocks are lost; errors of use
 * ("invalid read", "uninitialised condition", ...) become groups of their own. The library's own frames are cut from the
 * top of a stack, so that the first line is the caller's, as in the built-in detector's report.
 *
 * A pool buffer is two blocks to Memcheck, the handle and its bytes; here it is one again, and counted once, with the
 * bytes that it holds. All buffers of a call site are one group, under the worst of their kinds. Blocks that are still
 * reachable are taken only if they are pool buffers: an unreleased buffer is a leak to a reference count, whoever points
 * at it. */
#ifndef POOLBUF_REPORTS_VALGRIND_XML_H
#define POOLBUF_REPORTS_VALGRIND_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "reports/model.h"

typedef struct valgrind_xml_summary {
    bool finished;      /* Memcheck wrote its end: the search for leaks is complete */
    size_t leak_groups; /* groups added for blocks that are lost or, in the pool, still reachable */
    size_t use_groups;  /* groups added for errors of use */
} valgrind_xml_summary;

/* valgrind_xml_read() adds one process and its groups.
 *   returns  false, with one line in `error`, only if the file cannot be read or is not Memcheck's. A file that breaks
 *            off, as after a kill, gives what it holds, and summary->finished is false. */
bool valgrind_xml_read(const char *path, leaks_model *model, valgrind_xml_summary *summary, char *error,
                       size_t error_size);

#endif
