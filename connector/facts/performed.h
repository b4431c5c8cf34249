/*
 * connector/facts/performed.h - duties that were done, or found not done, as facts
 */
#pragma once

#include "connector/store/store.h"
#include "policy/policy.h"

/*
 * Fills performed and performed_known of *facts from the duties of an agreement (table duty): what was
 * done or waived counts from when we knew of it, what is overdue is violated. Errors: E_DB, E_NO_MEMORY.
 */
MUST_CHECK int facts_performed(struct db *db, const struct agreement *agreement,
                               struct arena *arena, struct policy_facts *facts, struct err *err);
