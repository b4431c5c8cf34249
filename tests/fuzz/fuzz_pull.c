/*
 * tests/fuzz/fuzz_pull.c - any bytes: as the path behind an endpoint, as delivered rows cut into
 * any pieces
 *
 * fuzz-archives: connector.a
 */
#include "connector/dataplane/path.h"
#include "connector/dataplane/rows.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A path that passes leaves nowhere, and its canonical form is the form of itself. */
static void as_path(struct str raw)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    AUTO(buf_done) struct buf first = buf_init(KIB(64));
    AUTO(buf_done) struct buf second = buf_init(KIB(64));
    struct err err = {0};
    struct path path, again;

    CHECK(arena != NULL);
    if (path_read(raw, arena, &path, &err) < 0) {
        CHECK(err.code == E_INVALID || err.code == E_LIMIT);
        return;
    }
    for (size_t i = 0; i < path.n; i++) {
        const struct str s = path.segments[i];

        CHECK(s.n > 0 && s.n <= PATH_SEGMENT && s.p[0] != '.' && str_is_utf8(s));
        CHECK(memchr(s.p, '/', s.n) == NULL && memchr(s.p, '\\', s.n) == NULL);
        CHECK(memchr(s.p, '%', s.n) == NULL && memchr(s.p, '\0', s.n) == NULL);
    }
    path_write(&path, &first);
    CHECK(path_read(buf_str(&first), arena, &again, &err) == 0);
    path_write(&again, &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
}

/* However the bytes come, there are as many rows. */
static void as_rows(enum row_form form, uint8_t piece, const uint8_t *p, size_t n)
{
    struct row_counter whole = row_counter_init(form, true);
    struct row_counter pieces = row_counter_init(form, true);
    const size_t step = (size_t)piece + 1;

    row_counter_add(&whole, p, n);
    for (size_t at = 0; at < n; at += step)
        row_counter_add(&pieces, p + at, step < n - at ? step : n - at);
    CHECK(row_counter_rows(&whole, true) == row_counter_rows(&pieces, true));
    CHECK(row_counter_rows(&whole, false) == row_counter_rows(&pieces, false));
    CHECK(row_counter_rows(&whole, true) >= 0 && row_counter_rows(&whole, true) <= (int64_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    as_path(str_n(data, n));
    if (n > 1) {
        as_rows(ROWS_CSV, data[0], data + 1, n - 1);
        as_rows(ROWS_NDJSON, data[0], data + 1, n - 1);
    }
    return 0;
}
