/*
 * Policies that somebody wrote to be misread: every one is refused, with its place. Those that a table can hold are rows;
 * misspelt terms, look-alike names and wrong values at every place of a policy are generated.
 *
 * A document goes the way of a stranger's: the bounded JSON reader first, whose place is a line and a column.
 */
#include <check.h>
#include <sys/resource.h>
#include <time.h>

#include "help_policy.h"
#include "lib/base/limits.h"
#include "lib/jdoc/jdoc.h"

#include "lib/base/banned.h"

#define O                  "http://www.w3.org/ns/odrl/2/"
#define C                  "https://w3id.org/catenax/2025/9/policy/"
#define R(rule)            "{'permission':[{" rule "}]}"
#define P(constraint)      R("'action':'use','constraint':[" constraint "]")
#define A(left, op, right) "{'leftOperand':'" left "','operator':'" op "','rightOperand':" right "}"
#define UNSUPPORTED        E_POLICY_UNSUPPORTED
#define AT_C               "/permission/0/constraint/0"
#define AT_R               AT_C "/rightOperand"

/* clang-format off */
static const struct row { const char *name, *json; enum err_code code; const char *at; } rows[] = {
    /* -- a context turns the meaning round */
    {"null context",             "{'@context':null,'permission':[{'action':'use'}]}", UNSUPPORTED, "/@context"},
    {"null in a list of them",   "{'@context':['" O "',null]}", UNSUPPORTED, "/@context/0"},
    {"null after a known one",   "{'@context':['http://www.w3.org/ns/odrl.jsonld',null],'permission':[{'action':'use'}]}", UNSUPPORTED, "/@context/1"},
    {"list in a list",           "{'@context':[[null]]}", UNSUPPORTED, "/@context/0"},
    {"null in a rule",           "{'permission':[{'@context':null,'action':'use'}]}", UNSUPPORTED, "/permission/0/@context"},
    {"null in a prohibition",    "{'permission':[{'action':'use'}],'prohibition':[{'@context':null,'action':'sell'}]}", UNSUPPORTED, "/prohibition/0/@context"},
    {"null in a constraint",     P("{'@context':null,'leftOperand':'count','operator':'lt','rightOperand':5}"), UNSUPPORTED, AT_C "/@context"},
    {"context in a duty",        "{'permission':[{'action':'use','duty':[{'@context':{},'action':'inform'}]}]}", UNSUPPORTED, "/permission/0/duty/0/@context"},
    {"context in a value",       P("{'leftOperand':'count','operator':'lt','rightOperand':{'@context':null,'@value':5}}"), UNSUPPORTED, AT_R},
    {"foreign document",         "{'@context':'https://evil.example/odrl.jsonld'}", UNSUPPORTED, "/@context"},
    {"nearly the document",      "{'@context':'http://www.w3.org/ns/odrl.jsonld#'}", UNSUPPORTED, "/@context"},
    {"document in upper case",   "{'@context':'HTTP://www.w3.org/ns/odrl.jsonld'}", UNSUPPORTED, "/@context"},
    {"local file",               "{'@context':'file:///etc/passwd'}", UNSUPPORTED, "/@context"},
    {"relative document",        "{'@context':'odrl.jsonld'}", UNSUPPORTED, "/@context"},
    {"term turned round",        "{'@context':{'permission':'" O "prohibition'}}", UNSUPPORTED, "/@context/permission"},
    {"term, expanded definition", "{'@context':{'permission':{'@id':'" O "prohibition'}}}", UNSUPPORTED, "/@context/permission"},
    {"term deleted",             "{'@context':{'prohibition':null}}", UNSUPPORTED, "/@context/prohibition"},
    {"operator turned round",    "{'@context':{'lteq':'" O "gteq/'}}", UNSUPPORTED, "/@context/lteq"},
    {"operand turned round",     "{'@context':{'count':'urn:naru:policy:'}}", UNSUPPORTED, "/@context/count"},
    {"action as prefix",         "{'@context':{'use':'" O "'}}", UNSUPPORTED, "/@context/use"},
    {"known prefix elsewhere",   "{'@context':{'odrl':'https://evil.example/'}}", UNSUPPORTED, "/@context/odrl"},
    {"known prefix, no slash",   "{'@context':{'odrl':'http://www.w3.org/ns/odrl/2'}}", UNSUPPORTED, "/@context/odrl"},
    {"known prefix, https",      "{'@context':{'odrl':'https://www.w3.org/ns/odrl/2/'}}", UNSUPPORTED, "/@context/odrl"},
    {"cx as odrl",               "{'@context':{'cx-policy':'" O "'}}", UNSUPPORTED, "/@context/cx-policy"},
    {"prefix given twice",       "{'@context':[{'x':'" O "'},{'x':'https://evil.example/'}],'x:permission':[{'x:action':'x:use'}]}", UNSUPPORTED, "/@context/1/x"},
    {"scheme as prefix",         "{'@context':{'https':'" O "'}}", UNSUPPORTED, "/@context/https"},
    {"did as prefix",            "{'@context':{'did':'" O "'}}", UNSUPPORTED, "/@context/did"},
    {"prefix for one term",      "{'@context':{'p':'" O "perm'},'p:ission':[{'action':'use'}]}", UNSUPPORTED, "/@context/p"},
    {"prefix with colon",        "{'@context':{'odrl:per':'" O "pro/'}}", UNSUPPORTED, "/@context/odrl:per"},
    {"empty prefix",             "{'@context':{'':'" O "'}}", UNSUPPORTED, "/@context/"},
    {"empty namespace",          "{'@context':{'x':''}}", UNSUPPORTED, "/@context/x"},
    {"foreign vocabulary",       "{'@context':{'@vocab':'https://evil.example/'}}", UNSUPPORTED, "/@context/@vocab"},
    {"null vocabulary",          "{'@context':{'@vocab':null}}", UNSUPPORTED, "/@context/@vocab"},
    {"base",                     "{'@context':{'@base':'" O "'}}", UNSUPPORTED, "/@context/@base"},
    {"import",                   "{'@context':{'@import':'http://www.w3.org/ns/odrl.jsonld'}}", UNSUPPORTED, "/@context/@import"},
    {"propagate",                "{'@context':{'@propagate':false}}", UNSUPPORTED, "/@context/@propagate"},
    {"protected",                "{'@context':{'@protected':true}}", UNSUPPORTED, "/@context/@protected"},
    {"version",                  "{'@context':{'@version':1.1}}", UNSUPPORTED, "/@context/@version"},
    {"language",                 "{'@context':{'@language':'ko'}}", UNSUPPORTED, "/@context/@language"},
    {"scoped context",           "{'@context':{'x':{'@id':'" O "permission','@context':null}}}", UNSUPPORTED, "/@context/x"},
    /* -- other ways of JSON-LD to say nothing */
    {"graph",                    "{'@graph':[{'permission':[{'action':'use'}]}]}", UNSUPPORTED, "/@graph"},
    {"included",                 "{'@included':[],'permission':[{'action':'use'}]}", UNSUPPORTED, "/@included"},
    {"reverse",                  "{'@reverse':{'permission':[]}}", UNSUPPORTED, "/@reverse"},
    {"nest",                     "{'@nest':{'prohibition':[{'action':'use'}]}}", UNSUPPORTED, "/@nest"},
    {"index",                    "{'@index':'x'}", UNSUPPORTED, "/@index"},
    {"set object",               "{'permission':{'@set':[{'action':'use'}]}}", UNSUPPORTED, "/permission/@set"},
    {"rule by reference",        "{'permission':[{'@id':'urn:elsewhere'}]}", E_INVALID, "/permission/0/action"},
    {"rule as a name",           "{'permission':['urn:elsewhere']}", E_INVALID, "/permission/0"},
    {"constraint by reference",  P("{'@id':'urn:elsewhere'}"), E_INVALID, AT_C "/leftOperand"},
    {"constraint as a name",     P("'urn:elsewhere'"), E_INVALID, AT_C},
    {"list beside something",    P("{'and':{'@list':[" A("count", "lt", "5") "],'@id':'x'}}"), UNSUPPORTED, AT_C "/and/@list"},
    {"value with direction",     P("{'leftOperand':'purpose','operator':'eq','rightOperand':{'@value':'a','@direction':'rtl'}}"), UNSUPPORTED, AT_R},
    {"value of JSON",            P(A("purpose", "eq", "{'@value':{'a':1},'@type':'@json'}")), E_INVALID, AT_R "/@value"},
    {"set as a value",           P(A("purpose", "eq", "{'@set':['a']}")), UNSUPPORTED, AT_R},
    /* -- null and empty */
    {"null operand",             P("{'leftOperand':null,'operator':'lt','rightOperand':5}"), E_INVALID, AT_C "/leftOperand"},
    {"null operator",            P("{'leftOperand':'count','operator':null,'rightOperand':5}"), E_INVALID, AT_C "/operator"},
    {"null right operand",       P(A("count", "lt", "null")), E_INVALID, AT_R},
    {"null in a list",           P(A("purpose", "isAnyOf", "['a',null]")), E_INVALID, AT_R "/1"},
    {"null as a value",          P(A("count", "lt", "{'@value':null}")), E_INVALID, AT_R "/@value"},
    {"null as an id",            P(A("purpose", "eq", "{'@id':null}")), UNSUPPORTED, AT_R},
    {"null action",              R("'action':null"), E_INVALID, "/permission/0/action"},
    {"null prohibition",         "{'permission':[{'action':'use'}],'prohibition':null}", E_INVALID, "/prohibition"},
    {"null rule",                "{'permission':[{'action':'use'}],'prohibition':[null]}", E_INVALID, "/prohibition/0"},
    {"null conflict",            "{'conflict':null,'permission':[{'action':'use'}]}", E_INVALID, "/conflict"},
    {"null profile",             "{'profile':null}", E_INVALID, "/profile"},
    {"null target",              R("'action':'use','target':null"), E_INVALID, "/permission/0/target"},
    {"null assignee id",         R("'action':'use','assignee':{'@id':null}"), E_INVALID, "/permission/0/assignee"},
    {"null duty",                R("'action':'use','duty':null"), E_INVALID, "/permission/0/duty"},
    {"null in and",              P("{'and':[" A("count", "lt", "5") ",null]}"), E_INVALID, AT_C "/and/1"},
    {"empty and",                P("{'and':[]}"), E_INVALID, AT_C "/and"},
    {"empty or",                 P("{'or':[]}"), E_INVALID, AT_C "/or"},
    {"empty xone",               P("{'xone':[]}"), E_INVALID, AT_C "/xone"},
    {"empty andSequence",        P("{'andSequence':[]}"), E_INVALID, AT_C "/andSequence"},
    {"empty @list",              P("{'or':{'@list':[]}}"), E_INVALID, AT_C "/or"},
    {"empty list below",         P("{'or':[" A("count", "lt", "5") ",{'and':[]}]}"), E_INVALID, AT_C "/or/1/and"},
    {"no values",                P(A("purpose", "isNoneOf", "[]")), E_INVALID, AT_R},
    {"no values in @list",       P(A("purpose", "isNoneOf", "{'@list':[]}")), E_INVALID, AT_R},
    {"empty value",              P(A("purpose", "isNoneOf", "['']")), E_INVALID, AT_R "/0"},
    {"list of lists",            P(A("purpose", "isNoneOf", "[['a']]")), E_INVALID, AT_R "/0"},
    {"empty assignee",           R("'action':'use','assignee':''"), E_INVALID, "/permission/0/assignee"},
    {"empty target list",        R("'action':'use','target':[]"), E_INVALID, "/permission/0/target"},
    {"empty action list",        R("'action':[]"), E_INVALID, "/permission/0/action"},
    /* -- two readings of one document */
    {"duplicate key",            "{'permission':[],'permission':[{'action':'use'}]}", E_SYNTAX, ""},
    {"duplicate key, escaped",   "{'permission':[],'permissio\\u006e':[{'action':'use'}]}", E_SYNTAX, ""},
    {"one term, two spellings",  "{'permission':[],'odrl:permission':[{'action':'use'}]}", E_INVALID, "/odrl:permission"},
    {"one term, full IRI",       "{'permission':[],'" O "permission':[{'action':'use'}]}", E_INVALID, "/http:~1~1www.w3.org~1ns~1odrl~12~1permission"},
    {"id and uid",               "{'@id':'a','uid':'b'}", E_INVALID, "/uid"},
    {"type and @type",           "{'@type':'Offer','type':'Agreement'}", E_INVALID, "/type"},
    {"two types",                "{'@type':['Offer','Agreement']}", E_INVALID, "/@type"},
    {"two right operands",       P("{'leftOperand':'count','operator':'lt','rightOperand':5,'odrl:rightOperand':500}"), E_INVALID, AT_C "/odrl:rightOperand"},
    {"reference beside value",   P("{'leftOperand':'count','operator':'lt','rightOperand':5,'rightOperandReference':'urn:x'}"), UNSUPPORTED, AT_C "/rightOperandReference"},
    {"atom and logic",           P("{'or':[" A("count", "lt", "5") "],'leftOperand':'count','operator':'gt','rightOperand':0}"), E_INVALID, AT_C "/leftOperand"},
    {"two kinds of logic",       P("{'and':[" A("count", "lt", "5") "],'xone':[" A("count", "lt", "5") "]}"), E_INVALID, AT_C "/xone"},
    {"one action of two unknown", R("'action':['use','fly']"), UNSUPPORTED, "/permission/0/action/1"},
    {"one action of two null",   R("'action':['use',null]"), E_INVALID, "/permission/0/action/1"},
    {"one assignee of two null", R("'action':'use','assignee':['a',null]"), E_INVALID, "/permission/0/assignee/1"},
    {"one target of two empty",  R("'action':'use','target':['a','']"), E_INVALID, "/permission/0/target/1"},
    {"two values for eq",        P(A("purpose", "eq", "['a','b']")), E_INVALID, AT_R},
    {"two values for lteq",      P(A("count", "lteq", "[5,500]")), E_INVALID, AT_R},
    {"two conflicts",            "{'conflict':['perm','prohibit']}", E_INVALID, "/conflict"},
    {"byte order mark",          "\xef\xbb\xbf{'permission':[{'action':'use'}]}", E_SYNTAX, ""},
    {"two documents",            "{'permission':[]}{'permission':[{'action':'use'}]}", E_SYNTAX, ""},
    {"comment",                  "{/**/'permission':[]}", E_SYNTAX, ""},
    {"NUL in a value",           P(A("purpose", "eq", "'a\\u0000b'")), E_SYNTAX, ""},
    {"NUL in a key",             "{'permission\\u0000x':[]}", E_SYNTAX, ""},
    {"half a surrogate",         P(A("purpose", "eq", "'\\ud800'")), E_SYNTAX, ""},
    {"surrogates turned round",  P(A("purpose", "eq", "'\\udc00\\ud800'")), E_SYNTAX, ""},
    {"surrogate as UTF-8",       P(A("purpose", "eq", "'\xed\xa0\x80'")), E_SYNTAX, ""},
    {"overlong UTF-8",           P(A("purpose", "eq", "'\xc0\xaf'")), E_SYNTAX, ""},
    {"no UTF-8 at all",          P(A("purpose", "eq", "'\xff'")), E_SYNTAX, ""},
    /* -- names that other languages would understand */
    {"__proto__",                "{'__proto__':{'permission':[{'action':'use'}]}}", UNSUPPORTED, "/__proto__"},
    {"__proto__ in a rule",      R("'action':'use','__proto__':{'target':'t'}"), UNSUPPORTED, "/permission/0/__proto__"},
    {"constructor",              "{'constructor':{'prototype':{}}}", UNSUPPORTED, "/constructor"},
    {"toString as operand",      P(A("toString", "eq", "'a'")), UNSUPPORTED, AT_C "/leftOperand"},
    {"$ref",                     "{'$ref':'#/definitions/p'}", UNSUPPORTED, "/$ref"},
    {"template",                 P(A("count", "lt", "'${5}'")), E_INVALID, AT_R},
    {"format string",            R("'action':'%s%n%n'"), UNSUPPORTED, "/permission/0/action"},
    {"path in a key",            "{'../../permission':[]}", UNSUPPORTED, "/..~1..~1permission"},
    {"tilde in a key",           "{'~1~0':[]}", UNSUPPORTED, "/~01~00"},
    /* -- what the engine does not do must not be dropped */
    {"replaced",                 "{'isReplacedBy':'urn:q','permission':[{'action':'use'}]}", UNSUPPORTED, "/isReplacedBy"},
    {"output",                   R("'action':'use','output':'urn:x'"), UNSUPPORTED, "/permission/0/output"},
    {"relation",                 R("'action':'use','relation':'urn:x'"), UNSUPPORTED, "/permission/0/relation"},
    {"function",                 R("'action':'use','function':'urn:x'"), UNSUPPORTED, "/permission/0/function"},
    {"status",                   P("{'leftOperand':'count','operator':'lt','rightOperand':5,'status':4}"), UNSUPPORTED, AT_C "/status"},
    {"duty of a prohibition",    "{'prohibition':[{'action':'use','duty':[{'action':'inform'}]}]}", UNSUPPORTED, "/prohibition/0/duty"},
    {"remedy of a permission",   R("'action':'use','remedy':[{'action':'delete'}]"), UNSUPPORTED, "/permission/0/remedy"},
    {"consequence of a permission", R("'action':'use','consequence':[{'action':'delete'}]"), UNSUPPORTED, "/permission/0/consequence"},
    {"consequence twice",        "{'obligation':[{'action':'delete','consequence':[{'action':'inform','consequence':[]}]}]}", UNSUPPORTED, "/obligation/0/consequence/0/consequence"},
    {"prohibition as permission", "{'prohibition':[{'@type':'Permission','action':'use'}]}", UNSUPPORTED, "/prohibition/0/@type"},
    {"request",                  "{'@type':'Request','permission':[{'action':'use'}]}", UNSUPPORTED, "/@type"},
    {"type of another vocabulary", "{'@type':'" C "Offer'}", UNSUPPORTED, "/@type"},
    {"unknown profile",          "{'profile':'https://evil.example/p','permission':[{'action':'use'}]}", UNSUPPORTED, "/profile"},
    {"one unknown profile",      "{'profile':['" O "core','https://evil.example/p']}", UNSUPPORTED, "/profile/1"},
    {"profile nearly known",     "{'profile':'https://w3id.org/catenax/2025/9/policy'}", UNSUPPORTED, "/profile"},
    {"agreement without parties", "{'@type':'Agreement','target':'t','permission':[{'action':'use'}]}", E_INVALID, "/assigner"},
    {"member of a collection",   R("'action':'use','assignee':{'@type':'PartyCollection','@id':'g','permission':[]}"), UNSUPPORTED, "/permission/0/assignee/permission"},
    {"party as a data set",      R("'action':'use','assignee':{'@type':'Asset','@id':'g'}"), UNSUPPORTED, "/permission/0/assignee"},
    {"refinement of nothing",    R("'action':{'rdf:value':{'@id':'odrl:use'},'refinement':[{}]}"), E_INVALID, "/permission/0/action/refinement/0/leftOperand"},
    {"null refinement",          R("'action':{'rdf:value':{'@id':'odrl:use'},'refinement':null}"), E_INVALID, "/permission/0/action/refinement"},
    {"action of an action",      R("'action':{'rdf:value':{'rdf:value':{'@id':'odrl:use'}}}"), UNSUPPORTED, "/permission/0/action/rdf:value"},
    {"unit of a number",         P("{'leftOperand':'count','operator':'lt','rightOperand':5,'unit':5}"), E_INVALID, AT_C "/unit"},
    {"datatype of a number",     P("{'leftOperand':'count','operator':'lt','rightOperand':5,'dataType':5}"), E_INVALID, AT_C "/dataType"},
    {"replaced by a number",     "{'isReplacedBy':5}", E_INVALID, "/isReplacedBy"},
    {"collection of a number",   R("'action':'use','assignee':{'@type':5,'source':'g'}"), E_INVALID, "/permission/0/assignee/@type"},
    {"weekday of nobody",        P(A("naru:daysOfWeek", "eq", "'funZ'")), E_INVALID, AT_R},
    {"weekday without zone",     P(A("naru:daysOfWeek", "eq", "'mon'")), E_INVALID, AT_R},
    {"weekday, half a zone",     P(A("naru:daysOfWeek", "eq", "'mon+09:'")), E_INVALID, AT_R},
    {"weekday, zone of letters", P(A("naru:daysOfWeek", "eq", "'mon+ab:00'")), E_INVALID, AT_R},
    {"weekday, zone of signs",   P(A("naru:daysOfWeek", "eq", "'mon+09:/0'")), E_INVALID, AT_R},
    {"weekday, zone too far",    P(A("naru:daysOfWeek", "eq", "'mon+15:00'")), E_INVALID, AT_R},
    {"weekday, minutes too many", P(A("naru:daysOfWeek", "eq", "'mon+09:60'")), E_INVALID, AT_R},
    {"weekday, other sign",      P(A("naru:daysOfWeek", "eq", "'mon*09:00'")), E_INVALID, AT_R},
    {"weekday, other colon",     P(A("naru:daysOfWeek", "eq", "'mon+09.00'")), E_INVALID, AT_R},
    {"weekday, to nowhere",      P(A("naru:daysOfWeek", "eq", "'mon/'")), E_INVALID, AT_R},
    {"weekday of a number",      P(A("naru:daysOfWeek", "eq", "1")), E_INVALID, AT_R},
    {"hours of a number",        P(A("naru:timeOfDay", "eq", "9")), E_INVALID, AT_R},
    {"hours without end",        P(A("naru:timeOfDay", "eq", "'09:00+09:00'")), E_INVALID, AT_R},
    {"hours, short",             P(A("naru:timeOfDay", "eq", "'09:0'")), E_INVALID, AT_R},
    {"hours, very short",        P(A("naru:timeOfDay", "eq", "'09'")), E_INVALID, AT_R},
    {"hours, other colon",       P(A("naru:timeOfDay", "eq", "'09.00/18:00Z'")), E_INVALID, AT_R},
    {"hours, minute 60",         P(A("naru:timeOfDay", "eq", "'09:60/18:00Z'")), E_INVALID, AT_R},
    {"hours, second 60",         P(A("naru:timeOfDay", "eq", "'09:00:60/18:00Z'")), E_INVALID, AT_R},
    {"hours, from 24",           P(A("naru:timeOfDay", "eq", "'24:00/18:00Z'")), E_INVALID, AT_R},
    {"hours, past 24",           P(A("naru:timeOfDay", "eq", "'09:00/24:30Z'")), E_INVALID, AT_R},
    {"hours, letters",           P(A("naru:timeOfDay", "eq", "'aa:00/18:00Z'")), E_INVALID, AT_R},
    {"hours, signs",             P(A("naru:timeOfDay", "eq", "'0/:00/18:00Z'")), E_INVALID, AT_R},
    {"decimal, beyond 64 bits",  P(A("naru:profitShare", "eq", "true")), E_INVALID, AT_R},
    {"decimal of an id",         P(A("naru:profitShare", "eq", "{'@id':'5'}")), E_INVALID, AT_R},
    {"duration of a number",     P(A("elapsedTime", "lteq", "30")), E_INVALID, AT_R},
    {"id with a blank value",    P(A("purpose", "eq", "{'@id':''}")), UNSUPPORTED, AT_R},
    {"sequence of not then",     P("{'andSequence':[" A("dateTime", "neq", "'2026-01-01'") "]}"), UNSUPPORTED, AT_C "/andSequence"},
    {"unit of another kind",     "{'obligation':[{'action':{'rdf:value':'odrl:compensate','refinement':[{'leftOperand':'payAmount','operator':'eq','rightOperand':5,'unit':'http://dbpedia.org/resource/Nothing'}]}}]}", E_INVALID, "/obligation/0/action/refinement/0/unit"},
    {"text as an id",            P(A("FrameworkAgreement", "eq", "{'@id':'urn:x'}")), E_INVALID, AT_R},
    {"policy of a number",       "{'hasPolicy':5,'permission':[{'action':'use'}]}", UNSUPPORTED, "/hasPolicy"},
    {"parent of a stranger",     "{'inheritFrom':'urn:q','permission':[{'action':'use'}]}", UNSUPPORTED, "/inheritFrom"},
    {"parent of itself",         "{'@id':'urn:q','inheritFrom':'urn:q','permission':[{'action':'use'}]}", E_INVALID, "/inheritFrom"},
    /* -- numbers */
    {"exponent",                 P(A("count", "lteq", "1e3")), E_INVALID, AT_R},
    {"huge exponent",            P(A("count", "lteq", "1e308")), E_INVALID, AT_R},
    {"exponent beyond",          P(A("count", "lteq", "1e400")), E_SYNTAX, ""},
    {"small exponent",           P(A("count", "lteq", "5e-324")), E_INVALID, AT_R},
    {"exponent as text",         P(A("count", "lteq", "'1e3'")), E_INVALID, AT_R},
    {"fraction of zero",         P(A("count", "lteq", "5.0")), E_INVALID, AT_R},
    {"2^63",                     P(A("count", "lteq", "9223372036854775808")), E_SYNTAX, ""},
    {"2^63 as text",             P(A("count", "lteq", "'9223372036854775808'")), E_INVALID, AT_R},
    {"-2^63-1 as text",          P(A("count", "lteq", "'-9223372036854775809'")), E_INVALID, AT_R},
    {"plus",                     P(A("count", "lteq", "'+5'")), E_INVALID, AT_R},
    {"hexadecimal",              P(A("count", "lteq", "'0x5'")), E_INVALID, AT_R},
    {"thousands",                P(A("count", "lteq", "'1,000'")), E_INVALID, AT_R},
    {"underscore",               P(A("count", "lteq", "'1_000'")), E_INVALID, AT_R},
    {"blank before",             P(A("count", "lteq", "' 5'")), E_INVALID, AT_R},
    {"line end after",           P(A("count", "lteq", "'5\\n'")), E_INVALID, AT_R},
    {"full-width digit",         P(A("count", "lteq", "'\xef\xbc\x95'")), E_INVALID, AT_R},
    {"Arabic digit",             P(A("count", "lteq", "'\xd9\xa5'")), E_INVALID, AT_R},
    {"infinity",                 P(A("count", "lteq", "'INF'")), E_INVALID, AT_R},
    {"not a number",             P(A("count", "lteq", "'NaN'")), E_INVALID, AT_R},
    {"infinity of JSON",         P(A("count", "lteq", "Infinity")), E_SYNTAX, ""},
    {"minus alone",              P(A("count", "lteq", "'-'")), E_INVALID, AT_R},
    {"true is no number",        P(A("count", "lteq", "true")), E_INVALID, AT_R},
    {"decimal, 19 digits",       P(A("naru:profitShare", "eq", "'1000000000000000000'")), E_INVALID, AT_R},
    {"decimal, 19 after the point", P(A("naru:profitShare", "eq", "'0.1000000000000000000'")), E_INVALID, AT_R},
    {"decimal, exponent",        P(A("naru:profitShare", "eq", "'1e1'")), E_INVALID, AT_R},
    {"decimal, two points",      P(A("naru:profitShare", "eq", "'1.2.3'")), E_INVALID, AT_R},
    {"decimal, point first",     P(A("naru:profitShare", "eq", "'.5'")), E_INVALID, AT_R},
    {"decimal, point last",      P(A("naru:profitShare", "eq", "'5.'")), E_INVALID, AT_R},
    {"decimal of a double",      P(A("naru:profitShare", "eq", "12.5")), E_INVALID, AT_R},
    {"datatype that lies",       P(A("count", "lteq", "{'@value':'5','@type':'xsd:decimal'}")), E_INVALID, AT_R},
    {"datatype of somebody",     P(A("count", "lteq", "{'@value':'5','@type':'https://evil.example/int'}")), E_INVALID, AT_R},
    {"datatype is an object",    P(A("count", "lteq", "{'@value':'5','@type':{}}")), E_INVALID, AT_R},
    {"number as IRI",            P(A("count", "lteq", "{'@id':'5'}")), E_INVALID, AT_R},
    {"boolean as number",        P(A("naru:attribution", "eq", "1")), E_INVALID, AT_R},
    {"boolean in upper case",    P(A("naru:attribution", "eq", "'TRUE'")), E_INVALID, AT_R},
    /* -- time */
    {"no zone",                  P(A("dateTime", "lteq", "'2026-06-01T00:00:00'")), E_INVALID, AT_R},
    {"zone by name",             P(A("dateTime", "lteq", "'2026-06-01T00:00:00[Asia/Seoul]'")), E_INVALID, AT_R},
    {"zone by letters",          P(A("dateTime", "lteq", "'2026-06-01T00:00:00KST'")), E_INVALID, AT_R},
    {"military zone",            P(A("dateTime", "lteq", "'2026-06-01T00:00:00I'")), E_INVALID, AT_R},
    {"two zones",                P(A("dateTime", "lteq", "'2026-06-01T00:00:00Z+09:00'")), E_INVALID, AT_R},
    {"zone of a day",            P(A("dateTime", "lteq", "'2026-06-01T00:00:00+24:00'")), E_INVALID, AT_R},
    {"zone with minutes",        P(A("dateTime", "lteq", "'2026-06-01T00:00:00+09:60'")), E_INVALID, AT_R},
    {"zone with seconds",        P(A("dateTime", "lteq", "'2026-06-01T00:00:00+09:00:30'")), E_INVALID, AT_R},
    {"zone without colon",       P(A("dateTime", "lteq", "'2026-06-01T00:00:00+0900'")), E_INVALID, AT_R},
    {"minus of mathematics",     P(A("dateTime", "lteq", "'2026-06-01T00:00:00\xe2\x88\x92" "05:00'")), E_INVALID, AT_R},
    {"blank for T",              P(A("dateTime", "lteq", "'2026-06-01 00:00:00Z'")), E_INVALID, AT_R},
    {"blank before the zone",    P(A("dateTime", "lteq", "'2026-06-01T00:00:00 +09:00'")), E_INVALID, AT_R},
    {"hour 24",                  P(A("dateTime", "lteq", "'2026-06-01T24:00:00Z'")), E_INVALID, AT_R},
    {"second 60",                P(A("dateTime", "lteq", "'2026-06-30T23:59:60Z'")), E_INVALID, AT_R},
    {"29 February",              P(A("dateTime", "lteq", "'2026-02-29'")), E_INVALID, AT_R},
    {"month 13",                 P(A("dateTime", "lteq", "'2026-13-01T00:00:00Z'")), E_INVALID, AT_R},
    {"day 0",                    P(A("dateTime", "lteq", "'2026-06-00'")), E_INVALID, AT_R},
    {"year 0",                   P(A("dateTime", "lteq", "'0000-01-01T00:00:00Z'")), E_INVALID, AT_R},
    {"year before ours",         P(A("dateTime", "lteq", "'-2026-01-01T00:00:00Z'")), E_INVALID, AT_R},
    {"year of five digits",      P(A("dateTime", "lteq", "'12026-01-01T00:00:00Z'")), E_INVALID, AT_R},
    {"year of two digits",       P(A("dateTime", "lteq", "'26-01-01T00:00:00Z'")), E_INVALID, AT_R},
    {"week date",                P(A("dateTime", "lteq", "'2026-W23-1'")), E_INVALID, AT_R},
    {"day of the year",          P(A("dateTime", "lteq", "'2026-152'")), E_INVALID, AT_R},
    {"month alone",              P(A("dateTime", "lteq", "'2026-06'")), E_INVALID, AT_R},
    {"slashes",                  P(A("dateTime", "lteq", "'06/01/2026'")), E_INVALID, AT_R},
    {"seconds since 1970",       P(A("dateTime", "lteq", "1780272000")), E_INVALID, AT_R},
    {"now",                      P(A("dateTime", "lteq", "'now'")), E_INVALID, AT_R},
    {"date with a zone of a day", P(A("dateTime", "lteq", "'2026-06-01+24:00'")), E_INVALID, AT_R},
    {"date with half a zone",    P(A("dateTime", "lteq", "'2026-06-01+09'")), E_INVALID, AT_R},
    {"date with a long zone",    P(A("dateTime", "lteq", "'2026-06-01+09:00000000000000000000000000000000000000000'")), E_INVALID, AT_R},
    {"interval",                 P(A("dateTime", "lteq", "'2026-06-01/2026-07-01'")), E_INVALID, AT_R},
    {"relative where none is",   P(A("dateTime", "lteq", "'contractAgreement+30d'")), E_INVALID, AT_R},
    {"relative, minus",          P(A("inForceDate", "lteq", "'contractAgreement-30d'")), E_INVALID, AT_R},
    {"relative, beyond 64 bits", P(A("inForceDate", "lteq", "'contractAgreement+9223372036854775807d'")), E_INVALID, AT_R},
    {"relative, months",         P(A("inForceDate", "lteq", "'contractAgreement+1M'")), E_INVALID, AT_R},
    {"relative, two units",      P(A("inForceDate", "lteq", "'contractAgreement+1d2h'")), E_INVALID, AT_R},
    {"duration below zero",      P(A("elapsedTime", "lteq", "'-P30D'")), E_INVALID, AT_R},
    {"duration of nothing",      P(A("elapsedTime", "lteq", "'P'")), E_INVALID, AT_R},
    {"duration, T of nothing",   P(A("elapsedTime", "lteq", "'P1DT'")), E_INVALID, AT_R},
    {"duration, fraction",       P(A("elapsedTime", "lteq", "'P0.5Y'")), E_INVALID, AT_R},
    {"duration, twice",          P(A("elapsedTime", "lteq", "'P1D1D'")), E_INVALID, AT_R},
    {"duration, order",          P(A("elapsedTime", "lteq", "'P1D1Y'")), E_INVALID, AT_R},
    {"duration beyond 64 bits",  P(A("elapsedTime", "lteq", "'P99999999999999999999Y'")), E_INVALID, AT_R},
    {"duration in lower case",   P(A("elapsedTime", "lteq", "'p30d'")), E_INVALID, AT_R},
    {"days below a day",         P(A("DataUsageEndDurationDays", "eq", "'0.5'")), E_INVALID, AT_R},
    /* -- operators that would always hold, or never */
    {"order of names",           P(A("purpose", "gteq", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {"set of numbers",           P(A("count", "isAnyOf", "[1,2,3]")), UNSUPPORTED, AT_C "/operator"},
    {"part of a purpose",        P(A("purpose", "hasPart", "'a'")), UNSUPPORTED, AT_C "/operator"},
    {"negated membership list",  P(A("Membership", "isNoneOf", "['active']")), UNSUPPORTED, AT_C "/operator"},
    {"not this end",             P(A("DataUsageEndDate", "neq", "'2026-12-31T00:00:00Z'")), UNSUPPORTED, AT_C "/operator"},
    {"restriction of no kind",   "{'prohibition':[{'action':'use','constraint':[" A("UsageRestriction", "isAllOf", "['cx.none:1']") "]}]}", UNSUPPORTED, "/prohibition/0/constraint/0/rightOperand/0"},
    {"restriction as permission", P(A("UsageRestriction", "isAllOf", "['cx.thirdParty.forbidden:1']")), UNSUPPORTED, AT_C "/leftOperand"},
    {"restriction turned round", "{'prohibition':[{'action':'use','constraint':[" A("UsageRestriction", "isNoneOf", "['cx.thirdParty.forbidden:1']") "]}]}", UNSUPPORTED, "/prohibition/0/constraint/0/operator"},
    {"sequence of purposes",     P("{'andSequence':[" A("purpose", "eq", "'a'") "]}"), UNSUPPORTED, AT_C "/andSequence"},
};

/* clang-format on */

/* Refuses as the connector does what a stranger sends. */
static enum err_code refuse(struct str json, struct err *err)
{
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;

    *err = (struct err){0};
    if (jdoc_parse(json, &jlimits_default, &doc, err) == 0)
        (void)(policy_compile(jdoc_root(doc), &policy, err) < 0);
    ck_assert(policy == NULL || err->code == E_OK);
    ck_assert_msg(str_is_utf8(str_c(err->at)) && str_is_utf8(str_c(err->detail)), "%s", err->text);
    ck_assert_msg(err->code == E_OK || err->detail[0] != '\0', "%s: no public detail", err->text);
    return err->code;
}

static enum err_code refuse_quoted(const char *json, struct err *err)
{
    AUTO(buf_done) struct buf text = buf_init(MIB(1));

    buf_add_c(&text, json);
    for (size_t i = 0; i < text.n; i++)
        text.p[i] = text.p[i] == '\'' ? '"' : text.p[i];
    return refuse(buf_str(&text), err);
}

START_TEST(test_attack)
{
    const struct row *row = &rows[_i];
    struct err err;

    ck_assert_msg(refuse_quoted(row->json, &err) == row->code, "%s: %s (%s)", row->name,
                  err_name(err.code), err.text);
    ck_assert_msg(strcmp(err.at, row->at) == 0, "%s: at '%s'", row->name, err.at);
}

END_TEST

/* -- names that nearly are --------------------------------------------------------------------- */

/* One letter other than it should be; false after the last way. */
static bool misspell(struct str name, size_t way, struct buf *out)
{
    const size_t at = way / 4;
    const char c = at < name.n ? name.p[at] : '\0';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (at >= name.n)
        return false;
    buf_reset(out);
    buf_add_str(out, str_n(name.p, at));
    switch (way % 4) {
    case 0: break;                                                                /* left out */
    case 1: buf_add_str(out, str_n(name.p + at, 1)), buf_add_char(out, c); break; /* doubled */
    case 2: buf_add_char(out, letter ? (char)(c ^ 0x20) : 'x'); break;            /* its case */
    default: buf_add_char(out, c == 'z' || c == 'Z' ? 'q' : (char)(c + 1)); break;
    }
    buf_add_str(out, str_from(name, at + 1));
    return true;
}

/* An IRI that looks like this one; false after the last way. */
static bool look_alike(struct str iri, size_t way, struct buf *out)
{
    static const struct {
        const char *of, *alike;
    } changes[] = {
        {"http://",  "https://"     },
        {"https://", "http://"      },
        {"http",     "HTTP"         },
        {"www.",     "WWW."         },
        {"www.",     ""             },
        {"w3id.org", "w3id.org."    },
        {".org/",    ".org:80/"     },
        {".org/",    ".org//"       },
        {".org/",    ".org/./"      },
        {".org/",    ".org@evil.kr/"},
        {"/2/",      "/2/x/../"     },
        {"/2/",      "/2#"          },
        {"/policy/", "/policy"      },
        {"/2025/9/", "/2025/09/"    },
        {"urn:",     "URN:"         },
        {"naru:",    "naru::"       },
        {"a",        "\xd0\xb0"     }, /* Cyrillic */
        {"e",        "\xd0\xb5"     },
        {"o",        "\xd0\xbe"     },
        {"p",        "\xd1\x80"     },
        {"c",        "\xd1\x81"     },
        {"o",        "\xef\xbd\x8f" }, /* full width */
        {"o",        "%6F"          },
        {"e",        "e\xcc\x81"    }, /* combining */
        {"o",        "o\xe2\x80\x8b"}, /* no width */
        {"o",        "\xe2\x80\xae"
              "o"      }, /* from right to left */
    };

    static const char *const tails[] = {"/",        "#", "?", " ",  "\t",
                                        "\xc2\xa0", ".", ":", "/.", "%00"};

    buf_reset(out);
    if (way < ARRAY_LEN(tails)) {
        buf_add_str(out, iri);
        buf_add_c(out, tails[way]);
    } else if (way < ARRAY_LEN(tails) + ARRAY_LEN(changes)) {
        const size_t c = way - ARRAY_LEN(tails), n = strlen(changes[c].of);
        size_t at = iri.n;

        /* the last place, which is the name itself if it can be */
        for (size_t i = 0; i + n <= iri.n; i++)
            at = memcmp(iri.p + i, changes[c].of, n) == 0 ? i : at;
        if (at == iri.n)
            return true; /* nothing to change: `out` is empty */
        buf_add_str(out, str_n(iri.p, at));
        buf_add_c(out, changes[c].alike);
        buf_add_str(out, str_from(iri, at + n));
    } else {
        return false;
    }
    return true;
}

/* Where a name can stand: a document around it, and its place. */
enum stand { AS_MEMBER, AS_OPERAND, AS_OPERATOR, AS_ACTION, AS_TYPE, AS_PROFILE, AS_CONFLICT };

static const char *place(enum stand stand, struct str name, struct buf *json, struct buf *at)
{
    static const char *const places[] = {
        [AS_OPERAND] = AT_C "/leftOperand",
        [AS_OPERATOR] = AT_C "/operator",
        [AS_ACTION] = "/permission/0/action",
        [AS_TYPE] = "/@type",
        [AS_PROFILE] = "/profile",
        [AS_CONFLICT] = "/conflict",
    };
    struct jw w = jw_init(json);

    buf_reset(json);
    buf_reset(at);
    jw_object(&w);
    if (stand == AS_MEMBER) {
        jw_key_str(&w, name);
        jw_array(&w);
        jw_array_end(&w);
        buf_add_char(at, '/');
        jpointer_escape(at, name);
    } else if (stand == AS_TYPE || stand == AS_PROFILE || stand == AS_CONFLICT) {
        jw_kstr(&w, places[stand] + 1, name);
    } else {
        jw_key(&w, "permission");
        jw_array(&w);
        jw_object(&w);
        jw_kstr(&w, "action", stand == AS_ACTION ? name : STR("use"));
        if (stand != AS_ACTION) {
            jw_key(&w, "constraint");
            jw_array(&w);
            jw_object(&w);
            jw_kstr(&w, "leftOperand", stand == AS_OPERAND ? name : STR("count"));
            jw_kstr(&w, "operator", stand == AS_OPERATOR ? name : STR("eq"));
            jw_kc(&w, "rightOperand", "1");
            jw_object_end(&w);
            jw_array_end(&w);
        }
        jw_object_end(&w);
        jw_array_end(&w);
    }
    jw_object_end(&w);
    if (stand != AS_MEMBER)
        buf_add_c(at, places[stand]);
    buf_add_char(at, '\0');
    return at->p;
}

struct names {
    struct arena *arena;

    struct {
        enum stand stand;
        struct str name;
    } items[600];

    size_t n;
};

static void add_name(struct names *names, enum stand stand, struct str name)
{
    ck_assert_uint_lt(names->n, ARRAY_LEN(names->items));
    names->items[names->n].stand = stand;
    names->items[names->n++].name = arena_str(names->arena, name);
}

static struct str bare_of(struct str iri)
{
    size_t start = 0;

    for (size_t i = 0; i < iri.n; i++)
        start = memchr("/:#", iri.p[i], 3) != NULL ? i + 1 : start;
    return str_from(iri, start);
}

static void add_iri(struct names *names, enum stand stand, const char *iri)
{
    add_name(names, stand, str_c(iri));
    add_name(names, stand, bare_of(str_c(iri)));
}

static void all_names(struct arena *arena, struct names *names)
{
    static const char *const members[] = {"profile",
                                          "conflict",
                                          "timestamp",
                                          "target",
                                          "assigner",
                                          "assignee",
                                          "permission",
                                          "prohibition",
                                          "obligation",
                                          "action",
                                          "constraint",
                                          "duty",
                                          "remedy",
                                          "consequence",
                                          "leftOperand",
                                          "operator",
                                          "rightOperand",
                                          "and",
                                          "or",
                                          "xone",
                                          "andSequence",
                                          "source",
                                          "uid",
                                          "id",
                                          "type",
                                          "@id",
                                          "@type",
                                          "@context",
                                          "odrl:permission",
                                          "odrl:prohibition",
                                          O "permission"};

    *names = (struct names){.arena = arena};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        add_name(names, AS_MEMBER, str_c(members[i]));
    for (int i = 0; i < POLICY_OP__COUNT; i++)
        add_iri(names, AS_OPERAND, policy_operand_iri((enum policy_operand)i));
    for (int i = 0; i < POLICY_ACT__COUNT; i++)
        add_iri(names, AS_ACTION, policy_action_iri((enum policy_action)i));
    for (int i = 0; i < POLICY_OPERATOR__COUNT; i++)
        add_name(names, AS_OPERATOR, str_c(policy_operator_name((enum policy_operator)i)));
    for (int i = 0; i < POLICY_TYPE__COUNT; i++)
        add_name(names, AS_TYPE, str_c(policy_type_name((enum policy_type)i)));
    add_name(names, AS_PROFILE, STR(C));
    add_name(names, AS_PROFILE, STR("urn:naru:profile:commercial:1"));
    add_name(names, AS_CONFLICT, STR("perm"));
    add_name(names, AS_CONFLICT, STR("prohibit"));
    add_name(names, AS_CONFLICT, STR("invalid"));
}

/* The change made another name of the vocabulary: "lt" for "gt". */
static bool is_name(const struct names *names, enum stand stand, struct str name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (names->items[i].stand == stand && str_eq(names->items[i].name, name))
            return true;
    }
    return false;
}

static void check_name(const struct names *names, size_t i,
                       bool (*change)(struct str name, size_t way, struct buf *out))
{
    AUTO(buf_done) struct buf changed = buf_init(KIB(4));
    AUTO(buf_done) struct buf json = buf_init(KIB(8));
    AUTO(buf_done) struct buf at = buf_init(KIB(8));
    const enum stand stand = names->items[i].stand;

    for (size_t way = 0; change(names->items[i].name, way, &changed); way++) {
        const struct str name = buf_str(&changed);
        struct err err;
        const char *want;

        if (name.n == 0 || is_name(names, stand, name))
            continue;
        want = place(stand, name, &json, &at);
        ck_assert_msg(refuse(buf_str(&json), &err) == UNSUPPORTED, "%.*s: %s", STR_ARG(name),
                      err.code == E_OK ? "accepted" : err.text);
        ck_assert_msg(strcmp(err.at, want) == 0, "%.*s: at '%s', not '%s'", STR_ARG(name), err.at,
                      want);
    }
}

START_TEST(test_nearly)
{
    AUTO(arena_free) struct arena *arena = arena_new(MIB(8));
    struct names *names = ARENA_NEW(arena, struct names);

    all_names(arena, names);
    for (size_t i = 0; i < names->n; i++) {
        check_name(names, i, misspell);
        if (memchr(names->items[i].name.p, ':', names->items[i].name.n) != NULL)
            check_name(names, i, look_alike);
    }
}

END_TEST

/* -- something else at every place ------------------------------------------------------------- */

/* clang-format off */
static const char *const whole[] = {
    "{'@context':['http://www.w3.org/ns/odrl.jsonld',{'odrl':'" O "'}],'@type':'Agreement','@id':'urn:p','profile':['urn:naru:profile:commercial:1'],"
    "'conflict':'prohibit','target':'t','assigner':'p','assignee':'c','timestamp':'2026-01-01T00:00:00Z',"
    "'permission':[{'@type':'Permission','action':'use','target':{'@id':'t2'},'constraint':[{'and':[" A("purpose", "isAnyOf", "['a','b']") ","
    "{'@type':'Constraint','leftOperand':{'@id':'odrl:count'},'operator':{'@id':'odrl:lteq'},'rightOperand':{'@value':'5','@type':'xsd:integer'}}]}],"
    "'duty':[{'action':'compensate','consequence':[{'action':'inform'}]}]}],"
    "'prohibition':[{'action':'distribute','assignee':{'@type':'PartyCollection','source':'urn:g'},'remedy':[{'action':'delete'}]}],"
    "'obligation':[{'action':'delete','constraint':[" A("elapsedTime", "lteq", "'P30D'") "]}]}",
    "{'odrl:permission':{'odrl:action':{'@id':'odrl:use'},'odrl:constraint':{'odrl:xone':{'@list':[{'odrl:leftOperand':{'@id':'odrl:dateTime'},"
    "'odrl:operator':{'@id':'odrl:lt'},'odrl:rightOperand':{'@value':'2026-01-01','@type':'xsd:date'}}]}}}}",
};
static const struct { const char *what; bool fits_context; } instead[] = {
    {"null", false}, {"{}", true}, {"true", false}, {"-1.5", false}, {"[null]", false}, {"[[]]", false}, {"{\"@id\":\"urn:x\",\"@value\":\"y\"}", false},
};

/* clang-format on */

struct copy {
    struct jw *w;
    const char *what;
    long left; /* values until the one that is replaced */
    struct buf at;
    char replaced[200]; /* its place */
};

static void copy_with(struct copy *c, const struct jval *v)
{
    const size_t before = c->at.n;

    if (c->left-- == 0) {
        (void)snprintf(c->replaced, sizeof(c->replaced), "%.*s", STR_ARG(buf_str(&c->at)));
        jw_raw(c->w, str_c(c->what));
        return;
    }
    if (jtype_of(v) == J_ARRAY) {
        jw_array(c->w);
        for (size_t i = 0; i < jval_len(v); i++) {
            buf_printf(&c->at, "/%zu", i);
            copy_with(c, jval_at(v, i));
            c->at.n = before;
        }
        jw_array_end(c->w);
    } else if (jtype_of(v) == J_OBJECT) {
        jw_object(c->w);
        for (const struct jiter *it = jiter_first(v); it != NULL; it = jiter_next(v, it)) {
            buf_add_char(&c->at, '/');
            jpointer_escape(&c->at, jiter_key(it));
            jw_key_str(c->w, jiter_key(it));
            copy_with(c, jiter_value(it));
            c->at.n = before;
        }
        jw_object_end(c->w);
    } else {
        jw_val(c->w, v);
    }
}

/* The place that is told is the value's, or that of the member which it belongs to or misses. */
static bool near(const char *told, const char *replaced)
{
    const size_t n = strlen(replaced);
    const char *slash = strrchr(replaced, '/');

    if (strncmp(told, replaced, n) == 0 && (told[n] == '\0' || told[n] == '/'))
        return true;
    return slash != NULL && strlen(told) <= n && strncmp(told, replaced, strlen(told)) == 0 &&
           strlen(told) >= (size_t)(slash - replaced) - 2;
}

static void check_instead(const struct jdoc *doc, size_t k)
{
    for (long i = 1;; i++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(64));
        struct jw w = jw_init(&json);
        struct copy c = {.w = &w, .what = instead[k].what, .left = i, .at = buf_init(KIB(4))};
        struct err err;

        copy_with(&c, jdoc_root(doc));
        buf_done(&c.at);
        if (c.left >= 0)
            return;
        if (instead[k].fits_context && str_starts(str_c(c.replaced), STR("/@context")))
            continue;
        ck_assert_msg(refuse(buf_str(&json), &err) != E_OK, "%s at %s is accepted", c.what,
                      c.replaced);
        ck_assert_msg(near(err.at, c.replaced), "%s at '%s', told '%s': %s", c.what, c.replaced,
                      err.at, err.text);
    }
}

START_TEST(test_instead)
{
    AUTO(buf_done) struct buf json = buf_init(KIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    struct err err = {0};

    buf_add_c(&json, whole[_i]);
    for (size_t i = 0; i < json.n; i++)
        json.p[i] = json.p[i] == '\'' ? '"' : json.p[i];
    ck_assert_msg(jdoc_parse(buf_str(&json), &jlimits_default, &doc, &err) == 0, "%s", err.text);
    ck_assert_msg(policy_compile(jdoc_root(doc), &policy, &err) == 0, "%s %s", err.text, err.at);
    for (size_t k = 0; k < ARRAY_LEN(instead); k++)
        check_instead(doc, k);
}

END_TEST

/* -- size -------------------------------------------------------------------------------------- */

#define TEN(x)     x x x x x x x x x x
#define MANY       1000000
#define DEEP       100000
#define SECONDS    10 /* of processor time, under sanitizers on a slow machine */
#define KIB_GROWTH 131072

/* clang-format off */
static const struct { const char *name, *head, *piece, *tail; int n; enum err_code code; } large[] = {
    {"rules",       "{\"permission\":[",  "{\"action\":\"use\"},", "{}]}", MANY / 2, E_LIMIT},
    {"values",      "{\"permission\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"purpose\",\"operator\":\"isAnyOf\",\"rightOperand\":[", "\"a\",", "\"b\"]}]}]}", MANY, E_LIMIT},
    {"conditions",  "{\"permission\":[{\"action\":\"use\",\"constraint\":[{\"xone\":[", "{\"leftOperand\":\"count\",\"operator\":\"eq\",\"rightOperand\":1},", "{}]}]}]}", MANY / 4, E_LIMIT},
    {"lists",       "{\"permission\":[",  "[],", "{}]}", MANY, E_LIMIT},
    {"profiles",    "{\"profile\":[",     "\"urn:naru:profile:commercial:1\",", "\"x\"]}", MANY, E_LIMIT},
    {"contexts",    "{\"@context\":[",    "{},", "{}]}", MANY, E_LIMIT},
    {"depth",       "{\"permission\":",   "[", "", DEEP, E_LIMIT},
    {"deep logic",  "{\"permission\":[{\"action\":\"use\",\"constraint\":[", "{\"and\":[", "", DEEP, E_LIMIT},
    {"rules that others stand for", "{\"permission\":[", "{\"action\":[" TEN("\"use\",\"read\",") "\"sell\"],\"target\":[" TEN("\"a\",\"b\",") "\"c\"],\"assignee\":[" TEN("\"a\",\"b\",") "\"c\"]},", "{\"action\":\"use\"}]}", 10, E_LIMIT},
    {"deep objects", "",                  "{\"permission\":", "1", DEEP, E_LIMIT},
};

/* clang-format on */

static long used_kib(void)
{
    struct rusage usage;

    ck_assert(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_maxrss;
}

/* Refused by the reader's limits; and by the engine's own, if a caller were to allow more. */
START_TEST(test_large)
{
    static const struct jlimits wide = {MIB(64), 1000, 2 * MANY};
    AUTO(buf_done) struct buf json = buf_init(MIB(64));
    AUTO(jdoc_free) struct jdoc *doc = NULL;
    AUTO(policy_unref) struct policy *policy = NULL;
    struct err err = {0};
    clock_t start;
    long before;

    buf_add_c(&json, large[_i].head);
    for (int i = 0; i < large[_i].n; i++)
        buf_add_c(&json, large[_i].piece);
    buf_add_c(&json, large[_i].tail);
    start = clock();
    ck_assert_int_ne(refuse(buf_str(&json), &err), E_OK);
    ck_assert_msg(clock() - start < SECONDS * CLOCKS_PER_SEC, "%s: too slow", large[_i].name);
    if (jdoc_parse(buf_str(&json), &wide, &doc, &err) < 0)
        return; /* no reader of ours goes that deep */
    before = used_kib();
    start = clock();
    ck_assert_int_lt(policy_compile(jdoc_root(doc), &policy, &err), 0);
    ck_assert_msg(err.code == large[_i].code, "%s: %s", large[_i].name, err.text);
    ck_assert_msg(clock() - start < SECONDS * CLOCKS_PER_SEC, "%s: too slow", large[_i].name);
    ck_assert_msg(used_kib() - before < KIB_GROWTH, "%s: %ld KiB", large[_i].name,
                  used_kib() - before);
}

END_TEST

/* The place and the text of an error are cut between characters, whatever the name. */
START_TEST(test_long_names)
{
    for (size_t n = 40; n < 140; n++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(8));
        struct err err;

        buf_add_c(&json, "{\"");
        for (size_t i = 0; i < n; i++)
            buf_add_c(&json, i < n % 4 ? "x" : "\xea\xb0\x80");
        buf_add_c(&json, "\":1}");
        ck_assert_int_eq(refuse(buf_str(&json), &err), UNSUPPORTED);
        ck_assert(err.at[0] == '/');
    }
}

END_TEST

/* A prefix cannot make a name longer than any that there is. */
START_TEST(test_long_expansion)
{
    static const char *const heads[] = {
        "{\"permission\":[{\"action\":\"odrl:",
        "{\"permission\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":\"purpose\","
        "\"operator\":\"lt\",\"rightOperand\":{\"@id\":\"odrl:"};

    static const char *const tails[] = {"\"}]}", "\"}}]}]}"};

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        AUTO(buf_done) struct buf json = buf_init(KIB(8));
        struct err err;

        buf_add_c(&json, heads[i]);
        for (int n = 0; n < 300; n++)
            buf_add_char(&json, 'a');
        buf_add_c(&json, tails[i]);
        ck_assert_int_eq(refuse(buf_str(&json), &err), UNSUPPORTED);
    }
}

END_TEST

/* A number as long as a book is a text that is too long, or no number. */
START_TEST(test_digits)
{
    static const char *const forms[] = {
        "\"count\",\"operator\":\"lteq\",\"rightOperand\":\"",
        "\"naru:profitShare\",\"operator\":\"eq\",\"rightOperand\":\"",
        "\"elapsedTime\",\"operator\":\"lteq\",\"rightOperand\":\"P",
        "\"dateTime\",\"operator\":\"lteq\",\"rightOperand\":\"2026-"};

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        for (int n = 20; n <= 10000; n *= 5) {
            AUTO(buf_done) struct buf json = buf_init(KIB(64));
            struct err err;

            buf_printf(&json,
                       "{\"permission\":[{\"action\":\"use\",\"constraint\":[{\"leftOperand\":%s",
                       forms[i]);
            for (int d = 0; d < n; d++)
                buf_add_char(&json, '9');
            buf_add_c(&json, "\"}]}]}");
            ck_assert_int_eq(refuse(buf_str(&json), &err), n > LIMIT_ID ? E_LIMIT : E_INVALID);
            ck_assert_str_eq(err.at, AT_R);
        }
    }
}

END_TEST

int main(void)
{
    Suite *s = suite_create("policy_attacks");
    TCase *tc = tcase_create("attacks");
    SRunner *sr;
    int bad;

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, test_attack, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, test_nearly);
    tcase_add_loop_test(tc, test_instead, 0, (int)ARRAY_LEN(whole));
    tcase_add_loop_test(tc, test_large, 0, (int)ARRAY_LEN(large));
    tcase_add_test(tc, test_long_names);
    tcase_add_test(tc, test_digits);
    tcase_add_test(tc, test_long_expansion);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    bad = srunner_ntests_failed(sr);
    srunner_free(sr);
    return bad != 0;
}
