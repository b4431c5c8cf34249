"""Policies for people: clause templates become an offer and an agreement; explain, diff, lint, what-if and the decision that
holds now, the same from the API and from the command line."""

import json
import os
import re
import subprocess

import kit
from connectors import EDC, Space
from deal import begin, contract
from harness import BIN, main, tap, temp_dir, wait_until

PROVIDER, CONSUMER = "did:web:provider.test", "did:web:consumer.test"
RESEARCH = "urn:naru:purpose:research"
ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}
OWN = {
    "id": "own-days", "version": "3", "profiles": ["naru"], "title": {"ko": "우리 조항", "en": "Our clause"},
    "description": {"ko": "우리 것", "en": "ours"},
    "parameters": [{"name": "days", "type": "integer", "title": {"ko": "일수", "en": "days"}, "default": 7, "min": 1, "max": 30}],
    "clause": [{"ko": "{days}일 동안 이용한다.", "en": "Use for {days} days."}],
    "policy": {"permission": {"constraint": [{"leftOperand": "odrl:elapsedTime", "operator": "lteq",
                                              "rightOperand": {"$parameter": "days", "as": "days"}}]}},
}
CLAUSES = [{"id": "recipients", "parameters": {"participants": [CONSUMER]}}, {"id": "uses", "parameters": {"times": 2}},
           {"id": "ai-training"}, {"id": "quality", "parameters": {"months": "6"}},
           {"id": "term", "parameters": {"until": "2099-12-31", "delete_within": 10}}]
WORDS = ["recipients:participants=" + CONSUMER, "uses:times=2", "ai-training", "quality", "term:until=2099-12-31,delete_within=10",
         "--set", "months=6"]


def naru(*argv, home="/nonexistent"):
    done = subprocess.run([BIN / "naru", "--home", home, *[str(a) for a in argv]], capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    return done.returncode, done.stdout, done.stderr


def timeless(value):
    """A witness is a world of the instant at which it was looked for."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "T", json.dumps(value, sort_keys=True))


def refused(answer, status, code, at, part, name):
    body = answer.json or {}
    good = answer.status == status and body.get("code") == code and body.get("at", "") == at and part in body.get("detail", "")
    tap.ok(good, name, answer.text)


def check_templates(api, folder):
    listed = api.get("/naru/v1/policies/templates").json["templates"]
    ids = [t["id"] for t in listed]
    tap.ok({"purpose", "derived-data", "onward-transfer", "quality", "confidentiality", "term", "profit-share", "ai-training"} <= set(ids),
           "the clauses of the guideline are there")
    tap.equal(ids[-1], "own-days", "and those of the folder")
    tap.equal(json.loads(naru("--json", "policy", "templates", "--templates", folder)[1]), listed, "the command line lists the same")
    tap.equal(api.get("/naru/v1/policies/templates/own-days").json, OWN, "one template")
    refused(api.get("/naru/v1/policies/templates/none"), 404, "not-found", "", "none", "a template that is not there")
    code, out, _ = naru("--lang", "ko", "policy", "templates", "term")
    tap.ok(code == 0 and "이용 기간과 삭제" in out and "delete_within" in out and "30" in out, "one template for people", out)
    tap.equal(naru("policy", "templates", "none")[0], 2, "exit 2: no such template")


def check_making(api, folder):
    made = api.post("/naru/v1/policies/make", {"templates": CLAUSES})
    tap.status(made, 200, "POST make")
    made = made.json
    code, out, _ = naru("--json", "policy", "make", *WORDS)
    tap.equal((code, json.loads(out)), (0, made), "the command line makes the same policy, with the same words")
    tap.equal((made["profile"], made["findings"]), ("naru", []), "its profile, and nothing to look at again")
    tap.ok("3. Training of AI models: " in made["clauses"]["en"] and "2099-12-31(UTC)까지" in made["clauses"]["ko"], "clauses of the contract")
    path = folder / "made.json"
    code, out, err = naru("policy", "make", *WORDS, "-o", path)
    tap.ok(code == 0 and json.loads(path.read_text()) == made["policy"] and made["hash"] in out and err == "",
           "to a file, its words to the terminal", out + err)
    code, out, err = naru("policy", "make", *WORDS)
    tap.ok(json.loads(out) == made["policy"] and made["hash"] in err, "without a file: the policy to standard output, its words beside it")
    own = api.post("/naru/v1/policies/make", {"templates": [{"id": "own-days"}]}).json
    tap.contains(json.dumps(own["policy"]), '"P7D"', "a template of one's own, with its default")
    catena = api.post("/naru/v1/policies/make", {"templates": [{"id": "cx-usage", "parameters": {"purposes": "cx.pcf.base:1"}}]}).json
    tap.equal((catena["profile"], len(catena["policy"]["permission"][0]["constraint"])), ("catena-x", 1), "Catena-X: one condition at the top")
    for body, status, code, at, part, name in (
            ({}, 400, "invalid", "/templates", "expected", "no templates"),
            ({"templates": []}, 400, "invalid", "/templates", "empty", "none of them"),
            ({"templates": [{"id": "none"}]}, 404, "not-found", "/templates/0/id", "none", "one that is not there"),
            ({"templates": [{"id": "ai-training"}, {"id": "uses", "parameters": {"times": 0}}]}, 400, "invalid",
             "/templates/1/parameters/times", "at least 1", "a value below its bound"),
            ({"templates": [{"id": "uses", "parameters": {"times": 1.5}}]}, 400, "invalid", "/templates/0/parameters/times", "whole number",
             "a value of another type"),
            ({"templates": [{"id": "uses", "parameters": []}]}, 400, "invalid", "/templates/0/parameters", "object", "parameters that are none"),
            ({"templates": [{"id": "purpose"}]}, 400, "invalid", "/templates/0/parameters/purposes", "wants a value", "a value that is missing"),
            ({"templates": [{"id": "uses"}], "profile": "catena-x"}, 400, "invalid", "/templates/0/id", "CX-0152",
             "Catena-X and a term of another profile"),
            ({"templates": [{"id": "uses"}], "profile": "gaia-x"}, 400, "invalid", "/profile", "expected", "an unknown profile"),
            ({"templates": [{"id": "uses", "x": 1}]}, 400, "unknown-field", "/templates/0/x", "", "an unknown member")):
        refused(api.post("/naru/v1/policies/make", body), status, code, at, part, f"make: {name}")
    for argv, part in ((["uses:times=0"], "expected at least 1 (uses/parameters/times)"), (["uses:tiems=1"], "it has times"),
                       (["uses:5"], "TEMPLATE:NAME=VALUE"), (["uses", "--set", "months=6"], "--set"), (["uses", "--profile", "x"], "--profile"),
                       (["term", "cx-end", "--set", "until=2099-01-01"], "TEMPLATE.until"), ([], "1 to 32")):
        code, out, err = naru("policy", "make", *argv)
        tap.ok(code == (1 if not argv else 2) and out == "" and part in err, f"make {' '.join(argv)}: refused", err)
    return made, path


def check_words(api, made, path, agreement):
    """Four ways to name a policy."""
    given = api.post("/naru/v1/policies/explain", {"policy": made["policy"]}).json
    tap.equal(json.loads(naru("--json", "policy", "explain", path)[1]), given, "explain: as the command line")
    tap.ok(given["hash"] == made["hash"] and given["ko"] == made["ko"], "bound to the same hash")
    tap.equal([n["operand"].rsplit("/", 1)[-1] for n in given["needs"]], ["count", "urn:naru:policy:participant"], "facts that it needs")
    tap.equal([(d["kind"], d["action"].rsplit("/", 1)[-1]) for d in given["duties"]], [("obligation", "delete")], "duties that it makes")
    tap.equal(api.post("/naru/v1/policies/explain", {"asset": "made"}).json["en"].split("\n")[1:], given["en"].split("\n")[1:],
              "of an asset: the same rules")
    tap.contains(api.post("/naru/v1/policies/explain", {"agreementId": agreement}).json["ko"], "계약; 데이터: made", "of an agreement")
    stored = api.post("/v3/policydefinitions", {"@context": {"@vocab": EDC}, "@id": "kept", "policy": made["policy"]})
    tap.status(stored, 200, "a made policy is a policy definition")
    tap.equal(api.post("/naru/v1/policies/explain", {"policyId": "kept"}).json["hash"], made["hash"], "of a policy definition")
    for body, status, code, at in (({}, 400, "invalid", "/policy"), ({"policyId": "kept", "asset": "made"}, 400, "invalid", "/policy"),
                                   ({"policyId": "none"}, 404, "not-found", ""), ({"asset": "none"}, 404, "not-found", ""),
                                   ({"agreementId": "none"}, 404, "not-found", ""), ({"policy": {"@type": "Set", "x": 1}}, 400,
                                                                                    "policy-unsupported", "/policy/x")):
        refused(api.post("/naru/v1/policies/explain", body), status, code, at, "", f"explain: {json.dumps(body)}")

    wider = json.loads(json.dumps(made["policy"]).replace('"rightOperand": "2"', '"rightOperand": "3"'))
    wide = path.with_name("wide.json")
    wide.write_text(json.dumps(wider))
    diff = api.post("/naru/v1/policies/diff", {"a": {"policyId": "kept"}, "b": {"policy": wider}}).json
    tap.equal(timeless(json.loads(naru("--json", "policy", "diff", path, wide)[1])), timeless(diff), "diff: as the command line")
    tap.ok(diff["relation"] == "stricter" and diff["complete"] and set(diff["witnesses"]) == {"onlyB"} and "이용 횟수" in diff["ko"],
           "which is stricter, with a case", json.dumps(diff))
    refused(api.post("/naru/v1/policies/diff", {"a": {"policyId": "kept"}, "b": {"asset": "none"}}), 404, "not-found", "/b", "", "diff: its side")
    never = api.post("/naru/v1/policies/lint", {"policy": {"@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "odrl:count", "operator": "lt", "rightOperand": "5"}, {"leftOperand": "odrl:count", "operator": "gt", "rightOperand": "5"}]}]}})
    tap.equal([f["code"] for f in never.json["findings"]], ["unsatisfiable"], "lint: what is wrong")
    tap.equal(json.loads(naru("--json", "policy", "lint", path)[1]), api.post("/naru/v1/policies/lint", {"policyId": "kept"}).json,
              "lint: as the command line")


def marked(trace):
    """Operands of the constraints that would have to change."""
    found = []

    def walk(report):
        if report.get("change") and "constraintLeftOperand" in report:
            found.append(report["constraintLeftOperand"].rsplit("/", 1)[-1])
        for inner in report.get("premiseReport", []):
            walk(inner)

    for rule in trace["ruleReport"]:
        walk(rule)
    return found


def check_what_if(api, agreement, made, path):
    def ask(**members):
        answer = api.post("/naru/v1/policies/what-if", members)
        tap.status(answer, 200, f"what-if {sorted(members)}")
        return answer.json

    answer = ask(agreementId=agreement)
    tap.ok(answer["verdict"] == "permit" and answer["duties"][0]["deadline"].startswith("2100-01-10"), "the facts of the buyer: permitted",
           json.dumps(answer))
    premise = {p["constraintLeftOperand"].rsplit("/", 1)[-1]: p for p in answer["trace"]["ruleReport"][0]["premiseReport"]}
    tap.equal((premise["count"]["seen"], premise["count"]["satisfactionState"], premise["urn:naru:policy:participant"]["seen"]),
              ("1", "Satisfied", CONSUMER), "each constraint with what was seen")
    tap.equal([(s["kind"], s["ko"]) for s in premise["count"]["sources"]], [("counters", "지금까지 집계된 이용")], "from where")
    tap.equal(premise["count"]["ageSeconds"], 0, "and how old")
    tap.ok("1; 지금까지 집계된 이용" in answer["tree"]["ko"] and "1; accesses counted so far" in answer["tree"]["en"], "in both languages",
           json.dumps(answer["tree"], ensure_ascii=False))
    answer = ask(agreementId=agreement, facts={"count": 3})
    tap.equal((answer["verdict"], marked(answer["trace"])), ("deny", ["count"]), "a given fact stands in its place")
    tap.ok(answer["trace"]["change"][0]["ko"] == "한도가 남은 새 계약이 필요합니다.", "and what can be done is said", json.dumps(answer["trace"]["change"]))
    answer = ask(agreementId=agreement, instant="2100-01-01T00:00:00Z")
    tap.equal((answer["verdict"], marked(answer["trace"])), ("deny", ["dateTime"]), "at another time")
    answer = ask(policyId="kept", counterparty="did:web:other.test", scope="negotiation")
    tap.equal(marked(answer["trace"]), ["urn:naru:policy:participant"], "another company")
    answer = ask(asset="made", counterparty=CONSUMER, scope="negotiation", peer="edc")
    tap.ok(answer["verdict"] == "permit" and answer["peer"]["name"] == "edc", "before there is an agreement, and what a stock peer would decide")
    purpose = {"@type": "Set", "permission": [{"action": "use", "constraint": [{"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": RESEARCH}]}]}
    tap.equal([ask(policy=purpose, purpose=p)["verdict"] for p in ([RESEARCH], ["urn:x:y"])], ["permit", "deny"], "with a declared purpose")
    tap.equal(ask(policy=purpose)["causes"][0]["code"], "fact-unknown", "what nobody gives is unknown")
    tap.equal(ask(policy=purpose, facts={"purpose": None})["causes"][0]["code"], "constraint-false", "null: there is certainly none")
    for members, at in (({"policyId": "kept", "facts": {"nonsense": 1}}, "/facts/nonsense"), ({"policyId": "kept", "facts": {"count": "x"}}, "/facts/count"),
                        ({"policyId": "kept", "facts": []}, "/facts"), ({"policyId": "kept", "action": "fly"}, "/action"),
                        ({"policyId": "kept", "scope": "x"}, "/scope"), ({"policyId": "kept", "instant": "tomorrow"}, "/instant")):
        refused(api.post("/naru/v1/policies/what-if", members), 400, "invalid", at, "", f"what-if: {at}")
    facts = ["--fact=count=3", f"--fact=participant={CONSUMER}"]
    code, out, _ = naru("--json", "policy", "what-if", path, *facts, "--trace", "--at", "2030-01-01T00:00:00Z")
    same = ask(policyId="kept", facts={"count": 3, "participant": CONSUMER}, instant="2030-01-01T00:00:00Z")
    # a stored policy is in expanded form: another document, the same decision
    tap.ok(code == 5 and json.loads(out)["ko"] == same["ko"] and marked(json.loads(out)["trace"]) == marked(same["trace"]),
           "what-if: as the command line", out)
    code, out, _ = naru("--lang", "ko", "policy", "what-if", path, *facts, "--trace", "--at", "2030-01-01T00:00:00Z")
    tap.ok("  ✗ → 이용 횟수가 2 이하일 것 [3" in out and "바뀌어야 할 것:" in out and "\x1b" not in out, "the tree of a trace", out)


def check_decision(provider, consumer, agreement, home):
    def decision():
        return provider.api.get(f"/naru/v1/agreements/{agreement}/decision").json

    pid, _ = begin(provider, consumer, agreement)
    now = decision()
    tap.equal((now["verdict"], now["state"], now["role"], now["counterparty"]), ("permit", "in-force", "provider", CONSUMER), "the decision that holds")
    for n in (1, 2):
        tap.status(consumer.api.get(f"/naru/v1/edrs/{pid}/data"), 200, f"use {n} of 2")
    wait_until(lambda: decision()["verdict"] == "deny", 10, "the uses are counted")
    now = decision()
    tap.equal(([c["operand"].rsplit("/", 1)[-1] for c in now["causes"]], marked(now["trace"])), (["count"], ["count"]), "why the buyer gets nothing more")
    tap.ok(consumer.api.get(f"/naru/v1/edrs/{pid}/data").status != 200, "and so it is")
    code, out, _ = naru("policy", "why", agreement, home=home)
    tap.ok(code == 5 and "made, did:web:consumer.test: the agreement is in force\n" in out and "  ✗ → the number of uses is at most 2 [3; " in out,
           "naru policy why", out)
    code, out, _ = naru("--json", "--lang", "ko", "policy", "why", agreement, home=home)
    tap.equal((code, timeless(json.loads(out)["tree"])), (5, timeless(now["tree"])), "and as JSON")
    tap.equal(naru("policy", "why", "none", home=home)[0], 1, "exit 1: an agreement that is not there")
    tap.equal(consumer.api.get(f"/naru/v1/agreements/{agreement}/decision").json["role"], "consumer", "the buyer may ask too")
    refused(provider.api.get("/naru/v1/agreements/none/decision"), 404, "not-found", "", "", "an agreement that is not there")
    tap.status(provider.api.post(f"/naru/v1/agreements/{agreement}/end", {"reason": "over"}), 204, "the agreement ends")
    wait_until(lambda: decision()["state"] == "ended", 10, "an ended agreement is called so")
    tap.ok("계약이 끝남" in naru("--lang", "ko", "policy", "why", agreement, home=home)[1], "to people too")


def check_asking(path, home):
    """what-if of the command line, with what the connector knows of a company."""
    argv = ["policy", "what-if", path, "--scope", "negotiation", "--counterparty"]
    code, out, _ = naru(*argv, CONSUMER, "--trace", home=home)
    tap.ok(code == 0 and "[did:web:consumer.test; identity of the caller]" in out, "with a company's facts", out)
    tap.equal(naru(*argv, "did:web:other.test", home=home)[0], 5, "another company: denied")
    tap.equal(naru(*argv, CONSUMER, "--fact", "count=3", "--at", "2030-01-01T00:00:00Z", home=home)[0], 5, "given facts stand in their place")
    tap.equal(naru(*argv, CONSUMER, "--fact", "nonsense=3", home=home)[0], 1, "a fact that is none is refused")
    purpose = path.with_name("purpose.json")
    purpose.write_text(json.dumps({"@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": RESEARCH}]}]}))
    for extra in ([], ["--counterparty", CONSUMER]):
        codes = [naru("policy", "what-if", purpose, "--purpose", p, *extra, home=home)[0] for p in (RESEARCH, "urn:x:y")]
        tap.equal(codes, [0, 5], f"a declared purpose {' '.join(extra)}")


def check_folder(folder):
    """A template that is wrong stops the start, and is named."""
    setup = kit.connector()
    bad = temp_dir()
    (bad / "wrong.json").write_text(json.dumps({**OWN, "version": ""}))
    kit.cannot_start(setup, {"policy.templates": bad}, ["policy.templates", "wrong.json", "/version"], "a template that is wrong")
    (bad / "wrong.json").write_text(json.dumps({**OWN, "id": "uses"}))
    kit.cannot_start(setup, {"policy.templates": bad}, ["wrong.json", "another template 'uses'"], "a template that is there already")
    kit.cannot_start(setup, {"policy.templates": bad / "none"}, ["policy.templates", "No such file"], "no such folder")
    code, _, err = naru("policy", "templates", "--templates", bad)
    tap.ok(code == 2 and "wrong.json" in err, "the command line names the file too", err)


def scenario():
    folder = temp_dir()
    (folder / "own.json").write_text(json.dumps(OWN))
    (folder / "notes.txt").write_text("not a template")
    space = Space(PROVIDER, CONSUMER)
    provider, consumer = space.connector(PROVIDER, **{"policy.templates": folder}), space.connector(CONSUMER)
    check_templates(provider.api, folder)
    made, path = check_making(provider.api, folder.parent if folder.parent.name.startswith("naru-") else temp_dir())
    source = provider.folder / "made.csv"
    source.write_text("n\n1\n")
    home = temp_dir()
    (home / "naru.conf").write_text(f"participant.did = {PROVIDER}\npublic.url = {provider.base}\n"
                                    f"connector.url = http://127.0.0.1:{provider.management}\n")
    (home / "api-key").write_text(provider.key)
    (home / "api-key").chmod(0o600)
    code, out, err = naru("--json", "publish", source, "--title-en", "Made", "--domain", "process", "--plan", "free", "--asset", "made",
                          "--policy", path, "--no-wait", home=home)
    tap.ok(code == 0, "a made policy is published", out + err)
    agreement = contract(provider, consumer, "made")
    check_words(provider.api, made, path, agreement)
    check_what_if(provider.api, agreement, made, path)
    check_asking(path, home)
    check_decision(provider, consumer, agreement, home)
    check_folder(folder)


main(scenario)
