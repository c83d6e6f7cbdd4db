# SPDX-License-Identifier: Apache-2.0
# One line for people.
def program: "\(.name) \(.instructions)/\(.peakStates)";
[
    .asked + (if .kernel then " (\(.kernel))" else "" end), .tier, .config, .outcome,
    (.datapaths | if . == [] then "-" else join(" and ") end),
    (if .programs == [] then empty
        else "verified \([.programs[].instructions] | add) instructions, peak \([.programs[].peakStates] | max) states, in \(.loadMilliseconds) ms" end),
    (if .tier == "load" and .datapaths == ["nftables"] then .because // .missing // empty else empty end),
    "\(.cells) cells", (.tests[] | "tests \(.result)"), .notes[], .failures[], "\(.seconds) s, \(.accelerator)"
] | join("; ")
