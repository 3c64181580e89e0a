#!/bin/sh
# Rules inferred from few rows let the next table of the same source pass, and still see what is broken.
. "${0%/*}/lib.sh"

# fresh.py SEED ROWS [DAMAGE] >TABLE
cat >fresh.py <<'END'
import math
import random
import sys

rng, rows, damage = random.Random(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
word = lambda n: "".join(rng.choice("abcdefghij") for _ in range(n))
columns = {
    "normal": lambda: round(rng.gauss(0, 1), 4),
    "lognormal": lambda: round(math.exp(rng.gauss(3, 1)), 2),
    "pareto": lambda: round(rng.paretovariate(1.5), 3),
    "count": lambda: min(int(rng.expovariate(0.15)), 200),
    "age": lambda: int(min(max(rng.gauss(40, 12), 18), 90)),
    "code": lambda: rng.randrange(8),
    "capped": lambda: min(int(rng.paretovariate(1.1)), 40),
    "five": lambda: rng.choice("abcde"),
    "sixty": lambda: f"c{min(int(rng.paretovariate(1.0)), 60)}",
    "rare": lambda: "x" if rng.random() < 0.004 else rng.choice(["p", "q"]),
    "missing": lambda: "" if rng.random() < 0.1 else round(rng.random(), 3),
    "seldom": lambda: "" if rng.random() < 0.003 else round(rng.random(), 3),
    "name": lambda: word(1 + int(rng.expovariate(0.2))),
    "shelf": lambda: f"{rng.choice('ABCDEFG')}{rng.randrange(1000):03d}",
    "draw": lambda: rng.randrange(10**6),
    "yes": lambda: rng.choice(["true", "false"]),
    "day": lambda: f"2026-01-{1 + rng.randrange(28):02d}",
}
first = rng.randrange(10**6, 10**7)
print(",".join(["row", *columns]))
for i in range(rows):
    v = {"row": first + i, **{k: f() for k, f in columns.items()}}
    if rng.random() < 0.3:  # of the rows
        if damage == "scale":
            v["normal"] = 100 + v["normal"]
        elif damage == "category":
            v["five"] = "z"
        elif damage == "missing":
            v["age"] = ""
        elif damage == "text":
            v["code"] = "n/k"
        elif damage == "pattern":
            v["shelf"] = "7-A"
        elif damage == "length":
            v["name"] = word(300)
        elif damage == "repeat":
            v["row"] = first
    print(",".join(str(x) for x in v.values()))
END
# alarms ROWS-OF-RULES ROWS-OF-TABLES SEEDS: how many fresh tables fail
alarms()
{
    failed=0 i=0
    while [ "$i" -lt "$3" ]; do
        i=$((i + 1))
        python3 fresh.py "rules $1 $i" "$1" >rules.csv && mlopsctl validate --infer rules.csv >rules.yaml || return 8
        python3 fresh.py "fresh $2 $i" "$2" >fresh.csv
        mlopsctl validate --rules rules.yaml fresh.csv >out && continue
        failed=$((failed + 1))
        sed -n '/^[a-z]* .*error/p' out >&2
    done
    echo "$failed of $3 tables of $2 rows fail rules of $1" >&2
    echo "$failed"
}
seeds=${SEEDS:-8}
test_expect 'fresh tables pass rules of 100, 300 and 1,000 rows' '
    all=$(($(alarms 100 100 $seeds) + $(alarms 300 300 $seeds) + $(alarms 1000 1000 $seeds))) && echo "$all of $((3 * seeds))" && [ $((all * 20)) -le $((3 * seeds + 20)) ]'
test_expect 'larger and smaller ones too' '
    all=$(($(alarms 100 1000 $seeds) + $(alarms 1000 200 $seeds))) && echo "$all of $((2 * seeds))" && [ $((all * 20)) -le $((2 * seeds + 20)) ]'
test_expect 'what is broken in a third of the rows is an error' '
    python3 fresh.py r 100 >rules.csv && mlopsctl validate --infer rules.csv >rules.yaml &&
    for damage in "scale normal range" "category five in" "missing age missing" "text code type" "pattern shelf regex" "length name length" "repeat row unique"; do
        set -- $damage
        python3 fresh.py "$1" 100 "$1" >fresh.csv && expect_code 1 mlopsctl validate --rules rules.yaml fresh.csv --json >out &&
        jq -e "[.rules[] | select(.severity == \"error\" and .verdict == \"fails\") | .column + \" \" + .rule] | index(\"$2 $3\") != null" out >/dev/null || { echo "$damage"; jq -c .rules[0] out; exit 1; }
    done'
test_done
