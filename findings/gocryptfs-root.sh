#!/bin/sh
# gocryptfs 2.3: the root of a mount has the inode number 0.
#
# Guess: as with all else in the mount, the number is that of the folder behind it, or 1.
# So is: 0, with stat and fstat, which programs take for "no number": in forward and in reverse mode. In readdir, files
# keep the numbers of those behind them.
# Seen (Debian 12): stat -c %i of the mount 0, of the folder behind it 10002659, say.
. "$(dirname "$0")/lib.sh"
mounts
debs gocryptfs=2.3-1+b4
mkdir "$tmp/plain" "$tmp/cipher"
echo x >"$tmp/plain/file"
quiet() { echo password | gocryptfs -q "$@" >"$tmp/log" 2>&1; }
quiet -init -scryptn 10 "$tmp/cipher"
quiet -init -scryptn 10 -reverse "$tmp/plain"
quiet "$tmp/cipher" "$tmp/mnt"
same 'root, forward' "$(stat -c %i "$tmp/mnt")" 0
unmount
quiet -reverse "$tmp/plain" "$tmp/mnt"
same 'root, reverse' "$(stat -c %i "$tmp/mnt")" 0
same 'a file' "$(cd "$tmp/mnt" && find . -type f -printf '%i\n' | grep -cx "$(stat -c %i "$tmp/plain/file")")" 1
unmount
