/* Composes a report of whatever others may have said, the parts with a byte 0x01 between them. It
 * has to be one that any relay takes: ASCII in lines that are not too long; and none of what was
 * said ends a line, a field or a part. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "message/dsn.h"
#include "message/envelope.h"
#include "target.h"

#define LINE_MAX_BYTES 998
#define BOUNDARY " boundary=\""

/* Cuts off the text up to the next 0x01, in place. */
static char *next_part(char **rest)
{
    char *part = *rest, *end = strchr(part, 1);

    if (end) {
        *end = '\0';
        *rest = end + 1;
    } else
        *rest = part + strlen(part);
    return part;
}

/* As an envelope has them: they were looked at. */
static const char *next_parameters(char **rest, EnvelopeParty party)
{
    const char *text = next_part(rest);

    return envelope_check_parameters(text, party, NULL) == 0 ? text : NULL;
}

static void check_lines(const char *report)
{
    for (const char *line = report; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");

        assert(n <= LINE_MAX_BYTES && line[n] == '\n');
        for (size_t i = 0; i < n; i++)
            assert((line[i] >= ' ' || line[i] == '\t') && line[i] != 0x7f);
    }
}

/* "NAME: ", or what goes on with the field before. */
static bool is_field(const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);

    return line[0] == ' ' || (colon && colon > line && !memchr(line, ' ', (size_t)(colon - line)));
}

/* One block of the message, and one of each recipient. */
static void check_status(const char *status, const char *end, size_t n_recipients)
{
    size_t n_empty = 0, n_final = 0;

    while (status < end) {
        size_t n = strcspn(status, "\n");

        assert(n == 0 || is_field(status, n));
        n_empty += n == 0;
        n_final += strncmp(status, "Final-Recipient: ", 17) == 0;
        status += n + 1;
    }
    assert(
        n_empty == n_recipients + 1 && n_final == n_recipients); /* the boundary's own line too */
}

/* The line that is this boundary, from there on; and what stands behind it. */
static const char *find_boundary(
    const char *from, const char *boundary, size_t n, const char **next)
{
    for (const char *line = from; *line; line += strcspn(line, "\n") + 1)
        if (strncmp(line, "--", 2) == 0 && strncmp(line + 2, boundary, n) == 0) {
            *next = line + strcspn(line, "\n") + 1;
            return line;
        }
    abort();
}

static void check_parts(const char *report, size_t n_recipients, bool has_original)
{
    const char *boundary = strstr(report, BOUNDARY) + strlen(BOUNDARY), *at = boundary, *status;
    size_t n = strcspn(boundary, "\"\n");

    assert(strncmp(report, "X-Sender: <>\nX-Receiver: <shop@example.org> NOTIFY=NEVER\n", 56) == 0);
    (void)find_boundary(at, boundary, n, &at);
    assert(strncmp(at, "Content-Type: text/plain; charset=utf-8\n", 40) == 0);
    (void)find_boundary(at, boundary, n, &at);
    assert(strncmp(at, "Content-Type: message/delivery-status\n\n", 39) == 0);
    status = at + 39;
    check_status(status, find_boundary(at, boundary, n, &at), n_recipients);
    if (at[0] && has_original) {
        assert(strncmp(at, "Content-Description: ", 21) == 0);
        (void)find_boundary(at, boundary, n, &at);
    }
    assert(!*at && strncmp(at - n - 5, "--", 2) == 0 && strcmp(at - 3, "--\n") == 0);
}

const FuzzBudget fuzz_budget = {.steps = 300000, .steps_per_byte = 1500};

void fuzz_input(const uint8_t *data, size_t size)
{
    unsigned flags = size > 0 ? data[0] : 0;
    _cleanup_free_
    char *text = strndup((const char *)data + (size > 0), size > 0 ? size - 1 : 0);
    _cleanup_buffer_ Buffer out = {0};
    DsnRecipient recipients[2] = {{.refused = flags & 1,
        .code = flags & 2 ? 550 : 0,
        .enhanced = flags & 4 ? "5.1.1" : "",
        .host = flags & 2 ? "smtp.example.com" : NULL}};
    Dsn dsn = {.action = flags & 8 ? DSN_DELAYED : DSN_FAILED,
        .to = "shop@example.org",
        .arrival = 1772446830 * USEC_PER_SEC,
        .to_sender = flags & 16,
        .recipients = recipients,
        .n_recipients = flags & 32 ? 2 : 1,
        .original_size_max = flags & 64 ? 65536 : 0};
    InputMemory original;
    char *rest = text;

    if (!text)
        return;
    recipients[0].address = next_part(&rest);
    recipients[0].parameters = next_parameters(&rest, ENVELOPE_RECIPIENT);
    recipients[0].text = next_part(&rest);
    dsn.id = next_part(&rest);
    dsn.sender_parameters = next_parameters(&rest, ENVELOPE_SENDER);
    dsn.reason = next_part(&rest);
    dsn.hint = next_part(&rest);
    recipients[1] = recipients[0];
    input_memory_init(&original, rest, strlen(rest));
    dsn.original = flags & 128 ? &original.base : NULL;
    if (dsn_format(&dsn, &out) < 0 || buffer_append(&out, "", 1) < 0)
        abort();
    check_lines(buffer_data(&out));
    check_parts(buffer_data(&out), dsn.n_recipients, dsn.original);
}
