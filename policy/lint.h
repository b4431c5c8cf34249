/*
 * policy/lint.h - what an author of a policy should look at again before it is published
 *
 * Findings are about policies that compile: the engine understands them, and yet they cannot or
 * probably do not say what was meant. Rows: policy/lint.def.
 */
#pragma once

#include "lib/base/arena.h"
#include "policy/policy.h"

/* clang-format off */
enum policy_lint {
#define LINT(id, ...) POLICY_LINT_##id,
#include "policy/lint.def"
#undef LINT
    POLICY_LINT__COUNT
};

enum policy_weight { POLICY_LINT_WARNING, POLICY_LINT_ERROR };

/* clang-format on */

#define POLICY_FINDINGS 32

struct policy_finding {
    enum policy_lint lint;
    struct str at; /* JSON pointer in the compiled document; borrowed from the policy */
};

struct policy_findings {
    size_t n;
    bool more; /* there are more than fit */
    struct policy_finding items[POLICY_FINDINGS];
};

/* In the order of the policy's normal form. Errors: E_NO_MEMORY. */
MUST_CHECK int policy_lint(const struct policy *policy, int64_t now_us, struct arena *arena,
                           struct policy_findings *ret_findings, struct err *err);

const char *policy_lint_slug(enum policy_lint lint);
enum policy_weight policy_lint_weight(enum policy_lint lint);
/* One sentence, without full stop. */
const char *policy_lint_text(enum policy_lint lint, enum policy_lang lang);
