/*
 * tests/unit/test_jdoc.c - parsing: syntax, limits, UTF-8, places of errors; views, pointers, equality
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

/* A document that must parse. */
static struct jdoc *parsed(struct str text)
{
    struct jdoc *doc = NULL;
    struct err err = {0};

    if (jdoc_parse(text, NULL, &doc, &err) < 0)
        ck_abort_msg("'%.*s': %s", STR_ARG(text), err.text);
    return doc;
}

static void refused(struct str text, const struct jlimits *limits, enum err_code code,
                    const char *detail)
{
    struct jdoc *doc = NULL;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(text, limits, &doc, &err) == -(int)code, "'%.*s': got %s",
                  STR_ARG(text), err_name(err.code));
    ck_assert_ptr_null(doc);
    ck_assert_int_eq(err.code, code);
    ck_assert_str_eq(err.at, "");
    ck_assert_msg(strcmp(err.detail, detail) == 0, "'%.*s': detail '%s'", STR_ARG(text),
                  err.detail);
}

/* -- syntax -- */

static const struct {
    const char *text;
    enum jtype type;
} roots[] = {
    {"null",                 J_NULL  },
    {"true",                 J_BOOL  },
    {"false",                J_BOOL  },
    {"0",                    J_INT   },
    {"-0",                   J_INT   },
    {"1.0",                  J_REAL  },
    {"1e3",                  J_REAL  },
    {"\"\"",                 J_STR   },
    {"[]",                   J_ARRAY },
    {"{}",                   J_OBJECT},
    {" \t\r\n7 ",            J_INT   },
    {"-1.5E-3",              J_REAL  },
    {"\"\\u20AC\"",          J_STR   },
    {"\"\\/\\b\"",           J_STR   },
    {"[[],{}]",              J_ARRAY },
    {"\"\x7f\"",             J_STR   },
    {"9223372036854775807",  J_INT   },
    {"-9223372036854775808", J_INT   },
    {"\"\\ud83d\\ude00\"",   J_STR   },
    {"{\"\":{\"\":1}}",      J_OBJECT},
};

START_TEST(test_any_value_may_be_the_root)
{
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(roots[_i].text));

    ck_assert_msg(jtype_of(jdoc_root(doc)) == roots[_i].type, "'%s' is %s", roots[_i].text,
                  jtype_name(jtype_of(jdoc_root(doc))));
}

END_TEST

static const struct {
    const char *text;
    const char *detail;
} malformed[] = {
    {"",                     "line 1, column 0: unexpected token near end of file"           },
    {"  ",                   "line 1, column 2: unexpected token near end of file"           },
    {"[1] x",                "line 1, column 5: end of file expected near 'x'"               },
    {"{} {}",                "line 1, column 4: end of file expected near '{'"               },
    {"[1,]",                 "line 1, column 4: unexpected token near ']'"                   },
    {"{\"a\":1,}",           "line 1, column 8: string or '}' expected near '}'"             },
    {"[",                    "line 1, column 1: ']' expected near end of file"               },
    {"]",                    "line 1, column 1: unexpected token near ']'"                   },
    {"{\"a\" 1}",            "line 1, column 6: ':' expected near '1'"                       },
    {"{a:1}",                "line 1, column 2: string or '}' expected near 'a'"             },
    {"{\n \"a\":\n  tru\n}", "line 3, column 5: invalid token near 'tru'"                    },
    {"01",                   "line 1, column 1: invalid token near '0'"                      },
    {"-",                    "line 1, column 1: invalid token near '-'"                      },
    {"+1",                   "line 1, column 1: invalid token near '+'"                      },
    {"1.",                   "line 1, column 2: invalid token near '1.'"                     },
    {"NaN",                  "line 1, column 3: invalid token near 'NaN'"                    },
    {"1e400",                "line 1, column 5: real number overflow near '1e400'"           },
    {"9223372036854775808",  "line 1, column 19: too big integer near '9223372036854775808'" },
    {"'a'",                  "line 1, column 1: invalid token near '''"                      },
    {"\"\\x\"",              "line 1, column 3: invalid escape near '\"\\x'"                 },
    {"\"a\nb\"",             "line 1, column 2: unexpected newline near '\"a'"               },
    {"\"abc",                "line 1, column 4: premature end of input near '\"abc'"         },
    {"\"\\u0000\"",          "line 1, column 8: \\u0000 is not allowed"                      },
    {"{\"\\u0000\":1}",      "line 1, column 9: \\u0000 is not allowed"                      },
    {"\"\\ud800\"",          "line 1, column 8: invalid Unicode '\\uD800' near '\"\\ud800\"'"},
    {"/* c */ 1",            "line 1, column 1: invalid token near '/'"                      },
    {"\xEF\xBB\xBF{}",       "line 1, column 1: invalid token near '\xEF\xBB\xBF'"           },
};

START_TEST(test_malformed_text_is_refused_with_its_place)
{
    refused(str_c(malformed[_i].text), NULL, E_SYNTAX, malformed[_i].detail);
}

END_TEST

START_TEST(test_nul_bytes_are_refused)
{
    struct jdoc *doc = NULL;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(STR("[1]\0"), NULL, &doc, &err), -E_SYNTAX);
    ck_assert_int_eq(jdoc_parse(STR("\"a\0b\""), NULL, &doc, &err), -E_SYNTAX);
    ck_assert_int_eq(jdoc_parse(STR_NONE, NULL, &doc, &err), -E_SYNTAX);
    ck_assert_ptr_null(doc);
}

END_TEST

START_TEST(test_duplicate_keys_are_named)
{
    refused(STR("{\"a\":1,\"b\":{\"a\":2},\"a\":1}"), NULL, E_SYNTAX,
            "line 1, column 22: duplicate key a");
    refused(STR("{\"x\\\"\\\\\":1,\n\"x\\\"\\\\\":2}"), NULL, E_SYNTAX,
            "line 2, column 7: duplicate key x\\\"\\\\");
    refused(STR("{\"\":1,\"\":2}"), NULL, E_SYNTAX, "line 1, column 8: duplicate key ");
    /* written differently, but the same key */
    refused(STR("{\"a\":1,\"\\u0061\":2}"), NULL, E_SYNTAX,
            "line 1, column 15: duplicate key \\u0061");
}

END_TEST

/* -- UTF-8, RFC 3629 -- */

static const struct {
    const char *name;
    const char *bytes;
    bool valid;
} utf8[] = {
    {"two bytes, least",           "\xC2\x80",                 true },
    {"three bytes, least",         "\xE0\xA0\x80",             true },
    {"last before the surrogates", "\xED\x9F\xBF",             true },
    {"first after the surrogates", "\xEE\x80\x80",             true },
    {"four bytes, least",          "\xF0\x90\x80\x80",         true },
    {"U+10FFFF",                   "\xF4\x8F\xBF\xBF",         true },
    {"U+FFFF",                     "\xEF\xBF\xBF",             true },
    {"Hangul",                     "\xED\x83\x84\xEC\x86\x8C", true },
    {"lone continuation",          "\x80",                     false},
    {"overlong, two bytes",        "\xC0\xAF",                 false},
    {"overlong NUL",               "\xC0\x80",                 false},
    {"overlong, lead C1",          "\xC1\xBF",                 false},
    {"overlong, three bytes",      "\xE0\x9F\xBF",             false},
    {"overlong, four bytes",       "\xF0\x8F\xBF\xBF",         false},
    {"high surrogate",             "\xED\xA0\x80",             false},
    {"low surrogate",              "\xED\xBF\xBF",             false},
    {"surrogate pair",             "\xED\xA0\xBD\xED\xB8\x80", false},
    {"above U+10FFFF",             "\xF4\x90\x80\x80",         false},
    {"lead F5",                    "\xF5\x80\x80\x80",         false},
    {"five bytes",                 "\xF8\x88\x80\x80\x80",     false},
    {"FE",                         "\xFE",                     false},
    {"FF",                         "\xFF",                     false},
    {"truncated, two bytes",       "\xC3",                     false},
    {"truncated, three bytes",     "\xE2\x82",                 false},
    {"truncated, four bytes",      "\xF0\x9F\x98",             false},
    {"lead after lead",            "\xC3\xC3\xA9",             false},
};

static void check_utf8(const char *name, const char *text, bool valid)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    int rc = jdoc_parse(str_c(text), NULL, &doc, &err);

    ck_assert_msg(rc == (valid ? 0 : -E_SYNTAX), "%s: got %d %s", name, rc, err.text);
    ck_assert_msg(valid || strstr(err.detail, "unable to decode byte") != NULL, "%s: detail '%s'",
                  name, err.detail);
}

START_TEST(test_utf8_is_checked_in_texts_and_keys)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "\"a%sb\"", utf8[_i].bytes);
    check_utf8(utf8[_i].name, text, utf8[_i].valid);
    (void)snprintf(text, sizeof(text), "{\"%s\":1}", utf8[_i].bytes);
    check_utf8(utf8[_i].name, text, utf8[_i].valid);
}

END_TEST

/* -- limits -- */

/* `open` n times, then `inner`, then `close` n times. */
static struct buf nested(const char *open, size_t n, const char *inner, const char *close)
{
    struct buf text = buf_init(MIB(16));

    for (size_t i = 0; i < n; i++)
        buf_add_c(&text, open);
    buf_add_c(&text, inner);
    for (size_t i = 0; i < n; i++)
        buf_add_c(&text, close);
    ck_assert(!buf_failed(&text));
    return text;
}

static void limit_case(const char *text, struct jlimits limits, bool fits)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};
    int rc = jdoc_parse(str_c(text), &limits, &doc, &err);

    ck_assert_msg(rc == (fits ? 0 : -E_LIMIT), "'%s': got %d %s", text, rc, err.text);
}

static const struct {
    const char *text;
    unsigned depth;
    unsigned nodes;
} measured[] = {
    {"1",                            0, 1},
    {"\"[{,:\"",                     0, 1},
    {"\"\\\"[\"",                    0, 1},
    {"[]",                           1, 1},
    {"[1,2,3]",                      1, 4},
    {"[true , null,-1.5e3]",         1, 4},
    {"{}",                           1, 1},
    {"{\"a\":1}",                    1, 2},
    {"{\"a\":\"b\"}",                1, 2},
    {"{\"a\" : [ ], \"b\":{}}",      2, 3},
    {"{\"a\":{\"b\":{\"c\":[[]]}}}", 5, 5},
    {"[[1],[2],{\"x:y\":[\"]\"]}]",  3, 8},
};

START_TEST(test_depth_and_values_at_the_limit_and_above)
{
    const char *text = measured[_i].text;
    size_t bytes = strlen(text);
    unsigned depth = measured[_i].depth, nodes = measured[_i].nodes;

    limit_case(text, (struct jlimits){bytes, depth, nodes}, true);
    limit_case(text, (struct jlimits){bytes - 1, depth, nodes}, false);
    limit_case(text, (struct jlimits){bytes, depth, nodes - 1}, false);
    if (depth > 0)
        limit_case(text, (struct jlimits){bytes, depth - 1, nodes}, false);
}

END_TEST

START_TEST(test_default_limits)
{
    AUTO(buf_done) struct buf deepest = nested("[", LIMIT_JSON_DEPTH, "", "]");
    AUTO(buf_done) struct buf deeper = nested("[", LIMIT_JSON_DEPTH + 1, "", "]");
    AUTO(buf_done) struct buf most = nested("[1", 1, "", "]");
    AUTO(buf_done) struct buf largest = buf_init(MIB(2));
    AUTO(jdoc_free) struct jdoc *doc = parsed(buf_str(&deepest));
    char *p;

    refused(buf_str(&deeper), NULL, E_LIMIT, "line 1, column 33: more than 32 levels");

    most.n--; /* reopened: the array itself and a first 1 are there */
    for (int i = 2; i < LIMIT_JSON_NODES; i++)
        buf_add_c(&most, ",\n1");
    buf_add_char(&most, ']');
    jdoc_free(&doc);
    doc = parsed(buf_str(&most));
    ck_assert_uint_eq(jval_len(jdoc_root(doc)), LIMIT_JSON_NODES - 1);
    most.n--;
    buf_add_c(&most, ",\n1]");
    refused(buf_str(&most), NULL, E_LIMIT, "line 20000, column 1: more than 20000 values");

    p = buf_room(&largest, LIMIT_JSON_BYTES + 1);
    memset(p, ' ', LIMIT_JSON_BYTES + 1);
    p[0] = '1';
    buf_grown(&largest, LIMIT_JSON_BYTES);
    jdoc_free(&doc);
    doc = parsed(buf_str(&largest));
    buf_grown(&largest, 1);
    refused(buf_str(&largest), NULL, E_LIMIT, "1048577 bytes, more than 1048576");
}

END_TEST

/* jansson's own cap answers where an operator allows more depth than it can do. */
START_TEST(test_depth_beyond_the_library)
{
    struct jlimits limits = {MIB(1), 100000, 1000000};
    AUTO(buf_done) struct buf text = nested("[", 5000, "", "]");
    struct jdoc *doc = NULL;
    struct err err = {0};

    ck_assert_int_eq(jdoc_parse(buf_str(&text), &limits, &doc, &err), -E_LIMIT);
    ck_assert_ptr_null(doc);
}

END_TEST

/* A million levels: the scan stops at the 33rd, so ten thousand such texts take no time. */
START_TEST(test_deep_nesting_is_refused_at_once)
{
    static const char *const opens[] = {"[", "{\"a\":", "[{\"\":["};

    for (size_t k = 0; k < ARRAY_LEN(opens); k++) {
        AUTO(buf_done) struct buf text = nested(opens[k], 1000000, "", "");
        struct jlimits limits = {MIB(16), LIMIT_JSON_DEPTH, LIMIT_JSON_NODES};

        for (int i = 0; i < 10000; i++) {
            struct jdoc *doc = NULL;
            struct err err = {0};

            ck_assert_int_eq(jdoc_parse(buf_str(&text), &limits, &doc, &err), -E_LIMIT);
        }
    }
}

END_TEST

START_TEST(test_many_values_are_refused_before_the_library_builds_them)
{
    AUTO(buf_done) struct buf text = nested("[],", 300000, "", "");

    refused(buf_str(&text), NULL, E_LIMIT, "line 1, column 60001: more than 20000 values");
    buf_done(&text);
    text = nested("{},", 300000, "", "");
    refused(buf_str(&text), NULL, E_LIMIT, "line 1, column 60001: more than 20000 values");
}

END_TEST

/* -- views -- */

static const char sample[] =
    "{\"z\":1,\"a\":\"caf\\u00e9\",\"list\":[10,20.5,\"x\"],\"yes\":true,\"no\":false,\"nil\":null,"
    "\"o\":{\"~\":1,\"/\":2,\"~1\":3,\"\":4,\"a/b~c\":5},\"\":6,\"big\":9007199254740993}";

START_TEST(test_getters)
{
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(sample));
    const struct jval *root = jdoc_root(doc);
    int64_t value = -1;

    ck_assert_uint_eq(jval_len(root), 9);
    ck_assert(jval_i64(jval_get(root, "z"), &value));
    ck_assert_int_eq(value, 1);
    ck_assert(jval_i64(jval_get(root, "big"), &value));
    ck_assert_int_eq(value, INT64_C(9007199254740993));
    ck_assert(str_eq(jval_str(jval_get(root, "a")), STR("caf\xC3\xA9")));
    ck_assert(jval_bool(jval_get(root, "yes")));
    ck_assert(!jval_bool(jval_get(root, "no")));
    ck_assert_int_eq(jtype_of(jval_get(root, "nil")), J_NULL);
    ck_assert_ptr_nonnull(jval_get(root, "nil"));
    ck_assert_ptr_null(jval_get(root, "absent"));
    ck_assert_ptr_eq(jval_get_str(root, str_n("list!", 4)), jval_get(root, "list"));
    ck_assert_ptr_eq(jval_get_str(root, STR_NONE), jval_get(root, ""));
    ck_assert_uint_eq(jval_len(jval_get(root, "list")), 3);
    ck_assert_double_eq(jval_real(jval_at(jval_get(root, "list"), 0)), 10);
    ck_assert_double_eq(jval_real(jval_at(jval_get(root, "list"), 1)), 20.5);
    ck_assert_ptr_null(jval_at(jval_get(root, "list"), 3));
}

END_TEST

START_TEST(test_getters_of_another_type_give_nothing)
{
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(sample));
    const struct jval *values[] = {NULL, jval_get(jdoc_root(doc), "nil")};
    int64_t value = 42;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        ck_assert_int_eq(jtype_of(values[i]), J_NULL);
        ck_assert_ptr_null(jval_get(values[i], "a"));
        ck_assert_ptr_null(jval_get_str(values[i], STR("a")));
        ck_assert_ptr_null(jval_at(values[i], 0));
        ck_assert_uint_eq(jval_len(values[i]), 0);
        ck_assert(!str_present(jval_str(values[i])));
        ck_assert(!jval_i64(values[i], &value));
        ck_assert(!jval_bool(values[i]));
        ck_assert_ptr_null(jiter_first(values[i]));
    }
    ck_assert(!jval_i64(jval_at(jval_get(jdoc_root(doc), "list"), 1), &value));
    ck_assert_int_eq(value, 42);
    ck_assert_uint_eq(jval_len(jval_get(jdoc_root(doc), "a")), 0);
    ck_assert_ptr_null(jdoc_root(NULL));
}

END_TEST

START_TEST(test_iteration_keeps_document_order)
{
    static const char *const keys[] = {"z", "a", "list", "yes", "no", "nil", "o", "", "big"};
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(sample));
    const struct jval *root = jdoc_root(doc);
    size_t n = 0;

    for (const struct jiter *it = jiter_first(root); it != NULL; it = jiter_next(root, it), n++) {
        ck_assert_uint_lt(n, ARRAY_LEN(keys));
        ck_assert(str_eq_c(jiter_key(it), keys[n]));
        ck_assert_ptr_eq(jiter_value(it), jval_get(root, keys[n]));
    }
    ck_assert_uint_eq(n, ARRAY_LEN(keys));
}

END_TEST

/* Many keys make the library's table grow several times; the order must survive. */
START_TEST(test_iteration_order_of_many_members)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *root;
    int64_t n = 0, value = 0;

    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "%c\"key%d\":%d", i > 0 ? ',' : '{', i * 7919 % 5000, i);
    buf_add_char(&text, '}');
    doc = parsed(buf_str(&text));
    root = jdoc_root(doc);
    for (const struct jiter *it = jiter_first(root); it != NULL; it = jiter_next(root, it), n++) {
        ck_assert(jval_i64(jiter_value(it), &value));
        ck_assert_int_eq(value, n);
    }
    ck_assert_int_eq(n, 5000);
}

END_TEST

static const struct {
    const char *pointer;
    const char *found; /* compact text, NULL if nothing is there */
} pointers[] = {
    {"/z",                         "1"    },
    {"/list/0",                    "10"   },
    {"/list/2",                    "\"x\""},
    {"/o/~0",                      "1"    },
    {"/o/~1",                      "2"    },
    {"/o/~01",                     "3"    },
    {"/o/",                        "4"    },
    {"/o/a~1b~0c",                 "5"    },
    {"/",                          "6"    },
    {"/nil",                       "null" },
    {"z",                          NULL   },
    {"/list/3",                    NULL   },
    {"/list/-",                    NULL   },
    {"/list/00",                   NULL   },
    {"/list/-1",                   NULL   },
    {"/list/",                     NULL   },
    {"/list/1e0",                  NULL   },
    {"/z/0",                       NULL   },
    {"/o/~",                       NULL   },
    {"/o/~2",                      NULL   },
    {"/o/~1/x",                    NULL   },
    {"/list/99999999999999999999", NULL   },
    {"/nothing/at/all",            NULL   },
    {"/o/~0x",                     NULL   },
    {"/a/0",                       NULL   },
};

START_TEST(test_pointers)
{
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(sample));
    AUTO(buf_done) struct buf text = buf_init(KIB(1));
    const struct jval *found = jval_pointer(jdoc_root(doc), str_c(pointers[_i].pointer));

    if (pointers[_i].found == NULL) {
        ck_assert_msg(found == NULL, "'%s' finds something", pointers[_i].pointer);
        return;
    }
    ck_assert_msg(found != NULL, "'%s' finds nothing", pointers[_i].pointer);
    jval_write(&text, found);
    ck_assert(str_eq_c(buf_str(&text), pointers[_i].found));
}

END_TEST

START_TEST(test_empty_pointer_is_the_value_itself)
{
    AUTO(jdoc_free) struct jdoc *doc = parsed(str_c(sample));

    ck_assert_ptr_eq(jval_pointer(jdoc_root(doc), STR("")), jdoc_root(doc));
    ck_assert_ptr_eq(jval_pointer(jdoc_root(doc), STR_NONE), jdoc_root(doc));
    ck_assert_ptr_null(jval_pointer(NULL, STR("/a")));
}

END_TEST

static const struct {
    const char *a;
    const char *b;
    bool equal;
} pairs[] = {
    {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}",  true },
    {"[1,2]",                 "[2,1]",                  false},
    {"[1]",                   "[1,1]",                  false},
    {"1",                     "1.0",                    true },
    {"1.0",                   "1",                      true },
    {"1e2",                   "100",                    true },
    {"0.1",                   "1e-1",                   true },
    {"0",                     "-0.0",                   true },
    {"1",                     "2",                      false},
    {"1",                     "1.5",                    false},
    {"1",                     "\"1\"",                  false},
    {"1",                     "true",                   false},
    {"true",                  "false",                  false},
    {"null",                  "false",                  false},
    {"null",                  "null",                   true },
    {"\"a\"",                 "\"\\u0061\"",            true },
    {"\"a\"",                 "\"b\"",                  false},
    {"{\"a\":null}",          "{}",                     false},
    {"{\"a\":null}",          "{\"b\":null}",           false},
    {"{\"a\":{\"b\":1}}",     "{\"a\":{\"b\":2}}",      false},
    {"[]",                    "{}",                     false},
 /* as doubles these would be equal */
    {"9007199254740993",      "9007199254740992.0",     false},
    {"9007199254740992",      "9007199254740992.0",     true },
    {"9223372036854775807",   "9223372036854775808.0",  false},
    {"-9223372036854775808",  "-9223372036854775808.0", true },
    {"9223372036854775806",   "9223372036854775807",    false},
    {"1",                     "1e300",                  false},
};

START_TEST(test_equality_is_by_value)
{
    AUTO(jdoc_free) struct jdoc *a = parsed(str_c(pairs[_i].a));
    AUTO(jdoc_free) struct jdoc *b = parsed(str_c(pairs[_i].b));

    ck_assert_msg(jval_eq(jdoc_root(a), jdoc_root(b)) == pairs[_i].equal, "%s / %s", pairs[_i].a,
                  pairs[_i].b);
    ck_assert_msg(jval_eq(jdoc_root(b), jdoc_root(a)) == pairs[_i].equal, "%s / %s", pairs[_i].b,
                  pairs[_i].a);
    ck_assert(jval_eq(jdoc_root(a), jdoc_root(a)));
    ck_assert(!jval_eq(jdoc_root(a), NULL));
}

END_TEST

START_TEST(test_type_names)
{
    ck_assert_str_eq(jtype_name(J_NULL), "null");
    ck_assert_str_eq(jtype_name(J_BOOL), "boolean");
    ck_assert_str_eq(jtype_name(J_INT), "integer");
    ck_assert_str_eq(jtype_name(J_REAL), "number");
    ck_assert_str_eq(jtype_name(J_STR), "string");
    ck_assert_str_eq(jtype_name(J_ARRAY), "array");
    ck_assert_str_eq(jtype_name(J_OBJECT), "object");
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jdoc");
    TCase *parse = tcase_create("parse");
    TCase *limits = tcase_create("limits");
    TCase *views = tcase_create("views");

    tcase_add_loop_test(parse, test_any_value_may_be_the_root, 0, (int)ARRAY_LEN(roots));
    tcase_add_loop_test(parse, test_malformed_text_is_refused_with_its_place, 0,
                        (int)ARRAY_LEN(malformed));
    tcase_add_test(parse, test_nul_bytes_are_refused);
    tcase_add_test(parse, test_duplicate_keys_are_named);
    tcase_add_loop_test(parse, test_utf8_is_checked_in_texts_and_keys, 0, (int)ARRAY_LEN(utf8));
    suite_add_tcase(s, parse);

    tcase_add_loop_test(limits, test_depth_and_values_at_the_limit_and_above, 0,
                        (int)ARRAY_LEN(measured));
    tcase_add_test(limits, test_default_limits);
    tcase_add_test(limits, test_depth_beyond_the_library);
    tcase_add_test(limits, test_deep_nesting_is_refused_at_once);
    tcase_add_test(limits, test_many_values_are_refused_before_the_library_builds_them);
    suite_add_tcase(s, limits);

    tcase_add_test(views, test_getters);
    tcase_add_test(views, test_getters_of_another_type_give_nothing);
    tcase_add_test(views, test_iteration_keeps_document_order);
    tcase_add_test(views, test_iteration_order_of_many_members);
    tcase_add_loop_test(views, test_pointers, 0, (int)ARRAY_LEN(pointers));
    tcase_add_test(views, test_empty_pointer_is_the_value_itself);
    tcase_add_loop_test(views, test_equality_is_by_value, 0, (int)ARRAY_LEN(pairs));
    tcase_add_test(views, test_type_names);
    suite_add_tcase(s, views);
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
