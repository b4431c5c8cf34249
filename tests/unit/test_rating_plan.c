/*
 * tests/unit/test_rating_plan.c - price plans: what is read, what is refused and where, canonical text
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/limits.h"
#include "lib/rating/rating.h"

#include "lib/base/banned.h"

#define FREE    "{\"type\":\"free\"}"
#define ONE_OFF "{\"type\":\"one_off\",\"amount\":\"50000\"}"
#define MONTHLY                                                                                    \
    "{\"type\":\"subscription\",\"amount\":\"300000\",\"period\":\"month\",\"prorate\":true}"
#define PER_CALL "{\"type\":\"per_unit\",\"meter\":\"calls\",\"price\":\"1250000\"}"
#define GRADUATED(tiers)                                                                                \
    "{\"type\":\"per_unit\",\"meter\":\"rows\",\"unit\":1000,\"model\":\"graduated\",\"tiers\":[" tiers \
    "]}"
#define PLAN(kind, components)                                                                     \
    "{\"currency\":\"KRW\",\"kind\":\"" kind "\",\"components\":[" components "]}"
#define PLAN_WITH(member)                                                                          \
    "{\"currency\":\"KRW\",\"kind\":\"free\",\"components\":[" FREE "]," member "}"

/* clang-format off */
static const struct { const char *name, *text; enum err_code code; const char *at; } bad[] = {
    {"not JSON",                "{",                                                        E_SYNTAX,        NULL},
    {"not an object",           "[]",                                                       E_INVALID,       ""},
    {"no currency",             "{\"kind\":\"free\",\"components\":[" FREE "]}",            E_INVALID,       "/currency"},
    {"unknown currency",        "{\"currency\":\"XXX\",\"kind\":\"free\",\"components\":[" FREE "]}", E_INVALID, "/currency"},
    {"unknown member",          PLAN_WITH("\"vat\":1"),                                     E_UNKNOWN_FIELD, "/vat"},
    {"twice the same",          PLAN_WITH("\"vat_ppm\":1,\"vat_ppm\":2"),                   E_SYNTAX,        NULL},
    {"vat as text",             PLAN_WITH("\"vat_ppm\":\"100000\""),                        E_INVALID,       "/vat_ppm"},
    {"vat as real",             PLAN_WITH("\"vat_ppm\":0.1"),                               E_INVALID,       "/vat_ppm"},
    {"negative vat",            PLAN_WITH("\"vat_ppm\":-1"),                                E_INVALID,       "/vat_ppm"},
    {"vat above the whole",     PLAN_WITH("\"vat_ppm\":1000001"),                           E_INVALID,       "/vat_ppm"},
    {"fee above the whole",     PLAN_WITH("\"fee_ppm\":1000001"),                           E_INVALID,       "/fee_ppm"},
    {"rounding mode",           PLAN_WITH("\"rounding\":{\"mode\":\"up\"}"),                E_INVALID,       "/rounding/mode"},
    {"rounding per",            PLAN_WITH("\"rounding\":{\"per\":\"page\"}"),               E_INVALID,       "/rounding/per"},
    {"rounding member",         PLAN_WITH("\"rounding\":{\"digits\":2}"),                   E_UNKNOWN_FIELD, "/rounding/digits"},
    {"matching without rule",   PLAN_WITH("\"matching\":{}"),                               E_INVALID,       "/matching/rule"},
    {"tolerance",               PLAN_WITH("\"matching\":{\"rule\":\"both\",\"tolerance_ppm\":1000001}"), E_INVALID, "/matching/tolerance_ppm"},
    {"components no array",     "{\"currency\":\"KRW\",\"kind\":\"free\",\"components\":{}}", E_INVALID,     "/components"},
    {"no components",           PLAN("free", ""),                                           E_INVALID,       "/components"},
    {"component no object",     PLAN("free", "1"),                                          E_INVALID,       "/components/0"},
    {"no type",                 PLAN("one_off", ONE_OFF ",{\"amount\":\"1\"}"),             E_INVALID,       "/components/1/type"},
    {"unknown type",            PLAN("free", "{\"type\":\"gift\"}"),                        E_INVALID,       "/components/0/type"},
    {"member of another type",  PLAN("one_off", "{\"type\":\"one_off\",\"amount\":\"1\",\"period\":\"day\"}"), E_UNKNOWN_FIELD, "/components/0/period"},
    {"amount as number",        PLAN("one_off", "{\"type\":\"one_off\",\"amount\":50000}"), E_INVALID,       "/components/0/amount"},
    {"amount with fraction",    PLAN("one_off", "{\"type\":\"one_off\",\"amount\":\"0.5\"}"), E_INVALID,     "/components/0/amount"},
    {"negative amount",         PLAN("one_off", "{\"type\":\"one_off\",\"amount\":\"-1\"}"), E_INVALID,      "/components/0/amount"},
    {"largest amount and one",  PLAN("one_off", "{\"type\":\"one_off\",\"amount\":\"9223372036855\"}"), E_INVALID, "/components/0/amount"},
    {"unknown period",          PLAN("subscription", "{\"type\":\"subscription\",\"amount\":\"1\",\"period\":\"hour\"}"), E_INVALID, "/components/0/period"},
    {"no meter",                PLAN("metered", "{\"type\":\"per_unit\",\"price\":\"1\"}"), E_INVALID,       "/components/0/meter"},
    {"unknown meter",           PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"none\",\"price\":\"1\"}"), E_INVALID, "/components/0/meter"},
    {"unit zero",               PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"unit\":0,\"price\":\"1\"}"), E_INVALID, "/components/0/unit"},
    {"no price",                PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\"}"), E_INVALID,    "/components/0/price"},
    {"price with point",        PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"price\":\"1.5\"}"), E_INVALID, "/components/0/price"},
    {"negative price",          PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"price\":\"-1\"}"), E_INVALID, "/components/0/price"},
    {"price and tiers",         PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"price\":\"1\",\"tiers\":[{\"price\":\"1\"}]}"), E_INVALID, "/components/0/tiers"},
    {"volume with price",       PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"model\":\"volume\",\"price\":\"1\"}"), E_INVALID, "/components/0/price"},
    {"volume without tiers",    PLAN("metered", "{\"type\":\"per_unit\",\"meter\":\"rows\",\"model\":\"volume\"}"), E_INVALID, "/components/0/tiers"},
    {"no tier",                 PLAN("metered", GRADUATED("")),                             E_INVALID,       "/components/0/tiers"},
    {"tier without price",      PLAN("metered", GRADUATED("{\"up_to\":5,\"price\":\"1\"},{}")),             E_INVALID,       "/components/0/tiers/1/price"},
    {"bad price of a tier",     PLAN("metered", GRADUATED("{\"up_to\":5,\"price\":\"x\"},{\"price\":\"1\"}")), E_INVALID, "/components/0/tiers/0/price"},
    {"last tier ends",          PLAN("metered", GRADUATED("{\"up_to\":5,\"price\":\"1\"}")), E_INVALID,      "/components/0/tiers/0/up_to"},
    {"first tier has no end",   PLAN("metered", GRADUATED("{\"price\":\"1\"},{\"price\":\"1\"}")), E_INVALID, "/components/0/tiers/0/up_to"},
    {"tiers do not ascend",     PLAN("metered", GRADUATED("{\"up_to\":5,\"price\":\"1\"},{\"up_to\":5,\"price\":\"1\"},{\"price\":\"1\"}")), E_INVALID, "/components/0/tiers/1/up_to"},
    {"member of a tier",        PLAN("metered", GRADUATED("{\"flat\":1,\"price\":\"1\"}")), E_UNKNOWN_FIELD, "/components/0/tiers/0/flat"},
    {"free beside others",      PLAN("one_off", ONE_OFF "," FREE),                          E_INVALID,       "/components/1"},
    {"kind too weak",           PLAN("one_off", ONE_OFF "," PER_CALL),                      E_INVALID,       "/kind"},
    {"kind too strong",         PLAN("metered", ONE_OFF "," MONTHLY),                       E_INVALID,       "/kind"},
    {"two minima",              PLAN("metered", PER_CALL ",{\"type\":\"minimum\",\"amount\":\"1\"},{\"type\":\"minimum\",\"amount\":\"2\"}"), E_INVALID, "/components/2"},
    {"minimum of nothing",      PLAN("one_off", ONE_OFF ",{\"type\":\"minimum\",\"amount\":\"1\"}"), E_INVALID, "/components/1"},
    {"minimum above maximum",   PLAN("metered", "{\"type\":\"maximum\",\"amount\":\"1\"}," PER_CALL ",{\"type\":\"minimum\",\"amount\":\"2\"}"), E_INVALID, "/components/2"},
};
/* clang-format on */

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(MIB(4));
    ck_assert_ptr_nonnull(arena);
}

static void teardown(void)
{
    arena_free(&arena);
}

static const struct plan *parsed(const char *text)
{
    struct err err = {0};
    const struct plan *plan = NULL;
    int rc = plan_parse(str_c(text), arena, &plan, &err);

    ck_assert_msg(rc == 0, "%s: %s at '%s'", text, err.text, err.at);
    return plan;
}

START_TEST(test_refused)
{
    struct err err = {0};
    const struct plan *plan = NULL;
    int rc = plan_parse(str_c(bad[_i].text), arena, &plan, &err);

    ck_assert_msg(rc == -(int)bad[_i].code, "%s: got %s: %s", bad[_i].name, err_name(err.code),
                  err.text);
    ck_assert_msg(bad[_i].at == NULL || strcmp(err.at, bad[_i].at) == 0, "%s: at '%s'",
                  bad[_i].name, err.at);
    ck_assert_msg(err.detail[0] != '\0', "%s: no public detail", bad[_i].name);
    ck_assert_ptr_null(plan);
}

END_TEST

START_TEST(test_defaults)
{
    const struct plan *p = parsed(PLAN("free", FREE));

    ck_assert_str_eq(p->currency->code, "KRW");
    ck_assert_int_eq(p->kind, PLAN_FREE);
    ck_assert_int_eq(p->rounding, ROUND_HALF_EVEN);
    ck_assert_int_eq(p->vat_per, VAT_PER_LINE);
    ck_assert_int_eq(p->vat_ppm, 0);
    ck_assert_int_eq(p->fee_ppm, 0);
    ck_assert_int_eq(p->match_rule, MATCH_RULE_LOWER);
    ck_assert_int_eq(p->tolerance_ppm, 0);
    ck_assert_uint_eq(p->n_components, 1);
    p = parsed(PLAN("metered", PER_CALL));
    ck_assert_int_eq(p->components[0].unit, 1);
    ck_assert_int_eq(p->components[0].model, PRICE_PER_UNIT);
    ck_assert_uint_eq(p->components[0].n_tiers, 1);
    ck_assert_int_eq(p->components[0].tiers[0].up_to, INT64_MAX);
    ck_assert_int_eq(p->components[0].tiers[0].price_micro, 1250000);
}

END_TEST

START_TEST(test_every_member)
{
    const struct plan *p = parsed(
        "{\"currency\":\"EUR\",\"kind\":\"metered\",\"rounding\":{\"mode\":\"down\",\"per\":\"document\"},"
        "\"vat_ppm\":190000,\"fee_ppm\":35000,\"components\":[{\"type\":\"one_off\",\"amount\":\"12.50\"}," MONTHLY
        "," GRADUATED(
            "{\"up_to\":1000,\"price\":\"5\"},{\"price\":\"4\"}") ",{\"type\":\"minimum\",\"amount\":\"1.00\"},"
                                                                  "{\"type\":\"maximum\",\"amount\":\"99.99\"}],\"matching\":{\"rule\":\"both\",\"tolerance_ppm\":1000}}");

    ck_assert_str_eq(p->currency->code, "EUR");
    ck_assert_int_eq(p->kind, PLAN_METERED);
    ck_assert_int_eq(p->rounding, ROUND_DOWN);
    ck_assert_int_eq(p->vat_per, VAT_PER_DOCUMENT);
    ck_assert_int_eq(p->vat_ppm, 190000);
    ck_assert_int_eq(p->fee_ppm, 35000);
    ck_assert_int_eq(p->match_rule, MATCH_RULE_BOTH);
    ck_assert_int_eq(p->tolerance_ppm, 1000);
    ck_assert_uint_eq(p->n_components, 5);
    ck_assert_int_eq(p->components[0].amount_minor, 1250);
    ck_assert_int_eq(p->components[1].amount_minor, 30000000);
    ck_assert_int_eq(p->components[1].period, PERIOD_MONTH);
    ck_assert(p->components[1].prorate);
    ck_assert_int_eq(p->components[2].meter, METER_ROWS);
    ck_assert_int_eq(p->components[2].unit, 1000);
    ck_assert_int_eq(p->components[2].tiers[0].up_to, 1000);
    ck_assert_int_eq(p->components[2].tiers[1].price_micro, 4);
    ck_assert_int_eq(p->components[4].amount_minor, 9999);
}

END_TEST

/* The identity depends on the content, not on its spelling; defaults stay out of it. */
START_TEST(test_canonical)
{
    const struct plan *a =
        parsed("{ \"kind\" : \"free\",\n \"currency\":\"KRW\", \"components\":[ " FREE " ] }");
    const struct plan *b = parsed(PLAN("free", FREE));
    const struct plan *c = parsed(PLAN_WITH("\"vat_ppm\":0"));
    struct str want =
        STR("{\"components\":[{\"type\":\"free\"}],\"currency\":\"KRW\",\"kind\":\"free\"}");

    ck_assert(str_eq(plan_canonical(a), want));
    ck_assert(str_eq(plan_canonical(b), want));
    ck_assert(!str_eq(plan_canonical(c), want));
    ck_assert(str_eq(plan_canonical(parsed(arena_cstr(arena, want))), want));
}

END_TEST

/* clang-format off */
static const struct {
    const char *head, *before, *after, *tail; /* n items: before, number, after */
    int limit;
    const char *at;
} limits[] = {
    {"{\"currency\":\"KRW\",\"kind\":\"one_off\",\"components\":[" ONE_OFF,
     ",{\"type\":\"one_off\",\"amount\":\"", "\"}", "]}", LIMIT_PLAN_COMPONENTS, "/components"},
    {"{\"currency\":\"KRW\",\"kind\":\"metered\",\"components\":[{\"type\":\"per_unit\",\"meter\":\"rows\","
     "\"model\":\"volume\",\"tiers\":[",
     "{\"up_to\":", ",\"price\":\"1\"},", "{\"price\":\"1\"}]}]}", LIMIT_PLAN_TIERS, "/components/0/tiers"},
};

/* clang-format on */

/* The plan of row i with one item and n more. */
static const char *repeated(int i, int n)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    buf_add_c(&text, limits[i].head);
    for (int k = 1; k <= n; k++) {
        buf_add_c(&text, limits[i].before);
        buf_add_i64(&text, k);
        buf_add_c(&text, limits[i].after);
    }
    buf_add_c(&text, limits[i].tail);
    return arena_cstr(arena, buf_str(&text));
}

START_TEST(test_limits)
{
    struct err err = {0};
    const struct plan *plan = NULL;

    parsed(repeated(_i, limits[_i].limit - 1));
    const char *above = repeated(_i, limits[_i].limit);
    ck_assert_int_eq(plan_parse(str_c(above), arena, &plan, &err), -E_LIMIT);
    ck_assert_str_eq(err.at, limits[_i].at);
}

END_TEST

START_TEST(test_largest_amount)
{
    const struct plan *p =
        parsed(PLAN("one_off", "{\"type\":\"one_off\",\"amount\":\"9223372036854\"}"));

    ck_assert_int_eq(p->components[0].amount_minor, INT64_C(9223372036854));
}

END_TEST

START_TEST(test_no_memory)
{
    struct str text =
        STR(PLAN("metered", MONTHLY
                 "," GRADUATED("{\"up_to\":5,\"price\":\"1\"},{\"price\":\"1\"}") "," PER_CALL));
    int refusals = 0;

    for (size_t bytes = 16;; bytes += 16) {
        AUTO(arena_free) struct arena *small = arena_new(bytes);
        struct err err = {0};
        const struct plan *plan = NULL;
        if (plan_parse(text, small, &plan, &err) == 0)
            break;
        /* the codec calls a full arena a limit: the document was too large for it */
        ck_assert_msg(err.code == E_NO_MEMORY || err.code == E_LIMIT, "%zu bytes: %s", bytes,
                      err.text);
        ck_assert_ptr_null(plan);
        refusals++;
    }
    ck_assert_int_gt(refusals, 10);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("rating_plan");
    TCase *tc = tcase_create("plan");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, test_defaults);
    tcase_add_test(tc, test_every_member);
    tcase_add_test(tc, test_canonical);
    tcase_add_loop_test(tc, test_limits, 0, (int)ARRAY_LEN(limits));
    tcase_add_test(tc, test_largest_amount);
    tcase_add_test(tc, test_no_memory);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
