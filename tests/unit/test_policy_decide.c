/*
 * Decisions: policy, world and question against verdict and causes, row by row.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"

#include "lib/base/banned.h"

#define PERMIT POLICY_PERMIT
#define DENY   POLICY_DENY

struct row {
    const char *policy;
    const char *world;
    enum policy_verdict verdict;
    const char *causes;      /* help_causes */
    const char *now;         /* NULL: 2026-06-01T00:00:00Z */
    const char *agreed;      /* NULL: no agreement */
    const char *action;      /* NULL: use */
    enum policy_scope scope; /* default: catalogue, where an agreement is hypothetical */
    const char *target, *assignee;
    unsigned flags;
};

/* the rest by name, so that absent members may be left out */
#define ROW(policy_, world_, verdict_, causes_, ...)                                               \
    {                                                                                              \
        .policy = policy_, .world = world_, .verdict = verdict_, .causes = causes_, ##__VA_ARGS__  \
    }
#define GROUP    "BusinessPartnerGroup"
#define BPN      "BusinessPartnerNumber"
#define DATA     "{'@type':'AssetCollection','source':'urn:h'}"
#define GROUP_OF "{'@type':'PartyCollection','source':'urn:g'}"

/* clang-format off */
static const struct row rows[] = {
    /* -- actions */
    ROW("+use", "", PERMIT, ""),
    ROW("+use", "", PERMIT, "", .action = "access"),
    ROW("+use", "", PERMIT, "", .action = "odrl:display"),
    ROW("+use", "", PERMIT, "", .action = "read"),
    ROW("+use", "", DENY, "no-permission", .action = "sell"),
    ROW("+use", "", DENY, "no-permission", .action = "transfer"),
    ROW("+transfer", "", PERMIT, "", .action = "give"),
    ROW("+transfer", "", DENY, "no-permission"),
    ROW("+access", "", DENY, "no-permission"),
    ROW("+access", "", PERMIT, "", .action = "access"),
    ROW("+play", "", PERMIT, "", .action = "display"),
    ROW("+display", "", DENY, "no-permission", .action = "play"),
    ROW("+reproduce", "", PERMIT, "", .action = "extract"),
    ROW("+read", "", DENY, "no-permission"),
    ROW("-use", "", DENY, "no-permission 0:prohibited"),
    ROW("!delete", "", DENY, "no-permission"),
    ROW("", "", DENY, "no-permission"),
    ROW("+use (dateTime lteq 2026-12-31-05:30)", "", PERMIT, ""),
    ROW("", "", PERMIT, "", .flags = POLICY_EMPTY_PERMITS),
    ROW("-sell", "", DENY, "no-permission", .flags = POLICY_EMPTY_PERMITS),
    /* -- eq, neq on sets of strings (purpose) */
    ROW("+use (purpose eq a)", "purpose=a", PERMIT, ""),
    ROW("+use (purpose eq a)", "purpose=b", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose eq a)", "purpose=b,a", PERMIT, ""),
    ROW("+use (purpose eq a)", "", DENY, "0:purpose:fact-unknown"),
    ROW("+use (purpose eq a)", "purpose=-", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose eq a)", "purpose=?a", PERMIT, ""),
    ROW("+use (purpose neq a)", "purpose=b", PERMIT, ""),
    ROW("+use (purpose neq a)", "purpose=a", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose neq a)", "purpose=b,a", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose neq a)", "", DENY, "0:purpose:fact-unknown"),
    ROW("+use (purpose neq a)", "purpose=-", PERMIT, ""),
    ROW("+use (purpose eq A)", "purpose=a", DENY, "0:purpose:constraint-false"),
    /* -- set operators */
    ROW("+use (purpose isAnyOf a b)", "purpose=b", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b)", "purpose=c", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose isAnyOf a b)", "purpose=c,d,b", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b)", "purpose=-", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose isAnyOf a b)", "", DENY, "0:purpose:fact-unknown"),
    ROW("+use (purpose isAnyOf a)", "purpose=a", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=h", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=a", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=l", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=m", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose isNoneOf a b)", "purpose=c", PERMIT, ""),
    ROW("+use (purpose isNoneOf a b)", "purpose=c,a", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose isNoneOf a b)", "", DENY, "0:purpose:fact-unknown"),
    ROW("+use (purpose isNoneOf a b)", "purpose=-", PERMIT, ""),
    ROW("+use (" GROUP " isAnyOf gold silver)", GROUP "=silver", PERMIT, ""),
    ROW("+use (" GROUP " isAnyOf gold silver)", GROUP "=-", DENY, "0:BusinessPartnerGroup:constraint-false"),
    ROW("+use (" GROUP " isNoneOf rivals)", GROUP "=-", PERMIT, ""),
    ROW("+use (" GROUP " isNoneOf rivals)", GROUP "=gold", PERMIT, ""),
    ROW("+use (" GROUP " isNoneOf rivals)", GROUP "=gold,rivals", DENY, "0:BusinessPartnerGroup:constraint-false"),
    ROW("+use (" GROUP " isNoneOf rivals)", "", DENY, "0:BusinessPartnerGroup:fact-unknown"),
    ROW("+use (" GROUP " isAllOf a b)", GROUP "=b,c,a", PERMIT, ""),
    ROW("+use (" GROUP " isAllOf a b)", GROUP "=a", DENY, "0:BusinessPartnerGroup:constraint-false"),
    ROW("+use (" GROUP " isAllOf a b)", GROUP "=-", DENY, "0:BusinessPartnerGroup:constraint-false"),
    ROW("+use (" GROUP " isAllOf a b)", "", DENY, "0:BusinessPartnerGroup:fact-unknown"),
    /* -- kinds of purpose: no taxonomy, so only the same one is certain */
    ROW("+use (purpose isA a)", "purpose=a", PERMIT, ""),
    ROW("+use (purpose isA a)", "purpose=b", DENY, "0:purpose:fact-uncomparable"),
    ROW("+use (purpose isPartOf a)", "purpose=a", PERMIT, ""),
    ROW("-use (purpose isA a) +use", "purpose=b", DENY, "1:purpose:conflict"),
    /* -- operands with one value */
    ROW("+use (" BPN " eq BPNL000000000001)", BPN "=BPNL000000000001", PERMIT, ""),
    ROW("+use (" BPN " eq BPNL000000000001)", BPN "=BPNL000000000002", DENY, "0:BusinessPartnerNumber:constraint-false"),
    ROW("+use (" BPN " eq BPNL000000000001)", BPN "=BPNL000000000001,BPNL000000000002", DENY, "0:BusinessPartnerNumber:fact-uncomparable"),
    ROW("+use (" BPN " isNoneOf BPNL000000000001)", BPN "=-", DENY, "0:BusinessPartnerNumber:fact-uncomparable"),
    ROW("+use (" BPN " neq BPNL000000000001)", BPN "=-", DENY, "0:BusinessPartnerNumber:fact-uncomparable"),
    ROW("+use (" BPN " isNoneOf BPNL000000000001)", BPN "=BPNL000000000002", PERMIT, ""),
    ROW("+use (" BPN " eq BPNL000000000001)", BPN "=?BPNL000000000001", DENY, "0:BusinessPartnerNumber:fact-claimed"),
    ROW("+use (Membership eq active)", "Membership=active", PERMIT, ""),
    ROW("+use (Membership eq active)", "Membership=?active", DENY, "0:Membership:fact-claimed"),
    ROW("+use (Membership eq active)", "Membership=-", DENY, "0:Membership:constraint-false"),
    ROW("+use (Membership eq active)", "Membership=suspended", DENY, "0:Membership:constraint-false"),
    ROW("+use (Membership eq active)", "Membership=active~86400", PERMIT, ""),
    ROW("+use (Membership eq active)", "Membership=active~86401", DENY, "0:Membership:fact-stale"),
    ROW("+use (Membership neq suspended)", "Membership=-", DENY, "0:Membership:fact-uncomparable"),
    ROW("+use (cx-policy:Membership eq active)", "Membership=active", PERMIT, ""),
    ROW("+use (naru:participant eq did:web:a)", "naru:participant=did:web:a", PERMIT, ""),
    ROW("+use (naru:participant eq did:web:a)", "naru:participant=did:web:b", DENY, "0:participant:constraint-false"),
    ROW("+use (naru:participant isAnyOf did:web:a did:web:b)", "naru:participant=did:web:b", PERMIT, ""),
    ROW("+use (naru:participant isNoneOf did:web:a)", "naru:participant=did:web:a", DENY, "0:participant:constraint-false"),
    ROW("+use (recipient eq did:web:a)", "recipient=did:web:a", PERMIT, ""),
    ROW("+use (recipient eq did:web:a)", "recipient=?did:web:a", DENY, "0:recipient:fact-claimed"),
    ROW("+use (FrameworkAgreement eq DataExchangeGovernance:1.0)", "FrameworkAgreement=DataExchangeGovernance:1.0", PERMIT, ""),
    ROW("+use (FrameworkAgreement eq DataExchangeGovernance:1.0)", "FrameworkAgreement=other", DENY, "0:FrameworkAgreement:constraint-false"),
    ROW("+use (UsagePurpose isAnyOf cx.pcf.base:1 cx.quality.base:1)", "UsagePurpose=?cx.pcf.base:1", PERMIT, ""),
    ROW("+use (UsagePurpose eq cx.pcf.base:1)", "UsagePurpose=cx.pcf.base:2", DENY, "0:UsagePurpose:constraint-false"),
    /* -- paid orders */
    ROW("+use (naru:order eq plan-1)", "naru:order=plan-1", PERMIT, ""),
    ROW("+use (naru:order eq plan-1)", "naru:order=plan-2", DENY, "0:order:constraint-false"),
    ROW("+use (naru:order eq plan-1)", "naru:order=plan-2,plan-1", PERMIT, ""),
    ROW("+use (naru:order eq plan-1)", "naru:order=-", DENY, "0:order:constraint-false"),
    ROW("+use (naru:order eq plan-1)", "", DENY, "0:order:fact-unknown"),
    ROW("+use (naru:order eq plan-1)", "naru:order=?plan-1", DENY, "0:order:fact-claimed"),
    ROW("+use (naru:plan eq plan-1)", "naru:plan=plan-1", PERMIT, ""),
    ROW("+use (naru:aiTraining eq forbidden) (naru:derivedData eq provider) (naru:onwardTransfer eq forbidden)", "", PERMIT, ""),
    ROW("+use (naru:profitShare eq 12.50)", "", PERMIT, ""),
    /* -- numbers */
    ROW("+use (count lteq 5)", "count=5", PERMIT, ""),
    ROW("+use (count lteq 5)", "count=6", DENY, "0:count:constraint-false"),
    ROW("+use (count lt 5)", "count=5", DENY, "0:count:constraint-false"),
    ROW("+use (count lt 5)", "count=4", PERMIT, ""),
    ROW("+use (count gt 5)", "count=5", DENY, "0:count:constraint-false"),
    ROW("+use (count gt 5)", "count=6", PERMIT, ""),
    ROW("+use (count gteq 5)", "count=5", PERMIT, ""),
    ROW("+use (count gteq 5)", "count=4", DENY, "0:count:constraint-false"),
    ROW("+use (count eq 5)", "count=5", PERMIT, ""),
    ROW("+use (count eq 5)", "count=4", DENY, "0:count:constraint-false"),
    ROW("+use (count neq 5)", "count=4", PERMIT, ""),
    ROW("+use (count neq 5)", "count=5", DENY, "0:count:constraint-false"),
    ROW("+use (count lteq 5)", "", DENY, "0:count:fact-unknown"),
    ROW("+use (count lteq 5)", "count=-", DENY, "0:count:constraint-false"),
    ROW("+use (count neq 5)", "count=-", DENY, "0:count:fact-uncomparable"),
    ROW("+use (count lteq 5)", "count=?1", DENY, "0:count:fact-claimed"),
    ROW("+use (count lteq 5)", "count=1~61", DENY, "0:count:fact-stale"),
    ROW("+use (count lteq 5)", "count=1,2", DENY, "0:count:fact-uncomparable"),
    ROW("+use (count lt -9223372036854775808)", "count=-9223372036854775808", DENY, "0:count:constraint-false"),
    ROW("+use (count gt 9223372036854775807)", "count=9223372036854775807", DENY, "0:count:constraint-false"),
    ROW("+use (count lteq 9223372036854775807)", "count=9223372036854775807", PERMIT, ""),
    ROW("+use (naru:volumeBytes lteq 1000)", "naru:volumeBytes=1001", DENY, "0:volumeBytes:constraint-false"),
    ROW("+use (naru:calls lteq 10)", "naru:calls=10", PERMIT, ""),
    /* -- places */
    ROW("+use (spatial eq KR)", "spatial=KR", PERMIT, ""),
    ROW("+use (spatial eq KR)", "spatial=KR-11", PERMIT, ""),
    ROW("+use (spatial eq KR)", "spatial=JP", DENY, "0:spatial:constraint-false"),
    ROW("+use (spatial eq KR)", "spatial=Seoul", DENY, "0:spatial:fact-uncomparable"),
    ROW("+use (spatial eq KR-11)", "spatial=KR", DENY, "0:spatial:fact-uncomparable"),
    ROW("+use (spatial eq KR-11)", "spatial=KR-26", DENY, "0:spatial:constraint-false"),
    ROW("+use (spatial isPartOf EU)", "spatial=DE-BY", PERMIT, ""),
    ROW("+use (spatial isPartOf EU)", "spatial=GB", DENY, "0:spatial:constraint-false"),
    ROW("+use (spatial isPartOf EEA)", "spatial=NO", PERMIT, ""),
    ROW("+use (spatial isAnyOf cx.region.europe:1 KR)", "spatial=CH", PERMIT, ""),
    ROW("+use (spatial isAnyOf cx.region.europe:1 KR)", "spatial=US", DENY, "0:spatial:constraint-false"),
    ROW("+use (spatial isPartOf cx.region.all:1)", "spatial=AQ", PERMIT, ""),
    ROW("+use (spatial isNoneOf KP RU)", "spatial=KR", PERMIT, ""),
    ROW("+use (spatial isNoneOf KP RU)", "spatial=RU-MOW", DENY, "0:spatial:constraint-false"),
    ROW("+use (spatial isNoneOf KP RU)", "spatial=Moscow", DENY, "0:spatial:fact-uncomparable"),
    ROW("+use (spatial eq https://www.wikidata.org/wiki/Q183)", "spatial=https://www.wikidata.org/wiki/Q183", PERMIT, ""),
    ROW("+use (spatial eq KR)", "spatial=kr", DENY, "0:spatial:fact-uncomparable"),
    ROW("+use (spatial eq KR)", "spatial=KR,JP", DENY, "0:spatial:fact-uncomparable"),
    /* -- time */
    ROW("+use (dateTime lteq 2026-06-01T00:00:00Z)", "", PERMIT, ""),
    ROW("+use (dateTime lt 2026-06-01T00:00:00Z)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime gteq 2026-06-01T00:00:00Z)", "", PERMIT, ""),
    ROW("+use (dateTime gt 2026-06-01T00:00:00Z)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime eq 2026-06-01T00:00:00Z)", "", PERMIT, ""),
    ROW("+use (dateTime neq 2026-06-01T00:00:00Z)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime lteq 2026-06-01T08:59:59+09:00)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime lteq 2026-06-01T09:00+09:00)", "", PERMIT, ""),
    ROW("+use (dateTime lteq 2026-06-01)", "", PERMIT, "", .now = "2026-06-01T23:59:59.999999Z"),
    ROW("+use (dateTime lteq 2026-06-01)", "", DENY, "0:dateTime:constraint-false", .now = "2026-06-02T00:00:00Z"),
    ROW("+use (dateTime lteq 2026-06-01+09:00)", "", PERMIT, "", .now = "2026-06-01T14:59:59Z"),
    ROW("+use (dateTime lteq 2026-06-01+09:00)", "", DENY, "0:dateTime:constraint-false", .now = "2026-06-01T15:00:00Z"),
    ROW("+use (dateTime lt 2026-06-01)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime gt 2026-06-01)", "", DENY, "0:dateTime:constraint-false", .now = "2026-06-01T23:59:59Z"),
    ROW("+use (dateTime gt 2026-06-01)", "", PERMIT, "", .now = "2026-06-02T00:00:00Z"),
    ROW("+use (dateTime eq 2026-06-01)", "", PERMIT, "", .now = "2026-06-01T12:00:00Z"),
    ROW("+use (dateTime neq 2026-06-01)", "", DENY, "0:dateTime:constraint-false", .now = "2026-06-01T12:00:00Z"),
    ROW("+use (dateTime gteq 2026-05-01) (dateTime lt 2026-06-01)", "", DENY, "0:dateTime:constraint-false"),
    ROW("+use (dateTime lteq 2023-12-31T06:00Z)", "", DENY, "0:dateTime:constraint-false"),
    /* -- since the agreement */
    ROW("+use (elapsedTime lteq P30D)", "", PERMIT, ""),
    ROW("+use (elapsedTime lteq P30D)", "", DENY, "0:elapsedTime:fact-unknown", .scope = POLICY_AT_ACCESS),
    ROW("+use (elapsedTime lteq P30D)", "", PERMIT, "", .agreed = "2026-05-02T00:00:00Z"),
    ROW("+use (elapsedTime lteq P30D)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2026-05-01T23:59:59Z"),
    ROW("+use (elapsedTime lt P30D)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2026-05-02T00:00:00Z"),
    ROW("+use (elapsedTime gteq P30D)", "", PERMIT, "", .agreed = "2026-05-02T00:00:00Z"),
    ROW("+use (elapsedTime gt P30D)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2026-05-02T00:00:00Z"),
    ROW("+use (elapsedTime lteq P60M)", "", PERMIT, "", .agreed = "2021-06-01T00:00:00Z"),
    ROW("+use (elapsedTime lteq P60M)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2021-05-31T23:59:59Z"),
    ROW("+use (elapsedTime lteq PT60M)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2026-05-31T22:59:59Z"),
    ROW("+use (elapsedTime lteq P1M)", "", PERMIT, "", .agreed = "2026-01-31T00:00:00Z", .now = "2026-02-28T00:00:00Z"),
    ROW("+use (elapsedTime lteq P1M)", "", DENY, "0:elapsedTime:constraint-false", .agreed = "2026-01-31T00:00:00Z", .now = "2026-02-28T00:00:01Z"),
    ROW("+use (inForceDate lteq contractAgreement+30d)", "", PERMIT, "", .agreed = "2026-05-02T00:00:00Z", .scope = POLICY_AT_ACCESS),
    ROW("+use (inForceDate lteq contractAgreement+30d)", "", DENY, "0:inForceDate:constraint-false", .agreed = "2026-05-01T00:00:00Z", .scope = POLICY_AT_ACCESS),
    ROW("+use (inForceDate gteq contractAgreement+0s) (inForceDate lteq contractAgreement+60m)", "", PERMIT, "", .agreed = "2026-05-31T23:30:00Z", .scope = POLICY_AT_TRANSFER),
    ROW("+use (inForceDate gteq contractAgreement+1h)", "", DENY, "0:inForceDate:constraint-false"),
    ROW("+use (inForceDate gteq contractAgreement+-1h)", "", PERMIT, ""),
    ROW("+use (inForceDate lteq contractagreement+10s)", "", DENY, "0:inForceDate:fact-unknown", .scope = POLICY_AT_TRANSFER),
    ROW("+use (edc:inForceDate lteq 2026-12-31T00:00:00Z)", "", PERMIT, ""),
    /* -- Catena-X terms and lowering */
    ROW("+use (DataUsageEndDate eq 2026-06-01T00:00:00Z)", "", PERMIT, ""),
    ROW("+use (DataUsageEndDate eq 2026-06-01T00:00:00Z)", "", DENY, "0:DataUsageEndDate:constraint-false", .now = "2026-06-01T00:00:01Z"),
    ROW("+use (DataUsageEndDurationDays eq 30)", "", PERMIT, "", .agreed = "2026-05-02T00:00:00Z"),
    ROW("+use (DataUsageEndDurationDays eq 30)", "", DENY, "0:DataUsageEndDurationDays:constraint-false", .agreed = "2026-05-01T23:59:59Z"),
    ROW("+use (DataUsageEndDurationDays eq 30)", "", DENY, "0:DataUsageEndDurationDays:fact-unknown", .scope = POLICY_AT_ACCESS),
    ROW("+use (DataUsageEndDurationDays eq 9000000000000000)", "", PERMIT, "", .agreed = "2026-05-01T00:00:00Z"),
    ROW("+use (DataUsageEndDefinition eq cx.dataUsageEnd.unlimited:1) (Liability eq cx.grossNegligence:1)", "", PERMIT, ""),
    ROW("+use -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1 cx.manipulation.forbidden:1)", "", PERMIT, ""),
    ROW("+use -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", "", DENY, "1:conflict", .action = "distribute"),
    ROW("+use -use (UsageRestriction isAllOf cx.thirdParty.forbidden:1)", "", PERMIT, "", .action = "modify"),
    ROW("+use -use (UsageRestriction isAllOf cx.manipulation.forbidden:1)", "", DENY, "1:conflict", .action = "modify"),
    ROW("+use -use (and (UsageRestriction isAllOf cx.derivations.forbidden:1) (AffiliatesRegion isAnyOf cx.region.europe:1))", "", DENY, "1:conflict", .action = "derive"),
    ROW("+use -use (AffiliatesBpnl isAnyOf BPNL000000000001)", "", PERMIT, ""),
    ROW("+use !use (DataProvisioningEndDate eq 2026-05-31T00:00:00Z)", "", PERMIT, ""),
    ROW("+use !use (DataProvisioningEndDate eq 2026-05-31T00:00:00Z)", "", DENY, "1:DataProvisioningEndDate:constraint-false", .scope = POLICY_AT_TRANSFER),
    ROW("+use !use (DataProvisioningEndDate eq 2026-06-01)", "", PERMIT, "", .scope = POLICY_AT_ACCESS),
    ROW("+use !use (DataProvisioningEndDurationDays eq 2)", "", DENY, "1:DataProvisioningEndDurationDays:constraint-false", .scope = POLICY_AT_ACCESS, .agreed = "2026-05-29T00:00:00Z"),
    ROW("+use !use (DataProvisioningEndDurationDays eq 2)", "", DENY, "1:DataProvisioningEndDurationDays:fact-unknown", .scope = POLICY_AT_ACCESS),
    /* -- logic */
    ROW("+use (purpose eq a) (count lteq 5)", "purpose=a count=5", PERMIT, ""),
    ROW("+use (purpose eq a) (count lteq 5)", "purpose=b count=6", DENY, "0:count:constraint-false 0:purpose:constraint-false"),
    ROW("+use (purpose eq a) (count lteq 5)", "purpose=a", DENY, "0:count:fact-unknown"),
    ROW("+use (and (purpose eq a) (count lteq 5))", "purpose=b count=1", DENY, "0:purpose:constraint-false"),
    ROW("+use (or (purpose eq a) (count lteq 5))", "purpose=a", PERMIT, ""),
    ROW("+use (or (purpose eq a) (count lteq 5))", "count=5", PERMIT, ""),
    ROW("+use (or (purpose eq a) (count lteq 5))", "purpose=b count=6", DENY, "0:count:constraint-false"),
    ROW("+use (or (and (purpose eq a) (count lteq 5)) (spatial eq KR))", "", DENY, "0:spatial:fact-unknown"),
    ROW("+use (xone (purpose eq a) (count lteq 5))", "purpose=a count=6", PERMIT, ""),
    ROW("+use (xone (purpose eq a) (count lteq 5))", "purpose=a count=5", DENY, "0:purpose:alternatives"),
    ROW("+use (xone (purpose eq a) (count lteq 5))", "purpose=b count=6", DENY, "0:count:constraint-false"),
    ROW("+use (xone (purpose eq a) (count lteq 5))", "purpose=a", DENY, "0:count:alternatives"),
    ROW("+use (xone (purpose eq a) (purpose eq a))", "purpose=a", DENY, "0:purpose:alternatives"),
    ROW("+use (or (purpose eq a) (purpose eq a))", "purpose=a", PERMIT, ""),
    ROW("+use (andSequence (dateTime gteq 2026-01-01T00:00:00Z) (dateTime gteq 2026-02-01T00:00:00Z))", "", PERMIT, ""),
    ROW("+use (andSequence (dateTime gteq 2026-02-01T00:00:00Z) (dateTime gteq 2026-01-01T00:00:00Z))", "", DENY, "0:constraint-false"),
    ROW("+use (andSequence (dateTime gteq 2026-07-01T00:00:00Z))", "", DENY, "0:constraint-false"),
    /* -- several permissions are alternatives; the nearest is explained */
    ROW("+use (purpose eq a) +use (count lteq 5)", "count=1", PERMIT, ""),
    ROW("+use (purpose eq a) (spatial eq KR) +use (count lteq 5)", "count=9", DENY, "0:count:constraint-false"),
    ROW("+use (purpose eq a) +sell", "purpose=a", PERMIT, ""),
    /* -- prohibitions and conflict */
    ROW("+use -distribute", "", PERMIT, ""),
    ROW("+use -distribute", "", DENY, "1:conflict", .action = "distribute"),
    ROW("@conflict=perm +use -distribute", "", PERMIT, "", .action = "distribute"),
    ROW("@conflict=prohibit +use -distribute", "", DENY, "1:prohibited", .action = "distribute"),
    ROW("@conflict=invalid +use -use (purpose eq a)", "purpose=a", DENY, "1:purpose:conflict"),
    ROW("+use -use (purpose eq a)", "purpose=b", PERMIT, ""),
    ROW("+use -use (purpose eq a)", "", DENY, "1:purpose:conflict"),
    ROW("@conflict=prohibit +use -use (purpose eq a) (count gt 5)", "purpose=a count=6", DENY, "1:count:prohibited"),
    ROW("@conflict=prohibit +use -use (purpose eq a) (count gt 5)", "purpose=a count=5", PERMIT, ""),
    ROW("@conflict=prohibit +use -use (or (purpose eq a) (count gt 5))", "purpose=a count=6", DENY, "1:count:prohibited 1:purpose:prohibited"),
    ROW("@conflict=prohibit +use (spatial eq KR) -use (purpose eq a)", "purpose=a spatial=JP", DENY, "0:spatial:constraint-false 1:purpose:prohibited"),
    ROW("@conflict=perm +use (spatial eq KR) -use (purpose eq a)", "purpose=a spatial=JP", DENY, "0:spatial:constraint-false"),
    ROW("+use -use (dateTime gteq 2026-06-01T00:00:00Z)", "", DENY, "1:dateTime:conflict"),
    ROW("+use -use (dateTime gteq 2026-06-01T00:00:00Z)", "", PERMIT, "", .now = "2026-05-31T23:59:59Z"),
    /* -- target and parties */
    ROW("@target=a +use", "", PERMIT, "", .target = "a"),
    ROW("@target=a +use", "", DENY, "0:other-target", .target = "b"),
    ROW("@target=a +use", "", DENY, "0:other-target"),
    ROW("+use @@target=a +read @@target=b", "", PERMIT, "", .target = "a", .action = "read"),
    ROW("+use @@target=a", "", DENY, "0:other-target", .target = "A"),
    ROW("@assignee=did:web:a +use", "", PERMIT, "", .assignee = "did:web:a"),
    ROW("@assignee=did:web:a +use", "", DENY, "0:other-assignee", .assignee = "did:web:b"),
    ROW("@assignee=did:web:a +use", "", DENY, "0:other-assignee"),
    ROW("@assignee=x +use @@assignee=y", "", PERMIT, "", .assignee = "y"),
    ROW("+use -use @@assignee=did:web:a", "", DENY, "1:conflict", .assignee = "did:web:a"),
    ROW("+use -use @@assignee=did:web:a", "", PERMIT, "", .assignee = "did:web:b"),
    ROW("+use -use @@assignee=did:web:a", "", DENY, "1:conflict"),
    ROW("+use -use @@target=a", "", PERMIT, "", .target = "b"),
    ROW("@target=a +use (purpose eq a)", "", DENY, "0:other-target 0:purpose:fact-unknown", .target = "b"),
    ROW("@type=Agreement @target=t @assigner=p @assignee=c @timestamp=2026-05-02T00:00:00Z +use (elapsedTime lteq P30D)", "", PERMIT, "", .target = "t", .assignee = "c", .scope = POLICY_AT_ACCESS),
    ROW("@type=Agreement @target=t @assigner=p @assignee=c @timestamp=2026-05-01T00:00:00Z +use (elapsedTime lteq P30D)", "", DENY, "0:elapsedTime:constraint-false", .target = "t", .assignee = "c", .scope = POLICY_AT_ACCESS),
    /* -- duties of permissions */
    ROW("+use [compensate]", "", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate]", "did:", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate]", "did:compensate@2026-05-01T00:00:00Z", PERMIT, ""),
    ROW("+use [compensate]", "did:inform@2026-05-01T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate]", "did:compensate@2026-07-01T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate]", "", PERMIT, "", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate (dateTime lteq 2026-05-15T00:00:00Z)]", "", DENY, "0:duty-unfulfilled", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate (dateTime lteq 2026-05-15T00:00:00Z)]", "did:compensate@2026-05-01T00:00:00Z", PERMIT, ""),
    ROW("+use [compensate (dateTime lteq 2026-05-15T00:00:00Z)]", "did:compensate@2026-05-20T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate (dateTime lteq 2026-05-15T00:00:00Z) [inform]]", "did:compensate@2026-05-20T00:00:00Z did:inform@2026-05-21T00:00:00Z", PERMIT, ""),
    ROW("+use [compensate (dateTime lteq 2026-05-15T00:00:00Z) [inform]]", "did:compensate@2026-05-20T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate (purpose eq commercial)]", "purpose=research", PERMIT, ""),
    ROW("+use [compensate (purpose eq commercial)]", "", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate]", "did:compensate@2026-05-01T00:00:00Z,c", PERMIT, "", .assignee = "c"),
    ROW("+use [compensate]", "did:compensate@2026-05-01T00:00:00Z,x", DENY, "0:duty-unfulfilled", .assignee = "c"),
    ROW("+use [compensate] [inform]", "did:compensate@2026-05-01T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use (count lteq 1) [compensate]", "count=2", DENY, "0:count:constraint-false 0:duty-unfulfilled"),
    ROW("+use (count lteq 1) +use [compensate]", "count=2 did:compensate@2026-05-01T00:00:00Z", PERMIT, ""),
    /* whose and of what */
    ROW("@target=a +use [compensate]", "did:compensate@2026-05-01T00:00:00Z,,b", DENY, "0:duty-unfulfilled", .target = "a"),
    ROW("@target=a +use [compensate]", "did:compensate@2026-05-01T00:00:00Z,,a", PERMIT, "", .target = "a"),
    ROW("@target=a +use [compensate @@target=fee]", "did:compensate@2026-05-01T00:00:00Z,,fee", PERMIT, "", .target = "a"),
    ROW("@target=a +use [compensate @@target=fee]", "did:compensate@2026-05-01T00:00:00Z,,a", DENY, "0:duty-unfulfilled", .target = "a"),
    ROW("+use [compensate @@assignee=x]", "did:compensate@2026-05-01T00:00:00Z,x", PERMIT, "", .assignee = "c"),
    ROW("+use [compensate @@assignee=x]", "did:compensate@2026-05-01T00:00:00Z,c", DENY, "0:duty-unfulfilled", .assignee = "c"),
    ROW("@target=a +use [compensate @@target=a]", "did:compensate@2026-05-01T00:00:00Z", DENY, "0:duty-unfulfilled", .target = "a"),
    ROW("{'assignee':'c','permission':[{'action':'use','assignee':'d','duty':[{'action':'compensate','assignee':'c'}]}]}", "did:compensate@2026-05-01T00:00:00Z,c", PERMIT, "", .assignee = "d"),
    ROW("{'assignee':'c','permission':[{'action':'use','assignee':'d','duty':[{'action':'compensate','assignee':'c'}]}]}", "did:compensate@2026-05-01T00:00:00Z,d", DENY, "0:duty-unfulfilled", .assignee = "d"),
    ROW("{'target':" DATA ",'permission':[{'action':'use','duty':[{'action':'compensate'}]}]}", "did:compensate@2026-05-01T00:00:00Z,,b", DENY, "0:other-target", .target = "a"),
    ROW("{'permission':[{'action':'use','duty':[{'action':'compensate','assignee':" GROUP_OF "}]}]}", "did:compensate@2026-05-01T00:00:00Z,c", PERMIT, "", .assignee = "c"),
    ROW("{'permission':[{'action':'use','assignee':" GROUP_OF "}]}", "", DENY, "0:other-assignee", .assignee = "c"),
    ROW("{'permission':[{'action':'use'}],'prohibition':[{'action':'use','assignee':" GROUP_OF "}]}", "", DENY, "1:conflict", .assignee = "c"),
    /* windows and conditions of duties */
    ROW("+use [compensate (dateTime gteq 2026-05-15T00:00:00Z)]", "did:compensate@2026-05-01T00:00:00Z", DENY, "0:duty-unfulfilled"),
    ROW("+use [compensate (dateTime gteq 2026-05-15T00:00:00Z)]", "did:compensate@2026-05-15T00:00:00Z", PERMIT, ""),
    ROW("+use [compensate (dateTime neq 2026-06-01T00:00:00Z)]", "", PERMIT, ""),
    ROW("+use [compensate (and (dateTime gteq 2026-05-15) (purpose eq a))]", "purpose=a did:compensate@2026-05-20T00:00:00Z", PERMIT, ""),
    ROW("+use [compensate (and (dateTime gteq 2026-05-15) (purpose eq a))]", "purpose=b", PERMIT, ""),
    ROW("+use [compensate (elapsedTime lteq P5D)]", "did:compensate@2026-05-04T00:00:00Z", PERMIT, "", .agreed = "2026-05-01T00:00:00Z"),
    ROW("+use [compensate (elapsedTime lteq P5D)]", "did:compensate@2026-05-07T00:00:00Z", DENY, "0:duty-unfulfilled", .agreed = "2026-05-01T00:00:00Z"),
    ROW("+use [compensate (elapsedTime lteq P5D)]", "", PERMIT, "", .agreed = "2026-05-30T00:00:00Z", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate (elapsedTime lteq P5D)]", "", DENY, "0:duty-unfulfilled", .agreed = "2026-05-01T00:00:00Z", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate (elapsedTime lteq P5D)]", "did:compensate@2026-05-04T00:00:00Z", PERMIT, "", .scope = POLICY_AT_ACCESS),
    /* W3C and FORCE: a duty that is not done yet blocks, or does not; one that was violated always does */
    ROW("+use [compensate]", "did:", PERMIT, "", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate] [inform]", "did:inform@2026-05-01T00:00:00Z", PERMIT, "", .flags = POLICY_DUTY_EVENTUAL),
    ROW("+use [compensate] [inform (dateTime lt 2026-05-01)]", "did:compensate@2026-05-01T00:00:00Z", DENY, "0:duty-unfulfilled", .flags = POLICY_DUTY_EVENTUAL),
    /* remedies are for reports: they never permit beforehand */
    ROW("+use -distribute [delete]", "did:distribute@2026-05-01T00:00:00Z,c did:delete@2026-05-02T00:00:00Z,c", DENY, "1:conflict", .action = "distribute", .assignee = "c"),
    ROW("+use -distribute [delete]", "did:distribute@2026-05-01T00:00:00Z,c", PERMIT, "", .assignee = "c"),
    ROW("+use -distribute [delete]", "did:distribute@2026-05-01T00:00:00Z,x", PERMIT, "", .assignee = "c"),
    ROW("+use -distribute [delete]", "did:distribute@2026-05-01T00:00:00Z,c,t", PERMIT, "", .assignee = "c", .target = "t"),
    ROW("+use -distribute [delete]", "did:distribute@2026-05-01T00:00:00Z,c,t", PERMIT, "", .assignee = "c", .target = "u"),
    /* long lists of values are searched */
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=g", PERMIT, ""),
    ROW("+use (purpose isAnyOf a b c d e f g h i j k l)", "purpose=f,zz", PERMIT, ""),
    ROW("+use (purpose isNoneOf a b c d e f g h i j k l)", "purpose=g", DENY, "0:purpose:constraint-false"),
    ROW("+use (purpose isNoneOf a b c d e f g h i j k l)", "purpose=0", PERMIT, ""),
    /* numbers beyond sense */
    ROW("+use (DataUsageEndDurationDays eq -9000000000000000)", "", DENY, "0:DataUsageEndDurationDays:constraint-false"),
    ROW("+use (DataUsageEndDurationDays eq 0)", "", PERMIT, "", .agreed = "2026-06-01T00:00:00Z"),
    ROW("+use (elapsedTime lteq P9999999999M)", "", PERMIT, "", .agreed = "2026-05-01T00:00:00Z"),
    ROW("+use (naru:calls lteq 0)", "naru:calls=1", DENY, "0:calls:constraint-false"),
    ROW("+use (naru:volumeBytes gt -1)", "naru:volumeBytes=0", PERMIT, ""),
    ROW("+use (naru:volumeBytes neq 5)", "naru:volumeBytes=?5", DENY, "0:volumeBytes:fact-claimed"),
    /* one value, many values, none */
    ROW("+use (" BPN " isAnyOf a b)", BPN "=?a", DENY, "0:BusinessPartnerNumber:fact-claimed"),
    ROW("+use (" BPN " isAnyOf a b)", BPN "=a~86401", DENY, "0:BusinessPartnerNumber:fact-stale"),
    ROW("+use (" GROUP " isAllOf a)", GROUP "=?a", DENY, "0:BusinessPartnerGroup:fact-claimed"),
    ROW("+use (" GROUP " neq a)", GROUP "=b,c", PERMIT, ""),
    ROW("+use (UsagePurpose isAllOf a b)", "UsagePurpose=?a,b", PERMIT, ""),
    ROW("+use (spatial isA EU)", "spatial=FR", PERMIT, ""),
    ROW("+use (spatial neq KR)", "spatial=-", DENY, "0:spatial:fact-uncomparable"),
    ROW("+use (spatial isPartOf cx.region.all:1)", "spatial=nowhere", PERMIT, ""),
    /* terms exclude each other: no world makes this true, and the terms are the cause */
    ROW("+use (xone (Liability eq cx.grossNegligence:1) (naru:attribution eq true))", "", DENY, "0:attribution:alternatives"),
    ROW("{'permission':[{'action':'use','constraint':[]}]}", "", PERMIT, ""),
    /* obligations do not block */
    ROW("+use !delete (dateTime lteq 2026-01-01T00:00:00Z)", "", PERMIT, "", .scope = POLICY_AT_ACCESS),
    ROW("+use -use (purpose eq a) [inform]", "purpose=b", PERMIT, ""),
};

/* clang-format on */

static void ask(const struct row *row, struct policy_question *q)
{
    *q = (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = row->scope,
        .now_us = help_time(row->now != NULL ? row->now : "2026-06-01T00:00:00Z"),
        .agreement_us = help_time(row->agreed),
        .target = str_c(row->target),
        .assignee = str_c(row->assignee),
        .flags = row->flags};
    if (row->action != NULL)
        ck_assert_msg(policy_action_find(str_c(row->action), &q->action), "%s", row->action);
}

/* A fact that policy_needs does not name makes no difference, nor do performed actions where there are no duties. */
static void check_needs(const struct policy *policy, const struct policy_question *question,
                        const struct policy_facts *facts, const struct policy_decision *decision)
{
    const uint64_t needs = policy_needs(policy, question->scope);
    struct policy_facts needed = *facts;
    struct policy_decision other;

    for (int i = 0; i < POLICY_OP__COUNT; i++) {
        if (!policy_needs_operand(needs, (enum policy_operand)i))
            needed.of[i] = (struct policy_fact){0};
    }
    if (!policy_needs_performed(policy)) {
        needed.performed_known = false;
        needed.n_performed = 0;
    }
    policy_decide(policy, question, &needed, &other);
    ck_assert(other.n_duties == decision->n_duties);
    ck_assert(other.verdict == decision->verdict && other.n_causes == decision->n_causes &&
              other.valid_until_us == decision->valid_until_us);
    ck_assert(policy_permits(policy, question, facts) == (decision->verdict == POLICY_PERMIT));
}

static void check_words(const struct policy *policy, const struct policy_decision *decision)
{
    for (int lang = 0; lang < POLICY_LANG__COUNT; lang++) {
        AUTO(buf_done) struct buf text = buf_init(KIB(64));

        policy_explain(policy, (enum policy_lang)lang, &text);
        policy_explain_decision(policy, decision, (enum policy_lang)lang, &text);
        policy_reason(decision, (enum policy_lang)lang, &text);
        ck_assert(!buf_failed(&text) && text.n > 0 && str_is_utf8(buf_str(&text)));
    }
}

START_TEST(test_decide)
{
    const struct row *row = &rows[_i];
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    AUTO(policy_unref) struct policy *policy = help_policy(row->policy);
    struct policy_question question;
    struct policy_decision decision;
    struct world world;

    help_world(arena, row->world, &world);
    ask(row, &question);
    policy_decide(policy, &question, &world.facts, &decision);
    ck_assert_msg(decision.verdict == row->verdict, "%s | %s: got %s, causes %s", row->policy,
                  row->world, decision.verdict == POLICY_PERMIT ? "PERMIT" : "DENY",
                  help_causes(arena, &decision).p);
    ck_assert_msg(str_eq_c(help_causes(arena, &decision), row->causes), "%s | %s: causes '%s'",
                  row->policy, row->world, help_causes(arena, &decision).p);
    ck_assert_msg(decision.valid_until_us > question.now_us, "%s", row->policy);
    check_needs(policy, &question, &world.facts, &decision);
    check_words(policy, &decision);
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_decide");
    TCase *tc = tcase_create("rows");

    tcase_add_loop_test(tc, test_decide, 0, (int)ARRAY_LEN(rows));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());

    srunner_run_all(sr, CK_ENV);
    int bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
