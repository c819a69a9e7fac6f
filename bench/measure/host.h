/* Facts about this machine and this build that belong beside every result. */
#ifndef POOLBUF_BENCH_HOST_H
#define POOLBUF_BENCH_HOST_H

#include "reports/model.h"

/* host_describe() fills a model's host, build, tool_version and created. */
void host_describe(results_model *model);

/* host_build_is_optimised() says whether this build's times mean anything. */
bool host_build_is_optimised(void);

#endif
