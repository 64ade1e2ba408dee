/* What a relay says: RFC 5321 from the other side, and everything that can go wrong with it. Must
 * never take a message over without an entry in the ledger. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ledger.h"
#include "relay_internal.h"

#define THINKING 200 /* microseconds a command */

/* ---- replies ---- */

static ReplyFault next_fault(Peer *p)
{
    const SimRelay *r = p->relay;
    Which which = {r->number, p->address, p->number, p->commands++};

    if (!world_has_faults())
        return REPLY_PLAIN;
    return seldom(DECIDE_REPLY, which, REPLY_FAULT_MAX, r->intensity);
}

static usec_t slowness(const Peer *p)
{
    static const unsigned seconds[] = {1, 3, 10, 29, 58, 61, 119, 200, 299, 590};
    Which which = {p->relay->number, p->address, p->number, p->commands};

    return seconds[choose(DECIDE_SLOWNESS, which, ELEMENTSOF(seconds))] * USEC_PER_SEC;
}

static void say_code(Peer *p, unsigned code, const char *text)
{
    char line[100];

    snprintf(line, sizeof(line), "%u %s\r\n", code, text);
    peer_say(p, line, 0, 0);
}

static void say_long(Peer *p, const char *usual, unsigned mark)
{
    char lines[2000] = "";

    if (usual[3] == '-') {
        peer_say(p, usual, 0, mark);
        return;
    }
    for (unsigned i = 0; i < 20; i++)
        snprintf(strchr(lines, '\0'), 60, "%.3s-line %u\r\n", usual, i);
    strcat(lines, usual);
    peer_say(p, lines, 0, mark);
}

/* A fault in place of what was asked for. True when there is one. */
static bool say_instead(Peer *p, ReplyFault fault, bool data)
{
    switch (fault) {
    case REPLY_450: say_code(p, 450, "4.3.0 not now"); return true;
    case REPLY_550: say_code(p, 550, "5.7.1 no"); return true;
    case REPLY_421:
        say_code(p, 421, "4.3.2 closing");
        peer_close(p, false);
        return true;
    case REPLY_421_STAYS: say_code(p, 421, "4.3.2 closing, perhaps"); return true;
    case REPLY_ODD: say_code(p, data ? 250 : 354, "odd"); return true;
    case REPLY_500: say_code(p, 500, "5.5.1 what?"); return true;
    case REPLY_503: say_code(p, 503, "5.5.1 bad sequence"); return true;
    case REPLY_504: say_code(p, 504, "5.5.4 not implemented"); return true;
    case REPLY_452: say_code(p, 452, "4.5.3 too many"); return true;
    case REPLY_SILENCE: peer_hang(p); return true;
    case REPLY_CLOSE: peer_close(p, false); return true;
    case REPLY_RESET: peer_close(p, true); return true;
    case REPLY_GARBAGE:
        p->garbled = true;
        peer_say(p, "* OK of another protocol\r\n", 0, 0);
        return true;
    default: return false;
    }
}

/* The reply to what has been done. */
static void say_done(Peer *p, ReplyFault fault, const char *usual, unsigned mark)
{
    switch (fault) {
    case REPLY_ACT_CLOSE: peer_close(p, false); break;
    case REPLY_ACT_RESET: peer_close(p, true); break;
    case REPLY_SLOW:
        p->busy = world.now + slowness(p);
        peer_say(p, usual, p->busy - world.now, mark);
        break;
    case REPLY_DRIBBLE: peer_dribble(p, usual, mark); break;
    case REPLY_THEN_CLOSE:
        peer_say(p, usual, 0, mark);
        peer_close(p, false);
        break;
    case REPLY_THEN_RESET:
        peer_say(p, usual, 0, mark);
        peer_close(p, true);
        break;
    case REPLY_LONG: say_long(p, usual, mark); break;
    default: peer_say(p, usual, 0, mark); break;
    }
}

static void answer(Peer *p, ReplyFault fault, const char *usual)
{
    if (!say_instead(p, fault, false))
        say_done(p, fault, usual, 0);
}

/* ---- greeting, EHLO ---- */

void dialogue_greet(Peer *p)
{
    OutageKind kind = p->fault;

    p->state = PEER_COMMAND;
    if (p->relay->bears > 0 && p->relay->n_open > p->relay->bears)
        kind = OUTAGE_421_GREETING;
    switch (kind) {
    case OUTAGE_421_GREETING:
        say_code(p, 421, "4.3.2 too many connections");
        peer_close(p, false);
        break;
    case OUTAGE_554_GREETING: say_code(p, 554, "5.3.2 no SMTP service here"); break;
    case OUTAGE_CLOSES: peer_close(p, false); break;
    case OUTAGE_HANGS: peer_hang(p); break;
    default: answer(p, next_fault(p), "220 relay.sim ESMTP\r\n"); break;
    }
}

static const char *offers(const Peer *p)
{
    static const char *const texts[OFFERS_MAX] = {
        [OFFERS_PIPELINING] =
            "250-relay.sim\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n",
        [OFFERS_CHUNKING] = "250-relay.sim\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE\r\n",
        [OFFERS_NOTHING] = "250 relay.sim\r\n",
        [OFFERS_WHAT_IT_LACKS] = "250-relay.sim\r\n250-CHUNKING\r\n250 PIPELINING\r\n",
        [OFFERS_LIMITS] =
            "250-relay.sim\r\n250-LIMITS MAILMAX=3 RCPTMAX=2\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    };

    return texts[p->relay->offers];
}

static void on_ehlo(Peer *p, _unused_ const char *line, ReplyFault fault)
{
    const char *reply = offers(p);

    answer(p, fault, reply ? reply : "502 5.5.1 not known\r\n");
}

static void on_helo(Peer *p, _unused_ const char *line, ReplyFault fault)
{
    answer(p, fault, "250 relay.sim\r\n");
}

/* ---- transactions ---- */

static void forget_transaction(Peer *p)
{
    p->mail = p->uncounted = false;
    p->accepted = p->n_accepted = 0;
    buffer_clear(&p->content);
}

static bool is_full(const Peer *p)
{
    unsigned max = p->relay->offers == OFFERS_LIMITS ? 3 : p->relay->bears_messages;

    return max > 0 && p->served >= max;
}

static PoisonKind poison_of(const Peer *p)
{
    PoisonKind poison = messages[p->message].poison;

    return poison == POISON_REFUSED || world_has_faults() ? poison : POISON_NONE;
}

/* What a relay with an outage does at a stage of any transaction. True when it does. */
static bool fails_at(Peer *p, OutageKind says, unsigned code, OutageKind hangs)
{
    OutageKind kind = outage_of(p->relay, p->address);

    if (kind == OUTAGE_NONE || (kind != says && kind != hangs))
        return false;
    if (kind == hangs) {
        peer_hang(p);
        return true;
    }
    say_code(p, code, "by an outage");
    if (code == 421)
        peer_close(p, false);
    return true;
}

static void on_mail(Peer *p, const char *line, ReplyFault fault)
{
    unsigned message;

    if (!message_parse_sender(strchr(line, '<') ?: "", &message)) {
        world_wrong(FAULT_WRONG, "no sender in %s", line);
        return;
    }
    if (p->mail) {
        say_code(p, 503, "5.5.1 nested MAIL");
        return;
    }
    if (is_full(p)) {
        say_code(p, 421, "4.7.0 enough messages");
        peer_close(p, false);
        return;
    }
    p->message = message;
    if (fails_at(p, OUTAGE_421_MAIL, 421, OUTAGE_HANGS_AT_MAIL) ||
        fails_at(p, OUTAGE_451_MAIL, 451, OUTAGE_NONE))
        return;
    if (poison_of(p) == POISON_CLOSES_AT_MAIL) {
        peer_close(p, false);
        return;
    }
    if (say_instead(p, fault, false))
        return;
    forget_transaction(p);
    p->mail = true;
    say_done(p, fault, "250 2.1.0 go on\r\n", 0);
}

/* A refusal that is a recipient's own. True when there is one. */
static bool refuse_recipient(Peer *p, unsigned recipient)
{
    SimMessage *m = &messages[p->message];
    unsigned tries = ++m->tries[recipient];

    switch (m->kinds[recipient]) {
    case RECIPIENT_REFUSED: say_code(p, 550, "5.1.1 no such user"); return true;
    case RECIPIENT_DEFERRED:
        if (!world_has_faults())
            return false;
        say_code(p, 450, "4.2.1 try later");
        return true;
    case RECIPIENT_LATE:
        if (tries > 2)
            return false;
        say_code(p, 450, "4.7.1 greylisted");
        return true;
    case RECIPIENT_OVER_LIMIT:
        if (tries > 1)
            return false;
        say_code(p, 552, "5.5.3 too many recipients");
        return true;
    default: return false;
    }
}

static void accept_recipient(Peer *p, unsigned recipient)
{
    p->accepted |= 1u << recipient;
    p->n_accepted++;
}

static void on_rcpt(Peer *p, const char *line, ReplyFault fault)
{
    unsigned message, recipient,
        max = p->relay->offers == OFFERS_LIMITS ? 2 : p->relay->bears_recipients;

    if (!message_parse_recipient(strchr(line, '<') ?: "", &message, &recipient)) {
        world_wrong(FAULT_WRONG, "no recipient in %s", line);
        return;
    }
    if (!p->mail || message != p->message) { /* MAIL was refused, and this came with it */
        say_code(p, 503, "5.5.1 MAIL first");
        return;
    }
    if (fails_at(p, OUTAGE_451_RCPT, 451, OUTAGE_NONE))
        return;
    if (poison_of(p) == POISON_421_AT_RCPT) {
        say_code(p, 421, "4.3.0 this one I cannot take");
        peer_close(p, false);
        return;
    }
    if (max > 0 && p->n_accepted >= max) {
        say_code(p, 452, "4.5.3 too many recipients");
        return;
    }
    if (refuse_recipient(p, recipient))
        return;
    if (fault == REPLY_ODD) { /* it may be meant as yes */
        p->uncounted = true;
        accept_recipient(p, recipient);
    }
    if (say_instead(p, fault, false))
        return;
    accept_recipient(p, recipient);
    say_done(p, fault, "250 2.1.5 good\r\n", 0);
}

static void on_data(Peer *p, _unused_ const char *line, ReplyFault fault)
{
    if (!p->mail || p->n_accepted == 0) {
        say_code(p, p->mail ? 554 : 503, "5.5.1 no recipients");
        return;
    }
    if (say_instead(p, fault, true))
        return;
    p->state = PEER_DATA;
    buffer_clear(&p->content);
    say_done(p, fault, "354 go ahead\r\n", 0);
    if (fault == REPLY_EARLY)
        say_code(p, 554, "5.6.0 enough of it");
}

static void on_bdat(Peer *p, const char *line, ReplyFault fault)
{
    if (p->relay->offers == OFFERS_WHAT_IT_LACKS) {
        p->garbled = true; /* the content comes as commands */
        say_code(p, 500, "5.5.1 not known");
        return;
    }
    p->chunk = strtoul(line + 5, NULL, 10);
    p->last_chunk = strcasestr(line, " LAST") != NULL;
    p->state = PEER_CHUNK;
    p->chunk_fault = fault;
    /* As if it did not know BDAT, and read the content as commands. */
    p->garbled |= fault == REPLY_500 || fault == REPLY_503 || fault == REPLY_504;
}

static void on_rset(Peer *p, _unused_ const char *line, ReplyFault fault)
{
    if (say_instead(p, fault, false))
        return;
    forget_transaction(p);
    say_done(p, fault, "250 2.0.0 forgotten\r\n", 0);
}

static void on_quit(Peer *p, _unused_ const char *line, ReplyFault fault)
{
    answer(p, fault, "221 2.0.0 bye\r\n");
    peer_close(p, false);
}

/* ---- the end of content ---- */

/* What its poison does to the relay. True when there is no verdict but that. */
static bool is_poisoned(Peer *p)
{
    switch (poison_of(p)) {
    case POISON_CLOSES_AT_END: peer_close(p, false); return true;
    case POISON_SILENCE: peer_hang(p); return true;
    case POISON_REFUSED: say_code(p, 554, "5.6.0 not such a message"); return true;
    case POISON_DEFERRED: say_code(p, 451, "4.3.0 not such a message now"); return true;
    default: return false;
    }
}

static void check_content(const Peer *p)
{
    const SimMessage *m = &messages[p->message];

    if (buffer_size(&p->content) != m->sent_bytes ||
        memcmp(buffer_data(&p->content), m->sent, m->sent_bytes) != 0)
        world_wrong(FAULT_WRONG, "m%u came as something else: %.*s", p->message,
            (int)MIN(buffer_size(&p->content), (size_t)200), buffer_data(&p->content));
}

static void take_over(Peer *p, ReplyFault fault)
{
    OutageKind kind = outage_of(p->relay, p->address);
    unsigned mark;

    check_content(p);
    mark = ledger_accept(p->message, p->accepted, !p->garbled && !p->uncounted, !p->client);
    p->served++;
    if (kind == OUTAGE_HANGS_AT_END)
        peer_hang(p);
    else if (kind == OUTAGE_LOSES_AT_END)
        peer_close(p, false);
    else
        say_done(p, fault, "250 2.0.0 taken\r\n", mark);
}

static void end_content(Peer *p, ReplyFault fault)
{
    p->state = PEER_COMMAND;
    if (p->accepted == 0)
        say_code(p, 554, "5.5.1 no recipients");
    else if (!is_poisoned(p) && !say_instead(p, fault, false))
        take_over(p, fault);
    forget_transaction(p);
}

static void keep(Buffer *content, const char *data, size_t n)
{
    if (buffer_append(content, data, n) < 0)
        abort();
}

/* One line of DATA. False when there is none. */
static bool read_data(Peer *p)
{
    const char *data = buffer_data(&p->input), *end;
    size_t n;

    do {
        end = data ? memchr(data, '\n', buffer_size(&p->input)) : NULL;
        if (!end)
            return false;
        n = (size_t)(end + 1 - data);
        if (n == 3 && data[0] == '.') {
            buffer_consume(&p->input, n);
            end_content(p, next_fault(p));
            return true;
        }
        keep(&p->content, data + (data[0] == '.'), n - (data[0] == '.'));
        buffer_consume(&p->input, n);
        data = buffer_data(&p->input);
        if (poison_of(p) == POISON_RESETS_WITHIN) {
            peer_close(p, true);
            return false;
        }
    } while (buffer_size(&p->input) > 0);
    return false;
}

static void end_chunk(Peer *p)
{
    p->state = PEER_COMMAND;
    if (!p->mail)
        say_code(p, 503, "5.5.1 MAIL first");
    else if (poison_of(p) == POISON_RESETS_WITHIN)
        peer_close(p, true);
    else if (p->last_chunk)
        end_content(p, p->chunk_fault);
    else if (say_instead(p, p->chunk_fault, false))
        p->mail = false; /* RFC 3030, 2: what follows is out of sequence */
    else
        say_done(p, p->chunk_fault, "250 2.0.0 chunk\r\n", 0);
}

static bool read_chunk(Peer *p)
{
    size_t n = MIN(p->chunk, buffer_size(&p->input));

    if (n > 0)
        keep(&p->content, buffer_data(&p->input), n);
    buffer_consume(&p->input, n);
    p->chunk -= n;
    if (p->chunk > 0)
        return false;
    end_chunk(p);
    return true;
}

/* ---- commands ---- */

static void on_command(Peer *p, const char *line)
{
    static const struct {
        const char *verb;
        void (*act)(Peer *p, const char *line, ReplyFault fault);
    } commands[] = {{"EHLO", on_ehlo}, {"HELO", on_helo}, {"MAIL", on_mail}, {"RCPT", on_rcpt},
        {"DATA", on_data}, {"BDAT", on_bdat}, {"RSET", on_rset}, {"QUIT", on_quit}};
    ReplyFault fault = next_fault(p);

    TELL("relay %u, address %u, connection %u hears %s%s", p->relay->number, p->address, p->number,
        line, fault != REPLY_PLAIN ? " (fault)" : "");
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        if (strncasecmp(line, commands[i].verb, 4) == 0) {
            commands[i].act(p, line, fault);
            return;
        }
    if (!p->garbled && !p->mail && p->served == 0)
        world_wrong(FAULT_WRONG, "the relay is told %s", line);
    say_code(p, 500, "5.5.1 what?");
}

static bool read_command(Peer *p)
{
    char line[600];
    const char *data = buffer_data(&p->input), *end;
    size_t n;

    end = data ? memchr(data, '\n', buffer_size(&p->input)) : NULL;
    if (!end)
        return false;
    n = (size_t)(end - data);
    snprintf(line, sizeof(line), "%.*s", (int)(n - (n > 0 && data[n - 1] == '\r')), data);
    buffer_consume(&p->input, n + 1);
    on_command(p, line);
    return true;
}

bool dialogue_step(Peer *p)
{
    bool did = p->state == PEER_DATA    ? read_data(p)
               : p->state == PEER_CHUNK ? read_chunk(p)
                                        : read_command(p);

    p->busy = MAX(p->busy, world.now + THINKING);
    return did && p->state != PEER_HUNG && p->state != PEER_OVER;
}
