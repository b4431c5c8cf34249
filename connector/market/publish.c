/*
 * connector/market/publish.c - POST /naru/v1/datasets: one call publishes a file, an HTTP origin or
 * a query
 *
 * In one operation of the writer: asset, access policy, contract policy, contract definition,
 * publication, and the signed catalogue entry in the outbox (docs/exchange.md §2). A contract
 * policy made here names the plans (`order isAnyOf urn:naru:plan:<hash>`), free ones too: the order
 * is where the buyer declares its purpose. Without a data bank there are no orders, and only free
 * plans. A policy given as ODRL is kept as given; with a price it must ask for an order. Publishing
 * the same asset again makes the next version. GET lists what is published; DELETE withdraws: the
 * offer goes at once, agreements that exist keep running.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/dataplane.h"
#include "connector/dsp/dsp.h"
#include "connector/events/events.h"
#include "connector/identity/identity.h"
#include "connector/market/market_private.h"
#include "connector/replica.h"
#include "connector/store/lineage.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/log/log.h"
#include "lib/rating/rating.h"
#include "policy/policy.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define EDC_NS       "https://w3id.org/edc/v0.0.1/ns/"
#define DCT_NS       "http://purl.org/dc/terms/"
#define PLANS_MAX    16
#define ENTRY_BYTES  KIB(512)
#define OPERAND_NARU "urn:naru:policy:"
#define OPERAND_ODRL "http://www.w3.org/ns/odrl/2/"
#define OPERAND_CX   "https://w3id.org/catenax/2025/9/policy/"

struct terms {
    struct str_list purposes, countries;
    int64_t until_us;
    bool members_only;
};

struct publish {
    struct str asset;
    struct wire_text *title, *description;
    int domain;
    const struct jval *source;
    struct str media_type, semantic_id, sample;
    struct str_list keywords;
    const struct jval *schema, *quality;
    const struct jval *policy;
    struct terms *terms;
    const struct jval *plans;
    int visibility;
    struct str_list visible_to;
};
/* clang-format off */
static const struct field text_fields[] = {
    FIELD(struct wire_text, ko, "ko", 0),
    FIELD(struct wire_text, en, "en", 0),
};
static OBJECT(text_object, struct wire_text, text_fields, CLOSED);
static const struct field terms_fields[] = {
    FIELD(struct terms, purposes,     "purposes",     0),
    FIELD(struct terms, countries,    "countries",    0),
    FIELD(struct terms, until_us,     "until",        F_TIME),
    FIELD(struct terms, members_only, "members_only", 0),
};
static OBJECT(terms_object, struct terms, terms_fields, CLOSED);
static const struct field publish_fields[] = {
    FIELD(struct publish, asset,           "asset",       0),
    FIELD_SUB(struct publish, title,       "title",       F_REQUIRED, &text_object),
    FIELD_SUB(struct publish, description, "description", 0, &text_object),
    FIELD_ENUM(struct publish, domain,     "domain",      F_REQUIRED, data_domain_names),
    FIELD(struct publish, source,          "source",      F_REQUIRED),
    FIELD(struct publish, media_type,      "media_type",  0),
    FIELD(struct publish, semantic_id,     "semantic_id", 0),
    FIELD(struct publish, sample,          "sample",      0),
    FIELD(struct publish, keywords,        "keywords",    0),
    FIELD(struct publish, schema,          "schema",      0),
    FIELD(struct publish, quality,         "quality",     0),
    FIELD(struct publish, policy,          "policy",      0),
    FIELD_SUB(struct publish, terms,       "terms",       0, &terms_object),
    FIELD(struct publish, plans,           "plans",       F_REQUIRED),
    FIELD_ENUM(struct publish, visibility, "visibility",  0, visibility_names),
    FIELD(struct publish, visible_to,      "visible_to",  0),
};
static OBJECT(publish_object, struct publish, publish_fields, CLOSED);

struct publication {
    struct str asset_id, dataset_id;
    int64_t version;
    struct str entry, state;
    int64_t published_us;
};
static const struct field publication_fields[] = {
    FIELD(struct publication, asset_id,     "asset_id",     F_REQUIRED),
    FIELD(struct publication, dataset_id,   "dataset_id",   F_REQUIRED),
    FIELD(struct publication, version,      "version",      F_REQUIRED),
    FIELD(struct publication, entry,        "entry",        F_REQUIRED),
    FIELD(struct publication, state,        "state",        F_REQUIRED),
    FIELD(struct publication, published_us, "published_us", F_REQUIRED),
};
static OBJECT(publication_row, struct publication, publication_fields, OPEN);

/* clang-format on */

/* Everything that the writer's operation needs, made before it. */
struct work {
    struct writer_op op;
    struct rq *rq;
    struct publish in;
    struct str asset_id, properties, source, entry;
    struct str access_policy, access_hash, contract_policy, contract_hash;
    struct str plan_iris[PLANS_MAX], plan_hashes[PLANS_MAX];
    size_t n_plans;
    bool priced; /* one of the plans is not free */
    int64_t version, now_us;
    int64_t bytes;
    struct str digest;
    struct outbox_msg msg;
    struct err err;
};

/* -- policies ---------------------------------------------------------------------------------- */

static void constraint(struct jw *w, const char *operand, const char *operator,
                       const struct str * values, size_t n, bool list)
{
    jw_object(w);
    jw_kc(w, "leftOperand", operand);
    jw_kc(w, "operator", operator);
    jw_key(w, "rightOperand");
    if (list)
        jw_array(w);
    for (size_t i = 0; i < n; i++)
        jw_str(w, values[i]);
    if (list)
        jw_array_end(w);
    jw_object_end(w);
}

static void begin_set(struct jw *w)
{
    jw_object(w);
    jw_key(w, "@context");
    jw_array(w);
    jw_c(w, "https://w3id.org/dspace/2025/1/odrl-profile.jsonld");
    jw_array_end(w);
    jw_kc(w, "@type", "Set");
    jw_key(w, "permission");
    jw_array(w);
    jw_object(w);
    jw_kc(w, "action", "use");
}

static void end_set(struct jw *w)
{
    jw_object_end(w);
    jw_array_end(w);
    jw_object_end(w);
}

static void write_access(const struct publish *in, struct jw *w)
{
    const bool named = in->visibility != VISIBLE_OPEN && in->visible_to.n > 0;
    const bool members = in->terms != NULL && in->terms->members_only;

    begin_set(w);
    if (named || members) {
        jw_key(w, "constraint");
        jw_array(w);
        if (named)
            constraint(w, OPERAND_NARU "participant", "isAnyOf", in->visible_to.items,
                       in->visible_to.n, true);
        if (members)
            constraint(w, OPERAND_CX "Membership", "eq", &STR("active"), 1, false);
        jw_array_end(w);
    }
    end_set(w);
}

static void write_contract(const struct work *work, struct jw *w)
{
    const struct terms *t = work->in.terms;
    const bool ordered = exchange_enabled(work->rq->app);

    begin_set(w);
    if (!ordered && t == NULL) {
        end_set(w);
        return;
    }
    jw_key(w, "constraint");
    jw_array(w);
    if (ordered)
        constraint(w, OPERAND_NARU "order", "isAnyOf", work->plan_iris, work->n_plans, true);
    if (t != NULL && t->purposes.n > 0)
        constraint(w, OPERAND_ODRL "purpose", "isAnyOf", t->purposes.items, t->purposes.n, true);
    if (t != NULL && t->countries.n > 0)
        constraint(w, OPERAND_ODRL "spatial", "isAnyOf", t->countries.items, t->countries.n, true);
    if (t != NULL && t->until_us != 0) {
        const struct time_text until = time_format(t->until_us);

        constraint(w, OPERAND_ODRL "dateTime", "lteq",
                   &(const struct str){until.c, strlen(until.c)}, 1, false);
    }
    if (t != NULL && t->members_only)
        constraint(w, OPERAND_CX "Membership", "eq", &STR("active"), 1, false);
    jw_array_end(w);
    end_set(w);
}

/*
 * Compiles a policy text and keeps text and hash; a policy that the engine refuses is refused here.
 */
static int keep_policy(struct arena *arena, struct str text, struct str *ret_text,
                       struct str *ret_hash, uint64_t *ret_needs, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;

    if (jdoc_parse(text, &jlimits_default, &doc, err) < 0 ||
        policy_compile(jdoc_root(doc), &policy, err) < 0)
        return err_at_prefix(err, "/policy");
    *ret_needs = policy_needs(policy, POLICY_AT_ACCESS);
    *ret_text = arena_str(arena, text);
    *ret_hash = arena_str(arena, str_c(hash_hex(policy_hash(policy)).c));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "policy") : 0;
}

static int make_policies(struct work *work, struct err *err)
{
    AUTO(buf_done) struct buf access = buf_init(KIB(256));
    AUTO(buf_done) struct buf contract = buf_init(KIB(256));
    struct jw wa = jw_init(&access);
    struct jw wc = jw_init(&contract);
    uint64_t needs;

    write_access(&work->in, &wa);
    if (work->in.policy != NULL && work->in.terms != NULL)
        return err_tell(err, E_INVALID, "/policy", "expected either 'policy' or 'terms'");
    if (work->in.policy != NULL)
        jval_write(&contract, work->in.policy);
    else
        write_contract(work, &wc);
    if (buf_failed(&access) || buf_failed(&contract))
        return err_tell(err, E_LIMIT, "/policy", "the policy is too large");
    if (keep_policy(work->rq->arena, buf_str(&access), &work->access_policy, &work->access_hash,
                    &needs, err) < 0 ||
        keep_policy(work->rq->arena, buf_str(&contract), &work->contract_policy,
                    &work->contract_hash, &needs, err) < 0)
        return err_ret(err);
    if (work->priced && !policy_needs_operand(needs, POLICY_OP_ORDER))
        return err_tell(err, E_INVALID, "/policy",
                        "with a price, expected a constraint on " OPERAND_NARU "order: without it "
                        "nobody would have to order");
    return 0;
}

/* -- plans, source, catalogue entry ------------------------------------------------------------ */

static int read_plans(struct work *work, struct err *err)
{
    struct arena *arena = work->rq->arena;

    if (jtype_of(work->in.plans) != J_ARRAY || jval_len(work->in.plans) == 0 ||
        jval_len(work->in.plans) > PLANS_MAX)
        return err_tell(err, E_INVALID, "/plans", "expected 1 to %d price plans", PLANS_MAX);
    for (size_t i = 0; i < jval_len(work->in.plans); i++) {
        const struct plan *plan;
        uint8_t hash[SHA256_LEN];
        char at[32];

        if (plan_decode(jval_at(work->in.plans, i), arena, &plan, err) < 0) {
            snprintf(at, sizeof(at), "/plans/%zu", i);
            return err_at_prefix(err, at);
        }
        if (plan->kind != PLAN_FREE && !exchange_enabled(work->rq->app)) {
            snprintf(at, sizeof(at), "/plans/%zu", i);
            return err_tell(err, E_INVALID, at, "a price needs a data bank that settles it");
        }
        work->priced = work->priced || plan->kind != PLAN_FREE;
        sha256(plan_canonical(plan).p, plan_canonical(plan).n, hash);
        work->plan_hashes[i] = arena_str(arena, str_c(hash_hex(hash).c));
        work->plan_iris[i] = arena_printf(arena, "urn:naru:plan:%s", hash_hex(hash).c);
        work->n_plans++;
    }
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "plans") : 0;
}

/* Size and digest of a single file; anything else has none. */
static int measure_file(struct work *work, struct err *err)
{
    const struct str path = jval_str(jval_get(work->in.source, "path"));
    struct arena *arena = work->rq->arena;
    struct hash *hash;
    uint8_t sum[SHA256_LEN];
    char piece[65536];
    struct stat st;
    ssize_t n;
    int fd;

    if (!str_eq(jval_str(jval_get(work->in.source, "type")), STR("File")) || path.n == 0)
        return 0;
    fd = dataplane_open_file(work->rq->app, path, err);
    if (fd < 0 && err->code == E_NOT_FOUND) { /* a folder */
        err_clear(err);
        return 0;
    }
    if (fd < 0)
        return err_at_prefix(err, "/source");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return 0;
    }
    hash = hash_begin();
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        hash_add(hash, piece, (size_t)n);
    hash_end(&hash, sum);
    close(fd);
    if (n < 0)
        return err_set(err, E_IO, "/source/path", "reading failed");
    work->bytes = st.st_size;
    work->digest = arena_printf(arena, "sha256:%s", hash_hex(sum).c);
    return 0;
}

static int read_source(struct work *work, struct err *err)
{
    struct app *app = work->rq->app;
    AUTO(buf_done) struct buf text = buf_init(KIB(64));

    if (jtype_of(work->in.source) != J_OBJECT)
        return err_tell(err, E_INVALID, "/source", "expected a data address");
    jval_write(&text, work->in.source);
    if (dataplane_check_address(app, buf_str(&text), STR("HttpData-PULL"), err) < 0)
        return err_at_prefix(err, "/source");
    work->source = arena_str(work->rq->arena, buf_str(&text));
    return measure_file(work, err);
}

static void optional(struct jw *w, const char *key, struct str value)
{
    if (value.n > 0)
        jw_kstr(w, key, value);
}

static void write_strings(struct jw *w, const char *key, const struct str_list *list)
{
    if (list->n == 0)
        return;
    jw_key(w, key);
    jw_array(w);
    for (size_t i = 0; i < list->n; i++)
        jw_str(w, list->items[i]);
    jw_array_end(w);
}

static void write_text(struct jw *w, const char *key, const struct wire_text *text)
{
    if (text == NULL)
        return;
    jw_key(w, key);
    jw_object(w);
    optional(w, "en", text->en);
    optional(w, "ko", text->ko);
    jw_object_end(w);
}

static void write_entry(const struct work *work, struct jw *w)
{
    const struct app *app = work->rq->app;
    const struct publish *in = &work->in;

    jw_object(w);
    jw_kstr(w, "asset", work->asset_id);
    jw_kc(w, "issued_at", time_format(work->now_us).c);
    jw_ki64(w, "version", work->version);
    jw_kstr(w, "provider", app->settings->participant_did);
    write_text(w, "title", in->title);
    write_text(w, "description", in->description);
    jw_kc(w, "domain", data_domain_names[in->domain]);
    write_strings(w, "keywords", &in->keywords);
    optional(w, "semantic_id", in->semantic_id);
    optional(w, "media_type", in->media_type);
    if (work->bytes > 0)
        jw_ki64(w, "bytes", work->bytes);
    optional(w, "digest", work->digest);
    if (in->schema != NULL)
        jw_kval(w, "schema", in->schema);
    optional(w, "sample", in->sample);
    if (in->quality != NULL)
        jw_kval(w, "quality", in->quality);
    jw_kraw(w, "policy", work->contract_policy);
    jw_kval(w, "plans", in->plans);
    jw_kc(w, "visibility", visibility_names[in->visibility]);
    write_strings(w, "visible_to", &in->visible_to);
    jw_kstr(w, "endpoint", app->dsp_url);
    jw_key(w, "formats");
    jw_array(w);
    jw_c(w, "HttpData-PULL");
    jw_array_end(w);
    jw_object_end(w);
}

/*
 * The entry in canonical form; decoded once more, so that what the broker would refuse is refused
 * here.
 */
static int make_entry(struct work *work, struct err *err)
{
    struct arena *arena = work->rq->arena;
    AUTO(buf_done) struct buf text = buf_init(ENTRY_BYTES);
    AUTO(buf_done) struct buf canonical = buf_init(ENTRY_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct wire_dataset entry = {0};
    struct jw w = jw_init(&text);

    write_entry(work, &w);
    if (buf_failed(&text))
        return err_tell(err, E_LIMIT, "", "the catalogue entry is larger than %zu bytes",
                        ENTRY_BYTES);
    if (jdoc_parse(buf_str(&text), &jlimits_default, &doc, err) < 0 ||
        object_decode(&wire_dataset_object, jdoc_root(doc), arena, &entry, err) < 0 ||
        wire_dataset_check(&entry, err) < 0)
        return err_ret(err);
    jval_canonical(&canonical, jdoc_root(doc));
    work->entry = arena_str(arena, buf_str(&canonical));
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "catalogue entry") : 0;
}

static void property(struct jw *w, const char *name, struct str value)
{
    if (value.n == 0)
        return;
    jw_key(w, name);
    jw_array(w);
    jw_object(w);
    jw_kstr(w, "@value", value);
    jw_object_end(w);
    jw_array_end(w);
}

static struct str any_text(const struct wire_text *text)
{
    if (text == NULL)
        return STR_NONE;
    return text->en.n > 0 ? text->en : text->ko;
}

static int make_properties(struct work *work, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    jw_object(&w);
    property(&w, EDC_NS "name", any_text(work->in.title));
    property(&w, DCT_NS "description", any_text(work->in.description));
    property(&w, EDC_NS "contenttype", work->in.media_type);
    property(&w, EDC_NS "domain", str_c(data_domain_names[work->in.domain]));
    property(&w, EDC_NS "semanticId", work->in.semantic_id);
    jw_object_end(&w);
    work->properties = arena_str(work->rq->arena, buf_str(&out));
    return buf_failed(&out) || arena_failed(work->rq->arena)
               ? err_set(err, E_LIMIT, "", "properties of '%.*s'", STR_ARG(work->asset_id))
               : 0;
}

/* The message to the broker: PUT /v1/datasets/{asset} with the signed entry. */
static int make_message(struct work *work, struct err *err)
{
    struct app *app = work->rq->app;
    struct arena *arena = work->rq->arena;
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    AUTO(buf_done) struct buf body = buf_init(2 * ENTRY_BYTES);

    if (!exchange_enabled(app))
        return 0;
    buf_add_str(&url, app->settings->broker_url);
    buf_add_c(&url, "/v1/datasets/");
    encode_percent(&url, work->asset_id);
    buf_add_c(&body, "{\"entry\":\"");
    if (identity_sign(app->identity, WIRE_TYP_DATASET, work->entry, &body, err) < 0)
        return err_ret(err);
    buf_add_c(&body, "\"}");
    exchange_message(app, &work->msg, "broker/dataset", "broker.dataset.put",
                     arena_str(arena, buf_str(&url)), arena_str(arena, buf_str(&body)));
    return buf_failed(&url) || buf_failed(&body) || arena_failed(arena)
               ? err_tell(err, E_LIMIT, "/asset", "the asset id is too long")
               : 0;
}

/* -- the operation ----------------------------------------------------------------------------- */

static int store_property(struct db *tx, const struct work *work, const char *name,
                          struct str value, struct err *err)
{
    if (value.n == 0)
        return 0;
    return db_exec(tx, &q_publish_property,
                   DB_ARGS(DB_TEXT(work->asset_id), DB_TEXT(str_c(name)), DB_TEXT(value)), NULL,
                   err);
}

static int store_asset(struct db *tx, const struct work *work, struct err *err)
{
    if (db_exec(tx, &q_publish_asset,
                DB_ARGS(DB_TEXT(work->asset_id), DB_TEXT(work->properties), DB_TEXT(work->source),
                        DB_I64(work->now_us)),
                NULL, err) < 0 ||
        db_exec(tx, &q_publish_property_clear, DB_ARGS(DB_TEXT(work->asset_id)), NULL, err) < 0)
        return err_ret(err);
    if (store_property(tx, work, EDC_NS "name", any_text(work->in.title), err) < 0 ||
        store_property(tx, work, EDC_NS "contenttype", work->in.media_type, err) < 0 ||
        store_property(tx, work, EDC_NS "domain", str_c(data_domain_names[work->in.domain]), err) <
            0 ||
        store_property(tx, work, EDC_NS "semanticId", work->in.semantic_id, err) < 0 ||
        store_property(tx, work, "private:dataAddress.type",
                       jval_str(jval_get(work->in.source, "type")), err) < 0)
        return err_ret(err);
    return 0;
}

static int tell(struct db *tx, const struct work *work, struct str access_id,
                struct str contract_id, struct str definition_id, struct err *err)
{
    const bool again = work->version > 1;

    const struct {
        enum event_id created, updated;
        struct str subject;
    } events[] = {
        {EV_ASSET_CREATED,      EV_ASSET_UPDATED,      work->asset_id},
        {EV_POLICY_CREATED,     EV_POLICY_UPDATED,     access_id     },
        {EV_POLICY_CREATED,     EV_POLICY_UPDATED,     contract_id   },
        {EV_DEFINITION_CREATED, EV_DEFINITION_UPDATED, definition_id },
    };

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events_put(work->rq->app, tx, again ? events[i].updated : events[i].created,
                       events[i].subject, STR_NONE, false, work->now_us, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int store_offer(struct db *tx, const struct work *work, struct err *err)
{
    struct arena *arena = work->rq->arena;
    AUTO(buf_done) struct buf selector = buf_init(KIB(8));
    const struct str access_id = arena_printf(arena, "%.*s/access", STR_ARG(work->asset_id));
    const struct str contract_id = arena_printf(arena, "%.*s/contract", STR_ARG(work->asset_id));
    const struct str definition_id = arena_printf(arena, "%.*s/offer", STR_ARG(work->asset_id));
    struct jw w = jw_init(&selector);

    jw_array(&w);
    jw_object(&w);
    jw_kc(&w, "operandLeft", EDC_NS "id");
    jw_kc(&w, "operator", "=");
    jw_kstr(&w, "operandRight", work->asset_id);
    jw_object_end(&w);
    jw_array_end(&w);
    if (arena_failed(arena) || buf_failed(&selector))
        return err_set(err, E_NO_MEMORY, "", "offer");
    if (db_exec(tx, &q_publish_policy,
                DB_ARGS(DB_TEXT(access_id), DB_TEXT(work->access_policy),
                        DB_TEXT(work->access_hash), DB_I64(work->now_us)),
                NULL, err) < 0 ||
        db_exec(tx, &q_publish_policy,
                DB_ARGS(DB_TEXT(contract_id), DB_TEXT(work->contract_policy),
                        DB_TEXT(work->contract_hash), DB_I64(work->now_us)),
                NULL, err) < 0 ||
        lineage_put(tx, access_id, work->access_policy, err) < 0 ||
        lineage_put(tx, contract_id, work->contract_policy, err) < 0)
        return err_ret(err);
    if (db_exec(tx, &q_publish_definition,
                DB_ARGS(DB_TEXT(definition_id), DB_TEXT(access_id), DB_TEXT(contract_id),
                        DB_TEXT(buf_str(&selector)), DB_I64(work->now_us)),
                NULL, err) < 0)
        return err_ret(err);
    return tell(tx, work, access_id, contract_id, definition_id, err);
}

static int store(struct db *tx, void *arg, struct err *err)
{
    struct work *work = arg;
    struct app *app = work->rq->app;
    const struct str state = work->msg.id != 0 ? STR("sent") : STR("local");

    if (store_asset(tx, work, err) < 0 || store_offer(tx, work, err) < 0 ||
        db_exec(tx, &q_publication_put,
                DB_ARGS(DB_TEXT(work->asset_id), DB_TEXT(STR("")), DB_I64(work->version),
                        DB_TEXT(work->entry), DB_TEXT(state), DB_I64(work->now_us)),
                NULL, err) < 0)
        return err_ret(err);
    if (replica_tell(tx, app->replica, NEWS_CATALOGUE, STR_NONE, err) < 0)
        return err_ret(err);
    return work->msg.id != 0 ? outbox_put(app->outbox, tx, &work->msg, err) : 0;
}

static void stored(void *arg, const struct err *err)
{
    struct work *work = arg;
    struct app *app = work->rq->app;

    work->err = *err;
    if (err->code == E_OK) {
        dsp_catalogue_changed(app->dsp);
        events_committed(app);
        if (work->msg.id != 0)
            outbox_wake(app->outbox, &work->msg);
    }
    rq_resume(work->rq);
}

static int answer(struct rq *rq, struct err *err)
{
    const struct work *work = rq->cls;
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    if (work->err.code != E_OK) {
        *err = work->err;
        return err_ret(err);
    }
    log_info(&rq->log, "dataset published", L_STR("asset", work->asset_id),
             L_I64("version", work->version));
    jw_object(&w);
    jw_kstr(&w, "asset", work->asset_id);
    jw_ki64(&w, "version", work->version);
    jw_kc(&w, "state", work->msg.id != 0 ? "sent" : "local");
    optional(&w, "digest", work->digest);
    if (work->bytes > 0)
        jw_ki64(&w, "bytes", work->bytes);
    jw_key(&w, "plans");
    jw_array(&w);
    for (size_t i = 0; i < work->n_plans; i++)
        jw_str(&w, work->plan_hashes[i]);
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

/*
 * The version after the one that is published. Two calls at once for one asset: the database's
 * version decides at the broker (409 there).
 */
static int next_version(struct work *work, struct err *err)
{
    const struct worker *worker = work->rq->thread;
    struct publication before = {0};

    if (db_one(worker->db, &q_publication_get, DB_ARGS(DB_TEXT(work->asset_id)), &publication_row,
               work->rq->arena, &before, err) == DB_FAIL)
        return err_ret(err);
    work->version = before.version + 1;
    return 0;
}

static int prepare(struct rq *rq, struct work *work, struct err *err)
{
    work->rq = rq;
    work->now_us = env_wall_us(rq->env);
    if (rq_decode(rq, &publish_object, &work->in, err) < 0)
        return err_ret(err);
    work->asset_id = work->in.asset;
    if (work->asset_id.n == 0)
        work->asset_id = arena_str(rq->arena, str_c(uuid_format(uuid_new(rq->env)).c));
    if (work->asset_id.n > 512)
        return err_tell(err, E_LIMIT, "/asset", "at most 512 bytes");
    if (read_plans(work, err) < 0 || read_source(work, err) < 0 || make_policies(work, err) < 0 ||
        next_version(work, err) < 0 || make_properties(work, err) < 0 || make_entry(work, err) < 0)
        return err_ret(err);
    return make_message(work, err);
}

int market_publish(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct work *work = ARENA_NEW(rq->arena, struct work);

    if (work == NULL)
        return err_set(err, E_NO_MEMORY, "", "dataset");
    if (prepare(rq, work, err) < 0)
        return err_ret(err);
    work->op = (struct writer_op){.name = "publish", .fn = store, .arg = work, .done = stored};
    rq->cls = work;
    rq_suspend(rq, answer);
    if (writer_submit(app->writer, &work->op, &work->err) < 0)
        rq_resume(rq);
    return 0;
}

/* -- what is published ------------------------------------------------------------------------- */

static void write_publication(const struct publication *p, struct jw *w)
{
    jw_object(w);
    jw_kstr(w, "asset", p->asset_id);
    optional(w, "dataset", p->dataset_id);
    jw_ki64(w, "version", p->version);
    jw_kstr(w, "state", p->state);
    jw_kc(w, "published_at", time_format(p->published_us).c);
    jw_kraw(w, "entry", p->entry);
    jw_object_end(w);
}

int market_datasets(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(64));
    struct list list = {0};
    struct jw w = jw_init(&out);
    int64_t most;

    if (rq_query_i64(rq, "limit", 50, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_list(worker->db, &q_publication_list,
                DB_ARGS(DB_TEXT(rq_query(rq, "after")), DB_I64(most)), &publication_row, rq->arena,
                (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++)
        write_publication(&LIST_ITEMS(struct publication, list)[i], &w);
    jw_array_end(&w);
    if (list.n == (size_t)most)
        jw_kstr(&w, "next", LIST_ITEMS(struct publication, list)[list.n - 1].asset_id);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

static int find_publication(struct rq *rq, struct publication *ret, struct err *err)
{
    const struct worker *worker = rq->thread;

    switch (db_one(worker->db, &q_publication_get, DB_ARGS(DB_TEXT(rq_param(rq, "asset"))),
                   &publication_row, rq->arena, ret, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "nothing is published under this asset id");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int market_dataset(struct rq *rq, struct err *err)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct publication publication = {0};
    struct jw w = jw_init(&out);

    if (find_publication(rq, &publication, err) < 0)
        return err_ret(err);
    write_publication(&publication, &w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}

struct withdrawal {
    struct app *app;
    struct str asset_id, definition_id;
    struct outbox_msg msg;
};

static int store_withdrawal(struct db *tx, void *arg, struct err *err)
{
    struct withdrawal *w = arg;

    if (db_exec(tx, &q_unpublish_definition, DB_ARGS(DB_TEXT(w->definition_id)), NULL, err) < 0 ||
        db_exec(tx, &q_publication_withdraw, DB_ARGS(DB_TEXT(w->asset_id)), NULL, err) < 0 ||
        events_put(w->app, tx, EV_DEFINITION_DELETED, w->definition_id, STR_NONE, false,
                   env_wall_us(w->app->env), err) < 0 ||
        replica_tell(tx, w->app->replica, NEWS_CATALOGUE, STR_NONE, err) < 0)
        return err_ret(err);
    return w->msg.id != 0 ? outbox_put(w->app->outbox, tx, &w->msg, err) : 0;
}

int market_withdraw(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL);
    struct withdrawal w = {.app = app, .asset_id = rq_param(rq, "asset")};
    struct publication publication = {0};

    if (find_publication(rq, &publication, err) < 0)
        return err_ret(err);
    w.definition_id = arena_printf(rq->arena, "%.*s/offer", STR_ARG(w.asset_id));
    buf_add_str(&url, app->settings->broker_url);
    buf_add_c(&url, "/v1/datasets/");
    encode_percent(&url, w.asset_id);
    if (exchange_enabled(app))
        exchange_message(app, &w.msg, "broker/dataset", "broker.dataset.delete", buf_str(&url),
                         STR(""));
    if (writer_call(app->writer, "withdraw", store_withdrawal, &w, err) < 0)
        return err_ret(err);
    dsp_catalogue_changed(app->dsp);
    events_committed(app);
    if (w.msg.id != 0)
        outbox_wake(app->outbox, &w.msg);
    rq_reply_empty(rq, 204);
    return 0;
}
