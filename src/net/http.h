/* The response to one HTTP/1.1 request (RFC 9112), without I/O: its status and its body, both of a
 * stranger's. For a connection that closes behind it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define HTTP_HEAD_MAX ((size_t)16 * 1024) /* of status lines and fields, trailers too */
#define HTTP_BODY_RESERVED ((size_t)64 * 1024)

/* What the sizes of chunks may take up beside a body of so many bytes: any of the sizes that there
 * are in the world, and no more than the body costs itself. */
#define HTTP_FRAMES_MAX(body) (HTTP_HEAD_MAX + (body) / 4)

typedef enum HttpPart {
    HTTP_PART_STATUS, /* the status line */
    HTTP_PART_FIELDS,
    HTTP_PART_BODY,       /* `left` bytes of it, or up to the end of the connection */
    HTTP_PART_CHUNK_SIZE, /* a line */
    HTTP_PART_CHUNK,      /* `left` bytes */
    HTTP_PART_CHUNK_END,  /* the empty line behind it */
    HTTP_PART_TRAILER,
    HTTP_PART_END,
} HttpPart;

/* Begun as http_response_init() leaves it. */
typedef struct HttpResponse {
    int status; /* 0: not yet known */
    Buffer body;
    char *location; /* where a redirect points; NULL: nowhere */
    char *type;     /* Content-Type, or NULL */

    HttpPart part;
    Buffer line;         /* that is not whole yet */
    size_t head, frames; /* bytes of lines so far: of fields, and of chunks */
    size_t left;
    size_t max; /* of the body */
    bool chunked, has_length;
} HttpResponse;

/* For a body of at most `max` bytes, of which up to HTTP_BODY_RESERVED are reserved in one piece,
 * that no copy of a secret is left behind by growing. 0 or -ENOMEM. */
int http_response_init(HttpResponse *response, size_t max);
void http_response_done(HttpResponse *response); /* wipes the body */

/* Takes what was read. 1 when the response is whole, 0 when more must come, -EBADMSG when it is
 * none, -EMSGSIZE when it is too long, -ENOMEM. */
int http_response_feed(HttpResponse *response, const char *data, size_t n);

/* The connection has ended. 0 when the response is whole; -ENODATA: nothing has come at all;
 * -ECONNRESET: it breaks off; -EBADMSG: what has come is none. */
int http_response_end(HttpResponse *response);

/* Whether the status says that the server has trouble of its own, or too much to do (RFC 9110, 15.5
 * and 15.6; RFC 6585, 4; RFC 8470, 5.2). */
bool http_status_passes(int status);

/* Whether nothing but the end of the connection says where the body ends: then one that breaks off
 * looks whole. */
bool http_response_is_open(const HttpResponse *response);
