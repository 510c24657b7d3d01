#!/bin/sh
# Unpacks a system and runs it in LXC: container.sh FOLDER NAME ARCHIVE
# SIGTERM reaches all that runs in it, and would reach what is to stop it. As nothing of it stays,
# its own end is not worth a wait. Services there read the files as users of their own; the folder
# of it all is for us alone.
cd "$1" || exit
umask 022
chmod -R go+rX files
stop() {
    trap '' TERM
    lxc-stop --kill -n "$1" -P "$2"
}
trap 'stop "$2" "${1%/*}"' TERM
{
    tar --extract --file "$3" --directory rootfs --numeric-owner --xattrs --acls &&
        cp -R files/. rootfs &&
        exec lxc-start --foreground -n "$2" -P "${1%/*}"
} &
wait # until it ends, or we are told to end it
wait # until it has ended
