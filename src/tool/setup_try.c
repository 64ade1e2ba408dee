/* Trying what is going to be written, with the code of `outbox check`, and what else might work.
 * Must never send a password over a connection that is not as it was asked for, nor to another
 * host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "settings/load.h"
#include "tool/json.h"
#include "tool/setup.h"
#include "tool/terminal.h"

#define SUBMISSION 587
#define SUBMISSIONS 465

void setup_trial_done(SetupTrial *trial)
{
    finding_done(&trial->finding);
    (void)config_unref(trial->config);
    *trial = (SetupTrial){0};
}

/* A person waits for it: a server that says nothing has been tried long enough then. */
static int load(const SetupAnswers *answers, const SetupPlace *place, Config **ret, Failure *f)
{
    const char *overrides[] = {
        "timeout=20s", "connect_timeout=15s", "timeout_by_stage=false", NULL, NULL};
    _cleanup_buffer_ Buffer text = {0};
    char *password = NULL;
    int r = setup_text(answers, place, SETUP_SECRET_UNNAMED, &text);

    if (r >= 0 && answers->user && answers->password) {
        if (asprintf(&password, "password=%s", secret_text(answers->password)) < 0)
            return -ENOMEM;
        overrides[3] = password;
    }
    if (r >= 0)
        r = config_load_text(
            "what was answered", buffer_data(&text), buffer_size(&text), overrides, ret, f);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return r;
}

int setup_try(const SetupAnswers *answers, const SetupPlace *place, const CheckAs *as, bool login,
    SetupTrial *ret)
{
    bool tokens = answers->provider && answers->provider->login == SETUP_LOGIN_OAUTH;
    SetupAnswers tried = *answers;
    const CheckAsked asked = {.as = as};
    _cleanup_failure_ Failure f = {0};
    int r;

    *ret = (SetupTrial){0};
    if (!login || tokens) /* nobody has allowed them yet */
        tried.user = NULL;
    r = load(&tried, place, &ret->config, &f);
    if (r < 0)
        return r == -ENOMEM ? tool_fail_memory() : tool_fail(&f);
    return check_relay(ret->config, 0, &asked, &ret->finding);
}

/* ---- what else might work ---- */

typedef struct Other {
    unsigned port;
    const char *tls;
} Other;

static bool is_implicit(const RelayConfig *relay)
{
    return relay->tls == TLS_MODE_IMPLICIT;
}

/* The other way at the same port, and then those that submission has (RFC 8314, 3.3, and a port
 * that many relays have besides). */
static size_t list_others(const RelayConfig *relay, Other ret[static 5])
{
    const Other all[] = {
        {relay->port, is_implicit(relay) ? "starttls" : "implicit"},
        {SUBMISSION, "starttls"},
        {SUBMISSIONS, "implicit"},
        {2525, "starttls"},
    };
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(all); i++)
        if (all[i].port != relay->port || i == 0)
            ret[n++] = all[i];
    return n;
}

/* Where the port, or what is spoken there, may be the wrong one. */
static bool may_be_port(const Finding *failed)
{
    switch (failed->stage) {
    case STAGE_CONNECT:
    case STAGE_GREETING:
    case STAGE_EHLO:
    case STAGE_STARTTLS:
    case STAGE_TLS: return true;
    default: return false;
    }
}

bool setup_try_others(const SetupAnswers *answers, const SetupPlace *place, const CheckAs *as,
    const Finding *failed, unsigned *ret_port, const char **ret_tls)
{
    Other others[5];
    size_t n = may_be_port(failed) ? list_others(failed->relay, others) : 0;
    bool found = false;

    for (size_t i = 0; i < n && !found; i++) {
        SetupAnswers tried = *answers;
        SetupTrial trial;

        if (failed->stage == STAGE_CONNECT && others[i].port == failed->relay->port)
            continue;
        tried.port = others[i].port;
        tried.tls = (char *)(uintptr_t)others[i].tls;
        found = setup_try(&tried, place, as, false, &trial) == EX_OK && trial.finding.ok;
        setup_trial_done(&trial);
        *ret_port = others[i].port;
        *ret_tls = others[i].tls;
    }
    return found;
}

/* ---- words ---- */

static void say(json_t *array, const char *text)
{
    if (array)
        (void)json_array_append_new(array, json_text(text));
    else
        printf("  it may help: %s\n", text);
}

static void advise_login(const SetupAnswers *a, const Finding *failed, json_t *array)
{
    const char *at = strchr(failed->relay->user ?: "", '@');
    char text[600];

    if (a->provider && a->provider->password) {
        snprintf(text, sizeof(text), "the password there is %s", a->provider->password);
        say(array, text);
    }
    if (!at && failed->relay->user && !(a->provider && a->provider->user)) {
        snprintf(text, sizeof(text),
            "many relays want the whole address as the user, such as %.100s@example.com",
            failed->relay->user);
        say(array, text);
    } else if (at && !a->provider) {
        snprintf(text, sizeof(text), "some relays want the user without its domain: %.*s",
            (int)MIN(at - failed->relay->user, 100), failed->relay->user);
        say(array, text);
    }
}

void setup_print_advice(const SetupAnswers *answers, const Finding *failed, json_t *array)
{
    switch (failed->stage) {
    case STAGE_AUTH:
        if (failed->relay->user && failed->mechanism) /* else none was said */
            advise_login(answers, failed, array);
        return;
    case STAGE_CERTIFICATE:
        say(array, "--ca-file FILE names the authority that has signed it; --accept-certificate "
                   "SHA-256 takes this one certificate and no other, once you know by another way "
                   "that it is the relay's");
        return;
    default: return;
    }
}
