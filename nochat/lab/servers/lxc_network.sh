#!/bin/sh
# Gives addresses on a bridge: lxc_network.sh DNSMASQ. Without --user it would become a user that may
# not write to our folder.
: "${folder:?}" "${name:?of the bridge}" "${first:?}" "${last:?}"
exec "$@" --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --bind-interfaces \
    --except-interface=lo --interface="$name" --dhcp-range="$first,$last" --dhcp-no-override \
    --dhcp-authoritative --no-ping --dhcp-leasefile="$folder/leases"
