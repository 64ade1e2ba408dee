/* A client: one connection to a mail relay at a time, over which messages are sent.
 *
 *     OutboxClient *client = outbox_client_new();
 *
 *     outbox_set(client, "MailServer", "smtp.example.com");
 *     outbox_set(client, "From", "me@example.com");
 *     outbox_set(client, "SendTo", "you@example.com");
 *     outbox_set(client, "MessageText", "Hello");
 *     if (outbox_send(client, NULL) != 0)
 *         fprintf(stderr, "%s\n", outbox_error_text(client));
 *     outbox_client_free(client);
 *
 * A client blocks until each call is over; or, for programs with a loop of their own, none of them
 * does (outbox_set_blocking()). */
#ifndef OUTBOX_CLIENT_H
#define OUTBOX_CLIENT_H

#include <outbox/base.h>

OUTBOX_BEGIN

/* NULL when memory or descriptors are short. */
OUTBOX_API OutboxClient *outbox_client_new(void);

/* Closes the connection, without a word where one is open; a call in progress comes to nothing.
 * Accepts NULL. Not within an event. */
OUTBOX_API void outbox_client_free(OutboxClient *client);

/* Everything as it was at first: the connection is closed, settings and message have their defaults
 * (the component's Reset). Events stay, and so does a refresh token that was given in exchange and
 * that an event told could not be written to its file: it is used, and written, when the same login
 * is set again. 0 or 166. */
OUTBOX_API int outbox_reset(OutboxClient *client);

/* What the last call that failed has to say, in full; "" where the last one did not fail. And its
 * number. */
OUTBOX_API const char *outbox_error_text(const OutboxClient *client);
OUTBOX_API int outbox_error(const OutboxClient *client);

/* ---- Calls that speak to the relay ---- */

/* Connects, up to the login: the relay's addresses, and the relays of a configuration file, are
 * tried in turn. 0; 104 where it is connected already; 163 without a relay; or why it cannot be. */
OUTBOX_API int outbox_connect(OutboxClient *client);

/* Says QUIT and closes the connection. 0, also where there is none. */
OUTBOX_API int outbox_disconnect(OutboxClient *client);

/* Sends a message, NULL: the client's own (outbox_client_message()). Where there is no connection
 * it is made first and ended afterwards; else it stays. The events `recipient` and outbox_outcome()
 * tell what became of each recipient. 0: every recipient that is not a blind copy has been
 * accepted. 161: one was refused, with the server's reply; others may have been delivered to. Or
 * why none was. */
OUTBOX_API int outbox_send(OutboxClient *client, OutboxMessage *message);

/* The same with SAML, SEND and SOML in MAIL's place (RFC 821, 3.4), for relays that offer them. */
OUTBOX_API int outbox_send_to_terminal_and_email(OutboxClient *client, OutboxMessage *message);
OUTBOX_API int outbox_send_to_terminal_only(OutboxClient *client, OutboxMessage *message);
OUTBOX_API int outbox_send_to_terminal_or_email(OutboxClient *client, OutboxMessage *message);

/* Asks whether the server knows the address (VRFY), and who is on a list (EXPN, with an event
 * `expand` for each). They connect where there is no connection, which then stays. 0 for a positive
 * reply; 161 for another one. */
OUTBOX_API int outbox_verify(OutboxClient *client, const char *address);
OUTBOX_API int outbox_expand(OutboxClient *client, const char *address);

/* Says one command as it stands. 0 for a positive reply, 161 for another one: outbox_last_reply()
 * has it. 1117 without a connection; 9001 for what is no command, or is more than a command and its
 * reply (DATA, STARTTLS, AUTH, QUIT). */
OUTBOX_API int outbox_command(OutboxClient *client, const char *command);

/* The server's last reply, all its lines with "\n" between them: "250-one\n250 two"; "" before. */
OUTBOX_API const char *outbox_last_reply(OutboxClient *client);

/* The recipients of the last message that was sent, and what became of number `i`, from 0; NULL
 * behind the last. They hold until the next message is sent. */
OUTBOX_API size_t outbox_outcome_count(const OutboxClient *client);
OUTBOX_API const struct OutboxOutcome *outbox_outcome(const OutboxClient *client, size_t i);

/* Whether a connection stands, up to the login; and whether no call is in progress. */
OUTBOX_API int outbox_is_connected(const OutboxClient *client);
OUTBOX_API int outbox_is_idle(const OutboxClient *client);

/* The server's certificate, of the connection that stands or stood last; NULL without TLS. Borrowed
 * until the next connection. */
OUTBOX_API const OutboxCertificate *outbox_server_certificate(const OutboxClient *client);

/* Ends the call in progress, which then returns 301, and its connection with it: a message whose
 * end was sent may have been accepted. Does nothing where there is none. From any thread, and from
 * a signal handler. */
OUTBOX_API void outbox_interrupt(OutboxClient *client);

/* ---- In a loop of the program's own ---- */

/* Whether calls wait for their end (1, as at first), or only begin (0): then those above return 135
 * and go on in outbox_step(). 0 or 166. */
OUTBOX_API int outbox_set_blocking(OutboxClient *client, int blocking);

/* Goes on with the call in progress as far as that is possible without waiting. 135: it is not
 * over; else its result. 211 where there is none. */
OUTBOX_API int outbox_step(OutboxClient *client);

/* What to wait for before the next step: a descriptor, which stays the same as long as the client,
 * and what of it (POLLIN, for poll() and epoll; 0 while no call is in progress), or the time, in
 * microseconds of CLOCK_MONOTONIC (UINT64_MAX: none). */
OUTBOX_API int outbox_fd(const OutboxClient *client);
OUTBOX_API short outbox_events(const OutboxClient *client);
OUTBOX_API uint64_t outbox_deadline(const OutboxClient *client);

OUTBOX_END

#endif
