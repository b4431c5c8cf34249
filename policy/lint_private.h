/*
 * policy/lint_private.h - shared between the files of lint.h
 */
#pragma once

#include "policy/lint.h"

struct linting {
    const struct policy *policy;
    int64_t now_us;
    struct arena *arena;
    struct policy_findings *found;
    struct err *err;
};

/* Notes a finding, or that there are more than fit. */
void policy__found(struct linting *l, enum policy_lint lint, struct str at);
/* What CX-0152 demands of a policy that names its profile, and of one that only uses its words. */
void policy__lint_catena_x(struct linting *l);
