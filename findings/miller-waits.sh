#!/bin/sh
# Miller 6.6.0 in a slow pipe shows nothing before 500 records or the end, with --records-per-batch 1 neither.
#
# Guess: a record leaves when it has come, or at least with --records-per-batch 1.
# So is: a pipe as output is written when it is full. It takes --records-per-batch 1 and --fflush.
# Seen (Debian 12): of two records, 3 seconds apart, both come at once after 3 seconds; with both options the first comes at once.
. "$(dirname "$0")/lib.sh"
debs miller=6.6.0-2+b3
# apart says whether the first record comes before the second, which follows 3 seconds later.
apart() { # OPTION…
	{
		echo '{"a":1}'
		sleep 3
		echo '{"a":2}'
	} | mlr "$@" --ijsonl --ojsonl cat | {
		read -r _
		first=$(date +%s)
		read -r _
		if [ $(($(date +%s) - first)) -ge 2 ]; then echo yes; else echo no; fi
	}
}
same 'as it is' "$(apart)" no
same 'one at a time' "$(apart --records-per-batch 1)" no
same 'flushed' "$(apart --fflush)" no
same 'one at a time, flushed' "$(apart --records-per-batch 1 --fflush)" yes
