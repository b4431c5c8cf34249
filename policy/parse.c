/*
 * policy/parse.c - JSON of a policy and of its parents -> tree
 *
 * A policy with parents is read in two steps (IM 2.2 §2.9): first what all documents say at policy level, profiles and conflict
 * strategy, which is brought together; then their rules, which take from it what they lack. A parent's place is that of its name
 * in the child, as if it stood there.
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "policy/parse_private.h"

#include "lib/base/banned.h"

/* clang-format off */
static const struct { const char *name; enum policy_type type; } policy_types[] = {
    {"Set", POLICY_SET}, {"Policy", POLICY_SET}, {"Offer", POLICY_OFFER}, {"Agreement", POLICY_AGREEMENT},
};

static const struct str profiles[] = {
    STR_INIT("http://www.w3.org/ns/odrl/2/core"),
    STR_INIT("https://w3id.org/dspace/2025/1/odrl-profile"),
    STR_INIT("https://w3id.org/dspace/2025/1/odrl-profile.jsonld"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/context.jsonld"),
    STR_INIT("https://w3id.org/catenax/policy/profile2405"),
    STR_INIT("https://w3id.org/catenax/2025/9/policy/profile2405"), /* "cx-policy:profile2405" under the newer prefix */
    STR_INIT("urn:naru:profile:commercial:1"),
};

/* clang-format on */

/* One document: the policy itself (0) or an ancestor of it. */
struct level {
    struct where at; /* NULL frame `root` if it is the document itself */
    bool root;
    struct str id;
    struct members m;
    struct prefixes prefixes;
    const struct level *child; /* that names it; NULL: none */
};

/* The documents of one policy, and what they say together. */
struct family {
    struct level *levels[1 + POLICY_ANCESTORS];
    size_t n;
    struct common common;
    bool conflict_given;
};

static int no_memory(struct parse *ps)
{
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

static const struct where *place_of(const struct level *level)
{
    return level->root ? NULL : &level->at;
}

/* -- what a document says of itself ------------------------------------------------------------ */

static int parse_type(struct parse *ps, const struct members *m, const struct where *w,
                      enum policy_type *ret_type)
{
    const struct where at = policy__member_at(m, TERM_TYPE, w);
    struct str type = STR_NONE;

    if (policy__name(ps, m, TERM_TYPE, w, true, &type) < 0)
        return err_ret(ps->err);
    if (!str_present(type))
        return 0;
    if (str_starts(type, STR(ODRL)))
        type = str_from(type, sizeof(ODRL) - 1);
    for (size_t i = 0; i < ARRAY_LEN(policy_types); i++) {
        if (str_eq_c(type, policy_types[i].name)) {
            *ret_type = policy_types[i].type;
            return 0;
        }
    }
    return refuse(ps, &at, E_POLICY_UNSUPPORTED, "policies of type '%.*s' are not understood",
                  STR_ARG(type));
}

/* IM 2.2 §3.2: a processor that does not know the profile must stop. */
static int find_profile(struct parse *ps, struct str iri, const struct where *w,
                        struct str *ret_profile)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (str_eq(profiles[i], iri)) {
            *ret_profile = profiles[i];
            return 0;
        }
    }
    return refuse(ps, w, E_POLICY_UNSUPPORTED, "profile '%.*s' is not known", STR_ARG(iri));
}

static int parse_profiles(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where here = policy__member_at(m, TERM_PROFILE, w);
    struct items items = policy__items(m->v[TERM_PROFILE]);
    struct policy *policy = ps->policy;
    struct str *all = ARENA_ARRAY(ps->arena, struct str, policy->n_profiles + items.n);

    if (all == NULL)
        return no_memory(ps);
    if (policy->n_profiles > 0)
        memcpy(all, policy->profiles, policy->n_profiles * sizeof(*all));
    policy->profiles = all;
    for (size_t i = 0; i < items.n; i++) {
        struct where at;
        const struct jval *v = policy__item(&items, i, &here, &at);
        struct str iri = STR_NONE;

        if (policy__name_of(ps, v, &at, true, &iri) < 0 ||
            find_profile(ps, iri, &at, &all[policy->n_profiles]) < 0)
            return err_ret(ps->err);
        policy->n_profiles++;
    }
    return 0;
}

/* IM 2.2 §2.10: several strategies make the policy void as soon as there is a conflict, as the default does. */
static void set_conflict(struct policy *policy, struct family *f, enum conflict conflict)
{
    policy->conflict =
        f->conflict_given && policy->conflict != conflict ? CONFLICT_INVALID : conflict;
    f->conflict_given = true;
}

static int parse_conflict(struct parse *ps, const struct members *m, const struct where *w,
                          struct family *f)
{
    const struct where at = policy__member_at(m, TERM_CONFLICT, w);
    struct str name = STR_NONE;

    if (policy__name(ps, m, TERM_CONFLICT, w, true, &name) < 0)
        return err_ret(ps->err);
    if (str_starts(name, STR(ODRL)))
        name = str_from(name, sizeof(ODRL) - 1);
    for (int i = 0; i < CONFLICT__COUNT && str_present(name); i++) {
        if (str_eq_c(name, policy__conflict_names[i])) {
            set_conflict(ps->policy, f, (enum conflict)i);
            return 0;
        }
    }
    if (str_present(name))
        return refuse(ps, &at, E_POLICY_UNSUPPORTED, "conflict strategy '%.*s' is not known",
                      STR_ARG(name));
    return 0;
}

static int parse_timestamp(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where at = policy__member_at(m, TERM_TIMESTAMP, w);
    struct str text = STR_NONE;

    if (policy__name(ps, m, TERM_TIMESTAMP, w, false, &text) < 0)
        return err_ret(ps->err);
    if (str_present(text) && !time_parse(text, &ps->policy->timestamp_us))
        return refuse(ps, &at, E_INVALID, "'%.*s' is not a date and time with zone", STR_ARG(text));
    return 0;
}

/* DSP 2025-1, contract schema: an Agreement names its target and both parties. */
static int check_agreement(struct parse *ps, const struct common *common, const struct where *w)
{
    const struct {
        enum term term;
        size_t n;
    } needed[] = {
        {TERM_TARGET,   common->targets.n  },
        {TERM_ASSIGNER, common->assigners.n},
        {TERM_ASSIGNEE, common->assignees.n},
    };

    for (size_t i = 0; i < ARRAY_LEN(needed) && ps->policy->type == POLICY_AGREEMENT; i++) {
        const struct where at = {.up = w, .key = str_c(policy__term_name(needed[i].term))};

        if (needed[i].n != 1)
            return refuse(ps, &at, E_INVALID, "an agreement needs one '%s'",
                          policy__term_name(needed[i].term));
    }
    return 0;
}

/* IM 2.2 §2.8: a policy that was replaced is void. */
static int check_replaced(struct parse *ps, const struct members *m, const struct where *w)
{
    const struct where at = policy__member_at(m, TERM_REPLACED, w);
    struct str by = STR_NONE;

    if (policy__name(ps, m, TERM_REPLACED, w, false, &by) < 0)
        return err_ret(ps->err);
    if (str_present(by))
        return refuse(ps, &at, E_POLICY_UNSUPPORTED,
                      "the policy is void: it was replaced by '%.*s'", STR_ARG(by));
    return 0;
}

/* -- what documents say together --------------------------------------------------------------- */

static int add_entities(struct parse *ps, struct entities *all, const struct entities *more)
{
    struct entity *items = ARENA_ARRAY(ps->arena, struct entity, all->n + more->n);

    if (items == NULL)
        return no_memory(ps);
    if (all->n > 0)
        memcpy(items, all->items, all->n * sizeof(*items));
    all->items = items;
    for (size_t i = 0; i < more->n; i++) {
        bool there = false;

        for (size_t k = 0; k < all->n && !there; k++) {
            if (policy__same_entity(ps, &items[k], &more->items[i], &there) < 0)
                return err_ret(ps->err);
        }
        if (!there)
            items[all->n++] = more->items[i];
    }
    return 0;
}

static int add_acts(struct parse *ps, struct acts *all, const struct acts *more)
{
    struct act *items = ARENA_ARRAY(ps->arena, struct act, all->n + more->n);

    if (items == NULL)
        return no_memory(ps);
    if (all->n > 0)
        memcpy(items, all->items, all->n * sizeof(*items));
    if (more->n > 0)
        memcpy(items + all->n, more->items, more->n * sizeof(*items));
    *all = (struct acts){items, all->n + more->n};
    return 0;
}

/* Members at policy level stand for every rule that lacks them (IM 2.2 §2.7.1). */
static int parse_common(struct parse *ps, const struct members *m, const struct where *w,
                        struct common *common)
{
    static const enum term terms[] = {TERM_TARGET, TERM_ASSIGNER, TERM_ASSIGNEE};
    struct entities *const all[] = {&common->targets, &common->assigners, &common->assignees};
    struct acts acts = {0};

    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        struct entities one = {0};

        if (policy__entities(ps, m, terms[i], w, RULES_PXO, &one) < 0 ||
            add_entities(ps, all[i], &one) < 0)
            return err_ret(ps->err);
    }
    /* what may refine an action of every kind of rule */
    if (policy__actions_of(ps, m, w, RULES_P, &acts) < 0)
        return err_ret(ps->err);
    return add_acts(ps, &common->actions, &acts);
}

/* A policy and its parents together have at most the size of one. */
static int check_size(struct parse *ps, const struct jval *v, unsigned depth)
{
    if (++ps->nodes > LIMIT_POLICY_NODES)
        return err_tell(ps->err, E_LIMIT, "", "policy has more than %d values", LIMIT_POLICY_NODES);
    if (depth > LIMIT_JSON_DEPTH)
        return err_tell(ps->err, E_LIMIT, "", "policy is nested deeper than %d", LIMIT_JSON_DEPTH);
    if (jtype_of(v) == J_ARRAY) {
        for (size_t i = 0; i < jval_len(v); i++) {
            if (check_size(ps, jval_at(v, i), depth + 1) < 0)
                return err_ret(ps->err);
        }
    } else if (jtype_of(v) == J_OBJECT) {
        for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
            if (check_size(ps, jiter_value(it), depth + 1) < 0)
                return err_ret(ps->err);
        }
    }
    return 0;
}

/* -- documents --------------------------------------------------------------------------------- */

static int read_document(struct parse *ps, struct family *f, struct level *level,
                         const struct jval *v, enum policy_type *ret_type)
{
    const struct where *w = place_of(level);
    const struct where context_at = {.up = w, .key = STR("@context")};
    const struct jval *context = jval_get(v, "@context");
    struct members *m = &level->m;

    ps->prefixes = (struct prefixes){0};
    /* first of all, for the other members' names may depend on it */
    if (jtype_of(v) == J_OBJECT && context != NULL && policy__context(ps, context, &context_at) < 0)
        return err_ret(ps->err);
    level->prefixes = ps->prefixes;
    if (policy__members(ps, v, w, IN_POLICY, m) < 0 || parse_type(ps, m, w, ret_type) < 0 ||
        policy__name(ps, m, TERM_ID, w, false, &level->id) < 0)
        return err_ret(ps->err);
    ps->id = level->id;
    if (check_replaced(ps, m, w) < 0 || parse_common(ps, m, w, &f->common) < 0 ||
        parse_profiles(ps, m, w) < 0)
        return err_ret(ps->err);
    return parse_conflict(ps, m, w, f);
}

static struct level *new_level(struct parse *ps, struct family *f)
{
    struct level *level = ARENA_NEW(ps->arena, struct level);

    if (level != NULL)
        f->levels[f->n++] = level;
    return level;
}

static bool is_ancestor_of(const struct level *level, struct str id)
{
    while (level != NULL && !(str_present(level->id) && str_eq(level->id, id)))
        level = level->child;
    return level != NULL;
}

static bool is_read(const struct family *f, struct str id)
{
    for (size_t i = 0; i < f->n; i++) {
        if (str_present(f->levels[i]->id) && str_eq(f->levels[i]->id, id))
            return true;
    }
    return false;
}

static int find_parent(struct parse *ps, struct str id, const struct where *w,
                       const struct jval **ret_doc)
{
    const struct jval *doc = NULL;
    struct items items;

    if (ps->parents == NULL)
        return refuse(ps, w, E_POLICY_UNSUPPORTED,
                      "'inheritFrom' is not understood here: policies are taken as they stand");
    if (ps->parents->find(ps->parents->cls, id, &doc, ps->err) < 0)
        return err_ret(ps->err);
    if (doc == NULL)
        return refuse(ps, w, E_POLICY_UNSUPPORTED, "there is no policy '%.*s' to inherit from",
                      STR_ARG(id));
    if (check_size(ps, doc, 0) < 0)
        return err_ret(ps->err);
    items = policy__items(doc);
    if (items.n != 1)
        return refuse(ps, w, E_INVALID, "expected one policy, found %zu", items.n);
    *ret_doc = items.array ? jval_at(items.v, 0) : items.v;
    return 0;
}

static int read_parents(struct parse *ps, struct family *f, const struct level *child);

static int read_parent(struct parse *ps, struct family *f, const struct level *child, struct str id,
                       const struct where *w)
{
    enum policy_type type = POLICY_SET;
    const struct jval *doc = NULL;
    struct level *level;

    if (is_ancestor_of(child, id))
        return refuse(ps, w, E_INVALID, "policy '%.*s' would inherit from itself", STR_ARG(id));
    if (is_read(f, id))
        return 0;
    if (f->n > POLICY_ANCESTORS)
        return refuse(ps, w, E_LIMIT, "more than %d policies to inherit from", POLICY_ANCESTORS);
    if (find_parent(ps, id, w, &doc) < 0)
        return err_ret(ps->err);
    level = new_level(ps, f);
    if (level == NULL)
        return no_memory(ps);
    level->child = child;
    level->at = *w;
    if (read_document(ps, f, level, doc, &type) < 0)
        return err_ret(ps->err);
    /* under the name by which it was found: what it calls itself cannot hide a cycle */
    level->id = id;
    return read_parents(ps, f, level);
}

/* Recursion ends: a document is read once, and there are at most POLICY_ANCESTORS. */
static int read_parents(struct parse *ps, struct family *f, const struct level *child)
{
    struct where *here = ARENA_NEW(ps->arena, struct where);
    struct items items = policy__items(child->m.v[TERM_INHERIT]);

    if (here == NULL)
        return no_memory(ps);
    *here = policy__member_at(&child->m, TERM_INHERIT, place_of(child));
    for (size_t i = 0; i < items.n; i++) {
        struct where at;
        const struct jval *v = policy__item(&items, i, here, &at);
        struct str id = STR_NONE;

        if (policy__name_of(ps, v, &at, false, &id) < 0 || read_parent(ps, f, child, id, &at) < 0)
            return err_ret(ps->err);
    }
    return 0;
}

/* Some of them at policy level, others not, would be two ways to say one thing: one, or none. */
static struct entity alone(struct entities *entities)
{
    struct entity one = entities->n == 1 ? entities->items[0] : (struct entity){0};

    if (entities->n == 1)
        entities->n = 0;
    return one;
}

static int parse_rules(struct parse *ps, struct family *f)
{
    struct policy *policy = ps->policy;

    policy->target = alone(&f->common.targets);
    policy->assigner = alone(&f->common.assigners);
    policy->assignee = alone(&f->common.assignees);
    for (size_t l = 0; l < f->n; l++) {
        ps->prefixes = f->levels[l]->prefixes;
        ps->id = l == 0 ? policy->id : f->levels[l]->id;
        for (int i = 0; i < LIST__COUNT; i++) {
            if (policy__rules(ps, &f->levels[l]->m, i, place_of(f->levels[l]), &f->common,
                              &policy->rules[i]) < 0)
                return err_ret(ps->err);
        }
    }
    return 0;
}

static int parse_family(struct parse *ps, const struct jval *v, const struct where *w)
{
    struct family *f = ARENA_NEW(ps->arena, struct family);
    struct level *level = f != NULL ? new_level(ps, f) : NULL;

    if (level == NULL)
        return no_memory(ps);
    level->root = w == NULL;
    if (w != NULL)
        level->at = *w;
    if (read_document(ps, f, level, v, &ps->policy->type) < 0 ||
        parse_timestamp(ps, &level->m, w) < 0)
        return err_ret(ps->err);
    ps->policy->id = level->id;
    if (ps->parents != NULL && str_present(ps->parents->self))
        level->id = ps->parents->self;
    if (read_parents(ps, f, level) < 0 || check_agreement(ps, &f->common, w) < 0)
        return err_ret(ps->err);
    return parse_rules(ps, f);
}

int policy__parse(struct parse *ps, const struct jval *doc)
{
    struct items items = policy__items(doc);
    const struct where first = {.index = 0};

    if (check_size(ps, doc, 0) < 0)
        return err_ret(ps->err);
    if (items.n != 1)
        return err_tell(ps->err, E_INVALID, "", "expected one policy, found %zu", items.n);
    return items.array ? parse_family(ps, jval_at(doc, 0), &first) : parse_family(ps, doc, NULL);
}
