#!/bin/sh
# systemd 252: a timer for 02:30 does not run at all on the day the clocks go forward.
#
# Guess: systemd moves it to 03:30, as it does with other times that do not exist.
# So is: the day is left out. Vixie's cron runs such a job right after the change.
# Seen (Debian 12, systemd-analyze calendar, Europe/Oslo, from 2026-03-28 12:00):
#	Next elapse: Mon 2026-03-30 02:30:00 CEST
. "$(dirname "$0")/lib.sh"
debs systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2
LD_LIBRARY_PATH=$(dirname "$(find "$tmp/root" -name 'libsystemd-shared-*.so')"):$LD_LIBRARY_PATH
out=$(TZ=Europe/Oslo systemd-analyze calendar --base-time='2026-03-28 12:00:00' '*-*-* 02:30:00')
same 'next run' "$(echo "$out" | grep 'Next elapse')" '    Next elapse: Mon 2026-03-30 02:30:00 CEST'
out=$(TZ=Europe/Oslo systemd-analyze calendar --base-time='2026-03-28 12:00:00' '*-*-* 03:17:00')
same 'one that exists' "$(echo "$out" | grep 'Next elapse')" '    Next elapse: Sun 2026-03-29 03:17:00 CEST'
