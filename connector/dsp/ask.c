/*
 * connector/dsp/ask.c - consumer: asks a peer for its catalogue or for one dataset
 *
 * A catalogue comes in pages (DSP 2025-1, catalog binding: Link with rel "next"). The first page is
 * kept as it is; of the others only the entries, which are put into the first one's lists. A link
 * is followed only to the host that was asked, since our token goes along, with the POST that began
 * it: the specification names no method, peers use that one.
 */
#include <stdlib.h>

#include "connector/dsp/dsp_private.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jspan.h"

#include "lib/base/banned.h"

#define ASK_TIME_US   (45 * US_PER_S) /* our own user, who waits 60 s, learns why */
#define WELL_KNOWN    "/.well-known/dspace-version"
#define PAGES_MAX     1000
#define CATALOG_NODES 4000000 /* JSON values of one page */

/* Lists of a catalogue that grow from page to page. */
enum list_name { LIST_DATASET, LIST_CATALOG, LIST__COUNT };
static const struct str list_names[] = {
    [LIST_DATASET] = STR_INIT("dataset"),
    [LIST_CATALOG] = STR_INIT("catalog"),
};
static_assert(ARRAY_LEN(list_names) == LIST__COUNT, "one name per list");

struct asking {
    struct app *app;
    struct arena *arena; /* owned, with this */
    dsp_catalogue_fn *done;
    void *cls;
    struct str peer_id, query, dataset_id;
    size_t wanted, n_datasets, n_pages;
    int64_t deadline_mono_us;
    const struct codec *codec;
    struct str url, body;          /* of the request on its way; body STR_NONE: a GET */
    struct buf first;              /* its members but the lists, without the brace that ends it */
    struct buf lists[LIST__COUNT]; /* entries with commas between */
};

static void free_asking(struct asking *a)
{
    struct arena *arena = a->arena;

    buf_done(&a->first);
    for (size_t i = 0; i < LIST__COUNT; i++)
        buf_done(&a->lists[i]);
    arena_free(&arena);
}

static void finish(struct asking *a, struct str json, const struct err *err)
{
    a->done(a->cls, json, err);
    free_asking(a);
}

static void fail(struct asking *a, const struct err *err)
{
    finish(a, STR_NONE, err);
}

/* -- pages -------------------------------------------------------------------------------------- */

/* The list that a member is, or LIST__COUNT. */
static enum list_name list_of(struct str key)
{
    enum list_name name = 0;

    while (name < LIST__COUNT && !str_eq(key, list_names[name]))
        name++;
    return name;
}

static bool add_entries(struct asking *a, enum list_name name, struct str list)
{
    struct str key, entry;
    struct jspan entries;

    if (!jspan_init(&entries, list) || entries.object)
        return false;
    while (jspan_next(&entries, &key, &entry)) {
        if (a->lists[name].n > 0)
            buf_add_char(&a->lists[name], ',');
        buf_add_str(&a->lists[name], entry);
        a->n_datasets += name == LIST_DATASET;
    }
    return jspan_complete(&entries) && !buf_failed(&a->lists[name]);
}

/* False if the text is no object, or its lists are none. */
static bool add_page(struct asking *a, struct str text)
{
    struct str key, value;
    struct jspan members;

    if (!jspan_init(&members, text) || !members.object)
        return false;
    while (jspan_next(&members, &key, &value)) {
        const enum list_name name = list_of(key);

        if (name < LIST__COUNT) {
            if (!add_entries(a, name, value))
                return false;
        } else if (a->n_pages == 0) {
            buf_add_c(&a->first, a->first.n > 0 ? ",\"" : "{\"");
            buf_add_str(&a->first, key);
            buf_add_c(&a->first, "\":");
            buf_add_str(&a->first, value);
        }
    }
    a->n_pages++;
    return jspan_complete(&members) && !buf_failed(&a->first);
}

/* All pages as one catalogue. */
static void join(struct asking *a)
{
    struct err err = {0};

    if (a->first.n == 0)
        buf_add_char(&a->first, '{');
    for (size_t i = 0; i < LIST__COUNT; i++) {
        if (a->lists[i].n == 0)
            continue;
        if (a->first.n > 1)
            buf_add_char(&a->first, ',');
        buf_printf(&a->first, "\"%.*s\":[", STR_ARG(list_names[i]));
        buf_add_str(&a->first, buf_str(&a->lists[i]));
        buf_add_char(&a->first, ']');
        buf_done(&a->lists[i]);
    }
    buf_add_char(&a->first, '}');
    if (buf_failed(&a->first))
        IGNORE(err_tell(&err, E_LIMIT, "", "the other party's catalogue is too large"),
               "it is the answer");
    finish(a, err.code == E_OK ? buf_str(&a->first) : STR_NONE, &err);
}

/* Cuts up to an unquoted `sep` off the front of *rest, as str_cut does. */
static struct str cut_unquoted(struct str *rest, char sep)
{
    bool quoted = false;
    size_t n = 0;

    while (n < rest->n && (quoted || rest->p[n] != sep)) {
        quoted ^= rest->p[n] == '"';
        n++;
    }
    const struct str part = str_n(rest->p, n);

    *rest = n < rest->n ? str_from(*rest, n + 1) : STR_NONE;
    return part;
}

static bool says_next(struct str parameter)
{
    const struct str name = str_trim(str_cut(&parameter, '='));
    struct str value = str_trim(parameter);

    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        value = str_n(value.p + 1, value.n - 2);
    return str_eq_nocase(name, STR("rel")) && str_eq_nocase(value, STR("next"));
}

/* The URL of `<url>; rel="next"` in one Link header (RFC 8288), which may hold several links. */
static struct str next_of(struct str header)
{
    while (str_present(header)) {
        struct str link = str_trim(cut_unquoted(&header, ','));
        const struct str url = str_trim(cut_unquoted(&link, ';'));

        while (str_present(link)) {
            if (says_next(cut_unquoted(&link, ';')) && url.n > 2 && url.p[0] == '<' &&
                url.p[url.n - 1] == '>')
                return str_n(url.p + 1, url.n - 2);
        }
    }
    return STR_NONE;
}

/* "https://host:port/" of both are the same; a reference without a host is of the same one. */
static bool same_host(struct str asked, struct str url)
{
    struct str rest = asked;
    size_t n;

    (void)str_cut(&rest, '/');
    (void)str_cut(&rest, '/');
    (void)str_cut(&rest, '/');
    n = asked.n - rest.n;
    return url.n > n && memcmp(asked.p, url.p, n) == 0;
}

/* The address of the next page, or STR_NONE. */
static struct str next_page(const struct asking *a, const struct fetch *job)
{
    struct str header;

    for (size_t i = 0; str_present(header = fetch_response_header_at(job, "Link", i)); i++) {
        const struct str url = next_of(header);

        if (str_present(url))
            return same_host(a->url, url) ? url : STR_NONE;
    }
    return STR_NONE;
}

/* -- one request -------------------------------------------------------------------------------- */

static int submit(struct asking *a, struct err *err);

/* In our words: *ret_text, borrowed from the response or from *kept. */
static int read_answer(const struct asking *a, struct str body, struct buf *kept,
                       struct str *ret_text, struct err *err)
{
    static const struct jlimits limits = {LIMIT_CATALOG_BYTES, LIMIT_JSON_DEPTH, CATALOG_NODES};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *translated = NULL;

    *ret_text = body;
    if (!a->codec->translated)
        return 0;
    if (jdoc_parse(body, &limits, &doc, err) < 0 ||
        codec_read(a->codec, jdoc_root(doc), &translated, err) < 0)
        return err_ret(err);
    jval_write(kept, jdoc_root(translated));
    if (buf_failed(kept))
        return err_tell(err, E_LIMIT, "", "the other party's catalogue is too large");
    *ret_text = buf_str(kept);
    return 0;
}

static void garbage(struct asking *a)
{
    struct err err = {0};

    IGNORE(err_tell(&err, E_PEER_REFUSED, "", "the other party's catalogue cannot be read"),
           "it is the answer");
    fail(a, &err);
}

static void read_page(struct asking *a, const struct fetch_response *response, struct str text)
{
    struct err err = {0};
    struct str next = next_page(a, response->job);

    if (a->n_pages == 0 && !str_present(next)) { /* the usual case: nothing to join */
        finish(a, text, &err);
        return;
    }
    if (!add_page(a, text)) {
        garbage(a);
        return;
    }
    if (!str_present(next) || a->n_datasets >= a->wanted || a->n_pages == PAGES_MAX ||
        next.n > LIMIT_URL) {
        join(a);
        return;
    }
    a->url = arena_str(a->arena, next);
    if (submit(a, &err) < 0)
        fail(a, &err);
}

static void came(void *cls, const struct fetch_response *response, const struct err *fetch_err)
{
    struct asking *a = cls;
    AUTO(buf_done) struct buf kept = buf_init(LIMIT_CATALOG_BYTES);
    struct err err = *fetch_err;
    struct str text;

    if (err.code == E_OK && (response->status < 200 || response->status > 299))
        (void)err_tell(&err, response->status == 404 ? E_NOT_FOUND : E_PEER_REFUSED, "",
                       "the other party answered %d", response->status);
    if (err.code != E_OK) {
        fail(a, &err);
        return;
    }
    if (read_answer(a, response->body, &kept, &text, &err) < 0)
        garbage(a);
    else if (str_present(a->body))
        read_page(a, response, text);
    else
        finish(a, text, &err);
}

static int submit(struct asking *a, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    const bool post = str_present(a->body);
    const bool known = str_present(a->peer_id); /* else there is no token */

    if (arena_failed(a->arena))
        return err_set(err, E_LIMIT, "", "memory for the other party's links");
    if (known && identity_token(a->app->identity, a->peer_id, &token, err) < 0)
        return err_ret(err);

    const struct fetch_header headers[] = {
        {STR("Authorization"), buf_str(&token)        },
        {STR("Accept"),        STR("application/json")},
        {STR("Content-Type"),  STR("application/json")},
    };
    const struct fetch_request request = {
        .method = post ? "POST" : "GET",
        .url = a->url,
        .headers = headers + !known,
        .n_headers = (size_t)known + 1 + post,
        .body = a->body,
        .max_response = LIMIT_CATALOG_BYTES,
        .deadline_mono_us = a->deadline_mono_us,
        .done = came,
        .cls = a,
    };

    return fetch_submit(a->app->fetcher, &request, NULL, err);
}

/* -- what is asked ------------------------------------------------------------------------------ */

static int write_body(struct asking *a, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_JSON_BYTES);
    AUTO(buf_done) struct buf body = buf_init(LIMIT_JSON_BYTES);

    buf_add_c(&text, "{\"@context\":[\"" DSP_CONTEXT "\"],\"@type\":\"CatalogRequestMessage\"");
    if (str_present(a->query)) { /* an empty filter is left out: EDC refuses `[]` */
        buf_add_c(&text, ",\"filter\":");
        buf_add_str(&text, a->query);
    }
    buf_add_char(&text, '}');
    if (buf_failed(&text))
        return err_set(err, E_LIMIT, "/querySpec", "too large");
    if (codec_write(a->codec, buf_str(&text), STR_NONE, &body, err) < 0)
        return err_ret(err);
    a->body = arena_str(a->arena, buf_str(&body));
    return 0;
}

static int begin(struct asking *a, const struct choice *choice, struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL + 4 * LIMIT_ID);

    a->codec = choice->codec;
    buf_add_str(&url, choice->address);
    if (str_present(a->dataset_id)) {
        buf_add_c(&url, "/catalog/datasets/");
        encode_percent(&url, a->dataset_id);
    } else {
        buf_add_c(&url, "/catalog/request");
        if (write_body(a, err) < 0)
            return err_ret(err);
    }
    if (buf_failed(&url))
        return err_tell(err, E_INVALID, "/@id", "too long");
    a->url = arena_str(a->arena, buf_str(&url));
    return submit(a, err);
}

static void chosen(void *cls, const struct choice *choice, const struct err *cause)
{
    struct asking *a = cls;
    struct err err = *cause;

    if (err.code != E_OK || begin(a, choice, &err) < 0)
        fail(a, &err);
}

/* NULL without memory. */
static struct asking *new_asking(struct app *app, const struct dsp_ask *request,
                                 dsp_catalogue_fn *done, void *cls)
{
    struct arena *arena = arena_new(MIB(4));
    struct asking *a = arena != NULL ? ARENA_NEW(arena, struct asking) : NULL;

    if (a == NULL) {
        arena_free(&arena);
        return NULL;
    }
    *a = (struct asking){
        .app = app,
        .arena = arena,
        .done = done,
        .cls = cls,
        .peer_id = str_present(request->peer_id) ? arena_str(arena, request->peer_id) : STR_NONE,
        .query = str_present(request->query) ? arena_str(arena, request->query) : STR_NONE,
        .dataset_id =
            str_present(request->dataset_id) ? arena_str(arena, request->dataset_id) : STR_NONE,
        .wanted = request->wanted,
        .deadline_mono_us = env_mono_us(app->env) + ASK_TIME_US,
        .first = buf_init(LIMIT_CATALOG_BYTES),
    };
    for (size_t i = 0; i < LIST__COUNT; i++)
        a->lists[i] = buf_init(LIMIT_CATALOG_BYTES);
    if (!arena_failed(arena))
        return a;
    free_asking(a);
    return NULL;
}

static int ask(struct app *app, const struct dsp_ask *request, dsp_catalogue_fn *done, void *cls,
               struct err *err)
{
    struct asking *a = new_asking(app, request, done, cls);

    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    if (dsp__choose(app, request->peer_address, request->protocol, chosen, a, err) < 0) {
        free_asking(a);
        return err_ret(err);
    }
    return 0;
}

int dsp_catalogue_request(struct app *app, const struct dsp_ask *request, dsp_catalogue_fn *done,
                          void *cls, struct err *err)
{
    return ask(app, request, done, cls, err);
}

int dsp_dataset_request(struct app *app, const struct dsp_ask *request, dsp_catalogue_fn *done,
                        void *cls, struct err *err)
{
    if (request->dataset_id.n == 0)
        return err_tell(err, E_INVALID, "/@id", "the id of a dataset is needed");
    return ask(app, request, done, cls, err);
}

int dsp_version_request(struct app *app, struct str base_address, dsp_catalogue_fn *done, void *cls,
                        struct err *err)
{
    const struct dsp_ask request = {.peer_id = STR_NONE};
    struct asking *a;

    if (!message_address_ok(base_address, app->settings->allow_http))
        return err_tell(err, E_INVALID, "/counterPartyAddress", "expected an https URL");
    a = new_asking(app, &request, done, cls);
    if (a == NULL)
        return err_set(err, E_NO_MEMORY, "", "request");
    a->codec = &codecs[0]; /* the document is the same in all versions */
    a->url = arena_printf(a->arena, "%.*s" WELL_KNOWN, STR_ARG(message_address_base(base_address)));
    if (submit(a, err) < 0) {
        free_asking(a);
        return err_ret(err);
    }
    return 0;
}
