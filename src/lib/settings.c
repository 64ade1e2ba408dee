/* Settings by name. What was set is kept as text, in order, and becomes a configuration as a file's
 * settings do: one parser, one table. */
#include "config.h"

#include <errno.h>
#include <outbox/settings.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "lib/client.h"
#include "lib/message.h"
#include "settings/component.h"
#include "settings/load.h"
#include "settings/table.h"
#include "settings/target.h"
#include "settings/value.h"

#define KNOWN_TEXT_MAX 256 /* of what is known of a connection */

_Static_assert(KNOWN_TEXT_MAX >= ADDRESS_TEXT_MAX, "an address fits");
_Static_assert(KNOWN_TEXT_MAX >= SMTP_CAPABILITIES_TEXT_MAX, "all extensions fit");

static void free_text(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text)); /* it may be a secret */
    free(text);
}

void settings_done(OutboxClient *client)
{
    for (size_t i = 0; i < client->n_overrides; i++)
        free_text(client->overrides[i]);
    free(client->overrides);
    free(client->override_rows);
    client->overrides = NULL;
    client->override_rows = NULL;
    client->n_overrides = 0;
    free(client->path);
    client->path = NULL;
    client->values = config_unref(client->values);
    client->config = config_unref(client->config);
    client->way = NULL; /* it was of that */
    buffer_done(&client->answer);
}

/* ---- From text to a configuration ---- */

static int load(OutboxClient *client, ConfigCheck check, Config **ret)
{
    return config_load_program(
        client->path, (const char *const *)client->overrides, check, ret, &client->failure);
}

/* What came of the settings one by one. 0 or an error number with client->failure. */
static int look_at_values(OutboxClient *client)
{
    int r = client->values ? 0 : load(client, CONFIG_CHECK_VALUES, &client->values);

    return r < 0 ? client_fail_errno(client, r) : 0;
}

int settings_prepare(OutboxClient *client)
{
    int r = look_at_values(client);

    if (r != 0 || client->config)
        return r;
    if (client->values->n_relays == 0 || !client->values->relays[0]->host)
        return client_fail(client, ERROR_NO_MAIL_SERVER,
            "no relay is known: set MailServer to its name, or load a configuration file");
    r = load(client, CONFIG_CHECK_WHOLE, &client->config);
    return r < 0 ? client_fail_errno(client, r) : 0;
}

/* They have changed: the next connection is by new ones. */
static void forget(OutboxClient *client)
{
    client->values = config_unref(client->values);
    client->config = config_unref(client->config);
    client->way = NULL; /* it was of that */
}

int outbox_load(OutboxClient *client, const char *path)
{
    char *before;
    int r = client_check(client);

    if (r != 0)
        return r;
    before = client->path;
    client->path = strdup(path ?: SETTINGS_DEFAULT_PATH);
    if (!client->path) {
        client->path = before;
        return client_fail(client, ERROR_MEMORY, "no memory is left");
    }
    forget(client);
    r = look_at_values(client);
    if (r == 0)
        r = message_take_style(client->message, &client->values->message);
    if (r == 0) {
        free(before);
        return client_succeed(client);
    }
    free(client->path);
    client->path = before;
    forget(client);
    return r;
}

/* ---- Setting one ---- */

/* Whether it is settled for as long as a connection stands. 0, or the error number that says so. */
static int find_conflict(const OutboxClient *client, const Setting *setting)
{
    static const struct {
        const char *name;
        int number;
    } fixed[] = {
        {"port", ERROR_PORT_WHILE_CONNECTED},
        {"host", ERROR_HOST_WHILE_CONNECTED},
        {"local_port", ERROR_LOCAL_PORT_WHILE_CONNECTED},
        {"local_host", ERROR_LOCAL_HOST_WHILE_CONNECTED},
        {"max_line_length", ERROR_MAX_LINE_WHILE_CONNECTED},
        {"tls", ERROR_CHANGE_WHILE_ACTIVE},
    };

    if (client->contact == CONTACT_NONE || setting->section != SECTION_RELAYS)
        return 0;
    for (size_t i = 0; i < ELEMENTSOF(fixed); i++)
        if (strcmp(setting->name, fixed[i].name) == 0)
            return fixed[i].number;
    return strncmp(setting->name, "proxy_", 6) == 0 ? ERROR_CHANGE_WHILE_ACTIVE : 0;
}

/* The row that a name stands for; NULL: none. */
static const Setting *find(const char *name)
{
    _cleanup_(target_done) Target target = {0};
    const Setting *setting = NULL;

    if (target_parse(name, &target) == 0)
        setting = setting_find(target.section, target.setting);
    return setting;
}

/* The row of a name that says no section: of such a one two names may be the same. */
static const Setting *row_of(const Setting *setting, const char *name)
{
    return strchr(name, '.') ? NULL : setting;
}

static bool names_the_same(
    const char *override, const Setting *row, const Setting *setting, const char *name)
{
    char *other = strndup(override, strcspn(override, "="));
    bool same =
        other &&
        (setting_name_equal(other, name) ||
            (row && row == row_of(setting, name) &&
                !component_adds_up(component_alias(row, other), component_alias(row, name))));

    free(other);
    return same;
}

/* The place in the list where it was set before, or the end. */
static size_t place_of(const OutboxClient *client, const Setting *setting, const char *name)
{
    size_t i = 0;

    while (i < client->n_overrides &&
           !names_the_same(client->overrides[i], client->override_rows[i], setting, name))
        i++;
    return i;
}

/* Puts the text there; what was there is in *ret_before, NULL: nothing. 0 or -ENOMEM. */
static int put(
    OutboxClient *client, size_t place, const Setting *row, char *text, char **ret_before)
{
    char **list = reallocarray(client->overrides, client->n_overrides + 2, sizeof(char *));
    const Setting **rows;

    if (!list)
        return -ENOMEM;
    client->overrides = list;
    list[client->n_overrides] = NULL;
    rows = reallocarray(client->override_rows, client->n_overrides + 1, sizeof(Setting *));
    if (!rows)
        return -ENOMEM;
    client->override_rows = rows;
    rows[place] = row;
    *ret_before = NULL;
    if (place < client->n_overrides)
        *ret_before = list[place];
    else
        list[++client->n_overrides] = NULL;
    list[place] = text;
    return 0;
}

static void take_back(OutboxClient *client, size_t place, char *before)
{
    free_text(client->overrides[place]);
    client->overrides[place] = before;
    if (!before)
        client->n_overrides--;
}

/* It has its default again, or what the file says. */
static int unset(OutboxClient *client, size_t place)
{
    if (place == client->n_overrides)
        return client_succeed(client);
    free_text(client->overrides[place]);
    memmove(&client->overrides[place], &client->overrides[place + 1],
        (client->n_overrides - place) * sizeof(char *));
    memmove(&client->override_rows[place], &client->override_rows[place + 1],
        (client->n_overrides - place - 1) * sizeof(Setting *));
    client->n_overrides--;
    forget(client);
    return client_succeed(client);
}

/* Whether something that is set says for which relay: what else is set decides which that is. */
static bool names_a_relay(const OutboxClient *client)
{
    for (size_t i = 0; i < client->n_overrides; i++) {
        const char *name = client->overrides[i], *end = name + strcspn(name, "=");
        const char *dot = memchr(name, '.', (size_t)(end - name));

        if (dot && memchr(dot + 1, '.', (size_t)(end - dot - 1)))
            return true;
    }
    return false;
}

/* Whether a setting can have its value, whatever else is set: then the configuration need not be
 * made before it is needed. In other cases all of it is looked at, which also finds the words for
 * what is wrong. */
static bool is_right_alone(const OutboxClient *client, const Setting *row, const char *text)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_config_ Config *config = NULL;

    return row && !names_a_relay(client) &&
           config_load_program(
               NULL, (const char *[]){text, NULL}, CONFIG_CHECK_VALUES, &config, &f) == 0;
}

static int set(OutboxClient *client, const Setting *setting, const char *name, const char *value)
{
    size_t place = place_of(client, setting, name);
    const Setting *row = row_of(setting, name);
    char *text, *before;
    const char *wrong;
    int r;

    if (!*value && setting)
        return unset(client, place);

    if (asprintf(&text, "%s=%s", name, value) < 0)
        return client_fail(client, ERROR_MEMORY, "no memory is left");
    if (put(client, place, row, text, &before) < 0) {
        free_text(text);
        return client_fail(client, ERROR_MEMORY, "no memory is left");
    }
    forget(client);
    r = is_right_alone(client, row, text) ? 0 : look_at_values(client);
    if (r == ERROR_CONFIGURATION && !setting && !component_notice(name, value, &wrong))
        r = client->error = ERROR_USAGE; /* in the words that tell which was meant */
    if (r != 0) {
        take_back(client, place, before);
        return r;
    }
    free_text(before);
    return client_succeed(client);
}

/* A program that says how long it waits means that: not the minutes that RFC 5321 grants a server,
 * unless it asks for them as well. */
static void keep_to_timeout(OutboxClient *client)
{
    static const char name[] = "timeout_by_stage";
    const Setting *setting = find(name);
    size_t place = place_of(client, setting, name);
    char *text = place == client->n_overrides ? strdup("timeout_by_stage=false") : NULL, *before;

    if (text && put(client, place, setting, text, &before) < 0)
        free(text);
}

int outbox_set(OutboxClient *client, const char *name, const char *value)
{
    const Setting *setting;
    int r = client_check(client);

    if (r != 0)
        return r;
    if (!name || !*name || strchr(name, '='))
        return client_fail(client, ERROR_USAGE, "'%s' is no name of a setting", name ?: "");
    if (message_has(name)) {
        r = outbox_message_set(client->message, name, value);
        return r == 0 ? client_succeed(client)
                      : client_fail(client, r, "%s", outbox_message_error_text(client->message));
    }
    setting = find(name);
    if (setting && strcmp(setting->name, "timeout") == 0 && value && *value)
        keep_to_timeout(client);
    r = setting ? find_conflict(client, setting) : 0;
    if (r != 0)
        return client_fail(
            client, r, "%s cannot be changed while there is a connection: disconnect first", name);
    if (setting && strcmp(setting->name, "port") == 0 && value && strcmp(value, "0") == 0)
        return client_fail(client, ERROR_PORT_ZERO, "a port is from 1 to 65535, not 0");
    return set(client, setting, name, value ?: "");
}

/* ---- Reading one ---- */

static const char *answer(OutboxClient *client, const char *text)
{
    Buffer *out = &client->answer;

    buffer_clear(out);
    if (buffer_append_string(out, text ?: "") < 0 || buffer_append(out, "", 1) < 0)
        return NULL;
    return buffer_data(out);
}

/* What TLS came to. `t` NULL: there is none. */
static const char *ask_tls(
    const TlsNegotiated *t, const char *name, char ret_number[static 16], bool *ret_found)
{
    unsigned bits = 0;

    *ret_found = true;
    if (setting_name_equal(name, "SSLNegotiatedVersion"))
        return t ? t->version : "";
    if (setting_name_equal(name, "SSLNegotiatedCipher"))
        return t ? t->cipher : "";
    if (setting_name_equal(name, "SSLNegotiatedCipherSuite"))
        return t ? t->suite : "";
    if (setting_name_equal(name, "SSLNegotiatedKeyExchange"))
        return t ? t->key_exchange : "";
    if (setting_name_equal(name, "SSLNegotiatedCipherStrength"))
        bits = t ? t->cipher_bits : 0;
    else if (setting_name_equal(name, "SSLNegotiatedKeyExchangeStrength"))
        bits = t ? t->key_exchange_bits : 0;
    else
        *ret_found = false;
    snprintf(ret_number, 16, "%u", bits);
    return bits > 0 ? ret_number : "";
}

/* The address that a connection comes from, or its port: those that are set until it has got one.
 */
static const char *ask_local(
    const Connection *c, const char *name, char ret[static ADDRESS_TEXT_MAX], bool *ret_found)
{
    bool wants_port = setting_name_equal(name, "LocalPort");
    char *colon;

    *ret_found = c && (wants_port || setting_name_equal(name, "LocalHost")) &&
                 *connection_local_address(c, ret) != '\0';
    if (!*ret_found)
        return NULL;
    colon = strrchr(ret, ':');
    if (!colon || wants_port)
        return colon ? colon + 1 : "";
    *colon = '\0';
    if (ret[0] != '[')
        return ret;
    colon[-1] = '\0'; /* the bracket behind an IPv6 address */
    return ret + 1;
}

/* What the server says of itself, and what came of it. `session` NULL: it has said nothing yet. */
static const char *ask_session(
    const SmtpSession *session, const char *name, char ret[static KNOWN_TEXT_MAX], bool *ret_found)
{
    const SmtpCapabilities *c = session ? smtp_session_capabilities(session) : NULL;

    *ret_found = true;
    if (setting_name_equal(name, "AuthMechanismUsed"))
        return session ? smtp_session_mechanism(session) : "";
    if (setting_name_equal(name, "ServerName"))
        return c ? c->domain : "";
    if (setting_name_equal(name, "ServerMechanisms"))
        return c ? c->mechanisms : "";
    if (setting_name_equal(name, "ServerExtensions"))
        return c ? smtp_capabilities_format(c->flags, ret) : "";
    *ret_found = setting_name_equal(name, "ServerSizeLimit");
    snprintf(ret, KNOWN_TEXT_MAX, "%llu", c ? (unsigned long long)c->size_max : 0);
    return c && c->size_max > 0 ? ret : "";
}

/* What is only known of a connection, however far it has come, or of the library. */
static const char *ask_connection(
    OutboxClient *client, const char *name, char ret_text[static KNOWN_TEXT_MAX], bool *ret_found)
{
    Connection *c = client->connection;
    const char *text = ask_tls(c ? connection_negotiated(c) : NULL, name, ret_text, ret_found);

    if (!*ret_found)
        text = ask_local(c, name, ret_text, ret_found);
    if (!*ret_found)
        text = ask_session(c ? connection_session(c) : NULL, name, ret_text, ret_found);
    if (*ret_found)
        return text;
    *ret_found = true;
    if (setting_name_equal(name, "RemoteAddress"))
        return c ? connection_address(c) : "";
    if (setting_name_equal(name, "BuildInfo"))
        return "outbox " PACKAGE_VERSION;
    if (setting_name_equal(name, "LicenseInfo"))
        return "ISC";
    *ret_found = false;
    return NULL;
}

static const char *format_of(
    OutboxClient *client, const Setting *setting, const char *name, Config *config, size_t relay)
{
    buffer_clear(&client->answer);
    if (component_format(
            setting, name, value_group(config, setting->section, relay), &client->answer) < 0 ||
        buffer_append(&client->answer, "", 1) < 0)
        return NULL;
    return buffer_data(&client->answer);
}

/* Of a relay, where none is known. */
static const char *format_default(OutboxClient *client, const Setting *setting, const char *name)
{
    _cleanup_config_ Config *config = NULL;

    if (strcmp(setting->name, "host") == 0)
        return answer(client, "");
    if (config_load_program(NULL, (const char *[]){"host=localhost", NULL}, CONFIG_CHECK_VALUES,
            &config, &client->failure) < 0)
        return NULL;
    return format_of(client, setting, name, config, 0);
}

static const char *format(OutboxClient *client, const Setting *setting, const char *name)
{
    size_t relay = client->contact == CONTACT_NONE ? 0 : client->relay;

    if (section_needs_place(setting->section))
        return answer(client, "");
    if (setting->section == SECTION_RELAYS && relay >= client->values->n_relays)
        return format_default(client, setting, name);
    return format_of(client, setting, name, client->values, relay);
}

/* A name of the component that is no setting here. */
static const char *answer_other(OutboxClient *client, const char *name)
{
    const char *text = component_answer(name), *reason = setting_unavailable(name);

    if (text)
        return answer(client, text);
    if (reason)
        (void)client_fail(client, ERROR_USAGE, "%s: %s", name, reason);
    else
        (void)client_fail(client, ERROR_USAGE, "there is no setting '%s'", name);
    return NULL;
}

const char *outbox_get(OutboxClient *client, const char *name)
{
    const Setting *setting;
    char known[KNOWN_TEXT_MAX];
    const char *text;
    bool found;

    if (!client_is_here(client) || !name)
        return NULL;
    text = ask_connection(client, name, known, &found);
    if (found)
        return answer(client, text);
    if (message_has(name))
        return outbox_message_get(client->message, name);
    setting = find(name);
    if (!setting)
        return answer_other(client, name);
    return look_at_values(client) == 0 ? format(client, setting, name) : NULL;
}
