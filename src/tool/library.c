/* Finding and loading liboutbox.so. It is where it was built or installed together with this
 * program, by how the two lie to each other; no path of the environment, and no directory that is
 * the current one by chance, is looked into. Must never load what was put there by somebody who
 * could not have put another program in this one's place. */
#include "tool/library.h"

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"

/* This program: its directory, empty where that cannot be known, and what that and its file are. */
typedef struct Own {
    char directory[PATH_MAX];
    struct stat place, file;
} Own;

/* ---- where it is ---- */

/* A program that has rights which its caller has not is not to be told by where it lies, for its
 * caller may have made a link to it elsewhere. */
static void find_own(Own *own)
{
    ssize_t n = readlink("/proc/self/exe", own->directory, sizeof(own->directory) - 1);
    char *slash;

    own->directory[MAX(n, 0)] = '\0';
    slash = strrchr(own->directory, '/');
    own->directory[slash ? slash - own->directory : 0] = '\0';
    if (getauxval(AT_SECURE) || stat("/proc/self/exe", &own->file) < 0 ||
        stat(own->directory, &own->place) < 0)
        *own = (Own){0};
}

/* The length of what both start with, up to a slash. */
static size_t common_directory(const char *a, const char *b)
{
    size_t n = 0;

    for (size_t i = 0; a[i] == b[i] && a[i]; i++)
        if (a[i] == '/')
            n = i;
    return n;
}

/* Where it is built, libtool puts it into .libs beside the program. */
static bool find_built(const char *directory, char path[static PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/.libs/" LIBRARY_NAME, directory) < PATH_MAX &&
           access(path, F_OK) == 0;
}

/* As the two lie to each other where they are installed, below whatever directory that was copied
 * to. False when this program is not in its place. */
static bool find_relative(const char *directory, char path[static PATH_MAX])
{
    size_t common = common_directory(BINDIR, LIBDIR), n = strlen(directory);
    const char *below = &BINDIR[common];

    if (!text_ends(directory, below))
        return false;
    return snprintf(path, PATH_MAX, "%.*s%s/" LIBRARY_NAME, (int)(n - strlen(below)), directory,
               &LIBDIR[common]) < PATH_MAX &&
           access(path, F_OK) == 0;
}

static void find_library(const Own *own, char path[static PATH_MAX])
{
    if (own->directory[0] &&
        (find_built(own->directory, path) || find_relative(own->directory, path)))
        return;
    strcpy(path, LIBDIR "/" LIBRARY_NAME);
}

/* ---- who may write it ---- */

static bool group_may_write(const struct stat *st, gid_t group)
{
    return st->st_gid == group && (st->st_mode & S_IWGRP) != 0;
}

/* Whether whoever can write what `st` tells of is root, or can write the program, too. */
static bool is_trusted(const Own *own, const struct stat *st)
{
    if (st->st_uid != 0 && (!own->directory[0] || st->st_uid != own->file.st_uid))
        return false;
    if ((st->st_mode & S_IWOTH) != 0)
        return false;
    return (st->st_mode & S_IWGRP) == 0 || st->st_gid == 0 ||
           (own->directory[0] && (group_may_write(&own->file, st->st_gid) ||
                                     group_may_write(&own->place, st->st_gid)));
}

/* Says what is wrong with the library at `path`, which is real; returns an exit status. */
static int check_library(const Own *own, const char *path)
{
    char directory[PATH_MAX];
    struct stat file, place;

    snprintf(directory, sizeof(directory), "%.*s", MAX((int)(strrchr(path, '/') - path), 1), path);
    if (stat(path, &file) < 0 || stat(directory, &place) < 0)
        return tool_fail_number(
            error_from_errno(errno), "cannot load %s: %s", path, strerror(errno));
    if (!S_ISREG(file.st_mode))
        return tool_fail_number(ERROR_FILE,
            "%s is not loaded, for it is no regular file; install outbox completely", path);
    if (is_trusted(own, &file) && is_trusted(own, &place))
        return EX_OK;
    return tool_fail_number(ERROR_FILE,
        "%s is not loaded, for it could be written by users who cannot write the program outbox: "
        "both, and the directories they are in, should be root's and writable by root alone",
        is_trusted(own, &file) ? directory : path);
}

/* ---- loading it ---- */

#define ERRNO_MAX 133
#define ROOM_BYTES (64 << 20) /* more than all the libraries take */
#define NOT_MAPPED "failed to map segment from shared object"

static bool memory_is_short(void)
{
    void *room = mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return room == MAP_FAILED || munmap(room, ROOM_BYTES) < 0;
}

/* dlopen() tells of its errors in words alone, at the end of which is the system's; but of a
 * mapping no reason is told. Where it is one that is no fault of the installation: that; else 0. */
static int common_error_in(const char *words)
{
    if (text_ends(words, NOT_MAPPED))
        return memory_is_short() ? ENOMEM : 0;
    for (int error = 1; error <= ERRNO_MAX; error++)
        if (error_is_common(-error) && text_ends(words, strerror(error)))
            return error;
    return 0;
}

/* Of memory that it cannot have dlopen() says at times that there is no such file. Of one that is
 * not there it says so again; but where it says nothing more nothing may be done, for what the
 * first one has left may be incomplete. */
static int fail_to_load(const char *path)
{
    _cleanup_free_
    char *words = strdup(dlerror() ?: "");
    int error = words ? common_error_in(words) : ENOMEM;

    if (error == 0 && dlopen(path, RTLD_NOW | RTLD_LOCAL))
        return tool_fail_memory();
    if (error != 0)
        return tool_fail_number(error_from_errno(error), "cannot load what this command needs: %s",
            words ?: strerror(ENOMEM));
    return tool_fail_number(ERROR_FILE, "cannot load what this command needs: %s; %s", words,
        text_ends(words, NOT_MAPPED)
            ? "the file system it is on (noexec), or a security policy, forbids to run it"
            : "install outbox completely");
}

/* There is one, but without the node of this version. */
static int fail_of_version(void *library, const char *path)
{
    __typeof__(outbox_version) *version =
        (__typeof__(outbox_version) *)dlsym(library, "outbox_version");

    return tool_fail_number(ERROR_FILE,
        "this is outbox " PACKAGE_VERSION ", and %s is of version %s; install both from the same "
        "package",
        path, version ? version() : "unknown");
}

int tool_run_rest(int argc, char **argv)
{
    __typeof__(outbox_tool_main) *entry;
    char path[PATH_MAX], real[PATH_MAX];
    Own own;
    void *library;
    int status;

    find_own(&own);
    find_library(&own, path);
    if (!realpath(path, real))
        return tool_fail_number(error_is_common(-errno) ? error_from_errno(errno) : ERROR_FILE,
            "cannot load %s, which this command needs: %s; install outbox completely", path,
            strerror(errno));
    status = check_library(&own, real);
    if (status != EX_OK)
        return status;
    library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail_to_load(real);
    entry = (__typeof__(outbox_tool_main) *)dlvsym(library, TOOL_ENTRY, PRIVATE_NODE);
    return entry ? entry(argc, argv) : fail_of_version(library, real);
}
