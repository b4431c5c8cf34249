/*
 * lib/tlog/bundle.c - entry bundles (C2SP tlog-tiles)
 *
 * 1. A bundle is 1 to 256 entries, one after the other, nothing between or after them.
 * 2. An entry is its length, two bytes big-endian, and that many bytes.
 */
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define LENGTH_BYTES 2

int tlog_bundle_add(struct buf *bundle, struct str entry, struct err *err)
{
    const uint8_t length[LENGTH_BYTES] = {(uint8_t)(entry.n >> 8), (uint8_t)entry.n};

    if (entry.n > TLOG_ENTRY_MAX)
        return err_set(err, E_LIMIT, "", "log: entry of %zu bytes, at most %d", entry.n,
                       TLOG_ENTRY_MAX);
    buf_add(bundle, length, sizeof(length));
    buf_add_str(bundle, entry);
    if (buf_failed(bundle))
        return err_set(err, E_LIMIT, "", "log: bundle is full");
    return 0;
}

int tlog_bundle_decode(struct str bundle, struct str ret_entries[static TLOG_TILE_WIDTH],
                       size_t *ret_n, struct err *err)
{
    size_t n = 0;

    while (bundle.n > 0) {
        const uint8_t *p = (const uint8_t *)bundle.p;

        if (n == TLOG_TILE_WIDTH)
            return err_set(err, E_SYNTAX, "", "bundle has more than %d entries", TLOG_TILE_WIDTH);
        if (bundle.n < LENGTH_BYTES)
            return err_set(err, E_SYNTAX, "", "bundle ends within the length of entry %zu", n);
        const size_t length = (size_t)p[0] << 8 | p[1];

        if (bundle.n - LENGTH_BYTES < length)
            return err_set(err, E_SYNTAX, "", "bundle ends within entry %zu", n);
        ret_entries[n++] = (struct str){bundle.p + LENGTH_BYTES, length};
        bundle = str_from(bundle, LENGTH_BYTES + length);
    }
    if (n == 0)
        return err_set(err, E_SYNTAX, "", "bundle is empty");
    *ret_n = n;
    return 0;
}
