/* Secrets and their readers. Must never read one. */
#include "settings/check_secrets.h"

#include <config.h> /* not settings/config.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/conninfo.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/url.h"
#include "settings/load.h"
#include "settings/privacy.h"
#include "settings/proxy.h"
#include "settings/secret_source.h"

static char **field_of(const Draft *draft, const Setting *setting, size_t relay)
{
    return (char **)((char *)draft->config->relays[relay] + setting->offset);
}

/* The four rows of a secret: "password", "password_file", ...; the first may not be there: NULL. */
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
    RelayConfig *config = draft->config->relays[relay];
    const Setting *first = NULL;
    bool overridden = false;
    int r = 0;

    for (size_t i = 0; i < 4; i++)
        if (rows[i] && value_is_set(rows[i], config) &&
            draft_origin(draft, rows[i], relay)->line == 0)
            overridden = true;
    for (size_t i = 0; r == 0 && i < 4; i++) {
        if (!rows[i] || !value_is_set(rows[i], config))
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

static int check_readers(Draft *draft, const Setting *setting, size_t relay, const struct stat *st,
    const char *path, const QueueOwner *queue, const char *advice)
{
    _cleanup_free_
    char *words = NULL;
    int r = privacy_check(st, path, queue, &words);

    return r > 0 ? draft_mistake_in(draft, setting, relay, "%s%s", words, advice) : r;
}

/* Where the secret stands in the configuration itself. */
static int check_inline(Draft *draft, const Setting *setting, size_t relay, const QueueOwner *queue,
    const char *file_setting)
{
    const Origin *origin = draft_origin(draft, setting, relay);
    char advice[128];

    if (!value_is_set(setting, draft->config->relays[relay]) || !origin->st)
        return 0;
    snprintf(advice, sizeof(advice), ", or rather keep it in a file of its own (%s)", file_setting);
    return check_readers(draft, setting, relay, origin->st, origin->file, queue, advice);
}

/* A file that cannot be looked at, or does not exist, is told elsewhere. */
static int check_named(Draft *draft, const Setting *setting, size_t relay, const QueueOwner *queue)
{
    const char *path = *field_of(draft, setting, relay);
    struct stat st;

    if (!path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    return check_readers(draft, setting, relay, &st, path, queue, "");
}

static int check_source(
    Draft *draft, size_t relay, const char *name, SecretSource *source, const QueueOwner *queue)
{
    const Setting *rows[4];
    int r;

    source->queue = *queue;
    find_sources(name, rows);
    r = keep_one_source(draft, relay, rows);
    if (r == 0 && rows[0])
        r = check_inline(draft, rows[0], relay, queue, rows[1]->name);
    return r ?: check_named(draft, rows[1], relay, queue);
}

/* A directory of keys is shut as a whole: which of its files are secrets, their names do not say.
 */
static int check_directory(
    Draft *draft, const Setting *setting, size_t relay, const QueueOwner *queue)
{
    const char *path = *field_of(draft, setting, relay);
    _cleanup_free_
    char *words = NULL;
    struct stat st;
    int r;

    if (path && text_equal_nocase(path, "store:machine"))
        path = SYSCONFDIR "/outbox/certificates";
    if (!path || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    r = privacy_check(&st, path, queue, &words);
    if (r <= 0)
        return r;
    return draft_mistake_in(draft, setting, relay,
        "others can look into the directory %s, in which are private keys; %s`chmod 700 %s`", path,
        st.st_uid == queue->user ? "run " : "make it the daemon's user's, and run ", path);
}

/* The private key of the client certificate, which may be in the same file. */
static int check_key(Draft *draft, size_t relay, const QueueOwner *queue)
{
    const RelayConfig *config = draft->config->relays[relay];
    const Setting *setting =
        setting_find(SECTION_RELAYS, config->tls_key ? "tls_key" : "tls_certificate");

    return check_named(draft, setting, relay, queue)
               ?: check_directory(draft, setting, relay, queue);
}

/* A token in the place of the identity. */
static int check_token(Draft *draft, size_t relay, const QueueOwner *queue)
{
    const Setting *setting = setting_find(SECTION_RELAYS, "authorization_identity");

    if (!relay_identity_is_token(draft->config->relays[relay]))
        return 0;
    if (draft_origin(draft, setting, relay)->line == 0 && !draft->is_program)
        return draft_mistake_in(draft, setting, relay,
            "without a password this is a token, and on the command line every user can read it; "
            "use "
            "password_file, password_command or password_credential");
    return check_inline(draft, setting, relay, queue, "password_file");
}

/* Further lines for the proxy may be a login, too. */
static int check_proxy_data(Draft *draft, size_t relay, const QueueOwner *queue)
{
    const Secret *data = draft->config->relays[relay]->proxy_data;

    if (!data || !proxy_data_logs_in(secret_text(data)))
        return 0;
    return check_inline(draft, setting_find(SECTION_RELAYS, "proxy_data"), relay, queue,
        "proxy_user and proxy_password_file");
}

/* The key of a gateway, which has no setting of its own. */
static int check_url(Draft *draft, size_t relay, const char *name, const QueueOwner *queue)
{
    const Setting *setting = setting_find(SECTION_RELAYS, name);
    const char *url = *field_of(draft, setting, relay);
    const Origin *origin = draft_origin(draft, setting, relay);
    UrlParameter found;

    if (!url || !url_next_secret(&url, &found))
        return 0;
    if (origin->line == 0 && !draft->is_program)
        return draft_mistake_in(draft, setting, relay,
            "there is a secret (%.*s) in the URL, and on the command line every user can read it; "
            "write it into the configuration file",
            (int)MIN(found.n_name, (size_t)40), found.name);
    return origin->st ? check_readers(draft, setting, relay, origin->st, origin->file, queue, "")
                      : 0;
}

int check_secrets(Draft *draft, size_t relay)
{
    RelayConfig *config = draft->config->relays[relay];
    QueueOwner queue = privacy_queue_owner(draft->config->spool.directory);

    return check_source(draft, relay, "password", &config->password, &queue)
               ?: check_source(draft, relay, "tls_key_password", &config->tls_key_password, &queue)
               ?: check_source(draft, relay, "proxy_password", &config->proxy_password, &queue)
               ?: check_proxy_data(draft, relay, &queue)
               ?: check_source(draft, relay, "oauth_client_secret", &config->oauth_client_secret, &queue)
               ?: check_source(draft, relay, "oauth_refresh_token", &config->oauth_refresh_token, &queue)
               ?: check_source(draft, relay, "oauth_token_key", &config->oauth_token_key, &queue)
               ?: check_named(
                      draft, setting_find(SECTION_RELAYS, "oauth_token_file"), relay, &queue)
               ?: check_token(draft, relay, &queue)
               ?: check_url(draft, relay, "oauth_token_url", &queue)
               ?: check_url(draft, relay, "oauth_device_url", &queue)
               ?: check_named(
                      draft, setting_find(SECTION_RELAYS, "kerberos_keytab"), relay, &queue)
               ?: check_key(draft, relay, &queue);
}

int check_database(Draft *draft)
{
    const Setting *setting = setting_find(SECTION_SPOOL, "database");
    const char *database = draft->config->spool.database;
    const Origin *origin = draft_origin(draft, setting, 0);
    QueueOwner queue = privacy_queue_owner(draft->config->spool.directory);

    if (!database)
        return 0;
#ifndef WITH_POSTGRESQL
    return draft_mistake_in(draft, setting, 0,
        "this outbox was built without PostgreSQL; leave the setting out, or build it with "
        "`./configure --with-postgresql`");
#endif
    if (!conninfo_has_secret(database))
        return 0;
    return origin->st ? check_readers(draft, setting, 0, origin->st, origin->file, &queue,
                            ", or rather keep the password in a file that passfile=FILE names")
                      : 0;
}

int check_directory_is_known(Draft *draft)
{
    const Config *config = draft->config;
    const Setting *directory = setting_find(SECTION_SPOOL, "directory");
    const Setting *setting =
        config->spool.database ? setting_find(SECTION_SPOOL, "database") : directory;
    const Origin *origin = draft_origin(draft, setting, 0);
    QueueOwner queue = privacy_queue_owner(config->spool.directory);

    if (!text_equal(config->path, SETTINGS_DEFAULT_PATH) || !origin->st ||
        (!config->spool.database && text_equal(config->spool.directory, directory->default_text)) ||
        privacy_is_readable_by_writers(origin->st, &queue))
        return 0;
    return draft_mistake_in(draft, setting, 0,
        "those who may queue there cannot read this file, and would queue into %s; keep the "
        "secrets "
        "in files of their own, such as password_file%s, and run `chmod a+r %s`",
        directory->default_text,
        config->spool.database ? ", and passfile=FILE of spool.database" : "", origin->file);
}
