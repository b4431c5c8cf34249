/*
 * cli/policy.h - policies named on the command line
 */
#pragma once

#include "cli/cli.h"
#include "policy/template.h"

/*
 * Compiles the policy in a file, or that of a dataset of the data bank if `what` is an id and no
 * file. *ret_policy is new. Errors: E_CONFIG, E_INVALID, E_POLICY_UNSUPPORTED, those of cli_json.
 */
MUST_CHECK int policy_read(struct cli *cli, const char *what, struct policy **ret_policy,
                           struct err *err);
/* Reports that there is no such template, and which one is near; returns CLI_USAGE. */
int policy_template_missing(struct cli *cli, const struct policy_templates *templates,
                            struct str id);
/*
 * The templates that are compiled in, and those of a folder (each *.json file; STR_NONE: none), whose mistakes
 * name the file. *ret_templates is new. Errors: E_CONFIG.
 */
MUST_CHECK int policy_templates_read(struct cli *cli, struct str folder,
                                     struct policy_templates **ret_templates, struct err *err);
