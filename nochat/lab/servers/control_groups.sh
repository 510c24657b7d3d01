#!/bin/sh
# Lets a group of version 2 hand its controllers down. One with processes in it hands none down. In
# a container, the group that looks like the first one is such; its processes move into another, as
# in Docker's own image of an engine. A system with systemd has done it, and of version 1 nothing is
# to do.
: "${groups:?the folder of the group}"
(
    cd "$groups" || exit
    test -e cgroup.controllers && test -e cgroup.type && test -n "$(cat cgroup.procs)" || exit 0
    mkdir -p init
    xargs -rn1 <cgroup.procs >init/cgroup.procs || true
    sed 's/ / +/g; s/^/+/' cgroup.controllers >cgroup.subtree_control
) || true
