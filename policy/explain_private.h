/*
 * policy/explain_private.h - words shared by explain.c (policies) and explain_decision.c (decisions)
 */
#pragma once

#include "policy/policy_private.h"

/* One atomic constraint as a condition, without full stop. */
void policy__explain_atom(struct buf *out, enum policy_lang lang, const struct node *node);
/* One constraint with what lies below it, behind a mark that has been written. */
void policy__explain_node(struct buf *out, enum policy_lang lang, const struct node *node);
/* A rule with its conditions, a line each. */
void policy__explain_rule(struct buf *out, enum policy_lang lang, const struct rule *rule);
/* A duty behind a mark that has been written: its action, and what belongs to it below, so deep. */
void policy__explain_duty(struct buf *out, enum policy_lang lang, const struct rule *duty,
                          unsigned depth);
/* "all of the following hold:" */
const char *policy__logical_words(enum node_kind kind, enum policy_lang lang);
/* "Permission 1" */
void policy__rule_name(struct buf *out, enum policy_lang lang, const struct rule *rule);
/* The particle that fits the end of a Korean word. */
void policy__particle(struct buf *out, const char *word, const char *after_consonant,
                      const char *after_vowel);
/* "1 hour 30 minutes" */
void policy__explain_span(struct buf *out, enum policy_lang lang, int64_t months, int64_t us);
