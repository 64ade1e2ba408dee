/* Writing the configuration and the password. Must never leave one without the other, nor let
 * anybody read the password for a moment who may not, nor lose what was there. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "settings/load.h"
#include "settings/privacy.h"
#include "tool/setup.h"

#define USER "outbox" /* the daemon's, where no queue directory says another */
#define CREDENTIAL "/etc/credstore/outbox.password"
#define BACKUPS_MAX 1000
#define RANDOM 8

/* ---- where it goes ---- */

static int join(char **ret, const char *a, const char *b)
{
    if (asprintf(ret, "%s%s", a, b) < 0) {
        *ret = NULL;
        return -ENOMEM;
    }
    return 0;
}

int setup_place_find(const char *config_path, bool credential, SetupPlace *ret)
{
    const char *path = config_path ?: SETTINGS_DEFAULT_PATH;
    int r;

    *ret = (SetupPlace){
        .credential = credential, .is_default = strcmp(path, SETTINGS_DEFAULT_PATH) == 0};
    ret->config = realpath(path, NULL);
    if (!ret->config && *path != '/') {
        _cleanup_free_
        char *here = getcwd(NULL, 0);

        if (!here || asprintf(&ret->config, "%s/%s", here, path) < 0)
            ret->config = NULL;
    } else if (!ret->config) {
        ret->config = strdup(path);
    }
    if (!ret->config)
        return -ENOMEM;
    if (ret->is_default)
        r = join(&ret->tokens, LOCALSTATEDIR, "/lib/outbox/microsoft");
    else
        r = join(&ret->tokens, ret->config, ".tokens");
    if (r < 0)
        return r;
    if (credential)
        return join(&ret->secret, CREDENTIAL, "");
    return ret->is_default ? join(&ret->secret, SYSCONFDIR, "/outbox/password")
                           : join(&ret->secret, ret->config, ".password");
}

void setup_place_done(SetupPlace *place)
{
    free(place->config);
    free(place->secret);
    free(place->tokens);
    *place = (SetupPlace){0};
}

void setup_done_done(SetupDone *done)
{
    free(done->config_backup);
    free(done->secret_backup);
    free(done->daemon);
    *done = (SetupDone){0};
}

/* The directory, which the caller frees; NULL when memory is short. */
static char *directory_of(const char *path)
{
    _cleanup_free_
    char *copy = strdup(path);

    return copy ? strdup(dirname(copy)) : NULL;
}

static int may_write_beside(const char *path)
{
    _cleanup_free_
    char *directory = directory_of(path);

    if (!directory)
        return tool_fail_memory();
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0)
        return 0;
    if (errno == EACCES && geteuid() != 0)
        return tool_fail_number(ERROR_EACCES,
            "%s: this user may not write there: run `sudo outbox setup`, or have a configuration "
            "of your own written with `outbox --config FILE setup`",
            directory);
    return tool_fail_number(
        ERROR_FILE, "%s: nothing can be written there: %s", directory, strerror(errno));
}

int setup_may_write(const SetupPlace *place)
{
    if (place->credential) /* its directory is made where there is none */
        return geteuid() == 0 ? may_write_beside(place->config)
                              : tool_fail_number(ERROR_EACCES,
                                    "--credential: only root writes what systemd alone is to read");
    return may_write_beside(place->config) ?: may_write_beside(place->secret);
}

/* ---- new files ---- */

/* One that waits to take a name's place. */
typedef struct Fresh {
    char *path; /* NULL: none is wanted, for what is there is the same */
    const char *name;
    char *backup; /* of what was there; NULL: nothing was */
    bool taken;   /* its place */
} Fresh;

static void fresh_done(Fresh *fresh)
{
    if (fresh->path && !fresh->taken)
        (void)unlink(fresh->path);
    free(fresh->path);
    free(fresh->backup);
}

typedef struct Rights {
    mode_t mode;
    uid_t user; /* FILE_OWNER_UNKNOWN: it stays who writes it */
    gid_t group;
} Rights;

static int fail(const char *path, int error, Failure *f)
{
    return failure_set_errno(f, error, "%s cannot be written, and nothing was changed", path);
}

/* Before anything is in it, it is as private as can be. */
static int fill(int fd, const Rights *rights, const void *data, size_t n)
{
    int r;

    if (rights->user != FILE_OWNER_UNKNOWN && fchown(fd, rights->user, rights->group) < 0)
        return -errno;
    if (fchmod(fd, rights->mode) < 0)
        return -errno;
    r = file_write_all(fd, data, n);
    return r < 0 ? r : file_sync(fd);
}

static int make_fresh(
    Fresh *ret, const char *name, const Rights *rights, const void *data, size_t n, Failure *f)
{
    _cleanup_close_ int fd = -1;
    char random[RANDOM + 1];
    int r;

    file_random_name(random, RANDOM);
    ret->name = name;
    if (asprintf(&ret->path, "%s.%s.new", name, random) < 0) {
        ret->path = NULL;
        return -ENOMEM;
    }
    fd = open(ret->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = fd < 0 ? -errno : fill(fd, rights, data, n);
    return r < 0 ? fail(name, r, f) : 0;
}

static bool is_same(const char *path, const char *data, size_t n)
{
    _cleanup_(setup_wipe) Buffer is = {0};

    return file_load(AT_FDCWD, path, n + 2, &is) == 0 && buffer_size(&is) == n &&
           memcmp(buffer_data(&is), data, n) == 0;
}

/* ---- with which rights ---- */

/* Whoever may read the configuration now may do so afterwards, and nobody else. */
static Rights config_rights(const SetupPlace *place)
{
    struct stat st;

    if (stat(place->config, &st) < 0)
        return (Rights){0644, FILE_OWNER_UNKNOWN, 0};
    return (Rights){st.st_mode & 0777, geteuid() == 0 ? st.st_uid : FILE_OWNER_UNKNOWN, st.st_gid};
}

static Rights secret_rights(const SetupPlace *place, const char *queue)
{
    const struct passwd *user;
    struct stat st;

    if (geteuid() != 0 || place->credential)
        return (Rights){0600, FILE_OWNER_UNKNOWN, 0};
    if (stat(queue, &st) == 0)
        return (Rights){0600, privacy_queue_owner(queue).user, 0};
    user = getpwnam(USER);
    return (Rights){0600, user ? user->pw_uid : FILE_OWNER_UNKNOWN, 0};
}

/* Whether another user than the one who is to read it could. */
static bool has_rights(const char *path, const Rights *rights)
{
    uid_t user = rights->user == FILE_OWNER_UNKNOWN ? geteuid() : rights->user;
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == user &&
           (st.st_mode & 0777) == rights->mode;
}

/* ---- all of it ---- */

static int make_secret(
    const SetupPlace *place, const Secret *password, const char *queue, Fresh *ret, Failure *f)
{
    const Rights rights = secret_rights(place, queue);
    size_t n = secret_size(password);
    char *text = malloc(n + 1);
    int r = 0;

    if (!text)
        return -ENOMEM;
    memcpy(text, secret_text(password), n);
    text[n] = '\n';
    if (!is_same(place->secret, text, n + 1) || !has_rights(place->secret, &rights)) {
        _cleanup_free_
        char *directory = directory_of(place->secret);

        if (place->credential && directory)
            (void)mkdir(directory, 0700);
        r = make_fresh(ret, place->secret, &rights, text, n + 1, f);
    }
    explicit_bzero(text, n + 1);
    free(text);
    return r;
}

/* What is there gets a second name, by which it stays. */
static int back_up(Fresh *fresh, Failure *f)
{
    for (unsigned i = 1; i < BACKUPS_MAX; i++) {
        free(fresh->backup);
        if (asprintf(&fresh->backup, "%s.before-%u", fresh->name, i) < 0) {
            fresh->backup = NULL;
            return -ENOMEM;
        }
        if (link(fresh->name, fresh->backup) == 0)
            return 0;
        if (errno != EEXIST) {
            int error = -errno;

            free(fresh->backup);
            fresh->backup = NULL;
            return error == -ENOENT ? 0 : fail(fresh->name, error, f);
        }
    }
    return fail(fresh->name, -EEXIST, f);
}

static int sync_directory(const char *path)
{
    _cleanup_free_
    char *directory = directory_of(path);
    _cleanup_close_ int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    return fd < 0 ? -errno : file_sync(fd);
}

static int take_place(Fresh *fresh, Failure *f)
{
    if (!fresh->path)
        return 0;
    if (rename(fresh->path, fresh->name) < 0)
        return fail(fresh->name, -errno, f);
    fresh->taken = true;
    (void)sync_directory(fresh->name); /* what the disk does not promise cannot be taken back */
    return 0;
}

/* As it was before. */
static void give_back(Fresh *fresh)
{
    if (fresh->taken && fresh->backup)
        (void)rename(fresh->backup, fresh->name);
    else if (fresh->taken)
        (void)unlink(fresh->name);
    else if (fresh->backup)
        (void)unlink(fresh->backup);
}

static int replace(Fresh *secret, Fresh *config, Failure *f)
{
    int r = secret->path ? back_up(secret, f) : 0;

    if (r >= 0 && config->path)
        r = back_up(config, f);
    if (r >= 0)
        r = take_place(secret, f);
    if (r >= 0)
        r = take_place(config, f);
    if (r < 0) {
        give_back(config);
        give_back(secret);
    }
    return r;
}

/* The two go together: nothing comes between them that can be kept away. */
static int replace_undisturbed(Fresh *secret, Fresh *config, Failure *f)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r = replace(secret, config, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static int make_config(const SetupPlace *place, const Buffer *text, const SetupExisting *existing,
    Fresh *ret, Failure *f)
{
    const Rights rights = config_rights(place);

    if (buffer_size(&existing->text) == buffer_size(text) &&
        memcmp(buffer_data(&existing->text), buffer_data(text), buffer_size(text)) == 0)
        return 0;
    return make_fresh(ret, place->config, &rights, buffer_data(text), buffer_size(text), f);
}

/* As the daemon will read it, but for where the password is by now. */
static int check_all(
    const SetupAnswers *answers, const SetupPlace *place, const Fresh *secret, Failure *f)
{
    _cleanup_config_ Config *config = NULL;
    SetupPlace now = *place;

    if (secret->path && !place->credential)
        now.secret = secret->path;
    return setup_config(answers, &now, SETUP_SECRET_NAMED, &config, f);
}

int setup_write(const SetupAnswers *answers, const SetupPlace *place, const Buffer *text,
    const SetupExisting *existing, SetupDone *ret, Failure *f)
{
    _cleanup_(fresh_done) Fresh secret = {0};
    _cleanup_(fresh_done) Fresh config = {0};
    _cleanup_config_ Config *known = NULL;
    int r = setup_config(answers, place, SETUP_SECRET_UNNAMED, &known, f);

    if (r >= 0 && answers->user && answers->password)
        r = make_secret(place, answers->password, known->spool.directory, &secret, f);
    if (r >= 0)
        r = check_all(answers, place, &secret, f);
    if (r >= 0)
        r = make_config(place, text, existing, &config, f);
    if (r >= 0)
        r = replace_undisturbed(&secret, &config, f);
    if (r < 0)
        return r;
    ret->wrote_secret = secret.path != NULL;
    ret->wrote_config = config.path != NULL;
    ret->secret_backup = TAKE_PTR(secret.backup);
    ret->config_backup = TAKE_PTR(config.backup);
    return 0;
}
