/* OpenSSL's way to a socket of ours, or to what stands in its place. */
#pragma once

#include <openssl/bio.h>

#include "net/tls.h"

/* The method for tls_bio_new(); one a context. NULL when memory is short; BIO_meth_free(). */
BIO_METHOD *tls_bio_method_new(void);

/* Both are borrowed; `carrier` NULL: the descriptor. NULL when memory is short. */
BIO *tls_bio_new(const BIO_METHOD *method, int fd, const TlsCarrier *carrier);

/* From now on, what OpenSSL reads is what was taken in before, and what it writes waits: it may be
 * on a thread of its own meanwhile. Until
 * tls_bio_release(), behind which what was taken in is still read first. */
void tls_bio_hold(BIO *bio);
void tls_bio_release(BIO *bio);

/* Takes in what has come, as much as a few records have: 1, or 0 when nothing has. The end of data
 * and an error are something, too. Or -ENOMEM. */
int tls_bio_fill(BIO *bio);
/* Sends what waits: 0, -EAGAIN when some of it still does, or another negative errno. */
int tls_bio_flush(BIO *bio);

/* Whether something was taken in that nobody has read. */
bool tls_bio_pending(BIO *bio);
