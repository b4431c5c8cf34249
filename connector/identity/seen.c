/*
 * connector/identity/seen.c - verified tokens are known by their hash until they expire
 */
#include "connector/identity/identity_private.h"

#include "lib/base/banned.h"

static struct str copy_text(char **at, struct str s)
{
    struct str copy = {*at, s.n};

    if (!str_present(s))
        return STR_NONE;
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

/* Copies a peer with its texts into one piece of memory of peer_texts() bytes. */
static struct peer copy_peer(const struct peer *peer, char *memory)
{
    struct peer copy = *peer;

    copy.id = copy_text(&memory, peer->id);
    copy.name = copy_text(&memory, peer->name);
    copy.country = copy_text(&memory, peer->country);
    copy.participant = copy_text(&memory, peer->participant);
    return copy;
}

static size_t peer_texts(const struct peer *peer)
{
    return peer->id.n + peer->name.n + peer->country.n + peer->participant.n + 1;
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
        char *memory = arena_alloc(arena, peer_texts(&seen->peer));

        if (memory != NULL) {
            *ret_peer = copy_peer(&seen->peer, memory);
            found = true;
        }
    }
    pthread_mutex_unlock(&identity->lock);
    return found;
}

void identity__seen_keep(struct identity *identity, const uint8_t hash[static 32],
                         const struct peer *peer)
{
    char *memory = malloc(peer_texts(peer));
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
    seen->peer = copy_peer(peer, memory);
    seen->until_us = peer->valid_until_us;
    pthread_mutex_unlock(&identity->lock);
    free(old);
}
