/*
 * policy/unit.c - units of numbers and currencies of amounts
 */
#include "policy/policy.h"

#include "policy/policy_private.h"

#include "lib/base/banned.h"

#define QUDT       "http://qudt.org/vocab/unit/"
#define QUDT_HTTPS "https://qudt.org/vocab/unit/"
#define ISO_4217   "urn:iso:std:iso:4217:"
#define DBPEDIA    "http://dbpedia.org/resource/"

/* clang-format off */
static const struct { enum policy_operand what; int64_t factor; struct str name; } units[] = {
#define UNIT(what_, factor_, name_) {POLICY_OP_##what_, factor_, STR_INIT(name_)},
#include "policy/units.def"
#undef UNIT
};

/* Codes of ISO 4217 for money that one can pay with, blanks between them. */
static const char codes[] =
    " AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC"
    " CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR"
    " ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK"
    " MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE"
    " SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER"
    " ZAR ZMW ";

/* How ODRL's own examples name them */
static const struct { struct str name, code; } dbpedia[] = {
    {STR_INIT("Euro"),                 STR_INIT("EUR")},
    {STR_INIT("United_States_dollar"), STR_INIT("USD")},
    {STR_INIT("South_Korean_won"),     STR_INIT("KRW")},
    {STR_INIT("Japanese_yen"),         STR_INIT("JPY")},
    {STR_INIT("Renminbi"),             STR_INIT("CNY")},
    {STR_INIT("Pound_sterling"),       STR_INIT("GBP")},
};

/* clang-format on */

/* The part after one of the prefixes, or the whole. */
static struct str without(struct str s, const struct str *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_starts(s, prefixes[i]))
            return str_from(s, prefixes[i].n);
    }
    return s;
}

bool policy__unit(enum policy_operand operand, struct str unit, enum policy_operand *ret_operand,
                  int64_t *ret_factor)
{
    static const struct str prefixes[] = {STR_INIT(QUDT), STR_INIT(QUDT_HTTPS), STR_INIT(NARU)};
    const struct str name = without(unit, prefixes, ARRAY_LEN(prefixes));

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq(units[i].name, name) ||
            (operand != units[i].what && operand != POLICY_OP_COUNT))
            continue;
        *ret_operand = units[i].what;
        *ret_factor = units[i].factor;
        return true;
    }
    return false;
}

struct str policy__currency(struct str unit)
{
    static const struct str prefixes[] = {STR_INIT(ISO_4217)};
    struct str code = without(unit, prefixes, ARRAY_LEN(prefixes));

    for (size_t i = 0; i < ARRAY_LEN(dbpedia) && str_starts(unit, STR(DBPEDIA)); i++) {
        if (str_eq(dbpedia[i].name, str_from(unit, sizeof(DBPEDIA) - 1)))
            return dbpedia[i].code;
    }
    for (const char *c = codes; code.n == 3 && c[1] != '\0'; c += 4) {
        if (memcmp(c + 1, code.p, 3) == 0)
            return str_n(c + 1, 3);
    }
    return STR_NONE;
}
