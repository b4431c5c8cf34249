/*
 * lib/http/gzip.c - compressed answers (RFC 9110 §8.4.1.3, RFC 1952)
 */
#include <zlib.h>

#include "lib/http/http.h"

#include "lib/base/banned.h"

#define GZIP_WINDOW (15 + 16) /* largest window, gzip form */
#define GZIP_MEMORY 8
#define GZIP_PIECE  KIB(64)

/* The weight of a coding: "gzip;q=0" refuses it. */
static bool accepted(struct str item)
{
    const struct str coding = str_trim(str_cut(&item, ';'));
    struct str weight = str_trim(item);

    if (!str_eq_nocase(coding, STR("gzip")) && !str_eq(coding, STR("*")))
        return false;
    if (!str_present(item) || !str_starts(weight, STR("q=")))
        return true;
    for (size_t i = 2; i < weight.n; i++) {
        if (weight.p[i] >= '1' && weight.p[i] <= '9')
            return true;
    }
    return false;
}

bool http_accepts_gzip(const struct rq *rq)
{
    struct str rest = rq_header(rq, "Accept-Encoding");

    while (str_present(rest)) {
        if (accepted(str_cut(&rest, ',')))
            return true;
    }
    return false;
}

int http_gzip(struct str in, struct buf *out, struct err *err)
{
    /* zlib's interface is not const, it only reads */
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n};
    int rc;

    if (in.n > UINT32_MAX)
        return err_set(err, E_LIMIT, "", "%zu bytes to compress", in.n);
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return err_set(err, E_NO_MEMORY, "", "compression");
    do {
        char *room = buf_room(out, GZIP_PIECE);

        if (room == NULL) {
            deflateEnd(&z);
            return err_set(err, E_LIMIT, "", "compressed answer");
        }
        z.next_out = (Bytef *)room;
        z.avail_out = GZIP_PIECE;
        rc = deflate(&z, Z_FINISH);
        buf_grown(out, GZIP_PIECE - z.avail_out);
    } while (rc == Z_OK || rc == Z_BUF_ERROR);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : err_set(err, E_INTERNAL, "", "compression failed: %d", rc);
}
