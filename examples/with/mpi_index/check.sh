#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares what 1, 2 and 3 ranks print with what examples/index prints of the same tree; and looks at
# how failures end.
#
# Usage: check.sh SOURCE_ROOT INDEX MPI_INDEX
# The functions are called by check.
# shellcheck disable=SC2317
root=$1
index=$2
mpi_index=$3
. "$root/tests/lib/tap.sh"
LC_ALL=C
export LC_ALL

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# One machine, without a network, root or not, whatever the number of its processors.
OMPI_ALLOW_RUN_AS_ROOT=1
OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_plm=isolated
OMPI_MCA_btl=self,vader
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_plm OMPI_MCA_btl
# What Open MPI keeps until a process ends is none of our leaks.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

# So many ranks of a program.
run_ranks()
{
	timeout 120 mpirun --oversubscribe -np "$@"
}

ranks()
{
	ranks_count=$1
	shift
	run_ranks "$ranks_count" "$mpi_index" "$@"
}

# Some files that are nearly all distinct names, one that has more of them than all others, one that
# is binary, one that is empty.
make_tree()
{
	mkdir -p "$work/tree/deep/er" "$work/empty"
	awk -v folder="$work/tree" 'BEGIN { for (i = 0; i < 40; i++) {
		file = folder (i % 3 ? "/deep/" : "/deep/er/") i ".h"
		for (j = 0; j < 20 * i; j++) print "#define X" j, "y" i * j > file
		close(file) } }'
	awk 'BEGIN { for (i = 0; i < 100000; i++) print "quite_a_long_name_" i }' >"$work/tree/large"
	printf 'binary \000\n' >"$work/tree/binary"
	: >"$work/tree/none"
	ln -s none "$work/tree/deep/link"
	mkfifo "$work/tree/deep/fifo"
}

# examples/index goes on with how long it took.
expect()
{
	"$index" --all "$1" >"$work/whole" 2>"$work/messages" || return
	sed '/^$/d; /^phase/,$d' "$work/whole" >"$work/expected"
}

finds_the_same()
{
	expect "$2" || return
	ranks "$1" --all "$2" >"$work/printed" 2>"$work/said" || { cat "$work/said"; return 1; }
	sed '/^$/d' "$work/printed" | diff "$work/expected" - | head -n 20 >"$work/differs"
	cat "$work/differs"
	! [ -s "$work/differs" ] && [ "$(wc -l <"$work/expected")" -ge 3 ]
}

says_what_is_left_out()
{
	ranks 3 "$work/tree" >"$work/printed" 2>"$work/said" &&
		[ "$(cat "$work/said")" = "mpi_index: $work/tree/binary: binary" ] &&
		grep -qx 'left out: 1 binary, 0 unreadable, 1 symbolic links, 1 special files' "$work/printed"
}

# Status 1, nothing printed, and $1 ranks that failed, which say $2.
fails()
{
	fails_count=$1
	fails_message=$2
	shift 2
	ranks 3 "$@" >"$work/printed" 2>"$work/said"
	fails_status=$?
	echo "status $fails_status"
	cat "$work/said"
	[ "$fails_status" = 1 ] && ! [ -s "$work/printed" ] &&
		[ "$(grep -c '^mpi_index: rank' "$work/said")" = "$fails_count" ] &&
		[ "$(grep -c "^mpi_index: rank .: $fails_message" "$work/said")" = "$fails_count" ]
}

prints_help()
{
	ranks 2 --help >"$work/printed" && [ "$(grep -c '^Usage: mpi_index' "$work/printed")" = 1 ]
}

if ! command -v mpirun >/dev/null || ! run_ranks 3 true >/dev/null 2>&1; then
	skip 'the index over several processes' 'mpirun is missing, or can not run here'
	finish
fi
make_tree
for count in 1 2 3; do
	check "$count ranks find what one process finds" finds_the_same "$count" "$work/tree"
done
check 'of an empty tree, too' finds_the_same 3 "$work/empty"
check 'of a single file, too' finds_the_same 3 "$work/tree/large"
check '--help' prints_help
check 'files that are left out are named' says_what_is_left_out
# Only the rank that has the large file needs so much.
check 'one rank that has no memory ends all' fails 1 'the index: Cannot allocate' \
	--limit 8000000 "$work/tree"
check 'a rank that can not begin ends all' fails 1 '.*nowhere: No such file' "$work/nowhere"
finish
