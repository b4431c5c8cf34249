/*
 * server/evidence/read.c - checkpoint, key, tiles, entry bundles (C2SP tlog-tiles) and proofs
 *
 * Full tiles and bundles never change and may be cached for ever; partial ones are cut to the width
 * asked for, which the newest checkpoint must cover.
 */
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "server/evidence/evidence_private.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct field tile_fields[] = {
    FIELD(struct audit_tile_row, width, "width", F_REQUIRED),
    FIELD(struct audit_tile_row, data,  "data",  F_REQUIRED),
};
OBJECT(audit_tile_row_object, struct audit_tile_row, tile_fields, OPEN);
static const struct field entry_fields[] = {
    FIELD(struct audit_entry_row, log_index, "log_index", 0),
    FIELD(struct audit_entry_row, kind,      "kind",      0),
    FIELD(struct audit_entry_row, at_us,     "at",        F_TIME),
    FIELD(struct audit_entry_row, entry,     "entry",     F_REQUIRED),
};
OBJECT(audit_entry_row_object, struct audit_entry_row, entry_fields, OPEN);
static const struct field checkpoint_fields[] = {
    FIELD(struct audit_checkpoint_row, tree_size, "tree_size", F_REQUIRED),
    FIELD(struct audit_checkpoint_row, note,      "note",      F_REQUIRED),
};
static OBJECT(checkpoint_row, struct audit_checkpoint_row, checkpoint_fields, OPEN);

#define ROUTE HTTP_ROUTE_ROW
const struct http_route evidence_routes[] = {
#include "server/evidence/routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

int audit__newest(struct db *db, struct arena *arena, struct audit_checkpoint_row *ret_row,
                  struct err *err)
{
    switch (db_one(db, &q_audit_checkpoint, DB_NO_ARGS, &checkpoint_row, arena, ret_row, err)) {
    case DB_ROW: return 0;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "nothing has been logged yet");
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

int audit_get_checkpoint(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct audit_checkpoint_row newest = {0};

    if (audit__newest(worker->db, rq->arena, &newest, err) < 0)
        return err_ret(err);
    rq_reply(rq, 200, "text/plain; charset=utf-8", newest.note);
    return 0;
}

int audit_get_key(struct rq *rq, struct err *err)
{
    const struct app *app = rq->app;
    AUTO(buf_done) struct buf out = buf_init(KIB(4));

    if (note_verifier_format(app->settings->log_origin, app->log_key, &out, err) < 0)
        return err_ret(err);
    buf_add_char(&out, '\n');
    rq_reply(rq, 200, "text/plain; charset=utf-8", buf_str(&out));
    return 0;
}

/* -- tiles ------------------------------------------------------------------------------------- */

static int tile_hashes(struct db *db, struct arena *arena, struct tlog_tile tile, struct str *ret,
                       struct err *err)
{
    struct audit_tile_row row = {0};

    switch (db_one(db, &q_audit_tile,
                   DB_ARGS(DB_I64((int64_t)tile.level), DB_I64((int64_t)tile.index)),
                   &audit_tile_row_object, arena, &row, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "", "the log has no such tile");
    case DB_FAIL: return err_ret(err);
    }
    if (row.width < (int64_t)tile.width || row.data.n < (size_t)tile.width * TLOG_HASH_LEN)
        return err_tell(err, E_NOT_FOUND, "", "the tile is not that wide");
    *ret = str_n(row.data.p, (size_t)tile.width * TLOG_HASH_LEN);
    return 0;
}

static int entry_bundle(struct rq *rq, struct tlog_tile tile, struct buf *out, struct err *err)
{
    const struct worker *worker = rq->thread;
    struct list entries = {0};

    if (db_list(
            worker->db, &q_audit_entries,
            DB_ARGS(DB_I64((int64_t)(tile.index * TLOG_TILE_WIDTH)), DB_I64((int64_t)tile.width)),
            &audit_entry_row_object, rq->arena, TLOG_TILE_WIDTH, &entries, err) < 0)
        return err_ret(err);
    if (entries.n != tile.width)
        return err_tell(err, E_NOT_FOUND, "", "the log has no such entries");
    for (size_t i = 0; i < entries.n; i++) {
        if (tlog_bundle_add(out, LIST_ITEMS(struct audit_entry_row, entries)[i].entry, err) < 0)
            return err_ret(err);
    }
    return 0;
}

int audit_get_tile(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf name = buf_init(KIB(1));
    AUTO(buf_done) struct buf bundle = buf_init(MIB(17));
    struct audit_checkpoint_row newest = {0};
    struct tlog_path path;
    struct str hashes;

    buf_add_c(&name, "tile/");
    buf_add_str(&name, rq->rest);
    if (!tlog_path_parse(buf_str(&name), &path))
        return err_tell(err, E_NOT_FOUND, "", "no tile has this name");
    if (audit__newest(worker->db, rq->arena, &newest, err) < 0)
        return err_ret(err);
    if (path.tile.width > tlog_tile_width((uint64_t)newest.tree_size,
                                          path.entries ? 0 : path.tile.level, path.tile.index))
        return err_tell(err, E_NOT_FOUND, "", "the log does not reach that far");
    if (path.tile.width == TLOG_TILE_WIDTH)
        rq_reply_header(rq, "Cache-Control", STR("private, max-age=31536000, immutable"));
    if (path.entries) {
        if (entry_bundle(rq, path.tile, &bundle, err) < 0)
            return err_ret(err);
        rq_reply_buf(rq, 200, "application/octet-stream", &bundle);
        return 0;
    }
    if (tile_hashes(worker->db, rq->arena, path.tile, &hashes, err) < 0)
        return err_ret(err);
    rq_reply(rq, 200, "application/octet-stream", hashes);
    return 0;
}

/* -- proofs ------------------------------------------------------------------------------------ */

struct reading {
    struct db *db;
    struct arena *arena;
};

static int read_tile(void *cls, struct tlog_tile tile, uint8_t *ret_hashes, struct err *err)
{
    const struct reading *reading = cls;
    struct str hashes;

    if (tile_hashes(reading->db, reading->arena, tile, &hashes, err) < 0)
        return err_ret(err);
    memcpy(ret_hashes, hashes.p, hashes.n);
    return 0;
}

static void reply_proof(struct rq *rq, const struct tlog_proof *proof, struct str checkpoint)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_key(&w, "proof");
    jw_array(&w);
    for (size_t i = 0; i < proof->n; i++) {
        AUTO(buf_done) struct buf text = buf_init(64);

        encode_base64(&text, proof->hash[i], TLOG_HASH_LEN);
        jw_str(&w, buf_str(&text));
    }
    jw_array_end(&w);
    jw_kstr(&w, "checkpoint", checkpoint);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
}

/* Both proofs: two numbers from the query, against the newest checkpoint. */
static int proof(struct rq *rq, const char *first, const char *second,
                 int (*make)(const struct tlog_reader *, uint64_t, uint64_t, struct tlog_proof *,
                             struct err *),
                 struct err *err)
{
    const struct worker *worker = rq->thread;
    struct reading reading = {worker->db, rq->arena};
    struct tlog_tiles *tiles = ARENA_NEW(rq->arena, struct tlog_tiles);
    struct tlog_proof *made = ARENA_NEW(rq->arena, struct tlog_proof);
    struct audit_checkpoint_row newest = {0};
    int64_t a, b;

    if (tiles == NULL || made == NULL)
        return err_set(err, E_NO_MEMORY, "", "proof");
    if (audit__newest(worker->db, rq->arena, &newest, err) < 0 ||
        rq_query_i64(rq, second, newest.tree_size, 0, newest.tree_size, &b, err) < 0 ||
        rq_query_i64(rq, first, -1, 0, b, &a, err) < 0)
        return err_ret(err);
    if (a < 0)
        return err_tell(err, E_INVALID, first, "expected '?%s='", first);
    *tiles = (struct tlog_tiles){
        .read_tile = read_tile, .cls = &reading, .size = (uint64_t)newest.tree_size};

    const struct tlog_reader reader = tlog_tile_reader(tiles);

    if (make(&reader, (uint64_t)a, (uint64_t)b, made, err) < 0)
        return err->code == E_RANGE ? err_tell(err, E_INVALID, first, "out of range")
                                    : err_ret(err);
    reply_proof(rq, made, newest.note);
    return 0;
}

int audit_get_inclusion(struct rq *rq, struct err *err)
{
    return proof(rq, "index", "size", tlog_inclusion, err);
}

int audit_get_consistency(struct rq *rq, struct err *err)
{
    return proof(rq, "from", "to", tlog_consistency, err);
}
