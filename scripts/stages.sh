# stages.sh: runs the stages of scripts/test, demo and bench, side by side where they allow it; to be
# sourced by them, in the source's directory and with their own path in `myself`. A stage is a function
# stage_NAME of the script that sources this. It runs in a session of its own, with its output in a log,
# and is over when it ends: there is no limit of seconds. What can hang is watched by what it does, see
# is_hung. Whatever ends the run, also SIGKILL, nothing that it started outlives it: scripts/sweep waits
# for its end, and knows its processes by OUTBOX_RUN.

# Whoever breaks off a run is heard, also where a shell has started it in the background, which has SIGINT ignored
# there: bash can change nothing about a signal that was ignored when it began.
[[ -z $(trap -p INT) ]] || exec env --default-signal=INT,QUIT "$BASH" "$myself" "$@"

umask 022
export LC_ALL=C.UTF-8
unset MAKEFLAGS MFLAGS MAKELEVEL GREP_OPTIONS CDPATH POSIXLY_CORRECT

readonly top=$PWD/build-test
readonly logs=$top/logs
jobs=$(nproc)
readonly jobs

# A stage hangs when in so many seconds it writes not one line and next to never uses a processor or waits
# for one, or when it has used so many seconds of processor time and not written one line.
readonly idle_seconds=${OUTBOX_IDLE_SECONDS:-300} idle_ticks_per_second=1
readonly spin_seconds=${OUTBOX_SPIN_SECONDS:-1800}
readonly look_every=10

say() {
	clear_status
	printf '%s\n' "$*"
}

die() {
	clear_status
	printf '%s: %s\n' "${myself##*/}" "$2" >&2
	exit "$1"
}

# ---- The directory of what is built. ----

# A directory below which every user can reach the programs and servers of the tests.
find_scratch() {
	local base
	for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
		[[ $base =~ ^/[A-Za-z0-9/._+-]{1,30}$ && -d $base && -w $base && $(stat -Lc %A "$base") == *[xt] ]] || continue
		scratch=$(mktemp -d "$base/outbox-run.XXXXXX") || continue
		printf '#!/bin/sh\n' > "$scratch/try" && chmod 755 "$scratch" "$scratch/try" &&
			{ [[ $(id -u) != 0 ]] || setpriv --reuid=65534 --regid=65534 --clear-groups "$scratch/try"; } \
				2> /dev/null && return
		rm -rf "$scratch"
	done
	die 73 "neither \$TMPDIR, /tmp nor /var/tmp is a directory where programs can be made and run by every user"
}

cannot_write() {
	local whose=$PWD
	[[ ! -d $top ]] || whose=$top
	die 73 "this user, $(id -un), cannot write to $whose, which belongs to $(stat -Lc %U "$whose"); copy the source to where it can, and run it there"
}

# make can do nothing in a directory whose name has a space or a quote in it: there, build-test is a link.
make_top() {
	[[ -e $top ]] || rm -f "$top"
	if [[ $top =~ ^[A-Za-z0-9/._+,:@%-]+$ || -d $top ]]; then
		mkdir -p "$logs"
	else
		ln -s "$(mktemp -d /var/tmp/outbox-build.XXXXXX)" "$top" && chmod 755 "$top" && mkdir -p "$logs"
	fi 2> /dev/null
	[[ -w $top && -w $logs ]] || cannot_write
	built=$(readlink -f "$top")
	readonly built
	[[ $built =~ ^[A-Za-z0-9/._+,:@%-]+$ ]] ||
		die 78 "make cannot build in '$built'; remove this directory, and run this again"
	local free there
	free=$(df -Pm "$built" | awk 'NR == 2 { print $4 }')
	there=$(du -sm "$built" | cut -f 1)
	((free + there >= ${room_mb:-800})) ||
		die 73 "the file system of $built has $free MB left; about $((${room_mb:-800} - there)) MB are needed"
}

# One run at a time in a directory; what a run that was killed has left is cleared away first.
begin_run() {
	make_top
	{ exec {lock}<> "$top/lock"; } 2> /dev/null || cannot_write
	if ! flock -n "$lock"; then
		say "waiting for what process $(< "$top/owner") has started in this directory to end"
		flock "$lock" || exit 75
	fi
	echo $$ > "$top/owner"
	"$BASH" scripts/sweep "$built" "$(cat "$top/scratch" 2> /dev/null)" < /dev/null
	find_scratch
	echo "$scratch" > "$top/scratch"
	mkfifo "$scratch/alive"
	setsid "$BASH" scripts/sweep "$built" "$scratch" < "$scratch/alive" > /dev/null 2>&1 &
	keeper_pid=$!
	exec {keeper}> "$scratch/alive"
	trap end_run EXIT
	trap 'die 130 "broken off; what it has made is kept"' INT
	trap 'die 143 "broken off; what it has made is kept"' TERM
	trap 'exit 129' HUP
	[[ ! -t 1 ]] || terminal=${TERM:-dumb}
	exec {clock}<> <(:)
}

end_run() {
	trap '' INT TERM HUP
	clear_status
	exec {keeper}>&-
	wait "$keeper_pid"
}

# in_session COMMAND...: becomes a command in a session of its own, marked as a part of this run. What
# runs in the background does not know SIGINT, which the tests need.
in_session() {
	exec {lock}>&- {keeper}>&- {clock}<&-
	exec setsid -w env --default-signal=INT,QUIT "OUTBOX_RUN=$built" "TMPDIR=$scratch" "$@" < /dev/null
}

# ---- What a stage does: read from its log and from /proc. ----

declare -A pid_of log_of total_of count_of last_of grown_at active_at had_at cpu_grown begin_of
terminal='' status_shown='' shown_at=0 scratch='' running=()

read_line() {
	case $2 in
	'# steps: '*) total_of[$1]=${2#\# steps: } count_of[$1]=0 ;;
	'  CC '* | '  CCLD '* | 'PASS: '* | 'FAIL: '* | 'SKIP: '* | 'ERROR: '*)
		((count_of[$1]++))
		last_of[$1]=$2
		;;
	dlstatus:* | pmstatus:*)
		[[ $2 =~ ^[a-z]*:[^:]*:([0-9]*)[^:]*:(.*)$ ]] && last_of[$1]="${BASH_REMATCH[1]} % ${BASH_REMATCH[2]}"
		;;
	'checking '* | */*' files checked '*) last_of[$1]=$2 ;;
	esac
}

# Reads what has come to its log.
read_log() {
	local name=$1 line fd=${log_of[$1]} begin=$SECONDS
	while IFS= read -r line <&"$fd" || [[ -n $line ]]; do
		grown_at[$name]=$looks
		cpu_grown[$name]=''
		read_line "$name" "$line"
		((SECONDS - begin < 2)) || break
	done
}

# The processes of a stage, those that descend from it: what they have used of a processor, and have waited for
# one where the kernel tells, in hundredths of a second; and their numbers.
descendants() {
	cat /proc/[0-9]*/stat 2> /dev/null | awk -v root="$1" '
		{ pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; cpu[pid] = $12 + $13 + $14 + $15 }
		END {
			is[root] = 1
			do {
				more = 0
				for (pid in parent)
					if (!(pid in is) && parent[pid] in is) { is[pid] = more = 1 }
			} while (more)
			for (pid in is) {
				sum += cpu[pid]
				list = list " " pid
				if ((getline line < ("/proc/" pid "/schedstat")) > 0) { split(line, times, " "); waited += times[2] / 1e7 }
				close("/proc/" pid "/schedstat")
			}
			printf "%d %d%s\n", sum, waited, list
		}' 2> /dev/null # one may end between two of its files
}

# is_hung NAME: sets `hung` to the reason when a stage does nothing any more. Looks are counted, not
# seconds: while this script cannot run, neither can the stage.
is_hung() {
	local name=$1 cpu waited had
	hung=''
	read -r cpu waited _ < <(descendants "${pid_of[$name]}")
	: "${cpu_grown[$name]:=$cpu}"
	had=$((cpu + waited))
	if ((grown_at[$name] == looks || had - had_at[$name] > idle_seconds * idle_ticks_per_second || \
		had < had_at[$name])); then
		had_at[$name]=$had active_at[$name]=$looks
	fi
	if (((looks - active_at[$name]) * look_every >= idle_seconds)); then
		hung="it hung: for $idle_seconds s it did nothing, and wrote nothing"
	elif ((cpu - cpu_grown[$name] > spin_seconds * 100)); then
		hung="it hung: it used $spin_seconds s of processor time, and wrote nothing"
	fi
	[[ -n $hung ]]
}

# Ends a stage and says what it was doing.
end_hung() {
	local name=$1 pid list
	read -r _ _ list < <(descendants "${pid_of[$name]}")
	{
		echo "${hung}. Its processes (state, what they wait for, command):"
		for pid in $list; do
			[[ -r /proc/$pid/stat ]] || continue
			printf '  %7d %s %-22s %s\n' "$pid" "$(sed 's/^.*) \(.\).*/\1/' "/proc/$pid/stat")" \
				"$(cat "/proc/$pid/wchan" 2> /dev/null)" "$(tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c 1-150)"
		done
	} >> "$logs/$name.log" 2> /dev/null
	kill -TERM $list 2> /dev/null
	sleep 5
	kill -KILL "${pid_of[$name]}" $list 2> /dev/null
}

# ---- The status line of a terminal. ----

clear_status() {
	[[ -z $status_shown ]] || printf '\r\e[K'
	status_shown=''
}

# Rewritten in place; where a terminal cannot do that, a line now and then.
show_status() {
	local name text='' columns
	[[ -n $terminal ]] || return 0
	[[ $terminal != dumb ]] || ((SECONDS >= shown_at + 30)) || return 0
	shown_at=$SECONDS
	columns=$(stty size < /dev/tty 2> /dev/null | cut -d ' ' -f 2)
	((columns > 20)) || columns=80
	for name in "${running[@]}"; do
		text+="${text:+ | }$name"
		((count_of[$name] == 0)) || text+=" ${count_of[$name]}${total_of[$name]:+ of ${total_of[$name]}}"
		[[ -z ${last_of[$name]} ]] || text+=": ${last_of[$name]}"
	done
	text=$(tr -s ' \t' ' ' <<< "$text")
	printf -v text '%d:%02d  %s' $((SECONDS / 60)) $((SECONDS % 60)) "$text"
	if [[ $terminal == dumb ]]; then
		echo "${text:0:columns-1}"
	else
		printf '\r%s\e[K' "${text:0:columns-1}"
		status_shown=1
	fi
}

# ---- Running stages. ----

# start_stage NAME NICENESS
start_stage() {
	local name=$1 log=$logs/$1.log fd
	: > "$log"
	exec {fd}< "$log"
	(in_session nice -n "$2" "$BASH" "$myself" --stage "$name" >> "$log" 2>&1) &
	pid_of[$name]=$! log_of[$name]=$fd begin_of[$name]=$SECONDS
	total_of[$name]='' count_of[$name]=0 last_of[$name]='' grown_at[$name]=$looks active_at[$name]=$looks
	had_at[$name]=0 cpu_grown[$name]=''
	running+=("$name")
}

# Waits until a stage ends, and sets `ended`, `status` and `took`.
wait_stage() {
	local name fd ticks=0
	while :; do
		for name in "${running[@]}"; do
			[[ ! -d /proc/${pid_of[$name]} ]] || continue
			wait "${pid_of[$name]}"
			status=$? ended=$name took=$((SECONDS - begin_of[$name]))
			[[ -z ${reason_of[$name]-} ]] || status=124
			fd=${log_of[$name]}
			exec {fd}<&-
			forget_stage "$name"
			return
		done
		read -r -t 0.5 -u "$clock"
		((++ticks % (2 * look_every))) || look_for_hung
		((ticks % 4)) || { for name in "${running[@]}"; do read_log "$name"; done; show_status; }
	done
}

forget_stage() {
	local name rest=()
	for name in "${running[@]}"; do [[ $name == "$1" ]] || rest+=("$name"); done
	running=("${rest[@]}")
}

look_for_hung() {
	local name
	for name in "${running[@]}"; do
		read_log "$name"
		! is_hung "$name" || { reason_of[$name]=$hung; end_hung "$name"; }
	done
	((++looks))
}

# How many tests a stage's log tells of: Automake's totals and those of tests/system/run have the same
# form, "# PASS: 12". A stage that tells of none is one test by itself.
count_stage() {
	local status=$1 log=$2 pass=0 fail=0 skip=0 word number
	while read -r word number; do
		case $word in
		PASS | XFAIL) pass=$((pass + number)) ;;
		FAIL | XPASS | ERROR) fail=$((fail + number)) ;;
		SKIP) skip=$((skip + number)) ;;
		esac
	done < <(sed -n 's/^# \([A-Z]*\): *\([0-9]*\)$/\1 \2/p' "$log")

	if ((pass + fail + skip == 0)); then
		case $status in 0) pass=1 ;; 77) skip=1 ;; *) fail=1 ;; esac
	elif ((status != 0 && fail == 0)); then
		fail=1
	fi
	passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
}

# What the tests that failed printed, the first 25 lines of the first ten of them: tests/system/run indents
# it below the test's line, and Automake heads it with that line, underlined.
show_what_tests_said() {
	awk '
		/^(FAIL|ERROR): / { head = substr($0, 1, 1200); more = 0; next }
		/^=+$/ && head != "" { more = 25; if (++shown <= 10) print head; head = ""; next }
		/^    / && head != "" { more = 25; if (++shown <= 10) print head; head = "" }
		/^=+$/ { more = 0 }
		head != "" || /^(PASS|SKIP|XFAIL): / { head = ""; more = 0 }
		more > 0 && shown <= 10 { print substr($0, 1, 200); more-- }' "$1"
}

show_failure() {
	local name=$1 log=$2 told
	[[ -z ${reason_of[$name]-} ]] || echo "    (ended: ${reason_of[$name]})"
	if grep -q '^# cause$' "$log"; then
		sed '1,/^# cause$/d; s/^/    /' "$log"
	else
		[[ ${kind_of[$name]} == tests ]] || ! grep -qa 'No space left on device' "$log" ||
			echo "    The disk was full; $built needs about ${room_mb:-800} MB in all."
		grep -aE '^(FAIL|ERROR|XPASS): ' "$log" | sort -u | cut -c -160 | sed 's/^/    /'
		told=$(show_what_tests_said "$log")
		if [[ -z $told ]]; then
			echo "    The end of its log:"
			told=$(grep -av '^[dp][lm]status:' "$log" | tail -n 30)
		fi
		sed 's/^/    /' <<< "$told"
	fi
	echo "    The whole log: $log"
	[[ ${myself##*/} != test ]] || echo "    Again, alone:  scripts/test $name"
}

# What was left out, and why; once, where many tests were for the same reason.
show_skips() {
	sed -n 's/^SKIP: //p' "$1" | awk '
		{
			reason = index($0, ": ") ? substr($0, index($0, ": ") + 2) : ""
			if (!(reason in count)) { order[++reasons] = reason; first[reason] = $0 }
			if (++count[reason] > 1) first[reason] = count[reason] " tests: " reason
		}
		END {
			for (i = 1; i <= reasons; i++)
				print "      SKIP: " first[order[i]]
		}'
}

report_stage() {
	local name=$1 log=$logs/$1.log word=FAIL text=${title_of[$1]}
	count_stage "$status" "$log"
	((status != 0)) || word=ok
	((status != 77)) || word=skip text=$(tail -n 1 "$log")
	text=${text#SKIP: }
	clear_status
	printf '%-5s %-11s %4d s  %s\n' "$word" "$name" "$took" "$text"
	[[ $word != FAIL ]] || show_failure "$name" "$log"
	[[ $word == skip ]] || show_skips "$log"
	became[$name]=$word
}

# ---- Which stage runs when. ----

declare -A needs_of kind_of title_of became reason_of
order=() passed=0 failed=0 skipped=0 looks=0

# read_stages TABLE: lines of name, kind, needs, title, between tabs; what a stage needs comes before it.
# A stage of kind "alone" runs by itself; of "work", one at a time, for it keeps all processors busy; of
# "tests", which mostly wait, two beside that, and they go first when a processor is wanted.
read_stages() {
	local name kind needs title
	while IFS='	' read -r name kind needs title; do
		[[ -n $name ]] || continue
		order+=("$name")
		kind_of[$name]=$kind needs_of[$name]=${needs#-} title_of[$name]=$title
	done <<< "$1"
}

# The named stages and what they need, in order.
choose_stages() {
	local name wanted=" $* " i
	for ((i = ${#order[@]} - 1; i >= 0; i--)); do
		name=${order[i]}
		[[ $wanted != *" $name "* ]] || wanted+="${needs_of[$name]} "
	done
	waiting=()
	for name in "${order[@]}"; do
		[[ $# -gt 0 && $wanted != *" $name "* ]] || waiting+=("$name")
	done
}

# may_start NAME: 0 when it may start now, 1 when it has to wait, 2 when what it needs has failed.
may_start() {
	local need name kinds=''
	for need in ${needs_of[$1]}; do
		case ${became[$need]-} in
		ok) ;;
		'') return 1 ;;
		*) return 2 ;;
		esac
	done
	for name in "${running[@]}"; do kinds+=" ${kind_of[$name]}"; done
	case ${kind_of[$1]} in
	alone) [[ -z $kinds ]] ;;
	work) [[ $kinds != *work* && $kinds != *alone* ]] ;;
	tests) [[ $kinds != *alone* && $kinds != *tests*tests* ]] ;;
	esac
}

start_stages() {
	local name rest=() niceness
	for name in "${waiting[@]}"; do
		may_start "$name"
		case $? in
		0)
			niceness=0
			[[ ${kind_of[$name]} != tests || $(id -u) != 0 ]] || niceness=-5
			start_stage "$name" "$niceness"
			;;
		1) rest+=("$name") ;;
		2)
			became[$name]=skip skipped=$((skipped + 1))
			say "$(printf '%-5s %-11s %4d s  not run, because what it needs failed: %s' skip "$name" 0 "${needs_of[$name]}")"
			;;
		esac
	done
	waiting=("${rest[@]}")
}

# run_stages [STAGE...]: these, or all, and what they need.
run_stages() {
	local name waiting ended status took
	for name; do
		[[ -n ${kind_of[$name]-} ]] || die 64 "there is no stage '$name'; there are: ${order[*]}"
	done
	choose_stages "$@"
	export OUTBOX_STAGES="${waiting[*]}"
	while :; do
		start_stages
		((${#running[@]} > 0)) || break
		wait_stage
		report_stage "$ended"
	done
}
