/*
 * lib/http/tls.c - certificate, key and client CA of a listener; verification of client
 * certificates
 *
 * MHD asks for client certificates but verifies nothing. So each session gets our credentials
 * before its handshake, with a verify function that GnuTLS calls inside the handshake: a peer
 * without an acceptable certificate never sends a byte of HTTP. MHD's own credentials hold nothing
 * but http__tls_refuse(), so a session that was not prepared cannot succeed. A reload makes a new
 * object; sessions keep the one that they began with. There are no session tickets and no early
 * data.
 */
#include <gnutls/x509.h>

#include "lib/base/check.h"
#include "lib/http/http_private.h"

#include "lib/base/banned.h"

#define CHAIN_DEPTH 8    /* certificates in a client's chain */
#define KEY_BITS    8192 /* of any certificate in it */

/*
 * TLS 1.2 and 1.3, authenticated encryption and forward secrecy only (reference/security.md CP-18)
 */
const char http__tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%PROFILE_MEDIUM:"
                                    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
                                    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"
                                    "-MAC-ALL:+AEAD";

struct tls {
    gnutls_certificate_credentials_t credentials;
    enum http_client_cert client_cert;
    atomic_uint refs;
};

struct tls *http__tls_ref(struct tls *tls)
{
    atomic_fetch_add(&tls->refs, 1);
    return tls;
}

void http__tls_unref(struct tls **tls)
{
    struct tls *mine = MOVE(*tls);

    if (mine == NULL || atomic_fetch_sub(&mine->refs, 1) > 1)
        return;
    if (mine->credentials != NULL)
        gnutls_certificate_free_credentials(mine->credentials);
    free(mine);
}

int http__tls_refuse(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **chain, unsigned *n_chain, gnutls_privkey_t *key)
{
    (void)session;
    (void)names;
    (void)n_names;
    (void)algorithms;
    (void)n_algorithms;
    (void)chain;
    (void)n_chain;
    (void)key;
    return -1;
}

static int check_config(const struct http_cfg *cfg, struct err *err)
{
    if (cfg->key_file == NULL)
        return err_set(err, E_CONFIG, "", "listener '%s': certificate '%s' has no key file",
                       cfg->name, cfg->cert_file);
    if (cfg->client_cert != CLIENT_CERT_NONE && cfg->client_ca_file == NULL)
        return err_set(err, E_CONFIG, "",
                       "listener '%s' asks for client certificates and has no CA to verify them",
                       cfg->name);
    return 0;
}

int http__tls_load(const struct http_cfg *cfg, struct tls **ret_tls, struct err *err)
{
    AUTO(http__tls_unref) struct tls *tls = NULL;
    int n;

    if (check_config(cfg, err) < 0)
        return err_ret(err);
    tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return err_set(err, E_NO_MEMORY, "", "TLS of listener '%s'", cfg->name);
    atomic_init(&tls->refs, 1);
    tls->client_cert = cfg->client_cert;
    if (gnutls_certificate_allocate_credentials(&tls->credentials) < 0)
        return err_set(err, E_NO_MEMORY, "", "TLS of listener '%s'", cfg->name);
    n = gnutls_certificate_set_x509_key_file2(tls->credentials, cfg->cert_file, cfg->key_file,
                                              GNUTLS_X509_FMT_PEM, NULL, 0);
    if (n < 0)
        return err_set(err, E_CONFIG, "", "listener '%s': certificate '%s' with key '%s': %s",
                       cfg->name, cfg->cert_file, cfg->key_file, gnutls_strerror(n));
    if (cfg->client_cert == CLIENT_CERT_NONE) {
        *ret_tls = MOVE(tls);
        return 0;
    }
    n = gnutls_certificate_set_x509_trust_file(tls->credentials, cfg->client_ca_file,
                                               GNUTLS_X509_FMT_PEM);
    if (n <= 0)
        return err_set(err, E_CONFIG, "", "listener '%s': client CA '%s': %s", cfg->name,
                       cfg->client_ca_file, n < 0 ? gnutls_strerror(n) : "no certificate in it");
    gnutls_certificate_set_verify_limits(tls->credentials, KEY_BITS, CHAIN_DEPTH);
    *ret_tls = MOVE(tls);
    return 0;
}

/* A certificate that may sign others is no end entity (RFC 5280 §4.2.1.9). */
static bool is_end_entity(const gnutls_datum_t *der)
{
    gnutls_x509_crt_t certificate;
    bool end_entity;

    if (gnutls_x509_crt_init(&certificate) < 0)
        return false;
    end_entity = gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0 &&
                 gnutls_x509_crt_get_ca_status(certificate, NULL) <= 0;
    gnutls_x509_crt_deinit(certificate);
    return end_entity;
}

/*
 * Called by GnuTLS in the handshake when the client's certificate message has come, also when it is
 * empty.
 */
static int verify(gnutls_session_t session, bool required)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned n = 0;
    unsigned status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

    if (chain == NULL || n == 0)
        return required ? GNUTLS_E_CERTIFICATE_REQUIRED : 0;
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return is_end_entity(&chain[0]) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int verify_required(gnutls_session_t session)
{
    return verify(session, true);
}

static int verify_optional(gnutls_session_t session)
{
    return verify(session, false);
}

/*
 * MHD sends head and body of an answer as a record each. The kernel is told that another one follows
 * the head, so that both leave in one packet.
 */
static ssize_t push(gnutls_transport_ptr_t to, const giovec_t *pieces, int n)
{
    struct conn *conn = to;
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces,
                                   .msg_iovlen = (size_t)n};
    const int flags = MSG_NOSIGNAL | (conn->more ? MSG_MORE : 0);

    conn->more = false;
    return sendmsg(conn->fd, &message, flags);
}

bool http__tls_attach(struct conn *conn, gnutls_session_t session)
{
    const struct tls *tls = conn->tls;

    gnutls_transport_set_ptr2(session, (gnutls_transport_ptr_t)(intptr_t)conn->fd, conn);
    gnutls_transport_set_vec_push_function(session, push);
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0)
        return false;
    if (tls->client_cert == CLIENT_CERT_NONE)
        return true;
    if (tls->client_cert == CLIENT_CERT_REQUIRED) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_function(session, verify_required);
    } else {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(session, verify_optional);
    }
    return true;
}

bool http__tls_peer(gnutls_session_t session, char ret_hex[static 65])
{
    unsigned char hash[32];
    size_t hash_n = sizeof(hash);
    size_t hex_n = 65;
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

    if (chain == NULL || n == 0)
        return false;
    return gnutls_fingerprint(GNUTLS_DIG_SHA256, &chain[0], hash, &hash_n) == 0 &&
           gnutls_hex_encode(&(gnutls_datum_t){hash, (unsigned)hash_n}, ret_hex, &hex_n) == 0;
}
