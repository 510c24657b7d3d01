#!/bin/sh
# Makes a user as cloud-init does it, who is root by sudo, with a key and without a password:
#     user.sh NAME KEY
set -e
id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$1"
home=$(getent passwd "$1" | cut -d: -f6)
mkdir -p "$home/.ssh"
printf '%s\n' "$2" >>"$home/.ssh/authorized_keys"
chmod 700 "$home/.ssh"
chmod 600 "$home/.ssh/authorized_keys"
chown -R "$1:" "$home/.ssh"
echo "$1 ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/90-cloud-init-users
chmod 440 /etc/sudoers.d/90-cloud-init-users
