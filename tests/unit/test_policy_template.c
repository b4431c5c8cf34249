/*
 * Clause templates: each compiled-in one with its defaults and with each parameter at its bounds makes a
 * policy that compiles, lints clean and reads in both languages; what is refused; what is composed.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/explain_private.h"
#include "policy/template_private.h"

#include "lib/base/banned.h"

#define NOW help_time("2026-11-21T12:00:00Z")

static struct policy_templates *set;

static void setup(void)
{
    struct err err = {0};

    ck_assert_msg(policy_templates_new(&set, &err) == 0, "%s %s", err.at, err.text);
}

static void teardown(void)
{
    policy_templates_free(&set);
}

/* -- clauses in short notation ----------------------------------------------------------------- */

/* "purpose purposes=a,b; region places=KR": a clause each; a value that begins with '[' is a list. */
static size_t read_clauses(struct arena *arena, const char *notation,
                           struct policy_clause clauses[static POLICY_CLAUSES])
{
    struct str rest = str_c(notation);
    size_t n = 0;

    while (str_present(rest)) {
        struct str words = str_trim(str_cut(&rest, ';'));
        struct policy_argument *arguments = ARENA_ARRAY(arena, struct policy_argument, 8);
        struct policy_clause *c = &clauses[n];

        c->template = str_cut(&words, ' ');
        c->arguments = arguments;
        c->n_arguments = 0;
        c->at = arena_cstr(arena, arena_printf(arena, "/templates/%zu", n));
        n++;
        while (str_present(words)) {
            struct str value = str_cut(&words, ' ');
            struct policy_argument *a = &arguments[c->n_arguments++];

            a->name = str_cut(&value, '=');
            a->values.items = ARENA_ARRAY(arena, struct str, 200);
            while (str_present(value))
                a->values.items[a->values.n++] = str_cut(&value, ',');
        }
    }
    return n;
}

static int make(struct arena *arena, const char *notation, enum policy_dialect dialect,
                struct policy_made *made, struct err *err)
{
    struct policy_clause clauses[POLICY_CLAUSES];
    const size_t n = read_clauses(arena, notation, clauses);

    return policy_make(set, clauses, n, dialect, NOW, arena, made, err);
}

/* -- every template, at its bounds ------------------------------------------------------------- */

static bool has_hangul(struct str text)
{
    for (size_t i = 0; i + 2 < text.n; i++) {
        if ((unsigned char)text.p[i] >= 0xEA && (unsigned char)text.p[i] <= 0xED)
            return true;
    }
    return false;
}

static void check_words(const struct policy_made *made, const char *name)
{
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(KIB(64));
        const struct str clause = made->clauses[lang];

        policy_explain(made->policy, (enum policy_lang)lang, &text);
        ck_assert_msg(has_hangul(buf_str(&text)) == (lang == POLICY_KO), "%s: %.*s", name,
                      (int)text.n, text.p);
        ck_assert_msg(has_hangul(clause) == (lang == POLICY_KO), "%s: %.*s", name, (int)clause.n,
                      clause.p);
        ck_assert_msg(memchr(clause.p, '{', clause.n) == NULL, "%s: %.*s", name, (int)clause.n,
                      clause.p);
        ck_assert_msg(memmem(clause.p, clause.n, "..", 2) == NULL, "%s: %.*s", name, (int)clause.n,
                      clause.p);
        ck_assert(str_is_utf8(clause));
    }
}

/* What the JSON says is what was made. */
static void check_json(const struct policy_made *made, const char *name)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *again = NULL;
    struct err err = {0};

    ck_assert_msg(jdoc_parse(made->json, NULL, &doc, &err) == 0 &&
                      policy_compile(jdoc_root(doc), &again, &err) == 0,
                  "%s: %s %s", name, err.at, err.text);
    ck_assert_msg(memcmp(policy_hash(again), policy_hash(made->policy), POLICY_HASH_LEN) == 0,
                  "%s: another hash", name);
}

/* A value at a bound: of scalars the bound itself, of strings and lists so many. */
static struct str_list at_bound(struct arena *arena, const struct parameter *p,
                                const struct jval *bound)
{
    struct str_list texts = {0};
    int64_t n = 0;

    if (p->type == PARAMETER_STRING || p->type == PARAMETER_IRI) {
        char *text = arena_alloc(arena, 2048);

        ck_assert(jval_i64(bound, &n));
        memset(text, 'v', (size_t)n);
        texts.items = ARENA_NEW(arena, struct str);
        texts.items[texts.n++] = str_n(text, (size_t)n);
        return texts;
    }
    if (p->type != PARAMETER_LIST) {
        ck_assert(policy__texts_of(bound, arena, &texts));
        return texts;
    }
    ck_assert(jval_i64(bound, &n));
    texts.items = ARENA_ARRAY(arena, struct str, (size_t)n);
    for (size_t i = 0; i < (size_t)n; i++) {
        if (p->of == PARAMETER_ENUM)
            texts.items[i] = LIST_ITEMS(struct choice, p->choices)[i].value;
        else if (p->of == PARAMETER_PLACE)
            texts.items[i] = policy__country(i);
        else
            texts.items[i] = arena_printf(arena, "urn:value:%zu", i);
    }
    texts.n = (size_t)n;
    return texts;
}

/* The template alone, or with what it needs; `changed` has these values, the others as examples. */
static void check_made(const struct policy_template *t, const struct parameter *changed,
                       const struct str_list *values, enum policy_dialect dialect)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    struct policy_argument arguments[2][POLICY_TEMPLATE_PARAMS];
    struct policy_clause clauses[2] = {0};
    const struct policy_template *wanted[2] = {t, NULL};
    const char *name = arena_cstr(arena, t->id);
    struct err err = {0};
    size_t n = 1;

    if (dialect == POLICY_DIALECT_CATENA_X && !str_eq(t->id, STR("cx-usage")))
        wanted[n++] = policy_templates_find(set, STR("cx-usage"));
    for (size_t c = 0; c < n; c++) {
        clauses[c] = (struct policy_clause){wanted[c]->id, arguments[c], 0, ""};
        for (size_t i = 0; i < wanted[c]->parameters.n; i++) {
            const struct parameter *p = &LIST_ITEMS(struct parameter, wanted[c]->parameters)[i];
            struct policy_argument *a = &arguments[c][clauses[c].n_arguments];

            a->name = p->name;
            if (p == changed)
                a->values = *values;
            else if (p->example == NULL || (p->optional && changed == NULL))
                continue;
            else
                ck_assert(policy__texts_of(p->example, arena, &a->values));
            clauses[c].n_arguments++;
        }
    }
    ck_assert_msg(policy_make(set, clauses, n, dialect, NOW, arena, &made, &err) == 0,
                  "%s (%.*s): %s %s", name,
                  STR_ARG(changed != NULL ? changed->name : STR("defaults")), err.at, err.text);
    ck_assert_msg(made.findings.n == 0, "%s: %s", name,
                  policy_lint_text(made.findings.items[0].lint, POLICY_EN));
    check_words(&made, name);
    check_json(&made, name);
}

static void check_parameter(const struct policy_template *t, const struct parameter *p,
                            enum policy_dialect dialect)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    const struct jval *bounds[] = {p->min, p->max, p->example};

    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        struct str_list values;

        if (bounds[i] == NULL)
            continue;
        if (i == 2)
            ck_assert(policy__texts_of(bounds[i], arena, &values));
        else
            values = at_bound(arena, p, bounds[i]);
        check_made(t, p, &values, dialect);
    }
    for (size_t i = 0; i < p->choices.n; i++) {
        struct str value = LIST_ITEMS(struct choice, p->choices)[i].value;
        const struct str_list one = {&value, 1};

        check_made(t, p, &one, dialect);
    }
}

START_TEST(test_every_template)
{
    const struct policy_template *t;

    if ((size_t)_i >= policy_templates_count(set))
        return;
    t = policy_templates_at(set, (size_t)_i);
    for (int d = 0; d < POLICY_DIALECT__COUNT; d++) {
        const enum policy_dialect dialect = (enum policy_dialect)d;

        if (!policy_template_fits(t, dialect))
            continue;
        check_made(t, NULL, NULL, dialect);
        for (size_t i = 0; i < t->parameters.n; i++)
            check_parameter(t, &LIST_ITEMS(struct parameter, t->parameters)[i], dialect);
    }
}

END_TEST

/* The clauses that the guideline for contracts about industrial data speaks of. */
START_TEST(test_guideline)
{
    static const char *const clauses[] = {
        "purpose", "derived-data", "onward-transfer", "quality",     "confidentiality",
        "term",    "term-days",    "profit-share",    "ai-training", "region",
        "uses",    "volume",       "attribution",
    };

    for (size_t i = 0; i < ARRAY_LEN(clauses); i++)
        ck_assert_msg(policy_templates_find(set, str_c(clauses[i])) != NULL, "%s", clauses[i]);
    ck_assert(policy_templates_find(set, STR("nothing")) == NULL);
}

END_TEST

/* -- making ------------------------------------------------------------------------------------ */

START_TEST(test_composed)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    AUTO(policy_unref) struct policy *want = NULL;
    struct err err = {0};

    ck_assert_msg(make(arena,
                       "purpose purposes=urn:naru:purpose:research; ai-training; "
                       "term until=2027-12-31 delete_within=30; region places=KR,JP",
                       POLICY_DIALECT__COUNT, &made, &err) == 0,
                  "%s %s", err.at, err.text);
    ck_assert_int_eq(made.dialect, POLICY_DIALECT_NARU);
    want = help_policy("@conflict=prohibit +use (purpose isAnyOf urn:naru:purpose:research) "
                       "(urn:naru:policy:aiTraining eq forbidden) (dateTime lteq 2027-12-31) "
                       "(spatial isAnyOf KR JP) -urn:naru:policy:aiTrain "
                       "!delete (dateTime lteq 2028-01-30)");
    ck_assert_msg(policy_same_rules(made.policy, want), "%.*s", STR_ARG(made.json));
    ck_assert(memmem(made.json.p, made.json.n, "urn:naru:profile:commercial:1", 29) != NULL);
    ck_assert_msg(memmem(made.clauses[POLICY_EN].p, made.clauses[POLICY_EN].n,
                         "2. Training of AI models: The recipient does not use", 52) != NULL,
                  "%.*s", STR_ARG(made.clauses[POLICY_EN]));
    ck_assert_msg(memmem(made.clauses[POLICY_KO].p, made.clauses[POLICY_KO].n,
                         "이용자는 2027-12-31(UTC)까지",
                         strlen("이용자는 2027-12-31(UTC)까지")) != NULL,
                  "%.*s", STR_ARG(made.clauses[POLICY_KO]));
}

END_TEST

START_TEST(test_catena_x)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    AUTO(policy_unref) struct policy *want = NULL;
    struct err err = {0};

    ck_assert_msg(make(arena,
                       "cx-usage purposes=cx.pcf.base:1; confidentiality; "
                       "cx-end-days days=90 after=keeping; cx-restrictions; members-only",
                       POLICY_DIALECT__COUNT, &made, &err) == 0,
                  "%s %s", err.at, err.text);
    ck_assert_int_eq(made.dialect, POLICY_DIALECT_CATENA_X);
    want = help_policy("+use (and (FrameworkAgreement eq DataExchangeGovernance:1.0) "
                       "(UsagePurpose isAnyOf cx.pcf.base:1) "
                       "(ConfidentialInformationMeasures eq cx.confidentiality.measures:1) "
                       "(DataUsageEndDurationDays eq 90) (ContractTermination eq "
                       "cx.data.keeping:1) (Membership eq active)) "
                       "-use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)");
    ck_assert_msg(policy_same_rules(made.policy, want), "%.*s", STR_ARG(made.json));
    ck_assert(memmem(made.json.p, made.json.n, "\"https://w3id.org/catenax/2025/9/policy/\"", 41) !=
              NULL);
}

END_TEST

/* A Naru policy without Naru's own words has no profile that others would have to know. */
START_TEST(test_plain)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    struct err err = {0};

    ck_assert_int_eq(make(arena, "uses times=7; members-only", POLICY_DIALECT__COUNT, &made, &err),
                     0);
    ck_assert_msg(memmem(made.json.p, made.json.n, "profile\"", 8) == NULL, "%.*s",
                  STR_ARG(made.json));
    ck_assert(memmem(made.json.p, made.json.n, "conflict", 8) == NULL);
}

END_TEST

START_TEST(test_warned)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    struct err err = {0};

    ck_assert_int_eq(make(arena, "term until=2020-01-01", POLICY_DIALECT__COUNT, &made, &err), 0);
    ck_assert_uint_ge(made.findings.n, 1);
    ck_assert_int_eq(made.findings.items[0].lint, POLICY_LINT_ENDED);
}

END_TEST

/* -- refusals ---------------------------------------------------------------------------------- */

#define X10   "xxxxxxxxxx"
#define X70   X10 X10 X10 X10 X10 X10 X10
#define X350  X70 X70 X70 X70 X70
#define X1050 X350 X350 X350
#define ANY   POLICY_DIALECT__COUNT
#define NARU_ POLICY_DIALECT_NARU
#define CX_   POLICY_DIALECT_CATENA_X

/* clang-format off */
static const struct {
    const char *clauses;
    enum policy_dialect dialect;
    enum err_code code;
    const char *at, *part; /* of the public detail */
} refused[] = {
    {"nothing",                                  ANY,   E_NOT_FOUND, "/templates/0/id", "no template 'nothing'"},
    {"purpose",                                  ANY,   E_INVALID, "/templates/0/parameters/purposes", "wants a value for 'purposes'"},
    {"uses times=abc",                           ANY,   E_INVALID, "/templates/0/parameters/times", "expected a whole number, got 'abc'"},
    {"uses times=0",                             ANY,   E_INVALID, "/templates/0/parameters/times", "expected at least 1"},
    {"uses times=1000000001",                    ANY,   E_INVALID, "/templates/0/parameters/times", "expected at most 1000000000"},
    {"uses times=99999999999999999999",          ANY,   E_INVALID, "/templates/0/parameters/times", "whole number"},
    {"uses times=1,2",                           ANY,   E_INVALID, "/templates/0/parameters/times", "one value"},
    {"uses times=1 times=2",                     ANY,   E_INVALID, "/templates/0/parameters/times", "given twice"},
    {"uses tiems=1",                             ANY,   E_INVALID, "/templates/0/parameters/tiems", "it has times"},
    {"uses " X350 "=1",                          ANY,   E_INVALID, "/templates/0/parameters", "has no parameter 'xxx"},
    {"term end=1",                               ANY,   E_INVALID, "/templates/0/parameters/end", "it has until, delete_within"},
    {"derived-data ownership=" X70,              ANY,   E_INVALID, "/templates/0/parameters/ownership", "expected one of"},
    {X70,                                        ANY,   E_NOT_FOUND, "/templates/0/id", "no template 'xxx"},
    {"attribution to=x",                         ANY,   E_INVALID, "/templates/0/parameters/to", "it has none"},
    {"uses; uses",                               ANY,   E_INVALID, "/templates/1/id", "twice"},
    {"purpose purposes=research",                ANY,   E_INVALID, "/templates/0/parameters/purposes", "expected an IRI"},
    {"purpose purposes=urn:a:b,urn:a:b",         ANY,   E_INVALID, "/templates/0/parameters/purposes", "twice"},
    {"purpose purposes=urn:a\"b",                ANY,   E_INVALID, "/templates/0/parameters/purposes", "expected an IRI"},
    {"purpose purposes=1:b",                     ANY,   E_INVALID, "/templates/0/parameters/purposes", "expected an IRI"},
    {"region places=kr",                         ANY,   E_INVALID, "/templates/0/parameters/places", "expected a country such as KR"},
    {"region places=",                           ANY,   E_INVALID, "/templates/0/parameters/places", "expected a country"},
    {"profit-share percent=100.01",              ANY,   E_INVALID, "/templates/0/parameters/percent", "expected at most 100"},
    {"profit-share percent=0.009",               ANY,   E_INVALID, "/templates/0/parameters/percent", "expected at least 0.01"},
    {"profit-share percent=-5",                  ANY,   E_INVALID, "/templates/0/parameters/percent", "expected at least 0.01"},
    {"profit-share percent=1e2",                 ANY,   E_INVALID, "/templates/0/parameters/percent", "decimal"},
    {"profit-share percent=5.",                  ANY,   E_INVALID, "/templates/0/parameters/percent", "decimal"},
    {"derived-data ownership=mine",              ANY,   E_INVALID, "/templates/0/parameters/ownership", "expected one of: forbidden, allowed"},
    {"term until=2027-02-29",                    ANY,   E_INVALID, "/templates/0/parameters/until", "expected a date"},
    {"term until=9999-12-31 delete_within=30",   ANY,   E_INVALID, "/templates/0/parameters", "out of range"},
    {"cx-usage purposes=a; cx-end until=2027-12-31T00:00:00", ANY, E_INVALID, "/templates/1/parameters/until", "a time with zone"},
    {"jurisdiction place=x",                     ANY,   E_INVALID, "/templates/0/parameters/place", "at least 2 characters"},
    {"cx-restrictions",                          ANY,   E_INVALID, "/templates/0/id", "needs the template 'cx-usage'"},
    {"confidentiality",                          CX_,   E_INVALID, "", "FrameworkAgreement"},
    {"cx-usage purposes=a; ai-training",         ANY,   E_INVALID, "/templates/1/id", "CX-0152 does not know"},
    {"purpose purposes=urn:a:b",                 CX_,   E_INVALID, "/templates/0/id", "CX-0152 does not know"},
    {"cx-usage purposes=a",                      NARU_, E_INVALID, "/templates/0/id", "for Catena-X only"},
    {"cx-usage purposes=a; cx-end until=2027-12-31T00:00:00Z; cx-end-days", ANY, E_INVALID, "", "cx-exclusive"},
};

/* clang-format on */

START_TEST(test_refused)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    struct policy_made made = {0};
    struct err err = {0};

    ck_assert_msg(make(arena, refused[_i].clauses, refused[_i].dialect, &made, &err) < 0,
                  "%s is made", refused[_i].clauses);
    ck_assert_msg(err.code == refused[_i].code, "%s: %s", refused[_i].clauses, err.text);
    ck_assert_msg(strcmp(err.at, refused[_i].at) == 0, "%s: at %s", refused[_i].clauses, err.at);
    ck_assert_msg(strstr(err.detail, refused[_i].part) != NULL, "%s: %s", refused[_i].clauses,
                  err.detail);
    ck_assert_ptr_null(made.policy);
}

END_TEST

START_TEST(test_too_many)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(buf_done) struct buf many = buf_init(KIB(16));
    struct policy_clause clauses[POLICY_CLAUSES + 1] = {0};
    struct policy_made made = {0};
    struct err err = {0};

    buf_add_c(&many, "region places=KR");
    for (size_t i = 0; i < 60; i++)
        buf_printf(&many, ",%.2s", policy__country(i).p);
    buf_add_char(&many, '\0');
    ck_assert_int_lt(make(arena, many.p, ANY, &made, &err), 0);
    ck_assert_str_eq(err.detail, "expected at most 60 values");
    ck_assert_int_lt(policy_make(set, clauses, 0, ANY, NOW, arena, &made, &err), 0);
    ck_assert_int_lt(policy_make(set, clauses, POLICY_CLAUSES + 1, ANY, NOW, arena, &made, &err),
                     0);
}

END_TEST

/* -- templates of one's own -------------------------------------------------------------------- */

#define HEAD                                                                                       \
    "'id':'mine','version':'1','profiles':['naru'],'title':{'ko':'가','en':'a'},"                 \
    "'description':{'ko':'가','en':'a'},"
#define REST(id, profile)                                                                          \
    "'id':'" id "','version':'1','profiles':['" profile "'],'title':{'ko':'가','en':'a'},"        \
    "'description':{'ko':'가','en':'a'},"
#define ONE  "{'name':'n','title':{'ko':'가','en':'a'},'type':'integer','default':5},"
#define FOUR ONE ONE ONE ONE
#define MANY                                                                                       \
    "'parameters':[" FOUR FOUR FOUR FOUR                                                           \
    "{'name':'n','title':{'ko':'가','en':'a'},'type':'integer','default':5}],"
/* only an integer can be added, and only to what can be counted */
#define PARAMETER_PLUS                                                                             \
    "{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'},'type':'string',"            \
    "'default':'x'}]," CLAUSE COUNT("{'$parameter':'n','plus':'n'}") "}"
#define CLAUSE "'clause':[{'ko':'가 {n}','en':'a {n}'}],"
#define NUMBER                                                                                     \
    "'parameters':[{'name':'n','type':'integer','title':{'ko':'가','en':'a'},'default':5}],"
#define COUNT(value)                                                                               \
    "'policy':{'permission':{'constraint':[{'leftOperand':'odrl:count','operator':'lteq',"         \
    "'rightOperand':" value "}]}}"
#define PARAMETER(members)                                                                         \
    "{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'}," members                     \
    "}]," CLAUSE COUNT("{'$parameter':'n'}") "}"

/* clang-format off */
static const struct {
    const char *json;
    enum err_code code; /* E_OK: it is added */
    const char *at;
} own[] = {
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",                     E_OK, ""},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n','plus':'n'}") "}",          E_OK, ""},
    {PARAMETER("'type':'integer','optional':true,'example':3"),                  E_INVALID, "/policy/permission/0/constraint/0/rightOperand"},
    {"{",                                                                        E_SYNTAX, ""},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n'}") ",'more':1}",            E_UNKNOWN_FIELD, "/more"},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'m'}") "}",                     E_INVALID, "/policy/permission/constraint/0/rightOperand"},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n','minus':'n'}") "}",         E_INVALID, "/policy/permission/constraint/0/rightOperand"},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n','as':'weeks'}") "}",        E_INVALID, "/policy/permission/constraint/0/rightOperand/as"},
    {"{" HEAD NUMBER CLAUSE COUNT("5") "}",                                      E_INVALID, "/parameters/0"},
    {"{" HEAD NUMBER "'clause':[{'ko':'가 {m}','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/ko"},
    {"{" HEAD NUMBER "'clause':[{'ko':'가','en':'a {n'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/en"},
    {"{" HEAD NUMBER "'clause':[{'ko':'가','en':'n}'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/en"},
    {"{" HEAD NUMBER "'clause':[{'when':{'x':true},'ko':'가','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/when"},
    {"{" HEAD NUMBER "'clause':[{'when':{'n':1},'ko':'가','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/when"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[]}}}",        E_INVALID, "/policy/permission/constraint"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[{}],'action':'sell'}}}", E_INVALID, "/policy"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'conflict':'perm'}}",                     E_INVALID, "/policy"},
    {PARAMETER("'type':'integer','default':5,'min':6"),                          E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'integer','default':5,'min':'x'"),                        E_INVALID, "/parameters/0/min"},
    {PARAMETER("'type':'integer','default':5,'optional':true"),                  E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'integer'"),                                              E_INVALID, "/parameters/0/example"},
    {PARAMETER("'type':'integer','of':'iri','default':5"),                       E_INVALID, "/parameters/0/of"},
    {PARAMETER("'type':'list','of':'list','default':[]"),                        E_INVALID, "/parameters/0/of"},
    {PARAMETER("'type':'integer','default':[5]"),                                E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'integer','default':5.5"),                                E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'enum','default':'5'"),                                   E_INVALID, "/parameters/0/choices"},
    {PARAMETER("'type':'place','default':'KR','min':1"),                         E_INVALID, "/parameters/0/min"},
    {PARAMETER("'type':'colour','default':'5'"),                                 E_INVALID, "/parameters/0/type"},
    {"{" REST("Mine", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",     E_INVALID, "/id"},
    {"{" REST("", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",         E_INVALID, "/id"},
    {"{" REST("mi_ne", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",    E_INVALID, "/id"},
    {"{" REST("mine", "edc") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",      E_INVALID, "/profiles/0"},
    {"{" REST("mine", "catena-x") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}", E_INVALID, "/policy"},
    {"{" REST("mine", "catena-x") "'clause':[{'ko':'가','en':'a'}],'policy':{'prohibition':[{'action':'sell'}]}}", E_INVALID, "/policy"},
    {"{" REST("mine", "catena-x") "'clause':[{'ko':'가','en':'a'}],'policy':{'permission':{'duty':[{'action':'inform'}]}}}", E_INVALID, "/policy"},
    {"{" HEAD "'parameters':[{'name':'N','title':{'ko':'가','en':'a'},'type':'integer','default':5}]," CLAUSE COUNT("5") "}", E_INVALID, "/parameters/0/name"},
    {"{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'},'type':'integer','default':5},"
     "{'name':'n','title':{'ko':'가','en':'a'},'type':'integer','default':5}]," CLAUSE COUNT("{'$parameter':'n'}") "}", E_INVALID, "/parameters/1/name"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[{'$when':{},'leftOperand':'odrl:count','operator':'lteq','rightOperand':{'$parameter':'n'}}]}}}", E_INVALID, "/policy/permission/constraint/0"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[{'$when':[],'leftOperand':'odrl:count','operator':'lteq','rightOperand':{'$parameter':'n'}}]}}}", E_INVALID, "/policy/permission/constraint/0"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[{'$when':{'n':[5]},'leftOperand':'odrl:count','operator':'lteq','rightOperand':{'$parameter':'n'}}]}}}", E_INVALID, "/policy/permission/constraint/0"},
    {"{" HEAD NUMBER CLAUSE COUNT("{'$parameter':'n','plus':'m'}") "}",          E_INVALID, "/policy/permission/constraint/0/rightOperand/plus"},
    {PARAMETER_PLUS,                                                             E_INVALID, "/policy/permission/constraint/0/rightOperand/plus"},
    {PARAMETER("'type':'list','of':'integer','default':5"),                      E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'enum','default':'a','min':1,'choices':[{'value':'a','ko':'가','en':'a'}]"), E_INVALID, "/parameters/0/min"},
    {PARAMETER("'type':'string','default':'a','min':-1"),                        E_INVALID, "/parameters/0/min"},
    {PARAMETER("'type':'string','default':'a','max':'x'"),                       E_INVALID, "/parameters/0/max"},
    {PARAMETER("'type':'integer','default':5,'max':'x'"),                        E_INVALID, "/parameters/0/max"},
    {PARAMETER("'type':'integer','default':5,'example':5"),                      E_INVALID, "/parameters/0/default"},
    {PARAMETER("'type':'integer','default':5,'choices':[{'value':'a','ko':'가','en':'a'}]"), E_INVALID, "/parameters/0/choices"},
    {"{" REST("{mine", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",    E_INVALID, "/id"},
    {"{" REST("mine{", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",    E_INVALID, "/id"},
    {"{" REST(X70, "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}",        E_INVALID, "/id"},
    {"{" HEAD NUMBER CLAUSE "'policy':5}",                                       E_INVALID, "/policy"},
    {"{" HEAD NUMBER CLAUSE "'policy':{}}",                                      E_INVALID, "/policy"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{}}}",                       E_INVALID, "/policy"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':{}}}}",        E_INVALID, "/policy/permission/constraint"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'prohibition':[{}],'conflict':'perm'}}",  E_INVALID, "/policy"},
    {"{" REST("trains", "naru") "'clause':[{'ko':'가','en':'a'}],'policy':{'prohibition':[{'action':'urn:naru:policy:aiTrain'}]}}", E_OK, ""},
    {"{" HEAD NUMBER "'clause':[{'when':{'n':[]},'ko':'가','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/when"},
    {"{" HEAD NUMBER "'clause':[{'when':{'n':false},'ko':'가','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_INVALID, "/clause/0/when"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'permission':{'constraint':[{'$when':{'n':['5','6']},'leftOperand':'odrl:count','operator':'lteq','rightOperand':{'$parameter':'n'}}]}}}", E_OK, ""},
    {"{" HEAD NUMBER "'clause':[{'when':{'n':['5','6']},'ko':'가','en':'a'}]," COUNT("{'$parameter':'n'}") "}", E_OK, ""},
    {"{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'},'type':'string','default':'x'}]," CLAUSE COUNT("{'$parameter':'n','as':'days'}") "}",
     E_INVALID, "/policy/permission/constraint/0/rightOperand/as"},
    {"{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'},'type':'string','default':'x'},"
     "{'name':'m','title':{'ko':'가','en':'a'},'type':'integer','default':1}]," CLAUSE COUNT("{'$parameter':'n','plus':'m'}") "}",
     E_INVALID, "/policy/permission/constraint/0/rightOperand/plus"},
    {"{" HEAD NUMBER CLAUSE "'policy':{'prohibition':[{'" X350 "':{'$parameter':'m'}}]}}", E_INVALID, "/policy/prohibition/0"},
    {"{" HEAD MANY CLAUSE COUNT("5") "}",                                        E_LIMIT, "/parameters"},
    /* a value that the operand cannot have is found when the template is added, not when it is used */
    {PARAMETER("'type':'string','default':'many'"),                              E_INVALID, "/policy/permission/0/constraint/0/rightOperand"},
};

/* clang-format on */

static struct str double_quotes(struct arena *arena, const char *json)
{
    char *text = arena_alloc(arena, strlen(json));

    for (size_t i = 0; json[i] != '\0'; i++)
        text[i] = json[i] == '\'' ? '"' : json[i];
    return str_n(text, strlen(json));
}

START_TEST(test_own)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    const size_t before = policy_templates_count(set);
    struct err err = {0};
    const int status = policy_templates_add(set, double_quotes(arena, own[_i].json), &err);

    ck_assert_msg(err.code == own[_i].code, "%s: %s", own[_i].json, err.text);
    ck_assert_msg(strcmp(err.at, own[_i].at) == 0, "%s: at %s: %s", own[_i].json, err.at, err.text);
    ck_assert_uint_eq(policy_templates_count(set), before + (status == 0));
    if (status == 0) {
        ck_assert_int_lt(policy_templates_add(set, double_quotes(arena, own[_i].json), &err), 0);
        ck_assert_int_eq(err.code, E_CONFLICT);
    }
}

END_TEST

/* Two clauses of one's own that say the contrary. */
START_TEST(test_contradiction)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    struct policy_made made = {0};
    struct err err = {0};
    const char *json =
        "{'id':'train','version':'1','profiles':['naru'],'title':{'ko':'가','en':'a'},"
        "'description':{'ko':'가','en':'a'},'clause':[{'ko':'가','en':'a'}],"
        "'policy':{'permission':{'constraint':[{'leftOperand':'naru:aiTraining',"
        "'operator':'eq','rightOperand':'allowed'}]}}}";

    ck_assert_msg(policy_templates_add(set, double_quotes(arena, json), &err) == 0, "%s", err.text);
    ck_assert_int_lt(make(arena, "train; ai-training use=forbidden", ANY, &made, &err), 0);
    ck_assert_msg(strstr(err.detail, "contradict") != NULL, "%s", err.detail);
    ck_assert_int_lt(
        make(arena, "region places=KR; train; uses", POLICY_DIALECT_CATENA_X, &made, &err), 0);
    json = "{'id':'else','version':'1','profiles':['naru'],'title':{'ko':'가','en':'a'},"
           "'description':{'ko':'가','en':'a'},'clause':[{'ko':'가','en':'a'}],"
           "'policy':{'permission':{'constraint':[{'leftOperand':'odrl:spatial',"
           "'operator':'isNoneOf','rightOperand':['KR']}]}}}";
    ck_assert_msg(policy_templates_add(set, double_quotes(arena, json), &err) == 0, "%s", err.text);
    ck_assert_int_lt(make(arena, "region places=KR; else", ANY, &made, &err), 0);
    ck_assert_msg(strstr(err.detail, "unsatisfiable") != NULL, "%s", err.detail);
}

END_TEST

/* -- types ------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
    const char *members;  /* of the only parameter, `n`; its default or example is `valid` */
    const char *value;    /* "" for none */
    const char *part;     /* of the refusal; NULL: it is taken */
    const char *en;       /* of the clause */
} typed[] = {
    {"'type':'string','example':'x','min':2,'max':3",                  "ab",      NULL, "a ab"},
    {"'type':'string','example':'xx','min':2,'max':3",                 "ab",      NULL, "a ab"},
    {"'type':'string','example':'xx','min':2,'max':3",                 "가나다",  NULL, "a 가나다"},
    {"'type':'string','example':'xx','min':2,'max':3",                 "가나다라", "at most 3 characters", NULL},
    {"'type':'string','example':'xx','min':2,'max':3",                 "a",       "at least 2 characters", NULL},
    {"'type':'string','example':'xx'",                                 "a\nb",    "expected a text", NULL},
    {"'type':'string','example':'xx'",                                 "a\x7F",   "expected a text", NULL},
    {"'type':'string','example':'xx'",                                 X1050,     "expected a text", NULL},
    {"'type':'list','of':'string','example':['x']",                    ",",       "expected a text", NULL},
    {"'type':'list','of':'decimal','example':['1']",                   ",",       "a decimal", NULL},
    {"'type':'list','of':'string','example':['x']",                    X70 "," X70, "is there twice", NULL},
    {"'type':'iri','example':'urn:a'",                                 "urn",     "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "URN:abc", NULL, "a URN:abc"},
    {"'type':'iri','example':'urn:a'",                                 "u[n:abc", "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "u~n:abc", "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "u/n:abc", "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "u;n:abc", "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "urn:" X1050 X1050, "an IRI", NULL},
    {"'type':'place','example':'KR'",                                  X70,       "a country such as", NULL},
    {"'type':'place','example':'KR'",                                  "K\x01",   "a country such as", NULL},
    {"'type':'decimal','example':'1'",                                 "1.x",     "a decimal", NULL},
    {"'type':'duration','example':'P1D'",                              "P3558399M30D", "a duration", NULL},
    {"'type':'iri','example':'urn:a','max':7",                         "urn:abc", NULL, "a urn:abc"},
    {"'type':'iri','example':'urn:a','max':7",                         "urn:abcd", "at most 7", NULL},
    {"'type':'iri','example':'urn:a'",                                 "1rn:abc", "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 ":abc",    "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "urn:",    "an IRI", NULL},
    {"'type':'iri','example':'urn:a'",                                 "urn:a b", "an IRI", NULL},
    {"'type':'iri','example':'a+b-c.d1:a'",                            "h2+x-y.z:a", NULL, "a h2+x-y.z:a"},
    {"'type':'place','example':'KR'",                                  "KR-11",   NULL, "a KR-11"},
    {"'type':'place','example':'KR'",                                  "EU",      NULL, "a EU"},
    {"'type':'place','example':'KR'",                                  "ZZ",      "a country such as", NULL},
    {"'type':'integer','example':5,'min':-3,'max':9",                  "-3",      NULL, "a -3"},
    {"'type':'integer','example':5,'min':-3,'max':9",                  "-4",      "at least -3", NULL},
    {"'type':'integer','example':5,'min':-3,'max':9",                  "10",      "at most 9", NULL},
    {"'type':'integer','example':5",                                   "+5",      "a whole number", NULL},
    {"'type':'decimal','example':'1','min':'-2.5','max':'2.5'",        "-2.5",    NULL, "a -2.5"},
    {"'type':'decimal','example':'1','min':'-2.5','max':'2.5'",        "-2.500000000000000001", "at least -2.5", NULL},
    {"'type':'decimal','example':'1','min':'-2.5','max':'2.5'",        "2.500000000000000001", "at most 2.5", NULL},
    {"'type':'decimal','example':'1','min':'-2.5','max':'2.5'",        "2.4",     NULL, "a 2.4"},
    {"'type':'decimal','example':'1'",                                 "",        "wants a value", NULL},
    {"'type':'decimal','example':'1'",                                 ".5",      "a decimal", NULL},
    {"'type':'decimal','example':'1'",                                 "--5",     "a decimal", NULL},
    {"'type':'decimal','example':'1'",                                 "1.-5",    "a decimal", NULL},
    {"'type':'decimal','example':'1'",                                 "1234567890123456789", "a decimal", NULL},
    {"'type':'decimal','example':'1'",                                 "1.1234567890123456789", "a decimal", NULL},
    {"'type':'date','example':'2027-01-01','min':'2027-01-01','max':'2027-12-31'", "2027-12-31", NULL, "a 2027-12-31"},
    {"'type':'date','example':'2027-01-01','min':'2027-01-01','max':'2027-12-31'", "2028-01-01", "at most 2027-12-31", NULL},
    {"'type':'date','example':'2027-01-01','min':'2027-01-01','max':'2027-12-31'", "2026-12-31", "at least 2027-01-01", NULL},
    {"'type':'dateTime','example':'2027-01-01T00:00:00Z','max':'2027-06-01T00:00:00+09:00'", "2027-05-31T15:00:00Z", NULL, "a 2027-05-31T15:00:00Z"},
    {"'type':'dateTime','example':'2027-01-01T00:00:00Z','max':'2027-06-01T00:00:00+09:00'", "2027-05-31T15:00:01Z", "at most", NULL},
    {"'type':'duration','example':'P1D','min':'PT1H','max':'P1M'",     "P30D",    NULL, "a 30 days"},
    {"'type':'duration','example':'P1D','min':'PT1H','max':'P1M'",     "P31D",    "at most P1M", NULL},
    {"'type':'duration','example':'P1D','min':'PT1H','max':'P1M'",     "PT59M",   "at least PT1H", NULL},
    {"'type':'duration','example':'P1D'",                              "1D",      "a duration", NULL},
    {"'type':'duration','example':'P1D'",                              "P9999999999999999M", "a duration", NULL},
    {"'type':'enum','example':'x','choices':[{'value':'x','ko':'가','en':'the x'}]", "x", NULL, "a the x"},
    {"'type':'enum','example':'x','choices':[{'value':'x','ko':'가','en':'the x'}]", "y", "expected one of: x", NULL},
    {"'type':'list','of':'enum','example':['x'],'choices':[{'value':'x','ko':'가','en':'the x'},{'value':'y','ko':'나','en':'the y'}]", "y,x", NULL, "a the y, the x"},
    {"'type':'list','of':'integer','example':[1],'min':2,'max':3",     "1,2",     NULL, "a 1, 2"},
    {"'type':'list','of':'integer','example':[1,2],'min':2,'max':3",   "1,2",     NULL, "a 1, 2"},
    {"'type':'list','of':'integer','example':[1,2],'min':2,'max':3",   "1",       "at least 2 values", NULL},
    {"'type':'list','of':'integer','example':[1,2],'min':2,'max':3",   "1,2,3,4", "at most 3 values", NULL},
    {"'type':'list','of':'integer','example':[1,2]",                   "1,x",     "a whole number", NULL},
    {"'type':'list','of':'duration','example':['P1D']",                "P1D,PT1H", NULL, "a 1 day, 1 hour"},
};

/* clang-format on */

static int add_typed(struct arena *arena, const char *members, struct err *err)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(8));

    buf_printf(&json,
               "{" HEAD "'parameters':[{'name':'n','title':{'ko':'가','en':'a'},%s}]," CLAUSE
               "'policy':{'permission':{'constraint':[{'leftOperand':'ContractReference',"
               "'operator':'isAllOf','rightOperand':{'$parameter':'n'}}]}}}%c",
               members, '\0');
    return policy_templates_add(set, double_quotes(arena, json.p), err);
}

START_TEST(test_typed)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(policy_made_done) struct policy_made made = {0};
    struct policy_argument argument = {.name = STR("n")};
    struct policy_clause clause = {STR("mine"), &argument, typed[_i].value[0] != '\0', ""};
    struct str items[8], rest = str_c(typed[_i].value);
    struct err err = {0};
    int status;

    /* rows whose own example breaks the bounds say so when they are added */
    if (add_typed(arena, typed[_i].members, &err) < 0) {
        ck_assert_msg(strcmp(err.at, "/parameters/0/example") == 0, "%s: %s %s", typed[_i].members,
                      err.at, err.text);
        return;
    }
    argument.values.items = items;
    while (str_present(rest))
        items[argument.values.n++] = str_cut(&rest, ',');
    status = policy_make(set, &clause, 1, ANY, NOW, arena, &made, &err);
    if (typed[_i].part != NULL) {
        ck_assert_msg(status < 0 && strstr(err.detail, typed[_i].part) != NULL, "%s = %s: %s",
                      typed[_i].members, typed[_i].value, err.detail);
        ck_assert_str_eq(err.at, "/parameters/n");
        return;
    }
    ck_assert_msg(status == 0, "%s = %s: %s", typed[_i].members, typed[_i].value, err.text);
    ck_assert_msg(
        str_starts(str_from(made.clauses[POLICY_EN], strlen("1. a: ")), str_c(typed[_i].en)),
        "%s: %.*s", typed[_i].value, STR_ARG(made.clauses[POLICY_EN]));
}

END_TEST

/* Sums of values: with one that is not there, and beyond the calendar. */
START_TEST(test_sums)
{
    static const struct {
        const char *first, *more, *want; /* NULL: refused */
    } sums[] = {
        {"'type':'date','example':'2027-12-31'",               NULL,           "\"2027-12-31\""          },
        {"'type':'date','example':'2027-12-31'",               "60",           "\"2028-02-29\""          },
        {"'type':'dateTime','example':'2027-12-31T23:59:59Z'", "1",            "\"2028-01-01T23:59:59Z\""},
        {"'type':'dateTime','example':'9999-12-31T23:59:59Z'", "1",            NULL                      },
        {"'type':'integer','example':9223372036854775807",     "1",            NULL                      },
        {"'type':'integer','example':5",                       "-7",           "\"-2\""                  },
        {"'type':'date','example':'2027-12-31'",               "999999999999", NULL                      },
    };

    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
        AUTO(buf_done) struct buf json = buf_init(KIB(8));
        AUTO(policy_made_done) struct policy_made made = {0};
        struct policy_argument arguments[2] = {{.name = STR("n")}, {.name = STR("more")}};
        struct policy_clause clause = {STR("sum"), arguments, sums[i].more != NULL ? 2U : 1U, ""};
        struct str values[2];
        struct err err = {0};
        int status;

        buf_printf(
            &json,
            "{'id':'sum','version':'1','profiles':['naru'],'title':{'ko':'가','en':'a'},"
            "'description':{'ko':'가','en':'a'},'parameters':[{'name':'n','title':{'ko':'가',"
            "'en':'a'},%s},{'name':'more','title':{'ko':'가','en':'a'},'type':'integer',"
            "'optional':true,'example':0}]," CLAUSE
            "'policy':{'permission':{'constraint':[{'leftOperand':'ContractReference',"
            "'operator':'isAllOf','rightOperand':[{'$parameter':'n','plus':'more'}]}]}}}%c",
            sums[i].first, '\0');
        teardown();
        setup();
        ck_assert_msg(policy_templates_add(set, double_quotes(arena, json.p), &err) == 0, "%s %s",
                      err.at, err.text);
        {
            const struct jval *example =
                jval_pointer(policy_template_document(policy_templates_find(set, STR("sum"))),
                             STR("/parameters/0/example"));

            ck_assert(policy__texts_of(example, arena, &arguments[0].values));
            values[1] = str_c(sums[i].more);
            arguments[1].values = (struct str_list){&values[1], 1};
        }
        status = policy_make(set, &clause, 1, ANY, NOW, arena, &made, &err);
        ck_assert_msg((status == 0) == (sums[i].want != NULL), "%zu: %s", i, err.text);
        if (status == 0)
            ck_assert_msg(memmem(made.json.p, made.json.n, sums[i].want, strlen(sums[i].want)) !=
                              NULL,
                          "%zu: %.*s", i, STR_ARG(made.json));
    }
}

END_TEST

/* Memory that does not suffice is an error, at whatever step, and leaves nothing behind. */
START_TEST(test_memory)
{
    for (size_t size = 64; size < KIB(40); size += 256) {
        AUTO(arena_free) struct arena *whole = arena_new(MIB(1));
        AUTO(arena_free) struct arena *arena = arena_new(size);
        AUTO(policy_made_done) struct policy_made made = {0};
        struct policy_clause clauses[POLICY_CLAUSES];
        const size_t n = read_clauses(
            whole, "term-days days=9; quality months=3; ai-training; confidentiality", clauses);
        struct err err = {0};

        if (policy_make(set, clauses, n, ANY, NOW, arena, &made, &err) < 0)
            ck_assert_ptr_null(made.policy);
        else
            ck_assert(!arena_failed(arena));
    }
}

END_TEST

/* A set has an end, and what does not fit leaves it as it was. */
START_TEST(test_full)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    struct err err = {0};
    size_t n = policy_templates_count(set);

    for (;; n++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(4));

        buf_printf(&json, "{" REST("t%zu", "naru") NUMBER CLAUSE COUNT("{'$parameter':'n'}") "}%c",
                   n, '\0');
        if (policy_templates_add(set, double_quotes(arena, json.p), &err) < 0)
            break;
    }
    ck_assert_uint_eq(n, POLICY_TEMPLATES);
    ck_assert_uint_eq(policy_templates_count(set), POLICY_TEMPLATES);
    ck_assert_int_eq(err.code, E_LIMIT);
}

END_TEST

START_TEST(test_many_values)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(16));
    AUTO(buf_done) struct buf many = buf_init(KIB(64));
    struct policy_made made = {0};
    struct err err = {0};

    buf_add_c(&many, "recipients participants=did:x:0");
    for (int i = 1; i <= POLICY_TEMPLATE_VALUES; i++)
        buf_printf(&many, ",did:x:%d", i);
    buf_add_char(&many, '\0');
    ck_assert_int_lt(make(arena, many.p, ANY, &made, &err), 0);
    ck_assert_int_eq(err.code, E_LIMIT);
    ck_assert_str_eq(err.at, "/templates/0/parameters/participants");
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_template");
    TCase *tc = tcase_create("template");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_every_template, 0, 64);
    tcase_add_test(tc, test_guideline);
    tcase_add_test(tc, test_composed);
    tcase_add_test(tc, test_catena_x);
    tcase_add_test(tc, test_plain);
    tcase_add_test(tc, test_warned);
    tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(tc, test_too_many);
    tcase_add_loop_test(tc, test_own, 0, (int)ARRAY_LEN(own));
    tcase_add_test(tc, test_contradiction);
    tcase_add_loop_test(tc, test_typed, 0, (int)ARRAY_LEN(typed));
    tcase_add_test(tc, test_sums);
    tcase_add_test(tc, test_memory);
    tcase_add_test(tc, test_full);
    tcase_add_test(tc, test_many_values);
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
