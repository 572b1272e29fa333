#!/bin/sh
# rclone: [!b] in a filter means the opposite in 1.60.1 and in 1.76.0.
#
# Guess: --exclude 'a[!b]' leaves out ac and keeps ab, as in a shell, in git and in rsync.
# So is: in 1.60.1, which Debian 12 has, ! is one of the characters that match, and only ^
# negates: ab is left out. 1.76.0 negates. Nothing tells who updates that a list of filters turned round.
# Seen, of ab and ac:
#	1.60.1  lsf --exclude 'a[!b]' lists ac, --exclude 'a[^b]' lists ab
#	1.76.0  both list ab
# It builds rclone, which takes some minutes.
. "$(dirname "$0")/lib.sh"
need go
debs rclone=1.60.1+dfsg-2+b5
GOBIN=$tmp GOFLAGS=-mod=mod go install -ldflags=-s github.com/rclone/rclone@v1.76.0 >"$tmp/log" 2>&1 || skip "rclone 1.76.0 cannot be built: $(tail -n 1 "$tmp/log")"
mkdir "$tmp/d"
touch "$tmp/d/ab" "$tmp/d/ac"
list() { "$1" --config "$tmp/none" lsf "$tmp/d" --exclude "$2" 2>"$tmp/err"; }
same '1.60.1 without a[!b]' "$(list rclone 'a[!b]')" ac
same '1.60.1 without a[^b]' "$(list rclone 'a[^b]')" ab
same '1.76.0 without a[!b]' "$(list "$tmp/rclone" 'a[!b]')" ab
same '1.76.0 without a[^b]' "$(list "$tmp/rclone" 'a[^b]')" ab
