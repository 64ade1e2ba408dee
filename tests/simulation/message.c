/* Messages made from the schedule. */
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "world.h"

SimMessage messages[MESSAGES_MAX];
unsigned n_messages;

static void must(int r)
{
    if (r < 0)
        abort();
}

/* Lines, some of which begin with a dot, some of which are empty. */
static void write_body(Buffer *out, unsigned lines, const char *end)
{
    static const char line[] = ".all that is said in this line is that it is one";
    size_t n = strlen(end);

    for (unsigned i = 0; i < lines; i++) {
        if (i % 7 != 3)
            must(buffer_append(out, line + (i % 5 != 1), sizeof(line) - 1 - (i % 5 != 1)));
        must(buffer_append(out, end, n));
    }
}

static void write_message(Buffer *out, unsigned i, unsigned lines, const char *end)
{
    must(buffer_appendf(out,
        "From: m%u@sim.test%sDate: Mon, 01 Jan 2024 00:00:00 +0000%s"
        "Message-ID: <m%u@sim.test>%sSubject: m%u%s%s",
        i, end, end, i, end, i, end, end));
    write_body(out, lines, end);
}

static void make_message(unsigned i)
{
    static const unsigned sizes[] = {1, 3, 8, 60, 500, 2000};
    SimMessage *m = &messages[i];
    unsigned lines = sizes[seldom(DECIDE_SIZE, (Which){i}, ELEMENTSOF(sizes), 200)];
    Buffer file = {0}, sent = {0};

    *m = (SimMessage){
        .n_recipients = 1 + seldom(DECIDE_RECIPIENTS, (Which){i}, RECIPIENTS_MAX, 400),
        .poison = seldom(DECIDE_POISON, (Which){i}, POISON_KIND_MAX, 150),
    };
    m->lane = choose(DECIDE_LANE, (Which){i}, LANES_COUNT);
    m->hint = (m->lane + seldom(DECIDE_HINT, (Which){i}, LANES_COUNT, 20)) % LANES_COUNT;
    must(buffer_appendf(&file, "X-Sender: <m%u@sim.test>\n", i));
    if (m->lane > 0)
        must(buffer_appendf(&file, "X-Outbox-Lane: lane%u\n", m->lane));
    for (unsigned k = 0; k < m->n_recipients; k++) {
        m->kinds[k] = seldom(DECIDE_RECIPIENT, (Which){i, k}, RECIPIENT_KIND_MAX, 200);
        must(buffer_appendf(&file, "X-Receiver: <r%u.m%u@sim.test>\n", k, i));
    }
    write_message(&file, i, lines, "\n");
    write_message(&sent, i, lines, "\r\n");
    m->file = file.memory;
    m->file_bytes = buffer_size(&file);
    m->sent = sent.memory;
    m->sent_bytes = buffer_size(&sent);
}

void messages_begin(void)
{
    n_messages = 1 + choose(DECIDE_MESSAGES, (Which){0}, 12);
    if (seldom(DECIDE_MESSAGES, (Which){1}, 2, 40) > 0)
        n_messages = MESSAGES_MAX;
    for (unsigned i = 0; i < n_messages; i++)
        make_message(i);
}

void messages_end(void)
{
    for (unsigned i = 0; i < n_messages; i++) {
        free(messages[i].file);
        free(messages[i].sent);
    }
    n_messages = 0;
}

bool message_parse_sender(const char *address, unsigned *ret_message)
{
    return sscanf(address, "<m%u@", ret_message) == 1 && *ret_message < n_messages;
}

bool message_parse_recipient(const char *address, unsigned *ret_message, unsigned *ret_recipient)
{
    return sscanf(address, "<r%u.m%u@", ret_recipient, ret_message) == 2 &&
           *ret_message < n_messages && *ret_recipient < messages[*ret_message].n_recipients;
}
