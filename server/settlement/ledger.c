/*
 * server/settlement/ledger.c - accounts on first use, set-based postings, their log entries
 *
 * Which rows are new is what the insertion returned, so an entry is written once per posting also
 * when two transactions bring the same ids at once.
 */
#include "server/settlement/ledger.h"

#include <assert.h>

#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "server/audit/audit.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define ROWS_AT_ONCE 4096
#define BODY_BYTES   1024 /* of one transfer.posted, without its texts */

const char *const ledger_code_names[LEDGER__COUNT + 1] = {
    [LEDGER_RECEIVABLE] = "receivable",
    [LEDGER_PAYABLE] = "payable",
    [LEDGER_FEE] = "fee",
    [LEDGER_VAT] = "vat",
    [LEDGER_ROUNDING] = "rounding",
    [LEDGER_CLEARING] = "clearing",
    [LEDGER_BANK] = "bank",
    [LEDGER_EXCESS] = "excess",
};

static const bool is_debit_side[LEDGER__COUNT] = {
    [LEDGER_RECEIVABLE] = true,
    [LEDGER_BANK] = true,
    [LEDGER_EXCESS] = true,
};

static const char *const kind_names[] = {
    [LEDGER_NORMAL] = "normal",
    [LEDGER_HOLD] = "hold",
    [LEDGER_CAPTURE] = "capture",
    [LEDGER_VOID] = "void",
};
static_assert(ARRAY_LEN(kind_names) == LEDGER_VOID + 1, "one name per kind");

struct id_row {
    struct uuid transfer_id;
};

struct code_row {
    struct str code;
};

struct hold_row {
    struct str kind;
    struct uuid journal_id, debit_id, credit_id;
    int64_t amount_minor;
    struct str currency;
    struct str resolved; /* kind of what resolved it, STR_NONE: nothing yet */
};
/* clang-format off */
static const struct field id_fields[] = {FIELD(struct id_row, transfer_id, "transfer_id", F_REQUIRED)};
static OBJECT(id_object, struct id_row, id_fields, CLOSED);
static const struct field code_fields[] = {FIELD(struct code_row, code, "code", F_REQUIRED)};
static OBJECT(code_object, struct code_row, code_fields, CLOSED);
static const struct field hold_fields[] = {
    FIELD(struct hold_row, kind,         "kind",         F_REQUIRED),
    FIELD(struct hold_row, journal_id,   "journal_id",   F_REQUIRED),
    FIELD(struct hold_row, debit_id,     "debit_id",     F_REQUIRED),
    FIELD(struct hold_row, credit_id,    "credit_id",    F_REQUIRED),
    FIELD(struct hold_row, amount_minor, "amount_minor", F_REQUIRED),
    FIELD(struct hold_row, currency,     "currency",     F_REQUIRED),
    FIELD(struct hold_row, resolved,     "resolved",     0),
};
static OBJECT(hold_object, struct hold_row, hold_fields, CLOSED);

/* clang-format on */

struct uuid ledger_derive(const char *a, const char *b, const char *c)
{
    const struct str parts[] = {str_c(a), STR("|"), str_c(b), STR("|"), str_c(c)};
    struct hash *hash = hash_begin();
    uint8_t digest[SHA256_LEN];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        hash_add(hash, parts[i].p, parts[i].n);
    hash_end(&hash, digest);
    return uuid_v8_from(digest);
}

/* -- accounts ---------------------------------------------------------------------------------- */

struct opening {
    struct uuid account, owner;
    enum ledger_code code;
    struct str currency;
    int64_t limit_minor; /* -1: none */
    int64_t now_us;
};

static int log_account(struct db *tx, const struct opening *o, struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(KIB(2));
    struct jw w = jw_init(&body);

    jw_object(&w);
    jw_kc(&w, "account", uuid_format(o->account).c);
    if (!uuid_is_zero(o->owner))
        jw_kc(&w, "owner", uuid_format(o->owner).c);
    jw_kc(&w, "code", ledger_code_names[o->code]);
    jw_kstr(&w, "currency", o->currency);
    jw_kc(&w, "side", is_debit_side[o->code] ? "debit" : "credit");
    if (o->limit_minor >= 0)
        jw_ki64(&w, "limit_minor", o->limit_minor);
    jw_object_end(&w);
    return audit_append(tx, ENTRY_ACCOUNT_OPENED, o->now_us, buf_str(&body), err);
}

static int open_account(struct db *tx, const struct opening *o, struct err *err)
{
    int64_t changed = 0;

    if (db_exec(tx, &q_ledger_account_open,
                DB_ARGS(DB_UUID(o->account),
                        uuid_is_zero(o->owner) ? DB_NULL(DBT_UUID) : DB_UUID(o->owner),
                        DB_TEXT(str_c(ledger_code_names[o->code])), DB_TEXT(o->currency),
                        DB_TEXT(is_debit_side[o->code] ? STR("debit") : STR("credit")),
                        o->limit_minor >= 0 ? DB_I64(o->limit_minor) : DB_NULL(DBT_I64),
                        DB_TIME(o->now_us)),
                &changed, err) < 0)
        return err_ret(err);
    return changed == 1 ? log_account(tx, o, err) : 0;
}

int ledger_account(struct app *app, struct db *tx, struct uuid owner, enum ledger_code code,
                   struct str currency, struct uuid *ret_account, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct opening o = {
        .owner = owner,
        .code = code,
        .currency = currency,
        .limit_minor = -1,
        .now_us = env_wall_us(app->env),
    };
    struct code_row row = {0};
    const char *text = arena != NULL ? arena_cstr(arena, currency) : NULL;

    if (text == NULL)
        return err_set(err, E_NO_MEMORY, "", "account");
    o.account = ledger_derive(uuid_format(owner).c, ledger_code_names[code], text);
    if (code == LEDGER_RECEIVABLE)
        o.limit_minor =
            str_eq(currency, app->settings->currency) ? app->settings->credit_limit_minor : 0;
    switch (db_one(tx, &q_ledger_account_find, DB_ARGS(DB_UUID(o.account)), &code_object, arena,
                   &row, err)) {
    case DB_ROW: break;
    case DB_NONE:
        if (open_account(tx, &o, err) < 0)
            return err_ret(err);
        break;
    case DB_FAIL: return err_ret(err);
    }
    *ret_account = o.account;
    return 0;
}

/* -- postings ---------------------------------------------------------------------------------- */

/* The columns of one statement. */
struct columns {
    size_t n;
    struct uuid *ids, *pending, *reverses, *journals, *debits, *credits;
    struct str *kinds, *currencies, *codes, *hashes, *bodies;
    int64_t *amounts, *effective;
};

static void key_id(struct jw *w, const char *key, struct uuid id)
{
    if (!uuid_is_zero(id))
        jw_kc(w, key, uuid_format(id).c);
}

/* The canonical body of transfer.posted: members in RFC 8785 order. */
static void write_body(const struct ledger_transfer *t, struct jw *w)
{
    jw_object(w);
    jw_ki64(w, "amount_minor", t->amount_minor);
    jw_kstr(w, "code", t->code);
    key_id(w, "credit", t->credit_id);
    jw_kstr(w, "currency", t->currency);
    key_id(w, "debit", t->debit_id);
    jw_kc(w, "effective_at", time_format(t->effective_us).c);
    key_id(w, "journal", t->journal_id);
    key_id(w, "pending", t->pending_id);
    key_id(w, "reverses", t->reverses_id);
    key_id(w, "transfer", t->transfer_id);
    jw_kc(w, "transfer_kind", kind_names[t->kind]);
    jw_object_end(w);
}

static int make_columns(const struct ledger_transfer *transfers, size_t n, struct arena *arena,
                        struct columns *c, struct err *err)
{
    struct uuid **const ids[] = {&c->ids,      &c->pending, &c->reverses,
                                 &c->journals, &c->debits,  &c->credits};
    struct str **const texts[] = {&c->kinds, &c->currencies, &c->codes, &c->hashes, &c->bodies};

    c->n = n;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        *ids[i] = ARENA_ARRAY(arena, struct uuid, n);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = ARENA_ARRAY(arena, struct str, n);
    c->amounts = ARENA_ARRAY(arena, int64_t, n);
    c->effective = ARENA_ARRAY(arena, int64_t, n);
    if (arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "postings");
    for (size_t i = 0; i < n; i++) {
        const struct ledger_transfer *t = &transfers[i];

        c->ids[i] = t->transfer_id;
        c->pending[i] = t->pending_id;
        c->reverses[i] = t->reverses_id;
        c->journals[i] = t->journal_id;
        c->debits[i] = t->debit_id;
        c->credits[i] = t->credit_id;
        c->kinds[i] = str_c(kind_names[t->kind]);
        c->currencies[i] = t->currency;
        c->codes[i] = t->code;
        c->amounts[i] = t->amount_minor;
        c->effective[i] = t->effective_us;
    }
    return 0;
}

static int make_bodies(const struct ledger_transfer *transfers, struct arena *arena,
                       struct columns *c, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(KIB(16));

    for (size_t i = 0; i < c->n; i++) {
        uint8_t *digest = arena_alloc(arena, SHA256_LEN);
        struct jw w = jw_init(&text);

        buf_reset(&text);
        write_body(&transfers[i], &w);
        c->bodies[i] = arena_str(arena, buf_str(&text));
        if (digest == NULL || buf_failed(&text) || !str_present(c->bodies[i]))
            return err_set(err, E_NO_MEMORY, "", "postings");
        sha256(text.p, text.n, digest);
        c->hashes[i] = str_n(digest, SHA256_LEN);
    }
    return 0;
}

/* The constraint that bounds what a consumer may owe has a meaning of its own to callers. */
static int refused(struct err *err)
{
    if (err->code == E_DB_CONSTRAINT && str_eq_c(str_c(err->at), "balance_credit_limit"))
        return err_tell(err, E_PAYMENT, "", "the credit limit does not cover the amount");
    return err_ret(err);
}

/* Ids that were there before must stand for the same content. */
static int check_known(struct db *tx, const struct columns *c, struct arena *arena, struct err *err)
{
    struct id_row row = {0};

    switch (db_one(
        tx, &q_ledger_differing,
        DB_ARGS(DB_ARRAY(DBT_UUID_ARRAY, c->ids, c->n), DB_ARRAY(DBT_BYTES_ARRAY, c->hashes, c->n)),
        &id_object, arena, &row, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    return err_set(err, E_PEER_CONFLICT, "", "transfer '%s' exists with other content",
                   uuid_format(row.transfer_id).c);
}

static int insert(struct db *tx, const struct columns *c, struct arena *arena, struct list *ret_new,
                  struct err *err)
{
    if (db_list(tx, &q_ledger_post,
                DB_ARGS(DB_ARRAY(DBT_UUID_ARRAY, c->ids, c->n),
                        DB_ARRAY(DBT_TEXT_ARRAY, c->kinds, c->n),
                        DB_ARRAY(DBT_UUID_ARRAY, c->pending, c->n),
                        DB_ARRAY(DBT_UUID_ARRAY, c->reverses, c->n),
                        DB_ARRAY(DBT_UUID_ARRAY, c->journals, c->n),
                        DB_ARRAY(DBT_UUID_ARRAY, c->debits, c->n),
                        DB_ARRAY(DBT_UUID_ARRAY, c->credits, c->n),
                        DB_ARRAY(DBT_I64_ARRAY, c->amounts, c->n),
                        DB_ARRAY(DBT_TEXT_ARRAY, c->currencies, c->n),
                        DB_ARRAY(DBT_TEXT_ARRAY, c->codes, c->n),
                        DB_ARRAY(DBT_TIME_ARRAY, c->effective, c->n),
                        DB_ARRAY(DBT_BYTES_ARRAY, c->hashes, c->n)),
                &id_object, arena, c->n, ret_new, err) < 0)
        return refused(err);
    return 0;
}

static int post_some(struct app *app, struct db *tx, const struct ledger_transfer *transfers,
                     size_t n, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1) + n * 2 * BODY_BYTES);
    struct columns c = {0};
    struct list fresh = {0};
    size_t n_new = 0;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "postings");
    if (make_columns(transfers, n, arena, &c, err) < 0 ||
        make_bodies(transfers, arena, &c, err) < 0 || insert(tx, &c, arena, &fresh, err) < 0 ||
        (fresh.n < n && check_known(tx, &c, arena, err) < 0))
        return err_ret(err);
    /* rows come back in the order in which they were given */
    for (size_t i = 0; i < n && n_new < fresh.n; i++) {
        if (uuid_eq(c.ids[i], LIST_ITEMS(struct id_row, fresh)[n_new].transfer_id))
            c.bodies[n_new++] = c.bodies[i];
    }
    if (n_new < fresh.n)
        return err_set(err, E_INTERNAL, "ledger_post", "rows came back in another order");
    return n_new == 0 ? 0
                      : audit_append_many(tx, ENTRY_TRANSFER_POSTED, env_wall_us(app->env),
                                          c.bodies, n_new, err);
}

int ledger_post(struct app *app, struct db *tx, const struct ledger_transfer *transfers, size_t n,
                struct err *err)
{
    for (size_t at = 0; at < n; at += ROWS_AT_ONCE) {
        const size_t part = n - at < ROWS_AT_ONCE ? n - at : ROWS_AT_ONCE;

        if (post_some(app, tx, transfers + at, part, err) < 0)
            return err_ret(err);
    }
    return 0;
}

int ledger_release(struct app *app, struct db *tx, struct uuid hold_id, int64_t effective_us,
                   struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(16));
    struct hold_row hold = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "hold");
    switch (
        db_one(tx, &q_ledger_hold, DB_ARGS(DB_UUID(hold_id)), &hold_object, arena, &hold, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_set(err, E_NOT_FOUND, "", "hold '%s'", uuid_format(hold_id).c);
    case DB_FAIL: return err_ret(err);
    }
    if (str_eq(hold.resolved, STR("void")))
        return 0;
    if (str_present(hold.resolved) || !str_eq(hold.kind, STR("hold")))
        return err_set(err, E_CONFLICT, "", "'%s' is no open hold", uuid_format(hold_id).c);

    const struct ledger_transfer release = {
        .transfer_id = ledger_derive("release", uuid_format(hold_id).c, ""),
        .kind = LEDGER_VOID,
        .pending_id = hold_id,
        .journal_id = hold.journal_id,
        .debit_id = hold.debit_id,
        .credit_id = hold.credit_id,
        .amount_minor = hold.amount_minor,
        .currency = hold.currency,
        .code = STR("order.release"),
        .effective_us = effective_us,
    };

    return ledger_post(app, tx, &release, 1, err);
}
