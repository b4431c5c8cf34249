#!/usr/bin/env python3
"""Runs unit programs built with --coverage and prints which branches of a folder they took.

Fails below the floor; excuses of the table explain branches, they do not count as taken. A row of the table is

    file | text in the line | branches | reason

and excuses that many branches never taken, on lines that hold the text; a row that excuses more or fewer than are
there is an error, so the table stays true. By rule, without a row, these do not count: lines with CHECK or
CHECK_UNREACHABLE, which fail for mistakes of ours alone; the way out of a switch over an enum that ends in
CHECK_UNREACHABLE; and the two cuts in STR_ARG (absent text, text of more than 4096 bytes), which lib/base tests.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

NEVER_FAILS = re.compile(r"\b(CHECK|CHECK_UNREACHABLE)\(")
CUTS_OF_STR_ARG = 2


@dataclass
class Row:
    file: str
    text: str
    branches: int
    reason: str
    number: int
    found: int = 0


def read_table(path):
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ")]
        if len(parts) != 4 or not parts[2].isdigit() or not parts[3]:
            sys.exit(f"{path}:{number}: expected 'file | text in the line | branches | reason'")
        rows.append(Row(parts[0], parts[1], int(parts[2]), parts[3], number))
    return rows


def run_tests(build, names):
    """One process a program: a fork for each test would write the counters thousands of times."""
    for old in build.rglob("*.gcda"):
        old.unlink()
    env = dict(os.environ, CK_FORK="no", CK_VERBOSITY="minimal", CK_DEFAULT_TIMEOUT="0")
    for name in names:
        done = subprocess.run([build / "tests" / "unit" / name], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{name} fails:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


def read_gcov(build, source):
    """{line: (times run, [times taken, a branch])} of one source file."""
    data = build / source.with_suffix(".gcda")
    if not data.exists():
        sys.exit(f"{source}: was not run at all")
    out = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", data],
                         capture_output=True, text=True, check=True).stdout
    lines = {}
    for file in json.loads(out.splitlines()[0])["files"]:
        if file["file"] != str(source):
            continue
        for line in file["lines"]:
            count, branches = lines.get(line["line_number"], (0, []))
            branches = branches + [b["count"] for b in line["branches"]]
            lines[line["line_number"]] = (count + line["count"], branches)
    return lines


def by_rule(text, number):
    """How many branches of this line never count."""
    statement, function = [], []
    for line in text[number - 1:]:
        statement.append(line)
        if line.rstrip().endswith((";", "{", "}")):
            break
    for line in text[number - 1:]:
        function.append(line)
        if line.startswith("}"):
            break
    n = CUTS_OF_STR_ARG * " ".join(statement).count("STR_ARG(")
    if "switch (" in statement[0] and any("CHECK_UNREACHABLE();" in line for line in function):
        n += 1
    return n


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def measure(build, source, rows):
    """([lines, lines run, branches, branches taken, excused], [untaken without excuse])"""
    text = source.read_text(encoding="utf-8").splitlines()
    counts = read_gcov(build, source)
    n = [0, 0, 0, 0, 0]
    untaken = []
    for number, (count, branches) in sorted(counts.items()):
        line = text[number - 1].strip()
        if NEVER_FAILS.search(line):
            continue
        missing = sum(b == 0 for b in branches)
        ruled_out = min(missing, by_rule(text, number))
        missing -= ruled_out
        n[0] += 1
        n[1] += count > 0
        n[2] += len(branches) - ruled_out
        n[3] += sum(b > 0 for b in branches)
        row = next((r for r in rows if r.file == str(source) and r.text in line), None)
        if row and missing:
            row.found += missing
            n[4] += missing
        elif missing:
            untaken.append(f"{source}:{number}: {missing} of {len(branches)}: {line}")
    return n, untaken


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=Path, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--floor", type=float, default=98.0)
    arguments.add_argument("--no-run", action="store_true", help="read the counters of the last run")
    arguments.add_argument("tests", nargs="+")
    args = arguments.parse_args()

    rows = read_table(args.table)
    if not args.no_run:
        run_tests(args.build, args.tests)
    total, open_branches = [0] * 5, []
    print(f"{'file':32} {'lines':>6} {'run':>7} {'branches':>9} {'taken':>6} {'':>7} {'excused':>8}")
    for source in sorted(args.folder.glob("*.c")):
        n, untaken = measure(args.build, source, rows)
        open_branches += untaken
        total = [a + b for a, b in zip(total, n)]
        print(f"{source!s:32} {n[0]:6} {percent(n[1], n[0]):6.1f}% {n[2]:9} {n[3]:6} {percent(n[3], n[2]):6.1f}% {n[4]:8}")
    taken = percent(total[3], total[2] - total[4])
    print(f"{'all':32} {total[0]:6} {percent(total[1], total[0]):6.1f}% {total[2]:9} {total[3]:6} "
          f"{percent(total[3], total[2]):6.1f}% {total[4]:8}")
    if open_branches:
        print(f"\n{len(open_branches)} lines with branches that no test takes and the table does not excuse:")
        print("\n".join(open_branches))
    wrong = [r for r in rows if r.found != r.branches]
    for row in wrong:
        print(f"{args.table}:{row.number}: says {row.branches} branches, found {row.found}: {row.file}: {row.text}")
    print(f"\nbranches taken: {percent(total[3], total[2]):.2f} %, without the excused ones {taken:.2f} %; floor {args.floor:g} %")
    return 1 if wrong or percent(total[3], total[2]) < args.floor else 0


if __name__ == "__main__":
    sys.exit(main())
