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
    struct policy_decision decision;
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
    policy_decide(policy, &question, view->facts, &decision);
    *ret_visible = decision.verdict == POLICY_PERMIT;
    return 0;
}

int catalogue_visible(struct catalogue_view *view, const struct catalogue_offer *offer,
                      bool *ret_visible, struct err *err)
{
    uint8_t *seen = &view->seen[offer->access->index];
    bool visible;

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
        return offer;
    (void)str_cut(&rest, ':');
    if (!decode_base64url(&asset_id, str_cut(&rest, ':')))
        return NULL;
    dataset = find_equal(catalogue, buf_str(&asset_id));
    for (size_t i = 0; dataset != NULL && i < dataset->n_offers; i++) {
        if (str_eq(dataset->offers[i].offer_id, id))
            return &dataset->offers[i];
    }
    return NULL;
}

/* Appends the dataset with the offers that the peer may see; nothing if there are none. */
static int write(struct catalogue_view *view, const struct dataset *dataset, bool first,
                 struct buf *out, bool *ret_written, struct err *err)
{
    bool any = false;

    for (size_t i = 0; i < dataset->n_offers; i++) {
        bool visible;

        if (catalogue_visible(view, &dataset->offers[i], &visible, err) < 0)
            return err_ret(err);
        if (!visible)
            continue;
        if (!any && !first)
            buf_add_char(out, ',');
        if (any)
            buf_add_char(out, ',');
        else
            buf_add_str(out, dataset->head);
        buf_add_str(out, dataset->offers[i].json);
        any = true;
    }
    if (any)
        buf_add_str(out, dataset->tail);
    *ret_written = any;
    return 0;
}

int catalogue_write_dataset(struct catalogue_view *view, struct str asset_id, struct buf *out,
                            bool *ret_found, struct err *err)
{
    const struct dataset *dataset = find_equal(view->catalogue, asset_id);

    *ret_found = false;
    return dataset == NULL ? 0 : write(view, dataset, true, out, ret_found, err);
}

int catalogue_write_page(struct catalogue_view *view, struct catalogue_page *page, struct buf *out,
                         struct err *err)
{
    const struct catalogue *c = view->catalogue;
    size_t at = str_present(page->after) ? find(c, page->after) : 0;
    size_t skip = page->offset, n = 0;

    if (at < c->n_datasets && str_present(page->after) &&
        str_eq(c->datasets[at].asset_id, page->after))
        at++;
    for (; at < c->n_datasets; at++) {
        const struct dataset *dataset = &c->datasets[at];
        const size_t before = out->n;
        bool written;

        if (!id_set_has(page->filter, dataset->asset_id))
            continue;
        if (write(view, dataset, n == 0, out, &written, err) < 0)
            return err_ret(err);
        if (!written)
            continue;
        if (skip > 0 || n == page->limit) {
            out->n = before;
            if (skip == 0) {
                page->more = true;
                return 0;
            }
            skip--;
            continue;
        }
        page->last = dataset->asset_id;
        n++;
    }
    return 0;
}

struct str catalogue_service(const struct catalogue *catalogue)
{
    return catalogue->service;
}
