/* The names of this machine: the settings of `local`, the file of aliases, and what
 * the system is called. */
#pragma once

#include "message/aliases.h"
#include "settings/config.h"
#include "settings/from_rules.h"

typedef struct Local {
    Config *config;
    Aliases *aliases;
    const char *unread;    /* why the file of aliases could not be read; NULL: it could */
    char *domain;          /* of senders, never NULL */
    bool is_known;         /* others can know it: recipients get it, too */
    char *full, node[256]; /* this host's names; `full` NULL: it has none */
    const char *own[5];    /* domains that are this machine, NULL-terminated */
    LocalNames names;
    FromRules *from; /* NULL: addresses stay */
} Local;

/* Reads them. Where a configuration that nobody named cannot be read the defaults hold. 0 or a
 * negative errno with a Failure; to be done in any case. */
int local_open(const char *config_path, Local *ret, Failure *f);

/* The same for who has them already, and reads them anew: what this host is called, which a name
 * server may have to be asked for, is not asked again. */
int local_open_again(const char *config_path, const Local *before, Local *ret, Failure *f);
void local_done(Local *local);

/* Whether each line of the file of aliases is one, and each rule can be followed: not in a circle,
 * and what is included can be read. 0; -EBADMSG with a Failure that names each that is not, in a
 * line of its own; -ENOMEM. */
int local_check(const Local *local, Failure *f);

#define _cleanup_local_ _cleanup_(local_done)
