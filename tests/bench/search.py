"""Search over 100,000 datasets through the HTTP API: hits, facets and total of each class of question, as a member asks.

The datasets are put in by SQL, with tokens as the broker makes them; titles and texts are made of Korean and English words of which
some are frequent and most are rare. Anchor: the same question as a sequential scan with ILIKE over titles and entry, in the same database.
"""

import http.client
import json
import os
import random
import sys
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "it"))

DATASETS = 100_000
REPEAT = 41
ANCHORS = 5
GOAL_MS = 50
SEED = 20261121

KO = ("탄소 배출량 강판 후판 냉연 열연 에너지 전력 사용량 공정 가공 절삭 밀링 진동 온도 압력 설비 예지 보전 품질 검사 불량 이력 추적 공급망 부품 소재 "
      "배터리 양극재 음극재 전해액 차체 도장 용접 금형 사출 주조 단조 열처리 표면 측정 센서 로봇 물류 재고 납기 포장 재활용 폐기물 용수 가스 스팀 "
      "인증 시험 성적서 규격 전과정 발자국 국경 조정").split()
EN = ("carbon emission plate steel cold hot energy power usage process machining cutting milling vibration temperature pressure equipment predictive "
      "maintenance quality inspection defect history trace supply part material battery cathode anode electrolyte body paint weld mould injection casting "
      "forging treatment surface measurement sensor robot logistics stock delivery packaging recycling waste water gas steam certificate test report "
      "standard lifecycle footprint border adjustment").split()

WORDS = """
CREATE TABLE word (n int PRIMARY KEY, ko text, en text, tokens text[]);
INSERT INTO word SELECT (w->>0)::int, w->>1, w->>2, ARRAY(SELECT jsonb_array_elements_text(w->3)) FROM jsonb_array_elements('%s') w;
"""

FILL = """
INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain, semantic_id, media_type,
                         visibility, visible_to, price_kind, tokens, title_tokens, state, published_at, changed_at)
SELECT gen_random_uuid(), (ARRAY[%(providers)s]::uuid[])[1 + i %% %(n_providers)d], 'asset-' || i, 1,
       format('{"asset":"asset-%%s","title":{"ko":"%%s","en":"%%s"},"description":{"ko":"%%s 자료 %%s","en":"%%s data %%s"}}', i, title_ko, title_en,
              text_ko, repeat('·', 100), text_en, repeat('.', 200)),
       repeat('x', 1200), sha256(i::text::bytea), title_ko || ' ' || i, title_en || ' ' || i,
       (ARRAY['carbon', 'process', 'supply-chain'])[1 + i %% 3], '', (ARRAY['text/csv', 'application/json', 'application/x-ndjson'])[1 + i %% 3],
       CASE WHEN i %% 10 < 8 THEN 'open' ELSE 'bilateral' END, '{}', (ARRAY['free', 'metered', 'subscription', 'one_off'])[1 + i %% 4],
       tokens || i::text, title_tokens || i::text, 'listed', now(), now() - i * interval '1 second'
  FROM (SELECT i, string_agg(ko, ' ') FILTER (WHERE k <= 3) AS title_ko, string_agg(en, ' ') FILTER (WHERE k <= 3) AS title_en,
               string_agg(ko, ' ') FILTER (WHERE k > 3) AS text_ko, string_agg(en, ' ') FILTER (WHERE k > 3) AS text_en,
               array_agg(DISTINCT t) AS tokens, array_agg(DISTINCT t) FILTER (WHERE k <= 3) AS title_tokens
          FROM (SELECT i, k, w.ko, w.en, t.t, row_number() OVER (PARTITION BY i, k) AS first
                  FROM generate_series(%(begin)d, %(end)d) i
                 CROSS JOIN generate_series(1, 8) k
                  JOIN word w ON w.n = floor(%(words)d * power((hashint8(i * 8 + k)::bigint + 2147483648) / 4294967296.0, 2))::int
                 CROSS JOIN unnest(w.tokens) AS t (t)) x
         GROUP BY i) y;
"""


def tokens_of(ko, en):
    """As server/catalogue/tokens.c: bigrams and single characters of Hangul, whole words of the rest."""
    return [*(ko[i:i + 2] for i in range(len(ko) - 1)), *ko, en]


def fill(market, kit):
    words = [[n, ko, en, tokens_of(ko, en)] for n, (ko, en) in enumerate(zip(KO, EN))]
    market.sql(WORDS % json.dumps(words, ensure_ascii=False))
    providers = [kit.Company(market, f"maker-{n}") for n in range(5)]
    step = DATASETS // 10
    for begin in range(1, DATASETS + 1, step):
        market.sql(FILL % {"providers": ",".join(f"'{p.id}'" for p in providers), "n_providers": len(providers), "words": len(words),
                           "begin": begin, "end": begin + step - 1})
    market.sql("VACUUM ANALYZE cat.dataset")


class Asker:
    def __init__(self, market, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", market.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, **query):
        """(answer, milliseconds)"""
        start = time.monotonic()
        self.connection.request("GET", "/v1/datasets?" + urllib.parse.urlencode(query), headers=self.headers)
        response = self.connection.getresponse()
        text = response.read()
        took = (time.monotonic() - start) * 1000
        if response.status != 200:
            raise RuntimeError(text[:300])
        return json.loads(text), took


def scan_ms(market, terms):
    """The newest 20 and the number of all, by looking at every row."""
    conditions = " AND ".join(f"(title_ko ILIKE '%{t}%' OR title_en ILIKE '%{t}%' OR entry ILIKE '%{t}%')" for t in terms) or "true"
    sql = ("EXPLAIN (ANALYZE, TIMING OFF) SELECT dataset_id, title_ko, title_en, count(*) OVER () FROM cat.dataset WHERE state = 'listed'"
           f" AND visibility = 'open' AND {conditions} ORDER BY changed_at DESC LIMIT 20")
    times = []
    for _ in range(ANCHORS):
        plan = market.sql(f"SET max_parallel_workers_per_gather = 0; SET enable_indexscan = off; {sql}")
        times.append(next(float(line[0].split()[2]) for line in plan if line[0].startswith("Execution Time")))
    return sorted(times)[ANCHORS // 2]


def bench(ctx):
    os.environ["NARU_BIN"] = str(ctx.bin)
    import market as kit
    from harness import stop_everything

    try:
        market = kit.Market(settings={"log.level": "warning"})
        buyer = kit.Company(market, "buyer")
        fill(market, kit)
        asker = Asker(market, buyer.token)
        frequent, rare = 0, len(KO) - 1
        classes = (
            ("one Korean term, frequent", [KO[frequent]]), ("one Korean term, rare", [KO[rare]]), ("one English term, frequent", [EN[frequent]]),
            ("one English term, rare", [EN[rare]]), ("three terms", [KO[0], EN[1], KO[5]]), ("three terms, one rare", [KO[0], EN[1], KO[rare]]),
            ("a term that is nowhere", ["zzyzx"]), ("no term, with facets", []))
        pick = random.Random(SEED)
        for name, terms in classes:
            if terms:
                answer, _ = asker.ask(q=" ".join(terms), limit=20)
            else:
                answer, _ = asker.ask(limit=20)
            check(market, name, terms, answer)
            times = []
            for n in range(REPEAT):
                query = {"q": " ".join(pick.sample(terms, len(terms)))} if terms else {}
                times.append(asker.ask(limit=20, **query)[1])
            yield ctx.figure(f"search: {name} ({answer['total']:,} hits)", times, "ms", goal=GOAL_MS, anchor=scan_ms(market, terms))
    finally:
        stop_everything()


def check(market, name, terms, answer):
    """The total is what a count of the tokens says: words of two syllables have one bigram. Longer ones have several, which may stand apart."""
    if any(len(t) > 2 and not t.isascii() for t in terms):
        return
    conditions = " AND ".join(f"tokens @> ARRAY['{t}']" for t in terms) or "true"
    want = int(market.value(f"SELECT count(*) FROM cat.dataset WHERE visibility = 'open' AND {conditions}"))
    total, exact = answer["total"], answer["total_is_exact"]
    if (exact and total != want) or (not exact and not total <= want):
        raise RuntimeError(f"{name}: total {total} instead of {want}")
