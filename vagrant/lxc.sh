#!/bin/sh
# The actions of vagrant/lxc.rb that need root: lxc.sh ACTION CONTAINER [ARGUMENT]...
# A container is complete if it has a `config`, which is written last.
set -eu
umask 022
unset CDPATH
export LC_ALL=C.UTF-8

action=$1 name=$2
shift 2
folder=$(lxc-config lxc.lxcpath)/${name:?}
root=$folder/rootfs

# Unpacks a box. Its files are changed in a chroot, where absolute links resolve within the box.
create() { # create BOX PARTS HOSTNAME USER KEY, without the first PARTS of each file's name
  remove
  trap 'exit 130' HUP INT TERM
  trap 'remove' EXIT
  mkdir -p "$root"
  # LXC creates the devices; tar may not be permitted to.
  tar --extract --file "$(echo "$1"/rootfs.tar*)" --strip-components "$2" --directory "$root" \
    --numeric-owner --xattrs --xattrs-include='*' --anchored \
    --exclude='./dev/*' --exclude='rootfs/dev/*' --exclude='./rootfs/dev/*'
  chroot "$root" /bin/sh -s "$3" "$4" "$5" <<'INSIDE'
    set -eu
    echo "$1" >/etc/hostname
    # If there is no such file, the name service (NSS) resolves the machine's own name.
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

# Standard input holds the Vagrantfile's settings, which may have changed since the last start.
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

# Shuts the container down, and kills it after a timeout; with `--kill`, at once.
stop() { # stop [OPTION]...
  [ "$(lxc-info --name "$name" --state --no-humanize)" = STOPPED ] || lxc-stop --name "$name" "$@"
}

# Removes the container, even if it is incomplete or LXC refuses its `config`.
remove() {
  rm -f "$folder/config"
  if [ -e "$folder" ]; then
    said=$(lxc-stop --name "$name" --rcfile /dev/null --kill 2>&1) ||
      [ $? = 2 ] || { echo "$said" >&2; exit 1; } # 2: it does not run
    rm -rf "$folder"
  fi
}

# Prints the state and, if the container runs, its address on the first network. Others that it may
# have, such as Docker's, lead elsewhere from this computer.
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
