"""The generated demo datasets: columns and sizes of the real ones, plausible content, the same bytes every time."""
import csv
import datetime
import hashlib
import importlib.util
import io
import json
import sys
import unittest

from harness import ROOT, Skip, main, run, tap, temp_dir

TOOL = ROOT / "tools" / "demo" / "gendata.py"
REAL = ROOT.parent / "shared" / "data"

spec = importlib.util.spec_from_file_location("gendata", TOOL)
gendata = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gendata)
check = unittest.TestCase()


def read_csv(path):
    """Checks the byte-order mark and the line ends; returns header and rows."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.startswith(b"\xef\xbb\xbf"), f"{path} has no byte-order mark"
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    return rows[0], rows[1:]


def aspects(twin):
    return {key for key, value in twin.items() if isinstance(value, list)}


def generated(*options, **settings):
    """Runs the tool; returns the new folder and what was printed."""
    folder = temp_dir("naru-gendata-") / "data"
    status, out, err = run([sys.executable, TOOL, *options, folder], **settings)
    assert status == 0, err
    return folder, out


FOLDER, OUTPUT = generated()


def made(i):
    return FOLDER / gendata.DATASETS[i][0]


def real(i):
    path = REAL / gendata.DATASETS[i][1]
    if not path.exists():
        raise Skip(f"the real dataset is not there: ../shared/data/{path.name}")
    return path


def columns_of_the_real_energy_data():
    header, real_rows = read_csv(real(0))
    mine, rows = read_csv(made(0))
    check.assertEqual(mine, header)
    check.assertEqual(len(rows), len(real_rows))
    for column in ("WeekStatus", "Day_of_week", "Load_Type"):
        at = header.index(column)
        check.assertEqual({row[at] for row in rows}, {row[at] for row in real_rows})
    check.assertEqual(len({tuple(row) for row in rows} & {tuple(row) for row in real_rows}), 0, "a row was copied")


def columns_of_the_real_milling_data():
    header, real_rows = read_csv(real(1))
    mine, rows = read_csv(made(1))
    check.assertEqual(mine, header)
    check.assertEqual(len(rows), len(real_rows))
    check.assertEqual({row[2] for row in rows}, {row[2] for row in real_rows})
    check.assertEqual(len({tuple(row) for row in rows} & {tuple(row) for row in real_rows}), 0, "a row was copied")


def shapes_of_the_real_twins():
    theirs = json.loads(real(2).read_text(encoding="utf-8"))[gendata.TWINS_KEY]
    mine = json.loads(made(2).read_text(encoding="utf-8"))[gendata.TWINS_KEY]
    check.assertEqual(len(mine), len(theirs))
    check.assertEqual(len({twin["bpnl"] for twin in mine}), len({twin["bpnl"] for twin in theirs}))
    for aspect in (gendata.SERIAL_PART, gendata.BATCH, gendata.BOM_AS_BUILT):
        shapes = {frozenset(twin[aspect][0]) for twin in theirs if aspect in twin}
        for twin in mine:
            if aspect in twin:
                check.assertIn(frozenset(twin[aspect][0]), shapes)
    check.assertFalse({twin["catenaXId"] for twin in mine} & {twin["catenaXId"] for twin in theirs})


def energy():
    header, rows = read_csv(made(0))
    check.assertEqual(len(rows), 365 * 96)
    check.assertTrue(all(len(row) == len(header) for row in rows))
    at = datetime.datetime(2018, 1, 1)
    sums = {True: 0.0, False: 0.0}
    for row in rows:
        check.assertEqual(row[0], at.strftime("%d/%m/%Y %H:%M"))
        check.assertEqual(int(row[7]), at.hour * 3600 + at.minute * 60)
        check.assertEqual(row[8], "Weekend" if at.weekday() >= 5 else "Weekday")
        kwh, tco2 = float(row[1]), float(row[4])
        check.assertAlmostEqual(tco2, kwh * gendata.TCO2_PER_KWH, delta=0.00006)
        check.assertTrue(0 <= float(row[5]) <= 100 and 0 <= float(row[6]) <= 100)
        sums[at.weekday() < 5 and 9 <= at.hour < 17] += kwh
        at += datetime.timedelta(minutes=15)
    day_hours = 261 * 8 * 4
    check.assertGreater(sums[True] / day_hours, 3 * sums[False] / (len(rows) - day_hours), "no working hours in the load")


def milling():
    header, rows = read_csv(made(1))
    check.assertEqual(len(rows), 10000)
    check.assertTrue(all(len(row) == len(header) for row in rows))
    check.assertEqual([row[0] for row in rows], [str(i) for i in range(1, 10001)])
    check.assertEqual(len({row[1] for row in rows}), 10000, "a product id occurs twice")
    wear = [int(row[7]) for row in rows]
    check.assertTrue(all(b == 0 or b > a for a, b in zip(wear, wear[1:])), "wear grows until the tool is changed")
    for row in rows:
        check.assertEqual(row[8], "1" if "1" in row[9:] else "0")
    broken = sum(row[8] == "1" for row in rows)
    check.assertTrue(100 <= broken <= 800, f"{broken} failures")
    for i in range(9, 14):
        check.assertTrue(any(row[i] == "1" for row in rows), f"no {header[i]}")


def twins():
    everything = json.loads(made(2).read_text(encoding="utf-8"))[gendata.TWINS_KEY]
    check.assertEqual(len(everything), 46)
    by_id = {twin["catenaXId"]: twin for twin in everything}
    check.assertEqual(len(by_id), 46)
    built_into = []
    for twin in everything:
        kind = aspects(twin)
        check.assertEqual(len(kind & {gendata.SERIAL_PART, gendata.BATCH}), 1)
        for item in twin.get(gendata.BOM_AS_BUILT, [{"childItems": []}])[0]["childItems"]:
            child = by_id[item["catenaXId"]]
            check.assertEqual(item["businessPartner"], child["bpnl"])
            if gendata.SERIAL_PART in child:
                built_into.append(item["catenaXId"])
    check.assertEqual(len(built_into), len(set(built_into)), "one part is built into two others")
    check.assertGreater(len(built_into), 15)


def same_bytes_again():
    again, _ = generated(env={"PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "Asia/Seoul"})
    for i, (name, *_) in enumerate(gendata.DATASETS):
        data = made(i).read_bytes()
        check.assertEqual(data, (again / name).read_bytes(), name)
        check.assertIn(hashlib.sha256(data).hexdigest(), OUTPUT)
    check.assertEqual({path.name for path in again.iterdir()}, {name for name, *_ in gendata.DATASETS})


def another_seed_gives_other_values():
    other, _ = generated("--seed", "2")
    for i, (name, *_) in enumerate(gendata.DATASETS):
        check.assertNotEqual(made(i).read_bytes(), (other / name).read_bytes(), name)


def folder_that_cannot_be_made():
    blocked = temp_dir() / "file"
    blocked.touch()
    status, _, err = run([sys.executable, TOOL, blocked / "sub"])
    check.assertEqual(status, 1)
    check.assertIn("gendata: cannot write", err)
    check.assertNotIn("Traceback", err)


def scenario():
    for case in (columns_of_the_real_energy_data, columns_of_the_real_milling_data, shapes_of_the_real_twins, energy,
                 milling, twins, same_bytes_again, another_seed_gives_other_values, folder_that_cannot_be_made):
        with tap.case(case.__name__.replace("_", " ")):
            case()


main(scenario)
