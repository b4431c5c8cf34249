/*
 * tests/unit/test_cli.c - command line: plan notation, options, widths, nearest names, refusals
 */
#include <check.h>
#include <locale.h>

#include "cli/cli.h"
#include "cli/plan.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

static struct cli cli;

static void set_up(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    cli = (struct cli){
        .env = &env_system, .arena = arena_new(MIB(4)), .command = "test", .json = true};
    ck_assert_ptr_nonnull(cli.arena);
}

static void tear_down(void)
{
    arena_free(&cli.arena);
}

/* -- plans ------------------------------------------------------------------------------------- */

static const struct plan_terms won = {STR_INIT("KRW"), 100000, 35000};
static const struct plan_terms euro = {STR_INIT("EUR"), 190000, 0};

/* clang-format off */
static const struct {
    const char *notation;
    const struct plan_terms *terms;
    const char *words; /* NULL: refused */
    enum plan_kind kind;
} plans[] = {
    {"free",                          &won,  "free", PLAN_FREE},
    {"one-off:50000",                 &won,  "50000 KRW once, VAT 10 %", PLAN_ONE_OFF},
    {"one-off:12.5",                  &euro, "12.50 EUR once, VAT 19 %", PLAN_ONE_OFF},
    {"subscription:300000/month",     &won,  "300000 KRW / month, VAT 10 %", PLAN_SUBSCRIPTION},
    {"prorated:300000/year",          &won,  "300000 KRW / year (prorated), VAT 10 %", PLAN_SUBSCRIPTION},
    {"per-row:0.5",                   &won,  "0.5 KRW per row, VAT 10 %", PLAN_METERED},
    {"per-row:0.005",                 &euro, "0.005 EUR per row, VAT 19 %", PLAN_METERED},
    {"per-byte:0.000001",             &won,  "0.000001 KRW per byte, VAT 10 %", PLAN_METERED},
    {"per-call:10/1000",              &won,  "10 KRW per 1000 calls, VAT 10 %", PLAN_METERED},
    {"one-off:1000+per-row:0.5",      &won,  "1000 KRW once + 0.5 KRW per row, VAT 10 %", PLAN_METERED},
    {"per-row:1+minimum:100+maximum:900", &won, "1 KRW per row + at least 100 KRW + at most 900 KRW, VAT 10 %", PLAN_METERED},
    {"",                              &won,  NULL, PLAN_FREE},
    {"free:1",                        &won,  NULL, PLAN_FREE},
    {"gratis",                        &won,  NULL, PLAN_FREE},
    {"one-off",                       &won,  NULL, PLAN_FREE},
    {"one-off:",                      &won,  NULL, PLAN_FREE},
    {"one-off:1.5",                   &won,  NULL, PLAN_FREE}, /* a won has no fraction */
    {"one-off:-1",                    &won,  NULL, PLAN_FREE},
    {"one-off:1e3",                   &won,  NULL, PLAN_FREE},
    {"one-off:5.",                    &euro, NULL, PLAN_FREE},
    {"one-off:99999999999999999999",  &won,  NULL, PLAN_FREE},
    {"one-off:50000/month",           &won,  NULL, PLAN_FREE},
    {"subscription:300000",           &won,  NULL, PLAN_FREE},
    {"subscription:300000/century",   &won,  NULL, PLAN_FREE},
    {"per-row:0.0000001",             &won,  NULL, PLAN_FREE},
    {"per-row:1/0",                   &won,  NULL, PLAN_FREE},
    {"per-row:1/x",                   &won,  NULL, PLAN_FREE},
    {"one-off:1++free",               &won,  NULL, PLAN_FREE},
    {"free+one-off:1",                &won,  NULL, PLAN_FREE}, /* free stands alone */
};

/* clang-format on */

START_TEST(notation_becomes_a_plan_or_is_refused_with_a_reason)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(16));
    AUTO(buf_done) struct buf words = buf_init(KIB(4));
    const struct plan *plan;
    struct err err = {0};
    const int done =
        plan_from_short(cli.arena, str_c(plans[_i].notation), plans[_i].terms, &json, &err);

    if (plans[_i].words == NULL) {
        ck_assert_msg(done < 0, "'%s' was accepted", plans[_i].notation);
        ck_assert_int_eq(err.code, E_CONFIG);
        ck_assert_str_ne(err.detail, "");
        ck_assert_uint_eq(json.n, 0);
        return;
    }
    ck_assert_msg(done == 0, "'%s': %s", plans[_i].notation, err.text);
    ck_assert_int_eq(plan_parse(buf_str(&json), cli.arena, &plan, &err), 0);
    ck_assert_int_eq(plan->kind, plans[_i].kind);
    plan_words(plan, false, &words);
    ck_assert_msg(str_eq_c(buf_str(&words), plans[_i].words), "'%.*s'", STR_ARG(buf_str(&words)));
}

END_TEST

START_TEST(percentages)
{
    int64_t ppm;

    ck_assert(percent_parse(STR("10"), &ppm) && ppm == 100000);
    ck_assert(percent_parse(STR("3.5"), &ppm) && ppm == 35000);
    ck_assert(percent_parse(STR("100"), &ppm) && ppm == 1000000);
    ck_assert(!percent_parse(STR("100.0001"), &ppm));
    ck_assert(!percent_parse(STR("-1"), &ppm));
    ck_assert(!percent_parse(STR("10%"), &ppm));
}

END_TEST

/* -- options ----------------------------------------------------------------------------------- */

struct values {
    bool flag;
    struct str one;
    struct str_list many;
};

static const struct cli_option options[] = {
    OPTION(struct values, flag, "flag", 'f', NULL, ""),
    OPTION(struct values, one, "one", 'o', "VALUE", ""),
    OPTION(struct values, many, "many", 0, "VALUE", ""),
    {.name = NULL},
};

static bool parse(struct values *values, int least, int most, int *argc, char **argv)
{
    *argc = 0;
    while (argv[*argc] != NULL)
        (*argc)++;
    *values = (struct values){0};
    return cli_options(&cli, options, values, least, most, argc, argv);
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
#define W(literal) ((char[]){literal})

START_TEST(options_stand_anywhere_and_arguments_stay_in_order)
{
    char **argv = WORDS(W("a"), W("--one=x=y"), W("-f"), W("b"), W("--many"), W("1"), W("--many=2"),
                        W("--"), W("--flag"));
    struct values v;
    int argc;

    ck_assert(parse(&v, 3, 3, &argc, argv));
    ck_assert_int_eq(argc, 3);
    ck_assert_str_eq(argv[0], "a");
    ck_assert_str_eq(argv[1], "b");
    ck_assert_str_eq(argv[2], "--flag");
    ck_assert(v.flag && str_eq(v.one, STR("x=y")));
    ck_assert_uint_eq(v.many.n, 2);
    ck_assert(str_eq(v.many.items[1], STR("2")));
}

END_TEST

START_TEST(a_value_may_be_empty_or_look_like_an_option)
{
    char **argv = WORDS(W("--one"), W("-f"), W("--many="));
    struct values v;
    int argc;

    ck_assert(parse(&v, 0, 0, &argc, argv));
    ck_assert(str_eq(v.one, STR("-f")));
    ck_assert(!v.flag);
    ck_assert(v.many.n == 1 && str_present(v.many.items[0]) && v.many.items[0].n == 0);
}

END_TEST

START_TEST(mistakes_in_the_command_line)
{
    struct values v;
    int argc;

    ck_assert(!parse(&v, 0, 0, &argc, WORDS(W("--unknown"))));
    ck_assert(!parse(&v, 0, 0, &argc, WORDS(W("--one"))));
    ck_assert(!parse(&v, 0, 0, &argc, WORDS(W("--flag=yes"))));
    ck_assert(!parse(&v, 0, 0, &argc, WORDS(W("--one"), W("\xff"))));
    ck_assert(!parse(&v, 0, 0, &argc, WORDS(W("argument"))));
    ck_assert(!parse(&v, 1, 1, &argc, WORDS(W("--flag"))));
}

END_TEST

START_TEST(nearest_name)
{
    struct nearest near = {0}, far = {0};

    nearest_try(&near, STR("serch"), "status");
    nearest_try(&near, STR("serch"), "search");
    ck_assert_str_eq(near.word, "search");
    nearest_try(&far, STR("xyzzy"), "search");
    ck_assert_ptr_null(far.word);
}

END_TEST

START_TEST(commands_are_found_by_all_their_words)
{
    int used = 0;

    for (const struct command *c = commands; c->words != NULL; c++) {
        ck_assert_str_ne(c->en, "");
        ck_assert_str_ne(c->ko, "");
        for (const struct cli_option *o = c->options; o->name != NULL; o++) {
            for (const struct cli_option *g = global_options; g->name != NULL; g++)
                ck_assert_msg(strcmp(o->name, g->name) != 0, "%s: --%s twice", c->words, o->name);
            ck_assert_msg((o->type == OPTION_FLAG) == (o->value == NULL), "%s --%s", c->words,
                          o->name);
        }
    }
    ck_assert_str_eq(command_find(2, WORDS(W("operator"), W("init")), &used)->words,
                     "operator init");
    ck_assert_int_eq(used, 2);
    ck_assert_ptr_null(command_find(1, WORDS(W("operator")), &used));
}

END_TEST

/* -- output ------------------------------------------------------------------------------------ */

START_TEST(widths)
{
    ck_assert_uint_eq(text_width(STR("abc")), 3);
    ck_assert_uint_eq(text_width(STR("탄소")), 4);
    ck_assert_uint_eq(text_width(STR("e\u0301")), 1);
    ck_assert_uint_eq(text_width(STR("\xff\xfe")), 2);
}

END_TEST

START_TEST(terminals_are_not_commanded_by_strangers)
{
    ck_assert(str_eq(cli_clean(&cli, STR("a\033[31mb")), STR("a?[31mb")));
    ck_assert(str_eq(cli_clean(&cli, STR("\xc2\x9b"
                                         "2J")),
                     STR("??2J")));
    ck_assert(str_eq(cli_clean(&cli, STR("탄소\n")), STR("탄소\n")));
}

END_TEST

/* clang-format off */
static const struct {
    int status;
    const char *body;
    enum err_code code;
    enum cli_exit exit;
    const char *detail, *at;
} refusals[] = {
    {403, "{\"code\":\"policy\",\"detail\":\"purpose\",\"at\":\"/p\",\"request\":\"r1\"}", E_POLICY, CLI_POLICY, "purpose", "/p"},
    {401, "{\"code\":\"unauthenticated\",\"title\":\"authentication required\"}", E_UNAUTHENTICATED, CLI_UNAUTHORISED, "authentication required", ""},
    {409, "[{\"message\":\"exists\",\"type\":\"ObjectConflict\",\"path\":null}]", E_CONFLICT, CLI_REFUSED, "exists", ""},
    {404, "",                        E_NOT_FOUND,  CLI_REFUSED,     "HTTP status 404", ""},
    {503, "<html>",                  E_BUSY,       CLI_UNREACHABLE, "HTTP status 503", ""},
    {400, "{\"code\":\"no-such-code\",\"detail\":7}", E_INVALID, CLI_REFUSED, "HTTP status 400", ""},
    {418, "[]",                      E_PEER_REFUSED, CLI_REFUSED,   "HTTP status 418", ""},
};

/* clang-format on */

START_TEST(refused_answers_become_errors)
{
    struct err err = {0};

    ck_assert_int_lt(cli_problem(&cli, refusals[_i].status, str_c(refusals[_i].body), &err), 0);
    ck_assert_str_eq(err_slug(err.code), err_slug(refusals[_i].code));
    ck_assert_int_eq(cli_exit_of(err.code), refusals[_i].exit);
    ck_assert_str_eq(err.detail, refusals[_i].detail);
    ck_assert_str_eq(err.at, refusals[_i].at);
}

END_TEST

START_TEST(queries_are_encoded)
{
    struct str path = cli_path(&cli, "/v1/datasets", "q", STR("탄 소&x"));

    ck_assert(str_eq(path, STR("/v1/datasets?q=%ED%83%84%20%EC%86%8C%26x")));
    path = cli_path(&cli, "/a?b=c", "d", STR("e"));
    ck_assert(str_eq(path, STR("/a?b=c&d=e")));
    ck_assert(str_eq(cli_path(&cli, "/a", "d", STR("")), STR("/a")));
    ck_assert(str_eq(cli_path(&cli, "/a/", NULL, STR("../b")), STR("/a/..%2Fb")));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cli");
    TCase *t = tcase_create("cli");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, notation_becomes_a_plan_or_is_refused_with_a_reason, 0,
                        ARRAY_LEN(plans));
    tcase_add_test(t, percentages);
    tcase_add_test(t, options_stand_anywhere_and_arguments_stay_in_order);
    tcase_add_test(t, a_value_may_be_empty_or_look_like_an_option);
    tcase_add_test(t, mistakes_in_the_command_line);
    tcase_add_test(t, nearest_name);
    tcase_add_test(t, commands_are_found_by_all_their_words);
    tcase_add_test(t, widths);
    tcase_add_test(t, terminals_are_not_commanded_by_strangers);
    tcase_add_loop_test(t, refused_answers_become_errors, 0, ARRAY_LEN(refusals));
    tcase_add_test(t, queries_are_encoded);
    suite_add_tcase(s, t);
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
