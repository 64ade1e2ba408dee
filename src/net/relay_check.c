/* Judging a relay's settings. Must never look anything up, nor leave anything behind. */
#include "net/relay_check.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "base/url.h"
#include "certificate/pkcs11.h"
#include "net/certificate.h"
#include "net/credentials.h"
#include "net/crl.h"
#include "net/http_url.h"
#include "net/shared.h"
#include "net/tls.h"
#include "net/tls_parameters.h"
#include "settings/secret_source.h"

static void context_p(TlsContext **context)
{
    (void)tls_context_unref(*context);
}

/* ---- a server that never says anything ---- */

static ssize_t read_nothing(void *user, char *data, size_t n)
{
    (void)user;
    (void)data;
    (void)n;
    errno = EAGAIN;
    return -1;
}

static ssize_t swallow(void *user, const char *data, size_t n)
{
    (void)user;
    (void)data;
    return (ssize_t)n;
}

/* Whether a handshake can begin: what the lists of protocols and ciphers leave to each other, and
 * the system's policy to them, comes out with its first words. */
static int begin_handshake(TlsContext *context, Failure *f)
{
    static const TlsCarrier silence = {read_nothing, swallow, NULL};
    TlsStream *stream = NULL;
    int r = tls_stream_new_over(context, &silence, 0, &stream, f);

    if (r >= 0)
        r = (int)tls_stream_handshake(stream, f);
    tls_stream_free(stream);
    return r == -EAGAIN ? 0 : r;
}

/* ---- our own certificate ---- */

static bool is_on_token(const char *store)
{
    return store && pkcs11_is_uri(store);
}

/* Whether it can be had here without running a command, or asking for a PIN that nobody wants
 * asked. */
static bool may_load(const RelayConfig *relay, bool tokens)
{
    const SecretSource *source = &relay->tls_key_password;

    return relay->tls_certificate && !source->command && !source->credential &&
           (tokens || (!is_on_token(relay->tls_certificate) && !is_on_token(relay->tls_key)));
}

/* `*ret` is NULL where it is not to be loaded. */
static int load_credentials(const RelayConfig *relay, bool tokens, Credentials **ret, Failure *f)
{
    _cleanup_secret_ Secret *password = NULL;
    int r;

    *ret = NULL;
    if (!may_load(relay, tokens))
        return 0;
    r = secret_source_fetch(&relay->tls_key_password, NULL, &password, f);
    if (r < 0)
        return r;
    *ret = credentials_load(relay, password);
    return *ret ? 0 : -ENOMEM;
}

static void note_validity(const Credentials *client, RelayJudgement *ret)
{
    X509 *certificate =
        client && client->certificate ? certificate_x509(client->certificate) : NULL;
    char date[CERTIFICATE_DATE_MAX];

    if (!certificate)
        return;
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        if (asprintf(&ret->notice, "tls_certificate: has ended on %s; have it renewed",
                certificate_date_text(X509_get0_notAfter(certificate), date)) < 0)
            ret->notice = NULL;
    } else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 &&
               asprintf(&ret->notice,
                   "tls_certificate: is not valid before %s; check this host's clock",
                   certificate_date_text(X509_get0_notBefore(certificate), date)) < 0)
        ret->notice = NULL;
}

/* The others are offered all the same, and cost a round. */
static void note_key_shares(const RelayConfig *relay, RelayJudgement *ret)
{
    if (ret->notice || !relay->tls13_key_shares || !strchr(relay->tls13_key_shares, ' ') ||
        tls_parameters_know_key_shares())
        return;
    if (asprintf(&ret->notice,
            "tls13_key_shares: this OpenSSL (%s) sends a key for the first of them alone; 3.5 and "
            "later send one for each",
            OpenSSL_version(OPENSSL_VERSION_STRING)) < 0)
        ret->notice = NULL;
}

/* ---- secrets ---- */

/* Whatever they are for: one that is wrong is found out with the first connection, else. */
static int check_sources(const RelayConfig *relay, RelayJudgement *ret)
{
    const struct {
        const SecretSource *source;
        const char *name;
        DeliveryStage stage;
    } sources[] = {
        {&relay->password, "password", STAGE_AUTH},
        {&relay->tls_key_password, "tls_key_password", STAGE_TLS},
        {&relay->proxy_password, "proxy_password", STAGE_PROXY},
        {&relay->oauth_client_secret, "oauth_client_secret", STAGE_AUTH},
        {&relay->oauth_refresh_token, "oauth_refresh_token", STAGE_AUTH},
        {&relay->oauth_token_key, "oauth_token_key", STAGE_AUTH},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(sources) && r >= 0; i++) {
        ret->stage = sources[i].stage;
        r = secret_source_check(sources[i].source, sources[i].name, &ret->failure);
    }
    return r;
}

static int check_login_files(const RelayConfig *relay, Failure *f)
{
    const struct {
        const char *path, *setting;
    } files[] = {
        {relay->oauth_token_file, "oauth_token_file"},
        {relay->kerberos_keytab, "kerberos_keytab"},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(files) && r >= 0; i++)
        if (files[i].path)
            r = secret_file_check(files[i].path, files[i].setting, false, f);
    return r;
}

/* Where it was not loaded, be it that its password is a command's to give. */
static int check_own_file(const char *path, const char *setting, Failure *f)
{
    if (!path || is_on_token(path) || text_starts_nocase(path, "store:"))
        return 0;
    return secret_file_check(path, setting, true, f);
}

static int check_own_files(const RelayConfig *relay, Failure *f)
{
    int r = check_own_file(relay->tls_certificate, "tls_certificate", f);

    return r < 0 ? r : check_own_file(relay->tls_key, "tls_key", f);
}

/* ---- what connections are made with ---- */

static int check_tls(const RelayConfig *relay, bool tokens, RelayJudgement *ret)
{
    _cleanup_(credentials_unref_p) Credentials *client = NULL;
    _cleanup_(context_p) TlsContext *context = NULL;
    int r = load_credentials(relay, tokens, &client, &ret->failure);

    if (r >= 0)
        r = tls_context_try(relay, client, &context, &ret->failure);
    if (r >= 0)
        r = begin_handshake(context, &ret->failure);
    if (r >= 0)
        note_validity(client, ret);
    if (r >= 0)
        note_key_shares(relay, ret);
    return r;
}

static int check_crl(const RelayConfig *relay, Failure *f)
{
    STACK_OF(X509_CRL) *list = NULL;
    int r = relay->tls_crl_file && relay->tls_check_crl != TLS_CHECK_OFF
                ? crl_file_load(relay->tls_crl_file, &list, f)
                : 0;

    crl_list_free(list);
    return r;
}

/* A proxy that TLS is spoken with, and the servers that give tokens: as relays of their own. */
static int check_peer(const RelayConfig *peer, Failure *f)
{
    _cleanup_(context_p) TlsContext *context = NULL;
    int r = tls_context_try(peer, NULL, &context, f);

    return r < 0 ? r : begin_handshake(context, f);
}

static int check_proxy(const RelayConfig *relay, Failure *f)
{
    const RelayConfig proxy = connection_proxy_peer(relay);

    return relay_is_proxied(relay) && relay->proxy_tls ? check_peer(&proxy, f) : 0;
}

static int check_oauth(const RelayConfig *relay, Failure *f)
{
    _cleanup_(http_url_done) HttpUrl url = {0};
    RelayConfig peer = {.tls = TLS_MODE_IMPLICIT, .tls_verify = true};
    _cleanup_free_
    char *shown = NULL;
    int r;

    if (!relay->oauth_token_url)
        return 0;
    shown = url_shown(relay->oauth_token_url);
    r = shown ? http_url_parse(relay->oauth_token_url, &url) : -ENOMEM;
    if (r == -EINVAL)
        return failure_set(f, r, ERROR_CONFIGURATION,
            "oauth_token_url: \"%s\" is no URL; it takes one such as "
            "\"https://login.example.com/token\"",
            shown);
    if (r < 0 || !relay->oauth_ca_file)
        return r;
    peer.host = url.host;
    peer.tls_ca_file = relay->oauth_ca_file;
    peer.tls_ca_setting = "oauth_ca_file";
    return check_peer(&peer, f);
}

static int check_mta_sts(const RelayConfig *relay, Failure *f)
{
    const RelayConfig peer = {
        .host = relay->tls_mta_sts_domain,
        .tls = TLS_MODE_IMPLICIT,
        .tls_verify = true,
        .tls_ca_file = relay->tls_mta_sts_ca_file,
        .tls_ca_setting = "tls_mta_sts_ca_file",
    };

    return relay->tls_mta_sts_ca_file ? check_peer(&peer, f) : 0;
}

/* Names that nobody can have (RFC 2606, 3) stand in examples, and in the sample of the
 * configuration. */
static int check_host(const RelayConfig *relay, Failure *f)
{
    static const char *const examples[] = {"example.com", "example.net", "example.org"};
    const char *host = relay->host;
    size_t n = strlen(host);

    for (size_t i = 0; i < ELEMENTSOF(examples); i++) {
        size_t n_example = strlen(examples[i]);

        if (n > n_example && host[n - n_example - 1] == '.' &&
            text_equal_nocase(host + n - n_example, examples[i]))
            return failure_reason(f, REASON_HOST_MALFORMED,
                failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                    "host: \"%s\" is the name of an example, which no mail server has; write that "
                    "of your relay",
                    host));
    }
    return 0;
}

/* What needs its failure alone, and where a connection would meet with it. */
static int check_part(RelayJudgement *ret, DeliveryStage stage,
    int (*check)(const RelayConfig *relay, Failure *f), const RelayConfig *relay)
{
    ret->stage = stage;
    return check(relay, &ret->failure);
}

static int check_all(const RelayConfig *relay, bool tokens, RelayJudgement *ret)
{
    int r = check_part(ret, STAGE_LOOKUP, check_host, relay);

    if (r >= 0)
        r = check_sources(relay, ret);
    if (r >= 0)
        r = check_part(ret, STAGE_AUTH, check_login_files, relay);
    ret->stage = r < 0 ? ret->stage : STAGE_TLS;
    if (r >= 0 && relay->tls != TLS_MODE_NONE)
        r = check_tls(relay, tokens, ret);
    if (r >= 0)
        r = check_part(ret, STAGE_TLS, check_own_files, relay);
    if (r >= 0)
        r = check_part(ret, STAGE_CERTIFICATE, check_crl, relay);
    if (r >= 0)
        r = check_part(ret, STAGE_PROXY, check_proxy, relay);
    if (r >= 0)
        r = check_part(ret, STAGE_AUTH, check_oauth, relay);
    return r < 0 ? r : check_part(ret, STAGE_CERTIFICATE, check_mta_sts, relay);
}

void relay_check(const RelayConfig *relay, bool tokens, RelayJudgement *ret)
{
    *ret = (RelayJudgement){0};
    ret->error = check_all(relay, tokens, ret);
    /* What OpenSSL keeps for this thread, which may not use it again before it ends. */
    OPENSSL_thread_stop();
    if (ret->error == -ENOMEM && !ret->failure.text)
        failure_set_errno(&ret->failure, -ENOMEM, "cannot judge the relay's settings");
}

void relay_judgement_done(RelayJudgement *judgement)
{
    failure_done(&judgement->failure);
    free(judgement->notice);
    *judgement = (RelayJudgement){0};
}
