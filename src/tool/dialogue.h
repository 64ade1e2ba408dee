/* Printing the dialogue with a relay, for -v. */
#pragma once

#include "smtp/session.h"

/* An SmtpTrace that prints to standard error: "> " what was sent, "< " what came, "* " what is to
 * be known. */
void dialogue_print(void *user, SmtpTraceDirection direction, const char *line, size_t n);
