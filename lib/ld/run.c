/*
 * One call: errors with their place in the document, limits, and the issues of a report.
 */
#include "lib/ld/ld_private.h"

#include "lib/base/banned.h"

/* The path as a JSON pointer, cut to size. */
static void write_pointer(const struct path *path, struct str key, char *out, size_t size)
{
    AUTO(buf_done) struct buf buf = buf_init(4096);
    const struct path *chain[LIMIT_LD_DEPTH * 2 + 8];
    size_t n = 0;

    for (; path != NULL && n < ARRAY_LEN(chain); path = path->up)
        chain[n++] = path;
    while (n > 0) {
        const struct path *p = chain[--n];

        buf_add_char(&buf, '/');
        if (str_present(p->key))
            jpointer_escape(&buf, p->key);
        else
            buf_printf(&buf, "%zu", p->index);
    }
    if (str_present(key)) {
        buf_add_char(&buf, '/');
        jpointer_escape(&buf, key);
    }
    (void)snprintf(out, size, "%.*s", STR_ARG(buf_str(&buf)));
}

int run_limit(struct run *run, const char *what)
{
    char at[160];

    write_pointer(run->path, STR_NONE, at, sizeof(at));
    return err_tell(run->err, E_LIMIT, at, "json-ld: too much: %s", what);
}

int run_fail(struct run *run, const char *code, const char *format, ...)
{
    char at[160], text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_pointer(run->path, STR_NONE, at, sizeof(at));
    /* "invalid scoped context" and the like are set over their cause */
    return err_tell(run->err, E_INVALID, at, "json-ld '%s': %s", code, text);
}

static bool below(const char *at, struct str pointer)
{
    struct str s = str_c(at);

    return !str_present(pointer) ||
           (str_starts(s, pointer) && (s.n == pointer.n || s.p[pointer.n] == '/'));
}

void run_issue(struct run *run, enum ld_issue_kind kind, struct str key, struct str what)
{
    bool counts = (run->options->strict & (unsigned)kind) != 0;
    struct ld_issue issue = {.kind = kind};

    if (run->report == NULL && !counts)
        return;
    write_pointer(run->path, key, issue.at, sizeof(issue.at));
    (void)snprintf(issue.what, sizeof(issue.what), "%.*s", STR_ARG(what));
    if (run->report != NULL) {
        run->report->total++;
        if (run->report->n < LD_REPORT_MAX)
            run->report->issue[run->report->n++] = issue;
    }
    if (counts && below(issue.at, run->options->strict_below) && run->n_errors++ == 0)
        run->first = issue;
}

const char *ld_issue_name(enum ld_issue_kind kind)
{
    switch (kind) {
    case LD_UNDEFINED_TERM: return "undefined term";
    case LD_UNKNOWN_PREFIX: return "unknown prefix";
    case LD_RELATIVE_TERM: return "undefined type or value";
    case LD_RELATIVE_ID: return "relative reference";
    case LD_DROPPED_VALUE: return "dropped value";
    case LD_EMPTY_NODE: return "empty object";
    case LD_CONTEXT_RESET: return "context is reset";
    case LD_REDEFINED_TERM: return "redefined term";
    case LD_KEYWORD_LIKE: return "reserved keyword form";
    }
    return "";
}
