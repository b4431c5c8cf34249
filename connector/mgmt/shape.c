/*
 * connector/mgmt/shape.c - JSON-LD documents that differ in some texts only are compacted once
 */
#include "connector/mgmt/shape.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jspan.h"

#include "lib/base/banned.h"

#define HOLES_MAX    128 /* below 1000: place_name() */
#define KEYS_MAX     64
#define HOLE         '\1' /* stands in no JSON text */
#define SHAPE_BYTES  MIB(1)
#define SHAPES_BYTES MIB(32)

/* What a member's strings are taken for until the probe says no. */
enum mode { LITERAL, REFERENCE, FIXED };

struct hole {
    size_t at, n;   /* in the document */
    size_t prefix;  /* bytes of the string before it: "urn:" */
    struct str key; /* of the member */
};

struct piece {
    struct str text; /* before the hole */
    size_t hole;
};

struct shape {
    struct str text; /* with HOLE */
    struct piece *pieces;
    size_t n; /* holes, each in one piece */
    struct str tail;
};

struct shapes {
    struct shapes_cfg cfg;
    struct arena *arena;
    struct shape shapes[SHAPES_MAX];
    size_t n, last;
    struct str fixed[KEYS_MAX]; /* keys that the probes have found */
    size_t n_fixed;
    struct buf text; /* of the document at hand, with HOLE */
    struct hole holes[HOLES_MAX];
    size_t n_holes;
};

struct shapes *shapes_new(const struct shapes_cfg *cfg)
{
    struct shapes *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->cfg = *cfg;
    s->text = buf_init(SHAPE_BYTES);
    s->arena = arena_new(SHAPES_BYTES);
    if (s->arena == NULL)
        shapes_free(&s);
    return s;
}

void shapes_free(struct shapes **shapes)
{
    struct shapes *s = MOVE(*shapes);

    if (s == NULL)
        return;
    arena_free(&s->arena);
    buf_done(&s->text);
    free(s);
}

/* -- holes ------------------------------------------------------------------------------------- */

static enum mode mode_of(const struct shapes *s, struct str key)
{
    for (size_t i = 0; i < s->n_fixed; i++) {
        if (str_eq(s->fixed[i], key))
            return FIXED;
    }
    if (key.n == 0 || key.p[0] != '@')
        return memchr(key.p, '\\', key.n) != NULL ? FIXED : LITERAL;
    if (str_eq(key, STR("@value")))
        return LITERAL;
    return str_eq(key, STR("@id")) ? REFERENCE : FIXED;
}

/* The member's strings are not what they were taken for: all shapes so far are void. */
static bool fix(struct shapes *s, struct str key)
{
    s->n = 0;
    if (s->n_fixed == KEYS_MAX)
        return false;
    s->fixed[s->n_fixed++] = arena_str(s->arena, key);
    return !arena_failed(s->arena);
}

/* Rule 2: a hole may follow *ret_prefix bytes of the reference. */
static bool reference_hole(struct str ref, size_t *ret_prefix)
{
    struct str rest = ref;
    const struct str scheme = str_cut(&rest, ':');

    if (scheme.n == 0 || strchr("@_#?/.", scheme.p[0]) != NULL || str_starts(ref, STR("http")))
        return false;
    *ret_prefix = 0;
    if (!str_present(rest))
        return true;
    *ret_prefix = scheme.n + 1;
    return rest.n > 0 && !str_starts(rest, STR("//"));
}

/* Adds a hole for the string; false if it is part of the shape. */
static bool add_hole(struct shapes *s, struct str document, struct str key, struct str string)
{
    const enum mode mode = mode_of(s, key);
    size_t prefix = 0;

    if (mode == FIXED || memchr(string.p, '\\', string.n) != NULL || !str_is_utf8(string) ||
        (mode == REFERENCE && !reference_hole(string, &prefix)))
        return false;
    s->holes[s->n_holes++] = (struct hole){.at = (size_t)(string.p - document.p) + prefix,
                                           .n = string.n - prefix,
                                           .prefix = prefix,
                                           .key = key};
    return true;
}

static bool has_control(struct str string)
{
    for (size_t i = 0; i < string.n; i++) {
        if ((unsigned char)string.p[i] < ' ')
            return true;
    }
    return false;
}

static bool is_key(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p < end && *p == ':';
}

/* Makes s->text and s->holes of a document. */
static bool dig(struct shapes *s, struct str document)
{
    const char *const end = document.p + document.n;
    const char *copied = document.p;
    struct str key = STR("");

    buf_reset(&s->text);
    s->n_holes = 0;
    for (const char *p = document.p; (p = memchr(p, '"', (size_t)(end - p))) != NULL;) {
        const char *next = jspan_string_end(p, end);
        const struct str string = next != NULL ? str_n(p + 1, (size_t)(next - p) - 2) : STR_NONE;

        if (next == NULL || s->n_holes == HOLES_MAX || has_control(string))
            return false;
        p = next;
        if (is_key(next, end)) {
            key = string;
        } else if (add_hole(s, document, key, string)) {
            const struct hole *hole = &s->holes[s->n_holes - 1];

            buf_add(&s->text, copied, (size_t)(document.p + hole->at - copied));
            buf_add_char(&s->text, HOLE);
            copied = document.p + hole->at + hole->n;
        }
    }
    buf_add(&s->text, copied, (size_t)(end - copied));
    return !buf_failed(&s->text);
}

/* -- the probe --------------------------------------------------------------------------------- */

#define PLACE_LEN 16

/*
 * What stands in the i-th hole of a probe: relative, and free of JSON's and JSON-LD's characters.
 */
static void place_name(char out[static PLACE_LEN + 1], size_t i)
{
    (void)snprintf(out, PLACE_LEN + 1, "naru-%03u-hole-xq", (unsigned)(i % 1000));
}

static void write_probe(const struct shapes *s, struct buf *out)
{
    struct str rest = buf_str(&s->text);

    for (size_t i = 0; i < s->n_holes; i++) {
        char place[PLACE_LEN + 1];

        buf_add_str(out, str_cut(&rest, HOLE));
        place_name(place, i);
        buf_add_c(out, place);
    }
    buf_add_str(out, rest);
}

/* The only place of the i-th hole in a text; NULL if there is none, or more than one. */
static const char *find_place(struct str text, size_t i)
{
    char place[PLACE_LEN + 1];
    const char *found, *rest;

    place_name(place, i);
    found = memmem(text.p, text.n, place, PLACE_LEN);
    if (found == NULL)
        return NULL;
    rest = found + PLACE_LEN;
    return memmem(rest, (size_t)(text.p + text.n - rest), place, PLACE_LEN) == NULL ? found : NULL;
}

/*
 * The hole and what stands before it in its string are a whole string; returns where that starts.
 */
static const char *whole_string(const struct shapes *s, struct str document, struct str text,
                                size_t i)
{
    const struct hole *hole = &s->holes[i];
    const char *place = find_place(text, i);

    if (place == NULL || (size_t)(place - text.p) < hole->prefix + 1 ||
        place + PLACE_LEN == text.p + text.n || place[PLACE_LEN] != '"' ||
        place[-1 - (ptrdiff_t)hole->prefix] != '"' ||
        memcmp(place - hole->prefix, document.p + hole->at - hole->prefix, hole->prefix) != 0)
        return NULL;
    return place - hole->prefix - 1;
}

static bool follows(struct str text, const char *p, struct str key)
{
    return (size_t)(p - text.p) >= key.n && memcmp(p - key.n, key.p, key.n) == 0;
}

enum verdict { GOOD, AGAIN, BAD };

/* Rules 1 and 2: what expansion makes of each hole. */
static enum verdict judge(struct shapes *s, struct str document, struct str probe)
{
    AUTO(buf_done) struct buf whole = buf_init(SHAPE_BYTES);
    AUTO(buf_done) struct buf expanded = buf_init(4 * SHAPE_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *result = NULL;
    struct err err = {0};

    buf_add_str(&whole, s->cfg.before);
    buf_add_str(&whole, probe);
    buf_add_str(&whole, s->cfg.after);
    if (buf_failed(&whole) || jdoc_parse(buf_str(&whole), NULL, &doc, &err) < 0 ||
        ld_expand(s->cfg.ld, jdoc_root(doc), NULL, &result, &err) < 0)
        return BAD;
    jval_write(&expanded, jdoc_root(result));
    for (size_t i = 0; i < s->n_holes; i++) {
        const struct str text = buf_str(&expanded), key = s->holes[i].key;
        const char *string = whole_string(s, document, text, i);

        if (string == NULL ||
            !(follows(text, string, STR("\"@value\":")) ||
              (mode_of(s, key) == REFERENCE && follows(text, string, STR("\"@id\":")))))
            return fix(s, key) ? AGAIN : BAD;
    }
    return buf_failed(&expanded) ? BAD : GOOD;
}

bool shapes_compact(const struct shapes *s, struct str document, struct buf *ret_text,
                    struct str *ret_at)
{
    AUTO(buf_done) struct buf whole = buf_init(4 * SHAPE_BYTES);
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str key, value, found = STR_NONE;
    struct jspan members;
    struct err err = {0};

    buf_add_str(&whole, s->cfg.before);
    buf_add_str(&whole, document);
    buf_add_str(&whole, s->cfg.after);
    if (buf_failed(&whole) || jdoc_parse(buf_str(&whole), NULL, &doc, &err) < 0 ||
        ld_compact_write(s->cfg.ld, jdoc_root(doc), s->cfg.context, NULL, ret_text, &err) < 0 ||
        !jspan_init(&members, buf_str(ret_text)) || !members.object)
        return false;
    while (jspan_next(&members, &key, &value)) {
        if (str_eq_c(key, s->cfg.key))
            found = value;
    }
    *ret_at = found;
    return str_present(found) && jspan_complete(&members);
}

/* -- shapes ------------------------------------------------------------------------------------ */

/* Cuts the compacted probe at its holes, in the order in which they stand there. */
static bool cut(struct shapes *s, struct str document, struct str compacted, struct shape *shape)
{
    struct str rest = arena_str(s->arena, compacted);

    shape->n = s->n_holes;
    shape->pieces = ARENA_ARRAY(s->arena, struct piece, s->n_holes);
    if (arena_failed(s->arena))
        return false;
    for (size_t n = 0; n < s->n_holes; n++) {
        const char *first = NULL;

        for (size_t i = 0; i < s->n_holes; i++) {
            const char *place = find_place(rest, i);

            if (place == NULL || (first != NULL && place > first))
                continue;
            if (whole_string(s, document, rest, i) == NULL)
                return false;
            first = place;
            shape->pieces[n].hole = i;
        }
        if (first == NULL)
            return false;
        shape->pieces[n].text = str_n(rest.p, (size_t)(first - rest.p));
        rest = str_from(rest, (size_t)(first - rest.p) + PLACE_LEN);
    }
    shape->tail = rest;
    return true;
}

/* Makes a shape of s->text. AGAIN: dig anew. */
static enum verdict learn(struct shapes *s, struct str document)
{
    AUTO(buf_done) struct buf probe = buf_init(SHAPE_BYTES);
    AUTO(buf_done) struct buf compacted = buf_init(4 * SHAPE_BYTES);
    struct shape *shape = &s->shapes[s->n];
    struct str value;
    enum verdict verdict;

    if (s->n == SHAPES_MAX)
        return BAD;
    write_probe(s, &probe);
    if (buf_failed(&probe))
        return BAD;
    verdict = judge(s, document, buf_str(&probe));
    if (verdict != GOOD)
        return verdict;
    if (!shapes_compact(s, buf_str(&probe), &compacted, &value) || value.p[0] != '{' ||
        !cut(s, document, value, shape))
        return BAD;
    shape->text = arena_str(s->arena, buf_str(&s->text));
    if (arena_failed(s->arena))
        return BAD;
    s->last = s->n++;
    return GOOD;
}

/* The shape of s->text; the last one is the likeliest. */
static const struct shape *find(struct shapes *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const size_t at = (s->last + i) % s->n;

        if (str_eq(s->shapes[at].text, buf_str(&s->text))) {
            s->last = at;
            return &s->shapes[at];
        }
    }
    return NULL;
}

bool shapes_write(struct shapes *s, struct str document, struct buf *out)
{
    const struct shape *shape;

    if (document.n == 0 || document.p[0] != '{')
        return false;
    do {
        if (!dig(s, document))
            return false;
        shape = find(s);
    } while (shape == NULL && learn(s, document) != BAD);
    if (shape == NULL)
        return false;
    for (size_t i = 0; i < shape->n; i++) {
        const struct hole *hole = &s->holes[shape->pieces[i].hole];

        buf_add_str(out, shape->pieces[i].text);
        buf_add(out, document.p + hole->at, hole->n);
    }
    buf_add_str(out, shape->tail);
    return !buf_failed(out);
}
