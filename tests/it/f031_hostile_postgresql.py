"""The hostile cases once more, against a connector whose rows are in PostgreSQL: what a driver or a server refuses by itself must not show as a failure."""

import re

import f030_hostile
from connectors import Connector
from harness import Postgres, main

POSTGRES = []


def literal(value):
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def read(text):
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


class OnPostgres(Connector):
    """As Connector, with psql for everything that looks behind it."""

    def __init__(self, space, name, program, settings, plain=False):
        super().__init__(space, name, program, {**settings, "database": POSTGRES[0].create(name)}, plain)
        tables = [t for (t,) in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
        self.everything = " UNION ALL ".join(f"SELECT '{t}', r::text FROM {t} r" for t in tables) + " ORDER BY 1, 2"

    def sql(self, statement, *arguments):
        parts = statement.split("?")
        text = "".join(part + literal(value) for part, value in zip(parts, arguments)) + parts[-1]
        return [tuple(read(value) for value in row) for row in POSTGRES[0].psql(text, self.name)]

    def dump(self):
        return [" ".join(row) for row in POSTGRES[0].psql(self.everything, self.name)]

    def watch(self):
        return lambda: None  # compared at the end of each group


def scenario():
    POSTGRES.append(Postgres())
    f030_hostile.scenario(OnPostgres)


main(scenario)
