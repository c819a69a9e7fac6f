# Results (`poolbuf run -o results.json`) for github-action-benchmark, as its tool customSmallerIsBetter:
#
#   jq -f ci/export/github-action-benchmark.jq results.json >benchmarks.json
#
# An entry for each scenario, subject and measure, but for the harness itself: medians of rounds, with half the width of their
# interval as the range.
def entry($name; $measure; $unit; $value; $estimate):
    select($value != null)
    | {name: "\($name) \($measure)", unit: $unit, value: $value}
      + (if $estimate.low != null and $estimate.high != null
         then {range: "± \(($estimate.high - $estimate.low) / 2 * 1000 | round / 1000)",
               extra: "interval \($estimate.low) to \($estimate.high)"}
         else {} end);

[.scenarios[] as $scenario | $scenario.results[] | select(.status == "ok" and .subject != "null")
 | "\($scenario.name)/\(.subject)" as $name
 | entry($name; "time"; "ns/op"; .time_ns_per_op.median?; .time_ns_per_op),
   entry($name; "peak resident"; "B"; .peak_resident_bytes.median?; .peak_resident_bytes),
   entry($name; "latency p50"; "ns"; .latency.p50_ns?; null),
   entry($name; "latency p99"; "ns"; .latency.p99_ns?; null),
   entry($name; "latency p99.99"; "ns"; .latency.p99_99_ns?; null),
   entry($name; "instructions"; "instructions/op"; .instructions.per_op?; null)]
