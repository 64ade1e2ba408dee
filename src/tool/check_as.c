/* As whom relays are checked. Must never say that it was the daemon where something of what it has
 * was not there. */
#include "tool/check_as.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/macros.h"
#include "settings/load.h"
#include "tool/check_unit.h"
#include "tool/json.h"
#include "tool/terminal.h"

#define ACCOUNT_BYTES 16384
#define USER_MAX 256 /* bytes shown */

void check_as_done(CheckAs *as)
{
    free(as->user);
    *as = (CheckAs){0};
}

static int note_user(CheckAs *as)
{
    struct passwd account, *found = NULL;
    char memory[ACCOUNT_BYTES];

    if (getpwuid_r(geteuid(), &account, memory, sizeof(memory), &found) == 0 && found)
        as->user = strdup(found->pw_name);
    else if (asprintf(&as->user, "%u", (unsigned)geteuid()) < 0)
        as->user = NULL;
    return as->user ? -1 : tool_fail_memory();
}

/* ---- as another user ---- */

/* Whose the queue directory is, who delivers from it. False where that cannot be known. */
static bool find_owner(const Tool *tool, uid_t *ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *directory = NULL;
    struct stat st;

    if (config_load_directory(tool->config_path, tool->overrides, &directory, NULL, NULL, &f) !=
            0 ||
        stat(directory, &st) < 0)
        return false;
    *ret = st.st_uid;
    return true;
}

static int become(uid_t user)
{
    struct passwd account, *found = NULL;
    char memory[ACCOUNT_BYTES];
    int r = getpwuid_r(user, &account, memory, sizeof(memory), &found);

    if (r != 0 || !found)
        return tool_fail_number(ERROR_CONFIGURATION,
            "the queue directory belongs to user %u, whom this machine does not know; give it to "
            "the daemon's user, or check with --as-me",
            (unsigned)user);
    if (initgroups(found->pw_name, found->pw_gid) < 0 || setgid(found->pw_gid) < 0 ||
        setuid(found->pw_uid) < 0)
        return tool_fail_number(error_from_errno(errno),
            "cannot become the daemon's user, %s: %s; check with --as-me", found->pw_name,
            strerror(errno));
    if (setenv("HOME", found->pw_dir, 1) < 0 || setenv("USER", found->pw_name, 1) < 0 ||
        setenv("LOGNAME", found->pw_name, 1) < 0)
        return tool_fail_memory();
    return -1;
}

/* As whoever owns the queue directory, as far as this user may: never with all of the daemon's. */
static int settle_by_owner(const Tool *tool, CheckAsChoice choice, CheckAs *ret)
{
    uid_t owner;
    bool known = find_owner(tool, &owner);

    if (known && choice != CHECK_AS_ME && geteuid() == 0 && owner != 0) {
        int status = become(owner);

        if (status >= 0)
            return status;
        ret->has_become = true;
    }
    ret->is_owner = known && owner == geteuid();
    ret->is_other = known && !ret->is_owner && geteuid() != 0;
    ret->unseen = ret->is_owner ? "the credentials, capabilities, sandbox and environment of its "
                                  "service"
                  : known       ? "the daemon's user, and the credentials, sandbox and environment "
                                  "of its service; without --as-me, root checks as the daemon"
                          : "the daemon's user, who owns the queue directory: it cannot be looked "
                            "at; and the credentials, sandbox and environment of its service";
    return note_user(ret);
}

/* ---- as the unit ---- */

/* Whether the unit's daemon reads the configuration that is asked about. */
static bool is_served(const Tool *tool, const UnitSettings *settings)
{
    const char *served = settings->config ?: SETTINGS_DEFAULT_PATH;

    return strcmp(tool->config_path ?: SETTINGS_DEFAULT_PATH, served) == 0;
}

/* Who has been given credentials of its own checks with these. */
static CheckAsChoice resolve(CheckAsChoice choice)
{
    return choice == CHECK_AS_BEST && getenv("CREDENTIALS_DIRECTORY") ? CHECK_AS_ME : choice;
}

/* As check_as_settle(). */
static int settle_by_unit(
    const Tool *tool, CheckAsChoice choice, int argc, char **argv, bool *ret_done)
{
    _cleanup_(unit_settings_done) UnitSettings settings = {0};
    int r = unit_settings_load(&settings), status;

    *ret_done = false;
    if (r < 0)
        return tool_fail_memory();
    if (r == 0 && choice == CHECK_AS_DAEMON)
        return tool_fail_number(ERROR_CONFIGURATION,
            "systemd has no " CHECK_UNIT " here, or does not run, so nothing can be checked with "
            "what the daemon has; without --as-daemon it is checked as the daemon's user");
    if (r == 0 || (choice != CHECK_AS_DAEMON && !is_served(tool, &settings)))
        return -1;
    if (settings.left_out)
        fprintf(stderr, "outbox: not taken from %s, for a specifier in it: %s\n", CHECK_UNIT,
            settings.left_out);
    status = check_unit_run(&settings, tool, argc, argv);
    *ret_done = status >= 0;
    if (status < 0 && choice == CHECK_AS_DAEMON)
        return tool_fail_number(ERROR_CONFIGURATION,
            "systemd-run could not do it as " CHECK_UNIT "; without --as-daemon it is checked as "
            "the daemon's user");
    if (status < 0)
        fprintf(stderr,
            "outbox: systemd-run could not do it as %s; it is checked as the daemon's user\n",
            CHECK_UNIT);
    return status;
}

int check_as_settle(const Tool *tool, CheckAsChoice choice, int argc, char **argv, CheckAs *ret)
{
    const char *unit = getenv(CHECK_UNIT_VARIABLE);

    *ret = (CheckAs){0};
    if (unit && strcmp(unit, CHECK_UNIT) == 0) {
        ret->unit = CHECK_UNIT;
        return note_user(ret);
    }
    choice = resolve(choice);
    if (choice == CHECK_AS_DAEMON && geteuid() != 0)
        return tool_fail_number(ERROR_EACCES,
            "only root can check as the daemon: run `sudo outbox check`, or leave --as-daemon out");
    if (choice != CHECK_AS_ME && geteuid() == 0) {
        bool done;
        int status = settle_by_unit(tool, choice, argc, argv, &done);

        if (done || status >= 0)
            return status;
    }
    return settle_by_owner(tool, choice, ret);
}

/* ---- saying it ---- */

void check_as_print(const CheckAs *as)
{
    fputs("checked as user ", stdout);
    (void)terminal_print(stdout, as->user, USER_MAX);
    if (as->unit)
        printf(", with the credentials and in the sandbox of %s", as->unit);
    else if (as->is_owner)
        fputs(", who owns the queue directory", stdout);
    putchar('\n');
    if (as->unseen)
        printf("not seen: %s\n", as->unseen);
}

json_t *check_as_json(const CheckAs *as)
{
    return json_pack("{s:o, s:o, s:o}", "user", json_text(as->user), "unit", json_text(as->unit),
        "unseen", json_text(as->unseen));
}
