/*
 * tests/unit/test_canonical.c - RFC 8785: numbers, order of keys, whole documents
 */
#include <check.h>
#include <inttypes.h>
#include <math.h>

#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

/* Parses text and appends its canonical form. */
static void canonical(struct str text, struct buf *out)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};

    if (jdoc_parse(text, NULL, &doc, &err) < 0)
        ck_abort_msg("'%.*s': %s", STR_ARG(text), err.text);
    jval_canonical(out, jdoc_root(doc));
    ck_assert(!buf_failed(out));
}

/* -- numbers -- */

/* Bits of an IEEE 754 double; the kinds of RFC 8785 appendix B. */
static const struct {
    const char *name;
    uint64_t bits;
    const char *want;
} numbers[] = {
    {"zero",               0x0000000000000000, "0"                        },
    {"minus zero",         0x8000000000000000, "0"                        },
    {"least subnormal",    0x0000000000000001, "5e-324"                   },
    {"least negative",     0x8000000000000001, "-5e-324"                  },
    {"two units",          0x0000000000000002, "1e-323"                   },
    {"greatest subnormal", 0x000fffffffffffff, "2.225073858507201e-308"   },
    {"least normal",       0x0010000000000000, "2.2250738585072014e-308"  },
    {"greatest",           0x7fefffffffffffff, "1.7976931348623157e+308"  },
    {"greatest negative",  0xffefffffffffffff, "-1.7976931348623157e+308" },
    {"2^53",               0x4340000000000000, "9007199254740992"         },
    {"-2^53",              0xc340000000000000, "-9007199254740992"        },
    {"2^68",               0x4430000000000000, "295147905179352830000"    },
    {"below 1e23",         0x44b52d02c7e14af5, "9.999999999999997e+22"    },
    {"1e23",               0x44b52d02c7e14af6, "1e+23"                    },
    {"above 1e23",         0x44b52d02c7e14af7, "1.0000000000000001e+23"   },
    {"two below 1e21",     0x444b1ae4d6e2ef4e, "999999999999999700000"    },
    {"below 1e21",         0x444b1ae4d6e2ef4f, "999999999999999900000"    },
    {"1e21",               0x444b1ae4d6e2ef50, "1e+21"                    },
    {"below 1e-6",         0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"     },
    {"1e-6",               0x3eb0c6f7a0b5ed8d, "0.000001"                 },
    {"thirds, 1",          0x41b3de4355555553, "333333333.3333332"        },
    {"thirds, 2",          0x41b3de4355555554, "333333333.33333325"       },
    {"thirds, 3",          0x41b3de4355555555, "333333333.3333333"        },
    {"thirds, 4",          0x41b3de4355555556, "333333333.3333334"        },
    {"thirds, 5",          0x41b3de4355555557, "333333333.33333343"       },
    {"small negative",     0xbecbf647612f3696, "-0.0000033333333333333333"},
    {"round to even",      0x43143ff3c1cb0959, "1424953923781206.2"       },
    {"one",                0x3ff0000000000000, "1"                        },
    {"a half",             0x3fe0000000000000, "0.5"                      },
    {"a tenth",            0x3fb999999999999a, "0.1"                      },
    {"0.1 + 0.2",          0x3fd3333333333334, "0.30000000000000004"      },
 /* powers of two where the nearest 16 digits do not read back, but the next ones do */
    {"2^-44",              0x3d30000000000000, "5.684341886080802e-14"    },
    {"below 2^-20",        0x3eafffffffffffff, "9.536743164062499e-7"     },
    {"below 1e20",         0x4415af1d78b58c3f, "99999999999999980000"     },
};

START_TEST(test_numbers)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    double value;
    char text[40];

    memcpy(&value, &numbers[_i].bits, sizeof(value));
    (void)snprintf(text, sizeof(text), "%.17e", value); /* an exponent makes it a real */
    canonical(str_c(text), &out);
    ck_assert_msg(str_eq_c(buf_str(&out), numbers[_i].want), "%s: got %.*s, want %s",
                  numbers[_i].name, STR_ARG(buf_str(&out)), numbers[_i].want);
}

END_TEST

static const struct {
    const char *in;
    const char *want;
} spellings[] = {
    {"1.0",                           "1"                   },
    {"1.50",                          "1.5"                 },
    {"1E2",                           "100"                 },
    {"4.50",                          "4.5"                 },
    {"2e-3",                          "0.002"               },
    {"0.000000000000000000000000001", "1e-27"               },
    {"1e+30",                         "1e+30"               },
    {"-0",                            "0"                   },
    {"100",                           "100"                 },
    {"1e-400",                        "0"                   },
 /* integers keep their digits */
    {"9007199254740993",              "9007199254740993"    },
    {"-9223372036854775808",          "-9223372036854775808"},
    {"9223372036854775807",           "9223372036854775807" },
 /* the same number as a real has the digits of the double */
    {"9007199254740993.0",            "9007199254740992"    },
};

START_TEST(test_spellings_of_numbers)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));

    canonical(str_c(spellings[_i].in), &out);
    ck_assert_msg(str_eq_c(buf_str(&out), spellings[_i].want), "%s: got %.*s", spellings[_i].in,
                  STR_ARG(buf_str(&out)));
}

END_TEST

/* Significant digits of a canonical number: without sign, point, exponent, zeros at both ends. */
static int digits_of(struct str text)
{
    int n = 0, zeros = 0;

    for (size_t i = 0; i < text.n && text.p[i] != 'e'; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || (n == 0 && text.p[i] == '0'))
            continue;
        n++;
        zeros = text.p[i] == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

/* Random doubles of all magnitudes: the text reads back as the same, and one digit less does not. */
START_TEST(test_numbers_are_exact_and_short)
{
    uint64_t x = UINT64_C(88172645463325252);

    for (int round = 0; round < 30000; round++) {
        AUTO(buf_done) struct buf out = buf_init(KIB(1));
        double value;
        char text[40];
        int digits;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(&value, &x, sizeof(value));
        if (!isfinite(value) || value == 0)
            continue;
        (void)snprintf(text, sizeof(text), "%.17e", value);
        canonical(str_c(text), &out);
        buf_add_char(&out, '\0');
        ck_assert_msg(strtod(out.p, NULL) == value, "%" PRIx64 ": got %s", x, out.p);
        digits = digits_of(str_c(out.p));
        if (digits > 1) {
            (void)snprintf(text, sizeof(text), "%.*e", digits - 2, value);
            ck_assert_msg(strtod(text, NULL) != value, "%" PRIx64 ": got %s, but %s holds", x,
                          out.p, text);
        }
    }
}

END_TEST

/* -- keys -- */

/* Each before the next, by UTF-16 code units: surrogates (D800…DFFF) come before E000…FFFF. */
static const char *const ascending[] = {
    "",
    "\r",
    " ",
    "!",
    "1",
    "10",
    "2",
    "A",
    "a",
    "aa",
    "ab",
    "b",
    "\xC2\x80",
    "\xC3\xB6",
    "\xE2\x82\xAC",
    "\xE2\x82\xAC"
    "a",
    "\xEA\xB0\x80",     /* U+AC00 */
    "\xED\x9E\xA3",     /* U+D7A3 */
    "\xF0\x90\x80\x80", /* U+10000 = D800 DC00 */
    "\xF0\x9F\x98\x80", /* U+1F600 = D83D DE00 */
    "\xF0\x9F\x98\x80z",
    "\xF0\x9F\x98\x81",
    "\xF4\x8F\xBF\xBF", /* U+10FFFF = DBFF DFFF */
    "\xEE\x80\x80",     /* U+E000 */
    "\xEF\xAC\xB3",     /* U+FB33 */
    "\xEF\xBF\xBF",     /* U+FFFF */
};

START_TEST(test_order_of_keys)
{
    for (size_t i = 0; i < ARRAY_LEN(ascending); i++) {
        for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
            int got = jkey_cmp(str_c(ascending[i]), str_c(ascending[j]));

            ck_assert_msg((got < 0) == (i < j) && (got > 0) == (i > j), "'%s' / '%s': %d",
                          ascending[i], ascending[j], got);
        }
    }
}

END_TEST

/* -- documents -- */

static const struct {
    const char *in;
    const char *want;
} documents[] = {
    {"{}",                                                                                "{}"                                                                        },
    {" [ ] ",                                                                             "[]"                                                                        },
    {"null",                                                                              "null"                                                                      },
    {"{\"b\":{\"d\":1,\"c\":[{\"z\":0,\"y\":0}]},\"a\":[3,2,1]}",
     "{\"a\":[3,2,1],\"b\":{\"c\":[{\"y\":0,\"z\":0}],\"d\":1}}"                                                                                                      },
 /* every value type, escapes that are needed and escapes that are not */
    {"{ \"numbers\": [1e9, 2.50, 5E-9, 1e-27], \"t\": true, \"n\": null,\n"
     "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\" }", "{\"n\":null,\"numbers\":[1000000000,2.5,5e-9,1e-27],"
     "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\",\"t\":true}"},
 /* the order of code points would put the face last */
    {"{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,"
     "\"\\u00f6\":7}",                                                               "{\"\\r\":2,\"1\":4,\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,"
     "\"\xF0\x9F\x98\x80\":5,\"\xEF\xAC\xB3\":3}"                                                                                          },
 /* no normalisation: A with ring as one and as two code points */
    {"{\"A\\u030a\":1,\"\\u00c5\":2}",                                                    "{\"A\xCC\x8A\":1,\"\xC3\x85\":2}"                                          },
};

START_TEST(test_documents)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    AUTO(buf_done) struct buf again = buf_init(KIB(1));

    canonical(str_c(documents[_i].in), &out);
    ck_assert_msg(str_eq_c(buf_str(&out), documents[_i].want), "got  %.*s\nwant %s",
                  STR_ARG(buf_str(&out)), documents[_i].want);
    canonical(buf_str(&out), &again);
    ck_assert(str_eq(buf_str(&out), buf_str(&again)));
}

END_TEST

/* More members than fit the array on the stack, in an order that is far from sorted. */
START_TEST(test_large_object_is_sorted)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    struct str last = STR("");
    size_t n = 0;

    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%c\"k%03d\":%d", i > 0 ? ',' : '{', i * 617 % 1000, i);
    buf_add_char(&text, '}');
    canonical(buf_str(&text), &out);
    ck_assert_int_eq(jdoc_parse(buf_str(&out), NULL, &doc, &err), 0);
    for (const struct jiter *it = jiter_first(jdoc_root(doc)); it != NULL;
         it = jiter_next(jdoc_root(doc), it), n++) {
        ck_assert_int_lt(str_cmp(last, jiter_key(it)), 0);
        last = jiter_key(it);
    }
    ck_assert_uint_eq(n, 1000);
}

END_TEST

START_TEST(test_a_full_buffer_fails)
{
    AUTO(buf_done) struct buf out = buf_init(5);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(STR("{\"a\":1}"), NULL, &doc, &err), 0);
    jval_canonical(&out, jdoc_root(doc));
    ck_assert(buf_failed(&out));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("canonical");
    TCase *tc = tcase_create("canonical");

    tcase_add_loop_test(tc, test_numbers, 0, (int)ARRAY_LEN(numbers));
    tcase_add_loop_test(tc, test_spellings_of_numbers, 0, (int)ARRAY_LEN(spellings));
    tcase_add_test(tc, test_numbers_are_exact_and_short);
    tcase_add_test(tc, test_order_of_keys);
    tcase_add_loop_test(tc, test_documents, 0, (int)ARRAY_LEN(documents));
    tcase_add_test(tc, test_large_object_is_sorted);
    tcase_add_test(tc, test_a_full_buffer_fails);
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
