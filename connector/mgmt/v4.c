/*
 * connector/mgmt/v4.c - the bodies of /v4 as tables
 *
 * Depth is bounded by that of the JSON document: constraints are the only type that holds itself.
 */
#include "connector/mgmt/v4.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"

#include "lib/base/banned.h"

#define CONTEXT "https://w3id.org/edc/connector/management/v2"

enum kind {
    K_TEXT,
    K_FLAG,
    K_INTEGER,
    K_OBJECT,  /* of the type `of`, if that is given */
    K_TEXTS,   /* array */
    K_OBJECTS, /* array, of the type `of` */
    K_WORDS,   /* a text, or an array of texts */
    K_RIGHT,   /* right operand of a criterion: anything but null */
    K_OPERAND, /* right operand of a policy: text, object, array */
};

struct member {
    const char *name;
    enum kind kind;
    bool required;
    int64_t least; /* of an integer; elements of an array */
    const struct v4_type *of;
    const char *word, *other; /* what the text must be, if these are given */
};

struct v4_type {
    const char *type;  /* "@type"; NULL: none is asked for */
    const char *other; /* as good as `type`, or NULL */
    const char *space; /* namespace of the members */
    const struct member *members;
    size_t n;
    bool one;                      /* exactly one of the members */
    bool rules;                    /* "permission" or "prohibition" */
    const struct v4_type *instead; /* the object is of this type if it has one of its members */
};

/* clang-format off */
#define NEED_OF(n, k, o, l) {.name = (n), .kind = (k), .required = true, .of = (o), .least = (l)}
#define MAY_OF(n, k, o, l)  {.name = (n), .kind = (k), .of = (o), .least = (l)}
#define NEED(n, k)          NEED_OF(n, k, NULL, 0)
#define MAY(n, k)           MAY_OF(n, k, NULL, 0)
#define MEMBERS(table) .members = (table), .n = ARRAY_LEN(table)
#define EDC_TYPE(name, table) {.type = (name), .space = LD_EDC, MEMBERS(table)}

static const struct v4_type constraint;
static const struct member logical_members[] = {
    MAY_OF("and", K_OBJECTS, &constraint, 0),         MAY_OF("or", K_OBJECTS, &constraint, 0),
    MAY_OF("xone", K_OBJECTS, &constraint, 0),        MAY_OF("andSequence", K_OBJECTS, &constraint, 0),
};
static const struct v4_type logical_constraint = {.space = LD_ODRL, MEMBERS(logical_members), .one = true};
static const struct member constraint_members[] = {
    NEED("leftOperand", K_TEXT), NEED("operator", K_TEXT), NEED("rightOperand", K_OPERAND),
};
static const struct v4_type constraint = {.space = LD_ODRL, MEMBERS(constraint_members), .instead = &logical_constraint};
static const struct member rule_members[] = {
    NEED("action", K_TEXT), MAY_OF("constraint", K_OBJECTS, &constraint, 0),
};
static const struct v4_type rule = {.space = LD_ODRL, MEMBERS(rule_members)};

#define RULES \
    MAY("profile", K_WORDS), MAY_OF("permission", K_OBJECTS, &rule, 1), \
    MAY_OF("prohibition", K_OBJECTS, &rule, 1), MAY_OF("obligation", K_OBJECTS, &rule, 1)
static const struct member set_members[] = {RULES};
static const struct v4_type set = {.type = "Set", .space = LD_ODRL, MEMBERS(set_members)};
static const struct member offer_members[] = {
    NEED("@id", K_TEXT), NEED("assigner", K_TEXT), NEED("target", K_TEXT), RULES,
};
static const struct v4_type offer = {.type = "Offer", .space = LD_ODRL, MEMBERS(offer_members), .rules = true};

static const struct v4_type data_address = {.type = "DataAddress", .space = LD_EDC};
static const struct member metadata_members[] = {MAY("labels", K_TEXTS), MAY("properties", K_OBJECT)};
static const struct v4_type metadata = {.space = LD_EDC, MEMBERS(metadata_members)};
static const struct member callback_members[] = {
    NEED("transactional", K_FLAG), NEED("uri", K_TEXT), NEED("events", K_TEXTS),
    MAY("authKey", K_TEXT), MAY("authCodeId", K_TEXT),
};
static const struct v4_type callback = EDC_TYPE("CallbackAddress", callback_members);
static const struct member criterion_members[] = {
    NEED("operandLeft", K_TEXT), NEED("operator", K_TEXT), NEED("operandRight", K_RIGHT),
};
static const struct v4_type criterion = EDC_TYPE("Criterion", criterion_members);
static const struct member query_members[] = {
    MAY("offset", K_INTEGER), MAY_OF("limit", K_INTEGER, NULL, 1), MAY("sortField", K_TEXT),
    {.name = "sortOrder", .kind = K_TEXT, .word = "ASC", .other = "DESC"}, MAY_OF("filterExpression", K_OBJECTS, &criterion, 0),
};
const struct v4_type v4_query_spec = EDC_TYPE("QuerySpec", query_members);

static const struct member asset_members[] = {
    MAY("@id", K_TEXT), NEED("properties", K_OBJECT), MAY("privateProperties", K_OBJECT), MAY("isCatalog", K_FLAG),
    MAY_OF("dataAddress", K_OBJECT, &data_address, 0), MAY_OF("dataplaneMetadata", K_OBJECT, &metadata, 0),
};
const struct v4_type v4_asset = {.type = "Asset", .other = "CatalogAsset", .space = LD_EDC, MEMBERS(asset_members)};
static const struct member policy_members[] = {
    MAY("@id", K_TEXT), NEED_OF("policy", K_OBJECT, &set, 0), MAY("privateProperties", K_OBJECT),
};
const struct v4_type v4_policy_definition = EDC_TYPE("PolicyDefinition", policy_members);
static const struct member definition_members[] = {
    MAY("@id", K_TEXT), NEED("accessPolicyId", K_TEXT), NEED("contractPolicyId", K_TEXT),
    MAY("privateProperties", K_OBJECT), MAY_OF("assetsSelector", K_OBJECTS, &criterion, 0),
};
const struct v4_type v4_contract_definition = EDC_TYPE("ContractDefinition", definition_members);
static const struct member secret_members[] = {MAY("@id", K_TEXT), NEED("value", K_TEXT)};
const struct v4_type v4_secret = EDC_TYPE("Secret", secret_members);

#define PEER NEED("protocol", K_TEXT), NEED("counterPartyAddress", K_TEXT)
static const struct member catalog_members[] = {
    MAY("@id", K_TEXT), PEER, NEED("counterPartyId", K_TEXT), MAY("additionalScopes", K_TEXTS),
    MAY_OF("querySpec", K_OBJECT, &v4_query_spec, 0),
};
const struct v4_type v4_catalog_request = EDC_TYPE("CatalogRequest", catalog_members);
static const struct member dataset_members[] = {NEED("@id", K_TEXT), PEER, NEED("counterPartyId", K_TEXT)};
const struct v4_type v4_dataset_request = EDC_TYPE("DatasetRequest", dataset_members);
static const struct member contract_members[] = {
    MAY("@id", K_TEXT), PEER, NEED_OF("policy", K_OBJECT, &offer, 0), MAY_OF("callbackAddresses", K_OBJECTS, &callback, 0),
};
const struct v4_type v4_contract_request = EDC_TYPE("ContractRequest", contract_members);
static const struct member transfer_members[] = {
    MAY("@id", K_TEXT), PEER, NEED("contractId", K_TEXT), NEED("transferType", K_TEXT),
    MAY("privateProperties", K_OBJECT), MAY_OF("callbackAddresses", K_OBJECTS, &callback, 0),
    MAY_OF("dataDestination", K_OBJECT, &data_address, 0), MAY_OF("dataplaneMetadata", K_OBJECT, &metadata, 0),
};
const struct v4_type v4_transfer_request = EDC_TYPE("TransferRequest", transfer_members);
static const struct member reason_members[] = {MAY("reason", K_TEXT)};
const struct v4_type v4_terminate_negotiation = EDC_TYPE("TerminateNegotiation", reason_members);
const struct v4_type v4_terminate_transfer = EDC_TYPE("TerminateTransfer", reason_members);
const struct v4_type v4_suspend_transfer = EDC_TYPE("SuspendTransfer", reason_members);
static const struct member plan_members[] = {NEED("policyScope", K_TEXT)};
const struct v4_type v4_plan_request = EDC_TYPE("PolicyEvaluationPlanRequest", plan_members);
static const struct member version_members[] = {PEER, NEED("counterPartyId", K_TEXT)};
const struct v4_type v4_version_request = EDC_TYPE("ProtocolVersionRequest", version_members);

/* clang-format on */

static int check_object(const struct v4_type *type, const struct jval *object, struct err *err);

/* -- errors ------------------------------------------------------------------------------------ */

/* Keywords have no namespace. */
static void place(const struct v4_type *type, const char *name, char at[static 160])
{
    (void)snprintf(at, 160, "/%s%s", name[0] == '@' ? "" : type->space, name);
}

static int missing(const struct v4_type *type, const char *name, struct err *err)
{
    char at[160];

    place(type, name, at);
    return err_tell(err, E_INVALID, at, "required property '%s' not found", name);
}

static int inside(const struct v4_type *type, const char *name, struct err *err)
{
    char at[160];

    place(type, name, at);
    return err_at_prefix(err, at);
}

static const char *kind_of(const struct jval *value)
{
    static const char *const names[] = {
        [J_NULL] = "null",  [J_BOOL] = "boolean", [J_INT] = "integer",   [J_REAL] = "number",
        [J_STR] = "string", [J_ARRAY] = "array",  [J_OBJECT] = "object",
    };

    return names[jtype_of(value)];
}

static int expected(const struct jval *value, const char *what, struct err *err)
{
    return err_tell(err, E_INVALID, "", "%s found, %s expected", kind_of(value), what);
}

/* -- values ------------------------------------------------------------------------------------ */

static int check_text(const struct member *m, const struct jval *value, struct err *err)
{
    const struct str text = jval_str(value);

    if (jtype_of(value) != J_STR)
        return expected(value, "string", err);
    if (m->word == NULL || str_eq_c(text, m->word) || str_eq_c(text, m->other))
        return 0;
    return err_tell(err, E_INVALID, "", "does not have a value in the enumeration [\"%s\", \"%s\"]",
                    m->word, m->other);
}

static int check_integer(const struct member *m, const struct jval *value, struct err *err)
{
    int64_t number = 0;

    if (!jval_i64(value, &number))
        return expected(value, "integer", err);
    return number >= m->least ? 0
                              : err_tell(err, E_INVALID, "", "must have a minimum value of %lld",
                                         (long long)m->least);
}

static int check_list(const struct member *m, const struct jval *value, struct err *err)
{
    if (jtype_of(value) != J_ARRAY)
        return expected(value, "array", err);
    if ((int64_t)jval_len(value) < m->least)
        return err_tell(err, E_INVALID, "", "must have at least %lld items but found %zu",
                        (long long)m->least, jval_len(value));
    for (size_t i = 0; i < jval_len(value); i++) {
        const struct jval *element = jval_at(value, i);

        if (m->kind == K_OBJECTS) {
            if (check_object(m->of, element, err) < 0)
                return err_ret(err);
        } else if (jtype_of(element) != J_STR) {
            return expected(element, "string", err);
        }
    }
    return 0;
}

static int check_value(const struct member *m, const struct jval *value, struct err *err)
{
    switch (m->kind) {
    case K_TEXT: return check_text(m, value, err);
    case K_FLAG: return jtype_of(value) == J_BOOL ? 0 : expected(value, "boolean", err);
    case K_INTEGER: return check_integer(m, value, err);
    case K_OBJECT:
        if (m->of != NULL)
            return check_object(m->of, value, err);
        return jtype_of(value) == J_OBJECT ? 0 : expected(value, "object", err);
    case K_WORDS:
        if (jtype_of(value) == J_STR)
            return 0;
        return check_list(m, value, err);
    case K_TEXTS:
    case K_OBJECTS: return check_list(m, value, err);
    case K_RIGHT:
        return jtype_of(value) != J_NULL
                   ? 0
                   : expected(value, "[string, number, boolean, object, array]", err);
    case K_OPERAND:
        if (jtype_of(value) == J_STR || jtype_of(value) == J_OBJECT || jtype_of(value) == J_ARRAY)
            return 0;
        return expected(value, "[string, object, array]", err);
    }
    return 0;
}

/* -- objects ----------------------------------------------------------------------------------- */

static int check_name(const struct v4_type *type, const struct jval *object, struct err *err)
{
    const struct jval *name = jval_get(object, "@type");

    if (type->type == NULL)
        return 0;
    if (name == NULL)
        return missing(type, "@type", err);
    if (str_eq_c(jval_str(name), type->type) ||
        (type->other != NULL && str_eq_c(jval_str(name), type->other)))
        return 0;
    return err_tell(err, E_INVALID, "/@type", "must be the constant value '%s'", type->type);
}

static size_t members_of(const struct v4_type *type, const struct jval *object)
{
    size_t n = 0;

    for (size_t i = 0; i < type->n; i++)
        n += jval_get(object, type->members[i].name) != NULL;
    return n;
}

static int check_object(const struct v4_type *type, const struct jval *object, struct err *err)
{
    if (jtype_of(object) != J_OBJECT)
        return expected(object, "object", err);
    if (type->instead != NULL && members_of(type->instead, object) > 0)
        type = type->instead;
    if (check_name(type, object, err) < 0)
        return err_ret(err);
    if (type->one && members_of(type, object) != 1)
        return err_tell(err, E_INVALID, "", "must be valid to one and only one schema");
    if (type->rules && jval_get(object, "permission") == NULL &&
        jval_get(object, "prohibition") == NULL)
        return missing(type, "permission", err);
    for (size_t i = 0; i < type->n; i++) {
        const struct member *m = &type->members[i];
        const struct jval *value = jval_get(object, m->name);

        if (value == NULL && m->required)
            return missing(type, m->name, err);
        if (value != NULL && check_value(m, value, err) < 0)
            return inside(type, m->name, err);
    }
    return 0;
}

static int check_context(const struct v4_type *type, const struct jval *body, struct err *err)
{
    static const struct member texts = NEED("@context", K_TEXTS);
    const struct jval *context = jval_get(body, "@context");

    if (context == NULL)
        return missing(type, "@context", err);
    if (check_list(&texts, context, err) < 0)
        return inside(type, "@context", err);
    for (size_t i = 0; i < jval_len(context); i++) {
        if (str_eq(jval_str(jval_at(context, i)), STR(CONTEXT)))
            return 0;
    }
    return err_tell(err, E_INVALID, "/@context", "does not contain '" CONTEXT "'");
}

int v4_check(const struct v4_type *type, const struct jval *body, struct err *err)
{
    if (check_context(type, body, err) < 0)
        return err_ret(err);
    return check_object(type, body, err);
}
