/* Tables of logins, as the text that they were made from. Must never take a login for another
 * host. */
#include "foreign/sasl_passwd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"

typedef struct Search {
    Translation t; /* first: lines are taken with it */
    const char *host, *destination;
    char *login;
    bool by_host; /* it is its host's */
} Search;

/* Postfix asks for the host first, and then for what relayhost has; of two lines the first holds.
 */
static void keep_login(Search *s, const char *key, const char *login)
{
    bool by_host = strcasecmp(key, s->host) == 0;

    if ((!by_host && strcasecmp(key, s->destination) != 0) ||
        (s->login && (s->by_host || !by_host)))
        return;
    main_cf_wipe(s->login);
    s->login = strdup(login);
    s->t.is_short |= !s->login;
    s->by_host = by_host;
}

static int take_login(Translation *t, char *line, _unused_ Failure *f)
{
    char *login = line, *key = strsep(&login, " \t");

    if (login)
        keep_login((Search *)t, key, login + strspn(login, " \t"));
    return 0;
}

/* inline:{ key=login, { key = login with blanks } } */
static void take_inline(Search *s, char *list)
{
    char *rest = main_cf_unbrace(list), *entry;

    while ((entry = main_cf_next(&rest))) {
        char *key = main_cf_unbrace(entry), *login = strchr(key, '=');

        if (!login)
            continue;
        *login++ = '\0';
        keep_login(s, text_trim(key), text_trim(login));
    }
}

/* Whether there is what postmap has made of the text. */
static bool is_compiled(const char *path)
{
    static const char *const endings[] = {".db", ".lmdb", ".cdb", ".pag"};

    for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
        char compiled[PATH_MAX];

        snprintf(compiled, sizeof(compiled), "%s%s", path, endings[i]);
        if (access(compiled, F_OK) == 0)
            return true;
    }
    return false;
}

static int take_file(Search *s, const char *table, const char *path, Failure *f)
{
    int r = translation_read_joined(&s->t, path, take_login, f);

    if (r != -ENOENT)
        return r;
    if (is_compiled(path))
        translation_note(&s->t,
            "%s, which the login was made from, is not there: while Postfix is installed, `umask "
            "077; postmap -s %s > %s` writes it anew",
            path, table, path);
    else
        translation_note(&s->t, "%s, which the login was made from, is not there", path);
    return 0;
}

static int look_into(Search *s, char *table, Failure *f)
{
    const char *path = main_cf_text_of(table);

    if (path)
        return take_file(s, table, path, f);
    table += text_starts_nocase(table, "proxy:") ? strlen("proxy:") : 0;
    if (text_starts_nocase(table, "static:")) /* static:user:password, static:{user:password} */
        keep_login(s, s->host, main_cf_unbrace(table + strlen("static:")));
    else if (text_starts_nocase(table, "inline:"))
        take_inline(s, table + strlen("inline:"));
    else /* it may hold a password itself */
        translation_note(&s->t, "smtp_sasl_password_maps: a table of type %.*s is not read",
            (int)MIN(strcspn(table, ":"), (size_t)40), table);
    return 0;
}

int sasl_passwd_find(
    MainCf *m, const char *host, const char *destination, char **ret_login, Failure *f)
{
    _cleanup_free_
    char *tables = main_cf_value(m, "smtp_sasl_password_maps");
    Search s = {.t = m->t, .host = host, .destination = destination};
    char *rest = tables, *table;
    int r = 0;

    while (r >= 0 && tables && !s.login && (table = main_cf_next(&rest)))
        r = look_into(&s, table, f);
    if (tables)
        explicit_bzero(tables, (size_t)(rest - tables));
    m->t = s.t;
    *ret_login = s.login;
    return r;
}
