/* For the tests of the harness: a stream from a scenario's text, and a play of it without any clock. */
#ifndef POOLBUF_BENCH_TESTS_STREAM_TEXT_H
#define POOLBUF_BENCH_TESTS_STREAM_TEXT_H

#include "scenario/stream.h"
#include "scenario_text.h"

#define SCENARIO_HEAD "name: t\nasks: q?\nsource: s\n"

static inline stream *stream_from_text(const char *text) {
    char error[512];
    stream *made = NULL;
    scenario *from = scenario_from_text(text, error);
    if (from == NULL || !stream_generate(from, 1, false, &made, error, sizeof error)) {
        fail_msg("%s", error);
    }
    scenario_destroy(from);
    return made;
}

#endif
