#!/bin/sh
# predict in constant memory: ten times the rows take no more, whatever comes in and goes out. tests/peers/predict-memory
# does the same with 10 GB.
. "${0%/*}/lib.sh"
have python3 || skip_all 'needs python3'
M=$G/onnx/pipelines/boosting-3/model.onnx

awk 'BEGIN { srand(3); for (i = 0; i < 30000; i++) { for (c = 0; c < 8; c++) printf "%.6f,", rand() * 8 - 4; print i } }' >block.csv
names=$(head -1 "$G/predict/boosting-3.csv")
rows() { echo "$names,id"; i=0; while [ $i -lt "$1" ]; do cat block.csv; i=$((i + 1)); done; }
# peak BLOCKS ARGUMENT...: KiB that the program held at most.
peak()
{
    blocks=$1 && shift
    rows "$blocks" | python3 -c "import resource,subprocess,sys; r=subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)" "$PLAIN" predict -q "$M" - --threads 2 --proba --features "$names" "$@"
}
# What the interpreter holds until the program's exec counts in both.
grows_little() { few=$(peak 8 "$@") && many=$(peak 85 "$@") && echo "$* $few $many KiB" && [ "$many" -le $((few + 4096)) ]; }

test_expect 'the stream is of 20 and of 200 MB' 'bytes=$(($(wc -c <block.csv) * 85)) && echo "$bytes" && [ "$bytes" -gt 190000000 ]'
for form in csv jsonl arrows parquet; do
    test_expect "into $form" "grows_little --keep id --output-format $form"
done
test_expect 'into a file with an index of its batches' 'grows_little --keep id -o out.arrow'
test_expect 'into an array' 'grows_little -o out.npy'
test_done
