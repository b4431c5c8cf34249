/*
 * lib/wire/numbers.h - company identifiers: format and check digits
 *
 * Connector, broker and CLI refuse the same typing mistakes with the same words. A number that
 * passes is well formed; whether such a company exists and does business is another question
 * (registry checks).
 *
 *   name         what                                  accepted                       check
 *   kr_brn       Korean business registration number   10 digits, 3-2-5 hyphens       weighted sum
 * mod 10 lei          Legal Entity Identifier, ISO 17442    18 characters and 2 digits     ISO 7064
 * mod 97-10 eori         EU customs number                     country, 1-15 letters/digits format
 * only jp_corporate Japanese corporate number             13 digits                      weighted
 * sum mod 9 duns         D-U-N-S number                        9 digits, 2-3-4 hyphens format only
 *   bpn          Business Partner Number, CX-0010      BPNL, BPNS or BPNA and 12      format only
 * (foreign issuers)
 *
 * White space at both ends is ignored; letters may be in either case.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

enum company_number {
    NUMBER_KR_BRN,
    NUMBER_LEI,
    NUMBER_EORI,
    NUMBER_JP_CORPORATE,
    NUMBER_DUNS,
    NUMBER_BPN,
    NUMBER__COUNT
};

/* The names above, NULL-terminated, indexed by the enum. */
extern const char *const company_number_names[NUMBER__COUNT + 1];
bool company_number_kind(struct str name, enum company_number *ret_kind);

/* Longest normalised form is a LEI of 20 characters. */
struct company_number_text {
    char c[24];
};

/*
 * Checks one number. *ret_text gets the normalised form: upper case, no hyphens, terminated.
 * Errors: E_INVALID  the public detail says in English which character or digit is wrong and what
 * is expected
 */
MUST_CHECK int company_number_check(enum company_number kind, struct str text,
                                    struct company_number_text *ret_text, struct err *err);
