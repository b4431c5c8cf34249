/*
 * lib/base/check.h - assertions for our own mistakes (never for input, peers, memory, time or
 * stored rows)
 *
 * CHECK stays on in release builds and aborts with place and condition. EXPECT is believed true; it
 * evaluates to the condition and counts a failure, so that the code can go on with an error.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

_Noreturn void check_failed(const char *file, int line, const char *condition);
bool expect_failed(const char *file, int line, const char *condition);

/* How many EXPECTs failed in this process; lib/log/counters renders it. */
int64_t expect_failed_count(void);

#define CHECK(x)            ((x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))
#define CHECK_UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")
#define EXPECT(x)           ((x) ? true : expect_failed(__FILE__, __LINE__, #x))

#ifdef NARU_SLOW_CHECKS
#define CHECK_SLOW(x) CHECK(x)
#else
#define CHECK_SLOW(x) ((void)sizeof(x))
#endif
