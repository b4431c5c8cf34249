/*
 * server/catalogue/page.c - GET /v1/datasets/{dataset}: product page: entry, plans with hashes,
 * provider, policy in words
 */
#include "lib/base/limits.h"
#include "policy/policy.h"
#include "server/catalogue/catalogue_private.h"
#include "server/registry/registry.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

struct offered {
    struct str plan_hash, text;
};
/* clang-format off */
static const struct field offered_fields[] = {
    FIELD(struct offered, plan_hash, "plan_hash", F_REQUIRED),
    FIELD(struct offered, text,      "text",      F_REQUIRED),
};
/* clang-format on */
static OBJECT(offered_row, struct offered, offered_fields, OPEN);

static int write_plans(struct rq *rq, const struct dataset *d, struct jw *w, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct list plans = {0};

    if (db_list(worker->db, &q_dataset_plans, DB_ARGS(DB_UUID(d->dataset_id), DB_I64(d->version)),
                &offered_row, rq->arena, 0, &plans, err) < 0)
        return err_ret(err);
    jw_key(w, "plans");
    jw_array(w);
    for (size_t i = 0; i < plans.n; i++) {
        jw_object(w);
        jw_kstr(w, "hash", LIST_ITEMS(struct offered, plans)[i].plan_hash);
        jw_kraw(w, "plan", LIST_ITEMS(struct offered, plans)[i].text);
        jw_object_end(w);
    }
    jw_array_end(w);
    return 0;
}

static int write_policy_text(const struct dataset *d, struct jw *w, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf ko = buf_init(KIB(64));
    AUTO(buf_done) struct buf en = buf_init(KIB(64));

    if (jdoc_parse(d->entry, &jlimits_default, &doc, err) < 0 ||
        policy_compile(jval_get(jdoc_root(doc), "policy"), &policy, err) < 0)
        return err_set(err, E_CORRUPT, "cat.dataset.entry", "stored policy cannot be read");
    policy_explain(policy, POLICY_KO, &ko);
    policy_explain(policy, POLICY_EN, &en);
    jw_key(w, "policy_text");
    jw_object(w);
    jw_kstr(w, "ko", buf_str(&ko));
    jw_kstr(w, "en", buf_str(&en));
    jw_object_end(w);
    return 0;
}

int catalogue_page(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    const struct principal *who = rq_principal(rq);
    AUTO(buf_done) struct buf out = buf_init(MIB(2));
    struct participant provider = {0};
    struct dataset d = {0};
    struct jw w = jw_init(&out);
    struct uuid id;

    if (!uuid_parse(rq_param(rq, "dataset"), &id))
        return err_tell(err, E_NOT_FOUND, "", "no such dataset");
    if (dataset_get(worker->db, id, who->participant, who->did, rq->arena, &d, err) < 0 ||
        participant_get(worker->db, d.provider_id, rq->arena, &provider, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_kc(&w, "dataset", uuid_format(d.dataset_id).c);
    jw_ki64(&w, "version", d.version);
    jw_kstr(&w, "state", d.state);
    jw_kstr(&w, "price", d.price_kind);
    jw_kraw(&w, "entry", d.entry);
    jw_key(&w, "provider");
    jw_object(&w);
    jw_kstr(&w, "did", provider.did);
    jw_kstr(&w, "ko", provider.name_ko);
    jw_kstr(&w, "en", provider.name_en);
    jw_object_end(&w);
    if (write_plans(rq, &d, &w, err) < 0 || write_policy_text(&d, &w, err) < 0)
        return err_ret(err);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
