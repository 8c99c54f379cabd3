#!/bin/bash
# Measures the BatchCompute service against the floor (benches/floor.rs) on this machine and prints a table.
#
#   benches/jobs.sh [--repetitions N]
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
cargo build --release --quiet --example floor --example submit
exec python3 benches/jobs.py --batchyard "$target/release/batchyard" --floor "$target/release/examples/floor" --submit "$target/release/examples/submit" "$@"
