/* Relays' addresses, their connections, and the way that bytes have to go. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_internal.h"

#define LOOK (20 * USEC_PER_MSEC) /* a server's, at what has come */

static SimRelay relays[RELAYS_MAX];
static unsigned n_relays;
static Peer *peers;
static int connect_error;

/* ---- what they are like ---- */

static void make_outage(SimRelay *r, unsigned i)
{
    static const unsigned parts[] = {1, 2, 5, 20, 100};
    usec_t period = world.faults_end - world.now;
    Which which = {r->number, i};
    Outage *o = &r->outages[i];

    o->kind = seldom(DECIDE_OUTAGE, which, OUTAGE_KIND_MAX, 300);
    if (o->kind == OUTAGE_NONE)
        return;
    o->from = world.now + period * choose(DECIDE_OUTAGE_BEGIN, which, 64) / 64;
    o->to = o->from + period / parts[choose(DECIDE_OUTAGE_LENGTH, which, ELEMENTSOF(parts))];
    o->address = choose(DECIDE_OUTAGE_ADDRESS, which, 3) == 2
                     ? choose(DECIDE_OUTAGE_ADDRESS, (Which){r->number, i, 1}, r->n_addresses)
                     : ADDRESSES_MAX;
}

static void make_relay(unsigned i)
{
    static const usec_t distances[] = {100, 5000, 40000, 700000};
    static const unsigned windows[] = {100000, 2000000, 3000, 200};
    static const unsigned intensities[] = {0, 10, 60, 250, 700};
    static const unsigned idle[] = {0, 2, 15, 40};
    SimRelay *r = &relays[i];

    *r = (SimRelay){
        .number = i, .n_addresses = 1 + choose(DECIDE_ADDRESSES, (Which){i}, ADDRESSES_MAX)};
    r->distance = distances[choose(DECIDE_DISTANCE, (Which){i}, ELEMENTSOF(distances))];
    r->window = windows[choose(DECIDE_WINDOW, (Which){i}, ELEMENTSOF(windows))];
    r->offers = choose(DECIDE_OFFERS, (Which){i}, OFFERS_MAX);
    r->bears = seldom(DECIDE_BEARS, (Which){i}, 4, 200);
    r->bears_messages = seldom(DECIDE_BEARS_MESSAGES, (Which){i}, 5, 200);
    r->bears_recipients = seldom(DECIDE_BEARS_RECIPIENTS, (Which){i}, 4, 200);
    r->closes_idle = idle[choose(DECIDE_CLOSES_IDLE, (Which){i}, ELEMENTSOF(idle))] * USEC_PER_SEC;
    r->intensity = intensities[choose(DECIDE_INTENSITY, (Which){i}, ELEMENTSOF(intensities))];
    for (unsigned k = 0; k < OUTAGES_MAX; k++)
        make_outage(r, k);
}

/* It still has its limits, and messages that it stumbles over. */
static void make_steady(SimRelay *r)
{
    memset(r->outages, 0, sizeof(r->outages));
}

static bool counts_as_attempt(OutageKind kind)
{
    return kind == OUTAGE_451_MAIL || kind == OUTAGE_451_RCPT || kind == OUTAGE_HANGS_AT_END ||
           kind == OUTAGE_LOSES_AT_END || kind == OUTAGE_HANGS_AT_MAIL;
}

/* One before it may be at fault, but not be so slow, nor defer mail: what gets on and what counts
 * as an attempt of the message keep the mail, and the next relay is not asked. */
static void make_decisive(SimRelay *r)
{
    r->window = MAX(r->window, 3000u);
    r->distance = MIN(r->distance, (usec_t)40000);
    r->intensity = 0;
    for (unsigned i = 0; i < OUTAGES_MAX; i++)
        if (counts_as_attempt(r->outages[i].kind))
            r->outages[i].kind = OUTAGE_NONE;
}

void relays_begin(bool steady)
{
    n_relays = 1 + choose(DECIDE_RELAYS, (Which){0}, RELAYS_MAX);
    for (unsigned i = 0; i < n_relays; i++)
        make_relay(i);
    for (unsigned i = 0; i < n_relays && steady; i++)
        make_decisive(&relays[i]);
    if (steady)
        make_steady(&relays[n_relays - 1]);
}

bool relays_can_be_filled(unsigned n)
{
    const SimRelay *last = &relays[n_relays - 1];

    return last->bears > 0 && n >= last->bears;
}

unsigned relays_count(void)
{
    return n_relays;
}

void relay_set_patience(unsigned relay, usec_t connecting, usec_t talking, usec_t idle)
{
    SimRelay *r = &relays[relay];

    r->connecting = MAX(r->connecting, connecting);
    r->talking = MAX(r->talking, talking);
    r->idle = MAX(r->idle, idle);
}

OutageKind outage_of(const SimRelay *relay, unsigned address)
{
    for (unsigned i = 0; i < OUTAGES_MAX && world_has_faults(); i++) {
        const Outage *o = &relay->outages[i];

        if (o->kind != OUTAGE_NONE && world.now >= o->from && world.now < o->to &&
            (o->address == ADDRESSES_MAX || o->address == address))
            return o->kind;
    }
    return OUTAGE_NONE;
}

/* ---- addresses: 192.0.2.RA and 2001:db8::RA, relay and address ---- */

static struct addrinfo *make_address(unsigned relay, unsigned address, unsigned port)
{
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in6));
    uint8_t last = (uint8_t)(relay * 16 + address + 1);

    if (!info)
        abort();
    info->ai_addr = (struct sockaddr *)(info + 1);
    if (address % 2 == 1) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)info->ai_addr;

        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        memcpy(&six->sin6_addr, "\x20\x01\x0d\xb8", 4);
        six->sin6_addr.s6_addr[15] = last;
        info->ai_addrlen = sizeof(*six);
    } else {
        struct sockaddr_in *four = (struct sockaddr_in *)info->ai_addr;

        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        four->sin_addr.s_addr = htonl(0xc0000200u + last);
        info->ai_addrlen = sizeof(*four);
    }
    info->ai_family = info->ai_addr->sa_family;
    info->ai_socktype = SOCK_STREAM;
    return info;
}

struct addrinfo *relay_addresses(const char *name, unsigned port)
{
    struct addrinfo *first = NULL, **end = &first;
    unsigned relay;

    if (sscanf(name, "relay%u.sim", &relay) != 1 || relay >= n_relays)
        return NULL;
    for (unsigned i = 0; i < relays[relay].n_addresses; i++) {
        *end = make_address(relay, i, port);
        end = &(*end)->ai_next;
    }
    return first;
}

static uint8_t last_byte(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr[15];
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) & 0xff;
}

/* ---- bytes ---- */

/* What one thing said is made of, on its way. */
struct Words {
    Words *next;
    unsigned n, mark;
    bool ends, resets;
    char text[];
};

static void drop_words(Peer *p)
{
    for (Words *words = p->words, *next; words; words = next) {
        next = words->next;
        free(words);
    }
    p->words = NULL;
}

static void free_peer(Peer *p)
{
    world_forget(p);
    drop_words(p);
    if (p->client)
        socket_detach(p->client);
    p->relay->n_open -= p->counted;
    *p->previous = p->next;
    if (p->next)
        p->next->previous = p->previous;
    buffer_done(&p->wire);
    buffer_done(&p->input);
    buffer_done(&p->content);
    free(p);
}

void relays_end(void)
{
    while (peers)
        free_peer(peers);
    n_relays = 0;
}

static void on_words(void *user, _unused_ uint64_t argument)
{
    Peer *p = user;
    Words *words = p->words;

    p->words = words->next;
    if (p->client && words->n > 0)
        socket_arrive(p->client, words->text, words->n, words->mark);
    if (p->client && words->ends)
        socket_end(p->client, words->resets);
    free(words);
}

/* In the order in which they were said. */
static void send_words(Peer *p, const char *text, size_t n, usec_t when, Words how)
{
    Words *words, **end = &p->words;

    if (!p->client)
        return;
    words = malloc(sizeof(Words) + n);
    if (!words)
        abort();
    *words = how;
    words->n = (unsigned)n;
    memcpy(words->text, text, n);
    while (*end)
        end = &(*end)->next;
    *end = words;
    p->said = MAX(p->said, when);
    world_at(p->said, on_words, p, 0);
}

void peer_say(Peer *p, const char *text, usec_t delay, unsigned mark)
{
    TELL("relay %u, address %u, connection %u says %.*s", p->relay->number, p->address, p->number,
        (int)strcspn(text, "\r\n"), text);
    send_words(
        p, text, strlen(text), world.now + delay + p->relay->distance, (Words){.mark = mark});
}

void peer_dribble(Peer *p, const char *text, unsigned mark)
{
    usec_t when = world.now + p->relay->distance;

    TELL("relay %u, address %u, connection %u dribbles %.*s", p->relay->number, p->address,
        p->number, (int)strcspn(text, "\r\n"), text);
    for (; *text != '\0'; text++)
        send_words(p, text, 1, when += USEC_PER_SEC, (Words){.mark = text[1] == '\0' ? mark : 0});
}

void peer_close(Peer *p, bool reset)
{
    if (p->state == PEER_OVER)
        return;
    TELL("relay %u, address %u, connection %u %s", p->relay->number, p->address, p->number,
        reset ? "is reset" : "is closed");
    p->state = PEER_OVER;
    p->relay->n_open -= p->counted;
    p->counted = false;
    send_words(p, "", 0, world.now + p->relay->distance, (Words){.ends = true, .resets = reset});
}

void peer_hang(Peer *p)
{
    TELL("relay %u, address %u, connection %u hangs", p->relay->number, p->address, p->number);
    p->state = PEER_HUNG;
}

void peer_expect(Peer *p, usec_t patience)
{
    if (p->client)
        socket_expect(p->client, patience);
}

static void on_idle(void *user, uint64_t since)
{
    Peer *p = user;

    if (p->state != PEER_COMMAND || p->active != since || buffer_size(&p->wire) > 0)
        return;
    peer_say(p, "421 idle for too long\r\n", 0, 0);
    peer_close(p, false);
}

/* Its input, command by command, with time to think in between. */
static void on_step(void *user, _unused_ uint64_t argument)
{
    Peer *p = user;

    p->step_due = false;
    if (p->state == PEER_HUNG || p->state == PEER_OVER)
        return;
    p->active = world.now;
    if (p->state == PEER_COMMAND)
        peer_expect(p, MAX(p->relay->talking, p->relay->idle));
    if (dialogue_step(p)) {
        p->step_due = true;
        world_at(MAX(p->busy, world.now + 50), on_step, p, 0);
    } else if (p->relay->closes_idle > 0 && p->state == PEER_COMMAND && p->client)
        world_at(world.now + p->relay->closes_idle, on_idle, p, p->active);
}

static void on_bytes(void *user, _unused_ uint64_t argument)
{
    Peer *p = user;
    size_t n = buffer_size(&p->wire);

    if (n == 0 || p->state == PEER_HUNG)
        return;
    if (p->state != PEER_OVER && buffer_append(&p->input, buffer_data(&p->wire), n) < 0)
        abort();
    buffer_clear(&p->wire);
    if (p->client)
        socket_took(p->client, (unsigned)n);
    if (p->state == PEER_OVER && p->client) { /* nobody is there any more */
        send_words(p, "", 0, world.now + p->relay->distance, (Words){.ends = true, .resets = true});
        return;
    }
    peer_expect(p, p->relay->talking);
    if (!p->step_due) {
        p->step_due = true;
        world_at(MAX(p->busy, world.now), on_step, p, 0);
    }
}

void relay_sent(Peer *p, const char *data, unsigned n)
{
    if (!p)
        return;
    if (buffer_size(&p->wire) == 0)
        world_at(world.now + p->relay->distance, on_bytes, p, 0);
    if (buffer_append(&p->wire, data, n) < 0)
        abort();
}

/* What it had sent before it closed is still acted on. */
static void on_client_closed(void *user, _unused_ uint64_t argument)
{
    Peer *p = user;

    on_bytes(p, 0);
    while (p->state != PEER_HUNG && p->state != PEER_OVER && dialogue_step(p))
        ;
    free_peer(p);
}

void relay_client_closed(Peer *p, bool reset)
{
    world_forget(p);
    drop_words(p);
    p->client = NULL;
    p->step_due = true; /* nothing is looked at before */
    if (reset && buffer_size(&p->wire) > 0)
        TELL("relay %u: reset by the client", p->relay->number);
    world_at(world.now + p->relay->distance, on_client_closed, p, 0);
}

/* ---- connecting ---- */

static void on_connected(void *user, _unused_ uint64_t argument)
{
    Peer *p = user;

    if (!p->client)
        return;
    socket_connected(p->client);
    peer_expect(p, p->relay->talking);
    p->counted = true;
    p->relay->n_open++;
    dialogue_greet(p);
}

static void on_refused(void *user, uint64_t error)
{
    Peer *p = user;

    if (p->client)
        socket_refuse(p->client, (int)error);
}

int relay_connect_error(void)
{
    return connect_error;
}

/* What becomes of the attempt, from the outage or by itself. */
static OutageKind connect_fault(const Peer *p)
{
    static const OutageKind faults[] = {OUTAGE_NONE, OUTAGE_REFUSES, OUTAGE_SILENT,
        OUTAGE_UNREACHABLE, OUTAGE_421_GREETING, OUTAGE_HANGS};
    OutageKind kind = outage_of(p->relay, p->address);

    if (kind != OUTAGE_NONE || !world_has_faults())
        return kind;
    return faults[seldom(DECIDE_CONNECT, (Which){p->relay->number, p->address, p->number},
        ELEMENTSOF(faults), p->relay->intensity)];
}

static Peer *new_peer(Socket *socket, SimRelay *relay, unsigned address)
{
    Peer *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->relay = relay;
    p->address = address;
    p->number = relay->n_connections[address]++;
    p->client = socket;
    p->next = peers;
    p->previous = &peers;
    if (p->next)
        p->next->previous = &p->next;
    peers = p;
    return p;
}

Peer *relay_connect(Socket *socket, const struct sockaddr *address, unsigned *ret_window)
{
    unsigned last = last_byte(address) - 1u, relay = last / 16;
    Peer *p;

    *ret_window = relays[relay].window;
    p = new_peer(socket, &relays[relay], last % 16);
    peer_expect(p, p->relay->connecting);
    p->fault = connect_fault(p);
    switch (p->fault) {
    case OUTAGE_UNREACHABLE:
        connect_error = ENETUNREACH;
        p->client = NULL;
        free_peer(p);
        return NULL;
    case OUTAGE_REFUSES:
        world_at(world.now + 2 * p->relay->distance, on_refused, p, ECONNREFUSED);
        break;
    case OUTAGE_SILENT: break;
    default: world_at(world.now + 2 * p->relay->distance, on_connected, p, 0); break;
    }
    return p;
}
