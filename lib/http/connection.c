/*
 * lib/http/connection.c - what is known of one connection: socket, peer, TLS credentials, deadline
 *
 * MHD calls http__connection() when a connection is accepted and before its socket is closed; in
 * between the descriptor may be shut down by the watchdog, which looks at it under http->lock only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>

#include "lib/base/check.h"
#include "lib/http/http_private.h"
#include "lib/log/counters.h"

#include "lib/base/banned.h"

#define ESTABLISHED 1 /* TCP_ESTABLISHED of netinet/tcp.h, which does not go with linux/tcp.h */

struct conn_bytes http__conn_bytes(const struct conn *conn)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof(info);

    if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return (struct conn_bytes){.gone = true};
    return (struct conn_bytes){.in = info.tcpi_bytes_received,
                               .out = info.tcpi_bytes_acked,
                               .stalled = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
                               .gone = info.tcpi_state != ESTABLISHED};
}

void http__conn_reset(const struct conn *conn)
{
    /*
     * connect(2) to AF_UNSPEC dissolves the association: Linux sends RST at once, also with data
     * unsent
     */
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (connect(conn->fd, &nobody, sizeof(nobody)) < 0)
        shutdown(conn->fd, SHUT_RDWR);
}

/* Address of the peer as text, an IPv4 address inside IPv6 as IPv4. */
static void name_peer(struct conn *conn, const struct sockaddr *address)
{
    const struct sockaddr_in6 *six = (const void *)address;
    const struct sockaddr_in *four = (const void *)address;
    const char *text = NULL;

    if (address->sa_family == AF_INET)
        text = inet_ntop(AF_INET, &four->sin_addr, conn->remote, sizeof(conn->remote));
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        text = inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], conn->remote, sizeof(conn->remote));
    else if (address->sa_family == AF_INET6)
        text = inet_ntop(AF_INET6, &six->sin6_addr, conn->remote, sizeof(conn->remote));
    if (text == NULL)
        conn->remote[0] = '\0';
}

static struct conn *take(struct http *http)
{
    struct conn *conn;

    pthread_mutex_lock(&http->lock);
    conn = http->free_conns;
    if (conn != NULL)
        http->free_conns = conn->next;
    pthread_mutex_unlock(&http->lock);
    if (conn == NULL)
        conn = malloc(sizeof(*conn));
    if (conn != NULL)
        *conn = (struct conn){.http = http, .fd = -1};
    return conn;
}

static struct conn *opened(struct http *http, struct MHD_Connection *con)
{
    const union MHD_ConnectionInfo *info;
    struct conn *conn = take(http);

    if (conn == NULL)
        return NULL;
    info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && info->client_addr != NULL)
        name_peer(conn, info->client_addr);
    pthread_mutex_lock(&http->lock);
    if (http->tls != NULL)
        conn->tls = http__tls_ref(http->tls);
    info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_CONNECTION_FD);
    conn->fd = info != NULL ? info->connect_fd : -1;
    http__arm_locked(http, &conn->deadline, DL_HEADER);
    pthread_mutex_unlock(&http->lock);
    if (conn->tls != NULL) {
        info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        /* without our credentials the handshake fails: MHD's own certificate callback refuses */
        if (!EXPECT(info != NULL) || !http__tls_attach(conn, info->tls_session))
            shutdown(conn->fd, SHUT_RDWR);
    }
    gauge_add(C_HTTP_CONNECTIONS, 1);
    return conn;
}

static void closed(struct http *http, struct conn *conn)
{
    struct tls *tls = conn->tls;

    gauge_add(C_HTTP_CONNECTIONS, -1);
    pthread_mutex_lock(&http->lock);
    http__disarm_locked(http, &conn->deadline);
    conn->fd = -1;
    conn->tls = NULL;
    conn->next = http->free_conns;
    http->free_conns = conn;
    pthread_mutex_unlock(&http->lock);
    http__tls_unref(&tls);
}

void http__connection(void *cls, struct MHD_Connection *con, void **context,
                      enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = opened(cls, con);
    } else if (*context != NULL) {
        closed(cls, *context);
        *context = NULL;
    }
}

struct str http__conn_certificate(struct conn *conn, struct MHD_Connection *con)
{
    const union MHD_ConnectionInfo *info;

    if (conn->tls == NULL)
        return STR_NONE;
    if (!conn->peer_known) {
        conn->peer_known = true;
        info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        if (info == NULL || !http__tls_peer(info->tls_session, conn->cert_sha256))
            conn->cert_sha256[0] = '\0';
    }
    return conn->cert_sha256[0] != '\0' ? str_c(conn->cert_sha256) : STR_NONE;
}

void http__conn_pool_free(struct http *http)
{
    while (http->free_conns != NULL) {
        struct conn *conn = http->free_conns;

        http->free_conns = conn->next;
        free(conn);
    }
}
