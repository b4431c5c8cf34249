/*
 * tests/unit/test_base_err.c - error values: setting, prefixing, cutting, the table of codes
 */
#include <check.h>
#include <signal.h>

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#include "lib/base/banned.h"

START_TEST(test_set_keeps_place_and_text)
{
    struct err err = {0};

    ck_assert_int_eq(err_set(&err, E_NOT_FOUND, "/offer/@id", "agreement '%s'", "a1"),
                     -E_NOT_FOUND);
    ck_assert_int_eq(err.code, E_NOT_FOUND);
    ck_assert_str_eq(err.at, "/offer/@id");
    ck_assert_str_eq(err.text, "agreement 'a1'");
    ck_assert_str_eq(err.detail, "");
    ck_assert_ptr_nonnull(strstr(err.file, "test_base_err.c"));
    ck_assert_int_gt(err.line, 0);
    ck_assert_int_eq(err_ret(&err), -E_NOT_FOUND);
    err_clear(&err);
    ck_assert_int_eq(err_ret(&err), 0);
    ck_assert_str_eq(err.text, "");
}

END_TEST

START_TEST(test_tell_makes_the_text_public)
{
    struct err err = {0};

    ck_assert_int_eq(err_tell(&err, E_INVALID, NULL, "'%s' is empty", "name"), -E_INVALID);
    ck_assert_str_eq(err.detail, "'name' is empty");
    ck_assert_str_eq(err.text, "'name' is empty");
    ck_assert_str_eq(err.at, "");
    ck_assert_int_eq(err_prefix(&err, "asset %d", 7), -E_INVALID);
    ck_assert_str_eq(err.text, "asset 7: 'name' is empty");
    ck_assert_str_eq(err.detail, "'name' is empty");
}

END_TEST

START_TEST(test_at_prefix_nests)
{
    struct err err = {0};

    err_set(&err, E_UNKNOWN_FIELD, "/b", "unknown");
    ck_assert_int_eq(err_at_prefix(&err, "/a/0"), -E_UNKNOWN_FIELD);
    ck_assert_str_eq(err.at, "/a/0/b");
}

END_TEST

START_TEST(test_set_may_quote_itself)
{
    struct err err = {0};

    err_set(&err, E_IO, "/x", "disk full");
    err_set(&err, E_CORRUPT, err.at, "again: %s", err.text);
    ck_assert_str_eq(err.at, "/x");
    ck_assert_str_eq(err.text, "again: disk full");
}

END_TEST

START_TEST(test_long_text_is_cut_at_a_character)
{
    struct err err = {0};
    char lead[sizeof(err.text)];

    /* the three bytes of U+D55C would end one byte past the last that fits */
    memset(lead, 'x', sizeof(lead));
    lead[sizeof(err.text) - 3] = '\0';
    err_tell(&err, E_INVALID, lead, "%s\xED\x95\x9C", lead);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 3);
    ck_assert_uint_eq(strlen(err.detail), sizeof(err.detail) - 1);
    ck_assert_uint_eq(strlen(err.at), sizeof(err.at) - 1);
    ck_assert(str_is_utf8(str_c(err.text)));

    for (int i = 0; i < 3; i++) {
        err_prefix(&err, "%s", lead);
        err_at_prefix(&err, lead);
    }
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    ck_assert_uint_eq(strlen(err.at), sizeof(err.at) - 1);
}

END_TEST

START_TEST(test_table)
{
    ck_assert_str_eq(err_slug(E_NOT_FOUND), "not-found");
    ck_assert_str_eq(err_slug(E_RANGE_UNSATISFIABLE), "range-unsatisfiable");
    ck_assert_str_eq(err_slug(E_OK), "ok");
    ck_assert_str_eq(err_name(E_PEER_GAP), "E_PEER_GAP");
    ck_assert_str_eq(err_title(E_TOKEN), "token is not valid");
    ck_assert_int_eq(err_http(E_LIMIT), 413);
    ck_assert_int_eq((int)err_retry(E_PEER_DOWN), LATER);
    ck_assert_str_eq(err_level(E_DB), "error");
    ck_assert_str_eq(err_level(E_CORRUPT), "alarm");
    ck_assert_str_eq(err_level(E_BUSY), "warning");
}

END_TEST

START_TEST(test_every_code_is_complete)
{
    enum err_code code = (enum err_code)_i;
    const char *slug = err_slug(code);

    ck_assert_msg(strncmp(err_name(code), "E_", 2) == 0, "%s", err_name(code));
    ck_assert_msg(strlen(slug) == strlen(err_name(code)) - 2, "%s", slug);
    ck_assert_msg(strspn(slug, "abcdefghijklmnopqrstuvwxyz-") == strlen(slug), "%s", slug);
    ck_assert_msg(err_title(code)[0] != '\0', "%s", slug);
    ck_assert_msg(err_http(code) >= 400 && err_http(code) < 600, "%s", slug);
    for (int other = E_OK; other < _i; other++)
        ck_assert_str_ne(slug, err_slug((enum err_code)other));
}

END_TEST

START_TEST(test_check_aborts)
{
    CHECK(_i != 0);
}

END_TEST

START_TEST(test_expect_counts)
{
    int64_t before = expect_failed_count();

    ck_assert(EXPECT(1 + 1 == 2));
    ck_assert_int_eq(expect_failed_count(), before);
    ck_assert(!EXPECT(before < 0));
    ck_assert_int_eq(expect_failed_count(), before + 1);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_err");
    TCase *tc = tcase_create("err");

    tcase_add_test(tc, test_set_keeps_place_and_text);
    tcase_add_test(tc, test_tell_makes_the_text_public);
    tcase_add_test(tc, test_at_prefix_nests);
    tcase_add_test(tc, test_set_may_quote_itself);
    tcase_add_test(tc, test_long_text_is_cut_at_a_character);
    tcase_add_test(tc, test_table);
    tcase_add_loop_test(tc, test_every_code_is_complete, E_OK + 1, E__COUNT);
    tcase_add_test_raise_signal(tc, test_check_aborts, SIGABRT);
    tcase_add_test(tc, test_expect_counts);
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
