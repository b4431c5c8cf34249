/*
 * lib/jdoc/jbuild: what is built is what was asked for; failures end in an error and free everything.
 */
#include <check.h>
#include <stdlib.h>

#include "lib/base/limits.h"
#include "lib/jdoc/jbuild.h"

#include "lib/base/banned.h"

START_TEST(builds_all_kinds)
{
    struct jbuild *b = jbuild_new();
    AUTO(jdoc_free) struct jdoc *other = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *want = NULL;
    struct err err = {0};

    ck_assert(b != NULL);
    ck_assert(jdoc_parse(STR("{\"x\":[1,{}]}"), NULL, &other, &err) == 0);
    jbuild_object(b);
    jbuild_key(b, STR("s"));
    jbuild_str(b, STR("t\xc3\xa9xt"));
    jbuild_key(b, STR("a"));
    jbuild_array(b);
    jbuild_i64(b, INT64_MIN);
    jbuild_real(b, 0.5);
    jbuild_bool(b, true);
    jbuild_bool(b, false);
    jbuild_null(b);
    jbuild_array(b);
    jbuild_end(b);
    jbuild_end(b);
    jbuild_key(b, STR("v"));
    jbuild_val(b, jdoc_root(other));
    jbuild_key(b, STR("s")); /* replaces */
    jbuild_str(b, STR_NONE);
    jbuild_end(b);
    ck_assert(jbuild_take(&b, &doc, &err) == 0);
    ck_assert(b == NULL);
    jdoc_free(&other); /* what came from there was copied */

    ck_assert(jdoc_parse(STR("{\"s\":\"\",\"a\":[-9223372036854775808,0.5,true,false,null,[]],"
                             "\"v\":{\"x\":[1,{}]}}"),
                         NULL, &want, &err) == 0);
    ck_assert(jval_eq(jdoc_root(doc), jdoc_root(want)));
}

END_TEST

static int build_nested(unsigned levels, struct jdoc **ret_doc, struct err *err)
{
    struct jbuild *b = jbuild_new();

    ck_assert(b != NULL);
    for (unsigned i = 0; i < levels; i++)
        jbuild_array(b);
    jbuild_null(b);
    for (unsigned i = 0; i < levels; i++)
        jbuild_end(b);
    return jbuild_take(&b, ret_doc, err);
}

START_TEST(depth_is_bounded)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jdoc *none = NULL;
    struct err err = {0};

    ck_assert(build_nested(JBUILD_DEPTH, &doc, &err) == 0);
    ck_assert(build_nested(JBUILD_DEPTH + 1, &none, &err) < 0);
    ck_assert_int_eq(err.code, E_LIMIT);
    ck_assert(none == NULL);
}

END_TEST

START_TEST(can_be_given_up)
{
    struct jbuild *b = jbuild_new();

    ck_assert(b != NULL);
    jbuild_object(b);
    jbuild_key(b, STR("a"));
    jbuild_array(b);
    jbuild_str(b, STR("x"));
    jbuild_free(&b);
    ck_assert(b == NULL);
    jbuild_free(&b);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("jbuild");
    TCase *tc = tcase_create("jbuild");

    tcase_add_test(tc, builds_all_kinds);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, can_be_given_up);
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
