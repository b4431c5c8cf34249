/*
 * lib/base/check.c - what happens when an assertion of ours fails
 *
 * Uses neither the heap nor the log: both may be what is broken.
 */
#include "lib/base/check.h"

#include <stdatomic.h>
#include <unistd.h>

#include "lib/base/banned.h"

/* A counter of the process (STYLE §7 allows counters); read by lib/log/counters. */
static atomic_llong expect_failures;

static void report(const char *what, const char *file, int line, const char *condition)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "%s failed: %s:%d: %s\n", what, file, line, condition);

    if (n > (int)sizeof(text) - 1)
        n = (int)sizeof(text) - 1;
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        return; /* nobody is left to tell */
}

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    report("check", file, line, condition);
    abort();
}

bool expect_failed(const char *file, int line, const char *condition)
{
    atomic_fetch_add_explicit(&expect_failures, 1, memory_order_relaxed);
    report("expectation", file, line, condition);
    return false;
}

int64_t expect_failed_count(void)
{
    return (int64_t)atomic_load_explicit(&expect_failures, memory_order_relaxed);
}
