/*
 * tests/unit/test_base_str.c - text, growing bytes, encodings
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/encode.h"
#include "lib/base/str.h"

#include "lib/base/banned.h"

START_TEST(test_compare)
{
    ck_assert_int_eq(str_cmp(STR("a"), STR("a")), 0);
    ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
    ck_assert_int_gt(str_cmp(STR("b"), STR("ab")), 0);
    ck_assert_int_gt(str_cmp(STR("\xff"), STR("a")), 0);
    ck_assert_int_eq(str_cmp(STR_NONE, STR("")), 0);
    ck_assert(str_eq(STR_NONE, STR("")));
    ck_assert(!str_eq(STR("ab"), STR("a")));
    ck_assert(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    ck_assert(!str_eq_nocase(STR("a["), STR("a{")));
    ck_assert(!str_eq_nocase(STR("\xc4"), STR("\xe4")));
    ck_assert(str_starts(STR("abc"), STR("ab")) && !str_starts(STR("a"), STR("ab")));
    ck_assert(str_ends(STR("abc"), STR("bc")) && !str_ends(STR("c"), STR("bc")));
    ck_assert(str_starts(STR_NONE, STR_NONE) && str_ends(STR_NONE, STR_NONE));
    ck_assert(str_eq_secret(STR("key"), STR("key")));
    ck_assert(!str_eq_secret(STR("key"), STR("kex")));
    ck_assert(!str_eq_secret(STR("key"), STR("keys")));
    ck_assert(str_eq_secret(STR_NONE, STR("")));
    ck_assert(str_hash(STR("")) == UINT64_C(0xcbf29ce484222325));
    ck_assert(str_hash(STR("a")) == UINT64_C(0xaf63dc4c8601ec8c));
}

END_TEST

START_TEST(test_cut_and_trim)
{
    struct str s = STR("a,,b");

    ck_assert(str_eq_c(str_cut(&s, ','), "a"));
    ck_assert(str_eq_c(str_cut(&s, ','), "") && str_present(s));
    ck_assert(str_eq_c(str_cut(&s, ','), "b") && !str_present(s));
    ck_assert(!str_present(str_cut(&s, ',')));
    s = STR("x,");
    ck_assert(str_eq_c(str_cut(&s, ','), "x") && str_present(s) && s.n == 0);
    ck_assert(str_eq_c(str_trim(STR(" \t\r\n a b \v\f")), "a b"));
    ck_assert(str_eq_c(str_trim(STR(" ")), ""));
    ck_assert(str_eq_c(str_from(STR("abc"), 1), "bc"));
    ck_assert(str_eq_c(str_from(STR("abc"), 9), ""));
}

END_TEST

/* clang-format off */
static const struct { const char *name; struct str text; bool good; } utf8_cases[] = {
    {"empty",             STR_INIT(""),                 true},
    {"ascii",             STR_INIT("abc\x7f"),          true},
    {"two bytes",         STR_INIT("\xc2\x80\xdf\xbf"), true},
    {"three bytes",       STR_INIT("\xed\x95\x9c"),     true},
    {"last of U+FFFF",    STR_INIT("\xef\xbf\xbf"),     true},
    {"first four bytes",  STR_INIT("\xf0\x90\x80\x80"), true},
    {"U+10FFFF",          STR_INIT("\xf4\x8f\xbf\xbf"), true},
    {"NUL",               STR_INIT("a\0b"),             false},
    {"lone continuation", STR_INIT("\x80"),             false},
    {"overlong slash",    STR_INIT("\xc0\xaf"),         false},
    {"overlong two",      STR_INIT("\xc1\xbf"),         false},
    {"overlong three",    STR_INIT("\xe0\x9f\xbf"),     false},
    {"overlong four",     STR_INIT("\xf0\x8f\xbf\xbf"), false},
    {"surrogate",         STR_INIT("\xed\xa0\x80"),     false},
    {"above U+10FFFF",    STR_INIT("\xf4\x90\x80\x80"), false},
    {"five byte lead",    STR_INIT("\xf8\x88\x80\x80"), false},
    {"cut in two",        STR_INIT("\xc2"),             false},
    {"cut in four",       STR_INIT("\xf0\x90\x80"),     false},
    {"bad third byte",    STR_INIT("\xed\x95\x41"),     false},
};

static const struct { const char *text; bool good; int64_t value; } i64_cases[] = {
    {"0", true, 0}, {"-0", true, 0}, {"007", true, 7}, {"-42", true, -42},
    {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
    {"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
    {"99999999999999999999", false, 0}, {"", false, 0}, {"-", false, 0}, {"+1", false, 0},
    {" 1", false, 0}, {"1 ", false, 0}, {"1.0", false, 0}, {"0x1", false, 0}, {"--1", false, 0},
};

/* clang-format on */

START_TEST(test_utf8)
{
    ck_assert_msg(str_is_utf8(utf8_cases[_i].text) == utf8_cases[_i].good, "%s",
                  utf8_cases[_i].name);
}

END_TEST

/* A byte that is wrong or begins a longer sequence is found wherever it stands among plain text. */
START_TEST(test_utf8_anywhere)
{
    char text[40];

    for (size_t n = 1; n <= sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            memset(text, 'a', n);
            ck_assert(str_is_utf8(str_n(text, n)));
            text[at] = '\0';
            ck_assert(!str_is_utf8(str_n(text, n)));
            text[at] = '\x01';
            ck_assert(str_is_utf8(str_n(text, n)));
            text[at] = '\xff';
            ck_assert(!str_is_utf8(str_n(text, n)));
            text[at] = '\xc3';
            ck_assert(!str_is_utf8(str_n(text, n)));
            if (at + 1 < n)
                text[at + 1] = '\xa9';
            ck_assert_int_eq(str_is_utf8(str_n(text, n)), at + 1 < n);
        }
    }
}

END_TEST

START_TEST(test_to_i64)
{
    int64_t value = 77;
    bool good = str_to_i64(str_c(i64_cases[_i].text), &value);

    ck_assert_msg(good == i64_cases[_i].good, "'%s'", i64_cases[_i].text);
    ck_assert_msg(value == (good ? i64_cases[_i].value : 77), "'%s' -> %" PRId64,
                  i64_cases[_i].text, value);
}

END_TEST

START_TEST(test_buf_grows_to_its_maximum)
{
    AUTO(buf_done) struct buf buf = buf_init(1000);

    ck_assert(str_eq_c(buf_str(&buf), ""));
    for (int i = 0; i < 100; i++)
        buf_add_c(&buf, "0123456789");
    ck_assert(!buf_failed(&buf));
    ck_assert_uint_eq(buf.n, 1000);
    buf_add(&buf, NULL, 0);
    ck_assert(!buf_failed(&buf));
    buf_add_char(&buf, 'x');
    ck_assert(buf_failed(&buf));
    ck_assert_uint_eq(buf_str(&buf).n, 1000);
    ck_assert_ptr_null(buf_take(&buf, &(size_t){0}));

    buf_reset(&buf);
    buf_add_c(&buf, "after");
    ck_assert(!buf_failed(&buf) && str_eq_c(buf_str(&buf), "after"));
}

END_TEST

START_TEST(test_buf_failure_is_sticky)
{
    AUTO(buf_done) struct buf buf = buf_init(8);

    buf_add_c(&buf, "1234");
    buf_add_c(&buf, "56789");
    buf_add_c(&buf, "x");
    buf_printf(&buf, "%d", 1);
    buf_add_i64(&buf, 1);
    ck_assert(buf_failed(&buf));
    ck_assert(str_eq_c(buf_str(&buf), "1234"));
    ck_assert_ptr_null(buf_room(&buf, 1));
}

END_TEST

START_TEST(test_buf_printf)
{
    AUTO(buf_done) struct buf buf = buf_init(600);
    char *taken;
    size_t n;

    for (int i = 0; i < 100; i++)
        buf_printf(&buf, "%03d,", i);
    buf_add_i64(&buf, INT64_MIN);
    ck_assert(!buf_failed(&buf));
    taken = buf_take(&buf, &n);
    ck_assert_ptr_nonnull(taken);
    ck_assert_uint_eq(n, 420);
    ck_assert_uint_eq(strlen(taken), n);
    ck_assert_int_eq(strncmp(taken + 392, "098,099,-9223372036854775808", 28), 0);
    ck_assert(buf.p == NULL && buf.n == 0 && buf.max == 600);
    free(taken);

    taken = buf_take(&buf, &n);
    ck_assert_str_eq(taken, "");
    free(taken);
    buf_printf(&buf, "%601d", 1);
    ck_assert(buf_failed(&buf) && buf.n == 0);
}

END_TEST

START_TEST(test_buf_room)
{
    AUTO(buf_done) struct buf buf = buf_init(300);
    char *room = buf_room(&buf, 300);

    ck_assert_ptr_nonnull(room);
    memset(room, 'r', 300);
    buf_grown(&buf, 2);
    ck_assert(str_eq_c(buf_str(&buf), "rr"));
    ck_assert_ptr_null(buf_room(&buf, 299));
}

END_TEST

enum encoding { BASE64URL, BASE64, HEX, PERCENT };

static bool decode(enum encoding encoding, struct buf *out, struct str text)
{
    switch (encoding) {
    case BASE64URL: return decode_base64url(out, text);
    case BASE64: return decode_base64(out, text);
    case HEX: return decode_hex(out, text);
    case PERCENT: return decode_percent(out, text);
    }
    return false;
}

static void encode(enum encoding encoding, struct buf *out, struct str bytes)
{
    switch (encoding) {
    case BASE64URL: encode_base64url(out, bytes.p, bytes.n); break;
    case BASE64: encode_base64(out, bytes.p, bytes.n); break;
    case HEX: encode_hex(out, bytes.p, bytes.n); break;
    case PERCENT: encode_percent(out, bytes); break;
    }
}

/* clang-format off */
static const struct { enum encoding encoding; struct str bytes, text; } both_ways[] = {
    {BASE64URL, STR_INIT(""),       STR_INIT("")},         {BASE64, STR_INIT(""),       STR_INIT("")},
    {BASE64URL, STR_INIT("f"),      STR_INIT("Zg")},       {BASE64, STR_INIT("f"),      STR_INIT("Zg==")},
    {BASE64URL, STR_INIT("fo"),     STR_INIT("Zm8")},      {BASE64, STR_INIT("fo"),     STR_INIT("Zm8=")},
    {BASE64URL, STR_INIT("foo"),    STR_INIT("Zm9v")},     {BASE64, STR_INIT("foo"),    STR_INIT("Zm9v")},
    {BASE64URL, STR_INIT("foobar"), STR_INIT("Zm9vYmFy")}, {BASE64, STR_INIT("foobar"), STR_INIT("Zm9vYmFy")},
    {BASE64URL, STR_INIT("\xfb\xff\0"), STR_INIT("-_8A")}, {BASE64, STR_INIT("\xfb\xff\0"), STR_INIT("+/8A")},
    {HEX, STR_INIT("\0\x7f\xff"), STR_INIT("007fff")},     {HEX, STR_INIT(""), STR_INIT("")},
    {PERCENT, STR_INIT("aZ09-._~"), STR_INIT("aZ09-._~")},
    {PERCENT, STR_INIT("a b/c?d=\xed\x95\x9c+%"), STR_INIT("a%20b%2Fc%3Fd%3D%ED%95%9C%2B%25")},
};

static const struct { enum encoding encoding; struct str text; } malformed[] = {
    {BASE64URL, STR_INIT("Z")}, {BASE64URL, STR_INIT("Zg==")}, {BASE64URL, STR_INIT("Zh")}, {BASE64URL, STR_INIT("Zm9")},
    {BASE64URL, STR_INIT("Zm+v")}, {BASE64URL, STR_INIT("Zm9v\n")}, {BASE64URL, STR_INIT("Zm 9v")}, {BASE64URL, STR_INIT("Zm\xff" "v")},
    {BASE64, STR_INIT("Zg")}, {BASE64, STR_INIT("Zg=")}, {BASE64, STR_INIT("Zh==")}, {BASE64, STR_INIT("Zm8=Zm8=")},
    {BASE64, STR_INIT("Z===")}, {BASE64, STR_INIT("====")}, {BASE64, STR_INIT("Zm-v")}, {BASE64, STR_INIT("Zg==\n")},
    {HEX, STR_INIT("0")}, {HEX, STR_INIT("0g")}, {HEX, STR_INIT("0x")}, {HEX, STR_INIT(" 0")},
    {PERCENT, STR_INIT("%")}, {PERCENT, STR_INIT("%2")}, {PERCENT, STR_INIT("a%2g")}, {PERCENT, STR_INIT("%00")}, {PERCENT, STR_INIT("%-1")},
};

/* clang-format on */

START_TEST(test_both_ways)
{
    AUTO(buf_done) struct buf text = buf_init(100);
    AUTO(buf_done) struct buf bytes = buf_init(100);

    buf_add_c(&text, ">");
    buf_add_c(&bytes, ">");
    encode(both_ways[_i].encoding, &text, both_ways[_i].bytes);
    ck_assert_msg(str_eq(str_from(buf_str(&text), 1), both_ways[_i].text), "%.*s",
                  STR_ARG(buf_str(&text)));
    ck_assert(decode(both_ways[_i].encoding, &bytes, both_ways[_i].text));
    ck_assert(str_eq(str_from(buf_str(&bytes), 1), both_ways[_i].bytes));
}

END_TEST

START_TEST(test_malformed)
{
    AUTO(buf_done) struct buf out = buf_init(100);

    buf_add_c(&out, "kept");
    ck_assert_msg(!decode(malformed[_i].encoding, &out, malformed[_i].text), "'%.*s'",
                  STR_ARG(malformed[_i].text));
    ck_assert(str_eq_c(buf_str(&out), "kept"));
    ck_assert(!buf_failed(&out));
}

END_TEST

START_TEST(test_decoding_is_lenient_where_the_header_says)
{
    AUTO(buf_done) struct buf out = buf_init(100);

    ck_assert(decode_hex(&out, STR("AbfF")) && str_eq_c(buf_str(&out), "\xab\xff"));
    buf_reset(&out);
    ck_assert(decode_percent(&out, STR("a+b%2f%41%2541")) && str_eq_c(buf_str(&out), "a+b/A%41"));
}

END_TEST

START_TEST(test_encoding_beyond_the_maximum)
{
    AUTO(buf_done) struct buf out = buf_init(3);

    encode_base64url(&out, "foo", 3);
    ck_assert(buf_failed(&out) && out.n == 0);
    buf_reset(&out);
    ck_assert(!decode_base64url(&out, STR("Zm9vYg")));
    ck_assert(buf_failed(&out) && out.n == 0);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_str");
    TCase *tc = tcase_create("base_str");

    tcase_add_test(tc, test_compare);
    tcase_add_test(tc, test_cut_and_trim);
    tcase_add_loop_test(tc, test_utf8, 0, (int)ARRAY_LEN(utf8_cases));
    tcase_add_test(tc, test_utf8_anywhere);
    tcase_add_loop_test(tc, test_to_i64, 0, (int)ARRAY_LEN(i64_cases));
    tcase_add_test(tc, test_buf_grows_to_its_maximum);
    tcase_add_test(tc, test_buf_failure_is_sticky);
    tcase_add_test(tc, test_buf_printf);
    tcase_add_test(tc, test_buf_room);
    tcase_add_loop_test(tc, test_both_ways, 0, (int)ARRAY_LEN(both_ways));
    tcase_add_loop_test(tc, test_malformed, 0, (int)ARRAY_LEN(malformed));
    tcase_add_test(tc, test_decoding_is_lenient_where_the_header_says);
    tcase_add_test(tc, test_encoding_beyond_the_maximum);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
