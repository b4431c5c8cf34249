/*
 * connector/dsp/catalogue_make.c - a snapshot from assets, policies and contract definitions
 *
 * Policies with equal text are compiled once. A policy that the engine does not understand, or a
 * selector, takes its definition out of the catalogue: what cannot be decided is not offered.
 */
#include "connector/dataplane/dataplane.h"
#include "connector/dsp/catalogue_private.h"
#include "connector/dsp/dsp_private.h"
#include "lib/base/encode.h"
#include "lib/crypto/hash.h"
#include "lib/ld/ld.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define ROWS_MAX       10000000
#define HASH_PREFIX    16
#define TAILS_MAX      64
#define ASSET_PLACE    STR("{asset}")

#define CATALOGUE_MARK "https://w3id.org/edc/v0.0.1/ns/isCatalog"

struct definition {
    struct str definition_id, access_policy_id, contract_policy_id, selector, private_properties;
    struct str before, after; /* of the asset's id in its offers' ids; STR_NONE: made by us */
};

struct asset_text {
    struct str asset_id, properties, data_address;
};

struct policy_text {
    struct str policy_id, policy;
};

/* clang-format off */
static const struct field definition_fields[] = {
    FIELD(struct definition, definition_id, "definition_id", F_REQUIRED),
    FIELD(struct definition, access_policy_id, "access_policy_id", F_REQUIRED),
    FIELD(struct definition, contract_policy_id, "contract_policy_id", F_REQUIRED),
    FIELD(struct definition, selector, "selector", F_REQUIRED),
    FIELD(struct definition, private_properties, "private_properties", F_REQUIRED),
};
static OBJECT(definition_row, struct definition, definition_fields, OPEN);
static const struct field asset_fields[] = {
    FIELD(struct asset_text, asset_id, "asset_id", F_REQUIRED),
    FIELD(struct asset_text, properties, "properties", F_REQUIRED),
    FIELD(struct asset_text, data_address, "data_address", F_REQUIRED),
};
static OBJECT(asset_text_row, struct asset_text, asset_fields, OPEN);
static const struct field policy_fields[] = {
    FIELD(struct policy_text, policy_id, "policy_id", F_REQUIRED),
    FIELD(struct policy_text, policy, "policy", F_REQUIRED),
};
static OBJECT(policy_text_row, struct policy_text, policy_fields, OPEN);

/* clang-format on */

/* An asset that a definition selects. */
struct pair {
    struct str asset_id;
    size_t definition;
};

struct build {
    const struct app *app;
    struct catalogue *catalogue;
    struct db *db;
    struct arena *scratch;
    struct policy_text *texts; /* by id */
    size_t n_texts;
    struct catalogue_policy **by_text; /* same order */
    struct definition *definitions;
    size_t n_definitions;
    struct pair *pairs; /* by asset */
    size_t n_pairs, max_pairs;
    size_t *for_all; /* definitions that select every asset */
    size_t n_for_all;
    size_t n_named; /* offers whose definition says their id */
};

/*
 * -- policies
 * ----------------------------------------------------------------------------------------
 */

/* What a peer is, whatever it asks for. */
#define BIT(operand) (UINT64_C(1) << (operand))
#define NEEDS_OF_PEER                                                                              \
    (BIT(POLICY_OP_PARTICIPANT) | BIT(POLICY_OP_RECIPIENT) | BIT(POLICY_OP_MEMBERSHIP) |           \
     BIT(POLICY_OP_SPATIAL) | BIT(POLICY_OP_FRAMEWORK_AGREEMENT) |                                 \
     BIT(POLICY_OP_BUSINESS_PARTNER_NUMBER) | BIT(POLICY_OP_BUSINESS_PARTNER_GROUP))

static struct str rules_text(const struct policy *policy, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);
    struct jw w = jw_init(&out);

    jw_object(&w);
    policy_write_rules(policy, POLICY_FORM_DSP, &w);
    jw_object_end(&w);
    return buf_failed(&out) ? STR_NONE : arena_str(arena, str_n(out.p + 1, out.n - 2));
}

static int compile(struct build *b, struct str text, struct catalogue_policy *policy,
                   struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    static const struct str target = STR_INIT("target\"");

    if (jdoc_parse(text, NULL, &doc, err) < 0 ||
        policy_compile(jdoc_root(doc), &policy->policy, err) < 0)
        return err_ret(err);
    policy->rules = rules_text(policy->policy, b->catalogue->arena);
    policy->by_asset = (policy_needs(policy->policy, POLICY_AT_CATALOGUE) & ~NEEDS_OF_PEER) != 0 ||
                       memmem(text.p, text.n, target.p, target.n) != NULL;
    return str_present(policy->rules) ? 0 : err_set(err, E_NO_MEMORY, "", "policy");
}

struct text_ref {
    struct str text;
    size_t at;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct text_ref *)a)->text, ((const struct text_ref *)b)->text);
}

/* Compiles each different text once. */
static int compile_all(struct build *b, struct err *err)
{
    struct text_ref *order = ARENA_ARRAY(b->scratch, struct text_ref, b->n_texts);
    struct catalogue *c = b->catalogue;
    struct catalogue_policy *last = NULL;

    b->by_text = ARENA_ARRAY(b->scratch, struct catalogue_policy *, b->n_texts);
    c->policies = ARENA_ARRAY(c->arena, struct catalogue_policy, b->n_texts);
    if (order == NULL || b->by_text == NULL || c->policies == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    for (size_t i = 0; i < b->n_texts; i++)
        order[i] = (struct text_ref){b->texts[i].policy, i};
    if (b->n_texts > 1)
        qsort(order, b->n_texts, sizeof(*order), by_text);
    for (size_t i = 0; i < b->n_texts; i++) {
        struct err cause = {0};

        if (i > 0 && str_eq(order[i].text, order[i - 1].text)) {
            b->by_text[order[i].at] = last;
            continue;
        }
        last = &c->policies[c->n_policies];
        last->index = c->n_policies;
        if (compile(b, order[i].text, last, &cause) < 0) {
            log_err(NULL, "a policy is not understood, nothing is offered under it", &cause);
            policy_unref(&last->policy);
            last = NULL;
            continue;
        }
        c->n_policies++;
        b->by_text[order[i].at] = last;
    }
    return 0;
}

static const struct catalogue_policy *find_policy(const struct build *b, struct str id)
{
    size_t low = 0, high = b->n_texts;

    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = str_cmp(id, b->texts[mid].policy_id);

        if (order == 0)
            return b->by_text[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/*
 * -- selections
 * -----------------------------------------------------------------------------------------
 */

static int add_pairs(struct build *b, size_t definition, const struct id_set *set, struct err *err)
{
    if (set->all) {
        b->for_all[b->n_for_all++] = definition;
        return 0;
    }
    if (b->n_pairs + set->n > b->max_pairs) {
        const size_t max = (b->n_pairs + set->n) * 2;
        struct pair *pairs = ARENA_ARRAY(b->scratch, struct pair, max);

        if (pairs == NULL)
            return err_set(err, E_NO_MEMORY, "", "catalogue");
        if (b->n_pairs > 0)
            memcpy(pairs, b->pairs, b->n_pairs * sizeof(*pairs));
        b->pairs = pairs;
        b->max_pairs = max;
    }
    for (size_t i = 0; i < set->n; i++)
        b->pairs[b->n_pairs++] = (struct pair){set->ids[i], definition};
    return 0;
}

/* What the definition says of its offers' ids; false if that is not usable. */
static bool read_offer_id(struct build *b, struct definition *d)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    struct str form;
    const char *place;

    if (jdoc_parse(d->private_properties, NULL, &doc, &ignored) < 0)
        return false;
    if (ld_values(jdoc_root(doc), CATALOGUE_OFFER_ID) == NULL)
        return true;
    form = arena_str(b->scratch, ld_text(jdoc_root(doc), CATALOGUE_OFFER_ID));
    place = str_present(form) ? memmem(form.p, form.n, ASSET_PLACE.p, ASSET_PLACE.n) : NULL;
    if (place == NULL)
        return false;
    d->before = str_n(form.p, (size_t)(place - form.p));
    d->after = str_from(form, d->before.n + ASSET_PLACE.n);
    return true;
}

static int by_asset(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const int order = str_cmp(x->asset_id, y->asset_id);

    return order != 0 ? order : (x->definition > y->definition) - (x->definition < y->definition);
}

static int select_all(struct build *b, struct err *err)
{
    b->for_all = ARENA_ARRAY(b->scratch, size_t, b->n_definitions);
    if (b->for_all == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    for (size_t i = 0; i < b->n_definitions; i++) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        struct definition *d = &b->definitions[i];
        struct id_set set = {0};
        struct err cause = {0};

        if (!read_offer_id(b, d)) {
            log_warning(NULL,
                        "a contract definition's '" CATALOGUE_OFFER_ID
                        "' lacks '{asset}', it offers nothing",
                        L_STR("definition", d->definition_id));
            continue;
        }

        if (find_policy(b, d->access_policy_id) == NULL ||
            find_policy(b, d->contract_policy_id) == NULL) {
            log_warning(NULL, "a contract definition without usable policies offers nothing",
                        L_STR("definition", d->definition_id));
            continue;
        }
        if (jdoc_parse(d->selector, NULL, &doc, &cause) < 0 ||
            criteria_select(b->db, jdoc_root(doc), b->scratch, &set, &cause) < 0) {
            if (err_retry(cause.code) == LATER) {
                *err = cause;
                return err_ret(err);
            }
            IGNORE(err_prefix(&cause, "'%.*s'", STR_ARG(d->definition_id)), "logged below");
            log_err(NULL, "a contract definition's selector is not understood", &cause);
            continue;
        }
        if (add_pairs(b, i, &set, err) < 0)
            return err_ret(err);
    }
    if (b->n_pairs > 1)
        qsort(b->pairs, b->n_pairs, sizeof(*b->pairs), by_asset);
    return 0;
}

/*
 * -- datasets
 * ---------------------------------------------------------------------------------------------
 */

static struct str offer_id(const struct definition *d, struct str asset_id,
                           const struct policy *policy, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    if (str_present(d->before)) {
        buf_add_str(&out, d->before);
        buf_add_str(&out, asset_id);
        buf_add_str(&out, d->after);
        return buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
    }
    encode_base64url(&out, d->definition_id.p, d->definition_id.n);
    buf_add_char(&out, ':');
    encode_base64url(&out, asset_id.p, asset_id.n);
    buf_add_char(&out, ':');
    buf_add_str(&out, str_n(hash_hex(policy_hash(policy)).c, HASH_PREFIX));
    return buf_failed(&out) ? STR_NONE : arena_str(arena, buf_str(&out));
}

static void add_offer(struct build *b, struct dataset *dataset, size_t definition)
{
    const struct definition *d = &b->definitions[definition];
    struct arena *arena = b->catalogue->arena;
    struct catalogue_offer *offer = &dataset->offers[dataset->n_offers];
    struct offer_text text = {0};

    *offer = (struct catalogue_offer){
        .asset_id = dataset->asset_id,
        .named = str_present(d->before),
        .access = find_policy(b, d->access_policy_id),
        .contract = find_policy(b, d->contract_policy_id),
    };
    offer->offer_id = text.id = offer_id(d, dataset->asset_id, offer->contract->policy, arena);
    if (text.id.n > LIMIT_ID) {
        log_warning(NULL, "an offer's id would be too long, it is not offered",
                    L_STR("definition", d->definition_id), L_STR("asset", dataset->asset_id));
        return;
    }
    text.rules = offer->contract->rules;
    offer->json = message_offer(&text, arena);
    dataset->n_offers++;
    b->n_named += offer->named;
}

/* Properties are expanded JSON-LD, which may stand in any JSON-LD object. */
static void add_properties(struct buf *out, struct str text)
{
    const struct str properties = str_trim(text);

    if (properties.n > 2) {
        buf_add_str(out, str_n(properties.p + 1, properties.n - 2));
        buf_add_char(out, ',');
    }
}

static void add_distribution(struct buf *out, struct str format, struct str service)
{
    buf_add_c(out, "{\"@type\":\"Distribution\",\"format\":");
    json_quote(out, format);
    buf_add_c(out, ",\"accessService\":");
    buf_add_str(out, service);
    buf_add_char(out, '}');
}

/* One for all data sets that have these formats. */
static const struct tail *find_tail(struct build *b, const struct str_list *formats)
{
    AUTO(buf_done) struct buf key = buf_init(KIB(16));
    struct catalogue *c = b->catalogue;
    struct tail *tail;

    for (size_t i = 0; i < formats->n; i++) {
        buf_add_str(&key, formats->items[i]);
        buf_add_char(&key, '\n');
    }
    for (size_t i = 0; i < c->n_tails; i++) {
        if (str_eq(c->tails[i].formats, buf_str(&key)))
            return &c->tails[i];
    }
    CHECK(c->n_tails < TAILS_MAX); /* formats come from our own table of sources */
    tail = &c->tails[c->n_tails++];
    tail->formats = arena_str(c->arena, buf_str(&key));
    for (size_t v = 0; v < CODECS; v++) {
        AUTO(buf_done) struct buf text = buf_init(KIB(64));

        buf_add_c(&text, "],\"distribution\":[");
        for (size_t i = 0; i < formats->n; i++) {
            if (i > 0)
                buf_add_char(&text, ',');
            add_distribution(&text, formats->items[i], c->services[v]);
        }
        buf_add_c(&text, "]}");
        tail->texts[v] = arena_str(c->arena, buf_str(&text));
    }
    return tail;
}

static struct str dataset_head(struct build *b, const struct asset_text *asset)
{
    AUTO(buf_done) struct buf head = buf_init(LIMIT_JSON_BYTES);

    buf_add_c(&head, "{\"@id\":");
    json_quote(&head, asset->asset_id);
    buf_add_c(&head, ",\"@type\":\"Dataset\",");
    add_properties(&head, asset->properties);
    buf_add_c(&head, "\"hasPolicy\":[");
    return arena_str(b->catalogue->arena, buf_str(&head));
}

/*
 * -- nested catalogues: assets that lead to another catalogue (EDC's CatalogAsset)
 * --------------------
 */

/* The value of an expanded property; NULL if it has none. */
static const struct jval *property(const struct jval *properties, const char *name)
{
    const struct jval *v = jval_get(properties, name);

    if (jtype_of(v) == J_ARRAY)
        v = jval_at(v, 0);
    return jtype_of(v) == J_OBJECT ? jval_get(v, "@value") : v;
}

static bool is_catalogue(const struct jval *properties)
{
    const struct jval *v = property(properties, CATALOGUE_MARK);

    return jtype_of(v) == J_BOOL ? jval_bool(v) : str_eq(jval_str(v), STR("true"));
}

/* The entry as JSON; STR_NONE if the data address names no place to ask. */
static struct str nested_text(struct build *b, const struct asset_text *asset,
                              const struct jval *properties)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf out = buf_init(LIMIT_JSON_BYTES);
    AUTO(buf_done) struct buf service = buf_init(KIB(16));
    struct err ignored = {0};
    struct str url, format;

    if (jdoc_parse(asset->data_address, NULL, &doc, &ignored) < 0)
        return STR_NONE;
    url = jval_str(jval_get(jdoc_root(doc), "baseUrl"));
    format = jval_str(property(properties, "http://purl.org/dc/terms/format"));
    if (!str_present(format))
        format = jval_str(jval_get(jdoc_root(doc), "type"));
    if (!message_address_ok(url, true) || format.n == 0)
        return STR_NONE;
    buf_add_c(&service, "{\"@id\":\"");
    encode_base64url(&service, asset->asset_id.p, asset->asset_id.n);
    buf_add_c(&service, "\",\"@type\":\"DataService\",\"endpointURL\":");
    json_quote(&service, url);
    buf_add_char(&service, '}');
    buf_add_c(&out, "{\"@id\":");
    json_quote(&out, asset->asset_id);
    buf_add_c(&out, ",\"@type\":\"Catalog\",");
    add_properties(&out, asset->properties);
    buf_add_c(&out, "\"distribution\":[");
    add_distribution(&out, format, buf_str(&service));
    buf_add_c(&out, "],\"service\":[");
    buf_add_str(&out, buf_str(&service));
    buf_add_c(&out, "]}");
    return buf_failed(&out) || buf_failed(&service) ? STR_NONE
                                                    : arena_str(b->catalogue->arena, buf_str(&out));
}

/* Makes the entry a nested catalogue if the asset is one. False: it is one that leads nowhere. */
static bool read_nested(struct build *b, const struct asset_text *asset, struct dataset *dataset)
{
    static const struct str mark = STR_INIT(CATALOGUE_MARK);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};

    if (memmem(asset->properties.p, asset->properties.n, mark.p, mark.n) == NULL ||
        jdoc_parse(asset->properties, NULL, &doc, &ignored) < 0 || !is_catalogue(jdoc_root(doc)))
        return true;
    dataset->nested = true;
    dataset->head = nested_text(b, asset, jdoc_root(doc));
    return str_present(dataset->head);
}

static int add_dataset(struct build *b, const struct asset_text *asset, const struct pair *pairs,
                       size_t n_pairs, struct err *err)
{
    struct catalogue *c = b->catalogue;
    const struct str_list formats = dataplane_formats(b->app, asset->data_address);
    struct dataset *dataset = &c->datasets[c->n_datasets];

    if (n_pairs + b->n_for_all == 0)
        return 0;
    *dataset = (struct dataset){.asset_id = arena_str(c->arena, asset->asset_id)};
    if (!read_nested(b, asset, dataset) || (!dataset->nested && formats.n == 0)) {
        log_warning(NULL, "an asset has no data address that can be served, it is not offered",
                    L_STR("asset", asset->asset_id));
        return 0;
    }
    dataset->offers = ARENA_ARRAY(c->arena, struct catalogue_offer, n_pairs + b->n_for_all);
    if (dataset->offers == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    for (size_t i = 0; i < b->n_for_all; i++)
        add_offer(b, dataset, b->for_all[i]);
    for (size_t i = 0; i < n_pairs; i++)
        add_offer(b, dataset, pairs[i].definition);
    if (!dataset->nested) {
        dataset->head = dataset_head(b, asset);
        dataset->tail = find_tail(b, &formats);
    }
    c->n_datasets++;
    return arena_failed(c->arena) ? err_set(err, E_NO_MEMORY, "", "catalogue") : 0;
}

static int asset_order(const void *a, const void *b)
{
    return str_cmp(((const struct asset_text *)a)->asset_id,
                   ((const struct asset_text *)b)->asset_id);
}

static int add_datasets(struct build *b, struct err *err)
{
    struct catalogue *c = b->catalogue;
    struct list rows = {0};
    struct asset_text *assets;
    size_t at = 0;

    if (db_list(b->db, &q_dsp_catalogue_assets, DB_NO_ARGS, &asset_text_row, b->scratch, ROWS_MAX,
                &rows, err) < 0)
        return err_ret(err);
    assets = rows.items;
    c->datasets = ARENA_ARRAY(c->arena, struct dataset, rows.n);
    if (c->datasets == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    if (rows.n > 1) /* a database's order of texts may be another one */
        qsort(assets, rows.n, sizeof(*assets), asset_order);
    for (size_t i = 0; i < rows.n; i++) {
        size_t from;

        while (at < b->n_pairs && str_cmp(b->pairs[at].asset_id, assets[i].asset_id) < 0)
            at++;
        from = at;
        while (at < b->n_pairs && str_eq(b->pairs[at].asset_id, assets[i].asset_id))
            at++;
        if (add_dataset(b, &assets[i], &b->pairs[from], at - from, err) < 0)
            return err_ret(err);
    }
    return 0;
}

static int by_offer_id(const void *a, const void *b)
{
    const struct catalogue_offer *x = *(const struct catalogue_offer *const *)a;
    const struct catalogue_offer *y = *(const struct catalogue_offer *const *)b;
    const int order = str_cmp(x->offer_id, y->offer_id);

    return order != 0 ? order : (x > y) - (x < y);
}

/* Ids that we make name their asset; those that a definition says are looked up. */
static bool asks_for_facts(const struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->n_offers; i++) {
        if (policy_needs(dataset->offers[i].access->policy, POLICY_AT_CATALOGUE) != 0)
            return true;
    }
    return false;
}

/* Stand in for what does not exist (catalogue_view.c). */
static int list_guarded(struct build *b, struct err *err)
{
    struct catalogue *c = b->catalogue;

    c->guarded = ARENA_ARRAY(c->arena, const struct dataset *, c->n_datasets);
    if (c->guarded == NULL)
        return err_set(err, E_LIMIT, "", "the catalogue needs too much memory");
    for (size_t i = 0; i < c->n_datasets; i++) {
        if (!c->datasets[i].nested && asks_for_facts(&c->datasets[i]))
            c->guarded[c->n_guarded++] = &c->datasets[i];
    }
    return 0;
}

static int list_named(struct build *b, struct err *err)
{
    struct catalogue *c = b->catalogue;

    c->named = ARENA_ARRAY(c->arena, const struct catalogue_offer *, b->n_named);
    if (c->named == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    for (size_t i = 0; i < c->n_datasets; i++) {
        for (size_t j = 0; j < c->datasets[i].n_offers; j++) {
            if (c->datasets[i].offers[j].named)
                c->named[c->n_named++] = &c->datasets[i].offers[j];
        }
    }
    if (c->n_named > 1)
        qsort(c->named, c->n_named, sizeof(struct catalogue_offer *), by_offer_id);
    for (size_t i = 1; i < c->n_named; i++) {
        if (str_eq(c->named[i]->offer_id, c->named[i - 1]->offer_id))
            log_warning(NULL, "two offers have the same id, only one can be asked for",
                        L_STR("offer", c->named[i]->offer_id));
    }
    return 0;
}

/*
 * -- the snapshot
 * -------------------------------------------------------------------------------------------
 */

static int text_order(const void *a, const void *b)
{
    return str_cmp(((const struct policy_text *)a)->policy_id,
                   ((const struct policy_text *)b)->policy_id);
}

static int read_all(struct db *db, void *arg, struct err *err)
{
    struct build *b = arg;
    struct list policies = {0}, definitions = {0};

    b->db = db;
    if (db_list(db, &q_dsp_catalogue_policies, DB_NO_ARGS, &policy_text_row, b->scratch, ROWS_MAX,
                &policies, err) < 0 ||
        db_list(db, &q_dsp_catalogue_definitions, DB_NO_ARGS, &definition_row, b->scratch, ROWS_MAX,
                &definitions, err) < 0)
        return err_ret(err);
    b->texts = policies.items;
    b->n_texts = policies.n;
    b->definitions = definitions.items;
    b->n_definitions = definitions.n;
    if (b->n_texts > 1)
        qsort(b->texts, b->n_texts, sizeof(*b->texts), text_order);
    if (compile_all(b, err) < 0 || select_all(b, err) < 0)
        return err_ret(err);
    if (add_datasets(b, err) < 0)
        return err_ret(err);
    return list_guarded(b, err) < 0 ? err_ret(err) : list_named(b, err);
}

static struct str service_text(struct str url, struct arena *arena)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    uint8_t hash[SHA256_LEN];

    sha256(url.p, url.n, hash);
    buf_printf(&out,
               "{\"@id\":\"urn:uuid:%s\",\"@type\":\"DataService\","
               "\"endpointDescription\":\"dspace:connector\",\"endpointURL\":",
               uuid_format(uuid_v8_from(hash)).c);
    json_quote(&out, url);
    buf_add_char(&out, '}');
    return arena_str(arena, buf_str(&out));
}

/* What stands around the datasets. */
static int add_frame(const struct app *app, struct catalogue *c, struct err *err)
{
    c->participant = arena_str(c->arena, app->settings->participant_did);
    for (size_t i = 0; i < CODECS; i++)
        c->services[i] = service_text(dsp__own_url(app, &codecs[i], c->arena), c->arena);
    c->tails = ARENA_ARRAY(c->arena, struct tail, TAILS_MAX);
    return arena_failed(c->arena) ? err_set(err, E_NO_MEMORY, "", "catalogue") : 0;
}

int dsp__catalogue_make(const struct app *app, struct db *db, int64_t version,
                        struct catalogue **ret_catalogue, struct err *err)
{
    AUTO(catalogue_unref) struct catalogue *c = calloc(1, sizeof(*c));
    AUTO(arena_free) struct arena *scratch = arena_new(CATALOGUE_ARENA);
    struct build b = {.app = app, .catalogue = c, .scratch = scratch};

    if (c == NULL || scratch == NULL || (c->arena = arena_new(CATALOGUE_ARENA)) == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    atomic_init(&c->refs, 1);
    c->version = version;
    if (add_frame(app, c, err) < 0 || db_snapshot(db, "catalogue", read_all, &b, err) < 0)
        return err_ret(err);
    log_info(NULL, "catalogue read", L_I64("datasets", (int64_t)c->n_datasets),
             L_I64("policies", (int64_t)c->n_policies));
    *ret_catalogue = MOVE(c);
    return 0;
}
