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
void shares_look(Shares *shares, Spool *spool);

/* The share of that owner. Where there are more owners at a time than shares, one who has none gets
 * that with the fewest names, behind them, and whose it was gets another for his next ones: so
 * nobody comes behind one who has many. */
unsigned shares_of_owner(Shares *shares, const NameTable *table, uid_t owner);

/* That of the file's owner; any when he is not known, for it is gone. */
unsigned shares_of(
    Shares *shares, const NameTable *table, const Spool *spool, const char *id, SpoolState state);
