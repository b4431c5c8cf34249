/*
 * lib/base/env.h - what the outside world gives a program: clocks and randomness
 *
 * Passed explicitly, so that a test owns time and chance. All times are UTC microseconds since 1970
 * (wall) or since an arbitrary start (monotonic, for deadlines).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct env {
    int64_t (*wall_us)(void *self);
    int64_t (*mono_us)(void *self);
    /* cryptographically strong; never fails (aborts if it must) */
    void (*random)(void *self, void *p, size_t n);
    void *self;
};

/* The real one: CLOCK_REALTIME, CLOCK_MONOTONIC, getrandom(2). */
extern const struct env env_system;

static inline int64_t env_wall_us(const struct env *env)
{
    return env->wall_us(env->self);
}

static inline int64_t env_mono_us(const struct env *env)
{
    return env->mono_us(env->self);
}

static inline void env_random(const struct env *env, void *p, size_t n)
{
    env->random(env->self, p, n);
}

/* For tests: a clock that stands still until told otherwise, and a seeded generator (no keys). */
struct env_fake {
    int64_t wall_us;
    int64_t mono_us;
    uint64_t seed;
};
struct env env_from_fake(struct env_fake *fake);
