/*
 * server/settlement/settlement.c - routes, amounts as text
 */
#include "lib/base/money.h"
#include "server/settlement/settlement_private.h"

#include "lib/base/banned.h"

/* clang-format off */
#define ROUTE HTTP_ROUTE_ROW
const struct http_route settlement_routes[] = {
#include "server/settlement/routes.def"
    {0},
};
const struct http_route settlement_operator_routes[] = {
#include "server/settlement/operator_routes.def"
    {0},
};
#undef ROUTE

/* clang-format on */

void settlement__amount(struct jw *w, const char *key, int64_t minor, struct str currency)
{
    static const struct currency plain = {.exponent = 0};
    const struct currency *known = currency_find(currency);

    jw_kc(w, key, money_format(minor, known != NULL ? known : &plain).c);
}
