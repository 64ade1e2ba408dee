/* smtp/auth: our SCRAM logs in to libgsasl's server with the same password, whatever user, password
 * and salt are, and with no other. The input is a line each of mechanism, user, password and
 * authorization identity; the rest is the salt. */
#include <gsasl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/auth.h"
#include "target.h"

#define NAMES_MAX 2500 /* with which, whatever is escaped, every answer fits into its line */
#define ROUNDS "7"
#define BINDING "what the channel is known by"

typedef struct Login {
    char *mechanism, *user, *password, *identity;
    const char *salt;
    size_t n_salt;
} Login;

typedef struct Server {
    const Login *login;
    Gsasl *context;
    Gsasl_session *session;
    const char *password;
} Server;

static void set_base64(Gsasl_session *session, Gsasl_property property, const char *data, size_t n)
{
    char *base64;

    if (gsasl_base64_to(data, n, &base64, NULL) != GSASL_OK ||
        gsasl_property_set(session, property, base64) != GSASL_OK)
        abort();
    gsasl_free(base64);
}

static int tell(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const Server *server = gsasl_callback_hook_get(context);
    bool binds = strstr(server->login->mechanism, "-PLUS");

    switch ((int)property) {
    case GSASL_PASSWORD: return gsasl_property_set(session, property, server->password);
    case GSASL_SCRAM_ITER: return gsasl_property_set(session, property, ROUNDS);
    case GSASL_SCRAM_SALT:
        set_base64(session, property, server->login->salt, server->login->n_salt);
        return GSASL_OK;
    case GSASL_CB_TLS_EXPORTER:
        if (binds)
            set_base64(session, property, BINDING, strlen(BINDING));
        return binds ? GSASL_OK : GSASL_NO_CALLBACK;
    default: return GSASL_NO_CALLBACK;
    }
}

/* Answers what the client said, a line without its verb; the challenge is the caller's. */
static int answer(Server *server, const Buffer *line, size_t offset, char **ret_challenge)
{
    _cleanup_free_
    char *said = strndup(buffer_at(line, offset), buffer_size(line) - offset - strlen("\r\n"));

    *ret_challenge = NULL;
    if (!said)
        abort();
    return gsasl_step64(server->session, said, ret_challenge);
}

/* Both to the end. Whether the server takes it, and whether the client takes the server. */
static void converse(SmtpAuth *auth, Server *server, bool *ret_server, bool *ret_client)
{
    _cleanup_buffer_ Buffer line = {0};
    size_t offset;
    char *challenge;
    int status, r = smtp_auth_start(auth, &line, NULL);

    *ret_server = *ret_client = false;
    if (r < 0)
        abort();
    offset = strlen("AUTH  ") + strlen(smtp_auth_mechanism(auth));
    if (buffer_size(&line) < offset + strlen("\r\n")) { /* too long for the one line */
        buffer_clear(&line);
        if (smtp_auth_challenge(auth, "", &line, NULL) < 0)
            abort();
        offset = 0;
    }
    do {
        status = answer(server, &line, offset, &challenge);
        offset = 0;
        buffer_clear(&line);
        if (status == GSASL_NEEDS_MORE || (status == GSASL_OK && challenge && *challenge))
            r = smtp_auth_challenge(auth, challenge, &line, NULL);
        gsasl_free(challenge);
    } while (status == GSASL_NEEDS_MORE && r == 0);
    *ret_server = status == GSASL_OK;
    *ret_client = r == 0 && smtp_auth_finish(auth, NULL) == 0;
}

static void check_names(const Server *server)
{
    const char *user = gsasl_property_fast(server->session, GSASL_AUTHID);
    const char *identity = gsasl_property_fast(server->session, GSASL_AUTHZID);
    char *prepared;

    if (gsasl_saslprep(server->login->user, 0, &prepared, NULL) != GSASL_OK)
        abort();
    if (!user || strcmp(user, prepared) != 0 ||
        strcmp(identity ?: "", server->login->identity) != 0)
        abort();
    gsasl_free(prepared);
}

static void log_in(const Login *login, const char *password, bool is_right)
{
    const SmtpTlsInfo tls = {
        .active = true, .binding_exporter = BINDING, .binding_exporter_size = strlen(BINDING)};
    SmtpCapabilities capabilities = {.esmtp = true, .flags = SMTP_CAP_AUTH};
    _cleanup_(smtp_auth_free_p) SmtpAuth *auth = NULL;
    _cleanup_secret_ Secret *secret = secret_new(login->password, strlen(login->password));
    const SmtpAuthOptions options = {.mechanism = login->mechanism,
        .user = login->user,
        .secret = secret,
        .authorization_identity = login->identity,
        .host = "h",
        .port = 25};
    Server server = {.login = login, .password = password};
    bool by_server, by_client;

    snprintf(capabilities.mechanisms, sizeof(capabilities.mechanisms), "%s", login->mechanism);
    if (smtp_auth_new(&options, &capabilities, &tls, 0, 0, &auth, NULL) < 0)
        return;
    if (gsasl_init(&server.context) != GSASL_OK)
        abort();
    gsasl_callback_set(server.context, tell);
    gsasl_callback_hook_set(server.context, &server);
    if (gsasl_server_start(server.context, login->mechanism, &server.session) != GSASL_OK)
        abort();
    converse(auth, &server, &by_server, &by_client);
    if (by_server != is_right || by_client != is_right)
        abort();
    if (is_right)
        check_names(&server);
    gsasl_finish(server.session);
    gsasl_done(server.context);
}

static bool is_scram(const char *mechanism)
{
    static const char *const mechanisms[] = {
        "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};

    for (size_t i = 0; i < ELEMENTSOF(mechanisms); i++)
        if (strcmp(mechanism, mechanisms[i]) == 0)
            return true;
    return false;
}

/* That server takes no character that Unicode 3.2 did not have, though a client may send it (RFC
 * 4013, 2.5); with this flag the library says so. */
static bool is_taken(const char *text)
{
    char *prepared = NULL;
    bool taken = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK;

    gsasl_free(prepared);
    return taken;
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 60};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_free_
    char *text = strndup((const char *)data, size), *other = NULL;
    char *rest = text;
    Login login;

    if (!text)
        abort();
    login.mechanism = strsep(&rest, "\n");
    login.user = strsep(&rest, "\n");
    login.password = strsep(&rest, "\n");
    login.identity = strsep(&rest, "\n");
    login.salt = rest;
    if (!rest || !*rest || !is_scram(login.mechanism) || !is_taken(login.user) ||
        !is_taken(login.password) || strlen(login.user) + strlen(login.identity) > NAMES_MAX)
        return;
    login.n_salt = size - (size_t)(rest - text);
    login.salt = (const char *)data + (rest - text);
    if (asprintf(&other, "%sx", login.password) < 0)
        abort();
    log_in(&login, login.password, true);
    if (is_taken(other)) /* that server forgets the salt where it takes no password */
        log_in(&login, other, false);
}
