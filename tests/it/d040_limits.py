"""Limits of use hold exactly: 1,000 connections ask at once against a limit of 100, by count and by volume, also when the provider is killed meanwhile."""

import asyncio
import threading

from d010_pull import Deal, Space
from harness import main, tap, wait_until

AT_ONCE, LIMIT, SIZE = 1000, 100, 10
MANY = 700  # so that the kill comes in between
COUNT = {"leftOperand": "http://www.w3.org/ns/odrl/2/count", "operator": "lteq", "rightOperand": str(LIMIT)}
CALLS = {"leftOperand": "urn:naru:policy:calls", "operator": "lt", "rightOperand": str(LIMIT + 1)}
VOLUME = {"leftOperand": "urn:naru:policy:volumeBytes", "operator": "lteq", "rightOperand": str(LIMIT * SIZE + SIZE - 1)}


async def ask(port, token, ready, go):
    """One connection that is open before any of the others asks; the status, 0 if there is no answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        ready()
        return 0
    ready()
    await go.wait()
    try:
        writer.write(f"GET /data HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(-1)
    except OSError:
        answer = b""
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head.startswith(b"HTTP/") else 0
    return status if status != 200 or len(body) == SIZE else 0


async def all_at_once(port, token, n):
    """Statuses of n connections that ask together."""
    opened, everybody, go = [0], asyncio.Event(), asyncio.Event()

    def ready():
        opened[0] += 1
        if opened[0] == n:
            everybody.set()

    tasks = [asyncio.create_task(ask(port, token, ready, go)) for _ in range(n)]
    await everybody.wait()
    go.set()
    return await asyncio.gather(*tasks)


def used(space, deal):
    rows = space.provider.sql("SELECT calls, bytes FROM agreement_use WHERE agreement_id = ?", deal.agreement)
    return rows[0] if rows else (0, 0)


def exactly(space, name, constraint):
    deal = Deal(space, {"type": "File", "path": "ten.txt"}, [constraint])
    statuses = asyncio.run(all_at_once(space.provider.public, deal.token, AT_ONCE))
    tap.equal({s: statuses.count(s) for s in set(statuses)}, {200: LIMIT, 403: AT_ONCE - LIMIT},
              f"{name}: {AT_ONCE} connections at once, exactly {LIMIT} pass")
    tap.equal(used(space, deal), (LIMIT, LIMIT * SIZE), f"{name}: so much is used")
    tap.equal(sum(r["bytes"] for r in deal.wait_counted(LIMIT)), LIMIT * SIZE, f"{name}: and counted")
    tap.status(deal.get(), 403, f"{name}: not one more")
    space.provider.process.kill()
    space.provider.process.begin()
    space.provider.wait()
    tap.status(deal.get(), 403, f"{name}: nor after a restart")


def killed_in_between(space):
    """What was let through and not answered counts; nothing more is let through for it."""
    name = f"{MANY} of {AT_ONCE}"
    deal = Deal(space, {"type": "File", "path": "ten.txt"}, [{**COUNT, "rightOperand": str(MANY)}])

    def kill():
        wait_until(lambda: used(space, deal)[0] > 0, 20, "the first uses are taken")
        space.provider.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    first = asyncio.run(all_at_once(space.provider.public, deal.token, AT_ONCE))
    killer.join()
    space.provider.process.begin()
    space.provider.wait()
    wait_until(lambda: space.provider.sql("SELECT count(*) FROM access") == [(0,)], 20, "what was cut off has its receipt")
    left = MANY - used(space, deal)[0]
    second = asyncio.run(all_at_once(space.provider.public, deal.token, AT_ONCE))
    tap.note(f"{name}: {first.count(200)} answers before the kill, {MANY - left} uses were taken, {second.count(200)} answers after it")
    tap.ok(first.count(200) <= MANY - left, f"{name}: every answer is counted")
    tap.equal((second.count(200), second.count(403)), (left, AT_ONCE - left), f"{name}: exactly what is left passes after the restart")
    deal.wait_counted(MANY)
    tap.equal(used(space, deal)[0], MANY, f"{name}: the limit is used up, and no more")


def scenario():
    space = Space()
    space.file("ten.txt", b"0123456789")
    for name, constraint in (("count", COUNT), ("calls", CALLS), ("volume", VOLUME)):
        exactly(space, name, constraint)
    killed_in_between(space)


main(scenario)
