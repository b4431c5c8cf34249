/*
 * tests/unit/test_wire_numbers.c - company identifiers: known numbers, refusals and their words,
 * random numbers
 *
 * The random numbers are made by other formulas than those of the unit: trial of every check digit,
 * and division of the written-out number. NARU_SEED repeats a run.
 */
#include <check.h>
#include <inttypes.h>

#include "lib/base/cleanup.h"
#include "lib/wire/numbers.h"

#include "lib/base/banned.h"

#define RANDOM_NUMBERS 10000

/* clang-format off */
static const struct {
    const char *name;
    enum company_number kind;
    const char *text;
    const char *want;
} good[] = {
    {"brn with hyphens",    NUMBER_KR_BRN,       "124-81-00998",         "1248100998"},
    {"brn without hyphens", NUMBER_KR_BRN,       "2208162517",           "2208162517"},
    {"brn in white space",  NUMBER_KR_BRN,       " 120-81-47521\n",      "1208147521"},
    {"brn, check digit 0", NUMBER_KR_BRN,      "101-01-00090", "1010100090"},
    {"lei",                 NUMBER_LEI,          "5493001KJTIIGC8Y1R12", "5493001KJTIIGC8Y1R12"},
    {"lei in lower case",   NUMBER_LEI,          "529900t8bm49aursdo55", "529900T8BM49AURSDO55"},
    {"eori",                NUMBER_EORI,         "DE123456789012345",    "DE123456789012345"},
    {"shortest eori",       NUMBER_EORI,         "kr1",                  "KR1"},
    {"jp tax agency",       NUMBER_JP_CORPORATE, "7000012050002",        "7000012050002"},
    {"jp maker",            NUMBER_JP_CORPORATE, "1180301018771",        "1180301018771"},
    {"duns",                NUMBER_DUNS,         "123456789",            "123456789"},
    {"duns with hyphens",   NUMBER_DUNS,         "12-345-6789",          "123456789"},
    {"bpn",                 NUMBER_BPN,          "BPNL00000003CML1",     "BPNL00000003CML1"},
    {"bpn of a site",       NUMBER_BPN,          "bpns000004711dmy",     "BPNS000004711DMY"},
};

static const struct {
    const char *name;
    enum company_number kind;
    const char *text;
    const char *detail;
} bad[] = {
    {"check digit", NUMBER_KR_BRN, "124-81-00997",
     "Korean business registration number: check digit is '7', expected '8'"},
    {"one short", NUMBER_KR_BRN, "124-81-0099",
     "Korean business registration number: has 9 characters, expected 10"},
    {"one long", NUMBER_KR_BRN, "124-81-009988",
     "Korean business registration number: has 11 characters, expected 10"},
    {"letter", NUMBER_KR_BRN, "124-8l-00998",
     "Korean business registration number: character 6 is 'l', expected a digit"},
    {"hyphen elsewhere", NUMBER_KR_BRN, "1248-1-00998",
     "Korean business registration number: character 4 is '8', expected '-'"},
    {"hyphen at the end", NUMBER_KR_BRN, "124-81-00998-",
     "Korean business registration number: character 13 is '-', expected the end"},
    {"one hyphen missing", NUMBER_KR_BRN, "124-8100998",
     "Korean business registration number: character 7 is '0', expected '-'"},
    {"full-width digit", NUMBER_KR_BRN, "\xef\xbc\x91""2481009",
     "Korean business registration number: character 1 is no letter or digit, expected a digit"},
    {"zeros", NUMBER_KR_BRN, "000-00-00000",
     "Korean business registration number: consists of zeros"},
    {"empty", NUMBER_KR_BRN, "",
     "Korean business registration number: has 0 characters, expected 10"},
    {"lei check digits", NUMBER_LEI, "5493001KJTIIGC8Y1R13", "LEI: check digits are '13', expected '12'"},
    {"lei letter in check", NUMBER_LEI, "5493001KJTIIGC8Y1R1X", "LEI: character 20 is 'X', expected a digit"},
    {"lei with hyphen", NUMBER_LEI, "5493-001KJTIIGC8Y1R12", "LEI: character 5 is '-', expected a letter or a digit"},
    {"eori too short", NUMBER_EORI, "DE", "EORI number: has 2 characters, expected 3 to 17"},
    {"eori without country", NUMBER_EORI, "1E5", "EORI number: character 1 is '1', expected a letter from A to Z"},
    {"eori too long", NUMBER_EORI, "DE1234567890123456", "EORI number: has 18 characters, expected 3 to 17"},
    {"jp check digit", NUMBER_JP_CORPORATE, "8000012050002",
     "Japanese corporate number: check digit is '8', expected '7'"},
    {"duns zeros", NUMBER_DUNS, "000000000", "D-U-N-S number: consists of zeros"},
    {"duns letter", NUMBER_DUNS, "12345678A", "D-U-N-S number: character 9 is 'A', expected a digit"},
    {"bpn other prefix", NUMBER_BPN, "BQNL00000003CML1", "BPN: character 2 is 'Q', expected 'P'"},
    {"bpn other type", NUMBER_BPN, "BPNX00000003CML1",
     "BPN: character 4 is 'X', expected L (legal entity), S (site) or A (address)"},
};

/* clang-format on */

START_TEST(test_good)
{
    struct err err = {0};
    struct company_number_text text = {0};
    int rc = company_number_check(good[_i].kind, str_c(good[_i].text), &text, &err);

    ck_assert_msg(rc == 0, "%s: %s", good[_i].name, err.text);
    ck_assert_msg(strcmp(text.c, good[_i].want) == 0, "%s: got '%s'", good[_i].name, text.c);
}

END_TEST

START_TEST(test_bad)
{
    struct err err = {0};
    struct company_number_text text = {.c = "untouched"};
    int rc = company_number_check(bad[_i].kind, str_c(bad[_i].text), &text, &err);

    ck_assert_msg(rc == -E_INVALID, "%s: got %d", bad[_i].name, rc);
    ck_assert_msg(strcmp(err.detail, bad[_i].detail) == 0, "%s: got '%s'", bad[_i].name,
                  err.detail);
    ck_assert_str_eq(err.at, "");
    ck_assert_str_eq(text.c, "untouched");
}

END_TEST

START_TEST(test_kinds)
{
    for (enum company_number kind = 0; kind < NUMBER__COUNT; kind++) {
        enum company_number got = NUMBER__COUNT;
        ck_assert_msg(company_number_kind(str_c(company_number_names[kind]), &got), "kind %d",
                      kind);
        ck_assert_int_eq(got, kind);
    }
    enum company_number none = NUMBER_LEI;
    ck_assert(!company_number_kind(STR("vat"), &none));
    ck_assert_int_eq(none, NUMBER_LEI);
    ck_assert_ptr_null(company_number_names[NUMBER__COUNT]);
}

END_TEST

static uint64_t seed_of_run(void)
{
    const char *text = getenv("NARU_SEED");
    int64_t seed = 20181;

    ck_assert(text == NULL || str_to_i64(str_c(text), &seed));
    printf("# NARU_SEED=%" PRId64 "\n", seed);
    return (uint64_t)seed;
}

/* splitmix64 */
static unsigned below(uint64_t *state, unsigned n)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ z >> 31) % n);
}

static void fill(char *c, int n, unsigned base, uint64_t *state)
{
    for (int i = 0; i < n; i++)
        c[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[below(state, base)];
}

/* The published form: multiply by 137137135, write the last product with two digits, add all; a
 * multiple of ten. */
static bool kr_brn_adds_up(const char *c)
{
    const char *key = "137137135";
    int sum = c[9] - '0';

    for (int i = 0; i < 8; i++)
        sum += ((c[i] - '0') * (key[i] - '0')) % 10;
    int last = (c[8] - '0') * 5;
    return (sum + last / 10 + last % 10) % 10 == 0;
}

/* ISO 7064: the number, letters written as two digits, leaves 1 when divided by 97 by hand. */
static bool lei_leaves_one(const char *c)
{
    char digits[64];
    int n = 0;
    int rest = 0;

    for (int i = 0; i < 20; i++)
        n += snprintf(digits + n, sizeof(digits) - (size_t)n, "%d",
                      c[i] <= '9' ? c[i] - '0' : c[i] - 'A' + 10);
    for (int i = 0; i < n; i++)
        rest = (rest * 10 + digits[i] - '0') % 97;
    return rest == 1;
}

/* Check digit and weighted digits together are a multiple of nine. */
static bool jp_adds_up(const char *c)
{
    int sum = 0;

    for (int i = 1; i < 13; i++)
        sum += (c[i] - '0') * (i % 2 == 1 ? 2 : 1);
    return (sum + c[0] - '0') % 9 == 0;
}

static void make_kr_brn(char *c, uint64_t *state)
{
    fill(c, 9, 10, state);
    c[0] = (char)('1' + below(state, 9));
    for (c[9] = '0'; !kr_brn_adds_up(c); c[9]++)
        ck_assert_int_le(c[9], '9');
}

static void make_lei(char *c, uint64_t *state)
{
    fill(c, 18, 36, state);
    for (int check = 2; check <= 98; check++) {
        c[18] = (char)('0' + check / 10);
        c[19] = (char)('0' + check % 10);
        if (lei_leaves_one(c))
            return;
    }
    ck_abort_msg("no check digits");
}

static void make_jp(char *c, uint64_t *state)
{
    fill(c + 1, 12, 10, state);
    for (c[0] = '1'; !jp_adds_up(c); c[0]++)
        ck_assert_int_le(c[0], '9');
}

/* clang-format off */
static const struct {
    enum company_number kind;
    int length;
    void (*make)(char *c, uint64_t *state);
    bool finds_every_typo; /* mod 9 takes 0 for 9 */
} makers[] = {
    {NUMBER_KR_BRN,       10, make_kr_brn, true},
    {NUMBER_LEI,          20, make_lei,    true},
    {NUMBER_JP_CORPORATE, 13, make_jp,     false},
};

/* clang-format on */

START_TEST(test_random_valid)
{
    uint64_t state = seed_of_run();

    for (int i = 0; i < RANDOM_NUMBERS; i++) {
        struct err err = {0};
        struct company_number_text in = {0};
        struct company_number_text out = {0};
        makers[_i].make(in.c, &state);
        int rc = company_number_check(makers[_i].kind, str_c(in.c), &out, &err);
        ck_assert_msg(rc == 0, "'%s': %s", in.c, err.text);
        ck_assert_str_eq(out.c, in.c);
    }
}

END_TEST

START_TEST(test_random_typo_is_found)
{
    uint64_t state = seed_of_run();

    for (int i = 0; i < RANDOM_NUMBERS && makers[_i].finds_every_typo; i++) {
        struct err err = {0};
        struct company_number_text text = {0};
        makers[_i].make(text.c, &state);
        char *c = &text.c[below(&state, (unsigned)makers[_i].length)];
        char before = *c;
        if (before > '9')
            continue;
        *c = (char)('0' + (before - '0' + 1 + (int)below(&state, 9)) % 10);
        int rc = company_number_check(makers[_i].kind, str_c(text.c), &text, &err);
        ck_assert_msg(rc == -E_INVALID, "'%s' passed", text.c);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wire_numbers");
    TCase *tc = tcase_create("numbers");

    tcase_add_loop_test(tc, test_good, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, test_bad, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, test_kinds);
    tcase_add_loop_test(tc, test_random_valid, 0, (int)ARRAY_LEN(makers));
    tcase_add_loop_test(tc, test_random_typo_is_found, 0, (int)ARRAY_LEN(makers));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int bad_tests = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad_tests != 0;
}
