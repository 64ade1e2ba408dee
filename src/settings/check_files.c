/* Files that settings name. Must never read one. */
#include "settings/check_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

static char **field_of(const Draft *draft, const Setting *setting, size_t relay)
{
    return (char **)((char *)draft->config->relays[relay] + setting->offset);
}

/* Keeps the first of several paths that exists; where none does, all of them for the message. */
static int choose_path(char **field)
{
    _cleanup_free_
    char *list = NULL, *chosen = NULL;
    char *state = NULL;

    if (!strchr(*field, ';'))
        return 0;
    list = strdup(*field);
    if (!list)
        return -ENOMEM;
    for (char *path = strtok_r(list, ";", &state); path; path = strtok_r(NULL, ";", &state))
        if (!chosen && access(path, F_OK) == 0 && !(chosen = strdup(path)))
            return -ENOMEM;
    if (chosen) {
        free(*field);
        *field = TAKE_PTR(chosen);
    }
    return 0;
}

static int check_one(Draft *draft, const Setting *setting, size_t relay, const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP)
            return draft_mistake_in(
                draft, setting, relay, "\"%s\" does not exist; create it or name another", path);
        return 0;
    }
    if (setting->type == SETTING_DIRECTORY && !S_ISDIR(st.st_mode))
        return draft_mistake_in(draft, setting, relay, "\"%s\" is not a directory; name one", path);
    if (setting->type != SETTING_DIRECTORY && setting->type != SETTING_STORE && S_ISDIR(st.st_mode))
        return draft_mistake_in(draft, setting, relay, "\"%s\" is a directory; name a file", path);
    return 0;
}

static int check_path(Draft *draft, const Setting *setting, size_t relay)
{
    char **field = field_of(draft, setting, relay);
    bool is_list = setting->type == SETTING_FILE || setting->type == SETTING_STORE;
    int r = is_list ? choose_path(field) : 0;

    return r < 0 ? r : check_one(draft, setting, relay, *field);
}

/* Several, of which each is to be there; fingerprints are no files. */
static int check_certificates(Draft *draft, const Setting *setting, size_t relay)
{
    _cleanup_free_
    char *list = strdup(*field_of(draft, setting, relay));
    char *state = NULL;
    int r = list ? 0 : -ENOMEM;

    for (char *path = list ? strtok_r(list, ";", &state) : NULL; path && r == 0;
         path = strtok_r(NULL, ";", &state)) {
        path += strspn(path, " ");
        if (!value_is_fingerprint(path, strlen(path)))
            r = check_one(draft, setting, relay, path);
    }
    return r;
}

/* A file that is written when it is needed: its directory is to be there by then. */
static int check_written(Draft *draft, const Setting *setting, size_t relay)
{
    const char *path = *field_of(draft, setting, relay);
    const char *slash = strrchr(path, '/');
    _cleanup_free_
    char *directory = slash && slash > path ? strndup(path, (size_t)(slash - path)) : NULL;
    struct stat st;

    if (stat(path, &st) == 0)
        return check_one(draft, setting, relay, path);
    if (slash && slash > path && !directory)
        return -ENOMEM;
    if (!directory || (stat(directory, &st) == 0 && S_ISDIR(st.st_mode)) ||
        (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG && errno != ELOOP))
        return 0;
    return draft_mistake_in(draft, setting, relay,
        "\"%s\" cannot be written: there is no directory \"%s\"; create it or name another file",
        path, directory);
}

int check_files(Draft *draft, size_t relay)
{
    size_t n;
    const Setting *rows = settings_table(&n);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        const char *path;

        if (rows[i].section != SECTION_RELAYS)
            continue;
        if (rows[i].type != SETTING_FILE && rows[i].type != SETTING_DIRECTORY &&
            rows[i].type != SETTING_CERTIFICATE && rows[i].type != SETTING_STORE &&
            rows[i].type != SETTING_PATH)
            continue;
        path = *field_of(draft, &rows[i], relay);
        if (path && rows[i].type == SETTING_PATH)
            r = check_written(draft, &rows[i], relay);
        else if (path && !(rows[i].type == SETTING_STORE && value_is_store_name(path)))
            r = rows[i].type == SETTING_CERTIFICATE ? check_certificates(draft, &rows[i], relay)
                                                    : check_path(draft, &rows[i], relay);
    }
    return r;
}
