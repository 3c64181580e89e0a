#!/bin/sh
# Called by `mlopsctl drift --on-drift ./on-drift.sh` on an alarm. What was found stands in variables; here it becomes a line
# of a log. A retrain would be started here too.
set -eu
echo "$(date -u +%FT%TZ) run $DRIFT_RUN of '$DRIFT_NAME': $DRIFT_VERDICT; worst: ${DRIFT_COLUMN:-none}, page: ${DRIFT_PAGE:-none}" >>alarms.log
