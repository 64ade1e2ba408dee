/* tool/scrape: any bytes are a request, or none, and what is answered is a head of HTTP. */
#include <stdlib.h>
#include <string.h>

#include "target.h"
#include "tool/scrape.h"

const FuzzBudget fuzz_budget = {.steps = 6000, .steps_per_byte = 30};

void fuzz_input(const uint8_t *data, size_t size)
{
    const char *request = (const char *)data;
    _cleanup_buffer_ Buffer head = {0};
    Scrape scrape = scrape_parse(request, size);

    if ((unsigned)scrape.kind >= SCRAPE_KIND_MAX)
        abort();
    if (scrape.kind == SCRAPE_METRICS &&
        (size < strlen("GET /metrics HTTP/1.0") || (memcmp(data, "GET ", 4) != 0 && !scrape.head)))
        abort();
    if (scrape_is_complete(request, size) && !memmem(request, size, "\n", 1))
        abort();
    if (scrape_format_head(&scrape, "now", size, &head) < 0)
        abort();
    if (memcmp(buffer_data(&head), "HTTP/1.1 ", 9) != 0 ||
        memcmp(buffer_at(&head, buffer_size(&head) - 4), "\r\n\r\n", 4) != 0)
        abort();
}
