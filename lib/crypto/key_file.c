/*
 * lib/crypto/key_file.c - private keys in files: PKCS#8 (RFC 5958) as PEM (RFC 7468), not
 * encrypted, mode 0600
 *
 * The text passes through secure memory only.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/crypto/crypto_private.h"
#include "lib/crypto/key.h"

#include "lib/base/banned.h"

static void bio_free(BIO **bio)
{
    BIO_free(*bio);
}

static void pkcs8_free(PKCS8_PRIV_KEY_INFO **info)
{
    PKCS8_PRIV_KEY_INFO_free(*info);
}

/* The answer to OpenSSL's question for a pass phrase: it must never ask on a terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *cls)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)cls;
    return -1;
}

/* The private key of the first PRIVATE KEY block; other kinds of block are passed over. */
static EVP_PKEY *pkey_from_pem(const struct private_text *text)
{
    AUTO(bio_free) BIO *bio = BIO_new_mem_buf(text->p, (int)text->n);
    AUTO(pkcs8_free) PKCS8_PRIV_KEY_INFO *info = NULL;
    unsigned char *der = NULL;
    long der_n = 0;

    if (bio == NULL || PEM_bytes_read_bio_secmem(&der, &der_n, NULL, PEM_STRING_PKCS8INF, bio,
                                                 no_pass_phrase, NULL) != 1)
        return NULL;
    const unsigned char *at = der;

    info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, der_n);
    const bool exact = info != NULL && at == der + der_n;

    OPENSSL_secure_clear_free(der, (size_t)der_n);
    return exact ? EVP_PKCS82PKEY(info) : NULL;
}

int key_load(const char *path, struct key **ret_key, struct err *err)
{
    AUTO(private_text_done) struct private_text text = {0};

    if (crypto__read_private(path, &text, err) < 0)
        return err_prefix(err, "key");
    EVP_PKEY *pkey = pkey_from_pem(&text);

    if (pkey == NULL) {
        crypto__fail(err, E_CRYPTO, "no PKCS#8 private key in PEM form without pass phrase");
        return err_prefix(err, "key: file '%s'", path);
    }
    if (key__new(pkey, /* is_private= */ true, ret_key, err) < 0)
        return err_prefix(err, "key: file '%s'", path);
    return 0;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        const ssize_t put = write(fd, p, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/*
 * Puts the text into a file of its own (mkostemp: mode 0600) and links that to its name: so the
 * name is never there with half a key, and never replaces another file.
 */
static int write_new_file(const char *path, const char *p, size_t n, struct err *err)
{
    char temp[PATH_MAX];
    const int len = snprintf(temp, sizeof(temp), "%s.XXXXXX", path);

    if (len < 0 || (size_t)len >= sizeof(temp))
        return err_set(err, E_CONFIG, "", "key: file name is too long");
    const int fd = mkostemp(temp, O_CLOEXEC);

    if (fd < 0)
        return err_set(err, E_CONFIG, "", "key: file '%s': %s", path, strerror(errno));
    bool done = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && write_all(fd, p, n) && fsync(fd) == 0;

    done = close(fd) == 0 && done && link(temp, path) == 0;
    const int why = errno;

    unlink(temp);
    if (done)
        return 0;
    return err_set(err, why == EEXIST ? E_CONFLICT : E_IO, "", "key: file '%s': %s", path,
                   strerror(why));
}

int key_save(const struct key *key, const char *path, struct err *err)
{
    AUTO(bio_free) BIO *bio = NULL;
    char *p = NULL;

    if (!key->is_private)
        return err_set(err, E_CRYPTO, "", "key: only a private key is saved");
    if (!crypto__secure_heap() || (bio = BIO_new(BIO_s_secmem())) == NULL)
        return err_set(err, E_NO_MEMORY, "", "key: no secure memory");
    if (PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1)
        return crypto__fail(err, E_CRYPTO, "key as PKCS#8");
    const long n = BIO_get_mem_data(bio, &p);

    CHECK(n > 0);
    return write_new_file(path, p, (size_t)n, err);
}
