/* Who holds what was leaked, in words: the lines that every writer shows below a group. */
#ifndef POOLBUF_REPORTS_LEAKS_HOLDERS_H
#define POOLBUF_REPORTS_LEAKS_HOLDERS_H

#include "reports/model.h"

/* "retain at session_open (session.c:41)" */
const char *leaks_site_title(const leaks_model *model, const leaks_site *site);
/* "thread io", "several threads, last io" */
const char *leaks_site_thread(const leaks_model *model, const leaks_site *site);
/* Whether the line is one that may be to blame: it has open references, or it differs from the usual. */
bool leaks_site_is_short(const leaks_group *group, const leaks_site *site);
/* "2 references open: allocation at make (server.c:18) 1, retain at ... 10, ..."; NULL where there is no balance. */
const char *leaks_holders_balance(const leaks_model *model, const leaks_group *group);
/* What the balance says about the culprit, a line each; NULL from the last on. */
const char *leaks_holders_verdict(const leaks_model *model, const leaks_group *group, size_t index);

#endif
