/* A program that tracks resources of its own, with the detector that watches its buffers: open files here. One path through
 * copy_first_line() forgets to close its file. Run with POOLBUF_LEAK_LEVEL=paranoid, or in production as it is: files are few,
 * so their type says that every one is tracked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <poolbuf/leakdetect.h>

#define OWN_FRAME __attribute__((noinline)) /* so that stacks read like the source, whatever the optimiser thinks */

typedef struct reader {
    FILE *stream;
    char name[64];
} reader;

static leakdetect_type reader_type;

/* Called when a report is made. The reader is not closed meanwhile: reader_close() untracks it first, and waits for us. */
static void reader_describe(const void *resource, char *text, size_t size, void *context) {
    const reader *self = resource;
    (void)context;
    (void)snprintf(text, size, "%s, descriptor %d", self->name, fileno(self->stream));
}

OWN_FRAME static reader *reader_open(const char *path) {
    reader *self = malloc(sizeof *self);
    FILE *stream = fopen(path, "r");
    if (self == NULL || stream == NULL) {
        perror(path);
        exit(1);
    }
    self->stream = stream;
    (void)snprintf(self->name, sizeof self->name, "%s", path);
    (void)leakdetect_track_as(self, 1, reader_type);
    return self;
}

static void reader_close(reader *self) {
    (void)leakdetect_untrack(self);
    (void)fclose(self->stream);
    free(self);
}

OWN_FRAME static int copy_first_line(const char *path) {
    reader *in = reader_open(path);
    char line[256];
    if (fgets(line, sizeof line, in->stream) == NULL) {
        return 0; /* the bug: an empty file is never closed */
    }
    (void)fputs(line, stdout);
    reader_close(in);
    return 1;
}

int main(int argc, char **argv) {
    const leakdetect_type_options options = {
        .struct_size = sizeof options, .unit = "descriptors", .sampling_interval = 1, .describe = reader_describe};
    if (argc < 2 || leakdetect_register_type("reader", &options, &reader_type) != POOLBUF_OK) {
        (void)fprintf(stderr, "usage: resources FILE...\n");
        return 2;
    }
    int copied = 0;
    for (int i = 1; i < argc; i++) {
        copied += copy_first_line(argv[i]);
    }
    return copied > 0 ? 0 : 1;
}
