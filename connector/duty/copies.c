/*
 * connector/duty/copies.c - copies of data that were noted: POST, GET /naru/v1/copies; removing them
 *
 * `naru fetch` notes what it wrote, other programs may do the same. A copy below data.dir the
 * connector removes by itself when that is owed, if it is still the file that was noted (device,
 * inode, size, last change). All others are shown with the duty, for people to delete.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/dataplane.h"
#include "connector/duty/duty_private.h"
#include "lib/base/timefmt.h"
#include "lib/log/log.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define PATH_BYTES 4096

/* clang-format off */
#define COLUMN(member) FIELD(struct copy, member, #member, 0)
static const struct field copy_fields[] = {
    COLUMN(copy_id), COLUMN(agreement_id), COLUMN(path), COLUMN(digest), COLUMN(bytes), COLUMN(stamp),
    COLUMN(noted_us), COLUMN(deleted_us),
};
/* clang-format on */
OBJECT(duty__copy_row, struct copy, copy_fields, OPEN);

/* -- files ------------------------------------------------------------------------------------- */

/* The path below data.dir; STR_NONE if it lies elsewhere. */
static struct str below_data(const struct app *app, struct str path)
{
    char folder[PATH_BYTES], real[PATH_MAX];
    const struct str own = app->settings->data_dir;
    struct str root;

    if (own.n == 0 || own.n >= sizeof(folder))
        return STR_NONE;
    memcpy(folder, own.p, own.n);
    folder[own.n] = '\0';
    if (realpath(folder, real) == NULL)
        return STR_NONE;
    root = str_c(real);
    if (path.n <= root.n + 1 || !str_starts(path, root) || path.p[root.n] != '/')
        return STR_NONE;
    return str_from(path, root.n + 1);
}

static void write_stamp(const struct stat *st, char stamp[static STAMP_MAX])
{
    (void)snprintf(stamp, STAMP_MAX, "%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%lld.%09ld",
                   (uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size,
                   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* Errors: E_NOT_FOUND and the like; the descriptor's status tells which file it is. */
static int stamp_of(struct app *app, struct str path, char stamp[static STAMP_MAX], struct err *err)
{
    const struct str rest = below_data(app, path);
    struct stat st;
    int fd;

    if (!str_present(rest))
        return err_set(err, E_INVALID, "path", "not below data.dir");
    fd = dataplane_open_file(app, rest, err);
    if (fd < 0)
        return err_ret(err);
    if (fstat(fd, &st) < 0) {
        close(fd);
        return err_set(err, E_IO, "path", "no status");
    }
    close(fd);
    write_stamp(&st, stamp);
    return 0;
}

/* What tells this very file from any other, if it is a regular file below data.dir that the connector may touch; STR_NONE else. */
static struct str copy_stamp(struct app *app, struct str path, struct arena *arena)
{
    char stamp[STAMP_MAX];
    struct err ignored = {0};

    return stamp_of(app, path, stamp, &ignored) < 0 ? STR_NONE : arena_str(arena, str_c(stamp));
}

/* True if the file is gone afterwards. Another one under its name stays, and is people's affair. */
static bool remove_copy(struct app *app, const struct copy *copy)
{
    char path[PATH_BYTES], stamp[STAMP_MAX];
    struct err err = {0};

    if (copy->path.n >= sizeof(path))
        return false;
    if (stamp_of(app, copy->path, stamp, &err) < 0)
        return err.code == E_NOT_FOUND;
    if (!str_eq_c(copy->stamp, stamp))
        return false;
    memcpy(path, copy->path.p, copy->path.n);
    path[copy->path.n] = '\0';
    return unlink(path) == 0;
}

void duty__copies_remove(struct app *app, struct list *copies)
{
    struct copy *items = copies->items;

    for (size_t i = 0; i < copies->n; i++) {
        if (remove_copy(app, &items[i]))
            items[i].deleted_us = env_wall_us(app->env);
        else
            log_warning(NULL, "a copy that must be deleted was not", L_STR("path", items[i].path),
                        L_STR("agreement", items[i].agreement_id));
    }
}

int duty__copies_gone(struct db *tx, const struct list *copies, int64_t now_us, struct err *err)
{
    for (size_t i = 0; i < copies->n; i++) {
        const struct copy *copy = &LIST_ITEMS(struct copy, *copies)[i];
        const bool gone = copy->deleted_us != 0;

        if (gone ? db_exec(tx, &q_copy_deleted, DB_ARGS(DB_TEXT(copy->copy_id), DB_I64(now_us)),
                           NULL, err) < 0
                 : db_exec(tx, &q_copy_left, DB_ARGS(DB_TEXT(copy->copy_id)), NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* -- POST /naru/v1/copies ---------------------------------------------------------------------- */

struct note {
    struct str agreement, path, digest;
    int64_t bytes;
};
/* clang-format off */
static const struct field note_fields[] = {
    FIELD(struct note, agreement, "agreement", F_REQUIRED | F_NONEMPTY),
    FIELD(struct note, path,      "path",      F_REQUIRED | F_NONEMPTY),
    FIELD(struct note, digest,    "digest",    F_REQUIRED | F_NONEMPTY),
    FIELD(struct note, bytes,     "bytes",     F_REQUIRED | F_NATURAL),
};
/* clang-format on */
static OBJECT(note_object, struct note, note_fields, CLOSED);

struct noting {
    struct writer_op op;
    struct rq *rq;
    struct note note;
    struct str id, stamp;
    struct err err;
};

static int note_copy(struct db *tx, void *arg, struct err *err)
{
    const struct noting *n = arg;
    struct agreement a = {0};

    switch (db_one(tx, &q_dsp_agreement_get, DB_ARGS(DB_TEXT(n->note.agreement)), &agreement_row,
                   n->rq->arena, &a, err)) {
    case DB_ROW: break;
    case DB_NONE: return err_tell(err, E_NOT_FOUND, "/agreement", "no such agreement");
    case DB_FAIL: return err_ret(err);
    }
    return db_exec(tx, &q_copy_note,
                   DB_ARGS(DB_TEXT(n->id), DB_TEXT(n->note.agreement), DB_TEXT(n->note.path),
                           DB_TEXT(n->note.digest), DB_I64(n->note.bytes), DB_TEXT(n->stamp),
                           DB_I64(env_wall_us(n->rq->env))),
                   NULL, err);
}

static void noted(void *arg, const struct err *err)
{
    struct noting *n = arg;

    n->err = *err;
    rq_resume(n->rq);
}

static int note_answer(struct rq *rq, struct err *err)
{
    const struct noting *n = rq->cls;
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    if (n->err.code != E_OK) {
        *err = n->err;
        return err_ret(err);
    }
    jw_object(&w);
    jw_kstr(&w, "agreement", n->note.agreement);
    jw_kstr(&w, "path", n->note.path);
    jw_kbool(&w, "deleted_by_connector", str_present(n->stamp));
    jw_object_end(&w);
    rq_reply_json(rq, 200, buf_str(&out));
    return 0;
}

int duty_note(struct rq *rq, struct err *err)
{
    struct app *app = rq->app;
    struct noting *n = ARENA_NEW(rq->arena, struct noting);

    if (n == NULL)
        return err_set(err, E_NO_MEMORY, "", "copy");
    n->rq = rq;
    if (rq_decode(rq, &note_object, &n->note, err) < 0)
        return err_ret(err);
    if (n->note.agreement.n > LIMIT_ID)
        return err_tell(err, E_LIMIT, "/agreement", "at most %d bytes", LIMIT_ID);
    if (n->note.path.n >= PATH_BYTES || n->note.path.p[0] != '/')
        return err_tell(err, E_INVALID, "/path", "expected an absolute path of less than %d bytes",
                        PATH_BYTES);
    if (!wire_is_digest(n->note.digest))
        return err_tell(err, E_INVALID, "/digest",
                        "expected 'sha256:' and 64 lower-case hex digits");
    n->id = arena_str(rq->arena, str_c(uuid_format(uuid_new(rq->env)).c));
    n->stamp = copy_stamp(app, n->note.path, rq->arena);
    n->op = (struct writer_op){.name = "copy", .fn = note_copy, .arg = n, .done = noted};
    rq->cls = n;
    rq_suspend(rq, note_answer);
    if (writer_submit(app->writer, &n->op, &n->err) < 0)
        rq_resume(rq);
    return 0;
}

/* -- GET /naru/v1/copies?agreement= ------------------------------------------------------------ */

int duty_copies(struct rq *rq, struct err *err)
{
    const struct worker *worker = rq->thread;
    AUTO(buf_done) struct buf out = buf_init(MIB(8));
    const struct str agreement = rq_query(rq, "agreement");
    struct jw w = jw_init(&out);
    struct list list = {0};
    int64_t most;

    if (agreement.n == 0)
        return err_tell(err, E_INVALID, "?agreement", "expected the id of an agreement");
    if (rq_query_i64(rq, "limit", 100, 1, LIMIT_PAGE, &most, err) < 0 ||
        db_list(worker->db, &q_copy_list, DB_ARGS(DB_TEXT(agreement), DB_I64(most)),
                &duty__copy_row, rq->arena, (size_t)most, &list, err) < 0)
        return err_ret(err);
    jw_object(&w);
    jw_key(&w, "items");
    jw_array(&w);
    for (size_t i = 0; i < list.n; i++) {
        const struct copy *copy = &LIST_ITEMS(struct copy, list)[i];

        jw_object(&w);
        jw_kstr(&w, "path", copy->path);
        jw_kstr(&w, "digest", copy->digest);
        jw_ki64(&w, "bytes", copy->bytes);
        jw_kc(&w, "noted_at", time_format(copy->noted_us).c);
        jw_kbool(&w, "deleted_by_connector", str_present(copy->stamp));
        if (copy->deleted_us != 0)
            jw_kc(&w, "deleted_at", time_format(copy->deleted_us).c);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    rq_reply_buf(rq, 200, "application/json", &out);
    return 0;
}
