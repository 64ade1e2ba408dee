/* The lines of a client's commands, taken apart (RFC 5321, 4.1.1 and 4.1.2). Nothing is judged here
 * but the form. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Octets of a line with its end. RFC 5321 (4.5.3.1.4) names 512, and extensions add to that; an
 * address of 900 octets and its ORCPT have room. */
#define RECEIVE_LINE_MAX 4096

/* Takes the verb off a line, which is cut behind it; *ret is what follows, without the blanks
 * around it. */
char *receive_split_verb(char *line, char **ret);

/* Takes the path off what stands behind "FROM:" or "TO:": "<" address ">", whose source route is
 * dropped (RFC 5321, 4.1.1.3). *ret_rest are the parameters. NULL: there is no path. */
char *receive_split_path(char *text, char **ret_rest);

/* One parameter of MAIL or RCPT. */
typedef struct ReceiveParameter {
    const char *keyword, *value; /* NULL: it has none */
} ReceiveParameter;

/* Takes the next one off. 1; 0: there is none any more; -EINVAL: this is none. */
int receive_next_parameter(char **text, ReceiveParameter *ret);

/* "n" or "n LAST" of BDAT. */
bool receive_parse_chunk(const char *text, unsigned long long *ret_bytes, bool *ret_last);

/* Digits alone, below 2^60. */
bool receive_parse_number(const char *text, size_t n, unsigned long long *ret);
