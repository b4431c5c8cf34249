/*
 * QuerySpec and Criterion of the management API: left operands, values, refusals, GLOB patterns.
 */
#include <check.h>

#include "connector/mgmt/criteria.h"
#include "connector/mgmt/form.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

static struct arena *arena;
static struct ld *ld;

static void setup(void)
{
    struct err err = {0};

    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
    ck_assert_int_eq(ld_open(&ld, &err), 0);
}

static void teardown(void)
{
    ld_close(&ld);
    arena_free(&arena);
}

/* -- left operands ------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { enum entity_kind kind; const char *left, *field; } lefts[] = {
    {ENTITY_ASSET, "id", LD_EDC "id"},
    {ENTITY_ASSET, LD_EDC "id", LD_EDC "id"},
    {ENTITY_ASSET, "name", LD_EDC "name"},
    {ENTITY_ASSET, "createdAt", "createdAt"},
    {ENTITY_ASSET, LD_EDC "createdAt", "createdAt"},
    {ENTITY_ASSET, "http://purl.org/dc/terms/type", "http://purl.org/dc/terms/type"},
    {ENTITY_ASSET, "'http://purl.org/dc/terms/type'.'@id'", "http://purl.org/dc/terms/type"},
    {ENTITY_ASSET, "'http://purl.org/dc/terms/type'", "http://purl.org/dc/terms/type"},
    {ENTITY_ASSET, "properties.'a.b'", LD_EDC "a.b"},
    {ENTITY_ASSET, "properties.x", LD_EDC "x"},
    {ENTITY_ASSET, "privateProperties.'" LD_EDC "x'", "private:" LD_EDC "x"},
    {ENTITY_ASSET, "privateProperties.x", "private:" LD_EDC "x"},
    {ENTITY_ASSET, "'" LD_EDC "privateProperties'.'x'", "private:" LD_EDC "x"},
    {ENTITY_ASSET, "properties", LD_EDC "properties"},
    {ENTITY_NEGOTIATION, "contractAgreement.id", "agreementId"},
    {ENTITY_NEGOTIATION, LD_EDC "state", "state"},
    {ENTITY_TRANSFER, "'contractId'", "contractId"},
    {ENTITY_AGREEMENT, "agreementId", "id"},
    {ENTITY_EDR, "id", "transferProcessId"},
    {ENTITY_DEFINITION, "accessPolicyId", "accessPolicyId"},
    {ENTITY_POLICY, "privateProperties.x", "privateProperties." LD_EDC "x"},
    {ENTITY_TRANSFER, "privateProperties.'" LD_EDC "x'", "privateProperties." LD_EDC "x"},
    {ENTITY_TRANSFER, "dataDestination.type", "dataDestination.type"},
    {ENTITY_ASSET, "dataAddress.type", "private:dataAddress.type"},
    {ENTITY_ASSET, "'" LD_EDC "dataAddress'.'" LD_EDC "type'", "private:dataAddress.type"},
    /* refused */
    {ENTITY_TRANSFER, "contractAgreementId", NULL},
    {ENTITY_NEGOTIATION, "contractAgreementId", NULL},
    {ENTITY_POLICY, "privateProperties", NULL},
    {ENTITY_TRANSFER, "state.x", NULL},
    {ENTITY_AGREEMENT, "state", NULL},
    {ENTITY_EDR, "", NULL},
    {ENTITY_ASSET, "a.b.c", NULL},
    {ENTITY_ASSET, "'open", NULL},
    {ENTITY_ASSET, "'a'b", NULL},
    {ENTITY_ASSET, "a.b.c.d.e.f.g.h.i", NULL},
};

/* clang-format on */

START_TEST(test_left)
{
    struct str field = STR_NONE;
    struct err err = {0};
    const int result = condition_field(lefts[_i].kind, str_c(lefts[_i].left), arena, &field, &err);

    if (lefts[_i].field == NULL) {
        ck_assert_msg(result < 0, "'%s' was accepted", lefts[_i].left);
        ck_assert_int_eq(err.code, E_INVALID);
        ck_assert(err.detail[0] != '\0');
        return;
    }
    ck_assert_msg(result == 0, "'%s': %s", lefts[_i].left, err.text);
    ck_assert_msg(str_eq_c(field, lefts[_i].field), "'%s' is '%.*s'", lefts[_i].left,
                  STR_ARG(field));
}

END_TEST

/* -- whole specifications ---------------------------------------------------------------------------------- */

static int read_spec(enum entity_kind kind, const char *json, struct query_spec *spec,
                     struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *expanded = NULL;
    const struct ld_options options = {.vocab = STR(LD_EDC)};

    ck_assert_int_eq(jdoc_parse(str_c(json), &jlimits_default, &doc, err), 0);
    ck_assert_int_eq(ld_expand(ld, jdoc_root(doc), &options, &expanded, err), 0);
    return query_spec_read(ld_root(expanded), kind, arena, spec, err);
}

START_TEST(test_defaults)
{
    struct query_spec spec = {0};
    struct err err = {0};

    ck_assert_int_eq(query_spec_read(NULL, ENTITY_ASSET, arena, &spec, &err), 0);
    ck_assert_int_eq(spec.search.offset, 0);
    ck_assert_int_eq(spec.search.limit, 50);
    ck_assert(!spec.search.descending && !spec.limited);
    ck_assert_uint_eq(spec.search.n, 0);
    ck_assert(!str_present(spec.search.sort));
}

END_TEST

START_TEST(test_members)
{
    struct query_spec spec = {0};
    struct err err = {0};

    ck_assert_int_eq(read_spec(ENTITY_TRANSFER,
                               "{\"offset\":7,\"limit\":20000000,\"sortOrder\":\"desc\","
                               "\"sortField\":\"stateTimestamp\",\"filterExpression\":[]}",
                               &spec, &err),
                     0);
    ck_assert_int_eq(spec.search.offset, 7);
    ck_assert_int_eq(spec.search.limit, CRITERIA_ROWS_MAX);
    ck_assert(spec.search.descending && spec.limited);
    ck_assert(str_eq_c(spec.search.sort, "stateTimestamp"));
}

END_TEST

/* clang-format off */
static const struct { enum entity_kind kind; const char *left, *op, *right; enum criterion_op is; const char *value; } criteria[] = {
    {ENTITY_ASSET, "id", "=", "\"a\"", OP_EQ, "a"},
    {ENTITY_ASSET, "size", "=", "12", OP_EQ, "12"},
    {ENTITY_ASSET, "open", "=", "true", OP_EQ, "true"},
    {ENTITY_ASSET, "tags", "contains", "\"a\"", OP_EQ, "a"},
    {ENTITY_ASSET, "id", "IN", "[\"a\",\"b\"]", OP_IN, "\x1f""a\x1f\x1f""b\x1f"},
    {ENTITY_ASSET, "id", "Not In", "[\"a\"]", OP_NOT_IN, "\x1f""a\x1f"},
    {ENTITY_ASSET, "id", "in", "[]", OP_IN, ""},
    {ENTITY_ASSET, "id", "iLike", "\"a%\"", OP_ILIKE, "a%"},
    {ENTITY_NEGOTIATION, "state", "=", "\"FINALIZED\"", OP_EQ, "1000000000000001200"},
    {ENTITY_NEGOTIATION, "state", "!=", "1200", OP_NEQ, "1000000000000001200"},
    {ENTITY_TRANSFER, "state", ">=", "\"600\"", OP_GTEQ, "1000000000000000600"},
    {ENTITY_TRANSFER, "state", "in", "[\"STARTED\",700]", OP_IN, "\x1f""1000000000000000600\x1f\x1f""1000000000000000700\x1f"},
    {ENTITY_TRANSFER, "createdAt", "<", "0", OP_LT, "1000000000000000000"},
    /* refused */
    {ENTITY_TRANSFER, "state", "=", "\"FINALIZED\"", 0, NULL},
    {ENTITY_TRANSFER, "createdAt", "<", "\"yesterday\"", 0, NULL},
    {ENTITY_TRANSFER, "createdAt", "<", "-1", 0, NULL},
    {ENTITY_TRANSFER, "createdAt", "<", "9223372036854775807", 0, NULL},
    {ENTITY_ASSET, "id", "=", "[\"a\",\"b\"]", 0, NULL},
    {ENTITY_ASSET, "id", "=", "[]", 0, NULL},
    {ENTITY_ASSET, "id", "=", "{\"x\":1}", 0, NULL},
    {ENTITY_ASSET, "id", "==", "\"a\"", 0, NULL},
    {ENTITY_ASSET, "id", "", "\"a\"", 0, NULL},
    {ENTITY_ASSET, "", "=", "\"a\"", 0, NULL},
    {ENTITY_ASSET, "id", "in", "[\"a\\u001fb\"]", 0, NULL},
};

/* clang-format on */

START_TEST(test_criterion)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(4));
    struct query_spec spec = {0};
    struct err err = {0};
    int result;

    buf_printf(&json,
               "{\"filterExpression\":[{\"operandLeft\":\"%s\",\"operator\":\"%s\","
               "\"operandRight\":%s}]}%c",
               criteria[_i].left, criteria[_i].op, criteria[_i].right, '\0');
    result = read_spec(criteria[_i].kind, json.p, &spec, &err);
    if (criteria[_i].value == NULL) {
        ck_assert_msg(result < 0, "accepted: %s", json.p);
        ck_assert(err.code == E_INVALID || err.code == E_LIMIT);
        return;
    }
    ck_assert_msg(result == 0, "%s: %s", json.p, err.text);
    ck_assert_uint_eq(spec.search.n, 1);
    ck_assert_int_eq((int)spec.search.conditions[0].op, (int)criteria[_i].is);
    ck_assert_msg(str_eq_c(spec.search.conditions[0].value, criteria[_i].value), "%s gave '%.*s'",
                  json.p, STR_ARG(spec.search.conditions[0].value));
}

END_TEST

/* At the limit, and one above. */
START_TEST(test_limit)
{
    for (int n = CONDITIONS_MAX; n <= CONDITIONS_MAX + 1; n++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(4));
        struct query_spec spec = {0};
        struct err err = {0};

        buf_add_c(&json, "{\"filterExpression\":[");
        for (int i = 0; i < n; i++)
            buf_printf(&json, "%s{\"operandLeft\":\"k%d\",\"operator\":\"=\",\"operandRight\":1}",
                       i > 0 ? "," : "", i);
        buf_printf(&json, "]}%c", '\0');
        ck_assert_int_eq(read_spec(ENTITY_ASSET, json.p, &spec, &err),
                         n > CONDITIONS_MAX ? -(int)E_LIMIT : 0);
    }
}

END_TEST

/* clang-format off */
static const struct { const char *like, *glob; } globs[] = {
    {"abc", "abc"}, {"a%", "a*"}, {"a_c", "a?c"}, {"100\\%", "100%"}, {"\\_\\\\", "_\\"}, {"[a]*?", "[[]a][*][?]"}, {"\\", "\\"},
    {"", ""},
};

/* clang-format on */

START_TEST(test_glob)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(1));

    condition_glob(&out, str_c(globs[_i].like));
    ck_assert_msg(str_eq_c(buf_str(&out), globs[_i].glob), "'%s' gave '%.*s'", globs[_i].like,
                  STR_ARG(buf_str(&out)));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("mgmt_query");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_left, 0, (int)ARRAY_LEN(lefts));
    tcase_add_test(tc, test_defaults);
    tcase_add_test(tc, test_members);
    tcase_add_loop_test(tc, test_criterion, 0, (int)ARRAY_LEN(criteria));
    tcase_add_test(tc, test_limit);
    tcase_add_loop_test(tc, test_glob, 0, (int)ARRAY_LEN(globs));
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
