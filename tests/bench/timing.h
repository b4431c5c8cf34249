/*
 * tests/bench/timing.h - times a call and prints it as one figure of `make bench`
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 21 };

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Median and spread of ROUNDS rounds of `calls` calls each, in ns; goal_ns 0: none. */
static void measure(const char *name, void (*call)(void *cls), void *cls, int calls, double goal_ns)
{
    double round[ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        const int64_t begin = now_ns();

        for (int i = 0; i < calls; i++)
            call(cls);
        round[r] = (double)(now_ns() - begin) / calls;
    }
    qsort(round, ROUNDS, sizeof(round[0]), by_value);
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"ns\",\"spread\":[%.1f,%.1f],\"anchor\":null,"
           "\"ratio\":null,",
           name, round[ROUNDS / 2], round[0], round[ROUNDS - 1]);
    if (goal_ns > 0)
        printf("\"goal\":\"\\u2264 %g\",\"met\":%s}\n", goal_ns,
               round[ROUNDS / 2] <= goal_ns ? "true" : "false");
    else
        printf("\"goal\":null,\"met\":null}\n");
}
