/*
 * lib/did/document.c - DID documents: keys and what they may be used for (DID Core §5.2, §5.3)
 */
#include <stdatomic.h>

#include "lib/base/limits.h"
#include "lib/did/did_private.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

static const struct {
    const char *name;
    unsigned bit;
} relationships[] = {
    {"authentication",       DID_AUTHENTICATION       },
    {"assertionMethod",      DID_ASSERTION            },
    {"capabilityInvocation", DID_CAPABILITY_INVOCATION},
};

int did_web_url(struct str did, bool http, struct buf *out, struct err *err)
{
    AUTO(buf_done) struct buf host = buf_init(300);
    struct str rest = did;
    const struct str prefix = STR("did:web:");
    bool path = false;

    if (did.n > LIMIT_ID || !str_starts(did, prefix))
        return err_set(err, E_TOKEN, "/iss", "'%.*s' is no did:web", STR_ARG(did));
    rest = str_from(did, prefix.n);
    if (!decode_percent(&host, str_cut(&rest, ':')) || host.n == 0)
        return err_set(err, E_TOKEN, "/iss", "'%.*s': malformed host", STR_ARG(did));
    for (size_t i = 0; i < host.n; i++) {
        const char c = host.p[i];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';

        if (!ok)
            return err_set(err, E_TOKEN, "/iss", "'%.*s': malformed host", STR_ARG(did));
    }
    buf_add_c(out, http ? "http://" : "https://");
    buf_add_str(out, buf_str(&host));
    while (str_present(rest)) {
        const struct str segment = str_cut(&rest, ':');

        path = true;
        if (segment.n == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return err_set(err, E_TOKEN, "/iss", "'%.*s': malformed path", STR_ARG(did));
        buf_add_char(out, '/');
        encode_percent(out, segment);
    }
    buf_add_c(out, path ? "/did.json" : "/.well-known/did.json");
    return buf_failed(out) ? err_set(err, E_TOKEN, "/iss", "DID is too long") : 0;
}

/*
 * `id` of a method is a DID URL: "<did>#fragment", or relative "#fragment". Its fragment, or
 * STR_NONE.
 */
static struct str fragment_of(struct str did, struct str id)
{
    if (id.n > 1 && id.p[0] == '#')
        return str_from(id, 1);
    if (id.n > did.n + 1 && str_starts(id, did) && id.p[did.n] == '#')
        return str_from(id, did.n + 1);
    return STR_NONE;
}

static void add_relationship(struct did_document *d, struct str fragment, unsigned bit)
{
    for (size_t i = 0; i < d->n; i++) {
        if (str_eq(str_c(d->methods[i].fragment), fragment))
            d->methods[i].relationships |= bit;
    }
}

static int read_method(struct did_document *d, const struct jval *method, unsigned bits,
                       struct err *err)
{
    const struct str fragment = fragment_of(str_c(d->did), jval_str(jval_get(method, "id")));
    struct did_method *m = &d->methods[d->n];
    struct err ignored = {0};

    if (!str_present(fragment) || fragment.n > DID_FRAGMENT_MAX)
        return 0; /* a method of somebody else: not ours to judge */
    if (d->n == DID_METHODS_MAX)
        return err_set(err, E_TOKEN, "", "'%s' has more than %d keys", d->did, DID_METHODS_MAX);
    if (key_from_jwk(jval_get(method, "publicKeyJwk"), &m->key, &ignored) < 0)
        return 0; /* a kind of key that we don't use */
    memcpy(m->fragment, fragment.p, fragment.n);
    m->relationships = bits;
    d->n++;
    return 0;
}

static int read_relationship(struct did_document *d, const struct jval *list, unsigned bit,
                             struct err *err)
{
    for (size_t i = 0; i < jval_len(list); i++) {
        const struct jval *item = jval_at(list, i);

        if (jtype_of(item) == J_OBJECT && read_method(d, item, bit, err) < 0)
            return err_ret(err);
        if (jtype_of(item) == J_STR) {
            const struct str fragment = fragment_of(str_c(d->did), jval_str(item));

            if (str_present(fragment))
                add_relationship(d, fragment, bit);
        }
    }
    return 0;
}

/* What has no text for a type or an endpoint is a service that we could not use. */
static int read_service(struct did_document *d, const struct jval *service, struct err *err)
{
    const struct jval *type = jval_get(service, "type");
    const struct str kind = jval_str(jtype_of(type) == J_ARRAY ? jval_at(type, 0) : type);
    const struct str endpoint = jval_str(jval_get(service, "serviceEndpoint"));
    struct did_service_kept *kept = &d->services[d->n_services];

    if (kind.n == 0 || endpoint.n == 0 || endpoint.n > LIMIT_URL ||
        d->n_services == DID_SERVICES_MAX)
        return 0;
    d->n_services++;
    kept->type = strndup(kind.p, kind.n);
    kept->endpoint = strndup(endpoint.p, endpoint.n);
    return kept->type != NULL && kept->endpoint != NULL
               ? 0
               : err_set(err, E_NO_MEMORY, "", "DID document");
}

int did_document_parse(struct str did, struct str json, struct did_document **ret_document,
                       struct err *err)
{
    AUTO(did_document_unref) struct did_document *d = calloc(1, sizeof(*d));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *root, *methods, *services;

    if (d == NULL || (d->did = strndup(did.p, did.n)) == NULL)
        return err_set(err, E_NO_MEMORY, "", "DID document");
    atomic_init(&d->refs, 1);
    if (jdoc_parse(json, &jlimits_default, &doc, err) < 0)
        return err_set(err, E_TOKEN, "", "DID document of '%s' is not JSON", d->did);
    root = jdoc_root(doc);
    if (!str_eq(jval_str(jval_get(root, "id")), did))
        return err_set(err, E_TOKEN, "/id", "DID document of '%s' names another id", d->did);
    methods = jval_get(root, "verificationMethod");
    for (size_t i = 0; i < jval_len(methods); i++) {
        if (read_method(d, jval_at(methods, i), 0, err) < 0)
            return err_ret(err);
    }
    for (size_t i = 0; i < ARRAY_LEN(relationships); i++) {
        if (read_relationship(d, jval_get(root, relationships[i].name), relationships[i].bit, err) <
            0)
            return err_ret(err);
    }
    services = jval_get(root, "service");
    for (size_t i = 0; i < jval_len(services); i++) {
        if (read_service(d, jval_at(services, i), err) < 0)
            return err_ret(err);
    }
    *ret_document = MOVE(d);
    return 0;
}

void did_document_unref(struct did_document **document)
{
    struct did_document *d = *document;

    *document = NULL;
    if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < d->n; i++)
        key_free(&d->methods[i].key);
    for (size_t i = 0; i < d->n_services; i++) {
        free(d->services[i].type);
        free(d->services[i].endpoint);
    }
    free(d->did);
    free(d);
}

const struct key *did_document_key(const struct did_document *d, struct str kid, unsigned wanted)
{
    if (!str_present(kid))
        return d->n == 1 && (d->methods[0].relationships & wanted) != 0 ? d->methods[0].key : NULL;

    const struct str did = str_c(d->did);

    if (!str_starts(kid, did) || kid.n <= did.n + 1 || kid.p[did.n] != '#')
        return NULL;
    for (size_t i = 0; i < d->n; i++) {
        if (str_eq(str_c(d->methods[i].fragment), str_from(kid, did.n + 1)))
            return (d->methods[i].relationships & wanted) != 0 ? d->methods[i].key : NULL;
    }
    return NULL;
}

bool did_document_has_key(const struct did_document *d, const struct key *key)
{
    const struct key_thumbprint wanted = key_thumbprint(key);

    for (size_t i = 0; i < d->n; i++) {
        const struct key_thumbprint have = key_thumbprint(d->methods[i].key);

        if (d->methods[i].relationships != 0 && memcmp(&have, &wanted, sizeof(have)) == 0)
            return true;
    }
    return false;
}

struct did_service did_document_service(const struct did_document *d, size_t i)
{
    if (i >= d->n_services)
        return (struct did_service){STR_NONE, STR_NONE};
    return (struct did_service){str_c(d->services[i].type), str_c(d->services[i].endpoint)};
}
