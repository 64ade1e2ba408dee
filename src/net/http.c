/* Reading an HTTP response. Must never keep more of it than its limits say. */
#include "net/http.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define VERSION "HTTP/1."

int http_response_init(HttpResponse *r, size_t max)
{
    *r = (HttpResponse){.max = max};
    return buffer_reserve(&r->body, MIN(max, HTTP_BODY_RESERVED) + 1) ? 0 : -ENOMEM;
}

void http_response_done(HttpResponse *r)
{
    if (r->body.memory)
        explicit_bzero(r->body.memory, r->body.allocated);
    buffer_done(&r->body);
    buffer_done(&r->line);
    free(r->location);
    free(r->type);
    *r = (HttpResponse){0};
}

/* "HTTP/1.1 200 OK"; 1xx is followed by the response itself. */
static int take_status(HttpResponse *r, const char *line)
{
    const char *code = line + strlen("HTTP/1.1 ");

    if (strncmp(line, VERSION, strlen(VERSION)) != 0 || strlen(line) < strlen("HTTP/1.1 200") ||
        line[8] != ' ')
        return -EBADMSG;
    for (size_t i = 0; i < 3; i++)
        if (code[i] < '0' || code[i] > '9')
            return -EBADMSG;
    if (code[3] != '\0' && code[3] != ' ')
        return -EBADMSG;
    r->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + code[2] - '0';
    r->part = HTTP_PART_FIELDS;
    r->chunked = r->has_length = false;
    return r->status >= 100 ? 0 : -EBADMSG;
}

static int read_number(const HttpResponse *r, const char *text, unsigned base, size_t *ret)
{
    size_t n = 0, digits = 0;

    for (; *text; text++, digits++) {
        char c = text_fold(*text);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;

        if (digit >= base)
            break;
        n = n * base + digit;
        if (n > r->max)
            return -EMSGSIZE;
    }
    text += strspn(text, " \t");
    if (digits == 0 || (*text != '\0' && (base == 10 || *text != ';')))
        return -EBADMSG;
    *ret = n;
    return 0;
}

static int take_length(HttpResponse *r, const char *value)
{
    size_t n;
    int result = read_number(r, value, 10, &n);

    if (result < 0)
        return result;
    if (r->has_length && n != r->left)
        return -EBADMSG;
    r->has_length = true;
    r->left = n;
    return 0;
}

/* The first of its name. */
static int keep(char **field, const char *value)
{
    if (!*field)
        *field = strdup(value);
    return *field ? 0 : -ENOMEM;
}

static int take_field(HttpResponse *r, const char *line)
{
    const char *colon = strchr(line, ':'), *value;
    size_t n;

    if (!colon || colon == line)
        return -EBADMSG;
    n = (size_t)(colon - line);
    value = colon + 1 + strspn(colon + 1, " \t");
    if (n == 14 && text_starts_nocase(line, "Content-Length"))
        return take_length(r, value);
    if (n == 17 && text_starts_nocase(line, "Transfer-Encoding")) {
        r->chunked = text_equal_nocase(value, "chunked");
        return r->chunked ? 0 : -EBADMSG;
    }
    if (n == 8 && text_starts_nocase(line, "Location"))
        return keep(&r->location, value);
    if (n == 12 && text_starts_nocase(line, "Content-Type"))
        return keep(&r->type, value);
    return 0;
}

/* The empty line behind the fields. */
static void begin_body(HttpResponse *r)
{
    if (r->status / 100 == 1)
        r->part = HTTP_PART_STATUS;
    else if (r->chunked)
        r->part = HTTP_PART_CHUNK_SIZE;
    else if (r->status == 204 || r->status == 304 || (r->has_length && r->left == 0))
        r->part = HTTP_PART_END;
    else
        r->part = HTTP_PART_BODY;
}

static int take_chunk_size(HttpResponse *r, const char *line)
{
    int result = read_number(r, line, 16, &r->left);

    if (result == 0)
        r->part = r->left > 0 ? HTTP_PART_CHUNK : HTTP_PART_TRAILER;
    return result;
}

static int take_line(HttpResponse *r, const char *line)
{
    switch (r->part) {
    case HTTP_PART_STATUS: return take_status(r, line);
    case HTTP_PART_FIELDS:
        if (*line)
            return take_field(r, line);
        begin_body(r);
        return 0;
    case HTTP_PART_CHUNK_SIZE: return take_chunk_size(r, line);
    case HTTP_PART_CHUNK_END: r->part = HTTP_PART_CHUNK_SIZE; return *line ? -EBADMSG : 0;
    case HTTP_PART_TRAILER:
        if (!*line)
            r->part = HTTP_PART_END;
        return 0;
    case HTTP_PART_BODY:
    case HTTP_PART_CHUNK:
    case HTTP_PART_END: break;
    }
    return -EBADMSG;
}

/* Whether lines are more than their limit. */
static bool count_line(HttpResponse *r, size_t n)
{
    bool frame = r->part == HTTP_PART_CHUNK_SIZE || r->part == HTTP_PART_CHUNK_END;

    *(frame ? &r->frames : &r->head) += n;
    return r->head > HTTP_HEAD_MAX || r->frames > HTTP_FRAMES_MAX(buffer_size(&r->body)) ||
           buffer_size(&r->line) + n > HTTP_HEAD_MAX;
}

/* Adds a part of a line, and takes it when its end has come. How much was used. */
static int feed_line(HttpResponse *r, const char *data, size_t n, size_t *ret_used)
{
    const char *end = memchr(data, '\n', n);
    size_t size = end ? (size_t)(end - data) : n;
    int result;

    if (count_line(r, end ? size + 1 : size))
        return -EMSGSIZE;
    result = buffer_append(&r->line, data, size);
    *ret_used = end ? size + 1 : size;
    if (result < 0 || !end)
        return result;
    size = buffer_size(&r->line);
    if (size > 0 && buffer_data(&r->line)[size - 1] == '\r')
        buffer_truncate(&r->line, --size);
    if (size > 0 && memchr(buffer_data(&r->line), '\0', size))
        return -EBADMSG;
    result = buffer_append(&r->line, "", 1);
    if (result == 0)
        result = take_line(r, buffer_data(&r->line));
    buffer_clear(&r->line);
    return result;
}

static int feed_body(HttpResponse *r, const char *data, size_t n, size_t *ret_used)
{
    bool bounded = r->part == HTTP_PART_CHUNK || r->has_length;
    size_t size = bounded ? MIN(n, r->left) : n;
    int result;

    if (size > r->max - buffer_size(&r->body))
        return -EMSGSIZE;
    result = buffer_append(&r->body, data, size);
    *ret_used = size;
    if (!bounded || result < 0)
        return result;
    r->left -= size;
    if (r->left == 0)
        r->part = r->part == HTTP_PART_CHUNK ? HTTP_PART_CHUNK_END : HTTP_PART_END;
    return 0;
}

int http_response_feed(HttpResponse *r, const char *data, size_t n)
{
    while (n > 0 && r->part != HTTP_PART_END) {
        bool body = r->part == HTTP_PART_BODY || r->part == HTTP_PART_CHUNK;
        size_t used = 0;
        int result = body ? feed_body(r, data, n, &used) : feed_line(r, data, n, &used);

        if (result < 0)
            return result;
        data += used;
        n -= used;
    }
    return r->part == HTTP_PART_END;
}

/* Whether the line that is not whole may yet become a status line. */
static bool may_be_status(const HttpResponse *r)
{
    size_t n = MIN(buffer_size(&r->line), strlen(VERSION));

    return n == 0 || memcmp(buffer_data(&r->line), VERSION, n) == 0;
}

static int judge_end(const HttpResponse *r)
{
    if (r->part == HTTP_PART_END || (r->part == HTTP_PART_BODY && !r->has_length))
        return 0;
    if (r->part == HTTP_PART_STATUS && r->head == 0)
        return -ENODATA;
    return r->part == HTTP_PART_STATUS && !may_be_status(r) ? -EBADMSG : -ECONNRESET;
}

int http_response_end(HttpResponse *r)
{
    int result = judge_end(r);

    r->part = HTTP_PART_END;
    return result;
}

bool http_status_passes(int status)
{
    return status / 100 == 5 || status == 408 || status == 425 || status == 429;
}

bool http_response_is_open(const HttpResponse *r)
{
    return !r->chunked && !r->has_length;
}
