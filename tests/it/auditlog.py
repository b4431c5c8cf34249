"""The audit log as an outsider would make it: tiles, bundles and checkpoints by C2SP, without any code of ours.

With the data bank's key a test can rewrite history as the data bank itself could; without it, as anybody could.
"""

import base64
import hashlib
import json
import shutil
import subprocess

from harness import BIN, run

WIDTH = 256


def canonical(value):
    """RFC 8785 for entries: no reals, keys in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf(entry):
    return sha256(b"\0" + entry)


def root(hashes):
    """RFC 6962 §2.1 over leaf hashes."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\1" + root(hashes[:split]) + root(hashes[split:]))


class LogKey:
    """Ed25519 key of a log; `name` is the log's origin."""

    def __init__(self, path, name="naru.audit/1"):
        self.path, self.name = path, name
        if not path.exists():
            subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", path], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        self.public = der[-32:]
        self.id = sha256(name.encode() + b"\n\x01" + self.public)[:4]
        self.verifier = f"{name}+{self.id.hex()}+{base64.b64encode(bytes([1]) + self.public).decode()}"

    def note(self, size, root_hash):
        text = f"{self.name}\n{size}\n{base64.b64encode(root_hash).decode()}\n"
        message = self.path.with_suffix(".message")
        message.write_text(text)
        signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", message], check=True,
                                   capture_output=True).stdout
        return f"{text}\n— {self.name} {base64.b64encode(self.id + signature).decode()}\n"


def tile_name(level, index, width):
    text = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        text = f"x{index % 1000:03}/{text}"
    return f"tile/{level}/{text}" + (f".p/{width}" if width < WIDTH else "")


def tiles(hashes):
    """Names and contents of all tiles over leaf hashes."""
    level = 0
    while hashes:
        for at in range(0, len(hashes), WIDTH):
            part = hashes[at:at + WIDTH]
            yield tile_name(level, at // WIDTH, len(part)), b"".join(part)
        hashes = [root(hashes[at:at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
        level += 1


def bundle(entries):
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def unbundle(data):
    entries = []
    while data:
        n = int.from_bytes(data[:2], "big")
        entries.append(data[2:2 + n])
        data = data[2 + n:]
    return entries


class Mirror:
    """A folder as `naru audit pull` makes it."""

    def __init__(self, folder):
        self.folder = folder

    def copy(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Mirror(folder)

    @property
    def size(self):
        return int((self.folder / "checkpoint").read_text().splitlines()[1])

    def bundle_path(self, index):
        """File that holds the entry."""
        part = min(WIDTH, self.size - index // WIDTH * WIDTH)
        return self.folder / tile_name(0, index // WIDTH, part).replace("tile/0/", "tile/entries/")

    def lines(self):
        return [e for at in range(0, self.size, WIDTH) for e in unbundle(self.bundle_path(at).read_bytes())]

    def entries(self):
        return [json.loads(line) for line in self.lines()]

    def replace(self, index, line):
        """Puts other bytes where an entry was, and leaves the tiles alone."""
        path = self.bundle_path(index)
        entries = unbundle(path.read_bytes())
        entries[index % WIDTH] = line
        path.write_bytes(bundle(entries))

    def write(self, entries, key):
        """A whole new log over these entries (values, or bytes as they are), signed by the key."""
        shutil.rmtree(self.folder, ignore_errors=True)
        lines = [e if isinstance(e, bytes) else canonical(e).encode() for e in entries]
        hashes = [leaf(line) for line in lines]
        for name, content in tiles(hashes):
            self._put(name, content)
        for at in range(0, len(lines), WIDTH):
            part = lines[at:at + WIDTH]
            self._put(tile_name(0, at // WIDTH, len(part)).replace("tile/0/", "tile/entries/"), bundle(part))
        self._put("key", key.verifier.encode() + b"\n")
        note = key.note(len(lines), root(hashes)).encode()
        self._put("checkpoint", note)
        self._put(f"checkpoints/{len(lines)}", note)
        return self

    def _put(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Verdict:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.report = json.loads(out) if out.strip() else {}
        self.findings = self.report.get("findings", [])

    def has(self, check, entry=None, text=""):
        return any(f["check"] == check and (entry is None or f.get("entry") == entry) and text in f["text"] for f in self.findings)

    def __str__(self):
        lines = [f"entry {f.get('entry')}: {f['check']}: {f['text']}" for f in self.findings[:8]]
        return "\n".join([f"exit {self.status}, {self.report.get('findings_count')} findings", *lines, self.err])


def verify(folder, *options):
    return Verdict(*run([BIN / "naru", "--json", "audit", "verify", *options, folder], deadline_s=60))


def pull(folder, url, ca, token_file):
    """Exit status and what was said."""
    status, out, err = run([BIN / "naru", "--json", "audit", "pull", folder, "--broker", url, "--ca", ca, "--token-file", token_file],
                           deadline_s=60)
    return status, json.loads(out) if out.strip() else err
