#!/bin/sh
# SPDX-License-Identifier: MIT
# localize.sh OBJCOPY AR IN.a OUT.a COMPILER...
# Makes one object of all in IN.a, in which only the public names are visible to a linker: an archive's hidden symbols
# are hidden from other libraries, but not from the program that it is linked into, and `arena_init` may be there, too.
# What probes are located by stays shared: the linker keeps one for a program that has probes of its own.
set -eu

objcopy=$1 ar=$2 in=$3 out=$4
shift 4
"$@" -r -nostdlib -o "$out.o" -Wl,--whole-archive "$in" -Wl,--no-whole-archive
"$objcopy" --localize-hidden "$out.o"
"$objcopy" --globalize-symbol=_.stapsdt.base "$out.o"
rm -f "$out"
"$ar" rcs "$out" "$out.o"
rm -f "$out.o"
