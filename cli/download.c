/*
 * cli/download.c - one body into a file: resumed, hashed, with a progress bar
 *
 * The head and sink callbacks run in the fetcher's thread while this thread waits in fetch_call.
 */
#include "cli/download.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define LIFE_US     (24 * US_PER_H)
#define SHOW_US     (US_PER_S / 10)
#define LEAST_RATE  1024 /* bytes per second; slower for 30 s is a dead peer */
#define REFUSAL_MAX KIB(64)
#define BAR_COLUMNS 30
#define TRIES       5

struct running {
    struct cli *cli;
    const char *part; /* path of file.part */
    int fd;
    struct hash *hash;
    int64_t had, got; /* bytes there before, bytes of this answer */
    int64_t length;   /* of this answer, -1: unknown */
    int64_t start_us, shown_us;
    int status;
    struct buf refusal;
    uint8_t expected[SHA256_LEN];
    bool has_expected;
    bool unsure; /* the rest was refused: begin anew */
    int write_errno;
};

static const char *part_of(struct cli *cli, struct str file)
{
    return arena_cstr(cli->arena, arena_printf(cli->arena, "%.*s.part", STR_ARG(file)));
}

/* Repr-Digest: sha-256=:<base64>:, perhaps among others (RFC 9530 §3). */
static void read_digest(struct running *r, struct str header)
{
    AUTO(buf_done) struct buf digest = buf_init(SHA256_LEN);

    while (str_present(header)) {
        struct str item = str_trim(str_cut(&header, ','));

        if (!str_starts(item, STR("sha-256=:")) || !str_ends(item, STR(":")))
            continue;
        item = str_from(item, 9);
        item.n = item.n > 0 ? item.n - 1 : 0;
        if (decode_base64(&digest, item) && digest.n == SHA256_LEN) {
            memcpy(r->expected, digest.p, SHA256_LEN);
            r->has_expected = true;
        }
        return;
    }
}

/* The other side did not continue: what is there is worth nothing. */
static enum fetch_flow begin_anew(struct running *r)
{
    if (r->had > 0 && (ftruncate(r->fd, 0) < 0 || lseek(r->fd, 0, SEEK_SET) < 0)) {
        r->write_errno = errno;
        return FETCH_STOP;
    }
    hash_free(&r->hash);
    r->hash = hash_begin();
    r->had = 0;
    return FETCH_GO;
}

static enum fetch_flow on_head(void *cls, const struct fetch_response *response)
{
    struct running *r = cls;

    r->status = response->status;
    if (!str_to_i64(fetch_response_header(response->job, "Content-Length"), &r->length))
        r->length = -1;
    read_digest(r, fetch_response_header(response->job, "Repr-Digest"));
    /* a rest without digest of the whole might belong to another version */
    r->unsure = r->status == 206 && r->had > 0 && !r->has_expected;
    if (r->unsure)
        return FETCH_STOP;
    return r->status == 200 ? begin_anew(r) : FETCH_GO;
}

static void readable(int64_t bytes, char out[static 32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int64_t tenths = bytes * 10;
    size_t unit = 0;

    while (tenths >= 10240 && unit + 1 < ARRAY_LEN(units)) {
        tenths /= 1024;
        unit++;
    }
    snprintf(out, 32, "%lld.%lld %s", (long long)(tenths / 10), (long long)(tenths % 10),
             units[unit]);
}

static void show(struct running *r, bool last)
{
    const int64_t now_us = env_mono_us(r->cli->env);
    const int64_t took_us = now_us - r->start_us + 1;
    const int64_t rate = (int64_t)((double)r->got * 1e6 / (double)took_us);
    char done[32], speed[32], bar[BAR_COLUMNS + 1];
    int filled = BAR_COLUMNS;

    if (!r->cli->progress || (!last && now_us - r->shown_us < SHOW_US))
        return;
    r->shown_us = now_us;
    readable(r->had + r->got, done);
    readable(rate, speed);
    if (r->length > 0)
        filled = (int)((double)(r->had + r->got) / (double)(r->had + r->length) * BAR_COLUMNS);
    memset(bar, '.', BAR_COLUMNS);
    memset(bar, '#', (size_t)(filled > BAR_COLUMNS ? BAR_COLUMNS : filled));
    bar[BAR_COLUMNS] = '\0';
    fprintf(stderr, "\r[%s] %s  %s/s", bar, done, speed);
    if (r->length > 0 && rate > 0 && !last)
        fprintf(stderr, "  %lld s ", (long long)((r->length - r->got) / rate));
    fprintf(stderr, last ? "        \n" : "   ");
    (void)fflush(stderr);
}

static enum fetch_flow on_piece(void *cls, const void *p, size_t n)
{
    struct running *r = cls;
    struct str rest = str_n(p, n);

    if (r->status >= 300) {
        buf_add(&r->refusal, p, n);
        return FETCH_GO;
    }
    while (rest.n > 0) {
        const ssize_t written = write(r->fd, rest.p, rest.n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            r->write_errno = errno;
            return FETCH_STOP;
        }
        rest = str_from(rest, (size_t)written);
    }
    hash_add(r->hash, p, n);
    r->got += (int64_t)n;
    show(r, false);
    return FETCH_GO;
}

/* Opens the part and hashes what is there. */
static int open_part(struct running *r, bool again, struct err *err)
{
    char piece[65536];
    ssize_t n;

    r->fd = open(r->part, O_RDWR | O_CREAT | O_CLOEXEC | (again ? O_TRUNC : 0), 0600);
    if (r->fd < 0)
        return err_tell(err, E_CONFIG, "", "'%s': %s", r->part, strerrordesc_np(errno));
    r->hash = hash_begin();
    while ((n = read(r->fd, piece, sizeof(piece))) > 0) {
        hash_add(r->hash, piece, (size_t)n);
        r->had += n;
    }
    if (n < 0)
        return err_tell(err, E_IO, "", "'%s': %s", r->part, strerrordesc_np(errno));
    return 0;
}

static int ask(struct running *r, const struct download *download, struct err *err)
{
    struct cli *cli = r->cli;
    struct cli_target target;
    struct fetch_request request;
    struct fetcher *fetcher;
    char *body = NULL;
    size_t n = 0;
    int done;

    if (cli_target(cli, PEER_CONNECTOR, download->path, &target, err) < 0 ||
        cli_fetcher(cli, &fetcher, err) < 0)
        return err_ret(err);
    if (r->had > 0)
        target.headers[target.n_headers++] = (struct fetch_header){
            STR("Range"), arena_printf(cli->arena, "bytes=%lld-", (long long)r->had)};
    request = (struct fetch_request){
        .method = "GET",
        .url = target.url,
        .headers = target.headers,
        .n_headers = target.n_headers,
        .deadline_mono_us = env_mono_us(cli->env) + LIFE_US,
        .min_rate = LEAST_RATE,
        .head = on_head,
        .sink = on_piece,
        .cls = r,
    };
    r->start_us = env_mono_us(cli->env);
    r->got = 0;
    r->status = 0;
    buf_reset(&r->refusal);
    done = fetch_call(fetcher, &request, &r->status, &body, &n, err);
    free(body);
    if (r->got > 0)
        show(r, true);
    if (done < 0 && r->write_errno != 0)
        return err_tell(err, E_IO, "", "'%s': %s", r->part, strerrordesc_np(r->write_errno));
    return done;
}

/* Continues after a broken connection as long as each try brings something. */
static int ask_until_done(struct running *r, const struct download *download, struct err *err)
{
    for (int tries = 1;; tries++) {
        if (ask(r, download, err) == 0)
            return 0;
        if (r->unsure && begin_anew(r) == FETCH_GO) {
            r->unsure = false;
            err_clear(err);
            continue;
        }
        if (r->write_errno != 0 || r->got == 0 || tries == TRIES ||
            (err->code != E_PEER_DOWN && err->code != E_PEER_TIMEOUT))
            return err_ret(err);
        cli_note(r->cli, "%s",
                 r->cli->korean ? "연결이 끊겨 이어받습니다" : "connection lost, going on");
        err_clear(err);
        r->had += r->got;
    }
}

static int judge(struct running *r, struct download_result *ret, struct err *err)
{
    uint8_t digest[SHA256_LEN];

    if (r->status >= 300)
        return cli_problem(r->cli, r->status, buf_str(&r->refusal), err);
    hash_end(&r->hash, digest);
    ret->bytes = r->had + r->got;
    ret->digest = hash_hex(digest);
    ret->verified = r->has_expected && memcmp(digest, r->expected, SHA256_LEN) == 0;
    if (r->has_expected && !ret->verified) {
        (void)unlink(r->part);
        return err_tell(err, E_VERIFY, "",
                        "the data are not those that the provider announced: "
                        "digest sha256:%s; fetch again",
                        ret->digest.c);
    }
    return fsync(r->fd) < 0 ? err_tell(err, E_IO, "", "'%s': %s", r->part, strerrordesc_np(errno))
                            : 0;
}

static void running_done(struct running *r)
{
    hash_free(&r->hash);
    buf_done(&r->refusal);
    if (r->fd >= 0)
        (void)close(r->fd);
}

int download_run(struct cli *cli, const struct download *download, struct download_result *ret,
                 struct err *err)
{
    AUTO(running_done)
    struct running r = {.cli = cli,
                        .part = part_of(cli, download->file),
                        .fd = -1,
                        .refusal = buf_init(REFUSAL_MAX)};

    if (r.part == NULL)
        return err_set(err, E_NO_MEMORY, "", "file name");
    if (open_part(&r, download->again, err) < 0 || ask_until_done(&r, download, err) < 0)
        return err_ret(err);
    /* nothing is left to continue with: the part is complete, or of another file; only anew tells */
    if (r.status == 416 && r.had > 0) {
        if (begin_anew(&r) == FETCH_STOP || ftruncate(r.fd, 0) < 0)
            return err_tell(err, E_IO, "", "'%s': %s", r.part, strerrordesc_np(errno));
        if (ask_until_done(&r, download, err) < 0)
            return err_ret(err);
    }
    if (judge(&r, ret, err) < 0) {
        if (r.had + r.got == 0)
            (void)unlink(r.part);
        return err_ret(err);
    }
    return 0;
}

int download_check(struct download_result *result, struct str digest, struct err *err)
{
    if (digest.n == 0)
        return 0;
    if (!str_starts(digest, STR("sha256:")) || !str_eq_c(str_from(digest, 7), result->digest.c))
        return err_tell(
            err, E_VERIFY, "",
            "the data are not those of the catalogue: it says %.*s, these are sha256:%s",
            STR_ARG(digest), result->digest.c);
    result->verified = true;
    return 0;
}

int download_keep(struct cli *cli, struct str file, struct err *err)
{
    const char *part = part_of(cli, file);
    const char *name = arena_cstr(cli->arena, file);

    if (part == NULL || name == NULL || rename(part, name) < 0)
        return err_tell(err, E_IO, "", "'%.*s': %s", STR_ARG(file), strerrordesc_np(errno));
    return 0;
}
