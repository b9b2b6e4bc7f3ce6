#!/bin/sh
# Runs the feature dataflow from its last snapshot, or from the beginning of the event log where there is none.
set -eu
recovery="$LIVESHELF_DATA_DIR/recovery"
if [ ! -d "$recovery" ]; then
    # Whole or not at all: Bytewax refuses a recovery folder that was only half made.
    rm -rf "$recovery.new"
    mkdir "$recovery.new"
    python -m bytewax.recovery "$recovery.new" 1
    mv "$recovery.new" "$recovery"
fi
exec python -m dataflows.cluster \
    -r "$recovery" -s "${LIVESHELF_SNAPSHOT_SECONDS:-1}" -w "${LIVESHELF_WORKERS:-1}"
