/* `poolbuf-worker-dpdk worker ...`: what `poolbuf run` starts for the subject dpdk. Not for people.
 *
 * DPDK is linked from its archives: as a shared library it would load every driver that is installed when it starts. */
#include "measure/worker.h"

#include <stdint.h>

#include <rte_config.h>
#include <rte_mempool.h>
#include <rte_version.h>

int main(int argc, char **argv) {
    subject_provide("dpdk", &subject_kernel_dpdk, (const void *)(uintptr_t)&rte_mempool_create, rte_version());
    return worker_main(argc - 1, argv + 1);
}
