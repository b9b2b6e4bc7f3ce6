#!/bin/sh
# start.sh FILE PROGRAM...: writes down where the processes of the dataflow have their metrics, then runs Prometheus.
# There are LIVESHELF_WORKERS of them, with ports from 3030 upwards.
set -eu
file=$1
shift
targets='"worker:3030"'
port=3031
while [ "$port" -lt $((3030 + ${LIVESHELF_WORKERS:-1})) ]; do
    targets="$targets, \"worker:$port\""
    port=$((port + 1))
done
echo "[{\"targets\": [$targets]}]" > "$file"
exec "$@"
