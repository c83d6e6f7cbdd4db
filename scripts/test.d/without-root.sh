# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The tests without root: in a user namespace where the machine has these, else only what makes no network namespace.

# BPF programs are for the machine's root alone.
needs_bpf='DatapathEBPFTests|ConformanceTests\.(Live|Kernel|PropertyKernel|PropertyKill|PropertyAdoption|PropertyQuestion|FuzzPacket)'
# These become another user, which a user namespace of one user does not have.
needs_users='anotherUserIsTurnedAway|anotherUserIsNoDecider|aNameTakenByAnotherUserIsNoLock'
# This captures thousands of packets, for which it needs more room than the machine grants others than root.
needs_room='NewFlowTests/whatIsReportedIsWhatACaptureSees'
# These make network namespaces, or write tables of nftables.
needs_networks='DatapathNFTablesTests|BridgeGuardTests|NetfilterTests|GracePeriodTests|RequestSteeringTests|NodeNetworkTests'

has_namespaces() { unshare -Urnm mount -t tmpfs tmpfs /run 2>/dev/null; }

# Runs a command with root's rights over namespaces of its own, or as it is.
within_rights() {
    if ((EUID == 0)) || ! has_namespaces; then
        "$@"
    else
        unshare -Urnm bash -c 'mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$@"' _ "$@"
    fi
}

run_without_root() {
    local skipped="$needs_bpf|$needs_users|$needs_room" failures=0
    has_namespaces || skipped+="|$needs_networks"
    run --skip "$skipped|AgentTests|KubernetesClientTests" || failures=1
    run --filter 'AgentTests|KubernetesClientTests' --skip "$skipped" || failures=1
    printf '\n'
    ((failures == 0)) || echo "test: some of the tests failed"
    cat <<TEXT
test: without root, these were left out; sudo scripts/test runs them:
  - DatapathEBPFTests, and of ConformanceTests the live, kernel and fuzz tests: they load BPF programs
  - three tests that become another user: ${needs_users//|/, }
  - $needs_room: it captures more packets than others than root may keep
TEXT
    has_namespaces || cat <<TEXT
  - ${needs_networks//|/, }: they make network namespaces, and this
    machine lets only root do that; scripts/demo --check says what to change
TEXT
    return "$failures"
}
