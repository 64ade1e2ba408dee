/* smtp: what a session costs and how it bears want of memory. What it says and tells is in
 * tests/dialogue. The linker sends its allocations through the functions below. */
#include <errno.h>
#include <stdio.h>

#include "smtp/session.h"
#include "unit.h"

#define RECIPIENTS_MAX 20000

/* Only what the session allocates is counted and made to fail: Check uses memory as well. */
static bool in_session;
static size_t n_allocations;
static size_t allocation_to_fail = SIZE_MAX; /* counted from 0 */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t n);

static bool fails(void)
{
    return in_session && n_allocations++ == allocation_to_fail;
}

/* The value of a call of the session. */
#define SESSION(call)            \
    ({                           \
        __typeof__(call) _value; \
                                 \
        in_session = true;       \
        _value = call;           \
        in_session = false;      \
        _value;                  \
    })

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t n)
{
    return fails() ? NULL : __real_realloc(memory, n);
}

/* A server that accepts everything, and the driver of a session that speaks to it. It uses no
 * memory of the heap. */
typedef struct Peer {
    SmtpOptions options;
    SmtpSession *session;
    SmtpTransaction transaction;
    size_t to_submit;
    const char *content;
    size_t content_size, piece, fed;
    char replies[1024 * 1024];
    size_t n_replies;
    char line[512];
    size_t n_line;
    size_t chunk_left; /* of BDAT */
    bool in_data;
    size_t n_received;
    char received[8 * 1024 * 1024]; /* content as it came, behind DATA or BDAT */
    size_t output_max;
    size_t n_delivered, n_done;
    bool ready, closed;
} Peer;

static Peer peer;

static void reply(const char *text)
{
    size_t n = strlen(text);

    if (peer.n_replies + n > sizeof(peer.replies))
        ck_abort_msg("more replies than expected");
    memcpy(peer.replies + peer.n_replies, text, n);
    peer.n_replies += n;
}

static void end_content(void)
{
    peer.in_data = false;
    reply("250 2.0.0 ok: queued\r\n");
}

static void take_command(void)
{
    const char *line = peer.line;

    if (strncmp(line, "EHLO", 4) == 0) {
        reply("250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 100000000\r\n");
        return;
    }
    if (strncmp(line, "BDAT ", 5) == 0) {
        peer.chunk_left = strtoul(line + 5, NULL, 10);
        if (peer.chunk_left == 0)
            end_content();
        return;
    }
    peer.in_data = strcmp(line, "DATA\r\n") == 0;
    reply(peer.in_data ? "354 go ahead\r\n" : "250 2.1.0 ok\r\n");
}

static void keep_received(const char *data, size_t n)
{
    if (peer.n_received + n > sizeof(peer.received))
        ck_abort_msg("more content than expected");
    memcpy(peer.received + peer.n_received, data, n);
    peer.n_received += n;
}

static void take_line(void)
{
    peer.line[peer.n_line] = '\0';
    if (!peer.in_data)
        take_command();
    else if (strcmp(peer.line, ".\r\n") == 0)
        end_content();
    else
        keep_received(peer.line, peer.n_line);
    peer.n_line = 0;
}

static void take(const char *data, size_t n)
{
    while (n > 0) {
        size_t step = 1;

        if (peer.chunk_left > 0) {
            step = MIN(n, peer.chunk_left);
            keep_received(data, step);
            peer.chunk_left -= step;
            if (peer.chunk_left == 0)
                end_content();
        } else {
            if (peer.n_line + 1 == sizeof(peer.line))
                ck_abort_msg("a line that is too long");
            peer.line[peer.n_line++] = *data;
            if (*data == '\n')
                take_line();
        }
        data += step;
        n -= step;
    }
}

static int on_event(const SmtpEvent *event)
{
    size_t n;
    int r;

    switch (event->type) {
    case SMTP_EVENT_READY: peer.ready = true; break;
    case SMTP_EVENT_RECIPIENT:
        peer.n_delivered += event->outcome->kind == DELIVERY_DELIVERED;
        break;
    case SMTP_EVENT_TRANSACTION_DONE: peer.n_done++; break;
    case SMTP_EVENT_CLOSED: peer.closed = true; break;
    case SMTP_EVENT_NEED_CONTENT:
        n = MIN(peer.piece, peer.content_size - peer.fed);
        r = SESSION(smtp_session_content(peer.session, peer.content + peer.fed, n));
        peer.fed += n;
        if (r < 0 || peer.fed < peer.content_size)
            return r;
        peer.fed = 0;
        return SESSION(smtp_session_content_end(peer.session, 1));
    case SMTP_EVENT_NEED_TLS:
    case SMTP_EVENT_REPLY: ck_abort_msg("unexpected event");
    }
    while (peer.to_submit > 0 && smtp_session_can_submit(peer.session)) {
        r = SESSION(smtp_session_submit(peer.session, &peer.transaction, 1));
        if (r < 0)
            return r;
        peer.to_submit--;
    }
    return 0;
}

/* Until neither side has anything to say. 0 or -ENOMEM. */
static int converse(void)
{
    Buffer *output;
    SmtpEvent event;
    char *room;
    bool busy;
    int r;

    do {
        while ((r = SESSION(smtp_session_step(peer.session, 1, &event))) > 0)
            if ((r = on_event(&event)) < 0)
                return r;
        if (r < 0)
            return r;
        output = SESSION(smtp_session_output(peer.session));
        peer.output_max = MAX(peer.output_max, buffer_size(output));
        take(buffer_data(output), buffer_size(output));
        busy = buffer_size(output) > 0 || peer.n_replies > 0;
        smtp_session_written(peer.session, buffer_size(output), 1);
        room = SESSION(smtp_session_reserve(peer.session, peer.n_replies));
        if (!room)
            return -ENOMEM;
        memcpy(room, peer.replies, peer.n_replies);
        smtp_session_received(peer.session, peer.n_replies, 1);
        peer.n_replies = 0;
    } while (busy);
    return 0;
}

static int start(
    bool chunking, const SmtpRecipient *recipients, size_t n, const char *content, size_t size)
{
    memset(&peer, 0, sizeof(peer));
    peer.options = (SmtpOptions){.hello = "client.example",
        .extensions = true,
        .pipelining = true,
        .chunking = chunking,
        .max_line_bytes = 2048};
    peer.transaction = (SmtpTransaction){
        .sender = "a@example.org", .recipients = recipients, .n_recipients = n, .size = size};
    peer.content = content;
    peer.content_size = peer.piece = size;
    reply("220 mx.example\r\n");
    return SESSION(smtp_session_new(&peer.options, 1, &peer.session));
}

static void stop(void)
{
    smtp_session_free(peer.session);
    peer.session = NULL;
}

START_TEST(a_warm_connection_allocates_nothing)
{
    static const SmtpRecipient recipients[] = {{.address = "b@example.com"}};
    size_t before;

    ck_assert_int_eq(start(_i == 1, recipients, 1, "Subject: x\n\n.hello\n", 19), 0);
    peer.to_submit = 4;
    ck_assert_int_eq(converse(), 0);
    ck_assert_uint_eq(peer.n_delivered, 4);
    before = n_allocations;
    for (int i = 0; i < 100; i++) {
        /* READY has gone by: submitting two keeps the pipeline as full as it gets. */
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(SESSION(smtp_session_submit(peer.session, &peer.transaction, 1)), 0);
        ck_assert_int_eq(converse(), 0);
    }
    ck_assert_uint_eq(peer.n_delivered, 204);
    ck_assert_uint_eq(n_allocations, before);
    stop();
}
END_TEST

START_TEST(many_recipients_cost_no_large_output)
{
    static SmtpRecipient recipients[RECIPIENTS_MAX];
    static char addresses[RECIPIENTS_MAX][32];

    for (size_t i = 0; i < RECIPIENTS_MAX; i++) {
        snprintf(addresses[i], sizeof(addresses[i]), "user%zu@example.com", i);
        recipients[i].address = addresses[i];
    }
    ck_assert_int_eq(start(_i == 1, recipients, RECIPIENTS_MAX, "x\n", 2), 0);
    peer.to_submit = 2;
    ck_assert_int_eq(converse(), 0);
    ck_assert_uint_eq(peer.n_delivered, 2 * RECIPIENTS_MAX);
    ck_assert_uint_eq(peer.n_done, 2);
    ck_assert_uint_le(peer.output_max, 65 * 1024);
    stop();
}
END_TEST

/* Content of `size` bytes, handed over `piece` at a time, arrives whole. */
static void send_large(bool chunking, size_t size, size_t piece)
{
    static const SmtpRecipient recipients[] = {{.address = "b@example.com"}};
    static char content[3 * 1024 * 1024];

    for (size_t i = 0; i < size; i += 2)
        memcpy(content + i, i % 64 == 62 ? "\r\n" : ".x", 2);
    ck_assert_int_eq(start(chunking, recipients, 1, content, size), 0);
    peer.piece = piece;
    peer.to_submit = 2;
    ck_assert_int_eq(converse(), 0);
    ck_assert_uint_eq(peer.n_delivered, 2);
    ck_assert_uint_le(peer.output_max, 64 * 1024 + 2 * piece + 64);
}

START_TEST(large_content_arrives_whole)
{
    const size_t size = 3 * 1024 * 1024;
    size_t n = 0;

    send_large(_i == 1, size, 16 * 1024);
    for (size_t i = 0; i < size; i += 2) {
        if (i % 64 == 0 && _i == 0)
            n++; /* the dot that was put before the line's own */
        if (memcmp(peer.received + n, peer.content + i, 2) != 0)
            ck_abort_msg("content differs at byte %zu", i);
        n += 2;
    }
    ck_assert_uint_eq(peer.n_received, 2 * n);
    stop();
}
END_TEST

/* A whole session, ended by a lost connection with a transaction under way. */
static int play(bool chunking)
{
    static const SmtpRecipient recipients[] = {
        {.address = "b@example.com"}, {.address = "c@example.com"}};
    const DeliveryOutcome gone = {.cause = CAUSE_LOST, .text = "end\nof file"};
    int r;

    r = start(chunking, recipients, 2, "Subject: x\n\n.hello\n", 19);
    if (r < 0)
        return r;
    peer.to_submit = 3;
    r = converse();
    if (r < 0)
        return r;
    r = SESSION(smtp_session_submit(peer.session, &peer.transaction, 1));
    if (r < 0)
        return r;
    in_session = true;
    smtp_session_lost(peer.session, &gone);
    in_session = false;
    return converse();
}

START_TEST(want_of_memory_is_told)
{
    size_t failed = 0;
    int r;

    do {
        n_allocations = 0;
        allocation_to_fail = failed++;
        r = play(_i == 1);
        allocation_to_fail = SIZE_MAX;
        ck_assert(r == 0 || r == -ENOMEM);
        stop();
    } while (r < 0);
    ck_assert_uint_gt(failed, 5);
    ck_assert_uint_eq(peer.n_done, 4);
    ck_assert(peer.closed);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("smtp_session");
    TCase *tests = tcase_create("session");

    /* Each with DATA (0) and with BDAT (1). */
    tcase_add_loop_test(tests, a_warm_connection_allocates_nothing, 0, 2);
    tcase_add_loop_test(tests, many_recipients_cost_no_large_output, 0, 2);
    tcase_add_loop_test(tests, large_content_arrives_whole, 0, 2);
    tcase_add_loop_test(tests, want_of_memory_is_told, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
