/*
 * cli/home.c - the home folder: naru.conf, keys and tokens of one company or operator
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#include "lib/base/banned.h"

#define AT(member) offsetof(struct home, member)

/* clang-format off */
static const struct conf_key keys[] = {
    /* name               type              member                   default          help */
    {"participant.did",   CONF_STR,         AT(did),                 "", 0, 0, NULL, false, "DID of the company"},
    {"participant.slug",  CONF_STR,         AT(slug),                "", 0, 0, NULL, false, "short name of the company in the data bank"},
    {"identity.key",      CONF_PATH,        AT(key_file),            "company.pem", 0, 0, NULL, false, "private key of the company"},
    {"identity.key_id",   CONF_STR,         AT(key_id),              "key-1", 0, 0, NULL, false, "fragment that names the key in the DID document"},
    {"public.url",        CONF_STR,         AT(public_url),          "", 0, 0, NULL, false, "base URL under which others reach our connector"},
    {"connector.url",     CONF_STR,         AT(connector_url),       "", 0, 0, NULL, false, "base URL of our connector's management API"},
    {"connector.api_key", CONF_SECRET_FILE, AT(api_key_file),        "api-key", 0, 0, NULL, false, "file with the management API's key"},
    {"broker.url",        CONF_STR,         AT(broker_url),          "", 0, 0, NULL, false, "base URL of the data bank"},
    {"broker.did",        CONF_STR,         AT(broker_did),          "", 0, 0, NULL, false, "DID of the data bank"},
    {"broker.token",      CONF_SECRET_FILE, AT(broker_token_file),   "broker-token", 0, 0, NULL, false, "file with the token of the data bank's API"},
    {"operator.url",      CONF_STR,         AT(operator_url),        "", 0, 0, NULL, false, "base URL of the operator listener"},
    {"operator.token",    CONF_SECRET_FILE, AT(operator_token_file), "operator-token", 0, 0, NULL, false, "file with the operator's token"},
    {"fetch.ca",          CONF_PATH,        AT(ca_file),             "", 0, 0, NULL, false, "CA certificates; empty: the system's"},
};
/* clang-format on */

static const struct conf_table home_settings = {
    .program = "naru",
    .env_prefix = "NARU_HOME_SETTING",
    .keys = keys,
    .n = ARRAY_LEN(keys),
};

int cli_home(struct cli *cli, struct err *err)
{
    char program[] = "naru", option[] = "--config";
    const struct str file = arena_printf(cli->arena, "%.*s/naru.conf", STR_ARG(cli->home_dir));
    char path[PATH_MAX];
    char *argv[] = {program, option, path, NULL};
    enum conf_action action;

    if (cli->home.loaded)
        return 0;
    if (file.n >= sizeof(path))
        return err_tell(err, E_CONFIG, "", "the home folder's name is too long");
    memcpy(path, file.p, file.n);
    path[file.n] = '\0';
    if (access(path, R_OK) < 0)
        return err_tell(err, E_CONFIG, "", "no home folder: '%s': %s; make one with 'naru init'",
                        path, strerrordesc_np(errno));
    if (conf_load(&home_settings, 3, argv, NULL, cli->arena, &cli->home, &action, err) < 0)
        return err_ret(err);
    cli->home.dir = cli->home_dir;
    cli->home.loaded = true;
    return 0;
}

/* Makes the folder that path names up to `n` bytes. */
static int make_one(char *path, size_t n, struct err *err)
{
    const char kept = path[n];
    int done;

    path[n] = '\0';
    done = mkdir(path, 0700);
    if (done < 0 && errno != EEXIST)
        return err_tell(err, E_CONFIG, "", "cannot make the folder '%s': %s", path,
                        strerrordesc_np(errno));
    path[n] = kept;
    return 0;
}

int home_make(struct cli *cli, struct str dir, struct str *ret_dir, struct err *err)
{
    char path[PATH_MAX], real[PATH_MAX];

    if (dir.n == 0 || dir.n >= sizeof(path))
        return err_tell(err, E_CONFIG, "", "expected the name of a folder");
    memcpy(path, dir.p, dir.n);
    path[dir.n] = '\0';
    for (size_t i = 1; i <= dir.n; i++) {
        if ((path[i] == '/' || path[i] == '\0') && make_one(path, i, err) < 0)
            return err_ret(err);
    }
    if (realpath(path, real) == NULL)
        return err_tell(err, E_CONFIG, "", "'%s': %s", path, strerrordesc_np(errno));
    *ret_dir = arena_str(cli->arena, str_c(real));
    return 0;
}

static int write_all(int fd, struct str s)
{
    while (s.n > 0) {
        const ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno != EINTR)
            return -1;
        s = str_from(s, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd);
}

int home_write(struct cli *cli, struct str dir, const char *name, struct str content,
               enum home_mode mode, struct err *err)
{
    const char *path =
        arena_cstr(cli->arena, arena_printf(cli->arena, "%.*s/%s", STR_ARG(dir), name));
    const char *target = mode == HOME_REPLACE
                             ? arena_cstr(cli->arena, arena_printf(cli->arena, "%s.new", path))
                             : path;
    int fd, done;

    if (path == NULL || target == NULL)
        return err_set(err, E_NO_MEMORY, "", "path of '%s'", name);
    if (mode == HOME_REPLACE)
        (void)unlink(target);
    fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_tell(err, errno == EEXIST ? E_CONFLICT : E_CONFIG, "", "'%s': %s", target,
                        strerrordesc_np(errno));
    done = write_all(fd, content);
    if (close(fd) < 0 || done < 0)
        return err_tell(err, E_IO, "", "writing '%s' failed", target);
    if (mode == HOME_REPLACE && rename(target, path) < 0)
        return err_tell(err, E_IO, "", "'%s': %s", path, strerrordesc_np(errno));
    return 0;
}

int home_path(struct cli *cli, const char *option, struct str path, struct str *ret_path,
              struct err *err)
{
    const char *given = arena_cstr(cli->arena, path);
    char real[PATH_MAX];

    if (path.n == 0) {
        *ret_path = STR("");
        return 0;
    }
    if (given == NULL || realpath(given, real) == NULL)
        return err_tell(err, E_CONFIG, option, "'%.*s': %s", STR_ARG(path), strerrordesc_np(errno));
    *ret_path = arena_str(cli->arena, str_c(real));
    return 0;
}

int cli_read_file(struct cli *cli, struct str path, size_t max, struct str *ret_text,
                  struct err *err)
{
    const char *name = arena_cstr(cli->arena, path);
    const int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    AUTO(buf_done) struct buf in = buf_init(max);
    ssize_t n = 1;

    if (fd < 0)
        return err_tell(err, E_CONFIG, "", "'%.*s': %s", STR_ARG(path), strerrordesc_np(errno));
    while (n > 0 && !buf_failed(&in)) {
        char piece[65536];

        n = read(fd, piece, sizeof(piece));
        if (n > 0)
            buf_add(&in, piece, (size_t)n);
    }
    (void)close(fd);
    if (n < 0)
        return err_tell(err, E_CONFIG, "", "'%.*s': reading failed", STR_ARG(path));
    if (buf_failed(&in))
        return err_tell(err, E_CONFIG, "", "'%.*s' is larger than %zu bytes", STR_ARG(path), max);
    *ret_text = arena_str(cli->arena, buf_str(&in));
    return str_present(*ret_text) ? 0 : err_set(err, E_NO_MEMORY, "", "file");
}
