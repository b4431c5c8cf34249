/*
 * server/audit/sealer.c - one thread that turns pending entries into log, tiles and checkpoints
 *
 * Rows of aud.pending are visible only when their fact has committed. One sealer (advisory lock)
 * takes those of one snapshot, BATCH by BATCH, in the order in which they were appended, and gives
 * them their index; all of that, tiles and checkpoint are one transaction. So
 *   - a checkpoint covers whole transactions: nothing is half done in the log at its end;
 *   - what depends on another fact stands after it, because that was committed and appended before;
 *   - a kill at any point leaves either everything of a snapshot or nothing. Before it seals
 *     anything it checks that the tiles give the root of the last checkpoint.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "lib/tlog/note.h"
#include "lib/tlog/tlog.h"
#include "server/audit/audit.h"
#include "sql_broker.h"

#include "lib/base/banned.h"

#define BATCH           256  /* rows of aud.pending: 16 MiB at most */
#define LOOK_AGAIN_MS   1000 /* a notification may be lost with its connection */
#define ARENA_BYTES     MIB(384)
#define NOTE_TEXT_BYTES KIB(4)
#define SNAPSHOT_BYTES  MIB(1) /* a snapshot names the transactions that run */

struct sealer {
    struct app *app;
    pthread_t thread;
    int stop_fd;
    atomic_bool stop;
    _Atomic int64_t behind_since_us; /* 0: everything seen is sealed */
    /* the thread's own */
    struct db *db;
    struct arena *arena;
    struct tlog_edge edge;
    bool loaded;
};

struct last {
    int64_t tree_size;
    struct bytes root;
};

struct pending {
    struct str entry;
};

struct stored_tile {
    int64_t width;
    struct bytes data;
};

struct snapshot {
    struct str snapshot;
};

struct locked {
    bool locked;
};
/* clang-format off */
static const struct field last_fields[] = {
    FIELD(struct last, tree_size, "tree_size", F_REQUIRED),
    FIELD(struct last, root,      "root",      F_REQUIRED),
};
static OBJECT(last_row, struct last, last_fields, OPEN);
static const struct field pending_fields[] = {FIELD(struct pending, entry, "entry", F_REQUIRED)};
static OBJECT(pending_row, struct pending, pending_fields, OPEN);
static const struct field tile_fields[] = {
    FIELD(struct stored_tile, width, "width", F_REQUIRED),
    FIELD(struct stored_tile, data,  "data",  F_REQUIRED),
};
static OBJECT(tile_row, struct stored_tile, tile_fields, OPEN);
static const struct field snapshot_fields[] = {FIELD(struct snapshot, snapshot, "snapshot", F_REQUIRED)};
static OBJECT(snapshot_row, struct snapshot, snapshot_fields, OPEN);
static const struct field locked_fields[] = {FIELD(struct locked, locked, "locked", F_REQUIRED)};
static OBJECT(locked_row, struct locked, locked_fields, OPEN);

/* clang-format on */

static int read_tile(void *cls, struct tlog_tile tile, uint8_t *ret_hashes, struct err *err)
{
    struct sealer *sealer = cls;
    struct stored_tile stored = {0};

    switch (db_one(sealer->db, &q_audit_tile,
                   DB_ARGS(DB_I64((int64_t)tile.level), DB_I64((int64_t)tile.index)), &tile_row,
                   sealer->arena, &stored, err)) {
    case DB_ROW: break;
    case DB_NONE:
        return err_set(err, E_CORRUPT, "aud.tile", "tile %u/%llu is missing", tile.level,
                       (unsigned long long)tile.index);
    case DB_FAIL: return err_ret(err);
    }
    if (stored.width < (int64_t)tile.width || stored.data.n < (size_t)tile.width * TLOG_HASH_LEN)
        return err_set(err, E_CORRUPT, "aud.tile", "tile %u/%llu is too narrow", tile.level,
                       (unsigned long long)tile.index);
    memcpy(ret_hashes, stored.data.p, (size_t)tile.width * TLOG_HASH_LEN);
    return 0;
}

static struct tlog_tiles *tiles_of(struct sealer *sealer, uint64_t size)
{
    struct tlog_tiles *tiles = ARENA_NEW(sealer->arena, struct tlog_tiles);

    if (tiles != NULL) {
        tiles->read_tile = read_tile;
        tiles->cls = sealer;
        tiles->size = size;
    }
    return tiles;
}

/* The right edge of the stored log; refuses one that does not agree with its last checkpoint. */
static int load_edge(struct db *db, void *cls, struct err *err)
{
    struct sealer *sealer = cls;
    struct last last = {0};
    struct tlog_tiles *tiles;
    uint8_t root[TLOG_HASH_LEN];

    sealer->edge = (struct tlog_edge){0};
    switch (db_one(db, &q_sealer_last, DB_NO_ARGS, &last_row, sealer->arena, &last, err)) {
    case DB_ROW: break;
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    }
    tiles = tiles_of(sealer, (uint64_t)last.tree_size);
    if (tiles == NULL)
        return err_set(err, E_NO_MEMORY, "", "tiles");

    const struct tlog_reader reader = tlog_tile_reader(tiles);

    if (tlog_edge_read(&reader, (uint64_t)last.tree_size, &sealer->edge, err) < 0)
        return err_ret(err);
    tlog_root(&sealer->edge, root);
    if (last.root.n != sizeof(root) || memcmp(root, last.root.p, sizeof(root)) != 0)
        return err_set(err, E_CORRUPT, "aud.checkpoint",
                       "the tiles do not give the root of the checkpoint of size %lld",
                       (long long)last.tree_size);
    return 0;
}

static int store_tiles(struct db *db, struct arena *arena, const struct tlog_grown *grown, size_t n,
                       struct err *err)
{
    int64_t *levels = ARENA_ARRAY(arena, int64_t, n);
    int64_t *indexes = ARENA_ARRAY(arena, int64_t, n);
    int64_t *widths = ARENA_ARRAY(arena, int64_t, n);
    struct str *data = ARENA_ARRAY(arena, struct str, n);

    if (arena_failed(arena))
        return err_set(err, E_NO_MEMORY, "", "tiles");
    for (size_t i = 0; i < n; i++) {
        levels[i] = (int64_t)grown[i].tile.level;
        indexes[i] = (int64_t)grown[i].tile.index;
        widths[i] = (int64_t)grown[i].tile.width;
        data[i] = str_n(grown[i].hashes, (size_t)grown[i].tile.width * TLOG_HASH_LEN);
    }
    return db_exec(db, &q_sealer_tiles,
                   DB_ARGS(DB_ARRAY(DBT_I64_ARRAY, levels, n), DB_ARRAY(DBT_I64_ARRAY, indexes, n),
                           DB_ARRAY(DBT_I64_ARRAY, widths, n), DB_ARRAY(DBT_BYTES_ARRAY, data, n)),
                   NULL, err);
}

static int store_checkpoint(struct sealer *sealer, struct db *db, const struct tlog_edge *edge,
                            struct err *err)
{
    const struct str origin = sealer->app->settings->log_origin;
    AUTO(buf_done) struct buf text = buf_init(NOTE_TEXT_BYTES);
    AUTO(buf_done) struct buf note = buf_init(NOTE_BYTES);
    struct tlog_checkpoint checkpoint = {.origin = origin, .size = edge->size};

    tlog_root(edge, checkpoint.root);
    tlog_checkpoint_format(&checkpoint, &text);
    if (note_sign(buf_str(&text), origin, sealer->app->log_key, &note, err) < 0)
        return err_ret(err);
    return db_exec(db, &q_sealer_checkpoint,
                   DB_ARGS(DB_I64((int64_t)edge->size),
                           DB_BYTES(str_n(checkpoint.root, sizeof(checkpoint.root))),
                           DB_TEXT(buf_str(&note)), DB_TIME(env_wall_us(sealer->app->env))),
                   NULL, err);
}

/* One transaction of the sealer. */
struct seal {
    struct sealer *sealer;
    struct tlog_edge edge; /* after what was taken; taken over when it has committed */
    struct buf snapshot;
};

static int grow_and_store(struct seal *seal, struct db *db, const struct str *entries, size_t n,
                          struct err *err)
{
    struct sealer *sealer = seal->sealer;
    uint8_t *leaves = arena_alloc(sealer->arena, n * TLOG_HASH_LEN);
    struct tlog_tiles *tiles = tiles_of(sealer, seal->edge.size);
    struct tlog_grown *grown = NULL;
    size_t n_grown = 0;

    if (leaves == NULL || tiles == NULL)
        return err_set(err, E_NO_MEMORY, "", "leaves");
    for (size_t i = 0; i < n; i++)
        tlog_hash_leaf(entries[i], leaves + i * TLOG_HASH_LEN);

    const struct tlog_reader reader = tlog_tile_reader(tiles);

    if (tlog_grow(&seal->edge, &reader, leaves, n, sealer->arena, &grown, &n_grown, err) < 0)
        return err_ret(err);
    return store_tiles(db, sealer->arena, grown, n_grown, err);
}

/* The entries of the rows: one a line (canonical JSON has no line feed of its own). */
static int split_rows(struct arena *arena, const struct list *rows, struct str **ret_entries,
                      size_t *ret_n, struct err *err)
{
    const struct pending *items = LIST_ITEMS(struct pending, *rows);
    size_t n = rows->n, at = 0;

    for (size_t i = 0; i < rows->n; i++) {
        for (size_t k = 0; k < items[i].entry.n; k++)
            n += items[i].entry.p[k] == '\n';
    }
    *ret_entries = ARENA_ARRAY(arena, struct str, n);
    if (*ret_entries == NULL)
        return err_set(err, E_NO_MEMORY, "", "entries");
    for (size_t i = 0; i < rows->n; i++) {
        for (struct str rest = items[i].entry; str_present(rest);)
            (*ret_entries)[at++] = str_cut(&rest, '\n');
    }
    *ret_n = n;
    return 0;
}

/* Seals one batch of rows; *ret_more is false if there were no more. */
static int seal_batch(struct seal *seal, struct db *db, bool *ret_more, struct err *err)
{
    struct arena *arena = seal->sealer->arena;
    struct list taken = {0};
    struct str *entries;
    size_t n = 0;

    arena_reset(arena);
    if (db_list(db, &q_sealer_take, DB_ARGS(DB_TEXT(buf_str(&seal->snapshot)), DB_I64(BATCH)),
                &pending_row, arena, BATCH, &taken, err) < 0)
        return err_ret(err);
    *ret_more = taken.n == BATCH;
    if (taken.n == 0)
        return 0;
    if (split_rows(arena, &taken, &entries, &n, err) < 0 ||
        db_exec(db, &q_sealer_entries,
                DB_ARGS(DB_I64((int64_t)seal->edge.size), DB_ARRAY(DBT_TEXT_ARRAY, entries, n)),
                NULL, err) < 0)
        return err_ret(err);
    return grow_and_store(seal, db, entries, n, err);
}

/* db_tx_fn: seals everything that was committed when it began. */
static int seal_snapshot(struct db *db, void *arg, struct err *err)
{
    struct seal *seal = arg;
    struct sealer *sealer = seal->sealer;
    struct snapshot row = {0};
    bool more = true;

    arena_reset(sealer->arena);
    buf_reset(&seal->snapshot);
    seal->edge = sealer->edge;
    if (db_one(db, &q_sealer_snapshot, DB_NO_ARGS, &snapshot_row, sealer->arena, &row, err) !=
        DB_ROW)
        return err->code == E_OK ? err_set(err, E_DB, "", "snapshot") : err_ret(err);
    buf_add_str(&seal->snapshot, row.snapshot);
    if (buf_failed(&seal->snapshot))
        return err_set(err, E_LIMIT, "", "snapshot");
    while (more) {
        if (seal_batch(seal, db, &more, err) < 0)
            return err_ret(err);
    }
    if (seal->edge.size == sealer->edge.size)
        return 0;
    return store_checkpoint(sealer, db, &seal->edge, err);
}

static int seal_all(struct sealer *sealer, struct err *err)
{
    struct seal seal = {.sealer = sealer, .snapshot = buf_init(SNAPSHOT_BYTES)};
    uint64_t before;

    do {
        before = sealer->edge.size;
        if (db_tx(sealer->db, "seal", seal_snapshot, &seal, err) < 0)
            break;
        sealer->edge = seal.edge;
    } while (sealer->edge.size > before && !atomic_load(&sealer->stop));
    buf_done(&seal.snapshot);
    return err_ret(err);
}

/* -- the thread -------------------------------------------------------------------------------- */

/*
 * Connects, becomes the one sealer, and loads the edge. *ret_ready is false while another process
 * is the sealer.
 */
static int become_sealer(struct sealer *sealer, bool *ret_ready, struct err *err)
{
    struct db_cfg cfg = sealer->app->db;
    struct locked locked = {0};

    *ret_ready = sealer->loaded;
    if (sealer->loaded)
        return 0;
    cfg.role = "naru_sealer";
    if (sealer->db == NULL &&
        (db_open(&cfg, &sealer->db, err) < 0 || db_listen(sealer->db, "naru_audit", err) < 0))
        return err_ret(err);
    arena_reset(sealer->arena);
    if (db_one(sealer->db, &q_sealer_lock, DB_NO_ARGS, &locked_row, sealer->arena, &locked, err) !=
        DB_ROW)
        return err->code == E_OK ? err_set(err, E_DB, "", "advisory lock") : err_ret(err);
    if (!locked.locked)
        return 0;
    if (db_snapshot(sealer->db, "seal_load", load_edge, sealer, err) < 0)
        return err_ret(err);
    sealer->loaded = true;
    *ret_ready = true;
    return 0;
}

static int work(struct sealer *sealer, struct err *err)
{
    bool ready = false;

    if (become_sealer(sealer, &ready, err) < 0)
        return err_ret(err);
    return ready ? seal_all(sealer, err) : 0;
}

static void wait_for_work(struct sealer *sealer)
{
    struct pollfd fds[] = {
        {.fd = sealer->stop_fd,                             .events = POLLIN},
        {.fd = sealer->db != NULL ? db_fd(sealer->db) : -1, .events = POLLIN},
    };
    struct err err = {0};
    bool woken = false;

    /* a notification may have come with the answer of a statement: poll(2) would not see it */
    if (sealer->db != NULL && db_wait(sealer->db, 0, &woken, &err) == 0 && woken)
        return;
    (void)poll(fds, ARRAY_LEN(fds), LOOK_AGAIN_MS);
    if (fds[1].revents != 0)
        IGNORE(db_wait(sealer->db, 0, &woken, &err), "the next statement shows a lost connection");
}

static void *run(void *arg)
{
    struct sealer *sealer = arg;

    while (!atomic_load(&sealer->stop)) {
        const int64_t start_us = env_mono_us(sealer->app->env);
        struct err err = {0};
        int64_t caught_up = 0;

        atomic_compare_exchange_strong(&sealer->behind_since_us, &caught_up, start_us);
        if (work(sealer, &err) < 0) {
            log_err(NULL, "the audit log could not be sealed", &err);
            sealer->loaded = false;
            db_close(&sealer->db);
        } else {
            atomic_store(&sealer->behind_since_us, 0);
        }
        wait_for_work(sealer);
    }
    db_close(&sealer->db);
    return NULL;
}

int sealer_open(struct app *app, struct sealer **ret_sealer, struct err *err)
{
    struct sealer *sealer = calloc(1, sizeof(*sealer));

    if (key_alg(app->log_key) != KEY_EDDSA) {
        free(sealer);
        return err_set(err, E_CONFIG, "log.key", "expected an Ed25519 key");
    }
    if (sealer == NULL || (sealer->arena = arena_new(ARENA_BYTES)) == NULL ||
        (sealer->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        if (sealer != NULL)
            arena_free(&sealer->arena);
        free(sealer);
        return err_set(err, E_NO_MEMORY, "", "sealer");
    }
    sealer->app = app;
    if (pthread_create(&sealer->thread, NULL, run, sealer) != 0) {
        close(sealer->stop_fd);
        arena_free(&sealer->arena);
        free(sealer);
        return err_set(err, E_NO_MEMORY, "", "sealer thread");
    }
    *ret_sealer = sealer;
    return 0;
}

void sealer_close(struct sealer **sealer_address)
{
    struct sealer *sealer = *sealer_address;

    *sealer_address = NULL;
    if (sealer == NULL)
        return;
    atomic_store(&sealer->stop, true);
    (void)!write(sealer->stop_fd, &(uint64_t){1}, sizeof(uint64_t));
    pthread_join(sealer->thread, NULL);
    close(sealer->stop_fd);
    arena_free(&sealer->arena);
    free(sealer);
}

int64_t sealer_lag_us(const struct sealer *sealer)
{
    const int64_t since_us = atomic_load(&sealer->behind_since_us);

    return since_us == 0 ? 0 : env_mono_us(sealer->app->env) - since_us;
}
