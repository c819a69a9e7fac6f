/* What every public header needs first: symbol visibility, C linkage, and the attributes that callers feel.
 *
 * The library is built with hidden visibility; POOLBUF_API marks what the shared object exports. */
#ifndef POOLBUF_EXPORT_H
#define POOLBUF_EXPORT_H

#if defined(__GNUC__)
#define POOLBUF_API       __attribute__((visibility("default")))
#define POOLBUF_NODISCARD __attribute__((warn_unused_result))
#else
#define POOLBUF_API
#define POOLBUF_NODISCARD
#endif

/* Calls that are made once a buffer: through the address that the loader has filled in, and not by way of a stub that jumps
 * there. A static linker makes plain calls of them. */
#if defined(__x86_64__) && defined(__has_attribute)
#if __has_attribute(noplt)
#define POOLBUF_DIRECT_CALL __attribute__((noplt))
#endif
#endif
#ifndef POOLBUF_DIRECT_CALL
#define POOLBUF_DIRECT_CALL
#endif

#ifdef __cplusplus
#define POOLBUF_BEGIN_DECLS extern "C" {
#define POOLBUF_END_DECLS   }
#else
#define POOLBUF_BEGIN_DECLS
#define POOLBUF_END_DECLS
#endif

#endif
