/*
 * lib/run/run.c - settings, signals, readiness
 */
#include "lib/run/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/limits.h"
#include "lib/log/log.h"

#include "lib/base/banned.h"

#define DESCRIPTORS 65536

extern char **environ;

static void served_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
}

void run_block_signals(void)
{
    sigset_t set;

    served_signals(&set);
    sigaddset(&set, SIGPIPE);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
}

static int next_signal(void)
{
    sigset_t set;
    int number = 0;

    served_signals(&set);
    CHECK(sigwait(&set, &number) == 0);
    return number;
}

/* A descriptor per connection and per file that is served: the usual soft limit is too low. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    IGNORE(setrlimit(RLIMIT_NOFILE, &limit), "then fewer connections are taken");
}

/*
 * A thread that wakes another finishes what it does first, instead of being pushed aside for each message that it hands on:
 * more is done together, for some 10 % less CPU under load. Threads inherit it.
 */
static void work_in_batches(void)
{
    const struct sched_param normal = {0};

    IGNORE(sched_setscheduler(0, SCHED_BATCH, &normal), "then threads interrupt each other more");
}

/* sd_notify(3) without the library: one datagram to the socket that the service manager names. */
static void notify_service_manager(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const size_t n = strlen(path);
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (n > 0 && n < sizeof(to.sun_path)) {
        memcpy(to.sun_path, path, n);
        if (path[0] == '@')
            to.sun_path[0] = '\0';
        (void)sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    }
    close(fd);
}

void run_ready(void)
{
    const char *socket_path = getenv("NOTIFY_SOCKET");
    const char *ready_file = getenv("READY_FILE");

    if (socket_path != NULL)
        notify_service_manager(socket_path);
    if (ready_file != NULL) {
        const int fd = open(ready_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd >= 0) {
            (void)!write(fd, "ready\n", 6);
            close(fd);
        }
    }
}

static void reload(struct run *run, int (*apply)(void *cls, const void *fresh, struct err *err),
                   void *cls)
{
    AUTO(buf_done) struct buf restart = buf_init(KIB(4));
    const void *fresh = NULL;
    struct err err = {0};

    if (conf_reload(&run->sources, run->settings, &fresh, &restart, &err) < 0 ||
        apply(cls, fresh, &err) < 0) {
        log_err_at(LOG_ERROR, NULL, "reload refused, the old settings stay", &err);
        return;
    }
    run->settings = fresh;
    log_info(NULL, "settings and certificates reloaded");
    if (buf_str(&restart).n > 0)
        log_warning(NULL, "some settings change only with a restart",
                    L_STR("settings", buf_str(&restart)));
}

void run_until_stopped(struct run *run, int (*apply)(void *cls, const void *fresh, struct err *err),
                       void *cls)
{
    while (next_signal() == SIGHUP)
        reload(run, apply, cls);
}

int run_main(const struct conf_table *table, void *settings, size_t bytes, int argc, char **argv,
             int (*serve)(struct run *run))
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(4));
    struct run run = {
        settings, arena, {table, bytes, argc, argv, environ, NULL}
    };
    enum conf_action action = CONF_RUN;
    struct err err = {0};
    int status = 0;

    if (arena == NULL ||
        conf_load(table, argc, argv, environ, arena, settings, &action, &err) < 0) {
        fprintf(stderr, "%s: %s%s%s\n", table->program, err.at, err.at[0] != '\0' ? ": " : "",
                err.text);
        return 2;
    }
    raise_descriptor_limit();
    work_in_batches();
    switch (action) {
    case CONF_HELP: conf_help(table, stdout); break;
    case CONF_VERSION: printf("%s %s\n", table->program, NARU_VERSION); break;
    case CONF_PRINT: conf_print(table, settings, stdout); break;
    case CONF_CHECK: puts("configuration is valid"); break;
    case CONF_RUN: status = serve(&run); break;
    }
    conf_sources_done(&run.sources);
    return status;
}
