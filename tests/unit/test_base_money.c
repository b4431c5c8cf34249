/*
 * tests/unit/test_base_money.c - products with named rounding, sums, amounts as text
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/money.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct {
    const char *name; int64_t a, b, div; enum rounding rounding; int64_t want, residue; enum err_code err;
} products[] = {
    {"whole won",            10000,     35000,     PPM, ROUND_HALF_EVEN, 350,  0,       E_OK},
    {"half goes to even",    100,       25000,     PPM, ROUND_HALF_EVEN, 2,    500000,  E_OK},
    {"half to even, up",     100,       35000,     PPM, ROUND_HALF_EVEN, 4,    -500000, E_OK},
    {"below half",           1,         499999,    PPM, ROUND_HALF_EVEN, 0,    499999,  E_OK},
    {"above half",           1,         500001,    PPM, ROUND_HALF_EVEN, 1,    -499999, E_OK},
    {"half up",              100,       25000,     PPM, ROUND_HALF_UP,   3,    -500000, E_OK},
    {"half up, below",       1,         499999,    PPM, ROUND_HALF_UP,   0,    499999,  E_OK},
    {"down",                 1,         999999,    PPM, ROUND_DOWN,      0,    999999,  E_OK},
    {"refund, even",         -100,      25000,     PPM, ROUND_HALF_EVEN, -2,   -500000, E_OK},
    {"refund, up mirrors",   -100,      25000,     PPM, ROUND_HALF_UP,   -3,   500000,  E_OK},
    {"refund, down mirrors", -1,        999999,    PPM, ROUND_DOWN,      0,    -999999, E_OK},
    {"odd divisor",          7,         1,         3,   ROUND_HALF_EVEN, 2,    1,       E_OK},
    {"odd divisor, away",    8,         1,         3,   ROUND_HALF_EVEN, 3,    -1,      E_OK},
    {"zero",                 0,         INT64_MIN, 1,   ROUND_HALF_UP,   0,    0,       E_OK},
    {"128 bits inside",      INT64_MAX, PPM,       PPM, ROUND_HALF_EVEN, INT64_MAX, 0,  E_OK},
    {"the smallest fits",    INT64_MIN, PPM,       PPM, ROUND_DOWN,      INT64_MIN, 0,  E_OK},
    {"widest divisor",       INT64_MAX, INT64_MAX, INT64_MAX, ROUND_HALF_UP, INT64_MAX, 0, E_OK},
    {"overflow",             INT64_MAX, PPM + 1,   PPM, ROUND_HALF_EVEN, 0,    0,       E_RANGE},
    {"overflow by rounding", INT64_MAX, 2,         2,   ROUND_HALF_UP,   INT64_MAX, 0,  E_OK},
    {"two minima",           INT64_MIN, INT64_MIN, 1,   ROUND_DOWN,      0,    0,       E_RANGE},
    {"minus the minimum",    INT64_MIN, -1,        1,   ROUND_DOWN,      0,    0,       E_RANGE},
    {"division by zero",     1,         1,         0,   ROUND_DOWN,      0,    0,       E_RANGE},
    {"negative divisor",     1,         1,         -1,  ROUND_DOWN,      0,    0,       E_RANGE},
};

static const struct { const char *currency, *text; int64_t minor; } amounts[] = {
    {"KRW", "0", 0}, {"KRW", "12345", 12345}, {"KRW", "-7", -7}, {"JPY", "9223372036854775807", INT64_MAX},
    {"KRW", "-9223372036854775808", INT64_MIN},
    {"EUR", "123.45", 12345}, {"EUR", "0.00", 0}, {"EUR", "0.05", 5}, {"EUR", "-0.05", -5}, {"USD", "10.00", 1000},
    {"CNY", "92233720368547758.07", INT64_MAX}, {"CNY", "-92233720368547758.08", INT64_MIN},
};

static const struct { const char *currency, *text; } not_amounts[] = {
    {"KRW", ""}, {"KRW", "-"}, {"KRW", "1.0"}, {"KRW", "1."}, {"KRW", "+1"}, {"KRW", "01"}, {"KRW", " 1"}, {"KRW", "1e3"},
    {"KRW", "9223372036854775808"}, {"KRW", "99999999999999999999"}, {"KRW", "1,000"}, {"KRW", "--1"},
    {"EUR", "1.234"}, {"EUR", "1."}, {"EUR", ".5"}, {"EUR", "1.2.3"}, {"EUR", "1.-2"}, {"EUR", "00.5"}, {"EUR", "1.2 "},
    {"EUR", "92233720368547758.08"}, {"EUR", "9223372036854775807"},
};

/* clang-format on */

START_TEST(test_product)
{
    struct err err = {0};
    const char *name = products[_i].name;
    int64_t quotient = 77, residue = 78;
    int r = money_mul_div(products[_i].a, products[_i].b, products[_i].div, products[_i].rounding,
                          &quotient, &residue, &err);

    ck_assert_msg(err.code == products[_i].err && r == -(int)products[_i].err, "%s: %s", name,
                  err.text);
    if (products[_i].err != E_OK) {
        ck_assert_msg(quotient == 77 && residue == 78, "%s: results touched", name);
        return;
    }
    ck_assert_msg(quotient == products[_i].want, "%s: got %" PRId64, name, quotient);
    ck_assert_msg(residue == products[_i].residue, "%s: residue %" PRId64, name, residue);
}

END_TEST

START_TEST(test_sum)
{
    struct err err = {0};
    int64_t sum = 77;

    ck_assert_int_eq(money_add(INT64_MAX, INT64_MIN, &sum, &err), 0);
    ck_assert_int_eq(sum, -1);
    ck_assert_int_eq(money_add(INT64_MAX, 1, &sum, &err), -E_RANGE);
    ck_assert_int_eq(money_add(INT64_MIN, -1, &sum, &err), -E_RANGE);
    ck_assert_int_eq(sum, -1);
}

END_TEST

START_TEST(test_names)
{
    enum rounding rounding;

    for (int i = 0; i < ROUND__COUNT; i++) {
        ck_assert(rounding_parse(str_c(rounding_names[i]), &rounding));
        ck_assert_int_eq((int)rounding, i);
    }
    ck_assert(!rounding_parse(STR("up"), &rounding));
    ck_assert_str_eq(currency_find(STR("KRW"))->code, "KRW");
    ck_assert_uint_eq(currency_find(STR("KRW"))->exponent, 0);
    ck_assert_uint_eq(currency_find(STR("EUR"))->exponent, 2);
    ck_assert_ptr_null(currency_find(STR("krw")));
    ck_assert_ptr_null(currency_find(STR("")));
}

END_TEST

START_TEST(test_amount_both_ways)
{
    const struct currency *currency = currency_find(str_c(amounts[_i].currency));
    int64_t minor = 77;

    ck_assert_str_eq(money_format(amounts[_i].minor, currency).c, amounts[_i].text);
    ck_assert(money_parse(str_c(amounts[_i].text), currency, &minor));
    ck_assert_int_eq(minor, amounts[_i].minor);
}

END_TEST

START_TEST(test_fewer_fraction_digits)
{
    const struct currency *eur = currency_find(STR("EUR"));
    int64_t minor = 77;

    ck_assert(money_parse(STR("1.2"), eur, &minor) && minor == 120);
    ck_assert(money_parse(STR("-3"), eur, &minor) && minor == -300);
}

END_TEST

START_TEST(test_refused_amounts)
{
    int64_t minor = 77;

    ck_assert_msg(!money_parse(str_c(not_amounts[_i].text),
                               currency_find(str_c(not_amounts[_i].currency)), &minor),
                  "%s '%s'", not_amounts[_i].currency, not_amounts[_i].text);
    ck_assert_int_eq(minor, 77);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("base_money");
    TCase *tc = tcase_create("base_money");

    tcase_add_loop_test(tc, test_product, 0, (int)ARRAY_LEN(products));
    tcase_add_test(tc, test_sum);
    tcase_add_test(tc, test_names);
    tcase_add_loop_test(tc, test_amount_both_ways, 0, (int)ARRAY_LEN(amounts));
    tcase_add_test(tc, test_fewer_fraction_digits);
    tcase_add_loop_test(tc, test_refused_amounts, 0, (int)ARRAY_LEN(not_amounts));
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
