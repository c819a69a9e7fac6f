/* Files and sockets, straight from and to the bytes of buffers: lists of pieces for calls of one's own, and the
 * transfers.
 *
 *                    at the indices, which move     at an index, which stays
 *   read(2)          poolbuf_write_from_fd()        poolbuf_set_from_fd()
 *   write(2)         poolbuf_read_to_fd()           poolbuf_get_to_fd()
 *   pread(2)         poolbuf_write_from_file()      poolbuf_set_from_file()
 *   pwrite(2)        poolbuf_read_to_file()         poolbuf_get_to_file()
 *
 * As everywhere, _write_ and _set_ put bytes into the buffer and _read_ and _get_ take them out. No byte is copied on
 * the way: the system gets the pieces that the buffer lies in, so all kinds of buffers are served, those in many pieces
 * too.
 *
 * A transfer goes on until all is done, the file ends, the descriptor would block, or the system reports an error; a
 * signal does not stop it. A blocking descriptor therefore blocks until all has come or gone.
 *   returns  POOLBUF_OK if anything was transferred: *transferred tells how much, and the index has moved by that. If
 *            it is less than length, errno says what ended it: 0 for the end of the file, EAGAIN, or the error. Not
 *            every error is reported again by the next call: a socket forgets a reset once it has told it. POOLBUF_OK
 *            with 0 transferred: the end of the file, or length is 0 (no system call is made then).
 *   errors   POOLBUF_ERROR_WOULD_BLOCK: nothing transferred, the descriptor would block. POOLBUF_ERROR_SYSTEM: nothing
 *            transferred, errno says why. Of the buffer's side as in access.h: _OUT_OF_BOUNDS, _READ_ONLY, what growing
 *            fails for; then no system call was made. No index has moved; only the capacity may have grown, and bytes
 *            above the writer index are undefined as ever.
 *   threads  as in access.h: the one owner that is using the bytes; any number may get from a buffer that nobody
 *            changes.
 *   cost     a system call for each 1,024 pieces, more where it is given less than it asked for. No memory but what the
 *            buffer grows by; a buffer in several pieces takes 16 KiB of stack.
 *   signals  none from sockets by poolbuf_send() and poolbuf_send_to(), which fail with EPIPE where nobody listens any
 *            more. The others are write(2) in this: SIGPIPE comes first, unless the program ignores it. */
#ifndef POOLBUF_IO_H
#define POOLBUF_IO_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* uint32_t, uint64_t */

#include <poolbuf/buffer.h>
#include <poolbuf/export.h>
#include <poolbuf/status.h>

/* <sys/uio.h> and <sys/socket.h> have them; a program that includes neither does not get their many names from here. Lengths of
 * addresses are Linux' socklen_t by its real name. */
struct iovec;
struct sockaddr;

POOLBUF_BEGIN_DECLS

/* The most pieces that one system call takes: Linux's IOV_MAX. */
#define POOLBUF_IOVEC_LIMIT POOLBUF_CAST_(size_t, 1024)

/* ---- Pieces for calls of one's own ------------------------------------------------------------------------------- */

/* poolbuf_iovec_count() tells in how many pieces a range lies: Netty's nioBufferCount().
 *   index, length  the range; within the capacity.
 *   returns        1 for a buffer that is contiguous, at most the number of components for a composite; 0 for no bytes.
 *   errors         0: the range is out of bounds.
 *   threads        as poolbuf_memory().     cost  a search for each component. */
POOLBUF_API size_t poolbuf_iovec_count(const poolbuf *buffer, size_t index, size_t length);

/* poolbuf_readable_iovec() lends the pieces of a range, for reading: that of poolbuf_reader_index() and
 * poolbuf_readable_bytes(), or any other.
 *   index, length  the range; within the capacity.
 *   pieces         room for *count of them; may be NULL where that is 0.
 *   count          in: the room, of any size; out: how many were given, none of them empty. More than
 *                  POOLBUF_IOVEC_LIMIT are too many for one system call.
 *   covered        out: their bytes. Less than length: there was no room for all pieces, and the next call goes on at
 *                  index + *covered.
 *   returns        POOLBUF_OK. The pieces are valid as what poolbuf_bytes_at() lends is.
 *   errors         POOLBUF_ERROR_OUT_OF_BOUNDS.
 *   threads        as poolbuf_memory().     cost  a search for each piece that is given. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_readable_iovec(const poolbuf *buffer, size_t index, size_t length,
                                                                    struct iovec *pieces, size_t *count,
                                                                    size_t *covered);

/* poolbuf_writable_iovec() lends what lies between the writer index and the capacity, for writing. Whoever has filled
 * so many bytes of it says so with poolbuf_set_writer_index(). Room is made with poolbuf_ensure_writable().
 *   pieces, count, covered, returns  as above; *covered is less than poolbuf_writable_bytes() where there was no room
 *                                    for all.
 *   errors  POOLBUF_ERROR_READ_ONLY: the buffer, or a component that lies there, is read-only;
 *           POOLBUF_ERROR_OUT_OF_BOUNDS: the buffer is dead. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_writable_iovec(poolbuf *buffer, struct iovec *pieces,
                                                                    size_t *count, size_t *covered);

/* ---- Descriptors ------------------------------------------------------------------------------------------------- */

/* poolbuf_write_from_fd() appends what a descriptor gives.
 *   length       bytes at most; the buffer grows to take so many, whether they come or not.
 *   transferred  set where the call returns POOLBUF_OK; the writer index has moved by it.
 * poolbuf_set_from_fd() overwrites a range within the capacity, and moves no index.
 *   returns, errors, threads, cost  at the top. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_from_fd(poolbuf *buffer, int descriptor, size_t length,
                                                                   size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_from_fd(poolbuf *buffer, size_t index, int descriptor,
                                                                 size_t length, size_t *transferred);

/* poolbuf_read_to_fd() gives the next readable bytes to a descriptor.
 *   length       at most poolbuf_readable_bytes().
 *   transferred  set where the call returns POOLBUF_OK; the reader index has moved by it, and the rest is readable as
 *                before.
 * poolbuf_get_to_fd() does so with a range within the capacity, and moves no index.
 *   returns, errors, threads, cost  at the top. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_to_fd(poolbuf *buffer, int descriptor, size_t length,
                                                                size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_to_fd(const poolbuf *buffer, size_t index, int descriptor,
                                                               size_t length, size_t *transferred);

/* ---- Files at a position ----------------------------------------------------------------------------------------- */

/* The same four at a position of a file, whose own position they neither use nor move. So threads may share a
 * descriptor.
 *   offset  bytes from the start of the file. POOLBUF_ERROR_SYSTEM: EINVAL where the system has no such offset, ESPIPE
 *           where the descriptor has no positions.
 *   others  as above. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_write_from_file(poolbuf *buffer, int descriptor, uint64_t offset,
                                                                     size_t length, size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_set_from_file(poolbuf *buffer, size_t index, int descriptor,
                                                                   uint64_t offset, size_t length, size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_read_to_file(poolbuf *buffer, int descriptor, uint64_t offset,
                                                                  size_t length, size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_get_to_file(const poolbuf *buffer, size_t index, int descriptor,
                                                                 uint64_t offset, size_t length, size_t *transferred);

/* ---- Sockets ----------------------------------------------------------------------------------------------------- */

/* poolbuf_recv() and poolbuf_send() are poolbuf_write_from_fd() and poolbuf_read_to_fd() of a connected stream, with
 * flags.
 *   flags   those of recv(2) and send(2), or 0: MSG_DONTWAIT makes one call non-blocking. Send adds MSG_NOSIGNAL. With
 *           MSG_PEEK what is there is taken once, without waiting for more.
 *   errors  POOLBUF_ERROR_BAD_ARGUMENT: receive with MSG_TRUNC or MSG_ERRQUEUE, which do not give bytes of the stream.
 *   others  as there. A socket of messages would have several run together, or be split: for those, the next two. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_recv(poolbuf *buffer, int descriptor, size_t length, int flags,
                                                          size_t *transferred);
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_send(poolbuf *buffer, int descriptor, size_t length, int flags,
                                                          size_t *transferred);

/* poolbuf_send_to() sends the next readable bytes as one message: a datagram, or a record of SOCK_SEQPACKET. All pieces
 * go in one system call; the message is sent whole or not at all.
 *   length          at most poolbuf_readable_bytes(); 0 sends an empty message.
 *   flags           those of send(2), or 0; MSG_NOSIGNAL is added.
 *   address         whom to; NULL: the socket is connected. address_length: its bytes, 0 for NULL.
 *   transferred     set where the call returns POOLBUF_OK; length, but for sockets that are no sockets of messages.
 *   errors          as at the top; errno is EMSGSIZE for a message that is too long. POOLBUF_ERROR_UNSUPPORTED: the
 *                   bytes lie in more than POOLBUF_IOVEC_LIMIT pieces; poolbuf_composite_consolidate() helps. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_send_to(poolbuf *buffer, int descriptor, size_t length, int flags,
                                                             const struct sockaddr *address, uint32_t address_length,
                                                             size_t *transferred);

/* poolbuf_receive_from() appends one message.
 *   length          bytes at most, for which the buffer grows. The system drops what a message has more.
 *   flags           in: those of recv(2), but MSG_TRUNC and MSG_ERRQUEUE. Out, where the call returns POOLBUF_OK: what
 *                   recvmsg(2) says of the message: MSG_TRUNC if bytes of it were dropped, MSG_EOR at the end of a
 *                   record. NULL: 0, and not asked.
 *   address         room for the sender's address; NULL: not asked. address_length: in, its bytes; out, where the call
 *                   returns POOLBUF_OK, the bytes of the address (more than the room: it was cut), 0 if the sender has
 *                   none.
 *   transferred     set where the call returns POOLBUF_OK. 0 is an empty message, or the end: only SOCK_SEQPACKET has
 *                   one.
 *   errors          as at the top. POOLBUF_ERROR_BAD_ARGUMENT: those flags; POOLBUF_ERROR_UNSUPPORTED: the room lies in
 *                   more than POOLBUF_IOVEC_LIMIT pieces. */
POOLBUF_API POOLBUF_NODISCARD poolbuf_status poolbuf_receive_from(poolbuf *buffer, int descriptor, size_t length,
                                                                  int *flags, struct sockaddr *address,
                                                                  uint32_t *address_length, size_t *transferred);

POOLBUF_END_DECLS

#endif
