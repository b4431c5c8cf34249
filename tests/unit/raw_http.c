/*
 * tests/unit/raw_http.c - an HTTP client that sends exactly the bytes it is given
 */
#include "tests/unit/raw_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/banned.h"

#define PATIENCE_MS 10000

int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "connect: %s",
                  strerror(errno));
    return fd;
}

void raw_send(int fd, const void *p, size_t n)
{
    const char *bytes = p;

    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0)
            return; /* refused and closed already: the answer tells */
        bytes += sent;
        n -= (size_t)sent;
    }
}

void raw_send_c(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

/* One read with patience: > 0 bytes, 0 end, -1 reset. */
static ssize_t read_some(int fd, char *p, size_t n)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    ssize_t got;

    ck_assert_msg(poll(&one, 1, PATIENCE_MS) == 1, "no bytes within %d ms", PATIENCE_MS);
    got = recv(fd, p, n, 0);
    return got < 0 ? -1 : got;
}

struct str raw_header(const struct raw_answer *answer, const char *name)
{
    struct str rest = str_c(answer->head);

    while (str_present(rest)) {
        struct str value = str_cut(&rest, '\n');
        struct str key = str_cut(&value, ':');

        if (str_present(value) && str_eq_nocase(key, str_c(name)))
            return str_trim(value);
    }
    return STR("");
}

static bool fill_head(int fd, struct raw_answer *answer)
{
    size_t n = 0;

    while (n < 4 || memcmp(answer->head + n - 4, "\r\n\r\n", 4) != 0) {
        ssize_t got;

        ck_assert_uint_lt(n, sizeof(answer->head) - 1);
        got = read_some(fd, answer->head + n, 1);
        if (got <= 0) {
            answer->reset = got < 0;
            answer->head[n] = '\0';
            return false;
        }
        n += (size_t)got;
    }
    answer->head[n] = '\0';
    ck_assert_msg(strncmp(answer->head, "HTTP/1.", 7) == 0, "not a status line: %.40s",
                  answer->head);
    answer->status = (int)strtol(answer->head + 9, NULL, 10);
    return true;
}

static bool take(int fd, struct raw_answer *answer, size_t n)
{
    answer->body = realloc(answer->body, answer->body_n + n + 1);
    ck_assert_ptr_nonnull(answer->body);
    while (n > 0) {
        ssize_t got = read_some(fd, answer->body + answer->body_n, n);

        if (got <= 0) {
            answer->reset = got < 0;
            break;
        }
        answer->body_n += (size_t)got;
        n -= (size_t)got;
    }
    answer->body[answer->body_n] = '\0';
    return n == 0;
}

static bool take_chunks(int fd, struct raw_answer *answer)
{
    for (;;) {
        char line[32];
        size_t n = 0;
        size_t size;

        do {
            ssize_t got = read_some(fd, line + n, 1);

            if (got <= 0) {
                answer->reset = got < 0;
                return false;
            }
            ck_assert_uint_lt(++n, sizeof(line) - 1);
        } while (line[n - 1] != '\n');
        line[n] = '\0';
        size = (size_t)strtoul(line, NULL, 16);
        if (!take(fd, answer, size + 2))
            return false;
        answer->body_n -= 2; /* CRLF */
        answer->body[answer->body_n] = '\0';
        if (size == 0)
            return true;
    }
}

struct raw_answer raw_read(int fd, bool head)
{
    struct raw_answer answer = {0};
    struct str length;
    int64_t n = 0;

    do {
        if (!fill_head(fd, &answer))
            return answer;
    } while (answer.status < 200);
    if (head || answer.status == 204 || answer.status == 304) {
        answer.complete = true;
        return answer;
    }
    if (str_eq_nocase(raw_header(&answer, "Transfer-Encoding"), STR("chunked"))) {
        answer.complete = take_chunks(fd, &answer);
        return answer;
    }
    length = raw_header(&answer, "Content-Length");
    if (length.n > 0) {
        ck_assert(str_to_i64(length, &n));
        answer.complete = take(fd, &answer, (size_t)n);
        return answer;
    }
    while (take(fd, &answer, 4096))
        ;
    answer.complete = !answer.reset;
    return answer;
}

void raw_answer_done(struct raw_answer *answer)
{
    free(answer->body);
    *answer = (struct raw_answer){0};
}

struct raw_answer raw_call(uint16_t port, const void *p, size_t n)
{
    int fd = raw_connect(port);
    struct raw_answer answer;

    raw_send(fd, p, n);
    answer = raw_read(fd, n > 5 && memcmp(p, "HEAD ", 5) == 0);
    close(fd);
    return answer;
}

struct raw_answer raw_call_c(uint16_t port, const char *text)
{
    return raw_call(port, text, strlen(text));
}

bool raw_closed_within(int fd, int seconds)
{
    struct timespec now;
    time_t until;
    char dropped[512];

    clock_gettime(CLOCK_MONOTONIC, &now);
    until = now.tv_sec + seconds;
    while (now.tv_sec <= until) {
        struct pollfd one = {.fd = fd, .events = POLLIN};

        if (poll(&one, 1, 1000) == 1 && recv(fd, dropped, sizeof(dropped), 0) <= 0)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return false;
}

bool wait_until(bool (*fn)(void *cls), void *cls)
{
    struct timespec now;
    time_t until;

    clock_gettime(CLOCK_MONOTONIC, &now);
    until = now.tv_sec + PATIENCE_MS / 1000;
    while (!fn(cls)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until)
            return false;
        poll(NULL, 0, 2);
    }
    return true;
}
