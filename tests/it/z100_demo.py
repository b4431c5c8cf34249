"""The whole trade, as `make demo` shows it, with the programs under test: twice in a row, leaving nothing behind."""

import subprocess
import sys
from pathlib import Path

from harness import BIN, ROOT, environment, main, tap, temp_dir, wait_until


def left_over(folder):
    """Command lines of processes that inherited the demo's own TMPDIR: its programs and its PostgreSQL."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}\0".encode() in (process / "environ").read_bytes() + b"\0":
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has just ended, or is not ours to look at
    return found


def scenario():
    folder = Path(temp_dir())
    folder.chmod(0o755)
    for attempt in ("first", "second"):
        done = subprocess.run([sys.executable, ROOT / "tools" / "demo" / "demo.py", "--bin", BIN], capture_output=True, text=True,
                              env=environment({"DEMO_PORT": "0", "TMPDIR": str(folder)}), timeout=300)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        tap.ok(done.returncode == 0 and last.startswith("demo: ok"), f"{attempt} run ends with demo: ok",
               f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        tap.equal(left_over(folder), [], f"{attempt} run leaves no process")
        tap.equal([p.name for p in folder.iterdir()], [], f"{attempt} run leaves no file")
    control = subprocess.Popen(["sleep", "30"], env=environment({"TMPDIR": str(folder)}))
    try:
        wait_until(lambda: left_over(folder), 5, "a process that stays is seen")
        tap.ok(True, "a process that stayed would be seen")
    finally:
        control.kill()
        control.wait()


main(scenario)
