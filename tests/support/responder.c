/* An HTTP server with canned answers. */
#include "responder.h"

#include <check.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "server.h"

#define PATHS_MAX 12
#define PATIENCE_MSEC 120000

typedef struct Page {
    char path[32];
    ResponderWay way;
    unsigned char *body;
    size_t n;
    unsigned count;
} Page;

struct Responder {
    pthread_t thread;
    int listen_fd, stop_fds[2];
    uint16_t port;
    pthread_mutex_t lock;
    Page pages[PATHS_MAX];
    size_t n_pages;
};

static Page *find(Responder *responder, const char *path)
{
    for (size_t i = 0; i < responder->n_pages; i++)
        if (strcmp(responder->pages[i].path, path) == 0)
            return &responder->pages[i];
    return NULL;
}

void responder_put(
    Responder *responder, const char *path, ResponderWay way, const void *body, size_t n)
{
    Page *page;

    pthread_mutex_lock(&responder->lock);
    page = find(responder, path);
    if (!page) {
        ck_assert_uint_lt(responder->n_pages, PATHS_MAX);
        page = &responder->pages[responder->n_pages++];
        snprintf(page->path, sizeof(page->path), "%s", path);
    }
    free(page->body);
    page->way = way;
    page->count = 0;
    page->n = n;
    page->body = malloc(n + 1);
    if (n > 0)
        memcpy(page->body, body, n);
    pthread_mutex_unlock(&responder->lock);
}

unsigned responder_count(Responder *responder, const char *path)
{
    unsigned count;
    const Page *page;

    pthread_mutex_lock(&responder->lock);
    page = find(responder, path);
    count = page ? page->count : 0;
    pthread_mutex_unlock(&responder->lock);
    return count;
}

/* False when the test is over. */
static bool wait_for(Responder *responder, int fd)
{
    struct pollfd p[] = {
        {.fd = fd, .events = POLLIN}, {.fd = responder->stop_fds[0], .events = POLLIN}};

    return poll(p, 2, PATIENCE_MSEC) > 0 && p[1].revents == 0;
}

/* The header and as much as it says behind it. */
static bool read_request(Responder *responder, int fd, char path[static 32])
{
    char text[4096], *end = NULL, *length;
    size_t n = 0, wanted = SIZE_MAX;

    while (n < MIN(wanted, sizeof(text) - 1) && wait_for(responder, fd)) {
        ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);

        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = '\0';
        end = end ?: strstr(text, "\r\n\r\n");
        if (end && wanted == SIZE_MAX) {
            length = strcasestr(text, "Content-Length: ");
            wanted = (size_t)(end + 4 - text) + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    return end && sscanf(text, "%*s %31s", path) == 1;
}

static void say(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

/* A sequence of two gigabytes, as much of it as the client takes. */
static void say_without_end(int fd)
{
    static const char head[] = "HTTP/1.0 200 OK\r\n\r\n\x30\x84\x7f\xff\xff\xff";
    static const char zeros[65536];

    say(fd, head, sizeof(head) - 1);
    for (unsigned i = 0; i < 1024 && send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0; i++)
        ;
}

static void serve_one(Responder *responder, int fd)
{
    char path[32], head[128];
    Page page = {0};
    const Page *found;
    int n;

    if (!read_request(responder, fd, path))
        return;
    pthread_mutex_lock(&responder->lock);
    found = find(responder, path);
    if (found) {
        ++find(responder, path)->count;
        page = *found;
        page.body = malloc(page.n + 1);
        memcpy(page.body, found->body, page.n);
    }
    pthread_mutex_unlock(&responder->lock);
    if (found && page.way == RESPONDER_HANGS) {
        while (wait_for(responder, fd) && recv(fd, head, sizeof(head), 0) > 0)
            ;
    } else if (found && page.way == RESPONDER_ENDLESS) {
        say_without_end(fd);
    } else if (!found || page.way != RESPONDER_CLOSES) {
        n = snprintf(head, sizeof(head), "HTTP/1.0 %s\r\nContent-Length: %zu\r\n\r\n",
            !found                        ? "404 Not Found"
            : page.way == RESPONDER_FAILS ? "503 Service Unavailable"
                                          : "200 OK",
            page.n);
        say(fd, head, (size_t)n);
        say(fd, page.body, page.n);
    }
    free(page.body);
}

static void *serve(void *argument)
{
    Responder *responder = argument;

    while (wait_for(responder, responder->listen_fd)) {
        int fd = accept(responder->listen_fd, NULL, NULL);

        if (fd < 0)
            continue;
        serve_one(responder, fd);
        close(fd);
    }
    return NULL;
}

Responder *responder_start(void)
{
    Responder *responder = calloc(1, sizeof(Responder));
    sigset_t all, before;

    ck_assert_ptr_nonnull(responder);
    pthread_mutex_init(&responder->lock, NULL);
    responder->listen_fd = test_listen(16, &responder->port);
    ck_assert_int_eq(pipe(responder->stop_fds), 0);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ck_assert_int_eq(pthread_create(&responder->thread, NULL, serve, responder), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return responder;
}

uint16_t responder_port(const Responder *responder)
{
    return responder->port;
}

void responder_stop(Responder *responder)
{
    close(responder->stop_fds[1]);
    pthread_join(responder->thread, NULL);
    close(responder->stop_fds[0]);
    close(responder->listen_fd);
    for (size_t i = 0; i < responder->n_pages; i++)
        free(responder->pages[i].body);
    pthread_mutex_destroy(&responder->lock);
    free(responder);
}

unsigned char *test_ocsp_new(const OcspSpec *spec, size_t *ret_n)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), spec->about->x509, spec->issuer->x509);
    ASN1_TIME *from = X509_gmtime_adj(NULL, spec->from_seconds);
    ASN1_TIME *to = X509_gmtime_adj(NULL, spec->to_seconds);
    OCSP_RESPONSE *response;
    unsigned char *der = NULL;
    int n;

    ck_assert_ptr_nonnull(OCSP_basic_add1_status(basic, id, spec->status,
        OCSP_REVOKED_STATUS_KEYCOMPROMISE, from, from, spec->to_seconds != 0 ? to : NULL));
    ck_assert_int_eq(
        OCSP_basic_sign(basic, spec->signer->x509, spec->signer->key, EVP_sha256(), NULL, 0), 1);
    response = spec->error != 0 ? OCSP_response_create(spec->error, NULL)
                                : OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    n = i2d_OCSP_RESPONSE(response, &der);
    ck_assert_int_gt(n, 0);
    *ret_n = (size_t)n;
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return der;
}

unsigned char *test_crl_new(const CrlSpec *spec, size_t *ret_n)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, spec->from_seconds);
    ASN1_TIME *to = X509_gmtime_adj(NULL, spec->to_seconds);
    X509_REVOKED *entry;
    unsigned char *der = NULL;
    FILE *file;
    int n;

    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(spec->issuer->x509));
    X509_CRL_set1_lastUpdate(list, from);
    X509_CRL_set1_nextUpdate(list, to);
    if (spec->revoked) {
        entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(spec->revoked->x509));
        X509_REVOKED_set_revocationDate(entry, from);
        X509_CRL_add0_revoked(list, entry);
    }
    X509_CRL_sort(list);
    ck_assert_int_gt(X509_CRL_sign(list, spec->signer->key, EVP_sha256()), 0);
    n = i2d_X509_CRL(list, &der);
    ck_assert_int_gt(n, 0);
    *ret_n = (size_t)n;
    if (spec->path) {
        file = fopen(spec->path, "w");
        ck_assert_int_eq(PEM_write_X509_CRL(file, list), 1);
        fclose(file);
    }
    X509_CRL_free(list);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return der;
}
