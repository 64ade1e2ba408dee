/* The configuration that `outbox setup` writes: only what differs from the defaults, and what a
 * reader must know of it. Must never have a secret in it, nor a value that is read as more than
 * one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/hash.h"
#include "base/text.h"
#include "settings/load.h"
#include "tool/setup.h"

#define MARK "# outbox setup wrote this: "
#define MARK_DIGITS 16
#define SUBMISSION_PORT 587
#define MICROSOFT "https://login.microsoftonline.com/"

/* ---- whether somebody has edited it ---- */

/* Whoever edits a file on purpose to look as if he had not may have it written over. */
static uint64_t sum(const char *text, size_t n)
{
    static const HashKey key = {{0x6f7574626f78, 0x7365747570}};

    return hash_bytes(&key, text, n);
}

static int add_mark(Buffer *out, size_t start)
{
    return buffer_appendf(
        out, MARK "%016" PRIx64 "\n", sum(buffer_at(out, start), buffer_size(out) - start));
}

bool setup_text_is_own(const char *text, size_t n)
{
    size_t mark = strlen(MARK) + MARK_DIGITS + 1;
    char expected[sizeof(MARK) + MARK_DIGITS + 1];

    if (n < mark)
        return false;
    snprintf(expected, sizeof(expected), MARK "%016" PRIx64, sum(text, n - mark));
    return memcmp(text + n - mark, expected, mark - 1) == 0 && text[n - 1] == '\n';
}

/* ---- what stands in it ---- */

static int add_text(Buffer *out, int indent, const char *name, const char *value)
{
    int r = value ? buffer_appendf(out, "%*s%s = ", indent, "", name) : 0;

    if (r >= 0 && value)
        r = encode_setting(value, out);
    return r < 0 || !value ? r : buffer_append_string(out, ";\n");
}

static int add_oauth(const SetupAnswers *a, const SetupPlace *place, Buffer *out)
{
    const char *tenant = a->tenant
                             ?: text_equal(a->provider->name, "outlook") ? "consumers"
                                                                         : "organizations";
    char token[300], device[300];

    snprintf(token, sizeof(token), MICROSOFT "%.100s/oauth2/v2.0/token", tenant);
    snprintf(device, sizeof(device), MICROSOFT "%.100s/oauth2/v2.0/devicecode", tenant);
    return add_text(out, 4, "auth", "xoauth2") ?: add_text(out, 4, "oauth_token_url", token)
               ?: add_text(out, 4, "oauth_device_url", device)
               ?: add_text(out, 4, "oauth_client_id", a->client_id)
               ?: add_text(out, 4, "oauth_scope",
                      "https://outlook.office.com/SMTP.Send offline_access")
               ?: add_text(out, 4, "oauth_token_file", place->tokens);
}

static int add_login(
    const SetupAnswers *a, const SetupPlace *place, SetupSecret secret, Buffer *out)
{
    int r = add_text(out, 4, "user", a->user);

    if (r < 0 || !a->user || secret == SETUP_SECRET_UNNAMED)
        return r;
    if (a->provider && a->provider->login == SETUP_LOGIN_OAUTH)
        return add_oauth(a, place, out);
    if (!a->password)
        return 0;
    return place->credential ? add_text(out, 4, "password_credential", "password")
                             : add_text(out, 4, "password_file", place->secret);
}

static int add_relay(
    const SetupAnswers *a, const SetupPlace *place, SetupSecret secret, Buffer *out)
{
    const char *title = a->provider ? a->provider->title : NULL;

    return buffer_append_string(out, "relays = (\n  {\n")
               ?: (title ? buffer_appendf(out, "    # %s\n", title) : 0)
               ?: add_text(out, 4, "host", a->host)
               ?: buffer_appendf(out, "    port = %u;\n", a->port > 0 ? a->port : SUBMISSION_PORT)
               ?: add_text(out, 4, "tls", a->tls) ?: add_text(out, 4, "tls_ca_file", a->ca_file)
               ?: add_text(out, 4, "tls_accept_certificate", a->fingerprint)
               ?: add_login(a, place, secret, out) ?: buffer_append_string(out, "  }\n);\n");
}

static int add_from(const char *from, Buffer *out)
{
    _cleanup_free_
    char *rules = NULL;

    if (!from)
        return 0;
    if (asprintf(&rules, "*@*: %s", from) < 0) {
        rules = NULL;
        return -ENOMEM;
    }
    return buffer_append_string(
               out, "  # Every sender becomes this one, for the relay takes no other.\n")
               ?: add_text(out, 2, "rewrite_from", rules);
}

static int add_local(const SetupAnswers *a, Buffer *out)
{
    if (!a->root && !a->from)
        return 0;
    return buffer_append_string(out, "\nlocal = {\n")
               ?: (a->root ? buffer_append_string(
                                 out, "  # Who gets the mail of this machine's own programs.\n")
                           : 0)
               ?: add_text(out, 2, "root", a->root) ?: add_from(a->from, out)
               ?: buffer_append_string(out, "};\n");
}

static int add_spool(const SetupAnswers *a, Buffer *out)
{
    if (!a->directory)
        return 0;
    return buffer_append_string(out, "\nspool = {\n")
               ?: add_text(out, 2, "directory", a->directory)
               ?: buffer_append_string(out, "};\n");
}

int setup_text(
    const SetupAnswers *answers, const SetupPlace *place, SetupSecret secret, Buffer *out)
{
    size_t start = buffer_size(out);

    return buffer_append_string(out,
               "# Everything else is as it is by default: outbox.conf(5) has every setting, and\n"
               "# `outbox config` prints what holds. Edit it as you like: `outbox setup` then\n"
               "# asks before it writes over it.\n\n")
               ?: add_relay(answers, place, secret, out) ?: add_local(answers, out)
               ?: add_spool(answers, out) ?: buffer_append_string(out, "\n")
               ?: add_mark(out, start);
}

int setup_config(const SetupAnswers *answers, const SetupPlace *place, SetupSecret secret,
    Config **ret, Failure *f)
{
    _cleanup_buffer_ Buffer text = {0};
    int r = setup_text(answers, place, secret, &text);

    return r < 0 ? r
                 : config_load_text(
                       place->config, buffer_data(&text), buffer_size(&text), NULL, ret, f);
}
