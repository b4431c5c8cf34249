/*
 * tests/unit/test_entry_scan.c - the entry reader without a parser against the one with it: what the
 * first accepts the second accepts too, with the same content
 */
#include <check.h>

#include "lib/base/limits.h"
#include "lib/wire/entry.h"

#include "lib/base/banned.h"

#define AT    "{\"at\":\"2026-11-21T07:48:00Z\",\"body\":"
#define AT_US "{\"at\":\"2026-11-21T07:48:00.000001Z\",\"body\":"

/* clang-format off */
static const struct {
    const char *name, *text;
    bool fast;
} entries[] = {
    {"decided",        AT "{\"by\":\"operator\",\"participant\":\"p\",\"state\":\"active\"},\"kind\":\"participant.decided\"}", true},
    {"empty body",     AT_US "{},\"kind\":\"operator.acted\"}", true},
    {"empty text",     AT "{\"action\":\"\"},\"kind\":\"operator.acted\"}", true},
    {"refused line",   AT "{\"batch\":\"sha256:00\",\"code\":\"duplicate\",\"line\":12,\"text\":\"x\"},\"kind\":\"receipt.refused\"}", true},
    {"posting",        AT "{\"amount_minor\":999999999999999999,\"code\":\"fee\",\"transfer\":\"t\"},\"kind\":\"transfer.posted\"}", true},
    {"receipt",        AT "{\"batch\":\"sha256:00\",\"line\":1,\"receipt\":{\"agreement\":\"urn:uuid:a\",\"bytes\":4096,\"calls\":1,"
                       "\"event\":\"018bcfe5-6800-7000-8000-0123456789ab\",\"role\":\"provider\",\"rows\":0,\"seq\":7,"
                       "\"since\":\"2023-11-14T22:13:20Z\",\"transfer\":\"t\",\"until\":\"2023-11-14T22:13:20.000001Z\"}},"
                       "\"kind\":\"receipt.accepted\"}", true},
    {"unknown kind",   AT "{},\"kind\":\"nothing\"}", false},
    {"other member",   AT "{\"other\":1},\"kind\":\"operator.acted\"}", false},
    {"order of keys",  AT "{\"subject\":\"x\",\"action\":\"y\"},\"kind\":\"operator.acted\"}", false},
    {"key twice",      AT "{\"action\":\"x\",\"action\":\"y\"},\"kind\":\"operator.acted\"}", false},
    {"white space",    AT "{\"action\": \"x\"},\"kind\":\"operator.acted\"}", false},
    {"escape",         AT "{\"action\":\"\\n\"},\"kind\":\"operator.acted\"}", false},
    {"Hangul",         AT "{\"action\":\"가\"},\"kind\":\"operator.acted\"}", false},
    {"negative",       AT "{\"amount_minor\":-1},\"kind\":\"transfer.posted\"}", false},
    {"leading zero",   AT "{\"amount_minor\":01},\"kind\":\"transfer.posted\"}", false},
    {"real",           AT "{\"amount_minor\":1.5},\"kind\":\"transfer.posted\"}", false},
    {"null",           AT "{\"action\":null},\"kind\":\"operator.acted\"}", false},
    {"object",         AT "{\"action\":{}},\"kind\":\"operator.acted\"}", false},
    {"comma first",    AT "{,\"action\":\"x\"},\"kind\":\"operator.acted\"}", false},
    {"comma last",     AT "{\"action\":\"x\",},\"kind\":\"operator.acted\"}", false},
    {"no body",        "{\"at\":\"2026-11-21T07:48:00Z\",\"kind\":\"operator.acted\"}", false},
    {"end missing",    AT "{},\"kind\":\"operator.acted\"", false},
    {"more",           AT "{},\"kind\":\"operator.acted\"}x", false},
    {"time with zone", "{\"at\":\"2026-11-21T07:48:00+09:00\",\"body\":{},\"kind\":\"operator.acted\"}", false},
    {"nothing",        "", false},
};

/* clang-format on */

static void same_member(const struct jval *body, const struct entry_member *m, struct str text)
{
    const struct jval *value = jval_get_str(body, m->key);
    int64_t n = -1;

    if (jtype_of(value) == J_OBJECT)
        return; /* the receipt: test_receipt_scan */
    if (m->is_text)
        ck_assert_msg(jtype_of(value) == J_STR && str_eq(jval_str(value), m->text), "'%.*s': %.*s",
                      STR_ARG(text), STR_ARG(m->key));
    else
        ck_assert_msg(jval_i64(value, &n) && n == m->number, "'%.*s': %.*s", STR_ARG(text),
                      STR_ARG(m->key));
}

/* Whether the scan took it; then the parser must take it too, for the same entry. */
static bool agree(struct str text)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct entry_flat flat;
    struct entry entry;
    struct err err = {0};

    if (!entry_scan(text, &flat))
        return false;
    ck_assert_msg(entry_read(text, &doc, &entry, &err) == 0, "'%.*s': %s", STR_ARG(text), err.text);
    ck_assert_int_eq(entry.kind, flat.kind);
    ck_assert_int_eq(entry.at_us, flat.at_us);
    ck_assert_uint_eq(jval_len(entry.body), flat.n);
    for (size_t i = 0; i < flat.n; i++)
        same_member(entry.body, &flat.members[i], text);
    return true;
}

START_TEST(test_entry)
{
    const struct str text = str_c(entries[_i].text);

    ck_assert_msg(agree(text) == entries[_i].fast, "%s", entries[_i].name);
}

END_TEST

/* Every byte replaced, removed and doubled. */
START_TEST(test_changed)
{
    static const char by[] = "\"\\{}[],:0 9aZ.\n\x7f-";
    const struct str text = str_c(entries[_i].text);
    char changed[1024];

    ck_assert_uint_lt(text.n, sizeof(changed));
    for (size_t at = 0; at < text.n; at++) {
        memcpy(changed, text.p, text.n);
        for (size_t k = 0; k < sizeof(by) - 1; k++) {
            changed[at] = by[k];
            (void)agree(str_n(changed, text.n));
        }
        memcpy(changed, text.p, at);
        memcpy(changed + at, text.p + at + 1, text.n - at - 1);
        (void)agree(str_n(changed, text.n - 1));
        memcpy(changed + at, text.p + at, 1);
        memcpy(changed + at + 1, text.p + at, text.n - at);
        (void)agree(str_n(changed, text.n + 1));
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("entry_scan");
    TCase *tc = tcase_create("entry_scan");

    tcase_add_loop_test(tc, test_entry, 0, (int)ARRAY_LEN(entries));
    tcase_add_loop_test(tc, test_changed, 0, (int)ARRAY_LEN(entries));
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
