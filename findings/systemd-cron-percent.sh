#!/bin/sh
# systemd-cron 1.15.19 runs crontabs otherwise than crontab(5) says: % is a percent sign, and both kinds of days have to be met.
#
# Guess: % ends the command unless a backslash stands before it, and of the day of the month
# and that of the week either is enough.
# So is: the command goes to sh as it stands, backslash included ("20\%" in quotes keeps
# it), and the timer has both conditions.
# Seen (Debian 12), of the line 17 3 1,15 * 1 root /opt/sync --max-delete '20\%' --x 5% /srv:
#	OnCalendar=Mon *-*-1,15 3:17:00
#	/opt/sync --max-delete '20\%' --x 5% /srv
. "$(dirname "$0")/lib.sh"
debs systemd-cron=1.15.19-5
[ -x /usr/bin/python3 ] || skip '/usr/bin/python3 is not there'
mkdir "$tmp/units" "$tmp/timers"
# shellcheck disable=SC1003 # the backslash belongs to the crontab
printf '%s\n' "17 3 1,15 * 1 root /opt/sync --max-delete '20\\%' --x 5% /srv" >"$tmp/crontab"
# The generator reads fixed paths; its functions take others.
(cd "$tmp" && LD_LIBRARY_PATH='' /usr/bin/python3 -W ignore - <<'P') >"$tmp/log" 2>&1 || skip "$(tail -n 1 "$tmp/log")"
import importlib.machinery, importlib.util
loader = importlib.machinery.SourceFileLoader("generator", "root/lib/systemd/system-generators/systemd-crontab-generator")
generator = importlib.util.module_from_spec(importlib.util.spec_from_loader("generator", loader))
loader.exec_module(generator)
generator.TARGET_DIR, generator.TIMERS_DIR = "units", "timers"
for job in generator.parse_crontab("crontab", withuser=True):
    generator.generate_timer_unit(job, seq=generator.count())
P
same 'timer' "$(grep -h OnCalendar "$tmp"/units/*.timer)" 'OnCalendar=Mon *-*-1,15 3:17:00'
same 'command' "$(cat "$tmp"/units/*.sh)" "/opt/sync --max-delete '20\\%' --x 5% /srv"
