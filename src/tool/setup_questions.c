/* The questions of `outbox setup`. Must never ask for what is known, nor take an answer that
 * cannot be right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "settings/host.h"
#include "tool/setup.h"
#include "tool/terminal.h"

#define SHOWN_MAX 500

static int say_wrong(const Failure *f)
{
    (void)tool_fail(f);
    return 1;
}

static bool has_answer(const char *text)
{
    return text && *text;
}

/* ---- the relay ---- */

static void list_providers(void)
{
    const SetupProvider *one;

    puts("Known by name are");
    for (unsigned i = 0; (one = setup_provider_at(i)); i++)
        printf("  %-14s%s\n", one->name, one->title);
}

static int ask_region(SetupAnswers *a)
{
    for (;;) {
        _cleanup_free_
        char *region = NULL, *host = NULL;
        int r = setup_ask("Its region", a->provider->region, &region);

        if (r < 0)
            return r;
        if (!setup_region_is_good(region)) {
            puts("A region has letters, digits and hyphens alone.");
            continue;
        }
        host = setup_provider_host(a->provider, region);
        return host ? setup_set(&a->host, host) : -ENOMEM;
    }
}

static int take_provider(SetupAnswers *a, const SetupProvider *provider)
{
    a->provider = provider;
    a->port = provider->port;
    printf("%s.", provider->title);
    if (provider->note)
        printf(" %s", provider->note);
    putchar('\n');
    return setup_set(&a->tls, provider->tls) ?: setup_set(&a->user, provider->user)
               ?: (provider->region ? ask_region(a) : setup_set(&a->host, provider->host));
}

/* What nobody has signed may come from anybody: it counts only once it was agreed to. */
static int confirm_found(SetupAnswers *a, bool *ret)
{
    char question[400];
    const char *domain = address_domain(a->address);
    size_t n = strlen(a->host), d = domain ? strlen(domain) : 0;
    bool own = d > 0 && n > d && a->host[n - d - 1] == '.' && text_ends_nocase(a->host, domain);

    fputs("The name servers say that mail of ", stdout);
    (void)terminal_print(stdout, domain ?: "", SHOWN_MAX);
    printf(" is submitted at %s, port %u. Nobody has signed that: go on only if it is the relay of "
           "whoever runs that domain's mail.\n",
        a->host, a->port);
    snprintf(question, sizeof(question), "Is %.253s the relay?", a->host);
    return setup_ask_yes(question, own, ret);
}

static int forget_relay(SetupAnswers *a)
{
    a->provider = NULL;
    a->port = 0;
    return setup_set(&a->host, "") ?: setup_set(&a->tls, "");
}

/* 0 when there is a relay then, 1 to ask again. */
static int take_address(SetupAnswers *a, const char *address)
{
    _cleanup_failure_ Failure f = {0};
    bool agreed = true;
    int r;

    if (address_check(address, strlen(address), false, &f) < 0)
        return say_wrong(&f);
    r = setup_find(a, address, &f);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        printf("%s\n", failure_text(&f));
        return 1;
    }
    if (r == 0)
        return take_provider(a, a->provider);
    r = confirm_found(a, &agreed);
    return r < 0 ? r : agreed ? 0 : forget_relay(a) ?: 1;
}

static int ask_port(SetupAnswers *a)
{
    for (;;) {
        _cleanup_free_
        char *text = NULL;
        char suggested[16];
        unsigned long port;
        char *end;
        int r;

        snprintf(suggested, sizeof(suggested), "%u", a->port > 0 ? a->port : 587);
        r = setup_ask("Its port (587, or 465 for TLS from the start)", suggested, &text);
        if (r < 0)
            return r;
        port = strtoul(text, &end, 10);
        if (*end == '\0' && port > 0 && port < 65536) {
            a->port = (unsigned)port;
            return 0;
        }
        puts("A port is a number from 1 to 65535.");
    }
}

int setup_take_relay(SetupAnswers *a, const char *text)
{
    const SetupProvider *provider = setup_provider_find(text);
    const char *wrong;

    if (!*text || strcmp(text, "?") == 0) {
        list_providers();
        return 1;
    }
    if (strchr(text, '@'))
        return take_address(a, text);
    if (provider)
        return take_provider(a, provider);
    if (!strchr(text, '.') && strcmp(text, "localhost") != 0) {
        printf("That is no provider that is known here, no address and no host's name.\n");
        return 1;
    }
    wrong = host_check(text);
    if (wrong) {
        fputs("\"", stdout);
        (void)terminal_print(stdout, text, SHOWN_MAX);
        printf("\" %s.\n", wrong);
        return 1;
    }
    return setup_set(&a->host, text) ?: ask_port(a);
}

int setup_ask_relay(SetupAnswers *a)
{
    int r;

    if (a->host)
        return 0;
    do {
        _cleanup_free_
        char *text = NULL;

        r = setup_ask(
            "Your mail address, the relay's name, or a provider (\"?\" lists them)", NULL, &text);
        if (r >= 0)
            r = setup_take_relay(a, text);
    } while (r > 0);
    return r;
}

/* ---- logging in ---- */

static int ask_oauth(SetupAnswers *a)
{
    _cleanup_free_
    char *id = NULL, *tenant = NULL;
    int r = 0;

    while (r >= 0 && !a->client_id) {
        free(id);
        id = NULL;
        r = setup_ask("The application's client ID", NULL, &id);
        if (r >= 0)
            r = setup_set(&a->client_id, id);
    }
    if (r < 0 || a->tenant || !text_equal(a->provider->name, "microsoft365"))
        return r;
    r = setup_ask("The directory's tenant ID", "organizations", &tenant);
    return r < 0 ? r : setup_set(&a->tenant, tenant);
}

static int ask_password(SetupAnswers *a, bool again)
{
    int r;

    if (a->password && !again)
        return 0;
    if (a->provider && a->provider->password)
        printf("What is asked for is %s.\n", a->provider->password);
    (void)secret_unref(TAKE_PTR(a->password));
    do {
        (void)secret_unref(TAKE_PTR(a->password));
        r = setup_ask_secret("Password (it is not shown)", &a->password);
    } while (r >= 0 && secret_size(a->password) == 0);
    return r;
}

int setup_ask_login(SetupAnswers *a, bool again)
{
    bool fixed = a->provider && a->provider->user,
         oauth = a->provider && a->provider->login == SETUP_LOGIN_OAUTH;
    _cleanup_free_
    char *user = NULL;
    int r = 0;

    if (a->provider && a->provider->login == SETUP_LOGIN_NONE)
        return 0;
    if (!fixed && (!a->user || again)) {
        r = setup_ask(
            oauth ? "The mailbox's address" : "User, as the relay knows it (\"-\": no login)",
            a->user ?: a->address, &user);
        if (r >= 0)
            r = setup_set(&a->user, strcmp(user, "-") == 0 ? "" : user);
    }
    if (r < 0 || !a->user)
        return r;
    return oauth ? ask_oauth(a) : ask_password(a, again);
}

/* ---- this machine's own mail ---- */

static int ask_address(const char *question, const char *suggested, char **field)
{
    for (;;) {
        _cleanup_failure_ Failure f = {0};
        _cleanup_free_
        char *text = NULL;
        int r = setup_ask(question, suggested, &text);

        if (r < 0)
            return r;
        if (strcmp(text, "-") == 0 || !*text)
            return setup_set(field, "");
        if (address_check(text, strlen(text), false, &f) == 0)
            return setup_set(field, text);
        (void)say_wrong(&f);
    }
}

static const char *likely_address(const SetupAnswers *a)
{
    return a->address ?: a->user && strchr(a->user, '@') ? a->user : NULL;
}

int setup_ask_local(SetupAnswers *a)
{
    const char *likely = likely_address(a);
    int r = 0;

    if (!a->root)
        r = ask_address(
            "Who gets the mail to root (cron's, for one; \"-\": nobody)", likely, &a->root);
    if (r < 0 || a->from || !a->user)
        return r;
    return ask_address("What all mail is sent as, where the relay takes but one sender (\"-\": as "
                       "it is)",
        has_answer(likely) ? likely : "-", &a->from);
}

/* ---- after a failure ---- */

static int offer_other(SetupAnswers *a, const SetupPlace *place, const CheckAs *as,
    const Finding *failed, bool *ret_taken)
{
    const char *tls;
    unsigned port;
    char question[200];
    int r;

    *ret_taken = false;
    if (!failed || !setup_try_others(a, place, as, failed, &port, &tls))
        return 0;
    snprintf(
        question, sizeof(question), "Port %u with tls = \"%s\" works there. Take it?", port, tls);
    r = setup_ask_yes(question, true, ret_taken);
    if (r < 0 || !*ret_taken)
        return r;
    a->port = port;
    return setup_set(&a->tls, tls);
}

static char suggest_change(const Finding *failed)
{
    switch (failed ? failed->stage : STAGE_LOOKUP) {
    case STAGE_AUTH: return 'u';
    case STAGE_LOOKUP: return 'r';
    case STAGE_CERTIFICATE: return 'q';
    default: return 'p';
    }
}

static int ask_tls(SetupAnswers *a)
{
    int r = ask_port(a);

    while (r >= 0) {
        _cleanup_free_
        char *tls = NULL;

        r = setup_ask("Its TLS (starttls, implicit, none; automatic: as the port has it)",
            has_answer(a->tls) ? a->tls : "automatic", &tls);
        if (r >= 0)
            r = setup_take_tls(a, tls);
        if (r <= 0)
            return r;
        puts("It is one of automatic, starttls, implicit, opportunistic and none.");
    }
    return r;
}

/* All that hangs on it is asked anew. */
static int ask_another_relay(SetupAnswers *a)
{
    return forget_relay(a) ?: setup_set(&a->fingerprint, "") ?: setup_ask_relay(a) ?: setup_ask_login(a, true);
}

static int ask_certificate(SetupAnswers *a)
{
    _cleanup_free_
    char *text = NULL;
    int r = setup_ask("A file with the authority that has signed it, or the SHA-256 of the one "
                      "certificate to take",
        NULL, &text);

    if (r < 0)
        return r;
    return strchr(text, '/') || access(text, F_OK) == 0 ? setup_set_path(&a->ca_file, text)
                                                        : setup_set(&a->fingerprint, text);
}

static int make_move(SetupAnswers *a, char move, SetupMove *ret)
{
    *ret = SETUP_TRY_AGAIN;
    switch (move) {
    case 't': return 0;
    case 'u': return setup_ask_login(a, true);
    case 'p': return ask_tls(a);
    case 'r': return ask_another_relay(a);
    case 'c': return ask_certificate(a);
    case 'w': *ret = SETUP_WRITE_UNTESTED; return 0;
    case 'q': *ret = SETUP_GIVE_UP; return 0;
    default: return 1;
    }
}

int setup_ask_after_failure(SetupAnswers *a, const SetupPlace *place, const CheckAs *as,
    const Finding *failed, SetupMove *ret)
{
    char suggested[2] = {suggest_change(failed), '\0'};
    bool taken;
    int r = offer_other(a, place, as, failed, &taken);

    *ret = SETUP_TRY_AGAIN;
    if (r < 0 || taken)
        return r;
    do {
        _cleanup_free_
        char *answer = NULL;

        r = setup_ask("Change the [r]elay, [p]ort and TLS, [u]ser and password, [c]ertificate; "
                      "[t]ry again, [w]rite it untested, [q]uit",
            suggested, &answer);
        if (r >= 0)
            r = make_move(a, text_fold(*answer), ret);
    } while (r > 0);
    return r;
}
