/*
 * PostgreSQL engine: values in binary form (big-endian; timestamptz as µs since 2000; arrays as dimension, bounds, elements). A json
 * parameter goes as text of a type that the server infers, because json, jsonb and text have different binary forms.
 */
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/db/pg_private.h"

#include "lib/base/banned.h"

#define PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 UTC */

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_JSON = 114,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_JSONB = 3802,
};

/* clang-format off */
static const struct {
    Oid param;      /* 0: inferred, text form */
    Oid element;    /* of an array */
    Oid results[5]; /* what a column of this type may be */
} types[] = {
    [DBT_TEXT]        = {OID_TEXT,        0,               {OID_TEXT, OID_VARCHAR, OID_BPCHAR, OID_NAME}},
    [DBT_I64]         = {OID_INT8,        0,               {OID_INT8, OID_INT4, OID_INT2}},
    [DBT_BOOL]        = {OID_BOOL,        0,               {OID_BOOL}},
    [DBT_UUID]        = {OID_UUID,        0,               {OID_UUID}},
    [DBT_TIME]        = {OID_TIMESTAMPTZ, 0,               {OID_TIMESTAMPTZ}},
    [DBT_BYTES]       = {OID_BYTEA,       0,               {OID_BYTEA}},
    [DBT_JSON]        = {0,               0,               {OID_JSON, OID_JSONB, OID_TEXT}},
    [DBT_TEXT_ARRAY]  = {1009,            OID_TEXT,        {0}},
    [DBT_I64_ARRAY]   = {1016,            OID_INT8,        {0}},
    [DBT_UUID_ARRAY]  = {2951,            OID_UUID,        {0}},
    [DBT_TIME_ARRAY]  = {1185,            OID_TIMESTAMPTZ, {0}},
    [DBT_BYTES_ARRAY] = {1001,            OID_BYTEA,       {0}},
};

/* clang-format on */

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint64_t get_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

void pg__declare(const struct query *q, Oid ret_types[static DB_MAX_PARAMS])
{
    for (unsigned i = 0; i < q->n_params; i++)
        ret_types[i] = types[q->params[i].type].param;
}

bool pg__type_fits(enum db_type type, Oid oid)
{
    for (size_t i = 0; i < ARRAY_LEN(types[type].results); i++)
        if (oid != 0 && types[type].results[i] == oid)
            return true;
    return false;
}

static void add_be(struct buf *out, uint64_t v, size_t n)
{
    uint8_t b[8];

    put_be(b, v, n);
    buf_add(out, b, n);
}

/* INT64_MIN and INT64_MAX stay what they are: -infinity and infinity. */
static int64_t to_pg_time(int64_t us)
{
    int64_t v;

    if (us == INT64_MAX || __builtin_sub_overflow(us, PG_EPOCH_US, &v))
        return us;
    return v;
}

static int64_t from_pg_time(int64_t us)
{
    int64_t v;

    if (us == INT64_MIN || __builtin_add_overflow(us, PG_EPOCH_US, &v))
        return us;
    return v;
}

static void encode_element(struct buf *out, const struct db_arg *arg, size_t i)
{
    const struct str *texts = arg->u.array.items;
    const struct uuid *ids = arg->u.array.items;
    const int64_t *numbers = arg->u.array.items;

    switch (arg->type) {
    case DBT_TEXT_ARRAY:
    case DBT_BYTES_ARRAY:
        if (!str_present(texts[i])) {
            add_be(out, UINT32_MAX, 4); /* NULL */
            return;
        }
        add_be(out, texts[i].n, 4);
        buf_add_str(out, texts[i]);
        return;
    case DBT_UUID_ARRAY:
        add_be(out, sizeof(ids[i].b), 4);
        buf_add(out, ids[i].b, sizeof(ids[i].b));
        return;
    case DBT_I64_ARRAY:
    case DBT_TIME_ARRAY:
        add_be(out, 8, 4);
        add_be(out, (uint64_t)(arg->type == DBT_TIME_ARRAY ? to_pg_time(numbers[i]) : numbers[i]),
               8);
        return;
    case DBT_TEXT:
    case DBT_I64:
    case DBT_BOOL:
    case DBT_UUID:
    case DBT_TIME:
    case DBT_BYTES:
    case DBT_JSON: break;
    }
    CHECK_UNREACHABLE();
}

static void encode_array(struct buf *out, const struct db_arg *arg)
{
    size_t n = arg->u.array.n;

    add_be(out, n > 0, 4); /* dimensions */
    add_be(out, 1, 4);     /* there may be NULLs */
    add_be(out, types[arg->type].element, 4);
    if (n == 0)
        return;
    add_be(out, n, 4);
    add_be(out, 1, 4); /* lower bound */
    for (size_t i = 0; i < n; i++)
        encode_element(out, arg, i);
}

static void set(struct pg_params *params, unsigned i, const void *p, size_t n)
{
    params->values[i] = p;
    params->lengths[i] = (int)n;
}

static int encode_one(struct pg_params *params, unsigned i, const struct db_arg *arg)
{
    size_t before = params->scratch.n;

    switch (arg->type) {
    case DBT_TEXT:
    case DBT_BYTES:
        set(params, i, arg->u.text.p, arg->u.text.n);
        return arg->u.text.n <= MIB(64) ? 0 : -1;
    case DBT_I64:
    case DBT_TIME:
        put_be(params->fixed[i],
               (uint64_t)(arg->type == DBT_TIME ? to_pg_time(arg->u.i64) : arg->u.i64), 8);
        set(params, i, params->fixed[i], 8);
        return 0;
    case DBT_BOOL:
        params->fixed[i][0] = arg->u.i64 != 0;
        set(params, i, params->fixed[i], 1);
        return 0;
    case DBT_UUID: set(params, i, arg->u.uuid.b, sizeof(arg->u.uuid.b)); return 0;
    case DBT_JSON:
        params->formats[i] = 0;
        buf_add_str(&params->scratch, arg->u.text);
        buf_add_char(&params->scratch, '\0');
        params->offsets[i] = before + 1;
        return memchr(arg->u.text.p, 0, arg->u.text.n) == NULL ? 0 : -1;
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_TIME_ARRAY:
    case DBT_BYTES_ARRAY:
        encode_array(&params->scratch, arg);
        params->offsets[i] = before + 1;
        params->lengths[i] = (int)(params->scratch.n - before);
        return arg->u.array.n <= INT32_MAX ? 0 : -1;
    }
    CHECK_UNREACHABLE();
}

int pg__encode(const struct query *q, const struct db_arg *args, struct pg_params *params,
               struct err *err)
{
    for (unsigned i = 0; i < q->n_params; i++) {
        struct db_arg arg = args[i];
        params->formats[i] = 1;
        params->values[i] = NULL;
        params->lengths[i] = 0;
        params->offsets[i] = 0;
        if (arg.null)
            continue;
        arg.type = q->params[i].type; /* the declaration decides the form */
        if (arg.type == DBT_UUID) {
            set(params, i, args[i].u.uuid.b, sizeof(args[i].u.uuid.b));
            continue;
        }
        if (encode_one(params, i, &arg) < 0)
            return err_set(err, E_INTERNAL, q->name, "argument $%u is too long or holds a NUL",
                           i + 1);
    }
    if (buf_failed(&params->scratch))
        return err_set(err, E_INTERNAL, q->name, "arguments are too long");
    for (unsigned i = 0; i < q->n_params; i++)
        if (params->offsets[i] != 0)
            params->values[i] = params->scratch.p + params->offsets[i] - 1;
    return 0;
}

static bool decode_text(Oid oid, const uint8_t *p, size_t n, struct db_arg *value)
{
    /* jsonb: one byte of version before the text */
    if (oid == OID_JSONB) {
        if (n == 0 || p[0] != 1)
            return false;
        p++;
        n--;
    }
    value->u.text = str_n(p, n);
    return true;
}

static bool decode_number(const uint8_t *p, size_t n, int64_t *out)
{
    switch (n) {
    case 2: *out = (int16_t)get_be(p, 2); return true;
    case 4: *out = (int32_t)get_be(p, 4); return true;
    case 8: *out = (int64_t)get_be(p, 8); return true;
    default: return false;
    }
}

bool pg__decode(const PGresult *result, int row, int column, struct db_arg *value)
{
    const uint8_t *p = (const uint8_t *)PQgetvalue(result, row, column);
    size_t n = (size_t)PQgetlength(result, row, column);

    value->null = PQgetisnull(result, row, column) != 0;
    if (value->null)
        return true;
    switch (value->type) {
    case DBT_TEXT:
    case DBT_JSON:
    case DBT_BYTES: return decode_text(PQftype(result, column), p, n, value);
    case DBT_I64: return decode_number(p, n, &value->u.i64);
    case DBT_TIME:
        if (n != 8)
            return false;
        value->u.i64 = from_pg_time((int64_t)get_be(p, 8));
        return true;
    case DBT_BOOL: value->u.i64 = n == 1 && p[0] != 0; return n == 1;
    case DBT_UUID:
        if (n != sizeof(value->u.uuid.b))
            return false;
        memcpy(value->u.uuid.b, p, n);
        return true;
    case DBT_TEXT_ARRAY:
    case DBT_I64_ARRAY:
    case DBT_UUID_ARRAY:
    case DBT_TIME_ARRAY:
    case DBT_BYTES_ARRAY: return false;
    }
    CHECK_UNREACHABLE();
}
