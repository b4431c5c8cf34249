/*
 * tests/unit/test_jwrite.c - escaping, the streaming writer and its misuse, text of parsed values
 */
#include <check.h>
#include <inttypes.h>
#include <signal.h>

#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static void is_text(const struct buf *out, const char *want)
{
    ck_assert(!buf_failed(out));
    ck_assert_msg(str_eq_c(buf_str(out), want), "got %.*s, want %s", STR_ARG(buf_str(out)), want);
}

/* -- strings -- */

#define FFFD "\xEF\xBF\xBD"

static const struct {
    const char *name;
    struct str in;
    const char *want;
} quotes[] = {
    {"empty",                     {"", 0},                   "\"\""                           },
    {"absent",                    {NULL, 0},                 "\"\""                           },
    {"plain",                     {"a b/c", 5},              "\"a b/c\""                      },
    {"quote and backslash",       {"\"\\", 2},               "\"\\\"\\\\\""                   },
    {"short escapes",             {"\b\t\n\f\r", 5},         "\"\\b\\t\\n\\f\\r\""            },
    {"other controls",            {"\x01\x0b\x1f", 3},       "\"\\u0001\\u000b\\u001f\""      },
    {"delete is no control here", {"\x7f", 1},               "\"\x7f\""                       },
    {"NUL",                       {"a\0b", 3},               "\"a" FFFD "b\""                 },
    {"two, three, four bytes",
     {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
     "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""                                               },
    {"line separator stays",      {"\xE2\x80\xA8", 3},       "\"\xE2\x80\xA8\""               },
    {"lone continuation",         {"\x80", 1},               "\"" FFFD "\""                   },
    {"overlong",                  {"\xC0\xAF", 2},           "\"" FFFD FFFD "\""              },
    {"overlong of three",         {"\xE0\x9F\xBF", 3},       "\"" FFFD FFFD FFFD "\""         },
    {"surrogate",                 {"\xED\xA0\x80", 3},       "\"" FFFD FFFD FFFD "\""         },
    {"above U+10FFFF",            {"\xF4\x90\x80\x80", 4},   "\"" FFFD FFFD FFFD FFFD "\""    },
    {"FF",                        {"\xFF", 1},               "\"" FFFD "\""                   },
    {"cut by the end",            {"a\xF0\x9F\x98", 4},      "\"a" FFFD "\""                  },
    {"cut by a letter",           {"\xE2\x82z", 3},          "\"" FFFD "z\""                  },
    {"cut by a lead",             {"\xC3\xC3\xA9", 3},       "\"" FFFD "\xC3\xA9\""           },
    {"mixed",                     {"\xFF\n\xC3\xA9\xFF", 5}, "\"" FFFD "\\n\xC3\xA9" FFFD "\""},
};

START_TEST(test_quoting)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));

    json_quote(&out, quotes[_i].in);
    ck_assert_msg(str_eq_c(buf_str(&out), quotes[_i].want), "%s: got %.*s", quotes[_i].name,
                  STR_ARG(buf_str(&out)));
}

END_TEST

/* Whatever bytes come in, what goes out is one JSON string that our parser accepts. */
START_TEST(test_any_bytes_become_a_valid_string)
{
    unsigned seed = 12345;

    for (int round = 0; round < 20000; round++) {
        AUTO(buf_done) struct buf out = buf_init(KIB(1));
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        struct err err = {0};
        char bytes[12];
        size_t n = (size_t)round % sizeof(bytes);

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> 24);
        }
        json_quote(&out, str_n(bytes, n));
        ck_assert_msg(jdoc_parse(buf_str(&out), NULL, &doc, &err) == 0, "round %d: %s", round,
                      err.text);
        ck_assert_int_eq(jtype_of(jdoc_root(doc)), J_STR);
        if (str_is_utf8(str_n(bytes, n)))
            ck_assert(str_eq(jval_str(jdoc_root(doc)), str_n(bytes, n)));
    }
}

END_TEST

START_TEST(test_pointer_tokens_are_escaped)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));

    jpointer_escape(&out, STR("a/b~c~1"));
    is_text(&out, "a~1b~0c~01");
}

END_TEST

/* -- streaming writer -- */

START_TEST(test_every_kind_of_value)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    struct jw w = jw_init(&out);

    ck_assert_int_eq(jdoc_parse(STR("{\"k\":[1,2.5]}"), NULL, &doc, &err), 0);
    jw_object(&w);
    jw_kstr(&w, "text", STR("a\"b"));
    jw_kc(&w, "c", "x");
    jw_kc(&w, "none", NULL);
    jw_kstr(&w, "absent", STR_NONE);
    jw_kstr(&w, "empty", STR(""));
    jw_ki64(&w, "least", INT64_MIN);
    jw_ki64(&w, "most", INT64_MAX);
    jw_kbool(&w, "yes", true);
    jw_kbool(&w, "no", false);
    jw_kval(&w, "val", jdoc_root(doc));
    jw_kval(&w, "gone", NULL);
    jw_kraw(&w, "raw", STR("{\"r\":[]}"));
    jw_key_str(&w, STR("key\n"));
    jw_array(&w);
    jw_null(&w);
    jw_i64(&w, 7);
    jw_bool(&w, true);
    jw_str(&w, STR("s"));
    jw_c(&w, "t");
    jw_val(&w, jdoc_root(doc));
    jw_raw(&w, STR("0"));
    jw_array(&w);
    jw_array_end(&w);
    jw_object(&w);
    jw_object_end(&w);
    jw_array_end(&w);
    jw_object_end(&w);
    is_text(&out, "{\"text\":\"a\\\"b\",\"c\":\"x\",\"none\":null,\"absent\":null,\"empty\":\"\","
                  "\"least\":-9223372036854775808,\"most\":9223372036854775807,\"yes\":true,"
                  "\"no\":false,\"val\":{\"k\":[1,2.5]},\"gone\":null,\"raw\":{\"r\":[]},"
                  "\"key\\n\":[null,7,true,\"s\",\"t\",{\"k\":[1,2.5]},0,[],{}]}");
}

END_TEST

START_TEST(test_a_single_value_is_a_document)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    struct jw w = jw_init(&out);

    jw_c(&w, "alone");
    is_text(&out, "\"alone\"");
}

END_TEST

START_TEST(test_pretty)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(4));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    struct jw w = jw_init(&out);

    ck_assert_int_eq(jdoc_parse(STR("{\"a\":[1,{}],\"b\":[]}"), NULL, &doc, &err), 0);
    w.pretty = true;
    jw_object(&w);
    jw_ki64(&w, "n", 1);
    jw_key(&w, "list");
    jw_array(&w);
    jw_c(&w, "x");
    jw_val(&w, jdoc_root(doc));
    jw_array_end(&w);
    jw_key(&w, "empty");
    jw_object(&w);
    jw_object_end(&w);
    jw_kval(&w, "val", jdoc_root(doc));
    jw_object_end(&w);
    is_text(&out, "{\n"
                  "  \"n\": 1,\n"
                  "  \"list\": [\n"
                  "    \"x\",\n"
                  "    {\n"
                  "      \"a\": [\n"
                  "        1,\n"
                  "        {}\n"
                  "      ],\n"
                  "      \"b\": []\n"
                  "    }\n"
                  "  ],\n"
                  "  \"empty\": {},\n"
                  "  \"val\": {\n"
                  "    \"a\": [\n"
                  "      1,\n"
                  "      {}\n"
                  "    ],\n"
                  "    \"b\": []\n"
                  "  }\n"
                  "}");
}

END_TEST

START_TEST(test_levels_up_to_the_limit)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));
    struct jw w = jw_init(&out);

    for (int i = 0; i < 63; i++)
        jw_array(&w);
    for (int i = 0; i < 63; i++)
        jw_array_end(&w);
    ck_assert_uint_eq(out.n, 126);
}

END_TEST

START_TEST(test_a_full_buffer_fails_without_harm)
{
    for (size_t max = 0; max < 40; max++) {
        AUTO(buf_done) struct buf out = buf_init(max);
        struct jw w = jw_init(&out);

        jw_object(&w);
        jw_kc(&w, "key", "a long text with \n");
        jw_ki64(&w, "n", 123456);
        jw_object_end(&w);
        ck_assert_int_eq(buf_failed(&out), max < strlen("{\"key\":\"a long text with \\n\",\"n\":"
                                                        "123456}"));
        ck_assert_uint_le(out.n, max);
    }
}

END_TEST

/* -- misuse: each must abort -- */

static void value_without_key(struct jw *w)
{
    jw_object(w);
    jw_i64(w, 1);
}

static void object_without_key(struct jw *w)
{
    jw_object(w);
    jw_object(w);
}

static void key_in_array(struct jw *w)
{
    jw_array(w);
    jw_key(w, "a");
}

static void key_at_root(struct jw *w)
{
    jw_key(w, "a");
}

static void key_after_key(struct jw *w)
{
    jw_object(w);
    jw_key(w, "a");
    jw_key(w, "b");
}

static void end_after_key(struct jw *w)
{
    jw_object(w);
    jw_key(w, "a");
    jw_object_end(w);
}

static void end_of_nothing(struct jw *w)
{
    jw_array_end(w);
}

static void wrong_end(struct jw *w)
{
    jw_array(w);
    jw_object_end(w);
}

static void wrong_end_of_object(struct jw *w)
{
    jw_object(w);
    jw_array_end(w);
}

static void second_root(struct jw *w)
{
    jw_null(w);
    jw_null(w);
}

static void second_root_container(struct jw *w)
{
    jw_array(w);
    jw_array_end(w);
    jw_array(w);
}

static void empty_raw(struct jw *w)
{
    jw_raw(w, STR(""));
}

static void too_many_levels(struct jw *w)
{
    for (int i = 0; i < 64; i++)
        jw_array(w);
}

static void (*const misuses[])(struct jw *w) = {
    value_without_key,     object_without_key, key_in_array,        key_at_root,
    key_after_key,         end_after_key,      end_of_nothing,      wrong_end,
    second_root,           empty_raw,          wrong_end_of_object, too_many_levels,
    second_root_container,
};

START_TEST(test_misuse_aborts)
{
    struct buf out = buf_init(KIB(1));
    struct jw w = jw_init(&out);

    misuses[_i](&w);
    buf_done(&out);
}

END_TEST

/* -- parsed values -- */

static const struct {
    const char *in;
    const char *want;
} written[] = {
    {" { \"b\" : [ 1 , 2.0 ] , \"a\" : null } ", "{\"b\":[1,2.0],\"a\":null}"       },
    {"[true,false,\"\\u00e9\\/\\u001f\"]",       "[true,false,\"\xC3\xA9/\\u001f\"]"},
    {"{}",                                       "{}"                               },
    {"[]",                                       "[]"                               },
    {"-0",                                       "0"                                },
    {"-0.0",                                     "0.0"                              },
    {"1e3",                                      "1000.0"                           },
    {"1e20",                                     "100000000000000000000.0"          },
    {"1E21",                                     "1e+21"                            },
    {"0.1",                                      "0.1"                              },
    {"-9223372036854775808",                     "-9223372036854775808"             },
};

/* The text parses to an equal value of the same types, and a second pass changes nothing. */
START_TEST(test_text_of_parsed_values)
{
    AUTO(buf_done) struct buf first = buf_init(KIB(1));
    AUTO(buf_done) struct buf second = buf_init(KIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *again = NULL;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(str_c(written[_i].in), NULL, &doc, &err), 0);
    jval_write(&first, jdoc_root(doc));
    is_text(&first, written[_i].want);
    ck_assert_int_eq(jdoc_parse(buf_str(&first), NULL, &again, &err), 0);
    ck_assert(jval_eq(jdoc_root(doc), jdoc_root(again)));
    ck_assert_int_eq(jtype_of(jdoc_root(doc)), jtype_of(jdoc_root(again)));
    jval_write(&second, jdoc_root(again));
    is_text(&second, written[_i].want);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jwrite");
    TCase *tc = tcase_create("jwrite");

    tcase_add_loop_test(tc, test_quoting, 0, (int)ARRAY_LEN(quotes));
    tcase_add_test(tc, test_any_bytes_become_a_valid_string);
    tcase_add_test(tc, test_pointer_tokens_are_escaped);
    tcase_add_test(tc, test_every_kind_of_value);
    tcase_add_test(tc, test_a_single_value_is_a_document);
    tcase_add_test(tc, test_pretty);
    tcase_add_test(tc, test_levels_up_to_the_limit);
    tcase_add_test(tc, test_a_full_buffer_fails_without_harm);
    tcase_add_loop_test_raise_signal(tc, test_misuse_aborts, SIGABRT, 0, (int)ARRAY_LEN(misuses));
    tcase_add_loop_test(tc, test_text_of_parsed_values, 0, (int)ARRAY_LEN(written));
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
