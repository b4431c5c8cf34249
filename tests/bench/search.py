"""Search over 100,000 datasets through the HTTP API: hits, facets and total of each class of question, as a member asks.

The words are made of syllables (Korean) and stems with endings (English), 6,000 of each, and drawn as in real texts: the n-th word about
1/n as often as the first (Zipf). The datasets are put in by SQL, with tokens as the broker makes them. Each class of question asks for
several words of about the same frequency, so that no answer comes from one lucky page. Anchor: the same question as a sequential scan
with ILIKE over titles and entry, in the same database.
"""

import http.client
import itertools
import json
import os
import random
import sys
import time
import urllib.parse
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "it"))

DATASETS = int(os.environ.get("SEARCH_DATASETS", "100000"))
WORDS = 6000          # of each language
IN_TITLE, IN_TEXT = 3, 30
PROVIDERS = 50
QUESTIONS = 8         # of a class
REPEAT = 15           # of a question
ANCHORS = 3
GOAL_ONE_MS, GOAL_SEVERAL_MS = 5, 50
SEED = 20261121

SYLLABLES = ("가 각 간 감 강 개 거 건 검 격 결 경 계 고 공 과 관 교 구 국 규 급 기 내 냉 노 다 단 대 도 동 라 량 력 로 료 리 마 면 명 모 물 미 반 발 방 배 번 변 보 부 분 비 사 산 상 생 "
             "서 석 선 설 성 세 소 속 송 수 시 식 신 실 안 압 양 에 역 연 열 영 예 온 외 용 운 원 위 유 율 응 이 인 일 입 자 작 장 재 적 전 절 점 정 제 조 종 주 중 지 직 진 질 차 처 철 청 체 초 "
             "추 측 치 탄 터 통 투 판 평 포 표 품 하 학 합 항 해 행 형 호 화 확 환 활 회 효").split()
STEMS = ("bat cast mill turn weld cool heat ther carb emis sens torq vib pres flow rob mold stamp coat grind forg pol lam ext dril bor cut trim pack logi cat an elec "
         "mag alum steel cop zin plas gran resin fib tex glas ceram cem wat ste gas fuel sol wind hyd cert aud trac ship stor inv").split()
JOINTS = "a e i o u ar el in or um".split()
ENDINGS = "ing er ion al ic ity ment or ure age ance".split()

FILL = """
CREATE UNLOGGED TABLE made (i bigint, title_ko text, title_en text, text_ko text, text_en text, tokens text[], title text[]);
\\copy made FROM '{file}'
CREATE UNLOGGED TABLE full_made AS
SELECT i, gen_random_uuid() AS dataset_id, (ARRAY[{providers}]::uuid[])[1 + i % {n_providers}] AS provider_id, title_ko, title_en, tokens, title,
       (ARRAY['carbon', 'process', 'supply-chain'])[1 + i % 3] AS domain,
       (ARRAY['text/csv', 'application/json', 'application/x-ndjson'])[1 + i / 3 % 3] AS media_type,
       (ARRAY['free', 'metered', 'subscription', 'one_off'])[1 + i / 7 % 4] AS price_kind, i % 10 < 8 AS open,
       format('{{"asset":"asset-%s","title":{{"ko":"%s","en":"%s"}},"description":{{"ko":"%s","en":"%s"}},"sample":"%s"}}', i, title_ko, title_en,
              text_ko, text_en, repeat(md5(i::text), 16)) AS entry
  FROM made;
INSERT INTO cat.dataset (dataset_id, provider_id, asset_id, version, entry, entry_jws, entry_hash, title_ko, title_en, domain, semantic_id, media_type,
                         visibility, visible_to, price_kind, state, published_at, changed_at)
SELECT dataset_id, provider_id, 'asset-' || i, 1, entry, translate(encode(convert_to(entry, 'UTF8'), 'base64'), E'\\n', ''), sha256(i::text::bytea),
       title_ko, title_en, domain, '', media_type, CASE WHEN open THEN 'open' ELSE 'bilateral' END,
       CASE WHEN open THEN '{{}}'::text[] ELSE '{{did:web:somebody.test}}' END, price_kind, 'listed', now(),
       now() - ({datasets} - i) * interval '1 second'
  FROM full_made
 ORDER BY i;
CREATE TEMP TABLE remade AS SELECT indexdef FROM pg_indexes WHERE schemaname = 'cat' AND indexname = 'search_terms';
DROP INDEX cat.search_terms;
INSERT INTO cat.search (place, dataset_id, provider_id, domain, price_kind, media_type, title, terms)
SELECT i, dataset_id, provider_id, domain, price_kind, media_type, title,
       tokens || ARRAY(SELECT '^' || t FROM unnest(title) AS t)
       || ARRAY['domain=' || domain, 'price=' || price_kind, 'media_type=' || media_type, 'provider=' || provider_id,
                CASE WHEN open THEN 'to=*' ELSE 'to=did:web:somebody.test' END] || cat.search_spans(i)
  FROM full_made
 ORDER BY i;
SELECT indexdef FROM remade \\gexec
SELECT setval('cat.place', {datasets});
DROP TABLE made, full_made;
VACUUM ANALYZE
"""


def vocabulary(pick):
    """Pairs of a Korean and an English word; no word occurs twice."""
    ko, en = {}, {}
    while len(ko) < WORDS:
        ko["".join(pick.choices(SYLLABLES, k=pick.choice((2, 2, 2, 3, 3, 4))))] = None
    while len(en) < WORDS:
        middle = pick.choice(STEMS) if pick.random() < 0.5 else ""
        en[pick.choice(STEMS) + middle + pick.choice(JOINTS) + pick.choice(ENDINGS)] = None
    return list(zip(ko, en))


def tokens_of(ko, en):
    """As server/catalogue/tokens.c: bigrams and single characters of Hangul, whole words of the rest."""
    return {*(ko[i:i + 2] for i in range(len(ko) - 1)), *ko, en}


def write_texts(path, words, pick):
    """One line a dataset for COPY; the words of title and text are drawn by Zipf's law."""
    tokens = [tokens_of(*pair) for pair in words]
    weights = list(itertools.accumulate(1 / (n + 2) for n in range(WORDS)))
    each = IN_TITLE + IN_TEXT
    with open(path, "w", encoding="utf-8") as out:
        for i in range(1, DATASETS + 1):
            drawn = pick.choices(range(WORDS), cum_weights=weights, k=each)
            ko, en = [words[n][0] for n in drawn], [words[n][1] for n in drawn]
            title, text = set().union(*(tokens[n] for n in drawn[:IN_TITLE])), set().union(*(tokens[n] for n in drawn))
            out.write("\t".join((str(i), " ".join(ko[:IN_TITLE]), " ".join(en[:IN_TITLE]), " ".join(ko), " ".join(en),
                                 f"{{{','.join(text)}}}", f"{{{','.join(title)}}}")) + "\n")


def fill(market, kit, harness, words, pick):
    file = market.folder / "texts"
    write_texts(file, words, pick)
    providers = [kit.Company(market, f"maker-{n}").id for n in range(PROVIDERS)]
    script = FILL.format(file=file, providers=",".join(f"'{p}'" for p in providers), n_providers=PROVIDERS, datasets=DATASETS)
    status, _, err = harness.run([market.pg.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", market.url], input_text=script, deadline_s=600)
    if status:
        raise RuntimeError(f"psql: {err}")
    file.unlink()


class Asker:
    def __init__(self, market, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", market.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, terms):
        """(answer, milliseconds)"""
        query = urllib.parse.urlencode({"limit": 20, **({"q": " ".join(terms)} if terms else {})})
        start = time.monotonic()
        self.connection.request("GET", f"/v1/datasets?{query}", headers=self.headers)
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


def questions(words, hits):
    """name -> (questions, goal). A word's place in the vocabulary says how often it occurs; `hits` are those of an English word."""
    def near(share, choose, n=QUESTIONS):
        by_distance = sorted((w for w in words if len(w[0]) == 2), key=lambda w: abs(hits.get(w[1], 0) - share * DATASETS))
        return [choose(w) for w in by_distance[:n]]

    def korean(w):
        return w[0]

    def english(w):
        return w[1]

    often, middle, rare = 0.1, 0.01, 20 / DATASETS
    frequent = list(itertools.combinations([w[1] for w in words[:2]] + [w[0] for w in words[2:5] if len(w[0]) == 2] + [w[1] for w in words[5:8]], 3))[:QUESTIONS]
    several = list(zip(near(often, korean), near(often, english)[::-1], near(0.05, korean)))
    with_rare = [(a, b, c) for (a, b, _), c in zip(several, near(rare, english))]
    long = [[w[0]] for w in words[50:] if len(w[0]) == 4][:QUESTIONS]
    return {
        "one term, most frequent": ([[words[0][1]]], GOAL_ONE_MS),
        "one term, ~10 %, English": ([[t] for t in near(often, english)], GOAL_ONE_MS),
        "one term, ~10 %, Korean": ([[t] for t in near(often, korean)], GOAL_ONE_MS),
        "one term, ~1 %": ([[t] for t in near(middle, english)], GOAL_ONE_MS),
        "one term, ~20 hits": ([[t] for t in near(rare, english)], GOAL_ONE_MS),
        "one term, nowhere": ([["zzyzx"]], GOAL_ONE_MS),
        "one Korean word of three bigrams": (long, GOAL_SEVERAL_MS),
        "three terms, all frequent": (frequent, GOAL_SEVERAL_MS),
        "three terms": (several, GOAL_SEVERAL_MS),
        "three terms, one rare": (with_rare, GOAL_SEVERAL_MS),
        "no term": ([[]], GOAL_SEVERAL_MS),
    }


def hits_of_words(market):
    rows = market.sql("SELECT t, count(*) FROM cat.search, unnest(terms) AS t WHERE t ~ '^[a-z]+$' GROUP BY t")
    return {word: int(n) for word, n in rows}


def check(market, terms, answer):
    """The total is what a count of the tokens says."""
    tokens = set().union(*(tokens_of(t, t) if len(t) > 1 and not t.isascii() else {t} for t in terms)) - {t for t in terms if len(t) > 2 and not t.isascii()}
    quoted = ",".join(f"'{t}'" for t in {"to=*", *tokens})
    want = int(market.value(f"SELECT count(*) FROM cat.search WHERE terms @> ARRAY[{quoted}]"))
    total, exact = answer["total"], answer["total_is_exact"]
    if (exact and total != want) or (not exact and total >= want) or len(answer["items"]) != min(20, want):
        raise RuntimeError(f"{terms}: {len(answer['items'])} items of {total} (exact: {exact}) instead of {want}")
    return want


def bench(ctx):
    os.environ["NARU_BIN"] = str(ctx.bin)
    import harness
    import market as kit

    pick = random.Random(SEED)
    try:
        market = kit.Market(settings={"log.level": "warning"})
        buyer = kit.Company(market, "buyer")
        words = vocabulary(pick)
        start = time.monotonic()
        fill(market, kit, harness, words, pick)
        print(f"    {DATASETS:,} datasets in {time.monotonic() - start:.0f} s")
        asker = Asker(market, buyer.token)
        for name, (asked, goal) in questions(words, hits_of_words(market)).items():
            hits = [check(market, terms, asker.ask(terms)[0]) for terms in asked]
            times = sorted(asker.ask(terms)[1] for terms in asked * (REPEAT * QUESTIONS // len(asked)))
            name = f"search: {name} ({min(hits):,} … {max(hits):,} hits)"
            yield ctx.figure(name, times, "ms", goal=goal, anchor=scan_ms(market, asked[0]))
            yield ctx.figure(f"{name}: p99", [times[len(times) * 99 // 100]], "ms", goal=goal)
    finally:
        harness.stop_everything()
