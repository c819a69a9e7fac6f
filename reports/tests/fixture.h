/* The models that the tests and golden files are made from: written by hand, with fixed dates, and with every case that
 * a report has to show (winners, no separation, failures, missing subjects, outliers, names with markup in them). */
#ifndef POOLBUF_REPORTS_TESTS_FIXTURE_H
#define POOLBUF_REPORTS_TESTS_FIXTURE_H

#include "reports/history.h"
#include "reports/model.h"

results_model *fixture_results(void);
leaks_model *fixture_leaks(void);
compare_model *fixture_compare(void);
history_model *fixture_history(bool is_check);

/* Leaks of one process, /opt/server, that counted so many live buffers; and a group of two buffers in it. */
leaks_model *fixture_process(const char *reason, uint64_t live);
leaks_group *fixture_add_leak(leaks_model *model, const char *fingerprint);

#endif
