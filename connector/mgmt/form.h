/*
 * connector/mgmt/form.h - expanded JSON-LD to structs, by tables
 *
 * A form is a row per property: IRI, kind, whether it must be there. Texts are copied to the arena,
 * nodes and lists are borrowed from the document. Errors: E_INVALID, at = "/" and the property's
 * IRI, in EDC's words.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/jdoc/jdoc.h"
#include "lib/ld/ld.h"

enum form_kind {
    FORM_ID,   /* "@id" of the node */
    FORM_TEXT, /* struct str: any scalar, or a reference */
    FORM_FLAG, /* bool: true or "true" */
    FORM_I64,  /* int64_t */
    FORM_NODE, /* const struct jval *: the first object */
    FORM_LIST, /* const struct jval *: the array of all values */
};

struct form_row {
    const char *iri;
    enum form_kind kind;
    bool required;
    size_t offset;
};

struct form {
    const struct form_row *rows;
    size_t n;
};

/* clang-format off */
#define FORM_ROW_KIND(T, member, kind_) \
    (kind_) + 0 * sizeof(char[_Generic(((T *)0)->member, \
        struct str: (kind_) == FORM_ID || (kind_) == FORM_TEXT, bool: (kind_) == FORM_FLAG, int64_t: (kind_) == FORM_I64, \
        const struct jval *: (kind_) == FORM_NODE || (kind_) == FORM_LIST) ? 1 : -1])
#define FORM_ROW(T, member, iri_, kind_, required_) \
    {.iri = (iri_), .kind = FORM_ROW_KIND(T, member, kind_), .required = (required_), .offset = offsetof(T, member)}
#define FORM(var, table) static const struct form var = {.rows = (table), .n = ARRAY_LEN(table)}
/* clang-format on */

MUST_CHECK int form_decode(const struct form *form, const struct jval *node, struct arena *arena,
                           void *out, struct err *err);
/*
 * Text of a value of the expanded form: string, number, boolean, or reference; STR_NONE otherwise.
 */
struct str form_scalar(const struct jval *value, struct arena *arena);
/* Sets E_INVALID for the property `iri` with EDC's text "mandatory value '…' is missing". */
int form_missing(struct err *err, const char *what, const char *iri);
/* Puts "/iri" before err->at; returns -(int)err->code. */
int form_at(struct err *err, const char *iri);
