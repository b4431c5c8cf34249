/*
 * connector/mgmt/partner_group.c - /v3/business-partner-groups (Tractus-X): which groups a partner is
 * in, for policies about BusinessPartnerGroup
 *
 * A partner goes by the id with which it proves itself to us, its DID. The groups are ours alone:
 * no partner can see or claim them. A change counts for the next catalogue and negotiation, and the
 * transfers of the partner that run are decided again at once.
 */
#include "connector/dsp/dsp.h"
#include "connector/mgmt/mgmt_private.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define GROUPS_MAX 1000 /* of one partner */
#define LIST_MAX   10000

struct groups_in {
    struct str id;
    const struct jval *groups, *groups_edc;
};
/* clang-format off */
static const struct form_row groups_rows[] = {
    FORM_ROW(struct groups_in, id,         "@id",            FORM_ID,   true),
    FORM_ROW(struct groups_in, groups,     MGMT_TX "groups", FORM_LIST, false),
    FORM_ROW(struct groups_in, groups_edc, LD_EDC "groups",  FORM_LIST, false),
};
FORM(groups_form, groups_rows);

struct name {
    struct str name;
};
static const struct field name_fields[] = {FIELD(struct name, name, "name", F_REQUIRED)};
/* clang-format on */
static OBJECT(name_row, struct name, name_fields, OPEN);

struct groups_change {
    struct change change;
    bool create;
    struct str id;
    struct str *groups;
    size_t n;
};

/* -- changing ---------------------------------------------------------------------------------- */

static int read_groups(struct rq *rq, struct groups_change *c, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *node, *list;
    struct groups_in in = {0};

    if (mgmt__expand(rq, NULL, false, &doc, &node, err) < 0 ||
        form_decode(&groups_form, node, rq->arena, &in, err) < 0)
        return err_ret(err);
    list = in.groups != NULL ? in.groups : in.groups_edc;
    if (jval_len(list) == 0)
        return form_missing(err, "array", MGMT_TX "groups");
    if (jval_len(list) > GROUPS_MAX)
        return err_tell(err, E_LIMIT, "/" MGMT_TX "groups", "at most %d groups", GROUPS_MAX);
    c->id = in.id;
    c->n = jval_len(list);
    c->groups = ARENA_ARRAY(rq->arena, struct str, c->n);
    if (c->groups == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    for (size_t i = 0; i < c->n; i++) {
        c->groups[i] = form_scalar(jval_at(list, i), rq->arena);
        if (c->groups[i].n == 0 || c->groups[i].n > LIMIT_ID)
            return err_tell(err, E_INVALID, "/" MGMT_TX "groups", "expected names of groups");
    }
    return 0;
}

static int put_groups(struct db *tx, void *arg, struct err *err)
{
    const struct groups_change *c = arg;
    int64_t n = 0;

    if (db_exec(tx, &q_mgmt_group_clear, DB_ARGS(DB_TEXT(c->id)), &n, err) < 0)
        return err_ret(err);
    if (c->create && n > 0)
        return mgmt__exists(err, "BusinessPartner", c->id);
    if (!c->create && n == 0)
        return mgmt__not_found(err, "BusinessPartner", c->id);
    for (size_t i = 0; i < c->n; i++) {
        if (db_exec(tx, &q_mgmt_group_insert, DB_ARGS(DB_TEXT(c->id), DB_TEXT(c->groups[i])), NULL,
                    err) < 0)
            return err_ret(err);
    }
    return 0;
}

static void reconsider(struct change *change)
{
    const struct groups_change *c = (const struct groups_change *)change;

    dsp_reconsider(change->rq->app, c->id);
}

static int change(struct rq *rq, bool create, bool remove, struct err *err)
{
    struct groups_change *c = ARENA_NEW(rq->arena, struct groups_change);

    if (c == NULL)
        return err_set(err, E_LIMIT, "", "memory of the request");
    c->change.catalogue = true;
    c->change.after = reconsider;
    c->create = create;
    c->id = remove ? rq_param(rq, "id") : STR_NONE;
    if (!remove && read_groups(rq, c, err) < 0)
        return err_ret(err);
    return mgmt__change(rq, &c->change, "partner groups", put_groups, err);
}

int mgmt_groups_create(struct rq *rq, struct err *err)
{
    return change(rq, true, false, err);
}

int mgmt_groups_update(struct rq *rq, struct err *err)
{
    return change(rq, false, false, err);
}

int mgmt_groups_delete(struct rq *rq, struct err *err)
{
    return change(rq, false, true, err);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int answer(struct rq *rq, struct str id, const char *key, const struct list *names,
                  struct err *err)
{
    AUTO(buf_done) struct buf body = buf_init(ANSWER_MAX);
    struct jw w = jw_init(&body);

    jw_object(&w);
    if (str_present(id))
        jw_kstr(&w, "@id", id);
    jw_key(&w, key);
    if (names->n != 1)
        jw_array(&w);
    for (size_t i = 0; i < names->n; i++)
        jw_str(&w, LIST_ITEMS(struct name, *names)[i].name);
    if (names->n != 1)
        jw_array_end(&w);
    mgmt__context_tx(&w);
    return mgmt__reply(rq, &body, err);
}

static int list(struct rq *rq, const struct query *query, const char *key, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct str id = rq_param(rq, "id");
    struct list names = {0};

    if (db_list(worker->db, query, DB_ARGS(DB_TEXT(id), DB_I64(LIST_MAX)), &name_row, rq->arena,
                LIST_MAX, &names, err) < 0)
        return err_ret(err);
    if (names.n == 0)
        return mgmt__not_found(err, "BusinessPartner", id);
    return answer(rq, id, key, &names, err);
}

int mgmt_groups_of_partner(struct rq *rq, struct err *err)
{
    return list(rq, &q_mgmt_partner_groups, "tx:groups", err);
}

int mgmt_partners_of_group(struct rq *rq, struct err *err)
{
    return list(rq, &q_mgmt_group_partners, "tx:bpns", err);
}

int mgmt_groups_all(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct list names = {0};

    if (db_list(worker->db, &q_mgmt_groups, DB_ARGS(DB_I64(LIST_MAX)), &name_row, rq->arena,
                LIST_MAX, &names, err) < 0)
        return err_ret(err);
    return answer(rq, STR_NONE, "tx:groups", &names, err);
}
