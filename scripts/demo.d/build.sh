# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The build of the demo's programs.

# Processor minutes of a build from scratch, estimated: two thirds of the modules took 14. More than four processors help
# little, because modules wait for those that they import.
processor_minutes=20

# Prints how long a build from scratch takes here, in minutes.
build_minutes() {
    local processors
    processors=$(nproc)
    ((processors <= 4)) || processors=4
    echo $(((processor_minutes + processors - 1) / processors))
}

# Sets bin, the folder of the programs.
build_programs() {
    bin=$programs
    [[ $programs ]] && return
    bin=$PWD/.build/release
    if [[ -x $bin/bulkheadd && -x $bin/packet-probe ]]; then
        echo "Building what changed since the last build."
    else
        echo "The first build takes about $(build_minutes) minutes on this machine ($(nproc) processors)."
    fi
    mkdir -p .build
    # One target that needs the programs: one plan, and the processors are busy until the end.
    bash scripts/demo.d/progress.bash .build/demo.log scripts/build --target DemoPrograms
}
