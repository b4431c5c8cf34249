/*
 * connector/dataplane/destination.c - where a push goes: DSP's DataAddress, the management API's form
 * of it, and the request that is made of that
 *
 * 1. Form of the management API, also the one that is stored: {"type":…, <name>: <text>, …}.
 * 2. DSP 2025-1 (transfer process protocol, DataAddress): `endpointType` is the type, `endpoint` a URL,
 *    the rest are `endpointProperties` of name and value. EDC leaves `endpoint` out and writes names
 *    as IRIs of its namespace; both forms are read, and one that both understand is written.
 * 3. What a push understands: type `HttpData` with baseUrl, path, queryParams, method (POST, PUT),
 *    authKey and authCode, header:<Name>; or type https://w3id.org/idsa/v4.1/HTTP with endpoint,
 *    authorization and authType. Names that would need a secret of ours are refused: a peer does not
 *    choose which of our secrets goes where.
 */
#include "connector/dataplane/destination.h"

#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define EDC_NS         "https://w3id.org/edc/v0.0.1/ns/"
#define HTTP_ENDPOINT  "https://w3id.org/idsa/v4.1/HTTP"
#define PROPERTIES_MAX 64

/* What we say of the body, or of the push. */
static const char *const own_headers[] = {
    "Content-Type",  "Content-Encoding", "Content-Language", "Content-Disposition",
    "Last-Modified", WIRE_DIGEST_HEADER, WIRE_EVENT_HEADER,  PUSH_KEY_HEADER};

/* -- DSP's form -------------------------------------------------------------------------------- */

static bool has(struct str s, char c)
{
    return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

static bool has_scheme(struct str name)
{
    for (size_t i = 0; i + 3 <= name.n; i++) {
        if (memcmp(name.p + i, "://", 3) == 0)
            return true;
    }
    return false;
}

/* "https://w3id.org/edc/v0.0.1/ns/baseUrl", "edc:baseUrl" and "baseUrl" are one name. */
static struct str plain_name(struct str name)
{
    if (str_starts(name, STR(EDC_NS)))
        return str_from(name, sizeof(EDC_NS) - 1);
    if (str_starts(name, STR("edc:")))
        return str_from(name, 4);
    if (!has_scheme(name))
        return name;
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '/' || name.p[i - 1] == '#')
            return str_from(name, i);
    }
    return name;
}

static void property(struct jw *w, struct str type, struct str name, struct str value)
{
    AUTO(buf_done) struct buf full = buf_init(LIMIT_ID + sizeof(EDC_NS));

    if (!has_scheme(type) && !has_scheme(name))
        buf_add_c(&full, EDC_NS);
    buf_add_str(&full, name);
    jw_object(w);
    jw_kc(w, "@type", "EndpointProperty");
    jw_kstr(w, "name", buf_str(&full));
    jw_kstr(w, "value", value);
    jw_object_end(w);
}

static void write_properties(struct jw *w, struct str type, const struct jval *flat)
{
    bool any = false;

    for (const struct jiter *it = jiter_first(flat); it != NULL; it = jiter_next(flat, it)) {
        const struct str name = jiter_key(it), value = jval_str(jiter_value(it));

        if (!str_present(value) || str_eq(name, STR("type")) || str_eq(name, STR("@type")))
            continue;
        if (!any) {
            jw_key(w, "endpointProperties");
            jw_array(w);
        }
        any = true;
        property(w, type, name, value);
    }
    if (any)
        jw_array_end(w);
}

int dataplane_destination_write(struct str destination, struct buf *out, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct jw w = jw_init(out);
    struct str type, url;

    if (jdoc_parse(destination, &jlimits_default, &doc, err) < 0)
        return err_ret(err);
    type = dataplane__member(jdoc_root(doc), "type");
    if (type.n == 0)
        return err_tell(err, E_INVALID, "/type", "expected the type of the destination");
    url = dataplane__member(jdoc_root(doc), "baseUrl");
    if (url.n == 0)
        url = dataplane__member(jdoc_root(doc), "endpoint");
    jw_object(&w);
    jw_kc(&w, "@type", "DataAddress");
    jw_kstr(&w, "endpointType", type);
    if (url.n > 0)
        jw_kstr(&w, "endpoint", url);
    write_properties(&w, type, jdoc_root(doc));
    jw_object_end(&w);
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "the destination is too large") : 0;
}

/* Was this name given before? Then the first one counts. */
static bool is_repeated(const struct jval *list, size_t before, struct str name)
{
    for (size_t i = 0; i < before; i++) {
        if (str_eq(plain_name(jval_str(jval_get(jval_at(list, i), "name"))), name))
            return true;
    }
    return false;
}

static int flatten(const struct jval *address, struct buf *out, struct err *err)
{
    const struct jval *list = jval_get(address, "endpointProperties");
    const struct str endpoint = jval_str(jval_get(address, "endpoint"));
    struct jw w = jw_init(out);

    if (jval_len(list) > PROPERTIES_MAX)
        return err_tell(err, E_LIMIT, "/endpointProperties", "more than %d", PROPERTIES_MAX);
    jw_object(&w);
    jw_kstr(&w, "type", jval_str(jval_get(address, "endpointType")));
    if (endpoint.n > 0)
        jw_kstr(&w, "endpoint", endpoint);
    for (size_t i = 0; i < jval_len(list); i++) {
        const struct str name = plain_name(jval_str(jval_get(jval_at(list, i), "name")));

        if (name.n == 0 || str_eq(name, STR("type")) ||
            (endpoint.n > 0 && str_eq(name, STR("endpoint"))) || is_repeated(list, i, name))
            continue;
        jw_key_str(&w, name);
        jw_str(&w, jval_str(jval_get(jval_at(list, i), "value")));
    }
    jw_object_end(&w);
    return buf_failed(out) ? err_tell(err, E_LIMIT, "", "too large") : 0;
}

int dataplane_destination_read(struct app *app, const struct jval *address, struct buf *out,
                               struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct destination ignored;

    if (arena == NULL)
        return err_set(err, E_NO_MEMORY, "", "destination");
    if (address == NULL)
        return err_tell(err, E_INVALID, "/dataAddress",
                        "a push needs the address that the data is to go to");
    if (flatten(address, out, err) < 0 || jdoc_parse(buf_str(out), NULL, &doc, err) < 0 ||
        destination_open(app, jdoc_root(doc), arena, &ignored, err) < 0)
        return err_at_prefix(err, "/dataAddress");
    return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static const struct {
    const char *type, *url;
} types[] = {
    {"HttpData",    "baseUrl" },
    {HTTP_ENDPOINT, "endpoint"},
};

/* The URL's member; NULL: no type of ours. */
static const char *url_member(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(type, types[i].type))
            return types[i].url;
    }
    return NULL;
}

static int check_names(const struct jval *flat, struct err *err)
{
    for (const struct jiter *it = jiter_first(flat); it != NULL; it = jiter_next(flat, it)) {
        const struct str name = jiter_key(it);

        if (str_eq(name, STR("secretName")) || str_starts(name, STR("oauth2:")))
            return err_tell(err, E_INVALID, "",
                            "'%.*s' would name a secret of ours: give authCode instead",
                            STR_ARG(name));
    }
    return 0;
}

static int read_url(const struct app *app, const struct jval *flat, struct arena *arena,
                    struct destination *d, struct err *err)
{
    const char *member = url_member(dataplane__member(flat, "type"));
    const struct str path = dataplane__member(flat, "path");
    const struct str query = dataplane__member(flat, "queryParams");
    struct str base = member != NULL ? dataplane__member(flat, member) : STR_NONE;

    if (member == NULL)
        return err_tell(err, E_INVALID, "/endpointType",
                        "expected 'HttpData' or '" HTTP_ENDPOINT "', not '%.*s'",
                        STR_ARG(dataplane__member(flat, "type")));
    if (base.n == 0)
        base = dataplane__member(flat, "endpoint");
    if (dataplane__check_url(app, base, "/endpoint", err) < 0)
        return err_ret(err);
    if (path.n + query.n > LIMIT_URL / 2 || !dataplane__is_url_text(path) ||
        !dataplane__is_url_text(query) || has(path, '#') || has(query, '#'))
        return err_tell(err, E_INVALID, "/endpointProperties",
                        "expected percent-encoded path and query");
    if (path.n > 0 && has(base, '?'))
        return err_tell(err, E_INVALID, "/endpoint", "expected no query before the path");
    if (path.n > 0 && str_ends(base, STR("/")))
        base.n--;
    d->url = arena_printf(arena, "%.*s%s%.*s%s%.*s", STR_ARG(base),
                          path.n > 0 && path.p[0] != '/' ? "/" : "", STR_ARG(path),
                          query.n == 0     ? ""
                          : has(base, '?') ? "&"
                                           : "?",
                          STR_ARG(query));
    return 0;
}

static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return true;
}

static int add_header(struct destination *d, struct str name, struct str value, struct err *err)
{
    bool ours = !is_header_name(name);

    for (size_t i = 0; i < ARRAY_LEN(own_headers); i++)
        ours = ours || str_eq_nocase(name, str_c(own_headers[i]));
    if (ours)
        return err_tell(err, E_INVALID, "/endpointProperties", "header '%.*s' cannot be set",
                        STR_ARG(name));
    if (dataplane__check_header(name, value, err) < 0)
        return err_at_prefix(err, "/endpointProperties");
    if (d->n_headers == ARRAY_LEN(d->headers) || value.n > LIMIT_TOKEN)
        return err_tell(err, E_LIMIT, "/endpointProperties", "too many headers, or too long ones");
    d->headers[d->n_headers++] = (struct fetch_header){name, value};
    return 0;
}

/* EDC's authKey and authCode, or what the protocol's examples call authorization and authType. */
static int add_authorization(const struct jval *flat, struct arena *arena, struct destination *d,
                             struct err *err)
{
    const struct str key = dataplane__member(flat, "authKey");
    const struct str code = dataplane__member(flat, "authCode");
    const struct str token = dataplane__member(flat, "authorization");
    const bool bearer = str_eq_nocase(dataplane__member(flat, "authType"), STR("bearer")) &&
                        !(token.n > 7 && str_eq_nocase(str_n(token.p, 7), STR("Bearer ")));

    if (code.n > 0)
        return add_header(d, key.n > 0 ? key : STR("Authorization"), code, err);
    if (token.n == 0)
        return 0;
    return add_header(d, STR("Authorization"),
                      arena_printf(arena, "%s%.*s", bearer ? "Bearer " : "", STR_ARG(token)), err);
}

int destination_open(const struct app *app, const struct jval *flat, struct arena *arena,
                     struct destination *ret, struct err *err)
{
    const struct str method = dataplane__member(flat, "method");
    struct destination d = {.method = "POST"};

    if (check_names(flat, err) < 0 || read_url(app, flat, arena, &d, err) < 0 ||
        add_authorization(flat, arena, &d, err) < 0)
        return err_ret(err);
    if (str_eq(method, STR("PUT")))
        d.method = "PUT";
    else if (method.n > 0 && !str_eq(method, STR("POST")))
        return err_tell(err, E_INVALID, "/endpointProperties",
                        "expected POST or PUT as 'method', not '%.*s'", STR_ARG(method));
    for (const struct jiter *it = jiter_first(flat); it != NULL; it = jiter_next(flat, it)) {
        if (str_starts(jiter_key(it), STR("header:")) &&
            add_header(&d, str_from(jiter_key(it), 7), jval_str(jiter_value(it)), err) < 0)
            return err_ret(err);
    }
    if (arena_failed(arena))
        return err_tell(err, E_LIMIT, "", "too large");
    *ret = d;
    return 0;
}
