/*
 * What is said of duties: rules of the documents beyond the types of their members.
 */
#include <check.h>

#include "lib/base/limits.h"
#include "lib/wire/wire.h"

#include "lib/base/banned.h"

#define DUE INT64_C(1780272000000000)
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* clang-format off */
static const struct {
    const char *name;
    int role, debtor, state;
    int64_t due_us, at_us;
    const char *consumer, *text_hash, *at; /* at: member that is refused; NULL: none */
} reports[] = {
    {"done by its debtor",        PARTY_CONSUMER, PARTY_CONSUMER, DUTY_DONE,    DUE, DUE - 1, "did:b", "",            NULL},
    {"late by its debtor",        PARTY_PROVIDER, PARTY_PROVIDER, DUTY_LATE,    DUE, DUE + 1, "did:b", "sha256:" HEX, NULL},
    {"done by the other",         PARTY_PROVIDER, PARTY_CONSUMER, DUTY_DONE,    DUE, DUE - 1, "did:b", "",            "/state"},
    {"waived by the other",       PARTY_PROVIDER, PARTY_CONSUMER, DUTY_WAIVED,  DUE, DUE - 1, "did:b", "",            NULL},
    {"waived by its debtor",      PARTY_CONSUMER, PARTY_CONSUMER, DUTY_WAIVED,  DUE, DUE - 1, "did:b", "",            "/state"},
    {"overdue after its date",    PARTY_CONSUMER, PARTY_CONSUMER, DUTY_OVERDUE, DUE, DUE + 1, "did:b", "",            NULL},
    {"overdue at its date",       PARTY_PROVIDER, PARTY_CONSUMER, DUTY_OVERDUE, DUE, DUE,     "did:b", "",            "/at"},
    {"overdue without a date",    PARTY_PROVIDER, PARTY_CONSUMER, DUTY_OVERDUE, 0,   DUE,     "did:b", "",            "/at"},
    {"open",                      PARTY_CONSUMER, PARTY_CONSUMER, DUTY_OPEN,    DUE, DUE,     "did:b", "",            "/state"},
    {"with oneself",              PARTY_CONSUMER, PARTY_CONSUMER, DUTY_DONE,    DUE, DUE,     "did:a", "",            "/consumer"},
    {"a text without its hash",   PARTY_CONSUMER, PARTY_CONSUMER, DUTY_DONE,    DUE, DUE,     "did:b", "sha256:0",    "/text_hash"},
    {"a hash in capitals",        PARTY_CONSUMER, PARTY_CONSUMER, DUTY_DONE,    DUE, DUE,     "did:b", "SHA256:" HEX, "/text_hash"},
};

/* clang-format on */

static void check_answer(const char *name, int status, const struct err *err, const char *at)
{
    ck_assert_msg((status == 0) == (at == NULL), "%s: %s", name, err->text);
    if (at != NULL)
        ck_assert_msg(strcmp(err->at, at) == 0, "%s: refused at '%s', not at '%s'", name, err->at,
                      at);
}

START_TEST(test_report)
{
    const struct wire_duty duty = {
        .agreement = STR("agreement"),
        .provider = STR("did:a"),
        .consumer = str_c(reports[_i].consumer),
        .role = reports[_i].role,
        .debtor = reports[_i].debtor,
        .action = STR("urn:x"),
        .due_us = reports[_i].due_us,
        .state = reports[_i].state,
        .at_us = reports[_i].at_us,
        .text_hash = str_c(reports[_i].text_hash),
    };
    struct err err = {0};

    check_answer(reports[_i].name, wire_duty_check(&duty, &err), &err, reports[_i].at);
}

END_TEST

/* clang-format off */
static const struct {
    const char *name;
    size_t n_digests;
    int64_t files;
    const char *digest, *at;
} deletions[] = {
    {"none",                 0,                     0,    "sha256:" HEX, NULL},
    {"files without digest", 0,                     3,    "sha256:" HEX, NULL},
    {"as many as files",     3,                     3,    "sha256:" HEX, NULL},
    {"the same files again", 1,                     3,    "sha256:" HEX, NULL},
    {"more than files",      4,                     3,    "sha256:" HEX, "/digests"},
    {"the most",             WIRE_DUTY_DIGESTS,     1000, "sha256:" HEX, NULL},
    {"one above",            WIRE_DUTY_DIGESTS + 1, 1000, "sha256:" HEX, "/digests"},
    {"another algorithm",    1,                     1,    "md5:" HEX,    "/digests"},
    {"a digest cut off",     1,                     1,    "sha256:01",   "/digests"},
};

/* clang-format on */

START_TEST(test_deletion)
{
    struct str digests[WIRE_DUTY_DIGESTS + 1];
    const struct wire_deletion deletion = {
        .agreement = STR("agreement"),
        .provider = STR("did:a"),
        .consumer = STR("did:b"),
        .role = PARTY_CONSUMER,
        .deleted_us = DUE,
        .files = deletions[_i].files,
        .digests = {digests, deletions[_i].n_digests},
    };
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(digests); i++)
        digests[i] = str_c(deletions[_i].digest);
    check_answer(deletions[_i].name, wire_deletion_check(&deletion, &err), &err, deletions[_i].at);
}

END_TEST

/* The id is of all four: none can run into the next. */
START_TEST(test_input)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(1));

    wire_duty_input(STR("did:a"), STR("did:b"), STR("agreement"), STR("key"), &text);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.p, "did:a\ndid:b\nagreement\nkey");
}

END_TEST

START_TEST(test_round_trip)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf text = buf_init(KIB(8));
    AUTO(buf_done) struct buf again = buf_init(KIB(8));
    struct str digest = STR("sha256:" HEX);
    struct wire_deletion deletion = {
        .agreement = STR("agreement"),
        .provider = STR("did:a"),
        .consumer = STR("did:b"),
        .role = PARTY_CONSUMER,
        .deleted_us = DUE,
        .tokens = 1,
        .files = 1,
        .bytes = 7,
        .digests = {&digest, 1},
        .by = DUTY_BY_SYSTEM,
    };
    struct wire_deletion read = {0};
    struct err err = {0};

    object_canonical(&wire_deletion_object, &deletion, &text);
    ck_assert_msg(object_parse(&wire_deletion_object, buf_str(&text), NULL, arena, &read, &err) ==
                      0,
                  "%s", err.text);
    object_canonical(&wire_deletion_object, &read, &again);
    ck_assert(str_eq(buf_str(&text), buf_str(&again)));
    ck_assert_int_eq(read.by, DUTY_BY_SYSTEM);
}

END_TEST

int main(void)
{
    Suite *suite = suite_create("wire duty");
    TCase *tc = tcase_create("documents");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, test_report, 0, (int)ARRAY_LEN(reports));
    tcase_add_loop_test(tc, test_deletion, 0, (int)ARRAY_LEN(deletions));
    tcase_add_test(tc, test_input);
    tcase_add_test(tc, test_round_trip);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
