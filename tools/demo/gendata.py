#!/usr/bin/python3
"""Generates the three datasets of the demo: same columns and sizes as the real ones, invented values.

    gendata.py [--seed N] FOLDER

Deterministic: the same seed gives the same bytes with every version of Python 3, because only random.Random.random()
is used and every number is rounded before it is written. The files:

    steel-energy.csv          a steel plant's electricity and CO2 per 15 minutes of 2018     35,040 rows
    milling-process.csv       a milling machine's process data, tool wear and failures       10,000 rows
    traceability-twins.json   parts, batches and bills of material of three partners         46 twins
"""
import argparse
import datetime
import hashlib
import json
import math
import os
import random
import sys
import uuid

BOM = "\ufeff"  # both CSV files begin with one, as the real ones do

ENERGY_COLUMNS = [
    "date", "Usage_kWh", "Lagging_Current_Reactive.Power_kVarh", "Leading_Current_Reactive_Power_kVarh", "CO2(tCO2)",
    "Lagging_Current_Power_Factor", "Leading_Current_Power_Factor", "NSM", "WeekStatus", "Day_of_week", "Load_Type",
]
MILLING_COLUMNS = [
    "UDI", "Product ID", "Type", "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]",
    "Torque [Nm]", "Tool wear [min]", "Machine failure", "TWF", "HDF", "PWF", "OSF", "RNF",
]
MILLING_ROWS = 10000
TWINS_KEY = "https://catenax.io/schema/TestDataContainer/1.0.0"
SERIAL_PART = "urn:bamm:io.catenax.serial_part:1.0.1#SerialPart"
BATCH = "urn:samm:io.catenax.batch:2.0.0#Batch"
BOM_AS_BUILT = "urn:bamm:io.catenax.single_level_bom_as_built:1.0.0#SingleLevelBomAsBuilt"


class Chance:
    """Random numbers that do not depend on the version of Python."""

    def __init__(self, seed, topic):
        self.source = random.Random(int.from_bytes(hashlib.sha256(f"{seed}/{topic}".encode()).digest()[:8], "big"))

    def uniform(self, low, high):
        return low + (high - low) * self.source.random()

    def normal(self, mean, deviation):
        """Sum of twelve uniform numbers: close to a normal one, and never far out."""
        return mean + deviation * (sum(self.source.random() for _ in range(12)) - 6)

    def below(self, n):
        return int(self.source.random() * n)

    def hit(self, probability):
        return self.source.random() < probability

    def pick(self, items):
        return items[self.below(len(items))]

    def uuid(self):
        number = 0
        for _ in range(4):
            number = number << 32 | self.below(1 << 32)
        return str(uuid.UUID(int=number, version=4))


def number(value, digits):
    """Decimal text without trailing zeros: 3.1, 4, 0."""
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


# -- a steel plant's electricity ---------------------------------------------------------------------------------------

BASE_KWH = 4.2           # furnace heaters and light, per quarter of an hour
TCO2_PER_KWH = 0.0004594  # average of the Korean grid
# Share of the full load at each hour of a working day: two shifts, breaks at noon and in the evening.
SHIFT = [0.05, 0.03, 0, 0, 0, 0, 0, 0.02, 0.6, 0.95, 0.92, 0.9, 0.3, 0.62, 0.93, 0.92, 0.94, 0.8, 0.55, 0.68, 0.65, 0.2, 0.1, 0.08]
FULL_KWH = 72
# Tariff zones by hour: L(ight), M(edium), H(eavy, called maximum); winter from November to February.
TARIFF_WINTER = "LLLLLLLLLMHHMMMMMHHHMMHL"
TARIFF_SUMMER = "LLLLLLLLLMHHMHHHHMMMMMML"
LOAD_TYPES = {"L": "Light_Load", "M": "Medium_Load", "H": "Maximum_Load"}
HOLIDAYS = {(1, 1), (2, 15), (2, 16), (3, 1), (5, 5), (5, 22), (6, 6), (8, 15), (9, 24), (9, 25), (10, 3), (10, 9), (12, 25)}


def load_type(at, off):
    if off:
        return LOAD_TYPES["L"]
    zone = (TARIFF_WINTER if at.month in (11, 12, 1, 2) else TARIFF_SUMMER)[at.hour]
    if at.weekday() == 5 and zone == "H":
        zone = "M"
    return LOAD_TYPES[zone]


def energy_row(at, plan, chance):
    """One quarter of an hour; plan is today's share of the full load."""
    off = at.weekday() == 6 or (at.month, at.day) in HOLIDAYS
    share = SHIFT[at.hour] * plan
    melt = share * FULL_KWH * max(0.15, chance.normal(1, 0.28)) if share > 0 else 0
    heating = 1.5 if at.month in (12, 1, 2) and at.hour in (5, 6, 7) else 0
    kwh = round(max(0.5, BASE_KWH + heating + melt + chance.normal(0, 0.4)), 2)
    # motors draw reactive power; without load the capacitors over-compensate by day
    idle = melt < 3
    over = idle and 8 <= at.hour < 22
    lagging = 0 if over else round(max(0, kwh * chance.uniform(0.38, 0.62) + (chance.uniform(0.4, 2) if idle else 0)), 2)
    leading = round(chance.uniform(4, 24), 2) if over else (round(chance.uniform(0, 0.4), 2) if chance.hit(0.2) else 0)
    factor = [100 * kwh / math.hypot(kwh, reactive) for reactive in (lagging, leading)]
    return [
        at.strftime("%d/%m/%Y %H:%M"), number(kwh, 2), number(lagging, 2), number(leading, 2),
        number(kwh * TCO2_PER_KWH, 4), number(factor[0], 2), number(factor[1], 2),
        str(at.hour * 3600 + at.minute * 60), "Weekend" if at.weekday() >= 5 else "Weekday", at.strftime("%A"),
        load_type(at, off),
    ]


def day_plan(day, chance):
    if day.weekday() == 6 or (day.month, day.day) in HOLIDAYS:
        return 0 if chance.hit(0.8) else 0.2
    if day.weekday() == 5:
        return chance.pick([0, 0.5, 0.8])
    season = 1 + 0.12 * math.cos((day.timetuple().tm_yday - 15) * 2 * math.pi / 365)
    return season * chance.uniform(0.85, 1.1)


def energy_rows(seed):
    chance = Chance(seed, "energy")
    day = datetime.date(2018, 1, 1)
    while day.year == 2018:
        plan = day_plan(day, chance)
        for quarter in range(96):
            at = datetime.datetime(day.year, day.month, day.day, quarter // 4, quarter % 4 * 15)
            yield energy_row(at, plan, chance)
        day += datetime.timedelta(days=1)


# -- a milling machine --------------------------------------------------------------------------------------------------

#          share   first serial  wear per piece   overstrain limit (Nm * min)
GRADES = {
    "L": (0.60, 47000, (1, 2, 3), 11200),
    "M": (0.30, 14500, (2, 3), 12200),
    "H": (0.10, 29200, (3, 4, 5), 13200),
}


def pick_grade(chance):
    at = chance.source.random()
    for grade, (share, *_) in GRADES.items():
        if at < share:
            return grade
        at -= share
    return "L"


def failures(air, process, rpm, torque, wear, life, limit, chance):
    """Tool wear, heat, power, overstrain, at random: each a rule of physics or of the workshop."""
    power = torque * rpm * 2 * math.pi / 60
    return [
        int(wear >= life and chance.hit(0.6)),
        int(process - air < 8.7 and rpm < 1385),
        int(power < 3500 or power > 9000),
        int(wear * torque > limit),
        int(chance.hit(0.0015)),
    ]


def milling_rows(seed):
    chance = Chance(seed, "milling")
    air, gap, wear, life = 298.2, 10.0, 0, 220
    serial = {grade: row[1] for grade, row in GRADES.items()}
    for udi in range(1, MILLING_ROWS + 1):
        grade = pick_grade(chance)
        serial[grade] += 1 + chance.below(2)
        air = min(304.5, max(295.3, air + (300 - air) * 0.002 + chance.normal(0, 0.12)))
        gap = min(12.1, max(7.6, gap + (10 - gap) * 0.02 + chance.normal(0, 0.2)))
        torque = min(76.0, max(4.0, chance.normal(40, 10)))
        # the drive keeps its power: more torque, fewer turns
        rpm = round(min(2850, max(1170, 1540 * (40 / torque) ** 0.42 + chance.normal(0, 45))))
        air_text, process_text, torque_text = number(air, 1), number(air + gap, 1), number(torque, 1)
        broken = failures(float(air_text), float(process_text), rpm, float(torque_text), wear, life, GRADES[grade][3], chance)
        yield [str(udi), f"{grade}{serial[grade]}", grade, air_text, process_text, str(rpm), torque_text, str(wear),
               str(int(any(broken))), *map(str, broken)]
        wear += chance.pick(GRADES[grade][2])
        if broken[0] or wear > 250 or (wear > life and chance.hit(0.5)):
            wear, life = 0, 200 + chance.below(41)


# -- a supply chain -----------------------------------------------------------------------------------------------------

MAKER, SYSTEMS, METALS = "BPNL0000000NARU1", "BPNL0000000NARU2", "BPNL0000000NARU3"

#    name                      owner    part number    class        country  count  children (name, quantity, unit)
PARTS = [
    ("Compact car, electric",  MAKER,   "8100-010-01", "product",   "KOR",   4,
     [("Drive unit 150 kW", 1, "unit:piece"), ("Brake system", 1, "unit:piece")]),
    ("Drive unit 150 kW",      SYSTEMS, "5520-150-03", "component", "KOR",   4,
     [("Rotor", 1, "unit:piece"), ("Drive housing", 1, "unit:piece"), ("Screw set M8", 24, "unit:piece")]),
    ("Brake system",           SYSTEMS, "5610-021-00", "component", "KOR",   4,
     [("Brake disc", 2, "unit:piece"), ("Corrosion protection", 0.4, "unit:litre")]),
    ("Drive housing",          SYSTEMS, "5521-003-02", "component", "KOR",   4,
     [("Cast aluminium", 11.5, "unit:kilogram")]),
    ("Rotor",                  METALS,  "3300-770-11", "component", "KOR",   4,
     [("Electrical steel coil", 8.25, "unit:kilogram")]),
    ("Brake disc",             METALS,  "3340-118-05", "component", "KOR",   8,
     [("Grey iron", 7.8, "unit:kilogram")]),
    ("Screw set M8",           SYSTEMS, "9001-008-40", "component", "KOR",   3, None),
    ("Corrosion protection",   SYSTEMS, "9400-002-00", "component", "KOR",   3, None),
    ("Cast aluminium",         METALS,  "1300-226-00", "component", "KOR",   4, None),
    ("Electrical steel coil",  METALS,  "1200-035-50", "component", "KOR",   4, None),
    ("Grey iron",              METALS,  "1100-250-00", "component", "KOR",   4, None),
]


def identifier(letters, length, chance):
    return "".join(chance.pick(letters) for _ in range(length))


def stamp(day, chance):
    at = datetime.datetime(2024, 3, 1) + datetime.timedelta(days=day, seconds=chance.below(36000) + 21600)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def twin(part, chance, day):
    """One physical part or batch; only parts that have children are serialised."""
    name, owner, part_number, kind, country, _, children = part
    serial = identifier("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", 17, chance)
    catena_x_id = "urn:uuid:" + chance.uuid()
    local = [("manufacturerId", owner), ("manufacturerPartId", part_number)]
    if children is None:
        local.append(("batchId", "NO-" + identifier("0123456789", 24, chance)))
    else:
        local.append(("partInstanceId", serial))
        if kind == "product":
            local.append(("van", serial))
    aspect = {
        "localIdentifiers": [{"value": value, "key": key} for key, value in local],
        "manufacturingInformation": {"date": stamp(day, chance), "country": country},
        "catenaXId": catena_x_id,
        "partTypeInformation": {"manufacturerPartId": part_number, "classification": kind, "nameAtManufacturer": name},
    }
    return {"catenaXId": catena_x_id, "bpnl": owner, BATCH if children is None else SERIAL_PART: [aspect]}


def bill(parent, children, made, chance, day):
    """SingleLevelBomAsBuilt of one part: takes serial parts off the shelf, draws from batches."""
    items = []
    for name, quantity, unit in children:
        shelf = made[name]
        pieces = quantity if SERIAL_PART in shelf[0] else 1
        for _ in range(pieces):
            child = shelf.pop() if SERIAL_PART in shelf[0] else chance.pick(shelf)
            when = stamp(day, chance)
            items.append({
                "quantity": {"quantityNumber": 1 if pieces > 1 else quantity, "measurementUnit": unit},
                "createdOn": when, "lastModifiedOn": when, "catenaXId": child["catenaXId"], "businessPartner": child["bpnl"],
            })
    return {"catenaXId": parent["catenaXId"], "childItems": items}


def twins(seed):
    chance = Chance(seed, "twins")
    made, everything = {}, []
    # from raw material to car, so that children exist before their parents
    for day, part in enumerate(reversed(PARTS)):
        name, children, count = part[0], part[6], part[5]
        made[name] = [twin(part, chance, day * 9) for _ in range(count)]
        everything += made[name]
        made[name] = list(made[name])
        for parent in made[name] if children is not None else []:
            parent[BOM_AS_BUILT] = [bill(parent, children, made, chance, day * 9 + 1)]
    policy = {
        "@context": {"odrl": "http://www.w3.org/ns/odrl/2/"},
        "@type": "PolicyDefinitionRequestDto",
        "@id": "trace-quality",
        "policy": {"@type": "Policy", "odrl:permission": [{"odrl:action": "USE", "odrl:constraint": {
            "@type": "Constraint", "odrl:leftOperand": "PURPOSE", "odrl:operator": {"@id": "odrl:eq"},
            "odrl:rightOperand": "quality and recall"}}]},
    }
    return {"policies": {"trace-quality": policy}, TWINS_KEY: list(reversed(everything))}


# -- files ---------------------------------------------------------------------------------------------------------------

def csv_text(columns, rows):
    return BOM + "".join(",".join(row) + "\n" for row in [columns, *rows])


# file, the real one's name, text
DATASETS = [
    ("steel-energy.csv", "steel-energy-gwangyang-2018.csv", lambda seed: csv_text(ENERGY_COLUMNS, energy_rows(seed))),
    ("milling-process.csv", "milling-process-ai4i2020.csv", lambda seed: csv_text(MILLING_COLUMNS, milling_rows(seed))),
    ("traceability-twins.json", "catena-x-traceability-testdata.json", lambda seed: json.dumps(twins(seed), indent=2) + "\n"),
]


def write(path, data):
    """All or nothing: a file is there whole or not at all."""
    partial = path + ".partial"
    with open(partial, "wb") as out:
        out.write(data)
    os.replace(partial, path)


def generate(folder, seed=1):
    """Writes the files; returns [(path, bytes, sha256)]."""
    os.makedirs(folder, exist_ok=True)
    done = []
    for name, _, text in DATASETS:
        data = text(seed).encode()
        write(os.path.join(folder, name), data)
        done.append((os.path.join(folder, name), len(data), hashlib.sha256(data).hexdigest()))
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="another number gives other values (default 1)")
    parser.add_argument("folder", metavar="FOLDER", help="where the files go; made if it is not there")
    args = parser.parse_args()
    try:
        for path, size, digest in generate(args.folder, args.seed):
            print(f"{digest}  {size:>8}  {path}")
    except OSError as problem:
        sys.exit(f"gendata: cannot write '{problem.filename}': {problem.strerror}")


if __name__ == "__main__":
    main()
