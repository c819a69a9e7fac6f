# Results (`poolbuf run -o results.json`) in the Bencher Metric Format:
#
#   jq -f ci/export/bencher.jq results.json >bmf.json
#   bencher run --adapter json --file bmf.json
#
# A benchmark for each scenario and subject, but for the harness itself. `latency` is Bencher's own measure, in ns: the time of an
# operation, a median of rounds with its interval. The others are there where they were measured.
def estimate: {value: .median, lower_value: .low, upper_value: .high} | map_values(select(. != null));
def alone: {value: .};
def known: with_entries(select(.value.value != null));

[.scenarios[] as $scenario | $scenario.results[] | select(.status == "ok" and .subject != "null")
 | {key: "\($scenario.name)/\(.subject)",
    value: ({latency: (.time_ns_per_op // {} | estimate),
             "peak-resident-bytes": (.peak_resident_bytes // {} | estimate),
             "latency-p50": (.latency.p50_ns? | alone),
             "latency-p99": (.latency.p99_ns? | alone),
             "latency-p99-99": (.latency.p99_99_ns? | alone),
             instructions: (.instructions.per_op? | alone)} | known)}
 | select(.value != {})] | from_entries
