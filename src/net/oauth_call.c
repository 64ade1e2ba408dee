/* Forms, and what is said to them. Must never let a secret into words, not even where a server
 * repeats it. */
#include "net/oauth_call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/mask.h"
#include "base/text.h"
#include "base/url.h"
#include "net/http_url.h"
#include "settings/secret_source.h"

#define CALL_LIMIT (30 * USEC_PER_SEC)
#define ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define SECONDS_MAX (UINT64_C(365) * 24 * 3600)
#define DESCRIPTION_MAX 300

/* ---- the form ---- */

static bool is_unreserved(char c)
{
    return text_is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static size_t escape(const char *text, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (; *text; text++) {
        if (is_unreserved(*text)) {
            to[n++] = *text;
            continue;
        }
        to[n++] = '%';
        to[n++] = digits[(unsigned char)*text >> 4];
        to[n++] = digits[(unsigned char)*text & 15];
    }
    return n;
}

static void wipe(Buffer *b)
{
    if (b->memory)
        explicit_bzero(b->memory, b->allocated);
    buffer_done(b);
}

/* Into new memory, for growing leaves copies behind. */
int oauth_form_add(OauthForm *form, const char *name, const char *value)
{
    Buffer grown = {0};
    char *to;
    int r = 0;

    if (!value)
        return 0;
    if (!buffer_reserve(&grown, buffer_size(&form->text) + strlen(name) + 3 * strlen(value) + 2))
        return -ENOMEM;
    if (buffer_size(&form->text) > 0)
        r = buffer_append(&grown, buffer_data(&form->text), buffer_size(&form->text))
                ?: buffer_append(&grown, "&", 1);
    r = r ?: buffer_append_string(&grown, name) ?: buffer_append(&grown, "=", 1);
    to = r < 0 ? NULL : buffer_reserve(&grown, 3 * strlen(value));
    if (to)
        buffer_commit(&grown, escape(value, to));
    wipe(&form->text);
    form->text = grown;
    return to || r < 0 ? r : -ENOMEM;
}

int oauth_form_add_secret(OauthForm *form, const char *name, Secret *value)
{
    if (!value)
        return 0;
    assert(form->n_secrets < OAUTH_FORM_SECRETS_MAX);
    form->secrets[form->n_secrets++] = secret_ref(value);
    return oauth_form_add(form, name, secret_text(value));
}

void oauth_form_done(OauthForm *form)
{
    wipe(&form->text);
    while (form->n_secrets > 0)
        (void)secret_unref(form->secrets[--form->n_secrets]);
}

int oauth_form_add_client(OauthForm *form, const RelayConfig *relay, CommandStop *stop, Failure *f)
{
    _cleanup_secret_ Secret *secret = NULL;
    int r = secret_source_fetch(&relay->oauth_client_secret, stop, &secret, f);

    return r ?: oauth_form_add(form, "client_id", relay->oauth_client_id)
                    ?: oauth_form_add_secret(form, "client_secret", secret);
}

/* ---- what is in an answer ---- */

int oauth_take_secret(const json_t *object, const char *name, Secret **ret)
{
    const char *text = json_string_value(json_object_get(object, name));

    *ret = NULL;
    if (!text || !*text)
        return 0;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return -EBADMSG;
    *ret = secret_new(text, strlen(text));
    return *ret ? 0 : -ENOMEM;
}

usec_t oauth_take_seconds(const json_t *object, const char *name, usec_t fallback)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    double seconds = json_number_value(value);

    if (text)
        seconds = strtod(text, NULL);
    if (!(seconds > 0))
        return fallback;
    return (usec_t)MIN(seconds, (double)SECONDS_MAX) * USEC_PER_SEC;
}

/* ---- what a stranger says ---- */

/* The values of the form as they were sent: some are repeated with the form around them. */
static int add_sent(MaskList *list, const OauthForm *form)
{
    static const char *const plain[] = {"client_id=", "scope=", "grant_type="};
    const char *at = buffer_data(&form->text), *end = at + buffer_size(&form->text);
    int r = 0;

    for (size_t i = 0; i < form->n_secrets && r >= 0; i++)
        r = mask_list_add(list, secret_text(form->secrets[i]), secret_size(form->secrets[i]));
    while (at < end && r >= 0) {
        const char *value = memchr(at, '=', (size_t)(end - at)), *next;
        bool secret = value;

        if (!value)
            break;
        next = memchr(value, '&', (size_t)(end - value)) ?: end;
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
            secret = secret && strncmp(at, plain[i], strlen(plain[i])) != 0;
        if (secret)
            r = mask_list_add(list, value + 1, (size_t)(next - value - 1));
        at = next + (next < end);
    }
    return r;
}

/* Those that came with an answer. */
static int add_received(MaskList *list, const json_t *object)
{
    static const char *const names[] = {"access_token", "refresh_token", "id_token", "device_code"};
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++) {
        const char *text = json_string_value(json_object_get(object, names[i]));

        r = text ? mask_list_add(list, text, strlen(text)) : 0;
    }
    return r;
}

/* Its words, fit for anybody's eyes; NULL when memory is short. `object` may be NULL. */
static char *show(const OauthForm *form, const json_t *object, const char *words, size_t max)
{
    MaskList list = {0};
    char *shown = NULL;

    if (add_sent(&list, form) >= 0 && add_received(&list, object) >= 0)
        shown = mask_printable(&list, words, strlen(words), max);
    mask_list_done(&list);
    return shown;
}

/* A server may repeat the URL that it was asked by, as that of a redirect. */
static void mask_url(const char *url, Failure *f)
{
    MaskList list = {0};
    UrlParameter found;
    int r = 0;

    while (r >= 0 && f && f->text && url_next_secret(&url, &found))
        r = mask_list_add(&list, found.value, found.n_value);
    if (r < 0)
        memset(f->text, '*', strlen(f->text));
    else if (list.n > 0)
        (void)mask_secrets(f->text, strlen(f->text), list.all, list.n);
    mask_list_done(&list);
}

/* What the connection failed by may have the server's words in it, such as a certificate's names.
 */
static void mask_failure(const OauthForm *form, Failure *f)
{
    MaskList list = {0};

    if (!f || !f->text)
        return;
    if (add_sent(&list, form) < 0)
        memset(f->text, '*', strlen(f->text));
    else
        (void)mask_secrets(f->text, strlen(f->text), list.all, list.n);
    mask_list_done(&list);
}

/* ---- the answer ---- */

/* Which server it is, for its words: its setting, and "https://HOST:PORT", for a path and a query
 * may have secrets in them. */
typedef struct OauthServer {
    const char *setting, *gives;
    char name[300];
} OauthServer;

static int take_server(const RelayConfig *relay, const char *url, OauthServer *ret)
{
    bool device = url == relay->oauth_device_url;
    HttpUrl parts = {0};
    int r = http_url_parse(url, &parts);
    char port[16] = "";

    *ret = (OauthServer){.setting = device ? "oauth_device_url" : "oauth_token_url",
        .gives = device ? "a code" : "tokens"};
    if (r < 0)
        return r;
    if (parts.port != HTTPS_PORT)
        snprintf(port, sizeof(port), ":%u", (unsigned)parts.port);
    snprintf(ret->name, sizeof(ret->name), "https://%.250s%s", parts.host, port);
    http_url_done(&parts);
    return 0;
}

#define ANEW "run `outbox authorize`, or put a new one where oauth_refresh_token is read from"
#define AGAIN "run the command again, which gives another code"
#define USER_WANTED ": the user must log in there, or agree, again; "
#define NO_USER                                                                           \
    ": no user logs in where oauth_grant is client-credentials: have the client allowed " \
    "there what it asks for, or use a refresh token"
#define EACH(text) text, text, text
#define USER_ROW(word) word, USER_WANTED ANEW, NO_USER, USER_WANTED AGAIN
#define DENIED ": who was asked to allow it said no, or may not allow it; run `outbox authorize` "
#define DENIED_ROW(word)                                                          \
    word, DENIED "again and agree, or ask who administers the account",           \
        ": ask who administers the account to allow the client what it asks for", \
        DENIED "again and agree, or ask who administers the account"
#define CODE_ENDED ": the code is not good any more, or was entered before; " AGAIN

/* RFC 6749, 4.1.2.1 and 5.2; RFC 8628, 3.5; OpenID Connect Core 1.0, 3.1.2.6. Microsoft has words
 * of its own for a user who said no, and for a code that is none. */
static const char *advice_on(const char *error, OauthAsks asks)
{
    static const struct {
        const char *error, *refresh, *client, *code;
    } rows[] = {
        {"invalid_grant", ": the refresh token has expired or was taken back; " ANEW,
            ": the client gets no token there: check oauth_grant, oauth_client_id and the client's "
            "registration",
            CODE_ENDED},
        {"bad_verification_code", EACH(CODE_ENDED)},
        {USER_ROW("interaction_required")},
        {USER_ROW("login_required")},
        {USER_ROW("consent_required")},
        {USER_ROW("account_selection_required")},
        {"invalid_client", EACH(": check oauth_client_id and oauth_client_secret")},
        {"unauthorized_client",
            EACH(": have the client's registration allow what oauth_grant says")},
        {"invalid_scope", EACH(": check oauth_scope")},
        {"unsupported_grant_type", EACH(": check oauth_grant and oauth_token_url")},
        {DENIED_ROW("access_denied")},
        {DENIED_ROW("authorization_declined")},
    };

    for (size_t i = 0; i < ELEMENTSOF(rows); i++)
        if (text_equal(rows[i].error, error))
            return asks == OAUTH_ASKS_CODE     ? rows[i].code
                   : asks == OAUTH_ASKS_CLIENT ? rows[i].client
                                               : rows[i].refresh;
    return "";
}

/* Returns -EAGAIN. */
static int put_off(const OauthServer *server, int status, const char *error, Failure *f)
{
    return failure_set(f, -EAGAIN, ERROR_COMMUNICATION,
        "%s cannot give %s just now (status %d%s%s), which passes by itself as a rule",
        server->name, server->gives, status, *error ? ": " : "", error);
}

static bool is_trouble_of_the_server(const char *error)
{
    return text_equal(error, "temporarily_unavailable") || text_equal(error, "server_error");
}

/* RFC 6749, 5.2. Returns -EKEYREJECTED, or -EAGAIN where that is for now. */
static int refuse(const OauthServer *server, const OauthForm *form, int status,
    const json_t *object, char ret_error[static OAUTH_ERROR_MAX], Failure *f)
{
    const char *error = json_string_value(json_object_get(object, "error")) ?: "";
    const char *words = json_string_value(json_object_get(object, "error_description")) ?: "";
    char advice[64] = "";
    _cleanup_free_
    char *shown_error = NULL, *shown = NULL;

    shown_error = show(form, object, error, OAUTH_ERROR_MAX - 4);
    shown = show(form, object, words, DESCRIPTION_MAX);
    if (!shown_error || !shown)
        return -ENOMEM;
    if (is_trouble_of_the_server(error))
        return put_off(server, status, error, f);
    if (!*error) /* of some other server */
        snprintf(advice, sizeof(advice), ": check %s", server->setting);
    snprintf(ret_error, OAUTH_ERROR_MAX, "%s", shown_error);
    return failure_set(f, -EKEYREJECTED, ERROR_AUTHENTICATION, "%s refuses (status %d)%s%s%s%s%s%s",
        server->name, status, *shown_error ? ": " : "", shown_error, *shown ? ": " : "", shown,
        advice_on(error, form->asks), advice);
}

static int judge_status(const OauthServer *server, const OauthForm *form, const json_t *object,
    const HttpResponse *response, Failure *f)
{
    _cleanup_free_
    char *location = NULL;

    if (http_status_passes(response->status))
        return put_off(server, response->status, "", f);
    if (response->status / 100 != 3)
        return 0;
    location = show(form, object, response->location ?: "elsewhere", 200);
    return failure_set(f, -EPROTO, ERROR_AUTHENTICATION,
        "%s sends on to %s (status %d), which is not followed with secrets: correct %s",
        server->name, location ?: "elsewhere", response->status, server->setting);
}

/* What the words of the library would repeat is a stranger's. */
static const char *describe(const json_error_t *why)
{
    switch (json_error_code(why)) {
    case json_error_numeric_overflow: return ", for it has a number that is too large";
    case json_error_null_character:
    case json_error_null_byte_in_key: return ", for it has a NUL character (\\u0000)";
    case json_error_invalid_utf8: return ", for it is not in UTF-8";
    case json_error_premature_end_of_input: return ", for it breaks off";
    default: return "";
    }
}

/* What was cut on its way may be whole the next time. */
static bool was_cut(const HttpResponse *response, const json_error_t *why)
{
    return http_response_is_open(response) && buffer_size(&response->body) > 0 &&
           json_error_code(why) == json_error_premature_end_of_input;
}

static int no_object(
    const OauthServer *server, const HttpResponse *response, const char *why, bool cut, Failure *f)
{
    if (cut)
        return failure_set(f, -ECONNRESET, ERROR_COMMUNICATION,
            "%s: it closed the connection before the end of its answer", server->name);
    return failure_set(f, -EPROTO, ERROR_AUTHENTICATION,
        "%s answers (status %d) what is no JSON object%s: check %s", server->name, response->status,
        why, server->setting);
}

static int read_answer(const OauthServer *server, const OauthForm *form,
    const HttpResponse *response, json_t **ret, char ret_error[static OAUTH_ERROR_MAX], Failure *f)
{
    size_t n = buffer_size(&response->body);
    json_t *object = NULL;
    json_error_t why = {0};
    int r;

    if (n > 0)
        object = json_loadb(buffer_data(&response->body), n, 0, &why);
    r = judge_status(server, form, object, response, f);
    if (r < 0) {
        json_decref(object);
        return r;
    }
    if (response->status / 100 == 2 && json_is_object(object) &&
        !json_object_get(object, "error")) {
        *ret = object;
        return 0;
    }
    if (response->status / 100 == 4 || (object && json_object_get(object, "error")))
        r = refuse(server, form, response->status, object, ret_error, f);
    else
        r = no_object(
            server, response, object ? "" : describe(&why), !object && was_cut(response, &why), f);
    json_decref(object);
    return r;
}

/* What is said in the place of an answer is a fault of the login's. */
static int explain(const OauthServer *server, int r, Failure *f)
{
    if (r == -ENOMEM || !f)
        return r;
    if (r == -EBADMSG || r == -EMSGSIZE)
        return failure_set(f, r, ERROR_AUTHENTICATION, "%s: %s: check %s", server->name,
            failure_text(f), server->setting);
    return failure_prefix(f, r, server->name);
}

int oauth_call(const RelayConfig *relay, const char *url, const OauthForm *form, json_t **ret,
    char ret_error[static OAUTH_ERROR_MAX], Failure *f)
{
    OauthServer server;
    int r = take_server(relay, url, &server);
    const HttpCall call = {
        .url = url,
        .url_setting = server.setting,
        .body = &form->text,
        .body_type = "application/x-www-form-urlencoded",
        .accept = "application/json",
        .ca_file = relay->oauth_ca_file,
        .ca_setting = "oauth_ca_file",
        .way = relay->oauth_proxy ? relay : NULL,
        .max = ANSWER_BYTES_MAX,
        .limit = form->limit > 0 ? MIN(form->limit, CALL_LIMIT) : CALL_LIMIT,
        .stop = form->stop,
        .grace = form->grace,
        .server = "the token server",
        .remedy = "see whether this host gets there, and oauth_token_url and oauth_proxy",
    };
    HttpResponse response = {0};

    *ret = NULL;
    ret_error[0] = '\0';
    if (r == -ENOMEM)
        return r;
    r = http_call(&call, &response, f);
    if (r < 0) {
        mask_failure(form, f);
        mask_url(url, f);
        return *server.name ? explain(&server, r, f) : r;
    }
    r = read_answer(&server, form, &response, ret, ret_error, f);
    if (r < 0)
        mask_url(url, f);
    http_response_done(&response);
    return r;
}
