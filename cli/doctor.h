/* What `poolbuf doctor` and `poolbuf run` ask of the host. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "measure/doctor.h"

/* doctor_look() examines this host and this build; TEST_DOCTOR_ROOT, for tests, puts a folder in front of /proc and
 * /sys. */
void doctor_look(unsigned watch_ms, doctor_report *report);

#endif
