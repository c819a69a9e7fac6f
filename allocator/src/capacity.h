/* How far a buffer grows. */
#ifndef CAPACITY_H
#define CAPACITY_H

#include <stddef.h>

/* The capacity for at least so many bytes: Netty's calculateNewCapacity. least <= max. */
size_t capacity_grown(size_t least, size_t max);

#endif
