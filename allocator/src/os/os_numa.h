/* Memory nodes on Linux: the part of os_linux.c that needs libnuma. */
#ifndef OS_NUMA_H
#define OS_NUMA_H

#include "os/os.h"

int os_numa_bind(void *region, size_t size, os_numa policy);

#endif
