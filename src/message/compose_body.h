/* The body of a message that is being written, as a tree of MIME parts (RFC 2045). Inside the layer
 * only. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"

typedef struct ComposeBody ComposeBody;

/* Makes the parts: the text, in the plainest encoding that carries it, and the files, if any, in
 * base64. 0; -EBADMSG with a Failure (ERROR_CHARSET; ERROR_ATTACHMENT); -ENOMEM. */
int compose_body_new(
    const char *text, const char *const *attachments, ComposeBody **ret, Failure *f);

/* Appends the MIME fields, an empty line, and the content. 0 or -ENOMEM. */
int compose_body_put(ComposeBody *body, Buffer *out);

/* Appends the text alone with LF line ends, the last line closed. 0 or -ENOMEM. */
int compose_body_put_raw(const char *text, Buffer *out);

void compose_body_free(ComposeBody *body);

DEFINE_CLEANUP(ComposeBody, compose_body_free);
