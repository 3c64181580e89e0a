#!/bin/sh
# CSV against pandas, where Debian's package is installed.
cd "$(dirname "$0")/../.." || exit 8
exec /usr/bin/python3 tests/golden/tables/oracle.py "$(dirname "${PLAIN:?}")/tools/table-dump" 80
