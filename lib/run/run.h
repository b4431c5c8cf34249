/*
 * lib/run/run.h - what every daemon of ours does around its work: signals, readiness, shutdown
 *
 * SIGTERM and SIGINT end run_wait() with RUN_STOP, SIGHUP with RUN_RELOAD; signals are blocked in
 * all threads and taken by one sigwait. Call run_block_signals() before the first thread starts.
 */
#pragma once

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"

enum run_event { RUN_STOP, RUN_RELOAD };

void run_block_signals(void);
/* Waits for the next signal. */
enum run_event run_wait(void);
/* Tells the service manager (NOTIFY_SOCKET) and writes "ready" to the file named by READY_FILE,
 * each if set in the environment. */
void run_ready(void);

/*
 * main() of a daemon: reads the settings from all sources, answers --help, --version, --print-config and
 * --check-config, else calls serve(settings). Texts of *settings live in an arena that outlives serve. Exit status: 0, that
 * of serve, or 2 for settings that are not valid.
 */
int run_main(const struct conf_table *table, void *settings, int argc, char **argv,
             int (*serve)(const void *settings, struct arena *arena));
