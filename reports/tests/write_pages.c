/* Writes the pages that the browser test opens, and the JSON that their tables are compared with: write_pages FOLDER. */
#include <stdio.h>
#include <string.h>

#include "reports/report.h"
#include "reports/tests/fixture.h"

/* One of the two is given. */
static bool write_page(const char *folder, const char *name, const report_input *inputs, size_t count,
                       const history_model *history, report_format format) {
    char path[4096];
    char error[REPORT_ERROR_BYTES] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        perror(path);
        return false;
    }
    bool is_written = history != NULL ? report_write_history(history, format, NULL, to, error, sizeof error)
                                      : report_write_inputs(inputs, count, format, NULL, to, error, sizeof error);
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
    history_model *check = fixture_history(true);
    bool is_written = write_page(argv[1], "results.html", &inputs[0], 1, NULL, REPORT_HTML) &&
                      write_page(argv[1], "results.json", &inputs[0], 1, NULL, REPORT_JSON) &&
                      write_page(argv[1], "leaks.html", &inputs[1], 1, NULL, REPORT_HTML) &&
                      write_page(argv[1], "leaks.json", &inputs[1], 1, NULL, REPORT_JSON) &&
                      write_page(argv[1], "both.html", inputs, 2, NULL, REPORT_HTML) &&
                      write_page(argv[1], "check.html", NULL, 0, check, REPORT_HTML) &&
                      write_page(argv[1], "check.json", NULL, 0, check, REPORT_JSON);
    history_model_destroy(check);
    report_input_fini(&inputs[0]);
    report_input_fini(&inputs[1]);
    return is_written ? 0 : 1;
}
