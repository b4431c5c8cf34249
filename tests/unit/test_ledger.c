/*
 * server/settlement/ledger.h on PostgreSQL, as role naru_app: accounts on first use, postings once, holds, limits, log entries.
 */
#include <check.h>

#include "help_pg.h"
#include "lib/crypto/hash.h"
#include "lib/db/migrate.h"
#include "server/settlement/ledger.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define CREDIT INT64_C(1000)

static struct pg_server server; /* the test program's own */

#define PG(sql)                                                                                    \
    {                                                                                              \
        [DB_PG] = (sql)                                                                            \
    }

static const struct query_column number_column[] = {
    {"n", DBT_I64}
};
static const struct query_column text_column[] = {
    {"t", DBT_TEXT}
};
static const struct query_column id_param[] = {
    {"id", DBT_UUID}
};
static const struct query_column kind_param[] = {
    {"kind", DBT_TEXT}
};

static const struct query q_buyer = {
    .name = "buyer",
    .text = PG(
        "INSERT INTO reg.participant (participant_id, did, slug, name_ko, name_en, country, number_kind, number,"
        " connector_url, protocol_url, public_jwk, hosted_did, state, applied_at)"
        " VALUES ($1, 'did:web:' || $1, substr($1::text, 25), 'b', 'b', 'KR', 'kr_brn', $1, '', '', '{}', true, 'active', now())"),
    .params = id_param,
    .n_params = 1,
};
static const struct query q_entries = {
    .name = "entries",
    .text = PG(
        "SELECT count(*) AS n FROM aud.pending, unnest(string_to_array(entry, E'\\n')) AS e WHERE e::json ->> 'kind' = $1"),
    .params = kind_param,
    .n_params = 1,
    .columns = number_column,
    .n_columns = 1,
};
static const struct query q_owed = {
    .name = "owed",
    .text = PG("SELECT debits_posted - credits_posted AS n FROM led.balance WHERE account_id = $1"),
    .params = id_param,
    .n_params = 1,
    .columns = number_column,
    .n_columns = 1,
};
static const struct query q_held = {
    .name = "held",
    .text = PG("SELECT debits_pending AS n FROM led.balance WHERE account_id = $1"),
    .params = id_param,
    .n_params = 1,
    .columns = number_column,
    .n_columns = 1,
};
static const struct query q_headroom = {
    .name = "headroom",
    .text = PG("SELECT headroom_minor AS n FROM led.headroom(ARRAY[$1::uuid])"),
    .params = id_param,
    .n_params = 1,
    .columns = number_column,
    .n_columns = 1,
};
static const struct query q_hash_of_body = {
    .name = "hash_of_body",
    .text =
        PG("SELECT encode(t.body_hash, 'hex') AS t"
           "  FROM aud.pending p, unnest(string_to_array(p.entry, E'\\n')) AS e, led.transfer t"
           " WHERE t.transfer_id = $1 AND e::json -> 'body' ->> 'transfer' = t.transfer_id::text"
           "   AND t.body_hash = sha256(substring(e FROM '\"body\":(.*),\"kind\"')::bytea)"),
    .params = id_param,
    .n_params = 1,
    .columns = text_column,
    .n_columns = 1,
};

struct number {
    int64_t n;
};

struct text {
    struct str t;
};
static const struct field number_fields[] = {FIELD(struct number, n, "n", 0)};
static OBJECT(number_row, struct number, number_fields, CLOSED);
static const struct field text_fields[] = {FIELD(struct text, t, "t", 0)};
static OBJECT(text_row, struct text, text_fields, CLOSED);

static struct settings settings = {.credit_limit_minor = CREDIT, .currency = STR_INIT("KRW")};
static struct app app = {.env = &env_system, .settings = &settings};
static struct db *db;
static struct arena *arena;
static struct uuid buyer, owes, clearing, fee;
static const struct uuid operator_id;

static void must(int rc, const struct err *err)
{
    ck_assert_msg(rc >= 0, "%s: %s: %s", err_name(err->code), err->at, err->text);
}

static int64_t number(const struct query *q, struct db_arg arg)
{
    struct number row = {0};
    struct err err = {0};

    must(db_one(db, q, &arg, 1, &number_row, arena, &row, &err) == DB_FAIL ? -1 : 0, &err);
    return row.n;
}

static int64_t entries(const char *kind)
{
    return number(&q_entries, DB_TEXT(str_c(kind)));
}

static struct uuid account(struct uuid owner, enum ledger_code code)
{
    struct uuid id = {0};
    struct err err = {0};

    must(ledger_account(&app, db, owner, code, STR("KRW"), &id, &err), &err);
    return id;
}

static struct ledger_transfer transfer(const char *name, enum ledger_kind kind, int64_t minor)
{
    return (struct ledger_transfer){
        .transfer_id = ledger_derive("test", name, uuid_format(buyer).c),
        .kind = kind,
        .journal_id = buyer,
        .debit_id = owes,
        .credit_id = clearing,
        .amount_minor = minor,
        .currency = STR("KRW"),
        .code = STR("order.hold"),
        .effective_us = INT64_C(1800000000000000),
    };
}

/* Each posting in a transaction of its own, as a handler would. */
struct posting {
    const struct ledger_transfer *transfers;
    size_t n;
};

static int post_tx(struct db *tx, void *arg, struct err *err)
{
    const struct posting *p = arg;

    return ledger_post(&app, tx, p->transfers, p->n, err);
}

static enum err_code post(const struct ledger_transfer *transfers, size_t n)
{
    struct posting p = {transfers, n};
    struct err err = {0};

    IGNORE(db_tx(db, "post", post_tx, &p, &err), "the code is the result");
    return err.code;
}

static void set_up(void)
{
    struct db_cfg cfg = {.kind = DB_PG, .target = server.target};
    struct err err = {0};
    AUTO(db_close) struct db *login = NULL;

    must(db_open(&cfg, &login, &err), &err);
    must(db_migrate(login, sql_broker_migrations, sql_broker_n_migrations, &env_system, NULL, &err),
         &err);
    buyer = uuid_new(&env_system);
    must(db_exec(login, &q_buyer, DB_ARGS(DB_UUID(buyer)), NULL, &err), &err);
    cfg.role = "naru_app";
    must(db_open(&cfg, &db, &err), &err);
    arena = arena_new(MIB(1));
    owes = account(buyer, LEDGER_RECEIVABLE);
    clearing = account(operator_id, LEDGER_CLEARING);
    fee = account(operator_id, LEDGER_FEE);
}

/* Rows of the log are visible to the owner only. */
static void as_owner(void)
{
    struct db_cfg cfg = {.kind = DB_PG, .target = server.target};
    struct err err = {0};

    db_close(&db);
    must(db_open(&cfg, &db, &err), &err);
}

static void tear_down(void)
{
    db_close(&db);
    arena_free(&arena);
}

START_TEST(test_account_once)
{
    struct uuid again = account(buyer, LEDGER_RECEIVABLE);
    struct uuid other = account(buyer, LEDGER_PAYABLE);

    ck_assert(uuid_eq(owes, again));
    ck_assert(!uuid_eq(owes, other));
    ck_assert(uuid_eq(owes, ledger_derive(uuid_format(buyer).c, "receivable", "KRW")));
    as_owner();
    const int64_t before = entries("account.opened");
    (void)account(buyer, LEDGER_RECEIVABLE);
    ck_assert_int_eq(entries("account.opened"), before);
    (void)account(buyer, LEDGER_EXCESS);
    ck_assert_int_eq(entries("account.opened"), before + 1);
}

END_TEST

START_TEST(test_limit_of_currency)
{
    struct uuid euro = {0};
    struct err err = {0};

    must(ledger_account(&app, db, buyer, LEDGER_RECEIVABLE, STR("EUR"), &euro, &err), &err);
    ck_assert_int_eq(number(&q_headroom, DB_UUID(owes)), CREDIT);
    ck_assert_int_eq(number(&q_headroom, DB_UUID(euro)), 0);
}

END_TEST

START_TEST(test_repeat_is_harmless)
{
    struct ledger_transfer t[] = {transfer("a", LEDGER_NORMAL, 100),
                                  transfer("b", LEDGER_NORMAL, 50)};

    ck_assert_int_eq(post(t, 1), E_OK);
    ck_assert_int_eq(post(t, 2), E_OK);
    ck_assert_int_eq(post(t, 2), E_OK);
    ck_assert_int_eq(number(&q_owed, DB_UUID(owes)), 150);
    as_owner();
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct text row = {0};
        struct err err = {0};

        /* exactly one entry, whose body is what body_hash says: db_one refuses two */
        ck_assert_int_eq(db_one(db, &q_hash_of_body, DB_ARGS(DB_UUID(t[i].transfer_id)), &text_row,
                                arena, &row, &err),
                         DB_ROW);
        ck_assert_uint_eq(row.t.n, 64);
    }
}

END_TEST

START_TEST(test_other_content_conflicts)
{
    struct ledger_transfer t[] = {transfer("a", LEDGER_NORMAL, 100),
                                  transfer("b", LEDGER_NORMAL, 50)};

    ck_assert_int_eq(post(t, 1), E_OK);
    t[0].amount_minor = 101;
    ck_assert_int_eq(post(t, 2), E_PEER_CONFLICT);
    ck_assert_int_eq(number(&q_owed, DB_UUID(owes)), 100);
}

END_TEST

START_TEST(test_credit_limit)
{
    struct ledger_transfer first = transfer("h1", LEDGER_HOLD, 600);
    struct ledger_transfer second = transfer("h2", LEDGER_HOLD, CREDIT - 600 + 1);

    ck_assert_int_eq(post(&first, 1), E_OK);
    ck_assert_int_eq(post(&second, 1), E_PAYMENT);
    ck_assert_int_eq(number(&q_headroom, DB_UUID(owes)), CREDIT - 600);
    second.amount_minor--;
    ck_assert_int_eq(post(&second, 1), E_OK);
    ck_assert_int_eq(number(&q_headroom, DB_UUID(owes)), 0);
}

END_TEST

START_TEST(test_capture_frees_the_rest)
{
    struct ledger_transfer hold = transfer("h", LEDGER_HOLD, 600);
    struct ledger_transfer capture = transfer("c", LEDGER_CAPTURE, 250);
    struct ledger_transfer again = transfer("c2", LEDGER_CAPTURE, 1);

    capture.pending_id = again.pending_id = hold.transfer_id;
    ck_assert_int_eq(post(&hold, 1), E_OK);
    ck_assert_int_eq(number(&q_held, DB_UUID(owes)), 600);
    ck_assert_int_eq(post(&capture, 1), E_OK);
    ck_assert_int_eq(number(&q_held, DB_UUID(owes)), 0);
    ck_assert_int_eq(number(&q_owed, DB_UUID(owes)), 250);
    ck_assert_int_eq(post(&again, 1), E_DB_CONSTRAINT);
}

END_TEST

START_TEST(test_void_releases)
{
    struct ledger_transfer hold = transfer("h", LEDGER_HOLD, 600);
    struct ledger_transfer release = transfer("v", LEDGER_VOID, 600);

    release.pending_id = hold.transfer_id;
    ck_assert_int_eq(post(&hold, 1), E_OK);
    ck_assert_int_eq(post(&release, 1), E_OK);
    ck_assert_int_eq(number(&q_held, DB_UUID(owes)), 0);
    ck_assert_int_eq(number(&q_owed, DB_UUID(owes)), 0);
}

END_TEST

static int release_tx(struct db *tx, void *arg, struct err *err)
{
    return ledger_release(&app, tx, *(const struct uuid *)arg, env_wall_us(app.env), err);
}

static enum err_code release(struct uuid hold)
{
    struct err err = {0};

    IGNORE(db_tx(db, "release", release_tx, &hold, &err), "the code is the result");
    return err.code;
}

START_TEST(test_release_once)
{
    struct ledger_transfer hold = transfer("h", LEDGER_HOLD, 600);
    struct ledger_transfer other = transfer("h2", LEDGER_HOLD, 300);
    struct ledger_transfer capture = transfer("c", LEDGER_CAPTURE, 100);

    capture.pending_id = other.transfer_id;
    ck_assert_int_eq(post(&hold, 1), E_OK);
    ck_assert_int_eq(post(&other, 1), E_OK);
    ck_assert_int_eq(post(&capture, 1), E_OK);
    ck_assert_int_eq(release(hold.transfer_id), E_OK);
    ck_assert_int_eq(release(hold.transfer_id), E_OK);
    ck_assert_int_eq(number(&q_held, DB_UUID(owes)), 0);
    ck_assert_int_eq(release(other.transfer_id), E_CONFLICT);
    ck_assert_int_eq(release(capture.transfer_id), E_CONFLICT);
    ck_assert_int_eq(release(buyer), E_NOT_FOUND);
}

END_TEST

/* More than one statement's worth, with a repeat in the middle. */
START_TEST(test_many)
{
    enum { N = 5000 };
    struct ledger_transfer *t = calloc(N, sizeof(*t));
    char name[16];

    ck_assert_ptr_nonnull(t);
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i % (N - 1));
        t[i] = transfer(name, LEDGER_NORMAL, 1);
        t[i].debit_id = fee;
    }
    ck_assert_int_eq(post(t, N), E_OK);
    free(t);
    as_owner();
    ck_assert_int_ge(entries("transfer.posted"), N - 1);
    ck_assert_int_eq(number(&q_owed, DB_UUID(fee)), N - 1);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ledger");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    if (server.target[0] != '\0') {
        tcase_add_checked_fixture(tc, set_up, tear_down);
        tcase_add_test(tc, test_account_once);
        tcase_add_test(tc, test_limit_of_currency);
        tcase_add_test(tc, test_repeat_is_harmless);
        tcase_add_test(tc, test_other_content_conflicts);
        tcase_add_test(tc, test_credit_limit);
        tcase_add_test(tc, test_capture_frees_the_rest);
        tcase_add_test(tc, test_void_releases);
        tcase_add_test(tc, test_release_once);
        tcase_add_test(tc, test_many);
    }
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    pg_server_start(&server);
    SRunner *sr = srunner_create(suite());
    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    pg_server_stop(&server);
    return bad != 0;
}
