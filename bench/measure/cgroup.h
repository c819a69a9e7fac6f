/* The limits of the control groups that this process is in. Each group is bounded by those around it, so the lowest
 * of all counts; the root of a file system of groups has none itself, but in a container it is the container's group. */
#ifndef POOLBUF_BENCH_CGROUP_H
#define POOLBUF_BENCH_CGROUP_H

/* Processors, and bytes; 0 where there is no limit.
 *   root  in front of /proc and /sys; "" for this host, another folder in tests. */
double cgroup_cpu_limit(const char *root);
double cgroup_memory_limit(const char *root);

#endif
