/* outbox import-config: another mail system's configuration as one of outbox's. Must never print a
 * password. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "foreign/config.h"
#include "tool/command.h"

#define USER "outbox" /* the daemon's, which is to read the passwords */

static int wrong_system(const Command *command, const char *name)
{
    char names[TOOL_NAMES_MAX] = "";

    for (ForeignSystem system = 0; system < FOREIGN_SYSTEM_MAX; system++)
        tool_list_name(names, foreign_system_name(system));
    return tool_usage(command, "%s%s no system whose configuration is read: those are %s",
        name ?: "none was named, which is", name ? " is" : "", names);
}

static int fill_secret(int fd, const char *path, const char *text, Failure *f)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(USER) : NULL;
    int r;

    if (user && fchown(fd, user->pw_uid, 0) < 0)
        return failure_set_errno(f, -errno, "%s: it cannot be given to user " USER, path);
    r = file_write_all(fd, text, strlen(text));
    if (r >= 0)
        r = file_write_all(fd, "\n", 1);
    if (r < 0 || fsync(fd) < 0)
        return failure_set_errno(f, r < 0 ? r : -errno, "%s: the password cannot be written", path);
    return 0;
}

/* What is there already stays: it may be the password of another relay. */
static int write_secret(
    int directory_fd, const char *directory, const ForeignSecret *secret, Failure *f)
{
    _cleanup_close_ int fd = -1;
    char path[4096];
    int r;

    snprintf(path, sizeof(path), "%s/%s", directory, secret->file);
    fd = openat(
        directory_fd, secret->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return failure_set(f, -EEXIST, ERROR_FILE,
            "%s is there already, and stays: remove it, or name another directory", path);
    if (fd < 0)
        return failure_set_errno(f, -errno, "%s: the password cannot be written", path);
    r = fill_secret(fd, path, secret->text, f);
    if (r < 0)
        (void)unlinkat(directory_fd, secret->file, 0);
    return r;
}

static void remove_secrets(int directory_fd, const ForeignConfig *config, size_t n)
{
    while (n-- > 0)
        (void)unlinkat(directory_fd, config->secrets[n].file, 0);
}

/* All of them or none, so that who has mended what was in the way can do it again. */
static int write_secrets(int fd, const char *directory, const ForeignConfig *config, Failure *f)
{
    size_t n = 0;
    int r = fd < 0 ? failure_set_errno(f, -errno, "%s: no password can be written there", directory)
                   : 0;

    while (r >= 0 && n < config->n_secrets) {
        r = write_secret(fd, directory, &config->secrets[n], f);
        n += r >= 0;
    }
    if (r < 0)
        remove_secrets(fd, config, n);
    return r;
}

static void tell_secrets(const ForeignConfig *config)
{
    for (size_t i = 0; i < config->n_secrets; i++)
        fprintf(stderr,
            "outbox: a password is not printed: " SYSCONFDIR
            "/outbox/%s is to hold it, of mode 600 "
            "and owned by " USER "; --secrets DIR writes it\n",
            config->secrets[i].file);
}

static int print(ForeignSystem system, const char *path, const char *account, const char *secrets)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_close_ int directory_fd = -1;
    ForeignConfig config = {0};
    int r =
        foreign_config_load(system, path, account, secrets ?: SYSCONFDIR "/outbox", &config, &f);

    if (r >= 0 && secrets && config.n_secrets > 0) {
        directory_fd = open(secrets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = write_secrets(directory_fd, secrets, &config, &f);
    }
    if (r >= 0) {
        fwrite(buffer_data(&config.text), 1, buffer_size(&config.text), stdout);
        if (!secrets)
            tell_secrets(&config);
        /* Which is said at the end; of a long text fflush() itself knows nothing. */
        if ((fflush(stdout) != 0 || ferror(stdout)) && directory_fd >= 0)
            remove_secrets(directory_fd, &config, config.n_secrets);
    }
    foreign_config_done(&config);
    return r < 0 ? tool_fail(&f) : EX_OK;
}

int run_import_config(_unused_ const Tool *tool, const Command *command, int argc, char **argv)
{
    const char *account = NULL, *secrets = NULL, *path;
    ForeignSystem system;
    int c;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'a': account = optarg; break;
        case 's': secrets = optarg; break;
        default: return EX_USAGE;
        }
    system = argv[optind] ? foreign_system_find(argv[optind]) : FOREIGN_SYSTEM_MAX;
    if (system == FOREIGN_SYSTEM_MAX)
        return wrong_system(command, argv[optind]);
    if (argc - optind > 2)
        return tool_usage(command, "one path at most is wanted");
    if (secrets && *secrets != '/')
        return tool_usage(
            command, "--secrets %s: the path of a directory, from / on, is wanted", secrets);
    if (account && system != FOREIGN_SYSTEM_MSMTP)
        return tool_usage(command, "--account goes with msmtp alone");
    path = argv[optind + 1] ?: foreign_system_path(system);
    return print(system, path, account, secrets);
}
