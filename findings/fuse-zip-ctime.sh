#!/bin/sh
# fuse-zip 0.5.0: the ctime is not when the entry changed, but its mtime, rounded to two seconds.
#
# Guess: the ctime is the mtime, as in other archives, or the time of the last change.
# So is: while the archive stays mounted, a new file has a ctime of now. After the next mount
# it is the mtime in the old form of zip, which counts two seconds: before the mtime, and
# as old as the mtime says, whenever the file was written.
# Seen (Debian 12): written now, mtime put to 10:00:05 of 2024-01-02:
#	mounted again: mtime 10:00:05, ctime 10:00:04
. "$(dirname "$0")/lib.sh"
mounts
need zip
debs fuse-zip=0.5.0-1+b1 libzip4=1.7.3-1+b1 libfuse2=2.9.9-6+b1
echo x >"$tmp/x"
(cd "$tmp" && zip -q x.zip x)
export TZ=UTC
fuse-zip "$tmp/x.zip" "$tmp/mnt"
now=$(date +%s)
echo new >"$tmp/mnt/new"
touch -d '2024-01-02T10:00:05Z' "$tmp/mnt/new"
[ "$(stat -c %Z "$tmp/mnt/new")" -ge $((now - 1)) ] || same 'ctime while mounted' "$(stat -c %z "$tmp/mnt/new")" now
pid=$(pgrep -f "fuse-zip $tmp/x.zip")
unmount
tail --pid="$pid" -f /dev/null # it writes the archive after the unmount
fuse-zip "$tmp/x.zip" "$tmp/mnt"
same 'mtime and ctime' "$(stat -c '%Y %Z' "$tmp/mnt/new")" "$(date -d 2024-01-02T10:00:05Z +%s) $(date -d 2024-01-02T10:00:04Z +%s)"
unmount
