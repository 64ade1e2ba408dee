/* Every reply at every place of a pipelined message that goes out by BDAT, and of two: who has the
 * message is known from the replies alone, whatever else the relay says, and however it ends. */
#include <stdio.h>

#include "smtp/session.h"
#include "unit.h"

#define MESSAGES_MAX 2
#define RECIPIENTS_MAX 2
#define REPLIES_MAX 8
#define MSEC (USEC_PER_SEC / 1000)

typedef enum Ending {
    CLOSES,  /* the connection does */
    SILENT,  /* nothing comes any more */
    BABBLES, /* a line every 50 ms that ends no reply */
} Ending;

typedef struct Told {
    unsigned events;
    DeliveryOutcome outcome;
} Told;

/* What the relay says, in order, and to what. */
typedef struct Play {
    size_t n_messages, n_recipients; /* each has as many */
    int replies[REPLIES_MAX];
    size_t n_replies;
    Ending ending;
    bool at_once;
} Play;

static struct {
    SmtpSession *session;
    SmtpTransaction first, transactions[MESSAGES_MAX];
    Told told[MESSAGES_MAX][RECIPIENTS_MAX];
    bool closed;
    usec_t now;
} game;

static const SmtpOptions options = {.hello = "client.example",
    .extensions = true,
    .pipelining = true,
    .chunking = true,
    .max_line_bytes = 512,
    .timeout = 5 * USEC_PER_MINUTE,
    .timeout_by_stage = true};

static const SmtpRecipient recipients[RECIPIENTS_MAX] = {{"r0@x.example"}, {"r1@x.example"}};

/* ---- a session, and a relay that says what the play has ---- */

static void on_event(const SmtpEvent *event)
{
    Told *told;

    switch (event->type) {
    case SMTP_EVENT_NEED_CONTENT:
        ck_assert_int_eq(smtp_session_content(game.session, "x\n", 2), 0);
        ck_assert_int_eq(smtp_session_content_end(game.session, game.now), 0);
        break;
    case SMTP_EVENT_RECIPIENT:
        if (event->transaction == &game.first)
            break;
        told = &game.told[event->transaction - game.transactions][event->recipient];
        told->events++;
        told->outcome = *event->outcome;
        break;
    case SMTP_EVENT_CLOSED: game.closed = true; break;
    default: break;
    }
}

static void work(void)
{
    Buffer *output;
    SmtpEvent event;

    do {
        while (smtp_session_step(game.session, game.now, &event) > 0)
            on_event(&event);
        output = smtp_session_output(game.session);
        smtp_session_written(game.session, buffer_size(output), game.now);
    } while (buffer_size(smtp_session_output(game.session)) > 0);
}

static void say(const char *text)
{
    size_t n = strlen(text);
    char *room = smtp_session_reserve(game.session, n);

    ck_assert_ptr_nonnull(room);
    memcpy(room, text, n);
    smtp_session_received(game.session, n, game.now);
}

/* Nothing goes behind the first BDAT of a session. */
static void show_bdat(void)
{
    game.first = (SmtpTransaction){
        .sender = "s@x.example", .recipients = recipients, .n_recipients = 1, .size = 2};
    ck_assert_int_eq(smtp_session_submit(game.session, &game.first, game.now), 0);
    work();
    say("250 x\r\n250 x\r\n250 x\r\n");
    work();
    ck_assert(smtp_session_is_idle(game.session));
}

static void begin(const Play *play)
{
    memset(&game, 0, sizeof(game));
    game.now = USEC_PER_SEC;
    ck_assert_int_eq(smtp_session_new(&options, game.now, &game.session), 0);
    say("220 x\r\n");
    work();
    say("250-x\r\n250-SIZE\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    work();
    show_bdat();
    for (size_t k = 0; k < play->n_messages; k++) {
        game.transactions[k] = (SmtpTransaction){.sender = "s@x.example",
            .recipients = recipients,
            .n_recipients = play->n_recipients,
            .size = 2};
        ck_assert_int_eq(smtp_session_submit(game.session, &game.transactions[k], game.now), 0);
        work();
    }
}

static void answer(const Play *play)
{
    char line[16];

    for (size_t i = 0; i < play->n_replies; i++) {
        snprintf(line, sizeof(line), "%d x\r\n", play->replies[i]);
        say(line);
        if (!play->at_once)
            work();
    }
    work();
}

/* The session must come to its end by itself, in bounded time, unless nothing is under way. */
static void end(Ending ending)
{
    const DeliveryOutcome gone = {.cause = CAUSE_LOST, .text = "gone"};
    usec_t start = game.now;

    while (ending != CLOSES && !game.closed && smtp_session_deadline(game.session) != USEC_NEVER) {
        if (ending == SILENT) {
            game.now = smtp_session_deadline(game.session);
        } else {
            game.now += 50 * MSEC;
            say("250-more\r\n");
        }
        ck_assert_msg(game.now - start <= 10 * USEC_PER_MINUTE, "the session does not end");
        work();
    }
    smtp_session_lost(game.session, &gone);
    work();
    ck_assert(game.closed);
}

/* ---- what is to be told, from the replies alone ---- */

typedef struct Answers {
    int mail, rcpt[RECIPIENTS_MAX], content; /* 0: none */
} Answers;

/* In front of a second message stands RSET. */
static Answers answers_of(const Play *play, size_t message)
{
    size_t at = message * (play->n_recipients + 3);
    Answers a = {0};

    for (size_t i = 0; at + i < play->n_replies && i < play->n_recipients + 2; i++) {
        int code = play->replies[at + i];

        if (i == 0)
            a.mail = code;
        else if (i <= play->n_recipients)
            a.rcpt[i - 1] = code;
        else
            a.content = code;
    }
    return a;
}

static bool is_yes(int code)
{
    return code / 100 == 2;
}

static bool is_no(int code)
{
    return code >= 400 && code != 421;
}

static bool any(const Answers *a, bool (*is)(int code))
{
    return is(a->rcpt[0]) || is(a->rcpt[1]);
}

static bool is_odd(int code)
{
    return code / 100 == 3;
}

static bool is_421(int code)
{
    return code == 421;
}

/* A yes to the content is one for those whose RCPT met with yes; or, where there are none, for
 * those where it was neither yes nor no. */
static bool has_it(const Answers *a, size_t recipient)
{
    int rcpt = a->rcpt[recipient];

    return is_yes(a->content) && (is_yes(rcpt) || (is_odd(rcpt) && !any(a, is_yes)));
}

/* Accepted, and it is not to be told for whom. */
static bool is_unclear(const Answers *a)
{
    return is_yes(a->content) && !any(a, is_yes) && !any(a, is_odd) && any(a, is_421);
}

/* The relay has said that it closes, and has not gone on since. */
static bool is_farewell(const Play *play)
{
    for (size_t i = play->n_replies; i > 0; i--) {
        if (play->replies[i - 1] == 421 || play->replies[i - 1] == 221)
            return true;
        if (play->replies[i - 1] < 400)
            return false;
    }
    return false;
}

/* No reply to the content came, and it may be a yes all the same. */
static bool may_have_it(const Play *play, const Answers *a, size_t recipient)
{
    int rcpt = a->rcpt[recipient];

    if (a->content != 0)
        return is_odd(a->content) && (is_yes(rcpt) || (is_odd(rcpt) && !any(a, is_yes)));
    if (is_farewell(play))
        return false;
    return is_yes(rcpt) || (rcpt == 0 && a->mail < 400);
}

static const char *describe(const Play *play)
{
    static const char *const endings[] = {"closes", "is silent", "babbles"};
    static char text[128]; /* of the last call */
    size_t n = 0;

    for (size_t i = 0; i < play->n_replies; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%d ", play->replies[i]);
    snprintf(text + n, sizeof(text) - n, "(%zu to %zu), then it %s", play->n_messages,
        play->n_recipients, endings[play->ending]);
    return text;
}

static void check_recipient(const Play *play, size_t message, size_t recipient)
{
    const Told *told = &game.told[message][recipient];
    const DeliveryOutcome *o = &told->outcome;
    const Answers a = answers_of(play, message);
    bool judged = o->kind != DELIVERY_CUT_OFF;
    const char *kind = delivery_kind_name(o->kind);

    ck_assert_uint_eq(told->events, 1);
    ck_assert_msg((o->kind == DELIVERY_DELIVERED) == has_it(&a, recipient),
        "%s: recipient %zu of message %zu is %s", describe(play), recipient, message, kind);
    if (o->kind == DELIVERY_DELIVERED)
        return;
    if (judged)
        ck_assert_msg(is_no(a.mail) || is_no(a.rcpt[recipient]) || is_no(a.content),
            "%s: nobody said no to recipient %zu of message %zu, and it is %s", describe(play),
            recipient, message, kind);
    else if (may_have_it(play, &a, recipient) || (is_unclear(&a) && is_421(a.rcpt[recipient])))
        ck_assert_msg(o->perhaps, "%s: recipient %zu of message %zu may have it", describe(play),
            recipient, message);
    if (a.content == 0 && is_farewell(play))
        ck_assert_msg(!o->perhaps, "%s: recipient %zu of message %zu cannot have it",
            describe(play), recipient, message);
}

/* From 421 on there is a limit, whatever else is said. */
static void check_time(const Play *play)
{
    for (size_t i = 0; i < play->n_replies; i++)
        if (play->replies[i] == 421)
            ck_assert_msg(game.now <= 32 * USEC_PER_SEC, "%s: waits for %llu s", describe(play),
                (unsigned long long)(game.now / USEC_PER_SEC));
}

static void perform(const Play *play)
{
    begin(play);
    answer(play);
    end(play->ending);
    for (size_t k = 0; k < play->n_messages; k++)
        for (size_t i = 0; i < play->n_recipients; i++)
            check_recipient(play, k, i);
    check_time(play);
    smtp_session_free(game.session);
}

/* ---- the cases that have a name ---- */

typedef struct Case {
    const char *replies;
    size_t n_messages, n_recipients;
    Ending ending;
    const char *told; /* "+" delivered, "-" refused, "~" deferred, "0" cut off, "?" perhaps */
} Case;

static const Case cases[] = {
    /* 421 and closed: the relay's fault, and nothing else. */
    {"421", 1, 1, CLOSES, "0"},
    {"421", 2, 1, CLOSES, "00"},
    {"250 421", 1, 1, CLOSES, "0"},
    {"250 421", 1, 2, CLOSES, "00"},
    {"250 250 421", 1, 2, CLOSES, "00"},
    {"250 250 421", 2, 1, CLOSES, "00"},
    {"250 250 250 421", 2, 1, CLOSES, "+0"},
    {"250 250 250 250 421", 2, 1, CLOSES, "+0"},
    {"421 503 503", 1, 1, CLOSES, "0"},
    {"421 421 421", 1, 1, CLOSES, "0"},
    {"221", 1, 1, CLOSES, "0"},
    /* 421, and neither closed nor anything else. */
    {"421", 1, 1, SILENT, "0"},
    {"421", 1, 1, BABBLES, "0"},
    {"421 250", 1, 1, SILENT, "?"},
    {"250 421", 2, 1, BABBLES, "00"},
    /* 421 that does not close. */
    {"421 250 250", 1, 1, CLOSES, "+"},
    {"421 250 250", 2, 1, SILENT, "+?"},
    {"421 250", 1, 1, CLOSES, "?"},
    {"421 250 421 250", 1, 2, CLOSES, "+0"},
    {"421 421 250 250", 1, 2, CLOSES, "0+"},
    {"421 503 503 250 250 250 250", 2, 1, CLOSES, "0+"},
    {"421 250 250 250 421 250 250", 2, 1, CLOSES, "++"},
    {"250 421 250", 1, 1, CLOSES, "?"},
    {"421 421 250", 1, 1, CLOSES, "?"},
    {"421 503 250", 1, 1, CLOSES, "0"},
    {"250 250 250 421 250 250 250", 2, 1, CLOSES, "++"},
    {"250 250 421 250 250 250 250", 2, 1, CLOSES, "0+"},
    /* MAIL refused, and the rest is not. */
    {"451 250 250", 1, 1, CLOSES, "+"},
    {"550 250 250", 1, 1, CLOSES, "+"},
    {"599 250 250", 1, 1, CLOSES, "+"},
    {"530 250 250", 1, 1, CLOSES, "+"},
    {"555 250 250", 1, 1, CLOSES, "+"},
    {"354 250 250", 1, 1, CLOSES, "+"},
    {"451 503 250 250", 1, 2, CLOSES, "~+"},
    {"451 503 503", 1, 1, CLOSES, "~"},
    {"550 503 503 250 250 250 250", 2, 1, CLOSES, "-+"},
    {"550 250 451", 1, 1, CLOSES, "-"},
    {"550 250", 1, 1, CLOSES, "-"},
    {"550", 1, 1, CLOSES, "-"},
    {"451 421 250", 1, 1, CLOSES, "~"},
    {"530 503 503", 1, 1, CLOSES, "0"},
    /* RCPT refused, and the message is not: a no is a no. */
    {"250 450 250", 1, 1, CLOSES, "~"},
    {"250 550 250", 1, 1, CLOSES, "-"},
    {"250 550 250 250", 1, 2, CLOSES, "-+"},
    {"250 354 250", 1, 1, CLOSES, "+"},
    {"250 354 250 250", 1, 2, CLOSES, "0+"},
};

static char sign_of(const DeliveryOutcome *o)
{
    switch (o->kind) {
    case DELIVERY_DELIVERED: return '+';
    case DELIVERY_REFUSED: return '-';
    case DELIVERY_DEFERRED: return '~';
    default: return o->perhaps ? '?' : '0';
    }
}

static Play play_of(const Case *c)
{
    Play play = {.n_messages = c->n_messages, .n_recipients = c->n_recipients, .ending = c->ending};

    for (const char *at = c->replies; *at != '\0'; at += strspn(at, " "))
        play.replies[play.n_replies++] = (int)strtol(at, (char **)&at, 10);
    return play;
}

START_TEST(named_cases)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const Case *c = &cases[i];
        Play play = play_of(c);
        size_t n = c->n_messages * c->n_recipients;
        char told[MESSAGES_MAX * RECIPIENTS_MAX + 1] = "";

        perform(&play);
        for (size_t k = 0; k < n; k++)
            told[k] = sign_of(&game.told[k / c->n_recipients][k % c->n_recipients].outcome);
        ck_assert_msg(
            strcmp(told, c->told) == 0, "%s: told is %s, not %s", describe(&play), told, c->told);
    }
}
END_TEST

/* ---- all of them ---- */

/* Every row of replies up to so many, the last one first. False when there are no more. */
static bool next_play(Play *play, const int *codes, size_t n_codes, size_t n, size_t *digits)
{
    size_t i = play->n_replies;

    while (i > 0 && digits[i - 1] + 1 == n_codes)
        digits[--i] = 0;
    if (i > 0)
        digits[i - 1]++;
    else if (play->n_replies < n)
        digits[play->n_replies++] = 0;
    else
        return false;
    for (size_t k = 0; k < play->n_replies; k++)
        play->replies[k] = codes[digits[k]];
    return true;
}

/* BDAT is not known, so that nothing behind it is read, or meant. */
static bool is_without_bdat(const Play *play)
{
    for (size_t k = 0; k < play->n_messages; k++) {
        const Answers a = answers_of(play, k);

        if (a.content == 555 || (a.content == 503 && (any(&a, is_yes) || any(&a, is_odd))))
            return true;
    }
    return false;
}

static void perform_all(size_t n_messages, size_t n_recipients, const int *codes, size_t n_codes)
{
    size_t n = n_messages * (n_recipients + 3) - 1;
    size_t digits[REPLIES_MAX] = {0};
    Play play = {.n_messages = n_messages, .n_recipients = n_recipients};
    unsigned count = 0;

    do {
        /* To babble takes many steps. */
        Ending last = count++ % 16 == 0 ? BABBLES : SILENT;

        for (Ending ending = CLOSES; ending <= last && !is_without_bdat(&play); ending++) {
            play.ending = ending;
            play.at_once = !play.at_once;
            perform(&play);
        }
    } while (next_play(&play, codes, n_codes, n, digits));
}

START_TEST(every_reply_to_one_message)
{
    static const int codes[] = {250, 221, 354, 421, 450, 503, 530, 555, 599};

    perform_all(1, 1, codes, sizeof(codes) / sizeof(codes[0]));
    perform_all(1, 2, codes, sizeof(codes) / sizeof(codes[0]));
}
END_TEST

START_TEST(every_reply_to_two_messages)
{
    static const int codes[] = {250, 354, 421, 451, 503};

    perform_all(2, 1, codes, sizeof(codes) / sizeof(codes[0]));
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("smtp_replies");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 300);
    tcase_add_test(t, named_cases);
    tcase_add_test(t, every_reply_to_one_message);
    tcase_add_test(t, every_reply_to_two_messages);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return unit_run(make_suite());
}
