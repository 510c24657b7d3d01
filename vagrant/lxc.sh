#!/bin/sh
# What vagrant/lxc.rb wants done as root: lxc.sh ACTION CONTAINER [ARGUMENT]...
# A container is whole once it has a `config`, which is written last: what an interrupt left has none.
set -eu
umask 022
unset CDPATH
export LC_ALL=C.UTF-8

action=$1 name=$2
shift 2
folder=$(lxc-config lxc.lxcpath)/${name:?}
root=$folder/rootfs

# Unpacks a box. What is to be changed inside is changed from inside: its links lead where it means.
create() { # create BOX PARTS HOSTNAME USER KEY, without the first PARTS of each file's name
  remove
  trap 'exit 130' HUP INT TERM
  trap 'remove' EXIT
  mkdir -p "$root"
  # LXC makes a machine's devices, and not everybody may.
  tar --extract --file "$(echo "$1"/rootfs.tar*)" --strip-components "$2" --directory "$root" \
    --numeric-owner --xattrs --xattrs-include='*' --anchored \
    --exclude='./dev/*' --exclude='rootfs/dev/*' --exclude='./rootfs/dev/*'
  chroot "$root" /bin/sh -s "$3" "$4" "$5" <<'INSIDE'
    set -eu
    echo "$1" >/etc/hostname
    # Without that file, the name service knows the machine's own name.
    [ ! -e /etc/hosts ] || grep -qw "$1" /etc/hosts || printf '127.0.1.1\t%s\n' "$1" >>/etc/hosts
    user=$(getent passwd "$2") || { echo "The box has no user $2." >&2; exit 1; }
    home=$(echo "$user" | cut -d: -f6)
    mkdir -p "$home/.ssh"
    echo "$3" >"$home/.ssh/authorized_keys"
    chmod -R go= "$home/.ssh"
    chown -R "$2:" "$home/.ssh"
INSIDE
  { ! cat "$1/lxc-config" 2>/dev/null || echo; } >"$folder/config.part"
  (cd "$folder" && lxc-update-config -c "$folder/config.part") # boxes may be older than LXC 2.1
  rm "$folder/config.part.backup"
  mv "$folder/config.part" "$folder/config"
  trap - EXIT
}

# On standard input comes what the Vagrantfile sets: it may have changed since the last time.
start() {
  {
    sed '/^# VAGRANT-BEGIN/,/^# VAGRANT-END/d' "$folder/config"
    echo "# VAGRANT-BEGIN"
    echo "lxc.rootfs.path = dir:$root"
    cat
    echo "# VAGRANT-END"
  } >"$folder/config.part"
  mv "$folder/config.part" "$folder/config"
  rm -f "$folder/log"
  lxc-start --name "$name" --logfile "$folder/log" --logpriority ERROR \
    </dev/null 2>"$folder/said" && return
  [ ! -s "$folder/log" ] || sed 's/.* - //' "$folder/log" >"$folder/said" # says more
  cat "$folder/said" >&2
  exit 1
}

# In order, or after a while by force; at once with `--kill`.
stop() { # stop [OPTION]...
  [ "$(lxc-info --name "$name" --state --no-humanize)" = STOPPED ] || lxc-stop --name "$name" "$@"
}

# Whatever is there, also half of one, or one whose `config` LXC refuses.
remove() {
  rm -f "$folder/config"
  if [ -e "$folder" ]; then
    said=$(lxc-stop --name "$name" --rcfile /dev/null --kill 2>&1) ||
      [ $? = 2 ] || { echo "$said" >&2; exit 1; } # 2: it does not run
    rm -rf "$folder"
  fi
}

# The state and, of one that runs, the address on its first network. It may have more, as of Docker
# inside, where this computer finds somebody else.
info() {
  [ -e "$folder/config" ] || { echo NOT_CREATED; return; }
  state=$(lxc-info --name "$name" --state --no-humanize)
  echo "$state"
  [ "$state" = RUNNING ] || return 0
  process=$(lxc-info --name "$name" --pid --no-humanize)
  nsenter --net="/proc/$process/ns/net" ip -4 -o address show dev eth0 scope global |
    sed -n '1s,.* inet \([0-9.]*\).*,\1,p'
}

"$action" "$@"; exit # Read whole before it runs: a change of this file does not reach what runs.
