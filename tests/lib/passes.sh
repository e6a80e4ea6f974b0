# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests/run, which sets $root: a pass builds herd in one way and runs tests on it.
#
#	pass FOLDER TITLE COMPILER SETUP OPTION ...
#	                   in build/FOLDER, with COMPILER and meson's OPTIONs: runs the tests of SETUP
#	                   (tests/meson.build), for which meson builds what they need; with benchmarks,
#	                   everything is built; goes on whatever fails
#	note NUMBER WHAT   adds up what tests counted themselves: for example schedules
#	summary            what was noted, and the closing line; ends the run

passed=0
failed=0
skipped=0
declare -A figures=() # by what was counted
noted=()              # that, in the order in which it was noted first
measured=()           # what can't be added up: for example a coverage
declare -A configured=() # by a pass's folder: what it was set up with
emulator=() # what programs that are built for another machine are run with

# Whether programs that $1 builds with the options that follow run here: sanitizers need their
# libraries, and an address space that they can lay out.
compiler_works()
{
	local compiler=$1 folder option flags=()
	shift
	command -v "$compiler" >/dev/null || return
	for option; do
		case $option in
		-Db_sanitize=*) flags=(-fsanitize="${option#*=}") ;;
		esac
	done
	folder=$(mktemp -d) || return
	echo 'int main(void) { return 0; }' >"$folder/try.c"
	"$compiler" "${flags[@]}" "$folder/try.c" -o "$folder/try" >/dev/null 2>&1 &&
		"${emulator[@]}" "$folder/try" >/dev/null 2>&1
	local works=$?
	rm -rf "$folder"
	return $works
}

setup_works()
{
	[ "$1" != valgrind ] || command -v valgrind >/dev/null
}

count()
{
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

note()
{
	local number=$1
	shift
	[ -n "${figures[$*]-}" ] || noted+=("$*")
	figures[$*]=$((${figures[$*]-0} + number))
}

# Takes what tests/lib/tally printed but for its last line: notes the figures, and shows the rest.
take_report()
{
	local line
	while IFS= read -r line; do
		# `N WHAT` as words.
		# shellcheck disable=SC2086
		case $line in
		'figure: '*) note ${line#figure: } ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

# The C++ compiler that belongs to the C compiler $1.
cxx_of()
{
	case $1 in
	*gcc) echo "${1%gcc}g++" ;;
	*clang) echo "$1++" ;;
	*) echo c++ ;;
	esac
}

build_pass()
{
	local folder=$1 compiler=$2 again=()
	shift 2
	if [ "${configured[$folder]-}" != "$compiler $*" ]; then
		[ -f "$folder/build.ninja" ] && again=(--reconfigure)
		CC=$compiler CXX=$(cxx_of "$compiler") meson setup "${again[@]}" "$@" "$folder" "$root" ||
			return
		configured[$folder]="$compiler $*"
	fi
	case " $* " in
	*' -Dbench=true '*) ninja -C "$folder" ;;
	esac
}

run_pass()
{
	local folder=$1 title=$2 setup=$3 counts report

	# meson's status tells less than its log, which is counted; no log is a failure.
	rm -f "$folder"/meson-logs/testlog*.json
	meson test -C "$folder" --setup="$setup" >"$folder/test.log" 2>&1
	report=$(set -- "$folder"/meson-logs/testlog*.json; "$root/tests/lib/tally" "$title" "$1") || {
		echo "FAILED $title: nothing was tested (build/${folder##*/}/test.log)"
		tail -n 40 "$folder/test.log"
		report='0 passed, 1 failed, 0 skipped'
	}
	counts=${report##*$'\n'}
	[ "$report" = "$counts" ] || take_report <<<"${report%$'\n'*}"
	echo "$title: $counts in $((SECONDS - began)) s"
	# `A passed, B failed, C skipped` as three words.
	# shellcheck disable=SC2046
	count $(tr -dc '0-9 ' <<<"$counts")
}

pass()
{
	local folder=$root/build/$1 title=$2 compiler=$3 setup=$4 began=$SECONDS
	shift 4
	if ! compiler_works "$compiler" "$@" || ! setup_works "$setup"; then
		echo "skipped $title: its tools are not installed, or do not work here"
		count 0 0 1
		return
	fi
	mkdir -p "$folder"
	if build_pass "$folder" "$compiler" "$@" >"$folder/build.log" 2>&1; then
		run_pass "$folder" "$title" "$setup"
	else
		echo "FAILED $title: the build (build/${folder##*/}/build.log)"
		tail -n 40 "$folder/build.log"
		count 0 1 0
	fi
}

summary()
{
	local line="$passed passed, $failed failed" what
	for what in "${noted[@]}"; do
		echo "counted: ${figures[$what]} $what"
	done
	for what in "${measured[@]}"; do
		echo "measured: $what"
	done
	[ "$skipped" = 0 ] || line="$line, $skipped skipped"
	echo "$line"
	exit "$((failed != 0))"
}
