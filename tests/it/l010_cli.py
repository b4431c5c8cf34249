"""naru without any program running: help, exit codes, JSON, what init makes, completion and manual in step with the table."""

import json
import os
import re
import stat
import subprocess
import sys

from harness import BIN, ROOT, main, tap, temp_dir

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent"}


def naru(*argv, **environment):
    done = subprocess.run([BIN / "naru", *[str(a) for a in argv]], capture_output=True, text=True, timeout=60,
                          env={**ENVIRONMENT, **environment})
    return done.returncode, done.stdout, done.stderr


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def check_help(table):
    code, out, _ = naru("help")
    tap.equal(code, 0, "help ends with 0")
    for c in table["commands"]:
        words = c["command"].split()
        tap.ok(f"  {c['command']} " in out, f"help lists {c['command']}")
        code, text, _ = naru(*words, "--help")
        named = all(f"--{o['name']}" in text for o in c["options"])
        tap.ok(code == 0 and named, f"{c['command']} --help names its options")
        code, _, err = naru(*words, "--no-such-option")
        tap.ok(code == 2 and "--no-such-option" in err, f"{c['command']} refuses an unknown option")
    tap.ok("가입" in naru("help", LANG="ko_KR.UTF-8")[1], "Korean help by LANG")
    tap.ok("가입" in naru("--lang", "ko", "help")[1], "Korean help by --lang")
    tap.equal(naru()[0], 2, "no command is a mistake")
    tap.ok(re.match(r"naru \d+\.\d+\.\d+\n", naru("version")[1]) is not None, "version")


def check_mistakes(folder):
    code, _, err = naru("serach")
    tap.ok(code == 2 and "'search'" in err, "a mistyped command names the nearest")
    code, _, err = naru("init", "--slgu", "x")
    tap.ok(code == 2 and "'--slug'" in err, "a mistyped option names the nearest")
    code, out, err = naru("--json", "init", "--slgu", "x")
    tap.ok(code == 2 and out == "" and last_json(err)["code"] == "usage", "with --json a mistake is one JSON object")
    for argv in (["show"], ["show", "a", "b"], ["buy", "x"], ["end", "x"], ["operator", "token"], ["fetch", "x", "-o"]):
        tap.equal(naru(*argv)[0], 2, f"exit 2: {' '.join(argv)}")
    code, _, err = naru("--home", folder / "none", "search", "x")
    tap.ok(code == 2 and "naru init" in err, "without a home folder the message says how to make one")
    code, _, err = naru("policy", "explain", folder / "none.json")
    tap.equal(code, 2, "a file that is not there")


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def check_init(folder):
    home = folder / "deep" / "home"
    code, out, err = naru("--home", home, "--json", "init", "--did", "did:web:example.org", "--data-root", folder)
    tap.equal(code, 0, "init without a data bank")
    tap.equal(json.loads(out)["home"], str(home), "it says where")
    tap.equal(sorted(p.name for p in home.iterdir()),
              ["api-key", "company.pem", "connector.conf", "data", "naru.conf"], "what init makes")
    tap.ok(all(mode(p) == 0o600 for p in home.iterdir() if p.is_file()) and mode(home) == 0o700, "readable by the owner only")
    if (BIN / "naru-connector").exists():
        done = subprocess.run([BIN / "naru-connector", "--config", home / "connector.conf", "--check-config"],
                              capture_output=True, text=True)
        tap.equal(done.returncode, 0, "the connector accepts its settings")
    before = {p.name: p.read_bytes() for p in home.iterdir() if p.is_file()}
    code, _, err = naru("--home", home, "--json", "init", "--did", "did:web:example.org")
    tap.ok(code == 1 and last_json(err)["code"] == "conflict", "a second init is refused")
    tap.equal({p.name: p.read_bytes() for p in home.iterdir() if p.is_file()}, before, "and changes nothing")
    code, _, err = naru("--home", home, "--json", "status")
    tap.ok(code == 3 and last_json(err)["code"] == "peer-down", "exit 3 when the connector is away")
    code, _, err = naru("--home", home, "--json", "search", "x")
    tap.equal(code, 2, "search without a data bank is a matter of settings")
    code, _, err = naru("--home", folder / "x", "init", "--did", "did:web:x", "--cert", folder / "none.crt", "--key", "k")
    tap.ok(code == 2 and not (folder / "x").exists(), "a certificate that is not there: nothing is made")

    operator = folder / "operator"
    code, out, _ = naru("--json", "operator", "init", operator, "--database", "host=/tmp", "--url", "https://bank.example:9443")
    tap.equal(json.loads(out)["did"], "did:web:bank.example%3A9443", "the data bank's DID follows from its URL")
    if (BIN / "naru-broker").exists():
        done = subprocess.run([BIN / "naru-broker", "--config", operator / "broker.conf", "--check-config"],
                              capture_output=True, text=True)
        tap.equal(done.returncode, 0, "the broker accepts its settings")
    conf = home / "naru.conf"
    conf.write_text(conf.read_text() + "broker.url = http://bank.example\n")
    (home / "broker-token").write_text("t")
    (home / "broker-token").chmod(0o600)
    code, _, err = naru("--home", home, "--json", "search", "x")
    tap.ok(code == 3 and last_json(err)["code"] == "peer-address", "a token never leaves this machine without TLS")
    (home / "broker-token").chmod(0o644)
    tap.equal(naru("--home", home, "search", "x")[0], 2, "a token that others can read is not used")


def check_explain(folder):
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"@type": "Set", "permission": [{"action": "use", "constraint": [
        {"leftOperand": "purpose", "operator": "eq", "rightOperand": "urn:naru:purpose:research"}]}]}))
    tap.ok("research" in naru("policy", "explain", policy)[1], "a policy in words")
    tap.ok("이용 목적" in naru("--lang", "ko", "policy", "explain", policy)[1], "in Korean")
    answer = json.loads(naru("--json", "policy", "explain", policy)[1])
    tap.ok("research" in answer["ko"] and "research" in answer["en"] and answer["hash"] in naru("policy", "explain", policy)[1],
           "and both as JSON, with the hash that they are bound to")
    policy.write_text(json.dumps({"@type": "Set", "permission": [{"action": "fly"}]}))
    code, _, err = naru("--json", "policy", "explain", policy)
    tap.ok(code == 1 and last_json(err)["at"].startswith("/permission"), "what is not understood is named with its place")


def use(*constraints, **more):
    rules = [{"leftOperand": a, "operator": b, "rightOperand": c} for a, b, c in constraints]
    return {"@type": "Set", "permission": [{"action": "use", "constraint": rules}], **more}


def check_policies(folder):
    """diff, lint and what-if, as an author uses them."""
    files = {}
    for name, policy in (
            ("signed", use(("UsagePurpose", "isAnyOf", ["a", "b"]), ("odrl:count", "lteq", "5"))),
            ("counter", use(("UsagePurpose", "isAnyOf", ["a"]), ("odrl:count", "lteq", "5"))),
            ("never", use(("odrl:count", "lt", "5"), ("odrl:count", "gt", "5"))),
            ("months", use(("odrl:elapsedTime", "lteq", "P60M")))):
        files[name] = folder / f"{name}.json"
        files[name].write_text(json.dumps(policy))
    code, out, _ = naru("policy", "diff", files["signed"], files["counter"])
    tap.ok(code == 0 and "- the purpose of use is one of: a, b" in out and "+ the purpose of use is one of: a\n" in out,
           "what is different, in words")
    tap.equal(naru("policy", "diff", "--strict", files["signed"], files["counter"])[0], 0, "the second is at least as strict")
    tap.equal(naru("policy", "diff", "--strict", files["counter"], files["signed"])[0], 5, "the other way round it is not")
    answer = json.loads(naru("--json", "policy", "diff", files["counter"], files["signed"])[1])
    tap.ok(answer["relation"] == "stricter" and answer["complete"] and "purpose of use: b" in answer["en"]
           and "둘째 정책만" in answer["ko"], "with a case in which they differ")
    code, out, _ = naru("--json", "policy", "lint", files["never"])
    tap.equal((code, json.loads(out)["findings"][0]["code"]), (1, "unsatisfiable"), "a policy that nobody can satisfy is an error")
    code, out, _ = naru("policy", "lint", files["months"])
    tap.ok(code == 0 and "/permission/0/constraint/0" in out and "minutes are written PT" in out, "a trap is a warning, with its place")
    code, out, _ = naru("--json", "policy", "what-if", files["signed"], "--fact", "UsagePurpose=c", "--fact", "count=1")
    answer = json.loads(out)
    tap.ok(code == 5 and answer["verdict"] == "deny" and [c["at"] for c in answer["causes"]] == ["/permission/0/constraint/0"],
           "what if: denied, with the cause")
    tap.equal(naru("policy", "what-if", files["signed"], "--fact", "UsagePurpose=a", "--fact", "count=1")[0], 0, "what if: permitted")
    tap.equal(naru("policy", "what-if", files["signed"], "--fact", "UsagePurpose=a")[0], 5, "what is not given is unknown, and never permits")
    answer = json.loads(naru("--json", "policy", "what-if", files["signed"], "--scope", "negotiation", "--peer", "edc")[1])
    tap.equal((answer["verdict"], answer["peer"]["verdict"]), ("deny", "permit"), "and what a stock connector would decide")
    tap.equal(naru("policy", "what-if", files["signed"], "--fact", "Nonsense=1")[0], 2, "an operand that is none is a mistake of the caller")


def check_documents(table):
    for kind, path in (("bash", "tools/completion/naru.bash"), ("man", "man/naru.1")):
        made = subprocess.run([sys.executable, ROOT / "tools" / "clidoc", kind, BIN / "naru"], capture_output=True, text=True,
                              check=True).stdout
        tap.equal(made, (ROOT / path).read_text(), f"{path} is in step (tools/clidoc {kind} BIN/naru {path})")
    script = f". {ROOT}/tools/completion/naru.bash; COMP_WORDS=($@); COMP_CWORD=$(($# - 1)); _naru; printf '%s\\n' \"${{COMPREPLY[@]}}\""

    def complete(*words):
        return subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True).stdout.split()

    tap.equal(set(complete("naru", "o")), {"operator", "orders"}, "completes commands")
    tap.equal(complete("naru", "--home", "x", "operator", "tr"), ["trial-balance"], "completes the second word")
    tap.equal(complete("naru", "buy", "--pu"), ["--purpose"], "completes options")
    first = {c["command"].split()[0] for c in table["commands"]}
    tap.equal({w for w in first if complete("naru", w) != [] and w in complete("naru", w)}, first, "completes every command")


def check_templates(folder):
    """make and templates, as an author uses them; what is made is said in m080."""
    code, _, err = naru("policy", "make", "purpse")
    tap.ok(code == 2 and "did you mean 'purpose'?" in err, "a mistyped template names the nearest", err)
    code, _, err = naru("policy", "templates", "zzzzzz")
    tap.ok(code == 2 and "naru policy templates" in err, "or where they are listed", err)
    code, out, _ = naru("--lang", "ko", "policy", "make", "ai-training", "-o", folder / "made.json")
    tap.ok(code == 0 and "1. 인공지능 학습: " in out and "금지 2" in out, "clauses and policy in Korean", out)
    code, out, _ = naru("policy", "what-if", folder / "made.json", "--trace", LANG="C")
    tap.ok(code == 0 and out.splitlines()[1].startswith("+ Permission 1"), "marks in ASCII where texts are not UTF-8", out)
    places = [json.loads(naru("--json", "policy", "make", *argv)[1])["clauses"]["en"].split("of: ")[1]
              for argv in (["jurisdiction:place=Seoul, Korea"], ["jurisdiction", "--set", "place=Seoul, Korea"])]
    tap.equal(places, ["Seoul, Korea.\n"] * 2, "a comma in a value that is no list")
    code, _, err = naru("policy", "make", "ai-training", "-o", folder / "none" / "made.json")
    tap.ok(code == 2 and "cannot be written" in err, "a file that cannot be written", err)


def scenario():
    folder = temp_dir()
    table = json.loads(naru("--json", "help")[1])
    check_help(table)
    check_mistakes(folder)
    check_init(folder)
    check_explain(folder)
    check_policies(folder)
    check_templates(folder)
    check_documents(table)


main(scenario)
