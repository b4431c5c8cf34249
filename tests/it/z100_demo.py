"""The whole trade, as `make demo` shows it, with the programs under test: twice in a row, leaving nothing behind."""

import subprocess
import sys

from harness import BIN, ROOT, environment, main, tap


def left_over():
    """Programs of the demo that still run."""
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True)
    return [line for line in done.stdout.splitlines() if str(BIN / "naru-") in line and "/naru-demo-test-" in line]


def scenario():
    for attempt in ("first", "second"):
        done = subprocess.run([sys.executable, ROOT / "tools" / "demo" / "demo.py", "--bin", BIN], capture_output=True, text=True,
                              env=environment({"DEMO_PORT": "0"}), timeout=300)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
        tap.ok(done.returncode == 0 and last.startswith("demo: ok"), f"{attempt} run ends with demo: ok",
               f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    tap.equal(left_over(), [], "nothing is left running")


main(scenario)
