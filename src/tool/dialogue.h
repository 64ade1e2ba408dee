/* Printing what is said to and by a relay. */
#pragma once

#include <stdio.h>

#include "smtp/session.h"

/* An SmtpTrace that prints to standard error: "> " what was sent, "< " what came, "* " what is to
 * be known. */
void dialogue_print(void *user, SmtpTraceDirection direction, const char *line, size_t n);

/* Prints a reply line by line: as it was received, or, with `about`, "ABOUT: CODE TEXT". */
void dialogue_print_reply(FILE *out, const char *about, const SmtpReply *reply);
