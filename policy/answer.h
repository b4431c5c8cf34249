/*
 * policy/answer.h - answers about policies as JSON, and questions about them from text
 *
 * The command line and the connector's API give the same answers, so they are written here. Writers put
 * members into the object that is open in *w; texts stand in Korean and English.
 */
#pragma once

#include "policy/compare.h"
#include "policy/peer.h"
#include "policy/template.h"
#include "policy/trace.h"

/* "catalogue", "negotiation", "transfer", "access"; "edc", "tractusx"; both end with NULL. */
extern const char *const policy_scope_names[POLICY_AT__COUNT + 1];
extern const char *const policy_peer_names[POLICY_PEER__COUNT + 1];

/*
 * Reads one fact from text: the operand's name and its values; none means that it is certain that
 * there is none. Texts are borrowed. Errors: E_INVALID (at = "").
 */
MUST_CHECK int policy_fact_read(struct str name, const struct str_list *values, struct arena *arena,
                                struct policy_facts *facts, struct err *err);

/* One source of a fact as an object: "kind", "by", "id", "at", "reason", "ko", "en". */
void policy_answer_source(const struct policy_source *source, struct jw *w);
/* "sources": all that speak of a fact; nothing for NULL. */
void policy_answer_sources(const struct policy_source *source, struct jw *w);

/* "hash", "ko", "en", "needs" (facts by the scopes that want them), "duties". */
void policy_answer_explain(const struct policy *policy, struct jw *w);
/* "hash", "findings", "more". */
void policy_answer_findings(const struct policy *policy, const struct policy_findings *findings,
                            struct jw *w);
/* "hashes", "relation", "complete", "witnesses", "ko", "en". */
void policy_answer_comparison(const struct policy *a, const struct policy *b,
                              const struct policy_comparison *comparison, struct jw *w);

/* A decision with everything that was asked about it. */
struct policy_asked {
    const struct policy *policy;
    const struct policy_question *question;
    const struct policy_facts *facts;
    const struct policy_decision *decision;
    const struct policy_trace *trace;          /* NULL: left out */
    const struct policy_peer_opinion *opinion; /* NULL: no peer was asked about */
    enum policy_peer peer;
};

/* "hash", "verdict", "until", "causes", "duties", "trace" and "tree" (the same as text), "peer", "ko", "en". */
void policy_answer_decision(const struct policy_asked *asked, struct jw *w);

/* "policy", "hash", "profile", "clauses", "findings", "ko", "en". */
void policy_answer_made(const struct policy_made *made, struct jw *w);
