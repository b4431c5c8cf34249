/*
 * policy/template.h - clauses of a contract as templates with typed parameters, and the policies made of them
 *
 * A template is one clause: its text in Korean and English for people, and the part of a policy that
 * says the same to machines, both with the same parameters. Its form is documented in
 * docs/policy.md ("Templates"); those of templates/policy are compiled in. Values are put into the
 * policy as values of their type, never as text into JSON. Several clauses make one policy: the
 * conditions of its only permission must all hold, prohibitions and obligations stand side by side.
 *
 * A set of templates is immutable once it is filled and may be used by any number of threads.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/codec/codec.h"
#include "policy/lint.h"
#include "policy/policy.h"

#define POLICY_TEMPLATES       256 /* in one set */
#define POLICY_TEMPLATE_PARAMS 16  /* of one template */
#define POLICY_TEMPLATE_VALUES 100 /* of one parameter that is a list */
#define POLICY_CLAUSES         32  /* of one policy */

struct policy_templates;
struct policy_template;

/* Whose words a policy keeps to. CX-0152 allows its own operands only in what it binds. */
enum policy_dialect { POLICY_DIALECT_NARU, POLICY_DIALECT_CATENA_X, POLICY_DIALECT__COUNT };

/* "naru", "catena-x"; ends with NULL. */
extern const char *const policy_dialect_names[POLICY_DIALECT__COUNT + 1];

/* -- sets -------------------------------------------------------------------------------------- */

/* The compiled-in templates. *ret_templates is new. Errors: E_NO_MEMORY. */
MUST_CHECK int policy_templates_new(struct policy_templates **ret_templates, struct err *err);
/*
 * Adds a template from JSON text (copied), checked as a whole: its policy compiles with the values
 * that its parameters have by default or as an example. On failure the set is as before.
 * Errors: E_SYNTAX, E_UNKNOWN_FIELD, E_INVALID, E_POLICY_UNSUPPORTED with at = JSON pointer;
 * E_CONFLICT (a template with this id is there); E_LIMIT.
 */
MUST_CHECK int policy_templates_add(struct policy_templates *templates, struct str text,
                                    struct err *err);
/* Also the AUTO handler. */
void policy_templates_free(struct policy_templates **templates);
/* In the order in which they were added. */
size_t policy_templates_count(const struct policy_templates *templates);
const struct policy_template *policy_templates_at(const struct policy_templates *templates,
                                                  size_t i);
/* NULL if there is none. */
const struct policy_template *policy_templates_find(const struct policy_templates *templates,
                                                    struct str id);

/* -- one template ------------------------------------------------------------------------------ */

struct str policy_template_id(const struct policy_template *template);
struct str policy_template_title(const struct policy_template *template, enum policy_lang lang);
bool policy_template_fits(const struct policy_template *template, enum policy_dialect dialect);

/* The document as it was added; borrowed from the set. */
const struct jval *policy_template_document(const struct policy_template *template);

/* -- making ------------------------------------------------------------------------------------ */

/* A value for a parameter: as many texts as were given; one, unless it is a list. */
struct policy_argument {
    struct str name;
    struct str_list values;
};

/* One clause that is wanted; `at` is what errors name it by, "" or a JSON pointer. */
struct policy_clause {
    struct str template;
    const struct policy_argument *arguments;
    size_t n_arguments;
    const char *at;
};

struct policy_made {
    enum policy_dialect dialect;
    struct policy *policy;                  /* owned: policy_made_done */
    struct str json;                        /* a Set in DSP form with its context; in the arena */
    struct str clauses[POLICY_LANG__COUNT]; /* of the contract, a line each; in the arena */
    struct policy_findings findings;        /* warnings only; borrowed from `policy` */
};

/*
 * Makes one policy of the clauses. `dialect` is POLICY_DIALECT__COUNT for "what the templates ask
 * for": Catena-X if one of them is for that only, else Naru. Errors:
 * - E_NOT_FOUND: no such template (at = clause's `at` + "/id")
 * - E_INVALID: a parameter that is missing, not known, or out of its bounds (at = `at` +
 *   "/parameters/<name>", the detail says what was expected); a template twice, of another dialect,
 *   or without one that it needs; terms that contradict each other; a policy that nobody can satisfy
 * - E_POLICY_UNSUPPORTED: a value that the engine does not take
 * - E_LIMIT, E_NO_MEMORY
 */
MUST_CHECK int policy_make(const struct policy_templates *templates,
                           const struct policy_clause *clauses, size_t n_clauses,
                           enum policy_dialect dialect, int64_t now_us, struct arena *arena,
                           struct policy_made *ret_made, struct err *err);
/* Drops the policy; also the AUTO handler. */
void policy_made_done(struct policy_made *made);
