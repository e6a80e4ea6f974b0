#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the index with what grep, sort and uniq make of the same files: a tree of unusual ones,
# and a part of /usr/include; with both allocators, and with 1 and 4 threads.
#
# Usage: check.sh INDEX
set -eu
LC_ALL=C
export LC_ALL

[ $# -eq 1 ] || { echo "usage: $0 INDEX" >&2; exit 2; }
index=$(realpath "$1")
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work"
identifier='[A-Za-z_][A-Za-z0-9_]*'
odd_name=$(printf '"a" \\ caf\303\251 \377') # the last byte is no UTF-8
checks=0

fail()
{
	printf 'check.sh: %s\n' "$*" >&2
	exit 1
}

# root reads files of any mode: it has to do without that right for the unreadable ones to be so.
unprivileged()
{
	if [ "$drop_rights" = yes ]; then
		setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"
	else
		"$@"
	fi
}
drop_rights=no
[ "$(id -u)" -ne 0 ] || drop_rights=yes
unprivileged true 2>/dev/null || drop_rights=no

# Prints $2 bytes that consist of the text $1 again and again.
repeat()
{
	yes "$1" | tr -d '\n' | head -c "$2"
}

make_tree()
{
	mkdir -p tree/deep/er/est tree/none tree/locked
	: >tree/empty
	printf '\n\n\n' >tree/blank
	printf 'a' >tree/one_letter
	printf 'int main(void) { return 0x1F + 1e9 + 12ab_3 - _; }\n' >tree/numbers.c
	printf 'first second\r\nsecond third\r\n' >tree/crlf
	printf 'no final newline' >tree/no_final_newline
	printf 'caf\303\251 na\357ve \377x\n' >tree/not_ascii
	printf 'Case case CASE _case case_ ca_se c4se\n' >tree/case
	printf 'quote " backslash \\ tab\tend\n' >'tree/a "name" \ with blanks'
	# blocks of 64 KiB are read: names across their ends, and one that is longer than several
	repeat 'boundary_7 ' 1000000 >tree/deep/huge_line
	{ repeat ' ' 65533; printf 'across the end of a block\n'; } >tree/deep/across
	{ printf 'short '; repeat 'long_' 300000; printf ' after\n'; } >tree/deep/long_name
	{ repeat 'x' 65536; } >tree/deep/just_a_block
	{ repeat '1' 65536; printf 'b\n'; } >tree/deep/digits_then_letter
	# more distinct names than a scanner holds at a time
	awk 'BEGIN { for (i = 0; i < 60000; i++) print "name" i, "name" i % 7 }' >tree/deep/er/many
	awk 'BEGIN { for (i = 0; i < 300; i++) {
		file = "tree/deep/er/est/" i ".h"
		for (j = 0; j <= i; j++) print "#define X" j, "y" i * j > file
		close(file) } }'
	printf 'binary \000 early\n' >"tree/$odd_name"
	{ repeat 'text ' 200000; printf '\000'; } >tree/deep/binary_late
	printf 'secret\n' | tee tree/unreadable tree/locked/inside >/dev/null
	chmod 0 tree/unreadable tree/locked
	if unprivileged cat tree/unreadable >/dev/null 2>&1; then
		echo 'not checked: unreadable files, for this user can read them all'
		rm -r tree/unreadable tree/locked
	fi
	# what is no regular file is only counted
	ln -s ../tree/numbers.c tree/link_to_file
	ln -s .. tree/link_to_parent
	ln -s nowhere tree/dangling
	mkfifo tree/fifo tree/deep/fifo
}

# Writes what grep, sort and uniq find in the text files below $1: their names to `files`, counts as
# "count name" to `counts`, and everything as "name count files" to `expected`, by name.
expect()
{
	unprivileged find "$1" -type f -readable 2>/dev/null | while read -r file; do
		grep -qaP '\x00' "$file" || printf '%s\n' "$file"
	done >files
	tr '\n' '\000' <files | xargs -0 grep -oh -E "$identifier" | sort | uniq -c >counts
	tr '\n' '\000' <files | xargs -0 grep -oHZ -E "$identifier" | sort -u |
		tr '\000' '\t' | sed 's/.*\t//' | sort | uniq -c >in_files
	join -1 2 -2 2 counts in_files >expected
	[ -s expected ] || fail "$1: grep found nothing"
}

# The elements of the list called $1 in the index's JSON.
elements()
{
	sed -n "/^  \"$1\": \[/,/\],\$/p" result.json | grep '^    '
}

compare_lists()
{
	elements top | tr -d '",}]' | awk '{ print $2, $4, $6 }' >listed
	sort listed | cmp -s - expected || fail "$run: lists differ (name, count, files):
$(sort listed | diff expected - | cut -c 1-100 | head -n 20)"
	# most frequent ones first, and by name where they are equally frequent
	sort -k 2,2nr -k 1,1 listed | cmp -s - listed || fail "$run: the list is not in order"
}

# The number called $1 is $2.
number_is()
{
	grep -q "^  \"$1\": $2,\$" result.json ||
		fail "$run: \"$1\" is not $2: $(grep "^  \"$1\"" result.json)"
}

compare_totals()
{
	number_is files "$(wc -l <files)"
	number_is bytes "$(tr '\n' '\000' <files | xargs -0 cat | wc -c)"
	number_is identifiers "$(awk '{ n += $1 } END { print n }' counts)"
	number_is distinct "$(wc -l <counts)"
}

# The text's twenty most frequent ones are those that grep, sort and uniq find.
check_most_frequent()
{
	unprivileged "$index" "$1" >text 2>messages
	sed -n '/^ *count/,/^$/p' text | awk 'NR > 1 && NF { print $1, $3 }' >found
	awk '{ print $1, $2 }' counts | sort -k 1,1nr -k 2,2 | head -n 20 | cmp -s - found ||
		fail "$1: the most frequent: $(cat found)"
}

compare_with_grep()
{
	expect "$1"
	for allocator in herd malloc; do
		for threads in 1 4; do
			run="$1, $allocator, $threads threads"
			unprivileged "$index" --threads "$threads" --allocator "$allocator" \
				--json --all "$1" >result.json 2>messages ||
				fail "$run: status $?: $(cat messages)"
			[ ! -s messages ] || fail "$run: said: $(cat messages)"
			compare_lists
			compare_totals
			checks=$((checks + 1))
		done
	done
	check_most_frequent "$1"
}

# Identifiers that get rarer, that get more frequent, and of which the twentieth comes behind a rarer
# one, whether the index takes them in from first to last or the other way round.
check_order_of_arrival()
{
	mkdir order
	awk 'BEGIN { for (i = 30; i > 0; i--) for (j = 0; j < i; j++) print "n" i }' >order/rarer
	sort -k 1.2,1n order/rarer >order/more_frequent
	{ grep -v -x -e n1 -e n11 order/rarer; echo n1; grep -x n11 order/rarer; } >order/last
	tac order/last >order/first
	for file in order/*; do
		expect "$file"
		check_most_frequent "$file"
	done
}

# The unusual tree: what is left out is named, in JSON and as text.
check_left_out()
{
	elements binary >found
	printf '    "tree/%s"\n' '\"a\" \\ '"$(printf 'caf\303\251')"' \ufffd' deep/binary_late |
		sed '$!s/$/,/; $s/$/],/' | cmp -s - found || fail "binary files: $(cat found)"
	grep -v 'Permission denied$' messages >found
	printf 'index: tree/%s\n' "$odd_name: binary" 'deep/binary_late: binary' |
		cmp -s - found || fail "messages: $(cat messages)"
	number_is symbolic_links 3
	number_is special_files 2
	grep -q '^left out: .*, 3 symbolic links, 2 special files$' text || fail "text: $(cat text)"
	if [ -e tree/unreadable ]; then
		check_unreadable
	fi
}

check_unreadable()
{
	elements unreadable | sed 's/^ *{"path": "//; s/".*//' >found
	printf 'tree/%s\n' locked unreadable | cmp -s - found || fail "unreadable: $(cat found)"
	sed -n 's/: Permission denied$//p' messages >found
	printf 'index: tree/%s\n' locked unreadable | cmp -s - found ||
		fail "messages: $(cat messages)"
	grep -q '^left out: 2 binary, 2 unreadable, ' text || fail "text: $(cat text)"
}

# Status $1 and a message that holds $2, from the index with the other arguments.
check_refusal()
{
	status=$1 message=$2
	shift 2
	set +e
	"$index" "$@" >text 2>messages
	found=$?
	set -e
	[ "$found" -eq "$status" ] || fail "index $*: status $found, not $status"
	grep -q -e "$message" messages || fail "index $*: said: $(cat messages)"
	[ ! -s text ] || fail "index $*: printed: $(cat text)"
}

# Status 1 and a message where the result can not be written.
check_full_disk()
{
	[ -c /dev/full ] || return 0
	! "$index" "$@" >/dev/full 2>messages || fail "index $*: a full disk is not noticed"
	grep -q "can't be written" messages || fail "index $*: said: $(cat messages)"
}

make_tree
compare_with_grep tree
check_left_out
check_order_of_arrival
mkdir empty_tree
"$index" --json empty_tree | grep -q '^  "files": 0,$' || fail "an empty tree is not empty"
"$index" tree/numbers.c | grep -q '1         1  x1F$' || fail "a single file"
check_refusal 1 'nowhere: No such file' nowhere
check_refusal 1 'tree/fifo: neither a directory nor a file' tree/fifo
check_refusal 2 'not a number of threads.*: 0' --threads 0
check_refusal 2 'not a number of threads.*: 2x' --threads 2x
check_refusal 2 'neither herd nor malloc: jemalloc' --allocator jemalloc
check_refusal 2 'more than one directory: b' a b
check_refusal 2 'unknown' --unknown
"$index" --help | grep -q '^Usage: index' || fail "no help"
check_full_disk tree
check_full_disk --json tree
check_full_disk --help
# A part of it is enough for a short run.
[ "${HERD_TEST_QUICK-}" != 1 ] || quick=/usr/include/linux/netfilter
for part in ${quick-} /usr/include/linux /usr/include; do
	[ -d "$part" ] || continue
	compare_with_grep "$part"
	break
done
echo "$checks comparisons with grep"
