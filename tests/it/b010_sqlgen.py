"""tools/sqlgen: what it makes of SQL files, that the result compiles with our warnings, and how it names mistakes."""

import re
import subprocess
import sys

from harness import ROOT, main, tap, temp_dir

FILES = {
    "sql/schema/connector/0001-first.sql": "CREATE TABLE a (n bigint); -- \"why?\" ü\n",
    "sql/schema/connector/0002-second.sql": "-- engine: sqlite\nSQLITE ONE;\n-- engine: pg\nPG ONE;\n-- engine: all\nBOTH;\n",
    "sql/schema/broker/0003-only.sql": "SELECT 1;\n-- engine: sqlite\nNEVER;\n",
    "sql/proc/broker/one.sql": "CREATE OR REPLACE FUNCTION f() RETURNS bigint LANGUAGE sql AS $$ SELECT 1 $$;\n",
    "sql/query/connector/unit.sql": """-- Queries of a unit; a comment before the first name.
-- name: plain
-- in:   b:text a:time
-- in:   c:i64
-- out:  id:uuid
--       made:time flag:bool
-- why it is so
SELECT id, made, flag /* $9 */
  FROM t -- $8 in a comment
 WHERE b = $1 AND s = 'it''s; $7' AND a > $2 AND c = $3;

-- name: variant [sqlite]
-- in:   n:i64
SELECT 1 WHERE $1 = 1;
-- name: variant [pg]
-- in:   n:i64
SELECT 2 WHERE $1 = 2;

-- name: nothing
-- out:
DELETE FROM t;
""",
    "sql/query/broker/unit.sql": """-- name: arrays
-- in:   ids:uuid[] at:time
-- out:
SELECT unnest($1), $2, $tag$ ; $3 $tag$;
""",
}

# file, text, line and part of the message
MISTAKES = [
    ("SELECT 1;\n", 1, "SQL before the first"),
    ("-- name: Bad Name\nSELECT 1;\n", 1, "is not a name"),
    ("-- name: a [oracle]\nSELECT 1;\n", 1, "engine 'oracle'"),
    ("-- name: a\n-- in: x\nSELECT $1;\n", 2, "'x' is not name:type"),
    ("-- name: a\n-- in: x:float\nSELECT $1;\n", 2, "type 'float' is unknown"),
    ("-- name: a\n-- out: x:text[]\nSELECT 1;\n", 2, "'x' is an array"),
    ("-- name: a\n-- in: x:text[]\nSELECT $1;\n", 1, "SQLite has none"),
    ("-- name: a\nSELECT $1;\n", 1, "$1 is used but not declared"),
    ("-- name: a\n-- in: x:i64 y:i64\nSELECT $2;\n", 1, "$1 is declared but not used"),
    ("-- name: a\n-- in: x:i64 x:i64\nSELECT $1, $2;\n", 1, "twice"),
    ("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", 3, "is there already"),
    ("-- name: a [pg]\n-- out: n:i64\nSELECT 1;\n-- name: a [sqlite]\nSELECT 2;\n", 4, "'out:' differs"),
    ("-- name: a\nSELECT 1; SELECT 2;\n", 1, "more than one statement"),
    ("-- name: a\nSELECT 1\n-- in: n:i64\n", 3, "stand above"),
    ("-- name: a\nSELECT 'x;\n", 1, "quote"),
    ("-- name: a\n-- out:\n", 1, "has no SQL"),
    ("-- name: a\n-- in: " + " ".join(f"p{i}:i64" for i in range(65)) + "\nSELECT 1;\n", 1, "more than 64"),
]

BAD_SCHEMAS = [
    ({"1-x.sql": ""}, "is not NNNN-topic.sql"),
    ({"0001-a.sql": "", "0001-b.sql": ""}, "number 1 is taken"),
    ({"0000-a.sql": ""}, "start at 0001"),
    ({"0001-a.sql": "x\n-- engine: mysql\n"}, "engine 'mysql'"),
]


def write(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def sqlgen(program, out, root):
    return subprocess.run([sys.executable, str(ROOT / "tools" / "sqlgen"), program, str(out), str(root)],
                          capture_output=True, text=True, check=False)


def warnings():
    """The compiler flags of the Makefile."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    return re.search(r"^WARN := (.*)$", text, re.M)[1].split()


def compiles(out, program):
    command = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", *warnings(), "-I", str(ROOT), "-I", str(out), "-c",
               "-o", str(out / f"{program}.o"), str(out / f"sql_{program}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return tap.ok(done.returncode == 0, f"the C of {program} compiles without warnings", done.stderr)


def check_good(root):
    write(root, FILES)
    for program in ("connector", "broker"):
        done = sqlgen(program, root / "out", root)
        tap.ok(done.returncode == 0, f"{program} is compiled", done.stderr)
        compiles(root / "out", program)
    text = (root / "out" / "sql_connector.c").read_text(encoding="ascii")
    header = (root / "out" / "sql_connector.h").read_text(encoding="ascii")
    for name in ("plain", "variant", "nothing"):
        tap.contains(header, f"extern const struct query q_{name} ", f"query '{name}' is declared")
    tap.contains(text, '{"a", DBT_I64}', "a time of the connector is an i64")
    tap.contains(text, '{"flag", DBT_BOOL}', "a list goes on in the next line")
    tap.contains(text, "'it''s; $7'", "a string keeps its text")
    tap.ok("$8" not in text and "$9" not in text, "comments are left out of statements")
    tap.contains(text, '[DB_SQLITE] = "SELECT 1 WHERE $1 = 1"', "the variant for SQLite")
    tap.contains(text, '[DB_PG] = "SELECT 2 WHERE $1 = 2"', "the variant for PostgreSQL")
    second = text.split('"0002-second"')[1]
    sqlite, pg = second.split("[DB_PG]")
    tap.ok("SQLITE ONE" in sqlite and "PG ONE" not in sqlite and "BOTH" in sqlite, "sections of a migration for SQLite")
    tap.ok("PG ONE" in pg and "SQLITE ONE" not in pg and "BOTH" in pg, "sections of a migration for PostgreSQL")
    tap.contains(text, "const size_t sql_connector_n_migrations = 2;", "migrations are counted")
    tap.contains(text, "const size_t sql_connector_n_queries = 3;", "queries are counted")
    broker = (root / "out" / "sql_broker.c").read_text(encoding="ascii")
    tap.contains(broker, '{"at", DBT_TIME}', "a time of the broker is a time")
    tap.contains(broker, "[DB_SQLITE] = NULL", "the broker has no text for SQLite")
    tap.ok("NEVER" not in broker, "the broker has no migration for SQLite")
    tap.contains(broker, "const size_t sql_broker_n_scripts = 1;", "scripts are counted")
    tap.contains(broker, "$tag$ ; $3 $tag$", "dollar quotes keep their text")


def check_empty(root):
    done = sqlgen("broker", root / "out", root)
    tap.ok(done.returncode == 0, "no folders: still valid", done.stderr)
    compiles(root / "out", "broker")
    tap.equal(sqlgen("nobody", root / "out", root).returncode, 2, "an unknown program is a usage error")


def check_mistakes(root):
    path = root / "sql" / "query" / "connector" / "unit.sql"
    for text, line, part in MISTAKES:
        write(root, {"sql/query/connector/unit.sql": text})
        done = sqlgen("connector", root / "out", root)
        tap.ok(done.returncode == 1 and f"{path}:{line}: " in done.stderr and part in done.stderr,
               f"mistake is named: {part}", f"status {done.returncode}, want line {line}: {done.stderr}")
    tap.ok(not (root / "out").exists(), "after a mistake nothing is written")
    path.unlink()
    for files, part in BAD_SCHEMAS:
        folder = root / "sql" / "schema" / "connector"
        write(folder, files)
        done = sqlgen("connector", root / "out", root)
        tap.ok(done.returncode == 1 and part in done.stderr, f"mistake is named: {part}", done.stderr)
        for name in files:
            (folder / name).unlink()


def scenario():
    check_good(temp_dir())
    check_empty(temp_dir())
    check_mistakes(temp_dir())


main(scenario)
