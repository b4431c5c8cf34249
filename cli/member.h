/*
 * cli/member.h - membership as connector and data bank see it
 */
#pragma once

#include "cli/cli.h"

/*
 * Waits until the data bank's record is active and the connector holds a credential. Errors: E_FORBIDDEN
 * when the application was refused, E_PEER_TIMEOUT.
 */
MUST_CHECK int member_wait(struct cli *cli, struct err *err);
