/* The inside of a client, for src/lib alone.
 *
 * A call is begun by call_begin(), goes on in client_step(), and is over with client_end(): whether
 * the program waits for that or drives it from a loop of its own makes no difference below. */
#pragma once

#include <outbox/outbox.h>

#include "base/buffer.h"
#include "base/failure.h"
#include "base/worker.h"
#include "lib/own.h"
#include "lib/say.h"
#include "lib/send.h"
#include "net/connection.h"
#include "settings/config.h"
#include "settings/table.h"

typedef enum CallKind {
    CALL_NONE,
    CALL_CONNECT,
    CALL_DISCONNECT,
    CALL_SEND,
    CALL_SAY,
    CALL_PROCESS,
} CallKind;

/* Where the connection is, whatever the call. */
typedef enum ContactState {
    CONTACT_NONE,
    CONTACT_CONNECTING, /* up to the login */
    CONTACT_READY,
    CONTACT_ENDING, /* QUIT has been said */
} ContactState;

/* What of the connection has been told so far, by the event connection_status. */
typedef struct Told {
    bool connected, proxy, tls;
} Told;

struct OutboxClient {
    pid_t process; /* whose it is: a child of fork() only frees it */
    OutboxEvents events;
    unsigned in_event; /* how deep */
    usec_t in_events;  /* how long the program has been busy in them; client_now() leaves it out */
    bool blocking;
    int error; /* of the last call */
    Failure failure;

    /* Settings: what was set by name, in order, over a file or nothing. */
    char *path;
    char **overrides;              /* "NAME=VALUE", NULL-terminated; may be secrets */
    const Setting **override_rows; /* of each; NULL: its name says a section, or is no setting's */
    size_t n_overrides;
    Config *values; /* of it, each by itself; NULL: to be made */
    bool is_given;  /* `config` is a program's of ours, and stays */
    Config *config; /* of it, as a whole; NULL: to be made before the next connection */
    Buffer answer;  /* of outbox_get() */
    OutboxMessage *message;

    /* The connection. What a relay's connections share outlives them, as long as the settings stay.
     */
    Worker *worker;
    Config *shared_config; /* whose relays `shared` is of */
    ConnectionShared **shared;
    size_t n_shared;
    ContactState contact;
    size_t relay;        /* in use */
    bool one_relay;      /* and no other one */
    const RouteWay *way; /* the relays that a rule of `config` names for the message; NULL: any */
    size_t way_place;    /* in them */
    ClientFault on_fault;
    void *fault_user;
    int fault_status; /* of the relays that were at fault in this call, for sysexits.h */
    int fault_code;   /* what the last one said */
    DeliveryStage fault_stage;
    char fault_enhanced[12];
    Connection *connection;
    Told told;
    bool told_secrets; /* what is to be told of this connection's, by the event error */
    bool idled; /* a call has ended since it was ready: the server may have closed it meanwhile */
    Buffer last_reply;
    Buffer reply_shown; /* of outbox_last_reply() */
    OutboxCertificate *certificate;

    /* Waiting. */
    int poll_fd;  /* an epoll descriptor of the two below */
    int wake_fd;  /* outbox_interrupt() */
    int watch_fd; /* the connection's descriptor under a number of our own; -1: none */
    unsigned watch_generation;
    short watch_events;

    /* The call in progress. */
    CallKind call;        /* read by other threads */
    bool interrupted;     /* written by other threads */
    bool ends_connection; /* the call made it, and ends it */
    bool dismissed;       /* the call is over but for that end */
    Sending sending;
    Saying saying;
    OutboxOutcome *outcomes; /* of the last message */
    size_t n_outcomes;
};

/* ---- Calls (call.c) ---- */

/* Whether there is one, of this process. */
bool client_is_here(const OutboxClient *client);

/* Whether a call may begin now: 0, 166 or 211, with the words. */
int client_check(OutboxClient *client);

/* The same for a call about a message; NULL becomes the client's own. */
int client_check_message(OutboxClient *client, OutboxMessage **message);

/* Begins a call, of which `kind` goes on once a connection stands; goes on with it until it is
 * over, unless the client does not block. What the public call returns. */
int client_call(OutboxClient *client, CallKind kind);

/* The call's work is done: `number` is its result, whose words are in client->failure. */
void client_end(OutboxClient *client, int number);

/* Sets the result of a call that never began: 0, or a number with words. */
int client_succeed(OutboxClient *client);
int client_fail(OutboxClient *client, int number, const char *format, ...) _printf_(3, 4);
/* Of client->failure and a negative errno. */
int client_fail_errno(OutboxClient *client, int error);

/* ---- The connection (contact.c) ---- */

/* Whether the connection that stands still does: the server may have closed it meanwhile, which is
 * then found out, and it is closed here too. */
bool contact_stands(OutboxClient *client);

/* Begins to connect, to the first relay. 0 or a negative errno with client->failure. */
int contact_begin(OutboxClient *client);

/* The same to the next relay, or once more to this one. 0; -ENOENT where there is none left. */
int contact_next(OutboxClient *client);
bool contact_has_next(const OutboxClient *client);
int contact_again(OutboxClient *client);

/* Takes what was found at the descriptors. */
void contact_look(OutboxClient *client);

/* Goes on: 1 with an event, 0 when it must wait, or a negative errno. */
int contact_step(OutboxClient *client, SmtpEvent *ret);

void contact_quit(OutboxClient *client);

/* Closes it at once; `why` is for the event, 0 and NULL for an end that was wanted. */
void contact_close(OutboxClient *client, int error, const char *why);

/* Frees what relays' connections share. */
void contact_forget(OutboxClient *client);

/* The words for a relay's fault, with what to do, become client->failure. Returns the error number.
 */
int contact_explain(OutboxClient *client, const DeliveryOutcome *fault);

/* ---- Settings (settings.c) ---- */

/* client->config, made where it is not there. 0, or an error number with client->failure. */
int settings_prepare(OutboxClient *client);
void settings_done(OutboxClient *client);

/* ---- Events (notify.c) ---- */

/* The time that the connection and all that belongs to it is told: CLOCK_MONOTONIC without what the
 * program spent in its events. So no server is blamed for that. */
usec_t client_now(const OutboxClient *client);

void notify_status(OutboxClient *client, const char *event, int code, const char *text);
void notify_start(OutboxClient *client);
void notify_transfer(
    OutboxClient *client, uint64_t bytes, uint64_t total, const char *data, size_t n);
void notify_end(OutboxClient *client);
void notify_error(OutboxClient *client, int error, const char *text);
void notify_recipient(OutboxClient *client, const OutboxOutcome *outcome);
void notify_expand(OutboxClient *client, const char *address);
void notify_certificate(
    OutboxClient *client, const OutboxCertificate *certificate, const char *status, int *accept);
void notify_tls_status(OutboxClient *client, const char *text);
void notify_fault(OutboxClient *client, const DeliveryOutcome *fault);
/* A SmtpTrace of a client. */
void notify_trace(void *client, SmtpTraceDirection direction, const char *line, size_t n);
