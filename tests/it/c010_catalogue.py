"""The catalogue: signed entries go in, searches in Korean and English find them, and what is hidden influences nothing."""

import json
import urllib.parse

from databank import DataBank, Key, canonical, parts, sha256
from harness import main, tap, temp_dir

FREE = {"currency": "KRW", "kind": "free", "components": [{"type": "free"}]}
ROWS = {"currency": "KRW", "kind": "metered", "components": [{"type": "per_unit", "meter": "rows", "price": "500000"}]}


def plan_hash(plan):
    return sha256(canonical(plan))


def search(client, q=None, **filters):
    query = urllib.parse.urlencode({k: v for k, v in {"q": q, **filters}.items() if v is not None})
    return client.get(f"/v1/datasets?{query}")


def titles(response):
    return [item["title"]["en"] for item in response.json["items"]] if response.status == 200 else response.text


def scenario():
    bank = DataBank()
    steel, buyer = bank.member("steel"), bank.member("parts")
    put(bank, steel)
    refused(bank, steel, buyer)
    page(bank, steel, buyer)
    words(bank, buyer)
    hidden(bank, buyer)
    withdrawn(bank, steel, buyer)
    paging(bank, buyer)


def put(bank, steel):
    entry = steel.entry("plate", [FREE, ROWS])
    jws = steel.sign("naru-dataset+jws", entry)
    answer = steel.put(entry, jws=jws)
    tap.status(answer, 200, "an entry is taken")
    first = answer.json
    tap.equal((first["version"], sorted(first["plans"])), (1, sorted([plan_hash(FREE), plan_hash(ROWS)])),
              "plans are named by the hash of their canonical form")
    published = bank.entries("dataset.published")
    tap.equal([(e["dataset"], e["provider"], e["version"], e["entry_hash"]) for e in published],
              [(first["dataset"], steel.id, 1, sha256(canonical(entry)))], "the log has it")
    tap.equal(sorted(e["plan"] for e in bank.entries("plan.registered")), sorted(first["plans"]), "and the plans")

    again = steel.put(entry, jws=jws)
    tap.equal((again.status, again.json), (200, first), "the same entry again: the same answer")
    resigned = steel.put(entry)
    tap.equal((resigned.status, resigned.json), (200, first), "also under a new signature")
    tap.equal(len(bank.entries("dataset.published")), 1, "nothing is logged for it")
    answer = steel.put({**entry, "domain": "process"})
    tap.equal((answer.status, answer.json.get("at")), (409, "/entry/version"), "the same version with other content is a conflict")

    newer = steel.entry("plate", [ROWS], title={"ko": "후판 탄소발자국", "en": "Heavy plate"})
    answer = steel.put(newer)
    tap.equal((answer.status, answer.json), (200, {"dataset": first["dataset"], "version": 2, "plans": [plan_hash(ROWS)]}),
              "a newer version replaces it")
    tap.equal(steel.put(entry).status, 409, "an older one comes too late")
    tap.equal(len(bank.entries("plan.registered")), 2, "a known plan is not registered twice")

    large = steel.entry("large", [FREE], sample="x" * 8192, title={"en": "Wide table"},
                        schema=[{"name": f"column_{i}", "type": "number", "unit": "kg", "text": "t" * 40} for i in range(256)])
    tap.ok(len(steel.sign("naru-dataset+jws", large)) > 30000, "an entry with a sample and 256 columns is larger than any token")
    tap.status(steel.put(large), 200, "and is taken")


def refused(bank, steel, buyer):
    stranger = Key(temp_dir() / "stranger.pem")
    right = steel.entry("refused", [FREE])

    def changed(**changes):
        return {k: v for k, v in {**right, **changes}.items() if v is not None}

    signatures = {
        "signed by a stranger": steel.sign("naru-dataset+jws", right, key=stranger),
        "signed by another member": buyer.sign("naru-dataset+jws", right),
        "under the key of another member": steel.sign("naru-dataset+jws", right, kid=f"{buyer.did}#key-1"),
        "of another typ": steel.sign("naru-order+jws", right),
        "cut": steel.sign("naru-dataset+jws", right)[:-4],
        "that is no JWS": "hello",
    }
    for name, jws in signatures.items():
        answer = steel.put(right, jws=jws)
        tap.equal((answer.status, answer.json.get("at")), (400, "/entry"), f"an entry {name}")
    answer = steel.put(right, jws=steel.sign("naru-dataset+jws", json.dumps(right)))
    tap.equal((answer.status, answer.json.get("at")), (400, "/entry"), "an entry that is not in canonical form")

    bad_plan = {**ROWS, "components": [{"type": "per_unit", "meter": "smiles", "price": "1"}]}
    policy = {**right["policy"], "permission": [{"action": "use", "constraint": [
        {"leftOperand": "https://unknown.test/operand", "operator": "eq", "rightOperand": "x"}]}]}
    cases = [
        ("of another provider", changed(provider=buyer.did), 400, "/entry/provider"),
        ("with an unknown member", changed(colour="blue"), 400, "/entry/colour"),
        ("without title", changed(title=None), 400, "/entry/title"),
        ("with an empty title", changed(title={}), 400, "/entry/title"),
        ("with a title of 513 bytes", changed(title={"en": "x" * 513}), 413, "/entry/title"),
        ("without domain", changed(domain=None), 400, "/entry/domain"),
        ("of an unknown domain", changed(domain="weather"), 400, "/entry/domain"),
        ("of version 0", changed(version=0), 400, "/entry/version"),
        ("without plans", changed(plans=[]), 400, "/entry/plans"),
        ("with 17 plans", changed(plans=[FREE] * 17), 400, "/entry/plans"),
        ("with a plan that is not understood", changed(plans=[FREE, bad_plan]), 400, "/entry/plans/1/components/0/meter"),
        ("with a policy that is not understood", changed(policy=policy), 400, "/entry/policy"),
        ("with a policy that is none", changed(policy="use"), 400, "/entry/policy"),
        ("with a digest of another form", changed(digest="md5:00"), 400, "/entry/digest"),
        ("with a sample of 8193 bytes", changed(sample="x" * 8193), 413, "/entry/sample"),
        ("with 65 keywords", changed(keywords=["x"] * 65), 413, "/entry/keywords"),
        ("with 257 columns", changed(schema=[{"name": "c", "type": "text"}] * 257), 413, "/entry/schema"),
        ("for a group of nobody", changed(visibility="group"), 400, "/entry/visible_to"),
        ("for a partner who is not named", changed(visibility="bilateral"), 400, "/entry/visible_to"),
        ("of unknown visibility", changed(visibility="some"), 400, "/entry/visibility"),
    ]
    for name, entry, status, at in cases:
        answer = steel.put(entry)
        got = (answer.status, (answer.json.get("at") or "")[:len(at)])
        tap.ok(got == (status, at), f"an entry {name}", f"got {got}, want {(status, at)}: {answer.text}")
    answer = steel.put(right, asset="other")
    tap.equal((answer.status, answer.json.get("at")), (400, "/entry/asset"), "an entry of another asset than the path's")
    tap.status(steel.connector().put("/v1/datasets/refused", {"entry": 1}), 400, "an entry that is no text")
    tap.status(steel.connector().put("/v1/datasets/refused", body=b"x" * 2_000_000, headers={"Content-Type": "application/json"}),
               413, "a body of two megabytes")
    tap.equal(bank.value("SELECT count(*) FROM cat.dataset WHERE asset_id = 'refused'"), "0", "nothing of them is stored")


def page(bank, steel, buyer):
    found = search(buyer.client(), "후판").json["items"][0]
    answer = buyer.client().get(f"/v1/datasets/{found['dataset']}")
    tap.status(answer, 200, "the page of a dataset")
    got = answer.json
    tap.equal((got["entry"]["title"]["en"], got["entry"]["provider"], got["version"]), ("Heavy plate", steel.did, 2), "its entry")
    tap.equal(got["provider"], {"did": steel.did, "ko": "steel 주식회사", "en": "steel Ltd."}, "its provider")
    tap.equal(got["plans"], [{"hash": plan_hash(ROWS), "plan": ROWS}], "the plans of this version only")
    tap.ok(all(got["policy_text"][lang].strip() for lang in ("ko", "en")), "its policy in words", got["policy_text"])
    tap.status(buyer.client().get("/v1/datasets/01890a5d-ac96-774b-bcce-b302099a8057"), 404, "an unknown dataset")
    tap.status(buyer.client().get("/v1/datasets/plate"), 404, "an asset's name is not the data bank's")
    answer = buyer.client().get(f"/v1/plans/{plan_hash(ROWS)}")
    tap.equal((answer.status, answer.json), (200, ROWS), "a plan by its hash")
    tap.status(buyer.client().get(f"/v1/plans/{'0' * 64}"), 404, "an unknown plan")
    jws = bank.value("SELECT entry_jws FROM cat.dataset WHERE asset_id = 'plate'")
    tap.equal(parts(jws)[1], got["entry"], "what is shown is what was signed")


def words(bank, buyer):
    mill = bank.member("words-mill")

    def publish(asset, ko, en, **changes):
        mill.publish(asset, [FREE], title={"ko": ko, "en": en}, domain=changes.pop("domain", "process"), **changes)

    publish("w1", "절삭 가공 진동 데이터", "Milling vibration", keywords=["spindle", "공구 마모"], media_type="text/csv")
    publish("w2", "사출 성형 공정", "Injection moulding", description={"en": "With vibration of the machine", "ko": "절삭 없음"},
            media_type="application/json", semantic_id="urn:samm:io.test:1.0.0#Process")
    publish("w3", "용접 로봇 전류", "Welding CURRENT", schema=[{"name": "arc_voltage", "type": "number"}], domain="supply-chain",
            media_type="application/json")
    client = buyer.client()
    cases = [
        ("진동", ["Milling vibration"], "a Korean word"),
        ("절삭", ["Milling vibration", "Injection moulding"], "a word in the title comes before one in the text"),
        ("vibration", ["Milling vibration", "Injection moulding"], "also in English"),
        ("VIBRATION", ["Milling vibration", "Injection moulding"], "whatever the case"),
        ("ｖｉｂｒａｔｉｏｎ", ["Milling vibration", "Injection moulding"], "whatever the width"),
        ("공구마모", [], "bigrams do not cross a space"),
        ("공구 마모", ["Milling vibration"], "two words"),
        ("가공진동", [], "not even if only a space is missing"),
        ("절삭 사출", ["Injection moulding"], "every word must occur"),
        ("vibration 사출", ["Injection moulding"], "in whatever language"),
        ("마", ["Milling vibration"], "one syllable"),
        ("spindle", ["Milling vibration"], "a keyword"),
        ("arc_voltage", ["Welding CURRENT"], "a column"),
        ("voltage", ["Welding CURRENT"], "a part of its name"),
        ("samm", ["Injection moulding"], "a semantic id"),
        ("supply", ["Welding CURRENT"], "a domain"),
        ("current!?", ["Welding CURRENT"], "marks separate"),
        ("vibra", [], "a part of a word is another word"),
        ("zzzz", [], "a word that is nowhere"),
    ]
    for q, want, name in cases:
        answer = search(client, q, provider=mill.id)
        tap.equal(titles(answer), want, f"search '{q}': {name}")
        if answer.json.get("total") != len(want):
            tap.equal(answer.json.get("total"), len(want), f"search '{q}': total")
    everything = search(client, provider=mill.did)
    tap.equal(titles(everything), ["Welding CURRENT", "Injection moulding", "Milling vibration"], "without words: the newest first")
    tap.equal(everything.json["facets"], {"domain": {"process": 2, "supply-chain": 1}, "price": {"free": 3}, "provider": {mill.did: 3},
                                          "media_type": {"application/json": 2, "text/csv": 1}}, "facets")
    for key, value, want in (("domain", "process", 2), ("media_type", "application/json", 2), ("price", "free", 3),
                             ("price", "metered", 0), ("domain", "nothing", 0)):
        answer = search(client, provider=mill.id, **{key: value})
        tap.equal((answer.json["total"], len(answer.json["items"])), (want, want), f"{key} = {value}")
    for name, options, status in (("marks alone", {"q": "!!!"}, 400), ("1001 bytes", {"q": "x" * 1001}, 413),
                                  ("an unknown provider", {"provider": "did:web:nobody.test"}, 400), ("no results asked for", {"limit": 0}, 400),
                                  ("101 results", {"limit": 101}, 400), ("a place that is none", {"after": "x"}, 400)):
        tap.status(search(client, **options), status, f"search for {name}")
    tap.status(client.get("/v1/datasets?q=%ff%fe"), 400, "search for what is no text")


def hidden(bank, buyer):
    host, outsider = bank.member("host"), bank.member("outsider")
    auditor = bank.api(bank.operator().post("/v1/tokens", {"role": "auditor", "label": "c010"}).json["token"])
    host.publish("h-open", [FREE], title={"en": "Furnace one"}, visibility="open")
    host.publish("h-ask", [FREE], title={"en": "Furnace two"}, visibility="on_request")
    secret = host.publish("h-group", [ROWS], title={"en": "Furnace furnace three"}, visibility="bilateral", visible_to=[buyer.did],
                          domain="process", media_type="application/xml")
    for name, client, want in (("the partner", buyer.client(), 3), ("an outsider", outsider.client(), 2),
                               ("the provider", host.client(), 3), ("an auditor", auditor, 3)):
        answer = search(client, "furnace", limit=1)
        facets = answer.json["facets"]
        seen = search(client, "furnace")
        tap.equal((answer.json["total"], len(seen.json["items"]), "process" in facets["domain"], "metered" in facets["price"],
                   "application/xml" in facets["media_type"]), (want, want, want == 3, want == 3, want == 3),
                  f"{name} sees {want} datasets, and so do total and facets")
        tap.status(client.get(f"/v1/datasets/{secret}"), 200 if want == 3 else 404, f"the page of the hidden one, for {name}")
    quote = {"dataset": secret, "plan": plan_hash(ROWS)}
    tap.status(buyer.client().post("/v1/quotes", quote), 200, "the partner is quoted a price")
    tap.status(outsider.client().post("/v1/quotes", quote), 404, "the outsider learns nothing")
    tap.status(outsider.client().post("/v1/orders", {**quote, "purpose": "p"}), 404, "nor by ordering")

    bank.operator().post(f"/v1/participants/{host.id}/suspend")
    tap.equal(search(buyer.client(), "furnace").json["total"], 0, "datasets of a suspended provider are not found")
    tap.status(buyer.client().get(f"/v1/datasets/{secret}"), 404, "nor shown")
    bank.operator().post(f"/v1/participants/{host.id}/approve")
    tap.equal(search(buyer.client(), "furnace").json["total"], 3, "until it is admitted again")


def withdrawn(bank, steel, buyer):
    dataset = steel.publish("gone", [FREE], title={"en": "Ephemeral"})
    tap.equal(search(buyer.client(), "ephemeral").json["total"], 1, "a dataset is found")
    tap.status(steel.connector().delete("/v1/datasets/gone"), 204, "it is withdrawn")
    tap.equal(search(buyer.client(), "ephemeral").json["total"], 0, "and found no more")
    tap.status(buyer.client().get(f"/v1/datasets/{dataset}"), 404, "nor shown")
    tap.equal(steel.client().get(f"/v1/datasets/{dataset}").json["state"], "withdrawn", "but to its provider")
    tap.status(steel.connector().delete("/v1/datasets/gone"), 204, "withdrawing again changes nothing")
    tap.equal([e["dataset"] for e in bank.entries("dataset.withdrawn")], [dataset], "it is logged once")
    tap.status(steel.connector().delete("/v1/datasets/never"), 404, "what was never published")
    tap.status(buyer.connector().delete("/v1/datasets/gone"), 404, "nor can another company withdraw it")
    tap.equal(steel.publish("gone", [FREE], title={"en": "Ephemeral"}), dataset, "its next version is the same dataset")
    tap.equal(search(buyer.client(), "ephemeral").json["total"], 1, "and is found again")


def paging(bank, buyer):
    shelf = bank.member("shelf")
    for i in range(23):
        shelf.publish(f"p-{i:02}", [FREE], title={"en": f"Volume {'paper ' if i % 3 == 0 else ''}{i:02}"}, description={"en": "paper"})
    for q in (None, "paper"):
        whole = titles(search(buyer.client(), q, provider=shelf.id, limit=100))
        pages, after = [], None
        while True:
            answer = search(buyer.client(), q, provider=shelf.id, limit=5, after=after).json
            pages.append([item["title"]["en"] for item in answer["items"]])
            if after is not None and "facets" in answer:
                tap.ok(False, "facets come with the first page only")
            after = answer.get("next")
            if after is None:
                break
        tap.equal([len(p) for p in pages], [5, 5, 5, 5, 3], f"pages of a search for {q}")
        tap.equal(sum(pages, []), whole, "together they are the whole, in order")
    tap.ok("paper" in whole[7] and "paper" not in whole[8], "those with the word in the title came first", whole)


if __name__ == "__main__":
    main(scenario)
