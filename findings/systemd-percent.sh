#!/bin/sh
# systemd 252: a % in ExecStart that is no specifier is taken as it is, and one that happens to be is replaced; verify says nothing.
#
# Guess: "20% /srv" is refused, or systemd-analyze verify warns.
# So is: it works, and teaches that % needs no %%. The next one, such as --exclude=*%tmp,
# becomes --exclude=*/runmp.
# Seen (Debian 12, systemd-analyze verify, exit code 0, nothing printed; with SYSTEMD_LOG_LEVEL=debug):
#	Command Line: /bin/echo --max-delete 20% /srv "--exclude=*/runmp"
. "$(dirname "$0")/lib.sh"
debs systemd=252.39-1~deb12u2 libsystemd-shared=252.39-1~deb12u2
LD_LIBRARY_PATH=$(dirname "$(find "$tmp/root" -name 'libsystemd-shared-*.so')"):$LD_LIBRARY_PATH
printf '[Service]\nType=oneshot\nExecStart=/bin/echo --max-delete 20%% /srv --exclude=*%%tmp\n' >"$tmp/percent.service"
same 'verify' "$(systemd-analyze verify "$tmp/percent.service" 2>&1) $?" ' 0'
same 'the command' "$(SYSTEMD_LOG_LEVEL=debug systemd-analyze verify "$tmp/percent.service" 2>&1 | sed -n 's/.*Command Line: \(.*max-delete\)/\1/p')" \
	'/bin/echo --max-delete 20% /srv "--exclude=*/runmp"'
