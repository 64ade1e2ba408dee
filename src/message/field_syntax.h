/* What the fields of a header may hold (RFC 5322, 3.6; RFC 2045; RFC 2369 and others), as far as
 * one that is given as text has to be known to be written right. Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum FieldSyntax {
    SYNTAX_TEXT,       /* unstructured: encoded words may stand anywhere */
    SYNTAX_ADDRESSES,  /* address lists: in display names alone */
    SYNTAX_ASCII,      /* nowhere */
    SYNTAX_DATE,       /* RFC 5322, 3.3 */
    SYNTAX_ID,         /* one msg-id (RFC 5322, 3.6.4) */
    SYNTAX_IDS,        /* one or more */
    SYNTAX_PHRASES,    /* a comma list of phrases (RFC 5322, 3.6.5) */
    SYNTAX_LIST_ID,    /* a phrase and <...> (RFC 2919, 3) */
    SYNTAX_PARAMETERS, /* a value and parameters (RFC 2045, 5.1; RFC 2231) */
    SYNTAX_TYPE,       /* the same, the value being a content type */
    SYNTAX_REFUSED,    /* none of the author's: it is written, or left out, on the way */
} FieldSyntax;

typedef struct FieldRule {
    const char *name; /* a "*" at its end stands for anything; NULL: any other field */
    FieldSyntax syntax;
    bool once;        /* may stand in a header once */
    bool originators; /* whatever stands around <...> is a name: "Lee, Ann <a@b>" is one person */
    bool single;      /* has one address (RFC 5322, 3.6.2) */
} FieldRule;

/* Never NULL. */
const FieldRule *field_rule(const char *name, size_t n);

/* "<left@right>", without blanks. */
bool field_is_id(const char *text);

/* What may stand in <...> of a Content-ID, and in the "cid:" of an HTML text, without being encoded
 * there: with or without an "@". */
bool field_is_content_id(const char *text);
