/* Probes: places where a tracer of the system may look in, in a program as it runs.
 *
 * Where <sys/sdt.h> is there at build time, each is one nop and a note in the file that says where it is and in which
 * registers its arguments lie; nothing else is done for it while nobody traces. Elsewhere there are none. The provider is
 * `poolbuf`; docs/allocator.md lists the probes, examples/poolbuf.bt uses them.
 *
 * An argument must cost nothing: what the compiled code has at hand anyway, in a register or in the buffer's handle. clang
 * would rather store an argument on the stack than leave it in its register if a probe took both, so it is offered no
 * memory. */
#ifndef PROBE_H
#define PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define PROBE_HAVE_SDT 1
#endif
#endif

#ifdef PROBE_HAVE_SDT
#ifdef __clang__
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
#include <sys/sdt.h>
#define PROBE2(name, a, b)    DTRACE_PROBE2(poolbuf, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(poolbuf, name, a, b, c)
#else
#define PROBE2(name, a, b)    ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
