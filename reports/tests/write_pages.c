/* Writes the pages that the browser test opens, and the JSON that their tables are compared with: write_pages FOLDER. */
#include <stdio.h>
#include <string.h>

#include "reports/report.h"
#include "reports/tests/fixture.h"

static bool write_page(const char *folder, const char *name, const report_input *inputs, size_t count,
                       report_format format) {
    char path[4096];
    char error[REPORT_ERROR_BYTES] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        perror(path);
        return false;
    }
    bool is_written = report_write_inputs(inputs, count, format, NULL, to, error, sizeof error);
    is_written = fclose(to) == 0 && is_written;
    if (!is_written) {
        fprintf(stderr, "%s: %s\n", path, error);
    }
    return is_written;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: write_pages FOLDER\n");
        return 2;
    }
    report_input inputs[2] = {{.results = fixture_results()}, {.leaks = fixture_leaks()}};
    bool is_written = write_page(argv[1], "results.html", &inputs[0], 1, REPORT_HTML) &&
                      write_page(argv[1], "results.json", &inputs[0], 1, REPORT_JSON) &&
                      write_page(argv[1], "leaks.html", &inputs[1], 1, REPORT_HTML) &&
                      write_page(argv[1], "leaks.json", &inputs[1], 1, REPORT_JSON) &&
                      write_page(argv[1], "both.html", inputs, 2, REPORT_HTML);
    report_input_fini(&inputs[0]);
    report_input_fini(&inputs[1]);
    return is_written ? 0 : 1;
}
