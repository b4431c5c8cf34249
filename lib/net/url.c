/*
 * lib/net/url.c - what a URL must be before it is queued, and what can be said of one in advance
 *
 * Whether the host may be contacted is decided by the address filter when the socket is opened,
 * because a name or number has too many spellings to be judged as text. fetch_url_check() only
 * spares a stranger, and us, the wait for that decision where the text tells already.
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

/*
 * -- in advance ----------------------------------------------------------------------------------
 */

/* RFC 6761 §6.3 and what /etc/hosts usually adds: this machine under any resolver. */
static bool names_this_machine(struct str host)
{
    static const char *const names[] = {"localhost", "localhost.localdomain", "ip6-localhost",
                                        "ip6-loopback"};
    const struct str below = STR(".localhost");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(host, str_c(names[i])))
            return true;
    return host.n > below.n && str_eq_nocase(str_from(host, host.n - below.n), below);
}

static bool loopback_allowed(const struct fetcher *fetcher)
{
    const struct sockaddr_in four = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

    return fetch_address_allowed(fetcher, (const struct sockaddr *)&four) ||
           fetch_address_allowed(fetcher, (const struct sockaddr *)&six);
}

/* As curl gives it: brackets around IPv6, a zone behind '%', a dot at the end of a full name. */
static bool host_allowed(const struct fetcher *fetcher, struct str host)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    char text[256];

    if (str_starts(host, STR("["))) {
        host = str_from(host, 1);
        host = str_cut(&host, ']');
        host = str_cut(&host, '%');
    } else if (host.n > 1 && host.p[host.n - 1] == '.') {
        host.n--;
    }
    if (host.n == 0 || host.n >= sizeof(text))
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
        return fetch_address_allowed(fetcher, (const struct sockaddr *)&six);
    if (inet_aton(text, &four.sin_addr) != 0) /* "127.1", "0x7f000001", "017700000001" too */
        return fetch_address_allowed(fetcher, (const struct sockaddr *)&four);
    return !names_this_machine(host) || loopback_allowed(fetcher);
}

/* scheme://host:port of fetch__url_check: the host alone. */
static struct str host_of(struct str key)
{
    size_t n;

    key = str_from(key, str_starts(key, STR("https")) ? 8 : 7);
    for (n = key.n; n > 0 && key.p[n - 1] != ':'; n--)
        ;
    return str_n(key.p, n > 0 ? n - 1 : 0);
}

int fetch_url_check(const struct fetcher *fetcher, struct str url, struct buf *ret_peer,
                    struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(LIMIT_URL + 1);
    AUTO(buf_done) struct buf key = buf_init(LIMIT_URL + 64);

    buf_add_str(&text, url);
    if (url.n == 0 || buf_failed(&text) || memchr(url.p, '\0', url.n) != NULL)
        return err_tell(err, E_PEER_ADDRESS, "", "expected a URL of at most %d bytes", LIMIT_URL);
    buf_add_char(&text, '\0');
    if (buf_failed(&text) || fetch__url_check(fetcher, text.p, &key, err) < 0)
        return err->code == E_NO_MEMORY
                   ? err_ret(err)
                   : err_tell(err, E_PEER_ADDRESS, "", "is no URL that we may use");
    if (!host_allowed(fetcher, host_of(buf_str(&key))))
        return err_tell(err, E_PEER_ADDRESS, "",
                        "an address that is not public may not be contacted");
    if (ret_peer != NULL)
        buf_add_str(ret_peer, buf_str(&key));
    return 0;
}
