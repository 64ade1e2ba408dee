/* Reading one request. Must never take what is no request for one. */
#include "tool/scrape.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"

/* A piece of the request; it is never copied. */
typedef struct Piece {
    const char *data;
    size_t n;
} Piece;

static const struct {
    const char *status, *words;
} answers[] = {
    [SCRAPE_METRICS] = {"200 OK", ""},
    [SCRAPE_WRONG] = {"400 Bad Request", "This is no request of HTTP/1.1.\n"},
    [SCRAPE_NOT_FOUND] = {"404 Not Found", "There is nothing here but /metrics.\n"},
    [SCRAPE_NO_METHOD] = {"405 Method Not Allowed", "GET and HEAD are all that can be asked.\n"},
    [SCRAPE_TOO_LATE] = {"408 Request Timeout", "The request did not come in time.\n"},
    [SCRAPE_TOO_LARGE] = {"431 Request Header Fields Too Large", "The request is too large.\n"},
    [SCRAPE_UNAVAILABLE] = {"503 Service Unavailable",
        "The queue directory could not be looked at; the journal of this machine says why.\n"},
    [SCRAPE_NO_VERSION] = {"505 HTTP Version Not Supported", "HTTP/1.1 is spoken here.\n"},
};

const char *scrape_words(ScrapeKind kind)
{
    return answers[kind].words;
}

/* ---- pieces ---- */

static bool is(Piece piece, const char *word)
{
    return piece.n == strlen(word) && strncasecmp(piece.data, word, piece.n) == 0;
}

static bool equals(Piece piece, const char *word)
{
    return piece.n == strlen(word) && memcmp(piece.data, word, piece.n) == 0;
}

static bool begins(Piece piece, const char *word)
{
    return piece.n >= strlen(word) && strncasecmp(piece.data, word, strlen(word)) == 0;
}

static Piece strip(Piece piece)
{
    while (piece.n > 0 && (*piece.data == ' ' || *piece.data == '\t'))
        piece.data++, piece.n--;
    while (piece.n > 0 && (piece.data[piece.n - 1] == ' ' || piece.data[piece.n - 1] == '\t'))
        piece.n--;
    return piece;
}

/* What is before the next `end`, which is cut off with it; all of it where there is none. */
static Piece cut(Piece *rest, char end)
{
    const char *at = rest->n > 0 ? memchr(rest->data, end, rest->n) : NULL;
    Piece piece = {rest->data, at ? (size_t)(at - rest->data) : rest->n};
    size_t gone = piece.n + (at ? 1 : 0);

    rest->data += gone;
    rest->n -= gone;
    return piece;
}

/* A line without its end, LF or CRLF. */
static Piece cut_line(Piece *rest)
{
    Piece line = cut(rest, '\n');

    if (line.n > 0 && line.data[line.n - 1] == '\r')
        line.n--;
    return line;
}

bool scrape_is_complete(const char *request, size_t n)
{
    Piece rest = {request, n};

    while (rest.n > 0 && memchr(rest.data, '\n', rest.n))
        if (cut_line(&rest).n == 0)
            return true;
    return false;
}

/* ---- what form is preferred ---- */

/* In thousandths (RFC 9110, 12.4.2); what is malformed counts for nothing. */
static unsigned parse_weight(Piece text)
{
    unsigned weight = 0, unit = 100;

    if (text.n == 0 || text.n > strlen("0.000") || (*text.data != '0' && *text.data != '1') ||
        (text.n > 1 && text.data[1] != '.'))
        return 0;
    weight = *text.data == '1' ? 1000 : 0;
    for (size_t i = 2; i < text.n; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        weight += (unsigned)(text.data[i] - '0') * unit;
    }
    return MIN(weight, 1000U);
}

/* One of what a client takes: "text/plain;version=0.0.4;q=0.5". */
static void weigh(Piece range, unsigned *open, unsigned *text)
{
    Piece type = strip(cut(&range, ';'));
    unsigned weight = 1000;
    bool other = false; /* a version that is not spoken here */

    while (range.n > 0) {
        Piece value = strip(cut(&range, ';'));
        Piece name = strip(cut(&value, '='));

        value = strip(value);
        if (is(name, "q"))
            weight = parse_weight(value);
        if (is(name, "version"))
            other = !is(value, "1.0.0") && !is(value, "0.0.1") && !is(value, "0.0.4");
    }
    if (other)
        return;
    if (is(type, "application/openmetrics-text"))
        *open = MAX(*open, weight);
    else if (is(type, "text/plain") || is(type, "text/*") || is(type, "*/*"))
        *text = MAX(*text, weight);
}

/* Who does not name OpenMetrics may not know it. */
static bool prefers_open(Piece accept)
{
    unsigned open = 0, text = 0;

    while (accept.n > 0)
        weigh(strip(cut(&accept, ',')), &open, &text);
    return open > 0 && open >= text;
}

/* ---- the request ---- */

/* "/metrics?x", and of a proxy "http://host/metrics". */
static bool is_metrics(Piece target)
{
    if (begins(target, "http://")) {
        target.data += strlen("http://");
        target.n -= strlen("http://");
        (void)cut(&target, '/');
        return equals(cut(&target, '?'), "metrics");
    }
    return equals(cut(&target, '?'), "/metrics");
}

static ScrapeKind parse_line(Piece line, bool *ret_head, bool *ret_needs_host)
{
    Piece method = cut(&line, ' '), target = cut(&line, ' ');

    *ret_needs_host = is(line, "HTTP/1.1");
    if (method.n == 0 || target.n == 0 || !begins(line, "HTTP/"))
        return SCRAPE_WRONG;
    if (!begins(line, "HTTP/1.") || line.n != strlen("HTTP/1.1"))
        return SCRAPE_NO_VERSION;
    *ret_head = equals(method, "HEAD");
    if (!is_metrics(target))
        return SCRAPE_NOT_FOUND;
    return *ret_head || equals(method, "GET") ? SCRAPE_METRICS : SCRAPE_NO_METHOD;
}

Scrape scrape_parse(const char *request, size_t n)
{
    Piece rest = {request, n}, line = cut_line(&rest);
    Scrape scrape = {0};
    bool needs_host = false;

    scrape.kind = parse_line(line, &scrape.head, &needs_host);
    while ((line = cut_line(&rest)).n > 0) {
        Piece name = cut(&line, ':');

        if (name.n == 0 || strip(name).n != name.n || memchr(line.data, '\0', line.n)) {
            scrape.kind = SCRAPE_WRONG;
            return scrape;
        }
        if (is(name, "Host"))
            needs_host = false;
        if (is(name, "Accept"))
            scrape.open = scrape.open || prefers_open(strip(line));
    }
    if (needs_host)
        scrape.kind = SCRAPE_WRONG; /* RFC 9112, 3.2 */
    return scrape;
}

int scrape_format_head(const Scrape *scrape, const char *date, size_t bytes, Buffer *out)
{
    const char *type = scrape->kind != SCRAPE_METRICS ? "text/plain; charset=utf-8"
                       : scrape->open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                      : "text/plain; version=0.0.4; charset=utf-8";

    return buffer_appendf(out,
        "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
        "Cache-Control: no-store\r\nVary: Accept\r\nConnection: close\r\n\r\n",
        answers[scrape->kind].status, date, type, bytes,
        scrape->kind == SCRAPE_NO_METHOD ? "Allow: GET, HEAD\r\n" : "");
}
