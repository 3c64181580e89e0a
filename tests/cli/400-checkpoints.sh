#!/bin/sh
# Checkpoints that lie, break off or attack, through pack and scan. tests/tools/hostile.py writes them and says what is
# wrong with each.
. "${0%/*}/lib.sh"

have python3 || skip_all 'python3 is not installed'
python3 "$R/tests/tools/hostile.py" h || exit 8
esc=$(printf '\033')

# all_refused GLOB: every case whose name begins so is refused with status 4 and its reason.
all_refused()
{
    n=0 bad=0
    while IFS="$(printf '\t')" read -r name text; do
        case $name in $1-*) ;; *) continue ;; esac
        n=$((n + 1))
        timeout 20 "$MLOPSCTL" pack "h/$name" -t x:1 -n >out 2>err
        got=$?
        if [ $got -ne 4 ] || [ -s out ] || ! grep -qF -- "$text" err || ! grep -q '^mlopsctl: pack: ' err; then
            echo "$name: status $got, want 4 and: $text"
            cat out err
            bad=$((bad + 1))
        fi
    done <h/cases
    [ $n -gt 5 ] && [ $bad -eq 0 ]
}
# all_cuts_refused FORMAT N: pack refuses N beginnings of the good file, that is all of them.
all_cuts_refused()
{
    expect_code 4 mlopsctl pack "h/cut/$1" -t x:1 -n 2>err && head -n 1 err && grep -q "^mlopsctl: pack: $2 refused: " err
}

test_expect 'the good files are good, and known answers of the fact sheet' '
    (cd h/good && printf "%s  %s\n" 9c54a301d1883c1238adad7212e1c8b7a0ee5a828aa7b9a5fc5c4b58af05fe54 model.safetensors \
        1eb8629770844b486a8440dcaa52cc281c1060f7829b2dfe887f35257d610f93 model.gguf \
        871e5662a75c479e365d04d276e29a67b9ca3c43ef3dfc57996800abc8806db8 model.npy | sha256sum -c --quiet) &&
    for f in h/good/*; do mlopsctl pack "$f" -t x:1 -n --json | json ".parameters >= 2" || { echo "$f"; exit 1; }; done
'
for format in safetensors gguf npy npz onnx pt; do
    test_expect "hostile $format files are refused, each with its reason" "all_refused $format"
done
for format in safetensors gguf npy npz onnx; do
    test_expect "$format cut off at any byte is refused" "all_cuts_refused $format \$(ls h/cut/$format | wc -l)"
done
test_expect 'a PyTorch file cut off at any byte behind its magic is refused' '
    all_cuts_refused pt $(($(ls h/cut/pt | wc -l) - 4))
'
test_expect 'scan looks into every cut file and gives verdicts' '
    for d in h/cut/*; do
        mlopsctl scan --json "$d" >out 2>err
        [ $? -le 1 ] && [ ! -s err ] && json "(.files | length) >= 32" <out || { echo "$d" && cat err && exit 1; }
    done
'
test_expect 'scan gives each pickle its verdict and says what it found' '
    while IFS="$(printf "\t")" read -r name verdict text; do
        case $verdict in tensor-only | known) want=0 ;; *) want=1 ;; esac
        expect_code $want mlopsctl scan "h/scan/$name" --json >out 2>err && [ ! -s err ] &&
            [ "$(json .verdict <out)" = "$verdict" ] && jq -e --arg t "$text" "\$t == \"\" or any(.findings[].what; contains(\$t))" <out ||
            { echo "$name" && cat out err && exit 1; }
    done <h/verdicts
'
test_expect 'the worst of a folder is its verdict' '
    expect_code 1 mlopsctl scan h/scan --json >out && [ "$(json .verdict <out)" = dangerous ] && json "(.files | length) == $(wc -l <h/verdicts)" <out
'
test_expect 'names inside archives do not reach the terminal raw' '
    expect_code 1 mlopsctl scan h/scan/names.zip >out 2>err && ! grep -q "$esc" out && grep -qF "x1B[2J" out && grep -qF "u{202E}.pkl" out &&
    expect_code 4 mlopsctl pack h/scan/names.zip -t x:1 -n 2>err && ! grep -q "$esc" err
'
test_expect 'names of tensors are only names, and are shown escaped' '
    mlopsctl pack h/odd/names.safetensors -t names:1 && mlopsctl show names:1 --tensors >out && ! grep -q "$esc" out && grep -qF "../../\\x1B[2J" out && grep -qF "\\u{202E}x" out &&
    mlopsctl show names:1 --tensors --json | json ".tensors | length == 2"
'
test_expect 'a bomb is refused in bounded memory' '
    [ "$(wc -c <h/odd/bomb.npz)" -lt 400000 ] && program=${PLAIN:-$MLOPSCTL} && [ -x "$program" ] &&
    expect_code 4 timeout 20 prlimit --as=700000000 "$program" pack h/odd/bomb.npz -t x:1 -n 2>err && cat err &&
    must_fail timeout 20 prlimit --as=700000000 "$program" scan h/odd/bomb.npz
'
test_done
