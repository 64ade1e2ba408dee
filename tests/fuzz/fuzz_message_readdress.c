/* A message with another envelope in front. Its content must be what it was, and its envelope the
 * one that was asked for. */
#include <stdint.h>
#include <string.h>

#include "message/message.h"
#include "message/qualify.h"
#include "message/readdress.h"
#include "smtp/content.h"
#include "target.h"

#define NOW 1767351845123456u

/* The content as on the wire, when it is a message that can be sent: 0 or what message_open()
 * returned. The lines that are added end as those of the file, which may mix them. */
static int read_message(InputMemory *input, const Buffer *text, Message **ret, Buffer *ret_content)
{
    _cleanup_buffer_ Buffer content = {0};
    SmtpContent wire;
    int r;

    input_memory_init(input, buffer_data(text), buffer_size(text));
    r = message_open(&input->base, NOW, "fuzz", ret, NULL);
    if (r < 0)
        return r;
    while (message_read(*ret, 65536, &content) > 0)
        continue;
    smtp_content_init(&wire, false);
    if (smtp_content_encode(&wire, buffer_data(&content), buffer_size(&content), ret_content) < 0 ||
        smtp_content_finish(&wire, ret_content) < 0)
        abort();
    return 0;
}

/* A Message-ID that is added may have its domain from an address of the envelope: it is left out of
 * what is compared. */
static void drop_domains(Buffer *content)
{
    static const char start[] = "Message-ID: <fuzz.";
    char *at = content->memory + content->start, *end = content->memory + content->end;

    while (at && (at = memmem(at, (size_t)(end - at), start, sizeof(start) - 1))) {
        char *from = memchr(at, '@', (size_t)(end - at));
        char *to = from ? memchr(from, '>', (size_t)(end - from)) : NULL;

        at += sizeof(start) - 1;
        if (!to)
            break;
        memmove(from, to, (size_t)(end - to));
        end -= to - from;
    }
    content->end = (size_t)(end - content->memory);
}

static void check(const Buffer *text)
{
    _cleanup_(message_free_p) Message *old = NULL, *new = NULL;
    _cleanup_buffer_ Buffer before = {0}, readdressed = {0}, after = {0};
    char sender[] = "", recipient[] = "a@b";
    EnvelopeRecipient recipients[] = {{.address = recipient}};
    const Envelope asked = {.sender = sender, .recipients = recipients, .n_recipients = 1};
    const Envelope *found;
    InputMemory inputs[2];

    if (read_message(&inputs[0], text, &old, &before) < 0)
        return;
    if (message_readdress(buffer_data(text), buffer_size(text), &asked, NULL, &readdressed) < 0)
        abort();
    if (read_message(&inputs[1], &readdressed, &new, &after) < 0) {
        /* The envelope may be too much for a header. */
        if (buffer_size(&readdressed) <= MESSAGE_HEADER_MAX)
            abort();
        return;
    }
    found = message_envelope(new);
    if (strcmp(found->sender, "") != 0 || found->n_recipients != 1 ||
        strcmp(found->recipients[0].address, recipient) != 0)
        abort();
    drop_domains(&before);
    drop_domains(&after);
    if (buffer_size(&before) != buffer_size(&after) ||
        memcmp(buffer_data(&before), buffer_data(&after), buffer_size(&before)) != 0)
        abort();
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 800};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_buffer_ Buffer text = {0}, qualified = {0}, again = {0};

    if (size == 0)
        return;
    if (buffer_append(&text, data, size) < 0)
        abort();
    check(&text);
    /* What has got its domains needs no more. */
    if (message_qualify(buffer_data(&text), buffer_size(&text), "here", &qualified) < 0 ||
        message_qualify(buffer_data(&qualified), buffer_size(&qualified), "there", &again) < 0)
        abort();
    if (buffer_size(&again) != buffer_size(&qualified) ||
        memcmp(buffer_data(&again), buffer_data(&qualified), buffer_size(&again)) != 0)
        abort();
}
