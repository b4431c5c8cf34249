#!/usr/bin/env python3
"""Runs the unit programs and the scenarios, and counts. The last line is "N passed, N failed".

A unit program is build/<mode>/tests/unit/test_*; the Check library writes its results as TAP into a file. A
scenario is tests/it/<letter><nnn>_<what>.py; it prints TAP. Each program runs in its own session and its own
temporary folder, and is ended with all its children when its time is over.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIO_NAME = re.compile(r"[a-z]\d{3}_\w+\.py")
TAP_LINE = re.compile(r"(not )?ok\b\s*(\d+)?\s*(?:- )?(.*)")
SKIP_MARK = re.compile(r"#\s*skip\S*\s*(.*)", re.IGNORECASE)
OUTPUT_LINES = 120
GRACE_S = 15
PROGRESS_S = 15


@dataclass
class Tap:
    """What a TAP stream says."""

    passed: int = 0
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    planned: int | None = None


def parse_tap(text):
    tap = Tap()
    for line in text.splitlines():
        plan = re.fullmatch(r"1\.\.(\d+)\s*(?:#\s*(.*))?", line)
        if plan:
            tap.planned = int(plan[1])
            if tap.planned == 0:
                skip = SKIP_MARK.search("# " + (plan[2] or ""))
                tap.skipped.append(("everything", (skip[1] if skip else "") or "no reason given"))
            continue
        if line.startswith("Bail out!"):
            tap.failed.append(line)
            continue
        result = TAP_LINE.fullmatch(line)
        if not result:
            continue
        skip = SKIP_MARK.search(result[3])
        if result[1]:
            tap.failed.append(result[3])
        elif skip:
            tap.skipped.append((result[3][: skip.start()].strip(), skip[1] or "no reason given"))
        else:
            tap.passed += 1
    seen = tap.passed + len(tap.failed) + len(tap.skipped)
    if tap.planned and tap.planned != seen:
        tap.failed.append(f"planned {tap.planned} results, saw {seen}")
    return tap


@dataclass
class Program:
    name: str
    argv: list
    is_unit: bool


@dataclass
class Result:
    program: Program
    tap: Tap
    output: str
    seconds: float


def end_session(process):
    """Asks the program to clean up; then ends whatever is left of its session."""
    for sig, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        try:
            os.killpg(process.pid, sig)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


class Stopped(Exception):
    """The collector itself is asked to end."""


# sessions that run now, so that an interrupted collector leaves nothing behind
sessions = set()


def stop(*_):
    for process in list(sessions):
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    raise Stopped


def run_program(program, environment, timeout_s):
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="naru-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # PostgreSQL's user passes through
        tap_file = Path(folder, "results.tap")
        output_file = Path(folder, "output")
        env = dict(environment, TMPDIR=folder)
        if program.is_unit:
            env.update(CK_TAP_LOG_FILE_NAME=str(tap_file), CK_VERBOSITY=os.environ.get("CK_VERBOSITY", "normal"))
        late = False
        with open(output_file, "wb") as output:
            try:
                process = subprocess.Popen(program.argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=subprocess.STDOUT, start_new_session=True)
            except OSError as e:
                return Result(program, Tap(failed=[f"cannot start {e.filename}: {e.strerror}"]), "", 0.0)
            sessions.add(process)
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                late = True
            end_session(process)
            sessions.discard(process)
        output = output_file.read_text(errors="replace")
        tap_text = tap_file.read_text(errors="replace") if tap_file.exists() else ""
    tap = parse_tap(tap_text if program.is_unit else output)
    if late:
        tap.failed.append(f"not finished after {timeout_s} s")
    elif process.returncode and not tap.failed:
        status = process.returncode
        tap.failed.append(f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}")
    elif not (tap.passed or tap.failed or tap.skipped):
        tap.failed.append("no result printed")
    return Result(program, tap, output, time.monotonic() - started)


def collect(bin_dir, tsan):
    unit_dir = bin_dir / "tests" / "unit"
    names = sorted(p.stem for p in (ROOT / "tests" / "unit").glob("test_*.c"))
    if tsan:
        listed = (ROOT / "tests" / "tsan.list").read_text().split("\n")
        wanted = [line.strip() for line in listed if line.strip() and not line.startswith("#")]
        # another memory layout than ThreadSanitizer knows would stop it at the start
        launch = ["setarch", "-R"] if shutil.which("setarch") else []
        return [Program(n, launch + [str(unit_dir / n)], True) for n in wanted]
    programs = [Program(n, [str(unit_dir / n)], True) for n in names]
    scenarios = sorted(p for p in (ROOT / "tests" / "it").glob("*.py") if SCENARIO_NAME.fullmatch(p.name))
    return programs + [Program("it/" + p.stem, [sys.executable, str(p)], False) for p in scenarios]


def environment_for(bin_dir):
    env = dict(os.environ, NARU_BIN=str(bin_dir), PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    sanitized = bin_dir.name.startswith("san-")
    env["ASAN_OPTIONS"] = "detect_leaks=1:abort_on_error=0"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    env["TSAN_OPTIONS"] = "halt_on_error=1:second_deadlock_stack=1"
    suppressions = ROOT / "tests" / "lsan.supp"
    if suppressions.exists():
        env["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
    env.setdefault("CK_DEFAULT_TIMEOUT", "60" if sanitized else "20")
    env.setdefault("NARU_PATIENCE", "3" if sanitized else "1")
    return env


class Reporter:
    """Prints one line per program as it finishes, and what is still running when nothing finishes for long."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = {}
        self.last_s = time.monotonic()
        self.passed = self.failed = self.skipped = 0

    def begin(self, program):
        with self.lock:
            self.running[program.name] = time.monotonic()

    def end(self, result):
        tap = result.tap
        with self.lock:
            del self.running[result.program.name]
            self.last_s = time.monotonic()
            self.passed += tap.passed
            self.failed += len(tap.failed)
            self.skipped += len(tap.skipped)
            print(f"{result.program.name:<36} {tap.passed:>5} passed {len(tap.failed):>3} failed "
                  f"{len(tap.skipped):>3} skipped {result.seconds:>7.1f} s")
            for name, reason in tap.skipped:
                print(f"    skipped: {name}: {reason}")
            if tap.failed:
                for name in tap.failed:
                    print(f"    FAILED: {name}")
                lines = result.output.splitlines()
                if len(lines) > OUTPUT_LINES:
                    print(f"    | ({len(lines) - OUTPUT_LINES} lines before)")
                for line in lines[-OUTPUT_LINES:]:
                    print(f"    | {line}")
            sys.stdout.flush()

    def progress(self):
        now = time.monotonic()
        with self.lock:
            if self.running and now - self.last_s >= PROGRESS_S:
                self.last_s = now
                print("… " + ", ".join(f"{n} ({now - t:.0f} s)" for n, t in self.running.items()), flush=True)


def run_all(programs, env, jobs, timeout_s):
    reporter = Reporter()

    def one(program):
        reporter.begin(program)
        reporter.end(run_program(program, env, timeout_s))

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(one, p) for p in programs}
        try:
            while pending:
                done, pending = concurrent.futures.wait(pending, timeout=1,
                                                        return_when=concurrent.futures.FIRST_COMPLETED)
                reporter.progress()
                for finished in done:
                    finished.result()
        except Stopped:
            reporter.failed += 1
            print("stopped before all were run")
            pool.shutdown(cancel_futures=True)
    return reporter


def main():
    parser = argparse.ArgumentParser(description="run unit programs and scenarios")
    parser.add_argument("--bin", required=True, type=Path, help="folder with the built programs, build/<mode>")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="run programs whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="programs at a time (default 2)")
    parser.add_argument("--timeout", type=int, default=120, metavar="SECONDS", help="per program (default 120)")
    parser.add_argument("--tsan", action="store_true", help="only the unit programs of tests/tsan.list")
    args = parser.parse_args()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    bin_dir = args.bin.resolve()
    programs = [p for p in collect(bin_dir, args.tsan) if args.only in p.name]
    reporter = run_all(programs, environment_for(bin_dir), max(args.jobs, 1), args.timeout)
    if reporter.skipped:
        print(f"{reporter.skipped} skipped, reasons above")
    print(f"{reporter.passed} passed, {reporter.failed} failed")
    return 0 if reporter.passed and not reporter.failed else 1


if __name__ == "__main__":
    sys.exit(main())
