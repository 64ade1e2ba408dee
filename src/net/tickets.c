/* Contexts of MIT Kerberos's GSSAPI. Must never wait for anybody outside of tickets_fetch(). */
#include "net/tickets.h"

#include <dlfcn.h>
#include <errno.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/idn.h"

#define LIBRARY "libgssapi_krb5.so.2"
/* As many servers of a relay's a connection may log in at, one after the other. */
#define CONTEXTS 4
#define WANTED_FLAGS \
    (GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_REPLAY_FLAG)

/* 1.3.6.1.5.5.2; the library has no name for it. */
static gss_OID_desc spnego = {6, (void *)"\x2b\x06\x01\x05\x05\x02"};

/* The library's functions, and none more. */
typedef struct Library {
    __typeof__(gss_acquire_cred_from) *acquire_cred_from;
    __typeof__(gss_delete_sec_context) *delete_sec_context;
    __typeof__(gss_display_status) *display_status;
    __typeof__(gss_import_name) *import_name;
    __typeof__(gss_init_sec_context) *init_sec_context;
    __typeof__(gss_release_buffer) *release_buffer;
    __typeof__(gss_release_cred) *release_cred;
    __typeof__(gss_release_name) *release_name;
    __typeof__(gss_unwrap) *unwrap;
    __typeof__(gss_wrap) *wrap;
    gss_OID principal, service, mechanism;
} Library;

/* What the tickets are for. Everything borrowed; words go into failures. */
typedef struct Aim {
    const char *words;   /* the setting that asks for them */
    const char *user;    /* NULL: whoever the tickets are of */
    const char *whose;   /* "the relay's user" */
    const char *service; /* as it is set, or NULL: `prefix`@`host` */
    const char *prefix, *host;
    const char *checks, *service_setting;
    bool is_spnego;   /* RFC 4178 */
    OM_uint32 wanted; /* flags of the context */
    OM_uint32 needed; /* of these, once it is complete */
} Aim;

typedef struct Context {
    Library library;
    Aim aim; /* but for what the settings have */
    gss_ctx_id_t context;
    gss_name_t target;
    gss_cred_id_t credential; /* borrowed from the tickets, which stay as long as any session */
    gss_buffer_desc first;
} Context;

struct Tickets {
    Gssapi gssapi;
    Library library;
    gss_cred_id_t credential;
    Context *contexts[CONTEXTS]; /* NULL: a session has it */
};

/* What is needed while they are made. */
typedef struct Making {
    const RelayConfig *relay;
    Aim aim;
    Library library;
    gss_cred_id_t credential;
    char *service; /* the name of the target, as it is imported */
} Making;

/* ---- the library ---- */

/* It stays loaded: it keeps what belongs to threads. */
static int load(Library *ret, const char *asked, Failure *f)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        {"gss_acquire_cred_from", &ret->acquire_cred_from},
        {"gss_delete_sec_context", &ret->delete_sec_context},
        {"gss_display_status", &ret->display_status},
        {"gss_import_name", &ret->import_name},
        {"gss_init_sec_context", &ret->init_sec_context},
        {"gss_release_buffer", &ret->release_buffer},
        {"gss_release_cred", &ret->release_cred},
        {"gss_release_name", &ret->release_name},
        {"gss_unwrap", &ret->unwrap},
        {"gss_wrap", &ret->wrap},
        {"GSS_KRB5_NT_PRINCIPAL_NAME", &ret->principal},
        {"GSS_C_NT_HOSTBASED_SERVICE", &ret->service},
        {"gss_mech_krb5", &ret->mechanism},
    };

    if (!handle)
        return failure_set(f, -ELIBACC, ERROR_AUTHENTICATION,
            "%s = \"gssapi\" needs MIT Kerberos, which is not installed (%s): install "
            "libgssapi-krb5-2",
            asked, dlerror());
    for (size_t i = 0; i < ELEMENTSOF(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        bool is_name = i >= ELEMENTSOF(symbols) - 3;

        if (!symbol)
            return failure_set(f, -ELIBACC, ERROR_AUTHENTICATION,
                "%s is no MIT Kerberos of this century: it has no %s", LIBRARY, symbols[i].name);
        if (is_name)
            symbol = *(void **)symbol;
        memcpy(symbols[i].to, &symbol, sizeof(symbol));
    }
    return 0;
}

static void append_status(const Library *l, OM_uint32 status, int kind, Buffer *out)
{
    OM_uint32 minor, more = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

    if (l->display_status(&minor, status, kind, l->mechanism, &more, &text) != GSS_S_COMPLETE)
        return;
    (void)buffer_append(out, text.value, text.length);
    (void)l->release_buffer(&minor, &text);
}

/* What the library says of it: the mechanism's own words where it has any. */
static int fail(const Library *l, OM_uint32 major, OM_uint32 minor, const char *what,
    const char *advice, Failure *f)
{
    _cleanup_buffer_ Buffer words = {0};

    if (minor != 0 && GSS_ROUTINE_ERROR(major) == GSS_S_FAILURE)
        append_status(l, minor, GSS_C_MECH_CODE, &words);
    else {
        append_status(l, major, GSS_C_GSS_CODE, &words);
        if (minor != 0 && buffer_append(&words, ": ", 2) == 0)
            append_status(l, minor, GSS_C_MECH_CODE, &words);
    }
    return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION, "%s: %.*s%s%s", what,
        (int)buffer_size(&words), buffer_size(&words) > 0 ? buffer_data(&words) : "",
        *advice ? ": " : "", advice);
}

/* ---- what a session asks ---- */

static void context_free(Context *c)
{
    OM_uint32 minor;

    if (!c)
        return;
    if (c->context != GSS_C_NO_CONTEXT)
        (void)c->library.delete_sec_context(&minor, &c->context, GSS_C_NO_BUFFER);
    if (c->target != GSS_C_NO_NAME)
        (void)c->library.release_name(&minor, &c->target);
    (void)c->library.release_buffer(&minor, &c->first);
    free(c);
}

DEFINE_CLEANUP(Context, context_free);

static void end(void *context)
{
    context_free(context);
}

static int begin(void *user, void **ret_context, Buffer *out, _unused_ Failure *f)
{
    Tickets *tickets = user;

    for (size_t i = 0; i < CONTEXTS; i++) {
        Context *c = tickets->contexts[i];

        if (!c)
            continue;
        if (buffer_append(out, c->first.value, c->first.length) < 0)
            return -ENOMEM;
        *ret_context = c;
        tickets->contexts[i] = NULL;
        return 0;
    }
    return -EAGAIN;
}

static gss_OID mechanism_of(const Library *l, const Aim *aim)
{
    return aim->is_spnego ? &spnego : l->mechanism;
}

/* Appends what the library made, and releases it. */
static int take_buffer(const Library *l, gss_buffer_t made, Buffer *out)
{
    OM_uint32 minor;
    int r = made->length > 0 ? buffer_append(out, made->value, made->length) : 0;

    (void)l->release_buffer(&minor, made);
    return r;
}

static int step(
    void *context, const void *token, size_t n, Buffer *out, bool *ret_complete, Failure *f)
{
    Context *c = context;
    gss_buffer_desc input = {n, (void *)token}, output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, flags = 0;
    OM_uint32 major = c->library.init_sec_context(&minor, c->credential, &c->context, c->target,
        mechanism_of(&c->library, &c->aim), c->aim.wanted, 0, GSS_C_NO_CHANNEL_BINDINGS, &input,
        NULL, &output, &flags, NULL);
    int r = take_buffer(&c->library, &output, out);
    char advice[128];

    if (r < 0)
        return r;
    *ret_complete = major == GSS_S_COMPLETE;
    snprintf(advice, sizeof(advice), "check %s and the server's keytab", c->aim.checks);
    if (GSS_ERROR(major))
        return fail(&c->library, major, minor,
            "the server's answer to the Kerberos ticket is not one of who has the service's key",
            advice, f);
    if (*ret_complete && (flags & c->aim.needed) != c->aim.needed)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server has not proved by Kerberos that it is the one it should be: check %s",
            c->aim.checks);
    return 0;
}

static int unwrap(
    void *context, const void *token, size_t n, Buffer *out, bool *ret_encrypted, Failure *f)
{
    Context *c = context;
    gss_buffer_desc input = {n, (void *)token}, output = GSS_C_EMPTY_BUFFER;
    int encrypted = 0;
    OM_uint32 minor,
        major = c->library.unwrap(&minor, c->context, &input, &output, &encrypted, NULL);
    int r = take_buffer(&c->library, &output, out);

    if (ret_encrypted)
        *ret_encrypted = encrypted;
    if (GSS_ERROR(major))
        return fail(&c->library, major, minor,
            "GSSAPI failed on what the server sent: its envelope cannot be opened", "", f);
    return r;
}

static int wrap(void *context, bool encrypted, const void *data, size_t n, Buffer *out, Failure *f)
{
    Context *c = context;
    gss_buffer_desc input = {n, (void *)data}, output = GSS_C_EMPTY_BUFFER;
    int is_encrypted = 0;
    OM_uint32 minor, major = c->library.wrap(&minor, c->context, encrypted, GSS_C_QOP_DEFAULT,
                         &input, &is_encrypted, &output);
    int r = take_buffer(&c->library, &output, out);

    if (GSS_ERROR(major))
        return fail(&c->library, major, minor, "GSSAPI cannot make an envelope", "", f);
    if (encrypted && !is_encrypted)
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "GSSAPI does not encrypt with the keys of this Kerberos ticket: have the realm use "
            "AES");
    return r;
}

/* ---- getting them ---- */

static int import(const Library *l, const char *text, gss_OID kind, gss_name_t *ret, Failure *f)
{
    gss_buffer_desc name = {strlen(text), (void *)text};
    OM_uint32 minor, major = l->import_name(&minor, &name, kind, ret);
    char what[256];

    if (!GSS_ERROR(major))
        return 0;
    snprintf(what, sizeof(what), "\"%.180s\" is no name that Kerberos can have", text);
    return fail(l, major, minor, what, "check the settings of user, host and service", f);
}

/* Where tickets that a keytab gives are kept: in memory, and elsewhere for another user or keytab.
 */
static void name_cache(const RelayConfig *relay, const char *user, char *ret, size_t n)
{
    struct stat st = {0};

    (void)stat(relay->kerberos_keytab, &st);
    snprintf(ret, n, "MEMORY:outbox-%.200s-%.200s-%llu-%lld", relay->name ?: "", user ?: "",
        (unsigned long long)st.st_ino, (long long)st.st_mtime);
}

/* By keytab the tickets stay in this process's memory, and are got anew when they have run out. */
static int acquire(Making *m, gss_name_t client, Failure *f)
{
    const RelayConfig *relay = m->relay;
    char cache[512], what[512];
    gss_key_value_element_desc elements[2];
    gss_key_value_set_desc store = {0, elements};
    OM_uint32 minor, major;

    if (relay->kerberos_keytab)
        name_cache(relay, m->aim.user, cache, sizeof(cache));
    if (relay->kerberos_keytab)
        elements[store.count++] =
            (gss_key_value_element_desc){"client_keytab", relay->kerberos_keytab};
    if (relay->kerberos_ccache || relay->kerberos_keytab)
        elements[store.count++] =
            (gss_key_value_element_desc){"ccache", relay->kerberos_ccache ?: cache};
    major = m->library.acquire_cred_from(&minor, client, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
        GSS_C_INITIATE, store.count > 0 ? &store : NULL, &m->credential, NULL, NULL);
    if (!GSS_ERROR(major))
        return 0;
    snprintf(what, sizeof(what), "there is no Kerberos ticket for %s%s%s",
        m->aim.user ?: m->aim.whose, relay->kerberos_keytab ? " by the keytab " : "",
        relay->kerberos_keytab ?: "");
    return fail(&m->library, major, minor, what,
        "run kinit as the user of outboxd, or have kerberos_keytab name a keytab of the user's", f);
}

static int find_credential(Making *m, Failure *f)
{
    gss_name_t client = GSS_C_NO_NAME;
    OM_uint32 minor;
    int r = m->aim.user ? import(&m->library, m->aim.user, m->library.principal, &client, f) : 0;

    if (r >= 0)
        r = acquire(m, client, f);
    if (client != GSS_C_NO_NAME)
        (void)m->library.release_name(&minor, &client);
    return r;
}

/* PREFIX@HOST unless it is said. */
static int name_service(Making *m)
{
    _cleanup_free_
    char *ascii = NULL;

    if (m->aim.service) {
        m->service = strdup(m->aim.service);
        return m->service ? 0 : -ENOMEM;
    }
    if (domain_to_ascii(m->aim.host, &ascii) == -ENOMEM)
        return -ENOMEM;
    return asprintf(&m->service, "%s@%s", m->aim.prefix, ascii ?: m->aim.host) < 0 ? -ENOMEM : 0;
}

static int make_context(const Making *m, Context **ret, Failure *f)
{
    _cleanup_(context_free_p) Context *c = calloc(1, sizeof(Context));
    const Library *l = &m->library;
    gss_OID kind = strchr(m->service, '/') ? l->principal : l->service;
    OM_uint32 minor, major;
    char what[512], advice[160];
    int r;

    if (!c)
        return -ENOMEM;
    c->library = *l;
    c->aim = (Aim){.checks = m->aim.checks,
        .is_spnego = m->aim.is_spnego,
        .wanted = m->aim.wanted,
        .needed = m->aim.needed};
    c->credential = m->credential;
    r = import(l, m->service, kind, &c->target, f);
    if (r < 0)
        return r;
    major = l->init_sec_context(&minor, m->credential, &c->context, c->target,
        mechanism_of(l, &m->aim), m->aim.wanted, 0, GSS_C_NO_CHANNEL_BINDINGS, GSS_C_NO_BUFFER,
        NULL, &c->first, NULL, NULL);
    if (GSS_ERROR(major)) {
        snprintf(
            what, sizeof(what), "no Kerberos ticket for the service %.200s can be had", m->service);
        snprintf(advice, sizeof(advice),
            "check with `kinit` and `kvno` as the user of outboxd; %s names another service",
            m->aim.service_setting);
        return fail(l, major, minor, what, advice, f);
    }
    *ret = TAKE_PTR(c);
    return 0;
}

static int fetch(const RelayConfig *relay, const Aim *aim, Tickets **ret, Failure *f)
{
    _cleanup_(tickets_free_p) Tickets *tickets = calloc(1, sizeof(Tickets));
    Making m = {.relay = relay, .aim = *aim};
    int r;

    if (!tickets)
        return -ENOMEM;
    r = load(&m.library, aim->words, f) ?: name_service(&m) ?: find_credential(&m, f);
    tickets->library = m.library;
    tickets->credential = m.credential;
    for (size_t i = 0; i < CONTEXTS && r >= 0; i++)
        r = make_context(&m, &tickets->contexts[i], f);
    free(m.service);
    if (r < 0)
        return r;
    tickets->gssapi = (Gssapi){tickets, begin, step, unwrap, wrap, end};
    *ret = TAKE_PTR(tickets);
    return 0;
}

int tickets_fetch(const RelayConfig *relay, Tickets **ret, Failure *f)
{
    const Aim aim = {
        .words = "auth",
        .user = relay->user,
        .whose = "the relay's user",
        .service = relay->kerberos_service,
        .prefix = "smtp",
        .host = relay->tls_name ?: relay->host,
        .checks = "host, kerberos_service",
        .service_setting = "kerberos_service",
        .wanted = WANTED_FLAGS,
        .needed = GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG,
    };

    return fetch(relay, &aim, ret, f);
}

/* A proxy of HTTP has no place for its own proof in what it says to CONNECT (RFC 4559, 5), and TLS
 * with the relay goes by nothing that it says. That of SOCKS wraps all that follows. */
int tickets_fetch_for_proxy(const RelayConfig *relay, Tickets **ret, Failure *f)
{
    bool is_socks = relay->proxy_type == PROXY_MODE_SOCKS5;
    const Aim aim = {
        .words = "proxy_auth",
        .user = relay->proxy_user,
        .whose = "the proxy's user",
        .service = relay->proxy_kerberos_service,
        .prefix = is_socks ? "rcmd" : "HTTP",
        .host = relay->proxy_host,
        .checks = "proxy_host, proxy_kerberos_service",
        .service_setting = "proxy_kerberos_service",
        .is_spnego = !is_socks,
        .wanted = is_socks ? WANTED_FLAGS | GSS_C_CONF_FLAG : GSS_C_REPLAY_FLAG,
        .needed = is_socks ? GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG : 0,
    };

    return fetch(relay, &aim, ret, f);
}

void tickets_free(Tickets *tickets)
{
    OM_uint32 minor;

    for (size_t i = 0; tickets && i < CONTEXTS; i++)
        context_free(tickets->contexts[i]);
    if (tickets && tickets->credential != GSS_C_NO_CREDENTIAL)
        (void)tickets->library.release_cred(&minor, &tickets->credential);
    free(tickets);
}

const Gssapi *tickets_gssapi(const Tickets *tickets)
{
    return tickets ? &tickets->gssapi : NULL;
}
