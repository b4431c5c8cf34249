/*
 * connector/mgmt/v4.h - what the API of version 4 asks of a body, before anything else looks at it
 *
 * EDC publishes a JSON Schema for each body of /v4. A `struct v4_type` says the same as a table: the
 * value of "@type", members, which of them must be there. A member that no table names is left to
 * the JSON-LD context, as in the schemas. Errors: E_INVALID in the words of EDC's validator, at =
 * "/" and the expanded path of the member.
 */
#pragma once

#include "lib/base/err.h"
#include "lib/jdoc/jdoc.h"

struct v4_type;

extern const struct v4_type v4_asset, v4_policy_definition, v4_contract_definition, v4_secret,
    v4_query_spec, v4_catalog_request, v4_dataset_request, v4_contract_request, v4_transfer_request,
    v4_terminate_negotiation, v4_terminate_transfer, v4_suspend_transfer, v4_plan_request,
    v4_version_request;

/* Checks a whole body, whose "@context" must name the management context of version 2. */
MUST_CHECK int v4_check(const struct v4_type *type, const struct jval *body, struct err *err);
