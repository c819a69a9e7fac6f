/* One line, drawn again and again. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "measure/worker_pass.h"

enum {
    LINE_SIZE = 512,
    COLUMNS_DEFAULT = 80
};

void progress_init(progress *self, bool quiet) {
    const char *terminal = getenv("TERM");
    const char *ci = getenv("CI");
    const bool is_dumb = terminal != NULL && strcmp(terminal, "dumb") == 0;
    const bool is_ci = ci != NULL && ci[0] != '\0';
    self->is_shown = !quiet && !is_ci && !is_dumb && isatty(STDERR_FILENO) == 1;
}

static void print_time(double seconds, char *text, size_t size) {
    if (seconds < 90) {
        (void)snprintf(text, size, "%.0f s", seconds);
    } else {
        (void)snprintf(text, size, "%.0f min", seconds / 60);
    }
}

/* What is counted: rounds, or the processes of a pass, by the word that asked for it. */
static const char *part_of(const measure_step *step) {
    if (step->pass == NULL) {
        return "round";
    }
    return strcmp(step->pass, worker_pass_name(WORKER_LATENCY_AT_RATE)) == 0 ? "latency at that rate" : step->pass;
}

static void cut(char *text, size_t size, int columns) {
    if (columns >= 0 && (size_t)columns < size) {
        text[columns] = '\0';
    }
}

void progress_line(const measure_step *step, int columns, char *text, size_t size) {
    enum {
        WIDTH = 24
    };
    if (step->subject == NULL) {
        (void)snprintf(text, size, "generating the operations of %s, %" PRIu32 " of %" PRIu32, step->scenario,
                       step->round, step->rounds);
        cut(text, size, columns);
        return;
    }
    const size_t total = step->total == 0 ? 1 : step->total;
    const size_t done = step->done < total ? step->done : total;
    char bar[WIDTH + 1];
    memset(bar, '.', WIDTH);
    memset(bar, '#', done * WIDTH / total);
    bar[WIDTH] = '\0';
    char left[48] = "";
    if (step->done > 0) {
        char time[32];
        print_time(step->seconds / (double)step->done * (double)(total - done), time, sizeof time);
        (void)snprintf(left, sizeof left, "%s left, ", time);
    }
    const int length =
        snprintf(text, size, "[%s] %3zu%%  %s%s %" PRIu32 " of %" PRIu32 ", %s, %s", bar, done * 100 / total, left,
                 part_of(step), step->round, step->rounds, step->scenario, step->subject);
    /* The bar says the least of it. */
    const int bar_length = WIDTH + 3;
    if (length > columns && (size_t)length < size) {
        memmove(text, text + bar_length, (size_t)(length - bar_length) + 1);
    }
    cut(text, size, columns);
}

void progress_step(const measure_step *step, void *self) {
    const progress *shown = self;
    if (!shown->is_shown) {
        return;
    }
    struct winsize window = {0};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    char line[LINE_SIZE];
    progress_line(step, (known ? window.ws_col : COLUMNS_DEFAULT) - 1, line, sizeof line);
    fprintf(stderr, "\r%s\033[K", line);
}

void progress_end(const progress *self) {
    if (self->is_shown) {
        fputs("\r\033[K", stderr);
    }
}
