/* `poolbuf-worker-static worker ...`: what `poolbuf run` starts for a subject that needs the static library. Not for people. */
#include "measure/worker.h"

int main(int argc, char **argv) {
    return worker_main(argc - 1, argv + 1);
}
