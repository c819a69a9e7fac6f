/* Writes the default allocator's metrics on stdout, in one of two formats, after a little work: `metrics openmetrics` is what a
 * program answers a Prometheus server, `metrics json` what it logs. */
#include <stdio.h>
#include <string.h>

#include <poolbuf/poolbuf.h>

int main(int argc, char **argv) {
    const char *format = argc == 2 ? argv[1] : "";
    poolbuf *small = poolbuf_allocate_direct(NULL, 1000, 1000);
    poolbuf *large = poolbuf_allocate_heap(NULL, 100000, 100000);
    poolbuf_status status = POOLBUF_ERROR_BAD_ARGUMENT;
    if (small == NULL || large == NULL) {
        return 1;
    }
    if (strcmp(format, "openmetrics") == 0) {
        status = poolbuf_allocator_write_openmetrics(NULL, stdout);
    } else if (strcmp(format, "json") == 0) {
        status = poolbuf_allocator_write_json(NULL, stdout);
    } else {
        (void)fprintf(stderr, "usage: metrics openmetrics|json\n");
    }
    poolbuf_release(large);
    poolbuf_release(small);
    return status == POOLBUF_OK ? 0 : 2;
}
