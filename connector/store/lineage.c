/*
 * connector/store/lineage.c - see the header
 */
#include "connector/store/lineage.h"

#include "lib/base/limits.h"
#include "lib/crypto/hash.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define TEXT_MAX MIB(4)

struct text {
    struct str policy;
};

struct heir {
    struct str policy_id;
};

struct counted {
    int64_t n;
};
/* clang-format off */
static const struct field text_fields[] = {FIELD(struct text, policy, "policy", F_REQUIRED)};
static const struct field heir_fields[] = {FIELD(struct heir, policy_id, "policy_id", F_REQUIRED)};
static const struct field counted_fields[] = {FIELD(struct counted, n, "n", F_REQUIRED)};
/* clang-format on */
static OBJECT(text_row, struct text, text_fields, OPEN);
static OBJECT(heir_row, struct heir, heir_fields, OPEN);
static OBJECT(counted_row, struct counted, counted_fields, OPEN);

/* -- one definition ---------------------------------------------------------------------------- */

/* The documents that were asked for while one policy is compiled. */
struct ancestors {
    struct db *db;
    struct arena *arena;
    struct jdoc *docs[POLICY_ANCESTORS]; /* owned */
    struct str ids[POLICY_ANCESTORS];
    size_t n;
};

static void ancestors_done(struct ancestors *a)
{
    while (a->n > 0)
        jdoc_free(&a->docs[--a->n]);
    arena_free(&a->arena);
}

static int find_definition(void *cls, struct str id, const struct jval **ret_doc, struct err *err)
{
    struct ancestors *a = cls;
    struct text row = {0};

    switch (
        db_one(a->db, &q_lineage_source, DB_ARGS(DB_TEXT(id)), &text_row, a->arena, &row, err)) {
    case DB_NONE: return 0;
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (a->n == POLICY_ANCESTORS)
        return err_tell(err, E_LIMIT, "", "more than %d policies to inherit from",
                        POLICY_ANCESTORS);
    if (jdoc_parse(row.policy, &jlimits_default, &a->docs[a->n], err) < 0)
        return err_prefix(err, "policy '%.*s'", STR_ARG(id));
    a->ids[a->n] = arena_str(a->arena, id);
    *ret_doc = jdoc_root(a->docs[a->n++]);
    return 0;
}

static int compile(struct ancestors *a, struct db *db, struct str id, const struct jval *doc,
                   struct policy **ret_policy, struct err *err)
{
    const struct policy_parents parents = {.find = find_definition, .cls = a, .self = id};

    a->db = db;
    a->arena = arena_new(MIB(64));
    if (a->arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "policies");
    return policy_compile_with(doc, &parents, ret_policy, err);
}

int lineage_compile(struct db *db, struct str id, const struct jval *doc,
                    struct policy **ret_policy, struct err *err)
{
    AUTO(ancestors_done) struct ancestors a = {0};

    return compile(&a, db, id, doc, ret_policy, err);
}

static int remember(struct db *tx, struct str id, const struct ancestors *a, struct err *err)
{
    if (lineage_clear(tx, id, err) < 0)
        return err_ret(err);
    for (size_t i = 0; i < a->n; i++) {
        if (db_exec(tx, &q_lineage_add, DB_ARGS(DB_TEXT(id), DB_TEXT(a->ids[i])), NULL, err) < 0)
            return err_ret(err);
    }
    return 0;
}

/* The row as it is meant to be. */
static int put_one(struct db *tx, struct str id, struct str own, struct err *err)
{
    AUTO(ancestors_done) struct ancestors a = {0};
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(TEXT_MAX);
    struct jw w = jw_init(&text);
    struct hash_text hash;

    if (jdoc_parse(own, &jlimits_default, &doc, err) < 0 ||
        compile(&a, tx, id, jdoc_root(doc), &policy, err) < 0 || remember(tx, id, &a, err) < 0)
        return err_ret(err);
    hash = hash_hex(policy_hash(policy));
    if (a.n > 0)
        policy_write(policy, POLICY_FORM_EXPANDED, &w);
    if (buf_failed(&text))
        return err_tell(err, E_LIMIT, "", "the policy is too large");
    return db_exec(tx, &q_lineage_put,
                   DB_ARGS(DB_TEXT(id), DB_TEXT(a.n > 0 ? buf_str(&text) : own),
                           DB_TEXT(str_c(hash.c)), DB_TEXT(a.n > 0 ? own : STR_NONE)),
                   NULL, err);
}

/* -- heirs ------------------------------------------------------------------------------------- */

static int put_heir(struct db *tx, struct str id, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct text row = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "policy");
    switch (db_one(tx, &q_lineage_source, DB_ARGS(DB_TEXT(id)), &text_row, arena, &row, err)) {
    case DB_NONE: return lineage_clear(tx, id, err);
    case DB_FAIL: return err_ret(err);
    case DB_ROW: break;
    }
    if (put_one(tx, id, row.policy, err) < 0)
        return err_ret(err);
    return db_exec(tx, &q_lineage_changed, DB_ARGS(DB_TEXT(id)), NULL, err);
}

/* The heir's place is of no use to who changes its ancestor: its name is. */
static int name_heir(struct str id, struct err *err)
{
    const struct err cause = *err;

    if (cause.detail[0] == '\0')
        return err_ret(err);
    return err_tell(err, cause.code, "",
                    "policy '%.*s' inherits from it and would not do any more: %s", STR_ARG(id),
                    cause.detail);
}

int lineage_put(struct db *tx, struct str id, struct str own, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct list heirs = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "policies");
    if (put_one(tx, id, own, err) < 0 ||
        db_list(tx, &q_lineage_heirs, DB_ARGS(DB_TEXT(id), DB_I64(LINEAGE_HEIRS_MAX + 1)),
                &heir_row, arena, LINEAGE_HEIRS_MAX + 1, &heirs, err) < 0)
        return err_ret(err);
    if (heirs.n > LINEAGE_HEIRS_MAX)
        return err_tell(err, E_LIMIT, "", "more than %d policies inherit from it",
                        LINEAGE_HEIRS_MAX);
    for (size_t i = 0; i < heirs.n; i++) {
        const struct str heir = LIST_ITEMS(struct heir, heirs)[i].policy_id;

        if (put_heir(tx, heir, err) < 0)
            return name_heir(heir, err);
    }
    return 0;
}

int lineage_count_heirs(struct db *db, struct str id, int64_t *ret_n, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(4));
    struct counted counted = {0};

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "count");
    if (db_one(db, &q_lineage_heirs_count, DB_ARGS(DB_TEXT(id)), &counted_row, arena, &counted,
               err) == DB_FAIL)
        return err_ret(err);
    *ret_n = counted.n;
    return 0;
}

int lineage_clear(struct db *tx, struct str id, struct err *err)
{
    return db_exec(tx, &q_lineage_clear, DB_ARGS(DB_TEXT(id)), NULL, err);
}
