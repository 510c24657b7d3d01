#!/bin/sh
# Removes what engines were told of a registry, which goes with it.
: "${folder:?}"
test -e "$folder/trusted" || exit
while read -r made; do
    rm -rf "$made"
    rmdir "${made%/*}"
done <"$folder/trusted"
