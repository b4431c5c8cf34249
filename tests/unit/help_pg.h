/*
 * tests/unit/help_pg.h - a PostgreSQL server of the test's own, in a new folder, on a Unix socket
 *
 * Started in main() before the suite and stopped after it; as root it runs as "postgres" or "nobody", since the server refuses root.
 * It dies with the test program.
 */
#pragma once

#include <sys/types.h>

struct pg_server {
    char folder[64];
    char target[160]; /* conninfo; "" if no server could be started */
    char why[160];    /* then: what is missing */
    pid_t pid;
};

/* Waits until the server answers. On failure target is "" and a line "# skip: …" is written to stderr. */
void pg_server_start(struct pg_server *server);
/* Waits until it is ready again after pg_server_kill. */
void pg_server_restart(struct pg_server *server);
/* As a crash: no farewell to clients. */
void pg_server_kill(struct pg_server *server);
void pg_server_stop(struct pg_server *server);
