/*
 * PostgreSQL engine: cursor over an operator's SELECT. DECLARE takes one SELECT or VALUES and nothing that writes; rows come in
 * portions, so memory stays bounded; all rows are of one snapshot.
 */
#include "lib/db/pg_private.h"

#include "lib/base/banned.h"

#define SQL_BYTES (64 * 1024)
#define PORTION   200
#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)

struct pg_cursor {
    PGresult *rows; /* owned; the current portion, in text form */
    int row;
    bool more;
};

/* int8 int2 int4 oid float4 float8 numeric */
static bool is_number_type(Oid oid)
{
    static const Oid numbers[] = {20, 21, 23, 26, 700, 701, 1700};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i] == oid)
            return true;
    return false;
}

static int fetch(struct db_pg *pg, struct pg_cursor *c, struct err *err)
{
    PGresult *r = NULL;

    if (pg__run(pg, "FETCH FORWARD " NUMBER(PORTION) " FROM naru_source", "", &r, err) < 0)
        return err_ret(err);
    PQclear(c->rows);
    c->rows = r;
    c->row = -1;
    c->more = PQntuples(r) == PORTION;
    return 0;
}

int pg__cursor_open(struct db *db, const char *sql, void **ret_cursor, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(SQL_BYTES);
    struct db_pg *pg = pg_of(db);
    struct str body = str_trim(str_c(sql));

    while (str_ends(body, STR(";")))
        body = str_trim((struct str){body.p, body.n - 1});
    buf_add_c(&text, "DECLARE naru_source NO SCROLL CURSOR FOR ");
    buf_add_str(&text, body);
    buf_add_char(&text, '\0');
    if (buf_failed(&text))
        return err_set(err, E_CONFIG, "", "the statement is longer than %d bytes", SQL_BYTES);
    struct pg_cursor *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return err_set(err, E_NO_MEMORY, "", "cursor");
    if (db->ops->control(db, DB_BEGIN_SNAPSHOT, 0, err) < 0 ||
        pg__run(pg, text.p, "", NULL, err) < 0 || fetch(pg, c, err) < 0) {
        void *half_built = c;
        pg__cursor_close(db, &half_built);
        return err_ret(err);
    }
    *ret_cursor = c;
    return 0;
}

void pg__cursor_close(struct db *db, void **cursor)
{
    struct pg_cursor *c = *cursor;
    struct err ignored = {0};

    IGNORE(db->ops->control(db, DB_ROLLBACK, 0, &ignored), "the transaction only read");
    PQclear(c->rows);
    free(c);
    *cursor = NULL;
}

unsigned pg__cursor_columns(const void *cursor)
{
    const struct pg_cursor *c = cursor;

    return (unsigned)PQnfields(c->rows);
}

const char *pg__cursor_name(const void *cursor, unsigned column)
{
    const struct pg_cursor *c = cursor;

    return PQfname(c->rows, (int)column);
}

/* "NaN" and "Infinity" are of a number's type but have no JSON form. */
bool pg__cursor_is_number(const void *cursor, unsigned column)
{
    const struct pg_cursor *c = cursor;
    const char *p;

    if (!is_number_type(PQftype(c->rows, (int)column)))
        return false;
    if (c->row < 0 || PQgetisnull(c->rows, c->row, (int)column))
        return true;
    p = PQgetvalue(c->rows, c->row, (int)column);
    p += *p == '-';
    return *p >= '0' && *p <= '9';
}

enum db_result pg__cursor_next(struct db *db, void *cursor, struct err *err)
{
    struct pg_cursor *c = cursor;

    if (c->row + 1 >= PQntuples(c->rows) && c->more && fetch(pg_of(db), c, err) < 0)
        return DB_FAIL;
    if (c->row + 1 >= PQntuples(c->rows))
        return DB_NONE;
    c->row++;
    return DB_ROW;
}

struct str pg__cursor_value(void *cursor, unsigned column)
{
    const struct pg_cursor *c = cursor;

    if (PQgetisnull(c->rows, c->row, (int)column))
        return STR_NONE;
    return str_n(PQgetvalue(c->rows, c->row, (int)column),
                 (size_t)PQgetlength(c->rows, c->row, (int)column));
}
