/*
 * tests/unit/raw_http.h - an HTTP client that sends exactly the bytes it is given
 *
 * All calls fail the test when nothing happens within ten seconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct raw_answer {
    int status;    /* 0: the connection ended before a status line */
    bool complete; /* body ended as its framing says */
    bool reset;    /* connection was reset, not closed */
    char head[8192];
    size_t body_n;
    char *body; /* owned, terminated */
};

/* Connects to 127.0.0.1:port. */
int raw_connect(uint16_t port);
void raw_send(int fd, const void *p, size_t n);
void raw_send_c(int fd, const char *text);
/* Reads one answer; 1xx are skipped. `head` says that the request was HEAD. */
struct raw_answer raw_read(int fd, bool head);
void raw_answer_done(struct raw_answer *answer);
/*
 * Header value of an answer, "" if absent (static storage of the answer is used: valid until the
 * next call).
 */
struct str raw_header(const struct raw_answer *answer, const char *name);
/* Connects, sends, reads one answer, closes. */
struct raw_answer raw_call(uint16_t port, const void *p, size_t n);
struct raw_answer raw_call_c(uint16_t port, const char *text);
/* True if the connection is closed or reset by the other side before `seconds` are over. */
bool raw_closed_within(int fd, int seconds);
/* Waits until fn(cls) is true, at most ten seconds; yields in between. */
bool wait_until(bool (*fn)(void *cls), void *cls);
