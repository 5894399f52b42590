#!/usr/bin/env bash
# An hour of churn (or as many seconds as the first argument says) against the broker of this tree.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-3600}
cargo build --release -p mqtide -p mqtide-testkit
target=${CARGO_TARGET_DIR:-target}
log=$(mktemp)
"$target/release/mqtide" broker --ephemeral --listen mqtt://127.0.0.1:18830 >"$log" 2>&1 &
broker=$!
trap 'kill "$broker" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 50); do
    (exec 3<>/dev/tcp/127.0.0.1/18830) 2>/dev/null && break
    kill -0 "$broker" || { cat "$log"; exit 1; }
    sleep 0.1
done
"$target/release/soak" 127.0.0.1:18830 "$seconds" "$broker"
