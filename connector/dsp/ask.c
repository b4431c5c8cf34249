/*
 * connector/dsp/ask.c - consumer: asks a peer for its catalogue or for one dataset
 */
#include "connector/dsp/dsp_private.h"
#include "lib/base/encode.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define ASK_TIME_US (45 * US_PER_S) /* our own user, who waits 60 s, learns why */

struct asking {
    dsp_catalogue_fn *done;
    void *cls;
    char *body; /* owned; NULL for a GET */
};

static void came(void *cls, const struct fetch_response *response, const struct err *fetch_err)
{
    struct asking *asking = cls;
    struct err err = *fetch_err;

    if (err.code == E_OK && (response->status < 200 || response->status > 299))
        (void)err_tell(&err, response->status == 404 ? E_NOT_FOUND : E_PEER_REFUSED, "",
                       "the other party answered %d", response->status);
    asking->done(asking->cls, err.code == E_OK ? response->body : STR_NONE, &err);
    free(asking->body);
    free(asking);
}

/* Takes body, also on failure. Without peer_id there is no token. */
static int ask(struct app *app, struct str peer_id, const char *method, struct str url, char *body,
               dsp_catalogue_fn *done, void *cls, struct err *err)
{
    AUTO(buf_done) struct buf token = buf_init(LIMIT_TOKEN);
    struct asking *asking = malloc(sizeof(*asking));

    if (asking == NULL ||
        (str_present(peer_id) && identity_token(app->identity, peer_id, &token, err) < 0)) {
        free(asking);
        free(body);
        return err->code != E_OK ? err_ret(err) : err_set(err, E_NO_MEMORY, "", "request");
    }
    *asking = (struct asking){.done = done, .cls = cls, .body = body};

    const struct fetch_header headers[] = {
        {STR("Authorization"), buf_str(&token)        },
        {STR("Accept"),        STR("application/json")},
        {STR("Content-Type"),  STR("application/json")},
    };
    const size_t first = str_present(peer_id) ? 0 : 1;
    const struct fetch_request request = {
        .method = method,
        .url = url,
        .headers = headers + first,
        .n_headers = (body != NULL ? 3 : 2) - first,
        .body = str_c(body),
        .max_response = LIMIT_CATALOG_BYTES,
        .deadline_mono_us = env_mono_us(app->env) + ASK_TIME_US,
        .done = came,
        .cls = asking,
    };

    if (fetch_submit(app->fetcher, &request, NULL, err) < 0) {
        free(asking->body);
        free(asking);
        return err_ret(err);
    }
    return 0;
}

static int check_address(const struct app *app, struct str address, struct err *err)
{
    if (!message_address_ok(address, app->settings->allow_http))
        return err_tell(err, E_INVALID, "/counterPartyAddress", "expected an https URL");
    return 0;
}

int dsp_catalogue_request(struct app *app, struct str peer_address, struct str peer_id,
                          struct str query, dsp_catalogue_fn *done, void *cls, struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL + 64);
    AUTO(buf_done) struct buf body = buf_init(LIMIT_JSON_BYTES);
    char *text;
    size_t n;

    if (check_address(app, peer_address, err) < 0)
        return err_ret(err);
    buf_add_str(&url, message_address_base(peer_address));
    buf_add_c(&url, "/catalog/request");
    buf_add_c(&body, "{\"@context\":[\"" DSP_CONTEXT "\"],\"@type\":\"CatalogRequestMessage\"");
    if (str_present(query)) { /* an empty filter is left out: EDC refuses `[]` */
        buf_add_c(&body, ",\"filter\":");
        buf_add_str(&body, query);
    }
    buf_add_char(&body, '}');
    text = buf_take(&body, &n);
    if (text == NULL)
        return err_set(err, E_LIMIT, "/querySpec", "too large");
    return ask(app, peer_id, "POST", buf_str(&url), text, done, cls, err);
}

int dsp_dataset_request(struct app *app, struct str peer_address, struct str peer_id,
                        struct str dataset_id, dsp_catalogue_fn *done, void *cls, struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL + 4 * LIMIT_ID);

    if (check_address(app, peer_address, err) < 0)
        return err_ret(err);
    buf_add_str(&url, message_address_base(peer_address));
    buf_add_c(&url, "/catalog/datasets/");
    encode_percent(&url, dataset_id);
    if (buf_failed(&url))
        return err_tell(err, E_INVALID, "/@id", "too long");
    return ask(app, peer_id, "GET", buf_str(&url), NULL, done, cls, err);
}

int dsp_version_request(struct app *app, struct str base_address, dsp_catalogue_fn *done, void *cls,
                        struct err *err)
{
    AUTO(buf_done) struct buf url = buf_init(LIMIT_URL + 64);

    if (check_address(app, base_address, err) < 0)
        return err_ret(err);
    buf_add_str(&url, message_address_base(base_address));
    buf_add_c(&url, "/.well-known/dspace-version");
    return ask(app, STR_NONE, "GET", buf_str(&url), NULL, done, cls, err);
}
