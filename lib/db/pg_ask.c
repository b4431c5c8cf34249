/*
 * PostgreSQL engine: questions that operations of the writer are going to ask, sent together before any of them runs. Who asks
 * then finds his answer instead of waiting for the server once more.
 */
#include "lib/base/check.h"
#include "lib/db/pg_private.h"

#include "lib/base/banned.h"

/* The declaration has been checked: both have the types of the same query. */
static bool same_value(const struct db_arg *a, const struct db_arg *b)
{
    if (a->null || b->null)
        return a->null == b->null;
    switch (a->type) {
    case DBT_TEXT:
    case DBT_JSON:
    case DBT_BYTES: return str_eq(a->u.text, b->u.text);
    case DBT_I64:
    case DBT_TIME:
    case DBT_BOOL: return a->u.i64 == b->u.i64;
    case DBT_UUID: return memcmp(&a->u.uuid, &b->u.uuid, sizeof(a->u.uuid)) == 0;
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_TIME_ARRAY:
    case DBT_BYTES_ARRAY: return false;
    }
    CHECK_UNREACHABLE();
}

int pg__ask(struct db *db, struct db_stmt *stmt, const struct db_arg *args, struct err *err)
{
    struct db_pg *pg = pg_of(db);
    const size_t bytes = stmt->q->n_params * sizeof(*args);
    struct pg_question *question;

    if (!pg__can_go_ahead(pg, stmt) || pg->n_questions == PG_MAX_UNREAD)
        return 0;
    if (pg->questions == NULL &&
        (pg->questions = calloc(PG_MAX_UNREAD, sizeof(*pg->questions))) == NULL)
        return 0;
    question = &pg->questions[pg->n_questions];
    *question = (struct pg_question){.stmt = stmt, .args = malloc(bytes > 0 ? bytes : 1)};
    if (question->args == NULL)
        return 0;
    if (bytes > 0)
        memcpy(question->args, args, bytes);
    pg->n_questions++;
    if (pg__send(pg, stmt, args, err) < 0)
        return err_ret(err);
    pg->unread[pg->n_unread++] = (struct pg_unread){.name = stmt->q->name, .question = question};
    return 0;
}

struct pg_question *pg__asked(const struct db_pg *pg, const struct db_stmt *stmt,
                              const struct db_arg *args)
{
    struct pg_question *next;

    if (pg->n_taken == pg->n_questions || pg->db.depth != 1)
        return NULL;
    next = &pg->questions[pg->n_taken];
    if (next->stmt != stmt)
        return NULL;
    for (unsigned i = 0; i < stmt->q->n_params; i++) {
        if (!same_value(&next->args[i], &args[i]))
            return NULL;
    }
    return next;
}

int pg__take_answer(struct db_pg *pg, struct pg_question *question, struct err *err)
{
    const char *name = question->stmt->q->name;

    pg->n_taken++;
    if (question->result == NULL && pg__settle(pg, err) < 0)
        return err_ret(err);
    if (question->result == NULL)
        return err_set(err, E_DB, name, "connection to the database is lost");
    pg->result = MOVE(question->result);
    pg->row = -1;
    return 0;
}

int pg__check_taken(const struct db_pg *pg, struct err *err)
{
    if (pg->n_taken == pg->n_questions)
        return 0;
    return err_set(err, E_INTERNAL, pg->questions[pg->n_taken].stmt->q->name,
                   "nobody has taken the answer");
}

void pg__forget_questions(struct db_pg *pg)
{
    for (unsigned i = 0; i < pg->n_questions; i++) {
        PQclear(pg->questions[i].result);
        free(pg->questions[i].args);
    }
    pg->n_questions = pg->n_taken = 0;
}
