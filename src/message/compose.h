/* Writing a message (RFC 5322, MIME) from its parts: all of it 7-bit, but for addresses that cannot
 * be (RFC 6532), its lines no longer than RFC 5322 allows.
 *
 * compose_open() reads the header's parts, makes the header and opens what the body is made of;
 * composed_read() then gives the message in pieces, so that one of any size needs little memory.
 * compose_message() does both at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/failure.h"
#include "message/envelope.h"

/* ---- where text and files come from ---- */

typedef enum ComposeOrigin {
    COMPOSE_NOTHING,
    COMPOSE_MEMORY,
    COMPOSE_FILE,
    COMPOSE_DESCRIPTOR, /* from where its offset stands to its end */
    COMPOSE_CALLBACK,
} ComposeOrigin;

/* Everything borrowed, and needed until the Composed is freed. A descriptor and a callback can be
 * read once. */
typedef struct ComposeSource {
    ComposeOrigin origin;
    const char *data; /* COMPOSE_MEMORY */
    size_t n;
    const char *path; /* COMPOSE_FILE; what a descriptor or callback is called in a Failure, or NULL
                       */
    bool waits;       /* COMPOSE_FILE: it may be a pipe, which is waited for */
    int fd;           /* COMPOSE_DESCRIPTOR */
    /* COMPOSE_CALLBACK: up to `n` bytes; 0 at the end; a negative errno. `close` may be NULL. */
    ssize_t (*read)(void *user, void *to, size_t n);
    void (*close)(void *user);
    void *user;
    bool closes; /* the descriptor or callback is closed with the Composed, read or not
                    (CloseStreamAfterTransfer); never when compose_open() failed */
} ComposeSource;

static inline ComposeSource compose_bytes(const void *data, size_t n)
{
    return (ComposeSource){.origin = COMPOSE_MEMORY, .data = data, .n = n};
}

static inline ComposeSource compose_text(const char *text) /* NULL: nothing */
{
    return text ? compose_bytes(text, strlen(text)) : (ComposeSource){0};
}

static inline ComposeSource compose_file(const char *path)
{
    return (ComposeSource){.origin = COMPOSE_FILE, .path = path};
}

#define COMPOSE_FILE_MAX ((uint64_t)1 << 30) /* bytes of a text or an attachment */

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
    const char *type;       /* "type/subtype; name=value"; NULL: by the name */
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
    const char *date;                     /* "*" or NULL: `now`; "": none; else as given */
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

/* ---- what comes of it ---- */

/* A message of which the header is made. Its file has LF line ends, and begins with its envelope
 * block (X-Sender, X-Receiver). */
typedef struct Composed Composed;

/* 0; -EBADMSG with a Failure that names the part and says what is wrong (ERROR_NO_SENDER,
 * ERROR_NO_RECIPIENT, ERROR_CHARSET for what is not UTF-8 or what the header's character set lacks,
 * ERROR_MESSAGE; ERROR_ATTACHMENT and ERROR_FILE name the file); -ENOMEM. The caller frees *ret. */
int compose_open(const Compose *compose, Composed **ret, Failure *f);
void composed_free(Composed *composed); /* accepts NULL */

DEFINE_CLEANUP(Composed, composed_free);

/* Who it is from and for. */
const Envelope *composed_envelope(const Composed *composed);

/* Bytes of the envelope block that the file begins with. */
size_t composed_envelope_size(const Composed *composed);

/* The header, with the empty line that ends it: the text that stands in the file behind the
 * envelope block. Of a raw message, nothing. */
const Buffer *composed_header(const Composed *composed);

typedef struct ComposeField {
    char *name;  /* in its case */
    char *value; /* on one line */
} ComposeField;

/* The header's fields in their order. The array is the Composed's. 0 or -ENOMEM. */
int composed_fields(Composed *composed, const ComposeField **ret, size_t *ret_n);

/* Appends some of the file, about `wanted` bytes. 1, 0 at its end; -EBADMSG with a Failure:
 * ERROR_ATTACHMENT or ERROR_FILE where a file cannot be read or has changed meanwhile,
 * ERROR_CHARSET or ERROR_MESSAGE where it turned out to be no text; -ENOMEM. After a failure the
 * message is lost. */
int composed_read(Composed *composed, size_t wanted, Buffer *out, Failure *f);

/* From now on what is read of the body, as it is transferred, is kept; and what there is of it. */
void composed_keep_body(Composed *composed);
const Buffer *composed_body(const Composed *composed);

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
