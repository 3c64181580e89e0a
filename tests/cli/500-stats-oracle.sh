#!/bin/sh
# Statistics against SciPy, statsmodels and scikit-learn, where Debian's packages are installed.
cd "$(dirname "$0")/../.." || exit 8
exec /usr/bin/python3 tests/golden/stats/oracle.py "$(dirname "${PLAIN:?}")/tools/stats-calc" 40
