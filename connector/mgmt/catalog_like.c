/*
 * connector/mgmt/catalog_like.c - compacts a catalogue of many datasets of few forms
 *
 * The catalogue's text is cut at its datasets. The rest is compacted with the first two of them,
 * which shows where the list stands in the result; each dataset is compacted by its shape, inside
 * the same rest, since the members of the catalogue decide which context it stands in.
 */
#include "connector/mgmt/catalog_like.h"

#include <stdlib.h>

#include "connector/mgmt/shape.h"
#include "lib/base/cleanup.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jspan.h"

#include "lib/base/banned.h"

#define FEW 16 /* datasets that are not worth it */

struct like {
    struct buf before; /* the catalogue up to its datasets */
    struct str *datasets;
    size_t n, max;
};

static void like_done(struct like *like)
{
    buf_done(&like->before);
    free(like->datasets);
}

static bool add_dataset(struct like *like, struct str dataset)
{
    if (like->n == like->max) {
        const size_t max = like->max > 0 ? like->max * 2 : 1024;
        struct str *grown = realloc(like->datasets, max * sizeof(*grown));

        if (grown == NULL)
            return false;
        like->datasets = grown;
        like->max = max;
    }
    like->datasets[like->n++] = dataset;
    return true;
}

static bool read_page(struct like *like, struct str list, struct catalog_page page)
{
    struct str key, dataset;
    struct jspan elements;

    if (!jspan_init(&elements, list) || elements.object)
        return false;
    for (size_t i = 0; jspan_next(&elements, &key, &dataset); i++) {
        if (i >= page.offset && i - page.offset < page.limit && !add_dataset(like, dataset))
            return false;
    }
    return jspan_complete(&elements) && like->n >= FEW;
}

/* Cuts the catalogue. Whether its members are JSON the compaction of the rest will tell. */
static bool read_catalogue(struct like *like, struct str text, struct catalog_page page)
{
    struct str key, value, list = STR_NONE;
    struct jspan members;

    if (!jspan_init(&members, text) || !members.object)
        return false;
    buf_add_char(&like->before, '{');
    while (jspan_next(&members, &key, &value)) {
        if (str_eq(key, STR("dataset"))) {
            if (str_present(list))
                return false;
            list = value;
            continue;
        }
        buf_add_char(&like->before, '"');
        buf_add_str(&like->before, key);
        buf_add_c(&like->before, "\":");
        buf_add_str(&like->before, value);
        buf_add_char(&like->before, ',');
    }
    buf_add_c(&like->before, "\"dataset\":[");
    return jspan_complete(&members) && !buf_failed(&like->before) && str_present(list) &&
           read_page(like, list, page);
}

/* The rest with two datasets: a list of two must come of it. */
static bool frame(const struct shapes *shapes, const struct like *like, struct buf *text,
                  struct str *ret_list)
{
    AUTO(buf_done) struct buf two = buf_init(MIB(2));
    struct str key, value;
    struct jspan elements;
    size_t n = 0;

    buf_add_str(&two, like->datasets[0]);
    buf_add_char(&two, ',');
    buf_add_str(&two, like->datasets[1]);
    if (buf_failed(&two) || !shapes_compact(shapes, buf_str(&two), text, ret_list) ||
        !jspan_init(&elements, *ret_list) || elements.object)
        return false;
    while (jspan_next(&elements, &key, &value))
        n++;
    return n == 2 && jspan_complete(&elements);
}

static bool write(struct shapes *shapes, const struct like *like, struct buf *out)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(4));
    struct str list, rest;

    if (!frame(shapes, like, &text, &list))
        return false;
    buf_add(out, text.p, (size_t)(list.p - text.p));
    for (size_t i = 0; i < like->n; i++) {
        buf_add_char(out, i > 0 ? ',' : '[');
        if (!shapes_write(shapes, like->datasets[i], out))
            return false;
    }
    buf_add_char(out, ']');
    rest = str_from(buf_str(&text), (size_t)(list.p + list.n - text.p));
    buf_add_str(out, rest);
    return !buf_failed(out);
}

bool catalog_like_write(const struct ld *ld, const struct catalog_form *form, struct str catalogue,
                        struct catalog_page page, struct buf *out)
{
    AUTO(like_done) struct like like = {.before = buf_init(MIB(1))};
    AUTO(shapes_free) struct shapes *shapes = NULL;
    const size_t before = out->n;

    if (!read_catalogue(&like, catalogue, page))
        return false;
    shapes = shapes_new(&(struct shapes_cfg){.ld = ld,
                                             .context = form->context,
                                             .before = buf_str(&like.before),
                                             .after = STR("]}"),
                                             .key = form->key});
    if (shapes != NULL && write(shapes, &like, out))
        return true;
    out->n = before;
    out->failed = false;
    return false;
}
