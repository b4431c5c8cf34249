/*
 * policy/policy.c - the life of a compiled policy, and what it tells of itself
 */
#include "policy/policy.h"

#include "lib/base/limits.h"
#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define ARENA_MAX MIB(32)

int policy_compile(const struct jval *doc, struct policy **ret_policy, struct err *err)
{
    return policy_compile_with(doc, NULL, ret_policy, err);
}

/* No single allocation takes half of the arena, so it is known which of the two it was. */
static int out_of_room(struct parse *ps)
{
    if (arena_used(ps->arena) > ARENA_MAX / 2)
        return err_tell(ps->err, E_LIMIT, "", "policy is too large");
    return err_set(ps->err, E_NO_MEMORY, "", "policy");
}

/* Texts are taken on the way without looking; what is said of a text that is not there is void. */
static int compile(struct parse *ps, const struct jval *doc)
{
    int status = policy__parse(ps, doc);

    if (status == 0)
        status = policy__normalise(ps);
    if (arena_failed(ps->arena))
        return out_of_room(ps);
    if (status < 0)
        return err_ret(ps->err);
    return policy__program(ps);
}

int policy_compile_with(const struct jval *doc, const struct policy_parents *parents,
                        struct policy **ret_policy, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(ARENA_MAX);
    struct policy *policy = arena != NULL ? ARENA_NEW(arena, struct policy) : NULL;
    struct parse ps = {.policy = policy, .arena = arena, .err = err, .parents = parents};

    if (policy == NULL)
        return err_set(err, E_NO_MEMORY, "", "policy");
    atomic_init(&policy->refs, 1);
    policy->timestamp_us = POLICY_NO_TIME;
    if (compile(&ps, doc) < 0)
        return err_ret(err);
    policy->arena = MOVE(arena);
    *ret_policy = policy;
    return 0;
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(struct policy **policy)
{
    struct policy *p = *policy;

    *policy = NULL;
    if (p != NULL && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) {
        struct arena *arena = p->arena;

        arena_free(&arena);
    }
}

enum policy_type policy_type(const struct policy *policy)
{
    return policy->type;
}

const uint8_t *policy_hash(const struct policy *policy)
{
    return policy->hash;
}

struct str policy_id(const struct policy *policy)
{
    return policy->id;
}

struct str policy_target(const struct policy *policy)
{
    return policy->target.id;
}

struct str policy_assigner(const struct policy *policy)
{
    return policy->assigner.id;
}

struct str policy_assignee(const struct policy *policy)
{
    return policy->assignee.id;
}

int64_t policy_timestamp_us(const struct policy *policy)
{
    return policy->timestamp_us;
}

bool policy_is_empty(const struct policy *policy)
{
    return policy->rules[LIST_PERMISSION].n_written == 0 &&
           policy->rules[LIST_PROHIBITION].n_written == 0 &&
           policy->rules[LIST_OBLIGATION].n_written == 0;
}

bool policy_same_rules(const struct policy *a, const struct policy *b)
{
    return memcmp(a->rules_hash, b->rules_hash, POLICY_HASH_LEN) == 0;
}

uint64_t policy_needs(const struct policy *policy, enum policy_scope scope)
{
    /* before there is an agreement its obligations only get listed */
    bool agreed = scope == POLICY_AT_TRANSFER || scope == POLICY_AT_ACCESS;

    return policy->program.needs | (agreed ? policy->program.obligation_needs : 0);
}

static bool any_has_duties(const struct prog_rule *rules, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (rules[i].n_duties > 0)
            return true;
    }
    return false;
}

bool policy_needs_performed(const struct policy *policy)
{
    const struct program *p = &policy->program;

    return p->n_obligations > 0 || any_has_duties(p->permissions, p->n_permissions) ||
           any_has_duties(p->prohibitions, p->n_prohibitions);
}
