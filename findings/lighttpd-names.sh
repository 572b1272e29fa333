#!/bin/sh
# lighttpd 1.4.69 as a proxy: an address with %0A or %7F is refused with 400, and others are rewritten, so that file names get lost.
#
# Guess: a reverse proxy hands on the path as it came, as nginx and tinyproxy do.
# So is: the default of server.http-parseopts decodes what may be decoded (%2F becomes a slash),
# joins slashes, and refuses encoded control characters. With url-normalize disabled, it hands on all.
# Seen (Debian 12):
#	GET /a%0Ab  400, nothing reaches the server behind it
#	GET /a%2Fb  arrives as /a/b
#	GET /a//b   arrives as /a/b
. "$(dirname "$0")/lib.sh"
behind_lighttpd
same newline "$(ask '' '/a%0Ab')" 400
same DEL "$(ask '' '/a%7Fb')" 400
same slash "$(ask '' '/a%2Fb')" /a/b
same 'two slashes' "$(ask '' '/a//b')" /a/b
same 'newline, as it is' "$(ask '"url-normalize" => "disable", "url-ctrls-reject" => "disable"' '/a%0Ab')" '/a%0Ab'
