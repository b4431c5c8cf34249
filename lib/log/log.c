/*
 * lib/log/log.c - structured log, one line per event
 *
 * A line is built on the stack and written at once, so it needs no lock and no heap. Room for the line's end is kept
 * free while fields are added.
 */
#include "lib/log/log.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define LINE_BYTES    8192
#define TAIL_BYTES    32  /* cut mark, closing quote and brace, end of line */
#define SHORT_BYTES   256 /* room that a name must leave for its value */
#define CONTEXT_DEPTH 16

const char *const log_level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info",   [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error", [LOG_ALARM] = "alarm",
};
static_assert(ARRAY_LEN(log_level_names) == LOG__COUNT, "one name per level");

static const struct str secret_names[] = {
    STR_INIT("authorization"), STR_INIT("token"),  STR_INIT("secret"),      STR_INIT("password"),
    STR_INIT("api_key"),       STR_INIT("cookie"), STR_INIT("private_key"),
};

/* The sink (STYLE §7 allows it): atomics, because SIGHUP changes the level while threads log. */
static struct {
    atomic_int fd;
    atomic_int least;
    atomic_int format;
    _Atomic(const struct env *) env;
} sink = {STDERR_FILENO, LOG_INFO, LOG_LOGFMT, &env_system};

void log_setup(int fd, enum log_level least, enum log_format format, const struct env *env)
{
    atomic_store(&sink.env, env);
    atomic_store(&sink.format, (int)format);
    atomic_store(&sink.least, (int)least);
    atomic_store(&sink.fd, fd);
}

void log_set_level(enum log_level least)
{
    atomic_store(&sink.least, (int)least);
}

bool log_level_parse(struct str text, enum log_level *ret_level)
{
    for (unsigned i = 0; i < LOG__COUNT; i++) {
        if (str_eq_c(text, log_level_names[i])) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_ctx_add(struct log_ctx *lc, struct log_field field)
{
    if (lc->n < ARRAY_LEN(lc->fields))
        lc->fields[lc->n++] = field;
}

struct line {
    char p[LINE_BYTES];
    size_t n;
    enum log_format format;
    bool cut;
};

/* All of it or nothing. */
static bool put(struct line *line, struct str s)
{
    if (s.n > LINE_BYTES || line->n + s.n > LINE_BYTES - TAIL_BYTES) {
        line->cut = true;
        return false;
    }
    memcpy(line->p + line->n, s.p, s.n);
    line->n += s.n;
    return true;
}

/* The next character of *s: its bytes if it may stand in a log as it is, else an escape in `scratch`. */
static struct str take_escaped(struct str *s, char scratch[static 8])
{
    unsigned char c = (unsigned char)s->p[0];
    size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    struct str raw = str_n(s->p, len < s->n ? len : s->n);
    int n;

    if (c >= 0x80 && !str_is_utf8(raw)) {
        *s = str_from(*s, 1);
        return STR("\xEF\xBF\xBD");
    }
    *s = str_from(*s, raw.n);
    if (c == '\n')
        return STR("\\n");
    if (c == '"' || c == '\\') {
        n = snprintf(scratch, 8, "\\%c", c);
        return str_n(scratch, (size_t)n);
    }
    /* C0, DEL and C1 (U+0080..U+009F) drive terminals */
    if (c < 0x20 || c == 0x7f || (c == 0xC2 && (unsigned char)raw.p[1] < 0xA0)) {
        n = snprintf(scratch, 8, "\\u%04x", c == 0xC2 ? (unsigned char)raw.p[1] : c);
        return str_n(scratch, (size_t)n);
    }
    return raw;
}

static void put_quoted(struct line *line, struct str s)
{
    char scratch[8];

    if (!put(line, STR("\"")))
        return;
    while (s.n > 0)
        if (!put(line, take_escaped(&s, scratch)))
            break;
    line->p[line->n++] = '"'; /* fits: TAIL_BYTES */
}

/* Whether logfmt may go without quotes. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

static void put_text(struct line *line, struct str s)
{
    /* a long bare word would be dropped as a whole; quoted text is cut where the room ends */
    if (line->format == LOG_LOGFMT && s.n < SHORT_BYTES && is_bare(s))
        put(line, s);
    else
        put_quoted(line, s);
}

/* Starts a member; false if there is no room for it and a short value. */
static bool put_name(struct line *line, const char *name)
{
    size_t before = line->n;
    bool first = line->n == 0;
    bool fits;

    if (line->format == LOG_JSON)
        fits = put(line, first ? STR("{\"") : STR(",\"")) && put(line, str_c(name)) &&
               put(line, STR("\":"));
    else
        fits =
            put(line, first ? STR("") : STR(" ")) && put(line, str_c(name)) && put(line, STR("="));
    if (!fits || line->n + SHORT_BYTES > LINE_BYTES - TAIL_BYTES) {
        line->n = before;
        line->cut = true;
        return false;
    }
    return true;
}

static bool is_secret_name(const char *name)
{
    struct str s = str_c(name);

    for (size_t i = 0; i < ARRAY_LEN(secret_names); i++) {
        struct str secret = secret_names[i];
        struct str end = s.n >= secret.n ? str_from(s, s.n - secret.n) : STR_NONE;

        if (end.n > 0 && str_eq_nocase(end, secret) &&
            (end.p == s.p || end.p[-1] == '_' || end.p[-1] == '-' || end.p[-1] == '.'))
            return true;
    }
    return false;
}

static void put_i64(struct line *line, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)v);

    put(line, str_n(text, (size_t)n));
}

static void put_field(struct line *line, const struct log_field *field)
{
    if (!put_name(line, field->name))
        return;
    if (is_secret_name(field->name)) {
        put_text(line, STR("***"));
        return;
    }
    switch (field->type) {
    case LOG_F_STR: put_text(line, field->u.str); return;
    case LOG_F_I64: put_i64(line, field->u.i64); return;
    case LOG_F_BOOL: put(line, field->u.flag ? STR("true") : STR("false")); return;
    case LOG_F_UUID: put_text(line, str_c(uuid_format(field->u.uuid).c)); return;
    }
    CHECK_UNREACHABLE();
}

static void put_context(struct line *line, const struct log_ctx *lc)
{
    const struct log_ctx *chain[CONTEXT_DEPTH];
    unsigned depth = 0;

    for (; lc != NULL && depth < CONTEXT_DEPTH; lc = lc->parent)
        chain[depth++] = lc;
    while (depth-- > 0) /* outermost first */
        for (unsigned i = 0; i < chain[depth]->n; i++)
            put_field(line, &chain[depth]->fields[i]);
}

/* TAIL_BYTES keeps room for all of this. */
static void finish(struct line *line)
{
    bool json = line->format == LOG_JSON;
    struct str cut = json ? STR(",\"cut\":true") : STR(" cut=true");
    struct str end = json ? STR("}\n") : STR("\n");

    if (line->cut) {
        memcpy(line->p + line->n, cut.p, cut.n);
        line->n += cut.n;
    }
    memcpy(line->p + line->n, end.p, end.n);
    line->n += end.n;
}

__attribute__((noinline)) static void write_line(enum log_level level, const struct log_ctx *lc,
                                                 const char *message,
                                                 const struct log_field *fields, unsigned n)
{
    int saved_errno = errno;
    struct line line;

    line.n = 0;
    line.cut = false;
    line.format = (enum log_format)atomic_load(&sink.format);

    put_name(&line, "ts");
    put_text(&line, str_c(time_format(env_wall_us(atomic_load(&sink.env))).c));
    put_name(&line, "level");
    put_text(&line, str_c(log_level_names[level]));
    put_name(&line, "msg");
    put_text(&line, str_c(message));
    put_context(&line, lc);
    for (unsigned i = 0; i < n; i++)
        put_field(&line, &fields[i]);
    finish(&line);

    /* a line that nobody can take (full pipe, closed terminal) is lost; the program goes on */
    while (write(atomic_load(&sink.fd), line.p, line.n) < 0 && errno == EINTR)
        continue;
    errno = saved_errno;
}

/* Apart, because the room for a line costs something even where none is written. */
void log_write(enum log_level level, const struct log_ctx *lc, const char *message,
               const struct log_field *fields, unsigned n)
{
    if ((int)level >= atomic_load_explicit(&sink.least, memory_order_relaxed))
        write_line(level, lc, message, fields, n);
}

void log_err(const struct log_ctx *lc, const char *message, const struct err *err)
{
    enum log_level level = LOG_ERROR;

    CHECK(log_level_parse(str_c(err_level(err->code)), &level));
    log_err_at(level, lc, message, err);
}

void log_err_at(enum log_level level, const struct log_ctx *lc, const char *message,
                const struct err *err)
{
    struct log_field fields[5];
    unsigned n = 0;

    fields[n++] = L_C("code", err_slug(err->code));
    if (err->at[0] != '\0')
        fields[n++] = L_C("at", err->at);
    fields[n++] = L_C("error", err->text);
    if (err->file != NULL) {
        fields[n++] = L_C("file", err->file);
        fields[n++] = L_I64("line", err->line);
    }
    log_write(level, lc, message, fields, n);
}
