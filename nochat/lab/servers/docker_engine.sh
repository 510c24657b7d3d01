#!/bin/sh
# Runs a private Docker Engine: docker_engine.sh DOCKERD. Its mounts are seen by itself alone and
# are gone with it. What stays is bound over, or hidden: the system's containerd, which would else
# run our containers, and settings that are the system's.
: "${folder:?}" "${name:?of its bridge}" "${pool:?}"
set -e
mkdir -p "$folder/etc" /run/containerd /etc/docker
cp -a /etc/docker/. "$folder/etc"
echo '{}' >"$folder/config"
mount --bind "$folder/etc" /etc/docker
mount -t tmpfs none /run/containerd
exec "$@" --host "unix://$folder/socket" --group root --config-file "$folder/config" \
    --data-root "$folder/data" --exec-root "$folder/run" --pidfile "$folder/pid" \
    --bridge "$name" --default-address-pool "base=$pool,size=26" --iptables=false \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$name"
