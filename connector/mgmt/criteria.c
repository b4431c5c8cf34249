/*
 * connector/mgmt/criteria.c - QuerySpec and Criterion, from their expanded form
 *
 * Fields are rows of a table per entity: the name that EDC uses, the name in mgmt_field, what its
 * values are. A left operand is a list of segments separated by dots, where quoted ones may hold dots;
 * an unquoted one that begins like an IRI is one segment.
 */
#include "connector/mgmt/criteria.h"

#include <assert.h>

#include "connector/mgmt/form.h"
#include "connector/store/store.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define SEGMENTS_MAX 8
#define SEPARATOR    '\x1f'
#define NUMBER_BASE  INT64_C(1000000000000000000) /* as in mgmt_field */

enum values { TEXT, NUMBER, NEGOTIATION, TRANSFER };

struct field_name {
    const char *asked, *field;
    enum values values;
};
/* clang-format off */
static const struct field_name policy_names[] = {
    {"id", "id", TEXT}, {"createdAt", "createdAt", NUMBER},
};
static const struct field_name definition_names[] = {
    {"id", "id", TEXT}, {"accessPolicyId", "accessPolicyId", TEXT}, {"contractPolicyId", "contractPolicyId", TEXT},
    {"createdAt", "createdAt", NUMBER},
};
static const struct field_name negotiation_names[] = {
    {"id", "id", TEXT}, {"type", "type", TEXT}, {"correlationId", "correlationId", TEXT},
    {"counterPartyId", "counterPartyId", TEXT}, {"counterPartyAddress", "counterPartyAddress", TEXT},
    {"protocol", "protocol", TEXT}, {"contractAgreement.id", "agreementId", TEXT},
    {"contractAgreement.assetId", "assetId", TEXT}, {"contractOffers.assetId", "assetId", TEXT},
    {"contractOffers.id", "offerId", TEXT}, {"errorDetail", "errorDetail", TEXT}, {"state", "state", NEGOTIATION},
    {"stateTimestamp", "stateTimestamp", NUMBER}, {"createdAt", "createdAt", NUMBER},
};
static const struct field_name agreement_names[] = {
    {"id", "id", TEXT}, {"agreementId", "id", TEXT}, {"providerId", "providerId", TEXT},
    {"consumerId", "consumerId", TEXT}, {"assetId", "assetId", TEXT},
    {"contractSigningDate", "contractSigningDate", NUMBER},
};
static const struct field_name transfer_names[] = {
    {"id", "id", TEXT}, {"type", "type", TEXT}, {"protocol", "protocol", TEXT}, {"correlationId", "correlationId", TEXT},
    {"counterPartyAddress", "counterPartyAddress", TEXT}, {"assetId", "assetId", TEXT}, {"contractId", "contractId", TEXT},
    {"transferType", "transferType", TEXT}, {"errorDetail", "errorDetail", TEXT}, {"state", "state", TRANSFER},
    {"stateTimestamp", "stateTimestamp", NUMBER}, {"createdAt", "createdAt", NUMBER},
};
static const struct field_name edr_names[] = {
    {"id", "transferProcessId", TEXT}, {"transferProcessId", "transferProcessId", TEXT}, {"assetId", "assetId", TEXT},
    {"agreementId", "agreementId", TEXT}, {"contractNegotiationId", "contractNegotiationId", TEXT},
    {"providerId", "providerId", TEXT}, {"createdAt", "createdAt", NUMBER},
};

static const struct { const char *name, *type, *id, *sort; const struct field_name *names; size_t n; } entities[] = {
    [ENTITY_ASSET]       = {"asset",       "Asset",                       LD_EDC "id",         "createdAt", NULL, 0},
    [ENTITY_POLICY]      = {"policy",      "PolicyDefinition",            "id",                "createdAt", policy_names, ARRAY_LEN(policy_names)},
    [ENTITY_DEFINITION]  = {"definition",  "ContractDefinition",          "id",                "createdAt", definition_names, ARRAY_LEN(definition_names)},
    [ENTITY_NEGOTIATION] = {"negotiation", "ContractNegotiation",         "id",                "createdAt", negotiation_names, ARRAY_LEN(negotiation_names)},
    [ENTITY_AGREEMENT]   = {"agreement",   "ContractAgreement",           "id",                "contractSigningDate", agreement_names, ARRAY_LEN(agreement_names)},
    [ENTITY_TRANSFER]    = {"transfer",    "TransferProcess",             "id",                "createdAt", transfer_names, ARRAY_LEN(transfer_names)},
    [ENTITY_EDR]         = {"edr",         "EndpointDataReferenceEntry",  "transferProcessId", "createdAt", edr_names, ARRAY_LEN(edr_names)},
};
static_assert(ARRAY_LEN(entities) == ENTITY__COUNT, "one row per entity");

static const struct { const char *name; enum criterion_op op; } operators[] = {
    {"=", OP_EQ}, {"!=", OP_NEQ}, {"in", OP_IN}, {"not in", OP_NOT_IN}, {"notin", OP_NOT_IN}, {"like", OP_LIKE},
    {"ilike", OP_ILIKE}, {"contains", OP_EQ}, {"<", OP_LT}, {"<=", OP_LTEQ}, {">", OP_GT}, {">=", OP_GTEQ},
};

static const struct form_row criterion_rows[] = {
    FORM_ROW(struct criterion, left,  LD_EDC "operandLeft",  FORM_TEXT, true),
    FORM_ROW(struct criterion, op,    LD_EDC "operator",     FORM_TEXT, true),
    FORM_ROW(struct criterion, right, LD_EDC "operandRight", FORM_LIST, false),
};
FORM(criterion_form, criterion_rows);

struct raw_spec {
    struct str offset, limit, order, sort;
    const struct jval *filter;
};
static const struct form_row spec_rows[] = {
    FORM_ROW(struct raw_spec, offset, LD_EDC "offset",           FORM_TEXT, false),
    FORM_ROW(struct raw_spec, limit,  LD_EDC "limit",            FORM_TEXT, false),
    FORM_ROW(struct raw_spec, order,  LD_EDC "sortOrder",        FORM_TEXT, false),
    FORM_ROW(struct raw_spec, sort,   LD_EDC "sortField",        FORM_TEXT, false),
    FORM_ROW(struct raw_spec, filter, LD_EDC "filterExpression", FORM_LIST, false),
};
FORM(spec_form, spec_rows);

/* clang-format on */

const char *entity_name(enum entity_kind kind)
{
    return entities[kind].name;
}

const char *entity_type(enum entity_kind kind)
{
    return entities[kind].type;
}

struct str entity_id_field(enum entity_kind kind)
{
    return str_c(entities[kind].id);
}

struct str entity_sort_field(enum entity_kind kind)
{
    return str_c(entities[kind].sort);
}

/* -- left operands --------------------------------------------------------------------------------- */

/* Cuts one segment off *rest; quotes are taken away. False if a quote is not closed. */
static bool cut_segment(struct str *rest, struct str *ret)
{
    const char *end;

    if (rest->n == 0 || rest->p[0] != '\'') {
        *ret = str_cut(rest, '.');
        return true;
    }
    end = memchr(rest->p + 1, '\'', rest->n - 1);
    if (end == NULL)
        return false;
    *ret = str_n(rest->p + 1, (size_t)(end - rest->p) - 1);
    *rest = str_from(*rest, (size_t)(end - rest->p) + 1);
    if (rest->n == 0) {
        *rest = STR_NONE;
        return true;
    }
    if (rest->p[0] != '.')
        return false;
    *rest = str_from(*rest, 1);
    return true;
}

static int no_field(struct err *err, struct str left, enum entity_kind kind)
{
    return err_tell(err, E_INVALID, "", "Field %.*s not found on type class %s", STR_ARG(left),
                    entities[kind].type);
}

static struct str without_edc(struct str name)
{
    return str_starts(name, STR(LD_EDC)) ? str_from(name, sizeof(LD_EDC) - 1) : name;
}

/* The property of an asset: a bare key is one of EDC's. */
static struct str property_name(struct str key, struct arena *arena)
{
    const bool absolute = key.n == 0 || memchr(key.p, ':', key.n) != NULL;

    return absolute ? arena_str(arena, key) : arena_printf(arena, LD_EDC "%.*s", STR_ARG(key));
}

/* properties.'x', privateProperties.'x', 'x'.'@id', x */
static int asset_field(struct str left, const struct str *segments, size_t n, struct arena *arena,
                       struct str *ret_field, struct err *err)
{
    const struct str head = without_edc(segments[0]);
    const bool private = str_eq(head, STR("privateProperties"));
    const size_t first = n > 1 && (private || str_eq(head, STR("properties"))) ? 1 : 0;
    size_t used = n;

    if (used - first > 1 &&
        (str_eq(segments[used - 1], STR("@id")) || str_eq(segments[used - 1], STR("@value"))))
        used--;
    if (used - first > 1)
        return no_field(err, left, ENTITY_ASSET);
    if (!private && str_eq(without_edc(segments[first]), STR("createdAt")))
        *ret_field = STR("createdAt");
    else
        *ret_field = property_name(segments[first], arena);
    if (private && first == 1)
        *ret_field = arena_printf(arena, "private:%.*s", STR_ARG(*ret_field));
    return 0;
}

static const struct field_name *known_field(enum entity_kind kind, struct str name)
{
    for (size_t i = 0; i < entities[kind].n; i++) {
        if (str_eq_c(name, entities[kind].names[i].asked))
            return &entities[kind].names[i];
    }
    return NULL;
}

static int find_field(enum entity_kind kind, struct str left, struct arena *arena,
                      struct str *ret_field, enum values *ret_values, struct err *err)
{
    struct str segments[SEGMENTS_MAX];
    struct str rest = left;
    const struct field_name *known;
    AUTO(buf_done) struct buf path = buf_init(LIMIT_ID);
    size_t n = 0;

    if (memmem(left.p, left.n, "://", 3) != NULL && left.p[0] != '\'' &&
        memchr(left.p, '\'', left.n) == NULL) {
        segments[n++] = left;
        rest = STR_NONE;
    }
    while (str_present(rest)) {
        if (n == SEGMENTS_MAX || !cut_segment(&rest, &segments[n++]))
            return no_field(err, left, kind);
    }
    *ret_values = TEXT;
    if (kind == ENTITY_ASSET) {
        if (asset_field(left, segments, n, arena, ret_field, err) < 0)
            return err_ret(err);
        *ret_values = str_eq(*ret_field, STR("createdAt")) ? NUMBER : TEXT;
        return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
    }
    for (size_t i = 0; i < n; i++) {
        buf_add_c(&path, i > 0 ? "." : "");
        buf_add_str(&path, without_edc(segments[i]));
    }
    known = known_field(kind, buf_str(&path));
    if (known == NULL)
        return no_field(err, left, kind);
    *ret_field = str_c(known->field);
    *ret_values = known->values;
    return 0;
}

int criteria_field(enum entity_kind kind, struct str left, struct arena *arena,
                   struct str *ret_field, struct err *err)
{
    enum values values;

    return find_field(kind, left, arena, ret_field, &values, err);
}

/* -- right operands -------------------------------------------------------------------------------- */

void criteria_glob(struct buf *out, struct str like)
{
    for (size_t i = 0; i < like.n; i++) {
        char c = like.p[i];
        const bool escaped = c == '\\' && i + 1 < like.n;

        if (escaped)
            c = like.p[++i];
        if (!escaped && c == '%')
            buf_add_char(out, '*');
        else if (!escaped && c == '_')
            buf_add_char(out, '?');
        else if (c == '*' || c == '?' || c == '[')
            buf_printf(out, "[%c]", c);
        else
            buf_add_char(out, c);
    }
}

/* A value as mgmt_field keeps it. */
static int kept_value(enum values values, struct str text, struct buf *out, struct err *err)
{
    int64_t number = 0;

    if (values == TEXT) {
        if (memchr(text.p, SEPARATOR, text.n) != NULL)
            return err_tell(err, E_INVALID, "", "a right operand holds a control character");
        buf_add_str(out, text);
        return 0;
    }
    if (!str_to_i64(text, &number)) {
        number = values == NEGOTIATION ? negotiation_state_code(text)
                 : values == TRANSFER  ? transfer_state_code(text)
                                       : 0;
        number = number == 0 ? -1 : number;
    }
    if (number < 0 || number >= NUMBER_BASE)
        return err_tell(err, E_INVALID, "", "'%.*s' cannot be compared with a number",
                        STR_ARG(text));
    buf_add_i64(out, NUMBER_BASE + number);
    return 0;
}

static int read_right(const struct criterion *c, enum criterion_op op, enum values values,
                      struct arena *arena, struct str *ret, struct err *err)
{
    const bool list = op == OP_IN || op == OP_NOT_IN;
    const size_t n = jval_len(c->right);
    AUTO(buf_done) struct buf out = buf_init(KIB(256));

    if (n > CRITERIA_VALUES)
        return err_tell(err, E_LIMIT, "", "more than %d right operands", CRITERIA_VALUES);
    if (!list && n != 1)
        return err_tell(err, E_INVALID, "/" LD_EDC "operandRight",
                        "The operator '%.*s' expects one right operand", STR_ARG(c->op));
    for (size_t i = 0; i < n; i++) {
        const struct str text = form_scalar(jval_at(c->right, i), arena);

        if (!str_present(text))
            return err_tell(err, E_INVALID, "/" LD_EDC "operandRight", "expected a value");
        if (list)
            buf_add_char(&out, SEPARATOR);
        if ((op == OP_LIKE || op == OP_ILIKE) && values == TEXT)
            buf_add_str(&out, text);
        else if (kept_value(values, text, &out, err) < 0)
            return err_ret(err);
        if (list)
            buf_add_char(&out, SEPARATOR);
    }
    *ret = arena_str(arena, buf_str(&out));
    return buf_failed(&out) || arena_failed(arena)
               ? err_tell(err, E_LIMIT, "", "the right operands are too long")
               : 0;
}

static int find_operator(struct str name, enum criterion_op *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (str_eq_nocase(name, str_c(operators[i].name))) {
            *ret = operators[i].op;
            return 0;
        }
    }
    return err_tell(err, E_INVALID, "/" LD_EDC "operator", "The operator '%.*s' is not supported",
                    STR_ARG(name));
}

static int read_texts(const struct jval *node, struct arena *arena, struct criterion *ret,
                      enum criterion_op *ret_op, struct err *err)
{
    *ret = (struct criterion){0};
    if (form_decode(&criterion_form, node, arena, ret, err) < 0)
        return err_ret(err);
    return find_operator(ret->op, ret_op, err);
}

/* A scalar as it was sent, of the expanded form. */
static void write_scalar(struct jw *w, const struct jval *value)
{
    const struct jval *inner = ld_value_of(value);

    if (inner != NULL)
        jw_val(w, inner);
    else
        jw_str(w, ld_id(value));
}

static void write_right(struct jw *w, const struct jval *values, bool list)
{
    if (!list && jval_len(values) == 1) {
        write_scalar(w, jval_at(values, 0));
        return;
    }
    jw_array(w);
    for (size_t i = 0; i < jval_len(values); i++)
        write_scalar(w, jval_at(values, i));
    jw_array_end(w);
}

int criteria_write(const struct jval *nodes, struct arena *arena, struct buf *out, struct err *err)
{
    struct jw w = jw_init(out);

    jw_array(&w);
    for (size_t i = 0; i < jval_len(nodes); i++) {
        struct criterion criterion;
        enum criterion_op op;

        if (read_texts(jval_at(nodes, i), arena, &criterion, &op, err) < 0)
            return err_ret(err);
        jw_object(&w);
        jw_kstr(&w, "operandLeft", criterion.left);
        jw_kstr(&w, "operator", criterion.op);
        jw_key(&w, "operandRight");
        write_right(&w, criterion.right, op == OP_IN || op == OP_NOT_IN);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "the criteria are too long") : 0;
}

/* -- specifications -------------------------------------------------------------------------------- */

static int read_condition(const struct jval *node, enum entity_kind kind, struct arena *arena,
                          struct condition *ret, struct err *err)
{
    struct criterion criterion;
    enum values values;

    if (read_texts(node, arena, &criterion, &ret->op, err) < 0 ||
        find_field(kind, criterion.left, arena, &ret->field, &values, err) < 0)
        return err_ret(err);
    return read_right(&criterion, ret->op, values, arena, &ret->value, err);
}

static int read_number(struct str text, const char *iri, int64_t least, int64_t *ret,
                       struct err *err)
{
    char at[160];

    if (!str_present(text))
        return 0;
    if (str_to_i64(text, ret) && *ret >= least)
        return 0;
    (void)snprintf(at, sizeof(at), "/%s", iri);
    return err_tell(err, E_INVALID, at, "'%s' must be an integer of at least %lld", iri,
                    (long long)least);
}

static int read_order(const struct raw_spec *raw, enum entity_kind kind, struct arena *arena,
                      struct query_spec *spec, struct err *err)
{
    if (str_present(raw->order)) {
        spec->descending = str_eq_nocase(raw->order, STR("DESC"));
        if (!spec->descending && !str_eq_nocase(raw->order, STR("ASC")))
            return err_tell(err, E_INVALID, "/" LD_EDC "sortOrder", "expected ASC or DESC");
    }
    if (raw->sort.n == 0)
        return 0;
    return criteria_field(kind, raw->sort, arena, &spec->sort, err);
}

int query_spec_read(const struct jval *node, enum entity_kind kind, struct arena *arena,
                    struct query_spec *ret_spec, struct err *err)
{
    struct query_spec spec = {.limit = 50};
    struct raw_spec raw = {0};

    if (form_decode(&spec_form, node, arena, &raw, err) < 0 ||
        read_number(raw.offset, LD_EDC "offset", 0, &spec.offset, err) < 0 ||
        read_number(raw.limit, LD_EDC "limit", 1, &spec.limit, err) < 0 ||
        read_order(&raw, kind, arena, &spec, err) < 0)
        return err_ret(err);
    if (jval_len(raw.filter) > CRITERIA_MAX)
        return err_tell(err, E_LIMIT, "/" LD_EDC "filterExpression", "at most %d criteria",
                        CRITERIA_MAX);
    for (size_t i = 0; i < jval_len(raw.filter); i++) {
        if (read_condition(jval_at(raw.filter, i), kind, arena, &spec.conditions[i], err) < 0)
            return form_at(err, LD_EDC "filterExpression");
        spec.n++;
    }
    spec.limited = str_present(raw.limit) || str_present(raw.offset);
    if (spec.limit > CRITERIA_ROWS_MAX)
        spec.limit = CRITERIA_ROWS_MAX;
    *ret_spec = spec;
    return 0;
}
