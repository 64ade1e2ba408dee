/* Asking about revocation beside the loop. Must never have two connections ask the same thing at
 * once, nor one wait for ever. */
#include "net/job_revocation.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "net/certificate.h"

#define GRACE (2 * USEC_PER_SEC) /* for what the job does behind its own deadline */

struct Revocation {
    RevocationMemory *memory;
    RelayConfig *relay;
    unsigned char digest[REVOCATION_DIGEST_BYTES];
    Answer *answer; /* NULL: it is known */
    int fd;
    usec_t deadline;
};

/* ---- the job ---- */

typedef struct RevocationTask {
    RevocationVerdict verdict;
    RelayConfig *relay; /* referenced */
    STACK_OF(X509) * chain;
    unsigned char *stapled;
    size_t stapled_size;
    usec_t patience;
    CommandStop stop;
} RevocationTask;

static void run(void *argument)
{
    RevocationTask *task = argument;
    const RevocationRequest request = {
        .chain = task->chain,
        .stapled = task->stapled,
        .stapled_size = task->stapled_size,
        .check_crl = task->relay->tls_check_crl,
        .check_ocsp = task->relay->tls_check_ocsp,
        .flags = task->relay->tls_security_flags,
        .crl_file = task->relay->tls_crl_file,
        .host = task->relay->host,
        .patience = task->patience,
        .stop = &task->stop,
    };

    revocation_judge(&request, &task->verdict);
}

static void drop(void *argument)
{
    RevocationTask *task = argument;

    revocation_verdict_done(&task->verdict);
    sk_X509_pop_free(task->chain, X509_free);
    (void)relay_config_unref(task->relay);
    free(task->stapled);
    command_stop_done(&task->stop);
    free(task);
}

static void stop(void *argument)
{
    RevocationTask *task = argument;

    command_stop(&task->stop);
}

/* One that hangs, and the one that follows, for each relay. */
static const JobKind kind = {"revocation", run, drop, stop, .limit = 32, .limit_of_key = 2};

/* Of the job's own, from their bytes: those of the connection belong to its TLS context, which may
 * be gone before the job ends. NULL without memory. */
static STACK_OF(X509) * copy_chain(const STACK_OF(X509) * chain)
{
    STACK_OF(X509) *copy = sk_X509_new_null();
    bool good = copy;

    for (int i = 0; i < sk_X509_num(chain) && good; i++) {
        unsigned char *der = NULL;
        int n = i2d_X509(sk_X509_value(chain, i), &der);
        const unsigned char *at = der;
        X509 *one = n > 0 ? d2i_X509(NULL, &at, n) : NULL;

        OPENSSL_free(der);
        good = one && sk_X509_push(copy, one) > 0;
        if (!good)
            X509_free(one);
    }
    if (good)
        return copy;
    sk_X509_pop_free(copy, X509_free);
    return NULL;
}

static RevocationTask *new_task(const RevocationQuestion *question)
{
    RevocationTask *task = calloc(1, sizeof(RevocationTask));

    if (!task)
        return NULL;
    command_stop_init(&task->stop);
    task->relay = relay_config_ref(question->relay);
    task->patience = question->patience;
    task->chain = copy_chain(question->chain);
    if (question->stapled) {
        task->stapled = malloc(MAX(question->stapled_size, (size_t)1));
        task->stapled_size = question->stapled_size;
        if (task->stapled)
            memcpy(task->stapled, question->stapled, question->stapled_size);
    }
    if (task->chain && (task->stapled || !question->stapled))
        return task;
    drop(task);
    return NULL;
}

static int start(const RevocationQuestion *question, Answer **ret)
{
    RevocationTask *task = new_task(question);
    int r = task ? answer_new(question->worker, &kind, task->relay->host, task, ret) : -ENOMEM;

    if (r < 0 && task)
        drop(task);
    return r;
}

/* ---- what is known ---- */

void revocation_memory_done(RevocationMemory *memory)
{
    for (size_t i = 0; i < REVOCATION_KNOWN_MAX; i++)
        failure_done(&memory->known[i].failure);
    (void)answer_unref(memory->running);
    *memory = (RevocationMemory){0};
}

static const RevocationKnown *find(
    const RevocationMemory *memory, const unsigned char *digest, usec_t now)
{
    for (size_t i = 0; i < REVOCATION_KNOWN_MAX; i++)
        if (now < memory->known[i].until &&
            memcmp(memory->known[i].digest, digest, REVOCATION_DIGEST_BYTES) == 0)
            return &memory->known[i];
    return NULL;
}

static void copy_failure(const Failure *from, Failure *to)
{
    (void)failure_set(to, -EACCES, from->number, "%s", failure_text(from));
    to->reason = from->reason;
}

/* Connections that shared the answer note it once each, in the same place. */
static void note(Revocation *revocation, const RevocationVerdict *verdict, usec_t now)
{
    RevocationMemory *memory = revocation->memory;
    RevocationKnown *known;

    if (verdict->lifetime == 0 || verdict->error == -ENOMEM ||
        find(memory, revocation->digest, now))
        return;
    known = &memory->known[memory->next];
    memory->next = (memory->next + 1) % REVOCATION_KNOWN_MAX;
    failure_done(&known->failure);
    memcpy(known->digest, revocation->digest, sizeof(known->digest));
    known->until = usec_add(now, verdict->lifetime);
    known->error = verdict->error;
    if (verdict->error < 0)
        copy_failure(&verdict->failure, &known->failure);
}

static bool digest_of(const STACK_OF(X509) * chain, unsigned char *out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    for (int i = 0; i < sk_X509_num(chain) && good; i++) {
        unsigned char one[CERTIFICATE_SHA256_BYTES];

        good = certificate_digest(sk_X509_value(chain, i), one) &&
               EVP_DigestUpdate(context, one, sizeof(one)) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, out, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* ---- one connection ---- */

static int take_answer(Revocation *revocation, const RevocationQuestion *question, usec_t now)
{
    RevocationMemory *memory = question->memory;
    int r = 0;

    if (memory->running &&
        (answer_result(memory->running, now) ||
            memcmp(memory->digest, revocation->digest, sizeof(memory->digest)) != 0))
        memory->running = answer_unref(memory->running);
    if (!memory->running)
        r = start(question, &memory->running);
    if (r < 0)
        return r;
    memcpy(memory->digest, revocation->digest, sizeof(memory->digest));
    revocation->answer = answer_ref(memory->running);
    revocation->fd = answer_watch(revocation->answer);
    return MIN(revocation->fd, 0);
}

int revocation_new(const RevocationQuestion *question, usec_t now, Revocation **ret)
{
    _cleanup_(revocation_free_p) Revocation *revocation = calloc(1, sizeof(Revocation));
    int r = 0;

    if (!revocation)
        return -ENOMEM;
    revocation->memory = question->memory;
    revocation->relay = question->relay;
    revocation->fd = -1;
    revocation->deadline = usec_add(now, question->patience + GRACE);
    if (!digest_of(question->chain, revocation->digest))
        return -ENOMEM;
    if (!find(question->memory, revocation->digest, now))
        r = take_answer(revocation, question, now);
    if (r >= 0)
        *ret = TAKE_PTR(revocation);
    return r;
}

void revocation_free(Revocation *revocation)
{
    if (!revocation)
        return;
    close_p(&revocation->fd);
    (void)answer_unref(revocation->answer);
    free(revocation);
}

void revocation_waits_for(
    const Revocation *revocation, char ret[static COMMAND_WAITS_MAX], const char **ret_remedy)
{
    RevocationTask *task = revocation->answer ? answer_argument(revocation->answer) : NULL;

    ret[0] = '\0';
    *ret_remedy = NULL;
    if (task)
        command_stop_what(&task->stop, ret, ret_remedy);
}

static int time_out(const Revocation *revocation, Failure *f)
{
    const RelayConfig *relay = revocation->relay;
    bool required =
        relay->tls_check_crl == TLS_CHECK_REQUIRE || relay->tls_check_ocsp == TLS_CHECK_REQUIRE;
    char what[COMMAND_WAITS_MAX];
    const char *remedy;

    if (!required || relay->tls_security_flags & TLS_SECURITY_IGNORE_REVOCATION)
        return 1;
    revocation_waits_for(revocation, what, &remedy);
    return failure_reason(f, REASON_CERTIFICATE_UNCONFIRMED,
        failure_set(f, -ETIMEDOUT, ERROR_TIMEOUT,
            "whether the certificate of %s was revoked could not be found out in time%s%s: %s; or "
            "set tls_check_ocsp and tls_check_crl to \"try\"",
            relay->host, *what ? ", for there is no answer of " : "", what,
            remedy ?: "see whether this host gets to who signed it"));
}

int revocation_step(Revocation *revocation, usec_t now, Failure *f)
{
    const RevocationTask *task = revocation->answer ? answer_result(revocation->answer, now) : NULL;
    const RevocationKnown *known = find(revocation->memory, revocation->digest, now);

    if (task) {
        note(revocation, &task->verdict, now);
        if (task->verdict.error < 0)
            copy_failure(&task->verdict.failure, f);
        return task->verdict.error < 0 ? task->verdict.error : 1;
    }
    if (known) {
        if (known->error < 0)
            copy_failure(&known->failure, f);
        return known->error < 0 ? known->error : 1;
    }
    return now < revocation->deadline ? 0 : time_out(revocation, f);
}

int revocation_fd(const Revocation *revocation)
{
    return revocation->fd;
}

usec_t revocation_deadline(const Revocation *revocation)
{
    return revocation->deadline;
}

void revocation_put_off(Revocation *revocation, usec_t time)
{
    revocation->deadline = usec_add(revocation->deadline, time);
}
