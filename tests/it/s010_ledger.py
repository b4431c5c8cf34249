"""The ledger's invariants hold against the application's own role, and against the owner of the tables: each attack is refused by the database."""

import subprocess
import uuid

from harness import ROOT, Postgres, environment, main, tap

OWNER_ID = "00000000-0000-7000-8000-000000000001"


class Ledger:
    def __init__(self):
        self.pg = Postgres()
        self.pg.create("ledger")
        for path in sorted((ROOT / "sql" / "schema" / "broker").glob("*.sql")):
            self.must(path.read_text())
        self.must(f"INSERT INTO reg.participant (participant_id, did, slug, name_ko, name_en, country, number_kind, number, connector_url,"
                  f" protocol_url, public_jwk, hosted_did, state, applied_at) VALUES ('{OWNER_ID}', 'did:web:a', 'company', '', '', 'KR',"
                  " 'kr_brn', '1', '', '', '{}', true, 'active', now())")

    def run(self, sql, role=None):
        """(status, message): as naru_app, or as the given role."""
        text = sql if role == "naru" else f"SET ROLE {role or 'naru_app'};\n{sql}"
        done = subprocess.run([self.pg.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-h",
                               self.pg.folder, "-p", str(self.pg.port), "-U", "naru", "-d", "ledger"], input=text, text=True,
                              capture_output=True, env=environment(), check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def must(self, sql):
        status, text = self.run(sql, "naru")
        if status:
            raise RuntimeError(text)
        return text

    def refused(self, what, sql, reason, role=None):
        """The statement fails for this reason and nothing has moved."""
        before = self.must("SELECT * FROM led.balance ORDER BY account_id") + self.must("SELECT count(*) FROM led.transfer")
        status, text = self.run(sql, role)
        tap.ok(status != 0 and reason in text, f"{what}: refused by '{reason}'", f"status {status}: {text}")
        tap.equal(self.must("SELECT * FROM led.balance ORDER BY account_id") + self.must("SELECT count(*) FROM led.transfer"), before,
                  f"{what}: nothing has moved")

    def done(self, what, sql):
        status, text = self.run(sql)
        tap.ok(status == 0, what, text)
        return text

    def account(self, code, currency="KRW", limit=None, owned=False):
        name = str(uuid.uuid4())
        self.done(f"an account: {code} {currency}", f"INSERT INTO led.account VALUES ('{name}', {repr(OWNER_ID) if owned else 'NULL'}, '{code}',"
                  f" '{currency}', 'debit', {'NULL' if limit is None else limit}, now())")
        return name


def transfer(debit, credit, minor, kind="normal", name=None, pending=None, reverses=None, currency="KRW"):
    def quote(v):
        return f"'{v}'" if v else "NULL"
    return ("INSERT INTO led.transfer (transfer_id, kind, pending_id, reverses_id, journal_id, debit_id, credit_id, amount_minor, currency, code,"
            f" effective_at, body_hash) VALUES ('{name or uuid.uuid4()}', '{kind}', {quote(pending)}, {quote(reverses)}, gen_random_uuid(),"
            f" '{debit}', '{credit}', {minor}, '{currency}', 'test', now(), sha256('x'));")


def scenario():
    ledger = Ledger()
    owes = ledger.account("receivable", limit=1000, owned=True)
    clearing, fee, euro = ledger.account("clearing"), ledger.account("fee"), ledger.account("fee", "EUR")

    def balance(account):
        return ledger.must(f"SELECT debits_posted, credits_posted, debits_pending, credits_pending FROM led.balance WHERE account_id = '{account}'")

    postings(ledger, owes, clearing, euro, balance)
    holds(ledger, owes, clearing, fee, balance)
    reversals(ledger, owes, clearing)
    rights(ledger, owes, clearing)
    sums = ledger.must("SELECT sum(debits_posted) = sum(credits_posted), sum(debits_pending) = sum(credits_pending) FROM led.balance")
    tap.equal(sums, "t|t", "debits and credits are equal after all that")
    replay = ledger.must("""SELECT count(*) FROM led.balance b WHERE b.debits_posted <> (SELECT coalesce(sum(amount_minor), 0) FROM led.transfer t
        WHERE t.debit_id = b.account_id AND t.kind IN ('normal', 'capture')) OR b.credits_posted <> (SELECT coalesce(sum(amount_minor), 0)
        FROM led.transfer t WHERE t.credit_id = b.account_id AND t.kind IN ('normal', 'capture'))""")
    tap.equal(replay, "0", "and every balance is the sum of its transfers")


def postings(ledger, owes, clearing, euro, balance):
    once = str(uuid.uuid4())
    ledger.done("a transfer", transfer(owes, clearing, 100, name=once))
    tap.equal(balance(owes), "100|0|0|0", "moves the balance")
    ledger.refused("the same id again", transfer(owes, clearing, 100, name=once), "transfer_pkey")
    ledger.done("the same id again, as the broker asks", transfer(owes, clearing, 100, name=once).replace(";", " ON CONFLICT DO NOTHING;"))
    tap.equal(balance(owes), "100|0|0|0", "does not move it twice")
    ledger.refused("an amount of zero", transfer(owes, clearing, 0), "transfer_amount_positive")
    ledger.refused("a negative amount", transfer(owes, clearing, -5), "transfer_amount_positive")
    ledger.refused("an account against itself", transfer(owes, owes, 5), "transfer_two_accounts")
    ledger.refused("won against euro", transfer(owes, euro, 5), "transfer_credit_currency")
    ledger.refused("euro against won", transfer(owes, euro, 5, currency="EUR"), "transfer_debit_currency")
    ledger.refused("an account that does not exist", transfer(owes, uuid.uuid4(), 5), "transfer_credit_currency")
    ledger.refused("more than the credit limit", transfer(owes, clearing, 901), "balance_credit_limit")
    ledger.refused("a second account of the same kind", f"INSERT INTO led.account VALUES (gen_random_uuid(), '{OWNER_ID}', 'receivable', 'KRW',"
                   " 'debit', NULL, now())", "account_one_per_code")
    ledger.refused("an unknown kind of account", "INSERT INTO led.account VALUES (gen_random_uuid(), NULL, 'gold', 'KRW', 'debit', NULL, now())",
                   "account_code")


def holds(ledger, owes, clearing, fee, balance):
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    ledger.done("a hold of 600", transfer(owes, clearing, 600, "hold", first))
    ledger.refused("two holds of 600 on a credit of 1000", transfer(owes, clearing, 600, "hold"), "balance_credit_limit")
    ledger.refused("a posting that the holds leave no room for", transfer(owes, clearing, 301), "balance_credit_limit")
    ledger.refused("a capture of 601", transfer(owes, clearing, 601, "capture", pending=first), "transfer_fits_hold")
    ledger.refused("a capture into another account", transfer(owes, fee, 10, "capture", pending=first), "transfer_fits_hold")
    ledger.refused("a void of a part", transfer(owes, clearing, 10, "void", pending=first), "transfer_fits_hold")
    ledger.refused("a capture of nothing", transfer(owes, clearing, 10, "capture"), "transfer_pending_given")
    ledger.refused("a hold with a hold", transfer(owes, clearing, 10, "hold", pending=first), "transfer_pending_given")
    ledger.done("a capture of 400", transfer(owes, clearing, 400, "capture", second, pending=first))
    tap.equal(balance(owes), "500|0|0|0", "posts its amount and frees the rest")
    ledger.refused("a second capture", transfer(owes, clearing, 1, "capture", pending=first), "transfer_hold_resolved_once")
    ledger.refused("a void after the capture", transfer(owes, clearing, 600, "void", pending=first), "transfer_hold_resolved_once")
    ledger.refused("a capture of a capture", transfer(owes, clearing, 1, "capture", pending=second), "transfer_fits_hold")
    ledger.done("another hold", transfer(owes, clearing, 200, "hold", third))
    ledger.done("its void", transfer(owes, clearing, 200, "void", pending=third))
    tap.equal(balance(owes), "500|0|0|0", "releases it")
    fourth = str(uuid.uuid4())
    ledger.done("a third hold", transfer(owes, clearing, 100, "hold", fourth))
    one, other = (transfer(owes, clearing, minor, "capture", pending=fourth) for minor in (10, 20))
    ledger.refused("two captures of it in one statement", one[:-1] + ", " + other.split("VALUES ")[1], "transfer_hold_resolved_once")


def reversals(ledger, owes, clearing):
    sale, hold = str(uuid.uuid4()), str(uuid.uuid4())
    ledger.done("a sale", transfer(owes, clearing, 50, name=sale))
    ledger.refused("a refund of another amount", transfer(clearing, owes, 49, reverses=sale), "transfer_mirrors_original")
    ledger.refused("a refund in the same direction", transfer(owes, clearing, 50, reverses=sale), "transfer_mirrors_original")
    ledger.done("its refund", transfer(clearing, owes, 50, reverses=sale))
    ledger.refused("a second refund", transfer(clearing, owes, 50, reverses=sale), "transfer_reversed_once")
    ledger.done("a hold", transfer(owes, clearing, 5, "hold", hold))
    ledger.refused("a refund of a hold", transfer(clearing, owes, 5, reverses=hold), "transfer_mirrors_original")


def rights(ledger, owes, clearing):
    denied = "permission denied"
    for what, sql in (
            ("change a transfer", "UPDATE led.transfer SET amount_minor = 1"),
            ("delete transfers", "DELETE FROM led.transfer"),
            ("empty the table", "TRUNCATE led.transfer"),
            ("edit a balance", "UPDATE led.balance SET debits_posted = 0"),
            ("insert a balance", "INSERT INTO led.balance (account_id) VALUES (gen_random_uuid())"),
            ("raise a limit", "UPDATE led.account SET credit_limit_minor = NULL"),
            ("choose when a transfer was recorded", transfer(owes, clearing, 1).replace("body_hash)", "body_hash, recorded_at)").replace(
                "sha256('x'))", "sha256('x'), now())")),
            ("switch a trigger off", "ALTER TABLE led.transfer DISABLE TRIGGER ALL"),
            ("switch triggers off for the session", "SET session_replication_role = replica"),
            ("drop the trigger function", "DROP FUNCTION led.apply_transfers CASCADE"),
            ("take the log's pending entries away", "DELETE FROM aud.pending"),
            ("write into the sealed log", "INSERT INTO aud.entry VALUES (0, 'x', now(), '{}')")):
        ledger.refused(f"the application may not {what}", sql, "must be owner" if sql.startswith(("ALTER", "DROP")) else denied)
    for table in ("led.transfer", "led.account", "met.receipt", "met.batch", "bil.document", "bil.period", "bil.billed_event", "bil.payout",
                  "ord.agreement_report", "aud.entry", "aud.checkpoint", "cat.plan"):
        ledger.refused(f"a superuser's TRUNCATE of {table}", f"TRUNCATE {table} CASCADE", "append-only", "naru")
    for what, sql in (("update", "UPDATE led.transfer SET amount_minor = amount_minor + 1"), ("delete", "DELETE FROM led.transfer")):
        ledger.refused(f"a superuser's {what}", sql, "append-only", "naru")
    ledger.refused("triggers hold in replica mode too", "SET session_replication_role = replica; DELETE FROM led.transfer", "append-only", "naru")
    ledger.refused("a receipt without its batch", "INSERT INTO met.receipt VALUES (gen_random_uuid(), 'provider', gen_random_uuid(), gen_random_uuid(), 1, 't',"
                   " now(), now(), 1, 1, 1, gen_random_uuid(), 1, sha256('x'), now())", "receipt_batch")
    for role in ("naru_auditor", "naru_sealer"):
        status, text = ledger.run(transfer(owes, clearing, 1), role)
        tap.ok(status != 0 and denied in text, f"{role} may not post", text)


main(scenario)
