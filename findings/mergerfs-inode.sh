#!/bin/sh
# mergerfs 2.33.5: without use_ino, inode numbers are the order in which entries were first looked up.
#
# Guess: mergerfs makes inode numbers of its own, of 64 bits, and they stay.
# So is: stat shows 2, 3, 4 …, in the order of the first look, so that a file has another
# number after the next mount, and two names of one file have two. With -o use_ino, the
# numbers are large (5130684268874752002), the same each time, and links share one.
# Seen (Debian 12):
#	first mount:  a 2, hard 3
#	second mount: hard 2, a 3
. "$(dirname "$0")/lib.sh"
mounts
debs mergerfs=2.33.5-1
mkdir "$tmp/one" "$tmp/two"
echo a >"$tmp/one/a"
ln "$tmp/one/a" "$tmp/one/hard"
numbers() {
	mergerfs ${options:+-o "$options"} "$tmp/one:$tmp/two" "$tmp/mnt"
	(cd "$tmp/mnt" && stat -c '%n %i' "$@")
	unmount
}
options=
same 'first mount' "$(numbers a hard)" 'a 2
hard 3'
same 'second mount' "$(numbers hard a)" 'hard 2
a 3'
options=use_ino
first=$(numbers a hard)
same 'with use_ino' "$(numbers hard a | sort)" "$first"
same 'one number for both names' "$(echo "$first" | cut -d ' ' -f 2 | uniq | wc -l)" 1
