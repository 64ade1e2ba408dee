/* Text, HTML and files as MIME parts (RFC 2045, 2046, 2387), all of it 7-bit. Inside the layer
 * only. */
#pragma once

#include "message/compose.h"
#include "message/compose_own.h"
#include "message/composed_making.h"
#include "message/field.h"

/* Appends the MIME fields but MIME-Version and the empty line to the header, and what they announce
 * to the pieces. `style` is how fields are written, its buffer aside. 0, -EBADMSG with a Failure,
 * -ENOMEM. */
int compose_body_put(
    const Compose *compose, const FieldOutput *style, Composed *composed, Failure *f);

/* A text of which the user's own fields say what it is. */
typedef struct OwnBody {
    SourceReader reader;
    TextShape shape;
    bool whole; /* the shape is that of all of it */
} OwnBody;

/* Opens it. 0, -EBADMSG with a Failure, -ENOMEM. */
int own_body_open(OwnBody *body, const Compose *compose, Failure *f);

/* Whether it is encoded as the user's fields say, as far as its beginning tells. */
int own_body_check(OwnBody *body, const ComposeOwn *own, Failure *f);
void own_body_done(OwnBody *body);

/* What it is in: "utf-8" where it is that, and no ASCII, as far as it has been seen; else NULL. */
const char *own_body_charset(const OwnBody *body);

/* The user's fields say how it is encoded, too: it goes in as it is, behind the empty line. */
int own_body_put_raw(OwnBody *body, Composed *composed);

/* It is encoded as it needs. `is_text`: it is said to be text; `is_utf8`: it is said to be UTF-8,
 * because own_body_charset() says so. */
int own_body_put(OwnBody *body, bool is_text, bool is_utf8, Composed *composed);

#define _cleanup_own_body_ _cleanup_(own_body_done)
