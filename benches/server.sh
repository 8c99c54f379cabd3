#!/bin/bash
# Measures the server against the floor (benches/floor.rs) on this machine and prints a table.
#
#   benches/server.sh [--repetitions N]
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
cargo build --release --quiet --example floor --example load
examples=$target/release/examples
exec python3 benches/server.py --batchyard "$target/release/batchyard" --floor "$examples/floor" --load "$examples/load" "$@"
