"""Words that say "unfinished", paths of one machine, and plain text hygiene; reads file names from standard input."""

import re
import sys
from pathlib import Path

# written in pieces, because this file is checked too; right after a quote the second may be ISO 4217's "no currency"
BANNED = [
    (re.compile(r"\bTO" r"DO\b(?!\(?\s*:?\s*#\d+)"), "a note of open work without the number of its issue"),
    (re.compile(r"\bFIX" r"ME\b|(?<!\")\bXX" r"X\b|\bHA" r"CK\b"), "a mark of unfinished work"),
    (re.compile(r"not (?:yet )?imple" r"mented", re.IGNORECASE), "something is announced instead of done"),
    (re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w"), "a path of one machine"),
]
BINARY = {".png", ".ico", ".woff2", ".gz", ".pdf", ".der", ".bin", ".parquet"}
TABS_ALLOWED = {".mk", ".tsv", ".svg", ".md"}


def mistakes_in(path):
    data = path.read_bytes()
    if path.suffix in BINARY or b"\0" in data[:8192]:
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        # what a fuzz target or a parser test is fed with may be malformed on purpose
        if "tests" not in path.parts:
            yield f"{path}: not UTF-8"
        return
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, what in BANNED:
            if pattern.search(line):
                yield f"{path}:{number}: {what}: {line.strip()[:80]}"
    if "data" in path.parts or "corpus" in path.parts:
        return
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at its end"
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield f"{path}:{number}: white space at the end of the line"
        if "\t" in line and path.name != "Makefile" and path.suffix not in TABS_ALLOWED:
            yield f"{path}:{number}: a tab"


def main():
    mistakes = []
    for name in sys.stdin.read().split("\n"):
        if name:
            mistakes.extend(mistakes_in(Path(name)))
    print("\n".join(mistakes))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
