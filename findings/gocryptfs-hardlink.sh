#!/bin/sh
# gocryptfs 2.3 -reverse: the ciphertext of a file with two names depends on which of them was read first after the mount.
#
# Guess: in reverse mode, which is made for backups, the same file always gives the same ciphertext.
# So is: the key stream comes from the path of the name that was looked up first. Size, mtime, ctime and
# inode number stay, and the content differs from mount to mount: to a backup with a cache nothing has
# changed, and to one that reads everything the disk has damaged the file. Decrypted, both are the same.
# Seen (Debian 12): a file with the names A and B, mounted three times:
#	A read first, then B: one MD5 for both; the same when mounted again
#	B read first, then A: another MD5 for both
. "$(dirname "$0")/lib.sh"
mounts
debs gocryptfs=2.3-1+b4
mkdir "$tmp/plain"
echo hello >"$tmp/plain/one"
ln "$tmp/plain/one" "$tmp/plain/two"
echo password | gocryptfs -init -reverse -q -scryptn 10 "$tmp/plain" >"$tmp/log" 2>&1
mount_it() { echo password | gocryptfs -reverse -q "$tmp/plain" "$tmp/mnt" >"$tmp/log" 2>&1; }
mount_it
names=$(cd "$tmp/mnt" && find . -type f -links 2 | sort)
unmount
a=$(echo "$names" | head -n 1)
b=$(echo "$names" | tail -n 1)
read_in() { # NAME NAME prints what stat says, and the MD5 of the first name
	mount_it
	sum=$(md5sum <"$tmp/mnt/$1")
	same 'both names' "$(md5sum <"$tmp/mnt/$2")" "$sum"
	echo "$(stat -c '%i %s %Y %Z' "$tmp/mnt/$1") ${sum%% *}"
	unmount
}
first=$(read_in "$a" "$b")
same 'mounted again' "$(read_in "$a" "$b")" "$first"
other=$(read_in "$b" "$a")
same 'what stat says' "${other% *}" "${first% *}"
[ "$other" != "$first" ] || same 'the other name first' "$other" 'another MD5'
