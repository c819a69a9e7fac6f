/* A stream in a file without a name, so that the process that measures finds it ready.
 *
 * The run generates each scenario's stream once and writes it to a memory file; every worker maps that file. So all
 * subjects get the same operations to the bit, no worker spends time on generating, and above all no worker's heap has
 * been through the generator's allocations before the subject's first one.
 *
 *   header | phase records | thread records, phase by phase | operations
 *
 * All offsets are in bytes from the start; records are the structs of stream_image.c, in this machine's own layout: writer
 * and reader are the same program. The reader checks every bound all the same, since a truncated file must not crash. */
#ifndef POOLBUF_BENCH_STREAM_IMAGE_H
#define POOLBUF_BENCH_STREAM_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario/stream.h"

/* stream_image_write() makes a memory file that holds a stream.
 *   returns  its descriptor, close-on-exec, to be closed by the caller; -1 with errno set. */
int stream_image_write(const stream *source);

typedef struct stream_image {
    stream stream; /* its names and operations lie in the mapping, its phases and threads in `tables` */
    void *mapping; /* read-only */
    size_t size;   /* bytes of the mapping, all resident */
    void *tables;
} stream_image;

/* stream_image_open() maps a file that stream_image_write() made.
 *   descriptor  may be closed afterwards.
 *   returns     true; close it with stream_image_close(). False when it is no such file, or there is no memory. */
bool stream_image_open(int descriptor, stream_image *image);
void stream_image_close(stream_image *image);

/* stream_critical_operations() counts the operations of the busiest thread, phase by phase: what a play of the stream takes
 * at least, one after the other. What a time an operation is taken over: of one thread's stream it is all operations, and
 * of a hand-over it is the buffers handed over. */
uint64_t stream_critical_operations(const stream *source);

#endif
