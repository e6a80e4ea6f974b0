# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# Sourced by the tests in shell that compile, which set $root: the compilers, the warnings that are errors to
# them, and the library's sources.

# Compiles the C file that follows as C, or as C++, with the compiler $1.
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
c11="-std=c11 -Wstrict-prototypes $warnings"
gnu11="-std=gnu11 -Wstrict-prototypes $warnings"
cxx17="-x c++ -std=c++17 $warnings"

# Prints the path of each C file of the library.
library_sources()
{
	find "$root/src" -name '*.c' -not -path "$root/src/doc/*" | sort
}

# Calls "$@" for each compiler: its name, its standard and the flags for that; or skips the check.
for_each_compiler()
{
	for compiler in gcc clang g++ clang++; do
		case $compiler in
		*++) standard=C++17 flags=$cxx17 ;;
		*) standard=C11 flags=$c11 ;;
		esac
		if command -v "$compiler" >/dev/null; then
			"$@"
		else
			skip "$standard with $compiler" "$compiler is not installed"
		fi
	done
}

# Calls "$@" for each version that is installed: its name. Those that are missing are not named.
for_each_version()
{
	for compiler in gcc g++ clang clang++; do
		found=
		for version in 11 12 13 14 15 16 17 18 19 20 21 22; do
			compiler=${compiler%-*}-$version
			command -v "$compiler" >/dev/null || continue
			found=yes
			"$@"
		done
		compiler=${compiler%-*}
		if [ -z "$found" ] && command -v "$compiler" >/dev/null; then
			"$@"
		fi
	done
}
