/* Reads what Memcheck wrote with --xml=yes for one process into the leak model.
 *
 * Every error becomes a group. Leaked blocks keep Memcheck's word for how they are lost as the group's kind; errors of
 * use ("invalid read", "uninitialised condition", ...) say theirs. The library's own frames are cut from the top of a
 * stack, so that the first line is the caller's, as in the built-in detector's report. Blocks that are still reachable
 * are taken only if they are pool buffers: an unreleased buffer is a leak to a reference count, whoever points at it. */
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
