/*
 * connector/exchange/published.c - what became of a catalogue entry that was sent to the broker
 */
#include "connector/exchange/exchange_private.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

struct listed {
    struct str dataset;
};
/* clang-format off */
static const struct field listed_fields[] = {FIELD(struct listed, dataset, "dataset", F_REQUIRED)};
/* clang-format on */
static OBJECT(listed_object, struct listed, listed_fields, OPEN);

static struct str asset_of_url(struct str url)
{
    size_t slash = url.n;

    while (slash > 0 && url.p[slash - 1] != '/')
        slash--;
    return str_from(url, slash);
}

int exchange__published(struct db *tx, const struct outbox_msg *msg, bool accepted,
                        struct str reply, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(buf_done) struct buf asset = buf_init(KIB(4));
    struct listed listed = {0};
    struct err ignored = {0};

    if (arena == NULL || !decode_percent(&asset, asset_of_url(msg->url)))
        return err_set(err, E_NO_MEMORY, "", "publication");
    if (accepted)
        IGNORE(object_parse(&listed_object, reply, &jlimits_default, arena, &listed, &ignored),
               "the id is for display only");
    return db_exec(tx, &q_publication_answered,
                   DB_ARGS(DB_TEXT(buf_str(&asset)),
                           DB_TEXT(accepted ? STR("listed") : STR("refused")),
                           DB_TEXT(listed.dataset)),
                   NULL, err);
}
