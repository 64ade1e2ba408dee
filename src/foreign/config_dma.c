/* dma.conf, and auth.conf beside it: "user|host:password" (dma(8)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"
#include "foreign/translation.h"

typedef struct Dma {
    Translation t; /* first: lines are taken with it */
    char *host, *port, *auth_path, *certificate, *mailname, *masquerade, *fingerprint, *aliases;
    bool secure, starttls, opportunistic;
} Dma;

static int take_line(Translation *t, char *line, Failure *f)
{
    Dma *dma = (Dma *)t;
    const struct {
        const char *name;
        char **value;
    } values[] = {{"SMARTHOST", &dma->host}, {"PORT", &dma->port}, {"AUTHPATH", &dma->auth_path},
        {"CERTFILE", &dma->certificate}, {"MAILNAME", &dma->mailname},
        {"MASQUERADE", &dma->masquerade}, {"FINGERPRINT", &dma->fingerprint},
        {"ALIASES", &dma->aliases}};
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"SECURETRANSFER", &dma->secure}, {"SECURE", &dma->secure},
        {"STARTTLS", &dma->starttls}, {"OPPORTUNISTIC_TLS", &dma->opportunistic}};
    char *name, *value = strchr(line, '#');

    if (value)
        *value = '\0';
    value = line;
    name = strsep(&value, " \t");
    for (size_t i = 0; i < ELEMENTSOF(flags); i++)
        if (strcmp(name, flags[i].name) == 0) {
            *flags[i].flag = true;
            return 0;
        }
    for (size_t i = 0; value && i < ELEMENTSOF(values); i++)
        if (strcmp(name, values[i].name) == 0) {
            char *word = config_next_word(&value);

            free(*values[i].value);
            *values[i].value = word ? strdup(word) : NULL;
            return word && !*values[i].value ? failure_set_errno(f, -ENOMEM, "%s", t->source) : 0;
        }
    if (*name && strcmp(name, "SPOOLDIR") != 0 && strcmp(name, "NULLCLIENT") != 0)
        translation_note(t, "%s has no match here", name);
    return 0;
}

/* The one for the relay. */
static int take_login(Translation *t, char *line, _unused_ Failure *f)
{
    Dma *dma = (Dma *)t;
    char *password = line, *user = strsep(&password, "|"), *host = strsep(&password, ": \t");

    if (!host || !password || !dma->host || strcmp(host, dma->host) != 0)
        return 0;
    translation_relay_text(t, "user", user);
    translation_relay_secret(t, password);
    return 0;
}

/* "user@host", "host", or "user@": what stands for every sender. */
static void take_masquerade(Dma *dma)
{
    const char *value = dma->masquerade, *at = value ? strrchr(value, '@') : NULL;
    char rule[1200];

    if (!value || strlen(value) > 1000)
        return;
    if (!at)
        snprintf(rule, sizeof(rule), "*@*: *@%s", value);
    else if (at > value && at[1])
        snprintf(rule, sizeof(rule), "*@*: %s", value);
    else if (at == value && at[1])
        snprintf(rule, sizeof(rule), "*@*: *%s", value);
    else {
        translation_note(&dma->t,
            "MASQUERADE %s keeps the host, which no rule of "
            "local.rewrite_from can",
            value);
        return;
    }
    translation_local(&dma->t, "rewrite_from", rule);
}

static int take_mailname(Dma *dma, Failure *f)
{
    _cleanup_free_
    char *name = NULL;
    int r = 0;

    if (!dma->mailname)
        return 0;
    if (dma->mailname[0] == '/')
        r = translation_read_first(&dma->t, dma->mailname, &name, f);
    else
        name = strdup(dma->mailname);
    if (r < 0 || !name)
        return r;
    translation_relay_text(&dma->t, "hello", name);
    translation_local(&dma->t, "domain", name);
    return 0;
}

static void take_tls(Dma *dma)
{
    Translation *t = &dma->t;
    bool tls = dma->secure || dma->starttls || dma->opportunistic;

    translation_relay_text(t, "tls",
        dma->opportunistic ? "opportunistic"
        : dma->starttls    ? "starttls"
        : dma->secure      ? "implicit"
                           : "none");
    if (dma->fingerprint)
        translation_relay_text(t, "tls_accept_certificate", dma->fingerprint);
    else if (tls)
        translation_note(t, "dma accepted any certificate; here the relay's is verified");
    if (dma->certificate)
        translation_relay_text(t, "tls_certificate", dma->certificate);
}

static int make(Dma *dma, Failure *f)
{
    Translation *t = &dma->t;
    int r;

    if (!dma->host)
        return 0;
    r = translation_add_relay(t, dma->host, f);
    if (r < 0)
        return r;
    if (dma->port)
        translation_port(t, dma->port);
    take_tls(dma);
    r = dma->auth_path ? translation_read(t, dma->auth_path, take_login, f) : 0;
    if (r == -ENOENT) {
        translation_note(t, "AUTHPATH %s is not there", dma->auth_path);
        r = 0;
    }
    if (r >= 0)
        r = take_mailname(dma, f);
    take_masquerade(dma);
    if (dma->aliases)
        translation_aliases(t, dma->aliases);
    if (t->relays[0].secret && !dma->secure && !dma->starttls)
        translation_note(
            t, "the password could go in clear, which outbox does not do: set tls to \"starttls\"");
    return r;
}

int config_read_dma(Translation *t, const char *path, Failure *f)
{
    Dma dma = {.t = *t};
    int r = translation_read(&dma.t, path, take_line, f);

    if (r == -ENOENT)
        r = failure_set(f, r, ERROR_FILE, "%s is not there", path);
    if (r >= 0)
        r = make(&dma, f);
    free(dma.host);
    free(dma.port);
    free(dma.auth_path);
    free(dma.certificate);
    free(dma.mailname);
    free(dma.masquerade);
    free(dma.fingerprint);
    free(dma.aliases);
    *t = dma.t;
    return r;
}
