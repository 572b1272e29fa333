#!/bin/sh
# rclone 1.60.1: --immutable fails on a file of the same content if its time differs.
#
# Guess: only another content is refused; the time is brought in line, or left alone.
# So is: an error for each such file, and exit code 6. Whoever copies to a place whose times were
# not kept cannot run it a second time. --checksum helps.
# Seen (Debian 12; 1.76.0 likewise): k: Timestamp mismatch between immutable objects
. "$(dirname "$0")/lib.sh"
debs rclone=1.60.1+dfsg-2+b5
mkdir "$tmp/s" "$tmp/d"
echo same >"$tmp/s/k"
echo same >"$tmp/d/k"
touch -d 2020-01-01T00:00:00Z "$tmp/d/k"
code=0
rclone --config "$tmp/none" copy "$tmp/s" "$tmp/d" --immutable 2>"$tmp/err" || code=$?
same 'exit code' $code 6
grep -q 'k: Timestamp mismatch between immutable objects' "$tmp/err" || same message "$(cat "$tmp/err")" 'k: Timestamp mismatch between immutable objects'
rclone --config "$tmp/none" copy "$tmp/s" "$tmp/d" --immutable --checksum 2>"$tmp/err" || same 'with --checksum' "$(cat "$tmp/err")" ''
