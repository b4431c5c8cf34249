/*
 * lib/base/buf.c - growing bytes with a maximum and a sticky error
 *
 * One byte more than the content is always there, so that buf_take can terminate without memory.
 */
#include "lib/base/buf.h"

#include <inttypes.h>
#include <stdarg.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

#define BUF_FIRST ((size_t)256)

void buf_done(struct buf *buf)
{
    free(buf->p);
    *buf = buf_init(buf->max);
}

void buf_reset(struct buf *buf)
{
    buf->n = 0;
    buf->failed = false;
}

char *buf_room(struct buf *buf, size_t n)
{
    size_t need, cap;
    char *p;

    if (buf->failed || n > buf->max - buf->n || buf->n + n == SIZE_MAX) {
        buf->failed = true;
        return NULL;
    }
    need = buf->n + n + 1;
    if (need <= buf->cap)
        return buf->p + buf->n;

    cap = buf->cap > SIZE_MAX / 2 ? need : buf->cap * 2;
    if (cap < BUF_FIRST)
        cap = BUF_FIRST;
    if (cap > buf->max && buf->max < SIZE_MAX)
        cap = buf->max + 1;
    if (cap < need)
        cap = need;
    p = realloc(buf->p, cap);
    if (p == NULL) {
        buf->failed = true;
        return NULL;
    }
    buf->p = p;
    buf->cap = cap;
    return buf->p + buf->n;
}

void buf_grown(struct buf *buf, size_t n)
{
    CHECK(n < buf->cap - buf->n);
    buf->n += n;
}

void buf_add(struct buf *buf, const void *p, size_t n)
{
    char *room = buf_room(buf, n);

    if (room == NULL || n == 0)
        return;
    memcpy(room, p, n);
    buf->n += n;
}

void buf_add_str(struct buf *buf, struct str s)
{
    buf_add(buf, s.p, s.n);
}

void buf_add_c(struct buf *buf, const char *c)
{
    buf_add_str(buf, str_c(c));
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    size_t spare = buf->cap - buf->n; /* with the byte for the terminator */
    va_list args;
    char *room;
    int n;

    if (buf->failed)
        return;
    va_start(args, format);
    n = vsnprintf(spare > 0 ? buf->p + buf->n : NULL, spare, format, args);
    va_end(args);
    if (n < 0) {
        buf->failed = true;
        return;
    }
    room = buf_room(buf, (size_t)n);
    if (room == NULL)
        return;
    if ((size_t)n >= spare) {
        va_start(args, format);
        n = vsnprintf(room, (size_t)n + 1, format, args);
        va_end(args);
    }
    buf->n += (size_t)n;
}

void buf_add_i64(struct buf *buf, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRId64, v);

    buf_add(buf, text, (size_t)n);
}

char *buf_take(struct buf *buf, size_t *ret_n)
{
    char *p;

    if (buf_room(buf, 0) == NULL)
        return NULL;
    p = buf->p;
    p[buf->n] = '\0';
    *ret_n = buf->n;
    *buf = buf_init(buf->max);
    return p;
}
