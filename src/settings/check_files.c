/* Files that settings name. Must never read one. */
#include "settings/check_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macros.h"

static char **field_of(const Draft *draft, const Setting *setting, size_t relay)
{
    return (char **)((char *)&draft->config->relays[relay] + setting->offset);
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
    if (setting->type != SETTING_DIRECTORY && S_ISDIR(st.st_mode))
        return draft_mistake_in(
            draft, setting, relay, "\"%s\" is a directory; name a file", *field);
    return 0;
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
            rows[i].type != SETTING_CERTIFICATE)
            continue;
        path = *field_of(draft, &rows[i], relay);
        if (path && !(rows[i].type == SETTING_CERTIFICATE && value_is_fingerprint(path)))
            r = check_path(draft, &rows[i], relay);
    }
    return r;
}

/* The four rows of a secret: "password", "password_file", ... */
static void find_sources(const char *name, const Setting *ret_rows[static 4])
{
    static const char *const ends[4] = {"", "_file", "_command", "_credential"};
    char full[64];

    for (size_t i = 0; i < 4; i++) {
        snprintf(full, sizeof(full), "%s%s", name, ends[i]);
        ret_rows[i] = setting_find(SECTION_RELAYS, full);
    }
}

/* What the user sets last, on the command line, wins over the file; otherwise there may be one. */
static int keep_one_source(Draft *draft, size_t relay, const Setting *const rows[static 4])
{
    RelayConfig *config = &draft->config->relays[relay];
    const Setting *first = NULL;
    bool overridden = false;
    int r = 0;

    for (size_t i = 0; i < 4; i++)
        if (value_is_set(rows[i], config) && draft_origin(draft, rows[i], relay)->line == 0)
            overridden = true;
    for (size_t i = 0; r == 0 && i < 4; i++) {
        if (!value_is_set(rows[i], config))
            continue;
        if (overridden && draft_origin(draft, rows[i], relay)->line > 0) {
            value_done(rows[i], config);
            continue;
        }
        if (first)
            r = draft_mistake_in(draft, rows[i], relay,
                "the secret has two sources; leave this one or %s out", first->name);
        first = rows[i];
    }
    return r;
}

static int check_source(Draft *draft, size_t relay, const char *name)
{
    RelayConfig *config = &draft->config->relays[relay];
    const Setting *rows[4];
    const Origin *origin;
    const char *path;
    struct stat st;
    int r;

    find_sources(name, rows);
    r = keep_one_source(draft, relay, rows);
    origin = draft_origin(draft, rows[0], relay);
    path = *field_of(draft, rows[1], relay);
    if (r == 0 && value_is_set(rows[0], config) && origin->public)
        r = draft_mistake_in(draft, rows[0], relay,
            "everyone can read the secret in this file; run `chmod o-r %s`", origin->file);
    if (r == 0 && path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
        r = draft_mistake_in(
            draft, rows[1], relay, "everyone can read that file; run `chmod o-r %s`", path);
    return r;
}

int check_secret_sources(Draft *draft, size_t relay)
{
    return check_source(draft, relay, "password") ?: check_source(draft, relay, "tls_key_password");
}
