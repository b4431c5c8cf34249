#!/bin/sh
# The demo's trade in containers: three companies and a data bank, through the command line only.
# Runs as the service 'demo' of compose.yaml; needs a data space in which nobody has registered yet.
set -eu
export LC_ALL=C.UTF-8
umask 077

usage() {
    echo 'usage: demo.sh        (no arguments; the service "demo" of docker/compose.yaml)'
}

fail() {
    echo "demo: $1" >&2
    exit 1
}

case ${1-} in
'') ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

data=/srv/data
ca=/run/secrets/ca.crt
broker=https://broker:9443
energy=$data/steel-energy.csv
milling=$data/milling-process.csv
twins=$data/traceability-twins.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# -- helpers
say() {
    printf '  %-16s %s\n' "$1" "$2"
}

show() {
    printf '\n--- %s\n%s\n\n' "$1" "$2"
}

# as HOME WORD…: a command of that company, or of the operator
as() {
    home=$work/$1
    shift
    naru --home "$home" --quiet "$@"
}

# value NAME: that text member of the one-line JSON on standard input; fails if there is none
value() {
    sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | grep .
}

# number NAME: the same for a number
number() {
    sed -n 's/.*"'"$1"'":\([0-9][0-9]*\).*/\1/p' | grep .
}

make_home() {
    mkdir "$work/$1"
    cat >"$work/$1/naru.conf"
}

# company NAME: the home of a company whose connector is the host NAME
company() {
    make_home "$1" <<END
participant.did = did:web:$1%3A8443
participant.slug = $1
identity.key = /run/secrets/$1.pem
public.url = https://$1:8443
connector.url = https://$1:8444
connector.api_key = /run/secrets/$1-api-key
broker.url = $broker
broker.did = did:web:broker%3A9443
fetch.ca = $ca
END
}

# -- members
register() {
    as "$1" register --name-ko "$2" --name-en "$3" --country KR --number "kr_brn:$4" >/dev/null ||
        fail "'$1' cannot register; to begin anew see docker/README.md"
}

approve_all() {
    as operator --json operator applications | tr '{' '\n' | sed -n 's/^"participant":"\([^"]*\)".*/\1/p' >"$work/applied"
    while read -r participant; do
        as operator operator approve "$participant" >/dev/null
    done <"$work/applied"
    for name in steel machining buyer; do
        as "$name" status --wait-member >/dev/null
    done
}

# -- trade
# search WORDS TITLE: the buyer finds the dataset with this title
search() {
    as buyer --json search "$1" >"$work/found"
    grep -qF "$2" "$work/found" || fail "search for '$1' does not find '$2'"
    say search "'$1': $(number total <"$work/found") found, '$2' among them"
}

# buy BUYER DATASET PURPOSE -> the agreement
buy() {
    as "$1" --json buy "$2" --purpose "urn:naru:purpose:$3" | value agreement
}

# fetch BUYER AGREEMENT SOURCE: what arrives is what was published
fetch() {
    as "$1" fetch "$2" -o "$work/fetched" >/dev/null
    ours=$(sha256sum <"$work/fetched")
    theirs=$(sha256sum <"$3")
    [ "$ours" = "$theirs" ] || fail "${3##*/}: digest differs from the source"
    say fetch "${3##*/}: $(wc -c <"$work/fetched") bytes, sha256 $(printf %.16s "$ours")… equals the source's"
    rm "$work/fetched"
}

refuse() {
    status=0
    as buyer --json buy "$1" --purpose urn:naru:purpose:marketing >/dev/null 2>"$work/refused" || status=$?
    [ $status -eq 5 ] || fail "a wrong purpose ended with $status, not 5: $(cat "$work/refused")"
    say refused "$(tail -n 1 "$work/refused" | value detail)"
}

# match AGREEMENT: waits until the receipts of both sides have met
match() {
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        as buyer --json usage "$1" >"$work/usage"
        if grep -qF '"state":"matched"' "$work/usage"; then
            say usage "matched on both meters: $(number rows <"$work/usage") rows"
            return 0
        fi
        sleep 1
    done
    fail "after $attempt tries the receipts of both sides do not match: $(cat "$work/usage")"
}

# -- money and evidence
close_period() {
    as operator operator close demo --from "$(date -u +%Y-%m-01T00:00:00Z)" \
        --to "$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)" >/dev/null
    show 'invoice of the buyer' "$(as buyer statement --kind invoice)"
    show 'statement of the steel plant' "$(as steel statement --kind statement)"
    show 'trial balance' "$(as operator operator trial-balance)"
    as operator --json operator trial-balance >"$work/balance"
    grep -qF '"balanced":true' "$work/balance" || fail "no balance: $(cat "$work/balance")"
    ! grep -qF '"balanced":false' "$work/balance" || fail "the ledger does not balance: $(cat "$work/balance")"
    say 'period closed' 'debits equal credits'
}

audit() {
    as operator --json operator token --role auditor --label demo | value token >"$work/auditor-token"
    naru --quiet audit pull "$work/mirror" --broker $broker --ca $ca --token-file "$work/auditor-token" >/dev/null
    naru audit verify "$work/mirror" >"$work/verdict" || fail "the log does not verify: $(cat "$work/verdict")"
    say audit "$(tail -n 1 "$work/verdict")"
}

# One digit of a receipt becomes another one in a copy of the log: the verifier must name the entry.
tamper() {
    cp -R "$work/mirror" "$work/altered"
    bundle=$(grep -rlF '"rows":' "$work/altered/tile/entries" | sort | head -n 1)
    [ -n "$bundle" ] || fail 'no receipt in the log'
    at=$(($(grep -obaF '"rows":' "$bundle" | head -n 1 | cut -d : -f 1) + 7))
    digit=9
    [ "$(dd if="$bundle" bs=1 skip=$at count=1 2>/dev/null)" != 9 ] || digit=8
    printf %s $digit | dd of="$bundle" bs=1 seek=$at conv=notrunc 2>/dev/null
    status=0
    naru audit verify "$work/altered" >"$work/verdict" || status=$?
    [ $status -eq 1 ] || fail "one altered byte was not found: exit $status"
    grep -F 'was altered' "$work/verdict" >"$work/finding" || fail "the verifier names no entry: $(cat "$work/verdict")"
    say tamper "$(head -n 1 "$work/finding")"
}

# -- the trade
for file in "$energy" "$milling" "$twins"; do
    [ -r "$file" ] || fail "'$file' is missing; docker/prepare makes it"
done
for name in steel machining buyer; do
    company $name
done
make_home operator <<END
broker.url = $broker
broker.did = did:web:broker%3A9443
operator.url = https://broker:9444
operator.token = /run/secrets/operator-token
fetch.ca = $ca
END

register steel 나루제강 'Naru Steel' 124-81-00998
register machining 한빛정밀 'Hanbit Machining' 220-81-62517
register buyer 동방자동차부품 'Dongbang Car Parts' 120-81-47521
approve_all
say members 'three companies applied, were approved, hold credentials'

energy_id=$(as steel --json publish "$energy" --title-ko '제강 공정 15분 전력·탄소 배출 2018' \
    --title-en 'Steel plant energy and CO2 per 15 minutes, 2018' --domain carbon --media-type text/csv --keyword 탄소 \
    --plan per-row:0.5 --purpose urn:naru:purpose:carbon-reporting --members-only | value dataset)
milling_id=$(as machining --json publish "$milling" --title-ko '밀링 가공 공정 데이터' --title-en 'Milling process data' \
    --domain process --media-type text/csv --plan subscription:300000/month \
    --purpose urn:naru:purpose:predictive-maintenance | value dataset)
twins_id=$(as buyer --json publish "$twins" --title-ko '부품 이력 추적 트윈' --title-en 'Traceability twins of parts' \
    --domain supply-chain --media-type application/json --plan one-off:50000 \
    --purpose urn:naru:purpose:traceability | value dataset)
say published 'three datasets: by the row, by subscription, once'

search 탄소 '제강 공정 15분 전력·탄소 배출 2018'
search 'milling process' 'Milling process data'
search '부품 이력' '부품 이력 추적 트윈'

energy_contract=$(buy buyer "$energy_id" carbon-reporting)
milling_contract=$(buy buyer "$milling_id" predictive-maintenance)
twins_contract=$(buy machining "$twins_id" traceability)
say bought 'three contracts, one under each plan'

fetch buyer "$energy_contract" "$energy"
fetch buyer "$milling_contract" "$milling"
fetch machining "$twins_contract" "$twins"
refuse "$energy_id"
match "$energy_contract"
close_period
audit
tamper
echo 'demo: ok'
