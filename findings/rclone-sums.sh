#!/bin/sh
# rclone 1.60.1: "rclone md5sum" writes another name for a file with a newline in its name, and escapes none.
#
# Guess: the lines are those of GNU md5sum, which escapes such a name.
# So is: the newline is written as U+240A, so md5sum -c looks for a file that is not there.
# Seen (Debian 12; 1.76.0 likewise): d41d8cd98f00b204e9800998ecf8427e  a␊b
. "$(dirname "$0")/lib.sh"
debs rclone=1.60.1+dfsg-2+b5
mkdir "$tmp/n"
touch "$tmp/n/a
b"
lines=$(rclone --config "$tmp/none" md5sum "$tmp/n" 2>"$tmp/err")
same lines "$lines" 'd41d8cd98f00b204e9800998ecf8427e  a␊b'
! (cd "$tmp/n" && echo "$lines" | md5sum -c --quiet) >"$tmp/out" 2>&1 || same 'md5sum -c' 'finds it' 'finds no such file'
