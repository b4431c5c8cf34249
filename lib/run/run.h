/*
 * lib/run/run.h - what every daemon of ours does around its work: settings, signals, readiness
 *
 * SIGTERM and SIGINT stop, SIGHUP reloads; signals are blocked in all threads and taken by one
 * sigwait. Call run_block_signals() before the first thread starts.
 */
#pragma once

#include "lib/base/err.h"
#include "lib/conf/conf.h"

/* What serve() is given. */
struct run {
    const void *settings; /* in force at the start */
    struct arena *arena;  /* outlives serve() */
    struct conf_sources sources;
};

void run_block_signals(void);
/* Tells the service manager (NOTIFY_SOCKET) and writes "ready" to the file named by READY_FILE,
 * each if set in the environment. */
void run_ready(void);

/*
 * Returns on SIGTERM or SIGINT. On SIGHUP loads the settings again and hands them to `apply`, which
 * puts them into force as a whole or returns an error; they and all earlier ones stay readable
 * until run_main() ends. Logs what came of it.
 */
void run_until_stopped(struct run *run, int (*apply)(void *cls, const void *fresh, struct err *err),
                       void *cls);

/*
 * main() of a daemon: reads the settings (a struct of `bytes` bytes) from all sources, answers
 * --help, --version, --print-config and --check-config, else calls serve. Exit status: 0, that of
 * serve, or 2 for settings that are not valid.
 */
int run_main(const struct conf_table *table, void *settings, size_t bytes, int argc, char **argv,
             int (*serve)(struct run *run));
