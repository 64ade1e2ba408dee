/* spool/record: whatever is in a record, it can be read, what it says was delivered is found again,
 * and a line that is appended to it is read back. The line quotes the input itself. */
#include <stdint.h>
#include <string.h>

#include "spool/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DeliveryOutcome outcome = {.kind = DELIVERY_DELIVERED, .stage = STAGE_CONTENT, .code = 250};
    _cleanup_buffer_ Buffer record = {0}, text = {0};
    SpoolVia via = {0};
    SpoolHistory h;
    size_t before;

    if (buffer_append(&record, data, size) < 0 || buffer_append(&text, data, size) < 0 ||
        buffer_append(&text, "", 1) < 0)
        return 0;
    parse(&record, &h);
    before = h.n_delivered;
    spool_history_done(&h);

    outcome.text = via.relay = buffer_data(&text);
    if (buffer_append(&record, "\n", 1) < 0 ||
        spool_record_outcome(&record, 0, "ann@example.com", 1, &outcome, &via) < 0)
        return 0;
    parse(&record, &h);
    if (h.n_delivered != before + 1 || !spool_history_has(&h, "ann@EXAMPLE.com"))
        abort();
    spool_history_done(&h);
    return 0;
}
