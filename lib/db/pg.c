/*
 * PostgreSQL engine: connection, reconnection with back-off, errors, transactions, notifications.
 */
#include "lib/db/pg_private.h"

#include <poll.h>

#include "lib/base/check.h"
#include "lib/base/env.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define BACK_OFF_MIN_US (US_PER_S / 10)
#define BACK_OFF_MAX_US (5 * US_PER_S)

/* clang-format off */
static const char *const control_text[] = {
    [DB_BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED",
    [DB_BEGIN_SNAPSHOT] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [DB_COMMIT] = "COMMIT", [DB_ROLLBACK] = "ROLLBACK",
};
#define EACH_DEPTH(x) {x "1", x "2", x "3", x "4", x "5", x "6", x "7"}
static const char *const savepoint_text[][DB_MAX_DEPTH - 1] = {
    EACH_DEPTH("SAVEPOINT s"), EACH_DEPTH("RELEASE s"), EACH_DEPTH("ROLLBACK TO s"),
};

/* clang-format on */

/* SQLSTATE classes and codes (PostgreSQL manual, appendix A), longest match first; what is not here is our mistake. */
static const struct {
    const char *state;
    enum err_code code;
    bool conflict;
} states[] = {
    {"40001", E_DB,            true },
    {"40P01", E_DB,            true },
    {"P0001", E_DB_CONSTRAINT, false},
    {"22021", E_INVALID,       false},
    {"57014", E_DB,            false},
    {"55P03", E_DB,            false},
    {"25006", E_INTERNAL,      false},
    {"23",    E_DB_CONSTRAINT, false},
    {"54",    E_LIMIT,         false},
    {"08",    E_DB,            false},
    {"53",    E_DB,            false},
    {"57",    E_DB,            false},
    {"58",    E_DB,            false},
    {"XX001", E_CORRUPT,       false},
    {"XX002", E_CORRUPT,       false},
};

static const char *field_of(const PGresult *result, int field)
{
    const char *text = PQresultErrorField(result, field);

    return text != NULL ? text : "";
}

/* The name of the rule that was violated; NOT NULL has none, so the column stands for it, as in SQLite. */
static void constraint_name(const PGresult *result, char *out, size_t n)
{
    const char *name = field_of(result, PG_DIAG_CONSTRAINT_NAME);

    if (name[0] == '\0' && field_of(result, PG_DIAG_COLUMN_NAME)[0] != '\0') {
        (void)snprintf(out, n, "%s.%s", field_of(result, PG_DIAG_TABLE_NAME),
                       field_of(result, PG_DIAG_COLUMN_NAME));
        return;
    }
    (void)snprintf(out, n, "%s",
                   name[0] != '\0' ? name : field_of(result, PG_DIAG_MESSAGE_PRIMARY));
}

static int connection_error(struct db_pg *pg, const char *at, struct err *err)
{
    struct str text = str_trim(str_c(PQerrorMessage(pg->conn)));

    if (PQstatus(pg->conn) != CONNECTION_OK)
        pg->lost = true;
    return err_set(err, E_DB, at, "postgresql: %.*s", STR_ARG(text));
}

int pg__error(struct db_pg *pg, const PGresult *result, const char *at, struct err *err)
{
    const char *state = result != NULL ? field_of(result, PG_DIAG_SQLSTATE) : "";
    const char *message = result != NULL ? field_of(result, PG_DIAG_MESSAGE_PRIMARY) : "";
    char name[sizeof(err->at)];

    if (PQstatus(pg->conn) != CONNECTION_OK || state[0] == '\0')
        return connection_error(pg, at, err);
    if (str_starts(str_c(state), STR("57P")))
        pg->lost = true; /* the server ends this session */
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (!str_starts(str_c(state), str_c(states[i].state)))
            continue;
        pg->db.conflict = pg->db.conflict || states[i].conflict;
        if (states[i].code == E_INVALID) /* whatever door let it in: SQLite would have taken it */
            return err_tell(err, E_INVALID, "", "a text has bytes that are no UTF-8");
        if (states[i].code != E_DB_CONSTRAINT)
            return err_set(err, states[i].code, at, "postgresql: %s (%s)", message, state);
        constraint_name(result, name, sizeof(name));
        return err_set(err, E_DB_CONSTRAINT, name, "postgresql: %s (%s), statement '%s'", message,
                       state, at);
    }
    return err_set(err, E_INTERNAL, at, "postgresql: %s (%s)", message, state);
}

void pg__drain(struct db_pg *pg)
{
    bool end = false;

    PQclear(pg->result);
    pg->result = NULL;
    pg->streaming = false;
    pg->n_unread = 0;
    while (!end && PQstatus(pg->conn) == CONNECTION_OK) {
        PGresult *r = PQgetResult(pg->conn);
        end = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
    }
    if (PQstatus(pg->conn) != CONNECTION_OK)
        pg->lost = true;
}

int pg__send_pending(struct db_pg *pg, struct err *err)
{
    CHECK(pg->n_unread + pg->n_pending <= PG_MAX_UNREAD);
    for (unsigned i = 0; i < pg->n_pending; i++) {
        if (PQsendQueryParams(pg->conn, pg->pending[i], 0, NULL, NULL, NULL, NULL, 0) == 0)
            return connection_error(pg, "", err);
        pg->unread[pg->n_unread++] = (struct pg_unread){0};
    }
    pg->n_pending = 0;
    return 0;
}

/* ret_result: NULL, or gets a good one (PQclear). */
static int read_result(struct db_pg *pg, const char *at, PGresult **ret_result, struct err *err)
{
    PGresult *r = PQgetResult(pg->conn);
    const ExecStatusType status = PQresultStatus(r);
    const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    const int rc = good ? 0 : pg__error(pg, r, at, err);

    if (r != NULL)
        PQclear(PQgetResult(pg->conn)); /* the NULL that ends each command */
    if (good && ret_result != NULL)
        *ret_result = r;
    else
        PQclear(r);
    return rc;
}

int pg__read_status(struct db_pg *pg, const char *at, struct err *err)
{
    return read_result(pg, at, NULL, err);
}

int pg__read_before(struct db_pg *pg, const char *at, struct err *err)
{
    struct err later = {0};
    int rc = 0;

    for (unsigned i = 0; i < pg->n_unread; i++) {
        const struct pg_unread *unread = &pg->unread[i];
        const char *name = unread->name != NULL ? unread->name : at;
        PGresult **keep = unread->question != NULL ? &unread->question->result : NULL;

        rc = read_result(pg, name, keep, rc == 0 ? err : &later) < 0 ? -1 : rc;
    }
    pg->n_unread = 0;
    return rc < 0 ? err_ret(err) : 0;
}

int pg__run(struct db_pg *pg, const char *text, const char *at, PGresult **ret_result,
            struct err *err)
{
    if (pg->lost)
        return err_set(err, E_DB, at, "connection to the database is lost");
    if (pg__send_pending(pg, err) < 0)
        return err_ret(err);
    if (PQsendQueryParams(pg->conn, text, 0, NULL, NULL, NULL, NULL, 0) == 0 ||
        PQpipelineSync(pg->conn) == 0)
        return connection_error(pg, at, err);
    int rc = pg__read_before(pg, at, err);
    PGresult *r = PQgetResult(pg->conn);
    ExecStatusType status = PQresultStatus(r);
    if (rc == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        rc = pg__error(pg, r, at, err);
    pg__drain(pg);
    if (rc == 0 && ret_result != NULL)
        *ret_result = r;
    else
        PQclear(r);
    return rc;
}

/* -- connection ---------------------------------------------------------------------------------------------------- */

static void silent(void *cls, const PGresult *result)
{
    (void)cls;
    (void)result;
}

/* Settings of the session by parameters, so that no value is ever text of a statement. */
static int apply_settings(struct db_pg *pg, struct err *err)
{
    char timeout[24];

    (void)snprintf(timeout, sizeof(timeout), "%lld", (long long)(pg->db.timeout_us / 1000));
    const char *values[] = {timeout, pg->db.read_only ? "on" : "off", pg->role};
    PGresult *r = PQexecParams(
        pg->conn,
        "SELECT set_config('statement_timeout', $1, false), set_config('TimeZone', 'UTC', false), "
        "set_config('client_min_messages', 'warning', false), "
        "set_config('default_transaction_read_only', $2, false), "
        "CASE WHEN $3::text IS NOT NULL THEN set_config('role', $3::text, false) END",
        3, NULL, values, NULL, NULL, 0);
    int rc = 0;
    if (PQresultStatus(r) != PGRES_TUPLES_OK) {
        rc = pg__error(pg, r, pg->role != NULL ? pg->role : "", err);
        if (err->code == E_INTERNAL)
            err->code = E_CONFIG; /* no such role, or not a member */
    }
    PQclear(r);
    return rc;
}

static int listen_to(struct db_pg *pg, const char *channel, struct err *err)
{
    char text[256];

    char *name = PQescapeIdentifier(pg->conn, channel, strlen(channel));
    if (name == NULL || snprintf(text, sizeof(text), "LISTEN %s", name) >= (int)sizeof(text)) {
        PQfreemem(name);
        return err_set(err, E_INTERNAL, channel, "channel name");
    }
    PQfreemem(name);
    return pg__run(pg, text, channel, NULL, err);
}

static int connect_once(struct db_pg *pg, struct err *err)
{
    /* a setting in the target overrides those before it */
    static const char *const names[] = {
        "connect_timeout",  "keepalives_idle",  "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "application_name",
        "dbname",           "client_encoding",  NULL,
    };
    const char *values[] = {"5", "30", "10", "3", "30000", "naru", pg->target, "UTF8", NULL};

    PQfinish(pg->conn);
    pg->n_pending = pg->n_unread = 0;
    pg->lost = true;
    pg->conn = PQconnectdbParams(names, values, /* expand_dbname= */ 1);
    if (PQstatus(pg->conn) != CONNECTION_OK)
        return connection_error(pg, "", err);
    (void)PQsetNoticeReceiver(pg->conn, silent, NULL);
    if (apply_settings(pg, err) < 0)
        return err_ret(err);
    if (PQenterPipelineMode(pg->conn) == 0)
        return connection_error(pg, "", err);
    pg->lost = false;
    pg->generation++;
    if (pg->connected != NULL && pg->connected(&pg->db, pg->connected_cls, err) < 0) {
        pg->lost = true;
        return err_ret(err);
    }
    for (unsigned i = 0; i < pg->n_channels; i++)
        if (listen_to(pg, pg->channels[i], err) < 0) {
            pg->lost = true;
            return err_ret(err);
        }
    pg->woken = true; /* what was notified meanwhile is not known */
    return 0;
}

static int pg_ready(struct db *db, struct err *err)
{
    struct db_pg *pg = pg_of(db);
    struct pollfd fd = {.fd = pg->lost ? -1 : PQsocket(pg->conn), .events = POLLIN};

    /* a server that went away while nothing was asked has closed the socket: see it before, not by, the next statement;
     * its last words come before the end of the stream */
    while (!pg->lost && poll(&fd, 1, 0) > 0)
        if (PQconsumeInput(pg->conn) == 0 || PQstatus(pg->conn) != CONNECTION_OK)
            pg->lost = true;
    if (!pg->lost)
        return 0;
    if (env_mono_us(&env_system) < pg->retry_at_us)
        return err_set(err, E_DB, "", "database is away, next try is due soon");
    if (connect_once(pg, err) < 0) {
        pg->back_off_us = pg->back_off_us == 0 ? BACK_OFF_MIN_US : 2 * pg->back_off_us;
        if (pg->back_off_us > BACK_OFF_MAX_US)
            pg->back_off_us = BACK_OFF_MAX_US;
        pg->retry_at_us = env_mono_us(&env_system) + pg->back_off_us;
        return err_ret(err);
    }
    pg->back_off_us = 0;
    return 0;
}

/* -- transactions --------------------------------------------------------------------------------------------------- */

static int note(struct db_pg *pg, const char *text, struct err *err)
{
    if (pg->n_pending == PG_MAX_PENDING)
        return err_set(err, E_INTERNAL, "", "too many control statements without a statement");
    pg->pending[pg->n_pending++] = text;
    return 0;
}

/* A level in which nothing happened is never sent. */
static bool cancel_last(struct db_pg *pg, const char *opening)
{
    if (pg->n_pending == 0 || pg->pending[pg->n_pending - 1] != opening)
        return false;
    pg->n_pending--;
    return true;
}

int pg__settle(struct db_pg *pg, struct err *err)
{
    int rc;

    if (pg->n_unread == 0 || pg->lost)
        return 0;
    if (PQpipelineSync(pg->conn) == 0)
        return connection_error(pg, "", err);
    rc = pg__read_before(pg, "", err);
    pg__drain(pg);
    return rc;
}

static int commit(struct db_pg *pg, struct err *err)
{
    PGresult *r = NULL;

    if (cancel_last(pg, control_text[DB_BEGIN]) || cancel_last(pg, control_text[DB_BEGIN_SNAPSHOT]))
        return 0;
    /* only what breaks during COMMIT itself leaves the outcome unknown */
    if (pg__settle(pg, err) < 0 || pg__check_taken(pg, err) < 0)
        return err_ret(err);
    if (pg->lost)
        return err_set(err, E_DB, "", "connection was lost before the commit");
    if (PQtransactionStatus(pg->conn) == PQTRANS_INERROR && pg->n_pending == 0)
        return err_set(err, pg->db.conflict ? E_DB : E_INTERNAL, "",
                       "commit after an error that was ignored");
    if (pg__run(pg, control_text[DB_COMMIT], "commit", &r, err) < 0) {
        pg->db.commit_unknown = pg->lost;
        return err_ret(err);
    }
    bool committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
    PQclear(r);
    if (!committed)
        return err_set(err, E_DB, "", "the server rolled the transaction back");
    return 0;
}

static int rollback(struct db_pg *pg, struct err *err)
{
    bool begun = pg->n_pending == 0 || (pg->pending[0] != control_text[DB_BEGIN] &&
                                        pg->pending[0] != control_text[DB_BEGIN_SNAPSHOT]);

    pg->n_pending = 0;
    IGNORE(pg__settle(pg, err), "whatever became of it is undone");
    if (!begun || pg->lost || PQtransactionStatus(pg->conn) == PQTRANS_IDLE)
        return 0;
    if (pg__run(pg, control_text[DB_ROLLBACK], "rollback", NULL, err) == 0)
        return 0;
    pg->lost = true; /* the server ends the transaction with the session */
    return err_ret(err);
}

static int pg_control(struct db *db, enum db_control what, unsigned depth, struct err *err)
{
    struct db_pg *pg = pg_of(db);

    switch (what) {
    case DB_COMMIT: return commit(pg, err);
    case DB_ROLLBACK: return rollback(pg, err);
    case DB_BEGIN:
    case DB_BEGIN_SNAPSHOT:
        pg->n_pending = 0;
        pg__forget_questions(pg);
        return note(pg, control_text[what], err);
    case DB_SAVEPOINT:
    case DB_RELEASE:
    case DB_UNDO: break;
    }
    if (pg->lost)
        return err_set(err, E_DB, "", "connection to the database is lost");
    if (what == DB_SAVEPOINT) {
        /* a level adds three at most, and all of them may end without another statement */
        if (pg->n_pending + 3 * DB_MAX_DEPTH > PG_MAX_PENDING &&
            pg__run(pg, "SELECT 1", "", NULL, err) < 0)
            return err_ret(err);
        return note(pg, savepoint_text[0][depth - 1], err);
    }
    if (cancel_last(pg, savepoint_text[0][depth - 1]))
        return 0;
    if (what == DB_UNDO && note(pg, savepoint_text[2][depth - 1], err) < 0)
        return err_ret(err);
    if (what == DB_RELEASE && PQtransactionStatus(pg->conn) == PQTRANS_INERROR &&
        pg->n_pending == 0)
        return err_set(err, pg->db.conflict ? E_DB : E_INTERNAL, "",
                       "an error of a statement was ignored");
    return note(pg, savepoint_text[1][depth - 1], err);
}

static int pg_script(struct db *db, const char *name, const char *text, struct err *err)
{
    struct db_pg *pg = pg_of(db);
    int rc = 0;

    /* several statements in one text exist in the simple protocol only */
    if (pg__run(pg, "SELECT 1", name, NULL, err) < 0)
        return err_ret(err);
    if (PQexitPipelineMode(pg->conn) == 0)
        return connection_error(pg, name, err);
    PGresult *r = PQexec(pg->conn, text);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
        rc = pg__error(pg, r, name, err);
    else if (PQtransactionStatus(pg->conn) != PQTRANS_INTRANS)
        rc = err_set(err, E_CONFIG, name, "the script ended its transaction");
    PQclear(r);
    if (!pg->lost && PQenterPipelineMode(pg->conn) == 0)
        pg->lost = true;
    return rc;
}

/* -- notifications --------------------------------------------------------------------------------------------------- */

static int pg_listen(struct db *db, const char *channel, struct err *err)
{
    struct db_pg *pg = pg_of(db);

    if (pg->n_channels == PG_MAX_CHANNELS)
        return err_set(err, E_INTERNAL, channel, "more than %d channels", PG_MAX_CHANNELS);
    if (pg_ready(db, err) < 0 || listen_to(pg, channel, err) < 0)
        return err_ret(err);
    if ((pg->channels[pg->n_channels] = strdup(channel)) == NULL)
        return err_set(err, E_NO_MEMORY, channel, "channel");
    pg->n_channels++;
    pg->woken = false;
    return 0;
}

static bool give_notifications(struct db_pg *pg, void (*each)(void *cls, struct str payload),
                               void *cls)
{
    bool any = false;
    PGnotify *n;

    while ((n = PQnotifies(pg->conn)) != NULL) {
        any = true;
        each(cls, str_c(n->extra));
        PQfreemem(n);
    }
    return any;
}

static int pg_hear(struct db *db, int64_t timeout_us, void (*each)(void *cls, struct str payload),
                   void *cls, bool *ret_woken, bool *ret_lost, struct err *err)
{
    struct db_pg *pg = pg_of(db);
    int64_t end_us = env_mono_us(&env_system) + timeout_us;

    *ret_lost = false;
    for (;;) {
        if (pg_ready(db, err) < 0)
            return err_ret(err);
        *ret_lost = pg->woken;
        pg->woken = false;
        *ret_woken = give_notifications(pg, each, cls) || *ret_lost;
        if (*ret_woken)
            return 0;
        int64_t left_us = end_us - env_mono_us(&env_system);
        if (left_us <= 0)
            return 0;
        struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN};
        (void)poll(&fd, 1, left_us > US_PER_MIN ? 60000 : (int)(left_us / 1000) + 1);
    }
}

static int pg_fd(const struct db *db)
{
    const struct db_pg *pg = (const struct db_pg *)db;

    return pg->conn != NULL ? PQsocket(pg->conn) : -1;
}

static void pg_close(struct db *db)
{
    struct db_pg *pg = pg_of(db);

    PQclear(pg->result);
    PQfinish(pg->conn);
    pg__forget_questions(pg);
    free(pg->questions);
    for (unsigned i = 0; i < pg->n_channels; i++)
        free(pg->channels[i]);
    free(pg->role);
    free(pg->target);
    free(pg);
}

static const struct db_ops pg_ops = {
    .close = pg_close,
    .ready = pg_ready,
    .prepare = pg__prepare,
    .forget = pg__forget,
    .start = pg__start,
    .ahead = pg__ahead,
    .ask = pg__ask,
    .next = pg__next,
    .value = pg__value,
    .finish = pg__finish,
    .control = pg_control,
    .script = pg_script,
    .check = pg__check,
    .listen = pg_listen,
    .hear = pg_hear,
    .fd = pg_fd,
    .cursor_open = pg__cursor_open,
    .cursor_close = pg__cursor_close,
    .cursor_columns = pg__cursor_columns,
    .cursor_name = pg__cursor_name,
    .cursor_is_number = pg__cursor_is_number,
    .cursor_next = pg__cursor_next,
    .cursor_value = pg__cursor_value,
};

int db__pg_open(const struct db_cfg *cfg, struct db **ret_db, struct err *err)
{
    struct db_pg *pg = calloc(1, sizeof(*pg));
    int rc = 0;

    if (pg == NULL)
        return err_set(err, E_NO_MEMORY, "", "database connection");
    pg->db.ops = &pg_ops;
    pg->db.kind = DB_PG;
    pg->db.read_only = cfg->read_only;
    pg->db.timeout_us = cfg->timeout_us > 0 ? cfg->timeout_us : DB_TIMEOUT_US;
    pg->connected = cfg->connected;
    pg->connected_cls = cfg->connected_cls;
    pg->target = strdup(cfg->target);
    pg->role = cfg->role != NULL ? strdup(cfg->role) : NULL;
    char *problem = NULL;
    PQconninfoOption *options = PQconninfoParse(cfg->target, &problem);
    if (pg->target == NULL || (cfg->role != NULL && pg->role == NULL))
        rc = err_set(err, E_NO_MEMORY, "", "database connection");
    else if (options == NULL)
        rc = err_set(err, E_CONFIG, "", "postgresql: %.*s", STR_ARG(str_trim(str_c(problem))));
    else
        rc = connect_once(pg, err);
    PQconninfoFree(options);
    PQfreemem(problem);
    if (rc < 0) {
        pg_close(&pg->db);
        return rc;
    }
    *ret_db = &pg->db;
    return 0;
}
