/*
 * policy/places.c - countries, their parts and the regions that hold them (ISO 3166, UN M49,
 * Catena-X regions)
 *
 * A place is an ISO 3166-1 alpha-2 code ("KR"), an ISO 3166-2 code ("KR-11") or a region below.
 * What is not in the table cannot be placed: then nothing is known, except that a place lies in
 * itself.
 */
#include "policy/policy.h"

#include "policy/policy_private.h"

#include "lib/base/banned.h"

struct region {
    const char *names;     /* separated by spaces */
    const char *countries; /* two letters each, separated by spaces */
};

/* clang-format off */
#define EU_COUNTRIES "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

/* Every country is in exactly one of the seven continents, which come first. */
static const struct region regions[] = {
    {"150 cx.region.europe:1",
     EU_COUNTRIES " AD AL AX BA BY CH FO GB GG GI IM IS JE LI MC MD ME MK NO RS RU SJ SM UA VA XK"},
    {"142 cx.region.asia:1",
     "AE AF AM AZ BD BH BN BT CN GE HK ID IL IN IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM PH PK PS "
     "QA SA SG SY TH TJ TL TM TR TW UZ VN YE"},
    {"002 cx.region.africa:1",
     "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW IO KE KM LR LS LY MA MG ML MR MU MW MZ NA NE "
     "NG RE RW SC SD SH SL SN SO SS ST SZ TD TF TG TN TZ UG YT ZA ZM ZW"},
    {"003 cx.region.northAmerica:1",
     "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX TC TT US "
     "VC VG VI"},
    {"005 cx.region.southAmerica:1", "AR BO BR BV CL CO EC FK GF GS GY PE PY SR UY VE"},
    {"009 cx.region.oceania:1",
     "AS AU CC CK CX FJ FM GU HM KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS"},
    {"010 cx.region.antarctica:1", "AQ"},
    {"EU", EU_COUNTRIES},
    {"EEA", EU_COUNTRIES " IS LI NO"},
};
/* clang-format on */
#define CONTINENTS 7

static bool listed(const char *list, struct str word)
{
    struct str rest = str_c(list);

    while (str_present(rest)) {
        if (str_eq(str_cut(&rest, ' '), word))
            return true;
    }
    return false;
}

static const struct region *region_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(regions); i++) {
        if (listed(regions[i].names, name))
            return &regions[i];
    }
    return NULL;
}

struct str policy__country(size_t i)
{
    for (size_t c = 0; c < CONTINENTS; c++) {
        const size_t n = (strlen(regions[c].countries) + 1) / 3;

        if (i < n)
            return str_n(regions[c].countries + 3 * i, 2);
        i -= n;
    }
    return STR_NONE;
}

/* The country of a place, or STR_NONE if it is none that we know. */
static struct str country_of(struct str place)
{
    struct str country = place.n > 3 && place.p[2] == '-' ? str_n(place.p, 2) : place;

    for (size_t i = 0; i < CONTINENTS && country.n == 2; i++) {
        if (listed(regions[i].countries, country))
            return country;
    }
    return STR_NONE;
}

/* A region lies in another one if all its countries do. */
static enum truth region_within(const struct region *inner, const struct region *outer)
{
    struct str rest = str_c(inner->countries);
    size_t in = 0, n = 0;

    for (; str_present(rest); n++)
        in += listed(outer->countries, str_cut(&rest, ' '));
    return in == n ? TRUTH_TRUE : in == 0 ? TRUTH_FALSE : TRUTH_UNKNOWN;
}

enum truth policy__place_within(struct str inner, struct str outer)
{
    const struct region *region = region_find(outer);
    const struct region *inner_region = region_find(inner);
    struct str country = country_of(inner);

    if (str_eq(inner, outer) || str_eq(outer, STR("cx.region.all:1")))
        return TRUTH_TRUE;
    if (inner_region != NULL && region != NULL)
        return region_within(inner_region, region);
    if (!str_present(country))
        return TRUTH_UNKNOWN;
    if (region != NULL)
        return listed(region->countries, country) ? TRUTH_TRUE : TRUTH_FALSE;
    if (!str_present(country_of(outer)))
        return TRUTH_UNKNOWN;
    if (outer.n == 2)
        return str_eq(country, outer) ? TRUTH_TRUE : TRUTH_FALSE;
    /* a country may hold the part of it that is asked for, another part does not */
    return inner.n == 2 && str_eq(country, country_of(outer)) ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

bool policy__place_known(struct str place)
{
    return region_find(place) != NULL || str_present(country_of(place));
}
