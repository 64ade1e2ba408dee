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

static int check_path(Draft *draft, const Setting *setting, size_t relay)
{
    char **field = field_of(draft, setting, relay);
    struct stat st;
    int r = 0;

    if (setting->type == SETTING_FILE)
        r = choose_path(field);
    if (r < 0)
        return r;
    if (stat(*field, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG || errno == ELOOP)
            return draft_mistake_in(
                draft, setting, relay, "\"%s\" does not exist; create it or name another", *field);
        return 0;
    }
    if (setting->type == SETTING_DIRECTORY && !S_ISDIR(st.st_mode))
        return draft_mistake_in(
            draft, setting, relay, "\"%s\" is not a directory; name one", *field);
    if (setting->type != SETTING_DIRECTORY && setting->type != SETTING_STORE && S_ISDIR(st.st_mode))
        return draft_mistake_in(
            draft, setting, relay, "\"%s\" is a directory; name a file", *field);
    return 0;
}

static bool is_no_path(const Setting *setting, const char *text)
{
    return (setting->type == SETTING_CERTIFICATE && value_is_fingerprint(text)) ||
           (setting->type == SETTING_STORE && value_is_store_name(text));
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
            rows[i].type != SETTING_CERTIFICATE && rows[i].type != SETTING_STORE)
            continue;
        path = *field_of(draft, &rows[i], relay);
        if (path && !is_no_path(&rows[i], path))
            r = check_path(draft, &rows[i], relay);
    }
    return r;
}
