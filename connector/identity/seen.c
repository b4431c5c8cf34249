/*
 * connector/identity/seen.c - verified tokens are known by their hash until they expire
 */
#include "connector/identity/identity_private.h"
#include "lib/base/timefmt.h"

#include "lib/base/banned.h"

#define BELIEVED_US US_PER_MIN /* then it is looked at, and remembered, again */

/* clang-format off */
static const size_t texts[] = {
    offsetof(struct peer, id),            offsetof(struct peer, name),   offsetof(struct peer, country),
    offsetof(struct peer, participant),   offsetof(struct peer, issuer), offsetof(struct peer, attestations),
    offsetof(struct peer, credential_id),
};

/* clang-format on */

static struct str *text_of(struct peer *peer, size_t i)
{
    return (struct str *)((char *)peer + texts[i]);
}

size_t identity__peer_bytes(const struct peer *peer)
{
    struct peer borrowed = *peer;
    size_t n = 1;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        n += text_of(&borrowed, i)->n;
    return n;
}

struct peer identity__peer_copy(const struct peer *peer, char *memory)
{
    struct peer copy = *peer;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str *text = text_of(&copy, i);

        if (!str_present(*text))
            continue;
        memcpy(memory, text->p, text->n);
        text->p = memory;
        memory += text->n;
    }
    return copy;
}

bool identity__seen_find(struct identity *identity, const uint8_t hash[static 32], int64_t now_us,
                         struct arena *arena, struct peer *ret_peer)
{
    size_t place;
    bool found = false;

    memcpy(&place, hash, sizeof(place));
    pthread_mutex_lock(&identity->lock);

    const struct seen_token *seen = &identity->seen[place % SEEN_TOKENS];

    if (seen->texts != NULL && now_us < seen->until_us && memcmp(seen->hash, hash, 32) == 0) {
        char *memory = arena_alloc(arena, identity__peer_bytes(&seen->peer));

        if (memory != NULL) {
            *ret_peer = identity__peer_copy(&seen->peer, memory);
            found = true;
        }
    }
    pthread_mutex_unlock(&identity->lock);
    return found;
}

void identity__seen_keep(struct identity *identity, const uint8_t hash[static 32],
                         const struct peer *peer)
{
    char *memory = malloc(identity__peer_bytes(peer));
    char *old;
    size_t place;

    if (memory == NULL)
        return;
    memcpy(&place, hash, sizeof(place));
    pthread_mutex_lock(&identity->lock);

    struct seen_token *seen = &identity->seen[place % SEEN_TOKENS];

    old = seen->texts;
    memcpy(seen->hash, hash, 32);
    seen->texts = memory;
    seen->peer = identity__peer_copy(peer, memory);
    seen->until_us = peer->valid_until_us;
    pthread_mutex_unlock(&identity->lock);
    free(old);
}

void identity__believe(struct identity *identity, const uint8_t hash[static 32], struct str id,
                       int64_t now_us, struct peer *ret_peer)
{
    *ret_peer = (struct peer){
        .id = id,
        .member = true,
        .name = id,
        .verified_us = now_us,
        .valid_until_us = now_us + BELIEVED_US,
    };
    identity__seen_keep(identity, hash, ret_peer);
    identity__remember(identity, ret_peer);
}
