#!/usr/bin/env python3
"""Runs the conformance suite of the Dataspace Protocol against a connector of ours; see docs/conformance.md.

The suites lie beside the clone (../shared/tck/dsp, or NARU_TCK): `replay` plays the counter-party from a table and needs Python alone;
`run` starts the public suite, which wants a JDK and its jars. Exit status 0: everything that ran passed, and something did.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "it"))
import harness  # pylint: disable=wrong-import-position
from harness import BIN, ROOT, Skip, free_port, main, tap, temp_dir  # pylint: disable=wrong-import-position
from subject import Subject  # pylint: disable=wrong-import-position

TCK = Path(os.environ.get("NARU_TCK", ROOT.parent / "shared" / "tck"))
SANITIZED = ROOT / "build" / "san-address-undefined"
WAIT_S = 15


def scenarios():
    """The table that says what each test wants of the connector."""
    file = TCK / "dsp" / "scenarios.json"
    if not file.exists():
        raise Skip(f"the conformance suites are not there ({TCK})")
    return json.loads(file.read_text())


def play(subject, runner, pattern="", options=(), name="", each=True):
    """One run of a suite: a result for each of its tests (or only for those that fail), and two for the whole."""
    argv = [TCK / "dsp" / runner, *subject.arguments(), "-p", free_port(), "-w", int(WAIT_S * harness.PATIENCE), *options]
    if pattern:
        argv += ["-k", pattern]
    since, counts = time.monotonic(), ""
    with subprocess.Popen([str(a) for a in argv], text=True, stdout=subprocess.PIPE) as suite:
        for line in map(str.strip, suite.stdout):
            word, _, rest = line.partition(" ")
            if word == "ok" and each:
                tap.ok(True, rest)
            elif word == "not":
                tap.ok(False, rest.removeprefix("ok "))
            elif word == "skip":
                tap.skip(rest, "by the suite")
            elif word.isdigit():
                counts = line
    tap.ok(suite.returncode in (0, 1), f"{name}: {counts or 'did not run'}, {time.monotonic() - since:.0f} s", f"exit {suite.returncode}")
    tap.equal(subject.mistakes, [], f"{name}: every command of the operator was taken")
    subject.mistakes.clear()


def jars(options):
    """Where the public suite's jars are: given, built from its sources, or None for Maven to find."""
    if options.jars or not options.sources:
        return options.jars
    folder = temp_dir("tck-")
    status, out, err = harness.run([TCK / "build-suite", "dsp", folder, *options.sources], deadline_s=600)
    if status:
        raise Skip(f"the public suite could not be built from {' '.join(options.sources)}: {(out + err)[-300:]}")
    return str(folder)


def find_suite(options):
    """Options of the public suite's runner that make it run."""
    found = jars(options)
    more = ["-j", found] if found else []
    status, _, err = harness.run([TCK / "dsp" / "run", *more, "-l"], deadline_s=600)
    if status:
        raise Skip(f"the public suite cannot be had here ({' '.join(err.split())[-200:]}); give its jars or its sources")
    return more


def runs(options):
    """Runner, its own options and a name, in the order in which they are played."""
    planned = []
    if options.all or not options.suite:
        planned = [("replay", [], f"replay {i + 1} of {options.times}") for i in range(options.times)]
    if not (options.all or options.suite):
        return planned
    try:
        suite = find_suite(options)
    except Skip as e:
        tap.skip("the public suite", e)
        return planned
    times = 1 if options.all else options.times
    return planned + [("run", suite, f"public suite {i + 1} of {times}") for i in range(times)]


def scenario(options):
    table = scenarios()
    planned = runs(options)
    for database in ("sqlite", "postgresql") if options.all else (options.database,):
        subject = Subject(table, database, options.delay, SANITIZED if options.san else BIN)
        for runner, more, name in planned:
            play(subject, runner, options.k, ["-d", *more], f"{database}, {name}", each=not options.all)
        subject.connector.process.stop()


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--all", action="store_true", help="on both databases: the replay --times, then the public suite once")
    p.add_argument("--suite", action="store_true", help="the public suite instead of the replay")
    p.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="of the connector")
    p.add_argument("--san", action="store_true", help="the connector with sanitizers (make SAN=address,undefined all)")
    p.add_argument("--times", type=int, default=1, metavar="N", help="this often in a row, against the same connector")
    p.add_argument("-k", default="", metavar="REGEX", help="only the tests whose id matches")
    p.add_argument("--delay", type=float, metavar="S", help="how long our operator thinks (default: as the table recommends)")
    p.add_argument("--jars", metavar="DIR", help="jars of the public suite (default: Maven)")
    p.add_argument("--sources", nargs=2, metavar="DIR", help="clones of the repositories dsp-tck and tck-common, to build the jars from")
    return p.parse_args()


if __name__ == "__main__":
    chosen = parse()
    if chosen.san:
        harness.PATIENCE *= 3
    main(lambda: scenario(chosen))
