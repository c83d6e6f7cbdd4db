# SPDX-License-Identifier: Apache-2.0
# keep-alive.bash ADDRESS FILE: sends POST and GET on one connection to port 8080, and GET again once FILE exists. Prints
# the status of each.
set -euo pipefail

ask() {
    local status line length=0
    printf '%s / HTTP/1.1\r\nhost: shoes\r\ncontent-length: 0\r\n\r\n' "$1" >&3
    read -r -t 5 _ status _ <&3
    while read -r -t 5 line <&3 && line=${line%$'\r'} && [[ -n $line ]]; do
        [[ ${line,,} == content-length:* ]] && length=${line#*: }
    done
    head -c "$length" <&3 >/dev/null
    echo "$1 $status"
}

exec 3<>"/dev/tcp/$1/8080"
ask POST
ask GET
until [[ -e $2 ]]; do sleep 0.02; done
ask GET
