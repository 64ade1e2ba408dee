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

typedef struct Context {
    Library library;
    gss_ctx_id_t context;
    gss_name_t target;
    gss_cred_id_t credential; /* borrowed from the tickets, which stay as long as any session */
    gss_buffer_desc first;
} Context;

struct Tickets {
    SmtpGssapi gssapi;
    Library library;
    gss_cred_id_t credential;
    Context *contexts[CONTEXTS]; /* NULL: a session has it */
};

/* What is needed while they are made. */
typedef struct Making {
    const RelayConfig *relay;
    Library library;
    gss_cred_id_t credential;
    char *service; /* the name of the target, as it is imported */
} Making;

/* ---- the library ---- */

/* It stays loaded: it keeps what belongs to threads. */
static int load(Library *ret, Failure *f)
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
            "auth = \"gssapi\" needs MIT Kerberos, which is not installed (%s): install "
            "libgssapi-krb5-2",
            dlerror());
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
        c->library.mechanism, WANTED_FLAGS, 0, GSS_C_NO_CHANNEL_BINDINGS, &input, NULL, &output,
        &flags, NULL);
    int r = take_buffer(&c->library, &output, out);

    if (r < 0)
        return r;
    *ret_complete = major == GSS_S_COMPLETE;
    if (GSS_ERROR(major))
        return fail(&c->library, major, minor,
            "the server's answer to the Kerberos ticket is not one of who has the service's key",
            "check host, kerberos_service and the server's keytab", f);
    if (*ret_complete && !(flags & GSS_C_MUTUAL_FLAG && flags & GSS_C_INTEG_FLAG))
        return failure_set(f, -EBADMSG, ERROR_AUTHENTICATION,
            "the server has not proved by Kerberos that it is the one it should be: check host and "
            "kerberos_service");
    return 0;
}

static int unwrap(void *context, const void *token, size_t n, Buffer *out, Failure *f)
{
    Context *c = context;
    gss_buffer_desc input = {n, (void *)token}, output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, major = c->library.unwrap(&minor, c->context, &input, &output, NULL, NULL);
    int r = take_buffer(&c->library, &output, out);

    if (GSS_ERROR(major))
        return fail(&c->library, major, minor,
            "GSSAPI failed on what the server sent: its offer of security layers cannot be opened",
            "", f);
    return r;
}

static int wrap(void *context, const void *data, size_t n, Buffer *out, Failure *f)
{
    Context *c = context;
    gss_buffer_desc input = {n, (void *)data}, output = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor,
        major = c->library.wrap(&minor, c->context, 0, GSS_C_QOP_DEFAULT, &input, NULL, &output);
    int r = take_buffer(&c->library, &output, out);

    if (GSS_ERROR(major))
        return fail(&c->library, major, minor, "GSSAPI cannot make its last answer", "", f);
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
    return fail(l, major, minor, what, "check user, host and kerberos_service", f);
}

/* Where tickets that a keytab gives are kept: in memory, and elsewhere for another user or keytab.
 */
static void name_cache(const RelayConfig *relay, char *ret, size_t n)
{
    struct stat st = {0};

    (void)stat(relay->kerberos_keytab, &st);
    snprintf(ret, n, "MEMORY:outbox-%.200s-%.200s-%llu-%lld", relay->name ?: "", relay->user ?: "",
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
        name_cache(relay, cache, sizeof(cache));
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
        relay->user ?: "the relay's user", relay->kerberos_keytab ? " by the keytab " : "",
        relay->kerberos_keytab ?: "");
    return fail(&m->library, major, minor, what,
        "run kinit as the user of outboxd, or have kerberos_keytab name a keytab of the user's", f);
}

static int find_credential(Making *m, Failure *f)
{
    gss_name_t client = GSS_C_NO_NAME;
    OM_uint32 minor;
    int r =
        m->relay->user ? import(&m->library, m->relay->user, m->library.principal, &client, f) : 0;

    if (r >= 0)
        r = acquire(m, client, f);
    if (client != GSS_C_NO_NAME)
        (void)m->library.release_name(&minor, &client);
    return r;
}

/* smtp@HOST unless it is said. */
static int name_service(Making *m)
{
    const RelayConfig *relay = m->relay;
    const char *host = relay->tls_name ?: relay->host;
    _cleanup_free_
    char *ascii = NULL;

    if (relay->kerberos_service) {
        m->service = strdup(relay->kerberos_service);
        return m->service ? 0 : -ENOMEM;
    }
    if (domain_to_ascii(host, &ascii) == -ENOMEM)
        return -ENOMEM;
    return asprintf(&m->service, "smtp@%s", ascii ?: host) < 0 ? -ENOMEM : 0;
}

static int make_context(const Making *m, Context **ret, Failure *f)
{
    _cleanup_(context_free_p) Context *c = calloc(1, sizeof(Context));
    const Library *l = &m->library;
    gss_OID kind = strchr(m->service, '/') ? l->principal : l->service;
    OM_uint32 minor, major;
    char what[512];
    int r;

    if (!c)
        return -ENOMEM;
    c->library = *l;
    c->credential = m->credential;
    r = import(l, m->service, kind, &c->target, f);
    if (r < 0)
        return r;
    major = l->init_sec_context(&minor, m->credential, &c->context, c->target, l->mechanism,
        WANTED_FLAGS, 0, GSS_C_NO_CHANNEL_BINDINGS, GSS_C_NO_BUFFER, NULL, &c->first, NULL, NULL);
    if (GSS_ERROR(major)) {
        snprintf(
            what, sizeof(what), "no Kerberos ticket for the service %.200s can be had", m->service);
        return fail(l, major, minor, what,
            "check with `kinit` and `kvno` as the user of outboxd; kerberos_service names another "
            "service",
            f);
    }
    *ret = TAKE_PTR(c);
    return 0;
}

int tickets_fetch(const RelayConfig *relay, Tickets **ret, Failure *f)
{
    _cleanup_(tickets_free_p) Tickets *tickets = calloc(1, sizeof(Tickets));
    Making m = {.relay = relay};
    int r;

    if (!tickets)
        return -ENOMEM;
    r = load(&m.library, f) ?: name_service(&m) ?: find_credential(&m, f);
    tickets->library = m.library;
    tickets->credential = m.credential;
    for (size_t i = 0; i < CONTEXTS && r >= 0; i++)
        r = make_context(&m, &tickets->contexts[i], f);
    free(m.service);
    if (r < 0)
        return r;
    tickets->gssapi = (SmtpGssapi){tickets, begin, step, unwrap, wrap, end};
    *ret = TAKE_PTR(tickets);
    return 0;
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

const SmtpGssapi *tickets_gssapi(const Tickets *tickets)
{
    return tickets ? &tickets->gssapi : NULL;
}
