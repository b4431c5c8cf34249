"""Search in more than can be counted: order, pages, totals and facets against a model, and hidden datasets that change nothing.

Companies publish one dataset of each kind; copies of them, with the terms that the broker gave them, are put in by SQL.
"""

from collections import Counter

from c010_catalogue import FREE, ROWS, search
from databank import DataBank
from harness import main, tap

CAP = 1000
WORDS = "alpha beta gamma delta epsilon".split()
KINDS = {  # asset: words in the title (the text has all), domain, plan, who sees it
    "all": (WORDS, "carbon", FREE, "open"),
    "three": (WORDS[:3], "process", ROWS, "open"),
    "two": (WORDS[:2], "carbon", ROWS, "on_request"),
    "other": (WORDS[2:], "process", FREE, "open"),
    "none": ([], "supply-chain", FREE, "open"),
    "secret": (WORDS[:4], "supply-chain", ROWS, "bilateral"),
    "club": (WORDS[:1], "process", FREE, "group"),
}
OPEN = ("all", "three", "two", "other", "none")
HIDDEN = ("secret", "club")

COPY = """
CREATE TEMP TABLE copied AS
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS new_id, 100 + 7 * i AS new_place, '{provider}-' || i AS new_asset, d.dataset_id
  FROM generate_series({begin}::bigint, {end}::bigint) AS i
  JOIN reg.participant p ON p.slug = '{provider}'
  JOIN cat.dataset d ON d.provider_id = p.participant_id AND d.asset_id = (ARRAY{kinds})[1 + (i * i / 3) % {n}];
INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain, semantic_id, media_type,
                         visibility, visible_to, price_kind, state, published_at, changed_at)
SELECT new_id, provider_id, new_asset, version, entry, entry_jws, entry_hash, title_ko, title_en, domain, semantic_id, media_type, visibility, visible_to,
       price_kind, state, published_at, changed_at
  FROM copied JOIN cat.dataset USING (dataset_id);
INSERT INTO cat.search (place, dataset_id, provider_id, domain, price_kind, media_type, title, terms)
SELECT new_place, new_id, provider_id, domain, price_kind, media_type, title,
       ARRAY(SELECT t FROM unnest(terms) AS t WHERE t NOT LIKE '#%') || cat.search_spans(new_place)
  FROM copied JOIN cat.search USING (dataset_id);
SELECT setval('cat.place', greatest((SELECT max(place) FROM cat.search), 1));
"""


class World:
    """What was published: (place, id, kind, provider), and what a search must answer."""

    def __init__(self):
        self.bank = DataBank()
        self.rows = []
        self.providers = {}
        self.buyer, self.partner = self.bank.member("buyer"), self.bank.member("partner")
        self.auditor = self.bank.api(self.bank.operator().post("/v1/tokens", {"role": "auditor", "label": "c020"}).json["token"])

    def provider(self, slug):
        company = self.providers[slug] = self.bank.member(slug)
        for kind, (title, domain, plan, visibility) in KINDS.items():
            self.publish(slug, kind, title={"en": " ".join([*title, "thing"])}, domain=domain, plans=[plan], visibility=visibility,
                         visible_to=[self.partner.did] if kind in HIDDEN else None)
        return company

    def publish(self, slug, kind, plans, **changes):
        dataset = self.providers[slug].publish(kind, plans, media_type="text/csv", description={"en": " ".join(WORDS)}, **changes)
        self.rows = [row for row in self.rows if row[1] != dataset]
        place = int(self.bank.value(f"SELECT place FROM cat.search WHERE dataset_id = '{dataset}'"))
        self.rows.append((place, dataset, kind, slug))
        return dataset

    def copies(self, slug, kinds, begin, end):
        self.bank.sql(COPY.format(provider=slug, kinds=list(kinds), n=len(kinds), begin=begin, end=end))
        self.rows += [(100 + 7 * i, f"00000000-0000-7000-8000-{i:012x}", kinds[i * i // 3 % len(kinds)], slug) for i in range(begin, end + 1)]

    def expected(self, words, sees_hidden, slug=None, domain=None):
        """(rank, place, id, kind, provider), best first."""
        rows = [(len(set(words) & set(KINDS[kind][0])), place, dataset, kind, who) for place, dataset, kind, who in self.rows
                if (sees_hidden or kind in OPEN) and slug in (None, who) and domain in (None, KINDS[kind][1])]
        return sorted(rows, key=lambda row: (-row[0], -row[1]))

    def facets(self, rows):
        newest = sorted(rows, key=lambda row: -row[1])[:CAP]
        plan = {id(FREE): "free", id(ROWS): "metered"}
        return {"domain": Counter(KINDS[row[3]][1] for row in newest), "price": Counter(plan[id(KINDS[row[3]][2])] for row in newest),
                "media_type": Counter("text/csv" for _ in newest), "provider": Counter(self.providers[row[4]].did for row in newest)}


def pages(client, words, limit=100, between=None, **filters):
    """The first answer, and the datasets of all pages."""
    first = answer = search(client, " ".join(words) or None, limit=limit, **filters).json
    found = [item["dataset"] for item in first["items"]]
    while "next" in answer and len(found) < 10 * CAP:
        if between:
            between()
            between = None
        answer = search(client, " ".join(words) or None, limit=limit, after=answer["next"], **filters).json
        found += [item["dataset"] for item in answer["items"]]
    return first, found


def same(world, name, client, words, sees_hidden, slug=None, **filters):
    """Order over all pages, total and facets are those of the model."""
    rows = world.expected(words, sees_hidden, slug, **filters)
    first, found = pages(client, words, **({"provider": world.providers[slug].id} if slug else {}), **filters)
    what = f"{name}: '{' '.join(words)}' {filters or ''} {slug or ''} finds {len(rows)}"
    want = [row[2] for row in rows]
    differs = next((i for i, (a, b) in enumerate(zip(found, want)) if a != b), min(len(found), len(want)))
    tap.ok(found == want, f"{what}, each once and in order",
           f"{len(found)} found, different from {differs}: {found[differs:differs + 3]}, want {rows[differs:differs + 3]}")
    tap.equal((first["total"], first["total_is_exact"]), (min(len(rows), CAP), len(rows) <= CAP), f"{what}: total")
    tap.equal(first["facets"], {k: dict(v) for k, v in world.facets(rows).items()} if rows else {}, f"{what}: facets")


QUERIES = ([], WORDS[:1], WORDS[1:3], WORDS[:3], WORDS[:4], WORDS)


def scenario():
    world = World()
    world.provider("mill")
    world.provider("forge")
    world.copies("mill", OPEN, 1, 2600)
    order(world)
    hidden(world)
    limit(world)
    changes(world)
    suspended(world)
    facet_values(world)


def order(world):
    for words in QUERIES:
        same(world, "a buyer", world.buyer.client(), words, False)
    same(world, "a buyer", world.buyer.client(), WORDS[:3], False, domain="carbon")
    same(world, "a buyer", world.buyer.client(), WORDS[:2], False, slug="forge")
    _, small = pages(world.buyer.client(), WORDS[:3], limit=7)
    _, large = pages(world.buyer.client(), WORDS[:3])
    tap.ok(small == large, "small pages are the same in all")


def hidden(world):
    """Datasets that a caller may not see are added, newer than all others: nothing changes for the caller."""
    client = world.buyer.client()
    before = [[search(client, " ".join(words) or None, limit=100).json, pages(client, words)[1]] for words in QUERIES]
    world.copies("mill", HIDDEN, 2601, 3900)
    world.copies("forge", HIDDEN, 3901, 4000)
    after = [[search(client, " ".join(words) or None, limit=100).json, pages(client, words)[1]] for words in QUERIES]
    for words, one, other in zip(QUERIES, before, after):
        for page in (one[0], other[0]):
            page.pop("next", None)  # names the place of the last dataset: equal, but it is opaque
        tap.ok(one == other, f"hidden datasets change nothing in '{' '.join(words)}'")
    for words in QUERIES:
        same(world, "the partner", world.partner.client(), words, True)
    for words in (WORDS[:1], WORDS[:3]):
        same(world, "an auditor", world.auditor, words, True)
    same(world, "the provider", world.providers["mill"].client(), WORDS[:2], True, slug="mill")
    same(world, "another provider", world.providers["forge"].client(), WORDS[:2], False, slug="mill")


def limit(world):
    """Exactly as many as are counted, and one more."""
    visible = len(world.expected([], False, "forge"))
    world.copies("forge", OPEN, 4001, 4000 + CAP - visible)
    for words in ([], WORDS[:2]):
        same(world, "at the limit", world.buyer.client(), words, False, slug="forge")
        same(world, "beyond, with what only partners see", world.partner.client(), words, True, slug="forge")
    world.copies("forge", OPEN, 5001, 5001)
    for words in ([], WORDS[:2]):
        same(world, "one more", world.buyer.client(), words, False, slug="forge")


def changes(world):
    """A new version is the newest; pages that were begun go on without it."""
    client = world.buyer.client()
    want = [row[2] for row in world.expected([], False)]
    title = {"en": f"{WORDS[0]} {WORDS[1]} thing"}
    _, found = pages(client, [], between=lambda: world.publish("forge", "two", [ROWS], title=title, domain="carbon", visibility="on_request"))
    moved = world.rows[-1][1]
    tap.ok(found == [d for d in want if d != moved], "a dataset that is published anew while somebody reads moves before the first page")
    same(world, "after that", client, WORDS[:2], False)
    tap.status(world.providers["forge"].connector().delete("/v1/datasets/two"), 204, "it is withdrawn")
    world.rows = [row for row in world.rows if row[1] != moved]
    same(world, "then", client, WORDS[:2], False)
    tap.equal(world.bank.value("SELECT count(*) FROM cat.dataset d FULL JOIN cat.search s USING (dataset_id)"
                               " WHERE (s.dataset_id IS NOT NULL) IS DISTINCT FROM (d.state = 'listed')"), "0",
              "the index has what is listed, and nothing else")


def suspended(world):
    rows = world.rows
    world.bank.operator().post(f"/v1/participants/{world.providers['mill'].id}/suspend")
    world.rows = [row for row in rows if row[3] != "mill"]
    for words in QUERIES:
        same(world, "without a suspended provider", world.partner.client(), words, True)
    world.bank.operator().post(f"/v1/participants/{world.providers['mill'].id}/approve")
    world.rows = rows
    for words in (WORDS[:1], WORDS[:3], WORDS):
        same(world, "when it is back", world.partner.client(), words, True)


def facet_values(world):
    shop = world.bank.member("shop")
    for n in range(52):
        shop.publish(f"t{n}", [FREE], title={"en": "manifold"}, media_type=f"x/{n % 51}")
    answer = search(world.buyer.client(), "manifold").json
    values = answer["facets"]["media_type"]
    tap.equal((answer["total"], len(values), values.get("x/0")), (52, 50, 2), "a facet names its 50 most frequent values, the total is of all")
    long = "application/" + "x" * 3000
    shop.publish("long", [FREE], title={"en": "protracted"}, media_type=long)
    tap.equal(search(world.buyer.client(), "protracted", media_type=long).json["total"], 1, "a long value can be filtered by")


if __name__ == "__main__":
    main(scenario)
