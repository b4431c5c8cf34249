/*
 * cli/status.c - naru status: membership as the data bank and the connector see it
 */
#include "cli/cli.h"
#include "cli/member.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define WAIT_US  (10 * US_PER_MIN)
#define ASK_US   (2 * US_PER_S)
#define PAUSE_MS 50

struct status {
    bool wait_member;
};
/* clang-format off */
const struct cli_option status_options[] = {
    OPTION(struct status, wait_member, "wait-member", 0, NULL, "wait until the operator has approved and the connector is a member"),
    {.name = NULL},
};

/* clang-format on */

/* True once the data bank says active; false while undecided. A refusal is an error. */
static int is_active(struct cli *cli, bool *ret_active, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct str state;

    if (cli_json(cli, PEER_BROKER, "GET", STR("/v1/participants/me"), STR_NONE, &doc, err) < 0)
        return err_ret(err);
    state = jval_str(jval_get(jdoc_root(doc), "state"));
    if (!str_eq(state, STR("applied")) && !str_eq(state, STR("active")))
        return err_tell(err, E_FORBIDDEN, "", "the data bank says '%.*s'", STR_ARG(state));
    *ret_active = str_eq(state, STR("active"));
    return 0;
}

/* Our connector's view; while it is no member it is told now and then to ask the data bank. */
static int is_member(struct cli *cli, int64_t *next_ask_us, bool *ret_member, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(jdoc_free) struct jdoc *asked = NULL;

    if (cli_json(cli, PEER_CONNECTOR, "GET", STR("/naru/v1/membership"), STR_NONE, &doc, err) < 0)
        return err_ret(err);
    *ret_member = jval_bool(jval_get(jdoc_root(doc), "member"));
    if (*ret_member || cli_in_time(cli, *next_ask_us))
        return 0;
    *next_ask_us = env_mono_us(cli->env) + ASK_US;
    return cli_json(cli, PEER_CONNECTOR, "POST", STR("/naru/v1/membership"), STR("{}"), &asked,
                    err);
}

int member_wait(struct cli *cli, struct err *err)
{
    const int64_t deadline_us = env_mono_us(cli->env) + WAIT_US;
    int64_t next_ask_us = 0;
    bool active = false, member = false;

    for (; cli_in_time(cli, deadline_us); cli_pause(PAUSE_MS)) {
        if (!active && is_active(cli, &active, err) < 0)
            return err_ret(err);
        if (active && is_member(cli, &next_ask_us, &member, err) < 0)
            return err_ret(err);
        if (member)
            return 0;
    }
    return err_tell(err, E_PEER_TIMEOUT, "", "no membership yet; the operator has not decided");
}

/* One side of the answer; a side that does not answer is told apart from the other. */
static void side(struct cli *cli, struct jw *w, const char *name, enum cli_peer peer,
                 struct str path, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;

    jw_key(w, name);
    if (cli_json(cli, peer, "GET", path, STR_NONE, &doc, err) < 0) {
        jw_null(w);
        return;
    }
    jw_val(w, jdoc_root(doc));
}

/* Duties as the connector counts them; null if it does not answer. */
static void duties(struct cli *cli, struct jw *w)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err told = {0}; /* that it does not answer was told before */

    if (cli_json(cli, PEER_CONNECTOR, "GET", STR("/naru/v1/status"), STR_NONE, &doc, &told) < 0)
        return;
    jw_kval(w, "duties", jval_get(jdoc_root(doc), "duties"));
}

static void print_duties(const struct cli *cli, const struct jval *value)
{
    int64_t open = 0, overdue = 0;

    if (!jval_i64(jval_get(value, "open"), &open) ||
        !jval_i64(jval_get(value, "overdue"), &overdue) || open + overdue == 0)
        return;
    printf(cli->korean ? "의무\n  대기 %lld, 기한 초과 %lld\n"
                       : "Duties\n  %lld open, %lld OVERDUE\n",
           (long long)open, (long long)overdue);
}

static void print_side(const struct cli *cli, const char *title, const struct jval *value,
                       const char *const *names, size_t n)
{
    if (jtype_of(value) != J_OBJECT)
        return;
    printf("%s\n", title);
    for (size_t i = 0; i < n; i++) {
        const struct jval *v = jval_get(value, names[i]);
        const struct str shown =
            jtype_of(v) == J_BOOL ? (jval_bool(v) ? STR("yes") : STR("no")) : cli_text(cli, v);

        if (shown.n > 0)
            printf("  %-14s %.*s\n", names[i], STR_ARG(shown));
    }
}

static int print_status(struct cli *cli, struct str json)
{
    static const char *const broker[] = {"participant", "name", "did", "state"};
    static const char *const connector[] = {"participant", "broker", "member", "expires_at"};
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct err err = {0};

    if (jdoc_parse(json, &jlimits_default, &doc, &err) < 0)
        return cli_fail(cli, &err);
    print_side(cli, cli->korean ? "데이터뱅크" : "Data bank", jval_get(jdoc_root(doc), "broker"),
               broker, ARRAY_LEN(broker));
    print_side(cli, cli->korean ? "커넥터" : "Connector", jval_get(jdoc_root(doc), "connector"),
               connector, ARRAY_LEN(connector));
    print_duties(cli, jval_get(jdoc_root(doc), "duties"));
    return CLI_OK;
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(1));
    struct status in = {0};
    struct err err = {0}, first = {0};
    struct jw w = jw_init(&out);

    if (!cli_options(cli, status_options, &in, 0, 0, &argc, argv))
        return CLI_USAGE;
    if (cli_home(cli, &err) < 0 || (in.wait_member && member_wait(cli, &err) < 0))
        return cli_fail(cli, &err);
    jw_object(&w);
    side(cli, &w, "connector", PEER_CONNECTOR, STR("/naru/v1/membership"), &first);
    if (cli->home.broker_url.n > 0)
        side(cli, &w, "broker", PEER_BROKER, STR("/v1/participants/me"), &err);
    duties(cli, &w);
    jw_object_end(&w);
    if (first.code == E_OK)
        first = err;
    if (cli->json)
        (void)cli_print_buf(cli, &out);
    else
        (void)print_status(cli, buf_str(&out));
    return first.code == E_OK ? CLI_OK : cli_fail(cli, &first);
}
