/*
 * connector/dsp/catalogue_view.c - what one peer may see of a snapshot, and its JSON
 */
#include "connector/dsp/catalogue.h"
#include "connector/dsp/catalogue_private.h"
#include "connector/dsp/message.h"
#include "connector/facts/facts.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct catalogue_view {
    const struct catalogue *catalogue; /* borrowed */
    struct db *db;
    const struct peer *peer;
    int64_t now_us;
    struct arena *arena;
    struct policy_facts *facts;
    uint8_t *seen; /* by policy: 0 undecided, 1 visible, 2 not */
    bool asked;    /* something was decided */
};

int catalogue_view_new(const struct catalogue *catalogue, struct db *db, const struct peer *peer,
                       int64_t now_us, struct arena *arena, struct catalogue_view **ret_view,
                       struct err *err)
{
    struct catalogue_view *view = ARENA_NEW(arena, struct catalogue_view);

    if (view == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    *view = (struct catalogue_view){
        .catalogue = catalogue,
        .db = db,
        .peer = peer,
        .now_us = now_us,
        .arena = arena,
        .facts = ARENA_NEW(arena, struct policy_facts),
        .seen = arena_alloc(arena, catalogue->n_policies),
    };
    if (view->facts == NULL || view->seen == NULL)
        return err_set(err, E_NO_MEMORY, "", "catalogue");
    *ret_view = view;
    return 0;
}

static int decide(struct catalogue_view *view, const struct catalogue_offer *offer,
                  bool *ret_visible, struct err *err)
{
    const struct policy *policy = offer->access->policy;
    const struct facts_about about = {.peer = view->peer, .asset_id = offer->asset_id};
    const struct policy_question question = {
        .action = POLICY_ACT_CX_ACCESS,
        .scope = POLICY_AT_CATALOGUE,
        .now_us = view->now_us,
        .agreement_us = POLICY_NO_TIME,
        .target = offer->asset_id,
        .assignee = view->peer->id,
        .flags = POLICY_EMPTY_PERMITS | POLICY_DUTY_EVENTUAL,
    };

    *view->facts = (struct policy_facts){0};
    if (facts_gather(view->db, policy, &about, view->now_us, view->arena, view->facts, err) < 0)
        return err_ret(err);
    *ret_visible = policy_permits(policy, &question, view->facts);
    return 0;
}

int catalogue_visible(struct catalogue_view *view, const struct catalogue_offer *offer,
                      bool *ret_visible, struct err *err)
{
    uint8_t *seen = &view->seen[offer->access->index];
    bool visible = false;

    if (!offer->access->by_asset && *seen != 0) {
        *ret_visible = *seen == 1;
        return 0;
    }
    if (decide(view, offer, &visible, err) < 0)
        return err_ret(err);
    *seen = visible ? 1 : 2;
    *ret_visible = visible;
    return 0;
}

/* The first dataset whose id is not less; n_datasets if there is none. */
static size_t find(const struct catalogue *c, struct str asset_id)
{
    size_t low = 0, high = c->n_datasets;

    while (low < high) {
        const size_t mid = (low + high) / 2;

        if (str_cmp(c->datasets[mid].asset_id, asset_id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct dataset *find_equal(const struct catalogue *c, struct str asset_id)
{
    const size_t at = find(c, asset_id);

    return at < c->n_datasets && str_eq(c->datasets[at].asset_id, asset_id) ? &c->datasets[at]
                                                                            : NULL;
}

/* Among the offers whose definition says their id: the first with this one, or NULL. */
static const struct catalogue_offer *find_named(const struct catalogue *c, struct str id)
{
    size_t low = 0, high = c->n_named;

    while (low < high) {
        const size_t mid = (low + high) / 2;

        if (str_cmp(c->named[mid]->offer_id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->n_named && str_eq(c->named[low]->offer_id, id) ? c->named[low] : NULL;
}

const struct catalogue_offer *catalogue_offer(const struct catalogue *catalogue, struct str id)
{
    AUTO(buf_done) struct buf asset_id = buf_init(2 * LIMIT_ID);
    struct str rest = id;
    const struct dataset *dataset;
    const struct catalogue_offer *offer;

    offer = find_named(catalogue, id);
    if (offer != NULL)
        return find_equal(catalogue, offer->asset_id)->nested ? NULL : offer;
    (void)str_cut(&rest, ':');
    if (!decode_base64url(&asset_id, str_cut(&rest, ':')))
        return NULL;
    dataset = find_equal(catalogue, buf_str(&asset_id));
    if (dataset != NULL && dataset->nested)
        return NULL; /* another catalogue is asked, not negotiated for */
    for (size_t i = 0; dataset != NULL && i < dataset->n_offers; i++) {
        if (str_eq(dataset->offers[i].offer_id, id))
            return &dataset->offers[i];
    }
    return NULL;
}

const struct catalogue_offer *catalogue_offers_of(const struct catalogue *catalogue,
                                                  struct str asset_id, size_t *ret_n)
{
    const struct dataset *dataset = find_equal(catalogue, asset_id);
    const bool offered = dataset != NULL && !dataset->nested;

    *ret_n = offered ? dataset->n_offers : 0;
    return offered ? dataset->offers : NULL;
}

/* The filter takes it, and the peer may see at least one of its offers. */
static int passes(struct catalogue_view *view, const struct id_set *filter,
                  const struct dataset *dataset, bool *ret_passes, struct err *err)
{
    *ret_passes = false;
    if (filter != NULL && !id_set_has(filter, dataset->asset_id))
        return 0;
    view->asked = true;
    for (size_t i = 0; i < dataset->n_offers && !*ret_passes; i++) {
        if (catalogue_visible(view, &dataset->offers[i], ret_passes, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/*
 * What does not exist is looked for as long as what this peer may not see: the same is decided about
 * another dataset that not everybody may see, always the same one for the same id.
 */
static int stand_in(struct catalogue_view *view, struct str id, struct err *err)
{
    const struct catalogue *c = view->catalogue;
    bool ignored;

    if (c->n_guarded == 0)
        return 0;
    return passes(view, NULL, c->guarded[str_hash(id) % c->n_guarded], &ignored, err);
}

int catalogue_offer_for(struct catalogue_view *view, struct str offer_id,
                        const struct catalogue_offer **ret_offer, struct err *err)
{
    const struct catalogue_offer *offer = catalogue_offer(view->catalogue, offer_id);
    bool visible = false;

    *ret_offer = NULL;
    if (offer == NULL)
        return stand_in(view, offer_id, err);
    if (catalogue_visible(view, offer, &visible, err) < 0)
        return err_ret(err);
    if (visible)
        *ret_offer = offer;
    return 0;
}

/* Appends the dataset with the offers that the peer may see. */
static int write(struct catalogue_view *view, const struct codec *codec,
                 const struct dataset *dataset, struct buf *out, struct err *err)
{
    bool any = false;

    buf_add_str(out, dataset->head);
    if (dataset->nested)
        return 0;
    for (size_t i = 0; i < dataset->n_offers; i++) {
        bool visible;

        if (catalogue_visible(view, &dataset->offers[i], &visible, err) < 0)
            return err_ret(err);
        if (!visible)
            continue;
        if (any)
            buf_add_char(out, ',');
        buf_add_str(out, dataset->offers[i].json);
        any = true;
    }
    buf_add_str(out, dataset->tail->texts[codec_index(codec)]);
    return 0;
}

/* The same in the version's words. */
static int write_entry(struct catalogue_view *view, const struct catalogue_page *page,
                       const struct dataset *dataset, struct err *err)
{
    struct buf *out = dataset->nested ? page->nested : page->datasets;
    AUTO(buf_done) struct buf text = buf_init(LIMIT_CATALOG_BYTES);

    if (out->n > 0)
        buf_add_char(out, ',');
    if (!page->codec->translated)
        return write(view, page->codec, dataset, out, err);
    if (write(view, page->codec, dataset, &text, err) < 0)
        return err_ret(err);
    return codec_write(page->codec, buf_str(&text), view->catalogue->participant, out, err);
}

int catalogue_write_dataset(struct catalogue_view *view, const struct codec *codec,
                            struct str asset_id, struct buf *out, bool *ret_found, struct err *err)
{
    const struct dataset *dataset = find_equal(view->catalogue, asset_id);

    *ret_found = false;
    if (dataset == NULL || dataset->nested)
        return stand_in(view, asset_id, err);
    if (passes(view, NULL, dataset, ret_found, err) < 0)
        return err_ret(err);
    return *ret_found ? write(view, codec, dataset, out, err) : 0;
}

/*
 * The place of the n-th passing dataset before `at`, or of the first that passes; `at` if there is
 * none. *ret_n is how many were passed.
 */
static int walk_back(struct catalogue_view *view, const struct catalogue_page *page, size_t at,
                     size_t n, size_t *ret_at, size_t *ret_n, struct err *err)
{
    const struct catalogue *c = view->catalogue;

    *ret_at = at;
    *ret_n = 0;
    while (at > 0 && *ret_n < n) {
        bool good;

        if (passes(view, page->filter, &c->datasets[--at], &good, err) < 0)
            return err_ret(err);
        if (!good)
            continue;
        *ret_at = at;
        ++*ret_n;
    }
    return 0;
}

/* Where the page begins. */
static int begin_at(struct catalogue_view *view, const struct catalogue_page *page, size_t *ret_at,
                    struct err *err)
{
    const struct catalogue *c = view->catalogue;
    size_t n;

    if (str_present(page->before))
        return walk_back(view, page, find(c, page->before), page->limit, ret_at, &n, err);
    *ret_at = str_present(page->after) ? find(c, page->after) : 0;
    if (str_present(page->after) && *ret_at < c->n_datasets &&
        str_eq(c->datasets[*ret_at].asset_id, page->after))
        ++*ret_at;
    return 0;
}

int catalogue_write_page(struct catalogue_view *view, struct catalogue_page *page, struct err *err)
{
    const struct catalogue *c = view->catalogue;
    const size_t end = str_present(page->before) ? find(c, page->before) : c->n_datasets;
    size_t at, first = 0, n = 0, skip = page->offset, before;

    if (begin_at(view, page, &at, err) < 0)
        return err_ret(err);
    for (; at < c->n_datasets && !page->more; at++) {
        const struct dataset *dataset = &c->datasets[at];
        bool good;

        if (passes(view, page->filter, dataset, &good, err) < 0)
            return err_ret(err);
        if (!good || (skip > 0 && skip--))
            continue;
        if (n == page->limit || at >= end) {
            page->more = true;
            continue;
        }
        if (write_entry(view, page, dataset, err) < 0)
            return err_ret(err);
        if (n++ == 0) {
            first = at;
            page->first = dataset->asset_id;
        }
        page->last = dataset->asset_id;
    }
    if (n == 0)
        return view->asked ? 0 : stand_in(view, STR(""), err);
    if (walk_back(view, page, first, 1, &at, &before, err) < 0)
        return err_ret(err);
    page->earlier = before > 0;
    return 0;
}

struct str catalogue_service(const struct catalogue *catalogue, const struct codec *codec)
{
    return catalogue->services[codec_index(codec)];
}

struct str catalogue_participant(const struct catalogue *catalogue)
{
    return catalogue->participant;
}
