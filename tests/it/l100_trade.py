"""A trade through the command line alone, between two companies: each source, each notation of prices, resuming, refusals.

The demo (z100) shows the way that works; here stand the ways beside it.
"""

import hashlib
import http.server
import json
import os
import pty
import sqlite3
import ssl
import subprocess
import sys
import threading

from harness import BIN, ROOT, main, tap, temp_dir

sys.path.insert(0, str(ROOT / "tools" / "demo"))
from world import World, wait_until  # noqa: E402

RESEARCH = "urn:naru:purpose:research"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(done, code, name):
    """One JSON object as the last line of stderr, nothing on stdout."""
    tap.ok(done.returncode == code, f"{name}: exit {code}", f"exit {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stderr.strip().splitlines()[-1]) if done.stderr.strip() else {"code": None}


def on_terminal(world, home, *argv):
    """Exit code, and what the command writes when its standard error is a terminal."""
    leader, terminal = pty.openpty()
    process = subprocess.Popen([world.bin / "naru", "--home", home, *argv], stdout=subprocess.PIPE, stderr=terminal,
                               env={**os.environ, "TERM": "xterm"})
    os.close(terminal)
    process.communicate(timeout=60)
    written = b""
    try:
        while piece := os.read(leader, 4096):
            written += piece
    except OSError:  # Linux: EIO once the other end is closed
        pass
    os.close(leader)
    return process.returncode, written.decode()


class Origin(http.server.BaseHTTPRequestHandler):
    body = b"".join(b"%d,line\n" % i for i in range(2000))

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


def open_world(world):
    """Two members of a data bank whose connectors run."""
    world.make_certificates(["broker", "seller", "buyer"])
    world.start_postgres()
    world.start_broker()
    (world.folder / "data").mkdir()
    for slug, number in (("seller", "124-81-00998"), ("buyer", "220-81-62517")):
        company = world.add_company(slug)
        world.start_connector(company, **{"data.roots": world.folder / "data"})
        company.naru("register", "--name-ko", f"회사 {slug}", "--name-en", f"Company {slug}", "--number", f"kr_brn:{number}")
    for application in world.operate("applications")["items"]:
        world.operate("approve", application["participant"])
    for company in world.companies.values():
        tap.ok(company.naru("status", "--wait-member")["connector"]["member"], f"{company.slug} is a member")
    return world.companies["seller"], world.companies["buyer"]


def check_joining(world, buyer):
    again = refused(buyer.naru("register", "--name-ko", "가", "--name-en", "A", "--number", "kr_brn:220-81-62517", check=False), 1,
                    "a second application")
    tap.equal(again["code"], "conflict", "it names the conflict")
    key = buyer.home / "api-key"
    kept = key.read_text()
    key.write_text("wrong")
    refused(buyer.naru("status", check=False), 4, "a wrong API key")
    key.write_text(kept)
    token = buyer.home / "broker-token"
    kept = token.read_text()
    token.write_text("naru_wrong")
    refused(buyer.naru("search", "x", check=False), 4, "a wrong token of the data bank")
    token.unlink()
    refused(buyer.naru("search", "x", check=False), 4, "no token of the data bank")
    token.write_text(kept)
    token.chmod(0o600)
    tap.equal(refused(buyer.naru("operator", "applications", check=False), 2, "operator commands of a company")["code"], "usage",
              "they want an operator's folder")
    tap.equal(world.naru("health", f"{world.broker_url}/readyz", "--ca", world.ca)["ready"], True, "the broker is ready")


def check_attestations(world):
    members = world.operate("applications", "--state", "active")["items"]
    participant = next(p["participant"] for p in members if p["slug"] == "buyer")
    for argv, name in (((), "nothing"), (("--bpn", "BPNL0000BUYER001", "--framework", "X:1"), "both at once")):
        tap.equal(refused(world.operate("attest", participant, *argv, check=False), 2, f"attesting {name}")["code"], "usage", "it says so")
    made = world.operate("attest", participant, "--bpn", "BPNL0000BUYER001", "--until", "2099-01-01T00:00:00Z")
    tap.equal((made["kind"], made["value"], made["valid_until"]), ("business_partner_number", "BPNL0000BUYER001", "2099-01-01T00:00:00Z"),
              "the operator records a business partner number")
    tap.equal(world.operate("attest", participant, "--framework", "DataExchangeGovernance:1.0")["kind"], "framework_agreement", "and a framework agreement")
    tap.equal(refused(world.operate("attest", participant, "--bpn", "BPNL0000BUYER001", check=False), 1, "a second time")["code"], "conflict", "is a conflict")
    tap.equal(world.operate("withdraw", participant, "--framework", "DataExchangeGovernance:1.0")["value"], "DataExchangeGovernance:1.0", "and withdraws it")
    refused(world.operate("withdraw", participant, "--framework", "DataExchangeGovernance:1.0", check=False), 1, "once")


def over(company, agreement):
    with sqlite3.connect(company.home / "connector.db", timeout=20) as db:
        return db.execute("SELECT ended_us FROM agreement WHERE agreement_id = ?", (agreement,)).fetchone()[0] is not None


def check_file(world, seller, buyer):
    """A file under several plans; fetched whole, continued, altered while it grows."""
    source = world.folder / "data" / "values.csv"
    source.write_text("n,value\n" + "".join(f"{i},{i * i}\n" for i in range(50000)))
    published = seller.naru("publish", source, "--title-en", "Squares of numbers", "--title-ko", "제곱수", "--domain", "process",
                            "--keyword", "square", "--plan", "one-off:1000+per-row:0.5", "--plan", "free", "--purpose", RESEARCH)
    tap.equal(len(published["plans"]), 2, "two plans")
    page = buyer.naru("show", published["dataset"])
    tap.equal(page["entry"]["media_type"], "text/csv", "media type by the file's name")
    text = buyer.naru("show", published["dataset"], as_json=False)
    tap.ok("1000 KRW once + 0.5 KRW per row, VAT 10 %" in text, "the price in words", text)
    text = buyer.naru("--lang", "ko", "show", published["dataset"], as_json=False)
    tap.ok("제곱수" in text and "부가세" in text and "이용 목적" in text, "and in Korean", text)
    found = buyer.naru("search", "squares", "--domain", "process")
    tap.equal([i["dataset"] for i in found["items"]], [published["dataset"]], "found by its title")
    tap.equal(buyer.naru("search", "squares", "--domain", "carbon")["items"], [], "not in another domain")
    tap.ok("제곱수" in buyer.naru("--lang", "ko", "search", "제곱", as_json=False), "the list shows Korean titles")

    refused(buyer.naru("buy", published["dataset"], "--purpose", RESEARCH, check=False), 2, "which of two plans")
    refused(buyer.naru("buy", published["dataset"], "--purpose", RESEARCH, "--plan", "3", check=False), 2, "a plan that is not there")
    free = next(i for i, p in enumerate(page["plans"], 1) if p["plan"]["kind"] == "free")
    bought = buyer.naru("buy", published["dataset"], "--purpose", RESEARCH, "--plan", str(free))
    tap.equal(bought["plan"], page["plans"][free - 1]["hash"], "the plan that was chosen")
    target = world.folder / "values.csv"
    got = buyer.naru("fetch", bought["agreement"], "-o", target)
    tap.ok(got["verified"] and digest(target) == digest(source), "fetched, digest verified")
    tap.ok(not target.with_name("values.csv.part").exists(), "nothing else is left")

    code, shown = on_terminal(world, buyer.home, "fetch", bought["agreement"], "-o", world.folder / "shown.csv")
    tap.ok(code == 0 and "[####" in shown and "/s" in shown, "a progress bar on a terminal", shown)
    done = buyer.naru("fetch", bought["agreement"], "-o", world.folder / "quiet.csv", check=False, as_json=False)
    tap.ok("[#" not in done.stderr, "and none elsewhere", done.stderr)

    part = world.folder / "resumed.csv.part"
    part.write_bytes(source.read_bytes()[:100000])
    buyer.naru("fetch", bought["order"], "-o", world.folder / "resumed.csv")
    tap.equal(digest(world.folder / "resumed.csv"), digest(source), "continued from a part, by the order's id")
    part.write_bytes(b"x" * 100000)
    wrong = refused(buyer.naru("fetch", bought["agreement"], "-o", world.folder / "resumed.csv", check=False), 1, "a part of another file")
    tap.ok(wrong["code"] == "verify" and not part.exists(), "the digest tells, and the part is gone")
    part.write_bytes(source.read_bytes())
    buyer.naru("fetch", bought["agreement"], "-o", world.folder / "resumed.csv")
    tap.equal(digest(world.folder / "resumed.csv"), digest(source), "a complete part is taken as it is, or fetched anew")

    tap.equal(refused(buyer.naru("buy", published["dataset"], "--plan", str(free), "--purpose", "urn:naru:purpose:marketing", check=False),
                      5, "a wrong purpose")["code"], "policy", "policy refused")
    states = {o["order"]["order"]: o["order"]["state"] for o in buyer.naru("orders")["items"]}
    tap.equal(sorted(states.values()).count("cancelled"), 1, "the refused order is cancelled")
    ordered = buyer.naru("buy", published["dataset"], "--plan", str(free), "--purpose", RESEARCH, "--no-negotiate")
    tap.ok("agreement" not in ordered, "an order without contract")
    tap.ok(ordered["order"] in buyer.naru("orders", "--state", "open", as_json=False), "it is open")
    usage = wait_until(lambda: (u := buyer.naru("usage", bought["agreement"]))["events"] and
                       all(e["state"] == "matched" for e in u["events"]) and u, 30, "both sides' receipts")
    tap.equal(max(e["rows"] for e in usage["events"]), 50000, "rows without the header")
    tap.ok("matched" in buyer.naru("usage", bought["agreement"], as_json=False), "usage as a table")
    tap.ok(bought["agreement"] in buyer.naru("usage", as_json=False), "usage of all agreements")

    tap.equal(buyer.naru("end", bought["agreement"], "--reason", "test")["ended"], True, "ended before its time")
    done = buyer.naru("fetch", bought["agreement"], "-o", world.folder / "after.csv", check=False)
    tap.ok(done.returncode != 0 and not (world.folder / "after.csv").exists(), "an ended agreement delivers nothing", done.stderr)

    def state(company, agreement):
        return next((o["order"]["state"] for o in company.naru("orders")["items"] if o["order"].get("agreement") == agreement), None)

    wait_until(lambda: state(buyer, bought["agreement"]) == "ended", 30, "the data bank hears of it")
    wait_until(lambda: over(seller, bought["agreement"]), 30, "and by it the seller")
    again = buyer.naru("buy", published["dataset"], "--purpose", RESEARCH, "--plan", str(free))
    buyer.naru("fetch", again["agreement"], "-o", world.folder / "again.csv")
    tap.equal(seller.naru("end", again["agreement"], "--reason", "sold out")["ended"], True, "the seller ends another one")
    wait_until(lambda: state(seller, again["agreement"]) == "ended", 30, "its order ends")
    wait_until(lambda: over(buyer, again["agreement"]), 30, "so does the buyer's agreement")
    done = buyer.naru("fetch", again["agreement"], "-o", world.folder / "after.csv", check=False)
    tap.ok(done.returncode != 0 and not (world.folder / "after.csv").exists(), "which delivers nothing more", done.stderr)


def buy_and_fetch(world, buyer, dataset, name):
    agreement = buyer.naru("buy", dataset, "--purpose", RESEARCH)["agreement"]
    buyer.naru("fetch", agreement, "-o", world.folder / name)
    return (world.folder / name).read_bytes()


def check_origin(world, seller, buyer):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.folder / "certs" / "seller.crt", world.folder / "certs" / "seller.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        dataset = seller.naru("publish", f"https://localhost:{server.server_address[1]}/lines", "--title-en", "Lines", "--domain",
                              "carbon", "--media-type", "text/csv", "--plan", "per-call:10", "--purpose", RESEARCH)["dataset"]
        tap.equal(buy_and_fetch(world, buyer, dataset, "origin.csv"), Origin.body, "an HTTP origin, without digest")
    finally:
        server.shutdown()


def check_query(world, seller, buyer):
    database = world.folder / "data" / "table.db"
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE t (n INTEGER, name TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"이름 {i}") for i in range(5)])
    dataset = seller.naru("publish", "SQL:SELECT n, name FROM t ORDER BY n", "--database", f"sqlite:{database}", "--format", "ndjson",
                          "--title-en", "Table", "--domain", "supply-chain", "--plan", "subscription:10000/month", "--purpose",
                          RESEARCH)["dataset"]
    rows = [json.loads(line) for line in buy_and_fetch(world, buyer, dataset, "rows.ndjson").splitlines()]
    tap.equal(rows[3], {"n": 3, "name": "이름 3"}, "rows of a query")


def check_made(world, seller, buyer):
    """A policy of clause templates that asks for an order: the plan's name in it is the one that the data bank settles."""
    source, policy = world.folder / "data" / "made.csv", world.folder / "made.json"
    source.write_text("n\n1\n2\n")
    price = ["--plan", "per-row:2", "--vat", "0"]
    made = seller.naru("policy", "make", f"purpose:purposes={RESEARCH}", "ai-training", "term-days:days=30", "confidentiality", *price, "-o", policy)
    tap.equal(made["findings"], [], "a policy is made")
    published = seller.naru("publish", source, "--title-en", "Made", "--domain", "process", *price, "--policy", policy)
    page = buyer.naru("show", published["dataset"], as_json=False)
    tap.ok("use for AI training: forbidden" in page, "the buyer reads its clauses", page)
    tap.equal(buy_and_fetch(world, buyer, published["dataset"], "made.csv"), source.read_bytes(), "it is ordered, agreed and fetched")
    refused(seller.naru("publish", source, "--title-en", "Made", "--domain", "process", "--plan", "per-row:3", "--policy", world.folder / "none.json",
                        check=False), 2, "a policy file that is not there")


def check_publishing_mistakes(world, seller):
    good = ["--title-en", "x", "--domain", "carbon", "--purpose", RESEARCH]
    for what, extra, code in (("/nonexistent", ["--plan", "free"], 2), (ROOT / "README.md", ["--plan", "free"], 1),
                              (world.folder / "data" / "values.csv", [], 2), (world.folder / "data" / "values.csv", ["--plan", "cheap"], 2),
                              (world.folder / "data" / "values.csv", ["--plan", "free", "--until", "tomorrow"], 2),
                              (world.folder / "data" / "values.csv", ["--plan", "free", "--domain", "none"], 1)):
        refused(seller.naru("publish", what, *good, *extra, check=False), code, f"publish {what} {' '.join(extra)}")


def scenario():
    world = World(BIN, folder=temp_dir(), companies=2, durable=False)
    try:
        seller, buyer = open_world(world)
        check_joining(world, buyer)
        check_attestations(world)
        check_file(world, seller, buyer)
        check_origin(world, seller, buyer)
        check_query(world, seller, buyer)
        check_made(world, seller, buyer)
        check_publishing_mistakes(world, seller)
        tap.equal(buyer.naru("statement", "--kind", "invoice")["items"], [], "no invoice before the close")
    finally:
        codes = world.stop()
    tap.equal({k: v for k, v in codes.items() if v != 0}, {}, "all programs stop cleanly")


main(scenario)
