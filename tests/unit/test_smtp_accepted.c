/* What a relay accepted is known to be accepted, and nothing else is: sessions against a relay that
 * answers each command once, in order, and often oddly, from a seed. */
#include <stdio.h>

#include "smtp/session.h"
#include "unit.h"

#define MESSAGES 6
#define RECIPIENTS 3
#define SEEDS 5000

typedef enum Fate {
    FATE_NONE,
    FATE_TAKEN,   /* the relay said yes to RCPT */
    FATE_ODD,     /* neither yes nor no, and it has the recipient all the same */
    FATE_MESSAGE, /* it has the message */
} Fate;

typedef struct Message {
    SmtpTransaction transaction;
    char content[8];
    Fate fates[RECIPIENTS];
    DeliveryKind kinds[RECIPIENTS];
    unsigned events[RECIPIENTS];
} Message;

static const SmtpRecipient recipients[RECIPIENTS] = {
    {"r0@x.example"}, {"r1@x.example"}, {"r2@x.example"}};

static struct {
    uint32_t random;
    unsigned oddness; /* one reply in so many is odd */
    bool knows_bdat, pieces;
    SmtpSession *session;
    Message messages[MESSAGES];
    size_t n_messages;
    Buffer heard; /* of the client, not looked at so far */
    char replies[8192];
    size_t n_replies;
    /* The relay. */
    Message *mail; /* transaction that is open */
    bool data;     /* the lines are content */
    size_t chunk;  /* bytes of content to come */
    bool last, closed;
} game;

static unsigned dice(unsigned n)
{
    game.random ^= game.random << 13;
    game.random ^= game.random >> 17;
    game.random ^= game.random << 5;
    return game.random % n;
}

static bool is_odd(void)
{
    return dice(game.oddness) == 0;
}

static void reply(const char *text)
{
    game.n_replies += (size_t)snprintf(
        game.replies + game.n_replies, sizeof(game.replies) - game.n_replies, "%s\r\n", text);
}

/* One of three, none of which says yes. Whether it is a no is told by its first digit. */
static bool say_odd(const char *a, const char *b, const char *c)
{
    const char *text = (const char *const[]){a, b, c}[dice(3)];

    reply(text);
    return text[0] != '3';
}

static void forget(void)
{
    for (size_t i = 0; i < RECIPIENTS; i++)
        if (game.mail->fates[i] != FATE_MESSAGE)
            game.mail->fates[i] = FATE_NONE;
    game.mail = NULL;
}

static void on_mail(const char *line)
{
    Message *message = &game.messages[line[strlen("MAIL FROM:<m")] - '0'];
    bool refused = false;

    if (game.mail) {
        reply("503 nested MAIL");
        forget();
        return;
    }
    if (is_odd()) /* and may go on as if nothing had been */
        refused = say_odd("350 hm", "421 closing", "550 no") && dice(2);
    else
        reply("250 sender");
    game.mail = refused ? NULL : message;
}

static void on_rcpt(const char *line)
{
    size_t i = (size_t)(line[strlen("RCPT TO:<r")] - '0');

    if (!game.mail) {
        reply("503 MAIL first");
    } else if (!is_odd()) {
        reply("250 recipient");
        game.mail->fates[i] = FATE_TAKEN;
    } else if (!say_odd("300 hm", "452 many", dice(2) ? "421 closing" : "550 no")) {
        game.mail->fates[i] = FATE_ODD;
    }
}

static size_t count_fate(Fate fate)
{
    size_t n = 0;

    for (size_t i = 0; game.mail && i < RECIPIENTS; i++)
        n += game.mail->fates[i] == fate;
    return n;
}

/* An odd reply to RCPT is taken for a yes when there is no other. */
static void accept_message(void)
{
    Fate fate = count_fate(FATE_TAKEN) > 0 ? FATE_TAKEN : FATE_ODD;

    reply("250 taken");
    for (size_t i = 0; i < RECIPIENTS; i++)
        if (game.mail->fates[i] == fate)
            game.mail->fates[i] = FATE_MESSAGE;
    forget();
}

static bool has_recipients(void)
{
    return count_fate(FATE_TAKEN) + count_fate(FATE_ODD) > 0;
}

/* BDAT that is refused may leave the transaction open. */
static void on_content(bool by_bdat)
{
    game.data = false;
    if (has_recipients() && !is_odd()) {
        accept_message();
        return;
    }
    if (has_recipients())
        (void)say_odd("554 spam", "452 full", "421 closing");
    else
        reply("554 nobody");
    if (game.mail && (!by_bdat || dice(2)))
        forget();
}

static void on_bdat(const char *line)
{
    if (!game.knows_bdat) {
        reply("500 what?");
        return;
    }
    game.chunk = (size_t)strtoul(line + strlen("BDAT "), NULL, 10);
    game.last = memmem(line, strcspn(line, "\n"), "LAST", strlen("LAST")) != NULL;
    ck_assert(game.last && game.chunk > 0);
}

static void on_command(const char *line)
{
    if (strncmp(line, "EHLO", 4) == 0)
        reply("250-x\r\n250-PIPELINING\r\n250 CHUNKING");
    else if (strncmp(line, "MAIL", 4) == 0)
        on_mail(line);
    else if (strncmp(line, "RCPT", 4) == 0)
        on_rcpt(line);
    else if (strncmp(line, "BDAT", 4) == 0)
        on_bdat(line);
    else if (strncmp(line, "DATA", 4) == 0 && has_recipients() && !is_odd()) {
        game.data = true;
        reply(dice(2) ? "354 go" : "300 go");
    } else if (strncmp(line, "RSET", 4) == 0 && is_odd())
        (void)say_odd("500 what?", "354 hm", "421 closing");
    else if (strncmp(line, "RSET", 4) == 0 || strncmp(line, "NOOP", 4) == 0) {
        reply("250 done");
        if (line[0] == 'R' && game.mail)
            forget();
    } else
        reply(strncmp(line, "QUIT", 4) == 0 ? "221 bye" : "502 what?");
}

/* What the client has said so far. */
static void listen_to_client(void)
{
    const char *end;

    while (buffer_size(&game.heard) > 0) {
        const char *line = buffer_data(&game.heard);

        if (game.chunk > 0) {
            size_t n = MIN(game.chunk, buffer_size(&game.heard));

            game.chunk -= n;
            buffer_consume(&game.heard, n);
            if (game.chunk == 0)
                on_content(true);
            continue;
        }
        end = memchr(line, '\n', buffer_size(&game.heard));
        if (!end)
            return;
        if (!game.data)
            on_command(line);
        else if (strncmp(line, ".\r\n", 3) == 0)
            on_content(false);
        buffer_consume(&game.heard, (size_t)(end - line) + 1);
    }
}

static void submit(void)
{
    static const char *const senders[] = {"m0", "m1", "m2", "m3", "m4", "m5"};

    while (game.n_messages < MESSAGES && smtp_session_can_submit(game.session)) {
        Message *message = &game.messages[game.n_messages];

        /* A relay that takes content for commands may find one. */
        snprintf(message->content, sizeof(message->content), "%s\n", dice(2) ? "NOOP" : "text");
        message->transaction = (SmtpTransaction){.sender = senders[game.n_messages++],
            .recipients = recipients,
            .n_recipients = 1 + dice(RECIPIENTS),
            .size = strlen(message->content),
            .user = message};
        ck_assert_int_eq(smtp_session_submit(game.session, &message->transaction, 1), 0);
    }
}

static void on_event(const SmtpEvent *event)
{
    Message *message = event->transaction ? event->transaction->user : NULL;

    switch (event->type) {
    case SMTP_EVENT_NEED_CONTENT:
        ck_assert_int_eq(
            smtp_session_content(game.session, message->content, strlen(message->content)), 0);
        ck_assert_int_eq(smtp_session_content_end(game.session, 1), 0);
        break;
    case SMTP_EVENT_RECIPIENT:
        message->events[event->recipient]++;
        message->kinds[event->recipient] = event->outcome->kind;
        ck_assert(!event->outcome->perhaps || !game.knows_bdat || !game.closed);
        break;
    case SMTP_EVENT_CLOSED: game.closed = true; break;
    default: break;
    }
    submit();
}

/* Hands over what the relay said, all of it or a byte at a time. */
static void answer(void)
{
    size_t n = game.pieces ? MIN(game.n_replies, (size_t)1) : game.n_replies;
    char *room = smtp_session_reserve(game.session, n);

    ck_assert_ptr_nonnull(room);
    memcpy(room, game.replies, n);
    smtp_session_received(game.session, n, 1);
    game.n_replies -= n;
    memmove(game.replies, game.replies + n, game.n_replies);
}

static void converse(void)
{
    const DeliveryOutcome gone = {.cause = CAUSE_LOST, .text = "gone"};
    Buffer *output;
    SmtpEvent event;
    bool busy;

    do {
        while (smtp_session_step(game.session, 1, &event) > 0)
            on_event(&event);
        output = smtp_session_output(game.session);
        busy = buffer_size(output) > 0 || game.n_replies > 0;
        ck_assert_int_eq(buffer_append(&game.heard, buffer_data(output), buffer_size(output)), 0);
        smtp_session_written(game.session, buffer_size(output), 1);
        listen_to_client();
        answer();
    } while (busy);
    smtp_session_lost(game.session, &gone);
    while (smtp_session_step(game.session, 1, &event) > 0)
        on_event(&event);
    ck_assert(game.closed);
}

static void check_fates(unsigned seed)
{
    for (size_t k = 0; k < game.n_messages; k++)
        for (size_t i = 0; i < game.messages[k].transaction.n_recipients; i++) {
            const Message *message = &game.messages[k];
            bool has_it = message->fates[i] == FATE_MESSAGE;
            bool told = message->kinds[i] == DELIVERY_DELIVERED;

            ck_assert_uint_eq(message->events[i], 1);
            ck_assert_msg(has_it == told,
                "seed %u: recipient %zu of message %zu %s the message, and is %s", seed, i, k,
                has_it ? "has" : "has not", delivery_kind_name(message->kinds[i]));
        }
}

static void play(unsigned seed)
{
    SmtpOptions options;

    memset(&game, 0, sizeof(game));
    game.random = seed * 2654435761U + 1;
    game.oddness = 3 + dice(20);
    game.knows_bdat = dice(4) > 0;
    game.pieces = dice(2);
    options = (SmtpOptions){.hello = "client.example",
        .extensions = true,
        .pipelining = dice(4) > 0,
        .chunking = dice(4) > 0,
        .send_rset = dice(3) == 0,
        .max_line_bytes = 512};
    ck_assert_int_eq(smtp_session_new(&options, 1, &game.session), 0);
    reply("220 x");
    converse();
    check_fates(seed);
    smtp_session_free(game.session);
    buffer_done(&game.heard);
}

START_TEST(what_is_accepted_is_delivered_and_nothing_else)
{
    for (unsigned seed = 0; seed < SEEDS; seed++)
        play(seed);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("smtp_accepted");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_accepted_is_delivered_and_nothing_else);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_run(make_suite());
}
