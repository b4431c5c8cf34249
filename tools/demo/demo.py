"""make demo: three companies and a data bank trade on this machine, end to end, through the command line and the public APIs only."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from world import ROOT, Failed, Trouble, World, wait_until

COMPANIES = [
    # slug, name, Korean business number, hosts its own DID
    ("steel", ("나루제강", "Naru Steel"), "124-81-00998", False),
    ("machining", ("한빛정밀", "Hanbit Machining"), "220-81-62517", False),
    ("carparts", ("동방자동차부품", "Dongbang Car Parts"), "120-81-47521", True),
]
FILES = {  # dataset -> name of the real file, name of the generated one
    "energy": ("steel-energy-gwangyang-2018.csv", "steel-energy.csv"),
    "milling": ("milling-process-ai4i2020.csv", "milling-process.csv"),
    "twins": ("catena-x-traceability-testdata.json", "traceability-twins.json"),
}


class Report:
    """What was done, with what result, and how long it took; a line while it happens, a table at the end."""

    def __init__(self):
        self.rows = []
        self.colour = sys.stdout.isatty()

    def step(self, what, action):
        print(f"  {what} … ", end="", flush=True)
        start = time.monotonic()
        try:
            result = action()
        except BaseException:
            print("failed", flush=True)
            raise
        took = time.monotonic() - start
        print(f"{result} ({took:.2f} s)", flush=True)
        self.rows.append((what, str(result), took))

    def table(self):
        width = max(len(what) for what, _, _ in self.rows)
        print(f"\n{'what':<{width}}  {'time':>7}  result")
        for what, result, took in self.rows:
            print(f"{what:<{width}}  {took:>6.2f}s  {result}")
        print(f"{'together':<{width}}  {sum(r[2] for r in self.rows):>6.2f}s")


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def show(title, text):
    print(f"\n--- {title}\n{text.rstrip()}\n")


class Demo:
    def __init__(self, world, data_folder):
        self.world = world
        self.report = Report()
        self.data = {}
        self.data_folder = data_folder
        self.dataset = {}
        self.agreement = {}

    def company(self, slug):
        return self.world.companies[slug]

    # -- set-up -----------------------------------------------------------------------------------------------------
    def find_data(self):
        own = Path(self.data_folder) if self.data_folder else None
        real = ROOT.parent / "shared" / "data"
        if own and not own.is_dir():
            raise Trouble(f"DEMO_DATA={own} is no folder")
        folder = self.world.folder / "data"
        folder.mkdir()
        if own:
            files = sorted(p for p in own.iterdir() if p.is_file())
            if len(files) < 3:
                raise Trouble(f"DEMO_DATA={own} holds {len(files)} files; three are needed")
            chosen, what = files[:3], f"your own files from {own}"
        elif real.is_dir():
            chosen, what = [real / name for name, _ in FILES.values()], "real data sets (../shared/data)"
        else:
            subprocess.run([sys.executable, ROOT / "tools" / "demo" / "gendata.py", folder], check=True, capture_output=True)
            chosen, what = [folder / name for _, name in FILES.values()], "generated data of the same form"
        for key, source in zip(FILES, chosen):
            target = folder / source.name
            if target != source:
                shutil.copyfile(source, target)
            self.data[key] = target
        return what

    def start_all(self):
        self.world.start_postgres()
        self.world.start_broker()
        for slug, _, _, own_did in COMPANIES:
            company = self.world.add_company(slug, own_did)
            self.world.start_connector(company, **{"data.roots": self.world.folder / "data"})
        return "PostgreSQL, broker, three connectors run"

    def register(self):
        for slug, (ko, en), number, _ in COMPANIES:
            self.company(slug).naru("register", "--name-ko", ko, "--name-en", en, "--country", "KR",
                                    "--number", f"kr_brn:{number}")
        for application in self.world.operate("applications")["items"]:
            self.world.operate("approve", application["participant"])
        for slug, *_ in COMPANIES:
            self.company(slug).naru("status", "--wait-member")
        return "three companies applied, were approved, hold credentials"

    # -- trade ------------------------------------------------------------------------------------------------------
    def publish(self):
        self.dataset["energy"] = self.company("steel").naru(
            "publish", self.data["energy"], "--title-ko", "제강 공정 15분 전력·탄소 배출 2018",
            "--title-en", "Steel plant energy and CO2 per 15 minutes, 2018", "--domain", "carbon",
            "--media-type", "text/csv", "--keyword", "탄소", "--keyword", "energy", "--plan", "per-row:0.5",
            "--purpose", "urn:naru:purpose:carbon-reporting", "--members-only")["dataset"]
        self.dataset["milling"] = self.company("machining").naru(
            "publish", self.data["milling"], "--title-ko", "밀링 가공 공정 데이터", "--title-en", "Milling process data",
            "--domain", "process", "--media-type", "text/csv", "--keyword", "예지보전", "--plan", "subscription:300000/month",
            "--purpose", "urn:naru:purpose:predictive-maintenance", "--purpose", "urn:naru:purpose:research")["dataset"]
        self.dataset["twins"] = self.company("carparts").naru(
            "publish", self.data["twins"], "--title-ko", "부품 이력 추적 트윈", "--title-en", "Traceability twins of parts",
            "--domain", "supply-chain", "--media-type", "application/json", "--plan", "one-off:50000",
            "--purpose", "urn:naru:purpose:traceability")["dataset"]
        return "three datasets, three price plans"

    def search(self):
        buyer = self.company("carparts")
        found = {}
        for query in ("탄소", "milling process", "부품 이력"):
            found[query] = [item["title"]["ko"] for item in buyer.naru("search", query)["items"]]
        expected = {"탄소": "제강 공정 15분 전력·탄소 배출 2018", "milling process": "밀링 가공 공정 데이터",
                    "부품 이력": "부품 이력 추적 트윈"}
        for query, title in expected.items():
            if title not in found[query]:
                raise Trouble(f"search for '{query}' found {found[query]}")
        return ", ".join(f"{q}: {len(t)}" for q, t in found.items())

    def buy(self, buyer, key, purpose):
        answer = self.company(buyer).naru("buy", self.dataset[key], "--purpose", purpose)
        self.agreement[key] = answer["agreement"]
        return f"order {answer['order'][:8]}…, contract {answer['agreement'][:8]}…"

    def fetch(self, buyer, key):
        target = self.world.folder / f"{buyer}-{key}"
        self.company(buyer).naru("fetch", self.agreement[key], "-o", target)
        if digest(target) != digest(self.data[key]):
            raise Trouble(f"{key}: digest differs from the source")
        return f"{target.stat().st_size:,} bytes, digest equals the source"

    def refuse(self):
        done = self.company("carparts").naru("buy", self.dataset["energy"], "--purpose", "urn:naru:purpose:marketing", check=False)
        if done.returncode != 5:
            raise Trouble(f"a wrong purpose was not refused: exit {done.returncode}\n{done.stdout}{done.stderr}")
        problem = json.loads(done.stderr.strip().splitlines()[-1])
        return f"refused: {problem['detail']}"

    def expire(self):
        until = datetime.now(timezone.utc) + timedelta(seconds=5)
        short = self.world.folder / "data" / "short.csv"
        short.write_text("time,kwh\n2018-01-01T00:15:00+09:00,3.17\n")
        steel, buyer = self.company("steel"), self.company("machining")
        dataset = steel.naru("publish", short, "--title-ko", "짧은 계약", "--title-en", "Short contract", "--domain", "carbon",
                             "--media-type", "text/csv", "--plan", "free", "--purpose", "urn:naru:purpose:research",
                             "--until", until.strftime("%Y-%m-%dT%H:%M:%SZ"))["dataset"]
        agreement = buyer.naru("buy", dataset, "--purpose", "urn:naru:purpose:research")["agreement"]
        buyer.naru("fetch", agreement, "-o", self.world.folder / "short-before.csv")
        wait_until(lambda: datetime.now(timezone.utc) > until + timedelta(seconds=1), 20, "the contract's end")
        done = buyer.naru("fetch", agreement, "-o", self.world.folder / "short-after.csv", check=False)
        if done.returncode == 0:
            raise Trouble("an expired contract still delivers")
        problem = json.loads(done.stderr.strip().splitlines()[-1])
        return f"delivered before, refused after: {problem['detail']}"

    # -- money and evidence -----------------------------------------------------------------------------------------
    def match(self):
        buyer = self.company("carparts")

        def both():
            usage = buyer.naru("usage", self.agreement["energy"])
            return usage if usage["events"] and all(e["state"] == "matched" for e in usage["events"]) else None

        usage = wait_until(both, 20, "receipts of both sides")
        rows = sum(e["rows"] for e in usage["events"])
        return f"{len(usage['events'])} event(s) matched, {rows:,} rows on both meters"

    def close(self):
        now = datetime.now(timezone.utc)
        first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        period = ("demo", "--from", first.strftime("%Y-%m-%dT%H:%M:%SZ"),
                  "--to", (now + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"))
        closed = self.world.operate("close", *period)
        again = self.world.operate("close", *period)
        if [d["document"] for d in again["documents"]] != [d["document"] for d in closed["documents"]]:
            raise Trouble("closing twice gave other documents")
        show("invoice of the car-parts company", self.company("carparts").naru("statement", "--kind", "invoice", as_json=False))
        show("statement of the steel plant", self.company("steel").naru("statement", "--kind", "statement", as_json=False))
        show("trial balance", self.world.operate("trial-balance", as_json=False))
        balance = self.world.operate("trial-balance")
        if not all(c["balanced"] for c in balance["currencies"]):
            raise Trouble("the ledger does not balance")
        won = next(c for c in balance["currencies"] if c["currency"] == "KRW")
        return f"{len(closed['documents'])} documents, debits = credits = {won['debits']} KRW"

    def audit(self):
        token = self.world.operate("token", "--role", "auditor", "--label", "demo")["token"]
        auditor = self.world.folder / "auditor"
        auditor.mkdir(exist_ok=True)
        (auditor / "token").write_text(token)
        (auditor / "token").chmod(0o600)
        mirror = auditor / "mirror"
        self.world.naru("audit", "pull", mirror, "--broker", self.world.broker_url, "--ca", self.world.ca, "--token-file",
                        auditor / "token")
        verdict = self.world.naru("audit", "verify", mirror)
        return f"{verdict['entries']:,} entries pulled and verified offline, {verdict['findings_count']} findings"

    def tamper(self):
        mirror, copy = self.world.folder / "auditor" / "mirror", self.world.folder / "auditor" / "altered"
        shutil.copytree(mirror, copy)
        needle = b'"rows":'
        for bundle in sorted((copy / "tile" / "entries").rglob("*")):
            content = bundle.read_bytes() if bundle.is_file() else b""
            at = content.find(needle)
            if at >= 0:
                digit = at + len(needle)
                bundle.write_bytes(content[:digit] + (b"9" if content[digit:digit + 1] != b"9" else b"8") + content[digit + 1:])
                break
        else:
            raise Trouble("no receipt in the log")
        done = self.world.naru("audit", "verify", copy, check=False)
        if done.returncode != 1:
            raise Trouble(f"one altered byte was not found: exit {done.returncode}\n{done.stdout}{done.stderr}")
        findings = json.loads(done.stdout)["findings"]
        first = next((f for f in findings if f.get("entry") is not None), None)
        if first is None:
            raise Trouble(f"the verifier does not name the entry: {findings}")
        return f"one byte altered: entry {first['entry']} named ({first['text']})"

    def run(self):
        r = self.report
        r.step("data", self.find_data)
        r.step("certificates", lambda: self.world.make_certificates(["broker", *(c[0] for c in COMPANIES)]) or "throw-away CA")
        r.step("start", self.start_all)
        r.step("register", self.register)
        r.step("publish", self.publish)
        r.step("search in Korean and English", self.search)
        r.step("buy energy, price per row", lambda: self.buy("carparts", "energy", "urn:naru:purpose:carbon-reporting"))
        r.step("buy milling, subscription", lambda: self.buy("carparts", "milling", "urn:naru:purpose:predictive-maintenance"))
        r.step("buy twins, one-off", lambda: self.buy("machining", "twins", "urn:naru:purpose:traceability"))
        for buyer, key in (("carparts", "energy"), ("carparts", "milling"), ("machining", "twins")):
            r.step(f"fetch {key}", lambda b=buyer, k=key: self.fetch(b, k))
        r.step("wrong purpose", self.refuse)
        r.step("expired contract", self.expire)
        r.step("match both meters", self.match)
        r.step("close the period", self.close)
        r.step("audit", self.audit)
        r.step("tamper", self.tamper)


def addresses(world):
    print("\nIt goes on running. Addresses:")
    print(f"  data bank   {world.broker_url}   operator {world.operator_url}")
    for c in world.companies.values():
        print(f"  {c.slug:<10}  {c.public_url}   management {c.management_url}   home {c.home}")
    print("\nTry:")
    home = next(iter(world.companies.values())).home
    print(f"  {world.bin}/naru --home {home} search 탄소")
    print(f"  {world.bin}/naru --home {world.operator} operator trial-balance")
    pids = " ".join(str(p.process.pid) for p in world.programs())
    stop = " ".join([*world.postgres.user, f"{world.postgres.bin}/pg_ctl", "-D", str(world.postgres.data), "stop"])
    print(f"\nEnd it: kill {pids}; {stop}; rm -r {world.folder} {world.postgres.folder}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--data", help="folder with your own files")
    args = parser.parse_args()
    start = time.monotonic()
    world = None
    try:
        port = int(os.environ.get("DEMO_PORT", "29440"))
        world = World(args.bin, ports=port or None, companies=len(COMPANIES))  # 0: any free ports
        demo = Demo(world, args.data)
        demo.run()
        demo.report.table()
        if args.keep:
            addresses(world)
            world = None
        else:
            codes = world.close()
            world = None
            bad = [name for name, code in codes.items() if code != 0]
            if bad:
                raise Trouble(f"did not stop cleanly: {', '.join(bad)}")
        print(f"demo: ok ({time.monotonic() - start:.0f} s)")
        return 0
    except (Trouble, Failed, ValueError, OSError) as e:
        print(f"\ndemo: {e}", file=sys.stderr)
        if world is not None:
            for p in world.programs():
                print(f"--- end of {p.log}\n{p.tail(8)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130
    finally:
        if world is not None:
            world.close()


if __name__ == "__main__":
    sys.exit(main())
