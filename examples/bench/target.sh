#!/bin/sh
# The smallest target of `mlopsctl bench`: it answers and does nothing, so its time is that of the pipe.
# An argument is a number of seconds that each answer takes.
set -eu
read -r hello # {"version":1,"model":...,"rows":...,"requests":[...]}
[ -n "$hello" ]
echo mlopsctl-bench 1
while read -r run n; do
    [ "$run" = run ]
    if [ $# -gt 0 ]; then sleep "$1"; fi
    echo "ok $n"
done
