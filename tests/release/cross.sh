# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests/run after tests/lib/need.sh and tests/lib/passes.sh; uses their functions, and $root.
#
#	cross_passes	builds herd for other machines and runs its tests in qemu's user mode: a pass for
#			each machine, and for each stack that it has; a machine that can't be had is
#			skipped, with the reason
#
# Compilers, C libraries and qemu are packages that are installed beside what is there. Concurrency Kit
# and cmocka have none for this use: apt-get fetches their sources, with lists of its own, so that
# the machine's stay as they are; then the first is configured, and the second compiled. All of it
# stays in build/cross.
#
# Not seen here: qemu runs on this processor, and reorders no more than it does. Left out: the suite
# `packaging` looks at sources and at this machine's packages; `script` runs programs without qemu.

cross=$root/build/cross

# Debian's name, qemu's, the compiler's, meson's family of processors and its byte order, and what
# `uname -m` says there.
cross_machines='
arm64    aarch64  aarch64-linux-gnu    aarch64  little  aarch64
armhf    arm      arm-linux-gnueabihf  arm      little  armv7l
riscv64  riscv64  riscv64-linux-gnu    riscv64  little  riscv64
s390x    s390x    s390x-linux-gnu      s390x    big     s390x
i386     i386     i686-linux-gnu       x86      little  i686
'

# Where the sources come from: the mirror that this machine uses for its release, or Debian's own.
cross_mirrors()
{
	local release keys=/usr/share/keyrings/debian-archive-keyring.gpg
	# shellcheck disable=SC1091
	release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	{
		apt-get indextargets --format "\$(RELEASE) \$(SITE)" 'Created-By: Packages' \
			'Component: main' | sed -n "s/^$release //p"
		echo http://deb.debian.org/debian
	} | sort -u | sed "s,.*,deb-src [signed-by=$keys] & $release main,"
}

# Puts the sources of Concurrency Kit and cmocka into $cross/sources.
cross_fetch()
{
	local folder=$cross/sources
	local apt=(apt-get -o "Dir::Etc::SourceList=$folder/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$folder/lists"
		-o "Dir::Cache=$folder/cache" -o APT::Sandbox::User=)

	rm -rf "$folder"
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	cd "$folder" || return
	cross_mirrors >sources.list
	"${apt[@]}" update # one mirror of several may fail: what counts is what can be fetched
	"${apt[@]}" source ck cmocka && touch complete
}

# Everything in $1 that a build needs to know of the machine whose names follow. The wrapper must be
# asked for: meson takes it that this processor runs i386 by itself.
cross_machine_file()
{
	local folder=$1 gnu=$4 family=$5 order=$6 wrapper
	wrapper=$(printf ", '%s'" "${emulator[@]}")
	cat <<END
[binaries]
c = '$gnu-gcc'
ar = '$gnu-ar'
objcopy = '$gnu-objcopy'
strip = '$gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = [${wrapper#, }]

[properties]
needs_exe_wrapper = true
pkg_config_libdir = '$folder/pkgconfig'

[built-in options]
c_args = ['-isystem', '$folder/include']

[host_machine]
system = 'linux'
cpu_family = '$family'
cpu = '$family'
endian = '$order'
END
}

# Only the headers are used: configured for the machine, by a compiler that runs here.
cross_concurrency_kit()
{
	local folder=$1 uname=$2

	cp -r "$cross"/sources/ck-*/ "$folder/ck" && cd "$folder/ck" &&
		CC=cc ./configure --platform="$uname" --includedir="$folder/ck/include" \
			--cores=2 &&
		cp build/ck.pc "$folder/pkgconfig"
}

# A static library. What its configuration would find is the same wherever glibc is.
cross_cmocka()
{
	local folder=$1 gnu=$2 source found
	local has=(INTTYPES_H MALLOC_H SIGNAL_H STDINT_H STRINGS_H STRUCT_TIMESPEC CLOCK_REALTIME
		SIGLONGJMP STRSIGNAL GCC_THREAD_LOCAL_STORAGE)

	source=$(echo "$cross"/sources/cmocka-*/)
	cp "$source"/include/*.h "$folder/include" &&
		"$gnu-gcc" -O2 "${has[@]/#/-DHAVE_}" -I "$folder/include" \
			-c "$source/src/cmocka.c" -o "$folder/cmocka.o" &&
		"$gnu-ar" rcs "$folder/libcmocka.a" "$folder/cmocka.o" || return
	found=${source%/}
	cat >"$folder/pkgconfig/cmocka.pc" <<END
Name: cmocka
Description: A unit testing framework
Version: ${found##*/cmocka-}
Libs: -L$folder -lcmocka
Cflags: -I$folder/include
END
}

# Makes what a build for the machine needs; its machine file comes last.
cross_prepare()
{
	local folder=$cross/$1 gnu=$3 uname=$6

	rm -rf "$folder"
	mkdir -p "$folder/include" "$folder/pkgconfig" &&
		echo '#include <uthash.h>' | cc -E -M -x c - | # a header that is alike everywhere
		grep -o '[^ ]*/uthash\.h' | xargs -I FILE cp FILE "$folder/include" &&
		(cross_concurrency_kit "$folder" "$uname") && cross_cmocka "$folder" "$gnu" &&
		cross_machine_file "$folder" "$@" >"$folder/machine.txt"
}

# Whether Concurrency Kit has the stack that swaps two words at once.
cross_has_wide_stack()
{
	echo '#include <ck_stack.h>' | "$2-gcc" -I "$cross/$1/ck/include" -dM -E - |
		grep -q CK_F_STACK_POP_MPMC
}

# Sees to it that everything for the machine is there; else prints the reason.
cross_need()
{
	local machine=$1 qemu=$2 gnu=$3

	want "cmd:qemu-$qemu:qemu-user" "cmd:$gnu-gcc:gcc-$gnu" cmd:dpkg-source:dpkg-dev \
		"file:/usr/$gnu/include/stdio.h:libc6-dev-$machine-cross"
	if [ -n "$need_missing" ]; then
		echo "not installed: $need_missing (Debian's package names)"
	elif ! compiler_works "$gnu-gcc"; then
		echo "qemu-$qemu can't run here what $gnu-gcc builds"
	elif [ ! -f "$cross/sources/complete" ] && ! (cross_fetch) >"$cross/fetch.log" 2>&1; then
		echo "the sources of its libraries can't be fetched (build/cross/fetch.log)"
	elif [ ! "$cross/$machine/machine.txt" -nt "$root/tests/release/cross.sh" ] &&
		! cross_prepare "$@" >"$cross/$machine.log" 2>&1; then
		echo "its libraries can't be built (build/cross/$machine.log)"
	fi
}

cross_machine()
{
	local machine=$1 qemu=$2 gnu=$3 missing
	local file=$cross/$machine/machine.txt
	# The path of libraries comes before this machine's own cache of them, which may know some for that
	# machine, of another version.
	local emulator=("qemu-$qemu" -L "/usr/$gnu" -E "LD_LIBRARY_PATH=/usr/$gnu/lib")

	missing=$(cross_need "$@")
	if [ -n "$missing" ]; then
		echo "skipped $machine: $missing"
		count 0 0 1
	elif cross_has_wide_stack "$machine" "$gnu"; then
		pass "cross-$machine" "$machine" "$gnu-gcc" cross --werror --cross-file "$file"
		pass "cross-$machine-portable" "$machine, portable stack" "$gnu-gcc" cross \
			--werror --cross-file "$file" -Dportable_stack=true
	else
		pass "cross-$machine" "$machine" "$gnu-gcc" cross --werror --cross-file "$file"
	fi
}

cross_passes()
{
	local names
	mkdir -p "$cross"
	while read -r -a names; do
		[ "${#names[@]}" = 0 ] || cross_machine "${names[@]}" </dev/null
	done <<<"$cross_machines"
}
