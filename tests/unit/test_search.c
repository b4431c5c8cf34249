/*
 * server/catalogue/tokens.c: which tokens a text gives, for the index and for a query.
 */
#include <check.h>

#include "lib/base/buf.h"
#include "server/catalogue/catalogue.h"

#include "lib/base/banned.h"

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(MIB(4));
}

static void teardown(void)
{
    arena_free(&arena);
}

static struct str_list tokens_of(struct str text, enum search_use use)
{
    struct str_list list = {0};
    struct err err = {0};

    ck_assert_msg(search_tokens(text, use, arena, &list, &err) == 0, "%s", err.text);
    return list;
}

/* Tokens joined by '|'. */
static struct str joined(struct str text, enum search_use use)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    const struct str_list list = tokens_of(text, use);

    for (size_t i = 0; i < list.n; i++) {
        if (i > 0)
            buf_add_char(&out, '|');
        buf_add_str(&out, list.items[i]);
    }
    return arena_str(arena, buf_str(&out));
}

/* clang-format off */
static const struct {
    const char *text, *query, *index;
} cases[] = {
    {"", "", ""},
    {" \t\n-_.,:;!?()", "", ""},
    {"carbon", "carbon", "carbon"},
    {"Carbon CARBON carbon", "carbon", "carbon"},
    {"CO2-eq 2024", "co2|eq|2024", "co2|eq|2024"},
    {"a.b_c", "a|b|c", "a|b|c"},
    {"ÄÖÜ ß é", "äöü|ß|é", "äöü|ß|é"},
    {"ΣΟΦΙΑ Москва Ёж", "σοφια|москва|ёж", "σοφια|москва|ёж"},
    {"×÷", "", ""},
    {"ＣＯ２　Ｓｔｅｅｌ", "co2|steel", "co2|steel"},
    {"탄", "탄", "탄"},
    {"탄소", "탄소", "탄|소|탄소"},
    {"탄소배출", "탄소|소배|배출", "탄|소|탄소|배|소배|출|배출"},
    {"탄소 배출", "탄소|배출", "탄|소|탄소|배|출|배출"},
    {"탄소,탄소", "탄소", "탄|소|탄소"},
    {"강판A종", "강판|a|종", "강|판|강판|a|종"},
    {"3호기", "3|호기", "3|호|기|호기"},
    {"鋼板データ", "鋼板|板デ|デー|ータ", "鋼|板|鋼板|デ|板デ|ー|デー|タ|ータ"},
    {"\xe1\x84\x90\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x89\xe1\x85\xa9", "탄소", "탄|소|탄소"}, /* conjoining jamo */
    {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "한", "한"},
    {"\xe1\x84\x92", "", ""},                                                                  /* a lone consonant */
    {"\xf0\xa0\x80\x80\xf0\xa0\x80\x81", "\xf0\xa0\x80\x80\xf0\xa0\x80\x81",
     "\xf0\xa0\x80\x80|\xf0\xa0\x80\x81|\xf0\xa0\x80\x80\xf0\xa0\x80\x81"},                     /* beyond the first plane */
    {"😀 탄소 😀", "탄소", "탄|소|탄소"},
};

/* clang-format on */

START_TEST(test_tokens)
{
    const struct str query = joined(str_c(cases[_i].text), SEARCH_QUERY);
    const struct str index = joined(str_c(cases[_i].text), SEARCH_INDEX);

    ck_assert_msg(str_eq_c(query, cases[_i].query), "'%s' as query: %.*s", cases[_i].text,
                  STR_ARG(query));
    ck_assert_msg(str_eq_c(index, cases[_i].index), "'%s' in the index: %.*s", cases[_i].text,
                  STR_ARG(index));
}

END_TEST

/* What a query asks for is in the index of the text that holds it. */
START_TEST(test_query_is_part_of_index)
{
    const struct str_list index = tokens_of(str_c(cases[_i].text), SEARCH_INDEX);
    const struct str_list query = tokens_of(str_c(cases[_i].text), SEARCH_QUERY);

    for (size_t q = 0; q < query.n; q++) {
        bool found = false;

        for (size_t i = 0; i < index.n; i++)
            found = found || str_eq(index.items[i], query.items[q]);
        ck_assert_msg(found, "'%.*s' of '%s'", STR_ARG(query.items[q]), cases[_i].text);
    }
}

END_TEST

START_TEST(test_not_text)
{
    static const char *const bad[] = {"\xff", "\xed\xa0\x80", "\xc0\xaf", "\xea\xb0", "a\x80"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str_list list = {0};
        struct err err = {0};

        ck_assert_int_eq(search_tokens(str_c(bad[i]), SEARCH_QUERY, arena, &list, &err),
                         -E_INVALID);
    }
}

END_TEST

START_TEST(test_longest_word)
{
    AUTO(buf_done) struct buf word = buf_init(KIB(1));
    struct str first;

    while (word.n < 64)
        buf_add_char(&word, 'x');
    first = joined(buf_str(&word), SEARCH_INDEX);
    ck_assert_uint_eq(first.n, 64);
    buf_add_char(&word, 'y');
    ck_assert(str_eq(joined(buf_str(&word), SEARCH_INDEX), first)); /* cut, not dropped */
    ck_assert(str_eq(joined(buf_str(&word), SEARCH_QUERY), first)); /* in the same way */
}

END_TEST

START_TEST(test_most_tokens)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    struct str_list list;

    for (int i = 0; i < 600; i++)
        buf_printf(&text, "w%d ", i);
    list = tokens_of(buf_str(&text), SEARCH_INDEX);
    ck_assert_uint_eq(list.n, 512);
    ck_assert(str_eq(list.items[511], STR("w511")));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("search");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_tokens, 0, ARRAY_LEN(cases));
    tcase_add_loop_test(tc, test_query_is_part_of_index, 0, ARRAY_LEN(cases));
    tcase_add_test(tc, test_not_text);
    tcase_add_test(tc, test_longest_word);
    tcase_add_test(tc, test_most_tokens);
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
