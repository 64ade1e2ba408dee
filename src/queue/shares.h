/* Whose share of the turns a message takes: that of its file's owner, so that one user's thousands
 * of messages keep nobody else's waiting. In a directory that only its owner can put files into
 * there is one share. */
#pragma once

#include "queue/table.h"
#include "spool/spool.h"

typedef struct Shares {
    bool several; /* others than the directory's owner may put files there */
    uint64_t given;
    uid_t owners[NAME_SHARES]; /* of those that are given */
} Shares;

/* Looks again who may put files there: the mode may have been changed. */
void shares_look(Shares *shares, const Spool *spool);

/* The share of that file; any when its owner is not known, for it is gone. Where there are more
 * owners at a time than shares, some share one. */
unsigned shares_of(
    Shares *shares, const NameTable *table, const Spool *spool, const char *id, SpoolState state);
