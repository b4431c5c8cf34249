# bash completion of naru(1); made by tools/clidoc from the command table
_naru()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word words="" options="" commands=""
    local -i i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --home | --lang) ((i++)) ;;
        -*) ;;
        *)
            words=${words:+$words }$word
            [[ $words == *" "* ]] && break
            ;;
        esac
    done
    case $previous in
    --ca | --cert | --data-root | --home | --html | --key | --output | --policy | --quality | --sample | --schema | --templates | --token-file | -o)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    esac
    case $words in
    "") commands="audit buy end fetch health help init operator orders policy publish register search show statement status usage version" ;;
    audit) commands="pull verify" ;;
    operator) commands="applications approve attest cancel close init payments refuse suspend token trial-balance withdraw" ;;
    policy) commands="diff explain lint make templates what-if" ;;
    "audit pull"*) options="--broker --ca --token-file" ;;
    "audit verify"*) options="--key" ;;
    buy | "buy "*) options="--plan --purpose --no-negotiate" ;;
    end | "end "*) options="--reason" ;;
    fetch | "fetch "*) options="--output --again" ;;
    health | "health "*) options="--ca" ;;
    init | "init "*) options="--slug --did --broker --broker-did --public-listen --public-url --management-listen --management-url --cert --key --ca --database --data-root --allow" ;;
    "operator applications"*) options="--state" ;;
    "operator approve"*) options="--reason" ;;
    "operator attest"*) options="--bpn --framework --until" ;;
    "operator cancel"*) options="--reason" ;;
    "operator close"*) options="--from --to" ;;
    "operator init"*) options="--database --url --did --name --account --listen --operator-listen --operator-url --cert --key --ca --allow" ;;
    "operator payments"*) options="--output" ;;
    "operator refuse"*) options="--reason" ;;
    "operator suspend"*) options="--reason" ;;
    "operator token"*) options="--role --label --expires --revoke" ;;
    "operator withdraw"*) options="--bpn --framework" ;;
    orders | "orders "*) options="--state" ;;
    "policy diff"*) options="--strict" ;;
    "policy make"*) options="--set --profile --plan --currency --vat --fee --templates --output" ;;
    "policy templates"*) options="--templates" ;;
    "policy what-if"*) options="--fact --at --agreed --scope --action --dataset --party --peer --trace" ;;
    publish | "publish "*) options="--title-ko --title-en --description-ko --description-en --domain --media-type --keyword --semantic-id --plan --currency --vat --fee --purpose --country --until --members-only --policy --visibility --visible-to --sample --schema --quality --database --format --asset --no-wait" ;;
    register | "register "*) options="--number --name-ko --name-en --country --wait" ;;
    search | "search "*) options="--domain --price --media-type --provider --limit --after" ;;
    statement | "statement "*) options="--kind --period --html" ;;
    status | "status "*) options="--wait-member" ;;
    usage | "usage "*) options="--from --to" ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options --json --home --lang --quiet --no-colour" -- "$current")
    elif [[ -n $commands ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _naru naru
