/*
 * Starts a private PostgreSQL server for unit tests.
 */
#include "help_pg.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/env.h"
#include "lib/base/timefmt.h"
#include "lib/db/db.h"

#include "lib/base/banned.h"

#define READY_US (60 * US_PER_S)

static const struct passwd *server_user(void)
{
    const struct passwd *pw;

    if (getuid() != 0)
        return getpwuid(getuid());
    pw = getpwnam("postgres");
    return pw != NULL ? pw : getpwnam("nobody");
}

static pid_t spawn(const char *const argv[], const char *folder)
{
    const struct passwd *pw = server_user();
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    char log[96];
    (void)snprintf(log, sizeof(log), "%s/log", folder);
    if (getuid() == 0 &&
        (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 ||
        chdir(folder) != 0)
        _exit(126);
    const char *env[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
    (void)execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    _exit(127);
}

static bool finished_well(pid_t pid)
{
    int status;

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Path of a program of the newest installed PostgreSQL. */
static bool find_program(const char *name, char *out, size_t n)
{
    char pattern[64];
    glob_t found;

    (void)snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    (void)snprintf(out, n, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return true;
}

static bool wait_ready(const struct pg_server *server)
{
    int64_t end_us = env_mono_us(&env_system) + READY_US;
    struct db_cfg cfg = {.kind = DB_PG, .target = server->target};

    while (env_mono_us(&env_system) < end_us) {
        AUTO(db_close) struct db *db = NULL;
        struct err err = {0};
        if (db_open(&cfg, &db, &err) == 0)
            return true;
        if (waitpid(server->pid, NULL, WNOHANG) != 0)
            return false;
        (void)usleep(20000);
    }
    return false;
}

static bool launch(struct pg_server *server)
{
    char program[96], data[96], sockets[96];

    if (!find_program("postgres", program, sizeof(program)))
        return false;
    (void)snprintf(data, sizeof(data), "%s/data", server->folder);
    (void)snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", server->folder);
    const char *const argv[] = {program,
                                "-D",
                                data,
                                "-c",
                                sockets,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                "fsync=off",
                                "-c",
                                "shared_buffers=16MB",
                                "-c",
                                "deadlock_timeout=50ms",
                                NULL};
    (void)snprintf(server->target, sizeof(server->target), "host=%s user=naru dbname=postgres",
                   server->folder);
    server->pid = spawn(argv, server->folder);
    return server->pid > 0 && wait_ready(server);
}

static bool make_cluster(struct pg_server *server)
{
    const struct passwd *pw = server_user();
    char program[96], data[96];

    if (!find_program("initdb", program, sizeof(program))) {
        (void)snprintf(server->why, sizeof(server->why),
                       "no /usr/lib/postgresql/*/bin/initdb (postgresql)");
        return false;
    }
    (void)snprintf(server->folder, sizeof(server->folder), "/tmp/naru-pg-XXXXXX");
    if (pw == NULL || mkdtemp(server->folder) == NULL ||
        chown(server->folder, pw->pw_uid, pw->pw_gid) != 0) {
        (void)snprintf(server->why, sizeof(server->why), "no folder or no user for the server");
        return false;
    }
    (void)snprintf(data, sizeof(data), "%s/data", server->folder);
    const char *const argv[] = {program, "-D",         data,        "-U",
                                "naru",  "-A",         "trust",     "-E",
                                "UTF8",  "--locale=C", "--no-sync", "--no-instructions",
                                NULL};
    if (finished_well(spawn(argv, server->folder)))
        return true;
    (void)snprintf(server->why, sizeof(server->why), "initdb failed, see %s/log", server->folder);
    return false;
}

void pg_server_start(struct pg_server *server)
{
    *server = (struct pg_server){0};
    if (make_cluster(server)) {
        if (launch(server))
            return;
        (void)snprintf(server->why, sizeof(server->why), "the server does not start, see %s/log",
                       server->folder);
    }
    server->target[0] = '\0';
    (void)fprintf(stderr, "# skip: PostgreSQL: %s\n", server->why);
}

void pg_server_kill(struct pg_server *server)
{
    /* the postmaster's children notice its death and end by themselves */
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
}

void pg_server_restart(struct pg_server *server)
{
    static const char *const locks[] = {"data/postmaster.pid", ".s.PGSQL.5432.lock"};
    int64_t end_us = env_mono_us(&env_system) + READY_US;
    char path[128];

    /* the killed server is a zombie until its parent looks, which its lock files would take for life */
    for (size_t i = 0; i < ARRAY_LEN(locks); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", server->folder, locks[i]);
        (void)unlink(path);
    }
    while (!launch(server)) { /* until the old children have let go of the shared memory */
        if (env_mono_us(&env_system) > end_us)
            abort();
        (void)usleep(20000);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void pg_server_stop(struct pg_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGQUIT);
        (void)waitpid(server->pid, NULL, 0);
    }
    if (server->folder[0] != '\0')
        (void)nftw(server->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
