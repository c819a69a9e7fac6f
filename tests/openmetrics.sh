#!/usr/bin/env bash
# What the library writes as OpenMetrics is read by Prometheus' own parser for Python, which refuses what the format does not
# allow; and what it writes as JSON is the same figures.
source "$(dirname "$0")/lib.sh"

python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import prometheus_client.openmetrics.parser' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "SKIPPED: Python has no prometheus_client (python3-prometheus-client), so no strict parser has read the text"
    exit 77
fi

cat >check.py <<'END'
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
written = json.load(open(sys.argv[2]))


def expect(what, wanted, got):
    if wanted != got:
        sys.exit(f"{what}: wanted {wanted}, got {got}")


for name, family in families.items():
    if not name.startswith("poolbuf_") or not family.documentation or not family.samples:
        sys.exit(f"{name} has a foreign name, no help or no sample")
    expect(f"unit of {name}", "bytes" if name.endswith("_bytes") else "", family.unit)
kinds = {arena["kind"]: written[arena["kind"] + "_arenas"] for arena in written["arenas"]}
labels = [{"kind": kind, "arena": str(i)} for kind in ("direct", "heap") for i in range(kinds[kind])]
expect("labels of poolbuf_chunks", labels, [s.labels for s in families["poolbuf_chunks"].samples])
expect("type of allocations", "counter", families["poolbuf_allocations"].type)
# The same work was done for both texts, so that what does not depend on the moment is the same.
for field, family in (
    ("live_bytes", "poolbuf_live_bytes"),
    ("chunk_count", "poolbuf_chunks"),
    ("arena_small_allocations", "poolbuf_arena_small_allocations"),
    ("chunk_maps", "poolbuf_chunk_maps"),
    ("used_heap_bytes", "poolbuf_used_heap_bytes"),
    ("chunk_size", "poolbuf_chunk_size_bytes"),
):
    expect(field, written[field], sum(s.value for s in families[family].samples))
print(len(families), "families")
END

metrics=$POOLBUF_EXAMPLES/metrics
run "$metrics" openmetrics
expect_status 0
expect_stderr_empty
cp .stdout text
run "$metrics" json
expect_status 0
cp .stdout written.json
run "$python" check.py text written.json
expect_status 0
expect_stdout_has " families"
cat .stdout

# The parser is no rubber stamp, and neither is check.py.
sed '/^# EOF$/d' text >damaged
run "$python" check.py damaged written.json
checks=$((checks + 1))
[ "$status" != 0 ] || fail "a text without its end was accepted"
sed 's/^poolbuf_live_bytes .*/poolbuf_live_bytes 1/' text >damaged
run "$python" check.py damaged written.json
checks=$((checks + 1))
[ "$status" != 0 ] || fail "another figure was accepted"

run "$POOLBUF_JSON_TOOL" check written.json
expect_status 0
finish
