/*
 * lib/base/uuid.c - UUIDv7 and UUIDv8 (RFC 9562 §5.7, §5.8)
 *
 * Order within one millisecond follows RFC 9562 §6.2 method 2: the random bits start with a zero
 * and grow by a random step, so ids ascend and stay unguessable.
 */
#include "lib/base/uuid.h"

#include "lib/base/check.h"

#include "lib/base/banned.h"

#define VERSION_BYTE 6
#define VARIANT_BYTE 8

/*
 * The last id of this thread. Mutable state is the exception here: "ascending within a millisecond"
 * cannot be had without memory of the previous id, and a member in every caller would be the same
 * state in many places.
 */
struct last_id {
    const void *self; /* environment that it came from; another one starts afresh */
    int64_t ms;
    uint64_t high; /* 12 bits (rand_a) */
    uint64_t low;  /* 62 bits (rand_b) */
};

static _Thread_local struct last_id last;

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void mark(struct uuid *id, unsigned version)
{
    id->b[VERSION_BYTE] = (uint8_t)((id->b[VERSION_BYTE] & 0x0f) | version << 4);
    id->b[VARIANT_BYTE] = (uint8_t)((id->b[VARIANT_BYTE] & 0x3f) | 0x80);
}

struct uuid uuid_new(const struct env *env)
{
    const uint64_t low_mask = (UINT64_C(1) << 62) - 1;
    int64_t ms = env_wall_us(env) / 1000;
    uint8_t random[10];
    struct uuid id;

    env_random(env, random, sizeof(random));
    if (last.self == env->self && last.ms == ms) {
        uint64_t sum = last.low + get(random, 5) + 1;

        last.high += sum >> 62;
        last.low = sum & low_mask;
        /* would take 2^33 ids in this millisecond */
        CHECK(last.high < 1U << 12);
    } else {
        last = (struct last_id){
            .self = env->self,
            .ms = ms,
            .high = get(random, 2) & 0x7ff, /* top bit zero: room to grow */
            .low = get(random + 2, 8) & low_mask,
        };
    }
    put(id.b, (uint64_t)ms, 6);
    put(id.b + 6, last.high, 2);
    put(id.b + 8, last.low, 8);
    mark(&id, 7);
    return id;
}

struct uuid uuid_v7_from(int64_t unix_ms, const uint8_t bytes[static 10])
{
    struct uuid id;

    put(id.b, (uint64_t)unix_ms, 6);
    memcpy(id.b + 6, bytes, 10);
    mark(&id, 7);
    return id;
}

struct uuid uuid_v8_from(const uint8_t hash[static 16])
{
    struct uuid id;

    memcpy(id.b, hash, sizeof(id.b));
    mark(&id, 8);
    return id;
}

int64_t uuid_v7_ms(struct uuid id)
{
    return (int64_t)get(id.b, 6);
}

int uuid_version(struct uuid id)
{
    return id.b[VERSION_BYTE] >> 4;
}

bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool uuid_is_zero(struct uuid id)
{
    return uuid_eq(id, (struct uuid){{0}});
}

/* Whether a dash stands before byte i in the text form. */
static bool dash_before(unsigned i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

struct uuid_text uuid_format(struct uuid id)
{
    static const char digits[] = "0123456789abcdef";
    struct uuid_text text;
    char *at = text.c;

    for (unsigned i = 0; i < 16; i++) {
        if (dash_before(i))
            *at++ = '-';
        *at++ = digits[id.b[i] >> 4];
        *at++ = digits[id.b[i] & 15];
    }
    *at = '\0';
    return text;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(struct str text, struct uuid *ret_id)
{
    struct uuid id;
    const char *at = text.p;

    if (text.n != UUID_TEXT_LEN)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        int high, low;

        if (dash_before(i) && *at++ != '-')
            return false;
        high = hex_value(*at++);
        low = hex_value(*at++);
        if (high < 0 || low < 0)
            return false;
        id.b[i] = (uint8_t)(high << 4 | low);
    }
    *ret_id = id;
    return true;
}
