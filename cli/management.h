/*
 * cli/management.h - the management API of our connector, as far as several commands use it
 */
#pragma once

#include "cli/cli.h"

/* Opens an object with EDC's context, the type, the peer's address and the protocol. */
void management_begin(struct jw *w, const char *type, struct str peer_address);
/* A member by its bare name or with the prefix "odrl:" or "dcat:". */
const struct jval *management_member(const struct jval *object, const char *name);
/*
 * Waits until path/id is in one of the states and gives the object; shows each new state. Errors:
 * E_PEER_TIMEOUT.
 */
MUST_CHECK int management_wait(struct cli *cli, const char *path, struct str id,
                               const char *const *states, struct jdoc **ret_doc, struct err *err);
/* The order with this id or agreement that our connector holds as consumer. Errors: E_NOT_FOUND. */
MUST_CHECK int management_order(struct cli *cli, struct str id, struct jdoc **ret_order,
                                struct err *err);
