/*
 * lib/crypto/secret.c - secrets in OpenSSL's secure heap
 */
#include "lib/crypto/secret.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/encode.h"
#include "lib/base/env.h"
#include "lib/crypto/crypto_private.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define TOKEN_RANDOM_BYTES 32
#define TOKEN_RANDOM_CHARS 43 /* base64url of 32 bytes, RFC 4648 §5 without padding */

struct secret {
    size_t n;
    uint8_t hash[SHA256_LEN]; /* of text, for secret_eq */
    char text[];              /* n bytes and a NUL */
};

struct secret *secret_new(struct str text)
{
    struct secret *secret = crypto__secure_alloc(sizeof(*secret) + text.n + 1);

    if (secret == NULL)
        return NULL;
    secret->n = text.n;
    if (text.n > 0)
        memcpy(secret->text, text.p, text.n);
    sha256(secret->text, text.n, secret->hash);
    return secret;
}

int secret_load(const char *path, struct secret **ret_secret, struct err *err)
{
    AUTO(private_text_done) struct private_text text = {0};
    size_t n;

    if (crypto__read_private(path, &text, err) < 0)
        return err_prefix(err, "secret");
    for (n = text.n; n > 0 && memchr(" \t\r\n", text.p[n - 1], 4) != NULL; n--) {
        /* an editor ends the last line; that is not part of the secret */
    }
    if (n == 0)
        return err_set(err, E_CONFIG, "", "secret: file '%s' holds white space only", path);
    struct secret *secret = secret_new((struct str){text.p, n});

    if (secret == NULL)
        return err_set(err, E_NO_MEMORY, "", "secret: file '%s': no secure memory", path);
    *ret_secret = secret;
    return 0;
}

void secret_free(struct secret **secret)
{
    if (*secret != NULL)
        crypto__secure_free(*secret, sizeof(**secret) + (*secret)->n + 1);
    *secret = NULL;
}

struct str secret_reveal(const struct secret *secret)
{
    return (struct str){secret->text, secret->n};
}

bool secret_eq(const struct secret *secret, struct str candidate)
{
    uint8_t hash[SHA256_LEN];

    sha256(candidate.n > 0 ? candidate.p : "", candidate.n, hash);
    return CRYPTO_memcmp(hash, secret->hash, sizeof(hash)) == 0;
}

struct token_text token_new(const struct env *env, const char *prefix)
{
    AUTO(buf_done) struct buf text = buf_init(sizeof(struct token_text));
    uint8_t random[TOKEN_RANDOM_BYTES];
    struct token_text token = {{0}};

    CHECK(strlen(prefix) + TOKEN_RANDOM_CHARS < sizeof(token.c));
    env_random(env, random, sizeof(random));
    buf_add_c(&text, prefix);
    encode_base64url(&text, random, sizeof(random));
    CHECK(!buf_failed(&text)); /* 64 bytes; a token cannot be shortened */
    memcpy(token.c, text.p, text.n);
    OPENSSL_cleanse(random, sizeof(random));
    OPENSSL_cleanse(text.p, text.n);
    return token;
}
