/*
 * cli/management.c - the management API of our connector
 */
#include "cli/management.h"

#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define EDC_NS   "https://w3id.org/edc/v0.0.1/ns/"
#define ODRL_NS  "http://www.w3.org/ns/odrl/2/"
#define PROTOCOL "dataspace-protocol-http" /* the address says which version, or the peer */

#define WAIT_US  (2 * US_PER_MIN)
#define PAUSE_MS 20

void management_begin(struct jw *w, const char *type, struct str peer_address)
{
    jw_object(w);
    jw_key(w, "@context");
    jw_object(w);
    jw_kc(w, "@vocab", EDC_NS);
    jw_kc(w, "odrl", ODRL_NS);
    jw_object_end(w);
    jw_kc(w, "@type", type);
    jw_kstr(w, "counterPartyAddress", peer_address);
    jw_kc(w, "protocol", PROTOCOL);
}

const struct jval *management_member(const struct jval *object, const char *name)
{
    static const char *const prefixes[] = {"", "odrl:", "dcat:"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        char key[64];
        const struct jval *found;

        snprintf(key, sizeof(key), "%s%s", prefixes[i], name);
        found = jval_get(object, key);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static bool is_one_of(struct str state, const char *const *states)
{
    for (; *states != NULL; states++) {
        if (str_eq_c(state, *states))
            return true;
    }
    return false;
}

int management_wait(struct cli *cli, const char *path, struct str id, const char *const *states,
                    struct jdoc **ret_doc, struct err *err)
{
    const struct str url = cli_path(cli, path, NULL, id);
    const int64_t deadline_us = env_mono_us(cli->env) + WAIT_US;
    struct str shown = STR("");

    for (; cli_in_time(cli, deadline_us); cli_pause(PAUSE_MS)) {
        AUTO(jdoc_free) struct jdoc *doc = NULL;
        struct str state;

        if (cli_json(cli, PEER_CONNECTOR, "GET", url, STR_NONE, &doc, err) < 0)
            return err_ret(err);
        state = jval_str(jval_get(jdoc_root(doc), "state"));
        if (!str_eq(state, shown)) {
            shown = arena_str(cli->arena, state);
            cli_note(cli, "  %.*s", STR_ARG(shown));
        }
        if (is_one_of(state, states)) {
            *ret_doc = MOVE(doc);
            return 0;
        }
    }
    return err_tell(err, E_PEER_TIMEOUT, "", "'%.*s' is still %.*s; the provider does not answer",
                    STR_ARG(id), STR_ARG(shown));
}

int management_order(struct cli *cli, struct str id, struct jdoc **ret_order, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    const struct jval *items;

    if (cli_json(cli, PEER_CONNECTOR, "GET", STR("/naru/v1/orders?limit=1000"), STR_NONE, &doc,
                 err) < 0)
        return err_ret(err);
    items = jval_get(jdoc_root(doc), "items");
    for (size_t i = 0; i < jval_len(items); i++) {
        const struct jval *order = jval_get(jval_at(items, i), "order");
        AUTO(buf_done) struct buf copy = buf_init(LIMIT_JSON_BYTES);

        if (!str_eq(jval_str(jval_get(jval_at(items, i), "role")), STR("consumer")) ||
            (!str_eq(jval_str(jval_get(order, "order")), id) &&
             !str_eq(jval_str(jval_get(order, "agreement")), id)))
            continue;
        jval_write(&copy, order);
        return jdoc_parse(buf_str(&copy), &jlimits_default, ret_order, err);
    }
    return err_tell(err, E_NOT_FOUND, "", "our connector has no order '%.*s'", STR_ARG(id));
}
