#!/bin/sh
# SPDX-License-Identifier: MIT
# A program prints what is expected.
#
# Usage: check.sh SOURCE_ROOT PROGRAM FILE
# The function is called by check.
# shellcheck disable=SC2317
root=$1
program=$2
expected=$3
. "$root/tests/lib/tap.sh"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

prints_it()
{
	"$program" >"$work/printed" && diff -u "$expected" "$work/printed"
}

check "${expected##*/}" prints_it
finish
