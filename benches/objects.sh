#!/bin/bash
# Measures the object store against the file system below it and prints a table.
#
#   benches/objects.sh [--folder ON_THE_DISK] [--megabytes N] [--files N] [--repetitions N]
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet --package batchyard-objects --example endpoint
exec python3 benches/objects.py --endpoint "$target/release/examples/endpoint" "$@"
