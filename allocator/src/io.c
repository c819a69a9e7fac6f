/* Files and sockets, straight from and to the pieces that buffers lie in.
 *
 *      the range is checked, or made          pieces_check and its kin
 *      as many pieces as a call takes         list_pieces
 *      one system call on them                transfer.call
 *      and again behind what it moved         go_on
 *
 * The tracker is told before the first system call and not after the last one: it may change errno, which is a result
 * here. */
#include <poolbuf/io.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "buffer.h"
#include "handle.h"
#include "pieces.h"

_Static_assert(POOLBUF_IOVEC_LIMIT == IOV_MAX, "what the header says is what the system takes");
_Static_assert(EAGAIN == EWOULDBLOCK, "one comparison will do");
_Static_assert(sizeof(socklen_t) == sizeof(uint32_t), "lengths of addresses are what the header says");

/* ---- Ranges ------------------------------------------------------------------------------------------------------ */

/* The first pieces of a checked range, as many as there is room for; gives back their bytes. */
static size_t list_pieces(const poolbuf *buffer, size_t index, size_t length, struct iovec *pieces, size_t *count) {
    size_t room = *count;
    size_t used = 0;
    size_t covered = 0;
    for (size_t run = 0; covered < length && used < room; covered += run) {
        uint8_t *bytes = piece_at(buffer, index + covered, &run);
        run = smaller(run, length - covered);
        pieces[used++] = (struct iovec){.iov_base = bytes, .iov_len = run};
    }
    *count = used;
    return covered;
}

static size_t count_pieces(const poolbuf *buffer, size_t index, size_t length) {
    size_t count = 0;
    for (size_t done = 0, run = 0; done < length; done += run) {
        (void)piece_at(buffer, index + done, &run);
        count++;
    }
    return count;
}

size_t poolbuf_iovec_count(const poolbuf *buffer, size_t index, size_t length) {
    return pieces_check(buffer, index, length, false) == POOLBUF_OK ? count_pieces(buffer, index, length) : 0;
}

/* Whether the first pieces of a range, so many, are there: what lies behind them is the next call's. */
static bool first_pieces_there(const poolbuf *buffer, size_t index, size_t length, size_t count) {
    for (size_t end = index + length, run = 0; count != 0 && index < end; count--, index += run) {
        if (piece_below(buffer, index, end, &run) == NULL) {
            return false;
        }
    }
    return true;
}

poolbuf_status poolbuf_readable_iovec(const poolbuf *buffer, size_t index, size_t length, struct iovec *pieces,
                                      size_t *count, size_t *covered) {
    poolbuf_status status = pieces_check_bounds(buffer, index, length);
    if (status == POOLBUF_OK && !first_pieces_there(buffer, index, length, *count)) {
        status = POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        *covered = list_pieces(buffer, index, length, pieces, count);
    }
    return status;
}

poolbuf_status poolbuf_writable_iovec(poolbuf *buffer, struct iovec *pieces, size_t *count, size_t *covered) {
    if (!buffer_check_alive(buffer)) {
        return POOLBUF_ERROR_OUT_OF_BOUNDS;
    }
    size_t length = handle_capacity(buffer) - poolbuf_writer_index(buffer);
    poolbuf_status status = pieces_check(buffer, poolbuf_writer_index(buffer), length, true);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, true);
        *covered = list_pieces(buffer, poolbuf_writer_index(buffer), length, pieces, count);
    }
    return status;
}

/* ---- System calls ------------------------------------------------------------------------------------------------ */

/* One system call on a list of pieces, and what it needs besides; done is how much earlier calls have moved. */
typedef struct transfer transfer;
struct transfer {
    ssize_t (*call)(const transfer *self, struct iovec *pieces, size_t count, size_t done);
    int descriptor;
    int flags;              /* of sockets */
    struct msghdr *message; /* of sockets: all but the pieces */
    uint64_t offset;        /* of files: where the transfer begins */
};

static ssize_t call_readv(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    (void)done;
    return readv(self->descriptor, pieces, (int)count);
}

static ssize_t call_writev(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    (void)done;
    return writev(self->descriptor, pieces, (int)count);
}

/* An offset that is none of the system's becomes negative, which it refuses. */
static ssize_t call_preadv(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    return preadv(self->descriptor, pieces, (int)count, (off_t)(self->offset + done));
}

static ssize_t call_pwritev(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    return pwritev(self->descriptor, pieces, (int)count, (off_t)(self->offset + done));
}

static ssize_t call_recvmsg(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    (void)done;
    struct msghdr message = *self->message;
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    ssize_t moved = recvmsg(self->descriptor, &message, self->flags);
    self->message->msg_namelen = message.msg_namelen;
    self->message->msg_flags = message.msg_flags;
    return moved;
}

static ssize_t call_sendmsg(const transfer *self, struct iovec *pieces, size_t count, size_t done) {
    (void)done;
    struct msghdr message = *self->message;
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    return sendmsg(self->descriptor, &message, self->flags);
}

/* Apart from step(), whose stack it would fill. */
static __attribute__((noinline)) ssize_t step_in_pieces(const transfer *self, const poolbuf *buffer, size_t index,
                                                        size_t length, size_t done) {
    struct iovec pieces[POOLBUF_IOVEC_LIMIT];
    size_t count = POOLBUF_IOVEC_LIMIT;
    (void)list_pieces(buffer, index, length, pieces, &count);
    return self->call(self, pieces, count, done);
}

/* One system call on what a range begins with. */
static ssize_t step(const transfer *self, const poolbuf *buffer, size_t index, size_t length, size_t done) {
    struct iovec piece = {.iov_len = 0};
    size_t count = 1;
    size_t covered = list_pieces(buffer, index, length, &piece, &count);
    return covered == length ? self->call(self, &piece, count, done)
                             : step_in_pieces(self, buffer, index, length, done);
}

static poolbuf_status refused(void) {
    return errno == EAGAIN ? POOLBUF_ERROR_WOULD_BLOCK : POOLBUF_ERROR_SYSTEM;
}

/* Moves a checked range, until something ends it. */
static poolbuf_status go_on(const transfer *self, const poolbuf *buffer, size_t index, size_t length,
                            size_t *transferred) {
    size_t done = 0;
    while (done < length) {
        ssize_t moved = step(self, buffer, index + done, length - done, done);
        if (moved > 0) {
            done += (size_t)moved;
            if ((self->flags & MSG_PEEK) != 0) {
                errno = EAGAIN; /* the next call would see the same bytes */
                break;
            }
        } else if (moved == 0) {
            errno = 0;
            break;
        } else if (errno != EINTR) {
            if (done == 0) {
                return refused();
            }
            break;
        }
    }
    *transferred = done;
    return POOLBUF_OK;
}

/* ---- Into buffers and out of them -------------------------------------------------------------------------------- */

static poolbuf_status write_from(const transfer *self, poolbuf *buffer, size_t length, size_t *transferred) {
    poolbuf_status status = pieces_make_room(buffer, length);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, true);
        status = go_on(self, buffer, poolbuf_writer_index(buffer), length, transferred);
    }
    if (status == POOLBUF_OK) {
        handle_wrote(buffer, *transferred);
    }
    return status;
}

static poolbuf_status set_from(const transfer *self, poolbuf *buffer, size_t index, size_t length,
                               size_t *transferred) {
    poolbuf_status status = pieces_check(buffer, index, length, true);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, true);
        status = go_on(self, buffer, index, length, transferred);
    }
    return status;
}

static poolbuf_status read_to(const transfer *self, poolbuf *buffer, size_t length, size_t *transferred) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        status = go_on(self, buffer, buffer->reader_index, length, transferred);
    }
    if (status == POOLBUF_OK) {
        handle_read(buffer, *transferred);
    }
    return status;
}

static poolbuf_status get_to(const transfer *self, const poolbuf *buffer, size_t index, size_t length,
                             size_t *transferred) {
    poolbuf_status status = pieces_check(buffer, index, length, false);
    if (status == POOLBUF_OK) {
        poolbuf_note_access_(buffer, false);
        status = go_on(self, buffer, index, length, transferred);
    }
    return status;
}

poolbuf_status poolbuf_write_from_fd(poolbuf *buffer, int descriptor, size_t length, size_t *transferred) {
    const transfer self = {.call = call_readv, .descriptor = descriptor};
    return write_from(&self, buffer, length, transferred);
}

poolbuf_status poolbuf_set_from_fd(poolbuf *buffer, size_t index, int descriptor, size_t length, size_t *transferred) {
    const transfer self = {.call = call_readv, .descriptor = descriptor};
    return set_from(&self, buffer, index, length, transferred);
}

poolbuf_status poolbuf_read_to_fd(poolbuf *buffer, int descriptor, size_t length, size_t *transferred) {
    const transfer self = {.call = call_writev, .descriptor = descriptor};
    return read_to(&self, buffer, length, transferred);
}

poolbuf_status poolbuf_get_to_fd(const poolbuf *buffer, size_t index, int descriptor, size_t length,
                                 size_t *transferred) {
    const transfer self = {.call = call_writev, .descriptor = descriptor};
    return get_to(&self, buffer, index, length, transferred);
}

poolbuf_status poolbuf_write_from_file(poolbuf *buffer, int descriptor, uint64_t offset, size_t length,
                                       size_t *transferred) {
    const transfer self = {.call = call_preadv, .descriptor = descriptor, .offset = offset};
    return write_from(&self, buffer, length, transferred);
}

poolbuf_status poolbuf_set_from_file(poolbuf *buffer, size_t index, int descriptor, uint64_t offset, size_t length,
                                     size_t *transferred) {
    const transfer self = {.call = call_preadv, .descriptor = descriptor, .offset = offset};
    return set_from(&self, buffer, index, length, transferred);
}

poolbuf_status poolbuf_read_to_file(poolbuf *buffer, int descriptor, uint64_t offset, size_t length,
                                    size_t *transferred) {
    const transfer self = {.call = call_pwritev, .descriptor = descriptor, .offset = offset};
    return read_to(&self, buffer, length, transferred);
}

poolbuf_status poolbuf_get_to_file(const poolbuf *buffer, size_t index, int descriptor, uint64_t offset, size_t length,
                                   size_t *transferred) {
    const transfer self = {.call = call_pwritev, .descriptor = descriptor, .offset = offset};
    return get_to(&self, buffer, index, length, transferred);
}

/* ---- Sockets ----------------------------------------------------------------------------------------------------- */

/* Flags with which recvmsg() gives a number that is not that of the bytes it has stored, or bytes that were not sent to
 * us. */
#define NOT_OUR_BYTES (MSG_TRUNC | MSG_ERRQUEUE)

poolbuf_status poolbuf_recv(poolbuf *buffer, int descriptor, size_t length, int flags, size_t *transferred) {
    if ((flags & NOT_OUR_BYTES) != 0) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    struct msghdr message = {.msg_iovlen = 0};
    const transfer self = {.call = call_recvmsg, .descriptor = descriptor, .flags = flags, .message = &message};
    return write_from(&self, buffer, length, transferred);
}

poolbuf_status poolbuf_send(poolbuf *buffer, int descriptor, size_t length, int flags, size_t *transferred) {
    struct msghdr message = {.msg_iovlen = 0};
    const transfer self = {
        .call = call_sendmsg, .descriptor = descriptor, .flags = flags | MSG_NOSIGNAL, .message = &message};
    return read_to(&self, buffer, length, transferred);
}

/* One message from or to a checked range, all of whose pieces it takes; nothing goes on behind it. */
static poolbuf_status pass_message(const transfer *self, const poolbuf *buffer, size_t index, size_t length,
                                   size_t *transferred) {
    if (count_pieces(buffer, index, length) > POOLBUF_IOVEC_LIMIT) {
        return POOLBUF_ERROR_UNSUPPORTED;
    }
    ssize_t moved = 0;
    do {
        moved = step(self, buffer, index, length, 0);
    } while (moved < 0 && errno == EINTR);
    if (moved < 0) {
        return refused();
    }
    *transferred = (size_t)moved;
    return POOLBUF_OK;
}

poolbuf_status poolbuf_send_to(poolbuf *buffer, int descriptor, size_t length, int flags,
                               const struct sockaddr *address, uint32_t address_length, size_t *transferred) {
    poolbuf_status status = pieces_check_read(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    struct msghdr message = {.msg_name = (void *)(uintptr_t)address, .msg_namelen = address_length};
    const transfer self = {
        .call = call_sendmsg, .descriptor = descriptor, .flags = flags | MSG_NOSIGNAL, .message = &message};
    poolbuf_note_access_(buffer, false);
    status = pass_message(&self, buffer, buffer->reader_index, length, transferred);
    if (status == POOLBUF_OK) {
        handle_read(buffer, *transferred);
    }
    return status;
}

poolbuf_status poolbuf_receive_from(poolbuf *buffer, int descriptor, size_t length, int *flags,
                                    struct sockaddr *address, uint32_t *address_length, size_t *transferred) {
    if (flags != NULL && (*flags & NOT_OUR_BYTES) != 0) {
        return POOLBUF_ERROR_BAD_ARGUMENT;
    }
    poolbuf_status status = pieces_make_room(buffer, length);
    if (status != POOLBUF_OK) {
        return status;
    }
    struct msghdr message = {.msg_name = address, .msg_namelen = address != NULL ? *address_length : 0};
    const transfer self = {
        .call = call_recvmsg, .descriptor = descriptor, .flags = flags != NULL ? *flags : 0, .message = &message};
    poolbuf_note_access_(buffer, true);
    status = pass_message(&self, buffer, poolbuf_writer_index(buffer), length, transferred);
    if (status != POOLBUF_OK) {
        return status;
    }
    handle_wrote(buffer, *transferred);
    if (address != NULL) {
        *address_length = message.msg_namelen;
    }
    if (flags != NULL) {
        *flags = message.msg_flags;
    }
    return POOLBUF_OK;
}
