/*
 * Reading policies: shapes that mean the same, differences that count, and everything that must be refused.
 */
#include <check.h>
#include <inttypes.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/crypto/hash.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define O "http://www.w3.org/ns/odrl/2/"
#define C "https://w3id.org/catenax/2025/9/policy/"

/* -- the same policy in several shapes --------------------------------------------------------- */

#define SHAPES 6

/* clang-format off */
static const char *const equal[][SHAPES] = {
    { /* Catena-X usage policy: DSP compact, as an EDC sends it, expanded */
     "{'@context':['" C "odrl.jsonld','" C "context.jsonld'],'@type':'Offer','@id':'o1','permission':[{'action':'use','constraint':[{'and':["
     "{'leftOperand':'UsagePurpose','operator':'isAnyOf','rightOperand':['cx.pcf.base:1','cx.quality.base:1']}]}]}],"
     "'prohibition':[{'action':'use','constraint':[{'leftOperand':'UsageRestriction','operator':'isAllOf','rightOperand':['cx.thirdParty.forbidden:1']}]}]}",
     "{'@context':{'odrl':'" O "','cx-policy':'" C "'},'@id':'o2','@type':'odrl:Offer','odrl:permission':{'odrl:action':{'@id':'odrl:use'},"
     "'odrl:constraint':{'odrl:and':[{'odrl:leftOperand':{'@id':'cx-policy:UsagePurpose'},'odrl:operator':{'@id':'odrl:isAnyOf'},"
     "'odrl:rightOperand':['cx.quality.base:1','cx.pcf.base:1']}]}},'odrl:prohibition':{'odrl:action':{'@id':'odrl:use'},'odrl:constraint':"
     "{'odrl:leftOperand':{'@id':'cx-policy:UsageRestriction'},'odrl:operator':{'@id':'odrl:isAllOf'},'odrl:rightOperand':'cx.thirdParty.forbidden:1'}},"
     "'odrl:obligation':[]}",
     "[{'@id':'urn:x','@type':['" O "Offer'],'" O "prohibition':[{'" O "action':[{'@id':'" O "use'}],'" O "constraint':[{'" O "leftOperand':[{'@id':'" C "UsageRestriction'}],"
     "'" O "operator':[{'@id':'" O "isAllOf'}],'" O "rightOperand':[{'@value':'cx.thirdParty.forbidden:1'}]}]}],"
     "'" O "permission':[{'" O "action':[{'@id':'" O "use'}],'" O "constraint':[{'" O "and':[{'" O "leftOperand':[{'@id':'" C "UsagePurpose'}],"
     "'" O "operator':[{'@id':'" O "isAnyOf'}],'" O "rightOperand':[{'@value':'cx.pcf.base:1'},{'@value':'cx.quality.base:1'}]}]}]}]}]",
     "{'@type':'Offer','uid':'z','permission':[{'@type':'Permission','action':['use'],'constraint':[{'and':{'@list':[{'@type':'Constraint',"
     "'leftOperand':'https://w3id.org/catenax/policy/UsagePurpose','operator':'isAnyOf','rightOperand':{'@list':['cx.pcf.base:1','cx.quality.base:1','cx.pcf.base:1']}}]}}]}],"
     "'prohibition':[{'action':'use','constraint':[{'leftOperand':{'@id':'UsageRestriction'},'operator':{'@id':'isAllOf'},'rightOperand':['cx.thirdParty.forbidden:1']}]}]}"},
    { /* numbers and their spellings */
     "{'@type':'Set','permission':[{'action':'use','constraint':[{'leftOperand':'odrl:count','operator':'lteq','rightOperand':'5'}]}]}",
     "{'@type':'Set','permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':5}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'term-lteq','rightOperand':{'@value':'5','@type':'xsd:integer'}}]}]}",
     "{'@type':'odrl:Set','permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'odrl:lteq','rightOperand':[{'@value':5}]}]}]}",
     "{'@type':'Policy','permission':{'action':'odrl:use','constraint':{'leftOperand':'" O "count','operator':'" O "lteq','rightOperand':'5'}}}",
     "{'@type':'Set','permission':[{'action':'use','constraint':[{'leftOperand':'odrl:count','operator':'lteq','rightOperand':{'@type':'http://www.w3.org/2001/XMLSchema#int','@value':'5'}}]}]}"},
    { /* one instant, several zones */
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'odrl:dateTime','operator':'lt','rightOperand':'2026-01-01T00:00:00Z'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'odrl:dateTime','operator':'lt','rightOperand':'2026-01-01T09:00:00+09:00'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'odrl:dateTime','operator':'lt','rightOperand':{'@value':'2025-12-31T19:00-05:00','@type':'xsd:dateTime'}}]}]}"},
    { /* order of rules and operands; repetition */
     "{'permission':[{'action':'use'},{'action':'read','constraint':[{'or':[{'leftOperand':'count','operator':'lt','rightOperand':1},{'leftOperand':'spatial','operator':'eq','rightOperand':'KR'}]}]}]}",
     "{'permission':[{'action':'read','constraint':[{'or':[{'leftOperand':'spatial','operator':'eq','rightOperand':'KR'},{'leftOperand':'count','operator':'lt','rightOperand':1},{'leftOperand':'spatial','operator':'eq','rightOperand':'KR'}]}]},{'action':'use'},{'action':'use','constraint':[]}]}"},
    { /* ids of parties as objects; a rule's own that repeat the policy's */
     "{'@type':'Agreement','target':'t','assigner':'p','assignee':'c','timestamp':'2026-01-01T00:00:00Z','permission':[{'action':'use'}]}",
     "{'@type':'odrl:Agreement','odrl:target':{'@id':'t'},'odrl:assigner':{'@id':'p'},'odrl:assignee':[{'@id':'c'}],'dspace:timestamp':'2026-01-01T09:00:00+09:00',"
     "'odrl:permission':{'odrl:action':{'@id':'odrl:use'},'odrl:target':{'@id':'t'},'odrl:assignee':'c'}}"},
    { /* no rules at all, as EDC sends it */
     "{'@type':'Offer'}", "{'@type':'odrl:Offer','odrl:permission':[],'odrl:prohibition':[],'odrl:obligation':[]}", "[{'@id':'a','@type':['" O "Offer']}]"},
    { /* profile and conflict */
     "{'profile':'cx-policy:profile2405','conflict':'perm','permission':[{'action':'use'}]}",
     "{'@context':{'cx-policy':'https://w3id.org/catenax/policy/'},'odrl:conflict':{'@id':'odrl:perm'},'odrl:profile':[{'@id':'" C "profile2405'}],'permission':[{'action':'use'}]}"},
    { /* default conflict strategy */
     "{'permission':[{'action':'use'}]}", "{'conflict':'odrl:invalid','permission':[{'action':'use'}]}"},
    { /* durations stay apart: months and microseconds */
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'elapsedTime','operator':'lteq','rightOperand':'P1Y'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'elapsedTime','operator':'lteq','rightOperand':{'@value':'P12M','@type':'xsd:duration'}}]}]}"},
    { /* collections */
     "{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g'}}]}",
     "{'odrl:permission':{'odrl:action':'use','odrl:assignee':[{'@type':['" O "PartyCollection'],'@id':'urn:g','odrl:source':{'@id':'urn:s'}}]}}"},
    { /* values that are no strings, and lists */
     "{'permission':[{'action':'use','target':{'@type':'AssetCollection','source':'urn:g'},'constraint':[{'leftOperand':'naru:attribution','operator':'eq','rightOperand':true},{'leftOperand':'spatial','operator':'isNoneOf','rightOperand':['KP']}]}]}",
     "{'permission':[{'action':'use','target':{'@type':'AssetCollection','@id':'urn:g'},'constraint':[{'leftOperand':'spatial','operator':'isNoneOf','rightOperand':'KP'},{'leftOperand':'naru:attribution','operator':'eq','rightOperand':'true'}]}]}"},
    { /* duties */
     "{'permission':[{'action':'use','duty':[{'action':'compensate'},{'action':'inform','consequence':[{'action':'delete'}]}]}]}",
     "{'permission':[{'action':'use','odrl:duty':[{'action':'inform','odrl:consequence':{'@type':'odrl:Duty','action':'delete'}},{'action':'odrl:compensate'}]}]}"},
};

/* clang-format on */

static struct policy *compile_or_fail(const char *json)
{
    struct policy *policy = NULL;
    struct err err = {0};
    int status = help_policy_from(json, &policy, &err);

    ck_assert_msg(status == 0, "%s\n%s at '%s'", json, err.text, err.at);
    return policy;
}

/* profile2405 exists under two namespaces, which are two texts */
static bool same_text(const struct policy *a, const struct policy *b)
{
    return memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0;
}

START_TEST(test_equal)
{
    AUTO(policy_unref) struct policy *first = compile_or_fail(equal[_i][0]);

    for (size_t i = 1; i < SHAPES && equal[_i][i] != NULL; i++) {
        AUTO(policy_unref) struct policy *other = compile_or_fail(equal[_i][i]);

        ck_assert_msg(policy_same_rules(first, other), "%d.%zu: other rules", _i, i);
        ck_assert_msg(same_text(first, other), "%d.%zu: other hash", _i, i);
    }
}

END_TEST

/* -- differences ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *a, *b; bool same_rules; } different[] = {
    {"+use (count lteq 5)", "+use (count lteq 6)", false},
    {"+use (count lteq 5)", "+use (count lt 5)", false},
    {"+use (count lteq 5)", "+use (naru:calls lteq 5)", false},
    {"+use (count lteq 5)", "+use", false},
    {"+use", "+read", false},
    {"+use", "-use", false},
    {"+use", "+use -distribute", false},
    {"+use", "+use !delete", false},
    {"+use", "+use [compensate]", false},
    {"+use [compensate]", "+use [inform]", false},
    {"+use", "@conflict=perm +use", false},
    {"+use (purpose isAnyOf a b)", "+use (purpose isAnyOf a)", false},
    {"+use (purpose isAnyOf a b)", "+use (purpose isNoneOf a b)", false},
    {"+use (purpose isAnyOf ab c)", "+use (purpose isAnyOf a bc)", false},
    {"+use (or (count lt 1) (count gt 5))", "+use (and (count lt 1) (count gt 5))", false},
    {"+use (or (count lt 1) (count gt 5))", "+use (xone (count lt 1) (count gt 5))", false},
    {"+use (xone (count lt 1))", "+use (xone (count lt 1) (count lt 1))", false},
    {"+use (dateTime lteq 2026-01-01)", "+use (dateTime lteq 2026-01-01T00:00:00Z)", false},
    {"+use (dateTime lteq 2026-01-01)", "+use (dateTime lteq 2026-01-01+09:00)", false},
    {"+use (andSequence (dateTime gt 2026-01-01) (dateTime gt 2026-02-01))", "+use (andSequence (dateTime gt 2026-02-01) (dateTime gt 2026-01-01))", false},
    {"+use (elapsedTime lteq P30D)", "+use (elapsedTime lteq P1M)", false},
    {"+use @@target=a", "+use @@target=b", false},
    {"+use @@target=a", "+use", false},
    {"+use @@assignee=a", "+use", false},
    {"@target=a +use", "@target=b +use", true},
    {"@assigner=a +use", "@assigner=b +use", true},
    {"@assignee=a +use", "@assignee=b +use", true},
    {"@type=Offer +use", "@type=Set +use", true},
    {"@profile=urn:naru:profile:commercial:1 +use", "+use", true},
};

/* clang-format on */

START_TEST(test_different)
{
    AUTO(policy_unref) struct policy *a = help_policy(different[_i].a);
    AUTO(policy_unref) struct policy *b = help_policy(different[_i].b);

    ck_assert_msg(policy_same_rules(a, b) == different[_i].same_rules, "%s | %s", different[_i].a,
                  different[_i].b);
    ck_assert_msg(!same_text(a, b), "%s | %s: equal hashes", different[_i].a, different[_i].b);
}

END_TEST

/* -- refusals ---------------------------------------------------------------------------------- */

#define P(constraint)      "{'permission':[{'action':'use','constraint':[" constraint "]}]}"
#define A(left, op, right) "{'leftOperand':'" left "','operator':'" op "','rightOperand':" right "}"
#define UNSUPPORTED        E_POLICY_UNSUPPORTED
#define AT_C               "/permission/0/constraint/0"

/* clang-format off */
static const struct { const char *json; enum err_code code; const char *at; } refused[] = {
    /* not a policy */
    {"[]", E_INVALID, ""},
    {"[{},{}]", E_INVALID, ""},
    {"['x']", E_INVALID, "/0"},
    {"'x'", E_INVALID, ""},
    {"null", E_INVALID, ""},
    /* misspelt, foreign and undefined terms */
    {"{'permision':[{'action':'use'}]}", UNSUPPORTED, "/permision"},
    {"{'Permission':[{'action':'use'}]}", UNSUPPORTED, "/Permission"},
    {"{'edc:permission':[{'action':'use'}]}", UNSUPPORTED, "/edc:permission"},
    {"{'http://www.w3.org/ns/odrl/2/permissions':[]}", UNSUPPORTED, "/http:~1~1www.w3.org~1ns~1odrl~12~1permissions"},
    {"{'permission':[{'action':'use','constraints':[]}]}", UNSUPPORTED, "/permission/0/constraints"},
    {"{'permission':[{'action':'use','refinement':[]}]}", UNSUPPORTED, "/permission/0/refinement"},
    {"{'inheritFrom':'urn:p','permission':[{'action':'use'}]}", UNSUPPORTED, "/inheritFrom"},
    {"{'permission':[{'action':'use','remedy':[{'action':'delete'}]}]}", UNSUPPORTED, "/permission/0/remedy"},
    {"{'prohibition':[{'action':'use','duty':[{'action':'delete'}]}]}", UNSUPPORTED, "/prohibition/0/duty"},
    {"{'obligation':[{'action':'delete','consequence':[{'action':'inform','consequence':[{'action':'delete'}]}]}]}", UNSUPPORTED, "/obligation/0/consequence/0/consequence"},
    {"{'permission':[{'action':'use','permission':[]}]}", UNSUPPORTED, "/permission/0/permission"},
    {P("{'leftOperand':'count','operator':'lt','rightOperand':5,'unit':'x'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'count','operator':'lt','rightOperand':5,'status':'x'}"), UNSUPPORTED, AT_C "/status"},
    {P("{'leftOperand':'count','operator':'lt','rightOperandReference':'urn:x'}"), UNSUPPORTED, AT_C "/rightOperandReference"},
    {"{'permission':[{'action':'use','extra':1}]}", UNSUPPORTED, "/permission/0/extra"},
    {"{'odrl:permission':[{'odrl:action':'use'}],'permission':[{'action':'use'}]}", E_INVALID, "/permission"},
    {"{'@id':'a','uid':'b'}", E_INVALID, "/uid"},
    /* contexts */
    {"{'@context':null,'permission':[{'action':'use'}]}", UNSUPPORTED, "/@context"},
    {"{'@context':'https://evil.example/odrl.jsonld','permission':[{'action':'use'}]}", UNSUPPORTED, "/@context"},
    {"{'@context':['http://www.w3.org/ns/odrl.jsonld',null]}", UNSUPPORTED, "/@context/1"},
    {"{'@context':['http://www.w3.org/ns/odrl.jsonld',{'prohibition':'http://www.w3.org/ns/odrl/2/permission/'}]}", UNSUPPORTED, "/@context/1/prohibition"},
    {"{'@context':{'lteq':'http://www.w3.org/ns/odrl/2/gteq/'}}", UNSUPPORTED, "/@context/lteq"},
    {"{'@context':{'use':'odrl:read/'}}", UNSUPPORTED, "/@context/use"},
    {"{'@context':{'UsagePurpose':'https://w3id.org/edc/v0.0.1/ns/'}}", UNSUPPORTED, "/@context/UsagePurpose"},
    {"{'@context':{'odrl':'https://w3id.org/edc/v0.0.1/ns/'}}", UNSUPPORTED, "/@context/odrl"},
    {"{'@context':{'odrl:use':'https://w3id.org/edc/v0.0.1/ns/'}}", UNSUPPORTED, "/@context/odrl:use"},
    {"{'@context':{'x':{'@id':'odrl:use'}}}", UNSUPPORTED, "/@context/x"},
    {"{'@context':{'did':'https://x.example/'}}", UNSUPPORTED, "/@context/did"},
    {"{'@context':{'x':'https://x.example'}}", UNSUPPORTED, "/@context/x"},
    {"{'@context':{'@vocab':'https://x.example/'}}", UNSUPPORTED, "/@context/@vocab"},
    {"{'@context':{'@base':'https://x.example/'}}", UNSUPPORTED, "/@context/@base"},
    {"{'@context':{'@import':'https://x.example/'}}", UNSUPPORTED, "/@context/@import"},
    {"{'@context':5}", UNSUPPORTED, "/@context"},
    {"{'prohibition':[{'@context':null,'action':'use'}]}", UNSUPPORTED, "/prohibition/0/@context"},
    {P("{'@context':{},'leftOperand':'count','operator':'lt','rightOperand':5}"), UNSUPPORTED, AT_C "/@context"},
    /* types and profiles */
    {"{'@type':'Request'}", UNSUPPORTED, "/@type"},
    {"{'@type':['Offer','Set']}", E_INVALID, "/@type"},
    {"{'@type':[]}", E_INVALID, "/@type"},
    {"{'@type':'cx-policy:Offer'}", UNSUPPORTED, "/@type"},
    {"{'profile':'https://profiles.example/p1'}", UNSUPPORTED, "/profile"},
    {"{'profile':['urn:naru:profile:commercial:1','urn:naru:profile:commercial:2']}", UNSUPPORTED, "/profile/1"},
    {"{'profile':[null]}", E_INVALID, "/profile/0"},
    {"{'profile':''}", E_INVALID, "/profile"},
    {"{'conflict':'ignore'}", UNSUPPORTED, "/conflict"},
    {"{'permission':[{'@type':'Prohibition','action':'use'}]}", UNSUPPORTED, "/permission/0/@type"},
    {"{'@type':'Agreement','target':'t','assigner':'p'}", E_INVALID, "/assignee"},
    {"{'@type':'Agreement','assignee':'t','assigner':'p'}", E_INVALID, "/target"},
    {"{'@type':'Agreement','target':'t','assigner':'p','assignee':'c','timestamp':'2026-01-01T00:00:00'}", E_INVALID, "/timestamp"},
    /* rules */
    {"{'permission':[{}]}", E_INVALID, "/permission/0/action"},
    {"{'permission':'use'}", E_INVALID, "/permission"},
    {"{'permission':[null]}", E_INVALID, "/permission/0"},
    {"{'permission':null}", E_INVALID, "/permission"},
    {"{'prohibition':null}", E_INVALID, "/prohibition"},
    {"{'permission':[{'action':'fly'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'Use'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'cx-policy:use'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'https://provider.example/use'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'http://www.w3.org/ns/odrl/2/us\xd0\xb5'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'http://www.w3.org/ns/odrl/2/use/'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':'https://www.w3.org/ns/odrl/2/use'}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':['use','fly']}]}", UNSUPPORTED, "/permission/0/action/1"},
    {"{'permission':[{'action':{'@id':'use','refinement':[]}}]}", E_INVALID, "/permission/0/action/refinement"},
    {"{'permission':[{'action':{'rdf:value':{'@id':'odrl:fly'}}}]}", UNSUPPORTED, "/permission/0/action"},
    {"{'permission':[{'action':5}]}", E_INVALID, "/permission/0/action"},
    {"{'permission':[{'action':''}]}", E_INVALID, "/permission/0/action"},
    {"{'permission':[{'action':'use','target':{'@type':'AssetCollection','source':'x','refinement':[]}}]}", E_INVALID, "/permission/0/target/refinement"},
    {"{'permission':[{'action':'use','target':{'@type':'PartyCollection','source':'x'}}]}", UNSUPPORTED, "/permission/0/target"},
    {"{'permission':[{'action':'use','target':{'@type':'Party','@id':'x'}}]}", UNSUPPORTED, "/permission/0/target"},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection'}}]}", UNSUPPORTED, "/permission/0/assignee"},
    {"{'permission':[{'action':'use','assignee':['a',5]}]}", E_INVALID, "/permission/0/assignee/1"},
    {"{'permission':[{'action':'use','assignee':[]}]}", E_INVALID, "/permission/0/assignee"},
    {"{'permission':[{'action':'use','assignee':5}]}", E_INVALID, "/permission/0/assignee"},
    {"{'permission':[{'action':'use','constraint':null}]}", E_INVALID, "/permission/0/constraint"},
    {"{'permission':[{'action':'use','constraint':['x']}]}", E_INVALID, AT_C},
    /* operands and operators */
    {P("{'operator':'lt','rightOperand':5}"), E_INVALID, AT_C "/leftOperand"},
    {P("{'leftOperand':'count','rightOperand':5}"), E_INVALID, AT_C "/operator"},
    {P("{'leftOperand':'count','operator':'lt'}"), E_INVALID, AT_C "/rightOperand"},
    {P("{}"), E_INVALID, AT_C "/leftOperand"},
    {P("{'@id':'urn:constraint'}"), E_INVALID, AT_C "/leftOperand"},
    {P("{'leftOperand':'count','operator':'lt','rightOperand':null}"), E_INVALID, AT_C "/rightOperand"},
    {P("{'leftOperand':null,'operator':'lt','rightOperand':5}"), E_INVALID, AT_C "/leftOperand"},
    {P(A("count", "lt", "[]")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "[null]")), E_INVALID, AT_C "/rightOperand/0"},
    {P(A("count", "lt", "[1,2]")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "1.5")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "1e3")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "'1.0'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "'99999999999999999999'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "' 5'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "'\xd9\xa5'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "true")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "{'@value':'5','@type':'xsd:string'}")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "{'@value':'5','@type':'urn:my:type'}")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "{'@value':'5','@language':'ko'}")), UNSUPPORTED, AT_C "/rightOperand"},
    {P(A("count", "lt", "{'@value':null}")), E_INVALID, AT_C "/rightOperand/@value"},
    {P(A("count", "lt", "{'@id':'urn:5'}")), E_INVALID, AT_C "/rightOperand"},
    {P(A("count", "lt", "{}")), UNSUPPORTED, AT_C "/rightOperand"},
    {P(A("count", "isAnyOf", "[1,2]")), UNSUPPORTED, AT_C "/operator"},
    {P(A("purpose", "lt", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("purpose", "eq", "5")), E_INVALID, AT_C "/rightOperand"},
    {P(A("purpose", "eq", "''")), E_INVALID, AT_C "/rightOperand"},
    {P(A("purpose", "hasPart", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("purpose", "eqq", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("purpose", "Eq", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("purpose", "cx-policy:eq", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("unknownOperand", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("edc:purpose", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("Purpose", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("http://www.w3.org/ns/odrl/2/purpos\xd0\xb5", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("https://w3id.org/catenax/2025/9/policy/membership", "eq", "'active'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("urn:evil:order", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("https://evil.example/naru/urn:naru:policy:order", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("elapsedTime", "eq", "'P30D'")), UNSUPPORTED, AT_C "/operator"},
    {P(A("elapsedTime", "lteq", "'30 days'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("elapsedTime", "lteq", "'-P1D'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("Membership", "isAnyOf", "['active']")), UNSUPPORTED, AT_C "/operator"},
    {P(A("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']")), UNSUPPORTED, AT_C "/leftOperand"},
    {P(A("DataProvisioningEndDate", "eq", "'2027-01-01'")), UNSUPPORTED, AT_C "/leftOperand"},
    {"{'prohibition':[{'action':'use','constraint':[" A("UsageRestriction", "isAllOf", "['cx.everything.forbidden:1']") "]}]}", UNSUPPORTED, "/prohibition/0/constraint/0/rightOperand/0"},
    {"{'prohibition':[{'action':'use','constraint':[{'or':[" A("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']") "]}]}]}", UNSUPPORTED, "/prohibition/0/constraint/0/or/0"},
    {"{'prohibition':[{'action':'use','constraint':[" A("Liability", "eq", "'cx.grossNegligence:1'") "]}]}", UNSUPPORTED, "/prohibition/0/constraint/0/leftOperand"},
    {P(A("Liability", "eq", "'cx.grossNegligence'")), UNSUPPORTED, AT_C "/rightOperand"},
    {P(A("naru:aiTraining", "eq", "'yes'")), UNSUPPORTED, AT_C "/rightOperand"},
    /* time */
    {P(A("dateTime", "lteq", "'2026-01-01T00:00:00'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'2026-02-30'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'2026-02-28+25:00'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'2026-02-28Zjunk'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'2026-01-01T24:30:00Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'2026-01-01T00:00:60Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'20260101T000000Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "1767225600")), E_INVALID, AT_C "/rightOperand"},
    {P(A("dateTime", "lteq", "'contractAgreement+30d'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("inForceDate", "lteq", "'contractAgreement+30'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("inForceDate", "lteq", "'contractAgreement+d'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("inForceDate", "lteq", "'contractAgreement+30w'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("inForceDate", "lteq", "'contractAgreement+99999999999999d'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("inForceDate", "lteq", "'contractAgreement+30d '")), E_INVALID, AT_C "/rightOperand"},
    {P(A("DataUsageEndDurationDays", "eq", "'two'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("naru:profitShare", "eq", "'12,5'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("naru:profitShare", "eq", "'1.0000000000000000001'")), E_INVALID, AT_C "/rightOperand"},
    {P(A("naru:profitShare", "eq", "0.5")), E_INVALID, AT_C "/rightOperand"},
    /* logic */
    {P("{'and':[]}"), E_INVALID, AT_C "/and"},
    {P("{'or':[]}"), E_INVALID, AT_C "/or"},
    {P("{'xone':[]}"), E_INVALID, AT_C "/xone"},
    {P("{'andSequence':[]}"), E_INVALID, AT_C "/andSequence"},
    {P("{'and':{'@list':[]}}"), E_INVALID, AT_C "/and"},
    {P("{'and':null}"), E_INVALID, AT_C "/and"},
    {P("{'and':[null]}"), E_INVALID, AT_C "/and/0"},
    {P("{'and':[{}]}"), E_INVALID, AT_C "/and/0/leftOperand"},
    {P("{'and':[" A("count", "lt", "5") "],'or':[" A("count", "lt", "5") "]}"), E_INVALID, AT_C "/or"},
    {P("{'and':[" A("count", "lt", "5") "],'leftOperand':'count'}"), E_INVALID, AT_C "/leftOperand"},
    {P("{'andSequence':[" A("count", "lt", "5") "]}"), UNSUPPORTED, AT_C "/andSequence"},
    {P("{'andSequence':[{'or':[" A("dateTime", "lt", "'2026-01-01'") "]}]}"), UNSUPPORTED, AT_C "/andSequence"},
};

/* clang-format on */

START_TEST(test_refused)
{
    help_policy_refused(refused[_i].json, refused[_i].code, refused[_i].at);
}

END_TEST

/* -- limits ------------------------------------------------------------------------------------ */

/* A permission with n values in one operand: n + 7 JSON values in all. */
static enum err_code compile_many(size_t n)
{
    AUTO(buf_done) struct buf json = buf_init(MIB(4));
    struct policy *policy = NULL;
    struct err err = {0};

    buf_add_c(&json, "{'permission':[{'action':'use','constraint':[{'leftOperand':'purpose',"
                     "'operator':'isAnyOf','rightOperand':[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&json, "%s'p%zu'", i > 0 ? "," : "", i);
    buf_add_c(&json, "]}]}]}");
    buf_add_char(&json, '\0');
    if (help_policy_from(json.p, &policy, &err) == 0)
        policy_unref(&policy);
    return err.code;
}

START_TEST(test_size)
{
    /* object, array, rule, action, array, constraint, left operand, operator, array */
    ck_assert_int_eq(compile_many(LIMIT_POLICY_NODES - 9), E_OK);
    ck_assert_int_eq(compile_many(LIMIT_POLICY_NODES - 8), E_LIMIT);
    ck_assert_int_eq(compile_many(100000), E_LIMIT);
}

END_TEST

static enum err_code compile_deep(int depth)
{
    AUTO(buf_done) struct buf json = buf_init(MIB(1));
    struct policy *policy = NULL;
    struct err err = {0};

    buf_add_c(&json, "{'permission':[{'action':'use','constraint':[");
    for (int i = 0; i < depth; i++)
        buf_add_c(&json, "{'xone':[");
    buf_add_c(&json, A("count", "lt", "5"));
    for (int i = 0; i < depth; i++)
        buf_add_c(&json, "]}");
    buf_add_c(&json, "]}]}");
    buf_add_char(&json, '\0');
    if (help_policy_from(json.p, &policy, &err) == 0)
        policy_unref(&policy);
    return err.code;
}

START_TEST(test_depth)
{
    /* 5 levels around, two per constraint, one below */
    ck_assert_int_eq(compile_deep((LIMIT_JSON_DEPTH - 5) / 2), E_OK);
    ck_assert_int_eq(compile_deep((LIMIT_JSON_DEPTH - 5) / 2 + 1), E_LIMIT);
}

END_TEST

/* -- writing ----------------------------------------------------------------------------------- */

static void check_round_trip(const struct policy *policy, enum policy_form form)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *again = NULL;
    struct err err = {0};
    struct jw w = jw_init(&text);

    policy_write(policy, form, &w);
    ck_assert(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    ck_assert_msg(policy_compile(jdoc_root(doc), &again, &err) == 0, "%.*s: %s at %s", (int)text.n,
                  text.p, err.text, err.at);
    ck_assert_msg(same_text(policy, again), "%.*s", (int)text.n, text.p);
    ck_assert(str_eq(policy_id(policy), policy_id(again)));
}

START_TEST(test_round_trip)
{
    for (size_t i = 0; i < SHAPES && equal[_i][i] != NULL; i++) {
        AUTO(policy_unref) struct policy *policy = compile_or_fail(equal[_i][i]);

        check_round_trip(policy, POLICY_FORM_DSP);
        check_round_trip(policy, POLICY_FORM_EXPANDED);
    }
}

END_TEST

START_TEST(test_written_text)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail(
        "{'@type':'odrl:Offer','@id':'o','odrl:target':{'@id':'t'},'odrl:permission':"
        "{'odrl:action':{'@id':'odrl:use'},'odrl:constraint':[{'odrl:leftOperand':"
        "{'@id':'odrl:count'},'odrl:operator':{'@id':'odrl:lteq'},'odrl:rightOperand':5},"
        "{'odrl:leftOperand':{'@id':'" C "UsagePurpose'},'odrl:operator':{'@id':"
        "'odrl:isAnyOf'},'odrl:rightOperand':'a'}]}}");
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jw w = jw_init(&text);

    policy_write(policy, POLICY_FORM_DSP, &w);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(
        text.p,
        "{\"@type\":\"Offer\",\"@id\":\"o\",\"target\":\"t\",\"permission\":[{\"action\":\"use\","
        "\"constraint\":[{\"leftOperand\":\"odrl:count\",\"operator\":\"lteq\",\"rightOperand\":"
        "\"5\"},{\"leftOperand\":\"" C "UsagePurpose\",\"operator\":\"isAnyOf\","
        "\"rightOperand\":[\"a\"]}]}]}");
}

END_TEST

/* -- what a compiled policy tells -------------------------------------------------------------- */

START_TEST(test_properties)
{
    AUTO(policy_unref)
    struct policy *policy = help_policy(
        "@type=Agreement @@id=x @target=t @assigner=p @assignee=c "
        "@timestamp=2026-01-01T00:00:00Z +use (count lteq 5) (dateTime lt 2027-01-01) "
        "[compensate (purpose eq a)] -sell (spatial eq KR) !delete (Membership eq active)");
    uint64_t needs = policy_needs(policy, POLICY_AT_NEGOTIATION);
    struct policy *second = policy_ref(policy);

    ck_assert_int_eq(policy_type(policy), POLICY_AGREEMENT);
    ck_assert(str_eq(policy_target(policy), STR("t")));
    ck_assert(str_eq(policy_assigner(policy), STR("p")));
    ck_assert(str_eq(policy_assignee(policy), STR("c")));
    ck_assert(policy_timestamp_us(policy) == help_time("2026-01-01T00:00:00Z"));
    ck_assert(!policy_is_empty(policy));
    ck_assert(policy_needs_operand(needs, POLICY_OP_COUNT));
    ck_assert(policy_needs_operand(needs, POLICY_OP_PURPOSE));
    ck_assert(policy_needs_operand(needs, POLICY_OP_SPATIAL));
    ck_assert(!policy_needs_operand(needs, POLICY_OP_DATE_TIME));
    ck_assert(!policy_needs_operand(needs, POLICY_OP_MEMBERSHIP));
    ck_assert(policy_needs_operand(policy_needs(policy, POLICY_AT_ACCESS), POLICY_OP_MEMBERSHIP));
    policy_unref(&second);
    ck_assert_ptr_null(second);
    ck_assert(str_eq(policy_target(policy), STR("t")));
    policy_unref(&second);
}

END_TEST

/* A bare name means one thing only. */
START_TEST(test_names)
{
    enum policy_operand operand;
    enum policy_action action;

    ck_assert(!policy_operand_find(STR(""), &operand) && !policy_action_find(STR(""), &action));
    ck_assert(!policy_operand_find(STR("ount"), &operand));
    ck_assert(!policy_action_find(STR("se"), &action));
    for (int i = 0; i < POLICY_OP__COUNT; i++) {
        const char *iri = policy_operand_iri((enum policy_operand)i);
        const char *slash = strrchr(iri, '/'), *colon = strrchr(iri, ':');
        enum policy_operand found = POLICY_OP__COUNT;

        ck_assert(policy_operand_find(str_c(iri), &found) && found == (enum policy_operand)i);
        ck_assert(policy_operand_find(str_c((slash > colon ? slash : colon) + 1), &found));
        ck_assert_msg(found == (enum policy_operand)i, "%s", iri);
    }
    for (int i = 0; i < POLICY_ACT__COUNT; i++) {
        const char *iri = policy_action_iri((enum policy_action)i);
        const char *slash = strrchr(iri, '/'), *colon = strrchr(iri, ':');
        enum policy_action found = POLICY_ACT__COUNT;

        ck_assert(policy_action_find(str_c(iri), &found) && found == (enum policy_action)i);
        ck_assert(policy_action_find(str_c((slash > colon ? slash : colon) + 1), &found));
        ck_assert_msg(found == (enum policy_action)i, "%s", iri);
    }
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_parse");
    TCase *tc = tcase_create("parse");

    tcase_add_loop_test(tc, test_equal, 0, (int)ARRAY_LEN(equal));
    tcase_add_loop_test(tc, test_different, 0, (int)ARRAY_LEN(different));
    tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tc, test_round_trip, 0, (int)ARRAY_LEN(equal));
    tcase_add_test(tc, test_size);
    tcase_add_test(tc, test_depth);
    tcase_add_test(tc, test_written_text);
    tcase_add_test(tc, test_properties);
    tcase_add_test(tc, test_names);
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
