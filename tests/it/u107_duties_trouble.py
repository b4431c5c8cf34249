"""Duties when processes are killed, when an instant passes while nobody looks, and when strangers bring documents."""

from harness import BIN, main
from u100_duties import Space, World, killed, missed_while_down, refusals, walk


def scenario():
    with World(BIN, companies=2, durable=False) as world:
        walk(Space(world), (killed, missed_while_down, refusals))


main(scenario)
