#!/bin/sh
# Stops and removes a container of LXC. What watched over it may still be ending.
: "${name:?}"
lxc-stop --kill --name "$name"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    lxc-destroy --snapshots --name "$name" && break
    sleep 0.2
done
