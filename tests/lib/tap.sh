# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by the tests in shell: each prints TAP, as the cmocka programs do.
#
#	check NAME COMMAND ...	passes where the command succeeds; shows what a failing one printed
#	skip NAME REASON
#	finish			prints the plan; the last call

tap_count=0
tap_failed=0

check()
{
	tap_name=$1
	shift
	tap_count=$((tap_count + 1))
	if tap_output=$("$@" 2>&1); then
		echo "ok $tap_count - $tap_name"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $tap_name"
		printf '%s\n' "command: $*" "$tap_output" | sed 's/^/# /'
	fi
}

skip()
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

finish()
{
	echo "1..$tap_count"
	exit "$((tap_failed != 0))"
}
