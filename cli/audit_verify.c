/*
 * cli/audit_verify.c - naru audit verify: everything recomputed from a mirror, without any program
 * running; exit code 0: it holds, 1: findings, 2: there is no mirror to verify
 */
#include "cli/cli.h"
#include "cli/verify_private.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

#define MEMORY ((size_t)1 << 40) /* the log itself is the limit: the mirror is the user's own */

struct verify_args {
    struct str key;
};
/* clang-format off */
const struct cli_option audit_verify_options[] = {
    OPTION(struct verify_args, key, "key", 0, "KEY", "verifier key of the log, known from elsewhere (default: the mirror's)"),
    {.name = NULL},
};

/* clang-format on */

static void progress(void *cls, uint64_t done, uint64_t all)
{
    const struct cli *cli = cls;

    if (!cli->progress)
        return;
    fprintf(stderr, "\r%llu of %llu entries%s", (unsigned long long)done, (unsigned long long)all,
            done == all ? "\n" : "");
    (void)fflush(stderr);
}

static int verify(struct verify *v, struct facts *facts, struct err *err)
{
    if (verify_log(v, err) < 0 || verify_facts(v, facts, err) < 0)
        return err_ret(err);
    return verify_money(facts, err);
}

static size_t kept(const struct verify *v)
{
    return v->n_findings < FINDINGS_MAX ? v->n_findings : FINDINGS_MAX;
}

static int print_json(const struct cli *cli, const struct verify *v)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(4));
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_kstr(&w, "log", v->log_key.name);
    jw_ki64(&w, "entries", (int64_t)v->size);
    jw_ki64(&w, "receipts", v->receipts);
    jw_ki64(&w, "receipts_missing", v->receipts_missing);
    jw_ki64(&w, "transfers", v->transfers);
    jw_ki64(&w, "documents", v->documents);
    jw_ki64(&w, "duties", v->duties);
    jw_ki64(&w, "findings_count", (int64_t)v->n_findings);
    jw_key(&w, "findings");
    jw_array(&w);
    for (size_t i = 0; i < kept(v); i++) {
        jw_object(&w);
        if (v->findings[i].entry >= 0)
            jw_ki64(&w, "entry", v->findings[i].entry);
        jw_kc(&w, "check", v->findings[i].check);
        jw_kstr(&w, "text", v->findings[i].text);
        jw_object_end(&w);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    return cli_print_buf(cli, &out);
}

static void print_text(struct cli *cli, const struct verify *v)
{
    for (size_t i = 0; i < kept(v); i++) {
        const struct finding *f = &v->findings[i];

        if (f->entry >= 0)
            printf("entry %lld: ", (long long)f->entry);
        printf("%s: %.*s\n", f->check, STR_ARG(cli_clean(cli, f->text)));
    }
    if (v->n_findings > kept(v))
        printf("and %zu more\n", v->n_findings - kept(v));
    printf("%llu entries, %lld receipts (%lld not come), %lld postings, %lld documents: ",
           (unsigned long long)v->size, (long long)v->receipts, (long long)v->receipts_missing,
           (long long)v->transfers, (long long)v->documents);
    if (v->n_findings == 0)
        printf("%s\n", cli->korean ? "모두 맞음" : "everything holds");
    else
        printf(cli->korean ? "맞지 않는 것 %zu건\n" : "%zu findings\n", v->n_findings);
}

/* What keeps the verifier from its work is told, whatever it is, as exit code 2. */
static int fail(struct cli *cli, const struct err *err)
{
    (void)cli_fail(cli, err);
    return CLI_USAGE;
}

int cmd_audit_verify(struct cli *cli, int argc, char **argv)
{
    AUTO(arena_free) struct arena *arena = arena_new(MEMORY);
    struct verify *v = arena != NULL ? ARENA_NEW(arena, struct verify) : NULL;
    struct facts *facts = arena != NULL ? ARENA_NEW(arena, struct facts) : NULL;
    struct verify_args in = {0};
    struct err err = {0};
    int code;

    if (!cli_options(cli, audit_verify_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (v == NULL || facts == NULL) {
        IGNORE(err_set(&err, E_NO_MEMORY, "", "verifier"), "reported at once");
        return fail(cli, &err);
    }
    v->folder = argv[0];
    v->arena = arena;
    v->expected_key = in.key;
    v->progress = progress;
    v->progress_cls = cli;
    code = verify(v, facts, &err);
    if (code < 0)
        code = fail(cli, &err);
    else if (cli->json)
        code = print_json(cli, v);
    else
        print_text(cli, v);
    if (code == CLI_OK && v->n_findings > 0)
        code = CLI_REFUSED;
    verify__facts_done(facts);
    note_verifier_done(&v->log_key);
    return code;
}
