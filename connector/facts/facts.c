/*
 * connector/facts/facts.c - one provider per source of facts
 *
 * Ages. A signed order counts until the end that it states, and each change of it is sent to us:
 * its age is zero while it is in force. Counters are read in the transaction that takes the use:
 * their age is zero. Credentials: credential.c.
 */
#include "connector/facts/facts.h"

#include "connector/facts/facts_private.h"
#include "connector/facts/performed.h"
#include "lib/base/timefmt.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define ORDERS_MAX 256

struct order {
    struct str order_id, plan_hash, purpose, agreement_id;
    int64_t valid_until_us;
};

struct use {
    int64_t calls, bytes, rows, days;
};

struct known_peer {
    int64_t member;
    struct str name, country, participant;
    int64_t verified_us;
    struct str credential_id, issuer, attestations;
    int64_t issued_us, expires_us;
};
/* clang-format off */
static const struct field order_fields[] = {
    FIELD(struct order, order_id,       "order_id",       F_REQUIRED),
    FIELD(struct order, plan_hash,      "plan_hash",      F_REQUIRED),
    FIELD(struct order, purpose,        "purpose",        0),
    FIELD(struct order, agreement_id,   "agreement_id",   0),
    FIELD(struct order, valid_until_us, "valid_until_us", F_REQUIRED),
};
static OBJECT(order_row, struct order, order_fields, OPEN);
static const struct field use_fields[] = {
    FIELD(struct use, calls, "calls", F_REQUIRED),
    FIELD(struct use, bytes, "bytes", F_REQUIRED),
    FIELD(struct use, rows,  "row_count", F_REQUIRED),
    FIELD(struct use, days,  "days",  F_REQUIRED),
};
static OBJECT(use_row, struct use, use_fields, OPEN);
static const struct field known_peer_fields[] = {
    FIELD(struct known_peer, member,      "member",      F_REQUIRED),
    FIELD(struct known_peer, name,        "name",        0),
    FIELD(struct known_peer, country,     "country",     0),
    FIELD(struct known_peer, participant, "participant", 0),
    FIELD(struct known_peer, verified_us, "verified_us", F_REQUIRED),
    FIELD(struct known_peer, credential_id, "credential_id", 0),
    FIELD(struct known_peer, issuer,      "issuer",      0),
    FIELD(struct known_peer, attestations, "attestations", 0),
    FIELD(struct known_peer, issued_us,   "issued_us",   F_REQUIRED),
    FIELD(struct known_peer, expires_us,  "expires_us",  F_REQUIRED),
};
/* clang-format on */
static OBJECT(known_peer_row, struct known_peer, known_peer_fields, OPEN);

static bool needed(const struct gather *g, enum policy_operand operand)
{
    return policy_needs_operand(g->needs, operand);
}

void facts__ends_at(struct gather *g, int64_t until_us)
{
    if (until_us < g->until_us)
        g->until_us = until_us;
}

int facts__set(struct gather *g, enum policy_operand operand, const struct policy_fact *form,
               const struct policy_value *values, size_t n, struct err *err)
{
    struct policy_fact *fact = &g->facts->of[operand];
    struct policy_value *copy;

    if (!needed(g, operand))
        return 0;
    copy = ARENA_ARRAY(g->arena, struct policy_value, n);
    if (copy == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (n > 0)
        memcpy(copy, values, n * sizeof(*copy));
    *fact = *form;
    fact->values = copy;
    fact->n_values = n;
    return 0;
}

/* -- who --------------------------------------------------------------------------------------- */

#define WHO (FACTS_BIT(POLICY_OP_PARTICIPANT) | FACTS_BIT(POLICY_OP_RECIPIENT))

static int gather_who(struct gather *g, struct err *err)
{
    static const struct policy_source source = {.kind = POLICY_FROM_IDENTITY};
    const struct policy_fact caller = {.knowledge = POLICY_KNOWN, .source = &source};
    const struct policy_value id = {.text = g->about->peer->id};

    if (facts__set(g, POLICY_OP_PARTICIPANT, &caller, &id, 1, err) < 0)
        return err_ret(err);
    return facts__set(g, POLICY_OP_RECIPIENT, &caller, &id, 1, err);
}

/* -- orders ------------------------------------------------------------------------------------ */

#define ORDERS                                                                                     \
    (FACTS_BIT(POLICY_OP_ORDER) | FACTS_BIT(POLICY_OP_PLAN) | FACTS_BIT(POLICY_OP_PURPOSE) |       \
     FACTS_BIT(POLICY_OP_USAGE_PURPOSE))

static bool is_bound(const struct order *order, const struct agreement *agreement)
{
    return agreement != NULL && (str_eq(order->agreement_id, agreement->agreement_id) ||
                                 str_eq(order->order_id, agreement->order_id));
}

static void add_once(struct policy_value *values, size_t *n, struct str text)
{
    if (text.n == 0)
        return;
    for (size_t i = 0; i < *n; i++) {
        if (str_eq(values[i].text, text))
            return;
    }
    values[(*n)++].text = text;
}

/* An order that is bound to this agreement outweighs those that are still free. */
static int list_orders(struct gather *g, struct list *ret_orders, bool *ret_bound, struct err *err)
{
    const struct agreement *a = g->about->agreement;
    const struct str agreement_id = a != NULL ? a->agreement_id : STR_NONE;
    const struct str order_id = a != NULL ? a->order_id : STR_NONE;

    if (db_list(g->db, &q_facts_orders,
                DB_ARGS(DB_TEXT(g->about->peer->id), DB_TEXT(g->about->asset_id), DB_I64(g->now_us),
                        DB_TEXT(agreement_id), DB_TEXT(order_id), DB_I64(ORDERS_MAX)),
                &order_row, g->arena, ORDERS_MAX, ret_orders, err) < 0)
        return err_ret(err);
    *ret_bound = false;
    for (size_t i = 0; i < ret_orders->n; i++)
        *ret_bound |= is_bound(&LIST_ITEMS(struct order, *ret_orders)[i], a);
    return 0;
}

static int gather_orders(struct gather *g, struct err *err)
{
    static const struct policy_source signed_order = {.kind = POLICY_FROM_ORDER};
    static const struct policy_source declared = {.kind = POLICY_FROM_DECLARED};
    struct policy_fact plan = {.knowledge = POLICY_KNOWN, .source = &signed_order};
    struct policy_fact purpose = {.knowledge = POLICY_KNOWN, .claimed = true, .source = &declared};
    struct list orders = {0};
    struct policy_value *plans, *purposes;
    size_t n_plans = 0, n_purposes = 0;
    bool bound = false;

    if (list_orders(g, &orders, &bound, err) < 0)
        return err_ret(err);
    plans = ARENA_ARRAY(g->arena, struct policy_value, orders.n + 1);
    purposes = ARENA_ARRAY(g->arena, struct policy_value, orders.n + 1);
    if (plans == NULL || purposes == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    for (size_t i = 0; i < orders.n; i++) {
        const struct order *order = &LIST_ITEMS(struct order, orders)[i];

        if (bound && !is_bound(order, g->about->agreement))
            continue;
        facts__ends_at(g, order->valid_until_us);
        add_once(plans, &n_plans,
                 arena_printf(g->arena, "urn:naru:plan:%.*s", STR_ARG(order->plan_hash)));
        add_once(purposes, &n_purposes, order->purpose);
    }
    if (arena_failed(g->arena))
        return err_set(err, E_NO_MEMORY, "", "facts");
    if (n_plans == 0)
        plan.knowledge = POLICY_ABSENT;
    if (facts__set(g, POLICY_OP_ORDER, &plan, plans, n_plans, err) < 0 ||
        facts__set(g, POLICY_OP_PLAN, &plan, plans, n_plans, err) < 0)
        return err_ret(err);
    if (n_purposes == 0)
        return 0;
    if (facts__set(g, POLICY_OP_PURPOSE, &purpose, purposes, n_purposes, err) < 0)
        return err_ret(err);
    return facts__set(g, POLICY_OP_USAGE_PURPOSE, &purpose, purposes, n_purposes, err);
}

/* -- counters ---------------------------------------------------------------------------------- */

static int64_t sum(int64_t a, int64_t b)
{
    int64_t total;

    return __builtin_add_overflow(a, b, &total) ? INT64_MAX : total;
}

/* With the use that is asked about: today is one of the days. */
static int count_use(struct gather *g, struct use *ret, struct err *err)
{
    const struct facts_about *about = g->about;

    if (about->agreement == NULL)
        return 0;
    if (db_one(g->db, &q_facts_use,
               DB_ARGS(DB_TEXT(about->agreement->agreement_id), DB_I64(g->now_us / US_PER_DAY)),
               &use_row, g->arena, ret, err) == DB_FAIL)
        return err_ret(err);
    if (about->running && ret->calls > 0) /* no further one; its day was counted */
        return 0;
    ret->calls = sum(ret->calls, 1);
    ret->bytes = sum(ret->bytes, about->bytes);
    ret->rows = sum(ret->rows, about->rows);
    ret->days = sum(ret->days, 1);
    return 0;
}

static int gather_use(struct gather *g, struct err *err)
{
    static const struct policy_source source = {.kind = POLICY_FROM_COUNTERS};
    const struct policy_fact fact = {.knowledge = POLICY_KNOWN, .source = &source};
    struct use use = {0};

    if (count_use(g, &use, err) < 0)
        return err_ret(err);

    const struct {
        enum policy_operand operand;
        int64_t number;
    } counters[] = {
        {POLICY_OP_COUNT,        use.calls},
        {POLICY_OP_CALLS,        use.calls},
        {POLICY_OP_VOLUME_BYTES, use.bytes},
        {POLICY_OP_ROWS,         use.rows },
        {POLICY_OP_DAYS,         use.days },
    };

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        const struct policy_value value = {.number = counters[i].number};

        if (facts__set(g, counters[i].operand, &fact, &value, 1, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- data set ---------------------------------------------------------------------------------- */

#define PROPERTIES_MAX 1000

struct property {
    struct str name, value;
};
/* clang-format off */
static const struct field property_fields[] = {
    FIELD(struct property, name,  "name",  F_REQUIRED),
    FIELD(struct property, value, "value", F_REQUIRED),
};
static OBJECT(property_row, struct property, property_fields, OPEN);

#define EDC_NS  "https://w3id.org/edc/v0.0.1/ns/"
#define ODRL_NS "http://www.w3.org/ns/odrl/2/"
#define DCT_NS  "http://purl.org/dc/terms/"
#define DCAT_NS "http://www.w3.org/ns/dcat#"

/* Properties of the asset, by the names under which they are stored. */
static const struct { const char *name; enum policy_operand operand; } properties[] = {
    {ODRL_NS "fileFormat", POLICY_OP_FILE_FORMAT}, {EDC_NS "fileFormat", POLICY_OP_FILE_FORMAT},
    {DCT_NS "format",      POLICY_OP_FILE_FORMAT}, {DCAT_NS "mediaType", POLICY_OP_FILE_FORMAT},
    {ODRL_NS "media",      POLICY_OP_MEDIA},       {EDC_NS "media",      POLICY_OP_MEDIA},
    {ODRL_NS "language",   POLICY_OP_LANGUAGE},    {EDC_NS "language",   POLICY_OP_LANGUAGE},
    {DCT_NS "language",    POLICY_OP_LANGUAGE},
    {ODRL_NS "version",    POLICY_OP_VERSION},     {EDC_NS "version",    POLICY_OP_VERSION},
    {DCAT_NS "version",    POLICY_OP_VERSION},
    {ODRL_NS "industry",   POLICY_OP_INDUSTRY},    {EDC_NS "industry",   POLICY_OP_INDUSTRY},
    {ODRL_NS "product",    POLICY_OP_PRODUCT},     {EDC_NS "product",    POLICY_OP_PRODUCT},
};

/* clang-format on */

#define PROPERTIES                                                                                 \
    (FACTS_BIT(POLICY_OP_FILE_FORMAT) | FACTS_BIT(POLICY_OP_MEDIA) |                               \
     FACTS_BIT(POLICY_OP_LANGUAGE) | FACTS_BIT(POLICY_OP_VERSION) |                                \
     FACTS_BIT(POLICY_OP_INDUSTRY) | FACTS_BIT(POLICY_OP_PRODUCT))

static bool names_operand(struct str name, enum policy_operand operand)
{
    for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
        if (properties[i].operand == operand && str_eq_c(name, properties[i].name))
            return true;
    }
    return false;
}

/* What the asset does not say is unknown: that it is in no language is nothing that we know. */
static int set_property(struct gather *g, enum policy_operand operand, const struct list *rows,
                        struct err *err)
{
    static const struct policy_source source = {.kind = POLICY_FROM_DATASET};
    const struct policy_fact fact = {.knowledge = POLICY_KNOWN, .source = &source};
    const struct property *p = rows->items;
    struct policy_value *values = ARENA_ARRAY(g->arena, struct policy_value, rows->n + 1);
    size_t n = 0;

    if (values == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    for (size_t i = 0; i < rows->n; i++) {
        if (names_operand(p[i].name, operand))
            add_once(values, &n, p[i].value);
    }
    return n > 0 ? facts__set(g, operand, &fact, values, n, err) : 0;
}

static int gather_properties(struct gather *g, struct err *err)
{
    static const enum policy_operand operands[] = {
        POLICY_OP_FILE_FORMAT, POLICY_OP_MEDIA,    POLICY_OP_LANGUAGE,
        POLICY_OP_VERSION,     POLICY_OP_INDUSTRY, POLICY_OP_PRODUCT,
    };
    struct list rows = {0};

    if (db_list(g->db, &q_facts_properties,
                DB_ARGS(DB_TEXT(g->about->asset_id), DB_I64(PROPERTIES_MAX)), &property_row,
                g->arena, PROPERTIES_MAX, &rows, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(operands); i++) {
        if (needed(g, operands[i]) && set_property(g, operands[i], &rows, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- groups ------------------------------------------------------------------------------------ */

#define GROUPS_MAX 1000

struct group {
    struct str name;
};
/* clang-format off */
static const struct field group_fields[] = {FIELD(struct group, name, "name", F_REQUIRED)};
/* clang-format on */
static OBJECT(group_row, struct group, group_fields, OPEN);

/* The operator says which groups a partner is in (connector/mgmt/partner_group.c). */
static int gather_groups(struct gather *g, struct err *err)
{
    static const struct policy_source source = {.kind = POLICY_FROM_GROUPS};
    struct policy_fact fact = {.knowledge = POLICY_KNOWN, .source = &source};
    struct list groups = {0};
    struct policy_value *values;

    if (db_list(g->db, &q_facts_groups, DB_ARGS(DB_TEXT(g->about->peer->id), DB_I64(GROUPS_MAX)),
                &group_row, g->arena, GROUPS_MAX, &groups, err) < 0)
        return err_ret(err);
    values = ARENA_ARRAY(g->arena, struct policy_value, groups.n + 1);
    if (values == NULL)
        return err_set(err, E_NO_MEMORY, "", "facts");
    for (size_t i = 0; i < groups.n; i++)
        values[i].text = LIST_ITEMS(struct group, groups)[i].name;
    if (groups.n == 0)
        fact.knowledge = POLICY_ABSENT;
    return facts__set(g, POLICY_OP_BUSINESS_PARTNER_GROUP, &fact, values, groups.n, err);
}

static const struct {
    uint64_t operands;
    int (*gather)(struct gather *g, struct err *err);
} providers[] = {
    {WHO,                                         gather_who        },
    {FACTS_CREDENTIALS,                           facts__credentials},
    {ORDERS,                                      gather_orders     },
    {POLICY_NEEDS_COUNTERS,                       gather_use        },
    {PROPERTIES,                                  gather_properties },
    {FACTS_BIT(POLICY_OP_BUSINESS_PARTNER_GROUP), gather_groups     },
};

uint64_t facts_known(void)
{
    uint64_t operands = 0;

    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        operands |= providers[i].operands;
    return operands;
}

int facts_gather_until(struct db *db, const struct policy *policy, const struct facts_about *about,
                       int64_t now_us, struct arena *arena, struct policy_facts *ret_facts,
                       int64_t *ret_until_us, struct err *err)
{
    struct gather g = {.db = db,
                       .about = about,
                       .now_us = now_us,
                       .arena = arena,
                       .facts = ret_facts,
                       .until_us = POLICY_FOREVER};

    *ret_facts = (struct policy_facts){0};
    for (int scope = 0; scope < POLICY_AT__COUNT; scope++)
        g.needs |= policy_needs(policy, (enum policy_scope)scope);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        if ((g.needs & providers[i].operands) != 0 && providers[i].gather(&g, err) < 0)
            return err_ret(err);
    }
    *ret_until_us = g.until_us;
    return about->agreement != NULL && policy_needs_performed(policy)
               ? facts_performed(db, about->agreement, arena, ret_facts, err)
               : 0;
}

int facts_gather(struct db *db, const struct policy *policy, const struct facts_about *about,
                 int64_t now_us, struct arena *arena, struct policy_facts *ret_facts,
                 struct err *err)
{
    int64_t until_us;

    return facts_gather_until(db, policy, about, now_us, arena, ret_facts, &until_us, err);
}

int facts_peer(struct db *db, struct str peer_id, struct arena *arena, struct peer *ret_peer,
               struct err *err)
{
    struct known_peer known = {0};

    *ret_peer = (struct peer){.id = peer_id};
    switch (
        db_one(db, &q_facts_peer, DB_ARGS(DB_TEXT(peer_id)), &known_peer_row, arena, &known, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    ret_peer->member = known.member != 0;
    ret_peer->name = known.name;
    ret_peer->country = known.country;
    ret_peer->participant = known.participant;
    ret_peer->verified_us = known.verified_us;
    ret_peer->credential_id = known.credential_id;
    ret_peer->issuer = known.issuer;
    ret_peer->attestations = known.attestations;
    ret_peer->issued_us = known.issued_us;
    ret_peer->expires_us = known.expires_us;
    return 0;
}
