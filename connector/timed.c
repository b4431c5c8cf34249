/*
 * connector/timed.c - dispatches due instants to the units
 */
#include "connector/timed.h"

#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/duty/duty.h"
#include "connector/events/events.h"
#include "connector/exchange/exchange.h"
#include "connector/facts/facts.h"
#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

static void agreement_ended(void *cls, struct str id, const struct err *err)
{
    (void)cls;
    /* ended before by somebody else: nothing left to do */
    if (err->code != E_OK && err->code != E_CONFLICT && err->code != E_NOT_FOUND &&
        err->code != E_BUSY)
        log_err(NULL, "agreement could not be ended", err);
    else if (err->code != E_BUSY)
        log_info(NULL, "agreement has ended", L_STR("agreement", id));
}

static void end_agreement(struct app *app, struct str id)
{
    struct err err = {0};

    if (dsp_agreement_expire(app, id, agreement_ended, NULL, &err) < 0)
        log_err(NULL, "agreement could not be ended", &err);
}

static void end_with_order(struct app *app, struct str id)
{
    struct err err = {0};

    if (dsp_agreement_end(app, id, STR("its order is over"), agreement_ended, NULL, &err) < 0)
        log_err(NULL, "agreement could not be ended", &err);
}

static void decide_due(struct app *app, struct str id)
{
    (void)id;
    dsp_decide_due(app);
}

static void renew_membership(struct app *app, struct str id)
{
    (void)id;
    exchange_membership_renew(app->exchange);
}

static void prune_messages(struct app *app, struct str id)
{
    (void)id;
    dsp_messages_prune(app);
}

static void prune_events(struct app *app, struct str id)
{
    (void)id;
    events_prune(app);
}

static void take_over_events(struct app *app, struct str id)
{
    (void)id;
    events_take_over(app);
}

struct partner {
    struct str partner_id;
};
/* clang-format off */
static const struct field partner_fields[] = {FIELD(struct partner, partner_id, "partner_id", F_REQUIRED)};
/* clang-format on */
static OBJECT(partner_row, struct partner, partner_fields, OPEN);

static int look_at_partner(void *cls, const void *value, struct err *err)
{
    struct app *app = cls;

    (void)err;
    timed_set(app, "facts-look", ((const struct partner *)value)->partner_id,
              env_wall_us(app->env));
    return 0;
}

/* Sets when facts about a partner will end by themselves. */
static void look_at_facts(struct app *app, struct str id)
{
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;
    AUTO(arena_free) struct arena *arena = arena_new(MIB(1));
    const int64_t now_us = env_wall_us(app->env);
    struct err err = {0};
    int64_t until_us;

    cfg.read_only = true;
    if (arena == NULL || db_open(&cfg, &db, &err) < 0 ||
        facts_until(db, id, now_us, arena, &until_us, &err) < 0) {
        log_err(NULL, "facts of a partner are looked at again in a minute", &err);
        timed_set(app, "facts-look", id, now_us + US_PER_MIN);
    } else if (until_us != POLICY_FOREVER) {
        timed_set(app, "facts", id, until_us);
    }
}

static int look_at_all(struct app *app, struct db *db, struct err *err)
{
    return db_each(db, &q_facts_partners, DB_NO_ARGS, &partner_row, look_at_partner, app, err);
}

/* What is known of a partner, or of all, has changed: whatever was decided by it is decided again. */
static void facts_changed(struct app *app, struct str id)
{
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;
    struct err err = {0};

    dataplane_forget_all(app->dataplane);
    dsp_doubt(app, id);
    if (str_present(id)) {
        look_at_facts(app, id);
        return;
    }
    cfg.read_only = true;
    if (db_open(&cfg, &db, &err) < 0 || look_at_all(app, db, &err) < 0) {
        log_err(NULL, "facts of the partners are looked at again in a minute", &err);
        timed_set(app, "facts", STR_NONE, env_wall_us(app->env) + US_PER_MIN);
    }
}

static void ask_for_revocations(struct app *app, struct str id)
{
    (void)id;
    exchange_revocations_ask(app);
}

static const struct {
    const char *kind;
    void (*act)(struct app *app, struct str id);
} kinds[] = {
    {"agreement",   end_agreement      },
    {"order-over",  end_with_order     },
    {"decisions",   decide_due         },
    {"reconsider",  dsp_doubt          },
    {"membership",  renew_membership   },
    {"messages",    prune_messages     },
    {"events",      prune_events       },
    {"event-due",   take_over_events   },
    {"facts",       facts_changed      },
    {"facts-look",  look_at_facts      },
    {"revocations", ask_for_revocations},
    {"duty",        duty_look          },
};

void timed_set(struct app *app, const char *kind, struct str id, int64_t due_us)
{
    AUTO(buf_done) struct buf key = buf_init(LIMIT_ID + 64);

    buf_add_c(&key, kind);
    buf_add_char(&key, '/');
    buf_add_str(&key, id);
    if (EXPECT(!buf_failed(&key)))
        timers_set(app->timers, buf_str(&key), due_us);
}

void timed_fire(void *cls, struct str key, int64_t due_us)
{
    struct app *app = cls;
    struct str id = key;
    const struct str kind = str_cut(&id, '/');

    (void)due_us;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(kind, kinds[i].kind)) {
            kinds[i].act(app, id);
            return;
        }
    }
    CHECK_UNREACHABLE();
}

struct due {
    struct str agreement_id;
    int64_t ends_us;
};
/* clang-format off */
static const struct field due_fields[] = {
    FIELD(struct due, agreement_id, "agreement_id", F_REQUIRED),
    FIELD(struct due, ends_us,      "ends_us",      F_REQUIRED),
};
/* clang-format on */
static OBJECT(due_row, struct due, due_fields, OPEN);

static int set_over(void *cls, const void *value, struct err *err)
{
    const struct due *due = value;

    (void)err;
    timed_set(cls, "order-over", due->agreement_id, due->ends_us);
    return 0;
}

static int set_one(void *cls, const void *value, struct err *err)
{
    const struct due *due = value;

    (void)err;
    timed_set(cls, "agreement", due->agreement_id, due->ends_us);
    return 0;
}

int timed_start(struct app *app, struct err *err)
{
    struct db_cfg cfg = app->db;
    AUTO(db_close) struct db *db = NULL;

    cfg.read_only = true;
    if (db_open(&cfg, &db, err) < 0)
        return err_ret(err);
    if (db_each(db, &q_agreement_due, DB_NO_ARGS, &due_row, set_one, app, err) < 0)
        return err_ret(err);
    if (look_at_all(app, db, err) < 0 ||
        db_each(db, &q_agreement_orphaned, DB_NO_ARGS, &due_row, set_over, app, err) < 0)
        return err_ret(err);
    timed_set(app, "duty", STR("orders"), env_wall_us(app->env));
    dsp_decide_all(app);
    return 0;
}
