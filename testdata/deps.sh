# What the tests need beside Go: each need_* installs it where it can (Debian
# or Ubuntu, as root or with sudo), or says exactly what is missing.

as() { [ "$(id -u)" = 0 ] || echo sudo -n; }

install() { # package...: what cannot be installed is named
	local as
	as=$(as)
	if command -v apt-get >/dev/null && { [ -z "$as" ] || sudo -n true 2>/dev/null; }; then
		echo "installing $*"
		{ $as apt-get update -q && DEBIAN_FRONTEND=noninteractive $as apt-get install -q -y --no-install-recommends "$@"; } >/dev/null && return
	fi
	echo "make test needs $*; install it (Debian: apt-get install $*)" >&2
	return 1
}

need_ip() { command -v ip >/dev/null || [ -x /usr/sbin/ip ] || install iproute2; }

need_chromium() { [ -x /usr/bin/chromium ] || install chromium; }

need_firefox() { [ -x /usr/bin/firefox-esr ] || install firefox-esr; }

need_nginx() { [ -x /usr/sbin/nginx ] || daemon nginx nginx-light; }

need_haproxy() { [ -x /usr/sbin/haproxy ] || daemon haproxy haproxy; }

daemon() { # service package: the tests run it themselves, Debian shall not
	install "$2" || return
	! command -v systemctl >/dev/null || $(as) systemctl --quiet disable --now "$1" 2>/dev/null || true
}

need_java() {
	local version
	version=$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p')
	[ "${version:-0}" -ge 17 ] || install openjdk-17-jre-headless
}

need_maven() { command -v mvn >/dev/null || install maven; }

need_node() {
	local version
	version=$(node --version 2>/dev/null | sed -E 's/v([0-9]+).*/\1/')
	if [ "${version:-0}" -lt 20 ]; then
		echo "make test needs Node 20 or newer with npm, found ${version:-none}; install it from nodejs.org" >&2
		return 1
	fi
	command -v npm >/dev/null || install npm
}

# pushpin needs zurl to reach an origin, and Debian has that apart.
need_pushpin() { { command -v pushpin && command -v zurl; } >/dev/null || install pushpin zurl; }

need_slowhttptest() { command -v slowhttptest >/dev/null || install slowhttptest; }

need_testssl() { command -v testssl >/dev/null || command -v testssl.sh >/dev/null || install testssl.sh; }
