/*
 * policy/template_private.h - templates as they are read, and values of their parameters
 *
 * template.c reads and checks, template_value.c knows the types of parameters, template_fill.c puts
 * values in, template_make.c puts clauses together.
 */
#pragma once

#include "policy/template.h"

enum parameter_type {
    PARAMETER_STRING,
    PARAMETER_IRI,
    PARAMETER_PLACE,
    PARAMETER_INTEGER,
    PARAMETER_DECIMAL,
    PARAMETER_DATE,
    PARAMETER_DATE_TIME,
    PARAMETER_DURATION,
    PARAMETER_ENUM,
    PARAMETER_LIST,
    PARAMETER__COUNT
};

extern const char *const policy__parameter_types[PARAMETER__COUNT + 1];

struct words {
    struct str of[POLICY_LANG__COUNT];
};

/* A value that an enum may have, with what clauses call it. */
struct choice {
    struct str value;
    struct str text[POLICY_LANG__COUNT];
};

struct parameter {
    struct str name;
    int type, of; /* enum parameter_type; of: of the values of a list */
    bool optional;
    struct words *title;
    const struct jval *min, *max; /* of the value; of a list and a string: how many, how long */
    const struct jval *standard, *example;
    struct list choices; /* struct choice */
};

/* A sentence of the clause, or all of it. */
struct sentence {
    const struct jval *when;
    struct str text[POLICY_LANG__COUNT];
};

struct policy_template {
    struct str id, version;
    struct str_list profiles;
    struct words *title, *description;
    struct str_list needs;  /* templates that must stand beside it */
    struct list parameters; /* struct parameter */
    struct list clause;     /* struct sentence */
    const struct jval *policy;
    bool fits[POLICY_DIALECT__COUNT];
    const struct jval *document;
};

/* One value of a scalar type. */
struct scalar {
    struct str text;
    int64_t number; /* integer; date and dateTime: µs */
};

struct typed {
    size_t n; /* 0: not given */
    const struct scalar *items;
};

/* A template with values, one per parameter. */
struct filled {
    const struct policy_template *template;
    struct typed values[POLICY_TEMPLATE_PARAMS];
};

/*
 * Reads what was given for a parameter. Errors: E_INVALID with a public detail that says what was
 * expected, at = "".
 */
MUST_CHECK int policy__typed(const struct parameter *parameter, const struct str_list *given,
                             struct arena *arena, struct typed *ret_typed, struct err *err);
/* Texts of a JSON value: a scalar gives one, an array one per element; false: neither. */
bool policy__texts_of(const struct jval *value, struct arena *arena, struct str_list *ret_texts);
/* Adds whole days to a date or dateTime, or the number to an integer, whichever `type` is; false: out
 * of range. */
bool policy__plus(enum parameter_type type, const struct scalar *value, int64_t days,
                  struct arena *arena, struct scalar *ret_sum);

/* The parameter's index, or -1. */
int policy__parameter_find(const struct policy_template *template, struct str name);

/*
 * Writes a part of the template's policy with values in the place of placeholders; parts whose
 * "$when" does not hold are left out. Values must be checked before (policy__check_parts).
 */
MUST_CHECK int policy__fill(const struct filled *filled, const struct jval *part,
                            struct arena *arena, struct jw *w, struct err *err);
/* Elements of an array, without its brackets. */
MUST_CHECK int policy__fill_elements(const struct filled *filled, const struct jval *array,
                                     struct arena *arena, struct jw *w, struct err *err);
/* The clause in words, without line break at its end. */
void policy__fill_clause(const struct filled *filled, enum policy_lang lang, struct buf *out);
/*
 * True placeholders, conditions and clause texts: they name parameters that there are, in a way that fits
 * their type, and each parameter is used. Errors: E_INVALID, at = JSON pointer.
 */
MUST_CHECK int policy__check_parts(const struct policy_template *template, struct err *err);

/* Values for a clause that is wanted; at = JSON pointer behind the clause's own. */
MUST_CHECK int policy__arguments(const struct policy_template *template,
                                 const struct policy_argument *arguments, size_t n,
                                 struct arena *arena, struct filled *ret_filled, struct err *err);
/*
 * The policy that these clauses make; compiled. *ret_policy is new.
 */
MUST_CHECK int policy__compose(const struct filled *filled, size_t n, enum policy_dialect dialect,
                               struct arena *arena, struct policy **ret_policy, struct err *err);

/* Texts of the compiled-in templates; STR_NONE after the last. */
struct str policy__template_text(size_t i);
