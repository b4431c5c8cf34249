"""Duties under an order, and those that Catena-X's words bring: paying, reporting use, providing until a date."""

from harness import BIN, main
from u100_duties import Space, World, catena, in_order, walk


def scenario():
    with World(BIN, companies=2, durable=False) as world:
        walk(Space(world), (in_order, catena))


main(scenario)
