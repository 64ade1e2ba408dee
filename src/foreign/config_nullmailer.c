/* nullmailer's control files (nullmailer-send(8), nullmailer-inject(1)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/macros.h"
#include "foreign/translation.h"

typedef struct Nullmailer {
    Translation t; /* first: lines are taken with it */
    char *hello;
} Nullmailer;

typedef struct Remote {
    bool tls, starttls, insecure;
} Remote;

/* Options that are a setting here, with the value that they have. */
static const struct {
    const char *name, *setting;
} options[] = {
    {"port", "port"},
    {"user", "user"},
    {"source", "local_host"},
    {"x509cafile", "tls_ca_file"},
    {"x509crlfile", "tls_crl_file"},
    {"x509certfile", "tls_certificate"},
    {"x509keyfile", "tls_key"},
};

/* What is not known may be a password, or a part of one. */
static void note_option(Translation *t, const char *name)
{
    if (strcmp(name, "tls-anon-auth") == 0)
        translation_note(t, "the option \"%s\" has no match here", name);
    else if (strcmp(name, "x509fmtder") != 0) /* both formats are read here */
        translation_note(t, "a word of this line is no option that has a match here");
}

static void take_value(Translation *t, const char *name, const char *value)
{
    for (size_t i = 0; i < ELEMENTSOF(options); i++) {
        if (strcmp(name, options[i].name) != 0)
            continue;
        if (strcmp(name, "port") == 0)
            translation_port(t, value);
        else if (strcmp(name, "x509crlfile") == 0)
            translation_relay_crl(t, value);
        else
            translation_relay_text(t, options[i].setting, value);
        return;
    }
    note_option(t, name);
}

static void take_option(Translation *t, char *option, Remote *remote)
{
    char *value;

    option += strncmp(option, "--", 2) == 0 ? 2 : 0;
    value = strchr(option, '=');
    if (value)
        *value++ = '\0';
    if (value && strcmp(option, "pass") == 0)
        translation_relay_secret(t, value);
    else if (value)
        take_value(t, option, value);
    else if (strcmp(option, "tls") == 0 || strcmp(option, "ssl") == 0)
        remote->tls = true;
    else if (strcmp(option, "starttls") == 0)
        remote->starttls = true;
    else if (strcmp(option, "insecure") == 0)
        remote->insecure = true;
    else if (strcmp(option, "auth-login") == 0)
        translation_relay_text(t, "auth", "login");
    else
        note_option(t, option);
}

static int take_remote(Translation *t, char *line, Failure *f)
{
    char *host = config_next_word(&line), *protocol = config_next_word(&line), *option;
    Remote remote = {0};
    int r;

    if (!host)
        return 0;
    if (protocol && strcmp(protocol, "smtp") != 0) {
        translation_note(t, "%s is not taken: the protocol %s is not spoken here", host, protocol);
        return 0;
    }
    r = translation_add_relay(t, host, f);
    if (r < 0)
        return r;
    if (((Nullmailer *)t)->hello)
        translation_relay_text(t, "hello", ((Nullmailer *)t)->hello);
    while ((option = config_next_word(&line)))
        take_option(t, option, &remote);
    translation_relay_text(t, "tls",
        remote.starttls ? "starttls"
        : remote.tls    ? "implicit"
                        : "none");
    if (remote.insecure) {
        translation_relay_unverified(t);
        translation_note(t,
            "\"insecure\" accepts any certificate, also that of who has come between; better name "
            "the relay's own with tls_accept_certificate, or its authority with tls_ca_file");
    }
    if (!remote.starttls && !remote.tls && t->relays[t->n_relays - 1].secret)
        translation_note(t,
            "the password went in clear, which outbox does not do: set tls to \"starttls\" or "
            "\"implicit\"");
    return 0;
}

/* ---- files of one line ---- */

#define LINE_MAX_BYTES 1000

typedef struct ControlFile ControlFile;

struct ControlFile {
    const char *name, *setting; /* the one that it is, or is something like */
    void (*take)(Translation *t, const ControlFile *file, const char *text);
    TranslatedTime time;
};

static void take_text(Translation *t, const ControlFile *file, const char *text)
{
    translation_local(t, file->setting, text);
}

static void take_administrator(Translation *t, const ControlFile *file, const char *text)
{
    take_text(t, file, text);
    translation_note(t,
        "nullmailer sent the mail for every user of this machine to adminaddr; here a line "
        "\"*: root\" in /etc/aliases does so for all without a line of their own");
}

static void take_every_sender(Translation *t, const ControlFile *file, const char *text)
{
    char rule[LINE_MAX_BYTES + 16];

    snprintf(rule, sizeof(rule), "*@*: %s", text);
    translation_local(t, file->setting, rule);
}

static void take_seconds(Translation *t, const ControlFile *file, const char *text)
{
    bool is_number = translation_is_number(text, 1000000000);

    translation_time(t, file->time, is_number ? strtoul(text, NULL, 10) : 0, file->name, text);
}

static void note_text(Translation *t, const ControlFile *file, const char *text)
{
    translation_note(t, "%s = %.40s has no match here; see %s", file->name, text, file->setting);
}

static const ControlFile files[] = {
    {"adminaddr", "root", take_administrator, 0},
    {"defaultdomain", "domain", take_text, 0},
    {"allmailfrom", "rewrite_from", take_every_sender, 0},
    {"pausetime", NULL, take_seconds, TRANSLATED_FIRST},
    {"maxpause", NULL, take_seconds, TRANSLATED_MAX},
    {"queuelifetime", NULL, take_seconds, TRANSLATED_GIVE_UP_AFTER},
    {"sendtimeout", "timeout", note_text, 0},
    {"idhost", "local.domain", note_text, 0},
};

/* The caller frees *ret; NULL: there is none, or nothing in it. */
static int read_file(
    Translation *t, const char *directory, const char *name, char **ret, Failure *f)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return translation_read_first(t, path, ret, f);
}

static int take_files(Translation *t, const char *directory, Failure *f)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTSOF(files); i++) {
        _cleanup_free_
        char *text = NULL;

        r = read_file(t, directory, files[i].name, &text, f);
        if (text && strlen(text) > LINE_MAX_BYTES)
            translation_note(t, "%s/%s is too long, and not taken", directory, files[i].name);
        else if (text)
            files[i].take(t, &files[i], text);
    }
    return r;
}

static int find_hello(Nullmailer *n, const char *directory, Failure *f)
{
    int r = read_file(&n->t, directory, "helohost", &n->hello, f);

    return r < 0 || n->hello ? r : read_file(&n->t, directory, "me", &n->hello, f);
}

/* ---- all of it ---- */

static int take_all(Nullmailer *n, const char *path, Failure *f)
{
    char remotes[4096];
    struct stat st;
    int r;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return failure_set(f, -ENOTDIR, ERROR_FILE,
            "%s is no directory: that of nullmailer's configuration is wanted", path);
    r = find_hello(n, path, f);
    snprintf(remotes, sizeof(remotes), "%s/remotes", path);
    if (r >= 0)
        r = translation_read(&n->t, remotes, take_remote, f);
    if (r == -ENOENT)
        return failure_set(f, r, ERROR_FILE,
            "%s is not there: the directory of nullmailer's configuration is wanted", remotes);
    return r < 0 ? r : take_files(&n->t, path, f);
}

int config_read_nullmailer(Translation *t, const char *path, Failure *f)
{
    Nullmailer n = {.t = *t};
    int r = take_all(&n, path, f);

    free(n.hello);
    *t = n.t;
    return r;
}
