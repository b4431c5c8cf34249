/*
 * lib/jdoc/jdoc.h - JSON: bounded parsing, read-only views, a streaming writer, RFC 8785 canonical
 * form
 *
 * jansson is used in this folder only. A parsed document is immutable and may be read by several
 * threads. Input caps are checked before and while parsing: bytes, depth, number of values;
 * duplicate keys, invalid UTF-8, NUL characters and trailing bytes are refused, and so are integers
 * outside int64_t and reals outside double. Views (const struct jval *) are borrowed from their
 * document.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct jdoc;
struct jval;

enum jtype { J_NULL, J_BOOL, J_INT, J_REAL, J_STR, J_ARRAY, J_OBJECT };

struct jlimits {
    size_t bytes;
    unsigned depth;
    unsigned nodes;
};
/* LIMIT_JSON_BYTES, _DEPTH, _NODES */
extern const struct jlimits jlimits_default;

/*
 * Parses one JSON text, any value at its root. *ret_doc is new. limits NULL means jlimits_default.
 * Errors: E_LIMIT (at = where, if known), E_SYNTAX (line and column in the text; duplicate key
 * names the key).
 */
MUST_CHECK int jdoc_parse(struct str text, const struct jlimits *limits, struct jdoc **ret_doc,
                          struct err *err);
void jdoc_free(struct jdoc **doc);
const struct jval *jdoc_root(const struct jdoc *doc);

/* NULL views behave as absent: jtype_of(NULL) is J_NULL, getters give NULL / STR_NONE / false. */
enum jtype jtype_of(const struct jval *v);
const char *jtype_name(
    enum jtype type); /* "null", "boolean", "integer", "number", "string", "array", "object" */
const struct jval *jval_get(const struct jval *object, const char *key);
const struct jval *jval_get_str(const struct jval *object, struct str key);
size_t jval_len(const struct jval *v); /* members of an array or object, else 0 */
const struct jval *jval_at(const struct jval *array, size_t i);
struct str jval_str(const struct jval *v);
bool jval_i64(const struct jval *v, int64_t *ret_value); /* J_INT only */
double jval_real(const struct jval *v);                  /* J_INT or J_REAL; never for amounts */
bool jval_bool(const struct jval *v);

/* RFC 6901 pointer, e.g. "/offer/permission/0"; NULL if nothing is there. */
const struct jval *jval_pointer(const struct jval *v, struct str pointer);

/* Iteration over an object in document order: for (it = jiter_first(o); it; it = jiter_next(o, it))
 */
struct jiter;
const struct jiter *jiter_first(const struct jval *object);
const struct jiter *jiter_next(const struct jval *object, const struct jiter *it);
struct str jiter_key(const struct jiter *it);
const struct jval *jiter_value(const struct jiter *it);

/* Equality of JSON values: object members in any order, arrays in order, numbers by value. */
bool jval_eq(const struct jval *a, const struct jval *b);

/*
 * Compact text in document order: parsing it gives an equal value, a real stays a real (1.0, not
 * 1). NULL gives null. Canonical text by RFC 8785: sorted by UTF-16 code units, ES6 numbers; a
 * J_INT keeps all digits, also beyond 2^53.
 */
void jval_write(struct buf *out, const struct jval *v);
void jval_canonical(struct buf *out, const struct jval *v);

/* Order of object keys by RFC 8785 §3.2.3 (UTF-16 code units); <0, 0, >0. Both are valid UTF-8. */
int jkey_cmp(struct str a, struct str b);

/*
 * Streaming writer: commas and quotes are its business. Misuse (a value without key in an object,
 * unbalanced end) is a CHECK. Text must be valid UTF-8; invalid bytes and NUL are replaced by
 * U+FFFD. Absent text (STR_NONE, NULL) is null. Set `pretty` before the first value for lines with
 * two spaces per level. At most 63 levels.
 */
struct jw {
    struct buf *out;
    unsigned depth;
    bool pretty;
    bool comma[64];
    bool object[64];
    bool keyed;
};
struct jw jw_init(struct buf *out);
void jw_object(struct jw *w);     /* { */
void jw_object_end(struct jw *w); /* } */
void jw_array(struct jw *w);
void jw_array_end(struct jw *w);
void jw_key(struct jw *w, const char *key);
void jw_key_str(struct jw *w, struct str key);
void jw_str(struct jw *w, struct str s);
void jw_c(struct jw *w, const char *s);
void jw_i64(struct jw *w, int64_t v);
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_val(struct jw *w, const struct jval *v); /* copies a parsed value */
void jw_raw(struct jw *w, struct str json);      /* splices JSON text that is known to be valid */
/* key and value in one call */
void jw_kstr(struct jw *w, const char *key, struct str s);
void jw_kc(struct jw *w, const char *key, const char *s);
void jw_ki64(struct jw *w, const char *key, int64_t v);
void jw_kbool(struct jw *w, const char *key, bool v);
void jw_kval(struct jw *w, const char *key, const struct jval *v);
void jw_kraw(struct jw *w, const char *key, struct str json);

/* Escaped JSON string with quotes, for templates; STR_NONE gives "". */
void json_quote(struct buf *out, struct str s);
/* Escapes one reference token of a JSON pointer (~0, ~1). */
void jpointer_escape(struct buf *out, struct str token);
