"""The data bank itself lies: a log made anew with its own key, in which one thing is not as it should be. The verifier names it.

Each case changes the entries of an honest log; tree, checkpoint and signature are then made again, so that only what the entries
say can give it away.
"""

import calendar
import copy
import hashlib
import json
import time
import uuid

from auditlog import Mirror, pull, sha256, verify
from auditworld import World, canonical, event_id, signature
from databank import stamp, unbase64url
from harness import main, tap, temp_dir, wait_until

ZERO = str(uuid.UUID(int=0))


def derive(*parts):
    b = bytearray(sha256("|".join(parts).encode())[:16])
    b[6] = b[6] & 0x0F | 0x80
    b[8] = b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


class Log:
    """Entries that a case may change."""

    def __init__(self, entries, world):
        self.entries, self.world = entries, world

    def find(self, kind, nth=0, **members):
        """Index of the nth entry of a kind with these members of its body."""
        found = [i for i, e in enumerate(self.entries) if e["kind"] == kind and all(e["body"].get(k) == v for k, v in members.items())]
        return found[nth]

    def body(self, *args, **members):
        i = self.find(*args, **members)
        return i, self.entries[i]["body"]

    def change(self, index, **members):
        """Other members in a body; None takes one away. Returns the index."""
        body = {**self.entries[index]["body"], **members}
        self.entries[index]["body"] = {k: v for k, v in body.items() if v is not None}
        return index

    def drop(self, index):
        del self.entries[index]
        return None

    def again(self, index, place=None, **members):
        """The same entry a second time."""
        twin = copy.deepcopy(self.entries[index])
        place = index + 1 if place is None else place
        self.entries.insert(place, twin)
        return self.change(place, **members)

    def add(self, place, kind, body):
        self.entries.insert(place, {"at": self.entries[place - 1]["at"], "body": body, "kind": kind})
        return place

    def account(self, owner, code, currency="KRW"):
        return derive(owner or ZERO, code, currency)

    def batch(self, company, lines, place):
        """A batch of receipts that the company has signed, all accepted."""
        body = "".join(f"{line}\n" for line in lines).encode()
        digest = hashlib.sha256(body).hexdigest()
        name = derive("batch", company.id, digest)
        self.add(place, "batch.accepted", {"batch": name, "hash": f"sha256:{digest}", "reporter": company.id, "lines": len(lines),
                                           "signature": signature(company, body, len(lines))})
        for n, line in enumerate(lines):
            self.add(place + 1 + n, "receipt.accepted", {"batch": name, "line": n + 1, "receipt": json.loads(line)})
        return place + 1


CASES = []


def case(check, text=""):
    """A change of the log; it returns the index of the entry that must be named, or None."""
    def remember(fn):
        CASES.append((fn.__name__.replace("_", " "), check, text, fn))
        return fn
    return remember


# -- participants, plans, datasets --------------------------------------------------------------------------------------
@case("participant", "second time")
def a_company_applies_twice(log):
    return log.again(log.find("participant.applied"))


@case("participant", "never applied")
def a_company_without_application_is_approved(log):
    return log.change(log.find("participant.decided"), participant=ZERO)


@case("batch", "the signature is not that of")
def a_company_has_another_key(log):
    one, two = log.find("participant.applied", 0), log.find("participant.applied", 1)
    log.change(one, jwk=log.entries[two]["body"]["jwk"])
    return log.find("batch.accepted", reporter=log.entries[one]["body"]["participant"])


@case("credential", "who is no member")
def a_company_that_was_not_approved_has_a_credential(log):
    i = log.find("credential.issued", participant=log.world.barred.id)
    log.drop(log.find("participant.decided", participant=log.world.barred.id, state="active"))
    return i - 1


@case("credential", "stands in the log twice")
def a_credential_is_issued_twice(log):
    return log.again(log.find("credential.issued"))


@case("credential", "is suspended, and credential")
def a_suspended_company_keeps_its_credential(log):
    log.drop(log.find("credential.revoked", participant=log.world.barred.id))
    return log.find("participant.decided", participant=log.world.barred.id, state="suspended")


@case("credential", "is over already")
def a_credential_is_revoked_twice(log):
    return log.again(log.find("credential.revoked"))


@case("credential", "was never given")
def a_credential_of_another_company_is_revoked(log):
    return log.change(log.find("credential.revoked", participant=log.world.checked.id), participant=log.world.barred.id)


@case("credential", "follows")
def a_revocation_is_left_out(log):
    i = log.find("credential.revoked", participant=log.world.barred.id)
    return log.change(i, revocation=log.entries[i]["body"]["revocation"] + 1)


@case("attestation", "stands in the log twice")
def something_is_checked_twice(log):
    return log.again(log.find("attestation.recorded"))


@case("attestation", "was never given")
def something_is_withdrawn_that_nobody_said(log):
    return log.change(log.find("attestation.withdrawn"), attestation=ZERO)


@case("attestation", "is over already")
def something_is_withdrawn_twice(log):
    return log.again(log.find("attestation.withdrawn"))


@case("participant", "never applied")
def something_is_checked_of_a_stranger(log):
    return log.change(log.find("attestation.recorded"), participant=ZERO)


@case("plan", "its text has the hash")
def a_plan_has_another_price(log):
    i, body = log.body("plan.registered")
    text = copy.deepcopy(body["text"])
    text["components"][0]["tiles" if "tiles" in text["components"][0] else "tiers"][0]["price"] = "1250000334"
    return log.change(i, text=text)


@case("dataset", "is not in the log")
def a_plan_is_missing(log):
    log.drop(log.find("plan.registered"))
    return log.find("dataset.published")


@case("plan", "twice")
def a_plan_comes_twice(log):
    return log.again(log.find("plan.registered"))


@case("dataset", "another provider")
def a_dataset_changes_hands(log):
    i = log.find("dataset.published")
    return log.again(i, provider=log.world.parts.id, version=2)


@case("dataset", "never published")
def an_unknown_dataset_is_withdrawn(log):
    return log.add(log.find("account.opened"), "dataset.withdrawn", {"dataset": ZERO, "by": "x"})


# -- orders and agreements ----------------------------------------------------------------------------------------------
@case("order", "version 3 after 1")
def a_version_of_an_order_is_missing(log):
    order = log.world.rows.id
    log.drop(log.find("order.changed", order=order, version=2))
    return log.find("order.changed", order=order, version=3)


@case("order", "cannot follow")
def an_order_skips_a_state(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=2), state="ended")


@case("order", "begins as")
def an_order_begins_contracted(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=1), state="contracted")


@case("order", "plan, parties or hold changed")
def an_order_changes_its_plan(log):
    other = log.entries[log.find("plan.registered", 1)]["body"]["plan"]
    return log.change(log.find("order.changed", order=log.world.rows.id, version=3), plan=other)


@case("order", "plan, parties or hold changed")
def an_order_changes_its_consumer(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=3), consumer=log.world.parts.id)


@case("order", "has not offered")
def an_order_is_of_another_provider(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=1), provider=log.world.parts.id)


@case("order", "its plan's quote")
def an_order_holds_less(log):
    return log.change(log.find("order.changed", order=log.world.once.id, version=1), hold_minor=1)


@case("order", "matching")
def an_order_has_another_rule(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=1), matching_rule="provider")


@case("order", "matching")
def an_order_has_another_tolerance(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=1), tolerance_ppm=900000)


@case("order", "another instant")
def an_order_is_active_earlier(log):
    return log.change(log.find("order.changed", order=log.world.rows.id, version=3), active_at=stamp(log.world.begin - 5))


@case("order", "bound to two orders")
def an_agreement_serves_two_orders(log):
    return log.change(log.find("order.changed", order=log.world.rent.id, version=2), agreement=log.world.rows.agreement)


@case("agreement", "twice")
def an_agreement_is_reported_twice(log):
    return log.again(log.find("agreement.reported"))


@case("agreement", "is not the provider")
def an_agreement_is_reported_by_another(log):
    return log.change(log.find("agreement.reported", role="provider", agreement=log.world.rows.agreement), participant=log.world.parts.id)


@case("agreement", "another counterparty")
def an_agreement_is_reported_with_another(log):
    i = log.find("agreement.reported", role="consumer", agreement=log.world.rows.agreement)
    return log.change(i, peer=log.world.parts.did)


@case("order", "without two equal reports")
def the_reports_name_others(log):
    log.change(log.find("agreement.reported", role="consumer", agreement=log.world.rows.agreement), peer=log.world.parts.did)
    return log.find("order.changed", order=log.world.rows.id, state="active")


@case("agreement", "twice")
def a_company_is_both_sides(log):
    i = log.find("agreement.reported", role="consumer", agreement=log.world.rows.agreement)
    return log.again(i, role="provider", order=None)


@case("order", "without two equal reports")
def the_two_reports_differ(log):
    log.change(log.find("agreement.reported", role="consumer", agreement=log.world.rows.agreement), hash="cd" * 32)
    return log.find("order.changed", order=log.world.rows.id, state="active")


@case("order", "without two equal reports")
def a_report_is_missing(log):
    log.drop(log.find("agreement.reported", role="consumer", agreement=log.world.rows.agreement))
    return log.find("order.changed", order=log.world.rows.id, state="active")


@case("agreement", "is not its provider")
def an_agreement_is_ended_by_another(log):
    return log.change(log.find("agreement.ended", agreement=log.world.brief.agreement), participant=log.world.plant.id)


@case("agreement", "cannot choose")
def a_consumer_chooses_the_end(log):
    early = stamp(log.world.begin + 60)
    log.change(log.find("order.changed", order=log.world.left.id, state="ended"), ended_at=early)
    return log.change(log.find("agreement.ended", agreement=log.world.left.agreement), ended_at=early, effective_at=early)


@case("agreement", "cannot choose")
def an_end_counts_from_another_instant(log):
    return log.change(log.find("agreement.ended", agreement=log.world.brief.agreement), effective_at=stamp(log.world.begin + 60))


@case("agreement", "ended twice")
def an_agreement_is_ended_twice(log):
    return log.again(log.find("agreement.ended", agreement=log.world.brief.agreement))


@case("order", "at another instant")
def an_order_ends_later(log):
    return log.change(log.find("order.changed", order=log.world.brief.id, state="ended"), ended_at=stamp(log.world.begin + 3000))


@case("order", "without an end")
def nobody_ended_it(log):
    log.drop(log.find("agreement.ended", agreement=log.world.brief.agreement))
    return log.find("order.changed", order=log.world.brief.id, state="ended")


# -- batches and receipts -----------------------------------------------------------------------------------------------
@case("batch", "not the bytes that the reporter signed")
def a_receipt_counts_more(log):
    i, body = log.body("receipt.accepted", 5)
    log.change(i, receipt={**body["receipt"], "rows": body["receipt"]["rows"] + 1})
    return log.find("batch.accepted", batch=body["batch"])


@case("batch", "lines are in the log")
def a_receipt_is_dropped(log):
    i, body = log.body("receipt.accepted", 5)
    log.drop(i)
    return log.find("batch.accepted", batch=body["batch"])


@case("receipt", "there already, or cannot be")
def a_receipt_comes_twice(log):
    return log.again(log.find("receipt.accepted", 5))


@case("batch", "not the bytes that the reporter signed")
def two_lines_are_exchanged(log):
    one, two = log.find("receipt.accepted", 5), log.find("receipt.accepted", 6)
    a, b = log.entries[one]["body"]["receipt"], log.entries[two]["body"]["receipt"]
    log.change(one, receipt=b)
    log.change(two, receipt=a)
    return log.find("batch.accepted")


@case("batch", "not the bytes that the reporter signed")
def a_refused_line_is_altered(log):
    i, body = log.body("receipt.refused")
    log.change(i, text=body["text"] + "!")
    return log.find("batch.accepted", batch=body["batch"])


@case("batch", "has signed another batch")
def a_batch_has_more_lines(log):
    i, body = log.body("batch.accepted")
    return log.change(i, lines=body["lines"] + 1)


@case("batch", "has signed another batch")
def a_batch_has_the_signature_of_another(log):
    other = log.entries[log.find("batch.accepted", 1, reporter=log.world.plant.id)]["body"]["signature"]
    return log.change(log.find("batch.accepted", 0, reporter=log.world.plant.id), signature=other)


@case("batch", "is not that of its reporter and hash")
def a_batch_has_another_reporter(log):
    return log.change(log.find("batch.accepted", 0, reporter=log.world.plant.id), reporter=log.world.mill.id)


@case("batch", "accepted before")
def a_batch_is_accepted_twice(log):
    return log.again(log.find("batch.accepted"))


@case("receipt", "its batch is not in the log")
def a_batch_is_missing(log):
    i, body = log.body("batch.accepted")
    log.drop(i)
    return log.find("receipt.accepted", batch=body["batch"])


@case("receipt", "breaks the rules")
def a_receipt_is_impossible(log):
    i, body = log.body("receipt.accepted", 5)
    return log.change(i, receipt={**body["receipt"], "until": "2020-01-01T00:00:00Z"})


@case("receipt", "is not the provider")
def a_stranger_reports(log):
    w = log.world
    line = w.rows.line("provider", event_id(w.middle * 1000), w.middle, seq=9000)
    return log.batch(w.parts, [line], log.find("event.billed"))


@case("receipt", "counted twice")
def a_company_reports_an_event_twice(log):
    w = log.world
    known = log.entries[log.find("receipt.accepted")]["body"]["receipt"]
    return log.batch(w.mill, [canonical({**known, "seq": 9001})], log.find("event.billed"))


@case("receipt", "used twice")
def a_company_uses_a_number_twice(log):
    w = log.world
    known = log.entries[log.find("receipt.accepted")]["body"]["receipt"]
    other = known["event"][:-1] + ("0" if known["event"][-1] != "0" else "1")
    return log.batch(w.mill, [canonical({**known, "event": other})], log.find("event.billed"))


# -- matching -----------------------------------------------------------------------------------------------------------
@case("match", "its receipts give")
def more_rows_are_billed(log):
    i, body = log.body("event.billed", order=log.world.rows.id)
    return log.change(i, rows=body["rows"] + 1)


@case("match", "its receipts give")
def a_dispute_is_billed_as_matched(log):
    return log.change(log.find("event.billed", match="unequal"), match="matched")


@case("match", "its receipts give")
def the_higher_meter_is_billed(log):
    return log.change(log.find("event.billed", match="unequal"), rows=1000)


@case("match", "second time")
def an_event_is_billed_twice(log):
    return log.again(log.find("event.billed"))


@case("match", "without a receipt")
def an_event_is_billed_that_nobody_reported(log):
    i, body = log.body("event.billed")
    return log.again(i, event=body["event"][:-1] + ("0" if body["event"][-1] != "0" else "1"))


@case("match", "left open that period")
def an_event_is_not_billed(log):
    log.drop(log.find("event.billed", order=log.world.rows.id))
    return log.find("period.closed", name="first")


@case("period", "bills an event after its end")
def an_event_is_billed_too_early(log):
    second = log.find("period.closed", name="second")
    period = log.entries[log.find("period.closed", name="first")]["body"]["period"]
    later = [i for i, e in enumerate(log.entries[:second]) if e["kind"] == "event.billed" and e["body"]["period"] != period]
    for body in [log.entries[i]["body"] for i in later]:  # one of them lies after the end of the first period
        log.add(log.find("event.billed"), "event.billed", {**body, "period": period})
    return log.find("period.closed", name="first")


# -- ledger -------------------------------------------------------------------------------------------------------------
@case("posting", "its document says")
def a_provider_is_credited_less(log):
    i, body = log.body("transfer.posted", code="payable")
    return log.change(i, amount_minor=body["amount_minor"] - 1)


@case("posting", "was not posted")
def a_posting_is_missing(log):
    log.drop(log.find("transfer.posted", code="payable"))
    return None


@case("ledger", "belongs to no order and no document")
def a_posting_is_invented(log):
    i, body = log.body("transfer.posted", code="fee")
    return log.again(i, transfer=derive("a", "b", "c"))


@case("posting", "between other accounts")
def a_payout_goes_to_another_provider(log):
    w = log.world
    mine, other = log.account(w.mill.id, "payable"), log.account(w.plant.id, "payable")
    return log.change(log.find("transfer.posted", code="payable", credit=mine), credit=other)


@case("ledger", "is in EUR")
def a_posting_is_in_another_currency(log):
    return log.change(log.find("transfer.posted", code="payable"), currency="EUR")


@case("ledger", "was resolved before")
def a_hold_is_captured_twice(log):
    i, body = log.body("transfer.posted", transfer_kind="capture")
    return log.again(i, transfer=derive("a", "b", "c"))


@case("ledger", "of another amount")
def a_capture_takes_more_than_is_held(log):
    i, body = log.body("transfer.posted", transfer_kind="capture")
    return log.change(i, amount_minor=body["amount_minor"] + 1000000)


@case("ledger", "of another amount")
def a_release_gives_back_less(log):
    i, body = log.body("transfer.posted", transfer_kind="void")
    return log.change(i, amount_minor=body["amount_minor"] - 1)


@case("ledger", "its hold is not in the log")
def a_capture_has_no_hold(log):
    return log.change(log.find("transfer.posted", transfer_kind="capture"), pending=derive("a", "b", "c"))


@case("ledger", "is not released")
def a_cancelled_order_keeps_its_hold(log):
    log.drop(log.find("transfer.posted", transfer_kind="void"))
    return log.find("transfer.posted", transfer_kind="hold", journal=log.world.cancelled.id)


@case("ledger", "the hold of order")
def a_hold_is_smaller_than_its_order(log):
    return log.change(log.find("transfer.posted", transfer_kind="hold", journal=log.world.once.id), amount_minor=1)


@case("ledger", "was not posted")
def a_hold_is_missing(log):
    log.drop(log.find("transfer.posted", transfer_kind="hold", journal=log.world.once.id))
    return log.find("order.changed", order=log.world.once.id, version=1)


@case("ledger", "exceeds the credit limit")
def a_debt_beyond_the_limit_is_no_excess(log):
    i, body = log.body("transfer.posted", code="invoice.excess")
    return log.change(i, debit=log.account(log.world.parts.id, "receivable"))


@case("ledger", "beyond the credit limit, which leaves")
def a_debt_below_the_limit_is_excess(log):
    w = log.world
    excess = log.find("transfer.posted", code="invoice.excess")
    before, body = log.body("transfer.posted", code="invoice", debit=log.account(w.parts.id, "receivable"), journal=log.entries[excess]["body"]["journal"])
    log.change(before, amount_minor=body["amount_minor"] - 10)
    return log.change(excess, amount_minor=log.entries[excess]["body"]["amount_minor"] + 10)


@case("ledger", "occurs twice")
def a_posting_comes_twice(log):
    return log.again(log.find("transfer.posted", code="fee"))


@case("ledger", "positive amount")
def a_posting_of_nothing(log):
    return log.change(log.find("transfer.posted", code="fee"), amount_minor=0)


@case("ledger", "positive amount")
def a_posting_onto_itself(log):
    i, body = log.body("transfer.posted", code="fee")
    return log.change(i, debit=body["credit"])


@case("ledger", "does not mirror")
def a_reversal_of_another_amount(log):
    i, body = log.body("transfer.posted", code="payable")
    return log.again(i, transfer=derive("a", "b", "c"), reverses=body["transfer"], debit=body["credit"], credit=body["debit"],
                     amount_minor=body["amount_minor"] + 1)


@case("posting", "another kind, time")
def a_posting_at_another_time(log):
    return log.change(log.find("transfer.posted", code="vat"), effective_at=stamp(log.world.begin))


@case("ledger", "its id is not that of")
def an_account_of_another_owner(log):
    return log.change(log.find("account.opened", code="payable"), owner=log.world.parts.id)


@case("ledger", "side or limit")
def an_account_without_limit(log):
    return log.change(log.find("account.opened", code="receivable"), limit_minor=None)


@case("ledger", "opened twice")
def an_account_is_opened_twice(log):
    return log.again(log.find("account.opened"))


# -- documents ----------------------------------------------------------------------------------------------------------
def edit(log, index, path, value):
    """Another value in the body of a document."""
    body = copy.deepcopy(log.entries[index]["body"]["body"])
    *way, last = path
    at = body
    for step in way:
        at = at[step]
    at[last] = value
    return log.change(index, body=body)


def invoice_of(log, order):
    """Index of the first invoice with this order, and place of its section."""
    for i, e in enumerate(log.entries):
        if e["kind"] == "document.issued" and e["body"]["document_kind"] == "invoice":
            for n, section in enumerate(e["body"]["body"]["orders"]):
                if section["order"] == order.id:
                    return i, n
    raise AssertionError("no such invoice")


@case("document", "its orders give")
def an_invoice_says_more(log):
    i, body = log.body("document.issued", document_kind="invoice")
    return log.change(i, total_minor=body["total_minor"] + 1)


@case("document", "its orders give")
def the_body_of_an_invoice_says_more(log):
    i, body = log.body("document.issued", document_kind="invoice")
    return edit(log, i, ["total"], str(int(body["body"]["total"]) + 1))


@case("rating", "/lines/0/amount is")
def a_line_costs_more(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "rating", "lines", 0, "amount"], "999999")


@case("rating", "/total is")
def a_section_costs_more(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "rating", "total"], "999999")


@case("rating", "/lines_hash is")
def the_lines_of_a_long_invoice_are_others(log):
    i, n = invoice_of(log, log.world.longest)
    return edit(log, i, ["orders", n, "rating", "lines_hash"], "sha256:" + "0" * 64)


@case("document", "its id is not that of")
def parts_of_an_invoice_are_exchanged(log):
    one, two = (log.find("document.issued", n, document_kind="invoice", participant=log.world.plant.id) for n in (0, 1))
    a, b = log.entries[one], log.entries[two]
    log.entries[one], log.entries[two] = b, a
    return one


@case("rating", "/fee is")
def the_operator_takes_a_higher_fee(log):
    i = log.find("document.issued", document_kind="statement", participant=log.world.mill.id)
    return edit(log, i, ["orders", 0, "rating", "fee"], "999")


@case("document", "the log bills")
def a_section_counts_more_use(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "usage", "rows"], 1)


@case("document", "first period")
def a_first_period_is_none(log):
    i, n = invoice_of(log, log.world.once)
    return edit(log, i, ["orders", n, "usage", "first_period"], False)


@case("document", "activity")
def a_subscription_is_active_longer(log):
    i, n = invoice_of(log, log.world.rent)
    return edit(log, i, ["orders", n, "usage", "active_from"], stamp(log.world.begin - 86400))


@case("document", "missing numbers")
def missing_reports_are_hidden(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "usage", "missing_provider"], 7)


@case("document", "are not the order's")
def an_order_is_billed_to_another(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "consumer"], log.world.parts.id)


@case("document", "are not the order's")
def an_order_is_billed_under_another_plan(log):
    i, n = invoice_of(log, log.world.rows)
    return edit(log, i, ["orders", n, "plan"], log.entries[log.find("plan.registered", 1)]["body"]["plan"])


@case("document", "in two documents")
def an_order_stands_in_an_invoice_twice(log):
    i, n = invoice_of(log, log.world.rows)
    orders = log.entries[i]["body"]["body"]["orders"]
    return edit(log, i, ["orders"], orders + [orders[n]])


@case("document", "stands in no invoice")
def an_order_is_left_out_of_its_invoice(log):
    i, n = invoice_of(log, log.world.rows)
    orders = list(log.entries[i]["body"]["body"]["orders"])
    del orders[n]
    edit(log, i, ["orders"], orders)
    return None


@case("period", "is left out of period first")
def an_order_is_not_billed_at_all(log):
    for i, e in enumerate(log.entries):
        if e["kind"] == "document.issued":
            edit(log, i, ["orders"], [s for s in e["body"]["body"]["orders"] if s["order"] != log.world.once.id])
    return log.find("period.closed", name="first")


@case("document", "issued twice")
def a_document_comes_twice(log):
    return log.again(log.find("document.issued"))


@case("document", "stands in no invoice")
def an_invoice_is_missing(log):
    log.drop(log.find("document.issued", document_kind="invoice", participant=log.world.plant.id))
    return None


@case("document", "its number is")
def a_number_is_skipped(log):
    return log.change(log.find("document.issued"), number="I-first-00009")


@case("document", "its id is not that of")
def a_document_has_another_id(log):
    return log.change(log.find("document.issued"), document=derive("a", "b", "c"))


@case("document", "another one in its body")
def a_document_is_another_party_s_in_its_body(log):
    return edit(log, log.find("document.issued"), ["party"], log.world.mill.id)


# -- payouts and periods ------------------------------------------------------------------------------------------------
@case("payout", "its statement says")
def a_payout_is_smaller(log):
    i, body = log.body("payout.ordered")
    return log.change(i, amount_minor=body["amount_minor"] - 1)


@case("payout", "was not ordered")
def a_payout_is_missing(log):
    i, body = log.body("payout.ordered")
    log.drop(i)
    return log.find("document.issued", document=body["document"])


@case("payout", "paid before")
def a_payout_comes_twice(log):
    return log.again(log.find("payout.ordered"))


@case("payout", "pays no statement")
def a_payout_of_an_invoice(log):
    invoice = log.entries[log.find("document.issued", document_kind="invoice")]["body"]["document"]
    return log.change(log.find("payout.ordered"), document=invoice)


@case("period", "its id is not that of")
def a_period_has_another_end(log):
    return log.change(log.find("period.closed", name="first"), to=stamp(log.world.middle + 1))


@case("period", "which is not closed")
def a_period_stays_open(log):
    i = log.find("period.closed", name="second")
    period = log.entries[i]["body"]["period"]
    log.drop(i)
    return min(n for n, e in enumerate(log.entries) if e["body"].get("period") == period)


@case("period", "closed before")
def a_closed_period_is_billed_again(log):
    period = log.entries[log.find("period.closed", name="first")]["body"]["period"]
    i = log.find("event.billed", -1)
    return log.change(i, period=period)


@case("period", "overlaps")
def two_periods_overlap(log):
    i = log.find("period.closed", name="first")
    start, end = stamp(log.world.begin), stamp(log.world.middle)
    return log.again(i, period=derive("period", "other", f"{start}/{end}"), name="other", **{"from": start, "to": end})


@case("period", "before its end")
def a_period_is_closed_too_early(log):
    start, end = stamp(log.world.now), stamp(log.world.now + 86400)
    i = log.find("period.closed", name="second")
    return log.again(i, period=derive("period", "other", f"{start}/{end}"), name="other", **{"from": start, "to": end})


# -- form ---------------------------------------------------------------------------------------------------------------
@case("entry", "unknown kind")
def an_entry_of_an_unknown_kind(log):
    log.entries[5]["kind"] = "something.else"
    return 5


@case("entry", "is not in 'participant.decided'")
def an_entry_with_another_member(log):
    return log.change(log.find("participant.decided"), extra=1)


@case("entry", "canonical")
def an_entry_that_is_not_canonical(log):
    i = log.find("participant.decided")
    log.entries[i] = json.dumps(log.entries[i], sort_keys=True).encode()
    return i


@case("entry", "well-formed")
def an_entry_that_is_no_json(log):
    log.entries[5] = b"{"
    return 5


@case("entry", "lies before")
def time_runs_backwards(log):
    log.entries[9]["at"] = "2020-01-01T00:00:00Z"
    return 9


def calm(entries):
    """Ten minutes pass before the first close, so that it must have seen everything (VERIFY_OVERLAP_US)."""
    for e in entries[:next(i for i, e in enumerate(entries) if e["kind"] == "event.billed")]:
        e["at"] = stamp(calendar.timegm(time.strptime(e["at"][:19], "%Y-%m-%dT%H:%M:%S")) - 600)


def scenario():
    world = World()
    for step in (world.join, world.vouch, world.order, world.trade, world.first, world.second):
        step()
    wait_until(world.sealed, 10, "everything is sealed")
    folder = temp_dir("tamper-")
    honest = Mirror(folder / "honest")
    status, said = pull(honest.folder, world.bank.url, world.bank.authority.ca, world.token_file)
    tap.equal(status, 0, "the log is pulled")
    entries = honest.entries()
    again = Mirror(folder / "log").write(entries, world.key)
    tap.equal((again.folder / "checkpoint").read_text(), (honest.folder / "checkpoint").read_text(),
              "tree and checkpoint made anew are the data bank's own, byte by byte")
    tap.ok(verify(again.folder).status == 0, "the honest log has no findings", verify(again.folder))
    calm(entries)
    again.write(entries, world.key)
    tap.ok(verify(again.folder).status == 0, "nor has one with some time before the close", verify(again.folder))
    for name, check, text, change in CASES:
        log = Log(copy.deepcopy(entries), world)
        index = change(log)
        again.write(log.entries, world.key)
        verdict = verify(again.folder)
        tap.ok(verdict.status == 1 and verdict.has(check, index, text), f"{name}: {check}" + ("" if index is None else f", entry {index}"),
               f"wanted {check} at {index}: {text}\n{verdict}")
    tap.ok(len({name for name, *_ in CASES}) >= 60, f"{len(CASES)} kinds of tampering")


main(scenario)
