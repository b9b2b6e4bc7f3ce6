#!/bin/sh
# Registers the feature views in Feast; changes nothing where they are registered already.
set -eu
cd /app/feature_repo
exec feast apply
