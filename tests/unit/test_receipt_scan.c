/*
 * The receipt reader without a parser against the parser: what it accepts is the same receipt, and whatever it accepts is canonical.
 */
#include <check.h>

#include "lib/base/limits.h"
#include "server/metering/metering_private.h"

#include "lib/base/banned.h"

static const char good[] =
    "{\"agreement\":\"urn:uuid:a\",\"bytes\":4096,\"calls\":1,\"event\":\"018bcfe5-6800-7000-8000-0123456789ab\","
    "\"role\":\"provider\",\"rows\":0,\"seq\":7,\"since\":\"2023-11-14T22:13:20Z\",\"transfer\":\"t\","
    "\"until\":\"2023-11-14T22:13:20.000001Z\"}";

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(MIB(1));
}

static void tear_down(void)
{
    arena_free(&arena);
}

static bool same(const struct wire_receipt *a, const struct wire_receipt *b)
{
    return str_eq(a->agreement, b->agreement) && str_eq(a->transfer, b->transfer) &&
           uuid_eq(a->event, b->event) && a->bytes == b->bytes && a->calls == b->calls &&
           a->rows == b->rows && a->seq == b->seq && a->role == b->role &&
           a->since_us == b->since_us && a->until_us == b->until_us;
}

/* Returns whether the scan took it; then the parser must take it too, for the same receipt. */
static bool agree(struct str text)
{
    struct usage_line line = {.text = text};
    struct wire_receipt scanned = {0};
    struct err err = {0};
    const bool taken = wire_receipt_scan(text, &scanned);

    arena_reset(arena);
    ck_assert_int_eq(usage__parse(&line, arena, &err), 0);
    if (taken) {
        ck_assert_msg(line.readable && line.bad == E_OK, "parser refuses '%.*s': %.*s",
                      STR_ARG(text), STR_ARG(line.bad_detail));
        ck_assert_msg(same(&scanned, &line.receipt), "'%.*s'", STR_ARG(text));
    }
    return taken;
}

/* A part of the good receipt, replaced; whether the fast way takes the result. */
static const struct {
    const char *part, *by;
    bool fast;
} replaced[] = {
    {"urn:uuid:a",           "x",                      true },
    {"urn:uuid:a",           "",                       false},
    {"urn:uuid:a",           "\\u0061",                false},
    {"urn:uuid:a",           "\xea\xb0\x80",           false},
    {"4096",                 "0",                      true },
    {"4096",                 "999999999999999999",     true },
    {"4096",                 "1000000000000000000",    false},
    {"4096",                 "01",                     false},
    {"4096",                 "-1",                     false},
    {"4096",                 "1.0",                    false},
    {"4096",                 "1e3",                    false},
    {"4096",                 "",                       false},
    {"\"seq\":7",            "\"seq\":0",              false},
    {"provider",             "consumer",               true },
    {"provider",             "Provider",               false},
    {"0123456789ab",         "0123456789AB",           false},
    {"0123456789ab",         "0123456789a",            false},
    {"22:13:20Z",            "22:13:20.5Z",            false},
    {"22:13:20Z",            "22:13:20.500000Z",       true },
    {"22:13:20Z",            "22:13:20.000000Z",       false},
    {"22:13:20Z",            "22:13:20+00:00",         false},
    {"22:13:20Z",            "22:13:20z",              false},
    {"2023-11-14T22:13:20Z", "2023-11-14 22:13:20Z",   false},
    {"2023-11-14T22:13:20Z", "2023-02-29T22:13:20Z",   false},
    {"2023-11-14T22:13:20Z", "2023-11-14T22:13-00Z",   false},
    {"2023-11-14T22:13:20Z", "2023-11-14T22:13Z",      false},
    {"000001Z\"}",           "000001Z\"} ",            false},
    {",\"calls\"",           ", \"calls\"",            false},
    {"{\"agreement\"",       "{\"a\":1,\"agreement\"", false},
};

START_TEST(test_replaced)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    const char *at = strstr(good, replaced[_i].part);

    ck_assert_ptr_nonnull(at);
    buf_add(&text, good, (size_t)(at - good));
    buf_add_c(&text, replaced[_i].by);
    buf_add_c(&text, at + strlen(replaced[_i].part));
    ck_assert_int_eq(agree(buf_str(&text)), replaced[_i].fast);
}

END_TEST

/* Every byte of the good receipt removed, doubled, and replaced by each other byte. */
START_TEST(test_each_byte)
{
    const size_t n = sizeof(good) - 1;
    char text[sizeof(good) + 1];
    int taken = 0;

    for (size_t i = 0; i < n; i++) {
        memcpy(text, good, i);
        memcpy(text + i, good + i + 1, n - i - 1);
        taken += agree(str_n(text, n - 1));
        memcpy(text, good, i + 1);
        memcpy(text + i + 1, good + i, n - i);
        taken += agree(str_n(text, n + 1));
        memcpy(text, good, n);
        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            taken += agree(str_n(text, n));
        }
    }
    ck_assert_int_gt(taken, (int)n);
}

END_TEST

START_TEST(test_cut)
{
    for (size_t n = 0; n < sizeof(good) - 1; n++)
        ck_assert(!agree(str_n(good, n)));
    ck_assert(agree(str_c(good)));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("receipt_scan");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, test_replaced, 0, (int)ARRAY_LEN(replaced));
    tcase_add_test(tc, test_each_byte);
    tcase_add_test(tc, test_cut);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
