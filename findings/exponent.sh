#!/bin/sh
# nushell 0.115.1 and yq 4.54.3 print a whole number of JSON from 2^63 on as 9.223372036854776e+18.
#
# Guess: such a number stays, or is rounded to 9223372036854776000, as jq does.
# So is: both print it with an exponent; nushell keeps numbers below 2^63, yq rounds from 2^53 on.
# Readers that want digits refuse the line. Inode numbers of this size are found in mounts of rclone.
# Seen: {"n":9223372036854775809} becomes {"n":9.223372036854776e+18} in both.
. "$(dirname "$0")/lib.sh"
need npm go
(cd "$tmp" && npm install --silent --no-audit --no-fund --prefix "$tmp" nushell@0.115.1 >log 2>&1) || skip 'nushell is not to be had'
GOBIN=$tmp GOFLAGS=-mod=mod go install github.com/mikefarah/yq/v4@v4.54.3 >"$tmp/log" 2>&1 || skip 'yq is not to be had'
nu() { "$tmp/node_modules/.bin/nu" -n --stdin -c 'lines | each { from json } | each { to json -r } | to text'; }
yq() { "$tmp/yq" -p json -o json -I0 .; }
for program in nu yq; do
	same "$program from 2^63 on" "$(echo '{"n":9223372036854775809}' | $program)" '{"n":9.223372036854776e+18}'
done
same 'nushell from 2^53 on' "$(echo '{"n":9007199254740993}' | nu)" '{"n":9007199254740993}'
same 'yq from 2^53 on' "$(echo '{"n":9007199254740993}' | yq)" '{"n":9007199254740992}'
