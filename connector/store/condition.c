/*
 * connector/store/condition.c - which entities satisfy given conditions
 *
 * Fields are rows of a table per entity: the name that EDC uses, the name in mgmt_field, what its
 * values are. A left operand is a list of segments separated by dots, where quoted ones may hold
 * dots; an unquoted one that begins like an IRI is one segment. A search starts from an equality,
 * if there is one, through the index of its column.
 */
#include "connector/store/condition_private.h"

#include <assert.h>

#include "connector/store/store.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"
#include "sql_connector.h"

#include "lib/base/banned.h"

#define SEGMENTS_MAX 8
#define NUMBER_BASE  INT64_C(1000000000000000000) /* as in mgmt_field */

/* KEY: a text; what follows the dot is the name of a property. */
enum values { TEXT, KEY, NUMBER, NEGOTIATION, TRANSFER };

struct field_name {
    const char *asked, *field;
    enum values values;
};
/* clang-format off */
/* A name that ends with a dot stands for all that begin so: rows of entity_property, if any. */
static const struct field_name policy_names[] = {
    {"id", "id", TEXT}, {"createdAt", "createdAt", NUMBER}, {"privateProperties.", "privateProperties.", KEY},
    {"policy.", "policy.", TEXT},
};
static const struct field_name definition_names[] = {
    {"id", "id", TEXT}, {"accessPolicyId", "accessPolicyId", TEXT}, {"contractPolicyId", "contractPolicyId", TEXT},
    {"createdAt", "createdAt", NUMBER}, {"privateProperties.", "privateProperties.", KEY},
    {"assetsSelector.", "assetsSelector.", TEXT},
};
static const struct field_name negotiation_names[] = {
    {"id", "id", TEXT}, {"type", "type", TEXT}, {"correlationId", "correlationId", TEXT},
    {"counterPartyId", "counterPartyId", TEXT}, {"counterPartyAddress", "counterPartyAddress", TEXT},
    {"protocol", "protocol", TEXT}, {"contractAgreement.id", "agreementId", TEXT},
    {"contractAgreement.agreementId", "agreementId", TEXT}, {"contractAgreement.assetId", "assetId", TEXT},
    {"contractAgreement.contractSigningDate", "contractAgreement.contractSigningDate", NUMBER},
    {"contractAgreement.", "contractAgreement.", TEXT}, {"contractOffers.assetId", "assetId", TEXT},
    {"contractOffers.id", "offerId", TEXT}, {"contractOffers.", "contractOffers.", TEXT},
    {"callbackAddresses.", "callbackAddresses.", TEXT}, {"traceContext.", "traceContext.", TEXT},
    {"errorDetail", "errorDetail", TEXT}, {"state", "state", NEGOTIATION}, {"stateCount", "stateCount", NUMBER},
    {"stateTimestamp", "stateTimestamp", NUMBER}, {"pending", "pending", TEXT}, {"createdAt", "createdAt", NUMBER},
    {"updatedAt", "updatedAt", NUMBER},
};
static const struct field_name agreement_names[] = {
    {"id", "id", TEXT}, {"agreementId", "id", TEXT}, {"providerId", "providerId", TEXT},
    {"consumerId", "consumerId", TEXT}, {"assetId", "assetId", TEXT},
    {"contractSigningDate", "contractSigningDate", NUMBER}, {"policy.", "policy.", TEXT},
};
static const struct field_name transfer_names[] = {
    {"id", "id", TEXT}, {"type", "type", TEXT}, {"protocol", "protocol", TEXT}, {"correlationId", "correlationId", TEXT},
    {"counterPartyAddress", "counterPartyAddress", TEXT}, {"assetId", "assetId", TEXT}, {"contractId", "contractId", TEXT},
    {"transferType", "transferType", TEXT}, {"dataPlaneId", "dataPlaneId", TEXT},
    {"dataDestination.", "dataDestination.", TEXT}, {"contentDataAddress.", "contentDataAddress.", TEXT},
    {"privateProperties.", "privateProperties.", KEY}, {"callbackAddresses.", "callbackAddresses.", TEXT},
    {"claims.", "claims.", TEXT}, {"traceContext.", "traceContext.", TEXT}, {"errorDetail", "errorDetail", TEXT},
    {"state", "state", TRANSFER}, {"stateCount", "stateCount", NUMBER}, {"stateTimestamp", "stateTimestamp", NUMBER},
    {"pending", "pending", TEXT}, {"createdAt", "createdAt", NUMBER}, {"updatedAt", "updatedAt", NUMBER},
};
static const struct field_name edr_names[] = {
    {"id", "transferProcessId", TEXT}, {"transferProcessId", "transferProcessId", TEXT}, {"assetId", "assetId", TEXT},
    {"agreementId", "agreementId", TEXT}, {"contractNegotiationId", "contractNegotiationId", TEXT},
    {"providerId", "providerId", TEXT}, {"createdAt", "createdAt", NUMBER},
};
static const struct field_name retirement_names[] = {
    {"agreementId", "agreementId", TEXT}, {"reason", "reason", TEXT},
    {"agreementRetirementDate", "agreementRetirementDate", NUMBER},
};

static const struct { const char *name, *type, *id, *sort; const struct field_name *names; size_t n; } entities[] = {
    [ENTITY_ASSET]       = {"asset",       "Asset",                       LD_EDC "id",         "createdAt", NULL, 0},
    [ENTITY_POLICY]      = {"policy",      "PolicyDefinition",            "id",                "createdAt", policy_names, ARRAY_LEN(policy_names)},
    [ENTITY_DEFINITION]  = {"definition",  "ContractDefinition",          "id",                "createdAt", definition_names, ARRAY_LEN(definition_names)},
    [ENTITY_NEGOTIATION] = {"negotiation", "ContractNegotiation",         "id",                "createdAt", negotiation_names, ARRAY_LEN(negotiation_names)},
    [ENTITY_AGREEMENT]   = {"agreement",   "ContractAgreement",           "id",                "contractSigningDate", agreement_names, ARRAY_LEN(agreement_names)},
    [ENTITY_TRANSFER]    = {"transfer",    "TransferProcess",             "id",                "createdAt", transfer_names, ARRAY_LEN(transfer_names)},
    [ENTITY_EDR]         = {"edr",         "EndpointDataReferenceEntry",  "transferProcessId", "createdAt", edr_names, ARRAY_LEN(edr_names)},
    [ENTITY_RETIREMENT]  = {"retirement",  "AgreementsRetirementEntry",   "agreementId",       "agreementRetirementDate", retirement_names, ARRAY_LEN(retirement_names)},
};
static_assert(ARRAY_LEN(entities) == ENTITY__COUNT, "one row per entity");

static const struct { const char *name; enum criterion_op op; } operators[] = {
    {"=", OP_EQ}, {"!=", OP_NEQ}, {"in", OP_IN}, {"not in", OP_NOT_IN}, {"notin", OP_NOT_IN}, {"like", OP_LIKE},
    {"ilike", OP_ILIKE}, {"contains", OP_EQ}, {"<", OP_LT}, {"<=", OP_LTEQ}, {">", OP_GT}, {">=", OP_GTEQ},
};

/* clang-format on */

const char *entity_type(enum entity_kind kind)
{
    return entities[kind].type;
}

const char *entity_name(enum entity_kind kind)
{
    return entities[kind].name;
}

/* -- left operands ----------------------------------------------------------------------------- */

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

/* What is kept of an asset beside its properties: "private:<IRI>", "private:dataAddress.<key>". */
static const struct {
    const char *head, *kept;
    bool iri;
} asset_parts[] = {
    {"properties",        "",                     true },
    {"privateProperties", "private:",             true },
    {"dataAddress",       "private:dataAddress.", false},
};

/* properties.'x', privateProperties.'x', dataAddress.x, 'x'.'@id', x */
static int asset_field(struct str left, const struct str *segments, size_t n, struct arena *arena,
                       struct str *ret_field, struct err *err)
{
    const struct str head = without_edc(segments[0]);
    const char *kept = "";
    bool iri = true;
    size_t used = n;

    for (size_t i = 0; i < ARRAY_LEN(asset_parts) && n > 1; i++) {
        if (!str_eq_c(head, asset_parts[i].head))
            continue;
        kept = asset_parts[i].kept;
        iri = asset_parts[i].iri;
        segments++;
        used--;
        break;
    }
    if (used > 1 &&
        (str_eq(segments[used - 1], STR("@id")) || str_eq(segments[used - 1], STR("@value"))))
        used--;
    if (used != 1)
        return no_field(err, left, ENTITY_ASSET);
    if (kept[0] == '\0' && str_eq(without_edc(segments[0]), STR("createdAt")))
        *ret_field = STR("createdAt");
    else
        *ret_field = arena_printf(
            arena, "%s%.*s", kept,
            STR_ARG(iri ? property_name(segments[0], arena) : without_edc(segments[0])));
    return 0;
}

static const struct field_name *known_field(enum entity_kind kind, struct str name)
{
    for (size_t i = 0; i < entities[kind].n; i++) {
        const struct str asked = str_c(entities[kind].names[i].asked);

        if (str_eq(name, asked) ||
            (asked.p[asked.n - 1] == '.' && name.n > asked.n && str_starts(name, asked)))
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
    *ret_values = known->values == KEY ? TEXT : known->values;
    if (known->asked[strlen(known->asked) - 1] == '.') {
        const struct str rest_of = str_from(buf_str(&path), strlen(known->asked));

        *ret_field =
            arena_printf(arena, "%s%.*s", known->field,
                         STR_ARG(known->values == KEY ? property_name(rest_of, arena) : rest_of));
    }
    return arena_failed(arena) ? err_set(err, E_LIMIT, "", "memory of the request") : 0;
}

int condition_field(enum entity_kind kind, struct str left, struct arena *arena,
                    struct str *ret_field, struct err *err)
{
    enum values values;

    return find_field(kind, left, arena, ret_field, &values, err);
}

/* -- right operands ---------------------------------------------------------------------------- */

void condition_glob(struct buf *out, struct str like)
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
        if (memchr(text.p, CONDITION_SEPARATOR, text.n) != NULL)
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

static int kept_values(enum criterion_op op, enum values values, const struct str_list *right,
                       struct arena *arena, struct str *ret, struct err *err)
{
    const bool list = op == OP_IN || op == OP_NOT_IN;
    AUTO(buf_done) struct buf out = buf_init(KIB(256));

    if (right->n > CONDITION_VALUES_MAX)
        return err_tell(err, E_LIMIT, "", "more than %d right operands", CONDITION_VALUES_MAX);
    if (!list && right->n != 1)
        return err_tell(err, E_INVALID, "", "The operator expects one right operand");
    for (size_t i = 0; i < right->n; i++) {
        if (list)
            buf_add_char(&out, CONDITION_SEPARATOR);
        if ((op == OP_LIKE || op == OP_ILIKE) && values == TEXT)
            buf_add_str(&out, right->items[i]);
        else if (kept_value(values, right->items[i], &out, err) < 0)
            return err_ret(err);
        if (list)
            buf_add_char(&out, CONDITION_SEPARATOR);
    }
    *ret = arena_str(arena, buf_str(&out));
    return buf_failed(&out) || arena_failed(arena)
               ? err_tell(err, E_LIMIT, "", "the right operands are too long")
               : 0;
}

int condition_operator(struct str name, enum criterion_op *ret_op, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (str_eq_nocase(name, str_c(operators[i].name))) {
            *ret_op = operators[i].op;
            return 0;
        }
    }
    return err_tell(err, E_INVALID, "", "The operator '%.*s' is not supported", STR_ARG(name));
}

int condition_make(enum entity_kind kind, struct str left, struct str op,
                   const struct str_list *right, struct arena *arena,
                   struct condition *ret_condition, struct err *err)
{
    struct condition condition;
    enum values values;

    if (condition_operator(op, &condition.op, err) < 0 ||
        find_field(kind, left, arena, &condition.field, &values, err) < 0 ||
        kept_values(condition.op, values, right, arena, &condition.value, err) < 0)
        return err_ret(err);
    *ret_condition = condition;
    return 0;
}

/* -- the search -------------------------------------------------------------------------------- */

struct found {
    struct str id;
};

static_assert(sizeof(struct found) == sizeof(struct str), "a list of them is a list of texts");
/* clang-format off */
static const struct field found_fields[] = {FIELD(struct found, id, "id", F_REQUIRED)};
static OBJECT(found_row, struct found, found_fields, OPEN);

static const struct query *const pages[] = {
    [ENTITY_ASSET] = &q_mgmt_asset_page,
    [ENTITY_POLICY] = &q_mgmt_policy_page,
    [ENTITY_DEFINITION] = &q_mgmt_definition_page,
    [ENTITY_NEGOTIATION] = &q_mgmt_negotiation_page,
    [ENTITY_AGREEMENT] = &q_mgmt_agreement_page,
    [ENTITY_TRANSFER] = &q_mgmt_transfer_page,
    [ENTITY_EDR] = &q_mgmt_edr_page,
    [ENTITY_RETIREMENT] = &q_mgmt_retirement_page,
};
static_assert(ARRAY_LEN(pages) == ENTITY__COUNT, "one query per entity");

/* clang-format on */

int condition__ids(struct db *db, const struct query *query, const struct db_arg *args, size_t n,
                   struct arena *arena, size_t most, struct list *ret, struct err *err)
{
    return db_list(db, query, args, n, &found_row, arena, most, ret, err);
}

/* LIKE patterns in the form of the engine: value_matches. */
static struct str pattern(struct db *db, const struct condition *c, struct arena *arena)
{
    AUTO(buf_done) struct buf glob = buf_init(KIB(512));

    if (db_kind(db) != DB_SQLITE || c->op != OP_LIKE)
        return c->value;
    condition_glob(&glob, c->value);
    return arena_str(arena, buf_str(&glob));
}

size_t condition__args(struct db *db, const struct condition *c, struct arena *arena,
                       struct db_arg *args, size_t n)
{
    args[n++] = c != NULL ? DB_TEXT(c->field) : DB_NULL(DBT_TEXT);
    args[n++] = DB_I64(c != NULL ? (int64_t)c->op : 0);
    args[n++] = c != NULL ? DB_TEXT(pattern(db, c, arena)) : DB_NULL(DBT_TEXT);
    return n;
}

static int find(struct db *db, enum entity_kind kind, const struct search *search,
                struct arena *arena, struct list *ret, struct err *err)
{
    enum { BEFORE = 3, SLOT = 3, AFTER = 4 };
    struct db_arg args[BEFORE + SLOT * CONDITIONS_MAX + AFTER];
    const struct query *query = &q_mgmt_find;
    size_t driver = search->n;
    size_t n = 0;

    for (size_t i = 0; i < search->n && driver == search->n; i++)
        driver = search->conditions[i].op == OP_EQ ? i : driver;
    args[n++] = DB_TEXT(str_c(entities[kind].name));
    if (driver < search->n) {
        query = &q_mgmt_find_equal;
        args[n++] = DB_TEXT(search->conditions[driver].field);
        args[n++] = DB_TEXT(search->conditions[driver].value);
    } else {
        args[n++] = DB_TEXT(str_c(entities[kind].id));
    }
    for (size_t i = 0; i < CONDITIONS_MAX; i++)
        n = condition__args(db, i < search->n && i != driver ? &search->conditions[i] : NULL, arena,
                            args, n);
    args[n++] = DB_TEXT(str_present(search->sort) ? search->sort : str_c(entities[kind].sort));
    args[n++] = DB_I64(search->descending ? 1 : 0);
    args[n++] = DB_I64(search->offset);
    args[n++] = DB_I64(search->limit);
    return condition__ids(db, query, args, n, arena, (size_t)search->limit, ret, err);
}

int condition_search(struct db *db, enum entity_kind kind, const struct search *search,
                     struct arena *arena, struct list *ret_ids, struct err *err)
{
    const bool plain = search->n == 0 && !str_present(search->sort) && !search->descending;

    if (plain)
        return condition__ids(db, pages[kind],
                              DB_ARGS(DB_I64(search->limit), DB_I64(search->offset)), arena,
                              (size_t)search->limit, ret_ids, err);
    if (kind == ENTITY_ASSET)
        return condition__assets(db, search, arena, ret_ids, err);
    return find(db, kind, search, arena, ret_ids, err);
}
