#!/usr/bin/python3
"""The generated demo datasets: columns and sizes of the real ones, plausible content, the same bytes every time."""
import csv
import datetime
import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools", "demo", "gendata.py")
REAL = os.path.join(ROOT, "..", "shared", "data")

spec = importlib.util.spec_from_file_location("gendata", TOOL)
gendata = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(gendata)


def read_csv(path):
    """Checks the byte-order mark and the line ends; returns header and rows."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.startswith(b"\xef\xbb\xbf"), f"{path} has no byte-order mark"
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    return rows[0], rows[1:]


def aspects(twin):
    return {key for key, value in twin.items() if isinstance(value, list)}


class Gendata(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="naru-gendata-")
        cls.folder = os.path.join(cls.scratch.name, "one")
        cls.output = subprocess.run([sys.executable, TOOL, cls.folder], check=True, capture_output=True, text=True).stdout

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def path(self, i):
        return os.path.join(self.folder, gendata.DATASETS[i][0])

    def real(self, i):
        path = os.path.join(REAL, gendata.DATASETS[i][1])
        if not os.path.exists(path):
            self.skipTest(f"the real dataset is not there: ../shared/data/{gendata.DATASETS[i][1]}")
        return path

    def test_columns_of_the_real_energy_data(self):
        real, real_rows = read_csv(self.real(0))
        mine, rows = read_csv(self.path(0))
        self.assertEqual(mine, real)
        self.assertEqual(len(rows), len(real_rows))
        for column in ("WeekStatus", "Day_of_week", "Load_Type"):
            at = real.index(column)
            self.assertEqual({row[at] for row in rows}, {row[at] for row in real_rows})
        self.assertEqual(len({tuple(row) for row in rows} & {tuple(row) for row in real_rows}), 0, "a row was copied")

    def test_columns_of_the_real_milling_data(self):
        real, real_rows = read_csv(self.real(1))
        mine, rows = read_csv(self.path(1))
        self.assertEqual(mine, real)
        self.assertEqual(len(rows), len(real_rows))
        self.assertEqual({row[2] for row in rows}, {row[2] for row in real_rows})
        self.assertEqual(len({tuple(row) for row in rows} & {tuple(row) for row in real_rows}), 0, "a row was copied")

    def test_shapes_of_the_real_twins(self):
        with open(self.real(2), encoding="utf-8") as file:
            real = json.load(file)[gendata.TWINS_KEY]
        with open(self.path(2), encoding="utf-8") as file:
            mine = json.load(file)[gendata.TWINS_KEY]
        self.assertEqual(len(mine), len(real))
        self.assertEqual(len({twin["bpnl"] for twin in mine}), len({twin["bpnl"] for twin in real}))
        for aspect in (gendata.SERIAL_PART, gendata.BATCH, gendata.BOM_AS_BUILT):
            shapes = {frozenset(twin[aspect][0]) for twin in real if aspect in twin}
            for twin in mine:
                if aspect in twin:
                    self.assertIn(frozenset(twin[aspect][0]), shapes)
        self.assertFalse({twin["catenaXId"] for twin in mine} & {twin["catenaXId"] for twin in real})

    def test_energy(self):
        header, rows = read_csv(self.path(0))
        self.assertEqual(len(rows), 365 * 96)
        self.assertTrue(all(len(row) == len(header) for row in rows))
        at = datetime.datetime(2018, 1, 1)
        sums = {True: 0.0, False: 0.0}
        for row in rows:
            self.assertEqual(row[0], at.strftime("%d/%m/%Y %H:%M"))
            self.assertEqual(int(row[7]), at.hour * 3600 + at.minute * 60)
            self.assertEqual(row[8], "Weekend" if at.weekday() >= 5 else "Weekday")
            kwh, tco2 = float(row[1]), float(row[4])
            self.assertAlmostEqual(tco2, kwh * gendata.TCO2_PER_KWH, delta=0.00006)
            self.assertTrue(0 <= float(row[5]) <= 100 and 0 <= float(row[6]) <= 100)
            sums[at.weekday() < 5 and 9 <= at.hour < 17] += kwh
            at += datetime.timedelta(minutes=15)
        day_hours = 261 * 8 * 4
        self.assertGreater(sums[True] / day_hours, 3 * sums[False] / (len(rows) - day_hours), "no working hours in the load")

    def test_milling(self):
        header, rows = read_csv(self.path(1))
        self.assertEqual(len(rows), 10000)
        self.assertTrue(all(len(row) == len(header) for row in rows))
        self.assertEqual([row[0] for row in rows], [str(i) for i in range(1, 10001)])
        self.assertEqual(len({row[1] for row in rows}), 10000, "a product id occurs twice")
        wear = [int(row[7]) for row in rows]
        self.assertTrue(all(b == 0 or b > a for a, b in zip(wear, wear[1:])), "wear grows until the tool is changed")
        for row in rows:
            self.assertEqual(row[8], "1" if "1" in row[9:] else "0")
        broken = sum(row[8] == "1" for row in rows)
        self.assertTrue(100 <= broken <= 800, f"{broken} failures")
        for i in range(9, 14):
            self.assertTrue(any(row[i] == "1" for row in rows), f"no {header[i]}")

    def test_twins(self):
        with open(self.path(2), encoding="utf-8") as file:
            twins = json.load(file)[gendata.TWINS_KEY]
        self.assertEqual(len(twins), 46)
        by_id = {twin["catenaXId"]: twin for twin in twins}
        self.assertEqual(len(by_id), 46)
        built_into = []
        for twin in twins:
            kind = aspects(twin)
            self.assertEqual(len(kind & {gendata.SERIAL_PART, gendata.BATCH}), 1)
            for item in twin.get(gendata.BOM_AS_BUILT, [{"childItems": []}])[0]["childItems"]:
                child = by_id[item["catenaXId"]]
                self.assertEqual(item["businessPartner"], child["bpnl"])
                if gendata.SERIAL_PART in child:
                    built_into.append(item["catenaXId"])
        self.assertEqual(len(built_into), len(set(built_into)), "one part is built into two others")
        self.assertGreater(len(built_into), 15)

    def test_same_bytes_again(self):
        again = os.path.join(self.scratch.name, "again")
        environment = dict(os.environ, PYTHONHASHSEED="77", LC_ALL="C", TZ="Asia/Seoul")
        subprocess.run([sys.executable, TOOL, again], check=True, capture_output=True, env=environment)
        for i, (name, *_) in enumerate(gendata.DATASETS):
            with open(self.path(i), "rb") as one, open(os.path.join(again, name), "rb") as other:
                data = one.read()
                self.assertEqual(data, other.read(), name)
                self.assertIn(hashlib.sha256(data).hexdigest(), self.output)
        self.assertEqual(sorted(os.listdir(again)), sorted(name for name, *_ in gendata.DATASETS), "something is left over")

    def test_another_seed_gives_other_values(self):
        other = os.path.join(self.scratch.name, "other")
        subprocess.run([sys.executable, TOOL, "--seed", "2", other], check=True, capture_output=True)
        for i, (name, *_) in enumerate(gendata.DATASETS):
            with open(self.path(i), "rb") as one, open(os.path.join(other, name), "rb") as two:
                self.assertNotEqual(one.read(), two.read(), name)

    def test_folder_that_cannot_be_made(self):
        blocked = os.path.join(self.scratch.name, "file")
        with open(blocked, "w", encoding="utf-8"):
            pass
        done = subprocess.run([sys.executable, TOOL, os.path.join(blocked, "sub")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("gendata: cannot write", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
