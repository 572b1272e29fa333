#!/bin/sh
# rhash 1.4.3 on Linux takes a backslash in a name for a slash: such a file can be neither hashed nor checked.
#
# Guess: names of files are what the system says they are.
# So is: a\b is looked for as a/b; so no form of list helps. A * at the start of a name is lost likewise
# in lists of the BSD form, also in its own.
# Seen (Debian 12):
#	rhash -M -r .         RHash: a/b: No such file or directory
#	rhash -M --bsd -r . >list; rhash -c list    star  No such file or directory
. "$(dirname "$0")/lib.sh"
debs rhash=1.4.3-3 librhash0=1.4.3-3
mkdir "$tmp/d"
cd "$tmp/d"
echo x >'a\b'
echo x >plain
out=$(rhash -M -r . 2>&1) || :
same 'files hashed' "$(echo "$out" | grep -c '^[0-9a-f]\{32\}')" 1
same 'message' "$(echo "$out" | grep RHash)" 'RHash: a/b: No such file or directory'
rm 'a\b'
echo x >'*star'
rhash -M --bsd -r . >../list
same 'lines of its own list' "$(grep -c '^MD5' ../list)" 2
same 'found again' "$(rhash -c ../list | grep -c ' OK')" 1
