/*
 * lib/base/env.c - the real clocks and randomness, and the ones of tests
 */
#include "lib/base/env.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/base/check.h"

#include "lib/base/banned.h"

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;

    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_wall_us(void *self)
{
    (void)self;
    return clock_us(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *self)
{
    (void)self;
    return clock_us(CLOCK_MONOTONIC);
}

static void from_kernel(unsigned char *at, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got > 0); /* a key or an id without randomness would do more harm than a stop */
        at += got;
        n -= (size_t)got;
    }
}

/* Ids are small and many: they come from a stock, and what has been given out is wiped there. */
static void system_random(void *self, void *p, size_t n)
{
    static _Thread_local struct {
        unsigned char bytes[512];
        size_t left;
    } stock;

    (void)self;
    if (n > 16) {
        from_kernel(p, n);
        return;
    }
    if (stock.left < n) {
        from_kernel(stock.bytes, sizeof(stock.bytes));
        stock.left = sizeof(stock.bytes);
    }
    stock.left -= n;
    memcpy(p, stock.bytes + stock.left, n);
    explicit_bzero(stock.bytes + stock.left, n);
}

const struct env env_system = {
    .wall_us = system_wall_us,
    .mono_us = system_mono_us,
    .random = system_random,
};

static int64_t fake_wall_us(void *self)
{
    return ((const struct env_fake *)self)->wall_us;
}

static int64_t fake_mono_us(void *self)
{
    return ((const struct env_fake *)self)->mono_us;
}

/* The usual 64-bit mixing generator (splitmix64), one step per byte; for tests only, so speed does
 * not matter. */
static void fake_random(void *self, void *p, size_t n)
{
    struct env_fake *fake = self;
    unsigned char *at = p;

    for (size_t i = 0; i < n; i++) {
        uint64_t z = (fake->seed += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        at[i] = (unsigned char)((z ^ (z >> 31)) & 0xff);
    }
}

struct env env_from_fake(struct env_fake *fake)
{
    return (struct env){fake_wall_us, fake_mono_us, fake_random, fake};
}
