/*
 * lib/http/stream.c - answers that come piece by piece, and files
 *
 * The reader runs in the listener thread. When it has nothing, the connection is suspended until
 * rq_stream_ready(); the flag `ready` covers the moment between the reader's answer and the
 * suspension. Files leave through sendfile(2) where the connection is plain; under TLS they are a
 * stream like any other.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/http/http_private.h"

#include "lib/base/banned.h"

enum pause { PAUSE_ASK_AGAIN, PAUSE_SUSPENDED, PAUSE_GIVE_UP };

/* The reader has nothing. Once suspended, the stream belongs to whoever resumes it. */
static enum pause wait_for_producer(struct rq_private *priv)
{
    struct http *http = priv->http;
    struct stream *stream = &priv->stream;
    enum pause pause = PAUSE_SUSPENDED;

    pthread_mutex_lock(&http->lock);
    if (stream->ready)
        pause = PAUSE_ASK_AGAIN;
    else if (http->aborting)
        pause = PAUSE_GIVE_UP;
    stream->ready = false;
    if (pause == PAUSE_SUSPENDED) {
        stream->waiting = true;
        MHD_suspend_connection(priv->con);
        http__arm_locked(http, &priv->deadline, DL_STREAM);
    }
    pthread_mutex_unlock(&http->lock);
    return pause;
}

static ssize_t fail(struct rq_private *priv)
{
    priv->stream.failed = true;
    /* before MHD's orderly close, which a receiver without length would take for the end */
    http__conn_reset(priv->conn);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t max)
{
    struct rq_private *priv = cls;
    struct stream *stream = &priv->stream;
    ssize_t n;

    (void)position;
    if (stream->failed) /* the peer has left while the producer was silent */
        return fail(priv);
    while ((n = stream->read(stream->cls, out, max)) == HTTP_AGAIN) {
        switch (wait_for_producer(priv)) {
        case PAUSE_ASK_AGAIN: continue;
        case PAUSE_SUSPENDED: return 0;
        case PAUSE_GIVE_UP: return fail(priv);
        }
    }
    if (n == HTTP_END && stream->length >= 0 && stream->sent < (uint64_t)stream->length)
        return fail(priv);
    if (n == HTTP_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == HTTP_FAIL || !EXPECT(n > 0 && (size_t)n <= max))
        return fail(priv);
    stream->sent += (uint64_t)n;
    stream->last = (uint64_t)n;
    priv->length = stream->sent;
    return n;
}

void rq_reply_stream(struct rq *rq, int status, const char *content_type, int64_t length,
                     ssize_t (*read)(void *cls, char *out, size_t max),
                     void (*end)(void *cls, uint64_t sent, bool complete), void *cls)
{
    uint64_t size = length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)length;
    struct MHD_Response *response =
        MHD_create_response_from_callback(size, HTTP_BLOCK_BYTES, read_stream, rq->priv, NULL);

    http__prepare(rq, status, content_type, response, 0);
    if (response == NULL) {
        if (end != NULL)
            end(cls, 0, false);
        return;
    }
    rq->priv->stream = (struct stream){.read = read, .end = end, .cls = cls, .length = length};
}

void rq_stream_ready(struct rq *rq)
{
    struct slot *slot = (struct slot *)rq;
    struct rq_private *priv = &slot->priv;

    pthread_mutex_lock(&slot->http->lock);
    if (priv->stream.waiting) {
        priv->stream.waiting = false;
        http__disarm_locked(slot->http, &priv->deadline);
        MHD_resume_connection(priv->con);
    } else {
        priv->stream.ready = true;
    }
    pthread_mutex_unlock(&slot->http->lock);
}

void rq_cut(struct rq *rq)
{
    struct rq_private *priv = rq->priv;

    pthread_mutex_lock(&priv->http->lock);
    if (priv->conn != NULL) {
        const struct conn_bytes bytes = http__conn_bytes(priv->conn);

        if (!bytes.gone)
            priv->conn->moved = bytes.out; /* the reset clears the kernel's count */
        http__conn_reset(priv->conn);
    }
    pthread_mutex_unlock(&priv->http->lock);
    rq_stream_ready(rq); /* a stream that waits for its producer asks again and is told */
}

struct file_reader {
    int fd;
    off_t at;
    uint64_t left;
};

static ssize_t read_file(void *cls, char *out, size_t max)
{
    struct file_reader *file = cls;
    ssize_t n;

    if (file->left == 0)
        return HTTP_END;
    if (max > file->left)
        max = (size_t)file->left;
    do
        n = pread(file->fd, out, max, file->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return HTTP_FAIL;
    file->at += n;
    file->left -= (uint64_t)n;
    return n;
}

static void end_file(void *cls, uint64_t sent, bool complete)
{
    struct file_reader *file = cls;

    (void)sent;
    (void)complete;
    close(file->fd);
}

void rq_reply_fd(struct rq *rq, int status, const char *content_type, int fd, uint64_t offset,
                 uint64_t length)
{
    struct file_reader *file;
    struct MHD_Response *response;

    if (length == 0 || length > INT64_MAX || offset > INT64_MAX - length) {
        close(fd);
        if (EXPECT(length == 0))
            rq_reply(rq, status, content_type, STR(""));
        return;
    }
    if (rq->priv->conn->tls == NULL) {
        response = MHD_create_response_from_fd_at_offset64(length, fd, offset);
        if (response == NULL)
            close(fd);
        http__prepare(rq, status, content_type, response, length);
        rq->priv->is_fd = true;
        return;
    }
    file = ARENA_NEW(rq->arena, struct file_reader);
    if (file == NULL) {
        close(fd);
        return;
    }
    *file = (struct file_reader){.fd = fd, .at = (off_t)offset, .left = length};
    rq_reply_stream(rq, status, content_type, (int64_t)length, read_file, end_file, file);
}
