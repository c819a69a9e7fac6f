/* `poolbuf-worker-boost worker ...`: what `poolbuf run` starts for the subject boost. Not for people. boost::pool is
 * all templates, so the code that serves is in the kernel itself. */
#include "measure/worker.h"

#include <stdint.h>

int main(int argc, char **argv) {
    subject_provide("boost", &subject_kernel_boost, (const void *)(uintptr_t)subject_kernel_boost.play,
                    subject_boost_version());
    return worker_main(argc - 1, argv + 1);
}
