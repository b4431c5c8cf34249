/*
 * policy/trace.h - the whole way of one decision: each rule and constraint, what was seen, from where, and what would
 * have to change
 *
 * policy_decide tells the verdict and a smallest set of causes; a trace tells the rest for people who
 * ask why. It is made anew from the same policy, question and facts, so that nothing is kept for it
 * while decisions are made. Names of JSON members follow the FORCE compliance report and the report
 * of the community group's Formal Semantics, where those have a name (docs/policy.md).
 *
 * Marks: a constraint is true, false or unknown. A permission is true if it permits. A prohibition is
 * true if it certainly does not apply. A duty is true if it is fulfilled.
 */
#pragma once

#include "lib/base/arena.h"
#include "policy/policy.h"

struct policy_trace;

/*
 * Traces a decision. Policy, question, facts and decision are borrowed: they must outlive the
 * trace, which is in the arena. Errors: E_NO_MEMORY.
 */
MUST_CHECK int policy_trace(const struct policy *policy, const struct policy_question *question,
                            const struct policy_facts *facts,
                            const struct policy_decision *decision, struct arena *arena,
                            const struct policy_trace **ret_trace, struct err *err);

/* One JSON object: a policy report with its rule reports, and "change". */
void policy_trace_write(const struct policy_trace *trace, struct jw *w);

/* Marks: ✓ ✗ ? and → in front of what would have to change; or + - ? and *. */
enum policy_trace_marks { POLICY_MARKS_SIGNS, POLICY_MARKS_ASCII };

/* A tree, a line per rule, duty and constraint, that begins with its mark. Ends with what would have
 * to change, if anything. */
void policy_trace_text(const struct policy_trace *trace, enum policy_lang lang,
                       enum policy_trace_marks marks, struct buf *out);

/* What would have to change for a denial to become a permit, a line each; nothing for a permit. */
void policy_explain_change(const struct policy *policy, const struct policy_decision *decision,
                           enum policy_lang lang, struct buf *out);
