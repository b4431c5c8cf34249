/*
 * lib/net/url.c - what a URL must be before it is queued
 *
 * This is form only. Whether the host may be contacted is decided by the address filter when the
 * socket is opened, because a name or number has too many spellings to be judged as text.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/base/limits.h"
#include "lib/net/fetch_private.h"

#include "lib/base/banned.h"

/*
 * Visible ASCII without what browsers and libraries repair in different ways: backslashes, a third
 * slash.
 */
static bool clean(const char *url)
{
    if (strstr(url, ":///") != NULL)
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '\\')
            return false;
    return true;
}

static void add_lower(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        buf_add_char(out, *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c);
}

static int take_parts(const struct fetcher *fetcher, CURLU *parts, struct buf *ret_key,
                      struct err *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    int result = 0;

    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        result = err_set(err, E_PEER_ADDRESS, "", "URL has no scheme or host");
    else if (strcmp(scheme, "https") != 0 && !(fetcher->allow_http && strcmp(scheme, "http") == 0))
        result = err_set(err, E_PEER_ADDRESS, "", "scheme '%s' is not allowed", scheme);
    if (result == 0) {
        buf_add_c(ret_key, scheme);
        buf_add_c(ret_key, "://");
        add_lower(ret_key, host);
        buf_printf(ret_key, ":%s", port);
        if (buf_failed(ret_key))
            result = err_set(err, E_NO_MEMORY, "", "peer of a URL");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return result;
}

int fetch__url_check(const struct fetcher *fetcher, const char *url, struct buf *ret_key,
                     struct err *err)
{
    CURLU *parts;
    CURLUcode code;
    int result;

    if (strlen(url) > LIMIT_URL || !clean(url))
        return err_set(err, E_PEER_ADDRESS, "",
                       "URL is too long or has bytes that must be escaped");
    parts = curl_url();
    if (parts == NULL)
        return err_set(err, E_NO_MEMORY, "", "URL");
    code = curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (code == CURLUE_OK)
        result = take_parts(fetcher, parts, ret_key, err);
    else
        result = err_set(err, code == CURLUE_OUT_OF_MEMORY ? E_NO_MEMORY : E_PEER_ADDRESS, "",
                         "URL '%.80s': %s", url, curl_url_strerror(code));
    curl_url_cleanup(parts);
    return result;
}

/* The address that a host is written as, or is by its name: localhost. False for other names. */
static bool literal(struct str host, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (void *)ret;
    struct sockaddr_in6 *six = (void *)ret;
    char text[INET6_ADDRSTRLEN + 1];

    *ret = (struct sockaddr_storage){0};
    if (host.n > 2 && host.p[0] == '[')
        host = str_n(host.p + 1, host.n - 2);
    if (str_eq(host, STR("localhost")))
        host = STR("127.0.0.1");
    if (host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        ret->ss_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        ret->ss_family = AF_INET6;
        return true;
    }
    return false;
}

int fetch_url_check(const struct fetcher *fetcher, struct str url, struct buf *ret_peer,
                    struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_URL + 1);
    const size_t before = ret_peer->n;
    struct sockaddr_storage address;
    struct str host;

    buf_add_str(&text, url);
    buf_add_char(&text, '\0');
    if (buf_failed(&text) || memchr(url.p, '\0', url.n) != NULL)
        return err_set(err, E_PEER_ADDRESS, "",
                       "URL is too long or has bytes that must be escaped");
    if (fetch__url_check(fetcher, text.p, ret_peer, err) < 0)
        return err_ret(err);
    host = str_from(buf_str(ret_peer), before);
    host = str_from(host, (size_t)(strstr(ret_peer->p + before, "://") - host.p) + 3);
    while (host.n > 0 && host.p[host.n - 1] != ':')
        host.n--;
    host.n--;
    if (literal(host, &address) && !fetch_address_allowed(fetcher, (const void *)&address))
        return err_set(err, E_PEER_ADDRESS, "", "address '%.*s' is not allowed", STR_ARG(host));
    return 0;
}
