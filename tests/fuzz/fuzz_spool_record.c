/* spool/record: whatever is in a record, it can be read, what it says was delivered is found again,
 * it says the same when what it has superseded is left out, and a line that is appended to it is
 * read back, by us and by jansson alone. The line quotes the input itself. */
#include <stdint.h>
#include <string.h>

#include "base/errors.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "target.h"

static void check_lists(const SpoolHistory *h)
{
    for (size_t i = 0; i < h->n_delivered; i++)
        if (!spool_history_has(h, h->delivered[i]))
            abort();
    for (size_t i = 0; i < h->n_refused; i++)
        if (!spool_history_has_refused(h, h->refused[i]))
            abort();
    if (h->sent && !h->ended)
        abort();
}

static void parse(const Buffer *record, SpoolHistory *ret)
{
    if (spool_history_parse(buffer_data(record), buffer_size(record), ret) < 0)
        abort();
    check_lists(ret);
}

/* The next line of the record at `*at`. */
static bool next_line(const Buffer *record, size_t *at, RecordLine *ret)
{
    size_t n = buffer_size(record) - *at;
    const char *data, *newline;

    if (n == 0)
        return false;
    data = buffer_data(record) + *at;
    newline = memchr(data, '\n', n);
    *ret = (RecordLine){data, newline ? (size_t)(newline - data) : n, *at,
        newline ? (size_t)(newline - data) + 1 : n};
    *at += ret->bytes;
    return true;
}

static void leave_out(const Buffer *record, const RecordScan *scan, Buffer *ret)
{
    RecordLine line;

    for (size_t at = 0; next_line(record, &at, &line);) {
        RecordEvent event;
        json_t *json;

        if (record_line_parse(line.data, line.n, &event, &json) < 0)
            abort();
        json_decref(json);
        if (record_scan_keeps(scan, event, line.offset) &&
            (buffer_append(ret, line.data, line.n) < 0 || buffer_append(ret, "\n", 1) < 0))
            abort();
    }
}

static void check_shorter(const Buffer *record, const SpoolHistory *h)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    _cleanup_buffer_ Buffer shorter = {0};
    RecordLine line;
    SpoolHistory same;

    for (size_t at = 0; next_line(record, &at, &line);)
        if (record_scan_add(&scan, &line) < 0)
            abort();
    record_scan_end(&scan);
    leave_out(record, &scan, &shorter);
    if (scan.bytes != buffer_size(record) || scan.superseded > scan.bytes)
        abort();
    parse(&shorter, &same);
    if (same.attempts != h->attempts || same.first_attempt != h->first_attempt ||
        same.next != h->next || same.latest != h->latest || same.waiting != h->waiting ||
        same.ended != h->ended || same.sent != h->sent || same.n_delivered != h->n_delivered ||
        same.n_refused != h->n_refused)
        abort();
    for (size_t i = 0; i < h->n_delivered; i++)
        if (strcmp(same.delivered[i], h->delivered[i]) != 0)
            abort();
    spool_history_done(&same);
}

/* ---- what is written, read by jansson ---- */

#define TEXT_MAX_BYTES ((size_t)8 * 1024) /* of a member; spool/record.c */

/* Whether `written` is the text, up to its limit, with U+FFFD for each byte that is no UTF-8. */
static bool is_quoted(const char *text, const char *written)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const char *start = text;

    for (; *text; text++, written++)
        if (strncmp(written, replacement, 3) == 0 && strncmp(text, replacement, 3) != 0 &&
            *text & 0x80)
            written += 2;
        else if (*text != *written)
            break;
    return *written == '\0' && (*text == '\0' || text >= start + TEXT_MAX_BYTES - 3);
}

static const char *member(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    if (!text)
        abort();
    return text;
}

/* The one line, strictly: RFC 8259, no member twice, and each what was given. */
static void check_line(const Buffer *line, const char *event, const char *quoted)
{
    json_t *theirs = json_loadb(buffer_data(line), buffer_size(line), JSON_REJECT_DUPLICATES, NULL),
           *ours = NULL;

    if (!theirs || memchr(buffer_data(line), '\n', buffer_size(line) - 1) ||
        spool_record_line_load(buffer_data(line), buffer_size(line) - 1, &ours) < 0 ||
        !json_equal(theirs, ours) || strcmp(member(theirs, "event"), event) != 0 ||
        !is_quoted(quoted, member(theirs, "text")))
        abort();
    json_decref(ours);
    json_decref(theirs);
}

static void check_failed(const char *quoted)
{
    _cleanup_buffer_ Buffer line = {0};

    if (spool_record_failed(&line, 1, ERROR_MESSAGE, quoted, NULL) < 0)
        abort();
    check_line(&line, "failed", quoted);
}

static void check_outcome(const char *quoted)
{
    const DeliveryOutcome outcome = {.kind = DELIVERY_REFUSED,
        .stage = STAGE_RCPT,
        .code = 550,
        .enhanced = "5.1.1",
        .text = quoted};
    const SpoolVia via = {.relay = quoted, .address = "192.0.2.1:25", .tls = quoted};
    _cleanup_buffer_ Buffer line = {0};
    json_t *json;

    if (spool_record_outcome(&line, 1, quoted, 7, &outcome, &via) < 0)
        abort();
    check_line(&line, "refused", quoted);
    json = json_loadb(buffer_data(&line), buffer_size(&line), 0, NULL);
    if (!is_quoted(quoted, member(json, "recipient")) ||
        !is_quoted(quoted, member(json, "relay")) || !is_quoted(quoted, member(json, "tls")) ||
        strcmp(member(json, "enhanced"), "5.1.1") != 0 ||
        json_integer_value(json_object_get(json, "attempt")) != 7 ||
        json_integer_value(json_object_get(json, "code")) != 550)
        abort();
    json_decref(json);
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 600};

void fuzz_input(const uint8_t *data, size_t size)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_DELIVERED, .stage = STAGE_CONTENT, .code = 250};
    _cleanup_buffer_ Buffer record = {0}, text = {0};
    SpoolVia via = {0};
    SpoolHistory h;
    size_t before;

    if (buffer_append(&record, data, size) < 0 || buffer_append(&text, data, size) < 0 ||
        buffer_append(&text, "", 1) < 0)
        return;
    parse(&record, &h);
    before = h.n_delivered;
    check_shorter(&record, &h);
    spool_history_done(&h);
    check_failed(buffer_data(&text));
    check_outcome(buffer_data(&text));

    outcome.text = via.relay = buffer_data(&text);
    if (buffer_append(&record, "\n", 1) < 0 ||
        spool_record_outcome(&record, 0, "ann@example.com", 1, &outcome, &via) < 0)
        return;
    parse(&record, &h);
    if (h.n_delivered != before + 1 || !spool_history_has(&h, "ann@EXAMPLE.com"))
        abort();
    spool_history_done(&h);
}
