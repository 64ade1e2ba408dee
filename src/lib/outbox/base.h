/* What the other headers of liboutbox stand on.
 *
 * Rules that hold for the whole library:
 *
 * - Calls that can fail return 0, or the number of an error (outbox/errors.h); those that give a
 * pointer return NULL. The object that was called then has the error in words: what failed, where,
 * why, and what to do.
 * - Text is UTF-8 and ends with a NUL. What a call returns is borrowed from the object, and holds
 * until the next call on it, unless it is said otherwise. What is given is copied, unless it is
 * said otherwise. What a server says in it is fit for a terminal and a log: controls, marks of
 * direction and what is not UTF-8 are written as \xNN. Only content, as the event `transfer` shows
 * it, is bytes.
 * - An object belongs to one thread at a time; different objects may be used at once. There is no
 * global state, no signal is handled or raised, and nothing ends the process.
 * - Behind a fork() the child may free what it inherited, which closes its copies of the
 * descriptors and says nothing to any server, nor to a stream of the program's; every other call on
 * it fails with 211, or gives what it gives of nothing (NULL, "", 0, -1), but for the words of an
 * error.
 * - The structures below only ever grow at their end. */
#ifndef OUTBOX_BASE_H
#define OUTBOX_BASE_H

#include <stddef.h>
#include <stdint.h>

#define OUTBOX_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define OUTBOX_BEGIN extern "C" {
#define OUTBOX_END }
#else
#define OUTBOX_BEGIN
#define OUTBOX_END
#endif

OUTBOX_BEGIN

/* The version of these headers. */
#define OUTBOX_VERSION "1.0.0"

/* The version of the library that is loaded: "1.0.0". Static. */
OUTBOX_API const char *outbox_version(void);

typedef struct OutboxClient OutboxClient;           /* outbox/client.h */
typedef struct OutboxMessage OutboxMessage;         /* outbox/message.h */
typedef struct OutboxCertificate OutboxCertificate; /* outbox/certificate.h */

OUTBOX_END

#endif
