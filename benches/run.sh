#!/bin/bash
# Measures batchyard against the floor (benches/floor.rs) on this machine and prints a table.
#
#   benches/run.sh [--repetitions N] [--batchyard PROGRAM] [CASE...]
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
cargo build --release --quiet --example floor
exec python3 benches/measure.py --batchyard "$target/release/batchyard" --floor "$target/release/examples/floor" "$@"
