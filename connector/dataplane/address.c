/*
 * connector/dataplane/address.c - the drivers, and data addresses
 */
#include <sys/stat.h>
#include <unistd.h>

#include "connector/dataplane/dataplane_private.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define FORMAT_PULL "HttpData-PULL"
#define FORMAT_PUSH "HttpData-PUSH"

static const struct source_ops *const sources[] = {&source_file, &source_http, &source_sql};

/* The fetcher's or the framing's business, never an address's. */
static const char *const reserved[] = {
    "Host",    "Connection", "Content-Length", "Transfer-Encoding",
    "Upgrade", "TE",         "Trailer",        "Expect"};

bool dataplane__is_url_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>')
            return false;
    }
    return true;
}

int dataplane__check_url(const struct app *app, struct str url, const char *at, struct err *err)
{
    const bool https = str_starts(url, STR("https://"));
    const bool http = str_starts(url, STR("http://"));
    struct str host = str_from(url, https ? 8 : 7);

    if (!https && !http)
        return err_tell(err, E_INVALID, at, "expected an https URL");
    if (http && !app->settings->allow_http)
        return err_tell(err, E_INVALID, at, "plain http is not allowed (fetch.http)");
    if (url.n > LIMIT_URL / 2 || !dataplane__is_url_text(url) || memchr(url.p, '#', url.n) != NULL)
        return err_tell(err, E_INVALID, at, "expected a URL without fragment of at most %d bytes",
                        LIMIT_URL / 2);
    host = str_cut(&host, '/');
    host = str_cut(&host, '?');
    if (host.n == 0 || memchr(host.p, '@', host.n) != NULL)
        return err_tell(err, E_INVALID, at, "expected a host without user name");
    return 0;
}

int dataplane__check_header(struct str name, struct str value, struct err *err)
{
    bool taken = name.n == 0;

    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        taken = taken || str_eq_nocase(name, str_c(reserved[i]));
    if (taken)
        return err_tell(err, E_INVALID, "", "header '%.*s' cannot be set", STR_ARG(name));
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
            return err_tell(err, E_INVALID, "", "header '%.*s' has a control character",
                            STR_ARG(name));
    }
    return 0;
}

const struct source_ops *dataplane__source(const struct jval *address)
{
    const struct str type = dataplane__member(address, "type");

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (str_eq_c(type, sources[i]->type))
            return sources[i];
    }
    return NULL;
}

struct str dataplane__member(const struct jval *address, const char *name)
{
    return jval_str(jval_get(address, name));
}

bool dataplane__flag(const struct jval *address, const char *name)
{
    const struct jval *v = jval_get(address, name);

    return jval_bool(v) || str_eq(jval_str(v), STR("true"));
}

int dataplane_check_address(struct app *app, struct str data_address, struct str format,
                            struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct source_ops *ops;

    if (data_address.n > ADDRESS_MAX)
        return err_tell(err, E_LIMIT, "", "the data address is longer than %zu bytes", ADDRESS_MAX);
    if (jdoc_parse(data_address, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    if (jtype_of(jdoc_root(doc)) != J_OBJECT)
        return err_tell(err, E_INVALID, "", "a data address is an object");
    ops = dataplane__source(jdoc_root(doc));
    if (ops == NULL)
        return err_tell(err, E_INVALID, "/type",
                        "expected one of 'File', 'HttpData', 'SqlQuery', not '%.*s'",
                        STR_ARG(dataplane__member(jdoc_root(doc), "type")));
    if (!str_eq(format, STR(FORMAT_PULL)) && !str_eq(format, STR(FORMAT_PUSH)))
        return err_tell(err, E_INVALID, "",
                        "format '%.*s' is not served, only '" FORMAT_PULL "' and '" FORMAT_PUSH "'",
                        STR_ARG(format));
    return ops->check(app, jdoc_root(doc), err);
}

bool dataplane_is_push(struct str format)
{
    return str_ends(format, STR("-PUSH"));
}

/* A folder's files are named behind the endpoint, which a push does not have. */
static bool is_folder(const struct app *app, const struct jval *address)
{
    struct err ignored = {0};
    struct stat st;
    int fd;

    if (dataplane__source(address) != &source_file)
        return false;
    fd = dataplane__open_path(app, dataplane__member(address, "path"), NULL, &st, &ignored);
    if (fd < 0)
        return false;
    close(fd);
    return S_ISDIR(st.st_mode);
}

/* The list is read-only for its users; the type has no const form. */
static struct str_list all_formats(void)
{
    static const struct str formats[] = {STR_INIT(FORMAT_PULL), STR_INIT(FORMAT_PUSH)};

    return (struct str_list){(struct str *)(uintptr_t)formats, ARRAY_LEN(formats)};
}

struct str_list dataplane_formats(const struct app *app, struct str data_address)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str_list formats = all_formats();
    struct err ignored = {0};

    if (data_address.n > ADDRESS_MAX ||
        jdoc_parse(data_address, &jlimits_default, &doc, &ignored) < 0 ||
        dataplane__source(jdoc_root(doc)) == NULL)
        return (struct str_list){0};
    if (is_folder(app, jdoc_root(doc)))
        formats.n = 1; /* pull alone */
    return formats;
}

int dataplane_abilities(struct arena *arena, struct str_list *ret_sources,
                        struct str_list *ret_formats, struct err *err)
{
    ret_sources->items = ARENA_ARRAY(arena, struct str, ARRAY_LEN(sources));
    if (ret_sources->items == NULL)
        return err_set(err, E_NO_MEMORY, "", "data plane");
    ret_sources->n = 0;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        ret_sources->items[ret_sources->n++] = str_c(sources[i]->type);
    *ret_formats = all_formats();
    return 0;
}
