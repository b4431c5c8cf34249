/*
 * lib/base/cleanup.h - scope-bound cleanup and explicit moves
 *
 * AUTO(fn) runs fn(&variable) when the scope ends; every destructor of ours has that form. MOVE is
 * the only way in which ownership leaves a scope.
 */
#pragma once

#include <stddef.h>

#define AUTO(fn) __attribute__((cleanup(fn)))
#define MOVE(v)                                                                                    \
    __extension__({                                                                                \
        __typeof__(v) moved_ = (v);                                                                \
        (v) = NULL;                                                                                \
        moved_;                                                                                    \
    })
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))

/*
 * Says why the result of a MUST_CHECK function is not needed: IGNORE(net_cancel(job), "peer is gone
 * already").
 */
#define IGNORE(expr, why)                                                                          \
    do {                                                                                           \
        __typeof__(expr) ignored_ __attribute__((unused)) = (expr);                                \
        (void)sizeof(why);                                                                         \
    } while (0)
