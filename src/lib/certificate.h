/* The inside of a certificate, for src/lib alone. */
#pragma once

#include <outbox/certificate.h>
#include <sys/types.h>

#include "certificate/certificate.h"

struct OutboxCertificate {
    pid_t process; /* whose it is */
    Certificate *certificate;
    char *texts[CERTIFICATE_FIELD_MAX + 1]; /* as they were asked for; NULL: not yet */
};

/* Takes over the reference. NULL when memory is short, or without one. */
OutboxCertificate *certificate_wrap(Certificate *certificate);

/* Returns NULL. */
OutboxCertificate *certificate_free(OutboxCertificate *certificate);
