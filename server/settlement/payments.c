/*
 * server/settlement/payments.c - GET /v1/periods/{period}/payments: payouts as ISO 20022
 * pain.001.001.09, one payment information block per currency
 *
 * EndToEndId is the payout's id without hyphens (32 characters, the schema allows 35), so that the
 * bank's statement leads back to it. Bank accounts of providers are not kept by the broker:
 * creditors are named by company and registration number, and the bank's own template adds the
 * account.
 */
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "server/settlement/settlement_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define PAYOUTS_MAX 100000
#define NAME_CHARS  140 /* Max140Text */

struct payout {
    struct uuid payout_id, participant_id;
    struct str name_en, name_ko, country, number_kind, number, document_number, currency;
    int64_t amount_minor;
};
/* clang-format off */
static const struct field payout_fields[] = {
    FIELD(struct payout, payout_id,       "payout_id",       F_REQUIRED),
    FIELD(struct payout, participant_id,  "participant_id",  F_REQUIRED),
    FIELD(struct payout, name_en,         "name_en",         F_REQUIRED),
    FIELD(struct payout, name_ko,         "name_ko",         F_REQUIRED),
    FIELD(struct payout, country,         "country",         F_REQUIRED),
    FIELD(struct payout, number_kind,     "number_kind",     F_REQUIRED),
    FIELD(struct payout, number,          "number",          F_REQUIRED),
    FIELD(struct payout, document_number, "document_number", F_REQUIRED),
    FIELD(struct payout, currency,        "currency",        F_REQUIRED),
    FIELD(struct payout, amount_minor,    "amount_minor",    F_REQUIRED),
};
static OBJECT(payout_row, struct payout, payout_fields, CLOSED);

/* clang-format on */

struct file {
    const struct app *app;
    struct period period;
    const struct payout *payouts; /* sorted by currency */
    size_t n;
    struct buf *out;
};

static void escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if (c == '&')
            buf_add_c(out, "&amp;");
        else if (c == '<')
            buf_add_c(out, "&lt;");
        else if (c == '>')
            buf_add_c(out, "&gt;");
        else if (c >= 0x20 || c == '\t')
            buf_add_char(out, (char)c); /* XML 1.0 §2.2: other control characters cannot be said */
    }
}

/* At most `most` characters of a UTF-8 text. */
static struct str cut(struct str s, size_t most)
{
    size_t i = 0;

    for (size_t chars = 0; i < s.n; i++) {
        const bool starts = ((unsigned char)s.p[i] & 0xC0) != 0x80;

        if (starts && chars++ == most)
            break;
    }
    return str_n(s.p, i);
}

static void element(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, "<%s>", name);
    escaped(out, text);
    buf_printf(out, "</%s>", name);
}

/* Identifier in the form of the schema's texts: no hyphens. */
static void id_element(struct buf *out, const char *name, struct uuid id)
{
    const struct uuid_text text = uuid_format(id);

    buf_printf(out, "<%s>", name);
    for (const char *c = text.c; *c != '\0'; c++) {
        if (*c != '-')
            buf_add_char(out, *c);
    }
    buf_printf(out, "</%s>", name);
}

static int sum_element(const struct payout *payouts, size_t n, struct buf *out, struct err *err)
{
    const struct currency *currency = currency_find(payouts[0].currency);
    int64_t sum = 0;

    if (currency == NULL)
        return err_set(err, E_CORRUPT, "bil.payout.currency", "unknown currency '%.*s'",
                       STR_ARG(payouts[0].currency));
    for (size_t i = 0; i < n; i++) {
        if (money_add(sum, payouts[i].amount_minor, &sum, err) < 0)
            return err_ret(err);
    }
    element(out, "CtrlSum", str_c(money_format(sum, currency).c));
    return 0;
}

static void write_transfer(const struct payout *p, struct buf *out)
{
    const struct str name = p->name_en.n > 0 ? p->name_en : p->name_ko;

    buf_add_c(out, "<CdtTrfTxInf><PmtId>");
    id_element(out, "EndToEndId", p->payout_id);
    buf_add_c(out, "</PmtId><Amt><InstdAmt Ccy=\"");
    escaped(out, p->currency);
    buf_add_c(out, "\">");
    buf_add_c(out, money_format(p->amount_minor, currency_find(p->currency)).c);
    buf_add_c(out, "</InstdAmt></Amt><Cdtr>");
    element(out, "Nm", cut(name, NAME_CHARS));
    buf_add_c(out, "<PstlAdr>");
    element(out, "Ctry", p->country);
    buf_add_c(out, "</PstlAdr><Id><OrgId><Othr>");
    element(out, "Id", cut(p->number, 35));
    buf_add_c(out, "<SchmeNm>");
    element(out, "Prtry", cut(p->number_kind, 35));
    buf_add_c(out, "</SchmeNm></Othr></OrgId></Id></Cdtr><RmtInf>");
    element(out, "Ustrd", cut(p->document_number, NAME_CHARS));
    buf_add_c(out, "</RmtInf></CdtTrfTxInf>\n");
}

/* The transfers of one currency. */
static int write_block(const struct file *f, const struct payout *payouts, size_t n,
                       struct err *err)
{
    const struct settings *s = f->app->settings;
    const struct str account = s->pay_from.n > 0 ? s->pay_from : STR("NOTPROVIDED");
    const struct time_text day =
        time_format(f->period.closed_us + ZONE_MIN * US_PER_MIN); /* date of the zone */
    struct uuid id = f->period.period_id;
    char count[24];

    snprintf(count, sizeof(count), "%zu", n);
    id = ledger_derive("payment", uuid_format(id).c, currency_find(payouts[0].currency)->code);
    buf_add_c(f->out, "<PmtInf>");
    id_element(f->out, "PmtInfId", id);
    element(f->out, "PmtMtd", STR("TRF"));
    element(f->out, "NbOfTxs", str_c(count));
    if (sum_element(payouts, n, f->out, err) < 0)
        return err_ret(err);
    buf_add_c(f->out, "<ReqdExctnDt>");
    element(f->out, "Dt", str_n(day.c, 10));
    buf_add_c(f->out, "</ReqdExctnDt><Dbtr>");
    element(f->out, "Nm", cut(s->operator_name, NAME_CHARS));
    buf_add_c(f->out, "</Dbtr><DbtrAcct><Id><Othr>");
    element(f->out, "Id", cut(account, 34));
    buf_add_c(f->out, "</Othr></Id></DbtrAcct><DbtrAgt><FinInstnId><Othr>");
    element(f->out, "Id", STR("NOTPROVIDED"));
    buf_add_c(f->out, "</Othr></FinInstnId></DbtrAgt>\n");
    for (size_t i = 0; i < n; i++)
        write_transfer(&payouts[i], f->out);
    buf_add_c(f->out, "</PmtInf>\n");
    return 0;
}

static size_t same_currency(const struct payout *payouts, size_t n)
{
    size_t same = 1;

    while (same < n && str_eq(payouts[same].currency, payouts[0].currency))
        same++;
    return same;
}

static int write_file(const struct file *f, struct err *err)
{
    char count[24];

    snprintf(count, sizeof(count), "%zu", f->n);
    buf_add_c(f->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">\n"
                      "<CstmrCdtTrfInitn><GrpHdr>");
    id_element(f->out, "MsgId", f->period.period_id);
    element(f->out, "CreDtTm", str_c(time_format(f->period.closed_us).c));
    element(f->out, "NbOfTxs", str_c(count));
    /* a sum over several currencies would mean nothing; the schema lets it out */
    if (same_currency(f->payouts, f->n) == f->n && sum_element(f->payouts, f->n, f->out, err) < 0)
        return err_ret(err);
    buf_add_c(f->out, "<InitgPty>");
    element(f->out, "Nm", cut(f->app->settings->operator_name, NAME_CHARS));
    buf_add_c(f->out, "</InitgPty></GrpHdr>\n");
    for (size_t at = 0, n; at < f->n; at += n) {
        n = same_currency(f->payouts + at, f->n - at);
        if (write_block(f, f->payouts + at, n, err) < 0)
            return err_ret(err);
    }
    buf_add_c(f->out, "</CstmrCdtTrfInitn></Document>\n");
    return buf_failed(f->out) ? err_set(err, E_LIMIT, "", "payment file") : 0;
}

int period_payments(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(256));
    AUTO(buf_done) struct buf out = buf_init(MIB(128));
    struct file f = {.app = rq->app, .out = &out};
    struct list list = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "payments");
    switch (db_one(worker->db, &q_period_find, DB_ARGS(DB_TEXT(rq_param(rq, "name"))), &period_row,
                   arena, &f.period, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "no such closed period");
    case DB_FAIL: return err_ret(err);
    }
    if (db_list(worker->db, &q_payout_list, DB_ARGS(DB_TEXT(f.period.name)), &payout_row, arena,
                PAYOUTS_MAX, &list, err) < 0)
        return err_ret(err);
    if (list.n == 0)
        return err_tell(err, E_NOT_FOUND, "", "the period has no payouts");
    f.payouts = list.items;
    f.n = list.n;
    if (write_file(&f, err) < 0)
        return err_ret(err);
    rq_reply_buf(rq, 200, "application/xml", &out);
    return 0;
}
