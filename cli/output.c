/*
 * cli/output.c - errors with what to do next, JSON, notes, texts
 */
#include <assert.h>
#include <stdarg.h>

#include "cli/cli.h"
#include "lib/base/limits.h"

#include "lib/base/banned.h"

struct advice {
    enum err_code code;
    enum cli_exit exit;
    const char *en, *ko;
};
/* Codes that are not here end with CLI_REFUSED and have no advice beyond their detail. */
/* clang-format off */
static const struct advice advices[] = {
    {E_CONFIG,          CLI_USAGE,        NULL, NULL},
    {E_PEER_DOWN,       CLI_UNREACHABLE,  "Does the program run, and is its address in naru.conf right?", "프로그램이 실행 중인지, naru.conf의 주소가 맞는지 확인하세요."},
    {E_PEER_TIMEOUT,    CLI_UNREACHABLE,  "Try again; the other side is too slow.", "다시 시도하세요. 상대가 너무 느립니다."},
    {E_PEER_ADDRESS,    CLI_UNREACHABLE,  "Check the address: https://HOST:PORT (plain http only on this machine).", "주소를 확인하세요: https://호스트:포트 (http는 이 컴퓨터에서만)."},
    {E_BUSY,            CLI_UNREACHABLE,  "Try again later.", "나중에 다시 시도하세요."},
    {E_SHUTDOWN,        CLI_UNREACHABLE,  "Try again later.", "나중에 다시 시도하세요."},
    {E_DB,              CLI_UNREACHABLE,  "Try again later; the other side's database is away.", "나중에 다시 시도하세요. 상대의 데이터베이스가 응답하지 않습니다."},
    {E_UNAUTHENTICATED, CLI_UNAUTHORISED, "Check api-key and broker-token in the home folder.", "홈 폴더의 api-key와 broker-token을 확인하세요."},
    {E_TOKEN,           CLI_UNAUTHORISED, "Check api-key and broker-token in the home folder.", "홈 폴더의 api-key와 broker-token을 확인하세요."},
    {E_FORBIDDEN,       CLI_UNAUTHORISED, "This key has not the right; `naru status` shows your membership.", "이 키에는 권한이 없습니다. `naru status`로 가입 상태를 확인하세요."},
    {E_POLICY,          CLI_POLICY,       "`naru show DATASET` prints the conditions of use.", "`naru show 데이터셋`이 이용 조건을 보여 줍니다."},
    {E_PAYMENT,         CLI_REFUSED,      "Settle open invoices or ask the operator for more credit.", "미납 청구서를 정산하거나 운영자에게 한도를 문의하세요."},
};
static const char *const texts[TEXT__COUNT][2] = {
#define TEXT(id, en, ko) [TEXT_##id] = {en, ko},
#include "cli/texts.def"
#undef TEXT
};
/* clang-format on */
static_assert(ARRAY_LEN(texts) == TEXT__COUNT, "one row per text");

const char *text(const struct cli *cli, enum text_id id)
{
    return texts[id][cli->korean ? 1 : 0];
}

static const struct advice *advice_of(enum err_code code)
{
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        if (advices[i].code == code)
            return &advices[i];
    }
    return NULL;
}

enum cli_exit cli_exit_of(enum err_code code)
{
    const struct advice *advice = advice_of(code);

    return advice != NULL ? advice->exit : CLI_REFUSED;
}

static void fail_json(const struct cli *cli, const struct err *err, const char *detail)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(8));
    struct jw w = jw_init(&out);

    jw_object(&w);
    jw_kc(&w, "code", err->code == E_CONFIG ? "usage" : err_slug(err->code));
    jw_kc(&w, "detail", detail);
    if (err->at[0] != '\0')
        jw_kc(&w, "at", err->at);
    if (cli->request[0] != '\0')
        jw_kc(&w, "request", cli->request);
    jw_object_end(&w);
    fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&out)));
}

int cli_fail(struct cli *cli, const struct err *err)
{
    const struct advice *advice = advice_of(err->code);
    const char *detail = err->detail[0] != '\0' ? err->detail : err->text;
    const struct str shown =
        cli_clean(cli, str_c(detail[0] != '\0' ? detail : err_title(err->code)));

    (void)fflush(stdout);
    if (cli->json) {
        fail_json(cli, err, arena_cstr(cli->arena, shown));
        return cli_exit_of(err->code);
    }
    fprintf(stderr, "naru: %.*s", STR_ARG(shown));
    if (err->at[0] != '\0')
        fprintf(stderr, " (%.*s)", STR_ARG(cli_clean(cli, str_c(err->at))));
    if (err->code != E_CONFIG)
        fprintf(stderr, " [%s]", err_slug(err->code));
    fputc('\n', stderr);
    if (cli->request[0] != '\0')
        fprintf(stderr, "request %s\n", cli->request);
    if (advice != NULL && advice->en != NULL)
        fprintf(stderr, "%s\n", cli->korean ? advice->ko : advice->en);
    return cli_exit_of(err->code);
}

void cli_note(const struct cli *cli, const char *format, ...)
{
    va_list args;

    if (cli->quiet || cli->json)
        return;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_print_buf(const struct cli *cli, const struct buf *json)
{
    (void)cli;
    if (buf_failed(json) || fwrite(json->p, 1, json->n, stdout) != json->n ||
        fputc('\n', stdout) == EOF)
        return CLI_REFUSED;
    return CLI_OK;
}

int cli_print_json(const struct cli *cli, const struct jval *value)
{
    AUTO(buf_done) struct buf out = buf_init(MIB(64));

    jval_write(&out, value);
    return cli_print_buf(cli, &out);
}

struct str cli_text(const struct cli *cli, const struct jval *value)
{
    const struct str ko = jval_str(jval_get(value, "ko"));
    const struct str en = jval_str(jval_get(value, "en"));

    if (jtype_of(value) == J_STR)
        return jval_str(value);
    if (cli->korean)
        return ko.n > 0 ? ko : en;
    return en.n > 0 ? en : ko;
}

/* C0 and DEL, and C1 as UTF-8 (C2 80…9F): what a terminal would obey. Line feeds stay. */
struct str cli_clean(struct cli *cli, struct str s)
{
    char *copy = arena_alloc(cli->arena, s.n);

    if (copy == NULL)
        return STR("");
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        const bool c1 = c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0;

        copy[i] = (c < 0x20 && c != '\n') || c == 0x7F || c1 ? '?' : s.p[i];
        if (c1)
            copy[++i] = '?';
    }
    return str_n(copy, s.n);
}
