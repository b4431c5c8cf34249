/*
 * lib/ld/ld_private.h - what the files of this folder share
 *
 * Section numbers in comments of this folder mean the W3C recommendation "JSON-LD 1.1 Processing
 * Algorithms and API". One call of the library is one `struct run`: everything it makes lives in
 * the run's arena. Contexts that depend on nothing but built-in tables are kept in a `struct home`
 * instead, so that a message pays for none of them.
 */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/limits.h"
#include "lib/ld/ld.h"

/* -- keywords ---------------------------------------------------------------------------------- */

enum kw {
    KW_NO, /* not a keyword */
    KW_BASE,
    KW_CONTAINER,
    KW_CONTEXT,
    KW_DIRECTION,
    KW_GRAPH,
    KW_ID,
    KW_IMPORT,
    KW_INCLUDED,
    KW_INDEX,
    KW_JSON,
    KW_LANGUAGE,
    KW_LIST,
    KW_NEST,
    KW_NONE,
    KW_PREFIX,
    KW_PROPAGATE,
    KW_PROTECTED,
    KW_REVERSE,
    KW_SET,
    KW_TYPE,
    KW_VALUE,
    KW_VERSION,
    KW_VOCAB,
    KW__COUNT
};

enum kw kw_of(struct str s);
struct str kw_str(enum kw kw);
/* "@" and letters only: reserved for later versions. */
bool kw_like(struct str s);

/*
 * For tables in memory; eight bytes at a time, because keys are hashed more often than anything
 * else is done.
 */
static inline uint32_t key_hash(struct str s)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = s.n * odd;
    uint64_t word = 0;

    for (; s.n >= sizeof(word); s = str_from(s, sizeof(word))) {
        memcpy(&word, s.p, sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 29;
    }
    word = 0;
    if (s.n > 0)
        memcpy(&word, s.p, s.n);
    hash = (hash ^ word) * odd;
    return (uint32_t)(hash ^ hash >> 32);
}

/* -- IRIs (iri.c) ------------------------------------------------------------------------------ */

/* Has a scheme: letters, digits, "+-." before the first colon. */
bool iri_absolute(struct str s);
/* Absolute, and without characters that RFC 3987 excludes. */
bool iri_valid(struct str s);
bool iri_blank(struct str s);
/*
 * RFC 3986 §5.2; a base that is absent or has no scheme leaves the reference as it is. STR_NONE
 * without memory.
 */
struct str iri_resolve(struct arena *arena, struct str base, struct str reference);
/* The shortest reference that resolves to `iri`, or `iri` itself. */
struct str iri_relative(struct arena *arena, struct str base, struct str iri);

/* -- trees (val.c): what the algorithms build -------------------------------------------------- */

struct val;

struct member {
    struct str key;
    struct val *value;
};

struct val {
    enum jtype type;
    uint32_t n, cap;         /* array items or object members */
    const struct jval *json; /* a JSON literal, opaque; or the number of a J_REAL */

    union {
        bool b;
        int64_t i;
        struct str s;
        struct val **item;

        struct {
            struct member *member;
            uint32_t *index; /* hash index of larger objects: position + 1 */
            uint32_t mask;
        };
    };
};

struct run;

/*
 * All give NULL when the run's memory is used up; adding to, or of, NULL is allowed and gives NULL
 * or does nothing.
 */
struct val *val_new(struct run *run, enum jtype type);
struct val *val_object(struct run *run, size_t members); /* with room for so many */
struct val *val_string(struct run *run, struct str s);
struct val *val_scalar(struct run *run,
                       const struct jval *v); /* copies null, bool, number, string */
struct val *val_json(struct run *run, const struct jval *v);
void val_push(struct run *run, struct val *array, struct val *item);
/* Appends the items of an array, or one other value. */
void val_push_all(struct run *run, struct val *array, struct val *items);
struct val *val_get(const struct val *object, struct str key);
struct val *val_kw(const struct val *object, enum kw key);
void val_set(struct run *run, struct val *object, struct str key, struct val *value);
void val_set_kw(struct run *run, struct val *object, enum kw key, struct val *value);
void val_remove(struct run *run, struct val *object, struct str key);
/* "Add value": appends to what the key has; an array is added item by item. */
void val_add(struct run *run, struct val *object, struct str key, struct val *value, bool as_array);
struct val *val_as_array(struct run *run, struct val *v);

static inline bool val_is_object(const struct val *v)
{
    return v != NULL && v->type == J_OBJECT && v->json == NULL;
}

static inline bool val_is_array(const struct val *v)
{
    return v != NULL && v->type == J_ARRAY && v->json == NULL;
}

static inline bool val_is_str(const struct val *v)
{
    return v != NULL && v->type == J_STR && v->json == NULL;
}

bool val_is_list(const struct val *v);         /* list object */
bool val_is_value(const struct val *v);        /* value object */
bool val_is_graph(const struct val *v);        /* graph object */
bool val_is_simple_graph(const struct val *v); /* one without "@id" */

/* The tree as text, and as a document of its own. */
void val_write(struct buf *out, const struct val *v);
MUST_CHECK int val_document(struct run *run, const struct val *v, struct jdoc **ret_doc);

/* -- contexts ---------------------------------------------------------------------------------- */

enum container {
    C_LIST = 1,
    C_SET = 2,
    C_INDEX = 4,
    C_LANGUAGE = 8,
    C_ID = 16,
    C_TYPE = 32,
    C_GRAPH = 64,
};

enum direction { DIR_NONE, DIR_LTR, DIR_RTL };

struct term {
    struct str name;
    uint32_t hash;
    enum kw kw;      /* of iri, if that is a keyword */
    struct str iri;  /* STR_NONE: mapped to null */
    struct str type; /* IRI or keyword; STR_NONE: none */
    enum kw type_kw;
    struct str language; /* with has_language: STR_NONE is null */
    struct str index;
    struct str nest;
    struct str base_url;
    const struct jval *context; /* scoped context */
    unsigned container;
    enum direction direction;
    bool has_language, has_direction;
    bool prefix, reverse, protected;
    bool stable;   /* from a built-in or prepared context: `context` outlives every run */
    bool document; /* from a context in the document that is expanded */
    bool absent;   /* hides a term of the layers below */
};

struct inverse;
struct home;

/* Filled when the context is first used to compact. */
struct inverse_cell {
    _Atomic(const struct inverse *) made;
};

enum base_kind { BASE_OPTIONS, BASE_NULL, BASE_IRI };

/* An active context: a layer of terms over those of another. Immutable once it is made. */
struct ctx {
    const struct ctx *under;
    const struct term **slot;
    uint32_t mask, n;
    unsigned layers, terms;
    size_t longest; /* name of a term, of all layers */
    enum base_kind base_kind;
    struct str base;
    struct str vocab; /* STR_NONE: none */
    struct str language;
    enum direction direction;
    const struct ctx *previous;
    struct home *home; /* where it is kept; NULL: in the run */
    struct inverse_cell *inverse;
};

/*
 * Contexts that outlive a run. Readers look without a lock: an entry is complete before its pointer
 * is published, and is never changed or removed. `lock` (recursive: building one context may need
 * another) guards arena and insertion; the home of a prepared context is locked before that of the
 * built-in ones, never the other way round.
 */
struct home {
    struct arena *arena;
    pthread_mutex_t lock;
    unsigned n;
    _Atomic(const struct derived *) slot[LIMIT_LD_CACHE * 2];
};

struct derived {
    const struct ctx *from;
    const struct jval *local;
    unsigned flags;
    const struct ctx *made;
};

MUST_CHECK int home_init(struct home *home, struct err *err);
void home_done(struct home *home);

struct builtin {
    struct str iri;
    struct jdoc *doc;
    const struct jval *context; /* borrowed from doc */
    bool repaired;
};

struct ld {
    struct home home;
    const struct ctx *root;     /* nothing defined */
    const struct ctx *edc_root; /* "@vocab" is LD_EDC */
    struct builtin *builtin;
    size_t n_builtin;
};

struct ld_context {
    struct home home;
    struct jdoc *doc;
    const struct jval *json; /* the context's value, borrowed from doc */
    const struct ctx *ctx;
};

/* Place of a value in the document, for errors and issues; frames of it live on the stack. */
struct path {
    const struct path *up;
    struct str key; /* STR_NONE: an array item */
    size_t index;
};

struct run {
    const struct ld *ld;
    const struct ld_options *options;
    struct arena *arena;
    struct err *err;
    const struct path *path;
    unsigned depth;
    struct ld_issue first; /* of those that are errors */
    size_t n_errors;
    struct ld_report *report;
    struct memo *memo;
};

/* The run has no memory left, or something nests too deeply: E_LIMIT. */
int run_limit(struct run *run, const char *what);

static inline int run_check(struct run *run)
{
    return arena_failed(run->arena) ? run_limit(run, "memory") : 0;
}

/* E_INVALID with a JSON-LD error code. */
int run_fail(struct run *run, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
void run_issue(struct run *run, enum ld_issue_kind kind, struct str key, struct str what);

#define CTX_OVERRIDE     1u /* protected terms may be overridden */
#define CTX_NO_PROPAGATE 2u
#define CTX_NO_VALIDATE                                                                            \
    4u                /* scoped contexts that are already being loaded are not validated again */
#define CTX_STABLE 8u /* the local context outlives every run */

struct remotes {
    const struct remotes *up;
    struct str iri;
    unsigned n;
};

/* §4.1 Context Processing. */
MUST_CHECK int ctx_process(struct run *run, const struct ctx *active, const struct jval *local,
                           struct str base_url, unsigned flags, const struct remotes *remotes,
                           const struct ctx **ret_ctx);
/* The scoped context of a term. */
MUST_CHECK int ctx_scoped(struct run *run, const struct ctx *active, const struct term *term,
                          unsigned flags, const struct ctx **ret_ctx);

const struct term *ctx_find(const struct ctx *ctx, struct str name);
struct str ctx_base(const struct run *run, const struct ctx *ctx);

/* Visits every term once, in no order. */
struct ctx_walk {
    const struct ctx *top, *layer;
    uint32_t i;
};
const struct term *ctx_next(struct ctx_walk *walk);
/* A layer over `active` that can be filled. */
struct ctx *ctx_layer(struct run *run, const struct ctx *active, size_t terms);
struct ctx *ctx_root(struct run *run, struct str vocab);
void ctx_put(struct run *run, struct ctx *ctx, const struct term *term);
const struct builtin *ld__builtin(const struct ld *ld, struct str iri, bool repair);

/* A local context that is a map, over the one that it imports. */
struct local {
    const struct jval *own;
    const struct jval *imported; /* NULL: none */
    struct defined *defined;
    uint32_t defined_mask;
    struct str base_url;
    bool protected;
    unsigned flags;
    const struct remotes *remotes;
};

int local_init(struct run *run, struct local *local);
int ctx_direction(struct run *run, const struct jval *v, enum direction *ret_direction);
const struct jval *local_get(const struct local *local, struct str key);

/* §4.2 Create Term Definition. */
MUST_CHECK int term_create(struct run *run, struct ctx *ctx, struct local *local, struct str name);

/* Defines the term first if the local context has it and it has not been done yet. */
MUST_CHECK int term__need(struct run *run, struct ctx *ctx, struct local *local, struct str name);

#define IRI_DOCUMENT 1u /* relative to the document */
#define IRI_VOCAB    2u

struct iri {
    struct str s; /* STR_NONE: null */
    enum kw kw;
};

/* §5.2 IRI Expansion, with the context complete. */
struct iri iri_expand(struct run *run, const struct ctx *ctx, struct str value, unsigned how);
struct str iri__concat(struct run *run, struct str a, struct str b);
/* Offset of the first colon behind the first character; 0: none. */
size_t iri__colon(struct str s);
/* "_:b", or what has "//" behind the colon: neither is a compact IRI. */
bool iri__complete(struct str value, size_t colon);
/* Of a key; *ret_term is its definition or NULL. */
struct iri iri_expand_key(struct run *run, const struct ctx *ctx, struct str key,
                          const struct term **ret_term);
/* The same while a context is being built. */
MUST_CHECK int iri_expand_local(struct run *run, struct ctx *ctx, struct str value, unsigned how,
                                struct local *local, struct iri *ret_iri);

/* -- algorithms -------------------------------------------------------------------------------- */

/* §5.1, top: an array of node objects. */
MUST_CHECK int expand_document(struct run *run, const struct ctx *ctx, const struct jval *doc,
                               struct val **ret_expanded);

/* The active property: name STR_NONE is null; a keyword has no definition. */
struct prop {
    struct str name;
    enum kw kw;
    const struct term *term;
};

/* A member of the object that is being expanded. */
struct entry {
    struct str key;
    const struct jval *value;
    struct iri iri;
    const struct term *term;
};

/* The object that is being expanded. */
struct expanding {
    const struct ctx *ctx;
    const struct ctx *type_ctx; /* before type-scoped contexts */
    const struct prop *prop;
    struct val *result;
    bool json; /* its type is @json */
};

/* §5.1; *ret is NULL if nothing is left. */
MUST_CHECK int expand__any(struct run *run, const struct ctx *ctx, const struct prop *prop,
                           const struct jval *element, bool from_map, struct val **ret);
/* Step 13.4, but for @nest. */
MUST_CHECK int expand__keyword(struct run *run, struct expanding *x, const struct entry *e);
/* Steps 13.7 and 13.8. */
MUST_CHECK int expand__language_map(struct run *run, const struct ctx *ctx, const struct entry *e,
                                    struct val **ret);
MUST_CHECK int expand__map(struct run *run, const struct ctx *ctx, const struct entry *e,
                           struct val **ret);
/* §5.3 */
struct val *expand__value(struct run *run, const struct ctx *ctx, const struct term *term,
                          const struct jval *value);
struct val *expand__text(struct run *run, const struct ctx *ctx, const struct term *term,
                         struct str text);
struct val *direction_val(struct run *run, enum direction direction);
/* A reference or type, with what is to be reported about it. */
struct str expand__iri(struct run *run, const struct ctx *ctx, struct str value, unsigned how);
void ld__report_prefix(struct run *run, const struct ctx *ctx, struct str written, struct str iri,
                       struct str key);
struct val *ld__value_object(struct run *run, struct val *value);

/* §6.1, top: an object without context. */
MUST_CHECK int compact_document(struct run *run, const struct ctx *ctx, struct val *expanded,
                                struct val **ret_compacted);
/* §6.3; value may be NULL */
#define COMPACT_VOCAB   1u
#define COMPACT_REVERSE 2u
MUST_CHECK int iri_compact(struct run *run, const struct ctx *ctx, struct str iri,
                           const struct val *value, unsigned how, struct str *ret_compact);

/* Terms by what they stand for (§4.3), made once for a context. NULL: run_check() tells. */
const struct inverse *ctx_inverse(struct run *run, const struct ctx *ctx);

enum inverse_by { BY_LANGUAGE, BY_TYPE, BY_ANY };

struct wanted {
    enum inverse_by by;
    unsigned container[24]; /* in order of preference; 0 is none */
    size_t n_containers;
    struct str value[8];
    size_t n_values;
};

bool inverse_has(const struct inverse *inverse, struct str iri);
/* §4.4 Term Selection; STR_NONE: no term. */
struct str inverse_select(const struct inverse *inverse, struct str iri,
                          const struct wanted *wanted);
/* The terms that may be used as a prefix: i from 0; NULL after the last. */
const struct term *inverse_prefix(const struct inverse *inverse, size_t i);
/* "language_direction" in lower case, as the inverse context has it; "@null" if neither. */
struct str inverse_language(struct run *run, struct str language, enum direction direction);
/* §6.2 */
MUST_CHECK int compact__value(struct run *run, const struct ctx *ctx, const struct term *term,
                              struct val *value, struct val **ret);
