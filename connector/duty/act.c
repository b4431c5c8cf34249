/*
 * connector/duty/act.c - what the connector does itself for a duty of ours
 *
 * One row an action. Each tells whether nothing is left for others to do; if not, an operator
 * confirms the rest before the duty's date.
 */
#include "connector/duty/duty_private.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define LEAD_US    (60 * US_PER_S)
#define LEAD_SHARE 4 /* and at most this part of the time there is */

static int count(struct db *tx, const struct query *query, const struct db_arg *args, size_t n,
                 struct arena *arena, int64_t *ret_n, struct err *err)
{
    struct count row = {0};

    if (db_one(tx, query, args, n, &duty__count_row, arena, &row, err) == DB_FAIL)
        return err_ret(err);
    *ret_n = row.n;
    return 0;
}

/* -- delete ------------------------------------------------------------------------------------ */

struct sums {
    int64_t files, bytes, left_over;
};

struct digest {
    struct str digest;
};
/* clang-format off */
static const struct field sum_fields[] = {
    FIELD(struct sums, files,     "files",     F_REQUIRED),
    FIELD(struct sums, bytes,     "bytes",     F_REQUIRED),
    FIELD(struct sums, left_over, "left_over", F_REQUIRED),
};
static OBJECT(sums_row, struct sums, sum_fields, OPEN);
static const struct field digest_fields[] = {FIELD(struct digest, digest, "digest", F_REQUIRED)};
/* clang-format on */
static OBJECT(digest_row, struct digest, digest_fields, OPEN);

static int write_digests(struct db *tx, struct duty *duty, struct arena *arena, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);
    struct list list = {0};

    if (db_list(tx, &q_copy_digests,
                DB_ARGS(DB_TEXT(duty->agreement_id), DB_I64(WIRE_DUTY_DIGESTS)), &digest_row, arena,
                WIRE_DUTY_DIGESTS, &list, err) < 0)
        return err_ret(err);
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        jw_str(&w, LIST_ITEMS(struct digest, list)[i].digest);
    jw_array_end(&w);
    duty->digests = arena_str(arena, buf_str(&out));
    return buf_failed(&out) || arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "digests") : 0;
}

/*
 * What we hold of the provider: tokens for more of its data, unless the agreement still stands, and
 * the copies that were noted (removed before, copies.c). What left through us is held by the
 * company's programs: only if there was no transfer is it certain that there is nothing else.
 */
static int delete (struct db *tx, struct duty *duty, struct arena *arena, bool *ret_done,
                   struct err *err)
{
    struct sums sums = {0};
    int64_t tokens = 0, transfers = 0;

    if ((duty->at_end != 0 || duty->ended_us != 0) &&
        db_exec(tx, &q_duty_edr_delete, DB_ARGS(DB_TEXT(duty->agreement_id)), &tokens, err) < 0)
        return err_ret(err);
    if (count(tx, &q_duty_transfers, DB_ARGS(DB_TEXT(duty->agreement_id)), arena, &transfers, err) <
            0 ||
        db_one(tx, &q_copy_sums, DB_ARGS(DB_TEXT(duty->agreement_id)), &sums_row, arena, &sums,
               err) == DB_FAIL ||
        write_digests(tx, duty, arena, err) < 0)
        return err_ret(err);
    duty->tokens += tokens;
    duty->files = sums.files;
    duty->bytes = sums.bytes;
    *ret_done = transfers == 0 && sums.left_over == 0;
    return 0;
}

/* -- inform, compensate, acceptTracking -------------------------------------------------------- */

/* The signed notice and the event are what informs. */
static int inform(struct db *tx, struct duty *duty, struct arena *arena, bool *ret_done,
                  struct err *err)
{
    (void)tx;
    (void)duty;
    (void)arena;
    (void)err;
    *ret_done = true;
    return 0;
}

/* The data bank says that the order of the agreement is active: its amount is held, or billed. */
static int pay(struct db *tx, struct duty *duty, struct arena *arena, bool *ret_done,
               struct err *err)
{
    int64_t n;

    if (count(tx, &q_duty_is_paid, DB_ARGS(DB_TEXT(duty->agreement_id)), arena, &n, err) < 0)
        return err_ret(err);
    *ret_done = n > 0;
    return 0;
}

/* Use is reported by receipts: all that we have written were answered. */
static int report(struct db *tx, struct duty *duty, struct arena *arena, bool *ret_done,
                  struct err *err)
{
    int64_t n;

    if (count(tx, &q_duty_unreported, DB_ARGS(DB_TEXT(duty->agreement_id), DB_TEXT(duty->role)),
              arena, &n, err) < 0)
        return err_ret(err);
    *ret_done = n == 0;
    return 0;
}

static const struct {
    enum policy_action action;
    int (*act)(struct db *tx, struct duty *duty, struct arena *arena, bool *ret_done,
               struct err *err);
    bool again; /* not done: it may be done by itself later */
} acts[] = {
    {POLICY_ACT_DELETE,          delete, false},
    {POLICY_ACT_INFORM,          inform, false},
    {POLICY_ACT_COMPENSATE,      pay,    true },
    {POLICY_ACT_ACCEPT_TRACKING, report, true },
};

/* A payment that follows from a violation is none that an order covers. */
static size_t act_of(const struct duty *duty)
{
    size_t i = 0;

    if (str_present(duty->follows) && duty__is(duty, POLICY_ACT_COMPENSATE))
        return ARRAY_LEN(acts);
    while (i < ARRAY_LEN(acts) && !duty__is(duty, acts[i].action))
        i++;
    return i;
}

/* The first instant that is left; a date counts to its last microsecond. */
int64_t duty__next(const struct duty *duty)
{
    const bool acts_itself =
        duty__is_ours(duty) && duty->provide == 0 && act_of(duty) < ARRAY_LEN(acts);
    const int64_t act_us = acts_itself && duty->acted_us == 0 ? duty->act_us : 0;
    const bool open = str_eq_c(duty->state, duty_state_names[DUTY_OPEN]);
    const int64_t over_us = open && duty->due_us > 0 ? duty->due_us + 1 : 0;

    if (act_us == 0 || over_us == 0)
        return act_us + over_us;
    return act_us < over_us ? act_us : over_us;
}

int64_t duty__lead(const struct duty *duty)
{
    const int64_t share_us = (duty->due_us - duty->created_us) / LEAD_SHARE;

    return share_us > LEAD_US ? LEAD_US : share_us > 0 ? share_us : 0;
}

int duty__act(struct db *tx, struct duty *duty, int64_t now_us, struct arena *arena, bool *ret_done,
              struct err *err)
{
    const size_t i = act_of(duty);
    int64_t next_us;

    *ret_done = false;
    if (i == ARRAY_LEN(acts))
        return 0;
    if (acts[i].act(tx, duty, arena, ret_done, err) < 0)
        return err_ret(err);
    if (!*ret_done && acts[i].again)
        return 0;
    duty->acted_us = now_us;
    next_us = duty__next(duty);
    return db_exec(tx, &q_duty_acted,
                   DB_ARGS(DB_TEXT(duty->duty_id), DB_I64(now_us), DB_I64(duty->tokens),
                           DB_I64(duty->files), DB_I64(duty->bytes), DB_TEXT(duty->digests),
                           next_us > 0 ? DB_I64(next_us) : DB_NULL(DBT_I64)),
                   NULL, err);
}
