# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A guest: started, limited in time, its results read.

# Whether KVM boots a kernel here: where machines are virtual themselves, /dev/kvm may be there and not work.
kvm_works() {
    [[ -w /dev/kvm ]] || return 1
    # In a shell of its own, whose word about an aborted qemu is of no use.
    (
        timeout 15 qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults -display none -no-reboot -kernel "$1" \
            -append 'console=ttyS0 panic=-1 earlyprintk=serial' -serial "file:$cache/kvm.log" </dev/null || true
    ) >/dev/null 2>&1
    grep -q 'Linux version' "$cache/kvm.log" 2>/dev/null
}

choose_accelerator() {
    [[ $accelerator == auto ]] || return 0
    accelerator=tcg
    ! kvm_works "$1" || accelerator=kvm
}

# What a configuration puts on the kernel's command line, and its number of processors.
command_line() {
    case $1 in
    no-ipv6) echo ipv6.disable=1 ;;
    lockdown-*) echo "lockdown=${1#*-}" ;;
    nohz_full) echo nohz_full=1 rcu_nocbs=1 ;;
    *) echo ;;
    esac
}

# Without KVM, time in the guest is counted in instructions, two nanoseconds each, and what it would wait for comes at once.
# So a busy machine makes nothing come too late, and waiting costs nothing.
# With such a clock, 6.1 does not get past the start of a second processor. 6.5 starts them in another way.
# boot VMLINUZ CONFIGURATION SECONDS: $guest/results has what the guest said; fails if it did not come to its end.
boot() {
    local processors=2 memory=2048 count=${worlds:-20} machine=(-accel tcg -cpu max -icount "shift=1,sleep=off")
    [[ $2 != one-cpu ]] || processors=1
    [[ $tier == load ]] || memory=6144
    if [[ $accelerator == kvm ]]; then
        machine=(-accel kvm -cpu host)
        count=${worlds:-200}
    elif [[ $(printf '%s\n' 6.5 "${modules##*/}" | sort -V | head -n 1) != 6.5 ]]; then
        processors=1
    fi
    mkdir -p "$guest"
    cat "$program_archive" "$module_archive" >"$guest/initrd"
    touch "$guest/results" "$guest/console"
    # shellcheck disable=SC2046
    timeout "$3" qemu-system-x86_64 "${machine[@]}" -m "$memory" -smp "$processors" \
        -nodefaults -display none -no-reboot -kernel "$1" -initrd "$guest/initrd" \
        -append "console=ttyS0 quiet panic=-1 no_timer_check rdinit=/init $(command_line "$2") kernels.tier=$tier kernels.config=$2 kernels.worlds=$count" \
        -serial "file:$guest/console" -serial "file:$guest/results" >"$guest/qemu.log" 2>&1 </dev/null 9>&- &
    wait "$!" || echo "qemu: exit $?" >>"$guest/qemu.log"
    rm -f "$guest/initrd"
    grep -q $'^end\t' "$guest/results"
}

# report NAME CONFIGURATION SECONDS FAILURE: one line, as text or JSON, from $guest/results.
report() {
    jq -R -n -c --arg asked "$1" --arg config "$2" --argjson seconds "$3" --arg failure "$4" --arg tier "$tier" \
        --arg accelerator "$accelerator" -f "$here/kernels.d/report.jq" <"$guest/results" >"$guest/report.json"
    if ((json)); then cat "$guest/report.json"; else jq -r -f "$here/kernels.d/line.jq" <"$guest/report.json"; fi
    jq -e '.outcome == "passed"' "$guest/report.json" >/dev/null
}
