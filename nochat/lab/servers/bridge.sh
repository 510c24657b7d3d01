#!/bin/sh
# Makes a bridge if it is not there, or removes it.
: "${action:?up or down}" "${name:?}" "${pool:?}" "${gateway:?}" "${machines:?}"

# First of all rules, as another Docker Engine makes the kernel drop what it does not know. No
# chain of Docker's own: two engines would flush each other's. They keep networks apart, as an
# engine does; what stays in one may pass here, too.
rules() {
    iptables --wait "$1" INPUT --in-interface "$name" --jump ACCEPT
    for range in "$pool" "$machines"; do
        iptables --wait "$1" FORWARD --source "$range" --jump ACCEPT
        iptables --wait "$1" FORWARD --destination "$range" --jump ACCEPT
        iptables --wait --table nat "$1" POSTROUTING --source "$range" ! --destination "$range" \
            --jump MASQUERADE
    done
    for step in "--jump DROP" "--match physdev --physdev-is-bridged --jump ACCEPT"; do
        # shellcheck disable=SC2086 # several words
        iptables --wait "$1" FORWARD --source "$pool" --destination "$pool" $step
    done
}

case $action in
up)
    if ! test -e "/sys/class/net/$name"; then
        ip link add "$name" type bridge && ip address add "$gateway" dev "$name" &&
            ip link set "$name" up && rules --insert || exit
        echo 1 >/proc/sys/net/ipv4/ip_forward
    fi
    ;;
down)
    rules --delete
    ip link delete "$name"
    ;;
esac
