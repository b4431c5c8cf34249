/*
 * policy/entity.c - what rules speak of: parties, assets and actions, with their refinements (IM 2.2 §2.2–2.4)
 *
 * 1. A party or an asset is an opaque id, alone or in an object of type Party or Asset, or a collection:
 *    {"@type":"PartyCollection"|"AssetCollection","@id" or "source"}. A refinement selects members of a collection; with one the
 *    collection is named by "source", never by "@id".
 * 2. "hasPolicy", "assignerOf" and "assigneeOf" say of a party or an asset to which policy it belongs. They may only say what is
 *    so anyway; anything else would be a rule of another policy.
 * 3. An action is a name, or {"rdf:value" or "@id":name,"refinement":[…]}.
 */
#include "policy/policy.h"

#include "policy/parse_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { enum term role, of; const char *one, *collection; unsigned refines; } roles[] = {
    {TERM_TARGET,   TERM_HAS_POLICY,  "Asset", "AssetCollection", REFINES_D},
    {TERM_ASSIGNER, TERM_ASSIGNER_OF, "Party", "PartyCollection", REFINES_NO},
    {TERM_ASSIGNEE, TERM_ASSIGNEE_OF, "Party", "PartyCollection", REFINES_P},
};

/* clang-format on */

static size_t role_of(enum term term)
{
    size_t i = 0;

    while (roles[i].role != term)
        i++;
    return i;
}

/* A name, or an object that is nothing but a name. */
static bool is_name(const struct jval *v)
{
    return jtype_of(v) != J_OBJECT || jval_len(v) == 1 || jval_get(v, "@value") != NULL;
}

static int no_memory(struct parse *ps)
{
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

/* -- parties and assets ------------------------------------------------------------------------ */

/* Rule 2. */
static int check_belongs(struct parse *ps, const struct members *m, const struct where *w,
                         size_t role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        const struct where at = policy__member_at(m, roles[i].of, w);
        struct str policy = STR_NONE;

        if (policy__name(ps, m, roles[i].of, w, false, &policy) < 0)
            return err_ret(ps->err);
        if (!str_present(policy))
            continue;
        if (i != role || !str_present(ps->id) || !str_eq(policy, ps->id))
            return refuse(ps, &at, E_POLICY_UNSUPPORTED,
                          "'%s' of another policy, or in another role, is not understood",
                          policy__term_name(roles[i].of));
    }
    return 0;
}

static int check_refined(struct parse *ps, const struct members *m, const struct where *w,
                         size_t role)
{
    const struct where at = policy__member_at(m, TERM_REFINEMENT, w);
    const struct where id_at = policy__member_at(m, TERM_ID, w);
    const struct where source_at = policy__member_at(m, TERM_SOURCE, w);

    if (roles[role].refines == REFINES_NO)
        return refuse(ps, &at, E_POLICY_UNSUPPORTED, "an assigner cannot be refined");
    if (m->v[TERM_ID] != NULL)
        return refuse(ps, &id_at, E_INVALID, "a refined collection has a source, and no id");
    if (m->v[TERM_SOURCE] == NULL)
        return refuse(ps, &source_at, E_INVALID, "a refined collection needs a source");
    return 0;
}

static int read_collection(struct parse *ps, const struct members *m, const struct where *w,
                           size_t role, unsigned rules, struct entity *entity)
{
    const struct use use = {rules, roles[role].refines};
    struct str source = STR_NONE;

    if (m->v[TERM_REFINEMENT] != NULL && check_refined(ps, m, w, role) < 0)
        return err_ret(ps->err);
    if (policy__name(ps, m, TERM_SOURCE, w, false, &source) < 0 ||
        policy__conditions(ps, m, TERM_REFINEMENT, w, use, &entity->refinement) < 0)
        return err_ret(ps->err);
    if (!str_present(entity->id))
        entity->id = source;
    if (!str_present(entity->id))
        return refuse(ps, w, E_INVALID, "a collection needs a source or an id");
    entity->collection = true;
    return 0;
}

static int read_entity(struct parse *ps, const struct jval *v, const struct where *w, size_t role,
                       unsigned rules, struct entity *entity)
{
    struct str type = STR_NONE;
    struct members m;

    if (is_name(v))
        return policy__name_of(ps, v, w, false, &entity->id);
    if (policy__members(ps, v, w, IN_ENTITY, &m) < 0 ||
        policy__name(ps, &m, TERM_TYPE, w, true, &type) < 0 ||
        policy__name(ps, &m, TERM_ID, w, false, &entity->id) < 0 ||
        check_belongs(ps, &m, w, role) < 0)
        return err_ret(ps->err);
    if (str_starts(type, STR(ODRL)))
        type = str_from(type, sizeof(ODRL) - 1);
    if (str_eq_c(type, roles[role].collection))
        return read_collection(ps, &m, w, role, rules, entity);
    if ((str_present(type) && !str_eq_c(type, roles[role].one)) || !str_present(entity->id) ||
        m.v[TERM_SOURCE] != NULL || m.v[TERM_REFINEMENT] != NULL)
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "expected an id or a collection");
    return 0;
}

int policy__entities(struct parse *ps, const struct members *m, enum term term,
                     const struct where *w, unsigned rules, struct entities *ret_entities)
{
    const struct where here = policy__member_at(m, term, w);
    const size_t role = role_of(term);
    struct items items = policy__items(m->v[term]);

    if (m->v[term] == NULL)
        return 0;
    if (items.n == 0)
        return refuse(ps, &here, E_INVALID, "'%s' is empty", policy__term_name(term));
    ret_entities->items = ARENA_ARRAY(ps->arena, struct entity, items.n);
    if (ret_entities->items == NULL)
        return no_memory(ps);
    for (ret_entities->n = 0; ret_entities->n < items.n; ret_entities->n++) {
        struct where at;
        const struct jval *v = policy__item(&items, ret_entities->n, &here, &at);

        if (read_entity(ps, v, &at, role, rules, &ret_entities->items[ret_entities->n]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* -- actions ----------------------------------------------------------------------------------- */

static int find_action(struct parse *ps, struct str name, const struct where *w, struct act *act)
{
    if (!policy_action_find(name, &act->action))
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "action '%.*s' is not known", STR_ARG(name));
    return 0;
}

static int read_action(struct parse *ps, const struct jval *v, const struct where *w,
                       unsigned rules, struct act *act)
{
    const struct use use = {rules, REFINES_A};
    struct str id = STR_NONE, value = STR_NONE;
    struct members m;
    struct where at;

    if (jtype_of(v) != J_OBJECT || jval_get(v, "@value") != NULL) {
        if (policy__name_of(ps, v, w, true, &id) < 0)
            return err_ret(ps->err);
        return find_action(ps, id, w, act);
    }
    if (policy__members(ps, v, w, IN_ACTION, &m) < 0 ||
        policy__check_type(ps, &m, w, "Action", "Action") < 0 ||
        policy__name(ps, &m, TERM_ID, w, true, &id) < 0 ||
        policy__name(ps, &m, TERM_VALUE, w, true, &value) < 0)
        return err_ret(ps->err);
    if (str_present(id) == str_present(value))
        return refuse(ps, w, E_INVALID, "expected the name of an action, once");
    at = policy__member_at(&m, str_present(id) ? TERM_ID : TERM_VALUE, w);
    if (find_action(ps, str_present(id) ? id : value, jval_len(v) == 1 ? w : &at, act) < 0)
        return err_ret(ps->err);
    return policy__conditions(ps, &m, TERM_REFINEMENT, w, use, &act->refinement);
}

int policy__actions_of(struct parse *ps, const struct members *m, const struct where *w,
                       unsigned rules, struct acts *ret_acts)
{
    const struct where here = policy__member_at(m, TERM_ACTION, w);
    struct items items = policy__items(m->v[TERM_ACTION]);

    if (m->v[TERM_ACTION] == NULL)
        return 0;
    if (items.n == 0)
        return refuse(ps, &here, E_INVALID, "a rule needs an action");
    ret_acts->items = ARENA_ARRAY(ps->arena, struct act, items.n);
    if (ret_acts->items == NULL)
        return no_memory(ps);
    for (ret_acts->n = 0; ret_acts->n < items.n; ret_acts->n++) {
        struct where at;
        const struct jval *v = policy__item(&items, ret_acts->n, &here, &at);

        if (read_action(ps, v, &at, rules, &ret_acts->items[ret_acts->n]) < 0)
            return err_ret(ps->err);
    }
    return 0;
}
