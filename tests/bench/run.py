"""make bench: runs the benchmarks under tests/bench, one after the other; a table for people, build/bench.json for machines.

A benchmark is a Python file with `def bench(ctx)` that yields figures (figure(), below), or a C file bench_<name>.c that prints one JSON object a line
with the same members. Each is run alone with ONLY=<name>. Nothing else should run on the machine meanwhile.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "demo"))
sys.path.insert(0, str(HERE))

ASKED = ("edc",)  # minutes long, and needs Java: run when asked for by name

MEMBERS = ("name", "value", "unit", "spread", "anchor", "ratio", "goal", "met")


def figure(name, values, unit, goal=None, better="lower", anchor=None, need=None):
    """One figure: median of `values`, its spread (min..max), the anchor measured in the same run, and whether the goal is met.

    goal: number that value must not exceed (better=lower) or must reach (better=higher). need: the same for value ÷ anchor.
    """
    values = sorted(values)
    value = values[len(values) // 2]
    ratio = round(value / anchor, 3) if anchor else None
    met, text = None, None
    if need is not None and ratio is not None:
        met, text = (ratio >= need if better == "higher" else ratio <= need), f"{'≥' if better == 'higher' else '≤'} {need} × anchor"
    elif goal is not None:
        met, text = (value >= goal if better == "higher" else value <= goal), f"{'≥' if better == 'higher' else '≤'} {goal:g}"
    return {"name": name, "value": round(value, 3), "unit": unit, "spread": [round(values[0], 3), round(values[-1], 3)],
            "anchor": round(anchor, 3) if anchor else None, "ratio": ratio, "goal": text, "met": met}


class Unavailable(Exception):
    """Something outside this repository is missing; the text says what."""


class Context:
    unavailable = Unavailable

    def __init__(self, binaries):
        self.bin = Path(binaries).resolve()
        self.root = ROOT
        self.figure = figure


def programs(ctx, only):
    """Names of the benchmarks that were asked for, Python first."""
    scripts = {p.stem: p for p in sorted(HERE.glob("*.py")) if p.stem not in ("run", "load")}
    binaries = {p.stem: p for p in sorted(HERE.glob("bench_*.c"))}
    chosen = [n for n in [*scripts, *binaries] if (only in n if only else n not in ASKED)]
    if not chosen:
        sys.exit(f"bench: no benchmark matches '{only}'; there are: {', '.join([*scripts, *binaries])}")
    return [(n, scripts.get(n), binaries.get(n)) for n in chosen]


def run_script(path, ctx):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield from module.bench(ctx)


def run_binary(name, ctx):
    """A C benchmark; lines that are no JSON object are its own remarks."""
    done = subprocess.run([ctx.bin / "tests" / "bench" / name], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()[-400:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            yield {key: row.get(key) for key in MEMBERS}
        elif line.strip():
            print(f"    {line}")


def show(row):
    mark = {True: "yes", False: "NO", None: "–"}[row["met"]]
    spread = f"{row['spread'][0]:g} … {row['spread'][1]:g}" if row["spread"] else ""
    anchor = f"{row['anchor']:g} ({row['ratio']:g} ×)" if row["anchor"] else "–"
    print(f"  {row['name']:<44} {row['value']:>12,.6g} {row['unit']:<8} {spread:<26} {anchor:<22} {row['goal'] or '–':<16} {mark}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    ctx = Context(args.bin)
    rows, failed = [], []
    print(f"  {'figure':<44} {'value':>12} {'unit':<8} {'spread':<26} {'anchor (ratio)':<22} {'goal':<16} met")
    for name, script, binary in programs(ctx, args.only):
        start = time.monotonic()
        try:
            for row in run_script(script, ctx) if script else run_binary(name, ctx):
                rows.append(row)
                show(row)
        except Unavailable as e:
            print(f"  {name}: not measured: {e}", flush=True)
        except Exception as e:  # noqa: BLE001 - one benchmark that fails must not hide the others
            failed.append(name)
            print(f"  {name}: {type(e).__name__}: {e}", file=sys.stderr)
        print(f"  -- {name}: {time.monotonic() - start:.0f} s", flush=True)
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    missed = [r["name"] for r in rows if r["met"] is False]
    print(f"bench: {len(rows)} figures in {out.relative_to(ROOT)}; goals missed: {', '.join(missed) or 'none'}"
          + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
