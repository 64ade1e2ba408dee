/* Writing a message (RFC 5322, MIME) from its parts: all of it 7-bit, but for addresses that cannot
 * be (RFC 6532), its lines no longer than RFC 5322 allows.
 *
 * compose_open() reads the header's parts, makes the header and opens what the body is made of;
 * composed_read() then gives the message in pieces, so that one of any size needs little memory.
 * compose_message() does both at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "message/compose_origin.h"
#include "message/composed.h"

/* ---- the message ---- */

/* The numbers are the component's, here and below. */
typedef enum ComposeKind { COMPOSE_TO, COMPOSE_CC, COMPOSE_BCC } ComposeKind;

typedef struct ComposeRecipient {
    ComposeKind kind;
    const char *address; /* a bare one */
    const char *name;    /* as it is to be read; NULL or "": none */
    const char *options; /* parameters of RCPT, "NOTIFY=SUCCESS,FAILURE" (RFC 3461), blanks between
                          * them; a blank in place of the first "=", too. NULL or "": none */
} ComposeRecipient;

typedef enum ComposeImportance {
    IMPORTANCE_UNSPECIFIED,
    IMPORTANCE_HIGH,
    IMPORTANCE_NORMAL,
    IMPORTANCE_LOW,
} ComposeImportance;

typedef enum ComposePriority {
    PRIORITY_UNSPECIFIED,
    PRIORITY_NORMAL,
    PRIORITY_URGENT,
    PRIORITY_NON_URGENT,
} ComposePriority;

typedef enum ComposeSensitivity {
    SENSITIVITY_UNSPECIFIED,
    SENSITIVITY_PERSONAL,
    SENSITIVITY_PRIVATE,
    SENSITIVITY_COMPANY_CONFIDENTIAL,
} ComposeSensitivity;

typedef struct ComposePart {
    ComposeSource source;
    const char *name;       /* the file's name for the reader; NULL: the path's; "": none */
    const char *type;       /* "type/subtype; name=value"; NULL: by the name, else by the content */
    const char *content_id; /* of an inline part; NULL: its name. Without brackets */
    bool is_inline;         /* is shown within the HTML text, which says "cid:CONTENT-ID" */
} ComposePart;

#define COMPOSE_HEADER_LENGTH 80      /* with the two characters of the line's end */
#define COMPOSE_HEADER_LENGTH_MIN 60  /* an encoded word needs some room */
#define COMPOSE_HEADER_LENGTH_MAX 998 /* RFC 5322, 2.1.1 */

/* How the header is written. */
typedef struct ComposeStyle {
    const char *charset;        /* of encoded words; NULL: UTF-8 */
    bool unfolded;              /* a line is folded only where RFC 5322 asks for it, before 998 */
    unsigned max_header_length; /* a longer line is folded; 0: COMPOSE_HEADER_LENGTH */
    bool allow_empty_to;        /* Cc or Bcc alone will do */
    const char *message_id_algorithm; /* "md5", "sha1", "sha256"; NULL: the last */
    const char *types_file;           /* endings and types; NULL: /etc/mime.types */
} ComposeStyle;

/* Everything borrowed; NULL is "not given"; lists are NULL-terminated or NULL. All text is UTF-8.
 */
typedef struct Compose {
    const char *from;      /* an address with or without display name; required */
    const char *const *to; /* each an RFC 5322 address list */
    const char *const *cc;
    const char *const *bcc;             /* goes into the envelope, never into the header */
    const ComposeRecipient *recipients; /* behind those of the lists */
    size_t n_recipients;
    const char *reply_to;    /* an address list, like the two notifications */
    const char *return_path; /* envelope sender, "" for none, ESMTP parameters allowed behind it;
                              * NULL: the address of `from` */
    const char *subject;
    const char *date;                     /* "*", "now" or NULL: `now`; "": none; else a date of
                                           * RFC 5322 or RFC 3339 */
    const char *message_id;               /* "*" or NULL: generated; "": none; else as given */
    const char *delivery_notification_to; /* Return-Receipt-To */
    const char *read_receipt_to;          /* Disposition-Notification-To */
    ComposeImportance importance;
    ComposePriority priority;
    ComposeSensitivity sensitivity;
    const char *const *headers; /* "Name: value", appended in order. Where the first is
                                 * empty, the others replace the computed header; else
                                 * each replaces the computed field of its name, and the
                                 * envelope stays as it is. With a MIME field among them
                                 * the body goes in as it is. */
    ComposeSource body;         /* text */
    ComposeSource html;         /* the same as HTML, beside the text or alone */
    const ComposePart *parts;   /* what is shown in the HTML, and attached */
    size_t n_parts;
    ComposeSource raw; /* a whole message, which goes out as it stands: of the above only `from`,
                        * `return_path` and the recipients count, and are its envelope */
    usec_t now;
    ComposeStyle style;
} Compose;

/* 0; -EBADMSG with a Failure that names the part and says what is wrong (ERROR_NO_SENDER,
 * ERROR_NO_RECIPIENT, ERROR_CHARSET for what is not UTF-8 or what the header's character set lacks,
 * ERROR_MESSAGE; ERROR_ATTACHMENT and ERROR_FILE name the file); -ENOMEM. The caller frees *ret. */
int compose_open(const Compose *compose, Composed **ret, Failure *f);

/* All of it in memory, appended to `out`; nothing on failure, except with -ENOMEM. Results as of
 * compose_open() and composed_read(). */
int compose_message(const Compose *compose, Buffer *out, Failure *f);

/* ---- words and numbers ---- */

typedef enum ComposeWord { WORD_IMPORTANCE, WORD_PRIORITY, WORD_SENSITIVITY } ComposeWord;

/* The number of a word as the header has it ("high"), as the component has it ("miHigh"), or in
 * digits ("1"), in any case; "" and "unspecified" are 0. -1: it is none of them. */
int compose_word_find(ComposeWord which, const char *text);

/* The header's word; "" for 0, NULL for what is no number of one. */
const char *compose_word_name(ComposeWord which, unsigned number);

/* Cuts a text of header lines into fields, each with its folds, as `headers` has them. An empty
 * first line, after which the fields replace the computed header, is an empty first field;
 * elsewhere it says nothing. `text` is changed, and the fields point into it. 0 with an array that
 * ends with NULL, which the caller frees; -ENOMEM. */
int compose_split_headers(char *text, const char ***ret);
