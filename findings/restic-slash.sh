#!/bin/sh
# restic 0.14.0: --exclude 'x/' leaves out files called x, too.
#
# Guess: a slash at the end means folders only, as in .gitignore, rsync and rclone.
# So is: the slash is dropped, and whatever has the name is left out.
# Seen (Debian 12), of a folder d/x with a file and a file q/x: neither is in the snapshot.
. "$(dirname "$0")/lib.sh"
debs restic=0.14.0-1+b5
export RESTIC_PASSWORD=password RESTIC_CACHE_DIR="$tmp/cache"
mkdir -p "$tmp/src/d/x" "$tmp/src/q"
cd "$tmp/src"
echo 1 >d/x/f
echo 2 >d/y
echo 3 >q/x
restic init -q -r "$tmp/repo" >"$tmp/log"
restic backup -q -r "$tmp/repo" . --exclude 'x/' >"$tmp/log"
same 'what is stored' "$(restic -q -r "$tmp/repo" ls latest | grep '^/')" '/d
/d/y
/q'
