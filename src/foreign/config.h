/* The configurations of other mail systems, as one of outbox's that does the same. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

typedef enum ForeignSystem {
    FOREIGN_SYSTEM_NULLMAILER, /* the directory /etc/nullmailer */
    FOREIGN_SYSTEM_MSMTP,      /* msmtprc */
    FOREIGN_SYSTEM_SSMTP,      /* ssmtp.conf */
    FOREIGN_SYSTEM_DMA,        /* dma.conf, and the AUTHPATH that it names */
    FOREIGN_SYSTEM_POSTFIX,    /* main.cf of a null client, or what `postconf -n` prints of it */
    FOREIGN_SYSTEM_MAX,
} ForeignSystem;

/* "nullmailer"; NULL for FOREIGN_SYSTEM_MAX. */
const char *foreign_system_name(ForeignSystem system);

/* FOREIGN_SYSTEM_MAX: there is none of that name. */
ForeignSystem foreign_system_find(const char *name);

/* Where that system has its configuration. */
const char *foreign_system_path(ForeignSystem system);

/* A password that is to be put into a file: the configuration names the file alone. */
typedef struct ForeignSecret {
    char *file; /* its name in the directory of secrets: "password", "password-2" */
    char *text; /* is wiped when it is freed */
} ForeignSecret;

typedef struct ForeignConfig {
    Buffer text; /* of outbox.conf, with comments about what has no match here */
    ForeignSecret *secrets;
    size_t n_secrets;
} ForeignConfig;

/* Reads the configuration at `path`. `account` is msmtp's, NULL the default one; `secrets` the
 * directory that passwords will be in. 0, or a negative errno with a Failure. */
int foreign_config_load(ForeignSystem system, const char *path, const char *account,
    const char *secrets, ForeignConfig *ret, Failure *f);
void foreign_config_done(ForeignConfig *config);
