/*
 * connector/dsp/choose.c - which version to speak with a peer (DSP 2025-1, common: exposure of
 * versions)
 *
 * The version document lies at /.well-known/dspace-version below the address that the user gave;
 * where the address names a host alone, also below the places where connectors are usually put, and
 * else at the host's root. The first document that names versions counts. What was found is kept for
 * minutes, in a table of fixed size.
 */
#include <pthread.h>
#include <stdlib.h>

#include "connector/dsp/dsp_private.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define WELL_KNOWN    "/.well-known/dspace-version"
#define ASK_TIME_US   (5 * US_PER_S)
#define DOCUMENT_MAX  KIB(64)
#define ENTRIES_MAX   64 /* of a version document */
#define KNOWN_MAX     256
#define KNOWN_TIME_US (5 * 60 * US_PER_S)
#define PLACES_MAX    6

/* -- what is known ------------------------------------------------------------------------------ */

struct known {
    struct arena *arena; /* owned, with the texts; NULL: free */
    struct str root;
    struct str addresses[CODECS]; /* STR_NONE: not spoken there */
    int64_t until_mono_us;
};

struct known_peers {
    pthread_mutex_t lock; /* guards the rest */
    struct known peers[KNOWN_MAX];
};

int dsp__known_peers_open(struct known_peers **ret_known, struct err *err)
{
    struct known_peers *known = calloc(1, sizeof(*known));

    if (known == NULL)
        return err_set(err, E_NO_MEMORY, "", "peers");
    CHECK(pthread_mutex_init(&known->lock, NULL) == 0);
    *ret_known = known;
    return 0;
}

void dsp__known_peers_close(struct known_peers **known_address)
{
    struct known_peers *known = MOVE(*known_address);

    if (known == NULL)
        return;
    for (size_t i = 0; i < KNOWN_MAX; i++)
        arena_free(&known->peers[i].arena);
    (void)pthread_mutex_destroy(&known->lock);
    free(known);
}

/* Copies to the arena what is known of a root; false if nothing is, or no longer. */
static bool recall(struct known_peers *known, struct str root, int64_t now_mono_us,
                   struct arena *arena, struct str ret_addresses[static CODECS])
{
    bool found = false;

    CHECK(pthread_mutex_lock(&known->lock) == 0);
    for (size_t i = 0; i < KNOWN_MAX && !found; i++) {
        const struct known *k = &known->peers[i];

        found = k->arena != NULL && k->until_mono_us > now_mono_us && str_eq(k->root, root);
        for (size_t c = 0; c < CODECS && found; c++)
            ret_addresses[c] =
                str_present(k->addresses[c]) ? arena_str(arena, k->addresses[c]) : STR_NONE;
    }
    CHECK(pthread_mutex_unlock(&known->lock) == 0);
    return found && !arena_failed(arena);
}

/* In place of the same root, else of what is forgotten first. */
static void remember(struct known_peers *known, struct str root, int64_t now_mono_us,
                     const struct str addresses[static CODECS])
{
    struct known fresh = {.arena = arena_new(KIB(64)),
                          .until_mono_us = now_mono_us + KNOWN_TIME_US};
    struct known *place = &known->peers[0];

    if (fresh.arena == NULL)
        return; /* the next one asks again */
    fresh.root = arena_str(fresh.arena, root);
    for (size_t i = 0; i < CODECS; i++) {
        if (str_present(addresses[i]))
            fresh.addresses[i] = arena_str(fresh.arena, addresses[i]);
    }
    if (arena_failed(fresh.arena)) {
        arena_free(&fresh.arena);
        return;
    }
    CHECK(pthread_mutex_lock(&known->lock) == 0);
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        struct known *k = &known->peers[i];

        if (k->arena != NULL && str_eq(k->root, root)) {
            place = k;
            break;
        }
        if (place->arena != NULL && (k->arena == NULL || k->until_mono_us < place->until_mono_us))
            place = k;
    }
    arena_free(&place->arena);
    *place = fresh;
    CHECK(pthread_mutex_unlock(&known->lock) == 0);
}

/* -- asking ------------------------------------------------------------------------------------- */

struct choosing {
    struct app *app;
    struct arena *arena;        /* owned, with everything here */
    const struct codec *wanted; /* NULL: any */
    struct str root;
    struct str places[PLACES_MAX]; /* what stands before /.well-known */
    size_t n_places, at;
    struct str addresses[CODECS];
    dsp_chosen_fn *chosen;
    void *cls;
};

static bool usable(const struct choosing *c, size_t i)
{
    return (c->wanted == NULL || c->wanted == &codecs[i]) &&
           codec_served(c->app->settings, &codecs[i]) && str_present(c->addresses[i]);
}

/* Tells the choice, and ends. */
static void finish(struct choosing *c, const struct err *failure)
{
    struct arena *arena = c->arena;
    struct choice choice = {0};
    struct err err = *failure;

    for (size_t i = 0; i < CODECS && err.code == E_OK && choice.codec == NULL; i++) {
        if (usable(c, i))
            choice = (struct choice){&codecs[i], c->addresses[i]};
    }
    if (err.code == E_OK && choice.codec == NULL)
        IGNORE(err_tell(&err, E_PEER_REFUSED, "/counterPartyAddress",
                        "the other party speaks no version of the protocol that we do"),
               "it is the answer");
    c->chosen(c->cls, &choice, &err);
    arena_free(&arena);
}

/* The address that an entry of the document gives; STR_NONE if it cannot be one. */
static struct str entry_address(const struct choosing *c, const struct jval *entry)
{
    const struct str path = jval_str(jval_get(entry, "path"));
    const struct jval *binding = jval_get(entry, "binding");
    struct str address;

    /* older peers leave the binding out */
    if ((binding != NULL && !str_eq(jval_str(binding), STR("HTTPS"))) || !str_present(path))
        return STR_NONE;
    address = arena_printf(c->arena, "%.*s%s%.*s", STR_ARG(c->places[c->at]),
                           path.n > 0 && path.p[0] != '/' ? "/" : "", STR_ARG(path));
    address = message_address_base(address);
    return message_address_ok(address, c->app->settings->allow_http) ? address : STR_NONE;
}

/* True if the text is a version document that names a version. */
static bool read_document(struct choosing *c, struct str text)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err ignored = {0};
    const struct jval *entries;

    if (jdoc_parse(text, NULL, &doc, &ignored) < 0)
        return false;
    entries = jval_get(jdoc_root(doc), "protocolVersions");
    if (jtype_of(entries) != J_ARRAY || jval_len(entries) > ENTRIES_MAX)
        return false;
    for (size_t i = 0; i < jval_len(entries); i++) {
        const struct jval *entry = jval_at(entries, i);
        const struct codec *codec = codec_by_version(jval_str(jval_get(entry, "version")));

        if (codec != NULL && !str_present(c->addresses[codec_index(codec)]))
            c->addresses[codec_index(codec)] = entry_address(c, entry);
    }
    return jval_len(entries) > 0;
}

static void ask(struct choosing *c);

/* A request that names its version is good without a document. */
static void no_document(struct choosing *c, const struct err *err)
{
    const struct err fine = {0};

    if (c->wanted == NULL) {
        finish(c, err);
        return;
    }
    c->addresses[codec_index(c->wanted)] = c->root;
    finish(c, &fine);
}

static void came(void *cls, const struct fetch_response *response, const struct err *fetch_err)
{
    struct choosing *c = cls;
    struct err err = *fetch_err;

    if (err.code != E_OK && err.code != E_LIMIT) { /* nor will it answer elsewhere */
        no_document(c, &err);
        return;
    }
    if (err.code == E_OK && response->status == 200 && read_document(c, response->body)) {
        remember(c->app->dsp->known, c->root, env_mono_us(c->app->env), c->addresses);
        finish(c, &err);
        return;
    }
    c->at++;
    ask(c);
}

static void ask(struct choosing *c)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL + sizeof(WELL_KNOWN));
    static const struct fetch_header headers[] = {
        {STR_INIT("Accept"), STR_INIT("application/json")}
    };
    struct err err = {0};

    if (c->at == c->n_places) {
        IGNORE(err_tell(&err, E_PEER_REFUSED, "/counterPartyAddress",
                        "the other party does not tell which versions it speaks, give the address "
                        "of one"),
               "it is the answer");
        no_document(c, &err);
        return;
    }
    buf_add_str(&url, c->places[c->at]);
    buf_add_c(&url, WELL_KNOWN);

    const struct fetch_request request = {
        .method = "GET",
        .url = buf_str(&url),
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .max_response = DOCUMENT_MAX,
        .deadline_mono_us = env_mono_us(c->app->env) + ASK_TIME_US,
        .done = came,
        .cls = c,
    };

    if (fetch_submit(c->app->fetcher, &request, NULL, &err) < 0)
        no_document(c, &err);
}

/* -- what needs no asking ------------------------------------------------------------------------ */

/* "https://host:port" of an address. */
static struct str origin_of(struct str address)
{
    const struct str scheme =
        str_starts(address, STR("https://")) ? STR("https://") : STR("http://");
    struct str rest = str_from(address, scheme.n);
    const struct str host = str_cut(&rest, '/');

    return str_n(address.p, scheme.n + host.n);
}

static void find_places(struct choosing *c)
{
    static const struct str usual[] = {STR_INIT("/dsp"), STR_INIT("/protocol"),
                                       STR_INIT("/api/dsp"), STR_INIT("/api/v1/dsp")};
    const struct str origin = origin_of(c->root);

    c->places[c->n_places++] = c->root;
    if (c->wanted != NULL)
        return; /* else the address is used as it is */
    if (!str_eq(origin, c->root)) {
        c->places[c->n_places++] = origin;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        c->places[c->n_places++] =
            arena_printf(c->arena, "%.*s%.*s", STR_ARG(origin), STR_ARG(usual[i]));
}

/* The version that the request names, or NULL. */
static int read_protocol(const struct app *app, struct str protocol, const struct codec **ret_codec,
                         struct err *err)
{
    *ret_codec = NULL;
    if (!str_present(protocol) || str_eq(protocol, STR(DSP_PROTOCOL_BASE)))
        return 0;
    *ret_codec = codec_by_protocol(protocol);
    if (*ret_codec == NULL || !codec_served(app->settings, *ret_codec))
        return err_tell(err, E_INVALID, "/protocol",
                        "expected '" DSP_PROTOCOL_BASE "', alone or with a version that we speak");
    return 0;
}

/* True if version and address stand in the request itself. */
static int read_address(const struct app *app, struct str address, const struct codec *wanted,
                        struct choice *ret_choice, struct err *err)
{
    const struct codec *codec = wanted != NULL ? wanted : codec_by_address(address);

    *ret_choice = (struct choice){0};
    if (codec == NULL || (wanted != NULL && str_eq(origin_of(address), address)))
        return 0;
    if (!codec_served(app->settings, codec))
        return err_tell(err, E_INVALID, "/counterPartyAddress",
                        "version %.*s of the protocol is not spoken here", STR_ARG(codec->version));
    *ret_choice = (struct choice){codec, address};
    return 0;
}

int dsp__choose(struct app *app, struct str address, struct str protocol, dsp_chosen_fn *chosen,
                void *cls, struct err *err)
{
    const struct str root = message_address_base(address);
    const struct codec *wanted;
    const struct err fine = {0};
    struct choice choice;
    struct arena *arena;
    struct choosing *c;

    if (!message_address_ok(root, app->settings->allow_http))
        return err_tell(err, E_INVALID, "/counterPartyAddress", "expected an https URL");
    if (read_protocol(app, protocol, &wanted, err) < 0 ||
        read_address(app, root, wanted, &choice, err) < 0)
        return err_ret(err);
    if (choice.codec != NULL) {
        chosen(cls, &choice, &fine);
        return 0;
    }
    arena = arena_new(MIB(1));
    c = arena != NULL ? ARENA_NEW(arena, struct choosing) : NULL;
    if (c == NULL) {
        arena_free(&arena);
        return err_set(err, E_NO_MEMORY, "", "peer");
    }
    *c = (struct choosing){
        .app = app, .arena = arena, .wanted = wanted, .chosen = chosen, .cls = cls};
    c->root = arena_str(arena, root);
    find_places(c);
    if (arena_failed(arena)) {
        arena_free(&arena);
        return err_set(err, E_NO_MEMORY, "", "peer");
    }
    if (recall(app->dsp->known, c->root, env_mono_us(app->env), arena, c->addresses))
        finish(c, &fine);
    else
        ask(c);
    return 0;
}
