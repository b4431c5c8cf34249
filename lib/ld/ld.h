/*
 * lib/ld/ld.h - JSON-LD 1.1: expansion and compaction with contexts that are compiled in
 *
 * Nothing is ever fetched: a context IRI that is not built in is an error that names it. The
 * built-in contexts are our own tables (contexts.def); ld_builtin() lists them. A `struct ld` and a
 * `struct ld_context` are immutable for their users and may be shared by any number of threads
 * (what they cache inside is published under a lock).
 *
 * References stay as they are written ("assetId" stays "assetId") unless options name a base IRI.
 *
 * What a stranger can make grow is bounded: nesting, number of contexts and terms, and memory of
 * one call (E_LIMIT).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/jdoc/jdoc.h"

/* Namespaces of the expanded form. */
#define LD_EDC    "https://w3id.org/edc/v0.0.1/ns/"
#define LD_ODRL   "http://www.w3.org/ns/odrl/2/"
#define LD_DSPACE "https://w3id.org/dspace/2025/1/"
#define LD_DSP24  "https://w3id.org/dspace/2024/1/"
#define LD_DCAT   "http://www.w3.org/ns/dcat#"
#define LD_DCT    "http://purl.org/dc/terms/"
#define LD_XSD    "http://www.w3.org/2001/XMLSchema#"
#define LD_DCP    "https://w3id.org/dspace-dcp/v1.0/"
#define LD_CX     "https://w3id.org/catenax/2025/9/policy/"

struct arena;
struct ld;
struct ld_context;

/* Builds the built-in contexts. *ret_ld is new. */
MUST_CHECK int ld_open(struct ld **ret_ld, struct err *err);
/* All contexts made from it must be closed before. */
void ld_close(struct ld **ld);

/* IRI of the i-th built-in context, STR_NONE after the last; its JSON text as {"@context": ...},
 * borrowed from ld. */
struct str ld_builtin(const struct ld *ld, size_t i);
const struct jval *ld_builtin_document(const struct ld *ld, struct str iri);

/*
 * Prepares a context for ld_compact, or as the context in which documents are expanded.
 *
 * json      a context as JSON text: IRI string, object, array, or an object that holds one as
 * "@context"; not borrowed base      against which a relative "@base" is resolved, or STR_NONE
 * Errors:   E_SYNTAX  not JSON
 *           E_INVALID the text starts with the JSON-LD error code, e.g. "json-ld 'protected term
 * redefinition': ..."
 */
MUST_CHECK int ld_context_open(const struct ld *ld, struct str json, struct str base,
                               struct ld_context **ret_context, struct err *err);
void ld_context_close(struct ld_context **context);

/* What expansion would lose or leave open in silence. Each is one bit. */
enum ld_issue_kind {
    LD_UNDEFINED_TERM = 1 << 0, /* a key that no context defines: the member is dropped */
    LD_UNKNOWN_PREFIX =
        1 << 1, /* "odrl:use" where odrl is not defined as a prefix: stays literal */
    LD_RELATIVE_TERM =
        1 << 2, /* a type, or a value that is taken from the vocabulary, is not defined */
    LD_RELATIVE_ID = 1 << 3, /* a reference is not absolute (usual for asset and participant ids) */
    LD_DROPPED_VALUE = 1 << 4, /* a null, or a value without a property, is dropped */
    LD_EMPTY_NODE = 1 << 5,    /* an object of which nothing is left */
    LD_CONTEXT_RESET = 1 << 6, /* "@context": null in the document */
    LD_REDEFINED_TERM =
        1 << 7,               /* a context in the document changes a term that is already defined */
    LD_KEYWORD_LIKE = 1 << 8, /* "@foo": reserved form, ignored */
};

/* What may not happen in a policy or a protocol message. */
#define LD_STRICT                                                                                  \
    (LD_UNDEFINED_TERM | LD_UNKNOWN_PREFIX | LD_RELATIVE_TERM | LD_DROPPED_VALUE | LD_EMPTY_NODE | \
     LD_CONTEXT_RESET | LD_REDEFINED_TERM | LD_KEYWORD_LIKE)

#define LD_REPORT_MAX 32

struct ld_issue {
    enum ld_issue_kind kind;
    char at[160];  /* JSON pointer into the document that was expanded */
    char what[96]; /* the key or value, cut to size */
};

struct ld_report {
    size_t n;     /* issues kept */
    size_t total; /* issues found */
    struct ld_issue issue[LD_REPORT_MAX];
};

/* "undefined term", ... */
const char *ld_issue_name(enum ld_issue_kind kind);

/* Zero is: no base, arrays of one element compacted, lenient. */
struct ld_options {
    struct str base; /* IRI against which references are resolved; STR_NONE: they stay as written */
    const struct ld_context
        *context; /* in which the document is expanded ("expandContext"), or NULL */
    /*
     * EDC management v3: "@vocab" for a document whose @context is missing, or an object without
     * "@vocab"; not for one whose @context is an array or an IRI. STR_NONE: none.
     */
    struct str vocab;
    /*
     * The Catena-X 2025/9 context as published defines "odrl" as a document's address and lacks two
     * operands. true: use the repaired table under the same IRI; ld_expand tells nobody, so log it
     * where it is set.
     */
    bool repair;

    unsigned strict; /* issue kinds that make ld_expand fail with E_INVALID */
    struct str
        strict_below; /* JSON pointer: only issues at or below it fail; STR_NONE: everywhere */
    struct ld_report *report; /* filled with issues of all kinds, or NULL */

    bool keep_arrays; /* compaction: an array of one element stays an array ("compactArrays": false)
                       */
    bool keep_absolute;           /* compaction: references are not made relative to the base */
    bool no_context;              /* compaction: the result does not carry "@context" */
    const char *const *arrays_of; /* compaction: expanded properties whose value is always an array;
                                     ends with NULL */

    struct arena *arena; /* scratch memory of the call, borrowed and not reset; NULL: its own */
    size_t memory;       /* bytes that its own may have; 0: LIMIT_LD_MEMORY */
};

/*
 * Expands a document. *ret_expanded is new; its root is an array of node objects.
 *
 * doc       object, or array of objects
 * options   NULL: all zero
 * Errors:   E_INVALID  the JSON-LD error code is in the text, or an issue of options->strict
 * (err->at: its place) E_LIMIT    nested too deeply, too many contexts or terms, too much memory
 */
MUST_CHECK int ld_expand(const struct ld *ld, const struct jval *doc,
                         const struct ld_options *options, struct jdoc **ret_expanded,
                         struct err *err);

/*
 * Compacts a document, which is expanded first (an expanded one stays as it is). *ret_compacted is
 * new; its root is an object with "@context" as it was given, and "@graph" if there are several
 * nodes.
 */
MUST_CHECK int ld_compact(const struct ld *ld, const struct jval *doc,
                          const struct ld_context *context, const struct ld_options *options,
                          struct jdoc **ret_compacted, struct err *err);

/* The same as text, appended to `out`. Errors: also E_LIMIT if it does not fit. */
MUST_CHECK int ld_compact_write(const struct ld *ld, const struct jval *doc,
                                const struct ld_context *context, const struct ld_options *options,
                                struct buf *out, struct err *err);

/* -- views on the expanded form; a NULL node has nothing
 * ------------------------------------------------------------ */

/* First node of an expanded document, NULL if it is empty. */
const struct jval *ld_root(const struct jdoc *expanded);
/* "@id", first "@type". */
struct str ld_id(const struct jval *node);
struct str ld_type(const struct jval *node);
bool ld_has_type(const struct jval *node, const char *iri);
/* All values of a property: an array, NULL if absent. A value that is one "@list" gives its
 * elements. */
const struct jval *ld_values(const struct jval *node, const char *iri);
/* First value: a node or value object. */
const struct jval *ld_first(const struct jval *node, const char *iri);
/* The "@value" of a value object (NULL for a node), and that of a property's first value. */
const struct jval *ld_value_of(const struct jval *value);
const struct jval *ld_value(const struct jval *node, const char *iri);
/* Text of a property's first value: the string of its "@value", else its "@id"; STR_NONE if
 * neither. */
struct str ld_text(const struct jval *node, const char *iri);
