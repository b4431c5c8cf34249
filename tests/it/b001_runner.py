"""The collector and the harness themselves: what they count, what they end, what they leave behind."""

import importlib.util
import os
import shutil
import signal
import sys
import textwrap
import time

from harness import (ROOT, Authority, Client, Postgres, TooLate, free_port, main, processes, raw_exchange, run,
                     start, tap, temp_dir, wait_until)

spec = importlib.util.spec_from_file_location("collector", ROOT / "tests" / "run.py")
collector = importlib.util.module_from_spec(spec)
sys.modules["collector"] = collector
spec.loader.exec_module(collector)


def run_script(text, timeout_s=60, is_unit=False):
    path = temp_dir() / "script.py"
    path.write_text(textwrap.dedent(text))
    program = collector.Program("script", [sys.executable, str(path)], is_unit)
    return collector.run_program(program, dict(os.environ, PYTHONPATH=str(ROOT / "tests" / "it")), timeout_s)


def counts(result):
    return result.tap.passed, len(result.tap.failed), len(result.tap.skipped)


def counting():
    text = "ok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no network\nnoise\nokay\n# ok 9\n"
    parsed = collector.parse_tap(text)
    tap.equal((parsed.passed, parsed.failed, parsed.skipped), (1, ["b"], [("c", "no network")]), "TAP is counted")
    tap.equal(collector.parse_tap("ok 1 - a\n1..2\n").failed, ["planned 2 results, saw 1"], "a short plan is a failure")
    tap.equal(collector.parse_tap("1..0 # SKIP no data\n").skipped, [("everything", "no data")], "a skipped plan")

    tap.equal(counts(run_script("print('ok 1 - a')")), (1, 0, 0), "a good program")
    tap.equal(counts(run_script("print('ok 1 - a'); raise SystemExit(3)")), (1, 1, 0), "exit status alone is a failure")
    tap.equal(counts(run_script("print('hello')")), (0, 1, 0), "no result is a failure")
    tap.equal(run_script("import os; os.kill(os.getpid(), 11)").tap.failed, ["killed by SIGSEGV"], "a crash is a failure")
    tap.equal(counts(run_script("print('ok 1 - a')", is_unit=True)), (0, 1, 0), "a unit program must write its TAP file")


def ending():
    began = time.monotonic()
    result = run_script("""
        import signal, subprocess, time
        child = subprocess.Popen(["sleep", "300"])
        print("ok 1 -", child.pid, flush=True)
        time.sleep(300)
        """, timeout_s=1)
    pid = int(result.output.split()[3])
    tap.equal(result.tap.failed, ["not finished after 1 s"], "a late program is a failure")
    tap.ok(time.monotonic() - began < 30, "a late program is ended")
    wait_until(lambda: not is_running(pid), 10, "its children are gone")
    tap.ok(True, "children of a late program are ended")

    result = run_script("""
        from harness import main, start, tap
        def scenario():
            tap.ok(True, start("sleeper", ["sleep", "300"], end_status=(-15,)).pid)
            raise RuntimeError("boom")
        main(scenario)
        """)
    tap.equal(counts(result), (1, 1, 0), "an exception in a scenario is a failure")
    tap.contains(result.output, "boom", "the exception is shown")
    tap.ok(not is_running(int(result.output.split()[3])), "what a scenario started is ended")

    result = run_script("""
        from harness import Skip, main
        def scenario():
            raise Skip("no peer")
        main(scenario)
        """)
    tap.equal(result.tap.skipped, [("script", "no peer")], "a scenario may skip itself")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def collecting():
    """The collector as `make test` calls it, on a tree of its own."""
    folder = temp_dir()
    (folder / "tests" / "it").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "run.py", folder / "tests")

    def collect(*arguments, **scenarios):
        for old in (folder / "tests" / "it").iterdir():
            old.unlink()
        for name, text in scenarios.items():
            (folder / "tests" / "it" / f"{name}.py").write_text(text)
        return run([sys.executable, folder / "tests" / "run.py", "--bin", folder, *arguments])

    status, out, _ = collect(a001_x="print('ok 1 - x')", a002_y="print('ok 1\\nok 2 - s # SKIP no y')", helper="1/0")
    tap.ok(status == 0 and out.endswith("\n2 passed, 0 failed\n"), "all good", out)
    tap.contains(out, "skipped: s: no y", "a skip is shown with its reason")
    status, out, _ = collect(a001_x="print('ok 1 - x')", a002_y="print('seen'); print('not ok 1 - bad')")
    tap.ok(status == 1 and out.endswith("\n1 passed, 1 failed\n"), "one failure", out)
    tap.ok("FAILED: bad" in out and "| seen" in out, "a failure is shown with its output", out)
    status, out, _ = collect("--only", "002", a001_x="1/0", a002_y="print('ok 1')")
    tap.ok(status == 0 and out.endswith("\n1 passed, 0 failed\n"), "a choice by name", out)
    status, out, _ = collect()
    tap.ok(status == 1 and out == "0 passed, 0 failed\n", "nothing to run is no success", out)
    status, out, _ = collect(a001_x="print('ok 1 - x # SKIP no x')")
    tap.ok(status == 1 and out.endswith("\n0 passed, 0 failed\n"), "skips alone are no success", out)
    (folder / "tests" / "unit").mkdir()
    (folder / "tests" / "unit" / "test_x.c").write_text("int main(void) { return 0; }\n")
    status, out, _ = collect()
    tap.ok(status == 1 and "FAILED: cannot start" in out, "a unit program that is not built is a failure", out)
    (folder / "tests" / "unit" / "test_x.c").unlink()

    pid_file = folder / "pid"
    (folder / "tests" / "it" / "a001_x.py").write_text(
        f"import os, time; open('{pid_file}.new', 'w').write(str(os.getpid())); "
        f"os.rename('{pid_file}.new', '{pid_file}'); time.sleep(300)")
    collector_process = start("collector", [sys.executable, folder / "tests" / "run.py", "--bin", folder],
                              end_status=(1,))
    pid = int(wait_until(lambda: pid_file.exists() and pid_file.read_text(), 10, "the scenario runs"))
    tap.equal(collector_process.stop(), 1, "an interrupted collector fails")
    tap.ok(not is_running(pid), "an interrupted collector ends what it runs")
    tap.ok(collector_process.log_text().endswith("0 passed, 2 failed\n"), "an interrupted collector still counts",
           collector_process.log_text())


def harness_tools():
    tap.equal(len({free_port() for _ in range(50)}), 50, "ports are given once")
    try:
        wait_until(lambda: 0, 0.05, "never")
        tap.ok(False, "a condition that never comes raises")
    except TooLate as e:
        tap.contains(str(e), "never: not within", "a condition that never comes raises")

    process = start("short", [sys.executable, "-c", "print('last words')"])
    try:
        wait_until(lambda: False, 20, "answer")
        tap.ok(False, "a program that ends early is noticed")
    except TooLate as e:
        tap.contains(str(e), "last words", "a program that ends early is noticed, with its log")
    processes.remove(process)

    result = run_script("""
        from harness import main, start, tap
        def scenario():
            p = start("bad", ["sh", "-c", "echo level=alarm msg=x; exec sleep 300"], end_status=(-15,))
            while "alarm" not in p.log_text():
                pass
            tap.ok(True, "ran")
        main(scenario)
        """)
    tap.equal(result.tap.failed, ["bad logs no alarm"], "an alarm that was not announced is a failure")
    status, out, err = run(["sh", "-c", "cat; echo err >&2; exit 3"], input_text="in")
    tap.equal((status, out, err), (3, "in", "err\n"), "a command's status and output")


def https():
    authority = Authority()
    cert, key = authority.issue()
    port = free_port()
    start("openssl", ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key, "-www"],
          end_status=(0, -signal.SIGTERM))
    client = Client(f"https://localhost:{port}", ca=authority.ca)
    response = wait_until(lambda: client.get("/"), 10, "TLS server answers")
    tap.status(response, 200, "HTTPS with a given authority")
    tap.contains(raw_exchange(port, b"GET / HTTP/1.0\r\n\r\n", ca=authority.ca), b"200 ok", "raw bytes over TLS")
    try:
        Client(f"https://localhost:{port}", ca=Authority().ca).get("/")
        tap.ok(False, "another authority is refused")
    except OSError as e:
        tap.contains(str(e), "certificate verify failed", "another authority is refused")


def database():
    with tap.case("a private PostgreSQL cluster"):
        pg = Postgres()
        pg.create("bank")
        pg.psql("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x y'), (2, NULL)", "bank")
        assert pg.psql("SELECT a, b FROM t ORDER BY a", "bank") == [["1", "x y"], ["2", ""]]
        pg.restart()
        assert pg.psql("SELECT count(*) FROM t", "bank") == [["2"]]
        status, out, err = run([pg.bin / "psql", "-X", "-A", "-t", "-c", "SELECT 7", pg.url("bank")])
        assert (status, out) == (0, "7\n"), err
    try:
        pg.psql("SELEC")
        tap.ok(False, "an SQL error raises")
    except RuntimeError as e:
        tap.contains(str(e), "syntax error", "an SQL error raises")


def scenario():
    counting()
    ending()
    collecting()
    harness_tools()
    https()
    database()


main(scenario)
