/*
 * SQLite engine: connection, errors, transactions (reference/runtime-spike.md, rule 11: WAL, synchronous=FULL, one owner per
 * connection, BEGIN IMMEDIATE for writing).
 */
#include "lib/db/sqlite_private.h"

#include <pthread.h>

#include "lib/base/check.h"
#include "lib/base/env.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

/* how many virtual machine steps pass between two looks at the clock */
#define PROGRESS_STEPS 10000
/* readers of a WAL database wait only for recovery and for the last connection's closing */
#define READER_BUSY_US US_PER_S

static const char *const settings_both[] = {
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8192",
    "PRAGMA trusted_schema=OFF",
};
static const char *const settings_writer[] = {
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    /* 16 MiB: pages that are written often go back less often */
    "PRAGMA wal_autocheckpoint=4000",
};

/* clang-format off */
#define EACH_DEPTH(x) {NULL, x "1", x "2", x "3", x "4", x "5", x "6", x "7"}
static const char *const control_text[][DB_MAX_DEPTH] = {
    [DB_BEGIN] = {"BEGIN IMMEDIATE"}, [DB_BEGIN_SNAPSHOT] = {"BEGIN"}, [DB_COMMIT] = {"COMMIT"}, [DB_ROLLBACK] = {"ROLLBACK"},
    [DB_SAVEPOINT] = EACH_DEPTH("SAVEPOINT s"), [DB_RELEASE] = EACH_DEPTH("RELEASE s"), [DB_UNDO] = EACH_DEPTH("ROLLBACK TO s"),
};

/* clang-format on */

/* "CHECK constraint failed: name", "UNIQUE constraint failed: table.column"; a trigger's RAISE gives its text. */
static const char *constraint_name(const char *message)
{
    const char *p = strstr(message, "constraint failed: ");

    if (p != NULL)
        return p + sizeof("constraint failed: ") - 1;
    return strstr(message, "constraint failed") != NULL ? "" : message;
}

static enum err_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT: return E_DB_CONSTRAINT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_AUTH:
    case SQLITE_PERM: return E_DB;
    case SQLITE_NOMEM: return E_NO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return E_CORRUPT;
    default: return E_INTERNAL;
    }
}

int sqlite__error(struct db_sqlite *s, const char *at, struct err *err)
{
    int rc = sqlite3_extended_errcode(s->handle);
    const char *message = sqlite3_errmsg(s->handle);
    enum err_code code = code_of(rc);

    if (rc == SQLITE_BUSY_SNAPSHOT)
        s->db.conflict = true;
    if (code == E_DB_CONSTRAINT)
        return err_set(err, code, constraint_name(message), "sqlite: %s, statement '%s'", message,
                       at);
    return err_set(err, code, at, "sqlite: %s (%d)", message, rc);
}

int sqlite__check_open(struct db_sqlite *s, struct err *err)
{
    if (s->db.depth == 0 || sqlite3_get_autocommit(s->handle) == 0)
        return 0;
    s->db.broken = true;
    return err_set(err, E_DB, "", "sqlite ended the transaction after an earlier error");
}

static int on_progress(void *cls)
{
    const struct db_sqlite *s = cls;

    return env_mono_us(&env_system) > s->deadline_us;
}

void sqlite__start_deadline(struct db_sqlite *s)
{
    if (s->db.read_only)
        s->deadline_us = env_mono_us(&env_system) + s->db.timeout_us;
}

static int run(struct db_sqlite *s, const char *text, struct err *err)
{
    if (sqlite3_exec(s->handle, text, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite__error(s, text, err);
    return 0;
}

/* Statements that every transaction needs are prepared once. */
static int step_control(struct db_sqlite *s, enum db_control what, unsigned depth, struct err *err)
{
    const char *text = control_text[what][depth];
    sqlite3_stmt **h = &s->control[what][depth];
    int rc = 0;

    if (*h == NULL &&
        sqlite3_prepare_v3(s->handle, text, -1, SQLITE_PREPARE_PERSISTENT, h, NULL) != SQLITE_OK)
        return sqlite__error(s, text, err);
    if (sqlite3_step(*h) != SQLITE_DONE)
        rc = sqlite__error(s, text, err);
    (void)sqlite3_reset(*h); /* repeats the error of step */
    return rc;
}

/* depth: of the savepoint; 0 is the transaction itself. */
static int sqlite_control(struct db *db, enum db_control what, unsigned depth, struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);

    sqlite__start_deadline(s);
    switch (what) {
    case DB_ROLLBACK:
        if (sqlite3_get_autocommit(s->handle) != 0)
            return 0;
        break;
    case DB_BEGIN:
    case DB_BEGIN_SNAPSHOT: break;
    case DB_COMMIT:
    case DB_SAVEPOINT:
    case DB_RELEASE:
    case DB_UNDO:
        if (sqlite__check_open(s, err) < 0)
            return err_ret(err);
        break;
    }
    if (step_control(s, what, depth, err) < 0)
        return err_ret(err);
    return what == DB_UNDO ? step_control(s, DB_RELEASE, depth, err) : 0;
}

static int sqlite_script(struct db *db, const char *name, const char *text, struct err *err)
{
    struct db_sqlite *s = sqlite_of(db);

    if (sqlite3_exec(s->handle, text, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite__error(s, name, err);
    if (sqlite3_get_autocommit(s->handle) != 0)
        return err_set(err, E_CONFIG, name, "the script ended its transaction");
    return 0;
}

static int sqlite_ready(struct db *db, struct err *err)
{
    (void)db;
    (void)err;
    return 0;
}

static int sqlite_listen(struct db *db, const char *channel, struct err *err)
{
    (void)db;
    return err_set(err, E_INTERNAL, channel, "SQLite has no notifications");
}

static int sqlite_hear(struct db *db, int64_t timeout_us,
                       void (*each)(void *cls, struct str payload), void *cls, bool *ret_woken,
                       bool *ret_lost, struct err *err)
{
    (void)db;
    (void)timeout_us;
    (void)each;
    (void)cls;
    (void)ret_woken;
    (void)ret_lost;
    return err_set(err, E_INTERNAL, "", "SQLite has no notifications");
}

static int sqlite_fd(const struct db *db)
{
    (void)db;
    return -1;
}

static void sqlite_close(struct db *db)
{
    struct db_sqlite *s = sqlite_of(db);

    for (size_t what = 0; what < ARRAY_LEN(s->control); what++)
        for (size_t depth = 0; depth < DB_MAX_DEPTH; depth++)
            (void)sqlite3_finalize(s->control[what][depth]);
    /* _v2: a statement that was forgotten keeps the connection as a zombie instead of leaking it */
    (void)sqlite3_close_v2(s->handle);
    free(db);
}

static const struct db_ops sqlite_ops = {
    .close = sqlite_close,
    .ready = sqlite_ready,
    .prepare = sqlite__prepare,
    .forget = sqlite__forget,
    .start = sqlite__start,
    .next = sqlite__next,
    .value = sqlite__value,
    .finish = sqlite__finish,
    .control = sqlite_control,
    .script = sqlite_script,
    .check = sqlite__check,
    .listen = sqlite_listen,
    .hear = sqlite_hear,
    .fd = sqlite_fd,
    .cursor_open = sqlite__cursor_open,
    .cursor_close = sqlite__cursor_close,
    .cursor_columns = sqlite__cursor_columns,
    .cursor_name = sqlite__cursor_name,
    .cursor_is_number = sqlite__cursor_is_number,
    .cursor_next = sqlite__cursor_next,
    .cursor_value = sqlite__cursor_value,
};

static int configure(struct db_sqlite *s, struct err *err)
{
    int64_t busy_us = s->db.timeout_us;

    if (s->db.read_only) {
        sqlite3_progress_handler(s->handle, PROGRESS_STEPS, on_progress, s);
        busy_us = busy_us < READER_BUSY_US ? busy_us : READER_BUSY_US;
    }
    (void)sqlite3_busy_timeout(s->handle, (int)(busy_us / 1000));
    sqlite__start_deadline(s);
    if (sqlite__add_match(s->handle) != SQLITE_OK)
        return sqlite__error(s, "", err);
    for (size_t i = 0; i < ARRAY_LEN(settings_both); i++)
        if (run(s, settings_both[i], err) < 0)
            return err_ret(err);
    for (size_t i = 0; i < ARRAY_LEN(settings_writer) && !s->db.read_only; i++)
        if (run(s, settings_writer[i], err) < 0)
            return err_ret(err);
    return 0;
}

/* Nobody asks how much memory SQLite uses; to count it takes a lock of the whole process for each piece. */
static void set_up(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite__wal_register();
}

int db__sqlite_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err)
{
    int flags =
        (cfg->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct db_sqlite *s = calloc(1, sizeof(*s));

    CHECK(pthread_once(&once, set_up) == 0);
    if (s == NULL)
        return err_set(err, E_NO_MEMORY, "", "database '%s'", cfg->target);
    s->db.ops = &sqlite_ops;
    s->db.kind = DB_SQLITE;
    s->db.read_only = cfg->read_only;
    s->db.timeout_us = cfg->timeout_us > 0 ? cfg->timeout_us : DB_TIMEOUT_US;
    if (sqlite3_open_v2(cfg->target, &s->handle, flags, cfg->read_only ? NULL : SQLITE_WAL_VFS) !=
        SQLITE_OK)
        (void)sqlite__error(s, "", err);
    else if (configure(s, err) == 0) {
        *ret_db = &s->db;
        return 0;
    }
    sqlite_close(&s->db);
    if (err->code == E_CORRUPT)
        err->code = E_CONFIG; /* some other file */
    return err_prefix(err, "database '%s'", cfg->target);
}
