/* `poolbuf worker`: what `poolbuf run` starts for each subject in each round. Hidden: its command line and its answer are
 * between the two, and change with them. */
#include "measure/worker.h"
#include "commands.h"

int cli_worker(int argc, char **argv) {
    return worker_main(argc, argv);
}
