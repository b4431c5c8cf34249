/*
 * tests/fuzz/fuzz_http.c - any bytes as a Range header and as a list of entity tags
 */
#include "lib/base/check.h"
#include "lib/http/http.h"

#include "lib/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The first byte decides on the size, so that small and huge resources occur. */
static void as_range(struct str header, uint8_t size_bits)
{
    uint64_t size = (size_bits & 63) == 63 ? UINT64_MAX : (UINT64_C(1) << (size_bits & 63)) - 1;
    uint64_t from = 0;
    uint64_t length = 0;

    if (http_range_parse(header, size, &from, &length) != RANGE_OK)
        return;
    CHECK(length > 0 && from < size && length <= size - from);
}

static void as_tags(struct str header)
{
    const struct str tag = STR("\"a\"");

    /* what agrees strongly agrees weakly */
    if (http_etag_match(header, tag, false))
        CHECK(http_etag_match(header, tag, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    as_range(str_n(data + 1, n - 1), data[0]);
    as_tags(str_n(data + 1, n - 1));
    return 0;
}
