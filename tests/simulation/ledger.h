/* The books: what relays took over, which replies were read, and what the store has on record. */
#pragma once

#include <stdbool.h>

void ledger_begin(void);
void ledger_end(void);

/* A relay has taken a message over for these recipients (bits). What it says of that cannot be
 * `countable` behind a line that is no reply. `late`: the client had gone already, and could not
 * call back what it had sent. Returns the acceptance's number, from 1. */
unsigned ledger_accept(unsigned message, unsigned recipients, bool countable, bool late);

/* The reply to it has been read; it had come, and was not read. */
void ledger_read(unsigned acceptance);
void ledger_unread(unsigned acceptance);

/* Bits of recipients that some relay has taken over. */
unsigned ledger_accepted(unsigned message);

/* It is on record that these have it. */
void ledger_recorded(unsigned message, unsigned recipients);

/* What is not on record may be sent again: the process has crashed, or may not write any more. */
void ledger_excuse(unsigned message);
void ledger_excuse_all(void);

/* Another process has taken it over, and may send it as well, from now on. */
void ledger_share(unsigned message);

/* The process ended in order, with nothing in the way of the store. */
void ledger_ended(void);

unsigned ledger_count(void);
