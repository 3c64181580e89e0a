#!/bin/sh
# Counts of validate against pandas, where Debian's package is installed.
cd "$(dirname "$0")/../.." || exit 8
/usr/bin/python3 -c 'import pandas' 2>/dev/null || {
    echo '1..0 # SKIP python3-pandas is not installed'
    exit 0
}
exec /usr/bin/python3 tests/golden/validate/oracle.py "${MLOPSCTL:-build/gcc/mlopsctl}" 12
