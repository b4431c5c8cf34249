"""Include direction: tools/check/includes.py TABLE

Reads the table of folders, then every tracked C file. Names each include that its folder may not have, each private
header that is used outside its folder, and each cycle between the folders of one program.
"""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def read_table(path):
    rows = []
    for line in Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            # columns are parted by two spaces or more, names within by one
            folder, inside, outside = re.split(r"\s{2,}", line.strip())
            rows.append((folder, inside.split(), outside.split()))
    return rows


def row_of(rows, folder):
    for row in rows:
        if fnmatch.fnmatchcase(folder, row[0]):
            return row
    return None


def owner_of(rows, header):
    """The folder that owns a third-party header, or None if the header is of the system."""
    for folder, _, outside in rows:
        for name in outside:
            if name not in ("-", "*") and (header == name or (name.endswith("/") and header.startswith(name))):
                return folder
    return None


def mistake_in(rows, folder, row, quote, header):
    """What is wrong with the include, or None."""
    _, inside, outside = row
    if quote == "<":
        owner = owner_of(rows, header)
        if owner and "*" not in outside and owner_of([row], header) is None:
            return f"<{header}> belongs to {owner} alone"
        return None
    target = str(PurePosixPath(header).parent)
    if target == ".":
        if folder.startswith("tests/") or (header.startswith("sql_") and "generated" in inside):
            return None
        return f'"{header}" is not named from the root'
    if target == folder:
        return None
    if header.endswith("_private.h") and not folder.startswith("tests/"):
        return f"{header} is private to {target}"
    if not any(fnmatch.fnmatchcase(target, pattern) for pattern in inside):
        return f"{folder} may not include {target} ({header})"
    return None


def find_cycle(graph):
    """Some cycle in {folder: set of folders} as a list, or None."""
    done = set()

    def visit(node, path):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        for following in sorted(graph.get(node, ())):
            cycle = visit(following, path + [node])
            if cycle:
                return cycle
        done.add(node)
        return None

    for start in sorted(graph):
        cycle = visit(start, [])
        if cycle:
            return cycle
    return None


def main():
    rows = read_table(sys.argv[1])
    tracked = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout
    mistakes = []
    graph = {}
    for name in tracked.split():
        if not Path(name).exists():
            continue
        folder = str(PurePosixPath(name).parent)
        row = row_of(rows, folder)
        if row is None:
            mistakes.append(f"{name}: folder {folder} is not in {sys.argv[1]}")
            continue
        for quote, header in INCLUDE.findall(Path(name).read_text()):
            mistake = mistake_in(rows, folder, row, quote, header)
            if mistake:
                mistakes.append(f"{name}: {mistake}")
            target = str(PurePosixPath(header).parent)
            # the root folder of a program holds what all its units share; it may know them and they it
            if quote == '"' and "/" in folder and "/" in target and target != folder:
                graph.setdefault(folder, set()).add(target)
    cycle = find_cycle({f: t for f, t in graph.items() if not f.startswith("tests")})
    if cycle:
        mistakes.append("folders include each other in a circle: " + " -> ".join(cycle))
    print("\n".join(mistakes))
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
