# builds.sh: the builds of scripts/test, demo and bench, in build-test/; to be sourced after stages.sh,
# and used by stages.

readonly source=$built/source

# The source is copied, so that a tree that somebody configured in place does not matter. What has
# changed gets the present time: make is to see that, whatever time the file had.
copy_source() {
	mkdir -p "$source" &&
		rsync -rlpc --chmod=a+rX,u+w --delete --exclude=/.git --filter=':- .gitignore' ./ "$source/" &&
		make_configure
}

# The stamp is written last: a run that was broken off begins again.
make_configure() {
	local stamp=$built/configure-made sum
	sum=$(cat "$source"/configure.ac "$source"/Makefile.am "$source"/m4/ax* <(autoreconf --version) 2> /dev/null | cksum)
	[[ -e $source/configure && $(cat "$stamp" 2> /dev/null) == "$sum" ]] && return
	(cd "$source" && rm -rf autom4te.cache && autoreconf -fi) && echo "$sum" > "$stamp"
}

# configure_build NAME ARGUMENT...: makes it the working directory, a build directory that was configured
# with these arguments, in this place and on this system; another one is thrown away. The source is named from
# there, as people who build do: a test that leaves its directory would not find it.
configure_build() {
	local directory=$built/$1 what
	shift
	what="$directory $* $(cksum < "$source/configure") $(cat /etc/debian_version) $(gcc --version | head -n 1)"
	if [[ $(cat "$directory/configured" 2> /dev/null) != "$what" ]]; then
		rm -rf "$directory" && mkdir "$directory" && cd "$directory" &&
			../source/configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var "$@" &&
			echo "$what" > configured
	else
		cd "$directory" || return
	fi
}

# run_make ARGUMENT...: make in the working directory. When it was killed, half of a file may be there:
# what it had written in its last minute is made again.
run_make() {
	local last status
	if [[ -e making ]]; then
		last=$(find . -type f -printf '%T@\n' | sort -n | tail -n 1)
		find . -type f -newermt "@$((${last%.*} - 60))" \
			\( -name '*.o' -o -name '*.lo' -o -name '*.la' -o -name '*.a' -o -name '*.tar.*' -o \
			-perm -100 ! -name config.status ! -name libtool \) -delete
	fi
	touch making
	echo "# steps: $(make -n "$@" 2> /dev/null | grep -c '^echo "  CC')"
	make -s -j"$jobs" "$@"
	status=$?
	rm making
	return "$status"
}
