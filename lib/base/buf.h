/*
 * lib/base/buf.h - growing bytes with a maximum and a sticky error
 *
 * Writers append without checking each call; buf_failed() at the end tells whether everything
 * fitted. A failed buf holds what fitted before. buf_init needs no memory; buf_done frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max;
    bool failed;
};

/* An empty buffer that never grows beyond max_bytes. */
static inline struct buf buf_init(size_t max_bytes)
{
    return (struct buf){.max = max_bytes};
}

/* Frees the bytes and leaves an empty buffer with the same maximum; also the AUTO handler. */
void buf_done(struct buf *buf);

/* Empties the buffer and clears the failure, keeps its memory. */
void buf_reset(struct buf *buf);

void buf_add(struct buf *buf, const void *p, size_t n);
void buf_add_str(struct buf *buf, struct str s);
void buf_add_c(struct buf *buf, const char *c);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_add_i64(struct buf *buf, int64_t v);

/*
 * Room for n more bytes, to be filled by the caller and then taken over by buf_grown(); NULL on
 * failure.
 */
char *buf_room(struct buf *buf, size_t n);
void buf_grown(struct buf *buf, size_t n);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->p != NULL ? buf->p : "", buf->n};
}

static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}

/*
 * Gives up the bytes (NUL-terminated, to be freed with free()); the buffer is empty afterwards.
 * NULL if failed.
 */
char *buf_take(struct buf *buf, size_t *ret_n);
