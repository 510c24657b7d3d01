#!/bin/sh
# Run when the process that made machines is gone: ends what of its Vagrant still runs, known by a
# variable of its environment, then destroys the machines that were not there before it. A private
# Docker Engine may have ended already; its containers did with it; and so may a stand-in for Azure,
# with all that it held.
: "${folder:?}" "${mark:?}" "${token:?}" "${root:?}" "${dotfile:?}" "${before?}" "${seconds:?}"
test ! -e "$folder/destroyed" || exit 0
for process in $(grep -lzsx "$mark=$token" /proc/[0-9]*/environ); do
    process=${process%/environ}
    kill -9 "${process#/proc/}"
done
cd "$dotfile/machines" || exit
set --
for name in *; do
    case " $before " in *" $name "*) ;; *) set -- "$@" "$name" ;; esac
done
test $# -gt 0 || exit 0
cd "$root" && timeout "$seconds" vagrant destroy --force "$@" && exit
cd "$dotfile/machines" || exit
case $DOCKER_HOST in
unix:///*)
    test -S "${DOCKER_HOST#unix://}" || for name in "$@"; do rm -rf "$name/docker"; done
    ;;
esac
case $AZURE_MANAGEMENT_ENDPOINT in
https://127.0.0.1:*) for name in "$@"; do rm -rf "$name/azure"; done ;;
esac
