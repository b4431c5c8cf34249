/*
 * cli/policy.h - policies named on the command line
 */
#pragma once

#include "cli/cli.h"
#include "policy/policy.h"

/*
 * Compiles the policy in a file, or that of a dataset of the data bank if `what` is an id and no
 * file. *ret_policy is new. Errors: E_CONFIG, E_INVALID, E_POLICY_UNSUPPORTED, those of cli_json.
 */
MUST_CHECK int policy_read(struct cli *cli, const char *what, struct policy **ret_policy,
                           struct err *err);
/* "ko" and "en" into the object that is open in *w. */
void policy_texts(struct jw *w, const struct buf *ko, const struct buf *en);
