/*
 * connector/dataplane/table.c - driver `SqlQuery`: rows of a query of the provider's, as CSV or
 * NDJSON
 *
 *   {"type":"SqlQuery","database":"sqlite:PATH|postgresql://…","query":…,"format"?:"csv|ndjson"}
 *   or, instead of "database", "secretName": a secret that holds the database's address
 *
 * The statement is the provider's text and takes nothing from the consumer. It runs on a read-only
 * connection in a thread of its own and is streamed: what a slow consumer has not taken holds the
 * cursor up. A failure in the middle breaks the answer off, so that nobody takes it for all rows.
 *
 * CSV is RFC 4180 with a header row and line feeds; NULL is the empty field, the empty text is "".
 * NDJSON is one object a row; numbers are bare.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/dataplane_private.h"
#include "connector/dataplane/flow.h"
#include "lib/base/limits.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TABLES_AT_ONCE 16
#define PIECE_BYTES    KIB(32)
#define ROW_BYTES      MIB(4)
#define QUERY_MAX      KIB(32)
#define TIMEOUT_US     (5 * US_PER_MIN)

struct table {
    struct flow flow;
    bool flowing;
    bool csv;
    struct db_cfg cfg;
    const char *query;
    struct err err;
};

struct text_value {
    struct str value;
};
/* clang-format off */
static const struct field text_fields[] = {FIELD(struct text_value, value, "value", F_REQUIRED)};
/* clang-format on */
static OBJECT(text_row, struct text_value, text_fields, OPEN);

/* -- the address ------------------------------------------------------------------------------- */

static bool is_csv(const struct jval *address)
{
    return !str_eq(dataplane__member(address, "format"), STR("ndjson"));
}

/* SQLite's file lies below the operator's folders like any other; *target becomes absolute. */
static int place_sqlite(const struct app *app, struct db_cfg *cfg, struct arena *arena,
                        struct err *err)
{
    struct str path = str_c(cfg->target);
    struct stat st;
    const int fd = dataplane__open_path(app, path, NULL, &st, err);

    if (fd < 0)
        return err_ret(err);
    close(fd);
    if (!S_ISREG(st.st_mode))
        return err_tell(err, E_INVALID, "/database", "not a database file");
    if (path.p[0] != '/')
        path = arena_printf(arena, "%.*s/%.*s", STR_ARG(app->settings->data_dir), STR_ARG(path));
    cfg->target = arena_cstr(arena, path);
    return arena_failed(arena) ? err_set(err, E_NO_MEMORY, "", "database") : 0;
}

static int read_target(const struct app *app, struct str database, struct arena *arena,
                       struct db_cfg *ret_cfg, struct err *err)
{
    const char *text = arena_cstr(arena, database);

    if (text == NULL)
        return err_set(err, E_NO_MEMORY, "", "database");
    if (db_target_parse(text, ret_cfg, err) < 0)
        return err_tell(err, E_INVALID, "/database", "expected 'sqlite:PATH' or 'postgresql://…'");
    ret_cfg->read_only = true;
    ret_cfg->timeout_us = TIMEOUT_US;
    if (ret_cfg->kind == DB_SQLITE)
        return place_sqlite(app, ret_cfg, arena, err);
    if (strcmp(ret_cfg->target, app->db.target) == 0)
        return err_tell(err, E_INVALID, "/database", "the connector's own database is no source");
    return 0;
}

static int check(struct app *app, const struct jval *address, struct err *err)
{
    const struct str query = dataplane__member(address, "query");
    const struct str format = dataplane__member(address, "format");
    const struct str database = dataplane__member(address, "database");
    const struct str secret = dataplane__member(address, "secretName");
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    struct db_cfg cfg = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "data address");
    if (query.n == 0 || query.n > QUERY_MAX)
        return err_tell(err, E_INVALID, "/query", "expected one SQL statement of at most %zu bytes",
                        QUERY_MAX);
    if (format.n > 0 && !str_eq(format, STR("csv")) && !str_eq(format, STR("ndjson")))
        return err_tell(err, E_INVALID, "/format", "expected 'csv' or 'ndjson'");
    if ((database.n > 0) == (secret.n > 0))
        return err_tell(err, E_INVALID, "/database", "expected either 'database' or 'secretName'");
    if (database.n > 0 && read_target(app, database, arena, &cfg, err) < 0)
        return err_at_prefix(err, "");
    return 0;
}

static int begin(struct access *a, struct err *err)
{
    struct table *t = ARENA_NEW(a->arena, struct table);

    if (t == NULL)
        return err_set(err, E_NO_MEMORY, "", "table");
    if (a->path.n > 0)
        return err_tell(err, E_NOT_FOUND, "path", "this dataset takes no path");
    a->source = t;
    return dataplane__take(a, -1, err);
}

/* -- rows as text ------------------------------------------------------------------------------ */

static void csv_field(struct buf *out, struct str value)
{
    bool quote = str_present(value) && value.n == 0;

    for (size_t i = 0; i < value.n && !quote; i++)
        quote = value.p[i] == ',' || value.p[i] == '"' || value.p[i] == '\n' || value.p[i] == '\r';
    if (!quote) {
        buf_add_str(out, value);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, value.p[i]);
    }
    buf_add_char(out, '"');
}

static void csv_row(struct buf *out, const struct db_cursor *cursor, bool names)
{
    for (unsigned i = 0; i < db_cursor_columns(cursor); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        csv_field(out, names ? db_cursor_name(cursor, i) : db_cursor_value(cursor, i));
    }
    buf_add_char(out, '\n');
}

static size_t digits(struct str s, size_t at)
{
    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    return at;
}

/* RFC 8259 §6; what an engine prints otherwise (NaN, Infinity) goes out as text. */
static bool is_json_number(struct str s)
{
    size_t at = s.n > 0 && s.p[0] == '-' ? 1 : 0;
    size_t next = digits(s, at);

    if (next == at || (s.p[at] == '0' && next > at + 1))
        return false;
    if (next < s.n && s.p[next] == '.') {
        at = next + 1;
        next = digits(s, at);
        if (next == at)
            return false;
    }
    if (next < s.n && (s.p[next] == 'e' || s.p[next] == 'E')) {
        at = next + 1;
        if (at < s.n && (s.p[at] == '+' || s.p[at] == '-'))
            at++;
        next = digits(s, at);
        if (next == at)
            return false;
    }
    return next == s.n;
}

static void ndjson_row(struct buf *out, const struct db_cursor *cursor)
{
    struct jw w = jw_init(out);

    jw_object(&w);
    for (unsigned i = 0; i < db_cursor_columns(cursor); i++) {
        const struct str value = db_cursor_value(cursor, i);

        jw_key_str(&w, db_cursor_name(cursor, i));
        if (db_cursor_is_number(cursor, i) && is_json_number(value))
            jw_raw(&w, value);
        else
            jw_str(&w, value);
    }
    jw_object_end(&w);
    buf_add_char(out, '\n');
}

/* -- the thread -------------------------------------------------------------------------------- */

static int open_cursor(struct table *t, struct db **ret_db, struct db_cursor **ret_cursor,
                       struct err *err)
{
    if (db_open(&t->cfg, ret_db, err) < 0 || db_cursor_open(*ret_db, t->query, ret_cursor, err) < 0)
        return err_ret(err);
    return 0;
}

/* True if all rows have been handed over. */
static bool hand_over(struct table *t, struct db_cursor *cursor, struct err *err)
{
    AUTO(buf_done) struct buf piece = buf_init(PIECE_BYTES + ROW_BYTES);
    enum db_result result = DB_ROW;

    if (t->csv)
        csv_row(&piece, cursor, true);
    while ((result = db_cursor_next(cursor, err)) == DB_ROW) {
        if (t->csv)
            csv_row(&piece, cursor, false);
        else
            ndjson_row(&piece, cursor);
        if (buf_failed(&piece)) {
            (void)err_set(err, E_LIMIT, "", "a row is larger than %zu bytes", ROW_BYTES);
            return false;
        }
        if (piece.n < PIECE_BYTES)
            continue;
        if (!flow_put_wait(&t->flow, piece.p, piece.n))
            return false;
        buf_reset(&piece);
    }
    if (result == DB_FAIL)
        return false;
    return piece.n == 0 || flow_put_wait(&t->flow, piece.p, piece.n);
}

static void *run(void *cls)
{
    struct access *a = cls;
    struct table *t = a->source;
    struct dataplane *dp = a->meter.dp;
    AUTO(db_close) struct db *db = NULL;
    AUTO(db_cursor_close) struct db_cursor *cursor = NULL;
    const bool opened = open_cursor(t, &db, &cursor, &t->err) == 0;
    struct err err = {0};

    a->outlet->resume(a); /* the answer may end from here on */
    if (opened)
        flow_end(&t->flow, hand_over(t, cursor, &err));
    if (err.code != E_OK)
        log_err(NULL, "the rows of a query broke off", &err);
    db_cursor_close(&cursor);
    db_close(&db);
    pthread_mutex_lock(&dp->lock);
    dp->tables--;
    pthread_mutex_unlock(&dp->lock);
    access_unref(a);
    return NULL;
}

static int start(struct access *a, struct err *err)
{
    struct dataplane *dp = a->meter.dp;
    pthread_attr_t detached;
    pthread_t thread;
    bool room;
    int failed;

    pthread_mutex_lock(&dp->lock);
    room = dp->tables < TABLES_AT_ONCE;
    if (room)
        dp->tables++;
    pthread_mutex_unlock(&dp->lock);
    if (!room)
        return err_tell(err, E_BUSY, "", "%d queries run already", TABLES_AT_ONCE);
    access_ref(a);
    CHECK(pthread_attr_init(&detached) == 0);
    CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    failed = pthread_create(&thread, &detached, run, a);
    pthread_attr_destroy(&detached);
    if (failed == 0)
        return 0;
    access_unref(a);
    pthread_mutex_lock(&dp->lock);
    dp->tables--;
    pthread_mutex_unlock(&dp->lock);
    return err_set(err, E_NO_MEMORY, "", "thread of a query");
}

/* -- the answer -------------------------------------------------------------------------------- */

static ssize_t read_flow(void *cls, char *out, size_t max)
{
    struct table *t = ((struct access *)cls)->source;

    return flow_read(&t->flow, out, max);
}

static int reply(struct access *a, struct err *err)
{
    const struct table *t = a->source;
    const struct str media_type =
        t->csv ? STR("text/csv; charset=utf-8") : STR("application/x-ndjson");

    if (t->err.code != E_OK) {
        log_err(a->rq != NULL ? &a->rq->log : NULL, "the query of a dataset failed", &t->err);
        return err_tell(err, E_PEER_DOWN, "", "the provider's data source does not answer");
    }
    a->rows = row_counter_init(row_form_of(media_type), true);
    a->rows_before = a->rows;
    a->to_end = true;
    dataplane__reply_stream(a, 200, media_type, -1, read_flow);
    return 0;
}

static int find_target(struct access *a, const struct jval *address, struct str *ret_target,
                       struct err *err)
{
    const struct str secret = dataplane__member(address, "secretName");
    struct text_value text = {0};

    *ret_target = dataplane__member(address, "database");
    if (secret.n == 0)
        return 0;
    switch (db_one(a->outlet->db(a), &q_data_secret, DB_ARGS(DB_TEXT(secret)), &text_row, a->arena,
                   &text, err)) {
    case DB_ROW: *ret_target = text.value; return 0;
    case DB_NONE:
        return err_set(err, E_CONFIG, "/secretName", "there is no secret '%.*s'", STR_ARG(secret));
    case DB_FAIL: return err_ret(err);
    }
    CHECK_UNREACHABLE();
}

static int answer(struct access *a, struct err *err)
{
    const struct jval *address = jdoc_root(a->view->address);
    struct table *t = a->source;
    struct str target;

    t->csv = is_csv(address);
    if (a->head)
        return reply(a, err);
    t->query = arena_cstr(a->arena, dataplane__member(address, "query"));
    if (t->query == NULL)
        return err_set(err, E_NO_MEMORY, "", "query");
    if (find_target(a, address, &target, err) < 0)
        return err_ret(err);
    if (read_target(a->meter.dp->app, target, a->arena, &t->cfg, err) < 0)
        return err_tell(err, E_NOT_FOUND, "", "the dataset is no longer provided");
    flow_init(&t->flow, a, a->outlet->ready, false, NULL, NULL);
    t->flowing = true;
    a->outlet->suspend(a, reply);
    if (start(a, &t->err) < 0)
        a->outlet->resume(a);
    return 0;
}

static void end(struct access *a)
{
    struct table *t = a->source;

    if (t != NULL && t->flowing)
        flow_leave(&t->flow);
}

static void release(struct access *a)
{
    struct table *t = a->source;

    if (t != NULL && t->flowing)
        flow_done(&t->flow);
}

const struct source_ops source_sql = {
    .type = "SqlQuery",
    .check = check,
    .begin = begin,
    .answer = answer,
    .end = end,
    .release = release,
};
