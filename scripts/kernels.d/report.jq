# SPDX-License-Identifier: Apache-2.0
# The guest's lines as one object.
[inputs | rtrimstr("\r") | split("\t")] as $lines
| def all($key): [$lines[] | select(.[0] == $key) | .[1:]];
  def first($key): all($key)[0][0] // null;
{
    asked: $asked, kernel: first("kernel"), tier: $tier, config: $config, accelerator: $accelerator,
    outcome: (if $failure == "" and all("wrong") == [] then "passed" else "failed" end),
    failures: ((if $failure == "" then [] else [$failure] end) + [all("wrong")[][0]]),
    datapaths: [all("datapath")[][0]] | unique, because: first("because"), supports: first("support"), missing: first("missing"),
    programs: [all("program")[] | {name: .[0], instructions: (.[1] | tonumber), states: (.[2] | tonumber),
        peakStates: (.[3] | tonumber), microseconds: (.[4] | tonumber)}],
    loadMilliseconds: (first("loaded") | if . then tonumber else null end),
    cells: ([all("cells")[][1] | tonumber] | add // 0),
    tests: [all("tests")[] | {filter: .[0], result: .[1]}],
    notes: [all("note")[][0]],
    seconds: $seconds
}
