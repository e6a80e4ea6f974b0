# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by tests/run and examples/run: sees to it that what they need is installed.
#
#	need KIND:WHAT:PACKAGE ...  installs what is missing; where it can't, names it and exits
#	want KIND:WHAT:PACKAGE ...  the same, but goes on; $need_missing is what it can't have
#
# KIND is cmd (a command), pc (a module of pkg-config), hdr (a C header) or file (its path); PACKAGE is
# Debian's. All that is missing is installed at once; nothing is said about what is there.

need_missing=

need_has()
{
	case $1 in
	cmd:*) command -v "${1#*:}" ;;
	pc:*) pkg-config --exists "${1#*:}" ;;
	file:*) test -e "${1#*:}" ;;
	hdr:*) printf '#include <%s>\n' "${1#*:}" | cc -E -x c - ;;
	*) echo "need.sh: $1: unknown kind" >&2; exit 2 ;;
	esac >/dev/null 2>&1
}

# Prints the packages of those arguments that are not there.
need_packages()
{
	need_found=
	for need_item; do
		need_has "${need_item%:*}" || case " $need_found " in
		*" ${need_item##*:} "*) ;;
		*) need_found="$need_found ${need_item##*:}" ;;
		esac
	done
	echo "${need_found# }"
}

# Prints the command before which apt-get runs with the right to install; fails where there is none.
need_privilege()
{
	command -v apt-get >/dev/null || return 1
	if [ "$(id -u)" = 0 ]; then
		echo env
	else
		command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo sudo -n env
	fi
}

need_install()
{
	need_as=$(need_privilege) || return 1
	need_log=$(mktemp) || return 1
	echo "Installing $*" >&2
	if { $need_as apt-get update &&
	     $need_as DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
	   } </dev/null >"$need_log" 2>&1; then
		rm -f "$need_log"
	else
		tail -n 5 "$need_log" >&2
		rm -f "$need_log"
		return 1
	fi
}

want()
{
	need_missing=$(need_packages "$@")
	[ -z "$need_missing" ] && return
	# Package names hold no blanks: the list is meant to be split.
	# shellcheck disable=SC2086
	need_install $need_missing
	need_missing=$(need_packages "$@")
}

need()
{
	want "$@"
	[ -z "$need_missing" ] && return
	echo "Missing: please install $need_missing (Debian's package names)" >&2
	exit 1
}
