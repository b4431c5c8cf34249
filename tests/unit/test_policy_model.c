/*
 * The whole information model: refinements, compound rules, parents, units, recurring windows, delays, amounts, and what follows
 * from duties and prohibitions that were not observed.
 */
#include <check.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/base/timefmt.h"
#include "lib/jdoc/jdoc.h"
#include "policy/compare.h"
#include "policy/peer.h"

#include "lib/base/banned.h"

#define O                  "http://www.w3.org/ns/odrl/2/"
#define RDF                "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define UNSUPPORTED        E_POLICY_UNSUPPORTED
#define NOW                "2026-06-01T00:00:00Z" /* a Monday */

#define R(left, op, right) "{'leftOperand':'" left "','operator':'" op "','rightOperand':" right "}"
#define PAY(op, amount, unit)                                                                      \
    "{'leftOperand':'payAmount','operator':'" op "','rightOperand':" amount ",'unit':'" unit "'}"
#define MEMBERS(...)   "{'@type':'PartyCollection','source':'urn:g','refinement':[" __VA_ARGS__ "]}"
#define ACT(name, ...) "{'rdf:value':{'@id':'odrl:" name "'},'refinement':[" __VA_ARGS__ "]}"

static struct policy *compile_or_fail(const char *json)
{
    struct policy *policy = NULL;
    struct err err = {0};
    int status = help_policy_from(json, &policy, &err);

    ck_assert_msg(status == 0, "%s\n%s at '%s'", json, err.text, err.at);
    return policy;
}

static bool same_hash(const struct policy *a, const struct policy *b)
{
    return memcmp(policy_hash(a), policy_hash(b), POLICY_HASH_LEN) == 0;
}

/* -- several ways to say the same -------------------------------------------------------------- */

#define SHAPES 4

/* clang-format off */
static const char *const equal[][SHAPES] = {
    { /* a refined action: compact, as a prefixed object, expanded */
     "{'permission':[{'action':" ACT("print", R("purpose", "eq", "'urn:p'")) "}]}",
     "{'permission':[{'action':[{'@id':'odrl:print','@type':'odrl:Action','odrl:refinement':{'odrl:leftOperand':{'@id':'odrl:purpose'},"
     "'odrl:operator':{'@id':'odrl:eq'},'odrl:rightOperand':{'@id':'urn:p'}}}]}]}",
     "[{'" O "permission':[{'" O "action':[{'" RDF "value':[{'@id':'" O "print'}],'" O "refinement':[{'" O "leftOperand':[{'@id':'" O "purpose'}],"
     "'" O "operator':[{'@id':'" O "eq'}],'" O "rightOperand':[{'@id':'urn:p'}]}]}]}]}]"},
    { /* several constraints of a refinement, in any order, logical ones too */
     "{'permission':[{'action':" ACT("print", R("purpose", "eq", "'urn:p'") "," R("spatial", "eq", "'KR'")) "}]}",
     "{'permission':[{'action':" ACT("print", R("spatial", "eq", "'KR'") "," R("purpose", "eq", "'urn:p'") "," R("spatial", "eq", "'KR'")) "}]}"},
    { /* an action without refinement is its name, however it is written */
     "{'permission':[{'action':'use'}]}", "{'permission':[{'action':{'rdf:value':{'@id':'odrl:use'}}}]}",
     "{'permission':[{'action':[{'@id':'odrl:use','@type':'Action'}]}]}"},
    { /* collections */
     "{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':[" R("spatial", "isPartOf", "'EU'") "]}}]}",
     "[{'" O "permission':[{'" O "action':[{'@id':'" O "use'}],'" O "assignee':[{'@type':['" O "PartyCollection'],'" O "source':[{'@id':'urn:g'}],"
     "'" O "refinement':[{'" O "leftOperand':[{'@id':'" O "spatial'}],'" O "operator':[{'@id':'" O "isPartOf'}],'" O "rightOperand':[{'@value':'EU'}]}]}]}]}]"},
    { /* ... at policy level and in the rule that repeats them */
     "{'target':{'@type':'AssetCollection','source':'urn:s','refinement':[" R("language", "eq", "'ko'") "]},'permission':[{'action':'use'}]}",
     "{'target':{'@type':'AssetCollection','source':'urn:s','refinement':[" R("language", "eq", "'ko'") "]},'permission':[{'action':'use',"
     "'target':{'@type':'AssetCollection','source':'urn:s','refinement':" R("language", "eq", "'ko'") "}},{'action':'use'}]}"},
    { /* parties and assets that say what they are */
     "{'@id':'urn:pol','permission':[{'action':'use','target':'urn:a','assigner':'urn:p','assignee':'urn:c'}]}",
     "{'@id':'urn:pol','permission':[{'action':'use','target':{'@type':'Asset','uid':'urn:a','hasPolicy':'urn:pol'},"
     "'assigner':{'@type':'odrl:Party','@id':'urn:p','assignerOf':{'@id':'urn:pol'}},'assignee':{'@id':'urn:c','assigneeOf':['urn:pol']}}]}"},
    { /* compound rules */
     "{'permission':[{'action':['print','display'],'target':['urn:a','urn:b'],'assignee':'urn:c'}]}",
     "{'permission':[{'action':'print','target':'urn:a','assignee':'urn:c'},{'action':'print','target':'urn:b','assignee':'urn:c'},"
     "{'action':'display','target':'urn:a','assignee':'urn:c'},{'action':'display','target':'urn:b','assignee':'urn:c'}]}"},
    { /* ... with what they share */
     "{'permission':[{'action':['print','display'],'constraint':[" R("count", "lteq", "5") "],'duty':[{'action':['inform','delete']}]}]}",
     "{'permission':[{'action':'display','constraint':[" R("count", "lteq", "5") "],'duty':[{'action':'delete'},{'action':'inform'}]},"
     "{'action':'print','constraint':[" R("count", "lteq", "5") "],'duty':[{'action':'inform'},{'action':'delete'}]}]}"},
    { /* what a policy says stands for the rules that lack it */
     "{'action':'use','target':['urn:a','urn:b'],'assignee':'urn:c','permission':[{},{'action':'print','target':'urn:x'}]}",
     "{'assignee':'urn:c','permission':[{'action':'use','target':'urn:a'},{'action':'use','target':'urn:b'},{'action':'print','target':'urn:x'}]}"},
    { /* units */
     "{'permission':[{'action':'use','constraint':[" R("naru:volumeBytes", "lteq", "5242880") "]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':'MiB'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':'5120','odrl:unit':{'@id':'http://qudt.org/vocab/unit/KibiBYTE'}}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'naru:volumeBytes','operator':'lteq','rightOperand':5242880,'unit':'B'}]}]}"},
    { "{'permission':[{'action':'use','constraint':[" R("naru:rows", "lt", "7") "]}]}",
      "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lt','rightOperand':7,'unit':'record'}]}]}"},
    { /* the unit in a constraint of its own */
     "{'permission':[{'action':'use','constraint':[" R("naru:volumeBytes", "lteq", "2048") "," R("spatial", "eq", "'KR'") "]}]}",
     "{'permission':[{'action':'use','constraint':[" R("unitOfCount", "eq", "'KiB'") "," R("spatial", "eq", "'KR'") "," R("count", "lteq", "2") "]}]}",
     "{'permission':[{'action':'use','constraint':[" R("count", "lteq", "2") "," R("spatial", "eq", "'KR'") "," R("unitOfCount", "eq", "{'@id':'http://qudt.org/vocab/unit/KibiBYTE'}") "]}]}"},
    { /* amounts and currencies */
     "{'obligation':[{'action':" ACT("compensate", PAY("eq", "'500.00'", "EUR")) "}]}",
     "{'obligation':[{'action':" ACT("compensate", PAY("eq", "500", "http://dbpedia.org/resource/Euro")) "}]}",
     "{'obligation':[{'action':" ACT("compensate", PAY("eq", "{'@value':'500.0','@type':'xsd:decimal'}", "urn:iso:std:iso:4217:EUR")) "}]}"},
    { /* datatypes */
     "{'permission':[{'action':'use','constraint':[" R("dateTime", "lt", "'2027-01-01'") "]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'dateTime','operator':'lt','rightOperand':'2027-01-01','dataType':'xsd:date'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'dateTime','operator':'lt','rightOperand':{'@value':'2027-01-01','@type':'xsd:date'},'odrl:dataType':{'@id':'http://www.w3.org/2001/XMLSchema#date'}}]}]}"},
    { /* windows of the week */
     "{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "isAnyOf", "['mon/fri+09:00']") "," R("naru:timeOfDay", "eq", "'09:00/18:00[Asia/Seoul]'") "]}]}",
     "{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "isAnyOf", "['Mon/Fri[Asia/Seoul]']") "," R("naru:timeOfDay", "eq", "'09:00:00/18:00+09:00'") "]}]}"},
};

/* clang-format on */

/* What was written is read as the same again. */
static void check_written(const struct policy *policy, enum policy_form form)
{
    AUTO(policy_unref) struct policy *again = NULL;
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jw w = jw_init(&text);
    struct err err = {0};

    policy_write(policy, form, &w);
    ck_assert(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0);
    ck_assert_msg(policy_compile(jdoc_root(doc), &again, &err) == 0, "%.*s: %s at %s", (int)text.n,
                  text.p, err.text, err.at);
    ck_assert_msg(same_hash(policy, again), "%.*s", (int)text.n, text.p);
}

START_TEST(test_equal)
{
    AUTO(policy_unref) struct policy *first = compile_or_fail(equal[_i][0]);

    check_written(first, POLICY_FORM_DSP);
    check_written(first, POLICY_FORM_EXPANDED);
    for (size_t i = 1; i < SHAPES && equal[_i][i] != NULL; i++) {
        AUTO(policy_unref) struct policy *other = compile_or_fail(equal[_i][i]);
        AUTO(buf_done) struct buf a = buf_init(KIB(64)), b = buf_init(KIB(64));

        ck_assert_msg(same_hash(first, other), "%d.%zu: another hash", _i, i);
        ck_assert(policy_same_rules(first, other));
        policy_explain(first, POLICY_KO, &a);
        policy_explain(other, POLICY_KO, &b);
        ck_assert_msg(str_eq(buf_str(&a), buf_str(&b)), "%.*s%.*s", (int)a.n, a.p, (int)b.n, b.p);
    }
}

END_TEST

/* clang-format off */
static const struct { const char *a, *b; } different[] = {
    /* members of one collection, selected in other ways than the policy does */
    {"{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}",
     "{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'JP'") "}}]}"},
    {"{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g'}}]}",
     "{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use'}]}"},
    {"{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':[" R("spatial", "eq", "'KR'") "," R("spatial", "isPartOf", "'KR'") "]},'permission':[{'action':'use'}]}",
     "{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':[" R("spatial", "eq", "'KR'") "," R("spatial", "isPartOf", "'KR'") "]},'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}"},
    {"{'permission':[{'action':'print'}]}", "{'permission':[{'action':" ACT("print", R("purpose", "eq", "'urn:p'")) "}]}"},
    {"{'permission':[{'action':'print','constraint':[" R("purpose", "eq", "'urn:p'") "]}]}", "{'permission':[{'action':" ACT("print", R("purpose", "eq", "'urn:p'")) "}]}"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "500", "EUR")) "}]}", "{'obligation':[{'action':" ACT("compensate", PAY("eq", "500", "USD")) "}]}"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "500", "EUR")) "}]}", "{'obligation':[{'action':" ACT("compensate", PAY("eq", "'500.01'", "EUR")) "}]}"},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g'}}]}",
     "{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}"},
    /* what an agreement would lose if it stood at policy level */
    {"{'assignee':{'@type':'PartyCollection','source':'urn:g'},'permission':[{'action':'use'}]}", "{'permission':[{'action':'use'}]}"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':'MB'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':'MiB'}]}]}"},
    {"{'permission':[{'action':'use','constraint':[" R("naru:timeOfDay", "eq", "'09:00/18:00+09:00'") "]}]}",
     "{'permission':[{'action':'use','constraint':[" R("naru:timeOfDay", "eq", "'09:00/18:00Z'") "]}]}"},
};

/* clang-format on */

START_TEST(test_different)
{
    AUTO(policy_unref) struct policy *a = compile_or_fail(different[_i].a);
    AUTO(policy_unref) struct policy *b = compile_or_fail(different[_i].b);

    ck_assert(!same_hash(a, b));
    ck_assert(!policy_same_rules(a, b));
}

END_TEST

/* -- what is refused --------------------------------------------------------------------------- */

#define P(constraint) "{'permission':[{'action':'use','constraint':[" constraint "]}]}"
#define AT_C          "/permission/0/constraint/0"
#define AT_R          "/permission/0/action/refinement/0"

/* clang-format off */
static const struct { const char *json; enum err_code code; const char *at; } refused[] = {
    /* refinements */
    {"{'permission':[{'action':" ACT("print", R("resolution", "lteq", "1200")) "}]}", UNSUPPORTED, AT_R "/leftOperand"},
    {"{'permission':[{'action':" ACT("print", R("Membership", "eq", "'active'")) "}]}", UNSUPPORTED, AT_R "/leftOperand"},
    {"{'permission':[{'action':" ACT("print", R("count", "lteq", "5")) "}]}", UNSUPPORTED, AT_R "/leftOperand"},
    {"{'permission':[{'action':" ACT("print", R("purpose", "eq", "null")) "}]}", E_INVALID, AT_R "/rightOperand"},
    {"{'permission':[{'action':" ACT("print", "{'and':[]}") "}]}", E_INVALID, AT_R "/and"},
    {"{'permission':[{'action':{'rdf:value':'use','@id':'use','refinement':[" R("purpose", "eq", "'x'") "]}}]}", E_INVALID, "/permission/0/action"},
    {"{'permission':[{'action':{'refinement':[" R("purpose", "eq", "'x'") "],'@type':'Action'}}]}", E_INVALID, "/permission/0/action"},
    {"{'permission':[{'action':{'rdf:value':'fly','refinement':[" R("purpose", "eq", "'x'") "]}}]}", UNSUPPORTED, "/permission/0/action/rdf:value"},
    {"{'permission':[{'action':{'rdf:value':'use','implies':'print'}}]}", UNSUPPORTED, "/permission/0/action/implies"},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','@id':'urn:g','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}", E_INVALID, "/permission/0/assignee/@id"},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','refinement':" R("spatial", "eq", "'KR'") "}}]}", E_INVALID, "/permission/0/assignee/source"},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("language", "eq", "'ko'") "}}]}", UNSUPPORTED, "/permission/0/assignee/refinement/leftOperand"},
    {"{'permission':[{'action':'use','target':{'@type':'AssetCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}", UNSUPPORTED, "/permission/0/target/refinement/leftOperand"},
    {"{'permission':[{'action':'use','assigner':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}", UNSUPPORTED, "/permission/0/assigner/refinement"},
    {"{'permission':[{'action':'use','target':{'@type':'Asset','@id':'urn:a','refinement':" R("language", "eq", "'ko'") "}}]}", UNSUPPORTED, "/permission/0/target"},
    {"{'permission':[{'action':'use','target':{'@type':'AssetCollection','partOf':'urn:g'}}]}", UNSUPPORTED, "/permission/0/target/partOf"},
    {"{'permission':[{'action':'use','refinement':[" R("purpose", "eq", "'x'") "]}]}", UNSUPPORTED, "/permission/0/refinement"},
    /* amounts */
    {"{'permission':[{'action':" ACT("compensate", PAY("eq", "5", "EUR")) "}]}", UNSUPPORTED, AT_R "/leftOperand"},
    {"{'action':" ACT("compensate", PAY("eq", "5", "EUR")) ",'obligation':[{}]}", UNSUPPORTED, "/action/refinement/0/leftOperand"},
    {"{'obligation':[{'action':'compensate','constraint':[" PAY("eq", "5", "EUR") "]}]}", UNSUPPORTED, "/obligation/0/constraint/0/leftOperand"},
    {"{'obligation':[{'action':" ACT("compensate", R("payAmount", "eq", "5")) "}]}", E_INVALID, "/obligation/0/action/refinement/0/unit"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "5", "MiB")) "}]}", E_INVALID, "/obligation/0/action/refinement/0/unit"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "5", "eur")) "}]}", E_INVALID, "/obligation/0/action/refinement/0/unit"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "'5,00'", "EUR")) "}]}", E_INVALID, "/obligation/0/action/refinement/0/rightOperand"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("neq", "5", "EUR")) "}]}", UNSUPPORTED, "/obligation/0/action/refinement/0/operator"},
    /* units and datatypes */
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':'furlong'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':'EUR'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'naru:calls','operator':'lteq','rightOperand':5,'unit':'MiB'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'naru:volumeBytes','operator':'lteq','rightOperand':5,'unit':'mb'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'naru:volumeBytes','operator':'lteq','rightOperand':9223372036854775,'unit':'MiB'}"), E_INVALID, AT_C "/unit"},
    {P("{'leftOperand':'purpose','operator':'eq','rightOperand':'x','unit':'B'}"), UNSUPPORTED, AT_C "/unit"},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':5,'unit':null}"), E_INVALID, AT_C "/unit"},
    {P("{'and':[" R("count", "lteq", "5") "],'unit':'B'}"), E_INVALID, AT_C "/unit"},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':5,'dataType':'xsd:date'}"), E_INVALID, AT_C "/rightOperand"},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':{'@value':'5','@type':'xsd:int'},'dataType':'xsd:long'}"), E_INVALID, AT_C "/rightOperand"},
    {P("{'leftOperand':'purpose','operator':'eq','rightOperand':{'@id':'urn:x'},'dataType':'xsd:string'}"), E_INVALID, AT_C "/rightOperand"},
    {P(R("unitOfCount", "eq", "'KiB'")), UNSUPPORTED, "/permission/0/constraint"},
    {P(R("unitOfCount", "eq", "'KiB'") "," R("count", "lteq", "1") "," R("count", "gt", "0")), UNSUPPORTED, "/permission/0/constraint"},
    {P(R("unitOfCount", "eq", "'KiB'") "," R("unitOfCount", "eq", "'B'") "," R("count", "gt", "0")), UNSUPPORTED, "/permission/0/constraint"},
    {P(R("unitOfCount", "eq", "'perUser'") "," R("count", "gt", "0")), UNSUPPORTED, "/permission/0/constraint"},
    {P("{'or':[" R("unitOfCount", "eq", "'KiB'") "," R("count", "gt", "0") "]}"), UNSUPPORTED, AT_C "/or"},
    {P("{'and':[" R("unitOfCount", "eq", "'KiB'") "]}," R("count", "gt", "0")), UNSUPPORTED, AT_C "/and"},
    /* windows of the week */
    {P(R("naru:daysOfWeek", "eq", "'mon'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:daysOfWeek", "eq", "'mon/'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:daysOfWeek", "eq", "'montag+01:00'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:daysOfWeek", "eq", "'mon[Europe/Atlantis]'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:daysOfWeek", "lt", "'mon+09:00'")), UNSUPPORTED, AT_C "/operator"},
    {P(R("naru:timeOfDay", "eq", "'09:00/18:00'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'09:00/09:00Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'24:00/09:00Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'09:00/24:01Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'9:00/18:00Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'09:00/18:60Z'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'09:00/18:00+15:00'")), E_INVALID, AT_C "/rightOperand"},
    {P(R("naru:timeOfDay", "eq", "'09:00/18:00+0900'")), E_INVALID, AT_C "/rightOperand"},
    /* delays */
    {P("{'andSequence':[" R("dateTime", "lt", "'2026-01-01'") "," R("delayPeriod", "gteq", "'P1D'") "]}"), UNSUPPORTED, AT_C "/andSequence"},
    {P(R("delayPeriod", "neq", "'P1D'")), UNSUPPORTED, AT_C "/operator"},
    /* what belongs to other policies */
    {"{'@id':'urn:p','permission':[{'action':'use','target':{'@type':'Asset','@id':'urn:a','hasPolicy':'urn:q'}}]}", UNSUPPORTED, "/permission/0/target/hasPolicy"},
    {"{'permission':[{'action':'use','target':{'@type':'Asset','@id':'urn:a','hasPolicy':'urn:q'}}]}", UNSUPPORTED, "/permission/0/target/hasPolicy"},
    {"{'@id':'urn:p','permission':[{'action':'use','assignee':{'@type':'Party','@id':'urn:c','assignerOf':'urn:p'}}]}", UNSUPPORTED, "/permission/0/assignee/assignerOf"},
    {"{'hasPolicy':'urn:q','permission':[{'action':'use'}]}", UNSUPPORTED, "/hasPolicy"},
    {"{'@id':'urn:p','permission':[{'action':'use','target':{'@type':'Asset','@id':'urn:a','hasPolicy':5}}]}", E_INVALID, "/permission/0/target/hasPolicy"},
    /* names that are none */
    {"{'permission':[{'action':'use','target':{'@type':5,'@id':'urn:a'}}]}", E_INVALID, "/permission/0/target/@type"},
    {"{'permission':[{'action':'use','assignee':{'@type':'Party','@id':'urn:a','source':'urn:g'}}]}", UNSUPPORTED, "/permission/0/assignee"},
    {"{'permission':[{'action':{'@id':5}}]}", E_INVALID, "/permission/0/action/@id"},
    {"{'permission':[{'action':{'rdf:value':5}}]}", E_INVALID, "/permission/0/action/rdf:value"},
    {"{'permission':[{'action':{'@type':'Rule','rdf:value':'use'}}]}", UNSUPPORTED, "/permission/0/action/@type"},
    {"{'isReplacedBy':'urn:q','permission':[{'action':'use'}]}", UNSUPPORTED, "/isReplacedBy"},
    {"{'dct:isReplacedBy':{'@id':'urn:q'},'permission':[{'action':'use'}]}", UNSUPPORTED, "/dct:isReplacedBy"},
    {"{'inheritFrom':'urn:q','permission':[{'action':'use'}]}", UNSUPPORTED, "/inheritFrom"},
    /* what follows from what (IM 2.2 §2.6) */
    {"{'prohibition':[{'action':'print','remedy':[{'action':'delete','consequence':[{'action':'inform'}]}]}]}", UNSUPPORTED, "/prohibition/0/remedy/0/consequence"},
    {"{'obligation':[{'action':'delete','consequence':[{'action':'inform','consequence':[{'action':'delete'}]}]}]}", UNSUPPORTED, "/obligation/0/consequence/0/consequence"},
    {"{'obligation':[{'action':'delete','duty':[{'action':'inform'}]}]}", UNSUPPORTED, "/obligation/0/duty"},
    {"{'permission':[{'action':'use','remedy':[{'action':'inform'}]}]}", UNSUPPORTED, "/permission/0/remedy"},
    {"{'action':'delete','permission':[{'action':'use','duty':[{}]}]}", E_INVALID, "/permission/0/duty/0/action"},
    {"{'@type':'Agreement','target':'urn:a','assigner':'urn:p','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use'}]}", UNSUPPORTED, "/assignee"},
    {"{'@type':'Agreement','target':['urn:a','urn:b'],'assigner':'urn:p','assignee':'urn:c','permission':[{'action':'use'}]}", E_INVALID, "/target"},
};

/* clang-format on */

START_TEST(test_refused)
{
    help_policy_refused(refused[_i].json, refused[_i].code, refused[_i].at);
}

END_TEST

/* Rules that have their constraints in common are counted with each of them. */
START_TEST(test_conditions_are_bounded)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    AUTO(policy_unref) struct policy *policy = NULL;
    struct err err = {0};

    buf_add_c(&text, "{'permission':[{'target':['urn:t'");
    for (int i = 1; i < 9000; i++)
        buf_printf(&text, ",'urn:t%d'", i);
    buf_add_c(&text, "],'action':'use','constraint':[");
    for (int i = 0; i < 5; i++)
        buf_printf(&text, "%s" R("count", "neq", "%d"), i > 0 ? "," : "", i);
    buf_add_c(&text, "]}]}");
    buf_add_char(&text, '\0');
    ck_assert_int_eq(help_policy_from(text.p, &policy, &err), -E_LIMIT);
    ck_assert_str_eq(err.at, "");
}

END_TEST

/* 30 actions by 30 assets by 30 parties are more rules than a policy may have; 20 by 20 are not. */
static int compile_product(int n, int parties, struct err *err)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    buf_add_c(&text, "{'permission':[{'action':['use'");
    for (int i = 1; i < n; i++)
        buf_add_c(&text, ",'print'");
    buf_add_c(&text, "],'target':['urn:t'");
    for (int i = 1; i < n; i++)
        buf_printf(&text, ",'urn:t%d'", i);
    buf_add_c(&text, "],'assignee':['urn:p'");
    for (int i = 1; i < parties; i++)
        buf_printf(&text, ",'urn:p%d'", i);
    buf_add_c(&text, "]}]}");
    buf_add_char(&text, '\0');
    return help_policy_from(text.p, &policy, err);
}

START_TEST(test_product_is_bounded)
{
    struct err err = {0};

    ck_assert_int_eq(compile_product(20, 1, &err), 0);
    ck_assert_int_eq(compile_product(30, 30, &err), -E_LIMIT);
    ck_assert_str_eq(err.at, "/permission/0");
    ck_assert_int_eq(compile_product(1500, 1500, &err), -E_LIMIT);
}

END_TEST

/* Few rules that share many constraints are bounded as well. */
START_TEST(test_shared_constraints_are_bounded)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct policy *policy = NULL;
    struct err err = {0};

    buf_add_c(&text, "{'permission':[{'action':'use','target':['urn:t'");
    for (int i = 1; i < 900; i++)
        buf_printf(&text, ",'urn:t%d'", i);
    buf_add_c(&text, "],'constraint':[{'or':[" R("count", "lteq", "1"));
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "," R("count", "lteq", "%d"), i);
    buf_add_c(&text, "]}]}]}");
    buf_add_char(&text, '\0');
    ck_assert_int_eq(help_policy_from(text.p, &policy, &err), -E_LIMIT);
}

END_TEST

/* -- decisions --------------------------------------------------------------------------------- */

#define PERMIT "permit"

/* clang-format off */
/* until "": for ever; NULL: until a counter is too old */
static const struct { const char *policy, *world, *expected, *until; } decisions[] = {
    /* a refinement of the action is judged like a constraint, on what is known of the request */
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "purpose=urn:p", PERMIT, ""},
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "purpose=urn:q", "0:purpose:constraint-false", ""},
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "", "0:purpose:fact-unknown", ""},
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) ",'constraint':[" R("count", "lteq", "5") "]}]}", "purpose=urn:p count=6", "0:count:constraint-false",NULL},
    {"{'permission':[{'action':" ACT("use", "{'xone':[" R("purpose", "eq", "'urn:p'") "," R("spatial", "eq", "'KR'") "]}") "}]}", "purpose=urn:p spatial=KR", "0:spatial:alternatives", ""},
    /* a prohibition stays active unless its refinement is known to be false */
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "purpose=urn:q", PERMIT, ""},
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "", "1:purpose:conflict", ""},
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "purpose=urn:p", "1:purpose:conflict", ""},
    /* members of a collection: they belong to it, and are like this */
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:group','refinement':" R("spatial", "isPartOf", "'EU'") "}}]}", "spatial=DE", PERMIT, ""},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:group','refinement':" R("spatial", "isPartOf", "'EU'") "}}]}", "spatial=KR", "0:spatial:constraint-false", ""},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:group','refinement':" R("spatial", "isPartOf", "'EU'") "}}]}", "", "0:spatial:fact-unknown", ""},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:others','refinement':" R("spatial", "isPartOf", "'EU'") "}}]}", "spatial=DE", "0:other-assignee", ""},
    {"{'target':{'@type':'AssetCollection','source':'urn:files','refinement':" R("fileFormat", "eq", "'urn:csv'") "},'permission':[{'action':'use'}]}", "fileFormat=urn:csv,urn:xml", PERMIT, ""},
    {"{'target':{'@type':'AssetCollection','source':'urn:files','refinement':" R("fileFormat", "eq", "'urn:csv'") "},'permission':[{'action':'use'}]}", "fileFormat=urn:xml", "0:fileFormat:constraint-false", ""},
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:group','refinement':" R("spatial", "eq", "'KP'") "}}]}", "spatial=KR", PERMIT, ""},
    {"{'permission':[{'action':'use'}],'prohibition':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:group','refinement':" R("spatial", "eq", "'KP'") "}}]}", "", "1:spatial:conflict", ""},
    /* compound rules are alternatives */
    {"{'permission':[{'action':['print','use'],'assignee':['urn:x','urn:me'],'target':['urn:a','urn:data']}]}", "", PERMIT, ""},
    {"{'action':['print','use'],'target':['urn:a','urn:data'],'permission':[{'constraint':[" R("count", "lteq", "1") "]}]}", "count=1", PERMIT,NULL},
    {"{'action':'print','permission':[{}]}", "", "no-permission", ""},
    /* units */
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'KiB'}]}]}", "naru:volumeBytes=2048", PERMIT,NULL},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'KiB'}]}]}", "naru:volumeBytes=2049 count=1", "0:volumeBytes:constraint-false",NULL},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'kB'}]}]}", "naru:volumeBytes=2001", "0:volumeBytes:constraint-false",NULL},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'gt','rightOperand':2,'unit':'row'}]}]}", "naru:rows=3", PERMIT,NULL},
    {"{'permission':[{'action':'use','constraint':[" R("naru:days", "lteq", "30") "]}]}", "naru:days=31", "0:days:constraint-false",NULL},
    /* windows of the week: now is Monday 00:00 UTC, 09:00 in Seoul */
    {P(R("naru:timeOfDay", "eq", "'09:00/18:00[Asia/Seoul]'")), "", PERMIT, "2026-06-01T09:00:00Z"},
    {P(R("naru:timeOfDay", "eq", "'09:00/18:00Z'")), "", "0:timeOfDay:constraint-false", "2026-06-01T09:00:00Z"},
    {P(R("naru:timeOfDay", "neq", "'09:00/18:00Z'")), "", PERMIT, "2026-06-01T09:00:00Z"},
    {P(R("naru:timeOfDay", "eq", "'22:00/06:00Z'")), "", PERMIT, "2026-06-01T06:00:00Z"},
    {P(R("naru:timeOfDay", "eq", "'22:00/00:00Z'")), "", "0:timeOfDay:constraint-false", "2026-06-01T22:00:00Z"},
    {P(R("naru:timeOfDay", "eq", "'00:00/24:00-03:00'")), "", PERMIT, ""},
    {P(R("naru:timeOfDay", "isAnyOf", "['00:00/12:00Z','12:00/24:00Z']")), "", PERMIT, ""},
    {P(R("naru:timeOfDay", "isAnyOf", "['00:00/03:00Z','02:00/05:00:30Z']")), "", PERMIT, "2026-06-01T05:00:30Z"},
    {P(R("naru:timeOfDay", "isNoneOf", "['00:00/03:00Z','02:00/05:00Z']")), "", "0:timeOfDay:constraint-false", "2026-06-01T05:00:00Z"},
    {P(R("naru:daysOfWeek", "eq", "'mon/fri+09:00'")), "", PERMIT, "2026-06-05T15:00:00Z"},
    {P(R("naru:daysOfWeek", "eq", "'mon/fri-09:00'")), "", "0:daysOfWeek:constraint-false", "2026-06-01T09:00:00Z"},
    {P(R("naru:daysOfWeek", "eq", "'sun/monZ'")), "", PERMIT, "2026-06-02T00:00:00Z"},
    {P(R("naru:daysOfWeek", "isAnyOf", "['sat/sunZ','monZ']")), "", PERMIT, "2026-06-02T00:00:00Z"},
    {P(R("naru:daysOfWeek", "eq", "'sat/sunZ'")), "", "0:daysOfWeek:constraint-false", "2026-06-06T00:00:00Z"},
    {P(R("naru:daysOfWeek", "eq", "'mon/sunZ'")), "", PERMIT, ""},
    {P(R("naru:daysOfWeek", "eq", "'mon/fri+09:00'") "," R("naru:timeOfDay", "eq", "'09:00/18:00[Asia/Seoul]'")), "", PERMIT, "2026-06-01T09:00:00Z"},
    {"{'permission':[{'action':" ACT("use", R("naru:timeOfDay", "eq", "'09:00/18:00[Asia/Seoul]'")) "}]}", "", PERMIT, "2026-06-01T09:00:00Z"},
    /* a unit beside the only count without one */
    {P("{'or':[" R("count", "lt", "3") "," R("count", "gt", "5") "]}," R("unitOfCount", "eq", "'KiB'") "," R("count", "lteq", "1")), "naru:volumeBytes=1024 count=1", PERMIT, NULL},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'row'}," R("unitOfCount", "eq", "'KiB'") "," R("count", "lteq", "1")), "naru:volumeBytes=1024 naru:rows=3", "0:rows:constraint-false", NULL},
    {P("{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'use'}," R("unitOfCount", "eq", "'KiB'") "," R("count", "lteq", "1")), "naru:volumeBytes=1024 count=3", "0:count:constraint-false", NULL},
    {P(R("spatial", "isPartOf", "'cx.region.all:1'")), "spatial=KR", PERMIT, ""},
    {P(R("spatial", "isPartOf", "'cx.region.all:1'")), "spatial=cx.region.europe:1", PERMIT, ""},
    {P(R("spatial", "eq", "{'@id':'KR'}")), "spatial=KR", PERMIT, ""},
    {"{'permission':[{'action':'use','duty':[{'action':" ACT("compensate", "{'or':[" R("recipient", "eq", "'urn:a'") "," R("recipient", "eq", "'urn:b'") "]}") "}]}]}", "", "0:duty-unfulfilled", ""},
    /* delays: the agreement is of 2026-05-01 */
    {P("{'andSequence':[" R("dateTime", "gt", "'2026-05-24T23:59:59Z'") "," R("delayPeriod", "gteq", "'P7D'") "]}"), "", PERMIT, ""},
    {P("{'andSequence':[" R("dateTime", "eq", "'2026-06-01'") "," R("delayPeriod", "gteq", "'PT0S'") "]}"), "", PERMIT, "2026-06-02T00:00:00Z"},
    {P("{'andSequence':[" R("dateTime", "gteq", "'2026-05-25T00:00:00Z'") "," R("delayPeriod", "gteq", "'PT9223372036854S'") "]}"), "", "0:constraint-false", NULL},
    {P(R("delayPeriod", "gteq", "'P30D'")), "", PERMIT, ""},
    {P(R("delayPeriod", "eq", "'P30D'")), "", PERMIT, ""},
    {P(R("delayPeriod", "eq", "'P32D'")), "", "0:delayPeriod:constraint-false", "2026-06-02T00:00:00Z"},
    {P(R("delayPeriod", "lteq", "'P31D'")), "", PERMIT, "2026-06-01T00:00:00.000001Z"},
    {P("{'andSequence':[" R("dateTime", "gteq", "'2026-05-25T00:00:00Z'") "," R("delayPeriod", "gteq", "'P7D'") "]}"), "", PERMIT, ""},
    {P("{'andSequence':[" R("dateTime", "gteq", "'2026-05-25T00:00:00Z'") "," R("delayPeriod", "gteq", "'P8D'") "]}"), "", "0:constraint-false", "2026-06-02T00:00:00Z"},
    {P("{'andSequence':[" R("dateTime", "gteq", "'2026-05-25T00:00:00Z'") "," R("delayPeriod", "lteq", "'P8D'") "]}"), "", PERMIT, "2026-06-02T00:00:00.000001Z"},
    {P("{'andSequence':[" R("elapsedTime", "gteq", "'P10D'") "," R("delayPeriod", "gteq", "'P21D'") "]}"), "", PERMIT, ""},
    {P("{'andSequence':[" R("elapsedTime", "gteq", "'P10D'") "," R("delayPeriod", "gteq", "'P22D'") "]}"), "", "0:constraint-false", "2026-06-02T00:00:00Z"},
    {P("{'andSequence':[" R("dateTime", "gteq", "'2026-05-01T00:00:00Z'") "," R("delayPeriod", "eq", "'P1M'") "]}"), "", PERMIT, ""},
    {P("{'andSequence':[" R("elapsedTime", "gteq", "'P0D'") "," R("delayPeriod", "gteq", "'P1M'") "]}"), "", PERMIT, ""},
};

/* clang-format on */

static const struct str my_groups[] = {STR_INIT("urn:group")};
static const struct str my_files[] = {STR_INIT("urn:files")};

static struct policy_question question_at(const char *now)
{
    return (struct policy_question){
        .action = POLICY_ACT_USE,
        .scope = POLICY_AT_ACCESS,
        .now_us = help_time(now),
        .agreement_us = help_time("2026-05-01T00:00:00Z"),
        .target = STR("urn:data"),
        .assignee = STR("urn:me"),
        .target_in = my_files,
        .assignee_in = my_groups,
        .n_target_in = 1,
        .n_assignee_in = 1,
        .collections_known = true,
    };
}

START_TEST(test_decisions)
{
    AUTO(policy_unref) struct policy *policy = compile_or_fail(decisions[_i].policy);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    const struct policy_question question = question_at(NOW);
    struct world *world = ARENA_NEW(arena, struct world);
    struct policy_decision decision;
    struct str causes;

    help_world(arena, decisions[_i].world, world);
    policy_decide(policy, &question, &world->facts, &decision);
    causes = decision.verdict == POLICY_PERMIT ? STR(PERMIT) : help_causes(arena, &decision);
    ck_assert_msg(str_eq_c(causes, decisions[_i].expected), "%s: %.*s", decisions[_i].policy,
                  STR_ARG(causes));
    if (decisions[_i].until == NULL)
        return;
    ck_assert_msg(
        decision.valid_until_us ==
            (decisions[_i].until[0] != '\0' ? help_time(decisions[_i].until) : POLICY_FOREVER),
        "%s: until %s", decisions[_i].policy, time_format(decision.valid_until_us).c);
    /* exact: it turns at that instant, not before */
    if (decisions[_i].until[0] != '\0') {
        struct policy_question later = question;
        struct policy_decision then;

        later.now_us = decision.valid_until_us - 1;
        policy_decide(policy, &later, &world->facts, &then);
        ck_assert_int_eq(then.verdict, decision.verdict);
        later.now_us = decision.valid_until_us;
        policy_decide(policy, &later, &world->facts, &then);
        ck_assert_int_ne(then.verdict, decision.verdict);
    }
}

END_TEST

/* -- what was performed ------------------------------------------------------------------------ */

struct paid {
    const char *amount, *unit;
};

/* clang-format off */
static const struct { const char *op, *amount; struct paid paid; enum policy_duty_state state; } payments[] = {
    {"eq",   "500",    {"500", "EUR"},     POLICY_DUTY_FULFILLED},
    {"eq",   "500",    {"500.00", "EUR"},  POLICY_DUTY_FULFILLED},
    {"eq",   "500",    {"500.01", "EUR"},  POLICY_DUTY_FULFILLED},
    {"eq",   "500",    {"499.99", "EUR"},  POLICY_DUTY_OUTSTANDING},
    {"eq",   "500",    {"500", "http://dbpedia.org/resource/Euro"}, POLICY_DUTY_FULFILLED},
    {"eq",   "500",    {"900", "USD"},     POLICY_DUTY_OUTSTANDING},
    {"eq",   "500",    {"500", ""},        POLICY_DUTY_OUTSTANDING},
    {"eq",   "500",    {"", "EUR"},        POLICY_DUTY_OUTSTANDING},
    {"eq",   "500",    {"5e2", "EUR"},     POLICY_DUTY_OUTSTANDING},
    {"gteq", "'0.1'",  {"0.1", "EUR"},     POLICY_DUTY_FULFILLED},
    {"gteq", "'0.1'",  {"0.0999", "EUR"},  POLICY_DUTY_OUTSTANDING},
    {"gt",   "'0.1'",  {"0.1", "EUR"},     POLICY_DUTY_OUTSTANDING},
    {"gt",   "'0.1'",  {"0.11", "EUR"},    POLICY_DUTY_FULFILLED},
    {"lteq", "10",     {"10", "EUR"},      POLICY_DUTY_FULFILLED},
    {"lt",   "10",     {"10", "EUR"},      POLICY_DUTY_OUTSTANDING},
    {"gteq", "'-0.5'", {"-0.4", "EUR"},    POLICY_DUTY_FULFILLED},
    {"gteq", "'-0.5'", {"-0.6", "EUR"},    POLICY_DUTY_OUTSTANDING},
    {"gteq", "'-5.5'", {"-5.4", "EUR"},    POLICY_DUTY_FULFILLED},
};

/* clang-format on */

/* One payment, a day ago. */
static struct policy_facts facts_paid(const struct paid *paid, struct policy_performed *done,
                                      struct policy_detail *detail, struct policy_value *value)
{
    *value = (struct policy_value){.text = str_c(paid->amount), .unit = str_c(paid->unit)};
    *detail = (struct policy_detail){
        POLICY_OP_PAY_AMOUNT, {.knowledge = POLICY_KNOWN, .n_values = 1, .values = value}
    };
    *done = (struct policy_performed){.action = POLICY_ACT_COMPENSATE,
                                      .target = STR("urn:data"),
                                      .assignee = STR("urn:me"),
                                      .at_us = help_time(NOW) - US_PER_DAY,
                                      .n_details = 1,
                                      .details = detail};
    return (struct policy_facts){.performed_known = true, .n_performed = 1, .performed = done};
}

START_TEST(test_payments)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    const struct policy_question question = question_at(NOW);
    struct policy_performed done;
    struct policy_detail detail;
    struct policy_value value;
    const struct policy_facts facts = facts_paid(&payments[_i].paid, &done, &detail, &value);
    struct policy_decision decision;
    char json[512];

    (void)snprintf(json, sizeof(json),
                   "{'target':'urn:data','permission':[{'action':'use','duty':[{'action':"
                   "{'rdf:value':'compensate','refinement':{'leftOperand':'payAmount',"
                   "'operator':'%s','rightOperand':%s,'unit':'EUR'}}}]}]}",
                   payments[_i].op, payments[_i].amount);
    policy = compile_or_fail(json);
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict == POLICY_PERMIT,
                     payments[_i].state == POLICY_DUTY_FULFILLED);
    if (decision.verdict == POLICY_PERMIT)
        ck_assert_int_eq(decision.duties[0].state, POLICY_DUTY_FULFILLED);
    else
        ck_assert_int_eq(decision.causes[0].why, POLICY_WHY_DUTY);
}

END_TEST

/* The amount is told with the duty, for who has to pay; a payment for other data is none for these. */
START_TEST(test_amount_owed)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail(
        "{'target':'urn:data','assigner':'urn:them','permission':[{'action':'use'}],"
        "'obligation':[{'action':" ACT(
            "compensate",
            PAY("eq", "'12.50'",
                "KRW")) ","
                        "'constraint':[" R("elapsedTime", "lteq",
                                           "'P60D'") "]},"
                                                     "{'action':'inform','assignee':'urn:them'}]}");
    const struct policy_question question = question_at(NOW);
    const struct paid paid = {"12.50", "KRW"};
    struct policy_performed done;
    struct policy_detail detail;
    struct policy_value value;
    const struct policy_facts facts = facts_paid(&paid, &done, &detail, &value);
    AUTO(buf_done) struct buf text = buf_init(KIB(4));
    struct policy_decision decision;
    const struct policy_duty *pay, *inform;

    done.target = STR("urn:other");
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_uint_eq(decision.n_duties, 2);
    pay = &decision.duties[decision.duties[0].action != POLICY_ACT_COMPENSATE];
    inform = &decision.duties[decision.duties[0].action == POLICY_ACT_COMPENSATE];
    ck_assert(pay->state == POLICY_DUTY_OUTSTANDING && pay->role == POLICY_ROLE_OBLIGATION);
    ck_assert(str_eq(pay->amount, STR("12.5")) && str_eq(pay->currency, STR("KRW")));
    ck_assert_int_eq(pay->deadline_us, help_time("2026-06-30T00:00:00Z"));
    ck_assert(!pay->of_assigner && inform->of_assigner && !str_present(inform->amount));
    policy_explain_decision(policy, &decision, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    ck_assert_ptr_nonnull(strstr(text.p, "duty of the recipient: payment 12.5 KRW (outstanding)"));
    done.target = STR("urn:data");
    policy_decide(policy, &question, &facts, &decision);
    pay = &decision.duties[decision.duties[0].action != POLICY_ACT_COMPENSATE];
    ck_assert_int_eq(pay->state, POLICY_DUTY_FULFILLED);
}

END_TEST

/* A payment of which it is not known what it was, or only claimed, or that tells other things first. */
START_TEST(test_payment_not_known)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail("{'permission':[{'action':'use','duty':[{'action':" ACT(
        "compensate", PAY("eq", "500", "EUR")) "}]}]}");
    const struct policy_question question = question_at(NOW);
    const struct policy_value euros = {.text = STR("500"), .unit = STR("EUR")};
    const struct policy_value office = {.text = STR("urn:office")};
    const struct policy_fact known = {.knowledge = POLICY_KNOWN, .n_values = 1, .values = &euros};
    struct policy_detail details[] = {
        {POLICY_OP_RECIPIENT,  {.knowledge = POLICY_KNOWN, .n_values = 1, .values = &office}},
        {POLICY_OP_PAY_AMOUNT, known                                                        }
    };
    struct policy_performed done = {.action = POLICY_ACT_COMPENSATE,
                                    .assignee = STR("urn:me"),
                                    .at_us = help_time(NOW) - US_PER_DAY,
                                    .n_details = ARRAY_LEN(details),
                                    .details = details};
    const struct policy_facts facts = {
        .performed_known = true, .n_performed = 1, .performed = &done};
    struct policy_decision decision;

    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    details[1].fact.claimed = true;
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
    details[1].fact = (struct policy_fact){.knowledge = POLICY_ABSENT};
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
    details[1].fact = known;
    details[1].fact.values = &office; /* without a currency */
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
}

END_TEST

/* Whose duty it is, and to what it was done, where collections bear the names of parties and data. */
START_TEST(test_duties_of_collections)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail(
        "{'@type':'Agreement','target':{'@type':'AssetCollection','@id':'urn:files'},"
        "'assigner':'urn:them','assignee':'urn:me','permission':[{'action':'use'}],'obligation':"
        "[{'action':'inform','assignee':{'@type':'PartyCollection','@id':'urn:them'}}]}");
    const struct policy_question question = question_at(NOW);
    const struct policy_performed done[] = {
        {.action = POLICY_ACT_INFORM,
         .target = STR("urn:data"),
         .assignee = STR("urn:me"),
         .at_us = help_time(NOW) - US_PER_DAY,
         .violated = false}
    };
    const struct policy_facts facts = {
        .performed_known = true, .n_performed = 1, .performed = done};
    struct policy_decision decision;

    policy_decide(policy, &question, &facts, &decision);
    ck_assert_uint_eq(decision.n_duties, 1);
    ck_assert(!decision.duties[0].of_assigner);
}

END_TEST

/* What was found not done infringes nothing; nobody in particular is asked about. */
START_TEST(test_not_done)
{
    AUTO(policy_unref) struct policy *policy = help_policy("+use -distribute [inform]");
    struct policy_question question = question_at(NOW);
    struct policy_performed done = {.action = POLICY_ACT_DISTRIBUTE,
                                    .assignee = STR("urn:you"),
                                    .at_us = help_time(NOW) - US_PER_DAY,
                                    .violated = true};
    const struct policy_facts facts = {
        .performed_known = true, .n_performed = 1, .performed = &done};
    struct policy_decision decision;

    question.assignee = STR_NONE;
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_uint_eq(decision.n_duties, 0);
    done.violated = false;
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_uint_eq(decision.n_duties, 1);
}

END_TEST

/* A unit that stands in another constraint is written there, and nowhere else. */
START_TEST(test_unit_beside)
{
    AUTO(policy_unref)
    struct policy *policy =
        compile_or_fail(P(R("unitOfCount", "eq", "'KiB'") "," R("count", "lteq", "2")));
    AUTO(buf_done) struct buf out = buf_init(KIB(16));
    struct jw w = jw_init(&out);

    policy_write(policy, POLICY_FORM_EXPANDED, &w);
    buf_add_char(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.p, "unitOfCount"));
    ck_assert_ptr_null(strstr(out.p, "/unit\""));
}

END_TEST

/* An IRI that is longer than any of the vocabulary stands as it is; the empty name names nothing. */
START_TEST(test_long_names)
{
    AUTO(arena_free) struct arena *arena = arena_new(KIB(64));
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(buf_done) struct buf text = buf_init(KIB(16));
    AUTO(buf_done) struct buf iri = buf_init(KIB(1));
    enum policy_operand operand;

    for (int i = 0; i < 60; i++)
        buf_add_c(&iri, i == 0 ? "odrl:" : "12345");
    policy = compile_or_fail(
        arena_printf(arena, P(R("purpose", "eq", "{'@id':'%.*s'}")), STR_ARG(buf_str(&iri))).p);
    policy_explain(policy, POLICY_EN, &text);
    buf_add_char(&text, '\0');
    buf_add_char(&iri, '\0');
    ck_assert_ptr_nonnull(strstr(text.p, iri.p));
    ck_assert(!policy_operand_find(STR(""), &operand));
}

END_TEST

/* Instants in a refinement are those of the action, not of the question. */
START_TEST(test_performed_when)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail("{'permission':[{'action':'use','duty':[{'action':" ACT(
        "inform",
        R("dateTime", "lt", "'2026-05-10'") "," R("recipient", "eq", "'urn:office'")) "}]}]}");
    const struct policy_question question = question_at(NOW);
    struct policy_value office = {.text = STR("urn:office")};
    struct policy_detail detail = {
        POLICY_OP_RECIPIENT, {.knowledge = POLICY_KNOWN, .n_values = 1, .values = &office}
    };
    struct policy_performed done = {.action = POLICY_ACT_INFORM,
                                    .assignee = STR("urn:me"),
                                    .at_us = help_time("2026-05-09T23:59:59Z"),
                                    .n_details = 1,
                                    .details = &detail};
    const struct policy_facts facts = {
        .performed_known = true, .n_performed = 1, .performed = &done};
    struct policy_decision decision;

    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_PERMIT);
    done.at_us = help_time("2026-05-10T00:00:00Z");
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
    done.at_us = help_time("2026-05-09T00:00:00Z");
    done.n_details = 0;
    policy_decide(policy, &question, &facts, &decision);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
}

END_TEST

/* -- what follows from a breach ---------------------------------------------------------------- */

/* "inform:consequence:outstanding …" */
static struct str duties_of(struct arena *arena, const struct policy_decision *decision)
{
    static const char *const roles[] = {"before", "obligation", "consequence", "remedy"};
    static const char *const states[] = {"outstanding", "fulfilled", "violated"};
    AUTO(buf_done) struct buf text = buf_init(KIB(4));

    for (unsigned i = 0; i < decision->n_duties; i++)
        buf_printf(&text, "%s%s:%s:%s", i > 0 ? " " : "",
                   strrchr(policy_action_iri(decision->duties[i].action), '/') + 1,
                   roles[decision->duties[i].role], states[decision->duties[i].state]);
    return arena_str(arena, buf_str(&text));
}

/* clang-format off */
static const struct { const char *policy, *world; enum policy_verdict verdict; const char *duties; } breaches[] = {
    /* a consequence is owed as soon as the duty was violated, and late fulfilment counts only with it */
    {"+use !delete (elapsedTime lteq P60D) [inform]", "did:", POLICY_PERMIT, "delete:obligation:outstanding"},
    {"+use !delete (elapsedTime lteq P10D) [inform]", "did:", POLICY_PERMIT, "delete:obligation:violated inform:consequence:outstanding"},
    {"+use !delete (elapsedTime lteq P10D) [inform]", "did:inform@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT,
     "delete:obligation:violated inform:consequence:fulfilled"},
    {"+use !delete (elapsedTime lteq P10D) [inform]", "did:delete@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT,
     "delete:obligation:violated inform:consequence:outstanding"},
    {"+use !delete (elapsedTime lteq P10D) [inform]",
     "did:delete@2026-05-20T00:00:00Z,urn:me,urn:data did:inform@2026-05-21T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, "delete:obligation:fulfilled"},
    /* remedies are owed by who did what is prohibited; they permit nothing, and what they say does not block */
    {"+use -distribute [inform]", "did:", POLICY_PERMIT, ""},
    {"+use -distribute [inform]", "did:distribute@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, "inform:remedy:outstanding"},
    {"+use -distribute [inform]", "did:distribute@2026-05-20T00:00:00Z,urn:you,urn:data", POLICY_PERMIT, ""},
    {"+use -distribute [inform]", "did:distribute@2026-05-20T00:00:00Z,urn:me,urn:other", POLICY_PERMIT, ""},
    {"+use -distribute [inform]", "did:distribute@2026-07-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, ""},
    {"+use -distribute [inform]",
     "did:distribute@2026-05-20T00:00:00Z,urn:me,urn:data did:inform@2026-05-21T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, "inform:remedy:fulfilled"},
    {"+print -use [inform]", "did:use@2026-05-20T00:00:00Z,urn:me,urn:data did:inform@2026-05-21T00:00:00Z,urn:me,urn:data", POLICY_DENY, "inform:remedy:fulfilled"},
    /* whose duty it is does not hang on its own assigner or on what is provided beside it */
    {"@assigner=urn:a +use !inform @@assigner=urn:b @@assignee=urn:b !use (DataProvisioningEndDurationDays eq 300)", "did:", POLICY_PERMIT,
     "inform:obligation:outstanding use:obligation:outstanding"},
    {"+use -distribute [inform] @@target=urn:other", "did:distribute@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, ""},
    {"+use -distribute [inform] @@assignee=urn:other", "did:distribute@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, ""},
    {"+use -distribute [inform]", "did:distribute@2026-05-20T00:00:00Z,urn:me", POLICY_PERMIT, "inform:remedy:outstanding"},
    {"+use -distribute [inform]", "did:print@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, ""},
    {"+use -distribute (spatial eq KR) [inform]", "spatial=DE did:distribute@2026-05-20T00:00:00Z,urn:me,urn:data", POLICY_PERMIT, ""},
};

/* clang-format on */

START_TEST(test_breaches)
{
    AUTO(policy_unref) struct policy *policy = help_policy(breaches[_i].policy);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    const struct policy_question question = question_at(NOW);
    struct world *world = ARENA_NEW(arena, struct world);
    struct policy_decision decision;

    help_world(arena, breaches[_i].world, world);
    policy_decide(policy, &question, &world->facts, &decision);
    ck_assert_int_eq(decision.verdict, breaches[_i].verdict);
    ck_assert_msg(str_eq_c(duties_of(arena, &decision), breaches[_i].duties), "%s: %.*s",
                  breaches[_i].policy, STR_ARG(duties_of(arena, &decision)));
}

END_TEST

/* -- inheritance ------------------------------------------------------------------------------- */

#define PARENTS 6

struct shelf {
    struct jdoc *docs[PARENTS];
    struct str names[PARENTS];
    size_t n;
    bool broken;
};

static int find_on_shelf(void *cls, struct str id, const struct jval **ret_doc, struct err *err)
{
    const struct shelf *shelf = cls;

    if (shelf->broken)
        return err_set(err, E_DB, "", "shelf");
    for (size_t i = 0; i < shelf->n; i++) {
        if (str_eq(shelf->names[i], id))
            *ret_doc = jdoc_root(shelf->docs[i]);
    }
    return 0;
}

static struct jdoc *parse_quoted(const char *quoted)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));
    struct jdoc *doc = NULL;
    struct err err = {0};

    buf_add_c(&text, quoted);
    for (size_t i = 0; i < text.n; i++)
        text.p[i] = text.p[i] == '\'' ? '"' : text.p[i];
    ck_assert_msg(jdoc_parse(buf_str(&text), &jlimits_default, &doc, &err) == 0, "%s", quoted);
    return doc;
}

/* Policies a, b, c… are on the shelf; the last of the row inherits. */
static int compile_heir(const char *heir, const char *const parents[PARENTS], bool broken,
                        struct policy **ret_policy, struct err *err)
{
    static const char *const names[PARENTS] = {"a", "b", "c", "d", "e", "f"};
    AUTO(jdoc_free) struct jdoc *doc = parse_quoted(heir);
    struct shelf shelf = {.broken = broken};
    const struct policy_parents finder = {
        .find = find_on_shelf, .cls = &shelf, .self = STR("self")};
    int status;

    for (; shelf.n < PARENTS && parents[shelf.n] != NULL; shelf.n++) {
        shelf.names[shelf.n] = str_c(names[shelf.n]);
        shelf.docs[shelf.n] = parse_quoted(parents[shelf.n]);
    }
    status = policy_compile_with(jdoc_root(doc), &finder, ret_policy, err);
    for (size_t i = 0; i < shelf.n; i++)
        jdoc_free(&shelf.docs[i]);
    return status;
}

/* A policy and its parents are one document as to its size. */
START_TEST(test_family_is_bounded)
{
    AUTO(buf_done) struct buf parent = buf_init(MIB(1));
    AUTO(policy_unref) struct policy *policy = NULL;
    const char *parents[PARENTS] = {NULL};
    struct err err = {0};

    buf_add_c(&parent, "{'permission':[{'action':'use','constraint':[");
    for (int i = 0; i < LIMIT_POLICY_NODES / 6; i++)
        buf_printf(&parent, "%s" R("count", "neq", "%d"), i > 0 ? "," : "", i);
    buf_add_c(&parent, "]}]}");
    buf_add_char(&parent, '\0');
    parents[0] = parent.p;
    ck_assert_int_eq(compile_heir("{'inheritFrom':'a'}", parents, false, &policy, &err), 0);
    policy_unref(&policy);
    parents[1] = parent.p;
    ck_assert_int_eq(compile_heir("{'inheritFrom':['a','b']}", parents, false, &policy, &err),
                     -E_LIMIT);
}

END_TEST

/* clang-format off */
static const struct { const char *heir, *parents[PARENTS], *flat; } heirs[] = {
    {"{'inheritFrom':'a','permission':[{'action':'use'}]}", {"{'prohibition':[{'action':'print'}]}"},
     "{'permission':[{'action':'use'}],'prohibition':[{'action':'print'}]}"},
    {"{'odrl:inheritFrom':[{'@id':'a'}],'permission':[{'action':'use'}]}", {"{'permission':[{'action':'use'}]}"}, "{'permission':[{'action':'use'}]}"},
    {"{'@type':'Offer','@id':'x','inheritFrom':'a'}", {"{'@type':'Set','@id':'y','permission':[{'action':'use'}]}"}, "{'@type':'Offer','permission':[{'action':'use'}]}"},
    /* the specification's example: the parent's obligation gets the child's party, the child's permission the parent's */
    {"{'@type':'Offer','inheritFrom':'a','assignee':'urn:user','permission':[{'target':'urn:asset','action':'display'}]}",
     {"{'assigner':'urn:org','obligation':[{'target':'urn:terms','action':'reviewPolicy'}]}"},
     "{'@type':'Offer','permission':[{'target':'urn:asset','action':'display','assigner':'urn:org','assignee':'urn:user'}],"
     "'assigner':'urn:org','assignee':'urn:user','obligation':[{'target':'urn:terms','action':'reviewPolicy','assigner':'urn:org','assignee':'urn:user'}]}"},
    /* what both say at policy level is said twice: rules of each combination */
    {"{'inheritFrom':'a','target':'urn:x','permission':[{'action':'use'}]}", {"{'target':'urn:y','permission':[{'action':'print'}]}"},
     "{'permission':[{'action':['use','print'],'target':['urn:x','urn:y']}]}"},
    {"{'inheritFrom':'a','target':'urn:x','permission':[{'action':'use'}]}", {"{'target':'urn:x','permission':[{'action':'print'}]}"},
     "{'target':'urn:x','permission':[{'action':['use','print']}]}"},
    {"{'inheritFrom':'a','action':'use','permission':[{'target':'urn:x'}]}", {"{'action':'print','permission':[{'target':'urn:y'}]}"},
     "{'permission':[{'action':['use','print'],'target':['urn:x','urn:y']}]}"},
    /* chains, several parents, and one that is reached twice */
    {"{'inheritFrom':'a'}", {"{'inheritFrom':'b','permission':[{'action':'print'}]}", "{'inheritFrom':'c','permission':[{'action':'display'}]}", "{'permission':[{'action':'delete'}]}"},
     "{'permission':[{'action':['print','display','delete']}]}"},
    {"{'inheritFrom':['a','b'],'permission':[{'action':'use'}]}", {"{'inheritFrom':'c','permission':[{'action':'print'}]}", "{'inheritFrom':['c'],'permission':[{'action':'display'}]}",
     "{'target':'urn:x','permission':[{'action':'delete'}]}"}, "{'target':'urn:x','permission':[{'action':['use','print','display','delete']}]}"},
    /* profiles, and prefixes of each document for itself */
    {"{'inheritFrom':'a','profile':'urn:naru:profile:commercial:1','permission':[{'action':'use'}]}",
     {"{'@context':{'cp':'https://w3id.org/catenax/2025/9/policy/'},'profile':'https://w3id.org/catenax/2025/9/policy/','permission':[{'action':'use','constraint':["
      R("cp:Membership", "eq", "'active'") "]}]}"},
     "{'profile':['urn:naru:profile:commercial:1','https://w3id.org/catenax/2025/9/policy/'],'permission':[{'action':'use'},{'action':'use','constraint':["
      R("cx-policy:Membership", "eq", "'active'") "]}]}"},
    /* conflict strategies */
    {"{'inheritFrom':'a','permission':[{'action':'use'}]}", {"{'conflict':'perm','prohibition':[{'action':'use'}]}"},
     "{'conflict':'perm','permission':[{'action':'use'}],'prohibition':[{'action':'use'}]}"},
    {"{'inheritFrom':'a','conflict':'perm','permission':[{'action':'use'}]}", {"{'prohibition':[{'action':'use'}]}"},
     "{'conflict':'perm','permission':[{'action':'use'}],'prohibition':[{'action':'use'}]}"},
    {"{'inheritFrom':'a','conflict':'perm','permission':[{'action':'use'}]}", {"{'conflict':'prohibit','prohibition':[{'action':'use'}]}"},
     "{'conflict':'invalid','permission':[{'action':'use'}],'prohibition':[{'action':'use'}]}"},
    {"{'inheritFrom':['a','b'],'conflict':'perm','permission':[{'action':'use'}]}", {"{'conflict':'prohibit'}", "{'conflict':'perm','prohibition':[{'action':'use'}]}"},
     "{'permission':[{'action':'use'}],'prohibition':[{'action':'use'}]}"},
    /* refined parties of both are one if they are the same */
    {"{'inheritFrom':'a','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use'}]}",
     {"{'assignee':{'@type':'odrl:PartyCollection','odrl:source':{'@id':'urn:g'},'refinement':[" R("odrl:spatial", "odrl:eq", "'KR'") "]}}"},
     "{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use'}]}"},
    /* members of one collection selected in one way are one, in others several */
    {"{'inheritFrom':['a','b'],'assignee':" MEMBERS(R("spatial", "eq", "'KR'")) ",'permission':[{'action':'use'}]}",
     {"{'assignee':" MEMBERS(R("spatial", "eq", "'JP'")) "}", "{'assignee':" MEMBERS(R("spatial", "eq", "'KR'")) "}"},
     "{'permission':[{'action':'use','assignee':[" MEMBERS(R("spatial", "eq", "'KR'")) "," MEMBERS(R("spatial", "eq", "'JP'")) "]}]}"},
    {"{'inheritFrom':['a','b'],'assignee':" MEMBERS(R("spatial", "eq", "'KR'")) ",'permission':[{'action':'use'}]}",
     {"{'assignee':{'@type':'PartyCollection','source':'urn:g'}}", "{'assignee':'urn:g'}"},
     "{'permission':[{'action':'use','assignee':[" MEMBERS(R("spatial", "eq", "'KR'")) ",{'@type':'PartyCollection','source':'urn:g'},'urn:g']}]}"},
    {"{'inheritFrom':'a','assignee':" MEMBERS(R("spatial", "eq", "'KR'")) ",'permission':[{'action':'use'}]}",
     {"{'assignee':" MEMBERS(R("spatial", "eq", "'KR'") "," R("spatial", "isPartOf", "'KR'")) "}"},
     "{'permission':[{'action':'use','assignee':[" MEMBERS(R("spatial", "eq", "'KR'")) "," MEMBERS(R("spatial", "eq", "'KR'") "," R("spatial", "isPartOf", "'KR'")) "]}]}"},
    {"{'inheritFrom':'a','conflict':'perm','permission':[{'action':'use'}]}", {"[{'conflict':'perm','prohibition':[{'action':'use'}]}]"},
     "{'conflict':'perm','permission':[{'action':'use'}],'prohibition':[{'action':'use'}]}"},
    {"{'inheritFrom':[],'permission':[{'action':'use'}]}", {NULL}, "{'permission':[{'action':'use'}]}"},
};

/* clang-format on */

START_TEST(test_heirs)
{
    AUTO(policy_unref) struct policy *policy = NULL;
    AUTO(policy_unref) struct policy *flat = compile_or_fail(heirs[_i].flat);
    AUTO(buf_done) struct buf a = buf_init(KIB(64)), b = buf_init(KIB(64));
    struct err err = {0};

    ck_assert_msg(compile_heir(heirs[_i].heir, heirs[_i].parents, false, &policy, &err) == 0,
                  "%s: %s at %s", heirs[_i].heir, err.text, err.at);
    policy_explain(policy, POLICY_EN, &a);
    policy_explain(flat, POLICY_EN, &b);
    ck_assert_msg(str_eq(buf_str(&a), buf_str(&b)), "%.*s%.*s", (int)a.n, a.p, (int)b.n, b.p);
    ck_assert_msg(same_hash(policy, flat), "%s", heirs[_i].heir);
    /* what leaves us tells nothing of parents */
    check_written(policy, POLICY_FORM_DSP);
    check_written(policy, POLICY_FORM_EXPANDED);
}

END_TEST

/* clang-format off */
static const struct { const char *heir, *parents[PARENTS]; enum err_code code; const char *at; } disowned[] = {
    {"{'inheritFrom':'x'}", {NULL}, UNSUPPORTED, "/inheritFrom"},
    {"{'inheritFrom':['a','x']}", {"{}"}, UNSUPPORTED, "/inheritFrom/1"},
    {"{'inheritFrom':'self'}", {NULL}, E_INVALID, "/inheritFrom"},
    {"{'inheritFrom':'a'}", {"{'inheritFrom':'self'}"}, E_INVALID, "/inheritFrom/inheritFrom"},
    {"{'inheritFrom':'a'}", {"{'inheritFrom':'a'}"}, E_INVALID, "/inheritFrom/inheritFrom"},
    {"{'inheritFrom':'a'}", {"{'@id':'other','inheritFrom':['b']}", "{'@id':'b','inheritFrom':'a'}"}, E_INVALID, "/inheritFrom/inheritFrom/0/inheritFrom"},
    {"{'inheritFrom':['a','b']}", {"{'inheritFrom':['b']}", "{'inheritFrom':'c'}", "{'inheritFrom':'b'}"}, E_INVALID, "/inheritFrom/0/inheritFrom/0/inheritFrom/inheritFrom"},
    {"{'inheritFrom':'a'}", {"{'permission':[{'action':'fly'}]}"}, UNSUPPORTED, "/inheritFrom/permission/0/action"},
    {"{'inheritFrom':['a']}", {"{'profile':'urn:x'}"}, UNSUPPORTED, "/inheritFrom/0/profile"},
    {"{'inheritFrom':['a']}", {"{'isReplacedBy':'urn:x'}"}, UNSUPPORTED, "/inheritFrom/0/isReplacedBy"},
    {"{'inheritFrom':['a']}", {"[]"}, E_INVALID, "/inheritFrom/0"},
    {"{'inheritFrom':['a']}", {"'text'"}, E_INVALID, "/inheritFrom/0"},
    {"{'inheritFrom':null}", {NULL}, E_INVALID, "/inheritFrom"},
    {"{'inheritFrom':5}", {NULL}, E_INVALID, "/inheritFrom"},
    {"{'inheritFrom':'a','@type':'Agreement','target':'urn:t','assigner':'urn:p','assignee':'urn:c'}", {"{'target':'urn:u'}"}, E_INVALID, "/target"},
    {"{'permission':[{'action':'use','inheritFrom':'a'}]}", {"{}"}, UNSUPPORTED, "/permission/0/inheritFrom"},
};

/* clang-format on */

START_TEST(test_disowned)
{
    struct policy *policy = NULL;
    struct err err = {0};

    ck_assert_msg(compile_heir(disowned[_i].heir, disowned[_i].parents, false, &policy, &err) < 0,
                  "accepted: %s", disowned[_i].heir);
    ck_assert_msg(err.code == disowned[_i].code, "%s: %s", err_name(err.code), err.text);
    ck_assert_msg(strcmp(err.at, disowned[_i].at) == 0, "%s: at '%s'", disowned[_i].heir, err.at);
    ck_assert(err.detail[0] != '\0' && policy == NULL);
}

END_TEST

/* An error of whoever looks for parents is its own. */
START_TEST(test_parents_cannot_be_read)
{
    static const char *const none[PARENTS] = {NULL};
    struct policy *policy = NULL;
    struct err err = {0};

    ck_assert_int_eq(compile_heir("{'inheritFrom':'a'}", none, true, &policy, &err), -E_DB);
}

END_TEST

/* A long line of ancestors: each inherits from the next one. */
static int find_next(void *cls, struct str id, const struct jval **ret_doc, struct err *err)
{
    struct jdoc **docs = cls;
    int64_t n;

    (void)err;
    if (str_to_i64(id, &n) && n < POLICY_ANCESTORS + 2)
        *ret_doc = jdoc_root(docs[n]);
    return 0;
}

START_TEST(test_ancestors_are_bounded)
{
    struct jdoc *docs[POLICY_ANCESTORS + 2];
    const struct policy_parents finder = {.find = find_next, .cls = docs};
    struct err err = {0};

    for (int i = 0; i < POLICY_ANCESTORS + 2; i++) {
        char text[128];

        (void)snprintf(text, sizeof(text),
                       i < POLICY_ANCESTORS + 1
                           ? "{'inheritFrom':'%d','permission':[{'action':'use'}]}"
                           : "{'permission':[{'action':'use'}]}",
                       i + 1);
        docs[i] = parse_quoted(text);
    }
    for (int first = 0; first < 2; first++) { /* 33 ancestors, and 32 */
        AUTO(policy_unref) struct policy *policy = NULL;
        int status = policy_compile_with(jdoc_root(docs[first]), &finder, &policy, &err);

        ck_assert_int_eq(status, first == 0 ? -E_LIMIT : 0);
    }
    for (int i = 0; i < POLICY_ANCESTORS + 2; i++)
        jdoc_free(&docs[i]);
}

END_TEST

/* -- in words ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *policy, *ko, *en; } texts[] = {
    {"{'permission':[{'action':" ACT("print", R("purpose", "eq", "'urn:p'")) "}]}",
     "정책\n허가 1: 인쇄를 허용합니다.\n  - 행위: 인쇄\n    - 다음에 해당하는 경우만:\n      - 이용 목적이 다음과 같을 것: urn:p\n",
     "Policy\nPermission 1: printing is permitted.\n  - action: printing\n    - only if it is like this:\n      - the purpose of use is urn:p\n"},
    {"{'obligation':[{'action':" ACT("compensate", PAY("eq", "'500.0'", "EUR")) "}]}",
     "정책\n의무 1: 대금 지급 의무가 있습니다.\n  - 행위: 대금 지급\n    - 다음에 해당하는 경우만:\n      - 지급액이 다음과 같을 것: 500 EUR\n",
     "Policy\nObligation 1: payment is a duty.\n  - action: payment\n    - only if it is like this:\n      - the amount paid is 500 EUR\n"},
    {"{'assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "},'permission':[{'action':'use'}]}",
     "정책\n허가 1: 이용을 허용합니다.\n  - 이용자: urn:g에 속한 것\n    - 다음에 해당하는 경우만:\n      - 이용 지역이 다음과 같을 것: KR\n",
     "Policy\nPermission 1: use is permitted.\n  - recipient: members of urn:g\n    - only if it is like this:\n      - the place of use is KR\n"},
    {"{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "eq", "'mon/fri+09:00'") "," R("naru:timeOfDay", "eq", "'09:00/18:00:30Z'") "]}]}",
     "정책\n허가 1: 다음 조건을 모두 만족하면 이용을 허용합니다.\n  - 요일이 다음과 같을 것: 월–금 (UTC+09:00)\n  - 시간대가 다음과 같을 것: 09:00–18:00:30 (UTC)\n",
     "Policy\nPermission 1: use is permitted if all of the following hold:\n  - the day of the week is Monday–Friday (UTC+09:00)\n"
     "  - the time of day is 09:00–18:00:30 (UTC)\n"},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':2,'unit':'MiB'}]}]}",
     "정책\n허가 1: 다음 조건을 모두 만족하면 이용을 허용합니다.\n  - 전송량(바이트)가 2097152 이하일 것\n",
     "Policy\nPermission 1: use is permitted if all of the following hold:\n  - the volume in bytes is at most 2097152\n"},
};

/* clang-format on */

static void check_text(const struct policy *policy, enum policy_lang lang, const char *expected)
{
    AUTO(buf_done) struct buf out = buf_init(KIB(64));

    policy_explain(policy, lang, &out);
    ck_assert_msg(str_eq_c(buf_str(&out), expected), "%.*s", (int)out.n, out.p);
}

START_TEST(test_texts)
{
    AUTO(policy_unref) struct policy *policy = compile_or_fail(texts[_i].policy);

    check_text(policy, POLICY_KO, texts[_i].ko);
    check_text(policy, POLICY_EN, texts[_i].en);
}

END_TEST

/* -- the rest of the engine -------------------------------------------------------------------- */

/* clang-format off */
static const struct { const char *a, *b; enum policy_relation relation; } relations[] = {
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "{'permission':[{'action':'use'}]}", POLICY_STRICTER},
    {"{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}", "{'permission':[{'action':'use','constraint':[" R("purpose", "eq", "'urn:p'") "]}]}", POLICY_SAME},
    {"{'permission':[{'action':['use','sell']}]}", "{'permission':[{'action':'use'}]}", POLICY_WIDER},
    {"{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g','refinement':" R("spatial", "eq", "'KR'") "}}]}",
     "{'permission':[{'action':'use','assignee':{'@type':'PartyCollection','source':'urn:g'}}]}", POLICY_STRICTER},
    {"{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':1,'unit':'MB'}]}]}",
     "{'permission':[{'action':'use','constraint':[{'leftOperand':'count','operator':'lteq','rightOperand':1,'unit':'MiB'}]}]}", POLICY_STRICTER},
    {"{'permission':[{'action':'use','duty':[{'action':" ACT("compensate", PAY("eq", "5", "EUR")) "}]}]}", "{'permission':[{'action':'use'}]}", POLICY_STRICTER},
    {"{'permission':[{'action':'use'}],'obligation':[{'action':'delete','constraint':[" R("elapsedTime", "lteq", "'P1D'") "],'consequence':[{'action':'inform'}]}]}",
     "{'permission':[{'action':'use'}]}", POLICY_STRICTER},
    /* what lies between recurring windows and other instants is not looked at: a "no" has its witness, a "yes" is not given */
    {"{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "eq", "'mon/friZ'") "]}]}", "{'permission':[{'action':'use'}]}", POLICY_RELATION_UNDECIDED},
    {"{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "eq", "'mon/friZ'") "]}]}",
     "{'permission':[{'action':'use','constraint':[" R("naru:daysOfWeek", "eq", "'tue/satZ'") "]}]}", POLICY_INCOMPARABLE},
};

/* clang-format on */

START_TEST(test_relations)
{
    AUTO(policy_unref) struct policy *a = compile_or_fail(relations[_i].a);
    AUTO(policy_unref) struct policy *b = compile_or_fail(relations[_i].b);
    AUTO(arena_free) struct arena *arena = arena_new(MIB(64));
    AUTO(buf_done) struct buf text = buf_init(KIB(64));
    struct policy_comparison comparison;
    struct err err = {0};

    ck_assert_int_eq(policy_compare(a, b, help_time(NOW), arena, &comparison, &err), 0);
    ck_assert_msg(comparison.relation == relations[_i].relation, "%s: %s", relations[_i].a,
                  policy_relation_slug(comparison.relation));
    policy_explain_comparison(a, b, &comparison, POLICY_KO, &text);
    policy_explain_difference(a, b, POLICY_KO, &text);
    ck_assert(text.n > 0 && str_is_utf8(buf_str(&text)));
}

END_TEST

/* Stock connectors look at no refinement: they permit what this policy denies, and that is told. */
START_TEST(test_peers)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail(
        "{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) "}]}");
    const struct policy_question question = {
        .scope = POLICY_AT_NEGOTIATION, .now_us = help_time(NOW), .agreement_us = POLICY_NO_TIME};
    const struct policy_facts facts = {0};
    struct policy_peer_opinion opinion;
    struct policy_decision decision;

    policy_decide(policy, &question, &facts, &decision);
    policy_peer_decide(policy, POLICY_PEER_EDC, &question, &facts, &opinion);
    ck_assert_int_eq(decision.verdict, POLICY_DENY);
    ck_assert_int_eq(opinion.verdict, POLICY_PERMIT);
    ck_assert_uint_eq(opinion.n, 1);
    ck_assert_str_eq(policy_peer_slug(opinion.differences[0].why), "refinement");
}

END_TEST

/* What can be asked of facts_gather: a refinement's operand is a need, an amount never is. */
START_TEST(test_needs)
{
    AUTO(policy_unref)
    struct policy *policy = compile_or_fail(
        "{'permission':[{'action':" ACT("use", R("purpose", "eq", "'urn:p'")) ",'duty':[{'action':" ACT(
            "inform",
            R("recipient", "eq", "'urn:x'")) "}]}],'obligation':[{'action':" ACT("compensate",
                                                                                 PAY("eq", "5",
                                                                                     "EUR")) "}]}");
    const uint64_t needs = policy_needs(policy, POLICY_AT_ACCESS);

    ck_assert(policy_needs_operand(needs, POLICY_OP_PURPOSE));
    ck_assert(!policy_needs_operand(needs, POLICY_OP_RECIPIENT));
    ck_assert(!policy_needs_operand(needs, POLICY_OP_PAY_AMOUNT));
    ck_assert(policy_needs_operand(POLICY_NEEDS_COUNTERS, POLICY_OP_ROWS));
    ck_assert(policy_needs_operand(POLICY_NEEDS_COUNTERS, POLICY_OP_DAYS));
}

END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("policy_model");
    TCase *tc = tcase_create("model");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_equal, 0, (int)ARRAY_LEN(equal));
    tcase_add_loop_test(tc, test_different, 0, (int)ARRAY_LEN(different));
    tcase_add_loop_test(tc, test_refused, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(tc, test_product_is_bounded);
    tcase_add_test(tc, test_conditions_are_bounded);
    tcase_add_test(tc, test_long_names);
    tcase_add_test(tc, test_family_is_bounded);
    tcase_add_test(tc, test_unit_beside);
    tcase_add_test(tc, test_shared_constraints_are_bounded);
    tcase_add_loop_test(tc, test_decisions, 0, (int)ARRAY_LEN(decisions));
    tcase_add_loop_test(tc, test_payments, 0, (int)ARRAY_LEN(payments));
    tcase_add_test(tc, test_amount_owed);
    tcase_add_test(tc, test_payment_not_known);
    tcase_add_test(tc, test_duties_of_collections);
    tcase_add_test(tc, test_not_done);
    tcase_add_test(tc, test_performed_when);
    tcase_add_loop_test(tc, test_breaches, 0, (int)ARRAY_LEN(breaches));
    tcase_add_loop_test(tc, test_heirs, 0, (int)ARRAY_LEN(heirs));
    tcase_add_loop_test(tc, test_disowned, 0, (int)ARRAY_LEN(disowned));
    tcase_add_test(tc, test_parents_cannot_be_read);
    tcase_add_test(tc, test_ancestors_are_bounded);
    tcase_add_loop_test(tc, test_texts, 0, (int)ARRAY_LEN(texts));
    tcase_add_loop_test(tc, test_relations, 0, (int)ARRAY_LEN(relations));
    tcase_add_test(tc, test_peers);
    tcase_add_test(tc, test_needs);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *sr = srunner_create(suite());
    int bad;

    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
