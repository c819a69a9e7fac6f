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

/* Inline functions are C; a C++ program that has them from a folder of its own (-I) may ask for what C cannot do. */
#if defined(__cplusplus) && defined(__clang__)
#define POOLBUF_QUIET_                                                                                                 \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wold-style-cast\"")                          \
        _Pragma("clang diagnostic ignored \"-Wzero-as-null-pointer-constant\"")
#define POOLBUF_LOUD_ _Pragma("clang diagnostic pop")
#elif defined(__cplusplus) && defined(__GNUC__)
#define POOLBUF_QUIET_                                                                                                 \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wold-style-cast\"")                              \
        _Pragma("GCC diagnostic ignored \"-Wuseless-cast\"")                                                           \
            _Pragma("GCC diagnostic ignored \"-Wzero-as-null-pointer-constant\"")
#define POOLBUF_LOUD_ _Pragma("GCC diagnostic pop")
#else
#define POOLBUF_QUIET_
#define POOLBUF_LOUD_
#endif

#ifdef __cplusplus
#define POOLBUF_BEGIN_DECLS POOLBUF_QUIET_ extern "C" {
#define POOLBUF_END_DECLS                                                                                              \
    }                                                                                                                  \
    POOLBUF_LOUD_
#define POOLBUF_CAST_(type, value) static_cast<type>(value)
#else
#define POOLBUF_BEGIN_DECLS
#define POOLBUF_END_DECLS
#define POOLBUF_CAST_(type, value) ((type)(value))
#endif

#endif
