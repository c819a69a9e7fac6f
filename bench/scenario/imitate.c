/* Phases that play a shape: a trace is made that has it, and replayed. */
#include "record/shape.h"
#include "scenario/generate.h"

void generate_shape(builder *into, const char *name, const char *path, uint32_t thread_count, uint64_t seed) {
    char error[512];
    shape from;
    trace *made = NULL;
    if (!shape_read(path, &from, error, sizeof error)) {
        into->failure = "its shape has changed while it was read; run it again";
        return;
    }
    if (shape_play(&from, thread_count, seed, &made)) {
        generate_replay(into, name, made, thread_count);
    } else {
        into->failure = "not enough memory for its shape";
    }
    trace_destroy(made);
}

bool generate_shape_threads(const char *path, uint32_t *most, char *error, size_t error_size) {
    shape from;
    if (!shape_read(path, &from, error, error_size)) {
        return false;
    }
    *most = from.threads > *most ? from.threads : *most;
    return true;
}
