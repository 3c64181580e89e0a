#!/bin/sh
# predict of texts: embeddings of a packed encoder and of one in a folder, forms, pooling, what is refused.
. "${0%/*}/lib.sh"
E=$G/embed/tiny
cp -R "$E" enc && rm enc/cases.jsonl
jq -c 'select(.embedding) | {text: .texts[0]}' "$E/cases.jsonl" >texts.jsonl
jq -c 'select(.embedding) | .embedding' "$E/cases.jsonl" >expected

# near A B: lines of JSON arrays that differ by less than 1e-5.
near() { [ "$(wc -l <"$1")" -eq "$(wc -l <"$2")" ] && jq -es --slurpfile b "$2" '[., $b] | transpose | all(transpose | all((.[0] - .[1]) | . < 1e-5 and . > -1e-5))' "$1" >/dev/null; }

test_expect "the references' embeddings, from a column of JSON Lines" '
    mlopsctl predict -q enc/model.onnx texts.jsonl --text-column text >out && jq -c .embedding out >got && [ "$(wc -l <got)" -eq 24 ] && near got expected
'
test_expect 'the same from a bundle, on any number of threads, in batches of any size' '
    mlopsctl pack enc -t tiny:1 >/dev/null &&
    for o in "--threads 1" "--threads 3 --batch 5" "--batch 1"; do mlopsctl predict -q tiny:1 texts.jsonl --text-column text $o >out && jq -c .embedding out >got && near got expected || exit 1; done
'
test_expect 'a model in a folder onnx finds its tokenizer above it' '
    cp -R enc hub && mkdir hub/onnx && mv hub/model.onnx hub/onnx/ && mlopsctl predict hub/onnx/model.onnx --text "the cat is small" >a &&
    mlopsctl pack hub -t hub:1 >/dev/null && mlopsctl predict hub:1 --text "the cat is small" | cmp - a && jq -c .embedding a >got && head -1 expected >first && near got first
'
test_expect 'a plain vocabulary does as well' '
    cp -R enc plain && rm plain/tokenizer.json && mlopsctl predict -q plain/model.onnx texts.jsonl --text-column text >out && jq -c .embedding out >got && near got expected
'
test_expect '--text, again and again; CSV, .npy' '
    mlopsctl predict tiny:1 --text "the cat" --text "a dog" --text "" >out && [ "$(jq -s "map(.embedding | length) | unique" -c out)" = "[16]" ] && [ "$(wc -l <out)" -eq 3 ] &&
    mlopsctl predict tiny:1 --text "the cat" --output-format csv >csv && [ "$(head -1 csv | cut -d, -f1,16)" = embedding_0,embedding_15 ] && [ "$(wc -l <csv)" -eq 2 ] &&
    mlopsctl predict tiny:1 --text "the cat" --text b -o out.npy && grep -aq "(2, 16)" out.npy && [ "$(($(wc -c <out.npy) % 64))" -eq 0 ]
'
test_expect 'kept columns stand beside; rows without a text and texts that are cut are told' '
    printf "id,t\n7,the cat\n8,\n9,\"%s\"\n" "$(for i in $(seq 60); do printf "the "; done)" >t.csv &&
    mlopsctl predict tiny:1 t.csv --text-column t --keep id >out 2>err && [ "$(cut -d, -f1 out | paste -sd" ")" = "id 7 8 9" ] &&
    grep -q "1 text was cut to 24 tokens" err && grep -q "1 row has no text" err
'
test_expect 'pooling of the user instead of the settings; one vector a token' '
    mlopsctl predict tiny:1 --text "the cat" --pool none >tokens && [ "$(jq -c ".embedding | map(length)" tokens)" = "[16,16,16,16]" ] &&
    jq -c ".embedding[0]" tokens >first && mlopsctl predict tiny:1 --text "the cat" --pool cls | jq -c .embedding >got && near got first &&
    jq -c ".embedding | transpose | map(max)" tokens >max && mlopsctl predict tiny:1 --text "the cat" --pool max | jq -c .embedding >got && near got max &&
    mlopsctl predict tiny:1 --text "the cat" --pool mean --normalize >got && mlopsctl predict tiny:1 --text "the cat" | cmp - got
'
test_expect 'misuse is told: exit 2' '
    expect_code 2 mlopsctl predict tiny:1 t.csv --text x && expect_code 2 mlopsctl predict tiny:1 t.csv --pool cls && expect_code 2 mlopsctl predict tiny:1 --text x --proba &&
    expect_code 2 mlopsctl predict tiny:1 --text x --pool none --normalize && expect_code 2 mlopsctl predict tiny:1 --text x --pool none --output-format csv &&
    expect_code 2 mlopsctl predict tiny:1 --text x --pool middle
'
test_expect 'no such column: 4; no tokenizer: 3; text that is none: 4; a model that takes no text: 7' '
    expect_code 4 mlopsctl predict tiny:1 t.csv --text-column nope 2>err && grep -q "lacks .nope." err &&
    mkdir bare && cp enc/model.onnx bare/ && expect_code 3 mlopsctl predict bare/model.onnx --text x 2>err && grep -q "neither tokenizer.json nor vocab.txt" err &&
    expect_code 4 mlopsctl predict tiny:1 --text "$(printf "a\377")" 2>err && grep -q "text 1: text is not UTF-8" err &&
    cp -R enc other && cp "$G/onnx/pipelines/mlp/model.onnx" other/ && expect_code 7 mlopsctl predict other/model.onnx --text x 2>err && grep -q "which no text fills" err
'
test_expect 'a tokenizer or a module that is not known is named: exit 7; one that is damaged: 4' '
    cp -R enc odd && jq ".normalizer.type = \"NFKC\"" enc/tokenizer.json >odd/tokenizer.json && expect_code 7 mlopsctl predict odd/model.onnx --text x 2>err && grep -q "normalizer .NFKC. is not supported" err &&
    cp enc/tokenizer.json odd/ && echo "[{\"path\":\"2_Dense\",\"type\":\"m.Dense\"}]" >odd/modules.json && expect_code 7 mlopsctl predict odd/model.onnx --text x 2>err && grep -q "module .Dense." err &&
    rm odd/modules.json && head -c 900 enc/tokenizer.json >odd/tokenizer.json && expect_code 4 mlopsctl predict odd/model.onnx --text x 2>err && grep -q "tokenizer.json: JSON" err
'
test_expect 'damaged bytes of a packed tokenizer are found' '
    blob=$(grep -rl "\[unused\]\|WordPiece" .mlops/store/blobs | head -1) && chmod u+w "$blob" && sed -i "s/WordPiece/WordPeace/" "$blob" && expect_code 4 mlopsctl predict tiny:1 --text x 2>err && grep -q "stored copy is damaged" err
'
test_expect 'an encoder without its texts says which option is meant; one that does not go with texts is named' '
    printf "id,subject\n1,hello\n" >few.csv && expect_code 7 mlopsctl predict "$E/model.onnx" few.csv 2>err && grep -q "^hint: it is an encoder of texts: --text-column" err &&
    for option in --proba --margin --strict --by-position "--features id"; do
        expect_code 2 mlopsctl predict "$E/model.onnx" few.csv --text-column subject $option 2>err && grep -q -e "${option%% *} does not go with texts" err || exit 1
    done
'
test_done
