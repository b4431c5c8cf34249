/*
 * tests/fuzz/fuzz_jdoc.c - any bytes: parse, write, parse again; the value and its canonical form must not change
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *again = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(buf_done) struct buf canonical = buf_init(MIB(1));
    AUTO(buf_done) struct buf repeated = buf_init(MIB(1));
    struct err err = {0};

    if (jdoc_parse(str_n(data, n), NULL, &doc, &err) < 0) {
        CHECK(err.code == E_SYNTAX || err.code == E_LIMIT);
        CHECK(err.detail[0] != '\0');
        return 0;
    }
    jval_write(&text, jdoc_root(doc));
    CHECK(jdoc_parse(buf_str(&text), NULL, &again, &err) == 0);
    CHECK(jval_eq(jdoc_root(doc), jdoc_root(again)));

    jval_canonical(&canonical, jdoc_root(doc));
    jval_canonical(&repeated, jdoc_root(again));
    CHECK(str_eq(buf_str(&canonical), buf_str(&repeated)));

    /*
     * A real above 2^53 is canonical as an integer: it reads back as J_INT of those digits, which need not be its exact
     * value, and from 2^63 on not at all. The canonical text itself is final.
     */
    jdoc_free(&again);
    if (jdoc_parse(buf_str(&canonical), NULL, &again, &err) < 0) {
        CHECK(strstr(err.detail, "too big") != NULL);
        return 0;
    }
    buf_reset(&repeated);
    jval_canonical(&repeated, jdoc_root(again));
    CHECK(str_eq(buf_str(&canonical), buf_str(&repeated)));
    return 0;
}
