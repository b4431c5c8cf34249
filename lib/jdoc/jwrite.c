/*
 * Writing JSON: escaping, the streaming writer, compact text of parsed values (RFC 8259 §7).
 *
 * Strings are escaped as ECMA-262 QuoteJSONString does, which is also what RFC 8785 §3.2.2.2 wants,
 * so that the canonical form uses the same function. Nothing here allocates except through the
 * buffer.
 */
#include "lib/jdoc/jdoc.h"

#include "lib/base/check.h"
#include "lib/jdoc/jdoc_private.h"

#include "lib/base/banned.h"

/* -- strings -- */

/*
 * Length of the UTF-8 sequence at p (RFC 3629 §4), or minus the number of bytes to be replaced
 * together: the longest beginning of a sequence that cannot be completed.
 */
static int utf8_step(const unsigned char *p, size_t n)
{
    unsigned char lo = 0x80, hi = 0xBF;
    int more;

    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        more = 1;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        more = 2;
        lo = p[0] == 0xE0 ? 0xA0 : lo; /* no overlong form */
        hi = p[0] == 0xED ? 0x9F : hi; /* no surrogate */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        more = 3;
        lo = p[0] == 0xF0 ? 0x90 : lo;
        hi = p[0] == 0xF4 ? 0x8F : hi; /* not above U+10FFFF */
    } else {
        return -1;
    }
    for (int i = 1; i <= more; i++) {
        if ((size_t)i == n || p[i] < lo || p[i] > hi)
            return -i;
        lo = 0x80;
        hi = 0xBF;
    }
    return more + 1;
}

/* For bytes that are no text, and for NUL, which our own parser refuses. */
static void add_replacement(struct buf *out)
{
    buf_add(out, "\xEF\xBF\xBD", 3);
}

static void add_escape(struct buf *out, unsigned char c)
{
    static const char letters[256] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
        ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
    };
    static const char hex[] = "0123456789abcdef";

    if (c == '\0')
        add_replacement(out);
    else if (letters[c] != '\0')
        buf_add(out, (const char[]){'\\', letters[c]}, 2);
    else
        buf_add(out, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

void json_quote(struct buf *out, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t from = 0, i = 0;

    buf_add_char(out, '"');
    while (i < s.n) {
        if (p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\') {
            i++;
            continue;
        }
        int step = p[i] < 0x80 ? 0 : utf8_step(p + i, s.n - i);
        if (step > 0) {
            i += (size_t)step;
            continue;
        }
        buf_add(out, p + from, i - from);
        if (step == 0)
            add_escape(out, p[i++]);
        else
            add_replacement(out);
        i += (size_t)-step;
        from = i;
    }
    if (from < s.n)
        buf_add(out, p + from, s.n - from);
    buf_add_char(out, '"');
}

void jpointer_escape(struct buf *out, struct str token)
{
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] == '~')
            buf_add_c(out, "~0");
        else if (token.p[i] == '/')
            buf_add_c(out, "~1");
        else
            buf_add_char(out, token.p[i]);
    }
}

/* -- parsed values -- */

enum { COMPACT = -1 };

/* With level COMPACT nothing is added. */
static void add_line(struct buf *out, int level)
{
    if (level < 0)
        return;
    buf_add_char(out, '\n');
    for (int i = 0; i < level; i++)
        buf_add(out, "  ", 2);
}

static void add_value(struct buf *out, const struct jval *v, int level);

static void add_array(struct buf *out, const struct jval *v, int level)
{
    int inner = level < 0 ? COMPACT : level + 1;

    buf_add_char(out, '[');
    for (size_t i = 0; i < jval_len(v); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        add_line(out, inner);
        add_value(out, jval_at(v, i), inner);
    }
    if (jval_len(v) > 0)
        add_line(out, level);
    buf_add_char(out, ']');
}

static void add_object(struct buf *out, const struct jval *v, int level)
{
    int inner = level < 0 ? COMPACT : level + 1;
    bool comma = false;

    buf_add_char(out, '{');
    for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
        if (comma)
            buf_add_char(out, ',');
        comma = true;
        add_line(out, inner);
        json_quote(out, jiter_key(it));
        buf_add(out, ": ", level < 0 ? 1 : 2);
        add_value(out, jiter_value(it), inner);
    }
    if (comma)
        add_line(out, level);
    buf_add_char(out, '}');
}

static void add_value(struct buf *out, const struct jval *v, int level)
{
    int64_t integer;

    switch (jtype_of(v)) {
    case J_NULL: buf_add(out, "null", 4); break;
    case J_BOOL: buf_add_c(out, jval_bool(v) ? "true" : "false"); break;
    case J_INT:
        if (jval_i64(v, &integer))
            buf_add_i64(out, integer);
        break;
    case J_REAL: jdoc__add_real(out, jval_real(v), true); break;
    case J_STR: json_quote(out, jval_str(v)); break;
    case J_ARRAY: add_array(out, v, level); break;
    case J_OBJECT: add_object(out, v, level); break;
    }
}

void jval_write(struct buf *out, const struct jval *v)
{
    add_value(out, v, COMPACT);
}

/* -- streaming writer -- */

struct jw jw_init(struct buf *out)
{
    return (struct jw){.out = out};
}

/* Comma and line in front of an element or member. */
static void separate(struct jw *w)
{
    if (w->comma[w->depth])
        buf_add_char(w->out, ',');
    w->comma[w->depth] = true;
    if (w->pretty && w->depth > 0)
        add_line(w->out, (int)w->depth);
}

static void before_value(struct jw *w)
{
    if (w->object[w->depth]) {
        CHECK(w->keyed);
        w->keyed = false;
        return;
    }
    CHECK(w->depth > 0 || !w->comma[0]); /* one root only */
    separate(w);
}

static void open_level(struct jw *w, char bracket, bool object)
{
    before_value(w);
    CHECK(w->depth + 1 < ARRAY_LEN(w->comma));
    w->depth++;
    w->comma[w->depth] = false;
    w->object[w->depth] = object;
    buf_add_char(w->out, bracket);
}

static void close_level(struct jw *w, char bracket, bool object)
{
    CHECK(w->depth > 0);
    CHECK(w->object[w->depth] == object);
    CHECK(!w->keyed);
    w->depth--;
    if (w->pretty && w->comma[w->depth + 1])
        add_line(w->out, (int)w->depth);
    buf_add_char(w->out, bracket);
}

void jw_object(struct jw *w)
{
    open_level(w, '{', true);
}

void jw_object_end(struct jw *w)
{
    close_level(w, '}', true);
}

void jw_array(struct jw *w)
{
    open_level(w, '[', false);
}

void jw_array_end(struct jw *w)
{
    close_level(w, ']', false);
}

void jw_key_str(struct jw *w, struct str key)
{
    CHECK(w->object[w->depth]);
    CHECK(!w->keyed);
    separate(w);
    json_quote(w->out, key);
    buf_add(w->out, ": ", w->pretty ? 2 : 1);
    w->keyed = true;
}

void jw_key(struct jw *w, const char *key)
{
    jw_key_str(w, str_c(key));
}

void jw_str(struct jw *w, struct str s)
{
    if (!str_present(s)) {
        jw_null(w);
        return;
    }
    before_value(w);
    json_quote(w->out, s);
}

void jw_c(struct jw *w, const char *s)
{
    jw_str(w, str_c(s));
}

void jw_i64(struct jw *w, int64_t v)
{
    before_value(w);
    buf_add_i64(w->out, v);
}

void jw_bool(struct jw *w, bool v)
{
    before_value(w);
    buf_add_c(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
    before_value(w);
    buf_add(w->out, "null", 4);
}

void jw_val(struct jw *w, const struct jval *v)
{
    before_value(w);
    add_value(w->out, v, w->pretty ? (int)w->depth : COMPACT);
}

void jw_raw(struct jw *w, struct str json)
{
    CHECK(json.n > 0);
    before_value(w);
    buf_add_str(w->out, json);
}

void jw_kstr(struct jw *w, const char *key, struct str s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_kc(struct jw *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_c(w, s);
}

void jw_ki64(struct jw *w, const char *key, int64_t v)
{
    jw_key(w, key);
    jw_i64(w, v);
}

void jw_kbool(struct jw *w, const char *key, bool v)
{
    jw_key(w, key);
    jw_bool(w, v);
}

void jw_kval(struct jw *w, const char *key, const struct jval *v)
{
    jw_key(w, key);
    jw_val(w, v);
}

void jw_kraw(struct jw *w, const char *key, struct str json)
{
    jw_key(w, key);
    jw_raw(w, json);
}
