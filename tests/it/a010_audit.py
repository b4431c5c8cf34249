"""The audit log: pulled step by step, verified offline; tampered copies; a log that is rewritten behind the auditor's back."""

import base64
import json
import random
import threading

from auditlog import LogKey, Mirror, canonical, leaf, pull, root, sha256, tile_name, tiles, verify
from auditworld import World, send
from databank import stamp
from harness import main, run, tap, temp_dir, wait_until


def scenario():
    world = World()
    folder = temp_dir("audit-")
    mirror = Mirror(folder / "mirror")
    grows(world, mirror)
    answers(world, mirror)
    altered(mirror, folder / "altered")
    forged(world, mirror, folder / "forged")
    killed(world, mirror)
    rewritten(world, mirror, folder)


def take(world, mirror, what):
    wait_until(world.sealed, 10, "everything is sealed")
    status, report = pull(mirror.folder, world.bank.url, world.bank.authority.ca, world.token_file)
    tap.equal(status, 0, f"{what}: pulled")
    verdict = verify(mirror.folder)
    tap.ok(verdict.status == 0 and verdict.report["findings_count"] == 0, f"{what}: verified without findings", verdict)
    return report, verdict


def grows(world, mirror):
    sizes = []
    for step in (world.join, world.vouch, world.order, world.trade, world.first, world.second):
        step()
        report, verdict = take(world, mirror, step.__name__)
        sizes.append(report["entries"])
    tap.equal(sizes, sorted(set(sizes)), "the log grew with each step")
    tap.ok(sizes[-1] > 256, "it has more than one level of tiles")
    tap.equal(sorted(int(p.name) for p in (mirror.folder / "checkpoints").iterdir()), sizes, "each checkpoint that was pulled is kept")
    tap.equal(sizes[-1], int(world.bank.value("SELECT count(*) FROM aud.entry")), "the mirror holds every entry")
    partial = [str(p.relative_to(mirror.folder)) for p in mirror.folder.rglob("*.p/*")]
    tap.equal(len(partial), 3, "partial files that grew are gone")
    tap.equal((verdict.report["receipts"], verdict.report["documents"]), (int(world.bank.value("SELECT count(*) FROM met.receipt")),
              int(world.bank.value("SELECT count(*) FROM bil.document"))), "receipts and documents are counted")
    tap.equal(verdict.report["receipts_missing"], 1, "a number that never came is counted, not held against the log")
    documents = [e["body"] for e in mirror.entries() if e["kind"] == "document.issued"]
    parts = [d for d in documents if (d["participant"], d["document_kind"]) == (world.plant.id, "invoice") and d["number"].startswith("I-first")]
    ratings = [section["rating"] for d in documents for section in d["body"]["orders"]]
    tap.ok(len(parts) > 1 and any("lines_hash" in r for r in ratings), "an invoice in parts, and lines that stand as their hash")
    again, _ = take(world, mirror, "again")
    tap.equal((again["new"], again["files"]), (0, 2), "a second pull fetches nothing but the checkpoint")


def unframed(proof):
    return [base64.b64decode(h) for h in proof]


def climb(index, size, hash_, proof):
    """RFC 9162 §2.1.3.2."""
    fn, sn = index, size - 1
    for p in proof:
        if fn & 1 or fn == sn:
            hash_ = node(p, hash_)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            hash_ = node(hash_, p)
        fn, sn = fn >> 1, sn >> 1
    return hash_


def node(left, right):
    return sha256(b"\1" + left + right)


def answers(world, mirror):
    """What auditors and members may ask for."""
    lines = mirror.lines()
    hashes = [leaf(line) for line in lines]
    member = world.mill.client()
    tap.equal(member.get("/v1/audit/checkpoint").text, (mirror.folder / "checkpoint").read_text(), "a member sees the checkpoint")
    tap.equal(member.get("/v1/audit/key").text.strip(), world.key.verifier, "and the key")
    tap.status(member.get("/v1/audit/tile/entries/000"), 403, "but not the entries of others")
    tap.status(world.bank.api().get("/v1/audit/checkpoint"), 401, "a stranger sees nothing")
    wrong = 0
    for index in random.sample(range(len(lines)), 20):
        proof = member.get(f"/v1/audit/proof/inclusion?index={index}").json["proof"]
        wrong += climb(index, len(lines), hashes[index], unframed(proof)) != root(hashes)
    tap.equal(wrong, 0, "inclusion proofs lead to the root")
    tap.status(member.get(f"/v1/audit/proof/inclusion?index={len(lines)}"), 400, "an index outside the log")
    tap.status(member.get("/v1/audit/proof/consistency?from=7&to=6"), 400, "a range that runs backwards")
    for path in ("tile/9/000", "tile/0/x000/001", "tile/0/999", "tile/entries/000.p/0", "tile/0/000.p/256", "tile/"):
        tap.status(world.auditor.get(f"/v1/audit/{path}"), 404, f"no '{path}'")
    full = world.auditor.get("/v1/audit/tile/0/000")
    tap.contains(full.headers.get("Cache-Control"), "immutable", "full tiles may be kept for ever")
    exports(world, lines)


def exports(world, lines):
    text, after, pages = "", -1, 0
    while after is not None:
        answer = world.auditor.get(f"/v1/audit/export?limit=100&after={after}")
        text, after, pages = text + answer.text, answer.headers.get("Naru-Next"), pages + 1
    got = [line.encode() for line in text.splitlines()]
    tap.equal(got[:len(lines)], lines, "the export holds the entries' own bytes")
    tap.ok(pages > 3, "page by page")
    kind = world.auditor.get("/v1/audit/export?kind=plan.registered&format=csv").text.splitlines()
    tap.equal((kind[0], len(kind)), ("log_index,at,kind,entry", 10), "one kind as CSV")
    tap.status(world.auditor.get("/v1/audit/export?kind=nothing"), 400, "an unknown kind")
    answer = world.auditor.get("/v1/audit/manifest?kind=plan.registered").json
    tap.equal((answer["manifest"]["rows"], answer["signature"].count(".")), (9, 2), "the manifest counts and is signed")
    wait_until(world.sealed, 10, "everything is sealed")
    tap.equal(len(world.bank.entries("export.made")), 2, "exports stand in the log")


# -- without the key ----------------------------------------------------------------------------------------------------
def altered(mirror, folder):
    """One byte of one entry of each kind."""
    kinds = {}
    for index, entry in enumerate(mirror.entries()):
        kinds.setdefault(entry["kind"], index)
    tap.ok(len(kinds) >= 15, f"{len(kinds)} kinds of entries occur", sorted(kinds))
    for kind, index in kinds.items():
        copy = mirror.copy(folder)
        line = bytearray(copy.lines()[index])
        at = random.randrange(len(line))
        line[at] ^= 1
        copy.replace(index, bytes(line))
        verdict = verify(folder)
        tap.ok(verdict.status == 1 and verdict.has("log", index, "altered"), f"one bit of '{kind}' (entry {index}, byte {at}) is found", verdict)
    last = mirror.size - 1
    lines = mirror.lines()
    cases = {
        "two entries exchanged": (lambda c: (c.replace(3, lines[4]), c.replace(4, lines[3])), "log", 3),
        "an entry emptied": (lambda c: c.replace(5, b""), "log", 5),
        "the last entry dropped": (lambda c: drop(c, last), "log", None),
        "a bundle removed": (lambda c: c.bundle_path(0).unlink(), "log", None),
        "a bundle cut": (lambda c: c.bundle_path(0).write_bytes(c.bundle_path(0).read_bytes()[:-1]), "log", None),
        "a tile altered": (lambda c: flip(c.folder / "tile/0/000", 40), "log", 1),
        "a tile of roots altered": (lambda c: flip(c.folder / tile_name(1, 0, mirror.size // 256), 3), "tile", None),
        "a tile removed": (lambda c: (c.folder / "tile/0/000").unlink(), "tile", None),
        "the size in the checkpoint": (lambda c: edit(c.folder / "checkpoint", f"\n{mirror.size}\n", f"\n{mirror.size - 1}\n"), "checkpoint", None),
        "an earlier checkpoint": (lambda c: flip(sorted((c.folder / "checkpoints").iterdir())[0], 30), "checkpoint", None),
        "entry and tile together": (lambda c: both(c, 7), "tile", None),
    }
    for name, (change, check, entry) in cases.items():
        copy = mirror.copy(folder)
        change(copy)
        verdict = verify(folder)
        tap.ok(verdict.status == 1 and verdict.has(check, entry), f"{name}: found", verdict)
    for missing in ("key", "checkpoint"):
        copy = mirror.copy(folder)
        (folder / missing).unlink()
        tap.equal(verify(folder).status, 2, f"without '{missing}' nothing can be verified")
    tap.equal(verify(folder / "nowhere").status, 2, "nor without a mirror")


def drop(copy, index):
    path = copy.bundle_path(index)
    content = path.read_bytes()
    path.write_bytes(content[:len(content) - 2 - len(copy.lines()[index])])


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def edit(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def both(copy, index):
    """Somebody who knows how the tree is made alters an entry and its leaf hash."""
    line = copy.lines()[index].replace(b'"kind"', b'"kinD"')
    copy.replace(index, line)
    path = copy.folder / "tile/0/000"
    content = path.read_bytes()
    path.write_bytes(content[:32 * index] + leaf(line) + content[32 * index + 32:])


def forged(world, mirror, folder):
    """A whole log by somebody without the data bank's key; by the data bank itself, but against what was pulled before."""
    entries = mirror.entries()
    stranger = LogKey(temp_dir() / "stranger.pem")
    forged_log = Mirror(folder).write(entries, stranger)
    tap.equal(verify(folder).status, 0, "a mirror with another key holds in itself")
    tap.ok(verify(folder, "--key", world.key.verifier).has("checkpoint"), "but not against the key that is known from elsewhere")
    (folder / "key").write_text(world.key.verifier + "\n")
    tap.ok(verify(folder).has("checkpoint"), "nor against the data bank's")
    forged_log = Mirror(folder).write(entries[:-1], world.key)
    for old in (mirror.folder / "checkpoints").iterdir():
        (folder / "checkpoints" / old.name).write_bytes(old.read_bytes())
    verdict = verify(folder)
    tap.ok(verdict.has("consistency", text="cut"), "a shorter log, properly signed, against an earlier checkpoint", verdict)
    entries[10]["at"] = entries[11]["at"]
    forged_log.write(entries, world.key)
    for old in (mirror.folder / "checkpoints").iterdir():
        (folder / "checkpoints" / old.name).write_bytes(old.read_bytes())
    verdict = verify(folder)
    tap.ok(verdict.has("consistency", text="rewritten"), "a rewritten log, properly signed, against earlier checkpoints", verdict)


# -- the running log ----------------------------------------------------------------------------------------------------
def killed(world, mirror):
    """The broker is killed again and again while receipts come in: what was acknowledged is in the log, once."""
    accepted, stop = [], threading.Event()

    def report():
        at = world.middle + 200
        while not stop.is_set():
            lines = [world.rows.use(at, rows=1, sides=("provider",))["provider"] for _ in range(50)]
            at += 1
            try:
                if set(send(world.mill, lines)) == {"created"}:
                    accepted.extend(json.loads(line)["event"] for line in lines)
            except (OSError, AssertionError):
                pass  # not acknowledged

    thread = threading.Thread(target=report)
    thread.start()
    for _ in range(5):
        before = len(accepted)
        wait_until(lambda n=before: len(accepted) > n + 100, 20, "receipts come in")
        world.bank.broker.kill()
        world.bank.broker.begin()
        world.bank.wait()
    stop.set()
    thread.join()
    take(world, mirror, "after five kills")
    events = [e["body"]["receipt"]["event"] for e in mirror.entries() if e["kind"] == "receipt.accepted"
              and e["body"]["receipt"]["role"] == "provider"]
    tap.ok(set(accepted) <= set(events) and len(events) == len(set(events)), "each acknowledged receipt is in the log once")


def rewritten(world, mirror, folder):
    """Somebody with all rights in the database, and with the log's key, changes the past."""
    bank = world.bank
    bank.sql("ALTER TABLE aud.entry DISABLE TRIGGER ALL; ALTER TABLE aud.checkpoint DISABLE TRIGGER ALL")
    index = next(i for i, e in enumerate(mirror.entries()) if e["kind"] == "receipt.accepted")
    bank.sql(f"UPDATE aud.entry SET entry = replace(entry, '\"rows\":', '\"rows\":1') WHERE log_index = {index}")
    fresh = Mirror(folder / "fresh")
    status, _ = pull(fresh.folder, bank.url, bank.authority.ca, world.token_file)
    verdict = verify(fresh.folder)
    tap.ok(status == 0 and verdict.has("log", index, "altered"), "an entry changed in the database is named", verdict)

    lines = fresh.lines()
    hashes = [leaf(line) for line in lines]
    world.bank.broker.expect_log("the audit log could not be sealed")
    store(bank, lines, hashes, world.key)
    status, said = pull(mirror.folder, bank.url, bank.authority.ca, world.token_file)
    tap.ok(status == 1 and "rewritten" in said, "with tiles and checkpoint made to fit, the next pull notices", said)
    kept = [p.name for p in (mirror.folder / "checkpoints").iterdir() if "." in p.name]
    tap.equal(len(kept), 1, "and keeps the other checkpoint as evidence")
    verdict = verify(mirror.folder)
    tap.ok(verdict.status == 1 and verdict.has("consistency"), "which the verifier shows", verdict)
    for name in kept:
        (mirror.folder / "checkpoints" / name).unlink()

    lines.append(canonical({"at": stamp(), "body": {"action": "x", "by": "x", "subject": "x"}, "kind": "operator.acted"}).encode())
    store(bank, lines, [leaf(line) for line in lines], world.key)
    status, said = pull(mirror.folder, bank.url, bank.authority.ca, world.token_file)
    tap.ok(status == 1 and "do not continue" in said, "nor does a longer one pass", said)

    bank.sql("DELETE FROM aud.checkpoint WHERE tree_size > 100")
    status, said = pull(mirror.folder, bank.url, bank.authority.ca, world.token_file)
    tap.ok(status == 1 and "shorter" in said, "nor a shorter one", said)

    other = mirror.copy(folder / "other")
    (other.folder / "key").write_text(LogKey(temp_dir() / "other.pem").verifier + "\n")
    status, said = pull(other.folder, bank.url, bank.authority.ca, world.token_file)
    tap.ok(status == 1 and "another key" in said, "nor another key", said)


def store(bank, lines, hashes, key):
    """Writes a log into the database as the sealer would."""
    rows = [f"DELETE FROM aud.tile; INSERT INTO aud.checkpoint VALUES ({len(lines)}, '\\x{root(hashes).hex()}',"
            f" '{key.note(len(lines), root(hashes))}', now()) ON CONFLICT (tree_size) DO UPDATE SET root = excluded.root, note = excluded.note;"]
    for name, content in tiles(hashes):
        level, number = name.split("/")[1:3]
        rows.append(f"INSERT INTO aud.tile VALUES ({level}, {int(number.split('.')[0])}, {len(content) // 32}, '\\x{content.hex()}');")
    for index in range(len(lines)):
        rows.append(f"INSERT INTO aud.entry VALUES ({index}, 'x', now(), $naru${lines[index].decode()}$naru$) ON CONFLICT (log_index) DO NOTHING;")
    path = bank.folder / "rewrite.sql"
    path.write_text("\n".join(rows))
    status, _, err = run([bank.pg.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", bank.pg.folder, "-p",
                                  str(bank.pg.port), "-U", "naru", "-d", "broker", "-f", path])
    assert status == 0, err


main(scenario)
