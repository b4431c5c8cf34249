"""SQL: named blocks, listed columns, upper-case keywords, a total order before a limit; no SQL text in C.

Whether statements agree with the schema is the contract test's business; this is about how they are written.
"""

import re
import subprocess
import sys
from pathlib import Path

# strings, quoted names, dollar-quoted bodies, comments
HIDDEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
STAR = re.compile(r"\b(?:SELECT|RETURNING)\s+(?:DISTINCT\s+)?\*|\b[a-z_]+\.\*", re.IGNORECASE)
KEYWORDS = re.compile(
    r"\b(select|insert into|update \w+ set|delete from|from|where|group by|order by|having|union|values|returning|limit|"
    r"left join|inner join|join|on conflict|create table|create index|alter table|not null|primary key|references)\b")
LIMIT = re.compile(r"\bLIMIT\b(?!\s+1\s*;)")
NAME = re.compile(r"^-- name:", re.MULTILINE)
C_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
C_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
SQL_TEXT = re.compile(r"\s*(?:(?:SELECT|INSERT|UPDATE|DELETE)\s|(?i:select\s.+\sfrom\s|insert\s+into\s|"
                      r"update\s+\S+\s+set\s|delete\s+from\s))")


def blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in out.split("\n") if name and Path(name).exists()]


def check_block(path, text, start, end):
    """One named statement of a query file."""
    code = HIDDEN.sub(blank, text[start:end])
    first = line_of(text, start)
    if code.count(";") != 1 or not code.rstrip().endswith(";"):
        yield f"{path}:{first}: a block is one statement that ends in ';'"
    for match in LIMIT.finditer(code):
        if "ORDER BY" not in code[: match.start()]:
            yield f"{path}:{line_of(text, start + match.start())}: LIMIT without ORDER BY"


def check_file(path):
    text = path.read_text()
    code = HIDDEN.sub(blank, text)
    for match in STAR.finditer(code):
        yield f"{path}:{line_of(text, match.start())}: list the columns instead of '*'"
    for match in KEYWORDS.finditer(code):
        yield f"{path}:{line_of(text, match.start())}: keyword '{match[1]}' in lower case"
    if "query" not in path.parts:
        return
    starts = [m.start() for m in NAME.finditer(text)]
    before = text[: starts[0]] if starts else text
    if HIDDEN.sub(blank, before).strip():
        yield f"{path}:1: a statement stands before the first '-- name:'"
    for start, end in zip(starts, starts[1:] + [len(text)]):
        yield from check_block(path, text, start, end)


def check_c(path):
    text = C_COMMENT.sub(blank, path.read_text())
    for match in C_STRING.finditer(text):
        if SQL_TEXT.match(match[1]):
            yield f"{path}:{line_of(text, match.start())}: SQL text in C belongs into sql/query"


def main():
    mistakes = []
    for path in tracked("sql/*.sql"):
        mistakes.extend(check_file(path))
    for path in tracked("lib/*.[ch]", "policy/*.[ch]", "connector/*.[ch]", "server/*.[ch]", "cli/*.[ch]"):
        # drivers set up their own engine's sessions and keep its table of migrations; that is no program's SQL
        if path.parts[:2] != ("lib", "db"):
            mistakes.extend(check_c(path))
    print("\n".join(mistakes))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
