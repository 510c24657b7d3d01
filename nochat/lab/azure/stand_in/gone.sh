#!/bin/sh
# Run when the stand-in is gone: destroys the machines behind it.
: "${notes:?}" "${root:?}"
test ! -d "$notes/machines" ||
    (cd "$root" && VAGRANT_CWD=$root timeout 120 vagrant destroy --force)
