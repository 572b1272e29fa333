#!/bin/sh
# lighttpd 1.4.69 as a proxy cuts an answer of 200 itself to the range that was asked for.
#
# Guess: a server that knows no ranges answers 200 with all of it, and the proxy hands that on.
# So is: the server behind sees the range, ignores it and sends all; lighttpd makes a 206 of it, with the part.
# So a client that tests whether ranges work is told yes, and every part costs the server the whole file.
# Seen (Debian 12): "Range: bytes=0-1" for a server that answers "/name" with 200: 206 and "/n".
. "$(dirname "$0")/lib.sh"
behind_lighttpd
same 'without a range' "$(ask '' /name)" /name
same 'with one' "$(ask '' /name -H 'Range: bytes=0-1')" '206 /n'
same 'what the server behind sees' "$(ask '' /name -H 'Range: bytes=0-9999')" '206 /namebytes=0-9999'
