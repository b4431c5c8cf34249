/*
 * connector/dsp/texts.c - which texts of policies are in the database already
 *
 * Most negotiations are about the same few offers, and agreements of one second have one text: what
 * was committed lately need not be written again. Rows of policy_text are never deleted.
 */
#include <pthread.h>

#include "connector/dsp/dsp_private.h"
#include "lib/base/check.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define PLACES   256
#define HEX_HASH (2 * SHA256_LEN)

struct known_texts {
    pthread_mutex_t lock; /* guards hashes */
    char hashes[PLACES][HEX_HASH];
};

int dsp__known_texts_open(struct known_texts **ret_texts, struct err *err)
{
    struct known_texts *texts = calloc(1, sizeof(*texts));

    if (texts == NULL)
        return err_set(err, E_NO_MEMORY, "", "texts");
    CHECK(pthread_mutex_init(&texts->lock, NULL) == 0);
    *ret_texts = texts;
    return 0;
}

void dsp__known_texts_close(struct known_texts **texts_address)
{
    struct known_texts *texts = MOVE(*texts_address);

    if (texts == NULL)
        return;
    (void)pthread_mutex_destroy(&texts->lock);
    free(texts);
}

static char *place_of(struct known_texts *texts, struct str hash)
{
    CHECK(hash.n == HEX_HASH);
    return texts->hashes[str_hash(hash) % PLACES];
}

bool dsp__known_text(struct known_texts *texts, struct str hash)
{
    bool known;

    CHECK(pthread_mutex_lock(&texts->lock) == 0);
    known = memcmp(place_of(texts, hash), hash.p, HEX_HASH) == 0;
    CHECK(pthread_mutex_unlock(&texts->lock) == 0);
    return known;
}

void dsp__text_committed(struct known_texts *texts, struct str hash)
{
    CHECK(pthread_mutex_lock(&texts->lock) == 0);
    memcpy(place_of(texts, hash), hash.p, HEX_HASH);
    CHECK(pthread_mutex_unlock(&texts->lock) == 0);
}
