/*
 * cli/audit_pull.c - naru audit pull: a mirror of the log, made or brought up to date
 *
 * The order of writing keeps a mirror whole at every moment: tiles and entries first, each file at
 * once and for good; then the checkpoint that covers them; last, partial files that a wider one has
 * replaced are removed. So a pull that was cut off is simply done again. Before anything is written
 * the new checkpoint must be signed by the key of the mirror's first pull and be consistent with the
 * newest one that it holds. If it is not, both are kept (checkpoints/): together they prove that the
 * log's history was rewritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verify.h"
#include "lib/base/encode.h"
#include "lib/base/limits.h"
#include "lib/tlog/tlog.h"

#include "lib/base/banned.h"

#define TILE_BYTES (TLOG_TILE_WIDTH * TLOG_HASH_LEN)
#define SHOW_EVERY 64 /* files */

struct pull_args {
    struct str broker, ca, token_file;
};
/* clang-format off */
const struct cli_option audit_pull_options[] = {
    OPTION(struct pull_args, broker,     "broker",     0, "URL",  "base URL of the data bank (default: of the home folder)"),
    OPTION(struct pull_args, ca,         "ca",         0, "FILE", "CA certificates (default: the system's)"),
    OPTION(struct pull_args, token_file, "token-file", 0, "FILE", "token of an auditor"),
    {.name = NULL},
};

/* clang-format on */

struct mirror {
    struct cli *cli;
    struct str dir;  /* absolute */
    struct str made; /* the folder that was made last */
    struct note_verifier key;
    struct str key_text, known_note, newest_note;
    struct tlog_checkpoint known; /* size 0: first pull */
    struct tlog_checkpoint newest;
    int64_t files, bytes;
    uint64_t looked_at;
};

/* -- files --------------------------------------------------------------------------------------- */

static struct str path_of(const struct mirror *m, const char *name)
{
    return arena_printf(m->cli->arena, "%.*s/%s", STR_ARG(m->dir), name);
}

/* Size of a file of the mirror, -1 if it is not there. */
static int64_t size_of(const struct mirror *m, const char *name)
{
    AUTO(buf_done) struct buf path = buf_init(LIMIT_URL);
    struct stat st;

    buf_printf(&path, "%.*s/%s%c", STR_ARG(m->dir), name, '\0');
    return !buf_failed(&path) && stat(path.p, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* Writes beside the file, then puts it in its place. What is on the disk is made sure of later. */
static int write_file(const char *path, struct str content, struct err *err)
{
    AUTO(buf_done) struct buf beside = buf_init(2 * LIMIT_URL);
    ssize_t n = 0;
    int fd;

    buf_printf(&beside, "%s.new%c", path, '\0');
    fd = buf_failed(&beside) ? -1 : open(beside.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_tell(err, E_CONFIG, "", "'%s': %s", path, strerrordesc_np(errno));
    while (content.n > 0 && (n = write(fd, content.p, content.n)) >= 0)
        content = str_from(content, (size_t)n);
    if (close(fd) < 0 || n < 0 || rename(beside.p, path) < 0)
        return err_tell(err, E_IO, "", "'%s': %s", path, strerrordesc_np(errno));
    return 0;
}

/* One call for all files: what a checkpoint covers is on the disk before the checkpoint is. */
static int make_sure(const struct mirror *m, struct err *err)
{
    const char *dir = arena_cstr(m->cli->arena, m->dir);
    const int fd = dir != NULL ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const bool good = fd >= 0 && syncfs(fd) == 0;

    if (fd >= 0)
        close(fd);
    return good ? 0 : err_tell(err, E_IO, "", "'%s': %s", dir, strerrordesc_np(errno));
}

static int save(struct mirror *m, const char *name, struct str content, struct err *err)
{
    const char *path = arena_cstr(m->cli->arena, path_of(m, name));
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    struct str folder;

    if (slash == NULL)
        return err_set(err, E_NO_MEMORY, "", "mirror");
    folder = str_n(path, (size_t)(slash - path));
    if (!str_eq(folder, m->made) && home_make(m->cli, folder, &m->made, err) < 0)
        return err_ret(err);
    if (write_file(path, content, err) < 0)
        return err_ret(err);
    m->files++;
    m->bytes += (int64_t)content.n;
    return 0;
}

static int get(struct mirror *m, const char *path, const char *accept, size_t max,
               struct cli_answer *ret_answer, struct err *err)
{
    const struct cli_request request = {
        .peer = PEER_BROKER,
        .method = "GET",
        .path = arena_printf(m->cli->arena, "/v1/audit/%s", path),
        .accept = accept,
        .max = max,
    };

    return cli_call(m->cli, &request, ret_answer, err);
}

/* -- key and checkpoints ------------------------------------------------------------------------- */

/* The key of the first pull holds for good. */
static int read_key(struct mirror *m, struct err *err)
{
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    struct str kept = STR_NONE;

    if (get(m, "key", "text/plain", KIB(4), &answer, err) < 0)
        return err_ret(err);
    m->key_text = arena_str(m->cli->arena, str_n(answer.body, answer.n));
    if (!str_present(m->key_text))
        return err_set(err, E_NO_MEMORY, "", "key");
    if (size_of(m, "key") >= 0) {
        if (cli_read_file(m->cli, path_of(m, "key"), KIB(4), &kept, err) < 0)
            return err_ret(err);
        if (!str_eq(str_trim(kept), str_trim(m->key_text)))
            return err_tell(err, E_VERIFY, "key",
                            "the log has another key than when this mirror was begun");
    }
    if (note_verifier_parse(str_trim(m->key_text), &m->key, err) < 0)
        return err_ret(err);
    return str_present(kept) ? 0 : save(m, "key", m->key_text, err);
}

static int read_note(const struct mirror *m, struct str note, struct tlog_checkpoint *ret,
                     struct err *err)
{
    uint64_t signers;
    struct str text;

    if (note_verify(note, &m->key, 1, &text, &signers, err) < 0 ||
        tlog_checkpoint_parse(text, ret, err) < 0)
        return err_tell(err, E_VERIFY, "checkpoint", "the checkpoint does not hold: %s", err->text);
    if (!str_eq(ret->origin, m->key.name))
        return err_tell(err, E_VERIFY, "checkpoint", "the checkpoint is of another log: '%.*s'",
                        STR_ARG(ret->origin));
    return 0;
}

static int read_checkpoints(struct mirror *m, struct err *err)
{
    AUTO(cli_answer_done) struct cli_answer answer = {0};

    if (get(m, "checkpoint", "text/plain", NOTE_BYTES, &answer, err) < 0)
        return err_ret(err);
    m->newest_note = arena_str(m->cli->arena, str_n(answer.body, answer.n));
    if (!str_present(m->newest_note))
        return err_set(err, E_NO_MEMORY, "", "checkpoint");
    if (read_note(m, m->newest_note, &m->newest, err) < 0)
        return err_ret(err);
    if (size_of(m, "checkpoint") < 0)
        return 0;
    if (cli_read_file(m->cli, path_of(m, "checkpoint"), NOTE_BYTES, &m->known_note, err) < 0 ||
        read_note(m, m->known_note, &m->known, err) < 0)
        return err_prefix(err, "the mirror's own");
    return 0;
}

/* -- consistency --------------------------------------------------------------------------------- */

static int read_proof(const struct jval *root, struct tlog_proof *proof, struct err *err)
{
    const struct jval *hashes = jval_get(root, "proof");

    if (jtype_of(hashes) != J_ARRAY || jval_len(hashes) > TLOG_PROOF_MAX)
        return err_set(err, E_VERIFY, "/proof", "no list of at most %d hashes", TLOG_PROOF_MAX);
    for (proof->n = 0; proof->n < jval_len(hashes); proof->n++) {
        AUTO(buf_done) struct buf hash = buf_init(TLOG_HASH_LEN);

        if (!decode_base64(&hash, jval_str(jval_at(hashes, proof->n))) || hash.n != TLOG_HASH_LEN)
            return err_set(err, E_VERIFY, "/proof", "hash %zu is malformed", proof->n);
        memcpy(proof->hash[proof->n], hash.p, TLOG_HASH_LEN);
    }
    return 0;
}

static int check_proof(struct mirror *m, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    struct tlog_proof *proof = ARENA_NEW(m->cli->arena, struct tlog_proof);
    const struct str path =
        arena_printf(m->cli->arena, "/v1/audit/proof/consistency?from=%llu&to=%llu",
                     (unsigned long long)m->known.size, (unsigned long long)m->newest.size);

    if (proof == NULL || !str_present(path))
        return err_set(err, E_NO_MEMORY, "", "proof");
    if (cli_json(m->cli, PEER_BROKER, "GET", path, STR_NONE, &doc, err) < 0 ||
        read_proof(jdoc_root(doc), proof, err) < 0)
        return err_ret(err);
    return tlog_consistency_verify(m->known.size, m->known.root, m->newest.size, m->newest.root,
                                   proof, err);
}

/* Checkpoints that contradict each other are worth more than either of them. */
static int keep_both(struct mirror *m, const char *why, struct err *err)
{
    const char *name = arena_cstr(
        m->cli->arena, arena_printf(m->cli->arena, "checkpoints/%llu.%02x%02x%02x%02x",
                                    (unsigned long long)m->newest.size, m->newest.root[0],
                                    m->newest.root[1], m->newest.root[2], m->newest.root[3]));

    if (name == NULL)
        return err_set(err, E_NO_MEMORY, "", "checkpoint");
    if (save(m, name, m->newest_note, err) < 0)
        return err_ret(err);
    return err_tell(err, E_VERIFY, "checkpoint",
                    "the log's history was rewritten: %s; both signed checkpoints are kept (%s)",
                    why, name);
}

static int check_consistency(struct mirror *m, struct err *err)
{
    struct err why = {0};

    if (m->known.size > m->newest.size)
        return keep_both(m, "it is shorter than before", err);
    if (m->known.size == m->newest.size) {
        if (m->known.size > 0 && memcmp(m->known.root, m->newest.root, TLOG_HASH_LEN) != 0)
            return keep_both(m, "it has the same length and another root", err);
        return 0;
    }
    if (m->known.size == 0)
        return 0;
    if (check_proof(m, &why) < 0) {
        if (why.code == E_VERIFY)
            return keep_both(m, "the new entries do not continue the old ones", err);
        *err = why;
        return err_ret(err);
    }
    return 0;
}

/* -- tiles --------------------------------------------------------------------------------------- */

static uint64_t tiles_on(uint64_t size, unsigned level)
{
    const uint64_t nodes = size >> (TLOG_TILE_HEIGHT * level);

    return nodes / TLOG_TILE_WIDTH + (nodes % TLOG_TILE_WIDTH != 0);
}

static void show(struct mirror *m, bool last)
{
    if (!m->cli->progress || (!last && m->looked_at++ % SHOW_EVERY != 0))
        return;
    fprintf(stderr, "\r%lld files, %lld KiB", (long long)m->files, (long long)(m->bytes / 1024));
    if (last)
        fputc('\n', stderr);
    (void)fflush(stderr);
}

/* A file that is there is not asked for again: its name says that it never changes. */
static int get_tile(struct mirror *m, struct tlog_path path, struct err *err)
{
    AUTO(cli_answer_done) struct cli_answer answer = {0};
    AUTO(buf_done) struct buf name = buf_init(512);
    const size_t wanted = (size_t)path.tile.width * TLOG_HASH_LEN;
    struct str entries[TLOG_TILE_WIDTH];
    int64_t size;
    size_t n = 0;

    tlog_path_format(path, &name);
    buf_add_char(&name, '\0');
    show(m, false);
    size = size_of(m, name.p);
    if (path.entries ? size > 0 : size == (int64_t)wanted)
        return 0;
    if (get(m, name.p, "application/octet-stream", path.entries ? VERIFY_BUNDLE_MAX : TILE_BYTES,
            &answer, err) < 0)
        return err_ret(err);
    if (path.entries ? tlog_bundle_decode(str_n(answer.body, answer.n), entries, &n, err) < 0 ||
                           n != path.tile.width
                     : answer.n != wanted)
        return err_tell(err, E_PEER_SYNTAX, name.p, "the data bank gave no proper '%s'", name.p);
    return save(m, name.p, str_n(answer.body, answer.n), err);
}

static int get_tiles(struct mirror *m, struct err *err)
{
    for (unsigned level = 0; level < TLOG_TILE_LEVELS; level++) {
        for (uint64_t i = 0; i < tiles_on(m->newest.size, level); i++) {
            const struct tlog_tile tile = {level, i, tlog_tile_width(m->newest.size, level, i)};

            if (get_tile(m, (struct tlog_path){.tile = tile}, err) < 0 ||
                (level == 0 &&
                 get_tile(m, (struct tlog_path){.entries = true, .tile = tile}, err) < 0))
                return err_ret(err);
        }
    }
    return 0;
}

/* Partial files of the known checkpoint that have a wider successor. */
static void drop_narrow(const struct mirror *m, bool entries, unsigned level)
{
    const uint64_t nodes = m->known.size >> (TLOG_TILE_HEIGHT * level);
    const uint64_t index = nodes / TLOG_TILE_WIDTH;
    const struct tlog_tile tile = {level, index, (unsigned)(nodes % TLOG_TILE_WIDTH)};
    AUTO(buf_done) struct buf name = buf_init(LIMIT_URL);

    if (tile.width == 0 || tile.width == tlog_tile_width(m->newest.size, level, index))
        return;
    buf_printf(&name, "%.*s/", STR_ARG(m->dir));
    tlog_path_format((struct tlog_path){entries, tile}, &name);
    buf_add_char(&name, '\0');
    if (buf_failed(&name))
        return;
    (void)unlink(name.p);
    *strrchr(name.p, '/') = '\0';
    (void)rmdir(name.p); /* "NNN.p", if it is empty now */
}

static int save_checkpoint(struct mirror *m, struct err *err)
{
    const char *name = arena_cstr(m->cli->arena, arena_printf(m->cli->arena, "checkpoints/%llu",
                                                              (unsigned long long)m->newest.size));

    if (name == NULL)
        return err_set(err, E_NO_MEMORY, "", "checkpoint");
    if (make_sure(m, err) < 0 || save(m, name, m->newest_note, err) < 0 ||
        save(m, "checkpoint", m->newest_note, err) < 0 || make_sure(m, err) < 0)
        return err_ret(err);
    for (unsigned level = 0; level < TLOG_TILE_LEVELS; level++)
        drop_narrow(m, false, level);
    drop_narrow(m, true, 0);
    return 0;
}

/* -- command ------------------------------------------------------------------------------------- */

/* With --broker no home folder is needed. */
static int find_broker(struct cli *cli, const struct pull_args *in, struct err *err)
{
    struct str token, ca;

    if (!str_present(in->broker) && cli_home(cli, err) < 0)
        return err_ret(err);
    if (home_path(cli, "--ca", in->ca, &ca, err) < 0 ||
        home_path(cli, "--token-file", in->token_file, &token, err) < 0)
        return err_ret(err);
    if (str_present(in->broker) && token.n == 0)
        return err_tell(err, E_CONFIG, "--token-file", "'--broker' wants '--token-file' too");
    if (str_present(in->broker)) {
        cli->home.loaded = true;
        cli->home.broker_url = in->broker;
    }
    if (ca.n > 0)
        cli->home.ca_file = ca;
    if (token.n > 0)
        cli->home.broker_token_file = token;
    return 0;
}

static int report(const struct mirror *m)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));
    struct jw w = jw_init(&out);

    if (!m->cli->json) {
        printf("%llu entries, %llu new\n", (unsigned long long)m->newest.size,
               (unsigned long long)(m->newest.size - m->known.size));
        return CLI_OK;
    }
    jw_object(&w);
    jw_kstr(&w, "mirror", m->dir);
    jw_kstr(&w, "log", m->newest.origin);
    jw_ki64(&w, "entries", (int64_t)m->newest.size);
    jw_ki64(&w, "new", (int64_t)(m->newest.size - m->known.size));
    jw_ki64(&w, "files", m->files);
    jw_ki64(&w, "bytes", m->bytes);
    jw_object_end(&w);
    return cli_print_buf(m->cli, &out);
}

static int pull(struct mirror *m, struct err *err)
{
    if (read_key(m, err) < 0 || read_checkpoints(m, err) < 0 || check_consistency(m, err) < 0 ||
        get_tiles(m, err) < 0)
        return err_ret(err);
    show(m, true);
    return save_checkpoint(m, err);
}

int cmd_audit_pull(struct cli *cli, int argc, char **argv)
{
    struct mirror m = {.cli = cli};
    struct pull_args in = {0};
    struct err err = {0};
    int code;

    if (!cli_options(cli, audit_pull_options, &in, 1, 1, &argc, argv))
        return CLI_USAGE;
    if (find_broker(cli, &in, &err) < 0 || home_make(cli, str_c(argv[0]), &m.dir, &err) < 0)
        return cli_fail(cli, &err);
    code = pull(&m, &err) < 0 ? cli_fail(cli, &err) : report(&m);
    note_verifier_done(&m.key);
    return code;
}
