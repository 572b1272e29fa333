# shellcheck shell=sh
# What the scripts here share. Each sources it first:
#
#	. "$(dirname "$0")/lib.sh"
#
# It ends with 0 if the surprise still holds, 1 if it does not, and 77 if it could
# not be tried. Packages go into a temporary folder, which is gone at the end.
set -eu
tmp=$(mktemp -d)
at_end=:
trap 'eval "$at_end"; rm -rf "$tmp" || { chmod -R u+w "$tmp"; rm -rf "$tmp"; }' EXIT
trap 'exit 130' INT TERM HUP

skip() {
	echo "not tried: $*"
	exit 77
}

need() {
	for program; do
		command -v "$program" >"$tmp/which" || skip "$program is not installed"
	done
}

# same WHAT GOT WANT
same() {
	[ "$2" = "$3" ] && return
	printf '%s: got\n%s\nwant\n%s\n' "$1" "$2" "$3"
	exit 1
}

# debs PACKAGE=VERSION… unpacks packages of Debian 12, and puts them on the paths.
debs() {
	need apt-get dpkg
	mkdir -p "$tmp/debs"
	for package; do
		(cd "$tmp/debs" && apt-get download -qq -o APT::Sandbox::User=root "$package" 2>"$tmp/apt") ||
			skip "$package is not to be had: $(tail -n 1 "$tmp/apt")"
	done
	for file in "$tmp"/debs/*.deb; do
		dpkg -x "$file" "$tmp/root"
	done
	PATH=$tmp/root/usr/bin:$tmp/root/bin:$tmp/root/usr/sbin:$tmp/root/sbin:$PATH
	for dir in "$tmp"/root/usr/lib/*-linux-gnu "$tmp"/root/lib/*-linux-gnu; do
		[ ! -d "$dir" ] || LD_LIBRARY_PATH=$dir:${LD_LIBRARY_PATH:-}
	done
	export PATH LD_LIBRARY_PATH
}

# goprogram [MODULE@VERSION…] builds $tmp/program from the text on standard input.
# shellcheck disable=SC2120 # whoever sources this gives arguments
goprogram() {
	need go
	mkdir -p "$tmp/go"
	cat >"$tmp/go/main.go"
	(
		cd "$tmp/go"
		export GOFLAGS=-mod=mod GOWORK=off
		go mod init example >log 2>&1
		[ $# = 0 ] || go get "$@" >>log 2>&1
		go build -o "$tmp/program" . >>log 2>&1
	) || skip "${*:-the program} cannot be built: $(tail -n 1 "$tmp/go/log")"
}

# mounts PROGRAM… skips where nothing can be mounted.
mounts() {
	[ -w /dev/fuse ] || skip '/dev/fuse cannot be opened'
	need fusermount3
	mkdir -p "$tmp/mnt"
	at_end="fusermount3 -u -z '$tmp/mnt' 2>'$tmp/unmount' || :"
}

unmount() { fusermount3 -u "$tmp/mnt"; }

# behind_lighttpd starts a server that answers with the address it was asked for. After that,
# ask PARSEOPTS PATH [CURL-OPTION…] asks lighttpd in front of it, and prints the answer, or the
# status if that is neither 200 nor 206.
behind_lighttpd() {
	need curl
	debs lighttpd=1.4.69-1
	# shellcheck disable=SC2119 # it needs no module
	goprogram <<'G'
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// It answers with the address that it was asked for, and writes its own port to a file.
func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	free.Close()
	text := fmt.Sprintf("%d %d\n", l.Addr().(*net.TCPAddr).Port, free.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(os.Args[1]+".new", []byte(text), 0o600); err != nil {
		panic(err)
	}
	os.Rename(os.Args[1]+".new", os.Args[1])
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI, r.Header.Get("Range")) }))
}
G
	"$tmp/program" "$tmp/ports" &
	behind=$!
	# shellcheck disable=SC2016 # for the end
	at_end='kill $behind ${proxy:-} 2>/dev/null || :'
	until [ -s "$tmp/ports" ]; do kill -0 $behind; done
	read -r back front <"$tmp/ports"
}

ask() {
	cat >"$tmp/conf" <<-C
		server.bind = "127.0.0.1"
		server.port = $front
		server.document-root = "$tmp"
		server.modules = ("mod_proxy")
		server.http-parseopts = ($1)
		proxy.server = ("" => (("host" => "127.0.0.1", "port" => $back)))
	C
	lighttpd -D -f "$tmp/conf" -m "$tmp/root/usr/lib/lighttpd" 2>"$tmp/log" &
	proxy=$!
	path=$2
	shift 2
	code=$(curl -s --path-as-is --retry 20 --retry-connrefused --retry-delay 1 "$@" -o "$tmp/answer" -w '%{http_code}' "http://127.0.0.1:$front$path")
	kill $proxy
	wait $proxy || :
	case $code in
	200) cat "$tmp/answer" ;;
	206) echo "206 $(cat "$tmp/answer")" ;;
	*) echo "$code" ;;
	esac
}
