"""What follows from a duty that is violated: consequences as duties of their own at both connectors and at the data bank, and what they undo.

The seller's connector has its database on PostgreSQL, the buyer's on SQLite.
"""

import json

from harness import BIN, PATIENCE, main, tap
from u100_duties import CTX, ODRL, PROTOCOL, USE, Space, World, before, duty, stamp, until, walk

MANY = 200


def following(action, *constraints, consequences):
    return {**duty(action, *constraints), "odrl:consequence": list(consequences)}


def by_action(space, company, agreement):
    return {d["action"].split("/")[-1]: d for d in space.duties(company, agreement)}


def both(space):
    return (space.buyer, space.seller)


def states(space, company, agreement):
    return {k: d["state"] for k, d in by_action(space, company, agreement).items()}


def wait_states(space, agreement, **want):
    for company in both(space):
        until(lambda c=company: states(space, c, agreement) == want, f"{company.slug}: {want}")


def try_transfer(space, agreement):
    """A transfer that is asked for, as soon as it runs or was refused."""
    pid = space.call(space.buyer, "POST", "/v3/transferprocesses", {
        "@context": CTX, "@type": "TransferRequest", "counterPartyAddress": f"{space.seller.public_url}/dsp/2025-1", "protocol": PROTOCOL,
        "contractId": agreement, "transferType": "HttpData-PULL"})["@id"]
    path = f"/v3/transferprocesses/{pid}"
    until(lambda: space.call(space.buyer, "GET", path)["state"] in ("STARTED", "TERMINATED"), "a transfer that starts, or is refused")
    return space.call(space.buyer, "GET", path)


# -- from violation to amends -------------------------------------------------------------------------------------------
def overdue_and_amended(space):
    """A duty of the permission: violated it stops the data; done late it counts once its consequence was done, too."""
    due = stamp(6 * PATIENCE)
    consequence = duty("compensate", before(stamp(3600)))
    agreement = space.agree(permission=[{**USE, "odrl:duty": [following("anonymize", before(due), consequences=[consequence])]}])
    tap.equal(states(space, space.buyer, agreement), {"anonymize": "open"}, "before: there is the duty alone")
    tap.equal(try_transfer(space, agreement)["state"], "STARTED", "before: data may pass")

    wait_states(space, agreement, anonymize="overdue", compensate="open")
    ours, theirs = by_action(space, space.buyer, agreement), by_action(space, space.seller, agreement)
    tap.equal({d["follows"] for d in (ours["compensate"], theirs["compensate"])}, {ours["anonymize"]["id"]}, "both know what it follows from")
    tap.equal((ours["compensate"]["id"], ours["compensate"]["due_at"]), (theirs["compensate"]["id"], theirs["compensate"]["due_at"]),
              "both know it by one id and date")
    tap.equal((ours["compensate"]["ours"], theirs["compensate"]["ours"]), (True, False), "the consumer owes it")
    tap.ok("follows" not in ours["anonymize"], "the first one follows from nothing", ours["anonymize"])
    refused = try_transfer(space, agreement)
    tap.equal(refused["state"], "TERMINATED", "violated: nothing passes")
    tap.contains(refused["errorDetail"], "duty", "because of the duty")
    listed = space.buyer.naru("duties", "--agreement", agreement, as_json=False)
    tap.contains(listed, "consequence", "naru duties marks it")

    space.buyer.naru("duties", "done", ours["anonymize"]["id"], "--statement", "anonymized in the end")
    wait_states(space, agreement, anonymize="late", compensate="open")
    tap.equal(try_transfer(space, agreement)["state"], "TERMINATED", "done late alone does not count")

    said = space.buyer.naru("duties", "done", ours["compensate"]["id"], "--statement", "transferred to your account")
    tap.equal(said["state"], "done", "the consequence is done")
    wait_states(space, agreement, anonymize="late", compensate="done")
    tap.equal(try_transfer(space, agreement)["state"], "STARTED", "done late with its consequence it counts: data passes again")
    until(lambda: {d["duty"]: d["state"] for d in space.at_broker(agreement)} ==
          {ours["anonymize"]["id"]: "late", ours["compensate"]["id"]: "done"}, "the data bank has both")
    tap.equal([s["document"] for d in space.at_broker(agreement) if d["duty"] == ours["compensate"]["id"] for s in d["said"]],
              [said["document"]], "with the signed word")


def consequences_of_an_obligation(space):
    """Each action as it is: told at once, deleted at once, and overdue in its turn."""
    soon, later = stamp(4 * PATIENCE), stamp(10 * PATIENCE)
    agreement = space.agree(permission=[USE], obligation=[following("anonymize", before(soon), consequences=[
        duty("inform"), duty("delete"), duty("compensate", before(later))])])
    for company in both(space):
        until(lambda c=company: states(space, c, agreement) ==
              {"anonymize": "overdue", "inform": "done", "delete": "done", "compensate": "overdue"}, f"{company.slug}: all that follows")
    tap.equal({d["by"] for d in space.duties(space.buyer, agreement) if d["action"].endswith(("inform", "delete"))}, {"connector"},
              "the connector has told, and deleted: nothing was received")
    until(lambda: {d["action"].split("/")[-1]: d["state"] for d in space.at_broker(agreement)} ==
          {"anonymize": "overdue", "inform": "done", "delete": "done", "compensate": "overdue"}, "the data bank says the same")
    waived = by_action(space, space.seller, agreement)["compensate"]
    space.seller.naru("duties", "waive", waived["id"], "--reason", "let it be")
    wait_states(space, agreement, anonymize="overdue", inform="done", delete="done", compensate="waived")
    tap.ok(True, "who is owed may waive it")


def in_time(space):
    """Nothing follows from what is done in its time; another duty tells that it is over."""
    agreement = space.agree(permission=[USE], obligation=[following("anonymize", before(stamp(5 * PATIENCE)), consequences=[duty("inform")])])
    space.buyer.naru("duties", "done", space.one(space.buyer, agreement, "anonymize")["id"], "--statement", "done")
    for company in both(space):
        space.wait(company, agreement, "done", "anonymize")
    other = space.agree(permission=[USE], obligation=[duty("anonymize", before(stamp(6 * PATIENCE)))])
    for company in both(space):
        space.wait(company, other, "overdue", "anonymize")
        tap.equal(states(space, company, agreement), {"anonymize": "done"}, f"{company.slug}: nothing followed")


def not_paid_by_the_order(space):
    """The order of the agreement pays what was agreed, not what follows from a violation."""
    source, policy = space.seller.home / "data" / "sold.csv", space.world.folder / "policy.json"
    source.write_text("time,kwh\n1,2\n")
    names = ("--title-en", "Sold", "--title-ko", "판매", "--domain", "process", "--plan", "one-off:1000")
    plan = space.buyer.naru("show", space.seller.naru("publish", source, *names)["dataset"])["plans"][0]["hash"]
    order = {"leftOperand": "urn:naru:policy:order", "operator": "isAnyOf", "rightOperand": [f"urn:naru:plan:{plan}"]}
    policy.write_text(json.dumps({
        "@context": ["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", {"odrl": ODRL}], "@type": "Set", "profile": ["urn:naru:profile:commercial:1"],
        "permission": [{**USE, "constraint": [order]}],
        "obligation": [following("anonymize", before(stamp(8 * PATIENCE)), consequences=[duty("compensate", before(stamp(3600)))])]}))
    dataset = space.seller.naru("publish", source, *names, "--policy", policy)["dataset"]
    agreement = space.buyer.naru("buy", dataset, "--purpose", "urn:naru:purpose:research")["agreement"]
    wait_states(space, agreement, anonymize="overdue", compensate="open")
    said = space.buyer.naru("duties", "done", by_action(space, space.buyer, agreement)["compensate"]["id"], "--statement", "transferred")
    tap.equal((said["state"], said["by"]), ("done", "operator"), "people pay it, and say so")
    wait_states(space, agreement, anonymize="overdue", compensate="done")


def across_a_kill(space):
    """The instant passes while the buyer does not run; killed again at once, it has each consequence once."""
    agreement = space.agree(permission=[USE], obligation=[following("anonymize", before(stamp(4 * PATIENCE)), consequences=[
        duty("compensate"), duty("distribute")])])
    space.buyer.connector.kill()
    until(lambda: states(space, space.seller, agreement) == {"anonymize": "overdue", "compensate": "open", "distribute": "open"}, "the seller knows")
    for _ in range(2):
        space.begin(space.buyer)
        until(lambda: len(space.duties(space.buyer, agreement)) == 3, "the buyer knows")
        space.buyer.connector.kill()
    space.begin(space.buyer)
    tap.equal({d["id"] for d in space.duties(space.buyer, agreement)}, {d["id"] for d in space.duties(space.seller, agreement)},
              "both have the same three")
    tap.equal("due_at" in by_action(space, space.buyer, agreement)["distribute"], False, "what has no date has none")


def many(space):
    """An agreement with as many duties as it likes."""
    agreement = space.agree(permission=[USE], obligation=[duty("anonymize", before(f"{2031 + i}-01-01T00:00:00Z")) for i in range(MANY - 1)] + [
        following("inform", before(stamp(6 * PATIENCE)), consequences=[duty("compensate")])])
    for company in both(space):
        until(lambda c=company: len(space.duties(c, agreement, limit=1000)) == MANY, f"{company.slug}: {MANY} duties")
    tap.equal({d["id"] for d in space.duties(space.buyer, agreement, limit=1000)},
              {d["id"] for d in space.duties(space.seller, agreement, limit=1000)}, f"{MANY} duties, the same at both")
    for company in both(space):
        until(lambda c=company: space.call(c, "GET", f"/naru/v1/duties?agreement={agreement}&state=done")["items"] != [], "one is done")
    last = sorted(space.duties(space.buyer, agreement, limit=1000), key=lambda d: d.get("due_at", ""))[-1]
    space.buyer.naru("duties", "done", last["id"], "--statement", "the last one")
    until(lambda: [d["id"] for d in space.duties(space.seller, agreement, state="done", limit=1000) if d["action"].endswith("anonymize")] == [last["id"]],
          "the last one is done, and the seller knows")
    tap.equal(try_transfer(space, agreement)["state"], "STARTED", "data passes under it")


def scenario():
    with World(BIN, companies=2, durable=False) as world:
        walk(Space(world), (overdue_and_amended, consequences_of_an_obligation, in_time, not_paid_by_the_order, across_a_kill, many))


if __name__ == "__main__":
    main(scenario)
